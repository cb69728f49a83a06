package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/workflows"
)

// largeFigures are what a long ledger costs to read.
type largeFigures struct {
	Entries int64 `json:"entries"`
	Bytes   int64 `json:"bytes"` // of the leaves

	Openings    int64         `json:"openings"`
	Hashing     time.Duration `json:"hashing_ns"` // leaves, tree and commitments: one thread, in memory, nothing else
	Verifying   time.Duration `json:"verifying_ns"`
	VerifyRatio float64       `json:"verify_ratio"`
	VerifyMiB   float64       `json:"verify_mib"` // peak of the process beyond what it had before; 0: the system does not tell

	Start time.Duration `json:"start_ns"`
	Proof time.Duration `json:"proof_ns"`
}

const (
	largeStarts  = 5    // openings and verifications of which the median counts
	largeProofs  = 5000 // proofs of which the median counts
	largeStep    = 4096 // leaves hashed between two readings of the clock
	livesACall   = 20   // requests that one call of the filling takes from their form to their access: 240 entries
	watchMemory  = 10 * time.Millisecond
	fillCallers  = 8
	fillProgress = 100_000
)

// measureLarge fills a ledger and reads it.
func measureLarge(ctx context.Context, dir string, entries int64, r rounds) (out largeFigures, err error) {
	key, err := benchKey()
	if err != nil {
		return out, err
	}
	if err := fillLarge(ctx, dir, key, entries, r); err != nil {
		return out, fmt.Errorf("filling a ledger: %w", err)
	}
	if out.Start, err = startLarge(ctx, dir, key, r); err != nil {
		return out, err
	}
	s, err := benchStore(ctx, dir, key)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := out.verify(ctx, s, r); err != nil {
		return out, err
	}
	out.Proof, err = proveLarge(ctx, s, out.Entries, r)
	return out, err
}

// fillLarge appends whole requests, many in a call: how fast is measured elsewhere.
func fillLarge(ctx context.Context, dir string, key ledger.Key, entries int64, r rounds) error {
	s, err := benchStore(ctx, dir, key)
	if err != nil {
		return err
	}
	var begun, said serial
	calls := make(chan struct{}, 1<<20)
	for range (entries + livesACall*lifeEntries - 1) / (livesACall * lifeEntries) {
		calls <- struct{}{}
	}
	close(calls)
	one := func(ctx context.Context) error {
		_, err := s.Update(ctx, "", nil, func(f workflows.Facts) (workflows.Outcome, error) {
			out := workflows.Outcome{Listings: make(map[workflows.StreamID][]workflows.Listing)}
			for range livesACall {
				wholeLife(&out, clockIDs{s.Clock()}, begun.next(), f)
			}
			return out, nil
		})
		if n := said.next() * livesACall * lifeEntries; n/fillProgress != (n-livesACall*lifeEntries)/fillProgress {
			r.say("%d of %d entries appended", n, entries)
		}
		return err
	}
	_, err = drive(ctx, fillCallers, 24*time.Hour, func(int) func(context.Context) error {
		return func(ctx context.Context) error {
			if _, more := <-calls; !more {
				return errDriven
			}
			return one(ctx)
		}
	})
	if errors.Is(err, errDriven) {
		err = nil
	}
	return errors.Join(err, s.Close())
}

// errDriven ends a drive before its time.
var errDriven = errors.New("nothing is left to do")

// wholeLife adds every event of one request, and the lists it stands on in the end.
func wholeLife(out *workflows.Outcome, ids clockIDs, n int64, f workflows.Facts) {
	l := &life{ids: ids}
	l.begin(n)
	for step := range lifeSteps {
		o := l.decide(step, f)
		out.Events = append(out.Events, o.Events...)
		for stream, list := range o.Listings {
			out.Listings[stream] = list
		}
	}
	out.Documents = []workflows.Document{benchDocument}
}

// startLarge opens the ledger again and again, as serve does; the check of every entry goes on beside the work then.
func startLarge(ctx context.Context, dir string, key ledger.Key, r rounds) (time.Duration, error) {
	var seen []time.Duration
	for i := range largeStarts {
		r.say("start %d of %d", i+1, largeStarts)
		runtime.GC()
		begin := time.Now()
		s, err := benchStore(ctx, dir, key)
		if err != nil {
			return 0, fmt.Errorf("opening the long ledger: %w", err)
		}
		seen = append(seen, time.Since(begin))
		if err := s.Close(); err != nil {
			return 0, err
		}
	}
	return median(seen), nil
}

