package desk_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/reviews"
)

// approveBook has the text of the runbook approved as it stands.
func (x *office) approveBook() workflows.RequestID {
	x.t.Helper()
	id := x.ask("ann", "approve-book")
	x.approve(id, "lea")
	return id
}

func (x *office) invocation(who string) desk.Invocation {
	return desk.Invocation{
		Cause: x.cause(), By: acting(who), Runbook: "failover", Incident: "INC-7", Reason: "down, " + secret, Channel: "slack", Authn: "slack-click",
	}
}

func (x *office) invoke(in desk.Invocation) desk.Invoked {
	x.t.Helper()
	out, err := x.desk.Invoke(x.t.Context(), in)
	if err != nil {
		x.t.Fatal(err)
	}
	x.check()
	return out
}

// An approved runbook grants at once, tells whom it skipped and opens its review, all in one transaction.
func TestInvoke(t *testing.T) {
	t.Parallel()
	x := open(t)
	approved := x.approveBook()
	if s := x.state(approved); s.Status != workflows.StatusApproved {
		t.Fatal(s.Status)
	}
	if v, err := x.desk.Look(t.Context(), approved); err != nil || v.Book == nil || v.Hold != nil || string(v.Book.Text) != bookText {
		t.Errorf("what was approved: %+v %v", v, err)
	}
	in := x.invocation("zed")
	in.Values = map[string]string{"host": "a"}
	size := len(x.entries())
	out := x.invoke(in)
	if out.Refusal != nil {
		t.Fatal(out.Refusal)
	}
	records := x.entries()[size:]
	same(t, "recorded", []string{"runbook runbook.invoked", "grant grant.approved", "review review.opened", "run run.opened"}, kinds(records))
	for _, r := range records {
		if r.Cause != string(in.Cause) || r.At != records[0].At {
			t.Errorf("not of the same transaction: %+v", r)
		}
	}
	e := records[0].Event.(incidents.Invoked)
	same(t, "skipped", persons("ann", "bob", "cho", "olga", "otto"), e.Skipped)
	g := records[1].Event.(grants.Approved)
	if g.Fields["host"] != "a" || g.Holder != "ZED" || g.EndsAt != out.EndsAt || g.EndsAt != records[0].At.UTC+1800e6 || g.Request != "" || len(g.Approvers) != 0 {
		t.Errorf("granted %+v", g)
	}
	r := records[2].Event.(reviews.Opened)
	if r.Invoker != "p_zed" || r.Owner != "p_rita" || r.DueAt != records[0].At.UTC+24*3600e6 || r.Grant != out.Grant {
		t.Errorf("review %+v", r)
	}
	same(t, "other reviewers", persons("rob", "lea"), r.Others)
	// The invoker is never the owner, though first on the list.
	second := x.invoke(x.invocation("rita"))
	if rev, err := x.desk.Review(t.Context(), second.Review); err != nil || rev.Opened.Owner != "p_rob" || slices.Contains(rev.Opened.Others, "p_rita") {
		t.Errorf("review of rita's own: %+v %v", rev.Opened, err)
	}
	// Two uses were approved.
	if out := x.invoke(x.invocation("zed")); code(out.Refusal) != workflows.CodeRunbook {
		t.Errorf("a third use: %v", out.Refusal)
	}
	x.refused("runbook/failover", "break glass", workflows.CodeRunbook)
}

func TestInvokeRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		edit   func(x *office, in *desk.Invocation)
		code   string
		stream workflows.StreamID
	}{
		{"no such runbook", func(_ *office, in *desk.Invocation) { in.Runbook = "nothing" }, workflows.CodeUnknown, workflows.SystemStream},
		{"not an invoker", func(_ *office, in *desk.Invocation) { in.By = acting("ann") }, workflows.CodeNotEligible, "runbook/failover"},
		{"guest", func(x *office, _ *desk.Invocation) { x.dir.is("zed", guest) }, workflows.CodeGuest, "runbook/failover"},
		{"inactive", func(x *office, _ *desk.Invocation) { x.dir.is("zed", inactive) }, workflows.CodeInactive, "runbook/failover"},
		{"unlinked", func(x *office, _ *desk.Invocation) { x.dir.is("zed", unlinked) }, workflows.CodeUnlinked, "runbook/failover"},
		{"robot", func(x *office, _ *desk.Invocation) { x.dir.is("zed", robot) }, workflows.CodeNotHuman, "runbook/failover"},
		{"directory down", func(x *office, _ *desk.Invocation) { x.dir.hush("zed") }, workflows.CodeDirectory, "runbook/failover"},
		{"no incident", func(_ *office, in *desk.Invocation) { in.Incident = "" }, workflows.CodeBadField, "runbook/failover"},
		{"free text as incident", func(_ *office, in *desk.Invocation) { in.Incident = "it broke " + secret }, workflows.CodeBadField, "runbook/failover"},
		{"field", func(_ *office, in *desk.Invocation) { in.Values = map[string]string{"host": secret} }, workflows.CodeBadField, "runbook/failover"},
		{"long reason", func(_ *office, in *desk.Invocation) { in.Reason = strings.Repeat("x", workflows.MaxReason+1) }, workflows.CodeTooLong, "runbook/failover"},
		{"text changed by a reload", func(x *office, _ *desk.Invocation) {
			x.load(func(d *draft) { d.texts["failover"] += "2. Drop the old one.\n" })
		}, workflows.CodeRunbook, "runbook/failover"},
		{"text changed while it is on its way", func(x *office, _ *desk.Invocation) {
			x.dir.meanwhile("zed", func() { x.load(func(d *draft) { d.texts["failover"] += "2. Drop the old one.\n" }) })
		}, workflows.CodeRunbook, "runbook/failover"},
		{"removed while it is on its way", func(x *office, _ *desk.Invocation) {
			x.dir.meanwhile("zed", func() { x.load(func(d *draft) { delete(d.books, "failover") }) })
		}, workflows.CodeUnknown, workflows.SystemStream},
		{"approval ran out", func(x *office, _ *desk.Invocation) { x.clock.Add(time.Hour) }, workflows.CodeRunbook, "runbook/failover"},
		{"only the invoker could review", func(x *office, _ *desk.Invocation) {
			x.load(func(d *draft) { d.books["failover"].Reviewers = named("zed") })
		}, workflows.CodeNobody, "runbook/failover"},
		{"reviewers cannot be asked", func(x *office, _ *desk.Invocation) {
			x.load(func(d *draft) {
				d.books["failover"].Reviewers = workflows.Selector{ChatGroups: []string{"@sec"}, People: persons("zed")}
			})
		}, workflows.CodeDirectory, "runbook/failover"},
		{"invokers cannot be asked", func(x *office, _ *desk.Invocation) {
			x.load(func(d *draft) {
				d.books["failover"].Invokers = workflows.Selector{ChatGroups: []string{"@sec"}, People: persons("rita")}
			})
		}, workflows.CodeDirectory, "runbook/failover"},
		{"no account there", func(x *office, _ *desk.Invocation) {
			x.load(func(d *draft) { d.books["failover"].Grant.Account = true; d.people["p_zed"] = desk.Person{ID: "p_zed"} })
		}, workflows.CodeNotInInventory, "runbook/failover"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			x := open(t)
			x.approveBook()
			in := x.invocation("zed")
			c.edit(x, &in)
			out := x.invoke(in)
			if code(out.Refusal) != c.code || out.Grant != "" || out.Review != "" {
				t.Fatalf("%+v, want %s", out, c.code)
			}
			x.refused(c.stream, "break glass", c.code)
			if all, err := x.desk.Grants(t.Context(), "", 0); err != nil || len(all) != 0 {
				t.Errorf("granted: %+v %v", all, err)
			}
			if all, err := x.desk.Reviews(t.Context(), "", 0); err != nil || len(all) != 0 {
				t.Errorf("to review: %+v %v", all, err)
			}
		})
	}
	t.Run("never approved", func(t *testing.T) {
		t.Parallel()
		x := open(t)
		if out := x.invoke(x.invocation("zed")); code(out.Refusal) != workflows.CodeRunbook {
			t.Errorf("%v", out.Refusal)
		}
	})
}

// An approval that is asked for while the text changes is of nothing any more.
func TestRunbookChangedWhileItsApprovalIsOpen(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*draft){
		"changed": func(d *draft) { d.texts["failover"] += " " },
		"removed": func(d *draft) { delete(d.books, "failover") },
	} {
		x := open(t)
		id := x.ask("ann", "approve-book")
		x.dir.meanwhile("lea", func() { x.load(edit) })
		x.vote(x.ballot("lea", id, workflows.Approve))
		if s := x.state(id); s.Status != workflows.StatusSuperseded {
			t.Errorf("%s: %s", name, s.Status)
		}
		if v, err := x.desk.Look(t.Context(), id); err != nil || v.Book != nil {
			t.Errorf("%s: its text is shown as what was asked for: %v", name, err)
		}
	}
}

