package slacksim

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Press is one click on, or choice in, an interactive element. Exactly one surface is named: a message (Channel and TS), the Home
// tab (Home), or the visible modal (neither).
type Press struct {
	User     string
	Channel  string
	TS       string
	Home     bool
	ActionID string
	// BlockID narrows ActionID where several blocks use the same one.
	BlockID string
	// Values is what is picked: option values, user or channel ids, a date, text. Buttons take none.
	Values []string
	// Confirmed answers the element's confirmation dialog.
	Confirmed bool
	// From is an older rendering of the message: the click of somebody whose screen is behind.
	From *Message
	// Value overrides the button's value: what a forged or replayed request could carry.
	Value string
}

// surface is where an element stands.
type surface struct {
	channel *channel
	message *Message
	view    *view
}

func (s surface) blocks() []Object {
	if s.view != nil {
		return s.view.blocks
	}
	return s.message.Blocks
}

func (s surface) container() Object {
	if s.view != nil {
		return Object{"type": "view", "view_id": s.view.id}
	}
	o := Object{
		"type": "message", "message_ts": s.message.TS, "channel_id": s.channel.ID, "is_ephemeral": s.message.Ephemeral,
	}
	if s.message.ThreadTS != "" {
		o["thread_ts"] = s.message.ThreadTS
	}
	return o
}

// values is the state of the surface for one user; made from the initial values on first sight.
func (s surface) values(user string) values {
	if s.view != nil {
		return s.view.state
	}
	if s.message.state == nil {
		s.message.state = map[string]values{}
	}
	if s.message.state[user] == nil {
		s.message.state[user] = initialValues(s.message.Blocks, nil)
	}
	return s.message.state[user]
}

// actor finds the acting person, who must be able to sign in.
func (w *Workspace) actor(ref string) (*User, error) {
	u := w.findUser(ref)
	switch {
	case u == nil:
		return nil, fmt.Errorf("user %q: %w", ref, ErrNotThere)
	case u.Deleted:
		return nil, fmt.Errorf("user %q: %w", ref, ErrDeactivated)
	}
	return u, nil
}

// sees reports whether a channel is visible to a user: membership, or a public channel for full members.
func (c *channel) sees(u *User) bool {
	guest := u.Restricted || u.UltraRestricted || u.Stranger
	return c.has(u.ID) || (c.kind() == "channel" && !guest)
}

func (w *Workspace) seen(u *User, ref string) (*channel, error) {
	if c := w.findChannel(ref); c != nil && c.sees(u) {
		return c, nil
	}
	return nil, fmt.Errorf("channel %q for %s: %w", ref, u.Name, ErrNotThere)
}

// find resolves a Press to the acting user, the surface and the element.
func (w *Workspace) find(p Press) (*User, surface, element, error) {
	u, err := w.actor(p.User)
	if err != nil {
		return nil, surface{}, element{}, err
	}
	s, err := w.surfaceOf(u, p)
	if err != nil {
		return nil, surface{}, element{}, err
	}
	for _, e := range elementsOf(s.blocks()) {
		if e.actionID == p.ActionID && (p.BlockID == "" || e.blockID == p.BlockID) {
			return u, s, e, nil
		}
	}
	return nil, surface{}, element{}, fmt.Errorf("element %q: %w; there are %q", p.ActionID, ErrNotThere, actionIDs(s.blocks()))
}

func (w *Workspace) surfaceOf(u *User, p Press) (surface, error) {
	switch {
	case p.Home:
		if h := w.homes[u.ID]; h != nil {
			return surface{view: h}, nil
		}
		return surface{}, fmt.Errorf("the Home tab of %s: %w", u.Name, ErrNotThere)
	case p.TS == "" && p.Channel == "":
		if v := w.top(u.ID); v != nil {
			return surface{view: v}, nil
		}
		return surface{}, fmt.Errorf("a modal of %s: %w", u.Name, ErrNotThere)
	}
	c, err := w.seen(u, p.Channel)
	if err != nil {
		return surface{}, err
	}
	m := c.find(p.TS)
	if m == nil {
		m = c.findEphemeral(u.ID, p.TS)
	}
	if m == nil {
		return surface{}, fmt.Errorf("message %q: %w", p.TS, ErrNotThere)
	}
	if p.From != nil {
		old := *p.From
		m = &old
	}
	return surface{channel: c, message: m}, nil
}

