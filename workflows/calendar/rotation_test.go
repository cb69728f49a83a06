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

func rotation(t testing.TB, z, first, at string, days int, people ...workflows.PersonID) calendar.Rota {
	t.Helper()
	return calendar.Rota{People: people, Zone: zone(t, z), First: date(t, first), At: clock(t, at), Days: days}
}

func changes(t testing.TB, r calendar.Rota, from, to string) []string {
	t.Helper()
	x, err := calendar.NewRotation(r)
	if err != nil {
		t.Fatal(err)
	}
	list, err := x.Changes(utc(t, from), utc(t, to))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, c := range list {
		out = append(out, fmt.Sprintf("%s %v new %v", show(c.At), c.On, c.New))
	}
	return out
}

// TestReq_R4_ShiftChanges: weekly, daily, with a stand-in, over changes of clocks.
func TestReq_R4_ShiftChanges(t *testing.T) {
	weekly := rotation(t, "Europe/Berlin", "2026-10-12", "09:00", 7, "ann", "bob", "carol")
	stand := weekly
	stand.Overrides = []calendar.Override{
		{Interval: calendar.Interval{From: utc(t, "2026-10-21 12:00"), To: utc(t, "2026-10-22 12:00")}, Person: "eve"},
		{Interval: calendar.Interval{From: utc(t, "2026-10-25 00:00"), To: utc(t, "2026-10-26 12:00")}, Person: "carol"}, // comes early
	}
	for _, x := range []struct {
		name, from, to string
		rota           calendar.Rota
		want           []string
	}{
		{"weekly, on Mondays at nine there", "2026-10-01 00:00", "2026-11-02 08:00", weekly, []string{
			"2026-10-12 07:00:00 [ann] new [ann]", "2026-10-19 07:00:00 [bob] new [bob]",
			"2026-10-26 08:00:00 [carol] new [carol]", "2026-11-02 08:00:00 [ann] new [ann]",
		}},
		{"from is before, to is within", "2026-10-19 07:00", "2026-10-26 07:59", weekly, nil},
		{"stand-ins", "2026-10-19 07:00", "2026-11-02 07:59", stand, []string{
			"2026-10-21 12:00:00 [eve] new [eve]", "2026-10-22 12:00:00 [bob] new [bob]", "2026-10-25 00:00:00 [carol] new [carol]",
		}},
		{"twice 01:30: both are on shift", "2026-10-31 12:00", "2026-11-01 12:00", rotation(t, "America/New_York", "2026-10-30", "01:30", 1, "ann", "bob"), []string{
			"2026-11-01 05:30:00 [bob ann] new [ann]", "2026-11-01 06:30:00 [ann] new []",
		}},
		{"no 02:30: the change is when the gap ends", "2026-03-07 12:00", "2026-03-08 12:00", rotation(t, "America/New_York", "2026-03-07", "02:30", 1, "ann", "bob"), []string{
			"2026-03-08 07:00:00 [bob] new [bob]",
		}},
		{"no midnight in Santiago", "2026-09-05 12:00", "2026-09-06 12:00", rotation(t, "America/Santiago", "2026-09-05", "00:00", 1, "ann", "bob"), []string{
			"2026-09-06 04:00:00 [bob] new [bob]",
		}},
		{"no December 30 in Apia", "2011-12-29 12:00", "2011-12-31 12:00", rotation(t, "Pacific/Apia", "2011-12-28", "06:00", 1, "ann", "bob", "carol", "dave"), []string{
			"2011-12-29 16:00:00 [bob] new [bob]", "2011-12-30 10:00:00 [carol] new [carol]", "2011-12-30 16:00:00 [dave] new [dave]",
		}},
		{"alone: nothing changes", "2026-11-01 00:00", "2027-11-01 00:00", rotation(t, "UTC", "2026-10-01", "09:00", 7, "ann"), nil},
	} {
		if d := cmp.Diff(x.want, changes(t, x.rota, x.from, x.to)); d != "" {
			t.Errorf("%s (-want +got):\n%s", x.name, d)
		}
	}
}

