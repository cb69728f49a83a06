package desk_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// world is a task source and a posture source that say what they are told.
type world struct {
	mu     sync.Mutex
	tasks  map[string]workflows.Task
	claims map[string]workflows.Posture // holder claim
	down   bool                         // nothing answers
	mute   bool                         // no claim does
	asked  int
}

var errDown = errors.New("the source is down")

func (w *world) Name() string { return "jira" }

func (w *world) Covers(ref string) bool { return strings.HasPrefix(ref, "OPS-") }

func (w *world) Task(_ context.Context, ref string) (workflows.Task, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	if w.down {
		return workflows.Task{}, errDown
	}
	if t, ok := w.tasks[ref]; ok {
		return t, nil
	}
	return workflows.Task{Source: "jira", Ref: ref, Exists: true, Open: true, Status: "In Progress"}, nil
}

func (w *world) Posture(_ context.Context, holder workflows.IdentityID, claim string) (workflows.Posture, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down || w.mute {
		return workflows.Posture{}, errDown
	}
	return w.claims[string(holder)+" "+claim], nil
}

func (w *world) set(fn func(*world)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fn(w)
}

// equipped is an office whose desk can ask about tickets and devices.
func equipped(t *testing.T, edit func(*draft)) (*office, *world) {
	t.Helper()
	x := open(t)
	w := &world{tasks: map[string]workflows.Task{}, claims: map[string]workflows.Posture{}}
	x.desk = desk.New(desk.Config{Ledger: x.tap, Directory: x.dir, IDs: x.ids, Log: x.log(), Tasks: []desk.TaskSource{w}, Postures: []desk.PostureSource{w}})
	x.load(edit)
	return x, w
}

// active is access that has been asked for, approved and made.
func (x *office) active(who string, flow workflows.WorkflowID, approvers ...string) (workflows.StreamID, workflows.GrantID) {
	x.t.Helper()
	return x.makes(x.submission(who, flow), approvers...)
}

func (x *office) makes(s desk.Submission, approvers ...string) (workflows.StreamID, workflows.GrantID) {
	x.t.Helper()
	out := x.submit(s)
	if out.Refusal != nil {
		x.t.Fatal(out.Refusal)
	}
	x.approve(out.ID, approvers...)
	stream, h := x.hold(out.ID)
	if why, err := x.desk.MayStart(x.t.Context(), stream, h); why != "" || err != nil {
		x.t.Fatalf("may not start: %q %v", why, err)
	}
	if err := x.desk.GrantStarted(x.t.Context(), "", stream, grants.Started{Grant: h.Approved.Grant, Ref: "1"}); err != nil {
		x.t.Fatal(err)
	}
	return stream, h.Approved.Grant
}

func (x *office) status(stream workflows.StreamID, g workflows.GrantID) grants.Status {
	x.t.Helper()
	h, ok := x.holds(stream).Find(g)
	if !ok {
		x.t.Fatalf("no grant %s", g)
	}
	return h.Status
}

func (x *office) verify() desk.Verification {
	x.t.Helper()
	v, err := x.desk.Verify(x.t.Context(), grants.CheckSchedule)
	if err != nil {
		x.t.Fatal(err)
	}
	x.check()
	return v
}

// pass lets time go by as serve does: a verification every three minutes, and whatever is due.
func (x *office) pass(d time.Duration) {
	x.t.Helper()
	for end := d; end > 0; end -= 30 * time.Minute {
		x.clock.Add(min(end, 30*time.Minute))
		x.verify()
		err := x.desk.EachLive(x.t.Context(), func(s workflows.StreamID, _ grants.State) error { return x.desk.Tick(x.t.Context(), s) })
		if err != nil {
			x.t.Fatal(err)
		}
	}
}

