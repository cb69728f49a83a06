package calendar_test

import (
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
)

// clockChange is a moment at which the clocks of a zone jump: what they would have shown, and what they show.
type clockChange struct{ zone, at, old, new string }

// clockChanges were taken from another reader of the zone data: the zones of the fixtures, and those that moved by a day, by half an hour, for
// good, or at a time nobody expects.
var clockChanges = []clockChange{
	{"America/New_York", "2025-03-09 07:00", "2025-03-09 02:00", "2025-03-09 03:00"},
	{"America/New_York", "2025-11-02 06:00", "2025-11-02 02:00", "2025-11-02 01:00"},
	{"America/New_York", "2026-03-08 07:00", "2026-03-08 02:00", "2026-03-08 03:00"},
	{"America/New_York", "2026-11-01 06:00", "2026-11-01 02:00", "2026-11-01 01:00"},
	{"Europe/London", "2025-03-30 01:00", "2025-03-30 01:00", "2025-03-30 02:00"},
	{"Europe/London", "2025-10-26 01:00", "2025-10-26 02:00", "2025-10-26 01:00"},
	{"Europe/London", "2026-03-29 01:00", "2026-03-29 01:00", "2026-03-29 02:00"},
	{"Europe/London", "2026-10-25 01:00", "2026-10-25 02:00", "2026-10-25 01:00"},
	{"Europe/Dublin", "2025-03-30 01:00", "2025-03-30 01:00", "2025-03-30 02:00"},
	{"Europe/Dublin", "2025-10-26 01:00", "2025-10-26 02:00", "2025-10-26 01:00"},
	{"Europe/Dublin", "2026-03-29 01:00", "2026-03-29 01:00", "2026-03-29 02:00"},
	{"Europe/Dublin", "2026-10-25 01:00", "2026-10-25 02:00", "2026-10-25 01:00"},
	{"Europe/Berlin", "2025-03-30 01:00", "2025-03-30 02:00", "2025-03-30 03:00"},
	{"Europe/Berlin", "2025-10-26 01:00", "2025-10-26 03:00", "2025-10-26 02:00"},
	{"Europe/Berlin", "2026-03-29 01:00", "2026-03-29 02:00", "2026-03-29 03:00"},
	{"Europe/Berlin", "2026-10-25 01:00", "2026-10-25 03:00", "2026-10-25 02:00"},
	{"Australia/Lord_Howe", "2025-04-05 15:00", "2025-04-06 02:00", "2025-04-06 01:30"},
	{"Australia/Lord_Howe", "2025-10-04 15:30", "2025-10-05 02:00", "2025-10-05 02:30"},
	{"Australia/Lord_Howe", "2026-04-04 15:00", "2026-04-05 02:00", "2026-04-05 01:30"},
	{"Australia/Lord_Howe", "2026-10-03 15:30", "2026-10-04 02:00", "2026-10-04 02:30"},
	{"America/Santiago", "2025-04-06 03:00", "2025-04-06 00:00", "2025-04-05 23:00"},
	{"America/Santiago", "2025-09-07 04:00", "2025-09-07 00:00", "2025-09-07 01:00"},
	{"America/Santiago", "2026-04-05 03:00", "2026-04-05 00:00", "2026-04-04 23:00"},
	{"America/Santiago", "2026-09-06 04:00", "2026-09-06 00:00", "2026-09-06 01:00"},
	{"Africa/Cairo", "2025-04-24 22:00", "2025-04-25 00:00", "2025-04-25 01:00"},
	{"Africa/Cairo", "2025-10-30 21:00", "2025-10-31 00:00", "2025-10-30 23:00"},
	{"Africa/Cairo", "2026-04-23 22:00", "2026-04-24 00:00", "2026-04-24 01:00"},
	{"Africa/Cairo", "2026-10-29 21:00", "2026-10-30 00:00", "2026-10-29 23:00"},
	{"Asia/Beirut", "2025-03-29 22:00", "2025-03-30 00:00", "2025-03-30 01:00"},
	{"Asia/Beirut", "2025-10-25 21:00", "2025-10-26 00:00", "2025-10-25 23:00"},
	{"Asia/Beirut", "2026-03-28 22:00", "2026-03-29 00:00", "2026-03-29 01:00"},
	{"Asia/Beirut", "2026-10-24 21:00", "2026-10-25 00:00", "2026-10-24 23:00"},
	{"Africa/Casablanca", "2025-02-23 02:00", "2025-02-23 03:00", "2025-02-23 02:00"},
	{"Africa/Casablanca", "2025-04-06 02:00", "2025-04-06 02:00", "2025-04-06 03:00"},
	{"Africa/Casablanca", "2026-02-15 02:00", "2026-02-15 03:00", "2026-02-15 02:00"},
	{"Africa/Casablanca", "2026-03-22 02:00", "2026-03-22 02:00", "2026-03-22 03:00"},
	{"Asia/Jerusalem", "2025-03-28 00:00", "2025-03-28 02:00", "2025-03-28 03:00"},
	{"Asia/Jerusalem", "2025-10-25 23:00", "2025-10-26 02:00", "2025-10-26 01:00"},
	{"Asia/Jerusalem", "2026-03-27 00:00", "2026-03-27 02:00", "2026-03-27 03:00"},
	{"Asia/Jerusalem", "2026-10-24 23:00", "2026-10-25 02:00", "2026-10-25 01:00"},
	{"Pacific/Apia", "2010-09-26 11:00", "2010-09-26 00:00", "2010-09-26 01:00"},
	{"Pacific/Apia", "2011-04-02 14:00", "2011-04-02 04:00", "2011-04-02 03:00"},
	{"Pacific/Apia", "2011-09-24 14:00", "2011-09-24 03:00", "2011-09-24 04:00"},
	{"Pacific/Apia", "2011-12-30 10:00", "2011-12-30 00:00", "2011-12-31 00:00"},
	{"Pacific/Apia", "2012-03-31 14:00", "2012-04-01 04:00", "2012-04-01 03:00"},
	{"Pacific/Apia", "2012-09-29 14:00", "2012-09-30 03:00", "2012-09-30 04:00"},
	{"Pacific/Apia", "2013-04-06 14:00", "2013-04-07 04:00", "2013-04-07 03:00"},
	{"Pacific/Apia", "2013-09-28 14:00", "2013-09-29 03:00", "2013-09-29 04:00"},
	{"Pacific/Apia", "2014-04-05 14:00", "2014-04-06 04:00", "2014-04-06 03:00"},
	{"Pacific/Apia", "2014-09-27 14:00", "2014-09-28 03:00", "2014-09-28 04:00"},
	{"Pacific/Apia", "2015-04-04 14:00", "2015-04-05 04:00", "2015-04-05 03:00"},
	{"Pacific/Apia", "2015-09-26 14:00", "2015-09-27 03:00", "2015-09-27 04:00"},
	{"Pacific/Apia", "2016-04-02 14:00", "2016-04-03 04:00", "2016-04-03 03:00"},
	{"Pacific/Apia", "2016-09-24 14:00", "2016-09-25 03:00", "2016-09-25 04:00"},
	{"Pacific/Apia", "2017-04-01 14:00", "2017-04-02 04:00", "2017-04-02 03:00"},
	{"Pacific/Apia", "2017-09-23 14:00", "2017-09-24 03:00", "2017-09-24 04:00"},
	{"Pacific/Apia", "2018-03-31 14:00", "2018-04-01 04:00", "2018-04-01 03:00"},
	{"Pacific/Apia", "2018-09-29 14:00", "2018-09-30 03:00", "2018-09-30 04:00"},
	{"Pacific/Apia", "2019-04-06 14:00", "2019-04-07 04:00", "2019-04-07 03:00"},
	{"Pacific/Apia", "2019-09-28 14:00", "2019-09-29 03:00", "2019-09-29 04:00"},
	{"Pacific/Apia", "2020-04-04 14:00", "2020-04-05 04:00", "2020-04-05 03:00"},
	{"Pacific/Apia", "2020-09-26 14:00", "2020-09-27 03:00", "2020-09-27 04:00"},
	{"Pacific/Apia", "2021-04-03 14:00", "2021-04-04 04:00", "2021-04-04 03:00"},
	{"America/Havana", "2025-03-09 05:00", "2025-03-09 00:00", "2025-03-09 01:00"},
	{"America/Havana", "2025-11-02 05:00", "2025-11-02 01:00", "2025-11-02 00:00"},
	{"America/Havana", "2026-03-08 05:00", "2026-03-08 00:00", "2026-03-08 01:00"},
	{"America/Havana", "2026-11-01 05:00", "2026-11-01 01:00", "2026-11-01 00:00"},
	{"Pacific/Chatham", "2025-04-05 14:00", "2025-04-06 03:45", "2025-04-06 02:45"},
	{"Pacific/Chatham", "2025-09-27 14:00", "2025-09-28 02:45", "2025-09-28 03:45"},
	{"Pacific/Chatham", "2026-04-04 14:00", "2026-04-05 03:45", "2026-04-05 02:45"},
	{"Pacific/Chatham", "2026-09-26 14:00", "2026-09-27 02:45", "2026-09-27 03:45"},
	{"Asia/Tehran", "2021-03-21 20:30", "2021-03-22 00:00", "2021-03-22 01:00"},
	{"Asia/Tehran", "2021-09-21 19:30", "2021-09-22 00:00", "2021-09-21 23:00"},
	{"Asia/Tehran", "2022-03-21 20:30", "2022-03-22 00:00", "2022-03-22 01:00"},
	{"Asia/Tehran", "2022-09-21 19:30", "2022-09-22 00:00", "2022-09-21 23:00"},
	{"America/Asuncion", "2023-03-26 03:00", "2023-03-26 00:00", "2023-03-25 23:00"},
	{"America/Asuncion", "2023-10-01 04:00", "2023-10-01 00:00", "2023-10-01 01:00"},
	{"America/Asuncion", "2024-03-24 03:00", "2024-03-24 00:00", "2024-03-23 23:00"},
	{"America/Asuncion", "2024-10-06 04:00", "2024-10-06 00:00", "2024-10-06 01:00"},
	{"Antarctica/Troll", "2025-03-30 01:00", "2025-03-30 01:00", "2025-03-30 03:00"},
	{"Antarctica/Troll", "2025-10-26 01:00", "2025-10-26 03:00", "2025-10-26 01:00"},
	{"Antarctica/Troll", "2026-03-29 01:00", "2026-03-29 01:00", "2026-03-29 03:00"},
	{"Antarctica/Troll", "2026-10-25 01:00", "2026-10-25 03:00", "2026-10-25 01:00"},
	{"Atlantic/Azores", "2025-03-30 01:00", "2025-03-30 00:00", "2025-03-30 01:00"},
	{"Atlantic/Azores", "2025-10-26 01:00", "2025-10-26 01:00", "2025-10-26 00:00"},
	{"Atlantic/Azores", "2026-03-29 01:00", "2026-03-29 00:00", "2026-03-29 01:00"},
	{"Atlantic/Azores", "2026-10-25 01:00", "2026-10-25 01:00", "2026-10-25 00:00"},
	{"America/St_Johns", "2025-03-09 05:30", "2025-03-09 02:00", "2025-03-09 03:00"},
	{"America/St_Johns", "2025-11-02 04:30", "2025-11-02 02:00", "2025-11-02 01:00"},
	{"America/St_Johns", "2026-03-08 05:30", "2026-03-08 02:00", "2026-03-08 03:00"},
	{"America/St_Johns", "2026-11-01 04:30", "2026-11-01 02:00", "2026-11-01 01:00"},
	{"Asia/Pyongyang", "2015-08-14 15:00", "2015-08-15 00:00", "2015-08-14 23:30"},
	{"Asia/Pyongyang", "2018-05-04 15:00", "2018-05-04 23:30", "2018-05-05 00:00"},
	{"America/Caracas", "2007-12-09 07:00", "2007-12-09 03:00", "2007-12-09 02:30"},
	{"America/Caracas", "2016-05-01 07:00", "2016-05-01 02:30", "2016-05-01 03:00"},
	{"Europe/Istanbul", "2015-03-29 01:00", "2015-03-29 03:00", "2015-03-29 04:00"},
	{"Europe/Istanbul", "2015-11-08 01:00", "2015-11-08 04:00", "2015-11-08 03:00"},
	{"Europe/Istanbul", "2016-03-27 01:00", "2016-03-27 03:00", "2016-03-27 04:00"},
	{"Asia/Amman", "2021-03-25 22:00", "2021-03-26 00:00", "2021-03-26 01:00"},
	{"Asia/Amman", "2021-10-28 22:00", "2021-10-29 01:00", "2021-10-29 00:00"},
	{"Asia/Amman", "2022-02-24 22:00", "2022-02-25 00:00", "2022-02-25 01:00"},
	{"Pacific/Kwajalein", "1993-08-21 12:00", "1993-08-21 00:00", "1993-08-22 00:00"},
	{"Pacific/Kiritimati", "1994-12-31 10:00", "1994-12-31 00:00", "1995-01-01 00:00"},
	{"Asia/Kathmandu", "1985-12-31 18:30", "1986-01-01 00:00", "1986-01-01 00:15"},
}

