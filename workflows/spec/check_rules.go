package spec

import (
	"slices"

	"github.com/countersign-bot/countersign/workflows"
)

// checkRules checks the rules of a workflow and answers the ways through it that people decide, those that nobody does, and
// all of them in order.
func (c *checker) checkRules(w *workflow) (plans, autos, seen []plan) {
	all := make([]int, len(w.stages))
	for i := range all {
		all[i] = i
	}
	if w.has("choose") && len(w.rules) == 0 && !hasBad(w.value) {
		c.at(w.or("choose"), "add rules, or leave it out", "choose: workflow %q has no rules to choose from", w.id)
	}
	if r := w.get("rules"); r != nil && len(w.rules) == 0 && !hasBad(r) {
		c.at(r, "leave the key out: then all asks go through all stages", "rules: an empty list covers nothing, so every ask would be refused")
	}
	if len(w.rules) == 0 {
		return []plan{{stages: all}}, nil, nil
	}
	names := map[string]*value{}
	used := map[int]bool{}
	for _, r := range w.rules {
		c.once(names, "rule", r.str("name"), r.or("name"))
		p := plan{rule: r, stages: all}
		if r.get("when") != nil {
			p.cond = c.condition(w, r.get("when"), !r.has("refuse"))
			if p.cond != nil {
				c.f.conditions[r.get("when")] = len(p.cond.terms)
			}
		}
		if list := c.planned(w, r); list != nil {
			p.stages = list
		}
		c.checkRule(w, r)
		c.reachable(w, p, seen)
		seen = append(seen, p)
		if r.has("auto") {
			autos = append(autos, p)
		}
		if r.has("auto") || r.has("refuse") {
			continue
		}
		plans = append(plans, p)
		for _, i := range p.stages {
			used[i] = true
		}
	}
	c.unusedStages(w, used)
	return plans, autos, seen
}

