package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/countersign-bot/countersign/store/ledger"
)

// Source is a snapshot of the ledger for ledger.Verify: one read transaction, so that a writer going on does not disturb it. Close
// it soon: while it is open the write-ahead log cannot shrink.
type Source struct {
	store   *Store
	conn    *sql.Conn
	pg      bool
	version int64        // of the schema: an older release's ledger is read as it lies there
	size    atomic.Int64 // of the head, once it was read: entries below do not change any more

	once  sync.Once
	quick *direct // the way past the driver; nil where there is none
}

var _ ledger.ForkingSource = (*Source)(nil)

// Source opens a snapshot.
func (s *Store) Source(ctx context.Context) (src *Source, err error) {
	defer wrap(&err, "opening a snapshot of the ledger")
	select {
	case <-s.closing:
		return nil, ErrClosed
	default:
	}
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	begin := "BEGIN DEFERRED"
	if s.pg {
		begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
	}
	if _, err := conn.ExecContext(ctx, begin); err != nil {
		conn.Close()
		return nil, err
	}
	return &Source{store: s, conn: conn, pg: s.pg, version: s.version}, nil
}

// Close ends the snapshot.
func (s *Source) Close() error {
	if s.quick != nil {
		s.quick.close()
	}
	_, err := s.conn.ExecContext(context.Background(), "ROLLBACK")
	return errors.Join(err, s.conn.Close())
}

func (s *Source) with(ctx context.Context) *query { return &query{ctx: ctx, run: s.conn, pg: s.pg} }

// Head implements ledger.Source.
func (s *Source) Head(ctx context.Context) (ledger.Head, error) {
	h, _, err := readHead(s.with(ctx))
	if err == nil {
		s.size.Store(h.Size)
	}
	return h, err
}

// errStop ends a query whose caller left the loop.
var errStop = errors.New("stop")

// rowsOf turns a query into a sequence.
func rowsOf[T any](q *query, text string, read func(scan func(...any) error) (T, error), args ...any) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		err := q.each(text, func(scan func(...any) error) error {
			v, err := read(scan)
			if err != nil {
				return err
			}
			if !yield(v, nil) {
				return errStop
			}
			return nil
		}, args...)
		if err != nil && !errors.Is(err, errStop) {
			var zero T
			yield(zero, err)
		}
	}
}

// Fork implements ledger.ForkingSource with a connection and a snapshot of its own. Where all connections are in use it gives up soon:
// several verifications that wait for each other's connections would wait for ever.
func (s *Source) Fork(ctx context.Context) (ledger.ClosingSource, error) {
	short, cancel := context.WithTimeout(ctx, forkPatience)
	defer cancel()
	src, err := s.store.Source(short)
	if err != nil && short.Err() != nil && ctx.Err() == nil {
		return nil, ledger.ErrNoFork
	}
	if err != nil {
		return nil, err
	}
	src.size.Store(s.size.Load())
	return src, nil
}

const entriesText = `SELECT idx, leaf FROM log_entry WHERE idx >= $1 AND idx < $2 ORDER BY idx`

// Entries implements ledger.Source: each leaf is good for its turn of the loop only.
func (s *Source) Entries(ctx context.Context, from, to int64) iter.Seq2[ledger.Entry, error] {
	if !s.pg {
		return quickly(ctx, s, entriesText, from, to, func(r directRow) ledger.Entry {
			return ledger.Entry{Index: r.integer(0), Leaf: r.bytes(1)}
		}, pulledEntry)
	}
	var leaf sql.RawBytes
	return rowsOf(s.with(ctx), entriesText,
		func(scan func(...any) error) (e ledger.Entry, err error) {
			err = scan(&e.Index, &leaf)
			e.Leaf = leaf
			return e, err
		}, from, to)
}

// Tiles implements ledger.Source.
func (s *Source) Tiles(ctx context.Context) iter.Seq2[ledger.Tile, error] {
	return rowsOf(s.with(ctx), `SELECT level, n, hashes FROM log_tile ORDER BY level, n`,
		func(scan func(...any) error) (t ledger.Tile, err error) {
			err = scan(&t.Level, &t.N, &t.Hashes)
			return t, err
		})
}