// wall reads "2026-03-08 02:30" as what a clock shows.
func wall(t testing.TB, s string) (calendar.Date, calendar.Clock) {
	t.Helper()
	return date(t, s[:10]), clock(t, s[11:])
}

// ahead is a reading some minutes on, on a clock that never jumps.
func ahead(d calendar.Date, c calendar.Clock, by int) (calendar.Date, calendar.Clock) {
	m := int(c) + by
	return d.Add(floor(m, 1440)), calendar.Clock(m - 1440*floor(m, 1440))
}

// jump is how far the clocks go on, in minutes; negative when they go back.
func (x clockChange) jump(t testing.TB) int {
	a, ac := wall(t, x.old)
	b, bc := wall(t, x.new)
	return minutes(b, bc) - minutes(a, ac)
}

// Within the missing hour everything is the moment of the jump; its first missing reading and the first after it are the same moment.
func TestMissingReadingsAreTheJump(t *testing.T) {
	seen := 0
	for _, x := range clockChanges {
		j := x.jump(t)
		if j < 0 {
			continue
		}
		seen++
		z, at := zone(t, x.zone), utc(t, x.at)
		d, c := wall(t, x.old)
		for by, want := range map[int]workflows.Stamp{
			-1: at.Add(-time.Minute), 0: at, 1: at, j / 2: at, j - 1: at, j: at, j + 1: at.Add(time.Minute),
		} {
			on, reads := ahead(d, c, by)
			if first, last := calendar.First(on, reads, z), calendar.Last(on, reads, z); first != want || last != want {
				t.Errorf("%s %s %s: %s and %s, want %s", x.zone, on, reads, show(first), show(last), show(want))
			}
		}
	}
	if seen < 40 {
		t.Errorf("%d jumps forward only", seen)
	}
}

