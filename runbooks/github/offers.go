package github

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strings"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
)

// ListOffers gives every role on every repository of the scope, and its teams. Archived repositories take no collaborators.
func (c *Connector) ListOffers(ctx context.Context) iter.Seq2[runbooks.Offer, error] {
	return func(yield func(runbooks.Offer, error) bool) {
		for _, s := range c.scope {
			for o, err := range c.offers(ctx, s) {
				if !yield(o, err) || err != nil {
					return
				}
			}
		}
	}
}

// offers are those of one entry of the scope.
func (c *Connector) offers(ctx context.Context, scope string) iter.Seq2[runbooks.Offer, error] {
	return func(yield func(runbooks.Offer, error) bool) {
		if owner, name, single := strings.Cut(scope, "/"); single {
			var r repository
			_, err := c.api.Ask(ctx, "reading the repository", rest.Call{Method: http.MethodGet, Path: rest.Path("repos", owner, name)}, &r)
			if err != nil {
				yield(runbooks.Offer{}, err)
				return
			}
			r.offered(yield)
			return
		}
		for r, err := range pages[repository](ctx, c.api, "listing the repositories", rest.Path("orgs", scope, "repos"), url.Values{"type": {"all"}}) {
			if err != nil {
				yield(runbooks.Offer{}, err)
				return
			}
			if !r.offered(yield) {
				return
			}
		}
		for x, err := range pages[team](ctx, c.api, "listing the teams", rest.Path("orgs", scope, "teams"), url.Values{}) {
			name := scope + "/" + x.Slug
			o := runbooks.Offer{Name: "team " + name, Params: map[string][]string{ParamTeam: {name}}, Description: rest.Clean(x.Description, maxShown), Account: true}
			if err == nil && !isTeam(name) {
				continue
			}
			if !yield(o, err) || err != nil {
				return
			}
		}
	}
}

// offered tells whether to go on.
func (r repository) offered(yield func(runbooks.Offer, error) bool) bool {
	name := r.Owner.Login + "/" + r.Name
	if r.Archived || !isRepository(name) {
		return true
	}
	for _, role := range roles() {
		o := runbooks.Offer{
			Name: name + " " + role, Params: map[string][]string{ParamRepository: {name}, ParamRole: {role}}, Description: rest.Clean(r.Description, maxShown), Account: true,
		}
		if !yield(o, nil) {
			return false
		}
	}
	return true
}

// Plan reads what granting would change.
func (c *Connector) Plan(ctx context.Context, g runbooks.Grant) (runbooks.Plan, error) {
	t, err := c.readTerms(g)
	if err != nil {
		return runbooks.Plan{}, err
	}
	plan := runbooks.Plan{Notes: []string{c.Describe().RevokeLeaves}}
	change := ""
	if t.team != "" {
		if change, err = c.planTeam(ctx, t); err == nil && change != "" {
			plan.Notes, err = c.teamReaches(ctx, t, plan.Notes)
		}
	} else {
		change, err = c.planRole(ctx, t)
	}
	if err != nil {
		return runbooks.Plan{}, err
	}
	if change != "" {
		plan.Changes = []string{rest.Clean(change, maxChange)}
	}
	return plan, nil
}

func (c *Connector) planTeam(ctx context.Context, t terms) (string, error) {
	if err := c.isInside(ctx, t); err != nil {
		return "", err
	}
	if in, err := c.isMember(ctx, t); in || err != nil {
		return "", err
	}
	return t.account + " becomes a member of the " + t.ref() + " on " + c.api.Host(), nil
}

func (c *Connector) planRole(ctx context.Context, t terms) (string, error) {
	if has, err := c.hasRole(ctx, t); has || err != nil {
		return "", err
	}
	return t.account + " gets the role " + t.ref() + " on " + c.api.Host() + "; GitHub invites an account that is not a collaborator yet", nil
}

// teamReaches notes what else the team may do: the first repositories that it has a role on.
func (c *Connector) teamReaches(ctx context.Context, t terms, notes []string) ([]string, error) {
	var names []string
	type reached struct {
		FullName string `json:"full_name"`
		RoleName string `json:"role_name"`
	}
	for r, err := range pages[reached](ctx, c.api, "listing what the team reaches", rest.Path("orgs", t.org, "teams", t.team, "repos"), url.Values{}) {
		switch {
		case err != nil && runbooks.ClassOf(err) == runbooks.Retry:
			return notes, err
		case err != nil:
			return append(notes, "GitHub does not tell the bot what the team reaches"), nil
		}
		if names = append(names, strings.TrimSpace(r.FullName+" "+r.RoleName)); len(names) == maxGrants {
			names = append(names, "and more")
			break
		}
	}
	if len(names) > 0 {
		notes = append(notes, rest.Clean("the team reaches "+strings.Join(names, ", "), maxChange))
	}
	return notes, nil
}
