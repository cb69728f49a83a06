package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// What the measurements append: requests from their form to their access, each step as desk hands it to the ledger, with the jobs, lists
// and surfaces that follow. The engine itself is not in it: deciding is measured elsewhere, recording here.

// lifeSteps is how many calls one request takes, lifeEntries how many entries they append.
const (
	lifeSteps   = 8
	lifeEntries = 12
)

// life is one request on its way.
type life struct {
	ids     clockIDs
	step    int
	id      workflows.RequestID
	people  [3]workflows.PersonID // who asks, and who decides
	request workflows.StreamID
	grant   workflows.StreamID
	end     workflows.Stamp
}

// begin makes the next request. Its people and target are some of a few hundred, as in a company.
func (l *life) begin(n int64) {
	l.step = 0
	l.id = workflows.RequestID(l.ids.New("r_"))
	l.request = workflows.RequestStream(l.id)
	for i := range l.people {
		l.people[i] = workflows.PersonID(fmt.Sprintf("p_%032x", (n*7+int64(i)*131)%500))
	}
	target := workflows.TargetID(fmt.Sprintf("postgres-%d", n%40))
	l.grant = workflows.GrantStream(l.people[0].Identity(), target, "read")
	l.end = workflows.StampOf(l.ids.clock.Now().Wall.Add(time.Hour))
}

// next gives the call of the next step.
func (l *life) next() (cause store.Cause, streams []workflows.StreamID, decide func(workflows.Facts) (workflows.Outcome, error)) {
	step := l.step
	l.step++
	cause = store.Cause(fmt.Sprintf("job/%s/%d", l.id, step))
	streams = []workflows.StreamID{l.request}
	if step >= 5 && step != 6 {
		streams = append(streams, l.grant)
	}
	return cause, streams, func(f workflows.Facts) (workflows.Outcome, error) { return l.decide(step, f), nil }
}

func (l *life) decide(step int, f workflows.Facts) workflows.Outcome {
	out := workflows.Outcome{
		Pending: make(map[workflows.StreamID][]workflows.Job, 2), Listings: make(map[workflows.StreamID][]workflows.Listing, 2),
	}
	at := f.Now.UTC
	switch step {
	case 0:
		l.submit(&out, at)
	case 1, 2, 3:
		l.delivered(&out, []string{"card", "ask/0/" + string(l.people[1]), "ask/0/" + string(l.people[2])}[step-1])
	case 4:
		l.vote(&out, l.people[1], at)
	case 5:
		l.vote(&out, l.people[2], at)
		l.approve(&out, f)
	case 6:
		l.delivered(&out, "outcome/approved")
	default:
		out.Add(l.grant, workflows.System, benchPolicy, grants.Started{
			Grant: workflows.GrantID(l.id), Ref: "role maya_7f3a", Facts: map[string]string{"valid_until": at.String()},
			Use: `{"kind":"connection","text":"psql -h db-7.internal -U maya_7f3a orders"}`,
		})
	}
	l.owe(&out, step)
	return out
}

// benchPolicy governs them; the ledger keeps its document.
var benchDocument = workflows.Document{Hash: benchPolicy, Kind: "policy", Bytes: []byte("{}")}

const benchPolicy workflows.DocHash = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"

func (l *life) submit(out *workflows.Outcome, at workflows.Stamp) {
	by := workflows.Acting{Actor: "a_" + workflows.ActorID(l.people[0]), Person: l.people[0]}
	out.Add(l.request, by, benchPolicy, workflows.Submitted{
		Workflow: "prod-db-read", Request: "access", Subject: l.people[0].Identity(), Target: "postgres-7", Entitlement: "read",
		Account: "maya", Seconds: 3600, Reason: "INC-4711: slow orders since the release of this morning", Fields: map[string]string{"ticket": "INC-4711"},
		Plan:   []workflows.PlannedStage{{Name: "data owners", Quorum: 2, Remind: 1200, Escalate: 3600, Timeout: 14400}},
		Digest: benchDigest, Channel: "slack", Authn: "slack-click", Rule: "tier 2: two data owners", Card: "C0123456789",
		Nonce: "00112233445566778899aabbccddeeff",
	})
	out.Add(l.request, workflows.System, benchPolicy, workflows.StageOpened{
		Stage: 0, Roster: []workflows.Seat{{Person: l.people[1], Why: "named"}, {Person: l.people[2], Why: "group:dba"}},
		RemindAt: at.Add(20 * time.Minute), EscalateAt: at.Add(time.Hour), TimesOutAt: at.Add(4 * time.Hour),
	})
	out.Documents = []workflows.Document{benchDocument}
}

const benchDigest = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

func (l *life) delivered(out *workflows.Outcome, notice string) {
	out.Add(l.request, workflows.System, "", workflows.NoticeDelivered{Notice: notice, Via: "slack", Place: "C0123456789/1760000000.123456"})
}

func (l *life) vote(out *workflows.Outcome, who workflows.PersonID, at workflows.Stamp) {
	out.Add(l.request, workflows.Acting{Actor: "a_" + workflows.ActorID(who), Person: who}, benchPolicy, workflows.VoteRecorded{
		Stage: 0, Verdict: workflows.Approve, Reason: "seen in the graphs, go ahead", Digest: benchDigest, Shown: benchDigest,
		Authn: "slack-click", Channel: "slack", Payload: benchDigest, ReceivedAt: at,
		Answers: workflows.Answers{Who: "a person on the standing list", What: "read postgres-7 for an hour", Now: "an open incident names it"},
	})
}

