package okta

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
)

// What is found at Okta is taken off it again: an application is deactivated, which ends every sign-in through it and can be undone by people, and an API token
// is revoked, which cannot.

var (
	_ runbooks.AccountCloser = (*Connector)(nil)
	_ runbooks.KillTeller    = (*Connector)(nil)
)

// Kinds of what Discover names.
const (
	refApp   = "app "
	refToken = "token "
)

const statusInactive = "INACTIVE"

// HowKilled implements runbooks.KillTeller.
func (c *Connector) HowKilled(account string) (string, bool) {
	switch {
	case strings.HasPrefix(account, refApp):
		return "Okta deactivates the application, so that nobody signs in through it and its tokens end, and its status is read back", true
	case strings.HasPrefix(account, refToken):
		return "Okta revokes the API token, and the list of tokens is read back", true
	}
	return "", false
}

// CloseAccount implements runbooks.AccountCloser for what Discover names.
func (c *Connector) CloseAccount(ctx context.Context, account string) error {
	if id, ok := strings.CutPrefix(account, refApp); ok && isID(id) {
		return c.deactivate(ctx, id)
	}
	if id, ok := strings.CutPrefix(account, refToken); ok && isID(id) {
		return c.revokeToken(ctx, id)
	}
	return refuse("that is no application and no API token as this target lists them")
}

func (c *Connector) deactivate(ctx context.Context, id string) error {
	found, err := c.stop(ctx, "deactivating the application", rest.Call{Method: http.MethodPost, Path: rest.Path("api", "v1", "apps", id, "lifecycle", "deactivate")})
	if err != nil || !found {
		return err
	}
	var app struct{ Status string }
	if _, err := c.api.Ask(ctx, "reading the application back", rest.Call{Method: http.MethodGet, Path: rest.Path("api", "v1", "apps", id)}, &app); err != nil {
		return err
	}
	if app.Status != statusInactive {
		return runbooks.Errorf(runbooks.Retry, nil, "Okta says that it deactivated the application, and gives its status as %.20s", rest.Clean(app.Status, 20))
	}
	return nil
}

// apiToken is a token as Okta lists it.
type apiToken struct{ ID, Name, UserID, Created, ExpiresAt, LastUpdated string }

func (c *Connector) tokens(ctx context.Context) ([]apiToken, error) {
	var out []apiToken
	for x, err := range pages[apiToken](ctx, c.api, "listing the API tokens", "/api/v1/api-tokens", url.Values{}) {
		if err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, nil
}

func (c *Connector) revokeToken(ctx context.Context, id string) error {
	list, err := c.tokens(ctx)
	if err != nil {
		return err
	}
	is := func(x apiToken) bool { return x.ID == id }
	i := slices.IndexFunc(list, is)
	if i < 0 {
		return nil
	}
	me, err := c.whoAmI(ctx)
	switch {
	case err != nil:
		return err
	case list[i].UserID == me:
		return refuse("the token belongs to the bot's own account: without it nothing at Okta could be taken back; replace the bot's token first")
	}
	if _, err := c.stop(ctx, "revoking the API token", rest.Call{Method: http.MethodDelete, Path: rest.Path("api", "v1", "api-tokens", id)}); err != nil {
		return err
	}
	if list, err = c.tokens(ctx); err != nil {
		return err
	}
	if slices.ContainsFunc(list, is) {
		return runbooks.Errorf(runbooks.Retry, nil, "Okta says that it revoked the API token, and still lists it")
	}
	return nil
}

// stop makes a call that ends something; false: there is no such thing any more.
func (c *Connector) stop(ctx context.Context, what string, call rest.Call) (bool, error) {
	r, err := c.api.Do(ctx, call)
	if err != nil || r.Status == http.StatusNotFound {
		return false, err
	}
	return true, c.api.Judge(what, r)
}

// scopes are what an application was let do at Okta's own API; none where the token may not read that, or the application has none.
func (c *Connector) scopes(ctx context.Context, id string) ([]string, error) {
	const what = "reading what the application may do"
	r, err := c.api.Do(ctx, rest.Call{Method: http.MethodGet, Path: rest.Path("api", "v1", "apps", id, "grants"), Query: url.Values{"limit": {"200"}}})
	if err != nil || r.Status == http.StatusNotFound || r.Status == http.StatusForbidden {
		return nil, err
	}
	if err := c.api.Judge(what, r); err != nil {
		return nil, err
	}
	var list []struct{ ScopeID, Status string }
	if err := c.api.Into(what, r, &list); err != nil {
		return nil, err
	}
	var out []string
	for _, x := range list {
		if x.ScopeID != "" && x.Status != "REVOKED" && len(out) < maxScopes {
			out = append(out, rest.Clean(x.ScopeID, maxShown))
		}
	}
	slices.Sort(out)
	return out, nil
}
