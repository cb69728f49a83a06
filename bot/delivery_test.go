package bot_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot"
	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/bot/slack/slacksim"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// submitted makes a request of maya's without telling anybody yet.
func (w *world) submitted() workflows.RequestID {
	w.t.Helper()
	by, err := w.identity.Resolve(w.ctx, slack.Interaction{TeamID: w.sim.Team().ID, UserID: w.sim.UserID("maya")})
	if err != nil {
		w.t.Fatal(err)
	}
	res, err := w.desk.Submit(w.ctx, desk.Submission{
		By: by, Workflow: "bastion-shell", Channel: "slack", Authn: "slack-click",
		Form: workflows.Form{Target: "bastion", Entitlement: "shell", Seconds: 3600, Reason: "deploy hotfix now", Values: map[string]string{"ticket": "OPS-1"}},
	})
	if err != nil || res.Refusal != nil {
		w.t.Fatal(res, err)
	}
	return res.ID
}

func (w *world) cards(id workflows.RequestID) int {
	n := 0
	for _, m := range w.sim.Messages("access") {
		if strings.Contains(m.Visible(), string(id)) {
			n++
		}
	}
	return n
}

// Each way a post can fail, and what the next try does: the message stands there once, and the ledger says that it was delivered once.
func TestAMessageIsDeliveredOnce(t *testing.T) {
	for name, c := range map[string]struct {
		fault slacksim.Fault
		is    func(error) bool
	}{
		"lost answer":  {slacksim.Fault{Kind: slacksim.FaultCutBody, Match: "chat.postMessage", After: true}, isA[*slack.Ambiguous]},
		"server error": {slacksim.Fault{Kind: slacksim.FaultHTTP, Match: "chat.postMessage", Status: 502, After: true}, isA[*slack.Ambiguous]},
		"not heard":    {slacksim.Fault{Kind: slacksim.FaultHTTP, Match: "chat.postMessage", Status: 502}, isA[*slack.Ambiguous]},
		"rate limit":   {slacksim.Fault{Kind: slacksim.FaultRateLimit, Match: "chat.postMessage", RetryAfter: 7}, isA[*slack.RateLimited]},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t, nil)
			id := w.submitted()
			stream := workflows.RequestStream(id)
			w.sim.Inject(c.fault)
			err := w.bot.Notify(w.ctx, stream, workflows.NoticeCard, "job/1", 0)
			if err == nil || !c.is(err) {
				t.Fatalf("the first try ended with %v", err)
			}
			if err := w.bot.Notify(w.ctx, stream, workflows.NoticeCard, "job/2", 1); err != nil {
				t.Fatal(err)
			}
			if err := w.bot.Notify(w.ctx, stream, workflows.NoticeCard, "job/3", 2); err != nil {
				t.Fatal(err)
			}
			if n := w.cards(id); n != 1 {
				t.Errorf("the card stands there %d times", n)
			}
			if d := w.state(id).State.Delivered[workflows.NoticeCard]; !d.OK || !strings.HasPrefix(d.Place, w.sim.ChannelID("access")+"/") {
				t.Errorf("recorded %+v", d)
			}
			w.run()
			w.click("jonas", w.card("access"), "request.approve")
			if w.votes(id) != 1 {
				t.Error("the card that was found again does not work")
			}
		})
	}
}

