package desk_test

import (
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/runs"
)

const routineText = "---\nid: rotate\n---\n## Step 1: take the key\n## Step 2: see\n"

// routines is an office with a routine whose first step begins by itself and gives access.
func routines(t *testing.T) *office {
	x := open(t)
	x.load(func(d *draft) {
		w := chain("routine", workflows.Entitlement{}, stage("look", 1, named("lea", "rob")))
		w.Kind, w.Entitlements, w.For, w.Longest, w.Usual = workflows.KindRoutine, nil, nil, 4*3600, 4*3600
		w.Fields = []workflows.Field{{Name: "note", Type: workflows.FieldText, Optional: true}}
		d.flows[w.ID] = w
		d.texts["rotate"] = routineText
		d.books["rotate"] = &incidents.Runbook{
			ID: "rotate", Title: "Rotate", Owner: "p_olga", Routine: true, Chain: "routine", Longest: 3600, Invokers: named("bob"), OpensOn: []string{incidents.OpensOnRotation},
			Fields: []workflows.Field{{Name: "host", Type: workflows.FieldChoice, Choices: []string{"a", "b"}}},
			Steps: []incidents.Step{
				{Title: "Take the key", Action: incidents.ActGrant, Does: entitlement("bastion", "deploy"), Auto: true, Timeout: 60},
				{Title: "See", Evidence: true},
			},
		}
	})
	return x
}

func (x *office) openRun(r desk.Routine) desk.OpenedRun {
	x.t.Helper()
	r.Cause, r.Channel, r.Authn = x.cause(), "slack", "slack-click"
	out, err := x.desk.OpenRun(x.t.Context(), r)
	if err != nil {
		x.t.Fatal(err)
	}
	x.check()
	return out
}

// R8: the approval of a routine opens its run in the same transaction, with the form's answers, for whom it is about and until what was
// approved; its first step gives access to who asked, which ends with the run. A chain cannot be had by another runbook's name.
func TestReq_R8_AnApprovalOpensTheRunOfARoutine(t *testing.T) {
	t.Parallel()
	x := routines(t)
	good := desk.Routine{By: acting("ann"), Runbook: "rotate", About: "svc-deploy", Values: map[string]string{"host": "a", "note": secret}, Reason: "the quarter is over"}
	for _, c := range []struct {
		name string
		edit func(*desk.Routine)
		want string
	}{
		{"no such runbook", func(r *desk.Routine) { r.Runbook = "nothing" }, workflows.CodeRunbook},
		{"a runbook of incidents", func(r *desk.Routine) { r.Runbook = "failover" }, workflows.CodeRunbook},
		{"another answer", func(r *desk.Routine) { r.Values = map[string]string{"host": "c"} }, workflows.CodeBadField},
		{"too long", func(r *desk.Routine) { r.Seconds = 3601 }, workflows.CodeBadField},
		{"about nobody", func(r *desk.Routine) { r.About = "svc-nobody" }, workflows.CodeNotInInventory},
		{"a guest", func(r *desk.Routine) { x.dir.is("zed", guest); r.By = acting("zed") }, workflows.CodeGuest},
	} {
		r := good
		c.edit(&r)
		if out := x.openRun(r); code(out.Refusal) != c.want || out.Request != "" {
			t.Errorf("%s: %v, want %s", c.name, out.Refusal, c.want)
		}
	}
	for _, flow := range []workflows.RunbookID{"failover", ""} {
		sub := desk.Submission{Cause: x.cause(), By: acting("ann"), Workflow: "routine", Runbook: flow, Form: workflows.Form{Seconds: 600, Reason: good.Reason}}
		if out := x.submit(sub); code(out.Refusal) != workflows.CodeRunbook {
			t.Errorf("the chain of routines about %q: %v", flow, out.Refusal)
		}
	}
	asked := x.openRun(good)
	if asked.Refusal != nil {
		t.Fatal(asked.Refusal)
	}
	if v, err := x.desk.Look(t.Context(), asked.Request); err != nil || v.Book == nil || len(v.Workflow.Fields) != 2 {
		t.Errorf("what is decided about: %+v %v", v.Workflow, err)
	}
	size := len(x.entries())
	x.approve(asked.Request, "lea")
	same(t, "recorded", []string{
		"request vote.recorded", "request stage.satisfied", "request request.approved", "run run.opened", "run step.started", "grant grant.approved",
	}, kinds(x.entries()[size:]))
	s, err := x.desk.Run(t.Context(), desk.RoutineRun(asked.Request))
	if err != nil {
		t.Fatal(err)
	}
	o := s.Opened
	if o.Mode != runs.KindRoutine || o.Request != asked.Request || o.Subject != "svc-deploy" || o.Accounts["pg-main"] != "deployer" || o.Executor != "p_ann" ||
		o.Fields["host"] != "a" || o.Texts["note"] != secret || o.EndsAt != s.At.UTC.Add(time.Hour) || o.Steps[0].Text != "" {
		t.Errorf("opened %+v", o)
	}
	g := x.entries()[size+5].Event.(grants.Approved)
	if g.Identity != workflows.PersonID("p_ann").Identity() || g.Run != s.ID || g.EndsAt != s.EndsAt {
		t.Errorf("granted %+v", g)
	}
	if out := x.inRun("bob", s.ID, desk.DoSkip, 1); code(out.Refusal) != workflows.CodeRunbook {
		t.Errorf("a colleague of the list while a step runs: %v", out.Refusal)
	}
	if out := x.inRun("cho", s.ID, desk.DoSkip, 2); code(out.Refusal) != workflows.CodeUnknown {
		t.Errorf("somebody who has nothing to do with it: %v", out.Refusal)
	}
}

