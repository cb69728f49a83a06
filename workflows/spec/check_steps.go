package spec

import (
	"regexp"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

// needed wants what every runbook has to have, in the order in which it is read.
func (c *checker) needed(b *runbook) {
	shape := runbookShape()
	for _, name := range []string{"incident_pattern", "skips", "notify", "reviewers", "review_due"} {
		if k, ok := shape.key(name); ok && !b.has(name) {
			c.at(b.value, strings.TrimSuffix(k.name+": "+k.what, ": "), "%s is missing", name)
		}
	}
	acts := slices.ContainsFunc(b.steps, func(s *step) bool { return s.value != nil && s.acts() })
	if !b.has("grant") && !acts {
		k, _ := shape.key("grant")
		c.at(b.value, strings.TrimSuffix(k.name+": "+k.what, ": "), "grant is missing")
	}
}

func (s *step) acts() bool {
	return s.value != nil && s.str("action") != "" && s.str("action") != actByHand
}

// conditions checks what must hold when the runbook is invoked.
func (c *checker) conditions(b *runbook) {
	if b.has("opens_on") && !b.flag("routine") {
		c.at(b.or("opens_on"), "routine: true", "opens_on: only a routine is opened by something else than a person in an incident")
	}
	if b.has("kinds") && !b.has("opens_on") {
		c.at(b.or("kinds"), "opens_on: [rotation]", "kinds: no rotation opens this runbook")
	}
	if b.span("longest", 0) > maxIncident && !b.flag("routine") {
		c.at(b.or("longest"), "24h, or less", "longest: %s is longer than anybody holds access under a runbook", b.span("longest", 0))
	}
	for _, r := range b.list("on_shift") {
		if _, ok := c.ix.rotations[r.scalar()]; !ok && r.scalar() != "" {
			c.unknown(r, r.scalar(), "rotation", keys(c.ix.rotations))
		}
	}
	if g := b.get("break_glass"); g != nil {
		for _, p := range g.list("people") {
			c.person(p, "person")
		}
		if len(g.list("people")) < 2 && !hasBad(g) {
			c.at(g.or("people"), "name a second person: one may be the one who is away", "break_glass: one person is not enough")
		}
		if g.span("longest", 0) > b.span("longest", 0) && b.has("longest") {
			c.at(g.or("longest"), "", "break_glass: %s is longer than the %s of a use that was approved before", g.span("longest", 0), b.span("longest", 0))
		}
	}
	for _, x := range b.list("rotate_after") {
		c.person(x.or("owner"), "owner")
	}
	if ch := b.get("chain"); ch != nil {
		if w := c.ix.workflows[ch.scalar()]; w == nil {
			c.unknown(ch, ch.scalar(), "workflow", keys(c.ix.workflows))
		} else if !b.flag("routine") && w.kind() == workflows.KindRoutine {
			c.at(ch, "routine: true, or a workflow that grants it", "chain: workflow %q only has routines carried out", w.id)
		} else if g := b.str("grant"); g != "" && len(w.strs("grants")) > 0 && !slices.Contains(w.strs("grants"), g) {
			c.at(ch, "name a workflow that grants it", "workflow %q does not grant %q, so asking it does not help", w.id, g)
		}
	}
	for _, k := range []string{"severity_min", "commander_invokes"} {
		if b.has(k) && !b.flag("incident_required") {
			c.at(b.or(k), "incident_required: true", "%s: nobody is asked about the incident", k)
		}
	}
	if b.flag("executor_differs") && b.get("grant") == nil && len(b.steps) == 0 {
		c.at(b.or("executor_differs"), "", "executor_differs: there is nothing to carry out")
	}
}

// stepField is the only way in which an answer of the form gets into a step: alone, never within a longer text.
var stepField = regexp.MustCompile(`^\$\{([a-z][a-z0-9_]{0,39})\}$`)

// checkSteps checks the blocks of the steps.
func (c *checker) checkSteps(b *runbook) {
	if len(b.steps) > 0 && !slices.ContainsFunc(b.steps, func(s *step) bool { return s.value != nil }) {
		return
	}
	for _, s := range b.steps {
		if s.value == nil || s.bad || s.has("action") && s.str("action") == "" { // an action that there is not was named already
			continue
		}
		if !s.acts() {
			c.byHand(s)
			continue
		}
		c.acting(b, s)
	}
}

func (c *checker) byHand(s *step) {
	for _, k := range []string{"on", "account", "fields", "secrets", "timeout", "retries", "auto", "wait", "precheck", "rollback", "on_failure"} {
		if s.has(k) {
			c.at(s.or(k), "leave it out, or say which action it is", "%s: a person does this step", k)
		}
	}
}

func (c *checker) acting(b *runbook, s *step) {
	action := s.str("action")
	if s.has("evidence") {
		c.at(s.or("evidence"), "leave it out", "evidence: the connector's answer is the evidence of this step")
	}
	on := s.get("on")
	if on == nil {
		if !s.has("on") {
			c.at(s.value, "on: What is asked of the connector, as target/entitlement.", "on is missing")
		}
		return
	}
	e, ok := c.entitlement(on)
	if !ok {
		return
	}
	connector := e.on.str("connector")
	if (action == incidents.ActCommand || action == incidents.ActWebhook) && connector != action && connector != "" {
		c.at(on, "name a target of connector "+action, "action %s: %q is a target of connector %s", action, e.on.id, connector)
	}
	if action == incidents.ActGrant {
		c.references(b.value, "runbook", b.id, on, e.value)
		c.sshKeys(b.value, "runbook", b.id, connector == "sshca")
	}
	if s.has("account") && action != incidents.ActRevoke && !(incidents.Step{Action: action}).Turns() {
		c.at(s.or("account"), "leave it out", "account: only revoke, rotate, renew and retire are about an account")
	}
	c.turning(b, s)
	if action == incidents.ActRevoke && !s.has("account") {
		c.at(s.value, "account: a name, or ${field} for an answer of the form", "account is missing: whose access is taken away")
	}
	c.handed(b, s.get("account"))
	if f := s.get("fields"); f != nil {
		for _, x := range f.entries {
			c.handed(b, x.value)
			if sec := s.get("secrets"); sec != nil && sec.has(x.key) {
				c.at(sec, "", "secrets: %q is among the fields, too", x.key)
			}
		}
	}
}

// handed checks a text that a connector is handed: whole answers of the form, never a part of something.
func (c *checker) handed(b *runbook, v *value) {
	if v == nil || !strings.Contains(v.scalar(), "${") {
		return
	}
	m := stepField.FindStringSubmatch(v.scalar())
	if m == nil {
		c.at(v, "write ${field} and nothing else", "%s: nothing is put into a longer text", name(v))
		return
	}
	var names []string
	for _, f := range b.list("fields") {
		names = append(names, f.str("name"))
		if f.str("name") != m[1] {
			continue
		}
		if f.str("type") == workflows.FieldText && !f.has("pattern") {
			c.at(f.or("type"), "pattern: '[a-z0-9-]{1,40}'", "a step hands the field %q to a connector, so it needs a pattern: what anybody types does not go to a target", m[1])
		}
		return
	}
	if !hasBad(b.value) {
		c.at(v, orElse(didYouMean(m[1], names), "fields: [{name: "+m[1]+", label: …, type: choice, choices: [...]}]"), "runbook %q has no field %q", b.id, m[1])
	}
}
