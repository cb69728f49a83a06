package main

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
)

// TestDeepCheck checks a sound ledger, and one whose entry was changed while the bot runs: the start would not have read it.
func TestDeepCheck(t *testing.T) {
	org, data := filepath.Join(t.TempDir(), "org"), filepath.Join(t.TempDir(), "data")
	if err := writeDemoConfig(org, "22"); err != nil {
		t.Fatal(err)
	}
	if err := makeFixture(t.Context(), []string{"ledger", org, data}); err != nil {
		t.Fatal(err)
	}
	st, err := openFixture(t.Context(), data)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	var log bytes.Buffer
	s := &serving{store: st, log: slog.New(slog.NewTextHandler(&log, nil))}
	if err := s.checkWhole(t.Context()); err != nil || s.deep.state.Load() != 1 || s.deep.problem() != "" {
		t.Errorf("a sound ledger: state %d, %q, %v", s.deep.state.Load(), s.deep.problem(), err)
	}
	if err := damage(t.Context(), data, "edit"); err != nil {
		t.Fatal(err)
	}
	if err := s.checkWhole(t.Context()); err != nil || s.deep.state.Load() != -1 || !strings.Contains(s.deep.problem(), "was changed") {
		t.Errorf("a changed entry: state %d, %q, %v", s.deep.state.Load(), s.deep.problem(), err)
	}
	if !strings.Contains(log.String(), "THE LEDGER FAILS ITS CHECK") {
		t.Errorf("nobody was told: %s", log.String())
	}
}
