package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
)

// The settings of a target. Secrets are read from NAME_file or NAME_env.
const (
	SettingURL          = "url"             // the API: https://api.github.com by default, or https://HOST/api/v3
	SettingToken        = "token"           // a token, or
	SettingApp          = "app_id"          // an App,
	SettingInstallation = "installation_id" // installed here,
	SettingKey          = "app_key"         // with its private key
	SettingScope        = "scope"           // organisations, and repositories as owner/name, that the target stands for
	SettingSSH          = "ssh"             // host:port that repositories are cloned from; port 22 of the same host by default
	SettingRoots        = "ca_file"         // certificate authorities in PEM, instead of the system's
)

// The entitlement's words.
const (
	ParamRepository = "repository" // owner/name
	ParamRole       = "role"       // on the repository: pull, triage, push, maintain or admin
	ParamTeam       = "team"       // organisation/slug
)

// Config says how the bot reaches GitHub: with a token, or as an App.
type Config struct {
	Rest         rest.Config // URL and Roots
	Token        runbooks.Secret
	App          string
	Installation string
	Key          runbooks.Secret
	SSH          string   // host:port that repositories are cloned from over SSH; "": port 22 of the same host
	Scope        []string // organisations, and repositories as owner/name; nothing else is granted or listed
}

// Connector grants on one GitHub. It is safe for concurrent use.
type Connector struct {
	api   *rest.Client
	cred  *credentials
	scope []string
	ssh   string
	made  made
}

// Open reads the configuration; it calls nobody.
func Open(cfg Config) (*Connector, error) {
	cred := &credentials{token: cfg.Token, app: cfg.App, installation: cfg.Installation}
	switch {
	case cfg.App == "" && cfg.Installation == "" && cfg.Key.IsZero():
		if cfg.Token.IsZero() {
			return nil, errors.New("settings need token_file or token_env, or app_id, installation_id and app_key_file")
		}
	case !cfg.Token.IsZero():
		return nil, errors.New("settings name a token and an App; only one can be meant")
	default:
		if err := errors.Join(digits(SettingApp, cfg.App), digits(SettingInstallation, cfg.Installation)); err != nil {
			return nil, err
		}
		key, err := readKey(cfg.Key)
		if err != nil {
			return nil, err
		}
		cred.key = key
	}
	if len(cfg.Scope) == 0 || slices.ContainsFunc(cfg.Scope, func(s string) bool { return !isLogin(s) && !isRepository(s) }) {
		return nil, errors.New("setting scope: it takes names of organisations, and of repositories as owner/name, with spaces between; at least one")
	}
	c := &Connector{cred: cred, scope: cfg.Scope, ssh: cfg.SSH}
	if cfg.Rest.URL == "" {
		cfg.Rest.URL = "https://api.github.com"
	}
	cfg.Rest.Service, cfg.Rest.Words = "GitHub", rest.Words("message")
	cfg.Rest.Sign = func(ctx context.Context, r *http.Request, body []byte) error { return cred.sign(c.api)(ctx, r, body) }
	api, err := rest.Open(cfg.Rest)
	c.api = api
	return c, err
}

// Close ends idle connections.
func (c *Connector) Close() error { return c.api.Close() }

// Describe says what roles and memberships can do.
func (c *Connector) Describe() runbooks.Capabilities {
	return runbooks.Capabilities{
		Name: "github", EndsSessions: true, RevokeLatency: time.Second, Shared: true, Timeout: callTimeout,
		RevokeLeaves: "Copies that were cloned stay, and so do deploy keys, tokens and webhooks that a repository's administrator made meanwhile.",
	}
}

// terms are a grant read and found sound: a place on a repository, or in a team.
type terms struct {
	account     string
	owner, name string // of the repository; empty for a team
	role        string
	org, team   string
}

func words() []runbooks.Word {
	return []runbooks.Word{
		{Name: ParamRepository, Is: "a repository, as owner/name", Match: isRepository},
		{Name: ParamRole, Is: "one of " + strings.Join(roles(), ", "), Match: runbooks.OneOf(roles()...)},
		{Name: ParamTeam, Is: "a team, as organisation/slug", Match: isTeam},
	}
}

