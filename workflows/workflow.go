package workflows

import (
	"strconv"
	"time"
)

// RequestKind says what an approved request does.
type RequestKind string

// The kinds of request.
const (
	KindCredential RequestKind = "credential"  // yields a short-lived credential (a certificate)
	KindElevation  RequestKind = "elevation"   // raises what an existing account may do
	KindPreapprove RequestKind = "runbook"     // approves the exact text of a runbook for later incidents
	KindWindow     RequestKind = "window"      // gives a named automation a standing window: within it, its asks need nobody
	KindRoutine    RequestKind = "routine"     // carries out the exact text of a routine runbook, once
	KindActAs      RequestKind = "impersonate" // lets a person act as a non-human identity, under their own name in the target's log
	KindLife       RequestKind = "identity"    // changes the life of a non-human identity: makes one, widens its scope, moves its end
	KindException  RequestKind = "exception"   // waives a control for a named identity, for a time, while what makes up for it holds
)

// OfRunbook tells whether a request is about the text of a runbook rather than about access.
func (k RequestKind) OfRunbook() bool { return k == KindPreapprove || k == KindRoutine }

// GivesAccess tells whether an approval makes a grant by itself.
func (k RequestKind) GivesAccess() bool { return !k.OfRunbook() && !k.Ahead() }

// Span is a length of time in whole seconds, as compiled policies spell it.
type Span int64

// SpanOf cuts d to whole seconds.
func SpanOf(d time.Duration) Span { return Span(d / time.Second) }

// Duration is the span as a time.Duration.
func (s Span) Duration() time.Duration { return time.Duration(s) * time.Second }

// String is the grammar of the files: minutes, hours or days, whichever is whole.
func (s Span) String() string {
	switch {
	case s != 0 && s%(24*3600) == 0:
		return strconv.FormatInt(int64(s)/(24*3600), 10) + "d"
	case s != 0 && s%3600 == 0:
		return strconv.FormatInt(int64(s)/3600, 10) + "h"
	case s%60 == 0:
		return strconv.FormatInt(int64(s)/60, 10) + "m"
	default:
		return strconv.FormatInt(int64(s), 10) + "s"
	}
}

// Workflow is a compiled chain: a policy version is the canonical JSON of this value, which carries everything it
// names, and its hash is the SHA-256 of those bytes. Fields are append-only: a verifier decodes old versions for ever.
type Workflow struct {
	ID           WorkflowID    `json:"id"`
	Title        string        `json:"title"`
	Purpose      string        `json:"purpose"`
	Kind         RequestKind   `json:"kind"`
	Owner        PersonID      `json:"owner"`
	Ask          Selector      `json:"ask"` // who may ask; empty: nobody
	For          []string      `json:"for"` // ForSelf, ForOwned
	Entitlements []Entitlement `json:"entitlements,omitempty"`
	Fields       []Field       `json:"fields,omitempty"`
	Longest      Span          `json:"longest"`    // the longest access (or validity of a runbook approval)
	Usual        Span          `json:"usual"`      // what the form offers first
	ReasonMin    int           `json:"reason_min"` // characters
	Stages       []Stage       `json:"stages"`
	Channel      string        `json:"channel"`        // "#access": where the card stands; empty: direct messages only
	SeenBy       string        `json:"seen_by"`        // SeenByParties or SeenByMembers
	Uses         int           `json:"uses,omitempty"` // KindPreapprove: how often the approved text may be invoked

	Rules     []Rule       `json:"rules,omitempty"`      // which asks go through which stages; empty: all through all
	Choose    string       `json:"choose,omitempty"`     // ChooseFirst, ChooseSpecific
	Often     *Often       `json:"often,omitempty"`      // how often one person may ask
	Extend    *Extend      `json:"extend,omitempty"`     // nil: access is not extended
	Later     Span         `json:"later,omitempty"`      // how far ahead access may be asked for; 0: it starts when it is approved
	EndsWith  string       `json:"ends_with,omitempty"`  // name of a date-time or ticket field: access ends no later than that, or when the ticket is closed
	Calendar  string       `json:"calendar,omitempty"`   // whose business hours and freezes count
	Only      string       `json:"only,omitempty"`       // OnlyBusiness: may be asked for and used in business hours only
	Freezes   []string     `json:"freezes,omitempty"`    // names of change freezes during which nothing is granted
	ReasonFor []string     `json:"reason_for,omitempty"` // verbs that need a reason beside denying
	Tell      *Selector    `json:"tell,omitempty"`       // who is told the outcome without being asked
	Risk      *RiskTable   `json:"risk,omitempty"`
	Window    *WindowTerms `json:"window,omitempty"` // KindWindow: what its approval allows

	Exception *ExceptionTerms `json:"exception,omitempty"` // KindException: what its approval waives
	Life      *LifeTerms      `json:"life,omitempty"`      // KindLife: what becomes of the identity
	ActAs     *ActAsTerms     `json:"act_as,omitempty"`    // KindActAs: what must be on record

	MaxUnverified Span     `json:"max_unverified,omitempty"` // how long access goes on while nobody can tell whether it should; 0: the usual limit
	Posture       []string `json:"posture,omitempty"`        // claims about the holder's device or workload that must hold, such as "disk-encrypted"

	Task *TaskTerms `json:"task,omitempty"` // what the ticket of EndsWith must be like; nil: that it is open is enough
}

