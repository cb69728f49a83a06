package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/countersign-bot/countersign/runbooks/runbooktest"
	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/workflows"
)

// TestBenchLife takes a request through the ledger as the bench does: what it measures must be what it says, and must verify.
func TestBenchLife(t *testing.T) {
	c, err := newContest(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	n := 0
	for step, sizes := range c.sizes {
		n += len(sizes)
		if len(sizes) == 0 {
			t.Errorf("step %d appends nothing", step)
		}
	}
	if n != lifeEntries {
		t.Errorf("a request has %d entries, the figures reckon with %d", n, lifeEntries)
	}
	l := &life{ids: clockIDs{c.store.Clock()}}
	l.begin(1)
	for range lifeSteps {
		cause, streams, decide := l.next()
		if _, err := c.store.Update(t.Context(), cause, streams, decide); err != nil {
			t.Fatal(err)
		}
		// Again: a consumed cause gives its first result.
		if res, err := c.store.Update(t.Context(), cause, streams, decide); err != nil || !res.Replayed {
			t.Errorf("not replayed: %+v, %v", res, err)
		}
	}
	for _, stream := range []workflows.StreamID{l.request, l.grant} {
		jobs, err := c.store.JobsOf(t.Context(), stream)
		if err != nil {
			t.Fatal(err)
		}
		lists, err := c.store.Listings(t.Context(), stream)
		if err != nil || len(lists) < 4 {
			t.Errorf("%s stands on %v: %v", stream, lists, err)
		}
		if want := map[bool]int{true: 0, false: 1}[stream == l.request]; len(jobs) != want {
			t.Errorf("%s owes %+v", stream, jobs)
		}
	}
	report, err := c.store.Verify(t.Context())
	if err != nil || !report.OK || report.Opened == 0 {
		t.Errorf("%+v, %v", report, err)
	}
}

// TestBenchReceipt checks a receipt of every entry with nothing but the key, under the heads at several sizes.
func TestBenchReceipt(t *testing.T) {
	c, err := newContest(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	call := oursCaller(c.store, &c.begun)(0)
	for range 40 * lifeSteps { // past a full tile
		if err := call(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	keys, err := verifiersOf(c.store)
	if err != nil {
		t.Fatal(err)
	}
	head, err := c.store.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for idx := range head.Size {
		r, err := c.store.Receipt(t.Context(), idx)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := c.store.Leaf(t.Context(), idx)
		if err != nil {
			t.Fatal(err)
		}
		if cp, err := r.Verify(leaf, c.store.Origin(), keys); err != nil || cp.Size != head.Size {
			t.Errorf("entry %d: %v", idx, err)
		}
		if _, err := r.Verify(append(slices.Clone(leaf), ' '), c.store.Origin(), keys); err == nil {
			t.Errorf("entry %d: proves another leaf", idx)
		}
	}
	if _, err := c.store.Receipt(t.Context(), head.Size); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("beyond the end: %v", err)
	}
}

// TestBenchInterrupted stops a bench in the middle: it says so and leaves nothing behind.
func TestBenchInterrupted(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	var out, errs strings.Builder
	watch := &stopper{Builder: &errs, word: "round 1", stop: cancel}
	code := run(ctx, proc{args: []string{"bench", "ledger", "-seconds", "30", "-rounds", "1", "-slow=false", "-dir", dir}, out: &out, err: watch})
	if code != exitFailed || !strings.Contains(errs.String(), "interrupted: nothing is left behind") || out.Len() > 0 {
		t.Errorf("%d: %s%s", code, out.String(), errs.String())
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
}

// TestBenchSlow runs the part under strace where that is possible.
func TestBenchSlow(t *testing.T) {
	if out, err := exec.Command("strace", "-qq", "-o", os.DevNull, "true").CombinedOutput(); err != nil {
		t.Skipf("no slow device can be made here: strace: %v %s", err, out)
	}
	exe := filepath.Join(t.TempDir(), "countersign")
	if out, err := exec.Command("go", "build", "-o", exe, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.Command(exe, "bench", "ledger", "-seconds", "0.05", "-rounds", "1", "-entries", "0", "-callers", "1,64", "-dir", t.TempDir()).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1 at once, 1 ms sync", "64 at once, 1 ms sync", "p99 of a call, 64 callers, 1 ms sync"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no row %q:\n%s", want, out)
		}
	}
	left, err := filepath.Glob(filepath.Join(memoryFolder, "countersign-bench-*"))
	if err != nil || len(left) > 0 {
		t.Logf("in memory lie %v", left) // another run may be at work
	}
}

// TestBenchTessera takes figures of another program, and its failures.
func TestBenchTessera(t *testing.T) {
	dir := t.TempDir()
	script := func(name, text string) string {
		return runbooktest.Program(t, filepath.Join(dir, name), "#!/bin/sh\n"+text, 0o700)
	}
	good := script("good", `echo '{"version":"v1.0.4","published_p50_ns":107000000,"callers":1,"calls":9}'`)
	f, err := measureTessera(t.Context(), good, dir, rounds{long: time.Millisecond})
	if err != nil || f.PublishedP50 != 107*time.Millisecond || f.Version != "v1.0.4" {
		t.Errorf("%+v, %v", f, err)
	}
	for name, text := range map[string]string{"fails": "exit 1", "silent": "true", "empty": "echo {}"} {
		if _, err := measureTessera(t.Context(), script(name, text), dir, rounds{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestBenchMarks holds rows to their marks, in both directions.
func TestBenchMarks(t *testing.T) {
	for _, c := range []struct {
		row  benchRow
		want string
	}{
		{benchRow{Value: .9, Least: .5, Aim: .8}, "aim"},
		{benchRow{Value: .6, Least: .5, Aim: .8}, "ok"},
		{benchRow{Value: .4, Least: .5, Aim: .8}, "SHORT"},
		{benchRow{Value: 2, Least: 10, Aim: 3, Lower: true}, "aim"},
		{benchRow{Value: 5, Least: 10, Aim: 3, Lower: true}, "ok"},
		{benchRow{Value: 11, Least: 10, Aim: 3, Lower: true}, "SHORT"},
	} {
		if got := c.row.verdict(); got != c.want {
			t.Errorf("%+v: %s", c.row, got)
		}
	}
	if m := median([]float64{3, 1, 2}); m != 2 {
		t.Errorf("the median is %v", m)
	}
}

// stopper calls stop when a word is written.
type stopper struct {
	*strings.Builder
	word string
	stop func()
}

func (s *stopper) Write(b []byte) (int, error) {
	n, err := s.Builder.Write(b)
	if strings.Contains(s.String(), s.word) {
		s.stop()
	}
	return n, err
}

// verifiersOf are the keys of a ledger.
func verifiersOf(s *store.Store) (note.Verifiers, error) { return ledger.Verifiers(s.VKey()) }
