package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/jackc/pgx/v5"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack/slacksim"
	"github.com/countersign-bot/countersign/store/storetest/pgtest"
	"github.com/countersign-bot/countersign/workflows"
)

// leaverFiles are four targets of four kinds, each with a chain of one stage that Jonas decides.
func leaverFiles(t *testing.T, dsn, directory, cache string) map[string]string {
	t.Helper()
	password := filepath.Join(t.TempDir(), "password")
	mustSay(t, os.WriteFile(password, []byte("bot-pw"), 0o600))
	target := func(id, connector, settings, entitlement string) string {
		return fmt.Sprintf("id: %s\ntitle: The %s\nconnector: %s\nowner: jonas\nenvironment: production\ndata_class: internal\nsettings: {%s}\nentitlements:\n"+
			"  - {id: use, title: Use the %s, description: Uses it., business_task: Repairs., review_date: 2036-01-01, longest: 4h, %s}\n", id, id, connector, settings, id, entitlement)
	}
	files := map[string]string{
		"targets/pg-main.yaml":        strings.ReplaceAll(pgTarget, "DSNFILE", dsn),
		"workflows/prod-db-read.yaml": pgWorkflow,
		"targets/directory.yaml": target("directory", "ldap", "url: '"+directory+"', bind_dn: 'cn=bot,dc=x', password_file: "+password+", people: 'ou=people,dc=x', groups: 'ou=groups,dc=x'",
			"shared: true, account: true, params: {group: dba}"),
		"targets/cache.yaml": target("cache", "redis", "url: '"+cache+"', username: countersign, password_file: "+password, "params: {rules: ['~basket:*', '+@read']}"),
	}
	for id, grants := range map[string]string{"use-directory": "directory/use", "use-cache": "cache/use", "use-shell": "bastion/deploy"} {
		text := strings.NewReplacer("prod-db-read", id, "Read the main database", "Chain "+id, "pg-main/readonly", grants, "for: [self, owned]", "for: [self]").Replace(pgWorkflow)
		if id == "use-shell" {
			text = strings.Replace(text, "kind: elevation", "kind: credential", 1)
			text = strings.Replace(text, "longest: 4h", "fields:\n  - {name: key, label: SSH public key, type: ssh_key}\nlongest: 4h", 1)
		}
		files["workflows/"+id+".yaml"] = text
	}
	people, err := demoFiles.ReadFile("demo/org/people.yaml")
	mustSay(t, err)
	files["people.yaml"] = strings.Replace(string(people), "    unix: maya\n", "    unix: maya\n    accounts: {pg-main: maya_pg, directory: maya}\n", 1)
	return files
}

// startSlapd runs a small directory with Maya in it, or skips with the reason.
func startSlapd(t *testing.T) (url string, isMember func() bool) {
	t.Helper()
	path := "/usr/sbin/slapd"
	if _, err := os.Stat(path); err != nil {
		t.Skip("no OpenLDAP here: slapd is not installed")
	}
	dir, err := os.MkdirTemp("", "csldap")
	mustSay(t, err)
	mustSay(t, os.Mkdir(filepath.Join(dir, "data"), 0o700))
	conf := "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\ninclude /etc/ldap/schema/inetorgperson.schema\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\n" +
		"pidfile " + dir + "/pid\naccess to * by dn.exact=\"cn=bot,dc=x\" write by * read\ndatabase mdb\nsuffix dc=x\nrootdn cn=bot,dc=x\nrootpw bot-pw\ndbnosync\ndirectory " + dir + "/data\n"
	mustSay(t, os.WriteFile(filepath.Join(dir, "conf"), []byte(conf), 0o600))
	address, err := freeAddress()
	mustSay(t, err)
	startServer(t, dir, path, "-h", "ldap://"+address, "-f", filepath.Join(dir, "conf"), "-d", "0")
	conn := dialed(t, func() (*ldap.Conn, error) { return ldap.DialURL("ldap://" + address) })
	mustSay(t, conn.Bind("cn=bot,dc=x", "bot-pw"))
	const maya = "uid=maya,ou=people,dc=x"
	for _, entry := range [][]string{
		{"dc=x", "objectClass", "dcObject|organization", "o", "x"},
		{"ou=people,dc=x", "objectClass", "organizationalUnit"},
		{"ou=groups,dc=x", "objectClass", "organizationalUnit"},
		{maya, "objectClass", "inetOrgPerson", "cn", "Maya", "sn", "Chen"},
		{"cn=dba,ou=groups,dc=x", "objectClass", "groupOfNames", "member", "cn=nobody,ou=groups,dc=x"},
	} {
		r := ldap.NewAddRequest(entry[0], nil)
		for i := 1; i < len(entry); i += 2 {
			r.Attribute(entry[i], strings.Split(entry[i+1], "|"))
		}
		mustSay(t, conn.Add(r))
	}
	return "ldap://" + address, func() bool {
		is, err := conn.Compare("cn=dba,ou=groups,dc=x", "member", maya)
		mustSay(t, err)
		return is
	}
}

