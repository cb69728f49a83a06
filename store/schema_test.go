package store_test

import (
	"database/sql"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/storetest"
	"github.com/countersign-bot/countersign/store/storetest/pgtest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares text with a file.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (go test ./store -update writes it anew):\n%s", path, diff)
	}
}

// dump runs a query of one text column and joins the lines.
func dump(t *testing.T, db *sql.DB, query string) string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var out strings.Builder
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		out.WriteString(line + "\n")
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestSchemaSQLite(t *testing.T) {
	cfg := storetest.Config(t)
	storetest.Open(t, cfg)
	db := storetest.Raw(t, cfg)
	golden(t, "schema.sqlite.golden", dump(t, db, `
		SELECT sql || ';' FROM sqlite_schema
		WHERE sql IS NOT NULL AND name NOT LIKE 'goose%' AND name NOT LIKE 'sqlite%'
		ORDER BY type, name`))
	loose := dump(t, db, `SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND strict = 0 AND name NOT LIKE 'goose%' AND name NOT LIKE 'sqlite%'`)
	if loose != "" {
		t.Errorf("tables that are not STRICT:\n%s", loose)
	}
}

func TestSchemaPostgres(t *testing.T) {
	cfg := storetest.Config(t)
	cfg.DSN = pgtest.Start(t, "fsync=off").NewDatabase(t)
	storetest.Open(t, cfg)
	db := storetest.Raw(t, cfg)
	golden(t, "schema.postgres.golden", dump(t, db, `
		SELECT line FROM (
			SELECT 1 AS part, table_name || '.' || column_name || ' ' || data_type || CASE is_nullable WHEN 'YES' THEN ' NULL' ELSE '' END
				|| COALESCE(' COLLATE ' || collation_name, '') AS line
			FROM information_schema.columns
			WHERE table_schema = 'public'
			UNION ALL
			SELECT 2, conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
			UNION ALL
			SELECT 3, indexdef FROM pg_indexes WHERE schemaname = 'public'
			UNION ALL
			SELECT 4, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
			UNION ALL
			SELECT 5, pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
		) all_lines
		WHERE line NOT LIKE '%goose%'
		ORDER BY part, line COLLATE "C"`))

	other := cfg
	other.Dir = filepath.Join(t.TempDir(), "other")
	if _, err := db.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, true)`); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(t.Context(), other); !errors.Is(err, store.ErrSchema) || !strings.Contains(err.Error(), "99") {
		t.Errorf("a newer schema: %v", err)
	}
	if _, err := db.Exec(`DELETE FROM goose_db_version WHERE version_id = 99`); err != nil {
		t.Fatal(err)
	}
}

func TestMigrationsHaveEqualVersions(t *testing.T) {
	lite, err := store.SchemaVersions(false)
	if err != nil {
		t.Fatal(err)
	}
	pg, err := store.SchemaVersions(true)
	if diff := cmp.Diff(lite, pg); err != nil || diff != "" || len(lite) == 0 {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestForeignAndNewerDatabasesAreRefused(t *testing.T) {
	for name, text := range map[string]string{
		"somebody else's": `CREATE TABLE notes (text)`,
		"newer":           `PRAGMA application_id = 1129531214; PRAGMA user_version = 99; CREATE TABLE log_entry (idx)`,
	} {
		cfg := storetest.Config(t)
		if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(dbPath(cfg), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		db, err := openRaw(cfg, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(text); err != nil {
			t.Fatal(err)
		}
		db.Close()
		if _, err := store.Open(t.Context(), cfg); !errors.Is(err, store.ErrSchema) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := store.OpenReadOnly(t.Context(), cfg); !errors.Is(err, store.ErrSchema) {
			t.Errorf("%s, for reading: %v", name, err)
		}
		db, err = openRaw(cfg, 0)
		if err != nil {
			t.Fatal(err)
		}
		if n := dump(t, db, `SELECT COUNT(*) FROM sqlite_schema`); n != "1\n" {
			t.Errorf("%s: something was written: %s objects", name, n)
		}
		db.Close()
	}
	cfg := storetest.Config(t)
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dbPath(cfg), []byte(strings.Repeat("this is not a database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(t.Context(), cfg); err == nil {
		t.Error("a text file was opened")
	}
}

// TestFault_F39 opens with another key than the one that signed: it must not go on signing.
func TestFault_F39(t *testing.T) {
	cfg := storetest.Config(t)
	grow(t, cfg, 0, 3)
	other := storetest.Config(t)
	old := cfg.Key
	cfg.Key = other.Key
	if _, err := store.Open(t.Context(), cfg); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("another key: %v", err)
	}
	cfg.Key = old
	storetest.Open(t, cfg)
}
