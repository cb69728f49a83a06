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

// FoldSlowly makes the fold that Close waits for last until release is called: it holds the connection that folds.
func (s *Store) FoldSlowly(ctx context.Context) (release func(), err error) {
	c, err := s.foldDB.Conn(ctx)
	if err != nil {
		return nil, err
	}
	tended, held := s.tended, make(chan struct{})
	s.tended = held
	return func() {
		c.Close()
		<-tended
		close(held)
	}, nil
}
