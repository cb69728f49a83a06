package calendar_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
)

// TestThreat_T51_DurationsAreTheSameOnEveryDay: in every zone, at each change of clocks from 2020 to 2040, what was approved for a time ends
// after exactly that time: deadlines are sums of stamps, and showing them in a zone, writing them down and reading them again changes nothing.
// The same in wall-clock arithmetic would be wrong most of the time, which the test counts to know that it looks at the right moments.
func TestThreat_T51_DurationsAreTheSameOnEveryDay(t *testing.T) {
	t.Parallel()
	zones := allZones(t)
	named := map[string]bool{"America/New_York": false, "Australia/Lord_Howe": false, "Pacific/Apia": false, "Africa/Casablanca": false, "Pacific/Kiritimati": false}
	lengths := []time.Duration{15 * time.Minute, time.Hour, 4 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour}
	changes, naive := 0, 0
	for _, z := range zones {
		list := transitions(z, 2020, 2041)
		if _, ok := named[z.String()]; ok {
			named[z.String()] = true
		}
		if len(list) == 0 { // Apia since 2021, Kiritimati: any moment will do, the day it would be elsewhere
			list = append(list, time.Date(2026, 3, 8, 7, 0, 0, 0, time.UTC))
		}
		for _, change := range list {
			changes++
			for _, d := range lengths {
				for _, before := range []time.Duration{d, d / 2, time.Microsecond, 0} {
					start := workflows.StampOf(change.Add(-before))
					if !exact(t, z, start, d) {
						return
					}
				}
				if d == 24*time.Hour {
					local := change.Add(-d / 2).In(z)
					if local.AddDate(0, 0, 1).Sub(local) != d {
						naive++
					}
				}
			}
		}
	}
	for name, seen := range named {
		if !seen {
			t.Errorf("%s was not looked at", name)
		}
	}
	t.Logf("%d changes in %d zones; adding a day to the wall clock would have been wrong at %d", changes, len(zones), naive)
	if changes < 5000 || naive < 4000 {
		t.Errorf("%d changes, %d of them hard: too few to prove anything", changes, naive)
	}
}

// exact holds that d after start is d later, on paper and in the zone.
func exact(t *testing.T, z *time.Location, start workflows.Stamp, d time.Duration) bool {
	end := start.Add(d)
	began, ended := start.Time().In(z), end.Time().In(z)
	switch {
	case end.Sub(start) != d, ended.Sub(began) != d, int64(end-start) != d.Microseconds():
		t.Errorf("%s from %s: %s became %s", z, show(start), d, ended.Sub(began))
	case workflows.StampOf(began) != start || workflows.StampOf(ended) != end:
		t.Errorf("%s: %s is another moment when it is shown there", z, show(start))
	case (end - 1).After(end) || !end.After(end):
		t.Errorf("%s from %s: the deadline %s is not met to the microsecond", z, show(start), show(end))
	case !sameOnPaper(t, end):
		t.Errorf("%s is another moment when it has been written down", show(end))
	case !sameOnTheWall(z, end):
		t.Errorf("%s %s: the reading there does not lead back", z, show(end))
	default:
		return true
	}
	return false
}

func sameOnPaper(t *testing.T, s workflows.Stamp) bool {
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var back workflows.Stamp
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	return back == s
}

// sameOnTheWall takes the reading and resolves it: one of its two moments is the one that was shown.
func sameOnTheWall(z *time.Location, s workflows.Stamp) bool {
	minute := s - s%60_000_000
	d, c := reading(minute, z)
	if _, off := minute.Time().In(z).Zone(); off%60 != 0 {
		return true // Monrovia's 44½ minutes, over since 1972
	}
	return calendar.First(d, c, z) == minute || calendar.Last(d, c, z) == minute
}

// TestThreat_T51_WorkingHoursSpendNoTimeTwice: a working deadline on the days clocks change is as long as on any other day.
func TestThreat_T51_WorkingHoursSpendNoTimeTwice(t *testing.T) {
	t.Parallel()
	looked := 0
	for _, name := range []string{"America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca", "Pacific/Kiritimati", "America/Santiago", "Africa/Cairo", "Asia/Beirut", "Europe/Dublin"} {
		h := hours(t, name, "Mon-Sun 00:00-24:00")
		for _, change := range append(transitions(h.Zone(), 2020, 2041), time.Date(2026, 3, 8, 7, 0, 0, 0, time.UTC)) {
			looked++
			start := workflows.StampOf(change.Add(-90 * time.Minute))
			for _, d := range []time.Duration{time.Minute, 90 * time.Minute, 2 * time.Hour, 30 * time.Hour} {
				if end, ok := h.AddWorking(start, d); !ok || end.Sub(start) != d {
					t.Errorf("%s from %s: %s of work for one who always works take %s", name, show(start), d, end.Sub(start))
				}
			}
		}
	}
	if looked < 200 {
		t.Errorf("looked at %d changes only", looked)
	}
}
