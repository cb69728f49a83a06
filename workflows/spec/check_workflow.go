package spec

import (
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
)

func (c *checker) checkWorkflow(w *workflow) {
	before := len(c.all)
	c.owner(w.value, false)
	askers := c.selector(w.get("may_ask"), parts{what: "those who may ask", anyone: true, chat: true})
	if askers != nil && !askers.fixed() {
		askers = nil // it depends on the chat: nothing can be said about who asks
	}
	c.checkGrants(w, askers)
	c.checkFields(w.list("fields"))
	c.checkReferences(w)
	c.spans(w)
	c.kinds(w)
	c.moments(w)
	if t := w.get("tell"); t != nil {
		c.selector(t, parts{what: "those who are told", byRequest: true, chat: true, identity: slices.Contains(w.whom(), workflows.ForOwned)})
	}
	x := chain{w: w, askers: askers, stages: c.checkStages(w, askers)}
	x.plans, x.autos, x.rules = c.checkRules(w)
	c.actAs(x)
	c.inPlans(x)
	if len(c.all) == before && !c.riskBad && !hasBad(w.value) { // else what follows may be a consequence
		c.demands(x)
	}
	if !hasBad(w.value) {
		c.chains = append(c.chains, x)
	}
}

// chain is a workflow with what is known of its stages and of the ways through them.
type chain struct {
	w      *workflow
	askers *yield
	stages []seats
	plans  []plan
	autos  []plan // rules that approve by themselves
	rules  []plan // all rules, also those that refuse, in order
}

// plan is one way through a chain: the places of its stages, in order.
type plan struct {
	rule   *value // nil: the workflow has no rules
	stages []int
	cond   *judged // nil: no condition
}

// checkStages checks the steps, in order.
func (c *checker) checkStages(w *workflow, askers *yield) (out []seats) {
	decides := slices.ContainsFunc(w.rules, func(r *value) bool { return !r.has("auto") && !r.has("refuse") })
	if w.get("stages") != nil && len(w.get("stages").items) == 0 && (decides || len(w.rules) == 0) {
		c.at(w.get("stages"), "add at least one", "workflow %q has no stages, so nobody would decide", w.id)
	}
	names := map[string]bool{}
	for i, s := range w.stages {
		if n := strings.ToLower(s.str("name")); n != "" && names[n] {
			c.at(s.get("name"), "", "stage %q is in this workflow already", s.str("name"))
		} else {
			names[n] = true
		}
		c.distinct(w, s, i)
		out = append(out, c.checkStage(w, s, askers))
	}
	return out
}

func (w *workflow) kind() workflows.RequestKind { return workflows.RequestKind(w.str("kind")) }

// whom is whom a request may be for.
func (w *workflow) whom() []string {
	if f := w.strs("for"); len(f) > 0 {
		return f
	}
	return []string{workflows.ForSelf}
}

// kinds holds a workflow to what its kind means.
func (c *checker) kinds(w *workflow) {
	grants := w.list("grants")
	pre, routine := w.kind() == workflows.KindPreapprove, w.kind() == workflows.KindRoutine
	window := w.kind() == workflows.KindWindow
	switch {
	case window && !w.has("window") && !hasBad(w.value):
		c.at(w.get("kind"), "window: {hours, zone, times, per, lifetime, budget}", "workflow %q approves standing windows, and does not say of what", w.id)
	case !window && w.has("window") && w.kind() != "":
		c.at(w.or("window"), "kind: window, or leave it out", "window: only a workflow of kind window has one")
	case window && (len(w.whom()) != 1 || w.whom()[0] != workflows.ForOwned):
		c.at(w.or("for"), "for: [owned]", "a standing window is for a named automation only")
	}
	c.exception(w)
	c.life(w)
	switch {
	case routine && len(grants) > 0:
		c.at(w.get("grants"), "the runbook's steps say what is done", "workflow %q has routines carried out, so it grants nothing itself", w.id)
	case pre && len(grants) > 0:
		c.at(w.get("grants"), "the runbook says what it grants", "workflow %q approves runbooks, so it grants nothing itself", w.id)
	case !pre && !routine && w.kind() != "" && len(grants) == 0 && !hasBad(w.value):
		c.at(w.or("grants"), "grants: [target/entitlement]", "workflow %q grants nothing", w.id)
	}
	if w.has("uses") && !pre && w.kind() != "" {
		c.at(w.or("uses"), "leave it out", "uses: only a workflow of kind runbook has uses")
	}
	if f := w.get("for"); f != nil && len(f.items) == 0 {
		c.at(f, "for: [self]", "for: an empty list is nobody")
	}
	c.unique(w.list("for"))
	for _, whom := range []string{workflows.ForOwned, workflows.ForReports} {
		if (pre || routine) && slices.Contains(w.whom(), whom) {
			c.at(w.get("for"), "leave it out", "for: a runbook is not approved for %s", map[string]string{workflows.ForOwned: "an identity", workflows.ForReports: "somebody else"}[whom])
		}
	}
	if slices.Contains(w.whom(), workflows.ForReports) && !slices.ContainsFunc(c.f.people, func(p *person) bool { return p.has("manager") }) {
		c.at(w.get("for"), "people.yaml, manager: key", "for: reports, but nobody has a manager")
	}
}

