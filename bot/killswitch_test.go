package bot_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/slack/slacksim"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// R18, R37: Slack says that somebody was deactivated, and what they held is being taken back, without anybody doing anything.
func TestReq_R37_SlacksLeaverLosesAccess(t *testing.T) {
	w := start(t, nil)
	id := w.ask("maya", "logs are full")
	w.click("jonas", w.card("access"), "request.approve")
	w.run()
	w.click("sofia", w.dm("sofia"), "request.approve")
	w.run()
	if h := w.state(id).Hold; h == nil || h.Status != grants.StatusActive {
		t.Fatalf("not active: %+v", h)
	}
	if err := w.sim.SetUser("maya", func(u *slacksim.User) { u.Deleted = true }); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for w.state(id).Hold.Status == grants.StatusActive {
		select {
		case <-ctx.Done():
			t.Fatalf("a minute after Slack said so it goes on; log:\n%s", w.log)
		case <-time.After(10 * time.Millisecond):
		}
	}
	if h := w.state(id).Hold; !strings.Contains(h.Why, "deactivated") {
		t.Errorf("it ended because %q", h.Why)
	}
}
