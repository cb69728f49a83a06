package slacksim_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/bot/slack/slacksim"
)

func TestTokensAreChecked(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	for token, want := range map[string]string{
		"":                     "not_authed",
		"xoxb-wrong":           "invalid_auth",
		f.App().AppToken:       "not_allowed_token_type",
		f.App().BotToken + "x": "invalid_auth",
	} {
		if _, o := f.callAs(token, "auth.test"); o["error"] != want {
			t.Errorf("token %q: %v, want %s", token, o, want)
		}
	}
	if _, o := f.callAs(f.App().BotToken, "apps.connections.open"); o["error"] != "not_allowed_token_type" {
		t.Errorf("bot token on apps.connections.open: %v", o)
	}
	if _, o := f.callAs("", "auth.test", "token", f.App().BotToken); o["ok"] != true {
		t.Errorf("token as form field: %v", o)
	}
	f.refused("unknown_method", "chat.shout")
	f.RevokeTokens()
	f.refused("token_revoked", "auth.test")
}

func TestEveryMethodRefusesWithoutItsScope(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *slacksim.Config) { c.App.Scopes = []string{"commands"} })
	for method, needed := range map[string]string{
		"chat.postMessage": "chat:write", "chat.update": "chat:write", "chat.delete": "chat:write", "chat.postEphemeral": "chat:write",
		"conversations.open": "im:write", "conversations.info": "channels:read", "conversations.members": "channels:read",
		"conversations.list": "channels:read", "conversations.history": "channels:history", "conversations.replies": "channels:history",
		"conversations.join": "channels:join", "users.info": "users:read", "users.list": "users:read", "users.lookupByEmail": "users:read.email",
		"dnd.info": "dnd:read", "usergroups.list": "usergroups:read", "usergroups.users.list": "usergroups:read",
		"reactions.add": "reactions:write", "team.info": "team:read", "bots.info": "users:read",
		"files.getUploadURLExternal": "files:write", "files.completeUploadExternal": "files:write",
	} {
		o := f.refused("missing_scope", method)
		if s, _ := o["needed"].(string); !strings.HasPrefix(s, needed) || o["provided"] != "commands" {
			t.Errorf("%s: needed %v provided %v", method, o["needed"], o["provided"])
		}
	}
}

func TestPrivateConversationsNeedTheirOwnScope(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *slacksim.Config) {
		c.App.Scopes = []string{"channels:read", "users:read"}
		c.Channels[2].Members = append(c.Channels[2].Members, "helper")
	})
	if o := f.refused("missing_scope", "conversations.info", "channel", f.ChannelID("leads")); o["needed"] != "groups:read" {
		t.Errorf("needed %v", o["needed"])
	}
	if o := f.refused("missing_scope", "conversations.list", "types", "im"); o["needed"] != "im:read" {
		t.Errorf("needed %v", o["needed"])
	}
	u, _ := f.ok("users.info", "user", f.UserID("ann"))["user"].(object)
	if p, _ := u["profile"].(object); p["email"] != nil {
		t.Errorf("e-mail without its scope: %v", p["email"])
	}
}

