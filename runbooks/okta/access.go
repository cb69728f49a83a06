package okta

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
)

// pages gives the elements of a list by Okta's links; it holds one page at a time.
func pages[T any](ctx context.Context, api *rest.Client, what, path string, query url.Values) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		for range maxPages {
			var list []T
			r, err := api.Ask(ctx, what, rest.Call{Method: http.MethodGet, Path: path, Query: query}, &list)
			if err != nil {
				yield(none, err)
				return
			}
			for _, x := range list {
				if !yield(x, nil) {
					return
				}
			}
			if path, query, err = api.Next(r); err != nil || path == "" {
				if err != nil {
					yield(none, err)
				}
				return
			}
		}
		yield(none, runbooks.Errorf(runbooks.Broken, nil, "%s: there are more pages than %d", what, maxPages))
	}
}

// AccessKey is the place and the login; empty when the grant could never be made.
func (c *Connector) AccessKey(g runbooks.Grant) string {
	p, err := c.readPlace(g)
	if err != nil {
		return ""
	}
	return p.key(g.Account)
}

// kind tells a group from an app by asking.
func (c *Connector) kind(ctx context.Context, id string) (place, error) {
	r, err := c.api.Do(ctx, rest.Call{Method: http.MethodGet, Path: rest.Path("api", "v1", "groups", id)})
	switch {
	case err != nil:
		return place{}, err
	case r.Status == http.StatusNotFound:
		_, err := c.api.Ask(ctx, "looking for the application", rest.Call{Method: http.MethodGet, Path: rest.Path("api", "v1", "apps", id)}, nil)
		return place{app: id}, err
	}
	return place{group: id}, c.api.Judge("looking for the group", r)
}

// member is a person in a group, or an assignment to an app.
type member struct {
	ID          string `json:"id"`
	Scope       string `json:"scope"`
	Created     string `json:"created"`
	Credentials struct {
		UserName string `json:"userName"`
	} `json:"credentials"`
	Profile struct {
		Login string `json:"login"`
	} `json:"profile"`
}

// ListAccess lists the members of the scope's groups and who has its apps directly; who has them through a group is a
// member of that group.
func (c *Connector) ListAccess(ctx context.Context) iter.Seq2[runbooks.Access, error] {
	return func(yield func(runbooks.Access, error) bool) {
		for _, id := range c.scope {
			p, err := c.kind(ctx, id)
			if err != nil {
				yield(runbooks.Access{}, err)
				return
			}
			changes, err := c.changes(ctx, p)
			if err != nil {
				yield(runbooks.Access{}, err)
				return
			}
			path, query := rest.Path("api", "v1", "groups", id, "users"), url.Values{"limit": {strconv.Itoa(pageSize)}}
			if p.app != "" {
				path = rest.Path("api", "v1", "apps", id, "users")
			}
			for m, err := range pages[member](ctx, c.api, "listing the members", path, query) {
				if err == nil && m.Scope == "GROUP" {
					continue
				}
				if !yield(c.access(p, m, changes[m.ID]), err) || err != nil {
					return
				}
			}
		}
	}
}

func (c *Connector) access(p place, m member, by change) runbooks.Access {
	login := m.Profile.Login
	if login == "" {
		login = m.Credentials.UserName
	}
	a := runbooks.Access{Key: p.key(login), Account: login, What: "member of the " + p.String(), MadeBy: by.name, MadeAt: by.at, Ours: by.ours}
	if p.app != "" {
		a.What, a.Params = "assigned to the "+p.String(), map[string][]string{ParamApp: {p.app}}
		return a
	}
	a.Params = map[string][]string{ParamGroup: {p.group}}
	return a
}

// RemoveAccess takes away what is listed.
func (c *Connector) RemoveAccess(ctx context.Context, a runbooks.Access) (runbooks.Receipt, error) {
	var p place
	if one := a.Params[ParamGroup]; len(one) == 1 {
		p.group = one[0]
	}
	if one := a.Params[ParamApp]; len(one) == 1 {
		p.app = one[0]
	}
	in := false
	for _, id := range c.scope {
		in = in || id == p.id()
	}
	if !in || !isLogin(a.Account) || p.key(a.Account) != a.Key {
		return runbooks.Receipt{}, refuse("that is no access as this target lists it")
	}
	return c.takeBack(ctx, p, a.Account)
}

// change is who added somebody, and when.
type change struct {
	name string
	at   time.Time
	ours bool
}

// changes reads the latest additions to a place out of the system log, by the id of who was added. Where the token may not
// read the log, nobody is told, and nothing counts as ours: the ledger explains access by its key.
func (c *Connector) changes(ctx context.Context, p place) (map[string]change, error) {
	type party struct{ ID, Type, AlternateID string }
	var events []struct {
		Published time.Time
		Actor     party
		Target    []party
	}
	kind := "group.user_membership.add"
	if p.app != "" {
		kind = "application.user_membership.add"
	}
	r, err := c.api.Do(ctx, rest.Call{Method: http.MethodGet, Path: "/api/v1/logs", Query: url.Values{
		"since": {time.Now().AddDate(0, 0, -logDays).UTC().Format(time.RFC3339)}, "sortOrder": {"DESCENDING"}, "limit": {strconv.Itoa(maxEvents)},
		"filter": {`eventType eq "` + kind + `" and target.id eq "` + p.id() + `"`},
	}})
	if err != nil || r.Status == http.StatusForbidden || r.Status == http.StatusNotFound {
		return nil, err
	}
	const what = "reading the system log"
	if err := c.api.Judge(what, r); err != nil {
		return nil, err
	}
	if err := c.api.Into(what, r, &events); err != nil {
		return nil, err
	}
	me, err := c.whoAmI(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]change{}
	for _, e := range events {
		for _, t := range e.Target {
			if _, newer := out[t.ID]; t.Type == "User" && !newer {
				out[t.ID] = change{rest.Clean(e.Actor.AlternateID, maxShown), e.Published.UTC(), e.Actor.ID == me}
			}
		}
	}
	return out, nil
}

