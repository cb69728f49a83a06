package api_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"testing"

	"github.com/countersign-bot/countersign/bot/api"
	"github.com/countersign-bot/countersign/workflows"
)

// TestReq_R84_KillSwitchOfTheAPI: a workload takes everything from itself; from others only where its entry says so; who has no session, does
// not say why, or repeats what cannot be done now is told so. Every answer is one that the OpenAPI document describes.
func TestReq_R84_KillSwitchOfTheAPI(t *testing.T) {
	w := start(t)
	if code, body := w.call("POST", "/v1/revoke-all", "", api.Kill{Reason: "leaked"}); code != http.StatusUnauthorized {
		t.Fatalf("without a session: %d %s", code, body)
	}
	session := w.session()
	_, body := w.call("POST", "/v1/requests", session, api.Ask{Workflow: "deploy", Reason: "a release"})
	var made api.Request
	if err := json.Unmarshal(body, &made); err != nil {
		t.Fatal(err)
	}
	w.office.set(made.ID, func(r *api.Request) { r.State = api.StateActive })
	code, body := w.call("POST", "/v1/revoke-all", session, api.Kill{Reason: "the runner is compromised", Quarantine: true}, "Idempotency-Key", "1")
	var out api.Killed
	if err := json.Unmarshal(body, &out); err != nil || code != http.StatusOK || out.Identity != string(robot) || !out.Quarantined || len(out.Ended) != 1 {
		t.Fatalf("itself: %d %s %v", code, body, err)
	}
	for name, k := range map[string]api.Kill{"another": {Identity: "svc-shop", Reason: "leaked"}, "no reason": {}} {
		if code, body := w.call("POST", "/v1/revoke-all", session, k); code != http.StatusForbidden {
			t.Errorf("%s: %d %s", name, code, body)
		}
	}
	if code, body := w.call("POST", "/v1/revoke-all", session, `{"reason":"x","everybody":true}`); code != http.StatusBadRequest {
		t.Errorf("an unknown field: %d %s", code, body)
	}
	w.office.mu.Lock()
	w.office.doors[0].KillSwitch = true
	w.office.mu.Unlock()
	if code, _ := w.call("POST", "/v1/revoke-all", session, api.Kill{Identity: "svc-shop", Reason: "leaked"}); code != http.StatusUnauthorized {
		t.Errorf("a session of the entry before it said so goes on: %d", code)
	}
	session = w.session()
	code, body = w.call("POST", "/v1/revoke-all", session, api.Kill{Identity: "svc-shop", Reason: "leaked"})
	if code != http.StatusOK {
		t.Errorf("security's own automation: %d %s", code, body)
	}
	w.office.mu.Lock()
	w.office.fail = errors.New("the ledger is away")
	killed := slices.Clone(w.office.killed)
	w.office.mu.Unlock()
	if code, body := w.call("POST", "/v1/revoke-all", session, api.Kill{Reason: "leaked"}); code != http.StatusServiceUnavailable {
		t.Errorf("while nothing can be recorded: %d %s", code, body)
	}
	if want := []workflows.IdentityID{robot, "svc-shop"}; !slices.Equal(killed, want) {
		t.Errorf("taken from %v, want %v", killed, want)
	}
}
