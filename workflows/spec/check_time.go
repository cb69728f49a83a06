package spec

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
)

// enterTime enters the names of calendars and rotations.
func (c *checker) enterTime() {
	for _, v := range c.f.calendars {
		claim(c, c.ix.calendars, "calendar", v.str("name"), v.or("name"), v, func(x *value) *value { return x.or("name") })
	}
	for _, v := range c.f.rotations {
		claim(c, c.ix.rotations, "rotation", v.str("name"), v.or("name"), v, func(x *value) *value { return x.or("name") })
	}
}

// zoneOf is the checked zone under a key; UTC where it was refused.
func zoneOf(v *value, key string) *time.Location {
	z, err := time.LoadLocation(v.str(key))
	if err != nil {
		return time.UTC
	}
	return z
}

func (c *checker) checkCalendars() {
	used, before := map[string]bool{}, len(c.all)
	for _, v := range c.f.calendars {
		c.checkHolidays(v, used)
		names := map[string]*value{}
		for _, f := range v.list("freezes") {
			c.once(names, "freeze", f.str("name"), f.or("name"))
			c.period(f, zoneOf(v, "zone"))
		}
	}
	for _, v := range c.f.rotations {
		c.checkRotation(v, used)
	}
	for _, name := range slices.Sorted(maps.Keys(c.f.feeds)) {
		if !used[name] && len(c.all) == before {
			c.file(name, "name it under ics, or remove it", "no calendar and no rotation uses this file")
		}
	}
}

// period refuses a time that ends before it begins.
func (c *checker) period(v *value, zone *time.Location) {
	from, until := v.str("from"), v.str("until")
	if from != "" && until != "" && ends(until, zone) <= begins(from, zone) {
		c.at(v.get("until"), "", "until: %s is not after %s", until, from)
	}
}

func (c *checker) checkHolidays(v *value, used map[string]bool) {
	if code := v.get("country"); code != nil {
		if _, err := calendar.Holidays(code.scalar(), calendar.Date{Year: holidaysFrom, Month: 1, Day: 1}, calendar.Date{Year: holidaysFrom, Month: 1, Day: 2}); err != nil {
			c.at(code, orElse(didYouMean(code.scalar(), calendar.HolidayCountries()), "write the days under holidays, or name an iCalendar file under ics"),
				"country: there is no table of the holidays of %q", code.scalar())
		}
	}
	c.unique(v.list("holidays"))
	if ics := v.get("ics"); ics != nil {
		used[ics.scalar()] = true
		f := c.feed(ics, zoneOf(v, "zone"))
		if f == nil {
			return
		}
		if isAddress(ics.scalar()) {
			return // its copy was tried before it was kept
		}
		if _, err := f.Between(calendar.First(calendar.Date{Year: holidaysFrom, Month: 1, Day: 1}, 0, time.UTC), calendar.First(calendar.Date{Year: holidaysTo + 1, Month: 1, Day: 1}, 0, time.UTC)); err != nil {
			c.file(ics.scalar(), "", "%s", strings.TrimPrefix(err.Error(), "iCalendar: "))
		}
	}
}

// feed reads an iCalendar file of the folder, or the copy of a feed; nil was reported, or there is no copy.
func (c *checker) feed(ref *value, zone *time.Location) *calendar.Feed {
	name := ref.scalar()
	if isAddress(name) {
		return c.fetched(name, zone)
	}
	src := c.f.feeds[name]
	if src == nil {
		c.at(ref, meantOr(name, keys(c.f.feeds)), "there is no file %q", name)
		return nil
	}
	f, err := calendar.ReadICS(src.raw, zone)
	if err != nil {
		c.file(name, "", "%s", strings.TrimPrefix(err.Error(), "iCalendar: "))
		return nil
	}
	c.f.icals[feedID(name, zone)] = f
	return f
}

// feedID names a file as it is read in one zone.
func feedID(name string, zone *time.Location) string { return name + " " + zone.String() }

