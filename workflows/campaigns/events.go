package campaigns

import "github.com/countersign-bot/countersign/workflows"

// Planned says since when a schedule counts: what it would have begun before is not caught up with.
type Planned struct {
	Cron string `json:"cron"`
	Zone string `json:"zone,omitempty"`
}

// Begun starts a run: who looks at how many items, and what the documents said of the campaign then.
type Begun struct {
	Run       workflows.CampaignID   `json:"run"`
	Plan      workflows.CampaignPlan `json:"plan"`
	Scheduled workflows.Stamp        `json:"scheduled,omitzero"` // when it should have begun; zero: somebody began it
	Missed    int                    `json:"missed,omitempty"`   // earlier times of the schedule that passed while nobody was there to begin
	DueAt     workflows.Stamp        `json:"due_at"`
	Items     int                    `json:"items"`
	Sheets    []SheetRef             `json:"sheets,omitempty"` // none: nothing was found to look at, and the run is over
	Left      int                    `json:"left,omitempty"`   // items that nobody can look at
	Channel   string                 `json:"channel,omitempty"`
	Alarm     string                 `json:"alarm,omitempty"` // channel that is told how it ended
}

// SheetRef is a sheet and whose it is.
type SheetRef struct {
	Sheet    workflows.SheetID  `json:"sheet"`
	Reviewer workflows.PersonID `json:"reviewer"`
	Items    int                `json:"items"`
}

// SheetDone says that every item of a sheet is decided and what was decided is done.
type SheetDone struct {
	Run    workflows.CampaignID `json:"run"`
	Sheet  workflows.SheetID    `json:"sheet"`
	Counts Counts               `json:"counts"`
}

// Counts is how many items got which verdict, and what became of them.
type Counts struct {
	Kept       int `json:"kept,omitempty"`
	Narrowed   int `json:"narrowed,omitempty"`
	Converted  int `json:"converted,omitempty"` // standing access that was removed and can be requested
	HandedOver int `json:"handed_over,omitempty"`
	Revoked    int `json:"revoked,omitempty"`
	Suspended  int `json:"suspended,omitempty"`  // because nobody answered
	Silent     int `json:"silent,omitempty"`     // nobody answered, whatever followed
	Unverified int `json:"unverified,omitempty"` // done by the word of a person alone
	Failed     int `json:"failed,omitempty"`     // could not be done
	Overruled  int `json:"overruled,omitempty"`  // of an integration: its other side decided
}

// Ended closes a run: every sheet is done.
type Ended struct {
	Run    workflows.CampaignID `json:"run"`
	Counts Counts               `json:"counts"`
}

// Acknowledged is management's word on the outcome of a run.
type Acknowledged struct {
	Run     workflows.CampaignID `json:"run"`
	Note    string               `json:"note,omitempty" seal:"true"`
	Authn   string               `json:"authn"`
	Channel string               `json:"channel"`
}

// Opened gives a reviewer a sheet.
type Opened struct {
	Campaign string               `json:"campaign"`
	Run      workflows.CampaignID `json:"run"`
	Title    string               `json:"title"`
	Reviewer workflows.PersonID   `json:"reviewer"`
	Why      string               `json:"why"` // "owner", "backup", "target_owner", "manager", "security"
	Items    []Item               `json:"items"`
	Self     bool                 `json:"self_review,omitempty"`
	TellAt   workflows.Stamp      `json:"tell_at"`             // in the reviewer's morning
	RemindAt []workflows.Stamp    `json:"remind_at,omitempty"` // likewise
	AskAt    workflows.Stamp      `json:"escalate_at,omitzero"`
	AskToo   workflows.PersonID   `json:"escalate_to,omitempty"`
	DueAt    workflows.Stamp      `json:"due_at"`
	Silence  string               `json:"silence"`
	Security []workflows.PersonID `json:"security,omitempty"` // are told of what nobody answered for
}

// Item is one thing to look at.
type Item struct {
	Of     string             `json:"of"` // workflows.CampaignIdentities …
	ID     string             `json:"id"` // of the identity, the runbook, or the finding
	Target workflows.TargetID `json:"target,omitempty"`
	Owner  string             `json:"owner,omitempty"` // who answers for it; of access the person whose account it is
	Risk   string             `json:"risk,omitempty"`
	Flags  []string           `json:"flags,omitempty"` // findings: what is kept with one is decided by itself

	// Of an integration, which two people answer for: which of them this is the look of, and who looks at the other side.
	Side string             `json:"side,omitempty"` // SideTechnical, SideBusiness
	With workflows.PersonID `json:"with,omitempty"` // empty: nobody could be asked
}

