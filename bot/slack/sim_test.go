package slack_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	slackgo "github.com/slack-go/slack"

	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/bot/slack/slacksim"
)

// desk is a little app on the adapter: a command opens a form, a form posts a card, a click replaces it.
type desk struct {
	t    *testing.T
	send *slack.Sender

	mu      sync.Mutex
	handled map[string]int
}

func (d *desk) Handle(ctx context.Context, in slack.Interaction) (slack.Reply, error) {
	d.mu.Lock()
	d.handled[in.Kind]++
	d.mu.Unlock()
	switch in.Kind {
	case slack.KindCommand:
		if in.Text == "help" {
			return slack.Reply{Payload: slack.Notice{ResponseType: "ephemeral", Text: "say form"}}, nil
		}
		_, err := d.send.OpenView(ctx, in.TriggerID, form(in.ChannelID))
		return slack.Reply{}, err
	case slack.KindViewSubmission:
		why, _ := in.View.Input("why", "text")
		if len(why.Value) < 5 {
			return slack.Reply{Payload: slackgo.NewErrorsViewSubmissionResponse(map[string]string{"why": "too short"})}, nil
		}
		_, err := d.send.PostMessage(ctx, in.View.PrivateMetadata, card(why.Value))
		return slack.Reply{}, err
	case slack.KindBlockActions:
		if err := d.send.UpdateMessage(ctx, slack.Posted{Channel: in.ChannelID, TS: in.MessageTS}, slack.Message{Text: "done by <@" + in.UserID + ">"}); err != nil {
			return slack.Reply{}, err
		}
		return slack.Reply{}, d.send.Respond(ctx, in.ResponseURL, slack.Response{Text: "thank you"})
	case slack.KindEvent + "app_home_opened":
		text := slackgo.NewSectionBlock(slackgo.NewTextBlockObject("plain_text", "welcome", false, false), nil, nil)
		_, err := d.send.PublishHome(ctx, in.UserID, "", slackgo.HomeTabViewRequest{Type: slackgo.VTHomeTab, Blocks: slackgo.Blocks{BlockSet: []slackgo.Block{text}}})
		return slack.Reply{}, err
	}
	return slack.Reply{}, nil
}

func form(channel string) slackgo.ModalViewRequest {
	plain := func(s string) *slackgo.TextBlockObject {
		return slackgo.NewTextBlockObject("plain_text", s, false, false)
	}
	return slackgo.ModalViewRequest{
		Type: slackgo.VTModal, Title: plain("Ask"), Submit: plain("Send"), Close: plain("Cancel"), CallbackID: "ask", PrivateMetadata: channel,
		Blocks: slackgo.Blocks{BlockSet: []slackgo.Block{slackgo.NewInputBlock("why", plain("Why"), nil, slackgo.NewPlainTextInputBlockElement(nil, "text"))}},
	}
}

func card(text string) slack.Message {
	button := slackgo.NewButtonBlockElement("ok", "r1", slackgo.NewTextBlockObject("plain_text", "OK", false, false))
	return slack.Message{
		Text: text, Blocks: []slackgo.Block{slackgo.NewActionBlock("b", button)},
		Metadata: slack.Metadata{EventType: "card", Payload: map[string]any{"id": "r1"}},
	}
}

// company is the simulator with the little app behind it.
type company struct {
	*slacksim.Workspace
	t      *testing.T
	desk   *desk
	inbox  *fakeInbox
	intake *slack.Intake
	tr     *slack.Transport
	me     slack.Identity
}

func newCompany(t *testing.T, overHTTP bool) *company {
	t.Helper()
	c := &company{t: t, inbox: &fakeInbox{}}
	cfg := slacksim.Sample()
	cfg.App.Events = []string{"app_home_opened"}
	cfg.EventRetries = []time.Duration{0, 50 * time.Millisecond, 100 * time.Millisecond}
	var receiver atomic.Pointer[slack.Receiver]
	if overHTTP {
		app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			receiver.Load().ServeHTTP(w, r)
		}))
		t.Cleanup(app.Close)
		cfg.RequestURL, cfg.App.SigningSecret = app.URL+"/slack", goodSecret
	}
	w, err := slacksim.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	c.Workspace = w
	srv := httptest.NewServer(w.Handler())
	t.Cleanup(func() { w.Close(); srv.CloseClientConnections(); srv.Close() })
	app := w.App()
	sender, err := slack.NewSender(slack.SenderOptions{Token: app.BotToken, APIURL: srv.URL + "/api/", AllowLoopback: true})
	if err != nil {
		t.Fatal(err)
	}
	if c.me, err = sender.AuthTest(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.Join(c.me.UserID, "platform"); err != nil {
		t.Fatal(err)
	}
	c.desk = &desk{t: t, send: sender, handled: map[string]int{}}
	if c.intake, err = slack.NewIntake(slack.IntakeOptions{Inbox: c.inbox, Handler: c.desk, Installation: c.me.Installation}); err != nil {
		t.Fatal(err)
	}
	if overHTTP {
		v, err := slack.NewVerifier(app.SigningSecret, nil)
		if err != nil {
			t.Fatal(err)
		}
		r, err := slack.NewReceiver(slack.ReceiverOptions{Intake: c.intake, Verifier: v})
		if err != nil {
			t.Fatal(err)
		}
		receiver.Store(r)
		return c
	}
	if c.tr, err = slack.NewTransport(slack.TransportOptions{AppToken: app.AppToken, APIURL: srv.URL + "/api/", AllowLoopback: true, Intake: c.intake}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.tr.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	c.until("two connections", func() bool { return c.tr.Stats().Live == 2 })
	return c
}

// until polls real I/O with a deadline.
func (c *company) until(what string, ok func() bool) {
	c.t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); runtime.Gosched() {
		if time.Now().After(end) {
			c.t.Fatalf("never came: %s", what)
		}
	}
}

