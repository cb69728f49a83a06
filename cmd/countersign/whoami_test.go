package main

import (
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/countersign-bot/countersign/bot/slack/slacksim"
)

// A first start with a token that Slack does not take ends, and the next one, with the right token, goes on: the ledger that the first one left
// does not make it miss a key that nobody ever had. Once the bot was in a workspace, a key that is gone is missed.
func TestAFirstStartWithAWrongTokenIsRepaired(t *testing.T) {
	t.Parallel()
	sim, err := slacksim.New(slacksim.Sample())
	mustSay(t, err)
	srv := httptest.NewServer(sim.Handler())
	t.Cleanup(func() { sim.Close(); srv.CloseClientConnections(); srv.Close() })
	c := Config{Data: t.TempDir(), SlackApp: sim.App().AppToken, SlackAPI: srv.URL + "/api/", LedgerOrigin: "example.com/test"}
	begin := func(token string) (*serving, error) {
		keys, err := openKeys(c.keysDir())
		mustSay(t, err)
		_, err = keys.ledger(c.LedgerOrigin)
		mustSay(t, err)
		mustSay(t, os.WriteFile(filepath.Join(c.Data, "countersign.db"), nil, 0o600)) // as the store does
		c.SlackBot = token
		s := &serving{cfg: c, keys: keys, log: slog.New(slog.DiscardHandler)}
		return s, s.connectSlack(t.Context(), false)
	}
	if _, err := begin("xoxb-mistyped"); err == nil {
		t.Fatal("Slack took a token that it never gave")
	}
	s, err := begin(sim.App().BotToken)
	mustSay(t, err)
	_, err = s.keys.seed(keyButtons)
	mustSay(t, err)
	mustSay(t, os.Remove(filepath.Join(c.keysDir(), keyButtons)))
	s, err = begin(sim.App().BotToken)
	mustSay(t, err)
	if _, err := s.keys.seed(keyButtons); err == nil {
		t.Error("a key that buttons were marked with is gone, and a new one was made silently")
	}
}