// planned is the places of the stages that a rule names; nil when it names none.
func (c *checker) planned(w *workflow, r *value) (out []int) {
	list := r.list("stages")
	if s := r.get("stages"); s != nil && len(list) == 0 && !hasBad(s) {
		c.at(s, "leave the key out for all stages, or write auto", "%s: an empty list asks nobody", s.path)
	}
	c.unique(list)
	var names []string
	for _, s := range w.stages {
		names = append(names, s.str("name"))
	}
	for _, n := range list {
		i := slices.Index(names, n.scalar())
		switch {
		case i >= 0:
			out = append(out, i)
		case !hasBad(w.or("stages")):
			c.unknown(n, n.scalar(), "stage", names)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// checkRule holds one rule to what its verdict means.
func (c *checker) checkRule(w *workflow, r *value) {
	longest, upTo := r.span("longest", 0), r.span("up_to", 0)
	switch {
	case r.has("auto") && r.has("refuse"):
		c.at(r.or("refuse"), "make two rules of it", "%s: a rule approves or refuses, not both", r.path)
	case r.has("refuse"):
		for _, k := range []string{"stages", "longest"} {
			if r.has(k) {
				c.at(r.or(k), "leave it out", "%s: a rule that refuses has no %s", r.path, k)
			}
		}
		if r.has("across_environments") {
			c.at(r.or("across_environments"), "leave it out, or write it into the rule that gives access", "%s: a rule that refuses lets nobody across environments", r.path)
		}
		return
	case r.has("auto") && r.has("stages"):
		c.at(r.or("stages"), "leave one of them out", "%s: a rule that approves by itself asks no stage", r.path)
	}
	if whole := w.span("longest", 0); longest > whole && whole > 0 {
		c.at(r.get("longest"), "", "%s.longest: %s is longer than the longest of the workflow, %s", r.path, longest, whole)
	}
	if longest > 0 && upTo > 0 && longest >= upTo {
		c.at(r.get("longest"), "leave it out", "%s.longest: %s never counts, because the rule covers asks up to %s", r.path, longest, upTo)
	}
	if !r.has("auto") || hasBad(r) {
		return
	}
	switch {
	case w.kind() == workflows.KindPreapprove || w.kind().Ahead():
		c.at(r.get("auto"), "let people decide", "%s: what is approved ahead is approved by people", r.path)
	case !r.has("when") && !r.has("up_to"):
		c.at(r.get("auto"), "say which asks: when, up_to", "%s: a rule that approves everything by itself is no rule", r.path)
	}
}

// reachable refuses rules that are never chosen: one before them covers whatever they do (R42).
func (c *checker) reachable(w *workflow, p plan, before []plan) {
	specific := w.str("choose") == workflows.ChooseSpecific
	if w.has("choose") && w.get("choose") == nil {
		return // how rules are chosen was not understood
	}
	for _, e := range before {
		if hasBad(p.rule) || hasBad(e.rule) || p.cond == nil && p.rule.has("when") || e.cond == nil && e.rule.has("when") {
			continue
		}
		switch {
		case !specific && covers(e, p):
			c.at(p.rule, "move it up, or remove it", "rule %q is never reached: rule %q on line %d covers whatever it does", p.rule.str("name"), e.rule.str("name"), e.rule.line)
			return
		case specific && covers(e, p) && covers(p, e):
			c.at(p.rule, "add a condition to one of them", "rule %q and rule %q on line %d cover the same asks and neither is more specific", p.rule.str("name"), e.rule.str("name"), e.rule.line)
			return
		}
	}
	if longest, up := w.span("longest", 0), p.rule.span("up_to", 0); up >= longest && up > 0 && longest > 0 && !hasBad(p.rule) {
		c.warn(p.rule.get("up_to"), "leave it out", "%s.up_to: %s is what the workflow allows anyway", p.rule.path, up)
	}
}

// covers tells whether a matches whenever b does: it has no condition that b lacks, and no shorter length.
func covers(a, b plan) bool {
	au, bu := a.rule.span("up_to", 0), b.rule.span("up_to", 0)
	if au > 0 && (bu == 0 || bu > au) {
		return false
	}
	if a.cond == nil {
		return true
	}
	return b.cond != nil && !slices.ContainsFunc(a.cond.terms, func(t string) bool { return !slices.Contains(b.cond.terms, t) })
}

func (c *checker) unusedStages(w *workflow, used map[int]bool) {
	if hasBad(w.or("rules")) || hasBad(w.or("stages")) {
		return
	}
	for i, s := range w.stages {
		if !used[i] {
			c.at(s.or("name"), "name it in a rule, or remove it", "stage %q is never reached: no rule names it", s.str("name"))
		}
	}
}

// moments checks what a workflow says about time: calendar, freezes, later, ends_with, extensions.
func (c *checker) moments(w *workflow) {
	cal := w.get("calendar")
	if cal != nil && c.ix.calendars[cal.scalar()] == nil {
		c.unknown(cal, cal.scalar(), "calendar", keys(c.ix.calendars))
		return
	}
	for _, k := range []string{"only", "freezes"} {
		if w.has(k) && !w.has("calendar") {
			c.at(w.or(k), "calendar: name", "%s: the workflow has no calendar", k)
		}
	}
	if w.has("freezes") && cal != nil {
		known := c.freezesOf(w)
		for _, f := range w.list("freezes") {
			if !slices.Contains(known, f.scalar()) {
				c.unknown(f, f.scalar(), "freeze", known)
			}
		}
		c.unique(w.list("freezes"))
	}
	if e := w.get("extend"); e != nil {
		if most := w.span("longest", 0); most > 0 && e.span("cap", 0) > 0 && e.span("cap", 0) <= most {
			c.at(e.get("cap"), "", "extend.cap: %s is not longer than one ask, %s", e.span("cap", 0), most)
		}
	}
	for _, k := range []string{"extend", "later", "ends_with"} {
		if w.has(k) && w.kind() != "" && !w.kind().GivesAccess() {
			c.at(w.or(k), "leave it out", "%s: only access has it, not an approval ahead", k)
		}
	}
	if win := w.get("window"); win != nil {
		if life, cap := win.span("lifetime", 0), w.span("longest", 0); life > cap && cap > 0 {
			c.at(win.get("lifetime"), "", "window.lifetime: %s is longer than the window is open, %s", life, cap)
		}
	}
	c.endsWith(w)
	c.task(w)
}

func (c *checker) endsWith(w *workflow) {
	e := w.get("ends_with")
	if e == nil {
		return
	}
	var names []string
	for _, f := range w.list("fields") {
		names = append(names, f.str("name"))
		if f.str("name") != e.scalar() {
			continue
		}
		switch typ := f.str("type"); {
		case typ == "":
		case typ != workflows.FieldDateTime && typ != workflows.FieldTicket:
			c.at(e, "a date_time or a ticket", "ends_with: field %q is of type %s", e.scalar(), typ)
		case f.flag("optional"):
			c.at(f.get("optional"), "leave optional out", "ends_with: field %q may be empty", e.scalar())
		}
		return
	}
	c.unknown(e, e.scalar(), "field", names)
}

// task holds what a ticket must be like to what there is: a field that names it, and a system that can be asked.
func (c *checker) task(w *workflow) {
	t := w.get("task")
	if t == nil {
		return
	}
	ticket := false
	for _, f := range w.list("fields") {
		ticket = ticket || f.str("type") == workflows.FieldTicket && f.str("name") == w.str("ends_with")
	}
	if !ticket {
		c.at(t, "ends_with: the name of a field of type ticket", "task says what a ticket must be like, and access of workflow %q ends with none, so it would not be asked again", w.id)
	}
	if !t.has("source") && !t.has("assignee") && !t.flag("window") && !hasBad(t) {
		c.at(t, "source, assignee or window: true", "task wants nothing of the ticket")
	}
	var keepers []string
	for _, id := range keys(c.ix.targets) {
		if c.keepsTasks(c.ix.targets[id]) {
			keepers = append(keepers, id)
		}
	}
	slices.Sort(keepers)
	src := t.get("source")
	switch {
	case len(c.params) == 0: // the connectors are not known here
	case len(keepers) == 0:
		c.at(t, "a target of the kind jira, linear, tasks or pagerduty, or one of github with tasks: \"true\"", "task wants something of a ticket, and no target keeps tickets that could be asked about")
	case src != nil && !slices.Contains(keepers, src.scalar()):
		c.at(src, meantOr(src.scalar(), keepers), "target %q keeps no tickets", src.scalar())
	}
}

func (c *checker) keepsTasks(t *target) bool {
	if c.params[t.str("connector")].Grantless {
		return true
	}
	s := t.get("settings")
	return s != nil && s.str("tasks") == "true"
}

// warn reports a lint: what is allowed and probably not meant.
func (c *checker) warn(v *value, hint, format string, args ...any) {
	c.warned.at(v, hint, format, args...)
}
