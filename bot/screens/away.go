package screens

import (
	slackgo "github.com/slack-go/slack"

	"github.com/countersign-bot/countersign/workflows"
)

// Inputs of the form for time off.
const (
	BlockAwayFrom     = "away_from"
	BlockAwayUntil    = "away_until"
	BlockAwayDelegate = "away_delegate"
)

// AwayForm asks for time off: from when, until when, who decides meanwhile.
func AwayForm(l Locale) slackgo.ModalViewRequest {
	who := slackgo.NewOptionsSelectBlockElement(slackgo.OptTypeUser, plain(l.Of("Nobody")), InputValue)
	return l.modal(CallAway, l.Of("I am away"), l.Of("Save"),
		section(l.Of("While you are away you are not counted on. You may still decide; whoever you name decides in your place what neither of you asked for.")),
		inputBlock(BlockAwayFrom, l.Of("From"), l.Of("Empty: from now on."), dateTime(0), true),
		inputBlock(BlockAwayUntil, l.Of("Until"), l.Of("Times are shown in your own zone."), dateTime(0), false),
		inputBlock(BlockAwayDelegate, l.Of("Who decides for you"), l.Of("A colleague who is in the people file. Empty: nobody; the chain asks the next people."), who, true),
		area(BlockReason, l.Of("Reason"), l.Of("Kept beside the ledger and erasable. Empty is fine."), 0, workflows.MaxDenyReason, true))
}

// DelegateForm is the same form for one request that waits: until its deadline somebody else decides, filled in but for whom. What is asked of
// the person meanwhile goes to the same colleague: a delegation is for a time, not for a request.
func DelegateForm(c Card) slackgo.ModalViewRequest {
	l := c.In
	who := slackgo.NewOptionsSelectBlockElement(slackgo.OptTypeUser, plain(l.Of("Choose…")), InputValue)
	return l.modal(CallAway, l.Of("Delegate"), l.Of("Delegate"),
		section(c.sentence()),
		section(l.Of("Whoever you name decides in your place from now on, this and what else is asked of you until then. It is recorded, and they may not decide what they asked for themselves. You can end it at any time.")),
		inputBlock(BlockAwayDelegate, l.Of("Who decides for you"), l.Of("A colleague who is in the people file."), who, false),
		inputBlock(BlockAwayUntil, l.Of("Until"), l.Of("The request has to be decided by then."), dateTime(c.Deadline), false),
		area(BlockReason, l.Of("Reason"), l.Of("Kept beside the ledger and erasable. Empty is fine."), 0, workflows.MaxDenyReason, true))
}

// Away is somebody's time off.
type Away struct {
	From, Until workflows.Stamp
	Delegate    Person // zero: nobody
	Started     bool
	In          Locale
}

// Sentence says it to the person themselves.
func (a Away) Sentence() string {
	s := a.In.Say("You are away until %s.", a.In.When(a.Until))
	if !a.Started {
		s = a.In.Say("You will be away from %s until %s.", a.In.When(a.From), a.In.When(a.Until))
	}
	if a.Delegate.Name != "" {
		return s + " " + a.In.Say("%s decides for you meanwhile.", a.Delegate.Mention())
	}
	return s + " " + a.In.Of("Nobody decides for you meanwhile; chains ask the next people.")
}
