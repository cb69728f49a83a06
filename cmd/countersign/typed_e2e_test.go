package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack/slacksim"
	"github.com/countersign-bot/countersign/workflows"
)

// typedTiers is a table of risks of which production wants the target's name typed, and nobody to have three open.
const typedTiers = "tiers:\n  - {name: low, longest: 8h, approvers: 0}\n  - {name: critical, longest: 8h, approvers: 1, type_target: true, most_open: 3}\nrows:\n" +
	"  - {environment: [production], tier: critical}\n  - {tier: low}\n"

// TestThreat_T39_TheNameOfTheTargetIsTyped: where the risk wants it, nobody asks by habit: the form in Slack has an input for the target's name, and what is
// wrong there is said beside it and recorded nowhere; the command line wants -confirm, and machines send confirm over HTTP and MCP. What was typed right is
// recorded as typed, and the replay of the ledger holds it. Somebody with three open requests of that risk opens no fourth.
func TestThreat_T39_TheNameOfTheTargetIsTyped(t *testing.T) {
	t.Parallel()
	x := newPlatform(t)
	w := portalWorld(t, "jonas", highRisk(t), func(dir string) {
		for name, text := range map[string]string{
			"workflows/robot.yaml": robotChain, "workflows/solo.yaml": soloChain, "identities.yaml": x.identities(t), "risk.yaml": typedTiers,
		} {
			mustSay(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		}
	})
	s, d := w.story, w.demo
	ctx := t.Context()
	key := d.people["maya"].public()

	// Slack: the form has the input, and says beside it what is wrong.
	mustSay(t, s.command(ctx, "maya", "/access", "request solo"))
	v, err := s.view(ctx, "maya", screens.CallForm)
	mustSay(t, err)
	said(t, mustJSON(t, v), "Name of the target", "Production bastion")
	before := len(w.records())
	for _, wrong := range []string{"bastion2", "deploy", "Production"} {
		var sent slacksim.Delivery
		_, err := until(ctx, "the form's answer", func() (bool, bool) {
			sent = s.slack.SubmitView(ctx, s.slackID("maya"), map[string]map[string]any{
				screens.BlockReason: {screens.InputValue: "The shop hangs for me."}, screens.FieldBlock + "key": {screens.InputValue: key}, screens.BlockConfirm: {screens.InputValue: wrong},
			})
			return true, sent.Err == nil
		})
		mustSay(t, err)
		if len(sent.Errors) != 1 || !strings.Contains(sent.Errors[screens.BlockConfirm], "type the name of the target, Production bastion") {
			t.Errorf("%q: %v", wrong, sent.Errors)
		}
	}
	if after := len(w.records()); after != before {
		t.Errorf("forms that were sent back left %d entries", after-before)
	}
	mustSay(t, s.submit(ctx, "maya", map[string]any{screens.BlockReason: "The shop hangs for me.", screens.FieldBlock + "key": key, screens.BlockConfirm: " production  bastion "}))
	_, err = s.message(ctx, "access", "The shop hangs for me.")
	mustSay(t, err)

	// The command line.
	ask := []string{"request", "solo", "-reason", "The shop hangs for me, too.", "-field", "key=" + d.people["jonas"].public()}
	for _, wrong := range [][]string{nil, {"-confirm", "deploy"}} {
		if out, err := d.cli(ctx, "", append(ask, wrong...)...); err == nil || !strings.Contains(out, "confirm: The risk of this is high") {
			t.Errorf("%q: %v %s", wrong, err, out)
		}
	}
	s.mustCLI(t, append(ask, "-confirm", "bastion")...)

	// Machines.
	a := &door{t: t, base: d.child.url()}
	if code, out := a.begin(x.token("bot.example.com", nil)); code != http.StatusCreated {
		t.Fatalf("%d %s", code, out)
	}
	if text, bad := a.tool("list_offers", map[string]any{}); bad || !strings.Contains(text, `"confirm":true`) {
		t.Errorf("offers: %v %s", bad, text)
	}
	in := func(reason, confirm string) map[string]any {
		return map[string]any{"workflow": "robot", "reason": reason, "fields": map[string]string{"key": key}, "confirm": confirm}
	}
	for _, wrong := range []string{"", "svc-deploy"} {
		if code, out := a.call("POST", "/v1/requests", a.session, in("The release hangs.", wrong)); code != http.StatusUnprocessableEntity || !strings.Contains(out, `"field":"confirm"`) {
			t.Errorf("%q by HTTP: %d %s", wrong, code, out)
		}
		if text, bad := a.tool("request_access", in("The release hangs.", wrong)); !bad || !strings.Contains(text, "type the name of the target") {
			t.Errorf("%q by MCP: %s", wrong, text)
		}
	}
	if code, out := a.call("POST", "/v1/requests", a.session, in("The release hangs.", "Production bastion")); code != http.StatusCreated {
		t.Errorf("%d %s", code, out)
	}
	if text, bad := a.tool("request_access", in("The release hangs still.", "bastion")); bad {
		t.Error(text)
	}

	// Maya has three open now: her own, and two that her agent asked for in her name.
	if text, bad := a.tool("request_access", in("The release hangs for ever.", "bastion")); !bad || !strings.Contains(text, "already have 3 open requests") {
		t.Errorf("a fourth: %s", text)
	}
	var typed int
	for _, r := range w.entries(workflows.Submitted{}.Kind()) {
		if e, ok := r.Event.(workflows.Submitted); ok && e.Typed {
			typed++
		}
	}
	if typed != 4 {
		t.Errorf("%d asks are recorded with the name typed, want 4", typed)
	}
	w.verify()
}
