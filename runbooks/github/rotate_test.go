package github_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/github"
	"github.com/countersign-bot/countersign/runbooks/rest"
)

// clones is a host that repositories are cloned from: it lets in who has a deploy key that the front has.
func (f *front) clones(t *testing.T) string {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	f.host = strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
	f.mu.Unlock()
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
		if !slices.ContainsFunc(f.keys, func(k map[string]any) bool { return k["key"] == line }) {
			return nil, errors.New("no such key")
		}
		return nil, nil
	}}
	config.AddHostKey(signer)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			raw, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				if conn, _, _, err := ssh.NewServerConn(raw, config); err == nil {
					_ = conn.Wait()
				}
				_ = raw.Close()
			}()
		}
	}()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.clone = l.Addr().String()
	return f.clone
}

// TestReq_R41_DeployKeysAreRotated: a key with the same rights is added and logs in, then the old one goes; a call that is repeated leaves one new key; a host that is
// not the one that GitHub names proves nothing, and the old key stays.
func TestReq_R41_DeployKeysAreRotated(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f, repo := newFront(t, w.emulator), w.repository(t)
	c := open(t, f, repo)
	titles := func() (out []string) {
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, k := range f.keys {
			out = append(out, fmt.Sprint(k["title"]))
		}
		return out
	}
	r := runbooks.Rotation{ID: "rot_g_1", Old: "deploy key " + repo + "/7"}
	if _, err := c.Renew(t.Context(), r); err != nil { // its answer is lost: nobody has this key
		t.Fatal(err)
	}
	n, err := c.Renew(t.Context(), r)
	if err != nil || !slices.Equal(titles(), []string{"ci", "ci (rot_g_1)"}) {
		t.Fatalf("%q: %+v (%v)", titles(), n.Facts, err)
	}
	real := f.host
	f.mu.Lock()
	f.host = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	f.mu.Unlock()
	if err := c.Prove(t.Context(), r, n); err == nil {
		t.Error("another host proves the key")
	}
	f.mu.Lock()
	f.host = real
	f.mu.Unlock()
	if err := c.Prove(t.Context(), r, n); err != nil {
		t.Fatal(err)
	}
	stranger := n
	stranger.Secret = runbooks.NewSecret("nothing")
	if err := c.Prove(t.Context(), r, stranger); err == nil {
		t.Error("a key that is none is proven")
	}
	for range 2 {
		if err := c.Retire(t.Context(), r, n); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(titles(), []string{"ci (rot_g_1)"}) {
		t.Errorf("left are %q", titles())
	}
	same := runbooks.Rotation{ID: "rot_g_2", Old: n.Ref, Secret: runbooks.NewPassword()}
	a, err := c.Renew(t.Context(), same)
	b, err2 := c.Renew(t.Context(), same)
	if err != nil || err2 != nil || a.Ref != b.Ref || a.Facts["fingerprint"] != b.Facts["fingerprint"] || !slices.Equal(titles(), []string{"ci (rot_g_1)", "ci (rot_g_2)"}) {
		t.Errorf("with a secret of its own a repeated call makes the same key: %q (%v, %v)", titles(), err, err2)
	}
	for _, old := range []string{"deploy key other/shop/7", "deploy key " + repo + "/x", "app northwind/9", "deploy key " + repo + "/99", "deploy key ../../orgs/7"} {
		if _, err := c.Renew(t.Context(), runbooks.Rotation{ID: "rot_g_3", Old: old}); err == nil || runbooks.ClassOf(err) != runbooks.Refuse {
			t.Errorf("%s: %v", old, err)
		}
	}
	if _, err := github.Open(github.Config{Rest: rest.Config{URL: f.URL}, Scope: []string{repo}}); err == nil {
		t.Error("opened without credentials")
	}
}

// ciKey gives the repository's deploy key a private key that somebody holds.
func (f *front) ciKey(t *testing.T) string {
	t.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	line, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "ci")
	if err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.keys, func(k map[string]any) bool { return fmt.Sprint(k["id"]) == "7" })
	f.keys[i]["key"] = strings.TrimSpace(string(ssh.MarshalAuthorizedKey(line)))
	return string(pem.EncodeToMemory(block))
}

// clonesWith tells whether the host of repositories lets a private key in.
func (f *front) clonesWith(t *testing.T, private string) bool {
	t.Helper()
	signer, err := ssh.ParsePrivateKey([]byte(private))
	if err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	address := f.clone
	host, _, _, _, err := ssh.ParseAuthorizedKey([]byte(f.host))
	f.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := ssh.Dial("tcp", address, &ssh.ClientConfig{User: "git", Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: ssh.FixedHostKey(host)})
	if err == nil {
		_ = conn.Close()
	}
	return err == nil
}
