package desk

import (
	"context"
	"fmt"
	"sort"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// ListAway has the streams of people who ever announced time off that was not called off: only those need to be read to know who is away.
const ListAway = "people.away"

// absences is the time off that people announced. Nil is "nobody", where it does not matter.
type absences map[workflows.PersonID]identities.PersonState

// absences reads who announced time off.
func (d *Desk) absences(ctx context.Context) (absences, error) {
	streams, err := d.all(ctx, ListAway, "")
	if err != nil {
		return nil, fmt.Errorf("listing time off: %w", err)
	}
	out := absences{}
	for _, stream := range streams {
		h, err := d.ledger.History(ctx, stream)
		if err != nil {
			return nil, err
		}
		s, err := identities.FoldPerson(h)
		if err != nil {
			return nil, err
		}
		out[s.ID] = s
	}
	return out, nil
}

// awayLists puts a person's stream on the list as long as there is time off in it that was not called off.
func awayLists(s identities.PersonState) []workflows.Listing {
	last := workflows.Stamp(0)
	for _, a := range s.Aways {
		if a.Ended == 0 {
			last = max(last, a.Until)
		}
	}
	if last == 0 {
		return nil
	}
	return []workflows.Listing{{List: ListAway, Member: "", Sort: int64(last)}}
}

// at is the time off of a person at a moment: what they announced, or what the people file says; with a delegate only in the first case.
func (o absences) at(p *Policy, person workflows.PersonID, t workflows.Stamp) (delegate workflows.PersonID, away bool) {
	if a, ok := o[person].AwayAt(t); ok {
		return a.Delegate, true
	}
	for _, i := range p.People[person].TimeOff {
		if i.Has(t) {
			return "", true
		}
	}
	return "", false
}

// spans are the times off of a person that are not over at a moment, in order.
func (o absences) spans(p *Policy, person workflows.PersonID, t workflows.Stamp) []calendar.Interval {
	var out []calendar.Interval
	for _, a := range o[person].Coming(t) {
		until := a.Until
		if a.Ended != 0 {
			until = min(until, a.Ended)
		}
		out = append(out, calendar.Interval{From: a.From, To: until})
	}
	for _, i := range p.People[person].TimeOff {
		if i.To > t {
			out = append(out, i)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].From < out[j].From })
	return out
}

// addWorking is when somebody has worked so long since t, leaving out their time off. Hours that nobody wrote down are round the clock.
func (o absences) addWorking(p *Policy, person workflows.PersonID, t workflows.Stamp, d time.Duration) (workflows.Stamp, bool) {
	h := p.Hours[person]
	for _, off := range o.spans(p, person, t) {
		end, ok := workFor(h, t, d)
		if !ok || end <= off.From {
			return end, ok
		}
		if off.From > t {
			d -= workedIn(h, t, off.From)
		}
		t = max(t, off.To)
	}
	return workFor(h, t, d)
}

func workFor(h *calendar.Hours, t workflows.Stamp, d time.Duration) (workflows.Stamp, bool) {
	if h == nil {
		return t.Add(d), true
	}
	return h.AddWorking(t, d)
}

func workedIn(h *calendar.Hours, from, to workflows.Stamp) time.Duration {
	if h == nil {
		return to.Sub(from)
	}
	d, _ := h.WorkingBetween(from, to)
	return d
}

// nextWork is the first moment from t on at which somebody is at work; zero when their hours are not known or they never are.
func (o absences) nextWork(p *Policy, person workflows.PersonID, t workflows.Stamp) workflows.Stamp {
	h := p.Hours[person]
	for _, off := range append(o.spans(p, person, t), calendar.Interval{}) {
		at := t
		if h != nil {
			next, ok := h.NextOpen(t)
			if !ok {
				return 0
			}
			at = next
		}
		if off.To == 0 || at < off.From {
			return at
		}
		t = max(t, off.To)
	}
	return t
}

// hours are somebody's working hours without their announced time off, for a forecast; nil when nobody knows them.
func (o absences) hours(p *Policy, person workflows.PersonID, t workflows.Stamp) *calendar.Hours {
	h := p.Hours[person]
	if h == nil {
		return nil
	}
	x := p.People[person]
	x.TimeOff = o.spans(p, person, t)
	if len(x.TimeOff) == 0 {
		return h
	}
	less, err := PersonHours(x, p.place(x))
	if err != nil {
		return h
	}
	return less
}
