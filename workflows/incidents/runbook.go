package incidents

import "github.com/countersign-bot/countersign/workflows"

// Runbook is the compiled front matter of a runbook document. It says who may invoke the document in an incident, what
// is then granted and for how long, who is told and who reviews. It never counts as approval: only the exact bytes of
// the document, approved through an ordinary request, do.
type Runbook struct {
	ID              workflows.RunbookID   `json:"id"`
	Title           string                `json:"title"`
	Purpose         string                `json:"purpose"`
	UseWhen         string                `json:"use_when"`
	DoNotUseWhen    string                `json:"do_not_use_when"`
	Owner           workflows.PersonID    `json:"owner"`
	Invokers        workflows.Selector    `json:"invokers"`
	Grant           workflows.Entitlement `json:"grant"`            // without a target: it grants nothing by itself, its steps do
	Longest         workflows.Span        `json:"longest"`          // how long an invocation lasts
	IncidentPattern string                `json:"incident_pattern"` // RE2, anchored by us; matches "INC-123"
	Skips           workflows.WorkflowID  `json:"skips"`            // the chain whose approvers are told that they were skipped
	Notify          string                `json:"notify"`           // channel that is told at once
	Reviewers       workflows.Selector    `json:"reviewers"`        // who may review; the first who is not the invoker owns it
	ReviewDue       workflows.Span        `json:"review_due"`
	Fields          []workflows.Field     `json:"fields,omitempty"`
	Document        workflows.DocHash     `json:"document"` // of the file's exact bytes

	Routine      bool                 `json:"routine,omitempty"`           // opened by a chain, without an incident; /breakglass does not know it
	SeverityMin  int                  `json:"severity_min,omitempty"`      // the incident is at least this severe; 1 is the worst, 0: any
	IncidentLive bool                 `json:"incident_required,omitempty"` // the incident must be known and open
	OnShift      []string             `json:"on_shift,omitempty"`          // rotations; the invoker is on shift in one of them
	Commander    bool                 `json:"commander_invokes,omitempty"` // only the incident's commander invokes
	Executors    *workflows.Selector  `json:"executors,omitempty"`         // who may carry steps out besides the invokers
	Apart        bool                 `json:"executor_differs,omitempty"`  // who invoked carries no step out and holds nothing: somebody else does
	BreakGlass   *BreakGlass          `json:"break_glass,omitempty"`       // nil: nobody goes around a condition that fails
	Chain        workflows.WorkflowID `json:"chain,omitempty"`             // asked when a condition fails; empty: Skips
	LastReviewed string               `json:"last_reviewed,omitempty"`     // YYYY-MM-DD; the text's own word, which an approval overtakes
	ReviewEvery  workflows.Span       `json:"review_every,omitempty"`
	DrillEvery   workflows.Span       `json:"drill_every,omitempty"`
	Cooldown     workflows.Span       `json:"cooldown,omitempty"`
	Often        *Often               `json:"max_uses,omitempty"`
	PersonOften  *Often               `json:"max_person_uses,omitempty"` // nil: usualOften
	Tell         *workflows.Selector  `json:"notify_people,omitempty"`
	Exposed      []Exposed            `json:"rotate_after,omitempty"`
	Steps        []Step               `json:"steps,omitempty"`      // of a document with step blocks; else they are read from its text
	OnFailure    string               `json:"on_failure,omitempty"` // OnFailureStop …; empty: stop
	OpensOn      []string             `json:"opens_on,omitempty"`   // of a routine: OpensOnRotation; what opens it without its chain
	Kinds        []string             `json:"kinds,omitempty"`      // of one that rotations open: the kinds of identity for which people follow it, where no step does it on their target
}

// BreakGlass is the third tier: who may go around conditions that fail, and for how long.
type BreakGlass struct {
	People  workflows.Selector `json:"people"`
	Longest workflows.Span     `json:"longest"`
	StepUp  bool               `json:"step_up,omitempty"` // a click is not enough to go around a condition
}

// Often is so many uses in so much time.
type Often struct {
	Times int            `json:"times"`
	Per   workflows.Span `json:"per"`
}

