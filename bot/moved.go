package bot

import (
	"context"
	"errors"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/workflows"
)

// A card must not stand where people of another organisation can read it (T11). When a channel becomes shared, its cards are taken down there
// and go on in the security channel, or, where that is no better, in the direct messages alone.

// evict takes the cards of open requests out of a channel that became shared.
func (b *Bot) evict(ctx context.Context, channel string) error {
	open, err := b.c.Desk.Requests(ctx, workflows.ListOpen, "", maxEvicted)
	if err != nil {
		return err
	}
	for _, v := range open {
		list, err := b.c.Surfaces.Of(ctx, v.Stream)
		if err != nil {
			return err
		}
		for _, f := range list {
			if f.Channel == channel && f.Person == "" && !f.Home {
				if err := b.move(ctx, f); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// move posts a card anew where it may stand, then empties the old one. The other way round a crash between would leave no card.
func (b *Bot) move(ctx context.Context, f Surface) error {
	where := "the direct messages of those asked"
	if home := b.c.Desk.Policy().Settings.SecurityChannel; home != "" && f.Stream.Kind() == workflows.KindRequest {
		to, why, err := b.channelFor(ctx, home)
		if err != nil {
			return err
		}
		if why == "" && to.channel != f.Channel {
			if err := b.again(ctx, f, to.channel); err != nil {
				return err
			}
			where = home
		}
	}
	m := screens.Say(b.workspace().Say("This card was taken down, because this channel is shared with another organisation now. It goes on in %s.", screens.Escape(where)))
	err := b.c.Slack.UpdateMessage(ctx, slack.Posted{Channel: f.Channel, TS: f.TS}, slack.Message{Text: m.Text, Blocks: m.Blocks})
	var no *slack.Permanent
	if err != nil && !errors.As(err, &no) {
		return err
	}
	b.log.WarnContext(ctx, "a card was taken out of a channel that is shared now", "stream", f.Stream, "channel", f.Channel)
	return b.c.Surfaces.Drop(ctx, f.ID)
}

// again posts the card of a stream in another channel, once.
func (b *Bot) again(ctx context.Context, f Surface, channel string) error {
	list, err := b.c.Surfaces.Of(ctx, f.Stream)
	if err != nil {
		return err
	}
	for _, x := range list {
		if x.Channel == channel && x.Person == "" {
			return nil
		}
	}
	v, err := b.c.Desk.Look(ctx, workflows.RequestID(f.Stream.Rest()))
	if err != nil {
		return err
	}
	m := b.card(ctx, v, "").Render()
	id := string(f.Stream) + "#moved/" + f.TS
	at, err := b.c.Slack.PostMessage(ctx, channel, slack.Message{
		Text: m.Text, Blocks: m.Blocks, Metadata: slack.Metadata{EventType: ourMetadata, Payload: map[string]any{"id": id}},
	})
	if err != nil {
		return err
	}
	_, err = b.c.Surfaces.Save(ctx, Surface{Stream: f.Stream, Channel: at.Channel, TS: at.TS, Pace: slack.PaceKey(at.Channel), Thread: f.Thread}, v.State.Seq)
	return err
}

// maxEvicted bounds the open requests that are looked at when a channel becomes shared; others are moved when they are next repainted.
const maxEvicted = 5000
