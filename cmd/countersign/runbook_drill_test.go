package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack/slacksim"
	"github.com/countersign-bot/countersign/runbooks/library"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/reviews"
	"github.com/countersign-bot/countersign/workflows/runs"
)

// booksChain approves the ready runbooks for the drills: Maya asks, and Kenji, who drills, does not stand in the way of a test.
const booksChain = `id: books
title: Approve a ready runbook
purpose: For the tests of drills.
kind: runbook
owner: jonas
may_ask: {people: [maya]}
longest: 90d
usual: 30d
uses: 5
reason_min: 10
seen_by: members
channel: "#access"
stages:
  - name: Read
    approvers: {people: [kenji, frida]}
    quorum: 1
    timeout: 8h
`

// TestReq_R53_EveryReadyRunbookIsDrilled practises the eight from end to end on a running bot with a bastion and a database: approved, invoked as
// a drill in an open incident, each step done by whoever may (a second person where the text wants one), what connectors do really done,
// finished, reviewed as a drill by somebody else. Each is then known as practised, its access has ended, nothing has to be rotated after it,
// and not one second of product time had to be skipped for it: all eight take less than the 60 s that the figure allows.
func TestReq_R53_EveryReadyRunbookIsDrilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	standsStill(t, dir)
	mustSay(t, os.WriteFile(filepath.Join(dir, "go"), nil, 0o600))
	names, err := fs.Glob(library.FS(), "*.md")
	mustSay(t, err)
	names = slices.DeleteFunc(names, func(name string) bool { return strings.HasPrefix(name, "rotate-") }) // routines: no incident opens them
	w := portalWorld(t, "kenji", func(config string) {
		mustSay(t, os.WriteFile(filepath.Join(config, "targets", "pg-main.yaml"), []byte(strings.ReplaceAll(databaseTarget, "DIR", dir)), 0o600))
		mustSay(t, os.WriteFile(filepath.Join(config, "workflows", "books.yaml"), []byte(booksChain), 0o600))
		for _, name := range names {
			mustSay(t, os.WriteFile(filepath.Join(config, "runbooks", name), []byte(readyBook(t, name)), 0o600))
		}
	})
	if len(names) != 8 {
		t.Fatalf("%d ready runbooks", len(names))
	}
	for _, name := range names {
		w.approveReady(strings.TrimSuffix(name, ".md"))
	}
	incident := incidentIn.FindString(w.must("incident", "open", "1", "A day for drills"))
	began := w.clock.Now().Wall
	for i, name := range names {
		w.drill(strings.TrimSuffix(name, ".md"), incident, i+1)
	}
	t.Logf("eight drills took %s of product time", w.clock.Now().Wall.Sub(began))
	var list []bookLine
	w.check(json.Unmarshal([]byte(w.must("runbook", "list", "-json")), &list))
	for _, b := range list {
		if b.ID != "web-outage" && b.Drilled == "" {
			t.Errorf("%s does not count as practised: %+v", b.ID, b)
		}
	}
	for _, r := range w.entries(grants.Approved{}.Kind()) {
		if e := r.Event.(grants.Approved); !e.Drill {
			t.Errorf("a drill gave %s/%s as if it were none", e.Target, e.Entitlement)
		}
	}
	w.recorded(grants.Revoked{}.Kind(), len(names))
	w.verify()
}

// approveReady has the text of a runbook approved, the short way.
func (w *world) approveReady(id string) {
	w.t.Helper()
	ctx := w.t.Context()
	n := len(w.entries(incidents.Preapproved{}.Kind()))
	w.check(w.command(ctx, "maya", "/access", "request books"))
	_, err := w.view(ctx, "maya", screens.CallForm)
	w.check(err)
	w.check(w.submit(ctx, "maya", map[string]any{screens.BlockRunbook: id, screens.BlockDuration: "30d", screens.BlockReason: "The drills of this quarter: " + id}))
	w.must("approve", requestIn(w.t, w.must("list")), "-yes")
	w.recorded(incidents.Preapproved{}.Kind(), n+1)
}

