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
}

// Render is the message to somebody who may decide it, and stays as the record of what became of it.
func (p Proposal) Render() Message {
	title := "A change of the approval rules waits for you"
	if p.Outcome != "" {
		title = "A change of the approval rules was " + p.Outcome
	}
	blocks := []slackgo.Block{header(title), section(p.sentence())}
	blocks = append(blocks, section(listing("*What it loosens*", bullets(p.Loosens), maxChanges)))
	if len(p.Others) > 0 {
		blocks = append(blocks, section(listing("*What changes beside*", bullets(p.Others), maxChanges)))
	}
	if len(p.Loosens) > maxChanges || len(p.Others) > maxChanges {
		blocks = append(blocks, note("All of it: `countersign policy show "+Escape(p.ID)+"` on the bot's host."))
	}
	blocks = append(blocks, actions(p.buttons()...)...)
	blocks = append(blocks, note("Change "+code(p.ID)+" · until it is approved the old rules hold; what only tightens holds already."))
	return Message{Text: headline("Policy change: %s loosens %s%s", p.author(), "the approval rules", "", join(p.Loosens)), Blocks: blocks}
}

// home is the proposal on a Home page.
func (p Proposal) home(i int) []slackgo.Block {
	out := []slackgo.Block{divider(), section(listing("*A change of the approval rules waits for you* · "+code(p.ID), bullets(p.Loosens), homeLines))}
	if b := p.buttons(); len(b) > 0 {
		out = append(out, slackgo.NewActionBlock("proposal-"+strconv.Itoa(i), b...))
	}
	return out
}

func (p Proposal) buttons() []slackgo.BlockElement {
	var row []slackgo.BlockElement
	if p.Approve != "" && p.Outcome == "" {
		e := button(ActPolicyApprove, p.Approve, "Approve the change", "Approve the change of the approval rules "+p.ID)
		e.Style = slackgo.StylePrimary
		e.Confirm = confirm("Approve this change?", "The new rules hold for every request that is made from then on.", "Approve")
		row = append(row, e)
	}
	if p.Deny != "" && p.Outcome == "" {
		e := button(ActPolicyDeny, p.Deny, "Deny the change", "Deny the change of the approval rules "+p.ID)
		e.Style = slackgo.StyleDanger
		e.Confirm = confirm("Deny this change?", "The rules stay as they are.", "Deny")
		row = append(row, e)
	}
	return row
}

func (p Proposal) author() string {
	if p.Author == "" {
		return "Somebody"
	}
	return p.Author
}

func (p Proposal) sentence() string {
	s := "*" + label(p.author()) + "* changed the configuration folder"
	if p.Commit != "" {
		s += " (commit " + code(p.Commit) + ")"
	}
	s += ". You are asked because you answer for the rules that hold now."
	if len(p.Approved) > 0 {
		names := make([]string, len(p.Approved))
		for i, x := range p.Approved {
			names[i] = x.Mention()
		}
		s += " Approved so far by " + join(names) + "; " + plural(p.Quorum, "approval is", "approvals are") + " needed."
	}
	return s
}

// Settled tells those who were asked, and the author, what became of it.
func (p Proposal) Settled() Message {
	words := map[string]string{
		"approved": "✅ The change was approved. It holds for every request that is made from now on.",
		"denied":   "⛔ The change was denied. The rules stay as they are.",
		"replaced": "➖ The folder was changed again, so this change is not decided any more; what replaced it is asked about anew.",
	}[p.Outcome]
	return Message{
		Text:   headline("Policy change %s: %s%s", p.Outcome, p.ID, "", join(p.Loosens)),
		Blocks: []slackgo.Block{section(words), section(listing("*What it loosens*", bullets(p.Loosens), maxChanges)), note("Change " + code(p.ID))},
	}
}

// PolicyChanged tells the owners under the rules before that others hold now.
func PolicyChanged(changes []string) Message {
	return Message{
		Text: headline("Policy changed: %s%s%s", "other rules hold now", "", "", join(changes)),
		Blocks: []slackgo.Block{
			header("Other approval rules hold now"),
			section(listing("You answered for the rules before, so you are told what is different:", bullets(changes), maxChanges)),
		},
	}
}
