// Package pgtest starts a real PostgreSQL for tests, when its programs are on the machine, and stops it again.
package pgtest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Server is a PostgreSQL cluster of its own on loopback.
type Server struct {
	Port      int
	Superuser string
	Password  string
	t         testing.TB
}

// patience is for initdb and the first connection on a slow machine.
const patience = 60 * time.Second

// Start makes a cluster and starts it; the test is skipped, with the reason, where that is not possible. It is stopped and removed
// when the test ends. Settings are further lines for the server, such as "fsync=off" where durability is not what is tested.
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	initdb, postgres := program(t, "initdb"), program(t, "postgres")
	dir := socketDir(t)
	data := filepath.Join(dir, "data")
	s := &Server{Port: freePort(t), Superuser: "admin", Password: secret(), t: t}
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	pw := filepath.Join(dir, "pw")
	if err := os.WriteFile(pw, []byte(s.Password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cred := asPostgres(t, dir, data, pw)
	run(t, cred, dir, initdb, "-D", data, "-U", s.Superuser, "--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync",
		"--no-instructions", "-E", "UTF8", "--locale=C", "--pwfile="+pw)
	args := []string{
		"-D", data, "-c", "listen_addresses=127.0.0.1", "-c", "port=" + strconv.Itoa(s.Port),
		"-c", "unix_socket_directories=" + dir, "-c", "max_connections=200",
	}
	for _, line := range settings {
		args = append(args, "-c", line)
	}
	s.run(cred, dir, postgres, args)
	s.await()
	return s
}

// program finds one of PostgreSQL's programs on the path or where Debian keeps them.
func program(t testing.TB, name string) string {
	t.Helper()
	if p, err := exec.LookPath(name); err == nil {
		return p
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if len(found) == 0 {
		t.Skipf("no %s on this machine: tests on PostgreSQL are skipped (Debian: apt-get install postgresql)", name)
	}
	return found[len(found)-1]
}

// socketDir is a folder with a path short enough for a Unix socket, that another user can enter.
func socketDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// asPostgres gives the credential to run under: initdb refuses root. The files are handed over to that user.
func asPostgres(t testing.TB, files ...string) *syscall.Credential {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	uid, gid, err := lookup("postgres")
	if err != nil {
		if uid, gid, err = lookup("nobody"); err != nil {
			t.Skipf("PostgreSQL does not run as root, and there is no other user: %v", err)
		}
	}
	for _, f := range files {
		if err := os.Chown(f, uid, gid); err != nil {
			t.Skipf("PostgreSQL does not run as root, and files cannot be given away: %v", err)
		}
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

func command(cred *syscall.Credential, dir, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "HOME=" + dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred, Setpgid: true}
	return cmd
}

func run(t testing.TB, cred *syscall.Credential, dir, name string, args ...string) {
	t.Helper()
	if out, err := command(cred, dir, name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// run starts the server in the foreground of a process of ours, so that stopping it needs no pid file.
func (s *Server) run(cred *syscall.Credential, dir, name string, args []string) {
	s.t.Helper()
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := command(cred, dir, name, args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGQUIT) // immediate shutdown: the data goes with the folder
		_ = cmd.Wait()
		log.Close()
		if s.t.Failed() {
			if text, err := os.ReadFile(log.Name()); err == nil {
				s.t.Logf("server log:\n%s", text[max(0, len(text)-4000):])
			}
		}
	})
}

// await polls until the server answers.
func (s *Server) await() {
	s.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		conn, err := pgx.Connect(ctx, s.URL("postgres"))
		if err == nil {
			conn.Close(ctx)
		}
		cancel()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("PostgreSQL does not answer: %v", err)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// URL is how the superuser reaches a database.
func (s *Server) URL(database string) string { return s.URLFor(s.Superuser, s.Password, database) }

// URLFor is how somebody else reaches a database.
func (s *Server) URLFor(user, password, database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(user, password), Path: "/" + database,
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)),
	}
	return u.String()
}

// NewDatabase makes an empty database and gives its URL.
func (s *Server) NewDatabase(t testing.TB) string {
	t.Helper()
	name := "db_" + secret()[:12]
	s.Exec(t, "postgres", "CREATE DATABASE "+name)
	return s.URL(name)
}

// Exec runs statements as the superuser.
func (s *Server) Exec(t testing.TB, database string, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), s.URL(database))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, text := range statements {
		if _, err := conn.Exec(context.Background(), text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
}

func secret() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// lookup reads the ids of a user of this machine.
func lookup(name string) (uid, gid int, err error) {
	raw, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(raw)) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) < 4 || f[0] != name {
			continue
		}
		if uid, err = strconv.Atoi(f[2]); err == nil {
			gid, err = strconv.Atoi(f[3])
		}
		return uid, gid, err
	}
	return 0, 0, fmt.Errorf("no user %q", name)
}
