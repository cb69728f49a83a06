package desk_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// R48, T10: a guest with a record, a contract that runs and an active sponsor may ask and hold, no longer than the contract; and never
// approves. A guest without one can do nothing; nobody can whose contract is over.
func TestReq_R48_ContractorsAskAndHoldAndNeverApprove(t *testing.T) {
	t.Parallel()
	x, _ := equipped(t, func(d *draft) {
		brokered(d, "shell")
		p := d.people["p_zed"]
		p.Sponsor, p.ContractEnds = "p_mia", x0(t).Add(30*time.Minute)
		d.people["p_zed"] = p
		b := d.people["p_bob"]
		b.Sponsor, b.ContractEnds = "p_mia", x0(t).Add(10*time.Hour)
		d.people["p_bob"] = b
	})
	for _, n := range []string{"zed", "bob", "dan"} {
		x.dir.is(n, guest)
	}
	stream, g := x.active("zed", "shell", "ann")
	if h, _ := x.holds(stream).Find(g); h.Ends.UTC != x0(t).Add(30*time.Minute) {
		t.Errorf("it ends at %s, the contract at %s", h.Ends.UTC, x0(t).Add(30*time.Minute))
	}
	if v := x.verify(); v.Ended != 0 {
		t.Errorf("a contractor's access was ended: %+v", x.holds(stream).Holds)
	}
	if out := x.submit(x.submission("dan", "shell")); code(out.Refusal) != workflows.CodeGuest {
		t.Errorf("a guest without a record asks: %v", out.Refusal)
	}
	id := x.ask("olga", "shell") // ann, bob or cho approve; bob is a contractor
	if a := x.vote(x.ballot("bob", id, workflows.Approve)); code(a.Refusal) != workflows.CodeGuest {
		t.Errorf("a contractor approves: %v", a.Refusal)
	}
	x.dir.is("mia", inactive) // the sponsor left
	if v := x.verify(); v.Ended != 1 || x.status(stream, g) != grants.StatusEnding {
		t.Errorf("without a sponsor: %+v", v)
	}
	if out := x.submit(x.submission("bob", "shell")); code(out.Refusal) != workflows.CodeGuest {
		t.Errorf("without a sponsor: %v", out.Refusal)
	}
	x.dir.is("mia", func(s workflows.Standing) workflows.Standing { return s })
	x.dir.is("zed", func(s workflows.Standing) workflows.Standing { return s }) // a full member now, whose contract is over
	x.clock.Add(31 * time.Minute)
	if out := x.submit(x.submission("zed", "shell")); code(out.Refusal) != workflows.CodeInactive {
		t.Errorf("after the contract: %v", out.Refusal)
	}
}

// brokered marks what a chain grants as reached through a bastion.
func brokered(d *draft, flow workflows.WorkflowID) {
	w := *d.flows[flow]
	w.Entitlements = slices.Clone(w.Entitlements)
	for i := range w.Entitlements {
		w.Entitlements[i].Brokered = true
	}
	d.flows[flow] = &w
}

