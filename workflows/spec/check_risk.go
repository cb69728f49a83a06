package spec

import (
	"slices"
	"sort"

	"github.com/countersign-bot/countersign/workflows"
)

// checkRisk checks the table of risks: every ask must have a tier, and every row must be able to decide.
func (c *checker) checkRisk() {
	v := c.f.risk
	if v == nil {
		return
	}
	names, before := map[string]*value{}, len(c.all)
	for _, t := range v.list("tiers") {
		n := t.str("name")
		c.once(names, "tier", n, t.or("name"))
		if n != "" && !slices.Contains(c.ix.tiers, n) {
			c.ix.tiers = append(c.ix.tiers, n)
		}
	}
	for _, t := range v.list("tiers") {
		if t.flag("step_up") && t.num("approvers", 1) == 0 {
			c.at(t.or("step_up"), "approvers: 1, or leave step_up out", "tier %q wants more than a click of whoever approves, and lets asks through that nobody approves", t.str("name"))
		}
	}
	rows := v.list("rows")
	if len(c.ix.tiers) == 0 && v.get("tiers") != nil && !hasBad(v) {
		c.at(v.get("tiers"), "name at least one", "the table of risks has no tiers")
	}
	for i, r := range rows {
		c.checkRiskRow(r, names)
		for _, earlier := range rows[:i] {
			if len(c.all) == before && coversRow(earlier, r) {
				c.at(r, "move it up, or remove it", "this row never decides: line %d fits whenever it does", earlier.line)
				break
			}
		}
	}
	if len(rows) == 0 && v.get("rows") != nil && !hasBad(v) {
		c.at(v.get("rows"), "rows: [{tier: name}]", "the table of risks has no rows")
	}
	if n := len(rows); n > 0 && !hasBad(rows[n-1]) && slices.ContainsFunc(riskColumns(), func(k string) bool { return len(rows[n-1].list(k)) > 0 }) {
		c.at(rows[n-1], "end with a row that names a tier only, best the highest", "an ask that no row fits would have no tier")
	}
	c.riskBad = len(c.all) > before
	c.f.table = c.f.riskTable()
}

func riskColumns() []string {
	return []string{"environment", "data_class", "action", "breadth", "principal"}
}

func (c *checker) checkRiskRow(r *value, tiers map[string]*value) {
	if t := r.get("tier"); t != nil && tiers[t.scalar()] == nil {
		c.unknown(t, t.scalar(), "tier", keys(tiers))
	}
	for _, k := range riskColumns() {
		c.unique(r.list(k))
		if l := r.get(k); l != nil && len(l.items) == 0 {
			c.at(l, "leave the key out: then any fits", "%s: an empty list fits nothing", l.path)
		}
	}
	for _, k := range []string{"environment", "data_class"} {
		known := c.ofTargets(k)
		for _, x := range r.list(k) {
			if !slices.Contains(known, x.scalar()) && len(known) > 0 {
				c.at(x, meantOr(x.scalar(), known), "%s: no target has the %s %q", x.path, k, x.scalar())
			}
		}
	}
}

