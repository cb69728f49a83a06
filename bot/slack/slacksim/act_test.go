package slacksim_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/bot/slack/slacksim"
)

func TestAClickCarriesItsValueAndNeedsItsConfirmation(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	f.invite()
	got := make(chan object, 1)
	f.serve(func(e envelope) any { got <- e.Payload; return nil })
	b := button("go", "Go", "v1")
	b["confirm"] = object{"title": plain("Sure?"), "text": plain("Really?")}
	ts := f.post(b)
	press := slacksim.Press{User: "ann", Channel: "general", TS: ts, ActionID: "go"}
	if d := f.Click(t.Context(), press); !errors.Is(d.Err, slacksim.ErrNeedsConfirm) {
		t.Errorf("unconfirmed: %v", d.Err)
	}
	press.Confirmed = true
	if d := f.Click(t.Context(), press); d.Err != nil || !d.Acked {
		t.Fatalf("confirmed: %+v", d)
	}
	a := (<-got)["actions"].([]any)[0].(object)
	if a["value"] != "v1" || a["action_id"] != "go" || a["block_id"] != "act" {
		t.Errorf("action: %v", a)
	}

	old := f.Messages("general")[0]
	f.ok("chat.update", "channel", f.ChannelID("general"), "ts", ts, "text", "done", "blocks", blocks(section("done")))
	if d := f.Click(t.Context(), press); !errors.Is(d.Err, slacksim.ErrNotThere) {
		t.Errorf("a button that is gone: %v", d.Err)
	}
	press.From = &old
	if d := f.Click(t.Context(), press); d.Err != nil {
		t.Errorf("a click on an old rendering: %v", d.Err)
	}
	<-got
	press.Value = "forged"
	f.Click(t.Context(), press)
	if a := (<-got)["actions"].([]any)[0].(object); a["value"] != "forged" {
		t.Errorf("action: %v", a)
	}
}

func TestWhoCannotAct(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	f.invite()
	ts := f.post(button("go", "Go", "1"))
	ctx := t.Context()
	for name, c := range map[string]struct {
		d    slacksim.Delivery
		want error
	}{
		"nobody":             {f.Command(ctx, "nobody", "general", "/help-me", ""), slacksim.ErrNotThere},
		"leaver":             {f.Command(ctx, "lea", "general", "/help-me", ""), slacksim.ErrDeactivated},
		"guest elsewhere":    {f.Click(ctx, slacksim.Press{User: "gus", Channel: "general", TS: ts, ActionID: "go"}), slacksim.ErrNotThere},
		"private channel":    {f.Command(ctx, "ann", "leads", "/help-me", ""), slacksim.ErrNotThere},
		"no such message":    {f.Click(ctx, slacksim.Press{User: "ann", Channel: "general", TS: "1.1", ActionID: "go"}), slacksim.ErrNotThere},
		"no such button":     {f.Click(ctx, slacksim.Press{User: "ann", Channel: "general", TS: ts, ActionID: "stop"}), slacksim.ErrNotThere},
		"no Home":            {f.ClickHome(ctx, "ann", "go"), slacksim.ErrNotThere},
		"no modal":           {f.SubmitView(ctx, "ann", nil), slacksim.ErrNotThere},
		"not a member":       {f.Post(ctx, "eve", "platform", "hi", ""), slacksim.ErrNotThere},
		"no thread":          {f.Post(ctx, "ann", "general", "hi", "1.1"), slacksim.ErrNotThere},
		"shortcut leaver":    {f.Shortcut(ctx, "lea", "start"), slacksim.ErrDeactivated},
		"message shortcut":   {f.MessageShortcut(ctx, "ann", "general", "1.1", "about"), slacksim.ErrNotThere},
		"home of a leaver":   {f.OpenHome(ctx, "lea"), slacksim.ErrDeactivated},
		"reacting to naught": {f.React(ctx, "ann", "general", "1.1", "eyes"), slacksim.ErrNotThere},
	} {
		if !errors.Is(c.d.Err, c.want) {
			t.Errorf("%s: %v, want %v", name, c.d.Err, c.want)
		}
	}
}

