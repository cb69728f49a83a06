package desk_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

type selectorKind struct {
	name string
	sel  workflows.Selector
	want string // "who why"
	role string // whom it yields as a role; empty: it needs an ask
}

// selectorKinds are everything by which a selector can yield somebody, and whom it yields for an ask of zed's, with the reason each is told.
var selectorKinds = []selectorKind{
	{"people", workflows.Selector{People: persons("ann", "bob")}, "ann named, bob named", "ann bob"},
	{"a group", workflows.Selector{Groups: []workflows.Group{{Name: "pair", Members: persons("ann", "bob")}}}, "ann group:pair, bob group:pair", "ann bob"},
	{"a group that is gone", workflows.Selector{People: persons("cho"), Groups: []workflows.Group{{Name: "gone", Members: persons("ann")}}}, "cho named", "cho"},
	{"a group of the chat", workflows.Selector{ChatGroups: []string{"@team"}}, "cho chat:@team, dan chat:@team", "cho dan"},
	{"a channel", workflows.Selector{ChatChannels: []string{"#team"}}, "dan channel:#team, gus channel:#team", "dan gus"},
	{"a rotation", workflows.Selector{Rotations: []string{"turns"}}, "lea rotation:turns", "lea"},
	{"the owners of the target", workflows.Selector{TargetOwner: true}, "olga target_owner, otto target_owner", ""},
	{"a manager", workflows.Selector{Manager: true}, "mia manager", ""},
	{"several, each once, by the first reason", workflows.Selector{
		People: persons("dan"), ChatGroups: []string{"@team"}, ChatChannels: []string{"#team"},
	}, "dan named, cho chat:@team, gus channel:#team", "dan cho gus"},
	{"all but some", workflows.Selector{
		People: persons("dan"), ChatGroups: []string{"@team"}, TargetOwner: true, Exclude: persons("cho", "olga"),
	}, "dan named, otto target_owner", "dan"},
	{"instead of nobody", workflows.Selector{Rotations: []string{"none"}, Fallback: &workflows.Selector{ChatGroups: []string{"@team"}}}, "cho fallback:chat:@team, dan fallback:chat:@team", "cho dan"},
	{"instead of those left out", workflows.Selector{People: persons("ann"), Exclude: persons("ann"), Fallback: &workflows.Selector{Manager: true, TargetOwner: true}}, "olga fallback:target_owner, otto fallback:target_owner, mia fallback:manager", ""},
	{"no need of anybody instead", workflows.Selector{Rotations: []string{"turns"}, Fallback: &workflows.Selector{People: persons("max")}}, "lea rotation:turns", "lea"},
}

func placed(t *testing.T) *office {
	t.Helper()
	x := open(t)
	x.dir.group("@team", "cho", "dan")
	x.dir.group("#team", "dan", "gus")
	x.load(func(d *draft) {
		d.groups["pair"] = persons("ann", "bob")
		d.rotations["turns"] = desk.Rotation{Name: "turns", People: persons("lea", "rob"), Shifts: always("lea")}
		d.rotations["none"] = desk.Rotation{Name: "none", People: persons("ann")}
		for i, k := range selectorKinds {
			sel := k.sel
			first, part, tiers := stage("one", 1, sel), stage("one", 1, workflows.Selector{}), stage("one", 1, named("nia"))
			part.Parts = []workflows.Part{{Name: "first", Approvers: named("nia"), Quorum: 1}, {Name: "second", Approvers: sel, Quorum: 1}}
			part.Quorum = 2
			tiers.Escalate = &workflows.Escalation{After: 600, Approvers: sel}
			tiers.Then = []workflows.Escalation{{After: 1200, Approvers: named("ida")}, {After: 1800, Approvers: sel}}
			told := stage("one", 1, named("nia"))
			told.Tell = &sel
			flow(d, placeID("first", i), nil, first)
			flow(d, placeID("part", i), nil, part)
			flow(d, placeID("tiers", i), nil, tiers)
			flow(d, placeID("told", i), func(w *workflows.Workflow) { w.Tell = &sel }, told)
		}
	})
	return x
}

func placeID(place string, i int) workflows.WorkflowID {
	return workflows.WorkflowID(fmt.Sprintf("%s-%d", place, i))
}

