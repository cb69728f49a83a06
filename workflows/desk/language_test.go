package desk_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// monday is when most of these tests take place: 10:00 in Berlin.
var monday = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

// on opens an office at a moment, with documents that were edited first.
func on(t *testing.T, at time.Time, edit func(*draft)) *office {
	t.Helper()
	x := open(t)
	x.clock.Add(at.Sub(x.clock.Now().Wall))
	x.load(func(d *draft) {
		d.conditions = spec.NewConditions()
		edit(d)
	})
	return x
}

func (x *office) now() workflows.Stamp { return workflows.StampOf(x.clock.Now().Wall) }

// flow makes a chain on a target of its own out of stages, and changes it.
func flow(d *draft, id workflows.WorkflowID, edit func(*workflows.Workflow), stages ...workflows.Stage) {
	w := chain(id, entitlement("bastion", workflows.EntitlementID(id)), stages...)
	if edit != nil {
		edit(w)
	}
	d.flows[id] = w
}

// seats draws a roster: "ann bob(for cho)".
func seats(s workflows.StageState) string {
	var out []string
	for _, seat := range s.Roster {
		word := strings.TrimPrefix(string(seat.Person), "p_")
		if seat.For != "" {
			word += "(for " + strings.TrimPrefix(string(seat.For), "p_") + ")"
		}
		if seat.Away {
			word += "(away)"
		}
		if len(seat.Parts) > 0 {
			word += fmt.Sprint(seat.Parts)
		}
		out = append(out, word)
	}
	return strings.Join(out, " ")
}

