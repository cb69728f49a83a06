package desk_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// departs has somebody leave or move, and what follows carried out as the job does.
func (x *office) departs(who, why string) {
	x.t.Helper()
	c := desk.Departure{Cause: x.cause(), By: workflows.System, Person: person(who), Why: why, Source: "csv"}
	if err := x.desk.Depart(x.t.Context(), c); err != nil {
		x.t.Fatal(err)
	}
	stream := workflows.PersonStream(person(who))
	h := x.history(stream)
	if err := x.desk.HandOver(x.t.Context(), x.cause(), stream, h[len(h)-1].Seq); err != nil {
		x.t.Fatal(err)
	}
}

// R17, R18, R37: who moves to another role loses what they hold as who leaves does, and the identities that they own are handed over: the backup owner is
// asked, then the owner of its target, then security, three days each. Until somebody has taken it over nothing of it is widened or prolonged, and it gets
// nothing; nobody answering suspends it, and whoever takes it over gets a new secret for it.
func TestReq_R37_AMoversIdentitiesAreHandedOverAndFrozen(t *testing.T) {
	t.Parallel()
	for _, why := range []string{identities.LeftRole, identities.LeftCompany} {
		x := open(t)
		x.load(func(d *draft) {
			lives(d)
			d.targets["pg-main"] = desk.Target{ID: "pg-main", Title: "Main", Connector: "postgres", Owner: "p_olga", Environment: "production"}
		})
		x.born()
		stream, g := x.active("ivy", "shell", "ann")
		x.departs("ivy", why)
		if got := x.status(stream, g); got != grants.StatusEnding {
			t.Errorf("%s: what they hold: %s", why, got)
		}
		s, _ := x.identity("svc-new")
		if s.Life.Handover == nil {
			t.Fatalf("%s: nobody is asked to take it over", why)
		}
		var rungs [][]workflows.PersonID
		for _, r := range s.Life.Handover.Rungs {
			rungs = append(rungs, r.People)
		}
		if d := cmp.Diff([][]workflows.PersonID{{"p_ida"}, {"p_olga"}, {"p_sam"}}, rungs); d != "" {
			t.Errorf("%s: who is asked (-want +got):\n%s", why, d)
		}
		x.frozen("svc-new", "ida", why)

		for i := range 3 {
			if asked := x.asked("svc-new"); !slices.Equal(asked, []workflows.PersonID{"p_ida", "p_olga", "p_sam"}[:i+1]) {
				t.Errorf("%s, after %d days: %q are asked", why, 3*i, asked)
			}
			x.clock.Add(3*24*time.Hour + time.Minute)
			x.tick(workflows.IdentityStream("svc-new"))
		}
		if s, _ = x.identity("svc-new"); s.Life.Suspended == nil || s.Life.Suspended.Why != identities.SuspendedNoOwner {
			t.Fatalf("%s: nobody answered: %+v", why, s.Life.Suspended)
		}
		x.identityDo("ida", desk.IdentityCommand{Identity: "svc-new", Do: desk.DoAnswer, Verdict: identities.HandoverKeep}, "")
		if s, e := x.identity("svc-new"); e.Owner != "p_ida" || s.Rotating() == nil || s.State(e) != workflows.IdentityActive {
			t.Errorf("%s: taken over: owner %s, %s, rotation %+v", why, e.Owner, s.State(e), s.Rotating())
		}
		x.check()
	}
}

// R86: for each identity of somebody who left, people decide to keep it, which hands it over and replaces its secret, or to take it off; declining decides
// nothing, and taking it off is over only when each thing on its list is done. Undecided, it stays open.
func TestReq_R86_EachIdentityOfALeaverIsDecided(t *testing.T) {
	t.Parallel()
	x := open(t)
	x.load(lives)
	x.born()
	x.departs("ivy", identities.LeftCompany)
	x.identityDo("ida", desk.IdentityCommand{Identity: "svc-new", Do: desk.DoAnswer, Verdict: identities.HandoverDecline, Reason: "I have never seen it"}, "")
	s, e := x.identity("svc-new")
	if s.Life.Handover == nil || s.Life.Retirement != nil || e.Owner != "p_ivy" {
		t.Fatalf("nobody decided, and the question is over: %+v", s.Life)
	}
	x.clock.Add(3*24*time.Hour + time.Minute)
	x.tick(workflows.IdentityStream("svc-new"))
	x.identityDo("sam", desk.IdentityCommand{Identity: "svc-new", Do: desk.DoAnswer, Verdict: identities.HandoverRetire, Reason: "nobody needs it"}, "")
	s, _ = x.identity("svc-new")
	if s.Life.Handover != nil || s.Life.Retirement == nil || s.Life.Retired {
		t.Fatalf("it is to be taken off: %+v", s.Life)
	}
	left := s.Life.Retirement.Left()
	if !slices.ContainsFunc(left, func(i identities.RetireItem) bool { return i.ID == "secret" }) {
		t.Errorf("nobody destroys its secret: %+v", left)
	}
	x.check()
}

// asked are the people who are asked to take an identity over.
func (x *office) asked(id workflows.IdentityID) []workflows.PersonID {
	x.t.Helper()
	s, _ := x.identity(id)
	return s.Life.Handover.Asked()
}

// frozen holds that nobody widens or prolongs an identity, nor gets anything for it.
func (x *office) frozen(id workflows.IdentityID, who, when string) {
	x.t.Helper()
	for flow, values := range map[workflows.WorkflowID]map[string]string{
		workflows.LifeScope: {"scope": "role:readers"}, workflows.LifeRenew: nil, "shell": {"ticket": "OPS-1"},
	} {
		q := x.submission(who, flow)
		q.Subject, q.Form.Values = id, values
		if out := x.submit(q); code(out.Refusal) != workflows.CodeNotInInventory {
			x.t.Errorf("%s: %s is asked for it while it is handed over: %v", when, flow, out.Refusal)
		}
	}
}
