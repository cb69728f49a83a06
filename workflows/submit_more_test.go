package workflows_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/workflows"
)

// fault is one thing wrong with an ask, and what the requester reads about it.
type fault struct {
	name   string
	change func(*world, *workflows.Ask)
	code   string
	text   string
}

// askFaults are in the order in which they are looked at: who asks, what the form says, for whom, when, beside what, at what risk, by which rule,
// and who would decide.
func askFaults() []fault {
	const noRule = "No rule of this chain covers what you ask for, so nobody could approve it. Ask for less or for shorter, or ask the owner of the chain."
	const unworked = "The conditions of this chain could not be worked out just now, so nothing was recorded. Try again in a minute; if it stays like this, ask the owner of the chain."
	return []fault{
		{"unknown", func(_ *world, a *workflows.Ask) { a.Standing.Known = false }, workflows.CodeDirectory, "I could not check who you are just now, so nothing was recorded as a decision. Try again in a minute."},
		{"a bot", func(_ *world, a *workflows.Ask) { a.Standing.Human = false }, workflows.CodeNotHuman, "Only people decide; this account is a bot or an app."},
		{"deactivated", func(_ *world, a *workflows.Ask) { a.Standing.Active = false }, workflows.CodeInactive, "This account is deactivated."},
		{"a guest", func(_ *world, a *workflows.Ask) { a.Standing.Member = false }, workflows.CodeGuest, "Guests and people from other organisations cannot decide here. Ask a full member who is on the list."},
		{"unlinked", func(_ *world, a *workflows.Ask) { a.Standing.Linked = false }, workflows.CodeUnlinked, "This account is not linked to a person in the people file, so it cannot ask for access. Ask the operator to add you to people.yaml."},
		{"not among the askers", func(_ *world, a *workflows.Ask) { a.Standing.Selected = false }, workflows.CodeNotEligible, "You are not among those who may ask for this. Type `/access list` to see what you can ask for."},
		{"a short reason", func(_ *world, a *workflows.Ask) { a.Form.Reason = "why" }, workflows.CodeBadField, "reason: Say why, in 5 to 1000 characters."},
		{"no such target", func(_ *world, a *workflows.Ask) {
			a.Problems = []workflows.FieldProblem{{Field: "on", Text: "There is no such target."}, {Field: "who", Text: "Nor this."}}
		}, workflows.CodeBadField, "on: There is no such target."},
		{"too many open", func(_ *world, a *workflows.Ask) { a.Open = workflows.MaxOpenPerson }, workflows.CodeTooMany, "You already have 20 open requests. Withdraw one of them or wait."},
		{"too often", func(_ *world, a *workflows.Ask) { a.Asked = 2 }, workflows.CodeTooOften, "You may ask for this 2 times within 1d, and you have. Wait, or ask the owner of this chain."},
		{"nobody's", func(_ *world, a *workflows.Ask) { a.Subject = "" }, workflows.CodeNotInInventory, "There is no such identity in the inventory. Register it with an owner, a purpose and an expiry first."},
		{"without owner", func(x *world, _ *workflows.Ask) { x.w.Entitlements[0].Owner = "" }, workflows.CodeNoPolicy, "This target has no owner, so nobody can request it."},
		{"without account", func(x *world, _ *workflows.Ask) { x.w.Entitlements[0].Account = true }, workflows.CodeNotInInventory, "Your entry has no account on record on Main database. Ask the operator to add it to the people or identities file."},
		{"later", func(x *world, a *workflows.Ask) { a.NotBefore = x.l.Now.UTC.Add(time.Second) }, workflows.CodeBadField, "not_before: Access of this chain starts when it is approved."},
		{"a freeze", func(_ *world, a *workflows.Ask) { a.Frozen = "year-end" }, workflows.CodeFreeze, "The change freeze year-end is in force, so nothing is granted here. Ask when it is over, or through the chain for exceptions."},
		{"at night", func(_ *world, a *workflows.Ask) { a.Closed = true }, workflows.CodeOutsideHours, "This chain is for business hours only. Ask again when they begin."},
		{"asked already", func(_ *world, a *workflows.Ask) { a.Twin = "r_9" }, workflows.CodeAsked, "You have already asked for this: r_9 is open. Wait for its decision, or withdraw it."},
		{"a conflict", func(_ *world, a *workflows.Ask) { a.Conflict = "Whoever pays may not order." }, workflows.CodeConflict, "Whoever pays may not order. Give that back first."},
		{"an extension", func(_ *world, a *workflows.Ask) { a.Extends = "g_held" }, workflows.CodeCap, "Access of this chain is not extended. Ask for it anew when it has ended."},
		{"held", func(x *world, a *workflows.Ask) {
			a.Held = workflows.Held{Grant: "g_held", Ends: x.l.Now.UTC.Add(9 * time.Hour)}
		}, workflows.CodeHeld, "You already hold this until 2026-11-02 18:00 UTC (grant g_held). Nobody needs to be asked again."},
		{"no risk known", func(x *world, _ *workflows.Ask) { x.w.Risk.Rows = nil }, workflows.CodeRisk, "The risk of this could not be told, so nobody can request it. Ask the owner of the risk table."},
		{"too long for the risk", func(_ *world, a *workflows.Ask) { a.Form.Seconds = 3*3600 + 1 }, workflows.CodeRisk, "The risk of this is low, which allows 3h at most. Ask for that or less."},
		{"too much to look at", func(_ *world, a *workflows.Ask) { a.Inputs = strings.Repeat("x", workflows.MaxInputs+1) }, workflows.CodeTooLong, "What the conditions of this chain look at is 8193 bytes long, and 8192 are kept. Say less in the fields of the form."},
		{"not worked out", func(_ *world, a *workflows.Ask) { a.Matched = nil }, workflows.CodeDirectory, unworked},
		{"no rule", func(_ *world, a *workflows.Ask) { a.Matched = []bool{false} }, workflows.CodeNoRule, noRule},
		{"too long for the rule", func(_ *world, a *workflows.Ask) { a.Form.Seconds = 2*3600 + 1 }, workflows.CodeRule, "Rule small of this chain gives 2h at most. Ask for less."},
		{"no rosters", func(_ *world, a *workflows.Ask) { a.Rosters.Failed = true }, workflows.CodeDirectory, "I could not find out who approves this just now, so nothing was recorded. Try again in a minute."},
		{"no stages", func(_ *world, a *workflows.Ask) { a.Rosters.Stages = nil }, workflows.CodeNoPolicy, "This chain has no stages, so nobody can approve it. Ask its owner."},
		{"no quorum", func(x *world, _ *workflows.Ask) { x.w.Stages[0].Quorum = 0 }, workflows.CodeNoPolicy, "A stage of this chain asks for nobody's approval, so it cannot give one. Ask its owner."},
		{"nobody else", func(_ *world, a *workflows.Ask) {
			a.Rosters.Stages = []workflows.StageRoster{{Approvers: seats("zed")}}
		}, workflows.CodeNobody, "Nobody could approve this: stage 1 (peers) needs 1 and has 0 once you are left out. Ask the owner of this chain to widen it."},
		{"too few for the risk", func(x *world, _ *workflows.Ask) { x.w.Risk.Tiers[0].Approvers = 2 }, workflows.CodeRisk, "The risk of this is low, which wants 2 people to approve; this chain wants 1. Ask the owner of this chain to add a stage."},
	}
}

