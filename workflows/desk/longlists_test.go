package desk_test

import (
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// TestLongListsAreGoneThroughToTheirEnd: a store gives a thousand streams of a list at once, here one. What must reach all of them does.
func TestLongListsAreGoneThroughToTheirEnd(t *testing.T) {
	t.Parallel()
	open := func(t *testing.T) *office {
		x := on(t, monday, func(d *draft) {
			flow(d, "x", nil, stage("peers", 1, named("ann")))
			flow(d, "ticket", func(w *workflows.Workflow) { w.EndsWith = "ticket" }, stage("peers", 1, named("ann")))
		})
		x.tap.gives(1)
		return x
	}
	askers := []string{"zed", "nia", "gus"}
	t.Run("a reload judges every open request", func(t *testing.T) {
		t.Parallel()
		x := open(t)
		var ids []workflows.RequestID
		for _, who := range askers {
			ids = append(ids, x.ask(who, "x"))
		}
		x.load(func(d *draft) { delete(d.flows, "x") })
		for _, id := range ids {
			if s := x.state(id); s.Status != workflows.StatusSuperseded {
				t.Errorf("%s is %s under documents without its workflow", id, s.Status)
			}
		}
	})
	t.Run("a closed ticket ends all access that hangs on it", func(t *testing.T) {
		t.Parallel()
		x := open(t)
		var ids []workflows.RequestID
		for _, who := range askers {
			s := x.submission(who, "ticket")
			s.Form.Values["ticket"] = "OPS-7"
			id := x.submit(s).ID
			x.approve(id, "ann")
			x.start(id)
			ids = append(ids, id)
		}
		if n, err := x.desk.CloseTicket(t.Context(), "api/1", acting("sam"), "OPS-7"); n != len(ids) || err != nil {
			t.Errorf("%d of %d ended: %v", n, len(ids), err)
		}
		for _, id := range ids {
			if _, h := x.hold(id); h.Status != grants.StatusEnding {
				t.Errorf("%s: %s", id, h.Status)
			}
		}
	})
	t.Run("a delegate may decide all that waits", func(t *testing.T) {
		t.Parallel()
		x := open(t)
		var ids []workflows.RequestID
		for _, who := range askers {
			ids = append(ids, x.ask(who, "x"))
		}
		x.away("ann", "dan", 0, 48*time.Hour)
		for _, id := range ids {
			if a := x.vote(x.ballot("dan", id, workflows.Approve)); a.Refusal != nil {
				t.Errorf("%s: %v", id, a.Refusal)
			}
		}
	})
}
