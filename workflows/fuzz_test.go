package workflows_test

import (
	"encoding/json"
	"testing"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/reviews"
	"github.com/countersign-bot/countersign/workflows/storytest"
)

// eventsOf reads bytes as a history: two bytes choose what happens, to whom and in which stage, so that mutations stay close to
// histories that fold.
func eventsOf(data []byte) []workflows.Record {
	var h []workflows.Record
	for i := 0; i+1 < len(data) && len(h) < 200; i += 2 {
		op, arg := data[i], data[i+1]
		p := workflows.PersonID("p_" + string('a'+rune(arg&7)))
		stage := int(arg>>3&3) - 1
		stamp := storytest.Start().UTC + workflows.Stamp(arg)*1e8
		grant := workflows.GrantID("g_" + string('1'+rune(arg>>3&3)))
		seats := []workflows.Seat{{Person: p, Why: "named"}, {Person: "p_b"}, {Person: "p_c", Why: "group:x"}}
		h = append(h, workflows.Record{
			Stream: "request/r_1", Seq: int64(len(h)) + 1, At: workflows.Instant{UTC: stamp, Mono: int64(arg)}, Person: p,
			Event: eventOf(op, arg, p, stage, stamp, grant, seats),
		})
	}
	return h
}

func eventOf(op, arg byte, p workflows.PersonID, stage int, stamp workflows.Stamp, grant workflows.GrantID, seats []workflows.Seat) workflows.Event {
	kinds := []func() workflows.Event{
		func() workflows.Event {
			plan := []workflows.PlannedStage{{Name: "one", Quorum: int(arg & 3)}, {Name: "two", Quorum: 1, Repeat: arg&1 == 1}}
			return workflows.Submitted{Subject: p.Identity(), Plan: plan[:arg>>3&1+1], Card: "#access"}
		},
		func() workflows.Event {
			return workflows.StageOpened{Stage: stage, Roster: seats, TimesOutAt: stamp, EscalateAt: stamp - 1, RemindAt: stamp - 2}
		},
		func() workflows.Event { return workflows.RosterChanged{Stage: stage, Roster: seats[:arg&1]} },
		func() workflows.Event { return workflows.StageReminded{Stage: stage} },
		func() workflows.Event { return workflows.StageEscalated{Stage: stage, Added: seats} },
		func() workflows.Event { return workflows.StageSatisfied{Stage: stage} },
		func() workflows.Event { return workflows.StageTimedOut{Stage: stage} },
		func() workflows.Event { return workflows.VoteRecorded{Stage: stage, Verdict: workflows.Approve} },
		func() workflows.Event { return workflows.VoteRecorded{Stage: stage, Verdict: workflows.Deny} },
		func() workflows.Event { return workflows.VoteTakenBack{Stage: stage} },
		func() workflows.Event { return workflows.Approved{Grant: grant} },
		func() workflows.Event { return workflows.Denied{Stage: stage} },
		func() workflows.Event { return workflows.Withdrawn{} },
		func() workflows.Event { return workflows.TimedOut{} },
		func() workflows.Event { return workflows.Superseded{Code: "x"} },
		func() workflows.Event { return workflows.Failed{} },
		func() workflows.Event { return workflows.Refused{} },
		func() workflows.Event { return workflows.NoticeDelivered{Notice: "ask/0/" + string(p)} },
		func() workflows.Event { return workflows.NoticeUndelivered{Notice: "ask/0/" + string(p)} },
		func() workflows.Event {
			return grants.Approved{Grant: grant, Identity: p.Identity(), Requester: p, Owner: "p_b", Shared: arg&1 == 1, EndsAt: stamp, EndsMono: int64(arg)}
		},
		func() workflows.Event { return grants.Started{Grant: grant} },
		func() workflows.Event { return grants.AttemptFailed{Grant: grant, Op: "revoke"} },
		func() workflows.Event { return grants.Failed{Grant: grant} },
		func() workflows.Event { return grants.Ending{Grant: grant} },
		func() workflows.Event { return grants.Ending{Grant: grant, KeptBy: "g_1"} },
		func() workflows.Event { return grants.Overdue{Grant: grant, Level: int(arg & 3)} },
		func() workflows.Event { return grants.Revoked{Grant: grant, Presence: "unconfirmed"} },
		func() workflows.Event { return grants.Verified{Grant: grant} },
		func() workflows.Event {
			return incidents.Preapproved{Document: "sha256:text", Until: stamp, Uses: int(arg)}
		},
		func() workflows.Event { return incidents.Invoked{Document: "sha256:text", Grant: grant, Notify: "#x"} },
		func() workflows.Event { return reviews.Opened{Owner: p, Invoker: "p_a", DueAt: stamp} },
		func() workflows.Event { return reviews.Overdue{} },
		func() workflows.Event { return reviews.Closed{Verdict: reviews.Misuse} },
		func() workflows.Event {
			return workflows.Submitted{Subject: "svc-x", Sponsor: p, Plan: plans(arg), Chosen: "r", Window: "w"}
		},
		func() workflows.Event {
			return workflows.StageOpened{Stage: stage, Roster: placed(p, arg), TimesOutAt: stamp + 1e9, EscalateAt: stamp, ThenAt: []workflows.Stamp{stamp + 1}, ShiftsAt: []workflows.Stamp{stamp, stamp + 5e8}, Told: []workflows.PersonID{p, ""}}
		},
		func() workflows.Event { return workflows.RosterChanged{Stage: stage, Roster: placed(p, arg+1)} },
		func() workflows.Event {
			return workflows.StageEscalated{Stage: stage, Added: placed(p, arg), Tier: int(arg & 1)}
		},
		func() workflows.Event { return workflows.StageSatisfied{Stage: stage, Consent: int(arg & 3)} },
		func() workflows.Event {
			return workflows.VoteRecorded{Stage: stage, Verdict: workflows.Approve, For: "p_b"}
		},
		func() workflows.Event {
			return workflows.VoteRecorded{Stage: stage, Verdict: workflows.Deny, For: "p_c", ReceivedAt: stamp}
		},
		func() workflows.Event { return workflows.AutoApproved{Rule: "r", Used: int(arg & 3), Times: 2} },
		func() workflows.Event { return workflows.AutoApproved{Rule: "window w", Used: 1, Times: 1} },
		func() workflows.Event { return workflows.Countered{Stage: stage, Offer: string('o' + rune(arg&3))} },
		func() workflows.Event { return workflows.OfferAccepted{Offer: string('o' + rune(arg&3))} },
		func() workflows.Event { return workflows.OfferDeclined{Offer: string('o' + rune(arg&3))} },
		func() workflows.Event { return workflows.Commented{Text: "hm"} },
		func() workflows.Event { return workflows.RequestOpened{Stage: stage, How: workflows.OpenedPage} },
		func() workflows.Event {
			return grants.Approved{Grant: grant, Identity: p.Identity(), Extends: "g_1", First: stamp, Cap: workflows.Span(arg), EndsAt: stamp + 1e8, StartsAt: stamp, Ticket: "T"}
		},
		func() workflows.Event {
			return identities.Away{Away: string('w' + rune(arg&3)), From: stamp, Until: stamp + 1e9, Delegate: p}
		},
		func() workflows.Event { return identities.Back{Away: string('w' + rune(arg&3))} },
		func() workflows.Event { return identities.Used{What: identities.UsedAuto, Workflow: "w", Rule: "r"} },
		func() workflows.Event {
			return identities.WindowGranted{Window: "w", Terms: workflows.WindowTerms{Times: int(arg & 3), Per: 60, Budget: 3}, EndsAt: stamp}
		},
		func() workflows.Event { return identities.WindowUsed{Window: "w"} },
		func() workflows.Event { return identities.WindowClosed{Window: "w"} },
		func() workflows.Event { return identities.Registered{Class: "api_key"} },
	}
	return kinds[int(op)%len(kinds)]()
}

