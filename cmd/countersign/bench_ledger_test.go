package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/store"
)

// One benchmark for each row of `countersign bench ledger`, which says what they mean and puts them into one table. Run with
//
//	go test -run '^$' -bench Ledger ./cmd/countersign

func benchContest(b *testing.B) *contest {
	b.Helper()
	b.Cleanup(tuneHeap()) // as serve does
	c, err := newContest(b.Context(), b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := c.close(); err != nil {
			b.Error(err)
		}
	})
	return c
}

// together lets every caller call once and waits for all: one turn of a group.
func together(b *testing.B, calls []func(context.Context) error) {
	var wg sync.WaitGroup
	for _, call := range calls {
		wg.Go(func() {
			if err := call(b.Context()); err != nil {
				b.Error(err)
			}
		})
	}
	wg.Wait()
}

// processorTime is what this process has used so far: unlike the time on the clock, a busy machine hardly changes it.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkLedgerAppend has groups of callers append at the same time, to the ledger, to a plain file and to a table without any of it.
func BenchmarkLedgerAppend(b *testing.B) {
	c := benchContest(b)
	for _, rival := range []struct {
		name   string
		caller func(int) func(context.Context) error
	}{
		{"ledger", oursCaller(c.store, &c.begun)}, {"file", c.raw.caller(c.sizes)}, {"naive", c.naive.caller(c.sizes)},
	} {
		for _, callers := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("%s/callers=%d", rival.name, callers), func(b *testing.B) {
				var calls []func(context.Context) error
				for n := range callers {
					calls = append(calls, rival.caller(n))
				}
				n, before := 0, processorTime(b)
				for b.Loop() {
					together(b, calls)
					n += callers
				}
				b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "calls/s")
				b.ReportMetric(float64((processorTime(b)-before).Microseconds())/float64(n), "cpu-µs/call")
			})
		}
	}
}

// BenchmarkLedgerProof appends and takes the signed proof along.
func BenchmarkLedgerProof(b *testing.B) {
	c := benchContest(b)
	call := proofCaller(c.store, &c.begun)(0)
	for b.Loop() {
		if err := call(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

const benchEntries = 100_000

// benchLong gives a folder with a long ledger, closed, and a way to open it.
func benchLong(b *testing.B) (dir string, open func() *store.Store) {
	b.Helper()
	key, err := benchKey()
	if err != nil {
		b.Fatal(err)
	}
	dir = filepath.Join(b.TempDir(), "long")
	if err := fillLarge(b.Context(), dir, key, benchEntries, rounds{say: func(string, ...any) {}}); err != nil {
		b.Fatal(err)
	}
	return dir, func() *store.Store {
		s, err := benchStore(context.Background(), dir, key)
		if err != nil {
			b.Fatal(err)
		}
		return s
	}
}

// BenchmarkLedgerStart opens a long ledger, as serve does.
func BenchmarkLedgerStart(b *testing.B) {
	_, open := benchLong(b)
	for b.Loop() {
		s := open()
		b.StopTimer()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// BenchmarkLedgerVerify verifies a long ledger and compares that with hashing alone; it also says how large the database is.
func BenchmarkLedgerVerify(b *testing.B) {
	dir, open := benchLong(b)
	s := open()
	defer s.Close()
	var f largeFigures
	var hashing, verifying time.Duration
	for b.Loop() {
		h, err := f.hash(b.Context(), s)
		if err != nil {
			b.Fatal(err)
		}
		begin := time.Now()
		report, err := s.Verify(b.Context())
		if err != nil || !report.OK {
			b.Fatal(err, report.First)
		}
		hashing, verifying, f.Bytes = hashing+h, verifying+time.Since(begin), report.Bytes
	}
	size, err := sizeRatio(dir, f.Bytes)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(hashing.Seconds()/verifying.Seconds(), "of-hashing")
	b.ReportMetric(benchEntries*float64(b.N)/verifying.Seconds(), "entries/s")
	b.ReportMetric(size, "database/entries")
}

// BenchmarkLedgerReceipt proves entries all over a long ledger.
func BenchmarkLedgerReceipt(b *testing.B) {
	_, open := benchLong(b)
	s := open()
	defer s.Close()
	for b.Loop() {
		if _, err := s.Receipt(b.Context(), rand.Int64N(benchEntries)); err != nil {
			b.Fatal(err)
		}
	}
}
