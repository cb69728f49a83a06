package awssso

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/awsapi"
	"github.com/countersign-bot/countersign/runbooks/rest"
)

// The settings of a target, beside those of awsapi.
const (
	SettingInstance = "instance"       // ARN of the instance of Identity Center
	SettingStore    = "identity_store" // d-…
	SettingScope    = "scope"          // numbers of the AWS accounts that the target stands for
)

// The entitlement's words; both are needed.
const (
	ParamAccount = "account"        // the number of an AWS account
	ParamSet     = "permission_set" // the ARN of a permission set
)

// Config says how the bot reaches Identity Center.
type Config struct {
	AWS      awsapi.Config
	Instance string
	Store    string
	Scope    []string
	Poll     time.Duration // between two questions whether it is done; 0: 2 s
}

// Connector grants on one instance. It is safe for concurrent use.
type Connector struct {
	api             *awsapi.Client
	instance, store string
	scope           []string
	poll            time.Duration

	mu        sync.Mutex
	made      map[string]bool      // keys that this process made: AWS does not tell who made an assignment
	described map[string]described // by the ARN of a permission set
}

// Open reads the configuration; it calls nobody.
func Open(cfg Config) (*Connector, error) {
	switch {
	case !awsapi.IsARN("sso", cfg.Instance):
		return nil, fmt.Errorf("setting %s: %q is not the ARN of an instance of Identity Center", SettingInstance, cfg.Instance)
	case !runbooks.Pattern(`d-[0-9a-z]{10}|[0-9a-f-]{36}`)(cfg.Store):
		return nil, fmt.Errorf("setting %s: %q is not the id of an identity store, such as d-1111222233", SettingStore, cfg.Store)
	case len(cfg.Scope) == 0 || slices.ContainsFunc(cfg.Scope, func(s string) bool { return !isAccount(s) }):
		return nil, fmt.Errorf("setting %s: it takes numbers of AWS accounts, of 12 digits, with spaces between; at least one", SettingScope)
	}
	api, err := awsapi.Open(cfg.AWS)
	if err != nil {
		return nil, err
	}
	c := &Connector{api: api, instance: cfg.Instance, store: cfg.Store, scope: cfg.Scope, poll: cfg.Poll, made: map[string]bool{}, described: map[string]described{}}
	if c.poll == 0 {
		c.poll = pollEvery
	}
	return c, nil
}

// Close ends idle connections.
func (c *Connector) Close() error { return c.api.Close() }

// Describe says what assignments can do.
func (c *Connector) Describe() runbooks.Capabilities {
	return runbooks.Capabilities{
		Name: "awssso", Polls: true, RevokeLatency: 30 * time.Second, Shared: true, Timeout: callTimeout,
		RevokeLeaves: "A session that is open in the console or a terminal goes on until it ends by itself, up to the permission set's session duration (1 to 12 hours).",
	}
}

func isAccount(s string) bool { return runbooks.Pattern(`[0-9]{12}`)(s) }

// terms are a grant read and found sound.
type terms struct{ account, set, user string }

func (c *Connector) readTerms(g runbooks.Grant) (terms, error) {
	p, err := g.ReadWords(
		runbooks.Word{Name: ParamAccount, Needed: true, Is: "the number of an AWS account", Match: isAccount},
		runbooks.Word{Name: ParamSet, Needed: true, Is: "the ARN of a permission set", Match: isSet},
	)
	if err != nil {
		return terms{}, err
	}
	t := terms{account: p[ParamAccount][0], set: p[ParamSet][0], user: g.Account}
	switch {
	case t.user == "" || len(t.user) > maxUserName || strings.ContainsAny(t.user, " \t\n"):
		return t, refuse("the account is no user name of an identity store: up to %d bytes, without spaces", maxUserName)
	case !slices.Contains(c.scope, t.account):
		return t, refuse("the AWS account %s lies outside of what the target stands for (its setting scope)", t.account)
	}
	return t, nil
}

func isSet(s string) bool {
	return runbooks.Pattern(`arn:aws[a-z-]*:sso:::(?:permissionSet|instance)/[a-zA-Z0-9.-]{4,40}/ps-[a-zA-Z0-9.-]{4,40}`)(s)
}

func refuse(format string, args ...any) error {
	return runbooks.Errorf(runbooks.Refuse, nil, format, args...)
}

func (t terms) key() string { return t.account + " " + t.set + " " + t.user }
func (t terms) ref() string { return "permission set " + t.number() + " on " + t.account }

// number is the last part of a permission set's ARN.
func (t terms) number() string { return t.set[strings.LastIndex(t.set, "/")+1:] }

// known is the id of the person, who must be in the identity store.
func (c *Connector) known(ctx context.Context, t terms) (string, error) {
	id, err := c.userID(ctx, t.user)
	if err == nil && id == "" {
		err = refuse("Identity Center knows no user of the account's name")
	}
	return id, err
}

// userID finds the person in the identity store; "" when there is none.
func (c *Connector) userID(ctx context.Context, name string) (string, error) {
	in := map[string]any{
		"IdentityStoreId":     c.store,
		"AlternateIdentifier": map[string]any{"UniqueAttribute": map[string]string{"AttributePath": "userName", "AttributeValue": name}},
	}
	var out struct{ UserId string }
	err := c.api.JSON(ctx, awsapi.IdentityStore, "AWSIdentityStore.GetUserId", in, &out)
	if awsapi.Is(err, "ResourceNotFoundException") {
		return "", nil
	}
	return out.UserId, err
}

