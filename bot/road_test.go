package bot_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/workflows"
)

// lastVote is the newest decision on record, and what was consumed by it.
func (w *world) lastVote(id workflows.RequestID) (vote workflows.VoteRecorded, cause string) {
	h, _ := w.m.History(w.ctx, workflows.RequestStream(id))
	for _, r := range h {
		if e, ok := r.Event.(workflows.VoteRecorded); ok {
			vote, cause = e, r.Cause
		}
	}
	return vote, cause
}

// T32: the raw click is on file, its hash stands in the ledger, and replaying the file gives the same hash.
func TestThreat_T32_TheClickIsOnFile(t *testing.T) {
	w := start(t, nil)
	id := w.ask("maya", "deploy hotfix now")
	w.click("jonas", w.card("access"), "request.approve")
	vote, cause := w.lastVote(id)
	var i int
	if _, err := fmt.Sscanf(cause, "inbox/%d", &i); err != nil {
		t.Fatal(err)
	}
	row := w.m.inbox[i]
	sum := sha256.Sum256(slack.Scrub(row.in.Body))
	if vote.Payload != hex.EncodeToString(sum[:]) || vote.ReceivedAt != row.at {
		t.Errorf("payload %s at %s, want %x at %s", vote.Payload, vote.ReceivedAt, sum, row.at)
	}
	in, err := slack.Decode(row.in.Kind, row.in.Body)
	if err != nil || in.Digest != sum || in.UserID != w.sim.UserID("jonas") {
		t.Errorf("read again it is %x by %s, %v", in.Digest, in.UserID, err)
	}
}

// T12: no other road changes anything: every kind of payload, with everything an approval has, from somebody who may approve.
func TestThreat_T12_NoOtherRoad(t *testing.T) {
	w := start(t, nil)
	w.command("jonas", "/access", "help") // links the account
	id := w.ask("maya", "deploy hotfix now")
	card := w.card("access")
	value := buttonValue(t, card, "request.approve")
	before := w.m.index
	n := 0
	for _, kind := range []string{
		"event:message", "event:reaction_added", "event:app_mention", "event:pin_added", "event:link_shared", "event:function_executed",
		slack.KindMessageAction, slack.KindViewClosed, slack.KindShortcut, slack.KindBlockSuggestion, "workflow_step_edit", "",
	} {
		for _, id := range []string{screens.ActApprove, screens.CallDecide, screens.CallDeny, screens.ActMore, "request_approve"} {
			n++
			in := slack.Interaction{
				Kind: kind, TeamID: w.sim.Team().ID, UserID: w.sim.UserID("jonas"), ChannelID: card.Channel, MessageTS: card.TS, CallbackID: id,
				Text: "approve", InboxID: w.row(fmt.Sprint("road", n)), Event: []byte(`{}`), TriggerID: "0.0.0",
				Actions: []slack.Action{{Input: slack.Input{ActionID: id, Value: value}}}, View: &slack.View{ID: "V1", CallbackID: id, PrivateMetadata: value},
			}
			if kind == slack.KindShortcut {
				in.View = nil
			}
			if _, err := w.bot.Handle(w.ctx, in); err != nil {
				t.Errorf("%s %s: %v", kind, id, err)
			}
		}
	}
	// What is written in a direct message, a group's, a channel; edited; sent to the channel from the card's thread; written on behalf of a bot.
	for name, event := range map[string]string{
		"a direct message":      `{"type":"message","channel_type":"im","text":"approve","ts":"9.1"}`,
		"an answer there":       `{"type":"message","channel_type":"im","text":"approve","ts":"9.2","thread_ts":"9.1"}`,
		"a group's message":     `{"type":"message","channel_type":"mpim","text":"/access approve","ts":"9.3"}`,
		"a channel's":           `{"type":"message","channel_type":"channel","text":"approve ` + string(id) + `","ts":"9.4"}`,
		"an edited answer":      `{"type":"message","subtype":"message_changed","message":{"text":"approve","thread_ts":"` + card.TS + `"},"thread_ts":"` + card.TS + `","ts":"9.5"}`,
		"a deleted card":        `{"type":"message","subtype":"message_deleted","previous_message":{"ts":"` + card.TS + `"},"deleted_ts":"` + card.TS + `","ts":"9.6"}`,
		"also sent to channel":  `{"type":"message","subtype":"thread_broadcast","text":"approve","thread_ts":"` + card.TS + `","ts":"9.7"}`,
		"a bot's answer":        `{"type":"message","bot_id":"B1","text":"approve","thread_ts":"` + card.TS + `","ts":"9.8"}`,
		"a pinned card":         `{"type":"pin_added","item":{"type":"message","message":{"ts":"` + card.TS + `"}}}`,
		"a reaction below":      `{"type":"reaction_added","reaction":"white_check_mark","item":{"type":"message","ts":"` + card.TS + `"}}`,
		"the Home page, opened": `{"type":"app_home_opened","tab":"home","view":{"id":"V1","private_metadata":"` + value + `","state":{"values":{"b":{"request.approve":{"value":"` + value + `"}}}}}}`,
	} {
		var kind struct{ Type string }
		if err := json.Unmarshal([]byte(event), &kind); err != nil {
			t.Fatal(name, err)
		}
		in := slack.Interaction{
			Kind: slack.KindEvent + kind.Type, TeamID: w.sim.Team().ID, UserID: w.sim.UserID("jonas"), ChannelID: card.Channel, Text: "approve",
			InboxID: w.row(name), Event: []byte(event),
		}
		if _, err := w.bot.Handle(w.ctx, in); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if w.m.index != before || w.votes(id) != 0 {
			t.Fatalf("%s: %d entries were added, %d votes", name, w.m.index-before, w.votes(id))
		}
	}
	if w.m.index != before || w.votes(id) != 0 {
		t.Errorf("%d entries were added, %d votes", w.m.index-before, w.votes(id))
	}
}

