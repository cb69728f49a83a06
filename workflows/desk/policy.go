package desk

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
	"github.com/countersign-bot/countersign/workflows/escalations"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

// Policy is the version of all documents that governs now. It is replaced as a whole and never changed.
type Policy struct {
	Hash        workflows.DocHash // of the whole
	Workflows   map[workflows.WorkflowID]Version
	Runbooks    map[workflows.RunbookID]Book
	People      map[workflows.PersonID]Person
	Groups      map[string][]workflows.PersonID
	Identities  map[workflows.IdentityID]Identity
	Roles       map[string]workflows.Selector // RoleOwner …
	Calendars   map[string]Calendar
	Rotations   map[string]Rotation
	Targets     map[workflows.TargetID]Target
	Hours       map[workflows.PersonID]*calendar.Hours // of those whose hours are on file
	Conditions  Conditions                             // nil where no workflow has rules with conditions
	Settings    Settings
	Escalations escalations.Plan
	Author      Author
	Loaded      workflows.PolicyLoaded
	Documents   []workflows.Document

	// Inventory gives an identity as the documents and what was recorded since say; nil: only the documents do.
	Inventory func(workflows.IdentityID) (Identity, bool)

	// Unmark gives what a mark of a person or identity stands for, while the directory still knows it; nil: nobody can tell.
	Unmark func(mark string) (string, bool)
}

// Conditions evaluates what the rules of workflows say. Package spec implements it on CEL.
type Conditions interface {
	// Eval tells whether the condition holds for the inputs. An error (it cannot be evaluated, or costs too much) is not a "no": it
	// refuses what depends on it.
	Eval(expr string, in workflows.Inputs) (bool, error)
}

// Author is who changed the documents, as far as the folder's history says; the zero value is nobody known.
type Author struct {
	Name   string // "Ann Lee <ann@example.com>"
	Email  string
	Commit string
}

// author is the person whose address a change carries: in the people file before the change, else in the one after it; empty where it is
// nobody's.
func author(before, after *Policy) workflows.PersonID {
	if after.Author.Email == "" {
		return ""
	}
	for _, p := range []*Policy{before, after} {
		for id, x := range p.People {
			if strings.EqualFold(x.Email, after.Author.Email) {
				return id
			}
		}
	}
	return ""
}

// Roles.
const (
	RoleOwner    = "owner"
	RoleSecurity = "security"
	RoleAuditor  = "auditor"
	RoleOperator = "operator"
)

// Version is a compiled workflow with the hash of its canonical form.
type Version struct {
	Workflow *workflows.Workflow
	Hash     workflows.DocHash
}

// Book is a compiled runbook with its exact text.
type Book struct {
	Runbook incidents.Runbook
	Hash    workflows.DocHash // of the compiled front matter
	Text    []byte
}

// Settings are what countersign.yaml says besides the documents.
type Settings struct {
	Organisation    string `json:"organisation,omitempty"`
	LinkByEmail     bool   `json:"link_by_email,omitempty"`    // a chat account may be linked to a person by its e-mail address
	SecurityChannel string `json:"security_channel,omitempty"` // "#security": alarms; may be empty
	Language        string `json:"language,omitempty"`         // of cards in channels; empty: English

	Watch []workflows.WatchRule `json:"watch,omitempty"` // what is looked for in the ledger

	IncidentsOpen    *workflows.Selector `json:"incidents_open,omitempty"`    // who may open an incident; nil: everybody
	IncidentsCommand *workflows.Selector `json:"incidents_command,omitempty"` // who may command one; nil: everybody

	Campaigns []workflows.CampaignPlan `json:"campaigns,omitempty"` // who looks at what how often

	Unused UnusedRule `json:"unused,omitzero"` // when what nobody uses is suspended
}

// Stands is how far ahead the end of an identity of a risk tier may lie (R23); of a risk that no tier is, identities.MaxLife.
func (p *Policy) Stands(risk string) time.Duration {
	out := identities.MaxLife
	for _, v := range p.Workflows { // the table is one, and stands in each
		if v.Workflow.Risk == nil {
			continue
		}
		for _, t := range v.Workflow.Risk.Tiers {
			if t.Name == risk && t.Stands > 0 {
				out = min(out, t.Stands.Duration())
			}
		}
	}
	return out
}

// Person is what the people file says of somebody.
type Person struct {
	ID       workflows.PersonID
	Key      string
	Name     string
	Email    string
	Phone    string // for when nothing else works; never in the ledger
	Slack    string // "U…" or "T…/U…"
	Unix     string // user on the bot's host
	Zone     string
	Hours    string
	Manager  workflows.PersonID
	Accounts map[workflows.TargetID]string
	Calendar string // whose hours and holidays are theirs where the entry has none; may be empty
	TimeOff  []calendar.Interval

	// Of a contractor, whose account may be a guest's: who answers for them, and until when they work here. With both they may ask and hold,
	// never decide.
	Sponsor      workflows.PersonID
	ContractEnds workflows.Stamp

	// Marks stand for what the ledger must not hold of the person: "slack", "unix", "email" and "account/…" of each target, each a
	// pseudonym that is the same as long as the value is. By them a change of an account is seen, years later and without a name.
	Marks map[string]string
}

