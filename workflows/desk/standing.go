package desk

import (
	"context"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
)

// standing asks the directory; failing to ask is a standing that refuses.
func (d *Desk) standing(ctx context.Context, by workflows.Acting) workflows.Standing {
	if by.Actor == workflows.SystemActor && by.Person != "" {
		return d.standingOf(ctx, by.Person) // asked by the clock in their name: a renewal
	}
	s, err := d.directory.Standing(ctx, by)
	if err != nil {
		d.log.WarnContext(ctx, "standing not known", "actor", by.Actor, "err", err)
		return workflows.Standing{}
	}
	return s
}

// seated is a person on a recorded roster, as asked about again.
type seated struct {
	state workflows.State
	bound *workflows.Workflow // the stages of the plan
	stage int
	seat  workflows.Seat
	at    workflows.Stamp // when the vote was received: by then shifts and time off are judged
	again bool            // the vote stands already: those are not judged any more
}

// selected tells whether a person who sits on a recorded roster is still yielded by what put them there, and whether the current version of
// the workflow does not exclude them. Somebody in another's place needs both: that the other one is, and that they are away and named them.
func (d *Desk) selected(ctx context.Context, p *Policy, x seated, a asked) (bool, error) {
	if x.stage < 0 || x.stage >= len(x.state.Stages) || x.stage >= len(x.bound.Stages) {
		return false, nil
	}
	current, exists := p.Workflows[x.state.Asked.Workflow]
	now := stageNamed(current.Workflow, x.bound.Stages[x.stage].Name)
	principal := x.seat.Person
	if x.seat.For != "" {
		principal = x.seat.For
		if _, listed := p.People[x.seat.Person]; !listed {
			return false, nil
		}
		if delegate, away := a.off.at(p, principal, x.at); !x.again && (!away || delegate != x.seat.Person) {
			return false, nil
		}
	}
	if exists && (x.excluded(now, x.seat.Person) || x.excluded(now, principal)) {
		return false, nil
	}
	a.now, a.ever = x.at, x.again
	if len(x.seat.Parts) > 1 && !x.isWider(x.seat.Person) {
		return d.inParts(ctx, p, x, now, principal, a)
	}
	return d.yields(ctx, p, x, now, x.seat.Why, principal, a)
}

// inParts tells whether every part that a seat counts for still yields its person.
func (d *Desk) inParts(ctx context.Context, p *Policy, x seated, now *workflows.Stage, who workflows.PersonID, a asked) (bool, error) {
	for _, i := range x.seat.Parts {
		if i < 0 || i >= len(x.bound.Stages[x.stage].Parts) {
			return false, nil
		}
		seats, err := d.resolve(ctx, p, x.bound.Stages[x.stage].Parts[i].Approvers, a)
		j := slices.IndexFunc(seats, func(s workflows.Seat) bool { return s.Person == who })
		if j < 0 {
			return false, err
		}
		if ok, err := d.yields(ctx, p, x, now, seats[j].Why, who, a); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

// yields tells whether the reason for which somebody was asked still holds. now is the stage as the current version has it, or nil.
func (d *Desk) yields(ctx context.Context, p *Policy, x seated, now *workflows.Stage, why string, who workflows.PersonID, a asked) (bool, error) {
	kind, name, _ := strings.Cut(why, ":")
	switch kind {
	case "fallback":
		return d.yields(ctx, p, x, now, name, who, a)
	case "group":
		return slices.Contains(p.Groups[name], who), nil
	case "chat":
		members, err := d.directory.ChatGroup(ctx, name)
		return slices.Contains(members, who), err
	case "channel":
		members, err := d.directory.ChatChannel(ctx, name)
		return slices.Contains(members, who), err
	case "rotation":
		if _, there := p.Rotations[name]; !there {
			return false, nil
		}
		on, err := d.onShift(ctx, p, name, a)
		return slices.Contains(on, who), err
	case "target_owner":
		current := p.Workflows[x.state.Asked.Workflow]
		if e, ok := current.entitlement(x.state); ok { // who owned the target when it was asked for but owns it no more has no say
			return who == e.Owner || who == e.Backup, nil
		}
		return who == a.owner || who == a.backup, nil
	case "identity_owner":
		id, _ := p.even(a.subject)
		return who == id.Owner || who == id.Backup, nil
	case "manager":
		return p.People[x.state.Requester.Person].Manager == who, nil
	}
	return stillNamed(now, who), nil
}

// entitlement is what a request asks for, as this version has it.
func (v Version) entitlement(s workflows.State) (workflows.Entitlement, bool) {
	if v.Workflow == nil {
		return workflows.Entitlement{}, false
	}
	return v.Workflow.Entitlement(s.Asked.Target, s.Asked.Entitlement)
}

func stageNamed(w *workflows.Workflow, name string) *workflows.Stage {
	if w == nil {
		return nil
	}
	for i := range w.Stages {
		if w.Stages[i].Name == name {
			return &w.Stages[i]
		}
	}
	return nil
}

// excluded tells whether the stage of that name leaves the person out now: in its first tier or one of their parts, or in a tier they may have
// been added by.
func (x seated) excluded(now *workflows.Stage, who workflows.PersonID) bool {
	if now == nil {
		return false
	}
	if slices.Contains(now.Approvers.Exclude, who) {
		return true
	}
	for _, i := range x.seat.Parts {
		if i < len(now.Parts) && slices.Contains(now.Parts[i].Approvers.Exclude, who) {
			return true
		}
	}
	return x.isWider(who) && slices.ContainsFunc(tiersOf(now), func(t workflows.Escalation) bool { return slices.Contains(t.Approvers.Exclude, who) })
}

// isWider tells whether somebody was added to the roster by an escalation.
func (x seated) isWider(who workflows.PersonID) bool {
	was := x.state.Stages[x.stage]
	return slices.IndexFunc(was.Roster, func(s workflows.Seat) bool { return s.Person == who }) >= was.FirstAsked
}

// stillNamed tells whether the stage still lists the person; one that is gone takes no power away, because stages stay as submitted.
func stillNamed(now *workflows.Stage, p workflows.PersonID) bool {
	return now == nil || slices.ContainsFunc(selectorsOf(now), func(s workflows.Selector) bool { return slices.Contains(s.People, p) })
}