func (x *office) inRun(who string, run workflows.RunID, do string, step int) desk.Answer {
	x.t.Helper()
	a, err := x.desk.DoInRun(x.t.Context(), desk.InRun{
		Cause: x.cause(), By: acting(who), Run: run, Do: do, Step: step, Note: "as agreed", Authn: "slack-click", Channel: "slack",
	})
	if err != nil {
		x.t.Fatal(err)
	}
	x.check()
	return a
}

// A text that is changed while its chain decides opens nothing.
func TestARoutineThatChangedIsNotOpened(t *testing.T) {
	t.Parallel()
	x := routines(t)
	asked := x.openRun(desk.Routine{By: acting("ann"), Runbook: "rotate", Values: map[string]string{"host": "a"}, Reason: "the quarter is over"})
	x.load(func(d *draft) { d.texts["rotate"] += "## Step 3: sell it\n" })
	x.vote(x.ballot("lea", asked.Request, workflows.Approve))
	if s := x.state(asked.Request); s.Status != workflows.StatusSuperseded {
		t.Errorf("it is %s", s.Status)
	}
	if list, err := x.desk.Runs(t.Context(), runs.ListAll, "", 0); err != nil || len(list) != 0 {
		t.Errorf("runs %+v, %v", list, err)
	}
}

// The open rotation of an identity opens a routine that says so, once asked, for who answers for it; nothing else does.
func TestARotationOpensARoutine(t *testing.T) {
	t.Parallel()
	x := routines(t)
	r := desk.Routine{By: workflows.System, Runbook: "rotate", About: "svc-deploy", Values: map[string]string{"host": "b"}, Rotation: "o_00000000000000000000000000"}
	if out := x.openRun(r); code(out.Refusal) != workflows.CodeDecided {
		t.Errorf("no rotation: %v", out.Refusal)
	}
	_, err := x.desk.TakeIn(t.Context(), workflows.System, []desk.IdentityClaim{{ID: "svc-deploy", Claim: identities.Claimed{
		Source: identities.ImportSource("cmdb"), Says: identities.Entry{Class: "service_account", Name: "Deployer", Owner: "p_ivy", Purpose: "rolls out releases"},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	a, err := x.desk.ChangeIdentity(t.Context(), desk.IdentityCommand{Cause: x.cause(), By: acting("ivy"), Identity: "svc-deploy", Do: desk.DoRotate, Why: identities.RotateLeak, Channel: "cli"})
	if err != nil || a.Refusal != nil {
		t.Fatal(a.Refusal, err)
	}
	for _, rec := range a.Records {
		if e, ok := rec.Event.(identities.RotationOpened); ok {
			r.Rotation = e.Rotation
		}
	}
	other := r
	other.Runbook = "failover"
	if out := x.openRun(other); code(out.Refusal) != workflows.CodeRunbook {
		t.Errorf("a runbook of incidents: %v", out.Refusal)
	}
	out := x.openRun(r)
	if out.Refusal != nil {
		t.Fatal(out.Refusal)
	}
	s, err := x.desk.Run(t.Context(), out.Run)
	if err != nil || s.Opened.Rotation != r.Rotation || s.Executor != "p_ivy" || s.Opened.Subject != "svc-deploy" || s.Steps[0].Status != runs.Running {
		t.Errorf("opened %+v, %v", s.Opened, err)
	}
	x.load(func(d *draft) { d.books["rotate"].OpensOn = nil })
	if out := x.openRun(r); code(out.Refusal) != workflows.CodeRunbook {
		t.Errorf("a text that no rotation opens: %v", out.Refusal)
	}
}
