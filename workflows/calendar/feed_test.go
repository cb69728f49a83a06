package calendar_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/workflows/calendar"
)

// file makes an iCalendar file of events, each given by its lines.
func file(events ...string) []byte {
	var b strings.Builder
	b.WriteString("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Example//EN\r\n")
	for i, e := range events {
		fmt.Fprintf(&b, "BEGIN:VEVENT\r\n")
		if !strings.Contains(e, "UID:") {
			fmt.Fprintf(&b, "UID:%d@example.com\r\n", i)
		}
		b.WriteString(strings.ReplaceAll(strings.TrimSpace(e), "\n", "\r\n") + "\r\nEND:VEVENT\r\n")
	}
	b.WriteString("END:VCALENDAR\r\n")
	return []byte(b.String())
}

func feed(t testing.TB, b []byte, name string) *calendar.Feed {
	t.Helper()
	f, err := calendar.ReadICS(b, zone(t, name))
	if err != nil {
		t.Fatalf("%v in\n%s", err, b)
	}
	return f
}

func between(t testing.TB, f *calendar.Feed, from, to string) []string {
	t.Helper()
	list, err := f.Between(utc(t, from), utc(t, to))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range list {
		out = append(out, show(e.From)+" "+show(e.To)+" "+e.Summary)
	}
	return out
}

