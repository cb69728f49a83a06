package screens

import (
	"fmt"
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
}

// Render draws the message to an owner or a channel.
func (d Drift) Render() Message {
	text := headline("Found on %s: %s%s", d.Target, howManyFindings(d.Total)+" that no grant explains", "", firstLine(d.Findings))
	return Message{Text: text, Blocks: append([]slackgo.Block{header("Access that no grant explains")}, d.blocks()...)}
}

// Answer draws it for somebody who asked.
func (d Drift) Answer() Message {
	text := headline("%s: %s%s", d.Target, howManyFindings(d.Total), "", firstLine(d.Findings))
	return Message{Text: text, Blocks: d.blocks()}
}

func (d Drift) blocks() []slackgo.Block {
	head := fmt.Sprintf("*%s*: %s. %d accesses were compared with %d active grants", label(d.Target), howManyFindings(d.Total), d.Seen, d.Grants)
	if d.At != 0 {
		head += ", " + When(d.At)
	}
	blocks := []slackgo.Block{section(head + ".")}
	if d.Unread != "" {
		blocks = append(blocks, section("⚠️ The target could not be read to the end, so this may not be all: "+Escape(d.Unread)))
	}
	lines := make([]string, len(d.Findings))
	for i, f := range d.Findings {
		lines[i] = Escape(f)
	}
	if len(lines) > 0 {
		blocks = append(blocks, section(Locale{}.listingOf("", lines, d.Total, len(lines))))
	}
	if d.Known > 0 {
		blocks = append(blocks, note(fmt.Sprintf("%d more that somebody answers for.", d.Known)))
	}
	if d.Total > 0 {
		blocks = append(blocks, note("`countersign drift` lists all of them; `countersign drift accept` records who answers for one. Take away on the target what nobody should have."))
	}
	return blocks
}

func howManyFindings(n int) string {
	switch n {
	case 0:
		return "nothing found"
	case 1:
		return "one access"
	}
	return fmt.Sprintf("%d accesses", n)
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
}

// Render draws the message.
func (d DrillFailed) Render() Message {
	what := "The drill on *" + label(d.Target) + "* failed at the step *" + label(d.Step) + "*."
	return Message{
		Text: headline("Drill failed on %s: %s%s", d.Target, "step "+d.Step, "", d.Said),
		Blocks: []slackgo.Block{
			header("A revocation drill failed"),
			section("⚠️ " + what + " A canary grant of " + code(d.Entitlement) + " was made and taken back to see whether that works; it did not."),
			section("*What the target said*\n" + Escape(d.Said)),
			section("*What you can do*\nUntil a drill succeeds, take it that access on this target cannot be taken back in time. `countersign doctor` says what the bot may do there; `countersign drill` tries again."),
		},
	}
}

// Drifts answers for several targets; more counts those that are not shown.
func Drifts(list []Drift, more int) Message {
	var blocks []slackgo.Block
	var words []string
	for _, d := range list {
		m := d.Answer()
		blocks, words = append(blocks, m.Blocks...), append(words, m.Text)
	}
	if more > 0 {
		blocks = append(blocks, note(fmt.Sprintf("%d more targets: name one, as in `/access drift TARGET`.", more)))
	}
	return Message{Text: short(strings.Join(words, " · "), maxNotify), Blocks: blocks}
}
