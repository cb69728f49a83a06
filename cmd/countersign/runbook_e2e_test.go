package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/runbooks/runbooktest"
)

// The runbook of this test: a look by hand, a program that fails once and is tried again, and what the checklist of the bot's host shows.
const promoteBook = `---
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
rotate_after:
  - {what: the replication password, owner: frida, within: 24h}
fields:
  - {name: host, label: Host, type: choice, choices: [db1, db2]}
---
# Promote the standby

## Step 1: look

Is it dead?

## Step 2: promote

` + "```step\naction: command\non: tool/promote\nfields: {host: \"${host}\"}\nretries: 2\nrollback: true\n```" + `

## Step 3: see

Does it serve?

` + "```step\nevidence: true\n```\n"

const toolTarget = `id: tool
title: Failover tool
connector: command
owner: frida
environment: production
data_class: internal
settings:
  grant: DIR/promote
  revoke: DIR/promote
  check: DIR/check
entitlements:
  - id: promote
    title: Promote
    description: Makes a standby the primary.
    business_task: Ending an outage.
    review_date: 2036-01-01
    params: {host: ["${fields.host}"]}
`

const preapproveChain = `id: approve-solo
title: Approve the promotion
purpose: For the tests of runbooks.
kind: runbook
owner: jonas
may_ask: {people: [maya]}
longest: 90d
usual: 30d
uses: 5
reason_min: 10
seen_by: members
channel: "#access"
stages:
  - name: Read
    approvers: {people: [jonas, frida]}
    quorum: 1
    timeout: 8h
`

// TestReq_R8_ARunbookIsCarriedOutOnTheBotsHost plays the whole way on the bot's host: approved in peacetime, invoked, a step that fails
// and is tried again, evidence, the end, the task that the review waits for, the report in three forms, and a ledger that verifies.
func TestReq_R8_ARunbookIsCarriedOutOnTheBotsHost(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script(t, dir, "promote", "#!/bin/sh\nread order\necho \"$order\" >> "+dir+"/orders\n[ -f "+dir+"/tried ] || { touch "+dir+"/tried; exit 4; }\ntouch "+dir+"/done\necho '{\"ref\":\"job 7\"}'\n")
	script(t, dir, "check", "#!/bin/sh\nread order\nif [ -f "+dir+"/done ]; then echo '{\"presence\":\"present\"}'; else echo '{\"presence\":\"absent\"}'; fi\n")
	d := demoAsJonas(t, map[string]string{
		"workflows/solo.yaml": soloChain, "workflows/approve-solo.yaml": preapproveChain, "runbooks/promote.md": promoteBook,
		"targets/tool.yaml": strings.ReplaceAll(toolTarget, "DIR", dir),
	})
	s, ctx := &story{demo: d}, t.Context()
	mustSay(t, s.command(ctx, "maya", "/access", "request approve-solo"))
	mustSay(t, s.submit(ctx, "maya", map[string]any{"runbook": "promote", "duration": "30d", "reason": "So that nights are shorter."}))
	_, err := s.message(ctx, "access", "Maya Chen")
	mustSay(t, err)
	_, err = d.cli(ctx, "", "list")
	mustSay(t, err)
	out, err := d.cli(ctx, "", "runbook", "invoke", "promote", "INC-7", "host=db1", "-yes")
	if err == nil {
		t.Errorf("invoked before it was approved: %s", out)
	}
	out, err = d.cli(ctx, "", "list")
	mustSay(t, err)
	out, err = d.cli(ctx, "", "approve", requestIn(t, out), "-yes")
	if err != nil {
		t.Fatal(out)
	}
	out, err = d.cli(ctx, "", "runbook", "dry-run", "promote", "INC-7", "host=db1")
	mustSay(t, err)
	said(t, out, "holds", "command tool/promote host=db1", "nothing was done", "Sofia")
	out, err = d.cli(ctx, "", "runbook", "invoke", "promote", "INC-7", "host=db1", "-reason", "The primary is dead.", "-yes", "-json")
	mustSay(t, err)
	var done struct{ Run, Review string }
	mustSay(t, json.Unmarshal([]byte(out), &done))
	out, err = d.cli(ctx, "", "runbook", "step", done.Run, "2", "run")
	if err == nil {
		t.Errorf("a step out of turn: %s", out)
	}
	for _, step := range [][]string{{"1", "done"}, {"2", "run"}} {
		if out, err = d.cli(ctx, "", "runbook", "step", done.Run, step[0], step[1]); err != nil {
			t.Fatal(out)
		}
	}
	deadline := time.Now().Add(2 * time.Minute)
	for out = ""; !strings.Contains(out, "2  done"); {
		if time.Now().After(deadline) {
			t.Fatalf("the step was never done:\n%s", out)
		}
		mustSay(t, d.advance(ctx, 10*time.Second))
		out, err = d.cli(ctx, "", "runbook", "status", done.Run)
		mustSay(t, err)
	}
	orders, err := os.ReadFile(filepath.Join(dir, "orders"))
	mustSay(t, err)
	said(t, string(orders), `"host":"db1"`)
	if out, err = d.cli(ctx, "", "runbook", "step", done.Run, "3", "done"); err == nil {
		t.Errorf("done without evidence: %s", out)
	}
	for _, words := range [][]string{
		{"note", done.Run, "-step", "3", "-file", filepath.Join(dir, "orders")}, {"step", done.Run, "3", "done", "-reason", "SELECT 1 works."}, {"finish", done.Run},
	} {
		if out, err = d.cli(ctx, "", append([]string{"runbook"}, words...)...); err != nil {
			t.Fatal(words, out)
		}
	}
	said(t, out, "finished")
	for _, ext := range []string{".md", ".html", ".pdf"} {
		path := filepath.Join(dir, "report"+ext)
		if out, err = d.cli(ctx, "", "runbook", "report", "INC-7", "-out", path); err != nil {
			t.Fatal(out)
		}
		raw, err := os.ReadFile(path)
		mustSay(t, err)
		switch ext {
		case ".pdf":
			if !strings.HasPrefix(string(raw), "%PDF-") || len(raw) < 5000 {
				t.Errorf("the PDF has %d bytes", len(raw))
			}
		default:
			said(t, string(raw), "INC-7", "The primary is dead", "job 7", "sha256:", "replication password", "Approved in peacetime", "retry", done.Review)
		}
	}
	if out, err = d.cli(ctx, "", "ledger", "verify", "-data", filepath.Join(d.dir, "data")); err != nil {
		t.Error(out)
	}
}

func script(t *testing.T, dir, name, text string) {
	t.Helper()
	runbooktest.Program(t, filepath.Join(dir, name), text, 0o755)
}
