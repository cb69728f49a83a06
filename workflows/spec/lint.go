package spec

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
)

// lint finds what is allowed and probably not meant. It runs over folders without a problem, so that it can believe every name.
func (c *checker) lint() {
	for _, x := range c.chains {
		c.people(x)
		c.ownGroup(x)
		c.managers(x)
		c.buckets(x)
		c.long(x)
		c.together(x)
	}
	c.weaker()
	c.ungranted()
	c.unread()
}

// fewest is how many different people approve at least on a way through a chain; as the engine counts.
func fewest(stages []seats, way []int) int {
	n := 0
	var before []seats
	for _, i := range way {
		s := stages[i]
		switch {
		case s.consent:
		case s.others(before):
			n += s.quorum
		default:
			n = max(n, s.quorum)
		}
		before = append(before, s)
	}
	return n
}

// people warns of chains that hang on one person, or on one time zone (R9).
func (c *checker) people(x chain) {
	policy := c.f.company.get("lint")
	wanted := policy.num("approvers", defaultLintApprovers)
	if c.f.risk == nil {
		for _, p := range x.plans {
			if n := fewest(x.stages, p.stages); n < wanted {
				c.warn(x.at(p), "raise a quorum, add a step, or write lint: {approvers: 1} into "+companyFile, "%s%s is approved by %s", x.name(), x.of(p), count(n))
			}
		}
	}
	zones := policy.num("zones", defaultLintZones)
	for _, s := range x.stages {
		set, known := s.all()
		if !known || s.consent {
			continue
		}
		if len(set) == 1 && zones > 0 {
			c.warn(s.stage.or("approvers"), "name somebody else too, or escalate to them", "step %q hangs on one person", s.stage.str("name"))
			continue
		}
		if in := c.zones(set); len(in) < zones {
			c.warn(s.stage.or("approvers"), "name people elsewhere too, or escalate to them", "step %q: everybody lives in %s; at night nobody answers", s.stage.str("name"), strings.Join(in, " and "))
		}
	}
}

func count(n int) string {
	if n == 1 {
		return "one person alone"
	}
	return fmt.Sprintf("%d people only", n)
}

// at is where to point for a way through a chain.
func (x chain) at(p plan) *value {
	if p.rule != nil {
		return p.rule.or("name")
	}
	return x.w.or("stages")
}

func (x chain) name() string { return fmt.Sprintf("workflow %q", x.w.id) }

// of names the rule of a way.
func (x chain) of(p plan) string {
	if p.rule == nil {
		return ""
	}
	return fmt.Sprintf(", rule %q,", p.rule.str("name"))
}

func (c *checker) zones(set map[string]bool) (out []string) {
	for k := range set {
		if z := c.ix.people[k].str("timezone"); !slices.Contains(out, z) {
			out = append(out, z)
		}
	}
	slices.Sort(out)
	return out
}

// ownGroup warns when the group that asks is the only one that decides (R9).
func (c *checker) ownGroup(x chain) {
	for _, g := range x.w.get("may_ask").strs("groups") {
		inside := len(x.stages) > 0
		for _, s := range x.stages {
			set, known := s.all()
			inside = inside && known && c.within(set, g)
		}
		if inside {
			c.warn(x.w.or("stages"), "let somebody outside of the group decide too", "workflow %q: group %q asks and approves, and nobody else is ever asked", x.w.id, g)
		}
	}
}

func (c *checker) within(set map[string]bool, group string) bool {
	for k := range set {
		if !slices.ContainsFunc(c.ix.groups[group].members, func(m *value) bool { return c.ix.keyOf(m.scalar()) == k }) {
			return false
		}
	}
	return true
}

// managers warns when some of those who may ask have nobody to approve.
func (c *checker) managers(x chain) {
	if x.askers == nil {
		return
	}
	var without []string
	for k := range x.askers.people {
		if !c.ix.people[k].has("manager") {
			without = append(without, k)
		}
	}
	slices.Sort(without)
	for _, s := range x.stages {
		only := s.who != nil && len(s.who.people) == 0 && s.stage.get("approvers").flag("manager") && s.who.more == 1 && !s.who.open
		if only && s.more == nil && !s.stage.get("approvers").has("fallback") && len(without) > 0 {
			c.warn(s.stage.get("approvers").get("manager"), "fallback: who else", "step %q: %s may ask and %s no manager, so their asks are refused",
				s.stage.str("name"), shortened(without), map[bool]string{true: "has", false: "have"}[len(without) == 1])
		}
	}
}

