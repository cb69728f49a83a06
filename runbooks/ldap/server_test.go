package ldap_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/countersign-bot/countersign/runbooks"
	directory "github.com/countersign-bot/countersign/runbooks/ldap"
	"github.com/countersign-bot/countersign/runbooks/runbooktest"
)

// server is a real OpenLDAP of this test run, with the rules that doc.go gives.
type server struct {
	url     string
	dir     string
	process *exec.Cmd
	served  map[string]bool // names of the tests that use it
}

const (
	suffix        = "dc=example,dc=org"
	people        = "ou=people," + suffix
	groups        = "ou=groups," + suffix
	jit           = "ou=jit," + suffix
	programs      = "ou=programs," + suffix
	canaries      = "ou=canary," + suffix // what lies below it is read by members of the group that its seeAlso names
	adminDN       = "cn=admin," + suffix
	botDN         = "cn=countersign,ou=services," + suffix
	adminPassword = "admin-password"
	botPassword   = "canary-bot-password"
	userPassword  = "user-password"
)

// started are the servers of this run: one, and another each time that the tests are gone through again (-count).
var started struct {
	sync.Mutex
	all []*server
}

// TestMain stops the servers that tests started.
func TestMain(m *testing.M) {
	code := m.Run()
	for _, s := range started.all {
		s.stop()
	}
	os.Exit(code)
}

// slapd starts the server for the first test that asks, or skips with the reason. A test that was there before gets one
// that knows nothing of what it made.
func slapd(t testing.TB) *server {
	t.Helper()
	path, err := exec.LookPath("slapd")
	if err != nil {
		path = "/usr/sbin/slapd"
	}
	if _, err := os.Stat(path); err != nil {
		t.Skip("no OpenLDAP here: slapd is not installed")
	}
	started.Lock()
	defer started.Unlock()
	if n := len(started.all); n > 0 && !started.all[n-1].served[t.Name()] {
		started.all[n-1].served[t.Name()] = true
		return started.all[n-1]
	}
	s, err := startServer(t, path)
	started.all = append(started.all, s)
	if err != nil {
		t.Fatal(err)
	}
	s.served[t.Name()] = true
	return s
}

const conf = `
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/inetorgperson.schema
pidfile DIR/slapd.pid
modulepath MODULES
moduleload back_mdb
moduleload memberof
moduleload dds
moduleload accesslog
sizelimit unlimited

access to dn.base="" by * read
access to dn.subtree="cn=log" by dn.exact="BOT" read
access to dn.children="ou=programs,dc=example,dc=org" attrs=userPassword by dn.exact="BOT" =wx by anonymous auth
access to dn.subtree="ou=programs,dc=example,dc=org" by dn.exact="BOT" write by * read
access to attrs=userPassword by anonymous auth by self write
access to attrs=entryTtl by dnattr=creatorsName manage by * read
access to dn.children="ou=groups,dc=example,dc=org" filter="(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup))"
  attrs=member,uniqueMember,memberUid,description
  by dn.exact="BOT" write by * read
access to dn.subtree="ou=jit,dc=example,dc=org" by dn.exact="BOT" write by * read
access to dn.children="ou=canary,dc=example,dc=org" by set="this/seeAlso/member & user" read by * none
access to * by * read

database mdb
suffix cn=log
rootdn ADMIN
directory DIR/log
index reqStart,reqDN eq

database mdb
suffix dc=example,dc=org
rootdn ADMIN
rootpw admin-password
directory DIR/data
maxsize 104857600
dbnosync
index objectClass,uid,cn,member eq
overlay memberof
overlay dds
dds-state TRUE
dds-interval 1
dds-max-ttl 31557600
overlay accesslog
logdb cn=log
logops writes
logsuccess TRUE
`

func startServer(t testing.TB, path string) (*server, error) {
	t.Helper()
	dir, err := os.MkdirTemp("", "csldap")
	if err != nil {
		return nil, err
	}
	s := &server{dir: dir, served: map[string]bool{}, url: "ldap://127.0.0.1:" + runbooktest.FreePort(t)}
	for _, sub := range []string{"data", "log"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			return s, err
		}
	}
	modules, _ := filepath.Glob("/usr/lib*/ldap")
	if len(modules) == 0 {
		modules = []string{"/usr/lib/ldap"}
	}
	text := strings.NewReplacer("DIR", dir, "MODULES", modules[0], "BOT", botDN, "ADMIN", adminDN).Replace(conf)
	file := filepath.Join(dir, "slapd.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return s, err
	}
	log, err := os.Create(filepath.Join(dir, "out"))
	if err != nil {
		return s, err
	}
	defer log.Close()
	s.process = exec.Command(path, "-h", s.url, "-f", file, "-d", "0")
	s.process.Stdout, s.process.Stderr = log, log
	if err := s.process.Start(); err != nil {
		return s, err
	}
	if err := s.prepare(); err != nil {
		s.stop()
		raw, _ := os.ReadFile(filepath.Join(dir, "out"))
		return s, fmt.Errorf("%w: %s", err, bytes.TrimSpace(raw))
	}
	return s, nil
}