func (c *checker) ofTargets(key string) (out []string) {
	for _, t := range c.f.targets {
		if s := t.str(key); s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// coversRow tells whether a fits whenever b does.
func coversRow(a, b *value) bool {
	for _, k := range riskColumns() {
		wide, narrow := a.strs(k), b.strs(k)
		if len(wide) == 0 {
			continue
		}
		if len(narrow) == 0 || slices.ContainsFunc(narrow, func(s string) bool { return !slices.Contains(wide, s) }) {
			return false
		}
	}
	return true
}

// riskTable is the compiled table, nil when there is none.
func (f *Folder) riskTable() *workflows.RiskTable {
	v := f.risk
	if v == nil {
		return nil
	}
	out := &workflows.RiskTable{}
	for _, t := range v.list("tiers") {
		out.Tiers = append(out.Tiers, workflows.Tier{
			Name: t.str("name"), Longest: t.span("longest", 0), Approvers: t.num("approvers", 1), Review: t.span("review", 0), StepUp: t.flag("step_up"),
			TypeTarget: t.flag("type_target"), MostOpen: t.num("most_open", 0), Stands: t.span("stands", 0),
		})
	}
	for _, r := range v.list("rows") {
		out.Rows = append(out.Rows, workflows.RiskRow{
			Environment: r.strs("environment"), DataClass: r.strs("data_class"), Action: r.strs("action"), Breadth: r.strs("breadth"),
			Principal: r.strs("principal"), Tier: r.str("tier"),
		})
	}
	return out
}

// tierOf asks the engine, so that a lint and a decision cannot differ.
func (f *Folder) tierOf(e workflows.Entitlement, principal string) (workflows.Tier, int, bool) {
	return (&workflows.Workflow{Risk: f.table}).TierOf(e, principal)
}

// tiersOf are the tiers that asks for an entitlement under a workflow can have, by kind of holder, each once and from the lowest.
func (f *Folder) tiersOf(w *workflow, e workflows.Entitlement) (out []workflows.Tier) {
	for _, p := range f.principalsOf(w) {
		t, _, ok := f.tierOf(e, p)
		if ok && !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	sort.Slice(out, func(i, j int) bool {
		return slices.Index(f.index.tiers, out[i].Name) < slices.Index(f.index.tiers, out[j].Name)
	})
	return out
}

// principalsOf is the kinds of those who may hold what a workflow grants.
func (f *Folder) principalsOf(w *workflow) (out []string) {
	whom := w.whom()
	if slices.Contains(whom, workflows.ForSelf) || slices.Contains(whom, workflows.ForReports) {
		out = append(out, kindPerson)
	}
	if slices.Contains(whom, workflows.ForOwned) {
		for _, i := range f.identities {
			if k := i.str("kind"); !slices.Contains(out, k) {
				out = append(out, k)
			}
		}
	}
	return out
}

func (c *checker) checkConflicts() {
	names := map[string]*value{}
	for _, v := range c.f.conflicts {
		c.once(names, "conflict", v.str("name"), v.or("name"))
		list := v.list("entitlements")
		c.unique(list)
		for _, e := range list {
			c.entitlement(e)
		}
		if len(list) < 2 && v.get("entitlements") != nil && !hasBad(v) {
			c.at(v.get("entitlements"), "", "conflict %q needs two entitlements at least", v.str("name"))
		}
	}
}

// conflictsOf is what nobody may hold together with an entitlement.
func (f *Folder) conflictsOf(name string) (out []workflows.Conflict) {
	for _, v := range f.conflicts {
		all := v.strs("entitlements")
		i := slices.Index(all, name)
		if i < 0 {
			continue
		}
		out = append(out, workflows.Conflict{Set: v.str("name"), With: slices.Delete(slices.Clone(all), i, i+1), Why: v.str("why")})
	}
	return out
}

// riskWords wants of an entitlement what the table of risks looks at.
func (c *checker) riskWords(e *value) {
	if c.f.risk == nil {
		return
	}
	for _, k := range []string{"action", "breadth"} {
		if !e.has(k) {
			c.at(e.or("id"), "action: read, write or admin; breadth: one, set or all", "entitlement %q has no %s, which the table of risks looks at", e.str("id"), k)
		}
	}
}

// wildcard wants somebody to have meant it, and a tier above the lowest (R50).
func (c *checker) wildcard(t *target, e *value) {
	wide := e.str("breadth") == workflows.BreadthAll
	switch {
	case wide && !e.flag("wildcard"):
		c.at(e.get("breadth"), "grant one object or a named set, or write wildcard: true beside it", "entitlement %q is a wildcard: breadth all is everything on the target", e.str("id"))
	case !wide && e.flag("wildcard") && e.get("breadth") != nil:
		c.at(e.get("wildcard"), "leave it out", "wildcard: the breadth of entitlement %q is %s", e.str("id"), e.str("breadth"))
	}
	if !wide || len(c.ix.tiers) < 2 || c.riskBad {
		return
	}
	tier, _, ok := c.f.tierOf(workflows.Entitlement{
		Environment: t.str("environment"), DataClass: t.str("data_class"), Action: e.str("action"), Breadth: e.str("breadth"),
	}, kindPerson)
	if ok && tier.Name == c.ix.tiers[0] {
		c.at(e.get("breadth"), "add a row to "+riskFile+": {breadth: [all], tier: "+c.ix.tiers[len(c.ix.tiers)-1]+"}",
			"entitlement %q is a wildcard and yet of the lowest tier, %q", e.str("id"), tier.Name)
	}
}
