package spec

import (
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	celvalue "cel.dev/cel-go/common/types/ref"

	"github.com/countersign-bot/countersign/workflows"
)

// demands refuses ways through a chain that ask fewer people than the tier of what they grant demands (R30). The engine refuses the ask as
// well; here the author is told first.
func (c *checker) demands(x chain) {
	if c.f.risk == nil || x.w.kind().OfRunbook() {
		return
	}
	for _, g := range x.w.list("grants") {
		e, ok := c.ix.entitlements[g.scalar()]
		if !ok {
			continue
		}
		for _, p := range x.ways() {
			for _, kind := range c.f.principalsOf(x.w) {
				t, _, found := c.f.tierOf(c.plain(e), kind)
				if n := x.strength(p); found && n < t.Approvers && c.reaches(x, p, e, kind, t) {
					c.at(x.at(p), "raise a quorum, add a step, or keep the rule from it with a condition such as tier != \""+t.Name+"\"",
						"%s%s gives %q with %s, and its tier, %q, demands %d", x.name(), x.of(p), g.scalar(), people(n), t.Name, t.Approvers)
					break
				}
			}
		}
	}
}

// mayMatch tells whether a rule can be chosen for an entitlement, whoever asks and holds.
func (c *checker) mayMatch(x chain, p plan, e grantable) bool {
	for _, kind := range c.f.principalsOf(x.w) {
		t, _, _ := c.f.tierOf(c.plain(e), kind)
		if c.reaches(x, p, e, kind, t) {
			return true
		}
	}
	return false
}

// reaches tells whether a rule can be chosen: it may match, and no rule that is sure to match comes first.
func (c *checker) reaches(x chain, p plan, e grantable, kind string, t workflows.Tier) bool {
	if p.rule == nil {
		return true
	}
	for _, earlier := range x.rules {
		if earlier.rule == p.rule || x.w.str("choose") == workflows.ChooseSpecific {
			break
		}
		if !earlier.rule.has("up_to") && c.judge(x.w, earlier, e, kind, t) == types.True {
			return false
		}
	}
	return c.judge(x.w, p, e, kind, t) != types.False
}

// judge evaluates the condition of a rule with what is known before anybody asks; all else is unknown. It answers types.True or types.False
// when that is certain, and anything else when it is not.
func (c *checker) judge(w *workflow, p plan, e grantable, kind string, t workflows.Tier) celvalue.Val {
	if !p.rule.has("when") {
		return types.True
	}
	if p.cond == nil || p.cond.ahead == nil {
		return nil
	}
	x := c.plain(e)
	vars := map[string]any{
		"target":      map[string]any{"id": string(x.Target), "environment": x.Environment, "data_class": x.DataClass},
		"entitlement": map[string]any{"id": string(x.ID), "action": x.Action, "breadth": x.Breadth},
		"subject":     map[string]any{"kind": kind, "self": kind == kindPerson},
		"tier":        t.Name, "risk": int64(slices.Index(c.ix.tiers, t.Name)),
	}
	unknown := []*cel.AttributePatternType{cel.AttributePattern("target").QualString("owner")}
	for _, s := range []string{"id", "owner", "environment"} {
		unknown = append(unknown, cel.AttributePattern("subject").QualString(s))
	}
	if slices.Contains(w.whom(), workflows.ForReports) {
		unknown = append(unknown, cel.AttributePattern("subject").QualString("self"))
	}
	for _, n := range conditionNames() {
		if _, known := vars[n]; !known {
			unknown = append(unknown, cel.AttributePattern(n))
		}
	}
	part, err := cel.PartialVars(vars, unknown...)
	if err != nil {
		return nil
	}
	out, _, err := p.cond.ahead.Eval(part)
	if err != nil {
		return nil
	}
	return out
}
