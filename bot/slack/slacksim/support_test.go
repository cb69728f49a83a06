package slacksim_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/countersign-bot/countersign/bot/slack/slacksim"
)

type object = map[string]any

// fixture is a workspace behind a real server on loopback.
type fixture struct {
	*slacksim.Workspace
	url string
	t   *testing.T
}

func start(t *testing.T, change func(*slacksim.Config)) *fixture {
	t.Helper()
	cfg := slacksim.Sample()
	cfg.Seed = 7
	cfg.App.Events = []string{"app_home_opened"} // the others would come between what a test waits for
	if change != nil {
		change(&cfg)
	}
	w, err := slacksim.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(w.Handler())
	t.Cleanup(func() {
		w.Close()
		srv.CloseClientConnections()
		srv.Close()
	})
	return &fixture{Workspace: w, url: srv.URL, t: t}
}

// call is a Web API call with a form body and the bot token; args are name, value pairs.
func (f *fixture) call(method string, args ...string) object {
	f.t.Helper()
	_, o := f.callAs(f.App().BotToken, method, args...)
	return o
}

func (f *fixture) callAs(token, method string, args ...string) (*http.Response, object) {
	f.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(args); i += 2 {
		form.Set(args[i], args[i+1])
	}
	req, err := http.NewRequestWithContext(f.t.Context(), http.MethodPost, f.url+"/api/"+method, strings.NewReader(form.Encode()))
	if err != nil {
		f.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return f.do(req)
}

func (f *fixture) do(req *http.Request) (*http.Response, object) {
	f.t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var o object
	if err := json.NewDecoder(resp.Body).Decode(&o); err != nil {
		f.t.Fatalf("%s: answer is no JSON: %v", req.URL.Path, err)
	}
	return resp, o
}

// ok is call that must succeed.
func (f *fixture) ok(method string, args ...string) object {
	f.t.Helper()
	o := f.call(method, args...)
	if o["ok"] != true {
		f.t.Fatalf("%s(%v) = %v", method, args, o)
	}
	return o
}

// refused is call that must fail with the code.
func (f *fixture) refused(code, method string, args ...string) object {
	f.t.Helper()
	o := f.call(method, args...)
	if o["ok"] != false || o["error"] != code {
		f.t.Fatalf("%s(%v) = %v, want %s", method, args, o, code)
	}
	return o
}

// envelope is what the app under test receives.
type envelope struct {
	ID      string `json:"envelope_id"`
	Type    string `json:"type"`
	Accepts bool   `json:"accepts_response_payload"`
	Attempt int    `json:"retry_attempt"`
	Reason  string `json:"retry_reason"`
	Disco   string `json:"reason"`
	Conns   int    `json:"num_connections"`
	Payload object `json:"payload"`
	raw     []byte
	on      *app
}

func (e envelope) trigger() string { s, _ := e.Payload["trigger_id"].(string); return s }

func (e envelope) event() object { o, _ := e.Payload["event"].(object); return o }

// app is a minimal Socket Mode client, independent of the product's transport.
type app struct {
	ws    *websocket.Conn
	t     *testing.T
	in    chan envelope
	hello envelope
	mu    sync.Mutex
}

// connect opens one Socket Mode connection and reads hello. Every later frame goes to sink.
func (f *fixture) connect(sink chan envelope) *app {
	f.t.Helper()
	a, err := f.dial(sink)
	if err != nil {
		f.t.Fatal(err)
	}
	if a.hello.Type != "hello" {
		f.t.Fatalf("first frame: %s", a.hello.raw)
	}
	return a
}

func (f *fixture) dial(sink chan envelope) (*app, error) {
	_, o := f.callAs(f.App().AppToken, "apps.connections.open")
	if o["ok"] != true {
		f.t.Fatalf("apps.connections.open: %v", o)
	}
	address, _ := o["url"].(string)
	ws, resp, err := websocket.DefaultDialer.DialContext(f.t.Context(), address, http.Header{"Origin": {"https://api.slack.com"}})
	if err != nil {
		return nil, err
	}
	_ = resp.Body.Close()
	a := &app{ws: ws, t: f.t, in: sink}
	a.hello, err = a.read()
	if err != nil {
		return nil, err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			e, err := a.read()
			if err != nil {
				return
			}
			if sink != nil {
				sink <- e
			}
		}
	}()
	f.t.Cleanup(func() { _ = ws.Close(); <-done })
	return a, nil
}

