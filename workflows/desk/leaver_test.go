package desk_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// departs has somebody leave or move, and what follows carried out as the job does.
func (x *office) departs(who, why string) {
	x.t.Helper()
	c := desk.Departure{Cause: x.cause(), By: workflows.System, Person: person(who), Why: why, Source: "csv"}
	if err := x.desk.Depart(x.t.Context(), c); err != nil {
		x.t.Fatal(err)
	}
	stream := workflows.PersonStream(person(who))
	h := x.history(stream)
	if err := x.desk.HandOver(x.t.Context(), x.cause(), stream, h[len(h)-1].Seq); err != nil {
		x.t.Fatal(err)
	}
}

// R17, R18, R37: who moves to another role loses what they hold as who leaves does, and the identities that they own are handed over: the backup owner is
// asked, then the owner of its target, then security, three days each. Until somebody has taken it over nothing of it is widened or prolonged, and it gets
// nothing; nobody answering suspends it, and whoever takes it over gets a new secret for it.
func TestReq_R37_AMoversIdentitiesAreHandedOverAndFrozen(t *testing.T) {
	t.Parallel()
	for _, why := range []string{identities.LeftRole, identities.LeftCompany} {
		x := open(t)
		x.load(func(d *draft) {
			lives(d)
			d.targets["pg-main"] = desk.Target{ID: "pg-main", Title: "Main", Connector: "postgres", Owner: "p_olga", Environment: "production"}
		})
		x.born()
		stream, g := x.active("ivy", "shell", "ann")
		x.departs("ivy", why)
		if got := x.status(stream, g); got != grants.StatusEnding {
			t.Errorf("%s: what they hold: %s", why, got)
		}
		s, _ := x.identity("svc-new")
		if s.Life.Handover == nil {
			t.Fatalf("%s: nobody is asked to take it over", why)
		}
		var rungs [][]workflows.PersonID
		for _, r := range s.Life.Handover.Rungs {
			rungs = append(rungs, r.People)
		}
		if d := cmp.Diff([][]workflows.PersonID{{"p_ida"}, {"p_olga"}, {"p_sam"}}, rungs); d != "" {
			t.Errorf("%s: who is asked (-want +got):\n%s", why, d)
		}
		x.frozen("svc-new", "ida", why)

		for i := range 3 {
			if asked := x.asked("svc-new"); !slices.Equal(asked, []workflows.PersonID{"p_ida", "p_olga", "p_sam"}[:i+1]) {
				t.Errorf("%s, after %d days: %q are asked", why, 3*i, asked)
			}
			x.clock.Add(3*24*time.Hour + time.Minute)
			x.tick(workflows.IdentityStream("svc-new"))
		}
		if s, _ = x.identity("svc-new"); s.Life.Suspended == nil || s.Life.Suspended.Why != identities.SuspendedNoOwner {
			t.Fatalf("%s: nobody answered: %+v", why, s.Life.Suspended)
		}
		x.identityDo("ida", desk.IdentityCommand{Identity: "svc-new", Do: desk.DoAnswer, Verdict: identities.HandoverKeep}, "")
		if s, e := x.identity("svc-new"); e.Owner != "p_ida" || s.Rotating() == nil || s.State(e) != workflows.IdentityActive {
			t.Errorf("%s: taken over: owner %s, %s, rotation %+v", why, e.Owner, s.State(e), s.Rotating())
		}
		x.check()
	}
}

// R86: for each identity of somebody who left, people decide to keep it, which hands it over and replaces its secret, or to take it off; declining decides
// nothing, and taking it off is over only when each thing on its list is done. Undecided, it stays open.
func TestReq_R86_EachIdentityOfALeaverIsDecided(t *testing.T) {
	t.Parallel()
	x := open(t)
	x.load(lives)
	x.born()
	x.departs("ivy", identities.LeftCompany)
	x.identityDo("ida", desk.IdentityCommand{Identity: "svc-new", Do: desk.DoAnswer, Verdict: identities.HandoverDecline, Reason: "I have never seen it"}, "")
	s, e := x.identity("svc-new")
	if s.Life.Handover == nil || s.Life.Retirement != nil || e.Owner != "p_ivy" {
		t.Fatalf("nobody decided, and the question is over: %+v", s.Life)
	}
	x.clock.Add(3*24*time.Hour + time.Minute)
	x.tick(workflows.IdentityStream("svc-new"))
	x.identityDo("sam", desk.IdentityCommand{Identity: "svc-new", Do: desk.DoAnswer, Verdict: identities.HandoverRetire, Reason: "nobody needs it"}, "")
	s, _ = x.identity("svc-new")
	if s.Life.Handover != nil || s.Life.Retirement == nil || s.Life.Retired {
		t.Fatalf("it is to be taken off: %+v", s.Life)
	}
	left := s.Life.Retirement.Left()
	if !slices.ContainsFunc(left, func(i identities.RetireItem) bool { return i.ID == "secret" }) {
		t.Errorf("nobody destroys its secret: %+v", left)
	}
	x.check()
}

