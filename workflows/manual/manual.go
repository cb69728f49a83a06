package manual

import (
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
)

// Book is all chains of an organisation with what their words refer to. Nil functions and maps leave ids.
type Book struct {
	Organisation string
	Say          Tongue // for the chapters; nil: English
	Person       Names
	Rotations    map[string][]workflows.PersonID // who ever takes a turn
	Calendars    map[string]*calendar.Business
	Chapters     []Chapter
	Runbooks     []Runbook
}

// Chapter is one chain.
type Chapter struct {
	Workflow *workflows.Workflow
	Hash     workflows.DocHash // of the compiled chain, as the ledger names it; empty: not known here
	Source   workflows.DocHash // of the file, which the ledger keeps too
	File     string            // "workflows/prod-db.yaml"; empty: not known
	Changed  string            // "on 2026-11-20 by Ann Lee (commit 3f2a91c)"; empty: not known
}

// Section is a part of a chapter: sentences, then points, then a table, then a diagram; any of them may be missing.
type Section struct {
	Title     string
	Sentences []string
	Points    []string
	Numbered  bool       // the points are steps
	Table     [][]string // the first row is the head
	Diagram   string     // Mermaid
}

// Sections are the chapter in the order in which a newcomer asks: what is it for, may I ask, who decides, what then, what limits it.
func (b Book) Sections(c Chapter) []Section {
	w := c.Workflow
	out := []Section{b.purpose(c), {Title: b.say("How a request goes"), Diagram: Diagram(w)}, b.steps(w)}
	for _, s := range []Section{b.rules(w), b.granted(w), b.form(w), b.limits(w), b.risk(w), b.told(w)} {
		if s.Sentences != nil || s.Points != nil || s.Table != nil {
			out = append(out, s)
		}
	}
	return append(out, b.origin(c))
}

// purpose is what the chain is for, and who may use it.
func (b Book) purpose(c Chapter) Section {
	w := c.Workflow
	s := Section{Sentences: []string{sentence(w.Purpose)}}
	if w.Kind == workflows.KindPreapprove {
		s.Points = append(s.Points, b.say("What you get: %s, so that it may be used in an incident without waiting.", b.kindWords(w.Kind)))
	} else {
		s.Points = append(s.Points, b.say("What you get: %s.", b.kindWords(w.Kind)))
	}
	s.Points = append(s.Points, escape(b.say("Who may ask: %s.", b.selector(w.Ask, w.Entitlements))))
	if len(w.For) > 0 && !w.Kind.OfRunbook() {
		s.Points = append(s.Points, b.say("For whom: %s.", b.holders(w.For)))
	}
	longest := b.say("For how long: at most %s.", b.span(w.Longest))
	if w.Usual > 0 && w.Usual != w.Longest {
		longest = b.say("For how long: at most %s, usually %s.", b.span(w.Longest), b.span(w.Usual))
	}
	s.Points = append(s.Points, longest)
	if w.Uses > 0 {
		s.Points = append(s.Points, b.say("How often the approved text may be used: %s.", b.times(w.Uses)))
	}
	return s
}

// steps are the stages, one after the other.
func (b Book) steps(w *workflows.Workflow) Section {
	s := Section{Title: b.say("Who decides"), Numbered: true}
	for i, st := range w.Stages {
		s.Points = append(s.Points, b.stage(w, i, st))
	}
	if len(w.Stages) > 1 {
		s.Sentences = append(s.Sentences, b.say("The steps come one after the other."))
	}
	s.Sentences = append(s.Sentences, b.say("Nobody decides about their own request, and nobody counts twice in one step. A request that times out is not denied: it can be asked for again."))
	if len(w.Rules) > 0 {
		s.Sentences = append(s.Sentences, b.say("Which of these steps a request goes through depends on what is asked for: the next table says which."))
	}
	return s
}

