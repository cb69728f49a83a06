package okta_test

import (
	"slices"
	"testing"

	"github.com/countersign-bot/countersign/runbooks"
)

// TestReq_R88_AnApplicationAndATokenAreKilled: a third-party application is found with what it may do, is deactivated and read back; an API token is revoked and
// read back; both may be done twice; the bot's own token, and what is neither, are refused.
func TestReq_R88_AnApplicationAndATokenAreKilled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f, app := newFront(t, w.emulator), w.app(t)
	c := open(t, f, app)
	f.tokens = append(f.tokens, "00Tme1")
	for x, err := range c.Discover(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if x.Ref == "app "+app && !slices.Equal(x.Grants, []string{"okta.logs.read", "okta.users.read"}) {
			t.Errorf("what it may do: %q", x.Grants)
		}
	}
	for _, account := range []string{"app " + app, "token 00Tabc"} {
		if how, does := c.HowKilled(account); how == "" || !does {
			t.Errorf("how %s is killed: %q, %t", account, how, does)
		}
		for range 2 {
			if err := c.CloseAccount(t.Context(), account); err != nil {
				t.Fatalf("killing %s: %v", account, err)
			}
		}
	}
	if !slices.Contains(f.off, app) || !slices.Equal(f.tokens, []string{"00Tme1"}) {
		t.Errorf("afterwards: deactivated %q, tokens %q", f.off, f.tokens)
	}
	for _, account := range []string{"token 00Tme1", "user somebody", "app ../users", "token "} {
		if err := c.CloseAccount(t.Context(), account); runbooks.ClassOf(err) != runbooks.Refuse {
			t.Errorf("killing %q: %v", account, err)
		}
	}
	if !slices.Equal(f.tokens, []string{"00Tme1"}) {
		t.Error("the bot's own token is gone")
	}
	f.down = true
	if err := c.CloseAccount(t.Context(), "app "+app); runbooks.ClassOf(err) != runbooks.Retry {
		t.Errorf("with Okta away: %v", err)
	}
}
