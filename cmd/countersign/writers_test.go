package main_test

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// TestThreat_T21_OnlyTheRulesWriteDecisions: no command, page, connector, import or clock reaches a decision around its check. The entries that decide are
// made in the rooms of the rules and nowhere else; only the command may open the store at all, and which of its files write to it by themselves (alarms,
// erasures, what was delivered or found) is listed here. `ledger verify` decides each entry again, so that one that came in another way does not hold.
func TestThreat_T21_OnlyTheRulesWriteDecisions(t *testing.T) {
	t.Parallel()
	for _, w := range walls {
		if slices.Contains(w.ours, "store") && w.room != "cmd/countersign" && !strings.HasPrefix(w.room, "store/") {
			t.Errorf("%s may open the store", w.room)
		}
	}
	var names []string
	for _, e := range []workflows.Event{
		workflows.Submitted{},
		workflows.VoteRecorded{},
		workflows.StageSatisfied{},
		workflows.Approved{},
		grants.Approved{},
		identities.Renewed{},
		identities.HandoverAnswered{},
		identities.AccountOrdered{},
		identities.WindowGranted{},
		identities.ExceptionGranted{},
	} {
		names = append(names, regexp.QuoteMeta(reflect.TypeOf(e).String()))
	}
	makes := regexp.MustCompile(`\b(` + strings.Join(names, "|") + `)\{\s*[^}\s]`)
	writes := regexp.MustCompile(`\.(store|Ledger)\.Update\(`)
	itself := []string{
		"alarm.go", "anchors.go", "erase.go", "findings.go", "friction.go", "identities_digest.go", "keys_rotate.go", "reconcile.go", "runbook_watch.go",
		"serve_jobs.go", "streams_serve.go",
	}
	wrote := 0
	goFiles(t, func(path, text string) {
		name, ours := strings.CutPrefix(path, "cmd/countersign/")
		decides, records := makes.FindString(text), writes.MatchString(text)
		switch {
		case strings.HasSuffix(path, "_test.go") || ours && (name == "rehearse.go" || strings.HasPrefix(name, "bench_")): // ledgers of their own, in memory and of measurements
		case strings.HasPrefix(path, "workflows/"): // the rooms of the rules
		case decides != "":
			t.Errorf("%s makes an entry that decides: %q", path, decides)
		case records && (!ours || !slices.Contains(itself, name)):
			t.Errorf("%s writes to the ledger by itself: let the desk do it, or say here what it records", path)
		case records:
			wrote++
		}
	})
	if wrote != len(itself) {
		t.Errorf("%d files write by themselves, and the list has %d", wrote, len(itself))
	}
	if !makes.MatchString("x := workflows.VoteRecorded{Stage: 1}") || makes.MatchString("workflows.VoteRecorded{}.Kind()") {
		t.Error("the pattern finds nothing, or everything")
	}
}
