package ldap_test

import (
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"github.com/countersign-bot/countersign/runbooks"
)

// TestReq_R7_AnApprovedIdentityGetsItsAccount: the connector makes the entry of a new identity once, with the group that was approved and a password that nobody
// knows; a rotation makes the first. It gets another group by a change of its scope, and is deleted when it is taken off. An entry that somebody else made
// is left alone, and closed by a password that nobody keeps.
func TestReq_R7_AnApprovedIdentityGetsItsAccount(t *testing.T) {
	t.Parallel()
	s := slapd(t)
	c := open(t, s.config())
	readers, writers := s.group(t, "born-readers"), s.group(t, "born-writers")
	admin := s.admin(t)
	order := runbooks.NewAccount{Order: "r_born", Account: "svc_born", Params: map[string][]string{"group": {"born-readers"}}}
	for range 2 {
		ref, err := c.MakeAccount(t.Context(), order)
		if err != nil || ref != "entry uid=svc_born,"+programs {
			t.Fatalf("%q %v", ref, err)
		}
	}
	dn := "uid=svc_born," + programs
	if !s.counts(t, admin, readers, dn) || s.counts(t, admin, writers, dn) {
		t.Error("it has not exactly the group that was approved")
	}
	if s.lets(t, dn, userPassword) || s.lets(t, dn, " ") {
		t.Error("it lets in before it has a password that somebody knows")
	}
	r := runbooks.Rotation{ID: "rot_born", Account: "svc_born", Secret: runbooks.NewPassword()}
	n, err := c.Renew(t.Context(), r)
	s.must(t, err)
	s.must(t, c.Prove(t.Context(), r, n))
	s.must(t, c.Retire(t.Context(), r, n))

	other := order
	other.Order = "r_other"
	if _, err := c.MakeAccount(t.Context(), other); runbooks.ClassOf(err) != runbooks.Refuse || !strings.Contains(err.Error(), "was not made for this") {
		t.Errorf("the account of another order: %v", err)
	}
	for name, bad := range map[string]runbooks.NewAccount{
		"no group":      {Order: "r_bad", Account: "svc_bad"},
		"unknown group": {Order: "r_bad", Account: "svc_bad", Params: map[string][]string{"group": {"born-nobody"}}},
		"no name":       {Order: "r_bad", Params: order.Params},
	} {
		if _, err := c.MakeAccount(t.Context(), bad); runbooks.ClassOf(err) != runbooks.Refuse {
			t.Errorf("%s: %v", name, err)
		}
	}

	wider := order
	wider.Params = map[string][]string{"group": {"born-writers"}}
	for range 2 {
		what, err := c.ScopeAccount(t.Context(), wider)
		if err != nil || what != "member of the group born-writers" {
			t.Fatalf("%q %v", what, err)
		}
	}
	if !s.counts(t, admin, readers, dn) || !s.counts(t, admin, writers, dn) {
		t.Error("its scope is not both groups")
	}
	seen, stays := s.group(t, "born-seen", dn), s.group(t, "born-other", dn)
	narrow := order
	narrow.Was = []string{"born-readers", "born-writers", "member of the group born-seen", "born-nobody"}
	for _, want := range []string{"member of the group born-readers, no longer of born-seen, born-writers", "member of the group born-readers"} {
		what, err := c.ScopeAccount(t.Context(), narrow)
		if err != nil || what != want {
			t.Fatalf("%q %v", what, err)
		}
	}
	if !s.counts(t, admin, readers, dn) || s.counts(t, admin, writers, dn) || s.counts(t, admin, seen, dn) || !s.counts(t, admin, stays, dn) {
		t.Error("narrowed, it has not exactly what was approved")
	}
	wider.Account = "svc_missing"
	if _, err := c.ScopeAccount(t.Context(), wider); runbooks.ClassOf(err) != runbooks.Refuse {
		t.Errorf("an account that is not there: %v", err)
	}

	for range 2 {
		s.must(t, c.CloseAccount(t.Context(), "svc_born"))
	}
	if s.lets(t, dn, r.Secret.Reveal()) || s.counts(t, admin, readers, dn) || s.counts(t, admin, writers, dn) {
		t.Error("closed, it logs in or is a member")
	}
	if found, err := admin.Search(ldap.NewSearchRequest(programs, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, "(uid=svc_born)", []string{"1.1"}, nil)); err != nil || len(found.Entries) > 0 {
		t.Errorf("closed, it is still there: %v", err)
	}

	theirs := s.program(t, "svc_theirs")
	if !s.lets(t, theirs, userPassword) {
		t.Fatal("the account of another administrator lets nobody in")
	}
	s.must(t, c.CloseAccount(t.Context(), "svc_theirs"))
	if s.lets(t, theirs, userPassword) {
		t.Error("closed, it logs in")
	}
	s.person(t, "born-alice")
	none := s.config()
	none.Programs = ""
	for name, err := range map[string]error{
		"a person": c.CloseAccount(t.Context(), "born-alice"), "without the setting": open(t, none).CloseAccount(t.Context(), "svc_theirs"),
	} {
		if runbooks.ClassOf(err) != runbooks.Refuse || err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