// startRedis runs a Redis, or skips with the reason. accounts lists those that the bot made.
func startRedis(t *testing.T) (url string, accounts func() string) {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("no Redis here: redis-server is not installed")
	}
	address, err := freeAddress()
	mustSay(t, err)
	_, port, _ := net.SplitHostPort(address)
	dir, err := os.MkdirTemp("", "csredis")
	mustSay(t, err)
	startServer(t, dir, path, "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", dir)
	say := func(command string) string {
		conn := dialed(t, func() (net.Conn, error) { return net.Dial("tcp", address) })
		defer conn.Close()
		_, err := fmt.Fprintf(conn, "%s\r\nQUIT\r\n", command)
		mustSay(t, err)
		raw := make([]byte, 64<<10)
		out := ""
		for {
			n, err := conn.Read(raw)
			if out += string(raw[:n]); err != nil {
				return out
			}
		}
	}
	say("ACL SETUSER countersign on >bot-pw -@all +ping +acl|setuser +acl|deluser +acl|getuser +acl|list +acl|save +acl|dryrun +acl|whoami +client|list +client|kill")
	return "redis://" + address, func() string { return say("ACL USERS") }
}

// startServer runs a program until the test is over, with its folder.
func startServer(t *testing.T, dir, path string, args ...string) {
	t.Helper()
	cmd := exec.Command(path, args...)
	mustSay(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait(); _ = os.RemoveAll(dir) })
}

