package workflows

import (
	"slices"
	"strconv"
)

func (c *comparison) fields(before, after []Field) {
	for i, f := range after {
		j := slices.IndexFunc(before, func(o Field) bool { return o.Name == f.Name })
		switch {
		case j < 0 && f.Optional:
			c.neutral("the form asks for %q too, if one likes", f.Name)
		case j < 0:
			c.tightens("the form asks for %q too", f.Name)
		default:
			if i != j && len(before) == len(after) {
				c.neutral("field %q stands at another place of the form", f.Name)
			}
			c.field(before[j], f)
		}
	}
	for _, f := range before {
		if !slices.ContainsFunc(after, func(o Field) bool { return o.Name == f.Name }) {
			c.loosens("the form no longer asks for %q", f.Name)
		}
	}
}

func (c *comparison) field(before, after Field) {
	n := "field " + after.Name
	c.words(n+": the label", before.Label, after.Label)
	c.words(n+": the help", before.Help, after.Help)
	c.moved(n+": the type", before.Type, after.Type)
	c.flag(n+" may stay empty", before.Optional, after.Optional, true)
	c.set(n+": choices", before.Choices, after.Choices, true)
	c.moved(n+": the pattern", before.Pattern, after.Pattern)
	if before.MaxLen != after.MaxLen {
		c.add(after.MaxLen == 0 || before.MaxLen != 0 && after.MaxLen > before.MaxLen, "%s: at most %d characters, was %d (0 is the usual limit)", n, after.MaxLen, before.MaxLen)
	}
	c.moved(n+": the least", before.Least, after.Least)
	c.moved(n+": the most", before.Most, after.Most)
}

func (c *comparison) rules(before, after *Workflow) {
	if before.Choose != after.Choose {
		c.loosens("of several rules that match, %s decides", map[bool]string{true: "the most specific one", false: "the first one"}[after.Choose == ChooseSpecific])
	}
	if len(before.Rules) == 0 && len(after.Rules) > 0 {
		c.firstRules(after)
		return
	}
	for _, r := range after.Rules {
		i := slices.IndexFunc(before.Rules, func(o Rule) bool { return o.Name == r.Name })
		switch {
		case i >= 0:
			c.rule(before.Rules[i], r)
		case r.Refuse != "":
			c.tightens("a new rule, %q, refuses: %s", r.Name, r.Refuse)
		default:
			c.loosens("a new rule, %q", r.Name)
		}
	}
	for _, r := range before.Rules {
		if !slices.ContainsFunc(after.Rules, func(o Rule) bool { return o.Name == r.Name }) {
			c.loosens("rule %q is gone", r.Name)
		}
	}
	if a, b := common(before.Rules, after.Rules), common(after.Rules, before.Rules); !slices.Equal(a, b) {
		c.loosens("the rules stand in another order")
	}
}

// firstRules is a workflow that had none and sent every ask through all its stages.
func (c *comparison) firstRules(after *Workflow) {
	for _, r := range after.Rules {
		switch {
		case r.Auto != nil:
			c.loosens("rule %q approves without people, %d times per %s", r.Name, r.Auto.Times, r.Auto.Per)
		case r.Refuse != "":
			c.tightens("a new rule, %q, refuses: %s", r.Name, r.Refuse)
		case len(r.Stages) > 0 && len(r.Stages) < len(after.Stages):
			c.loosens("rule %q goes through %s only", r.Name, listed(r.Stages, "no stage"))
		default:
			c.tightens("a new rule, %q, goes through all stages", r.Name)
		}
	}
}

// common are the names of those rules of a that b has too, in the order of a.
func common(a, b []Rule) []string {
	var out []string
	for _, r := range a {
		if slices.ContainsFunc(b, func(o Rule) bool { return o.Name == r.Name }) {
			out = append(out, r.Name)
		}
	}
	return out
}

