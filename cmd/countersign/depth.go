package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/store"
)

// inspect holds what lies beside the entries of a live ledger against them, and adds what contradicts them to the replay. A bundle has
// nothing beside its entries.
func (r *replayed) inspect(ctx context.Context, s *store.Store) error {
	d, err := s.Inspect(ctx)
	damaged := errors.Is(err, store.ErrDamaged)
	if err != nil && !damaged {
		return err
	}
	r.Depth = &d
	r.Wrong += int(d.Wrong)
	r.Problems = append(r.Problems, d.Problems...)
	if damaged {
		r.Wrong++
		r.Problems = append(r.Problems, fmt.Sprintf("What lies beside the entries cannot be read to its end: %v.", err))
	}
	people, err := s.People(ctx)
	switch {
	case errors.Is(err, store.ErrDamaged): // a gap is told without names then
	case err != nil:
		return err
	}
	n := newNarrator(time.UTC, namesOf(people))
	for _, g := range d.Gaps {
		r.gaps = append(r.gaps, n.lost(g.RollbackAccepted))
	}
	return nil
}

// stopped makes rows that cannot be followed a finding: whoever asks wants to know what else is wrong, and gets the whole report.
func (r *replayed) stopped(err error) error {
	if errors.Is(err, store.ErrDamaged) || errors.Is(err, store.ErrSchema) {
		r.say("Deciding again stops here: %v.", err)
		r.finish()
		return nil
	}
	return err
}

// writeDepth says what was compared, what was not and why, and which entries are known to be lost.
func (r *replayed) writeDepth(w io.Writer) {
	if r.Depth == nil {
		return
	}
	fmt.Fprintf(w, "  schema       version %d, %d objects as this program makes them\n", r.Depth.Schema, r.Depth.Objects)
	fmt.Fprintf(w, "  beside       %s: as the entries say\n", strings.Join(r.Depth.Compared, "; "))
	for _, b := range r.Depth.Beside {
		fmt.Fprintf(w, "  no evidence  %s\n", b)
	}
	for _, g := range r.gaps {
		fmt.Fprintf(w, "  GAP          %s\n", printable(g))
	}
	for _, n := range r.Depth.Notes {
		fmt.Fprintf(w, "  note         %s\n", printable(n))
	}
}
