package desk_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// acting as svc-deploy on the bastion: ann of the peers, then mia, who is everybody's manager.
func actsAs(d *draft) {
	e := entitlement("bastion", "as-deploy")
	e.ActsAs = "svc-deploy"
	w := chain("act", e, stage("peers", 1, named("ann", "bob")), stage("management", 1, workflows.Selector{Manager: true}))
	w.Kind, w.For = workflows.KindActAs, []string{workflows.ForSelf}
	w.Fields = append(w.Fields, workflows.Field{Name: "circumstance", Type: workflows.FieldChoice, Choices: []string{"the service is down"}})
	w.ActAs = &workflows.ActAsTerms{Management: "management", Exceptional: "circumstance"}
	d.flows[w.ID] = w
}

func (x *office) actAs(who string) desk.Submission {
	s := x.submission(who, "act")
	s.Form.Values["circumstance"], s.Authn = "the service is down", workflows.AuthnHost
	return s
}

// R95, R106 (PCI DSS 8.6.1): a person acts as a non-human identity only by an explicit grant: exceptional, for a time, with a reason, approved by
// management, by somebody who proved who they are, attributed. On record stand exactly these six items, and the identity's card shows them.
func TestReq_R106_ActingAsAnIdentityHasExactlySixItems(t *testing.T) {
	t.Parallel()
	if n := reflect.TypeFor[grants.ActsAs]().NumField(); n != 7 {
		t.Errorf("%d fields, want the identity and six items", n)
	}
	x := open(t)
	x.load(actsAs)
	out := x.submit(x.actAs("zed"))
	if out.Refusal != nil {
		t.Fatal(out.Refusal)
	}
	x.approve(out.ID, "ann")
	if s := x.state(out.ID); s.Grant != "" {
		t.Fatal("granted before management approved")
	}
	x.approve(out.ID, "mia")
	stream, hold := x.hold(out.ID)
	want := grants.ActsAs{
		Identity: "svc-deploy", Exceptional: "the service is down", Until: hold.Ends.UTC, Reason: string(out.ID), Management: persons("mia"),
		Confirmed: workflows.AuthnHost, Attributed: string(hold.Approved.Grant),
	}
	if diff := cmp.Diff(want, hold.Approved.ActsAs); diff != "" {
		t.Errorf("on record (-want +got):\n%s", diff)
	}
	if hold.Approved.Identity != person("zed").Identity() || hold.Approved.Holder != "ZED" {
		t.Errorf("the target is told it is for %s, %q", hold.Approved.Identity, hold.Approved.Holder)
	}
	card, err := x.desk.EvidenceOf(t.Context(), person("sam"), "svc-deploy")
	if err == nil && len(card.ActedAs) == 1 {
		if diff := cmp.Diff(want, card.ActedAs[0].Hold.Approved.ActsAs); diff != "" {
			t.Errorf("the card (-want +got):\n%s", diff)
		}
	} else {
		t.Errorf("the card: %+v %v", card.ActedAs, err)
	}
	x.start(out.ID)
	x.quarantined("svc-deploy")
	if v := x.verify(); v.Ended != 1 || x.status(stream, hold.Approved.Grant) != grants.StatusEnding {
		t.Errorf("the identity is quarantined, and somebody acts as it: %+v", v)
	}
}

// R95: without one of what it needs nobody acts as an identity.
func TestReq_R95_NobodyActsAsAnIdentityWithoutAnExplicitGrant(t *testing.T) {
	t.Parallel()
	x := open(t)
	x.load(func(d *draft) {
		actsAs(d)
		around := *d.flows["act"] // the same account by an ordinary chain, had a folder slipped through
		around.ID, around.Kind, around.ActAs = "around", workflows.KindCredential, nil
		d.flows["around"] = &around
	})
	for name, c := range map[string]struct {
		edit func(*desk.Submission)
		code string
	}{
		"as it should be":      {func(*desk.Submission) {}, ""},
		"a click":              {func(s *desk.Submission) { s.Authn = workflows.AuthnClick }, workflows.CodeStepUp},
		"nobody knows how":     {func(s *desk.Submission) { s.Authn = "" }, workflows.CodeStepUp},
		"nothing exceptional":  {func(s *desk.Submission) { delete(s.Form.Values, "circumstance") }, workflows.CodeBadField},
		"no reason":            {func(s *desk.Submission) { s.Form.Reason = "" }, workflows.CodeBadField},
		"for days":             {func(s *desk.Submission) { s.Form.Seconds = 3 * 24 * 3600 }, workflows.CodeBadField},
		"for an identity":      {func(s *desk.Submission) { s.Subject = "svc-deploy" }, workflows.CodeNotEligible},
		"by an ordinary chain": {func(s *desk.Submission) { s.Workflow = "around" }, workflows.CodeNoPolicy},
	} {
		s := x.actAs("ivy") // who owns it: that is not enough
		c.edit(&s)
		if out := x.submit(s); code(out.Refusal) != c.code {
			t.Errorf("%s: %v, want %q", name, out.Refusal, c.code)
		}
	}
	x.retired("svc-deploy")
	if out := x.submit(x.actAs("otto")); code(out.Refusal) != workflows.CodeNotInInventory {
		t.Errorf("as an identity that is being taken off: %v", out.Refusal)
	}
}

func (x *office) quarantined(id workflows.IdentityID) {
	x.t.Helper()
	if out := x.kill("sam", id, true); out.Refusal != nil {
		x.t.Fatal(out.Refusal)
	}
}

func (x *office) retired(id workflows.IdentityID) {
	x.t.Helper()
	x.tells(id, identities.Claimed{Source: identities.SourceDecision, Says: identities.Entry{
		Class: "service_account", Owner: "p_ivy", Backup: "p_ida", Purpose: "Deploys the shop every night.", Environment: "production", Expires: x.now().Add(100 * 24 * time.Hour),
	}})
	out, err := x.desk.ChangeIdentity(x.t.Context(), desk.IdentityCommand{Cause: x.cause(), By: acting("ivy"), Identity: id, Do: desk.DoRetire, Reason: "not needed any more", Channel: "cli"})
	if err != nil || out.Refusal != nil {
		x.t.Fatal(err, out.Refusal)
	}
}

// R28: who acted last as an identity and then left may know its secret: that is a finding on its page until the secret was replaced.
func TestReq_R28_TheLastUserOfAnIdentityLeft(t *testing.T) {
	t.Parallel()
	x := open(t)
	x.load(actsAs)
	out := x.submit(x.actAs("zed"))
	x.approve(out.ID, "ann")
	x.approve(out.ID, "mia")
	x.start(out.ID)
	page := func() desk.IdentityView {
		t.Helper()
		v, err := x.desk.Identity(t.Context(), person("sam"), "svc-deploy")
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	if v := page(); v.Row.LastUser != person("zed") || slices.Contains(v.Findings, identities.FindUserGone) {
		t.Fatalf("zed acts as it, and is there: %q, %v", v.Row.LastUser, v.Findings)
	}
	all, err := x.desk.LastUsers(t.Context())
	if err != nil || all["svc-deploy"] != person("zed") {
		t.Errorf("who acted last: %v %v", all, err)
	}
	x.clock.Add(time.Hour)
	x.departs("zed", identities.LeftCompany)
	if v := page(); !slices.Contains(v.Findings, identities.FindUserGone) {
		t.Errorf("zed left: %v", v.Findings)
	}
}
