package spec_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// The whole language as it is compiled: what the engine, the ledger and every verifier see of the example company. People stand there by their
// keys, so that the file can be read; the bytes of the start are held by compiled.txt.
func TestTheLanguageCompilesToTheseValues(t *testing.T) {
	t.Parallel()
	f, err := spec.Load(company(t), connectors())
	if err != nil {
		t.Fatal(err)
	}
	p, err := f.Compile(func(key string) workflows.PersonID { return workflows.PersonID("p_" + key) })
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	for _, id := range slices.Sorted(maps.Keys(p.Workflows)) {
		w := p.Workflows[id].Workflow
		for i := range w.Entitlements { // they stand with their targets, below
			w.Entitlements[i] = workflows.Entitlement{Target: w.Entitlements[i].Target, ID: w.Entitlements[i].ID}
		}
		if w.Kind != workflows.KindPreapprove {
			if diff := cmp.Diff(p.Risk, w.Risk); diff != "" {
				t.Errorf("%s carries another table of risks (-folder +workflow):\n%s", id, diff)
			}
		}
		w.Risk = nil
		writeIndented(t, &b, w)
	}
	writeIndented(t, &b, p.Risk)
	for _, e := range p.Entitlements {
		writeIndented(t, &b, e)
	}
	goldenFile(t, "language.txt", b.Bytes())
}

func writeIndented(t *testing.T, b *bytes.Buffer, v any) {
	t.Helper()
	raw, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	b.Write(append(raw, '\n'))
}

// TestReq_R30_EveryAskHasATierAndTheTierSaysWhatItDemands is the decision table as it decides: each entitlement of the example company for
// each kind of holder, with the row that says so. A change of it is a change of what every chain must demand.
func TestReq_R30_EveryAskHasATierAndTheTierSaysWhatItDemands(t *testing.T) {
	t.Parallel()
	p := compiled(t, company(t))
	w := workflows.Workflow{Risk: p.Risk}
	var b strings.Builder
	for _, e := range p.Entitlements {
		for _, kind := range []string{"person", "service_account", "ai_agent"} {
			tier, row, ok := w.TierOf(e, kind)
			if !ok {
				t.Errorf("%s has no tier for %s", e.Name(), kind)
			}
			fmt.Fprintf(&b, "%-28s %-16s row %d  %-8s longest %s, %d approvers, review %s, step-up %v\n", e.Name(), kind, row, tier.Name, tier.Longest, tier.Approvers, tier.Review, tier.StepUp)
		}
	}
	goldenFile(t, "risk.txt", []byte(b.String()))
	wantRefused(t, "rule-tier-approvers", "with 1 person's approval, and its tier", "demands 2")
	wantRefused(t, "rule-auto-tier", "with nobody's approval, and its tier", "demands 1")
	wantRefused(t, "risk-no-last", "an ask that no row fits would have no tier")
}

// Two steps make two people only where somebody who approved the first does not count in the second: by default, and when distinct_from
// names it. The engine counts in the same way when somebody asks.
func TestReq_R30_StepsThatMayRepeatPeopleDoNotAddUp(t *testing.T) {
	t.Parallel()
	at := "      groups: [security]\n    remind: 1wh\n"
	for add, want := range map[string]bool{"": true, "    distinct_from: [Database]\n": true, "    repeat: true\n": false} {
		f := company(t)
		edit(t, f, "workflows/prod-database.yaml", at, at+add)
		got := problems(t, f)
		if (got == "") != want || !want && !strings.Contains(got, `demands 2`) {
			t.Errorf("with %q the problems are\n%s", add, got)
		}
	}
}

