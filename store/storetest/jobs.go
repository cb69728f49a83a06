package storetest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows"
)

// owe makes the stream owe exactly these jobs.
func owe(t testing.TB, s *store.Store, stream workflows.StreamID, want ...workflows.Job) {
	t.Helper()
	_, err := s.Update(context.Background(), "", nil, func(workflows.Facts) (workflows.Outcome, error) {
		return workflows.Outcome{Pending: map[workflows.StreamID][]workflows.Job{stream: want}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func owed(t testing.TB, s *store.Store, stream workflows.StreamID) []workflows.Job {
	t.Helper()
	list, err := s.JobsOf(context.Background(), stream)
	if err != nil {
		t.Fatal(err)
	}
	var out []workflows.Job
	for _, j := range list {
		out = append(out, j.Job)
	}
	return out
}

func claim(t testing.TB, s *store.Store, limit int) []jobs.Job {
	t.Helper()
	list, err := s.Claim(context.Background(), limit)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func names(list []jobs.Job) []string {
	var out []string
	for _, j := range list {
		out = append(out, j.Kind+" "+j.Key)
	}
	return out
}

func settle(t testing.TB, s *store.Store, j jobs.Job, v jobs.Verdict) {
	t.Helper()
	if err := s.Settle(context.Background(), j, v); err != nil {
		t.Fatal(err)
	}
}

func wantNames(t testing.TB, what string, got []jobs.Job, want ...string) {
	t.Helper()
	if diff := gocmp.Diff(want, names(got)); diff != "" {
		t.Errorf("%s:\n%s", what, diff)
	}
}

func testJobs(t *testing.T, cfg store.Config) {
	s := Open(t, cfg)
	now := workflows.StampOf(cfg.Clock.Now().Wall)
	wake := workflows.Job{Kind: "wake", Due: now.Add(time.Hour)}
	tell := workflows.Job{Kind: "notice", Key: "n1", Lane: workflows.LaneUrgent, Pace: "ch:x"}
	owe(t, s, one, wake, tell, tell)
	if diff := gocmp.Diff([]workflows.Job{tell, wake}, owed(t, s, one)); diff != "" {
		t.Errorf("owed:\n%s", diff)
	}
	wake.Due = now.Add(2 * time.Hour)
	owe(t, s, one, wake)
	if diff := gocmp.Diff([]workflows.Job{wake}, owed(t, s, one)); diff != "" {
		t.Errorf("moved and ended:\n%s", diff)
	}
	if next, err := s.NextDue(t.Context()); err != nil || next != wake.Due {
		t.Errorf("next due %v, %v", next, err)
	}
	Must(t, s, "", one, Voted{})
	if got := owed(t, s, one); len(got) != 1 {
		t.Errorf("an outcome that says nothing about jobs left %d", len(got))
	}
	owe(t, s, one)
	if next, err := s.NextDue(t.Context()); err != nil || next != 0 || len(owed(t, s, one)) != 0 {
		t.Errorf("nothing is owed, but next is %v, %v", next, err)
	}
}

func testSettle(t *testing.T, cfg store.Config) {
	clock := cfg.Clock.(*Clock)
	s := Open(t, cfg)
	owe(t, s, one,
		workflows.Job{Kind: "a", Key: "1"}, workflows.Job{Kind: "a", Key: "2", Lane: workflows.LaneUrgent},
		workflows.Job{Kind: "later", Due: workflows.StampOf(clock.Now().Wall.Add(time.Minute))})
	wantNames(t, "limit 1 takes the urgent one", claim(t, s, 1), "a 2")
	rest := claim(t, s, 10)
	wantNames(t, "the rest", rest, "a 1")
	wantNames(t, "leased rows are not due", claim(t, s, 10))

	settle(t, s, rest[0], jobs.Verdict{Ended: jobs.Retried, After: 10 * time.Second, Error: "no route"})
	clock.Add(10*time.Second - time.Millisecond)
	wantNames(t, "a millisecond early", claim(t, s, 10))
	clock.Add(time.Millisecond)
	again := claim(t, s, 10)
	wantNames(t, "after the back-off", again, "a 1")
	if j := again[0]; j.Attempts != 1 || j.LastError != "no route" {
		t.Errorf("%+v", j)
	}
	settle(t, s, again[0], jobs.Verdict{Ended: jobs.Postponed})
	again = claim(t, s, 10)
	if len(again) != 1 || again[0].Attempts != 1 {
		t.Errorf("a postponed job counts no attempt: %+v", again)
	}
	settle(t, s, again[0], jobs.Verdict{Ended: jobs.Interrupted})
	again = claim(t, s, 10)
	if len(again) != 1 || again[0].Attempts != 2 || again[0].LastError != "no route" {
		t.Errorf("an interrupted job is due at once and counts an attempt: %+v", again)
	}

	// Asked for anew while it runs: the finish is about the past.
	owe(t, s, one, workflows.Job{Kind: "a", Key: "1", Pace: "p"})
	settle(t, s, again[0], jobs.Verdict{Ended: jobs.Finished})
	again = claim(t, s, 10)
	if len(again) != 1 || again[0].Gen != 2 || again[0].Attempts != 0 || again[0].Pace != "p" {
		t.Errorf("asked for anew: %+v", again)
	}
	settle(t, s, again[0], jobs.Verdict{Ended: jobs.Finished})
	settle(t, s, again[0], jobs.Verdict{Ended: jobs.Retried}) // gone: nothing
	if got := owed(t, s, one); len(got) != 0 {
		t.Errorf("finished, but owed: %+v", got)
	}

	// A handler that returns while the fold still asks.
	owe(t, s, one, workflows.Job{Kind: "w"})
	run := claim(t, s, 10)[0]
	settle(t, s, run, jobs.Verdict{Ended: jobs.Returned, After: time.Second})
	wantNames(t, "no hot loop", claim(t, s, 10))
	clock.Add(time.Second)
	run = claim(t, s, 10)[0]
	next := workflows.StampOf(clock.Now().Wall.Add(time.Hour))
	owe(t, s, one, workflows.Job{Kind: "w", Due: next})
	settle(t, s, run, jobs.Verdict{Ended: jobs.Returned})
	if due, err := s.NextDue(t.Context()); err != nil || due != next {
		t.Errorf("the next wake is at %v, want %v, %v", due, next, err)
	}

	// The wall clock goes back an hour: the job is looked at when an hour has passed all the same.
	clock.Set(-time.Hour)
	Must(t, s, "", one, Voted{})
	clock.Add(time.Hour)
	early := claim(t, s, 10)
	wantNames(t, "after an hour by the monotonic clock", early, "w ")
	settle(t, s, early[0], jobs.Verdict{Ended: jobs.Returned})
	if due, err := s.NextDue(t.Context()); err != nil || due != next {
		t.Errorf("an early look puts it back to %v, want %v, %v", due, next, err)
	}
}

func testLeases(t *testing.T, cfg store.Config) {
	s := Open(t, cfg)
	owe(t, s, one, workflows.Job{Kind: "a", Key: "1"}, workflows.Job{Kind: "a", Key: "2"})
	if n := len(claim(t, s, 10)); n != 2 {
		t.Fatalf("claimed %d", n)
	}
	s = Reopen(t, s, cfg)
	if cfg.DSN != "" {
		return // PostgreSQL waits for the lease to end: another replica may be running them
	}
	if got := claim(t, s, 10); len(got) != 2 {
		t.Errorf("after a restart %d of 2 are due", len(got))
	}
}

// testManyDue is the regression that stranded rows in a prototype: with more due than any buffer holds, claims go on until
// all are leased, each once.
func testManyDue(t *testing.T, cfg store.Config) {
	s := Open(t, cfg)
	const streams, each = 52, 1000
	var wg sync.WaitGroup
	for i := range streams {
		wg.Go(func() {
			want := make([]workflows.Job, each)
			for k := range want {
				want[k] = workflows.Job{Kind: "n", Key: fmt.Sprint(k)}
			}
			owe(t, s, workflows.StreamID(fmt.Sprintf("request/%d", i)), want...)
		})
	}
	wg.Wait()
	seen := make(map[int64]bool)
	for {
		list := claim(t, s, 2000)
		for _, j := range list {
			if seen[j.ID] {
				t.Fatalf("job %d was claimed twice", j.ID)
			}
			seen[j.ID] = true
		}
		if len(list) < 2000 {
			break
		}
	}
	if len(seen) != streams*each {
		t.Errorf("claimed %d of %d", len(seen), streams*each)
	}
	if next, err := s.NextDue(t.Context()); err != nil || next != 0 {
		t.Errorf("all are leased, but next is %v, %v", next, err)
	}
}

// taker receives what is handed over.
type taker struct {
	mu    sync.Mutex
	room  int
	got   []jobs.Job
	wakes []workflows.Stamp
}

func (h *taker) Room() int { return h.room }

func (h *taker) Take(list []jobs.Job) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.got = append(h.got, list...)
}

func (h *taker) Wake(due workflows.Stamp) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wakes = append(h.wakes, due)
}

func testHanded(t *testing.T, cfg store.Config) {
	s := Open(t, cfg)
	h := &taker{room: 1}
	s.Attach(h)
	later := workflows.StampOf(cfg.Clock.Now().Wall.Add(time.Hour))
	owe(t, s, one, workflows.Job{Kind: "a", Key: "1"}, workflows.Job{Kind: "a", Key: "2"}, workflows.Job{Kind: "a", Key: "3", Due: later})
	wantNames(t, "handed over as far as there is room", h.got, "a 1")
	wantNames(t, "the other one is in the database", claim(t, s, 10), "a 2")
	if len(h.wakes) == 0 || h.wakes[0] >= later {
		t.Errorf("wakes: %v", h.wakes)
	}
	h.got = nil
	_, err := s.Update(t.Context(), "", nil, func(workflows.Facts) (workflows.Outcome, error) {
		out := workflows.Outcome{Pending: map[workflows.StreamID][]workflows.Job{"request/x": {{Kind: "b"}}}}
		out.Events = make([]workflows.StreamEvent, 1) // refused after the job was written
		return out, nil
	})
	if err == nil || len(h.got) != 0 {
		t.Errorf("a callback that failed handed over %v, %v", names(h.got), err)
	}
}

func testSchedule(t *testing.T, cfg store.Config) {
	clock := cfg.Clock.(*Clock)
	s := Open(t, cfg)
	for _, bad := range [][2]string{{"0 0 30 2 *", ""}, {"TZ=", ""}, {"* * *", ""}, {"0 * * * *", "Mars/Olympus"}, {"@every 1h", ""}} {
		if err := s.Schedule(t.Context(), "bad", bad[0], bad[1]); err == nil {
			t.Errorf("schedule %q in %q: accepted", bad[0], bad[1])
		}
	}
	for range 2 {
		if err := s.Schedule(t.Context(), "publish", "30 2 * * *", "Europe/Berlin"); err != nil {
			t.Fatal(err)
		}
	}
	owe(t, s, workflows.SystemStream) // a fold of the system stream must not end recurring work
	wantNames(t, "before it is due", claim(t, s, 10))
	clock.Add(50 * time.Hour) // two occurrences are missed and collapse into one
	run := claim(t, s, 10)
	wantNames(t, "the occurrence", run, "publish 2026-11-23T01:30:00Z")
	settle(t, s, run[0], jobs.Verdict{Ended: jobs.Retried, After: time.Second})
	clock.Add(time.Second)
	run = claim(t, s, 10)
	settle(t, s, run[0], jobs.Verdict{Ended: jobs.Finished})
	wantNames(t, "the next one is not due", claim(t, s, 10))
	s = Reopen(t, s, cfg)
	if err := s.Schedule(t.Context(), "publish", "30 2 * * *", "Europe/Berlin"); err != nil {
		t.Fatal(err)
	}
	clock.Add(24 * time.Hour)
	wantNames(t, "one row, not two", claim(t, s, 10), "publish 2026-11-25T01:30:00Z")
}

// testRebuild compares jobs and lists after random outcomes with what the last outcome of each stream said.
func testRebuild(t *testing.T, cfg store.Config) {
	s := Open(t, cfg)
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		wantJobs := make(map[workflows.StreamID][]workflows.Job)
		wantLists := make(map[workflows.StreamID][]workflows.Listing)
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			stream := workflows.StreamID(fmt.Sprintf("request/%d-%d", round, rapid.IntRange(0, 2).Draw(rt, "stream")))
			wantJobs[stream] = drawJobs(rt)
			wantLists[stream] = drawLists(rt)
			_, err := s.Update(context.Background(), "", []workflows.StreamID{stream}, func(workflows.Facts) (workflows.Outcome, error) {
				out := workflows.Outcome{
					Pending:  map[workflows.StreamID][]workflows.Job{stream: wantJobs[stream]},
					Listings: map[workflows.StreamID][]workflows.Listing{stream: wantLists[stream]},
				}
				out.Add(stream, workflows.System, "", Voted{})
				return out, nil
			})
			if err != nil {
				rt.Fatal(err)
			}
			if rapid.Bool().Draw(rt, "claim") {
				for _, j := range claim(t, s, 3) {
					settle(t, s, j, jobs.Verdict{Ended: jobs.Ending(rapid.SampledFrom([]int{int(jobs.Retried), int(jobs.Postponed)}).Draw(rt, "end")), After: time.Hour})
				}
			}
		}
		for stream, want := range wantJobs {
			if diff := gocmp.Diff(want, owed(t, s, stream)); diff != "" {
				rt.Errorf("jobs of %q:\n%s", stream, diff)
			}
			got, err := s.Listings(context.Background(), stream)
			if diff := gocmp.Diff(wantLists[stream], got); err != nil || diff != "" {
				rt.Errorf("lists of %q: %v\n%s", stream, err, diff)
			}
		}
	})
}

func drawJobs(rt *rapid.T) (out []workflows.Job) {
	for _, key := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 0, 4, rapid.ID).Draw(rt, "keys") {
		out = append(out, workflows.Job{
			Kind: "k", Key: key, Due: workflows.Stamp(rapid.IntRange(0, 3).Draw(rt, "due")),
			Lane: workflows.Lane(rapid.IntRange(0, 1).Draw(rt, "lane")), Pace: rapid.SampledFrom([]string{"", "p"}).Draw(rt, "pace"),
		})
	}
	slices.SortFunc(out, func(a, b workflows.Job) int { return cmp.Compare(a.Key, b.Key) })
	return out
}

func drawLists(rt *rapid.T) (out []workflows.Listing) {
	for _, m := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"p_1", "p_2", "p_3"}), 0, 3, rapid.ID).Draw(rt, "members") {
		out = append(out, workflows.Listing{List: "waiting", Member: m, Sort: int64(rapid.IntRange(0, 3).Draw(rt, "sort"))})
	}
	slices.SortFunc(out, func(a, b workflows.Listing) int { return cmp.Compare(a.Member, b.Member) })
	return out
}
