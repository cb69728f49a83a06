package main

import (
	"syscall"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// TestFault_F18_AStoppedProcessRevokesWhenItGoesOn stops the bot as a suspended machine does. Access that would have ended meanwhile goes on
// (nobody is there to take it back) and ends as soon as the process goes on: the record says that it was late, and for how long; what was
// waiting for a decision has timed out by then, in one step, and the click that comes after it is late.
func TestFault_F18_AStoppedProcessRevokesWhenItGoesOn(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts the bot")
	}
	w := newWorld(t, worldOptions{})
	w.start()
	cert := w.grant("maya", "30m", "reading the logs of the shop")
	waiting := w.ask("kenji", "quick", "30m", "restarting the shop's queue")
	asked := w.recorded(workflows.Submitted{}.Kind(), 2)[1]
	if !w.letIn("maya", cert) {
		t.Fatal("the access does not work")
	}
	p := w.bot.cmd.Process
	w.check(p.Signal(syscall.SIGSTOP))
	w.check(w.clock.advance(9 * time.Hour)) // the machine's clock goes on, nobody tells the process
	if n := len(w.entries(grants.Revoked{}.Kind())); n != 0 {
		t.Fatalf("%d revocations of a process that stands still", n)
	}
	w.check(p.Signal(syscall.SIGCONT))
	w.check(w.advance(t.Context(), time.Millisecond)) // the demo's clock is a file: this reads it, as a machine's own clock needs no telling
	revoked := w.recorded(grants.Revoked{}.Kind(), 1)[0]
	w.shutOut("maya", cert)
	started := w.recorded(grants.Started{}.Kind(), 1)[0]
	if late := revoked.At.UTC.Sub(started.At.UTC); late < 9*time.Hour {
		t.Errorf("revoked %s after it began, and the process stood still for nine hours", late)
	}
	timedOut := w.recorded(workflows.TimedOut{}.Kind(), 1)[0]
	if timedOut.Stream != asked.Stream {
		t.Errorf("%s timed out", timedOut.Stream)
	}
	before := len(w.records())
	if err := w.press(t.Context(), "jonas", waiting, screens.ActApprove); err == nil {
		if votes := w.entries(workflows.VoteRecorded{}.Kind()); len(votes) != 1 {
			t.Errorf("%d votes, and the second came when it was over", len(votes))
		}
	}
	for _, r := range w.records()[before:] {
		if r.Event.Kind() == (grants.Started{}).Kind() {
			t.Error("access began for what had timed out")
		}
	}
	w.verify()
}
