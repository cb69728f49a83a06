package awssso

import (
	"context"
	"encoding/json"
	"iter"
	"slices"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/awsapi"
	"github.com/countersign-bot/countersign/runbooks/rest"
)

// pages gives the elements of a list that lies under a key of the answer.
func pages[T any](ctx context.Context, api *awsapi.Client, target, key string, in map[string]any) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		in["MaxResults"] = pageSize
		for range maxPages {
			var out map[string]json.RawMessage
			if err := api.JSON(ctx, awsapi.SSO, "SWBExternalService."+target, in, &out); err != nil {
				yield(none, err)
				return
			}
			var list []T
			var next string
			if err := json.Unmarshal(out[key], &list); err != nil {
				yield(none, runbooks.Errorf(runbooks.Broken, err, "%s: AWS's answer cannot be read", target))
				return
			}
			_ = json.Unmarshal(out["NextToken"], &next) // missing or null on the last page
			for _, x := range list {
				if !yield(x, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			in["NextToken"] = next
		}
		yield(none, runbooks.Errorf(runbooks.Broken, nil, "%s: there are more pages than %d", target, maxPages))
	}
}

func (c *Connector) assignments(ctx context.Context, account, set string) iter.Seq2[assignment, error] {
	return pages[assignment](ctx, c.api, "ListAccountAssignments", "AccountAssignments", map[string]any{
		"InstanceArn": c.instance, "AccountId": account, "PermissionSetArn": set,
	})
}

// sets gives the permission sets that are used on an account.
func (c *Connector) sets(ctx context.Context, account string) iter.Seq2[string, error] {
	return pages[string](ctx, c.api, "ListPermissionSetsProvisionedToAccount", "PermissionSets", map[string]any{"InstanceArn": c.instance, "AccountId": account})
}

// AccessKey is the account, the permission set and the user; empty when the grant could never be made.
func (c *Connector) AccessKey(g runbooks.Grant) string {
	t, err := c.readTerms(g)
	if err != nil {
		return ""
	}
	return t.key()
}

// ListAccess lists the assignments to people on the scope's accounts.
func (c *Connector) ListAccess(ctx context.Context) iter.Seq2[runbooks.Access, error] {
	return func(yield func(runbooks.Access, error) bool) {
		names := map[string]string{}
		for _, account := range c.scope {
			for set, err := range c.sets(ctx, account) {
				if err != nil {
					yield(runbooks.Access{}, err)
					return
				}
				for a, err := range c.assignments(ctx, account, set) {
					if err != nil {
						yield(runbooks.Access{}, err)
						return
					}
					if a.PrincipalType != user {
						continue
					}
					x, err := c.access(ctx, names, terms{account: account, set: set}, a.PrincipalId)
					if !yield(x, err) || err != nil {
						return
					}
				}
			}
		}
	}
}

// access finds the name behind an id; names that were asked for are kept, up to a limit.
func (c *Connector) access(ctx context.Context, names map[string]string, t terms, id string) (runbooks.Access, error) {
	name, known := names[id]
	if !known {
		var out struct{ UserName string }
		err := c.api.JSON(ctx, awsapi.IdentityStore, "AWSIdentityStore.DescribeUser", map[string]string{"IdentityStoreId": c.store, "UserId": id}, &out)
		if err != nil && !awsapi.Is(err, "ResourceNotFoundException") {
			return runbooks.Access{}, err
		}
		if name = out.UserName; name == "" {
			name = "deleted user " + rest.Clean(id, maxUserName)
		}
		if len(names) < maxNames {
			names[id] = name
		}
	}
	t.user = name
	return runbooks.Access{
		Key: t.key(), Account: name, What: t.ref(), Params: map[string][]string{ParamAccount: {t.account}, ParamSet: {t.set}}, Ours: c.isMade(t.key()),
	}, nil
}

// RemoveAccess takes away what is listed.
func (c *Connector) RemoveAccess(ctx context.Context, a runbooks.Access) (runbooks.Receipt, error) {
	account, set := a.Params[ParamAccount], a.Params[ParamSet]
	if len(account) != 1 || len(set) != 1 || !slices.Contains(c.scope, account[0]) || !isSet(set[0]) {
		return runbooks.Receipt{}, refuse("that is no access as this target lists it")
	}
	t := terms{account: account[0], set: set[0], user: a.Account}
	if t.key() != a.Key {
		return runbooks.Receipt{}, refuse("that is no access as this target lists it")
	}
	return c.takeBack(ctx, t)
}

// rights are what the connector calls, and what would let the bot change what permission sets are, or who people are.
func rights() awsapi.Rights {
	needed := []string{
		"sso:CreateAccountAssignment", "sso:DeleteAccountAssignment", "sso:ListAccountAssignments", "sso:ListPermissionSetsProvisionedToAccount",
		"sso:DescribeAccountAssignmentCreationStatus", "sso:DescribeAccountAssignmentDeletionStatus", "identitystore:GetUserId", "identitystore:DescribeUser",
	}
	return awsapi.Rights{
		Needed: needed,
		Bound:  needed, // the policy names the instance, the sets and the accounts, which a simulation of actions alone does not
		TooMuch: []string{
			"sso:CreatePermissionSet", "sso:PutInlinePolicyToPermissionSet", "sso:AttachManagedPolicyToPermissionSet", "sso:DeleteInstance", "identitystore:CreateUser",
			"identitystore:CreateGroupMembership", "iam:CreateUser", "iam:AttachRolePolicy", "iam:PutUserPolicy", "s3:GetObject", "secretsmanager:GetSecretValue",
		},
	}
}

// Probe calls what reads, on every account of the scope, and asks AWS what the bot may do beside that.
func (c *Connector) Probe(ctx context.Context) []runbooks.Finding {
	me, err := c.api.Whoami(ctx)
	if err != nil {
		return []runbooks.Finding{{What: err.Error(), Do: "look at the region, the access key and the network"}}
	}
	out := []runbooks.Finding{{OK: true, What: "AWS knows the bot as " + rest.Clean(me.ARN, maxReason)}}
	if _, err := c.userID(ctx, "countersign-probe"); err != nil {
		out = append(out, runbooks.Finding{What: err.Error(), Do: "allow identitystore:GetUserId, and look at the setting identity_store"})
	}
	for _, account := range c.scope {
		f := runbooks.Finding{OK: true, What: "the bot can read the assignments on " + account + "; whether it can change them shows the first grant"}
		for set, err := range c.sets(ctx, account) {
			if err == nil {
				for _, e := range c.assignments(ctx, account, set) {
					err = e
					break
				}
			}
			if err != nil {
				f = runbooks.Finding{What: account + ": " + err.Error(), Do: "allow sso:ListPermissionSetsProvisionedToAccount and sso:ListAccountAssignments, and look at the settings instance and scope"}
			}
			break
		}
		out = append(out, f)
	}
	return append(out, rights().Prove(ctx, c.api, me.ARN)...)
}
