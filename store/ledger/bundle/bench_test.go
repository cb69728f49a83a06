package bundle_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/store/ledger/bundle"
)

// BenchmarkVerifyBundle reads a zip of 100,000 entries with their texts: files against sums, then the ledger. peak-MiB is what the heap grew
// by at most.
func BenchmarkVerifyBundle(b *testing.B) {
	const n = 100_000
	path, key := func() (string, string) {
		w := newWritten(b, n)
		return w.export("b.zip"), w.key.VKey()
	}()
	peak := uint64(0)
	for b.Loop() {
		runtime.GC()
		stop, most := make(chan struct{}), make(chan uint64)
		go func() {
			var s runtime.MemStats
			high := uint64(0)
			for {
				runtime.ReadMemStats(&s)
				high = max(high, s.HeapAlloc)
				select {
				case <-stop:
					most <- high
					return
				case <-time.After(10 * time.Millisecond):
				}
			}
		}()
		x, err := bundle.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		problems, err := x.CheckFiles(context.Background())
		if err != nil || len(problems) > 0 {
			b.Fatal(err, problems)
		}
		r, err := ledger.Verify(context.Background(), x, ledger.Options{Keys: []string{key}})
		if err != nil || !r.OK {
			b.Fatal(err, r.First)
		}
		x.Close()
		close(stop)
		peak = max(peak, <-most)
	}
	b.ReportMetric(float64(peak)/(1<<20), "peak-MiB")
	b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}