// R25, R55: whatever ends first ends it: its own end, giving it back, the ticket's closing or window, somebody's leaving, an identity's
// expiry, a claim that stops to hold, documents that no longer allow it, a quarantine.
func TestReq_R25_EachTriggerEndsAccess(t *testing.T) {
	t.Parallel()
	var ticket string
	for _, c := range []struct {
		name, why string
		ends      func(x *office, w *world, g workflows.GrantID)
	}{
		{"expiry", "", func(x *office, _ *world, _ workflows.GrantID) { x.pass(time.Hour) }},
		{"given back", "", func(x *office, _ *world, g workflows.GrantID) {
			if _, err := x.desk.End(x.t.Context(), desk.EndGrant{By: acting("zed"), Grant: g, How: grants.HowReturned}); err != nil {
				x.t.Fatal(err)
			}
		}},
		{"the ticket is closed, by an event", "was closed", func(x *office, _ *world, _ workflows.GrantID) {
			if n, err := x.desk.CloseTicket(x.t.Context(), "", workflows.System, ticket); n != 1 || err != nil {
				x.t.Fatal(n, err)
			}
		}},
		{"the ticket is closed, by the next look", "is closed (Done)", func(x *office, w *world, _ workflows.GrantID) {
			w.set(func(w *world) { w.tasks[ticket] = workflows.Task{Exists: true, Status: "Done"} })
			x.verify()
		}},
		{"the ticket is gone", "There is no ticket", func(x *office, w *world, _ workflows.GrantID) {
			w.set(func(w *world) { w.tasks[ticket] = workflows.Task{} })
			x.verify()
		}},
		{"the window of the change is over", "its window was over at", func(x *office, w *world, _ workflows.GrantID) {
			w.set(func(w *world) { w.tasks[ticket] = workflows.Task{Exists: true, Open: true, Until: x.now()} })
			x.verify()
		}},
		{"the holder left", "deactivated", func(x *office, _ *world, _ workflows.GrantID) {
			x.dir.is("zed", inactive)
			x.verify()
		}},
		{"the holder became a guest", "Guests", func(x *office, _ *world, _ workflows.GrantID) {
			x.dir.is("zed", guest)
			x.verify()
		}},
		{"the device is not in order", "does not hold", func(x *office, w *world, _ workflows.GrantID) {
			w.set(func(w *world) {
				w.claims["p_zed disk-encrypted"] = workflows.Posture{Said: true, Until: x.now() + 1e12}
			})
			x.verify()
		}},
		{"the chain is gone", "chain was removed", func(x *office, _ *world, _ workflows.GrantID) {
			x.load(func(d *draft) { delete(d.flows, "shell") })
			x.verify()
		}},
		{"the longest fell", "longest access was lowered", func(x *office, _ *world, _ workflows.GrantID) {
			x.load(func(d *draft) { d.flows["shell"].Longest = 60 })
			x.verify()
		}},
		{"who asked may not ask any more", "may not ask for it", func(x *office, _ *world, _ workflows.GrantID) {
			x.load(func(d *draft) { d.flows["shell"].Ask = named("ann") })
			x.verify()
		}},
		{"the holder is quarantined", "quarantined", func(x *office, _ *world, _ workflows.GrantID) {
			if r, err := x.desk.RevokeAll(x.t.Context(), desk.RevokeAll{By: acting("sam"), Identity: "p_zed", Why: "stolen laptop", Quarantine: true}); err != nil || r.Refusal != nil {
				x.t.Fatal(r.Refusal, err)
			}
		}},
	} {
		x, w := equipped(t, func(d *draft) {
			d.flows["shell"].EndsWith, d.flows["shell"].Posture = "ticket", []string{"disk-encrypted"}
		})
		w.set(func(w *world) {
			w.claims["p_zed disk-encrypted"] = workflows.Posture{Said: true, Holds: true, Until: x.now() + 1e12}
		})
		s := x.submission("zed", "shell")
		ticket = s.Form.Values["ticket"]
		stream, g := x.makes(s, "ann")
		if v := x.verify(); v.Asked != 1 || v.Ended != 0 || x.status(stream, g) != grants.StatusActive {
			t.Fatalf("%s: nothing changed: %+v", c.name, v)
		}
		c.ends(x, w, g)
		h, _ := x.holds(stream).Find(g)
		if h.Status != grants.StatusEnding && h.Status != grants.StatusEnded {
			t.Errorf("%s: still %s", c.name, h.Status)
		}
		if c.why != "" && !strings.Contains(h.Why, c.why) && c.name != "the holder is quarantined" {
			t.Errorf("%s: why %q", c.name, h.Why)
		}
	}
}

