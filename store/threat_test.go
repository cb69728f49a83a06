package store_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/store/storetest"
)

// copyFolder copies the data folder of a closed ledger.
func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	if err := os.MkdirAll(to, 0o700); err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		raw, err := os.ReadFile(filepath.Join(from, e.Name()))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, e.Name()), raw, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// grow opens the ledger, appends n events and closes it.
func grow(t *testing.T, cfg store.Config, first, n int) {
	t.Helper()
	s, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if _, err := s.Update(t.Context(), "", nil, numbered(first+i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestThreat_T25 runs every statement that would change what was recorded, from outside and with the store's own settings.
func TestThreat_T25(t *testing.T) {
	cfg := storetest.Config(t)
	storetest.AppendOnly(t, cfg)

	own, err := openOwn(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	for _, text := range []string{
		"PRAGMA writable_schema = ON; DELETE FROM sqlite_schema WHERE type = 'trigger'",
		"PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = NULL WHERE name = 'log_entry_update'",
		"REPLACE INTO log_entry (idx, leaf) VALUES (1, x'7b7d')",
		"PRAGMA recursive_triggers = OFF; REPLACE INTO log_entry (idx, leaf) VALUES (1, x'7b7d')",
		"ATTACH ':memory:' AS other; UPDATE main.log_entry SET leaf = x'7b7d'",
	} {
		if _, err := own.ExecContext(t.Context(), text); err == nil {
			t.Errorf("went through: %s", text)
		}
	}

	// Whoever takes the guards away first is found at the next start.
	other := storetest.Config(t)
	grow(t, other, 0, 3)
	db := storetest.Raw(t, other)
	for _, text := range []string{"DROP TRIGGER log_entry_update", "UPDATE log_entry SET leaf = leaf WHERE idx = 1"} {
		if _, err := db.Exec(text); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := store.Open(t.Context(), other); !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), "log_entry_update") {
		t.Errorf("opened without its guards: %v", err)
	}
}

// TestThreat_T26 edits the file offline in each way and at several places: a start or a verification names it.
func TestThreat_T26(t *testing.T) {
	base := storetest.Config(t)
	grow(t, base, 0, 300)
	guards := []string{"log_entry_update", "log_entry_delete", "stream_entry_update", "stream_entry_delete"}
	for _, kind := range []struct{ name, text string }{
		{"row changed", "UPDATE log_entry SET leaf = CAST(replace(CAST(leaf AS TEXT), '\"title\":\"', '\"title\":\"9') AS BLOB) WHERE idx = %d"},
		{"rows swapped", "UPDATE log_entry SET leaf = (SELECT leaf FROM log_entry o WHERE o.idx = log_entry.idx - 1) WHERE idx = %d"},
		{"row deleted", "DELETE FROM opening WHERE idx = %[1]d; DELETE FROM stream_entry WHERE idx = %[1]d; DELETE FROM log_entry WHERE idx = %[1]d"},
		{"tail cut", "DELETE FROM opening WHERE idx >= %[1]d; DELETE FROM stream_entry WHERE idx >= %[1]d; DELETE FROM log_entry WHERE idx >= %[1]d"},
		{"text replaced", "UPDATE opening SET value = x'00' WHERE idx = %d"},
		{"salt replaced", "UPDATE opening SET salt = zeroblob(32) WHERE idx = %d"},
	} {
		for _, idx := range []int{2, 150, 257, 300} {
			cfg := base
			cfg.Dir = filepath.Join(t.TempDir(), "data")
			copyFolder(t, base.Dir, cfg.Dir)
			db := storetest.Raw(t, cfg)
			var restore []string
			for _, g := range guards {
				var text string
				if err := db.QueryRow("SELECT sql FROM sqlite_schema WHERE name = $1", g).Scan(&text); err != nil {
					t.Fatal(err)
				}
				restore = append(restore, text)
				if _, err := db.Exec("DROP TRIGGER " + g); err != nil {
					t.Fatal(err)
				}
			}
			for _, text := range append([]string{fmt.Sprintf(kind.text, idx)}, restore...) {
				if _, err := db.Exec(text); err != nil {
					t.Fatal(err)
				}
			}
			db.Close()
			if found := inspect(t, cfg); found == "" {
				t.Errorf("%s at %d: nobody noticed", kind.name, idx)
			}
			if strings.HasSuffix(kind.name, "replaced") {
				refuseText(t, cfg, idx)
			}
		}
	}
	if found := inspect(t, base); found != "" {
		t.Errorf("the untouched ledger: %s", found)
	}
}

// refuseText makes sure that a text which is not the one that was recorded is never shown or folded.
func refuseText(t *testing.T, cfg store.Config, idx int) {
	t.Helper()
	ro, err := store.OpenReadOnly(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer ro.Close()
	if list, err := ro.Entries(t.Context(), int64(idx), int64(idx)+1); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("entry %d with another text beside it is read as %+v, %v", idx, list, err)
	}
}

// inspect opens and verifies, and says what was wrong.
func inspect(t *testing.T, cfg store.Config) string {
	t.Helper()
	s, err := store.Open(t.Context(), cfg)
	if err != nil {
		return err.Error()
	}
	defer s.Close()
	r, err := s.Verify(t.Context())
	if err != nil {
		return err.Error()
	}
	if !r.OK {
		return r.First.Text
	}
	return ""
}

// TestThreat_T27 puts an older copy of the database back (F16), and swaps in another history.
func TestThreat_T27(t *testing.T) {
	cfg := storetest.Config(t)
	grow(t, cfg, 0, 270)
	old := filepath.Join(t.TempDir(), "old")
	copyFolder(t, cfg.Dir, old)
	grow(t, cfg, 1000, 20)

	putBack := func(from string) {
		for _, name := range []string{"countersign.db", "countersign.db-wal", "countersign.db-shm"} {
			raw, err := os.ReadFile(filepath.Join(from, name))
			if errors.Is(err, fs.ErrNotExist) {
				if err = os.Remove(filepath.Join(cfg.Dir, name)); errors.Is(err, fs.ErrNotExist) {
					err = nil
				}
			} else if err == nil {
				err = os.WriteFile(filepath.Join(cfg.Dir, name), raw, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	putBack(old)
	_, err := store.Open(t.Context(), cfg)
	var back *ledger.RollbackError
	if !errors.As(err, &back) || !errors.Is(err, ledger.ErrRollback) || back.Size != 271 || back.Anchor.Size != 291 {
		t.Fatalf("an old copy was put back: %v", err)
	}
	ro, err := store.OpenReadOnly(t.Context(), cfg)
	if err != nil {
		t.Fatalf("a revoke-only start must be able to read it: %v", err)
	}
	if due, err := ro.JobsDue(t.Context(), "n"); err != nil || len(due) != 270 {
		t.Errorf("%d jobs due, %v", len(due), err)
	}
	ro.Close()

	fork := cfg
	fork.Dir = old
	grow(t, fork, 2000, 25)
	putBack(old)
	_, err = store.Open(t.Context(), cfg)
	var other *ledger.ForkError
	if !errors.As(err, &other) || !errors.Is(err, ledger.ErrFork) || other.Anchor.Size != 291 {
		t.Errorf("another history was put in its place: %v", err)
	}

	if err := os.Remove(filepath.Join(cfg.Dir, "countersign.db")); err != nil {
		t.Fatal(err)
	}
	putBack(t.TempDir())
	if _, err := store.Open(t.Context(), cfg); !errors.Is(err, ledger.ErrRollback) {
		t.Errorf("an empty database in its place: %v", err)
	}
}

// TestThreat_T36 opens under the loosest umask, and then loosens one name after the other.
func TestThreat_T36(t *testing.T) {
	cfg := onMachineTime(t)
	c := startChild(t, "umask", cfg)
	if line := c.line(t); line != "open" {
		t.Fatal(line)
	}
	names := []string{"countersign.db", "countersign.db-wal", "countersign.db-shm", "countersign.db.lock", "witness.log"}
	for _, name := range names {
		info, err := os.Stat(filepath.Join(cfg.Dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if info, err := os.Stat(cfg.Dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder: %v, %v", info, err)
	}
	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	c.rest() // killed, so that -wal and -shm stay
	for _, name := range append([]string{"."}, names...) {
		path := filepath.Join(cfg.Dir, name)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, loose := range []fs.FileMode{0o040, 0o004, 0o020} {
			if err := os.Chmod(path, info.Mode().Perm()|loose); err != nil {
				t.Fatal(err)
			}
			if _, err := store.Open(t.Context(), cfg); !errors.Is(err, store.ErrModes) || !strings.Contains(err.Error(), "chmod") {
				t.Errorf("%s with %#o: %v", name, info.Mode().Perm()|loose, err)
			}
		}
		if err := os.Chmod(path, info.Mode().Perm()); err != nil {
			t.Fatal(err)
		}
	}
	storetest.Open(t, cfg)
}

// TestWitnessFile cuts its last line short, as a crash does, and lets it grow past its limit.
func TestWitnessFile(t *testing.T) {
	cfg := storetest.Config(t)
	grow(t, cfg, 0, 3)
	path := filepath.Join(cfg.Dir, "witness.log")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(raw, raw[:100]...), 0o600); err != nil {
		t.Fatal(err)
	}
	grow(t, cfg, 10, 1)
	again, err := os.ReadFile(path)
	if err != nil || strings.Count(string(again), "\n") != 5 || !strings.HasPrefix(string(again), string(raw)) {
		t.Errorf("after a torn line there are %d lines, want 5: %v", strings.Count(string(again), "\n"), err)
	}
	if err := os.WriteFile(path, []byte("{not a line}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(t.Context(), cfg); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("an unreadable witness: %v", err)
	}

	lines := strings.SplitAfter(string(again), "\n")
	long := strings.Repeat(lines[0], store.MaxWitness) + string(again)
	if err := os.WriteFile(path, []byte(long), 0o600); err != nil {
		t.Fatal(err)
	}
	s := storetest.Open(t, cfg)
	if again, err = os.ReadFile(path); err != nil || strings.Count(string(again), "\n") != store.KeepWitness {
		t.Errorf("%d lines are left, want %d; %v", strings.Count(string(again), "\n"), store.KeepWitness, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	grow(t, cfg, 20, 2)
}
