package desk_test

import (
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// What is wrong with time off is said in exact words, and none of it is put down.
func TestTimeOffRefused(t *testing.T) {
	t.Parallel()
	x := open(t)
	x.away("bob", "", 2*time.Hour, 4*time.Hour)
	x.dir.is("ida", unlinked)
	x.dir.is("rita", guest)
	now := x.now()
	in := func(d time.Duration) workflows.Stamp { return now.Add(d) }
	for _, c := range []struct {
		name, who, code, says string
		leave                 desk.Leave
	}{
		{"over before it begins", "ann", workflows.CodeAway, "Your time off would be over before it begins.", desk.Leave{From: in(2 * time.Hour), Until: in(time.Hour)}},
		{"in one's own place", "ann", workflows.CodeAway, "You cannot decide in your own place while you are away.", desk.Leave{Until: in(time.Hour), Delegate: "p_ann"}},
		{"a reason without end", "ann", workflows.CodeTooLong, "", desk.Leave{Until: in(time.Hour), Reason: strings.Repeat("x", workflows.MaxReason+1)}},
		{"a guest in one's place", "ann", workflows.CodeAway, "", desk.Leave{Until: in(time.Hour), Delegate: "p_rita"}},
		{"an unlinked account", "ida", workflows.CodeUnlinked, "", desk.Leave{Until: in(time.Hour)}},
		{"into time off that is announced", "bob", workflows.CodeAway, "", desk.Leave{From: in(time.Hour), Until: in(3 * time.Hour)}},
		{"around time off that is announced", "bob", workflows.CodeAway, "", desk.Leave{From: in(time.Hour), Until: in(5 * time.Hour)}},
		{"up to time off that is announced", "bob", "", "", desk.Leave{From: in(time.Hour), Until: in(2 * time.Hour)}},
		{"right after it", "bob", "", "", desk.Leave{From: in(4 * time.Hour), Until: in(5 * time.Hour)}},
	} {
		before, err := x.desk.AwayNow(t.Context(), person(c.who))
		if err != nil {
			t.Fatal(err)
		}
		c.leave.Cause, c.leave.By, c.leave.Channel = x.cause(), acting(c.who), "slack"
		a, err := x.desk.GoAway(t.Context(), c.leave)
		if err != nil || code(a.Refusal) != c.code || c.says != "" && a.Refusal.Sentence != c.says {
			t.Errorf("%s: %+v %v", c.name, a.Refusal, err)
		}
		after, err := x.desk.AwayNow(t.Context(), person(c.who))
		if err != nil {
			t.Fatal(err)
		}
		if added := len(after) - len(before); (added == 1) != (c.code == "") {
			t.Errorf("%s: %d more times off", c.name, added)
		}
		x.check()
	}
}