// R48, R108: contractors, and identities that a vendor runs, hold what is brokered and nothing else: neither by asking, nor by breaking the glass,
// nor after the target stopped being brokered. No grant outlives the contract.
func TestReq_R48_OnlyBrokeredTargetsForThoseFromOutside(t *testing.T) {
	t.Parallel()
	x, _ := equipped(t, func(d *draft) {
		brokered(d, "shell")
		for _, n := range []string{"zed", "rita"} {
			p := d.people[person(n)]
			p.Sponsor, p.ContractEnds = "p_mia", x0(t).Add(time.Hour)
			d.people[person(n)] = p
		}
	})
	if out := x.submit(x.submission("zed", "pair")); code(out.Refusal) != workflows.CodeBrokered {
		t.Errorf("a contractor asks for what is not brokered: %v", out.Refusal)
	}
	if out := x.submit(x.submission("olga", "pair")); out.Refusal != nil {
		t.Errorf("somebody of the company is held to it: %v", out.Refusal)
	}
	x.approveBook()
	if out := x.invoke(x.invocation("rita")); code(out.Refusal) != workflows.CodeBrokered {
		t.Errorf("a contractor breaks the glass: %v", out.Refusal)
	}
	stream, g := x.active("zed", "shell", "ann")
	if a := x.grantOf(stream, g); !a.Brokered || a.EndsAt > x0(t).Add(time.Hour) {
		t.Errorf("the grant: brokered %v until %s", a.Brokered, a.EndsAt)
	}

	// An identity that a vendor runs, as an import says.
	told := identities.Claimed{Source: identities.ImportSource("cmdb"), Says: identities.Entry{
		Class: "service_account", Owner: "p_ivy", Backup: "p_ida", Purpose: "Maintains the laser scanners.", Environment: "production", Vendor: "Lidar",
		ManagedBy: identities.ManagedVendor, Sponsor: "p_mia", ContractEnd: x0(t).Add(40 * time.Minute), Expires: x0(t).Add(100 * 24 * time.Hour),
	}}
	x.tells("svc-vendor", told)
	for flow, want := range map[workflows.WorkflowID]string{"pair": workflows.CodeBrokered, "shell": ""} {
		s := x.submission("ivy", flow)
		s.Subject = "svc-vendor"
		out := x.submit(s)
		if code(out.Refusal) != want {
			t.Errorf("an identity of a vendor asks %s: %v", flow, out.Refusal)
		}
		if want == "" {
			x.approve(out.ID, "ann")
			if s := x.state(out.ID); s.Asked.Outside != workflows.OutsideVendor {
				t.Errorf("recorded as %q", s.Asked.Outside)
			}
			if _, h := x.hold(out.ID); h.Ends.UTC != x0(t).Add(40*time.Minute) {
				t.Errorf("it ends at %s, the contract at %s", h.Ends.UTC, x0(t).Add(40*time.Minute))
			}
		}
	}

	x.load(func(d *draft) {
		w := *d.flows["shell"]
		w.Entitlements = slices.Clone(w.Entitlements)
		w.Entitlements[0].Brokered = false
		d.flows["shell"] = &w
	})
	if v := x.verify(); v.Ended != 2 || x.status(stream, g) != grants.StatusEnding {
		t.Errorf("the target is not brokered any more: %+v", v)
	}
}

// tells has a source say something of an identity.
func (x *office) tells(id workflows.IdentityID, c identities.Claimed) {
	x.t.Helper()
	if _, err := x.desk.TakeIn(x.t.Context(), workflows.System, []desk.IdentityClaim{{ID: id, Claim: c}}); err != nil {
		x.t.Fatal(err)
	}
}

// x0 is the moment at which every office opens.
func x0(t *testing.T) workflows.Stamp {
	t.Helper()
	return workflows.StampOf(time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC))
}

// R43: what a policy needs to know of a device and nobody has said lately refuses the ask, by its name; so does what does not hold. While
// access lasts, silence is "cannot tell", and a no ends it.
func TestReq_R43_MissingPostureDenies(t *testing.T) {
	t.Parallel()
	x, w := equipped(t, func(d *draft) { d.flows["shell"].Posture = []string{"disk-encrypted", "screen-locks"} })
	say := func(claim string, holds bool, valid time.Duration) {
		w.set(func(w *world) {
			w.claims["p_zed "+claim] = workflows.Posture{Said: true, Holds: holds, At: x.now(), Until: x.now().Add(valid)}
		})
	}
	try := func(what string, words string) {
		t.Helper()
		out := x.submit(x.submission("zed", "shell"))
		if code(out.Refusal) != workflows.CodePosture || out.Refusal == nil || !strings.Contains(out.Refusal.Error(), words) {
			t.Errorf("%s: %v", what, out.Refusal)
		}
	}
	try("nothing said", "disk-encrypted")
	say("disk-encrypted", true, time.Hour)
	try("one of two", "screen-locks")
	say("screen-locks", false, time.Hour)
	try("a no", "screen-locks")
	say("screen-locks", true, -time.Minute)
	try("too old", "screen-locks")
	say("screen-locks", true, 10*time.Minute)
	w.set(func(w *world) { w.mute = true })
	try("the source is down", "disk-encrypted")
	w.set(func(w *world) { w.mute = false })
	stream, g := x.active("zed", "shell", "ann")
	x.clock.Add(11 * time.Minute) // nobody said it again
	if v := x.verify(); v.Ended != 0 || v.Unverified != 1 || x.status(stream, g) != grants.StatusActive {
		t.Errorf("silence: %+v", v)
	}
	say("screen-locks", false, time.Hour)
	if v := x.verify(); v.Ended != 1 || x.status(stream, g) != grants.StatusEnding {
		t.Errorf("a no: %+v", v)
	}
}

