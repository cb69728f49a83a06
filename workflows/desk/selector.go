package desk

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/countersign-bot/countersign/workflows"
)

// asked is what selectors may refer to.
type asked struct {
	requester workflows.PersonID
	subject   workflows.IdentityID
	owner     workflows.PersonID   // of the target
	backup    workflows.PersonID   //
	behind    []workflows.PersonID // who stands behind a request: a selector that yields only them yields nobody
	now       workflows.Stamp      // zero: asked for when it matters
	off       absences             // nil: time off does not matter
	ever      bool                 // of a rotation, who is ever on shift: to ask again about somebody who decided on shift
}

// resolve asks who a selector yields now. An error means that somebody could not be asked: the seats given with it are true but may not
// be all. Nobody is a possible answer; then the fallback is asked.
func (d *Desk) resolve(ctx context.Context, p *Policy, sel workflows.Selector, a asked) ([]workflows.Seat, error) {
	out, err := d.resolveOne(ctx, p, sel, a)
	if err != nil || sel.Fallback == nil {
		return out, err
	}
	for _, s := range out {
		if !slices.Contains(a.behind, s.Person) {
			return out, nil
		}
	}
	instead, err := d.resolveOne(ctx, p, *sel.Fallback, a)
	for _, s := range instead {
		if !slices.Contains(sel.Exclude, s.Person) && !slices.ContainsFunc(out, func(o workflows.Seat) bool { return o.Person == s.Person }) {
			s.Why = whyFallback + s.Why
			out = append(out, s)
		}
	}
	return out, err
}

const whyFallback = "fallback:"

func (d *Desk) resolveOne(ctx context.Context, p *Policy, sel workflows.Selector, a asked) ([]workflows.Seat, error) {
	var out []workflows.Seat
	seen := map[workflows.PersonID]bool{"": true}
	for _, x := range sel.Exclude {
		seen[x] = true
	}
	add := func(why string, people ...workflows.PersonID) {
		for _, x := range people {
			if !seen[x] {
				seen[x] = true
				out = append(out, workflows.Seat{Person: x, Why: why})
			}
		}
	}
	add("named", sel.People...)
	for _, g := range sel.Groups {
		add("group:"+g.Name, currentMembers(p, g)...)
	}
	failed := d.askChat(ctx, sel, add)
	for _, name := range sel.Rotations {
		on, err := d.onShift(ctx, p, name, a)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		add("rotation:"+name, on...)
	}
	if sel.TargetOwner {
		add("target_owner", a.owner, a.backup)
	}
	if sel.IdentityOwner {
		id, _ := p.even(a.subject)
		add("identity_owner", id.Owner, id.Backup)
	}
	if sel.Manager {
		add("manager", p.People[a.requester].Manager)
	}
	return out, failed
}

// askChat adds members of user groups and channels.
func (d *Desk) askChat(ctx context.Context, sel workflows.Selector, add func(string, ...workflows.PersonID)) (failed error) {
	for _, handle := range sel.ChatGroups {
		members, err := d.directory.ChatGroup(ctx, handle)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("resolving chat group %q: %w", handle, err))
			continue
		}
		add("chat:"+handle, members...)
	}
	for _, name := range sel.ChatChannels {
		members, err := d.directory.ChatChannel(ctx, name)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("resolving chat channel %q: %w", name, err))
			continue
		}
		add("channel:"+name, members...)
	}
	return failed
}

// onShift asks a rotation. One that the documents do not have (any more) is an error: that is not the same as nobody on shift.
func (d *Desk) onShift(ctx context.Context, p *Policy, name string, a asked) ([]workflows.PersonID, error) {
	r, ok := p.Rotations[name]
	if !ok {
		return nil, fmt.Errorf("resolving rotation %q: there is none of that name", name)
	}
	if a.ever {
		return r.People, nil
	}
	if a.now == 0 {
		var err error
		if a.now, err = d.now(ctx); err != nil {
			return nil, err
		}
	}
	return r.On(a.now), nil
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
	return d.mayAskAs(ctx, p, w, asked{requester: person})
}

func (d *Desk) mayAskAs(ctx context.Context, p *Policy, w *workflows.Workflow, a asked) (string, bool, error) {
	person := a.requester
	if person == "" || slices.Contains(w.Ask.Exclude, person) {
		return "", false, nil
	}
	if _, listed := p.People[person]; w.Ask.Anyone && listed {
		return "may_ask: anyone", true, nil
	}
	seats, err := d.resolve(ctx, p, w.Ask, a)
	for _, s := range seats {
		if s.Person == person {
			return "may_ask: " + s.Why, true, nil
		}
	}
	return "", false, err
}
