package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/slack/slacksim"
)

const testSigningSecret = "0123456789abcdef0123456789abcdef"

// httpWorld is a world whose Slack sends signed requests to the bot, and whose bot has no app-level token.
func httpWorld(t *testing.T) *world {
	t.Helper()
	address, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, worldOptions{slack: func(c *slacksim.Config) {
		c.RequestURL, c.App.SigningSecret = "http://"+address+"/slack", testSigningSecret
	}})
	w.child.listen = address
	w.start(w.httpMode()...)
	return w
}

// httpMode are the settings of a bot without an app-level token.
func (w *world) httpMode() []string {
	return []string{prefix + "_LISTEN=" + w.child.listen, prefix + "_SLACK_APP_TOKEN=", prefix + "_SLACK_SIGNING_SECRET=" + testSigningSecret}
}

// The whole road in HTTP mode, without a socket: ask, approve, log in, give back.
func TestHTTPMode(t *testing.T) {
	t.Parallel()
	w := httpWorld(t)
	cert := w.grant("maya", "1h", "Over signed requests.")
	if !w.letIn("maya", cert) {
		t.Error("the certificate does not let her in")
	}
	w.check(w.story.command(t.Context(), "maya", "/access", "done"))
	w.dmTo("maya", "given back")
	res, err := http.Get(w.child.url() + "/readyz")
	w.check(err)
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("readyz: %s", res.Status)
	}
	w.verify()
}

// post sends a command to the bot as whoever knows the secret would.
func (w *world) post(secret string, age time.Duration, form url.Values) int {
	w.t.Helper()
	res, err := http.DefaultClient.Do(w.signed(secret, age, form))
	w.check(err)
	res.Body.Close()
	return res.StatusCode
}

// signed is such a request, not sent yet.
func (w *world) signed(secret string, age time.Duration, form url.Values) *http.Request {
	w.t.Helper()
	body := form.Encode()
	stamp := strconv.FormatInt(time.Now().Add(-age).Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("v0:" + stamp + ":" + body))
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.child.url()+"/slack/commands", strings.NewReader(body))
	w.check(err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("X-Slack-Request-Timestamp", stamp)
	req.Header.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
	return req
}

// TestThreat_T01_HTTPModeBelievesSignaturesOnly sends the whole product commands that Slack never signed, that are old, and one that is
// signed twice: only the last acts, and once.
func TestThreat_T01_HTTPModeBelievesSignaturesOnly(t *testing.T) {
	t.Parallel()
	w := httpWorld(t)
	app := w.slack.App()
	card := w.ask("maya", "quick", "1h", "To be withdrawn once.")
	id := field(t, card, "r_")
	form := url.Values{
		"team_id": {w.slack.Team().ID}, "user_id": {w.slackID("maya")}, "command": {"/access"}, "text": {"withdraw " + id},
		"api_app_id": {app.ID}, "trigger_id": {"1.2.abc"}, "channel_id": {w.slack.ChannelID("access")}, "response_url": {"http://127.0.0.1:1/x"},
	}
	for name, code := range map[string]int{
		"another secret": w.post(strings.Repeat("f", 32), 0, form),
		"no secret":      w.post("", 0, form),
		"ten minutes":    w.post(testSigningSecret, 10*time.Minute, form),
		"in the future":  w.post(testSigningSecret, -10*time.Minute, form),
	} {
		if code != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, code)
		}
	}
	if n := len(w.entries("request.withdrawn")); n != 0 {
		t.Fatalf("%d withdrawals by requests that nobody signed", n)
	}
	if code := w.post(testSigningSecret, 0, form); code != http.StatusOK {
		t.Fatalf("signed: %d", code)
	}
	_, err := until(t.Context(), "the withdrawal", func() (bool, bool) { return true, len(w.entries("request.withdrawn")) == 1 })
	w.check(err)
	if code := w.post(testSigningSecret, 0, form); code != http.StatusOK {
		t.Errorf("the same again: %d", code)
	}
	if n := len(w.entries("request.withdrawn")); n != 1 {
		t.Errorf("%d withdrawals", n)
	}
	w.verify()
}

// TestThreat_T03_AReplayAfterAKill sends a signed command again and again, with its signature in both cases, before and after the bot is
// killed with -9: the dedupe row is in the ledger's database, so that there is one effect.
func TestThreat_T03_AReplayAfterAKill(t *testing.T) {
	t.Parallel()
	w := httpWorld(t)
	id := field(t, w.ask("maya", "quick", "1h", "To be talked about once."), "r_")
	form := url.Values{
		"team_id": {w.slack.Team().ID}, "user_id": {w.slackID("maya")}, "command": {"/access"}, "text": {"comment " + id + " said once"},
		"api_app_id": {w.slack.App().ID}, "trigger_id": {"7.7.abc"}, "channel_id": {w.slack.ChannelID("access")}, "response_url": {"http://127.0.0.1:1/x"},
	}
	req := w.signed(testSigningSecret, 0, form)
	for round := range 2 {
		for i := range 20 {
			again := req.Clone(t.Context())
			again.Body, _ = req.GetBody()
			if sig := req.Header.Get("X-Slack-Signature"); i%2 == 1 {
				again.Header.Set("X-Slack-Signature", sig[:3]+strings.ToUpper(sig[3:]))
			}
			res, err := http.DefaultClient.Do(again)
			w.check(err)
			res.Body.Close()
			if res.StatusCode != http.StatusOK {
				t.Fatalf("round %d, sending %d: %s", round, i, res.Status)
			}
		}
		w.recorded("request.commented", 1)
		if round == 0 {
			w.bot.kill()
			w.start(w.httpMode()...)
		}
	}
	w.verify()
}

// field finds an id with this beginning in a message.
func field(t *testing.T, m slacksim.Message, beginning string) string {
	t.Helper()
	text := m.Visible()
	i := strings.Index(text, beginning)
	if i < 0 || len(text) < i+28 {
		t.Fatalf("no id %s… in %q", beginning, text)
	}
	return text[i : i+28]
}
