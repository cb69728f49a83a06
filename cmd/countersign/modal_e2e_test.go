package main

import (
	"maps"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/bot/screens"
)

const anyLoginChain = `id: new-login
title: Login for a program
purpose: For programs of ours.
kind: identity
life: {action: onboard}
owner: jonas
may_ask: {groups: [engineers]}
for: [self]
grants: [bastion/deploy]
` + newLoginFields + `  - {name: key, label: SSH public key, type: ssh_key}
longest: 366d
usual: 90d
reason_min: 10
channel: "#access"
seen_by: members
stages:
  - name: Owner
    approvers: {target_owner: true}
    timeout: 14d
`

// TestReq_R7_TheFormSaysWhichFieldOfANewIdentityIsWrong: somebody fills the form for a new identity in Slack. Whatever is missing or wrong (the ticket is
// asked for in the system that keeps it) is said under its own field, the form stays open, and nothing is recorded; filled in rightly it is an
// open request.
func TestReq_R7_TheFormSaysWhichFieldOfANewIdentityIsWrong(t *testing.T) {
	t.Parallel()
	system := newChanges(t)
	s := &story{demo: demoAsJonas(t, map[string]string{"workflows/new-login.yaml": anyLoginChain, "targets/changes.yaml": system.target(t), "roles.yaml": jonasRoles})}
	ctx := t.Context()
	field := func(name string) string { return screens.FieldBlock + name }
	good := map[string]any{
		screens.BlockDuration: "90d", screens.BlockReason: "The map needs its tiles from the shop.", field("identity"): "svc-tiles", field("kind"): "0", field("owner"): s.slackID("priya"),
		field("backup"): s.slackID("kenji"), field("purpose"): "Builds the tiles of the map.", field("environment"): "0", field("ticket"): "OPS-4711", field("scope"): "0", field("key"): s.people["maya"].public(),
	}
	send := func(values map[string]any) map[string]string {
		t.Helper()
		mustSay(t, s.command(ctx, "maya", "/access", "identity new"))
		_, err := s.view(ctx, "maya", screens.CallForm)
		mustSay(t, err)
		entered := map[string]map[string]any{}
		for block, v := range values {
			entered[block] = map[string]any{screens.InputValue: v}
		}
		got := s.slack.SubmitView(ctx, s.slackID("maya"), entered)
		if got.Err != nil { // Slack itself keeps a form that lacks something that it marks as needed
			_, missing, ok := strings.Cut(got.Err.Error(), "the form is not complete: ")
			block, why, found := strings.Cut(missing, ": ")
			if !ok || !found {
				t.Fatal(got.Err)
			}
			return map[string]string{block: why}
		}
		return got.Errors
	}
	for _, c := range []struct {
		name, block string
		value       any // nil: left empty
		says        string
		closed      bool // of the ticket
	}{
		{"a ticket that no rule of it could be", field("ticket"), "PAY-1", "", false},
		{"a ticket that is closed", field("ticket"), "OPS-4712", "is closed", true},
		{"a ticket left empty", field("ticket"), nil, "", false},
		{"an owner left empty", field("owner"), nil, "", false},
		{"an owner who backs it up, too", field("owner"), s.slackID("kenji"), "", false},
		{"a purpose left empty", field("purpose"), nil, "", false},
		{"an environment left empty", field("environment"), nil, "", false},
		{"an id that cannot be one", field("identity"), "Svc Tiles", "", false},
		{"an end that was emptied", screens.BlockDuration, "", "", false},
		{"an end in ten years", screens.BlockDuration, "3650d", "366d", false},
	} {
		values := maps.Clone(good)
		values[c.block] = c.value
		if c.value == nil {
			delete(values, c.block)
		}
		system.closed.Store(c.closed)
		errs := send(values)
		wrong := c.block
		if c.name == "an owner who backs it up, too" {
			wrong = field("backup")
		}
		if errs[wrong] == "" || len(errs) != 1 || !strings.Contains(errs[wrong], c.says) {
			t.Errorf("%s: the form says %q", c.name, errs)
		}
		if _, open := s.slack.View(s.slackID("maya")); !open {
			t.Errorf("%s: the form is closed", c.name)
		}
		system.closed.Store(false)
	}
	before := system.asked.Load()
	if before == 0 {
		t.Error("the system that keeps the tickets was never asked")
	}
	if out := s.mustCLI(t, "ledger", "show", "-last", "0", "-json"); strings.Contains(out, "request.submitted") {
		t.Errorf("something was recorded of a wrong form:\n%s", out)
	}
	if errs := send(good); len(errs) > 0 {
		t.Fatalf("the form that is right: %q", errs)
	}
	_, err := s.message(ctx, "access", "Maya Chen", "svc-tiles")
	mustSay(t, err)
}
