package desk_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/reviews"
)

// approveAll lets whoever can decide a request until it is decided.
func (x *office) approveAll(id workflows.RequestID) {
	x.t.Helper()
	for s := x.state(id); !s.Final(); s = x.state(id) {
		can := s.CanVote()
		if len(can) == 0 {
			x.t.Fatalf("nobody can decide %s", id)
		}
		x.approve(id, strings.TrimPrefix(string(can[0]), "p_"))
	}
}

// A rule may approve without people, so often per person and period, also when many ask at once; a sample is looked at by somebody else.
func TestReq_R70_AutomaticApprovals(t *testing.T) {
	t.Parallel()
	auto := func(sample int) func(*draft) {
		return func(d *draft) {
			flow(d, "auto", func(w *workflows.Workflow) {
				w.Rules = []workflows.Rule{
					{Name: "short", UpTo: 3600, Auto: &workflows.Auto{Times: 3, Per: 24 * 3600, Sample: sample}}, {Name: "long"},
				}
				w.Owner = "p_olga"
			}, stage("peers", 1, named("ann")))
		}
	}
	t.Run("at once, so often, and again a day later", func(t *testing.T) {
		t.Parallel()
		x := on(t, monday, auto(0))
		for range 3 {
			id := x.ask("zed", "auto")
			s := x.state(id)
			if s.Status != workflows.StatusApproved || len(s.Asked.Plan) != 0 || s.Auto == nil || s.Auto.Rule != "short" {
				t.Fatalf("%s %+v", s.Status, s.Auto)
			}
			if _, h := x.hold(id); len(h.Approved.Approvers) != 0 || h.Approved.EndsAt != x.now().Add(time.Hour) {
				t.Errorf("%+v", h.Approved)
			}
		}
		if out := x.submit(x.submission("zed", "auto")); code(out.Refusal) != workflows.CodeTooOften {
			t.Errorf("a fourth: %v", out.Refusal)
		}
		x.ask("nia", "auto") // another person has their own three
		x.clock.Add(24*time.Hour + time.Second)
		x.ask("zed", "auto")
		longer := x.submission("zed", "auto")
		longer.Form.Seconds = 7200
		if out := x.submit(longer); out.Refusal != nil || x.state(out.ID).Status != workflows.StatusOpen {
			t.Errorf("by the other rule: %v", out.Refusal)
		}
	})
	t.Run("fifty at once", func(t *testing.T) {
		t.Parallel()
		x := on(t, monday, auto(0))
		const n = 50
		got := make(chan string, n)
		for i := range n {
			s := x.submission("zed", "auto")
			s.Form.Values["ticket"] = fmt.Sprintf("OPS-%d", 1000+i)
			go func() {
				out, err := x.desk.Submit(t.Context(), s)
				if err != nil {
					got <- err.Error()
					return
				}
				got <- code(out.Refusal)
			}()
		}
		count := map[string]int{}
		for range n {
			count[<-got]++
		}
		x.check()
		same(t, "answers", map[string]int{"": 3, workflows.CodeTooOften: n - 3}, count)
		if g := x.holds(workflows.GrantStream("p_zed", "bastion", "auto")); len(g.Holds) != 3 {
			t.Errorf("%d grants", len(g.Holds))
		}
	})
	t.Run("a sample is reviewed, never by who asked", func(t *testing.T) {
		t.Parallel()
		x := on(t, monday, auto(100))
		for who, owner := range map[string]workflows.PersonID{"zed": "p_olga", "olga": "p_otto"} {
			id := x.ask(who, "auto")
			if x.state(id).Auto == nil || !x.state(id).Auto.Sampled {
				t.Fatal("not sampled")
			}
			list, err := x.desk.Reviews(t.Context(), owner, 0)
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(list, func(r reviews.State) bool { return r.Opened.About == string(workflows.RequestStream(id)) })
			if i < 0 || list[i].Opened.Owner != owner || list[i].Opened.Invoker != person(who) || slices.Contains(list[i].Opened.Others, person(who)) {
				t.Errorf("%s: %+v", who, list)
			}
		}
	})
	t.Run("a preview does not count", func(t *testing.T) {
		t.Parallel()
		x := on(t, monday, auto(0))
		size := len(x.entries())
		for range 5 {
			pre, err := x.desk.Preview(t.Context(), x.submission("zed", "auto"))
			if err != nil || pre.Refusal != nil || !pre.Auto || pre.Explanation.Status != "approved" {
				t.Fatalf("%+v %v", pre, err)
			}
		}
		if n := len(x.entries()); n != size {
			t.Errorf("a preview recorded %v", kinds(x.entries()[size:]))
		}
	})
}

