package targets

import "github.com/countersign-bot/countersign/workflows"

// Why access is a finding.
const (
	WhyUnknown  = "unknown"   // nothing in the ledger explains it
	WhyLeftOver = "left_over" // the grant behind it has ended, and it is there
	WhyLonger   = "longer"    // the grant behind it ends earlier than the target says
	WhyVanished = "vanished"  // a grant is active, and the target has no such access
	WhyStanding = "standing"  // somebody whom we know has for good what can be asked for a time (R52)
)

// What is done about a finding.
const (
	ActReport = "report"
	ActRevoke = "revoke"
)

// How a finding is over.
const (
	OverGone    = "gone"    // it is not there any more, or is again
	OverRemoved = "removed" // the bot took it away
)

// Found says that a target has access that it should not have, or lacks what it should. Findings have names that do not tell
// whose they are; whoever the target names is sealed.
type Found struct {
	Finding  string            `json:"finding"`
	Why      string            `json:"why"`
	Act      string            `json:"act"`
	What     string            `json:"what"` // "member of the role payments"
	Account  string            `json:"account,omitempty" seal:"true"`
	Key      string            `json:"key,omitempty" seal:"true"` // the target's own name for it
	Ours     bool              `json:"ours,omitempty"`            // the target says that the bot made it
	Grant    workflows.GrantID `json:"grant,omitempty"`
	MadeBy   string            `json:"made_by,omitempty" seal:"true"` // as the target names them
	MadeAt   workflows.Stamp   `json:"made_at,omitzero"`              // zero: the target does not tell
	LastUsed workflows.Stamp   `json:"last_used,omitzero"`
	Ends     workflows.Stamp   `json:"ends,omitzero"` // the target's own end of it

	Entitlement workflows.EntitlementID `json:"entitlement,omitempty"` // WhyStanding: what gives the same for a time
	Owner       workflows.PersonID      `json:"owner,omitempty"`       // WhyStanding: who answers for that
	Due         workflows.Stamp         `json:"due,omitzero"`          // WhyStanding: until when it is to be gone, or answered for
}

// Cleared says that a finding is over.
type Cleared struct {
	Finding string            `json:"finding"`
	How     string            `json:"how"` // OverGone, OverRemoved
	Facts   map[string]string `json:"facts,omitempty"`
}

// RemoveFailed says that access was to be taken away and could not be; it is tried again by every sweep. One is recorded for
// each new kind of trouble.
type RemoveFailed struct {
	Finding string `json:"finding"`
	Class   string `json:"class"`
	Text    string `json:"text"`
}

// Accepted says that a person answers for access that no grant explains, such as a service's own account. It is not reported
// again for as long as it stays as it is.
type Accepted struct {
	Finding string `json:"finding"`
	Reason  string `json:"reason" seal:"true"`
	Channel string `json:"channel"`
	Authn   string `json:"authn"`
}

// Swept says what comparing the target with the ledger gave. One is recorded when that changed, once a day, and when a person
// asked for it.
type Swept struct {
	Seen    int64              `json:"seen"`             // accesses that the target listed
	Grants  int64              `json:"grants"`           // active ones that the ledger has for it
	New     int64              `json:"new"`              // findings of this sweep; at most MaxFindings of them are named
	Cleared int64              `json:"cleared"`          // that are over
	Open    int64              `json:"open"`             // that stand, accepted ones not counted
	Unread  string             `json:"unread,omitempty"` // why the target could not be read to the end; nothing is concluded then
	Owner   workflows.PersonID `json:"owner"`            // of the target: is told
	Alarm   string             `json:"alarm,omitempty"`  // channel that is told, too
}

// Drilled says whether access could be made, was there, could be taken back and was gone, on a canary that nobody uses.
type Drilled struct {
	Entitlement workflows.EntitlementID `json:"entitlement"`
	Grant       workflows.GrantID       `json:"grant"`
	OK          bool                    `json:"ok"`
	Step        string                  `json:"step,omitempty"` // where it failed
	Text        string                  `json:"text,omitempty"` // what the target said
	GrantMS     int64                   `json:"grant_ms"`       // until the target had it, read back
	RevokeMS    int64                   `json:"revoke_ms"`      // until the target refused, read back
	Owner       workflows.PersonID      `json:"owner"`
	Alarm       string                  `json:"alarm,omitempty"`
	Proof       string                  `json:"proof,omitempty"` // ProofUsed or ProofRead; empty: recorded before this was kept, or it failed
}

// How a drill knows what it says.
const (
	ProofUsed = "used" // the access was used as its holder would, and refused after it was taken back
	ProofRead = "read" // the target was read back: nothing here can use this kind of access
)

// Proved is a sentence about how a drill that succeeded knows it; empty for one of a release that did not say.
func (d Drilled) Proved() string {
	switch d.Proof {
	case ProofUsed:
		return "The canary was let in with it, and refused afterwards."
	case ProofRead:
		return "Nobody was let in: this kind of access can only be read back here."
	}
	return ""
}

// Kind names for the ledger.
func (Found) Kind() string        { return "drift.found" }
func (Cleared) Kind() string      { return "drift.cleared" }
func (RemoveFailed) Kind() string { return "drift.remove_failed" }
func (Accepted) Kind() string     { return "drift.accepted" }
func (Swept) Kind() string        { return "drift.swept" }
func (Drilled) Kind() string      { return "target.drilled" }

// EventKinds lists every kind of this package, for decoding.
func EventKinds() []workflows.EventKind {
	return []workflows.EventKind{
		workflows.Of[Found](), workflows.Of[Cleared](), workflows.Of[RemoveFailed](), workflows.Of[Accepted](), workflows.Of[Swept](),
		workflows.Of[Drilled](),
	}
}
