package store

import (
	"context"
	"iter"

	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/workflows"
)

// Decoder turns leaves into records without a database: what a verifier of an exported bundle folds.
type Decoder struct {
	kinds map[string]kindOf
}

// NewDecoder knows the kinds given and those of the store itself.
func NewDecoder(kinds []workflows.EventKind) (d *Decoder, err error) {
	defer wrap(&err, "learning event kinds")
	all, err := kindsByName(EventKinds(), kinds)
	if err != nil {
		return nil, err
	}
	return &Decoder{kinds: all}, nil
}

// Record decodes the entry at idx with the openings at hand; sealed fields without one are empty. ErrDamaged when the bytes are not a
// leaf or an opening does not fit, ErrSchema when the kind or a field of it is unknown.
func (d *Decoder) Record(idx int64, leaf []byte, opened []ledger.Opening) (r workflows.Record, err error) {
	defer wrap(&err, "decoding entry %d", idx)
	s := &Store{kinds: d.kinds} // decoding needs nothing else of a store
	x, err := s.decodeLeaf(idx, leaf)
	if err != nil {
		return r, err
	}
	fields := make(map[string]opening, len(opened))
	for _, o := range opened {
		fields[o.Field] = opening{salt: o.Salt[:], value: []byte(o.Value)}
	}
	if err := x.unseal(fields); err != nil {
		return r, err
	}
	return s.record(x)
}

// Documents yields every document the ledger keeps, by hash.
func (s *Source) Documents(ctx context.Context) iter.Seq2[workflows.Document, error] {
	return rowsOf(s.with(ctx), `SELECT hash, kind, bytes FROM document ORDER BY hash`,
		func(scan func(...any) error) (d workflows.Document, err error) {
			err = scan(&d.Hash, &d.Kind, &d.Bytes)
			return d, err
		})
}

// Tile reads one full tile. ledger.ErrNoTile when there is none.
func (s *Source) Tile(ctx context.Context, level int, n int64) (b []byte, err error) {
	defer wrap(&err, "reading tile %d of level %d", n, level)
	found, err := s.with(ctx).one(`SELECT hashes FROM log_tile WHERE level = $1 AND n = $2`, []any{&b}, int64(level), n)
	if err == nil && !found {
		err = ledger.ErrNoTile
	}
	return b, err
}

// Remembered gives what the witness file holds of the heads before this moment. Read it before taking a Source: a writer that goes
// on then cannot make it look ahead of the snapshot.
func (s *Store) Remembered() (out []ledger.Anchor, err error) {
	defer wrap(&err, "reading the witness file")
	seen, err := readWitness(s.cfg.WitnessPath)
	if err != nil {
		return nil, err
	}
	kept, _, err := s.Explained(context.Background(), seen.Anchors)
	return kept, err
}

// Openings counts the texts of streams that can still be read, or with nil of all.
func (s *Store) Openings(ctx context.Context, streams []workflows.StreamID) (n int64, err error) {
	defer wrap(&err, "counting texts")
	if streams == nil {
		_, err = s.reader(ctx).one(`SELECT COUNT(*) FROM opening`, []any{&n})
		return n, err
	}
	for _, stream := range streams {
		var k int64
		_, err := s.reader(ctx).one(`SELECT COUNT(*) FROM opening o JOIN stream_entry e ON e.idx = o.idx WHERE e.stream = $1`, []any{&k}, string(stream))
		if err != nil {
			return 0, err
		}
		n += k
	}
	return n, nil
}
