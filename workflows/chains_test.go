package workflows_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/storytest"
)

// The ladder of a stage (remind, a deputy, the next level, the end) is walked at its minutes, each hop once, each on record (R10).
func TestReq_R10_TheLadderIsWalkedAtItsTimes(t *testing.T) {
	t.Parallel()
	x := told(t, "peers(ann)x1 remind 30m escalate 1h(dave) escalate 2h(erin) timeout 3h", "zed submits; told all")
	want := map[int]string{30: "stage.reminded", 60: "stage.escalated", 120: "stage.escalated", 180: "stage.timed_out request.timed_out"}
	for minute := 1; minute <= 200; minute++ {
		before := len(x.l.Histories[x.stream()])
		x.l.Pass(time.Minute)
		if err := x.tick(); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range x.l.Histories[x.stream()][before:] {
			got = append(got, r.Event.Kind())
			if r.At != x.l.Now || r.Actor != workflows.SystemActor || r.Person != "" {
				t.Errorf("minute %d: %s by %s", minute, r.Event.Kind(), r.Actor)
			}
		}
		if strings.Join(got, " ") != want[minute] {
			t.Errorf("minute %d: %v, want %q", minute, got, want[minute])
		}
		x.check(t)
	}
}

// How often access was extended is an input: from the fourth time on, a rule can want a further stage (R34).
func TestReq_R34_TheFourthRenewalWantsAFurtherStage(t *testing.T) {
	t.Parallel()
	for renewals := range 6 {
		x := told(t, "peers(ann)x1 timeout 4h > owner(olga)x1 timeout 2h | rule many: peers owner | rule few: peers | extend 9d", "tick")
		x.matched, x.planned = []bool{renewals >= 3, true}, []string{"peers"}
		if renewals >= 3 {
			x.planned = []string{"peers", "owner"}
		}
		a := x.ask(acting("zed"))
		a.Matched, a.Extends = x.matched, "g_held"
		a.Held = workflows.Held{Grant: "g_held", Ends: x.l.Now.UTC.Add(time.Minute), Started: x.l.Now.UTC.Add(-time.Hour), Renewals: renewals}
		if code, err := x.take(x.w.Submit(x.l.Facts(), a)); err != nil || code != "" {
			t.Fatal(code, err)
		}
		s := x.mustState(t)
		if s.Asked.Renewal != renewals+1 || !slices.Equal(s.StageNames(), x.planned) {
			t.Errorf("renewal %d goes through %v as number %d", renewals+1, s.StageNames(), s.Asked.Renewal)
		}
		if s.Asked.Since != a.Held.Started {
			t.Errorf("renewal %d of what began at %s is said to have begun at %s", renewals+1, a.Held.Started, s.Asked.Since)
		}
		if e := workflows.Explain(s, workflows.Outlook{}); !strings.Contains(fmt.Sprint(e.Notes), fmt.Sprintf("extension %d of its row, which began at ", renewals+1)) {
			t.Errorf("an approver does not read it: %v", e.Notes)
		}
	}
}

// Nobody holds anything for longer than the workflow, the entitlement, the rule and the tier each allow (R57).
func TestReq_R57_EveryCapHolds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) workflows.Span {
			return workflows.Span(rapid.SampledFrom([]int64{0, 1800, 3600, 7200, 36000}).Draw(t, name))
		}
		x, err := newWorld("peers(ann)x1 | rule all | tier mid for any")
		if err != nil {
			t.Fatal(err)
		}
		x.w.Longest = max(60, draw("workflow"))
		x.w.Entitlements[0].Longest, x.w.Rules[0].Longest, x.w.Risk.Tiers[0].Longest = draw("entitlement"), draw("rule"), draw("tier")
		seconds := workflows.Span(rapid.Int64Range(30, 40000).Draw(t, "asked"))
		longest := x.w.Longest
		for _, cap := range []workflows.Span{x.w.Entitlements[0].Longest, x.w.Rules[0].Longest, x.w.Risk.Tiers[0].Longest} {
			if cap > 0 {
				longest = min(longest, cap)
			}
		}
		code, err := x.step([]string{"zed", "submits", "lasting", fmt.Sprintf("%ds", seconds)})
		if want := seconds >= 60 && seconds <= longest; err != nil || (code == "") != want {
			t.Fatalf("%s of at most %s: %q, %v", seconds, longest, code, err)
		}
	})
}

