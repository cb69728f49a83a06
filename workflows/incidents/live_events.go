package incidents

import "github.com/countersign-bot/countersign/workflows"

// The roles of an incident beside its commander.
const (
	RoleExecutor = "executor" // carries steps out
	RoleScribe   = "scribe"   // writes down what happens
)

// IncidentOpened begins an incident. Who opens it commands it until it is handed over.
type IncidentOpened struct {
	Title    string `json:"title" seal:"true"`
	Severity int    `json:"severity"`       // 1 is the worst, 5 the mildest
	Room     string `json:"room,omitempty"` // the channel that is told, such as "#incidents"
	Authn    string `json:"authn"`
	Channel  string `json:"channel"` // by which way it was said

	Uncommanded bool `json:"uncommanded,omitempty"` // who opened it may not command incidents: one who may takes it over
}

// IncidentJoined gives somebody a role in an incident.
type IncidentJoined struct {
	Person  workflows.PersonID `json:"who"`
	Role    string             `json:"role"` // RoleExecutor …
	Authn   string             `json:"authn"`
	Channel string             `json:"channel"`
}

// SeverityChanged says how bad it is now.
type SeverityChanged struct {
	From    int    `json:"from"`
	To      int    `json:"to"`
	Why     string `json:"why" seal:"true"`
	Authn   string `json:"authn"`
	Channel string `json:"channel"`
}

// HandedOver makes somebody else the commander.
type HandedOver struct {
	From    workflows.PersonID `json:"from"`
	To      workflows.PersonID `json:"to"`
	Summary string             `json:"summary" seal:"true"` // where it stands
	Authn   string             `json:"authn"`
	Channel string             `json:"channel"`
}

// IncidentClosed ends an incident. Everything that was granted for it is then taken back.
type IncidentClosed struct {
	Why     string `json:"why" seal:"true"`
	Authn   string `json:"authn"`
	Channel string `json:"channel"`
}

// IncidentSettled says that all access and all runs of a closed incident are being ended.
type IncidentSettled struct {
	Grants int `json:"grants"` // how much access that was
}

// Kind names for the ledger.
func (IncidentOpened) Kind() string  { return "incident.opened" }
func (IncidentJoined) Kind() string  { return "incident.joined" }
func (SeverityChanged) Kind() string { return "incident.severity" }
func (HandedOver) Kind() string      { return "incident.handed_over" }
func (IncidentClosed) Kind() string  { return "incident.closed" }
func (IncidentSettled) Kind() string { return "incident.settled" }

func liveKinds() []workflows.EventKind {
	return []workflows.EventKind{
		workflows.Of[IncidentOpened](), workflows.Of[IncidentJoined](), workflows.Of[SeverityChanged](), workflows.Of[HandedOver](),
		workflows.Of[IncidentClosed](), workflows.Of[IncidentSettled](),
	}
}
