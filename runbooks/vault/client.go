package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
	"github.com/countersign-bot/countersign/workflows"
)

// The settings of a target.
const (
	SettingURL       = "url"          // https://vault.example.com:8200
	SettingToken     = "token"        // read from token_file or token_env
	SettingEngine    = "engine"       // leases, ssh or pki
	SettingNamespace = "namespace"    // of Vault Enterprise
	SettingTokenRole = "role"         // the token role under which the grants' tokens are made; needed for leases
	SettingWrap      = "wrap_seconds" // hand secrets over wrapped, to be taken within this time
	SettingScope     = "scope"        // prefixes of leases that are listed: database/creds/orders-read; may be empty
	SettingRoots     = "ca_file"      // certificate authorities in PEM, instead of the system's
)

// The kinds of engine.
const (
	EngineLeases = "leases"
	EngineSSH    = "ssh"
	EnginePKI    = "pki"
)

// The entitlement's words.
const (
	ParamPath       = "path"       // what is read or written
	ParamPolicies   = "policies"   // leases: of the grant's token; several
	ParamPrincipals = "principals" // ssh: users on the hosts; several
	ParamName       = "name"       // pki: the common name
	ParamField      = "field"      // ssh, pki: the form's field with the key or the request; "key", "csr"
)

// Config says how the bot reaches Vault.
type Config struct {
	Rest      rest.Config // URL and Roots
	Token     runbooks.Secret
	Engine    string
	Namespace string
	TokenRole string
	Wrap      time.Duration // 0: not wrapped
	Scope     []string
	Dir       string           // where the register lies; made if it is missing
	Now       func() time.Time // product time; nil: time.Now
}

// client is what the three kinds of connector share.
type client struct {
	cfg Config
	api *rest.Client
	now func() time.Time
	dir *os.Root // of the register

	mu   sync.Mutex
	busy map[workflows.GrantID]chan struct{}
}

// Open reads the configuration and gives the connector of the engine; it calls nobody.
func Open(cfg Config) (runbooks.Connector, error) {
	if cfg.Token.IsZero() {
		return nil, errors.New("settings need token_file or token_env")
	}
	if cfg.Namespace != "" && !isPath(cfg.Namespace) {
		return nil, fmt.Errorf("setting %s: %q is none", SettingNamespace, cfg.Namespace)
	}
	if cfg.Wrap < 0 || cfg.Wrap > maxWrap {
		return nil, fmt.Errorf("setting %s: it takes a number of seconds up to %d", SettingWrap, int(maxWrap/time.Second))
	}
	if i := slices.IndexFunc(cfg.Scope, func(s string) bool { return !isPath(s) }); i >= 0 {
		return nil, fmt.Errorf("setting %s: %q is no path", SettingScope, cfg.Scope[i])
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the register: %w", err)
	}
	cfg.Rest.Service, cfg.Rest.Words = "Vault", words
	cfg.Rest.Sign = func(_ context.Context, r *http.Request, _ []byte) error {
		if r.Header.Get("X-Vault-Token") == "" {
			r.Header.Set("X-Vault-Token", strings.TrimSpace(cfg.Token.Reveal()))
		}
		if cfg.Namespace != "" {
			r.Header.Set("X-Vault-Namespace", cfg.Namespace)
		}
		r.Header.Set("X-Vault-Request", "true")
		return nil
	}
	api, err := rest.Open(cfg.Rest)
	if err != nil {
		return nil, err
	}
	dir, err := os.OpenRoot(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("opening the register: %w", err)
	}
	c := &client{cfg: cfg, api: api, now: cfg.Now, dir: dir, busy: map[workflows.GrantID]chan struct{}{}}
	if c.now == nil {
		c.now = time.Now
	}
	switch cfg.Engine {
	case EngineLeases:
		if !runbooks.Pattern(`[A-Za-z0-9_-]{1,64}`)(cfg.TokenRole) {
			return nil, errors.Join(fmt.Errorf("setting %s: %q is not the name of a token role", SettingTokenRole, cfg.TokenRole), dir.Close())
		}
		return &Leases{c}, nil
	case EngineSSH:
		return &Signed{c, EngineSSH}, nil
	case EnginePKI:
		return &Signed{c, EnginePKI}, nil
	}
	return nil, errors.Join(fmt.Errorf("setting %s: %q is none of leases, ssh and pki", SettingEngine, cfg.Engine), dir.Close())
}

// words finds what Vault says about an error.
func words(body []byte) string {
	var e struct{ Errors []string }
	if json.Unmarshal(body, &e) != nil {
		return ""
	}
	return strings.Join(e.Errors, "; ")
}

// Close ends idle connections and leaves the register.
func (c *client) Close() error { return errors.Join(c.api.Close(), c.dir.Close()) }

// isPath takes mounts and what lies below, and nothing that a server would resolve elsewhere.
func isPath(s string) bool {
	return len(s) <= maxPath && runbooks.Pattern(`[A-Za-z0-9_-][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*`)(s)
}

func isName(s string) bool { return runbooks.Pattern(`[a-z0-9_][a-z0-9_./-]{0,99}`)(s) && s != "root" }

func refuse(format string, args ...any) error {
	return runbooks.Errorf(runbooks.Refuse, nil, format, args...)
}

// v1 is the address of a path.
func v1(path string) string { return "/v1" + rest.Path(strings.Split(path, "/")...) }

// post writes to a path with the bot's token, or with another one.
func (c *client) post(ctx context.Context, what, path string, in any, token runbooks.Secret, out any) (rest.Reply, error) {
	call := rest.Call{Method: http.MethodPost, Path: v1(path), Body: rest.JSON(in)}
	if !token.IsZero() {
		call.Header = http.Header{"X-Vault-Token": {token.Reveal()}}
	}
	return c.api.Ask(ctx, what, call, out)
}

// hold lets one call at a time work on a grant: what it makes must be written down before the next one looks.
func (c *client) hold(ctx context.Context, id workflows.GrantID) (release func(), err error) {
	for {
		c.mu.Lock()
		wait, taken := c.busy[id]
		if !taken {
			done := make(chan struct{})
			c.busy[id] = done
			c.mu.Unlock()
			return func() {
				c.mu.Lock()
				delete(c.busy, id)
				c.mu.Unlock()
				close(done)
			}, nil
		}
		c.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, runbooks.Errorf(runbooks.Retry, ctx.Err(), "another call for the same grant has not come back yet")
		}
	}
}

// seconds is how long is left of a grant.
func (c *client) seconds(g runbooks.Grant) (int, error) {
	left := int(g.End.Sub(c.now()) / time.Second)
	if left < 1 {
		return 0, refuse("the grant has ended")
	}
	return left, nil
}
