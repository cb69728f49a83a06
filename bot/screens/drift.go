package screens

import (
	"strings"

	slackgo "github.com/slack-go/slack"

	"github.com/countersign-bot/countersign/workflows"
)

// Drift tells of access that was found on a target and that no grant explains, or of a grant's access that vanished.
type Drift struct {
	Target   string
	Findings []string // sentences, not markup
	Total    int      // of which these are the first
	Known    int      // that somebody answers for; not among them
	Seen     int64
	Grants   int64
	Unread   string // why the target could not be read
	At       workflows.Stamp
	In       Locale
}

// Render draws the message to an owner or a channel.
func (d Drift) Render() Message {
	l := d.In
	found := l.count(d.Total, "%d access that no grant explains", "%d accesses that no grant explains")
	text := l.headline("Found on %s: %s%s", d.Target, found, "", firstLine(d.Findings))
	return Message{Text: text, Blocks: append([]slackgo.Block{header(l.Of("Access that no grant explains"))}, d.blocks()...)}
}

// Answer draws it for somebody who asked.
func (d Drift) Answer() Message {
	text := d.In.headline("%s: %s%s", d.Target, d.howMany(), "", firstLine(d.Findings))
	return Message{Text: text, Blocks: d.blocks()}
}

func (d Drift) blocks() []slackgo.Block {
	l := d.In
	head := l.Say("*%s*: %s. %d accesses were compared with %d active grants", label(d.Target), d.howMany(), int(d.Seen), int(d.Grants))
	if d.At != 0 {
		head += ", " + l.When(d.At)
	}
	blocks := []slackgo.Block{section(head + ".")}
	if d.Unread != "" {
		blocks = append(blocks, section(l.Say("⚠️ The target could not be read to the end, so this may not be all: %s", Escape(l.Filled(d.Unread)))))
	}
	lines := make([]string, len(d.Findings))
	for i, f := range d.Findings {
		lines[i] = Escape(f)
	}
	if len(lines) > 0 {
		blocks = append(blocks, section(l.listingOf("", lines, d.Total, len(lines))))
	}
	if d.Known > 0 {
		blocks = append(blocks, note(l.Say("%d more that somebody answers for.", d.Known)))
	}
	if d.Total > 0 {
		blocks = append(blocks, note(l.Of("`countersign drift` lists all of them; `countersign drift accept` records who answers for one. Take away on the target what nobody should have.")))
	}
	return blocks
}

func (d Drift) howMany() string {
	switch d.Total {
	case 0:
		return d.In.Of("nothing found")
	case 1:
		return d.In.Of("one access")
	}
	return d.In.Say("%d accesses", d.Total)
}

func firstLine(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return lines[0]
}

// DrillFailed tells that access could not be made, used or taken back in a drill.
type DrillFailed struct {
	Target, Entitlement string
	Step                string // "revoke"
	Said                string
	In                  Locale
}

// Render draws the message.
func (d DrillFailed) Render() Message {
	l := d.In
	return Message{
		Text: l.headline("Drill failed on %s: %s%s", d.Target, l.Say("step %s", d.Step), "", d.Said),
		Blocks: []slackgo.Block{
			header(l.Of("A revocation drill failed")),
			section(l.Say("⚠️ The drill on *%s* failed at the step *%s*. A canary grant of %s was made and taken back to see whether that works; it did not.", label(d.Target), label(d.Step), code(d.Entitlement))),
			section("*" + l.Of("What the target said") + "*\n" + Escape(d.Said)),
			section(l.Of("*What you can do*\nUntil a drill succeeds, take it that access on this target cannot be taken back in time. `countersign doctor` says what the bot may do there; `countersign drill` tries again.")),
		},
	}
}

// Drifts answers for several targets; more counts those that are not shown.
func (l Locale) Drifts(list []Drift, more int) Message {
	var blocks []slackgo.Block
	var words []string
	for _, d := range list {
		d.In = l
		m := d.Answer()
		blocks, words = append(blocks, m.Blocks...), append(words, m.Text)
	}
	if more > 0 {
		blocks = append(blocks, note(l.Say("%d more targets: name one, as in `/access drift TARGET`.", more)))
	}
	return Message{Text: short(strings.Join(words, " · "), maxNotify), Blocks: blocks}
}