// What no person decided says which rule let it through, for the how manieth time, and nobody's name stands in it (R70).
func TestReq_R70_ApprovalWithoutPeopleIsEvidence(t *testing.T) {
	t.Parallel()
	x := told(t, "peers(ann bob)x1 timeout 4h | rule quick up 30m auto 3 per 1d sample 100 | rule rest: peers", "zed submits lasting 30m auto 1")
	s := x.mustState(t)
	h := x.l.Histories[x.stream()]
	if len(h) != 3 || h[1].Person != "" || h[2].Person != "" || len(s.Voters()) != 0 {
		t.Errorf("%d entries, decided by %v", len(h), s.Voters())
	}
	want := workflows.AutoApproved{Rule: "quick", Used: 2, Times: 3, Per: 86400, Sampled: true}
	if d := cmp.Diff(workflows.Event(want), h[1].Event); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]workflows.RuleOutcome{{Rule: "quick", Matched: true}, {Rule: "rest", Matched: true}}, s.Asked.Trace); d != "" {
		t.Error(d)
	}
	if e := workflows.Explain(s, workflows.Outlook{}); e.Sentence != "Approved without people, by rule quick, for the second time of 3 within 1d." || len(e.Notes) != 1 {
		t.Error(e)
	}
	if a := h[2].Event.(workflows.Approved).Answers; !strings.Contains(a.Now, "rule quick approves without people") || a.Who == "" || a.What == "" {
		t.Error(a)
	}
}

// Whoever asks, holds or answers for the holder decides nothing of it, nor does anybody in their place; and a window's asks need those who
// approved it (R82, R96).
func TestReq_R96_WhoeverStandsBehindItDecidesNothing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ submit, who string }{
		{"zed submits for svc-deploy sponsor ann", "ann"},
		{"zed submits for svc-deploy sponsor ann", "zed"},
		{"zed submits for p_ann", "ann"},
		{"ann submits", "ann"},
		{"zed submits for p_yan sponsor ann", "ann"},
	} {
		for _, verdict := range []string{"approves", "denies", "counters 30m"} {
			x := told(t, "peers(ann- dave~ann zed hugo~zed bob carol)x1 timeout 4h", c.submit)
			if code, err := x.step(strings.Fields(c.who + " " + verdict)); err != nil || code != workflows.CodeSelfApproval {
				t.Errorf("%s; %s %s: %q, %v", c.submit, c.who, verdict, code, err)
			}
			place := map[string]string{"ann": "dave", "zed": "hugo"}[c.who]
			if code, err := x.step(strings.Fields(place + " " + verdict)); err != nil || code != workflows.CodeNotApprover {
				t.Errorf("%s; %s, in the place of %s, %s: %q, %v", c.submit, place, c.who, verdict, code, err)
			}
		}
	}
}

// A request that is asked again has a new id, and nothing of what was said on the old one (T16).
func TestThreat_T16_AcceptedTermsAreAnotherRequest(t *testing.T) {
	t.Parallel()
	x := told(t, "peers(ann bob carol)x2 timeout 4h", "zed submits; bob approves; carol counters 30m; zed accepts carol")
	old, err := workflows.Fold(x.l.Histories["request/r_1"])
	if err != nil {
		t.Fatal(err)
	}
	s := x.mustState(t)
	if old.Status != workflows.StatusSuperseded || s.ID == old.ID || s.Asked.Digest == old.Asked.Digest || s.Shown(0) == old.Shown(0) {
		t.Errorf("%s goes on as %s", old.Status, s.ID)
	}
	if d := cmp.Diff(workflows.OfferRef{Request: "r_1", Offer: old.Offers[0].ID, By: "p_carol", Stage: "peers"}, s.Asked.Offer); d != "" {
		t.Error(d)
	}
	b := x.ballot(acting("bob"), workflows.Approve)
	b.Shown = old.Shown(0)
	if code, err := x.take(x.w.Vote(x.l.Facts(), x.id, b)); err != nil || code != workflows.CodeStale {
		t.Errorf("a click on the old text: %q, %v", code, err)
	}
	vote := x.l.Histories[x.stream()][2]
	if e, ok := vote.Event.(workflows.VoteRecorded); !ok || vote.Actor != "a_carol" || e.Authn != workflows.AuthnOffer || e.Digest != s.Asked.Digest || e.Shown != s.Shown(0) {
		t.Errorf("%+v", vote)
	}
}

