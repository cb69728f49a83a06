package store_test

import (
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/store/storetest"
	"github.com/countersign-bot/countersign/workflows"
)

// handClock is a wall clock that somebody sets while the machine's own clock goes on.
type handClock struct {
	jobs.Clock
	mu    sync.Mutex
	ahead time.Duration
}

func (c *handClock) set(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += by
}

// Now implements jobs.Clock.
func (c *handClock) Now() jobs.Reading {
	r := c.Clock.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	r.Wall = r.Wall.Add(c.ahead)
	return r
}

// F17: a wall clock that is set by more than five seconds is an entry of its own, before what is decided then, while the bot runs and at its
// start; the ledger's own time goes on all the while, so that nothing lasts longer by it. A clock that is slewed is none.
func TestFault_F17_ASetClockIsAnEntry(t *testing.T) {
	cfg := storetest.Config(t)
	clock := &handClock{Clock: jobs.NewSystem()}
	cfg.Clock = clock
	s := storetest.Open(t, cfg)
	write := func() workflows.Instant {
		t.Helper()
		var at workflows.Instant
		_, err := s.Update(t.Context(), "", []workflows.StreamID{"person/p_1"}, func(f workflows.Facts) (workflows.Outcome, error) {
			at = f.Now
			var out workflows.Outcome
			out.Add("person/p_1", workflows.System, "", storetest.Ended{})
			return out, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	jumps := func() (out []time.Duration) {
		t.Helper()
		h, err := s.History(t.Context(), workflows.SystemStream)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range h {
			if e, ok := r.Event.(store.ClockJumped); ok {
				out = append(out, e.To.Sub(e.From).Round(time.Hour))
			}
		}
		return out
	}
	last := write()
	for _, by := range []time.Duration{4 * time.Second, -4 * time.Second} {
		clock.set(by)
		if at := write(); at.Mono < last.Mono {
			t.Errorf("slewed by %s: the ledger's time went back", by)
		}
	}
	if got := jumps(); len(got) > 0 {
		t.Errorf("slewed, and recorded as %v", got)
	}
	const year = 365 * 24 * time.Hour
	var want []time.Duration
	for _, by := range []time.Duration{time.Hour, -time.Hour, year, -year, -year, year} {
		clock.set(by)
		want = append(want, by)
		at := write()
		if went := time.Duration(at.Mono - last.Mono); went < 0 || went > time.Hour/2 {
			t.Errorf("set by %s, the ledger's time went on by %s", by, went)
		}
		last = at
	}
	if diff := cmp.Diff(want, jumps()); diff != "" {
		t.Errorf("while it runs:\n%s", diff)
	}

	// Set back while nobody runs: the next start sees that it is before the last entry. That it was set forward, nobody can tell from that.
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	clock.set(-time.Hour)
	s = storetest.Open(t, cfg)
	if at := write(); at.Mono < last.Mono {
		t.Error("the ledger's time went back over a restart")
	}
	if diff := cmp.Diff(append(want, -time.Hour), jumps()); diff != "" {
		t.Errorf("over a restart:\n%s", diff)
	}
}