func (a *app) read() (envelope, error) {
	_, data, err := a.ws.ReadMessage()
	if err != nil {
		return envelope{}, err
	}
	e := envelope{raw: data, on: a}
	err = json.Unmarshal(data, &e)
	return e, err
}

// ack acknowledges on the connection the envelope came on; payload nil is an empty acknowledgement.
func (e envelope) ack(payload any) { e.on.ackFor(e.ID, payload) }

func (a *app) ackFor(id string, payload any) {
	o := object{"envelope_id": id}
	if payload != nil {
		o["payload"] = payload
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.ws.WriteJSON(o); err != nil {
		a.t.Logf("acknowledging: %v", err)
	}
}

// serve connects and answers every envelope with what answer returns.
func (f *fixture) serve(answer func(envelope) any) *app {
	f.t.Helper()
	sink := make(chan envelope, 64)
	a := f.connect(sink)
	ctx, cancel := context.WithCancel(f.t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case e := <-sink:
				if e.ID != "" {
					e.ack(answer(e))
				}
			case <-ctx.Done():
				return
			}
		}
	})
	f.t.Cleanup(func() { cancel(); wg.Wait() })
	return a
}

// next waits for the next envelope.
func next(t *testing.T, sink chan envelope) envelope {
	t.Helper()
	select {
	case e := <-sink:
		return e
	case <-time.After(10 * time.Second):
		t.Fatal("no envelope came")
		return envelope{}
	}
}

// until waits for the workspace to satisfy ok.
func (f *fixture) until(ok func() bool) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), 10*time.Second)
	defer cancel()
	if err := f.Until(ctx, ok); err != nil {
		f.t.Fatal(err)
	}
}

// shared finds a file of the reference material beside the checkout, or skips.
func shared(t *testing.T, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		dir = filepath.Dir(dir)
	}
	p := filepath.Join(dir, "..", "shared", "slack", name)
	if _, err := os.Stat(p); err != nil {
		t.Skipf("the reference material %s is not on this machine", filepath.Base(p))
	}
	return p
}

func blocks(list ...object) string {
	data, _ := json.Marshal(list)
	return string(data)
}

func jsonText(v any) string {
	data, _ := json.Marshal(v)
	return string(data)
}

func plain(s string) object { return object{"type": "plain_text", "text": s} }

func mrk(s string) object { return object{"type": "mrkdwn", "text": s} }

func section(s string) object { return object{"type": "section", "text": mrk(s)} }

func button(id, label, value string) object {
	return object{"type": "button", "action_id": id, "text": plain(label), "value": value}
}

func actions(id string, elements ...any) object {
	return object{"type": "actions", "block_id": id, "elements": elements}
}

func inputBlock(id, action string, optional bool, element object) object {
	element["action_id"] = action
	return object{"type": "input", "block_id": id, "label": plain(id), "optional": optional, "element": element}
}

func modal(title string, list ...object) object {
	return object{
		"type": "modal", "callback_id": "form", "title": plain(title), "submit": plain("Send"), "close": plain("Cancel"), "blocks": list,
	}
}

// dialURL opens a bare connection that reports pings.
func (f *fixture) dialURL(address string, pings chan string) (*websocket.Conn, error) {
	ws, resp, err := websocket.DefaultDialer.DialContext(f.t.Context(), address, nil)
	if err != nil {
		return nil, err
	}
	_ = resp.Body.Close()
	ws.SetPingHandler(func(s string) error {
		select {
		case pings <- s:
		default:
		}
		return nil
	})
	go func() {
		for {
			if _, _, err := ws.ReadMessage(); err != nil {
				return
			}
		}
	}()
	return ws, nil
}
