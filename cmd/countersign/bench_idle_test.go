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
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
)

const (
	idleRequests = 1_000
	idleEach     = 20               // of one person: more are refused
	idleFor      = 10 * time.Second // real time that is watched
)

// BenchmarkIdle is how much of one core a bot with a thousand open requests uses on which nothing is due. The figure that is wanted is for ten thousand:
// their first messages alone take minutes to be worked off here, so that it is not measured yet. The ledger is a real
// file, the requests went through the desk, the loop of jobs runs on the machine's clock with all their timers before it; messages are taken
// from it unsent.
//
//	go test -run '^$' -bench Idle -benchtime 1x ./cmd/countersign
func BenchmarkIdle(b *testing.B) {
	s, d := idleOffice(b)
	served := func(context.Context, jobs.Job) error { return nil }
	w := jobs.New(jobs.Config{Queue: s, Clock: jobs.NewSystem(), Log: slog.New(slog.DiscardHandler), Kinds: map[string]jobs.Kind{
		workflows.JobWake:   {Handle: func(ctx context.Context, j jobs.Job) error { return d.Tick(ctx, j.Stream) }, Workers: 8},
		workflows.JobNotice: {Handle: served, Workers: 8}, workflows.JobPaint: {Handle: served, Workers: 4}, workflows.JobStart: {Handle: served}, workflows.JobRevoke: {Handle: served}, grants.JobDestroy: {Handle: served},
	}})
	s.Attach(w)
	ctx, stop := context.WithCancel(b.Context())
	done := make(chan struct{})
	go func() { defer close(done); w.Run(ctx) }()
	defer func() { stop(); <-done }()
	for last := time.Duration(-1); ; { // until what was due at once is done
		from := cpuTime(b)
		time.Sleep(time.Second)
		if used := cpuTime(b) - from; used < 50*time.Millisecond && last >= 0 && last < 50*time.Millisecond {
			break
		} else {
			last = used
		}
	}
	for b.Loop() {
		from, start := cpuTime(b), time.Now()
		time.Sleep(idleFor)
		b.ReportMetric(100*float64(cpuTime(b)-from)/float64(time.Since(start)), "cpu-%")
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

// idleOffice has open requests whose first reminder is far away.
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
	for _, p := range policy.People {
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
	return s, d
}
