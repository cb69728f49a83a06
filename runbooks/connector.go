package runbooks

import (
	"context"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

// Connector is an adapter to one target system. Every method must return soon after ctx ends, may be called by several
// goroutines, and is called again after a crash or a doubt: what is said here about repetition is the contract that
// runbooktest.Exercise holds every connector to.
type Connector interface {
	// Describe says what the target can do; it is constant for the life of the connector and does no I/O.
	Describe() Capabilities

	// Grant makes the access. It is idempotent by g.ID: granting again changes nothing, never moves the end, and
	// answers the same receipt. It never gives more than g says.
	Grant(ctx context.Context, g Grant) (Receipt, error)

	// Revoke takes the access back and ends what it can of open sessions. Revoking what is not there succeeds.
	Revoke(ctx context.Context, g Grant) (Receipt, error)

	// Check reads the target back. An error means "cannot tell": the presence is then Unconfirmed, and the text of an
	// *Error says what is missing, in words for the card ("1 of 3 hosts has not pulled the list").
	Check(ctx context.Context, g Grant) (Presence, error)
}

// Prober is an optional part of a connector: can it do what it must, and no more.
type Prober interface {
	Probe(ctx context.Context) []Finding
}

// Sessions is an optional part of a connector.
type Sessions interface {
	// ListSessions tells who uses the grant now: live sessions only.
	ListSessions(ctx context.Context, g Grant) ([]Session, error)
}

// Grant is what a connector is asked to make or to take back: everything it needs and nothing to decide.
type Grant struct {
	ID          workflows.GrantID
	Request     workflows.RequestID // empty when a runbook was invoked instead
	Identity    workflows.IdentityID
	Holder      string // the human's or identity's display name, for the target's own logs
	Account     string // the holder's account on the target, where the entitlement needs one
	Target      workflows.TargetID
	Entitlement workflows.EntitlementID
	Params      map[string][]string // the entitlement's own words: role, principals, extensions
	Fields      map[string]string   // typed form fields: the pasted key
	Start, End  time.Time           // UTC; End is absolute
	Brokered    bool                `json:",omitempty"` // the holder may come in through the bastion only, to run one command
	Secret      Handover            `json:"-"`          // what MakeSecret made for this grant, the same at every call of Grant; else empty
}

// Receipt is what a target answered, redacted: it goes into the ledger. Facts are safe to publish (a serial, a
// fingerprint, a role); Personal names people and is sealed; Use tells the holder how to use the access.
type Receipt struct {
	Ref      string            // the target's own name for what was made: serial, role, binding
	Facts    map[string]string // ≤ 20 entries of ≤ 500 bytes
	Personal map[string]string // sealed in the ledger
	Use      Use
	Handover Handover `json:"-"` // a secret that the target made; sealed and taken out before anybody else sees the receipt
}

// Use is how a holder uses what was granted, shown on the card and by the command line. It never holds a secret.
type Use struct {
	Steps   []string          `json:"steps,omitempty"`   // sentences
	Command string            `json:"command,omitempty"` // one line to copy
	Host    string            `json:"host,omitempty"`
	Files   map[string]string `json:"files,omitempty"` // file name -> public content, such as a certificate
}

// Presence is what reading back found.
type Presence string

// The answers of Check.
const (
	Present     Presence = "present"
	Absent      Presence = "absent"
	Unconfirmed Presence = "unconfirmed" // the target cannot tell (yet): say so, keep asking
)

// Capabilities is what a connector declares about its target.
type Capabilities struct {
	Name          string        // "sshca"
	NativeExpiry  bool          // the access ends by itself even if we are dead
	MinTTL        time.Duration // the target refuses less
	EndsSessions  bool          // Revoke ends open sessions
	RevokeLatency time.Duration // typical, from Revoke to refusal
	Shared        bool          // one membership serves all overlapping grants of one holder; revoke only at the last end
	RevokeLeaves  string        // what a revocation does not end, one sentence for the card; empty if nothing
	Timeout       time.Duration // for one call
	Brokers       bool          // it keeps the holder of a brokered grant to a bastion and one command, or refuses
	Polls         bool          // the target works on an order after taking it: a call asks until it is done; cut meanwhile, its outcome is unknown
	Mints         bool          // the target makes a secret with each grant: see Handover
}

// Session is one use of a grant. What the target does not tell is empty.
type Session struct {
	Ref   string    // the target's own name: "pid 4711"; with Since it tells sessions apart
	Login string    // the account that logged in
	From  string    // address
	With  string    // the client program, as it calls itself
	Since time.Time // UTC
	Ended time.Time // zero while it lives

	Reckoned bool // Since is reckoned from an age, and another by a second at each look: Ref alone tells sessions apart
}

// Finding is one line of a probe.
type Finding struct {
	OK   bool
	What string // what was tried and what it means
	Do   string // what to do about it, when not OK
}

// Class says what a caller does about an error.
type Class int

// The classes of error.
const (
	Retry  Class = iota // try again later: the network, a lock, a time-out, an unknown outcome
	Refuse              // the target will never do this as asked: tell the requester
	Broken              // our own rights or configuration are wrong: tell the operator; revocations go on trying
)

// Error is a connector's classed error. Text is safe for the ledger: no secrets, no row data.
type Error struct {
	Class Class
	Text  string
	Err   error
}

// Error gives the safe text.
func (e *Error) Error() string { return e.Text }

// Unwrap gives the cause, for logs.
func (e *Error) Unwrap() error { return e.Err }
