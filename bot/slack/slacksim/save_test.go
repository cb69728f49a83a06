package slacksim_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/countersign-bot/countersign/bot/slack/slacksim"
)

func TestASavedWorkspaceGoesOn(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	f.invite()
	ts := f.post(button("go", "Go", "1"))
	f.ok("chat.postMessage", "channel", f.UserID("ann"), "text", "direct", "metadata", `{"event_type":"n","event_payload":{"id":"1"}}`)
	f.ok("views.publish", "user_id", f.UserID("ann"), "view", jsonText(object{"type": "home", "blocks": []any{section("hello")}}))
	f.Post(t.Context(), "ann", "general", "mine", ts)
	if err := f.SetUser("bob", func(u *slacksim.User) { u.Deleted = true }); err != nil {
		t.Fatal(err)
	}
	var paper bytes.Buffer
	if err := f.Save(&paper); err != nil {
		t.Fatal(err)
	}
	g := start(t, nil)
	if err := g.Restore(bytes.NewReader(paper.Bytes())); err != nil {
		t.Fatal(err)
	}
	opts := cmp.Options{cmpopts.IgnoreUnexported(slacksim.Message{}), cmpopts.EquateEmpty()}
	if diff := cmp.Diff(f.Thread("general", ts), g.Thread("general", ts), opts); diff != "" {
		t.Errorf("thread (-saved +restored):\n%s", diff)
	}
	if diff := cmp.Diff(f.DM("ann"), g.DM("ann"), opts); diff != "" {
		t.Errorf("direct messages (-saved +restored):\n%s", diff)
	}
	before, _ := f.Home("ann")
	after, _ := g.Home("ann")
	if diff := cmp.Diff(before, after, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("Home (-saved +restored):\n%s", diff)
	}
	if u, _ := g.User("bob"); !u.Deleted {
		t.Error("bob came back")
	}
	g.ok("chat.update", "channel", g.ChannelID("general"), "ts", ts, "text", "still mine")
	for _, paper := range []string{"", `{"version":9}`} {
		if err := g.Restore(strings.NewReader(paper)); err == nil {
			t.Errorf("restored from %q", paper)
		}
	}
}

func TestTwoRunsNeverShareAnEnvelopeID(t *testing.T) {
	t.Parallel()
	ids := map[string]bool{}
	for range 2 {
		f := start(t, nil)
		f.serve(func(envelope) any { return nil })
		for range 5 {
			d := f.Command(t.Context(), "ann", "general", "/help-me", "")
			if ids[d.EnvelopeID] || ids[d.TriggerID] {
				t.Fatal("an app that remembers ids would drop this as a repetition")
			}
			ids[d.EnvelopeID], ids[d.TriggerID] = true, true
		}
	}
}
