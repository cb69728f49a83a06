package github_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/github"
	"github.com/countersign-bot/countersign/runbooks/rest"
)

// TestReq_R88_AnAppIsKnownAndATokenIsKilled: an installed App is found with its vendor, what it may do and which repositories it sees; a personal token and a
// deploy key are taken off and read back, twice if need be; an App is people's to uninstall, and where they do it is said.
func TestReq_R88_AnAppIsKnownAndATokenIsKilled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f, repo := newFront(t, w.emulator), w.repository(t)
	f.tokens = []map[string]any{{"id": 3, "token_name": "laptop", "owner": map[string]any{"login": "maya"}, "access_granted_at": "2026-01-02T03:04:05Z"}}
	c, err := github.Open(github.Config{
		Rest: rest.Config{URL: f.URL}, App: strconv.Itoa(appID), Installation: strconv.Itoa(installed), Key: runbooks.NewSecret(string(pemOf(w.key))), Scope: []string{"northwind", repo}, SSH: f.clones(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	got := map[string]runbooks.Discovered{}
	for d, err := range c.Discover(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got[d.Ref] = d
	}
	app := got["app northwind/9"]
	if app.Facts[runbooks.FactVendor] != "builders-inc" || app.Facts[runbooks.FactReach] != "all repositories of northwind" || len(app.Grants) != 2 {
		t.Errorf("the App: %+v", app)
	}
	key := "deploy key " + repo + "/7"
	if got["token northwind/3"].Kind != "oauth_token" || got[key].Kind != "ssh_key" {
		t.Fatalf("found: %+v", got)
	}
	if how, does := c.HowKilled("app northwind/9"); does || !strings.Contains(how, "/organizations/northwind/settings/installations/9") {
		t.Errorf("how the App is killed: %q, %t", how, does)
	}
	for _, account := range []string{"token northwind/3", key} {
		if how, does := c.HowKilled(account); how == "" || !does {
			t.Errorf("how %s is killed: %q, %t", account, how, does)
		}
		for range 2 {
			if err := c.CloseAccount(t.Context(), account); err != nil {
				t.Fatalf("killing %s: %v", account, err)
			}
		}
	}
	if len(f.tokens) != 0 || len(f.keys) != 0 {
		t.Errorf("left: tokens %v, keys %v", f.tokens, f.keys)
	}
	for _, account := range []string{"app northwind/9", "maya", "token elsewhere/3", "token northwind/../3", "deploy key elsewhere/shop/7"} {
		if err := c.CloseAccount(t.Context(), account); runbooks.ClassOf(err) != runbooks.Refuse {
			t.Errorf("killing %q: %v", account, err)
		}
	}
}
