package bot_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/slack/slacksim"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// wide gives the chain a second, smaller entitlement, more time and a later start.
func wide(_ *slacksim.Config, p *desk.Policy, w *world) {
	chain := *p.Workflows["bastion-shell"].Workflow
	read := chain.Entitlements[0]
	read.ID, read.Title = "logs", "read logs"
	chain.Entitlements = append(chain.Entitlements, read)
	chain.Extend, chain.Later = &workflows.Extend{Cap: 8 * 3600}, 7*24*3600
	w.add(p, chain)
}

// newest is the newest request of somebody.
func (w *world) newest(user string) desk.View {
	w.t.Helper()
	ids, err := w.m.List(w.ctx, workflows.ListMine, string(w.people[user]), 1)
	if err != nil || len(ids) == 0 {
		w.t.Fatalf("no request: %v", err)
	}
	return w.state(workflows.RequestID(ids[0].Rest()))
}

// submit fills the open modal of a person.
func (w *world) submit(user string, values map[string]map[string]any) slacksim.Delivery {
	w.t.Helper()
	d := w.do(w.sim.SubmitView(w.ctx, user, values))
	w.run()
	return d
}

// An approver offers less; the requester takes it with one click; what the approver offered counts as their approval of it.
func TestACounterOfferIsMadeAndTaken(t *testing.T) {
	w := start(t, wide)
	id := w.ask("maya", "look at the logs of the login page")
	w.click("jonas", w.card("access"), "request.offer")
	form, _ := w.sim.View("jonas")
	wantIn(t, form.Visible(), "Make a counter-offer", "Narrower", "Shorter", "Later")
	if d := w.submit("jonas", map[string]map[string]any{"offer_long": {"value": "soon"}}); len(d.Errors) != 1 {
		t.Errorf("a length that cannot be read: %v", d.Errors)
	}
	if d := w.submit("jonas", map[string]map[string]any{}); len(d.Errors) != 1 {
		t.Errorf("an offer of nothing: %v", d.Errors)
	}
	w.submit("jonas", map[string]map[string]any{"offer_long": {"value": "30m"}, "offer_what": {"value": "1"}, "reason": {"value": "Reading is *enough*."}})
	offer := w.dm("maya")
	wantIn(t, offer.Visible(), "A counter-offer for you", "for 30m instead of 1h", "Bastion hosts – read logs instead", "Reading is *enough*.")
	wantIn(t, w.card("access").Visible(), "offers instead: for 30m instead of 1h")

	w.m.pass(time.Second)
	w.click("maya", offer, "offer.accept")
	w.run()
	if s := w.state(id).State; s.Status != workflows.StatusSuperseded {
		t.Fatalf("the old request is %s", s.Status)
	}
	v := w.newest("maya")
	if v.State.Asked.Seconds != 1800 || v.State.Asked.Entitlement != "logs" || v.State.Current != 1 || len(v.State.Stages[0].Approvals()) != 1 {
		t.Fatalf("the new request: %+v", v.State)
	}
	if ids := w.dm("maya").ActionIDs(); contains(ids, "offer.accept") {
		t.Error("the offer can be taken twice")
	}
}

func TestACounterOfferIsDeclined(t *testing.T) {
	w := start(t, wide)
	id := w.ask("maya", "look at the logs of the login page")
	w.click("jonas", w.card("access"), "request.offer")
	w.submit("jonas", map[string]map[string]any{"offer_long": {"value": "30m"}})
	w.click("maya", w.dm("maya"), "offer.decline")
	w.run()
	s := w.state(id).State
	if s.Final() || len(s.Offers) != 1 || s.Offers[0].Status != workflows.OfferDropped {
		t.Fatalf("%+v", s.Offers)
	}
	w.click("jonas", w.card("access"), "request.approve")
	w.run()
	if s := w.state(id).State; s.Current != 1 {
		t.Error("the request did not go on")
	}
}

// Somebody who cannot decide gets no form, and the refusal is recorded.
func TestWhoCannotDecideCannotOffer(t *testing.T) {
	w := start(t, wide)
	id := w.ask("maya", "look at the logs of the login page")
	w.click("kenji", w.card("access"), "request.offer")
	if v, open := w.sim.View("kenji"); open && strings.Contains(v.Visible(), "counter-offer") {
		w.submit("kenji", map[string]map[string]any{"offer_long": {"value": "30m"}})
	}
	w.click("maya", w.card("access"), "request.offer")
	if v, open := w.sim.View("maya"); open && strings.Contains(v.Visible(), "counter-offer") {
		w.submit("maya", map[string]map[string]any{"offer_long": {"value": "30m"}})
	}
	if s := w.state(id).State; len(s.Offers) != 0 {
		t.Errorf("offers of people who cannot decide: %+v", s.Offers)
	}
}

