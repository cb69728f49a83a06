package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/bot/slack/slacksim"
)

// rotatingSlack is a workspace whose app has token rotation, and the settings of a bot that was just installed there.
func rotatingSlack(t *testing.T) (*slacksim.Workspace, Config) {
	t.Helper()
	cfg := slacksim.Sample()
	cfg.App.ClientID, cfg.App.ClientSecret, cfg.App.RefreshToken = "1.2", "canary-secret", "xoxe-1-first"
	sim, err := slacksim.New(cfg)
	mustSay(t, err)
	srv := httptest.NewServer(sim.Handler())
	t.Cleanup(func() { sim.Close(); srv.CloseClientConnections(); srv.Close() })
	data := t.TempDir()
	keys, err := openKeys(filepath.Join(data, "keys"))
	mustSay(t, err)
	_, err = keys.lateSeed(keySealing, false) // as a start makes it
	mustSay(t, err)
	return sim, Config{Data: data, SlackRefresh: "xoxe-1-first", SlackClient: "1.2", SlackClientKey: "canary-secret", SlackApp: sim.App().AppToken, SlackAPI: srv.URL + "/api/"}
}

func tokensOf(c Config) (slack.Tokens, error) {
	t, _, err := c.readTokens()
	return t, err
}

// started is what a start of the bot does about its token, and its log.
func started(t *testing.T, c Config) (*slack.Sender, *slack.Rotation, string) {
	t.Helper()
	var log bytes.Buffer
	sender, rotation, err := openSlack(t.Context(), c, nil, slog.New(slog.NewTextHandler(&log, nil)))
	mustSay(t, err)
	return sender, rotation, log.String()
}

func doctorsToken(t *testing.T, c Config) (string, int) {
	t.Helper()
	var out bytes.Buffer
	d := &doctor{p: proc{out: &out, err: &out}, cfg: c}
	d.rotation()
	return out.String(), d.bad
}

// TestSlackTokensRotate: a start without any bot token exchanges the refresh token; the next start goes on with what is stored and asks nothing; one
// that died while it asked says so; and doctor and the sender of other commands never use the refresh token up.
func TestSlackTokensRotate(t *testing.T) {
	t.Parallel()
	sim, c := rotatingSlack(t)
	if out, bad := doctorsToken(t, c); bad != 0 || !strings.Contains(out, "exchanged at the bot's first start") {
		t.Errorf("before the first start: %s", out)
	}
	sender, rotation, _ := started(t, c)
	if _, err := sender.AuthTest(t.Context()); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(c.tokenFile())
	mustSay(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the tokens lie there with mode %o", info.Mode().Perm())
	}
	refresh := sim.App().RefreshToken
	beside, err := readSlack(c)
	mustSay(t, err)
	if _, err := beside.AuthTest(t.Context()); err != nil {
		t.Errorf("a command beside the bot: %v", err)
	}
	if out, bad := doctorsToken(t, c); bad != 0 || !strings.Contains(out, "Slack token: ends "+rotation.Status().Until.Format("2006-01-02 15:04 UTC")) {
		t.Errorf("doctor: %s", out)
	}
	if _, again, _ := started(t, c); again.Token() != rotation.Token() || sim.App().RefreshToken != refresh {
		t.Error("a second start exchanged a token that is good for hours")
	}

	stored, err := tokensOf(c)
	mustSay(t, err)
	used := stored
	used.Refresh, used.Asked, used.Until = "xoxe-1-first", time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	mustSay(t, c.writeTokens(used))
	if out, bad := doctorsToken(t, c); bad != 1 || !strings.Contains(out, "never ended") {
		t.Errorf("doctor about a crash: %s", out)
	}
	sender, rotation, log := started(t, c)
	if !strings.Contains(log, "stopped while it exchanged") || !strings.Contains(log, "invalid_refresh_token") || strings.Contains(log, "xoxe-") || strings.Contains(log, "canary") {
		t.Errorf("the log: %s", log)
	}
	if _, err := sender.AuthTest(t.Context()); err != nil {
		t.Errorf("the token in use is still good: %v", err)
	}
	if ok, say := tokenHealth(rotation.Status(), time.Now()); ok || !strings.Contains(say.String(), "install the app again") {
		t.Errorf("health: %v %s", ok, say)
	}
	c.SlackRefresh = refresh // as a new installation gives one
	if _, rotation, _ = started(t, c); rotation.Status().Lost || rotation.Status().Until.IsZero() {
		t.Error("a new refresh token is not taken")
	}
	if ok, say := tokenHealth(rotation.Status(), time.Now()); !ok || !strings.Contains(say.String(), "it is exchanged from ") {
		t.Errorf("health: %v %s", ok, say)
	}
	stored, err = tokensOf(c)
	mustSay(t, err)
	stored.Until = time.Now().Add(-time.Minute)
	mustSay(t, c.writeTokens(stored))
	if out, bad := doctorsToken(t, c); bad != 1 || !strings.Contains(out, "NOT OK  Slack token: it ended ") {
		t.Errorf("doctor about an end: %s", out)
	}
}

