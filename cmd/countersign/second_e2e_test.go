package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestThreat_T49_TheNextUseNeedsASecondPerson: nobody looked at a use in its day. The same person breaks the glass again on the bot's host, with Slack
// away: it is recorded, gives nothing, and waits; they cannot agree themselves. When Slack is back a second listed person agrees there, the use
// begins, and the channel of alarms hears of it.
func TestThreat_T49_TheNextUseNeedsASecondPerson(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := portalWorld(t, "kenji", func(config string) {
		for name, text := range map[string]string{"runbooks/leaked-key.md": readyBook(t, "leaked-key.md"), "targets/pg-main.yaml": strings.ReplaceAll(databaseTarget, "DIR", dir)} {
			mustSay(t, os.WriteFile(filepath.Join(config, name), []byte(text), 0o600))
		}
	})
	standsStill(t, dir)
	w.preapprove("leaked-key", "Replace a key")
	invoke := func(incident string) string {
		t.Helper()
		return w.must("runbook", "invoke", "leaked-key", incident, "account=svc_deploy", "where=public repository",
			"key="+strings.TrimSpace(w.people["kenji"].public()), "-reason", "the key of svc_deploy is public", "-yes")
	}
	open := func() string {
		return incidentIn.FindString(w.must("incident", "open", "2", "A key stands in a public repository"))
	}
	said(t, invoke(open()), "the glass is broken")
	w.later(25 * time.Hour)
	w.recorded("review.overdue", 1)

	w.slackDown()
	out := invoke(open())
	said(t, out, "Recorded, and not done yet: a second listed person agrees")
	if n := len(w.entries("runbook.invoked")); n != 1 {
		t.Fatalf("%d uses are recorded, want the first one alone", n)
	}
	proposal := wordWith(t, out, "x_")
	if out, code := w.run("runbook", "agree", proposal); code == exitDone {
		t.Errorf("agreed to what they asked for themselves: %s", out)
	}
	w.slackUp()
	w.check(w.child.ready(t.Context()))
	w.check(w.command(t.Context(), "maya", "/breakglass", "agree "+proposal))
	w.recorded("runbook.invoked", 2)
	w.later(time.Minute)
	_, err := w.message(t.Context(), "security", "Break glass", "Kenji Mori", "INC-2", "Maya Chen")
	w.check(err)
	w.verify()
}
