package slacksim_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/countersign-bot/countersign/bot/slack/slacksim"
)

// send posts to the control API.
func (f *fixture) send(path string, body any, header ...string) (int, object) {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), http.MethodPost, f.url+path, strings.NewReader(jsonText(body)))
	if err != nil {
		f.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, _ := io.ReadAll(resp.Body)
	var o object
	_ = json.Unmarshal(data, &o)
	return resp.StatusCode, o
}

func (f *fixture) fetch(path string) (*http.Response, string) {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), http.MethodGet, f.url+path, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, _ := io.ReadAll(resp.Body)
	return resp, string(data)
}

func TestAnotherProcessCanAct(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	f.invite()
	view := form()
	f.serve(func(e envelope) any {
		if e.Type == "slash_commands" {
			f.ok("views.open", "trigger_id", e.trigger(), "view", jsonText(view))
		}
		return nil
	})
	ts := f.post(button("go", "Go", "1"))
	for _, c := range []struct {
		act  object
		ok   bool
		code string
	}{
		{object{"do": "post", "user": "ann", "channel": "general", "text": "hi"}, true, ""},
		{object{"do": "react", "user": "ann", "channel": "general", "ts": ts, "text": "eyes"}, true, ""},
		{object{"do": "click", "user": "ann", "channel": "general", "ts": ts, "action_id": "go"}, true, ""},
		{object{"do": "click", "user": "ann", "channel": "general", "ts": ts, "action_id": "stop"}, false, "not_there"},
		{object{"do": "home", "user": "lea"}, false, "deactivated"},
		{object{"do": "shortcut", "user": "ann", "callback_id": "start"}, true, ""},
		{object{"do": "message_shortcut", "user": "ann", "channel": "general", "ts": ts, "callback_id": "about"}, true, ""},
		{object{"do": "command", "user": "ann", "channel": "general", "command": "/help-me"}, true, ""},
		{object{"do": "submit", "user": "ann"}, false, "invalid_form"},
		{object{"do": "submit", "user": "ann", "entered": object{"why": object{"text": "because"}, "role": object{"pick": "ro"}}}, true, ""},
		{object{"do": "close", "user": "ann"}, false, "not_there"},
		{object{"do": "read", "user": "ann", "channel": "general"}, true, ""},
		{object{"do": "fly", "user": "ann"}, false, ""},
	} {
		status, o := f.send("/sim/act", c.act)
		code, _ := o["code"].(string)
		if status != 200 || o["ok"] != c.ok || code != c.code {
			t.Errorf("%v: %d %v", c.act, status, o)
		}
	}
	_, body := f.fetch("/sim/messages?channel=general")
	if !strings.Contains(body, `"text":"hi"`) {
		t.Errorf("messages: %s", body)
	}
}

func TestAnotherProcessCanAdminister(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	f.connect(nil)
	for _, c := range []object{
		{"do": "set_user", "user": "bob", "fields": object{"deleted": true}},
		{"do": "add_user", "fields": object{"name": "new", "tz": "UTC"}},
		{"do": "set_group", "group": "dba", "members": []string{"chen"}},
		{"do": "share", "channel": "platform"},
		{"do": "join", "user": "new", "channel": "general"},
		{"do": "leave", "user": "new", "channel": "general"},
		{"do": "archive", "channel": "general", "user": "ann"},
		{"do": "inject", "fault": object{"kind": "error", "match": "team.info", "count": 2}},
		{"do": "chaos", "chaos": object{"drop": 0.0}},
		{"do": "ghosts", "count": 1},
		{"do": "warn", "grace_ms": 60000},
		{"do": "refresh"},
		{"do": "disable_link"},
		{"do": "cut"},
	} {
		if status, o := f.send("/sim/admin", c); status != 200 || o["ok"] != true {
			t.Errorf("%v: %d %v", c, status, o)
		}
	}
	if u, _ := f.User("bob"); !u.Deleted {
		t.Error("bob is still active")
	}
	if _, body := f.fetch("/sim/faults"); !strings.Contains(body, `"team.info"`) {
		t.Errorf("faults: %s", body)
	}
	f.refused("fatal_error", "team.info")
	f.send("/sim/admin", object{"do": "clear_faults"})
	f.ok("team.info")
	if _, body := f.fetch("/sim/stats"); !strings.Contains(body, `"connected":1`) {
		t.Errorf("stats: %s", body)
	}
	if _, body := f.fetch("/sim/traffic"); !strings.Contains(body, "team.info") {
		t.Errorf("traffic: %s", body)
	}
	for _, c := range []object{{"do": "explode"}, {"do": "set_user", "user": "nobody", "fields": object{}}, {"do": "add_user", "fields": 7}} {
		if status, o := f.send("/sim/admin", c); status != http.StatusUnprocessableEntity || o["ok"] != false {
			t.Errorf("%v: %d %v", c, status, o)
		}
	}
	f.send("/sim/admin", object{"do": "uninstall"})
	f.refused("token_revoked", "auth.test")
}

