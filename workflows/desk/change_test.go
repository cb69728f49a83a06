package desk_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
)

func (x *office) takeBack(who string, id workflows.RequestID) desk.Answer {
	x.t.Helper()
	a, err := x.desk.TakeBack(x.t.Context(), desk.Change{Cause: x.cause(), By: acting(who), Request: id, Why: secret, Channel: "slack"})
	if err != nil {
		x.t.Fatal(err)
	}
	x.check()
	return a
}

func (x *office) withdraw(who string, id workflows.RequestID) desk.Answer {
	x.t.Helper()
	a, err := x.desk.Withdraw(x.t.Context(), desk.Change{Cause: x.cause(), By: acting(who), Request: id, Why: secret, Channel: "slack"})
	if err != nil {
		x.t.Fatal(err)
	}
	x.check()
	return a
}

func (x *office) end(who string, g workflows.GrantID, how string) desk.Answer {
	x.t.Helper()
	a, err := x.desk.End(x.t.Context(), desk.EndGrant{Cause: x.cause(), By: acting(who), Grant: g, How: how, Why: secret, Channel: "slack"})
	if err != nil {
		x.t.Fatal(err)
	}
	x.check()
	return a
}

// start records that the target has the access.
func (x *office) start(id workflows.RequestID) (workflows.StreamID, workflows.GrantID) {
	x.t.Helper()
	stream, h := x.hold(id)
	e := grants.Started{Grant: h.Approved.Grant, Ref: "serial-1", Personal: map[string]string{"key": secret}}
	if err := x.desk.GrantStarted(x.t.Context(), "", stream, e); err != nil {
		x.t.Fatal(err)
	}
	x.check()
	return stream, h.Approved.Grant
}

// revoke records that the target took the access back.
func (x *office) revoke(stream workflows.StreamID, g workflows.GrantID, presence string) {
	x.t.Helper()
	if err := x.desk.GrantRevoked(x.t.Context(), "", stream, grants.Revoked{Grant: g, Presence: presence}); err != nil {
		x.t.Fatal(err)
	}
	x.check()
}

func TestTakeBack(t *testing.T) {
	t.Parallel()
	t.Run("in the open stage", func(t *testing.T) {
		t.Parallel()
		x := open(t)
		id := x.ask("zed", "prod-db")
		if a := x.takeBack("ann", id); code(a.Refusal) != workflows.CodeNoVote {
			t.Errorf("before any vote: %v", a.Refusal)
		}
		x.approve(id, "ann")
		if a := x.takeBack("ann", id); a.Refusal != nil {
			t.Fatal(a.Refusal)
		}
		if s := x.state(id); s.Status != workflows.StatusOpen || len(s.Voters()) != 0 {
			t.Errorf("%s with %v", s.Status, s.Voters())
		}
		x.approve(id, "bob", "ann") // she may change her mind again
		if s := x.state(id); s.Current != 1 {
			t.Errorf("stage %d", s.Current)
		}
	})
	t.Run("behind a closed stage", func(t *testing.T) {
		t.Parallel()
		x := open(t)
		id := x.ask("zed", "prod-db")
		x.approve(id, "ann", "bob")
		if a := x.takeBack("ann", id); a.Refusal != nil {
			t.Fatal(a.Refusal)
		}
		if s := x.state(id); s.Status != workflows.StatusSuperseded {
			t.Errorf("%s", s.Status)
		}
		if a := x.takeBack("bob", id); code(a.Refusal) != workflows.CodeDecided {
			t.Errorf("afterwards: %v", a.Refusal)
		}
	})
	t.Run("approved but not started", func(t *testing.T) {
		t.Parallel()
		x := open(t)
		id := x.ask("zed", "pair")
		x.approve(id, "ann", "bob")
		stream, h := x.hold(id)
		if a := x.takeBack("ann", id); a.Refusal != nil {
			t.Fatal(a.Refusal)
		}
		_, h = x.hold(id)
		if s := x.state(id); s.Status != workflows.StatusSuperseded || h.Status != grants.StatusEnding || h.EndedBy != "p_ann" {
			t.Errorf("request %s, grant %s by %q", s.Status, h.Status, h.EndedBy)
		}
		if _, due, _ := x.desk.Due(t.Context(), stream, workflows.JobStart, h.Approved.Grant); due {
			t.Error("still to be made")
		}
		if a := x.takeBack("bob", id); code(a.Refusal) != workflows.CodeDecided {
			t.Errorf("afterwards: %v", a.Refusal)
		}
	})
	t.Run("approved and started", func(t *testing.T) {
		t.Parallel()
		x := open(t)
		id := x.ask("zed", "pair")
		x.approve(id, "ann", "bob")
		x.start(id)
		if a := x.takeBack("ann", id); code(a.Refusal) != workflows.CodeDecided {
			t.Errorf("%v", a.Refusal)
		}
		if _, h := x.hold(id); h.Status != grants.StatusActive {
			t.Errorf("%s", h.Status)
		}
	})
	t.Run("a membership that another grant needs", func(t *testing.T) {
		t.Parallel()
		x := open(t)
		first := x.ask("zed", "prod-db")
		x.approve(first, "ann", "bob", "olga")
		stream, kept := x.start(first)
		longer := x.submission("zed", "prod-db")
		longer.Form.Seconds *= 2
		second := x.submit(longer).ID
		x.approve(second, "ann", "cho", "olga")
		if a := x.takeBack("cho", second); a.Refusal != nil {
			t.Fatal(a.Refusal)
		}
		_, h := x.hold(second)
		if h.Status != grants.StatusEnded || h.KeptBy != kept {
			t.Errorf("%s, kept by %q", h.Status, h.KeptBy)
		}
		if _, due, _ := x.desk.Due(t.Context(), stream, workflows.JobRevoke, h.Approved.Grant); due {
			t.Error("the membership is to be taken from who still needs it")
		}
		if _, h := x.hold(first); h.Status != grants.StatusActive {
			t.Errorf("the first grant is %s", h.Status)
		}
	})
	t.Run("an approved runbook", func(t *testing.T) {
		t.Parallel()
		x := open(t)
		id := x.ask("zed", "approve-book")
		x.approve(id, "lea")
		if a := x.takeBack("lea", id); code(a.Refusal) != workflows.CodeDecided {
			t.Errorf("%v", a.Refusal)
		}
	})
}

