// Package pgtest starts a real PostgreSQL for tests, when its programs are on the machine, and stops it again.
package pgtest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
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
	Dir       string // its socket lies here, and its log
	cred      *syscall.Credential
	process   *exec.Cmd
	ended     chan struct{} // closed when the process is gone
}

const (
	patience   = 60 * time.Second // for initdb and the first connection on a slow machine
	portsTried = 5
)

// ErrAbsent says that PostgreSQL cannot run on this machine: it is not installed, or nobody is there to run it as.
var ErrAbsent = errors.New("tests on PostgreSQL cannot run here")

// Start makes a cluster and starts it; the test is skipped, with the reason, where that is not possible. It is stopped and removed
// when the test ends. Settings are further lines for the server, such as "fsync=off" where durability is not what is tested.
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	s, err := New(settings...)
	if errors.Is(err, ErrAbsent) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		text := s.Log()
		s.Stop()
		if t.Failed() {
			t.Logf("server log:\n%s", text[max(0, len(text)-4000):])
		}
	})
	return s
}

// New is Start for what outlives a test: who calls it calls Stop.
func New(settings ...string) (*Server, error) {
	initdb, err := program("initdb")
	if err != nil {
		return nil, err
	}
	postgres, err := program("postgres")
	if err != nil {
		return nil, err
	}
	s := &Server{Superuser: "admin", Password: secret()}
	if s.Dir, err = os.MkdirTemp("", "pg"); err != nil { // short: a socket's path has 107 bytes
		return nil, err
	}
	data := filepath.Join(s.Dir, "data")
	if err = s.initialise(initdb, data); err == nil {
		err = s.listen(postgres, data, settings)
	}
	if err != nil {
		err = fmt.Errorf("starting PostgreSQL: %w\n%s", err, s.Log())
		s.Stop()
		return nil, err
	}
	return s, nil
}

func (s *Server) initialise(initdb, data string) error {
	pw := filepath.Join(s.Dir, "pw")
	if err := errors.Join(os.Mkdir(data, 0o700), os.WriteFile(pw, []byte(s.Password+"\n"), 0o600)); err != nil {
		return err
	}
	var err error
	if s.cred, err = asPostgres(s.Dir, data, pw); err != nil {
		return err
	}
	out, err := s.command(initdb, "-D", data, "-U", s.Superuser, "--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync",
		"--no-instructions", "-E", "UTF8", "--locale=C", "--pwfile="+pw).CombinedOutput()
	if err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

// listen starts the server on a free port: on another one where somebody was quicker.
func (s *Server) listen(postgres, data string, settings []string) error {
	for tried := 1; ; tried++ {
		port, err := freePort()
		if err != nil {
			return err
		}
		s.Port = port
		args := []string{
			"-D", data, "-c", "listen_addresses=127.0.0.1", "-c", "port=" + strconv.Itoa(s.Port),
			"-c", "unix_socket_directories=" + s.Dir, "-c", "max_connections=200",
		}
		for _, line := range settings {
			args = append(args, "-c", line)
		}
		if err := s.run(postgres, args); err != nil {
			return err
		}
		err = s.await()
		if err == nil || tried == portsTried || !strings.Contains(s.Log(), "could not bind") {
			return err
		}
	}
}

// program finds one of PostgreSQL's programs on the path or where Debian keeps them.
func program(name string) (string, error) {
	if p, err := exec.LookPath(name); err == nil {
		return p, nil
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if len(found) == 0 {
		return "", fmt.Errorf("%w: no %s on this machine (Debian: apt-get install postgresql)", ErrAbsent, name)
	}
	return found[len(found)-1], nil
}

// asPostgres gives the credential to run under: initdb refuses root. The files are handed over to that user.
func asPostgres(files ...string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	uid, gid, err := lookup("postgres")
	if err != nil {
		if uid, gid, err = lookup("nobody"); err != nil {
			return nil, fmt.Errorf("%w: it does not run as root, and there is no other user: %w", ErrAbsent, err)
		}
	}
	for _, f := range files {
		if err := os.Chown(f, uid, gid); err != nil {
			return nil, fmt.Errorf("%w: it does not run as root, and files cannot be given away: %w", ErrAbsent, err)
		}
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = s.Dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "HOME=" + s.Dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.cred, Setpgid: true}
	return cmd
}

// run starts the server in the foreground of a process of ours, so that stopping it needs no pid file.
func (s *Server) run(name string, args []string) error {
	log, err := os.Create(filepath.Join(s.Dir, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd, ended := s.command(name, args...), make(chan struct{})
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	s.process, s.ended = cmd, ended
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	return nil
}

// Stop ends the server and removes what it kept.
func (s *Server) Stop() {
	if s == nil {
		return
	}
	if s.process != nil {
		_ = s.process.Process.Signal(syscall.SIGQUIT) // immediate shutdown: the data goes with the folder
		<-s.ended
	}
	_ = os.RemoveAll(s.Dir)
}

// Log is what the server wrote.
func (s *Server) Log() string {
	raw, err := os.ReadFile(filepath.Join(s.Dir, "log"))
	if err != nil {
		return ""
	}
	return strings.ToValidUTF8(string(raw), "")
}

// await polls until the server answers.
func (s *Server) await() error {
	deadline := time.Now().Add(patience)
	for {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		conn, err := pgx.Connect(ctx, s.URL("postgres"))
		if err == nil {
			conn.Close(ctx)
		}
		cancel()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("it does not answer: %w", err)
		}
		select {
		case <-s.ended:
			return errors.New("it ended")
		case <-time.After(20 * time.Millisecond):
		}
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

// freePort is a port on which nobody listens, below those that systems hand out by themselves: nobody's connection and
// nobody's listener takes it before the server does.
func freePort() (int, error) {
	var last error
	for range 100 {
		port := 20000 + mathrand.IntN(12000)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return port, l.Close()
		}
		last = err
	}
	return 0, fmt.Errorf("finding a free port: %w", last)
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
