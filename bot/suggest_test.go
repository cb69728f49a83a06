package bot_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/bot/slack/slacksim"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// Three hundred targets in forty groups: the menu is searched by typing, every one of them can be found, and what was picked is what is asked.
func TestLongMenusAreSearched(t *testing.T) {
	w := start(t, func(_ *slacksim.Config, p *desk.Policy, w *world) {
		chain := *p.Workflows["bastion-shell"].Workflow
		one := chain.Entitlements[0]
		chain.Entitlements = nil
		for i := range 300 {
			e := one
			e.TargetTitle, e.ID, e.Title = fmt.Sprintf("Cluster %02d of the northern region", i%40), workFor(i), fmt.Sprintf("role %03d", i)
			e.BusinessTask = strings.Repeat("repairs & deploys ", 5)
			chain.Entitlements = append(chain.Entitlements, e)
		}
		w.add(p, chain)
	})
	w.command("maya", "/access", "request bastion-shell")
	press := slacksim.Press{User: "maya", ActionID: "value", BlockID: "entitlement"}
	for i := range 300 {
		found, d := w.sim.Suggest(w.ctx, press, fmt.Sprintf("role %03d", i))
		if d.Err != nil || len(found) != 1 {
			t.Fatalf("role %03d: %d found, %v\n%s", i, len(found), d.Err, w.log)
		}
	}
	found, d := w.sim.Suggest(w.ctx, press, "")
	if d.Err != nil || len(found) == 0 || len(found) > 100 {
		t.Errorf("without a word %d are offered, %v", len(found), d.Err)
	}
	if found, d = w.sim.Suggest(w.ctx, press, "no such thing"); d.Err != nil || len(found) != 0 {
		t.Errorf("%d found, %v", len(found), d.Err)
	}
	w.m.pass(time.Second)
	w.do(w.sim.Select(w.ctx, slacksim.Press{User: "maya", ActionID: "value", BlockID: "entitlement", Values: []string{"217"}}))
	w.submit("maya", map[string]map[string]any{"entitlement": {"value": "217"}, "duration": {"value": "1h"}, "reason": {"value": "deploy hotfix now"}, "field:ticket": {"value": "OPS-12"}})
	if got := w.newest("maya").State.Asked.Entitlement; got != workFor(217) {
		t.Errorf("asked for %q", got)
	}
}

// An answer to what was typed fits into an acknowledgement, however long the names are.
func TestSuggestionsFitAnAcknowledgement(t *testing.T) {
	w := start(t, func(_ *slacksim.Config, p *desk.Policy, w *world) {
		chain := *p.Workflows["bastion-shell"].Workflow
		one := chain.Entitlements[0]
		chain.Entitlements = nil
		for i := range 300 {
			e := one
			e.TargetTitle, e.ID, e.Title, e.BusinessTask = strings.Repeat("ü", 70), workFor(i), strings.Repeat("ö", 70), strings.Repeat("ä", 100)
			chain.Entitlements = append(chain.Entitlements, e)
		}
		w.add(p, chain)
	})
	reply, err := w.bot.Handle(w.ctx, slack.Interaction{
		Kind: slack.KindBlockSuggestion, TeamID: w.sim.Team().ID, UserID: w.sim.UserID("maya"),
		Actions: []slack.Action{{Input: slack.Input{BlockID: "entitlement", ActionID: "value"}}},
		View:    &slack.View{ID: "V1", PrivateMetadata: `{"w":"bastion-shell"}`},
	})
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(reply.Payload)
	if err != nil || len(b) > 19_500 || len(b) < 5000 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}

func workFor(i int) workflows.EntitlementID { return workflows.EntitlementID(fmt.Sprintf("e%03d", i)) }
