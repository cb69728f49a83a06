package calendar_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
)

// TestReq_R4_HolidaysOf2026 holds whole years to the laws of the countries: Easter was on April 5, in Greece on April 12.
func TestReq_R4_HolidaysOf2026(t *testing.T) {
	for country, want := range map[string]string{
		"AT":    "01-01 01-06 04-06 05-01 05-14 05-25 06-04 08-15 10-26 11-01 12-08 12-25 12-26",
		"BE":    "01-01 04-06 05-01 05-14 05-25 07-21 08-15 11-01 11-11 12-25",
		"CH-ZH": "01-01 04-03 04-06 05-01 05-14 05-25 08-01 12-25 12-26",
		"CZ":    "01-01 04-03 04-06 05-01 05-08 07-05 07-06 09-28 10-28 11-17 12-24 12-25 12-26",
		"DE-BW": "01-01 01-06 04-03 04-06 05-01 05-14 05-25 06-04 10-03 11-01 12-25 12-26",
		"DE-HH": "01-01 04-03 04-06 05-01 05-14 05-25 10-03 10-31 12-25 12-26",
		"DE-SN": "01-01 04-03 04-06 05-01 05-14 05-25 10-03 10-31 11-18 12-25 12-26", // repentance day, a Wednesday
		"FR":    "01-01 04-06 05-01 05-08 05-14 05-25 07-14 08-15 11-01 11-11 12-25",
		"GR":    "01-01 01-06 02-23 03-25 04-10 04-13 05-01 06-01 08-15 10-28 12-25 12-26",
		"HU":    "01-01 03-15 04-03 04-06 05-01 05-25 08-20 10-23 11-01 12-25 12-26",
		"IE":    "01-01 02-02 03-17 04-06 05-04 06-01 08-03 10-26 12-25 12-26",
		"NO":    "01-01 04-02 04-03 04-06 05-01 05-14 05-17 05-25 12-25 12-26",
		"PL":    "01-01 01-06 04-06 05-01 05-03 06-04 08-15 11-01 11-11 12-24 12-25 12-26", // Christmas Eve since 2025
		"PT":    "01-01 04-03 04-05 04-25 05-01 06-04 06-10 08-15 10-05 11-01 12-01 12-08 12-25",
		"ZA":    "01-01 03-21 04-03 04-06 04-27 05-01 06-16 08-09 08-10 09-24 12-16 12-25 12-26", // August 9 is a Sunday, kept on Monday as well
	} {
		if got := strings.ReplaceAll(holidays(t, country, "2026-01-01", "2026-12-31"), "2026-", ""); got != want {
			t.Errorf("%s:\n got %s\nwant %s", country, got, want)
		}
		if lower := strings.ToLower(country); holidays(t, lower, "2026-01-01", "2026-12-31") != holidays(t, country, "2026-01-01", "2026-12-31") {
			t.Errorf("%s has other holidays than %s", lower, country)
		}
	}
}

