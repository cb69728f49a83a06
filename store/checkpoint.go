package store

import (
	"context"
	"fmt"

	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/workflows"
)

// Checkpoint is a signed head that was given out.
type Checkpoint struct {
	Size        int64
	Root        ledger.Hash
	Note        []byte
	PublishedAt workflows.Stamp
}

// Publish keeps the present head as one that leaves the process, and brings the witness file to the disk first. grew is false when
// nothing but the records of earlier publications was added since the last one: then there is nothing to post, and the
// checkpoint returned is the last one.
func (s *Store) Publish(ctx context.Context) (c Checkpoint, grew bool, err error) {
	defer wrap(&err, "publishing the head")
	var made Checkpoint
	var isNew bool
	err = s.do(ctx, func(b *batch) (err error) {
		made, isNew, err = b.publish()
		return err
	})
	if err != nil {
		return Checkpoint{}, false, err
	}
	if err := s.witness.sync(); err != nil {
		err = fmt.Errorf("%w: %w", ErrLedgerUnknown, err)
		s.poisonWith(err)
		return Checkpoint{}, false, err
	}
	return made, isNew, nil
}

// publish takes the head as committed: entries of the same batch come with the next publication.
func (b *batch) publish() (Checkpoint, bool, error) {
	if err := b.lockHead(); err != nil {
		return Checkpoint{}, false, err
	}
	head, _, err := readHead(b.query)
	if err != nil {
		return Checkpoint{}, false, err
	}
	last, found, err := lastCheckpoint(b.query)
	if err != nil {
		return Checkpoint{}, false, err
	}
	if found {
		news, err := b.newsSince(last.Size, head.Size)
		if err != nil || !news {
			return last, false, err
		}
	}
	c := Checkpoint{Size: head.Size, Root: head.Root, Note: head.Note, PublishedAt: b.s.nowStamp()}
	_, err = b.write(`INSERT INTO log_checkpoint (size, note, published_at) VALUES ($1, $2, $3)`, c.Size, c.Note, int64(c.PublishedAt))
	return c, true, err
}

// newsSince tells whether anything but publications was recorded.
func (b *batch) newsSince(from, to int64) (bool, error) {
	if to-from > maxRangeRead {
		return true, nil
	}
	records, err := b.s.recordsBetween(b.query, from, to)
	if err != nil {
		return false, err
	}
	for _, r := range records {
		if _, ok := r.Event.(AnchorPublished); !ok {
			return true, nil
		}
	}
	return false, nil
}

func lastCheckpoint(q *query) (c Checkpoint, found bool, err error) {
	found, err = q.one(`SELECT size, note, published_at FROM log_checkpoint ORDER BY size DESC LIMIT 1`,
		[]any{&c.Size, &c.Note, &c.PublishedAt})
	if err != nil || !found {
		return c, false, err
	}
	return c, true, nil
}

// Checkpoints gives the heads that were given out, newest first, at most 1000.
func (s *Store) Checkpoints(ctx context.Context) (out []Checkpoint, err error) {
	defer wrap(&err, "reading checkpoints")
	err = s.reader(ctx).each(`SELECT size, note, published_at FROM log_checkpoint ORDER BY size DESC LIMIT $1`,
		func(scan func(...any) error) error {
			var c Checkpoint
			if err := scan(&c.Size, &c.Note, &c.PublishedAt); err != nil {
				return err
			}
			cp, err := ledger.OpenCheckpoint(c.Note, s.Origin(), s.signing.Load().verifiers)
			if err != nil {
				return err
			}
			c.Root = cp.Root
			out = append(out, c)
			return nil
		}, int64(maxListRead))
	return out, err
}
