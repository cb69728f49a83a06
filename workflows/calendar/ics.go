package calendar

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	ics "github.com/arran4/golang-ical"
)

// icsLine is a line of the file after unfolding, with the number of its first line.
type icsLine struct {
	n    int
	text string
}

// unfold joins the lines that RFC 5545 §3.1 folds. The library can do it too, but then nobody knows any more which line it was.
func unfold(b []byte) ([]icsLine, error) {
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	var out []icsLine
	n := 0
	for line := range bytes.Lines(b) {
		n++
		text := strings.TrimSuffix(strings.TrimSuffix(string(line), "\n"), "\r")
		switch {
		case text != "" && (text[0] == ' ' || text[0] == '\t') && len(out) > 0:
			last := &out[len(out)-1]
			if last.text += text[1:]; len(last.text) > maxLine {
				return nil, fmt.Errorf("line %d: more than %d bytes", last.n, maxLine)
			}
		case len(text) > maxLine:
			return nil, fmt.Errorf("line %d: more than %d bytes", n, maxLine)
		case strings.TrimSpace(text) != "":
			out = append(out, icsLine{n, text})
		}
	}
	return out, nil
}

// property is a line as the library reads it.
type property struct {
	icsLine
	*ics.BaseProperty
}

func readProperty(l icsLine) (property, error) {
	if c := l.text[0] | 0x20; c < 'a' || c > 'z' { // the library would look for a name further on in the line
		return property{}, fmt.Errorf("line %d: %q is no property", l.n, cut(l.text))
	}
	p, err := ics.ParseProperty(ics.ContentLine(l.text))
	if err != nil {
		return property{}, fmt.Errorf("line %d: %w", l.n, err)
	}
	if p == nil {
		return property{}, fmt.Errorf("line %d: %q is no property", l.n, cut(l.text))
	}
	p.IANAToken = strings.ToUpper(p.IANAToken)
	return property{l, p}, nil
}

func (p property) param(name string) string {
	for k, v := range p.ICalParameters {
		if strings.EqualFold(k, name) && len(v) > 0 {
			return v[0]
		}
	}
	return ""
}

// readEntries walks the components of the file and reads the events among them.
func readEntries(b []byte, zone *time.Location) ([]entry, error) {
	lines, err := unfold(b)
	if err != nil {
		return nil, err
	}
	var out []entry
	var within []string
	var of []property // the properties of the event we are in
	begin, closed := 0, false
	for _, l := range lines {
		p, err := readProperty(l)
		if err != nil {
			return nil, err
		}
		name := strings.ToUpper(strings.TrimSpace(p.Value))
		switch {
		case closed:
			return nil, fmt.Errorf("line %d: something behind END:VCALENDAR", l.n)
		case p.IANAToken == "BEGIN":
			if (len(within) == 0) != (name == "VCALENDAR") {
				return nil, fmt.Errorf("line %d: BEGIN:%s here: a file is one VCALENDAR", l.n, cut(name))
			}
			if within = append(within, name); len(within) > maxNesting {
				return nil, fmt.Errorf("line %d: more than %d components within each other", l.n, maxNesting)
			}
			if len(within) == 2 {
				begin, of = l.n, nil
			}
		case len(within) == 0:
			return nil, fmt.Errorf("line %d: want BEGIN:VCALENDAR, not %q", l.n, cut(l.text))
		case p.IANAToken == "END":
			if name != within[len(within)-1] {
				return nil, fmt.Errorf("line %d: END:%s, but %s is open", l.n, cut(name), cut(within[len(within)-1]))
			}
			if len(within) == 2 && name == "VEVENT" {
				e, err := readEntry(begin, of, zone)
				if err != nil {
					return nil, err
				}
				if out = append(out, e); len(out) > maxEvents {
					return nil, fmt.Errorf("line %d: more than %d events", begin, maxEvents)
				}
			}
			within = within[:len(within)-1]
			closed = len(within) == 0
		case len(within) == 2 && within[1] == "VEVENT":
			of = append(of, p)
		}
	}
	if !closed {
		return nil, errors.New("the file ends before END:VCALENDAR")
	}
	return out, nil
}

