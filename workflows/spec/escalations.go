package spec

import (
	"net/url"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/escalations"
)

func escalationsShape() shape {
	return object(
		key{"paths", true, listOf(maxPaths, object(
			key{"name", true, ident(), "Name of the path."},
			key{"kinds", true, listOf(len(escalations.Kinds()), oneOf(escalations.Kinds()...)), "What walks it: break_glass (a runbook was invoked), leak, failed_revocation (access that should be gone is still there), drill, handover (a shift changes). Each kind walks one path."},
			key{"calendar", false, ident(), "Calendar in whose business hours the waits are counted. Default: elapsed time, day and night."},
			key{"repeat", false, number(0, maxWalks), "How often the whole path is walked again when nobody acknowledges. Default 0."},
			key{"drill_every", false, span(maxSpan), "How often the path is practised, with a message that was delivered and acknowledged. A drill that is overdue shows everywhere."},
			key{"handover", false, listOf(maxRotations, ident()), "Rotations: who comes on shift is given a summary of what is open, by the path for handover."},
			key{"steps", true, listOf(maxSteps, object(
				key{"to", false, onDutyShape(), "Who is asked: people, groups, rotations. Needed for dm and email."},
				key{"by", true, listOf(len(escalations.Means()), oneOf(escalations.Means()...)), "How: dm, channel, email, pager. All of them at once."},
				key{"channel", false, channel(), "Of by channel: which."},
				key{"pager", false, ident(), "Of by pager: its name, below."},
				key{"wait", true, span(maxPathWait), "How long they have to acknowledge before the next step is taken. When nobody of the step can be told, the next is taken at once."},
			)), "The steps in their order; at least one."},
		)), "Who is told when something cannot wait. A kind without a path is told as it was before there were paths."},
		key{"messages", false, listOf(len(escalations.Kinds()), object(
			key{"kind", true, oneOf(escalations.Kinds()...), "What it is said of."},
			key{"subject", true, line(maxLine), "One line: the notification, the subject of the e-mail."},
			key{"text", true, prose(), "The message. ${what}, ${who}, ${why}, ${incident}, ${at}, ${path}, ${kind} and ${id} stand for what happened; nothing else is replaced."},
			key{"tell", false, onDutyShape(), "Who else is told once, in a direct message; nothing is asked of them."},
			key{"channel", false, channel(), "Channel that is told once, likewise."},
		)), "What is said. Kinds that are not here have words of their own."},
		key{"pagers", false, listOf(maxPagers, object(
			key{"name", true, ident(), "Name that steps use."},
			key{"url", true, line(maxAddress), "Address that is called: https, or http on this machine."},
			key{"format", false, oneOf(escalations.Formats()...), "signed (JSON, signed as Standard Webhooks says; the default), pagerduty (Events API v2), goalert (generic API)."},
			key{"secret", true, secretRef(), "Where the secret lies: file:/run/secrets/NAME or env:NAME. The whsec_ key, the integration's routing key, or the token."},
		)), "Pager services."},
	)
}

const (
	maxPaths    = 20
	maxSteps    = 10
	maxWalks    = 20
	maxPagers   = 20
	maxAddress  = 500
	maxPathWait = workflows.Span(1 * day) // who waits longer has no escalation
)

// pathParts is where people are asked in earnest: who is on shift may stand there, what only the chat knows may not.
func pathParts(what string) parts { return parts{what: what, shifts: true} }

func (c *checker) checkEscalations() {
	v := c.f.escalations
	if v == nil {
		return
	}
	names, walked, pagers, said := map[string]*value{}, map[string]*value{}, map[string]*value{}, map[string]*value{}
	for _, p := range v.list("pagers") {
		c.once(pagers, "pager", p.str("name"), p.or("name"))
		c.pagerAddress(p)
	}
	for _, p := range v.list("paths") {
		c.once(names, "path", p.str("name"), p.or("name"))
		for _, k := range p.list("kinds") {
			c.once(walked, "the path of kind", k.scalar(), k)
		}
		c.checkPath(p, pagers)
	}
	for _, m := range v.list("messages") {
		c.once(said, "the message of kind", m.str("kind"), m.or("kind"))
		c.selector(m.get("tell"), pathParts("those who are told"))
		for _, k := range []string{"subject", "text"} {
			for _, name := range escalations.Unknown(m.str(k)) {
				c.at(m.get(k), meantOr(name, escalations.Words()), "%s: nothing stands for ${%s}", k, name)
			}
		}
	}
	for _, p := range v.list("paths") {
		if len(p.list("handover")) > 0 && walked[escalations.KindHandover] == nil {
			c.at(p.get("handover"), "add handover to the kinds of a path", "no path is walked when a shift changes")
		}
	}
}

func (c *checker) checkPath(p *value, pagers map[string]*value) {
	if name := p.get("calendar"); name != nil && c.ix.calendars[name.scalar()] == nil {
		c.unknown(name, name.scalar(), "calendar", keys(c.ix.calendars))
	}
	c.unique(p.list("handover"))
	for _, r := range p.list("handover") {
		c.rotation(r)
	}
	c.unique(p.list("kinds"))
	if len(p.list("steps")) == 0 {
		c.at(p.or("steps"), "write at least one", "the path %q has no steps, so nobody is told", p.str("name"))
	}
	for _, s := range p.list("steps") {
		c.checkRung(s, pagers)
	}
}