// asking gives an ask of zed with everything in order, to be spoilt.
func asking(t *testing.T, chain string) (*world, workflows.Ask) {
	t.Helper()
	x, err := newWorld(chain)
	if err != nil {
		t.Fatal(err)
	}
	a := x.ask(acting("zed"))
	for range x.w.Rules {
		a.Matched = append(a.Matched, true)
	}
	return x, a
}

// refusedWith submits and holds what every refusal has in common: the request does not exist, and the attempt is on record without words of
// the requester. It gives the code and the text.
func refusedWith(t *testing.T, x *world, a workflows.Ask) (code, text string) {
	t.Helper()
	out, err := x.w.Submit(x.l.Facts(), a)
	if err != nil {
		t.Fatal(err)
	}
	if out.Refusal == nil {
		return "", ""
	}
	if len(out.Events) != 1 || out.Events[0].Stream != workflows.SystemStream {
		t.Fatalf("%d events of a refusal", len(out.Events))
	}
	want := workflows.Refused{Command: "submit", Code: out.Refusal.Code, Channel: a.Channel, About: "prod-db"}
	if d := cmp.Diff(workflows.Event(want), out.Events[0].Event); d != "" {
		t.Fatalf("on record (-want +got):\n%s", d)
	}
	return out.Refusal.Code, out.Refusal.Error()
}