// Identity is a non-human identity of the inventory.
type Identity struct {
	Lapsed      bool // suspended because an exception is over: only another exception may be asked for
	Ended       bool // suspended because its end has come: only its renewal may be asked for
	ID          workflows.IdentityID
	Class       string
	Name        string
	Owner       workflows.PersonID
	Backup      workflows.PersonID
	Purpose     string
	Environment string
	Expires     workflows.Stamp
	ExpiresOn   string
	Accounts    map[workflows.TargetID]string
	Marks       map[string]string    // "account/…", as those of people
	Team        []workflows.PersonID // who answers for it where a group owns it
	Workloads   []Workload           // whose tokens act as it

	ManagedBy string   // internal, contractor, vendor, low-code; empty: internal
	Stored    string   // where its secret lies, as the inventory says; empty: not on record
	Findings  []string // codes of what is wrong with it whatever the time is
	Waived    []string // controls that exceptions waive now

	Outside string // who runs it that does not belong to the company: workflows.OutsideVendor …; empty: nobody
}

// Workload says whose token lets its bearer act as a non-human identity through the API; package spec describes the fields.
type Workload struct {
	Issuer   string            `json:"issuer"`
	Audience string            `json:"audience"`
	Subject  string            `json:"subject"`
	Claims   map[string]string `json:"claims,omitempty"`
	Keys     string            `json:"keys,omitempty"`
	Hours    string            `json:"hours,omitempty"`
	Zone     string            `json:"zone,omitempty"`
	CRL      string            `json:"crl,omitempty"` // address of the authority's list of revoked client certificates

	KillSwitch bool `json:"kill_switch,omitempty"` // its bearer may take everything away from anybody
}

// Target is a system as the documents describe it, without what its entitlements carry themselves.
type Target struct {
	ID          workflows.TargetID `json:"id"`
	Title       string             `json:"title"`
	Connector   string             `json:"connector"`
	Owner       workflows.PersonID `json:"owner,omitempty"`
	Backup      workflows.PersonID `json:"backup,omitempty"`
	Environment string             `json:"environment"`
	DataClass   string             `json:"data_class,omitempty"`
	Settings    map[string]string  `json:"settings,omitempty"` // names of files and variables, never secrets
}

// Calendar is the business hours, holidays and change freezes of a place, as written and as reckoned with. Make it with NewCalendar.
type Calendar struct {
	*calendar.Business `json:"-"`

	Name     string          `json:"name"`
	Zone     string          `json:"zone"`
	Week     string          `json:"week"` // as calendar.ParseHours reads it
	Holidays []calendar.Date `json:"holidays,omitempty"`
	Stops    []Freeze        `json:"freezes,omitempty"`
	Feed     string          `json:"feed,omitempty"` // what has further holidays, as Rotation.Feed
}

// Freeze is a change freeze of a calendar.
type Freeze struct {
	Name string          `json:"name"`
	From workflows.Stamp `json:"from"`
	To   workflows.Stamp `json:"to"`
	Why  string          `json:"why,omitempty"`
}

// NewCalendar reckons a calendar from what is written.
func NewCalendar(c Calendar) (Calendar, error) {
	hours, err := hoursOf(c.Week, c.Zone, c.Holidays, nil)
	if err != nil {
		return c, fmt.Errorf("calendar %q: %w", c.Name, err)
	}
	var freezes []calendar.Freeze
	for _, f := range c.Stops {
		freezes = append(freezes, calendar.Freeze{Name: f.Name, Interval: calendar.Interval{From: f.From, To: f.To}, Why: f.Why})
	}
	c.Business, err = calendar.NewBusiness(c.Name, hours, freezes)
	return c, err
}

func hoursOf(week, zone string, holidays []calendar.Date, off []calendar.Interval) (*calendar.Hours, error) {
	loc, err := time.LoadLocation(zone)
	if err != nil {
		return nil, fmt.Errorf("zone %q: %w", zone, err)
	}
	w, err := calendar.ParseHours(cmp.Or(week, usualWeek))
	if err != nil {
		return nil, err
	}
	return calendar.NewHours(calendar.Plan{Zone: loc, Week: w, Holidays: holidays, Off: off})
}

// usualWeek is when a calendar without hours is open.
const usualWeek = "Mon-Fri 09:00-17:00"

// PersonHours are the working hours of somebody of the people file: their own, or else those of their calendar; nil when neither is on file.
func PersonHours(p Person, place *Calendar) (*calendar.Hours, error) {
	week := p.Hours
	if week == "" && place != nil {
		week = cmp.Or(place.Week, usualWeek)
	}
	if week == "" {
		return nil, nil
	}
	var holidays []calendar.Date
	if place != nil {
		holidays = place.Holidays
	}
	h, err := hoursOf(week, p.Zone, holidays, p.TimeOff)
	if err != nil {
		return nil, fmt.Errorf("hours of %q: %w", p.Key, err)
	}
	return h, nil
}

