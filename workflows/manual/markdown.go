package manual

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
)

// Markdown is the whole manual: how to read it, who can approve what, a chapter for each chain, and the words that mean something special.
func (b Book) Markdown() string {
	var out strings.Builder
	title := "Who approves what"
	if b.Organisation != "" {
		title += " at " + b.Organisation
	}
	fmt.Fprintf(&out, "# %s\n\n%s\n", escape(title), intro)
	fmt.Fprintf(&out, "\n## Contents\n\n")
	for _, c := range b.ordered() {
		fmt.Fprintf(&out, "- [%s](#%s): %s\n", escape(c.Workflow.Title), anchor(c), escape(sentence(c.Workflow.Purpose)))
	}
	shared := b.sharedRisk()
	if shared != nil {
		fmt.Fprintf(&out, "- [Classes of risk](#risk)\n")
	}
	out.WriteString(b.runbookContents())
	fmt.Fprintf(&out, "- [Who can approve what](#who-can-approve-what)\n- [Words](#words)\n")
	for _, c := range b.ordered() {
		out.WriteString("\n" + b.chapter(c, shared != nil))
	}
	if shared != nil {
		s := b.riskClasses(shared)
		s.Title = ""
		out.WriteString("\n<a id=\"risk\"></a>\n\n## Classes of risk\n" + s.markdown())
	}
	out.WriteString(b.emergencies())
	out.WriteString("\n" + b.people() + "\n" + glossary)
	return out.String()
}

// sharedRisk is the risk table, if all chains have the same one: then it is printed once.
func (b Book) sharedRisk() *workflows.RiskTable {
	if len(b.Chapters) < 2 {
		return nil
	}
	var first *workflows.RiskTable
	for _, c := range b.Chapters {
		switch r := c.Workflow.Risk; {
		case r == nil: // approvals of runbooks have no tier
		case first == nil:
			first = r
		case !slices.Equal(r.Tiers, first.Tiers):
			return nil
		}
	}
	return first
}

// Chapter is one chain as Markdown, under a heading of the second level.
func (b Book) Chapter(c Chapter) string { return b.chapter(c, false) }

func (b Book) chapter(c Chapter, shared bool) string {
	var out strings.Builder
	fmt.Fprintf(&out, "<a id=%q></a>\n\n## %s\n", anchor(c), escape(c.Workflow.Title))
	for _, s := range b.Sections(c) {
		if shared && s.Title == b.say("How risky it is") {
			if len(s.Points) == 0 {
				continue
			}
			s.Table, s.Sentences = nil, nil
			s.Points = append(slices.Clone(s.Points), "What the classes mean stands [below](#risk).")
		}
		out.WriteString(s.markdown())
	}
	return out.String()
}

// File is one chain as a Markdown document of its own.
func (b Book) File(c Chapter) string {
	var out strings.Builder
	fmt.Fprintf(&out, "# %s\n", escape(c.Workflow.Title))
	for _, s := range b.Sections(c) {
		out.WriteString(s.markdown())
	}
	return out.String() + "\n" + glossary
}

func (b Book) ordered() []Chapter {
	list := slices.Clone(b.Chapters)
	sort.Slice(list, func(i, j int) bool {
		x, y := list[i].Workflow, list[j].Workflow
		return cmp.Or(cmp.Compare(x.Title, y.Title), cmp.Compare(x.ID, y.ID)) < 0
	})
	return list
}

func anchor(c Chapter) string { return "chain-" + string(c.Workflow.ID) }

func (s Section) markdown() string {
	var out strings.Builder
	if s.Title != "" {
		fmt.Fprintf(&out, "\n### %s\n", escape(s.Title))
	}
	if s.Diagram != "" {
		fmt.Fprintf(&out, "\n```mermaid\n%s\n```\n", s.Diagram)
	}
	if len(s.Sentences) > 0 {
		fmt.Fprintf(&out, "\n%s\n", escape(strings.Join(s.Sentences, " ")))
	}
	if len(s.Table) > 0 {
		out.WriteString("\n" + table(s.Table))
	}
	if len(s.Points) > 0 {
		out.WriteByte('\n')
	}
	for i, p := range s.Points {
		if s.Numbered {
			fmt.Fprintf(&out, "%d. %s\n", i+1, p)
		} else {
			fmt.Fprintf(&out, "- %s\n", p)
		}
	}
	return out.String()
}

func table(rows [][]string) string {
	var out strings.Builder
	for i, row := range rows {
		for _, cell := range row {
			out.WriteString("| " + escape(cell) + " ")
		}
		out.WriteString("|\n")
		if i == 0 {
			out.WriteString(strings.Repeat("|---", len(row)) + "|\n")
		}
	}
	return out.String()
}

