package awssso

import (
	"context"
	"iter"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/awsapi"
	"github.com/countersign-bot/countersign/runbooks/rest"
)

// described is what a permission set is called, which AWS never changes, and what it says of itself.
type described struct{ Name, Description string }

// describe reads a permission set, once in the life of the connector.
func (c *Connector) describe(ctx context.Context, set string) (described, error) {
	c.mu.Lock()
	known, ok := c.described[set]
	c.mu.Unlock()
	if ok {
		return known, nil
	}
	var out struct{ PermissionSet described }
	err := c.api.JSON(ctx, awsapi.SSO, "SWBExternalService.DescribePermissionSet", map[string]string{"InstanceArn": c.instance, "PermissionSetArn": set}, &out)
	if err != nil && runbooks.ClassOf(err) != runbooks.Retry {
		return described{}, nil // a right that the bot does not need for granting: the number must do
	}
	if err != nil {
		return described{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.described) < maxNames {
		c.described[set] = out.PermissionSet
	}
	return out.PermissionSet, nil
}

// instanceSets gives all permission sets of the instance.
func (c *Connector) instanceSets(ctx context.Context) iter.Seq2[string, error] {
	return pages[string](ctx, c.api, "ListPermissionSets", "PermissionSets", map[string]any{"InstanceArn": c.instance})
}

// ListOffers gives every permission set of the instance on every account of the scope.
func (c *Connector) ListOffers(ctx context.Context) iter.Seq2[runbooks.Offer, error] {
	return func(yield func(runbooks.Offer, error) bool) {
		for set, err := range c.instanceSets(ctx) {
			var d described
			if err == nil {
				d, err = c.describe(ctx, set)
			}
			if err != nil {
				yield(runbooks.Offer{}, err)
				return
			}
			if !isSet(set) {
				continue
			}
			for _, account := range c.scope {
				o := runbooks.Offer{
					Name: account + " " + nameOf(d, set), Params: map[string][]string{ParamAccount: {account}, ParamSet: {set}}, Account: true,
					Description: rest.Clean(d.Name+": "+d.Description, maxReason),
				}
				if !yield(o, nil) {
					return
				}
			}
		}
	}
}

// nameOf is a permission set's name, by which it is known within an instance, or its number.
func nameOf(d described, set string) string {
	if d.Name == "" {
		return terms{set: set}.number()
	}
	return rest.Clean(d.Name, maxReason)
}

// Plan reads what granting would change, and whether a group gives the same.
func (c *Connector) Plan(ctx context.Context, g runbooks.Grant) (runbooks.Plan, error) {
	t, err := c.readTerms(g)
	if err != nil {
		return runbooks.Plan{}, err
	}
	id, err := c.known(ctx, t)
	if err != nil {
		return runbooks.Plan{}, err
	}
	plan := runbooks.Plan{Notes: []string{c.Describe().RevokeLeaves}}
	var groups []string
	for a, err := range c.assignments(ctx, t.account, t.set) {
		switch {
		case err != nil:
			return runbooks.Plan{}, err
		case a.PrincipalType == user && a.PrincipalId == id:
			return plan, nil
		case a.PrincipalType != user && len(groups) < maxGroups:
			groups = append(groups, a.PrincipalId)
		}
	}
	d, err := c.describe(ctx, t.set)
	if err != nil {
		return runbooks.Plan{}, err
	}
	plan.Changes = []string{rest.Clean(t.user+" is assigned the permission set "+nameOf(d, t.set)+" on the AWS account "+t.account+"; AWS takes up to a minute for it", maxChange)}
	if len(groups) == 0 {
		return plan, nil
	}
	mine, err := c.groupsOf(ctx, id)
	switch {
	case err != nil && runbooks.ClassOf(err) == runbooks.Retry:
		return runbooks.Plan{}, err
	case err != nil:
		plan.Notes = append(plan.Notes, "whether a group gives the same already AWS does not tell the bot (identitystore:ListGroupMembershipsForMember)")
		return plan, nil
	}
	for _, group := range groups {
		if mine[group] {
			plan.Standing = append(plan.Standing, "the user has the permission set on this account already, by the group "+rest.Clean(group, maxReason))
		}
	}
	return plan, nil
}

// groupsOf are the groups of the identity store that somebody is in, by their ids.
func (c *Connector) groupsOf(ctx context.Context, id string) (map[string]bool, error) {
	in, groups := map[string]any{"IdentityStoreId": c.store, "MemberId": map[string]string{"UserId": id}, "MaxResults": pageSize}, map[string]bool{}
	for range maxGroupPages {
		var out struct {
			GroupMemberships []struct{ GroupId string }
			NextToken        string
		}
		if err := c.api.JSON(ctx, awsapi.IdentityStore, "AWSIdentityStore.ListGroupMembershipsForMember", in, &out); err != nil {
			return nil, err
		}
		for _, m := range out.GroupMemberships {
			groups[m.GroupId] = true
		}
		if out.NextToken == "" {
			return groups, nil
		}
		in["NextToken"] = out.NextToken
	}
	return nil, runbooks.Errorf(runbooks.Broken, nil, "reading the user's groups: there are more pages than %d", maxGroupPages)
}