// How often somebody may ask is counted where it is decided.
func TestHowOftenSomebodyMayAsk(t *testing.T) {
	t.Parallel()
	x := on(t, monday, func(d *draft) {
		flow(d, "x", func(w *workflows.Workflow) { w.Often = &workflows.Often{Times: 2, Per: 3600} }, stage("peers", 1, named("ann")))
	})
	done := make(chan string, 6)
	for i := range 6 {
		s := x.submission("zed", "x")
		s.Form.Values["ticket"] = fmt.Sprintf("OPS-%d", 1000+i)
		go func() {
			out, err := x.desk.Submit(t.Context(), s)
			done <- fmt.Sprint(code(out.Refusal), err)
		}()
	}
	count := map[string]int{}
	for range 6 {
		count[<-done]++
	}
	x.check()
	same(t, "answers", map[string]int{"<nil>": 2, workflows.CodeTooOften + "<nil>": 4}, count)
	x.clock.Add(time.Hour + time.Second)
	x.ask("zed", "x")
}

// What is asked for already, or held for as long, pages nobody.
func TestTheSameIsNotAskedTwice(t *testing.T) {
	t.Parallel()
	x := on(t, monday, func(d *draft) {})
	s := x.submission("zed", "prod-db")
	id := x.submit(s).ID
	s.Cause = x.cause()
	if out := x.submit(s); code(out.Refusal) != workflows.CodeAsked || !strings.Contains(out.Refusal.Sentence, string(id)) {
		t.Errorf("%v", out.Refusal)
	}
	x.approve(id, "ann", "bob", "olga")
	s.Cause, s.Form.Values = x.cause(), map[string]string{"ticket": "OPS-99"} // a membership is one, whatever the ticket
	if out := x.submit(s); code(out.Refusal) != workflows.CodeHeld {
		t.Errorf("%v", out.Refusal)
	}
	s.Cause, s.Form.Seconds = x.cause(), 7200
	if out := x.submit(s); out.Refusal != nil {
		t.Errorf("for longer: %v", out.Refusal)
	}
	// an artefact that was made with another key would not do
	first := x.submission("zed", "shell")
	x.approve(x.submit(first).ID, "ann")
	other := x.submission("zed", "shell")
	if out := x.submit(other); out.Refusal != nil {
		t.Errorf("with another form: %v", out.Refusal)
	}
	first.Cause = x.cause()
	if out := x.submit(first); code(out.Refusal) != workflows.CodeHeld {
		t.Errorf("with the same form: %v", out.Refusal)
	}
}