// R55: a ticket is asked about when access is asked for and again before the target is called; what cannot be told refuses or waits.
func TestReq_R55_TicketsAreAskedAbout(t *testing.T) {
	t.Parallel()
	x, w := equipped(t, func(d *draft) {
		d.flows["shell"].EndsWith = "ticket"
		d.flows["shell"].Fields[0].Pattern = "[A-Z]+-[0-9]+"
	})
	ask := func(ref string) desk.Submitted {
		s := x.submission("zed", "shell")
		s.Form.Values["ticket"] = ref
		return x.submit(s)
	}
	w.set(func(w *world) {
		w.tasks["OPS-90001"] = workflows.Task{Exists: true, Status: "Done"}
		w.tasks["OPS-90002"] = workflows.Task{}
		w.tasks["OPS-90003"] = workflows.Task{Exists: true, Open: true, From: x.now().Add(time.Hour)}
		w.tasks["OPS-90004"] = workflows.Task{Exists: true, Open: true, Until: x.now().Add(20 * time.Minute)}
	})
	for ref, words := range map[string]string{
		"OPS-90001": "is closed (Done)", "OPS-90002": "There is no ticket", "OPS-90003": "opens at", "XYZ-1": "no ticket system here knows",
	} {
		if out := ask(ref); code(out.Refusal) != workflows.CodeTask || !strings.Contains(out.Refusal.Error(), words) {
			t.Errorf("%s: %v", ref, out.Refusal)
		}
	}
	out := ask("OPS-90004")
	x.approve(out.ID, "ann")
	if _, h := x.hold(out.ID); h.Ends.UTC != x0(t).Add(20*time.Minute) {
		t.Errorf("it ends at %s, its window at %s", h.Ends.UTC, x0(t).Add(20*time.Minute))
	}
	w.set(func(w *world) { w.down = true })
	if out := ask("OPS-90005"); code(out.Refusal) != workflows.CodeTask {
		t.Errorf("the source is down: %v", out.Refusal)
	}
	stream, h := x.hold(out.ID)
	if why, err := x.desk.MayStart(t.Context(), stream, h); err == nil {
		t.Errorf("granted while nobody can tell: %q", why)
	}
	w.set(func(w *world) { w.down = false; w.tasks["OPS-90004"] = workflows.Task{Exists: true, Status: "Closed"} })
	if why, err := x.desk.MayStart(t.Context(), stream, h); err != nil || !strings.Contains(why, "is closed") {
		t.Errorf("closed before the target was called: %q %v", why, err)
	}
}

