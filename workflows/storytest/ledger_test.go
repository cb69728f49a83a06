package storytest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/storytest"
)

// The ledger numbers each stream by itself, hands out copies, and rereads and erases without touching what it holds.
func TestLedger(t *testing.T) {
	t.Parallel()
	l := storytest.New(workflows.EventKinds())
	var out workflows.Outcome
	out.Add("request/r_1", workflows.System, "", workflows.Submitted{Reason: "because", Target: "pg-main"})
	out.Add("system", workflows.System, "", workflows.Refused{Code: "unknown"})
	out.Add("request/r_1", workflows.System, "", workflows.Withdrawn{Why: "solved"})
	if got := l.Append(out); len(got) != 2 || got[0] != "request/r_1" || got[1] != "system" {
		t.Errorf("changed %v", got)
	}
	h := l.Histories["request/r_1"]
	if len(h) != 2 || h[1].Seq != 2 || h[1].Index != 2 || l.Histories["system"][0].Seq != 1 {
		t.Errorf("numbered %+v", h)
	}
	l.Facts().Histories["request/r_1"][0].Event = workflows.Denied{}
	erased := storytest.Erase(h)
	if e := erased[0].Event.(workflows.Submitted); e.Reason != "" || e.Target != "pg-main" {
		t.Errorf("erased: %+v", e)
	}
	if e := l.Histories["request/r_1"][0].Event.(workflows.Submitted); e.Reason != "because" {
		t.Errorf("the ledger itself changed: %+v", e)
	}
	if _, err := storytest.New().RoundTrip(h); err == nil {
		t.Error("a kind that nobody declared is read")
	}
	l.Pass(time.Minute)
	l.Step(-time.Hour)
	if d := l.Now.UTC.Sub(storytest.Start().UTC); d != -59*time.Minute || l.Now.Mono-storytest.Start().Mono != int64(time.Minute) {
		t.Errorf("the clocks moved by %s and %d", d, l.Now.Mono)
	}
}

func TestChecksSayNo(t *testing.T) {
	t.Parallel()
	wake := workflows.Job{Kind: workflows.JobWake, Key: "wake"}
	nobody := workflows.Notice{ID: "x"}.Job()
	for _, jobs := range [][]workflows.Job{{wake, wake}, {nobody}, {{Kind: workflows.JobWake}}} {
		if storytest.CheckJobs(jobs) == nil {
			t.Errorf("%v passes", jobs)
		}
	}
	if err := storytest.CheckJobs([]workflows.Job{wake}); err != nil {
		t.Error(err)
	}
	place := workflows.Listing{List: "open", Member: "p_1"}
	if storytest.CheckListings([]workflows.Listing{place, place}) == nil || storytest.CheckListings([]workflows.Listing{place}) != nil {
		t.Error("a place named twice passes")
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.txt")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("# words\n\n== one\nzed submits; ann approves !late ; 61m -> open, wake 4h\n== two\nx -> y\n")
	got, err := storytest.Read(path)
	if err != nil || len(got) != 2 {
		t.Fatalf("%v, %v", got, err)
	}
	if s := got[0]; s.Name != "a.txt:4" || s.Setting != "one" || strings.Join(s.Steps, "|") != "zed submits|ann approves !late|61m" || strings.Join(s.Wants, "|") != "open|wake 4h" {
		t.Errorf("%+v", s)
	}
	if got[1].Setting != "two" {
		t.Errorf("%+v", got[1])
	}
	write("a story without an end\n")
	if _, err := storytest.Read(path); err == nil {
		t.Error("a story without an end is read")
	}
	if _, err := storytest.Read(path + ".not"); err == nil {
		t.Error("a file that is not there is read")
	}
	if words, code := storytest.Words("ann approves !late"); len(words) != 2 || code != "late" {
		t.Errorf("%v %q", words, code)
	}
	for word, want := range map[string]time.Duration{"61m": 61 * time.Minute, "1us": time.Microsecond, "30d": 720 * time.Hour} {
		if d, ok := storytest.Duration(word); !ok || d != want {
			t.Errorf("%s: %s %t", word, d, ok)
		}
	}
	for _, word := range []string{"", "ann", "4", "d", "-1h"} {
		if _, ok := storytest.Duration(word); ok {
			t.Errorf("%q is a duration", word)
		}
	}
}