// Rules send an ask through the stages that its facts choose, and the record says by what.
func TestReq_R70_RulesChooseTheStages(t *testing.T) {
	t.Parallel()
	rules := func(choose string, rules ...workflows.Rule) func(*draft) {
		return func(d *draft) {
			d.groups["night"] = persons("nia")
			flow(d, "ruled", func(w *workflows.Workflow) {
				w.Rules, w.Choose = rules, choose
				w.Fields = append(w.Fields, workflows.Field{Name: "severity", Type: workflows.FieldChoice, Choices: []string{"low", "high"}, Optional: true},
					workflows.Field{Name: "rows", Type: workflows.FieldNumber, Optional: true})
			}, stage("peers", 1, named("ann", "bob")), stage("owner", 1, named("olga")))
		}
	}
	for _, c := range []struct {
		name, choose string
		rules        []workflows.Rule
		edit         func(*desk.Submission)
		code, chosen string
		plan         []string
	}{
		{name: "the first that matches", rules: []workflows.Rule{{Name: "night", When: `"night" in requester.groups`, Stages: []string{"owner"}}, {Name: "rest"}}, chosen: "rest", plan: []string{"peers", "owner"}},
		{
			name: "a group of the requester", rules: []workflows.Rule{{Name: "night", When: `"night" in requester.groups`, Stages: []string{"owner"}}, {Name: "rest"}},
			edit: func(s *desk.Submission) { s.By = acting("nia") }, chosen: "night", plan: []string{"owner"},
		},
		{
			name: "short asks are easier", rules: []workflows.Rule{{Name: "short", UpTo: 1800, Stages: []string{"peers"}}, {Name: "long"}},
			edit: func(s *desk.Submission) { s.Form.Seconds = 1800 }, chosen: "short", plan: []string{"peers"},
		},
		{name: "long asks are not", rules: []workflows.Rule{{Name: "short", UpTo: 1800, Stages: []string{"peers"}}, {Name: "long"}}, chosen: "long", plan: []string{"peers", "owner"}},
		{name: "nothing covers it", rules: []workflows.Rule{{Name: "short", UpTo: 1800}}, code: workflows.CodeNoRule},
		{name: "refused by a rule", rules: []workflows.Rule{{Name: "no", When: `channel == "slack"`, Refuse: "Not through the chat."}}, code: workflows.CodeRule},
		{name: "the most specific", choose: workflows.ChooseSpecific, rules: []workflows.Rule{
			{Name: "all", Terms: 0}, {Name: "self", When: `subject.self && subject.kind == "person"`, Terms: 2, Stages: []string{"peers"}},
		}, chosen: "self", plan: []string{"peers"}},
		{name: "two equally specific", choose: workflows.ChooseSpecific, rules: []workflows.Rule{
			{Name: "one", When: `subject.self`, Terms: 1}, {Name: "two", When: `day == "Monday"`, Terms: 1},
		}, code: workflows.CodeAmbiguous},
		{name: "a condition that cannot be evaluated is no no", rules: []workflows.Rule{{Name: "rows", When: `fields.rows > 5`, Stages: []string{"peers"}}, {Name: "rest"}}, code: workflows.CodeDirectory},
		{
			name: "a number of the form", rules: []workflows.Rule{{Name: "rows", When: `fields.rows > 5`, Stages: []string{"peers"}}, {Name: "rest"}},
			edit: func(s *desk.Submission) { s.Form.Values["rows"] = "6" }, chosen: "rows", plan: []string{"peers"},
		},
		{
			name: "severity", rules: []workflows.Rule{{Name: "high", When: `severity == "high"`, Stages: []string{"peers"}}, {Name: "rest"}},
			edit: func(s *desk.Submission) { s.Form.Values["severity"] = "high" }, chosen: "high", plan: []string{"peers"},
		},
		{name: "the hour", rules: []workflows.Rule{{Name: "morning", When: `hour < 12 && now < timestamp("2027-01-01T00:00:00Z")`, Stages: []string{"peers"}}, {Name: "rest"}}, chosen: "morning", plan: []string{"peers"}},
		{
			name: "the network only where it is known", rules: []workflows.Rule{{Name: "office", When: `network == "office"`, Stages: []string{"peers"}}, {Name: "rest"}},
			edit: func(s *desk.Submission) { s.Network = "office" }, chosen: "office", plan: []string{"peers"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			x := on(t, monday, rules(c.choose, c.rules...))
			s := x.submission("zed", "ruled")
			if c.edit != nil {
				c.edit(&s)
			}
			pre, err := x.desk.Preview(t.Context(), s)
			if err != nil || code(pre.Refusal) != c.code || pre.Rule != c.chosen || len(pre.Plan) != len(c.plan) {
				t.Errorf("the preview said %q, %q, %d stages: %v", code(pre.Refusal), pre.Rule, len(pre.Plan), err)
			}
			out := x.submit(s)
			if code(out.Refusal) != c.code {
				t.Fatalf("refused with %v", out.Refusal)
			}
			if c.code != "" {
				return
			}
			a := x.state(out.ID).Asked
			same(t, "plan", c.plan, x.state(out.ID).StageNames())
			if a.Chosen != c.chosen || len(a.Trace) != len(c.rules) || strings.Contains(a.Inputs, secret) {
				t.Errorf("recorded %q, %+v, %s", a.Chosen, a.Trace, a.Inputs)
			}
			in, err := workflows.ReadInputs(a.Inputs)
			if err != nil {
				t.Fatal(err)
			}
			for i, r := range c.rules { // R3: what was recorded gives the same answers again
				got := true
				if r.When != "" {
					if got, err = spec.NewConditions().Eval(r.When, in); err != nil {
						t.Error(err)
					}
				}
				if want := got && (r.UpTo == 0 || a.Seconds <= r.UpTo); want != a.Trace[i].Matched {
					t.Errorf("rule %s: recorded %t, again %t", r.Name, a.Trace[i].Matched, want)
				}
			}
		})
	}
}

// Without anything that could evaluate conditions, an ask under them is refused.
func TestConditionsFailClosed(t *testing.T) {
	t.Parallel()
	x := on(t, monday, func(d *draft) {
		d.conditions = nil
		flow(d, "ruled", func(w *workflows.Workflow) { w.Rules = []workflows.Rule{{Name: "x", When: "true"}, {Name: "rest"}} }, stage("peers", 1, named("ann")))
	})
	if out := x.submit(x.submission("zed", "ruled")); code(out.Refusal) != workflows.CodeDirectory {
		t.Errorf("%v", out.Refusal)
	}
}