func (c *checker) checkRotation(v *value, used map[string]bool) {
	zone, before := zoneOf(v, "zone"), len(c.all)
	for _, o := range v.list("overrides") {
		c.period(o, zone)
		if p := o.get("person"); p != nil {
			c.who(p)
		}
	}
	turns := []string{"people", "first", "at", "days"}
	if ics := v.get("ics"); ics != nil {
		used[ics.scalar()] = true
		if isAddress(ics.scalar()) {
			turns = turns[1:]
			c.whomFeedNames(v)
		}
		for _, k := range turns {
			if v.has(k) {
				c.at(v.or(k), "leave it out", "%s: the shifts of rotation %q stand in the iCalendar file", k, v.str("name"))
			}
		}
		if f := c.feed(ics, zone); (f != nil || isAddress(ics.scalar())) && !hasBad(v) && len(c.all) == before {
			c.tryRotation(v)
		}
		return
	}
	for _, k := range turns {
		if !v.has(k) && !hasBad(v) {
			c.at(v, k+": …", "rotation %q has no %s", v.str("name"), k)
			return
		}
	}
	people := v.list("people")
	if len(people) == 0 && v.get("people") != nil && !hasBad(v) {
		c.at(v.get("people"), "", "rotation %q has nobody", v.str("name"))
		return
	}
	for _, p := range people {
		c.who(p)
	}
	if len(c.all) == before && !hasBad(v) {
		c.tryRotation(v)
	}
}

// tryRotation builds the rotation with keys in place of ids, and reports what the calendar says of it.
func (c *checker) tryRotation(v *value) {
	_, _, err := c.f.rotation(v, func(ref string) workflows.PersonID { return workflows.PersonID(c.ix.keyOf(ref)) })
	if err != nil {
		c.at(v.or("name"), "", "rotation %q: %s", v.str("name"), strings.TrimPrefix(err.Error(), "rotation: "))
	}
}

// rotation makes a rotation of a checked entry. id is the person that a key or an address means. strange are the entries of a feed that name
// nobody whom they may.
func (f *Folder) rotation(v *value, id func(ref string) workflows.PersonID) (r *calendar.Rotation, strange []string, err error) {
	zone := zoneOf(v, "zone")
	var over []calendar.Override
	for _, o := range v.list("overrides") {
		over = append(over, calendar.Override{
			Interval: calendar.Interval{From: begins(o.str("from"), zone), To: ends(o.str("until"), zone)}, Person: id(o.str("person")),
		})
	}
	ics := v.str("ics")
	switch {
	case isAddress(ics):
		return fetchedRotation(v, f.icals[feedID(ics, zone)], id, over)
	case ics != "":
		r, err = calendar.NewFeedRotation(f.icals[feedID(ics, zone)], func(e calendar.Event) (workflows.PersonID, error) { return onShift(e, id) }, over)
		return r, nil, err
	}
	turns := calendar.Rota{Zone: zone, Days: v.num("days", 0), Overrides: over}
	turns.First, _, _, _ = parseMoment(v.str("first")) // checked by their shapes
	turns.At, _ = calendar.ParseClock(v.str("at"))
	for _, p := range v.strs("people") {
		turns.People = append(turns.People, id(p))
	}
	r, err = calendar.NewRotation(turns)
	return r, nil, err
}

// onShift is the person whom an event of an iCalendar file names: the only attendee, or the summary as a key or an address.
func onShift(e calendar.Event, id func(ref string) workflows.PersonID) (workflows.PersonID, error) {
	if len(e.Emails) == 1 {
		if p := id(e.Emails[0]); p != "" {
			return p, nil
		}
	}
	word := strings.TrimSpace(e.Summary)
	if p := id(word); p != "" {
		return p, nil
	}
	return "", fmt.Errorf("neither its attendee nor its summary is a person of %s", peopleFile)
}

// rotaPeople is the keys of everybody who may ever be on shift.
func (f *Folder) rotaPeople(v *value) map[string]bool {
	out := map[string]bool{}
	add := func(ref string) workflows.PersonID {
		k := f.index.keyOf(ref)
		if k != "" {
			out[k] = true
		}
		return workflows.PersonID(k)
	}
	for _, p := range v.strs("people") {
		add(p)
	}
	for _, o := range v.list("overrides") {
		add(o.str("person"))
	}
	if ics := v.str("ics"); ics != "" && !isAddress(ics) {
		_, _, _ = f.rotation(v, add) // what it names is entered on the way; whether it holds together was told before
	}
	return out
}

// checkAbsence checks the calendar and the times off of a person.
func (c *checker) checkAbsence(p *person) {
	if cal := p.get("calendar"); cal != nil && c.ix.calendars[cal.scalar()] == nil {
		c.unknown(cal, cal.scalar(), "calendar", keys(c.ix.calendars))
	}
	for _, o := range p.list("time_off") {
		c.period(o, zoneOf(p.value, "timezone"))
	}
}

// freezesOf is the names of the freezes of a workflow's calendar.
func (c *checker) freezesOf(w *workflow) []string {
	out := []string{}
	if cal := c.ix.calendars[w.str("calendar")]; cal != nil {
		for _, f := range cal.list("freezes") {
			out = append(out, f.str("name"))
		}
	}
	return out
}
