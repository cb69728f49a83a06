package grants

import "github.com/countersign-bot/countersign/workflows"

// The events of a grant stream. Append-only, see workflows.Event.

// Approved says that access is due: a request was approved or a runbook was invoked. Its end is absolute from here on.
type Approved struct {
	Grant       workflows.GrantID       `json:"grant"`
	Request     workflows.RequestID     `json:"request,omitempty"`
	Runbook     workflows.RunbookID     `json:"runbook,omitempty"`
	Incident    string                  `json:"incident,omitempty"`
	Identity    workflows.IdentityID    `json:"identity"`
	Requester   workflows.PersonID      `json:"requester"`
	Approvers   []workflows.PersonID    `json:"approvers,omitempty"` // whose votes made it; empty for break glass
	Owner       workflows.PersonID      `json:"owner"`               // of the target
	Target      workflows.TargetID      `json:"target"`
	TargetTitle string                  `json:"target_title"`
	Entitlement workflows.EntitlementID `json:"entitlement"`
	Title       string                  `json:"title"`
	Connector   string                  `json:"connector"`
	Params      map[string][]string     `json:"params"`
	Fields      map[string]string       `json:"fields,omitempty"`
	Account     string                  `json:"account,omitempty" seal:"true"`
	Holder      string                  `json:"holder,omitempty" seal:"true"` // display name, for the target's own logs
	Shared      bool                    `json:"shared,omitempty"`             // one membership for all overlapping grants
	EndsAt      workflows.Stamp         `json:"ends_at"`
	EndsMono    int64                   `json:"ends_mono,string"` // ledger-monotonic nanoseconds, as text: they pass 2^53 after 104 days
	Alarm       string                  `json:"alarm,omitempty"`  // channel that is told when a revocation does not succeed
	Drill       bool                    `json:"drill,omitempty"`

	StartsAt workflows.Stamp   `json:"starts_at,omitzero"` // agreed start; zero: at once
	Extends  workflows.GrantID `json:"extends,omitempty"`  // the grant that this one goes on from
	First    workflows.Stamp   `json:"first,omitzero"`     // start of the first grant of a row of extensions
	Cap      workflows.Span    `json:"cap,omitempty"`      // how long the row may last in all, from First on
	Ticket   string            `json:"ticket,omitempty"`   // its closing ends the access
	Risk     string            `json:"risk,omitempty"`     // tier

	MaxUnverified workflows.Span  `json:"max_unverified,omitempty"` // how long nobody may be able to tell whether it should be allowed; 0: until its end
	Principal     string          `json:"principal,omitempty"`      // what kind of identity holds it: "person", "service_account" …
	Run           workflows.RunID `json:"run,omitempty"`            // whose step gives it
	Step          int             `json:"step,omitempty"`
	ActsAs        ActsAs          `json:"acts_as,omitzero"`   // the holder, a person, acts as this identity
	Brokered      bool            `json:"brokered,omitempty"` // the holder is kept to a bastion and one command
}

// ActsAs is what stands on record when a person acts as a non-human identity: whose account it is, and exactly six items of evidence (PCI DSS 8.6.1).
type ActsAs struct {
	Identity    workflows.IdentityID `json:"identity"`
	Exceptional string               `json:"exceptional"` // the circumstance, as the form's choice says it
	Until       workflows.Stamp      `json:"until"`       // no longer than this
	Reason      string               `json:"reason"`      // the request whose sealed text says why
	Management  []workflows.PersonID `json:"management"`  // who of management approved
	Confirmed   string               `json:"confirmed"`   // how the person proved to be themselves when they asked
	Attributed  string               `json:"attributed"`  // the name under which the target's own log has each action
}

// Started says that the target has the access, with what it answered.
type Started struct {
	Grant    workflows.GrantID `json:"grant"`
	Ref      string            `json:"ref"`
	Facts    map[string]string `json:"facts,omitempty"`
	Personal map[string]string `json:"personal,omitempty" seal:"true"`
	Use      string            `json:"use,omitempty" seal:"true"` // JSON of runbooks.Use
}

// AttemptFailed records a call to the target that did not succeed: the first of a row, and one at each alarm.
type AttemptFailed struct {
	Grant workflows.GrantID `json:"grant"`
	Op    string            `json:"op"` // "start" or "revoke"
	Class string            `json:"class"`
	Text  string            `json:"text"`
}

// Failed says that the access could not be made and never will be.
type Failed struct {
	Grant workflows.GrantID `json:"grant"`
	Why   string            `json:"why"`
}

// Ending says that the access is over and must be taken back, or that another grant keeps the shared membership.
type Ending struct {
	Grant  workflows.GrantID `json:"grant"`
	How    string            `json:"how"` // HowExpired …
	Why    string            `json:"why,omitempty" seal:"true"`
	KeptBy workflows.GrantID `json:"kept_by,omitempty"`
}

// How a grant ends.
const (
	HowExpired  = "expired"
	HowReturned = "returned" // the holder was done early
	HowRevoked  = "revoked"
)

// Overdue says that a revocation has not succeeded: level 1 after a minute, 2 after five.
type Overdue struct {
	Grant workflows.GrantID `json:"grant"`
	Level int               `json:"level"`
}

// Revoked says that the target took the access back, and what reading it back showed.
type Revoked struct {
	Grant    workflows.GrantID `json:"grant"`
	Presence string            `json:"presence"` // "absent" or "unconfirmed"
	Facts    map[string]string `json:"facts,omitempty"`
	Leaves   string            `json:"leaves,omitempty"` // what the revocation does not end
}

// Verified says what reading back showed after a revocation that stands on record: that an unconfirmed one has taken hold, or that access which was
// made after its revocation is taken back too. Revoked is recorded once for each grant.
type Verified struct {
	Grant    workflows.GrantID `json:"grant"`
	Presence string            `json:"presence,omitempty"` // "unconfirmed"; none: absent
	Facts    map[string]string `json:"facts,omitempty"`    // what the target answered, if it was asked to take it back
}

// Kind names for the ledger.
func (Approved) Kind() string      { return "grant.approved" }
func (Started) Kind() string       { return "grant.started" }
func (AttemptFailed) Kind() string { return "grant.attempt_failed" }
func (Failed) Kind() string        { return "grant.failed" }
func (Ending) Kind() string        { return "grant.ending" }
func (Overdue) Kind() string       { return "grant.overdue" }
func (Revoked) Kind() string       { return "grant.revoked" }
func (Verified) Kind() string      { return "grant.verified" }

// EventKinds lists every kind of this package, for decoding.
func EventKinds() []workflows.EventKind {
	return []workflows.EventKind{
		workflows.Of[Approved](), workflows.Of[Started](), workflows.Of[AttemptFailed](), workflows.Of[Failed](),
		workflows.Of[Ending](), workflows.Of[Overdue](), workflows.Of[Revoked](), workflows.Of[Verified](),
		workflows.Of[SecretKept](), workflows.Of[SecretTaken](), workflows.Of[SecretDestroyed](),
		workflows.Of[Checked](), workflows.Of[RemovedByHand](), workflows.Of[SessionSeen](), workflows.Of[SessionEnded](), workflows.Of[SecretLeaked](),
	}
}
