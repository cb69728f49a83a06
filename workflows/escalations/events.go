package escalations

import "github.com/countersign-bot/countersign/workflows"

// Opened begins an escalation.
type Opened struct {
	About    string               `json:"about"`        // what: KindBreakGlass …
	Path     string               `json:"path"`         // the path that it walks
	Steps    int                  `json:"steps"`        // of that path
	Repeat   int                  `json:"repeat"`       // how often it is walked again
	Of       string               `json:"of,omitempty"` // the stream that it is about, such as "grant/…"
	Grant    workflows.GrantID    `json:"grant,omitempty"`
	Runbook  workflows.RunbookID  `json:"runbook,omitempty"`
	Incident string               `json:"incident,omitempty"`
	Whose    []workflows.PersonID `json:"whose,omitempty"` // whose doing it is: they do not acknowledge it
	What     string               `json:"what" seal:"true"`
	Why      string               `json:"why" seal:"true"`
	Told     []workflows.PersonID `json:"told,omitempty"`    // told once, nothing is asked of them
	Channel  string               `json:"channel,omitempty"` // likewise
	Drill    bool                 `json:"drill,omitempty"`
}

// StepTaken says whom the next step asks, as resolved then, and until when it waits for an acknowledgement.
type StepTaken struct {
	Step    int                  `json:"step"`  // 1 … of the path
	Round   int                  `json:"round"` // 1 … of the walk
	People  []workflows.PersonID `json:"people,omitempty"`
	By      []string             `json:"by"` // ByDM …
	Channel string               `json:"channel,omitempty"`
	Pager   string               `json:"pager,omitempty"`
	Until   workflows.Stamp      `json:"until"`
	Because string               `json:"because"` // BecauseOpened …
}

// Why a step was taken.
const (
	BecauseOpened      = "opened"
	BecauseSilence     = "no acknowledgement"
	BecauseUndelivered = "nobody could be told"
)

// Acknowledged says that somebody looks after it.
type Acknowledged struct {
	Note    string `json:"note" seal:"true"`
	Authn   string `json:"authn"`
	Channel string `json:"channel"` // by which way it was said
}

// Exhausted says that the whole path was walked as often as it says, and nobody acknowledged.
type Exhausted struct {
	Rounds int `json:"rounds"`
	Told   int `json:"told"` // messages that were delivered
}

// Closed ends an escalation.
type Closed struct {
	How     string `json:"how"` // HowByHand …
	Why     string `json:"why" seal:"true"`
	Authn   string `json:"authn,omitempty"`
	Channel string `json:"channel,omitempty"`
}

// How an escalation is closed.
const (
	HowByHand = "by_hand"
	HowOver   = "over" // what it is about has ended
)

// Kind names for the ledger.
func (Opened) Kind() string       { return "escalation.opened" }
func (StepTaken) Kind() string    { return "escalation.step_taken" }
func (Acknowledged) Kind() string { return "escalation.acknowledged" }
func (Exhausted) Kind() string    { return "escalation.exhausted" }
func (Closed) Kind() string       { return "escalation.closed" }

// EventKinds lists every kind of this package, for decoding.
func EventKinds() []workflows.EventKind {
	return []workflows.EventKind{workflows.Of[Opened](), workflows.Of[StepTaken](), workflows.Of[Acknowledged](), workflows.Of[Exhausted](), workflows.Of[Closed]()}
}
