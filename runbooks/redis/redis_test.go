package redis_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/redis"
	"github.com/countersign-bot/countersign/runbooks/runbooktest"
	"github.com/countersign-bot/countersign/workflows"
)

const (
	adminPassword = "admin-password"
	botPassword   = "canary-bot-password"
)

// server is a real Redis of one test.
type server struct {
	addr string
	dir  string
}

// start runs a Redis for the test, or skips with the reason.
func start(t testing.TB) *server {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("no Redis here: redis-server is not installed")
	}
	s := &server{dir: t.TempDir()}
	port := runbooktest.FreePort(t)
	s.addr = net.JoinHostPort("127.0.0.1", port)
	// The bot's account is made as the manual of this connector says.
	acl := "user default on >" + adminPassword + " ~* &* +@all\nuser countersign on >" + botPassword +
		" resetkeys resetchannels -@all +ping +acl|setuser +acl|deluser +acl|getuser +acl|list +acl|save +acl|dryrun +acl|whoami +client|list +client|kill\n"
	file := filepath.Join(s.dir, "users.acl")
	if err := os.WriteFile(file, []byte(acl), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", s.dir, "--aclfile", file)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for deadline := time.Now().Add(60 * time.Second); ; <-time.After(5 * time.Millisecond) {
		if c, err := s.login("default", adminPassword); err == nil {
			c.close()
			break
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	s.admin(t, "SET", "basket:1", "42")
	return s
}

// client is a connection that nobody of the product wrote: inline commands, one line each.
type client struct {
	net.Conn
	r *bufio.Reader
}

func (s *server) login(user, password string) (*client, error) {
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		return nil, err
	}
	c := &client{conn, bufio.NewReader(conn)}
	if answer, err := c.say("AUTH", user, password); err != nil || answer != "+OK" {
		c.close()
		return nil, fmt.Errorf("logging in as %q: %q, %w", user, answer, errors.Join(err, errRefused))
	}
	return c, nil
}

var errRefused = errors.New("refused")

func (c *client) close() { _ = c.Close() }

// say sends a command and gives the first line of the answer, or of the bulk that it announces.
func (c *client) say(words ...string) (string, error) {
	for i, w := range words {
		words[i] = fmt.Sprintf("%q", w)
	}
	if _, err := fmt.Fprintf(c, "%s\r\n", strings.Join(words, " ")); err != nil {
		return "", err
	}
	line, err := c.r.ReadString('\n')
	if strings.HasPrefix(line, "$") && line != "$-1\r\n" {
		line, err = c.r.ReadString('\n')
	}
	return strings.TrimRight(line, "\r\n"), err
}

func (s *server) admin(t testing.TB, words ...string) string {
	t.Helper()
	c, err := s.login("default", adminPassword)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	answer, err := c.say(words...)
	if err != nil || strings.HasPrefix(answer, "-") {
		t.Fatalf("%q: %q, %v", words, answer, err)
	}
	return answer
}

func (s *server) settings() map[string]string {
	return map[string]string{"url": "redis://" + s.addr, "username": "countersign", "password_env": "X"}
}

