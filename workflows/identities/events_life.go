package identities

import "github.com/countersign-bot/countersign/workflows"

// Claimed is what one source says of an identity from now on, in place of what it said before. What holds is weighed field by field: see
// IdentityState.Entry.
type Claimed struct {
	Source   string `json:"source"` // SourceDecision, "import/cmdb", "discovery/pg-main", "request/r_…"
	Says     Entry  `json:"says"`
	HasPlace bool   `json:"has_place,omitempty"` // a place of the secret is on record
	HasPath  bool   `json:"has_path,omitempty"`  // a way to take it back in an emergency is on record
	Account  string `json:"account,omitempty" seal:"true"`
	Place    string `json:"place,omitempty" seal:"true"` // where the secret is stored: a reference, never the secret
	Path     string `json:"path,omitempty" seal:"true"`
	Hint     string `json:"hint,omitempty" seal:"true"` // whom the target names as owner, in its own words: shown, and never taken for it
	Channel  string `json:"channel,omitempty"`
}

// Vanished says that a source which used to know the identity does not any more.
type Vanished struct {
	Source string `json:"source"`
	Why    string `json:"why"`
}

// Rung is some people who are asked to take an identity over, until it is the next ones' turn. Those of earlier rungs still may.
type Rung struct {
	People []workflows.PersonID `json:"people"`
	Why    string               `json:"why"` // "named", "backup owner", "owner of pg-main", "security"
	Until  workflows.Stamp      `json:"until"`
}

// HandoverOpened asks people to answer for an identity from now on.
type HandoverOpened struct {
	Handover string `json:"handover"` // "o_…"
	Why      string `json:"why"`      // WhyTransfer …
	From     string `json:"from,omitempty"`
	Rungs    []Rung `json:"rungs"`
	Silence  string `json:"silence"`          // SilenceLapses, SilenceSuspends
	Rotate   bool   `json:"rotate,omitempty"` // who leaves may know its secret: taking it over opens a rotation
	Note     string `json:"note,omitempty" seal:"true"`
	Channel  string `json:"channel,omitempty"`
}

// HandoverWidened says that the next people are asked.
type HandoverWidened struct {
	Handover string `json:"handover"`
	Rung     int    `json:"rung"`
}

// HandoverAnswered is what somebody who was asked says.
type HandoverAnswered struct {
	Handover string `json:"handover"`
	Verdict  string `json:"verdict"` // HandoverKeep, HandoverRetire, HandoverDecline
	Owner    string `json:"owner,omitempty"`
	Backup   string `json:"backup,omitempty"`
	Reason   string `json:"reason,omitempty" seal:"true"`
	Authn    string `json:"authn"`
	Channel  string `json:"channel"`
}

// HandoverLapsed ends a hand-over that nobody took.
type HandoverLapsed struct {
	Handover string `json:"handover"`
	Why      string `json:"why"` // "nobody answered", "everybody declined", "replaced"
}

// Suspended takes everything away from an identity, and keeps it from asking for more.
type Suspended struct {
	Why     string `json:"why"` // a code: SuspendedNoOwner …
	Detail  string `json:"detail,omitempty" seal:"true"`
	Authn   string `json:"authn,omitempty"`
	Channel string `json:"channel,omitempty"`
}

// Resumed ends a suspension.
type Resumed struct {
	Reason  string `json:"reason,omitempty" seal:"true"`
	Authn   string `json:"authn"`
	Channel string `json:"channel"`
}

// Emptied says that what a suspended, retired or departed identity held is being taken back.
type Emptied struct {
	Grants int    `json:"grants"`
	For    int64  `json:"for"` // the entry of the stream that asked for it
	Why    string `json:"why,omitempty"`
}

// RotationOpened says that the secret has to be replaced.
type RotationOpened struct {
	Rotation string          `json:"rotation"` // "o_…"
	Why      string          `json:"why"`      // RotatePolicy …
	Due      workflows.Stamp `json:"due"`
	Channel  string          `json:"channel,omitempty"`
}

// RotationClosed says that it was replaced, and how it is known that the old one is dead.
type RotationClosed struct {
	Rotation string `json:"rotation"`
	How      string `json:"how"`   // "connector", "by hand"
	Proof    string `json:"proof"` // "verified": the old one was tried and refused; "declared": a person says so
	Print    string `json:"fingerprint,omitempty"`
	Serial   string `json:"serial,omitempty"`
	LastFour string `json:"last_four,omitempty"`
	Evidence string `json:"evidence,omitempty" seal:"true"`
	Authn    string `json:"authn,omitempty"`
	Channel  string `json:"channel,omitempty"`
}

// Renewed moves the end of an identity, as a request was approved.
type Renewed struct {
	Request   workflows.RequestID  `json:"request,omitempty"`
	Expires   workflows.Stamp      `json:"expires"`
	Approvers []workflows.PersonID `json:"approvers,omitempty"`
	Reason    string               `json:"reason,omitempty" seal:"true"`
	Channel   string               `json:"channel,omitempty"`
}

