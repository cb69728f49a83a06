package store

import "context"

// Folding folds the log as the loop does, a turn at a time.
type Folding struct{ f *folding }

// NewFolding has the writer wait for the rest of a log that is longer than bound pages.
func NewFolding(s *Store, bound int64) *Folding { return &Folding{&folding{s: s, bound: bound}} }

// Turn does what one second needs, and gives the pages in the log.
func (f *Folding) Turn(ctx context.Context) (int64, error) {
	err := f.f.turn(ctx)
	return f.f.pages, err
}
