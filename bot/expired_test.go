package bot_test

import (
	"testing"

	"github.com/countersign-bot/countersign/bot/slack/slacksim"
)

// Slack takes five answers at a response URL, within thirty minutes. Who is refused after that is told in a direct message instead, once.
func TestASpentResponseURLBecomesADirectMessage(t *testing.T) {
	for _, word := range []string{"expired_url", "used_url"} {
		t.Run(word, func(t *testing.T) {
			w := start(t, nil)
			id := w.ask("maya", "deploy hotfix now")
			before := len(w.sim.DM("sofia"))
			w.sim.Inject(slacksim.Fault{Kind: slacksim.FaultHTTP, Match: "response_url", Status: 404, Body: word, Count: -1})
			w.click("sofia", w.card("access"), "request.approve")
			if err := w.sim.Until(w.ctx, func() bool { return len(w.sim.DM("sofia")) > before }); err != nil {
				t.Fatal(err)
			}
			wantIn(t, w.dm("sofia").Visible(), "Not done", "not among those asked to decide stage 1 (owner)")
			if n := len(w.sim.DM("sofia")) - before; n != 1 || w.votes(id) != 0 || w.heard("sofia") != "" {
				t.Errorf("%d messages, %d votes, and in the channel %q", n, w.votes(id), w.heard("sofia"))
			}
		})
	}
}

// A trigger lives three seconds and works once: who clicked too long ago is told that nothing was opened, and the next click works.
func TestAnOldTriggerOpensNothing(t *testing.T) {
	for _, code := range []string{"expired_trigger_id", "exchanged_trigger_id", "invalid_trigger_id"} {
		t.Run(code, func(t *testing.T) {
			w := start(t, nil)
			id := w.ask("maya", "deploy hotfix now")
			w.command("jonas", "/access", "help") // links the account
			w.sim.Inject(slacksim.Fault{Kind: slacksim.FaultError, Match: "views.open", Code: code, Count: 1})
			before := w.m.index
			w.click("jonas", w.card("access"), "request.deny")
			wantIn(t, w.heard("jonas"), "That took too long for Slack, so nothing was opened and nothing was done.")
			if w.m.index != before || w.votes(id) != 0 {
				t.Errorf("%d entries, %d votes", w.m.index-before, w.votes(id))
			}
			w.click("jonas", w.card("access"), "request.deny")
			if _, ok := w.sim.View("jonas"); !ok {
				t.Error("the next click opens nothing")
			}
		})
	}
}