// RenewalAsked says that the owner was asked to renew before the end comes.
type RenewalAsked struct {
	Expires workflows.Stamp `json:"expires"`
}

// RetirementOpened begins to take an identity off: its items are done one by one, each with its evidence.
type RetirementOpened struct {
	Items   []RetireItem `json:"items"`
	Reason  string       `json:"reason,omitempty" seal:"true"`
	Authn   string       `json:"authn,omitempty"`
	Channel string       `json:"channel,omitempty"`
}

// RetireItem is one thing to be done.
type RetireItem struct {
	ID   string `json:"id"` // "grants", "account", "secret" …
	What string `json:"what"`
}

// RetireItemDone says that one was done.
type RetireItemDone struct {
	Item     string `json:"item"`
	Proof    string `json:"proof"` // "verified", "declared"
	Evidence string `json:"evidence,omitempty" seal:"true"`
	Authn    string `json:"authn,omitempty"`
	Channel  string `json:"channel,omitempty"`
}

// Retired ends an identity: every item is done.
type Retired struct {
	Items int `json:"items"`
}

// Attested is the verdict of a reviewer on whether the identity is still needed as it is.
type Attested struct {
	Review  workflows.ReviewID `json:"review"` // the campaign
	Item    string             `json:"item"`
	Verdict string             `json:"verdict"`
	By      workflows.PersonID `json:"by"`
}

// Left says that a person is gone, or has another role: what they hold and own is looked at.
type Left struct {
	Why    string `json:"why"`    // LeftCompany, LeftRole
	Source string `json:"source"` // "slack", "scim", "csv", "cli"
	Detail string `json:"detail,omitempty" seal:"true"`
}

// HandedOver says what became of what a person held and owned.
type HandedOver struct {
	For        int64                  `json:"for"` // the entry of the stream that asked for it
	Grants     int                    `json:"grants"`
	Identities []workflows.IdentityID `json:"identities,omitempty"`
	Made       []workflows.IdentityID `json:"made,omitempty"` // they asked for it, others own it: its secret is to be replaced
}

// Returned says that a person who had left is there again.
type Returned struct {
	Source string `json:"source"`
}

// Kind names for the ledger.
func (Claimed) Kind() string          { return "identity.claimed" }
func (Vanished) Kind() string         { return "identity.vanished" }
func (HandoverOpened) Kind() string   { return "identity.handover_opened" }
func (HandoverWidened) Kind() string  { return "identity.handover_widened" }
func (HandoverAnswered) Kind() string { return "identity.handover_answered" }
func (HandoverLapsed) Kind() string   { return "identity.handover_lapsed" }
func (Suspended) Kind() string        { return "identity.suspended" }
func (Resumed) Kind() string          { return "identity.resumed" }
func (Emptied) Kind() string          { return "identity.emptied" }
func (RotationOpened) Kind() string   { return "identity.rotation_opened" }
func (RotationClosed) Kind() string   { return "identity.rotation_closed" }
func (Renewed) Kind() string          { return "identity.renewed" }
func (RenewalAsked) Kind() string     { return "identity.renewal_asked" }
func (RetirementOpened) Kind() string { return "identity.retirement_opened" }
func (RetireItemDone) Kind() string   { return "identity.retire_item_done" }
func (Retired) Kind() string          { return "identity.retired" }
func (Attested) Kind() string         { return "identity.attested" }
func (Left) Kind() string             { return "person.left" }
func (HandedOver) Kind() string       { return "person.handed_over" }
func (Returned) Kind() string         { return "person.returned" }

// lifeKinds are the kinds of what is known and what becomes of an identity and of those who answer for it.
func lifeKinds() []workflows.EventKind {
	return append([]workflows.EventKind{
		workflows.Of[Claimed](),
		workflows.Of[Vanished](),
		workflows.Of[HandoverOpened](),
		workflows.Of[HandoverWidened](),
		workflows.Of[HandoverAnswered](),
		workflows.Of[HandoverLapsed](),
		workflows.Of[Suspended](),
		workflows.Of[Resumed](),
		workflows.Of[Emptied](),
		workflows.Of[RotationOpened](),
		workflows.Of[RotationClosed](),
		workflows.Of[Renewed](),
		workflows.Of[RenewalAsked](),
		workflows.Of[RetirementOpened](),
		workflows.Of[RetireItemDone](),
		workflows.Of[Retired](),
		workflows.Of[Attested](),
		workflows.Of[Leaked](),
		workflows.Of[Left](),
		workflows.Of[HandedOver](),
		workflows.Of[Returned](),
		workflows.Of[RenewalOpened](),
	}, exceptionKinds()...)
}
