package slacksim_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/countersign-bot/countersign/bot/slack/slacksim"
)

// BenchmarkClickAndAck is one click carried over a WebSocket and acknowledged: what the simulator itself costs a load test.
func BenchmarkClickAndAck(b *testing.B) {
	w, err := slacksim.New(slacksim.Sample())
	if err != nil {
		b.Fatal(err)
	}
	srv := httptest.NewServer(w.Handler())
	defer srv.Close()
	defer w.Close()
	call := func(token, method string, args object) object {
		req, _ := http.NewRequest(http.MethodPost, srv.URL+"/api/"+method, strings.NewReader(jsonText(args)))
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		var o object
		if err := json.NewDecoder(resp.Body).Decode(&o); err != nil || o["ok"] != true {
			b.Fatalf("%s: %v %v", method, o, err)
		}
		return o
	}
	if err := w.Join(w.App().BotUserID, "general"); err != nil {
		b.Fatal(err)
	}
	address, _ := call(w.App().AppToken, "apps.connections.open", nil)["url"].(string)
	ws, resp, err := websocket.DefaultDialer.Dial(address, nil)
	if err != nil {
		b.Fatal(err)
	}
	_ = resp.Body.Close()
	go func() {
		for {
			var e struct {
				ID string `json:"envelope_id"`
			}
			if ws.ReadJSON(&e) != nil {
				return
			}
			if e.ID != "" && ws.WriteJSON(object{"envelope_id": e.ID}) != nil {
				return
			}
		}
	}()
	defer func() { _ = ws.Close() }()
	posted := call(w.App().BotToken, "chat.postMessage", object{
		"channel": w.ChannelID("general"), "text": "x", "blocks": []any{section("*hi*"), actions("act", button("go", "Go", "1"))},
	})
	ts, _ := posted["ts"].(string)
	press := slacksim.Press{User: "ann", Channel: "general", TS: ts, ActionID: "go"}
	for b.Loop() {
		if d := w.Click(context.Background(), press); d.Err != nil {
			b.Fatal(d.Err)
		}
	}
}