// TestReq_R55_AssigneeAndWindow: a chain may want the ticket to be the requester's and in its change window. Both are asked at submission, for the
// agreed start; right before the target is called; and while access lasts: a ticket that goes to somebody else, or whose window is moved, ends it. A
// ticket's system that says so is heard at once, and that nobody can tell ends nothing.
func TestReq_R55_AssigneeAndWindow(t *testing.T) {
	t.Parallel()
	x, w := equipped(t, func(d *draft) {
		f := d.flows["shell"]
		f.EndsWith, f.Later, f.Longest, f.Usual = "ticket", 24*3600, 8*3600, 3600
		f.Task = &workflows.TaskTerms{Source: "jira", Assignee: workflows.AssigneeRequester, Window: true}
		p := d.people["p_zed"]
		p.Email = "zed@example.com"
		d.people["p_zed"] = p
	})
	begin := x.now().Add(2 * time.Hour)
	change := workflows.Task{Source: "jira", Exists: true, Open: true, Assignees: []string{"zed@example.com"}, From: begin, Until: begin.Add(3 * time.Hour)}
	set := func(ref string, edit func(*workflows.Task)) {
		w.set(func(w *world) {
			c, ok := w.tasks[ref]
			if !ok {
				c = change
			}
			edit(&c)
			w.tasks[ref] = c
		})
	}
	set("OPS-91001", func(*workflows.Task) {})
	set("OPS-91002", func(c *workflows.Task) { c.Assignees = []string{"ivy@example.com"} })
	set("OPS-91003", func(c *workflows.Task) { c.From, c.Until = 0, 0 })
	ask := func(ref string, at workflows.Stamp) desk.Submitted {
		s := x.submission("zed", "shell")
		s.Form.Values["ticket"], s.NotBefore = ref, at
		return x.submit(s)
	}
	for ref, words := range map[string]string{"OPS-91001": "opens at", "OPS-91002": "is not assigned to whoever asks", "OPS-91003": "has no change window"} {
		if out := ask(ref, 0); code(out.Refusal) != workflows.CodeTask || !strings.Contains(out.Refusal.Error(), words) || !strings.Contains(out.Refusal.Error(), "assigned to you") {
			t.Errorf("%s: %v", ref, out.Refusal)
		}
	}
	out := ask("OPS-91001", begin.Add(time.Minute)) // for the window, ahead of it
	if out.Refusal != nil {
		t.Fatal(out.Refusal)
	}
	x.approve(out.ID, "ann")
	stream, h := x.hold(out.ID)
	if h.Approved.StartsAt != begin.Add(time.Minute) {
		t.Fatalf("it starts at %s", h.Approved.StartsAt)
	}
	verify := func(want grants.Status) {
		t.Helper()
		if _, err := x.desk.VerifyTicket(t.Context(), "OPS-91001"); err != nil {
			t.Fatal(err)
		}
		if got := x.status(stream, h.Approved.Grant); got != want {
			t.Fatalf("it is %s, want %s", got, want)
		}
		x.check()
	}
	verify(grants.StatusApproved) // the window is not open yet, and need not be
	x.pass(2*time.Hour + 2*time.Minute)
	if why, err := x.desk.MayStart(t.Context(), stream, h); why != "" || err != nil {
		t.Fatalf("in the window: %q %v", why, err)
	}
	if err := x.desk.GrantStarted(t.Context(), "", stream, grants.Started{Grant: h.Approved.Grant, Ref: "1"}); err != nil {
		t.Fatal(err)
	}
	verify(grants.StatusActive)
	w.set(func(w *world) { w.down = true })
	verify(grants.StatusActive)
	w.set(func(w *world) { w.down = false })
	set("OPS-91001", func(c *workflows.Task) { c.Assignees = []string{"ivy@example.com", "ZED@example.com"} })
	verify(grants.StatusActive)
	set("OPS-91001", func(c *workflows.Task) { c.Assignees = []string{"ivy@example.com"} })
	verify(grants.StatusEnding)
}

// TestReq_R55_AMovedWindowEndsAccess: a change window that is cut short ends what hangs on it at the next look, and access never outlasts it.
func TestReq_R55_AMovedWindowEndsAccess(t *testing.T) {
	t.Parallel()
	x, w := equipped(t, func(d *draft) {
		d.flows["shell"].EndsWith, d.flows["shell"].Task = "ticket", &workflows.TaskTerms{Window: true}
	})
	until := x.now().Add(40 * time.Minute)
	w.set(func(w *world) {
		w.tasks["OPS-92001"] = workflows.Task{Exists: true, Open: true, From: x.now(), Until: until}
	})
	s := x.submission("zed", "shell")
	s.Form.Values["ticket"] = "OPS-92001"
	stream, g := x.makes(s, "ann")
	if h, _, err := x.desk.Due(t.Context(), stream, workflows.JobRevoke, g); err != nil || h.Ends.UTC != until {
		t.Errorf("it ends at %s, its window at %s: %v", h.Ends.UTC, until, err)
	}
	x.pass(5 * time.Minute)
	if _, err := x.desk.Verify(t.Context(), grants.CheckSchedule); err != nil || x.status(stream, g) != grants.StatusActive {
		t.Fatalf("in its window: %s %v", x.status(stream, g), err)
	}
	w.set(func(w *world) {
		c := w.tasks["OPS-92001"]
		c.Until = x.now()
		w.tasks["OPS-92001"] = c
	})
	if v, err := x.desk.Verify(t.Context(), grants.CheckSchedule); err != nil || v.Ended != 1 || x.status(stream, g) != grants.StatusEnding {
		t.Errorf("after its window: %+v %s %v", v, x.status(stream, g), err)
	}
}

