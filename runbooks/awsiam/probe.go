package awsiam

import (
	"context"
	"net/url"
	"strconv"
	"strings"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/awsapi"
	"github.com/countersign-bot/countersign/runbooks/rest"
)

// needed are the actions that the connector calls.
func needed() []string {
	return []string{
		"iam:GetUser", "iam:GetUserPolicy", "iam:PutUserPolicy", "iam:DeleteUserPolicy", "iam:GetAccountAuthorizationDetails", "iam:ListAccessKeys",
		"iam:GetAccessKeyLastUsed", "iam:ListRolePolicies", "iam:GetRolePolicy", "iam:PutRolePolicy", "iam:DeleteRolePolicy",
	}
}

// tooMuch are actions that would let the bot give away more than it is asked for.
func tooMuch() []string {
	return []string{
		"iam:CreateUser", "iam:AttachUserPolicy", "iam:CreatePolicy", "iam:DeleteUserPermissionsBoundary", "iam:UpdateAssumeRolePolicy", "iam:PassRole",
		"s3:GetObject", "ec2:RunInstances", "secretsmanager:GetSecretValue", "organizations:LeaveOrganization",
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
	return append(out, c.simulate(ctx, me.ARN)...)
}

func (c *Connector) simulate(ctx context.Context, arn string) []runbooks.Finding {
	form := url.Values{"PolicySourceArn": {sourceOf(arn)}}
	for i, a := range append(needed(), tooMuch()...) {
		form.Set("ActionNames.member."+strconv.Itoa(i+1), a)
	}
	var out struct {
		Results []struct {
			Action   string `xml:"EvalActionName"`
			Decision string `xml:"EvalDecision"`
		} `xml:"SimulatePrincipalPolicyResult>EvaluationResults>member"`
	}
	err := c.api.Query(ctx, awsapi.IAM, "SimulatePrincipalPolicy", form, &out)
	if err != nil || len(out.Results) == 0 {
		return []runbooks.Finding{{OK: true, What: "whether the bot has just the rights that it needs cannot be told: AWS does not let it simulate itself (iam:SimulatePrincipalPolicy)"}}
	}
	allowed := map[string]bool{}
	for _, r := range out.Results {
		allowed[r.Action] = r.Decision == "allowed"
	}
	return judgeRights(allowed)
}

func judgeRights(allowed map[string]bool) []runbooks.Finding {
	var out []runbooks.Finding
	for _, a := range needed() {
		// A right that is bound to a boundary is denied in a simulation that names none; that it works is shown by use.
		if !allowed[a] && a != "iam:PutUserPolicy" && a != "iam:DeleteUserPolicy" {
			out = append(out, runbooks.Finding{What: "the bot lacks the right " + a, Do: "add it to the policy of the bot's user or role"})
		}
	}
	for _, a := range tooMuch() {
		if allowed[a] {
			out = append(out, runbooks.Finding{What: "the bot has the right " + a + ", which it does not need", Do: "take it out of the policy of the bot's user or role"})
		}
	}
	if len(out) == 0 {
		out = append(out, runbooks.Finding{OK: true, What: "by AWS's simulation the bot has the rights that it needs, and none of those that it must not have"})
	}
	return out
}

// sourceOf is the role behind a session's name, which a simulation takes.
func sourceOf(arn string) string {
	parts := strings.Split(arn, "/")
	if len(parts) < 3 || !strings.Contains(arn, ":assumed-role/") {
		return arn
	}
	account := strings.Split(arn, ":")[4]
	return "arn:aws:iam::" + account + ":role/" + parts[1]
}
