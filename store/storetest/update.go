package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/custody"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/workflows"
)

const one workflows.StreamID = "request/r_1"

func history(t testing.TB, s *store.Store, stream workflows.StreamID) []workflows.Record {
	t.Helper()
	h, err := s.History(context.Background(), stream)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func testHistory(t *testing.T, cfg store.Config) {
	s := Open(t, cfg)
	opened := Opened{
		Title: "<b>\u2028 & \U0001F600", Reason: "so that\x00 it works", Names: []string{"zed", "", "ann"},
		Texts: map[string]string{"ticket/1": "INC-1", "empty": ""}, List: []string{"a"}, Until: 1_800_000_000_000_001,
	}
	res := Must(t, s, "cli/1", one, opened, Voted{By: "p_2"})
	got := history(t, s, one)
	if diff := cmp.Diff(res.Records, got); diff != "" {
		t.Errorf("the result is not the history:\n%s", diff)
	}
	if len(got) != 2 {
		t.Fatalf("%d records", len(got))
	}
	if diff := cmp.Diff(workflows.Event(opened), got[0].Event); diff != "" {
		t.Errorf("the event came back changed:\n%s", diff)
	}
	want := got[0]
	if want.Seq != 1 || want.Actor != "a_1" || want.Person != "p_1" || want.Cause != "cli/1" || want.ID == "" || want.Index != 1 {
		t.Errorf("envelope: %+v", want)
	}
	if e, err := s.Entry(t.Context(), got[1].ID); err != nil || e.Seq != 2 {
		t.Errorf("Entry(%q): %+v, %v", got[1].ID, e, err)
	}
	s = Reopen(t, s, cfg)
	if diff := cmp.Diff(got, history(t, s, one)); diff != "" {
		t.Errorf("a restart sees another history:\n%s", diff)
	}
	if h := history(t, s, "request/none"); len(h) != 0 {
		t.Errorf("an unknown stream has %d records", len(h))
	}
	system := history(t, s, workflows.SystemStream)
	if g, ok := system[0].Event.(store.Genesis); !ok || g.Origin != Origin || g.VKey != cfg.Key.VKey() || system[0].Index != 0 {
		t.Errorf("entry 0: %+v", system[0])
	}
}

func testCause(t *testing.T, cfg store.Config) {
	s := Open(t, cfg)
	first := Must(t, s, "inbox/7", one, Opened{Title: "a", Reason: "r"})
	calls := 0
	again := func() store.Result {
		res, err := s.Update(t.Context(), "inbox/7", []workflows.StreamID{one}, func(workflows.Facts) (workflows.Outcome, error) {
			calls++
			return workflows.Outcome{}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	want := store.Result{Records: first.Records, Replayed: true}
	if diff := cmp.Diff(want, again()); diff != "" || calls != 0 {
		t.Errorf("a consumed cause: decide called %d times, result differs:\n%s", calls, diff)
	}
	s = Reopen(t, s, cfg)
	if diff := cmp.Diff(want, again()); diff != "" || calls != 0 {
		t.Errorf("a consumed cause after a restart: decide called %d times, result differs:\n%s", calls, diff)
	}

	var wg sync.WaitGroup
	var mu sync.Mutex
	replayed := 0
	for range 20 {
		wg.Go(func() {
			res, err := s.Update(context.Background(), "inbox/8", []workflows.StreamID{one}, Append(one, Voted{By: "p_1"}))
			mu.Lock()
			defer mu.Unlock()
			if err != nil || len(res.Records) != 1 {
				t.Error(res, err)
			}
			if res.Replayed {
				replayed++
			}
		})
	}
	wg.Wait()
	if n := len(history(t, s, one)); n != 2 || replayed != 19 {
		t.Errorf("one cause twenty times at once: %d entries, %d replayed", n, replayed)
	}
}

func testRefusal(t *testing.T, cfg store.Config) {
	s := Open(t, cfg)
	want := workflows.Refuse(workflows.CodeLate, "Too late.", "Ask again.")
	for i := range 2 {
		res, err := s.Update(t.Context(), "inbox/1", []workflows.StreamID{one}, func(workflows.Facts) (workflows.Outcome, error) {
			var out workflows.Outcome
			out.Add(one, workflows.System, "", Voted{By: "p_late"})
			out.Refusal = want
			return out, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, res.Refusal); diff != "" || len(res.Records) != 1 || res.Replayed != (i == 1) {
			t.Errorf("call %d: %+v\n%s", i, res, diff)
		}
	}
	if h := history(t, s, one); len(h) != 1 {
		t.Errorf("a refusal is recorded once, not %d times", len(h))
	}
}

func testUndecided(t *testing.T, cfg store.Config) {
	s := Open(t, cfg)
	before, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("the directory does not answer")
	_, err = s.Update(t.Context(), "inbox/1", nil, func(workflows.Facts) (workflows.Outcome, error) {
		var out workflows.Outcome
		out.Add(one, workflows.System, "", Voted{})
		return out, broken
	})
	if err != broken {
		t.Errorf("got %v, want the error of decide itself", err)
	}
	after, err := s.Head(t.Context())
	if diff := cmp.Diff(before, after); err != nil || diff != "" {
		t.Errorf("an error wrote something: %v\n%s", err, diff)
	}
	if res := Must(t, s, "inbox/1", one, Voted{}); res.Replayed {
		t.Error("a cause whose decision failed was consumed")
	}
	_, err = s.Update(t.Context(), "", nil, func(workflows.Facts) (workflows.Outcome, error) { panic("oops") })
	if err == nil || s.PoisonedBy() != nil {
		t.Errorf("a panic in decide: %v, poisoned by %v", err, s.PoisonedBy())
	}
	_, err = s.Update(t.Context(), "", nil, Append(one, unknown{}))
	if err == nil {
		t.Error("an event kind nobody registered was accepted")
	}
	Must(t, s, "", one, Voted{})
}

type unknown struct{}

func (unknown) Kind() string { return "nobody.knows" }

// testIsolation lets every third of many concurrent callbacks fail after it has written: only it is rolled back.
func testIsolation(t *testing.T, cfg store.Config) {
	s := Open(t, cfg)
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			stream := workflows.StreamID(fmt.Sprintf("request/%d", i%5))
			_, err := s.Update(context.Background(), store.Cause(fmt.Sprintf("cli/%d", i)), []workflows.StreamID{stream},
				func(workflows.Facts) (workflows.Outcome, error) {
					out := workflows.Outcome{Pending: map[workflows.StreamID][]workflows.Job{stream: {{Kind: "k", Key: fmt.Sprint(i)}}}}
					out.Add(stream, workflows.System, "", Voted{By: fmt.Sprint(i)})
					switch {
					case i%6 == 0: // fails between its two events
						out.Add(stream, workflows.System, "", Opened{Title: "bad \xff bytes"})
					case i%3 == 0: // fails after its event
						out.Pending[stream] = make([]workflows.Job, 5000)
					}
					return out, nil
				})
			if (err != nil) != (i%3 == 0) {
				t.Errorf("callback %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	total := 0
	for i := range 5 {
		h := history(t, s, workflows.StreamID(fmt.Sprintf("request/%d", i)))
		total += len(h)
		if err := workflows.CheckSeq(h); err != nil {
			t.Error(err)
		}
		for _, r := range h {
			var n int
			fmt.Sscan(r.Event.(Voted).By, &n)
			if n%3 == 0 {
				t.Errorf("callback %d failed but its first event is recorded", n)
			}
		}
	}
	if total != 40 {
		t.Errorf("%d events, want 40", total)
	}
}

// testFiftyVotes lets fifty people vote at once: all are recorded, and the quorum of three is met exactly once.
func testFiftyVotes(t *testing.T, cfg store.Config) {
	s := Open(t, cfg)
	Must(t, s, "", one, Opened{Title: "a"})
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			_, err := s.Update(context.Background(), "", []workflows.StreamID{one}, func(f workflows.Facts) (workflows.Outcome, error) {
				var out workflows.Outcome
				out.Add(one, workflows.System, "", Voted{By: fmt.Sprint(i)})
				votes := 1
				for _, r := range f.Histories[one] {
					if _, ok := r.Event.(Voted); ok {
						votes++
					}
				}
				if votes == 3 {
					out.Add(one, workflows.System, "", Ended{})
				}
				return out, nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	h := history(t, s, one)
	ended := 0
	for _, r := range h {
		if _, ok := r.Event.(Ended); ok {
			ended++
		}
	}
	if len(h) != 52 || ended != 1 {
		t.Errorf("%d entries and %d ends, want 52 and 1", len(h), ended)
	}
	if err := workflows.CheckSeq(h); err != nil {
		t.Error(err)
	}
}

// testBatchSeesItself appends to a stream that was not named, and reads it in the next callback.
func testBatchSeesItself(t *testing.T, cfg store.Config) {
	s := Open(t, cfg)
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() {
			_, err := s.Update(context.Background(), "", nil, Append("request/unnamed", Voted{}))
			if err != nil {
				t.Error(err)
			}
			_, err = s.Update(context.Background(), "", []workflows.StreamID{"request/unnamed"}, func(f workflows.Facts) (workflows.Outcome, error) {
				if err := workflows.CheckSeq(f.Histories["request/unnamed"]); err != nil {
					return workflows.Outcome{}, err
				}
				return Append("request/unnamed", Voted{})(f)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if h := history(t, s, "request/unnamed"); len(h) != 60 {
		t.Errorf("%d entries, want 60", len(h))
	}
}

func testDocuments(t *testing.T, cfg store.Config) {
	s := Open(t, cfg)
	text := []byte(`{"a":1}`)
	doc := workflows.Document{Hash: workflows.DocHash(ledger.DocumentHash(text)), Kind: "policy", Bytes: text}
	name := func(policy workflows.DocHash, docs ...workflows.Document) error {
		_, err := s.Update(t.Context(), "", nil, func(workflows.Facts) (workflows.Outcome, error) {
			out := workflows.Outcome{Documents: docs}
			out.Add(one, workflows.System, policy, Voted{})
			return out, nil
		})
		return err
	}
	if err := name(doc.Hash); err == nil {
		t.Error("an entry named a policy that is not recorded")
	}
	if err := name(doc.Hash, doc, doc); err != nil {
		t.Error(err)
	}
	if err := name(doc.Hash, doc); err != nil {
		t.Error(err)
	}
	wrong := doc
	wrong.Bytes = []byte(`{"a":2}`)
	if err := name("", wrong); err == nil {
		t.Error("a document with another hash was accepted")
	}
	got, err := s.Document(t.Context(), doc.Hash)
	if diff := cmp.Diff(doc, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if _, err := s.Document(t.Context(), "sha256:0"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an unknown document: %v", err)
	}
}

func testErasure(t *testing.T, cfg store.Config) {
	s := Open(t, cfg)
	Must(t, s, "", one, Opened{Title: "a", Reason: "secret", Names: []string{"x", "y"}, Texts: map[string]string{"k": "v"}})
	all := store.Erasure{Scope: custody.Scope{Person: "p_1"}}
	noted := func(_ workflows.Facts, e custody.Erased) (workflows.Outcome, error) {
		if e.Texts != 4 || e.Before != 2 {
			t.Errorf("it is to erase %+v", e)
		}
		var out workflows.Outcome
		out.Add(workflows.SystemStream, workflows.System, "", Voted{By: "an erasure"})
		return out, nil
	}
	errTest := errors.New("a test says no")
	refused := workflows.Refuse(workflows.CodeNotEligible, "No.", "")
	res, err := s.Erase(t.Context(), "", nil, all, func(workflows.Facts, custody.Erased) (workflows.Outcome, error) {
		return workflows.Outcome{Refusal: refused}, nil
	})
	if err != nil || res.Refusal != refused {
		t.Errorf("a refusal: %v, %v", res, err)
	}
	if _, err := s.Erase(t.Context(), "", nil, all, func(workflows.Facts, custody.Erased) (workflows.Outcome, error) {
		return workflows.Outcome{}, errTest
	}); !errors.Is(err, errTest) {
		t.Errorf("undecided: %v", err)
	}
	if got := history(t, s, one)[0].Event.(Opened).Reason; got != "secret" {
		t.Errorf("it was erased without a record: %q", got)
	}
	if res, err := s.Erase(t.Context(), "", nil, all, noted); err != nil || len(res.Records) != 1 {
		t.Fatalf("erasing: %+v, %v", res, err)
	}
	want := workflows.Event(Opened{Title: "a", Names: []string{"", ""}, Texts: map[string]string{"k": ""}})
	check := func() {
		t.Helper()
		if diff := cmp.Diff(want, history(t, s, one)[0].Event); diff != "" {
			t.Error(diff)
		}
	}
	check()
	if _, err := s.Erase(t.Context(), "", nil, all, noted); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("erasing nothing: %v", err)
	}
	s = Reopen(t, s, cfg)
	check()
}

func testTime(t *testing.T, cfg store.Config) {
	clock := cfg.Clock.(*Clock)
	s := Open(t, cfg)
	a := Must(t, s, "", one, Voted{}).Records[0].At
	clock.Add(time.Hour)
	b := Must(t, s, "", one, Voted{}).Records[0].At
	if b.UTC.Sub(a.UTC) != time.Hour || b.Mono-a.Mono != time.Hour.Nanoseconds() {
		t.Errorf("an hour passed: %v, %v", a, b)
	}
	s = Reopen(t, s, cfg)
	clock.Set(-30 * time.Minute)
	c := Must(t, s, "", one, Voted{}).Records[0].At
	if c.Mono < b.Mono || c.UTC >= b.UTC {
		t.Errorf("the wall went back and the monotonic time must not: %v, %v", b, c)
	}
	clock.Set(4 * time.Second)
	Must(t, s, "", one, Voted{})
	clock.Set(2 * time.Hour)
	Must(t, s, "", one, Voted{})
	var jumps []time.Duration
	for _, r := range history(t, s, workflows.SystemStream) {
		if j, ok := r.Event.(store.ClockJumped); ok {
			jumps = append(jumps, j.To.Sub(j.From))
		}
	}
	if diff := cmp.Diff([]time.Duration{-30 * time.Minute, 2 * time.Hour}, jumps); diff != "" {
		t.Errorf("recorded jumps:\n%s", diff)
	}
}

func testPublish(t *testing.T, cfg store.Config) {
	s := Open(t, cfg)
	c, grew, err := s.Publish(t.Context())
	if err != nil || !grew || c.Size != 1 {
		t.Fatal(c, grew, err)
	}
	if _, grew, err = s.Publish(t.Context()); err != nil || grew {
		t.Errorf("nothing was added, but it grew: %v", err)
	}
	Must(t, s, "", workflows.SystemStream, store.AnchorPublished{Size: c.Size, Root: c.Root.String(), Sink: "slack", Place: "C1/1"})
	if _, grew, err = s.Publish(t.Context()); err != nil || grew {
		t.Errorf("only a publication was added, but it grew: %v", err)
	}
	Must(t, s, "", one, Voted{})
	d, grew, err := s.Publish(t.Context())
	if err != nil || !grew || d.Size != 3 {
		t.Fatal(d, grew, err)
	}
	head, err := s.Head(t.Context())
	if err != nil || head.Size != 3 || string(head.Note) != string(d.Note) {
		t.Errorf("the head %d is not what was published: %v", head.Size, err)
	}
	list, err := s.Checkpoints(t.Context())
	if err != nil || len(list) != 2 || list[0].Size != 3 || list[1].Size != 1 || list[0].Root != head.Root {
		t.Errorf("checkpoints: %+v, %v", list, err)
	}
}

func testReads(t *testing.T, cfg store.Config) {
	s := Open(t, cfg)
	for i := range 600 { // past two tiles
		if i%200 == 0 {
			Must(t, s, "", workflows.StreamID(fmt.Sprintf("request/%d", i)), Opened{Title: fmt.Sprint(i)})
			continue
		}
		Must(t, s, "", one, Voted{By: fmt.Sprint(i)})
	}
	got, err := s.Entries(t.Context(), 100, 110)
	if err != nil || len(got) != 10 || got[0].Index != 100 || got[9].Index != 109 {
		t.Errorf("%d entries, %v", len(got), err)
	}
	streams, err := s.Streams(t.Context(), workflows.KindRequest, 1)
	if diff := cmp.Diff([]workflows.StreamID{one, "request/200", "request/400"}, streams); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if _, err := s.Entry(t.Context(), "e_none"); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
	leaf, err := s.Leaf(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if l, err := ledger.Decode(leaf); err != nil || l.Type != ledger.TypeGenesis {
		t.Error(l, err)
	}
	s = Reopen(t, s, cfg)
	Must(t, s, "", one, Voted{})

	ro, err := store.OpenReadOnly(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer ro.Close()
	if h, err := ro.History(t.Context(), one); err != nil || len(h) != 598 {
		t.Errorf("read-only: %d entries, %v", len(h), err)
	}
	if _, err := ro.Update(t.Context(), "", nil, Append(one, Voted{})); !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("read-only: %v", err)
	}
	if r, err := ro.Verify(t.Context()); err != nil || !r.OK {
		t.Errorf("read-only: %+v, %v", r.Problems, err)
	}
}

func testLimits(t *testing.T, cfg store.Config) {
	s := Open(t, cfg)
	refused := func(what string, out workflows.Outcome) {
		t.Helper()
		if _, err := s.Update(t.Context(), "", nil, func(workflows.Facts) (workflows.Outcome, error) { return out, nil }); err == nil {
			t.Errorf("%s: accepted", what)
		}
	}
	refused("300 events", workflows.Outcome{Events: make([]workflows.StreamEvent, 300)})
	refused("an empty event", workflows.Outcome{Events: make([]workflows.StreamEvent, 1)})
	refused("2000 jobs", workflows.Outcome{Pending: map[workflows.StreamID][]workflows.Job{one: make([]workflows.Job, 2000)}})
	refused("2000 lists", workflows.Outcome{Listings: map[workflows.StreamID][]workflows.Listing{one: make([]workflows.Listing, 2000)}})
	var big workflows.Outcome
	big.Add(one, workflows.System, "", Opened{Title: string(make([]byte, 70_000))})
	refused("a leaf of 70 KB", big)
	if _, err := s.Update(t.Context(), "", make([]workflows.StreamID, 100), Append(one)); err == nil {
		t.Error("100 streams: accepted")
	}
	if _, _, err := s.PutInbox(t.Context(), "t", "k", nil, make([]byte, 2<<20)); err == nil {
		t.Error("a delivery of 2 MiB: accepted")
	}
	if h := history(t, s, one); len(h) != 0 {
		t.Errorf("%d entries", len(h))
	}
}
