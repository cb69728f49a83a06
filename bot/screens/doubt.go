package screens

import (
	slackgo "github.com/slack-go/slack"

	"github.com/countersign-bot/countersign/workflows"
)

// Doubt tells a target's owner that something about active access needs their eyes: nobody can tell whether it should still be allowed, or
// somebody who approved it is gone.
type Doubt struct {
	Grant        workflows.GrantID
	What         string
	Holder       Person
	Long         workflows.Span
	Why          string          // what cannot be told, or who is gone, without names
	Since        workflows.Stamp // of what cannot be told
	Ends         workflows.Stamp // when it ends because of that; zero: at its own end
	ApproverGone bool
}

// Render draws the message.
func (d Doubt) Render() Message {
	if d.ApproverGone {
		return Message{
			Text: headline("Look again: %s has %s for %s", d.Holder.Name, d.What, d.Long.String(), "somebody who approved it is gone"),
			Blocks: []slackgo.Block{
				header("Somebody who approved this is gone"),
				section(d.Holder.Mention() + " has *" + label(d.What) + "*. " + Escape(d.Why) + " The access goes on, because it was approved when they could."),
				section("*What you can do*\nIf you would not have approved it without them, revoke it on its card, or with `/access revoke " + code(string(d.Grant)) + " WHY`."),
				note("Grant " + code(string(d.Grant))),
			},
		}
	}
	ends := "It ends at its own end."
	if d.Ends != 0 {
		ends = "If nobody can tell until " + When(d.Ends) + ", it is taken back."
	}
	return Message{
		Text: headline("Unverified: %s has %s for %s", d.Holder.Name, d.What, d.Long.String(), d.Why),
		Blocks: []slackgo.Block{
			header("Nobody can tell whether this should still be allowed"),
			section("⚠️ " + d.Holder.Mention() + " has *" + label(d.What) + "*. " + Escape(d.Why) + " That is so since " + When(d.Since) + ". " + ends),
			section("*What you can do*\nHave the source looked at. If you do not want to wait, revoke the access on its card."),
			note("Grant " + code(string(d.Grant))),
		},
	}
}

// Killed answers the kill switch, and a look at what an identity can get at.
type Killed struct {
	Who         Person
	Lines       []string // markup of ours, one for each thing that was or can be reached
	Ended       int
	Elsewhere   int
	Quarantined bool
	Only        bool // looked, and took nothing away
}

// Render draws the message.
func (k Killed) Render() Message {
	head := "*What " + k.Who.Mention() + " can get at now*"
	text := "What " + k.Who.Name + " can get at now"
	if !k.Only {
		head = "⛔ *" + plural(k.Ended, "grant", "grants") + " of " + k.Who.Mention() + " being taken back on all targets at once.*"
		text = plural(k.Ended, "grant", "grants") + " of " + k.Who.Name + " being taken back"
		if k.Elsewhere > 0 {
			head += "\n" + plural(k.Elsewhere, "grant", "grants") + " more had ended already."
		}
		if k.Quarantined {
			head += "\nQuarantined: may neither ask, decide nor hold anything until two people lift that with `/access release`."
		} else {
			head += "\nMay ask again; `/access quarantine` also stops that."
		}
	}
	blocks := []slackgo.Block{section(head)}
	switch {
	case len(k.Lines) > 0:
		blocks = append(blocks, section(listing("*Reach*", k.Lines, listLines)))
	case k.Only:
		blocks = append(blocks, section("Nothing: no access, no identities, no standing windows."))
	}
	return Message{Text: Escape(short(oneLine(text), maxNotify)), Blocks: blocks}
}