func TestForeignPagesCannotAct(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	act := object{"do": "post", "user": "ann", "channel": "general", "text": "gotcha"}
	if status, _ := f.send("/sim/act", act, "Origin", "https://evil.example"); status != http.StatusForbidden {
		t.Errorf("a foreign origin: %d", status)
	}
	if status, _ := f.send("/sim/act", act, "Content-Type", "text/plain"); status != http.StatusUnsupportedMediaType {
		t.Errorf("a form's content type: %d", status)
	}
	if status, _ := f.send("/sim/act", act, "Origin", f.url); status != http.StatusOK || len(f.Messages("general")) != 1 {
		t.Errorf("our own page: %d, %d messages", status, len(f.Messages("general")))
	}
}

func TestStateIsWhatOneUserMaySee(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *slacksim.Config) { c.Banner = []slacksim.Link{{Text: "About", URL: "/about"}} })
	f.invite()
	ts := f.post(button("go", "Go", "1"))
	f.ok("chat.postMessage", "channel", f.ChannelID("general"), "text", "in thread", "thread_ts", ts)
	f.ok("chat.postEphemeral", "channel", f.ChannelID("general"), "user", f.UserID("ann"), "text", "only ann")
	state := func(user, channel, thread string) object {
		_, body := f.fetch("/sim/state?user=" + user + "&channel=" + channel + "&thread=" + thread)
		var o object
		if err := json.Unmarshal([]byte(body), &o); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		return o
	}
	ann := state("ann", "general", ts)
	if n := len(ann["messages"].([]any)); n != 2 {
		t.Errorf("ann sees %d messages, want the card and her ephemeral", n)
	}
	if n := len(ann["thread"].([]any)); n != 2 {
		t.Errorf("the thread has %d messages", n)
	}
	if bob := state("bob", "general", ""); strings.Contains(jsonText(bob), "only ann") {
		t.Error("bob sees what only ann may")
	}
	if sam := state("sam", "general", ""); len(sam["messages"].([]any)) != 0 || len(sam["channels"].([]any)) != 2 {
		t.Errorf("an outsider sees %v", sam["channels"])
	}
	if strings.Contains(jsonText(ann), f.App().BotToken) || strings.Contains(jsonText(ann), f.App().AppToken) {
		t.Error("a token is in the page's state")
	}
	if resp, _ := f.fetch("/sim/state?user=nobody"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("nobody: %s", resp.Status)
	}
}

func TestChangesAreStreamed(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, f.url+"/sim/events", nil)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewScanner(resp.Body)
	read := func() string {
		for lines.Scan() {
			if s := lines.Text(); strings.HasPrefix(s, "data: ") {
				return s
			}
		}
		t.Fatalf("the stream ended: %v", lines.Err())
		return ""
	}
	f.Post(t.Context(), "ann", "general", "one", "")
	first := read()
	f.Post(t.Context(), "ann", "general", "two", "")
	if second := read(); second == first {
		t.Errorf("the revision stands still: %s", second)
	}
}

func TestPagesListenOverAWebSocket(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	address := "ws" + strings.TrimPrefix(f.url, "http") + "/sim/live"
	ws, resp, err := websocket.DefaultDialer.DialContext(t.Context(), address, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	defer func() { _ = ws.Close() }()
	read := func() string {
		_, data, err := ws.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	first := read()
	f.Post(t.Context(), "ann", "general", "one", "")
	if second := read(); second == first {
		t.Errorf("the revision stands still: %s", second)
	}
	_, resp, err = websocket.DefaultDialer.DialContext(t.Context(), address, http.Header{"Origin": {"https://evil.example"}})
	if err == nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("a foreign page may listen: %v", err)
	}
}

func TestThePageAndItsParts(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *slacksim.Config) {
		c.Panel = http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "the host's panel") })
	})
	resp, body := f.fetch("/")
	if !strings.Contains(body, `src="/assets/app.js"`) || !strings.Contains(resp.Header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("page: %v %s", resp.Header, body)
	}
	for path, want := range map[string]string{
		"/archives/C1/p1605853634000400": "app.js", "/assets/style.css": "--accent", "/assets/app.js": "refresh", "/panel/": "the host's panel",
		"/assets/avatar/" + f.UserID("ann") + ".svg": ">AI<",
	} {
		if resp, body := f.fetch(path); resp.StatusCode != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %s %.80q", path, resp.Status, body)
		}
	}
	for _, path := range []string{"/nothing", "/assets/nothing.js", "/assets/avatar/nobody.svg"} {
		if resp, _ := f.fetch(path); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
	for _, asset := range []string{"app.js", "blocks.js", "text.js", "dom.js"} {
		if _, body := f.fetch("/assets/" + asset); strings.Contains(body, "innerHTML") {
			t.Errorf("%s writes markup from text", asset)
		}
	}
}
