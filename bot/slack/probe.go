package slack

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// Greeting is what a Socket Mode connection says of itself.
type Greeting struct {
	App         string // the app that the token belongs to
	Connections int    // open connections of the app, this one included
}

// Probe opens one Socket Mode connection, reads its greeting and closes it: whether the app-level token is good, and how many connections the app
// has. Slack may hand the moment's payloads to it; what it sends is not acknowledged, so that Slack sends events again. For a doctor, not for a
// bot that runs.
func Probe(ctx context.Context, appToken, apiURL string, allowLoopback bool) (Greeting, error) {
	base, err := apiBase(apiURL, allowLoopback)
	if err != nil {
		return Greeting{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, helloWait)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base.String()+"apps.connections.open", strings.NewReader(""))
	if err != nil {
		return Greeting{}, err
	}
	resp, err := guardedClient(fixed(appToken), nil, nil).Do(req)
	if err != nil {
		return Greeting{}, translate("apps.connections.open", err)
	}
	defer resp.Body.Close()
	var open struct {
		URL string `json:"url"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&open); err != nil {
		return Greeting{}, &Ambiguous{Method: "apps.connections.open", Err: err}
	}
	if err := checkSocketURL(open.URL, allowLoopback); err != nil {
		return Greeting{}, fmt.Errorf("opening a connection: %w", err)
	}
	dialer := websocket.Dialer{HandshakeTimeout: helloWait, Proxy: http.ProxyFromEnvironment}
	ws, answer, err := dialer.DialContext(ctx, open.URL, nil)
	if err != nil {
		return Greeting{}, fmt.Errorf("opening a connection: %w", bare(err))
	}
	defer ws.Close()
	defer answer.Body.Close()
	ws.SetReadLimit(maxFrame)
	_ = ws.SetReadDeadline(time.Now().Add(helloWait))
	for range 4 { // the greeting comes first, but nothing says that it must
		var hello struct {
			Type string `json:"type"`
			N    int    `json:"num_connections"`
			Info struct {
				App string `json:"app_id"`
			} `json:"connection_info"`
		}
		if err := ws.ReadJSON(&hello); err != nil {
			return Greeting{}, fmt.Errorf("reading the greeting: %w", bare(err))
		}
		if hello.Type == "hello" {
			return Greeting{App: hello.Info.App, Connections: hello.N}, nil
		}
	}
	return Greeting{}, fmt.Errorf("reading the greeting: none came")
}