const faultlessChain = "peers(ann bob)x1 timeout 4h | often 2 per 1d | only business | rule small longest 2h: peers | tier low longest 3h for any"

// Each thing that can be wrong has its own words, and with nothing wrong the same ask is opened.
func TestEveryFaultOfAnAskHasItsWords(t *testing.T) {
	t.Parallel()
	x, a := asking(t, faultlessChain)
	if code, text := refusedWith(t, x, a); code != "" {
		t.Fatalf("with nothing wrong: %s: %s", code, text)
	}
	for _, f := range askFaults() {
		x, a := asking(t, faultlessChain)
		f.change(x, &a)
		if code, text := refusedWith(t, x, a); code != f.code || text != f.text {
			t.Errorf("%s: %s: %q", f.name, code, text)
		}
	}
}

// Of two things that are wrong the earlier one is said, so that the same ask always reads the same: who may not ask learns nothing about the
// chain, and a chain that nobody could approve is not blamed for a form that was not filled in.
func TestTheFirstFaultOfAnAskIsSaid(t *testing.T) {
	t.Parallel()
	faults := askFaults()
	for i, first := range faults {
		for _, second := range faults[i+1:] {
			x, a := asking(t, faultlessChain)
			second.change(x, &a)
			first.change(x, &a)
			if code, text := refusedWith(t, x, a); code != first.code || text != first.text {
				t.Errorf("%s and %s: %s: %q", first.name, second.name, code, text)
			}
		}
	}
}

