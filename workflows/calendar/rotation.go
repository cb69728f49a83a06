package calendar

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"sort"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

// Rota is what a Rotation is made of.
type Rota struct {
	People    []workflows.PersonID // in turn; once through, it begins again
	Zone      *time.Location       // of the hand-over
	First     Date                 // on which the first of them takes over; its weekday is the weekday of weekly hand-overs
	At        Clock                // of each hand-over
	Days      int                  // dates of a shift: 1 daily, 7 weekly
	Overrides []Override
}

// Override puts somebody else on shift for a while.
type Override struct {
	Interval
	Person workflows.PersonID
}

// Shift is somebody's turn.
type Shift struct {
	Person     workflows.PersonID
	Interval        // without what overrides take away
	Overridden bool // stands in for the one whose turn it is
}

// Change is a moment at which another set of people is on shift than just before.
type Change struct {
	At  workflows.Stamp
	On  []workflows.PersonID // from then on; empty only before the rotation has begun, and where a file says nobody
	New []workflows.PersonID // those of them who were not: who is told
}

// Rotation answers who is on shift. A shift begins at the first and ends at the last of two equal readings: for the hour that comes twice both
// are on shift, and there is never nobody. It never changes and may be shared.
type Rotation struct {
	rota   Rota
	listed *listed // instead of turns: the shifts of an iCalendar file
}

// NewRotation checks a rota. Overrides that overlap are refused: which one counts would be a guess.
func NewRotation(r Rota) (*Rotation, error) {
	switch {
	case r.Zone == nil:
		return nil, errors.New("rotation: no zone")
	case len(r.People) == 0:
		return nil, errors.New("rotation: nobody in it")
	case len(r.People) > maxRota:
		return nil, fmt.Errorf("rotation: %d people, at most %d are allowed", len(r.People), maxRota)
	case slices.Contains(r.People, ""):
		return nil, errors.New("rotation: a person without an id")
	case r.At < 0 || r.At >= EndOfDay:
		return nil, fmt.Errorf("rotation: hand-over at %s is no time of a day", r.At)
	case r.Days < 1 || r.Days > maxShiftDays:
		return nil, fmt.Errorf("rotation: shifts of %d days, want 1 to %d", r.Days, maxShiftDays)
	case r.First.Year < minYear || r.First.Year >= maxYear:
		return nil, fmt.Errorf("rotation: the first hand-over on %s is not within %d and %d", r.First, minYear, maxYear-1)
	}
	r.People = slices.Clone(r.People)
	var err error
	if r.Overrides, err = ordered(r.Overrides); err != nil {
		return nil, err
	}
	return &Rotation{rota: r}, nil
}

// ordered sorts overrides and checks them.
func ordered(list []Override) ([]Override, error) {
	if len(list) > maxOverrides {
		return nil, fmt.Errorf("rotation: %d overrides, at most %d are allowed", len(list), maxOverrides)
	}
	list = slices.Clone(list)
	sort.Slice(list, func(i, j int) bool { return list[i].From < list[j].From })
	for i, o := range list {
		switch {
		case o.Person == "":
			return nil, fmt.Errorf("rotation: the override from %s names nobody", o.From)
		case o.To <= o.From:
			return nil, fmt.Errorf("rotation: the override from %s ends before it begins, at %s", o.From, o.To)
		case i > 0 && o.From < list[i-1].To:
			return nil, fmt.Errorf("rotation: the overrides from %s and from %s overlap", list[i-1].From, o.From)
		}
	}
	return list, nil
}

// turn is the shift that begins that many shifts after the first, without overrides.
func (r *Rotation) turn(n int) Shift {
	d := r.rota.First.Add(n * r.rota.Days)
	return Shift{Person: r.rota.People[n%len(r.rota.People)], Interval: Interval{
		From: First(d, r.rota.At, r.rota.Zone),
		To:   Last(d.Add(r.rota.Days), r.rota.At, r.rota.Zone),
	}}
}