func TestPostingWhereItIsNotAllowed(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	general := f.ChannelID("general")
	f.refused("channel_not_found", "chat.postMessage", "channel", "C0NOWHERE", "text", "x")
	f.refused("channel_not_found", "chat.postMessage", "channel", f.ChannelID("leads"), "text", "x")
	f.refused("channel_not_found", "chat.postMessage", "channel", f.UserID("lea"), "text", "x")
	f.refused("not_in_channel", "chat.postMessage", "channel", general, "text", "x")
	f.ok("conversations.join", "channel", general)
	f.refused("no_text", "chat.postMessage", "channel", general)
	f.refused("invalid_blocks_format", "chat.postMessage", "channel", general, "blocks", "{not json")
	f.refused("invalid_blocks_format", "chat.postMessage", "channel", general, "blocks", `["text"]`)
	f.refused("cannot_reply_to_message", "chat.postMessage", "channel", general, "text", "x", "thread_ts", "1.000001")
	f.refused("invalid_metadata_format", "chat.postMessage", "channel", general, "text", "x", "metadata", `{"event_type":1}`)
	f.refused("metadata_too_large", "chat.postMessage", "channel", general, "text", "x", "metadata",
		jsonText(object{"event_type": "e", "event_payload": object{"x": strings.Repeat("y", 17<<10)}}))
	f.refused("markdown_text_conflict", "chat.postMessage", "channel", general, "text", "x", "markdown_text", "y")
	f.refused("too_many_attachments", "chat.postMessage", "channel", general, "attachments", "["+strings.TrimSuffix(strings.Repeat("{},", 101), ",")+"]")
	f.refused("invalid_attachments", "chat.postMessage", "channel", general, "attachments", "7")
	long := f.ok("chat.postMessage", "channel", general, "text", strings.Repeat("x", 40_001))
	if m, _ := long["message"].(object); len(fmt.Sprint(m["text"])) != 40_000 {
		t.Errorf("a text of 40,001 characters was not cut")
	}
	if err := f.ArchiveChannel("general", "ann"); err != nil {
		t.Fatal(err)
	}
	f.refused("is_archived", "chat.postMessage", "channel", general, "text", "x")
	f.refused("is_archived", "conversations.join", "channel", general)
}

func TestUpdateDeleteAndPermalink(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	f.invite()
	general := f.ChannelID("general")
	ts := f.post(button("go", "Go", "1"))
	f.refused("message_not_found", "chat.update", "channel", general, "ts", "1.000001", "text", "x")
	f.refused("channel_not_found", "chat.update", "channel", "C0NOWHERE", "ts", ts, "text", "x")
	f.refused("msg_too_long", "chat.update", "channel", general, "ts", ts, "text", strings.Repeat("x", 4001))
	f.refused("no_text", "chat.update", "channel", general, "ts", ts)
	d := f.Post(t.Context(), "ann", "general", "mine", "")
	f.refused("cant_update_message", "chat.update", "channel", general, "ts", d.TS, "text", "yours")
	f.refused("cant_delete_message", "chat.delete", "channel", general, "ts", d.TS)

	f.ok("chat.update", "channel", general, "ts", ts, "text", "text only")
	if m := f.Messages("general")[0]; len(m.Blocks) == 0 || m.Text != "text only" {
		t.Errorf("leaving blocks out must keep them: %+v", m)
	}
	f.ok("chat.update", "channel", general, "ts", ts, "text", "bare", "blocks", "[]")
	if m := f.Messages("general")[0]; len(m.Blocks) != 0 {
		t.Errorf("an empty list must clear the blocks: %+v", m)
	}
	link := fmt.Sprint(f.ok("chat.getPermalink", "channel", general, "message_ts", ts)["permalink"])
	if want := "/archives/" + general + "/p" + strings.ReplaceAll(ts, ".", ""); !strings.HasSuffix(link, want) {
		t.Errorf("permalink %s, want …%s", link, want)
	}
	f.ok("chat.delete", "channel", general, "ts", ts)
	f.refused("message_not_found", "chat.delete", "channel", general, "ts", ts)
	f.refused("message_not_found", "chat.getPermalink", "channel", general, "message_ts", ts)
}

func TestArchivedMessagesCannotBeEdited(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	f.invite()
	ts := f.post(button("go", "Go", "1"))
	if err := f.ArchiveChannel("general", "ann"); err != nil {
		t.Fatal(err)
	}
	f.refused("is_inactive", "chat.update", "channel", f.ChannelID("general"), "ts", ts, "text", "x")
}