// drill practises one runbook; nth is how many were, this one included.
func (w *world) drill(id, incident string, nth int) {
	w.t.Helper()
	ctx := w.t.Context()
	words := []string{"runbook", "drill", id, incident}
	w.must(append(words, append(w.answersFor(id), "-reason", "The drill of this quarter.", "-yes")...)...)
	var run workflows.StreamID
	for _, r := range w.recorded(runs.Opened{}.Kind(), nth) {
		if e := r.Event.(runs.Opened); string(e.Runbook) == id {
			run = r.Stream
			if e.Mode != runs.KindDrill {
				w.t.Errorf("%s was opened as %s", id, e.Mode)
			}
		}
	}
	for _, st := range w.stepsOf(run.Rest()) {
		words := strconv.Itoa(st.Number) + " done Seen in the drill, as the text says."
		switch {
		case !st.ByHand():
		case st.Second:
			w.check(w.command(ctx, "jonas", "/breakglass", "step "+run.Rest()+" "+words))
		default:
			w.must("runbook", "step", run.Rest(), strconv.Itoa(st.Number), "done", "-reason", "Seen in the drill, as the text says.")
		}
		if _, err := until2(ctx, func() (string, error) { return w.statusWith(run.Rest(), strconv.Itoa(st.Number)+"  done") }); err != nil {
			w.t.Fatalf("step %d of %s: %v", st.Number, id, err)
		}
	}
	w.must("runbook", "finish", run.Rest())
	review := w.recorded(reviews.Opened{}.Kind(), nth)[nth-1]
	e := review.Event.(reviews.Opened)
	if !e.Drill || len(e.Tasks) != 0 || e.Invoker == e.Owner {
		w.t.Errorf("the review of the drill of %s: %+v", id, e)
	}
	w.verdict("sofia", review.Stream.Rest(), "drill", "It went as the text says, and who had to be told was told.")
	w.recorded(reviews.Closed{}.Kind(), nth)
}

// answersFor fills in a runbook's form: the first choice of each, and a key.
func (w *world) answersFor(id string) []string {
	w.t.Helper()
	var out []string
	for _, f := range w.policyOf(id).Fields {
		switch {
		case f.Type == workflows.FieldChoice:
			out = append(out, f.Name+"="+f.Choices[0])
		case f.Type == workflows.FieldSSHKey:
			out = append(out, f.Name+"="+strings.TrimSpace(w.people["kenji"].public()))
		case !f.Optional:
			w.t.Fatalf("%s wants %s, which this test does not know", id, f.Name)
		}
	}
	return out
}

func (w *world) policyOf(id string) incidents.Runbook {
	w.t.Helper()
	var shown struct {
		Data struct{ Runbook incidents.Runbook }
	}
	w.check(json.Unmarshal([]byte(w.must("runbook", "show", id, "-json")), &shown))
	if string(shown.Data.Runbook.ID) != id {
		w.t.Fatalf("showing %s: %+v", id, shown)
	}
	return shown.Data.Runbook
}

// stepsOf are the steps of a run as they stand now.
func (w *world) stepsOf(run string) []runs.StepState {
	w.t.Helper()
	var s runs.State
	w.check(json.Unmarshal([]byte(w.must("runbook", "status", run, "-json")), &s))
	if len(s.Steps) < 5 {
		w.t.Fatalf("run %s has %d steps", run, len(s.Steps))
	}
	return s.Steps
}

// verdict closes a review in Slack.
func (w *world) verdict(who, review, verdict, note string) {
	w.t.Helper()
	ctx := w.t.Context()
	w.check(w.command(ctx, who, "/breakglass", "review "+review))
	v, err := w.view(ctx, who, screens.CallReview)
	w.check(err)
	values := map[string]any{}
	for _, b := range v.Blocks {
		e, _ := b["element"].(slacksim.Object)
		id, _ := b["block_id"].(string)
		switch e["type"] {
		case "radio_buttons":
			values[id] = verdict
		case "plain_text_input":
			values[id] = note
		}
	}
	w.check(w.submit(ctx, who, values))
}
