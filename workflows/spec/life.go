package spec

import (
	"maps"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
)

// life holds a chain that changes the life of identities to what that needs: whom it is for, the fields of its form, a connector that can do its part.
func (c *checker) life(w *workflow) {
	is, x := w.kind() == workflows.KindLife, w.get("life")
	switch {
	case is && x == nil && !hasBad(w.value):
		c.at(w.get("kind"), "life: {action: onboard}", "workflow %q changes identities, and does not say how", w.id)
	case !is && w.has("life") && w.kind() != "":
		c.at(w.or("life"), "kind: identity, or leave it out", "life: only a workflow of kind identity has one")
	}
	if !is || x.get("action") == nil || hasBad(w.value) { // an action that is missing was told already
		return
	}
	action, whom := x.str("action"), workflows.ForOwned
	if action == workflows.LifeOnboard {
		whom = workflows.ForSelf
	}
	if got := w.whom(); len(got) != 1 || got[0] != whom {
		c.at(w.or("for"), "for: ["+whom+"]", "the action %s is asked for by %s", action, map[string]string{
			workflows.ForSelf: "who wants the identity, for nobody else", workflows.ForOwned: "who owns the identity, for it",
		}[whom])
	}
	if most := w.span("longest", 0); most > workflows.LongestLife {
		c.at(w.get("longest"), "366d or less", "longest: nothing stands for %s without being looked at again", most)
	}
	needed := workflows.LifeFields(action)
	for _, name := range slices.Sorted(maps.Keys(needed)) {
		c.lifeField(w, name, needed[name])
	}
	if !x.flag("make") {
		return
	}
	if action == workflows.LifeRenew {
		c.at(x.get("make"), "leave it out", "life.make: only a new identity gets an account")
	}
	for _, g := range w.list("grants") {
		e, ok := c.ix.entitlements[g.scalar()]
		if !ok {
			continue
		}
		words, listed := c.params[e.on.str("connector")]
		switch {
		case listed && action == workflows.LifeOnboard && !words.Makes:
			c.at(g, "leave life.make out, and make the account by hand", "the connector %q cannot make accounts", e.on.str("connector"))
		case listed && action == workflows.LifeScope && !words.Scopes:
			c.at(g, "leave life.make out: its owner is asked to do it by hand, with evidence", "the connector %q cannot change what an account may do", e.on.str("connector"))
		}
	}
}

func (c *checker) lifeField(w *workflow, name string, types []string) {
	for _, f := range w.list("fields") {
		if f.str("name") != name {
			continue
		}
		switch {
		case !slices.Contains(types, f.str("type")) && f.str("type") != "":
			c.at(f.get("type"), "type: "+strings.Join(types, ", or "), "the field %q of a chain for identities is of type %s", name, strings.Join(types, " or "))
		case f.flag("optional"):
			c.at(f.get("optional"), "leave optional out", "the field %q cannot be optional: no identity comes to be without it", name)
		case name == workflows.LifeFieldKind:
			for _, k := range f.list("choices") {
				if !slices.Contains(identityKinds(), k.scalar()) {
					c.at(k, meantOr(k.scalar(), identityKinds()), "there is no kind of identity %q", k.scalar())
				}
			}
		}
		return
	}
	c.at(w.or("fields"), "fields: [{name: "+name+", label: …, type: "+types[0]+"}]", "the form has no field %q", name)
}
