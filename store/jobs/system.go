package jobs

import (
	"context"
	"sync"
	"time"
)

// tick bounds every wait on the system clock: a clock that is set, or a machine that slept, is noticed within this time.
const tick = time.Second

// System is the clock of the machine. The zero System is not usable; make it with NewSystem.
type System struct{ start time.Time }

// NewSystem makes a clock whose monotonic time begins now.
func NewSystem() *System { return &System{start: time.Now()} }

// Now implements Clock.
func (c *System) Now() Reading {
	now := time.Now()
	return Reading{Wall: now.Round(0).UTC(), Mono: now.Sub(c.start)}
}

// Wait implements Clock. It wakes to the millisecond, because the last step is a timer for exactly the rest.
func (c *System) Wait(ctx context.Context, t time.Time, wake <-chan struct{}) error {
	for {
		rest := t.Sub(time.Now().Round(0))
		if rest <= 0 {
			return nil
		}
		timer := time.NewTimer(min(rest, tick))
		select {
		case <-timer.C:
		case <-wake:
			timer.Stop()
			return nil
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// Virtual runs with the system clock and can be moved forward, wall and monotonic time together; a demo uses it. Entry 0 of its
// ledger says that the clock is virtual.
type Virtual struct {
	real Clock

	mu      sync.Mutex
	ahead   time.Duration
	changed chan struct{}
}

// NewVirtual makes a clock that is ahead of real by the given time.
func NewVirtual(real Clock, ahead time.Duration) *Virtual {
	return &Virtual{real: real, ahead: ahead, changed: make(chan struct{})}
}

// Jump moves the clock forward; d must not be negative. It gives how far it is ahead now, to be kept over a restart.
func (c *Virtual) Jump(d time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += max(d, 0)
	close(c.changed)
	c.changed = make(chan struct{})
	return c.ahead
}

func (c *Virtual) state() (time.Duration, chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ahead, c.changed
}

// Now implements Clock.
func (c *Virtual) Now() Reading {
	ahead, _ := c.state()
	r := c.real.Now()
	return Reading{Wall: r.Wall.Add(ahead), Mono: r.Mono + ahead}
}

// Wait implements Clock; a jump that reaches t ends it at once.
func (c *Virtual) Wait(ctx context.Context, t time.Time, wake <-chan struct{}) error {
	for {
		ahead, changed := c.state()
		woken := make(chan struct{}, 1)
		stop := make(chan struct{})
		var by bool // the caller's wake, not a jump
		var wg sync.WaitGroup
		wg.Go(func() {
			select {
			case <-changed:
			case <-wake:
				by = true
			case <-stop:
				return
			}
			woken <- struct{}{}
		})
		err := c.real.Wait(ctx, t.Add(-ahead), woken)
		close(stop)
		wg.Wait()
		if err != nil || by || !c.Now().Wall.Before(t) {
			return err
		}
	}
}