// TestReq_R4_CalendarFiles: what rotations and absences look like in the files that people have.
func TestReq_R4_CalendarFiles(t *testing.T) {
	for _, x := range []struct {
		name, zone, from, to string
		events               []string
		want                 []string
	}{
		{"in UTC", "Europe/Berlin", "2026-11-20 00:00", "2026-11-24 00:00", []string{
			"SUMMARY:Ann on call\nDTSTART:20261120T080000Z\nDTEND:20261121T080000Z",
			"SUMMARY:Bob on call\nDTSTART:20261121T080000Z\nDTEND:20261123T080000Z",
		}, []string{"2026-11-20 08:00:00 2026-11-21 08:00:00 Ann on call", "2026-11-21 08:00:00 2026-11-23 08:00:00 Bob on call"}},
		{"weekly over the end of summer time: nine there is nine there", "UTC", "2026-10-15 00:00", "2026-11-05 00:00", []string{
			"SUMMARY:Ann\nDTSTART;TZID=Europe/Berlin:20261012T090000\nDTEND;TZID=Europe/Berlin:20261016T170000\nRRULE:FREQ=WEEKLY",
		}, []string{"2026-10-12 07:00:00 2026-10-16 15:00:00 Ann", "2026-10-19 07:00:00 2026-10-23 15:00:00 Ann", "2026-10-26 08:00:00 2026-10-30 16:00:00 Ann", "2026-11-02 08:00:00 2026-11-06 16:00:00 Ann"}},
		{"every other week on two days, the week beginning on Sunday", "UTC", "2026-11-01 00:00", "2026-12-01 00:00", []string{
			"SUMMARY:x\nDTSTART:20261101T100000Z\nDURATION:PT2H\nRRULE:FREQ=WEEKLY;INTERVAL=2;WKST=SU;BYDAY=SU,SA",
		}, []string{
			"2026-11-01 10:00:00 2026-11-01 12:00:00 x", "2026-11-07 10:00:00 2026-11-07 12:00:00 x", "2026-11-15 10:00:00 2026-11-15 12:00:00 x",
			"2026-11-21 10:00:00 2026-11-21 12:00:00 x", "2026-11-29 10:00:00 2026-11-29 12:00:00 x",
		}},
		{"the same with the week beginning on Monday is another list", "UTC", "2026-11-01 00:00", "2026-11-23 00:00", []string{
			"SUMMARY:x\nDTSTART:20261101T100000Z\nDURATION:PT2H\nRRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,SA",
		}, []string{"2026-11-01 10:00:00 2026-11-01 12:00:00 x", "2026-11-14 10:00:00 2026-11-14 12:00:00 x", "2026-11-15 10:00:00 2026-11-15 12:00:00 x"}},
		{"the last Friday of a month, three times", "UTC", "2026-01-01 00:00", "2028-01-01 00:00", []string{
			"SUMMARY:x\nDTSTART:20261127T100000Z\nDURATION:P1D\nRRULE:FREQ=MONTHLY;BYDAY=-1FR;COUNT=3",
		}, []string{"2026-11-27 10:00:00 2026-11-28 10:00:00 x", "2026-12-25 10:00:00 2026-12-26 10:00:00 x", "2027-01-29 10:00:00 2027-01-30 10:00:00 x"}},
		{"the 31st: months without one are left out", "UTC", "2026-12-01 00:00", "2027-06-01 00:00", []string{
			"SUMMARY:x\nDTSTART:20261031T100000Z\nDURATION:PT1H\nRRULE:FREQ=MONTHLY",
		}, []string{"2026-12-31 10:00:00 2026-12-31 11:00:00 x", "2027-01-31 10:00:00 2027-01-31 11:00:00 x", "2027-03-31 10:00:00 2027-03-31 11:00:00 x", "2027-05-31 10:00:00 2027-05-31 11:00:00 x"}},
		{"the 29th of February comes every four years", "UTC", "2025-01-01 00:00", "2034-01-01 00:00", []string{
			"SUMMARY:x\nDTSTART;VALUE=DATE:20240229\nRRULE:FREQ=YEARLY",
		}, []string{"2028-02-29 00:00:00 2028-03-01 00:00:00 x", "2032-02-29 00:00:00 2032-03-01 00:00:00 x"}},
		{"the second Sunday of a year", "UTC", "2026-01-01 00:00", "2028-01-01 00:00", []string{
			"SUMMARY:x\nDTSTART;VALUE=DATE:20250112\nRRULE:FREQ=YEARLY;BYDAY=2SU",
		}, []string{"2026-01-11 00:00:00 2026-01-12 00:00:00 x", "2027-01-10 00:00:00 2027-01-11 00:00:00 x"}},
		{"UNTIL counts what begins at it", "UTC", "2026-11-01 00:00", "2026-12-01 00:00", []string{
			"SUMMARY:x\nDTSTART:20261101T100000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;UNTIL=20261103T100000Z",
			"SUMMARY:y\nDTSTART;TZID=America/New_York:20261101T200000\nDURATION:PT1H\nRRULE:FREQ=DAILY;UNTIL=20261102",
		}, []string{
			"2026-11-01 10:00:00 2026-11-01 11:00:00 x", "2026-11-02 01:00:00 2026-11-02 02:00:00 y", "2026-11-02 10:00:00 2026-11-02 11:00:00 x",
			"2026-11-03 01:00:00 2026-11-03 02:00:00 y", "2026-11-03 10:00:00 2026-11-03 11:00:00 x",
		}},
		{"one is taken out, one is moved, one is called off", "UTC", "2026-11-01 00:00", "2026-12-01 00:00", []string{
			"UID:a\nSUMMARY:x\nDTSTART:20261101T100000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=4\nEXDATE:20261102T100000Z",
			"UID:a\nRECURRENCE-ID;TZID=America/New_York:20261103T050000\nSUMMARY:moved\nDTSTART:20261103T150000Z\nDURATION:PT1H",
			"UID:a\nRECURRENCE-ID:20261104T100000Z\nSTATUS:CANCELLED\nDTSTART:20261104T100000Z\nDURATION:PT1H",
		}, []string{"2026-11-01 10:00:00 2026-11-01 11:00:00 x", "2026-11-03 15:00:00 2026-11-03 16:00:00 moved"}},
		{"all day is from midnight to midnight there, 25 hours of them", "Europe/Berlin", "2026-10-24 00:00", "2026-10-27 00:00", []string{
			"SUMMARY:Ann\nDTSTART;VALUE=DATE:20261025\nDTEND;VALUE=DATE:20261026",
		}, []string{"2026-10-24 22:00:00 2026-10-25 23:00:00 Ann"}},
		{"all day twice a week, one taken out by its date", "UTC", "2026-11-01 00:00", "2026-11-12 00:00", []string{
			"SUMMARY:x\nDTSTART;VALUE=DATE:20261102\nRRULE:FREQ=DAILY;BYDAY=MO,WE\nEXDATE;VALUE=DATE:20261109",
		}, []string{"2026-11-02 00:00:00 2026-11-03 00:00:00 x", "2026-11-04 00:00:00 2026-11-05 00:00:00 x", "2026-11-11 00:00:00 2026-11-12 00:00:00 x"}},
		{"a beginning that does not exist, and one that comes twice", "America/New_York", "2026-03-01 00:00", "2026-12-01 00:00", []string{
			"SUMMARY:gap\nDTSTART:20260308T023000\nDTEND:20260308T043000",
			"SUMMARY:fold\nDTSTART:20261101T013000\nDTEND:20261101T014500",
		}, []string{"2026-03-08 07:00:00 2026-03-08 08:30:00 gap", "2026-11-01 05:30:00 2026-11-01 06:45:00 fold"}},
		{"from one zone to another, with seconds", "UTC", "2026-11-01 00:00", "2026-12-01 00:00", []string{
			"SUMMARY:flight\nDTSTART;TZID=Europe/Berlin:20261120T090030\nDTEND;TZID=America/New_York:20261120T120000",
		}, []string{"2026-11-20 08:00:30 2026-11-20 17:00:00 flight"}},
		{"lines folded, names quoted, alarms within, words escaped, other components beside", "UTC", "2026-11-01 00:00", "2026-12-01 00:00", []string{
			"SUMMARY:Ann\\, then\n  Bob\nDTSTART;TZID=\"Europe/Berlin\":20261120T090000\nDURATION:P1W\nATTENDEE;CN=\"Ng, Alice\":mailto:Alice@Example.com\nBEGIN:VALARM\nTRIGGER:-PT15M\nDURATION:PT5M\nEND:VALARM",
		}, []string{"2026-11-20 08:00:00 2026-11-27 08:00:00 Ann, then Bob"}},
		{"what ends at the beginning or begins at the end is outside", "UTC", "2026-11-02 00:00", "2026-11-03 00:00", []string{
			"SUMMARY:x\nDTSTART;VALUE=DATE:20261101\nRRULE:FREQ=DAILY",
		}, []string{"2026-11-02 00:00:00 2026-11-03 00:00:00 x"}},
	} {
		if d := cmp.Diff(x.want, between(t, feed(t, file(x.events...), x.zone), x.from, x.to)); d != "" {
			t.Errorf("%s (-want +got):\n%s", x.name, d)
		}
	}
}

