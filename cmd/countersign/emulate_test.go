package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
)

// emulator is a Slack that nobody here wrote (npm emulate), with a proxy in front that remembers what the bot asked of it. It has no clicks
// and no slash commands: the test signs them itself, as Slack would.
type emulator struct {
	t      *testing.T
	w      *world
	api    string // of the emulator
	front  *httptest.Server
	ids    map[string]string // user name -> id
	mu     sync.Mutex
	bodies []string // method and body of every call
}

const emulateToken = "xoxb-countersign-test"

// emulateSeed is a workspace with the demo's people and channels. The emulator takes JSON for YAML.
func emulateSeed(people []string) ([]byte, error) {
	users := []map[string]any{}
	for _, p := range people {
		users = append(users, map[string]any{"name": p, "real_name": p, "email": p + "@northwind.example"})
	}
	channels := []map[string]any{}
	for _, c := range []string{"access", "security", "access-audit", "incidents"} {
		channels = append(channels, map[string]any{"name": c, "topic": c})
	}
	allowed := []string{"channels:manage", "channels:join", "im:read"} // the test's own: it lets the bot in and reads along
	for _, s := range scopes() {
		allowed = append(allowed, s.name)
	}
	return json.Marshal(map[string]any{"slack": map[string]any{
		"team": map[string]any{"name": "Northwind", "domain": "northwind"}, "users": users, "channels": channels,
		"bots":           []map[string]any{{"name": "countersign"}},
		"tokens":         []map[string]any{{"token": emulateToken, "type": "bot", "user_id": "U0COUNTER1", "bot_id": "B0COUNTER1", "bot_user_id": "U0COUNTER1", "app_id": "A000000001", "scopes": allowed}},
		"oauth_apps":     []map[string]any{{"client_id": "1.2", "client_secret": "s", "app_id": "A000000001", "name": "Countersign", "bot_name": "countersign", "bot_id": "B0COUNTER1", "bot_user_id": "U0COUNTER1", "scopes": allowed}},
		"signing_secret": testSigningSecret,
	}})
}

func startEmulate(t *testing.T) *emulator {
	t.Helper()
	node, index := npm(t, "emulate/dist/index.js")
	names := []string{"maya", "jonas", "sofia", "priya", "kenji", "frida"}
	seed, err := emulateSeed(names)
	mustSay(t, err)
	file := filepath.Join(t.TempDir(), "seed.yaml")
	mustSay(t, os.WriteFile(file, seed, 0o600))
	address, err := freeAddress()
	mustSay(t, err)
	_, port, _ := strings.Cut(address, ":")
	e := &emulator{t: t, api: "http://" + address + "/api/", ids: map[string]string{}}
	cmd := exec.Command(node, index, "start", "--service", "slack", "--port", port, "--seed", file)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	mustSay(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("the emulator said:\n%s\nthe bot asked:\n%s", log.String(), strings.Join(e.bodies, "\n"))
		}
	})
	to, err := url.Parse("http://" + address)
	mustSay(t, err)
	proxy := httputil.NewSingleHostReverseProxy(to)
	e.front = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			e.mu.Lock()
			e.bodies = append(e.bodies, strings.TrimPrefix(r.URL.Path, "/api/")+" "+string(body))
			e.mu.Unlock()
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(e.front.Close)
	e.waitUp(names)
	return e
}

// waitUp waits until the emulator answers, learns the ids of its users and lets the bot into its channels.
func (e *emulator) waitUp(names []string) {
	e.t.Helper()
	var users struct {
		Members []struct{ ID, Name string }
	}
	_, err := until(e.t.Context(), "the emulator's users", func() (bool, bool) {
		users.Members = nil
		return true, e.call("users.list", nil, &users) == nil && len(users.Members) >= len(names)
	})
	mustSay(e.t, err)
	for _, u := range users.Members {
		e.ids[u.Name] = u.ID
	}
	var channels struct {
		Channels []struct{ ID, Name string }
	}
	mustSay(e.t, e.call("conversations.list", nil, &channels))
	for _, c := range channels.Channels {
		e.ids["#"+c.Name] = c.ID
		mustSay(e.t, e.call("conversations.join", url.Values{"channel": {c.ID}}, nil))
	}
}

