package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/postgres"
	"github.com/countersign-bot/countersign/runbooks/runbooktest"
	"github.com/countersign-bot/countersign/workflows"
)

func connector(t testing.TB, s *server) *postgres.Connector {
	t.Helper()
	c, err := postgres.Open(postgres.Config{DSN: runbooks.NewSecret(s.dsn("bot", botPassword))})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func grantOf(id, account, role string) runbooks.Grant {
	start := time.Now()
	return runbooks.Grant{
		ID: workflows.GrantID("g_" + id), Request: workflows.RequestID("r_" + id), Identity: "p_1", Holder: "Alice Ng", Account: account,
		Target: "pg-main", Entitlement: "reader", Params: map[string][]string{"role": {role}}, Start: start, End: start.Add(time.Hour),
	}
}

// TestThreat_T44_Exercise holds the connector to the contract on a real server; its part "nasty strings" is the threat's.
func TestThreat_T44_Exercise(t *testing.T) {
	t.Parallel()
	s := ownPostgresql(t)
	round := 0
	runbooktest.Exercise(t, func(t *testing.T) runbooktest.System {
		round++
		role := fmt.Sprintf("ex_reader_%d", round)
		s.role(t, role)
		c, err := postgres.Open(postgres.Config{DSN: runbooks.NewSecret(s.planted("bot"))})
		if err != nil {
			t.Fatal(err)
		}
		made := map[int]runbooks.Grant{}
		return runbooktest.System{
			Connector: c,
			Secrets:   []string{plantedPassword},
			Grant: func(n int) runbooks.Grant {
				if _, ok := made[n]; !ok {
					account := fmt.Sprintf("ex_user_%d_%d", round, n)
					s.login(t, account)
					made[n] = grantOf(fmt.Sprintf("ex_%d_%d", round, n), account, role)
				}
				return made[n].Clone()
			},
			Works: func(t *testing.T, g runbooks.Grant, _ runbooks.Receipt) bool {
				return s.reads(t, g.Account)
			},
			Rotation: func(t *testing.T) runbooktest.Turning {
				account := fmt.Sprintf("ex_app_%d", round)
				s.login(t, account)
				return runbooktest.Turning{
					Order:   runbooks.Rotation{ID: fmt.Sprintf("rot_ex_%d", round), Account: account, Old: "role " + account, Secret: runbooks.NewPassword()},
					Account: account,
					Old:     func(t *testing.T) bool { return lets(t, s, account, userPassword) },
					New:     func(t *testing.T, secret, login string) bool { return lets(t, s, login, secret) },
				}
			},
			Foreign: func(t *testing.T, g runbooks.Grant) {
				s.admin(t, "GRANT "+pgx.Identifier{role}.Sanitize()+" TO "+pgx.Identifier{g.Account}.Sanitize())
			},
			Arrived: func(_ *testing.T, _ runbooks.Grant, r runbooks.Receipt, place runbooktest.Place) string {
				if place.Kind == "account" {
					return r.Personal["account"]
				}
				return r.Facts["role"]
			},
			More: func(t *testing.T) []runbooktest.Sound {
				account := fmt.Sprintf("ex_more_%d", round)
				s.login(t, account)
				shown := grantOf(fmt.Sprintf("ex_shown_%d", round), account, role)
				shown.Params["host"], shown.Params["port"], shown.Params["database"] = []string{"db.example"}, []string{"5433"}, []string{"orders"}
				login := loginGrant(fmt.Sprintf("ex_login_%d", round), role)
				s.dropQuietly(t, "cs_"+strings.TrimPrefix(string(login.ID), "g_"))
				return []runbooktest.Sound{
					{Grant: shown, Shown: true, Arrived: func(t *testing.T, _ runbooks.Grant, r runbooks.Receipt, place runbooktest.Place) string {
						return shellWord(t, r.Use.Command, map[string]string{"host": "-h", "port": "-p", "database": "-d"}[place.Name])
					}},
					{Grant: login, Arrived: func(*testing.T, runbooks.Grant, runbooks.Receipt, runbooktest.Place) string {
						return postgres.LoginEphemeral
					}},
				}
			},
			Words: filepath.Join("testdata", "words.txt"),
		}
	})
}

// TestReq_R60_LoginsExercise holds the logins that a grant makes to the same contract.
func TestReq_R60_LoginsExercise(t *testing.T) {
	t.Parallel()
	s := ownPostgresql(t)
	round := 0
	runbooktest.Exercise(t, func(t *testing.T) runbooktest.System {
		round++
		role := fmt.Sprintf("lx_reader_%d", round)
		s.role(t, role)
		c, err := postgres.Open(postgres.Config{DSN: runbooks.NewSecret(s.planted("bot"))})
		if err != nil {
			t.Fatal(err)
		}
		w := &watched{Connector: c, passwords: map[workflows.GrantID]string{}}
		at := time.Now().UTC().Truncate(time.Second)
		return runbooktest.System{
			Connector: w,
			Secrets:   []string{plantedPassword},
			Grant: func(n int) runbooks.Grant {
				g := loginGrant(fmt.Sprintf("lx_%d_%d", round, n), role)
				g.Start, g.End = at, at.Add(time.Hour)
				s.dropQuietly(t, "cs_"+strings.TrimPrefix(string(g.ID), "g_"))
				return g
			},
			Works: func(t *testing.T, g runbooks.Grant, _ runbooks.Receipt) bool { return s.lets(t, g, w.password(g.ID)) },
			Arrived: func(_ *testing.T, _ runbooks.Grant, r runbooks.Receipt, place runbooktest.Place) string {
				return map[string]string{"role": r.Facts["role"], "login": "ephemeral"}[place.Name]
			},
		}
	})
}

// TestThreat_T44_CommandOnTheCard: what is pasted into a shell is one word for each option, byte for byte, or refused.
func TestThreat_T44_CommandOnTheCard(t *testing.T) {
	t.Parallel()
	s := postgresql(t)
	c, err := postgres.Open(postgres.Config{DSN: runbooks.NewSecret(s.local("bot"))})
	if err != nil {
		t.Fatal(err)
	}
	s.role(t, "cmd_reader")
	s.login(t, "cmd '$(id)`\"\\ alice")
	accepted := 0
	for i, text := range runbooktest.Nasty() {
		if i%3 != 0 && !strings.ContainsAny(text, "'\\$`\"") {
			continue // each costs a connection; all that a shell reads specially are in
		}
		g := grantOf("cmd", "cmd '$(id)`\"\\ alice", "cmd_reader")
		g.Params["host"], g.Params["database"], g.Params["port"] = []string{text}, []string{text}, []string{"5433"}
		r, err := c.Grant(t.Context(), g)
		if err != nil {
			wantError(t, err, runbooks.Refuse, "cannot be shown")
			continue
		}
		accepted++
		for option, want := range map[string]string{"-h": text, "-d": text, "-p": "5433", "-U": g.Account} {
			if got := shellWord(t, r.Use.Command, option); got != want {
				t.Errorf("%s %q became %q in %q", option, want, got, r.Use.Command)
			}
		}
		for _, port := range []string{text} {
			g.Params["port"] = []string{port}
			if _, err := c.Grant(t.Context(), g); err == nil {
				t.Errorf("port %q was accepted", port)
			}
		}
	}
	if accepted < 50 {
		t.Errorf("only %d accepted", accepted)
	}
}

// shellWord reads the word after an option as a POSIX shell would.
func shellWord(t *testing.T, command, option string) string {
	t.Helper()
	var words []string
	var word strings.Builder
	quoted, started := false, false
	for i := 0; i < len(command); i++ {
		switch c := command[i]; {
		case quoted && c == '\'':
			quoted = false
		case quoted:
			word.WriteByte(c)
		case c == '\'':
			quoted, started = true, true
		case c == '\\':
			i++
			word.WriteByte(command[i])
		case c == ' ':
			if started {
				words = append(words, word.String())
			}
			word.Reset()
			started = false
		default:
			if strings.ContainsRune("$`\"&|;<>(){}*?[]~!#", rune(c)) || c < 0x20 {
				t.Fatalf("%q holds a bare %q", command, c)
			}
			word.WriteByte(c)
			started = true
		}
	}
	words = append(words, word.String())
	for i := range words[:len(words)-1] {
		if words[i] == option {
			return words[i+1]
		}
	}
	t.Fatalf("no %s in %q", option, command)
	return ""
}

func TestMembershipIsGrantedOnceAndTakenBack(t *testing.T) {
	t.Parallel()
	s := postgresql(t)
	c := connector(t, s)
	s.role(t, "m_reader")
	s.login(t, "m_alice", "m_seeing")
	s.admin(t, "GRANT pg_read_all_stats TO m_seeing")
	g := grantOf("m1", "m_alice", "m_reader")
	first, err := c.Grant(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	second, err := c.Grant(t.Context(), g)
	if err != nil || !cmp.Equal(first, second) {
		t.Fatalf("granting twice: %v\n%s", err, cmp.Diff(first, second))
	}
	alice := s.connect(t, "m_alice", userPassword)
	if !canRead(t, alice) {
		t.Fatal("the member cannot read")
	}
	if _, err := alice.Exec(t.Context(), "GRANT m_reader TO bot"); err == nil {
		t.Fatal("the member can pass the role on")
	}
	sessions, err := c.ListSessions(t.Context(), g)
	if err != nil || len(sessions) != 1 || sessions[0].From != "" || !sessions[0].Since.IsZero() {
		t.Fatalf("sessions: %+v, %v", sessions, err)
	}
	seeing, err := postgres.Open(postgres.Config{DSN: runbooks.NewSecret(s.dsn("m_seeing", userPassword))})
	if err != nil {
		t.Fatal(err)
	}
	sessions, err = seeing.ListSessions(t.Context(), g)
	if err != nil || len(sessions) != 1 || sessions[0].From != "127.0.0.1" || sessions[0].Since.IsZero() {
		t.Fatalf("sessions as somebody who may see them: %+v, %v", sessions, err)
	}
	receipt, err := c.Revoke(t.Context(), g)
	if err != nil || receipt.Facts["sessions_ended"] != "1" {
		t.Fatalf("revoke: %+v, %v", receipt, err)
	}
	if p, err := c.Check(t.Context(), g); p != runbooks.Absent || err != nil {
		t.Fatalf("check: %s, %v", p, err)
	}
	if s.reads(t, "m_alice") {
		t.Fatal("the former member still reads")
	}
}

// A session that did SET ROLE keeps the role after REVOKE: it is ended, and so is one of somebody who acts as the
// account; sessions of others stay.
func TestRevokeEndsTheSessionsThatHoldTheRole(t *testing.T) {
	t.Parallel()
	s := postgresql(t)
	c := connector(t, s)
	s.role(t, "s_reader")
	s.login(t, "s_alice", "s_deputy", "s_bob", "s_both")
	s.admin(t, "GRANT s_alice TO s_deputy", "GRANT s_alice TO s_both", "GRANT s_reader TO s_both")
	alice, bob := grantOf("s1", "s_alice", "s_reader"), grantOf("s2", "s_bob", "s_reader")
	for _, g := range []runbooks.Grant{alice, bob} {
		if _, err := c.Grant(t.Context(), g); err != nil {
			t.Fatal(err)
		}
	}
	conns := map[string]*pgx.Conn{}
	for _, name := range []string{"s_alice", "s_deputy", "s_bob", "s_both"} {
		conns[name] = s.connect(t, name, userPassword)
		if _, err := conns[name].Exec(t.Context(), "SET ROLE s_reader"); err != nil {
			t.Fatal(err)
		}
	}
	// The premise: without an end to the session, REVOKE is not enough.
	s.admin(t, "REVOKE s_reader FROM s_alice")
	if !canRead(t, conns["s_alice"]) {
		t.Fatal("PostgreSQL ends SET ROLE by itself now: this connector can be simpler")
	}
	if _, err := c.Revoke(t.Context(), alice); err != nil {
		t.Fatal(err)
	}
	for name, ended := range map[string]bool{"s_alice": true, "s_deputy": true, "s_bob": false, "s_both": false} {
		_, err := conns[name].Exec(t.Context(), "SELECT 1")
		var pg *pgconn.PgError
		if got := errors.As(err, &pg) && pg.Code == "57P01" || err != nil && conns[name].IsClosed(); got != ended {
			t.Errorf("session of %s: ended %v (%v), want %v", name, got, err, ended)
		}
	}
	if !canRead(t, conns["s_bob"]) {
		t.Error("bob lost his access")
	}
}

// TestThreat_T54_StandingAccessIsSeen: what somebody else granted is neither taken for ours nor hidden.
func TestThreat_T54_StandingAccessIsSeen(t *testing.T) {
	t.Parallel()
	s := postgresql(t)
	c := connector(t, s)
	s.role(t, "t_reader")
	s.login(t, "t_alice")
	g := grantOf("t1", "t_alice", "t_reader")
	s.admin(t, "GRANT t_reader TO t_alice")
	_, err := c.Grant(t.Context(), g)
	wantError(t, err, runbooks.Refuse, `outside of this system by "admin"`)
	if p, err := c.Check(t.Context(), g); p != runbooks.Present || err != nil {
		t.Errorf("standing access: %s, %v", p, err)
	}
	runner := runbooks.NewRunner(map[string]runbooks.Connector{"postgres": c}, nil)
	_, p, err := runner.Stop(t.Context(), "postgres", g)
	if p != runbooks.Present {
		t.Errorf("after a revocation that does not concern it: %s", p)
	}
	wantError(t, err, runbooks.Retry, "still finds it")
	if !s.reads(t, "t_alice") {
		t.Error("standing access was taken away")
	}
	s.admin(t, "REVOKE t_reader FROM t_alice")
	if _, p, err = runner.Stop(t.Context(), "postgres", g); p != runbooks.Absent || err != nil {
		t.Errorf("after the owner removed it: %s, %v", p, err)
	}
}

// Names that break quoting are ordinary names here.
func TestNastyRoleNames(t *testing.T) {
	t.Parallel()
	s := postgresql(t)
	c := connector(t, s)
	nasty := []string{
		`a"b`, `a'b`, `a"; DROP ROLE admin; --`, `a b`, `A`, `ä`, `😀`, `a\b`, `a--b`, `/* x */`, `*/ x`, `$1`, `%s`, `a;b`, `"`, `''`, `role`, `all`, `a.b`, `a,b`,
		strings.Repeat("x", 63), `" WITH ADMIN OPTION; --`, `$(id)`, "`id`", `current_user`, `{{.}}`, `${account}`,
	}
	for i, name := range nasty {
		role, account := name, "n "+name
		if len(account) > 63 {
			account = account[:63]
		}
		s.role(t, role)
		s.login(t, account)
		g := grantOf(fmt.Sprintf("n%d", i), account, role)
		if _, err := c.Grant(t.Context(), g); err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		if p, err := c.Check(t.Context(), g); p != runbooks.Present || !s.reads(t, account) {
			t.Errorf("%q: %s, %v", name, p, err)
		}
		if _, err := c.Revoke(t.Context(), g); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		if p, err := c.Check(t.Context(), g); p != runbooks.Absent {
			t.Errorf("%q: %s, %v", name, p, err)
		}
	}
	s.admin(t, "SELECT 1") // admin is still there
}

func TestRolesThatAreRefused(t *testing.T) {
	t.Parallel()
	s := postgresql(t)
	c := connector(t, s)
	s.role(t, "r_reader", "r_indirect")
	s.login(t, "r_alice", "r_super")
	s.admin(t, "CREATE ROLE r_createrole CREATEROLE", "CREATE ROLE r_bypass BYPASSRLS", "CREATE ROLE r_nologin", "ALTER ROLE r_super SUPERUSER",
		"GRANT r_createrole TO r_indirect", "CREATE ROLE r_files IN ROLE pg_write_server_files", "CREATE ROLE r_circle IN ROLE r_alice")
	s.dropLater(t, "r_createrole", "r_bypass", "r_nologin", "r_files", "r_circle")
	long := strings.Repeat("x", 64)
	for _, x := range []struct{ account, role, words string }{
		{"r_alice", "admin", `reaches "admin"`},
		{"r_alice", "r_createrole", "administers"},
		{"r_alice", "r_bypass", "administers"},
		{"r_alice", "r_indirect", `reaches "r_createrole"`},
		{"r_alice", "r_files", "pg_write_server_files"},
		{"r_alice", "pg_execute_server_program", "administers"},
		{"r_alice", "pg_read_server_files", "administers"},
		{"r_alice", "pg_signal_backend", "administers"},
		{"r_alice", "bot", "administers"},
		{"r_super", "r_reader", "superuser"},
		{"bot", "r_reader", "the bot's own"},
		{"r_nologin", "r_reader", "cannot log in"},
		{"nobody_such", "r_reader", "no account"},
		{"r_alice", "nothing_such", "no role"},
		{"r_alice", "r_alice", "the same"},
		{"r_alice", "r_circle", "members of each other"},
		{"r_alice", "", "no role"},
		{"", "r_reader", "no account"},
		{"r_alice", long, "longer than 63"},
		{long, "r_reader", "longer than 63"},
		{"r_alice", "a\x00b", "no text"},
		{"PUBLIC", "r_reader", "no account"},
	} {
		_, err := c.Grant(t.Context(), grantOf("r1", x.account, x.role))
		wantError(t, err, runbooks.Refuse, x.words)
	}
	g := grantOf("r2", "r_alice", "r_reader")
	g.Params["roel"] = []string{"x"}
	_, err := c.Grant(t.Context(), g)
	wantError(t, err, runbooks.Refuse, `"roel"`)
	g = grantOf("r3", "r_alice", "r_reader")
	g.Params["role"] = []string{"r_reader", "admin"}
	_, err = c.Grant(t.Context(), g)
	wantError(t, err, runbooks.Refuse, "one value")
	for _, id := range []string{"*/ GRANT admin TO r_alice; /*", "", "a b"} {
		_, err = c.Grant(t.Context(), grantOf(id, "r_alice", "r_reader"))
		wantError(t, err, runbooks.Refuse, "id")
	}
}

func wantError(t *testing.T, err error, class runbooks.Class, words string) {
	t.Helper()
	var e *runbooks.Error
	if !errors.As(err, &e) || e.Class != class || !strings.Contains(e.Text, words) {
		t.Errorf("error %v (%s), want %s with %q", err, runbooks.ClassOf(err), class, words)
	}
}

// TestReq_R72_PostgresLogLeadsToTheGrant: the server's own log and its list of sessions name grant and request.
func TestReq_R72_PostgresLogLeadsToTheGrant(t *testing.T) {
	t.Parallel()
	s := postgresql(t)
	c := connector(t, s)
	s.role(t, "l_reader")
	s.login(t, "l_alice")
	g := grantOf("l0gged", "l_alice", "l_reader")
	if _, err := c.Grant(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Revoke(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	noRequest := grantOf("inv0ked", "l_alice", "l_reader")
	noRequest.Request = ""
	if _, err := c.Grant(t.Context(), noRequest); err != nil {
		t.Fatal(err)
	}
	log := s.Log()
	forged := noRequest.Clone()
	forged.Request = "r_*/ GRANT bot TO l_alice; /*"
	_, err := c.Grant(t.Context(), forged)
	wantError(t, err, runbooks.Refuse, "id")
	for _, want := range []string{
		`/* countersign grant=g_inv0ked holder=Alice%20Ng */ GRANT "l_reader" TO "l_alice"`,
		`bot app=countersign g_l0gged LOG:  statement: /* countersign grant=g_l0gged request=r_l0gged holder=Alice%20Ng */ GRANT "l_reader" TO "l_alice"`,
		`bot app=countersign g_l0gged LOG:  statement: /* countersign grant=g_l0gged request=r_l0gged holder=Alice%20Ng */ REVOKE "l_reader" FROM "l_alice"`,
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the server's log does not say %q", want)
		}
	}
}

func TestErrorsAreClassed(t *testing.T) {
	t.Parallel()
	s := postgresql(t)
	s.role(t, "e_reader")
	s.login(t, "e_alice", "e_weak")
	g := grantOf("e1", "e_alice", "e_reader")
	closed := runbooktest.FreePort(t)
	for name, x := range map[string]struct {
		dsn   string
		class runbooks.Class
		words string
	}{
		"wrong password": {s.dsn("bot", "canary-wrong"), runbooks.Broken, "password"},
		"no database":    {strings.Replace(s.dsn("bot", botPassword), "/postgres?", "/nowhere?", 1), runbooks.Broken, "does not exist"},
		"no server":      {"postgres://bot:canary-bot-password@127.0.0.1:" + closed + "/postgres", runbooks.Retry, "could not be reached"},
		"no rights":      {s.dsn("e_weak", userPassword), runbooks.Broken, "CREATEROLE"},
	} {
		c, err := postgres.Open(postgres.Config{DSN: runbooks.NewSecret(x.dsn)})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Grant(t.Context(), g)
		wantError(t, err, x.class, x.words)
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: the error quotes the connection string: %v", name, err)
		}
	}
	if _, err := postgres.Open(postgres.Config{DSN: runbooks.NewSecret("postgres://bot:canary@host:port/x")}); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("a bad connection string: %v", err)
	}
}

// TestReq_R75_CreateRoleWithoutSuperuser: the probe finds an account that may do what the bot must and no more, one that may everything, one that may not
// enough, and one that is not let in.
func TestReq_R75_CreateRoleWithoutSuperuser(t *testing.T) {
	t.Parallel()
	s := postgresql(t)
	s.login(t, "p_weak")
	for name, x := range map[string]struct {
		dsn string
		bad []string
	}{
		"bot":      {s.dsn("bot", botPassword), nil},
		"admin":    {s.dsn(s.Superuser, s.Password), []string{"superuser", "bypass"}},
		"weak":     {s.dsn("p_weak", userPassword), []string{"cannot grant", "cannot end"}},
		"shut out": {s.dsn("bot", "canary-wrong"), []string{"password"}},
	} {
		c, err := postgres.Open(postgres.Config{DSN: runbooks.NewSecret(x.dsn)})
		if err != nil {
			t.Fatal(err)
		}
		var bad []string
		for _, f := range c.Probe(t.Context()) {
			if !f.OK {
				bad = append(bad, f.What)
				if f.Do == "" || strings.Contains(f.What, "canary") {
					t.Errorf("%s: %+v", name, f)
				}
			}
		}
		if len(bad) != len(x.bad) {
			t.Errorf("%s: %q, want %q", name, bad, x.bad)
			continue
		}
		for i := range bad {
			if !strings.Contains(bad[i], x.bad[i]) {
				t.Errorf("%s: %q, want %q", name, bad[i], x.bad[i])
			}
		}
	}
}

// TestThreat_T35_DSNStaysInside: the bot's password is in nothing that the connector says.
func TestThreat_T35_DSNStaysInside(t *testing.T) {
	t.Parallel()
	s := postgresql(t)
	cfg := postgres.Config{DSN: runbooks.NewSecret(s.dsn("bot", botPassword))}
	c, err := postgres.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.role(t, "c_reader")
	s.login(t, "c_alice")
	g := grantOf("c1", "c_alice", "c_reader")
	r, err := c.Grant(t.Context(), g)
	said := fmt.Sprintf("%v %+v %#v %v %+v", cfg, cfg, cfg, err, r)
	r, err = c.Revoke(t.Context(), g)
	said += fmt.Sprintf("%v %+v %+v", err, r, c.Probe(t.Context()))
	if strings.Contains(said, botPassword) {
		t.Errorf("the password is in %s", said)
	}
}

// A call that is cut off between REVOKE and the end of the sessions is finished by the next one.
func TestRevokeFinishesWhatACrashLeft(t *testing.T) {
	t.Parallel()
	s := postgresql(t)
	c := connector(t, s)
	s.role(t, "k_reader")
	s.login(t, "k_alice")
	g := grantOf("k1", "k_alice", "k_reader")
	if _, err := c.Grant(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	alice := s.connect(t, "k_alice", userPassword)
	if _, err := alice.Exec(t.Context(), "SET ROLE k_reader"); err != nil {
		t.Fatal(err)
	}
	bot := s.connect(t, "bot", botPassword)
	if _, err := bot.Exec(t.Context(), "REVOKE k_reader FROM k_alice"); err != nil {
		t.Fatal(err)
	}
	if !canRead(t, alice) {
		t.Fatal("the premise is gone")
	}
	if _, err := c.Revoke(context.Background(), g); err != nil {
		t.Fatal(err)
	}
	if _, err := alice.Exec(t.Context(), "SELECT 1"); err == nil {
		t.Error("the session goes on")
	}
}