func TestEphemeralsNeedBothInTheChannel(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	general, ann := f.ChannelID("general"), f.UserID("ann")
	f.refused("not_in_channel", "chat.postEphemeral", "channel", general, "user", ann, "text", "x")
	f.invite()
	f.refused("user_not_in_channel", "chat.postEphemeral", "channel", general, "user", f.UserID("gus"), "text", "x")
	f.refused("channel_not_found", "chat.postEphemeral", "channel", "C0NOWHERE", "user", ann, "text", "x")
	f.refused("msg_too_long", "chat.postEphemeral", "channel", general, "user", ann, "text", strings.Repeat("x", 4001))
	f.ok("chat.postEphemeral", "channel", general, "user", ann, "text", "psst")
	if e := f.Ephemerals("ann", "general"); len(e) != 1 || e[0].Text != "psst" || !e[0].Ephemeral {
		t.Errorf("ephemerals: %+v", e)
	}
	if len(f.Messages("general")) != 0 {
		t.Error("an ephemeral is in the channel's history")
	}
}

func TestDirectMessages(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	ann := f.UserID("ann")
	for code, users := range map[string]string{
		"users_list_not_supplied": "", "user_not_found": "U0NOBODY", "user_disabled": f.UserID("lea"),
		"invalid_user_combination": f.App().BotUserID, "too_many_users": strings.Repeat("U1,", 9),
	} {
		f.refused(code, "conversations.open", "users", users)
	}
	first := f.ok("conversations.open", "users", ann)
	if first["already_open"] != nil {
		t.Errorf("first opening: %v", first)
	}
	again := f.ok("conversations.open", "users", ann)
	if again["already_open"] != true {
		t.Errorf("second opening: %v", again)
	}
	id := fmt.Sprint(again["channel"].(object)["id"])
	full := f.ok("conversations.open", "channel", id, "return_im", "true")
	if ch := full["channel"].(object); ch["user"] != ann || ch["is_im"] != true {
		t.Errorf("return_im: %v", ch)
	}
	f.refused("channel_not_found", "conversations.open", "channel", f.ChannelID("general"))
	o := f.ok("chat.postMessage", "channel", ann, "text", "to you")
	if o["channel"] != id {
		t.Errorf("posting to a user went to %v, want %s", o["channel"], id)
	}
	if dm := f.DM("ann"); len(dm) != 1 || dm[0].Text != "to you" {
		t.Errorf("DM: %+v", dm)
	}
	group := f.ok("conversations.open", "users", ann+","+f.UserID("bob"))
	if again := f.ok("conversations.open", "users", f.UserID("bob")+","+ann); cmp.Diff(group, again) != "" {
		t.Errorf("the same people got another conversation: %v, %v", group, again)
	}
}

func TestHistoryAndReplies(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	general := f.ChannelID("general")
	f.refused("not_in_channel", "conversations.history", "channel", general)
	f.invite()
	var ts []string
	for i := range 5 {
		o := f.ok("chat.postMessage", "channel", general, "text", fmt.Sprint(i), "metadata", `{"event_type":"n","event_payload":{"n":1}}`)
		ts = append(ts, o["ts"].(string))
	}
	f.ok("chat.postMessage", "channel", general, "text", "reply", "thread_ts", ts[0])
	texts := func(o object) (out []string) {
		for _, m := range o["messages"].([]any) {
			out = append(out, m.(object)["text"].(string))
		}
		return out
	}
	page1 := f.ok("conversations.history", "channel", general, "limit", "3")
	next := page1["response_metadata"].(object)["next_cursor"].(string)
	page2 := f.ok("conversations.history", "channel", general, "limit", "3", "cursor", next)
	if diff := cmp.Diff([]string{"4", "3", "2", "1", "0"}, append(texts(page1), texts(page2)...)); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	if page1["messages"].([]any)[0].(object)["metadata"] != nil {
		t.Error("metadata came without being asked for")
	}
	one := f.ok("conversations.history", "channel", general, "oldest", ts[2], "latest", ts[2], "inclusive", "true", "include_all_metadata", "true")
	if got := texts(one); len(got) != 1 || got[0] != "2" || one["messages"].([]any)[0].(object)["metadata"] == nil {
		t.Errorf("one message: %v", one)
	}
	thread := f.ok("conversations.replies", "channel", general, "ts", ts[0])
	if diff := cmp.Diff([]string{"0", "reply"}, texts(thread)); diff != "" {
		t.Errorf("thread (-want +got):\n%s", diff)
	}
	if n := thread["messages"].([]any)[0].(object)["reply_count"]; n != float64(1) {
		t.Errorf("reply_count %v", n)
	}
	f.refused("thread_not_found", "conversations.replies", "channel", general, "ts", "1.000001")
	f.refused("invalid_cursor", "conversations.history", "channel", general, "cursor", "nonsense")
	f.refused("invalid_limit", "conversations.members", "channel", general, "limit", "-1")
	f.refused("invalid_ts_oldest", "conversations.history", "channel", general, "oldest", "yesterday")
	f.refused("invalid_ts_latest", "conversations.history", "channel", general, "latest", "yesterday")
	f.refused("channel_not_found", "conversations.history", "channel", f.ChannelID("leads"))
}

