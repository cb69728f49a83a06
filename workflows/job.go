package workflows

// Kinds of job. The store keeps a row per outstanding job; cmd joins each kind to its handler.
const (
	JobWake   = "wake"         // a deadline of the stream; handled by desk.Tick
	JobNotice = "notice"       // tell a person or a channel something; finished by notice.delivered or notice.failed
	JobStart  = "grant.start"  // make the access on the target
	JobRevoke = "grant.revoke" // take it back, for ever until it is gone
	JobPaint  = "paint"        // bring a Slack surface up to date; made by the store, never by the engine
)

// Lane orders sends: an urgent job overtakes all normal ones.
type Lane int

// The lanes.
const (
	LaneNormal Lane = iota
	LaneUrgent
)

// Job is a durable side effect that a state still owes. (Stream, Kind, Key) is its name: the same name is the same job,
// however often the fold asks for it, and a job that the fold no longer asks for is gone.
type Job struct {
	Kind string
	Key  string
	Due  Stamp // zero: at once
	Lane Lane
	Pace string // sends with one pace key are spaced as the receiver demands; empty: unpaced
}

// Notice is one message that somebody is owed: a job of kind JobNotice whose key is ID.
type Notice struct {
	ID      string
	What    string   // one of the Notice… names
	To      PersonID // a direct message; empty for a channel
	Channel string   // "#access"; empty for a direct message
	Stage   int
	Grant   GrantID
	Urgent  bool
	Due     Stamp  // zero: at once; else when the receiver is at work again
	Offer   string // NoticeOffer: which one
}

// What a notice says; bot/screens has one screen for each.
const (
	NoticeCard      = "card"      // the channel card of a request
	NoticeAsk       = "ask"       // to an approver: please decide
	NoticeRemind    = "remind"    // to an approver: still waiting
	NoticeEscalated = "escalated" // to an approver of a wider tier: please decide
	NoticeOutcome   = "outcome"   // to the requester: approved, denied, timed out, superseded, failed
	NoticeReady     = "ready"     // to the holder: how to use what was granted
	NoticeEnded     = "ended"     // to the holder: the access is gone
	NoticeOverdue   = "overdue"   // to owners: a revocation has not succeeded
	NoticeFailed    = "failed"    // to the holder: the access could not be made
	NoticeSkipped   = "skipped"   // to those whose approval a break glass skipped
	NoticeInvoked   = "invoked"   // to a channel: the glass was broken
	NoticeReview    = "review"    // to a review's owner: please review
	NoticeLate      = "late"      // to a review's owner and fallback: it is overdue
	NoticeClosed    = "closed"    // to the invoker: the review's verdict
	NoticeTold      = "told"      // to somebody who is told without being asked: a stage opened, or the request ended
	NoticeOffer     = "offer"     // to the requester: an approver offers other terms
	NoticePolicy    = "policy"    // to somebody under the old documents: a change of them waits for approval

	NoticeLeaked = "leaked" // to who holds a grant, the target's owner and the channel of alarms: its secret was seen where it must not be

	NoticeUnverified   = "unverified"    // to a target's owner: nobody can tell whether access should still be allowed
	NoticeApproverGone = "approver-gone" // to a target's owner: somebody who approved active access has left or is locked
)

// Job is the durable form of the notice.
func (n Notice) Job() Job {
	j := Job{Kind: JobNotice, Key: n.ID, Due: n.Due, Pace: "dm:" + string(n.To)}
	if n.To == "" {
		j.Pace = "ch:" + n.Channel
	}
	if n.Urgent {
		j.Lane = LaneUrgent
	}
	return j
}

// FactSecret is the fact of a step that made a secret: its keyed fingerprint. The secret waits, sealed, for who carries the run out.
const FactSecret = "secret_fingerprint"

// FactOldGone is the fact of a rotation that says how it is known that the old credential is dead.
const FactOldGone = "old_credential_gone"
