package awsiam

import (
	"context"
	"strings"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/awsapi"
	"github.com/countersign-bot/countersign/runbooks/rest"
)

// rights are what the connector calls, and what would let the bot give away more than it is asked for. Policies are put on users under a condition.
func rights() awsapi.Rights {
	return awsapi.Rights{
		Needed: []string{
			"iam:GetUser", "iam:GetUserPolicy", "iam:PutUserPolicy", "iam:DeleteUserPolicy", "iam:GetAccountAuthorizationDetails", "iam:ListAccessKeys",
			"iam:GetAccessKeyLastUsed", "iam:ListRolePolicies", "iam:GetRolePolicy", "iam:PutRolePolicy", "iam:DeleteRolePolicy",
		},
		Bound: []string{"iam:PutUserPolicy", "iam:DeleteUserPolicy"},
		TooMuch: []string{
			"iam:CreateUser", "iam:AttachUserPolicy", "iam:CreatePolicy", "iam:DeleteUserPermissionsBoundary", "iam:UpdateAssumeRolePolicy", "iam:PassRole",
			"s3:GetObject", "ec2:RunInstances", "secretsmanager:GetSecretValue", "organizations:LeaveOrganization",
		},
	}
}

// Permissions is the policy for the bot's own user or role, in JSON: with a boundary, policies can be put on those users
// only that have it. Access keys are made and deleted where rotate says so.
func Permissions(account, boundary string, rotate bool) string {
	users, roles := list{"arn:aws:iam::" + account + ":user/*"}, list{"arn:aws:iam::" + account + ":role/*"}
	put := statement{Sid: "Grant", Effect: allow, Action: list{"iam:PutUserPolicy", "iam:DeleteUserPolicy"}, Resource: users}
	if boundary != "" {
		put.Condition = map[string]map[string]list{"StringEquals": {"iam:PermissionsBoundary": {boundary}}}
	}
	read := list{"iam:GetUser", "iam:GetUserPolicy", "iam:ListUserPolicies", "iam:ListAccessKeys"}
	d := document{Version: policy, Statement: []statement{
		put,
		{Sid: "Read", Effect: allow, Action: read, Resource: users},
		{Sid: "List", Effect: allow, Action: list{"iam:GetAccountAuthorizationDetails", "iam:GetAccessKeyLastUsed"}, Resource: list{"*"}},
		{Sid: "EndSessions", Effect: allow, Action: list{"iam:ListRolePolicies", "iam:GetRolePolicy", "iam:PutRolePolicy", "iam:DeleteRolePolicy"}, Resource: roles},
	}}
	if rotate {
		d.Statement = append(d.Statement, statement{Sid: "Rotate", Effect: allow, Action: list{"iam:CreateAccessKey", "iam:DeleteAccessKey"}, Resource: users})
	}
	return d.encode()
}

// Probe tells whether the bot's rights are what it needs and no more, by AWS's own simulation where that may be asked for.
func (c *Connector) Probe(ctx context.Context) []runbooks.Finding {
	me, err := c.api.Whoami(ctx)
	if err != nil {
		return []runbooks.Finding{{What: err.Error(), Do: "look at the region, the access key and the network"}}
	}
	out := []runbooks.Finding{{OK: true, What: "AWS knows the bot as " + rest.Clean(me.ARN, maxShown)}}
	if strings.HasSuffix(me.ARN, ":root") {
		return append(out, runbooks.Finding{What: "the access key is the account's root: it can do everything", Do: "delete it, and make a user with the permissions of the connector's page"})
	}
	if c.boundary == "" {
		out = append(out, runbooks.Finding{
			OK: true, What: "no permissions boundary is named: what the bot may put on users is bound by nothing but its own rules (setting boundary)",
		})
	}
	for _, err := range c.users(ctx) {
		if err != nil {
			out = append(out, runbooks.Finding{What: err.Error(), Do: "allow iam:GetAccountAuthorizationDetails"})
		}
		break
	}
	return append(out, rights().Prove(ctx, c.api, me.ARN)...)
}
