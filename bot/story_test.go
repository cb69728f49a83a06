package bot_test

import (
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

// A request walks through two stages, by card and by direct message, to a credential that runs out.
func TestStoryTwoStages(t *testing.T) {
	w := start(t, nil)
	id := w.ask("maya", "deploy hotfix for the login page")
	v, _ := w.sim.View("maya")
	wantIn(t, v.Visible(), "Request sent", "Jonas Weber", "#access")

	card := w.card("access")
	wantIn(t, card.Text, "Approve? Maya Chen asks for Bastion hosts – shell for 1h: deploy hotfix")
	wantIn(t, card.Visible(), "Waiting for 1 more in stage 1 of 2 (owner)", "production", "internal", "owner of the target", "OPS-12", "Stage 1 of 2: owner", "Stage 2 of 2: security")
	w.click("jonas", card, "request.approve")
	wantIn(t, w.heard("jonas"), "Recorded: you approved", "stage 2 of 2")
	w.run()
	wantIn(t, w.card("access").Visible(), "Approved at", "Sofia Rossi", "Priya Nair")

	ask := w.dm("sofia")
	wantIn(t, ask.Visible(), "You are asked in stage 2 of 2 (security) because you are member of @security in the chat")
	w.click("sofia", ask, "request.approve")
	w.run()
	if s := w.state(id).State; s.Status != workflows.StatusApproved {
		t.Fatalf("the request is %s", s.Status)
	}
	ready := w.dm("maya")
	wantIn(t, ready.Text, "Ready: you can use Bastion hosts – shell for 1h")
	wantIn(t, ready.Visible(), "Access is on", certificate, "ssh -i ~/.ssh/id_ed25519 deploy@bastion.example.com", "What taking it back does not end")
	for _, user := range []string{"sofia", "priya"} {
		if ids := w.dm(user).ActionIDs(); contains(ids, "request.approve") {
			t.Errorf("%s can still click %v", user, ids)
		}
	}
	w.m.pass(61 * time.Minute)
	w.run()
	wantIn(t, w.dm("maya").Visible(), "Access expired", "Verified")
	wantIn(t, w.card("access").Visible(), "Access expired", "Verified")
	if ids := w.card("access").ActionIDs(); len(ids) > 0 {
		t.Errorf("buttons on a card that is over: %v", ids)
	}
	thread := w.sim.Thread("access", w.card("access").TS)
	var lines []string
	for _, m := range thread[1:] {
		lines = append(lines, m.Text)
	}
	want := []string{"Jonas Weber approved stage 1", "Sofia Rossi approved stage 2", "Countersign recorded the approval of the request"}
	if len(lines) != len(want) {
		t.Fatalf("thread: %q, want %q", lines, want)
	}
	for i := range want {
		wantIn(t, lines[i], want[i])
	}
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
