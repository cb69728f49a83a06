package spec_test

import (
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/spec"
)

const leaked = `---
id: work
title: End what a key opens
purpose: A key that leaked opens nothing any more, and a new one stands in its place.
use_when: A key stands where it can be read.
do_not_use_when: It is only old.
owner: erin
invokers:
  groups: [on-call]
executors:
  groups: [dba]
grant: bastion/deploy
longest: 2h
incident_pattern: 'INC-[0-9]{1,7}'
incident_required: true
severity_min: 3
break_glass: {people: [erin, bob], longest: 1h}
max_uses: {times: 2, per: 7d}
rotate_after:
  - {what: the key, owner: erin, within: 24h}
skips: prod-shell
notify: "#incidents"
notify_people:
  groups: [security]
reviewers:
  groups: [security]
review_due: 24h
on_failure: continue
fields:
  - {name: account, label: Account, type: choice, choices: [alice, bob]}
  - {name: key, label: Your SSH public key, type: ssh_key}
---

# End what a key opens

## Step 1: Take it away

The bot does this by itself.

` + "```step" + `
action: revoke
on: pg-main/readonly
account: ${account}
auto: true
timeout: 5m
retries: 0
precheck: present
on_failure: stop
` + "```" + `

## Step 2: Look

` + "```step" + `
evidence: true
second: true
` + "```" + `

## Step 3: Say that it is over

By hand, without more.
`

// A runbook's steps are compiled as they stand there: what a connector is asked, with which answers of the form, and what a person does.
func TestStepsAreCompiled(t *testing.T) {
	t.Parallel()
	f := org(t)
	f["runbooks/work.md"] = &fstest.MapFile{Data: []byte(leaked), Mode: 0o644}
	folder, err := spec.Load(f, connectors())
	if err != nil {
		t.Fatal(err)
	}
	p, err := folder.Compile(func(key string) workflows.PersonID { return workflows.PersonID("p_" + key) })
	if err != nil {
		t.Fatal(err)
	}
	var got incidents.Runbook
	for _, b := range p.Runbooks {
		if b.Runbook.ID == "work" {
			got = b.Runbook
		}
	}
	if len(got.Steps) != 3 {
		t.Fatalf("%d steps", len(got.Steps))
	}
	acts, looks, talks := got.Steps[0], got.Steps[1], got.Steps[2]
	if acts.Does.Name() != "pg-main/readonly" || acts.Does.Connector != "postgres" {
		t.Errorf("step 1 acts on %s of %s", acts.Does.Name(), acts.Does.Connector)
	}
	acts.Does = workflows.Entitlement{}
	want := incidents.Step{
		Title: acts.Title, Text: acts.Text, Action: incidents.ActRevoke, Account: "${account}", Auto: true, Timeout: 300, Precheck: incidents.PresencePresent,
		OnFailure: incidents.OnFailureStop,
	}
	if diff := cmp.Diff(want, acts); diff != "" || acts.Title == "" || acts.Text == "" {
		t.Errorf("step 1 (%q, %q):\n%s", acts.Title, acts.Text, diff)
	}
	if diff := cmp.Diff(incidents.Step{Title: looks.Title, Text: looks.Text, Second: true, Evidence: true}, looks); diff != "" {
		t.Errorf("step 2:\n%s", diff)
	}
	if diff := cmp.Diff(incidents.Step{Title: talks.Title, Text: talks.Text}, talks); diff != "" || talks.Title == "" {
		t.Errorf("step 3:\n%s", diff)
	}
	if g := got.BreakGlass; g == nil || g.Longest != 3600 || len(g.People.People) != 2 {
		t.Errorf("break_glass: %+v", g)
	}
	if diff := cmp.Diff([]incidents.Exposed{{What: "the key", Owner: "p_erin", Within: 24 * 3600}}, got.Exposed); diff != "" {
		t.Errorf("rotate_after:\n%s", diff)
	}
	if diff := cmp.Diff(&incidents.Often{Times: 2, Per: 7 * 24 * 3600}, got.Often); diff != "" {
		t.Errorf("max_uses:\n%s", diff)
	}
	if got.OnFailure != incidents.OnFailureContinue || got.Executors.IsEmpty() || got.Tell.IsEmpty() || got.Grant.Name() != "bastion/deploy" {
		t.Errorf("%+v", got)
	}
	again, err := folder.Compile(func(key string) workflows.PersonID { return workflows.PersonID("p_" + key) })
	if err != nil || len(again.Runbooks) != len(p.Runbooks) {
		t.Fatal(err)
	}
	for i := range p.Runbooks {
		if p.Runbooks[i].Policy != again.Runbooks[i].Policy {
			t.Errorf("%s is compiled into another policy", p.Runbooks[i].Runbook.ID)
		}
	}
}
