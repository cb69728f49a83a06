package command

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/orders"
)

// FuzzPresence: whatever a program prints, it is one of three answers, and its words are bounded and clean.
func FuzzPresence(f *testing.F) {
	for _, seed := range []string{"", "present", "absent\n", "unconfirmed\nwhy", "unconfirmed\npassword=hunter2", "gone", "\xff", "unconfirmed\n\xff\u001b[2J", "unconfirmed\n" + strings.Repeat("ä", 600)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, words, err := parsePresence(raw)
		switch {
		case err != nil && p != runbooks.Unconfirmed:
			t.Errorf("what cannot be read is %q", p)
		case err == nil && p != runbooks.Present && p != runbooks.Absent && p != runbooks.Unconfirmed:
			t.Errorf("presence %q", p)
		case len(words) > orders.MaxText || !utf8.ValidString(words) || strings.ContainsFunc(words, unicode.IsControl):
			t.Errorf("%q is not clean", words)
		}
	})
}