// T55: withdrawing is the requester's, ending access its holder's side, the target's owner's, an approver's and security's.
func TestThreat_T55_WhoMayWithdrawAndEnd(t *testing.T) {
	t.Parallel()
	t.Run("withdraw", func(t *testing.T) {
		t.Parallel()
		x := open(t)
		for who, want := range map[string]string{
			"zed": "", "ann": workflows.CodeNotYours, "olga": workflows.CodeNotYours, "sam": workflows.CodeNotYours, "nia": workflows.CodeUnknown,
		} {
			id := x.ask("zed", "prod-db")
			if a := x.withdraw(who, id); code(a.Refusal) != want {
				t.Errorf("%s: %v", who, a.Refusal)
			}
			if s := x.state(id); (s.Status == workflows.StatusWithdrawn) != (want == "") {
				t.Errorf("%s: %s", who, s.Status)
			}
		}
		id := x.ask("zed", "prod-db")
		x.withdraw("zed", id)
		if a := x.withdraw("zed", id); code(a.Refusal) != workflows.CodeDecided {
			t.Errorf("twice: %v", a.Refusal)
		}
		if a := x.vote(x.ballot("ann", id, workflows.Approve)); code(a.Refusal) != workflows.CodeDecided {
			t.Errorf("voting afterwards: %v", a.Refusal)
		}
	})
	t.Run("end", func(t *testing.T) {
		t.Parallel()
		x := open(t)
		for who, want := range map[string]string{
			"zed": "", "ann": "", "olga": "", "sam": "", // holder, approver, owner, security
			"otto": workflows.CodeNotYours, "cho": workflows.CodeNotYours, "aud": workflows.CodeNotYours, "nia": workflows.CodeNotYours,
			"stranger": workflows.CodeNotYours, "": workflows.CodeNotYours,
		} {
			id := x.ask("zed", "pair")
			x.approve(id, "ann", "bob")
			stream, g := x.start(id)
			if a := x.end(who, g, grants.HowRevoked); code(a.Refusal) != want {
				t.Errorf("%q: %v", who, a.Refusal)
			}
			h, due, err := x.desk.Due(t.Context(), stream, workflows.JobRevoke, g)
			if err != nil || due != (want == "") {
				t.Errorf("%q: %s, to be revoked: %t %v", who, h.Status, due, err)
			}
			if want != "" {
				x.refused(workflows.SystemStream, "revoked", want)
			}
		}
	})
	t.Run("revoking needs no standing and no directory", func(t *testing.T) {
		t.Parallel()
		x := open(t)
		x.load(func(d *draft) {
			d.roles[desk.RoleSecurity] = workflows.Selector{People: persons("sam"), ChatGroups: []string{"@sec"}}
		})
		id := x.ask("zed", "pair")
		x.approve(id, "ann", "bob")
		_, g := x.start(id)
		x.dir.hush("sam", "zed", "ann")
		if a := x.end("sam", g, grants.HowRevoked); a.Refusal != nil {
			t.Errorf("%v", a.Refusal)
		}
		if a := x.end("zed", g, grants.HowReturned); code(a.Refusal) != workflows.CodeNotActive {
			t.Errorf("twice: %v", a.Refusal)
		}
		x.refused(workflows.GrantStream("p_zed", "bastion", "pair"), "returned", workflows.CodeNotActive)
	})
	t.Run("who asked for an identity returns it", func(t *testing.T) {
		t.Parallel()
		x := open(t)
		s := x.submission("ida", "shell")
		s.Subject = "svc-deploy"
		id := x.submit(s).ID
		x.approve(id, "ann")
		_, g := x.start(id)
		if a := x.end("ida", g, grants.HowReturned); a.Refusal != nil {
			t.Errorf("%v", a.Refusal)
		}
	})
}