func (b Book) stage(w *workflows.Workflow, i int, st workflows.Stage) string {
	var out []string
	if st.Kind == workflows.StageConsent {
		out = append(out, b.say("**%s**: nobody has to say yes here. These are told: %s. Unless one of them objects, the request goes through after %s; at least %d of them must have been reached by then.",
			escape(st.Name), escape(b.all(st.Approvers, w.Entitlements)), b.span(st.Timeout), st.Quorum))
		return strings.Join(append(out, b.besides(w, st)...), " ")
	}
	out = append(out, b.say("**%s**: %s.", escape(st.Name), escape(b.quorum(w, st))))
	if d := b.distinct(w, i, st); d != "" {
		out = append(out, d)
	}
	out = append(out, b.hurry(w, st)...)
	out = append(out, b.say("If nobody has decided after %s, the request times out.", b.span(st.Timeout)))
	if st.Deny == workflows.DenyCounts {
		out = append(out, b.say("One no does not end the request: it ends when so many said no that there cannot be enough yes any more."))
	}
	return strings.Join(append(out, b.besides(w, st)...), " ")
}

// besides is who is told of a step without being asked.
func (b Book) besides(w *workflows.Workflow, st workflows.Stage) []string {
	if st.Tell == nil {
		return nil
	}
	return []string{escape(b.say("Told without being asked: %s.", b.all(*st.Tell, w.Entitlements)))}
}

func (b Book) quorum(w *workflows.Workflow, st workflows.Stage) string {
	if len(st.Parts) == 0 {
		return b.need(st.Quorum, st.Approvers, w.Entitlements)
	}
	var parts []string
	for _, p := range st.Parts {
		parts = append(parts, b.say("for %s %s", p.Name, b.need(p.Quorum, p.Approvers, w.Entitlements)))
	}
	if st.AnyPart {
		return strings.Join(parts, b.say(", or else "))
	}
	return b.say("%s; somebody who belongs to more than one of these counts for one of them only", strings.Join(parts, b.say(", and ")))
}

func (b Book) need(n int, s workflows.Selector, es []workflows.Entitlement) string {
	if n == 1 {
		return b.say("one yes from %s", b.selector(s, es))
	}
	return b.say("%d different people of these say yes: %s", n, b.all(s, es))
}

// distinct says who of earlier steps does not count again.
func (b Book) distinct(w *workflows.Workflow, i int, st workflows.Stage) string {
	switch {
	case i == 0:
		return ""
	case st.Repeat:
		return b.say("Whoever said yes in an earlier step may do so here too.")
	case len(st.DistinctFrom) > 0:
		return escape(b.say("Whoever said yes in %s does not count here.", b.or(st.DistinctFrom)))
	}
	return b.say("Whoever said yes in an earlier step does not count here.")
}

// hurry is what happens while nobody decides.
func (b Book) hurry(w *workflows.Workflow, st workflows.Stage) []string {
	var out []string
	switch {
	case st.RemindWorking > 0:
		out = append(out, b.say("They are reminded after %s of their working time.", b.span(st.RemindWorking)))
	case st.Remind > 0:
		out = append(out, b.say("They are reminded after %s.", b.span(st.Remind)))
	}
	tiers := st.Then
	if st.Escalate != nil {
		tiers = append([]workflows.Escalation{*st.Escalate}, tiers...)
	}
	for i, t := range tiers {
		after := b.span(t.After)
		if t.Working > 0 {
			after = b.say("%s of working time", b.span(t.Working))
		}
		out = append(out, b.say("After %s without a decision, these are asked too: %s.", after, escape(b.all(t.Approvers, w.Entitlements))))
		if i == len(tiers)-1 {
			out = append(out, b.say("Those who were asked before can still decide."))
		}
	}
	switch st.OffHours {
	case workflows.OffHoursWait:
		out = append(out, b.say("Outside of their working hours people are not disturbed: they are told in the morning."))
	case workflows.OffHoursAwake:
		out = append(out, b.say("Outside of their working hours people are told in the morning; when too few are at work, the next ones are asked at once."))
	}
	return out
}