// Whatever the wall clock does, every step of a ladder is taken once, in order, and nothing that is closed opens again (F17).
func TestFault_F17_NoJumpOfTheClockRepeatsAStep(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x, err := newWorld("peers(ann bob)x1 remind 20m escalate 40m(dave) escalate 60m(erin) shift 50m(carol) timeout 90m > owner(olga)x1 remind 10m timeout 60m")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := x.step([]string{"zed", "submits"}); err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			jump := rapid.SampledFrom([]string{"clock back 1h", "clock forward 1h", "clock back 8760h", "clock forward 8760h", "15m", "15m", "15m", "tick", "carol approves", "told all"}).Draw(t, "jump")
			_, _ = x.step(strings.Fields(jump)) // what was not owed is not told
			x.check(t)
		}
		seen := map[string]int{}
		for _, r := range x.l.Histories[x.stream()] {
			key := r.Event.Kind()
			switch e := r.Event.(type) {
			case workflows.StageEscalated:
				key += fmt.Sprint(e.Stage, e.Tier)
			case workflows.StageReminded:
				key += fmt.Sprint(e.Stage)
			case workflows.StageOpened:
				key += fmt.Sprint(e.Stage)
			case workflows.RosterChanged, workflows.StageTimedOut, workflows.TimedOut:
			default:
				continue
			}
			if seen[key]++; seen[key] > 1 {
				t.Fatalf("%s happened twice", key)
			}
		}
	})
}

// After a suspension of any length the first wake brings a request to where it should be: one pass, each skipped step on record, and nobody is
// told what no longer matters (F18).
func TestFault_F18_OneWakeCatchesUp(t *testing.T) {
	t.Parallel()
	for slept, want := range map[time.Duration]string{
		35 * time.Minute:  "stage.reminded",
		65 * time.Minute:  "stage.reminded stage.escalated",
		125 * time.Minute: "stage.reminded stage.escalated roster.changed stage.escalated",
		5 * time.Hour:     "stage.reminded stage.escalated roster.changed stage.escalated stage.timed_out request.timed_out",
		9000 * time.Hour:  "stage.reminded stage.escalated roster.changed stage.escalated stage.timed_out request.timed_out",
	} {
		x := told(t, "peers(ann)x1 remind 30m escalate 1h(dave) escalate 2h(erin) shift 90m(bob) timeout 4h", "zed submits; told all")
		before := len(x.l.Histories[x.stream()])
		x.l.Pass(slept)
		for range 2 { // a second wake at the same moment finds nothing
			if err := x.tick(); err != nil {
				t.Fatal(err)
			}
		}
		if got := strings.Join(x.kinds(len(x.l.Histories[x.stream()])-before), " "); got != want {
			t.Errorf("after %s: %s", slept, got)
		}
		s := x.mustState(t)
		for _, n := range s.Notices() {
			if s.Final() && n.What != workflows.NoticeOutcome {
				t.Errorf("after %s, %s is still told %s", slept, n.To, n.What)
			}
		}
		x.check(t)
	}
}

// A thousand requests that nobody answers: each wakes exactly at its recorded moments and no other, and nobody is told more than once and
// reminded once (F31).
func TestFault_F31_AThousandUnansweredRequestsWakeAtTheirMomentsOnly(t *testing.T) {
	t.Parallel()
	wakes := 0
	for i := range 1000 {
		x, err := newWorld(fmt.Sprintf("peers(ann bob)x1 remind %dm escalate %dm(dave) escalate %dm(erin) timeout 4h", 10+i%7, 30+i%11, 60+i%13))
		if err != nil {
			t.Fatal(err)
		}
		x.id = workflows.RequestID(fmt.Sprintf("r_%d", i))
		if _, err := x.step([]string{"zed", "submits"}); err != nil {
			t.Fatal(err)
		}
		told := map[string]int{}
		for s := x.mustState(t); workflows.NextWake(s) != 0; s = x.mustState(t) {
			for _, n := range s.Notices() {
				if told[n.ID]++; told[n.ID] > 1 {
					t.Fatalf("%s is owed again", n.ID)
				}
				x.l.Append(outcomeOf(x.stream(), workflows.System, workflows.NoticeDelivered{Notice: n.ID, Via: "slack"}))
			}
			at := workflows.NextWake(s)
			x.l.Pass(at.Sub(x.l.Now.UTC) - time.Microsecond)
			before := len(x.l.Histories[x.stream()])
			if err := x.tick(); err != nil || len(x.l.Histories[x.stream()]) != before {
				t.Fatalf("something happened before %s: %v", at, err)
			}
			x.l.Pass(time.Microsecond)
			if err := x.tick(); err != nil || len(x.l.Histories[x.stream()]) == before {
				t.Fatalf("nothing happened at %s: %v", at, err)
			}
			wakes++
		}
		if s := x.mustState(t); s.Status != workflows.StatusTimedOut {
			t.Fatalf("%s is %s", x.id, s.Status)
		}
	}
	if wakes != 4000 {
		t.Errorf("%d wakes for 1,000 requests with four moments each", wakes)
	}
}

