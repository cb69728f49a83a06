package spec_test

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/countersign-bot/countersign/workflows/calendar"
	"github.com/countersign-bot/countersign/workflows/library"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// today is the date of the tests: files carry dates.
var today = calendar.Date{Year: 2026, Month: time.November, Day: 22}

func lints(t *testing.T, fsys fs.FS) string {
	t.Helper()
	f, err := spec.Load(fsys, connectors())
	if err != nil {
		t.Fatalf("the folder is refused:\n%v", err)
	}
	var b strings.Builder
	for _, p := range f.Lint(today) {
		b.WriteString(p.String())
	}
	return b.String()
}

// TestReq_R42_LintsSayWhatIsProbablyNotMeant holds every lint to its words: each fixture is the example company with one thing in it that is
// allowed and probably not meant. The company itself has none.
func TestReq_R42_LintsSayWhatIsProbablyNotMeant(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob(filepath.Join(brokenDir, "lint", "*.txtar"))
	if err != nil || len(names) < 15 {
		t.Fatalf("%d fixtures of lints (%v), want 15 at least", len(names), err)
	}
	for _, n := range names {
		t.Run(strings.TrimSuffix(filepath.Base(n), ".txtar"), func(t *testing.T) {
			t.Parallel()
			a, err := txtar.ParseFile(n)
			if err != nil {
				t.Fatal(err)
			}
			got := lints(t, broken(t, a))
			if got == "" {
				t.Fatal("nothing was warned of")
			}
			golden(t, n, a, got)
		})
	}
}

func TestTheLibraryHasNothingToWarnOf(t *testing.T) {
	t.Parallel()
	for name, fsys := range map[string]fs.FS{"start": library.FS(), "company": library.Company()} {
		if got := lints(t, fsys); got != "" {
			t.Errorf("%s is warned of:\n%s", name, got)
		}
	}
}

// wantLint runs one fixture and wants the words in what is warned of.
func wantLint(t *testing.T, fixture string, words ...string) {
	t.Helper()
	a, err := txtar.ParseFile(filepath.Join(brokenDir, "lint", fixture+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	got := lints(t, broken(t, a))
	for _, w := range words {
		if !strings.Contains(got, w) {
			t.Errorf("%s: the warnings do not say %q:\n%s", fixture, w, got)
		}
	}
}

// wantRefused runs one fixture of a broken folder and wants the words in the problem.
func wantRefused(t *testing.T, fixture string, words ...string) {
	t.Helper()
	a, err := txtar.ParseFile(filepath.Join(brokenDir, fixture+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	got := problems(t, broken(t, a))
	for _, w := range words {
		if !strings.Contains(got, w) {
			t.Errorf("%s: the problems do not say %q:\n%s", fixture, w, got)
		}
	}
}

func TestReq_R9_ChainsThatHangOnOnePersonOneZoneOrOneGroup(t *testing.T) {
	t.Parallel()
	wantLint(t, "single-person", "is approved by one person alone")
	wantLint(t, "one-approver", `step "Security" hangs on one person`)
	wantLint(t, "one-zone", "everybody lives in Europe/London; at night nobody answers")
	wantLint(t, "own-group", `group "security" asks and approves, and nobody else is ever asked`)
}

func TestReq_R44_TheNetworkNeverGives(t *testing.T) {
	t.Parallel()
	for _, f := range []string{"condition-network-only", "condition-network-or", "condition-network-not", "condition-network-choice"} {
		wantRefused(t, f, "only the network is looked at")
	}
	f := company(t)
	edit(t, f, "workflows/cloud-admin.yaml", "    when: fields.accounts > 20\n", "    when: network == \"cafe\"\n") // a rule that refuses may look at nothing else
	edit(t, f, "workflows/prod-database.yaml", `tier == "medium"`, `tier == "medium" && network != "cafe"`)         // and one that gives may look at it beside
	delete(f, "tests/cloud-admin.yaml")
	if got := problems(t, f); got != "" {
		t.Errorf("a network that restricts is refused:\n%s", got)
	}
}

func TestReq_R50_AWildcardIsMeantAndOfAHigherTier(t *testing.T) {
	t.Parallel()
	wantRefused(t, "entitlement-wildcard", "is a wildcard: breadth all is everything on the target")
	wantRefused(t, "entitlement-wildcard-false", "is a wildcard")
	wantRefused(t, "entitlement-wildcard-low", `is a wildcard and yet of the lowest tier, "low"`)
}

func TestReq_R57_LengthsThatATierCutsOff(t *testing.T) {
	t.Parallel()
	wantLint(t, "longer-than-tier", `offers 8h, and "k8s-prod/namespace-edit" is of tier "medium", which allows 6h`)
	wantLint(t, "long-access", "be held for 60d, which is as good as for ever")
	wantRefused(t, "extend-no-cap", "extend.cap is missing")
	wantRefused(t, "extend-cap-short", "is not longer than one ask")
}

func TestReq_R61_EntitlementsSayWhatTheyAreFor(t *testing.T) {
	t.Parallel()
	wantRefused(t, "entitlement-no-task", "business_task is missing")
	wantRefused(t, "entitlement-no-description", "description is missing")
	wantRefused(t, "entitlement-no-review", "review_date is missing")
	wantRefused(t, "target-no-owner", "has no owner, so nobody could request anything on it")
	wantLint(t, "ungranted", `"cloud/billing" is granted by no workflow and no runbook`)
	wantLint(t, "review-overdue", `entitlement "cloud/admin" was to be looked at by 2026-11-21`, `"deploys/during-freeze" is of tier "high", which is looked at every 90d: 2027-02-21 is too late`)
}

func TestReq_R96_DutiesAreSeparate(t *testing.T) {
	t.Parallel()
	wantLint(t, "conflict-granted", `grants "github/member" and "github/maintain", and nobody may hold both (build-and-release)`)
	p := compiled(t, company(t))
	for _, e := range p.Entitlements {
		if e.Name() == "github/maintain" && (len(e.Conflicts) != 1 || e.Conflicts[0].With[0] != "deploys/during-freeze" || e.Conflicts[0].Set != "build-and-release") {
			t.Errorf("github/maintain conflicts with %+v", e.Conflicts)
		}
		if e.Name() == "pg-orders/read" && e.Conflicts != nil {
			t.Errorf("pg-orders/read conflicts with %+v", e.Conflicts)
		}
	}
}

// A warning stands in the order of files and lines, and a folder that is read twice warns of the same.
func TestWarningsAreTheSameEachTime(t *testing.T) {
	t.Parallel()
	f := company(t)
	f["risk.yaml"] = nil
	delete(f, "risk.yaml")
	for _, n := range []string{"cloud-admin", "github-team", "k8s-namespace", "other-chains", "prod-database"} {
		delete(f, "tests/"+n+".yaml")
	}
	edit(t, f, "workflows/prod-database.yaml", ` && tier == "medium"`, "")
	edit(t, f, "workflows/k8s-namespace.yaml", ` && tier == "low"`, "")
	first := lints(t, f)
	if strings.Count(first, "one person alone") < 3 {
		t.Fatalf("the warnings are\n%s", first)
	}
	for range 5 {
		if got := lints(t, f); got != first {
			t.Fatalf("the warnings change from\n%s\nto\n%s", first, got)
		}
	}
}
