package store

import (
	"github.com/countersign-bot/countersign/store/custody"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/workflows"
)

// The events of the system stream that the store and its wiring record. Append-only, as all events.

// Genesis is entry 0: which ledger this is.
type Genesis struct {
	Origin  string `json:"origin"`
	VKey    string `json:"vkey"`
	Format  int    `json:"format"`
	Virtual bool   `json:"virtual_clock"` // the clock is one that can be moved: a demo, never evidence
	Zones   string `json:"zones"`         // version of the time zone data
}

// InstanceStarted says which program on which folder writes from here on.
type InstanceStarted struct {
	Instance string `json:"instance"`
	Version  string `json:"version"`
	Zones    string `json:"zones"`
	Rules    int    `json:"rules,omitempty"` // Config.Rules; absent in entries of older programs
	Clock    string `json:"clock,omitempty"` // Config.MachineClock; absent where it is not known
}

// InstanceStopped is an orderly end; a start without it before was a crash.
type InstanceStopped struct {
	Instance string `json:"instance"`
}

// AnchorPublished says that a signed head left the process.
type AnchorPublished struct {
	Size  int64  `json:"size"`
	Root  string `json:"root"`
	Sink  string `json:"sink"`                        // "slack"
	Place string `json:"place,omitempty" seal:"true"` // channel and message
}

// ClockJumped says that the wall clock was set: From is where the monotonic clock put it, To what it says now. At a start no monotonic clock tells
// how long nobody ran: From is the newest entry's time then, and the step is one back.
type ClockJumped struct {
	From    workflows.Stamp `json:"from"`
	To      workflows.Stamp `json:"to"`
	AtStart bool            `json:"at_start,omitempty"` // absent in entries of older programs
}

// ClockConfirmed says that somebody answers for a wall clock that a start found behind the newest entry: access may begin again.
type ClockConfirmed struct {
	Floor  workflows.Stamp `json:"floor"` // where the clock had been
	Reason string          `json:"reason" seal:"true"`
}

// DebtRecorded enters what was done while the ledger could not be written.
type DebtRecorded struct {
	What  string          `json:"what"` // "revoked"
	Grant string          `json:"grant,omitempty"`
	Said  string          `json:"said" seal:"true"` // the receipt, redacted
	AtRun workflows.Stamp `json:"done_at"`
}

// KeyRotated says that another key signs the heads from here on; the verification itself follows it, see ledger.RotationFields.
type KeyRotated struct {
	Previous    string             `json:"previous"`
	VKey        string             `json:"vkey"`
	Cross       string             `json:"cross"`    // a note about the change that both keys have signed
	Proposal    string             `json:"proposal"` // in stream custody/…
	ProposedBy  workflows.PersonID `json:"proposed_by"`
	ConfirmedBy workflows.PersonID `json:"confirmed_by"`
}

// KeyReplaced says that a key of another purpose was replaced. Keys are named by the SHA-256 of their public half, or of a text made with them.
type KeyReplaced struct {
	Key         string             `json:"key"` // "sshca", "button-mac"
	Before      string             `json:"before"`
	After       string             `json:"after"`
	Proposal    string             `json:"proposal"`
	ProposedBy  workflows.PersonID `json:"proposed_by"`
	ConfirmedBy workflows.PersonID `json:"confirmed_by"`
}

// StreamOpened says that entries go out on a stream with names and sealed texts: the configuration says so.
type StreamOpened struct {
	Stream string `json:"stream_id"`
	Sink   string `json:"sink"` // "syslog", "file" …
	From   int64  `json:"from"` // the first entry that goes out so
}

// Kind names for the ledger.
func (Genesis) Kind() string         { return "genesis" }
func (InstanceStarted) Kind() string { return "instance.started" }
func (InstanceStopped) Kind() string { return "instance.stopped" }
func (AnchorPublished) Kind() string { return "anchor.published" }
func (ClockJumped) Kind() string     { return "clock.jumped" }
func (ClockConfirmed) Kind() string  { return "clock.confirmed" }
func (DebtRecorded) Kind() string    { return "debt.recorded" }
func (KeyRotated) Kind() string      { return ledger.TypeKeyRotated }
func (KeyReplaced) Kind() string     { return "key.replaced" }
func (StreamOpened) Kind() string    { return "stream.opened" }

// EventKinds lists every kind of this package and of custody, for decoding.
func EventKinds() []workflows.EventKind {
	return append([]workflows.EventKind{
		workflows.Of[Genesis](), workflows.Of[InstanceStarted](), workflows.Of[InstanceStopped](),
		workflows.Of[AnchorPublished](), workflows.Of[ClockJumped](), workflows.Of[ClockConfirmed](), workflows.Of[DebtRecorded](),
		workflows.Of[KeyRotated](), workflows.Of[KeyReplaced](), workflows.Of[StreamOpened](),
	}, custody.EventKinds()...)
}
