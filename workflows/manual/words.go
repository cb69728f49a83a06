package manual

import (
	"fmt"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
)

// Tongue puts a sentence into a reader's language: its English format, and what is filled in. Durations and lists in it are words of the same language.
type Tongue func(format string, args ...any) string

// say is a sentence in the language of the book.
func (b Book) say(format string, args ...any) string {
	if b.Say != nil {
		return b.Say(format, args...)
	}
	return fmt.Sprintf(format, args...)
}

// word is a word of the documents that other languages have another one for.
func (b Book) word(w string) string {
	if b.Say == nil {
		return w
	}
	return b.Say(w)
}

// Span is a length of time as people say it: "15 minutes", "1 hour", "7 days", "1 hour 30 minutes".
func Span(s workflows.Span) string { return Book{}.span(s) }

func (b Book) span(s workflows.Span) string {
	var words []string
	add := func(n workflows.Span, one, many func() string) {
		if n == 1 {
			words = append(words, one())
		} else if n > 1 {
			words = append(words, many())
		}
	}
	if s < 60 {
		add(s, func() string { return b.say("1 second") }, func() string { return b.say("%d seconds", int(s)) })
		return strings.Join(words, " ")
	}
	if s%86400 == 0 || s >= 3*86400 { // "36 hours" says more than a day and a half
		days := s / 86400
		add(days, func() string { return b.say("1 day") }, func() string { return b.say("%d days", int(days)) })
		s %= 86400
	}
	hours, minutes := s/3600, s%3600/60
	add(hours, func() string { return b.say("1 hour") }, func() string { return b.say("%d hours", int(hours)) })
	add(minutes, func() string { return b.say("1 minute") }, func() string { return b.say("%d minutes", int(minutes)) })
	return strings.Join(words, " ")
}

// within is a period: "a day", "an hour", "7 days".
func (b Book) within(s workflows.Span) string {
	switch s {
	case 86400:
		return b.say("a day")
	case 3600:
		return b.say("an hour")
	}
	return b.span(s)
}

// and, or and then join words in the language of the book: "a", "a and b", "a, b and c".
func (b Book) and(words []string) string {
	return joined(words, func(most, last string) string { return b.say("%s and %s", most, last) })
}

func (b Book) or(words []string) string {
	return joined(words, func(most, last string) string { return b.say("%s or %s", most, last) })
}

func (b Book) then(words []string) string {
	return joined(words, func(most, last string) string { return b.say("%s then %s", most, last) })
}