// R18, R37: who leaves loses what they hold on every target, what they asked for on behalf of others, and what identities hold that nobody
// else answers for; what has another owner goes on.
func TestReq_R18_WhoLeavesHoldsNothing(t *testing.T) {
	t.Parallel()
	x, _ := equipped(t, func(d *draft) {
		d.identities["svc-lone"] = desk.Identity{ID: "svc-lone", Class: "service_account", Owner: "p_ivy", Purpose: "x", Expires: d.identities["svc-deploy"].Expires, Accounts: map[workflows.TargetID]string{"pg-main": "lone"}}
	})
	own, g1 := x.active("ivy", "shell", "ann")
	far, g2 := x.active("ivy", "prod-db", "ann", "bob", "olga")
	s := x.submission("ida", "shell")
	s.Subject = "svc-deploy"
	shared, g3 := x.makes(s, "ann") // asked for by its backup
	s = x.submission("ivy", "shell")
	s.Subject = "svc-lone"
	lone, g4 := x.makes(s, "ann")
	bystander, g5 := x.active("zed", "shell", "ann")
	x.dir.is("ivy", inactive)
	v, err := x.desk.VerifyPerson(t.Context(), "p_ivy")
	if err != nil || v.Ended != 3 {
		t.Errorf("%+v %v", v, err)
	}
	for _, c := range []struct {
		what   string
		stream workflows.StreamID
		g      workflows.GrantID
		want   grants.Status
	}{
		{"their own", own, g1, grants.StatusEnding},
		{"on another target", far, g2, grants.StatusEnding},
		{"an identity that a backup answers for", shared, g3, grants.StatusActive},
		{"an identity that nobody answers for", lone, g4, grants.StatusEnding},
		{"somebody else's", bystander, g5, grants.StatusActive},
	} {
		if got := x.status(c.stream, c.g); got != c.want {
			t.Errorf("%s: %s, want %s", c.what, got, c.want)
		}
	}
	x.check()
}

// R59: who or what asks, to do what, and whether it should be allowed now are three answers; the third is asked again, on a schedule and on
// events, and has entries of its own. Unchanged answers are recorded once a day.
func TestReq_R59_TheThirdAnswerIsAskedAgain(t *testing.T) {
	t.Parallel()
	x, w := equipped(t, func(d *draft) { d.flows["shell"].EndsWith, d.flows["shell"].Longest = "ticket", 72*3600 })
	s := x.submission("zed", "shell")
	s.Form.Seconds = 48 * 3600
	stream, g := x.makes(s, "ann")
	var answers workflows.Answers
	for _, r := range x.history(workflows.RequestStream(x.grantOf(stream, g).Request)) {
		if e, ok := r.Event.(workflows.Approved); ok {
			answers = e.Answers
		}
	}
	if answers.Who == "" || answers.What == "" || answers.Now == "" {
		t.Errorf("the decision has not three answers: %+v", answers)
	}
	checks := func() (out []grants.Checked) {
		for _, r := range x.history(stream) {
			if e, ok := r.Event.(grants.Checked); ok {
				out = append(out, e)
			}
		}
		return out
	}
	if c := checks(); len(c) != 1 || c[0].Trigger != grants.CheckStart {
		t.Fatalf("before the target was called: %+v", c)
	}
	x.pass(23 * time.Hour)
	if c := checks(); len(c) != 1 {
		t.Errorf("unchanged answers fill the ledger: %d entries", len(c))
	}
	w.mu.Lock()
	asked := w.asked
	w.mu.Unlock()
	if asked < 40 {
		t.Errorf("the ticket was asked about %d times in 23 hours", asked)
	}
	x.pass(2 * time.Hour)
	c := checks()
	if len(c) != 2 || c[1].Trigger != grants.CheckSchedule {
		t.Errorf("after a day: %+v", c)
	}
	names := map[string]string{}
	for _, f := range c[len(c)-1].Facts {
		names[f.Name] = f.Answer
	}
	for _, f := range []string{grants.FactRequester, grants.FactPolicy, grants.FactTask, grants.FactApprovers} {
		if names[f] != grants.Yes {
			t.Errorf("%s: %q", f, names[f])
		}
	}
	x.dir.is("zed", inactive)
	if _, err := x.desk.VerifyPerson(t.Context(), "p_zed"); err != nil {
		t.Fatal(err)
	}
	if c = checks(); c[len(c)-1].Trigger != grants.CheckEvent || x.status(stream, g) != grants.StatusEnding {
		t.Errorf("on an event: %+v", c[len(c)-1])
	}
}

