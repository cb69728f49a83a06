package screens

import (
	"strings"

	slackgo "github.com/slack-go/slack"

	"github.com/countersign-bot/countersign/workflows"
)

// Digest reminds somebody of several requests at once.
type Digest struct{ Lines []DigestLine }

// DigestLine is one request that still waits.
type DigestLine struct {
	ID        workflows.RequestID
	Requester Person
	What      string
	Long      workflows.Span
	By        workflows.Stamp // deadline
	Link      string          // address of the card with its buttons; may be empty
}

// Render draws the message.
func (d Digest) Render() Message {
	lines := make([]string, 0, len(d.Lines))
	words := make([]string, 0, len(d.Lines))
	for _, l := range d.Lines {
		line := "• " + l.Requester.Mention() + ": *" + label(l.What) + "* for *" + l.Long.String() + "*, decide by " + When(l.By)
		if at := link(l.Link, "open the card"); at != "" {
			line += " · " + at
		} else {
			line += " · " + code(string(l.ID))
		}
		lines = append(lines, line)
		words = append(words, short(oneLine(l.Requester.Name), maxWho)+" asks for "+short(oneLine(l.What), maxWhat)+" for "+l.Long.String())
	}
	head := plural(len(d.Lines), "request still waits", "requests still wait") + " for you"
	return Message{
		Text: Escape(short(head+": "+strings.Join(words, "; "), maxNotify)),
		Blocks: []slackgo.Block{
			header(head), section(listing("", lines, maxSeats)),
			note("This app's Home page has all of them with their buttons."),
		},
	}
}
