package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/identities"
)

const (
	idleRequests = 10_000
	idleEach     = 20               // of one person: more are refused
	idleFor      = 10 * time.Second // real time that is watched
)

// BenchmarkIdle is how much of one core a bot with ten thousand open requests uses on which nothing is due. The ledger is a real
// file, the requests went through the desk, the loop of jobs runs on the machine's clock with all their timers before it. Their first messages are
// recorded as delivered before it is measured, without Slack's pace, at which they would take three hours.
//
//	go test -run '^$' -bench Idle -benchtime 1x ./cmd/countersign
func BenchmarkIdle(b *testing.B) {
	s, d := idleOffice(b)
	w := jobs.New(jobs.Config{Queue: s, Clock: jobs.NewSystem(), Log: slog.New(slog.DiscardHandler), Pace: time.Nanosecond, Kinds: idleKinds(d)})
	s.Attach(w)
	ctx, stop := context.WithCancel(b.Context())
	done := make(chan struct{})
	go func() { defer close(done); w.Run(ctx) }()
	defer func() { stop(); <-done }()
	askIdly(b, s, d)
	untilNothingIsDue(b, s, w)
	if n, err := s.Count(b.Context(), workflows.ListOpen, ""); n != idleRequests || err != nil {
		b.Fatalf("%d requests are open, %v", n, err)
	}
	for b.Loop() {
		from, start := cpuTime(b), time.Now()
		time.Sleep(idleFor)
		b.ReportMetric(100*float64(cpuTime(b)-from)/float64(time.Since(start)), "cpu-%")
	}
}

// idleKinds tick, and record messages as delivered; nothing is granted here.
func idleKinds(d *desk.Desk) map[string]jobs.Kind {
	told := func(ctx context.Context, j jobs.Job) error {
		if _, owed, err := d.Notice(ctx, j.Stream, j.Key); err != nil || !owed {
			return err
		}
		return d.Delivered(ctx, desk.Cause(j.Cause()), j.Stream, workflows.NoticeDelivered{Notice: j.Key, Via: "slack", Place: "C1/1.2"})
	}
	return map[string]jobs.Kind{
		workflows.JobWake:   {Handle: func(ctx context.Context, j jobs.Job) error { return d.Tick(ctx, j.Stream) }, Workers: 8},
		workflows.JobNotice: {Handle: told, Workers: 8},
	}
}

// untilNothingIsDue waits for the first messages, and until what they left behind is tidied up. Which jobs are held is asked before what is due:
// one that is taken in between is then seen by the next look.
func untilNothingIsDue(b *testing.B, s *store.Store, w *jobs.Worker) {
	b.Helper()
	for calm := 0; calm < 3; {
		from := cpuTime(b)
		time.Sleep(time.Second)
		due, err := s.NextDue(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		lag := w.Lag()
		calm++
		if lag.Held+lag.Running > 0 || due < workflows.StampOf(time.Now().Add(time.Minute)) || cpuTime(b)-from > 200*time.Millisecond {
			calm = 0
		}
	}
}

// cpuTime is what this process has used so far, of all cores.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// idleOffice has people enough to ask for so much.
func idleOffice(b *testing.B) (*store.Store, *desk.Desk) {
	b.Helper()
	dir := b.TempDir()
	config := filepath.Join(dir, "config")
	if err := writeDemoConfig(config, "22"); err != nil {
		b.Fatal(err)
	}
	chain := strings.Replace(quickChain, "groups: [engineers]", "anyone: true", 1)
	if err := os.WriteFile(filepath.Join(config, "workflows", "quick.yaml"), []byte(chain), 0o600); err != nil {
		b.Fatal(err)
	}
	people, err := os.ReadFile(filepath.Join(config, "people.yaml"))
	if err != nil {
		b.Fatal(err)
	}
	var more strings.Builder
	for i := range idleRequests / idleEach {
		fmt.Fprintf(&more, "  - {key: e%d, name: Engineer %d, email: e%d@northwind.example, timezone: Europe/Berlin, manager: frida}\n", i, i, i)
	}
	text := strings.Replace(string(people), "\ngroups:", more.String()+"\ngroups:", 1)
	if err := os.WriteFile(filepath.Join(config, "people.yaml"), []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	folder, err := readFolder(config)
	if err != nil {
		b.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		b.Fatal(err)
	}
	s, err := openFixture(b.Context(), data)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	policy, _, err := compile(b.Context(), s, folder)
	if err != nil {
		b.Fatal(err)
	}
	d := desk.New(desk.Config{Ledger: s, Directory: everybodyActive{policy}, IDs: clockIDs{s.Clock()}, Log: slog.New(slog.DiscardHandler)})
	if err := d.Load(b.Context(), policy); err != nil {
		b.Fatal(err)
	}
	return s, d
}

// askIdly makes requests whose first reminder is far away.
func askIdly(b *testing.B, s *store.Store, d *desk.Desk) {
	b.Helper()
	for _, p := range d.Policy().People {
		if !strings.HasPrefix(p.Key, "e") {
			continue
		}
		a, err := s.EnsureAccount(b.Context(), "slack", "T1/"+p.Key)
		if err != nil {
			b.Fatal(err)
		}
		if err := d.Link(b.Context(), p.ID, identities.Linked{Account: a.Actor, Medium: "slack", How: "people file", Name: p.Name}); err != nil {
			b.Fatal(err)
		}
		if err := s.LinkAccount(b.Context(), a.Actor, p.ID); err != nil {
			b.Fatal(err)
		}
		for i := range idleEach {
			got, err := d.Submit(b.Context(), desk.Submission{
				Cause: desk.Cause(fmt.Sprintf("test/ask/%s/%d", p.Key, i)), By: workflows.Acting{Actor: a.Actor, Person: p.ID}, Workflow: "quick", Channel: "slack", Authn: "slack-click",
				Form: workflows.Form{
					Target: "bastion", Entitlement: "deploy", Seconds: workflows.Span(600 + i), Reason: "The shop answers 502 since noon.", Values: map[string]string{"key": testKey},
				},
			})
			if err != nil || got.Refusal != nil || len(got.Problems) > 0 {
				b.Fatal(p.Key, i, err, got.Refusal, got.Problems)
			}
		}
	}
}
