package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// promoteByHand is the chain of a named automation for what its window does not cover; at night whoever is awake is asked, too.
const promoteByHand = `id: promote
title: Promote a standby
purpose: For the robot that fails databases over.
kind: credential
owner: jonas
may_ask: {people: [maya]}
for: [owned]
grants: [tool/promote]
longest: 4h
usual: 30m
reason_min: 10
channel: "#access"
seen_by: members
stages:
  - name: Berlin
    approvers: {people: [jonas, sofia]}
    quorum: 1
    off_hours: awake
    escalate: {after: 6h, approvers: {people: [priya]}}
    timeout: 12h
`

const promoteWindow = `id: promote-window
title: Fail-overs in the morning
purpose: The robot promotes standbys by itself while Berlin is there to see it.
kind: window
owner: jonas
may_ask: {people: [maya]}
for: [owned]
grants: [tool/promote]
window: {hours: "Mon-Fri 09:00-12:00", zone: UTC, times: 2, per: 1h, lifetime: 30m, budget: 3}
longest: 30d
usual: 7d
reason_min: 10
channel: "#access"
seen_by: members
stages:
  - name: Security
    approvers: {people: [sofia]}
    quorum: 1
    timeout: 7d
`

// atWeekday is the time until the next such hour of that day of the week.
func atWeekday(now time.Time, day time.Weekday, hour int) time.Duration {
	now = now.UTC()
	at := time.Date(now.Year(), now.Month(), now.Day(), hour, 5, 0, 0, time.UTC)
	for at.Weekday() != day || !at.After(now) {
		at = at.AddDate(0, 0, 1)
	}
	return at.Sub(now)
}

// TestReq_R82_AWindowThroughTheBot: the owner of an automation asks for a standing window in Slack, and security approves it once. Within its hours the
// automation is granted what it names without anybody: not for longer than the window's lifetime, not more often than its count, not more in all
// than its budget. Everything else goes to people, who at night in Berlin are those awake in Bengaluru; and what was granted ends by itself.
func TestReq_R82_AWindowThroughTheBot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script(t, dir, "promote", "#!/bin/sh\nread order\necho '{\"ref\":\"job 7\"}'\n")
	script(t, dir, "check", "#!/bin/sh\nread order\necho '{\"presence\":\"absent\"}'\n")
	w := portalWorld(t, "maya", func(config string) {
		for name, text := range map[string]string{
			"workflows/promote.yaml": promoteByHand, "workflows/promote-window.yaml": promoteWindow, "targets/tool.yaml": strings.NewReplacer("DIR", dir, "    params: {host: [\"${fields.host}\"]}\n", "").Replace(toolTarget),
		} {
			mustSay(t, os.WriteFile(filepath.Join(config, name), []byte(text), 0o600))
		}
	})
	w.later(atWeekday(w.clock.Now().Wall, time.Monday, 9))
	ask := func(long string) string {
		t.Helper()
		return requestIn(t, w.must("request", "promote", "-for", "svc-deploy", "-for-time", long, "-reason", "the primary does not answer"))
	}
	waits := func(long, why string) string {
		t.Helper()
		id := ask(long)
		if out := w.must("status", id); !strings.Contains(out, "Berlin") || strings.Contains(out, "standing window") {
			t.Errorf("%s, and it waits for nobody:\n%s", why, out)
		}
		return id
	}
	granted := func(n int, why string) {
		t.Helper()
		id := ask("30m")
		w.recorded(grants.Started{}.Kind(), n)
		asked := w.entries(workflows.Submitted{}.Kind())
		if e := asked[len(asked)-1]; e.Stream.Rest() != id || e.Event.(workflows.Submitted).Window == "" {
			t.Errorf("%s: %+v", why, e.Event)
		}
		said(t, w.must("status", id), "standing window")
	}
	before := waits("30m", "before there is a window")

	v := w.form("maya", "promote-window")
	robot, ok := optionValue(v.Blocks, "Deployment robot")
	if !ok {
		t.Fatalf("the form does not offer the automation:\n%s", v.Visible())
	}
	w.check(w.submit(t.Context(), "maya", map[string]any{screens.BlockSubject: robot, screens.BlockDuration: "7d", screens.BlockReason: "So that fail-overs in the morning need nobody."}))
	w.must("withdraw", before)
	asked := w.dmTo("sofia", "Maya Chen", "So that fail-overs in the morning")
	said(t, asked.Visible(), "Standing window for Failover tool – Promote", "to be held by *Deployment robot", "Until it ends nobody is asked: Mon-Fri 09:00-12:00 (UTC), 2 times each 1h, for at most 30m each, 3 times in all.")
	w.click("sofia", asked, screens.ActApprove)
	w.recorded(identities.WindowGranted{}.Kind(), 1)
	w.dmTo("maya", "approved", "The window is open: within its hours nobody is asked any more")
	said(t, w.must("reach", "svc-deploy"), "window", "tool/promote", "Mon-Fri 09:00-12:00 (UTC)")

	granted(1, "the first within the window")
	w.must("withdraw", waits("1h", "longer than its lifetime"))
	granted(2, "the second")
	w.must("withdraw", waits("30m", "the third within an hour"))
	w.later(61 * time.Minute)
	w.recorded(grants.Revoked{}.Kind(), 2)
	granted(3, "the first of the next hour")
	w.later(61 * time.Minute)
	w.must("withdraw", waits("30m", "past its budget"))

	w.later(atWeekday(w.clock.Now().Wall, time.Tuesday, 5)) // six in Berlin, half past ten in Bengaluru
	night := waits("30m", "outside of its hours")
	w.click("priya", w.dmTo("priya", "svc-deploy", "Promote"), screens.ActApprove)
	w.recorded(grants.Started{}.Kind(), 4)
	for _, r := range w.entries(workflows.VoteRecorded{}.Kind()) {
		if v := r.Event.(workflows.VoteRecorded); r.Stream.Rest() == night && v.Verdict != workflows.Approve {
			t.Errorf("at night: %+v", v)
		}
	}
	w.verify()
}
