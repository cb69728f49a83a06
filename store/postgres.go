package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// openPostgres opens one pool, for the writer's connection and for reading. Times are integers, so no zone matters; commits are
// synchronous whatever the server's default.
func openPostgres(ctx context.Context, dsn string) (*sql.DB, error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("the database URL is not readable") // its text holds a password
	}
	cfg.RuntimeParams["synchronous_commit"] = "on"
	cfg.RuntimeParams["application_name"] = "countersign"
	db := stdlib.OpenDB(*cfg)
	db.SetMaxOpenConns(readers + 2)
	db.SetMaxIdleConns(readers + 2)
	if err := db.PingContext(ctx); err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

// checkPostgres refuses a server that may lose what it acknowledged, and a schema without its guards.
func checkPostgres(q *query) error {
	var commit string
	if _, err := q.one(`SHOW synchronous_commit`, []any{&commit}); err != nil {
		return err
	}
	if commit == "off" {
		return fmt.Errorf("the server has synchronous_commit = %s, want on", commit)
	}
	return checkTriggers(q, `
		SELECT t.tgname
		FROM pg_trigger t
		JOIN pg_class c ON c.oid = t.tgrelid
		JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = current_schema() AND t.tgenabled = 'O'`)
}