// What only some chains refuse.
func TestAskRefusalsOfSomeChains(t *testing.T) {
	t.Parallel()
	const plain = "peers(ann bob)x1 timeout 4h"
	svc := func(a *workflows.Ask) { a.Subject, a.Sponsor, a.Owned = "svc-deploy", "p_zed", true }
	held := func(x *world, a *workflows.Ask) {
		a.Extends = "g_held"
		a.Held = workflows.Held{Grant: "g_held", Started: x.l.Now.UTC.Add(-time.Hour), Ends: x.l.Now.UTC.Add(time.Minute)}
	}
	for _, c := range []struct {
		chain  string
		change func(*world, *workflows.Ask)
		want   string // code: text
	}{
		{plain, func(x *world, _ *workflows.Ask) { x.w.Kind = workflows.KindPreapprove }, "runbook: There is no such runbook. Type `/breakglass` to see the list."},
		{plain, func(x *world, a *workflows.Ask) { x.w.Kind, a.Runbook = workflows.KindPreapprove, "failover" }, "runbook: There is no such runbook. Type `/breakglass` to see the list."},
		{plain, func(x *world, a *workflows.Ask) { x.w.Kind, a.Document = workflows.KindPreapprove, "sha256:text" }, "runbook: There is no such runbook. Type `/breakglass` to see the list."},
		{plain + " | window 2 per 1d budget 5 lifetime 1h", func(*world, *workflows.Ask) {}, "not_eligible: A standing window is for a named automation, not for a person."},
		{plain + " | for reports owned", func(*world, *workflows.Ask) {}, "not_eligible: This chain does not grant to that kind of holder."},
		{plain + " | for self reports", func(_ *world, a *workflows.Ask) { svc(a) }, "not_eligible: This chain does not grant to that kind of holder."},
		{plain + " | for self owned", func(_ *world, a *workflows.Ask) { a.Subject, a.Report = "p_yan", true }, "not_eligible: This chain does not grant to that kind of holder."},
		{plain, func(_ *world, a *workflows.Ask) { a.Subject = "p_yan" }, "not_eligible: You can ask for yourself and for those who report to you."},
		{plain, func(_ *world, a *workflows.Ask) { a.Subject, a.Owned = "p_yan", true }, "not_eligible: You can ask for yourself and for those who report to you."},
		{plain, func(_ *world, a *workflows.Ask) { svc(a); a.Owned, a.Report = false, true }, "not_eligible: You can ask for yourself and for identities that you own or back up."},
		{plain, func(_ *world, a *workflows.Ask) { svc(a); a.Sponsor = "" }, "not_in_inventory: Nobody answers for this identity, so nobody can ask for it. Give it an owner in the inventory."},
		{plain, func(x *world, a *workflows.Ask) { svc(a); x.w.Entitlements[0].Account = true }, "not_in_inventory: This identity has no account on record on Main database. Ask the operator to add it to the people or identities file."},
		{plain, func(x *world, a *workflows.Ask) { x.w.Entitlements[0].Account, a.Account = true, "zed" }, ": "},
		{plain + " | later 1d", func(x *world, a *workflows.Ask) { a.NotBefore = x.l.Now.UTC.Add(24*time.Hour + time.Microsecond) }, "bad_field: not_before: Ask at most 1d ahead."},
		{plain + " | later 1d", func(x *world, a *workflows.Ask) { a.NotBefore = x.l.Now.UTC.Add(24 * time.Hour) }, ": "},
		{plain, func(x *world, a *workflows.Ask) { a.NotBefore = x.l.Now.UTC }, ": "},
		{plain + " | ends with until date_time", func(_ *world, a *workflows.Ask) { a.Form.Values = map[string]string{"until": "2026-11-02T09:00:00Z"} }, "bad_field: until: The access would be over before it begins."},
		{plain + " | ends with until date_time", func(_ *world, a *workflows.Ask) { a.Form.Values = map[string]string{"until": "2026-11-02T09:00:01Z"} }, ": "},
		{plain + " | extend 4h", func(_ *world, a *workflows.Ask) { a.Extends = "g_held" }, "not_active: There is no such access to extend, or it has ended. Ask for it anew."},
		{plain + " | extend 4h", func(x *world, a *workflows.Ask) { held(x, a); a.Form.Seconds = 3*3600 + 1 }, "cap: All extensions together may last 4h, from 2026-11-02 08:00 UTC on: you can have 3h more. Ask for that much or less."},
		{plain + " | extend 1h", held, "cap: All extensions together may last 1h, and that is used up. Ask for it anew when it has ended."},
		{plain + " | extend 4h", func(x *world, a *workflows.Ask) { held(x, a); a.Form.Seconds = 3 * 3600 }, ": "},
		{plain + " | rule quick auto 3 per 1d", func(_ *world, a *workflows.Ask) { a.Auto = 3 }, "too_often: This is approved without people 3 times within 1d, and that is used up. Wait, or ask the owner of this chain."},
		{plain + " | rule quick auto 3 per 1d | tier high approvers 2 for any", func(*world, *workflows.Ask) {}, "risk: The risk of this is high, which wants 2 people to approve; this would be approved without. Ask the owner of this chain."},
		{plain + " | rule never refuse", func(*world, *workflows.Ask) {}, "rule: Nobody may have this. Ask for a read replica."},
		{plain + " | rule a terms 2 | rule b terms 1 | rule c terms 2 | choose specific", func(*world, *workflows.Ask) {}, `ambiguous: Two rules of this chain cover what you ask for and neither is more specific: "a" and "c". Ask the owner of the chain to make one of them more specific.`},
		{plain + " | rule quick", func(_ *world, a *workflows.Ask) { a.Matched, a.WindowNo = []bool{false}, "It is open at night." }, "window: It is open at night. No rule of this chain covers what you ask for, so nobody could approve it."},
		{plain + " | rule quick", func(_ *world, a *workflows.Ask) { a.Matched, a.WindowNo = nil, "It is open at night." }, "directory: The conditions of this chain could not be worked out just now, so nothing was recorded. Try again in a minute; if it stays like this, ask the owner of the chain."},
		{"peers(zed)x1 timeout 4h", func(_ *world, a *workflows.Ask) { a.WindowNo = "It is open at night." }, "window: It is open at night. Nobody could approve this: stage 1 (peers) needs 1 and has 0 once you are left out."},
	} {
		x, a := asking(t, c.chain)
		c.change(x, &a)
		code, text := refusedWith(t, x, a)
		if got := code + ": " + text; got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.chain, got, c.want)
		}
	}
}

