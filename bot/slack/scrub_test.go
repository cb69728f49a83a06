package slack_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/bot/slack"
)

// TestThreat_T35_ScrubbedPayloads: what opens doors is gone wherever it stands, and nothing else changes, whatever people type.
func TestThreat_T35_ScrubbedPayloads(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{"trigger_id":"SECRET","a":1}`:                                       `{"trigger_id":"","a":1}`,
		`{ "response_url" : "https://SECRET" , "token":"SECRET" }`:            `{ "response_url" : "" , "token":"" }`,
		`{"response_urls":[{"response_url":"SECRET","channel_id":"C1"}]}`:     `{"response_urls":[{"response_url":"","channel_id":"C1"}]}`,
		`{"text":"\"trigger_id\":\"typed\"","x":{"trigger_id":null,"y":"z"}}`: `{"text":"\"trigger_id\":\"typed\"","x":{"trigger_id":null,"y":"z"}}`,
		`{"value":"trigger_id","next":"stays"}`:                               `{"value":"trigger_id","next":"stays"}`,
		`{"trigger_id":["a","b"],"token":{"token":"SECRET\"","k":"v"}}`:       `{"trigger_id":["a","b"],"token":{"token":"","k":"v"}}`,
		`{"trigger_id":"unfinished SECRET`:                                    `{"trigger_id":""`,
		``:                                                                    ``,
		`no JSON, "trigger_id"`:                                               `no JSON, "trigger_id"`,
		`{"actions":[{"value":"v1.trigger_id"}],"view":{"private_metadata":"{\"token\":\"mine\"}"}}`: `{"actions":[{"value":"v1.trigger_id"}],"view":{"private_metadata":"{\"token\":\"mine\"}"}}`,
	} {
		got := string(slack.Scrub([]byte(in)))
		if got != want || strings.Contains(got, "SECRET") {
			t.Errorf("%s\ngives %s\nwant  %s", in, got, want)
		}
		if again := string(slack.Scrub([]byte(got))); again != got {
			t.Errorf("scrubbed twice: %s", again)
		}
		if json.Valid([]byte(in)) != json.Valid([]byte(got)) {
			t.Errorf("%s is no longer what it was", got)
		}
	}
}

// TestScrubbedDigest: the digest of a click is the same before and after its payload was scrubbed.
func TestScrubbedDigest(t *testing.T) {
	t.Parallel()
	body := []byte(`{"api_app_id":"A1","channel_id":"C1","channel_name":"c","command":"/access","response_url":"https://hooks.slack.com/x","team_id":"T1","text":"","token":"t","trigger_id":"1.2.3","user_id":"U1","user_name":"u"}`)
	before, err := slack.Decode(slack.KindCommand, body)
	if err != nil {
		t.Fatal(err)
	}
	if before.TriggerID != "1.2.3" || before.ResponseURL == "" {
		t.Errorf("decoded %+v", before)
	}
	other, err := slack.Decode(slack.KindCommand, []byte(strings.Replace(string(body), "https://hooks.slack.com/x", "https://hooks.slack.com/y", 1)))
	if err != nil || other.Digest != before.Digest {
		t.Errorf("the digest depends on a secret: %v", err)
	}
	changed, err := slack.Decode(slack.KindCommand, []byte(strings.Replace(string(body), `"text":""`, `"text":"list"`, 1)))
	if err != nil || changed.Digest == before.Digest {
		t.Errorf("the digest does not depend on the text: %v", err)
	}
}
