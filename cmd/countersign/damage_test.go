package main

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"

	_ "modernc.org/sqlite"
)

// damages are what somebody with the database file and the knowledge of its schema can do; the triggers that stop our own code
// are no obstacle to them.
func damages() map[string][]string {
	const leaf = `UPDATE log_entry SET leaf = CAST(replace(CAST(leaf AS TEXT), '"verdict":"deny"', '"verdict":"okay"') AS BLOB)
		WHERE instr(CAST(leaf AS TEXT), '"verdict":"deny"') > 0`
	return map[string][]string{
		"edit":    {leaf},
		"delete":  {`DELETE FROM log_entry WHERE idx = 3`},
		"tail":    {`DELETE FROM log_entry WHERE idx = (SELECT MAX(idx) FROM log_entry)`},
		"lists":   {`DELETE FROM listing`},
		"payload": {`UPDATE inbox SET body = CAST('{}' AS BLOB)`},
	}
}

// damage changes a ledger behind the program's back.
func damage(ctx context.Context, data, kind string) (err error) {
	statements, ok := damages()[kind]
	if !ok {
		return fmt.Errorf("there is no damage %q", kind)
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(data, "countersign.db")+"?_pragma=busy_timeout(60000)") // a bot may be at work
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	return change(ctx, db, statements...)
}

// change runs statements as if no guard stood in their way, and puts the guards back: only what was changed is to be found.
func change(ctx context.Context, db *sql.DB, statements ...string) error {
	triggers, err := names(ctx, db, `SELECT name FROM sqlite_master WHERE type = 'trigger'`)
	if err != nil {
		return err
	}
	guards, err := names(ctx, db, `SELECT sql FROM sqlite_master WHERE type = 'trigger'`)
	if err != nil {
		return err
	}
	for _, name := range triggers {
		if _, err := db.ExecContext(ctx, fmt.Sprintf("DROP TRIGGER %q", name)); err != nil {
			return err
		}
	}
	changed := int64(0)
	for _, s := range statements {
		res, err := db.ExecContext(ctx, s)
		if err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
		n, err := res.RowsAffected()
		if err != nil {
			return err
		}
		changed += n
	}
	if changed == 0 {
		return fmt.Errorf("%q changed nothing", statements)
	}
	for _, text := range guards {
		if _, err := db.ExecContext(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

func names(ctx context.Context, db *sql.DB, query string) (out []string, err error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		out = append(out, name)
	}
	return out, rows.Err()
}
