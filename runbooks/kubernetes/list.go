package kubernetes

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
	"github.com/countersign-bot/countersign/workflows"
)

// short keeps a text within what a finding keeps, and another one for each that is longer.
func short(s string) string {
	if len(s) <= 500 {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return "sha256:" + hex.EncodeToString(sum[:])
}

func grantID(s string) workflows.GrantID { return workflows.GrantID(s) }

func endOf(m meta) time.Time {
	t, err := time.Parse(time.RFC3339, m.Annotations[noteEnd])
	if err != nil {
		return time.Time{}
	}
	return t
}

// maker tells which program made an object, and when. Kubernetes keeps no names of people on objects; its audit log has them.
func maker(m meta) (by string, at time.Time) {
	if m.CreationTimestamp != nil {
		at = m.CreationTimestamp.UTC()
	}
	for _, f := range m.ManagedFields {
		if by == "" || f.Time.Before(at) {
			by = "the program " + rest.Clean(f.Manager, 100)
		}
	}
	return by, at
}

// ListAccess gives what every binding gives to every subject, or every token that was lent. Tokens that others made leave no
// trace in a cluster but its audit log.
func (c *Connector) ListAccess(ctx context.Context) iter.Seq2[runbooks.Access, error] {
	return func(yield func(runbooks.Access, error) bool) {
		for _, namespace := range c.each() {
			if c.cfg.Tokens {
				if !c.listTokens(ctx, namespace, yield) {
					return
				}
			} else if !c.listBindings(ctx, place(rbac, namespace, "rolebindings"), yield) {
				return
			}
		}
		if !c.cfg.Tokens && len(c.cfg.Namespaces) == 0 {
			c.listBindings(ctx, collection("*"), yield)
		}
	}
}

func (c *Connector) listBindings(ctx context.Context, path string, yield func(runbooks.Access, error) bool) bool {
	for b, err := range pages[binding](ctx, c, "listing bindings", path, "") {
		if err != nil {
			yield(runbooks.Access{}, err)
			return false
		}
		if isBuiltin(b) {
			continue
		}
		for _, a := range accesses(b) {
			if !yield(a, nil) {
				return false
			}
		}
	}
	return true
}

func (c *Connector) listTokens(ctx context.Context, namespace string, yield func(runbooks.Access, error) bool) bool {
	for m, err := range pages[plain](ctx, c, "listing what was lent", place(core, namespace, "configmaps"), labelManaged+"="+managed) {
		if err != nil {
			yield(runbooks.Access{}, err)
			return false
		}
		if m.Metadata.Annotations[noteGrant] != "" && !yield(lent(m), nil) {
			return false
		}
	}
	return true
}

// AccessKey is the key of what a grant makes.
func (c *Connector) AccessKey(g runbooks.Grant) string {
	o, err := c.readOrder(g)
	switch {
	case err != nil:
		return ""
	case c.cfg.Tokens:
		return tokenKey(o.namespace, objectName(g), o.service, o.audience)
	}
	return bindingKey(o.namespace, o.bindingName(), o.role, o.subject)
}

// RemoveAccess takes a subject out of a binding, or a token away.
func (c *Connector) RemoveAccess(ctx context.Context, a runbooks.Access) (runbooks.Receipt, error) {
	receipt := runbooks.Receipt{Ref: a.What, Facts: map[string]string{"key": a.Key}, Personal: map[string]string{"account": a.Account}}
	namespaces := a.Params[ParamNamespace]
	if len(namespaces) != 1 || namespaces[0] != "*" && !isLabel(namespaces[0]) || !c.covers(namespaces[0]) {
		return runbooks.Receipt{}, refuse("the access names no namespace of this target")
	}
	var err error
	if name, isToken := strings.CutPrefix(a.Key, "token "+namespaces[0]+"/"); isToken && c.cfg.Tokens {
		name, _, _ = strings.Cut(name, " ")
		err = c.remove(ctx, "deleting the Secret to which the token is bound", place(core, namespaces[0], "secrets")+rest.Path(name))
		if err == nil {
			err = c.remove(ctx, "removing the mark of the grant", place(core, namespaces[0], "configmaps")+rest.Path(name))
		}
	} else {
		err = c.unbind(ctx, a)
	}
	if err != nil {
		return runbooks.Receipt{}, err
	}
	return receipt, nil
}

// Discover gives the service accounts.
func (c *Connector) Discover(ctx context.Context) iter.Seq2[runbooks.Discovered, error] {
	return func(yield func(runbooks.Discovered, error) bool) {
		for _, namespace := range c.each() {
			for a, err := range pages[plain](ctx, c, "listing service accounts", place(core, namespace, "serviceaccounts"), "") {
				if err != nil {
					yield(runbooks.Discovered{}, err)
					return
				}
				if !yield(discovered(a.Metadata), nil) {
					return
				}
			}
		}
	}
}

func discovered(m meta) runbooks.Discovered {
	x := runbooks.Discovered{Ref: "serviceaccount " + m.Namespace + "/" + m.Name, Kind: "service_account", Name: m.Namespace + "/" + m.Name}
	for _, hint := range []string{"owner", "app.kubernetes.io/owner", "team", "app.kubernetes.io/part-of"} {
		for _, from := range []map[string]string{m.Annotations, m.Labels} {
			if x.Owner == "" {
				x.Owner = rest.Clean(from[hint], 200)
			}
		}
	}
	x.MadeBy, x.MadeAt = maker(m)
	x.Facts = map[string]string{"namespace": m.Namespace}
	return x
}

// ListOffers gives the roles that the bot may bind, where namespaces are named: everywhere else is for entitlements that say so.
func (c *Connector) ListOffers(ctx context.Context) iter.Seq2[runbooks.Offer, error] {
	return func(yield func(runbooks.Offer, error) bool) {
		if c.cfg.Tokens {
			return
		}
		for _, namespace := range c.cfg.Namespaces {
			for _, kind := range []struct{ path, param, resource string }{
				{place(rbac, namespace, "roles"), ParamRole, "roles"}, {place(rbac, "", "clusterroles"), ParamClusterRole, "clusterroles"},
			} {
				for r, err := range pages[role](ctx, c, "listing roles", kind.path, "") {
					if err != nil {
						yield(runbooks.Offer{}, err)
						return
					}
					o := runbooks.Offer{
						Name: namespace + "/" + kind.param + "/" + r.Metadata.Name, Description: summary(r.Rules), Account: true,
						Params: map[string][]string{ParamNamespace: {namespace}, kind.param: {r.Metadata.Name}},
					}
					may, err := c.may(ctx, review{Group: groupRBAC, Resource: kind.resource, Verb: "bind", Name: r.Metadata.Name, Namespace: namespace})
					if err == nil && (!may || strings.HasPrefix(r.Metadata.Name, "system:")) {
						continue
					}
					if !yield(o, err) || err != nil {
						return
					}
				}
			}
		}
	}
}

// summary says what rules allow, in one line.
func summary(rules []rule) string {
	var out []string
	for _, r := range rules {
		on := strings.Join(slices.Concat(r.Resources, r.URLs), ", ")
		if len(r.ResourceNames) > 0 {
			on += " (" + strings.Join(r.ResourceNames, ", ") + ")"
		}
		out = append(out, strings.Join(r.Verbs, ", ")+" on "+on)
	}
	return rest.Clean(strings.Join(out, "; "), 500)
}

// Plan says which binding is made, and what the role allows as far as the bot may read that.
func (c *Connector) Plan(ctx context.Context, g runbooks.Grant) (runbooks.Plan, error) {
	o, err := c.readOrder(g)
	if err != nil {
		return runbooks.Plan{}, err
	}
	presence, err := c.Check(ctx, g)
	if err != nil {
		return runbooks.Plan{}, err
	}
	plan := runbooks.Plan{Notes: []string{c.Describe().RevokeLeaves}}
	if c.cfg.Tokens {
		if presence == runbooks.Absent {
			plan.Changes = []string{fmt.Sprintf("a token of the service account %s/%s is made, which ends with the access", o.namespace, o.service)}
		}
		return plan, nil
	}
	if standing, err := c.standing(ctx, o); err != nil {
		return plan, err
	} else if standing != "" {
		return plan, refuse("the account has the role already through %.200s, which is no grant of this system: ask the owner to remove it there", standing)
	}
	if presence == runbooks.Absent {
		plan.Changes = []string{short(fmt.Sprintf("%s %s gives %s the %s %s in namespace %s", o.kind(), o.bindingName(), o.subject.words(), o.role.Kind, o.role.Name, o.namespace))}
	}
	path := place(rbac, "", "clusterroles")
	if o.role.Kind == "Role" {
		path = place(rbac, o.namespace, "roles")
	}
	var r role
	if there, err := c.get(ctx, "reading the role", path+rest.Path(o.role.Name), &r); err == nil && there {
		plan.Notes = append(plan.Notes, "the role allows: "+summary(r.Rules))
	} else if err == nil {
		return plan, refuse("the cluster has no %s %.200s", o.role.Kind, o.role.Name)
	}
	return plan, nil
}

// review asks the API server what the bot may do (SelfSubjectAccessReview, authorization.k8s.io/v1).
type review struct {
	Group       string `json:"group,omitempty"`
	Resource    string `json:"resource,omitempty"`
	Subresource string `json:"subresource,omitempty"`
	Verb        string `json:"verb,omitempty"`
	Name        string `json:"name,omitempty"`
	Namespace   string `json:"namespace,omitempty"`
}

func (c *Connector) may(ctx context.Context, r review) (bool, error) {
	ask := map[string]any{"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": map[string]any{"resourceAttributes": r}}
	var got struct {
		Status struct {
			Allowed bool `json:"allowed"`
		} `json:"status"`
	}
	_, err := c.api.Ask(ctx, "asking what the bot may do", rest.Call{Method: http.MethodPost, Path: "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", Body: rest.JSON(ask)}, &got)
	return got.Status.Allowed, err
}

func (r review) words() string {
	out := r.Verb + " " + r.Resource
	if r.Subresource != "" {
		out += "/" + r.Subresource
	}
	if r.Name != "" {
		out += " " + r.Name
	}
	if r.Namespace != "" {
		return out + " in " + r.Namespace
	}
	return out + " everywhere"
}
