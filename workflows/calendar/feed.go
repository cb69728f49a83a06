package calendar

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

// Event is one occurrence of an entry of an iCalendar file.
type Event struct {
	Interval
	UID     string
	Summary string
	Emails  []string // of attendees, in lower case; of the organizer where there are none
	AllDay  bool     // given by dates, not by times
	First   Date     // the date it begins on, in its own zone
	Last    Date     // the last date it has any time on
	Line    int      // of the file, where the entry begins
}

// Feed is an iCalendar file that was read. Repetitions are worked out when they are asked for, so a feed without end stays small and answers for
// any year. It never changes and may be shared.
type Feed struct {
	entries []entry
}

// entry is one VEVENT.
type entry struct {
	line     int
	uid      string
	summary  string
	emails   []string
	cancel   bool
	allDay   bool
	start    moment
	days     int           // dates from the start's to the end's
	end      moment        // on its date; only clock, seconds and zone count for later occurrences
	exact    time.Duration // instead of an end on the clock: elapsed time
	rule     *repeat
	except   map[workflows.Stamp]bool // beginnings of occurrences that do not happen, or for which another entry stands
	replaces moment                   // the occurrence of the entry with the same UID in whose place this one stands
}

// moment is a date and time on the clock of a zone, or a date.
type moment struct {
	date   Date
	clock  Clock
	second int
	zone   *time.Location // nil: not given
}

func (m moment) given() bool { return m.zone != nil }

func (m moment) first() workflows.Stamp { return First(m.date, m.clock, m.zone).Add(m.past()) }

func (m moment) last() workflows.Stamp { return Last(m.date, m.clock, m.zone).Add(m.past()) }

func (m moment) past() time.Duration { return time.Duration(m.second) * time.Second }

// ReadICS reads an iCalendar file. Times without a zone, and dates, are of the given one.
//
// What is understood of RFC 5545: events with DTSTART and DTEND or DURATION, RRULE with FREQ of DAILY, WEEKLY, MONTHLY or YEARLY, INTERVAL,
// COUNT, UNTIL, BYDAY and WKST, EXDATE, RECURRENCE-ID of single occurrences, STATUS:CANCELLED. Zones go by their IANA name, whatever the
// file's own VTIMEZONE says. All else that would change when something happens is an error that names the line: a calendar that is read by half
// puts the wrong person on shift.
func ReadICS(b []byte, zone *time.Location) (*Feed, error) {
	if zone == nil {
		return nil, fmt.Errorf("iCalendar: no zone for times without one")
	}
	if len(b) > maxFeed {
		return nil, fmt.Errorf("iCalendar: %d bytes, at most %d are allowed", len(b), maxFeed)
	}
	entries, err := readEntries(b, zone)
	if err != nil {
		return nil, fmt.Errorf("iCalendar: %w", err)
	}
	if err := replace(entries); err != nil {
		return nil, fmt.Errorf("iCalendar: %w", err)
	}
	return &Feed{entries}, nil
}

// ParseICS reads an iCalendar file and gives what happens from one date up to and with another, as those dates are in the zone.
func ParseICS(b []byte, zone *time.Location, from, to Date) ([]Event, error) {
	f, err := ReadICS(b, zone)
	if err != nil {
		return nil, err
	}
	return f.Between(First(from, 0, zone), Last(to, EndOfDay, zone))
}

// replace takes the occurrences for which the file has an entry of their own out of the entries that repeat.
func replace(entries []entry) error {
	byUID := map[string]int{}
	for i, e := range entries {
		if !e.replaces.given() {
			if j, twice := byUID[e.uid]; twice {
				return fmt.Errorf("line %d: UID %q is also that of line %d", e.line, cut(e.uid), entries[j].line)
			}
			byUID[e.uid] = i
		}
	}
	for _, e := range entries {
		if !e.replaces.given() {
			continue
		}
		i, ok := byUID[e.uid]
		if !ok || entries[i].rule == nil {
			return fmt.Errorf("line %d: RECURRENCE-ID of an entry that does not repeat in this file", e.line)
		}
		entries[i].takeOut(e.replaces)
	}
	return nil
}

// Between lists what has any time within [from, to), in order. More than fit one answer are an error, never cut: a shift that is left out is
// somebody who is not asked.
func (f *Feed) Between(from, to workflows.Stamp) ([]Event, error) {
	var out []Event
	steps := maxSteps
	for i := range f.entries {
		e := &f.entries[i]
		if e.cancel {
			continue
		}
		for at := range e.starts(from, to, &steps) {
			v := e.at(at)
			if v.From >= to || v.To <= from || e.except[v.From] {
				continue
			}
			if out = append(out, v); len(out) > maxOccur {
				return nil, fmt.Errorf("iCalendar: more than %d occurrences from %s to %s", maxOccur, from, to)
			}
		}
		if steps < 0 {
			return nil, fmt.Errorf("iCalendar: line %d: the repetitions from %s to %s are too many to walk", e.line, from, to)
		}
	}
	sort.SliceStable(out, func(i, j int) bool {
		return cmp.Or(cmp.Compare(out[i].From, out[j].From), cmp.Compare(out[i].To, out[j].To)) < 0
	})
	return out, nil
}

// at is the occurrence that begins on a date.
func (e *entry) at(d Date) Event {
	start, end := e.start, e.end
	start.date = d
	v := Event{UID: e.uid, Summary: e.summary, Emails: e.emails, AllDay: e.allDay, First: d, Line: e.line}
	v.From = start.first()
	if end.date = d.Add(e.days); e.exact > 0 {
		v.To = v.From.Add(e.exact)
	} else {
		v.To = end.last()
	}
	v.Last = DateAt(v.To-1, start.zone)
	return v
}

// takeOut says that the occurrence that begins at m does not happen. Of an all-day event only the date counts.
func (e *entry) takeOut(m moment) {
	if e.allDay {
		m = moment{date: m.date, zone: e.start.zone}
	}
	if e.except == nil {
		e.except = map[workflows.Stamp]bool{}
	}
	e.except[m.first()] = true
}

// Dates are the dates on which all-day events lie, in order, each once: what a holiday calendar holds. Events with a time are left out.
func Dates(events []Event) []Date {
	var days []epochDay
	for _, e := range events {
		if !e.AllDay {
			continue
		}
		for d := e.First.epoch(); d <= e.Last.epoch(); d++ {
			days = append(days, d)
		}
	}
	slices.Sort(days)
	var out []Date
	for _, d := range slices.Compact(days) {
		out = append(out, d.date())
	}
	return out
}

// Words name the event and its place in the file, as errors show it.
func (e Event) Words() string {
	return fmt.Sprintf("line %d: %q", e.Line, cut(strings.TrimSpace(e.Summary)))
}
