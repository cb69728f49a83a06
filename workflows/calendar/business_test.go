package calendar_test

import (
	"testing"

	"github.com/countersign-bot/countersign/workflows/calendar"
)

func freeze(t testing.TB, name, from, to string) calendar.Freeze {
	return calendar.Freeze{Name: name, Interval: calendar.Interval{From: utc(t, from), To: utc(t, to)}, Why: "because of " + name}
}

// TestReq_R42_FreezesAndOpeningHours: what holds when, to the microsecond, and only for whom it is named.
func TestReq_R42_FreezesAndOpeningHours(t *testing.T) {
	h, err := calendar.NewHours(calendar.Plan{Zone: zone(t, "Europe/Berlin"), Week: week(t, "Mon-Fri 09:00-17:00"), Holidays: []calendar.Date{date(t, "2026-12-25")}})
	if err != nil {
		t.Fatal(err)
	}
	b, err := calendar.NewBusiness("berlin", h, []calendar.Freeze{
		freeze(t, "year-end", "2026-12-20 00:00", "2027-01-04 00:00"),
		freeze(t, "sale", "2026-12-24 00:00", "2026-12-25 00:00"),
		freeze(t, "sale", "2026-11-27 00:00", "2026-11-30 00:00"),
		freeze(t, "audit", "2026-12-24 00:00", "2027-01-08 00:00"),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		at     string
		names  []string
		freeze string
		open   bool
	}{
		{"2026-11-26 23:59:59.999999", []string{"sale"}, "", false},
		{"2026-11-27 00:00", []string{"sale"}, "sale", false},
		{"2026-11-27 08:00", []string{"sale"}, "sale", true}, // a freeze does not close
		{"2026-11-29 23:59:59.999999", []string{"sale"}, "sale", false},
		{"2026-11-30 00:00", []string{"sale"}, "", false},
		{"2026-11-27 08:00", []string{"year-end"}, "", true},
		{"2026-11-27 08:00", nil, "", true},
		{"2026-12-24 12:00", []string{"sale", "year-end", "audit"}, "audit", true}, // the one that ends last
		{"2026-12-24 12:00", []string{"sale", "year-end"}, "year-end", true},
		{"2026-12-25 12:00", []string{"sale"}, "", false}, // a holiday
	} {
		f, ok := b.Frozen(utc(t, x.at), x.names)
		if f.Name != x.freeze || ok != (x.freeze != "") {
			t.Errorf("%s, %v: frozen by %q, want %q", x.at, x.names, f.Name, x.freeze)
		}
		if got := b.IsOpen(utc(t, x.at)); got != x.open {
			t.Errorf("%s: open %t", x.at, got)
		}
	}
	if list := b.Freezes(utc(t, "2026-12-25 00:00")); len(list) != 2 || list[0].Name != "year-end" || list[1].Name != "audit" {
		t.Errorf("freezes to come: %v", list)
	}
	if b.Name() != "berlin" || b.Hours() != h {
		t.Errorf("%q, %v", b.Name(), b.Hours())
	}
}

func TestNewBusinessRefuses(t *testing.T) {
	h := hours(t, "UTC", "09:00-17:00")
	for want, try := range map[string]func() (*calendar.Business, error){
		`calendar "x": no hours`: func() (*calendar.Business, error) { return calendar.NewBusiness("x", nil, nil) },
		`calendar "x": 501 freezes, at most 500 are allowed`: func() (*calendar.Business, error) {
			return calendar.NewBusiness("x", h, make([]calendar.Freeze, 501))
		},
		`calendar "x": the freeze from 2026-11-27T00:00:00.000000Z has no name`: func() (*calendar.Business, error) {
			return calendar.NewBusiness("x", h, []calendar.Freeze{freeze(t, "", "2026-11-27 00:00", "2026-11-30 00:00")})
		},
		`calendar "x": freeze "sale" from 2026-11-27T00:00:00.000000Z ends before it begins, at 2026-11-27T00:00:00.000000Z`: func() (*calendar.Business, error) {
			return calendar.NewBusiness("x", h, []calendar.Freeze{freeze(t, "sale", "2026-11-27 00:00", "2026-11-27 00:00")})
		},
	} {
		if _, err := try(); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
