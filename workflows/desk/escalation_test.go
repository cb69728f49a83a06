package desk_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/escalations"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

// paths has sam asked for five minutes, then mia, then the channel of security; who comes on shift is told by the second path.
func paths(d *draft) {
	sel := func(names ...string) *workflows.Selector { s := named(names...); return &s }
	d.paths = escalations.Plan{
		Paths: []escalations.Path{
			{Name: "duty", Kinds: []string{escalations.KindBreakGlass, escalations.KindDrill, escalations.KindRevocation, escalations.KindLeak}, Handover: []string{"dba"}, Steps: []escalations.Step{
				{To: sel("sam"), By: []string{escalations.ByDM}, Wait: 300},
				{To: sel("mia"), By: []string{escalations.ByDM, escalations.ByMail}, Wait: 600},
				{By: []string{escalations.ByChannel}, Channel: "#security", Wait: 600},
			}},
			{Name: "shift", Kinds: []string{escalations.KindHandover}, Steps: []escalations.Step{
				{To: &workflows.Selector{Rotations: []string{"dba"}}, By: []string{escalations.ByDM}, Wait: 3600},
			}},
		},
		Messages: []escalations.Message{{Kind: escalations.KindLeak, Subject: "${what}", Text: "${why}", Tell: sel("aud"), Channel: "#leaks"}},
	}
}

func (x *office) escalation(id string) escalations.State {
	x.t.Helper()
	s, err := x.desk.Escalation(x.t.Context(), id)
	if err != nil {
		x.t.Fatal(id, err)
	}
	return s
}

func (x *office) acks(who, id string) *workflows.Refusal {
	x.t.Helper()
	a, err := x.desk.Acknowledge(x.t.Context(), desk.Ack{Cause: x.cause(), By: acting(who), ID: id, Authn: "slack-click", Channel: "slack"})
	if err != nil {
		x.t.Fatal(err)
	}
	x.check()
	return a.Refusal
}

