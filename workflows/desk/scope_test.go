package desk_test

import (
	"slices"
	"testing"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// rescope is ivy's approved ask that svc-new may do something else.
func (x *office) rescope(scope string) workflows.RequestID {
	x.t.Helper()
	q := x.submission("ivy", workflows.LifeScope)
	q.Subject, q.Form.Seconds, q.Form.Values = "svc-new", 24*3600, map[string]string{"scope": scope}
	out := x.submit(q)
	if out.Refusal != nil {
		x.t.Fatal(out.Refusal, out.Problems)
	}
	x.approve(out.ID, "ann")
	return out.ID
}

func (x *office) born() {
	x.t.Helper()
	out := x.submit(x.newborn())
	if out.Refusal != nil {
		x.t.Fatal(out.Refusal, out.Problems)
	}
	x.approve(out.ID, "ann")
	x.identityDo("ivy", desk.IdentityCommand{Identity: "svc-new", Do: desk.DoAnswer, Verdict: identities.HandoverKeep}, "")
	x.made("svc-new", out.ID, identities.AccountMade{Ref: "role svc_new", Proof: identities.ProofVerified})
}

func (x *office) made(id workflows.IdentityID, request workflows.RequestID, e identities.AccountMade) {
	x.t.Helper()
	e.Request = request
	if err := x.desk.AccountMade(x.t.Context(), x.cause(), id, e); err != nil {
		x.t.Fatal(err)
	}
}

// R7, R22: a scope that was approved is ordered from the connector with the words of the form; what the connector cannot do is a task of the owner, told,
// a finding until somebody who answers for the identity says with evidence that it is done.
func TestReq_R7_AnApprovedScopeReachesTheAccount(t *testing.T) {
	t.Parallel()
	x := open(t)
	x.load(lives)
	x.born()
	id := x.rescope("role:readers")
	order, due, err := x.desk.AccountToMake(t.Context(), "svc-new")
	if err != nil || !due || order.Request != id || !order.Scope || order.Account != "svc_new" || !slices.Equal(order.Params["role"], []string{"role:readers"}) {
		t.Fatalf("ordered: %+v %v %v", order, due, err)
	}
	if had, err := x.desk.AccountHad(t.Context(), "svc-new"); err != nil || !slices.Equal(had, []string{"writers"}) {
		t.Errorf("to be taken away: %q %v", had, err)
	}
	x.explained("role:readers", "writers")
	x.made("svc-new", id, identities.AccountMade{Ref: identities.RefScope + "member of the role readers", Proof: identities.ProofVerified})
	x.explained("role:readers")
	if had, err := x.desk.AccountHad(t.Context(), "svc-new"); err != nil || len(had) > 0 {
		t.Errorf("done, to be taken away: %q %v", had, err)
	}
	s, e := x.identity("svc-new")
	if s.ByHand() != nil || len(e.Scope) != 1 || e.Scope[0] != "role:readers" || len(s.Life.Rotations) != 1 {
		t.Errorf("changed: %+v, rotations %+v", e.Scope, s.Life.Rotations)
	}

	id = x.rescope("role:writers")
	x.made("svc-new", id, identities.AccountMade{Proof: identities.ProofDeclared, Why: "the connector of pg-main cannot change what an account may do"})
	x.doneByHand(id)
	x.check()

	// Where the document does not have a connector do it, people are asked at once.
	x = open(t)
	x.load(func(d *draft) { lives(d); d.flows[workflows.LifeScope].Life.Make = false })
	x.born()
	id = x.rescope("role:writers")
	if _, due, err := x.desk.AccountToMake(t.Context(), "svc-new"); err != nil || due {
		t.Errorf("a connector is asked: %v %v", due, err)
	}
	x.doneByHand(id)
	x.check()
}

// explained holds what people approved for accounts on pg-main, and may be found there.
func (x *office) explained(want ...string) {
	x.t.Helper()
	given, err := x.desk.Given(x.t.Context(), "pg-main")
	var got []string
	for _, g := range given {
		got = append(got, g.Params["role"]...)
	}
	slices.Sort(got)
	if err != nil || !slices.Equal(got, want) {
		x.t.Errorf("what may be found there: %q %v, want %q", got, err, want)
	}
}

// doneByHand holds what is to be done for svc-new's account by hand to its rules, until it is.
func (x *office) doneByHand(id workflows.RequestID) {
	x.t.Helper()
	s, _ := x.identity("svc-new")
	if a := s.ByHand(); a == nil || a.Request != id || !slices.Contains(s.Row().Findings, identities.FindByHand) ||
		!slices.ContainsFunc(s.Notices(), func(n workflows.Notice) bool { return n.What == identities.NoticeAccount && n.To == "p_ivy" }) {
		x.t.Fatalf("nobody has to do it: %+v, %q, %+v", a, s.Row().Findings, s.Notices())
	}
	x.identityDo("ivy", desk.IdentityCommand{Identity: "svc-new", Do: desk.DoSettle, Evidence: "ok"}, workflows.CodeReasonNeeded)
	x.identityDo("zed", desk.IdentityCommand{Identity: "svc-new", Do: desk.DoSettle, Evidence: "psql says that it is a member"}, workflows.CodeUnknown)
	x.identityDo("ivy", desk.IdentityCommand{Identity: "svc-new", Do: desk.DoSettle, Evidence: "psql says that it is a member"}, "")
	if s, _ := x.identity("svc-new"); s.ByHand() != nil || slices.Contains(s.Row().Findings, identities.FindByHand) {
		x.t.Errorf("done, it is still to be done: %+v", s.Life.Account)
	}
	x.identityDo("ivy", desk.IdentityCommand{Identity: "svc-new", Do: desk.DoSettle, Evidence: "psql says so again"}, workflows.CodeNotActive)
}