// Everything that a selector can name: who sits, and whether they still decide once the world has moved on.
func TestSelectorsOfAllKinds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		sel   workflows.Selector
		edit  func(*draft)
		want  string
		leave func(x *office) // takes the say of ann away, or of who is named
		who   string
	}{
		{name: "a channel of the chat", sel: workflows.Selector{ChatChannels: []string{"#dba"}}, want: "ann bob", leave: func(x *office) { x.dir.group("#dba", "bob") }},
		{name: "a rotation", sel: workflows.Selector{Rotations: []string{"dba"}}, want: "ann", leave: func(x *office) {
			x.load(func(d *draft) {
				d.rotations["dba"] = desk.Rotation{Name: "dba", People: persons("ann", "bob"), Shifts: always("bob")}
			})
		}},
		{name: "a rotation that is gone", sel: workflows.Selector{Rotations: []string{"dba"}}, want: "ann", leave: func(x *office) { x.load(func(d *draft) { delete(d.rotations, "dba") }) }},
		{
			name: "whoever instead", sel: workflows.Selector{Rotations: []string{"none"}, Fallback: &workflows.Selector{People: persons("ann", "bob")}}, want: "ann bob",
			leave: func(x *office) {
				x.load(func(d *draft) {
					d.flows["x"].Stages[0].Approvers.Fallback = &workflows.Selector{People: persons("bob")}
				})
			},
		},
		{
			name: "whoever instead of the requester alone", sel: workflows.Selector{People: persons("zed"), Fallback: &workflows.Selector{ChatChannels: []string{"#dba"}}}, want: "ann bob",
			leave: func(x *office) { x.dir.group("#dba", "bob") },
		},
		{
			name: "nobody instead where there is somebody", sel: workflows.Selector{People: persons("ann"), Fallback: &workflows.Selector{People: persons("bob")}}, want: "ann",
			leave: func(x *office) { x.load(func(d *draft) { d.flows["x"].Stages[0].Approvers.People = persons("cho") }) },
		},
		{
			name: "the exclusion of the selector holds for the fallback", sel: workflows.Selector{Rotations: []string{"none"}, Exclude: persons("bob"), Fallback: &workflows.Selector{People: persons("ann", "bob")}}, want: "ann",
			leave: func(x *office) {
				x.load(func(d *draft) { d.flows["x"].Stages[0].Approvers.Exclude = persons("ann", "bob") })
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			x := open(t)
			x.dir.group("#dba", "ann", "bob")
			x.load(func(d *draft) {
				d.rotations["dba"] = desk.Rotation{Name: "dba", People: persons("ann", "bob"), Shifts: always("ann")}
				d.rotations["none"] = desk.Rotation{Name: "none", People: persons("ann")}
				flow(d, "x", nil, stage("one", 1, c.sel))
			})
			id := x.ask("zed", "x")
			if got := seats(x.state(id).Stages[0]); got != c.want {
				t.Errorf("asked %q, want %q", got, c.want)
			}
			who := "ann"
			b := x.ballot(who, id, workflows.Approve)
			c.leave(x)
			if a := x.vote(b); code(a.Refusal) != workflows.CodeNotApprover {
				t.Errorf("%s decided all the same: %v", who, a.Refusal)
			}
		})
	}
	t.Run("a rotation that the documents do not have", func(t *testing.T) {
		t.Parallel()
		x := on(t, monday, func(d *draft) { flow(d, "x", nil, stage("one", 1, workflows.Selector{Rotations: []string{"gone"}})) })
		if out := x.submit(x.submission("zed", "x")); code(out.Refusal) != workflows.CodeDirectory {
			t.Errorf("%v", out.Refusal)
		}
	})
	t.Run("a channel that does not answer", func(t *testing.T) {
		t.Parallel()
		x := on(t, monday, func(d *draft) { flow(d, "x", nil, stage("one", 1, workflows.Selector{ChatChannels: []string{"#dba"}})) })
		if out := x.submit(x.submission("zed", "x")); code(out.Refusal) != workflows.CodeDirectory {
			t.Errorf("%v", out.Refusal)
		}
		x.dir.group("#dba", "ann")
		id := x.ask("zed", "x")
		x.dir.mute("#dba", true)
		if a := x.vote(x.ballot("ann", id, workflows.Approve)); code(a.Refusal) != workflows.CodeDirectory {
			t.Errorf("%v", a.Refusal)
		}
	})
}

