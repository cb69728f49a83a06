package workflows

// Ask is a submission with everything that had to be asked of the world: decide reads nothing else.
type Ask struct {
	ID       RequestID
	By       Acting
	Standing Standing // of the requester; Selected means "may ask"
	Rule     string   // which part of may_ask let the requester in
	Policy   DocHash  // current version of the workflow
	Form     Form
	Subject  IdentityID
	Sponsor  PersonID // owner who answers for a non-human subject
	Owned    bool     // the requester owns or backs up the subject
	Account  string   // the subject's account on the target, where the entitlement needs one
	Runbook  RunbookID
	Document DocHash // of a runbook: the text's hash as it stands now
	Rosters  Rosters // of the stages that the chosen rule names, in order; empty where the document itself approves
	Open     int     // open requests of this person
	Sent     int     // of these, the ones that the clock did not ask for
	Nonce    string
	Channel  string
	Authn    string
	Drill    bool
	About    string // address of the message that this is asked about

	Matched     []bool         // answers of the workflow's rules, in order; nil where it has none, or where they could not be worked out
	Inputs      string         // canonical JSON of what the conditions saw
	Problems    []FieldProblem // what only the world could find wrong with the form: no such target, no such identity
	Principal   string         // "person", or the kind of the non-human subject: for the risk table
	Report      bool           // the subject reports to the requester
	Already     bool           // the target says that the subject has this now, by no grant of ours
	Foreseen    Foreseen       // what the target says will change
	Asked       int            // asks of this person for this workflow within Often.Per
	Auto        int            // automatic approvals of this person by this workflow within the chosen rule's Auto.Per
	Frozen      string         // name of the change freeze in force; empty: none
	Closed      bool           // outside the business hours of the workflow's calendar
	Held        Held           // the same access, active now
	Twin        RequestID      // the same ask, open
	Conflict    string         // why the subject may not hold this beside what they hold or have asked for; empty: no conflict
	Extends     GrantID        // the active grant that more time is asked for
	Offer       OfferRef
	NotBefore   Stamp
	Window      WindowAsk // the standing window that covers the ask
	WindowNo    string    // why none of the subject's standing windows covers it; the ask goes through the chain
	NoLaterThan Stamp     // the end of the ticket's own window, or of the holder's contract; zero: there is none
	Blocked     *Refusal  // what the world outside says against it: a closed ticket, a claim that does not hold; nil: nothing
	Checks      []string  // what it says for it, in words: recorded
	Across      bool      // an identity that belongs to another environment than the target (R93)
	Key         string    // kind of an identity that is a static, long-lived secret, and that no exception covers; empty: it is none, or one does (R89)
	Outside     string    // OutsideContractor …: who is to hold it does not belong to the company; empty: does
	Watched     []string  // rules of watching that demand a stronger chain of the requester or the subject now
	Exception   Renewed   // KindException: how often it was renewed, and since when it stands
	Grant       GrantID   // id for the grant, if the document itself approves
}

// WindowAsk is the standing window that covers an ask; the zero value is none.
type WindowAsk struct {
	ID        string
	Terms     WindowTerms
	Used      int // within Terms.Per, this ask not included
	Approvers int // people who approved the window
}

// Foreseen is what a target says that a grant would do, in sentences; the zero value is "it cannot tell". It is shown and decides nothing.
type Foreseen struct {
	Changes  []string // none: the access is there already
	Notes    []string // what else should be known: what the role reaches, what a revocation leaves
	Standing []string // other ways in which the holder has the same already, for good (R52)
}

// IsZero tells whether the target told anything.
func (f Foreseen) IsZero() bool { return len(f.Changes)+len(f.Notes)+len(f.Standing) == 0 }

// Held is access that the subject has already; the zero value is none.
type Held struct {
	Grant    GrantID
	Ends     Stamp
	Started  Stamp // of the first grant of a row of extensions
	Renewals int   // extensions so far
}

// Rosters are the people that the selectors of a workflow yield now, by stage, without regard to who asked.
type Rosters struct {
	Stages []StageRoster
	Told   []PersonID // by Workflow.Tell: who is told the outcome
	Failed bool       // the directory could not be asked: not the same as "nobody"
	Final  Final      // for Tick, where the open stage waits for objections; Vote has its own
}

// StageRoster is who one stage would ask, and whom its escalation would add.
type StageRoster struct {
	Approvers []Seat
	Escalate  []Seat   // the first tier
	Then      [][]Seat // the tiers behind it
	Told      []PersonID

	// Moments that only a calendar can tell, as of when the world was asked; zero: elapsed time, counted by the engine.
	RemindAt   Stamp
	EscalateAt Stamp
	ThenAt     []Stamp
	ShiftsAt   []Stamp // within the stage's time-out
}
