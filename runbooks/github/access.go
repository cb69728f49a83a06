package github

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
)

// made remembers which access this process made: GitHub does not say who added somebody. After a restart nothing is told
// as ours any more, and the ledger explains access by its key all the same.
type made struct {
	mu   sync.Mutex
	keys map[string]bool
}

func (m *made) add(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.keys == nil {
		m.keys = map[string]bool{}
	}
	m.keys[key] = true
}

func (m *made) remove(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.keys, key)
}

func (m *made) has(key string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.keys[key]
}

// AccessKey is the place and the account; empty when the grant could never be made.
func (c *Connector) AccessKey(g runbooks.Grant) string {
	t, err := c.readTerms(g)
	if err != nil {
		return ""
	}
	return t.key()
}

// ListAccess lists who was added to each repository of the scope itself, who is invited to it, and the members of each
// team. Owners of an organisation, and what comes through a team or the organisation's own defaults, are not access of its
// own.
func (c *Connector) ListAccess(ctx context.Context) iter.Seq2[runbooks.Access, error] {
	return func(yield func(runbooks.Access, error) bool) {
		for place, err := range c.places(ctx) {
			if err != nil {
				yield(runbooks.Access{}, err)
				return
			}
			list := c.onRepository
			if place.team != "" {
				list = c.inTeam
			}
			for x, err := range list(ctx, place) {
				if !yield(x, err) || err != nil {
					return
				}
			}
		}
	}
}

type repository struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Archived    bool   `json:"archived"`
	Owner       struct {
		Login string `json:"login"`
	} `json:"owner"`
}

type team struct {
	Slug        string `json:"slug"`
	Description string `json:"description"`
}

// places gives every repository and team of the scope.
func (c *Connector) places(ctx context.Context) iter.Seq2[terms, error] {
	return func(yield func(terms, error) bool) {
		for _, s := range c.scope {
			if owner, name, ok := strings.Cut(s, "/"); ok {
				if !yield(terms{owner: owner, name: name}, nil) {
					return
				}
				continue
			}
			for r, err := range pages[repository](ctx, c.api, "listing the repositories", rest.Path("orgs", s, "repos"), url.Values{"type": {"all"}}) {
				if !yield(terms{owner: r.Owner.Login, name: r.Name}, err) || err != nil {
					return
				}
			}
			for x, err := range pages[team](ctx, c.api, "listing the teams", rest.Path("orgs", s, "teams"), url.Values{}) {
				if !yield(terms{org: s, team: x.Slug}, err) || err != nil {
					return
				}
			}
		}
	}
}

func (c *Connector) onRepository(ctx context.Context, place terms) iter.Seq2[runbooks.Access, error] {
	return func(yield func(runbooks.Access, error) bool) {
		for member, err := range c.collaborators(ctx, place.owner, place.name) {
			if err != nil {
				yield(runbooks.Access{}, err)
				return
			}
			t := place
			t.account, t.role = member.Login, paramRole(member.RoleName)
			if t.role == "" {
				role, err := c.roleOf(ctx, t)
				if err != nil {
					yield(runbooks.Access{}, err)
					return
				}
				t.role = paramRole(role)
			}
			if !strings.EqualFold(t.account, t.owner) && !yield(c.access(t, ""), nil) { // the owner of a personal repository is no collaborator
				return
			}
		}
		for x, err := range c.invitations(ctx, place.owner, place.name) {
			if err != nil {
				yield(runbooks.Access{}, err)
				return
			}
			t := place
			t.account, t.role = x.Invitee.Login, paramRole(x.Permissions)
			a := c.access(t, "invited as ")
			a.MadeBy = x.Inviter.Login
			a.MadeAt, _ = time.Parse(time.RFC3339, x.CreatedAt)
			if t.account != "" && !x.Expired && !yield(a, nil) {
				return
			}
		}
	}
}

func (c *Connector) inTeam(ctx context.Context, place terms) iter.Seq2[runbooks.Access, error] {
	return func(yield func(runbooks.Access, error) bool) {
		path := rest.Path("orgs", place.org, "teams", place.team, "members")
		for x, err := range pages[collaborator](ctx, c.api, "listing the team's members", path, url.Values{}) {
			if err != nil {
				yield(runbooks.Access{}, err)
				return
			}
			t := place
			t.account = x.Login
			if !yield(c.access(t, ""), nil) {
				return
			}
		}
	}
}

// paramRole is roleName the other way round.
func paramRole(name string) string {
	switch name {
	case "read":
		return "pull"
	case "write":
		return "push"
	}
	return name
}

func (c *Connector) access(t terms, how string) runbooks.Access {
	a := runbooks.Access{Key: t.key(), Account: t.account, What: how + t.ref(), Ours: c.made.has(t.key())}
	if t.team != "" {
		a.What = how + "member of the " + t.ref()
		a.Params = map[string][]string{ParamTeam: {t.org + "/" + t.team}}
		return a
	}
	a.Params = map[string][]string{ParamRepository: {t.owner + "/" + t.name}, ParamRole: {t.role}}
	return a
}

