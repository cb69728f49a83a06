package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/runbooktest"
	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/store/storetest"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// plant is the part of serve that makes and takes back access, on targets in memory: the real ledger, queue, desk, runner and handlers.
type plant struct {
	clock   *storetest.Clock
	store   *store.Store
	desk    *desk.Desk
	targets map[string]*stamped
	order   *revocations
	log     *slog.Logger
}

func jobOf(stream workflows.StreamID, kind, key string) jobs.Job {
	return jobs.Job{ID: 1, Gen: 1, Stream: stream, Kind: kind, Key: key}
}

// revocations remembers in which order revocations began.
type revocations struct {
	mu    sync.Mutex
	first map[workflows.GrantID]bool
	begun []string // targets
	n     int
	want  int
	done  chan struct{} // closed when want of them have begun
}

func (r *revocations) begin(target string, g workflows.GrantID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.first[g] {
		return
	}
	r.first[g] = true
	r.begun = append(r.begun, target)
	if r.n++; r.n == r.want {
		close(r.done)
	}
}

// expect forgets what began, and waits for the next n.
func (r *revocations) expect(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.first, r.begun, r.n, r.want, r.done = map[workflows.GrantID]bool{}, nil, 0, n, make(chan struct{})
}

func (r *revocations) await(t testing.TB) []string {
	t.Helper()
	select {
	case <-r.done:
	case <-time.After(3 * time.Minute):
		r.mu.Lock()
		defer r.mu.Unlock()
		t.Fatalf("%d of %d revocations began", r.n, r.want)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.begun)
}

// stamped is a target in memory that says when a revocation begins.
type stamped struct {
	*runbooktest.Memory
	name    string
	order   *revocations
	healthy bool
}

func (s *stamped) Revoke(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	if s.healthy {
		s.order.begin(s.name, g.ID)
	}
	return s.Memory.Revoke(ctx, g)
}

// everybody is a directory in which all are well.
type everybody struct{}

func (everybody) Standing(ctx context.Context, by workflows.Acting) (workflows.Standing, error) {
	return everybody{}.StandingOf(ctx, by.Person)
}

func (everybody) StandingOf(context.Context, workflows.PersonID) (workflows.Standing, error) {
	return workflows.Standing{Known: true, Linked: true, Active: true, Human: true, Member: true}, nil
}

func (everybody) ChatGroup(context.Context, string) ([]workflows.PersonID, error) { return nil, nil }

func (everybody) ChatChannel(context.Context, string) ([]workflows.PersonID, error) { return nil, nil }

func (everybody) Name(_ context.Context, p workflows.PersonID) string { return string(p) }

// newPlant starts one with targets t0, t1 …
func newPlant(t testing.TB, targets int) *plant {
	t.Helper()
	cfg := storetest.Config(t)
	p := &plant{clock: storetest.NewClock(), targets: map[string]*stamped{}, order: &revocations{first: map[workflows.GrantID]bool{}, done: make(chan struct{})}}
	cfg.Kinds, cfg.Clock = eventKinds(), p.clock
	p.store = storetest.Open(t, cfg)
	log := slog.New(slog.DiscardHandler)
	p.log = log
	p.desk = desk.New(desk.Config{Ledger: p.store, Directory: everybody{}, IDs: clockIDs{p.clock}, Log: log})
	connectors := map[string]runbooks.Connector{}
	for i := range targets {
		name := fmt.Sprintf("t%d", i)
		m := &stamped{Memory: &runbooktest.Memory{Caps: runbooks.Capabilities{Timeout: 30 * time.Second}, Now: func() time.Time { return p.clock.Now().Wall }}, name: name, order: p.order, healthy: true}
		p.targets[name], connectors[name] = m, m
	}
	e := effects{desk: p.desk, runner: runbooks.NewRunner(connectors, log), clock: p.clock, log: log}
	s := &serving{desk: p.desk, clock: p.clock, log: log, store: p.store}
	w := jobs.New(jobs.Config{Queue: p.store, Clock: p.clock, Log: log, Kinds: s.grantJobs(e)})
	p.store.Attach(w)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); w.Run(ctx) }()
	t.Cleanup(func() {
		for _, m := range p.targets {
			m.Release()
		}
		stop()
		<-done
	})
	return p
}

