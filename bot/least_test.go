package bot_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/bot/slack/slacksim"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// TestReq_R90_NoRoleIsChosenForAnybody: where a chain grants more than one thing, nothing is preselected: the form shows none as chosen, a form that names
// none is not sent, and an ask that names none opens no request, whichever stands first. Nobody gets more than the least by not looking.
func TestReq_R90_NoRoleIsChosenForAnybody(t *testing.T) {
	t.Parallel()
	for _, first := range []string{"root", "shell"} {
		w := start(t, func(_ *slacksim.Config, p *desk.Policy, w *world) {
			chain := *p.Workflows["bastion-shell"].Workflow
			other := chain.Entitlements[0]
			other.ID, other.Title, other.Action, other.Breadth = "root", "root shell", workflows.ActionAdmin, workflows.BreadthAll
			chain.Entitlements = []workflows.Entitlement{chain.Entitlements[0], other}
			if first == "root" {
				chain.Entitlements[0], chain.Entitlements[1] = other, chain.Entitlements[0]
			}
			w.add(p, chain)
		})
		filled := map[string]map[string]any{"duration": {"value": "1h"}, "reason": {"value": "To repair the queue."}, "field:ticket": {"value": "OPS-12"}}
		w.command("maya", "/access", "request bastion-shell")
		v, ok := w.sim.View("maya")
		if !ok || !strings.Contains(v.Visible(), "root shell") {
			t.Fatalf("%s first: %s", first, v.Visible())
		}
		drawn, err := json.Marshal(v.Blocks)
		if err != nil || strings.Contains(string(drawn), `"initial_option"`) {
			t.Errorf("%s first: something is chosen: %v %s", first, err, drawn)
		}
		if d := w.sim.SubmitView(w.ctx, "maya", filled); d.Err == nil && d.Errors["entitlement"] == "" {
			t.Errorf("%s first: a form without a choice was sent: %+v", first, d)
		}
		res, err := w.desk.Submit(w.ctx, desk.Submission{
			By: workflows.Acting{Actor: "a_maya", Person: w.people["maya"]}, Workflow: "bastion-shell", Channel: "cli", Authn: "unix-peer",
			Form: workflows.Form{Seconds: 3600, Reason: "To repair the queue.", Values: map[string]string{"ticket": "OPS-12"}},
		})
		if err != nil || res.ID != "" || res.Refusal == nil {
			t.Errorf("%s first: an ask without a choice: %+v, %v", first, res, err)
		}
		if list, err := w.m.List(w.ctx, workflows.ListMine, string(w.people["maya"]), 5); err != nil || len(list) != 0 {
			t.Errorf("%s first: %v, %v", first, list, err)
		}
	}
}
