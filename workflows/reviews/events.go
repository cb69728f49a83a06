package reviews

import "github.com/countersign-bot/countersign/workflows"

// Opened starts a review.
type Opened struct {
	About    string               `json:"about"` // "runbook/<id>"; "request/<id>" for a sample of what was approved without people
	Incident string               `json:"incident"`
	Grant    workflows.GrantID    `json:"grant,omitempty"`
	Invoker  workflows.PersonID   `json:"invoker"`
	Owner    workflows.PersonID   `json:"owner"` // never the invoker
	Others   []workflows.PersonID `json:"others,omitempty"`
	DueAt    workflows.Stamp      `json:"due_at"`
	Document workflows.DocHash    `json:"document"`
	Drill    bool                 `json:"drill,omitempty"`
}

// Overdue says that the deadline passed without a verdict.
type Overdue struct {
	DueAt workflows.Stamp `json:"due_at"`
}

// Verdict is what the review found.
type Verdict string

// The verdicts.
const (
	Emergency Verdict = "emergency" // the glass was rightly broken
	Drill     Verdict = "drill"
	Misuse    Verdict = "misuse"
	Proper    Verdict = "proper" // of a sample: rightly approved without people
)

// sample tells whether the review looks at a request that no person decided, rather than at a broken glass.
func (o Opened) sample() bool { return workflows.StreamID(o.About).Kind() == workflows.KindRequest }

// Closed ends a review.
type Closed struct {
	Verdict Verdict `json:"verdict"`
	Note    string  `json:"note" seal:"true"`
	Authn   string  `json:"authn"`
	Channel string  `json:"channel"`
}

// Kind names for the ledger.
func (Opened) Kind() string  { return "review.opened" }
func (Overdue) Kind() string { return "review.overdue" }
func (Closed) Kind() string  { return "review.closed" }

// EventKinds lists every kind of this package, for decoding.
func EventKinds() []workflows.EventKind {
	return []workflows.EventKind{workflows.Of[Opened](), workflows.Of[Overdue](), workflows.Of[Closed]()}
}