// Parts have quorums of their own. Somebody who sits in two counts for one of them, and for none they have left.
func TestParts(t *testing.T) {
	t.Parallel()
	parts := func(any bool) func(*draft) {
		return func(d *draft) {
			d.groups["sec"] = persons("bob", "cho")
			st := stage("both", 2, workflows.Selector{})
			st.Parts, st.AnyPart = []workflows.Part{{Name: "dba", Approvers: named("ann", "bob"), Quorum: 1}, {Name: "sec", Approvers: groups("sec"), Quorum: 1}}, any
			if any {
				st.Quorum = 1
			}
			flow(d, "x", nil, st)
		}
	}
	x := on(t, monday, parts(false))
	id := x.ask("zed", "x")
	if got := seats(x.state(id).Stages[0]); got != "ann[0] bob[0 1] cho[1]" {
		t.Errorf("asked %q", got)
	}
	x.approve(id, "bob")
	if s := x.state(id); s.Status != workflows.StatusOpen || s.Stages[0].Missing() != 1 {
		t.Errorf("one person filled both parts: %s", s.Status)
	}
	x.approve(id, "ann")
	if s := x.state(id); s.Status != workflows.StatusApproved {
		t.Errorf("%s", s.Status)
	}
	y := on(t, monday, parts(false))
	id = y.ask("zed", "x")
	b := y.ballot("bob", id, workflows.Approve)
	y.load(func(d *draft) { d.groups["sec"] = persons("cho") }) // bob leaves one of his parts
	if a := y.vote(b); code(a.Refusal) != workflows.CodeNotApprover {
		t.Errorf("%v", a.Refusal)
	}
	y.approve(id, "ann", "cho")
	z := on(t, monday, parts(true))
	id = z.ask("zed", "x")
	z.approve(id, "cho")
	if s := z.state(id); s.Status != workflows.StatusApproved {
		t.Errorf("one part of either: %s", s.Status)
	}
}

// Those whom an escalation adds fill a place in any part that does not leave them out, one place each; and what added them is what is asked
// again when they decide.
func TestEscalationsFillParts(t *testing.T) {
	t.Parallel()
	both := func(d *draft) {
		st := stage("both", 2, workflows.Selector{})
		sec := named("cho")
		sec.Exclude = persons("rob")
		st.Parts = []workflows.Part{{Name: "dba", Approvers: named("ann", "bob"), Quorum: 1}, {Name: "sec", Approvers: sec, Quorum: 1}}
		st.Escalate = &workflows.Escalation{After: 3600, Approvers: workflows.Selector{Groups: []workflows.Group{{Name: "leads", Members: persons("bob", "dan", "rob", "sam")}}}}
		d.groups["leads"] = persons("bob", "dan", "rob", "sam")
		flow(d, "x", nil, st)
	}
	wide := func() (*office, workflows.RequestID) {
		x := on(t, monday, both)
		id := x.ask("zed", "x")
		x.clock.Add(time.Hour)
		x.tick(workflows.RequestStream(id))
		return x, id
	}
	x, id := wide()
	if got := seats(x.state(id).Stages[0]); got != "ann[0] bob[0] cho[1] dan[0 1] rob[0] sam[0 1]" {
		t.Errorf("asked %q", got)
	}
	x.approve(id, "dan")
	if s := x.state(id); s.Status != workflows.StatusOpen || s.Stages[0].Missing() != 1 {
		t.Errorf("one of the escalation filled both parts: %s", s.Status)
	}
	x.approve(id, "sam")
	if s := x.state(id); s.Status != workflows.StatusApproved {
		t.Errorf("two of the escalation: %s", s.Status)
	}
	y, id := wide()
	y.approve(id, "rob")
	b := y.ballot("ann", id, workflows.Approve)
	if a := y.vote(b); a.Refusal != nil || y.state(id).Status != workflows.StatusOpen {
		t.Errorf("the part that leaves rob out is filled by them: %v %s", a.Refusal, y.state(id).Status)
	}
	c := y.ballot("sam", id, workflows.Approve)
	y.load(func(d *draft) { d.groups["leads"] = persons("dan", "rob") })
	if a := y.vote(c); code(a.Refusal) != workflows.CodeNotApprover {
		t.Errorf("who has left what added them: %v", a.Refusal)
	}
	y.approve(id, "dan")
	if s := y.state(id); s.Status != workflows.StatusApproved {
		t.Errorf("%s", s.Status)
	}
}

// shifts is a rotation of hourly shifts from a moment on.
type shifts struct {
	from workflows.Stamp
	who  []string
}

func (s shifts) index(t workflows.Stamp) int { return int(t.Sub(s.from) / time.Hour) }

