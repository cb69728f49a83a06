package desk_test

import (
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// A chain may want a reason for revoking and for taking an approval back.
func TestReasonsForVerbs(t *testing.T) {
	t.Parallel()
	x := on(t, monday, func(d *draft) {
		flow(d, "x", func(w *workflows.Workflow) {
			w.ReasonFor = []string{workflows.VerbRevoke, workflows.VerbTakeBack, workflows.VerbApprove}
		}, stage("peers", 2, named("ann", "bob")))
	})
	id := x.ask("zed", "x")
	if a := x.vote(x.ballot("ann", id, workflows.Approve)); code(a.Refusal) != workflows.CodeReasonNeeded {
		t.Errorf("approving: %v", a.Refusal)
	}
	for _, who := range []string{"ann", "bob"} {
		b := x.ballot(who, id, workflows.Approve)
		b.Reason = "fine, " + secret
		x.vote(b)
	}
	a, err := x.desk.TakeBack(t.Context(), desk.Change{Cause: x.cause(), By: acting("ann"), Request: id, Channel: "slack"})
	if err != nil || code(a.Refusal) != workflows.CodeReasonNeeded {
		t.Errorf("taking back: %v %v", a.Refusal, err)
	}
	_, g := x.start(id)
	a, err = x.desk.End(t.Context(), desk.EndGrant{Cause: x.cause(), By: acting("sam"), Grant: g, How: grants.HowRevoked, Channel: "slack"})
	if err != nil || code(a.Refusal) != workflows.CodeReasonNeeded {
		t.Errorf("revoking: %v %v", a.Refusal, err)
	}
	if a := x.end("sam", g, grants.HowRevoked); a.Refusal != nil {
		t.Error(a.Refusal)
	}
}

// A delegate whom a part leaves out sits in none, and one whom nobody can ask about cannot be named.
func TestDelegatesThatCannotBe(t *testing.T) {
	t.Parallel()
	x := on(t, monday, func(d *draft) {
		st := stage("both", 2, workflows.Selector{})
		out := named("ann")
		out.Exclude = persons("dan")
		st.Parts = []workflows.Part{{Name: "one", Approvers: out, Quorum: 1}, {Name: "two", Approvers: named("bob", "cho"), Quorum: 1}}
		flow(d, "x", nil, st)
	})
	x.away("ann", "dan", 0, 48*time.Hour)
	x.away("bob", "dan", 0, 48*time.Hour)
	if got := seats(x.state(x.ask("zed", "x")).Stages[0]); got != "ann(away)[0] bob(away)[1] cho[1] dan(for bob)[1]" {
		t.Errorf("asked %q", got)
	}
	x.dir.hush("gus")
	a, err := x.desk.GoAway(t.Context(), desk.Leave{Cause: x.cause(), By: acting("cho"), Until: x.now().Add(time.Hour), Delegate: "p_gus", Channel: "slack"})
	if err != nil || code(a.Refusal) != workflows.CodeAway {
		t.Errorf("%v %v", a.Refusal, err)
	}
	x.dir.hush()
	id := x.ask("nia", "x")
	x.load(func(d *draft) { delete(d.people, "p_dan") })
	if a := x.vote(x.ballot("dan", id, workflows.Approve)); a.Refusal == nil {
		t.Error("a delegate who left the people file decided")
	}
}

// The approval of a runbook can be offered for a shorter time.
func TestOfferOnARunbook(t *testing.T) {
	t.Parallel()
	x := open(t)
	s := x.submission("zed", "approve-book")
	s.Form.Seconds = 7 * 24 * 3600
	id := x.submit(s).ID
	if got := x.counter("lea", id, workflows.Terms{Seconds: 24 * 3600}); got != "" {
		t.Fatal(got)
	}
	out := x.accept("zed", id)
	if out.Refusal != nil || x.state(out.ID).Status != workflows.StatusApproved {
		t.Fatalf("%v", out.Refusal)
	}
	views, err := x.desk.Runbooks(t.Context(), "p_zed", x.now())
	if err != nil || len(views) != 1 || views[0].No != nil || views[0].Until != x.now().Add(24*time.Hour) {
		t.Errorf("%+v %v", views, err)
	}
}

// Hours in which somebody never works are waited for by nobody.
func TestSomebodyWhoNeverWorks(t *testing.T) {
	t.Parallel()
	x := on(t, monday, func(d *draft) {
		p := d.people["p_ann"]
		p.Zone, p.Hours = "UTC", "Mon 09:00-10:00"
		d.people["p_ann"] = p
		st := stage("one", 1, named("ann", "bob"))
		st.RemindWorking, st.OffHours, st.Timeout = 9000*3600, workflows.OffHoursWait, 4*3600
		flow(d, "x", nil, st)
	})
	s := x.state(x.ask("zed", "x")).Stages[0]
	if s.RemindAt != s.TimesOutAt { // kept within the stage
		t.Errorf("reminded at %s, over at %s", s.RemindAt, s.TimesOutAt)
	}
}