// story acts one after the other what people do with the app, and checks what they see.
func (c *company) story() {
	t, ctx := c.t, c.t.Context()
	t.Helper()
	if d := c.Command(ctx, "ann", "platform", "/help-me", "help"); d.Err != nil || !strings.Contains(string(d.AckPayload), "say form") {
		t.Fatalf("command: %+v", d)
	}
	if d := c.Command(ctx, "ann", "platform", "/help-me", "form"); d.Err != nil {
		t.Fatalf("command: %+v", d)
	}
	c.until("the form", func() bool { return len(c.Views("ann")) == 1 })
	enter := func(s string) map[string]map[string]any { return map[string]map[string]any{"why": {"text": s}} }
	if d := c.SubmitView(ctx, "ann", enter("x")); d.Err != nil || d.Errors["why"] != "too short" {
		t.Fatalf("a bad form: %+v", d)
	}
	before := len(c.Messages("platform"))
	if d := c.SubmitView(ctx, "ann", enter("because")); d.Err != nil || len(d.Errors) != 0 {
		t.Fatalf("the corrected form: %+v", d)
	}
	c.until("the card", func() bool { return len(c.Messages("platform")) == before+1 })
	post := c.Messages("platform")[before]
	if d := c.Click(ctx, slacksim.Press{User: "bob", Channel: "platform", TS: post.TS, ActionID: "ok"}); d.Err != nil {
		t.Fatalf("click: %+v", d)
	}
	c.until("the card replaced", func() bool { return strings.HasPrefix(c.Messages("platform")[before].Text, "done by <@") })
	c.until("the thanks", func() bool { return len(c.Ephemerals("bob", "platform")) > 0 })
	if d := c.OpenHome(ctx, "ann"); d.Err != nil {
		t.Fatalf("home: %+v", d)
	}
	c.until("home", func() bool { _, ok := c.Home("ann"); return ok })
}

func TestSimulator_TheWholeWayOverSockets(t *testing.T) {
	t.Parallel()
	c := newCompany(t, false)
	c.story()
	if s := c.SocketStats(); s.MisplacedAcks != 0 || s.UnknownAcks != 0 || s.OversizeAcks != 0 {
		t.Errorf("acknowledgements: %+v", s)
	}
	if s := c.intake.Stats(); s.Foreign+s.Malformed+s.UnknownKinds+s.Duplicates+s.HandlerErrors != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestSimulator_TheWholeWayOverHTTP(t *testing.T) {
	t.Parallel()
	c := newCompany(t, true)
	c.story()
	if s := c.intake.Stats(); s.Foreign+s.Malformed+s.UnknownKinds+s.HandlerErrors != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestFault_F23_TheSimulatorMisbehavesAndNothingIsLost(t *testing.T) {
	t.Parallel()
	c := newCompany(t, false)
	for _, f := range []slacksim.Fault{
		{Kind: slacksim.FaultWarn, Match: "slash_commands"},
		{Kind: slacksim.FaultDuplicate, Match: "slash_commands", Skip: 1},
		{Kind: slacksim.FaultWarn, Match: "block_actions"},
		{Kind: slacksim.FaultDuplicate, Match: "view_submission"},
		{Kind: slacksim.FaultLoseAck, Match: "app_home_opened"},
		{Kind: slacksim.FaultTooMany, Count: 2},
	} {
		c.Inject(f)
	}
	c.story()
	c.until("two connections again", func() bool { return c.tr.Stats().Live == 2 })
	if s := c.SocketStats(); s.MisplacedAcks != 0 {
		t.Errorf("acknowledgements: %+v", s)
	}
	c.desk.mu.Lock()
	defer c.desk.mu.Unlock()
	for kind, want := range map[string]int{slack.KindCommand: 2, slack.KindViewSubmission: 2, slack.KindBlockActions: 1, slack.KindEvent + "app_home_opened": 1} {
		if got := c.desk.handled[kind]; got != want {
			t.Errorf("%s had %d effects, want %d", kind, got, want)
		}
	}
}
