package spec

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/robfig/cron/v3"

	"github.com/countersign-bot/countersign/workflows/calendar"
)

// ident is the key of something: ASCII, so that two of them that look the same are the same (T61).
func ident() shape {
	return text("an id of a-z, 0-9 and -", func(s string) (string, string) {
		for _, c := range s {
			if c < 0x80 {
				continue
			}
			l := lookalike(s)
			if isIdent(l) {
				return fmt.Sprintf("id %+q holds the look-alike %s", s, sayRune(c)), fmt.Sprintf("write %q with Latin letters", l)
			}
			return fmt.Sprintf("id %+q holds %s; ids are a-z, 0-9 and -", s, sayRune(c)), ""
		}
		if !isIdent(s) {
			return fmt.Sprintf("bad id %q", s), fmt.Sprintf("ids are a-z, 0-9 and -, begin with a letter or digit, and have at most %d characters", maxID)
		}
		return "", ""
	}).speaks(grammar{regex: `[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?`})
}

// speaks adds what an editor can know.
func (s shape) speaks(g grammar) shape {
	s.lang = g
	return s
}

func isIdent(s string) bool {
	if s == "" || len(s) > maxID || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// line is one line of text that people read.
func line(limit int) shape {
	return text("a line of text", func(s string) (string, string) {
		if strings.Contains(s, "\n") {
			return "want one line", ""
		}
		return readable(s, limit)
	}).speaks(grammar{length: limit, regex: `[^\n]+`})
}

// prose is text of several lines.
func prose() shape {
	return text("text", func(s string) (string, string) { return readable(s, maxProse) }).speaks(grammar{length: maxProse})
}

func readable(s string, limit int) (string, string) {
	if s == "" {
		return "is empty", ""
	}
	if n := utf8.RuneCountInString(s); n > limit {
		return fmt.Sprintf("%d characters, at most %d are allowed", n, limit), ""
	}
	if c := notNFC(s); c != "" {
		return "is not in Unicode normal form C at " + c, "retype the letter with its accent as one character"
	}
	if a, b, mixed := mixedWord(s); mixed {
		return fmt.Sprintf("mixes %s and %s letters in one word", a, b), "retype the word in one script"
	}
	return "", ""
}

// matching is text of a fixed form.
func matching(want, pattern, hint string) shape {
	re := sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(?:` + pattern + `)$`) })
	return text(want, func(s string) (string, string) {
		if !re().MatchString(s) {
			return fmt.Sprintf("want %s, got %q", want, s), hint
		}
		return "", ""
	}).speaks(grammar{regex: pattern})
}

func channel() shape {
	return matching(`a channel such as "#access"`, `#[a-z0-9_-]{1,80}`, "a channel begins with # and has lower-case letters, digits, - and _; in quotes")
}

func chatGroup() shape {
	return matching(`a user group such as "@dba"`, `@[a-z0-9_.-]{1,80}`, "a user group begins with @; in quotes")
}

func mail() shape {
	return matching("an e-mail address", `[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){1,8}`, "")
}

func phone() shape {
	return matching("a telephone number such as \"+49 30 901820\"", `\+[0-9][0-9 ()-]{5,28}[0-9]`, "begin with + and the country")
}

func slackUser() shape {
	return matching("a Slack user id such as U0ALICE1", `([TE][A-Z0-9]{2,20}/)?[UW][A-Z0-9]{2,20}`,
		"Slack: profile, three dots, Copy member ID; with several workspaces T…/U…")
}

func unixUser() shape {
	return matching("a Unix user name", `[a-z_][a-z0-9_-]{0,31}`, "")
}

func account() shape {
	return matching("an account name", `[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,62}`, "")
}

func settingName() shape {
	return matching("a name of a-z, 0-9 and _", `[a-z][a-z0-9_]{0,39}`, "")
}

func fieldName() shape {
	return matching("a name of a-z, 0-9 and _", `[a-z][a-z0-9_]{0,39}`, "")
}

func oneOf(words ...string) shape {
	return text(strings.Join(words, " or "), func(s string) (string, string) {
		for _, w := range words {
			if s == w {
				return "", ""
			}
		}
		return fmt.Sprintf("want %s, got %q", strings.Join(words, ", "), s), didYouMean(s, words)
	}).speaks(grammar{enum: words})
}

// grantRef is "target/entitlement"; whether it exists is judged when all targets are read.
func grantRef() shape {
	return text("a target and an entitlement: pg-main/readonly", func(s string) (string, string) {
		t, e, ok := strings.Cut(s, "/")
		if !ok || !isIdent(t) || !isIdent(e) {
			return fmt.Sprintf("want target/entitlement, got %q", s), `such as "pg-main/readonly"`
		}
		return "", ""
	}).speaks(grammar{regex: `[a-z0-9-]{1,40}/[a-z0-9-]{1,40}`})
}

func date() shape {
	return text("a date such as 2027-05-01", func(s string) (string, string) {
		if _, err := time.Parse(time.DateOnly, s); err != nil {
			return fmt.Sprintf("bad date %q", s), "year, month, day: 2027-05-01"
		}
		if s < "2000" || s >= "2200" {
			return fmt.Sprintf("year out of range in %q", s), ""
		}
		return "", ""
	}).speaks(grammar{regex: `2[01][0-9]{2}-[0-9]{2}-[0-9]{2}`})
}

func zone() shape {
	return text("an IANA time zone such as Europe/Berlin", func(s string) (string, string) {
		if _, err := time.LoadLocation(s); err != nil || s == "" || s == "Local" {
			return fmt.Sprintf("unknown time zone %q", s), meantZone(s)
		}
		return "", ""
	})
}

func meantZone(s string) string {
	if h := didYouMean(s, commonZones()); h != "" {
		return h
	}
	for _, z := range commonZones() { // "Berlin" for "Europe/Berlin"
		if _, city, ok := strings.Cut(z, "/"); ok && len(s) > 3 && strings.EqualFold(strings.ReplaceAll(s, " ", "_"), city) {
			return fmt.Sprintf("did you mean %q?", z)
		}
	}
	return "a name of the IANA time zone database, such as Europe/Berlin"
}

// commonZones is only for offering names; any zone of the database is accepted.
func commonZones() []string {
	return strings.Fields(`UTC Africa/Cairo Africa/Johannesburg Africa/Lagos Africa/Nairobi America/Bogota America/Chicago
		America/Denver America/Halifax America/Los_Angeles America/Mexico_City America/New_York America/Phoenix America/Sao_Paulo
		America/Toronto America/Vancouver Asia/Bangkok Asia/Dhaka Asia/Dubai Asia/Hong_Kong Asia/Jakarta Asia/Jerusalem Asia/Karachi
		Asia/Kolkata Asia/Manila Asia/Riyadh Asia/Seoul Asia/Shanghai Asia/Singapore Asia/Taipei Asia/Tehran Asia/Tokyo
		Australia/Brisbane Australia/Melbourne Australia/Perth Australia/Sydney Europe/Amsterdam Europe/Athens Europe/Berlin
		Europe/Brussels Europe/Bucharest Europe/Dublin Europe/Helsinki Europe/Istanbul Europe/Kyiv Europe/Lisbon Europe/London
		Europe/Madrid Europe/Paris Europe/Prague Europe/Rome Europe/Stockholm Europe/Vienna Europe/Warsaw Europe/Zurich
		Pacific/Auckland Pacific/Honolulu`)
}

// hours are what package calendar counts with: one grammar for the file and for whoever is at work.
func hours() shape {
	return text(`working hours such as "09:00-17:30"`, func(s string) (string, string) {
		if _, err := calendar.ParseHours(s); err != nil {
			return err.Error(), `write "09:00-17:30" (Monday to Friday) or "Sun-Thu 09:00-18:00", in quotes, on the person's own clock`
		}
		return "", ""
	})
}

// pattern is RE2, which cannot be made slow (T41).
func pattern() shape {
	return text("a regular expression (RE2)", func(s string) (string, string) {
		if n := utf8.RuneCountInString(s); n > maxPattern {
			return fmt.Sprintf("%d characters, at most %d are allowed", n, maxPattern), ""
		}
		re, err := regexp.Compile(`^(?:` + s + `)$`)
		if err != nil {
			why, hint := strings.TrimPrefix(err.Error(), "error parsing regexp: "), ""
			if strings.Contains(why, "Perl") || strings.Contains(why, "escape") {
				hint = "back references and look-around are not part of RE2"
			}
			return "not a regular expression (RE2): " + why, hint
		}
		if re.MatchString("") {
			return fmt.Sprintf("pattern %q matches the empty text", s), ""
		}
		return "", ""
	})
}

// schedule is a cron expression of five fields.
func schedule() shape {
	return text(`a cron expression such as "0 * * * *"`, func(s string) (string, string) {
		if err := parseSchedule(s); err != nil {
			return fmt.Sprintf("bad schedule %q: %v", s, err), `five fields: minute, hour, day, month, weekday; "0 * * * *" is every full hour`
		}
		return "", ""
	})
}

// parseSchedule keeps robfig/cron's parser to its five fields: it panics on "TZ=" without a blank after it, and
// "@every 1ns" is not a schedule.
func parseSchedule(s string) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("not readable")
		}
	}()
	switch {
	case strings.Contains(s, "TZ="):
		return fmt.Errorf("the zone stands in its own key")
	case strings.HasPrefix(s, "@"):
		return fmt.Errorf("words are not used")
	}
	got, err := cron.ParseStandard(s)
	if err != nil {
		return err
	}
	if got.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return fmt.Errorf("that day never comes")
	}
	return nil
}