// roles are those that GitHub has by itself, weakest first.
func roles() []string { return []string{"pull", "triage", "push", "maintain", "admin"} }

// roleName is how a role is called where it is read back.
func roleName(role string) string {
	switch role {
	case "pull":
		return "read"
	case "push":
		return "write"
	}
	return role
}

func (c *Connector) readTerms(g runbooks.Grant) (terms, error) {
	t, err := readTerms(g)
	if err == nil && !c.inScope(t) {
		return t, refuse("%s lies outside of what the target stands for (its setting scope)", t.ref())
	}
	return t, err
}

func (c *Connector) inScope(t terms) bool {
	return slices.ContainsFunc(c.scope, func(s string) bool {
		return strings.EqualFold(s, t.owner+t.org) || t.name != "" && strings.EqualFold(s, t.owner+"/"+t.name)
	})
}

func readTerms(g runbooks.Grant) (terms, error) {
	p, err := g.ReadWords(words()...)
	if err != nil {
		return terms{}, err
	}
	t := terms{account: g.Account}
	if !isLogin(g.Account) {
		return t, refuse("the account is not a name that GitHub knows: letters, digits and single dashes, up to 39")
	}
	repo, team, role := p[ParamRepository], p[ParamTeam], p[ParamRole]
	switch {
	case len(repo) == 1 && len(team) == 0 && len(role) == 1:
		t.owner, t.name, _ = strings.Cut(repo[0], "/")
		t.role = role[0]
	case len(team) == 1 && len(repo) == 0 && len(role) == 0:
		t.org, t.team, _ = strings.Cut(team[0], "/")
	default:
		return t, refuse("the entitlement names neither a repository with a role nor a team alone")
	}
	return t, nil
}

func refuse(format string, args ...any) error {
	return runbooks.Errorf(runbooks.Refuse, nil, format, args...)
}

// isLogin holds a name to GitHub's grammar; an underscore stands in the names of managed users.
func isLogin(s string) bool { return runbooks.Pattern(`[A-Za-z0-9](?:[-_]?[A-Za-z0-9]){0,38}`)(s) }

func isRepository(s string) bool {
	owner, name, _ := strings.Cut(s, "/")
	return isLogin(owner) && runbooks.Pattern(`[A-Za-z0-9._-]{1,100}`)(name) && name != "." && name != ".."
}

func isTeam(s string) bool {
	org, team, _ := strings.Cut(s, "/")
	return isLogin(org) && runbooks.Pattern(`[a-z0-9_][a-z0-9._-]{0,99}`)(team)
}

// Grant makes the account a collaborator with the role, or a member of the team, once.
func (c *Connector) Grant(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	t, err := c.readTerms(g)
	if err != nil {
		return runbooks.Receipt{}, err
	}
	if t.team != "" {
		err = c.join(ctx, t)
	} else {
		err = c.collaborate(ctx, t)
	}
	if err != nil {
		return runbooks.Receipt{}, err
	}
	c.made.add(t.key())
	return c.receipt(t), nil
}

func (c *Connector) collaborate(ctx context.Context, t terms) error {
	if has, err := c.hasRole(ctx, t); has || err != nil {
		return err
	}
	body := rest.JSON(map[string]string{"permission": t.role})
	_, err := c.api.Ask(ctx, "adding the collaborator", rest.Call{Method: http.MethodPut, Path: t.collaborator(), Body: body}, nil)
	return err
}

// hasRole tells whether the account holds the role, or is invited to it, and refuses one that holds another.
func (c *Connector) hasRole(ctx context.Context, t terms) (bool, error) {
	held, err := c.held(ctx, t)
	switch {
	case err != nil:
		return false, err
	case held.role == "" && held.invited == "":
		return false, nil
	case held.role == "" && held.invited == roleName(t.role), held.role == roleName(t.role) && held.invited == "":
		return true, nil
	}
	return false, refuse("the account holds the role %q on the repository already, given outside of this system: ask the owner to remove it there", held.role+held.invited)
}

