package bot

import (
	"context"
	"strings"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// aboutMessage is the shortcut in a message's menu: the request that comes of it links the message, and with it its thread.
func (b *Bot) aboutMessage(ctx context.Context, c *call) (answer, error) {
	c.about = c.ChannelID + "/" + c.MessageTS
	return b.openForm(ctx, c)
}

// linkOf is the address of the message that a form was opened on. The place travelled through the client and is only a claim; the address is
// Slack's own, so that a card never shows a link that somebody typed. Where Slack gives none, there is none.
func (b *Bot) linkOf(ctx context.Context, place string) string {
	channel, ts, ok := strings.Cut(place, "/")
	if !ok || channel == "" || ts == "" || len(place) > maxPlace {
		return ""
	}
	link, err := b.c.Slack.Permalink(ctx, slack.Posted{Channel: channel, TS: ts})
	if err != nil {
		b.log.InfoContext(ctx, "a message that a request is about cannot be linked", "err", err)
		return ""
	}
	return link
}

// cardLink is the address of a request's card in its channel; empty where none stands yet. Addresses do not change, so that they are kept.
func (b *Bot) cardLink(ctx context.Context, v desk.View) string {
	list, err := b.c.Surfaces.Of(ctx, v.Stream)
	if err != nil {
		return ""
	}
	for _, f := range list {
		if f.Person != "" || f.Home || f.TS == "" {
			continue
		}
		link, err := b.links.get(f.Channel+"/"+f.TS, func() (string, error) {
			return b.c.Slack.Permalink(ctx, slack.Posted{Channel: f.Channel, TS: f.TS})
		})
		if err == nil {
			return link
		}
	}
	return ""
}

// whoami is /access whoami: how an account is seen here.
func (b *Bot) whoami(ctx context.Context, c *call) (answer, error) {
	p, l := b.c.Desk.Policy(), b.inUser(ctx, c.UserID)
	person, listed := p.People[c.by.Person]
	lines := []string{"*" + l.Of("You here") + "*"}
	if !listed {
		lines = append(lines, "• "+l.Of("This account is not in the people file: you can ask for what anyone may ask for, and decide nothing. Ask the operator to add you, or `/access link` it to the account that is."))
		return say(strings.Join(lines, "\n")), nil
	}
	lines = append(lines, "• "+l.Say("%s, `%s` in the people file", b.person(ctx, c.by.Person).Mention(), person.Key))
	if s, err := b.c.Identity.Standing(ctx, c.by); err != nil {
		lines = append(lines, "• "+l.Of("Slack cannot be asked about your account now, so that you cannot decide until it can"))
	} else if no := s.Refusal(); no != nil {
		lines = append(lines, "• ⛔ "+l.Say("You cannot decide: %s", l.NotDone(no)))
	} else {
		lines = append(lines, "• ✅ "+l.Of("You can decide what you are asked"))
	}
	var roles []string
	for _, r := range sortedKeys(p.Roles) {
		if b.c.Desk.HasRole(ctx, r, c.by.Person) {
			roles = append(roles, r)
		}
	}
	if len(roles) > 0 {
		lines = append(lines, "• "+l.Say("Roles: %s", strings.Join(roles, ", ")))
	}
	if keys, err := b.c.Identity.accountsOf(ctx, c.by.Person); err == nil && len(keys) > 1 {
		var names []string
		for _, k := range keys {
			_, user, _ := strings.Cut(k, "/")
			names = append(names, "<@"+user+">")
		}
		lines = append(lines, "• "+l.Say("Your accounts: %s. They count as one person.", strings.Join(names, ", ")))
	}
	return say(strings.Join(lines, "\n")), nil
}

// health is /access health: how the bot is, for those in the people file.
func (b *Bot) health(ctx context.Context, c *call) (answer, error) {
	if _, listed := b.c.Desk.Policy().People[c.by.Person]; !listed {
		return refused(workflows.Refuse(workflows.CodeUnlinked, "This account is not linked to a person in the people file.", "Ask the operator to add you.")), nil
	}
	if b.c.Health == nil {
		return said("✅ The bot answers."), nil
	}
	l := b.inUser(ctx, c.UserID)
	lines := []string{"*" + l.Of("How the bot is") + "*"}
	for _, h := range b.c.Health(ctx) {
		mark := "✅ "
		if !h.OK {
			mark = "⚠️ " + l.Of("not in order") + ": "
		}
		lines = append(lines, mark+"*"+l.Sentence(h.Part)+"*: "+screens.Escape(l.Sentence(h.Say)))
	}
	return say(strings.Join(lines, "\n")), nil
}

// Condition is one part of how the bot is.
type Condition struct {
	Part screens.Sentence // "ledger", "slack", "jobs"
	OK   bool
	Say  screens.Sentence // one sentence of ours, without texts of people
}
