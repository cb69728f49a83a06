package workflows

// The events of a request. Append-only: kinds and fields are never renamed or removed, because the bytes of old
// entries must decode and fold for ever (testdata/events.golden holds them).

// Submitted opens a request: the form as it was understood, and the plan that binds it.
type Submitted struct {
	Workflow    WorkflowID        `json:"workflow"`
	Request     RequestKind       `json:"request_kind"`
	Subject     IdentityID        `json:"subject"`
	Sponsor     PersonID          `json:"sponsor,omitempty"` // the human who answers for a non-human subject
	Target      TargetID          `json:"target,omitempty"`
	Entitlement EntitlementID     `json:"entitlement,omitempty"`
	Runbook     RunbookID         `json:"runbook,omitempty"`
	Document    DocHash           `json:"document,omitempty"`            // of a runbook: the exact text asked for
	Account     string            `json:"account,omitempty" seal:"true"` // the holder's account name on the target
	Seconds     Span              `json:"seconds"`
	Fields      map[string]string `json:"fields,omitempty"`
	Texts       map[string]string `json:"texts,omitempty" seal:"true"`
	Reason      string            `json:"reason" seal:"true"`
	Plan        []PlannedStage    `json:"plan"`
	Digest      string            `json:"digest"`            // sha256 of what is asked, in canonical form
	Channel     string            `json:"channel"`           // "slack", "cli"
	Authn       string            `json:"authn"`             // "slack-click", "unix-peer"
	Rule        string            `json:"rule"`              // which rule of the policy let it through, in words
	Card        string            `json:"card,omitempty"`    // channel where the card stands
	Nonce       string            `json:"nonce" seal:"true"` // makes the digest say nothing about guessable text
	Drill       bool              `json:"drill,omitempty"`

	Chosen      string        `json:"chosen,omitempty"`   // name of the rule that chose the stages
	Trace       []RuleOutcome `json:"trace,omitempty"`    // what became of every rule that was asked
	Inputs      string        `json:"inputs,omitempty"`   // canonical JSON of what the conditions saw; holds ids only
	Risk        string        `json:"risk,omitempty"`     // tier
	RiskRow     int           `json:"risk_row,omitempty"` // row of the table that said so, from 1
	Extends     GrantID       `json:"extends,omitempty"`
	NotBefore   Stamp         `json:"not_before,omitzero"`    // agreed start
	NoLaterThan Stamp         `json:"no_later_than,omitzero"` // the field named by EndsWith
	Ticket      string        `json:"ticket,omitempty"`       // the ticket whose closing ends the access
	Offer       OfferRef      `json:"offer,omitzero"`         // the counter-offer that this takes up
	Window      string        `json:"window,omitempty"`       // the standing window that this is asked under
	Principal   string        `json:"principal,omitempty"`    // kind of the holder, as the risk table knew it
	StepUp      bool          `json:"step_up,omitempty"`      // the tier wants more than a click of everybody who approves
	Typed       bool          `json:"typed,omitempty"`        // the tier wants the target's name typed by whoever asks, and it was
	Already     bool          `json:"already,omitempty"`      // the target says that the holder has this now, by no grant of ours
	Renewal     int           `json:"renewal,omitempty"`      // of an extension: the first, the second …
	Told        []PersonID    `json:"told,omitempty"`         // who is told the outcome without being asked
	Checks      []string      `json:"checks,omitempty"`       // what was asked of the world outside, and its answers: "task PAY-1: open (jira)"

	About string `json:"about,omitempty" seal:"true"` // address of the message that this was asked about

	// What the target said will change, when this was asked; it names accounts.
	Changes   []string `json:"changes,omitempty" seal:"true"`
	PlanNotes []string `json:"plan_notes,omitempty" seal:"true"`
	Standing  []string `json:"standing,omitempty" seal:"true"` // what the holder has for good already (R52)

	Outside string `json:"outside,omitempty"` // OutsideContractor …: the holder does not belong to the company

	Watched []string `json:"watched,omitempty"` // rules of watching that demand a stronger chain of the requester or the holder now

	Since Stamp `json:"since,omitzero"` // of a renewed exception and of an extension: since when it stands; absent in older extensions
}

// PlannedStage is what a submission binds of each stage.
type PlannedStage struct {
	Name     string `json:"name"`
	Quorum   int    `json:"quorum"`
	Remind   Span   `json:"remind,omitempty"`
	Escalate Span   `json:"escalate,omitempty"`
	Timeout  Span   `json:"timeout"`
	Repeat   bool   `json:"repeat,omitempty"`

	Kind     string        `json:"kind,omitempty"`
	Parts    []PlannedPart `json:"parts,omitempty"`
	AnyPart  bool          `json:"any_part,omitempty"`
	Apart    []int         `json:"apart,omitempty"` // stages of the plan whose approvers do not count here; empty: all earlier ones
	Tiers    []PlannedTier `json:"tiers,omitempty"` // all tiers, the first included; empty in entries older than this field
	Deny     string        `json:"deny,omitempty"`
	OffHours string        `json:"off_hours,omitempty"`
}

