package store

import (
	"context"
	"fmt"

	"github.com/countersign-bot/countersign/store/ledger"
)

// signedTree is the tree as last committed with the note that signs it. It is never changed: every commit makes another one.
type signedTree struct {
	tree *ledger.Tree
	note []byte
}

// Receipt proves, under the head as last committed by this process, that the entry at idx is in the ledger: what somebody can keep who
// trusts neither us nor this host. It reads some tiles and no entries: microseconds, however long the ledger is. ErrNotFound when there is
// no such entry yet, ErrReadOnly on a store that was opened for reading.
func (s *Store) Receipt(ctx context.Context, idx int64) (r ledger.Receipt, err error) {
	defer wrap(&err, "proving entry %d", idx)
	if s.readOnly {
		return r, ErrReadOnly
	}
	head := s.head.Load()
	if head == nil || idx < 0 || idx >= head.tree.Size() {
		return r, fmt.Errorf("%w: the ledger does not reach so far", ErrNotFound)
	}
	proof, err := ledger.ProveInclusion(ctx, s.prover.With(head.tree), head.tree.Size(), idx)
	if err != nil {
		return r, err
	}
	return ledger.Receipt{Index: idx, Proof: proof, Checkpoint: head.note}, nil
}
