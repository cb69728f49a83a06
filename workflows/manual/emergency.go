package manual

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/countersign-bot/countersign/workflows/incidents"
)

// Runbook is a runbook of the organisation with its exact text.
type Runbook struct {
	Runbook incidents.Runbook
	Text    []byte
	File    string // "runbooks/db-failover.md"; empty: not known
}

// emergencies is the part of the manual about runbooks: those for incidents, the routine ones, and what is asked of emergency access anywhere.
func (b Book) emergencies() string {
	if len(b.Runbooks) == 0 {
		return ""
	}
	var out strings.Builder
	out.WriteString("\n<a id=\"runbooks\"></a>\n\n## Runbooks\n\n" + runbooksIntro + "\n")
	for _, r := range b.shelf() {
		out.WriteString("\n" + b.runbook(r))
	}
	out.WriteString("\n<a id=\"guidance\"></a>\n\n## What is asked of emergency access\n\n" + guidanceIntro + "\n\n" + guidance())
	return out.String()
}

const (
	runbooksIntro = "A runbook is a document that people can follow without any program. One for incidents is read and approved in peacetime: then whoever it names may invoke exactly that text, at any hour, and somebody else looks at it afterwards. A routine one is asked for each time, and carried out when its chain approved."
	guidanceIntro = "What NIST, CISA, AWS, Google, Microsoft and PagerDuty ask of emergency access, and how it is met here. What only people can do is marked: no program can do it for you."
)

func (b Book) shelf() []Runbook {
	list := slices.Clone(b.Runbooks)
	sort.Slice(list, func(i, j int) bool {
		x, y := list[i].Runbook, list[j].Runbook
		return cmp.Or(cmp.Compare(x.Title, y.Title), cmp.Compare(x.ID, y.ID)) < 0
	})
	return list
}

// runbook is one runbook: what it is for, who may use it and what follows, then its steps.
func (b Book) runbook(r Runbook) string {
	x := r.Runbook
	s := Section{Title: x.Title, Sentences: []string{sentence(x.Purpose)}}
	say := func(format string, args ...any) { s.Points = append(s.Points, escape(fmt.Sprintf(format, args...))) }
	say("Use it when: %s", sentence(x.UseWhen))
	say("Do not use it when: %s", sentence(x.DoNotUseWhen))
	if x.Routine {
		say("Who may ask: whoever the chain %s lets ask; type /access run %s, or countersign runbook start %s.", x.Asks(), x.ID, x.ID)
		say("For how long: at most %s.", Span(x.Longest))
	} else {
		b.invoked(x, say)
	}
	say("Who answers for it: %s.", b.Person.name(x.Owner))
	if r.File != "" {
		say("Its text: %s, sha256 in the ledger: %s.", r.File, x.Document)
	}
	steps := Section{Numbered: true}
	for _, st := range x.Plan(r.Text) {
		how := ""
		if st.Action != incidents.ByHand {
			how = " (the bot does it: " + st.Action + " " + st.Does.Name() + ")"
		}
		if st.Second {
			how += " (somebody else than who invoked it)"
		}
		steps.Points = append(steps.Points, escape(st.Title+how))
	}
	return s.markdown() + steps.markdown()
}

func (b Book) invoked(x incidents.Runbook, say func(string, ...any)) {
	say("Who may invoke it: %s; type /breakglass %s INC-123.", b.all(x.Invokers, nil), x.ID)
	if x.Grant.Target != "" {
		say("What it gives: %s on %s, for at most %s, or until the incident ends.", x.Grant.Title, x.Grant.TargetTitle, Span(x.Longest))
	}
	if x.IncidentLive {
		say("The incident must be open%s.", map[bool]string{true: fmt.Sprintf(", and of severity %d or worse", x.SeverityMin), false: ""}[x.SeverityMin > 0])
	}
	if g := x.BreakGlass; g != nil {
		say("Who may go around a condition that fails, for %s: %s.", Span(g.Longest), b.all(g.People, nil))
		if g.StepUp {
			say("A click in the chat is not enough for that: they open the page /emergency with a printed code, or type countersign runbook invoke %s INC-123 -tier break_glass on the bot's host.", x.ID)
		}
	}
	say("Who reviews it afterwards, never who invoked it, within %s: %s.", Span(x.ReviewDue), b.all(x.Reviewers, nil))
	if x.DrillEvery > 0 {
		say("It is practised at least every %s; an overdue drill makes it not ready.", Span(x.DrillEvery))
	}
	for _, e := range x.Exposed {
		say("Afterwards %s changes %s, within %s.", b.Person.name(e.Owner), e.What, Span(e.Within))
	}
}

// guidance is the table of what published guidance asks.
func guidance() string {
	rows := [][]string{{"", "What is asked", "By whom", "How it is met"}}
	for _, d := range incidents.Guidance() {
		here := d.Here
		if d.People {
			here = "People: " + here
		}
		rows = append(rows, []string{fmt.Sprint(d.Number), d.Asks, d.Source, here})
	}
	return table(rows)
}

// runbookContents is the line of the contents for the runbooks; empty without any.
func (b Book) runbookContents() string {
	if len(b.Runbooks) == 0 {
		return ""
	}
	return "- [Runbooks](#runbooks)\n- [What is asked of emergency access](#guidance)\n"
}
