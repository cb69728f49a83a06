package main

import (
	"github.com/countersign-bot/countersign/bot"
)

// withSteps adds the step "Ask for approval". Slack wants apps with steps to be ready for an organisation, and takes their definition from the
// manifest alone (docs.slack.dev, custom steps).
func withSteps(m object) {
	text := func(title, what string, required bool) object {
		return object{"type": "string", "title": title, "description": what, "is_required": required, "name": ""}
	}
	named := func(in object) object {
		for name, p := range in {
			p.(object)["name"] = name
		}
		return in
	}
	requester := text("Requester", "Who asks. They send the request themselves, after a look at it.", true)
	requester["type"] = "slack#/types/user_id"
	m["functions"] = object{bot.StepCallback: object{
		"title": "Ask for approval", "description": "Lets somebody ask for access by a documented chain, and waits for the decision",
		"input_parameters": named(object{
			"requester": requester,
			"chain":     text("Chain", "Its id, as /access list shows it", true),
			"reason":    text("Reason", "What those who decide will read", false),
		}),
		"output_parameters": named(object{
			"outcome":    text("Outcome", "approved, denied, withdrawn, timed_out, superseded or failed", true),
			"request":    text("Request", "Its id", true),
			"decided_by": text("Decided by", "Names", false),
			"card":       text("Card", "Address of the card, where it stands in a channel", false),
		}),
	}}
	settings := m["settings"].(object)
	settings["org_deploy_enabled"], settings["function_runtime"] = true, "remote"
	addEvents(m, "function_executed")
}

// assistantScope is what the assistant needs: it may open threads and offer questions there.
const assistantScope = "assistant:write"

// withAssistant adds the assistant and the one scope it needs.
func withAssistant(m object) {
	m["features"].(object)["assistant_view"] = object{
		"assistant_description": "Says what you are waiting for and who decides, from the record",
		"suggested_prompts":     []object{},
	}
	scopes := m["oauth_config"].(object)["scopes"].(object)
	scopes["bot"] = append(scopes["bot"].([]string), assistantScope)
	addEvents(m, "assistant_thread_started", "message.im")
}

func addEvents(m object, names ...string) {
	events := m["settings"].(object)["event_subscriptions"].(object)
	events["bot_events"] = append(events["bot_events"].([]string), names...)
}
