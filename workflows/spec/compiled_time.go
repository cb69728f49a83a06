package spec

import (
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
)

// Calendar is one of calendars.yaml: business hours, holidays and change freezes of a place.
type Calendar struct {
	Name     string
	Zone     string          // IANA; loads
	Hours    string          // as calendar.ParseHours reads them; never empty
	Country  string          // ISO 3166, "DE" or "DE-BY"; empty: no public holidays
	Holidays []calendar.Date // public ones of 2024 to 2049, dated ones and those of the iCalendar file, in order, each once
	Freezes  []calendar.Freeze
	Business *calendar.Business // made of the above
	Feed     string             // address of the feed whose events are holidays too; empty: none. It may hold a secret
}

// Rotation is one of rotations.yaml.
type Rotation struct {
	Name     string
	People   []workflows.PersonID // everybody who is ever on shift, in alphabetical order of their keys
	Rotation *calendar.Rotation
	Feed     string   // address of the feed that says when; empty: the folder does. It may hold a secret
	Strange  []string // its entries that name nobody of People, in words; nobody is on shift by them
}

// TestFile is a file of policy tests: tests/*.yaml.
type TestFile struct {
	File  string // "tests/prod-db.yaml"
	Tests []Test
}

// Test says what becomes of one ask.
type Test struct {
	Name   string
	Line   int // in the file
	At     workflows.Stamp
	Given  Given
	Ask    TestAsk
	Expect Expect
}

// Given is the world of a test as far as it differs from a quiet day.
type Given struct {
	Away   []TestAway
	Active []TestGrant // access that is held already
	Asked  int         // asks of the same person for the workflow within its period
	Auto   int         // automatic approvals, likewise
}

// TestAway is somebody on time off.
type TestAway struct {
	Person   workflows.PersonID
	Delegate workflows.PersonID // may be empty
}

// TestGrant is active access.
type TestGrant struct {
	Holder      workflows.IdentityID // of a person, their PersonID
	Target      workflows.TargetID
	Entitlement workflows.EntitlementID
	Ends        workflows.Stamp // zero: the access asked for would end earlier
}

// TestAsk is the ask of a test.
type TestAsk struct {
	Who         workflows.PersonID
	Workflow    workflows.WorkflowID
	For         workflows.IdentityID // of a person, their PersonID; empty: for themselves
	Target      workflows.TargetID
	Entitlement workflows.EntitlementID
	Seconds     workflows.Span
	Fields      map[string]string
	Reason      string // never empty: a sentence is made up where the test gives none
	Channel     string // "slack", "cli" or "api"
	Network     string
	NotBefore   workflows.Stamp // zero: at once
	Runbook     workflows.RunbookID
}

// Outcomes of an ask in a policy test.
const (
	OutcomeRefused = "refused"
	OutcomeAuto    = "auto"
	OutcomeChain   = "chain"
)

// Expect is what should become of the ask. What is empty is not looked at.
type Expect struct {
	Outcome string        // OutcomeRefused …
	Code    string        // of the refusal
	Rule    string        // that was chosen
	Tier    string        // of the risk table
	Stages  []ExpectStage // nil: not looked at; else all of the plan, in order
}

// ExpectStage is one stage of the plan.
type ExpectStage struct {
	Name   string
	Quorum int                  // 0: not looked at
	Can    []workflows.PersonID // who must be able to decide there, now or after an escalation
	Cannot []workflows.PersonID // who must not
}

// StoryFile is a file of story lines: tests/*.txt. It is kept as it was written.
type StoryFile struct {
	File string
	Text []byte
}