// WhyYou says in one sentence what a person has to do with a request, in every case there is.
func TestWhyYou(t *testing.T) {
	t.Parallel()
	o := workflows.Outlook{
		Name: func(p workflows.PersonID) string { return strings.ToUpper(strings.TrimPrefix(string(p), "p_")) },
		When: func(s workflows.Stamp) string { return s.Time().Format("15:04") },
	}
	const chain = "peers(ann bob- dave~bob)x2 timeout 4h > quiet(carol olga)x1 consent told(tom) timeout 2h"
	for _, c := range []struct{ steps, who, want string }{
		{"zed submits", "zed", "You asked for this, so others decide it."},
		{"zed submits for p_yan", "yan", "This would be yours, or you answer for its holder, so others decide it."},
		{"zed submits", "ann", "You are asked in stage 1 of 2 (peers) because you are named in the chain; it still wants 2 of those asked."},
		{"zed submits; ann approves", "dave", "You are asked in stage 1 of 2 (peers) because BOB is away and named you; they are named in the chain; it still wants 1 of those asked."},
		{"zed submits; dave approves", "bob", "Somebody who counts as one with you has decided this stage; you can still deny it."},
		{"zed submits; dave approves", "dave", "You approved stage 1 (peers) in the place of BOB at 09:00."},
		{"zed submits; ann denies", "ann", "You denied stage 1 (peers) at 09:00."},
		{"zed submits; ann approves; bob approves", "ann", "You approved stage 1 (peers) at 09:00."},
		{"zed submits; ann approves; bob approves", "carol", "You may object in stage 2 of 2 (quiet) because you are named in the chain; if you do not by 11:00, it goes through."},
		{"zed submits; ann approves; bob approves", "tom", "You are told about this; you are not asked to decide it."},
		{"zed submits; ann approves; ann takes back", "ann", "You are asked in stage 1 of 2 (peers) because you are named in the chain; it still wants 2 of those asked."},
		{"zed submits", "eve", ""},
		{"zed submits; zed withdraws", "ann", ""},
		{"zed submits", "", ""},
	} {
		if got := workflows.WhyYou(told(t, chain, c.steps).mustState(t), person(c.who), o); got != c.want {
			t.Errorf("%s, to %s: %q", c.steps, c.who, got)
		}
	}
	x := told(t, "peers(ann bob)x1 timeout 4h > owner(olga carol)x1 timeout 4h", "zed submits; ann approves")
	s := x.mustState(t)
	s.Stages[1].Roster = append(slices.Clone(s.Stages[1].Roster), workflows.Seat{Person: "p_ann"})
	s.Stages[0].Votes[0].TakenBack = false
	if got := workflows.WhyYou(s, "p_ann", o); got != "You approved an earlier stage; this one wants somebody else." {
		t.Error(got)
	}
	if seat, ok := s.SeatOf("p_olga", x.l.Now.UTC); !ok || seat.Person != "p_olga" {
		t.Errorf("olga decides by %+v", seat)
	}
	for _, who := range []workflows.PersonID{"p_ann", "p_eve", ""} {
		if _, ok := s.SeatOf(who, x.l.Now.UTC); ok {
			t.Errorf("%s could decide", who)
		}
	}
	if _, ok := (workflows.State{}).SeatOf("p_ann", 0); ok {
		t.Error("somebody could decide nothing")
	}
	if seat, ok := s.Stages[1].Seat("p_olga"); !ok || seat.Why != "named" {
		t.Errorf("%+v", seat)
	}
}

