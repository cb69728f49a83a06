package storetest

import (
	"context"
	"sync"
	"time"

	"github.com/countersign-bot/countersign/store/jobs"
)

// Clock is a product clock that moves only when told to, for stores under test.
type Clock struct {
	mu      sync.Mutex
	wall    time.Time
	mono    time.Duration
	changed chan struct{}
}

// NewClock stands at a fixed moment.
func NewClock() *Clock {
	return &Clock{wall: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC), changed: make(chan struct{})}
}

// Now implements jobs.Clock.
func (c *Clock) Now() jobs.Reading {
	c.mu.Lock()
	defer c.mu.Unlock()
	return jobs.Reading{Wall: c.wall, Mono: c.mono}
}

// Wait implements jobs.Clock.
func (c *Clock) Wait(ctx context.Context, t time.Time, wake <-chan struct{}) error {
	for {
		c.mu.Lock()
		reached, changed := !c.wall.Before(t), c.changed
		c.mu.Unlock()
		if reached {
			return nil
		}
		select {
		case <-changed:
		case <-wake:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Add lets time pass.
func (c *Clock) Add(d time.Duration) { c.move(d, d) }

// Set moves the wall clock only, as an administrator or NTP would.
func (c *Clock) Set(by time.Duration) { c.move(by, 0) }

func (c *Clock) move(wall, mono time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall, c.mono = c.wall.Add(wall), c.mono+mono
	close(c.changed)
	c.changed = make(chan struct{})
}
