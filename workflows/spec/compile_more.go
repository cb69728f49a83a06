package spec

import (
	"maps"
	"slices"
	"sort"
	"time"
	"unicode/utf8"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
)

// timeOff is the times off of a person on their own clock.
func timeOff(p *person) (out []calendar.Interval) {
	zone := zoneOf(p.value, "timezone")
	for _, o := range p.list("time_off") {
		out = append(out, calendar.Interval{From: begins(o.str("from"), zone), To: ends(o.str("until"), zone)})
	}
	return out
}

func (c *compiler) calendars() (out []Calendar) {
	for _, v := range c.f.calendars {
		zone := zoneOf(v, "zone")
		x := Calendar{Name: v.str("name"), Zone: v.str("zone"), Hours: orElse(v.str("hours"), defaultHours), Country: v.str("country"), Holidays: c.f.holidaysOf(v, zone), Feed: feedOf(v)}
		for _, f := range v.list("freezes") {
			x.Freezes = append(x.Freezes, calendar.Freeze{
				Name: f.str("name"), Interval: calendar.Interval{From: begins(f.str("from"), zone), To: ends(f.str("until"), zone)}, Why: f.str("why"),
			})
		}
		x.Business = business(x, zone)
		out = append(out, x)
	}
	return out
}

// business joins what was checked piece by piece.
func business(x Calendar, zone *time.Location) *calendar.Business {
	week, err := calendar.ParseHours(x.Hours)
	if err != nil {
		panic("spec: hours that were checked do not parse: " + err.Error())
	}
	hours, err := calendar.NewHours(calendar.Plan{Zone: zone, Week: week, Holidays: x.Holidays})
	if err != nil {
		panic("spec: a calendar that was checked is refused: " + err.Error()) // the limits of this room are the tighter ones
	}
	b, err := calendar.NewBusiness(x.Name, hours, x.Freezes)
	if err != nil {
		panic("spec: a calendar that was checked is refused: " + err.Error())
	}
	return b
}

// holidaysOf joins public holidays, written ones and those of the iCalendar file: in order, each once.
func (f *Folder) holidaysOf(v *value, zone *time.Location) []calendar.Date {
	from, to := calendar.Date{Year: holidaysFrom, Month: time.January, Day: 1}, calendar.Date{Year: holidaysTo, Month: time.December, Day: 31}
	var out []calendar.Date
	if code := v.str("country"); code != "" {
		public, _ := calendar.Holidays(code, from, to) // a country without a table was refused
		out = append(out, public...)
	}
	for _, d := range v.strs("holidays") {
		date, _ := calendar.ParseDate(d) // checked by its shape
		out = append(out, date)
	}
	if feed := f.icals[feedID(v.str("ics"), zone)]; feed != nil { // a feed that was never read has none
		events, _ := feed.Between(calendar.First(from, 0, zone), calendar.Last(to, calendar.EndOfDay, zone)) // tried when it was checked
		out = append(out, calendar.Dates(events)...)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Since(out[j]) < 0 })
	return slices.Compact(out)
}

// feedOf is the address of the feed of a calendar or rotation; empty where a file of the folder is named, or nothing.
func feedOf(v *value) string {
	if ics := v.str("ics"); isAddress(ics) {
		return ics
	}
	return ""
}

func (c *compiler) rotations() (out []Rotation) {
	for _, v := range c.f.rotations {
		r, strange, err := c.f.rotation(v, c.id)
		if err != nil {
			panic("spec: a rotation that was checked is refused: " + err.Error())
		}
		x := Rotation{Name: v.str("name"), Rotation: r, Feed: feedOf(v), Strange: strange}
		for _, k := range slices.Sorted(maps.Keys(c.f.rotaPeople(v))) {
			x.People = append(x.People, c.id(k))
		}
		out = append(out, x)
	}
	return out
}

func (c *compiler) tests() (out []TestFile) {
	for _, f := range c.f.tests {
		x := TestFile{File: f.src.name}
		for _, t := range f.list("tests") {
			x.Tests = append(x.Tests, c.test(t))
		}
		out = append(out, x)
	}
	return out
}

func (c *compiler) test(v *value) Test {
	given := v.get("given")
	t := Test{
		Name: v.str("name"), Line: v.line, At: zoned(v, "when"),
		Given: Given{Asked: given.num("asked", 0), Auto: given.num("auto", 0)},
		Ask:   c.testAsk(v.get("asks")), Expect: c.expect(v.get("expect")),
	}
	for _, a := range given.list("away") {
		t.Given.Away = append(t.Given.Away, TestAway{Person: c.id(a.str("person")), Delegate: c.id(a.str("delegate"))})
	}
	for _, g := range given.list("active") {
		e := c.f.index.entitlements[g.str("grant")]
		t.Given.Active = append(t.Given.Active, TestGrant{
			Holder: c.holder(g.str("who")), Target: workflows.TargetID(e.on.id), Entitlement: workflows.EntitlementID(e.str("id")), Ends: zoned(g, "until"),
		})
	}
	return t
}

// zoned is the moment under a key, zero when there is none.
func zoned(v *value, key string) workflows.Stamp {
	s := v.str(key)
	if s == "" {
		return 0
	}
	at, _ := parseZoned(s) // checked by its shape
	return at
}

// holder is a person's id, or that of a non-human identity.
func (c *compiler) holder(ref string) workflows.IdentityID {
	if id := c.id(ref); id != "" {
		return workflows.IdentityID(id)
	}
	return workflows.IdentityID(ref)
}

func (c *compiler) testAsk(v *value) TestAsk {
	w := c.f.index.workflows[v.str("workflow")]
	a := TestAsk{
		Who: c.id(v.str("who")), Workflow: workflows.WorkflowID(w.id), Seconds: v.span("duration", w.span("usual", w.span("longest", 0))),
		Fields: map[string]string{}, Reason: orElse(v.str("reason"), madeUp(w)), Channel: orElse(v.str("channel"), "slack"),
		Network: v.str("network"), NotBefore: zoned(v, "not_before"), Runbook: workflows.RunbookID(v.str("runbook")),
	}
	if v.has("for") {
		a.For = c.holder(v.str("for"))
	}
	grant := v.str("grant")
	if all := w.strs("grants"); grant == "" && len(all) == 1 {
		grant = all[0]
	}
	if e, ok := c.f.index.entitlements[grant]; ok {
		a.Target, a.Entitlement = workflows.TargetID(e.on.id), workflows.EntitlementID(e.str("id"))
	}
	if f := v.get("fields"); f != nil {
		for _, e := range f.entries {
			a.Fields[e.key] = e.value.text
		}
	}
	return a
}

func (c *compiler) expect(v *value) Expect {
	x := Expect{Outcome: v.str("outcome"), Code: v.str("code"), Rule: v.str("rule"), Tier: v.str("tier")}
	for _, s := range v.list("stages") {
		x.Stages = append(x.Stages, ExpectStage{Name: s.str("name"), Quorum: s.num("quorum", 0), Can: c.list(s, "can"), Cannot: c.list(s, "cannot")})
	}
	return x
}

// madeUp is a reason that is long enough for the workflow.
func madeUp(w *workflow) string {
	s := madeUpReason
	for utf8.RuneCountInString(s) < w.num("reason_min", defaultReasonMin) {
		s += " " + madeUpReason
	}
	return s
}
