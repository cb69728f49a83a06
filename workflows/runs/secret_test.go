package runs_test

import (
	"slices"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/runs"
)

// turn is a run that renews a secret by itself, waits for people, and retires the old one by itself an hour later.
type turn struct {
	t   *testing.T
	h   []workflows.Record
	now workflows.Stamp
}

const (
	turnRun   = workflows.RunID("u_7")
	turnOrder = workflows.GrantID("g_7-s1")
)

func newTurn(t *testing.T) *turn {
	t.Helper()
	does := workflows.Entitlement{Target: "db", ID: "login"}
	x := &turn{t: t, now: workflows.StampOf(time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC))}
	var out workflows.Outcome
	err := runs.Open(x.facts(), turnRun, workflows.System, "", runs.Opened{
		Runbook: "rotate", Mode: runs.KindRoutine, Rotation: "o_1", Subject: "svc", Invoker: "p_own", Executor: "p_own", Alarm: "#security", EndsAt: x.now.Add(72 * time.Hour),
		Readers: []workflows.PersonID{"p_own", "p_reader"},
		Steps: []incidents.Step{
			{Title: "New", Action: incidents.ActRenew, Does: does, Account: "app", Auto: true},
			{Title: "Move"},
			{Title: "Old", Action: incidents.ActRetire, Does: does, Account: "app", Auto: true, Wait: 3600},
		},
	}, &out)
	x.take(out, err)
	return x
}

func (x *turn) facts() workflows.Facts {
	return workflows.Facts{Now: workflows.Instant{UTC: x.now}, Histories: map[workflows.StreamID][]workflows.Record{workflows.RunStream(turnRun): x.h}}
}

func (x *turn) take(out workflows.Outcome, err error) *workflows.Refusal {
	x.t.Helper()
	if err != nil {
		x.t.Fatal(err)
	}
	for _, e := range out.Events {
		if out.Refusal == nil {
			x.h = append(x.h, workflows.Record{Stream: e.Stream, Seq: int64(len(x.h) + 1), At: workflows.Instant{UTC: x.now}, Person: e.Person, Event: e.Event})
		}
	}
	return out.Refusal
}

func (x *turn) state() runs.State {
	x.t.Helper()
	s, err := runs.Fold(x.h)
	if err != nil {
		x.t.Fatal(err)
	}
	return s
}

func (x *turn) tick(later time.Duration) {
	x.now = x.now.Add(later)
	x.take(runs.Tick(x.facts(), workflows.RunStream(turnRun)))
}

func (x *turn) hasTaken(who workflows.PersonID) *workflows.Refusal {
	e := runs.SecretTaken{Step: 1, Order: turnOrder, Authn: "unix-peer", Channel: "cli"}
	return x.take(runs.TakeSecret(x.facts(), turnRun, e, workflows.Acting{Actor: "a", Person: who}))
}

func (x *turn) finish() {
	x.t.Helper()
	d := runs.Doing{Acting: runs.Acting{By: workflows.Acting{Person: "p_own"}, Standing: workflows.Standing{Known: true, Linked: true, Active: true, Human: true, Member: true, Selected: true}}, Step: 2, Note: "moved"}
	if no := x.take(runs.Finish(x.facts(), turnRun, d)); no != nil {
		x.t.Fatal(no)
	}
}

func (x *turn) owes(kind, key string) bool {
	return slices.ContainsFunc(runs.Pending(x.state()), func(j workflows.Job) bool { return j.Kind == kind && (key == "" || j.Key == key) })
}

func (x *turn) made() {
	x.t.Helper()
	e := runs.StepDone{Step: 1, Ref: "role app_2", Facts: map[string]string{workflows.FactSecret: "hmac256:1"}}
	x.take(runs.Succeed(x.facts(), workflows.RunStream(turnRun), e, false))
}

// TestReq_R41_TheOldSecretWaitsForTheReaders: whichever comes last of the three (somebody took the new secret, people said that the readers have moved, the overlap is over), the old
// one is not ended by itself before; and what was kept of the new one is destroyed only when no step needs it any more.
func TestReq_R41_TheOldSecretWaitsForTheReaders(t *testing.T) {
	t.Parallel()
	x := newTurn(t)
	x.made()
	if !x.owes(workflows.JobNotice, "run_take/1/p_own") || !x.owes(workflows.JobNotice, "run_move/1/p_reader") || x.owes(workflows.JobNotice, "run_dead/3/p_reader") {
		t.Errorf("owed: %+v", runs.Pending(x.state()))
	}
	x.finish()
	x.tick(5 * time.Hour)
	if st := x.state().Steps[2]; st.Status != runs.Waiting {
		t.Fatalf("nobody took the new secret, and the old one is %s", st.Status)
	}
	for _, who := range []workflows.PersonID{"", "p_reader"} {
		if no := x.hasTaken(who); no == nil || no.Code != workflows.CodeNotYours {
			t.Errorf("%q is shown the secret: %v", who, no)
		}
	}
	if no := x.hasTaken("p_own"); no != nil {
		t.Fatal(no)
	}
	if no := x.hasTaken("p_own"); no == nil || no.Code != workflows.CodeSecret {
		t.Errorf("shown twice: %v", no)
	}
	if x.owes(runs.JobDestroy, "1") {
		t.Error("it is destroyed while the step that ends the old one needs it")
	}
	if at := runs.NextWake(x.state()); at != x.now.Add(time.Hour) {
		t.Errorf("wakes at %s, want an hour after %s", at, x.now)
	}
	x.tick(59 * time.Minute)
	if st := x.state().Steps[2]; st.Status != runs.Waiting {
		t.Fatalf("the overlap is not over, and the old one is %s", st.Status)
	}
	x.tick(time.Minute)
	if st := x.state().Steps[2]; st.Status != runs.Running {
		t.Fatalf("the overlap is over, and the old one is %s", st.Status)
	}
	x.take(runs.Succeed(x.facts(), workflows.RunStream(turnRun), runs.StepDone{Step: 3, Ref: "role app_2"}, false))
	if !x.owes(runs.JobDestroy, "1") || !x.owes(workflows.JobNotice, "run_dead/3/p_reader") {
		t.Errorf("owed: %+v", runs.Pending(x.state()))
	}
	x.take(runs.DestroySecret(x.facts(), workflows.RunStream(turnRun), 1))
	if x.owes(runs.JobDestroy, "1") || x.state().Steps[0].Destroyed != runs.DestroyedTaken {
		t.Errorf("not destroyed: %+v", x.state().Steps[0])
	}
}

// TestReq_R41_NobodyMoves: a rotation with which nobody goes on ends with the old secret as it was, the channel of alarms hears of it, and the new secret can be taken for a week more.
func TestReq_R41_NobodyMoves(t *testing.T) {
	t.Parallel()
	x := newTurn(t)
	x.made()
	x.tick(72*time.Hour + 25*time.Hour)
	s := x.state()
	if s.Closed == nil || s.Steps[2].Status != runs.Waiting || !x.owes(workflows.JobNotice, runs.NoticeStuck) {
		t.Fatalf("closed %+v, step %s, owed %+v", s.Closed, s.Steps[2].Status, runs.Pending(s))
	}
	x.now = x.now.Add(6 * 24 * time.Hour)
	x.take(runs.DestroySecret(x.facts(), workflows.RunStream(turnRun), 1))
	if no := x.hasTaken("p_own"); no != nil {
		t.Errorf("within the week: %v", no)
	}
}
