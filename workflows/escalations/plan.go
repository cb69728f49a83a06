package escalations

import (
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
)

// What an escalation is about.
const (
	KindBreakGlass = "break_glass"       // somebody invoked a runbook
	KindLeak       = "leak"              // a secret was seen where it does not belong
	KindRevocation = "failed_revocation" // access that should be gone is still there
	KindDrill      = "drill"             // an exercise: the whole path, marked as one
	KindHandover   = "handover"          // a shift changes: what is open goes on to who comes
)

// Kinds lists them, in the order of the manual.
func Kinds() []string {
	return []string{KindBreakGlass, KindLeak, KindRevocation, KindDrill, KindHandover}
}

// The means by which a step tells somebody.
const (
	ByDM      = "dm"      // a direct message in the chat
	ByChannel = "channel" // a channel of the chat
	ByMail    = "email"
	ByPager   = "pager" // a signed call of a pager service
)

// Means lists them.
func Means() []string { return []string{ByDM, ByChannel, ByMail, ByPager} }

// Plan is escalations.yaml.
type Plan struct {
	Paths    []Path    `json:"paths,omitempty"`
	Messages []Message `json:"messages,omitempty"`
	Pagers   []Pager   `json:"pagers,omitempty"`
}

// IsZero tells whether there is nothing in it.
func (p Plan) IsZero() bool { return len(p.Paths)+len(p.Messages)+len(p.Pagers) == 0 }

// Path is who is told, in what order, how long each has.
type Path struct {
	Name       string         `json:"name"`
	Kinds      []string       `json:"kinds,omitempty"`       // what walks it
	Calendar   string         `json:"calendar,omitempty"`    // whose working hours a wait is counted in; empty: elapsed time
	Repeat     int            `json:"repeat,omitempty"`      // how often the whole path is walked again
	DrillEvery workflows.Span `json:"drill_every,omitempty"` // how often it is practised; 0: never
	Handover   []string       `json:"handover,omitempty"`    // rotations: who comes on shift is given what is open
	Steps      []Step         `json:"steps"`
}

// Step is one rung.
type Step struct {
	To      *workflows.Selector `json:"to,omitempty"` // nil: a channel or a pager only
	By      []string            `json:"by"`           // ByDM …
	Channel string              `json:"channel,omitempty"`
	Pager   string              `json:"pager,omitempty"` // its name
	Wait    workflows.Span      `json:"wait"`            // until the next step, if nobody acknowledges
}

// Message is what is said of one kind, and who else is told of it at once.
type Message struct {
	Kind    string              `json:"kind"`
	Subject string              `json:"subject"`
	Text    string              `json:"text"`
	Tell    *workflows.Selector `json:"tell,omitempty"`    // told once, nothing is asked of them
	Channel string              `json:"channel,omitempty"` // likewise
}

// Pager is a service that is called over HTTPS.
type Pager struct {
	Name   string `json:"name"`
	URL    string `json:"url"`
	Format string `json:"format"` // FormatSigned …
	Secret string `json:"secret"` // where it lies: "file:/…", "env:…"
}

// Forms of a call to a pager.
const (
	FormatSigned    = "signed"    // Standard Webhooks: JSON of ours, signed
	FormatPagerDuty = "pagerduty" // Events API v2
	FormatGoAlert   = "goalert"   // generic API
)

// Formats lists them.
func Formats() []string { return []string{FormatSigned, FormatPagerDuty, FormatGoAlert} }

// Walks finds the path that something of a kind walks: the first that names it.
func (p Plan) Walks(kind string) (Path, bool) {
	i := slices.IndexFunc(p.Paths, func(x Path) bool { return slices.Contains(x.Kinds, kind) })
	if i < 0 {
		return Path{}, false
	}
	return p.Paths[i], true
}

// Path finds a path by its name.
func (p Plan) Path(name string) (Path, bool) {
	i := slices.IndexFunc(p.Paths, func(x Path) bool { return x.Name == name })
	if i < 0 {
		return Path{}, false
	}
	return p.Paths[i], true
}

// Pager finds a pager by its name.
func (p Plan) Pager(name string) (Pager, bool) {
	i := slices.IndexFunc(p.Pagers, func(x Pager) bool { return x.Name == name })
	if i < 0 {
		return Pager{}, false
	}
	return p.Pagers[i], true
}

// Says is what is said of a kind: the file's words, or the usual ones.
func (p Plan) Says(kind string) Message {
	for _, m := range p.Messages {
		if m.Kind == kind {
			return m
		}
	}
	return usual(kind)
}

// usual are the words where the file has none.
func usual(kind string) Message {
	m := Message{Kind: kind}
	switch kind {
	case KindBreakGlass:
		m.Subject, m.Text = "Break glass in ${incident}: ${what}", "${who} went around the normal chain: ${what}.\nWhy: ${why}\nAcknowledge if you look after it; nobody asked you before, and nobody else was asked."
	case KindLeak:
		m.Subject, m.Text = "A secret was seen: ${what}", "A secret was seen where it does not belong: ${what}.\n${why}\nAcknowledge if you look after it: it has to be changed, and where it was seen has to be cleaned."
	case KindRevocation:
		m.Subject, m.Text = "Access is still there: ${what}", "Access that should be gone since ${at} is still there: ${what}, held by ${who}.\n${why}\nThe bot goes on trying. Acknowledge if you take it away by hand."
	case KindDrill:
		m.Subject, m.Text = "DRILL: ${what}", "This is a drill, started by ${who}: ${what}.\nAcknowledge it as you would in earnest. Without that the drill does not count."
	case KindHandover:
		m.Subject, m.Text = "Your shift begins: ${what}", "You are on shift now (${what}). What is open:\n${why}\nAcknowledge that you have read it."
	}
	return m
}

// Words are what a template can name.
func Words() []string { return []string{"kind", "what", "who", "why", "incident", "at", "path", "id"} }

// Fill puts words into a template. Only ${name} is replaced, once, and what is put in is data: it is not looked at again (T45).
func Fill(template string, words map[string]string) string {
	var b strings.Builder
	for {
		i := strings.Index(template, "${")
		if i < 0 {
			break
		}
		name, rest, ok := strings.Cut(template[i+2:], "}")
		if !ok {
			break
		}
		b.WriteString(template[:i])
		if v, known := words[name]; known {
			b.WriteString(v)
		} else {
			b.WriteString(template[i : i+2+len(name)+1])
		}
		template = rest
	}
	return b.String() + template
}

// Unknown are the names in a template that no word stands for.
func Unknown(template string) (out []string) {
	for {
		_, rest, ok := strings.Cut(template, "${")
		if !ok {
			return out
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed || !slices.Contains(Words(), name) {
			out = append(out, name)
		}
		if template = after; !closed {
			return out
		}
	}
}
