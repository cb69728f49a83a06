package runbooktest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/workflows"
)

// Fault is one way in which a call misbehaves. Faults that set nothing leave the call alone.
type Fault struct {
	Before  error             // fail without an effect
	After   error             // have the effect, then fail: the answer that lies
	Lie     bool              // report success without an effect
	Panic   any               // panic before any effect
	Delay   time.Duration     // answer late, but keep to the context
	Hang    bool              // do not answer, nor heed the context, until Release
	Late    bool              // with Hang: have the effect after Release, although nobody waits for the answer any more
	Present runbooks.Presence // what Check answers, whatever is true
}

// Memory is a target in memory. Its zero value is ready and behaves well; Script makes it misbehave, call by call.
type Memory struct {
	Caps runbooks.Capabilities // what Describe answers; Name "" becomes "memory"
	Now  func() time.Time      // product time, for expiry; nil: time.Now

	mu      sync.Mutex
	access  map[workflows.GrantID]runbooks.Grant
	foreign map[workflows.GrantID]bool // made by Foreign
	script  map[string][]Fault
	always  map[string]Fault
	calls   map[string]int
	seen    []runbooks.Grant
	release chan struct{}
}

// The names of the calls, for Script, Always and Calls.
const (
	CallGrant  = "grant"
	CallRevoke = "revoke"
	CallCheck  = "check"
)

// Script lets the next calls of one kind misbehave in this order; later ones behave.
func (m *Memory) Script(call string, faults ...Fault) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.script == nil {
		m.script = map[string][]Fault{}
	}
	m.script[call] = append(m.script[call], faults...)
}

// Always lets every call of one kind that has no script misbehave; the zero Fault ends that.
func (m *Memory) Always(call string, f Fault) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.always == nil {
		m.always = map[string]Fault{}
	}
	m.always[call] = f
}

// Release lets all hanging calls come back.
func (m *Memory) Release() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.release != nil {
		close(m.release)
		m.release = nil
	}
}

// Calls counts the calls of one kind so far.
func (m *Memory) Calls(call string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.calls[call]
}

// Works tells whether the access of a grant would let its holder in now.
func (m *Memory) Works(id workflows.GrantID) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	g, ok := m.access[id]
	return ok && m.now().Before(g.End)
}

// Held is the access of a grant as the target has it, byte for byte.
func (m *Memory) Held(id workflows.GrantID) (runbooks.Grant, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	g, ok := m.access[id]
	return g.Clone(), ok
}

// Seen lists every grant that Grant was called with, in order.
func (m *Memory) Seen() []runbooks.Grant {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.seen)
}

// Add makes access behind everybody's back, as an administrator would.
func (m *Memory) Add(g runbooks.Grant) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.add(g)
}

// Describe answers Caps.
func (m *Memory) Describe() runbooks.Capabilities {
	caps := m.Caps
	if caps.Name == "" {
		caps.Name = "memory"
	}
	return caps
}

// Grant makes the access, once.
func (m *Memory) Grant(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	f, release := m.begin(CallGrant)
	m.mu.Lock()
	m.seen = append(m.seen, g.Clone())
	m.mu.Unlock()
	err := m.act(ctx, f, release, func() error {
		if held, ok := m.access[g.ID]; ok {
			if held.Digest() != g.Digest() {
				return runbooks.Errorf(runbooks.Refuse, nil, "this grant was already made with other contents")
			}
			return nil
		}
		m.add(g)
		return nil
	})
	if err != nil {
		return runbooks.Receipt{}, err
	}
	return runbooks.Receipt{
		Ref: "memory/" + string(g.ID), Facts: map[string]string{"digest": g.Digest()},
		Personal: map[string]string{"account": g.Account},
		Use:      runbooks.Use{Steps: []string{"Nothing to do: you are in."}},
	}, nil
}

// Revoke takes the access away.
func (m *Memory) Revoke(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	f, release := m.begin(CallRevoke)
	err := m.act(ctx, f, release, func() error {
		delete(m.access, g.ID)
		return nil
	})
	if err != nil {
		return runbooks.Receipt{}, err
	}
	return runbooks.Receipt{Ref: "memory/" + string(g.ID)}, nil
}

// Check reads back.
func (m *Memory) Check(ctx context.Context, g runbooks.Grant) (runbooks.Presence, error) {
	f, release := m.begin(CallCheck)
	found := runbooks.Absent
	err := m.act(ctx, f, release, func() error {
		if held, ok := m.access[g.ID]; ok && m.now().Before(held.End) {
			found = runbooks.Present
		}
		return nil
	})
	if err != nil {
		return runbooks.Unconfirmed, err
	}
	if f.Present != "" {
		return f.Present, nil
	}
	return found, nil
}

// begin counts the call and finds out how it is to misbehave.
func (m *Memory) begin(call string) (Fault, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.calls == nil {
		m.calls = map[string]int{}
	}
	m.calls[call]++
	if m.release == nil {
		m.release = make(chan struct{})
	}
	if queue := m.script[call]; len(queue) > 0 {
		m.script[call] = queue[1:]
		return queue[0], m.release
	}
	return m.always[call], m.release
}

// act has the effect, or not, and answers, or not.
func (m *Memory) act(ctx context.Context, f Fault, release <-chan struct{}, effect func() error) error {
	if f.Panic != nil {
		panic(f.Panic)
	}
	if f.Hang {
		<-release
		if !f.Late {
			return errors.New("hung up")
		}
	}
	if f.Delay > 0 {
		timer := time.NewTimer(f.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := ctx.Err(); err != nil && !f.Late {
		return err
	}
	if f.Before != nil {
		return f.Before
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !f.Lie {
		if err := effect(); err != nil {
			return err
		}
	}
	return f.After
}

// add keeps a copy; the caller holds mu.
func (m *Memory) add(g runbooks.Grant) {
	if m.access == nil {
		m.access = map[workflows.GrantID]runbooks.Grant{}
	}
	m.access[g.ID] = g.Clone()
}

func (m *Memory) now() time.Time {
	if m.Now == nil {
		return time.Now()
	}
	return m.Now()
}

// All lists the grants that the target holds, by id.
func (m *Memory) All() []workflows.GrantID {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.access))
}
