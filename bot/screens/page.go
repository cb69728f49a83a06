package screens

import (
	"fmt"
	"strings"

	slackgo "github.com/slack-go/slack"

	"github.com/countersign-bot/countersign/workflows"
)

// Page tells somebody of what cannot wait, and asks them to say that they look after it.
type Page struct {
	ID      string
	Subject string // of the message, filled in; plain text
	Text    string
	Status  string // "open", "acknowledged", "unanswered", "closed"
	Where   string // in the path: "step 1 of 3"
	Path    string
	Until   workflows.Stamp // when the next step is taken; zero: it is not
	Acks    []Answered
	Why     string // how it was closed
	Drill   bool
	Told    bool   // the reader is told, and nothing is asked of them
	Ack     string // value of the button; empty: none
}

// Answered is somebody who looks after it.
type Answered struct {
	By   Person
	At   workflows.Stamp
	Note string
}

// ActAck is the button under a page.
const ActAck = "escalation.acknowledge"

// Render draws it. It is repainted in place when somebody acknowledges.
func (p Page) Render() Message {
	head := p.Subject
	if p.Drill && !strings.HasPrefix(head, "DRILL") {
		head = "DRILL: " + head
	}
	blocks := []slackgo.Block{header(p.mark() + head), typed(p.Text)}
	for _, a := range p.Acks[max(0, len(p.Acks)-maxNotes):] {
		line := "✅ " + a.By.Mention() + " looks after it since " + When(a.At) + "."
		if a.Note != "" {
			line += " " + Escape(oneLine(a.Note))
		}
		blocks = append(blocks, section(line))
	}
	if p.Why != "" {
		blocks = append(blocks, section("*Closed.* "+Escape(oneLine(p.Why))))
	}
	if p.Ack != "" && !p.Told && p.Status != "closed" && len(p.Acks) == 0 {
		e := button(ActAck, p.Ack, "I look after it", "Acknowledge "+head)
		e.Style = slackgo.StylePrimary
		blocks = append(blocks, actions(e)...)
	}
	blocks = append(blocks, note(p.foot()))
	return Message{Text: Escape(short(oneLine(head)+": "+oneLine(p.Text), maxNotify)), Blocks: blocks}
}

func (p Page) mark() string {
	switch {
	case p.Status == "closed" || p.Status == "acknowledged":
		return "✅ "
	case p.Told:
		return "ℹ️ "
	}
	return "🚨 "
}

func (p Page) foot() string {
	out := "Escalation " + code(p.ID) + " · path " + code(p.Path) + " · " + p.Where
	switch {
	case p.Told:
		return out + " · you are told; nothing is asked of you"
	case p.Status == "open":
		out += " · the next are asked at " + When(p.Until)
	case p.Status == "unanswered":
		out += " · *nobody acknowledged it*"
	}
	if p.Status == "open" || p.Status == "unanswered" {
		out += fmt.Sprintf(" · or type `/breakglass ack %s`", Escape(p.ID))
	}
	return out
}

// HomePage is an escalation on somebody's Home page.
type HomePage struct {
	Subject string
	Where   string
	Ack     string // value of the button
}

// cannotWait are the escalations that somebody was asked about, and drills that are overdue.
func (h Home) cannotWait() []slackgo.Block {
	if len(h.Pages)+len(h.Overdue) == 0 {
		return nil
	}
	out := []slackgo.Block{divider(), section("*What cannot wait*")}
	for i, p := range h.Pages[:min(len(h.Pages), maxPages)] {
		text := slackgo.NewSectionBlock(mrk(short("🚨 *"+label(p.Subject)+"*\n"+p.Where, maxSection)), nil, nil)
		text.BlockID = fmt.Sprintf("page-asked-%d", i)
		if p.Ack != "" {
			text.Accessory = slackgo.NewAccessory(button(ActAck, p.Ack, "I look after it", "Acknowledge "+p.Subject))
		}
		out = append(out, text)
	}
	if len(h.Overdue) > 0 {
		out = append(out, section(listing("⏰ *Overdue drills*", dotted(h.Overdue), listLines)))
	}
	return out
}

const maxPages = 3 // escalations on a Home page; each has its own message too