// shortened is a list of names, cut after the third.
func shortened(list []string) string {
	if len(list) > 3 {
		return strings.Join(list[:3], ", ") + fmt.Sprintf(" and %d more", len(list)-3)
	}
	return strings.Join(list, ", ")
}

// buckets warns when a longer ask needs fewer people than a shorter one, and when the longest asks are covered by no rule.
func (c *checker) buckets(x chain) {
	open := len(x.w.rules) == 0
	longest := workflows.Span(0)
	for _, r := range x.w.rules {
		up := r.span("up_to", 0)
		open, longest = open || up == 0, max(longest, up)
	}
	if cap := x.w.span("longest", 0); !open && longest < cap {
		c.warn(x.w.or("rules"), "add a rule without up_to, or shorten the longest", "workflow %q: no rule covers asks longer than %s, and up to %s may be asked for", x.w.id, longest, cap)
	}
	for i, a := range x.ways() {
		for _, b := range x.ways()[i+1:] {
			short, long := a, b
			if length(short) > length(long) {
				short, long = long, short
			}
			if length(short) == length(long) || !sameTerms(short.cond, long.cond) {
				continue
			}
			if n, m := x.strength(long), x.strength(short); n < m {
				c.warn(long.rule.or("name"), "give it at least the same stages", "rule %q lets longer asks through with %s than rule %q, %s", long.rule.str("name"), fewer(n), short.rule.str("name"), howMany(m))
			}
		}
	}
}

// ways is every rule that lets something through, those that approve by themselves too.
func (x chain) ways() []plan {
	return slices.Concat(x.plans, x.autos)
}

func (x chain) strength(p plan) int {
	if p.rule != nil && p.rule.has("auto") {
		return 0
	}
	return fewest(x.stages, p.stages)
}

func length(p plan) workflows.Span {
	if p.rule == nil {
		return maxSpan + 1
	}
	return p.rule.span("up_to", maxSpan+1)
}

func sameTerms(a, b *judged) bool {
	if a == nil || b == nil {
		return a == b
	}
	return slices.Equal(slices.Sorted(slices.Values(a.terms)), slices.Sorted(slices.Values(b.terms)))
}

func fewer(n int) string {
	if n == 0 {
		return "nobody"
	}
	return fmt.Sprintf("fewer people, %d,", n)
}

func howMany(n int) string {
	if n == 1 {
		return "which wants 1 person"
	}
	return fmt.Sprintf("which wants %d", n)
}

// long warns of access that is as good as standing, and of lengths that a tier cuts off (R42).
func (c *checker) long(x chain) {
	if x.w.kind() == workflows.KindPreapprove || x.w.kind().Ahead() {
		return
	}
	most := x.w.span("longest", 0)
	for _, g := range x.w.list("grants") {
		e := c.ix.entitlements[g.scalar()]
		own := e.span("longest", 0)
		if own > 0 && own < most {
			continue // the entitlement's own cap counts
		}
		tiers := c.f.tiersOf(x.w, c.plain(e))
		if len(tiers) == 0 && most > longAccess {
			c.warn(x.w.get("longest"), "shorten it, or give the entitlement a longest of its own", "workflow %q lets %q be held for %s, which is as good as for ever", x.w.id, g.scalar(), most)
		}
		if len(tiers) == 0 || slices.ContainsFunc(tiers, func(t workflows.Tier) bool { return t.Longest == 0 || t.Longest >= most }) {
			continue // somebody may hold it for that long
		}
		t := slices.MaxFunc(tiers, func(a, b workflows.Tier) int { return cmp.Compare(a.Longest, b.Longest) })
		c.warn(x.w.get("longest"), "shorten it: longer asks are refused", "workflow %q offers %s, and %q is of tier %q, which allows %s", x.w.id, most, g.scalar(), t.Name, t.Longest)
	}
}

// plain is what the table of risks looks at of an entitlement.
func (c *checker) plain(g grantable) workflows.Entitlement {
	return workflows.Entitlement{
		Target: workflows.TargetID(g.on.id), ID: workflows.EntitlementID(g.str("id")), Environment: g.on.str("environment"), DataClass: g.on.str("data_class"),
		Action: g.str("action"), Breadth: g.str("breadth"),
	}
}

// together warns when one chain grants what nobody may hold together.
func (c *checker) together(x chain) {
	list := x.w.list("grants")
	for i, g := range list {
		for _, conflict := range c.f.conflictsOf(g.scalar()) {
			for _, other := range list[:i] {
				if slices.Contains(conflict.With, other.scalar()) {
					c.warn(g, "make two workflows of it, with different people", "workflow %q grants %q and %q, and nobody may hold both (%s)", x.w.id, other.scalar(), g.scalar(), conflict.Set)
				}
			}
		}
	}
}

