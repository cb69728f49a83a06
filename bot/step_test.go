package bot_test

import (
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/slack/slacksim"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// listening subscribes to what the manifest names for steps and the assistant.
func listening(c *slacksim.Config, _ *desk.Policy, _ *world) {
	c.App.Events = append(c.App.Events, "function_executed", "assistant_thread_started", "message.im", "message.channels", "app_home_opened")
}

func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	if err := w.sim.Until(w.ctx, ok); err != nil {
		w.t.Fatalf("%s: %v; log:\n%s", what, err, w.log)
	}
}

// A workflow asks somebody to ask; they send it themselves, people decide, and the workflow goes on with the outcome.
func TestAWorkflowAsksForApproval(t *testing.T) {
	w := start(t, listening)
	run := w.sim.RunStep("ask_for_approval", slacksim.Object{"requester": w.sim.UserID("maya"), "chain": "bastion-shell", "reason": "the nightly release needs it"})
	w.until("the question", func() bool { return len(w.sim.DM("maya")) > 0 })
	ask := w.dm("maya")
	wantIn(t, ask.Visible(), "Nothing is asked for in your name unless you send it", "the nightly release needs it")
	if ids, _ := w.m.List(w.ctx, workflows.ListAll, "", 0); len(ids) != 0 {
		t.Fatal("a workflow asked in somebody's name")
	}
	w.click("maya", ask, "step.open")
	calls := w.sim.Calls("views.open")
	wantIn(t, calls[len(calls)-1].Request, "the nightly release needs it")
	w.submit("maya", map[string]map[string]any{"entitlement": {"value": "0"}, "duration": {"value": "1h"}, "reason": {"value": "the nightly release needs it"}, "field:ticket": {"value": "OPS-12"}})
	if x, _ := w.sim.Execution(run); x.State != "running" {
		t.Fatalf("before the decision the step is %s", x.State)
	}
	w.click("jonas", w.card("access"), "request.deny")
	w.submit("jonas", map[string]map[string]any{"reason": {"value": "not on a Sunday"}})
	w.run()
	x, _ := w.sim.Execution(run)
	if x.State != "completed" || x.Outputs["outcome"] != "denied" || x.Outputs["decided_by"] != "Jonas Weber" || !strings.HasPrefix(x.Outputs["request"].(string), "r_") {
		t.Errorf("the step ended as %+v", x)
	}
}

// A step for somebody unknown, for a chain they may not use, or that its person declines, fails with a reason; a cancelled one stops nothing.
func TestStepsThatCannotGoOn(t *testing.T) {
	w := start(t, listening)
	ended := func(run string) slacksim.Execution {
		w.until("the end of "+run, func() bool { x, _ := w.sim.Execution(run); return x.State != "running" })
		x, _ := w.sim.Execution(run)
		return x
	}
	for _, c := range []struct{ who, chain, want string }{
		{w.sim.UserID("eve"), "bastion-shell", "not in the people file"}, {w.sim.UserID("maya"), "no-such-chain", "no chain"}, {"", "", "not in the people file"},
	} {
		if x := ended(w.sim.RunStep("ask_for_approval", slacksim.Object{"requester": c.who, "chain": c.chain})); x.State != "failed" || !strings.Contains(x.Error, c.want) {
			t.Errorf("%v: %+v", c, x)
		}
	}
	run := w.sim.RunStep("ask_for_approval", slacksim.Object{"requester": w.sim.UserID("maya"), "chain": "bastion-shell", "reason": strings.Repeat("ü", 500)})
	w.until("the question", func() bool { return len(w.sim.DM("maya")) > 0 })
	ask := w.dm("maya")
	value := buttonValue(t, ask, "step.open")
	w.do(w.sim.Command(w.ctx, "jonas", "access", "/access", "help"))
	if d := w.sim.Click(w.ctx, slacksim.Press{User: "jonas", Channel: ask.Channel, TS: ask.TS, ActionID: "step.open", Value: value}); d.Err == nil {
		t.Error("somebody else could click it")
	}
	w.click("maya", ask, "step.decline")
	if x := ended(run); x.State != "failed" || !strings.Contains(x.Error, "did not want") {
		t.Errorf("declined: %+v", x)
	}
	w.m.pass(time.Second)
	run = w.sim.RunStep("ask_for_approval", slacksim.Object{"requester": w.sim.UserID("maya"), "chain": "bastion-shell", "reason": "short"})
	w.until("the second question", func() bool { return len(w.sim.DM("maya")) > 1 && w.dm("maya").TS != ask.TS })
	w.click("maya", w.dm("maya"), "step.open")
	w.submit("maya", map[string]map[string]any{"entitlement": {"value": "0"}, "duration": {"value": "1h"}, "reason": {"value": "deploy hotfix now"}, "field:ticket": {"value": "OPS-12"}})
	w.sim.CancelStep(run)
	w.click("jonas", w.card("access"), "request.deny")
	w.submit("jonas", map[string]map[string]any{"reason": {"value": "no"}})
	w.run() // completing what was cancelled is refused for good: it must not be tried for ever
	if w.newest("maya").State.Status != workflows.StatusDenied {
		t.Error("the request did not end")
	}
}

// The assistant answers from the record; what is typed to it decides nothing.
func TestTheAssistantAnswersFromTheRecord(t *testing.T) {
	w := start(t, listening)
	id := w.ask("maya", "deploy hotfix now")
	d := w.do(w.sim.StartAssistant("maya"))
	channel := w.sim.DMChannel("maya")
	said := func() []slacksim.Message { return w.sim.Thread(channel, d.TS) }
	w.until("the greeting", func() bool {
		return len(said()) > 0 && strings.Contains(said()[len(said())-1].Visible(), "decides nothing")
	})
	before := w.m.index
	asked := func(text string, want ...string) {
		t.Helper()
		n := len(said())
		w.do(w.sim.Post(w.ctx, "maya", channel, text, d.TS))
		w.until("the answer to "+text, func() bool { return len(said()) >= n+2 })
		wantIn(t, said()[len(said())-1].Visible(), want...)
	}
	asked("what am I waiting for?", "Bastion hosts – shell", string(id), "Waiting for 1 more")
	asked("who can approve bastion-shell?", "Shell on a bastion", "Jonas Weber")
	asked("who can approve bastion?", "Jonas Weber")
	asked("What can I ask for?", "Approve a runbook")
	asked("who can approve unicorns?", "found no chain")
	asked("Worauf warte ich?", "Bastion hosts – shell")
	asked("¿Qué estoy esperando?", "Bastion hosts – shell")
	asked("Wer kann bastion-shell genehmigen?", "Jonas Weber")
	asked("¿Quién puede aprobar bastion-shell?", "Jonas Weber")
	asked("Was wartet auf mich?", "Nothing waits")
	asked("¿Qué espera mi decisión?", "Nothing waits")
	asked("Was kann ich beantragen?", "Approve a runbook")
	asked("¿Qué puedo pedir?", "Approve a runbook")
	n := len(said())
	w.do(w.sim.Post(w.ctx, "maya", channel, "approved, ship it", d.TS))
	asked("what waits for me?", "Nothing waits")
	if len(said()) != n+3 || w.m.index != before || w.votes(id) != 0 {
		t.Errorf("%d messages, %d entries, %d votes", len(said())-n, w.m.index-before, w.votes(id))
	}
}
