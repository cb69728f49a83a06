package bot_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/bot/slack/slacksim"
	"github.com/countersign-bot/countersign/workflows"
)

// The shortcut in a message's menu asks for access about this message: the card links it, with Slack's own address, and the request keeps it.
func TestAccessAboutAMessage(t *testing.T) {
	w := start(t, nil)
	w.do(w.sim.Post(w.ctx, "sofia", "access", "the login page says 502", ""))
	list := w.sim.Messages("access")
	about := list[len(list)-1]
	w.do(w.sim.MessageShortcut(w.ctx, "maya", about.Channel, about.TS, "request_access_about"))
	_, ok := w.sim.View("maya")
	if !ok {
		t.Fatalf("no form opened; log:\n%s", w.log)
	}
	pick := w.do(w.sim.Select(w.ctx, slacksim.Press{User: "maya", ActionID: "form.pick", Values: []string{"bastion-shell"}}))
	if pick.Err != nil {
		t.Fatal(pick.Err)
	}
	v, _ := w.sim.View("maya")
	wantIn(t, v.Visible(), "link the message")
	w.submit("maya", map[string]map[string]any{
		"entitlement": {"value": "0"}, "duration": {"value": "1h"}, "reason": {"value": "look at the login page"}, "field:ticket": {"value": "OPS-12"},
	})
	asked := w.newest("maya").State.Asked
	if !strings.HasPrefix(asked.About, "http") || !strings.Contains(asked.About, strings.ReplaceAll(about.TS, ".", "")) {
		t.Fatalf("the request is about %q", asked.About)
	}
	if v := w.newest("maya"); v.Workflow == nil {
		t.Fatal("no workflow")
	}
	w.command("jonas", "/access", "status "+string(w.newest("maya").State.ID))
	wantIn(t, w.heard("jonas"), "the card in its channel")
}

// R87: what looks like a credential is refused where it was typed, and kept nowhere: not in the inbox, not in the ledger, not in a message.
func TestReq_R87_CredentialsAreRefusedAndNotKept(t *testing.T) {
	w := start(t, nil)
	secrets := []string{
		"ghp_0123456789abcdefghijABCDEFGHIJ012345", "xox" + "b-123456789012-abcdefABCDEF", "AKIAIOSFODNN7EXAMPLE", "glpat-abcdefghij0123456789",
		"postgres://app:hunter2secret@db.example.com/shop", "password: Tr0ub4dor&3xyz", "hvs.CAESIJ0123456789abcdefghij",
		"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmU\n-----END OPENSSH PRIVATE KEY-----",
	}
	before := len(w.sim.Messages("access"))
	for i, s := range secrets {
		w.m.pass(time.Second)
		w.command("maya", "/access", "request bastion-shell")
		d := w.do(w.sim.SubmitView(w.ctx, "maya", map[string]map[string]any{
			"entitlement": {"value": "0"}, "duration": {"value": "1h"}, "reason": {"value": "deploy with " + s + " please"}, "field:ticket": {"value": "OPS-12"},
		}))
		if !strings.Contains(d.Errors["reason"], "looks like") {
			t.Errorf("%d: the form said %v", i, d.Errors)
		}
		w.do(w.sim.CloseView(w.ctx, "maya"))
		w.command("maya", "/access", "comment r_1 "+strings.ReplaceAll(s, "\n", " "))
		wantIn(t, w.heard("maya"), "looks like")
	}
	if n := len(w.sim.Messages("access")) - before; n != 0 {
		t.Errorf("%d cards were posted", n)
	}
	if ids, _ := w.m.List(w.ctx, workflows.ListAll, "", 0); len(ids) != 0 {
		t.Errorf("%d requests came of it", len(ids))
	}
	id := w.ask("maya", "deploy hotfix now")
	card := w.card("access")
	w.do(w.sim.Post(w.ctx, "jonas", "access", "try "+secrets[0], card.TS))
	if err := w.sim.Until(w.ctx, func() bool { return strings.Contains(w.dm("jonas").Visible(), "delete it there") }); err != nil {
		t.Fatal(err)
	}
	wantIn(t, w.dm("jonas").Visible(), "delete it there")
	if n := len(w.state(id).State.Comments); n != 0 {
		t.Errorf("%d comments were kept", n)
	}
	codes := w.refusals(workflows.SystemStream)
	if n := strings.Count(strings.Join(codes, " "), workflows.CodeCredential); n < len(secrets)*2 {
		t.Errorf("%d refusals on record: %v", n, codes)
	}
	kept := w.everything()
	for _, s := range secrets {
		if core := regexp.MustCompile(`[0-9A-Za-z]{12,}`).FindString(s); core != "" && strings.Contains(kept, core) {
			t.Errorf("%q was kept", core)
		}
	}
}

