package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/bot/scim"
	"github.com/countersign-bot/countersign/bot/slack/slacksim"
)

// scimCall is what an identity provider sends to a running bot.
func (w *world) scimCall(method, path, body string) (int, map[string]any) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.child.url()+scim.Prefix+path, strings.NewReader(body))
	w.check(err)
	req.Header.Set("Authorization", "Bearer "+scimTestToken)
	resp, err := http.DefaultClient.Do(req)
	w.check(err)
	defer resp.Body.Close()
	var out map[string]any
	w.check(json.NewDecoder(resp.Body).Decode(&out))
	return resp.StatusCode, out
}

const scimTestToken = "0123456789abcdef0123456789abcdef-scim"

// TestThreat_T07_SCIMLinksAccounts: the identity provider names a second Slack account of jonas; from then on it is jonas, in the whole bot, and
// after a restart, until the provider names it no more; the ledger has all of it and verifies.
func TestThreat_T07_SCIMLinksAccounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{slack: func(c *slacksim.Config) {
		c.Users = append(c.Users, slacksim.User{ID: "U0SECOND1", Name: "jonas-two", RealName: "Jonas Two", Email: "jonas.two@example.com"})
		c.Channels[0].Members = append(c.Channels[0].Members, "U0SECOND1")
	}})
	env := prefix + "_SCIM_TOKEN=" + scimTestToken
	w.start(env)
	whoami := func(want string) {
		t.Helper()
		w.check(w.slack.Command(t.Context(), "U0SECOND1", "access", "/access", "whoami").Err)
		_, err := until(t.Context(), "whoami that says "+want, func() (string, bool) {
			list := w.slack.Ephemerals("U0SECOND1", "access")
			if len(list) == 0 {
				return "", false
			}
			text := list[len(list)-1].Visible()
			return text, strings.Contains(text, want)
		})
		w.check(err)
	}
	whoami("not in the people file")
	_, out := w.scimCall("GET", "Users?filter=userName+eq+%22"+w.people["jonas"].email+"%22", "")
	list, _ := out["Resources"].([]any)
	if len(list) != 1 {
		t.Fatalf("the provider does not find jonas: %v", out)
	}
	id, _ := list[0].(map[string]any)["id"].(string)
	patch := func(accounts string) string {
		return `{"Operations":[{"op":"replace","path":"` + scim.SlackSchema + `:accounts","value":` + accounts + `}]}`
	}
	if status, out := w.scimCall("PATCH", "Users/"+id, patch(`["`+w.people["frida"].slack+`"]`)); status != http.StatusConflict {
		t.Errorf("an account of somebody else: %d %v", status, out)
	}
	if status, out := w.scimCall("PATCH", "Users/"+id, patch(`["U0SECOND1"]`)); status != http.StatusOK || !strings.Contains(mustJSON(t, out), "U0SECOND1") {
		t.Fatalf("%d %v", status, out)
	}
	whoami("`jonas` in the people file")
	w.bot.kill()
	w.start(env)
	whoami("`jonas` in the people file")
	if status, out := w.scimCall("PATCH", "Users/"+id, patch(`[]`)); status != http.StatusOK {
		t.Fatalf("%d %v", status, out)
	}
	whoami("not in the people file")
	w.recorded("person.unlinked", 1)
	w.verify()
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	mustSay(t, err)
	return string(b)
}
