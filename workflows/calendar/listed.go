package calendar

import (
	"fmt"

	"github.com/countersign-bot/countersign/workflows"
)

// listed is the shifts of an iCalendar file, with the person of each entry.
type listed struct {
	feed   *Feed
	people map[int]workflows.PersonID // by line of the entry
}

// NewFeedRotation makes a rotation of the events of an iCalendar file: whoever an event names is on shift while it lasts. Shifts may overlap, and
// where there is no event there is nobody. who says which person an event means, by its Emails or its Summary; it is asked once for each
// entry of the file, and an error of it is an error of the file: a shift of an unknown person is a shift of nobody.
func NewFeedRotation(f *Feed, who func(Event) (workflows.PersonID, error), overrides []Override) (*Rotation, error) {
	l, err := newListed(f, func(v Event) (workflows.PersonID, error) {
		p, err := who(v)
		switch {
		case err != nil:
			return "", fmt.Errorf("rotation: %s: %w", v.Words(), err)
		case p == "":
			return "", fmt.Errorf("rotation: %s names nobody", v.Words())
		}
		return p, nil
	})
	switch {
	case err != nil:
		return nil, err
	case len(l.people) == 0:
		return nil, fmt.Errorf("rotation: the file has no shifts")
	}
	return l.rotation(overrides)
}

// NewFetchedRotation makes a rotation of a feed that is kept elsewhere, nil where it was never read. Those who keep it say when, the folder says who:
// an event of somebody whom who does not know ("") is a shift of nobody, and given back in words, each entry of the feed once. Refusing the
// whole feed for one newcomer would leave everybody else's shifts to an older copy.
func NewFetchedRotation(f *Feed, who func(Event) workflows.PersonID, overrides []Override) (r *Rotation, strange []string, err error) {
	l, err := newListed(f, func(v Event) (workflows.PersonID, error) {
		p := who(v)
		if p == "" {
			strange = append(strange, v.Words())
		}
		return p, nil
	})
	if err != nil {
		return nil, nil, err
	}
	r, err = l.rotation(overrides)
	return r, strange, err
}

// newListed asks for the person of each entry, and refuses what repeats too much to be answered. An entry of nobody is left out.
func newListed(f *Feed, who func(Event) (workflows.PersonID, error)) (*listed, error) {
	l := &listed{&Feed{}, map[int]workflows.PersonID{}}
	if f == nil {
		return l, nil
	}
	l.feed = f
	steps, together := 0, 0 // dates walked, and shifts at once, at worst
	for i := range f.entries {
		e := &f.entries[i]
		if e.cancel {
			continue
		}
		p, err := who(e.at(e.start.date))
		if err != nil {
			return nil, err
		}
		if p != "" {
			l.people[e.line] = p
		}
		together++
		if e.rule != nil {
			lasts := e.days + int(e.exact/day) + 1
			together += lasts
			steps += (e.rule.count+4)*e.rule.cost() + lasts
		}
	}
	if together > maxOccur || steps > maxSteps/2 {
		return nil, fmt.Errorf("rotation: the file repeats too much to say who is on shift: at worst %d shifts at once and %d dates to walk, at most %d and %d", together, steps, maxOccur, maxSteps/2)
	}
	return l, nil
}

func (l *listed) rotation(overrides []Override) (*Rotation, error) {
	list, err := ordered(overrides)
	if err != nil {
		return nil, err
	}
	return &Rotation{rota: Rota{Overrides: list}, listed: l}, nil
}

func (l *listed) between(from, to workflows.Stamp) ([]Shift, error) {
	events, err := l.feed.Between(from, to)
	if err != nil {
		return nil, fmt.Errorf("rotation: %w", err)
	}
	out := make([]Shift, 0, len(events))
	for _, e := range events {
		if p := l.people[e.Line]; p != "" {
			out = append(out, Shift{Person: p, Interval: e.Interval})
		}
	}
	return out, nil
}

// at is who is on shift. What a rotation may hold was bounded so that one moment is always answered; if it were not, there would be nobody.
func (l *listed) at(t workflows.Stamp) []Shift {
	out, err := l.between(t, t+1)
	if err != nil {
		return nil
	}
	return out
}
