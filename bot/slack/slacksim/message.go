package slacksim

import (
	"slices"
	"strings"
)

// Message is a message as a reader of the channel sees it. TS names it within its channel.
type Message struct {
	Channel     string              `json:"channel"`
	TS          string              `json:"ts"`
	ThreadTS    string              `json:"thread_ts,omitempty"`
	User        string              `json:"user"`
	BotID       string              `json:"bot_id,omitempty"`
	AppID       string              `json:"app_id,omitempty"`
	Subtype     string              `json:"subtype,omitempty"`
	Text        string              `json:"text"`
	Blocks      []Object            `json:"blocks,omitempty"`
	Attachments []Object            `json:"attachments,omitempty"`
	Metadata    Object              `json:"metadata,omitempty"`
	EditedTS    string              `json:"edited_ts,omitempty"`
	Reactions   map[string][]string `json:"reactions,omitempty"` // emoji name to user ids
	Broadcast   bool                `json:"reply_broadcast,omitempty"`
	// Ephemeral messages are seen by For only and vanish when the workspace is started again.
	Ephemeral bool   `json:"is_ephemeral,omitempty"`
	For       string `json:"for,omitempty"`

	clientID string
	state    map[string]values // per user: what was picked in the message's menus
}

// ActionIDs lists the action ids of the message's interactive elements in reading order.
func (m Message) ActionIDs() []string { return actionIDs(m.Blocks) }

// Visible is every word a reader of the blocks sees, one line per text; the top-level text when there are no blocks.
func (m Message) Visible() string {
	if len(m.Blocks) == 0 {
		return m.Text
	}
	return visible(m.Blocks)
}

// View is a modal or Home tab as its user sees it.
type View struct {
	ID              string   `json:"id"`
	Type            string   `json:"type"`
	CallbackID      string   `json:"callback_id"`
	ExternalID      string   `json:"external_id,omitempty"`
	PrivateMetadata string   `json:"-"`
	Title           string   `json:"title"`
	Submit          string   `json:"submit,omitempty"`
	Close           string   `json:"close,omitempty"`
	Hash            string   `json:"hash"`
	Blocks          []Object `json:"blocks"`
	// State is what the user has entered, in the form Slack sends it: block id, action id, value object.
	State map[string]map[string]Object `json:"state"`
	// Errors are the messages under the fields, by block id, from the latest submission.
	Errors map[string]string `json:"errors,omitempty"`
	// Notice is the line at the foot of a modal whose submission was not acknowledged.
	Notice string `json:"notice,omitempty"`
}

// ActionIDs lists the action ids of the view's interactive elements in reading order.
func (v View) ActionIDs() []string { return actionIDs(v.Blocks) }

// Visible is every word a reader of the view sees, one line per text.
func (v View) Visible() string { return strings.TrimSpace(v.Title + "\n" + visible(v.Blocks)) }

// Notice is a passing line the client shows to one user: an app that did not answer in time, a command that failed.
type Notice struct {
	User string `json:"user"`
	Text string `json:"text"`
	TS   string `json:"ts"`
}

type channel struct {
	Channel
	im        string // the user on the other side of a direct message with the app
	mpim      bool
	created   int64
	messages  []*Message
	ephemeral map[string][]*Message
	read      map[string]string // per user: last ts seen
}

func (c *channel) has(user string) bool {
	return slices.Contains(c.Members, user)
}

func (c *channel) find(ts string) *Message {
	for i := len(c.messages) - 1; i >= 0; i-- {
		if c.messages[i].TS == ts {
			return c.messages[i]
		}
	}
	return nil
}

func (c *channel) findEphemeral(user, ts string) *Message {
	for _, m := range c.ephemeral[user] {
		if m.TS == ts {
			return m
		}
	}
	return nil
}

func (c *channel) add(m *Message) {
	c.messages = append(c.messages, m)
	if over := len(c.messages) - maxChannelHistory; over > 0 {
		c.messages = slices.Clone(c.messages[over:])
	}
}

func (c *channel) addEphemeral(m *Message) {
	list := append(c.ephemeral[m.For], m)
	if over := len(list) - maxEphemerals; over > 0 {
		list = slices.Clone(list[over:])
	}
	c.ephemeral[m.For] = list
}

func (c *channel) remove(ts string) {
	c.messages = slices.DeleteFunc(c.messages, func(m *Message) bool { return m.TS == ts })
}

// kind is the word Slack uses in scopes and in message events.
func (c *channel) kind() string {
	switch {
	case c.im != "":
		return "im"
	case c.mpim:
		return "mpim"
	case c.Private:
		return "group"
	default:
		return "channel"
	}
}

