package ledger_test

import (
	"context"
	"crypto/sha256"
	"runtime"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/store/ledger"
)

func benchLeaf() ledger.Leaf {
	l := exampleLeaf()
	l.Fields = map[string]any{
		"verdict": "approve", "stage": int64(1), "shown": "sha256:9f86d081884c7d659a2feaa0c55ad015", "channel": "C0123456789", "authn": "slack-click", "drill": false,
	}
	return l
}

func BenchmarkEncode(b *testing.B) {
	l, buf := benchLeaf(), make([]byte, 0, 1024)
	for b.Loop() {
		out, err := ledger.AppendEncode(buf[:0], l)
		if err != nil {
			b.Fatal(err)
		}
		buf = out
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkDecode(b *testing.B) {
	raw, err := ledger.Encode(benchLeaf())
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := ledger.Decode(raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCommit(b *testing.B) {
	for b.Loop() {
		ledger.Commit(ledger.Salt{1}, "reason", "on call, ticket 7")
	}
}

func BenchmarkHashAndAppend(b *testing.B) {
	raw, err := ledger.Encode(benchLeaf())
	if err != nil {
		b.Fatal(err)
	}
	tree := ledger.NewTree()
	for b.Loop() {
		tree.Append(ledger.LeafHash(raw))
	}
}

func BenchmarkHead(b *testing.B) {
	tree, s := ledger.NewTree(), signer(b, testKey(b, "first key"))
	for _, leaf := range numbered(100_000) {
		tree.Append(ledger.LeafHash(leaf))
	}
	for b.Loop() {
		if _, err := tree.Head(testOrigin, s); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkInclusionProof(b *testing.B) {
	tree, full := ledger.NewTree(), tiles{}
	for _, leaf := range numbered(100_000) {
		full.add(tree.Append(ledger.LeafHash(leaf)))
	}
	ctx, r, i := context.Background(), ledger.Layered{full, tree}, int64(0)
	for b.Loop() {
		i = (i + 7919) % 100_000
		if _, err := ledger.ProveInclusion(ctx, r, 100_000, i); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerify reads a million entries in memory and says how that compares with hashing them with one thread, and how much memory
// it took at most beside the entries.
func BenchmarkVerify(b *testing.B) {
	const n = 1_000_000
	m := newMemory(b)
	leaves := plainLeaves(b, m, n)
	m.entries, m.tiles, m.tree = nil, nil, ledger.NewTree()
	size := 0
	for i, leaf := range leaves {
		m.entries = append(m.entries, ledger.Entry{Index: int64(i), Leaf: leaf})
		m.tiles = append(m.tiles, m.tree.Append(ledger.LeafHash(leaf))...)
		size += len(leaf)
	}
	m.sign(m.key)
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)

	var hashing, verifying time.Duration
	peak := uint64(0)
	for b.Loop() {
		start := time.Now()
		for _, leaf := range leaves {
			sum := ledger.LeafHash(leaf)
			if sum == sha256.Sum256(nil) {
				b.Fatal("impossible")
			}
		}
		hashing += time.Since(start)

		stop, done := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			for {
				select {
				case <-stop:
					return
				case <-time.After(20 * time.Millisecond):
					var s runtime.MemStats
					runtime.ReadMemStats(&s)
					peak = max(peak, s.HeapAlloc)
				}
			}
		}()
		start = time.Now()
		r, err := ledger.Verify(context.Background(), m, ledger.Options{})
		verifying += time.Since(start)
		close(stop)
		<-done
		if err != nil || !r.OK {
			b.Fatal(err, report(r))
		}
	}
	b.ReportMetric(float64(size)/n, "bytes/entry")
	b.ReportMetric(hashing.Seconds()/verifying.Seconds(), "of-one-thread-hashing")
	b.ReportMetric(float64(peak-before.HeapAlloc)/(1<<20), "peak-MiB")
	b.ReportMetric(n*float64(b.N)/verifying.Seconds(), "entries/s")
}
