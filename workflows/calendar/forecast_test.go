package calendar_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
)

func globe(t testing.TB, quorum int) calendar.Team {
	return calendar.Team{Quorum: quorum, Members: []calendar.Member{
		{Person: "zoe", Hours: nil},
		{Person: "maya", Hours: hours(t, "America/New_York", "09:00-17:30")},
		{Person: "jonas", Hours: hours(t, "Europe/Berlin", "09:00-17:00")},
		{Person: "priya", Hours: hours(t, "Asia/Kolkata", "09:00-18:30")},
		{Person: "noa", Hours: hours(t, "Asia/Jerusalem", "Sun-Thu 09:00-18:00")},
		{Person: "omar", Hours: hours(t, "Asia/Dubai", "Mon-Fri 08:00-17:00")},
	}}
}

// TestReq_R4_FollowTheSun: who is asked first, who is next and when, on a Sunday, over a change of clocks, and with somebody away.
func TestReq_R4_FollowTheSun(t *testing.T) {
	for _, x := range []struct {
		now               string
		quorum            int
		without           workflows.PersonID
		want              []string
		together, reached string
	}{
		{now: "2026-11-23 01:20", quorum: 2, want: []string{
			"priya: next: Mon 09:00 IST in Kolkata, in 2 h 10 m", "omar: next: Mon 08:00 UTC+04 in Dubai, in 2 h 40 m",
			"noa: next: Mon 09:00 IST in Jerusalem, in 5 h 40 m", "jonas: next: Mon 09:00 CET in Berlin, in 6 h 40 m",
			"maya: next: Mon 09:00 EST in New York, in 12 h 40 m", "zoe: working hours not known",
		}, together: "2026-11-23 04:00:00", reached: "2026-11-23 04:00:00"},
		{now: "2026-11-23 12:00", quorum: 4, without: "noa", want: []string{
			"jonas: awake in Berlin until Mon 17:00 CET", "priya: awake in Kolkata until Mon 18:30 IST", "omar: awake in Dubai until Mon 17:00 UTC+04",
			"maya: next: Mon 09:00 EST in New York, in 2 h", "zoe: working hours not known",
		}, together: "1970-01-01 00:00:00", reached: "2026-11-23 14:00:00"},
		{now: "2026-10-25 10:00", quorum: 1, want: []string{ // Sunday: one is there, and Berlin has left summer since Friday
			"noa: awake in Jerusalem until Sun 18:00 IST",
			"priya: next: Mon 09:00 IST in Kolkata, in 17 h 30 m", "omar: next: Mon 08:00 UTC+04 in Dubai, in 18 h", "jonas: next: Mon 09:00 CET in Berlin, in 22 h",
			"maya: next: Mon 09:00 EDT in New York, in 1 d 3 h", "zoe: working hours not known",
		}, together: "2026-10-25 10:00:00", reached: "2026-10-25 10:00:00"},
		{now: "2026-10-25 10:00", quorum: 7, want: nil, together: "1970-01-01 00:00:00", reached: "1970-01-01 00:00:00"},
	} {
		now := utc(t, x.now)
		f, err := globe(t, x.quorum).Without(x.without).Forecast(now, 14)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		awake := 0
		for _, p := range f.Order {
			got = append(got, string(p.Person)+": "+p.Words(now))
			if p.Awake {
				awake++
			}
		}
		if d := cmp.Diff(x.want, got); x.want != nil && d != "" {
			t.Errorf("%s (-want +got):\n%s", x.now, d)
		}
		if show(f.Together) != x.together || show(f.Reached) != x.reached || f.Awake != awake {
			t.Errorf("%s, %d of them: together %s, one after the other %s, %d awake; want %s and %s, %d", x.now, x.quorum, show(f.Together), show(f.Reached), f.Awake, x.together, x.reached, awake)
		}
		next, ok := f.Next()
		for _, line := range got {
			if who, words, _ := strings.Cut(line, ": "); strings.HasPrefix(words, "next:") {
				if !ok || string(next.Person) != who {
					t.Errorf("%s: next is %s, want %s", x.now, next.Person, who)
				}
				break
			}
		}
	}
}

