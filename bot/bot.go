package bot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/targets"
)

// Channel and Authn of everything that comes through Slack: a click proves the Slack account, nothing more.
const (
	viaSlack   = "slack"
	slackClick = "slack-click"
)

// Config is what a Bot is made of. Finder and Leaves may be nil.
type Config struct {
	Desk      *desk.Desk
	Slack     *slack.Sender
	Identity  *Identity
	Surfaces  Surfaces
	Inbox     Inbox
	Histories Histories
	Finder    Finder
	Buttons   *Buttons
	BotUser   string                                                                             // our own user id, from auth.test
	Now       func() workflows.Stamp                                                             // product time: what screens call now
	Leaves    func(target string) string                                                         // what a revocation there does not end
	Sweep     func(context.Context, workflows.TargetID, workflows.Acting) (targets.State, error) // compares a target with the ledger; nil: nobody can
	Silent    func(target string) bool                                                           // whether a target does not tell who uses what was granted there; nil: they all tell
	Health    func(context.Context) []Condition                                                  // how the parts are; nil: nobody says
	Decide    func(workflows.RequestID) string                                                   // the page on which somebody decides who has proved who they are; nil: there is none
	Emergency func() string                                                                      // the page for emergencies; nil or "": there is none
	Whose     Whose                                                                              // nil: /access who and leak are not there
	Handover  Handover                                                                           // nil: no secret is handed over
	Log       *slog.Logger

	Uninstalled func(event string) // Slack took our tokens away or the app was removed; nil: only the log says so
}

// Bot turns interactions into commands and states into screens. It is safe for concurrent use.
type Bot struct {
	c        Config
	log      *slog.Logger
	channels *cache[slack.Conversation]
	drawn    drawn
	pages    pages
	claims   claims
	flood    flood
	links    *cache[string]
	pasts    *cache[string]
	nudges   nudges
	crowds   sync.Mutex // held while many requests are told in one message
	turns    turns
	routes   routes

	mu       sync.Mutex
	ended    bool
	handling map[string]bool // inbox rows that are being handled now
	wait     sync.WaitGroup
}

var _ slack.Handler = (*Bot)(nil)

// New makes a Bot and connects its Identity to the ledger.
func New(c Config) (*Bot, error) {
	if c.Desk == nil || c.Slack == nil || c.Identity == nil || c.Surfaces == nil || c.Inbox == nil || c.Histories == nil || c.Buttons == nil || c.Now == nil {
		return nil, errors.New("making a bot: a part is missing")
	}
	if n := len(c.Buttons.Key); n < minKeyBytes {
		return nil, fmt.Errorf("making a bot: the key for buttons has %d bytes, at least %d are needed", n, minKeyBytes)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Leaves == nil {
		c.Leaves = func(string) string { return "" }
	}
	b := &Bot{c: c, log: c.Log, handling: map[string]bool{}, channels: newCache[slack.Conversation](channelAge, maxChannels, c.Identity.c.Now)}
	b.pasts = newCache[string](linkKept, maxDrawn, c.Identity.c.Now)
	b.links = newCache[string](linkKept, maxDrawn, c.Identity.c.Now)
	b.routes = b.table()
	c.Identity.record(c.Desk.Link)
	c.Identity.proofs(b.provenBy)
	return b, nil
}

// Close waits for answers that are still being delivered.
func (b *Bot) Close() {
	b.mu.Lock()
	b.ended = true
	b.mu.Unlock()
	b.wait.Wait()
}

// spawn runs f outside the call that asked for it, for at most answerWait.
func (b *Bot) spawn(f func(context.Context)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return
	}
	b.wait.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), answerWait)
		defer cancel()
		f(ctx)
	})
}

// call is one interaction on its way, with who acted.
type call struct {
	slack.Interaction
	by           workflows.Acting
	step, reason string // the run of a workflow's step that a form is opened for, and what it says why

	about string // "channel/ts" of the message whose menu was used
}

// cause is what the ledger remembers as consumed: the same interaction decides once, however often it is handled.
func (c *call) cause() desk.Cause {
	if c.InboxID == "" {
		return ""
	}
	return desk.Cause("inbox/" + c.InboxID)
}

// value is the value of the one element that was used.
func (c *call) value() string {
	if len(c.Actions) != 1 {
		return ""
	}
	return c.Actions[0].Value
}

// Handle implements slack.Handler. The inbox row is finished only when the interaction was handled: else Resume tries it again, and the
// ledger's cause keeps a decision from counting twice. A row that is being handled is left to who does.
func (b *Bot) Handle(ctx context.Context, in slack.Interaction) (slack.Reply, error) {
	if !b.take(in.InboxID) {
		return slack.Reply{}, nil
	}
	defer b.release(in.InboxID)
	reply, err := b.dispatch(ctx, in)
	if err != nil {
		return slack.Reply{}, err
	}
	if in.InboxID == "" {
		return reply, nil
	}
	if err := b.c.Inbox.Done(ctx, in.InboxID); err != nil {
		b.log.WarnContext(ctx, "an inbox row stays open", "inbox", in.InboxID, "err", err)
	}
	return reply, nil
}

// take marks an inbox row as being handled; false if it is already.
func (b *Bot) take(row string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if row == "" {
		return true
	}
	if b.handling[row] {
		return false
	}
	b.handling[row] = true
	return true
}

func (b *Bot) release(row string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.handling, row)
}

func (b *Bot) dispatch(ctx context.Context, in slack.Interaction) (slack.Reply, error) {
	if f, ok := b.routes.events[strings.TrimPrefix(in.Kind, slack.KindEvent)]; ok && strings.HasPrefix(in.Kind, slack.KindEvent) {
		return slack.Reply{}, f(ctx, in)
	}
	f, ok := b.routes.find(in)
	if !ok {
		b.log.InfoContext(ctx, "nothing to do for an interaction", "kind", in.Kind, "callback", in.CallbackID)
		return slack.Reply{}, nil
	}
	if b.stranger(ctx, in) {
		return b.deliver(ctx, in, crowded(in))
	}
	by, err := b.c.Identity.Resolve(ctx, in)
	if err != nil {
		return slack.Reply{}, err
	}
	a, err := f(ctx, &call{Interaction: in, by: by})
	if err != nil {
		return slack.Reply{}, fmt.Errorf("handling %s: %w", in.Kind, err)
	}
	return b.deliver(ctx, in, a)
}

// answer is what the person who acted gets to see. Which way it goes is deliver's matter.
type answer struct {
	message screens.Message
	errors  map[string]string // beside the inputs of the form that was sent
	view    *viewRequest      // replaces the form that was sent
	clear   bool              // closes all forms
	options *screens.Options  // what a menu offers for what was typed

	words func(screens.Locale) screens.Message // the message in a language; nil: it is in one already
	modal bool                                 // the message takes the place of the form that was sent
}

func (a answer) silent() bool {
	return a.message.Text == "" && a.errors == nil && a.view == nil && !a.clear && a.options == nil
}

// say makes an answer of a sentence in markup.
func say(text string) answer {
	return answer{message: screens.Say(text)}
}

func refused(r *workflows.Refusal) answer {
	return spoken(func(l screens.Locale) screens.Message { return screens.Say(l.NotDone(r)) })
}
