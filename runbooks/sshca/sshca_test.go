package sshca_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/sshca"
	"github.com/countersign-bot/countersign/workflows"
)

// clock is product time that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// rig is a certificate authority with its folder, its clock and its address.
type rig struct {
	*sshca.Connector
	cfg   sshca.Config
	clock *clock
	url   string
}

var seed = bytes.Repeat([]byte{7}, 32)

func newRig(t *testing.T, change func(*sshca.Config)) *rig {
	t.Helper()
	c := &clock{now: time.Now().Truncate(time.Second)}
	cfg := sshca.Config{Seed: seed, Dir: filepath.Join(t.TempDir(), "sshca"), Now: c.Now}
	if change != nil {
		change(&cfg)
	}
	r := &rig{cfg: cfg, clock: c}
	r.reopen(t)
	return r
}

// reopen is what a restart does.
func (r *rig) reopen(t *testing.T) {
	t.Helper()
	if r.Connector != nil {
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	c, err := sshca.Open(r.cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.Connector = c
	server := httptest.NewServer(c.Handler())
	r.url = server.URL
	t.Cleanup(func() { server.Close(); _ = c.Close() })
}

// pull does what a host's timer does.
func (r *rig) pull(t *testing.T, host, out string) sshca.PullResult {
	t.Helper()
	result, err := sshca.Pull(t.Context(), r.url, out, r.PublicKey(), host)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// holder is a person with a key pair.
type holder struct {
	private ed25519.PrivateKey
	line    string
}

func newHolder(t testing.TB) holder {
	t.Helper()
	pub, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	return holder{private: private, line: string(ssh.MarshalAuthorizedKey(key))}
}

func (r *rig) grant(id string, h holder, params map[string][]string) runbooks.Grant {
	if params == nil {
		params = map[string][]string{}
	}
	if params[sshca.ParamPrincipals] == nil {
		params[sshca.ParamPrincipals] = []string{"deploy"}
	}
	return runbooks.Grant{
		ID: workflows.GrantID(id), Request: "r_1", Identity: "p_1", Holder: "alice@example.com",
		Target: "db-hosts", Entitlement: "deploy", Params: params, Fields: map[string]string{"key": h.line},
		Start: r.clock.Now(), End: r.clock.Now().Add(time.Hour),
	}
}

// mustGrant grants and takes the certificate out of the receipt.
func (r *rig) mustGrant(t *testing.T, g runbooks.Grant) (*ssh.Certificate, runbooks.Receipt) {
	t.Helper()
	receipt, err := r.Grant(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(receipt.Use.Files[string(g.ID)+"-cert.pub"]))
	if err != nil {
		t.Fatal(err)
	}
	return key.(*ssh.Certificate), receipt
}

func (r *rig) mustRevoke(t *testing.T, g runbooks.Grant) runbooks.Receipt {
	t.Helper()
	receipt, err := r.Revoke(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	return receipt
}

func (r *rig) parsed(t *testing.T) sshca.KRL {
	t.Helper()
	raw, _ := r.KRL()
	k, err := sshca.ParseKRL(raw)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func wantPresence(t *testing.T, c runbooks.Connector, g runbooks.Grant, want runbooks.Presence) error {
	t.Helper()
	got, err := c.Check(context.Background(), g)
	if got != want {
		t.Fatalf("Check: %s (%v), want %s", got, err, want)
	}
	return err
}

func wantClass(t *testing.T, err error, want runbooks.Class) {
	t.Helper()
	if err == nil || runbooks.ClassOf(err) != want {
		t.Fatalf("error %v, want one of class %s", err, want)
	}
}

func number(n int) string { return fmt.Sprintf("g_%04d", n) }

func ed25519Seed(s []byte) ed25519.PrivateKey { return ed25519.NewKeyFromSeed(s) }
