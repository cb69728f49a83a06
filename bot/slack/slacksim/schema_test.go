package slacksim_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/countersign-bot/countersign/bot/slack/slacksim"
)

// schema compiles one definition of a reference schema.
func schema(t *testing.T, file, pointer string) *jsonschema.Schema {
	t.Helper()
	path := shared(t, file)
	in, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	doc, err := jsonschema.UnmarshalJSON(in)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("mem:///s.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("mem:///s.json" + pointer)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(s *jsonschema.Schema, v any) error {
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(jsonText(v)))
	if err != nil {
		return err
	}
	return s.Validate(doc)
}

func TestAnswersFitSlacksSchemas(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(shared(t, "schemas")); err != nil {
		t.Skip(err)
	}
	f := start(t, nil)
	f.invite()
	triggers := make(chan string, 1)
	f.serve(func(e envelope) any { triggers <- e.trigger(); return nil })
	f.Command(t.Context(), "ann", "general", "/help-me", "")
	general, ann := f.ChannelID("general"), f.UserID("ann")
	card := blocks(section("*hi*"), actions("a", button("go", "Go", "1")))
	posted := f.ok("chat.postMessage", "channel", general, "text", "x", "blocks", card, "metadata", `{"event_type":"n","event_payload":{}}`)
	_, socket := f.callAs(f.App().AppToken, "apps.connections.open")
	home := object{"type": "home", "blocks": []any{section("hello")}}
	view := modal("Ask", inputBlock("why", "text", false, object{"type": "plain_text_input"}))
	for name, o := range map[string]object{
		"AuthTestResponse":             f.ok("auth.test"),
		"AppsConnectionsOpenResponse":  socket,
		"ChatPostMessageResponse":      posted,
		"ChatUpdateResponse":           f.ok("chat.update", "channel", general, "ts", posted["ts"].(string), "text", "y", "blocks", card),
		"ConversationsMembersResponse": f.ok("conversations.members", "channel", general),
		"ConversationsOpenResponse":    f.ok("conversations.open", "users", ann, "return_im", "true"),
		"UsergroupsUsersListResponse":  f.ok("usergroups.users.list", "usergroup", f.ok("usergroups.list")["usergroups"].([]any)[0].(object)["id"].(string)),
		"UsersInfoResponse":            f.ok("users.info", "user", ann, "include_locale", "true"),
		"ViewsOpenResponse":            f.ok("views.open", "trigger_id", <-triggers, "view", jsonText(view)),
		"ViewsPublishResponse":         f.ok("views.publish", "user_id", ann, "view", jsonText(home)),
	} {
		o = asPublished(o)
		if err := validate(schema(t, "schemas/webapi."+name+".schema.json", ""), o); err != nil {
			t.Errorf("%s: %v\n%s", name, err, jsonText(o))
		}
	}
}

// asPublished takes out where Slack's published types disagree with what Slack was recorded to send: the recording wins, so these stay
// in our payloads. Nulls are typed as absent; the values of a state, the username of an actor and the fields of a Home tab inside
// app_home_opened are not in the types at all.
func asPublished(o object) object {
	if o["type"] == nil {
		o, _ = withoutNull(o).(object)
	}
	if v, ok := o["view"].(object); ok {
		if o["type"] == nil {
			v["state"] = object{}
		}
		if o["type"] == "app_home_opened" {
			for k := range v {
				if k != "type" && k != "blocks" && k != "callback_id" && k != "private_metadata" && k != "external_id" {
					delete(v, k)
				}
			}
		}
	}
	if u, ok := o["user"].(object); ok && (o["type"] == "view_submission" || o["type"] == "view_closed") {
		delete(u, "username")
	}
	return o
}

func withoutNull(v any) any {
	switch v := v.(type) {
	case object:
		out := object{}
		for k, e := range v {
			if e != nil {
				out[k] = withoutNull(e)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = withoutNull(e)
		}
		return out
	}
	return v
}

// sampleKeys checks an answer against the shape of a recorded one: every key of ours must be one Slack has, with the same type.
func sampleKeys(t *testing.T, at string, ours, theirs any) {
	t.Helper()
	switch ours := ours.(type) {
	case object:
		them, ok := theirs.(object)
		if !ok {
			if theirs != nil {
				t.Errorf("%s: an object, Slack has %T", at, theirs)
			}
			return
		}
		for k, v := range ours {
			other, known := them[k]
			if !known {
				t.Errorf("%s: Slack's answer has no %q", at, k)
				continue
			}
			sampleKeys(t, at+"/"+k, v, other)
		}
	case []any:
		them, ok := theirs.([]any)
		if !ok {
			t.Errorf("%s: a list, Slack has %T", at, theirs)
			return
		}
		if len(them) > 0 {
			for _, v := range ours {
				sampleKeys(t, at+"/0", v, them[0])
			}
		}
	case nil:
	default:
		if theirs != nil && kindOf(ours) != kindOf(theirs) {
			t.Errorf("%s: %T, Slack has %T", at, ours, theirs)
		}
	}
}

func kindOf(v any) string {
	switch v.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case float64:
		return "number"
	}
	return "other"
}

