package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack"
)

// alarmSlackToken is raised when Slack refuses to exchange the refresh token: the bot is deaf to Slack when its token ends.
const alarmSlackToken = "slack.token"

// openSlack is the sender of a bot that runs, and the exchange of its token where tokens end. One that is due is exchanged now; when that fails the
// start goes on, since revoking needs no Slack.
func openSlack(ctx context.Context, c Config, lost func(error), log *slog.Logger) (*slack.Sender, *slack.Rotation, error) {
	opt := slack.SenderOptions{Token: c.SlackBot, APIURL: c.SlackAPI, AllowLoopback: c.SlackAPI != ""}
	if c.SlackRefresh == "" {
		sender, err := slack.NewSender(opt)
		return sender, nil, err
	}
	stored, plain, err := c.readTokens()
	if err != nil {
		return nil, nil, err
	}
	if plain {
		c.sealOld(stored, log)
	}
	if !stored.Asked.IsZero() && stored.Seed == slack.SeedOf(c.SlackRefresh) {
		log.Warn("the bot stopped while it exchanged the Slack token; the refresh token may be used up", "asked_at", stored.Asked)
	}
	opt.Rotation, err = slack.NewRotation(slack.RotationOptions{
		Refresh: c.SlackRefresh, ClientID: c.SlackClient, ClientSecret: c.SlackClientKey, Access: c.SlackBot, Stored: stored,
		Save: c.writeTokens, OnLost: lost,
		APIURL: c.SlackAPI, AllowLoopback: c.SlackAPI != "", Log: log,
	})
	if err != nil {
		return nil, nil, err
	}
	if opt.Rotation.Due() {
		if err := opt.Rotation.Refresh(ctx); err != nil {
			log.Error("the Slack token could not be exchanged at the start", "err", err)
		}
	}
	sender, err := slack.NewSender(opt)
	return sender, opt.Rotation, err
}

// sealOld seals what a version before this one left open. Where that fails, what lies there is still good, and the next exchange tries it again.
func (c Config) sealOld(t slack.Tokens, log *slog.Logger) {
	if err := c.writeTokens(t); err != nil {
		log.Error("the Slack tokens lie open in their file and could not be sealed", "file", c.tokenFile(), "err", err)
		return
	}
	log.Warn("the Slack tokens lay open in their file, as versions before this one wrote it, and are sealed now", "file", c.tokenFile())
}

// readSlack is a sender for a command beside the bot. It never exchanges a token: the bot would be left with one that is used up.
func readSlack(c Config) (*slack.Sender, error) {
	token := c.SlackBot
	if c.SlackRefresh != "" {
		t, _, err := c.readTokens()
		if err != nil {
			return nil, err
		}
		if t.Seed == slack.SeedOf(c.SlackRefresh) && t.Access != "" {
			token = t.Access
		}
	}
	return slack.NewSender(slack.SenderOptions{Token: token, APIURL: c.SlackAPI, AllowLoopback: c.SlackAPI != ""})
}

func installAgain() screens.Sentence {
	return screens.Sentencef("install the app again under OAuth & Permissions, set %s to the new refresh token and restart the bot", prefix+"_SLACK_REFRESH_TOKEN")
}

// tokenLost tells people. A refusal at the start comes before there is anybody who could tell it: run does it then.
func (s *serving) tokenLost(err error) {
	if s.desk == nil {
		return
	}
	words := screens.Sentencef("Slack refuses to give the bot a new token. Until an operator acts, the bot is silent here from %s on; expiry and revocation go on. What to do: %s.", s.rotationEnd(), installAgain())
	s.alarm(alarmSlackToken, err.Error(), words)
}

func (s *serving) rotationEnd() screens.Sentence {
	if s.rotation == nil || s.rotation.Status().Until.IsZero() {
		return screens.Sentencef("now")
	}
	return screens.Plain(s.rotation.Status().Until.UTC().Format("2006-01-02 15:04 UTC"))
}

// tokenHealth says when the bot's token ends and when it is exchanged. One that Slack refuses to exchange, or that has ended, is not in order.
func tokenHealth(st slack.RotationStatus, now time.Time) (bool, screens.Sentence) {
	ends := screens.Sentencef("it is not known when it ends")
	if !st.Until.IsZero() {
		ends = screens.Sentencef("it ends %s", st.Until.UTC().Format("2006-01-02 15:04 UTC"))
	}
	switch {
	case st.Lost:
		return false, screens.Sentencef("Slack refuses to exchange the refresh token; %s. What to do: %s", ends, installAgain())
	case !st.Until.IsZero() && !now.Before(st.Until):
		return false, screens.Sentencef("the token has ended and could not be exchanged yet; it is tried again")
	case st.Err != nil:
		return true, screens.Sentencef("the last exchange did not work and is tried again; %s", ends)
	case st.Until.IsZero():
		return true, screens.Sentencef("the first exchange is still to come")
	}
	return true, screens.Sentencef("%s, it is exchanged from %s on", ends, st.Next.UTC().Format("15:04 UTC"))
}

// rotation says how the token of an app with token rotation stands, and whether there is one to ask Slack with. Only the bot exchanges it.
func (d *doctor) rotation() bool {
	if d.cfg.SlackRefresh == "" {
		return true
	}
	t, _, err := d.cfg.readTokens()
	if err != nil {
		d.say(false, "Slack token: "+err.Error(), "")
		return false
	}
	now := time.Now()
	switch {
	case t.Seed != slack.SeedOf(d.cfg.SlackRefresh):
		d.say(true, "Slack token: the refresh token is exchanged at the bot's first start", "")
		return d.cfg.SlackBot != ""
	case !t.Until.IsZero() && !now.Before(t.Until):
		d.say(false, "Slack token: it ended "+t.Until.UTC().Format("2006-01-02 15:04 UTC"), "start the bot, which exchanges it; if its log says that Slack refuses, "+installAgain().String())
		return false
	case !t.Asked.IsZero() && now.Sub(t.Asked) > time.Minute:
		d.say(false, "Slack token: an exchange was begun "+t.Asked.UTC().Format("2006-01-02 15:04 UTC")+" and never ended, so the refresh token may be used up",
			"look at the log of the bot, or start it; if Slack refuses, "+installAgain().String())
	default:
		d.say(true, "Slack token: ends "+t.Until.UTC().Format("2006-01-02 15:04 UTC")+"; the running bot exchanges it two hours before", "")
	}
	return t.Access != ""
}
