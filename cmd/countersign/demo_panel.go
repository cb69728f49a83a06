package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"time"

	"github.com/countersign-bot/countersign/bot/slack/slacksim"
)

// panel is the drawer beside the workspace: what stands outside Slack.
func (d *demo) panel() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /panel/{$}", func(w http.ResponseWriter, _ *http.Request) {
		b, err := demoFiles.ReadFile("demo/panel.html")
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Write(b)
	})
	mux.HandleFunc("GET /panel/state", func(w http.ResponseWriter, r *http.Request) { d.panelState(w, r) })
	act := func(path string, f func(context.Context, *http.Request) (string, error)) {
		mux.HandleFunc("POST /panel/"+path, func(w http.ResponseWriter, r *http.Request) {
			say, err := f(r.Context(), r)
			if err != nil {
				w.WriteHeader(http.StatusUnprocessableEntity)
				say += err.Error()
			}
			io.WriteString(w, say)
		})
	}
	act("advance", func(ctx context.Context, r *http.Request) (string, error) {
		by, err := time.ParseDuration(r.FormValue("by"))
		if err != nil {
			return "", err
		}
		return "", d.advance(ctx, by)
	})
	act("login", func(_ context.Context, r *http.Request) (string, error) {
		return d.loginAs(r.FormValue("who"), r.FormValue("user"))
	})
	act("verify", func(ctx context.Context, _ *http.Request) (string, error) { return d.ledger(ctx, "verify") })
	act("show", func(ctx context.Context, _ *http.Request) (string, error) {
		return d.ledger(ctx, "show", "-last", "20")
	})
	act("kill", func(ctx context.Context, _ *http.Request) (string, error) {
		return "The bot was killed and is back. Its ledger is whole, its promises are kept.", d.child.kill(ctx)
	})
	act("cut", func(context.Context, *http.Request) (string, error) {
		return fmt.Sprintf("%d sockets were cut. The bot connects again.", d.slack.CutConnections()), nil
	})
	act("limit", func(context.Context, *http.Request) (string, error) {
		d.slack.Inject(slacksim.Fault{Kind: slacksim.FaultRateLimit, Match: "chat.*", Count: 10, RetryAfter: 1})
		return "The next ten messages are answered with 429. The bot waits as told and loses none.", nil
	})
	return mux
}

func (d *demo) panelState(w http.ResponseWriter, r *http.Request) {
	type person struct {
		Key    string `json:"key"`
		Name   string `json:"name"`
		Public string `json:"public"`
	}
	state := struct {
		Now    time.Time `json:"now"`
		Ready  bool      `json:"ready"`
		People []person  `json:"people"`
	}{Now: d.clock.Now().Wall, Ready: d.child.isReady(r.Context())}
	for _, key := range demoOrder {
		p := d.people[key]
		state.People = append(state.People, person{key, p.name, p.public()})
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(state)
}

// loginAs logs in to the bastion with the newest certificate that the person was sent.
func (d *demo) loginAs(who, user string) (string, error) {
	p, ok := d.people[who]
	if !ok {
		return "", fmt.Errorf("there is no %q", who)
	}
	line, ok := d.certificate(who)
	if !ok {
		return "", fmt.Errorf("%s has not been sent a certificate", p.name)
	}
	return d.host.login(user, p.ssh, line)
}

// ledger runs the ledger command as an outsider would: another process, reading only.
func (d *demo) ledger(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, d.child.exe, append([]string{"ledger"}, args...)...)
	cmd.Env = d.child.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("countersign ledger %s: %w", args[0], err)
	}
	return string(out), nil
}