// The submission holds every word of the ask that somebody decides on, replays or audits, in its own place.
func TestWhatIsAskedIsOnRecord(t *testing.T) {
	t.Parallel()
	x, a := asking(t, "peers(ann bob)x1 timeout 4h | rule all | tier low for any | later 1d | tell dave erin | ends with case ticket")
	x.w.Entitlements[0].Account = true
	a.Account, a.Rule, a.Nonce, a.Channel, a.Authn, a.Drill = "zed_pg", "may_ask: group dba", "n7", "cli", "ssh-key", true
	a.Inputs, a.Already, a.Principal, a.NotBefore = `{"a":1}`, true, "person", x.l.Now.UTC.Add(time.Hour)
	a.Form.Reason, a.Form.Values = "  index is broken \n", map[string]string{"case": " OPS-1 "}
	if code, err := x.take(x.w.Submit(x.l.Facts(), a)); code != "" || err != nil {
		t.Fatal(code, err)
	}
	got := x.mustState(t).Asked
	want := workflows.Submitted{
		Workflow: "prod-db", Request: workflows.KindElevation, Subject: "p_zed", Seconds: 3600, Target: "pg-main", Entitlement: "writer", Account: "zed_pg",
		Fields: map[string]string{"case": "OPS-1"}, Reason: "index is broken", Channel: "cli", Authn: "ssh-key", Rule: "may_ask: group dba", Nonce: "n7",
		Card: "#access", Drill: true, Chosen: "all", Trace: []workflows.RuleOutcome{{Rule: "all", Matched: true}}, Inputs: `{"a":1}`, Risk: "low", RiskRow: 1,
		NotBefore: x.l.Now.UTC.Add(time.Hour), Ticket: "OPS-1", Told: []workflows.PersonID{"p_dave", "p_erin"}, Principal: "person", Already: true,
		Plan: []workflows.PlannedStage{{Name: "peers", Quorum: 1, Timeout: 4 * 3600}}, Digest: got.Digest,
	}
	if d := cmp.Diff(want, got); d != "" || got.Digest == "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// Raising the share of what is sampled only ever adds to the sample: nothing that was picked at a lower share drops out.
func TestSamplesGrowWithTheirShare(t *testing.T) {
	t.Parallel()
	shares := []int{0, 1, 10, 50, 90, 99, 100}
	picked := make([]int, len(shares))
	for n := range 200 {
		before := false
		for i, share := range shares {
			x, a := asking(t, "peers(ann)x1 | rule quick auto 9 per 1d")
			x.w.Rules[0].Auto.Sample, a.Nonce = share, fmt.Sprintf("n%d", n)
			if code, err := x.take(x.w.Submit(x.l.Facts(), a)); code != "" || err != nil {
				t.Fatal(code, err)
			}
			now := x.mustState(t).Auto.Sampled
			if before && !now {
				t.Fatalf("nonce %d is sampled at a lower share than %d and not at it", n, share)
			}
			if before = now; now {
				picked[i]++
			}
		}
	}
	if picked[0] != 0 || picked[6] != 200 || picked[3] < 60 || picked[3] > 140 {
		t.Errorf("of 200 at %v per cent: %v", shares, picked)
	}
}
