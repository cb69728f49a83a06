package desk_test

import (
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

// T39: who asks until somebody is tired does not get through. The same ask again opens nothing and pages nobody; where a chain says how often, three
// denials are an hour's pause, also over a withdrawal; and nobody has more than a few requests open, whatever chains they spread them over, while
// others may go on asking. Every refusal is an entry of its own.
func TestThreat_T39_AskingUntilSomebodyIsTired(t *testing.T) {
	t.Parallel()
	t.Run("the same again", func(t *testing.T) {
		t.Parallel()
		x := open(t)
		first := x.submission("zed", "shell")
		if out := x.submit(first); out.Refusal != nil {
			t.Fatal(out.Refusal)
		}
		before := len(x.entries())
		for range 30 {
			again := first
			again.Cause = x.cause()
			if out := x.submit(again); code(out.Refusal) != workflows.CodeAsked || out.ID != "" {
				t.Fatalf("asked again: %v, %q", out.Refusal, out.ID)
			}
			x.clock.Add(time.Second)
		}
		if n := len(x.entries()); n != before+30 {
			t.Errorf("%d entries for 30 refusals", n-before)
		}
		list, err := x.store.List(t.Context(), workflows.ListAll, "", 0)
		if err != nil || len(list) != 1 {
			t.Errorf("%d requests are open, and so many times people are paged: %v", len(list), err)
		}
	})
	t.Run("denied three times", func(t *testing.T) {
		t.Parallel()
		x := on(t, monday, func(d *draft) {
			flow(d, "x", func(w *workflows.Workflow) { w.Often = &workflows.Often{Times: 3, Per: 3600} }, stage("peers", 1, named("ann")))
		})
		for range 3 {
			id := x.ask("zed", "x")
			if a := x.vote(x.ballot("ann", id, workflows.Deny)); a.Refusal != nil {
				t.Fatal(a.Refusal)
			}
			x.clock.Add(time.Minute)
		}
		for range 56 {
			if out := x.submit(x.submission("zed", "x")); code(out.Refusal) != workflows.CodeTooOften {
				t.Fatalf("within the hour: %v", out.Refusal)
			}
			x.clock.Add(time.Minute)
		}
		x.clock.Add(time.Minute + time.Second) // an hour after the first
		if a := x.withdraw("zed", x.ask("zed", "x")); a.Refusal != nil {
			t.Fatal(a.Refusal)
		}
		if out := x.submit(x.submission("zed", "x")); code(out.Refusal) != workflows.CodeTooOften {
			t.Errorf("a withdrawal gives the ask back: %v", out.Refusal)
		}
	})
	t.Run("many open", func(t *testing.T) {
		t.Parallel()
		x := on(t, monday, func(d *draft) {
			flow(d, "x", func(*workflows.Workflow) {}, stage("peers", 1, named("ann")))
			flow(d, "y", func(*workflows.Workflow) {}, stage("peers", 1, named("ann")))
		})
		flows := []workflows.WorkflowID{"x", "y"}
		var last workflows.RequestID
		for i := range workflows.MaxOpenPerson {
			last = x.ask("zed", flows[i%2])
		}
		for _, f := range flows {
			if out := x.submit(x.submission("zed", f)); code(out.Refusal) != workflows.CodeTooMany {
				t.Errorf("one too many by %s: %v", f, out.Refusal)
			}
		}
		x.ask("nia", "x")
		if a := x.withdraw("zed", last); a.Refusal != nil {
			t.Fatal(a.Refusal)
		}
		x.ask("zed", "y")
	})
}