// On implements desk.Shifts.
func (s shifts) On(t workflows.Stamp) []workflows.PersonID {
	if i := s.index(t); t >= s.from && i < len(s.who) {
		return persons(strings.Fields(s.who[i])...)
	}
	return nil
}

// Changes implements desk.Shifts.
func (s shifts) Changes(from, to workflows.Stamp) ([]calendar.Change, error) {
	if s.who[0] == "broken" {
		return nil, errors.New("too many shifts")
	}
	var out []calendar.Change
	for i := range s.who {
		if at := s.from.Add(time.Duration(i) * time.Hour); at > from && at <= to {
			out = append(out, calendar.Change{At: at, On: s.On(at)})
		}
	}
	return out, nil
}

// The people of a shift decide as long as it lasts: those who come on are asked, those who go off cannot decide what they did not send in
// time, and what they decided stays.
func TestReq_R10_ShiftsChangeWhileAStageIsOpen(t *testing.T) {
	t.Parallel()
	x := on(t, monday, func(d *draft) {
		d.rotations["dba"] = desk.Rotation{Name: "dba", People: persons("ann", "bob", "cho"), Shifts: shifts{workflows.StampOf(monday), []string{"ann", "bob cho", "cho"}}}
		flow(d, "x", nil, stage("oncall", 2, workflows.Selector{Rotations: []string{"dba"}, People: persons("dan")}))
	})
	id := x.ask("zed", "x")
	stream := workflows.RequestStream(id)
	if got := seats(x.state(id).Stages[0]); got != "dan ann" || len(x.state(id).Stages[0].ShiftsAt) != 2 {
		t.Fatalf("asked %q, shifts at %v", got, x.state(id).Stages[0].ShiftsAt)
	}
	x.approve(id, "ann")
	late := x.ballot("ann", id, workflows.Deny)
	x.clock.Add(time.Hour)
	x.tick(stream)
	if got := seats(x.state(id).Stages[0]); got != "dan bob cho" {
		t.Fatalf("after the change: %q", got)
	}
	if a := x.vote(late); a.Refusal == nil {
		t.Error("somebody who is off shift denied")
	}
	x.approve(id, "cho")
	if s := x.state(id); s.Status != workflows.StatusApproved {
		t.Errorf("the vote of an earlier shift does not count: %s (%s)", s.Status, s.Why)
	}

	y := on(t, monday, func(d *draft) {
		d.rotations["dba"] = desk.Rotation{Name: "dba", People: persons("ann"), Shifts: shifts{0, []string{"broken"}}}
		flow(d, "x", nil, stage("oncall", 1, workflows.Selector{Rotations: []string{"dba"}, People: persons("dan")}))
	})
	if out := y.submit(y.submission("zed", "x")); code(out.Refusal) != workflows.CodeDirectory {
		t.Errorf("shifts that cannot be told: %v", out.Refusal)
	}
}

