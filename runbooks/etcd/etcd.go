package etcd

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
)

// ParamRole is the entitlement's one word: the name of a role.
const ParamRole = "role"

const (
	callTimeout = 15 * time.Second
	tokenLife   = 4 * time.Minute // etcd forgets a token after five, by default
	maxListed   = 10_000          // users or roles of one cluster: etcd gives them all at once
	maxShown    = 200             // bytes of a name in words for people
)

// Connector grants on one cluster. It is safe for concurrent use.
type Connector struct {
	api      *rest.Client
	user     string
	password runbooks.Secret
	made     sync.Map // keys that this process made: etcd does not tell
	canary   Canary

	mu    sync.Mutex
	token string
	until time.Time
}

// Open reads the configuration; it calls nobody. user is the bot's own.
func Open(cfg rest.Config, user string, password runbooks.Secret) (*Connector, error) {
	if user == "" || password.IsZero() {
		return nil, errors.New("settings username and password_file or password_env: the bot needs a user of its own")
	}
	cfg.Service, cfg.Words = "etcd", rest.Words("error")
	api, err := rest.Open(cfg)
	return &Connector{api: api, user: user, password: password}, err
}

// Close ends idle connections.
func (c *Connector) Close() error { return c.api.Close() }

// Describe says what roles can do.
func (c *Connector) Describe() runbooks.Capabilities {
	return runbooks.Capabilities{
		Name: "etcd", RevokeLatency: time.Second, Shared: true, Timeout: callTimeout,
		RevokeLeaves: "A watch that is already open goes on until it is closed, and what was written stays.",
	}
}

// session gives a token, which is asked for again before etcd forgets it, and when it has.
func (c *Connector) session(ctx context.Context, anew bool) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !anew && time.Now().Before(c.until) {
		return c.token, nil
	}
	var out struct{ Token string }
	in := rest.JSON(map[string]string{"name": c.user, "password": c.password.Reveal()})
	_, err := c.api.Ask(ctx, "logging in", rest.Call{Method: http.MethodPost, Path: "/v3/auth/authenticate", Body: in}, &out)
	if runbooks.ClassOf(err) == runbooks.Refuse && err != nil {
		return "", runbooks.Errorf(runbooks.Broken, err, "etcd refuses the bot's user or password, or logs nobody in")
	}
	c.token, c.until = out.Token, time.Now().Add(tokenLife)
	return c.token, err
}

// ask calls one method of etcd's authorisation.
func (c *Connector) ask(ctx context.Context, what, method string, in, out any) error {
	for _, anew := range []bool{false, true} {
		token, err := c.session(ctx, anew)
		if err != nil {
			return err
		}
		call := rest.Call{Method: http.MethodPost, Path: "/v3/auth/" + method, Body: rest.JSON(in), Header: http.Header{"Authorization": {token}}}
		if r, err := c.api.Ask(ctx, what, call, out); err == nil || r.Status != http.StatusUnauthorized {
			return err
		}
	}
	return runbooks.Errorf(runbooks.Retry, nil, "%s: etcd forgot who we are", what)
}

type listing struct{ Roles, Users []string }

// names holds an answer to what one cluster may have.
func (c *Connector) names(ctx context.Context, what, method string, in map[string]string) (listing, error) {
	var out listing
	err := c.ask(ctx, what, method, in, &out)
	if err == nil && len(out.Roles)+len(out.Users) > maxListed {
		err = runbooks.Errorf(runbooks.Broken, nil, "%s: there are more than %d", what, maxListed)
	}
	return out, err
}

func (c *Connector) readTerms(g runbooks.Grant) (role string, err error) {
	p, err := g.ReadWords(runbooks.Word{Name: ParamRole, Needed: true, Is: "the name of a role", Match: isName})
	if err == nil && (!isName(g.Account) || g.Account == c.user || p[ParamRole][0] == "root") {
		err = runbooks.Errorf(runbooks.Refuse, nil, "the account is not the name of a user, is the bot's own, or the role is root, which is not granted here")
	}
	if err != nil {
		return "", err
	}
	return p[ParamRole][0], nil
}

func isName(s string) bool { return runbooks.Pattern(`[A-Za-z0-9][A-Za-z0-9._@/-]{0,99}`)(s) }

func key(user, role string) string { return "user " + user + " role " + role }

// change gives the role or takes it; user is what etcd calls the user in that call.
func (c *Connector) change(ctx context.Context, method, user, account, role string) (runbooks.Receipt, error) {
	err := c.ask(ctx, "changing the user's roles", "user/"+method, map[string]string{user: account, "role": role}, nil)
	if err != nil && (method != "revoke" || !strings.Contains(err.Error(), "not granted") && !strings.Contains(err.Error(), "not found")) {
		return runbooks.Receipt{}, err
	}
	return runbooks.Receipt{
		Ref: "role " + role, Facts: map[string]string{"role": role}, Personal: map[string]string{"account": account},
		Use: runbooks.Use{Steps: []string{"Use etcd with your own user, as always."}, Host: c.api.Host()},
	}, nil
}

// Grant gives the user the role, once.
func (c *Connector) Grant(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	role, err := c.readTerms(g)
	if err != nil {
		return runbooks.Receipt{}, err
	}
	r, err := c.change(ctx, "grant", "user", g.Account, role)
	if err == nil {
		c.made.Store(key(g.Account, role), true)
	}
	return r, err
}

// Revoke takes the role away; a user, a role or a membership that is not there is gone.
func (c *Connector) Revoke(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	role, err := c.readTerms(g)
	if err != nil {
		return runbooks.Receipt{}, err
	}
	c.made.Delete(key(g.Account, role))
	return c.change(ctx, "revoke", "name", g.Account, role)
}

// Check reads the user's roles.
func (c *Connector) Check(ctx context.Context, g runbooks.Grant) (runbooks.Presence, error) {
	role, err := c.readTerms(g)
	if err != nil {
		return runbooks.Unconfirmed, err
	}
	has, err := c.names(ctx, "reading the user", "user/get", map[string]string{"name": g.Account})
	switch {
	case err != nil && !strings.Contains(err.Error(), "user name not found"):
		return runbooks.Unconfirmed, err
	case slices.Contains(has.Roles, role):
		return runbooks.Present, nil
	}
	return runbooks.Absent, nil
}