// TestReq_R4_CoverageOfAYear: the hours of a year in which two people are not both there, with holidays and changes of clocks.
func TestReq_R4_CoverageOfAYear(t *testing.T) {
	all, err := calendar.NewHours(calendar.Plan{Zone: zone(t, "Europe/London"), Week: week(t, "Mon-Sun 08:00-20:00"), Holidays: []calendar.Date{date(t, "2026-12-25")}})
	if err != nil {
		t.Fatal(err)
	}
	team := calendar.Team{Quorum: 2, Members: []calendar.Member{
		{Person: "day", Hours: all},
		{Person: "night", Hours: hours(t, "Europe/London", "Mon-Sun 20:00-08:00")},
		{Person: "always", Hours: hours(t, "UTC", "Mon-Sun 00:00-24:00")},
	}}
	c, err := team.Coverage(date(t, "2026-03-01"), 12)
	if err != nil {
		t.Fatal(err)
	}
	want := []calendar.Shortfall{{Interval: calendar.Interval{From: utc(t, "2026-12-25 08:00"), To: utc(t, "2026-12-25 20:00")}, Awake: 1}}
	if d := cmp.Diff(want, c.List); d != "" || c.Short != 12*time.Hour || c.Longest != want[0] || c.More != 0 {
		t.Errorf("short %s, longest %v (-want +got):\n%s", c.Short, c.Longest, d)
	}
	c, err = team.Without("always").Coverage(date(t, "2026-03-01"), 12)
	if err != nil {
		t.Fatal(err)
	}
	if c.Short != 365*day || len(c.List) != 1 || c.Longest.Awake != 1 {
		t.Errorf("two where there is always one: short %s in %d pieces", c.Short, len(c.List))
	}
	for want, months := range map[string]int{"coverage of 0 months: want 1 to 24": 0, "coverage of 25 months: want 1 to 24": 25} {
		if _, err := team.Coverage(date(t, "2026-03-01"), months); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	many := calendar.Team{Quorum: 1, Members: []calendar.Member{{Person: "a", Hours: hours(t, "UTC", "Mon-Sun 00:00-01:00,02:00-03:00,04:00-05:00,06:00-07:00,08:00-09:00,10:00-11:00,12:00-13:00,14:00-15:00")}}}
	if c, err = many.Coverage(date(t, "2026-01-01"), 24); err != nil || len(c.List)+c.More != 730*8 || c.Short != 730*16*time.Hour {
		t.Errorf("%v: %d shortfalls and %d more of %s", err, len(c.List), c.More, c.Short)
	}
}

const day = 24 * time.Hour

func TestTeamsAreChecked(t *testing.T) {
	twice := calendar.Team{Quorum: 2, Members: []calendar.Member{{Person: "ann"}, {Person: "ann"}}}
	if _, err := twice.Forecast(0, 1); err == nil || err.Error() != `team: "ann" is in it twice: one would count for two` {
		t.Error(err)
	}
	if _, err := (calendar.Team{Members: make([]calendar.Member, 501)}).Coverage(date(t, "2026-01-01"), 1); err == nil || err.Error() != "team: 501 people, at most 500 are allowed" {
		t.Error(err)
	}
}

// A forecast and a report of coverage say what asking everybody at each moment says.
func TestForecastIsAsDefined(t *testing.T) {
	t.Parallel()
	zones := allZones(t)
	rapid.Check(t, func(t *rapid.T) {
		p, now := person(t, zones)
		team := calendar.Team{Quorum: rapid.IntRange(1, 4).Draw(t, "quorum")}
		for i := range rapid.IntRange(1, 5).Draw(t, "people") {
			if i > 0 {
				p, _ = person(t, zones)
			}
			h, err := calendar.NewHours(p)
			if err != nil {
				t.Fatal(err)
			}
			team.Members = append(team.Members, calendar.Member{Person: workflows.PersonID(fmt.Sprint("p", i)), Hours: h})
		}
		there := func(at workflows.Stamp) int {
			n := 0
			for _, m := range team.Members {
				if m.Hours.IsOpen(at) {
					n++
				}
			}
			return n
		}
		const days = 3
		f, err := team.Forecast(now, days)
		if err != nil {
			t.Fatal(err)
		}
		if f.Awake != there(now) || len(f.Order) != len(team.Members) {
			t.Fatalf("%d awake, want %d", f.Awake, there(now))
		}
		end := now.Add(days * day)
		for at := now; at < end; at = at.Add(15 * time.Minute) {
			if enough := there(at) >= team.Quorum; enough && (f.Together == 0 || at < f.Together) {
				t.Fatalf("a quorum is there at %s, not only at %s", show(at), show(f.Together))
			}
		}
		if f.Together != 0 && (there(f.Together) < team.Quorum || f.Together > now && there(f.Together-1) >= team.Quorum || f.Reached > f.Together) {
			t.Fatalf("together %s, one after the other %s", show(f.Together), show(f.Reached))
		}
		from := calendar.DateAt(now, time.UTC)
		c, err := team.Coverage(from, 1)
		if err != nil {
			t.Fatal(err)
		}
		list, sum := c.List, time.Duration(0)
		for i, s := range list {
			sum += s.Length()
			if s.Length() <= 0 || s.Awake >= team.Quorum || i > 0 && s.From <= list[i-1].To || there(s.From) >= team.Quorum || there(s.To-1) >= team.Quorum {
				t.Fatalf("shortfall %d from %s to %s", i, show(s.From), show(s.To))
			}
			for at := s.From; at < s.To; at = at.Add(max(15*time.Minute, s.Length()/100)) {
				if there(at) > s.Awake {
					t.Fatalf("%d there at %s, of %d at most", there(at), show(at), s.Awake)
				}
			}
			if s.To < c.To && there(s.To) < team.Quorum {
				t.Fatalf("the shortfall goes on after %s", show(s.To))
			}
		}
		if sum != c.Short {
			t.Fatalf("%s, want %s", c.Short, sum)
		}
		for at := c.From; at < c.To; at = at.Add(7 * time.Hour) {
			for len(list) > 0 && list[0].To <= at {
				list = list[1:]
			}
			if short := len(list) > 0 && list[0].Has(at); short != (there(at) < team.Quorum) {
				t.Fatalf("%s: %d there, reported %v", show(at), there(at), short)
			}
		}
	})
}

func TestWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "the past", 0: "less than a minute", 59 * time.Second: "less than a minute", time.Minute: "1 m", 130 * time.Minute: "2 h 10 m",
		2 * time.Hour: "2 h", 24 * time.Hour: "1 d", 76*time.Hour + 59*time.Minute: "3 d 4 h", 24*time.Hour + 20*time.Minute: "1 d",
	} {
		if got := calendar.In(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
	at := utc(t, "2026-11-22 12:00")
	for z, want := range map[string]string{
		"Asia/Kolkata": "Sun 17:30 IST in Kolkata", "America/New_York": "Sun 07:00 EST in New York", "Pacific/Kiritimati": "Mon 02:00 UTC+14 in Kiritimati",
		"Asia/Kathmandu": "Sun 17:45 UTC+0545 in Kathmandu", "America/Argentina/Salta": "Sun 09:00 UTC-03 in Salta", "UTC": "Sun 12:00 UTC in UTC",
	} {
		if got := calendar.Local(at, zone(t, z)) + " in " + calendar.City(zone(t, z)); got != want {
			t.Errorf("%s: %q, want %q", z, got, want)
		}
	}
	order := calendar.Team{Quorum: 1, Members: []calendar.Member{
		{Person: "short", Hours: hours(t, "UTC", "Sun 09:00-13:00")},
		{Person: "never stops", Hours: hours(t, "UTC", "Mon-Sun 00:00-24:00")},
		{Person: "never starts", Hours: hours(t, "UTC", "Wed 09:00-13:00")},
		{Person: "long", Hours: hours(t, "UTC", "Sun 09:00-17:00")},
	}}
	f, err := order.Forecast(at, 2)
	if err != nil {
		t.Fatal(err)
	}
	var names []workflows.PersonID
	for _, p := range f.Order {
		names = append(names, p.Person)
	}
	if d := cmp.Diff([]workflows.PersonID{"never stops", "long", "short", "never starts"}, names); d != "" {
		t.Error(d)
	}
	always, away := calendar.Member{Hours: hours(t, "UTC", "Mon-Sun 00:00-24:00")}, calendar.Member{Hours: hours(t, "UTC", "Wed 09:00-10:00")}
	if got := always.Presence(at, 14).Words(at); got != "awake in UTC" {
		t.Error(got)
	}
	if got := away.Presence(at, 2).Words(at); got != "away, in UTC" {
		t.Error(got)
	}
}
