package redis_test

import (
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/runbooks"
)

// TestReq_R7_AnApprovedIdentityGetsItsAccount: the connector makes the account of a new identity once, with the rules that were approved and no password; a
// rotation makes the first. Its scope is widened by an approval, and it is deleted when it is taken off. What is somebody else's, a role's, the bot's or a
// grant's is left alone.
func TestReq_R7_AnApprovedIdentityGetsItsAccount(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := s.connector(t)
	order := runbooks.NewAccount{Order: "r_born", Account: "svc_born", Params: map[string][]string{"rules": {"~orders:*", "+get"}}}
	for range 2 {
		ref, err := c.MakeAccount(t.Context(), order)
		if err != nil || ref != "user svc_born" {
			t.Fatalf("%q %v", ref, err)
		}
	}
	for _, guess := range []string{"", "x", adminPassword} {
		if in, err := s.login("svc_born", guess); err == nil {
			in.close()
			t.Errorf("it lets in by %q before it has a password", guess)
		}
	}
	r := runbooks.Rotation{ID: "rot_born", Account: "svc_born", Secret: runbooks.NewPassword()}
	n, err := c.Renew(t.Context(), r)
	if err == nil {
		err = c.Prove(t.Context(), r, n)
	}
	if err != nil {
		t.Fatal(err)
	}
	in, err := s.login("svc_born", r.Secret.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	defer in.close()
	may := func(words ...string) bool {
		answer, err := in.say(words...)
		return err == nil && !strings.HasPrefix(answer, "-")
	}
	if !may("GET", "orders:1") || may("GET", "people:1") || may("SET", "orders:1", "x") {
		t.Error("it may not do exactly what was approved")
	}
	wider := order
	wider.Params = map[string][]string{"rules": {"~people:*", "+set"}}
	if what, err := c.ScopeAccount(t.Context(), wider); err != nil || !strings.Contains(what, "~people:*") {
		t.Fatalf("%q %v", what, err)
	}
	if !may("GET", "orders:1") || !may("GET", "people:1") || !may("SET", "people:1", "x") || may("ACL", "LIST") {
		t.Error("after the change of its scope it may not do what it did and what was approved")
	}
	narrow := order
	narrow.Was = []string{"~orders:*", "+get", "~people:*", "+set"}
	for range 2 {
		if what, err := c.ScopeAccount(t.Context(), narrow); err != nil || !strings.Contains(what, "~orders:*") {
			t.Fatalf("%q %v", what, err)
		}
	}
	if !may("GET", "orders:1") || may("SET", "orders:1", "x") || may("GET", "people:1") {
		t.Error("narrowed, it may not do exactly what was approved")
	}

	s.admin(t, "ACL", "SETUSER", "role:cook", "off", "~a", "+get")
	s.admin(t, "ACL", "SETUSER", "svc_theirs", "on", ">theirs", "~a", "+get")
	for _, name := range []string{"svc_theirs", "role:cook", "default", "countersign", "countersign:g_1", "a b", ""} {
		bad := order
		bad.Account = name
		if _, err := c.MakeAccount(t.Context(), bad); runbooks.ClassOf(err) != runbooks.Refuse {
			t.Errorf("making %q: %v", name, err)
		}
		if err := c.CloseAccount(t.Context(), name); name != "svc_theirs" && runbooks.ClassOf(err) != runbooks.Refuse {
			t.Errorf("closing %q: %v", name, err)
		}
	}
	narrow.Account = "svc_theirs"
	if what, err := c.ScopeAccount(t.Context(), narrow); runbooks.ClassOf(err) != runbooks.Refuse || err == nil {
		t.Errorf("narrowing what the bot did not make: %q %v", what, err)
	}
	missing := wider
	missing.Account = "svc_missing"
	if _, err := c.ScopeAccount(t.Context(), missing); runbooks.ClassOf(err) != runbooks.Refuse {
		t.Errorf("an account that is not there: %v", err)
	}
	for range 2 {
		if err := c.CloseAccount(t.Context(), "svc_born"); err != nil {
			t.Fatal(err)
		}
	}
	if may("GET", "orders:1") {
		t.Error("closed, its connection goes on")
	}
	if again, err := s.login("svc_born", r.Secret.Reveal()); err == nil {
		again.close()
		t.Error("closed, it logs in")
	}
}