// drawn is a list of seats with their reasons, as the table writes them.
func drawn(seats []workflows.Seat) string {
	var out []string
	for _, s := range seats {
		out = append(out, strings.TrimPrefix(string(s.Person), "p_")+" "+s.Why)
	}
	return strings.Join(out, ", ")
}

func plain(people []workflows.PersonID) string {
	return strings.ReplaceAll(fmt.Sprint(people), "p_", "")
}

// TestEverySelectorInEveryPlace: a selector yields the same people for the same reasons as the first tier, as a part, as any escalation, and as
// those who are told.
func TestEverySelectorInEveryPlace(t *testing.T) {
	t.Parallel()
	x := placed(t)
	preview := func(place string, i int) desk.PreviewStage {
		p, err := x.desk.Preview(t.Context(), x.submission("zed", placeID(place, i)))
		if err != nil || p.Refusal != nil || len(p.Plan) != 1 {
			t.Fatalf("%s of %s: %v %v", place, selectorKinds[i].name, p.Refusal, err)
		}
		return p.Plan[0]
	}
	for i, k := range selectorKinds {
		same(t, k.name+" as the first tier", k.want, drawn(preview("first", i).Seats))
		part := preview("part", i)
		same(t, k.name+" as a part", "nia named, "+k.want, drawn(part.Seats))
		for _, s := range part.Seats[1:] {
			same(t, k.name+": the part of "+string(s.Person), []int{1}, s.Parts)
		}
		tiers := preview("tiers", i)
		same(t, k.name+" as the first escalation", k.want, drawn(tiers.Tiers[0]))
		same(t, k.name+" as the third", k.want, drawn(tiers.Tiers[2]))
		s := x.state(x.ask("zed", placeID("told", i)))
		var want []string
		for _, w := range strings.Split(k.want, ", ") {
			who, _, _ := strings.Cut(w, " ")
			want = append(want, who)
		}
		same(t, k.name+" as those who are told of a stage", fmt.Sprint(want), plain(s.Stages[0].Told))
		same(t, k.name+" as those who are told the outcome", fmt.Sprint(want), plain(s.Asked.Told))
	}
}

// A selector says as well who may ask, and by which part of it the record says they did.
func TestEverySelectorSaysWhoMayAsk(t *testing.T) {
	t.Parallel()
	x := placed(t)
	x.load(func(d *draft) {
		for i, k := range selectorKinds {
			flow(d, placeID("ask", i), func(w *workflows.Workflow) { w.Ask = k.sel }, stage("one", 1, named("nia", "ivy")))
			d.roles[fmt.Sprintf("role-%d", i)] = k.sel
		}
	})
	for i, k := range selectorKinds {
		if k.role == "" {
			continue // of a target or a manager: such a selector says nothing before there is an ask
		}
		for _, who := range []string{"ann", "bob", "cho", "dan", "gus", "lea", "rob", "max", "mia", "olga"} {
			in := slices.Contains(strings.Fields(k.role), who)
			if got := x.desk.HasRole(t.Context(), fmt.Sprintf("role-%d", i), person(who)); got != in {
				t.Errorf("%s: %s has the role: %t", k.name, who, got)
			}
			p, err := x.desk.Preview(t.Context(), x.submission(who, placeID("ask", i)))
			if err != nil {
				t.Fatal(err)
			}
			want := ""
			if !in {
				want = workflows.CodeNotEligible
			}
			if code(p.Refusal) != want {
				t.Errorf("%s: %s asking: %v", k.name, who, p.Refusal)
			}
		}
	}
}

// A silent chat refuses what is decided by it, and only that: the same selector in the place of those who are told keeps nobody from asking.
func TestASilentChatInEveryPlace(t *testing.T) {
	t.Parallel()
	x := placed(t)
	x.dir.mute("@team", true)
	x.dir.mute("#team", true)
	for i, k := range selectorKinds {
		asks := len(k.sel.ChatGroups)+len(k.sel.ChatChannels) > 0 || k.sel.Fallback != nil && len(k.sel.Fallback.ChatGroups) > 0
		for _, place := range []string{"first", "part", "tiers", "told"} {
			want := ""
			if asks && place != "told" {
				want = workflows.CodeDirectory
			}
			p, err := x.desk.Preview(t.Context(), x.submission("zed", placeID(place, i)))
			if err != nil || code(p.Refusal) != want {
				t.Errorf("%s, %s: %v %v", k.name, place, p.Refusal, err)
			}
		}
	}
	silentKind := slices.IndexFunc(selectorKinds, func(k selectorKind) bool { return k.name == "a channel" })
	id := x.ask("zed", placeID("told", silentKind))
	if s := x.state(id); len(s.Stages[0].Told)+len(s.Asked.Told) != 0 {
		t.Errorf("told %v and %v", s.Stages[0].Told, s.Asked.Told)
	}
}

