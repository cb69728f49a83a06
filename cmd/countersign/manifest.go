package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/countersign-bot/countersign/bot/slack"
)

// scope is one permission of the Slack app and the reason for it.
type scope struct {
	name     string
	why      string
	optional bool
}

// scopes are all that the bot asks for; each stands here because a feature needs it.
func scopes() []scope {
	return []scope{
		{"commands", "/access, /breakglass, /incident and the shortcut", false},
		{"chat:write", "cards and messages", false},
		{"im:write", "direct messages to approvers and requesters", false},
		{"users:read", "who somebody is at the moment of a decision: member, guest, bot, deactivated", false},
		{"users:read.email", "the address shown beside a decision; linking by e-mail, if you allow it", false},
		{"channels:read", "find the channels that your files name; refuse those shared with other organisations", false},
		{"groups:read", "the same for private channels", false},
		{"channels:history", "look for a message after a doubt instead of posting it twice; keep answers below a card as comments", false},
		{"groups:history", "the same in private channels", false},
		{"im:history", "the same in direct messages", false},
		{"dnd:read", "remind nobody who does not want to be disturbed; without it reminders come at any time", true},
		{"usergroups:read", "user groups as approvers; paid plans only", true},
	}
}

// slackEvents are the events that the app subscribes to.
func slackEvents() []string {
	return []string{
		"app_home_opened", "user_change", "team_join", "subteam_members_changed", "subteam_updated", "channel_shared", "channel_unshared",
		"channel_archive", "channel_unarchive", "tokens_revoked", "app_uninstalled",
		"message.channels", "message.groups",
	}
}

func manifestCommand(_ context.Context, p proc) error {
	flags := p.flags("manifest", "[-no-groups] [-steps] [-assistant] [-http URL]")
	steps := flags.Bool("steps", false, "add the step \"Ask for approval\" for Workflow Builder; paid plans only, and the app is installed for the organisation")
	assistant := flags.Bool("assistant", false, "add the assistant, which answers \"what am I waiting for?\" from the record; paid plans only")
	noGroups := flags.Bool("no-groups", false, "leave user groups out: the free plan has none")
	address := flags.String("http", "", "for HTTP mode: the public https address of the bot; Slack then sends there and no socket is opened")
	if err := p.parse(flags, 0, 0); err != nil {
		return err
	}
	m := manifest(*noGroups)
	if *address != "" {
		if u, err := url.Parse(*address); err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
			return usageError{fmt.Sprintf("-http %q: want an address such as https://bot.example.com, without a query", *address)}
		}
		overHTTP(m, strings.TrimSuffix(*address, "/"))
	}
	if *steps {
		withSteps(m)
	}
	if *assistant {
		withAssistant(m)
	}
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the manifest: %w", err)
	}
	fmt.Fprintf(p.out, "%s\n", b)
	fmt.Fprintln(p.err, "\nPaste this at https://api.slack.com/apps under \"Create New App\", \"From a manifest\", tab JSON. Each scope has its reason:")
	for _, s := range scopes() {
		if !s.optional || !*noGroups {
			fmt.Fprintf(p.err, "  %-18s %s\n", s.name, s.why)
		}
	}
	return nil
}

type object = map[string]any

// overHTTP turns the manifest of a socket app into one that Slack sends requests to.
func overHTTP(m object, address string) {
	paths := slack.Routes()
	settings, features := m["settings"].(object), m["features"].(object)
	settings["socket_mode_enabled"] = false
	settings["interactivity"].(object)["request_url"] = address + paths[1]
	settings["event_subscriptions"].(object)["request_url"] = address + paths[2]
	for _, c := range features["slash_commands"].([]object) {
		c["url"] = address + paths[0]
	}
}

// manifest is the app as Slack's manifest schema spells it (docs.slack.dev/reference/app-manifest).
func manifest(noGroups bool) object {
	var bot []string
	for _, s := range scopes() {
		if !s.optional || !noGroups {
			bot = append(bot, s.name)
		}
	}
	events := slackEvents()
	return object{
		"display_information": object{
			"name": "Countersign", "description": "Access by documented approval, for a short time, with proof",
			"background_color": "#0b3d2e",
		},
		"features": object{
			"app_home": object{"home_tab_enabled": true, "messages_tab_enabled": true, "messages_tab_read_only_enabled": true},
			"bot_user": object{"display_name": "countersign", "always_online": true},
			"shortcuts": []object{
				{"name": "Request access", "type": "global", "callback_id": "request_access", "description": "Ask for access"},
				{"name": "Request access about this", "type": "message", "callback_id": "request_access_about", "description": "Ask for access; the card links this message"},
			},
			"slash_commands": []object{
				{"command": "/access", "description": "Ask for access, see what you hold, give it back", "usage_hint": "[help | request | list | status ID | done | extend | away | how CHAIN]", "should_escape": false},
				{"command": "/breakglass", "description": "Invoke a pre-approved runbook in an incident", "usage_hint": "[RUNBOOK INC-123]", "should_escape": false},
				{"command": "/incident", "description": "Open, join, hand over and close an incident", "usage_hint": "[list | open SEVERITY TITLE | join INC-7 executor | close INC-7 HOW]", "should_escape": false},
			},
		},
		"oauth_config": object{"scopes": object{"bot": bot}},
		"settings": object{
			"event_subscriptions":    object{"bot_events": events},
			"interactivity":          object{"is_enabled": true},
			"org_deploy_enabled":     false,
			"socket_mode_enabled":    true,
			"token_rotation_enabled": false,
		},
	}
}