// Working time runs on the clocks of those asked; the quorum decides whose.
func TestReq_R4_WorkingTimeAndOffHours(t *testing.T) {
	t.Parallel()
	hours := func(who, zone, week string) func(*draft) {
		return func(d *draft) {
			p := d.people[person(who)]
			p.Zone, p.Hours = zone, week
			d.people[person(who)] = p
		}
	}
	at := func(h, m int) workflows.Stamp {
		return workflows.StampOf(time.Date(2026, 11, 23, h, m, 0, 0, time.UTC))
	}
	set := func(quorum int, off string, stages func(*workflows.Stage)) func(*draft) {
		return func(d *draft) {
			hours("ann", "Europe/Berlin", "09:00-17:00")(d)    // 08:00-16:00 UTC
			hours("bob", "America/New_York", "09:00-17:00")(d) // 14:00-22:00 UTC
			hours("cho", "Asia/Kolkata", "09:00-18:00")(d)     // until 12:30 UTC
			st := stage("peers", quorum, named("ann", "bob"))
			st.OffHours, st.Timeout = off, 48*3600
			if stages != nil {
				stages(&st)
			}
			flow(d, "x", nil, st)
		}
	}
	x := on(t, monday, set(2, "", func(st *workflows.Stage) {
		st.RemindWorking = 3600
		st.Escalate = &workflows.Escalation{Working: 2 * 3600, Approvers: named("cho")}
		st.Then = []workflows.Escalation{{Working: 4 * 3600, Approvers: named("dan")}, {After: 3600, Approvers: named("gus")}}
	}))
	s := x.state(x.ask("zed", "x")).Stages[0]
	// ann has worked an hour at 10:00 UTC, bob at 15:00: two of two need both
	if s.RemindAt != at(15, 0) || s.EscalateAt != at(16, 0) {
		t.Errorf("reminded at %s, escalated at %s", s.RemindAt, s.EscalateAt)
	}
	// of the three who are asked by then, ann has worked four hours at 13:00 and bob at 18:00; cho goes home before
	if want := []workflows.Stamp{at(16, 0), at(18, 0), at(10, 0)}; !slices.Equal(s.TiersAt, want) {
		t.Errorf("tiers at %v, want %v", s.TiersAt, want)
	}

	y := on(t, monday, set(1, workflows.OffHoursWait, nil))
	s = y.state(y.ask("zed", "x")).Stages[0]
	if s.Roster[0].TellAt != 0 || s.Roster[1].TellAt != at(14, 0) {
		t.Errorf("told at %s and %s", s.Roster[0].TellAt, s.Roster[1].TellAt)
	}
	z := on(t, monday, set(2, workflows.OffHoursAwake, func(st *workflows.Stage) {
		st.Escalate = &workflows.Escalation{After: 24 * 3600, Approvers: named("cho")}
	}))
	id := z.ask("zed", "x")
	if got := seats(z.state(id).Stages[0]); got != "ann bob cho" {
		t.Errorf("too few are awake, and nobody else is asked: %q", got)
	}
}

func (x *office) away(who, delegate string, from, until time.Duration) {
	x.t.Helper()
	start := x.now()
	a, err := x.desk.GoAway(x.t.Context(), desk.Leave{
		Cause: x.cause(), By: acting(who), From: start.Add(from), Until: start.Add(until), Delegate: person(delegate), Reason: secret, Channel: "slack", Authn: "slack-click",
	})
	if err != nil || a.Refusal != nil {
		x.t.Fatal(err, a.Refusal)
	}
	x.check()
}