// Click presses an element and waits for the acknowledgement. See Press for what can be pressed.
func (w *Workspace) Click(ctx context.Context, p Press) Delivery {
	w.mu.Lock()
	u, s, e, err := w.find(p)
	if err == nil {
		err = w.mayPress(e, p)
	}
	var picked Object
	if err == nil {
		picked, err = w.pick(u, s, e, p)
	}
	if err != nil {
		w.mu.Unlock()
		return Delivery{Err: fmt.Errorf("clicking: %w", err)}
	}
	if e.input != nil && e.input["dispatch_action"] != true {
		w.touch()
		w.mu.Unlock()
		return Delivery{Local: true}
	}
	action := w.actionObject(e, picked)
	if p.Value != "" {
		action["value"] = p.Value
	}
	trigger := w.newTrigger(u.ID)
	env := w.interactive(w.blockActions(u, s, action, trigger), false)
	w.mu.Unlock()
	return w.carry(ctx, u.ID, env, trigger)
}

// ClickHome presses a button on the Home tab.
func (w *Workspace) ClickHome(ctx context.Context, user, actionID string) Delivery {
	return w.Click(ctx, Press{User: user, Home: true, ActionID: actionID})
}

// Select picks values in a menu; for an external menu it first types each value as a query, as a person would.
func (w *Workspace) Select(ctx context.Context, p Press) Delivery {
	w.mu.Lock()
	_, s, e, err := w.find(p)
	external := err == nil && strings.HasSuffix(e.kind, "external_select") && s.view != nil && len(s.view.offered[e.key()]) == 0
	w.mu.Unlock()
	if external {
		for _, v := range p.Values {
			if _, d := w.Suggest(ctx, p, v); d.Err != nil {
				return d
			}
		}
	}
	return w.Click(ctx, p)
}

func (w *Workspace) mayPress(e element, p Press) error {
	if _, asks := e.object["confirm"].(Object); asks && !p.Confirmed {
		return fmt.Errorf("element %q: %w", p.ActionID, ErrNeedsConfirm)
	}
	return nil
}

// pick computes what the press chooses and stores it in the surface's state.
func (w *Workspace) pick(u *User, s surface, e element, p Press) (Object, error) {
	if e.kind == "overflow" {
		for _, o := range optionsOf(e.object) {
			if len(p.Values) == 1 && o["value"] == p.Values[0] {
				return Object{"selected_option": o}, nil
			}
		}
		return nil, fmt.Errorf("menu %q: %w", p.ActionID, errNoSuchOption)
	}
	if _, holds := slotOf(e.kind); !holds {
		return nil, nil
	}
	var offered suggestions
	if s.view != nil {
		offered = s.view.offered
	}
	v, err := w.choose(e, anyOf(p.Values), offered)
	if err != nil {
		return nil, err
	}
	s.values(u.ID).set(e.blockID, e.actionID, v)
	return v, nil
}

func anyOf(list []string) any {
	if len(list) == 1 {
		return list[0]
	}
	return list
}

// carry sends an envelope and shows the person what goes wrong.
func (w *Workspace) carry(ctx context.Context, user string, env envelope, trigger string) Delivery {
	payload, err := w.deliver(ctx, env)
	d := Delivery{EnvelopeID: env.id, TriggerID: trigger, Acked: err == nil, AckPayload: nonEmpty(payload), Err: err}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.notice(user, fmt.Sprintf("%s did not respond (%s). Try again.", w.cfg.App.Name, errWord(err)))
	}
	w.touch()
	return d
}