// RemoveAccess takes away what is listed: it reads the place and the account back out of it.
func (c *Connector) RemoveAccess(ctx context.Context, a runbooks.Access) (runbooks.Receipt, error) {
	t := terms{account: a.Account}
	if one := a.Params[ParamTeam]; len(one) == 1 {
		t.org, t.team, _ = strings.Cut(one[0], "/")
	} else if one, role := a.Params[ParamRepository], a.Params[ParamRole]; len(one) == 1 && len(role) == 1 {
		t.owner, t.name, _ = strings.Cut(one[0], "/")
		t.role = role[0]
	}
	if !isLogin(t.account) || !c.inScope(t) || t.key() != a.Key {
		return runbooks.Receipt{}, refuse("that is no access as this target lists it")
	}
	if t.team == "" {
		held, err := c.held(ctx, t)
		if err != nil {
			return runbooks.Receipt{}, err
		}
		if held.role != "" && held.role != roleName(t.role) {
			return runbooks.Receipt{}, refuse("the account holds the role %q on the repository by now", held.role)
		}
	}
	return c.takeBack(ctx, t)
}

// deployKey, installation and personalToken are what GitHub tells about credentials that are no person's own.
type deployKey struct {
	ID        int64  `json:"id"`
	Key       string `json:"key"`
	Title     string `json:"title"`
	ReadOnly  bool   `json:"read_only"`
	AddedBy   string `json:"added_by"`
	CreatedAt string `json:"created_at"`
	LastUsed  string `json:"last_used"`
}

type installation struct {
	ID          int64             `json:"id"`
	Slug        string            `json:"app_slug"`
	CreatedAt   string            `json:"created_at"`
	SuspendedAt string            `json:"suspended_at"`
	Selection   string            `json:"repository_selection"`
	Permissions map[string]string `json:"permissions"`
}

type personalToken struct {
	ID        int64        `json:"id"`
	Owner     collaborator `json:"owner"`
	Name      string       `json:"token_name"`
	GrantedAt string       `json:"access_granted_at"`
	Expires   string       `json:"token_expires_at"`
	LastUsed  string       `json:"token_last_used_at"`
}

// Discover finds the Apps that are installed in the scope's organisations, the fine-grained tokens that people use there,
// and the deploy keys of its repositories. Tokens are told to Apps only; to others GitHub answers 403 or 404, and that list is left out.
func (c *Connector) Discover(ctx context.Context) iter.Seq2[runbooks.Discovered, error] {
	return func(yield func(runbooks.Discovered, error) bool) {
		for _, org := range c.scope {
			if strings.Contains(org, "/") {
				continue
			}
			if !c.discoverOrg(ctx, org, yield) {
				return
			}
		}
		for place, err := range c.places(ctx) {
			if err != nil {
				yield(runbooks.Discovered{}, err)
				return
			}
			if place.name != "" && !c.discoverKeys(ctx, place, yield) {
				return
			}
		}
	}
}

// discoverOrg tells whether to go on. The list of installed Apps is no array but lies under a key.
func (c *Connector) discoverOrg(ctx context.Context, org string, yield func(runbooks.Discovered, error) bool) bool {
	for page := range maxPages {
		var out struct{ Installations []installation }
		call := rest.Call{Method: http.MethodGet, Path: rest.Path("orgs", org, "installations"), Query: pageQuery(page + 1)}
		if _, err := c.api.Ask(ctx, "listing the installed Apps", call, &out); err != nil {
			yield(runbooks.Discovered{}, err)
			return false
		}
		for _, x := range out.Installations {
			vendor, err := c.vendor(ctx, x.Slug)
			if !yield(x.discovered(org, vendor), err) || err != nil {
				return false
			}
		}
		if len(out.Installations) < pageSize {
			break
		}
	}
	if c.cred.key == nil {
		return true
	}
	for x, err := range pages[personalToken](ctx, c.api, "listing the personal tokens", rest.Path("orgs", org, "personal-access-tokens"), url.Values{}) {
		if err != nil && runbooks.ClassOf(err) != runbooks.Retry {
			return true // the App lacks "Personal access tokens: read"; doctor says so
		}
		if err != nil || !yield(x.discovered(org), nil) {
			yield(runbooks.Discovered{}, err)
			return false
		}
	}
	return true
}

// vendor is the account that an App belongs to; empty for an App that GitHub tells nobody else about.
func (c *Connector) vendor(ctx context.Context, slug string) (string, error) {
	if !runbooks.Pattern(`[A-Za-z0-9_-]{1,100}`)(slug) {
		return "", nil
	}
	const what = "asking whose App it is"
	r, err := c.api.Do(ctx, rest.Call{Method: http.MethodGet, Path: rest.Path("apps", slug)})
	if err != nil || r.Status == http.StatusNotFound || r.Status == http.StatusForbidden {
		return "", err
	}
	if err := c.api.Judge(what, r); err != nil {
		return "", err
	}
	var app struct{ Owner collaborator }
	err = c.api.Into(what, r, &app)
	return app.Owner.Login, err
}

func (c *Connector) discoverKeys(ctx context.Context, place terms, yield func(runbooks.Discovered, error) bool) bool {
	for x, err := range pages[deployKey](ctx, c.api, "listing the deploy keys", rest.Path("repos", place.owner, place.name, "keys"), url.Values{}) {
		if err != nil {
			yield(runbooks.Discovered{}, err)
			return false
		}
		if !yield(x.discovered(place), nil) {
			return false
		}
	}
	return true
}
