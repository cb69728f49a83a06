package slacksim_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// recorded reads a payload recorded from Slack.
func recorded(t *testing.T, name string) object {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(shared(t, "payloads"), name))
	if err != nil {
		t.Fatal(err)
	}
	var o object
	if err := json.Unmarshal(data, &o); err != nil {
		t.Fatal(err)
	}
	return o
}

// missing lists what the recorded payload has and ours lacks or has with another type. Where Slack had null, ours may have anything.
func missing(t *testing.T, at string, ours, theirs any, but map[string]bool) {
	t.Helper()
	if but[at] || theirs == nil {
		return
	}
	switch them := theirs.(type) {
	case object:
		us, ok := ours.(object)
		if !ok {
			t.Errorf("%s: Slack sends an object, we %T", at, ours)
			return
		}
		for k, v := range them {
			if _, found := us[k]; !found && !but[at+"/"+k] {
				t.Errorf("%s: Slack sends %q, we do not", at, k)
				continue
			}
			missing(t, at+"/"+k, us[k], v, but)
		}
	case []any:
		us, ok := ours.([]any)
		if !ok {
			t.Errorf("%s: Slack sends a list, we %T", at, ours)
			return
		}
		if len(them) > 0 && len(us) > 0 {
			missing(t, at+"/0", us[0], them[0], but)
		}
	default:
		if kindOf(ours) != kindOf(theirs) {
			t.Errorf("%s: Slack sends %T, we %T", at, theirs, ours)
		}
	}
}

func TestPayloadsHaveTheShapeOfRecordedOnes(t *testing.T) {
	t.Parallel()
	payloads := everyPayload(t)
	set := func(list ...string) map[string]bool {
		m := map[string]bool{}
		for _, s := range list {
			m[s] = true
		}
		return m
	}
	// Left out on purpose: Enterprise Grid's names, and what belongs to the content of the recorded example.
	grid := []string{"/team/enterprise_id", "/team/enterprise_name", "/enterprise", "/response_urls"}
	for _, c := range []struct {
		ours, theirs string
		but          map[string]bool
	}{
		{"block_actions", "java-slack-sdk/EnvelopeTest__message~2.json#payload", set("/message/blocks")},
		{"block_actions", "java-slack-sdk/BlockActionPayloadTest__jsonWithState.json", set("/state/values", "/response_url")},
		{"block_actions", "bolt-python/authorize__block_actions_body.json", set(grid...)},
		{"view_submission", "java-slack-sdk/ViewSubmissionTest__realPayload.json", set("/view/state/values", "/view/blocks/0/element/multiline")},
		{"view_submission", "bolt-python/view_submission__body.json", set(append(grid, "/view/state/values")...)},
		{"view_submission", "bolt-python/request__payload_2.json", set(append(grid, "/view/state/values", "/view/blocks/0/element/dispatch_action_config")...)},
		{"view_closed", "java-slack-sdk/ViewClosedTest__realPayload.json", set("/view/blocks/0/element/multiline")},
		{"block_suggestion", "java-slack-sdk/BlockSuggestionPayloadTest__json.json", nil},
		{"block_suggestion", "bolt-python/block_suggestion__body.json", set(grid...)},
		{"shortcut", "java-slack-sdk/SingleTeamAuthTestCacheTest__realPayload.json", nil},
		{"message_action", "bolt-python/shortcut__message_shortcut_body.json", set(append(grid, "/message/client_msg_id", "/message/blocks")...)},
		{"command", "bolt-python/payload_utils__slash_command_body.json", nil},
		{"command", "java-slack-sdk/EnvelopeTest__message~4.json#payload", nil},
		{"envelope events_api", "java-slack-sdk/EnvelopeTest__message~3.json", set("/payload/event")},
		{"envelope interactive", "java-slack-sdk/EnvelopeTest__message~2.json", set("/payload")},
		{"envelope slash_commands", "java-slack-sdk/EnvelopeTest__message~4.json", nil},
		{"app_mention", "java-slack-sdk/EnvelopeTest__message~3.json#payload/event", set("/blocks/0/elements/0/elements/0")},
		{"message", "java-slack-sdk/MessageTest__messagePayload.json#event", set("/blocks/0/elements/0/elements/0")},
		{"bot message", "java-slack-sdk/EventInSharedChannelsTest__messagePayload.json#event", nil},
		{"subteam_members_changed", "java-slack-sdk/SubteamMembersChangedEventTest__json.json", set("/added_users_count", "/removed_users_count")},
		{"channel_archive", "java-slack-sdk/ChannelArchiveEventTest__json.json", nil},
		{"app_home_opened", "java-slack-sdk/EventTypeExtractorImplTest__appHomeOpened.json", nil},
	} {
		ours, found := payloads[c.ours]
		if !found {
			t.Errorf("%s was never sent", c.ours)
			continue
		}
		name, inner := cut(c.theirs)
		missing(t, "", ours, inside(recorded(t, name), inner), c.but)
		if t.Failed() {
			t.Fatalf("%s differs from %s:\n%s", c.ours, c.theirs, jsonText(ours))
		}
	}
}

func cut(s string) (file, inner string) {
	for i := range s {
		if s[i] == '#' {
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

func inside(o object, path string) object {
	for path != "" {
		key := path
		for i := range path {
			if path[i] == '/' {
				key = path[:i]
				break
			}
		}
		o, _ = o[key].(object)
		path = path[min(len(path), len(key)+1):]
	}
	return o
}

func TestHelloHasTheShapeOfTheRecordedOne(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	a := f.connect(nil)
	missing(t, "", raw(a.hello), recorded(t, "java-slack-sdk/EnvelopeTest__message.json"), nil)
}

func TestAnOutsidersPayloadCarriesTheirTeam(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	got := make(chan object, 4)
	view := modal("Ask", inputBlock("why", "text", true, object{"type": "plain_text_input"}))
	f.serve(func(e envelope) any {
		if e.Type == "slash_commands" {
			f.ok("views.open", "trigger_id", e.trigger(), "view", jsonText(view))
		}
		got <- e.Payload
		return nil
	})
	ctx := t.Context()
	if d := f.Command(ctx, "sam", "general", "/help-me", ""); d.Err == nil {
		t.Error("an outsider used a channel they are not in")
	}
	if d := f.Command(ctx, "sam", "partners", "/help-me", ""); d.Err != nil {
		t.Fatal(d.Err)
	}
	if p := <-got; p["team_id"] != "T0OTHERSIDE" {
		t.Errorf("command: %v", p)
	}
	if d := f.SubmitView(ctx, "sam", nil); d.Err != nil {
		t.Fatal(d.Err)
	}
	p := <-got
	v := p["view"].(object)
	if p["team"].(object)["id"] != "T0OTHERSIDE" || p["user"].(object)["team_id"] != "T0OTHERSIDE" || v["team_id"] != "T0OTHERSIDE" {
		t.Errorf("the actor's team: %v", jsonText(p))
	}
	if v["app_installed_team_id"] != f.Team().ID {
		t.Errorf("app_installed_team_id %v, want ours", v["app_installed_team_id"])
	}
}
