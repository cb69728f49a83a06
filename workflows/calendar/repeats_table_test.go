package calendar_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/workflows/calendar"
)

// TestRulesAsAnotherReaderHasThem holds rules to the dates that another implementation of RFC 5545 gives.
func TestRulesAsAnotherReaderHasThem(t *testing.T) {
	for _, x := range []struct{ start, rule, want string }{
		{"20260105", "FREQ=DAILY;COUNT=3", "2026-01-05 2026-01-06 2026-01-07"},
		{"20260105", "FREQ=DAILY;INTERVAL=3;COUNT=4", "2026-01-05 2026-01-08 2026-01-11 2026-01-14"},
		{"20260228", "FREQ=DAILY;COUNT=3", "2026-02-28 2026-03-01 2026-03-02"},
		{"20280227", "FREQ=DAILY;COUNT=4", "2028-02-27 2028-02-28 2028-02-29 2028-03-01"},
		{"20261230", "FREQ=DAILY;INTERVAL=2;COUNT=3", "2026-12-30 2027-01-01 2027-01-03"},
		{"20260105", "FREQ=DAILY;BYDAY=MO,WE,FR;COUNT=5", "2026-01-05 2026-01-07 2026-01-09 2026-01-12 2026-01-14"},
		{"20260105", "FREQ=DAILY;INTERVAL=2;BYDAY=MO;COUNT=3", "2026-01-05 2026-01-19 2026-02-02"},
		{"20260105", "FREQ=DAILY;UNTIL=20260107", "2026-01-05 2026-01-06 2026-01-07"},
		{"20260105", "FREQ=DAILY;INTERVAL=1000;COUNT=3", "2026-01-05 2028-10-01 2031-06-28"},
		{"20260105", "FREQ=WEEKLY;COUNT=3", "2026-01-05 2026-01-12 2026-01-19"},
		{"20260105", "FREQ=WEEKLY;BYDAY=MO,TU;COUNT=5", "2026-01-05 2026-01-06 2026-01-12 2026-01-13 2026-01-19"},
		{"20260107", "FREQ=WEEKLY;BYDAY=MO,WE;COUNT=4", "2026-01-07 2026-01-12 2026-01-14 2026-01-19"},
		{"20260107", "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE;COUNT=5", "2026-01-07 2026-01-19 2026-01-21 2026-02-02 2026-02-04"},
		{"20260107", "FREQ=WEEKLY;INTERVAL=2;WKST=WE;BYDAY=MO,WE;COUNT=5", "2026-01-07 2026-01-12 2026-01-21 2026-01-26 2026-02-04"},
		{"20260107", "FREQ=WEEKLY;INTERVAL=2;WKST=TH;BYDAY=MO,WE;COUNT=5", "2026-01-07 2026-01-19 2026-01-21 2026-02-02 2026-02-04"},
		{"20261228", "FREQ=WEEKLY;INTERVAL=52;COUNT=3", "2026-12-28 2027-12-27 2028-12-25"},
		{"20260104", "FREQ=WEEKLY;BYDAY=SU,MO,TU,WE,TH,FR,SA;COUNT=9", "2026-01-04 2026-01-05 2026-01-06 2026-01-07 2026-01-08 2026-01-09 2026-01-10 2026-01-11 2026-01-12"},
		{"20260104", "FREQ=WEEKLY;INTERVAL=3;UNTIL=20260308", "2026-01-04 2026-01-25 2026-02-15 2026-03-08"},
		{"20260104", "FREQ=WEEKLY;INTERVAL=3;UNTIL=20260307", "2026-01-04 2026-01-25 2026-02-15"},
		{"20260131", "FREQ=MONTHLY;COUNT=5", "2026-01-31 2026-03-31 2026-05-31 2026-07-31 2026-08-31"},
		{"20260130", "FREQ=MONTHLY;COUNT=4", "2026-01-30 2026-03-30 2026-04-30 2026-05-30"},
		{"20260129", "FREQ=MONTHLY;COUNT=3", "2026-01-29 2026-03-29 2026-04-29"},
		{"20271129", "FREQ=MONTHLY;INTERVAL=3;COUNT=3", "2027-11-29 2028-02-29 2028-05-29"},
		{"20260131", "FREQ=MONTHLY;INTERVAL=12;COUNT=3", "2026-01-31 2027-01-31 2028-01-31"},
		{"20260331", "FREQ=MONTHLY;INTERVAL=5;COUNT=3", "2026-03-31 2026-08-31 2027-01-31"},
		{"20260105", "FREQ=MONTHLY;BYDAY=1MO;COUNT=4", "2026-01-05 2026-02-02 2026-03-02 2026-04-06"},
		{"20260112", "FREQ=MONTHLY;BYDAY=2MO,4MO;COUNT=5", "2026-01-12 2026-01-26 2026-02-09 2026-02-23 2026-03-09"},
		{"20260129", "FREQ=MONTHLY;BYDAY=5TH;COUNT=3", "2026-01-29 2026-04-30 2026-07-30"},
		{"20260130", "FREQ=MONTHLY;BYDAY=-1FR;COUNT=4", "2026-01-30 2026-02-27 2026-03-27 2026-04-24"},
		{"20260101", "FREQ=MONTHLY;BYDAY=-5TH;COUNT=3", "2026-01-01 2026-04-02 2026-07-02"},
		{"20260102", "FREQ=MONTHLY;BYDAY=1FR,-1FR;COUNT=5", "2026-01-02 2026-01-30 2026-02-06 2026-02-27 2026-03-06"},
		{"20260103", "FREQ=MONTHLY;BYDAY=SA,SU;COUNT=9", "2026-01-03 2026-01-04 2026-01-10 2026-01-11 2026-01-17 2026-01-18 2026-01-24 2026-01-25 2026-01-31"},
		{"20260115", "FREQ=MONTHLY;INTERVAL=2;BYDAY=3TH;COUNT=4", "2026-01-15 2026-03-19 2026-05-21 2026-07-16"},
		{"20260126", "FREQ=MONTHLY;BYDAY=-1MO;UNTIL=20260427", "2026-01-26 2026-02-23 2026-03-30 2026-04-27"},
		{"20240229", "FREQ=YEARLY;COUNT=3", "2024-02-29 2028-02-29 2032-02-29"},
		{"20240229", "FREQ=YEARLY;INTERVAL=2;COUNT=3", "2024-02-29 2028-02-29 2032-02-29"},
		{"20260703", "FREQ=YEARLY;COUNT=3", "2026-07-03 2027-07-03 2028-07-03"},
		{"20260105", "FREQ=YEARLY;BYDAY=1MO;COUNT=4", "2026-01-05 2027-01-04 2028-01-03 2029-01-01"},
		{"20260531", "FREQ=YEARLY;BYDAY=22SU;COUNT=3", "2026-05-31 2027-05-30 2028-05-28"},
		{"20261228", "FREQ=YEARLY;BYDAY=-1MO;COUNT=4", "2026-12-28 2027-12-27 2028-12-25 2029-12-31"},
		{"20241230", "FREQ=YEARLY;BYDAY=53MO;COUNT=2", "2024-12-30 2029-12-31"},
		{"20261231", "FREQ=YEARLY;BYDAY=53TH;COUNT=2", "2026-12-31 2032-12-30"},
		{"20260101", "FREQ=YEARLY;BYDAY=-53TH;COUNT=2", "2026-01-01 2032-01-01"},
		{"20260301", "FREQ=YEARLY;BYDAY=9SU;COUNT=3", "2026-03-01 2027-02-28 2028-02-27"},
		{"20261214", "FREQ=YEARLY;BYDAY=50MO,51MO;COUNT=5", "2026-12-14 2026-12-21 2027-12-13 2027-12-20 2028-12-11"},
		{"20960229", "FREQ=YEARLY;COUNT=3", "2096-02-29 2104-02-29 2108-02-29"},
		{"20260101", "FREQ=YEARLY;INTERVAL=10;COUNT=3", "2026-01-01 2036-01-01 2046-01-01"},
		{"20260101", "FREQ=YEARLY;UNTIL=20280101", "2026-01-01 2027-01-01 2028-01-01"},
		{"20260101", "FREQ=YEARLY;UNTIL=20271231", "2026-01-01 2027-01-01"},
	} {
		list, err := calendar.ParseICS(file("DTSTART;VALUE=DATE:"+x.start+"\nRRULE:"+x.rule), time.UTC, date(t, "1990-01-01"), date(t, "2150-01-01"))
		if err != nil {
			t.Errorf("%s from %s: %v", x.rule, x.start, err)
			continue
		}
		var got []string
		for _, e := range list {
			got = append(got, e.First.String())
		}
		if got := strings.Join(got, " "); got != x.want {
			t.Errorf("%s from %s:\n got %s\nwant %s", x.rule, x.start, got, x.want)
		}
	}
}

