package desk_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// held gives the units that wait, in order.
func held(p desk.Proposal) []string { return slices.Sorted(maps.Keys(p.Units)) }

// T24, R96: who can write to the folder cannot make themselves an approver with a reload. What loosens waits for people under the documents
// before, never for its author; what tightens is in force at once.
func TestThreat_T24_WhatLoosensWaits(t *testing.T) {
	t.Parallel()
	mallory := func(d *draft) {
		d.author = desk.Author{Name: "Zed <zed@example.com>", Email: "ZED@example.com", Commit: strings.Repeat("c", 40)}
	}
	mail := func(d *draft) {
		for id, x := range d.people {
			x.Email = x.Key + "@example.com"
			d.people[id] = x
		}
	}
	for _, c := range []struct {
		name string
		edit func(*draft)
		want []string              // units that wait
		hold func(x *office) error // still so while they do
		then func(x *office) error // and this once they are approved
		tell []string              // words of the changes
		ask  []workflows.PersonID  // who may approve; nil: the owner of the documents and of the chain
	}{
		{
			name: "an approver more", edit: func(d *draft) { d.flows["names"].Stages[0].Approvers = named("ann", "bob", "zed") },
			want: []string{"workflow/names"}, tell: []string{"p_zed added"}, ask: persons("max", "olga"),
		},
		{
			name: "a member more", edit: func(d *draft) { d.groups["dba"] = persons("ann", "bob", "cho", "zed") },
			want: []string{"group/dba", "workflow/pair", "workflow/prod-db"}, tell: []string{"p_zed becomes a member"}, ask: persons("max", "olga"),
			hold: func(x *office) error { return x.groupIs("dba", "ann", "bob", "cho") },
			then: func(x *office) error { return x.groupIs("dba", "ann", "bob", "cho", "zed") },
		},
		{
			name: "one comes and one goes", edit: func(d *draft) { d.groups["dba"] = persons("ann", "bob", "zed") },
			want: []string{"group/dba", "workflow/pair", "workflow/prod-db"}, tell: []string{"p_zed becomes a member", "p_cho is no member any more"},
			ask:  persons("max", "olga"),
			hold: func(x *office) error { return x.groupIs("dba", "ann", "bob") }, // who left is out at once
			then: func(x *office) error { return x.groupIs("dba", "ann", "bob", "zed") },
		},
		{
			name: "a longer box and a lower quorum", edit: func(d *draft) { d.flows["pair"].Longest, d.flows["pair"].Stages[0].Quorum = 8*3600, 1 },
			want: []string{"workflow/pair"}, ask: persons("max", "olga"),
		},
		{
			name: "a new chain", edit: func(d *draft) {
				d.flows["easy"] = chain("easy", entitlement("bastion", "root"), stage("one", 1, named("zed")))
				d.flows["easy"].Owner = person("zed")
			},
			want: []string{"workflow/easy"}, tell: []string{"a new chain"}, ask: persons("max"), // who owns what there was not has no say in it
			hold: func(x *office) error { return x.asksFor("nia", "easy", workflows.CodeNoPolicy) },
			then: func(x *office) error { return x.asksFor("nia", "easy", "") },
		},
		{
			name: "a role", edit: func(d *draft) { d.roles[desk.RoleSecurity] = named("sam", "zed") },
			want: []string{"role/security"}, tell: []string{"who has the role: p_zed added"}, ask: persons("max"),
			hold: func(x *office) error { return x.roleIs("zed", desk.RoleSecurity, false) },
			then: func(x *office) error { return x.roleIs("zed", desk.RoleSecurity, true) },
		},
		{
			name: "one role goes and another comes", edit: func(d *draft) { d.roles[desk.RoleSecurity] = named("zed") },
			want: []string{"role/security"}, ask: persons("max"),
			hold: func(x *office) error { return x.roleIs("sam", desk.RoleSecurity, false) },
		},
		{
			name: "the account of an approver", edit: func(d *draft) { x := d.people["p_ann"]; x.Slack = "UMALLORY"; d.people["p_ann"] = x },
			want: []string{"people/p_ann"}, tell: []string{"p_ann: the slack account is set"}, ask: persons("max"),
			hold: func(x *office) error { return x.slackIs("ann", "") },
			then: func(x *office) error { return x.slackIs("ann", "UMALLORY") },
		},
		{
			name: "another manager", edit: func(d *draft) { x := d.people["p_nia"]; x.Manager = "p_zed"; d.people["p_nia"] = x },
			want: []string{"people/p_nia"}, tell: []string{"p_nia: the manager becomes p_zed, was p_mia"}, ask: persons("max"),
		},
		{
			name: "a second self", edit: func(d *draft) { d.people["p_zed2"] = desk.Person{ID: "p_zed2", Key: "zed2", Name: "Zed"} },
			want: []string{"people/p_zed2"}, tell: []string{"p_zed2 is new"}, ask: persons("max"),
			hold: func(x *office) error { return x.asksFor("zed2", "shell", workflows.CodeNotEligible) },
			then: func(x *office) error { return x.asksFor("zed2", "shell", "") },
		},
		{
			name: "another owner of an identity", edit: func(d *draft) { i := d.identities["svc-deploy"]; i.Owner = "p_zed"; d.identities["svc-deploy"] = i },
			want: []string{"identity/svc-deploy"}, tell: []string{"the owner becomes p_zed, was p_ivy"}, ask: persons("max"),
			hold: func(x *office) error { return x.ownerIs("svc-deploy", "ivy") },
			then: func(x *office) error { return x.ownerIs("svc-deploy", "zed") },
		},
		{
			name: "a new identity", edit: func(d *draft) {
				i := d.identities["svc-deploy"]
				i.ID, i.Owner = "svc-new", "p_zed"
				d.identities["svc-new"] = i
			},
			want: []string{"identity/svc-new"}, ask: persons("max"),
		},
		{
			name: "a target that is reached elsewhere", edit: func(d *draft) {
				x := d.targets["bastion"]
				x.Settings = map[string]string{"dsn_file": "/tmp/mine"}
				d.targets["bastion"] = x
			},
			want: []string{"target/bastion"}, tell: []string{"setting dsn_file becomes /tmp/mine, was none"}, ask: persons("max"),
		},
		{
			name: "the alarm goes elsewhere", edit: func(d *draft) { d.settings.SecurityChannel = "#zed" },
			want: []string{"settings"}, tell: []string{"the channel of alarms becomes #zed"}, ask: persons("max"),
		},
		{
			name: "a freeze ends early", edit: func(d *draft) { c := d.calendars["berlin"]; c.Stops = nil; d.calendars["berlin"] = c },
			want: []string{"calendar/berlin"}, tell: []string{`freeze "winter" no longer holds`}, ask: persons("max"),
		},
		{
			name: "somebody takes turns", edit: func(d *draft) {
				d.rotations["dba"] = desk.Rotation{Name: "dba", People: persons("ann", "bob", "zed"), Shifts: always("zed")}
			},
			want: []string{"rotation/dba"}, tell: []string{"p_zed takes turns from now on"}, ask: persons("max"),
			hold: func(x *office) error { return x.onShiftIs("dba") },
			then: func(x *office) error { return x.onShiftIs("dba", "zed") },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			x := open(t)
			x.load(func(d *draft) {
				mail(d)
				d.calendars["berlin"] = desk.Calendar{Name: "berlin", Zone: "Europe/Berlin", Week: "Mon-Fri 09:00-17:00", Stops: []desk.Freeze{{Name: "winter", From: 1, To: 2}}}
				d.rotations["dba"] = desk.Rotation{Name: "dba", People: persons("ann", "bob"), Shifts: always("bob")}
			})
			x.propose(func(d *draft) { mallory(d); c.edit(d) })
			p, ok := x.proposal()
			if !ok || !p.Open() {
				t.Fatalf("nothing waits: %+v", p)
			}
			same(t, "what waits", c.want, held(p))
			same(t, "who is asked", c.ask, p.Ask)
			if p.By != "p_zed" || p.Quorum != 1 {
				t.Errorf("by %q, quorum %d", p.By, p.Quorum)
			}
			for _, w := range c.tell {
				if !slices.ContainsFunc(p.Changes, func(c workflows.PolicyChange) bool { return strings.Contains(c.Text, w) }) {
					t.Errorf("%q is not said in %+v", w, p.Changes)
				}
			}
			x.must("while it waits", c.hold)
			x.restart()
			x.must("after a restart", c.hold)
			if again, _ := x.proposal(); again.Proposal != p.Proposal || !again.Open() {
				t.Errorf("a restart proposed %+v", again)
			}
			for who, want := range map[string]string{
				"zed": workflows.CodeSelfApproval, "gus": workflows.CodeUnknown, "aud": workflows.CodeNotApprover,
			} {
				if got := x.votePolicy(who, p.Proposal, workflows.Approve); got != want {
					t.Errorf("%s: %q, want %q", who, got, want)
				}
			}
			if got := x.votePolicy("max", p.Proposal, workflows.Approve); got != "" {
				t.Fatal(got)
			}
			x.must("once approved", c.then)
			x.restart()
			x.must("once approved, after a restart", c.then)
			if last, _ := x.proposal(); last.Proposal != p.Proposal || last.Outcome != "approved" || x.desk.Holds() {
				t.Errorf("%+v", last)
			}
		})
	}
}