// More time is a request of its own for the same thing and the same holder.
func TestMoreTimeIsAskedForFromTheMessage(t *testing.T) {
	w := start(t, wide)
	w.ask("maya", "deploy hotfix for the login page")
	w.click("jonas", w.card("access"), "request.approve")
	w.run()
	w.click("sofia", w.card("access"), "request.approve")
	w.run()
	w.m.pass(30 * time.Minute)
	w.click("maya", w.dm("maya"), "grant.extend")
	form, _ := w.sim.View("maya")
	wantIn(t, form.Visible(), "Ask for more time", "Bastion hosts – shell", "It is a request of its own")
	d := w.submit("maya", map[string]map[string]any{"duration": {"value": "2h"}, "reason": {"value": "the deployment takes longer"}, "field:ticket": {"value": "OPS-12"}})
	if len(d.Errors) > 0 {
		t.Fatalf("the form came back: %v", d.Errors)
	}
	v := w.newest("maya")
	if v.State.Asked.Extends == "" || v.State.Asked.Entitlement != "shell" || v.State.Asked.Seconds != 7200 {
		t.Fatalf("%+v", v.State.Asked)
	}
	wantIn(t, w.card("access").Visible(), "It goes on from access they have", "extension 1 of the same access, which began at") // R34
	w.command("maya", "/access", "extend")
	form, _ = w.sim.View("maya")
	wantIn(t, form.Visible(), "Ask for more time")
}

// Time off: by the form with a delegate, by the command, and back; the Home page says so, and the delegate is asked instead.
func TestTimeOffFromTheHomePage(t *testing.T) {
	w := start(t, wide)
	until := strconv.FormatInt(w.m.now.Add(48*time.Hour).Unix(), 10)
	w.openHome("jonas")
	w.do(w.sim.ClickHome(w.ctx, "jonas", "away.open"))
	form, _ := w.sim.View("jonas")
	wantIn(t, form.Visible(), "I am away", "Who decides for you")
	if d := w.submit("jonas", map[string]map[string]any{"away_until": {"value": until}, "away_delegate": {"value": w.sim.UserID("eve")}}); len(d.Errors) != 1 {
		t.Errorf("a stranger as delegate: %v", d.Errors)
	}
	w.submit("jonas", map[string]map[string]any{"away_until": {"value": until}, "away_delegate": {"value": w.sim.UserID("kenji")}, "reason": {"value": "holiday"}})
	w.openHome("jonas")
	h, _ := w.sim.Home("jonas")
	wantIn(t, h.Visible(), "You are away until", "Kenji Mori", "I'm back")
	w.ask("maya", "deploy hotfix for the login page")
	wantIn(t, w.dm("kenji").Visible(), "is away and named you")
	w.click("kenji", w.dm("kenji"), "request.approve")
	w.run()
	if v := w.newest("maya"); v.State.Current != 1 {
		t.Fatalf("the delegate's approval did not count: %+v", v.State.Stages[0])
	}
	w.do(w.sim.ClickHome(w.ctx, "jonas", "away.end"))
	w.run()
	w.openHome("jonas")
	h, _ = w.sim.Home("jonas")
	wantIn(t, h.Visible(), "I'm away…")
	w.command("jonas", "/access", "away until 2026-12-24 17:00 @kenji skiing")
	wantIn(t, w.heard("jonas"), "You are away until", "Kenji Mori")
	w.command("jonas", "/access", "back")
	wantIn(t, w.heard("jonas"), "you are back")
	for _, no := range []string{"away until christmas", "away until 2026-12-24 @nobody"} {
		w.command("jonas", "/access", no)
		if strings.Contains(w.heard("jonas"), "Recorded") {
			t.Errorf("%q was recorded", no)
		}
	}
}

