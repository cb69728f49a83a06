package sshca_test

import (
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/sshca"
)

// inProcess is an SSH server in Go, as the demo runs one: no other program is needed.
type inProcess struct {
	addr    string
	checker *sshca.HostChecker
	out     string
}

func startInProcess(t *testing.T, r *rig) *inProcess {
	t.Helper()
	s := &inProcess{out: filepath.Join(t.TempDir(), "krl")}
	s.checker = &sshca.HostChecker{
		CA: r.PublicKey(), Now: r.clock.Now,
		Principals: func(user string) []string { return map[string][]string{"app": {"deploy", "backup"}}[user] },
	}
	config := &ssh.ServerConfig{PublicKeyCallback: s.checker.Authenticate}
	signer, err := ssh.NewSignerFromKey(newHolder(t).private)
	if err != nil {
		t.Fatal(err)
	}
	config.AddHostKey(signer)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serveSSH(conn, config)
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return s
}

// serveSSH answers one connection: what it would run is echoed.
func serveSSH(conn net.Conn, config *ssh.ServerConfig) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	server, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for c := range channels {
		channel, requests, err := c.Accept()
		if err != nil {
			return
		}
		for req := range requests {
			command := string(req.Payload[min(4, len(req.Payload)):])
			if forced, ok := sshca.ForcedCommand(server.Permissions); ok {
				command = forced
			}
			_ = req.Reply(true, nil)
			_, _ = io.WriteString(channel, "ran "+command)
			_, _ = channel.SendRequest("exit-status", false, []byte{0, 0, 0, 0})
			_ = channel.Close()
		}
	}
}

// pull takes the list and puts it to use.
func (s *inProcess) pull(t *testing.T, r *rig) {
	t.Helper()
	r.pull(t, "in-process", s.out)
	k, err := sshca.ParseKRL(read(t, s.out))
	if err != nil {
		t.Fatal(err)
	}
	s.checker.SetKRL(k)
}

func TestHostChecker(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	s := startInProcess(t, r)
	h := newHolder(t)
	g := r.grant("g_1", h, nil)
	cert, _ := r.mustGrant(t, g)
	try := func(cert *ssh.Certificate, h holder) error { return second(login(t, s.addr, "app", h, cert, "uptime")) }

	wantRefused(t, "before the first list", try(cert, h))
	s.pull(t, r)
	if out, err := login(t, s.addr, "app", h, cert, "uptime"); err != nil || out != "ran uptime" {
		t.Fatalf("login: %q, %v", out, err)
	}
	wantRefused(t, "another login name", second(login(t, s.addr, "root", h, cert, "uptime")))
	wantRefused(t, "no certificate", try(nil, h))
	wrong, _ := r.mustGrant(t, r.grant("g_wrong", h, map[string][]string{"principals": {"app"}}))
	wantRefused(t, "wrong principal", try(wrong, h))
	far, _ := r.mustGrant(t, r.grant("g_far", h, map[string][]string{"source_address": {"192.0.2.1"}}))
	wantRefused(t, "wrong address", try(far, h))
	forced, _ := r.mustGrant(t, r.grant("g_forced", h, map[string][]string{"force_command": {"id"}}))
	if out, err := login(t, s.addr, "app", h, forced, "rm"); err != nil || out != "ran id" {
		t.Fatalf("forced: %q, %v", out, err)
	}
	impostor := newRig(t, func(c *sshca.Config) { c.Seed = []byte(strings.Repeat("x", 32)) })
	fake, _ := impostor.mustGrant(t, impostor.grant("g_1", h, nil))
	wantRefused(t, "another CA", try(fake, h))

	early := r.grant("g_early", h, nil)
	early.Start, early.End = early.Start.Add(10*time.Minute), early.End.Add(10*time.Minute)
	ahead, _ := r.mustGrant(t, early)
	wantRefused(t, "not yet valid", try(ahead, h))

	r.mustRevoke(t, g)
	if err := try(cert, h); err != nil {
		t.Fatalf("the host cannot know of the revocation yet: %v", err)
	}
	s.pull(t, r)
	wantRefused(t, "revoked", try(cert, h))
	wantPresence(t, r, g, runbooks.Absent)
	if err := try(forced, h); err != nil {
		t.Fatalf("a certificate that was not revoked: %v", err)
	}
	r.clock.Advance(time.Hour)
	wantRefused(t, "expired", try(forced, h))
	if err := try(ahead, h); err != nil {
		t.Fatalf("valid by now: %v", err)
	}
}

// A certificate without principals is "anybody" to x/crypto; here it is nobody.
func TestHostCheckerRefusesAnEmptyCertificate(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	s := startInProcess(t, r)
	s.pull(t, r)
	h := newHolder(t)
	cert, _ := r.mustGrant(t, r.grant("g_1", h, nil))
	signer, err := ssh.NewSignerFromKey(ed25519Seed(seed))
	if err != nil {
		t.Fatal(err)
	}
	cert.ValidPrincipals = nil
	if err := cert.SignCert(strings.NewReader(strings.Repeat("n", 32)), signer); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, "no principals", second(login(t, s.addr, "app", h, cert, "id")))
	cert.ValidPrincipals, cert.CertType = []string{"deploy"}, ssh.HostCert
	if err := cert.SignCert(strings.NewReader(strings.Repeat("n", 32)), signer); err != nil {
		t.Fatal(err)
	}
	_, err = s.checker.Authenticate(nil, cert)
	if err == nil || errors.Is(err, io.EOF) {
		t.Fatalf("a host certificate: %v", err)
	}
}
