package bot

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"strings"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// homeOpened draws the page of whoever opened it, and keeps it as a surface, so that it is repainted when something of theirs moves.
func (b *Bot) homeOpened(ctx context.Context, in slack.Interaction) error {
	var e struct {
		Tab string `json:"tab"`
	}
	if err := json.Unmarshal(in.Event, &e); err != nil {
		return fmt.Errorf("reading app_home_opened: %w", err)
	}
	if e.Tab != "" && e.Tab != "home" || in.UserID == "" {
		return nil
	}
	who, err := b.c.Identity.Resolve(ctx, in)
	if err != nil {
		return err
	}
	b.pages.first(who.Person)
	view, err := b.home(ctx, who.Person)
	if err != nil {
		return err
	}
	if _, err := b.c.Slack.PublishHome(ctx, in.UserID, "", view); err != nil {
		return fmt.Errorf("publishing a Home page: %w", err)
	}
	_, err = b.c.Surfaces.Save(ctx, Surface{Stream: workflows.HomeSurface(who.Person), Home: true, Person: who.Person, Pace: "slack/home"}, 0)
	return err
}

// threadEvent is what somebody wrote below a message, as far as we read it.
type threadEvent struct {
	Subtype string `json:"subtype"`
	BotID   string `json:"bot_id"`
	Text    string `json:"text"`
	TS      string `json:"ts"`
	Thread  string `json:"thread_ts"`

	ChannelType string `json:"channel_type"`
}

// answersIn reads a message event; false for what is no answer of a person in a thread: a message of its own, one of a bot, one that was
// edited or deleted.
func answersIn(in slack.Interaction) (threadEvent, bool) {
	var e threadEvent
	if err := json.Unmarshal(in.Event, &e); err != nil {
		return e, false
	}
	return e, e.Subtype == "" && e.BotID == "" && e.Thread != "" && e.Thread != e.TS && in.UserID != "" && in.ChannelID != ""
}

// Wanted tells whether an event is of any use. Of what people write in channels only answers below our own cards are: the rest is not even
// stored.
func (b *Bot) Wanted(ctx context.Context, in slack.Interaction) bool {
	if in.Kind != slack.KindEvent+"message" {
		return true
	}
	e, ok := answersIn(in)
	if !ok {
		return false
	}
	if _, asks := isQuestion(in); asks {
		return true
	}
	f, found, err := b.c.Surfaces.At(ctx, in.ChannelID, e.Thread)
	return err == nil && found && f.Stream.Kind() == workflows.KindRequest
}

// threadAnswered keeps what somebody wrote below a card as a comment. It decides nothing, whatever it says (R2); who may not see the request
// is not heard.
func (b *Bot) threadAnswered(ctx context.Context, in slack.Interaction) error {
	e, ok := answersIn(in)
	if !ok || !b.Wanted(ctx, in) {
		return nil
	}
	if _, asks := isQuestion(in); asks {
		return b.assisted(ctx, in, e)
	}
	f, _, err := b.c.Surfaces.At(ctx, in.ChannelID, e.Thread)
	if err != nil {
		return err
	}
	if b.stranger(ctx, in) {
		return nil
	}
	by, err := b.c.Identity.Resolve(ctx, in)
	if err != nil {
		return err
	}
	text := cutRunes(strings.TrimSpace(html.UnescapeString(e.Text)), workflows.MaxReason)
	if text == "" {
		return nil
	}
	res, err := b.c.Desk.Comment(ctx, desk.Remark{
		Cause: (&call{Interaction: in}).cause(), By: by, Request: workflows.RequestID(f.Stream.Rest()), Text: text, Channel: viaSlack,
	})
	if err != nil || res.Refusal == nil || res.Refusal.Code != workflows.CodeCredential {
		return err
	}
	l := b.inUser(ctx, in.UserID)
	return b.tell(ctx, in, screens.Say(l.NotDone(res.Refusal)+"\n"+l.Of("Your message still stands in the channel: delete it there.")))
}

// userChanged forgets what was known of an account: the next decision asks again.
func (b *Bot) userChanged(ctx context.Context, in slack.Interaction) error {
	if in.UserID == "" {
		b.log.WarnContext(ctx, "a user changed, and Slack does not say who", "kind", in.Kind)
		return nil
	}
	b.c.Identity.Forget(in.UserID)
	p, err := b.c.Identity.Listed(ctx, in.UserID)
	if err != nil || p == "" {
		return err
	}
	b.spawn(func(ctx context.Context) {
		v, err := b.c.Desk.VerifyPerson(ctx, p)
		switch {
		case err != nil:
			b.log.ErrorContext(ctx, "access of somebody who changed could not be asked about; the next round does", "person", p, "err", err)
		case v.Ended > 0:
			b.log.WarnContext(ctx, "access ended because somebody behind it changed", "person", p, "ended", v.Ended)
		}
		b.departed(ctx, p)
	})
	return nil
}

func (b *Bot) groupsChanged(context.Context, slack.Interaction) error {
	b.c.Identity.ForgetGroups()
	return nil
}

// channelChanged forgets what was known of a channel; the next post or click there asks again.
func (b *Bot) channelChanged(ctx context.Context, in slack.Interaction) error {
	b.channels.drop(in.ChannelID)
	if in.ChannelID == "" {
		b.channels.clear()
	}
	info, err := b.channel(ctx, in.ChannelID)
	if err != nil {
		b.log.WarnContext(ctx, "a channel changed and cannot be asked about", "channel", in.ChannelID, "err", err)
		return nil
	}
	if shared(info) {
		b.log.WarnContext(ctx, "a channel is shared with another organisation: cards there decide nothing any more", "channel", in.ChannelID)
		return b.evict(ctx, in.ChannelID)
	}
	return nil
}

func (b *Bot) tokensRevoked(ctx context.Context, in slack.Interaction) error {
	b.log.ErrorContext(ctx, "Slack took our tokens away: nobody can be told and nobody can decide in Slack until the app is installed again", "event", in.Kind)
	if b.c.Uninstalled != nil {
		b.c.Uninstalled(strings.TrimPrefix(in.Kind, slack.KindEvent))
	}
	return nil
}

func (b *Bot) channel(ctx context.Context, id string) (slack.Conversation, error) {
	return b.channels.get(id, func() (slack.Conversation, error) { return b.c.Slack.ConversationInfo(ctx, id) })
}

// shared tells whether people of another organisation can see a channel. A channel shared within our own organisation is not.
func shared(c slack.Conversation) bool { return c.ExtShared || c.PendingExtShared }