// TestNightsWithHolidaysAndTimeOff: a night belongs to the date it begins on; time off takes out of it what it covers and no more.
func TestNightsWithHolidaysAndTimeOff(t *testing.T) {
	h, err := calendar.NewHours(calendar.Plan{
		Zone: time.UTC, Week: week(t, "Mon-Fri 22:00-06:00"), Holidays: []calendar.Date{date(t, "2026-11-25")}, // Wednesday
		Off: []calendar.Interval{{From: utc(t, "2026-11-26 23:00"), To: utc(t, "2026-11-27 02:00")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for day, want := range map[string]time.Duration{
		"2026-11-23": 2 * time.Hour, "2026-11-24": 8 * time.Hour, "2026-11-25": 6 * time.Hour, "2026-11-26": time.Hour,
		"2026-11-27": 6 * time.Hour, "2026-11-28": 6 * time.Hour, "2026-11-29": 0,
	} {
		from := utc(t, day+" 00:00")
		if got, ok := h.WorkingBetween(from, from.Add(24*time.Hour)); got != want || !ok {
			t.Errorf("%s: %s, want %s", day, got, want)
		}
	}
	for _, x := range []struct {
		from string
		work time.Duration
		want string
	}{
		{"2026-11-23 12:00", 0, "2026-11-23 12:00"}, // nothing to do is done at once, open or not
		{"2026-11-23 22:00", 8 * time.Hour, "2026-11-24 06:00"},
		{"2026-11-23 22:00", 8*time.Hour + time.Microsecond, "2026-11-24 22:00:00.000001"},
		{"2026-11-25 06:00", time.Microsecond, "2026-11-26 22:00:00.000001"},
		{"2026-11-25 06:00", time.Hour, "2026-11-26 23:00"},
		{"2026-11-25 06:00", time.Hour + time.Minute, "2026-11-27 02:01"},
		{"2026-11-26 23:30", 4 * time.Hour, "2026-11-27 06:00"},
		{"2026-11-28 06:00", time.Minute, "2026-11-30 22:01"},
	} {
		if got, ok := h.AddWorking(utc(t, x.from), x.work); !ok || got != utc(t, x.want) {
			t.Errorf("%s of work from %s: %s, want %s", x.work, x.from, show(got), x.want)
		}
	}
}

// TestPresenceLooksSoFar: what lies exactly at the end of the days looked at is still seen, and what lies behind it is not.
func TestPresenceLooksSoFar(t *testing.T) {
	m := calendar.Member{Person: "jonas", Hours: hours(t, "Europe/Berlin", "09:00-17:00")}
	for _, x := range []struct {
		at          string
		days        int
		next, until string
	}{
		{"2026-11-23 07:00", 0, "", ""},
		{"2026-11-23 08:00", 0, "2026-11-23 08:00", ""},
		{"2026-11-23 08:00", -5, "2026-11-23 08:00", ""}, // no days are none
		{"2026-11-23 08:00", 1, "2026-11-23 08:00", "2026-11-23 16:00"},
		{"2026-11-23 15:59:59.999999", 1, "2026-11-23 15:59:59.999999", "2026-11-23 16:00"},
		{"2026-11-23 16:00", 1, "2026-11-24 08:00", ""},
		{"2026-11-27 16:00", 2, "", ""}, // the weekend
		{"2026-11-27 16:00", 3, "2026-11-30 08:00", ""},
		{"2026-11-29 08:00", 1, "2026-11-30 08:00", ""},
		{"2026-11-29 07:59:59.999999", 1, "", ""},
	} {
		var next, until workflows.Stamp
		if x.next != "" {
			next = utc(t, x.next)
		}
		if x.until != "" {
			until = utc(t, x.until)
		}
		at := utc(t, x.at)
		if p := m.Presence(at, x.days); p.Next != next || p.Until != until || p.Awake != (next == at) || !p.Known || p.Person != "jonas" || p.Zone != m.Hours.Zone() {
			t.Errorf("%s, %d days: %+v, want next %q until %q", x.at, x.days, p, x.next, x.until)
		}
	}
	now := utc(t, "2026-11-23 08:00")
	away, err := calendar.NewHours(calendar.Plan{Zone: time.UTC, Week: week(t, "Mon-Sun 00:00-24:00"), Off: []calendar.Interval{{From: now, To: now.Add(401 * day)}}})
	if err != nil {
		t.Fatal(err)
	}
	if p := (calendar.Member{Hours: away}).Presence(now, 9999); p.Next != 0 || p.Awake {
		t.Errorf("more than 400 days ahead: %+v", p)
	}
	if p := (calendar.Member{Hours: away}).Presence(now.Add(day), 9999); p.Next != now.Add(401*day) {
		t.Errorf("400 days ahead: %+v", p)
	}
}

// TestTeamsAtTheirLimits: nobody, no quorum, one more than there are, and as many as a roster holds.
func TestTeamsAtTheirLimits(t *testing.T) {
	november := calendar.Interval{From: utc(t, "2026-11-01 00:00"), To: utc(t, "2026-12-01 00:00")}
	whole := []calendar.Shortfall{{Interval: november}}
	crowd := make([]calendar.Member, 500)
	for i := range crowd {
		crowd[i].Person = workflows.PersonID(strings.Repeat("p", i+1))
	}
	for name, x := range map[string]struct {
		team calendar.Team
		want []calendar.Shortfall
	}{
		"nobody, and nobody is needed": {calendar.Team{}, nil},
		"nobody, and one is needed":    {calendar.Team{Quorum: 1}, whole},
		"many of unknown hours":        {calendar.Team{Quorum: 1, Members: crowd}, whole},
	} {
		c, err := x.team.Coverage(date(t, "2026-11-01"), 1)
		if d := cmp.Diff(x.want, c.List); d != "" || err != nil || c.Interval != november {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, d)
		}
		f, err := x.team.Forecast(november.From, 400)
		if _, next := f.Next(); err != nil || f.Awake != 0 || f.Together != 0 || f.Reached != 0 || next || len(f.Order) != len(x.team.Members) {
			t.Errorf("%s: %v, %+v", name, err, f)
		}
	}
}
