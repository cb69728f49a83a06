package streams

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// Source is the ledger as a stream sees it.
type Source interface {
	// Read gives the entries from index from on as records, at most n of them and about maxBytes of leaves, and how many entries there are.
	// When the last of them ends the ledger, it carries the signed head.
	Read(ctx context.Context, from int64, n, maxBytes int) (records []Record, size int64, err error)
}

// Sink takes records. A Sink belongs to one Stream and is used by one goroutine.
type Sink interface {
	// Send delivers the batch in order and tells how many of its records, from the first on, are known to have arrived, also with an error.
	Send(ctx context.Context, batch []Record) (int, error)

	// Linger is how long a small batch may wait for company.
	Linger() time.Duration

	Close() error
}

// Cursor keeps the place of a stream. Save is durable when it returns.
type Cursor interface {
	Load(ctx context.Context) (State, error)
	Save(ctx context.Context, s State) error
}

// State is where a stream stands.
type State struct {
	Next     int64     // index of the first entry that has not arrived
	SentAt   time.Time // of the last success; zero: never
	Failing  time.Time // since when nothing succeeds; zero: it does
	Attempts int       // that failed since then
	Error    string    // of the last one
}

// RetryError is a failure whose receiver said how long to wait.
type RetryError struct {
	Err   error
	After time.Duration
}

func (e *RetryError) Error() string { return e.Err.Error() }

// Unwrap gives the failure.
func (e *RetryError) Unwrap() error { return e.Err }

// RejectedError says that a receiver took a batch but not all of its records, and that they may not be sent again.
type RejectedError struct {
	N           int64
	First, Last int64 // entries of the batch
	Why         string
}

func (e *RejectedError) Error() string {
	return fmt.Sprintf("the receiver rejected %d of entries %d to %d: %s", e.N, e.First, e.Last, e.Why)
}

// Stream is one way out.
type Stream struct {
	Name   string
	Source Source
	Sink   Sink
	Cursor Cursor
	Log    *slog.Logger

	mu     sync.Mutex
	state  State
	size   int64
	behind time.Time // since when there is something that has not arrived
	lost   int64     // records that a receiver rejected for good, since the start
}

// Status is a stream as operators see it.
type Status struct {
	Name string
	State
	Size   int64         // of the ledger when it was last looked at
	Behind time.Duration // for how long something has been waiting
	Lost   int64         // records that the receiver rejected for good, since the start
}

// Lag is how many entries wait.
func (s Status) Lag() int64 { return max(0, s.Size-s.Next) }

// Status tells how it goes.
func (s *Stream) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := Status{Name: s.Name, State: s.state, Size: s.size, Lost: s.lost}
	if !s.behind.IsZero() {
		out.Behind = time.Since(s.behind)
	}
	return out
}

// Run sends until ctx ends. A failure is waited out, never returned: the receiver may come back.
func (s *Stream) Run(ctx context.Context) error {
	defer func() {
		if err := s.Sink.Close(); err != nil {
			s.Log.Warn("closing a stream", "stream", s.Name, "err", err)
		}
	}()
	wait := firstWait
	for !s.load(ctx) {
		if !sleep(ctx, wait) {
			return nil
		}
		wait = min(2*wait, longestWait)
	}
	for {
		pause := pollEvery
		sent, err := s.step(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			pause = s.failed(ctx, err)
		case sent && s.more():
			pause = 0
		}
		if !sleep(ctx, pause) {
			return nil
		}
	}
}

func (s *Stream) load(ctx context.Context) bool {
	st, err := s.Cursor.Load(ctx)
	if err != nil {
		s.Log.Error("the place of a stream cannot be read", "stream", s.Name, "err", err)
		return false
	}
	s.mu.Lock()
	s.state = st
	s.mu.Unlock()
	return true
}

// more tells whether a full batch went and another waits.
func (s *Stream) more() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size-s.state.Next >= maxBatch
}

// step sends one batch, if there is one.
func (s *Stream) step(ctx context.Context) (sent bool, err error) {
	batch, err := s.look(ctx)
	if err != nil || len(batch) == 0 {
		return false, err
	}
	limited, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	n, err := s.Sink.Send(limited, batch)
	if n > 0 {
		err = errors.Join(err, s.advance(ctx, batch[n-1].Entry+1))
	}
	if err == nil && n < len(batch) {
		err = fmt.Errorf("%d of %d records were taken", n, len(batch))
	}
	return n > 0, err
}

// look reads what waits, and nothing when a small batch may still wait for company.
func (s *Stream) look(ctx context.Context) ([]Record, error) {
	s.mu.Lock()
	next := s.state.Next
	s.mu.Unlock()
	batch, size, err := s.Source.Read(ctx, next, maxBatch, maxBatchBytes)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.size = size
	switch {
	case size < next:
		return nil, fmt.Errorf("the ledger has %d entries, %d have been sent: it was rolled back", size, next)
	case len(batch) == 0:
		s.behind = time.Time{}
	case s.behind.IsZero():
		s.behind = time.Now()
	}
	if len(batch) < maxBatch && time.Since(s.behind) < s.Sink.Linger() {
		return nil, nil
	}
	return batch, nil
}

// advance moves the place on and makes it durable.
func (s *Stream) advance(ctx context.Context, next int64) error {
	s.mu.Lock()
	s.state = State{Next: next, SentAt: time.Now()}
	s.behind = time.Time{}
	st := s.state
	s.mu.Unlock()
	return s.Cursor.Save(context.WithoutCancel(ctx), st) // what has arrived has arrived, also while we stop
}

// failed remembers a failure and tells how long to wait.
func (s *Stream) failed(ctx context.Context, err error) time.Duration {
	s.mu.Lock()
	if s.state.Failing.IsZero() {
		s.state.Failing = time.Now()
	}
	s.state.Attempts++
	if no, ok := errors.AsType[*RejectedError](err); ok {
		s.lost += no.N
	}
	s.state.Error = printable(err.Error(), maxComplaint+100)
	st := s.state
	s.mu.Unlock()
	s.Log.Warn("a stream does not get through", "stream", s.Name, "attempt", st.Attempts, "err", st.Error)
	if err := s.Cursor.Save(ctx, st); err != nil && ctx.Err() == nil {
		s.Log.Error("the place of a stream cannot be kept", "stream", s.Name, "err", err)
	}
	wait := min(firstWait<<min(st.Attempts-1, 20), longestWait)
	if asked, ok := errors.AsType[*RetryError](err); ok {
		wait = max(wait, min(asked.After, mostAsked))
	}
	return wait + rand.N(wait/4) // so that many do not come back at once
}

// sleep tells whether the time passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
