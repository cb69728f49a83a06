package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
)

// TestReq_R102_NothingGoesOnUndecided: on the running bot nobody can ask for access without an end or past the chain's longest, and more time that nobody has decided
// about is none: the access ends when it was to end, and its target refuses.
func TestReq_R102_NothingGoesOnUndecided(t *testing.T) {
	t.Parallel()
	s := &story{demo: demoAsJonas(t, map[string]string{"workflows/talk.yaml": talkChain})}
	ctx := t.Context()
	key := filepath.Join(t.TempDir(), "id.pub")
	mustSay(t, os.WriteFile(key, []byte(s.people["jonas"].public()), 0o600))
	for long, words := range map[string]string{"0m": "0m", "-1h": "-1h", "5h": "4h", "300d": "4h", "9000d": "366d"} {
		out, err := s.cli(ctx, "", "request", "talk", "-for-time", long, "-reason", "For as long as I like.", "-field", "key=@"+key, "-field", "ticket=OPS-7")
		if err == nil {
			t.Errorf("access for %q:\n%s", long, out)
		}
		said(t, out, words)
	}
	const reason = "A look at the logs of today."
	mustSay(t, s.talkAsk(ctx, "maya", "1h", reason))
	first := s.requestAbout(t, reason)
	out, err := s.cli(ctx, "", "approve", first, "-yes")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	_, err = s.dm(ctx, "maya", "Ready: ", "Shell as deploy")
	mustSay(t, err)
	access := func(id string) string {
		t.Helper()
		out, err := s.cli(ctx, "", "status", id)
		mustSay(t, err)
		return regexp.MustCompile(`(?m)^\s*Access: .*$`).FindString(out)
	}
	before := access(first)
	said(t, before, "active, until ")

	more := "It takes longer than thought."
	mustSay(t, s.command(ctx, "maya", "/access", "extend"))
	mustSay(t, s.submit(ctx, "maya", map[string]any{
		screens.BlockDuration: "2h", screens.BlockReason: more, screens.FieldBlock + "key": s.people["maya"].public(), screens.FieldBlock + "ticket": "OPS-1",
	}))
	second := s.requestAbout(t, more)
	if second == first {
		t.Fatal("more time is no request of its own")
	}
	if now := access(first); now != before {
		t.Errorf("nobody decided, and it says %q instead of %q", now, before)
	}
	if a := access(second); a != "" {
		t.Errorf("nobody decided, and there is %q", a)
	}
	cert, _ := s.certificate("maya")
	if _, err := s.host.login("deploy", s.people["maya"].ssh, cert); err != nil {
		t.Fatalf("the host does not let her in: %v", err)
	}
	mustSay(t, s.advance(ctx, 61*time.Minute))
	_, err = until(ctx, "the access to end", func() (string, bool) {
		out := access(first)
		return out, strings.Contains(out, "Access: ") && !strings.Contains(out, "active") && !strings.Contains(out, "ending")
	})
	mustSay(t, err)
	if _, err := s.host.login("deploy", s.people["maya"].ssh, cert); err == nil {
		t.Error("the host lets her in after the end")
	}
	out, err = s.ledger(ctx, "verify")
	mustSay(t, err)
	said(t, out, "intact")
}

// TestReq_R104_WithoutTheBotAccessEndsAndNoneIsMade: engine and administrator are gone in the middle of an access (kill -9). The enforcement point ends it by its own
// clock, nobody can ask for a new one, and what was asked before is not granted. Back again, the bot records the end that came without it.
func TestReq_R104_WithoutTheBotAccessEndsAndNoneIsMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	w.start()
	cert := w.grant("maya", "1h", "Before the bot died.")
	w.recorded("grant.started", 1)
	w.ask("kenji", "quick", "1h", "Nobody has decided this.")
	w.bot.kill()
	if !w.letIn("maya", cert) {
		t.Error("access ended with the bot, before its end")
	}
	if out, code := w.run("request", "quick", "-for-time", "1h", "-reason", "Asked of nobody at all."); code == exitDone {
		t.Errorf("without a bot something was asked for:\n%s", out)
	}
	w.check(w.clock.advance(61 * time.Minute))
	if w.letIn("maya", cert) {
		t.Error("without a bot the target lets her in after the end")
	}
	if n := len(w.entries("grant.started")); n != 1 {
		t.Errorf("%d accesses were made", n)
	}
	w.start()
	w.recorded("grant.revoked", 1)
	w.verify()
}
