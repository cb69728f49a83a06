package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"
)

// appendFigures are what appending gave on one device: medians over the rounds.
type appendFigures struct {
	Callers []callerFigures `json:"callers"`

	NaiveCallers   int     `json:"naive_callers"`
	NaivePerSecond float64 `json:"naive_entries_per_second"`
	OursPerSecond  float64 `json:"ours_entries_per_second"` // beside it
	AgainstNaive   float64 `json:"against_naive"`

	ProofP50 time.Duration `json:"proof_p50_ns"` // one caller: from the call to the signed proof in hand
	SyncP50  time.Duration `json:"sync_p50_ns"`  // one caller of the plain file: write and fdatasync

	Entries   int64   `json:"entries"`    // in the ledger in the end
	SizeRatio float64 `json:"size_ratio"` // of the database over the bytes of its leaves
}

// callerFigures are those of one number of callers.
type callerFigures struct {
	Callers int           `json:"callers"`
	Ours    float64       `json:"ours_calls_per_second"`
	Raw     float64       `json:"raw_calls_per_second"`
	Ratio   float64       `json:"ratio"`
	P50     time.Duration `json:"p50_ns"`
	P99     time.Duration `json:"p99_ns"`
	RawP50  time.Duration `json:"raw_p50_ns"`
	RawP99  time.Duration `json:"raw_p99_ns"`
}

// naiveCallers is how many callers the comparison with one statement a transaction has.
const naiveCallers = 64

// median of a few figures; of an even number the upper one.
func median[T float64 | time.Duration](list []T) T {
	if len(list) == 0 {
		return 0
	}
	list = slices.Clone(list)
	slices.Sort(list)
	return list[len(list)/2]
}

// rounds of one measurement: all of its numbers are medians over so many.
type rounds struct {
	n    int
	long time.Duration // of each stretch
	say  func(format string, args ...any)
}

// measureAppends lets the three append in turns, so that what else happens on the machine happens to all of them.
func measureAppends(ctx context.Context, dir string, callers []int, r rounds) (out appendFigures, err error) {
	defer tuneHeap()() // as serve does
	c, err := newContest(ctx, dir)
	if err != nil {
		return out, err
	}
	var leafBytes int64
	defer func() {
		err = errors.Join(err, c.close())
		if err == nil {
			out.SizeRatio, err = sizeRatio(filepath.Join(dir, "ours"), leafBytes)
		}
	}()
	seen := make([]seenCallers, len(callers))
	for i := range r.n {
		for k, n := range callers {
			r.say("round %d of %d: %d callers", i+1, r.n, n)
			if err := seen[k].round(ctx, c, n, r.long); err != nil {
				return out, err
			}
		}
	}
	for k, n := range callers {
		out.Callers = append(out.Callers, seen[k].figures(n))
	}
	if err := out.naive(ctx, c, r); err != nil {
		return out, err
	}
	t, err := drive(ctx, 1, r.long, proofCaller(c.store, &c.begun))
	if err != nil {
		return out, err
	}
	raw, err := drive(ctx, 1, r.long, c.raw.caller(c.sizes))
	if err != nil {
		return out, err
	}
	out.ProofP50, out.SyncP50 = t.at(.5), raw.at(.5)
	report, err := c.store.Verify(ctx) // a figure of a ledger that does not hold is none
	if err == nil && !report.OK {
		err = brokenError{errors.New(report.First.Text)}
	}
	out.Entries, leafBytes = report.Size, report.Bytes
	return out, err
}

// seenCallers are the stretches of one number of callers.
type seenCallers struct {
	ours, raw, ratio         []float64
	p50, p99, rawP50, rawP99 []time.Duration
}

func (s *seenCallers) round(ctx context.Context, c *contest, callers int, long time.Duration) error {
	raw, err := drive(ctx, callers, long, c.raw.caller(c.sizes))
	if err != nil {
		return fmt.Errorf("appending to a plain file: %w", err)
	}
	ours, err := drive(ctx, callers, long, oursCaller(c.store, &c.begun))
	if err != nil {
		return fmt.Errorf("appending to the ledger: %w", err)
	}
	s.ours, s.raw = append(s.ours, ours.perSecond()), append(s.raw, raw.perSecond())
	s.ratio = append(s.ratio, ours.perSecond()/raw.perSecond())
	s.p50, s.p99 = append(s.p50, ours.at(.5)), append(s.p99, ours.at(.99))
	s.rawP50, s.rawP99 = append(s.rawP50, raw.at(.5)), append(s.rawP99, raw.at(.99))
	return nil
}

func (s *seenCallers) figures(callers int) callerFigures {
	return callerFigures{
		Callers: callers, Ours: median(s.ours), Raw: median(s.raw), Ratio: median(s.ratio),
		P50: median(s.p50), P99: median(s.p99), RawP50: median(s.rawP50), RawP99: median(s.rawP99),
	}
}

// naive compares entries a second: the naive way has one in each transaction, whatever a call appends.
func (f *appendFigures) naive(ctx context.Context, c *contest, r rounds) error {
	var theirs, ours, ratio []float64
	perCall := float64(lifeEntries) / lifeSteps
	for i := range r.n {
		r.say("round %d of %d: one statement a transaction, %d callers", i+1, r.n, naiveCallers)
		t, err := drive(ctx, naiveCallers, r.long, c.naive.caller(c.sizes))
		if err != nil {
			return fmt.Errorf("appending to a table, one statement a transaction: %w", err)
		}
		o, err := drive(ctx, naiveCallers, r.long, oursCaller(c.store, &c.begun))
		if err != nil {
			return fmt.Errorf("appending to the ledger: %w", err)
		}
		theirs, ours = append(theirs, t.perSecond()*perCall), append(ours, o.perSecond()*perCall)
		ratio = append(ratio, o.perSecond()/t.perSecond())
	}
	f.NaiveCallers, f.NaivePerSecond, f.OursPerSecond, f.AgainstNaive = naiveCallers, median(theirs), median(ours), median(ratio)
	return nil
}