func (s *server) connector(t testing.TB) *redis.Connector {
	t.Helper()
	c, err := redis.Open(s.settings(), runbooks.NewSecret(botPassword), os.ReadFile)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// watched is the connector, and remembers the password with which each account was made.
type watched struct {
	*redis.Connector
	mu        sync.Mutex
	passwords map[workflows.GrantID]string
}

func (w *watched) Grant(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	w.mu.Lock()
	w.passwords[g.ID] = password(g)
	w.mu.Unlock()
	return w.Connector.Grant(ctx, g)
}

func password(g runbooks.Grant) string {
	for _, p := range g.Secret.Parts {
		if p.Name == "Password" {
			return p.Value.Reveal()
		}
	}
	return ""
}

// userName is what was handed over beside the password.
func userName(g runbooks.Grant) string {
	for _, p := range g.Secret.Parts {
		if p.Name == "User name" {
			return p.Value.Reveal()
		}
	}
	return "countersign:" + string(g.ID) + ":Alice%20Ng"
}

func grantOf(id string, rules ...string) runbooks.Grant {
	at := time.Now().UTC().Truncate(time.Second)
	return runbooks.Grant{
		ID: workflows.GrantID("g_" + id), Request: workflows.RequestID("r_" + id), Identity: "p_1", Holder: "Alice Ng", Target: "cache",
		Entitlement: "read", Params: map[string][]string{"rules": rules}, Start: at, End: at.Add(time.Hour),
	}
}

// armed gives a grant its secret, as the Runner does.
func armed(t testing.TB, c *redis.Connector, g runbooks.Grant) runbooks.Grant {
	t.Helper()
	var err error
	if g.Secret, err = c.MakeSecret(g); err != nil {
		t.Fatal(err)
	}
	return g
}

func (s *server) reads(g runbooks.Grant, password string) bool {
	c, err := s.login(userName(g), password)
	if err != nil {
		return false
	}
	defer c.close()
	answer, err := c.say("GET", "basket:1")
	return err == nil && answer == "42"
}

// lets tells whether the server takes a password.
func (s *server) lets(user, password string) bool {
	c, err := s.login(user, password)
	if err == nil {
		c.close()
	}
	return err == nil
}

// TestThreat_T44_Exercise holds the connector to the contract on a real server; its part "nasty strings" is the threat's.
func TestThreat_T44_Exercise(t *testing.T) {
	t.Parallel()
	runbooktest.Exercise(t, func(t *testing.T) runbooktest.System {
		s := start(t)
		w := &watched{Connector: s.connector(t), passwords: map[workflows.GrantID]string{}}
		at := time.Now().UTC().Truncate(time.Second)
		return runbooktest.System{
			Connector: w,
			Secrets:   []string{botPassword},
			Grant: func(n int) runbooks.Grant {
				g := grantOf(fmt.Sprintf("ex%d", n), "~basket:*", "+@read")
				g.Start, g.End = at, at.Add(time.Hour)
				return g
			},
			Works: func(_ *testing.T, g runbooks.Grant, _ runbooks.Receipt) bool {
				w.mu.Lock()
				defer w.mu.Unlock()
				return s.reads(g, w.passwords[g.ID])
			},
			Arrived: func(t *testing.T, g runbooks.Grant, _ runbooks.Receipt, place runbooktest.Place) string {
				for a, err := range w.ListAccess(t.Context()) {
					if err != nil {
						t.Fatal(err)
					}
					if text := g.Params[place.Name][0]; a.Grant == g.ID && slices.Contains(a.Params["rules"], text) {
						return text
					}
				}
				return "not in the account"
			},
			More: func(t *testing.T) []runbooktest.Sound {
				s.admin(t, "ACL", "SETUSER", "role:baskets", "off", "~basket:*", "+@read")
				g := grantOf("exrole")
				g.Params = map[string][]string{redis.ParamRole: {"baskets"}}
				return []runbooktest.Sound{{Grant: g}}
			},
			Words: filepath.Join("testdata", "words.txt"),
			Rotation: func(t *testing.T) runbooktest.Turning {
				s.admin(t, "ACL", "SETUSER", "app", "on", ">old-password", "~basket:*", "+@read")
				return runbooktest.Turning{
					Order:   runbooks.Rotation{ID: "rot_1", Account: "app", Old: "user app", Secret: runbooks.NewPassword()},
					Account: "app",
					Old:     func(*testing.T) bool { return s.lets("app", "old-password") },
					New:     func(_ *testing.T, secret, _ string) bool { return s.lets("app", secret) },
				}
			},
			Foreign: func(t *testing.T, g runbooks.Grant) {
				s.admin(t, "ACL", "SETUSER", "by-hand", "on", ">x", "~basket:*", "+@read")
			},
		}
	})
}

// TestReq_R51_SessionsAreSeenAndCut: a live session is listed, ended alone, and ended with the account.
func TestReq_R51_SessionsAreSeenAndCut(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := s.connector(t)
	g := armed(t, c, grantOf("one", "~basket:*", "+@read", "+@all"))
	if _, err := c.Grant(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	alice, err := s.login(userName(g), password(g))
	if err != nil {
		t.Fatal(err)
	}
	defer alice.close()
	for command, want := range map[string]string{"GET basket:1": "42", "GET other": "-NOPERM", "ACL LIST": "-NOPERM", "CONFIG GET *": "-NOPERM"} {
		if answer, err := alice.say(strings.Fields(command)...); err != nil || !strings.HasPrefix(answer, want) {
			t.Errorf("%s: %q, %v, want %q", command, answer, err, want)
		}
	}
	sessions, err := c.ListSessions(t.Context(), g)
	if err != nil || len(sessions) != 1 || sessions[0].From != alice.LocalAddr().String() || time.Since(sessions[0].Since) > time.Minute {
		t.Fatalf("sessions: %+v, %v", sessions, err)
	}
	if n, err := c.EndSessions(t.Context(), g); n != 1 || err != nil {
		t.Errorf("ended %d, %v", n, err)
	}
	if _, err := alice.say("PING"); err == nil {
		t.Error("a session that was ended answers")
	}
	again, err := s.login(userName(g), password(g))
	if err != nil {
		t.Fatalf("the access is gone with its sessions: %v", err)
	}
	defer again.close()
	receipt, err := c.Revoke(t.Context(), g)
	if err != nil || receipt.Facts["sessions_ended"] != "1" {
		t.Fatalf("revoke: %+v, %v", receipt, err)
	}
	if _, err := again.say("PING"); err == nil {
		t.Error("a session outlives the account")
	}
	if s.reads(g, password(g)) {
		t.Error("the account still lets in")
	}
}

// TestReq_R68_ACanaryLogsIn: a drill logs in as the canary, cannot once the account is gone, and says when that cannot be told.
func TestReq_R68_ACanaryLogsIn(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := s.connector(t)
	g := armed(t, c, grantOf("canary", "~basket:*", "+@read"))
	for _, step := range []struct {
		do   func(context.Context, runbooks.Grant) (runbooks.Receipt, error)
		want bool
	}{{c.Grant, true}, {c.Revoke, false}} {
		if _, err := step.do(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		if in, err := c.Try(t.Context(), g, runbooks.Receipt{}); in != step.want || err != nil {
			t.Errorf("let in: %v, %v; want %v", in, err, step.want)
		}
	}
	g.Secret = runbooks.Handover{}
	if _, err := c.Try(t.Context(), g, runbooks.Receipt{}); err == nil {
		t.Error("a login without a password was tried")
	}
}

// What somebody else saved with our account in it does not bring the account back when the server starts again.
func TestRevokeIsSaved(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := s.connector(t)
	g := armed(t, c, grantOf("saved", "~*", "+@read"))
	if _, err := c.Grant(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	saved := func() bool {
		raw, err := os.ReadFile(filepath.Join(s.dir, "users.acl"))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(raw), "g_saved")
	}
	if saved() {
		t.Error("granting saved the account: a restart would not end it")
	}
	s.admin(t, "ACL", "SAVE")
	if !saved() {
		t.Fatal("the premise is gone")
	}
	if _, err := c.Revoke(t.Context(), g); err != nil || saved() {
		t.Errorf("the account is still in the file (%v)", err)
	}
}

// TestReq_R72_TheServersOwnListsNameTheGrant: denials and connections lead to the grant and to the human who holds it. The account is found when nothing is
// left of the name on our side, and one that an earlier release made without a name is, too.
func TestReq_R72_TheServersOwnListsNameTheGrant(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := s.connector(t)
	g := armed(t, c, grantOf("l0gged", "~basket:*", "+get"))
	if _, err := c.Grant(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	alice, err := s.login(userName(g), password(g))
	if err != nil {
		t.Fatal(err)
	}
	defer alice.close()
	if answer, err := alice.say("FLUSHALL"); err != nil || !strings.HasPrefix(answer, "-NOPERM") {
		t.Fatalf("%q, %v", answer, err)
	}
	admin, err := s.login("default", adminPassword)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.close()
	if _, err := fmt.Fprintf(admin, "ACL LOG 1\r\nPING\r\n"); err != nil {
		t.Fatal(err)
	}
	log := ""
	for !strings.Contains(log, "+PONG") {
		line, err := admin.r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		log += line
	}
	if !strings.Contains(log, "countersign:g_l0gged:Alice%20Ng") || !strings.Contains(log, "flushall") {
		t.Errorf("the log of denials does not name the grant and its holder:\n%s", log)
	}
	s.admin(t, "ACL", "SETUSER", "countersign:g_older", "on", ">x", "+get")
	older := grantOf("older", "~basket:*", "+get")
	for _, g := range []runbooks.Grant{g, older} {
		g.Holder = "" // erased
		if p, err := c.Check(t.Context(), g); p != runbooks.Present || err != nil {
			t.Errorf("%s: %s, %v", g.ID, p, err)
		}
		if _, err := c.Revoke(t.Context(), g); err != nil {
			t.Errorf("%s: %v", g.ID, err)
		}
		if p, err := c.Check(t.Context(), g); p != runbooks.Absent || err != nil {
			t.Errorf("%s: %s, %v", g.ID, p, err)
		}
	}
	if _, err := alice.say("PING"); err == nil {
		t.Error("a session outlives the account")
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := s.connector(t)
	many := make([]string, 65)
	for i := range many {
		many[i] = "+get"
	}
	for _, x := range []struct {
		rules []string
		words string
	}{
		{nil, `"rules" takes 1 to 64`},
		{many, `"rules" takes 1 to 64`},
		{[]string{"on"}, `"on" does not`},
		{[]string{"nopass"}, `"nopass" does not`},
		{[]string{">password"}, "does not"},
		{[]string{"(+@all ~*)"}, "does not"},
		{[]string{"+get", "+nosuchcommand"}, `the rule "+nosuchcommand"`},
		{[]string{"+@nosuch"}, `the rule "+@nosuch"`},
		{[]string{"~a b"}, "does not"},
		{[]string{"~" + strings.Repeat("a", 200)}, "does not"},
	} {
		_, err := c.Grant(t.Context(), armed(t, c, grantOf("ref", x.rules...)))
		wantError(t, err, runbooks.Refuse, x.words)
	}
	g := armed(t, c, grantOf("ref", "+get"))
	g.Params["rule"] = []string{"x"}
	_, err := c.Grant(t.Context(), g)
	wantError(t, err, runbooks.Refuse, `"rule"`)
	_, err = c.Grant(t.Context(), grantOf("ref", "+get"))
	wantError(t, err, runbooks.Broken, "no password")
	if _, err := c.RemoveAccess(t.Context(), runbooks.Access{Key: "user default", Account: "default"}); runbooks.ClassOf(err) != runbooks.Refuse {
		t.Errorf("removing the default account: %v", err)
	}
}

func wantError(t *testing.T, err error, class runbooks.Class, words string) {
	t.Helper()
	var e *runbooks.Error
	if !errors.As(err, &e) || e.Class != class || !strings.Contains(e.Text, words) {
		t.Errorf("error %v (%s), want %s with %q", err, runbooks.ClassOf(err), class, words)
	}
}

// TestReq_R75_Probe: the account of the manual is enough and no more; one with more, one with less and none are told.
func TestReq_R75_Probe(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.admin(t, "ACL", "SETUSER", "weak", "on", ">"+botPassword, "+acl|dryrun", "+acl|list")
	s.admin(t, "ACL", "SETUSER", "blind", "on", ">"+botPassword)
	for _, x := range []struct {
		user, password string
		bad            []string
	}{
		{"countersign", botPassword, nil},
		{"default", adminPassword, []string{"may GET x, which is more", "may SET x y", "may KEYS", "may CONFIG", "may FLUSHALL", "may SHUTDOWN", "may PUBLISH"}},
		{"weak", botPassword, []string{"may not ACL SETUSER", "may not ACL DELUSER", "may not ACL GETUSER", "may not ACL SAVE", "may not CLIENT LIST", "may not CLIENT KILL"}},
		{"blind", botPassword, []string{"is not told"}},
		{"countersign", "canary-wrong", []string{"refuses the bot's account or password"}},
	} {
		settings := s.settings()
		settings["username"] = x.user
		c, err := redis.Open(settings, runbooks.NewSecret(x.password), os.ReadFile)
		if err != nil {
			t.Fatal(err)
		}
		var bad []string
		for _, f := range c.Probe(t.Context()) {
			if !f.OK {
				bad = append(bad, f.What)
				if f.Do == "" || strings.Contains(f.What, "canary") {
					t.Errorf("%s: %+v", x.user, f)
				}
			}
		}
		for i := range max(len(bad), len(x.bad)) {
			if i >= len(bad) || i >= len(x.bad) || !strings.Contains(bad[i], x.bad[i]) {
				t.Errorf("%s: %q, want %q", x.user, bad, x.bad)
				break
			}
		}
	}
}

func TestDiscover(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := s.connector(t)
	s.admin(t, "ACL", "SETUSER", "app", "on", "nopass", "~app:*", "+@read")
	if _, err := c.Grant(t.Context(), armed(t, c, grantOf("disc", "+get"))); err != nil {
		t.Fatal(err)
	}
	found := map[string]runbooks.Discovered{}
	for x, err := range c.Discover(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		found[x.Name] = x
	}
	if x := found["app"]; x.Kind != "service_account" || x.Strong || x.Facts["needs a password"] != "false" {
		t.Errorf("app: %+v", x)
	}
	if x := found["default"]; !x.Strong || x.Facts["needs a password"] != "true" {
		t.Errorf("default: %+v", x)
	}
	if x := found["countersign:g_disc:Alice%20Ng"]; x.Grant != "g_disc" {
		t.Errorf("ours: %+v", x)
	}
	if strings.Contains(fmt.Sprint(found), "#") {
		t.Error("the hash of a password is told")
	}
}

// A server that says nothing, or nonsense, or goes away is to be asked again, and no answer of it is taken for a list.
func TestFault_F25_OddServers(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"nonsense": "HTTP/1.1 400 Bad Request\r\n", "goes away": "", "cut": "+OK\r\n$10\r\nabc", "too long": "+OK\r\n$99999999999\r\n",
		"too many": "+OK\r\n*99999999\r\n", "too deep": "+OK\r\n" + strings.Repeat("*1\r\n", 100), "endless line": "+" + strings.Repeat("a", 100_000),
		"loading": "-LOADING Redis is loading the dataset in memory\r\n",
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = fmt.Fprint(conn, answer)
				_ = conn.(*net.TCPConn).CloseWrite()
			}
		}()
		c, err := redis.Open(map[string]string{"url": "redis://" + l.Addr().String(), "username": "x"}, runbooks.NewSecret("canary"), os.ReadFile)
		if err != nil {
			t.Fatal(err)
		}
		p, err := c.Check(t.Context(), grantOf("odd", "+get"))
		if p != runbooks.Unconfirmed || err == nil || runbooks.ClassOf(err) != runbooks.Retry {
			t.Errorf("%s: %s, %v (%s)", name, p, err, runbooks.ClassOf(err))
		}
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for _, x := range []struct{ name, value, password, words string }{
		{"url", "rediss://cache.example.org", "x", ""},
		{"url", "redis://127.0.0.1:1", "x", ""},
		{"url", "redis://cache.example.org", "x", "setting url"},
		{"url", "http://cache.example.org", "x", "setting url"},
		{"url", "rediss://user:pw@cache.example.org", "x", "setting url"},
		{"username", "", "x", "settings username"},
		{"username", "x", "", "settings username"},
		{"ca_file", "/x", "x", "setting ca_file"},
		{"usrname", "x", "x", `"usrname"`},
	} {
		settings := map[string]string{"url": "rediss://cache.example.org", "username": "countersign"}
		settings[x.name] = x.value
		_, err := redis.Open(settings, runbooks.NewSecret(x.password), func(string) ([]byte, error) { return []byte("no PEM"), nil })
		if (err == nil) != (x.words == "") || err != nil && !strings.Contains(err.Error(), x.words) {
			t.Errorf("%s=%q: %v, want %q", x.name, x.value, err, x.words)
		}
	}
}

// R41: the old password works until the next one is proven, and no longer than that.
func TestReq_R41_PasswordsAreRotated(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := s.connector(t)
	s.admin(t, "ACL", "SETUSER", "app", "on", ">old-password", "~basket:*", "+@read", "+ping")
	r := runbooks.Rotation{ID: "rot_1", Account: "app", Old: "user app", Secret: runbooks.NewPassword()}
	n, err := c.Renew(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	works := func(password string) bool {
		conn, err := s.login("app", password)
		if err != nil {
			return false
		}
		_ = conn.Close()
		return true
	}
	if !works("old-password") || !works(r.Secret.Reveal()) {
		t.Error("while programs change over, both work")
	}
	wrong := r
	wrong.Secret = runbooks.NewPassword()
	if err := c.Prove(t.Context(), wrong, n); err == nil {
		t.Error("another password proves it")
	}
	if err := c.Prove(t.Context(), r, n); err != nil {
		t.Fatal(err)
	}
	if err := c.Retire(t.Context(), r, n); err != nil {
		t.Fatal(err)
	}
	if works("old-password") || !works(r.Secret.Reveal()) {
		t.Error("after it, only the next one works")
	}
	for _, name := range []string{"default", "nobody", "countersign:g_1", "a b", "bot"} {
		bad := r
		bad.Account, bad.Old = name, "user "+name
		if _, err := c.Renew(t.Context(), bad); runbooks.ClassOf(err) != runbooks.Refuse {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// TestReq_R50_RolesOfTheServer: forms offer the roles that administrators keep as accounts nobody can log in with; a grant gets such a role's rules
// and no more, a role cannot be logged in with, and one that could be is not granted.
func TestReq_R50_RolesOfTheServer(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.admin(t, "ACL", "SETUSER", "role:read-baskets", "off", "~basket:*", "+@read")
	s.admin(t, "ACL", "SETUSER", "role:open", "on", "nopass", "~*", "+@all")
	s.admin(t, "ACL", "SETUSER", "role:selective", "off", "(~a +get)")
	c := s.connector(t)
	var offers []string
	for o, err := range c.ListOffers(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		offers = append(offers, o.Name+": "+o.Description)
	}
	if !slices.Equal(offers, []string{"read-baskets: ~basket:* -@all +@read"}) {
		t.Fatalf("offered: %q", offers)
	}
	g := grantOf("role")
	g.Params = map[string][]string{redis.ParamRole: {"read-baskets"}}
	plan, err := c.Plan(t.Context(), g)
	if err != nil || len(plan.Changes) != 1 || !strings.Contains(plan.Changes[0], "~basket:* -@all +@read -@admin") {
		t.Errorf("%+v (%v)", plan, err)
	}
	g = armed(t, c, g)
	if _, err := c.Grant(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	holder, err := s.login(userName(g), password(g))
	if err != nil {
		t.Fatal(err)
	}
	defer holder.close()
	if got, err := holder.say("GET", "basket:1"); got != "42" || err != nil {
		t.Errorf("reading a basket: %q (%v)", got, err)
	}
	for _, denied := range [][]string{{"SET", "basket:1", "0"}, {"GET", "order:1"}, {"ACL", "LIST"}} {
		if got, _ := holder.say(denied...); !strings.HasPrefix(got, "-NOPERM") {
			t.Errorf("%q is answered with %q", denied, got)
		}
	}
	for a, err := range c.ListAccess(t.Context()) {
		if err != nil || a.Account == "role:read-baskets" {
			t.Errorf("a role is listed as access: %+v (%v)", a, err)
		}
	}
	for _, role := range []string{"open", "selective", "missing", "read-baskets x"} {
		g := armed(t, c, grantOf("refused"))
		g.Params = map[string][]string{redis.ParamRole: {role}}
		if _, err := c.Grant(t.Context(), g); runbooks.ClassOf(err) != runbooks.Refuse || err == nil {
			t.Errorf("the role %s: %v", role, err)
		}
	}
	s.admin(t, "ACL", "DELUSER", "role:read-baskets") // a role that is gone keeps nobody from taking its grants back
	if _, err := c.Revoke(t.Context(), g); err != nil {
		t.Error(err)
	}
	if p, err := c.Check(t.Context(), g); p != runbooks.Absent || err != nil {
		t.Errorf("%s (%v)", p, err)
	}
}
