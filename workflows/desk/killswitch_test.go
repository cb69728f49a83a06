package desk_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
)

func (x *office) kill(who string, id workflows.IdentityID, lock bool) desk.RevokedAll {
	x.t.Helper()
	by := acting(who)
	if who == "" {
		by = workflows.System
	}
	r, err := x.desk.RevokeAll(x.t.Context(), desk.RevokeAll{Cause: x.cause(), By: by, Identity: id, Why: "a stolen laptop, " + secret, Authn: "unix-peer", Channel: "cli", Quarantine: lock})
	if err != nil {
		x.t.Fatal(err)
	}
	x.check()
	return r
}

func (x *office) release(who string, id workflows.IdentityID) (string, bool) {
	x.t.Helper()
	a, freed, err := x.desk.Release(x.t.Context(), desk.Release{Cause: x.cause(), By: acting(who), Identity: id, Why: "wiped, " + secret, Authn: "unix-peer", Channel: "cli"})
	if err != nil {
		x.t.Fatal(err)
	}
	x.check()
	return code(a.Refusal), freed
}

// R84, R100: one action ends all grants of an identity on all targets, also those that have not begun, blocks what it asks, decides and was
// granted meanwhile, and lists what it can reach; it stays so until two people lift it.
func TestReq_R84_R100_QuarantineIsOneAction(t *testing.T) {
	t.Parallel()
	x, _ := equipped(t, func(d *draft) { d.flows["pair"].Later = 24 * 3600 })
	s1, g1 := x.active("zed", "shell", "ann")
	s2, g2 := x.active("zed", "prod-db", "ann", "bob", "olga")
	later := x.submission("zed", "pair")
	later.NotBefore = x.now().Add(2 * time.Hour)
	lid := x.submit(later).ID
	x.approve(lid, "ann", "bob")
	s3, h3 := x.hold(lid)
	pending := x.ask("zed", "names")
	svc := x.submission("ivy", "shell")
	svc.Subject = "svc-deploy"
	s4, g4 := x.makes(svc, "ann")

	r := x.kill("sam", "p_zed", true)
	if r.Refusal != nil || len(r.Ended) != 3 || !r.Quarantined || len(r.Reach.Held) != 3 || r.Reach.Open != 1 {
		t.Fatalf("%+v", r)
	}
	for stream, g := range map[workflows.StreamID]workflows.GrantID{s1: g1, s2: g2, s3: h3.Approved.Grant} {
		if got := x.status(stream, g); got != grants.StatusEnding {
			t.Errorf("%s is %s", stream, got)
		}
		if h, due, err := x.desk.Due(t.Context(), stream, workflows.JobRevoke, g); err != nil || !due || h.EndedBy != "p_sam" {
			t.Errorf("%s: its revocation is not due, or nobody answers for it: %v %v", stream, due, err)
		}
	}
	if x.status(s4, g4) != grants.StatusActive {
		t.Error("somebody else's access went too")
	}
	// Again: nothing more happens.
	if again := x.kill("sam", "p_zed", true); again.Refusal != nil || len(again.Ended) != 0 || again.Elsewhere != 3 {
		t.Errorf("again: %+v", again)
	}
	// It may neither ask, nor break the glass, nor decide, nor get what was asked before.
	if out := x.submit(x.submission("zed", "shell")); code(out.Refusal) != workflows.CodeQuarantined {
		t.Errorf("asks: %v", out.Refusal)
	}
	inv, err := x.desk.Invoke(t.Context(), x.invocation("zed"))
	if err != nil || code(inv.Refusal) != workflows.CodeQuarantined {
		t.Errorf("breaks the glass: %v %v", inv.Refusal, err)
	}
	x.kill("sam", "p_ann", true)
	if a := x.vote(x.ballot("ann", pending, workflows.Approve)); code(a.Refusal) != workflows.CodeQuarantined {
		t.Errorf("decides: %v", a.Refusal)
	}
	if code, freed := x.release("max", "p_ann"); code != "" || freed {
		t.Fatal(code, freed)
	}
	if code, freed := x.release("sam", "p_ann"); code != "" || !freed {
		t.Fatal(code, freed)
	}
	x.approve(pending, "ann", "bob") // the chain decides; the connector call asks again
	stream, h := x.hold(pending)
	if why, err := x.desk.MayStart(t.Context(), stream, h); err != nil || why == "" {
		t.Errorf("is granted: %q %v", why, err)
	}
	list, err := x.desk.Quarantined(t.Context())
	if err != nil || len(list) != 1 || list[0].Identity != "p_zed" || list[0].Quarantine.By != "p_sam" {
		t.Errorf("%+v %v", list, err)
	}
	// Two people, neither of them the one: who asked cannot confirm, who has no role can do neither.
	for _, c := range []struct {
		who, code string
		freed     bool
	}{
		{"zed", workflows.CodeNotEligible, false},
		{"ann", workflows.CodeNotEligible, false},
		{"olga", workflows.CodeNotEligible, false},
		{"sam", "", false},
		{"sam", workflows.CodeDecided, false},
		{"max", "", true},
		{"max", workflows.CodeNotActive, false},
	} {
		if code, freed := x.release(c.who, "p_zed"); code != c.code || freed != c.freed {
			t.Errorf("%s releases: %q %v, want %q %v", c.who, code, freed, c.code, c.freed)
		}
	}
	if out := x.submit(x.submission("zed", "shell")); out.Refusal != nil {
		t.Errorf("free again, and refused: %v", out.Refusal)
	}
	if got := x.status(s1, g1); got != grants.StatusEnding {
		t.Errorf("what was taken away came back: %s", got)
	}
}

