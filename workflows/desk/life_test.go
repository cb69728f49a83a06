package desk_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// lives are the chains of the life of identities: ann approves a new one, a wider scope, a later end.
func lives(d *draft) {
	e := entitlement("pg-main", "writer")
	e.Shared, e.Account, e.Connector, e.Params = true, true, "postgres", map[string][]string{"role": {"writers"}}
	for action, fields := range map[string][]workflows.Field{
		workflows.LifeOnboard: {
			{Name: "identity", Type: workflows.FieldNewID},
			{Name: "kind", Type: workflows.FieldChoice, Choices: []string{"service_account", "ai_agent"}},
			{Name: "owner", Type: workflows.FieldPerson},
			{Name: "backup", Type: workflows.FieldPerson, Optional: true},
			{Name: "purpose", Type: workflows.FieldText},
			{Name: "environment", Type: workflows.FieldChoice, Choices: []string{"production", "staging"}},
			{Name: "ticket", Type: workflows.FieldTicket, Pattern: "OPS-[0-9]+"},
		},
		workflows.LifeScope: {{Name: "scope", Type: workflows.FieldChoice, Choices: []string{"role:readers", "role:writers"}}},
		workflows.LifeRenew: nil,
	} {
		w := chain(workflows.WorkflowID(action), e, stage("peers", 1, named("ann")))
		w.Kind, w.For, w.Longest, w.Usual, w.Fields = workflows.KindLife, []string{workflows.ForOwned}, 366*24*3600, 90*24*3600, fields
		w.Life = &workflows.LifeTerms{Action: action}
		if action == workflows.LifeScope {
			w.Life.Make = true
			w.Entitlements[0].Params = map[string][]string{"role": {"${fields.scope}"}}
		}
		if action == workflows.LifeOnboard {
			w.For, w.Life.Make = []string{workflows.ForSelf}, true
		}
		d.flows[w.ID] = w
	}
}

// newborn is zed's ask for an identity that ivy is to own.
func (x *office) newborn() desk.Submission {
	s := x.submission("zed", workflows.LifeOnboard)
	s.Form.Seconds = 90 * 24 * 3600
	s.Form.Values = map[string]string{
		"identity": "svc-new", "kind": "service_account", "owner": "ivy", "backup": "ida", "purpose": "Copies the orders of the day.", "environment": "production", "ticket": "OPS-4711",
	}
	return s
}

func (x *office) identity(id workflows.IdentityID) (identities.IdentityState, identities.Entry) {
	x.t.Helper()
	s, err := identities.FoldIdentity(x.history(workflows.IdentityStream(id)))
	if err != nil {
		x.t.Fatal(err)
	}
	return s, s.Entry()
}