// plans are some that could be made, and some that could not.
func plans(arg byte) []workflows.PlannedStage {
	two := []workflows.PlannedPart{{Name: "a", Quorum: 1}, {Name: "b", Quorum: 1}}
	tiers := []workflows.PlannedTier{{After: 60}, {Working: 60}}
	all := [][]workflows.PlannedStage{
		nil,
		{{Name: "parts", Quorum: 2, Parts: two, Tiers: tiers}},
		{{Name: "any", Quorum: 1, Parts: two, AnyPart: true, Deny: workflows.DenyCounts}},
		{{Name: "one", Quorum: 1, Tiers: tiers, OffHours: workflows.OffHoursAwake}, {Name: "quiet", Kind: workflows.StageConsent, Quorum: 1}},
		{{Name: "one", Quorum: 1, Deny: workflows.DenyCounts, Escalate: 60}, {Name: "two", Quorum: 1, Apart: []int{-1}}},
		{{Name: "odd", Quorum: 3, Parts: two}},
	}
	return all[int(arg)%len(all)]
}

// placed are seats in the place of others, in parts, away.
func placed(p workflows.PersonID, arg byte) []workflows.Seat {
	list := []workflows.Seat{
		{Person: p, Why: "named", Parts: []int{0}},
		{Person: p, For: "p_b", Why: "named", Parts: []int{1}},
		{Person: "p_b", Why: "rotation:x", Away: true, Parts: []int{0, 1}},
		{Person: "p_d", For: "p_c", Why: "group:x"},
		{Person: "p_c", Why: "named", TellAt: 1},
	}
	return list[int(arg)%3:]
}

