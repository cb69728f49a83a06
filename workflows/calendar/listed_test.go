package calendar_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
)

// byEmail knows people by the local part of their address, or by the first word of the summary.
func byEmail(e calendar.Event) (workflows.PersonID, error) {
	words := append(slices.Clone(e.Emails), strings.Fields(e.Summary)...)
	if len(words) == 0 {
		return "", errors.New("nobody is named")
	}
	name, _, _ := strings.Cut(words[0], "@")
	return workflows.PersonID(strings.ToLower(name)), nil
}

func feedRotation(t testing.TB, overrides []calendar.Override, events ...string) *calendar.Rotation {
	t.Helper()
	r, err := calendar.NewFeedRotation(feed(t, file(events...), "Europe/Berlin"), byEmail, overrides)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestReq_R4_ShiftsOutOfACalendarFile: two of a night, nobody at the weekend, a stand-in, and who is told when.
func TestReq_R4_ShiftsOutOfACalendarFile(t *testing.T) {
	r := feedRotation(t, []calendar.Override{{Interval: calendar.Interval{From: utc(t, "2026-11-18 00:00"), To: utc(t, "2026-11-18 20:00")}, Person: "eve"}},
		"ATTENDEE:mailto:ann@example.com\nATTENDEE:mailto:boss@example.com\nDTSTART;TZID=Europe/Berlin:20261102T090000\nDTEND;TZID=Europe/Berlin:20261102T170000\nRRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR",
		"SUMMARY:bob (night)\nDTSTART;TZID=Europe/Berlin:20261102T160000\nDTEND;TZID=Europe/Berlin:20261103T090000\nRRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH",
		"ORGANIZER:mailto:carol@example.com\nDTSTART;TZID=Europe/Berlin:20261102T160000\nDTEND;TZID=Europe/Berlin:20261102T180000",
		"SUMMARY:zed\nSTATUS:CANCELLED\nDTSTART:20261117T080000Z\nDURATION:P7D",
	)
	list, err := r.Changes(utc(t, "2026-11-16 00:00"), utc(t, "2026-11-21 00:00"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range list {
		got = append(got, fmt.Sprintf("%s %v new %v", show(c.At), c.On, c.New))
	}
	want := []string{
		"2026-11-16 08:00:00 [ann] new [ann]", "2026-11-16 15:00:00 [ann bob] new [bob]", "2026-11-16 16:00:00 [bob] new []",
		"2026-11-17 08:00:00 [ann] new [ann]", "2026-11-17 15:00:00 [ann bob] new [bob]", "2026-11-17 16:00:00 [bob] new []",
		"2026-11-18 00:00:00 [eve] new [eve]", "2026-11-18 20:00:00 [bob] new [bob]",
		"2026-11-19 08:00:00 [ann] new [ann]", "2026-11-19 15:00:00 [ann bob] new [bob]", "2026-11-19 16:00:00 [bob] new []",
		"2026-11-20 08:00:00 [ann] new [ann]", "2026-11-20 16:00:00 [] new []",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if on := r.At(utc(t, "2026-11-18 21:00")); len(on) != 1 || on[0].From != utc(t, "2026-11-18 20:00") || on[0].Overridden {
		t.Errorf("a shift whose beginning a stand-in took: %v", on)
	}
	if on := r.On(utc(t, "2026-11-22 12:00")); len(on) != 0 {
		t.Errorf("on a Sunday: %v", on)
	}
}

// In any file, what Changes tells is what On says, minute by minute.
func TestListedShiftsAreTold(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var events []string
		for i := range rapid.IntRange(1, 4).Draw(t, "events") {
			start := time.Date(2026, 10, 20, 0, 0, 0, 0, time.UTC).Add(time.Duration(rapid.IntRange(0, 24*20).Draw(t, "start")) * time.Hour)
			e := fmt.Sprintf("SUMMARY:p%d\nDTSTART;TZID=Europe/Berlin:%s\nDURATION:PT%dH", i%3, start.Format("20060102T150405"), rapid.IntRange(1, 40).Draw(t, "hours"))
			if rapid.Bool().Draw(t, "repeats") {
				e += "\nRRULE:FREQ=DAILY;INTERVAL=" + fmt.Sprint(rapid.IntRange(1, 4).Draw(t, "every"))
			}
			events = append(events, e)
		}
		f, err := calendar.ReadICS(file(events...), time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		r, err := calendar.NewFeedRotation(f, byEmail, nil)
		if err != nil {
			t.Fatal(err)
		}
		from := workflows.StampOf(time.Date(2026, 10, 20, 0, 30, 0, 0, time.UTC))
		list, err := r.Changes(from, from.Add(10*day))
		if err != nil {
			t.Fatal(err)
		}
		on := r.On(from)
		for at := from; at <= from.Add(10*day); at = at.Add(30 * time.Minute) {
			for len(list) > 0 && list[0].At <= at {
				on, list = list[0].On, list[1:]
			}
			is := r.On(at)
			slices.Sort(is)
			told := slices.Sorted(slices.Values(on))
			if !slices.Equal(is, told) {
				t.Fatalf("%s: %v on shift, but %v told", show(at), is, told)
			}
		}
	})
}

func TestNewFeedRotationRefuses(t *testing.T) {
	shift := "DTSTART:20261101T100000Z\nDURATION:PT1H"
	nobody := func(calendar.Event) (workflows.PersonID, error) { return "", nil }
	ann := func(calendar.Event) (workflows.PersonID, error) { return "ann", nil }
	const tooMuch = `rotation: the file repeats too much to say who is on shift: at worst `
	over := []calendar.Override{{Interval: calendar.Interval{From: 2, To: 1}, Person: "eve"}}
	for _, x := range []struct {
		want      string
		who       func(calendar.Event) (workflows.PersonID, error)
		overrides []calendar.Override
		events    []string
	}{
		{`rotation: the file has no shifts`, ann, nil, nil},
		{`rotation: the file has no shifts`, ann, nil, []string{shift + "\nSTATUS:CANCELLED"}},
		{`rotation: line 4: "": nobody is named`, byEmail, nil, []string{shift}},
		{`rotation: line 4: "the new one" names nobody`, nobody, nil, []string{shift + "\nSUMMARY: the new one"}},
		{tooMuch + `22080 shifts at once and 22260 dates to walk, at most 20000 and 1000000`, ann, nil, slices.Repeat([]string{"DTSTART:20261101\nDURATION:P366D\nRRULE:FREQ=DAILY"}, 60)},
		{tooMuch + `200 shifts at once and 1000500 dates to walk, at most 20000 and 1000000`, ann, nil, slices.Repeat([]string{shift + "\nRRULE:FREQ=DAILY;COUNT=10000"}, 100)},
		{`rotation: the override from 1970-01-01T00:00:00.000002Z ends before it begins, at 1970-01-01T00:00:00.000001Z`, ann, over, []string{shift}},
	} {
		_, err := calendar.NewFeedRotation(feed(t, file(x.events...), "UTC"), x.who, x.overrides)
		if err == nil || err.Error() != x.want {
			t.Errorf("got  %v\nwant %s", err, x.want)
		}
	}
	r := feedRotation(t, nil, "SUMMARY:ann\n"+shift+"\nRRULE:FREQ=DAILY")
	if _, err := r.Changes(utc(t, "2026-01-01 00:00"), utc(t, "2126-01-01 00:00")); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("a hundred years of daily shifts: %v", err)
	}
}

// The fullest file that is taken as a rotation still says who is on shift, at any time: what is bounded is what may be in it.
func TestTheFullestRotationAnswers(t *testing.T) {
	rules := []string{"FREQ=YEARLY;BYDAY=1MO", "FREQ=MONTHLY;BYDAY=-1MO", "FREQ=WEEKLY", "FREQ=DAILY", "FREQ=YEARLY"}
	var events []string
	for i := range 500 {
		events = append(events, fmt.Sprintf("SUMMARY:p%d\nDTSTART;VALUE=DATE:19010107\nDURATION:P38D\nRRULE:%s", i, rules[i%5]))
		if i%5 == 1 {
			events[i] = strings.Replace(events[i], "19010107", "19010128", 1)
		}
	}
	r := feedRotation(t, nil, events...)
	for _, at := range []string{"2026-11-22 12:00", "2198-06-01 12:00"} {
		if on := r.On(utc(t, at)); len(on) < 300 {
			t.Errorf("%s: %d on shift", at, len(on))
		}
	}
}
