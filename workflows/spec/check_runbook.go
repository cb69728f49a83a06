package spec

import (
	"slices"

	"github.com/countersign-bot/countersign/workflows"
)

func (c *checker) checkRunbook(b *runbook) {
	c.owner(b.value, false)
	if b.flag("routine") {
		c.routine(b)
	} else {
		c.needed(b)
	}
	invokers := c.selector(b.get("invokers"), parts{what: "invokers"})
	reviewers := c.selector(b.get("reviewers"), parts{what: "reviewers"})
	c.selector(b.get("executors"), parts{what: "executors"})
	c.selector(b.get("notify_people"), parts{what: "those who are told"})
	c.reviewable(b, invokers, reviewers)
	c.checkFields(b.list("fields"))
	c.granted(b, invokers)
	c.skips(b)
	c.conditions(b)
	c.checkSteps(b)
	if !b.flag("routine") && !slices.ContainsFunc(c.f.workflows, func(w *workflow) bool { return w.kind() == workflows.KindPreapprove || w.kind() == "" }) {
		c.at(b.or("id"), "add a workflow of kind runbook", "runbook %q can never be approved: no workflow is of kind runbook", b.id)
	}
}

// granted checks what an invocation gives at once.
func (c *checker) granted(b *runbook, invokers *yield) {
	g := b.get("grant")
	if g == nil {
		return
	}
	e, ok := c.entitlement(g)
	if !ok {
		return
	}
	c.references(b.value, "runbook", b.id, g, e.value)
	c.sshKeys(b.value, "runbook", b.id, e.on.str("connector") == "sshca")
	if own := e.span("longest", 0); own > 0 && b.span("longest", 0) > own {
		c.at(b.get("longest"), "", "longest: %s is longer than %q may be held, %s", b.span("longest", 0), g.scalar(), own)
	}
	if e.flag("account") && invokers != nil && invokers.fixed() && !c.invokerAccount(e.on.id, invokers) {
		c.at(g, "people.yaml, accounts: {"+e.on.id+": name}", "%q needs an account on %q, and no invoker has one", g.scalar(), e.on.id)
	}
}

func (c *checker) invokerAccount(target string, invokers *yield) bool {
	return slices.ContainsFunc(c.f.people, func(p *person) bool { return invokers.people[p.key] && p.get("accounts").has(target) })
}

// reviewable refuses reviewers who could only be the invoker.
func (c *checker) reviewable(b *runbook, invokers, reviewers *yield) {
	if invokers == nil || reviewers == nil || len(reviewers.people) > 1 {
		return
	}
	for k := range reviewers.people {
		if invokers.people[k] {
			c.at(b.get("reviewers"), "nobody reviews their own use: name somebody else too", "reviewers: only %q, who may also invoke it", k)
		}
	}
}

// skips checks that the chain that is gone around is one for the same thing.
func (c *checker) skips(b *runbook) {
	s := b.get("skips")
	if s == nil {
		return
	}
	w := c.ix.workflows[s.scalar()]
	if w == nil {
		c.unknown(s, s.scalar(), "workflow", keys(c.ix.workflows))
		return
	}
	grants, g := w.strs("grants"), b.str("grant")
	for _, x := range append(slices.Clone(grants), g) {
		if _, ok := c.ix.entitlements[x]; !ok && x != "" {
			return // told where it is named
		}
	}
	if len(grants) > 0 && g != "" && !hasBad(w.value) && !slices.Contains(grants, g) {
		c.at(s, "name the workflow that grants it in normal times", "workflow %q does not grant %q, so nobody's approval of it is skipped", w.id, g)
	}
}

// routine holds a routine to what it means: a chain opens it, and nothing of an emergency is in it.
func (c *checker) routine(b *runbook) {
	for _, k := range []string{
		"grant", "incident_pattern", "incident_required", "severity_min", "on_shift", "commander_invokes", "executor_differs", "break_glass", "skips",
		"reviewers", "review_due", "last_reviewed", "review_every", "drill_every", "cooldown", "max_uses", "max_person_uses", "rotate_after",
	} {
		if b.has(k) {
			c.at(b.or(k), "leave it out", "%s: no incident opens a routine, its chain does", k)
		}
	}
	if len(b.steps) == 0 {
		c.at(b.value, "add headings that begin with Step", "runbook %q has no steps, so there is nothing to carry out", b.id)
	}
	ch := b.get("chain")
	if ch == nil {
		if !b.has("chain") {
			c.at(b.value, "chain: id of a workflow of kind routine", "chain is missing")
		}
		return
	}
	w := c.ix.workflows[ch.scalar()]
	switch {
	case w == nil: // told with the conditions
	case w.kind() != workflows.KindRoutine && w.kind() != "":
		c.at(ch, "name a workflow of kind routine", "chain: workflow %q is of kind %s", w.id, w.kind())
	default:
		for _, f := range b.list("fields") {
			for _, g := range w.list("fields") {
				if f.str("name") != "" && f.str("name") == g.str("name") {
					c.at(f.or("name"), "give it another name", "fields: workflow %q asks for %q already", w.id, f.str("name"))
				}
			}
		}
	}
}