func TestMenusInMessagesKeepTheirStatePerUser(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	f.invite()
	got := make(chan object, 4)
	f.serve(func(e envelope) any { got <- e.Payload; return nil })
	ts := f.post(
		object{"type": "static_select", "action_id": "pick", "options": many(3, opt)},
		object{"type": "overflow", "action_id": "more", "options": many(2, opt)},
		object{"type": "users_select", "action_id": "who"},
		object{"type": "datepicker", "action_id": "day"},
		button("go", "Go", "1"),
	)
	at := func(user, action string, values ...string) slacksim.Press {
		return slacksim.Press{User: user, Channel: "general", TS: ts, ActionID: action, Values: values}
	}
	for _, p := range []slacksim.Press{at("ann", "pick", "2"), at("ann", "who", "bob"), at("ann", "day", "2026-11-24"), at("ann", "more", "1")} {
		if d := f.Select(t.Context(), p); d.Err != nil {
			t.Fatalf("%s: %v", p.ActionID, d.Err)
		}
		<-got
	}
	state := func(user string) object {
		f.Click(t.Context(), at(user, "go"))
		return (<-got)["state"].(object)["values"].(object)["act"].(object)
	}
	mine := state("ann")
	if mine["pick"].(object)["selected_option"].(object)["value"] != "2" || mine["who"].(object)["selected_user"] != f.UserID("bob") {
		t.Errorf("ann's state: %v", mine)
	}
	if mine["day"].(object)["selected_date"] != "2026-11-24" || mine["more"] != nil {
		t.Errorf("ann's state: %v", mine)
	}
	if bobs := state("bob"); bobs["pick"].(object)["selected_option"] != nil {
		t.Errorf("bob's state: %v", bobs)
	}
	for _, p := range []slacksim.Press{at("ann", "pick", "9"), at("ann", "more", "9"), at("ann", "who", "nobody")} {
		if d := f.Select(t.Context(), p); d.Err == nil {
			t.Errorf("%s took %v", p.ActionID, p.Values)
		}
	}
}

func TestPostsMentionAndReachTheApp(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *slacksim.Config) { c.App.Events = []string{"message.channels", "app_mention"} })
	f.invite()
	got := make(chan object, 4)
	f.serve(func(e envelope) any { got <- e.event(); return nil })
	d := f.Post(t.Context(), "ann", "general", "a <b> & @helper see #platform, `x*y` https://example.com", "")
	if d.Err != nil {
		t.Fatal(d.Err)
	}
	first, second := <-got, <-got
	want := "a &lt;b&gt; &amp; <@" + f.App().BotUserID + "> see <#" + f.ChannelID("platform") + "|platform>, `x*y` https://example.com"
	if first["text"] != want || first["type"] != "message" || second["type"] != "app_mention" {
		t.Errorf("events: %v, %v", first, second["type"])
	}
	reply := f.Post(t.Context(), "bob", "general", "sure", d.TS)
	if reply.Err != nil || len(f.Thread("general", d.TS)) != 2 || len(f.Messages("general")) != 1 {
		t.Errorf("thread: %v, %d", reply.Err, len(f.Thread("general", d.TS)))
	}
}

