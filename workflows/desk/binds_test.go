package desk_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// (1) and T17: the version current when the request is recorded binds; a form that showed another is shown again, and the record of that
// names both versions.
func TestThreat_T17_TheVersionOfTheTransactionBinds(t *testing.T) {
	t.Parallel()
	change := func(d *draft) { d.flows["shell"].Longest = 2 * 3600 }
	t.Run("changed while the form was open", func(t *testing.T) {
		t.Parallel()
		x := open(t)
		s := x.submission("zed", "shell")
		s.FormPolicy = x.desk.Policy().Workflows["shell"].Hash
		x.load(change)
		if out := x.submit(s); code(out.Refusal) != workflows.CodeFormChanged {
			t.Fatalf("refused with %v", out.Refusal)
		}
		now := x.desk.Policy().Workflows["shell"].Hash
		r := x.refused(workflows.SystemStream, "submit", workflows.CodeFormChanged)
		if about := r.Event.(workflows.Refused).About; r.Policy != now || about != "shell/"+string(s.FormPolicy[len("sha256:"):]) {
			t.Errorf("the record names %q and %q", r.Policy, about)
		}
		s.Cause, s.FormPolicy = x.cause(), now
		if out := x.submit(s); out.Refusal != nil || x.state(out.ID).Policy != now {
			t.Errorf("the fresh form: %v", out.Refusal)
		}
	})
	t.Run("tightened while the form was open", func(t *testing.T) {
		t.Parallel()
		x := open(t)
		s := x.submission("zed", "shell")
		s.FormPolicy, s.Form.Seconds = x.desk.Policy().Workflows["shell"].Hash, 3*3600
		x.load(change)
		if out := x.submit(s); code(out.Refusal) != workflows.CodeFormChanged {
			t.Errorf("refused with %v", out.Refusal)
		}
	})
	t.Run("changed between asking the world and recording", func(t *testing.T) {
		t.Parallel()
		x := open(t)
		s := x.submission("zed", "shell")
		s.FormPolicy = x.desk.Policy().Workflows["shell"].Hash
		x.dir.meanwhile("zed", func() { x.load(change) })
		if out := x.submit(s); code(out.Refusal) != workflows.CodeFormChanged {
			t.Errorf("a form: %v", out.Refusal)
		}
		x.dir.meanwhile("nia", func() { x.load(func(d *draft) { d.flows["shell"].Longest = 3 * 3600 }) })
		out := x.submit(x.submission("nia", "shell")) // the command line shows no form
		if out.Refusal != nil || x.state(out.ID).Policy != x.desk.Policy().Workflows["shell"].Hash {
			t.Errorf("without a form: %v", out.Refusal)
		}
	})
	t.Run("another chain changed meanwhile", func(t *testing.T) {
		t.Parallel()
		x := open(t)
		s := x.submission("zed", "shell")
		s.FormPolicy = x.desk.Policy().Workflows["shell"].Hash
		x.dir.meanwhile("zed", func() { x.load(func(d *draft) { d.flows["pair"].Longest = 3600 }) })
		if out := x.submit(s); out.Refusal != nil {
			t.Errorf("a form that shows the current version: %v", out.Refusal)
		}
	})
	t.Run("it never stops changing", func(t *testing.T) {
		t.Parallel()
		x := open(t)
		size, span := 0, workflows.Span(3600)
		var swap func()
		swap = func() {
			span++
			x.load(func(d *draft) { d.flows["shell"].Longest = span })
			size = len(x.entries())
			x.dir.meanwhile("zed", swap)
		}
		x.dir.meanwhile("zed", swap)
		_, err := x.desk.Submit(t.Context(), x.submission("zed", "shell"))
		if !errors.Is(err, workflows.ErrAskAgain) || len(x.entries()) != size {
			t.Errorf("it was decided: %v", err)
		}
	})
}

