package sshca_test

import (
	"bytes"
	"context"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/countersign-bot/countersign/runbooks/runbooktest"
	"github.com/countersign-bot/countersign/runbooks/sshca"
)

// sshd is a real OpenSSH server that trusts a CA and reads a revocation list.
type sshd struct {
	addr, krl, log, dir string
}

func startSSHD(t *testing.T, r *rig, principals ...string) *sshd {
	t.Helper()
	path := findProgram(t, "sshd", "/usr/sbin/sshd")
	dir, err := os.MkdirTemp("", "sshca") // short: t.TempDir() can be too long for what sshd prints
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if os.Geteuid() == 0 {
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Skipf("sshd needs /run/sshd: %v", err)
		}
	}
	s := &sshd{addr: net.JoinHostPort("127.0.0.1", runbooktest.FreePort(t)), krl: filepath.Join(dir, "krl"), log: filepath.Join(dir, "log"), dir: dir}
	s.write(t, "ca.pub", ssh.MarshalAuthorizedKey(r.PublicKey()))
	s.write(t, "principals", []byte(strings.Join(principals, "\n")+"\n"))
	s.write(t, "host", hostKey(t))
	_, port, _ := net.SplitHostPort(s.addr)
	s.write(t, "config", fmt.Appendf(nil, `ListenAddress 127.0.0.1
Port %s
HostKey %[2]s/host
TrustedUserCAKeys %[2]s/ca.pub
RevokedKeys %[2]s/krl
AuthorizedPrincipalsFile %[2]s/principals
AuthorizedKeysFile none
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
PidFile none
LogLevel VERBOSE
MaxStartups 100
`, port, dir))
	r.pull(t, "real-sshd", s.krl)
	s.run(t, path)
	s.needsAccount(t, r, principals[0])
	return s
}

// needsAccount skips where sshd would let this test's user in with nothing: an account without a shell, or a locked one.
func (s *sshd) needsAccount(t *testing.T, r *rig, principal string) {
	t.Helper()
	h := newHolder(t)
	cert, _ := r.mustGrant(t, r.grant("g_account", h, map[string][]string{"principals": {principal}}))
	if _, err := s.login(t, h, cert, "true"); err == nil {
		return
	}
	for line := range strings.Lines(s.logged(t)) {
		if strings.Contains(line, "not allowed because") {
			t.Skipf("sshd does not let this test's user in: %s", strings.TrimSpace(line))
		}
	}
}

func (s *sshd) run(t *testing.T, path string) {
	t.Helper()
	cmd := exec.Command(path, "-D", "-f", filepath.Join(s.dir, "config"), "-E", s.log)
	if err := cmd.Start(); err != nil {
		t.Skipf("sshd does not start here: %v", err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for deadline := time.Now().Add(60 * time.Second); ; {
		conn, err := net.DialTimeout("tcp", s.addr, time.Second)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("sshd did not come up: %v\n%s", err, s.logged(t))
		}
	}
}

func (s *sshd) write(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (s *sshd) logged(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile(s.log)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// login runs a command as the current user with the certificate.
func (s *sshd) login(t *testing.T, h holder, cert *ssh.Certificate, command string) (string, error) {
	t.Helper()
	me, err := user.Current()
	if err != nil {
		t.Skipf("no current user: %v", err)
	}
	return login(t, s.addr, me.Username, h, cert, command)
}

func login(t *testing.T, addr, name string, h holder, cert *ssh.Certificate, command string) (string, error) {
	t.Helper()
	signer, err := ssh.NewSignerFromKey(h.private)
	if err != nil {
		t.Fatal(err)
	}
	if cert != nil {
		if signer, err = ssh.NewCertSigner(cert, signer); err != nil {
			t.Fatal(err)
		}
	}
	client, err := ssh.Dial("tcp", addr, &ssh.ClientConfig{
		User: name, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, Timeout: 20 * time.Second,
		HostKeyCallback: ssh.InsecureIgnoreHostKey(), // the server is this test's own, on loopback
	})
	if err != nil {
		return "", err
	}
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		return "", err
	}
	out, err := session.Output(command)
	return strings.TrimSpace(string(out)), err
}

func wantRefused(t *testing.T, what string, err error) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), "unable to authenticate") {
		t.Fatalf("%s: %v, want a refused login", what, err)
	}
}

func hostKey(t *testing.T) []byte {
	t.Helper()
	block, err := ssh.MarshalPrivateKey(newHolder(t).private, "")
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(block)
}

func findProgram(t *testing.T, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return absolute(t, path)
		}
	}
	t.Skipf("%s is not installed", names[0])
	return ""
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

