package slacksim

import (
	"slices"
	"strings"
	"time"
)

func authTest(c *call) Object {
	a, t := c.w.cfg.App, c.w.cfg.Team
	bot := c.w.findUserID(a.BotUserID)
	return Object{
		"ok": true, "url": c.base + "/", "team": t.Name, "user": bot.Name, "team_id": t.ID, "user_id": a.BotUserID, "bot_id": a.BotID,
		"is_enterprise_install": false,
	}
}

func teamInfo(c *call) Object {
	t := c.w.cfg.Team
	return Object{"ok": true, "team": Object{
		"id": t.ID, "name": t.Name, "domain": t.Domain, "email_domain": "", "url": c.base + "/", "is_verified": false,
		"icon": Object{"image_34": c.base + "/assets/team.svg", "image_68": c.base + "/assets/team.svg", "image_default": true},
	}}
}

func botsInfo(c *call) Object {
	w, a := c.w, c.w.cfg.App
	if ref := c.str("bot"); ref != "" && ref != a.BotID {
		return fail("bot_not_found")
	}
	return Object{"ok": true, "bot": Object{
		"id": a.BotID, "deleted": false, "name": a.Name, "updated": w.now().Unix(), "app_id": a.ID, "user_id": a.BotUserID, "icons": w.botIcons(),
	}}
}

func usersInfo(c *call) Object {
	u := c.w.findUserID(c.str("user"))
	if u == nil {
		return fail("user_not_found")
	}
	return Object{"ok": true, "user": c.w.userObject(u, c.bool("include_locale"))}
}

func usersList(c *call) Object {
	part, next, code := page(c, c.w.users, maxPage)
	if code != "" {
		return fail(code)
	}
	members := []any{}
	for _, u := range part {
		members = append(members, c.w.userObject(u, c.bool("include_locale")))
	}
	return Object{"ok": true, "members": members, "cache_ts": c.w.now().Unix(), "response_metadata": Object{"next_cursor": next}}
}

func usersLookupByEmail(c *call) Object {
	email := strings.ToLower(c.str("email"))
	for _, u := range c.w.users {
		if email != "" && strings.ToLower(u.Email) == email && !u.Deleted {
			return Object{"ok": true, "user": c.w.userObject(u, false)}
		}
	}
	return fail("users_not_found")
}

// userObject is a user in the form of users.info and user_change. The e-mail is there only with its own scope; a deactivated
// account loses the flags that Slack drops.
func (w *Workspace) userObject(u *User, locale bool) Object {
	loc, _ := time.LoadLocation(u.TZ) // checked when the user was added
	zone, offset := w.now().In(loc).Zone()
	first, last, _ := strings.Cut(u.RealName, " ")
	avatar := w.base + "/assets/avatar/" + u.ID + ".svg"
	p := Object{
		"title": u.Title, "phone": "", "skype": "", "real_name": u.RealName, "real_name_normalized": u.RealName, "display_name": u.Name,
		"display_name_normalized": u.Name, "status_text": "", "status_emoji": "", "status_emoji_display_info": []any{}, "status_expiration": 0,
		"avatar_hash": "g" + strings.ToLower(u.ID), "first_name": first, "last_name": last, "team": u.TeamID, "status_text_canonical": "",
	}
	for _, size := range []string{"24", "32", "48", "72", "192", "512"} {
		p["image_"+size] = avatar
	}
	if u.Email != "" && w.hasScope("users:read.email") {
		p["email"] = u.Email
	}
	if u.ID == w.cfg.App.BotUserID {
		p["api_app_id"], p["bot_id"], p["always_active"] = w.cfg.App.ID, w.cfg.App.BotID, true
	}
	o := Object{
		"id": u.ID, "team_id": u.TeamID, "name": u.Name, "deleted": u.Deleted, "profile": p, "is_bot": u.Bot || u.WorkflowBot || u.ConnectorBot,
		"is_app_user": false, "updated": u.updated,
	}
	if u.Stranger {
		o["is_stranger"] = true
	}
	if u.WorkflowBot {
		o["is_workflow_bot"] = true
	}
	if u.ConnectorBot {
		o["is_connector_bot"] = true
	}
	if u.Deleted {
		return o
	}
	o["color"], o["real_name"], o["tz"], o["tz_label"], o["tz_offset"] = "4bbe2e", u.RealName, u.TZ, zone, offset
	o["is_admin"], o["is_owner"], o["is_primary_owner"] = u.Admin || u.Owner, u.Owner, false
	o["is_restricted"], o["is_ultra_restricted"] = u.Restricted || u.UltraRestricted, u.UltraRestricted
	o["is_email_confirmed"], o["who_can_share_contact_card"] = !u.EmailUnconfirmed, "EVERYONE"
	if locale {
		o["locale"] = u.Locale
	}
	return o
}

func dndInfo(c *call) Object {
	w := c.w
	u := w.findUserID(orString(c.str("user"), w.cfg.App.BotUserID))
	if u == nil {
		return fail("user_not_found")
	}
	start, end := int64(1), int64(1)
	if u.DoNotDisturb {
		start = w.now().Add(-time.Hour).Unix()
		end = start + 10*3600
	}
	return Object{"ok": true, "dnd_enabled": u.DoNotDisturb, "next_dnd_start_ts": start, "next_dnd_end_ts": end, "snooze_enabled": false}
}

func usergroupsList(c *call) Object {
	list := []any{}
	for _, g := range c.w.groups {
		if g.Disabled && !c.bool("include_disabled") {
			continue
		}
		o := c.w.groupObject(g)
		if !c.bool("include_users") {
			delete(o, "users")
		}
		if !c.bool("include_count") {
			delete(o, "user_count")
		}
		list = append(list, o)
	}
	return Object{"ok": true, "usergroups": list}
}

func (w *Workspace) groupObject(g *group) Object {
	deleted := int64(0)
	if g.Disabled {
		deleted = g.updated
	}
	return Object{
		"id": g.ID, "team_id": w.cfg.Team.ID, "is_usergroup": true, "is_subteam": true, "name": g.Name, "description": "", "handle": g.Handle,
		"is_external": false, "date_create": g.created, "date_update": g.updated, "date_delete": deleted, "auto_provision": false,
		"enterprise_subteam_id": "", "created_by": w.users[0].ID, "updated_by": w.users[0].ID,
		"prefs": Object{"channels": []any{}, "groups": []any{}}, "users": anyList(g.Members), "user_count": len(g.Members), "channel_count": 0,
	}
}

func usergroupsUsersList(c *call) Object {
	g := c.w.findGroup(c.str("usergroup"))
	if g == nil || (g.Disabled && !c.bool("include_disabled")) {
		return fail("no_such_subteam")
	}
	return Object{"ok": true, "users": anyList(g.Members)}
}

func (w *Workspace) findGroup(ref string) *group {
	ref = strings.TrimPrefix(ref, "@")
	i := slices.IndexFunc(w.groups, func(g *group) bool { return g.ID == ref || (ref != "" && g.Handle == ref) })
	if i < 0 {
		return nil
	}
	return w.groups[i]
}