// prepare waits for the server and makes the tree.
func (s *server) prepare() error {
	deadline := time.Now().Add(60 * time.Second)
	for {
		conn, err := ldap.DialURL(s.url)
		if err == nil {
			defer conn.Close()
			return s.plant(conn)
		}
		if time.Now().After(deadline) {
			return err
		}
		runtimeYield()
	}
}

// runtimeYield lets a little time pass between two tries to reach a server that is starting: there is nothing to wait on.
func runtimeYield() {
	<-time.After(10 * time.Millisecond)
}

func (s *server) plant(conn *ldap.Conn) error {
	if err := conn.Bind(adminDN, adminPassword); err != nil {
		return err
	}
	add := func(dn string, attributes ...string) error {
		r := ldap.NewAddRequest(dn, nil)
		for i := 0; i < len(attributes); i += 2 {
			r.Attribute(attributes[i], strings.Split(attributes[i+1], "|"))
		}
		return conn.Add(r)
	}
	for _, entry := range [][]string{
		{suffix, "objectClass", "dcObject|organization", "dc", "example", "o", "Example"},
		{people, "objectClass", "organizationalUnit", "ou", "people"},
		{groups, "objectClass", "organizationalUnit", "ou", "groups"},
		{jit, "objectClass", "organizationalUnit", "ou", "jit"},
		{programs, "objectClass", "organizationalUnit", "ou", "programs"},
		{canaries, "objectClass", "organizationalUnit", "ou", "canary"},
		{"ou=services," + suffix, "objectClass", "organizationalUnit", "ou", "services"},
		{botDN, "objectClass", "applicationProcess|simpleSecurityObject", "cn", "countersign", "userPassword", botPassword},
	} {
		if err := add(entry[0], entry[1:]...); err != nil {
			return fmt.Errorf("adding %s: %w", entry[0], err)
		}
	}
	return nil
}

func (s *server) stop() {
	if s == nil {
		return
	}
	if s.process != nil && s.process.Process != nil {
		_ = s.process.Process.Signal(syscall.SIGKILL) // the data goes away anyway
		_ = s.process.Wait()
	}
	_ = os.RemoveAll(s.dir)
}

// admin is a connection of the administrator.
func (s *server) admin(t testing.TB) *ldap.Conn {
	t.Helper()
	return s.login(t, adminDN, adminPassword)
}

func (s *server) login(t testing.TB, dn, password string) *ldap.Conn {
	t.Helper()
	conn, err := ldap.DialURL(s.url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.Bind(dn, password); err != nil {
		t.Fatalf("logging in as %s: %v", dn, err)
	}
	return conn
}

func (s *server) must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// person makes an account and gives its DN.
func (s *server) person(t testing.TB, uid string) string {
	t.Helper()
	dn := "uid=" + ldap.EscapeDN(uid) + "," + people
	r := ldap.NewAddRequest(dn, nil)
	r.Attribute("objectClass", []string{"inetOrgPerson"})
	r.Attribute("uid", []string{uid})
	r.Attribute("cn", []string{"A person"})
	r.Attribute("sn", []string{"Person"})
	r.Attribute("userPassword", []string{userPassword})
	s.must(t, s.admin(t).Add(r))
	return dn
}

// group makes a standing group with a member that stays, and gives its DN.
func (s *server) group(t testing.TB, name string, members ...string) string {
	t.Helper()
	dn := "cn=" + ldap.EscapeDN(name) + "," + groups
	r := ldap.NewAddRequest(dn, nil)
	r.Attribute("objectClass", []string{"groupOfNames"})
	r.Attribute("cn", []string{name})
	r.Attribute("description", []string{"What " + name + " may"})
	if len(members) == 0 {
		members = []string{"cn=nobody," + groups}
	}
	r.Attribute("member", members)
	s.must(t, s.admin(t).Add(r))
	return dn
}

// change adds or deletes one value as the administrator.
func (s *server) change(t testing.TB, dn string, change func(*ldap.ModifyRequest)) {
	t.Helper()
	r := ldap.NewModifyRequest(dn, nil)
	change(r)
	s.must(t, s.admin(t).Modify(r))
}

// counts tells whether an application would take somebody for a member of a group: one that stands there, or one that was lent
// and names it.
func (s *server) counts(t testing.TB, conn *ldap.Conn, groupDN, member string) bool {
	t.Helper()
	filter := fmt.Sprintf("(&(objectClass=groupOfNames)(member=%s)(|(entryDN=%s)(seeAlso=%s)))", ldap.EscapeFilter(member), ldap.EscapeFilter(groupDN), ldap.EscapeFilter(groupDN))
	r, err := conn.Search(ldap.NewSearchRequest(suffix, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, filter, []string{"1.1"}, nil))
	s.must(t, err)
	return len(r.Entries) > 0
}

// config is how the bot reaches this server.
func (s *server) config() directory.Config {
	return directory.Config{
		URL: s.url, BindDN: botDN, Password: runbooks.NewSecret(botPassword), People: people, Groups: groups, AccessLog: "cn=log", Programs: programs,
	}
}

func open(t testing.TB, cfg directory.Config) *directory.Connector {
	t.Helper()
	c, err := directory.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