// R84 for a non-human identity: its owner may pull the switch, its next ask is refused, and the windows that it has are listed.
func TestReq_R84_AnIdentityIsQuarantined(t *testing.T) {
	t.Parallel()
	x, _ := equipped(t, func(*draft) {})
	ask := func() desk.Submission {
		s := x.submission("ivy", "shell")
		s.Subject = "svc-deploy"
		return s
	}
	stream, g := x.makes(ask(), "ann")
	waiting := x.submit(ask()).ID
	if r := x.kill("zed", "svc-deploy", true); code(r.Refusal) != workflows.CodeNotYours {
		t.Errorf("a stranger: %v", r.Refusal)
	}
	if r := x.kill("sam", "svc-unheard-of", false); code(r.Refusal) != workflows.CodeNotYours {
		t.Errorf("nobody: %v", r.Refusal)
	}
	if r := x.kill("ida", "svc-deploy", true); r.Refusal != nil || len(r.Ended) != 1 || !r.Quarantined {
		t.Fatalf("its backup: %+v", r)
	}
	if x.status(stream, g) != grants.StatusEnding {
		t.Error("its access goes on")
	}
	if out := x.submit(ask()); code(out.Refusal) != workflows.CodeQuarantined {
		t.Errorf("is asked for: %v", out.Refusal)
	}
	x.approve(waiting, "ann")
	s, h := x.hold(waiting)
	if why, err := x.desk.MayStart(t.Context(), s, h); why == "" || err != nil {
		t.Errorf("is granted: %q %v", why, err)
	}
	if code, _ := x.release("ivy", "svc-deploy"); code != workflows.CodeNotEligible {
		t.Errorf("its owner lifts it: %q", code)
	}
}

// T55 for the kill switch: everybody for themselves, the bot for everybody; a reason is needed; the ledger says who, why and what.
func TestRevokeAllMatrix(t *testing.T) {
	t.Parallel()
	x, _ := equipped(t, func(*draft) {})
	for _, c := range []struct {
		who, code string
	}{{"zed", ""}, {"sam", ""}, {"max", ""}, {"", ""}, {"ann", workflows.CodeNotYours}, {"olga", workflows.CodeNotYours}, {"mia", workflows.CodeNotYours}, {"aud", workflows.CodeNotYours}} {
		stream, g := x.active("zed", "shell", "ann")
		r := x.kill(c.who, "p_zed", false)
		if code(r.Refusal) != c.code {
			t.Errorf("%q: %v", c.who, r.Refusal)
		}
		if want := map[bool]grants.Status{true: grants.StatusEnding, false: grants.StatusActive}[c.code == ""]; x.status(stream, g) != want {
			t.Errorf("%q: %s", c.who, x.status(stream, g))
		}
		if c.code != "" {
			x.end("zed", g, grants.HowReturned)
			continue
		}
		h := x.history(workflows.PersonStream("p_zed"))
		e, ok := h[len(h)-1].Event.(identities.AccessRevoked)
		if !ok || !slices.Equal(e.Grants, []workflows.GrantID{g}) || h[len(h)-1].Person != person(c.who) {
			t.Errorf("%q: the ledger says %+v", c.who, h[len(h)-1])
		}
	}
	r, err := x.desk.RevokeAll(t.Context(), desk.RevokeAll{By: acting("sam"), Identity: "p_zed"})
	if err != nil || code(r.Refusal) != workflows.CodeReasonNeeded {
		t.Errorf("without a reason: %v %v", r.Refusal, err)
	}
}

