package store_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/countersign-bot/countersign/store"
)

// TestAppendDebt_AfterATornLine: a crash in the middle of a line spoils that line only.
func TestAppendDebt_AfterATornLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "debts.jsonl")
	debt := func(grant string) store.DebtRecorded {
		return store.DebtRecorded{What: "revoked", Grant: grant, Said: "absent", AtRun: 1}
	}
	if err := store.AppendDebt(path, debt("g_1")); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	whole := string(b)
	if err := os.WriteFile(path, []byte(whole+whole[:len(whole)/2]), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := store.AppendDebt(path, debt("g_2")); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	second := string(got[len(whole)+len(whole)/2:])
	if second == "" || second[0] != '\n' || second[len(second)-1] != '\n' || len(second) < len(whole) {
		t.Errorf("the debt after a torn line is %q: it must stand on a line of its own", second)
	}
}
