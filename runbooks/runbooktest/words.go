package runbooktest

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/workflows"
)

// String is the place as a file of words names it.
func (p Place) String() string { return strings.TrimSpace(p.Kind + " " + p.Name) }

// exerciseNasty puts each string into each place, and holds that no place was left out.
func exerciseNasty(t *testing.T, s System) {
	tried := map[string]bool{}
	s.nasty(t, s.Grant(1), tried)
	if s.More != nil {
		for _, m := range s.More(t) {
			other := s
			if other.Arrived, other.shown = m.Arrived, m.Shown; m.Connector != nil {
				other.Connector = m.Connector
			}
			other.mustGrant(t, m.Grant) // else the strings would be refused for another reason than their own
			other.mustRevoke(t, m.Grant)
			other.nasty(t, m.Grant, tried)
		}
	}
	if s.Words == "" {
		return
	}
	raw, err := os.ReadFile(s.Words)
	if err != nil {
		t.Fatalf("the places that strings can stand in: %v", err)
	}
	if got := strings.Join(slices.Sorted(maps.Keys(tried)), "\n") + "\n"; got != string(raw) {
		t.Errorf("%s names\n%sstrings were put into\n%s", s.Words, raw, got)
	}
}

// nasty puts each string into each place of a grant that was not tried yet: the target has it byte for byte, or it was refused without an effect.
func (s System) nasty(t *testing.T, base runbooks.Grant, tried map[string]bool) {
	t.Helper()
	nasty := Nasty()
	if len(nasty) < 200 {
		t.Fatalf("only %d strings", len(nasty))
	}
	accepted, count := 0, 0
	var refused []runbooks.Grant
	for _, place := range places(base) {
		if tried[place.String()] {
			continue
		}
		tried[place.String()] = true
		count++
		for i, text := range nasty {
			g := put(base, place, text)
			if !s.shown {
				g.ID += workflows.GrantID(fmt.Sprintf("-%s%s%d", place.Kind, safe(place.Name), i)) // a grant of its own
			}
			r, err := s.Connector.Grant(t.Context(), s.armed(t, g))
			if err != nil {
				s.wantRefusal(t, fmt.Sprintf("%s, string %d %.60q", place, i, text), err)
				refused = append(refused, g)
				continue
			}
			accepted++
			if s.Arrived == nil {
				t.Errorf("%s, string %d %.60q was accepted and cannot be read back", place, i, text)
			} else if got := s.Arrived(t, g, r, place); got != text {
				t.Errorf("%s, string %d %.60q arrived as %.60q", place, i, text, got)
			}
			if !s.shown {
				s.mustRevoke(t, g)
			}
		}
	}
	if s.shown {
		s.mustRevoke(t, base)
		refused = nil // one grant, which is gone
	}
	// Reading back costs a connection on some targets: one in ten is enough to find an effect after a refusal.
	for i := 0; i < len(refused); i += 10 {
		if p, _ := s.Connector.Check(t.Context(), refused[i]); p == runbooks.Present {
			t.Errorf("%s: refused, and there all the same", refused[i].ID)
		}
	}
	t.Logf("%d strings in %d places, %d accepted", len(nasty), count, accepted)
}

func (s System) wantRefusal(t *testing.T, what string, err error) {
	t.Helper()
	if runbooks.ClassOf(err) != runbooks.Refuse {
		t.Errorf("%s: %v is of class %s, want a refusal", what, err, runbooks.ClassOf(err))
	}
	if !utf8.ValidString(err.Error()) || strings.ContainsAny(err.Error(), "\x00\x1b\n") {
		t.Errorf("%s: the error %q cannot be shown", what, err.Error())
	}
}
