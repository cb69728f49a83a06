package calendar_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rickar/cal/v2"

	"github.com/countersign-bot/countersign/workflows/calendar"
)

func holidays(t testing.TB, country, from, to string) string {
	t.Helper()
	list, err := calendar.Holidays(country, date(t, from), date(t, to))
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, d := range list {
		words = append(words, d.String())
	}
	return strings.Join(words, " ")
}

// TestReq_R4_HolidaysOfCountries holds the tables to dates that everybody there knows.
func TestReq_R4_HolidaysOfCountries(t *testing.T) {
	for _, x := range []struct{ country, from, to, want string }{
		{"DE", "2027-01-01", "2027-12-31", "2027-01-01 2027-03-26 2027-03-29 2027-05-01 2027-05-06 2027-05-17 2027-10-03 2027-12-25 2027-12-26"},
		{"de-by", "2027-11-01", "2027-11-30", "2027-11-01"},
		{"DE-BE", "2027-03-08", "2027-03-08", "2027-03-08"},
		{"US", "2026-07-01", "2026-07-31", "2026-07-03 2026-07-04"}, // Independence Day on a Saturday is kept on the Friday, and is still itself
		{"US", "2027-12-25", "2028-01-02", "2027-12-25 2027-12-31 2028-01-01"},
		{"GB", "2026-12-25", "2026-12-31", "2026-12-25 2026-12-26 2026-12-28"},
		{"JP", "2027-05-01", "2027-05-06", "2027-05-03 2027-05-04 2027-05-05"},
		{"SE", "2027-06-20", "2027-06-30", "2027-06-26"}, // Midsummer's Eve is a custom, not a holiday
		{"FR", "2027-07-15", "2027-08-14", ""},
	} {
		if got := holidays(t, x.country, x.from, x.to); got != x.want {
			t.Errorf("%s from %s to %s:\n%s, want\n%s", x.country, x.from, x.to, got, x.want)
		}
	}
}

// Every code that is listed has a table of its own, for many years, and the dates come in order.
func TestHolidayCountries(t *testing.T) {
	codes := calendar.HolidayCountries()
	if len(codes) < 80 || !slices.IsSorted(codes) {
		t.Errorf("%d codes, sorted: %t: %v", len(codes), slices.IsSorted(codes), codes)
	}
	for _, code := range codes {
		list, err := calendar.Holidays(code, date(t, "2026-01-01"), date(t, "2035-12-31"))
		if err != nil || len(list) < 50 {
			t.Errorf("%s: %d holidays in ten years, %v", code, len(list), err)
		}
		for i := 1; i < len(list); i++ {
			if list[i].Since(list[i-1]) < 1 {
				t.Errorf("%s: %s behind %s", code, list[i], list[i-1])
			}
		}
	}
	for country, want := range map[string]string{
		"IN":    `holidays of "IN": no table of that country: want one of AR, AT, AU-ACT`,
		"FR-75": `holidays of "FR-75": no table`,
		"DE-XX": `holidays of "DE-XX": no table`,
		"CH-XX": `holidays of "CH-XX": no table`,
		"AU-XX": `holidays of "AU-XX": no table`,
		"":      `holidays of "": no table`,
	} {
		if _, err := calendar.Holidays(country, date(t, "2026-01-01"), date(t, "2026-12-31")); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, err := calendar.Holidays("DE", calendar.Date{Year: 1800, Month: 1, Day: 1}, date(t, "2026-01-01")); err == nil {
		t.Error("holidays of 1800")
	}
}

// TestThreat_T51_HolidaysDoNotDependOnTheServersZone: the library makes dates out of midnight on the process's clock, which in Beirut does not exist on
// the Easter Sunday of 2027.
func TestThreat_T51_HolidaysDoNotDependOnTheServersZone(t *testing.T) {
	was := cal.DefaultLoc
	defer func() { cal.DefaultLoc = was }()
	zones := []string{"UTC", "Asia/Beirut", "Africa/Cairo", "America/Santiago", "America/Havana", "Pacific/Apia", "Pacific/Kiritimati", "America/Asuncion"}
	moved := 0
	for _, code := range calendar.HolidayCountries() {
		cal.DefaultLoc = time.UTC
		want := holidays(t, code, "2024-01-01", "2036-12-31")
		for _, name := range zones {
			cal.DefaultLoc = zone(t, name)
			if d := cmp.Diff(want, holidays(t, code, "2024-01-01", "2036-12-31")); d != "" {
				t.Errorf("%s on a server in %s (-UTC +there):\n%s", code, name, d)
			}
			if easter := time.Date(2027, 3, 28, 0, 0, 0, 0, cal.DefaultLoc); easter.Hour() != 0 {
				moved++
			}
		}
	}
	if moved == 0 {
		t.Error("no midnight was missing: the test proves nothing")
	}
}
