package kubernetes

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
)

// The names of bindings are laxer than those of other objects, so that a grant's id fits as it is.
func (o order) bindingName() string { return "countersign-" + string(o.ID) }

func (o order) kind() string {
	if o.namespace == "*" {
		return "ClusterRoleBinding"
	}
	return "RoleBinding"
}

// collection is where bindings of a namespace lie; "*" are those of the cluster.
func collection(namespace string) string {
	if namespace == "*" {
		return place(rbac, "", "clusterrolebindings")
	}
	return place(rbac, namespace, "rolebindings")
}

func (o order) path() string { return collection(o.namespace) + rest.Path(o.bindingName()) }

// bind makes the binding of a grant. It refuses an account that has the role already by somebody else's binding: that access
// would not end with the grant.
func (c *Connector) bind(ctx context.Context, o order) error {
	const what = "making the binding"
	if standing, err := c.standing(ctx, o); err != nil || standing != "" {
		if err == nil {
			err = refuse("the account has the role already through %.200s, which is no grant of this system: ask the owner to remove it there", standing)
		}
		return err
	}
	b := binding{
		APIVersion: groupRBAC + "/v1", Kind: o.kind(), Subjects: []subject{o.subject}, RoleRef: o.role,
		Metadata: meta{Name: o.bindingName(), Labels: map[string]string{labelManaged: managed}, Annotations: o.notes()},
	}
	var got binding
	made, err := c.create(ctx, what, collection(o.namespace), b, &got)
	if err != nil || made {
		return err
	}
	there, err := c.get(ctx, what, o.path(), &got)
	switch {
	case err != nil:
		return err
	case !there:
		return runbooks.Errorf(runbooks.Retry, nil, "%s: it was there, and then it was not", what)
	case !o.isSame(got.Metadata) || !slices.Equal(got.Subjects, b.Subjects) || got.RoleRef != b.RoleRef:
		return otherContents()
	}
	return nil
}

// standing finds a binding that somebody else made and that gives the same; "" when there is none.
func (c *Connector) standing(ctx context.Context, o order) (string, error) {
	for b, err := range pages[binding](ctx, c, "reading the bindings", collection(o.namespace), labelManaged+"!="+managed) {
		if err != nil {
			return "", err
		}
		if b.RoleRef == o.role && slices.Contains(b.Subjects, o.subject) {
			return o.kind() + " " + b.Metadata.Name, nil
		}
	}
	return "", nil
}

func (c *Connector) isBound(ctx context.Context, o order) (bool, error) {
	var got binding
	there, err := c.get(ctx, "reading the binding", o.path(), &got)
	if there || err != nil {
		return there, err
	}
	standing, err := c.standing(ctx, o)
	return standing != "", err
}

// bindingKey names the access that one subject has through one binding. It names the role and the subject, too, so that a
// binding of ours which somebody changed is explained by no grant.
func bindingKey(namespace, name string, r reference, s subject) string {
	return short(fmt.Sprintf("%s/%s %s %q %s", namespace, name, r.Kind, r.Name, s.words()))
}

// accesses are what one binding gives, one for each subject.
func accesses(b binding) []runbooks.Access {
	namespace := b.Metadata.Namespace
	if namespace == "" {
		namespace = "*"
	}
	var out []runbooks.Access
	for _, s := range b.Subjects {
		a := runbooks.Access{
			Key: bindingKey(namespace, b.Metadata.Name, b.RoleRef, s), Account: s.Name,
			Params: map[string][]string{ParamNamespace: {namespace}},
			What:   short(fmt.Sprintf("%s has the %s %s in namespace %s", s.words(), b.RoleRef.Kind, b.RoleRef.Name, namespace)),
		}
		if s.Kind == "ServiceAccount" {
			a.Account = s.Namespace + "/" + s.Name
			a.Params[ParamSubject] = []string{s.Kind}
		}
		if b.RoleRef.Kind == "Role" {
			a.Params[ParamRole] = []string{b.RoleRef.Name}
		} else {
			a.Params[ParamClusterRole] = []string{b.RoleRef.Name}
		}
		grant := b.Metadata.Annotations[noteGrant]
		if b.Metadata.Labels[labelManaged] == managed && b.Metadata.Name == "countersign-"+grant && len(b.Subjects) == 1 {
			a.Ours, a.Grant, a.Ends = true, grantID(grant), endOf(b.Metadata)
		}
		a.MadeBy, a.MadeAt = maker(b.Metadata)
		out = append(out, a)
	}
	return out
}

// isBuiltin tells whether the cluster itself made a binding, or keeps it.
func isBuiltin(b binding) bool {
	return b.Metadata.Labels[bootstrapping] != "" || strings.HasPrefix(b.Metadata.Name, "system:")
}

// unbind takes one subject out of a binding as it was listed.
func (c *Connector) unbind(ctx context.Context, a runbooks.Access) error {
	const what = "removing the subject from its binding"
	namespace := a.Params[ParamNamespace][0]
	name, _, _ := strings.Cut(strings.TrimPrefix(a.Key, namespace+"/"), " ")
	path := collection(namespace) + rest.Path(name)
	var b binding
	there, err := c.get(ctx, what, path, &b)
	if err != nil || !there {
		return err
	}
	kept := slices.DeleteFunc(slices.Clone(b.Subjects), func(s subject) bool { return bindingKey(namespace, name, b.RoleRef, s) == a.Key })
	switch len(kept) {
	case len(b.Subjects):
		return nil
	case 0:
		return c.remove(ctx, what, path)
	}
	b.Subjects = kept // with the version that was read: a change meanwhile is a conflict
	b.Metadata.ManagedFields = nil
	r, err := c.api.Do(ctx, rest.Call{Method: "PUT", Path: path, Body: rest.JSON(b)})
	if err == nil && r.Status == 409 {
		return runbooks.Errorf(runbooks.Retry, nil, "%s: somebody else changed it meanwhile", what)
	}
	if err != nil {
		return err
	}
	return c.api.Judge(what, r)
}
