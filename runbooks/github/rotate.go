package github

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/pem"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
)

// A deploy key is replaced by another one of the same repository with the same rights: the old one works until the new one has logged in.

// keyOf reads the name of a deploy key, as Discover gives it: "deploy key owner/name/id".
func (c *Connector) keyOf(ref string) (terms, string, error) {
	rest, ok := strings.CutPrefix(ref, "deploy key ")
	at := strings.LastIndex(rest, "/")
	if !ok || at < 0 || !isRepository(rest[:at]) || digits("", rest[at+1:]) != nil {
		return terms{}, "", refuse("that is no deploy key as this target lists it")
	}
	var t terms
	t.owner, t.name, _ = strings.Cut(rest[:at], "/")
	if !c.inScope(t) {
		return terms{}, "", refuse("%s/%s lies outside of what the target stands for (its setting scope)", t.owner, t.name)
	}
	return t, rest[at+1:], nil
}

func (t terms) keys(id ...string) string {
	return rest.Path(append([]string{"repos", t.owner, t.name, "keys"}, id...)...)
}

// newKey makes the next key: the same one for the same order, where the order has a secret of its own.
func newKey(r runbooks.Rotation) (ed25519.PrivateKey, error) {
	if r.Secret.IsZero() {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}
	if kept, err := ssh.ParseRawPrivateKey([]byte(r.Secret.Reveal())); err == nil { // an earlier call made it, and it was kept
		if key, ok := kept.(*ed25519.PrivateKey); ok {
			return *key, nil
		}
	}
	seed := sha256.Sum256([]byte("countersign github deploy key\x00" + r.ID + "\x00" + r.Secret.Reveal()))
	return ed25519.NewKeyFromSeed(seed[:]), nil
}

// Renew adds a key beside the old one. Keys of earlier calls that nobody has are taken away.
func (c *Connector) Renew(ctx context.Context, r runbooks.Rotation) (runbooks.Renewed, error) {
	t, id, err := c.keyOf(cmp.Or(r.Old, r.Account))
	if err != nil {
		return runbooks.Renewed{}, err
	}
	var old deployKey
	if _, err := c.api.Ask(ctx, "reading the old deploy key", rest.Call{Method: http.MethodGet, Path: t.keys(id)}, &old); err != nil {
		return runbooks.Renewed{}, err
	}
	key, err := newKey(r)
	if err != nil {
		return runbooks.Renewed{}, runbooks.Errorf(runbooks.Retry, err, "the new key could not be made")
	}
	public, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		return runbooks.Renewed{}, runbooks.Errorf(runbooks.Broken, err, "the new key could not be written")
	}
	line, mark := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public))), " ("+r.ID+")"
	made, err := c.leftOver(ctx, t, mark, line)
	if err == nil && made.ID == 0 {
		title, _, _ := strings.Cut(old.Title, " (rot_")
		body := rest.JSON(map[string]any{"title": title + mark, "key": line, "read_only": old.ReadOnly})
		_, err = c.api.Ask(ctx, "adding the deploy key", rest.Call{Method: http.MethodPost, Path: t.keys(), Body: body}, &made)
	}
	if err != nil {
		return runbooks.Renewed{}, err
	}
	block, err := ssh.MarshalPrivateKey(key, "countersign "+r.ID)
	if err != nil || made.ID == 0 {
		return runbooks.Renewed{}, runbooks.Errorf(runbooks.Broken, err, "GitHub added a deploy key and did not name it, or it cannot be written")
	}
	return runbooks.Renewed{
		Ref:    made.discovered(t).Ref,
		Facts:  map[string]string{"repository": t.owner + "/" + t.name, "fingerprint": ssh.FingerprintSHA256(public), "read_only": strconv.FormatBool(old.ReadOnly)},
		Secret: runbooks.NewSecret(string(pem.EncodeToMemory(block))),
	}, nil
}

// leftOver finds what an earlier call of the order made: the key itself, or another one, which is taken away.
func (c *Connector) leftOver(ctx context.Context, t terms, mark, line string) (same deployKey, err error) {
	var others []deployKey
	for x, err := range pages[deployKey](ctx, c.api, "listing the deploy keys", t.keys(), url.Values{}) {
		switch {
		case err != nil:
			return deployKey{}, err
		case x.Key == line:
			same = x
		case strings.HasSuffix(x.Title, mark):
			others = append(others, x)
		}
	}
	for _, x := range others {
		if err := c.remove(ctx, "taking back a deploy key that nobody has", t.keys(strconv.FormatInt(x.ID, 10))); err != nil {
			return deployKey{}, err
		}
	}
	return same, nil
}

// Prove logs in to the host of repositories with the new key, whose own keys GitHub tells over TLS.
func (c *Connector) Prove(ctx context.Context, _ runbooks.Rotation, n runbooks.Renewed) error {
	signer, err := ssh.ParsePrivateKey([]byte(n.Secret.Reveal()))
	if err != nil {
		return runbooks.Errorf(runbooks.Broken, nil, "the new deploy key is not at hand")
	}
	var meta struct {
		Keys []string `json:"ssh_keys"`
	}
	if _, err := c.api.Ask(ctx, "reading which keys the host of repositories has", rest.Call{Method: http.MethodGet, Path: "/meta"}, &meta); err != nil {
		return err
	}
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.sshAddress())
	if err != nil {
		return runbooks.Errorf(runbooks.Retry, err, "the host of repositories could not be reached with the new deploy key")
	}
	defer raw.Close()
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	conn, _, _, err := ssh.NewClientConn(raw, c.sshAddress(), &ssh.ClientConfig{
		User: "git", Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)},
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			if line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))); slices.Contains(meta.Keys, line) {
				return nil
			}
			return runbooks.Errorf(runbooks.Broken, nil, "the host of repositories has another key than GitHub says")
		},
	})
	if err != nil {
		return runbooks.Errorf(runbooks.Retry, err, "the host of repositories does not let the new deploy key in")
	}
	return conn.Close()
}

// sshAddress is where repositories are cloned from.
func (c *Connector) sshAddress() string {
	if c.ssh != "" {
		return c.ssh
	}
	u, err := url.Parse(c.web())
	if err != nil {
		return ""
	}
	return net.JoinHostPort(u.Hostname(), "22")
}

// Retire takes the old key away.
func (c *Connector) Retire(ctx context.Context, r runbooks.Rotation, n runbooks.Renewed) error {
	t, id, err := c.keyOf(cmp.Or(r.Old, r.Account))
	if err != nil {
		return err
	}
	if n.Ref == cmp.Or(r.Old, r.Account) {
		return refuse("the old deploy key and the new one are the same")
	}
	return c.remove(ctx, "taking the old deploy key away", t.keys(id))
}