func (x *office) grantOf(stream workflows.StreamID, g workflows.GrantID) grants.Approved {
	x.t.Helper()
	h, _ := x.holds(stream).Find(g)
	return h.Approved
}

// A shift change, the end of working hours, an approver's time off or change of group after the approval end nothing early. That an approver
// left ends nothing either: the owner hears of it.
func TestShiftChangeAfterApprovalEndsNothing(t *testing.T) {
	t.Parallel()
	x, _ := equipped(t, func(d *draft) {
		d.flows["shell"].Ask = workflows.Selector{Rotations: []string{"night"}, People: persons("ann")}
		d.rotations["night"] = desk.Rotation{Name: "night", People: persons("zed", "bob"), Shifts: always("zed")}
	})
	stream, g := x.active("zed", "shell", "ann")
	x.load(func(d *draft) {
		d.rotations["night"] = desk.Rotation{Name: "night", People: persons("zed", "bob"), Shifts: always("bob")}
	})
	if v := x.verify(); v.Asked != 1 {
		t.Fatalf("%+v", v)
	}
	if x.status(stream, g) != grants.StatusActive {
		t.Errorf("the end of a shift ended it: %+v", x.holds(stream).Holds)
	}
	x.load(func(d *draft) { d.groups["dba"] = persons("bob") })
	x.away("ann", "", 0, time.Hour)
	x.verify()
	x.dir.is("ann", inactive)
	if v := x.verify(); v.Ended != 0 || x.status(stream, g) != grants.StatusActive {
		t.Errorf("an approver's leaving ended it: %+v", v)
	}
	told := slices.ContainsFunc(x.holds(stream).Notices(), func(n workflows.Notice) bool {
		return n.What == workflows.NoticeApproverGone && n.To == "p_olga"
	})
	if !told {
		t.Error("the owner does not hear that an approver left")
	}
}

