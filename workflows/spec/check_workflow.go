package spec

import (
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
)

func (c *checker) checkWorkflow(w *workflow) {
	c.owner(w.value, false)
	askers := c.selector(w.get("may_ask"), parts{what: "those who may ask", anyone: true, chat: true})
	if askers != nil && !askers.fixed() {
		askers = nil // it depends on the chat: nothing can be said about who asks
	}
	c.checkGrants(w, askers)
	c.checkFields(w.list("fields"))
	c.spans(w)
	c.kinds(w)
	if w.get("stages") != nil && len(w.get("stages").items) == 0 {
		c.at(w.get("stages"), "add at least one", "workflow %q has no stages, so nobody would decide", w.id)
	}
	names := map[string]bool{}
	var chain []seats
	for _, s := range w.stages {
		if n := strings.ToLower(s.str("name")); n != "" && names[n] {
			c.at(s.get("name"), "", "stage %q is in this workflow already", s.str("name"))
		} else {
			names[n] = true
		}
		chain = append(chain, c.checkStage(w, s, askers))
	}
	c.feasible(w, chain, askers)
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
	pre := w.kind() == workflows.KindPreapprove
	switch {
	case pre && len(grants) > 0:
		c.at(w.get("grants"), "the runbook says what it grants", "workflow %q approves runbooks, so it grants nothing itself", w.id)
	case !pre && w.kind() != "" && len(grants) == 0 && !hasBad(w.value):
		c.at(w.or("grants"), "grants: [target/entitlement]", "workflow %q grants nothing", w.id)
	}
	if w.has("uses") && !pre && w.kind() != "" {
		c.at(w.or("uses"), "leave it out", "uses: only a workflow of kind runbook has uses")
	}
	if f := w.get("for"); f != nil && len(f.items) == 0 {
		c.at(f, "for: [self]", "for: an empty list is nobody")
	}
	c.unique(w.list("for"))
	if pre && slices.Contains(w.whom(), workflows.ForOwned) {
		c.at(w.get("for"), "leave it out", "for: a runbook is not approved for an identity")
	}
}

func (c *checker) spans(w *workflow) {
	longest, usual := w.span("longest", 0), w.span("usual", 0)
	if longest > 0 && usual > longest {
		c.at(w.get("usual"), "", "usual: %s is longer than the longest, %s", usual, longest)
	}
	if w.kind() != workflows.KindPreapprove && longest > maxAccess {
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
	for _, p := range c.f.people {
		if slices.Contains(w.whom(), workflows.ForSelf) && (askers == nil || askers.people[p.key]) && p.get("accounts").has(target) {
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

func (c *checker) checkFields(fields []*value) {
	seen := map[string]bool{}
	for _, f := range fields {
		n, typ := f.str("name"), f.str("type")
		if n != "" && seen[n] {
			c.at(f.get("name"), "", "field %q is in this form already", n)
		}
		seen[n] = true
		choices := f.list("choices")
		switch {
		case typ == workflows.FieldChoice && len(choices) == 0 && !hasBad(f):
			c.at(f, "choices: [one, another]", "field %q is a choice without choices", n)
		case typ != "" && typ != workflows.FieldChoice && f.has("choices"):
			c.at(f.or("choices"), "type: choice", "field %q has choices, but is of type %s", n, typ)
		}
		c.unique(choices)
		for _, k := range []string{"pattern", "max_length"} {
			if f.has(k) && typ != "" && typ != workflows.FieldText && typ != workflows.FieldTicket {
				c.at(f.or(k), "", "field %q: %s belongs to text and ticket, not to %s", n, k, typ)
			}
		}
	}
}

// checkStage checks one step and answers who can sit on it.
func (c *checker) checkStage(w *workflow, s *value, askers *yield) seats {
	p := parts{what: "approvers", byRequest: true, chat: true, identity: slices.Contains(w.whom(), workflows.ForOwned)}
	y := c.selector(s.get("approvers"), p)
	quorum, timeout := s.num("quorum", 1), s.span("timeout", 0)
	if y != nil && quorum > y.most() {
		c.at(s.or("quorum"), "name more people or ask for fewer", "quorum: %d, but the approvers are at most %d", quorum, y.most())
		y = nil
	}
	if r := s.span("remind", 0); timeout > 0 && r >= timeout {
		c.at(s.get("remind"), "remind before the time is up", "remind: %s is not before the timeout, %s", r, timeout)
	}
	out := seats{stage: s, quorum: quorum, who: y, repeat: s.flag("repeat")}
	if esc := s.get("escalate"); esc != nil {
		if a := esc.span("after", 0); timeout > 0 && a >= timeout {
			c.at(esc.get("after"), "escalate before the time is up", "escalate.after: %s is not before the timeout, %s", a, timeout)
		}
		out.more = c.selector(esc.get("approvers"), p)
		out.unsure = out.more == nil
	}
	c.byRequest(w, s.get("approvers"), y, askers)
	return out
}

// byRequest refuses selectors that yield nobody for whole kinds of request.
func (c *checker) byRequest(w *workflow, v *value, y, askers *yield) {
	if y == nil || y.open || len(y.people) > 0 {
		return
	}
	owners := v.flag("target_owner")
	if v.flag("identity_owner") && !owners && !v.flag("manager") && slices.Contains(w.whom(), workflows.ForSelf) {
		c.at(v, "name others beside, or for: [owned]", "%s: nobody, when somebody asks for themselves", v.path)
	}
	if owners && w.kind() == workflows.KindPreapprove {
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
