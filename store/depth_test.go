package store_test

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/storetest"
	"github.com/countersign-bot/countersign/store/storetest/pgtest"
	"github.com/countersign-bot/countersign/workflows"
)

// inspected inspects and gives what is wrong.
func inspected(t *testing.T, s *store.Store) store.Depth {
	t.Helper()
	d, err := s.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestInspectSound finds nothing wrong with a ledger in daily use, on both databases.
func TestInspectSound(t *testing.T) {
	t.Parallel()
	for name, fresh := range map[string]func(*testing.T) store.Config{
		"sqlite": func(t *testing.T) store.Config { return storetest.Config(t) },
		"postgres": func(t *testing.T) store.Config {
			cfg := storetest.Config(t)
			cfg.DSN = pgtest.Start(t, "fsync=off").NewDatabase(t)
			return cfg
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := storetest.Open(t, fresh(t))
			for n := range 300 {
				if _, err := s.Update(t.Context(), store.Cause("cli/"+strings.Repeat("a", 1+n%50)+string(rune('a'+n%26))), nil, everything(n)); err != nil {
					t.Fatal(err)
				}
			}
			if d := inspected(t, s); d.Wrong != 0 || d.Objects < 20 || len(d.Compared) < 5 || len(d.Beside) == 0 {
				t.Errorf("a sound ledger: %+v", d)
			}
		})
	}
}

// TestThreat_T26_GuardsOnPostgres: guards that are gone, off, somebody else's, or call something else are each named.
func TestThreat_T26_GuardsOnPostgres(t *testing.T) {
	t.Parallel()
	cfg := storetest.Config(t)
	cfg.DSN = pgtest.Start(t, "fsync=off").NewDatabase(t)
	s := storetest.Open(t, cfg)
	db, err := sql.Open("pgx", cfg.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, test := range []struct{ do, undo, want string }{
		{
			`ALTER TABLE log_entry DISABLE TRIGGER log_entry_update`, `ALTER TABLE log_entry ENABLE TRIGGER log_entry_update`,
			"The guard log_entry_update on log_entry is off",
		},
		{
			`DROP TRIGGER log_entry_delete ON log_entry`, `CREATE TRIGGER log_entry_delete BEFORE DELETE ON log_entry FOR EACH ROW EXECUTE FUNCTION append_only()`,
			"The guard log_entry_delete on log_entry is gone",
		},
		{
			`CREATE TRIGGER helper BEFORE DELETE ON job FOR EACH ROW EXECUTE FUNCTION append_only()`, `DROP TRIGGER helper ON job`,
			"The trigger helper on job is not ours",
		},
		{
			`CREATE OR REPLACE FUNCTION document_new() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$`, ``,
			"The trigger document_new was altered",
		},
	} {
		if _, err := db.ExecContext(t.Context(), test.do); err != nil {
			t.Fatal(err)
		}
		if d := inspected(t, s); d.Wrong != 1 || !strings.Contains(d.Problems[0], test.want) {
			t.Errorf("%s: %v, want %q", test.do, d.Problems, test.want)
		}
		if _, err := db.ExecContext(t.Context(), test.undo); err != nil {
			t.Fatal(err)
		}
	}
}

// TestInventoryAwaited: only a ledger that an earlier program began may have an empty inventory, on both databases.
func TestInventoryAwaited(t *testing.T) {
	t.Parallel()
	lite, pg := storetest.Config(t), storetest.Config(t)
	pg.DSN = pgtest.Start(t, "fsync=off").NewDatabase(t)
	for name, test := range map[string]struct {
		cfg               store.Config
		driver, dsn, late string
	}{
		"sqlite":   {lite, "sqlite", store.SQLiteDSN(lite.Dir+"/countersign.db", false), `datetime(tstamp, '+2 days')`},
		"postgres": {pg, "pgx", pg.DSN, `tstamp + interval '2 days'`},
	} {
		t.Run(name, func(t *testing.T) {
			s := storetest.Open(t, test.cfg)
			if awaited, err := s.InventoryAwaited(t.Context()); err != nil || awaited {
				t.Errorf("a new ledger: %v, %v", awaited, err)
			}
			db, err := sql.Open(test.driver, test.dsn)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.ExecContext(t.Context(), `UPDATE goose_db_version SET tstamp = `+test.late+` WHERE version_id >= 6`); err != nil {
				t.Fatal(err)
			}
			if awaited, err := s.InventoryAwaited(t.Context()); err != nil || !awaited {
				t.Errorf("one of before: %v, %v", awaited, err)
			}
			_, err = s.Update(t.Context(), "", nil, func(workflows.Facts) (workflows.Outcome, error) {
				stream := workflows.IdentityStream("svc-a")
				return workflows.Outcome{Inventory: map[workflows.StreamID]*workflows.InventoryRow{stream: {ID: "svc-a", State: "unclaimed", Kind: "service_account"}}}, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if awaited, err := s.InventoryAwaited(t.Context()); err != nil || awaited {
				t.Errorf("one with rows: %v, %v", awaited, err)
			}
			if d := inspected(t, s); d.Wrong != 1 || !strings.Contains(d.Problems[0], `The inventory lists "svc-a", which no entry speaks about`) {
				t.Errorf("a row without entries: %v", d.Problems)
			}
		})
	}
}

// TestThreat_T26_TheListOfKeys: a key that is put on the list of those that signed, taken off it, or replaced there, is named.
func TestThreat_T26_TheListOfKeys(t *testing.T) {
	t.Parallel()
	cfg := storetest.Config(t)
	grow(t, cfg, 0, 5)
	s := storetest.Open(t, cfg)
	next := newKey(t, cfg.Key.Origin())
	entry := change(t, s, "k/1", next).Records[0].Index
	if d := inspected(t, s); d.Wrong != 0 {
		t.Fatalf("a change of the key: %v", d.Problems)
	}
	db, err := sql.Open("sqlite", store.SQLiteDSN(cfg.Dir+"/countersign.db", false))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), `DROP TRIGGER log_key_new; DROP TRIGGER log_key_update; DROP TRIGGER log_key_delete`); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ do, undo, want string }{
		{`INSERT INTO log_key (idx, vkey) VALUES (2, 'mallory')`, `DELETE FROM log_key WHERE idx = 2`, "The key mallory is on the list of those that signed since entry 2, which changes no key"},
		{`UPDATE log_key SET vkey = 'mallory'`, `UPDATE log_key SET vkey = '` + next.VKey() + `'`, "the list of keys says mallory"},
		{`DELETE FROM log_key`, ``, fmt.Sprintf("Entry %d changes the key to %s, which is not on the list", entry, next.VKey())},
	} {
		if _, err := db.ExecContext(t.Context(), test.do); err != nil {
			t.Fatal(err)
		}
		if d := inspected(t, s); !slices.ContainsFunc(d.Problems, func(p string) bool { return strings.Contains(p, test.want) }) {
			t.Errorf("%s: %v, want %q", test.do, d.Problems, test.want)
		}
		if _, err := db.ExecContext(t.Context(), test.undo); err != nil {
			t.Fatal(err)
		}
	}
}
