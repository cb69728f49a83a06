package bot_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/bot/slack/slacksim"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// A robot holds the access; its owner asks for it, is told how to use it, and gives it back.
func TestStoryARobotsAccess(t *testing.T) {
	w := start(t, func(_ *slacksim.Config, p *desk.Policy, w *world) {
		p.Identities["svc-deploy"] = desk.Identity{ID: "svc-deploy", Class: "service_account", Name: "Deployment robot", Owner: w.people["maya"], Purpose: "Deploys"}
		delete(p.Workflows, "approve-runbook")
		x := *p.Workflows["bastion-shell"].Workflow
		x.For = []string{workflows.ForSelf, workflows.ForOwned}
		w.add(p, x)
	})
	w.command("maya", "/access", "") // one chain: nothing to pick
	v, _ := w.sim.View("maya")
	wantIn(t, v.Visible(), "Shell on a bastion", "For whom", "Myself (Maya Chen)", "Deployment robot (svc-deploy)")
	w.do(w.sim.SubmitView(w.ctx, "maya", map[string]map[string]any{
		"entitlement": {"value": "0"}, "subject": {"value": "svc-deploy"}, "duration": {"value": "2h"}, "reason": {"value": "nightly deployment"}, "field:ticket": {"value": "OPS-7"},
	}))
	w.run()
	wantIn(t, w.card("access").Visible(), "to be held by *Deployment robot (svc-deploy)*")
	w.click("jonas", w.card("access"), "request.approve")
	w.run()
	w.click("sofia", w.card("access"), "request.approve")
	w.run()
	wantIn(t, w.dm("maya").Visible(), "The holder is *Deployment robot (svc-deploy)*; you answer for it.", "Access is on")
	w.openHome("maya")
	h, _ := w.sim.Home("maya")
	wantIn(t, h.Visible(), "held by *Deployment robot (svc-deploy)*")
	w.click("sofia", w.card("access"), "grant.revoke")
	v, _ = w.sim.View("sofia")
	wantIn(t, v.Visible(), "Deployment robot (svc-deploy) has")
	w.do(w.sim.SubmitView(w.ctx, "sofia", map[string]map[string]any{"reason": {"value": "not tonight"}}))
	w.run()
	wantIn(t, w.dm("maya").Text, "Ended: Deployment robot (svc-deplo… had Bastion hosts – shell for 2h")
}

// Home shows some of each list and says how many more there are.
func TestManyRequests(t *testing.T) {
	w := start(t, nil)
	for i := range 9 {
		w.ask("maya", fmt.Sprintf("deploy hotfix number %d", i))
	}
	w.openHome("jonas")
	h, _ := w.sim.Home("jonas")
	wantIn(t, h.Visible(), "1 to 5 of 9")
	if n := strings.Count(h.Visible(), "deploy hotfix number"); n != 5 {
		t.Errorf("%d requests are shown", n)
	}
}

// Two uses of one runbook are two messages on one stream: each follows its own grant.
func TestTwoUsesOfOneRunbook(t *testing.T) {
	w := start(t, nil)
	w.preapprove()
	w.glass("maya", "restart-db INC-1", nil)
	w.run()
	first := w.dm("maya")
	w.m.pass(10 * time.Minute)
	w.glass("maya", "restart-db INC-2", nil)
	w.run()
	second := w.dm("maya")
	if first.TS == second.TS {
		t.Fatal("the second use was not told")
	}
	w.command("maya", "/access", "done")
	wantIn(t, w.heard("maya"), "2 of your entries")
	w.click("maya", first, "grant.done")
	w.run()
	over, live := w.dmAt("maya", first.TS), w.dmAt("maya", second.TS)
	wantIn(t, over.Visible(), "Over: Bastion hosts – root shell", "Access given back")
	wantIn(t, live.Visible(), "Ready: Bastion hosts – root shell", "Access is on")
	held, err := w.desk.Grants(w.ctx, w.people["maya"], 0)
	if err != nil || len(held) != 1 || held[0].Hold.Status != grants.StatusActive {
		t.Errorf("held: %+v %v", held, err)
	}
}

func (w *world) dmAt(user, ts string) slacksim.Message {
	w.t.Helper()
	for _, m := range w.sim.DM(user) {
		if m.TS == ts {
			return m
		}
	}
	w.t.Fatalf("%s has no message %s", user, ts)
	return slacksim.Message{}
}

// When Slack takes the tokens away the log says so loudly, and the interaction is finished.
func TestRevokedTokensAreSaidLoudly(t *testing.T) {
	w := start(t, nil)
	for _, kind := range []string{"event:tokens_revoked", "event:app_uninstalled"} {
		if _, err := w.bot.Handle(w.ctx, slack.Interaction{Kind: kind, TeamID: w.sim.Team().ID, InboxID: w.row(kind)}); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(w.log.String(), "level=ERROR msg=\"Slack took our tokens away"); n != 2 {
		t.Errorf("said %d times:\n%s", n, w.log)
	}
	if rows, err := w.m.undone(); err != nil || len(rows) != 0 {
		t.Errorf("%d rows stay open, %v", len(rows), err)
	}
}
