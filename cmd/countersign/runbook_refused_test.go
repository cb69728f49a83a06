package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack/slacksim"
)

// takenBackBook does one thing, and then another one that hangs: the first is taken back.
const takenBackBook = `---
id: promote
title: Promote the standby
purpose: Writes work again.
use_when: The primary is dead.
do_not_use_when: It is only slow.
owner: frida
invokers: {people: [jonas]}
longest: 30m
incident_pattern: 'INC-[0-9]{1,7}'
skips: solo
notify: "#incidents"
reviewers: {people: [sofia, frida]}
review_due: 24h
on_failure: rollback
---
# Promote the standby

## Step 1: fence the primary

` + "```step\naction: command\non: tool/promote\nfields: {host: db1}\nrollback: true\n```" + `

## Step 2: promote

` + "```step\naction: command\non: hangs/promote\nfields: {host: db2}\ntimeout: 1m\nretries: 0\nauto: true\n```" + `

## Step 3: see

Does it serve?
`

// guardedBook grants root on the bastion to the commander of an open incident who is on shift.
const guardedBook = `---
id: guarded
title: Root for the commander
purpose: The shop works again.
use_when: The shop is down.
do_not_use_when: It is only slow.
owner: frida
invokers: {people: [jonas]}
grant: bastion/root
longest: 30m
incident_pattern: 'INC-[0-9]{1,7}'
incident_required: true
commander_invokes: true
on_shift: [duty]
skips: prod-root
notify: "#incidents"
reviewers: {people: [sofia, frida]}
review_due: 48h
fields:
  - {name: key, label: SSH public key, type: ssh_key}
  - {name: zone, label: Zone, type: choice, choices: [eu, us], optional: true}
---
# Root for the commander

## Step 1: look

Is it down?

## Step 2: restart it

Restart the shop.
`

const dutyRota = `rotations:
  - name: duty
    zone: UTC
    people: [priya, jonas]
    first: 2026-01-05
    at: "06:00"
    days: 1
`

// approveBook has a runbook approved in peacetime: maya asks in Slack, the user of the tests approves on the bot's host.
func approveBook(t *testing.T, s *story, id string) {
	t.Helper()
	ctx := t.Context()
	mustSay(t, s.command(ctx, "maya", "/access", "request approve-solo"))
	mustSay(t, s.submit(ctx, "maya", map[string]any{"runbook": id, "duration": "30d", "reason": "So that nights are shorter."}))
	_, err := s.message(ctx, "access", "Maya Chen")
	mustSay(t, err)
	out, err := s.cli(ctx, "", "list")
	mustSay(t, err)
	s.mustCLI(t, "approve", requestIn(t, out), "-yes")
}

// mustCLI runs a command that must work.
func (s *story) mustCLI(t *testing.T, args ...string) string {
	t.Helper()
	out, err := s.cli(t.Context(), "", args...)
	if err != nil {
		t.Fatalf("%q: %v\n%s", args, err, out)
	}
	return out
}

// refusedCLI runs a command that must be refused, with one reason in the answer and one in the ledger.
func (s *story) refusedCLI(t *testing.T, why, recorded string, args ...string) {
	t.Helper()
	before := strings.Count(s.ledgerSays(t), recorded)
	out, err := s.cli(t.Context(), "", args...)
	if err == nil || !strings.Contains(out, why) {
		t.Errorf("%q: %v, want %q in\n%s", args, err, why, out)
	}
	if after := s.ledgerSays(t); strings.Count(after, recorded) != before+1 {
		t.Errorf("%q: the ledger does not say %q:\n%s", args, recorded, after)
	}
}

// allEntries reads the whole ledger.
func (s *story) allEntries() []string {
	return []string{"ledger", "show", "-data", filepath.Join(s.dir, "data"), "-last", "0", "-json"}
}

// ledgerSays is all that the ledger holds, as JSON.
func (s *story) ledgerSays(t *testing.T) string {
	t.Helper()
	return s.mustCLI(t, s.allEntries()...)
}

// verified holds that the ledger verifies, every decision replayed.
func (s *story) verified(t *testing.T) {
	t.Helper()
	s.mustCLI(t, "ledger", "verify", "-data", filepath.Join(s.dir, "data"))
}

