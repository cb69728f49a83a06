package slack

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	slackgo "github.com/slack-go/slack"
)

// SenderOptions configure the Web API client. Token or Rotation is required.
type SenderOptions struct {
	Token string // xoxb-…
	// Rotation gives the token of each call instead, for an app whose tokens end.
	Rotation *Rotation
	APIURL   string // empty: https://slack.com/api/
	// AllowLoopback also accepts http:// addresses of this machine, for the API and for response URLs; for the simulator and tests only.
	AllowLoopback bool
	// DialContext replaces the net package's dialer.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Sender calls the Web API. Every call ends within ten seconds and is made once: pacing and trying again belong to the job queue, which
// keeps a job over a restart. Errors are *RateLimited, *Permanent, *Auth, *Ambiguous, *Unreached, *Conflict or *Expired; none quotes a
// token, a response URL or a trigger id.
type Sender struct {
	api     *slackgo.Client
	http    *http.Client
	base    *url.URL
	respond *http.Client
	local   bool
	dms     dms
}

// NewSender checks the options; it calls nothing.
func NewSender(opt SenderOptions) (*Sender, error) {
	token := fixed(opt.Token)
	var renew func(context.Context, string) error
	if opt.Rotation != nil {
		token, renew = opt.Rotation.Token, opt.Rotation.Renew
	} else if opt.Token == "" {
		return nil, errors.New("making a Slack sender: a bot token is needed")
	}
	base, err := apiBase(opt.APIURL, opt.AllowLoopback)
	if err != nil {
		return nil, fmt.Errorf("making a Slack sender: %w", err)
	}
	client := guardedClient(token, renew, opt.DialContext)
	local := opt.AllowLoopback && isLoopback(base.Hostname())
	return &Sender{
		api:  slackgo.New(opt.Token, slackgo.OptionAPIURL(base.String()), slackgo.OptionHTTPClient(client)),
		http: client, base: base, local: local, respond: responseClient(opt.DialContext),
	}, nil
}

// PaceKey names the queue in which messages to one channel wait for each other: Slack takes about one a second per channel.
func PaceKey(channel string) string { return "slack/" + channel }

// Message is what is posted or what a message becomes. Text is the notification and what screen readers read, so it must say everything.
type Message struct {
	Text      string
	Blocks    []slackgo.Block
	ThreadTS  string
	Broadcast bool // a thread reply that is shown in the channel as well
	Metadata  Metadata
}

// Metadata marks a message for FindByMetadata. Any app in the workspace can read it: ids only.
type Metadata struct {
	EventType string
	Payload   map[string]any
}

// Posted names a message: Slack has no other id.
type Posted struct{ Channel, TS string }

func (m Message) options() []slackgo.MsgOption {
	// The blocks are always sent: leaving them out would keep the old ones with their buttons.
	opts := []slackgo.MsgOption{
		slackgo.MsgOptionText(m.Text, false), slackgo.MsgOptionBlocks(m.Blocks...),
		slackgo.MsgOptionDisableLinkUnfurl(), slackgo.MsgOptionDisableMediaUnfurl(),
	}
	if m.ThreadTS != "" {
		opts = append(opts, slackgo.MsgOptionTS(m.ThreadTS))
		if m.Broadcast {
			opts = append(opts, slackgo.MsgOptionBroadcast())
		}
	}
	if m.Metadata.EventType != "" {
		opts = append(opts, slackgo.MsgOptionMetadata(slackgo.SlackMetadata{EventType: m.Metadata.EventType, EventPayload: m.Metadata.Payload}))
	}
	return opts
}

// PostMessage posts to a channel or a person's DM channel (chat.postMessage). After *Ambiguous, look with FindByMetadata first.
func (s *Sender) PostMessage(ctx context.Context, channel string, m Message) (Posted, error) {
	const method = "chat.postMessage"
	ch, ts, err := s.api.PostMessageContext(ctx, channel, m.options()...)
	if err != nil {
		err = translate(method, err)
		var gone *Permanent
		if errors.As(err, &gone) && gone.Code == "channel_not_found" {
			s.dms.forget(channel)
		}
		return Posted{}, err
	}
	if ch == "" || ts == "" {
		return Posted{}, &Ambiguous{Method: method, Code: "no_timestamp"}
	}
	return Posted{Channel: ch, TS: ts}, nil
}

// UpdateMessage replaces text, blocks and metadata of a message of ours (chat.update). No blocks removes them all.
func (s *Sender) UpdateMessage(ctx context.Context, at Posted, m Message) error {
	m.ThreadTS, m.Broadcast = "", false // chat.update names the message itself by ts
	_, _, _, err := s.api.UpdateMessageContext(ctx, at.Channel, at.TS, m.options()...)
	return translate("chat.update", err)
}

// Ephemeral shows a message to one user in a channel they are in (chat.postEphemeral). Slack does not promise to deliver it and does not
// keep it.
func (s *Sender) Ephemeral(ctx context.Context, channel, user string, m Message) error {
	m.Metadata = Metadata{}
	_, err := s.api.PostEphemeralContext(ctx, channel, user, m.options()...)
	return translate("chat.postEphemeral", err)
}

// Permalink returns the address of a message (chat.getPermalink).
func (s *Sender) Permalink(ctx context.Context, at Posted) (string, error) {
	link, err := s.api.GetPermalinkContext(ctx, &slackgo.PermalinkParameters{Channel: at.Channel, Ts: at.TS})
	return link, translate("chat.getPermalink", err)
}

// OpenDM returns the DM channel with a user, which it opens if need be (conversations.open); it is safe to repeat. A channel that was opened stays what
// it is, so that it is asked for once.
func (s *Sender) OpenDM(ctx context.Context, user string) (string, error) {
	const method = "conversations.open"
	if id, ok := s.dms.get(user); ok {
		return id, nil
	}
	ch, _, _, err := s.api.OpenConversationContext(ctx, &slackgo.OpenConversationParameters{Users: []string{user}})
	if err != nil {
		return "", translate(method, err)
	}
	if ch == nil || ch.ID == "" {
		return "", &Ambiguous{Method: method, Code: "no_channel"}
	}
	s.dms.put(user, ch.ID)
	return ch.ID, nil
}

// dms are the direct message channels by user.
type dms struct {
	mu sync.Mutex
	of map[string]string
}

func (d *dms) get(user string) (string, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	id, ok := d.of[user]
	return id, ok
}

func (d *dms) put(user, id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.of == nil || len(d.of) >= maxDMs {
		d.of = make(map[string]string)
	}
	d.of[user] = id
}

// forget drops a channel that Slack does not know any more.
func (d *dms) forget(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.DeleteFunc(d.of, func(_, have string) bool { return have == id })
}

// FindByMetadata looks in the newest messages of a channel for one of ours whose metadata has eventType and key = value, to learn whether
// a call that ended *Ambiguous went through. bot is our own bot user: others can post the same metadata. oldest is a message timestamp
// before the first attempt, or empty. It needs the channel's history scope.
func (s *Sender) FindByMetadata(ctx context.Context, channel, bot, eventType, key, value, oldest string) (Posted, bool, error) {
	cursor := ""
	for range findPages {
		page, err := s.api.GetConversationHistoryContext(ctx, &slackgo.GetConversationHistoryParameters{
			ChannelID: channel, Cursor: cursor, Oldest: oldest, Inclusive: true, Limit: pageSize, IncludeAllMetadata: true,
		})
		if err != nil {
			return Posted{}, false, translate("conversations.history", err)
		}
		i := slices.IndexFunc(page.Messages, func(m slackgo.Message) bool {
			return m.User == bot && m.Metadata.EventType == eventType && m.Metadata.EventPayload[key] == value
		})
		if i >= 0 {
			return Posted{Channel: channel, TS: page.Messages[i].Timestamp}, true, nil
		}
		if cursor = page.ResponseMetaData.NextCursor; cursor == "" || !page.HasMore {
			return Posted{}, false, nil
		}
	}
	return Posted{}, false, fmt.Errorf("looking for a message in %q: not among the newest %d", channel, findPages*pageSize)
}

// call makes a Web API call whose answer slack-go's types do not hold completely.
func (s *Sender) call(ctx context.Context, method string, form url.Values, out func([]byte) error) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.base.String()+method, strings.NewReader(form.Encode()))
	if err != nil {
		return translate(method, err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := s.http.Do(req)
	if err != nil {
		return translate(method, err)
	}
	defer resp.Body.Close()
	body, err := readAll(resp.Body, maxAnswer)
	if err == nil {
		err = out(body)
	}
	return translate(method, err)
}
