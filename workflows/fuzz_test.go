package workflows_test

import (
	"encoding/json"
	"testing"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
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
	}
	return kinds[int(op)%len(kinds)]()
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
	if s, err := incidents.Fold(h); err == nil {
		_, _ = incidents.Pending(s), incidents.Listings(s)
		_, _, _ = s.Readiness("sha256:text", storytest.Start().UTC)
	}
	if s, err := reviews.Fold(h); err == nil {
		_, _, _ = reviews.Pending(s), reviews.Listings(s), reviews.NextWake(s)
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
