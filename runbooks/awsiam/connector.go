package awsiam

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/awsapi"
)

// SettingBoundary is the ARN of the permissions boundary that a user must have. The others are those of awsapi.
const SettingBoundary = "boundary"

// The entitlement's words: actions and resources, or a role.
const (
	ParamActions   = "actions"   // s3:GetObject; several
	ParamResources = "resources" // ARNs, or *; several
	ParamRole      = "role"      // the ARN of a role that may be taken on
)

// Config says how the bot reaches AWS.
type Config struct {
	AWS      awsapi.Config
	Boundary string
	Now      func() time.Time // product time; nil: time.Now
}

// Connector grants in one account. It is safe for concurrent use.
type Connector struct {
	api      *awsapi.Client
	boundary string
	now      func() time.Time
}

// Open reads the configuration; it calls nobody.
func Open(cfg Config) (*Connector, error) {
	if cfg.Boundary != "" && !awsapi.IsARN(awsapi.IAM, cfg.Boundary) {
		return nil, fmt.Errorf("setting %s: %q is not the ARN of a policy", SettingBoundary, cfg.Boundary)
	}
	api, err := awsapi.Open(cfg.AWS)
	if err != nil {
		return nil, err
	}
	c := &Connector{api: api, boundary: cfg.Boundary, now: cfg.Now}
	if c.now == nil {
		c.now = time.Now
	}
	return c, nil
}

// Close ends idle connections.
func (c *Connector) Close() error { return c.api.Close() }

// Describe says what inline policies can do.
func (c *Connector) Describe() runbooks.Capabilities {
	return runbooks.Capabilities{
		Name: "awsiam", NativeExpiry: true, EndsSessions: true, RevokeLatency: settling, Timeout: callTimeout,
		RevokeLeaves: "What was made in AWS meanwhile stays: machines, objects, and access that these hand out themselves. AWS takes some seconds to know a change everywhere.",
	}
}

// terms are a grant read and found sound.
type terms struct {
	user               string
	actions, resources list
	role               string // the ARN; then there are no actions
	name               string // of the policy
}

func readTerms(g runbooks.Grant) (terms, error) {
	p, err := g.ReadWords(
		runbooks.Word{Name: ParamActions, Many: true, Is: "an action such as s3:GetObject", Match: runbooks.Pattern(`[a-z0-9-]{2,40}:[A-Za-z0-9*?]{1,100}`)},
		runbooks.Word{Name: ParamResources, Many: true, Is: "the ARN of something, or *", Match: func(s string) bool { return s == "*" || awsapi.IsARN("", s) }},
		runbooks.Word{Name: ParamRole, Is: "the ARN of a role", Match: isRole},
	)
	if err != nil {
		return terms{}, err
	}
	t := terms{user: g.Account, actions: p[ParamActions], resources: p[ParamResources], name: prefixGrant + string(g.ID)}
	if !runbooks.Pattern(`[A-Za-z0-9+=,.@_-]{1,64}`)(g.Account) {
		return t, refuse("the account is not the name of an IAM user: letters, digits and +=,.@_-, up to %d", maxName)
	}
	if len(t.name) > maxPolicyName-len(prefixEnded) {
		return t, refuse("the grant's id is longer than the name of a policy may be")
	}
	switch role := p[ParamRole]; {
	case len(role) == 1 && len(t.actions)+len(t.resources) == 0:
		t.role = role[0]
	case len(role) == 0 && len(t.actions) > 0 && len(t.resources) > 0:
		if len(t.resources) > maxResources {
			return t, refuse("the entitlement's parameter %q has more than %d values", ParamResources, maxResources)
		}
		if err := checkActions(t.actions); err != nil {
			return t, err
		}
	default:
		return t, refuse("the entitlement has neither actions and resources nor a role alone")
	}
	if len(t.policyOf(g).encode()) > maxPolicy {
		return t, refuse("the entitlement's actions and resources are longer than a user's policies may be")
	}
	return t, nil
}

