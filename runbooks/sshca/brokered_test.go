package sshca_test

import (
	"fmt"
	"net"
	"os/user"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/countersign-bot/countersign/runbooks/sshca"
)

// R48, R108: on a real sshd, a brokered certificate opens nothing from anywhere but the bastion's address; from there it runs the one command that
// the entitlement names, whatever the holder types, and leads nowhere else. What would lead around the bastion is never signed.
func TestReq_R108_ABrokeredLoginIsOneCommandFromTheBastion(t *testing.T) {
	t.Parallel()
	const bastion = "127.0.0.9"
	r := newRig(t, nil)
	s := startSSHD(t, r, "deploy")
	h := newHolder(t)
	me, err := user.Current()
	if err != nil {
		t.Skipf("no current user: %v", err)
	}
	through := func(cert *ssh.Certificate) (*ssh.Client, error) {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(bastion)}, Timeout: time.Minute}
		conn, err := d.DialContext(t.Context(), "tcp", s.addr)
		if err != nil {
			t.Skipf("this system does not lend %s, which stands for the bastion: %v", bastion, err)
		}
		signer, err := ssh.NewSignerFromKey(h.private)
		if err != nil {
			t.Fatal(err)
		}
		if signer, err = ssh.NewCertSigner(cert, signer); err != nil {
			t.Fatal(err)
		}
		c, chans, reqs, err := ssh.NewClientConn(conn, s.addr, &ssh.ClientConfig{
			User: me.Username, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(), // the server is this test's own
		})
		if err != nil {
			return nil, err
		}
		return ssh.NewClient(c, chans, reqs), nil
	}

	g := r.grant("g_brokered", h, map[string][]string{"force_command": {"echo only-this $SSH_ORIGINAL_COMMAND"}, "source_address": {bastion}})
	g.Brokered = true
	cert, _ := r.mustGrant(t, g)
	_, err = s.login(t, h, cert, "true")
	wantRefused(t, "a direct login with a brokered certificate", err)

	client, err := through(cert)
	if err != nil {
		t.Fatalf("through the bastion: %v\n%s", err, s.logged(t))
	}
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	out, err := session.Output("id -u")
	if got := strings.TrimSpace(string(out)); err != nil || got != "only-this id -u" {
		t.Errorf("through the bastion it ran %q, %v", got, err)
	}
	if c, err := client.DialContext(t.Context(), "tcp", s.addr); err == nil {
		_ = c.Close()
		t.Error("a tunnel was opened through the target")
	}

	for name, params := range map[string]map[string][]string{
		"no forced command": {"source_address": {bastion}},
		"no bastion":        {"force_command": {"id"}},
		"everywhere":        {"force_command": {"id"}, "source_address": {bastion, "0.0.0.0/0"}},
		"a tunnel":          {"force_command": {"id"}, "source_address": {bastion}, "extensions": {"permit-pty", "permit-port-forwarding"}},
		"a user's script":   {"force_command": {"id"}, "source_address": {bastion}, "extensions": {"permit-user-rc"}},
	} {
		g := r.grant("g_no", h, params)
		g.Brokered = true
		if _, err := r.Grant(t.Context(), g); err == nil || !strings.Contains(err.Error(), "brokered") {
			t.Errorf("%s: %v, want it refused", name, err)
		}
	}
}

// R95, R106: a person who acts as a service account logs in by its account and is named in the real sshd's own log, with the grant; each login, and so
// each action, leads to the person.
func TestReq_R95_TheTargetsLogNamesWhoActedAsTheIdentity(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	s := startSSHD(t, r, "svc_tiles")
	for n, who := range []string{"maya@example.com", "jonas@example.com"} {
		h := newHolder(t)
		g := r.grant(fmt.Sprintf("g_as_tiles_%d", n), h, map[string][]string{"principals": {"svc_tiles"}})
		g.Holder = who
		cert, _ := r.mustGrant(t, g)
		if _, err := s.login(t, h, cert, "true"); err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf("ID countersign/%s/%s (serial %d)", g.ID, who, sshca.Serial(g.ID))
		if log := s.logged(t); !strings.Contains(log, want) {
			t.Errorf("sshd's log does not say %q:\n%s", want, log)
		}
	}
}
