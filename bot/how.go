package bot

import (
	"context"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/manual"
)

// howWord is /access how NAME: the manual of a chain, by its id, by a target or by target/entitlement. The documents are open to everybody in
// the people file: who may approve what is no secret.
func (b *Bot) howWord(ctx context.Context, c *call, word string) (answer, error) {
	if _, listed := b.c.Desk.Policy().People[c.by.Person]; !listed {
		return refused(workflows.Refuse(workflows.CodeUnlinked, "This account is not linked to a person in the people file.", "Ask the operator to add you.")), nil
	}
	word = strings.ToLower(strings.Trim(word, "`"))
	found := b.chainsNamed(word)
	switch {
	case len(found) == 1:
		return answer{message: b.how(ctx, found[0], b.inUser(ctx, c.UserID))}, nil
	case len(found) == 0:
		return said("There is no chain, target or entitlement called %s. `/access how` without a name lists all chains.", screens.Escape(word)), nil
	}
	items := make([]screens.Item, 0, len(found))
	for _, v := range found {
		items = append(items, screens.Item{Title: v.Workflow.Title, Line: "`/access how " + string(v.Workflow.ID) + "`: " + screens.Escape(v.Workflow.Purpose)})
	}
	l := b.inUser(ctx, c.UserID)
	return answer{message: l.List(screens.Part{Title: l.Of("How access is decided here"), Items: items})}, nil
}

// chainsNamed are the chains that a word means; all of them for none.
func (b *Bot) chainsNamed(word string) []desk.Version {
	var out []desk.Version
	p := b.c.Desk.Policy()
	for _, id := range sortedKeys(p.Workflows) {
		v := p.Workflows[id]
		if string(id) == word {
			return []desk.Version{v}
		}
		if word == "" || slices.ContainsFunc(v.Workflow.Entitlements, func(e workflows.Entitlement) bool { return e.Name() == word || string(e.Target) == word }) {
			out = append(out, v)
		}
	}
	return out
}

func (b *Bot) how(ctx context.Context, v desk.Version, l screens.Locale) screens.Message {
	p := b.c.Desk.Policy()
	book := manual.Book{Organisation: p.Settings.Organisation, Person: func(id workflows.PersonID) string { return b.c.Identity.Name(ctx, id) }}
	if l.Lang != "" {
		book.Say = func(format string, args ...any) string {
			if words := l.Say(format, args...); len(args) > 0 || words != format {
				return words
			}
			return l.Filled(format) // a word of the documents, such as the control that an exception waives
		}
	}
	book.Calendars = map[string]*calendar.Business{}
	for name, c := range p.Calendars {
		book.Calendars[name] = c.Business
	}
	var parts []screens.HowPart
	for _, s := range book.Sections(manual.Chapter{Workflow: v.Workflow, Hash: v.Hash}) {
		part := screens.HowPart{Title: s.Title}
		part.Lines = append(append(part.Lines, s.Sentences...), s.Points...)
		for _, row := range s.Table[min(1, len(s.Table)):] {
			part.Lines = append(part.Lines, labelled(s.Table[0], row))
		}
		for i := range part.Lines {
			part.Lines[i] = plainWords(part.Lines[i])
		}
		if len(part.Lines) > 0 {
			parts = append(parts, part)
		}
	}
	return l.How(v.Workflow.Title, parts, l.Say("Ask with `/access request %s`; `countersign docs` writes all chains as one manual.", string(v.Workflow.ID)))
}

// labelled is a row of a table as a line: a list has no head that would say what stands where.
func labelled(head, row []string) string {
	out := row[0]
	for i, cell := range row[1:] {
		out += " · " + head[i+1] + ": " + cell
	}
	return out
}

// plainWords takes the Markdown out of a sentence of the manual.
func plainWords(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			out.WriteByte(s[i])
		case s[i] == '*' || s[i] == '`':
		default:
			out.WriteByte(s[i])
		}
	}
	return out.String()
}
