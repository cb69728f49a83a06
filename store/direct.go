package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// direct reads entries and openings by SQLite's own functions, past the driver: of a row it makes nothing that has to be collected, and takes
// no lock for each column. A verification of a million entries took a third of its processor time for that. It has a connection of its own, which
// only reads, and no snapshot between two queries: whoever asks must ask for rows that do not change.
type direct struct {
	tls   *libc.TLS
	db    uintptr
	stmts map[string]uintptr
	room  uintptr     // eight bytes where SQLite puts what it opens
	busy  atomic.Bool // one query at a time
}

// direct opens the way past the driver when it is first needed. Where it cannot be opened (no file descriptor is left, a copy or a disk that
// takes no write is read) the driver reads everything, and says what is wrong if something is.
func (s *Source) direct(ctx context.Context) *direct {
	s.once.Do(func() {
		var path string
		if s.pg || s.store.readHow != "" {
			return
		}
		if found, err := s.with(ctx).one(`SELECT file FROM pragma_database_list WHERE name = 'main'`, []any{&path}); err == nil && found && path != "" {
			s.quick, _ = openDirect(path)
		}
	})
	return s.quick
}

// quickly gives the rows about the entries with from <= idx < to: past the driver where these are many and lie below the head of the snapshot,
// and by the driver what such a reading left over because something went wrong with it.
func quickly[T any](ctx context.Context, s *Source, text string, from, to int64, read func(directRow) T, pull func([]driver.Value) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		given, left := 0, false
		if to-from >= pulledRows && to <= s.size.Load() {
			if d := s.direct(ctx); d != nil && d.busy.CompareAndSwap(false, true) {
				defer d.busy.Store(false)
				err := d.each(ctx, text, from, to, func(r directRow) bool {
					given++
					left = !yield(read(r), nil)
					return !left
				})
				if left || err == nil {
					return
				}
			}
		}
		for v, err := range pulled(ctx, s.conn, text, pull, from, to) {
			if given > 0 && err == nil {
				given--
				continue
			}
			if !yield(v, err) {
				return
			}
		}
	}
}

// openDirect opens the database file at path for reading.
func openDirect(path string) (*direct, error) {
	d := &direct{tls: libc.NewTLS(), stmts: map[string]uintptr{}}
	name, err := libc.CString(path)
	if err == nil {
		defer libc.Xfree(d.tls, name)
		d.room = libc.Xmalloc(d.tls, 8)
	}
	if err != nil || d.room == 0 {
		d.tls.Close()
		return nil, errors.New("no memory for a connection")
	}
	rc := sqlite3.Xsqlite3_open_v2(d.tls, name, d.room, sqlite3.SQLITE_OPEN_READONLY|sqlite3.SQLITE_OPEN_NOMUTEX, 0)
	d.db = d.opened()
	if rc != sqlite3.SQLITE_OK {
		err = d.failed(rc)
		d.close()
		return nil, err
	}
	sqlite3.Xsqlite3_busy_timeout(d.tls, d.db, int32(busyTimeout.Milliseconds()))
	if err := d.distrust(); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

// distrust holds what the file says of itself for no program: it may be somebody else's. The driver's connections do the same, see sqliteURL.
func (d *direct) distrust() error {
	sql, err := libc.CString(`PRAGMA trusted_schema = OFF; PRAGMA query_only = ON`)
	if err != nil {
		return err
	}
	defer libc.Xfree(d.tls, sql)
	if rc := sqlite3.Xsqlite3_exec(d.tls, d.db, sql, 0, 0, 0); rc != sqlite3.SQLITE_OK {
		return d.failed(rc)
	}
	return nil
}

func (d *direct) close() {
	for _, stmt := range d.stmts {
		sqlite3.Xsqlite3_finalize(d.tls, stmt)
	}
	sqlite3.Xsqlite3_close_v2(d.tls, d.db)
	libc.Xfree(d.tls, d.room)
	d.tls.Close()
}

// opened is the handle that SQLite has just put into the room.
func (d *direct) opened() uintptr { return **(**uintptr)(unsafe.Pointer(&d.room)) }

func (d *direct) failed(rc int32) error {
	return fmt.Errorf("reading past the driver: SQLite's code %d", rc)
}

// prepare keeps the statement: a verification asks for some thousand entries at a time.
func (d *direct) prepare(text string) (uintptr, error) {
	if stmt, ok := d.stmts[text]; ok {
		return stmt, nil
	}
	sql, err := libc.CString(text)
	if err != nil {
		return 0, err
	}
	defer libc.Xfree(d.tls, sql)
	if rc := sqlite3.Xsqlite3_prepare_v2(d.tls, d.db, sql, -1, d.room, 0); rc != sqlite3.SQLITE_OK {
		return 0, d.failed(rc)
	}
	d.stmts[text] = d.opened()
	return d.stmts[text], nil
}

// each runs a query about the entries with from <= idx < to and gives its rows to row, until that returns false.
func (d *direct) each(ctx context.Context, text string, from, to int64, row func(directRow) bool) error {
	stmt, err := d.prepare(text)
	if err != nil {
		return err
	}
	defer sqlite3.Xsqlite3_reset(d.tls, stmt)
	for i, v := range []int64{from, to} {
		if rc := sqlite3.Xsqlite3_bind_int64(d.tls, stmt, int32(i)+1, v); rc != sqlite3.SQLITE_OK {
			return d.failed(rc)
		}
	}
	for n := 0; ; n++ {
		if n%pulledRows == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		switch rc := sqlite3.Xsqlite3_step(d.tls, stmt); rc {
		case sqlite3.SQLITE_ROW:
			if !row(directRow{d, stmt}) {
				return nil
			}
		case sqlite3.SQLITE_DONE:
			return nil
		default:
			return d.failed(rc)
		}
	}
}

// directRow is the row at which a statement stands.
type directRow struct {
	d    *direct
	stmt uintptr
}

func (r directRow) integer(column int32) int64 {
	return sqlite3.Xsqlite3_column_int64(r.d.tls, r.stmt, column)
}

// bytes are those of a blob or a text, in SQLite's own memory: good until the next row.
func (r directRow) bytes(column int32) []byte {
	at := sqlite3.Xsqlite3_column_blob(r.d.tls, r.stmt, column)
	n := sqlite3.Xsqlite3_column_bytes(r.d.tls, r.stmt, column)
	if at == 0 || n <= 0 {
		return nil
	}
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&at)), int(n))
}
