package screens

import (
	slackgo "github.com/slack-go/slack"

	"github.com/countersign-bot/countersign/workflows"
)

// Offer is a counter-offer: what an approver would approve instead.
type Offer struct {
	Request workflows.RequestID
	What    string // asked for
	Long    workflows.Span
	By      Person
	Terms   []string // what would be different, each a phrase: "for 1h instead of 4h"
	Reason  string
	Accept  string // values of the buttons; empty: no button
	Decline string
	In      Locale
}

// Render is the message to the requester.
func (o Offer) Render() Message {
	blocks := []slackgo.Block{header(o.In.Of("A counter-offer for you"))}
	blocks = append(blocks, section(o.In.Say("%s would approve your request for *%s* for *%s* like this:", o.By.Mention(), label(o.What), o.Long)))
	blocks = append(blocks, section(o.In.listing("", bullets(o.Terms), maxSeats)))
	if o.Reason != "" {
		blocks = append(blocks, section("*"+o.In.Of("Why")+"*"), o.In.typed(o.Reason))
	}
	blocks = append(blocks, actions(o.buttons()...)...)
	blocks = append(blocks, note(o.In.Say("Your request %s goes on as it is until you accept.", code(string(o.Request)))))
	return Message{Text: o.In.headline("Counter-offer: %s would approve %s (you asked for %s)", o.By.Name, o.What, o.In.Span(o.Long), join(o.Terms)), Blocks: blocks}
}

func (o Offer) buttons() []slackgo.BlockElement {
	var row []slackgo.BlockElement
	if o.Accept != "" {
		e := button(ActAccept, o.Accept, o.In.Of("Accept the offer"), o.In.Say("Accept the counter-offer of %s for %s", o.By.Name, o.What))
		e.Style = slackgo.StylePrimary
		e.Confirm = o.In.confirm(o.In.Of("Accept this offer?"), o.In.Of("Your request ends and a new one with these terms takes its place. Approvals that others gave to the old one do not count for it."), o.In.Of("Accept"))
		row = append(row, e)
	}
	if o.Decline != "" {
		row = append(row, button(ActDecline, o.Decline, o.In.Of("Keep my request"), o.In.Say("Decline the counter-offer of %s", o.By.Name)))
	}
	return row
}

// Line is a standing offer on a card.
func (o Offer) Line() string {
	return o.In.Say("%s offers instead: %s.", o.By.Mention(), join(escapeAll(o.Terms)))
}

func bullets(lines []string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = "• " + label(l)
	}
	return out
}

func join(list []string) string {
	out := ""
	for i, s := range list {
		if i > 0 {
			out += "; "
		}
		out += s
	}
	return out
}

// Inputs of the form for a counter-offer.
const (
	BlockOfferLong  = "offer_long"
	BlockOfferWhat  = "offer_what"
	BlockOfferStart = "offer_start"
)

// OfferForm asks what an approver would approve instead. Narrower are the other entitlements of the chain; none: no menu. later tells whether
// the start may be moved.
func OfferForm(c Card, narrower []Choice, later bool, meta string) slackgo.ModalViewRequest {
	e := slackgo.NewPlainTextInputBlockElement(nil, InputValue)
	e.MaxLength = 8
	l := c.In
	blocks := []slackgo.Block{
		section(c.sentence()),
		section(l.Of("Offer what you would approve instead. The requester accepts it with one click, and your approval of the new request is recorded then.")),
		inputBlock(BlockOfferLong, l.Of("Shorter"), l.Say("Such as 30m or 2h; less than %s. Empty: as asked.", c.Seconds.String()), e, true),
	}
	if len(narrower) > 0 {
		blocks = append(blocks, inputBlock(BlockOfferWhat, l.Of("Narrower"), l.Of("Empty: as asked."), l.menu(InputValue, narrower, ""), true))
	}
	if later {
		blocks = append(blocks, inputBlock(BlockOfferStart, l.Of("Later"), l.Of("When it would start. Empty: when it is approved."), dateTime(0), true))
	}
	blocks = append(blocks, area(BlockReason, l.Of("Reason"), l.Of("The requester reads it."), 0, workflows.MaxDenyReason, true))
	v := l.modal(CallOffer, l.Of("Make a counter-offer"), l.Of("Offer"), blocks...)
	v.PrivateMetadata = meta
	return v
}

// dateTime picks a moment in the reader's zone.
func dateTime(initial workflows.Stamp) *slackgo.DateTimePickerBlockElement {
	e := slackgo.NewDateTimePickerBlockElement(InputValue)
	if !initial.IsZero() {
		e.InitialDateTime = initial.Time().Unix()
	}
	return e
}