// rules say which steps an ask goes through.
func (b Book) rules(w *workflows.Workflow) Section {
	if len(w.Rules) == 0 {
		return Section{}
	}
	s := Section{Title: b.say("Which steps apply"), Table: [][]string{{b.say("Rule"), b.say("When"), b.say("Then"), b.say("At most")}}}
	s.Sentences = []string{b.say("The first rule that fits decides.")}
	if w.Choose == workflows.ChooseSpecific {
		s.Sentences = []string{b.say("The rule with the most conditions that fits decides. If two fit equally well, the request is refused, and the owner is asked to say which one is meant.")}
	}
	if !slices.ContainsFunc(w.Rules, always) {
		s.Sentences = append(s.Sentences, b.say("What no rule fits is refused."))
	}
	for _, r := range w.Rules {
		longest := b.span(min(orLongest(r.Longest, w.Longest), orLongest(r.UpTo, w.Longest)))
		if r.Refuse != "" {
			longest = "–"
		}
		s.Table = append(s.Table, []string{r.Name, capital(b.ruleWhen(w, r)), b.ruleThen(w, r), longest})
	}
	return s
}

func orLongest(s, longest workflows.Span) workflows.Span {
	if s == 0 {
		return longest
	}
	return s
}

func (b Book) ruleWhen(w *workflows.Workflow, r workflows.Rule) string {
	when := b.condition(r.When, w.Fields)
	switch {
	case r.UpTo == 0:
		return when
	case r.When == "":
		return b.say("it is for at most %s", b.span(r.UpTo))
	}
	return b.say("%s, and it is for at most %s", when, b.span(r.UpTo))
}

func (b Book) ruleThen(w *workflows.Workflow, r workflows.Rule) string {
	switch {
	case r.Refuse != "":
		return b.say("Refused: %s", r.Refuse)
	case r.Auto != nil:
		return b.say("Approved at once by the rule itself, without people, at most %s per person within %s; %d %% of these are looked at afterwards",
			b.times(r.Auto.Times), b.within(r.Auto.Per), r.Auto.Sample)
	case len(r.Stages) == 0:
		return b.then(stageNames(w.Stages))
	}
	return b.then(r.Stages)
}

func stageNames(stages []workflows.Stage) []string {
	var out []string
	for _, s := range stages {
		out = append(out, s.Name)
	}
	return out
}

// granted is what can be asked for.
func (b Book) granted(w *workflows.Workflow) Section {
	if len(w.Entitlements) == 0 {
		return Section{}
	}
	s := Section{Title: b.say("What it gives"), Table: [][]string{{b.say("System"), b.say("Access"), b.say("What for"), b.say("Owner"), b.say("At most")}}}
	for _, e := range w.Entitlements {
		access := e.Title
		if e.Description != "" {
			access += ": " + e.Description
		}
		system := e.TargetTitle + " (" + strings.Join(nonEmpty(e.Environment, e.DataClass), ", ") + ")"
		s.Table = append(s.Table, []string{system, access, e.BusinessTask, b.Person.nameOr(e.Owner, b.say("nobody: it cannot be asked for")), b.span(w.LongestFor(e))})
		for _, c := range e.Conflicts {
			s.Points = append(s.Points, b.say("Nobody may hold %s together with %s: %s", escape(e.Name()), escape(b.or(c.With)), escape(sentence(c.Why))))
		}
	}
	return s
}

func nonEmpty(words ...string) []string {
	var out []string
	for _, w := range words {
		if w != "" {
			out = append(out, w)
		}
	}
	return out
}

func capital(s string) string {
	if s == "" {
		return s
	}
	r := []rune(s)
	return strings.ToUpper(string(r[:1])) + string(r[1:])
}
