package custody

import "github.com/countersign-bot/countersign/workflows"

// KindCustody is the kind of the streams of this package: one for each proposal.
const KindCustody = "custody"

// Stream is the stream of one proposal, "c_…".
func Stream(id string) workflows.StreamID { return workflows.StreamID(KindCustody + "/" + id) }

// Act is what is proposed. The words go into entries and are never changed.
type Act string

// The acts.
const (
	Erase    Act = "erase"    // texts, of one person or of one field
	Disclose Act = "disclose" // give texts to somebody with an export
	Rekey    Act = "rekey"    // replace a key; what it signs or marks from then on stands in an entry of the system
)

// Basis is why texts are erased, in one word that stays readable for ever: the reason itself may hold what is to go.
type Basis string

// The grounds of an erasure.
const (
	BasisRequest Basis = "request" // the person asked for it
	BasisLaw     Basis = "law"     // a law or a court demands it
	BasisMistake Basis = "mistake" // it should never have been written: a password in a reason
)

// Words are the ground as a sentence ends with it.
func (b Basis) Words() string {
	switch b {
	case BasisRequest:
		return "the person asked for it"
	case BasisLaw:
		return "a law or a court demands it"
	case BasisMistake:
		return "it should never have been written"
	}
	return "on an unknown ground"
}

// Scope is which texts an act is about: all that one person wrote or that tell of their accounts, or one field of one entry.
type Scope struct {
	Person workflows.PersonID `json:"about,omitempty"`
	Entry  int64              `json:"entry,omitempty"` // entry 0 is the genesis and has no texts
	Field  string             `json:"field,omitempty"` // as in the leaf: "reason", "texts/phone"
	What   string             `json:"what,omitempty"`  // of a disclosure: "all", or streams separated by commas
}

// Proposed is the first of two people.
type Proposed struct {
	Act Act `json:"act"`
	Scope
	Basis   Basis           `json:"basis,omitempty"`
	Reason  string          `json:"reason" seal:"true"`
	Until   workflows.Stamp `json:"until"` // after it nobody can confirm
	Channel string          `json:"channel"`
	Authn   string          `json:"authn"`
}

// Confirmed is the second of two people. What they confirmed follows in the same transaction.
type Confirmed struct {
	Act     Act    `json:"act"`
	Channel string `json:"channel"`
	Authn   string `json:"authn"`
}

// Erased says which texts are gone: those of Scope in entries below Before. Their commitments stay, so every hash still holds.
type Erased struct {
	Scope
	Before      int64              `json:"before"`
	Texts       int64              `json:"texts"`
	Accounts    int64              `json:"accounts,omitempty"`   // that led from a pseudonym to the person
	Deliveries  int64              `json:"deliveries,omitempty"` // raw ones in which the person acted
	Unnamed     bool               `json:"unnamed,omitempty"`    // the name behind the pseudonym went, too
	Basis       Basis              `json:"basis"`
	ProposedBy  workflows.PersonID `json:"proposed_by"`
	ConfirmedBy workflows.PersonID `json:"confirmed_by"`
	Proposal    string             `json:"proposal"`
}

// Pruned says that texts whose time was over are gone: in entries below Before, of streams that owed nothing any more. Size and Root are the
// head that was published first: what anybody outside can hold against the ledger.
type Pruned struct {
	Keep   workflows.Span  `json:"keep"` // how long texts are kept
	Older  workflows.Stamp `json:"older"`
	Before int64           `json:"before"`
	Texts  int64           `json:"texts"`
	Size   int64           `json:"size"`
	Root   string          `json:"root"`
}

// Disclosed says that two people let texts be exported, until when, and how many there were then.
type Disclosed struct {
	What        string             `json:"what"`
	Texts       int64              `json:"texts"`
	Until       workflows.Stamp    `json:"until"`
	ProposedBy  workflows.PersonID `json:"proposed_by"`
	ConfirmedBy workflows.PersonID `json:"confirmed_by"`
	Proposal    string             `json:"proposal"`
}

// RollbackAccepted says that entries were lost, and that two people let the ledger go on without them: it had Size entries with Root when they
// did, and Lost.. is what was remembered outside. Entries with the numbers from Size to LostSize-1 existed once and are others now; a head
// that somebody kept of them is explained by this entry and by nothing else.
type RollbackAccepted struct {
	Size        int64              `json:"size"`
	Root        string             `json:"root"`
	LostSize    int64              `json:"lost_size"`
	LostRoot    string             `json:"lost_root"`
	LostNote    string             `json:"lost_note,omitempty"` // the signed head itself, where the memory holds it
	From        string             `json:"from"`                // who remembered
	Reason      string             `json:"reason" seal:"true"`
	ProposedBy  workflows.PersonID `json:"proposed_by"`
	ConfirmedBy workflows.PersonID `json:"confirmed_by"`
	ProposedAt  workflows.Stamp    `json:"proposed_at"`
	ConfirmedAt workflows.Stamp    `json:"confirmed_at"`
	Authn       string             `json:"authn"`
}

// TargetReconciled says what one target answered after entries were lost: how many grants it was asked about, and what was done.
type TargetReconciled struct {
	Target   workflows.TargetID  `json:"target"`
	Asked    int64               `json:"asked"`
	Present  int64               `json:"present,omitempty"`  // it has them; they stay until their end
	Ended    int64               `json:"ended,omitempty"`    // the target does not have them, or they had not begun: taken back, to be sure
	Unknown  int64               `json:"unknown,omitempty"`  // it has them and the ledger does not know them: taken back
	Unclear  int64               `json:"unclear,omitempty"`  // of the ended: it could not tell
	Silent   bool                `json:"silent,omitempty"`   // it could tell nothing: what it holds is taken back when it answers
	Unlisted bool                `json:"unlisted,omitempty"` // it cannot list what it has: grants that were lost end by their own time only
	Grants   []workflows.GrantID `json:"grants,omitempty"`   // those that were ended, at most 200
}

// Kind names for the ledger.
func (Proposed) Kind() string         { return "custody.proposed" }
func (Confirmed) Kind() string        { return "custody.confirmed" }
func (Erased) Kind() string           { return "texts.erased" }
func (Pruned) Kind() string           { return "texts.pruned" }
func (Disclosed) Kind() string        { return "texts.disclosed" }
func (RollbackAccepted) Kind() string { return "rollback.accepted" }
func (TargetReconciled) Kind() string { return "target.reconciled" }

// EventKinds lists every kind of this package, for decoding. Append-only.
func EventKinds() []workflows.EventKind {
	return []workflows.EventKind{
		workflows.Of[Proposed](), workflows.Of[Confirmed](), workflows.Of[Erased](), workflows.Of[Pruned](), workflows.Of[Disclosed](),
		workflows.Of[RollbackAccepted](), workflows.Of[TargetReconciled](),
	}
}
