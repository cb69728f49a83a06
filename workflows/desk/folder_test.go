package desk_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/escalations"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

// draft is a folder of documents that can still be edited. Groups in selectors are filled in when it is compiled.
type draft struct {
	flows      map[workflows.WorkflowID]*workflows.Workflow
	books      map[workflows.RunbookID]*incidents.Runbook
	texts      map[workflows.RunbookID]string
	people     map[workflows.PersonID]desk.Person
	groups     map[string][]workflows.PersonID
	identities map[workflows.IdentityID]desk.Identity
	roles      map[string]workflows.Selector
	targets    map[workflows.TargetID]desk.Target
	calendars  map[string]desk.Calendar
	rotations  map[string]desk.Rotation
	settings   desk.Settings
	author     desk.Author
	paths      escalations.Plan
	conditions desk.Conditions
}

func named(names ...string) workflows.Selector { return workflows.Selector{People: persons(names...)} }

func groups(names ...string) workflows.Selector {
	var s workflows.Selector
	for _, n := range names {
		s.Groups = append(s.Groups, workflows.Group{Name: n})
	}
	return s
}

func stage(name string, quorum int, s workflows.Selector) workflows.Stage {
	return workflows.Stage{Name: name, Quorum: quorum, Approvers: s, Timeout: 4 * 3600}
}

func entitlement(target workflows.TargetID, id workflows.EntitlementID) workflows.Entitlement {
	return workflows.Entitlement{
		Target: target, ID: id, TargetTitle: string(target), Title: string(id), Owner: "p_olga", Backup: "p_otto", Connector: "sshca",
		Params: map[string][]string{"principals": {"deploy"}},
	}
}

func chain(id workflows.WorkflowID, e workflows.Entitlement, stages ...workflows.Stage) *workflows.Workflow {
	return &workflows.Workflow{
		ID: id, Title: string(id), Kind: workflows.KindCredential, Owner: "p_olga", Ask: workflows.Selector{Anyone: true},
		For: []string{workflows.ForSelf, workflows.ForOwned}, Entitlements: []workflows.Entitlement{e}, Longest: 4 * 3600, Usual: 3600, ReasonMin: 5,
		Stages: stages, Channel: "#access", SeenBy: workflows.SeenByParties,
		Fields: []workflows.Field{{Name: "ticket", Type: workflows.FieldTicket, Pattern: "OPS-[0-9]+"}, {Name: "note", Type: workflows.FieldText, Optional: true}},
	}
}

var listed = []string{
	"zed", "ann", "bob", "cho", "dan", "olga", "otto", "sam", "aud", "rita", "rob", "lea", "mia", "ivy", "ida", "nia", "gus", "max",
}

const bookText = "---\nid: failover\n---\n1. Fail over.\n"

func standard() *draft {
	d := &draft{
		flows: map[workflows.WorkflowID]*workflows.Workflow{}, books: map[workflows.RunbookID]*incidents.Runbook{},
		texts:  map[workflows.RunbookID]string{"failover": bookText},
		people: map[workflows.PersonID]desk.Person{}, groups: map[string][]workflows.PersonID{"dba": persons("ann", "bob", "cho")},
		identities: map[workflows.IdentityID]desk.Identity{
			"svc-deploy": {
				ID: "svc-deploy", Class: "service_account", Name: "Deployer", Owner: "p_ivy", Backup: "p_ida", Purpose: "deploys", Environment: "production",
				Expires: workflows.StampOf(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)), ExpiresOn: "2026-12-31",
				Accounts: map[workflows.TargetID]string{"pg-main": "deployer"},
			},
		},
		roles:     map[string]workflows.Selector{desk.RoleOwner: named("max"), desk.RoleSecurity: named("sam"), desk.RoleAuditor: named("aud")},
		targets:   map[workflows.TargetID]desk.Target{"bastion": {ID: "bastion", Title: "Bastion", Connector: "sshca", Owner: "p_olga", Environment: "production"}},
		calendars: map[string]desk.Calendar{}, rotations: map[string]desk.Rotation{}, settings: desk.Settings{SecurityChannel: "#security"},
	}
	for _, n := range listed {
		d.people[person(n)] = desk.Person{ID: person(n), Key: n, Name: n, Manager: "p_mia", Accounts: map[workflows.TargetID]string{"pg-main": n}}
	}
	db := entitlement("pg-main", "writer")
	db.Shared, db.Longest, db.Account = true, 2*3600, true
	peers := stage("peers", 2, groups("dba"))
	peers.Remind, peers.Escalate = 1800, &workflows.Escalation{After: 3600, Approvers: named("sam", "dan")}
	members := chain("shell", entitlement("bastion", "deploy"), stage("peers", 1, named("ann", "bob", "cho")))
	members.SeenBy = workflows.SeenByMembers
	for _, w := range []*workflows.Workflow{
		chain("prod-db", db, peers, stage("owner", 1, workflows.Selector{TargetOwner: true})),
		members,
		chain("pair", entitlement("bastion", "pair"), stage("peers", 2, groups("dba"))),
		chain("names", entitlement("bastion", "names"), stage("peers", 2, named("ann", "bob"))),
		chain("chat", entitlement("bastion", "chat"), stage("oncall", 2, workflows.Selector{ChatGroups: []string{"@oncall"}})),
		chain("manager", entitlement("bastion", "manager"), stage("manager", 1, workflows.Selector{Manager: true}), stage("owner", 1, workflows.Selector{IdentityOwner: true})),
	} {
		d.flows[w.ID] = w
	}
	approve := chain("approve-book", workflows.Entitlement{}, stage("lead", 1, named("lea")))
	approve.Kind, approve.Entitlements, approve.Fields, approve.For, approve.Uses, approve.Longest = workflows.KindPreapprove, nil, nil, nil, 2, 30*24*3600
	d.flows[approve.ID] = approve
	d.books["failover"] = &incidents.Runbook{
		ID: "failover", Title: "Fail over", Owner: "p_olga", Invokers: named("zed", "rita"), Grant: entitlement("pg-main", "admin"), Longest: 1800,
		IncidentPattern: "INC-[0-9]{1,7}", Skips: "prod-db", Notify: "#incidents", Reviewers: named("rita", "rob", "lea"), ReviewDue: 24 * 3600,
		Fields: []workflows.Field{{Name: "host", Type: workflows.FieldChoice, Choices: []string{"a", "b"}, Optional: true}},
	}
	return d
}

