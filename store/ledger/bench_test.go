package ledger_test

import (
	"context"
	"iter"
	"runtime"
	"runtime/debug"
	"strconv"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/store/ledger"
)

// sink keeps the compiler from leaving out what nobody reads.
var sink ledger.Hash

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

// BenchmarkLint is what a verifier does with each leaf beside hashing it.
func BenchmarkLint(b *testing.B) {
	raw, err := ledger.Encode(benchLeaf())
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if err := ledger.GlimpseError(raw); err != nil {
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

// BenchmarkInclusionProof proves entries here and there in a ledger of a million, with a Prover and without one.
func BenchmarkInclusionProof(b *testing.B) {
	const n = 1_000_000
	tree, full := ledger.NewTree(), tiles{}
	for _, leaf := range numbered(n) {
		full.add(tree.Append(ledger.LeafHash(leaf)))
	}
	for name, r := range map[string]ledger.TileReader{
		"Prover": ledger.NewProver(ledger.Layered{full, tree}), "Tiles": ledger.Layered{full, tree},
	} {
		b.Run(name, func(b *testing.B) {
			ctx, i := context.Background(), int64(0)
			for b.Loop() {
				i = (i + 777_743) % n
				if _, err := ledger.ProveInclusion(ctx, r, n, i); err != nil {
					b.Fatal(err)
				}
			}
		})
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

	// Collect often: beside 400 MB of entries the collector would let as much garbage lie.
	defer debug.SetGCPercent(debug.SetGCPercent(5))
	var hashing, verifying time.Duration
	peak := uint64(0)
	for b.Loop() {
		start := time.Now()
		for _, leaf := range leaves {
			sink = ledger.LeafHash(leaf)
		}
		hashing += time.Since(start)

		watch := watchHeap(20 * time.Millisecond)
		start = time.Now()
		r, err := ledger.Verify(context.Background(), m, ledger.Options{})
		verifying += time.Since(start)
		peak = max(peak, watch())
		if err != nil || !r.OK {
			b.Fatal(err, report(r))
		}
	}
	b.ReportMetric(float64(size)/n, "bytes/entry")
	b.ReportMetric(hashing.Seconds()/verifying.Seconds(), "of-one-thread-hashing")
	b.ReportMetric(float64(peak-before.HeapAlloc)/(1<<20), "peak-MiB")
	b.ReportMetric(n*float64(b.N)/verifying.Seconds(), "entries/s")
}

// generated makes its entries when they are read, so that the heap holds nothing but what a verification needs.
type generated struct {
	memory
	n int64
}

func (g *generated) Entries(_ context.Context, from, to int64) iter.Seq2[ledger.Entry, error] {
	return func(yield func(ledger.Entry, error) bool) {
		l, buf, id, stream := benchLeaf(), make([]byte, 0, 1024), make([]byte, 0, 32), make([]byte, 0, 32)
		for i := max(0, from); i < min(to, g.n); i++ {
			id, stream = strconv.AppendInt(append(id[:0], 'e'), i, 10), strconv.AppendInt(append(stream[:0], "request/"...), i/10, 10)
			l.ID, l.Stream, l.Seq, l.Mono, l.Type, l.Policy = string(id), string(stream), i%10+1, i, "vote.cast", ""
			fields := l.Fields
			if i == 0 {
				l.Type, l.Fields = ledger.TypeGenesis, ledger.GenesisFields(g.key)
			}
			b, err := ledger.AppendEncode(buf[:0], l)
			if !yield(ledger.Entry{Index: i, Leaf: b}, err) {
				return
			}
			l.Fields = fields
		}
	}
}

// BenchmarkVerifyMemory says how large the heap becomes while a million entries are verified.
func BenchmarkVerifyMemory(b *testing.B) {
	g := &generated{memory: *newMemory(b), n: 1_000_000}
	g.tree, g.tiles = ledger.NewTree(), nil
	for e := range g.Entries(context.Background(), 0, g.n) {
		g.tree.Append(ledger.LeafHash(e.Leaf))
	}
	g.sign(g.key)
	var peak uint64
	for b.Loop() {
		runtime.GC()
		watch := watchHeap(5 * time.Millisecond)
		r, err := ledger.Verify(context.Background(), g, ledger.Options{})
		peak = max(peak, watch())
		if err != nil || r.Counts[ledger.CodeTile] != r.Total() || r.Read != g.n { // it keeps no tiles
			b.Fatal(err, report(r))
		}
	}
	b.ReportMetric(float64(peak)/(1<<20), "peak-MiB")
}

// watchHeap samples the heap until the function it returns is called, which tells the largest size seen.
func watchHeap(every time.Duration) (stop func() uint64) {
	done, result := make(chan struct{}), make(chan uint64)
	go func() {
		var s runtime.MemStats
		peak := uint64(0)
		for {
			runtime.ReadMemStats(&s)
			peak = max(peak, s.HeapAlloc)
			select {
			case <-done:
				result <- peak
				return
			case <-time.After(every):
			}
		}
	}()
	return func() uint64 { close(done); return <-result }
}