// people is the table of who can approve what, by name.
func (b Book) people() string {
	does := map[workflows.PersonID][]string{}
	add := func(people []workflows.PersonID, what string) {
		for _, p := range people {
			if p != "" && !slices.Contains(does[p], what) {
				does[p] = append(does[p], what)
			}
		}
	}
	for _, c := range b.ordered() {
		for _, st := range c.Workflow.Stages {
			sels := []workflows.Selector{st.Approvers}
			for _, p := range st.Parts {
				sels = append(sels, p.Approvers)
			}
			what := c.Workflow.Title + " – " + st.Name
			for _, s := range sels {
				add(b.named(s, c.Workflow), what)
			}
			tiers := st.Then
			if st.Escalate != nil {
				tiers = append([]workflows.Escalation{*st.Escalate}, tiers...)
			}
			for _, t := range tiers {
				late := slices.DeleteFunc(b.named(t.Approvers, c.Workflow), func(p workflows.PersonID) bool { return slices.Contains(does[p], what) })
				add(late, what+" (when the first ones do not decide)")
			}
		}
	}
	rows := [][]string{{"Who", "Can approve"}}
	for p, list := range does {
		rows = append(rows, []string{b.Person.name(p), strings.Join(list, "; ")})
	}
	body := rows[1:]
	sort.Slice(body, func(i, j int) bool { return body[i][0] < body[j][0] })
	return "## Who can approve what\n\n" + escape("By name, as far as the documents say it. Who is added by a user group or a channel of the chat, or as somebody's manager, is not in this table.") + "\n\n" + table(rows)
}

// named are the people a selector names without anybody having to be asked.
func (b Book) named(s workflows.Selector, w *workflows.Workflow) []workflows.PersonID {
	out := slices.Clone(s.People)
	for _, g := range s.Groups {
		out = append(out, g.Members...)
	}
	for _, r := range s.Rotations {
		out = append(out, b.Rotations[r]...)
	}
	if s.TargetOwner {
		for _, e := range w.Entitlements {
			out = append(out, e.Owner, e.Backup)
		}
	}
	if s.Fallback != nil {
		out = append(out, b.named(*s.Fallback, w)...)
	}
	return slices.DeleteFunc(out, func(p workflows.PersonID) bool { return slices.Contains(s.Exclude, p) })
}

// escape takes from words what Markdown or HTML would read as markup. Titles, reasons and names come from files that people write.
func escape(s string) string {
	var b strings.Builder
	for _, r := range strings.Join(strings.Fields(s), " ") {
		switch {
		case strings.ContainsRune("\\`*_[]<>|", r):
			b.WriteByte('\\')
		case r == '&':
			b.WriteString("&amp;")
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

const intro = `Some access is too dangerous to be had by everybody all the time. Whoever needs it asks for it, in Slack or on the command line; other people
say yes or no; and what was approved is given for a limited time and then taken back, without anybody having to think of it. This page says, for each
kind of access, who may ask, who decides, and what happens when nobody does. It is written from the same documents that the bot goes by, and each
chapter names the version that it was written from.

To ask: type ` + "`/access`" + ` in Slack and choose. To see where a request stands, and why: look at its card, or ask ` + "`countersign explain`" + `.`

const glossary = `## Words

- **Approve, deny**: say yes or no to a request. A denial always carries a reason.
- **Chain**: the steps that a request goes through, one after the other.
- **Change freeze**: a time in which nothing may be changed, so nothing is granted.
- **Entitlement**: one kind of access on one system, such as reading a database.
- **Escalate**: to ask more people because those asked first have not decided. It never makes approving easier: as many have to say yes as before.
- **Grant**: access that was approved, with its beginning and its end.
- **Ledger**: the record of every request, decision and grant, kept so that nobody, not even its keeper, can change it without being found out.
- **Owner**: the person who answers for a system, a chain or a robot.
- **Requester**: who asks.
- **Revoke**: to take access back before its end.
- **Robot**: an account that is not a person: a service account, an API key, an AI agent. Somebody owns it and answers for it.
- **Rotation**: people who take turns in being on call.
- **Runbook**: a written procedure for an incident. Approved beforehand, it may be used at once when there is no time to ask.
- **Step** (or stage): one part of a chain: some people are asked, and a number of them has to say yes.
- **Time out**: what happens to a request that nobody decides. It is not a denial: it can be asked for again.
- **Working time**: time within the working hours of those who are asked, so not at night and not on their holidays.
`