// dialed tries until a server that is starting answers.
func dialed[T any](t *testing.T, dial func() (T, error)) T {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; <-time.After(5 * time.Millisecond) {
		conn, err := dial()
		if err == nil {
			return conn
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// onFour is Maya with access on a database, in a directory, on a cache and on a host, each a real one.
type onFour struct {
	*story
	t     *testing.T
	mine  string                 // how she reaches the database
	works func() map[string]bool // where the access works now
}

func newOnFour(t *testing.T) *onFour {
	t.Helper()
	directory, isMember := startSlapd(t)
	cache, accounts := startRedis(t)
	pg := pgtest.Start(t, "fsync=off")
	target := pg.NewDatabase(t)
	pg.Exec(t, "postgres",
		`CREATE ROLE bot LOGIN CREATEROLE PASSWORD 'bot-pw'`, `GRANT pg_signal_backend TO bot`,
		`CREATE ROLE cs_readonly`, `GRANT cs_readonly TO bot WITH ADMIN OPTION`, `CREATE ROLE maya_pg LOGIN PASSWORD 'maya-pw'`)
	database, _, _ := strings.Cut(target[strings.LastIndex(target, "/")+1:], "?")
	dsn := filepath.Join(t.TempDir(), "dsn")
	mustSay(t, os.WriteFile(dsn, []byte(pg.URLFor("bot", "bot-pw", database)), 0o600))
	files := leaverFiles(t, dsn, directory, cache)
	files["roles.yaml"] = jonasRoles
	d := demoAsJonas(t, files)
	x := &onFour{story: &story{demo: d}, t: t, mine: pg.URLFor("maya_pg", "maya-pw", database)}
	ctx := t.Context()
	for chain, fields := range map[string]map[string]any{
		"prod-db-read": nil, "use-directory": nil, "use-cache": nil, "use-shell": {screens.FieldBlock + "key": x.people["maya"].public()},
	} {
		x.obtain(ctx, t, chain, fields)
	}
	cert, err := until(ctx, "the certificate", func() (string, bool) { return d.certificate("maya") })
	mustSay(t, err)
	x.works = func() map[string]bool {
		_, shell := x.host.login("deploy", x.people["maya"].ssh, cert)
		return map[string]bool{"database": setRole(ctx, t, x.mine, nil) == nil, "directory": isMember(), "cache": strings.Contains(accounts(), "countersign:g_"), "host": shell == nil}
	}
	x.all(true)
	return x
}

// all waits until her access works everywhere, or nowhere.
func (x *onFour) all(want bool) {
	x.t.Helper()
	if _, err := until(x.t.Context(), fmt.Sprintf("access on four targets to be %t", want), func() (map[string]bool, bool) {
		w := x.works()
		for _, is := range w {
			if is != want {
				return w, false
			}
		}
		return w, true
	}); err != nil {
		x.t.Fatalf("%v: %v", err, x.works())
	}
}

func (x *onFour) intact() {
	x.t.Helper()
	if out, err := x.ledger(x.t.Context(), "verify"); err != nil || !strings.Contains(out, "intact") {
		x.t.Errorf("the ledger does not verify: %v\n%s", err, out)
	}
}

// TestReq_R18_ALeaverLosesFourTargets: Maya's Slack account is deactivated, and nobody does anything else: all four targets refuse her within
// seconds, and everybody who should know is told.
func TestReq_R18_ALeaverLosesFourTargets(t *testing.T) {
	t.Parallel()
	x := newOnFour(t)
	began := time.Now()
	mustSay(t, x.slack.SetUser("maya", func(u *slacksim.User) { u.Deleted = true }))
	x.all(false)
	t.Logf("four targets refuse %v after the event", time.Since(began).Round(time.Millisecond))
	x.intact()
}

// TestReq_R81_R84_R100_OneActionEndsFourTargets: security types one line in Slack. All four targets refuse Maya, the session that she has open on the
// database is cut, the answer lists what she could reach and what a revocation leaves, the time is kept for each target, and what she asks
// from then on is refused until two people lift it.
func TestReq_R81_R84_R100_OneActionEndsFourTargets(t *testing.T) {
	t.Parallel()
	x := newOnFour(t)
	ctx := t.Context()
	open, err := pgx.Connect(ctx, x.mine)
	mustSay(t, err)
	defer open.Close(context.Background())
	mustSay(t, setRole(ctx, t, x.mine, open))

	began := time.Now()
	del := x.slack.Command(ctx, x.slackID("jonas"), "access", "/access", "quarantine @maya her laptop was stolen")
	mustSay(t, del.Err)
	said(t, string(del.AckPayload), "Read the main database", "Use the directory", "Use the cache", "Shell as deploy", "What taking it back does not end")
	x.all(false)
	if _, err := until(ctx, "her open session to be cut", func() (bool, bool) {
		_, err := open.Exec(ctx, "SELECT 1")
		return true, err != nil
	}); err != nil {
		t.Fatal(err)
	}
	t.Logf("four targets refuse %v after the line", time.Since(began).Round(time.Millisecond))
	for _, target := range []string{"pg-main", "directory", "cache", "bastion"} {
		counted := regexp.MustCompile(`countersign_revoke_effective_seconds_count\{target="` + target + `"\} 1\b`)
		if page, err := until(ctx, "the time of "+target, func() (string, bool) {
			res, err := http.Get(x.child.url() + "/metrics")
			mustSay(t, err)
			defer res.Body.Close()
			page, err := io.ReadAll(res.Body)
			mustSay(t, err)
			return string(page), counted.Match(page)
		}); err != nil {
			t.Errorf("%v:\n%s", err, regexp.MustCompile(`.*revoke_effective.*`).FindAllString(page, -1))
		}
	}
	said(t, x.mustCLI(t, "quarantine", "list"), "Maya Chen")
	mustSay(t, x.command(ctx, "maya", "/access", "request use-directory"))
	_, err = x.view(ctx, "maya", screens.CallForm)
	mustSay(t, err)
	mustSay(t, x.submit(ctx, "maya", map[string]any{screens.BlockDuration: "1h", screens.BlockReason: "I still need this."}))
	if _, err := until(ctx, "the refusal on record", func() (string, bool) {
		out, err := x.ledger(ctx, "show", "-last", "10", "-json")
		mustSay(t, err)
		return out, strings.Contains(out, workflows.CodeQuarantined)
	}); err != nil {
		t.Error(err)
	}
	x.intact()
}

// obtain asks as Maya, approves as Jonas, and waits until she is told.
func (s *story) obtain(ctx context.Context, t *testing.T, chain string, fields map[string]any) {
	t.Helper()
	mustSay(t, s.command(ctx, "maya", "/access", "request "+chain))
	v, err := s.view(ctx, "maya", screens.CallForm)
	mustSay(t, err)
	reason := "Needed for " + chain + ", as agreed."
	values := map[string]any{screens.BlockDuration: "1h", screens.BlockReason: reason}
	for name, value := range fields {
		values[name] = value
	}
	if value, ok := optionValue(v.Blocks, "Shell as deploy"); ok {
		values[screens.BlockEntitlement] = value
	}
	mustSay(t, s.submit(ctx, "maya", values))
	card, err := s.message(ctx, "access", reason)
	mustSay(t, err)
	mustSay(t, s.press(ctx, "jonas", card, screens.ActApprove))
}
