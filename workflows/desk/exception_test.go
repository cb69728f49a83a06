package desk_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// users answers who uses an account.
type users struct {
	from   []string
	silent bool
}

func (u *users) Use(context.Context, workflows.TargetID, string) ([]desk.AccountSession, error) {
	if u.silent {
		return nil, errSilent
	}
	var out []desk.AccountSession
	for _, f := range u.from {
		out = append(out, desk.AccountSession{Ref: "pid " + f, From: f, Since: 1})
	}
	return out, nil
}

// excepting is an office with a chain for exceptions: ann decides, and from the fourth renewal on bob, too.
func excepting(t *testing.T, failed string) *office {
	x := open(t)
	x.load(func(d *draft) {
		w := *d.flows["shell"]
		w.ID, w.Kind, w.For, w.Longest, w.Usual, w.Rules, w.Extend, w.Later, w.Risk = "waive", workflows.KindException, []string{workflows.ForOwned}, 90*24*3600, 3600, nil, nil, 0, nil
		w.Fields = nil
		w.Exception = &workflows.ExceptionTerms{
			Control: workflows.ControlRotation, Failed: failed, Higher: "higher",
			Checks: []workflows.CheckTerms{{Kind: workflows.CheckFrom, From: []string{"10.0.0.0/8"}}},
		}
		w.Stages = []workflows.Stage{
			{Name: "owner", Approvers: workflows.Selector{People: persons("ann")}, Quorum: 1, Timeout: 24 * 3600},
			{Name: "higher", Approvers: workflows.Selector{People: persons("bob")}, Quorum: 1, Timeout: 24 * 3600},
		}
		d.flows["waive"] = &w
		i := d.identities["svc-deploy"]
		i.Purpose, i.Expires, i.ExpiresOn = "Deploys the shop every night.", x.now().Add(300*24*time.Hour), x.now().Add(300*24*time.Hour).Time().Format(time.DateOnly)
		i.Accounts = map[workflows.TargetID]string{w.Entitlements[0].Target: "deploy"}
		d.identities["svc-deploy"] = i
	})
	return x
}

func (x *office) waive() workflows.RequestID {
	x.t.Helper()
	s := x.submission("ivy", "waive")
	s.Subject, s.Form = "svc-deploy", workflows.Form{
		Target: x.draft.flows["waive"].Entitlements[0].Target, Entitlement: x.draft.flows["waive"].Entitlements[0].ID, Seconds: 30 * 24 * 3600, Reason: "it cannot take another password",
	}
	out := x.submit(s)
	if out.Refusal != nil {
		x.t.Fatal(out.Refusal)
	}
	return out.ID
}

func (x *office) robot() identities.IdentityState {
	x.t.Helper()
	h, err := x.store.History(x.t.Context(), workflows.IdentityStream("svc-deploy"))
	if err != nil {
		x.t.Fatal(err)
	}
	s, err := identities.FoldIdentity(h)
	if err != nil {
		x.t.Fatal(err)
	}
	return s
}

// R98: an exception is asked for, approved, renewed; approvers are told which renewal it is and since when it stands, and the fourth renewal needs a higher
// stage.
func TestReq_R98_TheFourthRenewalNeedsAHigherStage(t *testing.T) {
	t.Parallel()
	x := excepting(t, workflows.FailedSuspends)
	first := x.now()
	for n := range 5 {
		id := x.waive()
		s := x.state(id)
		if s.Asked.Renewal != n || n > 0 && s.Asked.Since != first {
			t.Errorf("ask %d: renewal %d since %s", n, s.Asked.Renewal, s.Asked.Since)
		}
		want := 1
		if n >= workflows.HigherFrom {
			want = 2
		}
		if len(s.Asked.Plan) != want {
			t.Fatalf("renewal %d goes through %d stages", n, len(s.Asked.Plan))
		}
		x.approve(id, []string{"ann", "bob"}[:want]...)
		open := x.robot().OpenExceptions()
		if len(open) != 1 || open[0].Exception != string(id) || open[0].EndsAt == 0 || !slices.Equal(open[0].Approvers, persons([]string{"ann", "bob"}[:want]...)) {
			t.Fatalf("renewal %d: %+v", n, open)
		}
		x.clock.Add(24 * time.Hour)
	}
	list, err := x.desk.Exceptions(t.Context(), person("sam"), true)
	if err != nil || len(list) != 5 || !list[0].Open() || list[0].Renewal != 4 {
		t.Errorf("the register: %d %v", len(list), err)
	}
	if got, err := x.desk.Exceptions(t.Context(), person("zed"), true); err != nil || len(got) != 0 {
		t.Errorf("somebody else sees %d exceptions: %v", len(got), err)
	}
}

