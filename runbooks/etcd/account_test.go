package etcd_test

import (
	"testing"

	"github.com/countersign-bot/countersign/runbooks"
)

// TestReq_R7_AScopeIsChangedAndAnAccountClosed: a user gets the role that was approved for its scope, read back, and is deleted when it is taken off; root and the
// bot's own are left alone.
func TestReq_R7_AScopeIsChangedAndAnAccountClosed(t *testing.T) {
	t.Parallel()
	cluster := start(t)
	c := cluster.open(t, botPassword)
	order := runbooks.NewAccount{Order: "r_1", Account: "user-1", Params: map[string][]string{"role": {"reader"}}}
	if cluster.reads(t, "user-1") {
		t.Fatal("it reads before")
	}
	for range 2 {
		if what, err := c.ScopeAccount(t.Context(), order); err != nil || what != "role reader" {
			t.Fatalf("%q %v", what, err)
		}
	}
	if !cluster.reads(t, "user-1") || cluster.reads(t, "user-2") {
		t.Error("not it alone has the role")
	}
	narrow := order
	narrow.Params, narrow.Was = map[string][]string{"role": {"writer"}}, []string{"reader", "root"}
	for _, want := range []string{"role writer, no longer reader", "role writer"} {
		if what, err := c.ScopeAccount(t.Context(), narrow); err != nil || what != want {
			t.Fatalf("%q %v", what, err)
		}
	}
	if cluster.reads(t, "user-1") {
		t.Error("it reads by a role that it had before")
	}
	for _, name := range []string{"root", "nobody-of-that-name", ""} {
		bad := order
		bad.Account = name
		if _, err := c.ScopeAccount(t.Context(), bad); runbooks.ClassOf(err) != runbooks.Refuse {
			t.Errorf("changing %q: %v", name, err)
		}
	}
	for range 2 {
		if err := c.CloseAccount(t.Context(), "user-1"); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.CloseAccount(t.Context(), "root"); runbooks.ClassOf(err) != runbooks.Refuse {
		t.Errorf("closing root: %v", err)
	}
	for x, err := range c.ListAccess(t.Context()) {
		if err != nil || x.Account == "user-1" {
			t.Errorf("closed, it is still there: %+v %v", x, err)
		}
	}
}