// The explanation of a request says which rule chose its stages, what the risk is, who is asked in which part and tier, in whose place, and
// what became of the offers.
func TestExplainTheLanguage(t *testing.T) {
	t.Parallel()
	o := workflows.Outlook{
		Name: func(p workflows.PersonID) string { return strings.ToUpper(strings.TrimPrefix(string(p), "p_")) },
		When: func(s workflows.Stamp) string { return s.Time().Format("15:04") },
	}
	for _, c := range []struct{ chain, steps, want string }{
		{
			"both[dba(ann- dave~ann)x1 & sec(carol)x1] escalate 1h(erin) told(tom) timeout 4h > quiet(olga@3h)x1 consent timeout 2h | rule big: both quiet | rule small | later 1d | tier high longest 2h for any",
			"zed submits later 2h; dave approves; carol counters 30m", `
pending: r_1: Waiting for 1 more in stage 1 of 2 (both), until 13:00.
  pending: both: 1 of 2 approvals.
    skipped: ANN: Counts as one with somebody who has decided: named in the chain; away.
    approved: DAVE: Approved at 09:00 in the place of ANN.
    pending: CAROL: Asked: named in the chain.
    - approved: dba: Part dba: 1 of 1 approvals.
    - pending: sec: Part sec: 0 of 1 approvals.
    - pending: tier 1: Tier 1 is asked at 10:00.
    - approved: told: Told without being asked: TOM.
  pending: quiet: Opens when stage 1 is satisfied; waits 2h for objections.
  - approved: rule: Rule big says how this is decided.
    approved: big: Rule big matches what was asked.
    approved: small: Rule small matches what was asked.
  - approved: risk: The risk is high, by row 1 of the table.
  - approved: start: Access would begin at 11:00.
  - pending: offer: CAROL offered 30m: not answered yet.
`,
		},
		{
			"both[dba(ann)x1 & sec(carol)x1] escalate 1h(erin) timeout 4h > quiet(olga@3h)x1 consent timeout 2h", "zed submits; 1h; ann approves; carol approves; told all", `
pending: r_1: Waiting for objections in stage 2 of 2 (quiet), until 12:00.
  approved: both: 2 of 2 approvals.
    approved: ANN: Approved at 10:00.
    approved: CAROL: Approved at 10:00.
    pending: ERIN: Asked by escalation: named in the chain.
    - approved: dba: Part dba: 1 of 1 approvals.
    - approved: sec: Part sec: 1 of 1 approvals.
    - approved: tier 1: Tier 1 is asked, too.
  pending: quiet: Nobody has objected.
    pending: OLGA: May object: named in the chain; told at 12:00.
`,
		},
		{
			"peers(ann)x1 timeout 4h > quiet(olga)x1 consent timeout 2h", "zed submits; ann approves; told all; 2h", `
approved: r_1: Approved by ANN; 1 person was told and nobody objected.
  approved: peers: 1 of 1 approvals.
    approved: ANN: Approved at 09:00.
  approved: quiet: 1 person was told and nobody objected.
    pending: OLGA: May object: named in the chain.
`,
		},
		{
			"peers(ann)x1 timeout 4h > quiet(olga)x1 consent timeout 2h", "zed submits; ann approves; 2h", `
skipped: r_1: Timed out: not decided in time. This is not a denial.
  approved: peers: 1 of 1 approvals.
    approved: ANN: Approved at 09:00.
  skipped: quiet: Too few of the 1 who had to be told could be told by 11:00.
    pending: OLGA: May object: named in the chain.
`,
		},
		{
			"peers(ann)x1 timeout 4h > quiet(olga)x1 consent timeout 2h", "zed submits; ann approves; told all; olga denies", `
denied: r_1: Denied by OLGA.
  approved: peers: 1 of 1 approvals.
    approved: ANN: Approved at 09:00.
  denied: quiet: Objected to.
    denied: OLGA: Denied at 09:00.
`,
		},
		{
			"watch(ann bob)x2 escalate 3h(erin) shift 1h(carol) shift 2h(dave) timeout 4h | also reader read one", "zed submits; ann approves; bob counters of reader; zed declines bob; 1h", `
pending: r_1: Waiting for 1 more in stage 1 of 1 (watch), until 13:00.
  pending: watch: 1 of 2 approvals.
    pending: CAROL: Asked: named in the chain.
    approved: ANN: Approved at 09:00.
    - pending: tier 1: Tier 1 is asked at 12:00.
    - pending: shift: The shift changes at 11:00.
  - skipped: offer: BOB offered pg-main/reader: declined.
`,
		},
		{
			"peers(ann bob)x1 deny counts escalate 1h(erin) timeout 4h | ends with until date_time | later 1d", "zed submits with until=6h; ann counters later 3h; ann counters 30m; zed accepts ann later 2h with until=6h", `
approved: r_2: Approved by ANN.
  approved: peers: 1 of 1 approvals.
    approved: ANN: Approved at 09:00.
    pending: BOB: Asked: named in the chain.
    - skipped: tier 1: Tier 1 was not needed.
  - approved: start: Access would begin at 11:00.
  - approved: end: Access would end at 15:00 at the latest.
  - approved: offer: These are the terms that ANN offered on request r_1.
`,
		},
		{
			"peers(ann bob)x1 deny counts timeout 4h | ends with case ticket", "zed submits with case=OPS-1; ann denies; bob denies", `
denied: r_1: Denied by ANN, BOB.
  denied: peers: 0 of 1 approvals.
    denied: ANN: Denied at 09:00.
    denied: BOB: Denied at 09:00.
  - approved: end: Access would end when ticket OPS-1 is closed.
`,
		},
		{
			"peers(ann bob)x1 timeout 4h | tier low for any", "zed submits for svc-deploy within 3 !too_often; zed submits for svc-deploy within 2", `
approved: r_1: Approved without people, by the standing window of request r_w, for the third time of 3 within 1d.
  - approved: risk: The risk is low, by row 1 of the table.
`,
		},
	} {
		x, err := newWorld(c.chain)
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range strings.Split(c.steps, ";") {
			words, want := storytest.Words(step)
			if code, err := x.step(words); err != nil || code != want {
				t.Fatalf("%s: at %q: %q, %v", c.steps, step, code, err)
			}
		}
		if d := cmp.Diff(strings.TrimPrefix(c.want, "\n"), whole(workflows.Explain(x.mustState(t), o), "", "")); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.steps, d)
		}
	}
}

