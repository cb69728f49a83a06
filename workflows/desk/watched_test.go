package desk_test

import (
	"slices"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// found records that a rule of watching wants a stronger chain of somebody for an hour.
func (x *office) found(id workflows.IdentityID, rule string) {
	x.t.Helper()
	e := identities.Watched{Rule: rule, Signal: workflows.SignalBurst, Entry: "e_" + rule, Until: x.now().Add(time.Hour)}
	if err := x.desk.Watch(x.t.Context(), x.cause(), id, e); err != nil {
		x.t.Fatal(err)
	}
}

// R103: what watching found is an input of the conditions, of who asks and of who is to hold it, and is recorded with the ask.
func TestReq_R103_WhatWatchingFoundIsAnInput(t *testing.T) {
	t.Parallel()
	x := open(t)
	x.load(func(d *draft) {
		d.conditions = spec.NewConditions()
		w := *d.flows["shell"]
		w.Stages = []workflows.Stage{stage("peers", 1, named("ann", "bob")), stage("security", 1, named("sam", "sue"))}
		w.Rules = []workflows.Rule{
			{Name: "odd hours", When: `"nights" in requester.watched`},
			{Name: "odd robot", When: `subject.watched != [] && !subject.self`},
			{Name: "usual", Stages: []string{"peers"}},
		}
		d.flows["shell"] = &w
	})
	x.says("svc-oidc", func(e *identities.Entry) { e.Stored = identities.StoredNone })
	ask := func(what, rule string, stages int, watched ...string) {
		t.Helper()
		s, no := x.asksAs("svc-oidc", "shell")
		if no != "" || s.Asked.Chosen != rule || len(s.Asked.Plan) != stages || !slices.Equal(s.Asked.Watched, watched) {
			t.Errorf("%s: refused %q, rule %q with %d stages by %q, want %q with %d by %q", what, no, s.Asked.Chosen, len(s.Asked.Plan), s.Asked.Watched, rule, stages, watched)
		}
	}
	ask("nothing found", "usual", 1)
	x.found("svc-oidc", "asleep")
	ask("something about the robot", "odd robot", 2, "asleep")
	x.found("p_ivy", "nights")
	ask("something about who asks", "odd hours", 2, "asleep", "nights")
	x.clock.Add(61 * time.Minute)
	ask("it is over", "usual", 1)
}

// A stronger chain wants one person more at its last stage, from whoever asks and whoever is to hold it, and never goes without people.
func TestReq_R76_AStrongerChainWantsOneMorePerson(t *testing.T) {
	t.Parallel()
	x := open(t)
	x.load(func(d *draft) {
		d.conditions = spec.NewConditions()
		w := *d.flows["shell"]
		w.Stages = []workflows.Stage{stage("peers", 1, named("ann", "bob"))}
		w.Rules = []workflows.Rule{{Name: "small", Auto: &workflows.Auto{Times: 9, Per: 86400}}}
		d.flows["shell"] = &w
		alone := *d.flows["shell"]
		alone.ID, alone.Rules, alone.Stages = "pair", nil, []workflows.Stage{stage("peers", 1, named("ann"))}
		d.flows["pair"] = &alone
	})
	if before := x.state(x.ask("nia", "shell")); before.Auto == nil || len(before.Stages) != 0 {
		t.Fatalf("the document itself approves: %+v", before.Stages)
	}
	x.found("p_zed", "hasty")
	s := x.state(x.ask("zed", "shell"))
	if s.Auto != nil || len(s.Asked.Plan) != 1 || s.Asked.Plan[0].Quorum != 2 || s.Status != workflows.StatusOpen {
		t.Fatalf("asked by somebody watched: %s, plan %+v", s.Status, s.Asked.Plan)
	}
	if out := x.submit(x.submission("zed", "pair")); out.Refusal == nil || out.Refusal.Code != workflows.CodeNobody {
		t.Errorf("there is nobody else to ask, and it was not refused: %+v", out.Refusal)
	}
	x.approve(s.ID, "ann")
	if got := x.state(s.ID); got.Status != workflows.StatusOpen {
		t.Fatalf("one approval: %s, want it open", got.Status)
	}
	x.approve(s.ID, "bob")
	if got := x.state(s.ID); got.Status != workflows.StatusApproved {
		t.Fatalf("two approvals: %s", got.Status)
	}
}
