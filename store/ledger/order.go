package ledger

import (
	"context"
	"fmt"
	"hash/maphash"
	"slices"
	"sync"
)

// entry looks at one entry with what came before it in mind.
func (v *verification) entry(c *chunk, i int) {
	idx, f := c.first+int64(i), &c.facts[i]
	leaf := c.leaf(i)
	if leaf == nil {
		v.missing++
		return
	}
	v.reportMissing(idx)
	v.report.Read++
	v.report.Bytes += int64(len(leaf))
	if f.err != nil {
		v.report.add(Problem{
			Code: CodeEntryForm, Index: idx,
			Text: fmt.Sprintf("Entry %d cannot be read: %v. This program never wrote it so.", idx, f.err),
		})
		return
	}
	v.report.Commitments += int64(f.commitments)
	v.report.Opened += int64(f.opened)
	for _, field := range f.strange {
		v.complain(CodeOpening, idx, f, "has a text beside it for %q that is not the one it was recorded with", field)
	}
	v.order(idx, f)
	v.special(idx, f)
	if v.opt.PerEntry != nil {
		if err := v.opt.PerEntry(idx, *f.leaf); err != nil {
			v.complain(CodeEntryRejected, idx, f, "breaks a rule: %v", err)
		}
	}
}

// complain adds a problem of a readable entry; the sentence begins with which one.
func (v *verification) complain(code Code, idx int64, f *fact, format string, args ...any) {
	p := Problem{Code: code, Index: idx, Stream: string(f.stream), Seq: f.seq}
	p.Text = fmt.Sprintf("Entry %d (number %d of %s, %s) %s.", idx, f.seq, f.stream, f.typ, fmt.Sprintf(format, args...))
	v.report.add(p)
}

// reportMissing reports the run of missing entries that ends before idx.
func (v *verification) reportMissing(idx int64) {
	if v.missing == 0 {
		return
	}
	from, to := idx-v.missing, idx-1
	p := Problem{Code: CodeEntryMissing, Index: from}
	switch {
	case idx >= v.head.Size:
		p.Text = fmt.Sprintf("Entries %d to %d are missing: the tail was cut off.", from, to)
	case from == to:
		p.Text = fmt.Sprintf("Entry %d is missing: it was deleted.", from)
	default:
		p.Text = fmt.Sprintf("Entries %d to %d are missing: they were deleted.", from, to)
	}
	v.report.add(p)
	v.missing = 0
}

// order checks stream, id and clock, and remembers them.
func (v *verification) order(idx int64, f *fact) {
	at, known := v.streams[f.key]
	if !known {
		at = int32(len(v.seqs))
		v.streams[f.key], v.seqs = at, append(v.seqs, 0)
	}
	last := v.seqs[at]
	switch {
	case f.seq > last+1:
		v.complain(CodeSeq, idx, f, "follows number %d of its stream: what was between is missing", last)
	case f.seq <= last:
		v.complain(CodeSeq, idx, f, "comes after number %d of its stream: entries were swapped or repeated", last)
	}
	v.seqs[at] = max(last, f.seq)

	v.ids = append(v.ids, f.id)
	if f.mono < v.mono {
		v.complain(CodeMono, idx, f, "is older than the entry before it by the ledger's own clock, which never runs backwards")
	}
	v.mono = max(v.mono, f.mono)
	if f.time < v.time {
		v.report.ClockBack++
	}
	v.time = f.time
	if v.report.FirstTime == "" {
		v.report.FirstTime = FormatTime(f.time)
	}
	if idx == v.head.Size-1 {
		v.report.LastTime = FormatTime(f.time)
	}
	if len(f.policy) > 0 {
		if _, known := v.policies[string(f.policy)]; !known && len(v.policies) < maxPolicies {
			v.policies[string(f.policy)] = idx
		}
	}
}

// special handles the entries that say which key signs.
func (v *verification) special(idx int64, f *fact) {
	genesis := string(f.typ) == TypeGenesis
	switch {
	case idx == 0 && !genesis:
		v.complain(CodeGenesis, idx, f, "stands at the beginning, where the genesis entry belongs")
	case idx > 0 && genesis:
		v.complain(CodeGenesis, idx, f, "is a second beginning")
	case genesis:
		if err := v.keys.genesis(*f.leaf); err != nil {
			v.complain(CodeGenesis, idx, f, "does not begin a ledger: %v", err)
		}
	case string(f.typ) == TypeKeyRotated:
		if err := v.keys.rotate(idx, *f.leaf); err != nil {
			v.complain(CodeKey, idx, f, "does not change the key: %v", err)
		}
	}
}

// nameDuplicates finds entries with one id. Sorting 8 bytes an entry takes less memory and time than a set of them; what is equal there
// is only suspected, and the entries are read once more to be certain and to name both.
func (v *verification) nameDuplicates(ctx context.Context) error {
	suspects := repeated(v.ids)
	if len(suspects) == 0 {
		return nil
	}
	first := make(map[string]int64, len(suspects))
	for e, err := range v.src.Entries(ctx, 0, v.head.Size) {
		if err != nil {
			return fmt.Errorf("looking for repeated ids: %w", err)
		}
		var g glimpse
		if g.read(e.Leaf) != nil || !suspects[maphash.Bytes(v.idSeed, g.id)] {
			continue
		}
		before, seen := first[string(g.id)]
		if !seen {
			first[string(g.id)] = e.Index
			continue
		}
		v.report.add(Problem{
			Code: CodeID, Index: e.Index, Stream: string(g.stream), Seq: g.seq,
			Text: fmt.Sprintf("Entry %d (number %d of %s) repeats the id %q of entry %d.", e.Index, g.seq, g.stream, g.id, before),
		})
	}
	return nil
}

// repeated finds numbers that stand more than once, at most maxProblems of them. It sorts both halves at the same time and then walks
// through them as one.
func repeated(ids []uint64) map[uint64]bool {
	a, b := ids[:len(ids)/2], ids[len(ids)/2:]
	var wg sync.WaitGroup
	wg.Go(func() { slices.Sort(a) })
	slices.Sort(b)
	wg.Wait()
	out := make(map[uint64]bool)
	last, begun := uint64(0), false
	for len(a)+len(b) > 0 && len(out) < maxProblems {
		var x uint64
		if len(b) == 0 || len(a) > 0 && a[0] < b[0] {
			x, a = a[0], a[1:]
		} else {
			x, b = b[0], b[1:]
		}
		if begun && x == last {
			out[x] = true
		}
		last, begun = x, true
	}
	return out
}
