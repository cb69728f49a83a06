package main

import (
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/slack/slacksim"
)

// TestThreat_T05_GhostIsRecordedAndTold: somebody else on the app token (or a half-open connection) makes Slack count more connections than
// the bot holds. That is an entry in the ledger and a message to the security channel: once, however often Slack says it.
func TestThreat_T05_GhostIsRecordedAndTold(t *testing.T) {
	t.Parallel()
	d := quietDemo(t)
	s := &story{demo: d}
	d.slack.SetGhosts(2)
	for range 3 {
		d.slack.RefreshConnections()
		_, err := until(t.Context(), "the bot to connect again", func() (slacksim.Stats, bool) {
			st := d.slack.SocketStats()
			return st, st.Open >= 1 && d.child.isReady(t.Context())
		})
		mustSay(t, err)
	}
	_, err := s.message(t.Context(), "security", "counts", "connections")
	mustSay(t, err)
	deadline := time.Now().Add(2 * time.Second) // a second message would come with the reconnections above
	for time.Now().Before(deadline) {
		if n := len(d.slack.Messages("security")); n != 1 {
			t.Fatalf("%d messages in #security, want one an hour", n)
		}
		time.Sleep(lookEvery)
	}
	out, err := d.ledger(t.Context(), "show", "-last", "0")
	mustSay(t, err)
	if n := strings.Count(out, "alarm.raised"); n != 1 || !strings.Contains(out, alarmGhost) {
		t.Errorf("the ledger has %d alarms, want one of kind %s:\n%s", n, alarmGhost, out)
	}
}
