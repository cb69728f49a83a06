package calendar_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/workflows/calendar"
)

func week(t testing.TB, s string) calendar.Week {
	t.Helper()
	w, err := calendar.ParseHours(s)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestParseHours(t *testing.T) {
	for _, x := range []struct{ text, want string }{
		{"09:00-17:30", "Mon-Fri 09:00-17:30"},
		{" Sun-Thu  09:00 - 18:00 ", "Mon-Thu,Sun 09:00-18:00"},
		{"Monday-friday 09:00-12:30, 14:00-18:00; SAT 10:00-12:00", "Mon-Fri 09:00-12:30,14:00-18:00; Sat 10:00-12:00"},
		{"14:00-18:00,09:00-12:30", "Mon-Fri 09:00-12:30,14:00-18:00"},
		{"Mon,Wed 22:00-06:00", "Mon,Wed 22:00-06:00"},
		{"Fri-Mon 22:00-06:00", "Mon,Fri-Sun 22:00-06:00"},
		{"Mon-Sun 00:00-24:00", "Mon-Sun 00:00-24:00"},
		{"Tue 00:00-24:00; Mon 00:00-24:00", "Mon,Tue 00:00-24:00"},
		{"Sun 20:00-09:00; Mon 09:00-17:00", "Mon 09:00-17:00; Sun 20:00-09:00"},
		{"Sat 09:00-00:00", "Sat 09:00-00:00"},
	} {
		w, err := calendar.ParseHours(x.text)
		if err != nil {
			t.Errorf("%q: %v", x.text, err)
			continue
		}
		if got := w.String(); got != x.want {
			t.Errorf("%q is %q, want %q", x.text, got, x.want)
		}
	}
}

func TestParseHoursRefuses(t *testing.T) {
	nine := strings.TrimSuffix(strings.Repeat("%02d:00-%02d:30,", 9), ",")
	var numbers []any
	for i := range 9 {
		numbers = append(numbers, i, i)
	}
	for _, x := range []struct{ text, want string }{
		{"", `working hours "": empty: want hours such as "09:00-17:30"`},
		{" ", `working hours " ": empty: want hours such as "09:00-17:30"`},
		{"always", `working hours "always": "always" has no hours: want such as "Mon-Fri 09:00-17:30"`},
		{"9:00-17:30", `working hours "9:00-17:30": "9:00" is no time of day such as 09:00`},
		{"09:00-17.30", `working hours "09:00-17.30": "17.30" is no time of day such as 09:00`},
		{"09:00-25:00", `working hours "09:00-25:00": "25:00" is no time of day such as 09:00`},
		{"09:00-24:01", `working hours "09:00-24:01": "24:01" is no time of day such as 09:00`},
		{"09:00-17:60", `working hours "09:00-17:60": "17:60" is no time of day such as 09:00`},
		{"09:00–17:30", `working hours "09:00–17:30": "09:00–17:30" has no end: want such as "09:00-17:30"`}, // a dash
		{"09:00", `working hours "09:00": "09:00" has no end: want such as "09:00-17:30"`},
		{"09:00-", `working hours "09:00-": "" is no time of day such as 09:00`},
		{"09:00-09:00", `working hours "09:00-09:00": "09:00-09:00" begins and ends at the same time: the whole day is 00:00-24:00`},
		{"24:00-09:00", `working hours "24:00-09:00": "24:00-09:00" begins at 24:00: that is 00:00 of the next day`},
		{"09:00-17:30,", `working hours "09:00-17:30,": "" has no end: want such as "09:00-17:30"`},
		{"09:00-17:30;", `working hours "09:00-17:30;": "" has no hours: want such as "Mon-Fri 09:00-17:30"`},
		{"Mo-Fr 09:00-17:30", `working hours "Mo-Fr 09:00-17:30": "Mo" is no day: want Mon, Tue, Wed, Thu, Fri, Sat, Sun`},
		{"Mon- 09:00-17:30", `working hours "Mon- 09:00-17:30": "" is no day: want Mon, Tue, Wed, Thu, Fri, Sat, Sun`},
		{"Mon,Mon 09:00-17:30", `working hours "Mon,Mon 09:00-17:30": Monday is given twice`},
		{"Mon-Fri 09:00-17:30; Wed 10:00-11:00", `working hours "Mon-Fri 09:00-17:30; Wed 10:00-11:00": Wednesday is given twice`},
		{"09:00-12:00,11:59-13:00", `working hours "09:00-12:00,11:59-13:00": 09:00-12:00 and 11:59-13:00 overlap on Monday`},
		{"Mon 22:00-06:00; Tue 05:00-12:00", `working hours "Mon 22:00-06:00; Tue 05:00-12:00": 22:00-06:00 of Monday runs into 05:00-12:00 of Tuesday`},
		{"Sun 22:00-06:00; Mon 05:00-12:00", `working hours "Sun 22:00-06:00; Mon 05:00-12:00": 22:00-06:00 of Sunday runs into 05:00-12:00 of Monday`},
		{fmt.Sprintf(nine, numbers...), `working hours "` + fmt.Sprintf(nine, numbers...)[:60] + `…": more than 8 windows on a day`},
		{strings.Repeat("x", 401), `working hours "` + strings.Repeat("x", 60) + `…": 401 bytes, at most 400 are allowed`},
	} {
		_, err := calendar.ParseHours(x.text)
		if err == nil {
			t.Errorf("%q is taken", x.text)
		} else if err.Error() != x.want {
			t.Errorf("%q:\n got %s\nwant %s", x.text, err, x.want)
		}
	}
}

// anyWeek draws a week without overlaps.
func anyWeek(t *rapid.T) calendar.Week {
	var w calendar.Week
	sorts := [2][]calendar.Window{}
	for i := range sorts {
		marks := rapid.SliceOfNDistinct(rapid.IntRange(0, 95), 2, 6, rapid.ID[int]).Draw(t, "quarters")
		slices.Sort(marks)
		for j := 0; j+1 < len(marks); j += 2 {
			sorts[i] = append(sorts[i], calendar.Window{From: calendar.Clock(marks[j] * 15), To: calendar.Clock(marks[j+1] * 15)})
		}
	}
	for d := range w {
		w[d] = rapid.SampledFrom([][]calendar.Window{
			nil, {{From: 30, To: 90}, {From: 90, To: 180}, {From: 180, To: 190}}, sorts[0], sorts[0], sorts[1], {{From: 0, To: calendar.EndOfDay}}, {{From: sorts[0][0].From, To: calendar.EndOfDay}},
		}).Draw(t, "day")
	}
	if d := time.Weekday(rapid.IntRange(0, 6).Draw(t, "night")); rapid.Bool().Draw(t, "nights") {
		next := (d + 1) % 7
		w[d], w[next] = []calendar.Window{{From: 22 * 60, To: 6 * 60}}, []calendar.Window{{From: 6 * 60, To: 14 * 60}}
	}
	return w
}

func TestHoursReadWhatTheyWrite(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := anyWeek(t)
		text := w.String()
		if text == "" {
			return
		}
		if len(text) > 400 {
			t.Skip("longer than may be written")
		}
		got, err := calendar.ParseHours(text)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(w, got); d != "" {
			t.Fatalf("%q (-want +got):\n%s", text, d)
		}
	})
}

func FuzzParseHours(f *testing.F) {
	for _, s := range []string{"09:00-17:30", "Sun-Thu 09:00-12:00, 13:00-18:00; Fri 09:00-12:00", "Mon,Wed 22:00-06:00", "Mon-Sun 00:00-24:00", "Fri-Mon 00:00-24:00", "09:00–17:30", ";", ",", "-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		w, err := calendar.ParseHours(s)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "working hours ") || len(err.Error()) > 1000 {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		again, err := calendar.ParseHours(w.String())
		if err != nil {
			t.Fatalf("%q reads as %q, which does not read: %v", s, w, err)
		}
		if d := cmp.Diff(w, again); d != "" {
			t.Fatalf("%q reads as %q, and that as something else:\n%s", s, w, d)
		}
		if _, err := calendar.NewHours(calendar.Plan{Zone: time.UTC, Week: w}); err != nil {
			t.Fatalf("%q reads, but makes no hours: %v", s, err)
		}
	})
}
