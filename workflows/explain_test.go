package workflows_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/workflows"
)

// lines draws an explanation as text, a line each.
func lines(e workflows.Explanation, indent string) string {
	var b strings.Builder
	b.WriteString(indent + e.Status + ": " + e.Name + ": " + e.Sentence + "\n")
	for _, c := range e.Children {
		b.WriteString(lines(c, indent+"  "))
	}
	return b.String()
}

func TestExplain(t *testing.T) {
	t.Parallel()
	o := workflows.Outlook{
		Name: func(p workflows.PersonID) string { return strings.ToUpper(strings.TrimPrefix(string(p), "p_")) },
		When: func(s workflows.Stamp) string { return s.Time().Format("15:04") },
	}
	const chain = "peers(ann bob)x1 escalate 1h(dave) timeout 4h > owner(olga)x1 timeout 2h"
	for _, c := range []struct{ steps, want string }{
		{"zed submits; told ann; untold bob; 1h", `
pending: r_1: Waiting for 1 more in stage 1 of 2 (peers), until 13:00.
  pending: peers: 0 of 1 approvals.
    pending: ANN: Asked: named in the chain.
    error: BOB: Could not be told: account_inactive.
    pending: DAVE: Asked by escalation: named in the chain.
  pending: owner: Opens when stage 1 is satisfied; needs 1.
`},
		{"zed submits; ann approves; 30m; olga approves", `
approved: r_1: Approved by ANN, OLGA.
  approved: peers: 1 of 1 approvals.
    approved: ANN: Approved at 09:00.
    pending: BOB: Asked: named in the chain.
  approved: owner: 1 of 1 approvals.
    approved: OLGA: Approved at 09:30.
`},
		{"zed submits; stage 2 asks olga carol; ann approves; stage 2 loses olga; carol approves", `
approved: r_1: Approved by ANN, CAROL.
  approved: peers: 1 of 1 approvals.
    approved: ANN: Approved at 09:00.
    pending: BOB: Asked: named in the chain.
  approved: owner: 1 of 1 approvals.
    approved: CAROL: Approved at 09:00.
`},
		{"zed submits; bob denies", `
denied: r_1: Denied by BOB.
  denied: peers: 0 of 1 approvals.
    pending: ANN: Asked: named in the chain.
    denied: BOB: Denied at 09:00.
  skipped: owner: Closed: the request ended otherwise.
`},
		{"zed submits; zed withdraws", `
skipped: r_1: Withdrawn by ZED.
  skipped: peers: Closed: the request ended otherwise.
    pending: ANN: Asked: named in the chain.
    pending: BOB: Asked: named in the chain.
  skipped: owner: Closed: the request ended otherwise.
`},
		{"zed submits; ann approves; ann takes back", `
error: r_1: Superseded: An approval was taken back before the access started.
  approved: peers: 0 of 1 approvals.
    pending: ANN: Approved, and took it back.
    pending: BOB: Asked: named in the chain.
  skipped: owner: Closed: the request ended otherwise.
    pending: OLGA: Asked: named in the chain.
`},
		{"zed submits; ann approves; 2h", `
skipped: r_1: Timed out: not decided in time. This is not a denial.
  approved: peers: 1 of 1 approvals.
    approved: ANN: Approved at 09:00.
    pending: BOB: Asked: named in the chain.
  skipped: owner: 0 of 1 approvals. Nobody else decided by 11:00.
    pending: OLGA: Asked: named in the chain.
`},
		{"zed submits; ann approves; olga approves; access fails", `
error: r_1: Failed: the target said no
  approved: peers: 1 of 1 approvals.
    approved: ANN: Approved at 09:00.
    pending: BOB: Asked: named in the chain.
  approved: owner: 1 of 1 approvals.
    approved: OLGA: Approved at 09:00.
`},
	} {
		x := told(t, chain, c.steps)
		if d := cmp.Diff(strings.TrimPrefix(c.want, "\n"), lines(workflows.Explain(x.mustState(t), o), "")); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.steps, d)
		}
	}
	// Who decided on shift and left is still named.
	left := told(t, "peers(ann bob carol)x2 timeout 4h", "zed submits; ann approves; stage 1 roster bob carol; carol approves")
	if got := lines(workflows.Explain(left.mustState(t), o), ""); !strings.Contains(got, "approved: ANN: Approved at 09:00.") || !strings.Contains(got, "pending: BOB") {
		t.Error(got)
	}
	// Without an outlook ids and UTC stand in for names and local times.
	s := told(t, chain, "zed submits").mustState(t)
	if got := workflows.Explain(s, workflows.Outlook{}).Sentence; !strings.Contains(got, "2026-11-02T13:00:00.000000Z") {
		t.Error(got)
	}
	if got := workflows.Explain(workflows.State{Status: workflows.StatusOpen}, o).Sentence; got != "Waiting." {
		t.Error(got)
	}
}