// In an emergency a group of the chat that does not answer stops nobody who is named, and hides nobody who can be named.
func TestInvokeWithoutTheChat(t *testing.T) {
	t.Parallel()
	x := open(t)
	x.load(func(d *draft) {
		silent := []string{"@silent"}
		b := d.books["failover"]
		b.Invokers.ChatGroups, b.Reviewers = silent, workflows.Selector{ChatGroups: silent, People: persons("zed", "rob")}
		d.flows["prod-db"].Stages[0].Approvers.ChatGroups = silent
	})
	x.approveBook()
	out := x.invoke(x.invocation("zed"))
	if out.Refusal != nil {
		t.Fatal(out.Refusal)
	}
	s, err := incidents.Fold(x.history("runbook/failover"))
	if err != nil {
		t.Fatal(err)
	}
	use, _ := s.UseOf(out.Grant)
	same(t, "told", persons("ann", "bob", "cho", "olga", "otto"), use.Skipped)
	h, err := x.desk.Grant(t.Context(), out.Grant)
	if err != nil {
		t.Fatal(err)
	}
	x.dir.hush("zed")
	if why, err := x.desk.MayStart(t.Context(), h.Stream, h.Hold); why != "" || err != nil {
		t.Errorf("break glass waits for the directory: %q %v", why, err)
	}
	x.dir.is("zed", unknown)
	x.dir.hush()
	if why, err := x.desk.MayStart(t.Context(), h.Stream, h.Hold); why != "" || err != nil {
		t.Errorf("break glass waits for the directory: %q %v", why, err)
	}
	x.dir.is("zed", inactive)
	if why, err := x.desk.MayStart(t.Context(), h.Stream, h.Hold); why == "" || err != nil {
		t.Errorf("somebody who was thrown out breaks the glass: %v", err)
	}
	if err := x.desk.GrantFailed(t.Context(), "", h.Stream, h.Hold, "unreachable"); err != nil {
		t.Fatal(err)
	}
	x.check()
}

// A chain that is skipped and is not there any more skips nobody; a runbook that is not there any more is not invoked twice.
func TestInvokeTwice(t *testing.T) {
	t.Parallel()
	x := open(t)
	x.approveBook()
	x.load(func(d *draft) { delete(d.flows, "prod-db") })
	in := x.invocation("zed")
	first := x.invoke(in)
	if first.Refusal != nil {
		t.Fatal(first.Refusal)
	}
	x.load(func(d *draft) { d.texts["failover"] += " " })
	same(t, "after a change", first, x.invoke(in))
	x.load(func(d *draft) { delete(d.books, "failover") })
	same(t, "after its removal", first, x.invoke(in))
	if n := x.tap.times(in.Cause); n != 1 {
		t.Errorf("decided %d times", n)
	}
}

// Eight people on the list at once, two uses: two grants; the second falls under the review of the first, as it is the same incident.
func TestUsesAreCountedOnce(t *testing.T) {
	t.Parallel()
	x := open(t)
	x.load(func(d *draft) { d.books["failover"].Invokers = named(listed[:8]...) })
	x.approveBook()
	var calls []func() (desk.Invoked, error)
	for _, who := range listed[:8] {
		in := x.invocation(who)
		calls = append(calls, func() (desk.Invoked, error) { return x.desk.Invoke(t.Context(), in) })
	}
	granted := 0
	for _, out := range together(t, calls...) {
		switch code(out.Refusal) {
		case "":
			granted++
		case workflows.CodeRunbook:
		default:
			t.Errorf("%v", out.Refusal)
		}
	}
	x.check()
	if all, err := x.desk.Reviews(t.Context(), "", 0); err != nil || granted != 2 || len(all) == 0 || len(all[0].Grants())+len(all[len(all)-1].Grants()) != map[bool]int{true: 4, false: 2}[len(all) == 1] {
		t.Errorf("%d grants, %d reviews: %v", granted, len(all), err)
	}
}

