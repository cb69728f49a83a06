package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows/identities"
)

const canaryOnRecord = `identities:
  - id: svc-canary
    kind: service_account
    name: Canary
    owner: jonas
    backup: maya
    purpose: Checks every minute that the database answers.
    environment: production
    expires: 2036-12-31
    accounts: {pg-main: canary}
`

// TestGlass_18_WhatABrokenGlassShowedIsReplaced is rotate_after with an identity through serve, on a real PostgreSQL: a runbook is invoked in an incident, and its executor gets to
// see the canary's password. While the emergency goes on the password works and nothing is opened; when the run is finished the rotation opens by itself, the
// library's routine makes the next login, and the server refuses the password that was shown.
func TestGlass_18_WhatABrokenGlassShowedIsReplaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script(t, dir, "promote", "#!/bin/sh\nread order\ntouch "+dir+"/done\necho '{\"ref\":\"job 7\"}'\n")
	script(t, dir, "check", "#!/bin/sh\nread order\nif [ -f "+dir+"/done ]; then echo '{\"presence\":\"present\"}'; else echo '{\"presence\":\"absent\"}'; fi\n")
	x, ctx := startLife(t, func(files map[string]string) {
		readyRoutines(t)(files)
		files["identities.yaml"] = canaryOnRecord
		files["workflows/solo.yaml"], files["workflows/approve-solo.yaml"] = soloChain, preapproveChain
		files["targets/tool.yaml"] = strings.ReplaceAll(toolTarget, "DIR", dir)
		files["runbooks/promote.md"] = strings.Replace(promoteBook, "owner: frida, within: 24h}", "owner: frida, within: 24h, identity: svc-canary}", 1)
	}), t.Context()
	said(t, x.identityCLI(t, "discover", "pg-main"), "pg-main:")
	mustSay(t, x.command(ctx, "maya", "/access", "request approve-solo"))
	mustSay(t, x.submit(ctx, "maya", map[string]any{"runbook": "promote", "duration": "30d", "reason": "So that nights are shorter."}))
	_, err := x.message(ctx, "access", "Maya Chen")
	mustSay(t, err)
	x.mustCLI(t, "approve", requestIn(t, x.mustCLI(t, "list")), "-yes")
	var done struct{ Run string }
	mustSay(t, json.Unmarshal([]byte(x.mustCLI(t, "runbook", "invoke", "promote", "INC-7", "host=db1", "-reason", "The primary is dead.", "-yes", "-json")), &done))
	x.mustCLI(t, "runbook", "step", done.Run, "1", "done")
	x.mustCLI(t, "runbook", "step", done.Run, "2", "run")
	if _, err := until(ctx, "the step of the emergency", func() (string, bool) {
		if err := x.advance(ctx, 10*time.Second); err != nil {
			return "", false
		}
		out := x.mustCLI(t, "runbook", "status", done.Run)
		return out, strings.Contains(out, "2  done")
	}); err != nil {
		t.Fatalf("%v:\n%s", err, x.mustCLI(t, "runbook", "status", done.Run))
	}
	mustSay(t, x.advance(ctx, 6*time.Minute)) // rotations are looked for every five minutes
	if out := x.identityCLI(t, "show", "svc-canary"); strings.Contains(out, "has to be replaced by") {
		t.Errorf("opened while the emergency goes on:\n%s", out)
	}
	x.wantIn("the canary's password in the emergency", x.logs("canary", "canary-pw"))
	x.mustCLI(t, "runbook", "note", done.Run, "-step", "3", "-file", dir+"/promote")
	x.mustCLI(t, "runbook", "step", done.Run, "3", "done", "-reason", "SELECT 1 works.")
	x.mustCLI(t, "runbook", "finish", done.Run)
	x.moved("svc-canary", "canary", "canary-pw")
	opened := x.mustCLI(t, "ledger", "search", "identity.rotation_opened", "-json")
	said(t, opened, `"`+identities.RotateBreakGlass+`"`)
	if n := strings.Count(opened, "identity.rotation_opened"); n != 1 {
		t.Errorf("opened %d times for one use", n)
	}
	x.verified(t)
}