func TestCommentsAndTheManual(t *testing.T) {
	w := start(t, wide)
	id := w.ask("maya", "deploy hotfix for the login page")
	w.command("jonas", "/access", "comment "+string(id)[20:]+" which *release* is it?")
	w.run()
	wantIn(t, w.card("access").Visible(), "💬", "which *release* is it?")
	w.command("eve", "/access", "comment "+string(id)+" let me in")
	w.run()
	if n := len(w.state(id).State.Comments); n != 1 {
		t.Errorf("%d comments", n)
	}
	w.command("maya", "/access", "how bastion/shell")
	wantIn(t, w.heard("maya"), "Shell on a bastion", "Who decides", "Who may ask")
	w.command("maya", "/access", "how")
	wantIn(t, w.heard("maya"), "How access is decided here", "/access how bastion-shell")
	w.command("maya", "/access", "how nothing")
	wantIn(t, w.heard("maya"), "There is no chain")
	w.command("eve", "/access", "how")
	wantIn(t, w.heard("eve"), "not linked to a person")
}

// The form says who would be asked and how many of them work now, before anything is sent.
func TestTheFormSaysWhoWouldBeAsked(t *testing.T) {
	w := start(t, wide)
	w.command("maya", "/access", "request bastion-shell")
	v, _ := w.sim.View("maya")
	wantIn(t, v.Visible(), "If you ask now", "Jonas Weber", "Starting")
}

// A changed folder that loosens a chain is told to those who answer for the old one; with their click it holds.
func TestAChangeOfTheRulesIsDecidedInSlack(t *testing.T) {
	w := start(t, func(_ *slacksim.Config, p *desk.Policy, w *world) {
		p.Roles[desk.RoleOwner] = workflows.Selector{People: []workflows.PersonID{w.people["jonas"], w.people["sofia"]}}
	})
	next := w.documents()
	next.Roles[desk.RoleOwner] = workflows.Selector{People: []workflows.PersonID{w.people["jonas"], w.people["sofia"]}}
	chain := *next.Workflows["bastion-shell"].Workflow
	chain.Stages = chain.Stages[:1]
	w.add(next, chain)
	if err := w.desk.Load(w.ctx, next); err != nil {
		t.Fatal(err)
	}
	w.run()
	if n := len(w.desk.Policy().Workflows["bastion-shell"].Workflow.Stages); n != 2 {
		t.Fatalf("the loosened chain holds already, with %d stages", n)
	}
	told := w.dm("jonas")
	wantIn(t, told.Visible(), "A change of the approval rules waits for you", `stage "security" is gone`)
	w.click("jonas", told, "policy.approve")
	w.run()
	if n := len(w.desk.Policy().Workflows["bastion-shell"].Workflow.Stages); n != 1 {
		t.Fatalf("approved, and %d stages hold; log:\n%s", n, w.log)
	}
}

// What people write below a card is kept as a comment and decides nothing; what they write elsewhere is not even stored.
func TestReq_R2_AnswersBelowACardAreComments(t *testing.T) {
	w := start(t, wide)
	id := w.ask("maya", "deploy hotfix for the login page")
	card := w.card("access")
	stored := w.m.stored()
	w.do(w.sim.Post(w.ctx, "jonas", "access", "approved", ""))
	other := w.do(w.sim.Post(w.ctx, "jonas", "general", "lunch?", ""))
	w.do(w.sim.Post(w.ctx, "sofia", "general", "approved & paid", other.TS))
	w.do(w.sim.Post(w.ctx, "jonas", "access", "approved, if the tests are green & done", card.TS))
	w.do(w.sim.Post(w.ctx, "gus", "access", "me too", card.TS))
	err := w.sim.Until(w.ctx, func() bool { return len(w.state(id).State.Comments) > 0 && w.m.stored() >= stored+2 })
	if err != nil {
		t.Fatal(err)
	}
	w.run()
	s := w.state(id).State
	if s.Current != 0 || len(s.Stages[0].Approvals()) != 0 || s.Final() {
		t.Fatalf("a message decided: %+v", s)
	}
	if n := w.m.stored() - stored; n != 2 {
		t.Errorf("%d messages were stored, two of them are ours", n)
	}
	if len(s.Comments) != 1 || s.Comments[0].Text != "approved, if the tests are green & done" || s.Comments[0].By != w.people["jonas"] {
		t.Fatalf("comments: %+v", s.Comments)
	}
	for _, m := range w.sim.Messages("access") {
		if m.TS == card.TS {
			wantIn(t, m.Visible(), "approved, if the tests are green & done")
		}
	}
}