// Whoever stands behind an ask is no answer to who approves it, wherever a selector yields them: the stage then has nobody.
func TestWhoStandsBehindAnAskNeverSits(t *testing.T) {
	t.Parallel()
	x := placed(t)
	x.load(func(d *draft) {
		d.person("zed", func(p *desk.Person) { p.Manager = "p_zed" })
		d.rotations["turns"] = desk.Rotation{Name: "turns", People: persons("lea", "zed"), Shifts: always("zed")}
		d.groups["self"] = persons("zed")
		own := entitlement("bastion", "own")
		own.Owner, own.Backup = "p_zed", ""
		for name, sel := range map[string]workflows.Selector{
			"people": named("zed"), "group": groups("self"), "chat": {ChatGroups: []string{"@self"}}, "channel": {ChatChannels: []string{"#self"}},
			"rotation": {Rotations: []string{"turns"}}, "manager": {Manager: true}, "owner": {TargetOwner: true},
			"fallback": {People: persons("zed"), Fallback: &workflows.Selector{People: persons("zed")}},
		} {
			d.flows["self-"+workflows.WorkflowID(name)] = chain("self-"+workflows.WorkflowID(name), own, stage("one", 1, sel))
		}
	})
	x.dir.group("@self", "zed")
	x.dir.group("#self", "zed")
	for _, name := range []string{"people", "group", "chat", "channel", "rotation", "manager", "owner", "fallback"} {
		id := workflows.WorkflowID("self-" + name)
		s := x.submission("zed", id)
		if out := x.submit(s); code(out.Refusal) != workflows.CodeNobody {
			t.Errorf("%s: %v", name, out.Refusal)
		}
		if name == "manager" {
			continue // of who asks, whoever that is
		}
		if out := x.submit(x.submission("nia", id)); out.Refusal != nil { // somebody else may ask them
			t.Errorf("%s, asked by somebody else: %v", name, out.Refusal)
		}
	}
}

// A question about another moment is answered by who is on shift, away and awake then.
func TestWhoCouldAtEveryMoment(t *testing.T) {
	t.Parallel()
	x := on(t, monday, func(d *draft) {
		d.person("ann", func(p *desk.Person) { p.Zone, p.Hours = "UTC", "Mon-Fri 09:00-17:00" })
		d.person("bob", func(p *desk.Person) { p.Zone, p.Hours = "UTC", "Mon-Fri 09:00-17:00" })
		d.rotations["turns"] = desk.Rotation{Name: "turns", People: persons("ann", "bob", "cho"), Shifts: shifts{workflows.StampOf(monday), []string{"ann", "bob", ""}}}
		flow(d, "x", nil, stage("oncall", 1, workflows.Selector{Rotations: []string{"turns"}}))
	})
	x.away("bob", "dan", time.Hour+30*time.Minute, 48*time.Hour)
	for _, c := range []struct {
		at      time.Duration
		without string
		status  string
		who     string
	}{
		{0, "", "approved", "ANN"},
		{time.Hour - time.Microsecond, "", "approved", "ANN"},
		{time.Hour, "", "approved", "BOB"}, // the border belongs to who comes on
		{90*time.Minute - time.Microsecond, "", "approved", "BOB"},
		{90 * time.Minute, "", "pending", "BOB DAN"}, // away from then on; nobody knows when a delegate is awake
		{2 * time.Hour, "", "denied", ""},            // nobody is on shift
		{0, "ann", "denied", "ANN"},
	} {
		q := desk.Question{Workflow: "x", Form: x.form("x"), Requester: "p_zed", At: workflows.StampOf(monday).Add(c.at)}
		if c.without != "" {
			q.Without = persons(c.without)
		}
		e, err := x.desk.WhoCould(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		var who []string
		for _, p := range e.Children[0].Children {
			who = append(who, p.Name)
		}
		if e.Status != c.status || strings.Join(who, " ") != c.who {
			t.Errorf("%s on, without %q: %s (%s), asked %v", c.at, c.without, e.Status, e.Sentence, who)
		}
	}
}
