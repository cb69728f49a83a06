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
	Document    DocHash           `json:"document,omitempty"`            // KindPreapprove: the exact text asked for
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
}

// PlannedStage is what a submission binds of each stage.
type PlannedStage struct {
	Name     string `json:"name"`
	Quorum   int    `json:"quorum"`
	Remind   Span   `json:"remind,omitempty"`
	Escalate Span   `json:"escalate,omitempty"`
	Timeout  Span   `json:"timeout"`
	Repeat   bool   `json:"repeat,omitempty"`
}

// StageOpened starts the clock of a stage for the people on its roster.
type StageOpened struct {
	Stage      int    `json:"stage"`
	Roster     []Seat `json:"roster"`
	RemindAt   Stamp  `json:"remind_at,omitzero"`
	EscalateAt Stamp  `json:"escalate_at,omitzero"`
	TimesOutAt Stamp  `json:"times_out_at"`
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
}

// StageSatisfied closes a stage whose quorum was met.
type StageSatisfied struct {
	Stage int `json:"stage"`
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

// EventKinds lists every kind of this package, for decoding. Events decode to values, not pointers: New gives the
// pointer to fill, Value what to keep.
func EventKinds() []EventKind {
	return []EventKind{
		Of[Submitted](), Of[StageOpened](), Of[RosterChanged](), Of[StageReminded](), Of[StageEscalated](),
		Of[StageSatisfied](), Of[StageTimedOut](), Of[VoteRecorded](), Of[VoteTakenBack](), Of[Approved](),
		Of[Denied](), Of[Withdrawn](), Of[TimedOut](), Of[Superseded](), Of[Failed](), Of[Refused](),
		Of[NoticeDelivered](), Of[NoticeUndelivered](),
	}
}
