package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/postgres"
	"github.com/countersign-bot/countersign/workflows"
)

func loginGrant(id, role string) runbooks.Grant {
	g := grantOf(id, "", role)
	g.Params["login"] = []string{postgres.LoginEphemeral}
	return g
}

func passwordOf(h runbooks.Handover) string {
	for _, p := range h.Parts {
		if !p.Public {
			return p.Value.Reveal()
		}
	}
	return ""
}

// watched remembers the passwords that the server was told, as the holder's password manager would.
type watched struct {
	*postgres.Connector
	mu        sync.Mutex
	passwords map[workflows.GrantID]string
}

func (w *watched) Grant(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	w.mu.Lock()
	w.passwords[g.ID] = passwordOf(g.Secret)
	w.mu.Unlock()
	return w.Connector.Grant(ctx, g)
}

func (w *watched) password(id workflows.GrantID) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.passwords[id]
}

// lets tells whether a grant's login with a password reads the secret, in a session of its own.
func (s *server) lets(t testing.TB, g runbooks.Grant, password string) bool {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.dsn("cs_"+strings.TrimPrefix(string(g.ID), "g_"), password))
	var pg *pgconn.PgError
	if errors.As(err, &pg) && strings.HasPrefix(pg.Code, "28") {
		return false
	}
	if err != nil {
		t.Fatalf("logging in: %v", err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	return canRead(t, conn)
}

// dropQuietly removes what a test left, if it left anything.
func (s *server) dropQuietly(t testing.TB, name string) {
	t.Helper()
	q := pgx.Identifier{name}.Sanitize()
	t.Cleanup(func() {
		s.admin(t, "DO $$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolname = '"+name+"') THEN DROP OWNED BY "+q+"; DROP ROLE "+q+"; END IF; END $$")
	})
}

func armed(t testing.TB, c *postgres.Connector, g runbooks.Grant) runbooks.Grant {
	t.Helper()
	var err error
	if g.Secret, err = c.MakeSecret(g); err != nil || g.Secret.IsZero() {
		t.Fatalf("making the secret: %v", err)
	}
	return g
}

// TestReq_R60_LoginEndsByItself: with the bot dead, the server refuses the login at its end.
func TestReq_R60_LoginEndsByItself(t *testing.T) {
	t.Parallel()
	s := postgresql(t)
	s.role(t, "le_reader")
	c := connector(t, s)
	var g runbooks.Grant
	for n, span := 1, 2*time.Second; ; n, span = n+1, 2*span { // a busy machine may need longer than the span to log in
		g = loginGrant(fmt.Sprintf("le_%d", n), "le_reader")
		g.End = time.Now().Add(span)
		g = armed(t, c, g)
		s.dropQuietly(t, fmt.Sprintf("cs_le_%d", n))
		if _, err := c.Grant(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		if s.lets(t, g, passwordOf(g.Secret)) {
			break
		}
		if time.Now().Before(g.End) || span > 30*time.Second {
			t.Fatal("the login does not work before its end")
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for s.lets(t, g, passwordOf(g.Secret)) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("the login outlives its end")
		}
	}
}

// TestReq_R72_LoginLeadsBackToTheHuman: the server's own log names the grant in every line of the session, and the role's comment the grant,
// the request and the human. The password stands nowhere in the log: a verifier was sent.
func TestReq_R72_LoginLeadsBackToTheHuman(t *testing.T) {
	t.Parallel()
	s := postgresql(t)
	s.role(t, "lb_reader")
	c := connector(t, s)
	g := armed(t, c, loginGrant("lb_1", "lb_reader"))
	s.dropQuietly(t, "cs_lb_1")
	if _, err := c.Grant(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	if !s.lets(t, g, passwordOf(g.Secret)) {
		t.Fatal("the login does not work")
	}
	var comment string
	conn := s.connect(t, s.Superuser, s.Password)
	if err := conn.QueryRow(t.Context(), "SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = 'cs_lb_1'").Scan(&comment); err != nil {
		t.Fatal(err)
	}
	if comment != "countersign grant=g_lb_1 request=r_lb_1 holder=Alice Ng" {
		t.Errorf("the comment is %q", comment)
	}
	log := s.Log()
	if strings.Contains(log, passwordOf(g.Secret)) {
		t.Error("the password stands in the server's log")
	}
	for _, want := range []string{"/* countersign grant=g_lb_1 request=r_lb_1 holder=Alice%20Ng */", "user=cs_lb_1", "SCRAM-SHA-256$"} {
		if !strings.Contains(log, want) {
			t.Errorf("the server's log does not say %q", want)
		}
	}
}

// TestReq_R51_LoginIsTakenBackInOrder: a session that is open when the grant ends is cut, what it had made is kept by the bot's account, and
// the role is gone; a session that outlived DROP ROLE would answer for ever.
func TestReq_R51_LoginIsTakenBackInOrder(t *testing.T) {
	t.Parallel()
	s := postgresql(t)
	s.role(t, "lo_maker")
	s.admin(t, "CREATE SCHEMA lo_space", "GRANT CREATE, USAGE ON SCHEMA lo_space TO lo_maker")
	t.Cleanup(func() { s.admin(t, "DROP SCHEMA lo_space CASCADE") })
	c := connector(t, s)
	g := armed(t, c, loginGrant("lo_1", "lo_maker"))
	s.dropQuietly(t, "cs_lo_1")
	if _, err := c.Grant(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), s.dsn("cs_lo_1", passwordOf(g.Secret)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if _, err := conn.Exec(t.Context(), "CREATE TABLE lo_space.mine (x int)"); err != nil {
		t.Fatal(err)
	}
	live, err := c.ListSessions(t.Context(), g)
	if err != nil || len(live) != 1 || live[0].Login != "cs_lo_1" {
		t.Errorf("sessions: %+v (%v)", live, err)
	}
	r, err := c.Revoke(t.Context(), g)
	if err != nil || r.Facts["sessions_ended"] != "1" || r.Facts["objects"] == "" {
		t.Fatalf("revoking: %+v (%v)", r, err)
	}
	var one int
	if err := conn.QueryRow(t.Context(), "SELECT 1").Scan(&one); err == nil {
		t.Error("the session answers after its role was dropped")
	}
	var owner string
	admin := s.connect(t, s.Superuser, s.Password)
	if err := admin.QueryRow(t.Context(), "SELECT tableowner FROM pg_tables WHERE tablename = 'mine'").Scan(&owner); err != nil || owner != "bot" {
		t.Errorf("the table belongs to %q (%v)", owner, err)
	}
	if p, err := c.Check(t.Context(), g); p != runbooks.Absent || err != nil {
		t.Errorf("read back: %s (%v)", p, err)
	}
}

// TestLoginOfAnother: a role that bears the name and that the grant did not make is neither used nor dropped.
func TestLoginOfAnother(t *testing.T) {
	t.Parallel()
	s := postgresql(t)
	s.role(t, "lf_reader")
	s.login(t, "cs_lf_1")
	c := connector(t, s)
	g := armed(t, c, loginGrant("lf_1", "lf_reader"))
	_, err := c.Grant(t.Context(), g)
	wantError(t, err, runbooks.Refuse, "which this grant did not make")
	_, err = c.Revoke(t.Context(), g)
	wantError(t, err, runbooks.Broken, "does not say that this grant made it")
	s.connect(t, "cs_lf_1", userPassword) // it is still there and can log in
}

// BenchmarkGrantToUsable measures what a person waits for after the approval is on record: making the access, reading it back, using it.
func BenchmarkGrantToUsable(b *testing.B) {
	s := postgresql(b)
	s.role(b, "bench_reader")
	s.login(b, "bench_user")
	runner := runbooks.NewRunner(map[string]runbooks.Connector{"pg-main": connector(b, s)}, nil)
	percentiles(b, func(n int) (start, stop func() error) {
		g := grantOf("bench", "bench_user", "bench_reader")
		return func() error { _, err := runner.Start(b.Context(), "pg-main", g); return err },
			func() error { _, _, err := runner.Stop(b.Context(), "pg-main", g); return err }
	})
}

// percentiles reports how long starting and stopping take.
func percentiles(b *testing.B, of func(n int) (start, stop func() error)) {
	b.Helper()
	var made, gone []time.Duration
	n := 0
	for b.Loop() {
		start, stop := of(n)
		n++
		at := time.Now()
		if err := start(); err != nil {
			b.Fatal(err)
		}
		made = append(made, time.Since(at))
		at = time.Now()
		if err := stop(); err != nil {
			b.Fatal(err)
		}
		gone = append(gone, time.Since(at))
	}
	for name, list := range map[string][]time.Duration{"usable": made, "refused": gone} {
		slices.Sort(list)
		for p, q := range map[string]int{"p50": 50, "p95": 95, "p99": 99} {
			b.ReportMetric(float64(list[min(len(list)-1, len(list)*q/100)].Microseconds())/1000, name+"-"+p+"-ms")
		}
	}
}
