package workflows_test

import (
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/storytest"
)

// Somebody who goes away while a stage is open names who decides in their place: the two count as one, and nobody comes on who could not decide.
func TestStandInWhileAStageIsOpen(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, chain, before, away, delegate string
		steps, roster, want                 string // who sits there, in whose place; and what the story comes to
	}{
		{
			name: "a delegate", chain: "peers(ann bob)x2 timeout 4h", before: "zed submits", away: "ann", delegate: "dave",
			roster: "ann bob dave~ann", steps: "dave approves; bob approves", want: "approved",
		},
		{
			name: "the two are one", chain: "peers(ann bob)x2 timeout 4h", before: "zed submits", away: "ann", delegate: "dave",
			roster: "ann bob dave~ann", steps: "dave approves; ann approves !already_voted", want: "open",
		},
		{
			name: "who asked", chain: "peers(ann bob)x2 timeout 4h", before: "zed submits", away: "ann", delegate: "zed",
			roster: "ann bob", want: "open",
		},
		{
			name: "who sits there anyway", chain: "peers(ann bob)x2 timeout 4h", before: "zed submits", away: "ann", delegate: "bob",
			roster: "ann bob", want: "open",
		},
		{
			name: "of somebody who is not asked", chain: "peers(ann bob)x2 timeout 4h", before: "zed submits", away: "carl", delegate: "dave",
			roster: "ann bob", want: "open",
		},
		{
			name: "of somebody who has decided", chain: "peers(ann bob)x2 timeout 4h", before: "zed submits; ann approves", away: "ann", delegate: "dave",
			roster: "ann bob", want: "open",
		},
		{
			name: "when it is over", chain: "peers(ann bob)x1 timeout 4h", before: "zed submits; bob approves", away: "ann", delegate: "dave",
			roster: "ann bob", want: "approved",
		},
		{
			name: "who approved a stage before this one", chain: "peers(carl)x1 timeout 4h > owner(ann bob)x1 timeout 2h", before: "zed submits; carl approves", away: "ann",
			delegate: "carl", roster: "ann bob", want: "open",
		},
		{
			name: "not of a delegate", chain: "peers(ann- dave~ann bob)x2 timeout 4h", before: "zed submits", away: "dave", delegate: "erin",
			roster: "ann dave~ann bob", want: "open",
		},
	} {
		x := told(t, c.chain, c.before)
		out, err := workflows.StandIn(x.l.Facts(), x.id, person(c.away), person(c.delegate))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if _, err := x.take(out, nil); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		s := x.mustState(t)
		if got := seated(s.Stages[min(s.Current, len(s.Stages)-1)]); got != c.roster {
			t.Errorf("%s: %q sit there, want %q", c.name, got, c.roster)
		}
		if c.steps != "" {
			x.plays(t, c.name, c.steps)
		}
		if s := x.mustState(t); string(s.Status) != c.want {
			t.Errorf("%s: %s, want %s", c.name, s.Status, c.want)
		}
		x.check(t)
	}
	if _, err := workflows.StandIn(workflows.Facts{}, "r_none", "p_ann", "p_dave"); err != workflows.ErrNoStream {
		t.Errorf("of no request: %v", err)
	}
}

// seated draws a roster: "ann bob dave~ann".
func seated(st workflows.StageState) string {
	text := ""
	for i, seat := range st.Roster {
		if i > 0 {
			text += " "
		}
		text += string(seat.Person)[2:]
		if seat.For != "" {
			text += "~" + string(seat.For)[2:]
		}
	}
	return text
}

// plays goes on with a story.
func (x *world) plays(t *testing.T, name, steps string) {
	t.Helper()
	for _, step := range strings.Split(steps, "; ") {
		words, want := storytest.Words(step)
		if got, err := x.step(words); err != nil || got != want {
			t.Fatalf("%s: at %q: refused with %q, want %q: %v", name, step, got, want, err)
		}
	}
}
