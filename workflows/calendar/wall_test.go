package calendar_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
)

// The zones that went wrong for others: what each side of the change answers.
func TestWallClock(t *testing.T) {
	for _, x := range []struct{ zone, date, clock, first, last string }{
		{"America/New_York", "2026-03-08", "01:59", "2026-03-08 06:59", ""},
		{"America/New_York", "2026-03-08", "02:00", "2026-03-08 07:00", ""}, // gap 02:00-03:00
		{"America/New_York", "2026-03-08", "02:30", "2026-03-08 07:00", ""},
		{"America/New_York", "2026-03-08", "03:00", "2026-03-08 07:00", ""},
		{"America/New_York", "2026-11-01", "00:59", "2026-11-01 04:59", ""},
		{"America/New_York", "2026-11-01", "01:45", "2026-11-01 05:45", "2026-11-01 06:45"},
		{"America/New_York", "2026-11-01", "02:00", "2026-11-01 07:00", ""},
		{"America/New_York", "2026-11-01", "24:00", "2026-11-02 05:00", ""},
		{"Europe/London", "2026-03-29", "01:30", "2026-03-29 01:00", ""},
		{"Europe/London", "2026-10-25", "01:30", "2026-10-25 00:30", "2026-10-25 01:30"},
		{"Europe/Dublin", "2026-03-29", "01:30", "2026-03-29 01:00", ""}, // winter is the odd one there
		{"Europe/Dublin", "2026-10-25", "01:30", "2026-10-25 00:30", "2026-10-25 01:30"},
		{"Australia/Lord_Howe", "2026-10-04", "02:15", "2026-10-03 15:30", ""}, // half an hour
		{"Australia/Lord_Howe", "2026-04-05", "01:45", "2026-04-04 14:45", "2026-04-04 15:15"},
		{"Australia/Lord_Howe", "2026-04-05", "01:15", "2026-04-04 14:15", ""},
		{"America/Santiago", "2026-09-06", "00:00", "2026-09-06 04:00", ""}, // no midnight
		{"America/Santiago", "2026-04-04", "23:30", "2026-04-05 02:30", "2026-04-05 03:30"},
		{"America/Santiago", "2026-04-05", "00:00", "2026-04-05 04:00", ""},
		{"Africa/Cairo", "2026-04-24", "00:30", "2026-04-23 22:00", ""},
		{"Africa/Cairo", "2026-10-29", "23:30", "2026-10-29 20:30", "2026-10-29 21:30"},
		{"Asia/Beirut", "2026-03-29", "00:00", "2026-03-28 22:00", ""},
		{"Asia/Beirut", "2026-10-24", "23:15", "2026-10-24 20:15", "2026-10-24 21:15"},
		{"Africa/Casablanca", "2026-02-15", "02:30", "2026-02-15 01:30", "2026-02-15 02:30"}, // Ramadan begins
		{"Africa/Casablanca", "2026-03-22", "02:30", "2026-03-22 02:00", ""},                 // and is over
		{"Asia/Kolkata", "2026-11-22", "09:00", "2026-11-22 03:30", ""},
		{"Asia/Kathmandu", "2026-11-22", "09:00", "2026-11-22 03:15", ""},
		{"Pacific/Apia", "2011-12-30", "12:00", "2011-12-30 10:00", ""}, // a day that was skipped
		{"Pacific/Apia", "2011-12-31", "00:00", "2011-12-30 10:00", ""},
		{"Pacific/Apia", "2026-11-22", "09:00", "2026-11-21 20:00", ""},
		{"Pacific/Kiritimati", "2026-11-22", "09:00", "2026-11-21 19:00", ""},
		{"Asia/Jerusalem", "2026-03-27", "02:30", "2026-03-27 00:00", ""},
		{"Asia/Jerusalem", "2026-10-25", "01:30", "2026-10-24 22:30", "2026-10-24 23:30"},
		{"Asia/Dubai", "2026-11-22", "09:00", "2026-11-22 05:00", ""},
		{"UTC", "2026-11-22", "09:00", "2026-11-22 09:00", ""},
	} {
		z, d, c := zone(t, x.zone), date(t, x.date), clock(t, x.clock)
		if x.last == "" {
			x.last = x.first
		}
		if got := calendar.First(d, c, z); got != utc(t, x.first) {
			t.Errorf("%s %s %s: first %s, want %s", x.zone, x.date, x.clock, show(got), x.first)
		}
		if got := calendar.Last(d, c, z); got != utc(t, x.last) {
			t.Errorf("%s %s %s: last %s, want %s", x.zone, x.date, x.clock, show(got), x.last)
		}
	}
}

// reading is what wall clocks show, in minutes of an ever-running calendar.
func reading(s workflows.Stamp, z *time.Location) (calendar.Date, calendar.Clock) {
	t := s.Time().In(z)
	return calendar.DateAt(s, z), calendar.Clock(t.Hour()*60 + t.Minute())
}

func minutes(d calendar.Date, c calendar.Clock) int {
	return d.Since(calendar.Date{Year: 2000, Month: 1, Day: 1})*1440 + int(c)
}

