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
func AwayForm(now workflows.Stamp) slackgo.ModalViewRequest {
	who := slackgo.NewOptionsSelectBlockElement(slackgo.OptTypeUser, plain("Nobody"), InputValue)
	v := modal(CallAway, "I am away", "Save",
		section("While you are away you are not counted on. You may still decide; whoever you name decides in your place what neither of you asked for."),
		inputBlock(BlockAwayFrom, "From", "Empty: from now on.", dateTime(0), true),
		inputBlock(BlockAwayUntil, "Until", "Times are shown in your own zone.", dateTime(0), false),
		inputBlock(BlockAwayDelegate, "Who decides for you", "A colleague who is in the people file. Empty: nobody; the chain asks the next people.", who, true),
		area(BlockReason, "Reason", "Kept beside the ledger and erasable. Empty is fine.", 0, workflows.MaxDenyReason, true))
	return v
}

// DelegateForm is the same form for one request that waits: until its deadline somebody else decides, filled in but for whom. What is asked of
// the person meanwhile goes to the same colleague: a delegation is for a time, not for a request.
func DelegateForm(c Card) slackgo.ModalViewRequest {
	who := slackgo.NewOptionsSelectBlockElement(slackgo.OptTypeUser, plain("Choose…"), InputValue)
	return modal(CallAway, "Delegate", "Delegate",
		section(c.sentence()),
		section("Whoever you name decides in your place from now on, this and what else is asked of you until then. It is recorded, and they may not decide what they asked for themselves. You can end it at any time."),
		inputBlock(BlockAwayDelegate, "Who decides for you", "A colleague who is in the people file.", who, false),
		inputBlock(BlockAwayUntil, "Until", "The request has to be decided by then.", dateTime(c.Deadline), false),
		area(BlockReason, "Reason", "Kept beside the ledger and erasable. Empty is fine.", 0, workflows.MaxDenyReason, true))
}

// Away is somebody's time off.
type Away struct {
	From, Until workflows.Stamp
	Delegate    Person // zero: nobody
	Started     bool
}

// Sentence says it to the person themselves.
func (a Away) Sentence() string {
	s := "You are away until " + When(a.Until) + "."
	if !a.Started {
		s = "You will be away from " + When(a.From) + " until " + When(a.Until) + "."
	}
	if a.Delegate.Name != "" {
		return s + " " + a.Delegate.Mention() + " decides for you meanwhile."
	}
	return s + " Nobody decides for you meanwhile; chains ask the next people."
}
