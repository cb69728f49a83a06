package slack_test

import (
	"context"
	"net/http/httptest"
	"testing"

	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/bot/slack/slacksim"
)

// namesOn asks a simulated workspace and gives how often each listing was asked for.
func namesOn(t *testing.T) (*slack.Names, *slacksim.Workspace) {
	t.Helper()
	cfg := slacksim.Sample()
	cfg.App.Scopes = append(cfg.App.Scopes, "channels:read", "groups:read", "usergroups:read")
	w, err := slacksim.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	srv := httptest.NewServer(w.Handler())
	t.Cleanup(srv.Close)
	s, err := slack.NewSender(slack.SenderOptions{Token: w.App().BotToken, APIURL: srv.URL + "/api/", AllowLoopback: true})
	if err != nil {
		t.Fatal(err)
	}
	return slack.NewNames(s), w
}

func TestNames(t *testing.T) {
	names, w := namesOn(t)
	ctx := context.Background()
	channel := slacksim.Sample().Channels[0].Name
	for range 3 {
		id, err := names.ChannelID(ctx, "#"+channel)
		if err != nil || id != w.ChannelID(channel) {
			t.Fatalf("ChannelID(#%s) = %q, %v; want %q", channel, id, err, w.ChannelID(channel))
		}
	}
	if n := len(w.Calls("conversations.list")); n != 1 {
		t.Errorf("the listing was asked for %d times for one name: Tier 2 allows few", n)
	}
	if id, err := names.ChannelID(ctx, "C123"); err != nil || id != "C123" {
		t.Errorf("an id came back as %q, %v", id, err)
	}
	for range 5 {
		if id, err := names.ChannelID(ctx, "#no-such-channel"); err == nil {
			t.Errorf("an unknown name came back as %q", id)
		}
	}
	if n := len(w.Calls("conversations.list")); n != 1 {
		t.Errorf("unknown names asked %d times", n)
	}
	group := slacksim.Sample().Groups[0]
	if _, err := names.GroupID(ctx, "@"+group.Handle); err != nil {
		t.Errorf("GroupID(@%s): %v", group.Handle, err)
	}
}

func TestNames_SlackDown(t *testing.T) {
	names, w := namesOn(t)
	channel := slacksim.Sample().Channels[0].Name
	w.Inject(slacksim.Fault{Kind: slacksim.FaultHTTP, Match: "conversations.list", Count: 1})
	if _, err := names.ChannelID(context.Background(), "#"+channel); err == nil {
		t.Error("a failed listing was taken for an answer")
	}
	if _, err := names.ChannelID(context.Background(), "#"+channel); err != nil {
		t.Errorf("the failure stuck: %v", err)
	}
}