func (x *office) must(when string, what func(*office) error) {
	x.t.Helper()
	if what == nil {
		return
	}
	if err := what(x); err != nil {
		x.t.Errorf("%s: %v", when, err)
	}
}

// restart puts a new desk on the ledger, with the folder as it is.
func (x *office) restart() {
	x.t.Helper()
	x.desk = x.another()
	x.propose(func(*draft) {})
}

func differs(what string, want, got any) error {
	if fmt.Sprint(want) != fmt.Sprint(got) {
		return fmt.Errorf("%s is %v, want %v", what, got, want)
	}
	return nil
}

func (x *office) groupIs(name string, want ...string) error {
	return differs("group "+name, persons(want...), x.desk.Policy().Groups[name])
}

func (x *office) roleIs(who, role string, want bool) error {
	return differs(who+" as "+role, want, x.desk.HasRole(x.t.Context(), role, person(who)))
}

func (x *office) slackIs(who, want string) error {
	return differs("the account of "+who, want, x.desk.Policy().People[person(who)].Slack)
}

func (x *office) ownerIs(id workflows.IdentityID, want string) error {
	return differs("owner of "+string(id), person(want), x.desk.Policy().Identities[id].Owner)
}

func (x *office) onShiftIs(rotation string, want ...string) error {
	return differs("shift of "+rotation, persons(want...), x.desk.Policy().Rotations[rotation].On(1))
}