// hold puts active grants into the ledger and on the targets: n of them, on the targets in turn. whose gives the holder of each.
func (p *plant) hold(t testing.TB, n int, whose func(int) workflows.IdentityID) {
	t.Helper()
	end := p.clock.Now()
	at := workflows.Instant{UTC: workflows.StampOf(end.Wall), Mono: 0}
	for from := 0; from < n; from += 32 {
		var streams []workflows.StreamID
		events := map[workflows.StreamID]grants.Approved{}
		for i := from; i < min(n, from+32); i++ {
			target := workflows.TargetID(fmt.Sprintf("t%d", i%len(p.targets)))
			e := grants.Approved{
				Grant: workflows.GrantID(fmt.Sprintf("g_%026d", i)), Runbook: "storm", Identity: whose(i), Requester: "p_zed", Owner: "p_olga", Target: target,
				TargetTitle: string(target), Entitlement: workflows.EntitlementID(fmt.Sprintf("e%d", i)), Title: "Write", Connector: "memory", Params: map[string][]string{"role": {"writer"}},
				EndsAt: at.UTC.Add(time.Hour),
			}
			s := workflows.GrantStream(e.Identity, target, e.Entitlement)
			streams, events[s] = append(streams, s), e
		}
		_, err := p.store.Update(t.Context(), "", streams, func(f workflows.Facts) (workflows.Outcome, error) {
			out := workflows.Outcome{Pending: map[workflows.StreamID][]workflows.Job{}, Listings: map[workflows.StreamID][]workflows.Listing{}}
			for _, s := range streams {
				e := events[s]
				e.EndsMono = f.Now.Mono + time.Hour.Nanoseconds()
				out.Add(s, workflows.System, "", e)
				out.Add(s, workflows.System, "", grants.Started{Grant: e.Grant, Ref: "1"})
			}
			for s, h := range f.Provisional(out.Events) {
				o, err := desk.Outstanding(s, h)
				if err != nil {
					return out, err
				}
				out.Pending[s], out.Listings[s] = o.Jobs, o.Lists
			}
			return out, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for s, e := range events {
			h, err := p.desk.Grant(t.Context(), e.Grant)
			if err != nil {
				t.Fatal(s, err)
			}
			p.targets[string(e.Target)].Add(grantOf(h.Hold))
		}
	}
}

// fair fails when one of the targets that answer was far ahead of another at any time: half of its own had begun before a quarter of the other's.
func fair(t testing.TB, begun []string, each int) {
	t.Helper()
	n := map[string]int{}
	for _, target := range begun {
		if n[target]++; n[target] == each/2 {
			for other, m := range n {
				if m < each/4 {
					t.Errorf("%s had begun half of its revocations when %s had begun %d of %d", target, other, m, each)
				}
			}
		}
	}
}

// F29: a thousand grants end in one second on five targets, one of which is dead: all revocations on the others begin while it still hangs,
// in turn, and those of the dead one are done when it is back.
func TestFault_F29_OneDeadTargetDelaysNoOther(t *testing.T) {
	p := newPlant(t, 5)
	dead := p.targets["t3"]
	dead.healthy = false
	dead.Always(runbooktest.CallRevoke, runbooktest.Fault{Hang: true})
	const n = 1000
	p.order.expect(n * 4 / 5)
	p.hold(t, n, func(i int) workflows.IdentityID { return workflows.IdentityID(fmt.Sprintf("svc-%04d", i)) })
	p.clock.Add(time.Hour)
	begun := p.order.await(t)
	if slices.Contains(begun, "t3") || len(dead.All()) != n/5 {
		t.Errorf("the dead target answered: it holds %d", len(dead.All()))
	}
	fair(t, begun, n/5)
	if dead.Calls(runbooktest.CallRevoke) == 0 {
		t.Error("the dead target was not called")
	}
}

// BenchmarkStormOfExpiries is the figure of 5,000 grants that end in one second.
//
//	go test -run '^$' -bench Storm -benchtime 1x ./cmd/countersign
func BenchmarkStormOfExpiries(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		p := newPlant(b, 5)
		const n = 5000
		p.order.expect(n)
		p.hold(b, n, func(i int) workflows.IdentityID { return workflows.IdentityID(fmt.Sprintf("svc-%04d", i)) })
		b.StartTimer()
		start := time.Now()
		p.clock.Add(time.Hour)
		begun := p.order.await(b)
		b.ReportMetric(time.Since(start).Seconds(), "s/all-begun")
		fair(b, begun, n/5)
	}
}

// BenchmarkRevokeAll is the figure of the kill switch: 50 grants on 5 targets that take 20 ms for each call.
func BenchmarkRevokeAll(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		p := newPlant(b, 5)
		for _, m := range p.targets {
			m.Always(runbooktest.CallRevoke, runbooktest.Fault{Delay: 20 * time.Millisecond})
			m.Always(runbooktest.CallCheck, runbooktest.Fault{Delay: 20 * time.Millisecond})
		}
		p.hold(b, 50, func(int) workflows.IdentityID { return "svc-one" })
		b.StartTimer()
		start := time.Now()
		r, err := p.desk.RevokeAll(b.Context(), desk.RevokeAll{By: workflows.System, Identity: "svc-one", Why: "leaked", Channel: "cli"})
		if err != nil || len(r.Ended) != 50 {
			b.Fatal(len(r.Ended), r.Refusal, err)
		}
		answered := time.Since(start)
		p.awaitEmpty(b)
		b.ReportMetric(answered.Seconds()*1000, "ms/answered")
		b.ReportMetric(time.Since(start).Seconds()*1000, "ms/gone")
	}
}

