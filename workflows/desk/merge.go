package desk

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/escalations"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

// hold gives the policy that governs while some units wait for approval: the new one, with those as they were. Where a held unit takes
// something away from somebody beside what it adds, that goes at once.
func hold(before, after *Policy, units []string) (*Policy, error) {
	if len(units) == 0 {
		return after, nil
	}
	out := *after
	out.Workflows, out.Runbooks = maps.Clone(after.Workflows), maps.Clone(after.Runbooks)
	out.People, out.Groups, out.Identities = maps.Clone(after.People), maps.Clone(after.Groups), maps.Clone(after.Identities)
	out.Roles, out.Targets = maps.Clone(after.Roles), maps.Clone(after.Targets)
	out.Calendars, out.Rotations, out.Hours = maps.Clone(after.Calendars), maps.Clone(after.Rotations), maps.Clone(after.Hours)
	for _, u := range units {
		out.keep(before, u)
	}
	return &out, out.restate(before, after)
}

// keep puts one unit back to what it was.
func (p *Policy) keep(before *Policy, unit string) {
	kind, name, _ := strings.Cut(unit, "/")
	switch kind {
	case unitWorkflow:
		back(p.Workflows, before.Workflows, workflows.WorkflowID(name))
	case unitRunbook:
		back(p.Runbooks, before.Runbooks, workflows.RunbookID(name))
	case unitRole:
		p.Roles[name] = narrow(before.Roles[name], p.Roles[name])
	case unitGroup:
		p.Groups[name] = both(before.Groups[name], p.Groups[name])
	case unitPeople:
		p.keepPerson(before, workflows.PersonID(name))
	case unitIdentity:
		back(p.Identities, before.Identities, workflows.IdentityID(name))
	case unitTarget:
		back(p.Targets, before.Targets, workflows.TargetID(name))
	case unitCalendar:
		back(p.Calendars, before.Calendars, name)
	case unitRotation:
		r := p.Rotations[name]
		r.People = both(before.Rotations[name].People, r.People)
		r.Shifts = among{r.Shifts, r.People}
		p.Rotations[name] = r
	case unitSettings:
		p.Settings = before.Settings
	case unitEscalations:
		p.Escalations = before.Escalations
	}
}

// back gives a map its old value for a key, or takes the key out where there was none.
func back[K comparable, V any](m, before map[K]V, k K) {
	if v, ok := before[k]; ok {
		m[k] = v
		return
	}
	delete(m, k)
}

// keepPerson keeps the accounts and the manager of somebody; what else the file says of them (a name, hours) is the new.
func (p *Policy) keepPerson(before *Policy, id workflows.PersonID) {
	old, ok := before.People[id]
	if !ok {
		delete(p.People, id)
		return
	}
	x := p.People[id]
	x.Manager, x.Slack, x.Unix, x.Email, x.Accounts, x.Marks = old.Manager, old.Slack, old.Unix, old.Email, old.Accounts, old.Marks
	x.Sponsor, x.ContractEnds = old.Sponsor, old.ContractEnds
	p.People[id] = x
}

// both are the members that a group had and still has.
func both(before, after []workflows.PersonID) []workflows.PersonID {
	return slices.DeleteFunc(slices.Clone(before), func(p workflows.PersonID) bool { return !slices.Contains(after, p) })
}

// narrow is a role that nobody has who is not named by both selectors. Groups are resolved as they stand, so it is enough that both name
// them.
func narrow(before, after workflows.Selector) workflows.Selector {
	out := workflows.Selector{
		Anyone: before.Anyone && after.Anyone, People: both(before.People, after.People),
		TargetOwner: before.TargetOwner && after.TargetOwner, IdentityOwner: before.IdentityOwner && after.IdentityOwner,
		Manager: before.Manager && after.Manager, Exclude: slices.Concat(before.Exclude, after.Exclude),
	}
	for _, g := range before.Groups {
		if i := slices.IndexFunc(after.Groups, func(o workflows.Group) bool { return o.Name == g.Name }); i >= 0 {
			out.Groups = append(out.Groups, workflows.Group{Name: g.Name, Members: both(g.Members, after.Groups[i].Members)})
		}
	}
	same := func(a, b []string) []string {
		return slices.DeleteFunc(slices.Clone(a), func(x string) bool { return !slices.Contains(b, x) })
	}
	out.ChatGroups, out.ChatChannels = same(before.ChatGroups, after.ChatGroups), same(before.ChatChannels, after.ChatChannels)
	out.Rotations = same(before.Rotations, after.Rotations)
	return out
}

