package bot_test

import (
	"strings"
	"testing"
	"time"
)

// R10: the ladder of a chain ends with what an incident offers: once its last escalation has been asked, and again when it has timed out, the
// requester is told of the runbooks that skip it, if they are ready. Before that the people asked come first.
func TestReq_R10_TheLadderEndsWithAnIncidentsOwnWay(t *testing.T) {
	w := start(t, nil)
	offered := func() bool {
		return strings.Contains(w.card("access").Visible(), "/breakglass restart-db")
	}
	ask := func(user, reason string) {
		w.ask(user, reason)
		w.click("jonas", w.card("access"), "request.approve")
		w.run()
	}
	ask("maya", "the shop has been down since nine")
	if offered() {
		t.Error("offered while others can still be asked")
	}
	w.m.pass(61 * time.Minute)
	w.run()
	wantIn(t, w.card("access").Visible(), "More people have been asked since.")
	if offered() {
		t.Error("a runbook that nobody approved is offered")
	}
	w.m.pass(4 * time.Hour)
	w.run()
	if text := w.dm("maya").Visible(); strings.Contains(text, "/breakglass") || !strings.Contains(text, "timed out") {
		t.Errorf("when it had timed out:\n%s", text)
	}

	w.preapprove()
	ask("maya", "the shop has been down since two")
	if offered() {
		t.Error("offered while others can still be asked")
	}
	w.m.pass(61 * time.Minute)
	w.run()
	wantIn(t, w.card("access").Visible(), "Nobody else will be asked.", "/breakglass restart-db")
	w.m.pass(4 * time.Hour)
	w.run()
	wantIn(t, w.dm("maya").Visible(), "timed out", "In an incident you need not wait: /breakglass restart-db")
	if offered() {
		t.Error("offered on the card of what is over")
	}

	ask("priya", "the shop has been down since seven") // she is not on the runbook's list
	w.m.pass(6 * time.Hour)
	w.run()
	if text := w.dm("priya").Visible(); strings.Contains(text, "/breakglass") || !strings.Contains(text, "timed out") {
		t.Errorf("somebody who cannot invoke it is told of it:\n%s", text)
	}
}
