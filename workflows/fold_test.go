package workflows_test

import (
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/storytest"
)

// history plays a story and gives its record.
func history(t *testing.T, chain, steps string) ([]workflows.Record, workflows.State) {
	t.Helper()
	x := told(t, chain, steps)
	return x.l.Histories[x.stream()], x.mustState(t)
}

// then adds one entry to a record, at the moment of the last one or so much later.
func then(h []workflows.Record, p workflows.PersonID, after time.Duration, e workflows.Event) []workflows.Record {
	last := h[len(h)-1]
	return append(h[:len(h):len(h)], workflows.Record{Stream: last.Stream, Seq: last.Seq + 1, At: last.At.Add(after), Person: p, Event: e})
}

// Each promise of the approval language, broken by one entry that anybody with the keys could write, does not fold; the entry as the engine
// writes it does.
func TestFoldRefusesBrokenPromises(t *testing.T) {
	t.Parallel()
	const tiers = "peers(ann bob)x1 escalate 1h(dave) timeout 4h"
	const quiet = "peers(ann)x1 timeout 4h > quiet(bob carol dave)x2 consent timeout 2h"
	const counts = "peers(ann bob carol)x2 deny counts timeout 4h"
	dave := []workflows.Seat{{Person: "p_dave", Why: "named"}}
	hour := time.Hour
	for _, c := range []struct {
		name, chain, steps string
		by                 workflows.PersonID
		after              time.Duration
		event              func(s workflows.State) workflows.Event
		folds              bool
	}{
		{"a tier at its time", tiers, "zed submits", "", hour, func(workflows.State) workflows.Event { return workflows.StageEscalated{Added: dave} }, true},
		{"a tier before its time", tiers, "zed submits", "", hour - 1000, func(workflows.State) workflows.Event { return workflows.StageEscalated{Added: dave} }, false},
		{"a tier out of turn", tiers, "zed submits", "", hour, func(workflows.State) workflows.Event { return workflows.StageEscalated{Added: dave, Tier: 1} }, false},
		{"more tiers than planned", tiers, "zed submits; 1h", "", hour, func(workflows.State) workflows.Event { return workflows.StageEscalated{Tier: 1} }, false},
		{"a tier twice", tiers, "zed submits; 1h", "", hour, func(workflows.State) workflows.Event { return workflows.StageEscalated{} }, false},
		{"a tier where none was planned", counts, "zed submits", "", hour, func(workflows.State) workflows.Event { return workflows.StageEscalated{Added: dave} }, false},

		{"silence", quiet, "zed submits; ann approves; told all", "", 2 * hour, func(workflows.State) workflows.Event { return workflows.StageSatisfied{Stage: 1, Consent: 3} }, true},
		{"silence of two of three", quiet, "zed submits; ann approves; told bob dave", "", 2 * hour, func(workflows.State) workflows.Event { return workflows.StageSatisfied{Stage: 1, Consent: 2} }, true},
		{"silence of too few", quiet, "zed submits; ann approves; told bob", "", 2 * hour, func(workflows.State) workflows.Event { return workflows.StageSatisfied{Stage: 1, Consent: 1} }, false},
		{"silence of those never told", quiet, "zed submits; ann approves", "", 2 * hour, func(workflows.State) workflows.Event { return workflows.StageSatisfied{Stage: 1, Consent: 2} }, false},
		{"silence of more than were told", quiet, "zed submits; ann approves; told bob dave", "", 2 * hour, func(workflows.State) workflows.Event { return workflows.StageSatisfied{Stage: 1, Consent: 3} }, false},
		{"silence before its time", quiet, "zed submits; ann approves; told all", "", 2*hour - 1000, func(workflows.State) workflows.Event { return workflows.StageSatisfied{Stage: 1, Consent: 3} }, false},
		{"silence in spite of an objection", quiet, "zed submits; ann approves; told all; bob denies", "", 2 * hour, func(workflows.State) workflows.Event { return workflows.StageSatisfied{Stage: 1, Consent: 3} }, false},
		{"approval of silence", quiet, "zed submits; ann approves; told all", "p_bob", 0, func(s workflows.State) workflows.Event {
			return workflows.VoteRecorded{Stage: 1, Verdict: workflows.Approve, Digest: s.Asked.Digest}
		}, false},
		{"an objection", quiet, "zed submits; ann approves; told all", "p_bob", 0, func(s workflows.State) workflows.Event {
			return workflows.VoteRecorded{Stage: 1, Verdict: workflows.Deny, Digest: s.Asked.Digest}
		}, true},

		{"a vote", counts, "zed submits", "p_ann", 0, func(s workflows.State) workflows.Event {
			return workflows.VoteRecorded{Verdict: workflows.Approve, Digest: s.Asked.Digest}
		}, true},
		{"a vote on another text", counts, "zed submits", "p_ann", 0, func(workflows.State) workflows.Event {
			return workflows.VoteRecorded{Verdict: workflows.Approve, Digest: "other"}
		}, false},
		{"a vote in somebody's place without their seat", counts, "zed submits", "p_ann", 0, func(s workflows.State) workflows.Event {
			return workflows.VoteRecorded{Verdict: workflows.Approve, Digest: s.Asked.Digest, For: "p_bob"}
		}, false},
		{"a late vote", counts, "zed submits", "p_ann", 0, func(s workflows.State) workflows.Event {
			return workflows.VoteRecorded{Verdict: workflows.Approve, Digest: s.Asked.Digest, ReceivedAt: s.Stages[0].TimesOutAt}
		}, false},
		{"a vote just in time", counts, "zed submits", "p_ann", 0, func(s workflows.State) workflows.Event {
			return workflows.VoteRecorded{Verdict: workflows.Approve, Digest: s.Asked.Digest, ReceivedAt: s.Stages[0].TimesOutAt - 1}
		}, true},
		{"a vote without having opened it", counts, "zed submits", "p_ann", 0, func(s workflows.State) workflows.Event {
			return workflows.VoteRecorded{Verdict: workflows.Approve, Digest: s.Asked.Digest, Opened: workflows.Unopened}
		}, true},
		{"a vote that says it was opened", counts, "zed submits", "p_ann", 0, func(s workflows.State) workflows.Event {
			return workflows.VoteRecorded{Verdict: workflows.Approve, Digest: s.Asked.Digest, Opened: 2}
		}, false},
		{"an opening after the end", counts, "zed submits; zed withdraws", "p_ann", 0, func(workflows.State) workflows.Event { return workflows.RequestOpened{} }, false},
		{"an opening of another stage", quiet, "zed submits", "p_bob", 0, func(workflows.State) workflows.Event { return workflows.RequestOpened{Stage: 1} }, false},

		{"an approval of another text", "peers(ann bob)x1", "zed submits; stage 1 loses bob", "", 0, func(workflows.State) workflows.Event { return workflows.Approved{Digest: "other"} }, false},

		{"a denial without one", counts, "zed submits", "", 0, func(workflows.State) workflows.Event { return workflows.Denied{} }, false},
		{"a denial while the quorum is possible", counts, "zed submits; ann denies", "", 0, func(workflows.State) workflows.Event { return workflows.Denied{} }, false},
		{"a denial of another stage", quiet, "zed submits; ann approves", "", 0, func(workflows.State) workflows.Event { return workflows.Denied{} }, false},

		{"people who left", counts, "zed submits", "", 0, func(s workflows.State) workflows.Event {
			return workflows.RosterChanged{Roster: s.Stages[0].Roster[1:]}
		}, true},
		{"people who came", counts, "zed submits", "", 0, func(s workflows.State) workflows.Event {
			return workflows.RosterChanged{Roster: append(dave, s.Stages[0].Roster...)}
		}, false},
		{"somebody in the place of one who is asked", counts, "zed submits", "", 0, func(workflows.State) workflows.Event {
			return workflows.RosterChanged{Roster: []workflows.Seat{{Person: "p_bob", For: "p_ann"}}}
		}, true},
		{"somebody in the place of one who is not", counts, "zed submits", "", 0, func(workflows.State) workflows.Event {
			return workflows.RosterChanged{Roster: []workflows.Seat{{Person: "p_bob", For: "p_nobody"}}}
		}, false},
		{"a shift at its time", "peers(ann)x1 shift 1h(bob)", "zed submits", "", hour, func(workflows.State) workflows.Event { return workflows.RosterChanged{Roster: dave} }, true},
		{"a shift before its time", "peers(ann)x1 shift 1h(bob)", "zed submits", "", hour - 1000, func(workflows.State) workflows.Event { return workflows.RosterChanged{Roster: dave} }, false},
		{"a shift twice", "peers(ann)x1 shift 1h(bob)", "zed submits; 1h", "", hour, func(workflows.State) workflows.Event { return workflows.RosterChanged{Roster: dave} }, false},

		{"an automatic approval of what people decide", counts, "zed submits", "", 0, func(workflows.State) workflows.Event {
			return workflows.AutoApproved{Rule: "quick", Used: 1, Times: 1}
		}, false},
		{"an offer", counts, "zed submits", "p_ann", 0, func(workflows.State) workflows.Event { return workflows.Countered{Offer: "o_1"} }, true},
		{"an offer of a stranger", counts, "zed submits", "p_eve", 0, func(workflows.State) workflows.Event { return workflows.Countered{Offer: "o_1"} }, false},
		{"an offer of who asked", counts, "zed submits", "p_zed", 0, func(workflows.State) workflows.Event { return workflows.Countered{Offer: "o_1"} }, false},
		{"an offer of who decided", counts, "zed submits; ann approves", "p_ann", 0, func(workflows.State) workflows.Event { return workflows.Countered{Offer: "o_1"} }, false},
		{"an offer without an id", counts, "zed submits", "p_ann", 0, func(workflows.State) workflows.Event { return workflows.Countered{} }, false},
		{"an offer under a used id", counts, "zed submits; ann counters 30m", "p_bob", 0, func(s workflows.State) workflows.Event {
			return workflows.Countered{Offer: s.Offers[0].ID}
		}, false},
		{"an offer in another stage", quiet, "zed submits; ann approves", "p_bob", 0, func(workflows.State) workflows.Event { return workflows.Countered{Offer: "o_1"} }, false},
		{"an offer after the end", counts, "zed submits; zed withdraws", "p_ann", 0, func(workflows.State) workflows.Event { return workflows.Countered{Offer: "o_1"} }, false},
		{"an offer accepted", counts, "zed submits; ann counters 30m", "p_zed", 0, func(s workflows.State) workflows.Event {
			return workflows.OfferAccepted{Offer: s.Offers[0].ID}
		}, true},
		{"an offer accepted by somebody else", counts, "zed submits; ann counters 30m", "p_bob", 0, func(s workflows.State) workflows.Event {
			return workflows.OfferAccepted{Offer: s.Offers[0].ID}
		}, false},
		{"an offer declined by its maker", counts, "zed submits; ann counters 30m", "p_ann", 0, func(s workflows.State) workflows.Event {
			return workflows.OfferDeclined{Offer: s.Offers[0].ID}
		}, false},
		{"an offer that does not stand", counts, "zed submits; ann counters 30m; zed declines ann", "p_zed", 0, func(s workflows.State) workflows.Event {
			return workflows.OfferAccepted{Offer: s.Offers[0].ID}
		}, false},
		{"an offer that was never made", counts, "zed submits", "p_zed", 0, func(workflows.State) workflows.Event { return workflows.OfferDeclined{Offer: "o_1"} }, false},
		{"a note after the end", counts, "zed submits; zed withdraws", "p_ann", 0, func(workflows.State) workflows.Event { return workflows.Commented{Text: "a pity"} }, true},
	} {
		h, s := history(t, c.chain, c.steps)
		if _, err := workflows.Fold(then(h, c.by, c.after, c.event(s))); (err == nil) != c.folds {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// A seat in the place of somebody who stands behind the request is worth nothing, whoever put it there.
func TestFoldRefusesDelegatesOfTheRequester(t *testing.T) {
	t.Parallel()
	h, s := history(t, "peers(ann dave)x1", "zed submits")
	for place, folds := range map[workflows.PersonID]bool{"": true, "p_ann": true, "p_zed": false, "p_dave": false} {
		h := append([]workflows.Record(nil), h...)
		opened := h[1].Event.(workflows.StageOpened)
		opened.Roster = []workflows.Seat{{Person: "p_dave", For: place}}
		h[1].Event = opened
		vote := workflows.VoteRecorded{Verdict: workflows.Approve, Digest: s.Asked.Digest, For: place}
		if _, err := workflows.Fold(then(h, "p_dave", 0, vote)); (err == nil) != folds {
			t.Errorf("dave in the place of %q: %v", place, err)
		}
	}
}

// What approves without people is held to its rule and its cap as recorded.
func TestFoldRefusesAutomaticApprovals(t *testing.T) {
	t.Parallel()
	h, s := history(t, "peers(ann)x1 | rule quick auto 3 per 1d", "zed submits")
	h = h[:1]
	ok := workflows.AutoApproved{Rule: "quick", Used: 1, Times: 3}
	approved := workflows.Approved{Digest: s.Asked.Digest}
	if _, err := workflows.Fold(then(then(h, "", 0, ok), "", 0, approved)); err != nil {
		t.Error(err)
	}
	for name, e := range map[string]workflows.AutoApproved{
		"past its cap": {Rule: "quick", Used: 4, Times: 3}, "for the zeroth time": {Rule: "quick", Times: 3}, "by another rule": {Rule: "slow", Used: 1, Times: 3},
		"by no rule": {Used: 1, Times: 3}, "by a window that was not named": {Rule: "window ", Used: 1, Times: 3},
	} {
		if _, err := workflows.Fold(then(h, "", 0, e)); err == nil {
			t.Errorf("an automatic approval %s folds", name)
		}
	}
	if _, err := workflows.Fold(then(then(h, "", 0, ok), "", 0, ok)); err == nil {
		t.Error("it is approved twice")
	}
	if _, err := workflows.Fold(then(h, "", 0, approved)); err == nil {
		t.Error("it is approved by nobody and nothing")
	}
	if _, err := workflows.Fold(then(then(then(h, "", 0, ok), "", 0, approved), "", 0, ok)); err == nil {
		t.Error("it is approved after its end")
	}
}

// A plan that no workflow could have made does not fold.
func TestFoldRefusesImpossiblePlans(t *testing.T) {
	t.Parallel()
	one := workflows.PlannedStage{Name: "one", Quorum: 1}
	part := func(n int) workflows.PlannedPart { return workflows.PlannedPart{Name: "p", Quorum: n} }
	for name, c := range map[string]struct {
		plan  []workflows.PlannedStage
		folds bool
	}{
		"one stage":                      {[]workflows.PlannedStage{one}, true},
		"consent alone":                  {[]workflows.PlannedStage{{Kind: workflows.StageConsent, Quorum: 1}}, false},
		"consent last":                   {[]workflows.PlannedStage{one, {Kind: workflows.StageConsent, Quorum: 1}}, true},
		"consent in the middle":          {[]workflows.PlannedStage{one, {Kind: workflows.StageConsent, Quorum: 1}, one}, false},
		"consent of parts":               {[]workflows.PlannedStage{one, {Kind: workflows.StageConsent, Quorum: 1, Parts: []workflows.PlannedPart{part(1)}}}, false},
		"an unknown kind":                {[]workflows.PlannedStage{{Kind: "lottery", Quorum: 1}}, false},
		"parts":                          {[]workflows.PlannedStage{{Quorum: 3, Parts: []workflows.PlannedPart{part(1), part(2)}}}, true},
		"parts that do not add up":       {[]workflows.PlannedStage{{Quorum: 2, Parts: []workflows.PlannedPart{part(1), part(2)}}}, false},
		"any part":                       {[]workflows.PlannedStage{{Quorum: 1, AnyPart: true, Parts: []workflows.PlannedPart{part(2), part(1)}}}, true},
		"any part with another quorum":   {[]workflows.PlannedStage{{Quorum: 3, AnyPart: true, Parts: []workflows.PlannedPart{part(2), part(1)}}}, false},
		"a part of nobody":               {[]workflows.PlannedStage{{Quorum: 1, Parts: []workflows.PlannedPart{part(1), part(0)}}}, false},
		"apart from an earlier stage":    {[]workflows.PlannedStage{one, {Quorum: 1, Apart: []int{0}}}, true},
		"apart from none of the earlier": {[]workflows.PlannedStage{one, {Quorum: 1, Apart: []int{-1}}}, true},
		"apart from itself":              {[]workflows.PlannedStage{one, {Quorum: 1, Apart: []int{1}}}, false},
		"apart from what is not there":   {[]workflows.PlannedStage{one, {Quorum: 1, Apart: []int{-2}}}, false},
	} {
		_, err := workflows.Fold([]workflows.Record{{Stream: "request/r_1", Seq: 1, Person: "p_zed", Event: workflows.Submitted{Plan: c.plan}}})
		if (err == nil) != c.folds {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Moments that come from outside are kept between the opening of the stage and its time-out; what a shift brings behind that is left out.
func TestOutsideMomentsAreKeptWithinTheStage(t *testing.T) {
	t.Parallel()
	x := told(t, "peers(ann)x1 remind 1h escalate 1h(dave) escalate 2h(erin) timeout 4h", "tick")
	now := x.l.Now.UTC
	at := func(d time.Duration) workflows.Stamp { return now.Add(d) }
	r := &x.rosters.Stages[0]
	for _, c := range []struct {
		remind, escalate, then workflows.Stamp
		want                   [3]workflows.Stamp
	}{
		{0, 0, 0, [3]workflows.Stamp{at(time.Hour), at(time.Hour), at(2 * time.Hour)}},
		{at(3 * time.Hour), at(90 * time.Minute), at(100 * time.Minute), [3]workflows.Stamp{at(3 * time.Hour), at(90 * time.Minute), at(100 * time.Minute)}},
		{at(-time.Hour), at(0), 1, [3]workflows.Stamp{now + 1, now + 1, now + 1}},
		{at(5 * time.Hour), at(9000 * time.Hour), at(4 * time.Hour), [3]workflows.Stamp{at(4 * time.Hour), at(4 * time.Hour), at(4 * time.Hour)}},
	} {
		x.l = storytest.New(workflows.EventKinds())
		r.RemindAt, r.EscalateAt, r.ThenAt = c.remind, c.escalate, []workflows.Stamp{c.then}
		r.ShiftsAt = []workflows.Stamp{at(-time.Hour), at(0), at(time.Hour), at(time.Hour), at(30 * time.Minute), at(3 * time.Hour), at(4 * time.Hour), at(5 * time.Hour)}
		if code, err := x.take(x.w.Submit(x.l.Facts(), x.ask(acting("zed")))); err != nil || code != "" {
			t.Fatal(code, err)
		}
		st := x.mustState(t).Stages[0]
		if got := [3]workflows.Stamp{st.RemindAt, st.TiersAt[0], st.TiersAt[1]}; got != c.want || st.EscalateAt != got[1] {
			t.Errorf("%v, want %v", got, c.want)
		}
		if len(st.ShiftsAt) != 2 || st.ShiftsAt[0] != at(time.Hour) || st.ShiftsAt[1] != at(3*time.Hour) {
			t.Errorf("shifts at %v", st.ShiftsAt)
		}
	}
	r.ShiftsAt = nil
	for i := range workflows.MaxShifts + 10 {
		r.ShiftsAt = append(r.ShiftsAt, at(time.Duration(i+1)*time.Minute))
	}
	x.l = storytest.New(workflows.EventKinds())
	if code, err := x.take(x.w.Submit(x.l.Facts(), x.ask(acting("zed")))); err != nil || code != "" || len(x.mustState(t).Stages[0].ShiftsAt) != workflows.MaxShifts {
		t.Errorf("%q, %v, %d shifts", code, err, len(x.mustState(t).Stages[0].ShiftsAt))
	}
}

// Entries of the time before tiers, parts and delegates fold as they always did: the plan names one escalation by its delay alone.
func TestOldEntriesFold(t *testing.T) {
	t.Parallel()
	start := storytest.Start()
	at := func(d time.Duration) workflows.Instant { return start.Add(d) }
	seat := func(names string) []workflows.Seat { return seats(names) }
	add := func(h []workflows.Record, when time.Duration, p workflows.PersonID, e workflows.Event) []workflows.Record {
		return append(h, workflows.Record{Stream: "request/r_1", Seq: int64(len(h)) + 1, At: at(when), Person: p, Event: e})
	}
	plan := []workflows.PlannedStage{{Name: "peers", Quorum: 1, Escalate: 3600, Timeout: 4 * 3600}, {Name: "owner", Quorum: 1, Timeout: 3600}}
	h := add(nil, 0, "p_zed", workflows.Submitted{Subject: "p_zed", Plan: plan, Digest: "d"})
	h = add(h, 0, "", workflows.StageOpened{Roster: seat("ann bob"), EscalateAt: at(time.Hour).UTC, TimesOutAt: at(4 * time.Hour).UTC})
	h = add(h, time.Hour, "", workflows.StageEscalated{Added: seat("dave")})
	h = add(h, time.Hour, "p_dave", workflows.VoteRecorded{Verdict: workflows.Approve, Digest: "d", ReceivedAt: at(time.Hour).UTC})
	h = add(h, time.Hour, "", workflows.StageSatisfied{})
	h = add(h, time.Hour, "", workflows.StageOpened{Stage: 1, Roster: seat("olga"), TimesOutAt: at(2 * time.Hour).UTC})
	s, err := workflows.Fold(h)
	if err != nil || s.Stages[0].Status != workflows.StageMet || !s.Stages[0].Escalated || s.Stages[0].FirstAsked != 2 || workflows.NextWake(s) != at(2*time.Hour).UTC {
		t.Fatalf("%+v, %v", s, err)
	}
	h = add(h, 2*time.Hour, "", workflows.StageTimedOut{Stage: 1})
	h = add(h, 2*time.Hour, "", workflows.TimedOut{Stage: 1})
	if s, err = workflows.Fold(h); err != nil || s.Status != workflows.StatusTimedOut || !strings.Contains(workflows.Explain(s, workflows.Outlook{}).Sentence, "not a denial") {
		t.Errorf("%s, %v", s.Status, err)
	}
}
