package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/countersign-bot/countersign/store/jobs"
)

// realClock is product time as the machine tells it.
type realClock struct{ start time.Time }

func newRealClock() realClock { return realClock{time.Now()} }

// Now implements jobs.Clock.
func (c realClock) Now() jobs.Reading {
	now := time.Now()
	return jobs.Reading{Wall: now, Mono: now.Sub(c.start)}
}

// Wait implements jobs.Clock.
func (c realClock) Wait(ctx context.Context, t time.Time, wake <-chan struct{}) error {
	return waitReal(ctx, time.Until(t), wake, nil)
}

// waitReal waits on the machine's own clock; it looks again at least once a second, because a wall clock can be set and a
// machine can sleep.
func waitReal(ctx context.Context, d time.Duration, wake, jump <-chan struct{}) error {
	timer := time.NewTimer(max(0, min(d, time.Second)))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-wake:
	case <-jump:
	case <-timer.C:
	}
	return nil
}

// demoClock is the machine's time plus an offset that only grows, kept in a file so that it outlives a crash. Only ledgers
// under demo.invalid/ may run on it, and their first entry says so.
type demoClock struct {
	file  string
	start time.Time

	mu     sync.Mutex
	offset time.Duration
	jump   chan struct{} // closed at each jump
}

func newDemoClock(file string) (*demoClock, error) {
	c := &demoClock{file: file, start: time.Now(), jump: make(chan struct{})}
	return c, c.reload()
}

// reload reads the offset again; time never goes back.
func (c *demoClock) reload() error {
	b, err := os.ReadFile(c.file)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the demo clock: %w", err)
	}
	ns, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil || ns < 0 {
		return fmt.Errorf("reading the demo clock %q: want nanoseconds to add to the machine's time", c.file)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if d := time.Duration(ns); d > c.offset {
		c.offset = d
		close(c.jump)
		c.jump = make(chan struct{})
	}
	return nil
}

// advance moves the clock and writes the offset for others to read.
func (c *demoClock) advance(d time.Duration) error {
	c.mu.Lock()
	next := c.offset + d
	c.mu.Unlock()
	tmp := c.file + ".new"
	if err := os.WriteFile(tmp, []byte(strconv.FormatInt(next.Nanoseconds(), 10)), 0o600); err != nil {
		return fmt.Errorf("moving the demo clock: %w", err)
	}
	if err := os.Rename(tmp, c.file); err != nil {
		return fmt.Errorf("moving the demo clock: %w", err)
	}
	return c.reload()
}

func (c *demoClock) state() (time.Duration, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.offset, c.jump
}

// Now implements jobs.Clock.
func (c *demoClock) Now() jobs.Reading {
	offset, _ := c.state()
	now := time.Now()
	return jobs.Reading{Wall: now.Add(offset), Mono: now.Sub(c.start) + offset}
}

// Wait implements jobs.Clock: a jump ends it at once.
func (c *demoClock) Wait(ctx context.Context, t time.Time, wake <-chan struct{}) error {
	offset, jump := c.state()
	return waitReal(ctx, t.Sub(time.Now().Add(offset)), wake, jump)
}

// wall is a clock as rooms without monotonic needs take it.
func wall(c jobs.Clock) func() time.Time { return func() time.Time { return c.Now().Wall } }