// TestReadICSNamesTheLine: more that is refused, each with the line a person has to look at.
func TestReadICSNamesTheLine(t *testing.T) {
	const timed = "SUMMARY:x\nDTSTART:20261101T100000Z\nDURATION:PT1H\n" // lines 6, 7 and 8 of the file; a Sunday
	const one = "DTSTART:20261101T100000Z\nDURATION:"
	for _, x := range []struct{ want, event string }{
		{`line 9: SUMMARY is given twice in one event`, timed + "SUMMARY:y"},
		{`line 9: DTSTART is given twice in one event`, timed + "dtstart:20261102T100000Z"},
		{`line 9: DURATION is given twice in one event`, timed + "DURATION:PT1H"},
		{`line 10: RRULE is given twice in one event`, timed + "RRULE:FREQ=DAILY\nRRULE:FREQ=DAILY"},
		{`line 10: STATUS is given twice in one event`, timed + "STATUS:CONFIRMED\nSTATUS:CANCELLED"},
		{`line 10: ORGANIZER is given twice in one event`, timed + "ORGANIZER:mailto:a@example.com\nORGANIZER:mailto:b@example.com"},
		{`line 9: EXRULE is not understood: write an event of its own`, timed + "EXRULE:FREQ=DAILY"},
		{`line 4: the event ends before it begins`, "DTSTART:20261101T100000Z\nDTEND:20261101T095959Z"},
		{`line 4: the event ends before it begins`, "DTSTART;VALUE=DATE:20261101\nDTEND;VALUE=DATE:20261101"},
		{`line 4: the event ends before it begins`, "DTSTART;TZID=Europe/Berlin:20261101T100000\nDTEND:20261101T090000Z"}, // the same moment
		{`line 4: the event ends before it begins`, one + "P0D"},
		{`line 4: the event is longer than 366 days`, one + "P53W"},
		{`line 7: DURATION:-PT1H: want such as P1D, P1W or PT8H30M`, one + "-PT1H"},
		{`line 7: DURATION:P-1D: want such as P1D, P1W or PT8H30M`, one + "P-1D"},
		{`line 7: DURATION:P01D: want such as P1D, P1W or PT8H30M`, one + "P01D"},
		{`line 7: DURATION:PT0S: want such as P1D, P1W or PT8H30M`, one + "PT0S"},
		{`line 7: DURATION:PT-1H: want such as P1D, P1W or PT8H30M`, one + "PT-1H"},
		{`line 7: DURATION:PT8784H1S: want such as P1D, P1W or PT8H30M`, one + "PT8784H1S"},
		{`line 7: DURATION:P1W2D: want such as P1D, P1W or PT8H30M`, one + "P1W2D"},
		{`line 7: DURATION:P1WT1H: want such as P1D, P1W or PT8H30M`, one + "P1WT1H"},
		{`line 7: DURATION:P1D1D: want such as P1D, P1W or PT8H30M`, one + "P1D1D"},
		{`line 7: DURATION:P1M: want such as P1D, P1W or PT8H30M`, one + "P1M"},
		{`line 7: DURATION:PT1MS: want such as P1D, P1W or PT8H30M`, one + "PT1MS"},
		{`line 6: DTSTART: "20261101T1000" is no date or time such as 20261122T090000`, "DTSTART:20261101T1000\nDURATION:PT1H"},
		{`line 6: DTSTART: "20261101T250000" is no date or time such as 20261122T090000`, "DTSTART:20261101T250000\nDURATION:PT1H"},
		{`line 6: DTSTART: "20261101T100060Z" is no date or time such as 20261122T090000`, "DTSTART:20261101T100060Z\nDURATION:PT1H"},
		{`line 6: DTSTART: "20261101t100000z" is no date or time such as 20261122T090000`, "DTSTART:20261101t100000z\nDURATION:PT1H"},
		{`line 6: DTSTART: "2026-11-01" is no date or time such as 20261122T090000`, "DTSTART:2026-11-01\nDURATION:P1D"},
		{`line 6: DTSTART: "20270229" is no date or time such as 20261122T090000`, "DTSTART:20270229\nDURATION:P1D"},
		{`line 6: DTSTART: the year of "22000101" is not within 1900 and 2199`, "DTSTART:22000101\nDURATION:P1D"},
		{`line 6: DTSTART: "20261101T100000Z" is no DATE`, "DTSTART;VALUE=DATE:20261101T100000Z\nDURATION:PT1H"},
		{`line 7: DTEND: "20261102" is no DATE-TIME`, "DTSTART:20261101\nDTEND;VALUE=DATE-TIME:20261102"},
		{`line 7: DTEND: "soon" is no date or time such as 20261122T090000`, "DTSTART:20261101\nDTEND:soon"},
		{`line 6: TZID "CET+1" is no zone of the IANA data base, such as Europe/Berlin`, "DTSTART;TZID=CET+1:20261101T100000\nDURATION:PT1H"},
		{`line 9: TZID "Mars/Olympus" is no zone of the IANA data base, such as Europe/Berlin`, timed + "EXDATE;TZID=Mars/Olympus:20261102T100000"},
		{`line 9: TZID "Mars/Olympus" is no zone of the IANA data base, such as Europe/Berlin`, timed + "RECURRENCE-ID;TZID=Mars/Olympus:20261102T100000"},
		{`line 9: EXDATE: "" is no date or time such as 20261122T090000`, timed + "EXDATE:20261102T100000Z,"},
		{`line 9: EXDATE: "20261102" is no DATE-TIME`, timed + "EXDATE;VALUE=DATE-TIME:20261102"},
		{`line 9: RRULE: "" is not NAME=VALUE`, timed + "RRULE:FREQ=DAILY;"},
		{`line 9: RRULE: "BYDAY=" is not NAME=VALUE`, timed + "RRULE:FREQ=WEEKLY;BYDAY="},
		{`line 9: RRULE: FREQ=SECONDLY is not understood: DAILY, WEEKLY, MONTHLY and YEARLY are`, timed + "RRULE:FREQ=SECONDLY"},
		{`line 9: RRULE: BYSETPOS is not understood: FREQ, INTERVAL, COUNT, UNTIL, BYDAY and WKST are`, timed + "RRULE:FREQ=MONTHLY;BYDAY=SU;BYSETPOS=1"},
		{`line 9: RRULE: BYMONTH is not understood: FREQ, INTERVAL, COUNT, UNTIL, BYDAY and WKST are`, timed + "RRULE:FREQ=YEARLY;bymonth=11"},
		{`line 9: RRULE: INTERVAL=0: want 1 to 1000`, timed + "RRULE:FREQ=DAILY;INTERVAL=0"},
		{`line 9: RRULE: INTERVAL=1001: want 1 to 1000`, timed + "RRULE:FREQ=DAILY;INTERVAL=1001"},
		{`line 9: RRULE: INTERVAL=1.5: want 1 to 1000`, timed + "RRULE:FREQ=DAILY;INTERVAL=1.5"},
		{`line 9: RRULE: COUNT=TEN: want 1 to 10000`, timed + "RRULE:FREQ=DAILY;COUNT=ten"},
		{`line 9: RRULE: UNTIL is given twice`, timed + "RRULE:FREQ=DAILY;UNTIL=20261201;until=20261202"},
		{`line 9: the year of "22000101" is not within 1900 and 2199`, timed + "RRULE:FREQ=DAILY;UNTIL=22000101"},
		{`line 9: RRULE: WKST=MON: want MO, TU, WE, TH, FR, SA, SU`, timed + "RRULE:FREQ=DAILY;WKST=MON"},
		{`line 9: RRULE: BYDAY=54SU: want such as MO, 2TU or -1FR`, timed + "RRULE:FREQ=YEARLY;BYDAY=54SU"},
		{`line 9: RRULE: BYDAY=-54SU: want such as MO, 2TU or -1FR`, timed + "RRULE:FREQ=YEARLY;BYDAY=-54SU"},
		{`line 9: RRULE: BYDAY=1 SU: want such as MO, 2TU or -1FR`, timed + "RRULE:FREQ=MONTHLY;BYDAY=1 SU"},
		{`line 9: RRULE: BYDAY=-1SU has no meaning with FREQ=DAILY`, timed + "RRULE:FREQ=DAILY;BYDAY=-1SU"},
		{`line 9: RRULE: BYDAY names 1SU twice`, timed + "RRULE:FREQ=MONTHLY;BYDAY=1SU,2SU,1SU"},
		{`line 9: DTSTART on Sun 2026-11-01 is none of the days of its own RRULE`, timed + "RRULE:FREQ=MONTHLY;BYDAY=-1SU"},
		{`line 9: DTSTART on Sun 2026-11-01 is none of the days of its own RRULE`, timed + "RRULE:FREQ=DAILY;BYDAY=MO,SA"},
		{`line 9: DTSTART on Sun 2026-11-01 is none of the days of its own RRULE`, timed + "RRULE:FREQ=YEARLY;BYDAY=43SU,45SU"}, // it is the 44th
	} {
		_, err := calendar.ReadICS(file(x.event), zone(t, "UTC"))
		if want := "iCalendar: " + x.want; err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

// TestDurationsOfEvents: days are dates, which a change of clocks makes longer; hours are hours.
func TestDurationsOfEvents(t *testing.T) {
	for _, x := range []struct {
		length string
		want   time.Duration // from Saturday 20:00 in Berlin, the night the clocks go back
	}{
		{"PT1S", time.Second},
		{"pt90m", 90 * time.Minute},
		{"PT12H", 12 * time.Hour},
		{"PT24H", 24 * time.Hour},
		{"P1D", 25 * time.Hour},
		{"P2D", 49 * time.Hour},
		{"P1W", 7*24*time.Hour + time.Hour},
		{"P52W", 52*7*24*time.Hour + 0}, // back in summer time
		{"P366D", 366 * 24 * time.Hour},
		{"PT8784H", 8784 * time.Hour},
		{"PT1H30M15S", time.Hour + 30*time.Minute + 15*time.Second},
	} {
		list, err := calendar.ParseICS(file("DTSTART;TZID=Europe/Berlin:20261024T200000\nDURATION:"+x.length), time.UTC, date(t, "2026-10-24"), date(t, "2026-10-25"))
		if err != nil || len(list) != 1 || list[0].Length() != x.want || list[0].From != utc(t, "2026-10-24 18:00") {
			t.Errorf("%s: %v, %v, want %s", x.length, list, err, x.want)
		}
	}
}

// An event names its attendees, each once; its organizer only where there are none.
func TestWhomAnEventNames(t *testing.T) {
	for _, x := range []struct {
		lines string
		want  []string
	}{
		{"SUMMARY:x", nil},
		{"ATTENDEE:mailto:ann@example.com", []string{"ann@example.com"}},
		{"ATTENDEE:MAILTO:ANN@Example.COM ", []string{"ann@example.com"}},
		{"ATTENDEE:mailto:ann@example.com\nATTENDEE:mailto:Ann@example.com", []string{"ann@example.com"}},
		{"ATTENDEE:mailto:b@example.com\nATTENDEE:mailto:a@example.com", []string{"b@example.com", "a@example.com"}}, // as the file has them
		{"ORGANIZER:mailto:boss@example.com", []string{"boss@example.com"}},
		{"ORGANIZER:mailto:boss@example.com\nATTENDEE:mailto:ann@example.com", []string{"ann@example.com"}},
		{"ORGANIZER:mailto:boss@example.com\nATTENDEE:tel:+49-30-1", []string{"boss@example.com"}},
		{"ATTENDEE:ann@example.com", nil}, // no URI
		{"ATTENDEE:mailto:ann", nil},
		{"ATTENDEE:mailto:ann@b@example.com", nil},
		{"ORGANIZER:urn:uuid:1", nil},
	} {
		list, err := calendar.ParseICS(file("DTSTART;VALUE=DATE:20261101\n"+x.lines), time.UTC, date(t, "2026-11-01"), date(t, "2026-11-01"))
		if err != nil || len(list) != 1 {
			t.Errorf("%q: %v, %v", x.lines, list, err)
		} else if d := cmp.Diff(x.want, list[0].Emails); d != "" {
			t.Errorf("%q (-want +got):\n%s", x.lines, d)
		}
	}
}

// How a file is written down does not change what it says: line ends, folds at any place, letters of names, a byte order mark, empty lines and
// components and properties that mean nothing here.
func TestFilesReadTheSameHoweverWritten(t *testing.T) {
	t.Parallel()
	plain := string(file(
		"SUMMARY:Ann on call\nDTSTART;TZID=Europe/Berlin:20261020T090000\nDURATION:PT8H\nRRULE:FREQ=WEEKLY;BYDAY=TU,TH;COUNT=9\nATTENDEE:mailto:ann@example.com",
		"SUMMARY:Holiday\nDTSTART;VALUE=DATE:20261101\nDTEND;VALUE=DATE:20261103",
	))
	read := func(t *rapid.T, b string) []calendar.Event {
		list, err := calendar.ParseICS([]byte(b), time.UTC, date2026(10, 1), date2026(12, 31))
		if err != nil {
			t.Fatalf("%v in\n%s", err, b)
		}
		for i := range list {
			list[i].Line = 0 // folds and empty lines move it
		}
		return list
	}
	rapid.Check(t, func(t *rapid.T) {
		want := read(t, plain)
		if len(want) != 10 {
			t.Fatalf("%d events", len(want))
		}
		end := rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "end of line")
		var b strings.Builder
		b.WriteString(rapid.SampledFrom([]string{"", "\xef\xbb\xbf"}).Draw(t, "mark"))
		for line := range strings.SplitSeq(strings.TrimSpace(plain), "\r\n") {
			if name, rest, ok := strings.Cut(line, ":"); ok && rapid.Bool().Draw(t, "lower") && !strings.Contains(name, "=") {
				line = strings.ToLower(name) + ":" + rest
			}
			if at := rapid.IntRange(0, 3*len(line)).Draw(t, "fold"); at > 0 && at < len(line) {
				line = line[:at] + end + rapid.SampledFrom([]string{" ", "\t"}).Draw(t, "fold with") + line[at:]
			}
			b.WriteString(line + end)
			if strings.HasPrefix(strings.ToUpper(line), "VERSION") && rapid.Bool().Draw(t, "beside") {
				b.WriteString("X-WR-CALNAME:x" + end + "BEGIN:VTODO" + end + "DTSTART:never" + end + "END:VTODO" + end + end)
			}
		}
		if d := cmp.Diff(want, read(t, b.String())); d != "" {
			t.Fatalf("(-plain +written otherwise):\n%s\n%s", d, b.String())
		}
	})
}

func date2026(month time.Month, day int) calendar.Date {
	return calendar.Date{Year: 2026, Month: month, Day: day}
}

// The order of entries in a file is nothing: occurrences come by time, and a stand-in may be written before what it stands for.
func TestOrderOfEntriesIsNothing(t *testing.T) {
	t.Parallel()
	entries := []string{
		"UID:a\nSUMMARY:a\nDTSTART:20261101T100000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=5",
		"UID:a\nSUMMARY:moved\nRECURRENCE-ID:20261102T100000Z\nDTSTART:20261102T120000Z\nDURATION:PT1H",
		"UID:a\nSUMMARY:gone\nRECURRENCE-ID:20261103T100000Z\nSTATUS:CANCELLED\nDTSTART:20261103T100000Z\nDURATION:PT1H",
		"UID:b\nSUMMARY:b\nDTSTART:20261102T113000Z\nDURATION:PT2H",
		"UID:c\nSUMMARY:c\nDTSTART;VALUE=DATE:20261104\nDURATION:P2D",
	}
	want := []string{
		"2026-11-01 10:00:00 2026-11-01 11:00:00 a", "2026-11-02 11:30:00 2026-11-02 13:30:00 b", "2026-11-02 12:00:00 2026-11-02 13:00:00 moved",
		"2026-11-04 00:00:00 2026-11-06 00:00:00 c", "2026-11-04 10:00:00 2026-11-04 11:00:00 a", "2026-11-05 10:00:00 2026-11-05 11:00:00 a",
	}
	rapid.Check(t, func(rt *rapid.T) {
		shuffled := rapid.Permutation(entries).Draw(rt, "entries")
		if d := cmp.Diff(want, between(t, feed(t, file(shuffled...), "UTC"), "2026-10-01 00:00", "2026-12-01 00:00")); d != "" {
			rt.Fatalf("(-want +got):\n%s", d)
		}
	})
}

// Asking in pieces is asking at once: each occurrence is in every piece that it touches, and in no other.
func TestFeedsAnswerInPieces(t *testing.T) {
	t.Parallel()
	f := feed(t, file(
		"DTSTART;TZID=America/New_York:20261001T220000\nDURATION:PT11H\nRRULE:FREQ=DAILY",
		"DTSTART;TZID=Europe/Berlin:20261005T090000\nDURATION:P3D\nRRULE:FREQ=WEEKLY;INTERVAL=2",
		"DTSTART;VALUE=DATE:20261031\nRRULE:FREQ=MONTHLY;BYDAY=-1SA",
	), "Asia/Kolkata")
	from, to := utc(t, "2026-09-20 00:00"), utc(t, "2026-12-20 00:00")
	whole, err := f.Between(from, to)
	if err != nil || len(whole) < 80 {
		t.Fatalf("%d events, %v", len(whole), err)
	}
	rapid.Check(t, func(t *rapid.T) {
		a := from.Add(time.Duration(rapid.IntRange(0, 90*24*60).Draw(t, "a")) * time.Minute)
		b := a.Add(time.Duration(rapid.IntRange(1, 20*24*60).Draw(t, "length")) * time.Minute)
		part, err := f.Between(a, min(b, to))
		if err != nil {
			t.Fatal(err)
		}
		want := slices.DeleteFunc(slices.Clone(whole), func(e calendar.Event) bool { return e.To <= a || e.From >= min(b, to) })
		if d := cmp.Diff(want, part); d != "" && len(want)+len(part) > 0 {
			t.Fatalf("from %s to %s (-of the whole +alone):\n%s", show(a), show(b), d)
		}
	})
}

// TestBoundsOfFiles: the longest line and the biggest file that are read, and one byte more.
func TestBoundsOfFiles(t *testing.T) {
	const most = 16 << 10
	line := func(n int) []byte {
		return file("DTSTART;VALUE=DATE:20261101\nSUMMARY:" + strings.Repeat("x", n-len("SUMMARY:")))
	}
	folded := func(n int) []byte {
		return bytes.Replace(line(n), []byte("xxxxx"), []byte("xx\r\n xxx"), 1)
	}
	big := func(n int) []byte {
		b := file("DTSTART;VALUE=DATE:20261101")
		return append(b, bytes.Repeat([]byte("\n"), n-len(b))...)
	}
	for _, x := range []struct {
		file []byte
		want string
	}{
		{line(most), ""},
		{line(most + 1), fmt.Sprintf("iCalendar: line 7: more than %d bytes", most)},
		{folded(most), ""},
		{folded(most + 1), fmt.Sprintf("iCalendar: line 7: more than %d bytes", most)},
		{big(1 << 20), ""},
		{big(1<<20 + 1), "iCalendar: 1048577 bytes, at most 1048576 are allowed"},
	} {
		_, err := calendar.ReadICS(x.file, time.UTC)
		if got := fmt.Sprint(err); got != x.want && (err != nil || x.want != "") {
			t.Errorf("%d bytes: got %s, want %s", len(x.file), got, x.want)
		}
	}
}

// Dates of overlapping all-day events are each there once, in order, whatever the order of the events; what has a time of day is no holiday.
func TestDatesAreASet(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var events []calendar.Event
		want := map[calendar.Date]bool{}
		for range rapid.IntRange(0, 8).Draw(t, "events") {
			first := date2026(12, 20).Add(rapid.IntRange(0, 30).Draw(t, "first"))
			e := calendar.Event{First: first, Last: first.Add(rapid.IntRange(0, 5).Draw(t, "more")), AllDay: rapid.Bool().Draw(t, "all day")}
			for d := e.First; e.AllDay && d.Since(e.Last) <= 0; d = d.Add(1) {
				want[d] = true
			}
			events = append(events, e)
		}
		got := calendar.Dates(events)
		for i, d := range got {
			if !want[d] || i > 0 && d.Since(got[i-1]) < 1 {
				t.Fatalf("%v of %v", got, events)
			}
		}
		if len(got) != len(want) {
			t.Fatalf("%d dates, want %d", len(got), len(want))
		}
	})
}
