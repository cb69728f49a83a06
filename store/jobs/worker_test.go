package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows"
)

// bench is a worker on a queue in memory, in a bubble of virtual time.
type bench struct {
	t     *testing.T
	start time.Time
	clock jobs.Clock
	q     *memory
	w     *jobs.Worker
	stop  func()

	mu  sync.Mutex
	log []string
}

// begin starts a worker; it is stopped when the test ends.
func begin(t *testing.T, clock jobs.Clock, kinds func(b *bench) map[string]jobs.Kind) *bench {
	b := &bench{t: t, start: time.Now(), clock: clock, q: newMemory(clock)}
	b.w = jobs.New(jobs.Config{Queue: b.q, Clock: clock, Kinds: kinds(b)})
	b.q.hand = b.w.Wake
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.w.Run(ctx) }()
	b.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(b.stop)
	return b
}

// note writes down what happened and when, in real (here: bubble) time since the start.
func (b *bench) note(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.log = append(b.log, fmt.Sprintf("%v ", time.Since(b.start))+fmt.Sprintf(format, args...))
}

func (b *bench) want(lines ...string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if diff := cmp.Diff(lines, b.log); diff != "" {
		b.t.Errorf("what happened:\n%s", diff)
	}
	b.log = nil
}

// noting is a kind whose handler writes the key down and finishes.
func noting(b *bench) map[string]jobs.Kind {
	return map[string]jobs.Kind{"n": {Handle: func(_ context.Context, j jobs.Job) error {
		b.note("%s", j.Key)
		return jobs.Done
	}}}
}

func at(d time.Duration) workflows.Stamp { return workflows.StampOf(time.Now().Add(d)) }

func TestTimersRunToTheMillisecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := begin(t, jobs.NewSystem(), noting)
		b.q.add(jobs.Job{Kind: "n", Key: "3h", Due: at(3 * time.Hour)})
		time.Sleep(time.Minute) // the bubble's time
		b.q.add(jobs.Job{Kind: "n", Key: "1500ms later", Due: at(1500 * time.Millisecond)})
		b.q.add(jobs.Job{Kind: "n", Key: "now"})
		time.Sleep(4 * time.Hour)
		b.want("1m0s now", "1m1.5s 1500ms later", "3h0m0s 3h")
	})
}

func TestAnIdleWorkerDoesNotPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := begin(t, jobs.NewSystem(), noting)
		for i := range 1000 {
			b.q.add(jobs.Job{Kind: "n", Due: at(100*time.Hour + time.Duration(i))})
		}
		synctest.Wait()
		before := b.q.claimed()
		time.Sleep(20 * time.Hour)
		synctest.Wait()
		if n := b.q.claimed() - before; n > 2 {
			t.Errorf("%d claims in twenty idle hours", n)
		}
	})
}

func TestAVirtualClockThatJumpsWakesJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := jobs.NewVirtual(jobs.NewSystem(), 0)
		b := begin(t, clock, noting)
		b.q.add(jobs.Job{Kind: "n", Key: "in 8h", Due: at(8 * time.Hour)})
		synctest.Wait()
		if ahead := clock.Jump(8*time.Hour - time.Second); ahead != 8*time.Hour-time.Second {
			t.Error(ahead)
		}
		synctest.Wait()
		b.want()
		time.Sleep(time.Second)
		synctest.Wait()
		b.want("1s in 8h")
		b.q.add(jobs.Job{Kind: "n", Key: "in 1h", Due: workflows.StampOf(clock.Now().Wall.Add(time.Hour))})
		synctest.Wait()
		clock.Jump(time.Hour)
		synctest.Wait()
		b.want("1s in 1h")
	})
}

func TestErrorsBackOffForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int64
		b := begin(t, jobs.NewSystem(), func(b *bench) map[string]jobs.Kind {
			return map[string]jobs.Kind{"revoke": {Handle: func(_ context.Context, j jobs.Job) error {
				n := runs.Add(1)
				if int64(j.Attempts) != n-1 {
					b.t.Errorf("run %d has %d attempts", n, j.Attempts)
				}
				if n == 3 {
					panic("broken connector")
				}
				return errors.New(strings.Repeat("é", 400))
			}}}
		})
		id := b.q.add(jobs.Job{Kind: "revoke"})
		time.Sleep(62 * time.Second) // 1+2+4+8+16+32, each up to a fifth less
		synctest.Wait()
		early := runs.Load()
		if early < 6 || early > 9 {
			t.Errorf("%d runs in the first minute", early)
		}
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if n := runs.Load() - early; n < 1440 || n > 1800+1 {
			t.Errorf("%d runs in a day, want one each 48 to 60 s", n)
		}
		r, ok := b.q.get(id)
		if !ok || len(r.LastError) > 510 || !strings.HasSuffix(r.LastError, "é…") {
			t.Errorf("row: %v, error %q", ok, r.LastError)
		}
		b.stop()
		if v := b.q.settled[2]; v.Ended != jobs.Retried || !strings.Contains(v.Error, "broken connector") {
			t.Errorf("a panic settled as %+v", v)
		}
	})
}

func TestUnknownKindsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := begin(t, jobs.NewSystem(), noting)
		id := b.q.add(jobs.Job{Kind: "from a newer version"})
		time.Sleep(time.Hour)
		synctest.Wait()
		r, ok := b.q.get(id)
		if !ok || !strings.Contains(r.LastError, "nothing handles") || r.Attempts > 80 {
			t.Errorf("%v %+v", ok, r)
		}
	})
}

func TestOneReceiverIsSpacedAndUrgentOvertakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := begin(t, jobs.NewSystem(), noting)
		for i := range 3 {
			b.q.add(jobs.Job{Kind: "n", Key: fmt.Sprint("a", i), Pace: "ch:a"})
		}
		b.q.add(jobs.Job{Kind: "n", Key: "b0", Pace: "ch:b"})
		synctest.Wait()
		b.q.add(jobs.Job{Kind: "n", Key: "urgent", Pace: "ch:a", Lane: workflows.LaneUrgent})
		time.Sleep(10 * time.Second)
		b.mu.Lock()
		if len(b.log) > 1 && b.log[0] == "0s b0" {
			b.log[0], b.log[1] = b.log[1], b.log[0] // two receivers at once: either first
		}
		b.mu.Unlock()
		b.want("0s a0", "0s b0", "0s urgent", "2s a1", "3s a2")
	})
}

// TestUrgentIsAheadOfThePaceForAFewOnly: two go at once although a message has just been sent, the third at the pace; and what they took ahead the
// routine ones wait for.
func TestUrgentIsAheadOfThePaceForAFewOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := begin(t, jobs.NewSystem(), noting)
		b.q.add(jobs.Job{Kind: "n", Key: "a0", Pace: "ch:a"})
		synctest.Wait()
		for i := range 4 {
			b.q.add(jobs.Job{Kind: "n", Key: fmt.Sprint("u", i), Pace: "ch:a", Lane: workflows.LaneUrgent})
			synctest.Wait()
		}
		b.q.add(jobs.Job{Kind: "n", Key: "a1", Pace: "ch:a"})
		time.Sleep(10 * time.Second)
		b.want("0s a0", "0s u0", "0s u1", "1s u2", "2s u3", "5s a1")
	})
}

// TestUrgentWaitsForNoRoutineAnswer: every worker hangs in a routine message, one of them in the same channel: the urgent one starts all the same.
func TestUrgentWaitsForNoRoutineAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := begin(t, jobs.NewSystem(), func(b *bench) map[string]jobs.Kind {
			return map[string]jobs.Kind{"n": {Workers: 2, Urgent: 1, Handle: func(ctx context.Context, j jobs.Job) error {
				b.note("%s", j.Key)
				if j.Lane != workflows.LaneUrgent {
					<-ctx.Done()
				}
				return jobs.Done
			}}}
		})
		b.q.add(jobs.Job{Kind: "n", Key: "a0", Pace: "ch:a"})
		synctest.Wait()
		b.q.add(jobs.Job{Kind: "n", Key: "b0", Pace: "ch:b"})
		synctest.Wait()
		b.q.add(jobs.Job{Kind: "n", Key: "c0", Pace: "ch:c"})
		b.q.add(jobs.Job{Kind: "n", Key: "urgent", Pace: "ch:a", Lane: workflows.LaneUrgent})
		time.Sleep(time.Minute)
		b.want("0s a0", "0s b0", "0s urgent")
	})
}