func (c *Connector) join(ctx context.Context, t terms) error {
	if err := c.isInside(ctx, t); err != nil {
		return err
	}
	if in, err := c.isMember(ctx, t); in || err != nil {
		return err
	}
	_, err := c.api.Ask(ctx, "adding the member", rest.Call{Method: http.MethodPut, Path: t.member(), Body: rest.JSON(map[string]string{"role": "member"})}, nil)
	return err
}

// isInside refuses an account that the organisation does not have.
func (c *Connector) isInside(ctx context.Context, t terms) error {
	r, err := c.api.Do(ctx, rest.Call{Method: http.MethodGet, Path: rest.Path("orgs", t.org, "members", t.account)})
	if err != nil {
		return err
	}
	if r.Status == http.StatusNotFound || r.Status == http.StatusFound {
		return refuse("the account is no member of the organisation %.39q, or the organisation hides it from the bot: people are not invited by chat", t.org)
	}
	return c.api.Judge("looking for the account in the organisation", r)
}

// isMember tells whether the account is in the team, and refuses one that maintains it.
func (c *Connector) isMember(ctx context.Context, t terms) (bool, error) {
	state, role, err := c.membership(ctx, t)
	switch {
	case err != nil || state != "" && role == "member":
		return err == nil, err
	case role != "":
		return false, refuse("the account maintains the team already, by somebody else's hand: ask the owner to remove it there")
	}
	return false, nil
}

func (t terms) collaborator() string {
	return rest.Path("repos", t.owner, t.name, "collaborators", t.account)
}

func (t terms) member() string {
	return rest.Path("orgs", t.org, "teams", t.team, "memberships", t.account)
}

// Revoke takes the role and the invitation, or the membership, away.
func (c *Connector) Revoke(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	t, err := c.readTerms(g)
	if err != nil {
		return runbooks.Receipt{}, err
	}
	return c.takeBack(ctx, t)
}

func (c *Connector) takeBack(ctx context.Context, t terms) (runbooks.Receipt, error) {
	var err error
	if t.team != "" {
		err = c.leaveTeam(ctx, t)
	} else {
		err = c.leave(ctx, t)
	}
	if err != nil {
		return runbooks.Receipt{}, err
	}
	c.made.remove(t.key())
	return runbooks.Receipt{Ref: t.ref(), Facts: map[string]string{"on": t.ref()}, Personal: map[string]string{"account": t.account}}, nil
}

// leaveTeam asks for the team first: GitHub answers alike when there is no such member and when we may not see the team.
func (c *Connector) leaveTeam(ctx context.Context, t terms) error {
	if err := c.seeTeam(ctx, t); err != nil {
		return err
	}
	return c.remove(ctx, "removing the member", t.member())
}

func (c *Connector) seeTeam(ctx context.Context, t terms) error {
	_, err := c.api.Ask(ctx, "looking for the team", rest.Call{Method: http.MethodGet, Path: rest.Path("orgs", t.org, "teams", t.team)}, nil)
	return err
}

// leave takes back invitations first: one that is accepted between the two calls is a role, which goes next.
func (c *Connector) leave(ctx context.Context, t terms) error {
	for invitation, err := range c.invitations(ctx, t.owner, t.name) {
		if err != nil {
			return err
		}
		if strings.EqualFold(invitation.Invitee.Login, t.account) {
			id := strconv.FormatInt(invitation.ID, 10)
			if err := c.remove(ctx, "taking the invitation back", rest.Path("repos", t.owner, t.name, "invitations", id)); err != nil {
				return err
			}
		}
	}
	return c.remove(ctx, "removing the collaborator", t.collaborator())
}

// remove deletes; what is not there is gone.
func (c *Connector) remove(ctx context.Context, what, path string) error {
	r, err := c.api.Do(ctx, rest.Call{Method: http.MethodDelete, Path: path})
	if err != nil || r.Status == http.StatusNotFound {
		return err
	}
	return c.api.Judge(what, r)
}

// Check reads the role, the invitation or the membership.
func (c *Connector) Check(ctx context.Context, g runbooks.Grant) (runbooks.Presence, error) {
	t, err := c.readTerms(g)
	if err != nil {
		return runbooks.Unconfirmed, err
	}
	if t.team != "" {
		state, _, err := c.membership(ctx, t)
		return presence(state == "active", state == "pending", err)
	}
	held, err := c.held(ctx, t)
	return presence(held.role != "", held.invited != "", err)
}

