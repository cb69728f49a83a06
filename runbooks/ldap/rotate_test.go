package ldap_test

import (
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"github.com/countersign-bot/countersign/runbooks"
)

// program makes an account that a program logs in with, and gives its DN.
func (s *server) program(t testing.TB, uid string) string {
	t.Helper()
	dn := "uid=" + uid + "," + programs
	r := ldap.NewAddRequest(dn, nil)
	r.Attribute("objectClass", []string{"account", "simpleSecurityObject"})
	r.Attribute("uid", []string{uid})
	r.Attribute("userPassword", []string{userPassword})
	s.must(t, s.admin(t).Add(r))
	return dn
}

// lets tells whether the directory takes a password.
func (s *server) lets(t testing.TB, dn, password string) bool {
	t.Helper()
	conn, err := ldap.DialURL(s.url)
	s.must(t, err)
	defer conn.Close()
	return conn.Bind(dn, password) == nil
}

// TestReq_R41_PasswordsAreRotated: the old password works until the next one is proven, whatever step is repeated or cut off between, and no longer than that. The
// bot reads no password and replaces none outside of the place that the target names.
func TestReq_R41_PasswordsAreRotated(t *testing.T) {
	t.Parallel()
	s := slapd(t)
	c := open(t, s.config())
	dn := s.program(t, "payments")
	r := runbooks.Rotation{ID: "rot_1", Account: "payments", Old: "entry " + dn, Secret: runbooks.NewPassword()}
	n, err := c.Renew(t.Context(), r)
	s.must(t, err)
	if again, err := c.Renew(t.Context(), r); err != nil || again.Ref != n.Ref {
		t.Errorf("renewed again: %+v (%v)", again, err)
	}
	if strings.Contains(n.Ref, r.Secret.Reveal()) {
		t.Error("the name of the new password says it")
	}
	if !s.lets(t, dn, userPassword) || !s.lets(t, dn, r.Secret.Reveal()) {
		t.Error("while programs change over, both work")
	}
	wrong := r
	wrong.Secret = runbooks.NewPassword()
	if err := c.Prove(t.Context(), wrong, n); err == nil {
		t.Error("another password proves it")
	}
	if !s.lets(t, dn, userPassword) {
		t.Error("what could not be proven took the old one away")
	}
	s.must(t, c.Prove(t.Context(), r, n))
	for range 2 {
		s.must(t, c.Retire(t.Context(), r, n))
	}
	if s.lets(t, dn, userPassword) || !s.lets(t, dn, r.Secret.Reveal()) {
		t.Error("after it, only the next one works")
	}
	alice := s.person(t, "rotate-alice")
	for _, old := range []string{"entry " + alice, "entry " + botDN, "entry uid=nobody," + programs, "entry " + programs + ")(uid=*"} {
		bad := r
		bad.Old = old
		if _, err := c.Renew(t.Context(), bad); err == nil || runbooks.ClassOf(err) != runbooks.Refuse {
			t.Errorf("%s: %v", old, err)
		}
	}
	none := s.config()
	none.Programs = ""
	if _, err := open(t, none).Renew(t.Context(), r); runbooks.ClassOf(err) != runbooks.Refuse || !strings.Contains(err.Error(), "setting programs") {
		t.Errorf("without the setting: %v", err)
	}
	found := false
	for d, err := range c.Discover(t.Context()) {
		s.must(t, err)
		found = found || d.Ref == r.Old && d.Kind == "service_account"
	}
	if !found {
		t.Error("the program's account is not found, so that nobody could name it")
	}
	got, err := s.login(t, botDN, botPassword).Search(ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", []string{"userPassword"}, nil))
	if err == nil && len(got.Entries) > 0 && len(got.Entries[0].GetAttributeValues("userPassword")) > 0 {
		t.Error("the bot reads passwords")
	}
}
