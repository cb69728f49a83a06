package identities

import "github.com/countersign-bot/countersign/workflows"

// Linked says that an account belongs to a person. It never rewrites: events recorded the person as resolved then.
type Linked struct {
	Account workflows.ActorID `json:"account"`
	Medium  string            `json:"medium"` // "slack", "unix"
	How     string            `json:"how"`    // "people file", "first seen", "e-mail"
	Name    string            `json:"name,omitempty" seal:"true"`
	Email   string            `json:"email,omitempty" seal:"true"`
}

// Registered puts a non-human identity into the inventory, or changes its entry.
type Registered struct {
	Class       string             `json:"class"` // service_account, api_key …
	Name        string             `json:"name"`
	Owner       workflows.PersonID `json:"owner"`
	Backup      workflows.PersonID `json:"backup,omitempty"`
	Purpose     string             `json:"purpose"`
	Environment string             `json:"environment"`
	Expires     string             `json:"expires"` // YYYY-MM-DD
}

// Removed says that an identity is no longer in the inventory.
type Removed struct {
	Why string `json:"why"`
}

// Kind names for the ledger.
func (Linked) Kind() string     { return "person.linked" }
func (Registered) Kind() string { return "identity.registered" }
func (Removed) Kind() string    { return "identity.removed" }

// EventKinds lists every kind of this package, for decoding.
func EventKinds() []workflows.EventKind {
	return []workflows.EventKind{workflows.Of[Linked](), workflows.Of[Registered](), workflows.Of[Removed]()}
}
