package bot

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/workflows"
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

// userChanged forgets what was known of an account: the next decision asks again.
func (b *Bot) userChanged(ctx context.Context, in slack.Interaction) error {
	if in.UserID == "" {
		b.log.WarnContext(ctx, "a user changed, and Slack does not say who", "kind", in.Kind)
		return nil
	}
	b.c.Identity.Forget(in.UserID)
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
	}
	return nil
}

func (b *Bot) tokensRevoked(ctx context.Context, in slack.Interaction) error {
	b.log.ErrorContext(ctx, "Slack took our tokens away: nobody can be told and nobody can decide in Slack until the app is installed again", "event", in.Kind)
	return nil
}

func (b *Bot) channel(ctx context.Context, id string) (slack.Conversation, error) {
	return b.channels.get(id, func() (slack.Conversation, error) { return b.c.Slack.ConversationInfo(ctx, id) })
}

// shared tells whether people of another organisation can see a channel. A channel shared within our own organisation is not.
func shared(c slack.Conversation) bool { return c.ExtShared || c.PendingExtShared }
