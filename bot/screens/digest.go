package screens

import (
	"strings"

	slackgo "github.com/slack-go/slack"

	"github.com/countersign-bot/countersign/workflows"
)

// Digest reminds somebody of several requests at once.
type Digest struct {
	Lines     []DigestLine
	Escalated bool // they were passed on just now, because nobody had decided
	In        Locale
}

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
		line := "• " + d.In.Say("%s: *%s* for *%s*, decide by %s", l.Requester.Mention(), label(l.What), l.Long, d.In.When(l.By))
		if at := link(l.Link, d.In.Of("open the card")); at != "" {
			line += " · " + at
		} else {
			line += " · " + code(string(l.ID))
		}
		lines = append(lines, line)
		words = append(words, d.In.Say("%s asks for %s for %s", short(oneLine(l.Requester.Name), maxWho), short(oneLine(l.What), maxWhat), l.Long))
	}
	head := d.In.Of("1 request still waits for you")
	if len(d.Lines) != 1 {
		head = d.In.Say("%d requests still wait for you", len(d.Lines))
	}
	if d.Escalated {
		head = d.In.Say("%d requests are passed on to you, because nobody has decided", len(d.Lines))
	}
	return Message{
		Text: Escape(short(head+": "+strings.Join(words, "; "), maxNotify)),
		Blocks: []slackgo.Block{
			header(head), section(d.In.listing("", lines, maxSeats)),
			note(d.In.Of("This app's Home page has all of them with their buttons.")),
		},
	}
}
