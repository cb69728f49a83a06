package desk_test

import (
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
	"github.com/countersign-bot/countersign/workflows/desk"
)

func (x *office) counter(who string, id workflows.RequestID, terms workflows.Terms) string {
	x.t.Helper()
	s := x.state(id)
	a, err := x.desk.Counter(x.t.Context(), desk.CounterOffer{
		Cause: x.cause(), By: acting(who), Request: id, Stage: s.Current, Shown: s.Shown(s.Current), Terms: terms, Reason: secret, Authn: "slack-click", Channel: "slack",
	})
	if err != nil {
		x.t.Fatal(err)
	}
	x.check()
	return code(a.Refusal)
}

func (x *office) accept(who string, id workflows.RequestID) desk.Submitted {
	x.t.Helper()
	out, err := x.desk.AcceptOffer(x.t.Context(), x.answer(who, id))
	if err != nil {
		x.t.Fatal(err)
	}
	x.check()
	return out
}

// answer is somebody answering the last offer of a request.
func (x *office) answer(who string, id workflows.RequestID) desk.OfferAnswer {
	x.t.Helper()
	s := x.state(id)
	a := desk.OfferAnswer{Cause: x.cause(), By: acting(who), Request: id, Authn: "slack-click", Channel: "slack"}
	if n := len(s.Offers); n > 0 {
		a.Offer = s.Offers[n-1].ID
	}
	return a
}