// TestReadICSRefuses: what is not understood is named with its line, never guessed.
func TestReadICSRefuses(t *testing.T) {
	event := func(lines string) []byte { return file(lines) }
	timed := "SUMMARY:x\nDTSTART:20261101T100000Z\nDURATION:PT1H\n" // lines 6, 7 and 8 of the file
	for _, x := range []struct {
		want string
		file []byte
	}{
		{`the file ends before END:VCALENDAR`, nil},
		{`the file ends before END:VCALENDAR`, []byte("BEGIN:VCALENDAR\n")},
		{`line 2: END:VEVENT, but VCALENDAR is open`, []byte("BEGIN:VCALENDAR\nEND:VEVENT\n")},
		{`line 1: BEGIN:VEVENT here: a file is one VCALENDAR`, []byte("BEGIN:VEVENT\n")},
		{`line 2: BEGIN:VCALENDAR here: a file is one VCALENDAR`, []byte("BEGIN:VCALENDAR\nBEGIN:VCALENDAR\n")},
		{`line 1: want BEGIN:VCALENDAR, not "SUMMARY:x"`, []byte("SUMMARY:x\n")},
		{`line 3: something behind END:VCALENDAR`, []byte("BEGIN:VCALENDAR\nEND:VCALENDAR\nBEGIN:VCALENDAR\nEND:VCALENDAR\n")},
		{`line 6: more than 4 components within each other`, []byte("BEGIN:VCALENDAR\nX:1\nBEGIN:A\nBEGIN:B\nBEGIN:C\nBEGIN:D\n")},
		{`line 2: "<html>" is no property`, []byte("BEGIN:VCALENDAR\n<html>\n")},
		{`line 2: "SUMMARY" is no property`, []byte("BEGIN:VCALENDAR\nSUMMARY\n")},
		{`line 2: parsing property A: missing property value for B in A`, []byte("BEGIN:VCALENDAR\nA;B:1\n")},
		{`line 2: more than 16384 bytes`, []byte("BEGIN:VCALENDAR\nSUMMARY:" + strings.Repeat("x", 16384) + "\n")},
		{`line 2: more than 16384 bytes`, []byte("BEGIN:VCALENDAR\nSUMMARY:" + strings.Repeat("\n "+strings.Repeat("x", 70), 300) + "\n")},
		{`1048577 bytes, at most 1048576 are allowed`, make([]byte, 1<<20+1)},
		{`line 7: SUMMARY is given twice in one event`, event("SUMMARY:x\nSUMMARY:y")},
		{`line 4: the event has no UID`, event("UID:\nDTSTART:20261101T100000Z\nDURATION:PT1H")},
		{`line 4: the event has no DTSTART`, event("SUMMARY:x")},
		{`line 4: the event has neither DTEND nor DURATION`, event("DTSTART:20261101T100000Z")},
		{`line 8: DTEND and DURATION exclude each other`, event("DTSTART:20261101T100000Z\nDTEND:20261101T110000Z\nDURATION:PT1H")},
		{`line 7: DTSTART and DTEND are not both dates or both times`, event("DTSTART:20261101T100000Z\nDTEND;VALUE=DATE:20261102")},
		{`line 4: the event ends before it begins`, event("DTSTART:20261101T100000Z\nDTEND:20261101T100000Z")},
		{`line 4: the event is longer than 366 days`, event("DTSTART:20261101T100000Z\nDTEND:20281101T100000Z")},
		{`line 6: DTSTART: "tomorrow" is no date or time such as 20261122T090000`, event("DTSTART:tomorrow\nDURATION:PT1H")},
		{`line 6: DTSTART: "20261131" is no date or time such as 20261122T090000`, event("DTSTART:20261131\nDURATION:P1D")},
		{`line 6: DTSTART: the year of "18991231" is not within 1900 and 2199`, event("DTSTART:18991231\nDURATION:P1D")},
		{`line 6: DTSTART: "20261101" is no DATE-TIME`, event("DTSTART;VALUE=DATE-TIME:20261101\nDURATION:P1D")},
		{`line 6: DTSTART: "20261101T100000" is no PERIOD`, event("DTSTART;VALUE=PERIOD:20261101T100000\nDURATION:P1D")},
		{`line 6: TZID "W. Europe Standard Time" is no zone of the IANA data base, such as Europe/Berlin`, event("DTSTART;TZID=W. Europe Standard Time:20261101T100000\nDURATION:PT1H")},
		{`line 6: TZID "Local" is no zone of the IANA data base, such as Europe/Berlin`, event("DTSTART;TZID=Local:20261101T100000\nDURATION:PT1H")},
		{`line 7: TZID "../etc/passwd" is no zone of the IANA data base, such as Europe/Berlin`, event("DTSTART:20261101T100000Z\nDTEND;TZID=../etc/passwd:20261101T110000")},
		{`line 7: DURATION:1H: want such as P1D, P1W or PT8H30M`, event("DTSTART:20261101T100000Z\nDURATION:1H")},
		{`line 7: DURATION:P1DT1H: want such as P1D, P1W or PT8H30M`, event("DTSTART:20261101T100000Z\nDURATION:P1DT1H")},
		{`line 7: DURATION:PT1.5H: want such as P1D, P1W or PT8H30M`, event("DTSTART:20261101T100000Z\nDURATION:PT1.5H")},
		{`line 7: DURATION:P367D: want such as P1D, P1W or PT8H30M`, event("DTSTART:20261101T100000Z\nDURATION:P367D")},
		{`line 7: DURATION:PT: want such as P1D, P1W or PT8H30M`, event("DTSTART:20261101T100000Z\nDURATION:PT")},
		{`line 7: DURATION:PT1H: want such as P1D, P1W or PT8H30M`, event("DTSTART:20261101\nDURATION:PT1H")},
		{`line 9: RDATE is not understood: write an event of its own`, event(timed + "RDATE:20261102T100000Z")},
		{`line 9: EXDATE: "never" is no date or time such as 20261122T090000`, event(timed + "EXDATE:never")},
		{`line 9: RANGE is not understood: single occurrences are`, event(timed + "RECURRENCE-ID;RANGE=THISANDFUTURE:20261102T100000Z")},
		{`line 9: RECURRENCE-ID: "x" is no date or time such as 20261122T090000`, event(timed + "RECURRENCE-ID:x")},
		{`line 10: an occurrence that stands for another does not repeat`, event(timed + "RECURRENCE-ID:20261102T100000Z\nRRULE:FREQ=DAILY")},
		{`line 4: RECURRENCE-ID of an entry that does not repeat in this file`, event(timed + "RECURRENCE-ID:20261102T100000Z")},
		{`line 10: UID "a" is also that of line 4`, file("UID:a\nSUMMARY:x\nDTSTART:20261101\nDURATION:P1D", "UID:a\nDTSTART:20261102\nDURATION:P1D")},
		{`line 9: RRULE: FREQ is missing`, event(timed + "RRULE:INTERVAL=2")},
		{`line 9: RRULE: FREQ=HOURLY is not understood: DAILY, WEEKLY, MONTHLY and YEARLY are`, event(timed + "RRULE:FREQ=HOURLY")},
		{`line 9: RRULE: BYMONTHDAY is not understood: FREQ, INTERVAL, COUNT, UNTIL, BYDAY and WKST are`, event(timed + "RRULE:FREQ=MONTHLY;BYMONTHDAY=1")},
		{`line 9: RRULE: "COUNT" is not NAME=VALUE`, event(timed + "RRULE:FREQ=DAILY;COUNT")},
		{`line 9: RRULE: FREQ is given twice`, event(timed + "RRULE:FREQ=DAILY;FREQ=DAILY")},
		{`line 9: RRULE: COUNT and UNTIL exclude each other`, event(timed + "RRULE:FREQ=DAILY;COUNT=2;UNTIL=20271101T100000Z")},
		{`line 9: RRULE: COUNT=0: want 1 to 10000`, event(timed + "RRULE:FREQ=DAILY;COUNT=0")},
		{`line 9: RRULE: COUNT=10001: want 1 to 10000`, event(timed + "RRULE:FREQ=DAILY;COUNT=10001")},
		{`line 9: RRULE: INTERVAL=-1: want 1 to 1000`, event(timed + "RRULE:FREQ=DAILY;INTERVAL=-1")},
		{`line 9: "SOON" is no date or time such as 20261122T090000`, event(timed + "RRULE:FREQ=DAILY;UNTIL=soon")},
		{`line 9: RRULE: WKST=XX: want MO, TU, WE, TH, FR, SA, SU`, event(timed + "RRULE:FREQ=DAILY;WKST=XX")},
		{`line 9: RRULE: BYDAY=AY: want MO, TU, WE, TH, FR, SA, SU`, event(timed + "RRULE:FREQ=WEEKLY;BYDAY=MONDAY")},
		{`line 9: RRULE: BYDAY=M: want such as MO, 2TU or -1FR`, event(timed + "RRULE:FREQ=WEEKLY;BYDAY=M")},
		{`line 9: RRULE: BYDAY=0MO: want such as MO, 2TU or -1FR`, event(timed + "RRULE:FREQ=MONTHLY;BYDAY=0MO")},
		{`line 9: RRULE: BYDAY=2MO has no meaning with FREQ=WEEKLY`, event(timed + "RRULE:FREQ=WEEKLY;BYDAY=2MO")},
		{`line 9: RRULE: BYDAY names SU twice`, event(timed + "RRULE:FREQ=WEEKLY;BYDAY=SU,SU")},
		{`line 9: RRULE: BYDAY names more than 14 days`, event(timed + "RRULE:FREQ=YEARLY;BYDAY=1SU,2SU,3SU,4SU,5SU,6SU,7SU,8SU,9SU,10SU,11SU,12SU,13SU,14SU,15SU")},
		{`line 9: DTSTART on Sun 2026-11-01 is none of the days of its own RRULE`, event(timed + "RRULE:FREQ=WEEKLY;BYDAY=MO")},
	} {
		_, err := calendar.ReadICS(x.file, zone(t, "UTC"))
		if want := "iCalendar: " + x.want; err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	if _, err := calendar.ReadICS(event(timed), nil); err == nil {
		t.Error("no zone is no error")
	}
	days := make([]string, 10001)
	for i := range days {
		days[i] = calendar.Date{Year: 2027, Month: 1, Day: 1}.Add(i).String()
		days[i] = strings.ReplaceAll(days[i], "-", "")
	}
	if _, err := calendar.ReadICS(event(timed+"EXDATE;VALUE=DATE:"+strings.Join(days[:1500], ",")), zone(t, "UTC")); err != nil {
		t.Error(err)
	}
	var many strings.Builder
	for part := range slices.Chunk(days, 1500) {
		many.WriteString("EXDATE;VALUE=DATE:" + strings.Join(part, ",") + "\n")
	}
	if _, err := calendar.ReadICS(event(timed+many.String()), zone(t, "UTC")); err == nil || !strings.Contains(err.Error(), "more than 10000 dates are taken out of one event") {
		t.Errorf("10001 dates taken out: %v", err)
	}
}

// An answer is bounded; a file of endless repetitions is not.
func TestFeedsAreBounded(t *testing.T) {
	daily := "DTSTART:20200101T100000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY"
	f := feed(t, file(daily), "UTC")
	if _, err := f.Between(utc(t, "2020-01-01 00:00"), utc(t, "2199-01-01 00:00")); err == nil || !strings.Contains(err.Error(), "more than 20000 occurrences") {
		t.Errorf("180 years of days: %v", err)
	}
	if got := between(t, f, "2190-06-01 00:00", "2190-06-02 00:00"); len(got) != 1 {
		t.Errorf("a day far on: %v", got)
	}
	if got := between(t, f, "2299-06-01 00:00", "2299-06-02 00:00"); len(got) != 0 {
		t.Errorf("a day in a year that no date has: %v", got)
	}
	rare := make([]string, 400)
	for i := range rare {
		rare[i] = "DTSTART:20200101T100000Z\nDURATION:PT1H\nRRULE:FREQ=YEARLY;BYDAY=1WE;UNTIL=21990101T000000Z"
	}
	if _, err := feed(t, file(rare...), "UTC").Between(utc(t, "2020-01-01 00:00"), utc(t, "2120-01-01 00:00")); err == nil || !strings.Contains(err.Error(), "too many to walk") {
		t.Errorf("40,000 years of days: %v", err)
	}
	if _, err := calendar.ParseICS(file(slices.Repeat([]string{daily}, 10_001)...), time.UTC, date(t, "2026-01-01"), date(t, "2026-01-02")); err == nil {
		t.Error("10,001 events")
	}
	if _, err := calendar.ParseICS(nil, time.UTC, date(t, "2026-01-01"), date(t, "2026-01-02")); err == nil {
		t.Error("no file")
	}
}

func TestDatesOfHolidayFiles(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("testdata", "holidays.ics"))
	if err != nil {
		t.Fatal(err)
	}
	list, err := calendar.ParseICS(b, zone(t, "Asia/Kolkata"), date(t, "2026-01-01"), date(t, "2027-12-31"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range calendar.Dates(list) {
		got = append(got, d.String())
	}
	want := "2026-01-26 2026-08-15 2026-11-07 2026-11-08 2026-11-09 2027-01-26 2027-08-15 2027-10-29"
	if s := strings.Join(got, " "); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}

// model is an RRULE as the RFC defines it, looked at date by date: slow, and written without a look at how the room does it.
type model struct {
	freq          string
	interval      int
	count, until  int // days after the start; 0: not given
	days          []string
	wkst          time.Weekday
	start         time.Time
	maxDaysLooked int
}

func (m model) has(d time.Time) bool {
	code := strings.ToUpper(d.Weekday().String()[:2])
	named := func(from, to time.Time) bool { // [from, to]
		for _, x := range m.days {
			if x == code {
				return true
			}
			if n, ok := strings.CutSuffix(x, code); ok {
				first, last := 0, 0
				for y := from; !y.After(d); y = y.AddDate(0, 0, 1) {
					if y.Weekday() == d.Weekday() {
						first++
					}
				}
				for y := to; !y.Before(d); y = y.AddDate(0, 0, -1) {
					if y.Weekday() == d.Weekday() {
						last++
					}
				}
				if n == fmt.Sprint(first) || n == fmt.Sprint(-last) {
					return true
				}
			}
		}
		return false
	}
	week := func(t time.Time) time.Time {
		for t.Weekday() != m.wkst {
			t = t.AddDate(0, 0, -1)
		}
		return t
	}
	y, mo, _ := d.Date()
	switch m.freq {
	case "DAILY":
		return int(d.Sub(m.start).Hours()/24)%m.interval == 0 && (m.days == nil || named(d, d))
	case "WEEKLY":
		weeks := int(week(d).Sub(week(m.start)).Hours() / 24 / 7)
		return weeks%m.interval == 0 && (m.days == nil && d.Weekday() == m.start.Weekday() || named(d, d))
	case "MONTHLY":
		months := (y-m.start.Year())*12 + int(mo-m.start.Month())
		first := time.Date(y, mo, 1, 0, 0, 0, 0, time.UTC)
		return months%m.interval == 0 && (m.days == nil && d.Day() == m.start.Day() || named(first, first.AddDate(0, 1, -1)))
	}
	first := time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC)
	same := d.Day() == m.start.Day() && mo == m.start.Month()
	return (y-m.start.Year())%m.interval == 0 && (m.days == nil && same || named(first, first.AddDate(1, 0, -1)))
}

func (m model) all() []string {
	var out []string
	for i := range m.maxDaysLooked {
		d := m.start.AddDate(0, 0, i)
		if m.until > 0 && i > m.until || m.count > 0 && len(out) == m.count {
			break
		}
		if m.has(d) {
			out = append(out, d.Format(time.DateOnly))
		}
	}
	return out
}

func (m model) rule() string {
	s := fmt.Sprintf("FREQ=%s;INTERVAL=%d;WKST=%s", m.freq, m.interval, strings.ToUpper(m.wkst.String()[:2]))
	if m.days != nil {
		s += ";BYDAY=" + strings.Join(m.days, ",")
	}
	if m.count > 0 {
		s += fmt.Sprintf(";COUNT=%d", m.count)
	}
	if m.until > 0 {
		s += ";UNTIL=" + m.start.AddDate(0, 0, m.until).Format("20060102")
	}
	return s
}

func drawModel(t *rapid.T) model {
	m := model{
		freq: rapid.SampledFrom([]string{"DAILY", "WEEKLY", "MONTHLY", "YEARLY"}).Draw(t, "freq"), interval: rapid.IntRange(1, 5).Draw(t, "interval"),
		wkst:  time.Weekday(rapid.IntRange(0, 6).Draw(t, "wkst")),
		start: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, rapid.IntRange(0, 800).Draw(t, "start")), maxDaysLooked: 4000,
	}
	switch rapid.IntRange(0, 2).Draw(t, "end") {
	case 1:
		m.count = rapid.IntRange(1, 40).Draw(t, "count")
	case 2:
		m.until = rapid.IntRange(1, 2000).Draw(t, "until")
	}
	if rapid.Bool().Draw(t, "by day") {
		codes := []string{"MO", "TU", "WE", "TH", "FR", "SA", "SU"}
		if m.freq == "MONTHLY" || m.freq == "YEARLY" {
			codes = append(codes, "1MO", "2TU", "-1FR", "5SU", "-2WE", "-5TH")
		}
		m.days = rapid.SliceOfNDistinct(rapid.SampledFrom(codes), 1, 3, rapid.ID[string]).Draw(t, "days")
		for i := 0; !m.has(m.start) && i < 1500; i++ { // the first of its own days
			m.start = m.start.AddDate(0, 0, 1)
		}
		if !m.has(m.start) {
			t.Skip("5th day of a month, every five years")
		}
	}
	return m
}

