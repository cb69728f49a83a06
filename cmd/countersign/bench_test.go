package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// The figures of the product as a whole: the bot as a process of its own, a Slack workspace in this one, a real SQLite file with
// synchronous=FULL between them. Run with
//
//	go test -run '^$' -bench Product -benchtime 1x ./cmd/countersign

// benchDemo starts a workspace, a bastion and the bot.
func benchDemo(b *testing.B) *demo {
	b.Helper()
	dir := b.TempDir()
	exe := filepath.Join(dir, "countersign")
	if out, err := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", exe, ".").CombinedOutput(); err != nil {
		b.Fatalf("building: %v\n%s", err, out)
	}
	d, err := newDemoOf(b.Context(), proc{out: io.Discard, err: io.Discard}, demoSetup{exe: exe, dir: dir, listen: "127.0.0.1:0"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(d.close)
	return d
}

// BenchmarkProductIntake sends slash commands at a steady rate and measures from the moment Slack sends one until the bot has
// made it durable, handled it and acknowledged it.
func BenchmarkProductIntake(b *testing.B) {
	for _, c := range []struct {
		rate    int
		seconds int
	}{{100, 20}, {1000, 10}} {
		b.Run(fmt.Sprintf("%d_per_s", c.rate), func(b *testing.B) {
			d := benchDemo(b)
			for range b.N {
				took, lost := load(b.Context(), d, c.rate, time.Duration(c.seconds)*time.Second)
				slices.Sort(took)
				b.ReportMetric(ms(took[len(took)/2]), "p50-ms")
				b.ReportMetric(ms(took[len(took)*99/100]), "p99-ms")
				b.ReportMetric(ms(took[len(took)-1]), "max-ms")
				b.ReportMetric(float64(lost), "lost")
				b.ReportMetric(peakMiB(b, d), "peak-MiB")
			}
		})
	}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// load sends /access status at a rate and gives the time each took, and how many were not acknowledged.
func load(ctx context.Context, d *demo, rate int, long time.Duration) (took []time.Duration, lost int) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	every := time.NewTicker(time.Second / time.Duration(rate))
	defer every.Stop()
	people := []string{"maya", "jonas", "sofia", "priya", "kenji", "frida"}
	for i := range rate * int(long/time.Second) {
		<-every.C
		wg.Go(func() {
			start := time.Now()
			got := d.slack.Command(ctx, d.people[people[i%len(people)]].slack, "access", "/access", "help")
			mu.Lock()
			defer mu.Unlock()
			took = append(took, time.Since(start))
			if got.Err != nil || !got.Acked {
				lost++
			}
		})
	}
	wg.Wait()
	return took, lost
}

// peakMiB is the most memory the bot's process held.
func peakMiB(b *testing.B, d *demo) float64 {
	b.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.child.cmd.Process.Pid))
	if err != nil {
		b.Skipf("no /proc on this system: %v", err)
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				b.Fatal(err)
			}
			return float64(kb) / 1024
		}
	}
	b.Fatal("no VmHWM")
	return 0
}

// BenchmarkProductExpiry measures how late the end of an access is recorded, in product time, while the clock runs by itself.
func BenchmarkProductExpiry(b *testing.B) {
	d := benchDemo(b)
	s := &story{demo: d}
	ctx := b.Context()
	for _, f := range []func(context.Context) error{s.actRequest, seen(s.holdRequest), s.actApprove, seen(s.holdApprove), s.actEscalate, seen(s.holdEscalate), s.actApproveEast, seen(s.holdReady)} {
		if err := f(ctx); err != nil {
			b.Fatal(err)
		}
	}
	for range b.N {
		if err := d.advance(ctx, time.Hour-3*time.Second); err != nil {
			b.Fatal(err)
		}
		if _, err := s.holdExpired(ctx); err != nil {
			b.Fatal(err)
		}
		out, err := d.ledger(ctx, "show", "-last", "0", "-json")
		if err != nil {
			b.Fatal(err)
		}
		ends, ending := between(out, `"ends_at":"`), entryTime(b, out, "grant.ending")
		at, err := time.Parse(time.RFC3339Nano, ends)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(ms(ending.Sub(at)), "late-ms")
		b.ReportMetric(ms(entryTime(b, out, "grant.revoked").Sub(at)), "revoked-late-ms")
		b.ReportMetric(ms(entryTime(b, out, "grant.started").Sub(entryTime(b, out, "request.approved"))), "approved-to-usable-ms")
		if b.N > 1 {
			b.Skip("one access is measured: -benchtime 1x")
		}
	}
}

func seen(f func(context.Context) (string, error)) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := f(ctx)
		return err
	}
}

func between(s, start string) string {
	_, rest, _ := strings.Cut(s, start)
	v, _, _ := strings.Cut(rest, `"`)
	return v
}

// entryTime is the time of the first entry of a kind.
func entryTime(b *testing.B, out, kind string) time.Time {
	b.Helper()
	for line := range strings.Lines(out) {
		if strings.Contains(line, `"type":"`+kind+`"`) {
			at, err := time.Parse(time.RFC3339Nano, between(line, `"time":"`))
			if err != nil {
				b.Fatal(err)
			}
			return at
		}
	}
	b.Fatalf("no entry %s", kind)
	return time.Time{}
}