// T62: a flood of strangers has at most sixty entries an hour; a refusal of a known person is always its own entry.
func TestThreat_T62_StrangersCannotFillTheLedger(t *testing.T) {
	w := start(t, nil)
	w.command("maya", "/access", "help")
	card := w.ask("maya", "deploy hotfix now")
	attempts := 20_000
	if testing.Short() {
		attempts = 2000
	}
	before := w.m.index
	for i := range attempts {
		w.m.pass(time.Hour / time.Duration(attempts))
		in := slack.Interaction{
			Kind: slack.KindCommand, TeamID: w.sim.Team().ID, UserID: fmt.Sprintf("U0FOREIGN%d", i%500), UserTeamID: "T0ELSEWHERE", External: true,
			Command: "/access", Text: "withdraw " + string(card), InboxID: w.row(fmt.Sprint("flood", i)), TriggerID: "0.0.0",
		}
		if _, err := w.bot.Handle(w.ctx, in); err != nil {
			t.Fatal(err)
		}
	}
	w.bot.Sweep(w.ctx, true)
	entries := w.m.index - before
	if entries > 60 || entries < 12 {
		t.Errorf("%d attempts within an hour made %d entries", attempts, entries)
	}
	var summed int64
	h, _ := w.m.History(w.ctx, workflows.SystemStream)
	for _, r := range h {
		if e, ok := r.Event.(workflows.RefusalsSummarised); ok {
			summed += e.Attempts
			if e.Accounts < 1 || e.Until < e.From {
				t.Errorf("a summary says %+v", e)
			}
		}
	}
	own := strings.Count(strings.Join(w.refusals(workflows.SystemStream), " "), workflows.CodeUnknown)
	if int64(own)+summed != int64(attempts) {
		t.Errorf("%d have their own entry and %d are summed, of %d", own, summed, attempts)
	}
	before = w.m.index
	for range 70 {
		w.m.pass(time.Millisecond)
		w.command("kenji", "/access", "withdraw r_00000000000000000000000000")
	}
	if n := w.m.index - before; n < 70 {
		t.Errorf("70 refusals of a known person made %d entries", n)
	}
}

// Two accounts of one person are linked by a code in each direction, and from then on they are one: neither decides what the other asked for.
func TestThreat_T07_TwoAccountsAreLinkedFromBothSides(t *testing.T) {
	w := start(t, nil)
	code := regexp.MustCompile(`/access link ([A-Z2-7]{4}-[A-Z2-7]{4})`)
	said := func(user, words string) string {
		w.m.pass(time.Minute)
		w.command(user, "/access", words)
		m := code.FindStringSubmatch(w.heard(user))
		if m == nil {
			return ""
		}
		return m[1]
	}
	if said("eve", "link") != "" {
		t.Error("an account that nobody listed began a link")
	}
	first := said("jonas", "link")
	if first == "" {
		t.Fatalf("no code: %s", w.heard("jonas"))
	}
	if said("eve", "link AAAA-AAAA") != "" {
		t.Error("a guess was taken")
	}
	second := said("eve", "link "+first)
	if second == "" {
		t.Fatalf("no second code: %s", w.heard("eve"))
	}
	w.command("eve", "/access", "link "+second) // only the first account can bring it
	wantIn(t, w.heard("eve"), "meant for the other account")
	first = said("jonas", "link")
	second = said("eve", "link "+strings.ToLower(first))
	w.command("jonas", "/access", "link "+second)
	wantIn(t, w.heard("jonas"), "one person from now on")
	w.command("eve", "/access", "whoami")
	wantIn(t, w.heard("eve"), "`jonas` in the people file", "one person")

	w.command("eve", "/access", "request bastion-shell") // jonas alone decides its first stage, and eve is jonas
	w.submit("eve", map[string]map[string]any{
		"entitlement": {"value": "0"}, "duration": {"value": "1h"}, "reason": {"value": "deploy hotfix now"}, "field:ticket": {"value": "OPS-12"},
	})
	v, _ := w.sim.View("eve")
	wantIn(t, v.Visible(), "has 0 once you are left out")
	w.list() // the people file is read again
	w.command("eve", "/access", "whoami")
	wantIn(t, w.heard("eve"), "`jonas` in the people file")
}

// Five wrong codes within an hour, and an account is not listened to.
func TestLinkCodesCannotBeGuessed(t *testing.T) {
	w := start(t, nil)
	w.command("jonas", "/access", "link")
	m := regexp.MustCompile(`link ([A-Z2-7]{4}-[A-Z2-7]{4})`).FindStringSubmatch(w.heard("jonas"))
	for range 5 {
		w.command("eve", "/access", "link AAAA-AAAA")
	}
	w.command("eve", "/access", "link "+m[1])
	wantIn(t, w.heard("eve"), "no such code")
}

// An escalation is shown in the channel as well as in the thread.
func TestEscalationsAreBroadcast(t *testing.T) {
	w := start(t, nil)
	w.ask("maya", "deploy hotfix now")
	w.click("jonas", w.card("access"), "request.approve")
	w.run()
	w.m.pass(61 * time.Minute)
	w.run()
	for _, c := range w.sim.Calls("chat.postMessage") {
		if strings.Contains(c.Request, "escalated") && strings.Contains(c.Request, "reply_broadcast") {
			return
		}
	}
	t.Error("no broadcast")
}

func TestHealthAndUnknownPeople(t *testing.T) {
	w := start(t, nil)
	w.command("maya", "/access", "health")
	wantIn(t, w.heard("maya"), "answers")
	w.command("eve", "/access", "health")
	wantIn(t, w.heard("eve"), "not linked")
}

// everything is all that the bot keeps and all that it has sent: the inbox, the ledger, the messages.
func (w *world) everything() string {
	var b strings.Builder
	w.m.mu.Lock()
	for _, r := range w.m.inbox {
		b.Write(r.in.Body)
	}
	for _, h := range w.m.histories {
		for _, r := range h {
			fmt.Fprintf(&b, "%+v\n", r)
		}
	}
	w.m.mu.Unlock() // the workspace asks the same memory for the time
	for _, method := range []string{"chat.postMessage", "chat.update", "views.open", "views.update", "views.publish"} {
		for _, c := range w.sim.Calls(method) {
			b.WriteString(c.Request)
		}
	}
	return b.String() + w.log.String()
}