// TestThreat_T51_ShiftsNeverLeaveAHole: in all zones, hand-overs at any time of the day, near every kind of change: from the first hand-over
// on somebody is on shift, whose turn it is, and changes are told where they happen and nowhere else.
func TestThreat_T51_ShiftsNeverLeaveAHole(t *testing.T) {
	t.Parallel()
	zones := allZones(t)
	rapid.Check(t, func(t *rapid.T) {
		z := rapid.SampledFrom(zones).Draw(t, "zone")
		r := calendar.Rota{
			People: []workflows.PersonID{"ann", "bob", "carol"}[:rapid.IntRange(1, 3).Draw(t, "people")], Zone: z,
			First: calendar.Date{Year: 2026, Month: 1, Day: rapid.IntRange(1, 28).Draw(t, "first")},
			At:    calendar.Clock(rapid.IntRange(0, 95).Draw(t, "quarter") * 15), Days: rapid.IntRange(1, 10).Draw(t, "days"),
		}
		at := workflows.StampOf(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)).Add(time.Duration(rapid.IntRange(0, 600*24*60).Draw(t, "minute")) * time.Minute)
		if list := transitions(z, 2026, 2028); len(list) > 0 && rapid.Bool().Draw(t, "near") {
			at = workflows.StampOf(rapid.SampledFrom(list).Draw(t, "change"))
		}
		if rapid.Bool().Draw(t, "stand-in") {
			from := at.Add(time.Duration(rapid.IntRange(-40, 40).Draw(t, "from")) * time.Hour)
			r.Overrides = []calendar.Override{{Interval: calendar.Interval{From: from, To: from.Add(30 * time.Hour)}, Person: "eve"}}
		}
		x, err := calendar.NewRotation(r)
		if err != nil {
			t.Fatal(err)
		}
		begin := at.Add(-36 * time.Hour)
		list, err := x.Changes(begin, at.Add(36*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		on, start := x.On(begin), calendar.First(r.First, r.At, z)
		for s := begin + 1; s <= at.Add(36*time.Hour); s = s.Add(15 * time.Minute) {
			now := x.On(s)
			if len(now) == 0 && s >= start || len(now) > 2 {
				t.Fatalf("%s: %v on shift", show(s), now)
			}
			for len(list) > 0 && list[0].At <= s {
				on, list = list[0].On, list[1:]
			}
			if d := cmp.Diff(on, now); d != "" {
				t.Fatalf("%s: on shift, but no change told (-told +is):\n%s", show(s), d)
			}
			for _, p := range x.At(s) {
				if !p.Has(s) || len(x.At(p.To)) == 0 {
					t.Fatalf("%s: shift from %s to %s, and then nobody", show(s), show(p.From), show(p.To))
				}
			}
		}
	})
}

func TestRotationAt(t *testing.T) {
	r := rotation(t, "Europe/Berlin", "2026-10-12", "09:00", 7, "ann", "bob")
	r.Overrides = []calendar.Override{{Interval: calendar.Interval{From: utc(t, "2026-10-14 00:00"), To: utc(t, "2026-10-15 00:00")}, Person: "eve"}}
	x, err := calendar.NewRotation(r)
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[string]string{
		"2026-10-12 06:59": "",
		"2026-10-12 07:00": "ann 2026-10-12 07:00:00 2026-10-14 00:00:00 false",
		"2026-10-14 00:00": "eve 2026-10-14 00:00:00 2026-10-15 00:00:00 true",
		"2026-10-15 00:00": "ann 2026-10-15 00:00:00 2026-10-19 07:00:00 false",
		"2026-10-25 12:00": "bob 2026-10-19 07:00:00 2026-10-26 08:00:00 false",
		"2027-03-30 12:00": "ann 2027-03-29 07:00:00 2027-04-05 07:00:00 false",
	} {
		var got []string
		for _, s := range x.At(utc(t, at)) {
			got = append(got, fmt.Sprintf("%s %s %s %v", s.Person, show(s.From), show(s.To), s.Overridden))
		}
		if got := strings.Join(got, "; "); got != want {
			t.Errorf("%s: %s, want %s", at, got, want)
		}
	}
}

func TestNewRotationRefuses(t *testing.T) {
	ok := func() calendar.Rota { return rotation(t, "UTC", "2026-10-12", "09:00", 7, "ann", "bob") }
	over := func(p workflows.PersonID, from, to string) calendar.Override {
		return calendar.Override{Interval: calendar.Interval{From: utc(t, from), To: utc(t, to)}, Person: p}
	}
	for want, change := range map[string]func(*calendar.Rota){
		"rotation: no zone":                                                       func(r *calendar.Rota) { r.Zone = nil },
		"rotation: nobody in it":                                                  func(r *calendar.Rota) { r.People = nil },
		"rotation: a person without an id":                                        func(r *calendar.Rota) { r.People = []workflows.PersonID{"ann", ""} },
		"rotation: 501 people, at most 500 are allowed":                           func(r *calendar.Rota) { r.People = make([]workflows.PersonID, 501) },
		"rotation: hand-over at 24:00 is no time of a day":                        func(r *calendar.Rota) { r.At = calendar.EndOfDay },
		"rotation: shifts of 0 days, want 1 to 366":                               func(r *calendar.Rota) { r.Days = 0 },
		"rotation: shifts of 367 days, want 1 to 366":                             func(r *calendar.Rota) { r.Days = 367 },
		"rotation: the first hand-over on 0000-00-00 is not within 1900 and 2199": func(r *calendar.Rota) { r.First = calendar.Date{} },
		"rotation: 1001 overrides, at most 1000 are allowed":                      func(r *calendar.Rota) { r.Overrides = make([]calendar.Override, 1001) },
		"rotation: the override from 2026-10-13T00:00:00.000000Z names nobody": func(r *calendar.Rota) {
			r.Overrides = []calendar.Override{over("", "2026-10-13 00:00", "2026-10-14 00:00")}
		},
		"rotation: the override from 2026-10-13T00:00:00.000000Z ends before it begins, at 2026-10-13T00:00:00.000000Z": func(r *calendar.Rota) {
			r.Overrides = []calendar.Override{over("eve", "2026-10-13 00:00", "2026-10-13 00:00")}
		},
		"rotation: the overrides from 2026-10-13T00:00:00.000000Z and from 2026-10-13T12:00:00.000000Z overlap": func(r *calendar.Rota) {
			r.Overrides = []calendar.Override{over("eve", "2026-10-13 12:00", "2026-10-15 00:00"), over("dan", "2026-10-13 00:00", "2026-10-14 00:00")}
		},
	} {
		r := ok()
		change(&r)
		if _, err := calendar.NewRotation(r); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	x, err := calendar.NewRotation(rotation(t, "UTC", "2026-10-12", "09:00", 1, "ann", "bob"))
	if err != nil {
		t.Fatal(err)
	}
	want := "rotation: more than 10000 shift changes from 2026-10-12T00:00:00.000000Z to 2126-10-12T00:00:00.000000Z"
	if _, err := x.Changes(utc(t, "2026-10-12 00:00"), utc(t, "2126-10-12 00:00")); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
