package spec

import (
	"slices"
)

// checkTests checks the policy tests: names that exist, and expectations that belong to the outcome.
func (c *checker) checkTests() {
	for _, f := range c.f.tests {
		names := map[string]*value{}
		for _, t := range f.list("tests") {
			c.once(names, "test", t.str("name"), t.or("name"))
			c.checkTest(t)
		}
	}
}

func (c *checker) checkTest(t *value) {
	given, ask := t.get("given"), t.get("asks")
	for _, a := range given.list("away") {
		c.testPerson(a, "person")
		c.testPerson(a, "delegate")
	}
	for _, g := range given.list("active") {
		c.holder(g.get("who"))
		if e := g.get("grant"); e != nil {
			c.entitlement(e)
		}
	}
	c.testPerson(ask, "who")
	c.holder(ask.get("for"))
	w := c.testWorkflow(ask)
	c.checkExpect(t.get("expect"), w)
}

func (c *checker) testPerson(v *value, key string) {
	if p := v.get(key); p != nil {
		c.who(p)
	}
}

// holder resolves a person or a non-human identity.
func (c *checker) holder(v *value) {
	if v != nil && c.ix.identities[v.scalar()] == nil {
		c.who(v)
	}
}

// testWorkflow checks what is asked for against the chain it is asked of; nil when the chain is not known.
func (c *checker) testWorkflow(ask *value) *workflow {
	id := ask.get("workflow")
	if id == nil {
		return nil
	}
	w := c.ix.workflows[id.scalar()]
	if w == nil {
		c.unknown(id, id.scalar(), "workflow", keys(c.ix.workflows))
		return nil
	}
	grants := w.strs("grants")
	if g := ask.get("grant"); g != nil {
		if _, ok := c.entitlement(g); ok && !slices.Contains(grants, g.scalar()) && w.kind() != "" {
			c.at(g, meantOr(g.scalar(), grants), "workflow %q does not grant %q", w.id, g.scalar())
		}
	} else if len(grants) > 1 {
		c.at(ask, meantOr("", grants), "%s: which of the %d things that %q grants?", ask.path, len(grants), w.id)
	}
	if pre := w.kind().OfRunbook(); pre != ask.has("runbook") && !hasBad(ask) {
		c.at(ask.or("runbook"), "runbook: id, with a workflow of kind runbook or routine only", "%s: workflow %q is of kind %s", ask.path, w.id, w.kind())
	}
	if b := ask.get("runbook"); b != nil {
		var ids []string
		for _, x := range c.f.runbooks {
			ids = append(ids, x.id)
		}
		if !slices.Contains(ids, b.scalar()) {
			c.unknown(b, b.scalar(), "runbook", ids)
		}
	}
	c.testFields(ask, w)
	return w
}

// testFields refuses values for fields that the form does not have. A value that is missing or wrong is an ask that is refused, which a test
// may be about.
func (c *checker) testFields(ask *value, w *workflow) {
	given := ask.get("fields")
	if given == nil {
		return
	}
	var names []string
	for _, f := range w.list("fields") {
		names = append(names, f.str("name"))
	}
	for _, e := range given.entries {
		if !slices.Contains(names, e.key) && !e.value.bad {
			c.at(e.value, meantOr(e.key, names), "workflow %q has no field %q", w.id, e.key)
		}
	}
}

func (c *checker) checkExpect(x *value, w *workflow) {
	outcome := x.str("outcome")
	for _, k := range []struct{ key, only string }{{"code", OutcomeRefused}, {"stages", OutcomeChain}} {
		if x.has(k.key) && outcome != "" && outcome != k.only {
			c.at(x.or(k.key), "leave it out", "%s.%s belongs to the outcome %s", x.path, k.key, k.only)
		}
	}
	if t := x.get("tier"); t != nil && !slices.Contains(c.ix.tiers, t.scalar()) {
		c.unknown(t, t.scalar(), "tier", c.ix.tiers)
	}
	if w != nil {
		var rules, stages []string
		for _, r := range w.rules {
			rules = append(rules, r.str("name"))
		}
		for _, s := range w.stages {
			stages = append(stages, s.str("name"))
		}
		if r := x.get("rule"); r != nil && !slices.Contains(rules, r.scalar()) {
			c.unknown(r, r.scalar(), "rule", rules)
		}
		for _, s := range x.list("stages") {
			if n := s.get("name"); n != nil && !slices.Contains(stages, n.scalar()) {
				c.unknown(n, n.scalar(), "stage", stages)
			}
		}
	}
	for _, s := range x.list("stages") {
		for _, k := range []string{"can", "cannot"} {
			for _, p := range s.list(k) {
				c.who(p)
			}
			c.unique(s.list(k))
		}
		for _, p := range s.list("cannot") {
			if slices.Contains(s.strs("can"), p.scalar()) {
				c.at(p, "", "%s: %q cannot be both", p.path, p.scalar())
			}
		}
	}
}