func (c *comparison) rule(before, after Rule) {
	n := "rule " + after.Name
	c.moved(n+": its condition", before.When, after.When)
	if before.Terms != after.Terms && before.When == after.When && (before.UpTo == 0) == (after.UpTo == 0) {
		c.loosens("%s counts as %d conditions, was %d", n, after.Terms, before.Terms)
	}
	if before.UpTo != after.UpTo {
		c.loosens("%s: for asks of at most %s, was %s", n, spanWords(after.UpTo), spanWords(before.UpTo))
	}
	switch {
	case slices.Equal(before.Stages, after.Stages):
	case len(before.Stages) == 0: // all of them
		c.loosens("%s goes through %s only", n, listed(after.Stages, "no stage"))
	case len(after.Stages) == 0:
		c.tightens("%s goes through all stages", n)
	default:
		c.set(n+": stages", before.Stages, after.Stages, false)
	}
	c.span(n+": the longest access", before.Longest, after.Longest, true, false)
	c.auto(n, before.Auto, after.Auto)
	c.flag(n+": identities of another environment may have it", before.Across, after.Across, true)
	switch {
	case before.Refuse == after.Refuse:
	case before.Refuse == "":
		c.tightens("%s refuses: %s", n, after.Refuse)
	case after.Refuse == "":
		c.loosens("%s refuses no longer", n)
	default:
		c.words(n+": why it refuses", before.Refuse, after.Refuse)
	}
}

func (c *comparison) auto(n string, before, after *Auto) {
	switch {
	case before == nil && after == nil:
	case before == nil:
		c.loosens("%s approves without people, %d times per %s", n, after.Times, after.Per)
	case after == nil:
		c.tightens("%s no longer approves without people", n)
	default:
		c.number(n+": automatic approvals in a period", before.Times, after.Times, true)
		c.span(n+": the period of automatic approvals", before.Per, after.Per, false, true)
		c.number(n+": per cent of them that are reviewed", before.Sample, after.Sample, false)
	}
}

func stageNames(list []Stage) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = s.Name
	}
	return out
}

func (c *comparison) stages(before, after []Stage) {
	for i, s := range after {
		j := slices.IndexFunc(before, func(o Stage) bool { return o.Name == s.Name })
		if j < 0 {
			c.tightens("a new stage, %q, of %d", s.Name, s.Quorum)
			continue
		}
		if i != j && len(before) == len(after) {
			c.loosens("stage %q is now number %d, was %d", s.Name, i+1, j+1)
		}
		c.stage(before[j], s)
	}
	_, gone := difference(stageNames(before), stageNames(after))
	for _, n := range gone {
		c.loosens("stage %q is gone", n)
	}
}

func (c *comparison) stage(before, after Stage) {
	n := "stage " + after.Name
	c.number(n+": the quorum", before.Quorum, after.Quorum, false)
	c.selector(n+": approvers", before.Approvers, after.Approvers, true)
	if before.Remind != after.Remind || before.RemindWorking != after.RemindWorking {
		c.neutral("%s: a reminder after %s, was %s", n, after.reminds(), before.reminds())
	}
	c.span(n+": the time to decide", before.Timeout, after.Timeout, true, true)
	c.flag(n+" counts who approved an earlier one", before.Repeat, after.Repeat, true)
	c.distinct(n, before.DistinctFrom, after.DistinctFrom)
	if before.Kind != after.Kind {
		c.add(after.Kind == StageConsent, "%s: %s", n, map[bool]string{true: "silence is consent from now on", false: "needs approvals from now on"}[after.Kind == StageConsent])
	}
	c.flag(n+": one of its parts is enough", before.AnyPart, after.AnyPart, true)
	c.parts(n, before.Parts, after.Parts)
	c.tiers(n, before.allTiers(), after.allTiers())
	if before.Deny != after.Deny {
		c.add(after.Deny == DenyCounts, "%s: %s", n, map[bool]string{true: "one denial no longer ends the request", false: "one denial ends the request"}[after.Deny == DenyCounts])
	}
	if before.OffHours != after.OffHours {
		c.add(after.OffHours == OffHoursAwake, "%s: outside of working hours: %s, was %s", n, offHoursWords(after.OffHours), offHoursWords(before.OffHours))
	}
	c.told(n+": those who are told", before.Tell, after.Tell)
}

