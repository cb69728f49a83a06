package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/workflows"
)

// Outlet is where one way by which the ledger leaves this host stands: a stream of entries, or a place that keeps signed heads.
type Outlet struct {
	Name     string          // "stream/siem", "anchor/vault"
	Next     int64           // entries below this index have arrived there
	SentAt   workflows.Stamp // when it last took something; 0: never
	Failing  workflows.Stamp // since when nothing succeeds any more; 0: it does
	Attempts int64           // that failed since then
	Error    string          // of the last one
}

// maxOutletError is how much of a peer's complaint is kept.
const maxOutletError = 500

// Outlets gives where every outlet stands that ever ran, by name.
func (s *Store) Outlets(ctx context.Context) (out []Outlet, err error) {
	defer wrap(&err, "reading where the ledger goes")
	return outlets(s.reader(ctx), `ORDER BY name LIMIT $1`, int64(maxListRead))
}

// Outlet gives where one stands; one that never ran stands at 0.
func (s *Store) Outlet(ctx context.Context, name string) (o Outlet, err error) {
	defer wrap(&err, "reading where %q stands", name)
	list, err := outlets(s.reader(ctx), `WHERE name = $1`, name)
	if err != nil || len(list) == 0 {
		return Outlet{Name: name}, err
	}
	return list[0], nil
}

func outlets(q *query, where string, args ...any) (out []Outlet, err error) {
	err = q.each(`SELECT name, next, sent_at, failing, attempts, error FROM outlet `+where, func(scan func(...any) error) error {
		var o Outlet
		if err := scan(&o.Name, &o.Next, &o.SentAt, &o.Failing, &o.Attempts, &o.Error); err != nil {
			return err
		}
		out = append(out, o)
		return nil
	}, args...)
	return out, err
}

// PutOutlet remembers where an outlet stands. It is durable when it returns. A Next that is less than the one remembered leaves that one: what
// has arrived somewhere does not come back.
func (s *Store) PutOutlet(ctx context.Context, o Outlet) (err error) {
	defer wrap(&err, "remembering where %q stands", o.Name)
	if o.Name == "" || o.Next < 0 {
		return errors.New("an outlet needs a name and a place")
	}
	o.Error = o.Error[:min(len(o.Error), maxOutletError)]
	o.Error = strings.ToValidUTF8(strings.ReplaceAll(o.Error, "\x00", ""), "") // PostgreSQL takes neither a zero nor half a rune
	return s.do(ctx, func(b *batch) error {
		_, err := b.write(`
			INSERT INTO outlet (name, next, sent_at, failing, attempts, error)
			VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (name) DO UPDATE SET
				next = CASE WHEN excluded.next > outlet.next THEN excluded.next ELSE outlet.next END,
				sent_at = excluded.sent_at,
				failing = excluded.failing,
				attempts = excluded.attempts,
				error = excluded.error`,
			o.Name, o.Next, int64(o.SentAt), int64(o.Failing), o.Attempts, o.Error)
		return err
	})
}

// Cosignature is a witness's word that a published head continues all heads of this ledger that it has seen before.
type Cosignature struct {
	Size    int64  // of the published head
	KeyName string // of the witness
	KeyID   uint32 // of its key
	Line    string // as it stands behind the head's own signatures, newline included
	At      workflows.Stamp
}

// AddCosignature keeps what a witness has signed. A second one of the same key over the same head changes nothing; a line that would make the
// head unreadable is refused. Whether the witness has signed it is for the caller to know.
func (s *Store) AddCosignature(ctx context.Context, c Cosignature) (err error) {
	defer wrap(&err, "keeping the signature of witness %q", c.KeyName)
	head, err := s.CheckpointAt(ctx, c.Size)
	if err != nil {
		return err
	}
	if _, err := ledger.OpenCheckpoint(append(head.Note, c.Line...), s.Origin(), s.signing.Load().verifiers); err != nil {
		return fmt.Errorf("with its line the head over %d entries cannot be read: %w", c.Size, err)
	}
	return s.do(ctx, func(b *batch) error {
		var n int64
		_, err := b.one(`SELECT COUNT(*) FROM log_cosig WHERE size = $1 AND key_name = $2 AND key_id = $3`, []any{&n}, c.Size, c.KeyName, int64(c.KeyID))
		if err != nil || n > 0 {
			return err
		}
		_, err = b.write(`INSERT INTO log_cosig (size, key_name, key_id, line, at) VALUES ($1, $2, $3, $4, $5)`,
			c.Size, c.KeyName, int64(c.KeyID), c.Line, int64(b.s.nowStamp()))
		return err
	})
}

// Cosignatures gives what witnesses have signed over the published head of this size, by name.
func (s *Store) Cosignatures(ctx context.Context, size int64) (out []Cosignature, err error) {
	defer wrap(&err, "reading signatures of witnesses")
	err = s.reader(ctx).each(`SELECT size, key_name, key_id, line, at FROM log_cosig WHERE size = $1 ORDER BY key_name, key_id`,
		func(scan func(...any) error) error {
			var c Cosignature
			var id int64
			if err := scan(&c.Size, &c.KeyName, &id, &c.Line, &c.At); err != nil {
				return err
			}
			c.KeyID = uint32(id)
			out = append(out, c)
			return nil
		}, size)
	return out, err
}

// Cosigned gives the size of the largest published head that a witness has signed; 0 when it has signed none.
func (s *Store) Cosigned(ctx context.Context, keyName string) (size int64, err error) {
	defer wrap(&err, "reading signatures of witness %q", keyName)
	_, err = s.reader(ctx).one(`SELECT COALESCE(MAX(size), 0) FROM log_cosig WHERE key_name = $1`, []any{&size}, keyName)
	return size, err
}

// CheckpointAt gives the published head of this size. ErrNotFound when none was published there.
func (s *Store) CheckpointAt(ctx context.Context, size int64) (c Checkpoint, err error) {
	defer wrap(&err, "reading the head over %d entries", size)
	found, err := s.reader(ctx).one(`SELECT size, note, published_at FROM log_checkpoint WHERE size = $1`,
		[]any{&c.Size, &c.Note, &c.PublishedAt}, size)
	if err == nil && !found {
		err = fmt.Errorf("%d: %w", size, ErrNotFound)
	}
	return c, err
}