// awaitEmpty waits until no target holds anything.
func (p *plant) awaitEmpty(t testing.TB) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; {
		left := 0
		for _, m := range p.targets {
			left += len(m.All())
		}
		if left == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d grants are still there", left)
		}
		select {
		case <-t.Context().Done():
			t.Fatal("interrupted")
		case <-time.After(time.Millisecond):
		}
	}
}

// T28, R84: the kill switch reaches every target at once, however slow one is, and takes nothing from anybody else.
func TestReq_R84_AllTargetsAtOnce(t *testing.T) {
	p := newPlant(t, 5)
	p.targets["t2"].healthy = false
	p.targets["t2"].Always(runbooktest.CallRevoke, runbooktest.Fault{Hang: true})
	p.hold(t, 100, func(i int) workflows.IdentityID {
		if i < 50 {
			return "svc-one"
		}
		return "svc-two"
	})
	p.order.expect(40)
	r, err := p.desk.RevokeAll(t.Context(), desk.RevokeAll{By: workflows.System, Identity: "svc-one", Why: "leaked", Channel: "api", Quarantine: true})
	if err != nil || len(r.Ended) != 50 || !r.Quarantined {
		t.Fatal(len(r.Ended), r.Refusal, err)
	}
	p.order.await(t)
	p.targets["t2"].Always(runbooktest.CallRevoke, runbooktest.Fault{})
	p.targets["t2"].Release()
	for name, m := range p.targets {
		for deadline := time.Now().Add(2 * time.Minute); len(m.All()) > 10 && time.Now().Before(deadline); {
			p.clock.Add(time.Second) // what hung is tried again by the product's clock
			select {
			case <-t.Context().Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
		if m.Calls(runbooktest.CallRevoke) == 0 {
			t.Errorf("%s was not called", name)
		}
		for _, g := range m.All() {
			h, err := p.desk.Grant(t.Context(), g)
			if err != nil || h.Hold.Approved.Identity != "svc-two" {
				t.Errorf("%s still holds %s of %s: %v", name, g, h.Hold.Approved.Identity, err)
			}
		}
	}
}

// month is a queue in memory of the one job of one stream, as store keeps it: what the fold owes is due, and comes back when it was settled.
type month struct {
	mu       sync.Mutex
	l        *clocked
	stream   workflows.StreamID
	due      map[string]workflows.Stamp
	leased   map[string]bool
	attempts map[string]int
	gen      int64
}

func (m *month) now() workflows.Stamp { return workflows.StampOf(time.Now()) }

func (m *month) Claim(context.Context, int) (out []jobs.Job, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, j := range m.owed() {
		key := j.Kind + "/" + j.Key
		if !m.leased[key] && max(j.Due, m.due[key]) <= m.now() && j.Kind != workflows.JobNotice {
			m.leased[key] = true
			m.gen++
			out = append(out, jobs.Job{ID: m.gen, Gen: 1, Stream: m.stream, Kind: j.Kind, Key: j.Key, Due: j.Due, Lane: j.Lane, Attempts: m.attempts[key]})
		}
	}
	return out, nil
}

func (m *month) owed() []workflows.Job {
	m.l.mu.Lock()
	defer m.l.mu.Unlock()
	return m.l.memoryLedger.jobs[m.stream]
}

func (m *month) NextDue(context.Context) (next workflows.Stamp, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, j := range m.owed() {
		key := j.Kind + "/" + j.Key
		if due := max(j.Due, m.due[key], 1); !m.leased[key] && j.Kind != workflows.JobNotice && (next == 0 || due < next) {
			next = due
		}
	}
	return next, nil
}

func (m *month) Settle(_ context.Context, j jobs.Job, v jobs.Verdict) error {
	defer func() { m.l.wake(m.now().Add(v.After)) }()
	m.mu.Lock()
	defer m.mu.Unlock()
	key := j.Kind + "/" + j.Key
	m.leased[key], m.due[key] = false, m.now().Add(v.After)
	if v.Ended == jobs.Retried {
		m.attempts[key]++
	}
	return nil
}

// clocked is a ledger in memory for several goroutines, with the time of its bubble.
type clocked struct {
	*memoryLedger
	mu    sync.Mutex
	start time.Time
	hand  func(workflows.Stamp)
}

func (c *clocked) Update(ctx context.Context, cause workflows.Cause, streams []workflows.StreamID, decide func(workflows.Facts) (workflows.Outcome, error)) (workflows.Result, error) {
	c.mu.Lock()
	c.now = workflows.Instant{UTC: workflows.StampOf(time.Now()), Mono: int64(time.Hour + time.Since(c.start))}
	r, err := c.memoryLedger.Update(ctx, cause, streams, decide)
	c.mu.Unlock()
	if len(r.Records) > 0 {
		c.wake(1)
	}
	return r, err
}

func (c *clocked) wake(due workflows.Stamp) {
	c.mu.Lock()
	hand := c.hand
	c.mu.Unlock()
	if hand != nil {
		hand(due)
	}
}

func (c *clocked) History(ctx context.Context, s workflows.StreamID) ([]workflows.Record, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.memoryLedger.History(ctx, s)
}

// bubble is the clock inside of a synctest bubble.
type bubble struct{ start time.Time }

func (c bubble) Now() jobs.Reading {
	now := time.Now()
	return jobs.Reading{Wall: now, Mono: now.Sub(c.start)}
}

func (c bubble) Wait(ctx context.Context, t time.Time, wake <-chan struct{}) error {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-wake:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// unyielding is a target that refuses to take anything back until it gives in.
type unyielding struct {
	runbooktest.Memory
	until time.Time
	mu    sync.Mutex
	tries []time.Time
}

func (s *unyielding) Revoke(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	s.mu.Lock()
	s.tries = append(s.tries, time.Now())
	s.mu.Unlock()
	if time.Now().Before(s.until) {
		return runbooks.Receipt{}, runbooks.Errorf(runbooks.Refuse, errors.New("no"), "permission denied")
	}
	return s.Memory.Revoke(ctx, g)
}

// F27: a target refuses to take access back for thirty days. It is asked on, never less often than every 73 seconds, over a restart each day;
// the alarms are raised after one minute and after five; when it gives in, the access is gone within that time. Another program's limit is 6.
func TestFault_F27_ThirtyDaysOfRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		const days = 30
		target := &unyielding{until: start.Add(days*24*time.Hour + time.Hour)}
		target.Caps = runbooks.Capabilities{Timeout: 10 * time.Second}
		target.Now = time.Now
		l := newMemoryLedger(workflows.StampOf(start))
		shared := &clocked{memoryLedger: l, start: start}
		stream := workflows.GrantStream("svc-one", "t0", "e")
		var out workflows.Outcome
		out.Add(stream, workflows.System, "", grants.Approved{
			Grant: "g_00000000000000000000000001", Runbook: "storm", Identity: "svc-one", Requester: "p_zed", Owner: "p_olga", Target: "t0", TargetTitle: "t0", Entitlement: "e",
			Title: "Write", Connector: "memory", Params: map[string][]string{"role": {"writer"}}, EndsAt: l.now.UTC.Add(time.Hour), EndsMono: l.now.Mono + time.Hour.Nanoseconds(), Alarm: "#security",
		})
		out.Add(stream, workflows.System, "", grants.Started{Grant: "g_00000000000000000000000001", Ref: "1"})
		if err := l.write(out); err != nil {
			t.Fatal(err)
		}
		for day := range days + 1 { // a restart each day: nothing but the ledger and the queue is kept
			q := &month{l: shared, stream: stream, due: map[string]workflows.Stamp{}, leased: map[string]bool{}, attempts: map[string]int{}}
			log := slog.New(slog.DiscardHandler)
			d := desk.New(desk.Config{Ledger: shared, Directory: everybody{}, IDs: clockIDs{bubble{start}}, Log: log})
			s := &serving{desk: d, clock: bubble{start}, log: log}
			e := effects{desk: d, runner: runbooks.NewRunner(map[string]runbooks.Connector{"t0": target}, log), clock: bubble{start}, log: log}
			w := jobs.New(jobs.Config{Queue: q, Clock: bubble{start}, Log: log, Kinds: s.grantJobs(e)})
			ctx, stop := context.WithTimeout(t.Context(), 24*time.Hour)
			shared.mu.Lock()
			shared.hand = w.Wake
			shared.mu.Unlock()
			if day == 0 {
				target.Add(grantOfOnly(t, l, stream))
			}
			w.Run(ctx)
			stop()
		}
		gaps(t, target, start)
		h, err := grants.Fold(l.histories[stream])
		if err != nil || h.Holds[0].Status != grants.StatusEnded || h.Holds[0].Presence != string(runbooks.Absent) || len(target.All()) != 0 {
			t.Errorf("at the end: %+v %v", h.Holds[0].Status, err)
		}
		levels(t, l.histories[stream])
	})
}

