package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

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
			answerPanel(w, say, err)
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

// answerPanel says what became of a press. A refusal is an answer, not a failure of the page: that a bastion lets nobody in is often what
// somebody wanted to see.
func answerPanel(w http.ResponseWriter, say string, err error) {
	answer := struct {
		OK  bool   `json:"ok"`
		Say string `json:"say"`
	}{err == nil, say}
	if err != nil {
		answer.Say = strings.TrimSpace(err.Error() + "\n" + say)
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(answer)
}

func (d *demo) panelState(w http.ResponseWriter, r *http.Request) {
	type person struct {
		Key    string `json:"key"`
		Name   string `json:"name"`
		Zone   string `json:"zone"`
		Public string `json:"public"`
	}
	state := struct {
		Now    time.Time `json:"now"`
		Ready  bool      `json:"ready"`
		People []person  `json:"people"`
	}{Now: d.clock.Now().Wall, Ready: d.child.isReady(r.Context())}
	for _, key := range demoOrder {
		p := d.people[key]
		state.People = append(state.People, person{key, p.name, p.zone, p.public()})
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
		return "", fmt.Errorf("%s has not been sent a certificate yet. Ask for access first: type /access", p.name)
	}
	out, err := d.host.login(user, p.ssh, line)
	if err != nil {
		return err.Error(), errors.New(d.whyNot(line, user))
	}
	return out, nil
}

// whyNot reads from the certificate what a host only says to its own log.
func (d *demo) whyNot(line, user string) string {
	pub, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil {
		return "That is not a certificate."
	}
	cert, ok := pub.(*ssh.Certificate)
	switch now := d.clock.Now().Wall; {
	case !ok:
		return "That is a key, not a certificate."
	case !slices.Contains(cert.ValidPrincipals, user):
		return fmt.Sprintf("The certificate is for %s, not for %s.", strings.Join(cert.ValidPrincipals, ", "), user)
	case now.Unix() >= int64(cert.ValidBefore):
		return "The certificate ended at " + time.Unix(int64(cert.ValidBefore), 0).UTC().Format("15:04 UTC on 2 January") + "."
	}
	return "The certificate was revoked: it is on the list that the bastion pulled."
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
