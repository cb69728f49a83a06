package spec

import (
	"fmt"
	"strconv"

	"github.com/countersign-bot/countersign/workflows"
)

// ParseSpan reads a duration of the files: one number from 1 to 9999 and one unit, m, h or d. It is not
// time.ParseDuration, which takes "1h1h1h", "+8h" and "-1h". At most a leap year.
func ParseSpan(s string) (workflows.Span, error) {
	if len(s) < 2 || len(s) > 5 || s[0] == '0' {
		return 0, fmt.Errorf("bad duration %q", s)
	}
	unit, ok := map[byte]workflows.Span{'m': 60, 'h': 3600, 'd': day}[s[len(s)-1]]
	digits := s[:len(s)-1]
	for _, c := range []byte(digits) {
		ok = ok && c >= '0' && c <= '9'
	}
	if !ok {
		return 0, fmt.Errorf("bad duration %q", s)
	}
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0, fmt.Errorf("bad duration %q", s)
	}
	span := workflows.Span(n) * unit
	if span > maxSpan {
		return 0, fmt.Errorf("duration %q is longer than %s", s, maxSpan)
	}
	return span, nil
}
