package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/workflows/incidents"
)

// Nobody with the bot's own connection to its database takes an entry back or writes over one: the audit is protected by more than habit, and
// what was recorded stays for whoever investigates later.
func TestGlass_15_NoEntryIsChanged(t *testing.T) {
	t.Parallel()
	org, data := filepath.Join(t.TempDir(), "org"), filepath.Join(t.TempDir(), "data")
	mustSay(t, writeDemoConfig(org, "22"))
	mustSay(t, makeFixture(t.Context(), []string{"ledger", org, data}))
	db := rawDB(t, data)
	for _, statement := range []string{
		`UPDATE log_entry SET leaf = x'7b7d' WHERE idx = 1`, `DELETE FROM log_entry WHERE idx = 1`, `DELETE FROM log_entry`,
		`INSERT INTO log_entry (idx, leaf) VALUES (1, x'7b7d')`,
	} {
		if _, err := db.ExecContext(t.Context(), statement); err == nil || !strings.Contains(err.Error(), "append-only") {
			t.Errorf("%s: %v", statement, err)
		}
	}
	if out, errs, code := runHere(t, nil, "ledger", "verify", "-data", data); code != exitDone {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
}

// What was recorded about a use is there for as long as the ledger is: years later the same entries verify, and no command removes one.
func TestGlass_16_EntriesAreKept(t *testing.T) {
	t.Parallel()
	org, data := filepath.Join(t.TempDir(), "org"), filepath.Join(t.TempDir(), "data")
	mustSay(t, writeDemoConfig(org, "22"))
	mustSay(t, makeFixture(t.Context(), []string{"ledger", org, data}))
	before, _, code := runHere(t, nil, "ledger", "show", "-data", data, "-last", "0")
	if code != exitDone || strings.Count(before, "\n") < 5 {
		t.Fatalf("exit %d:\n%s", code, before)
	}
	var erasing []string
	for _, c := range commands() {
		if strings.Contains(c.name, "delete") || strings.Contains(c.name, "purge") || strings.Contains(c.name, "prune") {
			erasing = append(erasing, c.name)
		}
	}
	if len(erasing) > 0 {
		t.Errorf("there are commands that sound like taking entries away: %q", erasing)
	}
	if out, errs, code := runHere(t, nil, "ledger", "verify", "-data", data); code != exitDone {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	if after, _, _ := runHere(t, nil, "ledger", "show", "-data", data, "-last", "0"); after != before {
		t.Error("looking at the ledger has changed it")
	}
}

// TestGlass_EveryDemandHasATest: each demand of the published guidance has a test of its number somewhere; of what only people can do, the manual
// says what.
func TestGlass_EveryDemandHasATest(t *testing.T) {
	t.Parallel()
	found := map[string]bool{}
	named := regexp.MustCompile(`Glass_(\d\d)_[A-Z]`)
	mustSay(t, filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		for _, m := range named.FindAllSubmatch(b, -1) {
			found[string(m[1])] = true
		}
		return err
	}))
	for i, d := range incidents.Guidance() {
		number := fmt.Sprintf("%02d", d.Number)
		if d.Number != i+1 || d.Asks == "" || d.Source == "" || len(strings.Fields(d.Here)) < 5 {
			t.Errorf("demand %d: %+v", i+1, d)
		}
		if !found[number] {
			t.Errorf("demand %d has no test: %s", d.Number, d.Asks)
		}
	}
	if len(incidents.Guidance()) != 26 {
		t.Errorf("%d demands", len(incidents.Guidance()))
	}
}
