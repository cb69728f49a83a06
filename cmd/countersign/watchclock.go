package main

import (
	"context"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
)

const (
	clockLook  = 5 * time.Second
	clockSlack = 5 * time.Second // a step of the wall clock that is worth acting on
)

// watchClock ends access in time although somebody has set the wall clock back. Jobs wait for the wall clock; a grant also ends by the
// ledger's monotonic time, which nobody can set. While the wall clock is behind where it has been, every live grant is looked at again and
// again, until it has caught up.
func (s *serving) watchClock(ctx context.Context) error {
	first := s.clock.Now()
	ahead := first.Wall.Add(-first.Mono) // where the wall clock was when the monotonic one started, at its highest
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(clockLook):
		}
		now := s.clock.Now()
		start := now.Wall.Add(-now.Mono)
		if start.After(ahead) {
			ahead = start
		}
		if ahead.Sub(start) > clockSlack {
			s.log.WarnContext(ctx, "the wall clock was set back; access ends by the monotonic clock until it has caught up", "behind", ahead.Sub(start).Round(time.Second))
			s.tickGrants(ctx)
		}
	}
}

// tickGrants does for every live grant what is due now by either clock.
func (s *serving) tickGrants(ctx context.Context) {
	err := s.desk.EachLive(ctx, func(stream workflows.StreamID, _ grants.State) error {
		if err := s.desk.Tick(ctx, stream); err != nil {
			s.log.ErrorContext(ctx, "a grant could not be looked at", "stream", stream, "err", err)
		}
		return ctx.Err()
	})
	if err != nil && ctx.Err() == nil {
		s.log.ErrorContext(ctx, "grants cannot be read", "err", err)
	}
}