// TaskTerms are what the task must be like, as a list of one or none.
func (w *Workflow) TaskTerms() []TaskTerms {
	if w.Task == nil {
		return nil
	}
	return []TaskTerms{*w.Task}
}

// OnlyBusiness keeps a workflow to the business hours of its calendar.
const OnlyBusiness = "business_hours"

// Whom a request may be for.
const (
	ForSelf  = "self"
	ForOwned = "owned" // a non-human identity that the requester owns or backs up
)

// Who may read a request besides its parties, security and auditors.
const (
	SeenByParties = "parties"
	SeenByMembers = "members"
)

// Stage is one ordered step of a chain. A stage never reopens; its quorum counts distinct persons, never the requester,
// and, unless Repeat is set, never somebody who approved an earlier stage.
type Stage struct {
	Name      string      `json:"name"`
	Approvers Selector    `json:"approvers"`
	Quorum    int         `json:"quorum"`
	Remind    Span        `json:"remind,omitempty"`
	Escalate  *Escalation `json:"escalate,omitempty"`
	Timeout   Span        `json:"timeout"`
	Repeat    bool        `json:"repeat,omitempty"`

	Kind          string       `json:"kind,omitempty"`           // StageApproval, StageConsent
	Parts         []Part       `json:"parts,omitempty"`          // groups with quorums of their own; then Approvers is empty and Quorum their sum, or the least with AnyPart
	AnyPart       bool         `json:"any_part,omitempty"`       // one part is enough; else all of them
	DistinctFrom  []string     `json:"distinct_from,omitempty"`  // stages whose approvers do not count here; empty: all earlier ones
	RemindWorking Span         `json:"remind_working,omitempty"` // instead of Remind: in working time of those asked
	Then          []Escalation `json:"then,omitempty"`           // further tiers, behind Escalate
	Deny          string       `json:"deny,omitempty"`           // DenyEnds, DenyCounts
	OffHours      string       `json:"off_hours,omitempty"`      // OffHoursPage …
	Tell          *Selector    `json:"tell,omitempty"`           // who is told that the stage opened without being asked
}

// Escalation widens the approvers of a stage after a delay; those asked first stay valid and the quorum stays.
type Escalation struct {
	After     Span     `json:"after"`
	Approvers Selector `json:"approvers"`
	Working   Span     `json:"working,omitempty"` // instead of After: in working time of those asked before
}

// Selector names people. The empty selector yields nobody, never everybody.
type Selector struct {
	Anyone        bool       `json:"anyone,omitempty"` // every active full member in the people file; only for Ask
	People        []PersonID `json:"people,omitempty"`
	Groups        []Group    `json:"groups,omitempty"`      // groups of the people file, as they stood when compiled
	ChatGroups    []string   `json:"chat_groups,omitempty"` // user groups of the chat, by handle; asked when needed
	TargetOwner   bool       `json:"target_owner,omitempty"`
	IdentityOwner bool       `json:"identity_owner,omitempty"` // owner or backup owner of the non-human identity
	Manager       bool       `json:"manager,omitempty"`        // of the requester
	Exclude       []PersonID `json:"exclude,omitempty"`
	ChatChannels  []string   `json:"chat_channels,omitempty"` // members of a channel of the chat, "#dba"; asked when needed
	Rotations     []string   `json:"rotations,omitempty"`     // who is on shift
	Fallback      *Selector  `json:"fallback,omitempty"`      // who instead, when all the above yields nobody; has none itself
}