func isRole(s string) bool { return awsapi.IsARN(awsapi.IAM, s) && strings.Contains(s, ":role/") }

// roleName is the last part of a role's ARN.
func roleName(arn string) string { return arn[strings.LastIndex(arn, "/")+1:] }

func refuse(format string, args ...any) error {
	return runbooks.Errorf(runbooks.Refuse, nil, format, args...)
}

// Grant puts the policy, once. A policy of the grant's name that says something else is not overwritten.
func (c *Connector) Grant(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	t, err := readTerms(g)
	if err != nil {
		return runbooks.Receipt{}, err
	}
	if err := c.checkUser(ctx, t.user); err != nil {
		return runbooks.Receipt{}, err
	}
	there, found, err := c.policy(ctx, t)
	if err != nil {
		return runbooks.Receipt{}, err
	}
	want := t.policyOf(g)
	switch {
	case found && !reflect.DeepEqual(there, want):
		return runbooks.Receipt{}, refuse("this grant was made already, with another end or other contents")
	case !found:
		form := url.Values{"UserName": {t.user}, "PolicyName": {t.name}, "PolicyDocument": {want.encode()}}
		err := c.api.Query(ctx, awsapi.IAM, "PutUserPolicy", form, nil)
		if awsapi.Is(err, "LimitExceeded") {
			return runbooks.Receipt{}, runbooks.Errorf(runbooks.Refuse, err, "the user's inline policies are full (2,048 characters together): give something back first")
		}
		if err != nil {
			return runbooks.Receipt{}, err
		}
	}
	return t.receipt(g), nil
}

// checkUser refuses a user without the boundary that the bot's own rights are bound to.
func (c *Connector) checkUser(ctx context.Context, user string) error {
	var out struct {
		Name     string `xml:"GetUserResult>User>UserName"`
		Boundary string `xml:"GetUserResult>User>PermissionsBoundary>PermissionsBoundaryArn"`
	}
	err := c.api.Query(ctx, awsapi.IAM, "GetUser", url.Values{"UserName": {user}}, &out)
	switch {
	case awsapi.Is(err, "NoSuchEntity"):
		return refuse("there is no IAM user of the account's name")
	case err != nil:
		return err
	case out.Name != user:
		return refuse("AWS knows the user under another spelling")
	case c.boundary != "" && out.Boundary != c.boundary:
		return refuse("the IAM user lacks the permissions boundary that this target asks for")
	}
	return nil
}

// policy reads the grant's policy back.
func (c *Connector) policy(ctx context.Context, t terms) (document, bool, error) {
	var out struct {
		Document string `xml:"GetUserPolicyResult>PolicyDocument"`
	}
	err := c.api.Query(ctx, awsapi.IAM, "GetUserPolicy", url.Values{"UserName": {t.user}, "PolicyName": {t.name}}, &out)
	if awsapi.Is(err, "NoSuchEntity") {
		return document{}, false, nil // the user is gone, or the policy is
	}
	if err != nil {
		return document{}, false, err
	}
	d, err := decode(out.Document)
	if err != nil {
		return document{}, false, runbooks.Errorf(runbooks.Broken, err, "the grant's policy cannot be read")
	}
	return d, true, nil
}

// Revoke ends the sessions of a role first, so that a crash in between leaves a policy that tells the next call to do so
// again, and then removes the policy.
func (c *Connector) Revoke(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	t, err := readTerms(g)
	if err != nil {
		return runbooks.Receipt{}, err
	}
	out := runbooks.Receipt{Ref: "policy " + t.name, Facts: map[string]string{"policy": t.name}, Personal: map[string]string{"user": t.user}}
	_, found, err := c.policy(ctx, t)
	if err != nil || !found {
		return out, err
	}
	if t.role != "" {
		if err := c.endSessions(ctx, g, t); err != nil {
			return runbooks.Receipt{}, err
		}
		out.Facts["sessions"] = "sessions of the role under this grant are denied everything"
	}
	return out, c.remove(ctx, t.user, t.name)
}

