package screens

import (
	"strconv"

	slackgo "github.com/slack-go/slack"
)

// Proposal is a change of the documents that loosens something and waits for people under the old ones.
type Proposal struct {
	ID       string
	Author   string // as the commit says; empty: not known
	Commit   string
	Loosens  []string // changes in words
	Others   []string // what changes beside
	Approved []Person
	Quorum   int
	Outcome  string // "", "approved", "denied", "replaced"
	Approve  string // values of the buttons; empty: no button
	Deny     string
	In       Locale
}

// Render is the message to somebody who may decide it, and stays as the record of what became of it.
func (p Proposal) Render() Message {
	l := p.In
	title := l.Of("A change of the approval rules waits for you")
	switch p.Outcome {
	case "":
	case "approved":
		title = l.Of("A change of the approval rules was approved")
	case "denied":
		title = l.Of("A change of the approval rules was denied")
	default:
		title = l.Of("A change of the approval rules was replaced")
	}
	blocks := []slackgo.Block{header(title), section(p.sentence())}
	blocks = append(blocks, section(l.listing("*"+l.Of("What it loosens")+"*", bullets(p.Loosens), maxChanges)))
	if len(p.Others) > 0 {
		blocks = append(blocks, section(l.listing("*"+l.Of("What changes beside")+"*", bullets(p.Others), maxChanges)))
	}
	if len(p.Loosens) > maxChanges || len(p.Others) > maxChanges {
		blocks = append(blocks, note(l.Say("All of it: `countersign policy show %s` on the bot's host.", Escape(p.ID))))
	}
	blocks = append(blocks, actions(p.buttons()...)...)
	blocks = append(blocks, note(l.Say("Change %s · until it is approved the old rules hold; what only tightens holds already.", code(p.ID))))
	return Message{Text: l.headline("Policy change: %s loosens %s%s", p.author(), l.Of("the approval rules"), "", join(p.Loosens)), Blocks: blocks}
}

// home is the proposal on a Home page.
func (p Proposal) home(i int) []slackgo.Block {
	l := p.In
	out := []slackgo.Block{divider(), section(l.listing("*"+l.Of("A change of the approval rules waits for you")+"* · "+code(p.ID), bullets(p.Loosens), homeLines))}
	if b := p.buttons(); len(b) > 0 {
		out = append(out, slackgo.NewActionBlock("proposal-"+strconv.Itoa(i), b...))
	}
	return out
}

func (p Proposal) buttons() []slackgo.BlockElement {
	var row []slackgo.BlockElement
	l := p.In
	if p.Approve != "" && p.Outcome == "" {
		e := button(ActPolicyApprove, p.Approve, l.Of("Approve the change"), l.Say("Approve the change of the approval rules %s", p.ID))
		e.Style = slackgo.StylePrimary
		e.Confirm = l.confirm(l.Of("Approve this change?"), l.Of("The new rules hold for every request that is made from then on."), l.Of("Approve"))
		row = append(row, e)
	}
	if p.Deny != "" && p.Outcome == "" {
		e := button(ActPolicyDeny, p.Deny, l.Of("Deny the change"), l.Say("Deny the change of the approval rules %s", p.ID))
		e.Style = slackgo.StyleDanger
		e.Confirm = l.confirm(l.Of("Deny this change?"), l.Of("The rules stay as they are."), l.Of("Deny"))
		row = append(row, e)
	}
	return row
}

func (p Proposal) author() string {
	if p.Author == "" {
		return p.In.Of("Somebody")
	}
	return p.Author
}

func (p Proposal) sentence() string {
	l := p.In
	s := l.Say("*%s* changed the configuration folder", label(p.author()))
	if p.Commit != "" {
		s += l.Say(" (commit %s)", code(p.Commit))
	}
	s += l.Of(". You are asked because you answer for the rules that hold now.")
	if len(p.Approved) > 0 {
		names := make([]string, len(p.Approved))
		for i, x := range p.Approved {
			names[i] = x.Mention()
		}
		if p.Quorum == 1 {
			return s + l.Say(" Approved so far by %s; 1 approval is needed.", join(names))
		}
		s += l.Say(" Approved so far by %s; %d approvals are needed.", join(names), p.Quorum)
	}
	return s
}

// Settled tells those who were asked, and the author, what became of it.
func (p Proposal) Settled() Message {
	l := p.In
	words, text := l.Of("➖ The folder was changed again, so this change is not decided any more; what replaced it is asked about anew."), l.Of("Policy change replaced: %s%s%s")
	switch p.Outcome {
	case "approved":
		words, text = l.Of("✅ The change was approved. It holds for every request that is made from now on."), l.Of("Policy change approved: %s%s%s")
	case "denied":
		words, text = l.Of("⛔ The change was denied. The rules stay as they are."), l.Of("Policy change denied: %s%s%s")
	}
	return Message{
		Text: l.headline(text, p.ID, "", "", join(p.Loosens)),
		Blocks: []slackgo.Block{
			section(words), section(l.listing("*"+l.Of("What it loosens")+"*", bullets(p.Loosens), maxChanges)), note(l.Say("Change %s", code(p.ID))),
		},
	}
}

// PolicyChanged tells the owners under the rules before that others hold now.
func (l Locale) PolicyChanged(changes []string) Message {
	return Message{
		Text: l.headline("Policy changed: %s%s%s", l.Of("other rules hold now"), "", "", join(changes)),
		Blocks: []slackgo.Block{
			header(l.Of("Other approval rules hold now")),
			section(l.listing(l.Of("You answered for the rules before, so you are told what is different:"), bullets(changes), maxChanges)),
		},
	}
}