func TestPeopleGroupsAndTeam(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	f.refused("user_not_found", "users.info", "user", "U0NOBODY")
	f.refused("users_not_found", "users.lookupByEmail", "email", "nobody@northwind.example")
	f.refused("users_not_found", "users.lookupByEmail", "email", "lea@northwind.example")
	f.refused("user_not_found", "dnd.info", "user", "U0NOBODY")
	f.refused("no_such_subteam", "usergroups.users.list", "usergroup", "S0NONE")
	f.refused("bot_not_found", "bots.info", "bot", "B0NONE")
	f.refused("invalid_types", "conversations.list", "types", "secret")
	f.ok("team.info")
	f.ok("bots.info", "bot", f.App().BotID)

	flags := map[string][]string{}
	for _, name := range []string{"ann", "chen", "gus", "lea", "sam", "helper"} {
		u := f.ok("users.info", "user", f.UserID(name), "include_locale", "true")["user"].(object)
		for _, k := range slices.Sorted(maps.Keys(u)) {
			if u[k] == true && k != "is_email_confirmed" {
				flags[name] = append(flags[name], k)
			}
		}
	}
	want := map[string][]string{
		"chen": {"is_admin"}, "gus": {"is_restricted"}, "lea": {"deleted"}, "sam": {"is_stranger"}, "helper": {"is_bot"},
	}
	if diff := cmp.Diff(want, flags); diff != "" {
		t.Errorf("flags (-want +got):\n%s", diff)
	}
	u := f.ok("users.lookupByEmail", "email", "ANN@northwind.example")["user"].(object)
	if u["id"] != f.UserID("ann") || u["tz"] != "Europe/Berlin" {
		t.Errorf("by e-mail: %v", u)
	}
	members := f.ok("usergroups.users.list", "usergroup", f.ok("usergroups.list", "include_users", "true")["usergroups"].([]any)[0].(object)["id"].(string))
	if diff := cmp.Diff([]any{f.UserID("bob"), f.UserID("dana")}, members["users"]); diff != "" {
		t.Errorf("group (-want +got):\n%s", diff)
	}
	all := f.ok("users.list", "limit", "4")
	if n := len(all["members"].([]any)); n != 4 || all["response_metadata"].(object)["next_cursor"] == "" {
		t.Errorf("users.list gave %d", n)
	}
	info := f.ok("conversations.info", "channel", f.ChannelID("partners"), "include_num_members", "true")["channel"].(object)
	if info["is_ext_shared"] != true || info["num_members"] != float64(2) {
		t.Errorf("partners: %v", info)
	}
	rooms := f.ok("conversations.list", "types", "public_channel,private_channel", "exclude_archived", "true")["channels"].([]any)
	if len(rooms) != 3 {
		t.Errorf("%d conversations, want the three public ones", len(rooms))
	}
}