// A rule may approve by itself where the tier demands nobody, so often per person, and a part of it is looked at afterwards.
func TestReq_R70_AutomaticApprovalIsARuleWithACapAndASample(t *testing.T) {
	t.Parallel()
	w := compiled(t, company(t)).Workflows["k8s-namespace"].Workflow
	want := &workflows.Auto{Times: 5, Per: 24 * 3600, Sample: 20}
	if diff := cmp.Diff(want, w.Rules[0].Auto); diff != "" || w.Rules[0].Stages != nil {
		t.Errorf("rule %q is %+v (-want +got):\n%s", w.Rules[0].Name, w.Rules[0], diff)
	}
	for _, f := range []string{"rule-auto-no-sample", "rule-auto-sample-zero", "rule-auto-no-cap", "rule-auto-everything", "rule-auto-tier", "rule-auto-window", "rule-auto-stages"} {
		wantRefused(t, f, "workflows/")
	}
}

// Windows of named automation have hours, a count, a lifetime, a budget and an end.
func TestReq_R82_AWindowHasItsLimits(t *testing.T) {
	t.Parallel()
	w := compiled(t, company(t)).Workflows["api-key-window"].Workflow
	want := &workflows.WindowTerms{Hours: "Mon-Fri 01:00-04:00", Zone: "UTC", Times: 1, Per: 24 * 3600, Lifetime: 1800, Budget: 150}
	if diff := cmp.Diff(want, w.Window); diff != "" || w.Kind != workflows.KindWindow || w.Longest != 180*24*3600 {
		t.Errorf("the window of %s for %s (-want +got):\n%s", w.Kind, w.Longest, diff)
	}
	for _, f := range []string{"window-missing", "window-no-budget", "window-lifetime", "window-longest", "window-self", "window-both"} {
		wantRefused(t, f, "workflows/api-key-window.yaml:")
	}
}

// The fourth extension can be sent through a further stage: how often access was extended is an input.
func TestReq_R34_RenewalsCanNeedAFurtherStage(t *testing.T) {
	t.Parallel()
	w := compiled(t, company(t)).Workflows["agent-tool"].Workflow
	c := spec.NewConditions()
	for renewals, want := range map[int][]string{0: {"Owner and security"}, 1: {"Owner and security"}, 2: {"Owner and security", "Lead"}, 9: {"Owner and security", "Lead"}} {
		in := seen()
		in.Renewals = renewals
		var matched []bool
		for _, r := range w.Rules {
			yes := true
			if r.When != "" {
				var err error
				if yes, err = c.Eval(r.When, in); err != nil {
					t.Fatal(err)
				}
			}
			matched = append(matched, yes)
		}
		choice, refusal := w.Pick(matched, 1800)
		if refusal != nil || !slices.Equal(choice.Stages, want) {
			t.Errorf("after %d extensions it goes through %v (%v), want %v", renewals, choice.Stages, refusal, want)
		}
	}
}

