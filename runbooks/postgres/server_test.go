package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/countersign-bot/countersign/store/storetest/pgtest"
)

// server is a real PostgreSQL of this test run, with an administrator and the bot's account.
type server struct {
	*pgtest.Server
	ddl sync.Mutex // two GRANTs on one table at once fail with "tuple concurrently updated"
}

const (
	botPassword  = "canary-bot-password"
	userPassword = "user-password"
)

var (
	startOnce sync.Once
	running   *server
	startErr  error
)

// TestMain stops the server that tests started.
func TestMain(m *testing.M) {
	code := m.Run()
	if running != nil {
		running.Stop()
	}
	os.Exit(code)
}

// postgresql starts the server for the first test that asks, or skips with the reason.
func postgresql(t testing.TB) *server {
	t.Helper()
	startOnce.Do(func() { running, startErr = startServer() })
	needsPostgreSQL(t, startErr)
	return running
}

// ownPostgresql starts a server that no other test touches: what is listed twice there is the same twice.
func ownPostgresql(t testing.TB) *server {
	t.Helper()
	s, err := startServer()
	needsPostgreSQL(t, err)
	t.Cleanup(s.Stop)
	return s
}

func needsPostgreSQL(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, pgtest.ErrAbsent) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// startServer starts it and makes the bot's account as the manual of this connector says.
func startServer() (*server, error) {
	pg, err := pgtest.New("fsync=off", "log_connections=on", "log_statement=ddl", "log_line_prefix=%m [%p] %u app=%a ")
	if err != nil {
		return nil, err
	}
	s := &server{Server: pg}
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err == nil {
		defer conn.Close(ctx)
		_, err = conn.Exec(ctx, "CREATE ROLE bot LOGIN CREATEROLE PASSWORD '"+botPassword+"'; GRANT pg_signal_backend TO bot; CREATE TABLE secrets (x int); INSERT INTO secrets VALUES (42)")
	}
	if err != nil {
		s.Stop()
	}
	return s, err
}

func (s *server) dsn(name, password string) string {
	return s.URLFor(name, password, "postgres") + "?sslmode=disable"
}

// local is a connection string through the server's socket: no password, so that thousands of calls are quick.
func (s *server) local(name string) string {
	return fmt.Sprintf("host=%s port=%d user=%s dbname=postgres", s.Dir, s.Port, name)
}

// plantedPassword stands in the secret slot of a connector that comes through the socket, where no server asks for it.
const plantedPassword = "canary-planted-password"

// planted is local with a password, which must be said nowhere.
func (s *server) planted(name string) string { return s.local(name) + " password=" + plantedPassword }

// connect is a session of an account.
func (s *server) connect(t testing.TB, name, password string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.WithoutCancel(t.Context()), s.dsn(name, password)) // also while the test cleans up
	if err != nil {
		t.Fatalf("connecting as %q: %v", name, err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = conn.Close(ctx)
	})
	return conn
}

// reads tells whether an account can read the secret in a session of its own.
func (s *server) reads(t testing.TB, name string) bool {
	t.Helper()
	conn := s.connect(t, name, userPassword)
	defer func() { _ = conn.Close(context.Background()) }()
	return canRead(t, conn)
}

// admin runs statements as the administrator.
func (s *server) admin(t testing.TB, statements ...string) {
	t.Helper()
	s.ddl.Lock()
	defer s.ddl.Unlock()
	conn := s.connect(t, s.Superuser, s.Password)
	defer func() { _ = conn.Close(context.Background()) }()
	for _, sql := range statements {
		if _, err := conn.Exec(context.WithoutCancel(t.Context()), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// role makes a role that may read the secret, and login an account that may log in; both are gone after the test.
func (s *server) role(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		q := pgx.Identifier{name}.Sanitize()
		s.admin(t, "CREATE ROLE "+q, "GRANT SELECT ON secrets TO "+q)
		s.dropLater(t, name)
	}
}

func (s *server) login(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		s.admin(t, "CREATE ROLE "+pgx.Identifier{name}.Sanitize()+" LOGIN PASSWORD '"+userPassword+"'")
		s.dropLater(t, name)
	}
}

// dropLater removes roles after the test, so that the next run of it finds none.
func (s *server) dropLater(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		q := pgx.Identifier{name}.Sanitize()
		t.Cleanup(func() { s.admin(t, "DROP OWNED BY "+q, "DROP ROLE "+q) })
	}
}

// canRead tells whether a session reads the secret.
func canRead(t testing.TB, conn *pgx.Conn) bool {
	t.Helper()
	var x int
	err := conn.QueryRow(t.Context(), "SELECT x FROM secrets").Scan(&x)
	if err != nil && !strings.Contains(err.Error(), "42501") {
		t.Fatalf("reading the secret: %v", err)
	}
	return err == nil
}
