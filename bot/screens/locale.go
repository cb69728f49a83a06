package screens

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

// Locale is how a reader is spoken to: their language, and their zone for the few places where Slack shows no moment in it by itself
// (notifications, and clients that draw no dates). The zero Locale is English and UTC.
//
// A sentence is known by its English text, as with gettext: what no catalogue has is said in English. What people typed, names, ids and what
// documents say never pass through a catalogue.
type Locale struct {
	Lang string // "" is English; else one of Languages
	Zone *time.Location
}

// Languages are the tags of all languages that there are words for.
func Languages() []string { return []string{"en", "de", "es"} }

// LocaleOf reads what Slack says of a person: a tag such as "de-DE" and the name of a zone. What is not known is English and UTC.
func LocaleOf(tag, zone string) Locale {
	lang, _, _ := strings.Cut(strings.ToLower(strings.ReplaceAll(tag, "_", "-")), "-")
	l := Locale{Lang: lang}
	if lang == "en" || !slices.Contains(Languages(), lang) {
		l.Lang = ""
	}
	if at, err := time.LoadLocation(zone); err == nil && zone != "" && zone != "Local" {
		l.Zone = at
	}
	return l
}

// catalogue is one language.
type catalogue struct {
	Words    map[string]string // sentences of screens, by their English format
	Refusals map[string]string // sentences of refusals, likewise; they arrive filled in

	patterns []pattern
}

// pattern recognises a refusal with something filled in.
type pattern struct {
	shape *regexp.Regexp
	words string
	least int // letters of its own: the more, the surer
}

// catalogues reads the words once. They are part of the program: what cannot be read is a bug that every test sees.
var catalogues = sync.OnceValue(func() map[string]*catalogue {
	out, err := unpacked()
	if err != nil {
		panic(err.Error())
	}
	for _, c := range out {
		for k, v := range c.Refusals {
			if strings.Contains(k, "%") {
				c.patterns = append(c.patterns, shapeOf(k, v))
			}
		}
		sort.Slice(c.patterns, func(i, j int) bool {
			a, b := c.patterns[i], c.patterns[j]
			return cmp.Or(cmp.Compare(b.least, a.least), cmp.Compare(a.shape.String(), b.shape.String())) < 0
		})
	}
	return out
})

// placeholder is a verb of a format; translations may number theirs.
var placeholder = regexp.MustCompile(`%(?:\[\d+\])?[sdq]`)

func shapeOf(format, words string) pattern {
	var b strings.Builder
	b.WriteString(`^`)
	least, at := 0, 0
	for _, m := range placeholder.FindAllStringIndex(format, -1) {
		b.WriteString(regexp.QuoteMeta(format[at:m[0]]))
		least += m[0] - at
		switch format[m[1]-1] {
		case 'd':
			b.WriteString(`(-?\d+)`)
		case 'q':
			b.WriteString(`("(?:[^"\\]|\\.)*")`)
		default:
			b.WriteString(`(.+?)`)
		}
		at = m[1]
	}
	b.WriteString(regexp.QuoteMeta(format[at:]) + `$`)
	plain := placeholder.ReplaceAllStringFunc(words, func(v string) string { return v[:len(v)-1] + "s" })
	return pattern{shape: regexp.MustCompile(b.String()), words: plain, least: least + len(format) - at}
}

// Of is a text without anything to fill in, or the format of one.
func (l Locale) Of(text string) string {
	if c := catalogues()[l.Lang]; c != nil {
		return cmp.Or(c.Words[text], text)
	}
	return text
}

// Say is a sentence with something filled in. Durations and states in it are words of the language, numbers are grouped as it does.
func (l Locale) Say(format string, args ...any) string {
	if l.Lang == "" {
		return fmt.Sprintf(format, args...)
	}
	own := make([]any, len(args))
	for i, a := range args {
		switch x := a.(type) {
		case workflows.Span:
			own[i] = l.Span(x)
		case workflows.Status:
			own[i] = l.Status(x)
		case int:
			own[i] = number{x, l.Lang}
		default:
			own[i] = a
		}
	}
	return fmt.Sprintf(l.Of(format), own...)
}

// count is a sentence about a number of things: one says it of one, many of any other number. Both take the number first.
func (l Locale) count(n int, one, many string, rest ...any) string {
	format := many
	if n == 1 {
		format = one
	}
	return l.Say(format, append([]any{n}, rest...)...)
}

// Refusal is a refusal in the reader's language. The ledger has it in English; what no catalogue knows stays so.
func (l Locale) Refusal(r *workflows.Refusal) *workflows.Refusal {
	if r == nil || l.Lang == "" {
		return r
	}
	return &workflows.Refusal{Code: r.Code, Sentence: l.Filled(r.Sentence), Next: l.Filled(r.Next)}
}

