package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/store/anchors"
	"github.com/countersign-bot/countersign/store/ledger"
)

// auditChannel is the channel that heads are posted to, as an anchor that can be asked: what the bot itself posted there, and the ledger's key
// signed, somebody who puts the host back does not reach. Whoever owns the bot's token can delete posts, so it finds accidents and
// snapshots; against an owner of the host a store or a witness is needed.
type auditChannel struct {
	cfg     Config
	channel string
	keys    note.Verifiers
}

const slackAskTimeout = 5 * time.Second // a start does not wait longer for Slack: not to be asked is an alarm, not a refusal

// Give implements anchors.Anchor; heads are posted by a job, which keeps to Slack's pace.
func (a *auditChannel) Give(context.Context, anchors.Ledger, anchors.Head) (anchors.Given, error) {
	return anchors.Given{}, errors.New("heads are posted by a job")
}

// Ask implements anchors.Anchor.
func (a *auditChannel) Ask(ctx context.Context, _ anchors.Ledger, h anchors.Head) ([]ledger.Anchor, error) {
	ctx, cancel := context.WithTimeout(ctx, slackAskTimeout)
	defer cancel()
	sender, err := readSlack(a.cfg)
	if err != nil {
		return nil, err
	}
	me, err := sender.AuthTest(ctx)
	if err != nil {
		return nil, err
	}
	id, err := slack.NewNames(sender).ChannelID(ctx, a.channel)
	if err != nil {
		return nil, fmt.Errorf("finding %s: %w", a.channel, err)
	}
	texts, err := sender.OwnTexts(ctx, id, me.UserID)
	if err != nil {
		return nil, err
	}
	return headsIn(texts, h.Origin, a.channel, a.keys), nil
}

// headsIn finds signed heads of the ledger in messages; what its keys have not signed is not one.
func headsIn(texts []string, origin, channel string, keys note.Verifiers) (out []ledger.Anchor) {
	for _, t := range texts {
		_, after, _ := strings.Cut(t, "```")
		msg, _, ok := strings.Cut(after, "```")
		if !ok {
			continue
		}
		msg = strings.TrimSuffix(strings.TrimPrefix(msg, "\n"), "\n") + "\n"
		if cp, err := ledger.OpenCheckpoint([]byte(msg), origin, keys); err == nil {
			out = append(out, ledger.Anchor{Size: cp.Size, Root: cp.Root, Note: msg, From: channel})
		}
	}
	return out
}