func TestCloseReview(t *testing.T) {
	t.Parallel()
	x := open(t)
	x.approveBook()
	id := x.invoke(x.invocation("zed")).Review
	x.dir.is("rob", guest)
	closing := func(who string, v reviews.Verdict, note string) desk.Answer {
		t.Helper()
		a, err := x.desk.Close(t.Context(), desk.Review{Cause: x.cause(), By: acting(who), Review: id, Verdict: v, Note: note, Channel: "slack", Authn: "slack-click"})
		if err != nil {
			t.Fatal(err)
		}
		x.check()
		return a
	}
	long := "looked at it with " + secret
	for _, c := range []struct {
		who  string
		v    reviews.Verdict
		note string
		code string
	}{
		{"zed", reviews.Emergency, long, workflows.CodeReviewer},
		{"nia", reviews.Emergency, long, workflows.CodeUnknown},
		{"rob", reviews.Emergency, long, workflows.CodeGuest},
		{"lea", "fine", long, workflows.CodeBadField},
		{"lea", reviews.Emergency, "ok", workflows.CodeReasonNeeded},
	} {
		if a := closing(c.who, c.v, c.note); code(a.Refusal) != c.code {
			t.Errorf("%s: %v", c.who, a.Refusal)
		}
		x.refused(workflows.ReviewStream(id), "review", c.code)
	}
	if open, err := x.desk.Reviews(t.Context(), "p_lea", 0); err != nil || len(open) != 1 || open[0].ID != id {
		t.Errorf("to review: %+v %v", open, err)
	}
	x.clock.Add(24 * time.Hour)
	x.tick(workflows.ReviewStream(id))
	x.tick(workflows.ReviewStream(id))
	if s, err := x.desk.Review(t.Context(), id); err != nil || !s.Late {
		t.Errorf("not late: %v", err)
	}
	if a := closing("lea", reviews.Emergency, long); a.Refusal != nil {
		t.Fatal(a.Refusal)
	}
	if a := closing("rita", reviews.Misuse, long); code(a.Refusal) != workflows.CodeDecided {
		t.Errorf("twice: %v", a.Refusal)
	}
	if open, err := x.desk.Reviews(t.Context(), "p_lea", 0); err != nil || len(open) != 0 {
		t.Errorf("still to review: %+v %v", open, err)
	}
	id = "v_none"
	if a := closing("nia", reviews.Emergency, long); code(a.Refusal) != workflows.CodeUnknown {
		t.Errorf("no such review: %v", a.Refusal)
	}
	x.refused(workflows.SystemStream, "review", workflows.CodeUnknown)
}

// Who was told is recorded once, and only while it is owed: on every kind of stream that owes.
func TestNotices(t *testing.T) {
	t.Parallel()
	x := open(t)
	request := x.ask("zed", "pair")
	x.approve(request, "ann", "bob")
	stream, _ := x.start(request)
	x.approveBook()
	in := x.invoke(x.invocation("zed"))
	ctx := t.Context()
	for _, s := range []workflows.StreamID{workflows.RequestStream(request), stream, "runbook/failover", workflows.ReviewStream(in.Review)} {
		o, err := desk.Outstanding(s, x.history(s))
		if err != nil {
			t.Fatal(err)
		}
		told := 0
		for _, j := range o.Jobs {
			if j.Kind != workflows.JobNotice {
				continue
			}
			n, owed, err := x.desk.Notice(ctx, s, j.Key)
			if err != nil || !owed || n.ID != j.Key {
				t.Fatalf("%s %s: %+v %v", s, j.Key, n, err)
			}
			size := len(x.entries())
			tell := func() error {
				return x.desk.Delivered(ctx, "", s, workflows.NoticeDelivered{Notice: j.Key, Via: "slack", Place: secret})
			}
			if told++; told%2 == 0 {
				tell = func() error {
					return x.desk.Undelivered(ctx, "", s, workflows.NoticeUndelivered{Notice: j.Key, Why: "channel_not_found"})
				}
			}
			if err := errors.Join(tell(), tell()); err != nil {
				t.Fatal(err)
			}
			x.check()
			if _, owed, _ := x.desk.Notice(ctx, s, j.Key); owed || len(x.entries()) != size+1 {
				t.Errorf("%s %s: still owed: %t, %d entries", s, j.Key, owed, len(x.entries())-size)
			}
		}
		if told == 0 {
			t.Errorf("%s owed nothing", s)
		}
	}
	if err := x.desk.Delivered(ctx, "", "request/none", workflows.NoticeDelivered{}); !errors.Is(err, workflows.ErrNoStream) {
		t.Errorf("no such request: %v", err)
	}
	if _, _, err := x.desk.Notice(ctx, "person/p_zed", "x"); err == nil {
		t.Error("a notice on a stream that has none")
	}
	if err := x.desk.Tick(ctx, "runbook/failover"); err != nil {
		t.Errorf("waking a stream without deadlines: %v", err)
	}
}

// When nobody who was asked can be told, the stage widens at once.
func TestUnreachableApproversEscalate(t *testing.T) {
	t.Parallel()
	x := open(t)
	id := x.ask("zed", "prod-db")
	s := workflows.RequestStream(id)
	for _, p := range []string{"ann", "bob"} {
		if err := x.desk.Undelivered(context.Background(), "", s, workflows.NoticeUndelivered{Notice: "ask/0/p_" + p, Why: "user_disabled"}); err != nil {
			t.Fatal(err)
		}
		x.check()
	}
	x.tick(s)
	if !x.state(id).Stages[0].Escalated {
		t.Error("not escalated")
	}
}
