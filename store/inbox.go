package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/countersign-bot/countersign/workflows"
)

// Inbound is one delivery from outside, kept as it came before anything is done about it.
type Inbound struct {
	ID         int64
	Transport  string // "slack-socket", "slack-http"
	Kind       string // "interactive", "slash", "events_api"
	Body       []byte
	ReceivedAt workflows.Stamp // when the row was committed; deadlines are compared with it
}

// Cause names the delivery for Ledger.Update.
func (i Inbound) Cause() string { return InboxCause(i.ID) }

// InboxCause names an inbox row for Ledger.Update.
func InboxCause(id int64) string { return fmt.Sprintf("inbox/%d", id) }

// PutInbox keeps a delivery; it is durable when it returns. keys are the ways in which the same delivery, or the same meaning
// over another transport, would be recognised: when one of them is known, nothing is kept, dup is true, and id is the first row.
// An error other than ErrLedgerUnknown means that nothing was kept and nothing will be, also when ctx ended.
func (s *Store) PutInbox(ctx context.Context, transport, kind string, keys []string, body []byte) (id int64, dup bool, err error) {
	defer wrap(&err, "keeping a delivery by %q", transport)
	if len(keys) > maxInboxKeys || len(body) > maxInboxBody {
		return 0, false, fmt.Errorf("%d keys or %d bytes exceed the limits of %d and %d", len(keys), len(body), maxInboxKeys, maxInboxBody)
	}
	if err := s.affords("inbox/"); err != nil {
		return 0, false, err
	}
	if body == nil {
		body = []byte{}
	}
	var row int64
	var known bool
	err = s.do(ctx, func(b *batch) error {
		for _, k := range keys {
			found, err := b.one(`SELECT inbox FROM inbox_key WHERE key = $1`, []any{&row}, k)
			if err != nil {
				return err
			}
			if found {
				known = true
				return nil
			}
		}
		return b.insertInbound(&row, transport, kind, keys, body)
	})
	if err != nil {
		return 0, false, err
	}
	return row, known, nil
}

func (b *batch) insertInbound(id *int64, transport, kind string, keys []string, body []byte) error {
	b.wrote()
	_, err := b.one(`
		INSERT INTO inbox (transport, kind, body, received_at, done_at)
		VALUES ($1, $2, $3, $4, 0)
		RETURNING id`, []any{id}, transport, kind, body, int64(b.s.nowStamp()))
	if err != nil {
		return err
	}
	for _, k := range keys {
		if _, err := b.write(`INSERT INTO inbox_key (key, inbox) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING`, k, *id); err != nil {
			return err
		}
	}
	return nil
}

// Undone gives the oldest deliveries that nobody has finished, at most 1000; at start they drain before timers.
func (s *Store) Undone(ctx context.Context) (out []Inbound, err error) {
	defer wrap(&err, "reading the inbox")
	err = s.reader(ctx).each(`
		SELECT id, transport, kind, body, received_at
		FROM inbox
		WHERE done_at = 0
		ORDER BY id
		LIMIT $1`,
		func(scan func(...any) error) error {
			var i Inbound
			err := scan(&i.ID, &i.Transport, &i.Kind, &i.Body, &i.ReceivedAt)
			out = append(out, i)
			return err
		}, int64(maxUndone))
	return out, err
}

// DoneInbox says that the delivery needs nothing more. Doing so twice is nothing.
func (s *Store) DoneInbox(ctx context.Context, id int64) (err error) {
	defer wrap(&err, "finishing delivery %d", id)
	now := s.nowStamp()
	return s.do(ctx, func(b *batch) error {
		_, err := b.write(`UPDATE inbox SET done_at = $1 WHERE id = $2 AND done_at = 0`, int64(now), id)
		return err
	})
}

// Received reads one delivery, done or not. ErrNotFound when it was never kept or its retention is over.
func (s *Store) Received(ctx context.Context, id int64) (i Inbound, err error) {
	defer wrap(&err, "reading delivery %d", id)
	found, err := s.reader(ctx).one(`SELECT id, transport, kind, body, received_at FROM inbox WHERE id = $1`,
		[]any{&i.ID, &i.Transport, &i.Kind, &i.Body, &i.ReceivedAt}, id)
	if err == nil && !found {
		err = ErrNotFound
	}
	return i, err
}

// ReceivedAt is when a delivery was committed.
func (s *Store) ReceivedAt(ctx context.Context, id int64) (workflows.Stamp, error) {
	i, err := s.Received(ctx, id)
	return i.ReceivedAt, err
}

// PruneInbox deletes the raw deliveries that are done and older than thirty days: they hold what people typed. It deletes at most
// a batch and gives their number; zero means nothing is left to prune.
func (s *Store) PruneInbox(ctx context.Context) (n int64, err error) {
	defer wrap(&err, "pruning the inbox")
	before := s.nowStamp().Add(-inboxRetention)
	var pruned int64
	err = s.do(ctx, func(b *batch) error {
		for _, text := range []string{
			`DELETE FROM inbox_key WHERE inbox IN (SELECT id FROM inbox WHERE received_at < $1 AND done_at > 0 ORDER BY received_at, id LIMIT $2)`,
			`DELETE FROM inbox WHERE id IN (SELECT id FROM inbox WHERE received_at < $1 AND done_at > 0 ORDER BY received_at, id LIMIT $2)`,
		} {
			got, err := b.exec(text, int64(before), int64(maxUndone))
			if err != nil {
				return err
			}
			b.dirty = b.dirty || got > 0
			pruned = got
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return pruned, nil
}

var errNoKey = errors.New("a key is missing")
