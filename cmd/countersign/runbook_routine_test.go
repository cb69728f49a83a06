package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
)

const routineBook = `---
id: retool
title: Replace the failover password
purpose: The password is younger than a quarter.
use_when: The quarter is over.
do_not_use_when: An incident is open.
routine: true
owner: frida
invokers: {people: [jonas]}
longest: 2h
chain: routine
notify: "#incidents"
fields:
  - {name: host, label: Host, type: choice, choices: [db1, db2]}
---
# Replace the failover password

## Step 1: replace it

` + "```step\naction: command\non: tool/promote\nfields: {host: \"${host}\"}\nauto: true\n```" + `

## Step 2: tell the readers

Who reads it?

## Step 3: see that the old one is dead

` + "```step\nevidence: true\n```\n"

const routineChain = `id: routine
title: Carry out a routine
purpose: Somebody else looks before a routine changes something.
kind: routine
owner: jonas
may_ask: {people: [maya, jonas]}
longest: 4h
usual: 2h
reason_min: 10
seen_by: members
channel: "#access"
stages:
  - name: Look
    approvers: {people: [jonas, frida]}
    quorum: 1
    timeout: 8h
`

// TestReq_R8_ARoutineIsOpenedByItsChain: a routine runbook is asked for in Slack, decided by its chain on a card that says what connectors
// would do, opened by the approval in the same transaction, begun by itself, carried on by a colleague on the bot's host, and closed; no
// incident and no review is made of it, and the ledger verifies. Who asks does not decide, a wrong parameter is refused, and neither opens a
// text for incidents a run nor a routine an incident.
func TestReq_R8_ARoutineIsOpenedByItsChain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script(t, dir, "promote", "#!/bin/sh\nread order\necho \"$order\" >> "+dir+"/orders\necho '{\"ref\":\"job 7\"}'\n")
	script(t, dir, "check", "#!/bin/sh\nread order\nif [ -f "+dir+"/orders ]; then echo '{\"presence\":\"present\"}'; else echo '{\"presence\":\"absent\"}'; fi\n")
	d := demoAsJonas(t, map[string]string{
		"workflows/solo.yaml": soloChain, "workflows/approve-solo.yaml": preapproveChain, "workflows/routine.yaml": routineChain,
		"runbooks/promote.md": promoteBook, "runbooks/retool.md": routineBook, "targets/tool.yaml": strings.ReplaceAll(toolTarget, "DIR", dir),
	})
	s, ctx := &story{demo: d}, t.Context()
	out, err := d.cli(ctx, "", "runbook", "list")
	mustSay(t, err)
	said(t, out, "routine: countersign runbook start retool")
	for _, c := range []struct{ words, want string }{
		{"runbook start retool host=db9 -reason The_quarter_is_over.", "host: Pick one of: db1, db2."},
		{"runbook start retool host=db1 -reason short", "reason"},
		{"runbook start retool host=db1 -reason The_quarter_is_over. -for-time 3h", "1m to 2h"},
		{"runbook start retool host=db1 -reason The_quarter_is_over. -about nobody", "There is no such person or identity in the inventory"},
		{"runbook start promote host=db1 -reason The_quarter_is_over.", "This runbook is for incidents"},
		{"runbook start nothing -reason The_quarter_is_over.", "There is no such runbook"},
		{"runbook invoke retool INC-7 host=db1 -yes", "This runbook is routine: no incident opens it"},
	} {
		if out, err := d.cli(ctx, "", strings.Fields(c.words)...); err == nil || !strings.Contains(out, c.want) {
			t.Errorf("%s: %v\n%s\nwant %q", c.words, err, out, c.want)
		}
	}
	out, err = d.cli(ctx, "", "runbook", "start", "retool", "host=db2", "-reason", "Jonas himself.")
	mustSay(t, err)
	own := requestIn(t, out)
	if out, err = d.cli(ctx, "", "approve", own, "-yes"); err == nil {
		t.Errorf("who asked has decided: %s", out)
	}
	if out, err = d.cli(ctx, "", "withdraw", own); err != nil {
		t.Fatal(out)
	}
	mustSay(t, s.command(ctx, "maya", "/access", "run"))
	_, err = s.told(ctx, "maya", "access", "Replace the failover password", "/access run retool")
	mustSay(t, err)
	mustSay(t, s.command(ctx, "maya", "/access", "run retool host=db1 The quarter is over."))
	card, err := s.message(ctx, "access", "Maya Chen", "retool")
	mustSay(t, err)
	said(t, card.Visible(), "The password is younger than a quarter.", "1. command tool/promote", "db1", "for 2h")
	id := requestOfCard(ctx, t, d)
	if out, err = d.cli(ctx, "", "approve", id, "-yes"); err != nil {
		t.Fatal(out)
	}
	checklist, err := s.message(ctx, "incidents", "Routine: Replace the failover password")
	mustSay(t, err)
	said(t, checklist.Visible(), "Maya Chen")
	waitForStatus(ctx, t, d, id, "1  done")
	orders, err := os.ReadFile(filepath.Join(dir, "orders"))
	mustSay(t, err)
	said(t, string(orders), `"host":"db1"`, id)
	m, err := s.dm(ctx, "maya", "Replace the failover password", "Step 2, by hand")
	mustSay(t, err)
	mustSay(t, s.press(ctx, "maya", m, screens.ActRunDone))
	waitForStatus(ctx, t, d, id, "2  done")
	for _, words := range []string{"step " + id + " 3 done -reason The_old_one_is_refused.", "finish " + id} {
		if out, err = d.cli(ctx, "", append([]string{"runbook"}, strings.Fields(words)...)...); err != nil {
			t.Fatal(words, out)
		}
	}
	said(t, out, "finished")
	out, err = d.cli(ctx, "", "runbook", "review")
	mustSay(t, err)
	if strings.Contains(out, "retool") {
		t.Errorf("a review was opened of a routine: %s", out)
	}
	if out, err = d.cli(ctx, "", "ledger", "verify", "-data", filepath.Join(d.dir, "data")); err != nil {
		t.Error(out)
	}
}

// requestOfCard is the open request of Maya's that waits for Jonas.
func requestOfCard(ctx context.Context, t *testing.T, d *demo) string {
	t.Helper()
	out, err := d.cli(ctx, "", "list")
	mustSay(t, err)
	return requestIn(t, out)
}

// waitForStatus looks at a run until it shows what is wanted.
func waitForStatus(ctx context.Context, t *testing.T, d *demo, run, want string) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for {
		out, err := d.cli(ctx, "", "runbook", "status", run)
		if err == nil && strings.Contains(out, want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("run %s never showed %q:\n%s", run, want, out)
		}
		mustSay(t, d.advance(ctx, time.Second))
	}
}