// The ledger never shows a decision under a version behind the entry that replaced it.
func TestDecisionsStandInOrderOfTheirPolicies(t *testing.T) {
	t.Parallel()
	x := open(t)
	const loads, asks = 12, 8
	done := make(chan error, asks)
	for i := range asks {
		who := listed[i]
		go func() {
			for n := range 4 {
				out, err := x.desk.Submit(t.Context(), desk.Submission{
					Cause: x.cause(), By: acting(who), Workflow: "shell", Channel: "cli", Authn: "unix-peer",
					Form: workflows.Form{Target: "bastion", Entitlement: "deploy", Seconds: 60, Reason: "broken since noon", Values: map[string]string{"ticket": fmt.Sprintf("OPS-%d", n)}},
				})
				if err == nil && out.Refusal != nil {
					err = out.Refusal
				}
				if err != nil && !errors.Is(err, workflows.ErrAskAgain) {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for i := range loads {
		x.draft.flows["shell"].Longest = workflows.Span(3600 - i) // what loosens would have to wait
		if err := x.desk.Load(t.Context(), x.draft.compile(t)); err != nil {
			t.Fatal(err)
		}
	}
	for range asks {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	var current workflows.DocHash
	asked := 0
	for _, r := range x.entries() {
		switch e := r.Event.(type) {
		case workflows.PolicyLoaded:
			current = e.Workflows["shell"]
		case workflows.Submitted:
			asked++
			if r.Policy != current {
				t.Errorf("entry %d is bound by a version that had been replaced", r.Index)
			}
		}
	}
	if asked == 0 {
		t.Error("nobody got to ask")
	}
}

// What binds, row by row (2), (3), (5): the documents change between the first vote and the second.
func TestWhatBindsBetweenTwoVotes(t *testing.T) {
	t.Parallel()
	const superseded = "superseded"
	flow := func(id workflows.WorkflowID, edit func(*workflows.Workflow)) func(*draft) {
		return func(d *draft) { edit(d.flows[id]) }
	}
	for _, c := range []struct {
		name   string
		flow   workflows.WorkflowID // "pair": two of a group; "names": two of a list; both by ann and bob
		edit   func(*draft)
		second string
		want   string // refused with, superseded, or nothing: approved
	}{
		{"nothing", "pair", func(*draft) {}, "bob", ""},
		{"the second is excluded", "pair", flow("pair", func(w *workflows.Workflow) { w.Stages[0].Approvers.Exclude = persons("bob") }), "bob", workflows.CodeNotApprover},
		{"the first is excluded", "pair", flow("pair", func(w *workflows.Workflow) { w.Stages[0].Approvers.Exclude = persons("ann") }), "bob", superseded},
		{"excluded in another stage", "pair", flow("pair", func(w *workflows.Workflow) {
			w.Stages = append(w.Stages, stage("more", 1, named("dan")))
			w.Stages[1].Approvers.Exclude = persons("ann", "bob")
		}), "bob", ""},
		{"the second leaves the group", "pair", func(d *draft) { d.groups["dba"] = persons("ann", "cho") }, "bob", workflows.CodeNotApprover},
		{"the first leaves the group", "pair", func(d *draft) { d.groups["dba"] = persons("bob", "cho") }, "bob", superseded},
		{"the group is gone", "pair", func(d *draft) { delete(d.groups, "dba") }, "bob", workflows.CodeNotApprover},
		{"somebody else joins the group", "pair", func(d *draft) { d.groups["dba"] = persons("ann", "bob", "cho", "dan") }, "dan", workflows.CodeUnknown},
		{"somebody else is named", "pair", flow("pair", func(w *workflows.Workflow) { w.Stages[0].Approvers.People = persons("dan") }), "dan", workflows.CodeUnknown},
		{"the quorum is lowered", "pair", flow("pair", func(w *workflows.Workflow) { w.Stages[0].Quorum = 1 }), "bob", ""},
		{"the quorum is raised", "pair", flow("pair", func(w *workflows.Workflow) { w.Stages[0].Quorum = 3 }), "bob", ""},
		{"a stage is added", "pair", flow("pair", func(w *workflows.Workflow) { w.Stages = append(w.Stages, stage("more", 1, named("dan"))) }), "bob", ""},
		{"the stage is renamed", "names", flow("names", func(w *workflows.Workflow) { w.Stages[0].Name, w.Stages[0].Approvers = "others", named("dan") }), "bob", ""},
		{"the second is not named any more", "names", flow("names", func(w *workflows.Workflow) { w.Stages[0].Approvers = named("ann", "cho") }), "bob", workflows.CodeNotApprover},
		{"the first is not named any more", "names", flow("names", func(w *workflows.Workflow) { w.Stages[0].Approvers = named("bob", "cho") }), "bob", superseded},
		{"the second is named in the wider tier", "names", flow("names", func(w *workflows.Workflow) {
			w.Stages[0].Approvers, w.Stages[0].Escalate = named("ann"), &workflows.Escalation{After: 60, Approvers: named("bob")}
		}), "bob", ""},
		{"the chain is deleted", "pair", func(d *draft) { delete(d.flows, "pair") }, "bob", superseded},
		{"the entitlement is gone", "pair", flow("pair", func(w *workflows.Workflow) { w.Entitlements[0].ID = "other" }), "bob", superseded},
		{"the target is gone", "pair", flow("pair", func(w *workflows.Workflow) { w.Entitlements[0].Target = "other" }), "bob", superseded},
		{"the longest falls below the ask", "pair", flow("pair", func(w *workflows.Workflow) { w.Longest = 3599 }), "bob", superseded},
		{"the entitlement's longest falls below the ask", "pair", flow("pair", func(w *workflows.Workflow) { w.Entitlements[0].Longest = 3599 }), "bob", superseded},
		{"the longest falls to the ask", "pair", flow("pair", func(w *workflows.Workflow) { w.Longest = 3600 }), "bob", ""},
		{"nobody may ask any more", "pair", flow("pair", func(w *workflows.Workflow) { w.Ask = workflows.Selector{} }), "bob", ""},
	} {
		for _, when := range []string{"before the click", "while the click is on its way"} {
			t.Run(c.name+" "+when, func(t *testing.T) {
				t.Parallel()
				x := open(t)
				id := x.ask("zed", c.flow)
				x.approve(id, "ann")
				b := x.ballot(c.second, id, workflows.Approve)
				if when == "before the click" {
					x.load(c.edit)
				} else {
					x.dir.meanwhile(c.second, func() { x.load(c.edit) })
				}
				a := x.vote(b)
				s := x.state(id)
				switch {
				case c.want == superseded:
					owed := slices.ContainsFunc(s.Notices(), func(n workflows.Notice) bool { return n.What == workflows.NoticeOutcome && n.To == "p_zed" })
					if s.Status != workflows.StatusSuperseded || s.Why == "" || !owed {
						t.Errorf("%s, because %q, told: %t; the vote: %v", s.Status, s.Why, owed, a.Refusal)
					}
				case c.want != "":
					if code(a.Refusal) != c.want || s.Status != workflows.StatusOpen {
						t.Errorf("refused with %v, request %s; want %s", a.Refusal, s.Status, c.want)
					}
				case s.Status != workflows.StatusApproved:
					t.Errorf("%s: %v", s.Status, a.Refusal)
				}
				if got := len(s.Stages); got != 1 || s.Stages[0].Plan.Quorum != 2 {
					t.Errorf("the plan changed: %+v", s.Stages)
				}
			})
		}
	}
}

// (3): the one who handed a target over has no say any more, and the new owner has none yet.
func TestTargetOwnerHandsOver(t *testing.T) {
	t.Parallel()
	x := open(t)
	id := x.ask("zed", "prod-db")
	x.approve(id, "ann", "bob")
	x.load(func(d *draft) { d.flows["prod-db"].Entitlements[0].Owner = "p_dan" })
	for who, want := range map[string]string{"olga": workflows.CodeNotApprover, "dan": workflows.CodeUnknown} {
		if a := x.vote(x.ballot(who, id, workflows.Approve)); code(a.Refusal) != want {
			t.Errorf("%s: %v", who, a.Refusal)
		}
	}
	x.approve(id, "otto") // still the backup
}

// (3): the same for managers and for those who own an identity.
func TestManagerAndIdentityOwner(t *testing.T) {
	t.Parallel()
	ask := func(x *office) workflows.RequestID {
		s := x.submission("ivy", "manager")
		s.Subject = "svc-deploy"
		return x.submit(s).ID
	}
	t.Run("as submitted", func(t *testing.T) {
		t.Parallel()
		x := open(t)
		id := ask(x)
		x.approve(id, "mia")
		if a := x.vote(x.ballot("ivy", id, workflows.Approve)); code(a.Refusal) != workflows.CodeSelfApproval {
			t.Errorf("who answers for the identity decides: %v", a.Refusal)
		}
		x.approve(id, "ida")
		if _, h := x.hold(id); h.Approved.Holder != "svc-deploy for IVY" {
			t.Errorf("held by %q", h.Approved.Holder)
		}
	})
	t.Run("another manager", func(t *testing.T) {
		t.Parallel()
		x := open(t)
		id := ask(x)
		x.load(func(d *draft) { p := d.people["p_ivy"]; p.Manager = "p_dan"; d.people["p_ivy"] = p })
		for who, want := range map[string]string{"mia": workflows.CodeNotApprover, "dan": workflows.CodeUnknown} {
			if a := x.vote(x.ballot(who, id, workflows.Approve)); code(a.Refusal) != want {
				t.Errorf("%s: %v", who, a.Refusal)
			}
		}
	})
	t.Run("another backup", func(t *testing.T) {
		t.Parallel()
		x := open(t)
		id := ask(x)
		x.approve(id, "mia")
		x.load(func(d *draft) { i := d.identities["svc-deploy"]; i.Backup = "p_dan"; d.identities["svc-deploy"] = i })
		for who, want := range map[string]string{"ida": workflows.CodeNotApprover, "dan": workflows.CodeUnknown} {
			if a := x.vote(x.ballot(who, id, workflows.Approve)); code(a.Refusal) != want {
				t.Errorf("%s: %v", who, a.Refusal)
			}
		}
	})
}

// (4): rosters grow by escalation, and an exclusion in the wider tier reaches those who came by it.
func TestEscalationWidens(t *testing.T) {
	t.Parallel()
	x := open(t)
	id := x.ask("zed", "prod-db")
	stream := workflows.RequestStream(id)
	x.tick(stream)
	same(t, "before its time", persons("ann", "bob", "cho"), x.state(id).CanVote())
	x.clock.Add(30 * time.Minute)
	x.tick(stream)
	if s := x.state(id); !s.Stages[0].Reminded {
		t.Error("nobody is reminded")
	}
	x.clock.Add(30 * time.Minute)
	x.tick(stream)
	x.tick(stream)
	same(t, "escalated", persons("ann", "bob", "cho", "sam", "dan"), x.state(id).CanVote())
	x.load(func(d *draft) { d.flows["prod-db"].Stages[0].Escalate.Approvers.Exclude = persons("sam") })
	if a := x.vote(x.ballot("sam", id, workflows.Approve)); code(a.Refusal) != workflows.CodeNotApprover {
		t.Errorf("excluded from the tier they came by: %v", a.Refusal)
	}
	x.load(func(d *draft) { d.flows["prod-db"].Stages[0].Escalate.Approvers.Exclude = persons("ann") })
	x.approve(id, "ann", "dan") // ann sits in the first tier
	x.clock.Add(5 * time.Hour)
	x.tick(stream)
	if s := x.state(id); s.Status != workflows.StatusTimedOut {
		t.Errorf("after the deadline: %s", s.Status)
	}
	x.tick(stream) // over: nothing is asked
}

func (x *office) tick(s workflows.StreamID) {
	x.t.Helper()
	if err := x.desk.Tick(x.t.Context(), s); err != nil {
		x.t.Fatal(err)
	}
	x.check()
}

// A directory that does not answer is not "nobody": a due escalation waits for it and adds the people then.
func TestEscalationWaitsForTheDirectory(t *testing.T) {
	t.Parallel()
	x := open(t)
	x.dir.group("@wide", "dan")
	x.load(func(d *draft) {
		d.flows["shell"].Stages[0].Escalate = &workflows.Escalation{After: 3600, Approvers: workflows.Selector{ChatGroups: []string{"@wide"}}}
	})
	id := x.ask("zed", "shell")
	x.clock.Add(time.Hour)
	x.dir.mute("@wide", true)
	x.tick(workflows.RequestStream(id))
	if x.state(id).Stages[0].Escalated {
		t.Fatal("escalated to nobody")
	}
	x.dir.mute("@wide", false)
	x.tick(workflows.RequestStream(id))
	x.approve(id, "dan")
}

// (6): a vote is judged by when it was received, whatever the time is when it is decided.
func TestReceivedInTime(t *testing.T) {
	t.Parallel()
	x := open(t)
	early, late := x.ask("zed", "shell"), x.ask("zed", "shell")
	deadline := x.state(early).Stages[0].TimesOutAt
	x.clock.Add(5 * time.Hour)
	b := x.ballot("ann", early, workflows.Approve)
	b.ReceivedAt = deadline - 1
	if a := x.vote(b); a.Refusal != nil {
		t.Errorf("received in time: %v", a.Refusal)
	}
	b = x.ballot("ann", late, workflows.Approve)
	b.ReceivedAt = deadline
	if a := x.vote(b); code(a.Refusal) != workflows.CodeLate {
		t.Errorf("received at the deadline: %v", a.Refusal)
	}
	if a := x.vote(x.ballot("bob", late, workflows.Approve)); code(a.Refusal) != workflows.CodeLate {
		t.Errorf("received now: %v", a.Refusal)
	}
}

// T18 and (6): before the grant everybody who approved is asked about again; so is who votes now.
func TestThreat_T18_VotersAreAskedAgainBeforeTheGrant(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name        string
		first, last string // what becomes of the request when it befalls the first voter, the last voter
		befall      func(x *office, who string)
	}{
		{"deactivated", "superseded", workflows.CodeInactive, func(x *office, who string) { x.dir.is(who, inactive) }},
		{"a guest now", "superseded", workflows.CodeGuest, func(x *office, who string) { x.dir.is(who, guest) }},
		{"another person now", "superseded", workflows.CodeUnlinked, func(x *office, who string) { x.dir.is(who, unlinked) }},
		{"a bot now", "superseded", workflows.CodeNotHuman, func(x *office, who string) { x.dir.is(who, robot) }},
		{"left the group", "superseded", workflows.CodeNotApprover, func(x *office, who string) {
			x.load(func(d *draft) {
				d.groups["dba"] = slices.DeleteFunc(d.groups["dba"], func(p workflows.PersonID) bool { return p == person(who) })
			})
		}},
		{"the directory is silent", workflows.CodeDirectory, workflows.CodeDirectory, func(x *office, who string) { x.dir.hush(who) }},
		{"the directory knows nothing", workflows.CodeDirectory, workflows.CodeDirectory, func(x *office, who string) { x.dir.is(who, unknown) }},
	} {
		for _, who := range []string{"ann", "bob"} {
			t.Run(c.name+": "+who, func(t *testing.T) {
				t.Parallel()
				x := open(t)
				id := x.ask("zed", "pair")
				x.approve(id, "ann")
				b := x.ballot("bob", id, workflows.Approve)
				c.befall(x, who)
				a := x.vote(b)
				s := x.state(id)
				want := map[string]string{"ann": c.first, "bob": c.last}[who]
				if want == "superseded" {
					if a.Refusal != nil || s.Status != workflows.StatusSuperseded || s.Why == "" || s.Grant != "" {
						t.Errorf("%s %v", s.Status, a.Refusal)
					}
					return
				}
				if code(a.Refusal) != want || s.Status != workflows.StatusOpen || len(s.Voters()) != 1 {
					t.Errorf("%s with %v: %v", s.Status, s.Voters(), a.Refusal)
				}
				x.refused(workflows.RequestStream(id), "vote approve", want)
				if want == workflows.CodeDirectory { // the click can be repeated
					x.dir.hush()
					x.dir.is(who, func(s workflows.Standing) workflows.Standing { return s })
					x.approve(id, "bob")
					if got := x.state(id).Status; got != workflows.StatusApproved {
						t.Errorf("the repeated click: %s", got)
					}
				}
			})
		}
	}
}

// Somebody who cannot be asked about does not stop a vote that grants nothing.
func TestSilenceMattersOnlyBeforeTheGrant(t *testing.T) {
	t.Parallel()
	x := open(t)
	id := x.ask("zed", "prod-db")
	x.approve(id, "ann")
	x.dir.hush("ann")
	x.approve(id, "bob")
	if a := x.vote(x.ballot("olga", id, workflows.Approve)); code(a.Refusal) != workflows.CodeDirectory {
		t.Errorf("the last vote: %v", a.Refusal)
	}
	b := x.ballot("olga", id, workflows.Deny)
	if a := x.vote(b); a.Refusal != nil || x.state(id).Status != workflows.StatusDenied {
		t.Errorf("a denial waits for nobody: %v", a.Refusal)
	}
}

// A person who sits on two stages must be yielded by both still.
func TestVoterOfTwoStages(t *testing.T) {
	t.Parallel()
	for _, gone := range []int{0, 1, -1} {
		x := open(t)
		x.load(func(d *draft) {
			d.groups["one"], d.groups["two"] = persons("ann"), persons("ann")
			w := d.flows["shell"]
			w.Stages = []workflows.Stage{stage("one", 1, groups("one")), stage("two", 1, groups("two")), stage("three", 1, named("bob"))}
			w.Stages[1].Repeat = true
		})
		id := x.ask("zed", "shell")
		x.approve(id, "ann", "ann")
		x.load(func(d *draft) {
			if gone >= 0 {
				d.groups[[]string{"one", "two"}[gone]] = nil
			}
		})
		x.vote(x.ballot("bob", id, workflows.Approve))
		want := workflows.StatusSuperseded
		if gone < 0 {
			want = workflows.StatusApproved
		}
		if s := x.state(id); s.Status != want {
			t.Errorf("left group %d: %s", gone, s.Status)
		}
	}
}

// A chat group that cannot be asked is not an empty one, and an empty one is nobody, never everybody.
func TestChatGroups(t *testing.T) {
	t.Parallel()
	x := open(t)
	if out := x.submit(x.submission("zed", "chat")); code(out.Refusal) != workflows.CodeDirectory {
		t.Errorf("no such group: %v", out.Refusal)
	}
	x.dir.group("@oncall")
	if out := x.submit(x.submission("zed", "chat")); code(out.Refusal) != workflows.CodeNobody {
		t.Errorf("empty group: %v", out.Refusal)
	}
	x.dir.group("@oncall", "zed", "ann")
	if out := x.submit(x.submission("zed", "chat")); code(out.Refusal) != workflows.CodeNobody {
		t.Errorf("too few without the requester: %v", out.Refusal)
	}
	x.dir.group("@oncall", "ann", "bob", "cho")
	x.dir.mute("@oncall", true)
	if out := x.submit(x.submission("zed", "chat")); code(out.Refusal) != workflows.CodeDirectory {
		t.Errorf("silent group: %v", out.Refusal)
	}
	x.dir.mute("@oncall", false)
	id := x.ask("zed", "chat")
	x.approve(id, "ann")
	x.dir.mute("@oncall", true)
	if a := x.vote(x.ballot("bob", id, workflows.Approve)); code(a.Refusal) != workflows.CodeDirectory {
		t.Errorf("the selector cannot be asked: %v", a.Refusal)
	}
	x.dir.mute("@oncall", false)
	x.dir.group("@oncall", "ann", "cho", "dan")
	for who, want := range map[string]string{"bob": workflows.CodeNotApprover, "dan": workflows.CodeUnknown} { // left; joined too late
		if a := x.vote(x.ballot(who, id, workflows.Approve)); code(a.Refusal) != want {
			t.Errorf("%s: %v", who, a.Refusal)
		}
	}
	x.approve(id, "cho")
	if s := x.state(id); s.Status != workflows.StatusApproved {
		t.Errorf("%s", s.Status)
	}
}

// Who may ask can be a chat group; who is found beside a silent one is found.
func TestMayAskByChatGroup(t *testing.T) {
	t.Parallel()
	x := open(t)
	x.load(func(d *draft) {
		d.flows["shell"].Ask = workflows.Selector{ChatGroups: []string{"@eng"}, People: persons("nia")}
		d.roles[desk.RoleSecurity] = workflows.Selector{ChatGroups: []string{"@eng"}, People: persons("sam")}
	})
	x.ask("nia", "shell")
	if out := x.submit(x.submission("zed", "shell")); code(out.Refusal) != workflows.CodeDirectory {
		t.Errorf("silent group: %v", out.Refusal)
	}
	if !x.desk.HasRole(t.Context(), desk.RoleSecurity, "p_sam") || x.desk.HasRole(t.Context(), desk.RoleSecurity, "p_zed") {
		t.Error("a silent group beside a named person")
	}
	x.dir.group("@eng", "zed")
	if id := x.ask("zed", "shell"); x.state(id).Asked.Rule != "may_ask: chat:@eng" {
		t.Errorf("let in by %q", x.state(id).Asked.Rule)
	}
	if !x.desk.HasRole(t.Context(), desk.RoleSecurity, "p_zed") || x.desk.HasRole(t.Context(), desk.RoleSecurity, "") {
		t.Error("a role by a chat group")
	}
}

// (4): a stage that opens later asks those of its group as the request bound it who are in it still: who left lost the power at once, who
// joined gets none over requests that were there before.
func TestGroupOfALaterStage(t *testing.T) {
	t.Parallel()
	x := open(t)
	x.load(func(d *draft) {
		d.groups["two"] = persons("cho", "dan")
		d.flows["shell"].Stages = append(d.flows["shell"].Stages, stage("second", 1, groups("two")))
	})
	before := x.ask("zed", "shell")
	x.load(func(d *draft) { d.groups["two"] = persons("dan", "nia") })
	x.approve(before, "ann")
	same(t, "asked before", persons("dan"), x.state(before).CanVote())
	after := x.ask("zed", "shell")
	x.approve(after, "ann")
	same(t, "asked since", persons("dan", "nia"), x.state(after).CanVote())
	x.load(func(d *draft) { delete(d.groups, "two") })
	if out := x.submit(x.submission("zed", "shell")); code(out.Refusal) != workflows.CodeNobody {
		t.Errorf("a group that is gone: %v", out.Refusal)
	}
}