// What the target answers is recorded once, however often a job tells it, and a job that is not owed any more does nothing.
func TestGrantLife(t *testing.T) {
	t.Parallel()
	x := open(t)
	ctx := t.Context()
	id := x.ask("zed", "pair")
	x.approve(id, "ann", "bob")
	stream, h := x.hold(id)
	g := h.Approved.Grant
	due := func(kind string) bool {
		t.Helper()
		_, ok, err := x.desk.Due(ctx, stream, kind, g)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	step := func(name string, grows int, fn func() error) {
		t.Helper()
		size := len(x.entries())
		for range 2 { // told twice
			if err := fn(); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			x.check()
		}
		if n := len(x.entries()) - size; n != grows {
			t.Errorf("%s recorded %d entries, want %d", name, n, grows)
		}
	}
	attempt := func(op string) func() error {
		return func() error {
			return x.desk.GrantAttempt(ctx, stream, grants.AttemptFailed{Grant: g, Op: op, Class: "unreachable", Text: "no route"})
		}
	}
	revoked := func() error {
		return x.desk.GrantRevoked(ctx, "", stream, grants.Revoked{Grant: g, Presence: "unconfirmed"})
	}
	verified := func() error { return x.desk.GrantVerified(ctx, "", stream, g) }
	step("revoked before its end", 0, revoked)
	step("verified before its end", 0, verified)
	step("a failed attempt to start", 1, attempt("start"))
	step("started", 1, func() error { return x.desk.GrantStarted(ctx, "", stream, grants.Started{Grant: g, Ref: "1"}) })
	step("failed although it started", 0, func() error { return x.desk.GrantFailed(ctx, "", stream, h, "no") })
	if due(workflows.JobStart) || due(workflows.JobRevoke) {
		t.Error("a job is owed for what is active")
	}
	step("early wake", 0, func() error { return x.desk.Tick(ctx, stream) })
	x.clock.Add(time.Hour)
	step("expired", 1, func() error { return x.desk.Tick(ctx, stream) })
	if !due(workflows.JobRevoke) {
		t.Fatal("no revocation is owed")
	}
	step("a failed attempt to revoke", 1, attempt("revoke"))
	x.clock.Add(time.Minute)
	step("overdue", 1, func() error { return x.desk.Tick(ctx, stream) })
	step("revoked", 1, revoked)
	if due(workflows.JobRevoke) || !due(grants.JobVerify) {
		t.Error("the revocation is not read back")
	}
	step("verified", 1, verified)
	if due(grants.JobVerify) {
		t.Error("still to be read back")
	}
	step("started afterwards", 0, func() error { return x.desk.GrantStarted(ctx, "", stream, grants.Started{Grant: g, Ref: "2"}) })
	step("of an unknown grant", 0, func() error { return x.desk.GrantVerified(ctx, "", stream, "g_none") })
	if _, ok, err := x.desk.Due(ctx, "grant/p_no/one/here", workflows.JobStart, g); ok || err != nil {
		t.Errorf("due on an empty stream: %t %v", ok, err)
	}
	if _, h := x.hold(id); h.Status != grants.StatusEnded || h.How != grants.HowExpired {
		t.Errorf("%s, %s", h.Status, h.How)
	}
	if s := x.state(id); s.Status != workflows.StatusApproved {
		t.Errorf("the request is %s", s.Status)
	}
}

// Access that cannot be made ends the request behind it as failed, in one transaction and once.
func TestGrantFailed(t *testing.T) {
	t.Parallel()
	x := open(t)
	id := x.ask("zed", "pair")
	x.approve(id, "ann", "bob")
	stream, h := x.hold(id)
	size := len(x.entries())
	for range 2 {
		if err := x.desk.GrantFailed(t.Context(), "", stream, h, "the key is not usable"); err != nil {
			t.Fatal(err)
		}
		x.check()
	}
	same(t, "recorded", []string{"grant grant.failed", "request request.failed"}, kinds(x.entries()[size:]))
	if s := x.state(id); s.Status != workflows.StatusFailed || s.Why != "the key is not usable" {
		t.Errorf("%s: %s", s.Status, s.Why)
	}
	// One that was taken back first stays superseded.
	id = x.ask("zed", "shell")
	x.approve(id, "ann")
	stream, h = x.hold(id)
	x.takeBack("ann", id)
	if err := x.desk.GrantFailed(t.Context(), "", stream, h, "no"); err != nil {
		t.Fatal(err)
	}
	x.check()
	if s := x.state(id); s.Status != workflows.StatusSuperseded {
		t.Errorf("%s", s.Status)
	}
}

// R59, (7): just before the target is called it is asked again whether what was approved should still be allowed.
func TestReq_R59_MayStart(t *testing.T) {
	t.Parallel()
	person := func(x *office) workflows.RequestID {
		id := x.ask("zed", "pair")
		x.approve(id, "ann", "bob")
		return id
	}
	service := func(x *office) workflows.RequestID {
		s := x.submission("ida", "shell")
		s.Subject = "svc-deploy"
		id := x.submit(s).ID
		x.approve(id, "ann")
		return id
	}
	const may, not, unclear = "may", "may not", "cannot tell"
	for _, c := range []struct {
		name   string
		ask    func(x *office) workflows.RequestID
		change func(x *office)
		want   string
	}{
		{"nothing changed", person, func(*office) {}, may},
		{"a guest now", person, func(x *office) { x.dir.is("zed", guest) }, not},
		{"deactivated", person, func(x *office) { x.dir.is("zed", inactive) }, not},
		{"unlinked", person, func(x *office) { x.dir.is("zed", unlinked) }, not},
		{"silent", person, func(x *office) { x.dir.hush("zed") }, unclear},
		{"not known", person, func(x *office) { x.dir.is("zed", unknown) }, unclear},
		{"an approver left", person, func(x *office) { x.dir.is("ann", inactive) }, may}, // their votes are asked about before the grant
		{"the chain is gone", person, func(x *office) { x.load(func(d *draft) { delete(d.flows, "pair") }) }, not},
		{"the entitlement is gone", person, func(x *office) { x.load(func(d *draft) { d.flows["pair"].Entitlements[0].ID = "other" }) }, not},
		{"the longest fell", person, func(x *office) { x.load(func(d *draft) { d.flows["pair"].Longest = 60 }) }, not},
		{"identity", service, func(*office) {}, may},
		{"its requester left", service, func(x *office) { x.dir.is("ida", inactive) }, not},
		{"its sponsor left", service, func(x *office) { x.dir.is("ivy", inactive) }, not},
		{"its sponsor is silent", service, func(x *office) { x.dir.hush("ivy") }, unclear},
		{"it left the inventory", service, func(x *office) { x.load(func(d *draft) { delete(d.identities, "svc-deploy") }) }, not},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			x := open(t)
			stream, h := x.hold(c.ask(x))
			size := len(x.entries())
			c.change(x)
			loaded := len(x.entries()) - size
			why, err := x.desk.MayStart(t.Context(), stream, h)
			got := may
			switch {
			case err != nil:
				got = unclear
			case why != "":
				got = not
			}
			if got != c.want {
				t.Errorf("%s: %q %v", got, why, err)
			}
			answers := 0
			for _, r := range x.entries()[size+loaded:] {
				e, ok := r.Event.(grants.Checked)
				if !ok || e.Trigger != grants.CheckStart || len(e.Facts) < 2 {
					t.Errorf("asking recorded %#v", r.Event)
				}
				answers++
			}
			if want := map[string]int{may: 1, not: 1}[c.want]; answers != want { // what nobody can tell is asked again and again
				t.Errorf("asking recorded %d entries, want %d", answers, want)
			}
		})
	}
}

