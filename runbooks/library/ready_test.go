package library_test

import (
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/library"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/incidents"
	start "github.com/countersign-bot/countersign/workflows/library"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// ready compiles the start of a company with all documents in it, as init writes them.
func ready(t *testing.T) spec.Policies {
	t.Helper()
	files := fstest.MapFS{}
	for from, folder := range map[string]fs.FS{".": start.FS(), "runbooks": library.FS()} {
		err := fs.WalkDir(folder, ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := fs.ReadFile(folder, name)
			files[path.Join(from, name)] = &fstest.MapFile{Data: b}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	f, err := spec.Load(files, spec.Options{Connectors: []string{"sshca", "postgres"}})
	if err != nil {
		t.Fatalf("the start is refused with these runbooks:\n%v", err)
	}
	p, err := f.Compile(func(key string) workflows.PersonID { return workflows.PersonID("p_" + key) })
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestReq_R53_EightRunbooksAreReady: each of the eight is read strictly in the folder that init writes, is practised and looked at at least
// as often as the guidance says, is reviewed within a day by somebody who did not invoke it, and has steps that a person follows by hand.
func TestReq_R53_EightRunbooksAreReady(t *testing.T) {
	t.Parallel()
	p := ready(t)
	if len(p.Runbooks) != len(eight())+len(routines()) {
		t.Errorf("%d runbooks, want %d and %d routines", len(p.Runbooks), len(eight()), len(routines()))
	}
	for _, name := range eight() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, ok := p.Runbooks[workflows.RunbookID(strings.TrimSuffix(name, ".md"))]
			if !ok {
				t.Fatal("it is not there")
			}
			answered(t, b.Runbook)
			followed(t, b)
			notUsedUnapproved(t, b.Runbook)
		})
	}
}

// answered: somebody owns, reviews and practises it.
func answered(t *testing.T, b incidents.Runbook) {
	t.Helper()
	const day = 24 * time.Hour
	if d := b.DrillEvery.Duration(); d <= 0 || d > 90*day {
		t.Errorf("practised every %v, want at least every 90 days", d)
	}
	if d := b.ReviewEvery.Duration(); d <= 0 || d > 366*day {
		t.Errorf("looked at every %v, want at least once a year", d)
	}
	if d := b.ReviewDue.Duration(); d <= 0 || d > day {
		t.Errorf("reviewed within %v, want a day", d)
	}
	if b.Owner == "" || len(b.Reviewers.People)+len(b.Reviewers.Groups) == 0 {
		t.Errorf("owner %q, reviewers %+v", b.Owner, b.Reviewers)
	}
	for what, text := range map[string]string{"purpose": b.Purpose, "use_when": b.UseWhen, "do_not_use_when": b.DoNotUseWhen} {
		if len(strings.Fields(text)) < 8 {
			t.Errorf("%s says too little: %q", what, text)
		}
	}
	if g := b.BreakGlass; g != nil && (g.Longest >= b.Longest || b.Tell == nil) {
		t.Errorf("break glass is neither shorter nor louder: %+v", g)
	}
}

// followed: at least five steps with words for a person, the same for every reader, and what comes when it fails and afterwards.
func followed(t *testing.T, b spec.RunbookPolicy) {
	t.Helper()
	d, err := runbooks.ParseDocument(string(b.Runbook.ID), b.Raw)
	if err != nil {
		t.Fatal(err)
	}
	plan := b.Runbook.Plan(b.Raw)
	if len(plan) < 5 || len(plan) != len(d.Steps) {
		t.Fatalf("%d steps, %d for a reader of Markdown; want five or more, the same for both", len(plan), len(d.Steps))
	}
	for i, s := range plan {
		if words := strings.Fields(d.Steps[i].Text); len(words) < 12 && s.Action == "" {
			t.Errorf("step %d says too little: %q", i+1, words)
		}
		if s.Action != "" && !strings.Contains(d.Steps[i].Text, "By hand") {
			t.Errorf("step %d is done by the bot and does not say how it is done by hand", i+1)
		}
	}
	for _, title := range []string{"If it goes wrong", "Rollback", "Drill"} {
		if !slices.ContainsFunc(d.Sections, func(s runbooks.Section) bool { return s.Title == title && s.Text != "" }) {
			t.Errorf("no section %q", title)
		}
	}
}

// notUsedUnapproved: a copy that nobody approved comes to nothing, whoever asks and whatever is on fire.
func notUsedUnapproved(t *testing.T, b incidents.Runbook) {
	t.Helper()
	in := incidents.Invocation{Book: b, Incident: "INC-1", Situation: incidents.Situation{Incident: incidents.Incident{Known: true, Open: true, Severity: 1}}}
	failed := incidents.State{}.Assess(in, workflows.Stamp(time.Date(2026, 11, 2, 3, 0, 0, 0, time.UTC).UnixMicro())).Failed()
	if !slices.ContainsFunc(failed, func(c incidents.Condition) bool { return c.Name == incidents.CondApproved && c.Says != "" }) {
		t.Errorf("nobody approved it, and only this fails: %+v", failed)
	}
	if slices.ContainsFunc(failed, func(c incidents.Condition) bool {
		return c.Name == incidents.CondIncident || c.Name == incidents.CondSeverity
	}) {
		t.Errorf("an open incident of severity 1 is not enough: %+v", failed)
	}
}