// IsEmpty tells whether the selector cannot name anybody.
func (s Selector) IsEmpty() bool {
	return !s.Anyone && !s.TargetOwner && !s.IdentityOwner && !s.Manager &&
		len(s.People) == 0 && len(s.Groups) == 0 && len(s.ChatGroups) == 0 && len(s.ChatChannels) == 0 && len(s.Rotations) == 0 &&
		(s.Fallback == nil || s.Fallback.IsEmpty())
}

// Group is a named list of people.
type Group struct {
	Name    string     `json:"name"`
	Members []PersonID `json:"members"`
}

// Entitlement is one role or scope on a target, with what an approver and an auditor need to know about it.
type Entitlement struct {
	Target       TargetID            `json:"target"`
	ID           EntitlementID       `json:"id"`
	TargetTitle  string              `json:"target_title"`
	Title        string              `json:"title"`
	Description  string              `json:"description"`
	BusinessTask string              `json:"business_task"`
	Owner        PersonID            `json:"owner"`
	Backup       PersonID            `json:"backup,omitempty"`
	Environment  string              `json:"environment"`
	DataClass    string              `json:"data_class"`
	ReviewDate   string              `json:"review_date"` // YYYY-MM-DD
	Connector    string              `json:"connector"`   // "sshca", "postgres"
	Params       map[string][]string `json:"params"`      // the connector's own words: principals, extensions, role …
	Longest      Span                `json:"longest,omitempty"`
	Shared       bool                `json:"shared,omitempty"`  // one membership for all overlapping grants (a role), not one artefact each (a certificate)
	Account      bool                `json:"account,omitempty"` // needs the holder's account name on the target
	Action       string              `json:"action,omitempty"`  // ActionRead …
	Breadth      string              `json:"breadth,omitempty"` // BreadthOne …
	Conflicts    []Conflict          `json:"conflicts,omitempty"`
	ActsAs       IdentityID          `json:"acts_as,omitempty"`  // the non-human identity whose account the holder uses; only KindActAs grants it
	Brokered     bool                `json:"brokered,omitempty"` // its connector lets the holder in through a bastion, to one command: contractors and vendors may hold it
}

// Name is "target/entitlement", as people type it.
func (e Entitlement) Name() string { return string(e.Target) + "/" + string(e.ID) }

// Field is one typed input of the request form.
type Field struct {
	Name     string   `json:"name"`
	Label    string   `json:"label"`
	Help     string   `json:"help,omitempty"`
	Type     string   `json:"type"` // FieldText …
	Optional bool     `json:"optional,omitempty"`
	Choices  []string `json:"choices,omitempty"`
	Pattern  string   `json:"pattern,omitempty"` // RE2, anchored by us, ≤ 200 characters
	MaxLen   int      `json:"max_len,omitempty"`
	Least    string   `json:"least,omitempty"` // smallest number, shortest duration, or earliest date-time as a duration from now
	Most     string   `json:"most,omitempty"`  // likewise the other end
}

// Types of a form field. Text is personal or free and lies sealed beside the ledger; the others stand in the leaf.
const (
	FieldText   = "text"
	FieldChoice = "choice"
	FieldTicket = "ticket"
	FieldSSHKey = "ssh_key" // one line of an OpenSSH public key; its comment is dropped

	// FieldCSR is a certificate request without names (PKCS #10, RFC 2986) in PEM: what is recorded cannot be erased, and only its key counts.
	FieldCSR = "csr"

	FieldNumber   = "number"    // a whole number
	FieldDuration = "duration"  // in the grammar of the files: 30m, 4h, 2d
	FieldDateTime = "date_time" // recorded as a Stamp; typed as RFC 3339, or as "2026-11-22 15:04" on the requester's clock
	FieldTarget   = "target"    // id of a target
	FieldIdentity = "identity"  // id of a non-human identity of the inventory
	FieldPerson   = "person"    // somebody of the people file, recorded as their pseudonym; typed as a key, an e-mail address or a member of the chat
	FieldNewID    = "new_id"    // id of a non-human identity that there is not yet
	FieldOffer    = "offer"     // something that the target says it can grant: what the parameter that takes the field may be
)

