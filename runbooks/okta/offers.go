package okta

import (
	"context"
	"errors"
	"iter"
	"net/http"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
)

// group is a group as Okta tells it.
type group struct {
	Type    string `json:"type"`
	Profile struct {
		Name        string `json:"name"`
		Description string `json:"description"`
	} `json:"profile"`
}

// byHand is the type of a group that people fill.
const byHand = "OKTA_GROUP"

// group reads a group, and refuses one that is not filled by hand.
func (c *Connector) group(ctx context.Context, p place) (group, error) {
	var g group
	if _, err := c.api.Ask(ctx, "looking for the group", rest.Call{Method: http.MethodGet, Path: rest.Path("api", "v1", "groups", p.group)}, &g); err != nil {
		return g, err
	}
	if g.Type != byHand {
		return g, refuse("the group is of type %q: Okta or an application fills it, and would undo what we do", rest.Clean(g.Type, 40))
	}
	return g, nil
}

// label is what an app is called; "" when Okta does not say.
func (c *Connector) label(ctx context.Context, p place) (string, error) {
	var app struct{ Label string }
	_, err := c.api.Ask(ctx, "looking for the application", rest.Call{Method: http.MethodGet, Path: rest.Path("api", "v1", "apps", p.app)}, &app)
	return rest.Clean(app.Label, maxShown), err
}

// ListOffers gives the groups and apps of the scope, without groups that Okta fills itself.
func (c *Connector) ListOffers(ctx context.Context) iter.Seq2[runbooks.Offer, error] {
	return func(yield func(runbooks.Offer, error) bool) {
		for _, id := range c.scope {
			o, err := c.offer(ctx, id)
			var said *runbooks.Error
			if errors.As(err, &said) && said.Class == runbooks.Refuse {
				continue // gone, or filled by another hand
			}
			if !yield(o, err) || err != nil {
				return
			}
		}
	}
}

func (c *Connector) offer(ctx context.Context, id string) (runbooks.Offer, error) {
	p, err := c.kind(ctx, id)
	if err != nil {
		return runbooks.Offer{}, err
	}
	o := runbooks.Offer{Name: id, Account: true}
	if p.app != "" {
		o.Params = map[string][]string{ParamApp: {id}}
		o.Description, err = c.label(ctx, p)
		return o, err
	}
	g, err := c.group(ctx, p)
	o.Params, o.Description = map[string][]string{ParamGroup: {id}}, rest.Clean(g.Profile.Name, maxShown)
	if more := rest.Clean(g.Profile.Description, maxShown); more != "" {
		o.Description += ": " + more
	}
	return o, err
}

// Plan reads what granting would change.
func (c *Connector) Plan(ctx context.Context, g runbooks.Grant) (runbooks.Plan, error) {
	p, u, err := c.sound(ctx, g)
	if err != nil {
		return runbooks.Plan{}, err
	}
	plan := runbooks.Plan{Notes: []string{c.Describe().RevokeLeaves}}
	change := ""
	if p.group != "" {
		change, err = c.planGroup(ctx, p, u)
	} else {
		change, err = c.planApp(ctx, p, u)
	}
	if err != nil {
		return runbooks.Plan{}, err
	}
	if change != "" {
		plan.Changes = []string{change}
	}
	return plan, nil
}

// planGroup says nothing when the person is in the group.
func (c *Connector) planGroup(ctx context.Context, p place, u user) (string, error) {
	g, err := c.group(ctx, p)
	if err != nil {
		return "", err
	}
	has, err := c.isMember(ctx, p, u)
	if err != nil || has {
		return "", err
	}
	return rest.Clean(u.Profile.Login+" becomes a member of the group "+g.Profile.Name+" ("+p.group+") at "+c.api.Host(), maxChange), nil
}

func (c *Connector) planApp(ctx context.Context, p place, u user) (string, error) {
	if has, err := c.isAssigned(ctx, p, u); has || err != nil {
		return "", err
	}
	label, err := c.label(ctx, p)
	return rest.Clean(u.Profile.Login+" is assigned to the application "+label+" ("+p.app+") at "+c.api.Host(), maxChange), err
}