// TestReq_R20_AccessThatStaysIsEscalated: access that the target does not take back is paged at a minute, by the path; nobody answers, so the
// next are asked; when it is gone at last, nobody is asked any more, without anybody's doing.
func TestReq_R20_AccessThatStaysIsEscalated(t *testing.T) {
	t.Parallel()
	x := open(t)
	x.load(paths)
	id := x.ask("zed", "shell")
	x.approve(id, "ann")
	stream, g := x.start(id)
	if a := x.end("sam", g, "revoked"); a.Refusal != nil {
		t.Fatal(a.Refusal)
	}
	page := escalations.IDOf(escalations.KindRevocation, string(g))
	x.clock.Add(59 * time.Second)
	x.tick(stream)
	if _, err := x.desk.Escalation(t.Context(), page); err == nil {
		t.Fatal("escalated before a minute was over")
	}
	x.clock.Add(2 * time.Second)
	x.tick(stream)
	s := x.escalation(page)
	if s.Status() != "open" || !slices.Equal(s.Asked(), persons("sam")) || s.Opened.Path != "duty" || !slices.Equal(s.Opened.Whose, persons("zed")) {
		t.Fatalf("it stands as %+v", s)
	}
	x.clock.Add(4 * time.Minute)
	x.tick(stream) // the second alarm of the grant opens no second escalation
	x.tick(escalations.Stream(page))
	if s = x.escalation(page); len(s.Taken) != 1 {
		t.Fatalf("%d steps before five minutes were over", len(s.Taken))
	}
	x.clock.Add(time.Minute + time.Second)
	x.tick(escalations.Stream(page))
	if s = x.escalation(page); len(s.Taken) != 2 || !slices.Equal(s.Asked(), persons("sam", "mia")) || s.Taken[1].Because != escalations.BecauseSilence {
		t.Fatalf("after five minutes: %+v", s.Taken)
	}
	if no := x.acks("zed", page); codeOf(no) != workflows.CodeSelfApproval {
		t.Errorf("who holds it acknowledged: %v", no)
	}
	if no := x.acks("bob", page); codeOf(no) != workflows.CodeUnknown {
		t.Errorf("who was not asked acknowledged: %v", no)
	}
	x.revoke(stream, g, "absent")
	if err := x.desk.EndOfAccess(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	if s = x.escalation(page); s.Closed == nil || s.Closed.How != escalations.HowOver || len(s.Notices()) != 0 || escalations.NextWake(s) != 0 {
		t.Errorf("access is gone, and it stands as %+v", s)
	}
}

// TestReq_R20_ALeakHasReceiversOfItsOwn: a leak is escalated in the entry that records it, once for the same secret, with those who are told of
// leaks beside those who are asked.
func TestReq_R20_ALeakHasReceiversOfItsOwn(t *testing.T) {
	t.Parallel()
	x := open(t)
	x.load(paths)
	report := desk.LeakReport{By: acting("zed"), Source: "person", Mark: "hmac:aabbccdd00112233", Print: "hmac:aabbccdd00112233", Place: "a wiki", Authn: "slack-click", Channel: "slack"}
	for range 2 {
		report.Cause = x.cause()
		if out, err := x.desk.ReportLeak(t.Context(), report); err != nil || out.Refusal != nil {
			t.Fatal(out.Refusal, err)
		}
	}
	list, err := x.desk.Escalations(t.Context(), "", false, 0)
	if err != nil || len(list) != 1 {
		t.Fatalf("%d escalations (%v)", len(list), err)
	}
	s := list[0]
	var owed []string
	for _, n := range s.Notices() {
		owed = append(owed, n.ID)
	}
	if want := []string{"page/1/dm/p_sam", "page_told/p_aud", "page_told/#leaks"}; !slices.Equal(owed, want) || !strings.Contains(s.Opened.Why, "a wiki") {
		t.Errorf("it owes %q, want %q; %+v", owed, want, s.Opened)
	}
	if no := x.acks("sam", s.ID); no != nil {
		t.Fatal(no)
	}
	if s = x.escalation(s.ID); s.Over() || len(s.Notices()) != 2 {
		t.Errorf("a leak is not over because somebody looks after it: %+v", s)
	}
}

// TestReq_R20_WhoComesOnShiftIsToldWhatIsOpen: at each change of a rotation, once, with the summary as it is then; who does not acknowledge it
// is no reason to tell the one before.
func TestReq_R20_WhoComesOnShiftIsToldWhatIsOpen(t *testing.T) {
	t.Parallel()
	x := on(t, monday, func(d *draft) {
		paths(d)
		d.rotations["dba"] = desk.Rotation{Name: "dba", People: persons("ann", "bob"), Shifts: shifts{workflows.StampOf(monday), []string{"ann", "bob", "ann"}}}
	})
	asked := 0
	look := func() int {
		n, err := x.desk.ChangeShifts(t.Context(), x.now().Add(-2*time.Hour), x.now(), func(context.Context) (string, error) { asked++; return "INC-7 is open.", nil })
		if err != nil {
			t.Fatal(err)
		}
		x.check()
		return n
	}
	if n := look(); n > 1 {
		t.Fatalf("%d hand-overs at the first look", n)
	}
	before := asked
	x.clock.Add(time.Hour)
	if n := look(); n != 1 || asked != before+1 {
		t.Fatalf("%d hand-overs, %d summaries", n, asked-before)
	}
	if n := look(); n != 0 || asked != before+1 {
		t.Errorf("told again: %d", n)
	}
	list, err := x.desk.Escalations(t.Context(), "p_bob", false, 0)
	if err != nil || len(list) != 1 || list[0].Opened.About != escalations.KindHandover || list[0].Opened.Why != "INC-7 is open." {
		t.Fatalf("bob has %+v (%v)", list, err)
	}
	if no := x.acks("bob", list[0].ID); no != nil || !x.escalation(list[0].ID).Over() {
		t.Errorf("read, and not over: %v", no)
	}
}

// TestGlass_ABrokenGlassIsLoudInOneEntry: the escalation begins in the same transaction as the access; the invoker cannot silence it.
func TestGlass_ABrokenGlassIsLoudInOneEntry(t *testing.T) {
	t.Parallel()
	x := open(t)
	x.load(paths)
	x.approveBook()
	used := x.invoke(x.invocation("zed"))
	if used.Refusal != nil {
		t.Fatal(used.Refusal)
	}
	page := escalations.IDOf(escalations.KindBreakGlass, string(used.Grant))
	s := x.escalation(page)
	glass := x.history(workflows.RunbookStream("failover"))
	if s.At != glass[len(glass)-1].At || s.Opened.Drill || !slices.Equal(s.Opened.Whose, persons("zed")) {
		t.Errorf("it began at %v, the access at %v: %+v", s.At, glass[len(glass)-1].At, s.Opened)
	}
	if no := x.acks("zed", page); codeOf(no) != workflows.CodeSelfApproval {
		t.Errorf("the invoker acknowledged: %v", no)
	}
	if no := x.acks("sam", page); no != nil {
		t.Error(no)
	}
}

// TestReq_R53_WhoMayOpenAndCommand: the documents say who may open an incident and who may command one. Who may open and not command leaves it
// without a commander until one of them takes it over.
func TestReq_R53_WhoMayOpenAndCommand(t *testing.T) {
	t.Parallel()
	x := open(t)
	openers, commanders := named("zed", "ann"), named("ann", "bob")
	x.load(func(d *draft) { d.settings.IncidentsOpen, d.settings.IncidentsCommand = &openers, &commanders })
	for _, c := range []struct{ who, act, id, person, want string }{
		{"cho", incidents.ActOpen, "", "", workflows.CodeNotEligible},
		{"sam", incidents.ActOpen, "", "", ""}, // security always may
		{"zed", incidents.ActOpen, "", "", ""},
		{"zed", incidents.ActClose, "INC-2", "", workflows.CodeNotYours},
		{"cho", incidents.ActHandOver, "INC-2", "cho", workflows.CodeNotEligible},
		{"zed", incidents.ActHandOver, "INC-2", "ann", workflows.CodeNotYours},
		{"ann", incidents.ActHandOver, "INC-2", "ann", ""},
		{"ann", incidents.ActHandOver, "INC-2", "zed", workflows.CodeNotEligible},
		{"ann", incidents.ActHandOver, "INC-2", "bob", ""},
		{"bob", incidents.ActClose, "INC-2", "", ""},
	} {
		_, no := x.incident(c.who, c.act, c.id, "Checkout is down again.", 2, c.person, "")
		if got := codeOf(no); got != c.want {
			t.Errorf("%s %s %s %s: %q %v, want %q", c.who, c.act, c.id, c.person, got, no, c.want)
		}
	}
	l, err := x.desk.Incident(t.Context(), "INC-1")
	if err != nil || l.Commander != "" || l.Crew("") {
		t.Errorf("who may not command commands: %+v %v", l, err)
	}
}

// TestReq_R82_TheRestIsAskedForAtNight: what a named automation asks for outside of the hours of its window goes through the chain, and at
// night, when too few of the first people are at work, those of another zone are asked at once; nobody waits for the morning.
func TestReq_R82_TheRestIsAskedForAtNight(t *testing.T) {
	t.Parallel()
	x := on(t, monday, func(d *draft) {
		i := d.identities["svc-deploy"]
		i.Accounts = map[workflows.TargetID]string{"bastion": "deploy"}
		d.identities["svc-deploy"] = i
		for who, zone := range map[string]string{"ann": "Europe/Berlin", "bob": "Europe/Berlin", "cho": "Asia/Tokyo"} {
			p := d.people[person(who)]
			p.Zone, p.Hours = zone, "09:00-17:00"
			d.people[person(who)] = p
		}
		flow(d, "window", func(w *workflows.Workflow) {
			w.Kind, w.For, w.Longest = workflows.KindWindow, []string{workflows.ForOwned}, 30*24*3600
			w.Entitlements = []workflows.Entitlement{entitlement("bastion", "deploy")}
			w.Window = &workflows.WindowTerms{Hours: "Mon-Fri 09:00-12:00", Zone: "UTC", Times: 2, Per: 3600, Lifetime: 1800, Budget: 3}
		}, stage("security", 1, named("sam")))
		st := stage("peers", 1, named("ann", "bob"))
		st.OffHours, st.Escalate = workflows.OffHoursAwake, &workflows.Escalation{After: 6 * 3600, Approvers: named("cho")}
		st.Timeout = 12 * 3600
		d.flows["shell"].Stages = []workflows.Stage{st}
	})
	s := x.submission("ivy", "window")
	s.Subject, s.Form.Seconds = "svc-deploy", 7*24*3600
	x.approve(x.submit(s).ID, "sam")
	st, err := identities.FoldIdentity(x.history(workflows.IdentityStream("svc-deploy")))
	if err != nil || len(st.Windows) != 1 {
		t.Fatalf("%+v (%v)", st.Windows, err)
	}
	ask := func() workflows.State {
		s := x.submission("ivy", "shell")
		s.Subject, s.Form.Seconds = "svc-deploy", 1800
		s.Form.Target, s.Form.Entitlement = "bastion", "deploy"
		out := x.submit(s)
		if out.Refusal != nil {
			t.Fatal(out.Refusal)
		}
		return x.state(out.ID)
	}
	if s := ask(); s.Status != workflows.StatusApproved {
		t.Fatalf("within the window: %s", s.Status)
	}
	x.clock.Add(17 * time.Hour) // 02:00 UTC: night in Berlin, eleven in Tokyo
	night := ask()
	if night.Status != workflows.StatusOpen {
		t.Fatalf("at night, outside of the window: %s", night.Status)
	}
	if got := seats(night.Stages[0]); got != "ann bob cho" {
		t.Errorf("at night %q are asked: whoever is awake is missing", got)
	}
}
