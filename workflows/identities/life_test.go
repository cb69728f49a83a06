package identities_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/storytest"
)

const robotID workflows.IdentityID = "svc-robot"

// shop is one identity in a ledger in memory.
type shop struct {
	t *testing.T
	l *storytest.Ledger
}

func newShop(t *testing.T) *shop {
	return &shop{t, storytest.New(workflows.EventKinds(), identities.EventKinds())}
}

func (x *shop) does(out workflows.Outcome, err error) string {
	x.t.Helper()
	if err != nil {
		x.t.Fatal(err)
	}
	x.l.Append(out)
	if out.Refusal != nil {
		return out.Refusal.Code
	}
	return ""
}

func (x *shop) says(source string, e identities.Entry) {
	x.t.Helper()
	out, err := identities.Claims(x.l.Facts(), workflows.System, robotID, identities.Claimed{Source: source, Says: e})
	x.does(out, err)
}

func (x *shop) state() identities.IdentityState {
	x.t.Helper()
	s, err := identities.FoldIdentity(x.l.Histories[workflows.IdentityStream(robotID)])
	if err != nil {
		x.t.Fatal(err)
	}
	return s
}

// tick lets time pass to the next wake, as often as there is one until then.
func (x *shop) pass(d time.Duration) {
	x.t.Helper()
	x.l.Pass(d)
	for range 10 {
		if at := identities.NextWake(x.state()); at == 0 || at > x.l.Now.UTC {
			return
		}
		out, err := identities.Tick(x.l.Facts(), workflows.IdentityStream(robotID), "o_tick")
		x.does(out, err)
	}
	x.t.Fatal("a deadline is due again and again")
}

func as(who string, owns, security bool) identities.Do {
	return identities.Do{
		By: workflows.Acting{Actor: workflows.ActorID("a_" + who), Person: workflows.PersonID("p_" + who)}, Standing: usual, Command: "test", Owns: owns,
		Security: security, Channel: "cli", Authn: "unix-peer",
	}
}

func (x *shop) complete() {
	x.says(identities.SourceDecision, identities.Entry{
		Class: "api_key", Owner: "p_ann", Backup: "p_bob", Purpose: "rolls out releases", Expires: x.l.Now.UTC.Add(200 * 24 * time.Hour),
	})
}

