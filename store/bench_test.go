package store_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/store/storetest"
	"github.com/countersign-bot/countersign/workflows"
)

// shared runs n calls of one by so many callers.
func shared(b testing.TB, callers, n int, one func(i int) error) {
	var wg sync.WaitGroup
	work := make(chan int)
	for range callers {
		wg.Go(func() {
			for i := range work {
				if err := one(i); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for i := range n {
		work <- i
	}
	close(work)
	wg.Wait()
}

// BenchmarkFsync is what one append to a file and its fsync take here, in the same folder: the floor under a lone Update.
func BenchmarkFsync(b *testing.B) {
	f, err := os.Create(b.TempDir() + "/f")
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 4096)
	for b.Loop() {
		if _, err := f.Write(block); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkUpdate appends one sealed event with its job to one of 500 streams. Divide by BenchmarkFsync: absolute times are the
// disk's.
func BenchmarkUpdate(b *testing.B) {
	for _, callers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := storetest.Open(b, storetest.Config(b))
			b.ResetTimer()
			shared(b, callers, b.N, func(i int) error {
				stream := workflows.StreamID(fmt.Sprintf("request/%d", i%500))
				_, err := s.Update(context.Background(), store.Cause(fmt.Sprintf("cli/%d", i)), []workflows.StreamID{stream}, numbered(i%500))
				return err
			})
			b.StopTimer()
		})
	}
}

// BenchmarkPutInbox keeps deliveries of 2 KB with three keys, by 64 callers.
func BenchmarkPutInbox(b *testing.B) {
	s := storetest.Open(b, storetest.Config(b))
	body := make([]byte, 2000)
	b.ResetTimer()
	shared(b, 64, b.N, func(i int) error {
		keys := []string{fmt.Sprintf("env:%d", i), fmt.Sprintf("mac:%d", i), fmt.Sprintf("act:%d", i)}
		_, _, err := s.PutInbox(context.Background(), "socket", "interactive", keys, body)
		return err
	})
	b.StopTimer()
}

// filled gives a closed ledger with so many entries, each owing a job in the far future.
func filled(b *testing.B, entries int) store.Config {
	b.Helper()
	cfg := storetest.Config(b)
	cfg.Clock = jobs.NewSystem()
	s, err := store.Open(b.Context(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	far := workflows.StampOf(cfg.Clock.Now().Wall.Add(1000 * time.Hour))
	shared(b, 64, entries/100, func(i int) error {
		stream := workflows.StreamID(fmt.Sprintf("request/%d", i))
		_, err := s.Update(context.Background(), "", nil, func(workflows.Facts) (workflows.Outcome, error) {
			out := workflows.Outcome{Pending: make(map[workflows.StreamID][]workflows.Job)}
			for k := range 100 {
				out.Add(stream, workflows.System, "", storetest.Opened{Title: fmt.Sprint(i), Reason: "because"})
				out.Pending[stream] = append(out.Pending[stream], workflows.Job{Kind: "wake", Key: fmt.Sprint(k), Due: far})
			}
			return out, nil
		})
		return err
	})
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	return cfg
}

// BenchmarkOpen opens a ledger of 100,000 entries and closes it: quick_check, triggers, right edge, signature, witness file.
func BenchmarkOpen(b *testing.B) {
	cfg := filled(b, 100_000)
	for b.Loop() {
		s, err := store.Open(b.Context(), cfg)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// BenchmarkNextDue looks for the next due time among 100,000 timers.
func BenchmarkNextDue(b *testing.B) {
	cfg := filled(b, 100_000)
	s := storetest.Open(b, cfg)
	for b.Loop() {
		if _, err := s.NextDue(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCommitToStart is the time from a decision's commit to the start of the handler of its job.
func BenchmarkCommitToStart(b *testing.B) {
	cfg := storetest.Config(b)
	cfg.Clock = jobs.NewSystem()
	s := storetest.Open(b, cfg)
	started := make(chan time.Time, 1)
	w := jobs.New(jobs.Config{Queue: s, Clock: cfg.Clock, Kinds: map[string]jobs.Kind{"n": {
		Handle: func(context.Context, jobs.Job) error { started <- time.Now(); return jobs.Done },
	}}})
	s.Attach(w)
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	var total time.Duration
	n := 0
	for b.Loop() {
		n++
		if _, err := s.Update(ctx, "", nil, numbered(n)); err != nil {
			b.Fatal(err)
		}
		committed := time.Now()
		total += max(0, (<-started).Sub(committed))
	}
	b.ReportMetric(float64(total.Nanoseconds())/float64(n), "commit-to-start-ns/op")
	cancel()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}

// BenchmarkTimers has 100,000 timers pending, and measures how late those that come due within two seconds run, and what an
// idle second costs.
func BenchmarkTimers(b *testing.B) {
	cfg := filled(b, 100_000)
	s := storetest.Open(b, cfg)
	late := make(chan time.Duration, 1000)
	w := jobs.New(jobs.Config{Queue: s, Clock: cfg.Clock, Kinds: map[string]jobs.Kind{"n": {
		Workers: 16,
		Handle: func(_ context.Context, j jobs.Job) error {
			late <- time.Since(j.Due.Time())
			return jobs.Done
		},
	}}})
	s.Attach(w)
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	var all []time.Duration
	var cpu time.Duration
	for b.Loop() {
		const n = 200
		stream := workflows.StreamID(fmt.Sprintf("request/soon-%d", len(all)))
		_, err := s.Update(ctx, "", nil, func(f workflows.Facts) (workflows.Outcome, error) {
			var out []workflows.Job
			for k := range n {
				out = append(out, workflows.Job{Kind: "n", Key: fmt.Sprint(k), Due: f.Now.UTC.Add(time.Duration(k+1) * 10 * time.Millisecond)})
			}
			return workflows.Outcome{Pending: map[workflows.StreamID][]workflows.Job{stream: out}}, nil
		})
		if err != nil {
			b.Fatal(err)
		}
		for range n {
			all = append(all, <-late)
		}
		before := used(b)
		<-time.After(2 * time.Second)
		cpu += used(b) - before
	}
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Microseconds()), "late-p50-µs")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), "late-p99-µs")
	b.ReportMetric(float64(all[len(all)-1].Microseconds()), "late-max-µs")
	b.ReportMetric(100*cpu.Seconds()/(2*float64(b.N)), "idle-cpu-%")
	cancel()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}

// used is the processor time of this process.
func used(b *testing.B) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
