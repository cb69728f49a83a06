package bot_test

import (
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/slack/slacksim"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
)

func TestDenyAsksForAReason(t *testing.T) {
	w := start(t, nil)
	id := w.ask("maya", "deploy hotfix now")
	w.click("jonas", w.card("access"), "request.deny")
	v, _ := w.sim.View("jonas")
	wantIn(t, v.Visible(), "Deny request", "Maya Chen", "The requester reads it.")
	d := w.sim.SubmitView(w.ctx, "jonas", map[string]map[string]any{"reason": {"value": ""}})
	if d.Err == nil {
		t.Error("a denial without a reason was sent")
	}
	w.do(w.sim.SubmitView(w.ctx, "jonas", map[string]map[string]any{"reason": {"value": "No <!channel> change window"}}))
	v, _ = w.sim.View("jonas")
	wantIn(t, v.Visible(), "Recorded: you denied")
	w.run()
	if s := w.state(id).State; s.Status != workflows.StatusDenied {
		t.Fatalf("the request is %s", s.Status)
	}
	told := w.dm("maya")
	wantIn(t, told.Text, "Denied: you asked for Bastion hosts – shell for 1h: No &lt;!channel&gt; change window")
	wantIn(t, told.Visible(), "denied by", "Jonas Weber", "No <!channel> change window")
	if ids := w.card("access").ActionIDs(); len(ids) > 0 {
		t.Errorf("buttons on a denied card: %v", ids)
	}
	wantIn(t, w.card("access").Text, "Denied: Maya Chen asked for")
}

func TestFormErrorsStandBesideTheirInputs(t *testing.T) {
	w := start(t, nil)
	w.command("maya", "/access", "request bastion-shell")
	d := w.sim.SubmitView(w.ctx, "maya", map[string]map[string]any{
		"entitlement": {"value": "0"}, "duration": {"value": "forever"}, "reason": {"value": "short"}, "field:ticket": {"value": "hello"},
	})
	w.do(d)
	if len(d.Errors) != 3 {
		t.Fatalf("errors: %v", d.Errors)
	}
	wantIn(t, d.Errors["duration"], "30m")
	wantIn(t, d.Errors["reason"], "10 to 1000")
	wantIn(t, d.Errors["field:ticket"], "OPS-[0-9]+")
	d = w.do(w.sim.SubmitView(w.ctx, "maya", map[string]map[string]any{"duration": {"value": "5h"}, "reason": {"value": "long enough a reason"}, "field:ticket": {"value": "OPS-1"}}))
	wantIn(t, d.Errors["duration"], "1m to 4h")
	w.do(w.sim.SubmitView(w.ctx, "maya", map[string]map[string]any{"duration": {"value": "90m"}}))
	v, _ := w.sim.View("maya")
	wantIn(t, v.Visible(), "Request sent", "90m")
}

func TestPickingAChainReplacesTheForm(t *testing.T) {
	w := start(t, nil)
	w.command("maya", "/access", "")
	v, _ := w.sim.View("maya")
	wantIn(t, v.Visible(), "What do you need?")
	w.do(w.sim.Select(w.ctx, slacksim.Press{User: "maya", ActionID: "form.pick", Values: []string{"bastion-shell"}}))
	v, _ = w.sim.View("maya")
	wantIn(t, v.Visible(), "Shell on a bastion", "For how long", "Who decides")
}

func TestEscalationReachesTheNextPerson(t *testing.T) {
	w := start(t, nil)
	id := w.ask("maya", "deploy hotfix now")
	w.click("jonas", w.card("access"), "request.approve")
	w.run()
	w.m.pass(31 * time.Minute)
	w.run()
	wantIn(t, w.dm("sofia").Text, "Still waiting: Maya Chen asks for Bastion hosts – shell for 1h")
	w.m.pass(30 * time.Minute)
	w.run()
	told := w.dm("kenji")
	wantIn(t, told.Text, "Escalated to you: Maya Chen asks for")
	wantIn(t, told.Visible(), "Asked by escalation")
	w.click("kenji", told, "request.approve")
	w.run()
	if s := w.state(id).State; s.Status != workflows.StatusApproved {
		t.Fatalf("the request is %s", s.Status)
	}
	var lines []string
	for _, m := range w.sim.Thread("access", w.card("access").TS)[1:] {
		lines = append(lines, m.Text)
	}
	wantIn(t, strings.Join(lines, "\n"), "reminded those asked in stage 2", "escalated stage 2: 1 more people were asked")
}

