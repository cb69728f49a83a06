package workflows

import "fmt"

// Refusal is the only error whose text people see: what was refused, why, and what to do next. It is recorded.
type Refusal struct {
	Code     string // stable, for tests and statistics
	Sentence string // what and why, one sentence or two
	Next     string // what the person can do; may be empty

	Failed string // of a runbook: the names of the conditions that did not hold, with blanks between; recorded with the code
}

// Error makes a Refusal usable as an error; callers find it with errors.As.
func (r *Refusal) Error() string {
	if r.Next == "" {
		return r.Sentence
	}
	return r.Sentence + " " + r.Next
}

// Codes of refusals. A code is never reused for another meaning.
const (
	CodeUnknown        = "unknown"      // no such thing, or not for your eyes: the same answer
	CodeNoPolicy       = "no_policy"    // no owner or no workflow: nobody can request it
	CodeNotEligible    = "not_eligible" // may not ask for this
	CodeNotInInventory = "not_in_inventory"
	CodeBadField       = "bad_field"
	CodeTooLong        = "too_long"
	CodeNobody         = "nobody"       // a selector yields nobody: never everybody
	CodeDirectory      = "directory"    // could not ask who people are: fail closed
	CodeFormChanged    = "form_changed" // the policy changed while the form was open
	CodeSelfApproval   = "self_approval"
	CodeNotApprover    = "not_approver"
	CodeNotHuman       = "not_human"
	CodeGuest          = "guest"
	CodeInactive       = "inactive"
	CodeUnlinked       = "unlinked"
	CodeReplayed       = "replayed" // a token that was used before
	CodeAlreadyVoted   = "already_voted"
	CodeRepeat         = "repeat"  // decided an earlier stage of the same request
	CodeStale          = "stale"   // what was shown is not what would be decided
	CodeLate           = "late"    // the deadline had passed when the click arrived
	CodeDecided        = "decided" // already final
	CodeReasonNeeded   = "reason_needed"
	CodeNotYours       = "not_yours"
	CodeNoVote         = "no_vote"
	CodeNotActive      = "not_active" // no grant to give back or revoke
	CodeRunbook        = "runbook"    // not approved, changed, expired or used up
	CodeReviewer       = "reviewer"   // the invoker cannot review
	CodeOverdue        = "overdue_review"
	CodeTooMany        = "too_many"
	CodeTampered       = "tampered"    // a button that we did not make, or from another message
	CodeRevokeOnly     = "revoke_only" // the ledger failed a check; only revoking goes on

	CodeNoRule       = "no_rule"       // the chain has rules and none covers the ask
	CodeAmbiguous    = "ambiguous"     // two equally specific rules
	CodeRule         = "rule"          // a rule of the chain refuses it
	CodeFreeze       = "freeze"        // a change freeze
	CodeOutsideHours = "outside_hours" // business hours only
	CodeTooOften     = "too_often"
	CodeHeld         = "already_held"  // the same access is active for at least as long
	CodeAsked        = "already_asked" // the same ask is open
	CodeConflict     = "conflict"      // entitlements that nobody may hold together
	CodeRisk         = "risk"          // the chain demands less than the tier does
	CodeStepUp       = "step_up"       // the tier wants more than a click of whoever approves
	CodeCap          = "cap"           // extensions have reached their cap
	CodeNoOffer      = "no_offer"      // no counter-offer stands
	CodePending      = "pending"       // a change of the documents waits for approval
	CodeAway         = "away"          // time off or delegation that does not make sense
	CodeCountered    = "countered"     // superseded by the offer that the requester accepted
	CodeCredential   = "credential"    // a typed text holds what looks like a credential
	CodeWatched      = "watched"       // watching demands one more person, and there is no stage that could ask one
	CodeQuarantined  = "quarantined"   // may neither ask, decide nor hold until two people release them
	CodeTask         = "task"          // the ticket is closed, unknown or outside of its window
	CodePosture      = "posture"       // what the policy wants to know of a device is not true, or nobody said so lately
	CodeBrokered     = "brokered"      // contractors and vendors may hold what is brokered, and nothing else
	CodeWindow       = "window"        // outside of the standing window, or its budget is used up
)

// Codes of refusals about secrets that are handed over and one-time codes.
const (
	CodeSecret  = "secret"   // taken, destroyed, or never there
	CodeBadCode = "bad_code" // not printed for this person, used, void or too old
)

// Refuse builds a Refusal.
func Refuse(code, sentence, next string) *Refusal {
	return &Refusal{Code: code, Sentence: sentence, Next: next}
}

// Refusef is Refuse with a formatted sentence.
func Refusef(code, next, format string, args ...any) *Refusal {
	return &Refusal{Code: code, Sentence: fmt.Sprintf(format, args...), Next: next}
}
