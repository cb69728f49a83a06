package ldap_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/runbooks"
	directory "github.com/countersign-bot/countersign/runbooks/ldap"
	"github.com/countersign-bot/countersign/runbooks/runbooktest"
	"github.com/countersign-bot/countersign/workflows"
)

func grantOf(id, account, group string) runbooks.Grant {
	start := time.Now().UTC().Truncate(time.Second)
	return runbooks.Grant{
		ID: workflows.GrantID("g_" + id), Request: workflows.RequestID("r_" + id), Identity: "p_1", Holder: "Alice Ng", Account: account,
		Target: "directory", Entitlement: "dba", Params: map[string][]string{"group": {group}}, Start: start, End: start.Add(time.Hour),
	}
}

// oddNames are names that a directory can hold and that break what is put together from text.
var oddNames = []string{"*", "a*b", "(uid=*)", "a)(uid=*", "a,b", `a\2a`, `a\`, `a"b`, "a=b", "a+b", "#a", "a;b", "<a>", "a/b", "é", "日本語", "a  b", "$(id)", "admin)(|(uid=*"}

// exercise is one system of the conformance suite.
func exercise(t *testing.T, s *server, name string, cfg directory.Config, advance func(*testing.T, *ldap.Conn)) runbooktest.System {
	group := "grp-" + name
	// Each system sees people and groups of its own, so that lists are its own.
	for _, base := range []*string{&cfg.People, &cfg.Groups, &cfg.Dynamic} {
		if *base == "" {
			continue
		}
		r := ldap.NewAddRequest("ou="+name+","+*base, nil)
		r.Attribute("objectClass", []string{"organizationalUnit"})
		s.must(t, s.admin(t).Add(r))
		*base = "ou=" + name + "," + *base
	}
	admin := s.admin(t)
	groupDN := "cn=" + group + "," + cfg.Groups
	r := ldap.NewAddRequest(groupDN, nil)
	r.Attribute("objectClass", []string{"groupOfNames"})
	r.Attribute("member", []string{"cn=nobody," + cfg.Groups})
	s.must(t, admin.Add(r))
	dnOf := func(account string) string { return "uid=" + ldap.EscapeDN(account) + "," + cfg.People }
	person := func(account string) {
		r := ldap.NewAddRequest(dnOf(account), nil)
		r.Attribute("objectClass", []string{"inetOrgPerson"})
		r.Attribute("uid", []string{account})
		r.Attribute("cn", []string{"A person"})
		r.Attribute("sn", []string{"Person"})
		r.Attribute("userPassword", []string{userPassword})
		s.must(t, admin.Add(r))
	}
	if cfg.Dynamic == "" { // groups of one grant have names of their own, which the rule of the entry does not follow
		cfg.CanaryPassword, cfg.CanaryReads = runbooks.NewSecret(userPassword), "cn="+name+","+canaries
		r = ldap.NewAddRequest(cfg.CanaryReads, nil)
		r.Attribute("objectClass", []string{"applicationProcess"})
		r.Attribute("seeAlso", []string{groupDN})
		s.must(t, admin.Add(r))
	}
	made := map[int]runbooks.Grant{}
	system := runbooktest.System{
		Connector: open(t, cfg),
		Secrets:   []string{botPassword},
		Grant: func(n int) runbooks.Grant {
			if _, ok := made[n]; !ok {
				account := fmt.Sprintf("user-%d", n)
				person(account)
				made[n] = grantOf(fmt.Sprintf("%s-%d", name, n), account, group)
			}
			return made[n].Clone()
		},
		Works: func(t *testing.T, g runbooks.Grant, _ runbooks.Receipt) bool {
			return s.counts(t, admin, groupDN, dnOf(g.Account))
		},
		Arrived: func(t *testing.T, g runbooks.Grant, r runbooks.Receipt, place runbooktest.Place) string {
			if place.Kind != "account" {
				return r.Facts["group"]
			}
			if !s.counts(t, admin, groupDN, dnOf(g.Account)) {
				return "not a member"
			}
			return r.Personal["account"]
		},
		Rotation: func(t *testing.T) runbooktest.Turning {
			dn := s.program(t, "app-"+name)
			return runbooktest.Turning{
				Order:   runbooks.Rotation{ID: "rot_" + name, Account: "app-" + name, Old: "entry " + dn, Secret: runbooks.NewPassword()},
				Account: "app-" + name,
				Old:     func(t *testing.T) bool { return s.lets(t, dn, userPassword) },
				New:     func(t *testing.T, secret, _ string) bool { return s.lets(t, dn, secret) },
			}
		},
		Foreign: func(t *testing.T, g runbooks.Grant) {
			change := ldap.NewModifyRequest(groupDN, nil)
			change.Add("member", []string{dnOf(g.Account)})
			s.must(t, admin.Modify(change))
		},
	}
	if advance != nil {
		system.Advance = func(time.Duration) { advance(t, admin) }
	}
	person("somebody")
	if strings.HasSuffix(t.Name(), "nasty_strings") {
		for _, odd := range oddNames {
			person(odd)
		}
	}
	return system
}

// TestThreat_T44_Exercise holds the connector to the contract on a real server; its part "nasty strings" is the threat's.
func TestThreat_T44_Exercise(t *testing.T) {
	t.Parallel()
	s := slapd(t)
	round := 0
	runbooktest.Exercise(t, func(t *testing.T) runbooktest.System {
		round++
		system := exercise(t, s, fmt.Sprintf("std%d", round), s.config(), nil)
		system.Words = filepath.Join("testdata", "words.txt")
		return system
	})
}

// TestReq_R64_ExerciseDynamic is the same for groups that the directory ends by itself.
func TestReq_R64_ExerciseDynamic(t *testing.T) {
	t.Parallel()
	s := slapd(t)
	round := 0
	runbooktest.Exercise(t, func(t *testing.T) runbooktest.System {
		round++
		cfg := s.config()
		cfg.Dynamic = jit
		name := fmt.Sprintf("dyn%d", round)
		return exercise(t, s, name, cfg, func(t *testing.T, admin *ldap.Conn) { s.runOut(t, admin, "ou="+name+","+jit) })
	})
}

// runOut lets the time of all groups below base run out: their rest is shortened to a second, and the server ends them.
func (s *server) runOut(t *testing.T, admin *ldap.Conn, base string) {
	t.Helper()
	live := func() []*ldap.Entry {
		r, err := admin.Search(ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=dynamicObject)", []string{"1.1"}, nil))
		s.must(t, err)
		return r.Entries
	}
	for _, e := range live() {
		value := ber.NewSequence("")
		value.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 0, e.DN, ""))
		value.AppendChild(ber.NewInteger(ber.ClassContext, ber.TypePrimitive, 1, int64(1), ""))
		_, err := admin.Extended(ldap.NewExtendedRequest("1.3.6.1.4.1.1466.101.119.1", value))
		s.must(t, err)
	}
	s.eventually(t, "the server ends the groups", func() bool { return len(live()) == 0 })
}