// Of readings that come twice the first lies before the jump and the last behind it, as far apart as the jump; those beside them come once.
func TestDoubledReadingsLieApartByTheJump(t *testing.T) {
	seen := 0
	for _, x := range clockChanges {
		j := -x.jump(t)
		if j < 0 {
			continue
		}
		seen++
		z, at, back := zone(t, x.zone), utc(t, x.at), time.Duration(j)*time.Minute
		d, c := wall(t, x.new)
		for _, y := range []struct {
			by          int
			first, last time.Duration // from the jump
		}{
			{-1, -back - time.Minute, -back - time.Minute},
			{0, -back, 0},
			{j / 2, time.Duration(j/2)*time.Minute - back, time.Duration(j/2) * time.Minute},
			{j - 1, -time.Minute, back - time.Minute},
			{j, back, back},
		} {
			on, reads := ahead(d, c, y.by)
			if got, want := calendar.First(on, reads, z), at.Add(y.first); got != want {
				t.Errorf("%s %s %s: first %s, want %s", x.zone, on, reads, show(got), show(want))
			}
			if got, want := calendar.Last(on, reads, z), at.Add(y.last); got != want {
				t.Errorf("%s %s %s: last %s, want %s", x.zone, on, reads, show(got), show(want))
			}
		}
	}
	if seen < 40 {
		t.Errorf("%d jumps back only", seen)
	}
}