// The two sides of an integration.
const (
	SideTechnical = "technical"
	SideBusiness  = "business"
)

// Safe tells whether the item may be kept together with others.
func (i Item) Safe() bool { return len(i.Flags) == 0 && i.Risk != "high" && i.Risk != "critical" }

// Shown says that somebody had items before them, with their evidence: nothing is decided that was not.
type Shown struct {
	Items   []int    `json:"items"`   // from 1
	Digests []string `json:"digests"` // of what each said
	Channel string   `json:"channel"`
}

// Decided is a verdict on items that were shown.
type Decided struct {
	Items   []int    `json:"items"`
	Verdict string   `json:"verdict"`
	Shown   string   `json:"shown"`           // Together of what was looked at
	After   int64    `json:"after"`           // seconds between looking and deciding
	Scope   []string `json:"scope,omitempty"` // Narrow: what stays
	To      string   `json:"to,omitempty"`    // HandOver: who is to answer for it
	Reason  string   `json:"reason,omitempty" seal:"true"`
	Authn   string   `json:"authn"`
	Channel string   `json:"channel"`
}

// The verdicts.
const (
	Keep     = "keep"
	Narrow   = "narrow"    // it may do less from now on
	ToJIT    = "jit"       // standing access goes, and can be requested when it is needed
	HandOver = "hand-over" // somebody else answers for it
	Revoke   = "revoke"
	Suspend  = "suspend" // by silence only
	None     = "none"    // by silence only: nothing follows but that security is told
)

// Verdicts are those that a reviewer may give.
func Verdicts() []string { return []string{Keep, Narrow, ToJIT, HandOver, Revoke} }

// Escalated asks somebody else as well.
type Escalated struct {
	To workflows.PersonID `json:"to"`
}

// Lapsed says that nobody answered for items in time, and what follows.
type Lapsed struct {
	Items   []int  `json:"items"`
	Verdict string `json:"verdict"`
}

// Settled says what became of what was decided on an item.
type Settled struct {
	Item     int    `json:"item"`
	How      string `json:"how"`   // "attested", "suspended", "retiring", "removed", "handed over", "narrowed", "told", "gone", "overruled", "failed"
	Proof    string `json:"proof"` // identities.ProofVerified, ProofDeclared
	Detail   string `json:"detail,omitempty"`
	Evidence string `json:"evidence,omitempty" seal:"true"`
	Authn    string `json:"authn,omitempty"`
	Channel  string `json:"channel,omitempty"`
}

// How an item was settled where counting needs to know.
const (
	HowFailed = "failed"
	HowGone   = "gone" // it was not there any more

	HowOverruled = "overruled" // the other side decided more strictly, or nobody there kept it
)

// Closed ends a sheet: all is decided and done.
type Closed struct {
	Counts Counts `json:"counts"`
}

// Kind names for the ledger.
func (Planned) Kind() string      { return "campaign.planned" }
func (Begun) Kind() string        { return "campaign.begun" }
func (SheetDone) Kind() string    { return "campaign.sheet_done" }
func (Ended) Kind() string        { return "campaign.ended" }
func (Acknowledged) Kind() string { return "campaign.acknowledged" }
func (Opened) Kind() string       { return "sheet.opened" }
func (Shown) Kind() string        { return "sheet.shown" }
func (Decided) Kind() string      { return "sheet.decided" }
func (Escalated) Kind() string    { return "sheet.escalated" }
func (Lapsed) Kind() string       { return "sheet.lapsed" }
func (Settled) Kind() string      { return "sheet.settled" }
func (Closed) Kind() string       { return "sheet.closed" }

// EventKinds lists every kind of this package, for decoding.
func EventKinds() []workflows.EventKind {
	return []workflows.EventKind{
		workflows.Of[Planned](), workflows.Of[Begun](), workflows.Of[SheetDone](), workflows.Of[Ended](), workflows.Of[Acknowledged](),
		workflows.Of[Opened](), workflows.Of[Shown](), workflows.Of[Decided](), workflows.Of[Escalated](), workflows.Of[Lapsed](),
		workflows.Of[Settled](), workflows.Of[Closed](),
	}
}