func (s *server) eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(90 * time.Second); !done(); runtimeYield() {
		if time.Now().After(deadline) {
			t.Fatalf("waiting: %s", what)
		}
	}
}

// TestReq_R60_TheDirectoryEndsItWithoutUs: nobody calls the connector again, and the access ends no later than approved.
func TestReq_R60_TheDirectoryEndsItWithoutUs(t *testing.T) {
	t.Parallel()
	s := slapd(t)
	cfg := s.config()
	cfg.Dynamic = jit
	c := open(t, cfg)
	dn, alice := s.group(t, "r60"), s.person(t, "r60-alice")
	admin := s.admin(t)
	memberOf := func() int {
		r, err := admin.Search(ldap.NewSearchRequest(alice, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, "(memberOf=*)", []string{"memberOf"}, nil))
		s.must(t, err)
		return len(r.Entries)
	}
	var g runbooks.Grant
	for n, span := 1, 6*time.Second; ; n, span = n+1, 2*span { // a busy machine may need longer than the span to look
		g = grantOf(fmt.Sprintf("r60-%d", n), "r60-alice", "r60")
		g.End = time.Now().Add(span)
		if _, err := c.Grant(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		if s.counts(t, admin, dn, alice) && memberOf() == 1 {
			break
		}
		if time.Now().Before(g.End) || span > 30*time.Second {
			t.Fatal("the access does not work")
		}
	}
	if c.Describe().NativeExpiry != true {
		t.Error("native expiry is not declared")
	}
	s.eventually(t, "the end", func() bool { return !s.counts(t, admin, dn, alice) })
	if memberOf() != 0 {
		t.Error("memberOf is still there")
	}
	if p, err := c.Check(t.Context(), g); p != runbooks.Absent || err != nil {
		t.Errorf("check: %s, %v", p, err)
	}
}

// The group that a crash left before it had its holder has an end, and the next call finishes it.
func TestLendingFinishesWhatACrashLeft(t *testing.T) {
	t.Parallel()
	s := slapd(t)
	cfg := s.config()
	cfg.Dynamic = jit
	c := open(t, cfg)
	dn, alice := s.group(t, "crash"), s.person(t, "crash-alice")
	g := grantOf("crash", "crash-alice", "crash")
	if _, err := c.Grant(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	lent := "cn=g_crash," + jit
	s.change(t, lent, func(r *ldap.ModifyRequest) { r.Replace("member", []string{"cn=nobody," + groups}) })
	admin := s.admin(t)
	if s.counts(t, admin, dn, alice) {
		t.Fatal("the premise is gone")
	}
	if p, err := c.Check(t.Context(), g); p != runbooks.Absent || err != nil {
		t.Fatalf("check of a group without its holder: %s, %v", p, err)
	}
	if _, err := c.Grant(t.Context(), g); err != nil || !s.counts(t, admin, dn, alice) {
		t.Fatalf("the next call: %v", err)
	}
	later := g.Clone()
	later.End = g.End.Add(time.Hour)
	_, err := c.Grant(t.Context(), later)
	wantError(t, err, runbooks.Refuse, "other contents")
	if _, err := c.Revoke(t.Context(), g); err != nil || s.counts(t, admin, dn, alice) {
		t.Fatalf("revoke: %v", err)
	}
}

func TestStandingMembershipsAreNeitherTakenNorTakenAway(t *testing.T) {
	t.Parallel()
	s := slapd(t)
	c := open(t, s.config())
	alice := s.person(t, "st-alice")
	dn := s.group(t, "st", alice)
	g := grantOf("st", "st-alice", "st")
	_, err := c.Grant(t.Context(), g)
	wantError(t, err, runbooks.Refuse, "member of the group already")
	_, err = c.Plan(t.Context(), g)
	wantError(t, err, runbooks.Refuse, "member of the group already")
	if _, err := c.Revoke(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	if !s.counts(t, s.admin(t), dn, alice) {
		t.Error("a membership that is not ours was taken away")
	}
	if p, err := c.Check(t.Context(), g); p != runbooks.Present || err != nil {
		t.Errorf("check: %s, %v", p, err)
	}
}

// The last member of a group cannot be removed (RFC 4519, groupOfNames): somebody who is nobody stays, and is not listed.
func TestTheLastMemberLeaves(t *testing.T) {
	t.Parallel()
	s := slapd(t)
	bob, alice := s.person(t, "last-bob"), s.person(t, "last-alice")
	dn := s.group(t, "last", bob)
	c := open(t, s.config())
	g := grantOf("last", "last-alice", "last")
	if _, err := c.Grant(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	s.change(t, dn, func(r *ldap.ModifyRequest) { r.Delete("member", []string{bob}) })
	if _, err := c.Revoke(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	admin := s.admin(t)
	if s.counts(t, admin, dn, alice) {
		t.Error("the last member is still in")
	}
	for a, err := range c.ListAccess(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if a.Params["group"][0] == "last" {
			t.Errorf("listed: %+v", a)
		}
	}
	if p, err := c.Check(t.Context(), g); p != runbooks.Absent || err != nil {
		t.Errorf("check: %s, %v", p, err)
	}
}

// An account that was deleted while it was a member is taken out all the same: an account of the same name may come back.
func TestRevokeOfADeletedAccount(t *testing.T) {
	t.Parallel()
	s := slapd(t)
	c := open(t, s.config())
	dn, alice := s.group(t, "gone"), s.person(t, "gone-alice")
	g := grantOf("gone", "gone-alice", "gone")
	if _, err := c.Grant(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	admin := s.admin(t)
	s.must(t, admin.Del(ldap.NewDelRequest(alice, nil)))
	if p, err := c.Check(t.Context(), g); p != runbooks.Present || err != nil {
		t.Fatalf("check: %s, %v", p, err)
	}
	if _, err := c.Revoke(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	if s.counts(t, admin, dn, alice) {
		t.Error("the deleted account is still a member")
	}
	if p, err := c.Check(t.Context(), g); p != runbooks.Absent || err != nil {
		t.Errorf("check: %s, %v", p, err)
	}
}

func TestOtherKindsOfGroups(t *testing.T) {
	t.Parallel()
	s := slapd(t)
	c := open(t, s.config())
	alice := s.person(t, "kind-alice")
	admin := s.admin(t)
	unique := ldap.NewAddRequest("cn=kind-unique,"+groups, nil)
	unique.Attribute("objectClass", []string{"groupOfUniqueNames"})
	unique.Attribute("uniqueMember", []string{"cn=nobody," + groups})
	posix := ldap.NewAddRequest("cn=kind-posix,"+groups, nil)
	posix.Attribute("objectClass", []string{"posixGroup"})
	posix.Attribute("gidNumber", []string{"4711"})
	for _, r := range []*ldap.AddRequest{unique, posix} {
		s.must(t, admin.Add(r))
	}
	for group, filter := range map[string]string{
		"kind-unique": "(uniqueMember=" + alice + ")",
		"kind-posix":  "(memberUid=kind-alice)",
	} {
		in := func() bool {
			r, err := admin.Search(ldap.NewSearchRequest("cn="+group+","+groups, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, filter, []string{"1.1"}, nil))
			s.must(t, err)
			return len(r.Entries) == 1
		}
		g := grantOf(group, "kind-alice", group)
		if _, err := c.Grant(t.Context(), g); err != nil || !in() {
			t.Fatalf("%s: %v", group, err)
		}
		if _, err := c.Revoke(t.Context(), g); err != nil || in() {
			t.Fatalf("%s: revoke: %v", group, err)
		}
	}
	cfg := s.config()
	cfg.Dynamic = jit
	_, err := open(t, cfg).Grant(t.Context(), grantOf("kd", "kind-alice", "kind-posix"))
	wantError(t, err, runbooks.Refuse, "posixGroup")
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	s := slapd(t)
	c := open(t, s.config())
	s.person(t, "ref-alice")
	s.group(t, "ref")
	s.change(t, botDN, func(r *ldap.ModifyRequest) { r.Add("description", []string{"the bot"}) })
	long := strings.Repeat("a", 256)
	for _, x := range []struct{ account, group, words string }{
		{"nobody-such", "ref", "no account"},
		{"REF-alice", "ref", "otherwise"},
		{"ref-alice", "nothing-such", "no group"},
		{"ref-alice", "REF", "otherwise"},
		{"*", "ref", "no account"},
		{"ref-alice", "*", "no group"},
		{"", "ref", "no account"},
		{"ref-alice", "", `"group" takes one value`},
		{long, "ref", "longer than"},
		{"ref-alice", long, "longer than"},
	} {
		_, err := c.Grant(t.Context(), grantOf("ref1", x.account, x.group))
		wantError(t, err, runbooks.Refuse, x.words)
	}
	g := grantOf("ref2", "ref-alice", "ref")
	g.Params["gruop"] = []string{"x"}
	_, err := c.Grant(t.Context(), g)
	wantError(t, err, runbooks.Refuse, `"gruop"`)
}

func wantError(t *testing.T, err error, class runbooks.Class, words string) {
	t.Helper()
	var e *runbooks.Error
	if !errors.As(err, &e) || e.Class != class || !strings.Contains(e.Text, words) {
		t.Errorf("error %v (%s), want %s with %q", err, runbooks.ClassOf(err), class, words)
	}
}

// TestReq_R72_TheAccessLogLeadsToTheGrant: the directory's own log of changes names grant and request.
func TestReq_R72_TheAccessLogLeadsToTheGrant(t *testing.T) {
	t.Parallel()
	s := slapd(t)
	c := open(t, s.config())
	alice, dn := s.person(t, "log-alice"), s.group(t, "log")
	g := grantOf("l0gged", "log-alice", "log")
	for _, call := range []func() (runbooks.Receipt, error){
		func() (runbooks.Receipt, error) { return c.Grant(t.Context(), g) }, func() (runbooks.Receipt, error) { return c.Revoke(t.Context(), g) },
	} {
		if _, err := call(); err != nil {
			t.Fatal(err)
		}
	}
	r, err := s.admin(t).Search(ldap.NewSearchRequest("cn=log", ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false,
		"(&(objectClass=auditModify)(reqDN="+ldap.EscapeFilter(dn)+"))", []string{"reqMod", "reqAuthzID"}, nil))
	s.must(t, err)
	if len(r.Entries) != 2 {
		t.Fatalf("%d changes are logged", len(r.Entries))
	}
	for i, sign := range []string{"+", "-"} {
		mods := strings.Join(r.Entries[i].GetAttributeValues("reqMod"), "\n")
		for _, want := range []string{"member:" + sign + " " + alice, "description:" + sign + " countersign grant=g_l0gged request=r_l0gged"} {
			if !strings.Contains(mods, want) {
				t.Errorf("change %d does not say %q:\n%s", i, want, mods)
			}
		}
		if by := r.Entries[i].GetAttributeValue("reqAuthzID"); by != botDN {
			t.Errorf("by %q", by)
		}
	}
}

// TestReq_R63_ListTellsWhoMadeWhat: a membership made by hand is told with who made it and when, out of the server's log.
func TestReq_R63_ListTellsWhoMadeWhat(t *testing.T) {
	t.Parallel()
	s := slapd(t)
	c := open(t, s.config())
	s.person(t, "list-alice")
	bob, carol := s.person(t, "list-bob"), s.person(t, "list-carol")
	dn := s.group(t, "list", carol)
	before := time.Now().Add(-2 * time.Second)
	if _, err := c.Grant(t.Context(), grantOf("list", "list-alice", "list")); err != nil {
		t.Fatal(err)
	}
	s.change(t, dn, func(r *ldap.ModifyRequest) { r.Add("member", []string{bob}) })
	found := map[string]runbooks.Access{}
	for a, err := range c.ListAccess(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if a.Params["group"][0] == "list" {
			found[a.Account] = a
		}
	}
	if len(found) != 3 || !found["list-alice"].Ours || found["list-alice"].Grant != "g_list" {
		t.Fatalf("listed: %+v", found)
	}
	for _, account := range []string{"list-bob", "list-carol"} {
		if a := found[account]; a.Ours || a.MadeBy != adminDN || a.MadeAt.Before(before.Add(-time.Minute)) || a.MadeAt.After(time.Now().Add(time.Second)) {
			t.Errorf("%s: %+v", account, a)
		}
	}
}

func TestDiscover(t *testing.T) {
	t.Parallel()
	s := slapd(t)
	cfg := s.config()
	cfg.People, cfg.AccountAttribute = suffix, "cn"
	c := open(t, cfg)
	alice := s.person(t, "disc-alice")
	s.group(t, "disc", alice)
	found := map[string]runbooks.Discovered{}
	for x, err := range c.Discover(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		found[x.Ref] = x
	}
	if x := found["entry "+botDN]; x.Kind != "service_account" || x.Name != "countersign" || x.MadeBy != adminDN || x.MadeAt.IsZero() {
		t.Errorf("the bot: %+v", x)
	}
	x := found["entry "+alice]
	if diff := cmp.Diff([]string{"member of the group disc"}, x.Grants); x.Kind != "human" || diff != "" {
		t.Errorf("alice: %+v", x)
	}
}

// TestReq_R75_Probe: the bot's account can do what it must and no more, and doctor would see either otherwise.
func TestReq_R75_Probe(t *testing.T) {
	t.Parallel()
	s := slapd(t)
	s.person(t, "probe-alice")
	s.group(t, "probe")
	base := s.config()
	base.Dynamic = jit
	for name, x := range map[string]struct {
		change func(*directory.Config)
		bad    []string
	}{
		"bot":   {func(*directory.Config) {}, nil},
		"admin": {func(c *directory.Config) { c.BindDN, c.Password = adminDN, runbooks.NewSecret(adminPassword) }, []string{"change an account", "change the place of accounts", "change the place of groups"}},
		"person": {func(c *directory.Config) {
			c.BindDN, c.Password = "uid=probe-alice,"+people, runbooks.NewSecret(userPassword)
		}, []string{"may not write", "cannot make a group", "access log"}},
		"shut out": {func(c *directory.Config) { c.Password = runbooks.NewSecret("canary-wrong") }, []string{"refuses the bot's password"}},
		"nowhere":  {func(c *directory.Config) { c.Groups = "ou=nowhere," + suffix }, []string{"sees no group"}},
	} {
		cfg := base
		x.change(&cfg)
		var bad []string
		for _, f := range open(t, cfg).Probe(t.Context()) {
			if !f.OK {
				bad = append(bad, f.What)
				if f.Do == "" || strings.Contains(f.What, "canary") {
					t.Errorf("%s: %+v", name, f)
				}
			}
		}
		for i := range max(len(bad), len(x.bad)) {
			if i >= len(bad) || i >= len(x.bad) || !strings.Contains(bad[i], x.bad[i]) {
				t.Errorf("%s: %q, want %q", name, bad, x.bad)
				break
			}
		}
	}
	r, err := s.admin(t).Search(ldap.NewSearchRequest(jit, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, "(cn=g_countersign-probe)", nil, nil))
	s.must(t, err)
	if len(r.Entries) != 0 {
		t.Error("the probe left something behind")
	}
}

// A directory that stops letting the bot read looks empty. That is neither "revoked" nor "absent".
func TestFault_F28_AHiddenDirectoryIsNotAnEmptyOne(t *testing.T) {
	t.Parallel()
	s := slapd(t)
	cfg := s.config()
	cfg.Groups = "ou=hidden," + suffix
	c := open(t, cfg)
	g := grantOf("hid", "hid-alice", "hid")
	if p, err := c.Check(t.Context(), g); p != runbooks.Unconfirmed || runbooks.ClassOf(err) != runbooks.Broken {
		t.Errorf("check: %s, %v", p, err)
	}
	if _, err := c.Revoke(t.Context(), g); runbooks.ClassOf(err) != runbooks.Broken || err == nil {
		t.Errorf("revoke: %v", err)
	}
}

func TestErrorsAreClassed(t *testing.T) {
	t.Parallel()
	s := slapd(t)
	s.person(t, "err-alice")
	s.group(t, "err")
	g := grantOf("err", "err-alice", "err")
	for name, x := range map[string]struct {
		change func(*directory.Config)
		class  runbooks.Class
		words  string
	}{
		"wrong password": {func(c *directory.Config) { c.Password = runbooks.NewSecret("canary-wrong") }, runbooks.Broken, "password"},
		"no rights": {func(c *directory.Config) {
			c.BindDN, c.Password = "uid=err-alice,"+people, runbooks.NewSecret(userPassword)
		}, runbooks.Refuse, "bot's own"},
		"no server": {func(c *directory.Config) { c.URL = "ldap://127.0.0.1:1" }, runbooks.Retry, "could not be reached"},
		"no TLS":    {func(c *directory.Config) { c.URL = strings.Replace(s.url, "ldap://", "ldaps://", 1) }, runbooks.Retry, "could not be reached"},
	} {
		cfg := s.config()
		x.change(&cfg)
		_, err := open(t, cfg).Grant(t.Context(), g)
		wantError(t, err, x.class, x.words)
		if strings.Contains(fmt.Sprint(err), "canary") {
			t.Errorf("%s: the error quotes the password: %v", name, err)
		}
	}
	cfg := s.config()
	cfg.BindDN, cfg.Password = s.person(t, "err-bob"), runbooks.NewSecret(userPassword)
	_, err := open(t, cfg).Grant(t.Context(), g)
	wantError(t, err, runbooks.Broken, "lacks the right")
}

func TestSettings(t *testing.T) {
	t.Parallel()
	good := func() map[string]string {
		return map[string]string{"url": "ldaps://directory.example.org", "bind_dn": botDN, "password_file": "/run/x", "people": people, "groups": groups}
	}
	read := func(settings map[string]string, password string) error {
		cfg, err := directory.ReadSettings(settings, runbooks.NewSecret(password), func(string) ([]byte, error) { return []byte("no PEM"), nil })
		if err == nil {
			_, err = directory.Open(cfg)
		}
		return err
	}
	if err := read(good(), "x"); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct{ name, value, password, words string }{
		{"url", "http://x", "x", "setting url"},
		{"url", "ldap://user@x", "x", "setting url"},
		{"url", "", "x", "setting url"},
		{"people", "people", "x", "setting people"},
		{"groups", "", "x", "setting groups"},
		{"bind_dn", "", "x", "setting bind_dn"},
		{"dynamic_under", "x=", "x", ""},
		{"dynamic_under", "nonsense", "x", "setting dynamic_under"},
		{"account_attribute", "uid)(x", "x", "setting account_attribute"},
		{"ca_file", "/x", "x", "setting ca_file"},
		{"gruops", "x", "x", `"gruops"`},
		{"url", "ldaps://x", "", "password"},
	} {
		settings := good()
		settings[x.name] = x.value
		err := read(settings, x.password)
		if x.words == "" {
			continue
		}
		if err == nil || !strings.Contains(err.Error(), x.words) {
			t.Errorf("%s=%q: %v, want %q", x.name, x.value, err, x.words)
		}
	}
}