// The date turns where the clocks say so, to the microsecond, and what is shown to people is what their clocks show.
func TestDatesAndWordsRoundAJump(t *testing.T) {
	for _, x := range clockChanges {
		z, at := zone(t, x.zone), utc(t, x.at)
		d, c := wall(t, x.new)
		if got := calendar.DateAt(at, z); got != d {
			t.Errorf("%s at %s: the date is %s, want %s", x.zone, x.at, got, d)
		}
		old, oldClock := wall(t, x.old)
		if old, _ = ahead(old, oldClock, -1); calendar.DateAt(at-1, z) != old {
			t.Errorf("%s just before %s: the date is %s, want %s", x.zone, x.at, calendar.DateAt(at-1, z), old)
		}
		if got, want := calendar.Local(at, z)[:9], d.Weekday().String()[:3]+" "+c.String(); got != want {
			t.Errorf("%s at %s: %q, want %q", x.zone, x.at, got, want)
		}
	}
}

// A shift handed over in the middle of what is missing or doubled: nobody is missing, and both are there for exactly as long as the jump.
func TestHandOversWithinAJump(t *testing.T) {
	for _, x := range clockChanges {
		j := x.jump(t)
		if j >= 1440 || j <= -1440 {
			continue // a whole date: the rotation has a test of its own for Apia
		}
		z, at := zone(t, x.zone), utc(t, x.at)
		d, c := wall(t, x.old)
		if j < 0 {
			d, c = wall(t, x.new)
		}
		d, c = ahead(d, c, max(j, -j)/2)
		r, err := calendar.NewRotation(calendar.Rota{People: []workflows.PersonID{"ann", "bob", "carol"}, Zone: z, First: d.Add(-1), At: c, Days: 1})
		if err != nil {
			t.Fatal(err)
		}
		list, err := r.Changes(at.Add(-18*time.Hour), at.Add(18*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		half := time.Duration(max(j, -j)/2) * time.Minute
		back := time.Duration(max(-j, 0)) * time.Minute
		want := []workflows.Stamp{at}
		if j < 0 {
			want = []workflows.Stamp{at.Add(half - back), at.Add(half)}
		}
		if len(list) != len(want) || list[0].At != want[0] || list[len(list)-1].At != want[len(want)-1] {
			t.Errorf("%s, hand-over on %s at %s: %v, want at %v", x.zone, d, c, list, want)
			continue
		}
		if on := r.On(at - 1); on[0] != "ann" {
			t.Errorf("%s: %v on shift before the jump", x.zone, on)
		}
		if on := list[len(list)-1].On; len(on) != 1 || on[0] != "bob" {
			t.Errorf("%s: %v on shift after the hand-over", x.zone, on)
		}
	}
}

// Who always works has worked what the jump leaves of the day; who works the night of it, what it leaves of the night.
func TestDaysAreAsLongAsTheJumpLeavesThem(t *testing.T) {
	for _, x := range clockChanges {
		j := x.jump(t)
		if j >= 1440 || j <= -1440 {
			continue
		}
		at := utc(t, x.at)
		always, z := hours(t, x.zone, "Mon-Sun 00:00-24:00"), zone(t, x.zone)
		before, after := calendar.DateAt(at-1, z).Add(-1), calendar.DateAt(at, z).Add(1)
		from, to := calendar.First(before, 0, z), calendar.Last(after, calendar.EndOfDay, z)
		want := time.Duration((after.Since(before)+1)*1440-j) * time.Minute
		if got, ok := always.WorkingBetween(from, to); !ok || got != want || to.Sub(from) != want {
			t.Errorf("%s from %s to %s: %s, want %s", x.zone, before, after, got, want)
		}
		if shut, ok := always.NextClose(at); ok {
			t.Errorf("%s: who always works stops at %s", x.zone, show(shut))
		}
	}
}
