package manual

import (
	"fmt"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
)

// Span is a length of time as people say it: "15 minutes", "1 hour", "7 days", "1 hour 30 minutes".
func Span(s workflows.Span) string {
	var words []string
	add := func(n workflows.Span, unit string) {
		if n == 1 {
			words = append(words, "1 "+unit)
		} else if n > 1 {
			words = append(words, fmt.Sprintf("%d %ss", n, unit))
		}
	}
	if s < 60 {
		add(s, "second")
		return strings.Join(words, " ")
	}
	if s%86400 == 0 || s >= 3*86400 { // "36 hours" says more than a day and a half
		add(s/86400, "day")
		s %= 86400
	}
	add(s/3600, "hour")
	add(s%3600/60, "minute")
	return strings.Join(words, " ")
}

// within is a period: "a day", "an hour", "7 days".
func within(s workflows.Span) string {
	switch s {
	case 86400:
		return "a day"
	case 3600:
		return "an hour"
	}
	return Span(s)
}

// list joins words: "a", "a and b", "a, b and c".
func list(words []string, last string) string {
	switch n := len(words); n {
	case 0:
		return ""
	case 1:
		return words[0]
	default:
		return strings.Join(words[:n-1], ", ") + " " + last + " " + words[n-1]
	}
}

// count is "1 approval", "2 approvals".
func count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// times is "once", "twice", "3 times".
func times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}

// sentence begins with a capital and ends with a full stop.
func sentence(s string) string {
	s = strings.TrimSpace(s)
	if s == "" {
		return ""
	}
	s = capital(s)
	if !strings.HasSuffix(s, ".") && !strings.HasSuffix(s, "?") && !strings.HasSuffix(s, "!") {
		s += "."
	}
	return s
}

// Names answers how people are called; nil leaves ids.
type Names func(workflows.PersonID) string

func (w Names) names(people []workflows.PersonID) []string {
	var out []string
	for _, p := range people {
		out = append(out, w.name(p))
	}
	return out
}

func (w Names) name(p workflows.PersonID) string {
	if w == nil {
		return string(p)
	}
	return w(p)
}

// some names people as far as that can be read.
func (w Names) some(people []workflows.PersonID) string {
	names := w.names(people)
	if len(names) > maxNames {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxNames-1], ", "), len(names)-maxNames+1)
	}
	return list(names, "and")
}

// selector says whom a selector means, as one of them: "Ann Lee or somebody of the group dba (…)".
func (b Book) selector(s workflows.Selector, es []workflows.Entitlement) string {
	return b.whom(s, es, "or", "somebody of the group ", "a member of the ")
}

// all says whom a selector means, as all of them: "Ann Lee and the group dba (…)".
func (b Book) all(s workflows.Selector, es []workflows.Entitlement) string {
	return b.whom(s, es, "and", "the group ", "all members of the ")
}

func (b Book) whom(s workflows.Selector, es []workflows.Entitlement, last, group, members string) string {
	var parts []string
	if s.Anyone {
		parts = append(parts, "everybody in the people file")
	}
	parts = append(parts, b.Person.names(s.People)...)
	for _, g := range s.Groups {
		parts = append(parts, group+b.group(g))
	}
	for _, h := range s.ChatGroups {
		parts = append(parts, members+"user group "+h+" in the chat")
	}
	for _, c := range s.ChatChannels {
		parts = append(parts, members+"channel "+c)
	}
	for _, r := range s.Rotations {
		parts = append(parts, b.rotation(r))
	}
	if s.TargetOwner {
		parts = append(parts, b.owners(es))
	}
	if s.IdentityOwner {
		parts = append(parts, "the owner or backup owner of the robot or key it is for")
	}
	if s.Manager {
		parts = append(parts, "the manager of whoever asks")
	}
	out := list(parts, last)
	if len(parts) == 0 {
		out = "nobody"
	}
	if len(s.Exclude) > 0 {
		out += ", but never " + list(b.Person.names(s.Exclude), "or")
	}
	if s.Fallback != nil {
		out += "; if that is nobody: " + b.whom(*s.Fallback, es, last, group, members)
	}
	return out
}

func (b Book) group(g workflows.Group) string {
	if len(g.Members) == 0 {
		return g.Name + ", which is empty"
	}
	return fmt.Sprintf("%s (%s)", g.Name, b.Person.some(g.Members))
}

func (b Book) rotation(name string) string {
	if people := b.Rotations[name]; len(people) > 0 {
		return fmt.Sprintf("whoever is on shift in the rotation %s (in turn: %s)", name, b.Person.some(people))
	}
	return "whoever is on shift in the rotation " + name
}

// owners names the owners of what a chain grants, where that is the same for all of it.
func (b Book) owners(es []workflows.Entitlement) string {
	const anyone = "the owner or backup owner of the system"
	if len(es) == 0 {
		return anyone
	}
	for _, e := range es {
		if e.Owner != es[0].Owner || e.Backup != es[0].Backup {
			return anyone + " that is asked for"
		}
	}
	out := anyone + " (" + b.Person.name(es[0].Owner)
	if es[0].Backup != "" {
		out += ", " + b.Person.name(es[0].Backup)
	}
	return out + ")"
}

// kinds of request.
func kindWords(k workflows.RequestKind) string {
	switch k {
	case workflows.KindCredential:
		return "a short-lived credential"
	case workflows.KindPreapprove:
		return "approval of the exact text of a runbook"
	case workflows.KindRoutine:
		return "one carrying-out of a routine runbook"
	case workflows.KindWindow:
		return "a standing window for a robot: within it, it needs nobody"
	case workflows.KindLife:
		return "a new robot, key or service account, or a wider scope or a later end of one"
	case workflows.KindActAs:
		return "the right to act as a robot, key or service account, for a limited time and under one's own name"
	case workflows.KindException:
		return "an exception to a control for one identity, for a time, while what makes up for it holds"
	default:
		return "access for a limited time"
	}
}

// holders says for whom somebody may ask.
func holders(list []string) string {
	var out []string
	for _, f := range list {
		switch f {
		case workflows.ForSelf:
			out = append(out, "themselves")
		case workflows.ForOwned:
			out = append(out, "a robot, key or service account that they own or back up")
		case workflows.ForReports:
			out = append(out, "somebody who reports to them")
		default:
			out = append(out, f)
		}
	}
	return strings.Join(out, ", or ")
}

func (w Names) nameOr(p workflows.PersonID, none string) string {
	if p == "" {
		return none
	}
	return w.name(p)
}