// T53, R57: more time is asked for anew, and all extensions together never pass the cap from the first grant.
func TestThreat_T53_ExtensionsHaveACap(t *testing.T) {
	t.Parallel()
	x := on(t, monday, func(d *draft) {
		flow(d, "x", func(w *workflows.Workflow) {
			w.Extend = &workflows.Extend{Cap: 3 * 3600}
			w.Rules = []workflows.Rule{{Name: "again", When: "renewals >= 1", Stages: []string{"owner"}}, {Name: "first", Stages: []string{"peers"}}}
		}, stage("peers", 1, named("ann")), stage("owner", 1, named("olga")))
	})
	first := x.ask("zed", "x")
	x.approve(first, "ann")
	_, h := x.start(first)
	began := x.now()
	extend := func(g workflows.GrantID, seconds workflows.Span) desk.Submitted {
		s := x.submission("zed", "x")
		s.Extends, s.Form.Seconds = g, seconds
		return x.submit(s)
	}
	x.clock.Add(30 * time.Minute)
	if out := extend("g_nothing", 3600); code(out.Refusal) != workflows.CodeNotActive {
		t.Errorf("what there is not: %v", out.Refusal)
	}
	if out := extend(h, 3*3600); code(out.Refusal) != workflows.CodeCap {
		t.Errorf("past the cap: %v", out.Refusal)
	}
	second := extend(h, 2*3600)
	if second.Refusal != nil {
		t.Fatal(second.Refusal)
	}
	x.clock.Add(20 * time.Minute)
	x.approve(second.ID, "ann")
	stream, held := x.hold(second.ID)
	if held.Approved.Extends != h || held.Approved.First != began || held.Approved.EndsAt != began.Add(50*time.Minute+2*time.Hour) || held.Approved.Cap != 3*3600 {
		t.Errorf("%+v", held.Approved)
	}
	third := extend(held.Approved.Grant, 3600)
	if third.Refusal != nil {
		t.Fatal(third.Refusal)
	}
	a := x.state(third.ID).Asked
	if a.Renewal != 2 || a.Chosen != "again" {
		t.Errorf("renewal %d by rule %q", a.Renewal, a.Chosen)
	}
	x.clock.Add(90 * time.Minute) // the approval comes so late that the cap cuts the time
	x.approve(third.ID, "olga")
	if _, held = x.hold(third.ID); held.Approved.EndsAt != began.Add(3*time.Hour) || held.Ends.Mono-held.At.Mono != int64(held.Approved.EndsAt.Sub(held.At.UTC)) {
		t.Errorf("ends at %s, the cap is %s", held.Approved.EndsAt, began.Add(3*time.Hour))
	}
	if out := extend(held.Approved.Grant, 3600); code(out.Refusal) != workflows.CodeCap {
		t.Errorf("beyond: %v", out.Refusal)
	}

	y := on(t, monday, func(d *draft) {
		flow(d, "x", func(w *workflows.Workflow) { w.Extend = &workflows.Extend{Cap: 4 * 3600} }, stage("peers", 1, named("ann")))
	})
	first = y.ask("zed", "x")
	y.approve(first, "ann")
	_, g := y.start(first)
	s := y.submission("zed", "x")
	s.Extends, s.Form.Seconds = g, 2*3600
	id := y.submit(s).ID
	y.clock.Add(2 * time.Hour)
	y.tick(stream)
	y.tick(workflows.GrantStream("p_zed", "bastion", "x"))
	y.vote(y.ballot("ann", id, workflows.Approve))
	if st := y.state(id); st.Status != workflows.StatusSuperseded || !strings.Contains(st.Why, "has ended") {
		t.Errorf("what had ended was extended: %s %s", st.Status, st.Why)
	}
}

// A change freeze stops what names it, when it is asked for and when it would be granted; business hours stop the asking.
func TestFreezesAndBusinessHours(t *testing.T) {
	t.Parallel()
	noon, one := monday.Add(3*time.Hour), monday.Add(4*time.Hour)
	x := on(t, monday, func(d *draft) {
		d.calendars["berlin"] = desk.Calendar{Name: "berlin", Zone: "Europe/Berlin", Week: "Mon-Fri 09:00-17:00", Holidays: []calendar.Date{{Year: 2026, Month: 11, Day: 24}}, Stops: []desk.Freeze{
			{Name: "release", From: workflows.StampOf(noon), To: workflows.StampOf(one)}, {Name: "other", From: 1, To: workflows.StampOf(monday.AddDate(0, 1, 0))},
		}}
		flow(d, "frozen", func(w *workflows.Workflow) { w.Calendar, w.Freezes = "berlin", []string{"release"} }, stage("peers", 1, named("ann")))
		flow(d, "hours", func(w *workflows.Workflow) { w.Calendar, w.Only = "berlin", workflows.OnlyBusiness }, stage("peers", 1, named("ann")))
		flow(d, "except", func(w *workflows.Workflow) {
			w.Calendar = "berlin"
			w.Rules = []workflows.Rule{{Name: "in a freeze", When: `freeze == "other" && business && day == "Monday" && hour == 10`}, {Name: "no", Refuse: "There is no freeze."}}
		}, stage("peers", 1, named("ann")))
	})
	x.ask("zed", "except")
	open := x.ask("zed", "frozen")
	x.ask("zed", "hours")
	x.clock.Add(3 * time.Hour)
	if out := x.submit(x.submission("zed", "frozen")); code(out.Refusal) != workflows.CodeFreeze || !strings.Contains(out.Refusal.Sentence, "release") {
		t.Errorf("%v", out.Refusal)
	}
	if a := x.vote(x.ballot("ann", open, workflows.Approve)); code(a.Refusal) != workflows.CodeFreeze || x.state(open).Status != workflows.StatusOpen {
		t.Errorf("%v", a.Refusal)
	}
	x.clock.Add(time.Hour - time.Microsecond)
	if a := x.vote(x.ballot("ann", open, workflows.Approve)); code(a.Refusal) != workflows.CodeFreeze {
		t.Errorf("the last moment: %v", a.Refusal)
	}
	x.clock.Add(time.Microsecond)
	if a := x.vote(x.ballot("ann", open, workflows.Approve)); a.Refusal == nil {
		t.Error("after its deadline")
	}
	late := x.ask("zed", "frozen")
	x.approve(late, "ann")
	x.clock.Add(4 * time.Hour)
	for what, add := range map[string]time.Duration{"the evening": 0, "a holiday": 16 * time.Hour} {
		x.clock.Add(add)
		if out := x.submit(x.submission("zed", "hours")); code(out.Refusal) != workflows.CodeOutsideHours {
			t.Errorf("%s: %v", what, out.Refusal)
		}
	}
	// a calendar that nobody can look into stops what hangs on it
	x.load(func(d *draft) { delete(d.calendars, "berlin") })
	for flow, want := range map[workflows.WorkflowID]string{"frozen": workflows.CodeFreeze, "hours": workflows.CodeOutsideHours} {
		if out := x.submit(x.submission("zed", flow)); code(out.Refusal) != want {
			t.Errorf("%s without its calendar: %v", flow, out.Refusal)
		}
	}
}