// T59: a command is words between spaces; what looks like a flag, a file or a shell is a word that nobody knows.
func TestThreat_T59_CommandsAreWords(t *testing.T) {
	w := start(t, nil)
	w.command("maya", "/access", "help") // links maya's account
	before := w.m.index
	for _, text := range []string{"--config=/etc/passwd", "@/etc/passwd", "request --force bastion-shell", "list; rm -rf /", "status r_1 --as=jonas", "-h", "$(id)", "`id`"} {
		w.command("maya", "/access", text)
		wantIn(t, w.heard("maya"), "What you can type")
	}
	if w.m.index != before {
		t.Errorf("%d entries were added", w.m.index-before)
	}
}

// FuzzCommand: any text gets an answer and makes no request.
func FuzzCommand(f *testing.F) {
	for _, s := range []string{"", "help", "list", "request x", "status @file", "withdraw $(id)", "done", "REQUEST", "\xff", "request ../../x", "review zzzz"} {
		f.Add(s)
	}
	w := start(f, nil)
	n := 0
	f.Fuzz(func(t *testing.T, text string) {
		for _, name := range []string{"/access", "/breakglass", "/incident"} {
			n++
			row, _, err := w.m.Put(t.Context(), slack.Received{Keys: []string{fmt.Sprint("fuzz", n)}})
			if err != nil {
				t.Fatal(err)
			}
			in := slack.Interaction{
				Kind: slack.KindCommand, TeamID: w.sim.Team().ID, UserID: w.sim.UserID("eve"), Command: name, Text: text, InboxID: row, TriggerID: "0.0.0",
			}
			if _, err := w.bot.Handle(t.Context(), in); err != nil {
				t.Fatalf("%q: %v", text, err)
			}
		}
		if ids, _ := w.m.List(t.Context(), workflows.ListAll, "", 0); len(ids) != 0 {
			t.Fatalf("%q made a request", text)
		}
	})
}
