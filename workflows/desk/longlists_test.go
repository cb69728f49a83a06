package desk_test

import (
	"slices"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/incidents"
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
	t.Run("incidents are listed, and the next is numbered after all of them", func(t *testing.T) {
		t.Parallel()
		x := open(t)
		for _, id := range []string{"INC-900", "INC-5", ""} { // the number that counts is neither the newest nor the first by name
			if got, no := x.incident("zed", incidents.ActOpen, id, "The shop is down", 2, "", ""); no != nil || id == "" && got != "INC-901" {
				t.Fatalf("opened %q as %q: %v", id, got, no)
			}
			x.clock.Add(time.Minute)
		}
		if _, no := x.incident("zed", incidents.ActClose, "INC-5", "It is up again.", 0, "", ""); no != nil {
			t.Fatal(no)
		}
		for _, c := range []struct {
			all   bool
			limit int
			want  []string
		}{{true, 0, []string{"INC-901", "INC-5", "INC-900"}}, {false, 0, []string{"INC-901", "INC-900"}}, {true, 1, []string{"INC-901"}}} {
			list, err := x.desk.Incidents(t.Context(), c.all, c.limit)
			var got []string
			for _, i := range list {
				got = append(got, i.ID)
			}
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("all %v, limit %d: %v %v, want %v", c.all, c.limit, got, err, c.want)
			}
		}
	})
	t.Run("access and requests are listed, newest first, and found by the ends of their ids", func(t *testing.T) {
		t.Parallel()
		x := open(t)
		var ids []workflows.RequestID
		for _, flow := range []workflows.WorkflowID{"ticket", "x", "x"} {
			s := x.submission("zed", flow)
			if flow == "ticket" {
				s.Form.Values["ticket"] = "OPS-7"
			}
			id := x.submit(s).ID
			ids = append([]workflows.RequestID{id}, ids...)
			x.clock.Add(time.Minute)
		}
		var mine []workflows.RequestID
		views, err := x.desk.Requests(t.Context(), workflows.ListMine, "p_zed", 0)
		for _, v := range views {
			mine = append(mine, v.State.ID)
		}
		if err != nil || !slices.Equal(mine, ids) {
			t.Errorf("zed's requests are %v %v, want %v", mine, err, ids)
		}
		for _, id := range ids {
			for who, want := range map[workflows.PersonID][]workflows.RequestID{"p_zed": {id}, "p_ann": {id}, "p_nia": nil} {
				if got, err := x.desk.RequestsEnding(t.Context(), who, string(id[len(id)-8:])); err != nil || !slices.Equal(got, want) {
					t.Errorf("%s finds %v %v by the end of %s", who, got, err, id)
				}
			}
		}
	})
	t.Run("all that somebody holds", func(t *testing.T) {
		t.Parallel()
		x := on(t, monday, func(d *draft) {
			for _, e := range []workflows.WorkflowID{"reader", "writer", "admin"} {
				flow(d, e, nil, stage("peers", 1, named("ann")))
			}
		})
		x.tap.gives(1)
		for _, flow := range []workflows.WorkflowID{"reader", "writer", "admin"} {
			id := x.ask("zed", flow)
			x.approve(id, "ann")
			x.start(id)
		}
		for _, who := range []workflows.PersonID{"p_zed", ""} {
			if held, err := x.desk.Grants(t.Context(), who, 0); err != nil || len(held) != 3 {
				t.Errorf("%q holds %d, want 3: %v", who, len(held), err)
			}
		}
	})
}
