package slack

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

// patientKey marks calls of those who can wait.
type patientKey struct{}

// Patient marks the calls made with the context as ones that can wait. Once Slack has said that a method is called too often, such calls of that method go
// out one after the other, at a pace that Slack takes, and the rest gets *RateLimited without Slack being asked: two hundred messages that are due
// at once would otherwise ask again and again all together. Calls that answer a click or bring something urgent are never held back.
func Patient(ctx context.Context) context.Context { return context.WithValue(ctx, patientKey{}, true) }

// gates hold patient calls back, each method by itself: Slack counts by method (https://docs.slack.dev/apis/web-api/rate-limits).
type gates struct {
	mu sync.Mutex
	of map[string]*gate
}

// gate is one method of which Slack said lately that it is called too often.
type gate struct {
	open  time.Time     // when the next patient call may go out
	line  time.Time     // when the last one that was sent away was told to come again
	every time.Duration // between calls: shorter after each that went well, longer after a refusal
	until time.Time     // nothing is held back any more, if nothing is refused before
}

// admit lets a call out, or says when to come again. It is nil for a call that may go.
func (g *gates) admit(ctx context.Context, method string, now time.Time) error {
	if ctx.Value(patientKey{}) == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	at := g.of[method]
	switch {
	case at == nil:
		return nil
	case now.After(at.until):
		delete(g.of, method)
		return nil
	case !now.Before(at.open):
		at.open = now.Add(at.every)
		return nil
	}
	if at.line.Before(at.open) {
		at.line = at.open
	}
	at.line = at.line.Add(at.every)
	wait := at.line.Sub(now)
	if wait > gateLongest {
		at.line = now.Add(gateLongest)
		wait = gateLongest - rand.N(gateLongest/2) // the line is longer than that: nobody stays at its end for good
	}
	return &RateLimited{Method: method, RetryAfter: wait}
}

// seen learns from what became of a call.
func (g *gates) seen(method string, err error, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	at := g.of[method]
	var limited *RateLimited
	if !errors.As(err, &limited) {
		if at != nil {
			at.every = max(at.every*gateFaster/100, gateShortest)
		}
		return
	}
	if at == nil {
		if g.of == nil {
			g.of = make(map[string]*gate)
		}
		at = &gate{every: gateFirst}
		g.of[method] = at
	} else if now.After(at.open) { // and not one of several that were under way together
		at.every = min(at.every*2, gateLongest)
	}
	at.until = now.Add(gateHeld)
	if open := now.Add(limited.RetryAfter); open.After(at.open) {
		at.open = open
	}
}