// assignment is what is asked for, and what lists give.
type assignment struct {
	AccountId, PermissionSetArn, PrincipalId, PrincipalType string
}

const user = "USER"

// order is an assignment as it is created and deleted.
func (c *Connector) order(t terms, id string) map[string]string {
	return map[string]string{
		"InstanceArn": c.instance, "TargetId": t.account, "TargetType": "AWS_ACCOUNT", "PermissionSetArn": t.set, "PrincipalType": user, "PrincipalId": id,
	}
}

// Grant asks for the assignment and waits until AWS has made it.
func (c *Connector) Grant(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	t, err := c.readTerms(g)
	if err != nil {
		return runbooks.Receipt{}, err
	}
	id, err := c.known(ctx, t)
	if err != nil {
		return runbooks.Receipt{}, err
	}
	has, err := c.has(ctx, t, id)
	if err != nil {
		return runbooks.Receipt{}, err
	}
	if !has {
		if err := c.carryOut(ctx, "Creation", "CreateAccountAssignment", t, id); err != nil {
			return runbooks.Receipt{}, err
		}
	}
	c.remember(t.key(), true)
	return runbooks.Receipt{
		Ref: t.ref(), Facts: map[string]string{"account": t.account, "permission_set": t.set}, Personal: map[string]string{"user": t.user},
		Use: runbooks.Use{Steps: []string{"Open the access portal of your organisation, as always: the account " + t.account + " is there with the permission set.", "In a terminal: aws sso login, with a profile for it."}},
	}, nil
}

func (c *Connector) remember(key string, made bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if made {
		c.made[key] = true
		return
	}
	delete(c.made, key)
}

func (c *Connector) isMade(key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.made[key]
}

// status is how an order stands: IN_PROGRESS, SUCCEEDED or FAILED.
type status struct{ Status, RequestId, FailureReason string }

// carryOut gives an order and polls until it is done. An order that is refused because another one for the same account is
// at work comes again.
func (c *Connector) carryOut(ctx context.Context, kind, action string, t terms, id string) error {
	var out map[string]status
	if err := c.api.JSON(ctx, awsapi.SSO, "SWBExternalService."+action, c.order(t, id), &out); err != nil {
		return err
	}
	s := out["AccountAssignment"+kind+"Status"]
	for s.Status != "SUCCEEDED" {
		if s.Status == "FAILED" {
			return runbooks.Errorf(runbooks.Retry, nil, "%s: AWS could not do it: %s", action, rest.Clean(s.FailureReason, maxReason))
		}
		if s.RequestId == "" {
			return runbooks.Errorf(runbooks.Broken, nil, "%s: AWS's answer names no order that could be asked about", action)
		}
		if err := c.wait(ctx, action); err != nil {
			return err
		}
		in := map[string]string{"InstanceArn": c.instance, "AccountAssignment" + kind + "RequestId": s.RequestId}
		if err := c.api.JSON(ctx, awsapi.SSO, "SWBExternalService.DescribeAccountAssignment"+kind+"Status", in, &out); err != nil {
			return err
		}
		s = out["AccountAssignment"+kind+"Status"]
	}
	return nil
}

// wait passes the time between two questions.
func (c *Connector) wait(ctx context.Context, what string) error {
	timer := time.NewTimer(c.poll)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return runbooks.Errorf(runbooks.Retry, ctx.Err(), "%s: AWS is still at it", what)
	}
}

// Revoke asks for the end of the assignment and waits until it is listed no more.
func (c *Connector) Revoke(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	t, err := c.readTerms(g)
	if err != nil {
		return runbooks.Receipt{}, err
	}
	return c.takeBack(ctx, t)
}

func (c *Connector) takeBack(ctx context.Context, t terms) (runbooks.Receipt, error) {
	out := runbooks.Receipt{Ref: t.ref(), Facts: map[string]string{"account": t.account, "permission_set": t.set}, Personal: map[string]string{"user": t.user}}
	id, err := c.userID(ctx, t.user)
	if err != nil || id == "" {
		return out, err // who is gone from the store has no assignments
	}
	for {
		has, err := c.has(ctx, t, id)
		if err != nil {
			return runbooks.Receipt{}, err
		}
		if !has {
			c.remember(t.key(), false)
			return out, nil
		}
		err = c.carryOut(ctx, "Deletion", "DeleteAccountAssignment", t, id)
		if err != nil && !awsapi.Is(err, "ResourceNotFoundException") {
			return runbooks.Receipt{}, err
		}
	}
}

// Check reads the assignments of the account.
func (c *Connector) Check(ctx context.Context, g runbooks.Grant) (runbooks.Presence, error) {
	t, err := c.readTerms(g)
	if err != nil {
		return runbooks.Unconfirmed, err
	}
	id, err := c.userID(ctx, t.user)
	if err != nil {
		return runbooks.Unconfirmed, err
	}
	if id == "" {
		return runbooks.Absent, nil
	}
	has, err := c.has(ctx, t, id)
	switch {
	case err != nil:
		return runbooks.Unconfirmed, err
	case has:
		return runbooks.Present, nil
	}
	return runbooks.Absent, nil
}

func (c *Connector) has(ctx context.Context, t terms, id string) (bool, error) {
	for a, err := range c.assignments(ctx, t.account, t.set) {
		if err != nil {
			return false, err
		}
		if a.PrincipalType == user && a.PrincipalId == id {
			return true, nil
		}
	}
	return false, nil
}