// Round every change of every zone, from three hours before to nine hours after on the clock, the answer is held against a list of what the
// clocks showed at each instant, which is made without asking for any local time.
func TestWallClockOfAllZones(t *testing.T) {
	t.Parallel()
	const step = 10 * time.Minute
	changes, gaps, folds := 0, 0, 0
	for _, z := range allZones(t) {
		for _, at := range transitions(z, 2024, 2031) {
			changes++
			shown := map[int][]workflows.Stamp{}
			middle := workflows.StampOf(at)
			for s := middle.Add(-8 * time.Hour); s < middle.Add(14*time.Hour); s = s.Add(step) {
				m := minutes(reading(s, z))
				shown[m] = append(shown[m], s)
			}
			before, c := reading(middle.Add(-time.Minute), z)
			for m := int(c) + 1 - 180; m <= int(c)+1+540; m += int(step / time.Minute) {
				d, c := before.Add(floor(m, 1440)), calendar.Clock(m-1440*floor(m, 1440))
				want := shown[minutes(d, c)]
				switch len(want) {
				case 0:
					gaps++
					want = []workflows.Stamp{middle}
				case 2:
					folds++
				}
				first, last := calendar.First(d, c, z), calendar.Last(d, c, z)
				if first != want[0] || last != want[len(want)-1] {
					t.Errorf("%s %s %s: %s and %s, want %s and %s", z, d, c, show(first), show(last), show(want[0]), show(want[len(want)-1]))
				}
			}
		}
	}
	t.Logf("%d changes, %d missing and %d doubled readings", changes, gaps, folds)
	if changes < 2500 || gaps < 5000 || folds < 5000 {
		t.Errorf("saw %d changes, %d gaps, %d folds: too few to prove anything", changes, gaps, folds)
	}
}

func floor(a, b int) int {
	if a < 0 {
		return -((b - 1 - a) / b)
	}
	return a / b
}

// Time on a wall only runs on: a later reading is never an earlier instant.
func TestWallClockNeverRunsBack(t *testing.T) {
	t.Parallel()
	zones := allZones(t)
	rapid.Check(t, func(t *rapid.T) {
		z := rapid.SampledFrom(zones).Draw(t, "zone")
		d := calendar.Date{Year: 1900, Month: 1, Day: 1}.Add(rapid.IntRange(0, 300*365).Draw(t, "day"))
		c := calendar.Clock(rapid.IntRange(0, 1439).Draw(t, "clock"))
		next := calendar.Clock(rapid.IntRange(int(c), 1440).Draw(t, "next"))
		if a, b := calendar.First(d, c, z), calendar.First(d, next, z); a > b {
			t.Fatalf("%s %s: %s begins at %s, %s at %s", z, d, c, show(a), next, show(b))
		}
		if a, b := calendar.Last(d, c, z), calendar.Last(d, next, z); a > b {
			t.Fatalf("%s %s: %s ends at %s, %s at %s", z, d, c, show(a), next, show(b))
		}
	})
}

func TestDates(t *testing.T) {
	for _, x := range []struct {
		date       string
		days       int
		want       string
		months     int
		wantMonths string
	}{
		{"2026-01-31", 1, "2026-02-01", 1, "2026-02-28"},
		{"2028-01-31", 29, "2028-02-29", 1, "2028-02-29"},
		{"2026-03-01", -1, "2026-02-28", -1, "2026-02-01"},
		{"2026-12-31", 1, "2027-01-01", 12, "2027-12-31"},
		{"1969-12-31", 1, "1970-01-01", -12, "1968-12-31"},
	} {
		d := date(t, x.date)
		if got := d.Add(x.days).String(); got != x.want {
			t.Errorf("%s and %d days: %s, want %s", x.date, x.days, got, x.want)
		}
		if got := d.Add(x.days).Since(d); got != x.days {
			t.Errorf("%s and %d days is %d days later", x.date, x.days, got)
		}
		if got := d.AddMonths(x.months).String(); got != x.wantMonths {
			t.Errorf("%s and %d months: %s, want %s", x.date, x.months, got, x.wantMonths)
		}
	}
	for bad, want := range map[string]string{
		"2026-02-30": `date "2026-02-30": want year, month, day such as 2027-05-01`,
		"1.5.2027":   `date "1.5.2027": want year, month, day such as 2027-05-01`,
		"2200-01-01": `date "2200-01-01": the year is not within 1900 and 2199`,
		"":           `date "": want year, month, day such as 2027-05-01`,
	} {
		if _, err := calendar.ParseDate(bad); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", bad, err, want)
		}
	}
}

// FuzzResolve holds for any date of any zone: both answers show what was asked, or nothing does and they are where the clock jumped.
func FuzzResolve(f *testing.F) {
	f.Add("America/New_York", 20_000, 150)
	f.Add("Pacific/Apia", 15_338, 720)
	f.Add("Africa/Monrovia", 735, 10)
	f.Add("Europe/Amsterdam", -12_000, 15)
	f.Add("Antarctica/Troll", 20_500, 61)
	f.Fuzz(func(t *testing.T, name string, days, minute int) {
		z, err := time.LoadLocation(name)
		if err != nil || name == "Local" {
			return
		}
		d := calendar.Date{Year: 1970, Month: 1, Day: 1}.Add(days % 84_000)
		c := calendar.Clock(((minute % 1440) + 1440) % 1440)
		first, last := calendar.First(d, c, z), calendar.Last(d, c, z)
		if first > last || last.Sub(first) > 25*time.Hour {
			t.Fatalf("%s %s %s: from %s to %s", z, d, c, show(first), show(last))
		}
		a, ac := reading(first, z)
		b, bc := reading(last, z)
		if a == d && ac == c && b == d && bc == c {
			return
		}
		start, _ := first.Time().In(z).ZoneBounds()
		if first != last || !start.Equal(first.Time()) {
			t.Fatalf("%s %s %s: %s shows %s %s", z, d, c, show(first), a, ac)
		}
		before := first - 1
		x, xc := reading(before, z)
		if minutes(x, xc) >= minutes(d, c) || minutes(a, ac) <= minutes(d, c) {
			t.Fatalf("%s %s %s is no gap: the clock went from %s %s to %s %s", z, d, c, x, xc, a, ac)
		}
	})
}
