package github

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
)

// credentials put a token on every call: one that was given, or the one of an App's installation, which is asked for and
// kept until shortly before its end.
type credentials struct {
	token        runbooks.Secret
	app          string
	installation string
	key          *rsa.PrivateKey

	mu    sync.Mutex
	fresh runbooks.Secret
	until time.Time
	may   map[string]string // what the installation's token may do
}

// readKey reads an App's private key as GitHub hands it out (PKCS #1), or as PKCS #8.
func readKey(raw runbooks.Secret) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode([]byte(raw.Reveal()))
	if block == nil {
		return nil, errors.New("setting app_key: it is not a private key in PEM")
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	any, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := any.(*rsa.PrivateKey)
	if err != nil || !ok {
		return nil, errors.New("setting app_key: it is not an RSA key")
	}
	return key, nil
}

// claim is a JSON web token (RFC 7519, RS256) that says that we are the App.
func (c *credentials) claim(now time.Time) (string, error) {
	head := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","typ":"JWT"}`))
	body, err := json.Marshal(map[string]any{"iat": now.Add(-time.Minute).Unix(), "exp": now.Add(jwtLife).Unix(), "iss": c.app})
	if err != nil {
		return "", err
	}
	signed := head + "." + base64.RawURLEncoding.EncodeToString(body)
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, c.key, crypto.SHA256, sum[:])
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), err
}

// sign puts the token on a call.
func (c *credentials) sign(client *rest.Client) func(context.Context, *http.Request, []byte) error {
	return func(ctx context.Context, r *http.Request, _ []byte) error {
		r.Header.Set("X-Github-Api-Version", "2022-11-28")
		r.Header.Set("Accept", "application/vnd.github+json")
		if r.Header.Get("Authorization") != "" {
			return nil
		}
		token, err := c.current(ctx, client)
		if err != nil {
			return err
		}
		r.Header.Set("Authorization", "Bearer "+token.Reveal())
		return nil
	}
}

// current gives the token in force. The lock is held while a new one is asked for: callers would ask for the same.
func (c *credentials) current(ctx context.Context, client *rest.Client) (runbooks.Secret, error) {
	if c.key == nil {
		return c.token, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if now.Before(c.until.Add(-tokenMargin)) {
		return c.fresh, nil
	}
	claim, err := c.claim(now)
	if err != nil {
		return runbooks.Secret{}, runbooks.Errorf(runbooks.Broken, err, "the App's key does not sign")
	}
	var out struct {
		Token       string            `json:"token"`
		ExpiresAt   time.Time         `json:"expires_at"`
		Permissions map[string]string `json:"permissions"`
	}
	call := rest.Call{
		Method: http.MethodPost, Path: rest.Path("app", "installations", c.installation, "access_tokens"), Body: []byte("{}"),
		Header: http.Header{"Authorization": {"Bearer " + claim}},
	}
	if _, err := client.Ask(ctx, "asking for the installation's token", call, &out); err != nil {
		if runbooks.ClassOf(err) == runbooks.Refuse {
			return runbooks.Secret{}, runbooks.Errorf(runbooks.Broken, err, "%s: look at app_id and installation_id", err)
		}
		return runbooks.Secret{}, err
	}
	if out.Token == "" || !out.ExpiresAt.After(now) {
		return runbooks.Secret{}, runbooks.Errorf(runbooks.Broken, nil, "asking for the installation's token: GitHub gave none")
	}
	c.fresh, c.until, c.may = runbooks.NewSecret(out.Token), out.ExpiresAt, out.Permissions
	return c.fresh, nil
}

// permissions tells what the installation's token may do; nil with a token that was given.
func (c *credentials) permissions() map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.may
}

func digits(name, s string) error {
	if s == "" || len(s) > maxDigits {
		return fmt.Errorf("setting %s: %q is not a number", name, s)
	}
	for _, r := range s {
		if r < '0' || r > '9' {
			return fmt.Errorf("setting %s: %q is not a number", name, s)
		}
	}
	return nil
}
