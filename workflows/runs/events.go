package runs

import (
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

// The events of a run. Append-only, see workflows.Event.

// Opened begins a run: the plan of its steps is bound here, whatever becomes of the document.
type Opened struct {
	Runbook  workflows.RunbookID  `json:"runbook"`
	Document workflows.DocHash    `json:"document"`
	Mode     string               `json:"mode"` // KindIncident …
	Incident string               `json:"incident,omitempty"`
	Grant    workflows.GrantID    `json:"grant,omitempty"` // what the invocation gave at once
	Review   workflows.ReviewID   `json:"review,omitempty"`
	Request  workflows.RequestID  `json:"request,omitempty"` // KindRoutine: whose approval opened it
	Invoker  workflows.PersonID   `json:"invoker"`
	Executor workflows.PersonID   `json:"executor"`
	Subject  workflows.IdentityID `json:"subject,omitempty"` // whom or what a routine is about
	Fields   map[string]string    `json:"fields,omitempty"`
	Texts    map[string]string    `json:"texts,omitempty" seal:"true"`
	Accounts map[string]string    `json:"accounts,omitempty" seal:"true"` // of the subject, by target
	Steps    []incidents.Step     `json:"steps"`                          // without their texts: those stand in the document
	Apart    bool                 `json:"apart,omitempty"`                // who invoked carries no step out
	Channel  string               `json:"channel,omitempty"`              // where the checklist stands
	EndsAt   workflows.Stamp      `json:"ends_at"`                        // no connector is called for a new step after it
	Alarm    string               `json:"alarm,omitempty"`
	OnFail   string               `json:"on_failure,omitempty"`
	Rotation string               `json:"rotation,omitempty"` // KindRoutine: the rotation of the subject's secret that opened it, instead of a request

	Readers []workflows.PersonID `json:"readers,omitempty"` // KindRoutine: who is told before a secret of the subject changes, and when the old one is dead
}

// The kinds of run.
const (
	KindIncident = "incident"
	KindDrill    = "drill"
	KindRoutine  = "routine"
)

// Renewed says that the runbook was invoked again in the same incident: the run goes on where it stood.
type Renewed struct {
	Grant    workflows.GrantID  `json:"grant,omitempty"`
	Invoker  workflows.PersonID `json:"invoker"`
	Executor workflows.PersonID `json:"executor"`
	EndsAt   workflows.Stamp    `json:"ends_at"`
}

// StepStarted says that a connector is about to be asked to do a step. The order's id is the same however often it is tried, so that what
// was done already is not done twice.
type StepStarted struct {
	Step    int               `json:"step"` // from 1
	Order   workflows.GrantID `json:"order"`
	Attempt int               `json:"attempt"`
	Auto    bool              `json:"auto,omitempty"` // by itself: all before it was over
	Authn   string            `json:"authn,omitempty"`
	Channel string            `json:"channel,omitempty"`
}

// StepChecked says that reading the target found what the document wants before the step is done.
type StepChecked struct {
	Step     int    `json:"step"`
	Presence string `json:"presence"`
}

// StepDone says that a step is done: by a person's word, or by a connector's answer.
type StepDone struct {
	Step     int               `json:"step"`
	Ref      string            `json:"ref,omitempty"` // the target's own name for what was made
	Facts    map[string]string `json:"facts,omitempty"`
	Personal map[string]string `json:"personal,omitempty" seal:"true"`
	Use      string            `json:"use,omitempty" seal:"true"`
	Note     string            `json:"note,omitempty" seal:"true"`
	Authn    string            `json:"authn,omitempty"`
	Channel  string            `json:"channel,omitempty"`
}

// StepFailed says that a connector did not do a step. Final: it is not tried again by itself.
type StepFailed struct {
	Step    int             `json:"step"`
	Attempt int             `json:"attempt"`
	Class   string          `json:"class"`
	Text    string          `json:"text"`
	Final   bool            `json:"final,omitempty"`
	AgainAt workflows.Stamp `json:"again_at,omitzero"`
}

// StepSkipped says that somebody left a step out, and why.
type StepSkipped struct {
	Step    int    `json:"step"`
	Why     string `json:"why" seal:"true"`
	Authn   string `json:"authn"`
	Channel string `json:"channel"`
}

// RolledBack says that what was done is to be taken back, last first.
type RolledBack struct {
	Steps []int  `json:"steps"`
	Why   string `json:"why,omitempty" seal:"true"`
}

// StepUndone says that a step was taken back, and what reading the target showed.
type StepUndone struct {
	Step     int               `json:"step"`
	Presence string            `json:"presence"`
	Facts    map[string]string `json:"facts,omitempty"`
}

// SecretTaken says that who carries the run out was shown the secret that a step made. It is recorded before it is shown.
type SecretTaken struct {
	Step    int               `json:"step"`
	Order   workflows.GrantID `json:"order"`
	Authn   string            `json:"authn"`
	Channel string            `json:"channel"`
	From    string            `json:"from,omitempty" seal:"true"`
}

// SecretDestroyed says that what was kept of a step's secret is gone: it was taken and its target has it, or nobody took it in time.
type SecretDestroyed struct {
	Step int    `json:"step"`
	Why  string `json:"why"` // "taken", "not taken in time"
}

// EvidenceAdded attaches something that shows what was done: a text, a link, or the hash of a file that is kept elsewhere.
type EvidenceAdded struct {
	Step    int    `json:"step,omitempty"` // 0: of the run as a whole
	What    string `json:"what"`           // EvidenceText …
	Text    string `json:"text,omitempty" seal:"true"`
	Hash    string `json:"hash,omitempty"` // "sha256:…" of a file
	Size    int64  `json:"size,omitempty"`
	Authn   string `json:"authn"`
	Channel string `json:"channel"`
}

// The kinds of evidence.
const (
	EvidenceText = "text"
	EvidenceLink = "link"
	EvidenceFile = "file"
)

// Closed ends a run.
type Closed struct {
	How     string `json:"how"` // HowFinished …
	Why     string `json:"why,omitempty" seal:"true"`
	Open    []int  `json:"open,omitempty"` // steps that nobody did or skipped
	Authn   string `json:"authn,omitempty"`
	Channel string `json:"channel,omitempty"`
}

// How a run ends.
const (
	HowFinished = "finished"        // every step is over
	HowStopped  = "stopped"         // somebody ended it before, and said why
	HowIncident = "incident_closed" // its incident was closed
	HowRanOut   = "ran_out"         // nobody went on with it for a day after its time
)

// Kind names for the ledger.
func (Opened) Kind() string          { return "run.opened" }
func (Renewed) Kind() string         { return "run.renewed" }
func (StepStarted) Kind() string     { return "step.started" }
func (StepChecked) Kind() string     { return "step.checked" }
func (StepDone) Kind() string        { return "step.done" }
func (StepFailed) Kind() string      { return "step.failed" }
func (StepSkipped) Kind() string     { return "step.skipped" }
func (RolledBack) Kind() string      { return "run.rolled_back" }
func (StepUndone) Kind() string      { return "step.undone" }
func (SecretTaken) Kind() string     { return "run.secret_taken" }
func (SecretDestroyed) Kind() string { return "run.secret_destroyed" }
func (EvidenceAdded) Kind() string   { return "evidence.added" }
func (Closed) Kind() string          { return "run.closed" }

// EventKinds lists every kind of this package, for decoding.
func EventKinds() []workflows.EventKind {
	return []workflows.EventKind{
		workflows.Of[Opened](), workflows.Of[Renewed](), workflows.Of[StepStarted](), workflows.Of[StepDone](), workflows.Of[StepFailed](),
		workflows.Of[StepSkipped](), workflows.Of[RolledBack](), workflows.Of[StepUndone](), workflows.Of[EvidenceAdded](), workflows.Of[Closed](), workflows.Of[StepChecked](),
		workflows.Of[SecretTaken](), workflows.Of[SecretDestroyed](),
	}
}
