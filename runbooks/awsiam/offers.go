package awsiam

import (
	"context"
	"iter"
	"net/url"
	"reflect"
	"strings"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/awsapi"
	"github.com/countersign-bot/countersign/runbooks/rest"
)

// roleDetail is what AWS tells of a role in one go.
type roleDetail struct {
	Name     string `xml:"RoleName"`
	ARN      string `xml:"Arn"`
	Path     string `xml:"Path"`
	Trust    string `xml:"AssumeRolePolicyDocument"`
	Attached []struct {
		Name string `xml:"PolicyName"`
	} `xml:"AttachedManagedPolicies>member"`
	Inline []struct {
		Name string `xml:"PolicyName"`
	} `xml:"RolePolicyList>member"`
	Tags []struct {
		Key, Value string
	} `xml:"Tags>member"`
}

// details gives what one kind of thing of the account is told as, page after page.
func details[T any](ctx context.Context, c *Connector, kind, what string, in func(*detailPage) []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		form := url.Values{"Filter.member.1": {kind}, "MaxItems": {pageSize}}
		for range maxPages {
			var out detailPage
			if err := c.api.Query(ctx, awsapi.IAM, "GetAccountAuthorizationDetails", form, &out); err != nil {
				yield(none, err)
				return
			}
			for _, x := range in(&out) {
				if !yield(x, nil) {
					return
				}
			}
			if !out.More || out.Marker == "" {
				return
			}
			form.Set("Marker", out.Marker)
		}
		yield(none, runbooks.Errorf(runbooks.Broken, errPages, "listing the %s: there are more than %d pages", what, maxPages))
	}
}

// detailPage is one answer of GetAccountAuthorizationDetails.
type detailPage struct {
	Users  []userDetail `xml:"GetAccountAuthorizationDetailsResult>UserDetailList>member"`
	Roles  []roleDetail `xml:"GetAccountAuthorizationDetailsResult>RoleDetailList>member"`
	More   bool         `xml:"GetAccountAuthorizationDetailsResult>IsTruncated"`
	Marker string       `xml:"GetAccountAuthorizationDetailsResult>Marker"`
}

// users gives all users.
func (c *Connector) users(ctx context.Context) iter.Seq2[userDetail, error] {
	return details(ctx, c, "User", "users", func(p *detailPage) []userDetail { return p.Users })
}

func (c *Connector) roles(ctx context.Context) iter.Seq2[roleDetail, error] {
	return details(ctx, c, "Role", "roles", func(p *detailPage) []roleDetail { return p.Roles })
}

// ListOffers gives the roles that somebody of the account may take on, as far as their trust policies say so: not those of services and of
// Identity Center. Actions on resources are for the files to name.
func (c *Connector) ListOffers(ctx context.Context) iter.Seq2[runbooks.Offer, error] {
	return func(yield func(runbooks.Offer, error) bool) {
		for r, err := range c.roles(ctx) {
			if err == nil && (!isRole(r.ARN) || strings.HasPrefix(r.Path, "/aws-") || !r.trustsPeople()) {
				continue
			}
			o := runbooks.Offer{Name: r.Name, Params: map[string][]string{ParamRole: {r.ARN}}, Description: r.words(), Account: true}
			if !yield(o, err) || err != nil {
				return
			}
		}
	}
}

// IsUnlisted tells that a role is one of another account.
func (c *Connector) IsUnlisted(ctx context.Context, params map[string][]string) bool {
	role := params[ParamRole]
	if len(role) != 1 || !isRole(role[0]) {
		return false
	}
	me, err := c.api.Whoami(ctx)
	return err == nil && strings.Split(role[0], ":")[4] != me.Account
}

// trustsPeople tells whether the trust policy lets users of an account take the role on: the account, or one of its users.
func (r roleDetail) trustsPeople() bool {
	var trust struct {
		Statement []struct {
			Effect    string
			Principal struct{ AWS list }
		}
	}
	if decodeInto(r.Trust, &trust) != nil {
		return false
	}
	account := strings.Split(r.ARN, ":")[4]
	for _, s := range trust.Statement {
		for _, p := range s.Principal.AWS {
			if s.Effect == allow && (p == "*" || p == account || strings.HasPrefix(p, "arn:") && strings.Contains(p, "::"+account+":") && (strings.HasSuffix(p, ":root") || strings.Contains(p, ":user/"))) {
				return true
			}
		}
	}
	return false
}

// words says what a role may do, by the names of its policies, after what its tag "description" says.
func (r roleDetail) words() string {
	var out []string
	for _, t := range r.Tags {
		if strings.EqualFold(t.Key, "description") {
			out = append(out, t.Value)
		}
	}
	for _, p := range append(r.Attached, r.Inline...) {
		if len(out) < maxGrants && !strings.HasPrefix(p.Name, prefixEnded) {
			out = append(out, "policy "+p.Name)
		}
	}
	return rest.Clean(strings.Join(out, "; "), maxShown)
}

// Plan reads what granting would change.
func (c *Connector) Plan(ctx context.Context, g runbooks.Grant) (runbooks.Plan, error) {
	t, err := readTerms(g)
	if err != nil {
		return runbooks.Plan{}, err
	}
	if err := c.checkUser(ctx, t.user); err != nil {
		return runbooks.Plan{}, err
	}
	plan := runbooks.Plan{Notes: []string{c.Describe().RevokeLeaves}}
	there, found, err := c.policy(ctx, t)
	switch {
	case err != nil:
		return runbooks.Plan{}, err
	case found && !reflect.DeepEqual(there, t.policyOf(g)):
		return runbooks.Plan{}, refuse("this grant was made already, with another end or other contents")
	case found:
		return plan, nil
	case t.role != "":
		plan.Changes = []string{rest.Clean(t.user+" may take on the role "+t.role+", under the grant's id as the session's name, until "+until(g.End), maxChange)}
	default:
		plan.Changes = []string{rest.Clean(t.user+" may "+strings.Join(t.actions, ", ")+" on "+strings.Join(t.resources, ", ")+" until "+until(g.End), maxChange)}
	}
	plan.Standing, err = c.standing(ctx, t)
	return plan, err
}

// standing finds grants of the same that other inline policies of the user give, which do not end with this one.
func (c *Connector) standing(ctx context.Context, t terms) ([]string, error) {
	var names struct {
		Names []string `xml:"ListUserPoliciesResult>PolicyNames>member"`
	}
	err := c.api.Query(ctx, awsapi.IAM, "ListUserPolicies", url.Values{"UserName": {t.user}, "MaxItems": {pageSize}}, &names)
	if err != nil {
		if runbooks.ClassOf(err) == runbooks.Broken { // a right that bots of earlier versions lack
			return nil, nil
		}
		return nil, err
	}
	var out []string
	for _, name := range names.Names {
		other := t
		other.name = name
		d, found, err := c.policy(ctx, other)
		if err != nil && runbooks.ClassOf(err) == runbooks.Retry {
			return nil, err
		}
		if _, ends := d.end(); err == nil && found && !ends && d.gives(t) && len(out) < maxGrants {
			out = append(out, rest.Clean("the user has it already by the inline policy "+name, maxShown))
		}
	}
	return out, nil
}

// gives tells whether a policy allows all that the terms ask for, word for word.
func (d document) gives(t terms) bool {
	actions, resources := t.actions, t.resources
	if t.role != "" {
		actions, resources = list{"sts:AssumeRole"}, list{t.role}
	}
	for _, s := range d.Statement {
		if s.Effect == allow && s.Action.holds(actions) && s.Resource.holds(resources) {
			return true
		}
	}
	return false
}