// Exposed is a credential that whoever carries the runbook out gets to see: it is rotated afterwards, and the review waits for it.
type Exposed struct {
	What   string             `json:"what"`
	Owner  workflows.PersonID `json:"owner"`
	Within workflows.Span     `json:"within"`

	Identity workflows.IdentityID `json:"identity,omitempty"` // whose secret it is, where the inventory has it: its rotation is opened when the use is over
}

// Step is one thing to do, by hand or by a connector.
type Step struct {
	Title     string                `json:"title"`
	Text      string                `json:"text,omitempty"`    // Markdown, as the document has it
	Action    string                `json:"action,omitempty"`  // ByHand, ActGrant …
	Does      workflows.Entitlement `json:"does,omitzero"`     // what a connector is asked to do
	Fields    map[string]string     `json:"fields,omitempty"`  // what it is handed; "${name}" stands for an answer of the form
	Secrets   map[string]string     `json:"secrets,omitempty"` // where what nobody may read lies: "file:/…", "env:…"; read when the step runs
	Account   string                `json:"account,omitempty"` // ActRevoke, ActRotate, ActRenew, ActRetire: whose, or "${name}"
	Timeout   workflows.Span        `json:"timeout,omitempty"`
	Retries   int                   `json:"retries,omitempty"`
	Auto      bool                  `json:"auto,omitempty"`     // begins by itself once all before it are over
	Wait      workflows.Span        `json:"wait,omitempty"`     // of one that begins by itself: how long after all before it were over
	Second    bool                  `json:"second,omitempty"`   // by somebody else than who invoked
	Precheck  string                `json:"precheck,omitempty"` // PresencePresent, PresenceAbsent: what reading the target must find first
	Rollback  bool                  `json:"rollback,omitempty"` // taken back when the run is rolled back
	OnFailure string                `json:"on_failure,omitempty"`
	Evidence  bool                  `json:"evidence,omitempty"` // done only with a note, a link or a file's hash
}

// What a step does.
const (
	ByHand     = ""        // a person does it and says so
	ActGrant   = "grant"   // access for who carries the run out; it ends with the run
	ActRevoke  = "revoke"  // takes an entitlement away from somebody, however they got it
	ActRotate  = "rotate"  // a new secret on the target, the old one retired
	ActRenew   = "renew"   // a new secret beside the old one, which works on until a later step retires it
	ActRetire  = "retire"  // ends the old secret that an earlier step renewed
	ActCommand = "command" // runs a program of a target of that kind
	ActWebhook = "webhook" // calls a service of a target of that kind
)

// What happens when a step fails for good.
const (
	OnFailureStop     = "stop"     // people decide: try again, skip with a reason, or roll back
	OnFailureContinue = "continue" // the next step may begin
	OnFailureRollback = "rollback" // what was done and says rollback is taken back, last first
)

// OpensOnRotation says that the rotation of an identity's secret opens a routine without asking its chain: who demands the rotation decided.
const OpensOnRotation = "rotation"

// What a precheck wants to find.
const (
	PresencePresent = "present"
	PresenceAbsent  = "absent"
)

// Actions are all kinds of step that a connector does.
func Actions() []string {
	return []string{ActGrant, ActRevoke, ActRotate, ActRenew, ActRetire, ActCommand, ActWebhook}
}

// Turns tells whether the step is about the secret of an account: it makes a new one, ends the old one, or both.
func (s Step) Turns() bool {
	return s.Action == ActRotate || s.Action == ActRenew || s.Action == ActRetire
}

// MakesSecret tells whether a new secret comes of the step.
func (s Step) MakesSecret() bool { return s.Action == ActRotate || s.Action == ActRenew }

// Plan is the steps of a runbook: those of its blocks, or else, all by hand, those of its text.
func (b Runbook) Plan(text []byte) []Step {
	if len(b.Steps) > 0 {
		return b.Steps
	}
	var out []Step
	for _, o := range ReadOutline(text) {
		out = append(out, Step{Title: o.Title, Text: o.Text})
	}
	return out
}

// personOften is how often one person may break the glass before a second one must agree.
func (b Runbook) personOften() Often {
	if b.PersonOften != nil {
		return *b.PersonOften
	}
	return usualOften()
}

// Asks is the chain that is asked when a condition fails.
func (b Runbook) Asks() workflows.WorkflowID {
	if b.Chain != "" {
		return b.Chain
	}
	return b.Skips
}
