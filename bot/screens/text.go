package screens

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/countersign-bot/countersign/workflows"
)

// Inert takes out of a text what could make it read differently from what it is: control characters, direction marks, zero-width signs,
// broken bytes. Line breaks stay. The result is safe in a plain_text object and nowhere else.
func Inert(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r == '\t', r == '\u2028', r == '\u2029':
			return ' '
		case r == utf8.RuneError, unicode.Is(unicode.Cc, r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Co, r):
			return -1
		}
		return r
	}, s)
}

// Escape makes a text safe within mrkdwn and within a notification: after Inert no mention, link or special sequence can begin, because
// the three characters that Slack reads as markup are written as entities (T47). Line breaks become spaces.
func Escape(s string) string {
	s = strings.ReplaceAll(Inert(s), "\n", " ")
	return entities.Replace(s)
}

// entities are the three characters that Slack reads as markup. A Replacer never changes.
var entities = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// label is Escape for names and titles: they also lose the signs that mrkdwn reads as bold, italic, struck or code.
func label(s string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case '*', '_', '~', '`':
			return -1
		}
		return r
	}, Escape(s))
}

// exact is Escape for a value that has to be read letter by letter: with signs that mrkdwn would read as bold, italic, struck or code it stands as code.
func exact(s string) string {
	if strings.ContainsAny(s, "*_~`") {
		return code(s)
	}
	return Escape(s)
}

// code is an id within backticks.
func code(s string) string { return "`" + strings.ReplaceAll(Escape(s), "`", "'") + "`" }

// link is an address that Slack gave us, under words of ours; empty for anything that could be something else.
func link(address, words string) string {
	if !strings.HasPrefix(address, "https://") && !strings.HasPrefix(address, "http://127.0.0.1:") || strings.ContainsAny(address, "<>| \n") {
		return ""
	}
	return "<" + address + "|" + words + ">"
}

// Cut shortens a text that is longer than most runes or has more lines, visibly: how much is missing, and the hash of the whole by which
// the full text can be recognised (T48). It tells whether it cut.
func Cut(s string, most, lines int) (string, bool) { return Locale{}.cut(s, most, lines) }

func (l Locale) cut(s string, most, lines int) (string, bool) {
	kept, rest := s, ""
	if i := nthLine(s, lines); i >= 0 {
		kept, rest = s[:i], s[i:]
	}
	if utf8.RuneCountInString(kept) > most {
		i := byteOf(kept, most)
		kept, rest = kept[:i], kept[i:]+rest
	}
	if rest == "" {
		return s, false
	}
	sum := sha256.Sum256([]byte(s))
	return l.Say("%s… +%d characters, sha256 %s", kept, utf8.RuneCountInString(rest), hex.EncodeToString(sum[:4])), true
}

// nthLine is where line n+1 begins, before its line break; -1 when there are not so many.
func nthLine(s string, n int) int {
	for i, r := range s {
		if r != '\n' {
			continue
		}
		if n--; n == 0 {
			return i
		}
	}
	return -1
}

func byteOf(s string, runes int) int {
	for i := range s {
		if runes == 0 {
			return i
		}
		runes--
	}
	return len(s)
}

// short cuts to most runes with an ellipsis; for names, never for what a decision rests on.
func short(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return strings.TrimSpace(s[:byteOf(s, most-1)]) + "…"
}

// oneLine is Inert without line breaks.
func oneLine(s string) string { return strings.Join(strings.Fields(Inert(s)), " ") }

// headline is a notification: verb, who, what and how long stand within its first 100 characters, whatever their lengths.
func (l Locale) headline(format, who, what, long, rest string) string {
	line := fmt.Sprintf(l.Of(format), short(oneLine(who), maxWho), short(oneLine(what), maxWhat), long)
	if rest = oneLine(rest); rest != "" {
		line += ": " + rest
	}
	return Escape(short(line, maxNotify))
}

// When is Locale.When for everybody: clients that draw no dates show UTC.
func When(s workflows.Stamp) string { return Locale{}.When(s) }

// Ago is Locale.Ago for everybody.
func Ago(s workflows.Stamp) string { return Locale{}.Ago(s) }

// Clock is Locale.Clock in UTC.
func Clock(s workflows.Stamp) string { return Locale{}.Clock(s) }

// Person is somebody as screens name them.
type Person struct {
	Name  string
	Slack string // user id; empty when no account is known
}

// Mention names a person: the account where one is known, and the name on record, because a display name in Slack proves nothing (T06).
func (p Person) Mention() string {
	name := label(short(p.Name, maxName))
	switch {
	case p.Slack == "":
		return name
	case name == "":
		return "<@" + Escape(p.Slack) + ">"
	}
	return "<@" + Escape(p.Slack) + "> (" + name + ")"
}

// Pair is a labelled value.
type Pair struct{ Label, Value string }