// whoAmI is the id of the account that the token belongs to.
func (c *Connector) whoAmI(ctx context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.me != "" {
		return c.me, nil
	}
	var u user
	if _, err := c.api.Ask(ctx, "looking for the bot's own account", rest.Call{Method: http.MethodGet, Path: "/api/v1/users/me"}, &u); err != nil {
		return "", err
	}
	c.me = u.ID
	return c.me, nil
}

// Discover finds applications that act by themselves (services with an OAuth client) and API tokens.
func (c *Connector) Discover(ctx context.Context) iter.Seq2[runbooks.Discovered, error] {
	return func(yield func(runbooks.Discovered, error) bool) {
		type app struct{ ID, Label, Name, SignOnMode, Status, Created string }
		for x, err := range pages[app](ctx, c.api, "listing the applications", "/api/v1/apps", url.Values{"limit": {strconv.Itoa(pageSize)}}) {
			if err == nil && x.Status == statusInactive {
				continue // nobody signs in through it: it is there to be switched on again, or deleted
			}
			d := runbooks.Discovered{
				Ref: refApp + x.ID, Kind: "integration", Name: rest.Clean(x.Label, maxShown), MadeAt: at(x.Created),
				Facts: map[string]string{"sign_on": rest.Clean(x.SignOnMode, maxShown), "status": rest.Clean(x.Status, maxShown)},
			}
			if err == nil && x.SignOnMode == "OPENID_CONNECT" {
				d.Grants, err = c.scopes(ctx, x.ID)
			}
			if !yield(d, err) || err != nil {
				return
			}
		}
		for x, err := range pages[apiToken](ctx, c.api, "listing the API tokens", "/api/v1/api-tokens", url.Values{}) {
			d := runbooks.Discovered{
				Ref: refToken + x.ID, Kind: "api_key", Name: rest.Clean(x.Name, maxShown), Of: "user " + x.UserID, MadeAt: at(x.Created), Expires: at(x.ExpiresAt),
			}
			if !yield(d, err) || err != nil {
				return
			}
		}
	}
}

func at(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// Probe tells whether the token can do what it must, and no more, as far as Okta says.
func (c *Connector) Probe(ctx context.Context) []runbooks.Finding {
	me, err := c.whoAmI(ctx)
	if err != nil {
		return []runbooks.Finding{{What: err.Error(), Do: "look at the url, the token and the network"}}
	}
	out := c.probeRoles(ctx, "the bot's account", rest.Path("api", "v1", "users", me, "roles"), "give it a custom role on a resource set of the scope's groups and apps")
	for _, id := range c.scope {
		p, err := c.kind(ctx, id)
		if err != nil {
			out = append(out, runbooks.Finding{What: id + ": " + err.Error(), Do: "look at the setting scope, and at what the token may see"})
			continue
		}
		out = append(out, runbooks.Finding{OK: true, What: "the token sees the " + p.String()})
		if p.group != "" {
			out = append(out, c.probeRoles(ctx, "the "+p.String(), rest.Path("api", "v1", "groups", id, "roles"), "take the role from the group, or the group out of scope")...)
		}
	}
	return out
}

// probeRoles finds administrators' roles. Where the token may not read them, that is the better case and said.
func (c *Connector) probeRoles(ctx context.Context, who, path, do string) []runbooks.Finding {
	r, err := c.api.Do(ctx, rest.Call{Method: http.MethodGet, Path: path})
	if err == nil && (r.Status == http.StatusForbidden || r.Status == http.StatusNotFound) {
		return []runbooks.Finding{{OK: true, What: "Okta does not let the bot read which administrator's roles " + who + " has: look there that there is none but the custom one"}}
	}
	if err == nil {
		err = c.api.Judge("reading the roles", r)
	}
	var roles []struct{ Type, Label string }
	if err == nil {
		err = c.api.Into("reading the roles", r, &roles)
	}
	if err != nil {
		return []runbooks.Finding{{What: err.Error(), Do: "look at the url, the token and the network"}}
	}
	var out []runbooks.Finding
	for _, role := range roles {
		if role.Type != "CUSTOM" || strings.HasPrefix(who, "the group") {
			out = append(out, runbooks.Finding{What: rest.Clean(who+" has the administrator's role "+role.Label, maxShown), Do: do})
		}
	}
	if len(out) == 0 {
		out = append(out, runbooks.Finding{OK: true, What: who + " has no standard administrator's role"})
	}
	return out
}
