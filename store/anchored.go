package store

import (
	"context"

	"github.com/countersign-bot/countersign/store/ledger"
)

// snapshot runs f on the tree as it is now, with everything that a proof about it needs.
func (s *Store) snapshot(ctx context.Context, f func(head ledger.Head, tiles ledger.TileReader) error) error {
	src, err := s.Source(ctx)
	if err != nil {
		return err
	}
	defer src.Close()
	q := src.with(ctx)
	head, found, err := readHead(q)
	if err != nil {
		return err
	}
	if !found {
		return f(ledger.Head{Root: ledger.EmptyRoot()}, ledger.NewTree())
	}
	tail, _, err := readTail(q, head.Size)
	if err != nil {
		return err
	}
	rows := &tileRows{s: s, q: q}
	tree, err := ledger.TreeFromFrontier(ctx, head.Size, head.Frontier, tail, rows)
	if err != nil {
		return err
	}
	return f(head, ledger.Layered{tree, rows})
}

// ProveConsistency proves that the first old entries are the beginning of the first size ones, as witnesses want it.
func (s *Store) ProveConsistency(ctx context.Context, old, size int64) (proof []ledger.Hash, err error) {
	defer wrap(&err, "proving what the ledger has become")
	err = s.snapshot(ctx, func(_ ledger.Head, tiles ledger.TileReader) (err error) {
		proof, err = ledger.ProveConsistency(ctx, tiles, old, size)
		return err
	})
	return proof, err
}

// Compare holds the ledger against what others remember of it: a *ledger.RollbackError if any of them saw more entries, a
// *ledger.ForkError if one saw others. It reads a snapshot and changes nothing.
func (s *Store) Compare(ctx context.Context, remembered ...ledger.Anchor) (err error) {
	defer wrap(&err, "comparing with what others remember")
	return s.snapshot(ctx, func(head ledger.Head, tiles ledger.TileReader) error {
		kept, _, err := s.unexplained(s.reader(ctx), head, tiles, remembered)
		if err != nil {
			return err
		}
		return ledger.CheckHead(ctx, head, tiles, kept)
	})
}

// LastCheckpoint gives the head that was published last; found is false before the first.
func (s *Store) LastCheckpoint(ctx context.Context) (c Checkpoint, found bool, err error) {
	defer wrap(&err, "reading the last published head")
	if c, found, err = lastCheckpoint(s.reader(ctx)); err != nil || !found {
		return c, found, err
	}
	cp, err := ledger.OpenCheckpoint(c.Note, s.Origin(), s.signing.Load().verifiers)
	c.Root = cp.Root
	return c, true, err
}
