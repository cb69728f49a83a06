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
