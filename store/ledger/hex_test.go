package ledger_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/store/ledger"
)

// Eight bytes at a time see what one byte at a time sees: every byte at every place.
func TestIsHash(t *testing.T) {
	simple := func(s string) bool {
		return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == "" && s == strings.Map(func(r rune) rune {
			if strings.ContainsRune("0123456789abcdef", r) {
				return r
			}
			return -1
		}, s)
	}
	good := strings.Repeat("0123456789abcdef", 4)
	for at := range len(good) {
		for c := range 256 {
			s := good[:at] + string([]byte{byte(c)}) + good[at+1:]
			if got, want := ledger.IsHash(s), simple(s); got != want {
				t.Fatalf("byte %#x at %d: %v, want %v", c, at, got, want)
			}
			if ledger.IsHash(s) != ledger.IsHash([]byte(s)) {
				t.Fatalf("byte %#x at %d: a string and its bytes differ", c, at)
			}
		}
	}
	for _, s := range []string{"", good[:63], good + "0", strings.ToUpper(good)} {
		if ledger.IsHash(s) {
			t.Errorf("%q is taken for a hash", s)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := string(rapid.SliceOfN(rapid.Byte(), 64, 64).Draw(t, "bytes"))
		if ledger.IsHash(s) != simple(s) {
			t.Fatalf("%q", s)
		}
		if h := hex.EncodeToString([]byte(s[:32])); !ledger.IsHash(h) {
			t.Fatalf("%q is not taken for a hash", h)
		}
	})
}