func TestAnswersHaveTheShapeOfSlacksSamples(t *testing.T) {
	t.Parallel()
	dir := shared(t, "api-samples")
	f := start(t, nil)
	f.invite()
	general, ann := f.ChannelID("general"), f.UserID("ann")
	ts := f.post(button("go", "Go", "1"))
	up := f.ok("files.getUploadURLExternal", "filename", "a.txt", "length", "5")
	_, socket := f.callAs(f.App().AppToken, "apps.connections.open")
	for method, o := range map[string]object{
		"auth.test": f.ok("auth.test"), "team.info": f.ok("team.info"), "bots.info": f.ok("bots.info", "bot", f.App().BotID),
		"apps.connections.open":      socket,
		"conversations.info":         f.ok("conversations.info", "channel", general, "include_num_members", "true"),
		"conversations.members":      f.ok("conversations.members", "channel", general),
		"users.info":                 f.ok("users.info", "user", ann, "include_locale", "true"),
		"users.list":                 f.ok("users.list", "limit", "3"),
		"users.lookupByEmail":        f.ok("users.lookupByEmail", "email", "ann@northwind.example"),
		"usergroups.list":            f.ok("usergroups.list", "include_users", "true", "include_count", "true"),
		"chat.getPermalink":          f.ok("chat.getPermalink", "channel", general, "message_ts", ts),
		"chat.postEphemeral":         f.ok("chat.postEphemeral", "channel", general, "user", ann, "text", "x"),
		"reactions.add":              f.ok("reactions.add", "channel", general, "timestamp", ts, "name", "eyes"),
		"files.getUploadURLExternal": up,
		"chat.delete":                f.ok("chat.delete", "channel", general, "ts", ts),
	} {
		data, err := os.ReadFile(filepath.Join(dir, method+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var sample any
		if err := json.Unmarshal(data, &sample); err != nil {
			t.Fatal(err)
		}
		sampleKeys(t, method, o, sample)
	}
}

func TestErrorCodesAreSlacks(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(shared(t, "methods.json"))
	if err != nil {
		t.Fatal(err)
	}
	var known map[string]struct {
		Errors []string `json:"errors"`
		Scopes struct {
			Bot []struct {
				Name string `json:"name"`
			} `json:"bot"`
		} `json:"scopes"`
	}
	if err := json.Unmarshal(data, &known); err != nil {
		t.Fatal(err)
	}
	// What every method can answer is on no method's own page; the rest is what Slack really answers to broken arguments.
	common := []string{
		"invalid_auth", "not_authed", "missing_scope", "not_allowed_token_type", "token_revoked", "unknown_method", "ratelimited",
		"invalid_arguments", "invalid_blocks", "invalid_attachments", "invalid_metadata_format", "user_not_found", "is_archived",
	}
	f := start(t, nil)
	f.invite()
	general := f.ChannelID("general")
	for _, c := range []struct{ method, name, value string }{
		{"chat.postMessage", "channel", "C0"},
		{"chat.postMessage", "channel", general},
		{"chat.update", "channel", "C0"},
		{"chat.update", "channel", general},
		{"chat.delete", "ts", "1.1"},
		{"chat.postEphemeral", "channel", general},
		{"chat.getPermalink", "channel", general},
		{"conversations.open", "users", "U0"},
		{"conversations.open", "users", ""},
		{"conversations.info", "channel", "C0"},
		{"conversations.members", "channel", "C0"},
		{"conversations.list", "types", "x"},
		{"conversations.history", "channel", "C0"},
		{"conversations.replies", "channel", general},
		{"users.info", "user", "U0"},
		{"users.lookupByEmail", "email", ""},
		{"usergroups.users.list", "usergroup", "S0"},
		{"dnd.info", "user", "U0"},
		{"views.open", "view", jsonText(form())},
		{"views.update", "view_id", "V0"},
		{"views.push", "view", jsonText(form())},
		{"views.publish", "user_id", "U0"},
		{"reactions.add", "channel", general},
		{"bots.info", "bot", "B0"},
		{"files.getUploadURLExternal", "filename", ""},
		{"files.completeUploadExternal", "files", "[]"},
	} {
		o := f.call(c.method, c.name, c.value)
		code, _ := o["error"].(string)
		if o["ok"] != false || (!slices.Contains(known[c.method].Errors, code) && !slices.Contains(common, code)) {
			t.Errorf("%s %s=%q answers %v, which Slack's page does not list", c.method, c.name, c.value, o)
		}
	}
}

func TestPayloadsFitSlacksSchemas(t *testing.T) {
	t.Parallel()
	payloads := everyPayload(t)
	for name, c := range map[string]struct{ file, from string }{
		"shortcut":          {"bolt.GlobalShortcut", "shortcut"},
		"message shortcut":  {"bolt.MessageShortcut", "message_action"},
		"command":           {"bolt.SlashCommand", "command"},
		"view submission":   {"bolt.ViewSubmitAction", "view_submission"},
		"view closed":       {"bolt.ViewClosedAction", "view_closed"},
		"home opened":       {"event.AppHomeOpenedEvent", "app_home_opened"},
		"user change":       {"event.UserChangeEvent", "user_change"},
		"team join":         {"event.TeamJoinEvent", "team_join"},
		"members changed":   {"event.SubteamMembersChangedEvent", "subteam_members_changed"},
		"group changed":     {"event.SubteamUpdatedEvent", "subteam_updated"},
		"channel archived":  {"event.SlackEvent", "channel_archive"},
		"channel shared":    {"event.SlackEvent", "channel_shared"},
		"tokens revoked":    {"event.SlackEvent", "tokens_revoked"},
		"reaction":          {"event.SlackEvent", "reaction_added"},
		"member joined":     {"event.SlackEvent", "member_joined_channel"},
		"app mentioned":     {"event.SlackEvent", "app_mention"},
		"message of person": {"event.SlackEvent", "message"},
	} {
		p, found := payloads[c.from]
		if !found {
			t.Errorf("%s: no payload was sent", name)
			continue
		}
		if c.from == "view_submission" || c.from == "view_closed" {
			missing(t, "/user", p["user"], object{"username": "x"}, nil) // recorded, though not published
		}
		if err := validate(schema(t, "schemas/"+c.file+".schema.json", ""), asPublished(p)); err != nil {
			t.Errorf("%s: %v\n%s", name, firstLines(err, 12), jsonText(p))
		}
	}
}

func firstLines(err error, n int) string {
	lines := strings.Split(err.Error(), "\n")
	return strings.Join(lines[:min(n, len(lines))], "\n")
}

// everyPayload acts out everything a workspace can say to its app and returns one payload of each kind, events unwrapped.
func everyPayload(t *testing.T) map[string]object {
	t.Helper()
	f := start(t, func(c *slacksim.Config) { c.App.Events = nil })
	sink := make(chan envelope, 256)
	home := object{"type": "home", "blocks": []any{section("hello"), actions("act", button("go", "Go", "1"))}}
	view := modal("Ask", inputBlock("why", "text", true, object{"type": "plain_text_input"}), inputBlock("who", "pick", true, object{"type": "external_select"}))
	view["notify_on_close"] = true
	f.serve(func(e envelope) any {
		sink <- e
		switch {
		case e.Payload["command"] != nil:
			f.ok("views.open", "trigger_id", e.trigger(), "view", jsonText(view))
		case e.Payload["type"] == "block_suggestion":
			return object{"options": []any{object{"text": plain("A"), "value": "a"}}}
		}
		return nil
	})
	ctx := t.Context()
	must := func(d slacksim.Delivery) {
		t.Helper()
		if d.Err != nil {
			t.Fatal(d.Err)
		}
	}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	f.invite()
	ts := f.post(button("go", "Go", "1"))
	f.ok("views.publish", "user_id", f.UserID("ann"), "view", jsonText(home))
	must(f.Command(ctx, "ann", "general", "/help-me", "now"))
	_, d := f.Suggest(ctx, slacksim.Press{User: "ann", ActionID: "pick"}, "a")
	must(d)
	must(f.SubmitView(ctx, "ann", enter("why", "text", "because")))
	must(f.Command(ctx, "ann", "general", "/help-me", "now"))
	must(f.CloseView(ctx, "ann"))
	must(f.Shortcut(ctx, "ann", "start"))
	must(f.MessageShortcut(ctx, "ann", "general", ts, "about"))
	must(f.Click(ctx, slacksim.Press{User: "ann", Channel: "general", TS: ts, ActionID: "go"}))
	must(f.OpenHome(ctx, "ann"))
	must(f.React(ctx, "ann", "general", ts, "eyes"))
	must(f.Post(ctx, "ann", "general", "hello @helper", ""))
	check(f.SetUser("finn", func(u *slacksim.User) { u.Title = "Lead" }))
	_, err := f.AddUser(slacksim.User{Name: "new", RealName: "New One", TZ: "UTC"})
	check(err)
	check(f.SetGroup("dba", "bob", "chen"))
	check(f.ShareChannel("platform"))
	check(f.ArchiveChannel("platform", "ann"))
	f.until(func() bool { return f.SocketStats().PendingEvents == 0 })
	f.RevokeTokens()
	f.until(func() bool { return f.SocketStats().PendingEvents == 0 })
	out := map[string]object{}
	for len(sink) > 0 {
		e := <-sink
		p := e.Payload
		if ev := e.event(); ev != nil {
			out["event_callback"] = p
			p = ev
		}
		kind, _ := p["type"].(string)
		if p["command"] != nil {
			kind = "command"
		}
		if kind == "message" && p["bot_id"] != nil {
			kind = "bot message"
		}
		out[kind] = p
		out["envelope "+e.Type] = raw(e)
	}
	return out
}

func raw(e envelope) object {
	var o object
	_ = json.Unmarshal(e.raw, &o)
	return o
}
