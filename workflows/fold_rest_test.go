package workflows_test

import (
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

// misrecorded makes one entry from a state; by and after are whose it is and how long after the last one.
type misrecorded struct {
	name, chain, steps string
	by                 workflows.PersonID
	after              time.Duration
	event              func(s workflows.State) workflows.Event
	says               string // empty: it folds
}

func is(e workflows.Event) func(workflows.State) workflows.Event {
	return func(workflows.State) workflows.Event { return e }
}

// A damaged ledger is told in words that lead to the entry: each entry that does not fold says what it is, where it stands and what it
// contradicts; its neighbour that differs in one thing folds.
func TestFoldSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	const two = "peers(ann bob)x1 timeout 4h > owner(olga)x1 timeout 2h"
	const pair = "peers(ann bob)x2 timeout 4h"
	const counts = "peers(ann bob)x1 deny counts timeout 4h"
	const quiet = "peers(ann)x1 timeout 4h > quiet(bob carol)x2 consent timeout 2h"
	const tiers = "peers(ann)x1 escalate 1h(dave) escalate 2h(erin) timeout 4h"
	vote := func(stage int, v workflows.Verdict) func(workflows.State) workflows.Event {
		return func(s workflows.State) workflows.Event {
			return workflows.VoteRecorded{Stage: stage, Verdict: v, Digest: s.Asked.Digest}
		}
	}
	approved := func(s workflows.State) workflows.Event { return workflows.Approved{Digest: s.Asked.Digest} }
	for _, c := range []misrecorded{
		{"submitted again", two, "zed submits", "p_zed", 0, is(workflows.Submitted{}), "request.submitted twice"},
		{"an entry of another kind of stream", two, "zed submits", "", 0, is(workflows.AlarmRaised{}), "alarm.raised does not belong to a request"},
		{"a stage opened twice", two, "zed submits", "", 0, is(workflows.StageOpened{}), "stage 0 opened twice"},
		{"a stage opened out of turn", two, "zed submits", "", 0, is(workflows.StageOpened{Stage: 1}), "stage.opened for stage 1 while stage 0 is current"},
		{"a stage that was never planned", two, "zed submits", "", 0, is(workflows.StageReminded{Stage: 2}), "stage.reminded for stage 2 while stage 0 is current"},
		{"a stage below the first", two, "zed submits", "", 0, is(workflows.StageReminded{Stage: -1}), "stage.reminded for stage -1 while stage 0 is current"},
		{"a reminder", two, "zed submits", "", 0, is(workflows.StageReminded{}), ""},
		{"a reminder after the end", two, "zed submits; zed withdraws", "", 0, is(workflows.StageReminded{}), "stage.reminded after the request was withdrawn"},
		{"a time-out twice", two, "zed submits; 4h", "", 0, is(workflows.StageTimedOut{}), "stage.timed_out after the request was timed_out"},
		{"a roster of a closed stage", two, "zed submits; ann approves", "", 0, is(workflows.RosterChanged{}), "roster.changed for stage 0 while stage 1 is current"},
		{"satisfied with nobody", pair, "zed submits", "", 0, is(workflows.StageSatisfied{}), "stage 0 satisfied with 2 approvals missing"},
		{"satisfied with one of two", pair, "zed submits; ann approves", "", 0, is(workflows.StageSatisfied{}), "stage 0 satisfied with 1 approvals missing"},
		{"satisfied after one took back", pair, "zed submits; ann approves; bob approves", "", 0, is(workflows.StageSatisfied{}), "stage.satisfied after the request was approved"},
		{"approved with nobody", pair, "zed submits", "", 0, approved, "approved although stage 1 (peers) has 0 of 2 approvals"},
		{"approved with one of two", pair, "zed submits; ann approves", "", 0, approved, "approved although stage 1 (peers) has 1 of 2 approvals"},
		{"approved before the last stage", two, "zed submits; ann approves", "", 0, approved, "approved although stage 2 (owner) has 0 of 1 approvals"},
		{"approved twice", two, "zed submits; ann approves; olga approves", "", 0, approved, "request.approved after the request was approved"},
		{"approved after a denial", two, "zed submits; ann denies", "", 0, approved, "request.approved after the request was denied"},
		{"approved in other words", two, "zed submits", "", 0, is(workflows.Approved{Digest: "x"}), "request.approved of another text than was asked"},
		{"failed before it was approved", two, "zed submits; zed withdraws", "", 0, is(workflows.Failed{}), "request.failed after the request was withdrawn"},
		{"failed", two, "zed submits; ann approves; olga approves", "", 0, is(workflows.Failed{Why: "no"}), ""},
		{"failed twice", two, "zed submits; ann approves; olga approves; access fails", "", 0, is(workflows.Failed{}), "request.failed after the request was failed"},
		{"superseded when it was approved", two, "zed submits; ann approves; olga approves", "", 0, is(workflows.Superseded{Code: "no_vote"}), ""},
		{"superseded when it was denied", two, "zed submits; ann denies", "", 0, is(workflows.Superseded{}), "request.superseded after the request was denied"},
		{"withdrawn when it was approved", two, "zed submits; ann approves; olga approves", "p_zed", 0, is(workflows.Withdrawn{}), "request.withdrawn after the request was approved"},
		{"timed out when it was approved", two, "zed submits; ann approves; olga approves", "", 0, is(workflows.TimedOut{}), "request.timed_out after the request was approved"},
		{"denied by nobody", two, "zed submits; ann approves", "", 0, is(workflows.Denied{Stage: 1}), "denied at stage 2, where nobody denied"},
		{"denied at a stage that is over", two, "zed submits; ann approves", "", 0, is(workflows.Denied{}), "denied at stage 1, where nobody denied"},
		{"denied at a stage beyond the plan", two, "zed submits", "", 0, is(workflows.Denied{Stage: 2}), "denied at stage 3, where nobody denied"},
		{"denied while another can approve", counts, "zed submits; ann denies", "", 0, is(workflows.Denied{}), "denied at stage 1, whose quorum can still be met"},
		{"denied when it was denied", two, "zed submits; ann denies", "", 0, is(workflows.Denied{}), "request.denied after the request was denied"},

		{"a vote of a stranger", two, "zed submits", "p_eve", 0, vote(0, workflows.Approve), `vote of "p_eve", who could not decide stage 0`},
		{"a vote of nobody", two, "zed submits", "", 0, vote(0, workflows.Approve), `vote of "", who could not decide stage 0`},
		{"a vote of who asked", two, "zed submits", "p_zed", 0, vote(0, workflows.Approve), `vote of "p_zed", who could not decide stage 0`},
		{"a vote of the next stage's people", two, "zed submits", "p_olga", 0, vote(0, workflows.Approve), `vote of "p_olga", who could not decide stage 0`},
		{"a second vote", pair, "zed submits; ann approves", "p_ann", 0, vote(0, workflows.Approve), `vote of "p_ann", who could not decide stage 0`},
		{"a denial behind an approval", pair, "zed submits; ann approves", "p_ann", 0, vote(0, workflows.Deny), `vote of "p_ann", who could not decide stage 0`},
		{"an approval behind a denial", counts, "zed submits; ann denies", "p_ann", 0, vote(0, workflows.Approve), `vote of "p_ann", who could not decide stage 0`},
		{"a vote after one taken back", pair, "zed submits; ann approves; ann takes back", "p_ann", 0, vote(0, workflows.Approve), ""},
		{"an offer as a vote", pair, "zed submits", "p_ann", 0, vote(0, workflows.Counter), `vote with verdict "counter"`},
		{"a verdict in capitals", pair, "zed submits", "p_ann", 0, vote(0, "APPROVE"), `vote with verdict "APPROVE"`},
		{"silence as a vote", quiet, "zed submits; ann approves", "p_bob", 0, vote(1, workflows.Approve), `vote with verdict "approve"`},
		{"a vote on other words", pair, "zed submits", "p_ann", 0, is(workflows.VoteRecorded{Verdict: workflows.Approve}), `vote of "p_ann" on another text than was asked`},
		{"a vote in the own place", pair, "zed submits", "p_ann", 0, func(s workflows.State) workflows.Event {
			return workflows.VoteRecorded{Verdict: workflows.Approve, Digest: s.Asked.Digest, For: "p_ann"}
		}, `vote of "p_ann", who could not decide stage 0`},
		{"a vote at the deadline", pair, "zed submits", "p_ann", 0, func(s workflows.State) workflows.Event {
			return workflows.VoteRecorded{Verdict: workflows.Deny, Digest: s.Asked.Digest, ReceivedAt: s.Stages[0].TimesOutAt}
		}, `vote of "p_ann", received when stage 0 was over`},
		{"a vote after the denial of another", two, "zed submits; ann denies", "p_bob", 0, vote(0, workflows.Approve), "vote.recorded after the request was denied"},

		{"taken back by who did not vote", pair, "zed submits; ann approves", "p_bob", 0, is(workflows.VoteTakenBack{}), `vote.taken_back of "p_bob", who has no approval in stage 0`},
		{"taken back in another stage", two, "zed submits; ann approves", "p_ann", 0, is(workflows.VoteTakenBack{Stage: 1}), `vote.taken_back of "p_ann", who has no approval in stage 1`},
		{"taken back beyond the plan", two, "zed submits; ann approves", "p_ann", 0, is(workflows.VoteTakenBack{Stage: 2}), `vote.taken_back of "p_ann", who has no approval in stage 2`},
		{"taken back below the first", two, "zed submits; ann approves", "p_ann", 0, is(workflows.VoteTakenBack{Stage: -1}), `vote.taken_back of "p_ann", who has no approval in stage -1`},
		{"taken back behind a closed stage", two, "zed submits; ann approves", "p_ann", 0, is(workflows.VoteTakenBack{}), ""},
		{"taken back twice", pair, "zed submits; ann approves; ann takes back", "p_ann", 0, is(workflows.VoteTakenBack{}), `vote.taken_back of "p_ann", who has no approval in stage 0`},
		{"a denial taken back", counts, "zed submits; ann denies", "p_ann", 0, is(workflows.VoteTakenBack{}), `vote.taken_back of "p_ann", who has no approval in stage 0`},
		{"taken back from what was denied", two, "zed submits; ann approves; olga denies", "p_ann", 0, is(workflows.VoteTakenBack{}), "vote.taken_back after the request was denied"},

		{"the second tier first", tiers, "zed submits", "", time.Hour, is(workflows.StageEscalated{Tier: 1}), "stage.escalated to tier 1, but 0 of 2 are open"},
		{"a third tier of two", tiers, "zed submits; 2h", "", 0, is(workflows.StageEscalated{Tier: 2}), "stage.escalated to tier 2, but 2 of 2 are open"},
		{"the second tier early", tiers, "zed submits; 1h", "", 59 * time.Minute, is(workflows.StageEscalated{Tier: 1}), "stage.escalated to tier 1 before its time"},
		{"the second tier", tiers, "zed submits; 1h", "", time.Hour, is(workflows.StageEscalated{Tier: 1, Added: seats("erin")}), ""},
		{"two people out of nowhere", pair, "zed submits", "", 0, is(workflows.RosterChanged{Roster: seats("ann dave erin")}), "roster.changed puts 2 people on the roster although no shift is due"},
		{"nobody left", pair, "zed submits", "", 0, is(workflows.RosterChanged{}), ""},
		{"silence too soon", quiet, "zed submits; ann approves; told all", "", 119 * time.Minute, is(workflows.StageSatisfied{Stage: 1, Consent: 2}), "stage 1 satisfied without objections, although there are some or could still be"},
		{"silence miscounted", quiet, "zed submits; ann approves; told bob", "", 2 * time.Hour, is(workflows.StageSatisfied{Stage: 1, Consent: 2}), "stage 1 satisfied without objections of 2, but 1 were told and 2 needed"},

		{"people and a rule", two, "zed submits", "", 0, is(workflows.AutoApproved{Rule: "quick", Used: 1, Times: 1}), "request.auto_approved of a request that people decide, or that is over"},
		{"an offer at the wrong stage", two, "zed submits", "p_ann", 0, is(workflows.Countered{Offer: "o_1", Stage: 1}), "request.countered for stage 1, which is not open"},
		{"an offer of who left", two, "zed submits; stage 1 loses ann", "p_ann", 0, func(s workflows.State) workflows.Event {
			return workflows.Countered{Offer: "o_1", ReceivedAt: s.Stages[0].TimesOutAt - 1}
		}, `request.countered by "p_ann", who could not decide stage 0`},
		{"an offer received before they left", two, "zed submits; 1h; stage 1 loses ann", "p_ann", 0, func(s workflows.State) workflows.Event {
			return workflows.Countered{Offer: "o_1", ReceivedAt: s.At.UTC}
		}, ""},
		{"an offer with no name", two, "zed submits", "p_ann", 0, is(workflows.Countered{}), `request.countered under the used or empty id ""`},
		{"an answer to nothing", two, "zed submits", "p_zed", 0, is(workflows.OfferAccepted{Offer: "o_1"}), `offer.accepted of offer "o_1", which does not stand`},
		{"an answer by another", two, "zed submits; ann counters 30m", "p_ann", 0, is(workflows.OfferDeclined{Offer: "o_2"}), `offer.declined by "p_ann", who did not ask`},
		{"an answer by nobody", two, "zed submits; ann counters 30m", "", 0, is(workflows.OfferDeclined{Offer: "o_2"}), `offer.declined by "", who did not ask`},
		{"an answer to an offer that was replaced", two, "zed submits; ann counters 30m; ann counters 20m", "p_zed", 0, is(workflows.OfferDeclined{Offer: "o_2"}), `offer.declined of offer "o_2", which does not stand`},
		{"an answer after the end", two, "zed submits; ann counters 30m; zed withdraws", "p_zed", 0, is(workflows.OfferDeclined{Offer: "o_2"}), "offer.declined after the request was withdrawn"},
		{"a refusal after the end", two, "zed submits; zed withdraws", "p_ann", 0, is(workflows.Refused{Code: "decided"}), ""},
		{"a delivery after the end", two, "zed submits; zed withdraws", "", 0, is(workflows.NoticeDelivered{Notice: "n"}), ""},
	} {
		h, s := history(t, c.chain, c.steps)
		h = then(h, c.by, c.after, c.event(s))
		_, err := workflows.Fold(h)
		switch {
		case c.says == "" && err != nil:
			t.Errorf("%s does not fold: %v", c.name, err)
		case c.says != "" && (err == nil || !strings.HasSuffix(err.Error(), ": "+c.says)):
			t.Errorf("%s:\n got %v\nwant … %s", c.name, err, c.says)
		case c.says != "" && !strings.HasPrefix(err.Error(), `folding "request/r_1" at seq `):
			t.Errorf("%s: %v does not say where", c.name, err)
		}
	}
}
