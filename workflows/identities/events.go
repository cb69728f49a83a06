package identities

import "github.com/countersign-bot/countersign/workflows"

// Linked says that an account belongs to a person. It never rewrites: events recorded the person as resolved then.
type Linked struct {
	Account workflows.ActorID `json:"account"`
	Medium  string            `json:"medium"` // "slack", "unix"
	How     string            `json:"how"`    // "people file", "first seen", "e-mail", ByCode, BySCIM
	Name    string            `json:"name,omitempty" seal:"true"`
	Email   string            `json:"email,omitempty" seal:"true"`

	// User is which user of Medium the account is, as the store keys it: "T0001/U0001", a name of the host. Whoever verifies the ledger holds
	// the account's row against it.
	User string `json:"user,omitempty" seal:"true"`
}

// ByCode is how an account is linked whose holder proved it from both accounts: each typed a code that only the other was shown.
const ByCode = "code"

// BySCIM is how an account is linked, or a link ended, that the identity provider names among a person's accounts.
const BySCIM = "identity provider"

// ByHand is how security ends a link.
const ByHand = "by hand"

// Unlinked says that an account belongs to a person no more. What it did before stays theirs.
type Unlinked struct {
	Account workflows.ActorID `json:"account"`
	Medium  string            `json:"medium"`
	How     string            `json:"how"` // ByHand, BySCIM
	Why     string            `json:"why,omitempty" seal:"true"`
	Authn   string            `json:"authn,omitempty"`
	Channel string            `json:"channel,omitempty"`
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

// Away says that a person is on time off. From From until Until their delegate, if they named one, decides in their place what neither of the
// two asked for.
type Away struct {
	Away     string             `json:"away"` // "w_…"
	From     workflows.Stamp    `json:"from"`
	Until    workflows.Stamp    `json:"until"`
	Delegate workflows.PersonID `json:"delegate,omitempty"`
	Reason   string             `json:"reason,omitempty" seal:"true"`
	Authn    string             `json:"authn"`
	Channel  string             `json:"channel"`
}

// Back ends time off early, or calls it off.
type Back struct {
	Away    string `json:"away"`
	Channel string `json:"channel"`
}

// Used counts an ask or an automatic approval against what a workflow allows one person.
type Used struct {
	What     string               `json:"what"` // UsedAsk, UsedAuto
	Workflow workflows.WorkflowID `json:"workflow"`
	Rule     string               `json:"rule,omitempty"`
	Request  workflows.RequestID  `json:"request"`
}

// What is counted.
const (
	UsedAsk  = "ask"
	UsedAuto = "auto"
)

// WindowGranted gives a named automation a standing window.
type WindowGranted struct {
	Window      string                  `json:"window"` // id of the request that was approved
	Workflow    workflows.WorkflowID    `json:"workflow"`
	Target      workflows.TargetID      `json:"target"`
	Entitlement workflows.EntitlementID `json:"entitlement"`
	Terms       workflows.WindowTerms   `json:"terms"`
	Approvers   []workflows.PersonID    `json:"approvers"`
	EndsAt      workflows.Stamp         `json:"ends_at"`
}

// WindowUsed counts a grant that a standing window allowed.
type WindowUsed struct {
	Window  string              `json:"window"`
	Request workflows.RequestID `json:"request"`
	Grant   workflows.GrantID   `json:"grant"`
}

// WindowClosed ends a standing window before its time.
type WindowClosed struct {
	Window string `json:"window"`
	Why    string `json:"why,omitempty" seal:"true"`
}

// Kind names for the ledger.
func (Linked) Kind() string        { return "person.linked" }
func (Unlinked) Kind() string      { return "person.unlinked" }
func (Registered) Kind() string    { return "identity.registered" }
func (Removed) Kind() string       { return "identity.removed" }
func (Away) Kind() string          { return "person.away" }
func (Back) Kind() string          { return "person.back" }
func (Used) Kind() string          { return "person.used" }
func (WindowGranted) Kind() string { return "identity.window_granted" }
func (WindowUsed) Kind() string    { return "identity.window_used" }
func (WindowClosed) Kind() string  { return "identity.window_closed" }

// EventKinds lists every kind of this package, for decoding.
func EventKinds() []workflows.EventKind {
	return append([]workflows.EventKind{
		workflows.Of[Linked](), workflows.Of[Registered](), workflows.Of[Removed](), workflows.Of[Away](), workflows.Of[Back](),
		workflows.Of[Used](), workflows.Of[WindowGranted](), workflows.Of[WindowUsed](), workflows.Of[WindowClosed](),
		workflows.Of[KeySet](), workflows.Of[KeyRemoved](), workflows.Of[CodesIssued](), workflows.Of[CodeUsed](), workflows.Of[CodesVoided](),
		workflows.Of[Authenticated](),
		workflows.Of[AccessRevoked](), workflows.Of[Quarantined](), workflows.Of[ReleaseAsked](), workflows.Of[Released](),
		workflows.Of[EnvelopeReconciled](), workflows.Of[Unlinked](), workflows.Of[Watched](), workflows.Of[Surveyed](), workflows.Of[KillDrilled](),
	}, lifeKinds()...)
}
