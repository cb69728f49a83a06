package calendar

import (
	"fmt"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

// Date is a day of the calendar, in no zone.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// ParseDate reads "2027-05-01". It refuses days that no calendar has.
func ParseDate(s string) (Date, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return Date{}, fmt.Errorf("date %q: want year, month, day such as 2027-05-01", s)
	}
	if t.Year() < minYear || t.Year() >= maxYear {
		return Date{}, fmt.Errorf("date %q: the year is not within %d and %d", s, minYear, maxYear-1)
	}
	return dateOf(t), nil
}

// DateAt is the date on the calendar of the zone at that moment.
func DateAt(t workflows.Stamp, zone *time.Location) Date { return dateOf(t.Time().In(zone)) }

func dateOf(t time.Time) Date {
	y, m, d := t.Date()
	return Date{y, m, d}
}

// noon counts dates where every day has 24 hours.
func (d Date) noon() time.Time { return time.Date(d.Year, d.Month, d.Day, 12, 0, 0, 0, time.UTC) }

// Add steps by whole dates; n may be negative.
func (d Date) Add(n int) Date { return dateOf(d.noon().AddDate(0, 0, n)) }

// AddMonths steps by whole months, to the last day where the month has no such day: January 31 and a month is the end of February.
func (d Date) AddMonths(n int) Date {
	first := time.Date(d.Year, d.Month+time.Month(n), 1, 12, 0, 0, 0, time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	return Date{first.Year(), first.Month(), min(d.Day, last)}
}

// Since is the number of dates from o to d, negative when o is later.
func (d Date) Since(o Date) int { return int(d.noon().Sub(o.noon()) / day) }

// epochDay is a date as the number of dates since 1970-01-01: what walks use, since a sum is cheaper than a calendar.
type epochDay int64

func (d Date) epoch() epochDay { return epochDay((d.noon().Unix() - 43200) / 86400) }

func (e epochDay) date() Date { return dateOf(time.Unix(int64(e)*86400, 0).UTC()) }

func (e epochDay) weekday() time.Weekday { return time.Weekday(((e+4)%7 + 7) % 7) } // 1970 began on a Thursday

// Weekday is the day of the week.
func (d Date) Weekday() time.Weekday { return d.noon().Weekday() }

// String is ISO 8601: "2027-05-01".
func (d Date) String() string { return fmt.Sprintf("%04d-%02d-%02d", d.Year, int(d.Month), d.Day) }

// Clock is a reading of a wall clock in minutes after 00:00. 24:00 (EndOfDay) is only an end: it is 00:00 of the next date.
type Clock int

// EndOfDay is 24:00.
const EndOfDay Clock = 24 * 60

// ParseClock reads "09:00", and "24:00" as EndOfDay.
func ParseClock(s string) (Clock, error) {
	if s == "24:00" {
		return EndOfDay, nil
	}
	t, err := time.Parse("15:04", s)
	if err != nil || len(s) != len("15:04") {
		return 0, fmt.Errorf("%q is no time of day such as 09:00", s)
	}
	return Clock(t.Hour()*60 + t.Minute()), nil
}

// String is "09:00".
func (c Clock) String() string { return fmt.Sprintf("%02d:%02d", int(c)/60, int(c)%60) }

// First is the instant at which the wall clocks of a zone show a time, the first of two where they show it twice; a time they never show
// is the first instant after the gap. A beginning is resolved with it.
func First(d Date, c Clock, zone *time.Location) workflows.Stamp {
	r := resolver{zone: zone}
	first, _ := r.resolve(d.epoch(), c)
	return first
}

// Last is as First, but the last of two. An end is resolved with it.
func Last(d Date, c Clock, zone *time.Location) workflows.Stamp {
	r := resolver{zone: zone}
	_, last := r.resolve(d.epoch(), c)
	return last
}

// resolver answers for one zone and remembers the stretch of constant offset it was last in, since neighbouring days mostly share one. It
// is a value for one walk, never shared.
type resolver struct {
	zone     *time.Location
	from, to int64 // Unix seconds between which offset holds for sure, a good way off the next change; none when equal
	offset   int64
}

// aside is how far from a change of offset the short way is taken: more than any zone has ever jumped (a day), and than any offset.
const aside = 3 * 24 * 60 * 60

func (r *resolver) resolve(d epochDay, c Clock) (first, last workflows.Stamp) {
	wall := int64(d)*86400 + int64(c)*60 // Unix seconds of the same reading in UTC
	if u := wall - r.offset; r.from < u && u < r.to {
		return seconds(u), seconds(u)
	}
	a, b := resolve(d.date(), c, r.zone)
	if a == b {
		r.remember(a)
	}
	return a, b
}

func seconds(unix int64) workflows.Stamp { return workflows.Stamp(unix * 1_000_000) }

func (r *resolver) remember(at workflows.Stamp) {
	t := at.Time().In(r.zone)
	start, end := t.ZoneBounds()
	const always = int64(1) << 52 // 142 million years: what a missing bound stands for
	r.from, r.to = -always, always
	if !start.IsZero() {
		r.from = start.Unix() + aside
	}
	if !end.IsZero() {
		r.to = end.Unix() - aside
	}
	_, off := t.Zone()
	r.offset = int64(off)
}

// resolve settles what time.Date leaves open: which side of a gap or fold it answers is not promised and differs between zones, but where
// the zone's offset changes is known. Time.ZoneBounds also names turns of years where nothing changes (with the rules that Go's own zone files
// end in); that does no harm here, as the offsets on both sides are compared, and near a change it names the change.
func resolve(d Date, c Clock, zone *time.Location) (first, last workflows.Stamp) {
	if c >= EndOfDay {
		d, c = d.Add(int(c/EndOfDay)), c%EndOfDay
	}
	t := time.Date(d.Year, d.Month, d.Day, int(c)/60, int(c)%60, 0, 0, zone)
	start, end := t.ZoneBounds()
	if shown := compare(t, d, c); shown != 0 { // a gap: t was put on one of its sides, by the offset of the other
		at := start
		if shown < 0 {
			at = end
		}
		return workflows.StampOf(at), workflows.StampOf(at)
	}
	x, y := t, t
	if !end.IsZero() {
		if later := t.Add(shift(t, end)); !later.Before(end) && compare(later, d, c) == 0 {
			y = later
		}
	}
	if !start.IsZero() {
		sooner := t.Add(shift(t, start.Add(-time.Second)))
		if sooner.Before(start) && compare(sooner, d, c) == 0 {
			x = sooner
		}
	}
	return workflows.StampOf(x), workflows.StampOf(y)
}

// shift moves t from its own offset to that of other.
func shift(t, other time.Time) time.Duration {
	_, a := t.Zone()
	_, b := other.Zone()
	return time.Duration(a-b) * time.Second
}

// compare tells whether the clocks show less (-1), the same (0) or more (1) at t than the date and time.
func compare(t time.Time, d Date, c Clock) int {
	is := time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
	want := time.Date(d.Year, d.Month, d.Day, int(c)/60, int(c)%60, 0, 0, time.UTC)
	return is.Compare(want)
}
