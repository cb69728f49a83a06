package store

import (
	"context"
	"database/sql"

	sqlite3 "modernc.org/sqlite/lib"
)

// BreakWitness closes the witness file under the store, as a disk that goes away does.
func (s *Store) BreakWitness() error { return s.witness.f.Close() }

// SQLiteDSN is what the store itself opens.
func SQLiteDSN(path string, readOnly bool) string { return sqliteDSN(path, readOnly) }

// SchemaVersions gives the migrations of one database.
func SchemaVersions(pg bool) (out []int64, err error) {
	p, err := newProvider(nilDB(pg), pg)
	if err != nil {
		return nil, err
	}
	for _, src := range p.ListSources() {
		out = append(out, src.Version)
	}
	return out, nil
}

// MigrateTo brings an empty SQLite database to an earlier version of the schema.
func MigrateTo(ctx context.Context, db *sql.DB, version int64) error {
	p, err := newProvider(db, false)
	if err != nil {
		return err
	}
	_, err = p.UpTo(ctx, version)
	return err
}

// nilDB is a pool that is never used: goose wants one to list files.
func nilDB(bool) *sql.DB {
	db, err := sql.Open("sqlite", "file::memory:")
	if err != nil {
		panic(err)
	}
	return db
}

// NextDueText is the statement that looks for the next due time.
const NextDueText = nextDueText

// QueryPlan says how the writer would find the next due time and the due jobs.
func (s *Store) QueryPlan(ctx context.Context, text string, args ...any) (out []string, err error) {
	err = s.reader(ctx).each("EXPLAIN QUERY PLAN "+text, func(scan func(...any) error) error {
		var id, parent, unused int64
		var detail string
		err := scan(&id, &parent, &unused, &detail)
		out = append(out, detail)
		return err
	}, args...)
	return out, err
}

// MaxWitness and KeepWitness are the limits of the witness file.
const (
	MaxWitness  = maxWitness
	KeepWitness = keepWitness
)

// FoldLog folds the write-ahead log now.
func (s *Store) FoldLog(ctx context.Context) (pages, copied int64, err error) { return s.foldLog(ctx) }

// ByDriverOnly keeps the snapshot from reading past the driver.
func (s *Source) ByDriverOnly() { s.once.Do(func() {}) }

// PastDriver says whether the snapshot has read past the driver.
func (s *Source) PastDriver() bool { return s.quick != nil }

// BreakQuick makes the reading past the driver that goes on fail, as a disk does whose file can no longer be read.
func (s *Source) BreakQuick() { sqlite3.Xsqlite3_interrupt(s.quick.tls, s.quick.db) }

// QuickTries runs a query with two numbers on the connection past the driver and gives the first number of its answer.
func (s *Source) QuickTries(ctx context.Context, text string) (n int64, err error) {
	err = s.quick.each(ctx, text, 0, 1, func(r directRow) bool {
		n = r.integer(0)
		return false
	})
	return n, err
}

// Nameless writes a text for SQLite as the writer's connection prepares it.
func Nameless(text string) string { return nameless(text) }

// Assign puts a value of a row where a caller wants it.
func Assign(dst, v any) error { return assign(dst, v) }

// OnOwnConn runs statements one after the other as the writer does, on a connection that it closes.
func OnOwnConn(ctx context.Context, conn *sql.Conn, run func(exec func(text string, args ...any) (int64, error),
	each func(text string, one func(scan func(...any) error) error, args ...any) error) error,
) error {
	d := newOwnConn(conn)
	defer d.close()
	q := d.query(ctx, false)
	return run(q.exec, q.each)
}

// GatheringFiles is gatheringFiles.
func GatheringFiles() (string, error) { return gatheringFiles() }
