package desk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/countersign-bot/countersign/workflows"
)

// asked is what selectors may refer to.
type asked struct {
	requester workflows.PersonID
	subject   workflows.IdentityID
	owner     workflows.PersonID // of the target
	backup    workflows.PersonID
}

// resolve asks who a selector yields now. An error means that somebody could not be asked: the seats given with it are true but may not
// be all. Nobody is a possible answer.
func (d *Desk) resolve(ctx context.Context, p *Policy, sel workflows.Selector, a asked) ([]workflows.Seat, error) {
	var out []workflows.Seat
	var failed error
	add := func(why string, people ...workflows.PersonID) {
		for _, x := range people {
			if x != "" && !slices.Contains(sel.Exclude, x) && !slices.ContainsFunc(out, func(s workflows.Seat) bool { return s.Person == x }) {
				out = append(out, workflows.Seat{Person: x, Why: why})
			}
		}
	}
	add("named", sel.People...)
	for _, g := range sel.Groups {
		add("group:"+g.Name, currentMembers(p, g)...)
	}
	for _, handle := range sel.ChatGroups {
		members, err := d.directory.ChatGroup(ctx, handle)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("resolving chat group %q: %w", handle, err))
			continue
		}
		add("chat:"+handle, members...)
	}
	if sel.TargetOwner {
		add("target_owner", a.owner, a.backup)
	}
	if sel.IdentityOwner {
		id := p.Identities[a.subject]
		add("identity_owner", id.Owner, id.Backup)
	}
	if sel.Manager {
		add("manager", p.People[a.requester].Manager)
	}
	return out, failed
}

// among tells whether a selector yields a person. Who is found is found, whatever else could not be asked; an error means that the person
// was not found where one could look.
func (d *Desk) among(ctx context.Context, p *Policy, sel workflows.Selector, a asked, person workflows.PersonID) (bool, error) {
	seats, err := d.resolve(ctx, p, sel, a)
	if person != "" && slices.ContainsFunc(seats, func(s workflows.Seat) bool { return s.Person == person }) {
		return true, nil
	}
	return false, err
}

// currentMembers is a file group as it stands now: who left it loses the power at once, who joined gets none over requests
// that were bound before.
func currentMembers(p *Policy, g workflows.Group) []workflows.PersonID {
	now, ok := p.Groups[g.Name]
	if !ok {
		return nil
	}
	var out []workflows.PersonID
	for _, m := range g.Members {
		if slices.Contains(now, m) {
			out = append(out, m)
		}
	}
	return out
}

// rosters asks for every stage of a workflow at once: a decision may open any of them.
func (d *Desk) rosters(ctx context.Context, p *Policy, w *workflows.Workflow, a asked) workflows.Rosters {
	out := workflows.Rosters{Stages: make([]workflows.StageRoster, len(w.Stages))}
	for i, st := range w.Stages {
		seats, err := d.resolve(ctx, p, st.Approvers, a)
		if err == nil && st.Escalate != nil {
			out.Stages[i].Escalate, err = d.resolve(ctx, p, st.Escalate.Approvers, a)
		}
		if err != nil {
			d.log.WarnContext(ctx, "roster not resolved", "workflow", w.ID, "stage", st.Name, "err", err)
			out.Failed = true
			return out
		}
		out.Stages[i].Approvers = seats
	}
	return out
}

// selected tells whether a person who sits on a recorded roster is still yielded by what put them there, and whether the
// current version of the workflow does not exclude them.
func (d *Desk) selected(ctx context.Context, p *Policy, s workflows.State, stage int, person workflows.PersonID, a asked) (bool, error) {
	if stage < 0 || stage >= len(s.Stages) {
		return false, nil
	}
	seat, ok := s.Stages[stage].Seat(person)
	if !ok {
		return false, nil
	}
	current, exists := p.Workflows[s.Asked.Workflow]
	if exists && excludes(current.Workflow, s.Stages[stage], person) {
		return false, nil
	}
	kind, name, _ := strings.Cut(seat.Why, ":")
	switch kind {
	case "group":
		return slices.Contains(p.Groups[name], person), nil
	case "chat":
		members, err := d.directory.ChatGroup(ctx, name)
		return slices.Contains(members, person), err
	case "target_owner":
		if e, ok := current.entitlement(s); ok { // who owned the target when it was asked for but owns it no more has no say
			return person == e.Owner || person == e.Backup, nil
		}
		return person == a.owner || person == a.backup, nil
	case "identity_owner":
		id := p.Identities[a.subject]
		return person == id.Owner || person == id.Backup, nil
	case "manager":
		return p.People[s.Requester.Person].Manager == person, nil
	}
	return !exists || stillNamed(current.Workflow, s.Stages[stage].Plan.Name, person), nil
}

