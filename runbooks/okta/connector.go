package okta

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
)

// The settings of a target.
const (
	SettingURL      = "url"          // https://northwind.okta.com
	SettingToken    = "token"        // read from token_file or token_env
	SettingScope    = "scope"        // ids of the groups and apps that the target stands for
	SettingSessions = "end_sessions" // "true": a revocation ends all of the person's sessions
	SettingRoots    = "ca_file"      // certificate authorities in PEM, instead of the system's
)

// The entitlement's words: one of them.
const (
	ParamGroup = "group" // the id of a group, 00g…
	ParamApp   = "app"   // the id of an application, 0oa…
)

// Config says how the bot reaches Okta.
type Config struct {
	Rest        rest.Config // URL and Roots
	Token       runbooks.Secret
	Scope       []string
	EndSessions bool
}

// Connector grants in one organisation. It is safe for concurrent use.
type Connector struct {
	api   *rest.Client
	scope []string
	end   bool

	mu sync.Mutex
	me string // the id of the account that the token belongs to, once it is known
}

// Open reads the configuration; it calls nobody.
func Open(cfg Config) (*Connector, error) {
	if cfg.Token.IsZero() {
		return nil, errors.New("settings need token_file or token_env")
	}
	if len(cfg.Scope) == 0 || slices.ContainsFunc(cfg.Scope, func(s string) bool { return !isID(s) }) {
		return nil, errors.New("setting scope: it takes ids of groups and of apps, with spaces between; at least one")
	}
	cfg.Rest.Service, cfg.Rest.Words = "Okta", rest.Words("errorSummary")
	cfg.Rest.Sign = func(_ context.Context, r *http.Request, _ []byte) error {
		r.Header.Set("Authorization", "SSWS "+cfg.Token.Reveal())
		return nil
	}
	api, err := rest.Open(cfg.Rest)
	if err != nil {
		return nil, err
	}
	return &Connector{api: api, scope: cfg.Scope, end: cfg.EndSessions}, nil
}

// Close ends idle connections.
func (c *Connector) Close() error { return c.api.Close() }

// Describe says what memberships and assignments can do.
func (c *Connector) Describe() runbooks.Capabilities {
	caps := runbooks.Capabilities{
		Name: "okta", EndsSessions: c.end, RevokeLatency: 2 * time.Second, Shared: true, Timeout: callTimeout,
		RevokeLeaves: "A session that is open at an application goes on until the application asks Okta again, or ends it itself.",
	}
	if c.end {
		caps.RevokeLeaves = "The person's sessions at Okta end, on every application; a session that an application keeps by itself goes on until it ends it."
	}
	return caps
}

// place is a group or an app.
type place struct{ group, app string }

func readPlace(g runbooks.Grant) (place, error) {
	p, err := g.ReadWords(
		runbooks.Word{Name: ParamGroup, Is: "the id of a group", Match: isID},
		runbooks.Word{Name: ParamApp, Is: "the id of an application", Match: isID},
	)
	if err != nil {
		return place{}, err
	}
	if len(p[ParamGroup])+len(p[ParamApp]) != 1 {
		return place{}, refuse("the entitlement names neither a group nor an app alone")
	}
	if !isLogin(g.Account) {
		return place{}, refuse("the account is no login that Okta knows: up to %d characters, without spaces, slashes, question and percent marks", maxLogin)
	}
	if len(p[ParamGroup]) == 1 {
		return place{group: p[ParamGroup][0]}, nil
	}
	return place{app: p[ParamApp][0]}, nil
}

func (c *Connector) readPlace(g runbooks.Grant) (place, error) {
	p, err := readPlace(g)
	if err == nil && !slices.Contains(c.scope, p.id()) {
		return p, refuse("%s lies outside of what the target stands for (its setting scope)", p)
	}
	return p, err
}

// isID holds an id to Okta's grammar.
func isID(s string) bool { return runbooks.Pattern(`[0-9A-Za-z][0-9A-Za-z_]{2,63}`)(s) }

