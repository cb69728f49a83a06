package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// maxSkew is how far this machine's clock may be off: Slack's signatures are good for five minutes, and times on cards are compared by people.
const maxSkew = 30 * time.Second

// skew compares this machine's clock with Slack's.
func (d *doctor) skew(me slack.Identity) {
	at, err := http.ParseTime(me.Date)
	if err != nil {
		return // Slack did not say
	}
	off := time.Since(at).Round(time.Second)
	d.say(off.Abs() <= maxSkew, fmt.Sprintf("clock: %v from Slack's", off.Abs()), "let this machine follow a time server (chrony, systemd-timesyncd): deadlines and signatures depend on it")
}

// sockets opens one connection and says how many the app has: a bot that runs holds two, and more than it holds are ghosts that swallow clicks.
func (d *doctor) sockets(ctx context.Context, me slack.Identity) {
	if d.cfg.SlackApp == "" {
		d.say(true, "Slack: HTTP mode, no socket is opened; Slack must reach "+d.cfg.publicURL()+"/slack", "")
		return
	}
	g, err := slack.Probe(ctx, d.cfg.SlackApp, d.cfg.SlackAPI, d.cfg.SlackAPI != "")
	if err != nil {
		d.say(false, "Slack: no socket: "+runbooks.Redact(err.Error(), 300), "check the app-level token (connections:write) and that wss to slack.com is let out")
		return
	}
	if g.App != "" && me.AppID != "" && g.App != me.AppID {
		d.say(false, "Slack: the app-level token belongs to app "+g.App+", the bot token to "+me.AppID, "make both tokens in the same app")
		return
	}
	d.say(g.Connections <= 3, fmt.Sprintf("Slack: a socket opens; the app has %d connections, this one included", g.Connections),
		"a running bot holds two. More are another bot with the same app, or ghosts that swallow clicks: stop what else runs, then wait or make a new app-level token")
}

// groups asks for user groups, if a chain or group of the files names one: they are a matter of Slack's plan.
func (d *doctor) groups(ctx context.Context, sender *slack.Sender, c spec.Policies, known bool) {
	var wanted []string
	if known {
		for _, w := range c.Workflows {
			for _, s := range w.Workflow.Stages {
				wanted = append(wanted, s.Approvers.ChatGroups...)
			}
			wanted = append(wanted, w.Workflow.Ask.ChatGroups...)
		}
	}
	if len(wanted) == 0 {
		return
	}
	slices.Sort(wanted)
	wanted = slices.Compact(wanted)
	have, err := sender.GroupMembers(ctx)
	var no *slack.Permanent
	switch {
	case errors.As(err, &no) && no.Code == "plan_upgrade_required":
		d.say(false, "Slack: this plan has no user groups, and your files name "+strings.Join(wanted, ", "), "name people, groups of people.yaml or a channel instead")
		return
	case err != nil:
		d.say(false, "Slack: user groups cannot be asked: "+runbooks.Redact(err.Error(), 300), "add the scope usergroups:read")
		return
	}
	for _, g := range wanted {
		n, ok := have[g]
		d.say(ok && len(n) > 0, fmt.Sprintf("user group %s: %d members", g, len(n)), "make it in Slack, or correct its handle in your files: as it is it yields nobody, and what it decides is refused")
	}
}