// R96: entitlements that conflict are never held together: not when the second is asked for, not when it would be granted, however the votes fall.
func TestReq_R96_ConflictsAreNeverHeldTogether(t *testing.T) {
	t.Parallel()
	edit := func(d *draft) {
		for _, pair := range [][2]workflows.EntitlementID{{"pay", "book"}, {"book", "pay"}} {
			flow(d, workflows.WorkflowID(pair[0]), func(w *workflows.Workflow) {
				w.Entitlements[0].Conflicts = []workflows.Conflict{{Set: "four eyes", With: []string{"bastion/" + string(pair[1])}, Why: "who pays does not book"}}
			}, stage("peers", 1, named("ann", "bob")))
		}
	}
	x := on(t, monday, edit)
	pay, book := x.ask("zed", "pay"), x.ask("zed", "book")
	done := make(chan error, 2)
	for who, id := range map[string]workflows.RequestID{"ann": pay, "bob": book} {
		b := x.ballot(who, id, workflows.Approve)
		go func() { _, err := x.desk.Vote(t.Context(), b); done <- err }()
	}
	for range 2 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	x.check()
	live := 0
	for _, e := range []workflows.EntitlementID{"pay", "book"} {
		for _, h := range x.holds(workflows.GrantStream("p_zed", "bastion", e)).Holds {
			if h.Live() {
				live++
			}
		}
	}
	if live != 1 {
		t.Errorf("%d of two that conflict are held", live)
	}
	for _, flow := range []workflows.WorkflowID{"pay", "book"} {
		out := x.submit(x.submission("zed", flow))
		if out.Refusal != nil && code(out.Refusal) != workflows.CodeConflict && code(out.Refusal) != workflows.CodeAsked {
			t.Errorf("%s: %v", flow, out.Refusal)
		}
	}
	x.ask("nia", "book") // somebody else may
}

