package store

import (
	"context"
	"fmt"
	"time"

	"github.com/countersign-bot/countersign/store/custody"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/workflows"
)

// FinishInbox is DoneInbox that keeps less of the delivery: what keep leaves of its bytes. It is one transaction.
func (s *Store) FinishInbox(ctx context.Context, id int64, keep func([]byte) []byte) (err error) {
	defer wrap(&err, "finishing delivery %d", id)
	now := s.nowStamp()
	return s.do(ctx, func(b *batch) error {
		var body []byte
		found, err := b.one(`SELECT body FROM inbox WHERE id = $1 AND done_at = 0`, []any{&body}, id)
		if err != nil || !found {
			return err
		}
		_, err = b.write(`UPDATE inbox SET done_at = $1, body = $2 WHERE id = $3`, int64(now), keep(body), id)
		return err
	})
}

// prunable is what a prune would delete: $1 the first entry that is kept, $2 the kind of job that does not count. A stream that owes more than
// notices keeps its texts: live access may need them to be taken back. Which user an account is stays as long as the account does.
const prunable = `
	FROM opening
	WHERE idx < $1 AND field <> '` + fieldUser + `' AND idx NOT IN (
		SELECT e.idx
		FROM stream_entry e
		JOIN job j ON j.stream = e.stream
		WHERE e.idx < $1 AND j.made_by = 'fold' AND j.kind <> $2)`

// Prunable says how many texts are older than keep, and before which entry they lie.
func (s *Store) Prunable(ctx context.Context, keep time.Duration) (p custody.Pruned, err error) {
	defer wrap(&err, "looking at texts whose time is over")
	return s.prunable(s.reader(ctx), keep)
}

func (s *Store) prunable(q *query, keep time.Duration) (p custody.Pruned, err error) {
	p.Keep = workflows.Span(keep / time.Second)
	p.Older = s.nowStamp().Add(-keep)
	if p.Before, err = firstSince(q, p.Older); err != nil {
		return p, err
	}
	_, err = q.one(`SELECT COUNT(*) `+prunable, []any{&p.Texts}, p.Before, workflows.JobNotice)
	return p, err
}

// firstSince finds the first entry that is not older, by halving: entries stand in the order of their time, but for a clock that was set.
func firstSince(q *query, at workflows.Stamp) (int64, error) {
	var low, high int64
	if _, err := q.one(`SELECT COALESCE(MAX(idx), -1) + 1 FROM log_entry`, []any{&high}); err != nil {
		return 0, err
	}
	for low < high {
		mid := low + (high-low)/2
		var leaf []byte
		if _, err := q.one(`SELECT leaf FROM log_entry WHERE idx = $1`, []any{&leaf}, mid); err != nil {
			return 0, err
		}
		l, err := ledger.Decode(leaf)
		if err != nil {
			return 0, fmt.Errorf("%w: entry %d: %w", ErrDamaged, mid, err)
		}
		if workflows.Stamp(l.Time) < at {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low, nil
}

// PruneTexts deletes texts older than keep, and never a commitment: every hash still holds. The head is published first, and what was
// deleted is an entry of the same transaction. Then the files are written anew (see Scrub). Nothing is recorded when nothing was due.
func (s *Store) PruneTexts(ctx context.Context, keep time.Duration) (p custody.Pruned, err error) {
	defer wrap(&err, "pruning texts")
	if p, err = s.Prunable(ctx, keep); err != nil || p.Texts == 0 {
		return p, err
	}
	c, _, err := s.Publish(ctx)
	if err != nil {
		return p, err
	}
	err = s.do(ctx, func(b *batch) error {
		if err := b.lockHead(); err != nil {
			return err
		}
		if p, err = s.prunable(b.query, keep); err != nil || p.Texts == 0 {
			return err
		}
		p.Size, p.Root = c.Size, c.Root.String()
		if p.Root == (ledger.Hash{}).String() { // a checkpoint that was published before is read without its root
			cp, err := ledger.OpenCheckpoint(c.Note, s.Origin(), s.signing.Load().verifiers)
			if err != nil {
				return err
			}
			p.Root = cp.Root.String()
		}
		b.erased = true
		clear(b.histories)
		if _, err := b.write(`DELETE `+prunable, p.Before, workflows.JobNotice); err != nil {
			return err
		}
		if err := b.markUnscrubbed(); err != nil {
			return err
		}
		return b.recordSystem(p)
	})
	if err != nil || p.Texts == 0 {
		return p, err
	}
	return p, s.Scrub(ctx)
}