func offHoursWords(s string) string {
	switch s {
	case OffHoursWait:
		return "people are told when they work"
	case OffHoursAwake:
		return "the next tier is asked when too few are at work"
	default:
		return "people are told at once"
	}
}

func (s Stage) reminds() string {
	if s.RemindWorking > 0 {
		return s.RemindWorking.String() + " of working time"
	}
	return spanWords(s.Remind)
}

func (s Stage) allTiers() []Escalation {
	var out []Escalation
	if s.Escalate != nil {
		out = append(out, *s.Escalate)
	}
	return append(out, s.Then...)
}

// distinct compares whose approval elsewhere does not count here. Nil means all earlier stages, so naming some frees the others.
func (c *comparison) distinct(n string, before, after []string) {
	switch {
	case slices.Equal(before, after):
	case len(before) == 0:
		c.loosens("%s: only those who approved %s do not count", n, listed(after, "no stage"))
	case len(after) == 0:
		c.tightens("%s: nobody who approved an earlier stage counts", n)
	default:
		c.set(n+": does not count who approved", before, after, false)
	}
}

func (c *comparison) parts(n string, before, after []Part) {
	for _, p := range after {
		i := slices.IndexFunc(before, func(o Part) bool { return o.Name == p.Name })
		if i < 0 {
			c.loosens("%s: a new part, %q, of %d: %s", n, p.Name, p.Quorum, listed(p.Approvers.words(), "nobody"))
			continue
		}
		c.number(n+", part "+p.Name+": the quorum", before[i].Quorum, p.Quorum, false)
		c.selector(n+", part "+p.Name+": approvers", before[i].Approvers, p.Approvers, true)
	}
	for _, p := range before {
		if !slices.ContainsFunc(after, func(o Part) bool { return o.Name == p.Name }) {
			c.loosens("%s: part %q is gone", n, p.Name)
		}
	}
}

func (c *comparison) tiers(n string, before, after []Escalation) {
	for i, e := range after {
		what := n + ": escalation " + ordinal(i)
		if i >= len(before) {
			c.loosens("%s, after %s, to %s", what, e.delay(), listed(e.Approvers.words(), "nobody"))
			continue
		}
		if old := before[i]; old.After != e.After || old.Working != e.Working {
			later := old.Working == e.Working && e.After > old.After || old.After == e.After && e.Working > old.Working
			c.add(!later, "%s after %s, was %s", what, e.delay(), old.delay())
		}
		c.selector(what, before[i].Approvers, e.Approvers, true)
	}
	for i := len(after); i < len(before); i++ {
		c.tightens("%s: no escalation %s any more", n, ordinal(i))
	}
}

func ordinal(i int) string { return strconv.Itoa(i + 1) }

func (e Escalation) delay() string {
	if e.Working > 0 {
		return e.Working.String() + " of working time"
	}
	return e.After.String()
}

func (c *comparison) risk(before, after *RiskTable) {
	switch {
	case same(before, after):
		return
	case before == nil:
		c.tightens("risk tiers hold from now on")
		return
	case after == nil:
		c.loosens("no risk tiers any more")
		return
	}
	for _, t := range after.Tiers {
		i := slices.IndexFunc(before.Tiers, func(o Tier) bool { return o.Name == t.Name })
		if i < 0 {
			c.loosens("a new tier, %q", t.Name)
			continue
		}
		c.tier(before.Tiers[i], t)
	}
	for _, t := range before.Tiers {
		if !slices.ContainsFunc(after.Tiers, func(o Tier) bool { return o.Name == t.Name }) {
			c.loosens("tier %q is gone", t.Name)
		}
	}
	if !same(before.Rows, after.Rows) || !slices.Equal(tierNames(before.Tiers), tierNames(after.Tiers)) {
		c.loosens("the table that gives each ask its tier changes")
	}
}