// When nobody decides in time the words are not those of a denial.
func TestTimingOutIsNoDenial(t *testing.T) {
	w := start(t, nil)
	w.ask("maya", "deploy hotfix now")
	w.m.pass(5 * time.Hour)
	w.run()
	wantIn(t, w.dm("maya").Text, "Timed out: you asked for")
	wantIn(t, w.dm("maya").Visible(), "That is not a denial")
	if ids := w.card("access").ActionIDs(); len(ids) > 0 {
		t.Errorf("buttons on a card that timed out: %v", ids)
	}
}

func TestGivingAccessBackEarly(t *testing.T) {
	for name, act := range map[string]func(*world){
		"button":  func(w *world) { w.click("maya", w.dm("maya"), "grant.done") },
		"command": func(w *world) { w.command("maya", "/access", "done") },
		"card":    func(w *world) { w.click("maya", w.card("access"), "grant.done") },
		"home": func(w *world) {
			w.openHome("maya")
			w.do(w.sim.Click(w.ctx, slacksim.Press{User: "maya", Home: true, ActionID: "grant.done", Confirmed: true}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t, nil)
			id := w.granted()
			act(w)
			w.run()
			if h := w.state(id).Hold; h.Status != grants.StatusEnded || h.How != grants.HowReturned {
				t.Fatalf("the grant is %s, %s", h.Status, h.How)
			}
			wantIn(t, w.dm("maya").Visible(), "Access given back by", "Verified")
			if ids := w.card("access").ActionIDs(); len(ids) > 0 {
				t.Errorf("buttons on a card that is over: %v", ids)
			}
		})
	}
}

func TestRevokingAsksWhy(t *testing.T) {
	w := start(t, nil)
	id := w.granted()
	w.presence = "unconfirmed"
	w.click("jonas", w.card("access"), "grant.revoke")
	v, _ := w.sim.View("jonas")
	wantIn(t, v.Visible(), "Revoke access", "Sessions that are already open stay open")
	w.do(w.sim.SubmitView(w.ctx, "jonas", map[string]map[string]any{"reason": {"value": "The laptop was stolen"}}))
	w.run()
	if h := w.state(id).Hold; h.How != grants.HowRevoked || h.Why != "The laptop was stolen" {
		t.Fatalf("the grant: %+v", h)
	}
	wantIn(t, w.dm("maya").Visible(), "Access revoked by", "Jonas Weber", "Unconfirmed")
}

func TestWithdrawAndTakeBack(t *testing.T) {
	w := start(t, nil)
	id := w.ask("maya", "deploy hotfix now")
	w.click("jonas", w.card("access"), "request.approve")
	w.run()
	w.overflow("jonas", "Take my approval back")
	wantIn(t, w.heard("jonas"), "took your approval back")
	w.run()
	if s := w.state(id).State; s.Status != workflows.StatusSuperseded {
		t.Errorf("behind a closed stage: %s", s.Status)
	}
	id = w.ask("maya", "deploy hotfix again")
	w.overflow("jonas", "Withdraw (requester only)")
	wantIn(t, w.heard("jonas"), "Only the person who asked can withdraw")
	w.overflow("maya", "Withdraw (requester only)")
	w.run()
	if s := w.state(id).State; s.Status != workflows.StatusWithdrawn {
		t.Errorf("withdrawn: %s", s.Status)
	}
	id = w.ask("maya", "deploy hotfix a third time")
	w.command("maya", "/access", "withdraw "+string(id)[len(id)-4:])
	if s := w.state(id).State; s.Status != workflows.StatusWithdrawn {
		t.Errorf("withdrawn by its last characters: %s", s.Status)
	}
}

func TestHomeFollows(t *testing.T) {
	w := start(t, nil)
	w.openHome("jonas")
	v, _ := w.sim.Home("jonas")
	wantIn(t, v.Visible(), "Nothing waits for your decision", "You have no open requests", "Shell on a bastion")
	id := w.ask("maya", "deploy hotfix now")
	w.openHome("maya")
	v, _ = w.sim.Home("maya")
	wantIn(t, v.Visible(), "Waiting for 1 more in stage 1 of 2")
	v, _ = w.sim.Home("jonas")
	wantIn(t, v.Visible(), "Maya Chen", "deploy hotfix now", "OPS-12")
	w.do(w.sim.Click(w.ctx, slacksim.Press{User: "jonas", Home: true, ActionID: "request.approve", Confirmed: true}))
	wantIn(t, w.dm("jonas").Visible(), "Recorded: you approved")
	w.run()
	v, _ = w.sim.Home("jonas")
	wantIn(t, v.Visible(), "Nothing waits for your decision")
	if s := w.state(id).State; s.Current != 1 {
		t.Errorf("stage %d", s.Current)
	}
	w.do(w.sim.ClickHome(w.ctx, "maya", "form.open"))
	if v, ok := w.sim.View("maya"); !ok {
		t.Error("the form did not open from Home")
	} else {
		wantIn(t, v.Visible(), "What do you need?")
	}
}

