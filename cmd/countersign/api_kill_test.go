package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/bot/api"
	"github.com/countersign-bot/countersign/bot/screens"
)

// machineCall makes one call of the API.
func (d *demo) machineCall(t *testing.T, method, path, bearer string, body, into any) int {
	t.Helper()
	raw, err := json.Marshal(body)
	mustSay(t, err)
	req, err := http.NewRequestWithContext(t.Context(), method, d.child.url()+path, bytes.NewReader(raw))
	mustSay(t, err)
	req.Header.Set("Authorization", "Bearer "+bearer)
	resp, err := http.DefaultClient.Do(req)
	mustSay(t, err)
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	mustSay(t, err)
	if into != nil {
		if err := json.Unmarshal(out, into); err != nil {
			t.Fatalf("%s %s: %s %s", method, path, resp.Status, out)
		}
	}
	return resp.StatusCode
}

// TestReq_R84_RevokeAllByTheAPI: security's automation, whose entry says kill_switch, takes what a person has away and quarantines them; the access
// is gone from its target, and the ledger names the session that did it. The same workload under an entry that does not say so cannot.
func TestReq_R84_RevokeAllByTheAPI(t *testing.T) {
	t.Parallel()
	x := newPlatform(t)
	own := x.identities(t)
	at := strings.LastIndex(own, "      - issuer")
	second := strings.NewReplacer("4711", "4712", "bot.example.com", "soar.example.com").Replace(own[at:]) + "        kill_switch: true\n"
	d := demoAsJonas(t, map[string]string{"workflows/solo.yaml": soloChain, "identities.yaml": own + second})
	s, ctx := &story{demo: d}, t.Context()
	mustSay(t, s.command(ctx, "maya", "/access", "request solo"))
	mustSay(t, s.submit(ctx, "maya", map[string]any{"duration": "1h", "reason": "Look at the queue of the shop.", "field:key": d.people["maya"].public()}))
	card, err := s.message(ctx, "access", "Look at the queue of the shop.")
	mustSay(t, err)
	mustSay(t, s.press(ctx, "jonas", card, screens.ActApprove))
	_, err = s.dm(ctx, "maya", "ready: you can use", "Shell as deploy")
	mustSay(t, err)

	session := func(token string) string {
		var out struct{ Session string }
		if code := d.machineCall(t, "POST", "/v1/session", token, nil, &out); code != http.StatusCreated {
			t.Fatalf("opening a session: %d", code)
		}
		return out.Session
	}
	plain := session(x.token("bot.example.com", nil))
	order := api.Kill{Identity: "maya", Reason: "Her laptop sends to a known bad address.", Quarantine: true}
	var no struct{ Code string }
	if code := d.machineCall(t, "POST", "/v1/revoke-all", plain, order, &no); code != http.StatusForbidden || no.Code != "not_yours" {
		t.Fatalf("an entry without kill_switch: %d %+v", code, no)
	}
	var out api.Killed
	if code := d.machineCall(t, "POST", "/v1/revoke-all", session(x.token("soar.example.com", map[string]any{"repository_id": "4712"})), order, &out); code != http.StatusOK || len(out.Ended) != 1 || !out.Quarantined {
		t.Fatalf("%d %+v", code, out)
	}
	_, err = until(ctx, "the end of the access", func() (bool, bool) {
		out, err := d.cli(ctx, "", "ledger", "search", "grant.revoked", "-json")
		return true, err == nil && strings.Contains(out, "grant.revoked")
	})
	mustSay(t, err)
	text, err := d.cli(ctx, "", "ledger", "search", "identity.quarantined", "-json")
	mustSay(t, err)
	said(t, text, "identity.quarantined", `"channel":"api"`, `"authn":"oidc`)
	text, err = d.cli(ctx, "", "ledger", "verify")
	mustSay(t, err)
	said(t, text, "intact")
}