func (x *office) asksFor(who string, flow workflows.WorkflowID, want string) error {
	out := x.submit(x.submission(who, flow))
	return differs(who+" asking by "+string(flow), want, code(out.Refusal))
}

// always is a rotation in which nothing changes.
type always string

// On implements desk.Shifts.
func (a always) On(workflows.Stamp) []workflows.PersonID { return persons(string(a)) }

// Changes implements desk.Shifts.
func (a always) Changes(_, _ workflows.Stamp) ([]calendar.Change, error) { return nil, nil }

// What tightens, or changes only words, is in force at once; those who owned it before are told.
func TestWhatTightensIsInForceAtOnce(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*draft){
		"an approver less":     func(d *draft) { d.flows["shell"].Stages[0].Approvers = named("ann", "bob") },
		"a shorter box":        func(d *draft) { d.flows["pair"].Longest = 3600 },
		"a chain that is gone": func(d *draft) { delete(d.flows, "chat") },
		"a member who left":    func(d *draft) { d.groups["dba"] = persons("ann", "bob") },
		"a person who left":    func(d *draft) { delete(d.people, "p_gus") },
		"an account removed":   func(d *draft) { x := d.people["p_ann"]; x.Accounts = nil; d.people["p_ann"] = x },
		"a role taken away":    func(d *draft) { d.roles[desk.RoleAuditor] = workflows.Selector{} },
		"an identity removed":  func(d *draft) { delete(d.identities, "svc-deploy") },
		"a new calendar":       func(d *draft) { d.calendars["x"] = desk.Calendar{Name: "x", Zone: "UTC"} },
		"a new target":         func(d *draft) { d.targets["new"] = desk.Target{ID: "new", Title: "New"} },
		"a title":              func(d *draft) { d.flows["pair"].Title = "Pairs" },
		"a runbook's text":     func(d *draft) { d.texts["failover"] += " " },
		"the organisation":     func(d *draft) { d.settings.Organisation = "Example" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := open(t)
			x.propose(edit)
			if p, ok := x.proposal(); ok {
				t.Fatalf("waits: %+v", p)
			}
			h := x.history(workflows.PolicyStream)
			e, ok := h[len(h)-1].Event.(workflows.PolicyLoaded)
			if !ok || len(e.Changes) == 0 || !slices.Contains(e.Told, "p_max") || len(e.Held) != 0 {
				t.Errorf("recorded %+v", h[len(h)-1].Event)
			}
			for _, c := range e.Changes {
				if c.Loosens {
					t.Errorf("in force although it loosens: %+v", c)
				}
			}
			if x.desk.Holds() {
				t.Error("something is held")
			}
		})
	}
}

