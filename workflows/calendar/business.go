package calendar

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/countersign-bot/countersign/workflows"
)

// Freeze is a time in which what a workflow names it for may not be changed.
type Freeze struct {
	Name string
	Interval
	Why string
}

// Business is when an organisation is open, and when it does not want anything changed. It never changes and may be shared.
type Business struct {
	name    string
	hours   *Hours
	freezes []Freeze // in the order of their beginnings
}

// NewBusiness joins opening hours, holidays included, and freezes. Freezes may overlap.
func NewBusiness(name string, hours *Hours, freezes []Freeze) (*Business, error) {
	switch {
	case hours == nil:
		return nil, fmt.Errorf("calendar %q: no hours", name)
	case len(freezes) > maxFreezes:
		return nil, fmt.Errorf("calendar %q: %d freezes, at most %d are allowed", name, len(freezes), maxFreezes)
	}
	for _, f := range freezes {
		switch {
		case f.Name == "":
			return nil, fmt.Errorf("calendar %q: the freeze from %s has no name", name, f.From)
		case f.To <= f.From:
			return nil, fmt.Errorf("calendar %q: freeze %q from %s ends before it begins, at %s", name, f.Name, f.From, f.To)
		}
	}
	list := slices.SortedStableFunc(slices.Values(freezes), func(a, b Freeze) int { return cmp.Compare(a.From, b.From) })
	return &Business{name, hours, list}, nil
}

// Name is what workflows call the calendar.
func (b *Business) Name() string { return b.name }

// Hours are the opening hours.
func (b *Business) Hours() *Hours { return b.hours }

// IsOpen tells whether t is within the opening hours. A freeze does not close.
func (b *Business) IsOpen(t workflows.Stamp) bool { return b.hours.IsOpen(t) }

// Frozen is the freeze of one of those names that holds at t: of several the one that ends last, so that its end is when it is worth asking
// again.
func (b *Business) Frozen(t workflows.Stamp, names []string) (Freeze, bool) {
	var out Freeze
	for _, f := range b.freezes {
		if f.Has(t) && slices.Contains(names, f.Name) && f.To > out.To {
			out = f
		}
	}
	return out, out.Name != ""
}

// Freezes lists those that are not over at t, in the order of their beginnings.
func (b *Business) Freezes(t workflows.Stamp) []Freeze {
	return slices.DeleteFunc(slices.Clone(b.freezes), func(f Freeze) bool { return f.To <= t })
}