// The same name of a role means the same on each target: what it grants is written with the target, and what the form fills in is a choice.
func TestReq_R79_WhatARoleMeansStandsWithItsTarget(t *testing.T) {
	t.Parallel()
	p := compiled(t, company(t))
	got := map[string]map[string][]string{}
	for _, e := range p.Entitlements {
		if e.ID == "namespace-edit" {
			got[e.Name()] = e.Params
		}
	}
	want := map[string]map[string][]string{
		"k8s-prod/namespace-edit":    {"namespace": {"${fields.namespace}"}, "cluster_role": {"edit"}},
		"k8s-staging/namespace-edit": {"namespace": {"${fields.namespace}"}, "cluster_role": {"edit"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, f := range []string{"field-reference-text", "field-reference-optional", "field-reference-part", "field-reference-other", "field-reference-missing", "field-reference-runbook"} {
		wantRefused(t, f, ":")
	}
}

func TestCalendarsAreJoined(t *testing.T) {
	t.Parallel()
	p := compiled(t, company(t))
	if len(p.Calendars) != 3 {
		t.Fatalf("%d calendars, want 3", len(p.Calendars))
	}
	london, berlin, us := p.Calendars[0], p.Calendars[1], p.Calendars[2]
	has := func(c spec.Calendar, date string) bool {
		d, err := calendar.ParseDate(date)
		if err != nil {
			t.Fatal(err)
		}
		return slices.Contains(c.Holidays, d)
	}
	for _, x := range []struct {
		c    spec.Calendar
		date string
		want bool
	}{
		{london, "2026-12-25", true}, {london, "2027-06-18", true}, {london, "2027-06-17", false}, // public, of the iCalendar file, neither
		{berlin, "2027-03-08", true}, {berlin, "2026-10-03", true}, {berlin, "2027-06-18", false}, // of Berlin only, of Germany
		{us, "2026-11-26", true}, {us, "2026-11-27", true}, {us, "2026-11-30", false}, // public, written
	} {
		if has(x.c, x.date) != x.want {
			t.Errorf("%s: %s is a holiday: %v", x.c.Name, x.date, !x.want)
		}
	}
	for _, c := range p.Calendars {
		if !slices.IsSortedFunc(c.Holidays, func(a, b calendar.Date) int { return a.Since(b) }) || len(slices.Compact(slices.Clone(c.Holidays))) != len(c.Holidays) {
			t.Errorf("%s: the holidays are not in order, each once", c.Name)
		}
	}
	if berlin.Hours != "Mon-Fri 09:00-17:00" {
		t.Errorf("hours without a word are %q", berlin.Hours)
	}
	for at, want := range map[string]bool{
		"2026-12-18T18:00:00Z": true, "2026-12-18T17:59:00Z": false, "2027-01-04T07:59:00Z": true, "2027-01-04T08:00:00Z": false,
	} {
		if _, got := london.Business.Frozen(stamp(at), []string{"year-end"}); got != want {
			t.Errorf("frozen at %s: %v, want %v", at, got, want)
		}
	}
	for at, want := range map[string]bool{"2026-11-18T09:00:00Z": true, "2026-11-18T18:30:00Z": false, "2026-11-22T12:00:00Z": false, "2026-12-25T12:00:00Z": false} {
		if got := london.Business.IsOpen(stamp(at)); got != want {
			t.Errorf("open at %s: %v, want %v", at, got, want)
		}
	}
}

func TestRotationsAreMadeOfListsAndFiles(t *testing.T) {
	t.Parallel()
	p := compiled(t, company(t))
	on := map[string]map[string][]workflows.PersonID{
		"dba-duty": {
			"2026-01-05T06:00:00Z": {ids("ravi")}, "2026-01-05T05:59:00Z": nil, "2026-01-12T06:00:00Z": {ids("finn")},
			"2026-12-24T00:00:00Z": {ids("sam")}, "2026-12-26T23:59:00Z": {ids("sam")}, // the exchange, its last day as a whole
		},
		"sre-duty": {"2026-11-18T10:00:00Z": {ids("ada")}, "2026-11-18T20:00:00Z": {ids("nora")}, "2026-11-19T01:00:00Z": {ids("yuki")}},
	}
	people := map[string][]string{"dba-duty": {"finn", "ravi", "sam"}, "sre-duty": {"ada", "nora", "yuki"}}
	for _, r := range p.Rotations {
		for at, want := range on[r.Name] {
			if got := r.Rotation.On(stamp(at)); !slices.Equal(got, want) {
				t.Errorf("%s at %s: %v are on shift, want %v", r.Name, at, got, want)
			}
		}
		var want []workflows.PersonID
		for _, k := range people[r.Name] {
			want = append(want, ids(k))
		}
		if !slices.Equal(r.People, want) {
			t.Errorf("%s is made of %v, want %v", r.Name, r.People, want)
		}
	}
	if len(p.Rotations) != 2 {
		t.Errorf("%d rotations, want 2", len(p.Rotations))
	}
}

func TestTimeOffIsOnTheClockOfThePerson(t *testing.T) {
	t.Parallel()
	f := company(t)
	edit(t, f, "people.yaml", "{from: 2026-12-21, until: 2027-01-03}", "{from: 2026-12-21, until: 2027-01-03}\n      - {from: 2026-10-24 12:00, until: 2026-10-25 02:30}")
	for _, p := range compiled(t, f).People {
		if p.Key != "lena" {
			continue
		}
		want := []calendar.Interval{
			{From: stamp("2026-12-20T23:00:00Z"), To: stamp("2027-01-03T23:00:00Z")}, // whole days in Berlin
			{From: stamp("2026-10-24T10:00:00Z"), To: stamp("2026-10-25T01:30:00Z")}, // 02:30 comes twice that night: the last of the two
		}
		if diff := cmp.Diff(want, p.TimeOff); diff != "" || p.Calendar != "berlin" {
			t.Errorf("lena, calendar %q (-want +got):\n%s", p.Calendar, diff)
		}
	}
}

func TestPolicyTestsAreCompiled(t *testing.T) {
	t.Parallel()
	f := company(t)
	f["tests/more.txt"] = file("nora submits; ravi approves -> approved\n")
	p := compiled(t, f)
	n := 0
	for _, x := range p.Tests {
		n += len(x.Tests)
	}
	if len(p.Tests) != 5 || n < 30 {
		t.Errorf("%d files with %d tests, want 5 with 30 at least", len(p.Tests), n)
	}
	if len(p.Stories) != 2 || p.Stories[0].File != "tests/more.txt" || !bytes.HasPrefix(p.Stories[0].Text, []byte("nora submits")) {
		t.Errorf("stories are %+v", p.Stories)
	}
	i := slices.IndexFunc(p.Tests, func(x spec.TestFile) bool { return x.File == "tests/prod-database.yaml" })
	held := p.Tests[i].Tests[5]
	want := spec.Test{
		Name: "Who holds it already is told so, and nobody is paged", Line: 39, At: stamp("2026-11-18T20:00:00Z"),
		Given: spec.Given{Active: []spec.TestGrant{{Holder: workflows.IdentityID(ids("nora")), Target: "pg-orders", Entitlement: "read", Ends: stamp("2026-11-19T04:00:00Z")}}},
		Ask: spec.TestAsk{
			Who: ids("nora"), Workflow: "prod-database", Target: "pg-orders", Entitlement: "read", Seconds: 3600, Channel: "slack",
			Fields: map[string]string{"area": "orders_read", "ticket": "SUP-4711"}, Reason: held.Ask.Reason,
		},
		Expect: spec.Expect{Outcome: "refused", Code: "already_held"},
	}
	if diff := cmp.Diff(want, held); diff != "" || len(held.Ask.Reason) < 20 {
		t.Errorf("the test is, with the reason %q (-want +got):\n%s", held.Ask.Reason, diff)
	}
	owned := p.Tests[i].Tests[7]
	if owned.Ask.For != "svc-tile-builder" || !slices.Equal(owned.Expect.Stages[0].Cannot, []workflows.PersonID{ids("nora")}) {
		t.Errorf("the test for an identity is %+v", owned)
	}
}

// A reason that a test leaves out is long enough for the workflow.
func TestMadeUpReasonsAreLongEnough(t *testing.T) {
	t.Parallel()
	f := company(t)
	edit(t, f, "workflows/cloud-admin.yaml", "reason_min: 30", "reason_min: 400")
	for _, x := range compiled(t, f).Tests {
		for _, y := range x.Tests {
			if n := len(y.Ask.Reason); y.Ask.Workflow == "cloud-admin" && (n < 400 || n > workflows.MaxReason) {
				t.Errorf("%s: the reason has %d characters", y.Name, n)
			}
		}
	}
}

// A time that a zone skips is the first moment after the gap, as everywhere.
func TestMomentsOfTestsFollowTheClocks(t *testing.T) {
	t.Parallel()
	f := company(t)
	edit(t, f, "tests/cloud-admin.yaml", "when: 2026-12-22T10:00 Europe/London", "when: 2026-03-29T01:30 Europe/London")
	p := compiled(t, f)
	if at := p.Tests[0].Tests[2].At; at != stamp("2026-03-29T01:00:00Z") {
		t.Errorf("01:30 on the day on which London has none is %s", at.Time().Format(time.RFC3339))
	}
}

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text), Mode: 0o644} }