func (c *checker) spans(w *workflow) {
	longest, usual := w.span("longest", 0), w.span("usual", 0)
	if longest > 0 && usual > longest {
		c.at(w.get("usual"), "", "usual: %s is longer than the longest, %s", usual, longest)
	}
	if w.kind() != workflows.KindPreapprove && !w.kind().Ahead() && longest > maxAccess {
		c.at(w.get("longest"), "", "longest: %s is longer than %s, the most that access may last", longest, maxAccess)
	}
}

// checkGrants resolves what a workflow grants and checks that it can work for those who may ask.
func (c *checker) checkGrants(w *workflow, askers *yield) {
	grants := w.list("grants")
	keyed := false
	for _, g := range grants {
		e, ok := c.entitlement(g)
		if !ok {
			continue
		}
		keyed = keyed || e.on.str("connector") == "sshca"
		if e.flag("account") && !c.anyAccount(e.on.id, w, askers) {
			c.at(g, "people.yaml, accounts: {"+e.on.id+": name}", "%q needs an account on %q, and nobody who may ask has one", g.scalar(), e.on.id)
		}
		if e.on.str("connector") == "sshca" && w.kind() == workflows.KindElevation {
			c.at(g, "kind: credential", "%q is a certificate, so the workflow is of kind credential, not elevation", g.scalar())
		}
	}
	c.unique(grants)
	c.sshKeys(w.value, "workflow", w.id, keyed)
}

// sshKeys wants exactly one key field where a certificate is made, and at most one anywhere.
func (c *checker) sshKeys(v *value, what, id string, keyed bool) {
	var found []*value
	for _, f := range v.list("fields") {
		if f.str("type") == workflows.FieldSSHKey {
			found = append(found, f)
		}
	}
	switch {
	case len(found) > 1:
		c.at(found[1].or("type"), "", "%s %q asks for more than one SSH key", what, id)
	case keyed && len(found) == 0 && !hasBad(v):
		c.at(v.or("fields"), "fields: [{name: key, label: Your public key, type: ssh_key}]", "%s %q grants a certificate, so it needs a field of type ssh_key", what, id)
	case keyed && len(found) == 1 && found[0].flag("optional"):
		c.at(found[0].get("optional"), "leave optional out", "%s %q grants a certificate, so its ssh_key cannot be optional", what, id)
	}
}

// entitlement resolves "target/entitlement".
func (c *checker) entitlement(v *value) (grantable, bool) {
	s := v.scalar()
	e, ok := c.ix.entitlements[s]
	if ok || s == "" {
		return e, ok
	}
	t, _, _ := strings.Cut(s, "/")
	if on, known := c.ix.targets[t]; known {
		if hasBad(on.value) || len(on.entitlements) == 0 {
			return e, false // told at the target
		}
		c.unknown(v, s, "entitlement", keys(c.ix.entitlements))
		return e, false
	}
	c.unknown(v, t, "target", keys(c.ix.targets))
	return e, false
}

// anyAccount tells whether one of those a request may be for has an account on the target.
func (c *checker) anyAccount(target string, w *workflow, askers *yield) bool {
	if w.kind() == workflows.KindException || w.kind() == workflows.KindLife {
		return true // most stand for identities that were found on the target, which no file lists
	}
	for _, p := range c.f.people {
		if !p.get("accounts").has(target) {
			continue
		}
		if slices.Contains(w.whom(), workflows.ForSelf) && (askers == nil || askers.people[p.key]) ||
			slices.Contains(w.whom(), workflows.ForReports) && (askers == nil || askers.people[p.str("manager")]) {
			return true
		}
	}
	for _, i := range c.f.identities {
		if slices.Contains(w.whom(), workflows.ForOwned) && i.get("accounts").has(target) {
			return true
		}
	}
	return false
}