// compile makes the policy. It copies everything, so that the draft can be edited on.
func (d *draft) compile(t *testing.T) *desk.Policy {
	t.Helper()
	p := &desk.Policy{
		Workflows: map[workflows.WorkflowID]desk.Version{}, Runbooks: map[workflows.RunbookID]desk.Book{}, People: maps.Clone(d.people),
		Groups: map[string][]workflows.PersonID{}, Identities: maps.Clone(d.identities), Roles: map[string]workflows.Selector{},
		Settings: d.settings, Escalations: d.paths, Author: d.author, Targets: maps.Clone(d.targets), Conditions: d.conditions,
		Calendars: map[string]desk.Calendar{}, Rotations: map[string]desk.Rotation{}, Hours: map[workflows.PersonID]*calendar.Hours{},
		Unmark: func(mark string) (string, bool) { return strings.CutPrefix(mark, "a_") },
		Loaded: workflows.PolicyLoaded{
			Workflows: map[string]workflows.DocHash{}, Runbooks: map[string]workflows.DocHash{}, Sources: map[string]workflows.DocHash{}, Version: "test",
		},
	}
	for id, x := range p.People {
		x.Marks = marks(x)
		p.People[id] = x
		h, err := desk.PersonHours(x, nil)
		if err != nil {
			t.Fatal(err)
		}
		if h != nil {
			p.Hours[id] = h
		}
	}
	for id, i := range p.Identities {
		i.Marks = map[string]string{}
		for target, account := range i.Accounts {
			i.Marks["account/"+string(target)] = "a_" + account
		}
		p.Identities[id] = i
	}
	for name, c := range d.calendars {
		made, err := desk.NewCalendar(c)
		if err != nil {
			t.Fatal(err)
		}
		p.Calendars[name] = made
	}
	maps.Copy(p.Rotations, d.rotations)
	for name, members := range d.groups {
		p.Groups[name] = slices.Clone(members)
	}
	for role, s := range d.roles {
		p.Roles[role] = d.fill(s)
	}
	for id, w := range d.flows {
		flow := *w
		flow.Ask, flow.Stages = d.fill(w.Ask), slices.Clone(w.Stages)
		for i := range flow.Stages {
			flow.Stages[i].Approvers = d.fill(flow.Stages[i].Approvers)
			flow.Stages[i].Parts = slices.Clone(flow.Stages[i].Parts)
			for j := range flow.Stages[i].Parts {
				flow.Stages[i].Parts[j].Approvers = d.fill(flow.Stages[i].Parts[j].Approvers)
			}
		}
		copied, doc := copyOf(t, flow)
		p.Workflows[id] = desk.Version{Workflow: &copied, Hash: doc.Hash}
		p.Loaded.Workflows[string(id)], p.Loaded.Sources["workflows/"+string(id)] = doc.Hash, doc.Hash
		p.Documents = append(p.Documents, doc)
	}
	for id, b := range d.books {
		book := *b
		book.Document = workflows.HashDocument([]byte(d.texts[id]))
		copied, doc := copyOf(t, book)
		p.Runbooks[id] = desk.Book{Runbook: copied, Hash: doc.Hash, Text: []byte(d.texts[id])}
		p.Loaded.Runbooks[string(id)], p.Loaded.Sources["runbooks/"+string(id)] = doc.Hash, book.Document
		p.Documents = append(p.Documents, doc, workflows.Document{Hash: book.Document, Kind: "runbook", Bytes: []byte(d.texts[id])})
	}
	return p
}

// marks are the pseudonyms of somebody's accounts.
func marks(p desk.Person) map[string]string {
	out := map[string]string{}
	for what, value := range map[string]string{"slack": p.Slack, "unix": p.Unix, "email": p.Email} {
		if value != "" {
			out[what] = "a_" + value
		}
	}
	for target, account := range p.Accounts {
		out["account/"+string(target)] = "a_" + account
	}
	return out
}

func copyOf[T any](t *testing.T, v T) (T, workflows.Document) {
	t.Helper()
	var out T
	b, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out, workflows.Document{Hash: workflows.HashDocument(b), Kind: "policy", Bytes: b}
}

func (d *draft) fill(s workflows.Selector) workflows.Selector {
	s.Groups = slices.Clone(s.Groups)
	for i := range s.Groups {
		s.Groups[i].Members = slices.Clone(d.groups[s.Groups[i].Name])
	}
	return s
}