// TestUrgentIsNotAheadOfAReceiverThatComplained: Slack said how long to wait. No lane goes before that, and the burst behind it is spaced.
func TestUrgentIsNotAheadOfAReceiverThatComplained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Bool
		b := begin(t, jobs.NewSystem(), func(b *bench) map[string]jobs.Kind {
			return map[string]jobs.Kind{"n": {Handle: func(_ context.Context, j jobs.Job) error {
				if !asked.Swap(true) {
					return &jobs.RetryAfter{D: 30 * time.Second, Pace: "ch:a", Why: "rate limited"}
				}
				b.note("%s", j.Key)
				return jobs.Done
			}}}
		})
		b.q.add(jobs.Job{Kind: "n", Key: "first", Pace: "ch:a", Lane: workflows.LaneUrgent})
		synctest.Wait()
		for i := range 2 {
			b.q.add(jobs.Job{Kind: "n", Key: fmt.Sprint("u", i), Pace: "ch:a", Lane: workflows.LaneUrgent})
			synctest.Wait()
		}
		time.Sleep(31500 * time.Millisecond)
		b.mu.Lock()
		got := len(b.log)
		b.mu.Unlock()
		if got != 2 {
			t.Errorf("%d went within a second and a half after the thirty: %q", got, b.log)
		}
		time.Sleep(time.Minute)
		b.want("30s u0", "31s u1", "32s first")
	})
}

func TestRetryAfterHoldsBackTheReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Bool
		b := begin(t, jobs.NewSystem(), func(b *bench) map[string]jobs.Kind {
			return map[string]jobs.Kind{"n": {Handle: func(_ context.Context, j jobs.Job) error {
				b.note("%s %d", j.Key, j.Attempts)
				if !asked.Swap(true) {
					return fmt.Errorf("sending: %w", &jobs.RetryAfter{D: 30 * time.Second, Pace: "ch:a", Why: "rate limited"})
				}
				return jobs.Done
			}}}
		})
		b.q.add(jobs.Job{Kind: "n", Key: "a0", Pace: "ch:a"})
		synctest.Wait()
		b.q.add(jobs.Job{Kind: "n", Key: "a1", Pace: "ch:a"})
		b.q.add(jobs.Job{Kind: "n", Key: "b0", Pace: "ch:b"})
		time.Sleep(time.Minute)
		b.mu.Lock()
		got := slices.Clone(b.log)
		b.mu.Unlock()
		if len(got) != 4 || got[0] != "0s a0 0" || got[1] != "0s b0 0" || !strings.HasPrefix(got[2], "30s ") || !strings.HasPrefix(got[3], "31s ") {
			t.Errorf("%q", got)
		}
	})
}

func TestADeadTargetDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := begin(t, jobs.NewSystem(), func(b *bench) map[string]jobs.Kind {
			return map[string]jobs.Kind{"revoke": {
				Workers: 2,
				Key:     func(j jobs.Job) string { return string(j.Stream) },
				Handle: func(ctx context.Context, j jobs.Job) error {
					if j.Stream == "dead" {
						<-ctx.Done()
						return ctx.Err()
					}
					b.note("%s", j.Key)
					return jobs.Done
				},
			}}
		})
		for i := range 20_000 {
			b.q.add(jobs.Job{Kind: "revoke", Stream: "dead", Key: fmt.Sprint(i)})
		}
		time.Sleep(time.Second / 2)
		b.q.add(jobs.Job{Kind: "revoke", Stream: "alive", Key: "x"})
		synctest.Wait()
		if l := b.w.Lag(); l.Running != 2 || l.Held > 8192 {
			t.Errorf("%+v", l)
		}
		b.want("500ms x")
		b.stop()
		if n := b.q.left(); n != 20_000 {
			t.Errorf("%d of 20,000 are left: none of them ended", n)
		}
		for _, v := range b.q.settled {
			if v.Ended != jobs.Postponed && v.Ended != jobs.Interrupted && v.Ended != jobs.Finished {
				t.Fatalf("a stop counts as %+v", v)
			}
		}
	})
}

func TestUrgentOvertakesWithinAGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := begin(t, jobs.NewSystem(), func(b *bench) map[string]jobs.Kind {
			return map[string]jobs.Kind{"n": {Workers: 1, Handle: func(_ context.Context, j jobs.Job) error {
				time.Sleep(time.Second)
				b.note("%s", j.Key)
				return jobs.Done
			}}}
		})
		for i := range 3 {
			b.q.add(jobs.Job{Kind: "n", Key: fmt.Sprint(i)})
		}
		synctest.Wait()
		b.q.add(jobs.Job{Kind: "n", Key: "urgent", Lane: workflows.LaneUrgent})
		time.Sleep(5 * time.Second)
		b.want("1s 0", "2s urgent", "3s 1", "4s 2")
	})
}

// TestMoreThanMemoryHolds is the second half of the regression in package storetest: more is due than the worker may hold.
func TestMoreThanMemoryHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := begin(t, jobs.NewSystem(), func(b *bench) map[string]jobs.Kind {
			return map[string]jobs.Kind{"n": {Workers: 64, Handle: func(_ context.Context, j jobs.Job) error {
				time.Sleep(time.Millisecond)
				return jobs.Done
			}}}
		})
		b.q.mu.Lock()
		for i := range 40_000 {
			b.q.next++
			b.q.rows[b.q.next] = &row{Job: jobs.Job{ID: b.q.next, Gen: 1, Kind: "n", Key: fmt.Sprint(i)}, due: 1}
		}
		b.q.mu.Unlock()
		b.w.Wake(1)
		time.Sleep(30 * time.Second)
		if n := b.q.left(); n != 0 {
			t.Errorf("%d of 40,000 never ran", n)
		}
	})
}

func TestReturnedJobsThatAreStillOwedDoNotSpin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int64
		b := begin(t, jobs.NewSystem(), func(*bench) map[string]jobs.Kind {
			return map[string]jobs.Kind{"wake": {Handle: func(context.Context, jobs.Job) error { runs.Add(1); return nil }}}
		})
		b.q.add(jobs.Job{Kind: "wake"})
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n := runs.Load(); n > 20 || n < 5 {
			t.Errorf("%d runs in ten minutes", n)
		}
	})
}

func TestCron(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip("no zone data on this machine:", err)
	}
	c, err := jobs.ParseCron("30 2 * * *", "Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	next, err := c.Next(time.Date(2027, 3, 27, 12, 0, 0, 0, berlin))
	if want := time.Date(2027, 3, 29, 2, 30, 0, 0, berlin); err != nil || !next.Equal(want) {
		t.Errorf("over the gap: %v, want %v, %v", next, want, err)
	}
	for _, bad := range []string{"", "TZ=", "TZ=Europe/Berlin", "CRON_TZ=UTC 0 0 * * *", "0 0 30 2 *", "61 * * * *", "@every 5m", "a b c d e"} {
		if c, err := jobs.ParseCron(bad, ""); err == nil {
			t.Errorf("%q: accepted as %+v", bad, c)
		}
	}
	for _, zone := range []string{"Local", "Mars/Base", "../../etc/passwd"} {
		if _, err := jobs.ParseCron("@hourly", zone); err == nil {
			t.Errorf("zone %q: accepted", zone)
		}
	}
	if _, err := (jobs.Cron{}).Next(time.Now()); err == nil {
		t.Error("the zero Cron happens")
	}
}
