package spec

import (
	"strconv"

	"github.com/countersign-bot/countersign/workflows"
)

func (c *compiler) selector(v *value) workflows.Selector {
	s := workflows.Selector{
		Anyone: v.flag("anyone"), People: append(c.list(v, "people"), c.list(v, "emails")...), TargetOwner: v.flag("target_owner"),
		IdentityOwner: v.flag("identity_owner"), Manager: v.flag("manager"), Exclude: c.list(v, "exclude"),
		ChatChannels: v.strs("chat_channels"), Rotations: v.strs("rotations"),
	}
	for _, g := range v.strs("groups") {
		s.Groups = append(s.Groups, c.group(c.f.index.groups[g]))
	}
	s.ChatGroups = append(s.ChatGroups, v.strs("chat_groups")...)
	s.Fallback = c.optional(v, "fallback")
	return s
}

// optional is the selector under a key, nil when there is none.
func (c *compiler) optional(v *value, key string) *workflows.Selector {
	x := v.get(key)
	if x == nil {
		return nil
	}
	s := c.selector(x)
	return &s
}

func (c *compiler) policy(w *workflow) (Policy, error) {
	out := workflows.Workflow{
		ID: workflows.WorkflowID(w.id), Title: w.str("title"), Purpose: w.str("purpose"), Kind: w.kind(),
		Owner: c.id(w.str("owner")), Ask: c.selector(w.get("may_ask")), For: w.whom(), Fields: fields(w.list("fields")),
		Longest: w.span("longest", 0), ReasonMin: w.num("reason_min", defaultReasonMin), Channel: w.str("channel"),
		SeenBy: orElse(w.str("seen_by"), workflows.SeenByParties),
		Later:  w.span("later", 0), EndsWith: w.str("ends_with"), Calendar: w.str("calendar"), Only: w.str("only"), Freezes: w.strs("freezes"),
		ReasonFor: w.strs("reason_for"), Tell: c.optional(w.value, "tell"),
		MaxUnverified: w.span("max_unverified", 0), Posture: w.strs("posture"), Task: taskTerms(w.get("task")),
	}
	out.Usual = w.span("usual", out.Longest)
	if out.Kind == workflows.KindPreapprove {
		out.Uses = w.num("uses", defaultUses)
	} else if out.Kind != workflows.KindRoutine {
		out.Risk = c.f.table
	}
	for _, g := range w.strs("grants") {
		out.Entitlements = append(out.Entitlements, c.entitlement(c.f.index.entitlements[g]))
	}
	c.language(w, &out)
	bytes, err := canonical(out)
	if err != nil {
		return Policy{}, err
	}
	return Policy{Workflow: out, Hash: hashOf(bytes), Canonical: bytes, Source: w.src.raw, SourceHash: hashOf(w.src.raw)}, nil
}

func taskTerms(v *value) *workflows.TaskTerms {
	if v == nil {
		return nil
	}
	return &workflows.TaskTerms{Source: workflows.TargetID(v.str("source")), Assignee: v.str("assignee"), Window: v.flag("window")}
}

// language is rules, stages and what else decides about an ask.
func (c *compiler) language(w *workflow, out *workflows.Workflow) {
	for _, s := range w.stages {
		out.Stages = append(out.Stages, c.stage(s))
	}
	for _, r := range w.rules {
		out.Rules = append(out.Rules, c.rule(r))
	}
	if w.str("choose") == workflows.ChooseSpecific {
		out.Choose = workflows.ChooseSpecific
	}
	if o := w.get("often"); o != nil {
		out.Often = &workflows.Often{Times: o.num("times", 0), Per: o.span("per", 0)}
	}
	if e := w.get("extend"); e != nil {
		out.Extend = &workflows.Extend{Cap: e.span("cap", 0)}
	}
	out.Exception = exceptionOf(w.get("exception"))
	if x := w.get("life"); x != nil {
		out.Life = &workflows.LifeTerms{Action: x.str("action"), Make: x.flag("make")}
	}
	if x := w.get("impersonate"); x != nil {
		out.ActAs = &workflows.ActAsTerms{Management: x.str("management"), Exceptional: x.str("exceptional")}
	}
	if x := w.get("window"); x != nil {
		out.Window = &workflows.WindowTerms{
			Hours: x.str("hours"), Zone: x.str("zone"), Times: x.num("times", 0), Per: x.span("per", 0), Lifetime: x.span("lifetime", 0), Budget: x.num("budget", 0),
		}
	}
}

func (c *compiler) rule(r *value) workflows.Rule {
	out := workflows.Rule{
		Name: r.str("name"), When: r.str("when"), UpTo: r.span("up_to", 0), Stages: r.strs("stages"), Longest: r.span("longest", 0), Refuse: r.str("refuse"), Across: r.flag("across_environments"),
	}
	if v := r.get("when"); v != nil {
		out.Terms = c.f.conditions[v]
	}
	if out.UpTo > 0 {
		out.Terms++
	}
	if a := r.get("auto"); a != nil {
		out.Auto = &workflows.Auto{Times: a.num("times", 0), Per: a.span("per", 0), Sample: a.num("sample", 0)}
	}
	return out
}

func (c *compiler) stage(v *value) workflows.Stage {
	s := workflows.Stage{
		Name: v.str("name"), Approvers: c.selector(v.get("approvers")), Quorum: v.num("quorum", 1), Timeout: v.span("timeout", 0),
		Repeat: v.flag("repeat"), DistinctFrom: v.strs("distinct_from"), Tell: c.optional(v, "tell"),
	}
	s.Remind, s.RemindWorking = v.delay("remind")
	if v.str("kind") == workflows.StageConsent {
		s.Kind = workflows.StageConsent
	}
	if v.str("deny") == workflows.DenyCounts {
		s.Deny = workflows.DenyCounts
	}
	if o := v.str("off_hours"); o != offHoursPage {
		s.OffHours = o
	}
	c.parts(v, &s)
	for i, e := range v.list("escalate") {
		tier := workflows.Escalation{Approvers: c.selector(e.get("approvers"))}
		tier.After, tier.Working = e.delay("after")
		if i == 0 {
			s.Escalate = &tier
		} else {
			s.Then = append(s.Then, tier)
		}
	}
	return s
}

// parts compiles groups of approvers; the quorum of the stage is their sum, or the least of them when one is enough.
func (c *compiler) parts(v *value, s *workflows.Stage) {
	groups, any := partsOf(v)
	if groups == nil {
		return
	}
	s.AnyPart, s.Quorum = any, 0
	for _, g := range groups {
		p := workflows.Part{Name: g.str("name"), Approvers: c.selector(g.get("approvers")), Quorum: g.num("quorum", 1)}
		s.Parts = append(s.Parts, p)
		switch {
		case !any:
			s.Quorum += p.Quorum
		case s.Quorum == 0 || p.Quorum < s.Quorum:
			s.Quorum = p.Quorum
		}
	}
}

func fields(items []*value) (out []workflows.Field) {
	for _, f := range items {
		x := workflows.Field{
			Name: f.str("name"), Label: f.str("label"), Help: f.str("help"), Type: f.str("type"), Optional: f.flag("optional"),
			Choices: f.strs("choices"), Pattern: f.str("pattern"), MaxLen: f.num("max_length", 0),
		}
		x.Least, x.Most = f.bound("least"), f.bound("most")
		out = append(out, x)
	}
	return out
}

// bound is a number or a duration as it is written.
func (v *value) bound(key string) string {
	x := v.get(key)
	if x == nil {
		return ""
	}
	if x.kind == kindInt {
		return strconv.Itoa(whole(x.text))
	}
	return x.scalar()
}
