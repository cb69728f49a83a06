package workflows

// The parts of the approval language that a compiled workflow carries beside stages and selectors. All of it is data: conditions are kept as
// the text that was type-checked when the file was compiled, and their answers are recorded with the submission. Nothing here is evaluated
// again by a verifier.

// ForReports lets a manager ask for somebody who reports to them.
const ForReports = "reports"

// How the rule of a workflow is chosen when several match.
const (
	ChooseFirst    = ""         // the first one in the order of the file
	ChooseSpecific = "specific" // the one with the most conditions; two equally specific ones refuse
)

// Rule says which stages an ask goes through. A workflow without rules sends every ask through all its stages; one with rules refuses what
// no rule covers.
type Rule struct {
	Name    string   `json:"name"`
	When    string   `json:"when,omitempty"`    // condition in CEL, type-checked when compiled; empty: always
	Terms   int      `json:"terms,omitempty"`   // how specific: conditions joined by && at the top, UpTo counting as one
	UpTo    Span     `json:"up_to,omitempty"`   // matches asks of at most this length
	Stages  []string `json:"stages,omitempty"`  // names of the stages it goes through, in the workflow's order; empty: all
	Longest Span     `json:"longest,omitempty"` // the longest access under this rule
	Auto    *Auto    `json:"auto,omitempty"`    // no stage at all: approved by the document itself
	Refuse  string   `json:"refuse,omitempty"`  // nobody may have it; the words say why and what to do instead
	Across  bool     `json:"across,omitempty"`  // also for identities that belong to another environment than the target
}

// Auto lets a rule approve without people, so often per person and period. A sample is looked at afterwards by the workflow's owner.
type Auto struct {
	Times  int  `json:"times"`
	Per    Span `json:"per"`
	Sample int  `json:"sample"` // per cent that are reviewed, 1 to 100
}

// Often caps how often one person may ask.
type Often struct {
	Times int  `json:"times"`
	Per   Span `json:"per"`
}

// Extend allows to ask for more time while access is active. All extensions together never pass Cap, nor the longest access of the ask's
// risk tier, counted from the start of the first grant of the row.
type Extend struct {
	Cap Span `json:"cap"`
}

// RuleOutcome is what became of one rule at submission.
type RuleOutcome struct {
	Rule    string `json:"rule"`
	Matched bool   `json:"matched"`
}

// Kinds of stage.
const (
	StageApproval = ""        // a quorum says yes
	StageConsent  = "consent" // nobody of those told objects within a time; only as the last stage, and never the only one
)

// What a denial does to a stage.
const (
	DenyEnds   = ""       // one denial ends the request
	DenyCounts = "counts" // the request ends when so many denied that the quorum cannot be reached any more
)

// What is done about people who are outside of their working hours when a stage opens.
const (
	OffHoursPage  = ""      // they are told at once
	OffHoursWait  = "wait"  // they are told when their next working time begins
	OffHoursAwake = "awake" // as wait; and when too few are at work for the quorum, the next tier is asked at once
)

// Part is a group of approvers within a stage with a quorum of its own. A person who sits in several parts counts for one of them.
type Part struct {
	Name      string   `json:"name"`
	Approvers Selector `json:"approvers"`
	Quorum    int      `json:"quorum"`
}

// PlannedPart is what a submission binds of a part.
type PlannedPart struct {
	Name   string `json:"name"`
	Quorum int    `json:"quorum"`
}

// PlannedTier is what a submission binds of an escalation: exactly one of the two is set.
type PlannedTier struct {
	After   Span `json:"after,omitempty"`
	Working Span `json:"working,omitempty"`
}

// Verbs for which a workflow may demand a reason. Denying always needs one.
const (
	VerbApprove  = "approve"
	VerbDeny     = "deny"
	VerbCounter  = "counter"
	VerbTakeBack = "take_back"
	VerbRevoke   = "revoke"
)

// RiskTable computes the tier of an ask. Rows are looked at in order and the first that matches decides; the last one matches everything.
type RiskTable struct {
	Tiers []Tier    `json:"tiers"` // from the lowest to the highest
	Rows  []RiskRow `json:"rows"`
}

// Tier is what a risk demands, whatever a chain says.
type Tier struct {
	Name      string `json:"name"`
	Longest   Span   `json:"longest,omitempty"`   // the longest access
	Approvers int    `json:"approvers,omitempty"` // fewest different people who approve, in all stages together
	Review    Span   `json:"review,omitempty"`    // entitlements of this tier are looked at at least this often
	StepUp    bool   `json:"step_up,omitempty"`   // a decision needs more than a click

	TypeTarget bool `json:"type_target,omitempty"` // whoever asks types the target's name (T39)
	MostOpen   int  `json:"most_open,omitempty"`   // open requests of its sender at which no further one is taken; 0: MaxOpenPerson (T39)
	Stands     Span `json:"stands,omitempty"`      // an identity of this tier ends so far ahead at most; 0: LongestLife (R23)
}

// RiskRow matches when each list is empty or holds the ask's word.
type RiskRow struct {
	Environment []string `json:"environment,omitempty"`
	DataClass   []string `json:"data_class,omitempty"`
	Action      []string `json:"action,omitempty"`
	Breadth     []string `json:"breadth,omitempty"`
	Principal   []string `json:"principal,omitempty"` // "person", or the kind of a non-human identity
	Tier        string   `json:"tier"`
}

// What an entitlement lets its holder do, and to how much. They are inputs of the risk table.
const (
	ActionRead  = "read"
	ActionWrite = "write"
	ActionAdmin = "admin"

	BreadthOne = "one" // one object
	BreadthSet = "set" // a named set
	BreadthAll = "all" // everything on the target: a wildcard
)

// Conflict names entitlements that nobody may hold together with the one that carries it.
type Conflict struct {
	Set  string   `json:"set"`
	With []string `json:"with"` // "target/entitlement"
	Why  string   `json:"why"`
}

// WindowTerms is what a standing window of a named automation allows once it is approved.
type WindowTerms struct {
	Hours    string `json:"hours"` // "Mon-Fri 22:00-04:00"
	Zone     string `json:"zone"`
	Times    int    `json:"times"`    // grants per Per
	Per      Span   `json:"per"`      //
	Lifetime Span   `json:"lifetime"` // longest single grant
	Budget   int    `json:"budget"`   // grants in all
}

// Terms is what a counter-offer changes. Zero fields stay as asked.
type Terms struct {
	Seconds     Span          `json:"seconds,omitempty"`     // shorter
	Target      TargetID      `json:"target,omitempty"`      // narrower: another entitlement of the same workflow
	Entitlement EntitlementID `json:"entitlement,omitempty"` //
	NotBefore   Stamp         `json:"not_before,omitzero"`   // later
}

// OfferRef says that a request takes up a counter-offer.
type OfferRef struct {
	Request RequestID `json:"request"`
	Offer   string    `json:"offer"`
	By      PersonID  `json:"by"`
	Stage   string    `json:"stage"` // name of the stage in which it was made
}
