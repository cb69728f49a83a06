package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/sqlite/*.sql migrations/postgres/*.sql
var migrationFiles embed.FS

// versionCosig is the first version of the schema that keeps what witnesses signed.
const versionCosig = 2

// versionInventory is the first version that lists the inventory.
const versionInventory = 6

// applicationID marks a SQLite file as a Countersign ledger: "CSGN".
const applicationID = 0x4353474E

func newProvider(db *sql.DB, pg bool) (*goose.Provider, error) {
	dialect, dir := goose.DialectSQLite3, "migrations/sqlite"
	opts := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true)}
	if pg {
		dialect, dir = goose.DialectPostgres, "migrations/postgres"
		locker, err := lock.NewPostgresSessionLocker() // replicas that start together migrate one after the other
		if err != nil {
			return nil, err
		}
		opts = append(opts, goose.WithSessionLocker(locker))
	}
	files, err := fs.Sub(migrationFiles, dir)
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(dialect, db, files, opts...)
}

// migrate brings the schema up to what this program knows, and says which version that is. A newer one, or a database of somebody
// else, is refused.
func migrate(ctx context.Context, db *sql.DB, pg bool) (int64, error) {
	p, err := newProvider(db, pg)
	if err != nil {
		return 0, err
	}
	if err := checkOurs(ctx, db, pg, p); err != nil {
		return 0, err
	}
	if _, err := p.Up(ctx); err != nil {
		return 0, fmt.Errorf("migrating: %w", err)
	}
	return newest(p), nil
}

// checkOurs looks at what is there before anything is written.
func checkOurs(ctx context.Context, db *sql.DB, pg bool, p *goose.Provider) error {
	q := &query{ctx: ctx, run: db, pg: pg}
	empty, ours, version, err := schemaState(q)
	if err != nil || empty {
		return err
	}
	known := newest(p)
	switch {
	case !ours:
		return fmt.Errorf("%w: it is not a Countersign ledger", ErrSchema)
	case version > known:
		return fmt.Errorf("%w: it is of version %d, this program knows %d; run a newer one", ErrSchema, version, known)
	}
	return nil
}

func schemaState(q *query) (empty, ours bool, version int64, err error) {
	if q.pg {
		return schemaStatePG(q)
	}
	var objects, app int64
	// The tables that goose keeps its versions in come in a transaction of their own, before the first migration: a crash between
	// the two leaves them alone in the file.
	if _, err = q.one(`SELECT COUNT(*) FROM sqlite_schema WHERE tbl_name NOT IN ('goose_db_version', 'sqlite_sequence')`,
		[]any{&objects}); err != nil {
		return false, false, 0, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if _, err = q.one(`PRAGMA application_id`, []any{&app}); err != nil {
		return false, false, 0, err
	}
	_, err = q.one(`PRAGMA user_version`, []any{&version})
	return objects == 0, app == applicationID, version, err
}

func schemaStatePG(q *query) (empty, ours bool, version int64, err error) {
	var tables, known int64
	_, err = q.one(`
		SELECT COUNT(*), COUNT(*) FILTER (WHERE table_name IN ('log_entry', 'goose_db_version'))
		FROM information_schema.tables
		WHERE table_schema = current_schema()`, []any{&tables, &known})
	if err != nil || tables == 0 || known < 2 {
		return tables == 0 || known == tables, false, 0, err
	}
	_, err = q.one(`SELECT MAX(version_id) FROM goose_db_version WHERE is_applied`, []any{&version})
	return false, true, version, err
}

// newest is the version of the schema that this program makes.
func newest(p *goose.Provider) int64 {
	sources := p.ListSources()
	return sources[len(sources)-1].Version
}
