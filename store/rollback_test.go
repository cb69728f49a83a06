package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/custody"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/store/storetest"
	"github.com/countersign-bot/countersign/workflows"
)

// lose makes a ledger of some entries, keeps a copy, goes on, and puts the copy back. It gives the heads before and after.
func lose(t *testing.T, cfg store.Config) (kept, lost ledger.Head) {
	t.Helper()
	s, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	appendAs(t, s, "request/r_1", "p_1", storetest.Opened{Title: "kept", Reason: "r"})
	out := filepath.Join(t.TempDir(), "copy")
	if _, err := s.Backup(t.Context(), out); err != nil {
		t.Fatal(err)
	}
	if kept, err = s.Head(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		cfg.Clock.(*storetest.Clock).Add(time.Minute)
		appendAs(t, s, "request/r_2", "p_1", storetest.Opened{Title: "lost", Reason: "r"})
	}
	if lost, err = s.Head(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, end := range []string{"-wal", "-shm"} {
		_ = os.Remove(filepath.Join(cfg.Dir, "countersign.db"+end))
	}
	if err := os.Rename(out, filepath.Join(cfg.Dir, "countersign.db")); err != nil {
		t.Fatal(err)
	}
	cfg.Clock.(*storetest.Clock).Add(time.Hour)
	return kept, lost
}

// accepted is what two people say about a loss.
func accepted(t *testing.T, cfg store.Config) custody.RollbackAccepted {
	t.Helper()
	_, err := store.Open(t.Context(), cfg)
	if !errors.Is(err, ledger.ErrRollback) {
		t.Fatalf("opening behind the witness: %v", err)
	}
	ro, rerr := store.OpenReadOnly(t.Context(), cfg)
	if rerr != nil {
		t.Fatal(rerr)
	}
	defer ro.Close()
	head, rerr := ro.Head(t.Context())
	if rerr != nil {
		t.Fatal(rerr)
	}
	a, found := store.LostOf(head, err)
	if !found {
		t.Fatalf("%v is not about lost entries", err)
	}
	a.Reason, a.ProposedBy, a.ConfirmedBy = "The disk died.", "p_1", "p_2"
	return a
}

// TestThreat_T27_LossIsAcceptedByTwo opens behind a lost head only with the word of two people about exactly that loss. Then the gap is the first
// entry, the ledger goes on and verifies, heads of the lost entries are explained, and one beyond them still is a rollback.
func TestThreat_T27_LossIsAcceptedByTwo(t *testing.T) {
	t.Parallel()
	cfg := storetest.Config(t)
	kept, lost := lose(t, cfg)
	a := accepted(t, cfg)
	for name, change := range map[string]func(*custody.RollbackAccepted){
		"one person twice": func(a *custody.RollbackAccepted) { a.ConfirmedBy = a.ProposedBy },
		"one person":       func(a *custody.RollbackAccepted) { a.ConfirmedBy = "" },
		"another size":     func(a *custody.RollbackAccepted) { a.Size++ },
		"another root":     func(a *custody.RollbackAccepted) { a.Root = lost.Root.String() },
		"a smaller loss":   func(a *custody.RollbackAccepted) { a.LostSize-- },
		"another loss":     func(a *custody.RollbackAccepted) { a.LostRoot = kept.Root.String() },
	} {
		wrong := a
		change(&wrong)
		with := cfg
		with.Accept = &wrong
		if _, err := store.Open(t.Context(), with); !errors.Is(err, ledger.ErrRollback) {
			t.Errorf("%s: %v", name, err)
		}
	}
	with := cfg
	with.Accept = &a
	s := storetest.Open(t, with)
	records, err := s.Entries(t.Context(), kept.Size, kept.Size+1)
	if err != nil || len(records) != 1 || records[0].Event.Kind() != "rollback.accepted" {
		t.Fatalf("the first entry after the loss is %+v, %v", records, err)
	}
	if pending, err := s.Unreconciled(t.Context()); err != nil || !pending {
		t.Errorf("targets are to be asked: %v, %v", pending, err)
	}
	s = storetest.Reopen(t, s, cfg)
	appendAs(t, s, "request/r_3", "p_1", storetest.Opened{Title: "new", Reason: "r"})
	s = storetest.Reopen(t, s, cfg)
	wantExplained(t, s, cfg, kept, lost)
	if err := s.Reconciled(t.Context()); err != nil {
		t.Error(err)
	}
	if pending, err := s.Unreconciled(t.Context()); err != nil || pending {
		t.Errorf("targets were asked: %v, %v", pending, err)
	}
}

func wantExplained(t *testing.T, s *store.Store, cfg store.Config, kept, lost ledger.Head) {
	t.Helper()
	gaps, err := s.Gaps(t.Context())
	if err != nil || len(gaps) != 1 || gaps[0].Entry != kept.Size || gaps[0].LostSize != lost.Size || gaps[0].LostNote != string(lost.Note) {
		t.Fatalf("the gaps are %+v, %v", gaps, err)
	}
	before := lost.Anchor("an auditor", int64(gaps[0].At)-1)
	unknown := lost.Anchor("an auditor without a watch", 0)
	here, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	fine := here.Anchor("another auditor", int64(gaps[0].At)+1)
	k, l, err := s.Explained(t.Context(), []ledger.Anchor{before, unknown, fine, kept.Anchor("before it", 1)})
	if err != nil || len(k) != 2 || len(l) != 2 {
		t.Errorf("kept %v, lost %v, %v", k, l, err)
	}
	if r, err := s.Verify(t.Context(), before, unknown, fine); err != nil || !r.OK {
		t.Errorf("with heads of the lost entries: %+v, %v", r.Problems, err)
	}
	late := lost.Anchor("somebody later", int64(gaps[0].At)+1)
	if r, err := s.Verify(t.Context(), late); err != nil || r.OK {
		t.Errorf("a lost head that is younger than the acceptance: %+v, %v", r, err)
	}
	more := ledger.Anchor{Size: lost.Size + 9, Root: lost.Root, From: "who saw more"}
	if r, err := s.Verify(t.Context(), more); err != nil || r.OK || !strings.Contains(r.First.Text, "who saw more remembers") {
		t.Errorf("more was lost than was admitted: %+v, %v", r.First, err)
	}
	if err := s.Compare(t.Context(), before); err != nil {
		t.Errorf("an anchor that remembers lost entries: %v", err)
	}
	if err := s.Compare(t.Context(), more); !errors.Is(err, ledger.ErrRollback) {
		t.Errorf("an anchor that remembers more: %v", err)
	}
	if seen, err := s.Remembered(); err != nil || len(seen) == 0 {
		t.Errorf("what an export takes along: %v", err)
	} else if err := ledger.CheckHead(t.Context(), here, nil, seen[len(seen)-1:]); err != nil {
		t.Errorf("what an export takes along does not fit: %v", err)
	}
}

// TestThreat_T27_GapsAreNotInvented: the mark that names the entry about a gap is a row like any other. One that names an entry that explains
// nothing stops the ledger.
func TestThreat_T27_GapsAreNotInvented(t *testing.T) {
	t.Parallel()
	cfg := storetest.Config(t)
	lose(t, cfg)
	db, err := openRaw(cfg, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = db.ExecContext(t.Context(), `INSERT INTO meta (key, value) VALUES ('gaps', '1')`); err == nil {
		err = db.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(t.Context(), cfg); !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), "explains no gap") {
		t.Errorf("opening with an invented gap: %v", err)
	}
}

// TestAcceptanceFile is whole or not there, and read as it was written.
func TestAcceptanceFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "rollback.json")
	if a, err := store.ReadAcceptance(path); err != nil || a != (custody.RollbackAccepted{}) {
		t.Errorf("before: %+v, %v", a, err)
	}
	want := custody.RollbackAccepted{Size: 3, LostSize: 9, Reason: "Why.", ProposedBy: "p_1", ProposedAt: workflows.Stamp(1_795_000_000_000_000), ConfirmedAt: 1}
	if err := store.WriteAcceptance(path, want); err != nil {
		t.Fatal(err)
	}
	if got, err := store.ReadAcceptance(path); err != nil || got != want {
		t.Errorf("read %+v, %v", got, err)
	}
	if err := os.WriteFile(path, []byte(`{"size":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.ReadAcceptance(path); err == nil {
		t.Error("half a file was read")
	}
}