func TestSeatWords(t *testing.T) {
	t.Parallel()
	for why, want := range map[string]string{
		"named": "named in the chain", "group:dba": "member of group dba", "chat:@dba": "member of @dba in the chat", "target_owner": "owner of the target",
		"identity_owner": "owner of the identity", "manager": "manager of the requester", "shift:emea": "shift:emea",
		"channel:#dba": "member of #dba in the chat", "rotation:dba": "on shift in rotation dba", "fallback:group:sre": "asked because nobody else could be: member of group sre",
	} {
		if got := (workflows.Seat{Why: why}).Words(); got != want {
			t.Errorf("%s: %s", why, got)
		}
	}
	for s, want := range map[workflows.Status]string{workflows.StatusTimedOut: "timed out", workflows.StatusOpen: "waiting", workflows.StatusDenied: "denied"} {
		if got := s.Words(); got != want {
			t.Errorf("%s: %s", s, got)
		}
	}
}

// A refusal says what and why, then what to do; a recorded one never holds the words of the person it refused.
func TestRefusal(t *testing.T) {
	t.Parallel()
	if got := workflows.Refuse("c", "No.", "").Error(); got != "No." {
		t.Error(got)
	}
	if got := workflows.Refusef("c", "Do that.", "No %d.", 7).Error(); got != "No 7. Do that." {
		t.Error(got)
	}
	for typed, want := range map[string]string{
		"r_1": "r_1", "r_1 \nmy password is x": "r_1", "hunter2!": "hunter2", "ünlich": "", "": "", "svc-x/pg-main/writer": "svc-x/pg-main/writer",
		strings.Repeat("x", 200): strings.Repeat("x", 100), "INC-1": "INC-1", "<!channel>": "",
	} {
		out := workflows.RefuseOn(workflows.SystemStream, acting("zed"), "vote", "cli", typed, workflows.Unknown())
		if e := out.Events[0].Event.(workflows.Refused); e.About != want {
			t.Errorf("%q is recorded as %q", typed, e.About)
		}
	}
	if workflows.ErrExists.Error() == "" || workflows.ErrAskAgain.Error() == workflows.ErrExists.Error() {
		t.Error("errors without words")
	}
}

func TestSelectorAndDocuments(t *testing.T) {
	t.Parallel()
	if !(workflows.Selector{Exclude: []workflows.PersonID{"p_ann"}}).IsEmpty() {
		t.Error("a selector that only excludes names somebody")
	}
	for _, s := range []workflows.Selector{
		{Anyone: true},
		{People: []workflows.PersonID{"p_ann"}},
		{Groups: []workflows.Group{{Name: "dba"}}},
		{ChatGroups: []string{"@dba"}},
		{TargetOwner: true},
		{IdentityOwner: true},
		{Manager: true},
		{ChatChannels: []string{"#dba"}},
		{Rotations: []string{"dba"}},
		{Fallback: &workflows.Selector{People: []workflows.PersonID{"p_ann"}}},
	} {
		if s.IsEmpty() {
			t.Errorf("%+v is empty", s)
		}
	}
	if !(workflows.Selector{Fallback: &workflows.Selector{}}).IsEmpty() {
		t.Error("an empty fallback names somebody")
	}
	if got := (workflows.Entitlement{Target: "pg-main", ID: "writer"}).Name(); got != "pg-main/writer" {
		t.Error(got)
	}
	// sha256 of nothing, as everybody knows it.
	if got := workflows.HashDocument(nil); got != "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" {
		t.Error(got)
	}
	if workflows.HashDocument([]byte("a")) == workflows.HashDocument([]byte("a\n")) {
		t.Error("a byte more has the same hash")
	}
	if got := (workflows.Instant{UTC: 1, Mono: 2}).Add(time.Second); got != (workflows.Instant{UTC: 1000001, Mono: 1000000002}) {
		t.Error(got)
	}
	if !(workflows.Instant{UTC: 1, Mono: 9}).Reached(workflows.Instant{UTC: 2, Mono: 9}) || !(workflows.Instant{UTC: 2, Mono: 1}).Reached(workflows.Instant{UTC: 2, Mono: 9}) ||
		(workflows.Instant{UTC: 1, Mono: 8}).Reached(workflows.Instant{UTC: 2, Mono: 9}) {
		t.Error("the earlier of two clocks does not decide")
	}
}
