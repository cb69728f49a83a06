package desk

import (
	"context"
	"fmt"
	"slices"

	"github.com/countersign-bot/countersign/workflows"
)

// rosters asks for every stage of a workflow at once: a decision may open any of them. The workflow is the one that a request goes through:
// only the stages of its plan.
func (d *Desk) rosters(ctx context.Context, p *Policy, w *workflows.Workflow, a asked) workflows.Rosters {
	out := workflows.Rosters{Stages: make([]workflows.StageRoster, len(w.Stages))}
	for i := range w.Stages {
		r, err := d.stageRoster(ctx, p, &w.Stages[i], a)
		if err != nil {
			d.log.WarnContext(ctx, "roster not resolved", "workflow", w.ID, "stage", w.Stages[i].Name, "err", err)
			out.Failed = true
			return out
		}
		out.Stages[i] = r
	}
	return out
}

// stageRoster is whom one stage would ask, tier by tier, when to remind and to widen it, and when others come on shift.
func (d *Desk) stageRoster(ctx context.Context, p *Policy, st *workflows.Stage, a asked) (workflows.StageRoster, error) {
	var out workflows.StageRoster
	first, err := d.approversOf(ctx, p, st, a)
	if err != nil {
		return out, err
	}
	out.Approvers = a.off.seats(p, st, st.Approvers, first, a.now)
	people := first
	out.RemindAt = a.workingMoment(p, people, st.Quorum, st.RemindWorking)
	for k, t := range tiersOf(st) {
		more, err := d.resolve(ctx, p, t.Approvers, a)
		if err != nil {
			return out, err
		}
		inAnyPart(st, more)
		at, seats := a.workingMoment(p, people, st.Quorum, t.Working), a.off.seats(p, st, t.Approvers, more, a.now)
		people = append(slices.Clip(people), more...)
		if k == 0 {
			out.Escalate, out.EscalateAt = seats, at
			continue
		}
		out.Then, out.ThenAt = append(out.Then, seats), append(out.ThenAt, at)
	}
	if st.Tell != nil {
		told, err := d.resolve(ctx, p, *st.Tell, a)
		if err != nil {
			d.log.WarnContext(ctx, "who is told not resolved", "stage", st.Name, "err", err) // nothing is decided by it
		}
		out.Told = peopleOf(told)
	}
	out.ShiftsAt, err = d.shifts(p, st, people, a)
	return out, err
}

// tiersOf are all escalations of a stage.
func tiersOf(st *workflows.Stage) []workflows.Escalation {
	if st.Escalate == nil {
		return nil
	}
	return append([]workflows.Escalation{*st.Escalate}, st.Then...)
}

// inAnyPart lets those whom an escalation adds to a stage with parts fill a place in any of them that does not leave them out: they were named
// for the whole stage. One person still fills one place.
func inAnyPart(st *workflows.Stage, seats []workflows.Seat) {
	for j := range seats {
		for i, part := range st.Parts {
			if !slices.Contains(part.Approvers.Exclude, seats[j].Person) {
				seats[j].Parts = append(seats[j].Parts, i)
			}
		}
	}
}

// approversOf resolves a stage's first tier: its selector, or its parts. Somebody who sits in several parts has one seat that says so.
func (d *Desk) approversOf(ctx context.Context, p *Policy, st *workflows.Stage, a asked) ([]workflows.Seat, error) {
	if len(st.Parts) == 0 {
		return d.resolve(ctx, p, st.Approvers, a)
	}
	var out []workflows.Seat
	for i, part := range st.Parts {
		seats, err := d.resolve(ctx, p, part.Approvers, a)
		if err != nil {
			return nil, fmt.Errorf("part %q: %w", part.Name, err)
		}
		for _, s := range seats {
			j := slices.IndexFunc(out, func(o workflows.Seat) bool { return o.Person == s.Person })
			if j < 0 {
				s.Parts = []int{i}
				out = append(out, s)
				continue
			}
			out[j].Parts = append(out[j].Parts, i)
		}
	}
	return out, nil
}

func peopleOf(seats []workflows.Seat) []workflows.PersonID {
	var out []workflows.PersonID
	for _, s := range seats {
		out = append(out, s.Person)
	}
	return out
}