// Checkpoints implements ledger.Source. Behind the ledger's own signatures stand those of witnesses.
func (s *Source) Checkpoints(ctx context.Context) iter.Seq2[ledger.Published, error] {
	type row struct {
		ledger.Published
		witness bool
	}
	text := `
		SELECT size, 0 AS part, note, '' AS line FROM log_checkpoint
		UNION ALL
		SELECT size, 1, NULL, line FROM log_cosig
		ORDER BY size, part, line`
	if s.version < versionCosig {
		text = `SELECT size, 0 AS part, note, '' AS line FROM log_checkpoint ORDER BY size`
	}
	rows := rowsOf(s.with(ctx), text,
		func(scan func(...any) error) (r row, err error) {
			var part int64
			var line string
			err = scan(&r.Size, &part, &r.Note, &line)
			if r.witness = part == 1; r.witness {
				r.Note = []byte(line)
			}
			return r, err
		})
	return func(yield func(ledger.Published, error) bool) {
		var held ledger.Published
		for r, err := range rows {
			switch {
			case err != nil:
				yield(held, err)
				return
			case r.witness:
				held.Note = append(held.Note, r.Note...)
				continue
			case held.Note != nil && !yield(held, nil):
				return
			}
			held = r.Published
		}
		if held.Note != nil {
			yield(held, nil)
		}
	}
}

const openingsText = `SELECT idx, field, salt, value FROM opening WHERE idx >= $1 AND idx < $2 ORDER BY idx, field`

// Openings implements ledger.Source. A salt of the wrong length is given as zeros, which opens nothing.
func (s *Source) Openings(ctx context.Context, from, to int64) iter.Seq2[ledger.EntryOpening, error] {
	if !s.pg {
		return quickly(ctx, s, openingsText, from, to, directOpenings(), pulledOpening)
	}
	var salt, value sql.RawBytes
	return rowsOf(s.with(ctx), openingsText,
		func(scan func(...any) error) (o ledger.EntryOpening, err error) {
			err = scan(&o.Index, &o.Field, &salt, &value)
			copy(o.Salt[:], salt)
			o.Value = string(value)
			return o, err
		}, from, to)
}

func pulledEntry(row []driver.Value) (e ledger.Entry, err error) {
	if e.Index, err = integerOf(row[0]); err == nil {
		e.Leaf, err = bytesOf(row[1])
	}
	return e, err
}

// directOpenings reads openings; there are few names of fields, each of which is made once.
func directOpenings() func(directRow) ledger.EntryOpening {
	names := map[string]string{}
	return func(r directRow) (o ledger.EntryOpening) {
		field := r.bytes(1)
		name, known := names[string(field)]
		if !known {
			name = string(field)
			names[name] = name
		}
		o.Index, o.Field, o.Value = r.integer(0), name, string(r.bytes(3))
		copy(o.Salt[:], r.bytes(2))
		return o
	}
}

func pulledOpening(row []driver.Value) (o ledger.EntryOpening, err error) {
	if o.Index, err = integerOf(row[0]); err != nil {
		return o, err
	}
	field, ok := row[1].(string)
	if !ok {
		return o, fmt.Errorf("%w: a %T where the name of a field stands", ErrDamaged, row[1])
	}
	salt, err := bytesOf(row[2])
	if err != nil {
		return o, err
	}
	value, err := bytesOf(row[3])
	o.Field, o.Value = field, string(value)
	copy(o.Salt[:], salt)
	return o, err
}

// Document implements ledger.Source.
func (s *Source) Document(ctx context.Context, hash string) (b []byte, err error) {
	found, err := s.with(ctx).one(`SELECT bytes FROM document WHERE hash = $1`, []any{&b}, hash)
	if err == nil && !found {
		err = ledger.ErrNoDocument
	}
	return b, err
}

// Verify checks the whole ledger against its own signatures, the witness file, and further memories from outside.
func (s *Store) Verify(ctx context.Context, anchors ...ledger.Anchor) (r ledger.Report, err error) {
	defer wrap(&err, "verifying the ledger")
	seen, err := readWitness(s.cfg.WitnessPath)
	if err != nil {
		return r, err
	}
	kept, _, err := s.Explained(ctx, append(seen.Anchors, anchors...))
	if err != nil {
		return r, err
	}
	return s.verifyAgainst(ctx, kept)
}

func (s *Store) verifyAgainst(ctx context.Context, anchors []ledger.Anchor) (r ledger.Report, err error) {
	src, err := s.Source(ctx)
	if err != nil {
		return r, err
	}
	defer src.Close()
	opt := ledger.Options{Origin: s.Origin(), Anchors: anchors}
	if opt.Origin != "" {
		opt.Keys = append([]string{s.VKey()}, s.cfg.VKeys...)
	}
	return ledger.Verify(ctx, src, opt)
}
