package store_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/store/storetest"
	"github.com/countersign-bot/countersign/store/storetest/pgtest"
)

// inFolder gives the configuration of the same ledger in another folder.
func inFolder(cfg store.Config, dir string) store.Config {
	cfg.Dir = dir
	return cfg
}

// backUp copies a ledger as another process does, and gives the copy.
func backUp(t *testing.T, cfg store.Config, out string) (store.Copied, error) {
	t.Helper()
	ro, err := store.OpenReadOnly(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer ro.Close()
	return ro.Backup(t.Context(), out)
}

// TestFault_F38 makes 50 backups while another process appends. Each is one file that nobody else can read, verifies, and stands where
// the witness file stood or further on; the last one restored goes on as a ledger.
func TestFault_F38(t *testing.T) {
	t.Parallel()
	cfg := onMachineTime(t)
	c := startChild(t, "drive", cfg, childFrom+"=0")
	said := c.append(t, 20)
	dir := t.TempDir()
	var last store.Copied
	for n := range 50 {
		batch := make(chan []string, 1)
		go func() {
			defer close(batch)
			batch <- c.append(t, 40)
		}()
		out := filepath.Join(dir, strconv.Itoa(n))
		got, err := backUp(t, cfg, out)
		if err != nil {
			t.Fatalf("backup %d: %v", n, err)
		}
		said = append(said, <-batch...)
		r := got.Report
		if !r.OK || !r.KeyPinned || r.Size != got.Head.Size || got.Seen.Size == 0 || got.Head.Size < max(got.Seen.Size, last.Head.Size) {
			t.Fatalf("backup %d after one of %d entries: %+v", n, last.Head.Size, got)
		}
		if info, err := os.Stat(out); err != nil || info.Mode() != 0o600 || info.Size() != got.Bytes {
			t.Errorf("backup %d: %v, %v", n, info, err)
		}
		last = got
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 50 {
		t.Errorf("beside 50 backups there is more in the folder: %v, %v", left, err)
	}
	numbers, errs := acked(said)
	if len(errs) > 0 || len(numbers) != 2020 || last.Head.Size < 2020-40 {
		t.Errorf("%d acknowledged, the last backup has %d entries: %v", len(numbers), last.Head.Size, errs)
	}
	t.Logf("50 backups under a writer, the last of %d entries", last.Head.Size)
	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	c.rest()

	back := inFolder(cfg, filepath.Join(t.TempDir(), "new"))
	restored, err := store.Restore(t.Context(), back, last.Path)
	if err != nil {
		t.Fatal(err)
	}
	if restored.Head.Size != last.Head.Size || restored.Head.Root != last.Head.Root {
		t.Errorf("restored %d entries of %d", restored.Head.Size, last.Head.Size)
	}
	s := storetest.Open(t, back)
	if _, err := s.Update(t.Context(), "", nil, numbered(9_000_000)); err != nil {
		t.Error(err)
	}
	wantAll(t, s, []int{9_000_000})
}

// TestBackupKeepsEverything restores a copy and compares what people and workers read of both.
func TestBackupKeepsEverything(t *testing.T) {
	t.Parallel()
	cfg := storetest.Config(t)
	s := storetest.Open(t, cfg)
	for n := range 300 {
		if _, err := s.Update(t.Context(), store.Cause("cli/"+strconv.Itoa(n)), nil, everything(n)); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(t.TempDir(), "copy")
	if _, err := s.Backup(t.Context(), out); err != nil {
		t.Fatal(err)
	}
	back := inFolder(cfg, filepath.Join(t.TempDir(), "new"))
	if _, err := store.Restore(t.Context(), back, out); err != nil {
		t.Fatal(err)
	}
	r := storetest.Open(t, back)
	var all []int
	for n := range 300 {
		all = append(all, n)
	}
	wantAll(t, r, all)
	res, err := r.Update(t.Context(), "cli/7", nil, everything(7))
	if err != nil || !res.Replayed {
		t.Errorf("a cause that was consumed before the backup: replayed %v, %v", res.Replayed, err)
	}
	again := inFolder(cfg, filepath.Join(t.TempDir(), "again"))
	if _, err := store.Restore(t.Context(), again, out); err != nil {
		t.Fatal(err)
	}
	storetest.AppendOnly(t, again)
}

// TestThreat_T27_OldBackupRestored restores a backup where a witness remembers more, and other things that must not become a ledger.
func TestThreat_T27_OldBackupRestored(t *testing.T) {
	t.Parallel()
	cfg := storetest.Config(t)
	cfg.WitnessPath = filepath.Join(t.TempDir(), "elsewhere.log")
	grow(t, cfg, 0, 270)
	dir := t.TempDir()
	old := filepath.Join(dir, "old")
	if _, err := backUp(t, cfg, old); err != nil {
		t.Fatal(err)
	}
	fresh := 0
	target := func() store.Config {
		fresh++
		return inFolder(cfg, filepath.Join(dir, "new"+strconv.Itoa(fresh)))
	}
	refused := func(what string, to store.Config, from string, want error, anchors ...ledger.Anchor) {
		t.Helper()
		if _, err := store.Restore(t.Context(), to, from, anchors...); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
		if _, err := os.Stat(to.Dir); !errors.Is(err, fs.ErrNotExist) {
			left, _ := os.ReadDir(to.Dir)
			t.Errorf("%s: the folder was made all the same: %v", what, left)
		}
	}

	grow(t, cfg, 1000, 20)
	refused("older than the witness", target(), old, ledger.ErrRollback)
	blind := target()
	blind.WitnessPath = ""
	seen, err := backUp(t, cfg, filepath.Join(dir, "newer"))
	if err != nil {
		t.Fatal(err)
	}
	refused("older than an anchor", blind, old, ledger.ErrRollback, seen.Seen)
	beside := inFolder(cfg, filepath.Join(dir, "beside"))
	beside.WitnessPath = ""
	if _, err := store.Restore(t.Context(), beside, old); err != nil {
		t.Errorf("with nobody who remembers: %v", err)
	}
	grow(t, beside, 2000, 25)
	fork := filepath.Join(dir, "fork")
	if _, err := backUp(t, beside, fork); err != nil {
		t.Fatal(err)
	}
	refused("another history", target(), fork, ledger.ErrFork)

	other := storetest.Config(t)
	grow(t, other, 0, 1)
	to := target()
	to.WitnessPath, to.Key = "", other.Key
	refused("another key", to, old, store.ErrDamaged)
	to = target()
	refused("no such file", to, filepath.Join(dir, "nothing"), store.ErrNotFound)
	raw, err := os.ReadFile(filepath.Join(dir, "newer"))
	if err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(dir, "cut")
	if err := os.WriteFile(cut, raw[:len(raw)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	refused("half a file", target(), cut, store.ErrDamaged)
	at := strings.LastIndex(string(raw), `"sealed"`)
	raw[at+2] ^= 1
	if err := os.WriteFile(cut, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	refused("a flipped bit", target(), cut, store.ErrDamaged)

	if _, err := store.Restore(t.Context(), cfg, old); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a ledger that is there: %v", err)
	}
	if _, err := backUp(t, cfg, old); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a backup that is there: %v", err)
	}
	if got, err := store.Restore(t.Context(), target(), filepath.Join(dir, "newer")); err != nil || got.Seen.Size != got.Head.Size {
		t.Errorf("the newest backup: %d entries, the witness remembers %d: %v", got.Head.Size, got.Seen.Size, err)
	}
}

// TestRestoreRemembers restores into a folder without a witness file: the next older copy put in its place is found.
func TestRestoreRemembers(t *testing.T) {
	t.Parallel()
	cfg := storetest.Config(t)
	grow(t, cfg, 0, 5)
	dir := t.TempDir()
	old, newer := filepath.Join(dir, "old"), filepath.Join(dir, "newer")
	if _, err := backUp(t, cfg, old); err != nil {
		t.Fatal(err)
	}
	grow(t, cfg, 100, 5)
	if _, err := backUp(t, cfg, newer); err != nil {
		t.Fatal(err)
	}
	back := inFolder(cfg, filepath.Join(dir, "back"))
	if err := os.MkdirAll(filepath.Join(back.Dir, "keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Restore(t.Context(), back, newer); err != nil {
		t.Fatalf("into a folder that holds keys/ already: %v", err)
	}
	if err := os.Rename(old, filepath.Join(back.Dir, "countersign.db")); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(t.Context(), back); !errors.Is(err, ledger.ErrRollback) {
		t.Errorf("an older copy after a restore: %v", err)
	}
}

func TestBackupOfPostgres(t *testing.T) {
	server := pgtest.Start(t, "fsync=off")
	cfg := storetest.Config(t)
	cfg.DSN = server.NewDatabase(t)
	s := storetest.Open(t, cfg)
	if _, err := s.Backup(context.Background(), filepath.Join(t.TempDir(), "copy")); !errors.Is(err, store.ErrElsewhere) {
		t.Error(err)
	}
	if _, err := store.Restore(t.Context(), cfg, "copy"); !errors.Is(err, store.ErrElsewhere) {
		t.Error(err)
	}
}