func (l *life) approve(out *workflows.Outcome, f workflows.Facts) {
	answers := workflows.Answers{Who: "a person on the standing list", What: "read postgres-7 for an hour", Now: "an open incident names it"}
	out.Add(l.request, workflows.System, benchPolicy, workflows.StageSatisfied{Stage: 0})
	out.Add(l.request, workflows.System, benchPolicy, workflows.Approved{Digest: benchDigest, Grant: workflows.GrantID(l.id), Answers: answers})
	out.Add(l.grant, workflows.System, benchPolicy, grants.Approved{
		Grant: workflows.GrantID(l.id), Request: l.id, Identity: l.people[0].Identity(), Requester: l.people[0],
		Approvers: slices.Clone(l.people[1:]), Owner: l.people[1], Target: "postgres-7", TargetTitle: "Orders, production", Entitlement: "read",
		Title: "Read", Connector: "postgres", Params: map[string][]string{"grant": {"orders_read"}}, Account: "maya", Holder: "Maya Lind",
		EndsAt: l.end, EndsMono: f.Now.Mono + int64(time.Hour),
	})
}

// owe says what the two streams still owe after a step, and the lists they stand on, as their folds would.
func (l *life) owe(out *workflows.Outcome, step int) {
	job := func(n string) workflows.Job {
		return workflows.Job{Kind: workflows.JobNotice, Key: n, Due: l.end, Pace: "dm:" + n}
	}
	asks := []workflows.Job{job("card"), job("ask/0/" + string(l.people[1])), job("ask/0/" + string(l.people[2]))}
	wake := workflows.Job{Kind: workflows.JobWake, Key: "wake", Due: l.end, Lane: workflows.LaneUrgent}
	list := []workflows.Listing{
		{List: workflows.ListAll, Sort: int64(l.end)},
		{List: workflows.ListMine, Member: string(l.people[0]), Sort: int64(l.end)},
		{List: workflows.ListPart, Member: string(l.people[1]), Sort: int64(l.end)},
		{List: workflows.ListPart, Member: string(l.people[2]), Sort: int64(l.end)},
	}
	if step < 5 {
		out.Pending[l.request] = append(asks[min(step, 3):], wake)
		list = append(list, workflows.Listing{List: workflows.ListOpen, Sort: int64(l.end)}, workflows.Listing{List: workflows.ListMyOpen, Member: string(l.people[0]), Sort: int64(l.end)})
		for _, p := range l.people[1+step/4:] {
			list = append(list, workflows.Listing{List: workflows.ListWaiting, Member: string(p), Sort: int64(l.end)})
		}
	} else if step == 5 {
		out.Pending[l.request] = []workflows.Job{job("outcome/approved")}
	} else {
		out.Pending[l.request] = nil
	}
	out.Listings[l.request] = list
	out.Touch = []workflows.StreamID{workflows.HomeSurface(l.people[0]), workflows.HomeSurface(l.people[1]), workflows.HomeSurface(l.people[2])}
	if step == 5 || step == 7 {
		todo := []workflows.Job{wake, {Kind: workflows.JobStart, Key: string(l.id), Due: l.end}}
		out.Pending[l.grant] = todo[:1+(7-step)/2]
		out.Listings[l.grant] = []workflows.Listing{
			{List: grants.ListByID, Member: string(l.id), Sort: int64(l.end)},
			{List: grants.ListActive, Sort: int64(l.end)},
			{List: grants.ListTarget, Member: "postgres-7", Sort: int64(l.end)},
			{List: grants.ListActive, Member: string(l.people[0]), Sort: int64(l.end)},
		}
	}
}

// took is what a number of callers saw in a stretch of time.
type took struct {
	calls int
	long  time.Duration
	each  []time.Duration // of each call, sorted
}

func (t took) perSecond() float64 { return float64(t.calls) / t.long.Seconds() }

// at gives a quantile of the time a call took.
func (t took) at(q float64) time.Duration {
	if len(t.each) == 0 {
		return 0
	}
	return t.each[min(int(q*float64(len(t.each))), len(t.each)-1)]
}

// drive lets so many callers call at the same time, each anew as soon as it has its answer, and counts what ended within the time.
func drive(ctx context.Context, callers int, long time.Duration, caller func(n int) func(context.Context) error) (took, error) {
	var wg sync.WaitGroup
	var failed atomic.Pointer[error]
	seen := make([][]time.Duration, callers)
	start := time.Now()
	end := start.Add(long)
	for n := range callers {
		call := caller(n)
		wg.Go(func() {
			for ctx.Err() == nil && failed.Load() == nil {
				begin := time.Now()
				if begin.After(end) {
					return
				}
				if err := call(ctx); err != nil {
					failed.CompareAndSwap(nil, &err)
					return
				}
				seen[n] = append(seen[n], time.Since(begin))
			}
		})
	}
	wg.Wait()
	t := took{long: time.Since(start), each: slices.Concat(seen...)}
	t.calls = len(t.each)
	slices.Sort(t.each)
	if err := failed.Load(); err != nil {
		return t, *err
	}
	return t, ctx.Err()
}