// T15, T16: an approver offers less; the requester takes it up with one click. What was approved before does not carry over, but the offer does:
// whoever made it approved these very terms.
func TestThreat_T16_OffersCarryNoVotesOver(t *testing.T) {
	t.Parallel()
	two := func(d *draft) {
		flow(d, "x", func(w *workflows.Workflow) {
			w.Later = 24 * 3600
			narrow := entitlement("bastion", "reader")
			narrow.Action, w.Entitlements[0].Action = workflows.ActionRead, workflows.ActionAdmin
			w.Entitlements = append(w.Entitlements, narrow)
		}, stage("peers", 2, named("ann", "bob", "cho")))
		flow(d, "one", nil, stage("peers", 1, named("ann", "bob")))
	}
	t.Run("shorter", func(t *testing.T) {
		t.Parallel()
		x := on(t, monday, two)
		id := x.ask("zed", "x")
		x.approve(id, "bob")
		if got := x.counter("ann", id, workflows.Terms{Seconds: 1800}); got != "" {
			t.Fatal(got)
		}
		if out := x.accept("nia", id); code(out.Refusal) != workflows.CodeUnknown {
			t.Errorf("somebody else: %v", out.Refusal)
		}
		old := x.state(id)
		out := x.accept("zed", id)
		if out.Refusal != nil {
			t.Fatal(out.Refusal)
		}
		before, after := x.state(id), x.state(out.ID)
		if before.Status != workflows.StatusSuperseded || before.WhyCode != workflows.CodeCountered {
			t.Errorf("the old request is %s", before.Status)
		}
		same(t, "approvals of the new one", persons("ann"), after.Stages[0].Approvals())
		if after.Asked.Seconds != 1800 || after.Asked.Reason != old.Asked.Reason || after.Asked.Texts["note"] != old.Asked.Texts["note"] ||
			after.Asked.Fields["ticket"] != old.Asked.Fields["ticket"] || after.Asked.Offer.Request != id || after.Asked.Offer.By != "p_ann" {
			t.Errorf("asked anew for %+v", after.Asked)
		}
		x.approve(out.ID, "cho")
		if _, h := x.hold(out.ID); h.Approved.EndsAt != x.now().Add(30*time.Minute) {
			t.Errorf("until %s", h.Approved.EndsAt)
		}
		if out := x.accept("zed", id); out.Refusal == nil {
			t.Error("accepted twice")
		}
	})
	t.Run("narrower and later, enough by itself", func(t *testing.T) {
		t.Parallel()
		x := on(t, monday, func(d *draft) { two(d); d.flows["x"].Stages[0].Quorum = 1 })
		id := x.ask("zed", "x")
		later := x.now().Add(2 * time.Hour)
		if got := x.counter("ann", id, workflows.Terms{Target: "bastion", Entitlement: "reader", NotBefore: later}); got != "" {
			t.Fatal(got)
		}
		out := x.accept("zed", id)
		s := x.state(out.ID)
		if out.Refusal != nil || s.Status != workflows.StatusApproved {
			t.Fatalf("%v %s", out.Refusal, s.Status)
		}
		if _, h := x.hold(out.ID); h.Approved.Entitlement != "reader" || h.Approved.StartsAt != later || len(h.Approved.Approvers) != 1 {
			t.Errorf("%+v", h.Approved)
		}
	})
	t.Run("who offered lost their say", func(t *testing.T) {
		t.Parallel()
		for name, leave := range map[string]func(*office){
			"deactivated":      func(x *office) { x.dir.is("ann", inactive) },
			"cannot be asked":  func(x *office) { x.dir.hush("ann") },
			"taken off a list": func(x *office) { x.load(func(d *draft) { d.flows["one"].Stages[0].Approvers = named("bob") }) },
		} {
			x := on(t, monday, two)
			id := x.ask("zed", "one")
			x.counter("ann", id, workflows.Terms{Seconds: 1800})
			leave(x)
			out := x.accept("zed", id)
			if out.Refusal != nil || len(x.state(out.ID).Voters()) != 0 || x.state(out.ID).Status != workflows.StatusOpen {
				t.Errorf("%s: %v, %v", name, out.Refusal, x.state(out.ID).Voters())
			}
		}
	})
	t.Run("declined, gone, and made by nobody who may", func(t *testing.T) {
		t.Parallel()
		x := on(t, monday, two)
		id := x.ask("zed", "one")
		for who, want := range map[string]string{"cho": workflows.CodeUnknown, "zed": workflows.CodeSelfApproval} {
			if got := x.counter(who, id, workflows.Terms{Seconds: 1800}); got != want {
				t.Errorf("%s: %q", who, got)
			}
		}
		if got := x.counter("ann", id, workflows.Terms{Seconds: 7200}); got != workflows.CodeBadField {
			t.Errorf("longer than asked: %q", got)
		}
		x.counter("ann", id, workflows.Terms{Seconds: 1800})
		for _, c := range []struct{ who, want string }{{"bob", workflows.CodeNotYours}, {"nia", workflows.CodeUnknown}, {"zed", ""}, {"zed", workflows.CodeNoOffer}} {
			a, err := x.desk.DeclineOffer(t.Context(), x.answer(c.who, id))
			if err != nil || code(a.Refusal) != c.want {
				t.Errorf("%s: %v %v", c.who, a.Refusal, err)
			}
			x.check()
		}
		if out := x.accept("zed", id); code(out.Refusal) != workflows.CodeNoOffer {
			t.Errorf("declined and accepted: %v", out.Refusal)
		}
		x.counter("bob", id, workflows.Terms{Seconds: 1800})
		x.load(func(d *draft) { delete(d.flows, "one") })
		if out := x.accept("zed", id); out.Refusal == nil {
			t.Error("accepted under a chain that is gone")
		}
	})
	t.Run("it does not count as another ask", func(t *testing.T) {
		t.Parallel()
		x := on(t, monday, func(d *draft) { two(d); d.flows["one"].Often = &workflows.Often{Times: 1, Per: 3600} })
		id := x.ask("zed", "one")
		x.counter("ann", id, workflows.Terms{Seconds: 1800})
		if out := x.accept("zed", id); out.Refusal != nil {
			t.Fatal(out.Refusal)
		}
		if out := x.submit(x.submission("zed", "one")); code(out.Refusal) != workflows.CodeTooOften {
			t.Errorf("%v", out.Refusal)
		}
	})
}