func isA[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

// A crash between posting and recording: the next process finds the message, and its buttons work.
func TestACrashAfterPostingDoesNotPostTwice(t *testing.T) {
	w := start(t, nil)
	id := w.submitted()
	stream := workflows.RequestStream(id)
	w.m.broken = errors.New("the process is gone")
	if err := w.bot.Notify(w.ctx, stream, workflows.NoticeCard, "job/1", 0); err == nil {
		t.Fatal("delivered although nothing can be recorded")
	}
	w.m.broken = nil
	w.m.surfaces = nil
	if err := w.bot.Notify(w.ctx, stream, workflows.NoticeCard, "job/2", 1); err != nil {
		t.Fatal(err)
	}
	w.run()
	if n := w.cards(id); n != 1 {
		t.Errorf("the card stands there %d times", n)
	}
	w.click("jonas", w.card("access"), "request.approve")
	if w.votes(id) != 1 {
		t.Error("its button does not work")
	}
}

// Who cannot be told is recorded as not told, and the stage widens at once when nobody could be.
func TestNobodyCouldBeTold(t *testing.T) {
	w := start(t, nil)
	id := w.ask("maya", "deploy hotfix now")
	for _, user := range []string{"sofia", "priya"} {
		if err := w.sim.SetUser(user, func(u *slacksim.User) { u.Deleted = true }); err != nil {
			t.Fatal(err)
		}
		w.identity.Forget(w.sim.UserID(user))
	}
	w.click("jonas", w.card("access"), "request.approve")
	w.run()
	s := w.state(id).State
	for _, user := range []string{"sofia", "priya"} {
		if d := s.Delivered["ask/1/"+string(w.people[user])]; d.OK || d.Why != "the Slack account is deactivated" {
			t.Errorf("%s: %+v", user, d)
		}
	}
	if !s.Stages[1].Escalated {
		t.Error("the stage did not widen although nobody could be told")
	}
	wantIn(t, w.dm("kenji").Text, "Escalated to you")
	wantIn(t, w.card("access").Visible(), "Could not be told: the Slack account is deactivated")
}

func TestAnArchivedChannelIsRecorded(t *testing.T) {
	w := start(t, nil)
	if err := w.sim.ArchiveChannel("access", "jonas"); err != nil {
		t.Fatal(err)
	}
	id := w.submitted()
	w.run()
	if d := w.state(id).State.Delivered[workflows.NoticeCard]; d.OK || !strings.Contains(d.Why, "archived") {
		t.Errorf("recorded %+v", d)
	}
	wantIn(t, w.dm("jonas").Text, "Approve? Maya Chen")
}

// A message that somebody deleted is forgotten; the request goes on.
func TestADeletedCardDoesNotMatter(t *testing.T) {
	w := start(t, nil)
	id := w.ask("maya", "deploy hotfix now")
	card := w.card("access")
	w.sim.Inject(slacksim.Fault{Kind: slacksim.FaultError, Match: "chat.update", Code: "message_not_found"})
	w.click("jonas", w.dm("jonas"), "request.approve")
	w.run()
	left, err := w.m.Of(w.ctx, workflows.RequestStream(id))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(left); n != 3 { // of four: the card, jonas, sofia, priya
		t.Errorf("%d surfaces are left", n)
	}
	if w.votes(id) != 1 {
		t.Error("the request minds")
	}
	_ = card
}

// Nothing that was durable is lost: what a process had not finished is finished by the next one, once, with the time it was received.
func TestResumeFinishesWhatWasDurable(t *testing.T) {
	w := start(t, nil)
	id := w.ask("maya", "deploy hotfix now")
	card := w.card("access")
	w.m.broken = errors.New("disk full")
	w.click("jonas", card, "request.approve")
	wantIn(t, w.heard("jonas")+w.lateTo("jonas"), "Something went wrong (ref ")
	w.m.broken = nil
	w.m.pass(10 * time.Hour) // the deadline is long over when the process comes back
	for range 2 {
		rows, err := w.m.undone()
		if err != nil {
			t.Fatal(err)
		}
		if left := w.bot.Resume(w.ctx, rows); left != 0 {
			t.Fatalf("%d left\n%s", left, w.log)
		}
	}
	if rows, _ := w.m.undone(); len(rows) != 0 {
		t.Errorf("%d rows stay open", len(rows))
	}
	if w.votes(id) != 1 {
		t.Errorf("%d votes", w.votes(id))
	}
}

// The same interaction handled again decides once.
func TestHandlingAgainDecidesOnce(t *testing.T) {
	w := start(t, nil)
	id := w.ask("maya", "deploy hotfix now")
	w.click("jonas", w.card("access"), "request.approve")
	last := len(w.m.inbox) - 1
	in, err := slack.Decode(w.m.inbox[last].in.Kind, w.m.inbox[last].in.Body)
	if err != nil {
		t.Fatal(err)
	}
	in.InboxID = fmt.Sprint(last)
	before := w.m.index
	for range 3 {
		if _, err := w.bot.Handle(w.ctx, in); err != nil {
			t.Fatal(err)
		}
	}
	if w.m.index != before || w.votes(id) != 1 {
		t.Errorf("%d entries were added, %d votes", w.m.index-before, w.votes(id))
	}
	for _, code := range w.refusals(workflows.RequestStream(id)) {
		t.Errorf("a repetition was recorded as %s", code)
	}
}

// lateTo is what was said in a direct message, waiting for it.
func (w *world) lateTo(user string) string {
	w.t.Helper()
	text := func() string {
		var b strings.Builder
		for _, m := range w.sim.DM(user) {
			b.WriteString(m.Text + "\n")
		}
		for _, m := range w.sim.Ephemerals(user, "access") {
			b.WriteString(m.Text + "\n")
		}
		return b.String()
	}
	if err := w.sim.Until(w.ctx, func() bool { return strings.Contains(text(), "ref ") || strings.Contains(text(), "Sent") }); err != nil {
		w.t.Fatal(err)
	}
	return text()
}

// An answer that missed the acknowledgement reaches the person all the same.
func TestLateAnswersAreDelivered(t *testing.T) {
	w := start(t, nil)
	w.command("maya", "/access", "request bastion-shell")
	v, _ := w.sim.View("maya")
	in := slack.Interaction{
		Kind: slack.KindViewSubmission, TeamID: w.sim.Team().ID, UserID: w.sim.UserID("maya"), CallbackID: "form.fill", InboxID: w.row("late"),
		View: &slack.View{ID: v.ID, PrivateMetadata: v.PrivateMetadata, Values: []slack.Input{
			{BlockID: "entitlement", ActionID: "value", Value: "0"},
			{BlockID: "duration", ActionID: "value", Value: "1h"},
			{BlockID: "reason", ActionID: "value", Value: "deploy hotfix now"},
			{BlockID: "field:ticket", ActionID: "value", Value: "OPS-1"},
		}},
	}
	reply, err := w.bot.Handle(w.ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	w.bot.Late(in, reply)
	wantIn(t, w.lateTo("maya"), "Sent: you asked for Bastion hosts – shell for 1h")
}

// What somebody may not see and what does not exist get the same answer, by full id and by its end.
func TestUnknownAndForbiddenLookTheSame(t *testing.T) {
	w := start(t, nil)
	id := w.ask("maya", "deploy hotfix now")
	answers := map[string]bool{}
	for _, word := range []string{string(id), string(id)[len(id)-6:], "r_00000000000000000000000000", "zzzzzz", "q", "%", "../../etc"} {
		w.command("eve", "/access", "status "+word)
		answers[w.heard("eve")] = true
	}
	if len(answers) != 1 {
		t.Errorf("the answers differ: %v", answers)
	}
	w.command("maya", "/access", "status "+string(id)[len(id)-4:])
	wantIn(t, w.heard("maya"), "Waiting for 1 more in stage 1 of 2 (owner)", string(id))
	if strings.Contains(w.heard("maya"), "Approve\n") {
		t.Error("an answer that only one person sees has buttons")
	}
	w.command("maya", "/access", "list")
	wantIn(t, w.heard("maya"), "Nothing waits for your decision", string(id), "/access request bastion-shell")
	w.command("jonas", "/access", "list")
	wantIn(t, w.heard("jonas"), "Waiting for you", "Maya Chen", string(id))
	w.command("jonas", "/access", "approve "+string(id))
	wantIn(t, w.heard("jonas"), "What you can type")
	if w.votes(id) != 0 {
		t.Error("a word decided")
	}
}

// No message of ours wakes a channel or unfolds a link, and its metadata is ids.
func TestMessagesAreQuiet(t *testing.T) {
	w := start(t, nil)
	w.ask("maya", "see <https://evil.example> and <!here>")
	for _, call := range w.sim.Calls("chat.postMessage") {
		wantIn(t, call.Request, `"unfurl_links":"false"`, `"unfurl_media":"false"`)
		for _, bad := range []string{"<!here", "<!channel", "<!everyone", "<https://evil"} {
			if strings.Contains(strings.ReplaceAll(call.Request, `\u003c`, "<"), `"type":"mrkdwn","text":"`+bad) {
				t.Errorf("%q in %s", bad, call.Request)
			}
		}
	}
	m := w.card("access")
	wantIn(t, m.Text, "see &lt;https://evil.example&gt; and &lt;!here&gt;")
	if p, _ := m.Metadata["event_payload"].(slacksim.Object); len(p) != 1 || p["id"] == nil {
		t.Errorf("metadata: %v", m.Metadata)
	}
}

// The thread says each thing once, also when painting stops in the middle.
func TestTheThreadIsWrittenOnce(t *testing.T) {
	w := start(t, nil)
	id := w.ask("maya", "deploy hotfix now")
	w.sim.Inject(slacksim.Fault{Kind: slacksim.FaultRateLimit, Match: "chat.postMessage", Skip: 1, Count: 1})
	w.click("jonas", w.card("access"), "request.approve")
	list, err := w.m.Of(w.ctx, workflows.RequestStream(id))
	if err != nil {
		t.Fatal(err)
	}
	card := list[slices.IndexFunc(list, func(f bot.Surface) bool { return f.Person == "" })]
	for range 3 {
		if err := w.bot.Paint(w.ctx, card); err != nil && !isA[*slack.RateLimited](err) {
			t.Fatal(err)
		}
		list, _ = w.m.Of(w.ctx, workflows.RequestStream(id))
		card = list[slices.IndexFunc(list, func(f bot.Surface) bool { return f.Person == "" })]
	}
	if n := len(w.sim.Thread("access", card.TS)); n != 2 {
		t.Errorf("%d messages in the thread, card included", n)
	}
}

func TestAnnounce(t *testing.T) {
	w := start(t, nil)
	place, err := w.bot.Announce(w.ctx, "#general", "", screens.Plain("Ledger head after 7 entries."))
	if err != nil || !strings.HasPrefix(place, w.sim.ChannelID("general")+"/") {
		t.Fatal(place, err)
	}
	wantIn(t, w.card("general").Visible(), "Ledger head after 7 entries.")
	const note = "example.com/log\n7\nroot+/=\n\n— example.com/log sig+/=\n"
	if _, err := w.bot.AnnounceExact(w.ctx, "#general", screens.Plain("Ledger head <after>\n7 entries."), note); err != nil {
		t.Fatal(err)
	}
	if text := w.card("general").Text; text != "Ledger head &lt;after&gt; 7 entries.\n```"+note+"```" {
		t.Errorf("announced %q: what is to stay byte by byte did not", text)
	}
	if _, err := w.bot.Announce(w.ctx, "#nowhere", "", screens.Plain("x")); err == nil {
		t.Error("announced in a channel that does not exist")
	}
	w.bot.NotRecorded(slack.Interaction{UserID: w.sim.UserID("maya")}, "Not recorded: <busy>")
	w.bot.Close()
	wantIn(t, w.dm("maya").Text, "Not recorded: &lt;busy&gt;")
}
