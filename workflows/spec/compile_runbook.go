package spec

import (
	"slices"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

func (c *compiler) runbookPolicy(b *runbook) (RunbookPolicy, error) {
	raw := hashOf(b.src.raw)
	out := incidents.Runbook{
		ID: workflows.RunbookID(b.id), Title: b.str("title"), Purpose: b.str("purpose"), UseWhen: b.str("use_when"),
		DoNotUseWhen: b.str("do_not_use_when"), Owner: c.id(b.str("owner")), Invokers: c.selector(b.get("invokers")),
		Longest: b.span("longest", 0), IncidentPattern: b.str("incident_pattern"), Skips: workflows.WorkflowID(b.str("skips")),
		Notify: b.str("notify"), Reviewers: c.selector(b.get("reviewers")), ReviewDue: b.span("review_due", 0), Fields: fields(b.list("fields")),
		Document: raw, SeverityMin: b.num("severity_min", 0), IncidentLive: b.flag("incident_required"),
		OnShift: b.strs("on_shift"), Commander: b.flag("commander_invokes"), Apart: b.flag("executor_differs"),
		Chain: workflows.WorkflowID(b.str("chain")), LastReviewed: b.str("last_reviewed"), ReviewEvery: b.span("review_every", 0),
		DrillEvery: b.span("drill_every", 0), Cooldown: b.span("cooldown", 0), Often: c.useOften(b.get("max_uses")),
		Routine: b.flag("routine"), OpensOn: b.strs("opens_on"), Kinds: b.strs("kinds"),
		PersonOften: c.useOften(b.get("max_person_uses")), OnFailure: b.str("on_failure"),
	}
	out.Grant.Params = map[string][]string{}
	if g := b.str("grant"); g != "" {
		out.Grant = c.entitlement(c.f.index.entitlements[g])
	}
	out.Executors, out.Tell = c.optional(b.value, "executors"), c.optional(b.value, "notify_people")
	if g := b.get("break_glass"); g != nil {
		out.BreakGlass = &incidents.BreakGlass{People: workflows.Selector{People: c.list(g, "people")}, Longest: g.span("longest", 0), StepUp: g.flag("step_up")}
	}
	for _, x := range b.list("rotate_after") {
		out.Exposed = append(out.Exposed, incidents.Exposed{What: x.str("what"), Owner: c.id(x.str("owner")), Within: x.span("within", 0), Identity: workflows.IdentityID(x.str("identity"))})
	}
	if slices.ContainsFunc(b.steps, func(s *step) bool { return s.value != nil }) {
		for _, s := range b.steps {
			out.Steps = append(out.Steps, c.step(s))
		}
	}
	bytes, err := canonical(out)
	if err != nil {
		return RunbookPolicy{}, err
	}
	return RunbookPolicy{Runbook: out, Raw: b.src.raw, Hash: raw, Canonical: bytes, Policy: hashOf(bytes)}, nil
}

func (c *compiler) useOften(v *value) *incidents.Often {
	if v == nil {
		return nil
	}
	return &incidents.Often{Times: v.num("times", 0), Per: v.span("per", 0)}
}

const (
	defaultStepTimeout = workflows.Span(60)
	defaultRetries     = 2
)

func (c *compiler) step(s *step) incidents.Step {
	out := incidents.Step{Title: s.Title, Text: s.Text}
	if s.value == nil {
		return out
	}
	out.Second, out.Evidence = s.flag("second"), s.flag("evidence")
	if !s.acts() {
		return out
	}
	out.Action, out.Does = s.str("action"), c.entitlement(c.f.index.entitlements[s.str("on")])
	out.Fields, out.Secrets, out.Account = texts(s.get("fields")), texts(s.get("secrets")), s.str("account")
	out.Timeout, out.Retries = s.span("timeout", defaultStepTimeout), s.num("retries", defaultRetries)
	out.Wait = s.span("wait", 0)
	out.Auto, out.Precheck, out.Rollback, out.OnFailure = s.flag("auto"), s.str("precheck"), s.flag("rollback"), s.str("on_failure")
	return out
}

// texts is a table of texts.
func texts(v *value) map[string]string {
	if v == nil {
		return nil
	}
	out := map[string]string{}
	for _, e := range v.entries {
		out[e.key] = e.value.scalar()
	}
	return out
}
