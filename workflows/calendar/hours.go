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

// Interval is the time from From up to, but not at, To.
type Interval struct{ From, To workflows.Stamp }

// Length is elapsed time.
func (i Interval) Length() time.Duration { return i.To.Sub(i.From) }

// Has tells whether t lies within.
func (i Interval) Has(t workflows.Stamp) bool { return i.From <= t && t < i.To }

// Plan is what Hours are made of.
type Plan struct {
	Zone     *time.Location
	Week     Week
	Holidays []Date     // dates on which no window begins; a night that began the evening before ends as usual
	Off      []Interval // time off, in any order
}

// Hours is when a person works: the windows of a week on their own clock, without holidays and time off. It never changes and may be
// shared. Where clocks change, a window begins at the first and ends at the last of two equal readings.
type Hours struct {
	zone     *time.Location
	week     Week
	holidays map[epochDay]bool
	off      []Interval // in order, apart from each other
}

// NewHours checks a plan.
func NewHours(p Plan) (*Hours, error) {
	switch {
	case p.Zone == nil:
		return nil, errors.New("working hours: no zone")
	case len(p.Holidays) > maxHolidays:
		return nil, fmt.Errorf("working hours: %d holidays, at most %d are allowed", len(p.Holidays), maxHolidays)
	case len(p.Off) > maxOff:
		return nil, fmt.Errorf("working hours: %d times off, at most %d are allowed", len(p.Off), maxOff)
	}
	h := &Hours{zone: p.Zone, holidays: make(map[epochDay]bool, len(p.Holidays))}
	for d, list := range p.Week {
		if len(list) > maxWindows {
			return nil, fmt.Errorf("working hours: more than %d windows on %s", maxWindows, time.Weekday(d))
		}
		for _, w := range list {
			if w.From < 0 || w.From >= EndOfDay || w.To < 0 || w.To > EndOfDay || w.From == w.To {
				return nil, fmt.Errorf("working hours: %s on %s is no window of a day", w, time.Weekday(d))
			}
		}
		day := slices.Clone(list)
		sort.Slice(day, func(i, j int) bool { return day[i].From < day[j].From }) // not slices.SortFunc: it is compiled anew for each type, and the binary has a bound
		h.week[d] = day
	}
	if err := h.week.apart(); err != nil {
		return nil, fmt.Errorf("working hours: %w", err)
	}
	for _, d := range p.Holidays {
		h.holidays[d.epoch()] = true
	}
	for _, o := range p.Off {
		if o.To <= o.From {
			return nil, fmt.Errorf("working hours: time off from %s ends before it begins, at %s", o.From, o.To)
		}
	}
	h.off = merged(p.Off)
	return h, nil
}

// merged puts intervals in order and joins those that touch.
func merged(list []Interval) []Interval {
	list = slices.Clone(list)
	sort.Slice(list, func(i, j int) bool { return list[i].From < list[j].From })
	out := list[:0]
	for _, x := range list {
		if n := len(out); n > 0 && x.From <= out[n-1].To {
			out[n-1].To = max(out[n-1].To, x.To)
			continue
		}
		out = append(out, x)
	}
	return out
}

// Zone is where the person's clock hangs.
func (h *Hours) Zone() *time.Location { return h.zone }

// Week is the windows before holidays and time off. It must not be changed.
func (h *Hours) Week() Week { return h.week }

// IsOpen tells whether the person works at t.
func (h *Hours) IsOpen(t workflows.Stamp) bool {
	for p := range h.open(t, 0) {
		return p.From == t
	}
	return false
}

// NextOpen is the first moment at or after t at which the person works: t itself while they do. It is false when there is none within ten
// years.
func (h *Hours) NextOpen(t workflows.Stamp) (workflows.Stamp, bool) {
	return h.nextOpen(t, maxDays)
}

func (h *Hours) nextOpen(t workflows.Stamp, days int) (workflows.Stamp, bool) {
	for p := range h.open(t, days) {
		return p.From, true
	}
	return 0, false
}

// NextClose is the first moment at or after t at which the person does not work: t itself while they do not. It is false when there is none
// within ten years.
func (h *Hours) NextClose(t workflows.Stamp) (workflows.Stamp, bool) {
	return h.nextClose(t, maxDays)
}

func (h *Hours) nextClose(t workflows.Stamp, days int) (workflows.Stamp, bool) {
	at := t
	for p := range h.open(t, days) {
		if p.From > at {
			return at, true
		}
		at = p.To
	}
	// The walk ends when the dates do. Who works on its last date may go on.
	last := DateAt(t, h.zone).Add(days)
	return at, at < First(last, 0, h.zone)
}

// WorkingBetween is how long the person works from a to b, in elapsed time: a window over a change of clocks counts as long as it lasts. It is
// zero when b is not after a, and false when they are more than ten years apart.
func (h *Hours) WorkingBetween(a, b workflows.Stamp) (time.Duration, bool) {
	if b <= a {
		return 0, true
	}
	if b.Sub(a) > (maxDays-1)*day || b.Sub(a) < 0 {
		return 0, false
	}
	var sum time.Duration
	for p := range h.open(a, maxDays) {
		if p.From >= b {
			break
		}
		sum += min(p.To, b).Sub(p.From)
	}
	return sum, true
}

// AddWorking is the first moment at which the person has worked for d since t; t itself for zero. It is false when that takes more than ten
// years, and for a negative d.
func (h *Hours) AddWorking(t workflows.Stamp, d time.Duration) (workflows.Stamp, bool) {
	d = d.Truncate(time.Microsecond)
	if d <= 0 {
		return t, d == 0
	}
	for p := range h.open(t, maxDays) {
		if has := p.Length(); has < d {
			d -= has
			continue
		}
		return p.From.Add(d), true
	}
	return 0, false
}

// open yields when the person works from t on, in order and without overlaps; two pieces may touch. The first begins at t if they work then. It
// ends with the windows of the date that many days after t's.
func (h *Hours) open(t workflows.Stamp, days int) iter.Seq[Interval] {
	return func(yield func(Interval) bool) {
		for w := range h.windows(t, days) {
			w.From = max(w.From, t) // before t, or where a change of clocks made two windows overlap
			if w.From >= w.To {
				continue
			}
			t = w.To
			if !h.without(w, yield) {
				return
			}
		}
	}
}

// windows yields the windows of the dates round t as they fall, in the order of their beginnings. Some may end before t, or overlap, or be
// empty within a gap.
func (h *Hours) windows(t workflows.Stamp, days int) iter.Seq[Interval] {
	return func(yield func(Interval) bool) {
		r := resolver{zone: h.zone}
		today := DateAt(t, h.zone).epoch()
		for d := today - lookBack; d <= today+epochDay(days); d++ {
			list := h.week[d.weekday()]
			if len(list) == 0 || h.holidays[d] {
				continue
			}
			for _, w := range list {
				from, _ := r.resolve(d, w.From)
				_, to := r.resolve(d, w.From+w.length())
				if !yield(Interval{from, to}) {
					return
				}
			}
		}
	}
}

// without yields the parts of w that are not time off.
func (h *Hours) without(w Interval, yield func(Interval) bool) bool {
	i := sort.Search(len(h.off), func(i int) bool { return h.off[i].To > w.From })
	for ; i < len(h.off) && h.off[i].From < w.To; i++ {
		if h.off[i].From > w.From && !yield(Interval{w.From, h.off[i].From}) {
			return false
		}
		if w.From = h.off[i].To; w.From >= w.To {
			return true
		}
	}
	return yield(w)
}
