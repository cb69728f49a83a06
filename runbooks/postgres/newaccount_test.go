package postgres_test

import (
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/postgres"
)

// R7: the account of a new identity is made by the connector: with the role that was approved and nothing else, without a password that anybody knows,
// once however often it is asked for. A rotation gives it its first password. A role of that name that is somebody else's is left alone.
func TestReq_R7_AnApprovedIdentityGetsItsAccount(t *testing.T) {
	t.Parallel()
	s := postgresql(t)
	c, err := postgres.Open(postgres.Config{DSN: runbooks.NewSecret(s.dsn("bot", botPassword))})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	s.role(t, "born_readers")
	s.admin(t, "GRANT born_readers TO bot WITH ADMIN OPTION")
	s.dropLater(t, "svc_born")
	order := runbooks.NewAccount{Order: "r_born", Account: "svc_born", Params: map[string][]string{"role": {"born_readers"}}, Until: time.Now().Add(90 * 24 * time.Hour)}
	for range 2 {
		ref, err := c.MakeAccount(ctx, order)
		if err != nil || ref != "role svc_born" {
			t.Fatalf("%q %v", ref, err)
		}
	}
	if lets(t, s, "svc_born", "") || lets(t, s, "svc_born", userPassword) {
		t.Error("it lets in before it has a password")
	}
	other := order
	other.Order = "r_other"
	if _, err := c.MakeAccount(ctx, other); runbooks.ClassOf(err) != runbooks.Refuse || !strings.Contains(err.Error(), "was not made for this") {
		t.Errorf("the account of another order: %v", err)
	}
	s.login(t, "svc_theirs")
	order.Account = "svc_theirs"
	if _, err := c.MakeAccount(ctx, order); runbooks.ClassOf(err) != runbooks.Refuse {
		t.Errorf("an account that was there: %v", err)
	}

	r := runbooks.Rotation{ID: "rot_born", Account: "svc_born", Old: "role svc_born", Secret: runbooks.NewPassword()}
	n, err := c.Renew(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	login := strings.TrimPrefix(n.Ref, "role ")
	s.dropLater(t, login)
	if err := c.Prove(ctx, r, n); err != nil {
		t.Fatal(err)
	}
	if !canRead(t, s.connect(t, login, r.Secret.Reveal())) {
		t.Error("with its first password it cannot do what was approved")
	}
}

// R7: a wider scope that was approved reaches the account: it, and the login that a rotation made in its place, may do what the role may, read back; an
// account that is not there, one that administers the server and a role that is not there are refused, so that people do it.
func TestReq_R7_AWiderScopeReachesTheAccount(t *testing.T) {
	t.Parallel()
	s := postgresql(t)
	c, err := postgres.Open(postgres.Config{DSN: runbooks.NewSecret(s.dsn("bot", botPassword))})
	if err != nil {
		t.Fatal(err)
	}
	s.role(t, "scope_first")
	s.admin(t, "CREATE ROLE scope_wider")
	s.dropLater(t, "scope_wider")
	s.admin(t, "GRANT scope_first, scope_wider TO bot WITH ADMIN OPTION")
	s.dropLater(t, "svc_scope")
	order := runbooks.NewAccount{Order: "r_scope", Account: "svc_scope", Params: map[string][]string{"role": {"scope_first"}}, Until: time.Now().Add(90 * 24 * time.Hour)}
	if _, err := c.MakeAccount(t.Context(), order); err != nil {
		t.Fatal(err)
	}
	member := func(role string) (has bool) {
		t.Helper()
		if err := s.connect(t, "bot", botPassword).QueryRow(t.Context(), "SELECT pg_has_role('svc_scope', $1, 'MEMBER')", role).Scan(&has); err != nil {
			t.Fatal(err)
		}
		return has
	}
	if !member("scope_first") || member("scope_wider") {
		t.Fatal("before its scope is changed it has not exactly what was approved")
	}
	wider := order
	wider.Params = map[string][]string{"role": {"scope_wider"}}
	for range 2 {
		if what, err := c.ScopeAccount(t.Context(), wider); err != nil || what != "member of the role scope_wider" {
			t.Fatalf("%q %v", what, err)
		}
	}
	if !member("scope_first") || !member("scope_wider") {
		t.Error("its scope is not what it was and what was approved")
	}
	// What is on record of it goes, in the words of an order and of what was discovered; what is not on record stays.
	s.admin(t, "CREATE ROLE scope_seen")
	s.dropLater(t, "scope_seen")
	s.admin(t, "CREATE ROLE scope_other SUPERUSER")
	s.dropLater(t, "scope_other")
	s.admin(t, "GRANT scope_seen TO bot WITH ADMIN OPTION")
	s.admin(t, "GRANT scope_seen, scope_other TO svc_scope")
	narrow := order
	narrow.Was = []string{"scope_first", "scope_wider", "member of the role scope_seen", "scope_missing", "x'; DROP ROLE scope_first; --"}
	for _, want := range []string{"member of the role scope_first, no longer of scope_seen, scope_wider", "member of the role scope_first"} {
		if what, err := c.ScopeAccount(t.Context(), narrow); err != nil || what != want {
			t.Fatalf("%q %v", what, err)
		}
	}
	if !member("scope_first") || member("scope_wider") || member("scope_seen") || !member("scope_other") {
		t.Error("narrowed, its scope is not exactly what was approved")
	}
	// A role that the server does not let the bot take away: nothing changes, and people do it.
	stuck := wider
	stuck.Was = []string{"scope_first", "scope_other"}
	if what, err := c.ScopeAccount(t.Context(), stuck); runbooks.ClassOf(err) != runbooks.Refuse || err == nil || !member("scope_first") || member("scope_wider") || !member("scope_other") {
		t.Errorf("what it may not take away: %q %v", what, err)
	}
	for name, change := range map[string]func(*runbooks.NewAccount){
		"no such account": func(o *runbooks.NewAccount) { o.Account = "svc_nobody" },
		"no role":         func(o *runbooks.NewAccount) { o.Params = nil },
		"no such role":    func(o *runbooks.NewAccount) { o.Params = map[string][]string{"role": {"scope_missing"}} },
		"it administers":  func(o *runbooks.NewAccount) { o.Account = "postgres" },
	} {
		bad := wider
		change(&bad)
		if _, err := c.ScopeAccount(t.Context(), bad); err == nil || runbooks.ClassOf(err) == runbooks.Retry {
			t.Errorf("%s: %v", name, err)
		}
	}
}