func TestRealSSHD(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	s := startSSHD(t, r, "deploy", "backup")
	h := newHolder(t)

	t.Run("login works, its log names grant and human", func(t *testing.T) {
		cert, _ := r.mustGrant(t, r.grant("g_works", h, nil))
		out, err := s.login(t, h, cert, "echo hello")
		if err != nil || out != "hello" {
			t.Fatalf("login: %q, %v\n%s", out, err, s.logged(t))
		}
		want := fmt.Sprintf("ID countersign/g_works/alice@example.com (serial %d)", sshca.Serial("g_works"))
		if log := s.logged(t); !strings.Contains(log, want) {
			t.Fatalf("sshd's log does not say %q:\n%s", want, log)
		}
	})
	t.Run("somebody else's key", func(t *testing.T) {
		other := newHolder(t)
		cert, _ := r.mustGrant(t, r.grant("g_other", h, nil))
		cert.Key, _ = ssh.NewPublicKey(other.private.Public())
		_, err := s.login(t, other, cert, "true")
		wantRefused(t, "certificate with an exchanged key", err)
		_, err = s.login(t, h, nil, "true")
		wantRefused(t, "no certificate", err)
	})
	t.Run("wrong principal", func(t *testing.T) {
		cert, _ := r.mustGrant(t, r.grant("g_principal", h, map[string][]string{"principals": {"dba"}}))
		_, err := s.login(t, h, cert, "true")
		wantRefused(t, "wrong principal", err)
	})
	t.Run("expired", func(t *testing.T) {
		g := r.grant("g_expired", h, nil)
		r.clock.Advance(-2 * time.Hour)
		g.Start, g.End = g.Start.Add(-2*time.Hour), g.End.Add(-2*time.Hour)
		cert, _ := r.mustGrant(t, g)
		r.clock.Advance(2 * time.Hour)
		_, err := s.login(t, h, cert, "true")
		wantRefused(t, "expired certificate", err)
	})
	t.Run("revoked", func(t *testing.T) {
		g, kept := r.grant("g_revoked", h, nil), r.grant("g_kept", h, nil)
		cert, _ := r.mustGrant(t, g)
		keptCert, _ := r.mustGrant(t, kept)
		if _, err := s.login(t, h, cert, "true"); err != nil {
			t.Fatalf("before: %v", err)
		}
		r.mustRevoke(t, g)
		if !r.pull(t, "real-sshd", s.krl).Changed {
			t.Fatal("the list did not change")
		}
		_, err := s.login(t, h, cert, "true")
		wantRefused(t, "revoked certificate", err)
		if _, err := s.login(t, h, keptCert, "true"); err != nil {
			t.Fatalf("a certificate that was not revoked: %v", err)
		}
		wantPresence(t, r, g, "absent")
	})
	t.Run("source address", func(t *testing.T) {
		far, _ := r.mustGrant(t, r.grant("g_far", h, map[string][]string{"source_address": {"192.0.2.0/24"}}))
		_, err := s.login(t, h, far, "true")
		wantRefused(t, "wrong source address", err)
		near, _ := r.mustGrant(t, r.grant("g_near", h, map[string][]string{"source_address": {"192.0.2.0/24", "127.0.0.1"}}))
		if _, err := s.login(t, h, near, "true"); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("forced command", func(t *testing.T) {
		cert, _ := r.mustGrant(t, r.grant("g_forced", h, map[string][]string{"force_command": {"echo forced $SSH_ORIGINAL_COMMAND"}}))
		out, err := s.login(t, h, cert, "id -u")
		if err != nil || out != "forced id -u" {
			t.Fatalf("%q, %v", out, err)
		}
	})
}

// The command and the file on the card are what a person copies: they must work as they stand.
func TestRealSSHClient(t *testing.T) {
	t.Parallel()
	client := findProgram(t, "ssh")
	r := newRig(t, nil)
	s := startSSHD(t, r, "deploy")
	h := newHolder(t)
	me, err := user.Current()
	if err != nil {
		t.Skipf("no current user: %v", err)
	}
	host, port, _ := net.SplitHostPort(s.addr)
	g := r.grant("g_card", h, map[string][]string{"host": {host}, "port": {port}, "user": {me.Username}})
	_, receipt := r.mustGrant(t, g)

	home := filepath.Join(s.dir, "home", ".ssh")
	if err := os.MkdirAll(home, 0o700); err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(h.private, "")
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, "home/.ssh/id_ed25519", pem.EncodeToMemory(block))
	for name, content := range receipt.Use.Files {
		s.write(t, "home/.ssh/"+name, []byte(content))
	}
	// ~ is the shell's for -i and ssh's own for -o; ssh takes it from the password file, so the test spells it out.
	line := strings.ReplaceAll(receipt.Use.Command, "~/.ssh", home)
	words := append(strings.Fields(line)[1:], "-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no",
		"-o", "UserKnownHostsFile=/dev/null", "-o", "IdentitiesOnly=yes", "echo copied")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, client, words...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || strings.TrimSpace(string(out)) != "copied" {
		t.Fatalf("%s: %q, %v\n%s", line, out, err, stderr.String())
	}
}
