package store

import (
	"container/list"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/countersign-bot/countersign/workflows"
)

// histories keeps the decoded histories of recent streams. A stream only grows, so a kept history is a prefix of the true one,
// whoever appended since: readers always ask the database for what follows it. Erasing openings drops the streams concerned.
type histories struct {
	mu      sync.Mutex
	byName  map[workflows.StreamID]*list.Element
	recent  *list.List // of *kept, most recent first
	records int
}

type kept struct {
	stream  workflows.StreamID
	records []workflows.Record
}

func newHistories() *histories {
	return &histories{byName: make(map[workflows.StreamID]*list.Element), recent: list.New()}
}

// get gives what is kept, clipped so that an append by the caller copies.
func (h *histories) get(s workflows.StreamID) []workflows.Record {
	h.mu.Lock()
	defer h.mu.Unlock()
	e, ok := h.byName[s]
	if !ok {
		return nil
	}
	h.recent.MoveToFront(e)
	return slices.Clip(e.Value.(*kept).records)
}

// put keeps a history that is at least as long as the one kept.
func (h *histories) put(s workflows.StreamID, records []workflows.Record) {
	h.mu.Lock()
	defer h.mu.Unlock()
	records = slices.Clip(records)
	if e, ok := h.byName[s]; ok {
		k := e.Value.(*kept)
		if len(records) > len(k.records) {
			h.records += len(records) - len(k.records)
			k.records = records
		}
		h.recent.MoveToFront(e)
	} else {
		h.byName[s] = h.recent.PushFront(&kept{stream: s, records: records})
		h.records += len(records)
	}
	for h.recent.Len() > cacheStreams || h.records > cacheRecords && h.recent.Len() > 1 {
		h.dropLocked(h.recent.Back().Value.(*kept).stream)
	}
}

// clear forgets everything.
func (h *histories) clear() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.byName, h.records = make(map[workflows.StreamID]*list.Element), 0
	h.recent.Init()
}

func (h *histories) dropLocked(s workflows.StreamID) {
	if e, ok := h.byName[s]; ok {
		h.records -= len(e.Value.(*kept).records)
		h.recent.Remove(e)
		delete(h.byName, s)
	}
}

// History reads one stream as committed: all its entries in order, sealed fields empty where their openings were erased. An
// unknown stream is empty.
func (s *Store) History(ctx context.Context, stream workflows.StreamID) (h []workflows.Record, err error) {
	defer wrap(&err, "reading the history of %q", stream)
	have := s.histories.get(stream)
	h, err = s.extend(s.reader(ctx), stream, have)
	if err == nil && len(h) > len(have) {
		s.histories.put(stream, h)
	}
	return h, err
}

// historyLimit is maxHistory+1, surfaceLimit is maxSurfaces. They stand in the text: SQLite prepares a statement whose limit is a parameter
// anew at every call.
const (
	historyLimit = "65537"
	surfaceLimit = "1000"
)

// extend reads what follows the records at hand.
func (s *Store) extend(q *query, stream workflows.StreamID, have []workflows.Record) ([]workflows.Record, error) {
	var rows []entryRow
	err := q.each(`
		SELECT e.seq, e.idx, l.leaf
		FROM stream_entry e
		JOIN log_entry l ON l.idx = e.idx
		WHERE e.stream = $1 AND e.seq > $2
		ORDER BY e.seq
		LIMIT `+historyLimit,
		func(scan func(...any) error) error {
			var r entryRow
			if err := scan(&r.seq, &r.idx, &r.leaf); err != nil {
				return err
			}
			rows = append(rows, r)
			return nil
		}, string(stream), int64(len(have)))
	if err != nil {
		return nil, err
	}
	if len(have)+len(rows) > maxHistory {
		return nil, fmt.Errorf("more than %d entries", maxHistory)
	}
	if len(rows) == 0 {
		return have, nil
	}
	news, err := s.decodeRows(q, rows)
	if err != nil {
		return nil, err
	}
	for i, r := range news {
		if want := int64(len(have)+i) + 1; r.Stream != stream || r.Seq != want || rows[i].seq != want {
			return nil, fmt.Errorf("%w: entry %d says it is %d of %q, want %d of %q", ErrDamaged, r.Index, r.Seq, r.Stream, want, stream)
		}
	}
	return append(slices.Clip(have), news...), nil
}

type entryRow struct {
	seq, idx int64
	leaf     []byte
}

// decodeRows turns rows into records, with the openings that are still there. Rows must be in rising order of idx.
func (s *Store) decodeRows(q *query, rows []entryRow) ([]workflows.Record, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	out := make([]workflows.Record, len(rows))
	for i, r := range rows {
		d, err := s.decodeLeaf(r.idx, r.leaf)
		if err != nil {
			return nil, err
		}
		if len(d.leaf.Sealed) > 0 {
			opened, err := openingsOf(q, r.idx)
			if err != nil {
				return nil, err
			}
			if err := d.unseal(opened); err != nil {
				return nil, err
			}
		}
		if out[i], err = s.record(d); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// openingsOf reads the openings of one entry that have not been erased.
func openingsOf(q *query, idx int64) (map[string]opening, error) {
	out := make(map[string]opening)
	err := q.each(`SELECT field, salt, value FROM opening WHERE idx = $1`,
		func(scan func(...any) error) error {
			var field string
			var o opening
			if err := scan(&field, &o.salt, &o.value); err != nil {
				return err
			}
			out[field] = o
			return nil
		}, idx)
	return out, err
}

type opening struct{ salt, value []byte }