// Access may be agreed to start later, and to end with a field or a ticket.
func TestAgreedStartAndEnd(t *testing.T) {
	t.Parallel()
	x := on(t, monday, func(d *draft) {
		p := d.people["p_zed"]
		p.Zone = "America/New_York"
		d.people["p_zed"] = p
		flow(d, "later", func(w *workflows.Workflow) {
			w.Later, w.EndsWith = 7*24*3600, "until"
			w.Fields = append(w.Fields, workflows.Field{Name: "until", Type: workflows.FieldDateTime, Optional: true})
		}, stage("peers", 1, named("ann")))
		flow(d, "ticket", func(w *workflows.Workflow) { w.EndsWith = "ticket" }, stage("peers", 1, named("ann")))
	})
	s := x.submission("zed", "later")
	s.NotBefore, s.Form.Values["until"] = x.now().Add(5*time.Hour), "2026-11-23 09:30" // on his clock: 14:30 UTC
	id := x.submit(s).ID
	x.approve(id, "ann")
	stream, h := x.hold(id)
	if h.Approved.StartsAt != x.now().Add(5*time.Hour) || h.Approved.EndsAt != workflows.StampOf(time.Date(2026, 11, 23, 14, 30, 0, 0, time.UTC)) {
		t.Errorf("from %s to %s", h.Approved.StartsAt, h.Approved.EndsAt)
	}
	rows, err := x.store.JobsOf(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if r.Kind == workflows.JobStart && r.Due != h.Approved.StartsAt {
			t.Errorf("made at %s", r.Due)
		}
	}
	over := x.submission("zed", "later")
	over.Form.Values["until"] = x.now().Add(time.Hour).String()
	late := x.submit(over).ID
	x.clock.Add(2 * time.Hour)
	x.vote(x.ballot("ann", late, workflows.Approve))
	if st := x.state(late); st.Status != workflows.StatusSuperseded {
		t.Errorf("approved when it was over: %s", st.Status)
	}
	for _, text := range []string{"tomorrow", "2026-11-23", "2026-11-23 25:00", "2026-13-01 10:00"} {
		s := x.submission("zed", "later")
		s.Form.Values["until"] = text
		if out := x.submit(s); code(out.Refusal) != workflows.CodeBadField || len(out.Problems) == 0 {
			t.Errorf("%q: %v", text, out.Refusal)
		}
	}

	a, b := x.submission("zed", "ticket"), x.submission("nia", "ticket")
	b.Form.Values["ticket"] = a.Form.Values["ticket"]
	one, two, other := x.submit(a).ID, x.submit(b).ID, x.ask("gus", "ticket")
	for _, id := range []workflows.RequestID{one, two, other} {
		x.approve(id, "ann")
		x.start(id)
	}
	for range 2 { // closing again changes nothing
		n, err := x.desk.CloseTicket(t.Context(), "api/1", acting("sam"), a.Form.Values["ticket"])
		if err != nil || n != 2 && n != 0 {
			t.Errorf("%d ended: %v", n, err)
		}
		x.check()
	}
	for id, want := range map[workflows.RequestID]grants.Status{one: grants.StatusEnding, two: grants.StatusEnding, other: grants.StatusActive} {
		if _, h := x.hold(id); h.Status != want {
			t.Errorf("%s: %s", id, h.Status)
		}
	}
	if n, err := x.desk.CloseTicket(t.Context(), "", acting("sam"), ""); n != 0 || err != nil {
		t.Errorf("no ticket: %d %v", n, err)
	}
	x.tap.fails(true)
	if _, err := x.desk.CloseTicket(t.Context(), "", acting("sam"), "OPS-1"); err == nil {
		t.Error("a list that cannot be read ended something")
	}
	x.tap.fails(false)
}

// Fields that name a target or an identity must name one that there is.
func TestFieldsThatNameThings(t *testing.T) {
	t.Parallel()
	x := on(t, monday, func(d *draft) {
		flow(d, "x", func(w *workflows.Workflow) {
			w.Fields = append(w.Fields, workflows.Field{Name: "where", Type: workflows.FieldTarget}, workflows.Field{Name: "who", Type: workflows.FieldIdentity})
			w.Rules = []workflows.Rule{{Name: "x", When: `fields.where == "bastion" || fields.where == "pg-main"`}}
		}, stage("peers", 1, named("ann")))
	})
	for _, c := range []struct{ where, who, want string }{
		{"bastion", "svc-deploy", ""}, {"pg-main", "svc-deploy", ""}, {"moon", "svc-deploy", workflows.CodeBadField}, {"bastion", "svc-none", workflows.CodeBadField},
	} {
		s := x.submission("zed", "x")
		s.Form.Values["where"], s.Form.Values["who"] = c.where, c.who
		out := x.submit(s)
		if code(out.Refusal) != c.want || (c.want == "") != (len(out.Problems) == 0) {
			t.Errorf("%+v: %v %+v", c, out.Refusal, out.Problems)
		}
	}
}

