package store

import (
	"context"
	"fmt"

	"github.com/countersign-bot/countersign/store/custody"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/workflows"
)

// texts: each row is of its entry and of whom the entry says; one that is missing is explained by an entry about an erasure.
func (i *inspection) texts(ctx context.Context) error {
	var rows int64
	if _, err := i.q.one(`SELECT COUNT(*) FROM opening`, []any{&rows}); err != nil {
		return err
	}
	gone := int64(0)
	for from := int64(0); from < i.size; from += maxRangeRead {
		chunk, err := i.chunk(from)
		if err != nil {
			return err
		}
		open, err := i.openings(from)
		if err != nil {
			return err
		}
		for _, r := range chunk {
			l, err := ledger.Decode(r.leaf)
			if err != nil {
				continue
			}
			gone += i.text(r.idx, l, open[r.idx])
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	i.d.Compared = append(i.d.Compared, fmt.Sprintf("opening: %d texts, and %d erased of which %d are accounted for", rows, i.sealed-rows, gone))
	return nil
}

// openings gives whose texts there are of a range of entries, by field.
func (i *inspection) openings(from int64) (map[int64]map[string]string, error) {
	out := map[int64]map[string]string{}
	err := i.q.each(`SELECT idx, field, subject FROM opening WHERE idx >= $1 AND idx < $2`, func(scan func(...any) error) error {
		var idx int64
		var field, subject string
		if err := scan(&idx, &field, &subject); err != nil {
			return err
		}
		if out[idx] == nil {
			out[idx] = map[string]string{}
		}
		out[idx][field] = subject
		return nil
	}, from, from+maxRangeRead)
	return out, err
}

// text compares the texts of one entry and gives how many that are gone an entry accounts for.
func (i *inspection) text(idx int64, l ledger.Leaf, open map[string]string) (explained int64) {
	for _, field := range sortedKeys(l.Sealed) {
		subject, there := open[field]
		switch {
		case there && subject != l.Person:
			i.d.wrong("The text %q of entry %d is put down to %q, the entry is by %q: an erasure would miss it, or take another's.", field, idx, subject, l.Person)
		case there:
		case i.explains(idx, l, field):
			explained++
		default:
			i.d.wrong("The text %q of entry %d is gone, and no entry says who erased it.", field, idx)
		}
	}
	return explained
}

func (i *inspection) explains(idx int64, l ledger.Leaf, field string) bool {
	notice, _ := l.Fields["notice"].(string)
	x := custody.Entry{
		Index: idx, Person: workflows.PersonID(l.Person), Stream: workflows.StreamID(l.Stream), Notice: notice,
		Began: workflows.PersonID(i.began[l.Stream]),
	}
	for _, e := range i.erased {
		if e.Covers(x, field) {
			return true
		}
	}
	for _, e := range i.pruned {
		if e.Covers(idx, workflows.Stamp(l.Time)) {
			return true
		}
	}
	return false
}