// StageOpened starts the clock of a stage for the people on its roster.
type StageOpened struct {
	Stage      int    `json:"stage"`
	Roster     []Seat `json:"roster"`
	RemindAt   Stamp  `json:"remind_at,omitzero"`
	EscalateAt Stamp  `json:"escalate_at,omitzero"`
	TimesOutAt Stamp  `json:"times_out_at"`

	ThenAt   []Stamp    `json:"then_at,omitempty"`   // of the tiers behind the first
	ShiftsAt []Stamp    `json:"shifts_at,omitempty"` // when others may come on shift
	Told     []PersonID `json:"told,omitempty"`      // who is told without being asked
}

// RosterChanged replaces the roster of the open stage: a shift change, or a person who left.
type RosterChanged struct {
	Stage  int    `json:"stage"`
	Roster []Seat `json:"roster"`
	Why    string `json:"why"`
}

// StageReminded says that those still asked are to be reminded.
type StageReminded struct {
	Stage int `json:"stage"`
}

// StageEscalated widens the roster. Skipped says why nobody was added, when nobody was.
type StageEscalated struct {
	Stage   int    `json:"stage"`
	Added   []Seat `json:"added"`
	Skipped string `json:"skipped,omitempty"`
	Tier    int    `json:"tier,omitempty"` // 0 is the first
	Why     string `json:"why,omitempty"`  // "time", "nobody available", "nobody could be told"
}

// StageSatisfied closes a stage whose quorum was met.
type StageSatisfied struct {
	Stage   int `json:"stage"`
	Consent int `json:"consent,omitempty"` // StageConsent: how many were told and did not object
}

// StageTimedOut closes a stage that nobody decided in time.
type StageTimedOut struct {
	Stage int `json:"stage"`
}

// Verdict is what a vote says.
type Verdict string

// The verdicts.
const (
	Approve Verdict = "approve"
	Deny    Verdict = "deny"
	Counter Verdict = "counter" // offers other terms; recorded as request.countered, never as a vote
)

// Answers are the three separate questions of every decision (R59), each answered in its own words.
type Answers struct {
	Who  string `json:"who"`  // who or what asks
	What string `json:"what"` // to do what
	Now  string `json:"now"`  // whether it should be allowed now, and why
}

// VoteRecorded is one person's decision on one stage, bound to what they were shown.
type VoteRecorded struct {
	Stage      int      `json:"stage"`
	Verdict    Verdict  `json:"verdict"`
	Reason     string   `json:"reason,omitempty" seal:"true"`
	Digest     string   `json:"digest"`
	Shown      string   `json:"shown"`
	Authn      string   `json:"authn"`
	Channel    string   `json:"channel"`
	Payload    string   `json:"payload,omitempty"` // sha256 of the raw interaction
	ReceivedAt Stamp    `json:"received_at"`
	Answers    Answers  `json:"answers"`
	Sponsor    PersonID `json:"sponsor,omitempty"`
	Drill      bool     `json:"drill,omitempty"`
	For        PersonID `json:"for,omitempty"` // in whose place

	Opened int64 `json:"opened,omitempty"` // place in the stream of the entry by which the voter opened it; Unopened: they had not
}

// Countered offers other terms. The request stays as it is until its requester accepts.
type Countered struct {
	Offer      string `json:"offer"` // "o_…"
	Stage      int    `json:"stage"`
	Terms      Terms  `json:"terms"`
	Reason     string `json:"reason,omitempty" seal:"true"`
	Digest     string `json:"digest"` // of what was asked
	Shown      string `json:"shown"`
	Authn      string `json:"authn"`
	Channel    string `json:"channel"`
	ReceivedAt Stamp  `json:"received_at"`
}

// OfferAccepted takes up a counter-offer: this request ends as superseded and another one, with those terms, opens in the same transaction.
type OfferAccepted struct {
	Offer   string    `json:"offer"`
	Request RequestID `json:"request"`
	Authn   string    `json:"authn"`
	Channel string    `json:"channel"`
}

// OfferDeclined turns a counter-offer down; the request goes on as it was.
type OfferDeclined struct {
	Offer   string `json:"offer"`
	Channel string `json:"channel"`
}