func (e *emulator) call(method string, form url.Values, out any) error {
	req, err := http.NewRequestWithContext(e.t.Context(), http.MethodPost, e.api+method, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Authorization", "Bearer "+emulateToken)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if !bytes.Contains(b, []byte(`"ok":true`)) {
		return fmt.Errorf("%s: %s", method, b)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(b, out)
}

// asked gives the bodies of what the bot asked of a method.
func (e *emulator) asked(method string) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []string
	for _, b := range e.bodies {
		if body, ok := strings.CutPrefix(b, method+" "); ok {
			out = append(out, body)
		}
	}
	return out
}

// send posts a signed body as Slack does.
func (e *emulator) send(path string, form url.Values) {
	e.t.Helper()
	body := form.Encode()
	stamp := strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, []byte(testSigningSecret))
	mac.Write([]byte("v0:" + stamp + ":" + body))
	req, err := http.NewRequestWithContext(e.t.Context(), http.MethodPost, e.w.child.url()+path, strings.NewReader(body))
	mustSay(e.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("X-Slack-Request-Timestamp", stamp)
	req.Header.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
	res, err := http.DefaultClient.Do(req)
	mustSay(e.t, err)
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		e.t.Errorf("%s answered %s", path, res.Status)
	}
}

func (e *emulator) interact(payload map[string]any) {
	e.t.Helper()
	b, err := json.Marshal(payload)
	mustSay(e.t, err)
	e.send("/slack/interactions", url.Values{"payload": {string(b)}})
}

func (e *emulator) trigger(user string) string {
	e.t.Helper()
	var got struct {
		Trigger string `json:"trigger_id"`
	}
	mustSay(e.t, e.call("views.generateTriggerId", url.Values{"user_id": {e.ids[user]}}, &got))
	return got.Trigger
}

func (e *emulator) team() map[string]any {
	return map[string]any{"id": "T000000001", "domain": "northwind"}
}

// message waits for a message with these words in a channel.
func (e *emulator) message(channel string, words ...string) map[string]any {
	e.t.Helper()
	m, err := until(e.t.Context(), fmt.Sprintf("a message in %s with %q", channel, words), func() (map[string]any, bool) {
		var got struct{ Messages []map[string]any }
		if err := e.call("conversations.history", url.Values{"channel": {channel}, "limit": {"50"}}, &got); err != nil {
			return nil, false
		}
		for _, m := range got.Messages {
			if b, err := json.Marshal(m); err == nil && containsAll(string(b), words) {
				return m, true
			}
		}
		return nil, false
	})
	mustSay(e.t, err)
	return m
}

// element finds the value of the first element with an action id in blocks.
func element(v any, action string) (value string, ok bool) {
	switch x := v.(type) {
	case []any:
		for _, e := range x {
			if value, ok := element(e, action); ok {
				return value, true
			}
		}
	case map[string]any:
		if x["action_id"] == action {
			value, _ := x["value"].(string)
			return value, true
		}
		for _, e := range x {
			if value, ok := element(e, action); ok {
				return value, true
			}
		}
	}
	return "", false
}

