package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// readFolder loads a configuration folder; problems come with file, line and hint.
func readFolder(dir string) (*spec.Folder, error) {
	return readFolderFed(dir, feedStore{})
}

// compile gives every person of the folder their id, keeps what is known about them in the directory, and turns the
// documents into a policy.
func compile(ctx context.Context, s *store.Store, folder *spec.Folder) (*desk.Policy, spec.Policies, error) {
	var errs []error
	ids := map[string]store.Person{}
	p, err := folder.Compile(func(key string) workflows.PersonID {
		if known, ok := ids[key]; ok {
			return known.Ref
		}
		person, err := s.EnsurePerson(ctx, "people:"+key)
		if err != nil {
			errs = append(errs, err)
			return ""
		}
		ids[key] = person
		return person.Ref
	})
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, p, fmt.Errorf("compiling the configuration: %w", err)
	}
	for _, x := range p.People {
		row := ids[x.Key]
		row.Name, row.Email, row.TZ = x.Name, x.Email, x.Zone
		if err := s.PutPerson(ctx, row); err != nil {
			return nil, p, fmt.Errorf("keeping %q in the directory: %w", x.Key, err)
		}
	}
	out, err := policyOf(p)
	if err == nil {
		err = mark(ctx, s, out)
	}
	return out, p, err
}

// policyOf turns compiled files into what the desk works with.
func policyOf(p spec.Policies) (*desk.Policy, error) {
	out := &desk.Policy{
		Workflows: map[workflows.WorkflowID]desk.Version{}, Runbooks: map[workflows.RunbookID]desk.Book{},
		People: map[workflows.PersonID]desk.Person{}, Groups: map[string][]workflows.PersonID{},
		Identities: map[workflows.IdentityID]desk.Identity{},
		Roles: map[string]workflows.Selector{
			desk.RoleOwner: p.Roles.Owner, desk.RoleSecurity: p.Roles.Security,
			desk.RoleAuditor: p.Roles.Auditor, desk.RoleOperator: p.Roles.Operator,
		},
		Settings: desk.Settings{
			Organisation: p.Settings.Organisation, LinkByEmail: p.Settings.LinkByEmail, SecurityChannel: p.Settings.SecurityChannel,
			Language: p.Settings.Language, Watch: p.Watch, IncidentsOpen: p.Settings.IncidentsOpen, IncidentsCommand: p.Settings.IncidentsCommand, Campaigns: p.Campaigns,
			Unused: desk.UnusedRule{After: p.Settings.UnusedAfter, Warn: p.Settings.UnusedWarn},
		},
		Escalations: p.Escalations,
		Loaded: workflows.PolicyLoaded{
			Workflows: map[string]workflows.DocHash{}, Runbooks: map[string]workflows.DocHash{}, Sources: map[string]workflows.DocHash{},
			Version: version(),
		},
	}
	addWorkflows(out, p)
	addRunbooks(out, p)
	for _, x := range p.People {
		var until workflows.Stamp
		if x.ContractUntil != "" {
			day, err := time.Parse(time.DateOnly, x.ContractUntil)
			if err != nil {
				return nil, fmt.Errorf("person %q: contractor.until %q: %w", x.Key, x.ContractUntil, err)
			}
			until = workflows.StampOf(day.AddDate(0, 0, 1))
		}
		out.People[x.ID] = desk.Person{
			Sponsor: x.Sponsor, ContractEnds: until,
			ID: x.ID, Key: x.Key, Name: x.Name, Email: x.Email, Phone: x.Phone, Slack: x.Slack, Unix: x.Unix, Zone: x.Zone, Hours: x.Hours,
			Manager: x.Manager, Accounts: x.Accounts, Calendar: x.Calendar, TimeOff: x.TimeOff,
		}
	}
	for _, g := range p.Groups {
		out.Groups[g.Name] = g.Members
	}
	return out, errors.Join(addIdentities(out, p), addTime(out, p), addTargets(out, p), oneMeaning(p))
}

func addWorkflows(out *desk.Policy, p spec.Policies) {
	for id, w := range p.Workflows {
		compiled := w.Workflow
		out.Workflows[id] = desk.Version{Workflow: &compiled, Hash: w.Hash}
		out.Loaded.Workflows[string(id)] = w.Hash
		out.Loaded.Sources["workflows/"+string(id)] = w.SourceHash
		out.Documents = append(out.Documents,
			workflows.Document{Hash: w.Hash, Kind: "policy", Bytes: w.Canonical},
			workflows.Document{Hash: w.SourceHash, Kind: "source", Bytes: w.Source})
	}
}

func addRunbooks(out *desk.Policy, p spec.Policies) {
	for id, r := range p.Runbooks {
		out.Runbooks[id] = desk.Book{Runbook: r.Runbook, Hash: r.Policy, Text: r.Raw}
		out.Loaded.Runbooks[string(id)] = r.Policy
		out.Loaded.Sources["runbooks/"+string(id)] = r.Hash
		out.Documents = append(out.Documents,
			workflows.Document{Hash: r.Hash, Kind: "runbook", Bytes: r.Raw},
			workflows.Document{Hash: r.Policy, Kind: "policy", Bytes: r.Canonical})
	}
}

func addIdentities(out *desk.Policy, p spec.Policies) error {
	for _, i := range p.Identities {
		day, err := time.Parse(time.DateOnly, i.Expires)
		if err != nil {
			return fmt.Errorf("identity %q: expires %q: %w", i.ID, i.Expires, err)
		}
		out.Identities[i.ID] = desk.Identity{
			ID: i.ID, Class: i.Kind, Name: i.Name, Owner: i.Owner, Backup: i.Backup, Purpose: i.Purpose, Environment: i.Environment,
			Expires: workflows.StampOf(day.AddDate(0, 0, 1)), ExpiresOn: i.Expires, Accounts: maps.Clone(i.Accounts), Workloads: workloadsOf(i.Workloads),
		}
	}
	return nil
}

func workloadsOf(list []spec.Workload) (out []desk.Workload) {
	for _, w := range list {
		out = append(out, desk.Workload(w))
	}
	return out
}