// Whoever may see a request may leave a note, which decides nothing and can be erased.
func TestComments(t *testing.T) {
	t.Parallel()
	x := on(t, monday, func(*draft) {})
	id := x.ask("zed", "prod-db")
	for _, c := range []struct{ who, text, want string }{
		{"zed", "it is urgent, " + secret, ""}, {"ann", "looking, " + secret, ""}, {"sam", "security is watching", ""}, {"gus", "may I?", workflows.CodeUnknown}, {"ann", " ", workflows.CodeBadField},
	} {
		a, err := x.desk.Comment(t.Context(), desk.Remark{Cause: x.cause(), By: acting(c.who), Request: id, Text: c.text, Channel: "slack"})
		if err != nil || code(a.Refusal) != c.want {
			t.Errorf("%+v: %v %v", c, a.Refusal, err)
		}
		x.check()
	}
	if n := len(x.state(id).Comments); n != 3 {
		t.Errorf("%d notes", n)
	}
}

// Before anybody asks: who would be asked, who of them is awake, when a decision can be expected. And of an open request: who could decide it at
// another time, if somebody is away.
func TestReq_R4_ForecastsAndQuestions(t *testing.T) {
	t.Parallel()
	x := on(t, monday, func(d *draft) {
		d.calendars["ny"] = desk.Calendar{Name: "ny", Zone: "America/New_York", Week: "Mon-Fri 09:00-17:00"}
		for who, at := range map[string][2]string{"ann": {"Europe/Berlin", "09:00-17:00"}, "bob": {"America/New_York", "09:00-17:00"}, "olga": {"America/New_York", "10:00-17:00"}} {
			p := d.people[person(who)]
			p.Zone, p.Hours, p.Calendar = at[0], at[1], "ny"
			d.people[person(who)] = p
		}
		d.flows["prod-db"].Rules = []workflows.Rule{{Name: "self", When: "subject.self"}}
		d.flows["prod-db"].Risk = &workflows.RiskTable{Tiers: []workflows.Tier{{Name: "high", Approvers: 3}}, Rows: []workflows.RiskRow{{Tier: "high"}}}
		d.flows["prod-db"].Stages[0].Approvers = named("ann", "bob", "zed")
	})
	pre, err := x.desk.Preview(t.Context(), x.submission("zed", "prod-db"))
	if err != nil || pre.Refusal != nil || pre.Rule != "self" || pre.Tier != "high" || len(pre.Plan) != 2 {
		t.Fatalf("%+v %v", pre, err)
	}
	// ann is awake; bob comes at 14:00 UTC, olga at 15:00: both stages are decided by then
	if first := pre.Plan[0]; len(first.Seats) != 2 || first.Forecast.Awake != 1 || first.Forecast.Reached != workflows.StampOf(monday.Add(5*time.Hour)) || len(first.Tiers) != 1 {
		t.Errorf("first stage: %+v", first)
	}
	if want := workflows.StampOf(monday.Add(6 * time.Hour)); pre.Decision != want || !strings.Contains(pre.Explanation.Sentence, "in 6 h") {
		t.Errorf("expected at %s: %s", pre.Decision, pre.Explanation.Sentence)
	}
	bad := x.submission("zed", "prod-db")
	bad.Form.Values["ticket"] = "nonsense"
	if pre, err = x.desk.Preview(t.Context(), bad); err != nil || code(pre.Refusal) != workflows.CodeBadField || len(pre.Problems) != 1 || len(pre.Plan) != 2 {
		t.Errorf("%+v %v", pre, err)
	}
	if pre, err = x.desk.Preview(t.Context(), x.submission("zed", "none")); err != nil || code(pre.Refusal) != workflows.CodeNoPolicy {
		t.Errorf("%+v %v", pre, err)
	}

	bad.Form.Values["ticket"], bad.Form.Target = "OPS-1", "moon"
	if pre, err = x.desk.Preview(t.Context(), bad); err != nil || code(pre.Refusal) != workflows.CodeBadField || pre.Explanation.Status != "denied" {
		t.Errorf("%+v %v", pre, err)
	}

	id := x.ask("zed", "prod-db")
	v, err := x.desk.Look(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	f, err := x.desk.Forecast(t.Context(), v)
	if err != nil || len(f.Order) != 2 || f.Order[0].Person != "p_ann" || f.Awake != 1 {
		t.Errorf("%+v %v", f, err)
	}
	x.away("bob", "", 0, 48*time.Hour)
	if f, err = x.desk.Forecast(t.Context(), v); err != nil || f.Reached <= workflows.StampOf(monday.Add(24*time.Hour)) {
		t.Errorf("with bob away: %s %v", f.Reached, err)
	}
	could := func(q desk.Question) (workflows.Explanation, string) {
		t.Helper()
		e, err := x.desk.WhoCould(t.Context(), q)
		if r, ok := err.(*workflows.Refusal); ok {
			return e, r.Code
		}
		if err != nil {
			t.Fatal(err)
		}
		return e, ""
	}
	text := func(e workflows.Explanation) string {
		var b strings.Builder
		var walk func(workflows.Explanation)
		walk = func(e workflows.Explanation) {
			b.WriteString(e.Status + " " + e.Name + ": " + e.Sentence + "\n")
			for _, c := range e.Children {
				walk(c)
			}
		}
		walk(e)
		return b.String()
	}
	thursday := workflows.StampOf(time.Date(2026, 11, 26, 15, 0, 0, 0, time.UTC))
	for _, c := range []struct {
		name   string
		q      desk.Question
		code   string
		status string
		says   []string
	}{
		{"a week day on which all are there", desk.Question{By: "p_zed", Request: id, At: thursday}, "", "approved", []string{"approved ANN", "approved BOB", "approved OLGA", "Enough of every stage"}},
		{"without ann", desk.Question{By: "p_zed", Request: id, At: thursday, Without: persons("ann")}, "", "pending", []string{"skipped ANN", "on time off", "It needs 2; 1 is awake, 3 could decide"}},
		{"on Sunday at three", desk.Question{Request: id, At: workflows.StampOf(time.Date(2026, 11, 29, 3, 0, 0, 0, time.UTC))}, "", "pending", []string{"pending ANN", "next: Mon 09:00 CET", "by escalation 1"}},
		{"now, with bob on time off", desk.Question{Request: id}, "", "pending", []string{"skipped BOB"}},
		{"all away", desk.Question{Request: id, At: thursday, Without: persons("ann", "bob", "sam", "dan")}, "", "denied", []string{"only 0 could decide"}},
		{"somebody who may not see it", desk.Question{By: "p_gus", Request: id}, workflows.CodeUnknown, "", nil},
		{"what there is not", desk.Question{By: "p_gus", Request: "r_none"}, workflows.CodeUnknown, "", nil},
		{"before asking", desk.Question{Workflow: "prod-db", Requester: "p_nia", Form: x.form("prod-db"), At: thursday}, "", "approved", []string{"approved ANN"}},
		{"no such chain", desk.Question{Workflow: "none", Requester: "p_nia"}, workflows.CodeNoPolicy, "", nil},
		{"no rule for it", desk.Question{Workflow: "prod-db", Requester: "p_ivy", Subject: "svc-deploy", Form: x.form("prod-db")}, workflows.CodeNoRule, "", nil},
	} {
		e, got := could(c.q)
		if got != c.code || e.Status != c.status && c.status != "" {
			t.Errorf("%s: %q %s", c.name, got, text(e))
			continue
		}
		for _, w := range c.says {
			if !strings.Contains(text(e), w) {
				t.Errorf("%s: %q is not in\n%s", c.name, w, text(e))
			}
		}
	}
	x.approveAll(id)
	if v, err = x.desk.Look(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if f, err := x.desk.Forecast(t.Context(), v); err != nil || len(f.Order) != 0 {
		t.Errorf("of a decided request: %+v %v", f, err)
	}
	x.tap.fails(true)
	for name, fn := range map[string]func() error{
		"preview":  func() error { _, err := x.desk.Preview(t.Context(), bad); return err },
		"question": func() error { _, err := x.desk.WhoCould(t.Context(), desk.Question{Request: id}); return err },
		"about": func() error {
			_, err := x.desk.WhoCould(t.Context(), desk.Question{Workflow: "prod-db", Requester: "p_nia"})
			return err
		},
		"away": func() error { _, err := x.desk.AwayNow(t.Context(), ""); return err },
		"accept": func() error {
			_, err := x.desk.AcceptOffer(t.Context(), desk.OfferAnswer{By: acting("zed"), Request: id})
			return err
		},
		"decline": func() error {
			_, err := x.desk.DeclineOffer(t.Context(), desk.OfferAnswer{By: acting("zed"), Request: id})
			return err
		},
		"comment": func() error {
			_, err := x.desk.Comment(t.Context(), desk.Remark{By: acting("zed"), Request: id})
			return err
		},
		"policy": func() error {
			_, err := x.desk.VotePolicy(t.Context(), desk.PolicyBallot{By: acting("zed")})
			return err
		},
		"changes": func() error { _, err := x.desk.Proposals(t.Context()); return err },
		"notice":  func() error { _, _, err := x.desk.NoticeOf(t.Context(), workflows.Notice{ID: "a/b/c"}); return err },
		"tick":    func() error { return x.desk.Tick(t.Context(), workflows.RequestStream(id)) },
	} {
		if fn() == nil {
			t.Errorf("%s: a ledger that cannot be read answered", name)
		}
	}
	x.tap.fails(false)
}

// Time off cuts working time, whether it lies before, within or behind it.
func TestWorkingTimeAroundTimeOff(t *testing.T) {
	t.Parallel()
	at := func(d, h, m int) workflows.Stamp {
		return workflows.StampOf(time.Date(2026, 11, d, h, m, 0, 0, time.UTC))
	}
	for _, c := range []struct {
		name  string
		hours string
		off   [][2]workflows.Stamp
		want  workflows.Stamp // of four hours of work, from Monday 09:00 on
		told  workflows.Stamp // when at work next; zero: now
	}{
		{"none", "09:00-17:00", nil, at(23, 13, 0), 0},
		{"now", "09:00-17:00", [][2]workflows.Stamp{{at(22, 0, 0), at(23, 11, 0)}}, at(23, 15, 0), at(23, 11, 0)},
		{"in between", "09:00-17:00", [][2]workflows.Stamp{{at(23, 10, 0), at(24, 10, 0)}}, at(24, 13, 0), 0},
		{"later", "09:00-17:00", [][2]workflows.Stamp{{at(23, 13, 0), at(24, 10, 0)}}, at(23, 13, 0), 0},
		{"twice", "09:00-17:00", [][2]workflows.Stamp{{at(23, 10, 0), at(23, 11, 0)}, {at(23, 12, 0), at(23, 16, 30)}}, at(24, 10, 30), 0},
		{"round the clock, now", "", [][2]workflows.Stamp{{at(22, 0, 0), at(23, 11, 0)}}, at(23, 15, 0), at(23, 11, 0)},
		{"round the clock, in between", "", [][2]workflows.Stamp{{at(23, 10, 0), at(24, 10, 0)}}, at(24, 13, 0), 0},
		{"at night", "22:00-23:00", nil, at(26, 23, 0), at(23, 22, 0)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			x := on(t, monday, func(d *draft) {
				p := d.people["p_ann"]
				p.Zone, p.Hours = "UTC", c.hours
				for _, o := range c.off[:min(1, len(c.off))] {
					p.TimeOff = append(p.TimeOff, calendar.Interval{From: o[0], To: o[1]})
				}
				d.people["p_ann"] = p
				st := stage("one", 1, named("ann"))
				st.RemindWorking, st.Timeout, st.OffHours = 4*3600, 14*24*3600, workflows.OffHoursWait
				flow(d, "x", nil, st)
			})
			if len(c.off) > 1 {
				x.away("ann", "", c.off[1][0].Sub(x.now()), c.off[1][1].Sub(x.now()))
			}
			s := x.state(x.ask("zed", "x")).Stages[0]
			if s.RemindAt != c.want || s.Roster[0].TellAt != c.told {
				t.Errorf("reminded at %s, want %s; told at %s, want %s", s.RemindAt, c.want, s.Roster[0].TellAt, c.told)
			}
		})
	}
}