// R7: a request for an identity cannot end without a ticket, an owner, a purpose, an environment and an end: what is missing or wrong is a problem of
// that field, and nothing comes of it.
func TestReq_R7_EveryFieldOfANewIdentityIsNeeded(t *testing.T) {
	t.Parallel()
	x, w := equipped(t, func(d *draft) { lives(d) })
	w.set(func(w *world) { w.tasks["OPS-90001"] = workflows.Task{Exists: true, Status: "Done"} })
	x.dir.is("gus", guest)
	for name, c := range map[string]struct {
		field string
		edit  func(*desk.Submission)
	}{
		"no id":               {"identity", func(s *desk.Submission) { delete(s.Form.Values, "identity") }},
		"no id that could be": {"identity", func(s *desk.Submission) { s.Form.Values["identity"] = "Svc New" }},
		"an id that is taken": {"identity", func(s *desk.Submission) { s.Form.Values["identity"] = "svc-deploy" }},
		"no owner":            {"owner", func(s *desk.Submission) { delete(s.Form.Values, "owner") }},
		"an owner unknown":    {"owner", func(s *desk.Submission) { s.Form.Values["owner"] = "mallory" }},
		"a machine as owner":  {"owner", func(s *desk.Submission) { s.Form.Values["owner"] = "svc-deploy" }},
		"a guest as owner":    {"owner", func(s *desk.Submission) { s.Form.Values["owner"] = "gus" }},
		"owner and backup":    {"backup", func(s *desk.Submission) { s.Form.Values["backup"] = s.Form.Values["owner"] }},
		"no purpose":          {"purpose", func(s *desk.Submission) { delete(s.Form.Values, "purpose") }},
		"no environment":      {"environment", func(s *desk.Submission) { delete(s.Form.Values, "environment") }},
		"another environment": {"environment", func(s *desk.Submission) { s.Form.Values["environment"] = "moon" }},
		"no kind":             {"kind", func(s *desk.Submission) { delete(s.Form.Values, "kind") }},
		"no ticket":           {"ticket", func(s *desk.Submission) { delete(s.Form.Values, "ticket") }},
		"no such ticket":      {"ticket", func(s *desk.Submission) { s.Form.Values["ticket"] = "XYZ-1" }},
		"a closed ticket":     {"ticket", func(s *desk.Submission) { s.Form.Values["ticket"] = "OPS-90001" }},
		"no end":              {workflows.FormDuration, func(s *desk.Submission) { s.Form.Seconds = 0 }},
		"an end in ten years": {workflows.FormDuration, func(s *desk.Submission) { s.Form.Seconds = 3653 * 24 * 3600 }},
	} {
		s := x.newborn()
		s.Form.Values = maps.Clone(s.Form.Values)
		c.edit(&s)
		out := x.submit(s)
		if out.Refusal == nil || len(out.Problems) == 0 || out.Problems[0].Field != c.field {
			t.Errorf("%s: %v, problems %+v, want one of the field %q", name, out.Refusal, out.Problems, c.field)
		}
		if h := x.history(workflows.IdentityStream("svc-new")); len(h) > 0 {
			t.Fatalf("%s: the inventory has it: %+v", name, h)
		}
	}
}

