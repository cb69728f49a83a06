package workflows

import (
	"strconv"
	"strings"
	"time"
)

// ParseSpan reads a length of time in the grammar of the files: 1 to 9999 minutes, hours or days ("30m", "4h", "2d").
func ParseSpan(s string) (Span, bool) {
	if len(s) < 2 || len(s) > 5 || s[0] < '1' || s[0] > '9' {
		return 0, false
	}
	n, err := strconv.ParseUint(s[:len(s)-1], 10, 16)
	if err != nil {
		return 0, false
	}
	switch s[len(s)-1] {
	case 'm':
		return Span(n) * 60, true
	case 'h':
		return Span(n) * 3600, true
	case 'd':
		return Span(n) * 24 * 3600, true
	}
	return 0, false
}

// number reads a whole number within the field's bounds. It is recorded in one spelling.
func (f Field) number(v string) (value, problem string) {
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n > maxNumber || n < -maxNumber {
		return "", "This must be a whole number."
	}
	if least, err := strconv.ParseInt(f.Least, 10, 64); err == nil && n < least {
		return "", "At least " + f.Least + "."
	}
	if most, err := strconv.ParseInt(f.Most, 10, 64); err == nil && n > most {
		return "", "At most " + f.Most + "."
	}
	return strconv.FormatInt(n, 10), ""
}

// duration reads a length of time within the field's bounds. It is recorded in its shortest spelling: 60m is 1h.
func (f Field) duration(v string) (value, problem string) {
	d, ok := ParseSpan(v)
	if !ok {
		return "", "Type it as 30m, 4h or 2d."
	}
	if least, ok := ParseSpan(f.Least); ok && d < least {
		return "", "At least " + f.Least + "."
	}
	if most, ok := ParseSpan(f.Most); ok && d > most {
		return "", "At most " + f.Most + "."
	}
	return d.String(), ""
}

// dateTime reads a point in time, which the caller has converted from the requester's clock where it had no zone. It is recorded as a Stamp.
func (f Field) dateTime(v string, at Stamp) (value, problem string) {
	t, err := time.Parse(time.RFC3339, v)
	if err != nil || t.Year() < 2000 || t.Year() > 2999 {
		return "", "Type it as 2026-11-22 15:04."
	}
	s := StampOf(t)
	if at == 0 {
		return s.String(), ""
	}
	if least, ok := ParseSpan(f.Least); ok && s < at.Add(least.Duration()) {
		return "", "Not sooner than " + f.Least + " from now."
	}
	if most, ok := ParseSpan(f.Most); ok && s > at.Add(most.Duration()) {
		return "", "Not later than " + f.Most + " from now."
	}
	return s.String(), ""
}

// isID tells whether a text could be the id of a target or of an identity.
func isID(s string) bool {
	if s == "" || len(s) > maxID || s[0] == '-' {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// isPerson tells whether a value is the pseudonym of a person.
func isPerson(s string) bool {
	rest, ok := strings.CutPrefix(s, "p_")
	return ok && rest != "" && len(s) <= maxID && !strings.ContainsFunc(rest, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-'
	})
}