func joined(words []string, both func(most, last string) string) string {
	switch n := len(words); n {
	case 0:
		return ""
	case 1:
		return words[0]
	default:
		return both(strings.Join(words[:n-1], ", "), words[n-1])
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
func (b Book) times(n int) string {
	switch n {
	case 1:
		return b.say("once")
	case 2:
		return b.say("twice")
	}
	return b.say("%d times", n)
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
func (b Book) some(people []workflows.PersonID) string {
	names := b.Person.names(people)
	if len(names) > maxNames {
		return b.say("%s and %d more", strings.Join(names[:maxNames-1], ", "), len(names)-maxNames+1)
	}
	return b.and(names)
}

// selector says whom a selector means, as one of them: "Ann Lee or somebody of the group dba (…)".
func (b Book) selector(s workflows.Selector, es []workflows.Entitlement) string {
	return b.whom(s, es, manner{
		last: b.or, group: func(g string) string { return b.say("somebody of the group %s", g) },
		chat: func(g string) string { return b.say("a member of the user group %s in the chat", g) }, channel: func(c string) string { return b.say("a member of the channel %s", c) },
	})
}

// all says whom a selector means, as all of them: "Ann Lee and the group dba (…)".
func (b Book) all(s workflows.Selector, es []workflows.Entitlement) string {
	return b.whom(s, es, manner{
		last: b.and, group: func(g string) string { return b.say("the group %s", g) },
		chat: func(g string) string { return b.say("all members of the user group %s in the chat", g) }, channel: func(c string) string { return b.say("all members of the channel %s", c) },
	})
}

// manner is how a selector is put into words: as one of them, or as all.
type manner struct {
	last                 func([]string) string
	group, chat, channel func(string) string
}

func (b Book) whom(s workflows.Selector, es []workflows.Entitlement, m manner) string {
	var parts []string
	if s.Anyone {
		parts = append(parts, b.say("everybody in the people file"))
	}
	parts = append(parts, b.Person.names(s.People)...)
	for _, g := range s.Groups {
		parts = append(parts, m.group(b.group(g)))
	}
	for _, h := range s.ChatGroups {
		parts = append(parts, m.chat(h))
	}
	for _, c := range s.ChatChannels {
		parts = append(parts, m.channel(c))
	}
	for _, r := range s.Rotations {
		parts = append(parts, b.rotation(r))
	}
	if s.TargetOwner {
		parts = append(parts, b.owners(es))
	}
	if s.IdentityOwner {
		parts = append(parts, b.say("the owner or backup owner of the robot or key it is for"))
	}
	if s.Manager {
		parts = append(parts, b.say("the manager of whoever asks"))
	}
	out := m.last(parts)
	if len(parts) == 0 {
		out = b.say("nobody")
	}
	if len(s.Exclude) > 0 {
		out = b.say("%s, but never %s", out, b.or(b.Person.names(s.Exclude)))
	}
	if s.Fallback != nil {
		out = b.say("%s; if that is nobody: %s", out, b.whom(*s.Fallback, es, m))
	}
	return out
}

func (b Book) group(g workflows.Group) string {
	if len(g.Members) == 0 {
		return b.say("%s, which is empty", g.Name)
	}
	return g.Name + " (" + b.some(g.Members) + ")"
}

func (b Book) rotation(name string) string {
	if people := b.Rotations[name]; len(people) > 0 {
		return b.say("whoever is on shift in the rotation %s (in turn: %s)", name, b.some(people))
	}
	return b.say("whoever is on shift in the rotation %s", name)
}

// owners names the owners of what a chain grants, where that is the same for all of it.
func (b Book) owners(es []workflows.Entitlement) string {
	anyone := b.say("the owner or backup owner of the system")
	if len(es) == 0 {
		return anyone
	}
	for _, e := range es {
		if e.Owner != es[0].Owner || e.Backup != es[0].Backup {
			return b.say("the owner or backup owner of the system that is asked for")
		}
	}
	out := anyone + " (" + b.Person.name(es[0].Owner)
	if es[0].Backup != "" {
		out += ", " + b.Person.name(es[0].Backup)
	}
	return out + ")"
}

// kinds of request.
func (b Book) kindWords(k workflows.RequestKind) string {
	switch k {
	case workflows.KindCredential:
		return b.say("a short-lived credential")
	case workflows.KindPreapprove:
		return b.say("approval of the exact text of a runbook")
	case workflows.KindRoutine:
		return b.say("one carrying-out of a routine runbook")
	case workflows.KindWindow:
		return b.say("a standing window for a robot: within it, it needs nobody")
	case workflows.KindLife:
		return b.say("a new robot, key or service account, or a wider scope or a later end of one")
	case workflows.KindActAs:
		return b.say("the right to act as a robot, key or service account, for a limited time and under one's own name")
	case workflows.KindException:
		return b.say("an exception to a control for one identity, for a time, while what makes up for it holds")
	default:
		return b.say("access for a limited time")
	}
}

// holders says for whom somebody may ask.
func (b Book) holders(list []string) string {
	var out []string
	for _, f := range list {
		switch f {
		case workflows.ForSelf:
			out = append(out, b.say("themselves"))
		case workflows.ForOwned:
			out = append(out, b.say("a robot, key or service account that they own or back up"))
		case workflows.ForReports:
			out = append(out, b.say("somebody who reports to them"))
		default:
			out = append(out, f)
		}
	}
	return strings.Join(out, b.say(", or "))
}

func (w Names) nameOr(p workflows.PersonID, none string) string {
	if p == "" {
		return none
	}
	return w.name(p)
}