// TestSlackTokenFileIsGuarded: a file that others can read or that is damaged stops the start, without a word of what it holds.
func TestSlackTokenFileIsGuarded(t *testing.T) {
	t.Parallel()
	_, c := rotatingSlack(t)
	for name, spoil := range map[string]func() error{
		"read by others": func() error {
			return os.WriteFile(c.tokenFile(), []byte(`{}`), 0o600)
		},
		"damaged": func() error { return os.WriteFile(c.tokenFile(), []byte(`{"access":"xoxe.xoxb-1-canary`), 0o600) },
	} {
		mustSay(t, spoil())
		mode := os.FileMode(0o600)
		if name == "read by others" {
			mode = 0o644
		}
		mustSay(t, os.Chmod(c.tokenFile(), mode))
		_, _, err := openSlack(context.Background(), c, nil, slog.New(slog.DiscardHandler))
		if err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSlackTokensAreSealed: what lies on the disk tells nobody a token, opens with this key and in this place only, and what an earlier version left
// open is sealed at the next start. A lost or another key is said in clear words, and nothing is overwritten: with the key put back all is well.
func TestSlackTokensAreSealed(t *testing.T) {
	t.Parallel()
	sim, c := rotatingSlack(t)
	_, rotation, _ := started(t, c)
	file := func() string {
		b, err := os.ReadFile(c.tokenFile())
		mustSay(t, err)
		return string(b)
	}
	canary := func(text string) bool {
		return strings.Contains(text, "xoxe") || strings.Contains(text, "xoxb") || strings.Contains(text, sim.App().RefreshToken)
	}
	sealed := file()
	if canary(sealed) || !strings.HasPrefix(sealed, tokensSealed) {
		t.Errorf("the file holds %.60q", sealed)
	}
	stored, err := tokensOf(c)
	mustSay(t, err)
	if stored.Access != rotation.Token() || stored.Refresh != sim.App().RefreshToken {
		t.Error("the file does not open to what Slack gave")
	}

	plain, err := json.Marshal(stored)
	mustSay(t, err)
	mustSay(t, os.WriteFile(c.tokenFile(), plain, 0o600))
	_, again, log := started(t, c)
	if again.Token() != stored.Access || !strings.Contains(log, "are sealed now") || canary(file()) || canary(log) {
		t.Errorf("a file of an earlier version: %s", log)
	}

	key := filepath.Join(c.keysDir(), keySealing)
	sealed = file()
	mustSay(t, os.Rename(key, key+".away"))
	refused := func(name string, words ...string) {
		t.Helper()
		_, _, err := openSlack(t.Context(), c, nil, slog.New(slog.DiscardHandler))
		_, beside := readSlack(c)
		if err == nil || beside == nil || canary(err.Error()) || file() != sealed {
			t.Fatalf("%s: %v, %v; the file was changed: %v", name, err, beside, file() != sealed)
		}
		var h hinted
		if !errors.As(err, &h) {
			t.Fatalf("%s: nothing says what to do: %v", name, err)
		}
		says := h.Error() + ": " + h.hint
		for _, w := range append(words, "install the app again", "remove the file") {
			if !strings.Contains(says, w) {
				t.Errorf("%s: %q is not in %q", name, w, says)
			}
		}
		if out, bad := doctorsToken(t, c); bad != 1 || !strings.Contains(out, "NOT OK") {
			t.Errorf("%s: doctor says %s", name, out)
		}
	}
	refused("a lost key", "is sealed, and the key that opens it", "is missing", "put the key back")
	keys, err := openKeys(c.keysDir())
	mustSay(t, err)
	_, err = keys.lateSeed(keySealing, false)
	mustSay(t, err)
	refused("another key", "sealed with another key", "put the former key back")
	mustSay(t, os.Rename(key+".away", key))
	if _, back, _ := started(t, c); back.Token() != stored.Access {
		t.Error("with the key put back the tokens are not read")
	}
	mustSay(t, os.WriteFile(c.tokenFile(), []byte(sealed[:len(sealed)-9]+"\n"), 0o600))
	sealed = file()
	refused("a file cut short")
}

// TestSlackTokensFollowTheirKey: a start that replaces the sealing key seals the tokens anew before the old key goes, so that a crash between leaves
// a file that opens.
func TestSlackTokensFollowTheirKey(t *testing.T) {
	t.Parallel()
	_, c := rotatingSlack(t)
	_, rotation, _ := started(t, c)
	keys, err := openKeys(c.keysDir())
	mustSay(t, err)
	_, err = keys.lateSeed(keySealing+suffixNext, false)
	mustSay(t, err)
	for range 2 { // a start that died after it had sealed them anew, and the next
		mustSay(t, c.resealTokens())
		if _, again, _ := started(t, c); again.Token() != rotation.Token() {
			t.Fatal("between the keys the tokens do not open")
		}
	}
	if taken, err := keys.promote(keySealing); err != nil || !taken {
		t.Fatal(taken, err)
	}
	if _, again, _ := started(t, c); again.Token() != rotation.Token() {
		t.Error("the new key does not open the tokens")
	}
	if keys.waiting(keySealing) {
		t.Error("the next key is still there")
	}
}

func TestSlackTokenSettings(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cfg  Config
		want string
	}{
		"nothing to exchange it with":   {Config{SlackRefresh: "xoxe-1-a"}, "SLACK_CLIENT_SECRET is needed"},
		"another kind of token":         {Config{SlackRefresh: "xoxb-1"}, "does not start with xoxe-"},
		"a token that ends, and no way": {Config{SlackBot: "xoxe.xoxb-1"}, "ends after twelve hours"},
	} {
		if err := c.cfg.checkServe(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	full := Config{SlackRefresh: "xoxe-1-a", SlackBot: "xoxe.xoxb-1-b", SlackClient: "1.2", SlackClientKey: "s"}
	if err := full.checkServe(); err != nil && strings.Contains(err.Error(), "_SLACK_BOT") {
		t.Errorf("complete settings: %v", err)
	}
}

// cutExchange lets one exchange of a token reach Slack and kills whoever asked before the answer arrives.
type cutExchange struct {
	armed atomic.Bool
	kill  func()
	done  chan struct{}
}

func (c *cutExchange) front(slack http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/oauth.v2.access") || !c.armed.CompareAndSwap(true, false) {
			slack.ServeHTTP(rw, r)
			return
		}
		slack.ServeHTTP(httptest.NewRecorder(), r)
		c.kill()
		close(c.done)
		panic(http.ErrAbortHandler)
	})
}