// T18: an approver is demoted and the requester is deactivated, each at any point of vote, vote, start. Access is made only when both of
// them still counted at the moment they were needed.
func TestThreat_T18_EveryOrderOfLeaving(t *testing.T) {
	t.Parallel()
	for demoted := range 4 { // before step 0, 1, 2, or after all
		for left := range 4 {
			t.Run(fmt.Sprintf("demoted before step %d, left before step %d", demoted, left), func(t *testing.T) {
				t.Parallel()
				x := open(t)
				id := x.ask("zed", "pair")
				made := false
				for step := range 3 {
					if step == demoted {
						x.load(func(d *draft) { d.groups["dba"] = persons("bob", "cho") })
					}
					if step == left {
						x.dir.is("zed", inactive)
					}
					if step < 2 {
						x.vote(x.ballot([]string{"ann", "bob"}[step], id, workflows.Approve))
						continue
					}
					if x.state(id).Status != workflows.StatusApproved {
						continue
					}
					stream, h := x.hold(id)
					why, err := x.desk.MayStart(t.Context(), stream, h)
					if err != nil {
						t.Fatal(err)
					}
					made = why == ""
				}
				if want := demoted > 1 && left > 2; made != want {
					t.Errorf("made: %t, want %t; the request is %s", made, want, x.state(id).Status)
				}
			})
		}
	}
}