// A proposal lives until it is approved, denied, or the folder changes again; a denied one is not asked again unless somebody commits anew.
func TestProposalsThroughTheirLife(t *testing.T) {
	t.Parallel()
	x := open(t)
	longer := func(n workflows.Span) func(*draft) { return func(d *draft) { d.flows["pair"].Longest = n } }
	outcomes := func() []string {
		all, err := x.desk.Proposals(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, p := range slices.Backward(all) {
			out = append(out, p.Outcome)
		}
		return out
	}
	x.propose(longer(5 * 3600))
	x.propose(longer(5 * 3600))
	x.restart()
	same(t, "the same folder", []string{""}, outcomes())
	x.propose(longer(6 * 3600))
	same(t, "another change", []string{"replaced", ""}, outcomes())
	first, _ := x.proposal()
	if got := x.votePolicy("max", "c_nothing", workflows.Approve); got != workflows.CodeUnknown {
		t.Error(got)
	}
	x.propose(longer(4 * 3600)) // as it was
	same(t, "taken back", []string{"replaced", "replaced"}, outcomes())
	if got := x.votePolicy("max", first.Proposal, workflows.Approve); got != workflows.CodeDecided {
		t.Error(got)
	}
	x.propose(longer(6 * 3600))
	second, _ := x.proposal()
	if second.Proposal == first.Proposal || !second.Open() {
		t.Fatalf("not asked anew: %+v", second)
	}
	a, err := x.desk.VotePolicy(t.Context(), desk.PolicyBallot{Cause: x.cause(), By: acting("max"), Proposal: second.Proposal, Verdict: workflows.Deny})
	if err != nil || code(a.Refusal) != workflows.CodeReasonNeeded {
		t.Errorf("a denial without a reason: %v %v", a.Refusal, err)
	}
	for verdict, want := range map[workflows.Verdict]string{"maybe": workflows.CodeStale, workflows.Counter: workflows.CodeStale} {
		if got := x.votePolicy("max", second.Proposal, verdict); got != want {
			t.Errorf("%s: %q", verdict, got)
		}
	}
	if got := x.votePolicy("max", second.Proposal, workflows.Deny); got != "" {
		t.Fatal(got)
	}
	x.restart()
	same(t, "denied", []string{"replaced", "replaced", "denied"}, outcomes())
	if w := x.desk.Policy().Workflows["pair"].Workflow; w.Longest != 4*3600 || !x.desk.Holds() {
		t.Errorf("a denied change is in force: %s", w.Longest)
	}
	if got := x.votePolicy("max", second.Proposal, workflows.Approve); got != workflows.CodeDecided {
		t.Error(got)
	}
	x.propose(func(d *draft) { d.author.Commit = strings.Repeat("d", 40) })
	same(t, "committed anew", []string{"replaced", "replaced", "denied", ""}, outcomes())
	third, _ := x.proposal()
	if got := x.votePolicy("olga", third.Proposal, workflows.Approve); got != "" { // who owns the chain
		t.Fatal(got)
	}
	if w := x.desk.Policy().Workflows["pair"].Workflow; w.Longest != 6*3600 {
		t.Errorf("an approved change is not in force: %s", w.Longest)
	}
}

// With three owners of the documents two of them have to agree, and one who is deactivated meanwhile does not count.
func TestReq_R96_TwoOwnersAgree(t *testing.T) {
	t.Parallel()
	x := open(t)
	x.load(func(d *draft) { d.roles[desk.RoleOwner] = named("max", "lea", "mia") })
	x.propose(func(d *draft) { d.roles[desk.RoleSecurity] = named("sam", "gus") })
	p, _ := x.proposal()
	same(t, "asked", persons("max", "lea", "mia"), p.Ask)
	if p.Quorum != 2 {
		t.Fatalf("quorum %d", p.Quorum)
	}
	x.votePolicy("lea", p.Proposal, workflows.Approve)
	if got := x.votePolicy("lea", p.Proposal, workflows.Approve); got != workflows.CodeAlreadyVoted {
		t.Errorf("twice: %q", got)
	}
	x.dir.is("lea", inactive)
	if x.votePolicy("mia", p.Proposal, workflows.Approve); x.desk.HasRole(t.Context(), desk.RoleSecurity, "p_gus") {
		t.Fatal("somebody who was deactivated made the quorum")
	}
	x.dir.is("max", robot)
	if got := x.votePolicy("max", p.Proposal, workflows.Approve); got != workflows.CodeNotHuman {
		t.Errorf("a robot: %q", got)
	}
	x.dir.is("max", func(s workflows.Standing) workflows.Standing { return s })
	if got := x.votePolicy("max", p.Proposal, workflows.Approve); got != "" || !x.desk.HasRole(t.Context(), desk.RoleSecurity, "p_gus") {
		t.Errorf("%q", got)
	}
}

// Where the only owner of the documents is who changed them, security decides; where nobody is left, nothing loosens.
func TestNobodyApprovesTheirOwnChange(t *testing.T) {
	t.Parallel()
	x := open(t)
	by := func(who string) func(*draft) {
		return func(d *draft) {
			for id, p := range d.people {
				p.Email = p.Key + "@example.com"
				d.people[id] = p
			}
			d.author = desk.Author{Name: who, Email: who + "@example.com"}
		}
	}
	x.load(by("gus"))
	x.propose(func(d *draft) { by("max")(d); d.roles[desk.RoleAuditor] = named("aud", "zed") })
	p, _ := x.proposal()
	same(t, "asked", persons("sam"), p.Ask)
	x.propose(func(d *draft) { d.roles[desk.RoleSecurity] = workflows.Selector{} })
	p, _ = x.proposal()
	same(t, "asked when nobody has the role security any more", persons("sam"), p.Ask)
	// an address in the new people file does not hide who it belonged to
	x.propose(func(d *draft) {
		p := d.people["p_max"]
		p.Email = "other@example.com"
		d.people["p_max"] = p
		d.roles[desk.RoleAuditor] = named("aud", "zed", "gus")
	})
	if p, _ = x.proposal(); p.By != "p_max" {
		t.Errorf("by %q", p.By)
	}
}

// Who may approve is told, until they did or it is settled; what was put in force is told to those who owned it.
func TestPolicyNotices(t *testing.T) {
	t.Parallel()
	x := open(t)
	jobs := func() []string {
		rows, err := x.store.JobsOf(t.Context(), workflows.PolicyStream)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, r := range rows {
			out = append(out, r.Key)
		}
		slices.Sort(out)
		return out
	}
	same(t, "a first policy", []string{}, jobs())
	x.propose(func(d *draft) { d.flows["pair"].Longest = 5 * 3600; d.flows["shell"].Longest = 3600 })
	p, _ := x.proposal()
	ask := "policy/" + p.Proposal + "/"
	same(t, "owed", []string{ask + "p_max", ask + "p_olga", "policy_changed/2/p_max", "policy_changed/2/p_olga"}, jobs())
	n, owed, err := x.desk.Notice(t.Context(), workflows.PolicyStream, ask+"p_max")
	if err != nil || !owed || n.To != "p_max" || n.What != workflows.NoticePolicy {
		t.Fatalf("%+v %t %v", n, owed, err)
	}
	about, changes, err := x.desk.NoticeOf(t.Context(), n)
	if err != nil || about.Proposal != p.Proposal || !workflows.Loosens(changes) {
		t.Errorf("%+v %+v %v", about, changes, err)
	}
	n, _, err = x.desk.Notice(t.Context(), workflows.PolicyStream, "policy_changed/2/p_max")
	if err != nil {
		t.Fatal(err)
	}
	about, changes, err = x.desk.NoticeOf(t.Context(), n)
	if err != nil || about.Proposal != "" || len(changes) != 1 || changes[0].Unit != "workflow/shell" {
		t.Errorf("%+v %+v %v", about, changes, err)
	}
	for id, fn := range map[string]func() error{
		ask + "p_max": func() error {
			return x.desk.Delivered(t.Context(), x.cause(), workflows.PolicyStream, workflows.NoticeDelivered{Notice: ask + "p_max", Via: "slack"})
		},
		"policy_changed/2/p_max": func() error {
			return x.desk.Undelivered(t.Context(), x.cause(), workflows.PolicyStream, workflows.NoticeUndelivered{Notice: "policy_changed/2/p_max", Why: "gone"})
		},
	} {
		if err := fn(); err != nil {
			t.Fatal(id, err)
		}
		x.check()
	}
	same(t, "after delivery", []string{ask + "p_olga", "policy_changed/2/p_olga"}, jobs())
	x.votePolicy("olga", p.Proposal, workflows.Approve)
	same(t, "settled", []string{"policy_changed/2/p_olga", "policy_settled/" + p.Proposal + "/p_max"}, jobs())
	for _, id := range []string{"policy/none/p_max", "policy_changed/99/p_max", "odd"} {
		if _, _, err := x.desk.NoticeOf(t.Context(), workflows.Notice{ID: id}); err == nil {
			t.Errorf("%s is about something", id)
		}
	}
}

// Two people decide at once, and one at the same time as the folder is loaded again: each is counted, nothing is lost, and what governs is what
// the ledger says.
func TestPolicyVotesAtOnce(t *testing.T) {
	t.Parallel()
	x := open(t)
	x.load(func(d *draft) { d.roles[desk.RoleOwner] = named("max", "lea", "mia") })
	x.propose(func(d *draft) { d.flows["pair"].Longest = 5 * 3600 })
	p, _ := x.proposal()
	folder := x.draft.compile(t)
	done := make(chan error, 4)
	for _, who := range []string{"max", "lea", "mia"} {
		b := desk.PolicyBallot{Cause: x.cause(), By: acting(who), Proposal: p.Proposal, Verdict: workflows.Approve, Authn: "unix-peer", Channel: "cli"}
		go func() { _, err := x.desk.VotePolicy(t.Context(), b); done <- err }()
	}
	go func() { done <- x.desk.Load(t.Context(), folder) }()
	for range 4 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	x.check()
	last, _ := x.proposal()
	if last.Outcome != "approved" || len(last.Approvals()) != 2 || x.desk.Policy().Workflows["pair"].Workflow.Longest != 5*3600 {
		t.Errorf("%+v", last)
	}
}

// A stream of the policy that says what cannot have been decided does not fold.
func TestPolicyStreamRefusesDamage(t *testing.T) {
	t.Parallel()
	proposed := workflows.PolicyProposed{Proposal: "c_1", Ask: persons("max", "lea"), Quorum: 2, By: "p_lea"}
	yes := workflows.PolicyVoted{Proposal: "c_1", Verdict: workflows.Approve}
	for name, events := range map[string][]workflows.Event{
		"a second one while one is open": {proposed, workflows.PolicyProposed{Proposal: "c_2"}},
		"a vote on another":              {proposed, workflows.PolicyVoted{Proposal: "c_2"}},
		"a vote on none":                 {yes},
		"a vote twice":                   {proposed, yes, yes},
		"settled without a quorum":       {proposed, yes, workflows.PolicySettled{Proposal: "c_1", Outcome: "approved"}},
		"settled twice":                  {proposed, workflows.PolicySettled{Proposal: "c_1", Outcome: "denied"}, workflows.PolicySettled{Proposal: "c_1", Outcome: "denied"}},
		"a foreign event":                {workflows.StageReminded{}},
	} {
		var h []workflows.Record
		for i, e := range events {
			h = append(h, workflows.Record{Stream: workflows.PolicyStream, Seq: int64(i) + 1, Person: "p_max", Event: e})
		}
		if _, err := desk.Outstanding(workflows.PolicyStream, h); err == nil {
			t.Errorf("%s: it folds", name)
		}
		if len(h) > 1 {
			if _, err := desk.Outstanding(workflows.PolicyStream, h[1:]); err == nil {
				t.Errorf("%s: it folds with a gap", name)
			}
		}
	}
}
