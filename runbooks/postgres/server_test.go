package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// server is a real PostgreSQL of this test run, with an administrator and the bot's account.
type server struct {
	port     string
	log, dir string
	process  *exec.Cmd
	ddl      sync.Mutex // two GRANTs on one table at once fail with "tuple concurrently updated"
}

const (
	adminPassword = "admin-password"
	botPassword   = "canary-bot-password"
	userPassword  = "user-password"
)

var (
	startOnce sync.Once
	running   *server
	startErr  error
)

// TestMain stops the server that tests started.
func TestMain(m *testing.M) {
	code := m.Run()
	running.stop()
	os.Exit(code)
}

// postgresql starts the server for the first test that asks, or skips with the reason.
func postgresql(t testing.TB) *server {
	t.Helper()
	startOnce.Do(func() { running, startErr = startServer() })
	if startErr != nil {
		t.Skipf("no PostgreSQL here: %v", startErr)
	}
	return running
}

// ownPostgresql starts a server that no other test touches: what is listed twice there is the same twice.
func ownPostgresql(t testing.TB) *server {
	t.Helper()
	s, err := startServer()
	t.Cleanup(s.stop)
	if err != nil {
		t.Skipf("no PostgreSQL here: %v", err)
	}
	return s
}

func startServer() (*server, error) {
	initdb, err := program("initdb")
	if err != nil {
		return nil, err
	}
	postgres, err := program("postgres")
	if err != nil {
		return nil, err
	}
	account, err := serverAccount()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "cspg") // short: a socket's path has 107 bytes
	if err != nil {
		return nil, err
	}
	s := &server{dir: dir, log: filepath.Join(dir, "log")}
	password := filepath.Join(dir, "pw")
	data := filepath.Join(dir, "data")
	if err := os.WriteFile(password, []byte(adminPassword+"\n"), 0o644); err != nil {
		return s, err
	}
	if err := account.own(dir, password); err != nil {
		return s, err
	}
	out, err := account.command(initdb, "-D", data, "-U", "admin", "--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync",
		"--no-instructions", "-E", "UTF8", "--locale=C", "--pwfile="+password).CombinedOutput()
	if err != nil {
		return s, fmt.Errorf("initdb: %w: %.400s", err, out)
	}
	if err := s.run(account, postgres, data); err != nil {
		s.stop()
		return s, err
	}
	return s, nil
}

func program(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if len(found) == 0 {
		return "", fmt.Errorf("%s is not installed", name)
	}
	return found[len(found)-1], nil
}

// account is who the server runs as: it refuses to run as root.
type account struct {
	credential *syscall.Credential
	uid, gid   int
}

func serverAccount() (account, error) {
	if os.Geteuid() != 0 {
		return account{uid: os.Getuid(), gid: os.Getgid()}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		return account{&syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, uid, gid}, nil
	}
	return account{}, errors.New("this is root, and there is no user to run a server as")
}

func (a account) own(paths ...string) error {
	for _, path := range paths {
		if err := os.Chown(path, a.uid, a.gid); err != nil {
			return err
		}
	}
	return nil
}

func (a account) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = "/"
	if a.credential != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: a.credential}
	}
	return cmd
}

func (s *server) run(a account, postgres, data string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	_, s.port, _ = net.SplitHostPort(l.Addr().String())
	_ = l.Close()
	log, err := os.Create(s.log)
	if err != nil {
		return err
	}
	defer log.Close()
	s.process = a.command(postgres, "-D", data, "-p", s.port, "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="+s.dir,
		"-c", "fsync=off", "-c", "log_connections=on", "-c", "log_statement=ddl", "-c", "log_line_prefix=%m [%p] %u app=%a ", "-c", "max_connections=200")
	s.process.Stdout, s.process.Stderr = log, log
	if err := s.process.Start(); err != nil {
		return err
	}
	return s.prepare()
}

// prepare waits for the server and makes the bot's account as the manual of this connector says.
func (s *server) prepare() error {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, s.dsn("admin", adminPassword))
		if err == nil {
			defer conn.Close(ctx)
			_, err = conn.Exec(ctx, "CREATE ROLE bot LOGIN CREATEROLE PASSWORD '"+botPassword+"'; GRANT pg_signal_backend TO bot; CREATE TABLE secrets (x int); INSERT INTO secrets VALUES (42)")
			return err
		}
		if ctx.Err() != nil {
			raw, _ := os.ReadFile(s.log)
			return fmt.Errorf("the server did not come up: %w\n%s", err, raw)
		}
	}
}

func (s *server) stop() {
	if s == nil {
		return
	}
	if s.process != nil && s.process.Process != nil {
		_ = s.process.Process.Signal(syscall.SIGQUIT) // immediate shutdown: the data goes away anyway
		_ = s.process.Wait()
	}
	_ = os.RemoveAll(s.dir)
}

func (s *server) dsn(name, password string) string {
	return (&url.URL{
		Scheme: "postgres", User: url.UserPassword(name, password), Host: "127.0.0.1:" + s.port, Path: "/postgres", RawQuery: "sslmode=disable",
	}).String()
}

// local is a connection string through the server's socket: no password, so that thousands of calls are quick.
func (s *server) local(name string) string {
	return fmt.Sprintf("host=%s port=%s user=%s dbname=postgres", s.dir, s.port, name)
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
	conn := s.connect(t, "admin", adminPassword)
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

func (s *server) logged(t testing.TB) string {
	t.Helper()
	raw, err := os.ReadFile(s.log)
	if err != nil {
		t.Fatal(err)
	}
	return string(bytes.ToValidUTF8(raw, nil))
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
