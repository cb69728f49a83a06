package calendar_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
)

func hours(t testing.TB, z, text string) *calendar.Hours {
	t.Helper()
	h, err := calendar.NewHours(calendar.Plan{Zone: zone(t, z), Week: week(t, text)})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestReq_R4_WorkingHoursOnTheirOwnClock: what a day is worth where clocks change, and when somebody is next there.
func TestReq_R4_WorkingHoursOnTheirOwnClock(t *testing.T) {
	const all, night = "Mon-Sun 00:00-24:00", "Mon-Sun 22:00-06:00"
	for _, x := range []struct {
		zone, hours, from, to string // on the calendar there, from the first to the last reading
		want                  time.Duration
	}{
		{"America/New_York", all, "2026-03-08", "2026-03-08", 23 * time.Hour},
		{"America/New_York", all, "2026-11-01", "2026-11-01", 25 * time.Hour},
		{"Europe/Dublin", all, "2026-03-29", "2026-03-29", 23 * time.Hour},
		{"Australia/Lord_Howe", all, "2026-10-04", "2026-10-04", 23*time.Hour + 30*time.Minute},
		{"Australia/Lord_Howe", all, "2026-04-05", "2026-04-05", 24*time.Hour + 30*time.Minute},
		{"America/Santiago", all, "2026-09-06", "2026-09-06", 23 * time.Hour}, // begins at 01:00
		{"America/Santiago", all, "2026-04-04", "2026-04-04", 25 * time.Hour},
		{"Africa/Cairo", all, "2026-04-24", "2026-04-24", 23 * time.Hour},
		{"Africa/Cairo", all, "2026-10-29", "2026-10-29", 25 * time.Hour},
		{"Asia/Beirut", all, "2026-03-29", "2026-03-29", 23 * time.Hour},
		{"Asia/Beirut", all, "2026-10-24", "2026-10-24", 25 * time.Hour},
		{"Africa/Casablanca", all, "2026-02-15", "2026-02-15", 25 * time.Hour},
		{"Pacific/Apia", all, "2011-12-29", "2011-12-31", 48 * time.Hour}, // December 30 was skipped
		{"Pacific/Apia", all, "2026-11-22", "2026-11-22", 24 * time.Hour},
		{"Pacific/Kiritimati", all, "2026-11-22", "2026-11-22", 24 * time.Hour},
		{"America/New_York", night, "2026-03-07", "2026-03-08", (6 + 2 + 5 + 2) * time.Hour},
		{"America/New_York", night, "2026-10-31", "2026-11-01", (6 + 2 + 7 + 2) * time.Hour},
		{"Europe/London", "Sun 01:15-01:45", "2026-10-25", "2026-10-25", 90 * time.Minute},          // first 01:15 to last 01:45
		{"Europe/London", "Sun 01:00-01:30,01:30-02:00", "2026-10-25", "2026-10-25", 2 * time.Hour}, // both hold 01:30 twice
		{"Europe/London", "Sun 01:15-01:45", "2026-03-29", "2026-03-29", 0},
		{"America/New_York", "Sun 02:30-04:00", "2026-03-08", "2026-03-08", time.Hour}, // begins when the gap is over
		{"Asia/Jerusalem", "Sun-Thu 09:00-18:00", "2026-11-20", "2026-11-22", 9 * time.Hour},
		{"Asia/Dubai", "09:00-18:00", "2026-11-20", "2026-11-22", 9 * time.Hour},
		{"Asia/Kolkata", "10:00-18:30", "2026-11-23", "2026-11-27", 5 * (8*time.Hour + 30*time.Minute)},
		{"Asia/Kathmandu", "Sun-Fri 10:00-17:00", "2026-11-22", "2026-11-28", 42 * time.Hour},
	} {
		h := hours(t, x.zone, x.hours)
		from, to := calendar.First(date(t, x.from), 0, h.Zone()), calendar.Last(date(t, x.to), calendar.EndOfDay, h.Zone())
		if got, ok := h.WorkingBetween(from, to); got != x.want || !ok {
			t.Errorf("%s, %s from %s to %s: %s, want %s", x.zone, x.hours, x.from, x.to, got, x.want)
		}
		if x.want == 0 {
			continue
		}
		if end, ok := h.AddWorking(from, x.want); !ok || end > to || !h.IsOpen(end-1) {
			t.Errorf("%s, %s: %s of work from %s end at %s", x.zone, x.hours, x.want, x.from, show(end))
		}
	}
}

func TestReq_R4_NextMorning(t *testing.T) {
	for _, x := range []struct{ zone, hours, now, open, shut string }{
		{"Asia/Kolkata", "09:00-17:30", "2026-11-23 01:20", "2026-11-23 03:30", "2026-11-23 01:20"},
		{"Asia/Kolkata", "09:00-17:30", "2026-11-23 03:30", "2026-11-23 03:30", "2026-11-23 12:00"},
		{"Asia/Kolkata", "09:00-17:30", "2026-11-23 12:00", "2026-11-24 03:30", "2026-11-23 12:00"}, // an end is not within
		{"Europe/Berlin", "09:00-17:00", "2026-10-23 15:00", "2026-10-26 08:00", "2026-10-23 15:00"},
		{"Asia/Jerusalem", "Sun-Thu 09:00-18:00", "2026-10-22 15:00", "2026-10-25 07:00", "2026-10-22 15:00"},
		{"America/Santiago", "Sun 00:00-08:00", "2026-09-05 12:00", "2026-09-06 04:00", "2026-09-05 12:00"},
		{"America/Santiago", "Sun 00:00-08:00", "2026-09-06 05:00", "2026-09-06 05:00", "2026-09-06 11:00"},
		{"Pacific/Kiritimati", "09:00-17:00", "2026-11-22 18:59", "2026-11-22 19:00", "2026-11-22 18:59"}, // Monday there
		{"America/New_York", "Sat 22:00-24:00; Sun 00:00-06:00", "2026-11-01 03:00", "2026-11-01 03:00", "2026-11-01 11:00"},
	} {
		h, now := hours(t, x.zone, x.hours), utc(t, x.now)
		if got, ok := h.NextOpen(now); !ok || got != utc(t, x.open) {
			t.Errorf("%s %s at %s: opens %s, want %s", x.zone, x.hours, x.now, show(got), x.open)
		}
		if got, ok := h.NextClose(now); !ok || got != utc(t, x.shut) {
			t.Errorf("%s %s at %s: closes %s, want %s", x.zone, x.hours, x.now, show(got), x.shut)
		}
	}
}

// TestReq_R4_Absence: holidays and time off are taken out, to the microsecond.
func TestReq_R4_Absence(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	h, err := calendar.NewHours(calendar.Plan{
		Zone: berlin, Week: week(t, "09:00-17:00"),
		Holidays: []calendar.Date{date(t, "2026-12-25"), date(t, "2027-01-01")},
		Off: []calendar.Interval{
			{From: utc(t, "2026-12-23 10:00:00.000001"), To: utc(t, "2026-12-24 12:00")},
			{From: utc(t, "2026-12-28 00:00"), To: utc(t, "2026-12-30 00:00")},
			{From: utc(t, "2026-12-21 09:00"), To: utc(t, "2026-12-21 10:00")},
			{From: utc(t, "2026-12-29 00:00"), To: utc(t, "2026-12-31 10:00")},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	sum, _ := h.WorkingBetween(utc(t, "2026-12-21 00:00"), utc(t, "2027-01-04 00:00"))
	want := 7*time.Hour + 8*time.Hour + (2*time.Hour + time.Microsecond) + 4*time.Hour + 0 + 0 + 6*time.Hour
	if sum != want {
		t.Errorf("worked %s, want %s", sum, want)
	}
	for _, x := range []struct {
		at, next string
		open     bool
	}{
		{"2026-12-21 09:30", "2026-12-21 10:00", false},
		{"2026-12-23 10:00", "2026-12-23 10:00", true},
		{"2026-12-23 10:00:00.000001", "2026-12-24 12:00", false},
		{"2026-12-25 10:00", "2026-12-31 10:00", false},
		{"2027-01-01 10:00", "2027-01-04 08:00", false},
	} {
		at := utc(t, x.at)
		if got := h.IsOpen(at); got != x.open {
			t.Errorf("%s: open is %v", x.at, got)
		}
		if got, ok := h.NextOpen(at); !ok || got != utc(t, x.next) {
			t.Errorf("%s: next %s, want %s", x.at, show(got), x.next)
		}
	}
	night, err := calendar.NewHours(calendar.Plan{Zone: berlin, Week: week(t, "Thu,Fri 22:00-06:00"), Holidays: []calendar.Date{date(t, "2026-12-25")}})
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := night.WorkingBetween(utc(t, "2026-12-24 12:00"), utc(t, "2026-12-27 00:00")); got != 8*time.Hour {
		t.Errorf("the night into a holiday counts %s, and that of the holiday not at all: want 8h", got)
	}
}

// Those who never or always work end the search, they do not hang it.
func TestHoursWithoutEnd(t *testing.T) {
	now := utc(t, "2026-11-22 12:00")
	never, err := calendar.NewHours(calendar.Plan{Zone: zone(t, "Africa/Cairo")})
	if err != nil {
		t.Fatal(err)
	}
	if at, ok := never.NextOpen(now); ok {
		t.Errorf("who never works opens at %s", show(at))
	}
	if at, ok := never.NextClose(now); !ok || at != now {
		t.Errorf("who never works closes at %s", show(at))
	}
	if at, ok := never.AddWorking(now, time.Second); ok {
		t.Errorf("who never works has worked by %s", show(at))
	}
	always := hours(t, "Africa/Cairo", "Mon-Sun 00:00-24:00")
	if at, ok := always.NextClose(now); ok {
		t.Errorf("who always works closes at %s", show(at))
	}
	if at, ok := always.NextOpen(now); !ok || at != now {
		t.Errorf("who always works opens at %s", show(at))
	}
	if at, ok := always.AddWorking(now, 3650*24*time.Hour); !ok || at.Sub(now) != 3650*24*time.Hour {
		t.Errorf("ten years of work end at %s", show(at))
	}
	if at, ok := always.AddWorking(now, 3800*24*time.Hour); ok {
		t.Errorf("more than ten years of work end at %s", show(at))
	}
	if d, ok := always.WorkingBetween(now, now.Add(3800*24*time.Hour)); ok {
		t.Errorf("more than ten years hold %s", d)
	}
	if at, ok := always.AddWorking(now, -time.Second); ok {
		t.Errorf("work backwards ends at %s", show(at))
	}
	if d, ok := always.WorkingBetween(now, now.Add(-time.Hour)); d != 0 || !ok {
		t.Errorf("backwards holds %s", d)
	}
	workaholic := hours(t, "Asia/Tokyo", "Sat 00:00-02:00")
	if at, ok := workaholic.AddWorking(now, 9999*time.Hour); ok {
		t.Errorf("9999 hours, two a week, are done at %s", show(at))
	}
	if _, ok := hours(t, "Asia/Tokyo", "Mon-Fri 10:00-14:00").AddWorking(now, 9999*time.Hour); !ok {
		t.Error("9999 hours, twenty a week, are not found")
	}
}

func TestNewHoursRefuses(t *testing.T) {
	at := utc(t, "2026-11-22 12:00")
	for want, p := range map[string]calendar.Plan{
		"working hours: no zone": {},
		"working hours: time off from 2026-11-22T12:00:00.000000Z ends before it begins, at 2026-11-22T12:00:00.000000Z": {
			Zone: time.UTC, Off: []calendar.Interval{{From: at, To: at}},
		},
		"working hours: 2001 holidays, at most 2000 are allowed":               {Zone: time.UTC, Holidays: make([]calendar.Date, 2001)},
		"working hours: 1001 times off, at most 1000 are allowed":              {Zone: time.UTC, Off: make([]calendar.Interval, 1001)},
		"working hours: more than 8 windows on Sunday":                         {Zone: time.UTC, Week: calendar.Week{make([]calendar.Window, 9)}},
		"working hours: 09:00-09:00 on Sunday is no window of a day":           {Zone: time.UTC, Week: calendar.Week{{{From: 540, To: 540}}}},
		"working hours: 00:00-33:20 on Sunday is no window of a day":           {Zone: time.UTC, Week: calendar.Week{{{From: 0, To: 2000}}}},
		"working hours: 09:00-12:00 and 10:00-11:00 overlap on Sunday":         {Zone: time.UTC, Week: calendar.Week{{{From: 600, To: 660}, {From: 540, To: 720}}}},
		"working hours: 22:00-02:00 of Sunday runs into 01:00-02:00 of Monday": {Zone: time.UTC, Week: calendar.Week{{{From: 1320, To: 120}}, {{From: 60, To: 120}}}},
	} {
		if _, err := calendar.NewHours(p); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// person draws somebody anywhere, and a moment near a change of their clocks or anywhere.
func person(t *rapid.T, zones []*time.Location) (calendar.Plan, workflows.Stamp) {
	z := rapid.SampledFrom(zones).Draw(t, "zone")
	p := calendar.Plan{Zone: z, Week: anyWeek(t)}
	at := workflows.StampOf(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)).Add(time.Duration(rapid.Int64Range(0, 3*365*24*3600*1_000_000).Draw(t, "at")) * time.Microsecond)
	if list := transitions(z, 2026, 2029); len(list) > 0 && rapid.Bool().Draw(t, "near") {
		x := workflows.StampOf(rapid.SampledFrom(list).Draw(t, "change"))
		at = x.Add(time.Duration(rapid.Int64Range(-30*3600, 30*3600).Draw(t, "off by")) * time.Second)
	}
	for range rapid.IntRange(0, 3).Draw(t, "times off") {
		from := at.Add(time.Duration(rapid.Int64Range(-100, 100).Draw(t, "from")) * time.Hour)
		p.Off = append(p.Off, calendar.Interval{From: from, To: from.Add(time.Duration(rapid.Int64Range(1, 200*3600*1_000_000).Draw(t, "long")) * time.Microsecond)})
	}
	for range rapid.IntRange(0, 3).Draw(t, "holidays") {
		p.Holidays = append(p.Holidays, calendar.DateAt(at, z).Add(rapid.IntRange(-3, 6).Draw(t, "day")))
	}
	return p, at
}

// works is the definition of being at work, word by word.
func works(p calendar.Plan, t workflows.Stamp) bool {
	for _, o := range p.Off {
		if o.Has(t) {
			return false
		}
	}
	for i := -4; i <= 2; i++ {
		d := calendar.DateAt(t, p.Zone).Add(i)
		holiday := false
		for _, h := range p.Holidays {
			holiday = holiday || h == d
		}
		for _, w := range p.Week[d.Weekday()] {
			end := d
			if w.To <= w.From {
				end = d.Add(1)
			}
			if !holiday && calendar.First(d, w.From, p.Zone) <= t && t < calendar.Last(end, w.To, p.Zone) {
				return true
			}
		}
	}
	return false
}

func TestHoursAreAsDefined(t *testing.T) {
	t.Parallel()
	zones := allZones(t)
	rapid.Check(t, func(t *rapid.T) {
		p, at := person(t, zones)
		h, err := calendar.NewHours(p)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := h.IsOpen(at), works(p, at); got != want {
			t.Fatalf("%s %s at %s: open is %v", p.Zone, p.Week, show(at), got)
		}
		if open, ok := h.NextOpen(at); ok {
			wantEdge(t, p, at, open, true)
		} else if p.Week.String() != "" {
			t.Fatalf("%s never works", p.Week)
		}
		if shut, ok := h.NextClose(at); ok {
			wantEdge(t, p, at, shut, false)
		} else if p.Week.String() != "Mon-Sun 00:00-24:00" {
			t.Fatalf("%s always works", p.Week)
		}
	})
}

// wantEdge holds that edge is the first moment from at on at which the person does work, or does not.
func wantEdge(t *rapid.T, p calendar.Plan, at, edge workflows.Stamp, open bool) {
	if works(p, edge) != open {
		t.Fatalf("%s %s: at %s open is %v", p.Zone, p.Week, show(edge), !open)
	}
	if edge == at {
		return
	}
	if works(p, edge-1) == open {
		t.Fatalf("%s %s from %s: %s is not the first, the moment before is the same", p.Zone, p.Week, show(at), show(edge))
	}
	for i := range 200 {
		if x := at + workflows.Stamp(int64(edge-at)/200*int64(i)); works(p, x) == open {
			t.Fatalf("%s %s from %s: %s comes before %s", p.Zone, p.Week, show(at), show(x), show(edge))
		}
	}
}

func TestWorkingTimeAndItsInverse(t *testing.T) {
	t.Parallel()
	zones := allZones(t)
	rapid.Check(t, func(t *rapid.T) {
		p, at := person(t, zones)
		h, err := calendar.NewHours(p)
		if err != nil {
			t.Fatal(err)
		}
		d := time.Duration(rapid.Int64Range(0, 100*3600*1_000_000).Draw(t, "work")) * time.Microsecond
		end, ok := h.AddWorking(at, d)
		if !ok {
			if p.Week.String() != "" {
				t.Fatalf("%s of work never end", d)
			}
			return
		}
		if got, ok := h.WorkingBetween(at, end); got != d || !ok {
			t.Fatalf("%s of work from %s end at %s, where %s are done", d, show(at), show(end), got)
		}
		if got, _ := h.WorkingBetween(at, end-1); d > 0 && got >= d {
			t.Fatalf("%s of work are done before %s", d, show(end))
		}
		half := d / 2 / time.Microsecond * time.Microsecond
		mid, _ := h.AddWorking(at, half)
		if again, _ := h.AddWorking(mid, d-half); half > 0 && half < d && again != end {
			t.Fatalf("%s and %s of work end at %s, both together at %s", half, d-half, show(again), show(end))
		}
		later := at.Add(time.Duration(rapid.Int64Range(0, 300*3600).Draw(t, "later")) * time.Second)
		a, _ := h.WorkingBetween(at, later)
		b, _ := h.WorkingBetween(later, later.Add(72*time.Hour))
		if both, _ := h.WorkingBetween(at, later.Add(72*time.Hour)); both != a+b {
			t.Fatalf("%s and then %s make %s", a, b, both)
		}
		if a > later.Sub(at) {
			t.Fatalf("%s worked within %s", a, later.Sub(at))
		}
		if back, _ := h.AddWorking(at, a); a > 0 && back > later {
			t.Fatalf("what is worked by %s is done at %s only", show(later), show(back))
		}
	})
}
