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

	Run      workflows.RunID    `json:"run,omitempty"`
	Executor workflows.PersonID `json:"executor,omitempty"` // who held the access, where that is not the invoker
	Tasks    []Task             `json:"tasks,omitempty"`    // no verdict before they are done
	Alarm    string             `json:"alarm,omitempty"`    // channel that is told while it stays overdue
}

// Task is something that must be done before a review can be closed: a credential that somebody got to see is rotated.
type Task struct {
	ID    string             `json:"id"` // "1", "2" … within the review
	What  string             `json:"what"`
	Owner workflows.PersonID `json:"owner"`
	DueAt workflows.Stamp    `json:"due_at"`

	Identity workflows.IdentityID `json:"identity,omitempty"` // whose secret it is: its rotation is opened when the use is over
}

// Joined says that a further use in the same incident falls under this review.
type Joined struct {
	About    string             `json:"about"`
	Grant    workflows.GrantID  `json:"grant,omitempty"`
	Run      workflows.RunID    `json:"run,omitempty"`
	Invoker  workflows.PersonID `json:"invoker"`
	Executor workflows.PersonID `json:"executor,omitempty"`
	Document workflows.DocHash  `json:"document"`
	Tasks    []Task             `json:"tasks,omitempty"`
}

// TaskDone says that a task of the review was done, and what shows it.
type TaskDone struct {
	Task    string `json:"task"`
	Note    string `json:"note" seal:"true"`
	Authn   string `json:"authn"`
	Channel string `json:"channel"`
}

// Escalated says that a review is overdue for another day: more people are told.
type Escalated struct {
	Level int `json:"level"` // days since it was due
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

// Kind names for the ledger.
func (Joined) Kind() string    { return "review.joined" }
func (TaskDone) Kind() string  { return "review.task_done" }
func (Escalated) Kind() string { return "review.escalated" }

// EventKinds lists every kind of this package, for decoding.
func EventKinds() []workflows.EventKind {
	return []workflows.EventKind{workflows.Of[Opened](), workflows.Of[Overdue](), workflows.Of[Closed](), workflows.Of[Joined](), workflows.Of[TaskDone](), workflows.Of[Escalated]()}
}
