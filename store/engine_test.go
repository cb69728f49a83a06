package store_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/store/storetest"
	"github.com/countersign-bot/countersign/store/storetest/pgtest"
	"github.com/countersign-bot/countersign/workflows"
)

// run starts a worker on a store and gives what stops it.
func run(t *testing.T, s *store.Store, kinds map[string]jobs.Kind) (stop func()) {
	t.Helper()
	w := jobs.New(jobs.Config{Queue: s, Clock: s.Clock(), Kinds: kinds})
	s.Attach(w)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// ending is a handler that ends its job by recording an event, as effects do.
func ending(s *store.Store, ran func(j jobs.Job)) jobs.Handler {
	return func(ctx context.Context, j jobs.Job) error {
		ran(j)
		_, err := s.Update(ctx, store.Cause(j.Cause()), nil, func(workflows.Facts) (workflows.Outcome, error) {
			out := workflows.Outcome{Pending: map[workflows.StreamID][]workflows.Job{j.Stream: nil}}
			out.Add(j.Stream, workflows.System, "", storetest.Ended{})
			return out, nil
		})
		return err
	}
}

// TestTimersAreExact runs the real store and worker in a bubble of virtual time: a timer fires at its instant, not after it.
func TestTimersAreExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := storetest.Config(t)
		cfg.Clock = jobs.NewSystem()
		s, err := store.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		var mu sync.Mutex
		late := make(map[string]time.Duration)
		stop := run(t, s, map[string]jobs.Kind{"wake": {Handle: ending(s, func(j jobs.Job) {
			mu.Lock()
			defer mu.Unlock()
			late[j.Key] = time.Since(j.Due.Time())
		})}})
		defer stop()
		want := []time.Duration{time.Millisecond, 1500 * time.Millisecond, time.Hour, 36*time.Hour + 7*time.Millisecond}
		for i, d := range want {
			stream := workflows.StreamID(fmt.Sprintf("request/%d", i))
			due := workflows.StampOf(time.Now().Add(d))
			_, err := s.Update(t.Context(), "", nil, func(workflows.Facts) (workflows.Outcome, error) {
				return workflows.Outcome{Pending: map[workflows.StreamID][]workflows.Job{stream: {{Kind: "wake", Key: d.String(), Due: due}}}}, nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(37 * time.Hour)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		for _, d := range want {
			if by, ok := late[d.String()]; !ok || by < 0 || by > time.Millisecond {
				t.Errorf("the timer of %v: ran %v, late by %v", d, ok, by)
			}
		}
	})
}

// TestRestartLosesNoJob stops in the middle of work, three times, and looks that each job ended exactly once in the ledger.
func TestRestartLosesNoJob(t *testing.T) {
	cfg := onMachineTime(t)
	const n = 400
	s := storetest.Open(t, cfg)
	for i := range n {
		if _, err := s.Update(t.Context(), "", nil, numbered(i)); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		reached := make(chan struct{})
		once := sync.OnceFunc(func() { close(reached) })
		var mu sync.Mutex
		ran := 0
		stop := run(t, s, map[string]jobs.Kind{"n": {Workers: 16, Handle: ending(s, func(jobs.Job) {
			mu.Lock()
			defer mu.Unlock()
			if ran++; ran == n/4 {
				once()
			}
		})}})
		<-reached
		go stop()
		s = storetest.Reopen(t, s, cfg)
		stop()
	}
	stop := run(t, s, map[string]jobs.Kind{"n": {Workers: 16, Handle: ending(s, func(jobs.Job) {})}})
	await(t, "all jobs ended", func() bool {
		due, err := s.JobsDue(t.Context(), "n")
		return err == nil && len(due) == 0
	})
	stop()
	for i := range n {
		h, err := s.History(t.Context(), workflows.StreamID(fmt.Sprintf("request/%d", i)))
		if err != nil || len(h) != 2 {
			t.Errorf("stream %d has %d entries, want the opening and one end; %v", i, len(h), err)
		}
	}
}

// await polls until ok; it is for what another process or goroutine does with real I/O.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(deadline)
	for !ok() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("waited %v: %s", deadline, what)
		}
	}
}

// TestNextDueUsesTheIndex reads the plans of the two statements that run with every timer.
func TestNextDueUsesTheIndex(t *testing.T) {
	s := storetest.Open(t, storetest.Config(t))
	for text, looks := range map[string]int{
		store.NextDueText: 2, `SELECT id FROM job WHERE lane = $1 AND due <= $2 ORDER BY due LIMIT $3`: 1,
	} {
		var args []any
		if strings.Contains(text, "$3") {
			args = []any{0, 1, 2}
		}
		plan, err := s.QueryPlan(t.Context(), text, args...)
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range plan {
			if strings.Contains(step, "SEARCH job") && strings.Contains(step, "job_lane") {
				looks--
			}
			if strings.Contains(step, "SCAN job") {
				t.Errorf("%s reads all jobs: %v", text, plan)
			}
		}
		if looks != 0 {
			t.Errorf("%s: %v", text, plan)
		}
	}
}