// TestReq_R8_AStepThatHangsIsTakenBack: a text that nobody approved is refused, and so is the use after the last one that was approved, one after the
// approval ran out, and one of a text that has one byte more; the ledger says each time which condition failed. Between them the second step's program does not answer within the time of its step. That is a failure for good,
// its reason stands in the ledger, the target of the first step is asked to take back what it did, under the order of that step, and the run
// cannot go on as if nothing had been.
func TestReq_R8_AStepThatHangsIsTakenBack(t *testing.T) {
	t.Parallel()
	dir, stuck := t.TempDir(), t.TempDir()
	script(t, dir, "promote", "#!/bin/sh\nread order\ntouch "+dir+"/done\necho '{\"ref\":\"job 7\"}'\n")
	script(t, dir, "undo", "#!/bin/sh\nread order\necho \"$order\" >> "+dir+"/undone\nrm -f "+dir+"/done\necho '{\"ref\":\"undo 7\"}'\n")
	script(t, dir, "check", "#!/bin/sh\nread order\nif [ -f "+dir+"/done ]; then echo present; else echo absent; fi\n")
	script(t, stuck, "promote", "#!/bin/sh\nread order\necho \"$order\" >> "+stuck+"/orders\nexec sleep 600\n")
	script(t, stuck, "check", "#!/bin/sh\nread order\necho absent\n")
	s := &story{demo: demoAsJonas(t, map[string]string{
		"workflows/solo.yaml": soloChain, "workflows/approve-solo.yaml": strings.Replace(preapproveChain, "uses: 5", "uses: 1", 1), "runbooks/promote.md": takenBackBook,
		"targets/tool.yaml":  strings.ReplaceAll(strings.Replace(toolTarget, "revoke: DIR/promote", "revoke: DIR/undo", 1), "DIR", dir),
		"targets/hangs.yaml": strings.ReplaceAll(strings.NewReplacer("id: tool", "id: hangs", "settings:\n", "settings:\n  timeout_seconds: \"2\"\n").Replace(toolTarget), "DIR", stuck),
	})}
	invoke := []string{"runbook", "invoke", "promote", "INC-7", "-reason", "The primary is dead.", "-yes", "-json"}
	s.refusedCLI(t, "Nobody has approved this runbook yet.", `"failed":["approved"]`, invoke...)
	approveBook(t, s, "promote")
	run := runIn(t, s.mustCLI(t, invoke...))
	s.mustCLI(t, "runbook", "step", run, "1", "run")
	out := s.waitCLI(t, time.Second, []string{"runbook", "status", run}, "2  failed", "1  undone")
	undone, err := os.ReadFile(filepath.Join(dir, "undone"))
	mustSay(t, err)
	said(t, string(undone), run[2:]+"-s1", `"host":"db1"`)
	if _, err := os.Stat(filepath.Join(dir, "done")); !os.IsNotExist(err) {
		t.Errorf("what step 1 did is still there: %v\n%s", err, out)
	}
	said(t, s.ledgerSays(t), `"text":"the target did not answer in time","final":true`, `"type":"run.rolled_back"`, `"event":{"steps":[1]}`, `"event":{"step":1,"presence":"absent"`)
	s.refusedCLI(t, "All 1 approved uses of this runbook are spent.", `"failed":["approved"]`, invoke...)
	mustSay(t, s.advance(t.Context(), 31*24*time.Hour))
	s.refusedCLI(t, "The approval of this runbook ran out at", `"failed":["approved"]`, invoke...)
	mustSay(t, os.WriteFile(filepath.Join(s.dir, "config", "runbooks", "promote.md"), []byte(takenBackBook+"\n"), 0o600))
	s.mustCLI(t, "reload")
	s.refusedCLI(t, "This runbook was changed since it was approved.", `"failed":["approved"]`, invoke...)
	s.verified(t)
}

// runIn is the run of an invocation that was answered as JSON.
func runIn(t *testing.T, out string) string {
	t.Helper()
	var done struct{ Run string }
	mustSay(t, json.Unmarshal([]byte(out), &done))
	if done.Run == "" {
		t.Fatalf("no run in %s", out)
	}
	return done.Run
}

