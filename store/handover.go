package store

import (
	"context"
	"errors"
	"fmt"
)

// Handover is a secret that waits to be taken, sealed by its keeper: this room never sees it in clear and could not open it.
type Handover struct {
	ID     string // of the grant that it was made for
	Sealed []byte // at least a nonce of 12 bytes and a tag of 16
}

// KeepHandover keeps a sealed secret; it is durable when it returns. Another one under the same ID takes its place.
func (s *Store) KeepHandover(ctx context.Context, h Handover) (err error) {
	defer wrap(&err, "keeping the sealed secret of %q", h.ID)
	if h.ID == "" || len(h.Sealed) < minSealed || len(h.Sealed) > maxSealed {
		return errors.New("it has no id, or is no sealed secret")
	}
	return s.do(ctx, func(b *batch) error {
		_, err := b.write(`
			INSERT INTO handover (id, sealed, kept_at)
			VALUES ($1, $2, $3)
			ON CONFLICT (id) DO UPDATE SET
				sealed = excluded.sealed,
				kept_at = excluded.kept_at`,
			h.ID, h.Sealed, int64(b.s.nowStamp()))
		return err
	})
}

// Handover reads a sealed secret. ErrNotFound when it was taken or destroyed, or never kept.
func (s *Store) Handover(ctx context.Context, id string) (h Handover, err error) {
	defer wrap(&err, "reading the sealed secret of %q", id)
	h.ID = id
	found, err := s.reader(ctx).one(`SELECT sealed FROM handover WHERE id = $1`, []any{&h.Sealed}, id)
	if err == nil && !found {
		err = fmt.Errorf("%q: %w", id, ErrNotFound)
	}
	return h, err
}

// DropHandover destroys a sealed secret; dropping what is not there succeeds. It is gone from the table when this returns, and overwritten
// in the file as far as the database does that; a copy made before still has it, and opens with the key alone.
func (s *Store) DropHandover(ctx context.Context, id string) (err error) {
	defer wrap(&err, "destroying the sealed secret of %q", id)
	return s.do(ctx, func(b *batch) error {
		_, err := b.write(`DELETE FROM handover WHERE id = $1`, id)
		return err
	})
}

// Handovers lists the IDs of the sealed secrets that wait, in order.
func (s *Store) Handovers(ctx context.Context) (ids []string, err error) {
	defer wrap(&err, "listing sealed secrets")
	err = s.reader(ctx).each(`SELECT id FROM handover ORDER BY id LIMIT $1`, func(scan func(...any) error) error {
		var id string
		err := scan(&id)
		ids = append(ids, id)
		return err
	}, int64(maxListRead))
	return ids, err
}
