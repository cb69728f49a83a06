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
}

// Render is the message to the requester.
func (o Offer) Render() Message {
	blocks := []slackgo.Block{header("A counter-offer for you")}
	blocks = append(blocks, section(o.By.Mention()+" would approve your request for *"+label(o.What)+"* for *"+o.Long.String()+"* like this:"))
	blocks = append(blocks, section(listing("", bullets(o.Terms), maxSeats)))
	if o.Reason != "" {
		blocks = append(blocks, section("*Why*"), typed(o.Reason))
	}
	blocks = append(blocks, actions(o.buttons()...)...)
	blocks = append(blocks, note("Your request "+code(string(o.Request))+" goes on as it is until you accept."))
	return Message{Text: headline("Counter-offer: %s would approve %s (you asked for %s)", o.By.Name, o.What, o.Long.String(), join(o.Terms)), Blocks: blocks}
}

func (o Offer) buttons() []slackgo.BlockElement {
	var row []slackgo.BlockElement
	if o.Accept != "" {
		e := button(ActAccept, o.Accept, "Accept the offer", "Accept the counter-offer of "+o.By.Name+" for "+o.What)
		e.Style = slackgo.StylePrimary
		e.Confirm = confirm("Accept this offer?", "Your request ends and a new one with these terms takes its place. Approvals that others gave to the old one do not count for it.", "Accept")
		row = append(row, e)
	}
	if o.Decline != "" {
		row = append(row, button(ActDecline, o.Decline, "Keep my request", "Decline the counter-offer of "+o.By.Name))
	}
	return row
}

// Line is a standing offer on a card.
func (o Offer) Line() string {
	return o.By.Mention() + " offers instead: " + join(escapeAll(o.Terms)) + "."
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
	blocks := []slackgo.Block{
		section(c.sentence()),
		section("Offer what you would approve instead. The requester accepts it with one click, and your approval of the new request is recorded then."),
		inputBlock(BlockOfferLong, "Shorter", "Such as 30m or 2h; less than "+c.Seconds.String()+". Empty: as asked.", e, true),
	}
	if len(narrower) > 0 {
		blocks = append(blocks, inputBlock(BlockOfferWhat, "Narrower", "Empty: as asked.", menu(InputValue, narrower, ""), true))
	}
	if later {
		blocks = append(blocks, inputBlock(BlockOfferStart, "Later", "When it would start. Empty: when it is approved.", dateTime(0), true))
	}
	blocks = append(blocks, area(BlockReason, "Reason", "The requester reads it.", 0, workflows.MaxDenyReason, true))
	v := modal(CallOffer, "Make a counter-offer", "Offer", blocks...)
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