// seats adds to those whom a selector yields who is away, who decides in their place, and when they are told.
func (o absences) seats(p *Policy, st *workflows.Stage, sel workflows.Selector, list []workflows.Seat, now workflows.Stamp) []workflows.Seat {
	if now == 0 {
		return list
	}
	var out, placed []workflows.Seat
	for _, s := range list {
		delegate, away := o.at(p, s.Person, now)
		s.Away = away
		s.TellAt = o.tellAt(p, st, s.Person, now)
		out = append(out, s)
		if away && delegate != "" && mayStandIn(p, st, sel, s, delegate) {
			in := workflows.Seat{Person: delegate, For: s.Person, Why: s.Why, Parts: s.Parts, TellAt: o.tellAt(p, st, delegate, now)}
			_, in.Away = o.at(p, delegate, now)
			placed = append(placed, in)
		}
	}
	return append(out, placed...)
}

// mayStandIn tells whether a delegate is somebody of the people file whom the selectors do not leave out.
func mayStandIn(p *Policy, st *workflows.Stage, sel workflows.Selector, seat workflows.Seat, delegate workflows.PersonID) bool {
	if _, listed := p.People[delegate]; !listed || delegate == seat.Person || slices.Contains(sel.Exclude, delegate) {
		return false
	}
	for _, i := range seat.Parts {
		if i < len(st.Parts) && slices.Contains(st.Parts[i].Approvers.Exclude, delegate) {
			return false
		}
	}
	return true
}

// tellAt is when somebody is told that they are asked; zero: at once.
func (o absences) tellAt(p *Policy, st *workflows.Stage, person workflows.PersonID, now workflows.Stamp) workflows.Stamp {
	if st.OffHours != workflows.OffHoursWait && st.OffHours != workflows.OffHoursAwake {
		return 0
	}
	if at := o.nextWork(p, person, now); at > now {
		return at
	}
	return 0
}

// workingMoment is when so many of some people have worked so long that together they are a quorum; zero: it is not counted like that. Hours
// that nobody wrote down are round the clock.
func (a asked) workingMoment(p *Policy, seats []workflows.Seat, quorum int, d workflows.Span) workflows.Stamp {
	if d == 0 || a.now == 0 {
		return 0
	}
	var ends []workflows.Stamp
	for _, s := range seats {
		if slices.Contains(a.behind, s.Person) {
			continue
		}
		if at, ok := a.off.addWorking(p, s.Person, a.now, d.Duration()); ok {
			ends = append(ends, at)
		}
	}
	slices.Sort(ends)
	if len(ends) == 0 {
		return a.now.Add(d.Duration())
	}
	return ends[min(max(quorum, 1), len(ends))-1]
}

// shifts are the moments within a stage's time at which others come on shift, or somebody goes on time off or comes back.
func (d *Desk) shifts(p *Policy, st *workflows.Stage, people []workflows.Seat, a asked) ([]workflows.Stamp, error) {
	if a.now == 0 {
		return nil, nil
	}
	end := a.now.Add(st.Timeout.Duration())
	var out []workflows.Stamp
	for _, name := range rotationsOf(st) {
		changes, err := p.Rotations[name].Changes(a.now, end)
		if err != nil {
			return nil, fmt.Errorf("rotation %q: %w", name, err)
		}
		for _, c := range changes {
			out = append(out, c.At)
		}
	}
	for _, s := range people {
		for _, off := range a.off.spans(p, s.Person, a.now) {
			out = append(out, off.From, off.To)
		}
	}
	out = slices.DeleteFunc(out, func(t workflows.Stamp) bool { return t <= a.now || t >= end })
	slices.Sort(out)
	return slices.Compact(out), nil
}

// rotationsOf are the rotations that a stage asks, in any tier.
func rotationsOf(st *workflows.Stage) []string {
	var out []string
	for _, s := range selectorsOf(st) {
		out = append(out, s.Rotations...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// selectorsOf are all selectors by which a stage asks somebody, fallbacks included.
func selectorsOf(st *workflows.Stage) []workflows.Selector {
	out := []workflows.Selector{st.Approvers}
	for _, part := range st.Parts {
		out = append(out, part.Approvers)
	}
	for _, t := range tiersOf(st) {
		out = append(out, t.Approvers)
	}
	for _, s := range out {
		if s.Fallback != nil {
			out = append(out, *s.Fallback)
		}
	}
	return out
}