// entitlement is what a request asks for, as this version has it.
func (v Version) entitlement(s workflows.State) (workflows.Entitlement, bool) {
	if v.Workflow == nil {
		return workflows.Entitlement{}, false
	}
	return v.Workflow.Entitlement(s.Asked.Target, s.Asked.Entitlement)
}

// excludes tells whether the stage of that name leaves the person out now: in its first tier, or in the one they were added by.
func excludes(w *workflows.Workflow, was workflows.StageState, p workflows.PersonID) bool {
	wider := slices.IndexFunc(was.Roster, func(s workflows.Seat) bool { return s.Person == p }) >= was.FirstAsked
	for _, st := range w.Stages {
		if st.Name != was.Plan.Name {
			continue
		}
		if slices.Contains(st.Approvers.Exclude, p) || wider && st.Escalate != nil && slices.Contains(st.Escalate.Approvers.Exclude, p) {
			return true
		}
	}
	return false
}

// stillNamed tells whether the stage of that name still lists the person; a stage that is gone takes no power away, because
// stages stay as submitted.
func stillNamed(w *workflows.Workflow, stage string, p workflows.PersonID) bool {
	for _, st := range w.Stages {
		if st.Name != stage {
			continue
		}
		if slices.Contains(st.Approvers.People, p) {
			return true
		}
		return st.Escalate != nil && slices.Contains(st.Escalate.Approvers.People, p)
	}
	return true
}

// HasRole tells whether a person holds a role now. A group that cannot be asked gives nobody a role.
func (d *Desk) HasRole(ctx context.Context, role string, p workflows.PersonID) bool {
	policy := d.Policy()
	holds, err := d.among(ctx, policy, policy.Roles[role], asked{requester: p}, p)
	if err != nil {
		d.log.WarnContext(ctx, "role not resolved", "role", role, "person", p, "err", err)
	}
	return holds
}

// mayAsk tells whether, and by which part of may_ask, a person may use a workflow.
func (d *Desk) mayAsk(ctx context.Context, p *Policy, w *workflows.Workflow, person workflows.PersonID) (string, bool, error) {
	if person == "" || slices.Contains(w.Ask.Exclude, person) {
		return "", false, nil
	}
	if _, listed := p.People[person]; w.Ask.Anyone && listed {
		return "may_ask: anyone", true, nil
	}
	seats, err := d.resolve(ctx, p, w.Ask, asked{requester: person})
	for _, s := range seats {
		if s.Person == person {
			return "may_ask: " + s.Why, true, nil
		}
	}
	return "", false, err
}

// versions keeps decoded policy versions: they are immutable, so the cache needs no expiry, only a bound.
type versions struct {
	mu   sync.Mutex
	docs map[workflows.DocHash]*workflows.Workflow
}

const maxVersions = 1000 // policy versions kept decoded; a company has tens

// version gives the workflow as it bound a request.
func (d *Desk) version(ctx context.Context, h workflows.DocHash) (*workflows.Workflow, error) {
	d.versions.mu.Lock()
	w, ok := d.versions.docs[h]
	d.versions.mu.Unlock()
	if ok {
		return w, nil
	}
	doc, err := d.ledger.Document(ctx, h)
	if err != nil {
		return nil, fmt.Errorf("reading policy %q: %w", h, err)
	}
	if workflows.HashDocument(doc.Bytes) != h {
		return nil, fmt.Errorf("reading policy %q: its text has another hash", h)
	}
	w = new(workflows.Workflow)
	if err := json.Unmarshal(doc.Bytes, w); err != nil {
		return nil, fmt.Errorf("decoding policy %q: %w", h, err)
	}
	d.versions.mu.Lock()
	defer d.versions.mu.Unlock()
	if d.versions.docs == nil || len(d.versions.docs) >= maxVersions {
		d.versions.docs = map[workflows.DocHash]*workflows.Workflow{}
	}
	d.versions.docs[h] = w
	return w, nil
}
