package calendar_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
)

// somewhere is for examples, which have no test to fail.
func somewhere(name string) *time.Location {
	z, err := time.LoadLocation(name)
	if err != nil {
		panic(err)
	}
	return z
}

func moment(year int, month time.Month, day, hour, minute int) workflows.Stamp {
	return workflows.StampOf(time.Date(year, month, day, hour, minute, 0, 0, time.UTC))
}

func plan(zone, hours string) *calendar.Hours {
	w, err := calendar.ParseHours(hours)
	if err != nil {
		panic(err)
	}
	h, err := calendar.NewHours(calendar.Plan{Zone: somewhere(zone), Week: w})
	if err != nil {
		panic(err)
	}
	return h
}

func ExampleParseHours() {
	w, err := calendar.ParseHours("monday-thursday 14:00-18:00, 09:00-12:30; Fri 09:00-13:00")
	fmt.Println(w, err)
	_, err = calendar.ParseHours("Mon-Fri 9-17")
	fmt.Println(err)
	// Output:
	// Mon-Thu 09:00-12:30,14:00-18:00; Fri 09:00-13:00 <nil>
	// working hours "Mon-Fri 9-17": "9" is no time of day such as 09:00
}

func ExampleParseClock() {
	for _, s := range []string{"00:00", "09:30", "24:00"} {
		c, err := calendar.ParseClock(s)
		fmt.Println(int(c), c, c == calendar.EndOfDay, err)
	}
	// Output:
	// 0 00:00 false <nil>
	// 570 09:30 false <nil>
	// 1440 24:00 true <nil>
}

func ExampleDate_AddMonths() {
	d, err := calendar.ParseDate("2028-01-31")
	fmt.Println(d.AddMonths(1), d.AddMonths(13), d.AddMonths(1).Weekday(), d.Add(30).Since(d), err)
	// Output: 2028-02-29 2029-02-28 Tuesday 30 <nil>
}

func ExampleFirst() {
	ny := somewhere("America/New_York")
	gap, fold := calendar.Date{Year: 2026, Month: time.March, Day: 8}, calendar.Date{Year: 2026, Month: time.November, Day: 1}
	fmt.Println(calendar.First(gap, 2*60+30, ny), calendar.Last(gap, 2*60+30, ny))
	fmt.Println(calendar.First(fold, 60+30, ny), calendar.Last(fold, 60+30, ny))
	// Output:
	// 2026-03-08T07:00:00.000000Z 2026-03-08T07:00:00.000000Z
	// 2026-11-01T05:30:00.000000Z 2026-11-01T06:30:00.000000Z
}

func ExampleDateAt() {
	now := moment(2026, time.November, 22, 11, 0)
	for _, name := range []string{"Pacific/Kiritimati", "UTC", "Pacific/Pago_Pago"} {
		fmt.Println(calendar.DateAt(now, somewhere(name)), name)
	}
	// Output:
	// 2026-11-23 Pacific/Kiritimati
	// 2026-11-22 UTC
	// 2026-11-22 Pacific/Pago_Pago
}

func ExampleHours_AddWorking() {
	h := plan("Europe/Berlin", "09:00-17:00")
	friday := moment(2026, time.October, 23, 14, 0) // 16:00 there, and the clocks go back on Sunday
	due, ok := h.AddWorking(friday, 4*time.Hour)
	worked, _ := h.WorkingBetween(friday, due)
	fmt.Println(calendar.Local(due, h.Zone()), due, worked, ok)
	// Output: Mon 12:00 CET 2026-10-26T11:00:00.000000Z 4h0m0s true
}

func ExampleHours_NextOpen() {
	h := plan("Asia/Jerusalem", "Sun-Thu 09:00-18:00")
	thursday := moment(2026, time.November, 19, 16, 0)
	open, ok := h.NextOpen(thursday)
	shut, _ := h.NextClose(open)
	fmt.Println(h.IsOpen(thursday), calendar.Local(open, h.Zone()), calendar.Local(shut, h.Zone()), ok)
	// Output: false Sun 09:00 IST Sun 18:00 IST true
}

