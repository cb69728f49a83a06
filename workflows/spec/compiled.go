package spec

import (
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
	"github.com/countersign-bot/countersign/workflows/escalations"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

// Policies is a compiled folder. Policy and RunbookPolicy hold person ids only and go into the ledger; People holds
// names and addresses and goes into the directory, from which they can be erased.
type Policies struct {
	Settings     Settings
	Workflows    map[workflows.WorkflowID]Policy
	Runbooks     map[workflows.RunbookID]RunbookPolicy
	Targets      []Target                // in the order of file names
	Entitlements []workflows.Entitlement // of all targets, also those that no workflow grants
	People       []Person                // in the order of the file, like Groups and Identities
	Groups       []workflows.Group
	Roles        Roles
	Identities   []Identity

	Calendars   []Calendar            // in the order of the file
	Rotations   []Rotation            // likewise
	Risk        *workflows.RiskTable  // nil: none; it is compiled into each workflow too
	Watch       []workflows.WatchRule // what is watched for, in the order of the file
	Escalations escalations.Plan
	Campaigns   []workflows.CampaignPlan // likewise
	Tests       []TestFile               // in the order of file names
	Stories     []StoryFile
}

// Policy is one version of a workflow.
type Policy struct {
	Workflow   workflows.Workflow
	Hash       workflows.DocHash // of Canonical: what a request binds to
	Canonical  []byte            // canonical JSON of Workflow
	Source     []byte            // the file as it was written; it may hold names in comments
	SourceHash workflows.DocHash
}

// RunbookPolicy is one version of a runbook.
type RunbookPolicy struct {
	Runbook   incidents.Runbook
	Raw       []byte            // the document as it was written
	Hash      workflows.DocHash // of Raw: what is approved; equal to Runbook.Document
	Canonical []byte            // canonical JSON of Runbook
	Policy    workflows.DocHash // of Canonical
}

// Settings is countersign.yaml.
type Settings struct {
	Organisation    string
	LinkByEmail     bool
	SecurityChannel string // "#security"
	Language        string // of cards in channels; empty: English
	Checkpoint      Checkpoint

	IncidentsOpen, IncidentsCommand *workflows.Selector // nil: everybody

	UnusedAfter, UnusedWarn workflows.Span // when what nobody uses is suspended, and how long before its owner is told; zero: never
}

// Checkpoint says when and where the signed state of the ledger is posted.
type Checkpoint struct {
	Schedule string // five cron fields
	Zone     string // IANA; loads
	Channel  string // empty: not posted
}

// Target is a system with the settings that its connector takes.
type Target struct {
	ID          workflows.TargetID
	Title       string
	Connector   string
	Owner       workflows.PersonID
	Backup      workflows.PersonID // may be empty
	Environment string
	DataClass   string
	Settings    map[string]string // no secrets: names of files and environment variables
}

// Person is somebody of people.yaml.
type Person struct {
	ID       workflows.PersonID
	Key      string
	Name     string
	Email    string                        // as written; unique without regard to case
	Phone    string                        // for when nothing else works; empty: not given
	Slack    string                        // "U…" or "T…/U…"; empty: not given
	Unix     string                        // user on the bot's host; empty: not given
	Zone     string                        // IANA; loads
	Hours    string                        // "09:00-17:30" on the person's clock; empty: not given
	Manager  workflows.PersonID            // may be empty
	Accounts map[workflows.TargetID]string // account name on a target
	Calendar string                        // name of the calendar whose holidays are theirs; empty: none
	TimeOff  []calendar.Interval           // in the order of the file

	Sponsor       workflows.PersonID // of a contractor; empty: is none
	ContractUntil string             // last day, YYYY-MM-DD
}

// Roles is roles.yaml; each selector has people and groups only.
type Roles struct {
	Owner, Security, Auditor, Operator workflows.Selector
}

// Identity is a holder of access that is not a person.
type Identity struct {
	ID          workflows.IdentityID
	Kind        string // one of the kinds of identities.yaml
	Name        string
	Owner       workflows.PersonID
	Backup      workflows.PersonID // may be empty
	Purpose     string
	Environment string
	Expires     string // YYYY-MM-DD
	Accounts    map[workflows.TargetID]string
	Workloads   []Workload // what may act as it
}
