package slacksim

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

func conversationsOpen(c *call) Object {
	w := c.w
	if ref := c.str("channel"); ref != "" {
		ch := w.findChannel(ref)
		if ch == nil || ch.im == "" {
			return fail("channel_not_found")
		}
		return Object{"ok": true, "no_op": true, "already_open": true, "channel": w.imObject(ch, c.bool("return_im"))}
	}
	ids := strings.FieldsFunc(c.str("users"), func(r rune) bool { return r == ',' || r == ' ' })
	switch {
	case len(ids) == 0:
		return fail("users_list_not_supplied")
	case len(ids) > maxMPIMUsers:
		return fail("too_many_users")
	}
	for _, id := range ids {
		u := w.findUserID(id)
		switch {
		case u == nil:
			return fail("user_not_found")
		case u.Deleted:
			return fail("user_disabled")
		case u.ID == w.cfg.App.BotUserID:
			return fail("invalid_user_combination")
		}
	}
	if len(ids) > 1 {
		return w.openMPIM(ids)
	}
	_, open := w.channels[w.stableID("D", ids[0])]
	ch := w.openIM(w.findUserID(ids[0]))
	w.touch()
	out := Object{"ok": true, "channel": w.imObject(ch, c.bool("return_im"))}
	if open {
		out["no_op"], out["already_open"] = true, true
	}
	return out
}

func (w *Workspace) openMPIM(ids []string) Object {
	slices.Sort(ids)
	id := w.stableID("C", "mpim "+strings.Join(ids, " "))
	if w.channels[id] == nil {
		w.channels[id] = &channel{
			Channel: Channel{ID: id, Name: "mpdm-" + strings.ToLower(id), Members: append(ids, w.cfg.App.BotUserID)},
			mpim:    true, created: w.now().Unix(), read: map[string]string{}, ephemeral: map[string][]*Message{},
		}
		w.order = append(w.order, id)
		w.touch()
	}
	return Object{"ok": true, "channel": Object{"id": id}}
}

func (w *Workspace) imObject(ch *channel, full bool) Object {
	if !full {
		return Object{"id": ch.ID}
	}
	return Object{
		"id": ch.ID, "created": ch.created, "is_im": true, "is_org_shared": false, "user": ch.im, "is_archived": false,
		"is_open": true, "last_read": "0000000000.000000", "unread_count": 0, "unread_count_display": 0, "priority": 0,
		"context_team_id": w.cfg.Team.ID, "updated": ch.created * 1000,
	}
}

// readable resolves the channel argument of the reading methods and checks the scope its kind of channel needs.
func (c *call) readable(verb string) (*channel, Object) {
	w := c.w
	ch := w.findChannel(c.str("channel"))
	if ch == nil || (ch.kind() != "channel" && !ch.has(w.cfg.App.BotUserID)) {
		return nil, fail("channel_not_found")
	}
	scope := map[string]string{"channel": "channels:", "group": "groups:", "im": "im:", "mpim": "mpim:"}[ch.kind()] + verb
	if !w.hasScope(scope) {
		return nil, w.missingScope(scope)
	}
	return ch, nil
}

func conversationsInfo(c *call) Object {
	ch, problem := c.readable("read")
	if problem != nil {
		return problem
	}
	o := c.w.channelObject(ch)
	if c.bool("include_num_members") {
		o["num_members"] = len(ch.Members)
	}
	if c.bool("include_locale") {
		o["locale"] = "en-US"
	}
	return Object{"ok": true, "channel": o}
}

func (w *Workspace) channelObject(ch *channel) Object {
	team := w.cfg.Team.ID
	if ch.im != "" {
		return w.imObject(ch, true)
	}
	o := Object{
		"id": ch.ID, "name": ch.Name, "name_normalized": ch.Name, "is_channel": !ch.Private, "is_group": ch.Private, "is_im": false,
		"is_mpim": ch.mpim, "is_private": ch.Private || ch.mpim, "created": ch.created, "updated": ch.created * 1000,
		"is_archived": ch.Archived, "is_general": ch.Name == "general", "unlinked": 0, "is_shared": ch.ExtShared, "is_org_shared": false,
		"is_pending_ext_shared": false, "pending_shared": []any{}, "pending_connected_team_ids": []any{}, "context_team_id": team,
		"creator": w.users[0].ID, "is_ext_shared": ch.ExtShared, "shared_team_ids": []any{team}, "is_member": ch.has(w.cfg.App.BotUserID),
		"topic":          Object{"value": ch.Topic, "creator": w.users[0].ID, "last_set": ch.created},
		"purpose":        Object{"value": "", "creator": "", "last_set": 0},
		"previous_names": []any{}, "properties": Object{},
	}
	if ch.ExtShared {
		others := []any{w.stableID("T", "other side")}
		o["connected_team_ids"], o["internal_team_ids"], o["conversation_host_id"] = others, []any{team}, team
		o["shared_team_ids"] = append([]any{team}, others...)
	}
	return o
}

func conversationsMembers(c *call) Object {
	ch, problem := c.readable("read")
	if problem != nil {
		return problem
	}
	part, next, code := page(c, ch.Members, maxPage)
	if code != "" {
		return fail(code)
	}
	return Object{"ok": true, "members": anyList(part), "response_metadata": Object{"next_cursor": next}}
}

