package watching_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/watching"
)

const (
	maya  workflows.PersonID = "p_maya"
	jonas workflows.PersonID = "p_jonas"
	ada   workflows.PersonID = "p_ada"
	day                      = 24 * time.Hour
)

// log is a ledger as it grows, and what one rule finds in it.
type log struct {
	t    *testing.T
	w    *watching.Watcher
	at   time.Time
	n    int64
	seen []watching.Finding
	all  []workflows.Record
}

func watch(t *testing.T, rules ...workflows.WatchRule) *log {
	t.Helper()
	t.Parallel()
	for i := range rules {
		rules[i].Name, rules[i].Then = fmt.Sprintf("rule-%d", i), workflows.ThenNotify
	}
	return &log{t: t, w: watching.New(rules), at: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
}

// say appends an entry after some time, and gives how many findings there are so far.
func (l *log) say(after time.Duration, s workflows.StreamID, by workflows.PersonID, e workflows.Event) int {
	l.at = l.at.Add(after)
	r := workflows.Record{Index: l.n, ID: fmt.Sprintf("e%d", l.n), Stream: s, At: workflows.Instant{UTC: workflows.StampOf(l.at)}, Person: by, Event: e}
	l.n++
	l.all = append(l.all, r)
	l.seen = append(l.seen, l.w.Apply(r)...)
	return len(l.seen)
}

func (l *log) ask(after time.Duration, id string, by workflows.PersonID, target workflows.TargetID) int {
	return l.say(after, workflows.RequestStream(workflows.RequestID(id)), by, workflows.Submitted{Subject: by.Identity(), Target: target})
}

// decide opens the stage of a request and approves it after some time.
func (l *log) decide(after time.Duration, id string, by workflows.PersonID) int {
	s := workflows.RequestStream(workflows.RequestID(id))
	l.say(0, s, "", workflows.StageOpened{})
	return l.say(after, s, by, workflows.VoteRecorded{Verdict: workflows.Approve, ReceivedAt: workflows.StampOf(l.at.Add(after))})
}

func (l *log) want(n int, what string) {
	l.t.Helper()
	if len(l.seen) != n {
		l.t.Fatalf("%s: %d findings, want %d: %+v", what, len(l.seen), n, l.seen)
	}
}

func hours(n int) workflows.Span { return workflows.Span(n * 3600) }

func TestReq_R76_Burst(t *testing.T) {
	l := watch(t, workflows.WatchRule{Signal: workflows.SignalBurst, Times: 3, Within: hours(1)})
	l.ask(0, "r1", maya, "pg")
	l.ask(0, "r2", jonas, "pg")
	l.ask(59*time.Minute, "r3", maya, "pg")
	l.ask(2*time.Minute, "r4", maya, "pg")
	l.want(0, "two within the hour")
	l.ask(time.Minute, "r5", maya, "pg")
	l.want(1, "three within the hour")
	if f := l.seen[0]; f.Identity != maya.Identity() || f.Entry != "e4" || f.Count != 3 {
		t.Errorf("found %+v", f)
	}
	l.ask(time.Minute, "r6", maya, "pg")
	l.want(1, "what made a finding makes no second one")
}

func TestReq_R76_FirstTimeForThisTarget(t *testing.T) {
	l := watch(t, workflows.WatchRule{Signal: workflows.SignalFirstTarget, Within: hours(24 * 30), Targets: []workflows.TargetID{"pg", "prod"}})
	l.ask(0, "r1", maya, "pg")
	l.ask(day, "r2", maya, "prod")
	l.want(0, "somebody new asks for everything for the first time")
	l.ask(31*day, "r3", maya, "prod")
	l.ask(0, "r4", maya, "staging")
	l.want(0, "a target of before, and one that is not watched")
	l.ask(0, "r5", jonas, "staging")
	l.ask(31*day, "r6", jonas, "pg")
	l.want(1, "known for a month, and never asked for it")
}

func TestReq_R76_UnusualHour(t *testing.T) {
	l := watch(t, workflows.WatchRule{Signal: workflows.SignalUnusualHour, Times: 20})
	for i := range 20 {
		l.ask(day, fmt.Sprintf("r%d", i), maya, "pg")
	}
	l.ask(61*time.Minute, "s1", maya, "pg")
	l.want(0, "an hour later than usual")
	l.ask(17*time.Hour, "s2", maya, "pg")
	l.want(1, "at three in the night")
	l.ask(day, "s3", maya, "pg")
	l.want(1, "the second time it is not new")
}

func TestReq_R76_ApprovalInSeconds(t *testing.T) {
	l := watch(t, workflows.WatchRule{Signal: workflows.SignalFastApproval, Seconds: 5})
	l.ask(0, "r1", maya, "pg")
	l.decide(5*time.Second, "r1", jonas)
	l.want(0, "five seconds are enough")
	l.ask(0, "r2", maya, "pg")
	l.decide(4*time.Second, "r2", jonas)
	l.want(1, "four are not")
	if f := l.seen[0]; f.Identity != jonas.Identity() || f.With != maya || f.Count != 4 {
		t.Errorf("found %+v", f)
	}
	l.say(0, "request/r2", jonas, workflows.VoteRecorded{Verdict: workflows.Deny})
	l.want(1, "a denial may be quick")
}

// TestReq_R76_ApprovalInSecondsWithoutOpening: the seconds count from when the approver could first see it, and a rule may look only at those who did not
// open it. An approval that came with an offer was decided when that was made.
func TestReq_R76_ApprovalInSecondsWithoutOpening(t *testing.T) {
	l := watch(t, workflows.WatchRule{Signal: workflows.SignalFastApproval, Seconds: 60, Unopened: true})
	vote := func(after time.Duration, id string, opened int64) int {
		return l.say(after, workflows.RequestStream(workflows.RequestID(id)), jonas, workflows.VoteRecorded{Verdict: workflows.Approve, ReceivedAt: workflows.StampOf(l.at.Add(after)), Opened: opened})
	}
	open := func(id string) {
		l.ask(0, id, maya, "pg")
		l.say(0, workflows.RequestStream(workflows.RequestID(id)), "", workflows.StageOpened{})
	}
	told := func(after time.Duration, id, notice string) {
		l.say(after, workflows.RequestStream(workflows.RequestID(id)), "", workflows.NoticeDelivered{Notice: notice, Via: "slack"})
	}
	open("r1")
	vote(5*time.Second, "r1", 3)
	open("r2")
	vote(5*time.Second, "r2", 0)
	l.want(0, "opened, and of a program that did not look at that")
	open("r3")
	vote(60*time.Second, "r3", workflows.Unopened)
	l.want(0, "a minute is enough")
	open("r4")
	told(10*time.Minute, "r4", "ask/0/p_ada")
	told(10*time.Minute, "r4", "ask/0/p_jonas")
	told(10*time.Minute, "r4", workflows.NoticeCard)
	vote(50*time.Second, "r4", workflows.Unopened)
	l.want(0, "told ten minutes before")
	open("r5")
	told(10*time.Minute, "r5", workflows.NoticeCard)
	told(10*time.Second, "r5", "ask/0/p_jonas")
	vote(45*time.Second, "r5", workflows.Unopened)
	l.want(1, "the message came late, and the approval 55 seconds later")
	if f := l.seen[0]; !f.Unopened || f.Identity != jonas.Identity() || f.With != maya || f.Count != 55 {
		t.Errorf("found %+v", f)
	}
	open("r6")
	told(10*time.Minute, "r6", "ask/1/p_jonas")
	vote(5*time.Second, "r6", workflows.Unopened)
	l.want(1, "the message of another stage says nothing")
	open("r7")
	told(0, "r7", workflows.NoticeCard)
	l.say(time.Hour, "request/r7", "", workflows.StageOpened{Stage: 1})
	vote(5*time.Second, "r7", workflows.Unopened)
	l.want(2, "the card is older than its second stage")
	l.say(0, "request/r8", maya, workflows.Submitted{Subject: maya.Identity(), Target: "pg", Offer: workflows.OfferRef{Request: "r1", Offer: "o1", By: jonas}})
	l.say(0, "request/r8", "", workflows.StageOpened{})
	vote(0, "r8", 0)
	l.want(2, "an offer that is taken up")
}

func TestReq_R76_SamePairApprovesEachOther(t *testing.T) {
	l := watch(t, workflows.WatchRule{Signal: workflows.SignalSamePair, Times: 4, Within: hours(24 * 30)})
	for i := range 9 {
		l.ask(time.Hour, fmt.Sprintf("r%d", i), maya, "pg")
		l.decide(time.Minute, fmt.Sprintf("r%d", i), ada)
	}
	l.want(0, "one decides and the other asks: that is a lead and her team")
	for i, p := range []workflows.PersonID{maya, jonas, maya} {
		id := fmt.Sprintf("s%d", i)
		l.ask(time.Hour, id, p, "pg")
		l.decide(time.Minute, id, map[workflows.PersonID]workflows.PersonID{maya: jonas, jonas: maya}[p])
	}
	l.want(0, "three times")
	l.ask(31*day, "s3", jonas, "pg")
	l.decide(time.Minute, "s3", maya)
	l.want(0, "those of before are too old")
	for i, p := range []workflows.PersonID{maya, jonas, maya} {
		id := fmt.Sprintf("u%d", i)
		l.ask(time.Hour, id, p, "pg")
		l.decide(time.Minute, id, map[workflows.PersonID]workflows.PersonID{maya: jonas, jonas: maya}[p])
	}
	l.want(1, "four times in both directions")
}

func TestReq_R76_RepeatedDenials(t *testing.T) {
	l := watch(t, workflows.WatchRule{Signal: workflows.SignalDenials, Times: 3, Within: hours(24)})
	l.ask(0, "r1", maya, "pg")
	l.say(time.Hour, "request/r1", jonas, workflows.VoteRecorded{Verdict: workflows.Deny})
	l.say(0, "request/r1", "", workflows.Denied{})
	l.say(0, "system", maya, workflows.Refused{Command: "request", Code: workflows.CodeNotEligible})
	l.say(0, "system", "", workflows.Refused{Command: "request", Code: workflows.CodeUnlinked})
	l.want(0, "two of one person, and one of nobody known")
	l.say(0, "system", maya, workflows.Refused{Command: "revoke", Code: workflows.CodeNotYours})
	l.want(1, "three of one person")
	if f := l.seen[0]; f.Identity != maya.Identity() {
		t.Errorf("found %+v, want the one who was denied", f)
	}
}

func TestReq_R76_DormantAwake(t *testing.T) {
	l := watch(t, workflows.WatchRule{Signal: workflows.SignalDormant, Within: hours(24 * 90)})
	l.ask(0, "r1", maya, "pg")
	l.ask(89*day, "r2", maya, "pg")
	l.want(0, "eighty-nine days")
	l.ask(91*day, "r3", maya, "pg")
	l.want(1, "ninety-one days")
	l.ask(day, "r4", maya, "pg")
	l.want(1, "it is awake now")
}

func TestReq_R76_ManyBreakGlass(t *testing.T) {
	l := watch(t, workflows.WatchRule{Signal: workflows.SignalBreakGlass, Times: 2, Within: hours(24)})
	l.say(0, "runbook/db", maya, incidents.Invoked{})
	l.say(0, "runbook/db", maya, incidents.Invoked{Drill: true})
	l.say(25*time.Hour, "runbook/db", maya, incidents.Invoked{})
	l.want(0, "practice does not count, nor does yesterday")
	l.say(time.Hour, "runbook/web", maya, incidents.Invoked{})
	l.want(1, "twice within a day")
}

func TestReq_R76_UseOutsideItsTimeAndAfterRevocation(t *testing.T) {
	l := watch(t, workflows.WatchRule{Signal: workflows.SignalUseOutside}, workflows.WatchRule{Signal: workflows.SignalUseAfterEnd})
	s := workflows.GrantStream("svc-deploy", "pg", "read")
	begin := workflows.StampOf(l.at)
	l.say(0, s, "", grants.Approved{Grant: "g1", Identity: "svc-deploy", Target: "pg", EndsAt: begin.Add(time.Hour)})
	l.say(time.Minute, s, "", grants.SessionSeen{Grant: "g1", Session: "a", Since: begin})
	l.want(0, "used while it was held")
	l.say(0, s, "", grants.SessionSeen{Grant: "g1", Session: "early", Since: begin.Add(-time.Minute)})
	l.want(1, "a session of before it began")
	l.say(time.Minute, s, "", grants.Ending{Grant: "g1", How: grants.HowRevoked})
	l.say(30*time.Second, s, "", grants.SessionSeen{Grant: "g1", Session: "a", Since: begin})
	l.want(1, "it is just being ended")
	l.say(time.Minute, s, "", grants.SessionSeen{Grant: "g1", Session: "a", Since: begin})
	l.say(time.Minute, s, "", grants.SessionSeen{Grant: "g1", Session: "a", Since: begin})
	l.want(2, "it goes on after its end; found once")
	l.say(time.Minute, s, "", grants.Revoked{Grant: "g1"})
	l.say(time.Minute, s, "", grants.SecretTaken{Grant: "g1"})
	l.want(3, "a secret taken after the revocation")
	var signals []string
	for _, f := range l.seen {
		signals = append(signals, f.Signal)
	}
	if diff := cmp.Diff([]string{workflows.SignalUseOutside, workflows.SignalUseOutside, workflows.SignalUseAfterEnd}, signals); diff != "" {
		t.Errorf("signals (-want +got):\n%s", diff)
	}
}

// TestReq_R76_EachFindingOnce: whoever reads the entries again finds the same, and knows what the ledger already holds.
func TestReq_R76_EachFindingOnce(t *testing.T) {
	rule := workflows.WatchRule{Signal: workflows.SignalBurst, Times: 2, Within: hours(1)}
	l := watch(t, rule)
	for i := range 7 {
		l.ask(time.Minute, fmt.Sprintf("r%d", i), maya, "pg")
	}
	l.want(3, "two at a time")
	first := l.seen[0]
	if l.w.Recorded(first) {
		t.Error("it is not recorded yet")
	}
	l.say(0, workflows.SystemStream, "", first.WatchFound)
	rule.Name, rule.Then = "rule-0", workflows.ThenNotify
	again := watching.New([]workflows.WatchRule{rule})
	var found []watching.Finding
	for _, r := range l.all {
		found = append(found, again.Apply(r)...)
	}
	if diff := cmp.Diff(l.seen, found); diff != "" {
		t.Errorf("the second reading finds something else (-first +second):\n%s", diff)
	}
	if !again.Recorded(first) || again.Recorded(l.seen[1]) {
		t.Error("it does not know which findings the ledger holds")
	}
	if more := again.Apply(l.all[3]); len(more) > 0 || again.Next() != int64(len(l.all)) {
		t.Errorf("an entry that was taken in counts again: %+v", more)
	}
}