// The whole road on a Slack that nobody here wrote, over signed HTTP: the form opens by a real trigger, the card stands in the channel, the
// approval updates it in place, the holder is told in a direct message how to log in, and the log-in works.
func TestOnAnEmulatorNobodyHereWrote(t *testing.T) {
	t.Parallel()
	e := startEmulate(t)
	address, err := freeAddress()
	mustSay(t, err)
	e.w = newWorld(t, worldOptions{company: func(dir string) {
		file := filepath.Join(dir, "people.yaml")
		b, err := os.ReadFile(file)
		mustSay(t, err)
		text := string(b)
		for name, id := range e.ids {
			text = strings.ReplaceAll(text, "slack: U0"+strings.ToUpper(name)+"01", "slack: "+id)
			text = strings.ReplaceAll(text, "slack: U0"+strings.ToUpper(name)+"001", "slack: "+id)
		}
		mustSay(t, os.WriteFile(file, []byte(text), 0o600))
	}})
	e.w.child.listen = address
	e.w.start(prefix+"_LISTEN="+address, prefix+"_SLACK_APP_TOKEN=", prefix+"_SLACK_SIGNING_SECRET="+testSigningSecret,
		prefix+"_SLACK_API_URL="+e.front.URL+"/api/", prefix+"_SLACK_BOT_TOKEN="+emulateToken)

	for _, r := range e.w.entries("") {
		t.Log(r)
	}
	e.send("/slack/commands", url.Values{
		"team_id": {"T000000001"}, "user_id": {e.ids["maya"]}, "command": {"/access"}, "text": {"request quick"}, "api_app_id": {"A000000001"},
		"trigger_id": {e.trigger("maya")}, "channel_id": {e.ids["#access"]}, "response_url": {e.front.URL + "/hook"},
	})
	view := e.form()
	state := map[string]any{}
	for block, value := range map[string]string{
		screens.BlockDuration: "1h", screens.BlockReason: "On another Slack.", screens.FieldBlock + "key": e.w.people["maya"].public(),
	} {
		state[block] = map[string]any{screens.InputValue: map[string]any{"type": "plain_text_input", "value": value}}
	}
	state[screens.BlockEntitlement] = map[string]any{screens.InputValue: map[string]any{"type": "static_select", "selected_option": map[string]any{"value": "0", "text": map[string]any{"type": "plain_text", "text": "x"}}}}
	view["state"] = map[string]any{"values": state}
	view["id"], view["hash"], view["app_id"], view["team_id"] = "V0TEST", "1.a", "A000000001", "T000000001"
	e.interact(map[string]any{
		"type": "view_submission", "team": e.team(), "user": map[string]any{"id": e.ids["maya"], "team_id": "T000000001"}, "api_app_id": "A000000001",
		"view": view, "trigger_id": e.trigger("maya"),
	})

	card := e.message(e.ids["#access"], "asks for", "On another Slack.")
	value, ok := element(card["blocks"], screens.ActApprove)
	if !ok {
		t.Fatalf("no button to approve in %v", card)
	}
	e.interact(map[string]any{
		"type": "block_actions", "team": e.team(), "user": map[string]any{"id": e.ids["jonas"], "team_id": "T000000001"}, "api_app_id": "A000000001",
		"channel": map[string]any{"id": e.ids["#access"]}, "message": map[string]any{"ts": card["ts"]}, "container": map[string]any{"type": "message", "message_ts": card["ts"], "channel_id": e.ids["#access"]},
		"trigger_id": e.trigger("jonas"), "response_url": e.front.URL + "/hook",
		"actions": []any{map[string]any{"type": "button", "action_id": screens.ActApprove, "block_id": "buttons", "value": value, "action_ts": "1.2"}},
	})
	if m := e.message(e.ids["#access"], "Access is on", "On another Slack."); m["ts"] != card["ts"] {
		t.Errorf("the card was posted again instead of changed: %v", m["ts"])
	}
	var dm struct{ Channel struct{ ID string } }
	mustSay(t, e.call("conversations.open", url.Values{"users": {e.ids["maya"]}}, &dm))
	ready := e.message(dm.Channel.ID, "Ready: ", "ssh-ed25519-cert-v01@openssh.com")
	text, err := json.Marshal(ready)
	mustSay(t, err)
	_, rest, _ := strings.Cut(string(text), "```\\n")
	cert, _, _ := strings.Cut(rest, "\\n```")
	if !e.w.letIn("maya", cert) {
		t.Errorf("the certificate does not let her in: %.60q", cert)
	}
	e.w.verify()
}

// form waits for the form that the bot opened and gives it as Slack would send it back.
func (e *emulator) form() map[string]any {
	e.t.Helper()
	view, err := until(e.t.Context(), "the form", func() (map[string]any, bool) {
		for _, body := range e.asked("views.open") {
			var call struct {
				View map[string]any `json:"view"`
			}
			if json.Unmarshal([]byte(body), &call) == nil && call.View["callback_id"] == screens.CallForm {
				return call.View, true
			}
		}
		return nil, false
	})
	mustSay(e.t, err)
	return view
}