// TestReq_R55_TicketsAloneAreAskedOften: the look at tickets alone ends what hangs on a closed one, asks about a ticket once however much hangs on it, asks nothing
// else, goes on where it stopped, and leaves what a source cannot tell to the look at everything.
func TestReq_R55_TicketsAloneAreAskedOften(t *testing.T) {
	t.Parallel()
	x, w := equipped(t, func(d *draft) { d.flows["shell"].EndsWith = "ticket" })
	open := workflows.Task{Exists: true, Open: true}
	w.set(func(w *world) { w.tasks["OPS-93001"], w.tasks["OPS-93002"] = open, open })
	type access struct {
		stream workflows.StreamID
		id     workflows.GrantID
	}
	held := map[string]access{}
	for person, ticket := range map[string]string{"zed": "OPS-93001", "ann": "OPS-93002"} {
		s := x.submission(person, "shell")
		s.Form.Values["ticket"] = ticket
		by := map[string]string{"zed": "ann", "ann": "bob"}[person]
		stream, g := x.makes(s, by)
		held[ticket] = access{stream, g}
	}
	look := func(after workflows.StreamID, most int) (int, workflows.StreamID) {
		t.Helper()
		x.clock.Add(45 * time.Second)
		v, next, err := x.desk.VerifyTickets(t.Context(), after, most)
		if err != nil {
			t.Fatal(err)
		}
		return v.Ended, next
	}
	if n, next := look("", 100); n != 0 || next != "" {
		t.Fatalf("with both open: %d ended, next %q", n, next)
	}
	w.set(func(w *world) { w.down = true })
	if n, _ := look("", 100); n != 0 {
		t.Fatal("what cannot be told ended access")
	}
	w.set(func(w *world) {
		w.down = false
		closed := open
		closed.Open = false
		w.tasks["OPS-93001"], w.tasks["OPS-93002"] = closed, closed
	})
	n, next := look("", 1)
	if n != 1 || next == "" {
		t.Fatalf("one at a time: %d ended, next %q", n, next)
	}
	if n, next = look(next, 1); n != 1 || next != "" {
		t.Fatalf("the other: %d ended, next %q", n, next)
	}
	for ticket, a := range held {
		if got := x.status(a.stream, a.id); got != grants.StatusEnding {
			t.Errorf("%s: %s", ticket, got)
		}
	}
}

// R48: in an emergency, too, nothing outlives the contract: what a contractor gets by breaking the glass ends with it by itself, and so does the run.
func TestReq_R48_BrokenGlassEndsWithTheContract(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ contract, want time.Duration }{
		"a contract that ends soon": {10 * time.Minute, 10 * time.Minute}, "one that ends late": {10 * time.Hour, 30 * time.Minute},
	} {
		x := open(t)
		x.load(func(d *draft) {
			b := *d.books["failover"]
			b.Grant.Brokered = true
			d.books["failover"] = &b
			p := d.people["p_rita"]
			p.Sponsor, p.ContractEnds = "p_mia", x.now().Add(c.contract)
			d.people["p_rita"] = p
		})
		x.approveBook()
		now := x.now()
		out := x.invoke(x.invocation("rita"))
		if out.Refusal != nil {
			t.Fatalf("%s: %v", name, out.Refusal)
		}
		found := false
		for _, r := range x.entries() {
			if g, ok := r.Event.(grants.Approved); ok && g.Grant == out.Grant {
				found = true
				if g.EndsAt != now.Add(c.want) || out.EndsAt != g.EndsAt {
					t.Errorf("%s: the grant ends %s after now, the invocation says %s; want %s", name, g.EndsAt.Sub(now), out.EndsAt.Sub(now), c.want)
				}
			}
		}
		if !found {
			t.Errorf("%s: nothing was granted", name)
		}
		x.check()
	}
}
