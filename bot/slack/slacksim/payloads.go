package slacksim

// This file draws the payloads exactly as Slack draws them; payloads_test.go compares them with recorded ones.

// actorTeam is the team a user acts from; people from the other side of a shared channel act from theirs.
func (w *Workspace) actorTeam(user string) string {
	if u := w.findUserID(user); u != nil {
		return u.TeamID
	}
	return w.cfg.Team.ID
}

func (w *Workspace) teamRef(u *User) Object {
	if u.TeamID != w.cfg.Team.ID {
		return Object{"id": u.TeamID, "domain": "other-side"}
	}
	return Object{"id": w.cfg.Team.ID, "domain": w.cfg.Team.Domain}
}

func userRef(u *User) Object {
	return Object{"id": u.ID, "username": u.Name, "name": u.Name, "team_id": u.TeamID}
}

func channelRef(c *channel) Object {
	name := c.Name
	switch c.kind() {
	case "im":
		name = "directmessage"
	case "group", "mpim":
		name = "privategroup"
	}
	return Object{"id": c.ID, "name": name}
}

// interaction is what all interactive payloads begin with.
func (w *Workspace) interaction(kind string, u *User) Object {
	return Object{
		"type": kind, "user": userRef(u), "api_app_id": w.cfg.App.ID, "token": w.cfg.App.VerifyToken, "team": w.teamRef(u),
		"is_enterprise_install": false,
	}
}

func (w *Workspace) interactive(payload Object, accepts bool) envelope {
	return envelope{id: w.freshUUID(), kind: "interactive", payload: payload, accepts: accepts}
}

func (w *Workspace) commandPayload(u *User, ch *channel, name, text, trigger string) Object {
	return Object{
		"token": w.cfg.App.VerifyToken, "team_id": u.TeamID, "team_domain": w.teamRef(u)["domain"], "channel_id": ch.ID,
		"channel_name": channelRef(ch)["name"], "user_id": u.ID, "user_name": u.Name, "command": name, "text": text,
		"api_app_id": w.cfg.App.ID, "is_enterprise_install": "false",
		"response_url": w.responseURL("commands", u.ID, ch.ID, ""), "trigger_id": trigger,
	}
}

// actionObject is one entry of block_actions' actions: the element without its options, and what was picked.
func (w *Workspace) actionObject(e element, picked Object) Object {
	a := Object{"action_id": e.actionID, "block_id": e.blockID, "type": e.kind, "action_ts": w.stamp()}
	for _, k := range []string{"text", "value", "style", "confirm", "url", "placeholder", "workflow"} {
		if v, found := e.object[k]; found {
			a[k] = v
		}
	}
	for k, v := range picked {
		a[k] = v
	}
	return a
}

func (w *Workspace) blockActions(u *User, s surface, action Object, trigger string) Object {
	p := w.interaction("block_actions", u)
	p["trigger_id"], p["container"], p["actions"] = trigger, s.container(), []any{action}
	p["state"] = Object{"values": s.values(u.ID).plainObject()}
	if s.view != nil {
		p["view"] = w.viewObject(s.view)
		if s.view.kind == "modal" {
			delete(p, "state") // the state is in the view
		}
		return p
	}
	p["channel"] = channelRef(s.channel)
	p["response_url"] = w.responseURL("actions", u.ID, s.channel.ID, s.message.TS)
	if !s.message.Ephemeral {
		p["message"] = w.payloadMessage(s.channel, s.message)
	}
	return p
}

// payloadMessage is the message inside block_actions and message_action.
func (w *Workspace) payloadMessage(ch *channel, m *Message) Object {
	o := w.messageObject(m, true)
	delete(o, "bot_profile")
	delete(o, "metadata")
	if m.clientID != "" {
		o["client_msg_id"] = m.clientID
	}
	if m.ThreadTS != "" && m.ThreadTS != m.TS {
		if parent := ch.find(m.ThreadTS); parent != nil {
			o["parent_user_id"] = parent.User
		}
	}
	return o
}

func (w *Workspace) viewSubmission(u *User, v *view, trigger string) Object {
	p := w.interaction("view_submission", u)
	p["trigger_id"], p["view"] = trigger, w.viewObject(v)
	urls := []any{}
	for _, e := range elementsOf(v.blocks) {
		if e.object["response_url_enabled"] != true {
			continue
		}
		s, _ := slotOf(e.kind)
		if id, _ := v.state[e.blockID][e.actionID][s.key].(string); id != "" {
			urls = append(urls, Object{
				"block_id": e.blockID, "action_id": e.actionID, "channel_id": id, "response_url": w.responseURL("app", u.ID, id, ""),
			})
		}
	}
	p["response_urls"] = urls
	return p
}

func (w *Workspace) viewClosed(u *User, v *view, cleared bool) Object {
	p := w.interaction("view_closed", u)
	o := w.viewObject(v)
	o["state"] = Object{"values": Object{}}
	p["view"], p["is_cleared"] = o, cleared
	return p
}

func (w *Workspace) globalShortcut(u *User, callback, trigger string) Object {
	return Object{
		"type": "shortcut", "token": w.cfg.App.VerifyToken, "action_ts": w.stamp(), "team": w.teamRef(u),
		"user":        Object{"id": u.ID, "username": u.Name, "team_id": u.TeamID},
		"callback_id": callback, "trigger_id": trigger, "is_enterprise_install": false,
	}
}

func (w *Workspace) messageShortcut(u *User, ch *channel, m *Message, callback, trigger string) Object {
	return Object{
		"type": "message_action", "token": w.cfg.App.VerifyToken, "action_ts": w.stamp(), "team": w.teamRef(u),
		"user": Object{"id": u.ID, "name": u.Name, "username": u.Name, "team_id": u.TeamID}, "channel": channelRef(ch),
		"callback_id": callback, "trigger_id": trigger, "message_ts": m.TS, "message": w.payloadMessage(ch, m),
		"response_url": w.responseURL("app", u.ID, ch.ID, m.TS), "is_enterprise_install": false,
	}
}

func (w *Workspace) suggestion(u *User, s surface, e element, query string) Object {
	p := w.interaction("block_suggestion", u)
	p["container"], p["action_id"], p["block_id"], p["value"] = s.container(), e.actionID, e.blockID, query
	if s.view != nil {
		p["view"] = w.viewObject(s.view)
		return p
	}
	p["channel"] = channelRef(s.channel)
	if !s.message.Ephemeral {
		p["message"] = w.payloadMessage(s.channel, s.message)
	}
	return p
}

// eventCallback wraps an event as the Events API does.
func (w *Workspace) eventCallback(ev Object) Object {
	kind, _ := ev["type"].(string)
	shared := false
	where := ""
	if id, ok := ev["channel"].(string); ok {
		where = "-" + id
		if ch := w.channels[id]; ch != nil {
			shared = ch.ExtShared
		}
	}
	return Object{
		"token": w.cfg.App.VerifyToken, "team_id": w.cfg.Team.ID, "api_app_id": w.cfg.App.ID, "event": ev, "type": "event_callback",
		"event_id": "Ev" + w.freshID(""), "event_time": w.now().Unix(),
		"authorizations": []any{Object{
			"enterprise_id": nil, "team_id": w.cfg.Team.ID, "user_id": w.cfg.App.BotUserID, "is_bot": true, "is_enterprise_install": false,
		}},
		"is_ext_shared_channel": shared,
		"event_context":         "1-" + kind + "-" + w.cfg.Team.ID + where,
	}
}