// whole is an explanation with its notes, each behind a hyphen.
func whole(e workflows.Explanation, indent, mark string) string {
	out := fmt.Sprintf("%s%s%s: %s: %s\n", indent, mark, e.Status, e.Name, e.Sentence)
	for _, c := range e.Children {
		out += whole(c, indent+"  ", "")
	}
	for _, n := range e.Notes {
		out += whole(n, indent+"  ", "- ")
	}
	return out
}

// What is accepted is what was offered: an ask that differs in anything an approver decides on is a mistake of the caller, and nothing is
// recorded.
func TestAcceptWantsTheVeryTerms(t *testing.T) {
	t.Parallel()
	for name, bend := range map[string]func(*workflows.Ask){
		"as offered":          nil,
		"longer":              func(a *workflows.Ask) { a.Form.Seconds++ },
		"shorter":             func(a *workflows.Ask) { a.Form.Seconds-- },
		"another target":      func(a *workflows.Ask) { a.Form.Target = "pg-other" },
		"another entitlement": func(a *workflows.Ask) { a.Form.Entitlement = "reader" },
		"another holder":      func(a *workflows.Ask) { a.Subject = "svc-deploy" },
		"sooner":              func(a *workflows.Ask) { a.NotBefore-- },
		"under a used id":     func(a *workflows.Ask) { a.ID = "r_1" },
	} {
		x := told(t, "peers(ann bob)x1 timeout 4h | also reader read one | later 1d", "zed submits; ann counters 30m later 2h")
		s := x.mustState(t)
		x.id = "r_2"
		a := x.ask(acting("zed"))
		x.id = "r_1"
		a.Form, a.NotBefore, a.Twin = s.Offers[0].Terms.With(a.Form), s.Offers[0].Terms.NotBefore, "r_1"
		if bend != nil {
			bend(&a)
		}
		out, err := x.w.Accept(x.l.Facts(), "r_1", workflows.Acceptance{By: acting("zed"), Offer: s.Offers[0].ID, Ask: a, Offerer: usual, Channel: "slack"})
		if (err == nil) != (bend == nil) || (len(out.Events) > 0) != (bend == nil) || out.Refusal != nil {
			t.Errorf("%s: %d events, %v, %v", name, len(out.Events), out.Refusal, err)
		}
		if err != nil && err.Error() == "" {
			t.Errorf("%s: an error without words", name)
		}
	}
	x := told(t, "peers(ann bob)x1 timeout 4h", "zed submits runbook failover; ann counters 30m")
	s := x.mustState(t)
	x.id = "r_2"
	a := x.ask(acting("zed"))
	a.Form, a.Runbook, a.Document, a.Subject = s.Offers[0].Terms.With(a.Form), "failover", "sha256:changed", ""
	out, err := x.w.Accept(x.l.Facts(), "r_1", workflows.Acceptance{By: acting("zed"), Offer: s.Offers[0].ID, Ask: a, Offerer: usual, Channel: "slack"})
	if err != nil || out.Refusal == nil || out.Refusal.Code != workflows.CodeRunbook {
		t.Errorf("a runbook that was changed meanwhile: %v, %v", out.Refusal, err)
	}
}