// verify compares the verification of everything with hashing alone, in turns.
func (f *largeFigures) verify(ctx context.Context, s *store.Store, r rounds) error {
	var hashing, verifying []time.Duration
	var ratio, mib []float64
	for i := range min(r.n, largeStarts) {
		r.say("verification %d of %d", i+1, min(r.n, largeStarts))
		h, err := f.hash(ctx, s)
		if err != nil {
			return err
		}
		runtime.GC()
		stop := watchRSS()
		begin := time.Now()
		report, err := s.Verify(ctx)
		v := time.Since(begin)
		peak := stop()
		if err != nil {
			return err
		}
		if !report.OK {
			return brokenError{errors.New(report.First.Text)}
		}
		f.Entries, f.Bytes, f.Openings = report.Size, report.Bytes, report.Opened
		hashing, verifying = append(hashing, h), append(verifying, v)
		ratio, mib = append(ratio, h.Seconds()/v.Seconds()), append(mib, peak)
	}
	f.Hashing, f.Verifying, f.VerifyRatio, f.VerifyMiB = median(hashing), median(verifying), median(ratio), slices.Max(mib)
	return nil
}

// hash gives the time that one thread takes for the hashes that a verification cannot do without, of leaves, tree and commitments. Reading
// and whatever else a verification looks at is not counted.
func (f *largeFigures) hash(ctx context.Context, s *store.Store) (sum time.Duration, err error) {
	src, err := s.Source(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	head, err := src.Head(ctx)
	if err != nil {
		return 0, err
	}
	leaves, openings, tree := make([][]byte, 0, largeStep), make([]ledger.Opening, 0, largeStep), ledger.NewTree()
	for from := int64(0); from < head.Size; from += largeStep {
		leaves = leaves[:0]
		for e, err := range src.Entries(ctx, from, min(from+largeStep, head.Size)) {
			if err != nil {
				return 0, err
			}
			leaves = append(leaves, slices.Clone(e.Leaf))
		}
		openings = openings[:0]
		for o, err := range src.Openings(ctx, from, min(from+largeStep, head.Size)) {
			if err != nil {
				return 0, err
			}
			openings = append(openings, o.Opening)
		}
		begin := time.Now()
		for _, leaf := range leaves {
			tree.Append(ledger.LeafHash(leaf))
		}
		for _, o := range openings {
			ledger.Commit(o.Salt, o.Field, o.Value)
		}
		sum += time.Since(begin)
	}
	return sum, ctx.Err()
}

// proveLarge proves entries all over the ledger.
func proveLarge(ctx context.Context, s *store.Store, size int64, r rounds) (time.Duration, error) {
	r.say("%d proofs", largeProofs)
	seen := make([]time.Duration, 0, largeProofs)
	for range largeProofs {
		begin := time.Now()
		if _, err := s.Receipt(ctx, rand.Int64N(size)); err != nil {
			return 0, err
		}
		seen = append(seen, time.Since(begin))
	}
	return median(seen), ctx.Err()
}

// rssAnon is the memory of this process that is not a file's, in bytes; 0 where the system does not tell.
func rssAnon() int64 {
	raw, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb << 10
		}
	}
	return 0
}

// watchRSS looks at the memory until stop is called, which gives in MiB how far it rose.
func watchRSS() (stop func() float64) {
	before, peak := rssAnon(), int64(0)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		t := time.NewTicker(watchMemory)
		defer t.Stop()
		for {
			peak = max(peak, rssAnon()-before)
			select {
			case <-t.C:
			case <-done:
				return
			}
		}
	}()
	return func() float64 {
		close(done)
		<-ended
		return float64(peak) / (1 << 20)
	}
}

// sizeRatio is how much larger the database is than the leaves in it, once its log is folded and closed.
func sizeRatio(dir string, leafBytes int64) (float64, error) {
	info, err := os.Stat(filepath.Join(dir, "countersign.db"))
	if err != nil {
		return 0, err
	}
	return float64(info.Size()) / float64(leafBytes), nil
}