// TestRepeatsAreAsDefined holds the expansion against the definition, from the beginning and from the middle, in any zone.
func TestRepeatsAreAsDefined(t *testing.T) {
	t.Parallel()
	zones := allZones(t)
	rapid.Check(t, func(t *rapid.T) {
		m := drawModel(t)
		z := rapid.SampledFrom(zones).Draw(t, "zone")
		hour := rapid.IntRange(0, 23).Draw(t, "hour")
		from := rapid.IntRange(0, 2500).Draw(t, "from")
		to := from + rapid.IntRange(1, 1400).Draw(t, "to")
		b := file(fmt.Sprintf("SUMMARY:x\nDTSTART;TZID=%s:%sT%02d0000\nDURATION:PT30M\nRRULE:%s", z, m.start.Format("20060102"), hour, m.rule()))
		if _, err := time.LoadLocation(z.String()); err != nil {
			t.Skip(err)
		}
		f, err := calendar.ReadICS(b, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		day := func(i int) calendar.Date {
			return calendar.Date{Year: m.start.Year(), Month: m.start.Month(), Day: m.start.Day()}.Add(i)
		}
		list, err := f.Between(calendar.First(day(from), 0, z), calendar.First(day(to), 0, z))
		if err != nil {
			t.Fatal(err)
		}
		var got, want []string
		for _, e := range list {
			got = append(got, e.First.String())
			if at := calendar.First(e.First, calendar.Clock(hour*60), z); e.From != at || e.Length() != 30*time.Minute {
				t.Fatalf("%s: from %s to %s, want %s and half an hour", e.First, show(e.From), show(e.To), show(at))
			}
		}
		for _, d := range m.all() {
			if d >= day(from).String() && d < day(to).String() {
				want = append(want, d)
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("%s from %s (-want +got):\n%s", m.rule(), m.start.Format("Mon 2006-01-02"), d)
		}
	})
}

// FuzzReadICS holds that no file makes the reader hang or panic, and that what it reads is answered the same from any side.
func FuzzReadICS(f *testing.F) {
	f.Add(file("DTSTART:20261101T100000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=4\nEXDATE:20261102T100000Z"))
	f.Add(file("DTSTART;VALUE=DATE:20240229\nRRULE:FREQ=YEARLY;BYDAY=-53MO,5SU"))
	f.Add(file("DTSTART;TZID=America/New_York:20261101T013000\nDTEND:20261101T014500\nRRULE:FREQ=WEEKLY;WKST=SU;INTERVAL=2;UNTIL=20270101"))
	f.Add(file("UID:a\nDTSTART:20261101T100000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY", "UID:a\nRECURRENCE-ID:20261103T100000Z\nDTSTART:20261103T150000Z\nDURATION:P1D"))
	f.Add([]byte("BEGIN:VCALENDAR\nX;Y=\"\\n,:;\":\n  z\nEND:VCALENDAR"))
	berlin := zone(f, "Europe/Berlin")
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := calendar.ReadICS(b, berlin)
		if err != nil {
			return
		}
		from, mid, to := utc(t, "2026-06-01 00:00"), utc(t, "2026-11-15 12:00"), utc(t, "2027-06-01 00:00")
		all, err1 := x.Between(from, to)
		a, err2 := x.Between(from, mid)
		c, err3 := x.Between(mid, to)
		if err1 != nil || err2 != nil || err3 != nil {
			return
		}
		over := 0
		for i, e := range all {
			switch {
			case e.From >= to || e.To <= from || e.To <= e.From:
				t.Fatalf("%v is not within", e)
			case i > 0 && e.From < all[i-1].From:
				t.Fatalf("%v is behind %v", e, all[i-1])
			}
			if e.From < mid && e.To > mid {
				over++
			}
		}
		if len(a)+len(c)-over != len(all) {
			t.Fatalf("%d before, %d after, %d over the middle, but %d in all", len(a), len(c), over, len(all))
		}
	})
}