// turnAt is the number of a turn that is not later than that of t, and at most two before it.
func (r *Rotation) turnAt(t workflows.Stamp) int {
	return max(0, (DateAt(t, r.rota.Zone).Since(r.rota.First)-1)/r.rota.Days-1)
}

// At is who is on shift, the longest on shift first: one shift, or two while the clock shows the hour of the hand-over twice; none before the
// first hand-over. By a file it is as many as the file says, which may be none.
func (r *Rotation) At(t workflows.Stamp) []Shift {
	if o, ok := r.override(t); ok {
		return []Shift{{Person: o.Person, Interval: o.Interval, Overridden: true}}
	}
	var out []Shift
	if r.listed != nil {
		for _, s := range r.listed.at(t) {
			s.Interval = r.clip(s.Interval, t)
			out = append(out, s)
		}
		return out
	}
	for n, i := r.turnAt(t), 0; i < 2+lookBack; n, i = n+1, i+1 {
		if s := r.turn(n); s.Has(t) {
			s.Interval = r.clip(s.Interval, t)
			out = append(out, s)
		}
	}
	return out
}

func (r *Rotation) override(t workflows.Stamp) (Override, bool) {
	i, _ := slices.BinarySearchFunc(r.rota.Overrides, t, func(o Override, t workflows.Stamp) int {
		if o.To <= t {
			return -1
		}
		return 1
	})
	if i < len(r.rota.Overrides) && r.rota.Overrides[i].Has(t) {
		return r.rota.Overrides[i], true
	}
	return Override{}, false
}

// clip cuts off what overrides take before and after t.
func (r *Rotation) clip(s Interval, t workflows.Stamp) Interval {
	for _, o := range r.rota.Overrides {
		if o.To <= t {
			s.From = max(s.From, o.To)
		} else if o.From > t {
			s.To = min(s.To, o.From)
		}
	}
	return s
}

// On is who is on shift, as At, each person once.
func (r *Rotation) On(t workflows.Stamp) []workflows.PersonID {
	var out []workflows.PersonID
	for _, s := range r.At(t) {
		if !slices.Contains(out, s.Person) {
			out = append(out, s.Person)
		}
	}
	return out
}

// shifts yields those that touch [from, to], without overrides; some may end before.
func (r *Rotation) shifts(from, to workflows.Stamp) iter.Seq2[Shift, error] {
	return func(yield func(Shift, error) bool) {
		if r.listed != nil {
			list, err := r.listed.between(from, to+1)
			if err != nil {
				yield(Shift{}, err)
				return
			}
			for _, s := range list {
				if !yield(s, nil) {
					return
				}
			}
			return
		}
		for n := r.turnAt(from); ; n++ {
			if s := r.turn(n); s.From > to || !yield(s, nil) {
				return
			}
		}
	}
}

// Changes are the moments after from, up to and with to, at which other people are on shift than before. A hand-over to oneself is none. More
// than fit one answer are refused, never cut: a change that is left out is somebody who is not told.
func (r *Rotation) Changes(from, to workflows.Stamp) ([]Change, error) {
	var marks []workflows.Stamp
	mark := func(list ...workflows.Stamp) {
		for _, m := range list {
			if from < m && m <= to {
				marks = append(marks, m)
			}
		}
	}
	for _, o := range r.rota.Overrides {
		mark(o.From, o.To)
	}
	for s, err := range r.shifts(from, to) {
		if err != nil {
			return nil, err
		}
		if mark(s.From, s.To); len(marks) > 2*maxChanges {
			return nil, fmt.Errorf("rotation: more than %d shift changes from %s to %s", maxChanges, from, to)
		}
	}
	slices.Sort(marks)
	var out []Change
	on := r.On(from)
	for _, m := range slices.Compact(marks) {
		now := r.On(m)
		c := Change{At: m, On: now}
		for _, p := range now {
			if !slices.Contains(on, p) {
				c.New = append(c.New, p)
			}
		}
		if len(c.New) > 0 || len(now) != len(on) {
			out = append(out, c)
		}
		on = now
	}
	return out, nil
}
