package spec

import (
	"slices"

	"github.com/countersign-bot/countersign/workflows"
)

// actAs holds a chain by which people act as non-human identities to what that needs (R95, R106): for oneself, exceptional by a choice on the form,
// through management on every way, and for what says whose account it is.
func (c *checker) actAs(x chain) {
	w := x.w
	is, t := w.kind() == workflows.KindActAs, w.get("impersonate")
	switch {
	case is && t == nil && !hasBad(w.value):
		c.at(w.get("kind"), "impersonate: {management, exceptional}", "workflow %q lets people act as identities, and does not say who of management approves", w.id)
	case !is && w.has("impersonate") && w.kind() != "":
		c.at(w.or("impersonate"), "kind: impersonate, or leave it out", "impersonate: only a workflow of kind impersonate has one")
	case is && (len(w.whom()) != 1 || w.whom()[0] != workflows.ForSelf):
		c.at(w.or("for"), "for: [self]", "only who asks acts as an identity by it, nobody else")
	}
	for _, g := range w.list("grants") {
		e, ok := c.ix.entitlements[g.scalar()]
		switch {
		case !ok:
		case is && !e.has("acts_as"):
			c.at(g, "an entitlement with acts_as", "%q does not say as which identity its holder acts", g.scalar())
		case !is && e.has("acts_as") && w.kind() != "":
			c.at(g, "grant it by a workflow of kind impersonate", "%q lets its holder act as %q, which only a workflow of kind impersonate grants", g.scalar(), e.str("acts_as"))
		}
	}
	if !is || t.get("management") == nil || t.get("exceptional") == nil || hasBad(w.value) { // what is missing was told already
		return
	}
	if most := w.span("longest", 0); most > workflows.LongestActAs {
		c.at(w.get("longest"), workflows.LongestActAs.String()+" or less", "longest: nobody acts as an identity for %s", most)
	}
	circumstance := slices.IndexFunc(w.list("fields"), func(f *value) bool {
		return f.str("name") == t.str("exceptional") && f.str("type") == workflows.FieldChoice
	})
	switch {
	case circumstance >= 0 && w.list("fields")[circumstance].flag("optional"):
		c.at(w.list("fields")[circumstance].get("optional"), "leave optional out", "field %q says what is exceptional, so it cannot be empty", t.str("exceptional"))
	case circumstance < 0:
		c.at(t.get("exceptional"), "fields: [{name: "+t.str("exceptional")+", label: What is exceptional, type: choice, choices: [...]}]", "impersonate.exceptional: the form has no choice %q that has to be made", t.str("exceptional"))
	}
	c.management(x, t.get("management"))
}

// management finds the step of management, and refuses every way around it.
func (c *checker) management(x chain, name *value) {
	at := slices.IndexFunc(x.w.stages, func(s *value) bool { return s.str("name") == name.scalar() })
	if at < 0 {
		c.at(name, "the name of one of its steps", "impersonate.management: there is no step %q", name.scalar())
		return
	}
	if s := x.w.stages[at]; s.str("kind") == workflows.StageConsent {
		c.at(s.get("kind"), "kind: approval", "management approves explicitly: its step cannot be one of consent")
	}
	for _, p := range x.plans {
		if !slices.Contains(p.stages, at) && p.rule != nil {
			c.at(p.rule.or("name"), "name the step "+name.scalar()+" in it", "rule %q goes around the step of management, %q", p.rule.str("name"), name.scalar())
		}
	}
	for _, p := range x.autos {
		c.at(p.rule.or("auto"), "let people decide", "rule %q lets somebody act as an identity without anybody's approval", p.rule.str("name"))
	}
}

// actsAs holds an entitlement to whose account it is. One that names the account of an identity without saying so would let people act as it by any
// chain.
func (c *checker) actsAs(t *target, e *value, connector string) {
	words, listed := c.params[connector]
	var named []string
	for _, n := range words.Acts {
		if p := e.get("params"); p != nil {
			named = append(named, p.strs(n)...)
		}
	}
	as := e.get("acts_as")
	if as == nil {
		for _, i := range c.f.identities {
			if account := i.get("accounts").str(t.id); account != "" && slices.Contains(named, account) {
				c.at(e.or("params"), "acts_as: "+i.str("id"), "entitlement %q lets its holder act as the identity %q, and does not say so", e.str("id"), i.str("id"))
			}
		}
		return
	}
	at := slices.IndexFunc(c.f.identities, func(i *value) bool { return i.str("id") == as.scalar() })
	switch {
	case at < 0:
		var all []string
		for _, i := range c.f.identities {
			all = append(all, i.str("id"))
		}
		c.unknown(as, as.scalar(), "identity", all)
	case listed && len(words.Acts) == 0:
		c.at(as, "reach it through sshca", "the connector %q cannot tell who acted as %q", connector, as.scalar())
	case listed && c.f.identities[at].get("accounts").str(t.id) == "":
		c.at(as, "identities.yaml, accounts: {"+t.id+": …}, and the same name in the parameters here", "the identity %q has no account on %q", as.scalar(), t.id)
	case listed && !slices.Contains(named, c.f.identities[at].get("accounts").str(t.id)):
		c.at(as, "the name under accounts: {"+t.id+": …} in identities.yaml", "the parameters do not name the account of %q on %q", as.scalar(), t.id)
	}
}
