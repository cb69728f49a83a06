package main

import (
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/store/storetest"
	"github.com/countersign-bot/countersign/workflows"
)

// TestLagIsShown lets a message wait while nobody sends: /access health and the gauge of the metrics say how late it is; once it lags by minutes that
// is not in order, and a database that does not answer is never taken for one in which nothing waits.
func TestLagIsShown(t *testing.T) {
	t.Parallel()
	clock := storetest.NewClock()
	cfg := storetest.Config(t)
	cfg.Kinds, cfg.Clock = eventKinds(), clock
	kept := storetest.Open(t, cfg)
	s := &serving{store: kept, clock: clock}
	say := func() (string, bool) { c := lagCondition(s.jobLag()); return c.Say.String(), c.OK }
	if words, ok := say(); !ok || words != "nothing waits longer than it should" {
		t.Errorf("of an idle bot: %v %s", ok, words)
	}
	for stream, due := range map[workflows.StreamID]workflows.Stamp{
		"request/r_later": workflows.StampOf(clock.Now().Wall.Add(time.Hour)), "request/r_now": 0,
	} {
		if _, err := kept.Update(t.Context(), "", nil, func(workflows.Facts) (workflows.Outcome, error) {
			return workflows.Outcome{Pending: map[workflows.StreamID][]workflows.Job{stream: {{Kind: workflows.JobNotice, Key: "1", Due: due}}}}, nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	clock.Add(40 * time.Second)
	if words, ok := say(); !ok || !strings.HasSuffix(words, "is 40s late") || s.jobLag() != 40 {
		t.Errorf("40 s late: %v %s, %v in the metrics", ok, words, s.jobLag())
	}
	clock.Add(2 * time.Minute)
	if words, ok := say(); ok || !strings.HasSuffix(words, "is 2m40s late") || s.jobLag() != 160 {
		t.Errorf("160 s late: %v %s, %v in the metrics", ok, words, s.jobLag())
	}
	if words, ok := func() (string, bool) { c := lagCondition(-1); return c.Say.String(), c.OK }(); ok || !strings.Contains(words, "not known") {
		t.Errorf("of a database that does not answer: %v %s", ok, words)
	}
}
