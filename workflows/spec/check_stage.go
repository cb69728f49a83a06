package spec

import (
	"slices"

	"github.com/countersign-bot/countersign/workflows"
)

// checkStage checks one step and answers who can sit on it.
func (c *checker) checkStage(w *workflow, s *value, askers *yield) seats {
	p := parts{what: "approvers", byRequest: true, chat: true, identity: slices.Contains(w.whom(), workflows.ForOwned)}
	out := seats{stage: s, quorum: s.num("quorum", 1), repeat: s.flag("repeat"), apart: s.strs("distinct_from"), consent: s.str("kind") == workflows.StageConsent}
	c.oneWay(s)
	if groups, any := partsOf(s); groups != nil {
		c.checkParts(w, groups, any, p, askers, &out)
	} else if a := s.get("approvers"); a != nil {
		out.who = c.selector(a, p)
		if out.who != nil && out.quorum > out.who.most() {
			c.at(s.or("quorum"), "name more people or ask for fewer", "quorum: %d, but the approvers are at most %d", out.quorum, out.who.most())
			out.who = nil
		}
		c.byRequest(w, a, out.who, askers)
	}
	c.delays(s)
	for _, tier := range s.list("escalate") {
		y := c.selector(tier.get("approvers"), p)
		out.unsure = out.unsure || y == nil
		out.more = joined(out.more, y)
	}
	if t := s.get("tell"); t != nil {
		p.what = "those who are told"
		c.selector(t, p)
	}
	return out
}

// partsOf is the groups of a step that has some; any tells that one of them is enough.
func partsOf(s *value) (groups []*value, any bool) {
	if s.has("any_of") {
		return s.list("any_of"), true
	}
	if s.has("all_of") {
		return s.list("all_of"), false
	}
	return nil, false
}

// oneWay wants exactly one of the three ways to name approvers, and of a consent what makes sense for it.
func (c *checker) oneWay(s *value) {
	var ways []string
	for _, k := range []string{"approvers", "all_of", "any_of"} {
		if s.has(k) {
			ways = append(ways, k)
		}
	}
	switch {
	case len(ways) == 0:
		c.at(s, "approvers: Who may approve here. The requester never counts.", "%s.approvers is missing", s.path)
	case len(ways) > 1:
		c.at(s.or(ways[1]), "write one of them", "%s: %s and %s exclude each other", s.path, ways[0], ways[1])
	case ways[0] != "approvers" && s.has("quorum"):
		c.at(s.or("quorum"), "leave it out", "%s: the quorums stand in %s", s.path, ways[0])
	}
	if s.str("kind") != workflows.StageConsent {
		return
	}
	for _, k := range []string{"all_of", "any_of", "deny", "repeat", "distinct_from"} {
		if s.has(k) {
			c.at(s.or(k), "leave it out", "%s: a step of kind consent has no %s: any objection ends the request", s.path, k)
		}
	}
}

// checkParts checks the groups of a step and sums up who can sit on it.
func (c *checker) checkParts(w *workflow, groups []*value, any bool, p parts, askers *yield, out *seats) {
	if len(groups) < 2 && !hasBad(out.stage) {
		c.at(out.stage.or("all_of").or("any_of"), "with one group write approvers and quorum", "%s: want two groups at least", out.stage.path)
	}
	names := map[string]*value{}
	out.quorum = 0
	for _, g := range groups {
		c.once(names, "group of approvers", g.str("name"), g.or("name"))
		y, q := c.selector(g.get("approvers"), p), g.num("quorum", 1)
		if y != nil && q > y.most() {
			c.at(g.or("quorum"), "name more people or ask for fewer", "quorum: %d, but the approvers are at most %d", q, y.most())
			y = nil
		}
		c.byRequest(w, g.get("approvers"), y, askers)
		out.unsure = out.unsure || y == nil
		out.who = joined(out.who, y)
		out.parts = append(out.parts, seats{stage: g, quorum: q, who: y})
		switch {
		case !any:
			out.quorum += q
		case out.quorum == 0 || q < out.quorum:
			out.quorum = q
		}
	}
	out.any = any
}

