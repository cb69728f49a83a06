package workflows

import (
	"slices"
)

// Choice is which way an ask goes through a workflow.
type Choice struct {
	Rule   *Rule // nil where the workflow has no rules
	Trace  []RuleOutcome
	Stages []string // names of the stages it goes through, in the workflow's order; empty: approved without people
}

// Auto tells whether the document itself approves.
func (c Choice) Auto() bool { return c.Rule != nil && c.Rule.Auto != nil }

// Pick chooses the rule that an ask goes by. matched are the answers of the rules' conditions, in the order of the rules; nil means that they
// could not be evaluated, which refuses: a condition that fails is not a condition that says no. A rule matches when its condition
// does and the ask is no longer than UpTo.
func (w *Workflow) Pick(matched []bool, seconds Span) (Choice, *Refusal) {
	if len(w.Rules) == 0 {
		return Choice{Stages: w.stageNames(nil)}, nil
	}
	if len(matched) != len(w.Rules) {
		return Choice{}, Refuse(CodeDirectory, "The conditions of this chain could not be worked out just now, so nothing was recorded.", "Try again in a minute; if it stays like this, ask the owner of the chain.")
	}
	c := Choice{Trace: make([]RuleOutcome, len(w.Rules))}
	at, twin := -1, -1
	for i, r := range w.Rules {
		c.Trace[i] = RuleOutcome{r.Name, matched[i] && (r.UpTo == 0 || seconds <= r.UpTo)}
		switch {
		case !c.Trace[i].Matched:
		case at < 0, w.Choose == ChooseSpecific && r.Terms > w.Rules[at].Terms:
			at, twin = i, -1
		case w.Choose == ChooseSpecific && r.Terms == w.Rules[at].Terms:
			twin = i
		}
	}
	switch {
	case at < 0:
		return c, Refuse(CodeNoRule, "No rule of this chain covers what you ask for, so nobody could approve it.", "Ask for less or for shorter, or ask the owner of the chain.")
	case twin >= 0:
		return c, Refusef(CodeAmbiguous, "Ask the owner of the chain to make one of them more specific.",
			"Two rules of this chain cover what you ask for and neither is more specific: %q and %q.", w.Rules[at].Name, w.Rules[twin].Name)
	}
	c.Rule = &w.Rules[at]
	if c.Rule.Refuse != "" {
		return c, Refuse(CodeRule, c.Rule.Refuse, "")
	}
	if c.Rule.Auto == nil {
		c.Stages = w.stageNames(c.Rule.Stages)
	}
	return c, nil
}

// stageNames are the names of the stages among those wanted, in the workflow's order; none wanted means all.
func (w *Workflow) stageNames(wanted []string) []string {
	var out []string
	for _, st := range w.Stages {
		if len(wanted) == 0 || slices.Contains(wanted, st.Name) {
			out = append(out, st.Name)
		}
	}
	return out
}

// Planned is a copy of the workflow with only the named stages, in the workflow's order: stage i of a request's plan is stage i of that copy.
func (w *Workflow) Planned(names []string) *Workflow {
	out := *w
	out.Stages = nil
	for _, st := range w.Stages {
		if slices.Contains(names, st.Name) {
			out.Stages = append(out.Stages, st)
		}
	}
	return &out
}

// StageNames are the names of the stages that a request goes through, for Planned.
func (s State) StageNames() []string {
	out := make([]string, len(s.Asked.Plan))
	for i, p := range s.Asked.Plan {
		out[i] = p.Name
	}
	return out
}

// TierOf is the risk tier of an ask and the row of the table that says so, from 1. Without a table there is no tier; with one that no row
// answers, ok is false while the workflow's Risk is not nil, which refuses.
func (w *Workflow) TierOf(e Entitlement, principal string) (tier Tier, row int, ok bool) {
	if w.Risk == nil {
		return Tier{}, 0, false
	}
	for i, r := range w.Risk.Rows {
		if !holds(r.Environment, e.Environment) || !holds(r.DataClass, e.DataClass) || !holds(r.Action, e.Action) ||
			!holds(r.Breadth, e.Breadth) || !holds(r.Principal, principal) {
			continue
		}
		for _, t := range w.Risk.Tiers {
			if t.Name == r.Tier {
				return t, i + 1, true
			}
		}
		return Tier{}, 0, false
	}
	return Tier{}, 0, false
}

// RowCap is how long a row of extensions may last in all, counted from the start of its first grant: the cap of the chain, and never longer
// than what the tier allows for one grant, or a row would be the way around it. Zero: nothing is extended.
func (w *Workflow) RowCap(tier string) Span {
	if w.Extend == nil {
		return 0
	}
	if i := w.level(tier); i >= 0 && w.Risk.Tiers[i].Longest > 0 {
		return min(w.Extend.Cap, w.Risk.Tiers[i].Longest)
	}
	return w.Extend.Cap
}

func holds(list []string, word string) bool { return len(list) == 0 || slices.Contains(list, word) }

// level is how high a tier stands in the table, from 0; -1 when it is not there.
func (w *Workflow) level(tier string) int {
	if w.Risk == nil {
		return -1
	}
	return slices.IndexFunc(w.Risk.Tiers, func(t Tier) bool { return t.Name == tier })
}

// Demands tells whether a verb needs a reason under this workflow. Denying always does.
func (w *Workflow) Demands(verb string) bool {
	return verb == VerbDeny || slices.Contains(w.ReasonFor, verb)
}

// planOf is what a submission binds of the workflow's stages.
func (w *Workflow) planOf() []PlannedStage {
	out := make([]PlannedStage, len(w.Stages))
	for i, st := range w.Stages {
		p := PlannedStage{
			Name: st.Name, Quorum: st.Quorum, Remind: st.Remind, Timeout: st.Timeout, Repeat: st.Repeat,
			Kind: st.Kind, AnyPart: st.AnyPart, Deny: st.Deny, OffHours: st.OffHours,
		}
		if p.Remind == 0 {
			p.Remind = st.RemindWorking // of those asked; elapsed when their hours are not known
		}
		for _, part := range st.Parts {
			p.Parts = append(p.Parts, PlannedPart{part.Name, part.Quorum})
		}
		if st.Escalate != nil {
			p.Escalate = st.Escalate.After
			for _, t := range append([]Escalation{*st.Escalate}, st.Then...) {
				p.Tiers = append(p.Tiers, PlannedTier{t.After, t.Working})
			}
		}
		p.Apart = w.apart(st.DistinctFrom, i)
		out[i] = p
	}
	return out
}

// apartFromNone stands in PlannedStage.Apart for stages that the ask does not go through: an empty list would mean all earlier ones.
const apartFromNone = -1

// apart are the earlier stages of the plan whose approvers do not count in stage i; nil for all of them.
func (w *Workflow) apart(names []string, i int) []int {
	if len(names) == 0 {
		return nil
	}
	var out []int
	for j := range i {
		if slices.Contains(names, w.Stages[j].Name) {
			out = append(out, j)
		}
	}
	if out == nil {
		return []int{apartFromNone}
	}
	return out
}

// fewest is how many different people approve at the least, in all stages together.
func fewest(plan []PlannedStage) int {
	n := 0
	for i, p := range plan {
		switch {
		case p.Kind == StageConsent:
		case !p.Repeat && (len(p.Apart) == 0 || len(p.Apart) == i && !slices.Contains(p.Apart, apartFromNone)):
			n += p.Quorum
		default:
			n = max(n, p.Quorum)
		}
	}
	return n
}