func TestReactionsAndFiles(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	f.invite()
	general := f.ChannelID("general")
	ts := f.post(button("go", "Go", "1"))
	f.ok("reactions.add", "channel", general, "timestamp", ts, "name", "eyes")
	f.refused("already_reacted", "reactions.add", "channel", general, "timestamp", ts, "name", "eyes")
	f.refused("bad_timestamp", "reactions.add", "channel", general, "timestamp", "now", "name", "eyes")
	f.refused("message_not_found", "reactions.add", "channel", general, "timestamp", "1.000001", "name", "eyes")
	f.refused("invalid_name", "reactions.add", "channel", general, "timestamp", ts, "name", "a b")
	if d := f.React(t.Context(), "ann", "general", ts, "eyes"); d.Err != nil {
		t.Fatal(d.Err)
	}
	if got := f.Messages("general")[0].Reactions["eyes"]; len(got) != 2 {
		t.Errorf("reactions: %v", got)
	}

	f.refused("missing_argument", "files.getUploadURLExternal", "filename", "a.txt")
	f.refused("file_upload_size_restricted", "files.getUploadURLExternal", "filename", "a.txt", "length", "999999999")
	up := f.ok("files.getUploadURLExternal", "filename", "a.txt", "length", "5")
	f.refused("file_not_found", "files.completeUploadExternal", "files", jsonText([]object{{"id": up["file_id"]}}))
	resp, err := http.Post(fmt.Sprint(up["upload_url"]), "text/plain", strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	f.ok("files.completeUploadExternal", "files", jsonText([]object{{"id": up["file_id"], "title": "Notes"}}), "channel_id", general, "initial_comment", "see")
	if m := f.Messages("general"); !strings.Contains(m[len(m)-1].Text, "Notes") {
		t.Errorf("the share is not in the channel: %+v", m[len(m)-1])
	}
	f.refused("not_in_channel", "files.completeUploadExternal", "files", jsonText([]object{{"id": up["file_id"]}}), "channel_id", f.ChannelID("platform"))
}

func TestRatesAreEnforcedWhenAsked(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *slacksim.Config) { c.EnforceRates = true })
	f.invite()
	limited := 0
	for range 8 {
		resp, o := f.callAs(f.App().BotToken, "chat.postMessage", "channel", f.ChannelID("general"), "text", "x")
		if resp.StatusCode == http.StatusTooManyRequests {
			limited++
			if o["error"] != "ratelimited" || resp.Header.Get("Retry-After") == "" {
				t.Errorf("429 with %v and Retry-After %q", o, resp.Header.Get("Retry-After"))
			}
		}
	}
	if limited == 0 {
		t.Error("eight messages at once were not limited")
	}
}

func TestSeedsAreChecked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*slacksim.Config)
		want   string
	}{
		"zone":    {func(c *slacksim.Config) { c.Users[0].TZ = "Mars/Olympus" }, "Mars/Olympus"},
		"twice":   {func(c *slacksim.Config) { c.Users[1].Name = "ann" }, "named twice"},
		"no name": {func(c *slacksim.Config) { c.Users[0].Name = "" }, "a name is required"},
		"member":  {func(c *slacksim.Config) { c.Channels[0].Members = []string{"nobody"} }, `"nobody"`},
		"channel": {func(c *slacksim.Config) { c.Channels[1].Name = "general" }, "named twice"},
		"group":   {func(c *slacksim.Config) { c.Groups[0].Members = []string{"nobody"} }, `"nobody"`},
	} {
		cfg := slacksim.Sample()
		c.change(&cfg)
		if _, err := slacksim.New(cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q in it", name, err, c.want)
		}
	}
	a, _ := slacksim.New(slacksim.Sample())
	b, _ := slacksim.New(slacksim.Sample())
	defer a.Close()
	defer b.Close()
	if a.UserID("ann") != b.UserID("ann") || a.App().BotToken != b.App().BotToken {
		t.Error("the same seed gave other ids")
	}
}