// Somebody on time off is not waited for; whom they named decides in their place, as one with them, and never for what either asked.
func TestTimeOffAndDelegates(t *testing.T) {
	t.Parallel()
	pair := func(d *draft) { flow(d, "x", nil, stage("peers", 2, named("ann", "bob", "cho"))) }
	t.Run("a delegate decides", func(t *testing.T) {
		t.Parallel()
		x := on(t, monday, pair)
		x.away("ann", "dan", 0, 48*time.Hour)
		id := x.ask("zed", "x")
		if got := seats(x.state(id).Stages[0]); got != "ann(away) bob cho dan(for ann)" {
			t.Fatalf("asked %q", got)
		}
		x.approve(id, "dan")
		v := x.last().Event.(workflows.VoteRecorded)
		if v.For != "p_ann" {
			t.Errorf("recorded in the place of %q", v.For)
		}
		if a := x.vote(x.ballot("ann", id, workflows.Approve)); a.Refusal == nil {
			t.Error("somebody and their delegate are two")
		}
		x.approve(id, "bob")
		if s := x.state(id); s.Status != workflows.StatusApproved {
			t.Errorf("%s %s", s.Status, s.Why)
		}
	})
	t.Run("of the requester", func(t *testing.T) {
		t.Parallel()
		x := on(t, monday, pair)
		x.away("ann", "zed", 0, 48*time.Hour)
		x.away("bob", "ann", 0, 48*time.Hour)
		id := x.ask("zed", "x")
		if got := seats(x.state(id).Stages[0]); got != "ann(away) bob(away) cho ann(for bob)(away)" {
			t.Errorf("asked %q", got)
		}
	})
	t.Run("whom the selector leaves out", func(t *testing.T) {
		t.Parallel()
		x := on(t, monday, func(d *draft) {
			pair(d)
			d.flows["x"].Stages[0].Approvers.Exclude = persons("dan")
		})
		x.away("ann", "dan", 0, 48*time.Hour)
		if got := seats(x.state(x.ask("zed", "x")).Stages[0]); got != "ann(away) bob cho" {
			t.Errorf("asked %q", got)
		}
	})
	t.Run("who came back", func(t *testing.T) {
		t.Parallel()
		x := on(t, monday, pair)
		x.away("ann", "dan", 0, 48*time.Hour)
		id := x.ask("zed", "x")
		a, err := x.desk.ComeBack(t.Context(), desk.Leave{Cause: x.cause(), By: acting("ann"), Channel: "slack"})
		if err != nil || a.Refusal != nil {
			t.Fatal(err, a.Refusal)
		}
		if a := x.vote(x.ballot("dan", id, workflows.Approve)); code(a.Refusal) != workflows.CodeNotApprover {
			t.Errorf("a delegate of somebody who is back: %v", a.Refusal)
		}
		if a, _ := x.desk.ComeBack(t.Context(), desk.Leave{Cause: x.cause(), By: acting("ann"), Channel: "slack"}); code(a.Refusal) != workflows.CodeAway {
			t.Errorf("twice: %v", a.Refusal)
		}
	})
	t.Run("time off that begins while a stage is open", func(t *testing.T) {
		t.Parallel()
		x := on(t, monday, pair)
		x.away("ann", "dan", time.Hour, 3*time.Hour)
		id := x.ask("zed", "x")
		if got := seats(x.state(id).Stages[0]); got != "ann bob cho" {
			t.Errorf("asked %q", got)
		}
		x.clock.Add(time.Hour)
		x.tick(workflows.RequestStream(id))
		if got := seats(x.state(id).Stages[0]); got != "ann(away) bob cho dan(for ann)" {
			t.Errorf("asked %q", got)
		}
		x.approve(id, "dan")
		x.clock.Add(2 * time.Hour) // she is back: his vote in her place stands, and is asked about again
		x.tick(workflows.RequestStream(id))
		x.approve(id, "cho")
		if s := x.state(id); s.Status != workflows.StatusApproved {
			t.Errorf("%s %s", s.Status, s.Why)
		}
	})
	t.Run("the people file says so", func(t *testing.T) {
		t.Parallel()
		x := on(t, monday, func(d *draft) {
			pair(d)
			p := d.people["p_ann"]
			p.TimeOff = []calendar.Interval{{From: workflows.StampOf(monday), To: workflows.StampOf(monday.Add(24 * time.Hour))}}
			d.people["p_ann"] = p
		})
		if got := seats(x.state(x.ask("zed", "x")).Stages[0]); got != "ann(away) bob cho" {
			t.Errorf("asked %q", got)
		}
	})
	t.Run("too few are left", func(t *testing.T) {
		t.Parallel()
		x := on(t, monday, func(d *draft) {
			pair(d)
			d.flows["x"].Stages[0].Escalate = &workflows.Escalation{After: 24 * 3600, Approvers: named("dan")}
		})
		x.away("ann", "", 0, 48*time.Hour)
		x.away("bob", "", 0, 48*time.Hour)
		if got := seats(x.state(x.ask("zed", "x")).Stages[0]); got != "ann(away) bob(away) cho dan" {
			t.Errorf("asked %q", got)
		}
	})
	t.Run("who is away is known", func(t *testing.T) {
		t.Parallel()
		x := on(t, monday, pair)
		x.away("ann", "dan", 2*time.Hour, 48*time.Hour)
		x.away("bob", "", 0, time.Hour)
		names := func(p workflows.PersonID) (out []string) {
			list, err := x.desk.AwayNow(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range list {
				out = append(out, a.From.String())
			}
			return out
		}
		if all := names(""); len(all) != 2 || !slices.IsSorted(all) || len(names("p_ann")) != 1 || len(names("p_cho")) != 0 {
			t.Errorf("%v", all)
		}
		for name, l := range map[string]desk.Leave{
			"over before it begins": {By: acting("cho"), Until: 1},
			"to nobody we know":     {By: acting("cho"), Until: x.now().Add(time.Hour), Delegate: "p_ghost"},
			"in their own place":    {By: acting("cho"), Until: x.now().Add(time.Hour), Delegate: "p_cho"},
			"by nobody":             {By: workflows.Acting{Actor: "a_x"}, Until: x.now().Add(time.Hour)},
		} {
			l.Cause, l.Channel = x.cause(), "slack"
			x.dir.is("ghost", unlinked)
			a, err := x.desk.GoAway(t.Context(), l)
			if err != nil || a.Refusal == nil {
				t.Errorf("%s: %v %v", name, a.Refusal, err)
			}
			x.check()
		}
	})
}
