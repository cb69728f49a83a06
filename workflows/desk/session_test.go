package desk_test

import (
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

// Access is granted for one session and never for good, and more time is another decision: asking for it moves no end, nor does waiting; only
// people who approve it do (R102).
func TestReq_R102_MoreTimeIsAnotherDecision(t *testing.T) {
	t.Parallel()
	x := on(t, monday, func(d *draft) {
		flow(d, "x", func(w *workflows.Workflow) { w.Extend = &workflows.Extend{Cap: 3 * 3600} }, stage("peers", 1, named("ann")))
	})
	for _, forever := range []workflows.Span{0, -60, 1 << 40} {
		s := x.submission("zed", "x")
		if s.Form.Seconds = forever; x.submit(s).Refusal == nil {
			t.Errorf("access for %d seconds can be asked for", forever)
		}
	}
	first := x.ask("zed", "x")
	x.approve(first, "ann")
	_, g := x.start(first)
	_, held := x.hold(first)
	if held.Approved.EndsAt <= held.Approved.StartsAt || held.Approved.EndsAt == 0 {
		t.Fatalf("access without an end: %+v", held.Approved)
	}
	s := x.submission("zed", "x")
	s.Extends, s.Form.Seconds = g, 2*3600
	more := x.submit(s)
	if more.Refusal != nil {
		t.Fatal(more.Refusal)
	}
	x.clock.Add(10 * time.Minute)
	if _, now := x.hold(first); now.Ends != held.Ends || x.state(more.ID).Status != workflows.StatusOpen {
		t.Errorf("nobody decided, and the end is %v instead of %v", now.Ends, held.Ends)
	}
	x.approve(more.ID, "ann")
	if _, then := x.hold(more.ID); then.Approved.Grant == g || then.Approved.EndsAt <= held.Approved.EndsAt || then.Approved.Request != more.ID {
		t.Errorf("the decision made %+v", then.Approved)
	}
}