// respond posts to a response_url.
func (f *fixture) respond(address string, o object) (int, string) {
	f.t.Helper()
	data, _ := json.Marshal(o)
	resp, err := http.Post(address, "application/json", bytes.NewReader(data))
	if err != nil {
		f.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var out object
	_ = json.NewDecoder(resp.Body).Decode(&out)
	return resp.StatusCode, fmt.Sprint(out["error"])
}

func TestResponseURLs(t *testing.T) {
	t.Parallel()
	c := newClock()
	f := start(t, func(cfg *slacksim.Config) { cfg.Clock = c.Now })
	f.invite()
	urls := make(chan string, 4)
	f.serve(func(e envelope) any { urls <- fmt.Sprint(e.Payload["response_url"]); return nil })
	ts := f.post(button("go", "Go", "1"))
	click := func() string {
		f.Click(t.Context(), slacksim.Press{User: "ann", Channel: "general", TS: ts, ActionID: "go"})
		return <-urls
	}
	u := click()
	if code, _ := f.respond(u, object{"text": "only you"}); code != 200 || len(f.Ephemerals("ann", "general")) != 1 {
		t.Errorf("ephemeral: %d %+v", code, f.Ephemerals("ann", "general"))
	}
	f.respond(u, object{"text": "all", "response_type": "in_channel"})
	f.respond(u, object{"text": "changed", "replace_original": true})
	if list := f.Messages("general"); len(list) != 2 || list[0].Text != "changed" || len(list[0].Blocks) != 0 {
		t.Errorf("channel: %+v", list)
	}
	if code, word := f.respond(u, object{}); code != 200 || word != "no_text" {
		t.Errorf("an empty response: %d %s", code, word)
	}
	f.respond(u, object{"text": "4"})
	f.respond(u, object{"delete_original": true})
	if code, word := f.respond(u, object{"text": "6"}); code != 404 || word != "used_url" {
		t.Errorf("sixth use: %d %s", code, word)
	}
	if list := f.Messages("general"); len(list) != 1 {
		t.Errorf("the original is still there: %+v", list)
	}
	f.Command(t.Context(), "ann", "general", "/help-me", "")
	late := <-urls
	c.jump(31 * time.Minute)
	if code, word := f.respond(late, object{"text": "x"}); code != 404 || word != "expired_url" {
		t.Errorf("after 31 minutes: %d %s", code, word)
	}
	if code, _ := f.respond(f.url+"/response/invented", object{"text": "x"}); code != 404 {
		t.Errorf("an invented address: %d", code)
	}
	f.Command(t.Context(), "ann", "general", "/help-me", "")
	f.Inject(slacksim.Fault{Kind: slacksim.FaultHTTP, Match: "response_url", Status: 500, Body: "{}"})
	if code, _ := f.respond(<-urls, object{"text": "x"}); code != 500 {
		t.Errorf("a faulty response_url: %d", code)
	}
}

func TestEphemeralsCanBeClickedAndReplaced(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	f.invite()
	got := make(chan object, 2)
	f.serve(func(e envelope) any { got <- e.Payload; return nil })
	o := f.ok("chat.postEphemeral", "channel", f.ChannelID("general"), "user", f.UserID("ann"), "text", "x", "blocks", blocks(actions("act", button("go", "Go", "1"))))
	p := slacksim.Press{User: "ann", Channel: "general", TS: fmt.Sprint(o["message_ts"]), ActionID: "go"}
	if d := f.Click(t.Context(), p); d.Err != nil {
		t.Fatal(d.Err)
	}
	payload := <-got
	if payload["container"].(object)["is_ephemeral"] != true || payload["message"] != nil {
		t.Errorf("payload: %v", jsonText(payload))
	}
	f.respond(fmt.Sprint(payload["response_url"]), object{"text": "done", "replace_original": true})
	if e := f.Ephemerals("ann", "general"); len(e) != 1 || e[0].Text != "done" {
		t.Errorf("ephemerals: %+v", e)
	}
	f.respond(fmt.Sprint(payload["response_url"]), object{"delete_original": true})
	if e := f.Ephemerals("ann", "general"); len(e) != 0 {
		t.Errorf("ephemerals: %+v", e)
	}
	p.User = "bob"
	if d := f.Click(t.Context(), p); !errors.Is(d.Err, slacksim.ErrNotThere) {
		t.Errorf("bob clicked what only ann sees: %v", d.Err)
	}
}

func TestLifeOfAccountsAndGroups(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *slacksim.Config) { c.App.Events = nil })
	got := make(chan object, 16)
	f.serve(func(e envelope) any { got <- e.event(); return nil })
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(f.SetUser("bob", func(u *slacksim.User) { u.Deleted, u.ID = true, "U0OTHER" }))
	ev := <-got
	if u := ev["user"].(object); ev["type"] != "user_change" || u["deleted"] != true || u["id"] != f.UserID("bob") || u["tz"] != nil {
		t.Errorf("deactivated: %v", jsonText(ev))
	}
	check(f.SetUser("ann", func(u *slacksim.User) { u.UltraRestricted = true }))
	if u := (<-got)["user"].(object); u["is_ultra_restricted"] != true || u["is_restricted"] != true {
		t.Errorf("guest: %v", u)
	}
	check(f.SetGroup("dba", "dana", "chen"))
	members, updated := <-got, <-got
	added, removed := []any{f.UserID("chen")}, []any{f.UserID("bob")}
	if cmp.Diff(added, members["added_users"]) != "" || cmp.Diff(removed, members["removed_users"]) != "" || updated["type"] != "subteam_updated" {
		t.Errorf("group: %v", jsonText(members))
	}
	check(f.Leave("dana", "general"))
	if ev := <-got; ev["type"] != "member_left_channel" {
		t.Errorf("leaving: %v", ev)
	}
	f.Uninstall()
	if ev := <-got; ev["type"] != "app_uninstalled" {
		t.Errorf("uninstalling: %v", ev)
	}
	for _, err := range []error{
		f.SetUser("nobody", func(*slacksim.User) {}), f.SetGroup("none"), f.SetGroup("dba", "nobody"), f.ArchiveChannel("none", "ann"),
		f.ShareChannel("none"), f.Join("ann", "none"),
	} {
		if err == nil {
			t.Error("a change of what is not there succeeded")
		}
	}
	if _, err := f.AddUser(slacksim.User{Name: "ann"}); err == nil {
		t.Error("a second ann joined")
	}
}

func TestTrafficFindsACanary(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	f.invite()
	f.ok("chat.postMessage", "channel", f.ChannelID("general"), "text", "the word is\nsw0rdfish \"<&>\"")
	if r, found := f.TrafficContains("is\nsw0rdfish"); !found || r.Name != "chat.postMessage" {
		t.Errorf("canary: %v %+v", found, r)
	}
	if _, found := f.TrafficContains("not said"); found {
		t.Error("found what was never said")
	}
	f.callAs("", "auth.test", "token", f.App().BotToken)
	if r, found := f.TrafficContains(f.App().BotToken); found {
		t.Errorf("the token is in the record: %+v", r)
	}
	if n := len(f.Calls("chat.postMessage")); n != 1 {
		t.Errorf("%d calls", n)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	f.invite()
	big := strings.Repeat("x", 30_000)
	for range 2300 {
		if d := f.Post(t.Context(), "ann", "general", "short", ""); d.Err != nil {
			t.Fatal(d.Err)
		}
	}
	if n := len(f.Messages("general")); n != 2000 {
		t.Errorf("%d messages are kept", n)
	}
	for range 400 {
		f.ok("chat.postMessage", "channel", f.ChannelID("general"), "text", big)
	}
	total := 0
	for _, r := range f.Traffic() {
		total += len(r.Request) + len(r.Response)
	}
	if total > 16<<20 {
		t.Errorf("%d bytes of traffic are kept", total)
	}
}
