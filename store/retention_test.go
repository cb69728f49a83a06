package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/store/custody"
	"github.com/countersign-bot/countersign/store/storetest"
	"github.com/countersign-bot/countersign/workflows"
)

// TestPruneTexts deletes texts older than two years, byte by byte, and keeps younger ones, those of a stream that still owes work, and every
// commitment; the head was published before, and the entry says what went.
func TestPruneTexts(t *testing.T) {
	t.Parallel()
	cfg := storetest.Config(t)
	clock := cfg.Clock.(*storetest.Clock)
	s := storetest.Open(t, cfg)
	const keep = 730 * 24 * time.Hour
	for i := range 10 {
		appendAs(t, s, workflows.StreamID(fmt.Sprintf("request/r_%d", i)), leaving, storetest.Opened{Reason: canary})
	}
	_, err := s.Update(t.Context(), "", nil, func(workflows.Facts) (workflows.Outcome, error) {
		live := workflows.StreamID("grant/p_1/bastion/deploy")
		out := workflows.Outcome{Pending: map[workflows.StreamID][]workflows.Job{live: {{Kind: workflows.JobRevoke, Key: "g"}}}}
		out.Add(live, workflows.System, "", storetest.Opened{Reason: "the account to take back"})
		return out, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if p, err := s.PruneTexts(t.Context(), keep); err != nil || p.Texts != 0 {
		t.Errorf("on the first day: %+v, %v", p, err)
	}
	clock.Add(keep + time.Hour)
	appendAs(t, s, "request/r_young", staying, storetest.Opened{Reason: "young"})
	before, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if would, err := s.Prunable(t.Context(), keep); err != nil || would.Texts != 10 || would.Before != 12 {
		t.Errorf("it would prune %+v, %v", would, err)
	}
	p, err := s.PruneTexts(t.Context(), keep)
	if err != nil || p.Texts != 10 || p.Size != before.Size || p.Root != before.Root.String() {
		t.Fatalf("it pruned %+v, %v; the head was %d %s", p, err, before.Size, before.Root)
	}
	if n := canaries(t, cfg.Dir); n != 0 {
		t.Errorf("%d canaries are left in the files", n)
	}
	for stream, want := range map[workflows.StreamID]string{"request/r_3": "", "grant/p_1/bastion/deploy": "the account to take back", "request/r_young": "young"} {
		h, err := s.History(t.Context(), stream)
		if err != nil || h[0].Event.(storetest.Opened).Reason != want {
			t.Errorf("%s: %+v, %v", stream, h, err)
		}
	}
	last, err := s.Entries(t.Context(), before.Size, before.Size+1)
	if err != nil || len(last) != 1 || last[0].Event != workflows.Event(p) {
		t.Errorf("recorded %+v, %v; want %+v", last, err, p)
	}
	if d := inspected(t, s); d.Wrong != 0 {
		t.Errorf("what is gone is not accounted for: %v", d.Problems)
	}
	if p, err := s.PruneTexts(t.Context(), keep); err != nil || p.Texts != 0 {
		t.Errorf("again: %+v, %v", p, err)
	}
}

var _ workflows.Event = custody.Pruned{}

// TestThreat_T35_FinishedDeliveriesKeepNoSecret: what opens doors is out of the database when the delivery is done, and out of its files
// after the night.
func TestThreat_T35_FinishedDeliveriesKeepNoSecret(t *testing.T) {
	t.Parallel()
	cfg := storetest.Config(t)
	s := storetest.Open(t, cfg)
	id, _, err := s.PutInbox(t.Context(), "socket", "command", []string{"k"}, []byte(`{"response_url":"`+canary+`","text":"stays"}`))
	if err != nil {
		t.Fatal(err)
	}
	keep := func([]byte) []byte { return []byte(`{"response_url":"","text":"stays"}`) }
	for range 2 { // twice is nothing
		if err := s.FinishInbox(t.Context(), id, keep); err != nil {
			t.Fatal(err)
		}
	}
	in, err := s.Received(t.Context(), id)
	if err != nil || string(in.Body) != `{"response_url":"","text":"stays"}` {
		t.Errorf("kept: %s, %v", in.Body, err)
	}
	if left, err := s.Undone(t.Context()); err != nil || len(left) != 0 {
		t.Errorf("it is not done: %v, %v", left, err)
	}
	if err := s.Close(); err != nil { // which empties the log
		t.Fatal(err)
	}
	if n := canaries(t, cfg.Dir); n != 0 {
		t.Errorf("%d canaries are left in the files", n)
	}
}