// readEntry reads one VEVENT.
func readEntry(line int, of []property, zone *time.Location) (entry, error) {
	e := entry{line: line}
	once := map[string]property{}
	var organizer string
	for _, p := range of {
		switch p.IANAToken {
		case "UID", "SUMMARY", "STATUS", "DTSTART", "DTEND", "DURATION", "RRULE", "RECURRENCE-ID", "ORGANIZER":
			if _, twice := once[p.IANAToken]; twice {
				return e, fmt.Errorf("line %d: %s is given twice in one event", p.n, p.IANAToken)
			}
			once[p.IANAToken] = p
		case "RDATE", "EXRULE":
			return e, fmt.Errorf("line %d: %s is not understood: write an event of its own", p.n, p.IANAToken)
		case "ATTENDEE":
			if a := address(p.Value); a != "" && !slices.Contains(e.emails, a) {
				e.emails = append(e.emails, a)
			}
		}
	}
	e.uid, e.summary = once["UID"].value(), once["SUMMARY"].value()
	e.cancel = strings.EqualFold(strings.TrimSpace(once["STATUS"].value()), "CANCELLED")
	if organizer = address(once["ORGANIZER"].value()); organizer != "" && len(e.emails) == 0 {
		e.emails = []string{organizer}
	}
	if e.uid == "" {
		return e, fmt.Errorf("line %d: the event has no UID", line)
	}
	if err := e.readTimes(once, zone); err != nil {
		return e, err
	}
	return e, e.readRepeats(once, of, zone)
}

func (p property) value() string {
	if p.BaseProperty == nil {
		return ""
	}
	return p.Value
}

// address is the e-mail of a calendar user, which is a URI.
func address(s string) string {
	s = strings.ToLower(strings.TrimSpace(s))
	a, ok := strings.CutPrefix(s, "mailto:")
	if !ok || strings.Count(a, "@") != 1 {
		return ""
	}
	return a
}

func (e *entry) readTimes(once map[string]property, zone *time.Location) (err error) {
	p, ok := once["DTSTART"]
	if !ok {
		return fmt.Errorf("line %d: the event has no DTSTART", e.line)
	}
	if e.start, e.allDay, err = p.moment(zone); err != nil {
		return err
	}
	end, hasEnd := once["DTEND"]
	length, hasLength := once["DURATION"]
	switch {
	case hasEnd && hasLength:
		return fmt.Errorf("line %d: DTEND and DURATION exclude each other", length.n)
	case hasEnd:
		var date bool
		if e.end, date, err = end.moment(zone); err != nil {
			return err
		}
		if date != e.allDay {
			return fmt.Errorf("line %d: DTSTART and DTEND are not both dates or both times", end.n)
		}
		e.days = e.end.date.Since(e.start.date)
	case hasLength:
		if err := e.readLength(length); err != nil {
			return err
		}
	case e.allDay:
		e.end, e.days = e.start, 1
	default:
		return fmt.Errorf("line %d: the event has neither DTEND nor DURATION", e.line)
	}
	if v := e.at(e.start.date); v.To <= v.From {
		return fmt.Errorf("line %d: the event ends before it begins", e.line)
	} else if v.Length() > (maxShiftDays+1)*day {
		return fmt.Errorf("line %d: the event is longer than %d days", e.line, maxShiftDays)
	}
	return nil
}

// readLength reads "P1D", "PT8H30M", "P1W": weeks and days are dates, hours and less are elapsed time.
func (e *entry) readLength(p property) error {
	bad := fmt.Errorf("line %d: DURATION:%s: want such as P1D, P1W or PT8H30M", p.n, cut(p.Value))
	s, ok := strings.CutPrefix(strings.ToUpper(strings.TrimSpace(p.Value)), "P")
	if !ok || len(s) > len("9999DT9999H9999M9999S") {
		return bad
	}
	date, clock, hasClock := strings.Cut(s, "T")
	if w, ok := strings.CutSuffix(date, "W"); ok && !hasClock {
		date = w + "D"
		e.days = 7
	} else {
		e.days = 1
	}
	n := 0
	if date != "" {
		if _, err := fmt.Sscanf(date, "%dD", &n); err != nil || n < 0 || n > maxShiftDays || fmt.Sprintf("%dD", n) != date {
			return bad
		}
	}
	e.days *= n
	if e.end = e.start; !hasClock {
		return nil
	}
	d, err := time.ParseDuration(strings.ToLower(clock))
	if err != nil || d <= 0 || d > maxShiftDays*day || strings.Contains(clock, "MS") || strings.ContainsAny(clock, ".NUµ-+") || e.days > 0 || e.allDay {
		return bad
	}
	e.exact = d
	return nil
}

