package slacksim_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/slack-go/slack"

	"github.com/countersign-bot/countersign/bot/slack/slacksim"
)

// client is Slack's Web API through slack-go, which nobody here wrote.
func (f *fixture) client(opts ...slack.Option) *slack.Client {
	opts = append([]slack.Option{
		slack.OptionAPIURL(f.url + "/api/"), slack.OptionAppLevelToken(f.App().AppToken),
		slack.OptionHTTPClient(&http.Client{Timeout: 10 * time.Second}),
	}, opts...)
	return slack.New(f.App().BotToken, opts...)
}

func TestSlackGoTalksToIt(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	f.invite()
	c, ctx := f.client(), t.Context()
	who, err := c.AuthTestContext(ctx)
	if err != nil || who.UserID != f.App().BotUserID || who.BotID != f.App().BotID || who.TeamID != f.Team().ID {
		t.Fatalf("auth.test: %+v %v", who, err)
	}
	u, err := c.GetUserInfoContext(ctx, f.UserID("ann"))
	if err != nil || u.TZ != "Europe/Berlin" || u.Profile.Email != "ann@northwind.example" || u.IsBot || u.Locale != "en-US" {
		t.Errorf("users.info: %+v %v", u, err)
	}
	users, err := c.GetUsersContext(ctx)
	if err != nil || len(users) != 10 {
		t.Errorf("users.list: %d %v", len(users), err)
	}
	im, _, _, err := c.OpenConversationContext(ctx, &slack.OpenConversationParameters{Users: []string{f.UserID("ann")}})
	if err != nil {
		t.Fatal(err)
	}
	card := []slack.Block{
		slack.NewHeaderBlock(slack.NewTextBlockObject(slack.PlainTextType, "Hello", true, false)),
		slack.NewSectionBlock(slack.NewTextBlockObject(slack.MarkdownType, "*there*", false, false), nil, nil),
		slack.NewActionBlock("act", slack.NewButtonBlockElement("go", "1", slack.NewTextBlockObject(slack.PlainTextType, "Go", false, false))),
	}
	ch, ts, err := c.PostMessageContext(ctx, im.ID, slack.MsgOptionText("hello", false), slack.MsgOptionBlocks(card...),
		slack.MsgOptionMetadata(slack.SlackMetadata{EventType: "note", EventPayload: map[string]any{"id": "7"}}))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := c.UpdateMessageContext(ctx, ch, ts, slack.MsgOptionText("bye", false), slack.MsgOptionBlocks()); err != nil {
		t.Fatal(err)
	}
	history, err := c.GetConversationHistoryContext(ctx, &slack.GetConversationHistoryParameters{ChannelID: ch, IncludeAllMetadata: true})
	if err != nil || len(history.Messages) != 1 || history.Messages[0].Text != "bye" || len(history.Messages[0].Blocks.BlockSet) != 0 ||
		history.Messages[0].Metadata.EventPayload["id"] != "7" {
		t.Errorf("history: %+v %v", history, err)
	}
	groups, err := c.GetUserGroupsContext(ctx, slack.GetUserGroupsOptionIncludeUsers(true))
	if err != nil || len(groups) != 1 || len(groups[0].Users) != 2 {
		t.Errorf("usergroups.list: %+v %v", groups, err)
	}
	info, err := c.GetConversationInfoContext(ctx, &slack.GetConversationInfoInput{ChannelID: f.ChannelID("partners")})
	if err != nil || !info.IsExtShared {
		t.Errorf("conversations.info: %+v %v", info, err)
	}
	link, err := c.GetPermalinkContext(ctx, &slack.PermalinkParameters{Channel: ch, Ts: ts})
	if err != nil || link == "" {
		t.Errorf("permalink: %q %v", link, err)
	}
	home := slack.HomeTabViewRequest{Type: slack.VTHomeTab, Blocks: slack.Blocks{BlockSet: card}}
	pub, err := c.PublishViewContext(ctx, slack.PublishViewContextRequest{UserID: f.UserID("ann"), View: home})
	if err != nil || pub.Hash == "" {
		t.Fatalf("views.publish: %+v %v", pub, err)
	}
	if _, _, err := c.StartSocketModeContext(ctx); err != nil {
		t.Errorf("apps.connections.open: %v", err)
	}
	up, err := c.UploadFileContext(ctx, slack.UploadFileParameters{Filename: "a.txt", Content: "hello", FileSize: 5, Channel: ch})
	if err != nil || up.ID == "" {
		t.Errorf("files: %+v %v", up, err)
	}
}

func TestSlackGoUnderstandsItsErrors(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *slacksim.Config) { c.App.Scopes = []string{"chat:write"} })
	f.invite()
	ctx := t.Context()
	_, err := f.client().GetUserInfoContext(ctx, f.UserID("ann"))
	var refused slack.SlackErrorResponse
	if !errors.As(err, &refused) || refused.Err != "missing_scope" || refused.Needed != "users:read" {
		t.Errorf("missing scope: %#v", err)
	}
	f.Inject(slacksim.Fault{Kind: slacksim.FaultRateLimit, RetryAfter: 3})
	_, _, err = f.client().PostMessageContext(ctx, f.ChannelID("general"), slack.MsgOptionText("x", false))
	var limited *slack.RateLimitedError
	if !errors.As(err, &limited) || limited.RetryAfter != 3*time.Second {
		t.Errorf("rate limit: %#v", err)
	}
	bad := slack.NewHeaderBlock(slack.NewTextBlockObject(slack.PlainTextType, x(151), false, false))
	_, _, err = f.client().PostMessageContext(ctx, f.ChannelID("general"), slack.MsgOptionBlocks(bad))
	if !errors.As(err, &refused) || refused.Err != "invalid_blocks" || len(refused.ResponseMetadata.Messages) == 0 {
		t.Errorf("invalid blocks: %#v", err)
	}
}