// R28, R37: what somebody who leaves had asked for and others own stays with those, and its secret is replaced, which they may have been handed: that they
// made it is a finding until then. R86: their off-boarding is one list, open until each identity is decided and the decision carried out.
func TestReq_R37_WhatALeaverAskedForGetsANewSecret(t *testing.T) {
	t.Parallel()
	x := open(t)
	x.load(lives)
	x.born()
	if s, e := x.identity("svc-new"); e.Creator != "p_zed" || e.Owner != "p_ivy" {
		t.Fatalf("asked for by %s, owned by %s: %+v", e.Creator, e.Owner, s.Life)
	}
	for s, _ := x.identity("svc-new"); s.Rotating() != nil; s, _ = x.identity("svc-new") { // the first secret of a new account is none that zed knows of
		x.identityDo("ivy", desk.IdentityCommand{Identity: "svc-new", Do: desk.DoRotated, Evidence: "made where it is used"}, "")
	}
	found := func() []string {
		v, err := x.desk.Identity(t.Context(), "p_ivy", "svc-new")
		if err != nil {
			t.Fatal(err)
		}
		return v.Findings
	}
	if f := found(); slices.Contains(f, identities.FindCreatorGone) {
		t.Fatalf("nobody left: %v", f)
	}
	if _, left, err := x.desk.Offboarding(t.Context(), "p_zed"); left || err != nil {
		t.Fatalf("nobody left: %v %v", left, err)
	}
	x.clock.Add(time.Hour)
	x.departs("zed", identities.LeftCompany)
	s, e := x.identity("svc-new")
	if e.Owner != "p_ivy" || s.Life.Handover != nil || s.Rotating() == nil || s.Rotating().Why != identities.RotateLeaver || s.State(e) != workflows.IdentityActive {
		t.Fatalf("zed left: %s owns it, %+v", e.Owner, s.Life)
	}
	if f := found(); !slices.Contains(f, identities.FindCreatorGone) {
		t.Errorf("whoever asked for it left: %v", f)
	}
	list, left, err := x.desk.Offboarding(t.Context(), "p_zed")
	if err != nil || !left || len(list.Items) != 1 || !list.Items[0].Made || list.Items[0].Decision != desk.OffboardUndecided || list.Open() != 1 {
		t.Fatalf("off-boarding: %+v %v %v", list, left, err)
	}
	x.clock.Add(time.Hour)
	x.identityDo("ivy", desk.IdentityCommand{Identity: "svc-new", Do: desk.DoRotated, Evidence: "the old one is refused"}, "")
	if f := found(); slices.Contains(f, identities.FindCreatorGone) {
		t.Errorf("its secret was replaced: %v", f)
	}
	if list, _, err = x.desk.Offboarding(t.Context(), "p_zed"); err != nil || list.Open() != 0 || list.Items[0].Decision != desk.OffboardReplaced || list.Items[0].By != "p_ivy" {
		t.Errorf("replaced: %+v %v", list, err)
	}

	x.departs("ivy", identities.LeftCompany) // who owns svc-deploy, too
	x.identityDo("ida", desk.IdentityCommand{Identity: "svc-new", Do: desk.DoAnswer, Verdict: identities.HandoverKeep}, "")
	list, _, err = x.desk.Offboarding(t.Context(), "p_ivy")
	if err != nil || len(list.Items) != 2 || list.Items[0].Decision != desk.OffboardUndecided || list.Items[1].Decision != desk.OffboardKept || list.Items[1].By != "p_ida" || list.Open() != 2 {
		t.Errorf("one is kept, and its secret is still the old one; the other is not decided: %+v %v", list, err)
	}
	x.identityDo("ida", desk.IdentityCommand{Identity: "svc-new", Do: desk.DoRotated, Evidence: "the old one is refused"}, "")
	if list, _, err = x.desk.Offboarding(t.Context(), "p_ivy"); err != nil || list.Open() != 1 || list.Items[1].Proof != identities.ProofDeclared {
		t.Errorf("one is kept and replaced: %+v %v", list, err)
	}
	x.identityDo("ida", desk.IdentityCommand{Identity: "svc-deploy", Do: desk.DoAnswer, Verdict: identities.HandoverRetire, Reason: "nobody needs it"}, "")
	if list, _, err = x.desk.Offboarding(t.Context(), "p_ivy"); err != nil || list.Open() != 1 || list.Items[0].Decision != desk.OffboardRetired || list.Items[0].Left == 0 {
		t.Errorf("the other is to be taken off: %+v %v", list, err)
	}
	x.check()
}

// asked are the people who are asked to take an identity over.
func (x *office) asked(id workflows.IdentityID) []workflows.PersonID {
	x.t.Helper()
	s, _ := x.identity(id)
	return s.Life.Handover.Asked()
}

// frozen holds that nobody widens or prolongs an identity, nor gets anything for it.
func (x *office) frozen(id workflows.IdentityID, who, when string) {
	x.t.Helper()
	for flow, values := range map[workflows.WorkflowID]map[string]string{
		workflows.LifeScope: {"scope": "role:readers"}, workflows.LifeRenew: nil, "shell": {"ticket": "OPS-1"},
	} {
		q := x.submission(who, flow)
		q.Subject, q.Form.Values = id, values
		if out := x.submit(q); code(out.Refusal) != workflows.CodeNotInInventory {
			x.t.Errorf("%s: %s is asked for it while it is handed over: %v", when, flow, out.Refusal)
		}
	}
}
