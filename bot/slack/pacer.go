package slack

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// pacer spaces out connection attempts for all connections together: a burst for the start and a refresh, then one per openEvery; after
// refusals doubling back-off with jitter up to backoffMax. slack-go opened 8,038 connections in two seconds of too_many_websockets.
type pacer struct {
	mu        sync.Mutex
	burst     float64
	tokens    float64
	filled    time.Time
	refusals  int
	notBefore time.Time
}

func newPacer(connections int) *pacer {
	burst := float64(2 * connections)
	return &pacer{burst: burst, tokens: burst}
}

// wait blocks until the caller may open a connection.
func (p *pacer) wait(ctx context.Context) error {
	for {
		d := p.reserve(time.Now())
		if d <= 0 {
			return ctx.Err()
		}
		timer := time.NewTimer(d)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// reserve takes the right to open now, or says how long to wait before asking again.
func (p *pacer) reserve(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.filled.IsZero() {
		p.tokens = min(p.burst, p.tokens+float64(now.Sub(p.filled))/float64(openEvery))
	}
	p.filled = now
	if d := p.notBefore.Sub(now); d > 0 {
		return d
	}
	if p.tokens < 1 {
		return time.Duration((1-p.tokens)*float64(openEvery)) + time.Millisecond
	}
	p.tokens--
	if p.refusals > 0 {
		p.notBefore = now.Add(p.delay()) // the other connections wait for this attempt
	}
	return 0
}

// delay is the pause after the current run of refusals.
func (p *pacer) delay() time.Duration {
	d := backoffMax
	if n := p.refusals - 1; n < 6 {
		d = min(backoffFirst<<max(n, 0), backoffMax)
	}
	return d - rand.N(d/2)
}

// refused notes a failed attempt; atLeast is what the server asked for, or 0.
func (p *pacer) refused(atLeast time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refusals++
	if at := time.Now().Add(max(p.delay(), atLeast)); at.After(p.notBefore) {
		p.notBefore = at
	}
}

// settled ends a run of refusals.
func (p *pacer) settled() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refusals, p.notBefore = 0, time.Time{}
}
