package runbooktest

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
)

// patience bounds how often one is told to come again; a healthy target needs it once or twice.
const patience = 60 * time.Second

// delay is a target that is slow with one call: its caller's time ends before the target acts, or after it acted and before it answers.
type delay struct {
	ends context.CancelFunc // nil: not slow
	acts bool               // it acts late, and nobody waits for the answer; else only the answer is late
}

// before gives the context in which the target gets the order.
func (d delay) before(ctx context.Context) context.Context {
	if d.ends == nil || !d.acts {
		return ctx
	}
	d.ends()
	return context.WithoutCancel(ctx)
}

// after gives what the caller hears.
func (d delay) after(err error) error {
	switch {
	case d.ends == nil || err != nil:
		return err
	case d.acts:
		return context.Canceled
	default:
		d.ends()
		return nil
	}
}

// slow lets the target be slow with the next call of one kind.
func (m *mischief) slow(call string, d delay) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.late[call] = d
}

func (m *mischief) takeDelay(call string) delay {
	m.mu.Lock()
	defer m.mu.Unlock()
	d := m.late[call]
	delete(m.late, call)
	return d
}

// exerciseSlow: a target acts or answers when its caller's time is over, or the time ends anywhere within a call. What is said then is true or "come again", and
// who asks again gets the one access, and later its end.
func exerciseSlow(t *testing.T, s System) {
	f := s.field()
	var gave, took time.Duration // of whole calls, to cut the last round's within
	for i, acts := range []bool{true, false} {
		g := s.Grant(i + 1)
		ctx, cancel := context.WithCancel(t.Context())
		f.slow(CallGrant, delay{cancel, acts})
		f.startsTruly(ctx, t, s, g)
		if ctx.Err() == nil {
			t.Fatal("the call ended before its caller's time: nothing was slow")
		}
		start := time.Now()
		r := f.startsAtLast(t, s, g)
		gave = time.Since(start)
		ctx, cancel = context.WithCancel(t.Context())
		f.slow(CallRevoke, delay{cancel, acts})
		f.stopsTruly(ctx, t, s, g, r)
		start = time.Now()
		f.stopsAtLast(t, s, g, r)
		took = time.Since(start)
	}
	g := s.Grant(3)
	for part := time.Duration(1); part < 3; part++ {
		ctx, cancel := context.WithTimeout(t.Context(), gave*part/3)
		f.startsTruly(ctx, t, s, g)
		cancel()
	}
	r := f.startsAtLast(t, s, g)
	wantSame(t, "starting what slow calls made", r, f.startsAtLast(t, s, g))
	for part := time.Duration(1); part < 3; part++ {
		ctx, cancel := context.WithTimeout(t.Context(), took*part/3)
		f.stopsTruly(ctx, t, s, g, r)
		cancel()
	}
	f.stopsAtLast(t, s, g, r)
}

// startsTruly starts a grant within ctx: what it says of the outcome is so.
func (f *field) startsTruly(ctx context.Context, t *testing.T, s System, g runbooks.Grant) {
	t.Helper()
	r, err := f.Start(ctx, "exercised", g)
	if err == nil {
		s.wantWorks(t, g, f.held(t, g, r), true)
	} else if runbooks.ClassOf(err) != runbooks.Retry {
		t.Fatalf("starting while the target is slow: %v is of class %s, want retry", err, runbooks.ClassOf(err))
	}
}

// startsAtLast starts a grant again, as its job does, until the target has it, and it works.
func (f *field) startsAtLast(t *testing.T, s System, g runbooks.Grant) runbooks.Receipt {
	t.Helper()
	var r runbooks.Receipt
	insist(t, "starting", func() error {
		var err error
		r, err = f.start(t, g)
		return err
	})
	s.wantWorks(t, g, f.held(t, g, r), true)
	return r
}

// stopsTruly stops a grant within ctx: nothing is gone that is said to be, and nothing is done that is not.
func (f *field) stopsTruly(ctx context.Context, t *testing.T, s System, g runbooks.Grant, r runbooks.Receipt) {
	t.Helper()
	_, p, err := f.Stop(ctx, "exercised", g)
	switch {
	case err == nil && p == runbooks.Absent:
		s.wantWorks(t, g, f.held(t, g, r), false)
	case err == nil && p == runbooks.Present:
		t.Fatal("the access is there, and nobody is told to come again")
	case err != nil && runbooks.ClassOf(err) != runbooks.Retry:
		t.Fatalf("stopping while the target is slow: %v is of class %s, want retry", err, runbooks.ClassOf(err))
	}
}