// checkRung checks that each means of a step has what it needs, and that nothing is written for no means.
func (c *checker) checkRung(s *value, pagers map[string]*value) {
	by := s.strs("by")
	c.unique(s.list("by"))
	c.selector(s.get("to"), pathParts("those of a step"))
	person := slices.Contains(by, escalations.ByDM) || slices.Contains(by, escalations.ByMail)
	for _, x := range []struct {
		key  string
		need bool
	}{{"to", person}, {"channel", slices.Contains(by, escalations.ByChannel)}, {"pager", slices.Contains(by, escalations.ByPager)}} {
		switch {
		case x.need && !s.has(x.key):
			c.at(s.or("by"), "add "+x.key, "%s: by %s needs %s", s.path, strings.Join(by, ", "), x.key)
		case !x.need && s.has(x.key) && x.key != "to":
			c.at(s.get(x.key), "add it to by, or leave it out", "%s: nothing is told by %s", s.path, x.key)
		}
	}
	if name := s.get("pager"); name != nil && pagers[name.scalar()] == nil {
		c.unknown(name, name.scalar(), "pager", keys(pagers))
	}
}

func (c *checker) pagerAddress(p *value) {
	u, err := url.Parse(p.str("url"))
	at := p.or("url")
	switch {
	case p.str("url") == "":
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		c.at(at, "https://pager.example.com/…", "url: %q is no address of a web service", at.scalar())
	case u.User != nil || u.RawQuery != "":
		c.at(at, "name the secret under secret", "url: an address with a user or a query may hold a secret, and this file may not")
	case u.Scheme == "http" && u.Hostname() != "127.0.0.1" && u.Hostname() != "localhost" && u.Hostname() != "::1":
		c.at(at, "use https", "url: http sends the call in clear; it may only name this machine")
	}
}

func (c *compiler) escalations() (out escalations.Plan) {
	v := c.f.escalations
	for _, p := range v.list("paths") {
		path := escalations.Path{
			Name: p.str("name"), Kinds: p.strs("kinds"), Calendar: p.str("calendar"), Repeat: p.num("repeat", 0),
			DrillEvery: p.span("drill_every", 0), Handover: p.strs("handover"),
		}
		for _, s := range p.list("steps") {
			path.Steps = append(path.Steps, escalations.Step{
				To: c.optional(s, "to"), By: s.strs("by"), Channel: s.str("channel"), Pager: s.str("pager"), Wait: s.span("wait", 0),
			})
		}
		out.Paths = append(out.Paths, path)
	}
	for _, m := range v.list("messages") {
		out.Messages = append(out.Messages, escalations.Message{
			Kind: m.str("kind"), Subject: m.str("subject"), Text: m.str("text"), Tell: c.optional(m, "tell"), Channel: m.str("channel"),
		})
	}
	for _, p := range v.list("pagers") {
		out.Pagers = append(out.Pagers, escalations.Pager{
			Name: p.str("name"), URL: p.str("url"), Format: orElse(p.str("format"), escalations.FormatSigned), Secret: p.str("secret"),
		})
	}
	return out
}

// incidentsShape says who may do what with incidents; in countersign.yaml.
func incidentsShape() shape {
	return object(
		key{"open", false, someShape(), "Who may open an incident: people and groups. Default: everybody in people.yaml."},
		key{"command", false, someShape(), "Who may command one. Who opens an incident and is not among them opens it without a commander, until one of them takes it over. Default: everybody."},
	)
}

// onDutyShape is who can be told when the chat is down: people, groups and who is on shift.
func onDutyShape() shape {
	s := someShape()
	s.keys = append(s.keys,
		key{"rotations", false, listOf(maxRotations, ident()), "Who is on shift in a rotation of rotations.yaml."},
		key{"exclude", false, listOf(maxMembers, personRef()), "Keys of people who are never among them."})
	return s
}

func someShape() shape {
	return object(
		key{"people", false, listOf(maxMembers, personRef()), "Keys of people."},
		key{"groups", false, listOf(maxGroups, ident()), "Names of groups."},
	)
}

// usualWarn is how long before its suspension the owner of what nobody uses is told.
const usualWarn = 14 * day

// checkUnused holds that there is time to tell somebody.
func (c *checker) checkUnused() {
	v := c.f.company.get("unused")
	if v == nil || hasBad(v) {
		return
	}
	after, warn := v.span("suspend_after", 0), v.span("warn", usualWarn)
	switch {
	case after < 7*day:
		c.at(v.get("suspend_after"), "write 90d", "suspend_after is shorter than 7d: what runs once in a week would be suspended")
	case warn >= after:
		c.at(v.or("warn"), "", "its owner is told %s before, which is not sooner than the %s after which it is suspended", warn, after)
	}
}

// warning is how long before the suspension its owner is told; zero where nothing is suspended.
func (v *value) warning() workflows.Span {
	if v == nil {
		return 0
	}
	return v.span("warn", usualWarn)
}

func (c *checker) checkIncidents() {
	v := c.f.company.get("incidents")
	c.selector(v.get("open"), pathParts("those who may open incidents"))
	c.selector(v.get("command"), pathParts("those who may command incidents"))
}