func nonEmpty(payload json.RawMessage) json.RawMessage {
	if s := strings.TrimSpace(string(payload)); s == "" || s == "null" || s == "{}" || s == `""` {
		return nil
	}
	return payload
}

// errWord is Slack's word for a delivery that failed.
func errWord(err error) string {
	for _, known := range []error{ErrOperationTimeout, ErrDispatchFailed} {
		if strings.Contains(err.Error(), known.Error()) {
			return known.Error()
		}
	}
	return "interrupted"
}

func (w *Workspace) notice(user, text string) {
	list := append(w.notices[user], Notice{User: user, Text: text, TS: w.stamp()})
	if len(list) > maxEphemerals {
		list = list[len(list)-maxEphemerals:]
	}
	w.notices[user] = list
	w.touch()
}

// Command types a slash command in a channel: Command(ctx, "ann", "general", "/todo", "list").
func (w *Workspace) Command(ctx context.Context, user, where, name, text string) Delivery {
	w.mu.Lock()
	u, err := w.actor(user)
	var ch *channel
	if err == nil {
		ch, err = w.seen(u, where)
	}
	if err == nil && !slices.ContainsFunc(w.cfg.App.Commands, func(c Command) bool { return c.Name == name }) {
		w.notice(u.ID, name+" is not a valid command.")
		err = fmt.Errorf("%q: %w", name, errCommand)
	}
	if err != nil {
		w.mu.Unlock()
		return Delivery{Err: fmt.Errorf("typing a command: %w", err)}
	}
	trigger := w.newTrigger(u.ID)
	env := envelope{id: w.freshUUID(), kind: "slash_commands", accepts: true, payload: w.commandPayload(u, ch, name, text, trigger)}
	w.mu.Unlock()
	payload, err := w.deliver(ctx, env)
	d := Delivery{EnvelopeID: env.id, TriggerID: trigger, Acked: err == nil, AckPayload: nonEmpty(payload), Err: err}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.notice(u.ID, fmt.Sprintf("%s failed with the error %q.", name, errWord(err)))
		return d
	}
	if d.AckPayload != nil {
		d.Err = w.commandAnswer(u, ch, d.AckPayload)
	}
	w.touch()
	return d
}

// commandAnswer shows what came with the acknowledgement of a command.
func (w *Workspace) commandAnswer(u *User, ch *channel, payload json.RawMessage) error {
	var o Object
	if err := json.Unmarshal(payload, &o); err != nil {
		var s string
		if json.Unmarshal(payload, &s) != nil {
			return fmt.Errorf("%w: %w", ErrBadResponse, err)
		}
		o = Object{"text": s}
	}
	if problem := w.reply(&response{user: u.ID, channel: ch.ID}, o); problem != nil {
		w.notice(u.ID, fmt.Sprintf("The answer could not be shown: %v.", problem["error"]))
		return fmt.Errorf("%w: %s", ErrBadResponse, encode(problem))
	}
	return nil
}

// Shortcut runs a global shortcut.
func (w *Workspace) Shortcut(ctx context.Context, user, callbackID string) Delivery {
	w.mu.Lock()
	u, err := w.actor(user)
	if err != nil {
		w.mu.Unlock()
		return Delivery{Err: fmt.Errorf("running a shortcut: %w", err)}
	}
	trigger := w.newTrigger(u.ID)
	env := w.interactive(w.globalShortcut(u, callbackID, trigger), false)
	w.mu.Unlock()
	return w.carry(ctx, u.ID, env, trigger)
}

// MessageShortcut runs a shortcut from a message's menu.
func (w *Workspace) MessageShortcut(ctx context.Context, user, channel, ts, callbackID string) Delivery {
	w.mu.Lock()
	u, err := w.actor(user)
	var s surface
	if err == nil {
		s, err = w.surfaceOf(u, Press{Channel: channel, TS: ts})
	}
	if err != nil {
		w.mu.Unlock()
		return Delivery{Err: fmt.Errorf("running a shortcut: %w", err)}
	}
	trigger := w.newTrigger(u.ID)
	env := w.interactive(w.messageShortcut(u, s.channel, s.message, callbackID, trigger), false)
	w.mu.Unlock()
	return w.carry(ctx, u.ID, env, trigger)
}

