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
	In      Locale
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
	l, head := p.In, p.Subject
	if drill, _, _ := strings.Cut(l.Of("DRILL: %s"), "%"); p.Drill && !strings.HasPrefix(head, drill) {
		head = l.Say("DRILL: %s", head)
	}
	blocks := []slackgo.Block{header(p.mark() + head), l.typed(p.Text)}
	for _, a := range p.Acks[max(0, len(p.Acks)-maxNotes):] {
		line := l.Say("✅ %s looks after it since %s.", a.By.Mention(), l.When(a.At))
		if a.Note != "" {
			line += " " + Escape(oneLine(a.Note))
		}
		blocks = append(blocks, section(line))
	}
	if p.Why != "" {
		blocks = append(blocks, section(l.Say("*Closed.* %s", Escape(oneLine(p.Why)))))
	}
	if p.Ack != "" && !p.Told && p.Status != "closed" && len(p.Acks) == 0 {
		e := button(ActAck, p.Ack, l.Of("I look after it"), l.Say("Acknowledge %s", head))
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
	l := p.In
	out := l.Say("Escalation %s · path %s · %s", code(p.ID), code(p.Path), l.Filled(p.Where))
	switch {
	case p.Told:
		return out + " · " + l.Of("you are told; nothing is asked of you")
	case p.Status == "open":
		out += " · " + l.Say("the next are asked at %s", l.When(p.Until))
	case p.Status == "unanswered":
		out += " · " + l.Of("*nobody acknowledged it*")
	}
	if p.Status == "open" || p.Status == "unanswered" {
		out += " · " + l.Say("or type `/breakglass ack %s`", Escape(p.ID))
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
	l := h.In
	out := []slackgo.Block{divider(), section("*" + l.Of("What cannot wait") + "*")}
	for i, p := range h.Pages[:min(len(h.Pages), maxPages)] {
		text := slackgo.NewSectionBlock(mrk(short("🚨 *"+label(p.Subject)+"*\n"+p.Where, maxSection)), nil, nil)
		text.BlockID = fmt.Sprintf("page-asked-%d", i)
		if p.Ack != "" {
			text.Accessory = slackgo.NewAccessory(button(ActAck, p.Ack, l.Of("I look after it"), l.Say("Acknowledge %s", p.Subject)))
		}
		out = append(out, text)
	}
	if len(h.Overdue) > 0 {
		out = append(out, section(l.listing("⏰ *"+l.Of("Overdue drills")+"*", dotted(h.Overdue), listLines)))
	}
	return out
}

// PageStatus is the state of an escalation within a sentence.
func (l Locale) PageStatus(s string) string {
	switch s {
	case "open":
		return l.Of("open")
	case "acknowledged":
		return l.Of("acknowledged")
	case "unanswered":
		return l.Of("unanswered")
	case "closed":
		return l.Of("closed")
	}
	return s
}

const maxPages = 3 // escalations on a Home page; each has its own message too