func conversationsList(c *call) Object {
	w := c.w
	types := strings.Split(orString(c.str("types"), "public_channel"), ",")
	names := map[string]string{"public_channel": "channel", "private_channel": "group", "im": "im", "mpim": "mpim"}
	scopes := map[string]string{"public_channel": "channels:read", "private_channel": "groups:read", "im": "im:read", "mpim": "mpim:read"}
	var kinds []string
	for _, t := range types {
		kind, known := names[strings.TrimSpace(t)]
		if !known {
			return fail("invalid_types")
		}
		if s := scopes[strings.TrimSpace(t)]; !w.hasScope(s) {
			return w.missingScope(s)
		}
		kinds = append(kinds, kind)
	}
	var list []any
	for _, id := range w.order {
		ch := w.channels[id]
		hidden := ch.kind() != "channel" && !ch.has(w.cfg.App.BotUserID)
		if slices.Contains(kinds, ch.kind()) && !hidden && !(ch.Archived && c.bool("exclude_archived")) {
			o := w.channelObject(ch)
			o["num_members"] = len(ch.Members)
			list = append(list, o)
		}
	}
	part, next, code := page(c, list, maxPage)
	if code != "" {
		return fail(code)
	}
	return Object{"ok": true, "channels": append([]any{}, part...), "response_metadata": Object{"next_cursor": next}}
}

// window keeps the messages the oldest, latest and inclusive arguments ask for.
func (c *call) window(list []*Message) ([]*Message, string) {
	oldest, latest, inclusive := c.str("oldest"), c.str("latest"), c.bool("inclusive")
	if oldest != "" && oldest != "0" && !validTS(oldest) {
		return nil, "invalid_ts_oldest"
	}
	if latest != "" && latest != "now" && !validTS(latest) {
		return nil, "invalid_ts_latest"
	}
	if latest == "now" {
		latest = ""
	}
	keep := func(m *Message) bool {
		if inclusive && (m.TS == oldest || m.TS == latest) {
			return true
		}
		return m.TS > oldest && (latest == "" || m.TS < latest)
	}
	return slices.DeleteFunc(slices.Clone(list), func(m *Message) bool { return !keep(m) }), ""
}

func conversationsHistory(c *call) Object {
	ch, problem := c.readable("history")
	if problem != nil {
		return problem
	}
	if !ch.has(c.w.cfg.App.BotUserID) {
		return fail("not_in_channel")
	}
	list := slices.DeleteFunc(slices.Clone(ch.messages), func(m *Message) bool {
		return m.ThreadTS != "" && m.ThreadTS != m.TS && !m.Broadcast
	})
	slices.SortFunc(list, func(a, b *Message) int { return cmp.Compare(b.TS, a.TS) })
	return c.messagePage(ch, list)
}

func conversationsReplies(c *call) Object {
	ch, problem := c.readable("history")
	if problem != nil {
		return problem
	}
	parent := ch.find(c.str("ts"))
	if parent == nil {
		return fail("thread_not_found")
	}
	thread := orString(parent.ThreadTS, parent.TS)
	list := slices.DeleteFunc(slices.Clone(ch.messages), func(m *Message) bool { return m.TS != thread && m.ThreadTS != thread })
	return c.messagePage(ch, list)
}

func (c *call) messagePage(ch *channel, list []*Message) Object {
	list, code := c.window(list)
	if code != "" {
		return fail(code)
	}
	part, next, code := page(c, list, maxPage-1)
	if code != "" {
		return fail(code)
	}
	out := []any{}
	for _, m := range part {
		out = append(out, c.w.historyObject(ch, m, c.bool("include_all_metadata")))
	}
	return Object{
		"ok": true, "messages": out, "has_more": next != "", "pin_count": 0, "response_metadata": Object{"next_cursor": next},
	}
}

func (w *Workspace) historyObject(ch *channel, m *Message, metadata bool) Object {
	o := w.messageObject(m, true)
	if !metadata {
		delete(o, "metadata")
	}
	if m.Subtype != "" {
		o["subtype"] = m.Subtype
	}
	var users []string
	count, latest := 0, ""
	for _, r := range ch.messages {
		if r.ThreadTS == m.TS && r.TS != m.TS {
			count, latest = count+1, r.TS
			if !slices.Contains(users, r.User) {
				users = append(users, r.User)
			}
		}
	}
	if count > 0 {
		o["thread_ts"], o["reply_count"], o["reply_users_count"], o["latest_reply"] = m.TS, count, len(users), latest
		o["reply_users"], o["is_locked"], o["subscribed"] = anyList(users), false, false
	}
	if m.ThreadTS != "" && m.ThreadTS != m.TS {
		if parent := ch.find(m.ThreadTS); parent != nil {
			o["parent_user_id"] = parent.User
		}
	}
	if len(m.Reactions) > 0 {
		var list []any
		for _, name := range slices.Sorted(maps.Keys(m.Reactions)) {
			list = append(list, Object{"name": name, "users": anyList(m.Reactions[name]), "count": len(m.Reactions[name])})
		}
		o["reactions"] = list
	}
	return o
}

func conversationsJoin(c *call) Object {
	w := c.w
	ch := w.findChannel(c.str("channel"))
	switch {
	case ch == nil || ch.Private:
		return fail("channel_not_found")
	case ch.im != "" || ch.mpim:
		return fail("method_not_supported_for_channel_type")
	case ch.Archived:
		return fail("is_archived")
	}
	out := Object{"ok": true}
	if ch.has(w.cfg.App.BotUserID) {
		out["warning"], out["response_metadata"] = "already_in_channel", Object{"warnings": []any{"already_in_channel"}}
	} else {
		ch.Members = append(slices.Clone(ch.Members), w.cfg.App.BotUserID)
		w.touch()
	}
	out["channel"] = w.channelObject(ch)
	return out
}
