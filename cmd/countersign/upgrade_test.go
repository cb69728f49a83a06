package main

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// early is a ledger by a program that kept no list of the secrets that it handed over.
const early = "0.1.0-secrets"

// TestUpgradeIsNoTampering: rows beside the entries that an earlier program did not keep are said to come, not to be wrong; once a program that keeps
// them has started they must be there for what it writes, and other rows must always.
func TestUpgradeIsNoTampering(t *testing.T) {
	t.Parallel()
	data := thaw(t, early, true)
	out, errs, code := runHere(t, nil, "ledger", "verify", "-data", data)
	if code != exitDone || !strings.Contains(out, "is intact") || !strings.Contains(out, "to come      rows of 3 streams") {
		t.Errorf("before the first start: exit %d\n%s%s", code, out, errs)
	}
	s := thawed(t, data)
	stream := secretStream(t, s)
	for want, since := range map[bool]int64{true: neverStarted, false: 0} {
		what, later, err := astray(t.Context(), s, stream, func() (int64, error) { return since, nil })
		if err != nil || what != "the lists that people read differ from what its entries say" || later != want {
			t.Errorf("since entry %d: %q, later %t, %v", since, what, later, err)
		}
	}
	if since, err := rulesSince(t.Context(), s); err != nil || since != neverStarted {
		t.Errorf("a program of today's rules started at %d, %v", since, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", filepath.Join(data, "countersign.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), `DELETE FROM listing WHERE list = ?`, grants.ListByID); err != nil {
		t.Fatal(err)
	}
	out, errs, code = runHere(t, nil, "ledger", "verify", "-data", data)
	if code != exitLedger || !strings.Contains(out, "the lists that people read differ") {
		t.Errorf("a list that was always kept: exit %d\n%s%s", code, out, errs)
	}
}

// thawed opens a ledger to read it.
func thawed(t *testing.T, data string) *store.Store {
	t.Helper()
	s, err := openToRead(t.Context(), proc{err: t.Output()}, data)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// secretStream is one on which a secret was handed over.
func secretStream(t *testing.T, s *store.Store) workflows.StreamID {
	t.Helper()
	head, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all, err := s.Entries(t.Context(), 0, head.Size)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		if _, ok := r.Event.(grants.SecretKept); ok {
			return r.Stream
		}
	}
	t.Fatal("no secret was handed over")
	return ""
}

// TestUpgradeByServing: the bot's first start on the ledger of an earlier program makes the rows that are to come, without an alarm.
func TestUpgradeByServing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	w.check(os.Rename(thaw(t, early, true), w.data()))
	keys, err := filepath.Glob(filepath.Join(frozenDir, early, "keys", "*"))
	w.check(err)
	for _, from := range keys {
		b, err := os.ReadFile(from)
		w.check(err)
		w.check(os.WriteFile(filepath.Join(w.data(), "keys", filepath.Base(from)), b, 0o600))
	}
	w.start()
	_, err = until(t.Context(), "rows of before made", func() (struct{}, bool) {
		out, err := w.ledger(context.WithoutCancel(t.Context()), "verify")
		return struct{}{}, err == nil && !strings.Contains(out, "to come")
	})
	w.check(err)
	if log := w.log(); strings.Contains(log, "changed by somebody else") {
		t.Error("the bot raised an alarm about rows that nobody could have changed")
	}
	w.verify()
}