// The chat does not answer for six hours while a hundred grants are active: nothing ends early, everything is marked as unverified, and all
// is well when it is back. What lasts longer than the policy's limit ends; what an emergency gave does not.
func TestSlackDownForSixHoursEndsNothing(t *testing.T) {
	t.Parallel()
	x, _ := equipped(t, func(d *draft) {
		d.flows["shell"].Longest = 72 * 3600
		for i := range 100 {
			id := workflows.IdentityID(fmt.Sprintf("svc-%03d", i))
			d.identities[id] = desk.Identity{ID: id, Class: "service_account", Owner: "p_ivy", Backup: "p_ida", Purpose: "x", Expires: d.identities["svc-deploy"].Expires}
		}
		b := *d.books["failover"]
		b.Longest, b.Grant.Longest = 40*3600, 40*3600
		d.books["failover"] = &b
	})
	held := map[workflows.StreamID]workflows.GrantID{}
	for i := range 100 {
		s := x.submission("ivy", "shell")
		s.Subject, s.Form.Seconds = workflows.IdentityID(fmt.Sprintf("svc-%03d", i)), 48*3600
		stream, g := x.makes(s, "ann")
		held[stream] = g
	}
	if v := x.verify(); v.Asked != 100 || v.Unverified != 0 {
		t.Fatalf("%+v", v)
	}
	x.approveBook()
	glass := x.invoke(x.invocation("zed"))
	if glass.Refusal != nil {
		t.Fatal(glass.Refusal)
	}
	emergency := func() grants.Status {
		t.Helper()
		s, err := x.desk.Grant(t.Context(), glass.Grant)
		if err != nil {
			t.Fatal(err)
		}
		return s.Hold.Status
	}
	if s, err := x.desk.Grant(t.Context(), glass.Grant); err != nil {
		t.Fatal(err)
	} else if err := x.desk.GrantStarted(t.Context(), "", s.Stream, grants.Started{Grant: glass.Grant, Ref: "1"}); err != nil {
		t.Fatal(err)
	}
	x.dir.hush(listed...)
	x.pass(6 * time.Hour)
	for stream, g := range held {
		h, _ := x.holds(stream).Find(g)
		f, doubted := h.Unverified()
		if h.Status != grants.StatusActive || !doubted || f.Answer != grants.CannotTell {
			t.Fatalf("%s is %s, unverified %v", stream, h.Status, doubted)
		}
		if n := x.holds(stream).Notices(); !slices.ContainsFunc(n, func(n workflows.Notice) bool { return n.What == workflows.NoticeUnverified }) {
			t.Fatalf("%s: the owner does not hear: %+v", stream, n)
		}
	}
	x.dir.hush()
	if v := x.verify(); v.Asked != 101 || v.Ended != 0 || v.Unverified != 0 {
		t.Errorf("when it is back: %+v", v)
	}
	x.dir.hush(listed...)
	x.pass(25 * time.Hour)
	if got := emergency(); got != grants.StatusActive {
		t.Errorf("after 24 hours of silence what an emergency gave for 40 is %s", got)
	}
	for stream, g := range held {
		if got := x.status(stream, g); got != grants.StatusEnding {
			t.Fatalf("after 24 hours of silence %s is still %s", stream, got)
		}
	}
	x.clock.Add(10 * time.Hour)
	if s, err := x.desk.Grant(t.Context(), glass.Grant); err != nil {
		t.Fatal(err)
	} else if err := x.desk.Tick(t.Context(), s.Stream); err != nil {
		t.Fatal(err)
	}
	if got := emergency(); got != grants.StatusEnding {
		t.Errorf("after its own end what an emergency gave is %s", got)
	}
}

// R25 for what is no person: its owner and its backup have left, it is past its end, it is out of the inventory, it is quarantined. That one of the two who answer
// for it has left ends nothing.
func TestReq_R25_WhatEndsAnIdentitysAccess(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, why string
		ends      func(x *office)
	}{
		{"its owner left, its backup is there", "", func(x *office) { x.dir.is("ivy", inactive) }},
		{"both left", "orphaned", func(x *office) { x.dir.is("ivy", inactive); x.dir.is("ida", inactive) }},
		{"its end", "no longer in the inventory, or has expired", func(x *office) {
			x.load(func(d *draft) {
				id := d.identities["svc-deploy"]
				id.Expires = x.now()
				d.identities["svc-deploy"] = id
			})
			x.clock.Add(time.Minute)
		}},
		{"out of the inventory", "no longer in the inventory", func(x *office) { x.load(func(d *draft) { delete(d.identities, "svc-deploy") }) }},
		{"quarantined", "leaked", func(x *office) {
			if r, err := x.desk.RevokeAll(x.t.Context(), desk.RevokeAll{By: acting("sam"), Identity: "svc-deploy", Why: "leaked", Quarantine: true}); err != nil || r.Refusal != nil {
				x.t.Fatal(r.Refusal, err)
			}
		}},
	} {
		x, _ := equipped(t, func(*draft) {})
		s := x.submission("ida", "shell") // who asked may leave, too: see the first case
		s.Subject = "svc-deploy"
		stream, g := x.makes(s, "ann")
		c.ends(x)
		x.verify()
		h, _ := x.holds(stream).Find(g)
		if ended := h.Status == grants.StatusEnding || h.Status == grants.StatusEnded; ended != (c.why != "") || ended && !strings.Contains(h.Why, c.why) {
			t.Errorf("%s: %s, why %q", c.name, h.Status, h.Why)
		}
	}
}