func tierNames(list []Tier) []string {
	out := make([]string, len(list))
	for i, t := range list {
		out[i] = t.Name
	}
	return out
}

func (c *comparison) tier(before, after Tier) {
	n := "tier " + after.Name
	c.span(n+": the longest access", before.Longest, after.Longest, true, false)
	c.number(n+": the fewest approvers", before.Approvers, after.Approvers, false)
	c.span(n+": time between reviews", before.Review, after.Review, true, false)
	c.flag(n+": a decision needs more than a click", before.StepUp, after.StepUp, false)
	c.flag(n+": whoever asks types the target's name", before.TypeTarget, after.TypeTarget, false)
	c.number(n+": open requests of one person", orMost(before.MostOpen), orMost(after.MostOpen), true)
	c.span(n+": the end of an identity", before.Stands, after.Stands, true, false)
}

// orMost is how many requests somebody may have open, where a tier says it or leaves it out.
func orMost(n int) int {
	if n == 0 {
		return MaxOpenPerson
	}
	return n
}

func (c *comparison) window(before, after *WindowTerms) {
	switch {
	case same(before, after):
	case before == nil || after == nil:
		c.loosens("the standing window changes")
	default:
		c.moved("the hours of the window", before.Hours+" "+before.Zone, after.Hours+" "+after.Zone)
		c.number("grants in a period of the window", before.Times, after.Times, true)
		c.span("the period of the window", before.Per, after.Per, false, true)
		c.span("the longest grant in the window", before.Lifetime, after.Lifetime, true, true)
		c.number("grants in all in the window", before.Budget, after.Budget, true)
	}
}

// exception compares what an exception waives and what makes up for it. Another check is another promise: only a further one is none the weaker.
func (c *comparison) exception(before, after *ExceptionTerms) {
	switch {
	case same(before, after):
		return
	case before == nil || after == nil:
		c.loosens("the exception that it approves changes")
		return
	}
	c.moved("the control that an exception waives", before.Control, after.Control)
	c.moved("what follows when a check of an exception fails", before.Failed, after.Failed)
	c.moved("the step of the fourth renewal", before.Higher, after.Higher)
	for _, x := range before.Checks {
		if !slices.ContainsFunc(after.Checks, func(o CheckTerms) bool { return same(x, o) }) {
			c.loosens("what makes up for a waived control: %s is gone or changed", x)
		}
	}
}

// task compares what the ticket must be like.
func (c *comparison) task(before, after *TaskTerms) {
	var old, now TaskTerms
	if before != nil {
		old = *before
	}
	if after != nil {
		now = *after
	}
	switch {
	case old.Source == now.Source:
	case old.Source == "":
		c.tightens("the ticket must be one of %s from now on", now.Source)
	default:
		c.loosens("whose ticket it must be: %s, was %s", orAny(string(now.Source)), old.Source)
	}
	switch {
	case old.Assignee == now.Assignee:
	case now.Assignee == AssigneeRequester, old.Assignee == "":
		c.tightens("the ticket must be assigned: %s", now.Assignee)
	default:
		c.loosens("to whom the ticket must be assigned: %s, was %s", orAny(now.Assignee), old.Assignee)
	}
	switch {
	case old.Window == now.Window:
	case now.Window:
		c.tightens("the ticket must be a change window from now on")
	default:
		c.loosens("the ticket need not be a change window any more")
	}
}

func orAny(s string) string {
	if s == "" {
		return "any"
	}
	return s
}

// actAs compares what a chain demands of whoever acts as an identity.
func (c *comparison) actAs(before, after *ActAsTerms) {
	switch {
	case same(before, after):
		return
	case before == nil || after == nil:
		c.loosens("what it demands of whoever acts as an identity changes")
		return
	}
	c.moved("the step in which management approves that somebody acts as an identity", before.Management, after.Management)
	c.moved("the field that says what is exceptional", before.Exceptional, after.Exceptional)
}
