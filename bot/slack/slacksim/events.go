package slacksim

import (
	"fmt"
	"slices"
	"strings"
)

// SetUser changes an account (rename it, make it a guest, deactivate it …) and tells the app with user_change. The id stays.
func (w *Workspace) SetUser(ref string, change func(*User)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	u := w.findUser(ref)
	if u == nil {
		return fmt.Errorf("changing user %q: %w", ref, ErrNotThere)
	}
	id := u.ID
	change(u)
	u.ID, u.updated = id, w.now().Unix()
	if u.Deleted {
		delete(w.stacks, id) // signed out: no modal stays open
	}
	w.touch()
	w.emit("user_change", Object{"type": "user_change", "user": w.userEvent(u), "cache_ts": w.now().Unix(), "event_ts": w.stamp()})
	return nil
}

// userEvent is the longer form of a user in events.
func (w *Workspace) userEvent(u *User) Object {
	o := w.userObject(u, true)
	if p, ok := o["profile"].(Object); ok {
		p["fields"] = Object{}
	}
	return o
}

// AddUser lets somebody join and tells the app with team_join.
func (w *Workspace) AddUser(u User) (User, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	added, err := w.addUser(u)
	if err != nil {
		return User{}, fmt.Errorf("adding a user: %w", err)
	}
	w.touch()
	w.emit("team_join", Object{"type": "team_join", "user": w.userEvent(added), "cache_ts": w.now().Unix(), "event_ts": w.stamp()})
	return *added, nil
}

// SetGroup gives a user group these members and tells the app with subteam_members_changed and subteam_updated.
func (w *Workspace) SetGroup(ref string, members ...string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	g := w.findGroup(ref)
	if g == nil {
		return fmt.Errorf("changing group %q: %w", ref, ErrNotThere)
	}
	ids, err := w.memberIDs(members)
	if err != nil {
		return fmt.Errorf("changing group %q: %w", ref, err)
	}
	added, removed := without(ids, g.Members), without(g.Members, ids)
	before := g.updated
	g.Members, g.updated = ids, w.now().Unix()
	w.touch()
	w.emit("subteam_members_changed", Object{
		"type": "subteam_members_changed", "subteam_id": g.ID, "team_id": w.cfg.Team.ID, "date_previous_update": before, "date_update": g.updated,
		"added_users": anyList(added), "added_users_count": len(added), "removed_users": anyList(removed), "removed_users_count": len(removed),
		"event_ts": w.stamp(),
	})
	w.emit("subteam_updated", Object{"type": "subteam_updated", "subteam": w.groupObject(g), "event_ts": w.stamp()})
	return nil
}

func without(list, gone []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(gone, s) })
}

// ArchiveChannel archives a channel in a user's name.
func (w *Workspace) ArchiveChannel(ref, byUser string) error {
	return w.changeChannel(ref, func(c *channel) {
		c.Archived = true
		by := ""
		if u := w.findUser(byUser); u != nil {
			by = u.ID
		}
		kind := "channel_archive"
		if c.Private {
			kind = "group_archive"
		}
		w.emit(kind, Object{"type": kind, "channel": c.ID, "user": by, "is_moved": 0, "event_ts": w.stamp()})
	})
}

// ShareChannel marks a channel as shared with another organisation and tells the app with channel_shared.
func (w *Workspace) ShareChannel(ref string) error {
	return w.changeChannel(ref, func(c *channel) {
		c.ExtShared = true
		w.emit("channel_shared", Object{
			"type": "channel_shared", "connected_team_id": w.stableID("T", "other side"), "channel": c.ID, "event_ts": w.stamp(),
		})
	})
}

// Join puts a user (or the app's bot user) into a channel.
func (w *Workspace) Join(userRef, channelRef string) error {
	return w.member(userRef, channelRef, "member_joined_channel")
}

// Leave takes a user (or the app's bot user) out of a channel.
func (w *Workspace) Leave(userRef, channelRef string) error {
	return w.member(userRef, channelRef, "member_left_channel")
}