// weaker warns when there are two chains to one thing and one of them asks fewer people.
func (c *checker) weaker() {
	type way struct {
		x  chain
		at *value
		n  int
	}
	by := map[string][]way{}
	var names []string
	for _, x := range c.chains {
		if x.w.kind().Ahead() {
			continue // its approval is of the window, with a budget of its own
		}
		for _, g := range x.w.list("grants") {
			e := c.ix.entitlements[g.scalar()]
			n := -1
			for _, p := range x.ways() {
				if s := x.strength(p); c.mayMatch(x, p, e) && (n < 0 || s < n) {
					n = s
				}
			}
			if n >= 0 {
				if by[g.scalar()] == nil {
					names = append(names, g.scalar())
				}
				by[g.scalar()] = append(by[g.scalar()], way{x, g, n})
			}
		}
	}
	for _, name := range names {
		list := by[name]
		best := slices.MaxFunc(list, func(a, b way) int { return cmp.Compare(a.n, b.n) })
		for _, w := range list {
			if w.n < best.n {
				c.warn(w.at, "make them equal, or say in the purpose why not", "workflow %q gives %q with %s, workflow %q wants %d", w.x.w.id, name, people(w.n), best.x.w.id, best.n)
			}
		}
	}
}

func people(n int) string {
	switch n {
	case 0:
		return "nobody's approval"
	case 1:
		return "1 person's approval"
	}
	return fmt.Sprintf("%d people's approval", n)
}

// ungranted warns of entitlements that nobody can ask for.
func (c *checker) ungranted() {
	granted := map[string]bool{}
	for _, w := range c.f.workflows {
		for _, g := range w.strs("grants") {
			granted[g] = true
		}
	}
	for _, b := range c.f.runbooks {
		granted[b.str("grant")] = true
	}
	for _, t := range c.f.targets {
		for _, e := range t.entitlements {
			if name := t.id + "/" + e.str("id"); !granted[name] {
				c.warn(e.get("id"), "grant it in a workflow, or remove it", "%q is granted by no workflow and no runbook", name)
			}
		}
	}
}

// Lint is the warnings together with those that depend on the date: reviews that are due, and identities that have ended.
func (f *Folder) Lint(today calendar.Date) []Problem {
	r := &report{all: slices.Clone(f.warnings)}
	for _, t := range f.targets {
		for _, e := range t.entitlements {
			f.lintReview(r, today, grantable{t, e})
		}
	}
	for _, i := range f.identities {
		if d, err := calendar.ParseDate(i.str("expires")); err == nil && d.Since(today) < 0 {
			r.at(i.get("expires"), "renew it, or remove it", "identity %q ended on %s", i.str("id"), d)
		}
	}
	return r.sorted()
}

func (f *Folder) lintReview(r *report, today calendar.Date, g grantable) {
	due, err := calendar.ParseDate(g.str("review_date"))
	if err != nil {
		return
	}
	if due.Since(today) < 0 {
		r.at(g.get("review_date"), "look whether it is still right, and write the next date", "entitlement %q was to be looked at by %s", g.on.id+"/"+g.str("id"), due)
		return
	}
	for _, w := range f.workflows {
		if !slices.Contains(w.strs("grants"), g.on.id+"/"+g.str("id")) {
			continue
		}
		c := checker{f: f, ix: f.index}
		for _, t := range slices.Backward(f.tiersOf(w, c.plain(g))) {
			days := int(t.Review.Duration() / (24 * time.Hour))
			if days > 0 && due.Since(today) > days {
				r.at(g.get("review_date"), "bring it forward", "entitlement %q is of tier %q, which is looked at every %s: %s is too late", g.on.id+"/"+g.str("id"), t.Name, t.Review, due)
				return
			}
		}
	}
}

// AtStage is something about a stage of a workflow that others have found out, with its place in the folder.
func (f *Folder) AtStage(id workflows.WorkflowID, stage, hint, text string) Problem {
	var r report
	for _, w := range f.workflows {
		if w.id != string(id) {
			continue
		}
		r.at(w.or("stages"), hint, "%s", text)
		for _, s := range w.stages {
			if s.str("name") == stage {
				r.all = r.all[:0]
				r.at(s.or("name"), hint, "%s", text)
			}
		}
		return r.all[0]
	}
	return Problem{File: "workflows", Text: text, Hint: hint}
}
