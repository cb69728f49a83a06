package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"modernc.org/sqlite" // the driver registers itself as "sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// sqliteDSN is a file: URI: a plain path would silently drop mode=ro. _defensive keeps schema and shadow tables out of
// reach of SQL; secure_delete overwrites what is erased.
func sqliteDSN(path string, readOnly bool) string { return sqliteURL(path, readOnly, busyTimeout) }

func sqliteURL(path string, readOnly bool, patience time.Duration) string {
	q := url.Values{}
	q.Set("_defensive", "1")
	q.Set("_txlock", "immediate")
	q.Add("_pragma", fmt.Sprintf("busy_timeout(%d)", patience.Milliseconds()))
	q.Add("_pragma", "foreign_keys(1)")
	q.Add("_pragma", "recursive_triggers(1)")
	q.Add("_pragma", "trusted_schema(0)")
	q.Add("_pragma", "temp_store(MEMORY)") // no file is opened after the start, see TestFault_F34
	if readOnly {
		q.Set("mode", "ro")
		q.Add("_pragma", "query_only(1)")
	} else {
		q.Add("_pragma", "journal_mode(WAL)")
		q.Add("_pragma", "synchronous(FULL)")
		q.Add("_pragma", "secure_delete(ON)")
		q.Add("_pragma", "wal_autocheckpoint(0)") // see foldLog
		q.Add("_pragma", fmt.Sprintf("cache_size(%d)", -writerCache>>10))
	}
	return (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: q.Encode()}).String()
}

// openSQLite opens the writer's single connection and a pool for reading.
func openSQLite(ctx context.Context, path string, readOnly bool) (write, read *sql.DB, err error) {
	if !readOnly {
		files, err := gatheringFiles()
		if err != nil {
			return nil, nil, err
		}
		if write, err = sql.Open("sqlite", sqliteDSN(path, false)+"&vfs="+files); err != nil {
			return nil, nil, err
		}
		write.SetMaxOpenConns(1)
		if err := write.PingContext(ctx); err != nil {
			write.Close()
			return nil, nil, err
		}
	}
	if read, err = sql.Open("sqlite", sqliteDSN(path, true)); err != nil {
		if write != nil {
			write.Close()
		}
		return nil, nil, err
	}
	read.SetMaxOpenConns(readers)
	read.SetMaxIdleConns(readers)
	if err := warm(ctx, read); err != nil {
		read.Close()
		if write != nil {
			write.Close()
		}
		return nil, nil, err
	}
	return write, read, nil
}

// warm opens all read connections now: when the process runs out of file descriptors, the ledger has its own.
func warm(ctx context.Context, db *sql.DB) (err error) {
	conns := make([]*sql.Conn, 0, readers)
	for range readers {
		conn, err := db.Conn(ctx)
		if err != nil {
			return errors.Join(append(closeAll(conns), err)...)
		}
		conns = append(conns, conn)
		// A connection has its files only once it has read.
		if err := conn.QueryRowContext(ctx, `SELECT COUNT(*) FROM sqlite_schema`).Scan(new(int64)); err != nil {
			return errors.Join(append(closeAll(conns), err)...)
		}
	}
	return errors.Join(closeAll(conns)...)
}

func closeAll(conns []*sql.Conn) (errs []error) {
	for _, c := range conns {
		errs = append(errs, c.Close())
	}
	return errs
}

// assertPragmas makes sure that the settings durability rests on are in force: the driver ignores what it does not know.
func assertPragmas(ctx context.Context, db *sql.DB) error {
	want := []struct{ name, value string }{
		{"journal_mode", "wal"},
		{"synchronous", "2"},
		{"foreign_keys", "1"},
		{"secure_delete", "1"},
		{"busy_timeout", strconv.FormatInt(busyTimeout.Milliseconds(), 10)},
		{"recursive_triggers", "1"},
		{"trusted_schema", "0"},
		{"wal_autocheckpoint", "0"},
	}
	q := &query{ctx: ctx, run: db}
	for _, w := range want {
		var got string
		if _, err := q.one(`PRAGMA `+w.name, []any{&got}); err != nil {
			return err
		}
		if got != w.value {
			return fmt.Errorf("the database has %s = %s, want %s", w.name, got, w.value)
		}
	}
	return nil
}

