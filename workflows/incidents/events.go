package incidents

import "github.com/countersign-bot/countersign/workflows"

// Preapproved says that the exact text of a runbook may be invoked until a moment, a number of times.
type Preapproved struct {
	Document  workflows.DocHash    `json:"document"`
	Request   workflows.RequestID  `json:"request"`
	Approvers []workflows.PersonID `json:"approvers"`
	Until     workflows.Stamp      `json:"until"`
	Uses      int                  `json:"uses"`
}

// Invoked says that somebody on the list broke the glass.
type Invoked struct {
	Document workflows.DocHash    `json:"document"`
	Incident string               `json:"incident"`
	Reason   string               `json:"reason,omitempty" seal:"true"`
	Grant    workflows.GrantID    `json:"grant"`
	Review   workflows.ReviewID   `json:"review"`
	Skipped  []workflows.PersonID `json:"skipped"` // whose approval was skipped: they are told
	EndsAt   workflows.Stamp      `json:"ends_at"`
	Notify   string               `json:"notify,omitempty"`
	Authn    string               `json:"authn"`
	Channel  string               `json:"channel"`
	Payload  string               `json:"payload,omitempty"`
	Answers  workflows.Answers    `json:"answers"`
	Drill    bool                 `json:"drill,omitempty"`

	Tier       string               `json:"tier,omitempty"`       // TierPreapproved …; empty in entries older than this field
	Conditions []Condition          `json:"conditions,omitempty"` // as they stood then
	Second     workflows.PersonID   `json:"second,omitempty"`     // who agreed, where a second person was needed
	SecondBy   string               `json:"second_by,omitempty"`  // how they proved who they are; empty in entries older than this field
	Needed     []string             `json:"needed,omitempty"`     // why a second person was needed
	Proposal   string               `json:"proposal,omitempty"`
	Executor   workflows.PersonID   `json:"executor,omitempty"` // who holds the access and carries the steps out; empty: the invoker
	Run        workflows.RunID      `json:"run,omitempty"`
	Joined     bool                 `json:"joined,omitempty"`     // its review was open already, of the same incident
	Told       []workflows.PersonID `json:"told,omitempty"`       // who is told beside those who were skipped
	Alarm      string               `json:"alarm,omitempty"`      // a second channel that is told
	Escalation string               `json:"escalation,omitempty"` // that walks a path because of it; a drill with one counts once it is proved
}

// Proposed says that somebody wants to break the glass and needs a second listed person, because a review is overdue or it was used too
// often. Nothing is granted by it.
type Proposed struct {
	Proposal string               `json:"proposal"` // "x_…"
	Document workflows.DocHash    `json:"document"`
	Tier     string               `json:"tier"`
	Incident string               `json:"incident"`
	Reason   string               `json:"reason,omitempty" seal:"true"`
	Values   map[string]string    `json:"values,omitempty" seal:"true"` // as they were typed
	Executor workflows.PersonID   `json:"executor,omitempty"`
	Needed   []string             `json:"needed"`
	Asked    []workflows.PersonID `json:"asked"`
	Until    workflows.Stamp      `json:"until"`
	Authn    string               `json:"authn"`
	Channel  string               `json:"channel"`
}

// Barred says that a review found misuse: the person invokes this runbook no more until its text is approved anew.
type Barred struct {
	Person workflows.PersonID `json:"who"`
	Review workflows.ReviewID `json:"review"`
}

// DrillProved says that the alerts of a drill fired: a message of its escalation was delivered, and somebody who was asked acknowledged it.
type DrillProved struct {
	Grant      workflows.GrantID `json:"grant"`
	Escalation string            `json:"escalation"`
	Delivered  int               `json:"delivered"` // messages
}

// Condition is one thing that was checked when somebody invoked a runbook.
type Condition struct {
	Name string `json:"name"` // CondApproved …
	OK   bool   `json:"ok"`
	Says string `json:"says"` // a sentence
}

// Kind names for the ledger.
func (Preapproved) Kind() string { return "runbook.preapproved" }
func (Invoked) Kind() string     { return "runbook.invoked" }
func (Proposed) Kind() string    { return "runbook.proposed" }
func (Barred) Kind() string      { return "runbook.barred" }
func (DrillProved) Kind() string { return "runbook.drill_proved" }

// EventKinds lists every kind of this package, for decoding.
func EventKinds() []workflows.EventKind {
	return append([]workflows.EventKind{workflows.Of[Preapproved](), workflows.Of[Invoked](), workflows.Of[Proposed](), workflows.Of[Barred](), workflows.Of[DrillProved]()}, liveKinds()...)
}