// Filled is a sentence that arrives with everything filled in.
func (l Locale) Filled(s string) string {
	c := catalogues()[l.Lang]
	if c == nil || s == "" {
		return s
	}
	if w, ok := c.Refusals[s]; ok {
		return w
	}
	for _, p := range c.patterns {
		m := p.shape.FindStringSubmatch(s)
		if m == nil {
			continue
		}
		args := make([]any, len(m)-1)
		for i, part := range m[1:] {
			args[i] = cmp.Or(c.Words[part], part) // a state is a word of ours, too
		}
		return fmt.Sprintf(p.words, args...)
	}
	return s
}

// Span is a duration in words. In English it is what people type, "4h": the forms explain it so.
func (l Locale) Span(s workflows.Span) string {
	if l.Lang == "" {
		return s.String()
	}
	switch n := int(s); {
	case n <= 0 || n%60 != 0:
		return s.String()
	case n == 24*3600:
		return l.Of("1 day")
	case n%(24*3600) == 0:
		return l.Say("%d days", n/(24*3600))
	case n == 3600:
		return l.Of("1 hour")
	case n%3600 == 0:
		return l.Say("%d hours", n/3600)
	case n == 60:
		return l.Of("1 minute")
	default:
		return l.Say("%d minutes", n/60)
	}
}

// Clock is a moment as plain text, in the reader's zone, for places where Slack shows none.
func (l Locale) Clock(s workflows.Stamp) string {
	if s.IsZero() {
		return "–"
	}
	t := s.Time().UTC()
	if l.Zone != nil {
		t = t.In(l.Zone)
	}
	return t.Format(map[string]string{"": "2006-01-02 15:04", "de": "02.01.2006, 15:04", "es": "02/01/2006, 15:04"}[l.Lang] + " MST")
}

// When is a moment that each reader's client draws in their own zone and language; what draws none shows Clock. The hour comes first, so that it
// stands well after "at", "by" and "until": "at 14:00 today". With the day first a reader would see "at Today at 14:00".
func (l Locale) When(s workflows.Stamp) string {
	if s.IsZero() {
		return "–"
	}
	return "<!date^" + strconv.FormatInt(s.Time().Unix(), 10) + "^{time} {date_short_pretty}|" + l.Clock(s) + ">"
}

// Ago is how far away a moment is, counted by each reader's client whenever it draws the message: "in 25 minutes".
func (l Locale) Ago(s workflows.Stamp) string {
	return "<!date^" + strconv.FormatInt(s.Time().Unix(), 10) + "^{ago}|" + l.Clock(s) + ">"
}

// Status is a state within a sentence.
func (l Locale) Status(s workflows.Status) string {
	switch s {
	case workflows.StatusOpen:
		return l.Of("waiting")
	case workflows.StatusApproved:
		return l.Of("approved")
	case workflows.StatusDenied:
		return l.Of("denied")
	case workflows.StatusWithdrawn:
		return l.Of("withdrawn")
	case workflows.StatusTimedOut:
		return l.Of("timed out")
	case workflows.StatusSuperseded:
		return l.Of("superseded")
	case workflows.StatusFailed:
		return l.Of("failed")
	}
	return s.Words()
}

// Title is a state at the beginning of a line.
func (l Locale) Title(s workflows.Status) string {
	switch s {
	case workflows.StatusOpen:
		return l.Of("Waiting for approval")
	case workflows.StatusTimedOut:
		return l.Of("Timed out")
	}
	w := []rune(l.Status(s))
	return strings.ToUpper(string(w[:1])) + string(w[1:])
}

// weekday puts the day of a local time, "Mon 09:00 IST", into the language.
func (l Locale) weekday(local string) string {
	day, rest, ok := strings.Cut(local, " ")
	if !ok {
		return local
	}
	switch day {
	case "Mon":
		day = l.Of("Mon")
	case "Tue":
		day = l.Of("Tue")
	case "Wed":
		day = l.Of("Wed")
	case "Thu":
		day = l.Of("Thu")
	case "Fri":
		day = l.Of("Fri")
	case "Sat":
		day = l.Of("Sat")
	case "Sun":
		day = l.Of("Sun")
	}
	return day + " " + rest
}

// number is a number that shows its thousands as a language does: 12.000 in German, 12 000 in Spanish, which leaves four digits alone.
type number struct {
	n    int
	lang string
}

// Format implements fmt.Formatter for %d and %s.
func (g number) Format(f fmt.State, _ rune) {
	digits := strconv.Itoa(max(g.n, -g.n))
	sep, least := ".", 4
	if g.lang == "es" {
		sep, least = "\u00a0", 5
	}
	if len(digits) >= least {
		for i := len(digits) - 3; i > 0; i -= 3 {
			digits = digits[:i] + sep + digits[i:]
		}
	}
	if g.n < 0 {
		digits = "-" + digits
	}
	_, _ = f.Write([]byte(digits))
}
