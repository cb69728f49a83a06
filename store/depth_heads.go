package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/workflows"
)

// headSlack is how far from the entries around it the moment may be at which a head is said to have been published: the clocks of replicas differ, and
// an entry is written a moment before or after.
const headSlack = 5 * time.Minute

// givenOut is an entry that says a head left the process.
type givenOut struct {
	idx, size int64
	at        workflows.Stamp
}

// heads holds the rows of published heads against the entries: one that an entry says was given out is there, and the moment that its row names lies
// between the head's last entry and the one that says where it was given out. Not the next entry: that may be of the same transaction as the row, begun
// before a machine slept or a clock was moved on. Their signatures and roots are Verify's.
func (i *inspection) heads(context.Context) error {
	there, said := map[int64]bool{}, map[int64]givenOut{}
	for _, g := range i.given {
		if _, ok := said[g.size]; !ok {
			said[g.size] = g
		}
	}
	err := i.q.each(`
		SELECT c.size, c.published_at, l.leaf, n.leaf
		FROM log_checkpoint c
		JOIN log_entry l ON l.idx = c.size - 1
		LEFT JOIN log_entry n ON n.idx = c.size
		ORDER BY c.size`, func(scan func(...any) error) error {
		var size int64
		var at workflows.Stamp
		var last, next []byte
		if err := scan(&size, &at, &last, &next); err != nil {
			return err
		}
		there[size] = true
		i.published(size, at, last, next, said[size])
		return nil
	})
	if err != nil {
		return err
	}
	for _, g := range i.given {
		if !there[g.size] && g.size <= i.size {
			i.d.wrong("The head of %d entries, which entry %d says was published, is gone from the list of published heads.", g.size, g.idx)
		}
	}
	i.d.Compared = append(i.d.Compared, fmt.Sprintf("log_checkpoint: %d published heads, and when", len(there)))
	return nil
}

// published compares one moment. What stands beside a clock that was set says nothing about it.
func (i *inspection) published(size int64, at workflows.Stamp, last, next []byte, said givenOut) {
	before, err := ledger.Decode(last)
	if err != nil {
		return // Verify names it
	}
	if next == nil {
		if at < workflows.Stamp(before.Time).Add(-headSlack) {
			i.d.note("The head of %d entries is said to have been published %s, before its last entry; either the clock was set or the row was edited.", size, at)
		}
		return
	}
	after, err := ledger.Decode(next)
	if err != nil || after.Type == (ClockJumped{}).Kind() {
		return
	}
	switch from := min(workflows.Stamp(before.Time), workflows.Stamp(after.Time)); {
	case at < from.Add(-headSlack):
		i.d.wrong("The head of %d entries is said to have been published %s, before its last entry of %s.", size, at, from)
	case said.at != 0 && at > said.at.Add(headSlack):
		i.d.wrong("The head of %d entries is said to have been published %s, after entry %d of %s, which says where.", size, at, said.idx, said.at)
	}
}

// marks: what meta says about the ledger follows from it, and streams are not beyond its end.
func (i *inspection) marks(ctx context.Context) error {
	gaps, err := i.s.gaps(i.q)
	if err != nil {
		i.d.wrong("The list of gaps cannot be followed: %v.", err)
		return ctx.Err()
	}
	i.d.Gaps = gaps
	for _, idx := range i.gaps {
		if !slices.ContainsFunc(gaps, func(g Gap) bool { return g.Entry == idx }) {
			i.d.wrong("Entry %d explains lost entries, and the mark that leads to it is gone: heads of the lost entries look like a fork.", idx)
		}
	}
	i.d.Compared = append(i.d.Compared, fmt.Sprintf("meta: %d gaps", len(gaps)))
	if i.s.version < versionCosig {
		return nil
	}
	return i.q.each(`SELECT name, next FROM outlet WHERE next > $1 ORDER BY name`, func(scan func(...any) error) error {
		var name string
		var next int64
		if err := scan(&name, &next); err != nil {
			return err
		}
		i.d.wrong("The cursor of %s stands at %d, beyond the %d entries there are: it would leave out what comes.", name, next, i.size)
		return nil
	}, i.size)
}