func presence(present, pending bool, err error) (runbooks.Presence, error) {
	switch {
	case err != nil:
		return runbooks.Unconfirmed, err
	case present:
		return runbooks.Present, nil
	case pending:
		return runbooks.Unconfirmed, runbooks.Errorf(runbooks.Retry, nil, "the invitation has not been accepted yet")
	}
	return runbooks.Absent, nil
}

// holding is what an account has on a repository: a role, or an invitation to one.
type holding struct{ role, invited string }

// held looks for the account among those who were added to the repository itself, and among the invited.
func (c *Connector) held(ctx context.Context, t terms) (holding, error) {
	var h holding
	for member, err := range c.collaborators(ctx, t.owner, t.name) {
		if err != nil {
			return h, err
		}
		if !strings.EqualFold(member.Login, t.account) {
			continue
		}
		if h.role = member.RoleName; h.role == "" {
			role, err := c.roleOf(ctx, t)
			if err != nil {
				return h, err
			}
			h.role = role
		}
		break
	}
	for invitation, err := range c.invitations(ctx, t.owner, t.name) {
		if err != nil {
			return h, err
		}
		if strings.EqualFold(invitation.Invitee.Login, t.account) && !invitation.Expired {
			h.invited = roleName(invitation.Permissions)
		}
	}
	return h, nil
}

// roleOf asks for the role of one account, where a list does not say it.
func (c *Connector) roleOf(ctx context.Context, t terms) (string, error) {
	var out struct {
		RoleName string `json:"role_name"`
	}
	_, err := c.api.Ask(ctx, "reading the role", rest.Call{Method: http.MethodGet, Path: t.collaborator() + "/permission"}, &out)
	if out.RoleName == "" {
		out.RoleName = "unknown"
	}
	return out.RoleName, err
}

// membership gives the state ("" for none, active, pending) and the role in the team.
func (c *Connector) membership(ctx context.Context, t terms) (state, role string, err error) {
	r, err := c.api.Do(ctx, rest.Call{Method: http.MethodGet, Path: t.member()})
	if err != nil {
		return "", "", err
	}
	if r.Status == http.StatusNotFound {
		return "", "", c.seeTeam(ctx, t)
	}
	const what = "reading the membership"
	if err := c.api.Judge(what, r); err != nil {
		return "", "", err
	}
	var out struct{ State, Role string }
	err = c.api.Into(what, r, &out)
	return out.State, out.Role, err
}

// receipt is the same for every call of the same grant.
func (c *Connector) receipt(t terms) runbooks.Receipt {
	r := runbooks.Receipt{Ref: t.ref(), Facts: map[string]string{"on": t.ref()}, Personal: map[string]string{"account": t.account}}
	if t.team != "" {
		r.Use = runbooks.Use{Steps: []string{"Use GitHub with your own account, as always: you are in the team " + t.org + "/" + t.team + "."}}
		return r
	}
	r.Facts["role"] = t.role
	r.Use = runbooks.Use{
		Steps: []string{
			"If GitHub sent you an invitation to " + t.owner + "/" + t.name + ", accept it.",
			"Then use the repository with your own account, as always.",
		},
		Command: "git clone " + c.web() + "/" + url.PathEscape(t.owner) + "/" + url.PathEscape(t.name) + ".git",
	}
	return r
}

// web is where people reach the same GitHub.
func (c *Connector) web() string {
	base := c.api.Base()
	if base == "https://api.github.com" {
		return "https://github.com"
	}
	return strings.TrimSuffix(base, "/api/v3")
}

// key names the access for as long as it exists; logins and names are without case at GitHub.
func (t terms) key() string {
	if t.team != "" {
		return strings.ToLower("team " + t.org + "/" + t.team + " " + t.account)
	}
	return strings.ToLower("repository " + t.owner + "/" + t.name + " " + roleName(t.role) + " " + t.account)
}

func (t terms) ref() string {
	if t.team != "" {
		return "team " + t.org + "/" + t.team
	}
	return fmt.Sprintf("%s on %s/%s", t.role, t.owner, t.name)
}