// R7, R22: onboard, change scope, renew, all through people: an identity comes to be with what was approved, belongs to who asked until its owner
// confirms, and its account is ordered from the connector; a wider scope and a later end are new approvals.
func TestReq_R7_AnIdentityLivesThroughChains(t *testing.T) {
	t.Parallel()
	x := open(t)
	x.load(lives)
	out := x.submit(x.newborn())
	if out.Refusal != nil {
		t.Fatal(out.Refusal, out.Problems)
	}
	if h := x.history(workflows.IdentityStream("svc-new")); len(h) > 0 {
		t.Fatalf("it is there before anybody approved: %+v", h)
	}
	until := x.now().Add(90 * 24 * time.Hour)
	x.approve(out.ID, "ann")
	s, e := x.identity("svc-new")
	if s.State(e) != workflows.IdentityActive || e.Owner != "p_zed" || e.Backup != "p_ida" || e.Expires != until || e.Environment != "production" ||
		e.Ticket != "request/"+string(out.ID) || e.Purpose != "Copies the orders of the day." {
		t.Errorf("%s: %+v", s.State(e), e)
	}
	if h := s.Life.Handover; h == nil || h.Why != identities.WhyOnboard || h.Asked()[0] != "p_ivy" {
		t.Fatalf("its owner is not asked: %+v", h)
	}
	order, due, err := x.desk.AccountToMake(t.Context(), "svc-new")
	if err != nil || !due || order.Account != "svc_new" || order.Until != until || order.Params["role"][0] != "writers" {
		t.Errorf("the account: %+v %v %v", order, due, err)
	}
	if err := x.desk.AccountMade(t.Context(), x.cause(), "svc-new", identities.AccountMade{Request: out.ID, Ref: "role svc_new", Proof: identities.ProofVerified}); err != nil {
		t.Fatal(err)
	}
	x.identityDo("ivy", desk.IdentityCommand{Identity: "svc-new", Do: desk.DoAnswer, Verdict: identities.HandoverKeep}, "")
	s, e = x.identity("svc-new")
	if e.Owner != "p_ivy" || s.Life.Handover != nil || s.Rotating() == nil || s.MakesAccount() != nil {
		t.Errorf("confirmed: owner %s, %+v", e.Owner, s.Life)
	}

	// What widens or prolongs it goes nowhere else.
	later := until.Add(100 * 24 * time.Hour)
	for _, who := range []string{"ivy", "sam"} {
		x.identityDo(who, desk.IdentityCommand{Identity: "svc-new", Do: desk.DoRenew, Expires: later, Reason: "it is still needed"}, workflows.CodeNotEligible)
		x.identityDo(who, desk.IdentityCommand{Identity: "svc-new", Do: desk.DoClaim, To: "p_ivy", Expires: later, Says: identities.Entry{Purpose: e.Purpose}}, workflows.CodeNotEligible)
	}
	ask := func(flow workflows.WorkflowID, values map[string]string) workflows.RequestID {
		t.Helper()
		q := x.submission("ivy", flow)
		q.Subject, q.Form.Seconds, q.Form.Values = "svc-new", 200*24*3600, values
		out := x.submit(q)
		if out.Refusal != nil {
			t.Fatal(out.Refusal, out.Problems)
		}
		return out.ID
	}
	x.approve(ask(workflows.LifeScope, map[string]string{"scope": "role:readers"}), "ann")
	if _, e = x.identity("svc-new"); len(e.Scope) != 1 || e.Scope[0] != "role:readers" || e.Expires != until {
		t.Errorf("its scope is %q until %s", e.Scope, e.Expires)
	}
	x.approve(ask(workflows.LifeRenew, nil), "ann")
	if _, e = x.identity("svc-new"); e.Expires != x.now().Add(200*24*time.Hour) {
		t.Errorf("renewed until %s", e.Expires)
	}

	// Past its end it holds nothing, and only its renewal may be asked for.
	x.clock.Add(201 * 24 * time.Hour)
	x.tick(workflows.IdentityStream("svc-new"))
	if s, _ = x.identity("svc-new"); s.Life.Suspended == nil || s.Life.Suspended.Why != identities.SuspendedExpired {
		t.Fatalf("after its end: %+v", s.Life.Suspended)
	}
	q := x.submission("ivy", "prod-db")
	q.Subject = "svc-new"
	if out := x.submit(q); code(out.Refusal) != workflows.CodeNotInInventory {
		t.Errorf("past its end it asks: %v", out.Refusal)
	}
	x.approve(ask(workflows.LifeRenew, nil), "ann")
	if s, e = x.identity("svc-new"); s.State(e) != workflows.IdentityActive {
		t.Errorf("renewed after its end: %s", s.State(e))
	}

	// What narrows needs nobody.
	x.identityDo("ivy", desk.IdentityCommand{Identity: "svc-new", Do: desk.DoSuspend, Reason: "nobody uses it"}, "")
	x.identityDo("ivy", desk.IdentityCommand{Identity: "svc-new", Do: desk.DoRetire, Reason: "nobody uses it"}, "")
	x.check()
}

// R7: an owner who does not confirm is followed by the backup owner; nobody confirming suspends what nobody answers for.
func TestReq_R7_WhatNobodyConfirmsIsSuspended(t *testing.T) {
	t.Parallel()
	x := open(t)
	x.load(lives)
	out := x.submit(x.newborn())
	if out.Refusal != nil {
		t.Fatal(out.Refusal)
	}
	x.approve(out.ID, "ann")
	for i := range 3 {
		x.clock.Add(identities.ConfirmTime + time.Minute)
		x.tick(workflows.IdentityStream("svc-new"))
		s, _ := x.identity("svc-new")
		if i == 0 && (s.Life.Suspended != nil || !strings.Contains(string(s.Life.Handover.Asked()[1]), "ida")) {
			t.Errorf("after the owner's time: %+v", s.Life)
		}
		if i > 0 && (s.Life.Suspended == nil || s.Life.Suspended.Why != identities.SuspendedNoOwner) {
			t.Errorf("after both had their time: %+v", s.Life.Suspended)
		}
	}
}

// identityDo has somebody do something to an identity; want is the code of the refusal, empty for none.
func (x *office) identityDo(who string, c desk.IdentityCommand, want string) {
	x.t.Helper()
	c.Cause, c.By, c.Channel, c.Authn = x.cause(), acting(who), "cli", workflows.AuthnHost
	out, err := x.desk.ChangeIdentity(x.t.Context(), c)
	if err != nil {
		x.t.Fatal(err)
	}
	if code(out.Refusal) != want {
		x.t.Errorf("%s does %s: %v, want %q", who, c.Do, out.Refusal, want)
	}
}