// More grants than one transaction may name, and the same command twice: all end, each once.
func TestRevokeAllOfManyStreams(t *testing.T) {
	t.Parallel()
	x, _ := equipped(t, func(d *draft) {
		for i := range 70 {
			flow(d, workflows.WorkflowID(fmt.Sprintf("f%02d", i)), nil, stage("peers", 1, named("ann")))
		}
	})
	for i := range 70 {
		x.active("zed", workflows.WorkflowID(fmt.Sprintf("f%02d", i)), "ann")
	}
	order := desk.RevokeAll{Cause: "cli/a_sam/00112233", By: acting("sam"), Identity: "p_zed", Why: "all of it", Authn: "unix-peer", Channel: "cli"}
	for range 2 {
		r, err := x.desk.RevokeAll(t.Context(), order)
		if err != nil || r.Refusal != nil || len(r.Reach.Held) != 70 {
			t.Fatalf("%d held, %v %v", len(r.Reach.Held), r.Refusal, err)
		}
	}
	ended := 0
	for _, r := range x.entries() {
		if _, ok := r.Event.(grants.Ending); ok {
			ended++
		}
	}
	if ended != 70 {
		t.Errorf("%d endings", ended)
	}
}

// R84: a workload may take everything from itself, and from others only where the documents in force say so of the very entry that it came by;
// what its owner may do is not its own.
func TestReq_R84_AWorkloadsKillSwitch(t *testing.T) {
	t.Parallel()
	plain := desk.Workload{Issuer: "https://ci.example.com", Audience: "bot", Subject: "repo:x"}
	soar := plain
	soar.Subject, soar.KillSwitch = "repo:soar", true
	x, _ := equipped(t, func(d *draft) {
		id := d.identities["svc-deploy"]
		id.Workloads = []desk.Workload{plain, soar}
		d.identities["svc-deploy"] = id
	})
	x.active("zed", "shell", "ann")
	svc := x.submission("ivy", "shell")
	svc.Subject = "svc-deploy"
	x.makes(svc, "ann")
	forged := plain
	forged.KillSwitch = true
	for _, c := range []struct {
		name     string
		who      string
		workload desk.Workload
		id       workflows.IdentityID
		code     string
		ended    int
	}{
		{"another, by an entry that may not", "sam", plain, "p_zed", workflows.CodeNotYours, 0},
		{"another, by an entry that is not in force", "sam", forged, "p_zed", workflows.CodeNotYours, 0},
		{"nobody there is", "ivy", soar, "svc-nobody", workflows.CodeNotYours, 0},
		{"itself", "ivy", plain, "svc-deploy", "", 1},
		{"another, by the entry that may", "ivy", soar, "p_zed", "", 1},
	} {
		r, err := x.desk.RevokeAll(t.Context(), desk.RevokeAll{
			Cause: x.cause(), By: acting(c.who), Identity: c.id, Why: "the runner is compromised", Authn: "oidc", Channel: "api",
			Robot: &desk.Robot{Identity: "svc-deploy", Workload: c.workload},
		})
		if err != nil || code(r.Refusal) != c.code || len(r.Ended) != c.ended {
			t.Errorf("%s: %v, %d ended, %v", c.name, r.Refusal, len(r.Ended), err)
		}
		x.check()
	}
}