// checkSQLite looks for damage that can be seen without reading the ledger: pages, foreign keys, triggers. Large files get their
// page check from CheckPages after the start, so that a start stays quick.
func checkSQLite(q *query) error {
	var pages int64
	if _, err := q.one(`PRAGMA page_count`, []any{&pages}); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if pages <= checkPages {
		if err := quickCheck(q); err != nil {
			return err
		}
	}
	return checkTriggers(q, `SELECT name FROM sqlite_schema WHERE type = 'trigger'`)
}

func quickCheck(q *query) error {
	var verdict string
	if _, err := q.one(`PRAGMA quick_check(1)`, []any{&verdict}); err != nil {
		return fmt.Errorf("%w: quick_check: %w", ErrDamaged, err)
	}
	if verdict != "ok" {
		return fmt.Errorf("%w: quick_check: %s", ErrDamaged, verdict)
	}
	return nil
}

// CheckPages reads every page of the database, which a start leaves out when there are many. It runs beside the writer. ErrDamaged when
// one is not as it must be. PostgreSQL looks after its own pages.
func (s *Store) CheckPages(ctx context.Context) (err error) {
	defer wrap(&err, "checking the pages of the database")
	if s.pg {
		return nil
	}
	return quickCheck(s.reader(ctx))
}

// checkTriggers refuses a database whose append-only guards are gone.
func checkTriggers(q *query, text string) error {
	have := make(map[string]bool)
	err := q.each(text, func(scan func(...any) error) error {
		var name string
		err := scan(&name)
		have[name] = true
		return err
	})
	if err != nil {
		return err
	}
	for _, want := range []string{
		"log_entry_next", "log_entry_update", "log_entry_delete", "log_tile_new", "log_tile_update", "log_tile_delete",
		"log_head_grows", "log_head_once", "log_head_delete", "log_checkpoint_new", "log_checkpoint_update", "log_checkpoint_delete",
		"stream_entry_next", "stream_entry_update", "stream_entry_delete", "document_new", "document_update", "document_delete",
	} {
		if !have[want] {
			return fmt.Errorf("%w: the trigger %s is missing: the tables can be changed", ErrDamaged, want)
		}
	}
	return nil
}

// isFatalStorage tells whether the error is about the storage rather than about what was asked: after it, nothing that was read
// or written can be relied on. A full disk and a busy file are not among them: they end, and nothing is half-written.
func isFatalStorage(err error) bool {
	var e *sqlite.Error
	return isDamage(err) || errors.As(err, &e) && e.Code()&0xFF == sqlite3.SQLITE_IOERR
}

// isBusy tells whether somebody else holds a lock.
func isBusy(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xFF == sqlite3.SQLITE_BUSY
}

// isFull tells whether there was no room.
func isFull(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xFF == sqlite3.SQLITE_FULL
}

// isDamage tells whether the error says that what was read is not a database, or not a whole one.
func isDamage(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	code := e.Code() & 0xFF
	return code == sqlite3.SQLITE_CORRUPT || code == sqlite3.SQLITE_NOTADB
}

// isAltered tells whether the error says that a table or a row is not as this program makes it. The statements are ours: what they name is there
// unless somebody, or a bad page, took it out of the schema; and tables are STRICT: a text where a number stands was put there past them,
// as was a document that is none.
func isAltered(err error) bool {
	var e *sqlite.Error
	switch {
	case err == nil:
		return false
	case errors.As(err, &e):
		text := err.Error()
		return e.Code()&0xFF == sqlite3.SQLITE_ERROR && (strings.Contains(text, "no such column") || strings.Contains(text, "no such table"))
	default:
		var syntax *json.SyntaxError
		var kind *json.UnmarshalTypeError
		return strings.Contains(err.Error(), "sql: Scan error on column") || errors.As(err, &syntax) || errors.As(err, &kind)
	}
}

// asDamage makes such an error one that callers know.
func asDamage(err error) error {
	if (isDamage(err) || isAltered(err)) && !errors.Is(err, ErrDamaged) {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}

// databaseName is the file of a data folder that holds the ledger.
const databaseName = "countersign.db"

// sqlitePath gives the file a configuration means.
func sqlitePath(cfg Config) string {
	if cfg.DSN != "" {
		return cfg.DSN
	}
	return filepath.Join(cfg.Dir, databaseName)
}

// sqliteFiles are the three files that make up one database.
func sqliteFiles(path string) []string { return []string{path, path + "-wal", path + "-shm"} }

func isPostgres(dsn string) bool {
	return strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://")
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