// TestVirtualClockJump lets the product clock jump over a deadline: the job runs at once.
func TestVirtualClockJump(t *testing.T) {
	cfg := storetest.Config(t)
	clock := jobs.NewVirtual(jobs.NewSystem(), 0)
	cfg.Clock, cfg.Virtual = clock, true
	s := storetest.Open(t, cfg)
	ran := make(chan string, 10)
	run(t, s, map[string]jobs.Kind{"wake": {Handle: ending(s, func(j jobs.Job) { ran <- j.Key })}})
	due := workflows.StampOf(clock.Now().Wall.Add(8 * time.Hour))
	if _, err := s.Update(t.Context(), "", nil, func(workflows.Facts) (workflows.Outcome, error) {
		return workflows.Outcome{Pending: map[workflows.StreamID][]workflows.Job{"request/1": {{Kind: "wake", Key: "expiry", Due: due}}}}, nil
	}); err != nil {
		t.Fatal(err)
	}
	clock.Jump(8 * time.Hour)
	select {
	case <-ran:
	case <-time.After(deadline):
		t.Fatal("the jump woke nobody")
	}
	h, err := s.History(t.Context(), workflows.SystemStream)
	if err != nil || len(h) != 1 || !h[0].Event.(store.Genesis).Virtual {
		t.Errorf("the system stream: %+v, %v: a jump of both clocks is not a clock that was set", h, err)
	}
}

// TestReplicas lets two processes' worth of store write one PostgreSQL ledger at once.
func TestReplicas(t *testing.T) {
	server := pgtest.Start(t, "fsync=off")
	a := onMachineTime(t)
	a.DSN = server.NewDatabase(t)
	b := a
	b.Dir = t.TempDir() + "/b"
	var sa, sb *store.Store
	var starts sync.WaitGroup
	for cfg, s := range map[*store.Config]**store.Store{&a: &sa, &b: &sb} {
		starts.Go(func() { // both at once on the empty database
			var err error
			if *s, err = store.Open(t.Context(), *cfg); err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() { (*s).Close() })
		})
	}
	starts.Wait()
	if t.Failed() {
		t.FailNow()
	}

	t.Run("one stream", func(t *testing.T) {
		var wg sync.WaitGroup
		for i := range 100 {
			s := []*store.Store{sa, sb}[i%2]
			wg.Go(func() {
				_, err := s.Update(context.Background(), store.Cause(fmt.Sprintf("cli/%d", i/2)), []workflows.StreamID{"request/1"},
					func(f workflows.Facts) (workflows.Outcome, error) {
						if err := workflows.CheckSeq(f.Histories["request/1"]); err != nil {
							return workflows.Outcome{}, err
						}
						return storetest.Append("request/1", storetest.Voted{By: fmt.Sprint(i / 2)})(f)
					})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, s := range []*store.Store{sa, sb} {
			h, err := s.History(t.Context(), "request/1")
			if err != nil || len(h) != 50 {
				t.Errorf("%d entries, want one for each of 50 causes; %v", len(h), err)
			}
			mono := slices.IsSortedFunc(h, func(x, y workflows.Record) int { return int(min(max(x.At.Mono-y.At.Mono, -1), 1)) })
			if err := workflows.CheckSeq(h); err != nil || !mono {
				t.Errorf("%v; monotonic time sorted: %v", err, mono)
			}
			storetest.Check(t, s)
		}
	})

	t.Run("a silent replica loses its jobs", func(t *testing.T) {
		if _, err := sa.Update(t.Context(), "", nil, numbered(7)); err != nil {
			t.Fatal(err)
		}
		if got, err := sa.Claim(t.Context(), 10); err != nil || len(got) != 1 {
			t.Fatal(got, err)
		}
		if got, err := sb.Claim(t.Context(), 10); err != nil || len(got) != 0 {
			t.Fatalf("another replica's lease was taken: %v, %v", got, err)
		}
		if err := sa.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := storetest.Raw(t, b).Exec("UPDATE job SET lease_end = 1"); err != nil {
			t.Fatal(err)
		}
		await(t, "the other replica takes over", func() bool {
			got, err := sb.Claim(t.Context(), 10)
			return err == nil && len(got) == 1
		})
	})

	t.Run("a lost connection", func(t *testing.T) {
		server.Exec(t, "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'countersign'")
		await(t, "the writer is back", func() bool {
			_, err := sb.Update(t.Context(), "", nil, storetest.Append("request/1", storetest.Voted{}))
			return err == nil
		})
		if err := sb.PoisonedBy(); err != nil {
			t.Error(err)
		}
	})
}