// isLogin takes what can stand in a path without being taken apart by Okta.
func isLogin(s string) bool {
	return s != "." && s != ".." && runbooks.Pattern(`[^\s\x00-\x20/\\?#%\x7f-\x{9f}\x{200b}-\x{200f}\x{2028}-\x{202e}\x{feff}]{1,100}`)(s)
}

func refuse(format string, args ...any) error {
	return runbooks.Errorf(runbooks.Refuse, nil, format, args...)
}

func (p place) id() string { return p.group + p.app }

// String is the place for people.
func (p place) String() string {
	if p.group != "" {
		return "group " + p.group
	}
	return "app " + p.app
}

// path is where the person stands in the place.
func (p place) path(user string) string {
	if p.group != "" {
		return rest.Path("api", "v1", "groups", p.group, "users", user)
	}
	return rest.Path("api", "v1", "apps", p.app, "users", user)
}

func (p place) key(login string) string { return p.String() + " " + strings.ToLower(login) }

type user struct {
	ID      string `json:"id"`
	Status  string `json:"status"`
	Profile struct {
		Login string `json:"login"`
	} `json:"profile"`
}

// user finds the person by login. Okta also takes ids and parts of a login in this place: what it finds must have the
// very login that was asked for.
func (c *Connector) user(ctx context.Context, login string) (user, bool, error) {
	const what = "looking for the account"
	r, err := c.api.Do(ctx, rest.Call{Method: http.MethodGet, Path: rest.Path("api", "v1", "users", login)})
	if err != nil || r.Status == http.StatusNotFound {
		return user{}, false, err
	}
	if err := c.api.Judge(what, r); err != nil {
		return user{}, false, err
	}
	var u user
	if err := c.api.Into(what, r, &u); err != nil {
		return user{}, false, err
	}
	return u, u.ID != "" && strings.EqualFold(u.Profile.Login, login), nil
}

// sound reads a grant and finds its person, who must be active.
func (c *Connector) sound(ctx context.Context, g runbooks.Grant) (place, user, error) {
	p, err := c.readPlace(g)
	if err != nil {
		return p, user{}, err
	}
	u, found, err := c.user(ctx, g.Account)
	switch {
	case err != nil:
		return p, u, err
	case !found:
		return p, u, refuse("Okta knows no such account")
	case !slices.Contains([]string{"ACTIVE", "PASSWORD_EXPIRED", "RECOVERY", "LOCKED_OUT"}, u.Status):
		return p, u, refuse("the account is not active at Okta (%.40s)", rest.Clean(u.Status, 40))
	}
	return p, u, nil
}

// Grant makes the person a member of the group, or assigns the app, once.
func (c *Connector) Grant(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	p, u, err := c.sound(ctx, g)
	if err != nil {
		return runbooks.Receipt{}, err
	}
	if p.group != "" {
		err = c.join(ctx, p, u)
	} else {
		err = c.assign(ctx, p, u)
	}
	if err != nil {
		return runbooks.Receipt{}, err
	}
	return receipt(p, g.Account), nil
}

func receipt(p place, login string) runbooks.Receipt {
	return runbooks.Receipt{
		Ref: p.String(), Facts: map[string]string{"on": p.String()}, Personal: map[string]string{"account": login},
		Use: runbooks.Use{Steps: []string{"Sign in as always.", "If the application does not see the change yet, sign out there and in again."}},
	}
}

func (c *Connector) join(ctx context.Context, p place, u user) error {
	if _, err := c.group(ctx, p); err != nil {
		return err
	}
	_, err := c.api.Ask(ctx, "adding the member", rest.Call{Method: http.MethodPut, Path: p.path(u.ID)}, nil)
	return err
}

func (c *Connector) assign(ctx context.Context, p place, u user) error {
	if has, err := c.isAssigned(ctx, p, u); has || err != nil {
		return err
	}
	call := rest.Call{Method: http.MethodPost, Path: rest.Path("api", "v1", "apps", p.app, "users"), Body: rest.JSON(map[string]string{"id": u.ID, "scope": "USER"})}
	_, err := c.api.Ask(ctx, "assigning the application", call, nil)
	return err
}

