package slacksim

import (
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// draft is what the chat methods and response_urls have in common: checked content, not yet a message.
type draft struct {
	text        string
	blocks      []Object
	hasBlocks   bool
	attachments []Object
	metadata    Object
}

// readDraft checks the content of a message. most is the longest text; longer is cut where cut is set, else refused.
func (w *Workspace) readDraft(c *call, most int, cut bool) (draft, Object) {
	d := draft{text: c.str("text"), hasBlocks: c.has("blocks") && c.args["blocks"] != nil && c.args["blocks"] != ""}
	if utf8.RuneCountInString(d.text) > most {
		if !cut {
			return d, fail("msg_too_long")
		}
		d.text = string([]rune(d.text)[:most])
	}
	raw, ok := c.value("blocks")
	list, isList := asList(raw)
	if !ok || !isList {
		return d, fail("invalid_blocks_format")
	}
	if problems := w.rules.checkBlocks(list, maxMessageBlocks, "/blocks", nil).messages; len(problems) > 0 {
		return d, failWith("invalid_blocks", problems)
	}
	if md := c.str("markdown_text"); md != "" {
		if d.text != "" || len(list) > 0 {
			return d, fail("markdown_text_conflict")
		}
		d.text = md
	}
	if problem := d.readExtras(c); problem != nil {
		return d, problem
	}
	if d.text == "" && len(list) == 0 && len(d.attachments) == 0 {
		return d, fail("no_text")
	}
	d.blocks = w.normalise(list)
	return d, nil
}

func (d *draft) readExtras(c *call) Object {
	raw, ok := c.value("attachments")
	list, isList := asList(raw)
	if !ok || !isList {
		return fail("invalid_attachments")
	}
	if len(list) > maxAttachments {
		return fail("too_many_attachments")
	}
	d.attachments = objects(list)
	meta, ok := c.value("metadata")
	if !ok {
		return fail("invalid_metadata_format")
	}
	if meta != nil {
		m, isObject := meta.(Object)
		kind, _ := m["event_type"].(string)
		payload, hasPayload := m["event_payload"].(Object)
		if !isObject || kind == "" || !hasPayload {
			return fail("invalid_metadata_format")
		}
		if len(encode(m)) > maxMetadataBytes {
			return fail("metadata_too_large")
		}
		d.metadata = Object{"event_type": kind, "event_payload": payload}
	}
	return nil
}

// target resolves the channel argument for posting: a channel, a direct message, or a user to write to.
func (w *Workspace) target(ref string) (*channel, string) {
	if u := w.findUserID(ref); u != nil && !u.Deleted && u.ID != w.cfg.App.BotUserID {
		return w.openIM(u), ""
	}
	c := w.findChannel(ref)
	switch {
	case c == nil, c.Private && !c.has(w.cfg.App.BotUserID):
		return nil, "channel_not_found"
	case c.Archived:
		return nil, "is_archived"
	case !c.has(w.cfg.App.BotUserID) && !w.hasScope("chat:write.public"):
		return nil, "not_in_channel"
	}
	return c, ""
}

func (w *Workspace) findUserID(id string) *User {
	i := slices.IndexFunc(w.users, func(u *User) bool { return u.ID == id })
	if i < 0 {
		return nil
	}
	return w.users[i]
}

func chatPostMessage(c *call) Object {
	w := c.w
	ch, code := w.target(c.str("channel"))
	if code != "" {
		return fail(code)
	}
	d, problem := w.readDraft(c, maxPostText, true)
	if problem != nil {
		return problem
	}
	m := w.botMessage(ch, d)
	if problem := w.intoThread(ch, m, c.str("thread_ts"), c.bool("reply_broadcast")); problem != nil {
		return problem
	}
	ch.add(m)
	w.touch()
	w.emitMessage(ch, m)
	return Object{"ok": true, "channel": ch.ID, "ts": m.TS, "message": w.messageObject(m, true)}
}

func (w *Workspace) intoThread(ch *channel, m *Message, thread string, broadcast bool) Object {
	if thread == "" {
		return nil
	}
	if !validTS(thread) || ch.find(thread) == nil {
		return fail("cannot_reply_to_message")
	}
	if parent := ch.find(thread); parent.ThreadTS != "" && parent.ThreadTS != thread {
		thread = parent.ThreadTS
	}
	m.ThreadTS, m.Broadcast = thread, broadcast
	return nil
}

func (w *Workspace) botMessage(ch *channel, d draft) *Message {
	return &Message{
		Channel: ch.ID, TS: w.stamp(), User: w.cfg.App.BotUserID, BotID: w.cfg.App.BotID, AppID: w.cfg.App.ID,
		Text: d.text, Blocks: d.blocks, Attachments: d.attachments, Metadata: d.metadata,
	}
}

// found resolves channel and ts for the methods that change a message.
func (c *call) found(tsName string) (*channel, *Message, Object) {
	ch := c.w.findChannel(c.str("channel"))
	if ch == nil || (ch.Private && !ch.has(c.w.cfg.App.BotUserID)) {
		return nil, nil, fail("channel_not_found")
	}
	m := ch.find(c.str(tsName))
	if m == nil {
		return ch, nil, fail("message_not_found")
	}
	return ch, m, nil
}

func chatUpdate(c *call) Object {
	w := c.w
	ch, m, problem := c.found("ts")
	if problem != nil {
		return problem
	}
	switch {
	case m.BotID != w.cfg.App.BotID:
		return fail("cant_update_message")
	case ch.Archived:
		return fail("is_inactive")
	}
	d, problem := w.readDraft(c, maxUpdateText, false)
	if problem != nil {
		return problem
	}
	w.rewrite(m, d)
	w.touch()
	w.emitMessageChanged(ch, m)
	msg := w.messageObject(m, false)
	return Object{"ok": true, "channel": ch.ID, "ts": m.TS, "text": m.Text, "message": msg}
}

// rewrite replaces a message's content. Leaving blocks out keeps the old ones, buttons included, as Slack does.
func (w *Workspace) rewrite(m *Message, d draft) {
	m.Text, m.EditedTS = d.text, w.stamp()
	if d.hasBlocks {
		m.Blocks = d.blocks
	}
	if d.attachments != nil {
		m.Attachments = d.attachments
	}
	if d.metadata != nil {
		m.Metadata = d.metadata
	}
	m.state = nil
}

func chatDelete(c *call) Object {
	ch, m, problem := c.found("ts")
	if problem != nil {
		return problem
	}
	if m.BotID != c.w.cfg.App.BotID {
		return fail("cant_delete_message")
	}
	ch.remove(m.TS)
	c.w.touch()
	return Object{"ok": true, "channel": ch.ID, "ts": m.TS}
}

func chatPostEphemeral(c *call) Object {
	w := c.w
	ch := w.findChannel(c.str("channel"))
	u := w.findUserID(c.str("user"))
	switch {
	case ch == nil || (ch.Private && !ch.has(w.cfg.App.BotUserID)):
		return fail("channel_not_found")
	case ch.Archived:
		return fail("is_archived")
	case !ch.has(w.cfg.App.BotUserID):
		return fail("not_in_channel")
	case u == nil || u.Deleted || !ch.has(u.ID):
		return fail("user_not_in_channel")
	}
	d, problem := w.readDraft(c, maxUpdateText, false)
	if problem != nil {
		return problem
	}
	m := w.ephemeral(ch, u.ID, d)
	m.ThreadTS = c.str("thread_ts")
	return Object{"ok": true, "message_ts": m.TS}
}

func (w *Workspace) ephemeral(ch *channel, user string, d draft) *Message {
	m := w.botMessage(ch, d)
	m.Ephemeral, m.For = true, user
	ch.addEphemeral(m)
	w.touch()
	return m
}

func chatGetPermalink(c *call) Object {
	ch, m, problem := c.found("message_ts")
	if problem != nil {
		return problem
	}
	return Object{"ok": true, "channel": ch.ID, "permalink": c.w.permalink(ch, m)}
}

// permalink is the address of a message. It leads to the simulator's page, which is where the message can be seen.
func (w *Workspace) permalink(ch *channel, m *Message) string {
	link := w.base + "/archives/" + ch.ID + "/p" + strings.ReplaceAll(m.TS, ".", "")
	if m.ThreadTS != "" && m.ThreadTS != m.TS {
		link += "?" + url.Values{"thread_ts": {m.ThreadTS}, "cid": {ch.ID}}.Encode()
	}
	return link
}

func reactionsAdd(c *call) Object {
	w := c.w
	name := strings.Trim(strings.TrimSpace(c.str("name")), ":")
	if !validTS(c.str("timestamp")) {
		return fail("bad_timestamp")
	}
	ch, m, problem := c.found("timestamp")
	if problem != nil {
		return problem
	}
	if name == "" || strings.ContainsAny(name, " <>&") {
		return fail("invalid_name")
	}
	if ch.Archived {
		return fail("is_archived")
	}
	if code := w.react(m, w.cfg.App.BotUserID, name); code != "" {
		return fail(code)
	}
	w.touch()
	return Object{"ok": true}
}

func (w *Workspace) react(m *Message, user, name string) string {
	if slices.Contains(m.Reactions[name], user) {
		return "already_reacted"
	}
	if len(m.Reactions) >= maxReactions {
		return "too_many_emoji"
	}
	if m.Reactions == nil {
		m.Reactions = map[string][]string{}
	}
	m.Reactions[name] = append(m.Reactions[name], user)
	return ""
}

// messageObject is a message in the form of Web API answers. fresh is the shorter form of chat.postMessage.
func (w *Workspace) messageObject(m *Message, fresh bool) Object {
	o := Object{"type": "message", "user": m.User, "text": m.Text, "team": w.cfg.Team.ID}
	if fresh {
		o["ts"] = m.TS
		if m.ThreadTS != "" {
			o["thread_ts"] = m.ThreadTS
		}
	}
	if m.BotID != "" {
		o["bot_id"], o["app_id"], o["bot_profile"] = m.BotID, m.AppID, w.botProfile()
	}
	if len(m.Blocks) > 0 {
		o["blocks"] = anyList(m.Blocks)
	}
	if len(m.Attachments) > 0 {
		o["attachments"] = anyList(m.Attachments)
	}
	if m.Metadata != nil {
		o["metadata"] = m.Metadata
	}
	if m.EditedTS != "" {
		o["edited"] = Object{"user": m.User, "ts": m.EditedTS}
	}
	return o
}

func (w *Workspace) botProfile() Object {
	a := w.cfg.App
	return Object{
		"id": a.BotID, "app_id": a.ID, "name": a.Name, "deleted": false, "updated": w.cfg.Clock().Unix(), "team_id": w.cfg.Team.ID,
		"icons": w.botIcons(),
	}
}

func (w *Workspace) botIcons() Object {
	return Object{"image_36": w.base + "/assets/bot.svg", "image_48": w.base + "/assets/bot.svg", "image_72": w.base + "/assets/bot.svg"}
}
