package streams_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/store/streams"
)

// drawer is a sink in memory whose answers a test chooses.
type drawer struct {
	mu     sync.Mutex
	got    []int64
	at     []time.Time // of each call
	answer func(call int, batch []streams.Record) (int, error)
	wait   time.Duration
	closed bool
}

func (d *drawer) Send(_ context.Context, batch []streams.Record) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at = append(d.at, time.Now())
	n, err := len(batch), error(nil)
	if d.answer != nil {
		n, err = d.answer(len(d.at), batch)
	}
	d.got = append(d.got, entries(batch[:n])...)
	return n, err
}

func (d *drawer) Linger() time.Duration { return d.wait }

func (d *drawer) Close() error { d.closed = true; return nil }

// bubble runs a stream for a while of virtual time.
func bubble(t *testing.T, s *streams.Stream, d time.Duration, meanwhile func()) {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	if meanwhile != nil {
		meanwhile()
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestReq_R109_AStreamThatStopsIsSeen lets a receiver fail for an hour: the waits grow to five minutes, the place stays, the lag and the time are
// told, and when it comes back nothing is missing and nothing came twice.
func TestReq_R109_AStreamThatStopsIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBook(t)
		b.grow(600)
		start := time.Now()
		d := &drawer{answer: func(_ int, batch []streams.Record) (int, error) {
			if batch[0].Entry >= 256 && time.Since(start) < time.Hour {
				return 0, errors.New("connection refused")
			}
			return len(batch), nil
		}}
		p := &place{}
		s := &streams.Stream{Name: "siem", Source: b, Sink: d, Cursor: p, Log: quiet()}
		bubble(t, s, 2*time.Hour, func() {
			time.Sleep(50 * time.Minute)
			synctest.Wait()
			st := s.Status()
			if st.Lag() != 344 || st.Next != 256 || st.Error != "connection refused" || st.Attempts < 10 || st.Attempts > 30 || st.Behind < 49*time.Minute {
				t.Errorf("while it fails: %+v", st)
			}
			if kept, _ := p.Load(t.Context()); kept.Failing.IsZero() || kept.Next != 256 {
				t.Errorf("remembered: %+v", kept)
			}
		})
		if diff := cmp.Diff(span(0, 600), d.got); diff != "" {
			t.Error(diff)
		}
		if st := s.Status(); st.Lag() != 0 || st.Behind != 0 || st.Error != "" || !d.closed || p.state.Next != 600 {
			t.Errorf("in the end: %+v", st)
		}
		longest := time.Duration(0)
		for i := 3; i < len(d.at); i++ {
			longest = max(longest, d.at[i].Sub(d.at[i-1]))
		}
		if longest < 5*time.Minute || longest > 7*time.Minute {
			t.Errorf("the longest wait is %v", longest)
		}
	})
}

// TestPartOfABatch goes on where the receiver stopped.
func TestPartOfABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBook(t)
		b.grow(100)
		d := &drawer{answer: func(_ int, batch []streams.Record) (int, error) { return min(len(batch), 7), nil }}
		p := &place{}
		bubble(t, &streams.Stream{Name: "s", Source: b, Sink: d, Cursor: p, Log: quiet()}, time.Hour, nil)
		if diff := cmp.Diff(span(0, 100), d.got); diff != "" {
			t.Error(diff)
		}
	})
}

// TestRetryAfterIsObeyed waits as long as the receiver asked.
func TestRetryAfterIsObeyed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &drawer{answer: func(call int, batch []streams.Record) (int, error) {
			if call == 1 {
				return 0, &streams.RetryError{Err: errors.New("slow down"), After: 10 * time.Minute}
			}
			return len(batch), nil
		}}
		bubble(t, &streams.Stream{Name: "s", Source: newBook(t), Sink: d, Cursor: &place{}, Log: quiet()}, time.Hour, nil)
		if len(d.at) != 2 || d.at[1].Sub(d.at[0]) < 10*time.Minute {
			t.Errorf("%v", d.at)
		}
	})
}

// TestLinger lets small batches wait for company, and full ones go at once.
func TestLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBook(t)
		b.grow(300)
		d := &drawer{wait: time.Minute}
		s := &streams.Stream{Name: "s", Source: b, Sink: d, Cursor: &place{}, Log: quiet()}
		bubble(t, s, 10*time.Minute, func() {
			time.Sleep(10 * time.Second)
			synctest.Wait()
			if diff := cmp.Diff(span(0, 256), d.got); diff != "" {
				t.Error(diff)
			}
			b.grow(310)
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			if diff := cmp.Diff(span(0, 310), d.got); diff != "" || len(d.at) != 2 {
				t.Errorf("%d calls: %s", len(d.at), diff)
			}
		})
	})
}

// TestPlaceThatCannotBeKept goes on sending nothing twice while the disk is full.
func TestPlaceThatCannotBeKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBook(t)
		b.grow(50)
		d, p := &drawer{}, &place{fails: 3}
		s := &streams.Stream{Name: "s", Source: b, Sink: d, Cursor: p, Log: quiet()}
		bubble(t, s, time.Hour, func() {
			time.Sleep(time.Minute)
			b.grow(60)
		})
		if diff := cmp.Diff(span(0, 60), d.got); diff != "" || p.state.Next != 60 {
			t.Errorf("%d: %s", p.state.Next, diff)
		}
	})
}

// TestLedgerBehindItsStream says so instead of waiting until the ledger has grown over it.
func TestLedgerBehindItsStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBook(t)
		b.grow(50)
		d := &drawer{}
		s := &streams.Stream{Name: "s", Source: b, Sink: d, Cursor: &place{state: streams.State{Next: 51}}, Log: quiet()}
		bubble(t, s, time.Minute, nil)
		if st := s.Status(); !strings.Contains(st.Error, "it was rolled back") || len(d.got) != 0 {
			t.Errorf("%+v, sent %v", st, d.got)
		}
	})
}

// TestRejectedIsCounted holds that what a receiver refuses for good is told, not sent for ever.
func TestRejectedIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &drawer{answer: func(call int, batch []streams.Record) (int, error) {
			if call == 1 {
				return len(batch), &streams.RejectedError{N: 1, Why: "too old"}
			}
			return len(batch), nil
		}}
		s := &streams.Stream{Name: "s", Source: newBook(t), Sink: d, Cursor: &place{}, Log: quiet()}
		bubble(t, s, time.Minute, nil)
		if st := s.Status(); st.Lost != 1 || len(d.got) != 1 || !strings.Contains(st.Error, "too old") {
			t.Errorf("%+v, sent %v", st, d.got)
		}
	})
}