func (w *Workspace) member(userRef, channelRef, event string) error {
	return w.changeChannel(channelRef, func(c *channel) {
		u := w.findUser(userRef)
		if u == nil || c.has(u.ID) == (event == "member_joined_channel") {
			return
		}
		if event == "member_joined_channel" {
			c.Members = append(slices.Clone(c.Members), u.ID)
		} else {
			c.Members = without(c.Members, []string{u.ID})
		}
		w.emit(event, Object{
			"type": event, "user": u.ID, "channel": c.ID, "channel_type": strings.ToUpper(c.kind()[:1]), "team": w.cfg.Team.ID, "event_ts": w.stamp(),
		})
	})
}

func (w *Workspace) changeChannel(ref string, change func(*channel)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.findChannel(ref)
	if c == nil {
		return fmt.Errorf("changing channel %q: %w", ref, ErrNotThere)
	}
	change(c)
	w.touch()
	return nil
}

// RevokeTokens tells the app with tokens_revoked and makes every later call answer token_revoked.
func (w *Workspace) RevokeTokens() {
	w.mu.Lock()
	w.emit("tokens_revoked", Object{
		"type": "tokens_revoked", "tokens": Object{"oauth": []any{}, "bot": []any{w.cfg.App.BotUserID}},
	})
	w.revoked = true
	w.mu.Unlock()
}

// Uninstall removes the app: app_uninstalled, revoked tokens, closed connections.
func (w *Workspace) Uninstall() {
	w.mu.Lock()
	w.emit("app_uninstalled", Object{"type": "app_uninstalled"})
	w.mu.Unlock()
	w.RevokeTokens()
	w.sayGoodbye(string(FaultLinkDisabled), 0)
}

// emitMessage tells the app about a message in a conversation it is in and may read.
func (w *Workspace) emitMessage(c *channel, m *Message) {
	if !w.hears(c) {
		return
	}
	ev := w.messageObject(m, true)
	delete(ev, "metadata")
	ev["channel"], ev["channel_type"], ev["event_ts"] = c.ID, c.kind(), m.TS
	if m.clientID != "" {
		ev["client_msg_id"] = m.clientID
	}
	if m.Subtype != "" {
		ev["subtype"] = m.Subtype
	}
	w.emit(w.messageKind(c), ev)
	if m.BotID == "" && c.im == "" && strings.Contains(m.Text, "<@"+w.cfg.App.BotUserID+">") && w.subscribed("app_mention") {
		mention := Object{}
		for _, k := range []string{"user", "text", "ts", "team", "blocks", "channel", "event_ts", "client_msg_id", "thread_ts"} {
			if v, found := ev[k]; found {
				mention[k] = v
			}
		}
		mention["type"] = "app_mention"
		w.emit("app_mention", mention)
	}
}

func (w *Workspace) emitMessageChanged(c *channel, m *Message) {
	if !w.hears(c) {
		return
	}
	inner := w.messageObject(m, true)
	w.emit(w.messageKind(c), Object{
		"type": "message", "subtype": "message_changed", "channel": c.ID, "channel_type": c.kind(), "hidden": true, "ts": m.EditedTS,
		"event_ts": m.EditedTS, "message": inner, "previous_message": inner,
	})
}

func (w *Workspace) hears(c *channel) bool {
	scope := map[string]string{"channel": "channels", "group": "groups", "im": "im", "mpim": "mpim"}[c.kind()] + ":history"
	return c.has(w.cfg.App.BotUserID) && w.hasScope(scope)
}

// messageKind is the name of a message event in subscriptions, where each kind of conversation has its own.
func (w *Workspace) messageKind(c *channel) string {
	if slices.Contains(w.cfg.App.Events, "message") {
		return "message"
	}
	return map[string]string{"channel": "message.channels", "group": "message.groups", "im": "message.im", "mpim": "message.mpim"}[c.kind()]
}