// place is the calendar of somebody; nil where they have none.
func (p *Policy) place(x Person) *Calendar {
	if c, ok := p.Calendars[x.Calendar]; ok {
		return &c
	}
	return nil
}

// Shifts answers who is on shift. *calendar.Rotation does; so does a list of shifts.
type Shifts interface {
	On(t workflows.Stamp) []workflows.PersonID
	Changes(from, to workflows.Stamp) ([]calendar.Change, error)
}

// Rotation is who takes turns. Whose turn it is is not part of what is compared: that changes by itself.
type Rotation struct {
	Shifts `json:"-"` // nil: nobody is ever on shift

	Name   string               `json:"name"`
	People []workflows.PersonID `json:"people"`         // everybody who is ever on shift
	Feed   string               `json:"feed,omitempty"` // what says when: its host and the beginning of a hash of its address; empty: the folder
}

// On implements Shifts.
func (r Rotation) On(t workflows.Stamp) []workflows.PersonID {
	if r.Shifts == nil {
		return nil
	}
	return r.Shifts.On(t)
}

// Changes implements Shifts.
func (r Rotation) Changes(from, to workflows.Stamp) ([]calendar.Change, error) {
	if r.Shifts == nil {
		return nil, nil
	}
	return r.Shifts.Changes(from, to)
}

// among are the shifts of a rotation that some of its people have: nobody is on shift in the time of the others.
type among struct {
	Shifts
	people []workflows.PersonID
}

// On implements Shifts.
func (a among) On(t workflows.Stamp) []workflows.PersonID { return both(a.Shifts.On(t), a.people) }

// The documents beside workflows and runbooks lie in the ledger as these values, so that what governs can be told from the ledger alone.
type (
	personDoc struct {
		Manager  workflows.PersonID `json:"manager,omitempty"`
		Sponsor  workflows.PersonID `json:"sponsor,omitempty"`
		Contract workflows.Stamp    `json:"contract_ends,omitzero"`
		Marks    map[string]string  `json:"marks,omitempty"`
	}
	identityDoc struct {
		Class       string             `json:"class"`
		Name        string             `json:"name"`
		Owner       workflows.PersonID `json:"owner"`
		Backup      workflows.PersonID `json:"backup,omitempty"`
		Purpose     string             `json:"purpose"`
		Environment string             `json:"environment"`
		ExpiresOn   string             `json:"expires"`
		Expires     workflows.Stamp    `json:"expires_at"`
		Marks       map[string]string  `json:"marks,omitempty"`
		Workloads   []Workload         `json:"workloads,omitempty"`
	}
)

func docOfPerson(p Person) personDoc { return personDoc{p.Manager, p.Sponsor, p.ContractEnds, p.Marks} }

func docOfIdentity(i Identity) identityDoc {
	return identityDoc{i.Class, i.Name, i.Owner, i.Backup, i.Purpose, i.Environment, i.ExpiresOn, i.Expires, i.Marks, i.Workloads}
}

// Names of the documents in PolicyLoaded.Sources; those of a kind are followed by a slash and the name.
const (
	unitPeople      = "people"
	unitGroups      = "groups"
	unitIdentities  = "identities"
	unitSettings    = "settings"
	unitEscalations = "escalations"
	unitRole        = "role"
	unitTarget      = "target"
	unitCalendar    = "calendar"
	unitRotation    = "rotation"
	unitWorkflow    = "workflow"
	unitRunbook     = "runbook"
	unitGroup       = "group"
	unitIdentity    = "identity"
)

// documents are those beside workflows and runbooks, by their names in PolicyLoaded.Sources.
func (p *Policy) documents() (map[string]workflows.Document, error) {
	people := map[workflows.PersonID]personDoc{}
	for id, x := range p.People {
		people[id] = docOfPerson(x)
	}
	ids := map[workflows.IdentityID]identityDoc{}
	for id, x := range p.Identities {
		ids[id] = docOfIdentity(x)
	}
	values := map[string]any{unitPeople: people, unitGroups: p.Groups, unitIdentities: ids, unitSettings: p.Settings}
	if !p.Escalations.IsZero() {
		values[unitEscalations] = p.Escalations
	}
	for name, s := range p.Roles {
		values[unitRole+"/"+name] = s
	}
	for name, t := range p.Targets {
		values[unitTarget+"/"+string(name)] = t
	}
	for name, c := range p.Calendars {
		values[unitCalendar+"/"+name] = c
	}
	for name, r := range p.Rotations {
		values[unitRotation+"/"+name] = r
	}
	out := map[string]workflows.Document{}
	for name, v := range values {
		b, err := json.Marshal(v) // members in the order of the type, maps in that of their keys: one text for one value
		if err != nil {
			return nil, fmt.Errorf("writing %q for the ledger: %w", name, err)
		}
		out[name] = workflows.Document{Hash: workflows.HashDocument(b), Kind: "policy", Bytes: b}
	}
	return out, nil
}