func (e *entry) readRepeats(once map[string]property, of []property, zone *time.Location) (err error) {
	if p, ok := once["RECURRENCE-ID"]; ok {
		if p.param("RANGE") != "" {
			return fmt.Errorf("line %d: RANGE is not understood: single occurrences are", p.n)
		}
		if e.replaces, _, err = p.moment(zone); err != nil {
			return err
		}
	}
	for _, p := range of {
		if p.IANAToken != "EXDATE" {
			continue
		}
		for word := range strings.SplitSeq(p.Value, ",") {
			m, _, err := p.moments(word, zone)
			if err != nil {
				return err
			}
			if e.takeOut(m); len(e.except) > maxRepeats {
				return fmt.Errorf("line %d: more than %d dates are taken out of one event", p.n, maxRepeats)
			}
		}
	}
	p, ok := once["RRULE"]
	if !ok {
		return nil
	}
	if e.replaces.given() {
		return fmt.Errorf("line %d: an occurrence that stands for another does not repeat", p.n)
	}
	e.rule, err = readRepeat(p.Value, func(s string) (moment, bool, error) {
		return readMoment(s, e.start.zone)
	})
	if err != nil {
		return fmt.Errorf("line %d: %w", p.n, err)
	}
	return e.checkFirst(p)
}

// checkFirst refuses a rule that does not name the date of DTSTART: whether that date counts is left open by RFC 5545 §3.8.5.3.
func (e *entry) checkFirst(p property) error {
	if _, list := e.rule.period(e.start.date, 0); !slices.Contains(list, e.start.date.epoch()) {
		return fmt.Errorf("line %d: DTSTART on %s %s is none of the days of its own RRULE", p.n, shortDay(e.start.date.Weekday()), e.start.date)
	}
	return nil
}

// moment reads the value of the property with its parameters.
func (p property) moment(zone *time.Location) (m moment, isDate bool, err error) {
	return p.moments(p.Value, zone)
}

func (p property) moments(word string, zone *time.Location) (m moment, isDate bool, err error) {
	if id := strings.TrimPrefix(p.param("TZID"), "/"); id != "" {
		if zone, err = loadZone(id); err != nil {
			return m, false, fmt.Errorf("line %d: %w", p.n, err)
		}
	}
	if m, isDate, err = readMoment(word, zone); err != nil {
		return m, false, fmt.Errorf("line %d: %s: %w", p.n, p.IANAToken, err)
	}
	if v := p.param("VALUE"); v != "" && !strings.EqualFold(v, map[bool]string{true: "DATE", false: "DATE-TIME"}[isDate]) {
		return m, false, fmt.Errorf("line %d: %s: %q is no %s", p.n, p.IANAToken, cut(word), cut(v))
	}
	return m, isDate, nil
}

// loadZone takes IANA names only. "Local" would be the zone of whatever machine reads the file.
func loadZone(id string) (*time.Location, error) {
	z, err := time.LoadLocation(id)
	if err != nil || id == "Local" {
		return nil, fmt.Errorf("TZID %q is no zone of the IANA data base, such as Europe/Berlin", cut(id))
	}
	return z, nil
}

// readMoment reads "20261122", "20261122T090000" and "20261122T090000Z".
func readMoment(s string, zone *time.Location) (m moment, isDate bool, err error) {
	s = strings.TrimSpace(s)
	layout, text := "20060102T150405", s
	switch {
	case len(s) == len("20060102"):
		layout, isDate = "20060102", true
	case strings.HasSuffix(s, "Z"):
		text, zone = s[:len(s)-1], time.UTC
	}
	t, err := time.Parse(layout, text)
	if err != nil || len(text) != len(layout) {
		return m, false, fmt.Errorf("%q is no date or time such as 20261122T090000", cut(s))
	}
	if t.Year() < minYear || t.Year() >= maxYear {
		return m, false, fmt.Errorf("the year of %q is not within %d and %d", cut(s), minYear, maxYear-1)
	}
	return moment{dateOf(t), Clock(t.Hour()*60 + t.Minute()), t.Second(), zone}, isDate, nil
}