// TestStory_TheCommanderIsHeldToTheAgreement: who commands the incident, but is not on shift, is refused, with the reason in the ledger; on
// shift they get what was agreed, unless a parameter is none of its choices, whatever shell or template could make of it. Closing the incident ends the access and the run, and nothing goes on in it. The next use is found to be misuse:
// what it gave ends at once, and who misused the runbook is refused from then on, with that reason.
func TestStory_TheCommanderIsHeldToTheAgreement(t *testing.T) {
	t.Parallel()
	s := &story{demo: demoAsJonas(t, map[string]string{
		"workflows/solo.yaml": soloChain, "workflows/approve-solo.yaml": preapproveChain, "runbooks/guarded.md": guardedBook, "rotations.yaml": dutyRota,
	})}
	ctx := t.Context()
	approveBook(t, s, "guarded")
	s.untilShift(ctx, t, false)
	first := incidentIn.FindString(s.mustCLI(t, "incident", "open", "2", "The shop is down"))
	invoke := func(incident string, more ...string) []string {
		words := append([]string{"runbook", "invoke", "guarded", "-reason", "Nobody can buy anything.", "-yes", "-json", incident}, more...)
		return append(words, "key="+strings.TrimSpace(s.people["jonas"].public()))
	}
	s.refusedCLI(t, "You are not on shift now.", `"failed":["on_shift"]`, invoke(first)...)
	s.untilShift(ctx, t, true)
	for _, typed := range []string{"mars", "eu; id", "$(id)", "{{.Secret}}", "${key}"} {
		s.refusedCLI(t, "zone:", `"code":"bad_field"`, invoke(first, "zone="+typed)...)
	}
	run := runIn(t, s.mustCLI(t, invoke(first)...))
	s.mustCLI(t, "runbook", "step", run, "1", "done")
	s.mustCLI(t, "incident", "close", first, "It serves again.")
	s.waitCLI(t, time.Second, []string{"runbook", "status", run}, "incident")
	s.refusedCLI(t, "closed", `"command":"finish a step"`, "runbook", "step", run, "2", "done")
	s.refusedCLI(t, "Incident "+first+" is not open any more.", `"failed":["incident"`, invoke(first)...)
	s.waitCLI(t, time.Second, s.allEntries(), `"grant.revoked"`)

	second := incidentIn.FindString(s.mustCLI(t, "incident", "open", "2", "The shop is slow"))
	var used struct{ Run, Review string }
	mustSay(t, json.Unmarshal([]byte(s.mustCLI(t, invoke(second)...)), &used))
	s.refusedCLI(t, "", `"command":"review"`, "runbook", "review", used.Review, "misuse", "-reason", "I was there myself and it was right.")
	s.foundMisuse(ctx, t, "sofia", used.Review, "The shop was only slow, and he knew.")
	s.waitCLI(t, time.Second, s.allEntries(), "A review found misuse.", `"runbook.barred"`)
	s.refusedCLI(t, "Review "+used.Review+" found misuse by you", `"not_misused"`, invoke(second)...)
	s.verified(t)
}

// foundMisuse closes a review in Slack with the verdict that it was misuse.
func (s *story) foundMisuse(ctx context.Context, t *testing.T, who, review, note string) {
	t.Helper()
	mustSay(t, s.command(ctx, who, "/breakglass", "review "+review))
	v, err := s.view(ctx, who, screens.CallReview)
	mustSay(t, err)
	values := map[string]any{}
	for _, b := range v.Blocks {
		e, _ := b["element"].(slacksim.Object)
		id, _ := b["block_id"].(string)
		switch e["type"] {
		case "radio_buttons":
			values[id] = "misuse"
		case "plain_text_input":
			values[id] = note
		}
	}
	mustSay(t, s.submit(ctx, who, values))
}

// untilShift moves the clock hour by hour until the user of the tests is on shift, or is not.
func (s *story) untilShift(ctx context.Context, t *testing.T, on bool) {
	t.Helper()
	day := 24 * time.Hour
	first := time.Date(2026, 1, 5, 6, 0, 0, 0, time.UTC)
	for range 30 {
		if (s.clock.Now().Wall.Sub(first)/day)%2 == 1 == on {
			return
		}
		mustSay(t, s.advance(ctx, time.Hour))
	}
	t.Fatal("no shift begins")
}
