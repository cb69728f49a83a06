package spec

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
)

// working is a duration that may be counted in working time: 4wh is four hours of working time of those asked.
func working(hi workflows.Span) shape {
	const how = "one whole number and one unit: 30m, 4h, 2d, or 4wh for working hours"
	out := text("a duration such as 30m, 4h or 4wh", func(s string) (string, string) {
		plain, wh := strings.CutSuffix(s, "wh")
		if wh {
			plain += "h"
		}
		got, err := ParseSpan(plain)
		switch {
		case err != nil && strings.HasPrefix(err.Error(), "bad"):
			return fmt.Sprintf("bad duration %q", s), how
		case err != nil || got > hi:
			return fmt.Sprintf("%s is longer than %s, the most that is allowed here", s, hi), ""
		}
		return "", ""
	}).speaks(grammar{regex: `[1-9][0-9]{0,3}(m|h|d|wh)`})
	out.hint = how
	return out
}

// delay is the duration under a key as elapsed time or as working time; both are zero when it is absent.
func (v *value) delay(key string) (elapsed, inWorkingTime workflows.Span) {
	s := v.str(key)
	if plain, ok := strings.CutSuffix(s, "wh"); ok {
		span, err := ParseSpan(plain + "h")
		if err != nil {
			return 0, 0
		}
		return 0, span
	}
	return v.span(key, 0), 0
}

// bound is a number or a duration; which of the two is judged with the type of the field.
func bound() shape {
	s := text("a number or a duration", func(s string) (string, string) {
		if _, err := ParseSpan(s); err != nil {
			return fmt.Sprintf("want a number or a duration, got %q", s), "5, or 2d"
		}
		return "", ""
	}).speaks(grammar{regex: `[1-9][0-9]{0,3}(m|h|d)`})
	s.alt, s.hint = ptr(number(-maxNumber, maxNumber)), "a whole number, or a duration such as 2d"
	return s
}

// scalarText is a text, or a number as it is written.
func scalarText() shape {
	s := line(maxTextLen)
	s.want = "a text or a number"
	s.alt = ptr(number(-maxNumber, maxNumber))
	return s
}

// word is a code of ours.
func word() shape { return matching("a word of a-z and _", `[a-z][a-z_]{0,39}`, "") }

func country() shape {
	return matching("a country such as DE, or a part of one such as DE-BE", `[A-Z]{2}(-[A-Z0-9]{1,3})?`, "ISO 3166: DE, US, GB, US-CA")
}

// icsRef is the name of an iCalendar file inside the folder, or the address of a feed.
func icsRef() shape {
	return matching(`a file such as "calendars/company.ics" or an address such as https://calendar.example.com/company.ics`,
		`(`+calendarsDir+`/[a-z0-9][a-z0-9_-]{0,60}\.ics|https://[a-zA-Z0-9.:-]{1,250}/[!-~]{0,1000})`,
		"put the file into the folder "+calendarsDir+" beside this one, or name its https address, without a user in it")
}

// isAddress tells an address of a feed from the name of a file.
func isAddress(ics string) bool { return strings.HasPrefix(ics, "https://") }

func clock() shape {
	s := text(`a time of day such as "09:00"`, func(s string) (string, string) {
		if c, err := calendar.ParseClock(s); err != nil || c == calendar.EndOfDay {
			return fmt.Sprintf("bad time of day %q", s), `hours and minutes in quotes: "09:00"`
		}
		return "", ""
	}).speaks(grammar{regex: `[0-2][0-9]:[0-5][0-9]`})
	s.hint = `hours and minutes in quotes: "09:00"`
	return s
}

const momentRegex = `2[01][0-9]{2}-[0-9]{2}-[0-9]{2}([ T][0-2][0-9]:[0-5][0-9])?`

// moment is a day, or a day and a time, on a clock that the place says.
func moment() shape {
	return text("a day such as 2026-12-24, or with a time: 2026-12-24 15:00", func(s string) (string, string) {
		if _, _, _, err := parseMoment(s); err != nil {
			return err.Error(), "2026-12-24, or 2026-12-24 15:00"
		}
		return "", ""
	}).speaks(grammar{regex: momentRegex})
}

// parseMoment reads a moment; timed tells whether it has a time of day.
func parseMoment(s string) (d calendar.Date, c calendar.Clock, timed bool, err error) {
	day, at, timed := strings.Cut(strings.Replace(s, "T", " ", 1), " ")
	d, err = calendar.ParseDate(day)
	if err == nil && timed {
		c, err = calendar.ParseClock(at)
	}
	if err != nil || d.Year < 2000 || c == calendar.EndOfDay {
		return d, c, timed, fmt.Errorf("bad moment %q", s)
	}
	return d, c, timed, nil
}

// begins and ends are a checked moment on the clock of a zone: where clocks change, the first and the last of two equal readings. A day alone
// begins with its midnight and ends with the next.
func begins(s string, zone *time.Location) workflows.Stamp {
	d, c, _, _ := parseMoment(s)
	return calendar.First(d, c, zone)
}

func ends(s string, zone *time.Location) workflows.Stamp {
	d, c, timed, _ := parseMoment(s)
	if !timed {
		d = d.Add(1)
	}
	return calendar.Last(d, c, zone)
}

// zonedMoment is a moment with its zone.
func zonedMoment() shape {
	return text("a moment and its zone: 2026-11-22T03:00 Europe/Berlin", func(s string) (string, string) {
		if _, err := parseZoned(s); err != nil {
			return err.Error(), "a day, a time and a time zone: 2026-11-22T03:00 Europe/Berlin"
		}
		return "", ""
	}).speaks(grammar{regex: `2[01][0-9]{2}-[0-9]{2}-[0-9]{2}T[0-2][0-9]:[0-5][0-9] [A-Za-z0-9_+/-]+`})
}

func parseZoned(s string) (workflows.Stamp, error) {
	at, name, ok := strings.Cut(s, " ")
	d, c, timed, err := parseMoment(at)
	if !ok || err != nil || !timed {
		return 0, fmt.Errorf("bad moment %q", s)
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "" || name == "Local" {
		return 0, fmt.Errorf("unknown time zone %q", name)
	}
	return calendar.First(d, c, zone), nil
}

// condition is judged as text here; whether it fits the workflow is judged when all files are read.
func condition() shape {
	s := text("a condition such as duration <= duration(\"4h\")", func(s string) (string, string) {
		if s == "" {
			return "is empty", "leave when out: then every ask meets it"
		}
		if n := utf8.RuneCountInString(s); n > maxCondition {
			return fmt.Sprintf("%d characters, at most %d are allowed", n, maxCondition), "make two rules of it"
		}
		return "", ""
	}).speaks(grammar{length: maxCondition})
	s.hint = `compare something: entitlement.action == "read"`
	return s
}

// whole is the number of a checked text.
func whole(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}
