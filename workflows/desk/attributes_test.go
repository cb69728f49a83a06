package desk_test

import (
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// says puts an identity into the inventory as a file of another system would, owned by ivy.
func (x *office) says(id workflows.IdentityID, edit func(*identities.Entry)) {
	e := identities.Entry{
		Class: "service_account", Owner: "p_ivy", Backup: "p_ida", Purpose: "Copies the orders of the day.", Environment: "production", Stored: identities.StoredVault,
		Expires: x.now().Add(100 * 24 * time.Hour), ManagedBy: identities.ManagedInternal, Target: "bastion",
	}
	edit(&e)
	x.tells(id, identities.Claimed{Source: identities.ImportSource("cmdb"), Says: e})
}

func (x *office) asksAs(id workflows.IdentityID, flow workflows.WorkflowID) (workflows.State, string) {
	x.t.Helper()
	s := x.submission("ivy", flow)
	s.Subject = id
	out := x.submit(s)
	if out.Refusal != nil {
		return workflows.State{}, out.Refusal.Code
	}
	return x.state(out.ID), ""
}

// R39, R103: who manages an identity, how strong its kind of credential is and what is wrong with it now are inputs of conditions: an identity with a
// finding, or one that somebody outside runs, goes through a stronger chain, and the record says why.
func TestReq_R39_AttributesOfAnIdentityChooseTheChain(t *testing.T) {
	t.Parallel()
	x := open(t)
	x.load(func(d *draft) {
		d.conditions = spec.NewConditions()
		w := *d.flows["shell"]
		w.Stages = []workflows.Stage{stage("peers", 1, named("ann", "bob")), stage("security", 1, named("sam"))}
		w.Rules = []workflows.Rule{
			{Name: "built without code", When: `subject.managed_by == "low-code"`},
			{Name: "something is wrong", When: `"over_scoped" in subject.findings`},
			{Name: "a secret", When: `subject.strength == "static" && !subject.self`},
			{Name: "usual", Stages: []string{"peers"}},
		}
		d.flows["shell"] = &w
	})
	for _, c := range []struct {
		id     workflows.IdentityID
		edit   func(*identities.Entry)
		rule   string
		stages int
	}{
		{"svc-flow", func(e *identities.Entry) { e.ManagedBy = identities.ManagedLowCode }, "built without code", 2},
		{"svc-wide", func(e *identities.Entry) { e.Scope = []string{"*"} }, "something is wrong", 2},
		{"svc-vault", func(*identities.Entry) {}, "a secret", 2},
		{"svc-oidc", func(e *identities.Entry) { e.Stored = identities.StoredNone }, "usual", 1},
	} {
		x.says(c.id, c.edit)
		s, no := x.asksAs(c.id, "shell")
		if no != "" || s.Asked.Chosen != c.rule || len(s.Asked.Plan) != c.stages {
			t.Errorf("%s: refused %q, rule %q with %d stages, want %q with %d", c.id, no, s.Asked.Chosen, len(s.Asked.Plan), c.rule, c.stages)
		}
	}
}

// R93: an identity belongs to one environment: across environments it gets nothing by default, and only by a rule that says so.
func TestReq_R93_AcrossEnvironmentsOnlyByARuleForThat(t *testing.T) {
	t.Parallel()
	x := open(t)
	x.load(func(d *draft) {
		d.conditions = spec.NewConditions()
		for _, id := range []workflows.WorkflowID{"shell", "pair", "names"} {
			w := *d.flows[id]
			w.Entitlements = append([]workflows.Entitlement(nil), w.Entitlements...)
			w.Entitlements[0].Environment = "production"
			d.flows[id] = &w
		}
		d.flows["pair"].Rules = []workflows.Rule{{Name: "any"}}
		d.flows["names"].Rules = []workflows.Rule{{Name: "from elsewhere", When: "subject.across", Across: true}, {Name: "any"}}
	})
	x.says("svc-staging", func(e *identities.Entry) { e.Environment = "staging" })
	x.says("svc-production", func(*identities.Entry) {})
	for flow, want := range map[workflows.WorkflowID]string{"shell": workflows.CodeRule, "pair": workflows.CodeRule, "names": ""} {
		if _, no := x.asksAs("svc-staging", flow); no != want {
			t.Errorf("from staging by %s: %q, want %q", flow, no, want)
		}
		if _, no := x.asksAs("svc-production", flow); no != "" {
			t.Errorf("from production by %s: %q", flow, no)
		}
	}
}

// R89: credential kinds carry a class of strength; a static, long-lived kind gets nothing of a high tier, unless an exception covers it.
func TestReq_R89_StaticSecretsNeedAnExceptionAtHighTiers(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]string{
		"api_key": workflows.StrengthStatic, "oauth_token": workflows.StrengthStatic, "ssh_key": workflows.StrengthStatic, "certificate": workflows.StrengthBound,
		"workload": workflows.StrengthFederated, "something new": workflows.StrengthStatic,
	} {
		if got := workflows.StrengthOf(kind, ""); got != want {
			t.Errorf("%s is %s, want %s", kind, got, want)
		}
	}
	x := excepting(t, workflows.FailedSuspends)
	x.load(func(d *draft) {
		i := d.identities["svc-deploy"]
		i.Class = "api_key"
		d.identities["svc-deploy"] = i
		for id, step := range map[workflows.WorkflowID]bool{"shell": true, "pair": false} {
			w := *d.flows[id]
			w.Risk = &workflows.RiskTable{Tiers: []workflows.Tier{{Name: "t", Approvers: 1, StepUp: step}}, Rows: []workflows.RiskRow{{Tier: "t"}}}
			d.flows[id] = &w
		}
	})
	if _, no := x.asksAs("svc-deploy", "pair"); no != "" {
		t.Errorf("at a low tier: %q", no)
	}
	if _, no := x.asksAs("svc-deploy", "shell"); no != workflows.CodeRisk {
		t.Errorf("a key at a high tier: %q", no)
	}
	x.approve(x.waive(), "ann")
	if _, no := x.asksAs("svc-deploy", "shell"); no != "" {
		t.Errorf("with an exception: %q", no)
	}
}