type group struct {
	Group
	created, updated int64
}

// Messages returns the channel's messages, oldest first, without replies that live only in a thread.
func (w *Workspace) Messages(channelRef string) []Message {
	return w.list(channelRef, func(m *Message) bool {
		return m.ThreadTS == "" || m.ThreadTS == m.TS || m.Broadcast
	})
}

// Thread returns the parent and its replies, oldest first.
func (w *Workspace) Thread(channelRef, ts string) []Message {
	return w.list(channelRef, func(m *Message) bool { return m.TS == ts || m.ThreadTS == ts })
}

// DM returns the direct messages between the user and the app, oldest first, replies included.
func (w *Workspace) DM(userRef string) []Message {
	return w.list(w.DMChannel(userRef), func(*Message) bool { return true })
}

// DMChannel is the id of the direct message channel between the user and the app, which may still be empty.
func (w *Workspace) DMChannel(userRef string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	u := w.findUser(userRef)
	if u == nil {
		return ""
	}
	return w.openIM(u).ID
}

// Ephemerals returns what only this user sees in the channel, oldest first.
func (w *Workspace) Ephemerals(userRef, channelRef string) []Message {
	w.mu.Lock()
	defer w.mu.Unlock()
	u, c := w.findUser(userRef), w.findChannel(channelRef)
	if u == nil || c == nil {
		return nil
	}
	return copies(c.ephemeral[u.ID], func(*Message) bool { return true })
}

// Notices returns the passing lines the client has shown this user, oldest first.
func (w *Workspace) Notices(userRef string) []Notice {
	w.mu.Lock()
	defer w.mu.Unlock()
	if u := w.findUser(userRef); u != nil {
		return slices.Clone(w.notices[u.ID])
	}
	return nil
}

// Home returns the user's published Home tab, false when the app has published none.
func (w *Workspace) Home(userRef string) (View, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if u := w.findUser(userRef); u != nil && w.homes[u.ID] != nil {
		return w.homes[u.ID].seen(), true
	}
	return View{}, false
}

// Views returns the user's open modals, the visible one last.
func (w *Workspace) Views(userRef string) []View {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []View
	if u := w.findUser(userRef); u != nil {
		for _, v := range w.stacks[u.ID] {
			out = append(out, v.seen())
		}
	}
	return out
}

// View returns the modal the user is looking at, false when none is open.
func (w *Workspace) View(userRef string) (View, bool) {
	views := w.Views(userRef)
	if len(views) == 0 {
		return View{}, false
	}
	return views[len(views)-1], true
}

func (w *Workspace) list(channelRef string, keep func(*Message) bool) []Message {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.findChannel(channelRef)
	if c == nil {
		return nil
	}
	return copies(c.messages, keep)
}

func copies(list []*Message, keep func(*Message) bool) []Message {
	var out []Message
	for _, m := range list {
		if keep(m) {
			out = append(out, m.copy())
		}
	}
	return out
}

func (m *Message) copy() Message {
	out := *m
	out.Reactions = map[string][]string{}
	for name, users := range m.Reactions {
		out.Reactions[name] = slices.Clone(users)
	}
	return out
}

// openIM finds or makes the direct message channel between the app and a user. The lock is held.
func (w *Workspace) openIM(u *User) *channel {
	id := w.stableID("D", u.ID)
	if c := w.channels[id]; c != nil {
		return c
	}
	c := &channel{
		Channel: Channel{ID: id, Members: []string{u.ID, w.cfg.App.BotUserID}},
		im:      u.ID, created: w.now().Unix(), read: map[string]string{}, ephemeral: map[string][]*Message{},
	}
	w.channels[id] = c
	w.order = append(w.order, id)
	return c
}

// visible gathers the words of blocks in reading order.
func visible(blocks []Object) string {
	var lines []string
	for _, b := range blocks {
		lines = gatherText(lines, b)
	}
	return strings.Join(lines, "\n")
}

func gatherText(lines []string, v any) []string {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			lines = gatherText(lines, e)
		}
	case Object:
		if s, ok := v["text"].(string); ok {
			lines = append(lines, s)
		}
		for _, key := range []string{"text", "label", "fields", "elements", "accessory", "element", "options", "rows", "hint", "title", "confirm"} {
			if _, isText := v[key].(string); !isText {
				lines = gatherText(lines, v[key])
			}
		}
	}
	return lines
}

func actionIDs(blocks []Object) []string {
	var ids []string
	for _, e := range elementsOf(blocks) {
		ids = append(ids, e.actionID)
	}
	return ids
}