// A runbook is approved through an ordinary request, invoked in an incident, and reviewed by somebody else.
func TestStoryBreakGlass(t *testing.T) {
	w := start(t, nil)
	w.command("maya", "/breakglass", "")
	wantIn(t, w.heard("maya"), "Restart the database", "not ready. Nobody has approved this runbook yet")
	w.command("maya", "/breakglass", "restart-db INC-123")
	wantIn(t, w.heard("maya"), "Nobody has approved this runbook yet")
	w.preapprove()

	w.command("priya", "/breakglass", "restart-db INC-123")
	wantIn(t, w.heard("priya"), "not on this runbook's list")
	w.command("maya", "/breakglass", "restart-db incident")
	wantIn(t, w.heard("maya"), "Name the incident, in the form INC-[0-9]{1,7}")
	before := w.glass("maya", "restart-db INC-123 checkout hangs", map[string]map[string]any{"reason": {"value": "checkout hangs"}})
	wantIn(t, before, "Bastion hosts – root shell", "until", "Told at once: #incidents", "Jonas", "Sofia Rossi", "reviews it, due by")
	v, _ := w.sim.View("maya")
	wantIn(t, v.Visible(), "you broke the glass")
	w.run()
	wantIn(t, w.card("incidents").Text, "Break glass! Maya Chen took Bastion hosts – root shell for 1h: INC-123. checkout hangs")
	wantIn(t, w.card("incidents").Visible(), "checkout hangs", "Reviewed by", "Sofia Rossi")
	wantIn(t, w.dm("jonas").Text, "Skipped you: Maya Chen took Bastion hosts – root shell for 1h")
	wantIn(t, w.dm("maya").Visible(), "Ready: Bastion hosts – root shell", "I'm done")
	ask := w.dmWith("sofia", "Please review")
	w.click("sofia", ask, "review.close")
	v, _ = w.sim.View("sofia")
	wantIn(t, v.Visible(), "Close review", "INC-123", "Emergency")
	w.do(w.sim.SubmitView(w.ctx, "sofia", map[string]map[string]any{"verdict": {"value": "emergency"}, "note": {"value": "Rightly used: the database hung."}}))
	w.run()
	told := w.dm("maya")
	wantIn(t, told.Text, "Reviewed: you took Bastion hosts – root shell for 1h: verdict emergency")
	wantIn(t, told.Visible(), "Verdict: emergency", "Rightly used")
	if m := w.dmWith("sofia", "Review closed"); contains(m.ActionIDs(), "review.close") {
		t.Error("a closed review can be closed again")
	}
	w.m.pass(2 * time.Hour)
	w.run()
	wantIn(t, w.dm("maya").Visible(), "Access expired")
	if m := w.dmWith("maya", "Over: Bastion"); contains(m.ActionIDs(), "grant.done") {
		t.Error("access that is over can be given back")
	}
}

func TestAReviewThatIsOverdueSaysSo(t *testing.T) {
	w := start(t, nil)
	w.preapprove()
	w.glass("maya", "restart-db INC-123", nil)
	w.run()
	w.m.pass(25 * time.Hour)
	w.run()
	wantIn(t, w.dm("priya").Text, "Overdue review: Maya Chen took")
	wantIn(t, w.dmWith("sofia", "Review overdue").Visible(), "is overdue")
	open, err := w.desk.Reviews(w.ctx, w.people["sofia"], 1)
	if err != nil || len(open) != 1 {
		t.Fatal(open, err)
	}
	w.command("sofia", "/breakglass", "review "+string(open[0].ID)[20:])
	if v, ok := w.sim.View("sofia"); !ok || !strings.Contains(v.Visible(), "Close review") {
		t.Error("the review's form did not open by command")
	}
	w.command("maya", "/breakglass", "review "+string(open[0].ID))
	wantIn(t, w.heard("maya"), "not yours to close")
}