// restate makes what the policy says of itself agree with what it holds: hashes, files and documents.
func (p *Policy) restate(before, after *Policy) error {
	l := after.Loaded
	l.Workflows, l.Runbooks, l.Sources = map[string]workflows.DocHash{}, map[string]workflows.DocHash{}, maps.Clone(after.Loaded.Sources)
	docs := slices.Clone(after.Documents)
	if !sameJSON(p.Targets, after.Targets) { // one document with all targets, for a start without the folder
		back(l.Sources, before.Loaded.Sources, sourceTargets)
	}
	for id, v := range p.Workflows {
		l.Workflows[string(id)] = v.Hash
	}
	for id, b := range p.Runbooks {
		l.Runbooks[string(id)] = b.Hash
	}
	for _, kind := range []string{"workflows/", "runbooks/"} {
		for _, file := range union(before.Loaded.Sources, after.Loaded.Sources) {
			id, ok := strings.CutPrefix(file, kind)
			now, old, new := l.Workflows[id], before.Loaded.Workflows[id], after.Loaded.Workflows[id]
			if kind == "runbooks/" {
				now, old, new = l.Runbooks[id], before.Loaded.Runbooks[id], after.Loaded.Runbooks[id]
			}
			switch {
			case !ok || now == new:
			case now == old && before.Loaded.Sources[file] != "":
				l.Sources[file] = before.Loaded.Sources[file]
			default:
				delete(l.Sources, file)
			}
		}
	}
	p.Loaded, p.Documents = l, docs
	return p.describe()
}

// describe adds the documents beside workflows and runbooks to what the policy says of itself.
func (p *Policy) describe() error {
	docs, err := p.documents()
	if err != nil {
		return err
	}
	sources := maps.Clone(p.Loaded.Sources)
	if sources == nil {
		sources = map[string]workflows.DocHash{}
	}
	maps.DeleteFunc(sources, func(name string, _ workflows.DocHash) bool { return isUnit(name) })
	for _, name := range union(docs, docs) {
		sources[name] = docs[name].Hash
		p.Documents = append(slices.Clip(p.Documents), docs[name])
	}
	p.Loaded.Sources = sources
	return nil
}

// isUnit tells whether a name of PolicyLoaded.Sources is one of ours and not of a file.
func isUnit(name string) bool {
	kind, _, _ := strings.Cut(name, "/")
	switch kind {
	case unitPeople, unitGroups, unitIdentities, unitSettings, unitEscalations, unitRole, unitTarget, unitCalendar, unitRotation:
		return true
	}
	return false
}

// recall makes the policy that governs out of the ledger alone, for a start with a folder that may have changed meanwhile. Names, addresses
// and hours, which the ledger does not hold, are those of the folder. What an entry older than this program does not say is taken as it is in
// the folder.
func (d *Desk) recall(ctx context.Context, last workflows.PolicyLoaded, folder *Policy) (*Policy, error) {
	p := *folder
	p.Workflows, p.Runbooks = map[workflows.WorkflowID]Version{}, map[workflows.RunbookID]Book{}
	p.Roles, p.Targets = map[string]workflows.Selector{}, map[workflows.TargetID]Target{}
	p.Calendars, p.Rotations = map[string]Calendar{}, map[string]Rotation{}
	p.Loaded, p.Documents = last, nil
	for id, h := range last.Workflows {
		w, err := d.version(ctx, h)
		if err != nil {
			return nil, err
		}
		p.Workflows[workflows.WorkflowID(id)] = Version{w, h}
	}
	for id, h := range last.Runbooks {
		b, err := d.book(ctx, h)
		if err != nil {
			return nil, err
		}
		p.Runbooks[workflows.RunbookID(id)] = b
	}
	known := false
	for name, h := range last.Sources {
		if isUnit(name) {
			known = true
			if err := d.recallUnit(ctx, &p, folder, name, h); err != nil {
				return nil, err
			}
		}
	}
	if !known { // recorded before these documents were
		p.Roles, p.Targets, p.Calendars, p.Rotations = folder.Roles, folder.Targets, folder.Calendars, folder.Rotations
	}
	return &p, nil
}

// book reads a runbook with its text.
func (d *Desk) book(ctx context.Context, h workflows.DocHash) (Book, error) {
	var r incidents.Runbook
	if err := d.read(ctx, h, &r); err != nil {
		return Book{}, err
	}
	text, err := d.ledger.Document(ctx, r.Document)
	if err != nil {
		return Book{}, fmt.Errorf("reading the text of runbook %q: %w", r.ID, err)
	}
	return Book{Runbook: r, Hash: h, Text: text.Bytes}, nil
}