// Entitlement finds one of the workflow's entitlements.
func (w *Workflow) Entitlement(t TargetID, e EntitlementID) (Entitlement, bool) {
	for _, x := range w.Entitlements {
		if x.Target == t && x.ID == e {
			return x, true
		}
	}
	return Entitlement{}, false
}

// Allows tells whether the workflow may be asked for this kind of holder (ForSelf, ForReports, ForOwned).
func (w *Workflow) Allows(whom string) bool {
	for _, f := range w.For {
		if f == whom {
			return true
		}
	}
	return false
}

// LongestFor is the longest access to one entitlement: the smaller of the workflow's and the entitlement's own cap.
func (w *Workflow) LongestFor(e Entitlement) Span {
	if e.Longest > 0 && e.Longest < w.Longest {
		return e.Longest
	}
	return w.Longest
}

// usualUnverified is how long access goes on while nobody can tell whether it should, where the workflow does not say: longer than an outage
// of a chat or a ticket system, shorter than what could be called forgotten.
const usualUnverified Span = 24 * 3600

// LongestUnverified is how long access goes on while nobody can tell whether it should still be allowed.
func (w *Workflow) LongestUnverified() Span {
	if w.MaxUnverified > 0 {
		return w.MaxUnverified
	}
	return usualUnverified
}

// Seat is one person on a roster and why.
type Seat struct {
	Person PersonID `json:"person"`
	Why    string   `json:"why"` // "named", "group:dba", "chat:@dba", "channel:#dba", "rotation:dba", "target_owner", "identity_owner", "manager", "fallback:…" before any of them

	For    PersonID `json:"for,omitempty"`    // in whose place: somebody who is away and named this person; counts as one with them
	Parts  []int    `json:"parts,omitempty"`  // which parts of the stage the person counts for; empty where there are none
	Away   bool     `json:"away,omitempty"`   // on time off when asked: may decide, but is not counted as available
	TellAt Stamp    `json:"tell_at,omitzero"` // when to tell them; zero: at once
}

// Standing is what the directory answered about a person when asked; the zero value is "not asked", which refuses.
type Standing struct {
	Known    bool // the directory answered
	Linked   bool // the account belongs to a person in the people file
	Active   bool
	Human    bool  // not a bot, workflow or app user
	Member   bool  // a full member of an installed workspace: not a guest, not external
	Selected bool  // the stage's selector still yields the person, and the current workflow does not exclude them
	Asked    Stamp // when the directory was asked

	Quarantined bool // may do nothing until two people release them
	Contractor  bool // a guest with a record, a sponsor and a contract that runs: may ask and hold, never decide
	Over        bool // works here by a contract that has ended
}

// Refusal says why somebody with this standing cannot decide; nil when they can.
func (s Standing) Refusal() *Refusal {
	switch {
	case s.Quarantined:
		return Refuse(CodeQuarantined, "This person is quarantined, and may neither ask, decide nor hold anything.", "Two people of security or owners of Countersign can lift that.")
	case s.Over:
		return Refuse(CodeInactive, "The contract by which this person works here has ended.", "Their sponsor can have it renewed in people.yaml.")
	case !s.Known:
		return Refuse(CodeDirectory, "I could not check who you are just now, so nothing was recorded as a decision.", "Try again in a minute.")
	case !s.Human:
		return Refuse(CodeNotHuman, "Only people decide; this account is a bot or an app.", "")
	case !s.Active:
		return Refuse(CodeInactive, "This account is deactivated.", "")
	case !s.Member:
		return Refuse(CodeGuest, "Guests and people from other organisations cannot decide here.", "Ask a full member who is on the list.")
	case !s.Linked:
		return Refuse(CodeUnlinked, "This account is not linked to a person in the people file, so it cannot decide.", "Ask the operator to add you to people.yaml.")
	}
	return nil
}

// HoldRefusal says why somebody with this standing can neither ask for access nor hold it; nil when they can. A contractor whose record holds
// can, though they cannot decide.
func (s Standing) HoldRefusal() *Refusal {
	if s.Contractor {
		s.Member = true
	}
	return s.Refusal()
}