// A runbook that wants to know more opens a form.
func TestBreakGlassWithFields(t *testing.T) {
	w := start(t, func(_ *slacksim.Config, p *desk.Policy, _ *world) {
		b := p.Runbooks["restart-db"]
		b.Runbook.Fields = []workflows.Field{{Name: "host", Label: "Host", Type: workflows.FieldTicket, Pattern: "db[0-9]"}}
		p.Runbooks["restart-db"] = b
	})
	w.preapprove()
	w.command("maya", "/breakglass", "restart-db INC-123")
	d := w.do(w.sim.SubmitView(w.ctx, "maya", map[string]map[string]any{"field:host": {"value": "web1"}}))
	wantIn(t, d.Errors["field:host"], "db[0-9]")
	w.do(w.sim.SubmitView(w.ctx, "maya", map[string]map[string]any{"field:host": {"value": "db1"}}))
	v, _ := w.sim.View("maya")
	wantIn(t, v.Visible(), "you broke the glass")
}

func TestFailuresAreTold(t *testing.T) {
	w := start(t, nil)
	w.failing = true
	w.granted()
	told := ""
	for _, m := range w.sim.DM("maya") {
		told += m.Text + "\n"
	}
	wantIn(t, told, "Failed: you cannot get Bastion hosts – shell for 1h", "The target refused")
	wantIn(t, w.card("access").Visible(), "The target refused")

	w = start(t, nil)
	w.granted()
	w.stuck = true
	w.m.pass(61 * time.Minute)
	w.run()
	w.m.pass(2 * time.Minute)
	w.run()
	wantIn(t, w.dm("jonas").Text, "Still open! Maya Chen keeps Bastion hosts – shell")
	wantIn(t, w.card("access").Visible(), "could not be taken back yet")
}

// openHome opens somebody's Home page and waits until it is published.
func (w *world) openHome(user string) {
	w.t.Helper()
	before, _ := w.sim.Home(user)
	w.do(w.sim.OpenHome(w.ctx, user))
	err := w.sim.Until(w.ctx, func() bool {
		v, ok := w.sim.Home(user)
		w.m.mu.Lock()
		defer w.m.mu.Unlock()
		saved := false
		for _, f := range w.m.surfaces {
			saved = saved || f.Home && f.Person == w.people[user]
		}
		return ok && v.Hash != before.Hash && saved
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// granted walks a request of maya's to its access.
func (w *world) granted() workflows.RequestID {
	w.t.Helper()
	id := w.ask("maya", "deploy hotfix now")
	w.click("jonas", w.card("access"), "request.approve")
	w.run()
	w.click("sofia", w.card("access"), "request.approve")
	w.run()
	return id
}

// preapprove lets jonas approve the runbook's text, which he has to open first.
func (w *world) preapprove() {
	w.t.Helper()
	w.command("kenji", "/access", "request approve-runbook")
	w.do(w.sim.SubmitView(w.ctx, "kenji", map[string]map[string]any{"runbook": {"value": "restart-db"}, "reason": {"value": "so that nights are shorter"}}))
	w.run()
	card := w.card("access")
	if contains(card.ActionIDs(), "request.approve") {
		w.t.Error("a document can be approved without opening it")
	}
	w.click("jonas", card, "request.read")
	v, _ := w.sim.View("jonas")
	wantIn(w.t, v.Visible(), "The exact text to approve", "1. Look at the dashboard.")
	w.do(w.sim.SubmitView(w.ctx, "jonas", nil))
	w.run()
	wantIn(w.t, w.dm("kenji").Visible(), "The runbook can be invoked now")
}

// overflow chooses an entry of the newest card's menu by its words.
func (w *world) overflow(user, text string) {
	w.t.Helper()
	card := w.card("access")
	for _, b := range card.Blocks {
		list, _ := b["elements"].([]any)
		for _, e := range list {
			o, _ := e.(slacksim.Object)
			opts, _ := o["options"].([]any)
			for _, x := range opts {
				opt, _ := x.(slacksim.Object)
				label, _ := opt["text"].(slacksim.Object)
				if label["text"] == text {
					w.do(w.sim.Click(w.ctx, slacksim.Press{User: user, Channel: card.Channel, TS: card.TS, ActionID: "request.more", Values: []string{opt["value"].(string)}, Confirmed: true}))
					return
				}
			}
		}
	}
	w.t.Fatalf("no %q on the card", text)
}

// dmWith is the newest direct message that shows a text.
func (w *world) dmWith(user, text string) slacksim.Message {
	w.t.Helper()
	list := w.sim.DM(user)
	for i := len(list) - 1; i >= 0; i-- {
		if strings.Contains(list[i].Visible(), text) {
			return list[i]
		}
	}
	w.t.Fatalf("%s was not told %q", user, text)
	return slacksim.Message{}
}