// read decodes a document of the ledger, if its bytes are those of its hash.
func (d *Desk) read(ctx context.Context, h workflows.DocHash, v any) error {
	doc, err := d.ledger.Document(ctx, h)
	if err != nil {
		return fmt.Errorf("reading document %q: %w", h, err)
	}
	if workflows.HashDocument(doc.Bytes) != h {
		return fmt.Errorf("reading document %q: its text has another hash", h)
	}
	if err := json.Unmarshal(doc.Bytes, v); err != nil {
		return fmt.Errorf("decoding document %q: %w", h, err)
	}
	return nil
}

func (d *Desk) recallUnit(ctx context.Context, p, folder *Policy, unit string, h workflows.DocHash) error {
	kind, name, _ := strings.Cut(unit, "/")
	switch kind {
	case unitPeople:
		docs := map[workflows.PersonID]personDoc{}
		if err := d.read(ctx, h, &docs); err != nil {
			return err
		}
		p.People = recallPeople(docs, folder)
	case unitGroups:
		p.Groups = nil
		return d.read(ctx, h, &p.Groups)
	case unitIdentities:
		docs := map[workflows.IdentityID]identityDoc{}
		if err := d.read(ctx, h, &docs); err != nil {
			return err
		}
		p.Identities = recallIdentities(docs, folder)
	case unitSettings:
		p.Settings = Settings{}
		return d.read(ctx, h, &p.Settings)
	case unitEscalations:
		p.Escalations = escalations.Plan{}
		return d.read(ctx, h, &p.Escalations)
	case unitRole:
		var s workflows.Selector
		err := d.read(ctx, h, &s)
		p.Roles[name] = s
		return err
	case unitTarget:
		var t Target
		err := d.read(ctx, h, &t)
		p.Targets[workflows.TargetID(name)] = t
		return err
	case unitCalendar:
		var c Calendar
		err := d.read(ctx, h, &c)
		if err == nil {
			p.Calendars[name], err = NewCalendar(c)
		}
		return err
	case unitRotation:
		var r Rotation
		err := d.read(ctx, h, &r)
		r.Shifts = folder.Rotations[name].Shifts
		p.Rotations[name] = r
		return err
	}
	return nil
}

// recallPeople gives people the accounts that were in force. One that the directory does not know any more is nobody's.
func recallPeople(docs map[workflows.PersonID]personDoc, folder *Policy) map[workflows.PersonID]Person {
	out := map[workflows.PersonID]Person{}
	for id, doc := range docs {
		x, listed := folder.People[id]
		if listed && sameJSON(docOfPerson(x), doc) {
			out[id] = x
			continue
		}
		x.ID, x.Manager, x.Marks, x.Sponsor, x.ContractEnds = id, doc.Manager, doc.Marks, doc.Sponsor, doc.Contract
		x.Slack, x.Unix, x.Email = folder.value(doc.Marks[markSlack]), folder.value(doc.Marks[markUnix]), folder.value(doc.Marks[markEmail])
		x.Accounts = folder.accounts(doc.Marks)
		out[id] = x
	}
	return out
}

func recallIdentities(docs map[workflows.IdentityID]identityDoc, folder *Policy) map[workflows.IdentityID]Identity {
	out := map[workflows.IdentityID]Identity{}
	for id, doc := range docs {
		x := folder.Identities[id]
		if !sameJSON(docOfIdentity(x), doc) {
			x = Identity{
				ID: id, Class: doc.Class, Name: doc.Name, Owner: doc.Owner, Backup: doc.Backup, Purpose: doc.Purpose,
				Environment: doc.Environment, Expires: doc.Expires, ExpiresOn: doc.ExpiresOn, Marks: doc.Marks, Accounts: folder.accounts(doc.Marks), Workloads: doc.Workloads,
			}
		}
		out[id] = x
	}
	return out
}

func (p *Policy) value(mark string) string {
	if mark == "" || p.Unmark == nil {
		return ""
	}
	v, _ := p.Unmark(mark)
	return v
}

func (p *Policy) accounts(marks map[string]string) map[workflows.TargetID]string {
	out := map[workflows.TargetID]string{}
	for what, mark := range marks {
		if target, ok := strings.CutPrefix(what, markAccount); ok {
			if v := p.value(mark); v != "" {
				out[workflows.TargetID(target)] = v
			}
		}
	}
	return out
}

const markAccount = "account/"

// sourceTargets names the document with all targets among the sources of a policy.
const sourceTargets = "targets"
