package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/countersign-bot/countersign/bot/slack"
)

// identityFile keeps what Slack said about us last: no secret, and no part of the ledger. With it a bot that comes up while Slack
// is away goes on with what does not need Slack, revoking above all; without it no payload could be told from a foreign one.
func (c Config) identityFile() string { return filepath.Join(c.Data, "slack.json") }

// Waiting for Slack to say who we are.
const (
	firstPatience  = 20 * time.Second // a bot that starts before the network does must not need a second start
	secondPatience = time.Second      // one that knows its name must not keep what is due waiting
	longestPause   = 30 * time.Second
)

// whoAmI asks Slack, and falls back on what it said last. asked is false when the answer is remembered and must still be checked.
func whoAmI(ctx context.Context, c Config, sender *slack.Sender, log *slog.Logger) (me slack.Identity, asked bool, err error) {
	known, remembered := readIdentity(c.identityFile())
	patience := firstPatience
	if remembered {
		patience = secondPatience
	}
	me, err = authTest(ctx, sender, log, patience)
	if err == nil {
		return me, true, writeIdentity(c.identityFile(), me)
	}
	if remembered && ctx.Err() == nil {
		log.Error("Slack does not say who we are; what does not need Slack goes on", "err", err)
		return known, false, nil
	}
	return me, false, hint(fmt.Errorf("asking Slack who we are: %w", err), "check %s_SLACK_BOT_TOKEN and the way to Slack", prefix)
}

// authTest tries for a while. An answer that the token is not good ends it at once.
func authTest(ctx context.Context, sender *slack.Sender, log *slog.Logger, patience time.Duration) (slack.Identity, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for wait := 200 * time.Millisecond; ; wait *= 2 {
		me, err := sender.AuthTest(ctx)
		var auth *slack.Auth
		if err == nil || errors.As(err, &auth) {
			return me, err
		}
		log.Warn("Slack does not answer yet", "err", err, "again_in", wait.String())
		select {
		case <-ctx.Done():
			return me, err
		case <-time.After(wait):
		}
	}
}

// confirmIdentity asks until Slack answers. Another installation than the remembered one ends the process: everything in it
// belongs to the other.
func (s *serving) confirmIdentity(ctx context.Context) error {
	for wait := time.Second; !s.confirmed; wait = min(2*wait, longestPause) {
		me, err := s.sender.AuthTest(ctx)
		switch {
		case err != nil:
			s.log.Warn("Slack still does not say who we are", "err", err)
		case me.Installation != s.install || me.UserID != s.botUser:
			if err := writeIdentity(s.cfg.identityFile(), me); err != nil {
				return err
			}
			return errors.New("the token belongs to another installation than at the last start")
		default:
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
	return nil
}

func readIdentity(file string) (slack.Identity, bool) {
	var me slack.Identity
	b, err := os.ReadFile(file)
	if err != nil || json.Unmarshal(b, &me) != nil {
		return slack.Identity{}, false // a file that cannot be read is as good as none: Slack is asked
	}
	return me, me.AppID != "" && me.UserID != "" && (me.TeamID != "" || me.OrgWide)
}

func writeIdentity(file string, me slack.Identity) error {
	b, err := json.Marshal(me)
	if err == nil {
		err = writeKey(file, string(b)+"\n")
	}
	if err != nil {
		return fmt.Errorf("remembering who we are in Slack: %w", err)
	}
	return nil
}
