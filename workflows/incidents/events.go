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
}

// Kind names for the ledger.
func (Preapproved) Kind() string { return "runbook.preapproved" }
func (Invoked) Kind() string     { return "runbook.invoked" }

// EventKinds lists every kind of this package, for decoding.
func EventKinds() []workflows.EventKind {
	return []workflows.EventKind{workflows.Of[Preapproved](), workflows.Of[Invoked]()}
}
