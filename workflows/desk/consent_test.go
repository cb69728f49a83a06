package desk_test

import (
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

// Nobody objected within the time: the last stage is satisfied by that, if enough heard of it.
func TestConsent(t *testing.T) {
	t.Parallel()
	consent := func(d *draft) {
		last := stage("team", 2, named("bob", "cho"))
		last.Kind, last.Timeout = workflows.StageConsent, 3600
		flow(d, "x", nil, stage("peers", 1, named("ann")), last)
	}
	tell := func(x *office, id workflows.RequestID, who ...string) {
		t.Helper()
		for _, w := range who {
			err := x.desk.Delivered(t.Context(), x.cause(), workflows.RequestStream(id), workflows.NoticeDelivered{Notice: "ask/1/p_" + w, Via: "slack"})
			if err != nil {
				t.Fatal(err)
			}
		}
		x.check()
	}
	for _, c := range []struct {
		name string
		do   func(*office, workflows.RequestID)
		want workflows.Status
	}{
		{"all heard and nobody objects", func(x *office, id workflows.RequestID) { tell(x, id, "bob", "cho") }, workflows.StatusApproved},
		{"too few heard", func(x *office, id workflows.RequestID) { tell(x, id, "bob") }, workflows.StatusTimedOut},
		{"somebody objects", func(x *office, id workflows.RequestID) {
			tell(x, id, "bob", "cho")
			x.vote(x.ballot("cho", id, workflows.Deny))
		}, workflows.StatusDenied},
		{"who approved before is gone", func(x *office, id workflows.RequestID) { tell(x, id, "bob", "cho"); x.dir.is("ann", inactive) }, workflows.StatusSuperseded},
		{"the chain is gone", func(x *office, id workflows.RequestID) {
			tell(x, id, "bob", "cho")
			x.load(func(d *draft) { delete(d.flows, "x") })
		}, workflows.StatusSuperseded},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			x := on(t, monday, consent)
			id := x.ask("zed", "x")
			x.approve(id, "ann")
			c.do(x, id)
			x.tick(workflows.RequestStream(id))
			x.clock.Add(time.Hour)
			x.tick(workflows.RequestStream(id))
			s := x.state(id)
			if s.Status != c.want {
				t.Fatalf("%s %s", s.Status, s.Why)
			}
			if g := x.holds(workflows.GrantStream("p_zed", "bastion", "x")); (len(g.Holds) == 1) != (c.want == workflows.StatusApproved) {
				t.Errorf("%d grants", len(g.Holds))
			}
		})
	}
	t.Run("who approved before cannot be asked", func(t *testing.T) {
		t.Parallel()
		x := on(t, monday, consent)
		id := x.ask("zed", "x")
		x.approve(id, "ann")
		tell(x, id, "bob", "cho")
		x.clock.Add(time.Hour)
		x.dir.hush("ann")
		if err := x.desk.Tick(t.Context(), workflows.RequestStream(id)); err == nil || x.state(id).Final() {
			t.Errorf("%s: %v", x.state(id).Status, err)
		}
		x.dir.hush()
		x.tick(workflows.RequestStream(id))
		if s := x.state(id); s.Status != workflows.StatusApproved {
			t.Errorf("%s", s.Status)
		}
	})
}
