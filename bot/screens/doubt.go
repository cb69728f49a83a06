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
	In           Locale
}

// Render draws the message.
func (d Doubt) Render() Message {
	l, why := d.In, Escape(d.In.Filled(d.Why))
	if d.ApproverGone {
		return Message{
			Text: l.headline("Look again: %s has %s for %s", d.Holder.Name, d.What, l.Span(d.Long), l.Of("somebody who approved it is gone")),
			Blocks: []slackgo.Block{
				header(l.Of("Somebody who approved this is gone")),
				section(l.Say("%s has *%s*. %s The access goes on, because it was approved when they could.", d.Holder.Mention(), label(d.What), why)),
				section(l.Say("*What you can do*\nIf you would not have approved it without them, revoke it on its card, or with `/access revoke %s WHY`.", code(string(d.Grant)))),
				note(l.Say("Grant %s", code(string(d.Grant)))),
			},
		}
	}
	ends := l.Of("It ends at its own end.")
	if d.Ends != 0 {
		ends = l.Say("If nobody can tell until %s, it is taken back.", l.When(d.Ends))
	}
	return Message{
		Text: l.headline("Unverified: %s has %s for %s", d.Holder.Name, d.What, l.Span(d.Long), l.Filled(d.Why)),
		Blocks: []slackgo.Block{
			header(l.Of("Nobody can tell whether this should still be allowed")),
			section(l.Say("⚠️ %s has *%s*. %s That is so since %s. %s", d.Holder.Mention(), label(d.What), why, l.When(d.Since), ends)),
			section(l.Of("*What you can do*\nHave the source looked at. If you do not want to wait, revoke the access on its card.")),
			note(l.Say("Grant %s", code(string(d.Grant)))),
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
	In          Locale
}

// Render draws the message.
func (k Killed) Render() Message {
	l := k.In
	head := l.Say("*What %s can get at now*", k.Who.Mention())
	text := l.Say("What %s can get at now", k.Who.Name)
	if !k.Only {
		head = "⛔ *" + l.count(k.Ended, "%d grant of %s being taken back on all targets at once.", "%d grants of %s being taken back on all targets at once.", k.Who.Mention()) + "*"
		text = l.count(k.Ended, "%d grant of %s being taken back", "%d grants of %s being taken back", k.Who.Name)
		if k.Elsewhere > 0 {
			head += "\n" + l.count(k.Elsewhere, "%d grant more had ended already.", "%d grants more had ended already.")
		}
		if k.Quarantined {
			head += "\n" + l.Of("Quarantined: may neither ask, decide nor hold anything until two people lift that with `/access release`.")
		} else {
			head += "\n" + l.Of("May ask again; `/access quarantine` also stops that.")
		}
	}
	blocks := []slackgo.Block{section(head)}
	switch {
	case len(k.Lines) > 0:
		blocks = append(blocks, section(l.listing("*"+l.Of("Reach")+"*", k.Lines, listLines)))
	case k.Only:
		blocks = append(blocks, section(l.Of("Nothing: no access, no identities, no standing windows.")))
	}
	return Message{Text: Escape(short(oneLine(text), maxNotify)), Blocks: blocks}
}