// What sources say is weighed field by field: people's word on what people decide, the target's on what only it knows; the later of two people
// wins, and what they leave open others may say (R67, R69).
func TestReq_R69_EachFieldHasItsBestSource(t *testing.T) {
	t.Parallel()
	x := newShop(t)
	x.says(identities.DiscoverySource("pg"), identities.Entry{Class: "service_account", Owner: "p_guess", LastUsed: 50, Target: "pg"})
	x.says(identities.ImportSource("cmdb"), identities.Entry{Class: "api_key", Owner: "p_old", Purpose: "from the cmdb", LastUsed: 40, Environment: "staging"})
	x.says(identities.SourceDecision, identities.Entry{Owner: "p_new"})
	want := identities.Entry{Class: "api_key", Owner: "p_new", Purpose: "from the cmdb", LastUsed: 50, Target: "pg", Environment: "staging"}
	if d := cmp.Diff(want, x.state().Entry()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	out := workflows.Outcome{}
	out.Add(workflows.IdentityStream(robotID), workflows.System, "", identities.Registered{Class: "api_key", Owner: "p_file", Purpose: "from the file", Expires: "2027-01-31"})
	x.l.Append(out)
	if e := x.state().Entry(); e.Owner != "p_file" || e.Purpose != "from the file" {
		t.Errorf("the file spoke last, and %+v holds", e)
	}
}

// Sources that disagree are a finding that names both, never a guess that nobody sees (R67).
func TestReq_R67_ConflictIsAFinding(t *testing.T) {
	t.Parallel()
	x := newShop(t)
	x.complete()
	if f := x.state().Row().Findings; slices.Contains(f, identities.FindConflict) {
		t.Fatalf("one source disagrees with itself: %v", f)
	}
	x.says(identities.ImportSource("cmdb"), identities.Entry{Owner: "p_eve"})
	want := []identities.Conflict{{Field: "owner", Used: "p_ann", Others: map[string]string{"import/cmdb": "p_eve"}}}
	if d := cmp.Diff(want, x.state().Conflicts()); d != "" || !slices.Contains(x.state().Row().Findings, identities.FindConflict) {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// Who left is followed rung by rung; nobody's answer suspends, and whoever was asked may still take it, which opens a rotation (R17).
func TestReq_R17_HandedOverRungByRung(t *testing.T) {
	t.Parallel()
	x := newShop(t)
	x.complete()
	day := 24 * time.Hour
	now := x.l.Now.UTC
	h := identities.HandoverOpened{Handover: "o_1", Why: identities.WhyLeaver, From: "p_ann", Silence: identities.SilenceSuspends, Rotate: true, Rungs: []identities.Rung{
		{People: []workflows.PersonID{"p_bob"}, Why: "backup owner", Until: now.Add(3 * day)}, {People: []workflows.PersonID{"p_eve"}, Why: "security", Until: now.Add(6 * day)},
	}}
	out, err := identities.OpenHandover(x.l.Facts(), identities.Do{By: workflows.System, System: true}, robotID, h)
	x.does(out, err)
	answer := func(who, verdict string) string {
		a := identities.Answer{Do: as(who, false, false), Verdict: verdict, ID: "o_2"}
		a.Reason = "I do not know it"
		out, err := identities.AnswerHandover(x.l.Facts(), a, robotID)
		return x.does(out, err)
	}
	if code := answer("eve", identities.HandoverKeep); code != workflows.CodeUnknown {
		t.Errorf("who was not asked yet answers: %q", code)
	}
	x.pass(3*day + 1)
	if s := x.state(); s.Life.Handover.Rung != 1 || s.Life.Suspended != nil {
		t.Fatalf("after three days: %+v", s.Life)
	}
	x.pass(3 * day)
	if s := x.state(); s.Life.Suspended == nil || s.Life.Suspended.Why != identities.SuspendedNoOwner {
		t.Fatalf("nobody answered, and it goes on: %+v", s.Life)
	}
	if code := answer("bob", identities.HandoverKeep); code != "" {
		t.Fatalf("taking it over late: %q", code)
	}
	s := x.state()
	if s.Entry().Owner != "p_bob" || s.Life.Suspended != nil || s.Rotating() == nil || s.State(s.Entry()) != workflows.IdentityActive {
		t.Errorf("taken over: %+v", s.Life)
	}
}

// Renewal is asked for before the end; silence suspends at the end; a renewal that others decide brings it back (R11).
func TestReq_R11_SilenceRevokes(t *testing.T) {
	t.Parallel()
	x := newShop(t)
	x.complete()
	day := 24 * time.Hour
	x.pass(171 * day)
	due := x.state()
	if !due.RenewalDue() || len(due.Notices()) > 0 || !slices.ContainsFunc(identities.Pending(due), func(j workflows.Job) bool { return j.Kind == identities.JobRenew }) {
		t.Fatalf("29 days before the end its renewal is not due: %+v", due.Life)
	}
	for range 2 { // the second time there is nothing to record
		opened, err := identities.OpenRenewal(x.l.Facts(), workflows.IdentityStream(robotID), identities.RenewalOpened{Expires: due.Life.AskedFor, Request: "r_9", For: "p_ann"})
		x.does(opened, err)
	}
	if o := x.state().Opened(); o == nil || o.Request != "r_9" || x.state().RenewalDue() {
		t.Fatalf("asked for: %+v", o)
	}
	if n := x.state().Notices(); len(n) != 1 || n[0].What != identities.NoticeRenew || n[0].To != "p_ann" {
		t.Fatalf("29 days before the end: %+v", n)
	}
	x.pass(29*day + 1)
	s := x.state()
	if s.Life.Suspended == nil || s.Life.Suspended.Why != identities.SuspendedExpired || !slices.ContainsFunc(identities.Pending(s), func(j workflows.Job) bool { return j.Kind == identities.JobEmpty }) {
		t.Fatalf("at the end: %+v", s.Life)
	}
	renew := func(d identities.Do) string {
		out, err := identities.Renew(x.l.Facts(), d, robotID, identities.Renewed{Expires: x.l.Now.UTC.Add(90 * day)})
		return x.does(out, err)
	}
	if code := renew(as("ann", true, false)); code != workflows.CodeUnknown {
		t.Errorf("the owner renews alone: %q", code)
	}
	if code := renew(as("eve", false, true)); code != "" || x.state().Life.Suspended != nil {
		t.Errorf("renewed: %q %+v", code, x.state().Life)
	}
}

// An owner does not attest what they own; the next review is counted from the verdict (R24, R40).
func TestReq_R40_ReviewDateIsComputed(t *testing.T) {
	t.Parallel()
	x := newShop(t)
	x.complete()
	attest := func(d identities.Do, verdict string) string {
		out, err := identities.Attest(x.l.Facts(), d, robotID, verdict)
		return x.does(out, err)
	}
	due := x.state().Row().ReviewBy
	x.l.Pass(190 * 24 * time.Hour)
	if f := identities.Findings(*x.state().Row(), x.l.Now.UTC, nil); !slices.Contains(f, identities.FindReview) {
		t.Errorf("half a year without a look is no finding: %v", f)
	}
	if code := attest(as("ann", true, false), identities.AttestKeep); code != workflows.CodeReviewer {
		t.Errorf("the owner attests: %q", code)
	}
	if code := attest(as("bob", true, false), identities.AttestKeep); code != "" || x.state().Row().ReviewBy <= due {
		t.Errorf("attested: %q, next by %s", code, x.state().Row().ReviewBy)
	}

	// Who sets a cadence may ask for more reviews than the risk demands, never for fewer.
	for _, c := range []struct{ risk, set, want int }{{0, 0, 182}, {0, 30, 30}, {0, 365, 182}, {1, 0, 90}, {1, 30, 30}, {1, 120, 90}} {
		y := newShop(t)
		y.says(identities.ImportSource("cmdb"), identities.Entry{
			Class: "api_key", Owner: "p_ann", Risk: []string{"low", "high"}[c.risk], ReviewEvery: workflows.Span(c.set * 24 * 3600),
		})
		if got := y.state().Row().ReviewBy; got != y.state().First.UTC.Add(time.Duration(c.want)*24*time.Hour) {
			t.Errorf("risk %d, every %d days: the first review is due by %s, want after %d days", c.risk, c.set, got, c.want)
		}
	}
}
