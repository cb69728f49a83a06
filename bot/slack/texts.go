package slack

import (
	"context"

	slackgo "github.com/slack-go/slack"
)

// OwnTexts gives the texts of the messages that bot, our own bot user, has posted among the newest of a channel, newest first. It needs the
// channel's history scope.
func (s *Sender) OwnTexts(ctx context.Context, channel, bot string) ([]string, error) {
	page, err := s.api.GetConversationHistoryContext(ctx, &slackgo.GetConversationHistoryParameters{ChannelID: channel, Limit: pageSize})
	if err != nil {
		return nil, translate("conversations.history", err)
	}
	var out []string
	for _, m := range page.Messages {
		if m.User == bot {
			out = append(out, m.Text)
		}
	}
	return out, nil
}