// OpenHome opens the app's Home tab: app_home_opened. It does not wait for the app to publish anything.
func (w *Workspace) OpenHome(_ context.Context, user string) Delivery {
	w.mu.Lock()
	defer w.mu.Unlock()
	u, err := w.actor(user)
	if err != nil {
		return Delivery{Err: fmt.Errorf("opening Home: %w", err)}
	}
	ts := w.stamp()
	ev := Object{"type": "app_home_opened", "user": u.ID, "channel": w.openIM(u).ID, "tab": "home", "event_ts": ts}
	if h := w.homes[u.ID]; h != nil {
		ev["view"] = w.viewObject(h)
	}
	w.touch()
	w.emit("app_home_opened", ev)
	return Delivery{Local: true}
}

// Post writes a message in a channel or direct message; thread is the parent's ts or empty. Delivery.TS names the message.
func (w *Workspace) Post(_ context.Context, user, where, text, thread string) Delivery {
	w.mu.Lock()
	defer w.mu.Unlock()
	u, err := w.actor(user)
	var ch *channel
	if err == nil {
		ch, err = w.seen(u, where)
	}
	switch {
	case err != nil:
	case ch.Archived:
		err = fmt.Errorf("channel %q is archived: %w", ch.Name, ErrNotThere)
	case !ch.has(u.ID):
		err = fmt.Errorf("%s is not in channel %q: %w", u.Name, ch.Name, ErrNotThere)
	case thread != "" && ch.find(thread) == nil:
		err = fmt.Errorf("thread %q: %w", thread, ErrNotThere)
	}
	if err != nil {
		return Delivery{Err: fmt.Errorf("posting: %w", err)}
	}
	m := &Message{
		Channel: ch.ID, TS: w.stamp(), ThreadTS: thread, User: u.ID, Text: w.typed(text), clientID: w.freshUUID(),
	}
	m.Blocks = w.normalise([]any{w.richTyped(text)})
	ch.add(m)
	w.touch()
	w.emitMessage(ch, m)
	return Delivery{Local: true, TS: m.TS}
}

// React puts an emoji on a message.
func (w *Workspace) React(_ context.Context, user, channel, ts, name string) Delivery {
	w.mu.Lock()
	defer w.mu.Unlock()
	u, err := w.actor(user)
	var s surface
	if err == nil {
		s, err = w.surfaceOf(u, Press{Channel: channel, TS: ts})
	}
	if err == nil {
		if code := w.react(s.message, u.ID, name); code != "" {
			err = fmt.Errorf("%s: %w", code, ErrNotThere)
		}
	}
	if err != nil {
		return Delivery{Err: fmt.Errorf("reacting: %w", err)}
	}
	w.touch()
	if w.hasScope("reactions:read", "reactions:write") && s.channel.has(w.cfg.App.BotUserID) {
		w.emit("reaction_added", Object{
			"type": "reaction_added", "user": u.ID, "reaction": name, "item_user": s.message.User, "event_ts": w.stamp(),
			"item": Object{"type": "message", "channel": s.channel.ID, "ts": ts},
		})
	}
	return Delivery{Local: true}
}

// MarkRead remembers that the user has seen the channel up to its latest message.
func (w *Workspace) MarkRead(userRef, channelRef string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	u, c := w.findUser(userRef), w.findChannel(channelRef)
	if u == nil || c == nil || len(c.messages) == 0 {
		return
	}
	latest := c.messages[len(c.messages)-1].TS
	if c.read[u.ID] < latest {
		c.read = maps.Clone(c.read)
		c.read[u.ID] = latest
		w.touch()
	}
}