// R33: a check that fails ends the exception at once and suspends; one that nobody can tell does so after a day; the end of the exception does so, too.
func TestReq_R33_AFailingCheckOrTheEndSuspends(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		users   users
		advance []time.Duration // a look after each
		find    string
		why     string
	}{
		"from elsewhere": {users{from: []string{"10.1.1.1", "192.0.2.7"}}, []time.Duration{0}, identities.FindExceptionFailed, "it is used from elsewhere"},
		"nobody can tell": {
			users{silent: true}, []time.Duration{0, 23 * time.Hour, 2 * time.Hour}, identities.FindExceptionFailed, "bastion could not tell who uses it",
		},
		"its end": {users{from: []string{"10.1.1.1"}}, []time.Duration{0, 31 * 24 * time.Hour}, identities.FindExceptionOver, identities.ExceptionOver},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := excepting(t, workflows.FailedSuspends)
			x.approve(x.waive(), "ann")
			if got := x.robot().Row().Waived; !slices.Equal(got, []string{workflows.ControlRotation}) {
				t.Errorf("waived: %v", got)
			}
			for i, by := range c.advance {
				if x.robot().Life.Suspended != nil {
					t.Fatalf("suspended before look %d", i)
				}
				x.clock.Add(by)
				if err := x.desk.Tick(t.Context(), workflows.IdentityStream("svc-deploy")); err != nil {
					t.Fatal(err)
				}
				if err := x.desk.CheckExceptions(t.Context(), &c.users); err != nil {
					t.Fatal(err)
				}
				x.check()
			}
			s := x.robot()
			if s.Life.Suspended == nil || s.Life.Suspended.Why != identities.SuspendedWaiver || len(s.OpenExceptions()) != 0 {
				t.Fatalf("after it: %+v", s.Life)
			}
			over := s.Life.Exceptions[0]
			if over.Failed != nil && over.Failed.Why != c.why || over.Ended != nil && over.Ended.Why != c.why || over.Open() {
				t.Errorf("why: %+v %+v", over.Failed, over.Ended)
			}
			if f := s.Row().Findings; !slices.Contains(f, c.find) || len(s.Row().Waived) != 0 {
				t.Errorf("findings: %v, waived %v", f, s.Row().Waived)
			}
			if out := x.submit(x.forRobot("shell")); out.Refusal == nil {
				t.Error("it asks for access while its exception is over")
			}
			x.approve(x.waive(), "ann") // renewed: it is free again
			if x.robot().Life.Suspended != nil || len(x.robot().Row().Waived) != 1 {
				t.Errorf("renewed: %+v", x.robot().Life)
			}
		})
	}
}

// R33: an exception that counts on a secret store holds while the inventory says that the secret lies there, at the place that was approved. Where it is
// not in a store, or elsewhere in it, the exception is over at the next look, and what the chain says follows.
func TestReq_R33_ASecretOutsideItsStoreFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, stored, place, asks, why string
	}{
		{"in its place", identities.StoredVault, "vault:kv/legacy/stock", "vault:kv/legacy", ""},
		{"anywhere in a store", identities.StoredVault, "", "", ""},
		{"nowhere safe", identities.StoredUnmanaged, "vault:kv/legacy/stock", "vault:kv/legacy", "its secret is not in a secret store"},
		{"elsewhere in the store", identities.StoredVault, "vault:kv/shared", "vault:kv/legacy", "its secret is not in the place that was approved"},
		{"nobody says where in the store", identities.StoredVault, "", "vault:kv/legacy", "its secret is not in the place that was approved"},
	} {
		for _, failed := range []string{workflows.FailedSuspends, workflows.FailedRetires} {
			x := excepting(t, failed)
			x.load(func(d *draft) {
				d.flows["waive"].Exception.Checks = []workflows.CheckTerms{{Kind: workflows.CheckVault, Place: c.asks}}
			})
			x.tells("svc-deploy", identities.Claimed{
				Source: identities.ImportSource("cmdb"), Says: identities.Entry{Class: "service_account", Stored: c.stored}, Place: c.place, HasPlace: c.place != "",
			})
			x.approve(x.waive(), "ann")
			if err := x.desk.CheckExceptions(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			x.check()
			s := x.robot()
			over := s.Life.Exceptions[0]
			if got := over.Failed != nil; got != (c.why != "") || got && over.Failed.Why != c.why || over.Open() == got {
				t.Errorf("%s: %+v, want %q", c.name, over.Failed, c.why)
			}
			if suspended, retired := s.Life.Suspended != nil, s.Life.Retirement != nil; suspended != (c.why != "" && failed == workflows.FailedSuspends) || retired != (c.why != "" && failed == workflows.FailedRetires) {
				t.Errorf("%s, %s: suspended %t, being taken off %t", c.name, failed, suspended, retired)
			}
			if slices.Contains(s.Row().Findings, identities.FindExceptionFailed) != (c.why != "") {
				t.Errorf("%s: findings %v", c.name, s.Row().Findings)
			}
		}
	}
}

func (x *office) forRobot(flow workflows.WorkflowID) desk.Submission {
	s := x.submission("ivy", flow)
	s.Subject = "svc-deploy"
	return s
}

// R33: where the chain says so, a failing check takes everything back for good.
func TestReq_R33_AFailingCheckRevokes(t *testing.T) {
	t.Parallel()
	x := excepting(t, workflows.FailedRetires)
	x.approve(x.waive(), "ann")
	if err := x.desk.CheckExceptions(t.Context(), &users{from: []string{"192.0.2.7"}}); err != nil {
		t.Fatal(err)
	}
	x.check()
	if s := x.robot(); s.Life.Retirement == nil || s.Life.Suspended != nil {
		t.Errorf("%+v", s.Life)
	}
}
