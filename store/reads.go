package store

import (
	"context"
	"fmt"

	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/workflows"
)

// Head is where the ledger stands: size, root and signed note. The zero Head before entry 0.
func (s *Store) Head(ctx context.Context) (h ledger.Head, err error) {
	defer wrap(&err, "reading the head")
	h, _, err = readHead(s.reader(ctx))
	return h, err
}

func readHead(q *query) (ledger.Head, bool, error) {
	var h ledger.Head
	var root []byte
	found, err := q.one(`SELECT size, root, frontier, note FROM log_head WHERE id = 1`, []any{&h.Size, &root, &h.Frontier, &h.Note})
	if err != nil || !found {
		return h, false, err
	}
	if len(root) != len(h.Root) {
		return h, false, fmt.Errorf("%w: the root of the head has %d bytes", ErrDamaged, len(root))
	}
	h.Root = ledger.Hash(root)
	return h, true, nil
}

// Entries reads the records with from <= Index < to, at most 4096 of them.
func (s *Store) Entries(ctx context.Context, from, to int64) (out []workflows.Record, err error) {
	defer wrap(&err, "reading entries from %d", from)
	return s.recordsBetween(s.reader(ctx), from, min(to, from+maxRangeRead))
}

func (s *Store) recordsBetween(q *query, from, to int64) ([]workflows.Record, error) {
	var rows []entryRow
	err := q.each(`SELECT idx, leaf FROM log_entry WHERE idx >= $1 AND idx < $2 ORDER BY idx`,
		func(scan func(...any) error) error {
			var r entryRow
			err := scan(&r.idx, &r.leaf)
			rows = append(rows, r)
			return err
		}, from, to)
	if err != nil {
		return nil, err
	}
	return s.decodeRows(q, rows)
}

// Entry reads one record by its id. ErrNotFound when there is none.
func (s *Store) Entry(ctx context.Context, id string) (r workflows.Record, err error) {
	defer wrap(&err, "reading entry %q", id)
	q := s.reader(ctx)
	var idx int64
	found, err := q.one(`SELECT idx FROM stream_entry WHERE id = $1`, []any{&idx}, id)
	if err != nil {
		return r, err
	}
	if !found {
		return r, ErrNotFound
	}
	list, err := s.recordsBetween(q, idx, idx+1)
	if err == nil && len(list) != 1 {
		err = fmt.Errorf("%w: entry %d is gone", ErrDamaged, idx)
	}
	if err != nil {
		return r, err
	}
	return list[0], nil
}

// Leaf gives the stored bytes of one entry: what was hashed. ErrNotFound when there is none.
func (s *Store) Leaf(ctx context.Context, idx int64) (leaf []byte, err error) {
	defer wrap(&err, "reading entry %d", idx)
	found, err := s.reader(ctx).one(`SELECT leaf FROM log_entry WHERE idx = $1`, []any{&leaf}, idx)
	if err == nil && !found {
		err = ErrNotFound
	}
	return leaf, err
}

// Streams gives the names of all streams of one kind, in the order of their first entries, at most 4096 behind the given index.
func (s *Store) Streams(ctx context.Context, kind string, after int64) (out []workflows.StreamID, err error) {
	defer wrap(&err, "reading streams of kind %q", kind)
	err = s.reader(ctx).each(`
		SELECT stream
		FROM stream_entry
		WHERE seq = 1 AND idx > $1 AND (stream = $2 OR stream LIKE $3)
		ORDER BY idx
		LIMIT $4`,
		func(scan func(...any) error) error {
			var stream workflows.StreamID
			err := scan(&stream)
			out = append(out, stream)
			return err
		}, after, kind, kind+"/%", int64(maxRangeRead))
	return out, err
}

// JobsOf gives the jobs of one stream as the engine asked for them, with how they fare, by kind and key.
func (s *Store) JobsOf(ctx context.Context, stream workflows.StreamID) ([]JobStatus, error) {
	return jobStatus(s.reader(ctx), `WHERE stream = $1 ORDER BY kind, key LIMIT $2`, string(stream), int64(maxPending))
}

// JobsDue gives jobs of one kind that are wanted by now, leased or not, oldest first: what a revoke-only start has to do.
func (s *Store) JobsDue(ctx context.Context, kind string) ([]JobStatus, error) {
	return jobStatus(s.reader(ctx), `WHERE kind = $1 AND due_wanted <= $2 ORDER BY due_wanted, id LIMIT $3`,
		kind, int64(s.nowStamp()), int64(maxRangeRead))
}

// JobStatus is a job and how it fares.
type JobStatus struct {
	Stream workflows.StreamID
	workflows.Job
	Next      workflows.Stamp // when it is looked at next; zero while it runs
	Attempts  int
	LastError string
}

// jobStatus reads jobs; where is one of the fixed conditions above.
func jobStatus(q *query, where string, args ...any) (out []JobStatus, err error) {
	defer wrap(&err, "reading jobs")
	err = q.each(`SELECT stream, kind, key, due_wanted, due, lane, pace, attempts, last_error FROM job `+where,
		func(scan func(...any) error) error {
			var j JobStatus
			err := scan(&j.Stream, &j.Kind, &j.Key, &j.Due, &j.Next, &j.Lane, &j.Pace, &j.Attempts, &j.LastError)
			if j.Next == far {
				j.Next = 0
			}
			out = append(out, j)
			return err
		}, args...)
	return out, err
}
