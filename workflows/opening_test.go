package workflows_test

import (
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

// An opening is recorded once, of somebody who can decide; a vote names the one before it; one that hides it, or that names one that came later, does not fold.
func TestOpeningsAreBoundToVotes(t *testing.T) {
	t.Parallel()
	h, s := history(t, "peers(ann bob)x2 timeout 4h", "zed submits")
	facts := func(h []workflows.Record) workflows.Facts {
		return workflows.Facts{Now: workflows.Instant{UTC: h[len(h)-1].At.UTC.Add(time.Minute)}, Histories: map[workflows.StreamID][]workflows.Record{h[0].Stream: h}}
	}
	open := func(h []workflows.Record, who workflows.PersonID) []workflows.StreamEvent {
		t.Helper()
		out, err := workflows.Open(facts(h), s.ID, workflows.Opens{By: workflows.Acting{Actor: "a_1", Person: who}, How: workflows.OpenedToRead, Channel: "slack"})
		if err != nil {
			t.Fatal(err)
		}
		return out.Events
	}
	for _, who := range []workflows.PersonID{"p_zed", "p_eve", ""} {
		if got := open(h, who); len(got) != 0 {
			t.Errorf("an opening by %q is recorded: %+v", who, got)
		}
	}
	got := open(h, "p_ann")
	if len(got) != 1 || got[0].Event.(workflows.RequestOpened).Shown != s.Shown(0) {
		t.Fatalf("an opening: %+v", got)
	}
	seen := then(h, "p_ann", time.Minute, got[0].Event)
	if again := open(seen, "p_ann"); len(again) != 0 {
		t.Errorf("the second time: %+v", again)
	}
	at := seen[len(seen)-1]
	for _, c := range []struct {
		name     string
		who      workflows.PersonID
		received workflows.Stamp
		opened   int64
		folds    bool
	}{
		{"by its entry", "p_ann", at.At.UTC, at.Seq, true},
		{"by another", "p_ann", at.At.UTC, at.Seq - 1, false},
		{"hidden", "p_ann", at.At.UTC, workflows.Unopened, false},
		{"received before", "p_ann", at.At.UTC - 1, at.Seq, false},
		{"received before, and not opened then", "p_ann", at.At.UTC - 1, workflows.Unopened, true},
		{"opened by somebody else", "p_bob", at.At.UTC, at.Seq, false},
		{"of a program that did not look", "p_ann", at.At.UTC, 0, true},
	} {
		v := workflows.VoteRecorded{Verdict: workflows.Approve, Digest: s.Asked.Digest, ReceivedAt: c.received, Opened: c.opened}
		if _, err := workflows.Fold(then(seen, c.who, time.Second, v)); (err == nil) != c.folds {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