// R82: a named automation asks within a standing window that people approved before, and needs nobody; outside of its hours, past its budget or
// its lifetime it goes through the chain like everybody.
func TestReq_R82_StandingWindows(t *testing.T) {
	t.Parallel()
	x := on(t, monday, func(d *draft) {
		i := d.identities["svc-deploy"]
		i.Accounts = map[workflows.TargetID]string{"bastion": "deploy"}
		d.identities["svc-deploy"] = i
		flow(d, "window", func(w *workflows.Workflow) {
			w.Kind, w.For, w.Longest = workflows.KindWindow, []string{workflows.ForOwned}, 30*24*3600
			w.Entitlements = []workflows.Entitlement{entitlement("bastion", "deploy")}
			w.Window = &workflows.WindowTerms{Hours: "Mon-Fri 09:00-12:00", Zone: "UTC", Times: 2, Per: 3600, Lifetime: 1800, Budget: 3}
		}, stage("security", 1, named("sam")))
	})
	ask := func(edit func(*desk.Submission)) desk.Submitted {
		s := x.submission("ivy", "shell")
		s.Subject, s.Form.Seconds = "svc-deploy", 1800
		if edit != nil {
			edit(&s)
		}
		return x.submit(s)
	}
	if out := ask(nil); out.Refusal != nil || x.state(out.ID).Status != workflows.StatusOpen {
		t.Fatalf("without a window: %v", out.Refusal)
	}
	s := x.submission("ivy", "window")
	s.Subject, s.Form.Seconds = "svc-deploy", 7*24*3600
	if out := x.submit(x.submission("zed", "window")); code(out.Refusal) != workflows.CodeNotEligible {
		t.Errorf("a window for a person: %v", out.Refusal)
	}
	window := x.submit(s).ID
	x.approve(window, "sam")
	st, err := identities.FoldIdentity(x.history(workflows.IdentityStream("svc-deploy")))
	if err != nil || len(st.Windows) != 1 || st.Windows[0].Window != string(window) || st.Windows[0].EndsAt != x.now().Add(7*24*time.Hour) {
		t.Fatalf("%+v %v", st.Windows, err)
	}
	status := func(out desk.Submitted) workflows.Status {
		if out.Refusal != nil {
			t.Fatal(out.Refusal)
		}
		return x.state(out.ID).Status
	}
	first := ask(nil)
	if status(first) != workflows.StatusApproved || x.state(first.ID).Asked.Window != string(window) {
		t.Fatalf("within the window: %+v", x.state(first.ID).Asked)
	}
	if _, h := x.hold(first.ID); h.Approved.EndsAt != x.now().Add(30*time.Minute) {
		t.Errorf("until %s", h.Approved.EndsAt)
	}
	if got := status(ask(func(s *desk.Submission) { s.Form.Seconds = 3600 })); got != workflows.StatusOpen {
		t.Errorf("longer than its lifetime: %s", got)
	}
	if got := status(ask(nil)); got != workflows.StatusApproved {
		t.Errorf("a second: %s", got)
	}
	if got := status(ask(nil)); got != workflows.StatusOpen {
		t.Errorf("more than its count: %s", got)
	}
	x.clock.Add(time.Hour + time.Second)
	if got := status(ask(nil)); got != workflows.StatusApproved {
		t.Errorf("in the next period: %s", got)
	}
	x.clock.Add(time.Hour + time.Second)
	if got := status(ask(nil)); got != workflows.StatusOpen {
		t.Errorf("past its budget: %s", got)
	}
	x.clock.Add(24 * time.Hour)
	if st, _ = identities.FoldIdentity(x.history(workflows.IdentityStream("svc-deploy"))); len(st.Windows[0].Uses) != 3 {
		t.Errorf("used %d times", len(st.Windows[0].Uses))
	}
}

// R45: one model for all kinds of principals: a manager asks for who reports to them, an owner for an identity, and nobody for anybody else.
func TestReq_R45_ForWhomSomebodyMayAsk(t *testing.T) {
	t.Parallel()
	x := on(t, monday, func(d *draft) {
		flow(d, "x", func(w *workflows.Workflow) {
			w.For = []string{workflows.ForSelf, workflows.ForReports, workflows.ForOwned}
		}, stage("peers", 1, named("ann", "zed", "mia", "ivy")))
	})
	for _, c := range []struct{ who, subject, want, roster string }{
		{"zed", "", "", "ann mia ivy"},
		{"mia", "p_zed", "", "ann ivy"}, // neither who asks nor who would hold it decides
		{"ann", "p_zed", workflows.CodeNotEligible, ""},
		{"mia", "p_ghost", workflows.CodeNotInInventory, ""},
		{"ivy", "svc-deploy", "", "ann zed mia"},
		{"ida", "svc-deploy", "", "ann zed mia"}, // the backup asks; the owner answers for it
		{"zed", "svc-deploy", workflows.CodeNotEligible, ""},
	} {
		s := x.submission(c.who, "x")
		s.Subject = workflows.IdentityID(c.subject)
		out := x.submit(s)
		if code(out.Refusal) != c.want {
			t.Errorf("%+v: %v", c, out.Refusal)
			continue
		}
		if c.want == "" {
			same(t, c.who+" for "+c.subject, c.roster, seats(x.state(out.ID).Stages[0]))
		}
	}
	offers, err := x.desk.Catalogue(t.Context(), "p_mia")
	i := slices.IndexFunc(offers, func(o desk.Offer) bool { return o.Version.Workflow.ID == "x" })
	if err != nil || i < 0 || !slices.Contains(offers[i].Subjects, "p_zed") || slices.Contains(offers[i].Subjects, "svc-deploy") {
		t.Errorf("%+v %v", offers, err)
	}
}
