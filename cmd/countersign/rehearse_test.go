package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/library"
	"github.com/countersign-bot/countersign/workflows/spec"
	"github.com/countersign-bot/countersign/workflows/storytest"
)

// startFolder compiles the folder that init writes, with a text of one workflow changed.
func startFolder(t *testing.T, file, from, to string) spec.Policies {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "org")
	mustSay(t, os.CopyFS(dir, library.FS()))
	path := filepath.Join(dir, "workflows", file)
	text, err := os.ReadFile(path)
	mustSay(t, err)
	if !strings.Contains(string(text), from) {
		t.Fatalf("%s does not say %q", file, from)
	}
	mustSay(t, os.WriteFile(path, []byte(strings.Replace(string(text), from, to, 1)), 0o600))
	p, err := readPolicies(dir, feedStore{})
	mustSay(t, err)
	return p
}

// staged plays steps on a folder and gives the stage they end on.
func staged(t *testing.T, p spec.Policies, setting string, steps ...string) *stage {
	t.Helper()
	set, p, err := readSetting(p, storytest.Story{Setting: setting})
	mustSay(t, err)
	r, err := rehearse(t.Context(), p, set.at)
	mustSay(t, err)
	x := &stage{rehearsal: r, setting: set, start: set.at, untold: map[workflows.PersonID]bool{}, done: map[string]bool{}}
	for _, step := range steps {
		words, _ := storytest.Words(step)
		no, err := x.step(t.Context(), words)
		if err != nil || no != nil {
			t.Fatalf("%s: %v %v", step, no, err)
		}
		mustSay(t, x.settle(t.Context(), r.ledger.now.UTC))
	}
	return x
}

// What somebody may not see is not explained to them, and looks like what is not there.
func TestReq_R10_ExplainedToWhoMaySee(t *testing.T) {
	t.Parallel()
	p := startFolder(t, "prod-db-read.yaml", "seen_by: parties", "seen_by: parties")
	seenBy(t, staged(t, p, "prod-db-read scope=audit", "bob submits"))
	seenBy(t, staged(t, p, "prod-db-read scope=audit", "bob submits", "bob withdraws")) // when nobody can decide it any more, too
}

func seenBy(t *testing.T, x *stage) {
	t.Helper()
	for who, sees := range map[string]bool{"bob": true, "chandra": true, "alice": false, "nobody": false} {
		_, err := explained(t.Context(), x.desk, desk.Question{By: keyedPerson(who), Request: x.request}, time.UTC)
		_, there := explained(t.Context(), x.desk, desk.Question{By: keyedPerson(who), Request: "r_00000000000000000000000000"}, time.UTC)
		var no *workflows.Refusal
		switch {
		case sees && err != nil:
			t.Errorf("%s may see it: %v", who, err)
		case !sees && (!errors.As(err, &no) || there == nil || err.Error() != there.Error()):
			t.Errorf("%s: %v, and of one that is not there: %v", who, err, there)
		}
	}
}

// What would have gone differently, in words: the same people under other rules.
func TestHindsight(t *testing.T) {
	t.Parallel()
	const setting = "prod-db-read for 2h scope=audit"
	same := startFolder(t, "prod-db-read.yaml", "quorum: 1", "quorum: 1")
	for _, x := range []struct {
		from, to string
		steps    []string
		was      string
		would    []string
	}{
		{"quorum: 1", "quorum: 1", []string{"alice submits", "chandra approves"}, "approved by Chandra Rao", nil},
		{"quorum: 1", "quorum: 2", []string{"alice submits", "chandra approves"}, "approved by Chandra Rao", []string{
			"it would go through Database (2) instead of Database (1)", "those who approved (Chandra Rao) would not be enough: stage Database would lack 1",
		}},
		{"groups: [dba]", "groups: [dba]\n      exclude: [chandra]", []string{"alice submits", "chandra approves"}, "approved by Chandra Rao", []string{
			"those who approved (Chandra Rao) would not be enough: stage Database would lack 1",
		}},
		{"longest: 4h", "longest: 1h", []string{"alice submits"}, "waiting", []string{"it would be refused: duration: Ask for "}},
		{"name: Database", "name: The owners of the data", []string{"alice submits", "bob denies"}, "denied", []string{"it would go through The owners of the data (1) instead of Database (1)"}},
	} {
		before := staged(t, same, setting, x.steps...)
		view, err := before.desk.Look(t.Context(), before.request)
		mustSay(t, err)
		after, err := rehearse(t.Context(), startFolder(t, "prod-db-read.yaml", x.from, x.to), view.State.At.UTC)
		mustSay(t, err)
		got, err := after.again(t.Context(), view.State, view.State.Asked)
		mustSay(t, err)
		if got.Was != x.was || len(got.Would) != len(x.would) {
			t.Errorf("%s: was %q, would %q; want %q, %q", x.to, got.Was, got.Would, x.was, x.would)
			continue
		}
		for i, want := range x.would {
			if !strings.HasPrefix(got.Would[i], want) {
				t.Errorf("%s: %q, want %q", x.to, got.Would[i], want)
			}
		}
	}
}