// joined is everybody of two selectors; nil counts as nobody.
func joined(a, b *yield) *yield {
	if a == nil || b == nil {
		if a == nil {
			return b
		}
		return a
	}
	out := &yield{people: map[string]bool{}, more: a.more + b.more, open: a.open || b.open}
	for _, y := range []*yield{a, b} {
		for k := range y.people {
			out.people[k] = true
		}
	}
	return out
}

// delays holds reminders and escalations to the order in which they can happen.
func (c *checker) delays(s *value) {
	timeout := s.span("timeout", 0)
	early := func(v *value, key, what string) {
		elapsed, inWork := v.delay(key)
		if d := max(elapsed, inWork); timeout > 0 && d >= timeout {
			path := key
			if what == "escalate" {
				path = "escalate." + key
			}
			c.at(v.get(key), what+" before the time is up", "%s: %s is not before the timeout, %s", path, v.str(key), timeout)
		}
	}
	early(s, "remind", "remind")
	tiers := s.list("escalate")
	if e := s.get("escalate"); e != nil && len(tiers) == 0 && !hasBad(e) {
		c.at(e, "leave the key out", "%s: an empty list escalates to nobody", e.path)
	}
	for i, t := range tiers {
		early(t, "after", "escalate")
		if i == 0 {
			continue
		}
		a, aw := tiers[i-1].delay("after")
		b, bw := t.delay("after")
		if a > 0 && b > 0 && b <= a || aw > 0 && bw > 0 && bw <= aw {
			c.at(t.get("after"), "both are counted from the opening of the step", "%s: %s is not after the tier before, %s", t.path, t.str("after"), tiers[i-1].str("after"))
		}
	}
}

// distinct checks the names of the steps whose approvers do not count in step i.
func (c *checker) distinct(w *workflow, s *value, i int) {
	list := s.list("distinct_from")
	if s.has("distinct_from") && s.has("repeat") {
		c.at(s.or("repeat"), "leave one of them out", "%s: repeat and distinct_from exclude each other", s.path)
	}
	if d := s.get("distinct_from"); d != nil && len(list) == 0 && !hasBad(d) {
		c.at(d, "leave it out for all earlier steps, or write repeat: true for none", "%s: an empty list", d.path)
	}
	c.unique(list)
	var earlier, all []string
	for k, o := range w.stages {
		all = append(all, o.str("name"))
		if k < i {
			earlier = append(earlier, o.str("name"))
		}
	}
	for _, n := range list {
		switch {
		case slices.Contains(earlier, n.scalar()):
		case slices.Contains(all, n.scalar()):
			c.at(n, "only those who approved before can be kept out", "%s: step %q is not before this one", n.path, n.scalar())
		default:
			c.unknown(n, n.scalar(), "step", all)
		}
	}
}

// byRequest refuses selectors that yield nobody for whole kinds of request.
func (c *checker) byRequest(w *workflow, v *value, y, askers *yield) {
	if y == nil || y.open || len(y.people) > 0 || v.has("rotations") || v.has("fallback") {
		return
	}
	owners := v.flag("target_owner")
	if v.flag("identity_owner") && w.kind() != workflows.KindRoutine && !owners && !v.flag("manager") && slices.Contains(w.whom(), workflows.ForSelf) {
		c.at(v, "name others beside, or for: [owned]", "%s: nobody, when somebody asks for themselves", v.path)
	}
	if owners && w.kind().OfRunbook() {
		c.at(v.get("target_owner"), "name people or groups", "%s: the approval of a runbook is for no target", v.path)
	}
	if v.flag("manager") && !owners && !v.flag("identity_owner") && !c.anyManager(askers) {
		c.at(v, "people.yaml, manager: key", "%s: nobody, because nobody who may ask has a manager", v.path)
	}
}

func (c *checker) anyManager(askers *yield) bool {
	return slices.ContainsFunc(c.f.people, func(p *person) bool {
		return p.has("manager") && (askers == nil || askers.people[p.key])
	})
}