func grantOfOnly(t *testing.T, l *memoryLedger, stream workflows.StreamID) runbooks.Grant {
	s, err := grants.Fold(l.histories[stream])
	if err != nil {
		t.Error(err)
	}
	return grantOf(s.Holds[0])
}

// gaps holds how often the target was asked.
func gaps(t *testing.T, s *unyielding, start time.Time) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.tries) < 40_000 {
		t.Errorf("only %d attempts in thirty days", len(s.tries))
	}
	if first := s.tries[0].Sub(start); first != time.Hour {
		t.Errorf("the first attempt came after %s", first)
	}
	for i := 1; i < len(s.tries); i++ {
		if gap := s.tries[i].Sub(s.tries[i-1]); gap > 73*time.Second {
			t.Fatalf("attempt %d came %s after the one before", i, gap)
		}
	}
	if last := s.tries[len(s.tries)-1]; last.Before(s.until) || last.Sub(s.until) > 73*time.Second {
		t.Errorf("it gave in at %s, the last attempt was at %s", s.until, last)
	}
}

// levels holds when the alarms were raised.
func levels(t *testing.T, h []workflows.Record) {
	t.Helper()
	var got []string
	var ending workflows.Stamp
	for _, r := range h {
		switch e := r.Event.(type) {
		case grants.Ending:
			ending = r.At.UTC
		case grants.Overdue:
			got = append(got, fmt.Sprintf("%d after %s", e.Level, r.At.UTC.Sub(ending).Round(time.Second)))
		}
	}
	if strings.Join(got, ", ") != "1 after 1m0s, 2 after 5m0s" {
		t.Errorf("alarms: %q", got)
	}
}