func (c *Connector) remove(ctx context.Context, user, name string) error {
	err := c.api.Query(ctx, awsapi.IAM, "DeleteUserPolicy", url.Values{"UserName": {user}, "PolicyName": {name}}, nil)
	if awsapi.Is(err, "NoSuchEntity") {
		return nil
	}
	return err
}

// endSessions denies everything to the sessions that bear the grant's id, and clears denials away that are of no use any
// more, since all inline policies of a role share 10,240 characters. A role that is gone has no sessions.
func (c *Connector) endSessions(ctx context.Context, g runbooks.Grant, t terms) error {
	role := roleName(t.role)
	if err := c.clearDenials(ctx, role); err != nil && !awsapi.Is(err, "NoSuchEntity") {
		return err
	}
	form := url.Values{"RoleName": {role}, "PolicyName": {prefixEnded + string(g.ID)}, "PolicyDocument": {denial(g, c.now()).encode()}}
	err := c.api.Query(ctx, awsapi.IAM, "PutRolePolicy", form, nil)
	if awsapi.Is(err, "NoSuchEntity") {
		return nil
	}
	return err
}

func (c *Connector) clearDenials(ctx context.Context, role string) error {
	var names struct {
		Names []string `xml:"ListRolePoliciesResult>PolicyNames>member"`
	}
	if err := c.api.Query(ctx, awsapi.IAM, "ListRolePolicies", url.Values{"RoleName": {role}, "MaxItems": {pageSize}}, &names); err != nil {
		return err
	}
	for _, name := range names.Names {
		if !strings.HasPrefix(name, prefixEnded) {
			continue
		}
		var out struct {
			Document string `xml:"GetRolePolicyResult>PolicyDocument"`
		}
		form := url.Values{"RoleName": {role}, "PolicyName": {name}}
		if err := c.api.Query(ctx, awsapi.IAM, "GetRolePolicy", form, &out); err != nil {
			return err
		}
		if d, err := decode(out.Document); err != nil || !d.isSpent(c.now()) {
			continue
		}
		if err := c.api.Query(ctx, awsapi.IAM, "DeleteRolePolicy", form, nil); err != nil && !awsapi.Is(err, "NoSuchEntity") {
			return err
		}
	}
	return nil
}

// Check reads the policy and its end, which AWS holds it to.
func (c *Connector) Check(ctx context.Context, g runbooks.Grant) (runbooks.Presence, error) {
	t, err := readTerms(g)
	if err != nil {
		return runbooks.Unconfirmed, err
	}
	d, found, err := c.policy(ctx, t)
	if err != nil {
		return runbooks.Unconfirmed, err
	}
	if end, ok := d.end(); !found || ok && !c.now().Before(end) {
		return runbooks.Absent, nil
	}
	return runbooks.Present, nil
}

// receipt is the same for every call of the same grant.
func (t terms) receipt(g runbooks.Grant) runbooks.Receipt {
	r := runbooks.Receipt{
		Ref: "policy " + t.name, Facts: map[string]string{"policy": t.name, "ends": until(g.End)}, Personal: map[string]string{"user": t.user},
		Use: runbooks.Use{Steps: []string{"Use AWS as your own user, as always. The new permissions can take some seconds to be known everywhere."}},
	}
	if t.role == "" {
		r.Facts["actions"] = shorten(strings.Join(t.actions, " "))
		r.Facts["resources"] = shorten(strings.Join(t.resources, " "))
		return r
	}
	r.Facts["role"] = shorten(t.role)
	r.Use.Steps = append(r.Use.Steps, "Take on the role with the grant's id as the session's name; other names are refused.")
	r.Use.Command = "aws sts assume-role --role-arn '" + strings.ReplaceAll(t.role, "'", `'\''`) + "' --role-session-name " + string(g.ID)
	return r
}

// shorten keeps a fact within what the ledger takes.
func shorten(s string) string {
	if len(s) <= 480 {
		return s
	}
	return s[:480] + " …"
}

var errPages = errors.New("more pages than can be")
