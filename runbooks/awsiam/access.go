package awsiam

import (
	"context"
	"iter"
	"net/url"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/awsapi"
	"github.com/countersign-bot/countersign/runbooks/rest"
	"github.com/countersign-bot/countersign/workflows"
)

// userDetail is what AWS tells of a user in one go.
type userDetail struct {
	Name     string    `xml:"UserName"`
	ARN      string    `xml:"Arn"`
	Created  time.Time `xml:"CreateDate"`
	Policies []struct {
		Name     string `xml:"PolicyName"`
		Document string `xml:"PolicyDocument"`
	} `xml:"UserPolicyList>member"`
	Attached []struct {
		Name string `xml:"PolicyName"`
	} `xml:"AttachedManagedPolicies>member"`
	Groups []string `xml:"GroupList>member"`
	Tags   []struct {
		Key, Value string
	} `xml:"Tags>member"`
}

func key(user, policy string) string { return "user " + user + " policy " + policy }

// AccessKey is the user and the name of the grant's policy; empty when the grant could never be made.
func (c *Connector) AccessKey(g runbooks.Grant) string {
	t, err := readTerms(g)
	if err != nil {
		return ""
	}
	return key(t.user, t.name)
}

// ListAccess lists the inline policies of users, by whoever they were made; those of ours that ended by themselves are
// access no more. Managed policies and groups are how an account gives its standing access: Discover shows them.
func (c *Connector) ListAccess(ctx context.Context) iter.Seq2[runbooks.Access, error] {
	return func(yield func(runbooks.Access, error) bool) {
		for u, err := range c.users(ctx) {
			if err != nil {
				yield(runbooks.Access{}, err)
				return
			}
			for _, p := range u.Policies {
				a, live := c.access(u.Name, p.Name, p.Document)
				if live && !yield(a, nil) {
					return
				}
			}
		}
	}
}

func (c *Connector) access(user, name, doc string) (runbooks.Access, bool) {
	a := runbooks.Access{Key: key(user, name), Account: user, What: rest.Clean("inline policy "+name, maxShown)}
	d, err := decode(doc)
	if err != nil || len(d.Statement) != 1 {
		return a, true
	}
	s := d.Statement[0]
	a.Params = map[string][]string{ParamActions: s.Action, ParamResources: s.Resource}
	if len(s.Action) > 0 && s.Action[0] == "sts:AssumeRole" && len(s.Resource) == 1 {
		a.Params = map[string][]string{ParamRole: s.Resource}
	}
	a.What = rest.Clean(strings.Join(s.Action, " ")+" on "+strings.Join(s.Resource, " "), maxShown)
	end, ends := d.end()
	if id, ours := strings.CutPrefix(name, prefixGrant); ours && ends && s.Sid == "Countersign" {
		a.Ours, a.Grant, a.Ends, a.MadeBy = true, workflows.GrantID(id), end, "countersign"
		return a, c.now().Before(end)
	}
	return a, true
}

// RemoveAccess removes the policy that is listed under the key.
func (c *Connector) RemoveAccess(ctx context.Context, a runbooks.Access) (runbooks.Receipt, error) {
	name, ok := strings.CutPrefix(a.Key, key(a.Account, ""))
	if !ok || name == "" || !runbooks.Pattern(`[A-Za-z0-9+=,.@_-]{1,64}`)(a.Account) || !runbooks.Pattern(`[A-Za-z0-9+=,.@_-]{1,128}`)(name) {
		return runbooks.Receipt{}, refuse("that is no access as this target lists it")
	}
	return runbooks.Receipt{Ref: "policy " + name, Personal: map[string]string{"user": a.Account}}, c.remove(ctx, a.Account, name)
}

// Discover finds users with what they may do, and their access keys with their last use.
func (c *Connector) Discover(ctx context.Context) iter.Seq2[runbooks.Discovered, error] {
	return func(yield func(runbooks.Discovered, error) bool) {
		for u, err := range c.users(ctx) {
			if err != nil {
				yield(runbooks.Discovered{}, err)
				return
			}
			if !yield(u.discovered(), nil) {
				return
			}
			keys, err := c.keys(ctx, u.Name)
			if err != nil {
				yield(runbooks.Discovered{}, err)
				return
			}
			for _, k := range keys {
				d, err := c.discoveredKey(ctx, u.Name, k)
				if !yield(d, err) || err != nil {
					return
				}
			}
		}
	}
}

func (u userDetail) discovered() runbooks.Discovered {
	d := runbooks.Discovered{Ref: "user " + u.Name, Name: u.Name, MadeAt: u.Created.UTC()}
	for _, tag := range u.Tags {
		if strings.EqualFold(tag.Key, "owner") {
			d.Owner = rest.Clean(tag.Value, maxShown)
		}
	}
	add := func(s string) {
		if len(d.Grants) < maxGrants {
			d.Grants = append(d.Grants, rest.Clean(s, maxShown))
		}
	}
	for _, p := range u.Attached {
		add("policy " + p.Name)
		d.Strong = d.Strong || p.Name == "AdministratorAccess" || p.Name == "IAMFullAccess" || p.Name == "PowerUserAccess"
	}
	for _, g := range u.Groups {
		add("group " + g)
	}
	for _, p := range u.Policies {
		add("inline policy " + p.Name)
	}
	return d
}

type accessKey struct {
	ID      string    `xml:"AccessKeyId"`
	Status  string    `xml:"Status"`
	Created time.Time `xml:"CreateDate"`
}

func (c *Connector) keys(ctx context.Context, user string) ([]accessKey, error) {
	var out struct {
		Keys []accessKey `xml:"ListAccessKeysResult>AccessKeyMetadata>member"`
	}
	err := c.api.Query(ctx, awsapi.IAM, "ListAccessKeys", url.Values{"UserName": {user}}, &out)
	if awsapi.Is(err, "NoSuchEntity") {
		return nil, nil
	}
	return out.Keys, err
}

// discoveredKey shows a key by its masked id: the whole one is what AWS calls an identifier, and what scanners for leaked
// secrets take for one.
func (c *Connector) discoveredKey(ctx context.Context, user string, k accessKey) (runbooks.Discovered, error) {
	var out struct {
		Used    string `xml:"GetAccessKeyLastUsedResult>AccessKeyLastUsed>LastUsedDate"`
		Service string `xml:"GetAccessKeyLastUsedResult>AccessKeyLastUsed>ServiceName"`
	}
	if err := c.api.Query(ctx, awsapi.IAM, "GetAccessKeyLastUsed", url.Values{"AccessKeyId": {k.ID}}, &out); err != nil {
		return runbooks.Discovered{}, err
	}
	d := runbooks.Discovered{
		Ref: keyRef(user, k.ID), Kind: "api_key", Name: "Access key of " + user, Of: "user " + user, MadeAt: k.Created.UTC(),
		Facts: map[string]string{"status": rest.Clean(k.Status, maxShown), "last_service": rest.Clean(out.Service, maxShown), "last_four": k.ID[max(0, len(k.ID)-4):]},
	}
	if used, err := time.Parse(time.RFC3339, out.Used); err == nil {
		d.LastUsed = used.UTC()
	}
	return d, nil
}

// keyRef names a key by its user and the end of its id, of which a user has two at most.
func keyRef(user, id string) string { return "key " + user + "/…" + id[max(0, len(id)-6):] }