// stopsAtLast stops a grant again, as its job does, until the target says that it is gone, and it is.
func (f *field) stopsAtLast(t *testing.T, s System, g runbooks.Grant, r runbooks.Receipt) {
	t.Helper()
	insist(t, "stopping", func() error {
		s.settle(t)
		p, err := f.stop(t, g)
		if err == nil && p != runbooks.Absent {
			return runbooks.Errorf(runbooks.Retry, nil, "the access is %s", p)
		}
		return err
	})
	s.wantWorks(t, g, f.held(t, g, r), false)
}

// insist does something until no error says "come again".
func insist(t *testing.T, what string, do func() error) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for start := time.Now(); ; <-tick.C {
		err := do()
		if err == nil {
			return
		}
		if runbooks.ClassOf(err) != runbooks.Retry || time.Since(start) > patience {
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// exerciseInProgress: where the target works on an order after taking it, each call asks until it is done, and one that is cut meanwhile says "come again". Where it
// does not, the first answer is the last: the access is there, or gone, as soon as the call is back.
func exerciseInProgress(t *testing.T, s System) {
	if polls := s.Connector.Describe().Polls; polls != (s.InProgress != nil) {
		t.Fatalf("polls: %v, and the system can be at work on an order: %v", polls, s.InProgress != nil)
	}
	if s.InProgress == nil {
		exerciseAtOnce(t, s)
		return
	}
	const asked int64 = 3
	var n atomic.Int64
	f, g := s.field(), s.Grant(1)
	ctx, cancel := context.WithCancel(t.Context())
	s.InProgress(t, int(asked), func() { n.Add(1); cancel() })
	if _, err := f.Start(ctx, "exercised", g); err == nil || runbooks.ClassOf(err) != runbooks.Retry || n.Load() == 0 {
		t.Fatalf("cut while the target is at it (%d answers): %v", n.Load(), err)
	}
	n.Store(0)
	s.InProgress(t, int(asked), func() { n.Add(1) })
	r := f.startsAtLast(t, s, g)
	s.wantPresence(t, g, runbooks.Present)
	ctx, cancel = context.WithCancel(t.Context())
	s.InProgress(t, int(asked), func() { n.Add(1); cancel() })
	if _, p, err := f.Stop(ctx, "exercised", g); err == nil || p == runbooks.Absent {
		t.Fatalf("cut while the target is at taking it back: %s, %v", p, err)
	}
	s.InProgress(t, int(asked), func() { n.Add(1) })
	f.stopsAtLast(t, s, g, r)
	s.wantPresence(t, g, runbooks.Absent)
	exercisePolled(t, s, s.Grant(2), asked)
}

// exercisePolled: one call each way, to the end.
func exercisePolled(t *testing.T, s System, g runbooks.Grant, asked int64) {
	var n atomic.Int64
	s.InProgress(t, int(asked), func() { n.Add(1) })
	r := s.mustGrant(t, g)
	s.wantPresence(t, g, runbooks.Present)
	s.wantWorks(t, g, r, true)
	if n.Load() < asked {
		t.Errorf("granting heard %d times that the target is at it, want %d", n.Load(), asked)
	}
	n.Store(0)
	s.mustRevoke(t, g)
	s.settle(t)
	s.wantPresence(t, g, runbooks.Absent)
	s.wantWorks(t, g, r, false)
	if n.Load() < asked {
		t.Errorf("taking back heard %d times that the target is at it, want %d", n.Load(), asked)
	}
}

// exerciseAtOnce: neither call comes back with the target still at it.
func exerciseAtOnce(t *testing.T, s System) {
	g := s.Grant(1)
	r := s.mustGrant(t, g)
	s.wantPresence(t, g, runbooks.Present)
	s.wantWorks(t, g, r, true)
	wantSame(t, "granting what was to be there", r, s.mustGrant(t, g))
	s.mustRevoke(t, g)
	p, err := s.Connector.Check(t.Context(), g)
	if p == runbooks.Present || p == runbooks.Unconfirmed && s.Settle == nil {
		t.Fatalf("taken back, and reading back says %s (%v)", p, err)
	}
	s.settle(t)
	s.wantPresence(t, g, runbooks.Absent)
	s.wantWorks(t, g, r, false)
}