// isAssigned refuses a person who has the app by a group.
func (c *Connector) isAssigned(ctx context.Context, p place, u user) (bool, error) {
	scope, err := c.assignment(ctx, p, u)
	switch {
	case err != nil || scope == "USER":
		return err == nil, err
	case scope != "":
		return false, refuse("the person has the application through a group already: taking a direct assignment back would not end that")
	}
	return false, nil
}

// assignment gives the scope of a person's assignment: USER, GROUP, or "" for none. That the app is there at all is asked
// first: Okta answers alike for both.
func (c *Connector) assignment(ctx context.Context, p place, u user) (string, error) {
	const what = "reading the assignment"
	if _, err := c.api.Ask(ctx, "looking for the application", rest.Call{Method: http.MethodGet, Path: rest.Path("api", "v1", "apps", p.app)}, nil); err != nil {
		return "", err
	}
	r, err := c.api.Do(ctx, rest.Call{Method: http.MethodGet, Path: p.path(u.ID)})
	if err != nil || r.Status == http.StatusNotFound {
		return "", err
	}
	if err := c.api.Judge(what, r); err != nil {
		return "", err
	}
	var out struct{ Scope string }
	err = c.api.Into(what, r, &out)
	return out.Scope, err
}

// isMember looks for the group among those of the person, of which there are fewer than there are members of a group.
func (c *Connector) isMember(ctx context.Context, p place, u user) (bool, error) {
	for group, err := range pages[struct{ ID string }](ctx, c.api, "reading the person's groups", rest.Path("api", "v1", "users", u.ID, "groups"), nil) {
		if err != nil || group.ID == p.group {
			return err == nil, err
		}
	}
	return false, nil
}

// Revoke takes the membership or the assignment away, and ends sessions where that is wanted, also when there was nothing
// left to take: an earlier call may have stopped in between.
func (c *Connector) Revoke(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	p, err := c.readPlace(g)
	if err != nil {
		return runbooks.Receipt{}, err
	}
	return c.takeBack(ctx, p, g.Account)
}

func (c *Connector) takeBack(ctx context.Context, p place, login string) (runbooks.Receipt, error) {
	out := runbooks.Receipt{Ref: p.String(), Facts: map[string]string{"on": p.String()}, Personal: map[string]string{"account": login}}
	u, found, err := c.user(ctx, login)
	if err != nil || !found {
		return out, err // a person who is gone has nothing
	}
	const what = "taking the access away"
	r, err := c.api.Do(ctx, rest.Call{Method: http.MethodDelete, Path: p.path(u.ID)})
	if err != nil {
		return runbooks.Receipt{}, err
	}
	if r.Status != http.StatusNotFound { // what is not there is gone: reading back tells it from what we may not see
		if err := c.api.Judge(what, r); err != nil {
			return runbooks.Receipt{}, err
		}
	}
	if !c.end {
		return out, nil
	}
	call := rest.Call{Method: http.MethodDelete, Path: rest.Path("api", "v1", "users", u.ID, "sessions"), Query: url.Values{"oauthTokens": {"true"}}}
	if _, err := c.api.Ask(ctx, "ending the person's sessions", call, nil); err != nil {
		return runbooks.Receipt{}, err
	}
	out.Facts["sessions"] = "all of the person's sessions at Okta were ended"
	return out, nil
}

// Check reads the membership or the assignment.
func (c *Connector) Check(ctx context.Context, g runbooks.Grant) (runbooks.Presence, error) {
	p, err := c.readPlace(g)
	if err != nil {
		return runbooks.Unconfirmed, err
	}
	u, found, err := c.user(ctx, g.Account)
	has := false
	switch {
	case err != nil || !found:
	case p.group != "":
		has, err = c.isMember(ctx, p, u)
	default:
		var scope string
		scope, err = c.assignment(ctx, p, u)
		has = scope != ""
	}
	switch {
	case err != nil:
		return runbooks.Unconfirmed, err
	case has:
		return runbooks.Present, nil
	}
	return runbooks.Absent, nil
}