// Commented is a note that somebody who may see the request added. It decides nothing.
type Commented struct {
	Text    string `json:"text" seal:"true"`
	Channel string `json:"channel"`
}

// AutoApproved says that a rule of the document approved without people.
type AutoApproved struct {
	Rule    string `json:"rule"`
	Used    int    `json:"used"` // how often in the period, this one included
	Times   int    `json:"times"`
	Per     Span   `json:"per"`
	Sampled bool   `json:"sampled,omitempty"` // the owner of the workflow reviews it
}

// VoteTakenBack withdraws the person's own approval.
type VoteTakenBack struct {
	Stage int    `json:"stage"`
	Why   string `json:"why,omitempty" seal:"true"`
}

// Approved ends a request in favour: each stage met its quorum.
type Approved struct {
	Digest  string  `json:"digest"`
	Grant   GrantID `json:"grant,omitempty"`
	Answers Answers `json:"answers"`
}

// Denied ends a request against.
type Denied struct {
	Stage int `json:"stage"`
}

// Withdrawn ends a request by its requester.
type Withdrawn struct {
	Why string `json:"why,omitempty" seal:"true"`
}

// TimedOut ends a request that was not decided; it is not a denial.
type TimedOut struct {
	Stage int `json:"stage"`
}

// Superseded ends a request whose ground has moved: the words say how.
type Superseded struct {
	Code string `json:"code"`
	Why  string `json:"why"`
}

// Failed ends an approved request whose access could not be made.
type Failed struct {
	Why string `json:"why"`
}

// Refused records an attempt that was turned away and changed nothing.
type Refused struct {
	Command string `json:"command"`
	Code    string `json:"code"`
	Channel string `json:"channel"`
	About   string `json:"about,omitempty"` // what was attempted on, when there is no stream for it

	Failed []string `json:"failed,omitempty"` // of a runbook: the names of the conditions that did not hold
}

// NoticeDelivered says that somebody was told; Place is where (channel and message), to edit or find it again.
type NoticeDelivered struct {
	Notice string `json:"notice"`
	Via    string `json:"via"` // "slack", "cli"
	Place  string `json:"place,omitempty" seal:"true"`
}

// NoticeUndelivered says that somebody could not be told and why; it counts as not delivered for escalation.
type NoticeUndelivered struct {
	Notice string `json:"notice"`
	Why    string `json:"why"`
}

// Kind names for the ledger.
func (Submitted) Kind() string         { return "request.submitted" }
func (StageOpened) Kind() string       { return "stage.opened" }
func (RosterChanged) Kind() string     { return "roster.changed" }
func (StageReminded) Kind() string     { return "stage.reminded" }
func (StageEscalated) Kind() string    { return "stage.escalated" }
func (StageSatisfied) Kind() string    { return "stage.satisfied" }
func (StageTimedOut) Kind() string     { return "stage.timed_out" }
func (VoteRecorded) Kind() string      { return "vote.recorded" }
func (VoteTakenBack) Kind() string     { return "vote.taken_back" }
func (Approved) Kind() string          { return "request.approved" }
func (Denied) Kind() string            { return "request.denied" }
func (Withdrawn) Kind() string         { return "request.withdrawn" }
func (TimedOut) Kind() string          { return "request.timed_out" }
func (Superseded) Kind() string        { return "request.superseded" }
func (Failed) Kind() string            { return "request.failed" }
func (Refused) Kind() string           { return "command.refused" }
func (NoticeDelivered) Kind() string   { return "notice.delivered" }
func (NoticeUndelivered) Kind() string { return "notice.undelivered" }
func (Countered) Kind() string         { return "request.countered" }
func (OfferAccepted) Kind() string     { return "offer.accepted" }
func (OfferDeclined) Kind() string     { return "offer.declined" }
func (Commented) Kind() string         { return "request.commented" }
func (AutoApproved) Kind() string      { return "request.auto_approved" }

// EventKinds lists every kind of this package, for decoding. Events decode to values, not pointers: New gives the
// pointer to fill, Value what to keep.
func EventKinds() []EventKind {
	return []EventKind{
		Of[Submitted](), Of[StageOpened](), Of[RosterChanged](), Of[StageReminded](), Of[StageEscalated](),
		Of[StageSatisfied](), Of[StageTimedOut](), Of[VoteRecorded](), Of[VoteTakenBack](), Of[Approved](),
		Of[Denied](), Of[Withdrawn](), Of[TimedOut](), Of[Superseded](), Of[Failed](), Of[Refused](),
		Of[NoticeDelivered](), Of[NoticeUndelivered](), Of[Countered](), Of[OfferAccepted](), Of[OfferDeclined](), Of[Commented](),
		Of[AutoApproved](), Of[RequestOpened](),
	}
}