// unfold does everything that is done with a history, in every room.
func unfold(t *testing.T, h []workflows.Record) {
	t.Helper()
	if s, err := workflows.Fold(h); err == nil {
		if s.Final() || s.Open() != nil { // the engine leaves no request between two stages; bytes may
			checkOwed(t, s)
		}
		if s.Status == workflows.StatusApproved {
			for i, st := range s.Stages {
				if st.Missing() > 0 && !takenBack(st) {
					t.Fatalf("approved with stage %d at %d of %d", i, len(st.Approvals()), st.Plan.Quorum)
				}
			}
		}
		for i := range s.Stages {
			_ = workflows.WhyYou(s, h[i%len(h)].Person, workflows.Outlook{})
		}
		if err := lenient(h); err != nil {
			t.Fatalf("folds to %s, but %v", s.Status, err)
		}
		again, err := workflows.Fold(storytest.Erase(h))
		if err != nil || again.Status != s.Status {
			t.Fatalf("erased: %s instead of %s: %v", again.Status, s.Status, err)
		}
	}
	if s, err := grants.Fold(h); err == nil {
		if err := storytest.CheckJobs(grants.Pending(s)); err != nil && len(s.Holds) > 0 {
			t.Fatal(err)
		}
		_, _ = grants.NextWake(s), grants.Listings(s)
	}
	people(h)
	if s, err := incidents.Fold(h); err == nil {
		_, _ = incidents.Pending(s), incidents.Listings(s)
		_, _, _ = s.Readiness("sha256:text", storytest.Start().UTC)
	}
	if s, err := reviews.Fold(h); err == nil {
		_, _, _ = reviews.Pending(s), reviews.Listings(s), reviews.NextWake(s)
	}
}

// people folds a history as that of a person and of an identity.
func people(h []workflows.Record) {
	now := storytest.Start().UTC
	if s, err := identities.FoldPerson(h); err == nil {
		_, _ = s.AwayAt(now)
		_, _ = s.Coming(now), s.Count(identities.UsedAuto, "w", "r", now)
	}
	if s, err := identities.FoldIdentity(h); err == nil {
		_, _ = s.WindowFor("", "", 60, now, func(workflows.WindowTerms) bool { return true })
	}
}

func takenBack(st workflows.StageState) bool {
	for _, v := range st.Votes {
		if v.TakenBack {
			return true
		}
	}
	return false
}

