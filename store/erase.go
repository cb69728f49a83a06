package store

import (
	"context"

	"github.com/countersign-bot/countersign/workflows"
)

// EraseOpenings deletes the texts that one person wrote: what remains in the ledger says nothing about them, and every hash and
// signature stays valid. It gives their number. Recording who decided so, and on what ground, is the caller's business.
func (s *Store) EraseOpenings(ctx context.Context, subject workflows.PersonID) (n int64, err error) {
	defer wrap(&err, "erasing the texts of %q", subject)
	if subject == "" {
		return 0, errNoKey
	}
	var gone int64
	err = s.do(ctx, func(b *batch) (err error) {
		gone, err = b.write(`DELETE FROM opening WHERE subject = $1`, string(subject))
		b.erased = true
		clear(b.histories)
		return err
	})
	if err != nil {
		return 0, err
	}
	return gone, nil
}