func ExampleRotation_Changes() {
	r, err := calendar.NewRotation(calendar.Rota{
		People: []workflows.PersonID{"ann", "bob"}, Zone: somewhere("Europe/Berlin"),
		First: calendar.Date{Year: 2026, Month: time.October, Day: 12}, At: 9 * 60, Days: 7,
		Overrides: []calendar.Override{{
			Interval: calendar.Interval{From: moment(2026, time.October, 21, 12, 0), To: moment(2026, time.October, 22, 12, 0)}, Person: "eve",
		}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	list, err := r.Changes(moment(2026, time.October, 19, 7, 0), moment(2026, time.October, 26, 8, 0))
	for _, c := range list {
		fmt.Println(c.At, "on:", c.On, "told:", c.New)
	}
	fmt.Println(err)
	// Output:
	// 2026-10-21T12:00:00.000000Z on: [eve] told: [eve]
	// 2026-10-22T12:00:00.000000Z on: [bob] told: [bob]
	// 2026-10-26T08:00:00.000000Z on: [ann] told: [ann]
	// <nil>
}

// vacation is a file with one event that repeats, and one occurrence of it that is taken out.
const vacation = `BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//Example//EN
BEGIN:VEVENT
UID:friday@example.com
SUMMARY:Long weekend
ATTENDEE:mailto:Ann@example.com
DTSTART;VALUE=DATE:20261106
RRULE:FREQ=WEEKLY;COUNT=3
EXDATE;VALUE=DATE:20261113
END:VEVENT
END:VCALENDAR
`

func ExampleParseICS() {
	from, to := calendar.Date{Year: 2026, Month: time.November, Day: 1}, calendar.Date{Year: 2026, Month: time.November, Day: 30}
	list, err := calendar.ParseICS([]byte(vacation), somewhere("Europe/Berlin"), from, to)
	for _, e := range list {
		fmt.Println(e.First, e.Last, e.From, e.Length(), e.AllDay, e.Emails, e.Words())
	}
	fmt.Println(calendar.Dates(list), err)
	// Output:
	// 2026-11-06 2026-11-06 2026-11-05T23:00:00.000000Z 24h0m0s true [ann@example.com] line 4: "Long weekend"
	// 2026-11-20 2026-11-20 2026-11-19T23:00:00.000000Z 24h0m0s true [ann@example.com] line 4: "Long weekend"
	// [2026-11-06 2026-11-20] <nil>
}

func ExampleNewFeedRotation() {
	f, err := calendar.ReadICS([]byte(vacation), somewhere("UTC"))
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := calendar.NewFeedRotation(f, func(e calendar.Event) (workflows.PersonID, error) {
		name, _, _ := strings.Cut(e.Emails[0], "@")
		return workflows.PersonID(name), nil
	}, nil)
	fmt.Println(r.On(moment(2026, time.November, 6, 12, 0)), r.On(moment(2026, time.November, 13, 12, 0)), err)
	// Output: [ann] [] <nil>
}

func ExampleTeam_Forecast() {
	team := calendar.Team{Quorum: 2, Members: []calendar.Member{
		{Person: "maya", Hours: plan("America/New_York", "09:00-17:00")},
		{Person: "priya", Hours: plan("Asia/Kolkata", "09:00-18:30")},
		{Person: "jonas", Hours: plan("Europe/Berlin", "09:00-17:00")},
		{Person: "zoe"},
	}}
	now := moment(2026, time.November, 23, 7, 0)
	f, err := team.Forecast(now, 7)
	for _, p := range f.Order {
		fmt.Println(p.Person, "-", p.Words(now))
	}
	next, _ := f.Next()
	fmt.Println(f.Awake, "awake; next", next.Person, "- two at", f.Together, err)
	// Output:
	// priya - awake in Kolkata until Mon 18:30 IST
	// jonas - next: Mon 09:00 CET in Berlin, in 1 h
	// maya - next: Mon 09:00 EST in New York, in 7 h
	// zoe - working hours not known
	// 1 awake; next jonas - two at 2026-11-23T08:00:00.000000Z <nil>
}

func ExampleTeam_Coverage() {
	team := calendar.Team{Quorum: 1, Members: []calendar.Member{
		{Person: "ann", Hours: plan("UTC", "Mon-Sun 00:00-16:00")},
		{Person: "bob", Hours: plan("UTC", "Mon-Sat 16:00-24:00")},
	}}
	c, err := team.Coverage(calendar.Date{Year: 2026, Month: time.November, Day: 1}, 1)
	fmt.Println(c.Short, len(c.List), c.More, c.Longest.From, err)
	// Output: 40h0m0s 5 0 2026-11-01T16:00:00.000000Z <nil>
}

func ExampleHolidays() {
	list, err := calendar.Holidays("US", calendar.Date{Year: 2026, Month: time.July, Day: 1}, calendar.Date{Year: 2026, Month: time.September, Day: 30})
	fmt.Println(list, err) // a Saturday that is kept on the Friday counts on both
	// Output: [2026-07-03 2026-07-04 2026-09-07] <nil>
}

func ExampleBusiness_Frozen() {
	b, err := calendar.NewBusiness("head office", plan("Europe/London", "09:00-17:30"), []calendar.Freeze{
		{Name: "year-end", Interval: calendar.Interval{From: moment(2026, time.December, 20, 0, 0), To: moment(2027, time.January, 4, 0, 0)}, Why: "the books are closed"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	now := moment(2026, time.December, 21, 10, 0)
	f, frozen := b.Frozen(now, []string{"year-end"})
	_, other := b.Frozen(now, []string{"audit"})
	fmt.Println(b.IsOpen(now), frozen, f.Why, calendar.In(f.To.Sub(now)), other)
	// Output: true true the books are closed 13 d 14 h false
}