// FuzzFold: no history makes a fold panic, and what folds keeps its promises.
func FuzzFold(f *testing.F) {
	f.Add([]byte{0, 8 + 5, 1, 8, 7, 8 + 1, 5, 8, 10, 8})              // submitted, opened, vote, satisfied, approved
	f.Add([]byte{0, 8 + 5, 1, 8, 8, 8 + 1, 11, 8, 16, 0, 12, 0})      // denied, then withdrawn
	f.Add([]byte{0, 8 + 5, 1, 8, 3, 8, 4, 8, 18, 8, 6, 8, 13, 8})     // reminded, escalated, undelivered, timed out
	f.Add([]byte{19, 1, 20, 0, 19, 9, 24, 9, 23, 0, 26, 0, 27, 0})    // grants
	f.Add([]byte{28, 2, 29, 1, 29, 1, 17, 0, 16, 0})                  // a runbook
	f.Add([]byte{30, 9, 31, 0, 32, 0, 17, 0})                         // a review
	f.Add([]byte{0, 8 + 5, 1, 8, 7, 8 + 1, 5, 8, 10, 8, 9, 9, 14, 0}) // approved, taken back, superseded
	f.Add([]byte{33, 1, 34, 8, 7, 9, 38, 8, 37, 8, 10, 8})            // parts and places
	f.Add([]byte{33, 3, 34, 8, 36, 9, 7, 10, 5, 8, 34, 16, 17, 3, 37, 17, 10, 8})
	f.Add([]byte{33, 0, 40, 1, 10, 8})                      // approved by a rule
	f.Add([]byte{33, 4, 34, 8, 42, 8, 43, 8, 45, 0, 39, 9}) // offers, notes
	f.Add([]byte{47, 1, 48, 1, 49, 0, 50, 3, 51, 0, 52, 0, 53, 0})
	f.Fuzz(func(t *testing.T, data []byte) { unfold(t, eventsOf(data)) })
}

// FuzzDecode: no JSON of any kind of event makes a fold panic.
func FuzzDecode(f *testing.F) {
	x, err := newWorld("peers(ann bob)x2 escalate 1h(dave) timeout 4h")
	if err != nil {
		f.Fatal(err)
	}
	for _, step := range [][]string{{"zed", "submits"}, {"ann", "approves"}, {"1h"}, {"dave", "approves"}} {
		if _, err := x.step(step); err != nil {
			f.Fatal(err)
		}
	}
	var lines []byte
	for _, r := range x.l.Histories[x.stream()] {
		b, err := json.Marshal(r.Event)
		if err != nil {
			f.Fatal(err)
		}
		lines = append(append(append(append(lines, r.Event.Kind()...), ' '), b...), '\n')
	}
	f.Add(string(lines))
	f.Add("grant.approved {\"grant\":\"g\",\"ends_at\":\"2026-11-02T09:00:00.000000Z\"}\ngrant.ending {\"grant\":\"g\"}\n")
	kinds := map[string]workflows.EventKind{}
	for _, k := range allKinds() {
		kinds[k.Name] = k
	}
	f.Fuzz(func(t *testing.T, text string) {
		var h []workflows.Record
		for kind, rest, ok := cutLine(&text); ok && len(h) < 100; kind, rest, ok = cutLine(&text) {
			k, known := kinds[kind]
			if !known {
				continue
			}
			p := k.New()
			if json.Unmarshal([]byte(rest), p) != nil {
				continue
			}
			h = append(h, workflows.Record{Stream: "request/r_1", Seq: int64(len(h)) + 1, Person: "p_ann", Event: k.Value(p)})
		}
		fold(h)
	})
}

// fold does what must not panic, without asking what comes out: JSON can say things that no engine does.
func fold(h []workflows.Record) {
	if s, err := workflows.Fold(h); err == nil {
		_, _, _ = workflows.Pending(s), workflows.Listings(s), workflows.Explain(s, workflows.Outlook{})
	}
	if s, err := grants.Fold(h); err == nil {
		_, _ = grants.Pending(s), grants.Listings(s)
	}
	if s, err := incidents.Fold(h); err == nil {
		_, _ = incidents.Pending(s), incidents.Listings(s)
	}
	if s, err := reviews.Fold(h); err == nil {
		_, _ = reviews.Pending(s), reviews.Listings(s)
	}
}

// cutLine takes "kind json" off the front of a text.
func cutLine(text *string) (kind, rest string, ok bool) {
	s := *text
	for i := range len(s) {
		if s[i] == '\n' {
			line := s[:i]
			*text = s[i+1:]
			for j := range len(line) {
				if line[j] == ' ' {
					return line[:j], line[j+1:], true
				}
			}
			return line, "", true
		}
	}
	*text = ""
	return "", "", false
}
