package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestThreat_T62_FloodsFromOutside sends a running bot what strangers can send it without end: requests that Slack never signed, signed ones of
// another workspace, tokens for the API that nobody made. Each is refused, the ledger and the log hardly grow, and a known person's refusal in the
// middle of it is an entry of its own.
func TestThreat_T62_FloodsFromOutside(t *testing.T) {
	t.Parallel()
	w := httpWorld(t)
	w.ask("maya", "quick", "1h", "Before the flood.")
	app, team := w.slack.App(), w.slack.Team().ID
	form := func(team, user, text string) url.Values {
		return url.Values{
			"team_id": {team}, "user_id": {user}, "command": {"/access"}, "text": {text}, "api_app_id": {app.ID}, "trigger_id": {"1.2." + text},
			"channel_id": {w.slack.ChannelID("access")}, "response_url": {"http://127.0.0.1:1/x"},
		}
	}
	written := func() int { // but for the messages of the request before the flood, which arrive when they do
		return len(w.records()) - len(w.entries("notice.delivered"))
	}
	before, logged := written(), len(w.log())
	const each = 400
	for i := range each {
		n := strings.Repeat("x", i%7) + time.Duration(i).String()
		if code := w.post(strings.Repeat("f", 32), 0, form(team, w.slackID("maya"), "withdraw "+n)); code != http.StatusUnauthorized {
			t.Fatalf("unsigned: %d", code)
		}
		if code := w.post(testSigningSecret, 0, form("T0ELSEWHERE", "U0ELSEWHERE", "withdraw "+n)); code != http.StatusOK {
			t.Fatalf("of another workspace: %d", code)
		}
		if code := w.session(n); code != http.StatusUnauthorized && code != http.StatusTooManyRequests {
			t.Fatalf("a made-up token: %d", code)
		}
	}
	const own = 5
	for i := range own {
		w.check(w.slack.Command(t.Context(), w.slackID("kenji"), "access", "/access", "withdraw r_"+strings.Repeat("0", 25)+string(rune('a'+i))).Err)
	}
	_, err := until(t.Context(), "the refusals of somebody known", func() (int, bool) {
		n := len(w.entries("command.refused"))
		return n, n >= own
	})
	w.check(err)
	if n := written() - before; n > own+4 { // the known person's refusals, an alarm of each kind, and what a minute brings by itself
		t.Errorf("%d attempts of strangers and %d of somebody known made %d entries", 3*each, own, n)
	}
	if n := len(w.log()) - logged; n > 16<<10 {
		t.Errorf("%d attempts wrote %d bytes of log", 3*each, n)
	}
	if body, code := w.get("/metrics"); code != http.StatusOK || !strings.Contains(body, "interactions_foreign_total 400") {
		t.Errorf("the metrics do not count them: %d", code)
	}
	w.verify()
}

// session asks the API for a session with a token that nobody made.
func (w *world) session(token string) int {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.child.url()+"/v1/session", http.NoBody)
	w.check(err)
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	w.check(err)
	res.Body.Close()
	return res.StatusCode
}