// TestSlackTokensRotateWhileServing: a whole bot whose token ends while it runs, earlier than its own clock says: the first call that hears of it
// exchanges it and everybody is told as ever. Killed between Slack's answer and the disk, the next bot says in its health what to do, and with the
// refresh token of a new installation it goes on. No token is in a log.
func TestSlackTokensRotateWhileServing(t *testing.T) {
	t.Parallel()
	cut := &cutExchange{done: make(chan struct{})}
	w := newWorld(t, worldOptions{
		slack: func(c *slacksim.Config) {
			c.App.ClientID, c.App.ClientSecret, c.App.RefreshToken = "1.2", "canary-secret", "xoxe-1-first"
		},
		front: cut.front,
	})
	cut.kill = func() { w.bot.kill() }
	env := []string{prefix + "_SLACK_BOT_TOKEN=", prefix + "_SLACK_REFRESH_TOKEN=xoxe-1-first", prefix + "_SLACK_CLIENT_ID=1.2", prefix + "_SLACK_CLIENT_SECRET=canary-secret"}
	w.start(env...)
	w.ask("maya", "quick", "1h", "Before the token ends.")
	w.toldTimes("jonas", 1, "Approve?", "Before the token ends.")
	w.later(13 * time.Hour)
	w.ask("maya", "quick", "1h", "After the token ended.")
	w.toldTimes("jonas", 1, "Approve?", "After the token ended.")
	if n := len(w.slack.Calls("oauth.v2.access")); n != 2 {
		t.Errorf("%d exchanges, want one at the start and one when the token had ended", n)
	}
	if body, code := w.get("/readyz"); code != http.StatusOK {
		t.Errorf("after the exchange /readyz says %d %s", code, body)
	}

	cut.armed.Store(true)
	w.check(w.advance(t.Context(), 13*time.Hour))
	w.slack.OpenHome(t.Context(), w.slackID("maya")) // whoever comes first hears that the token has ended
	select {
	case <-cut.done:
	case <-time.After(2 * time.Minute):
		t.Fatal("nothing exchanged the token")
	}
	w.bot = w.spawn(nil, env...)
	_, err := until(t.Context(), "a health that says what to do", func() (string, bool) {
		body, _ := w.get("/readyz")
		return body, strings.Contains(body, "install the app again")
	})
	w.check(err)
	w.bot.kill()

	env[1] = prefix + "_SLACK_REFRESH_TOKEN=" + w.slack.App().RefreshToken // as a new installation gives one
	w.start(env...)
	w.ask("maya", "quick", "1h", "After a new installation.")
	w.toldTimes("jonas", 1, "Approve?", "After a new installation.")
	if log := w.log(); strings.Contains(log, "xoxe-1") || strings.Contains(log, "xoxe.xoxb-1") || strings.Contains(log, "canary-secret") {
		t.Error("a token or a secret is in the log")
	}
	w.verify()
}
