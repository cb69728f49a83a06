package kubernetes

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
)

// What the bot writes on everything that it makes. The form is kept for ever: objects outlive versions of the bot.
const (
	labelManaged  = "app.kubernetes.io/managed-by"
	managed       = "countersign"
	noteGrant     = "countersign.dev/grant"
	noteRequest   = "countersign.dev/request"
	noteHolder    = "countersign.dev/holder"
	noteEnd       = "countersign.dev/end"
	noteAccount   = "countersign.dev/service-account"
	noteAudience  = "countersign.dev/audience"
	noteTokenID   = "countersign.dev/credential-id"
	groupRBAC     = "rbac.authorization.k8s.io"
	bootstrapping = "kubernetes.io/bootstrapping" // a label of what the cluster itself made
)

// The parts of objects that are of use here; see the API reference of Kubernetes for the rest.
type (
	meta struct {
		Name              string            `json:"name,omitempty"`
		Namespace         string            `json:"namespace,omitempty"`
		UID               string            `json:"uid,omitempty"`
		ResourceVersion   string            `json:"resourceVersion,omitempty"`
		CreationTimestamp *time.Time        `json:"creationTimestamp,omitempty"`
		Labels            map[string]string `json:"labels,omitempty"`
		Annotations       map[string]string `json:"annotations,omitempty"`
		ManagedFields     []struct {
			Manager   string    `json:"manager"`
			Operation string    `json:"operation"`
			Time      time.Time `json:"time"`
		} `json:"managedFields,omitempty"`
	}
	reference struct {
		APIGroup string `json:"apiGroup"`
		Kind     string `json:"kind"`
		Name     string `json:"name"`
	}
	subject struct {
		APIGroup  string `json:"apiGroup,omitempty"`
		Kind      string `json:"kind"`
		Name      string `json:"name"`
		Namespace string `json:"namespace,omitempty"`
	}
	binding struct {
		APIVersion string    `json:"apiVersion,omitempty"`
		Kind       string    `json:"kind,omitempty"`
		Metadata   meta      `json:"metadata"`
		Subjects   []subject `json:"subjects,omitempty"`
		RoleRef    reference `json:"roleRef"`
	}
	role struct {
		Metadata meta   `json:"metadata"`
		Rules    []rule `json:"rules"`
	}
	rule struct {
		Verbs         []string `json:"verbs"`
		Resources     []string `json:"resources"`
		ResourceNames []string `json:"resourceNames,omitempty"`
		URLs          []string `json:"nonResourceURLs,omitempty"`
	}
	plain struct {
		APIVersion string `json:"apiVersion,omitempty"`
		Kind       string `json:"kind,omitempty"`
		Metadata   meta   `json:"metadata"`
		Type       string `json:"type,omitempty"` // of a Secret
	}
	list[T any] struct {
		Metadata struct {
			Continue string `json:"continue"`
		} `json:"metadata"`
		Items []T `json:"items"`
	}
)

// place is a collection of objects: "/apis/rbac…/namespaces/shop/rolebindings".
func place(api, namespace, resource string) string {
	if namespace == "" {
		return api + rest.Path(resource)
	}
	return api + rest.Path("namespaces", namespace, resource)
}

const (
	core = "/api/v1"
	rbac = "/apis/" + groupRBAC + "/v1"
)

// get reads one object. False: there is none.
func (c *Connector) get(ctx context.Context, what, path string, out any) (bool, error) {
	r, err := c.api.Do(ctx, rest.Call{Method: http.MethodGet, Path: path})
	switch {
	case err != nil:
		return false, err
	case r.Status == http.StatusNotFound:
		return false, nil
	}
	if err := c.api.Judge(what, r); err != nil {
		return false, err
	}
	return true, c.api.Into(what, r, out)
}

// create makes one object. False: there is one of that name.
func (c *Connector) create(ctx context.Context, what, path string, in, out any) (bool, error) {
	r, err := c.api.Do(ctx, rest.Call{Method: http.MethodPost, Path: path, Body: rest.JSON(in)})
	switch {
	case err != nil:
		return false, err
	case r.Status == http.StatusConflict:
		return false, nil
	}
	if err := c.api.Judge(what, r); err != nil {
		return false, err
	}
	return true, c.api.Into(what, r, out)
}

// remove deletes one object; none is a success.
func (c *Connector) remove(ctx context.Context, what, path string) error {
	r, err := c.api.Do(ctx, rest.Call{Method: http.MethodDelete, Path: path})
	if err != nil || r.Status == http.StatusNotFound {
		return err
	}
	return c.api.Judge(what, r)
}

// pages gives the objects of a collection, some at a time. A list that the server lost its place in (410) is an error: what was
// given so far was true, and the rest is not known.
func pages[T any](ctx context.Context, c *Connector, what, path, selector string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		next := ""
		for range maxPages {
			query := url.Values{"limit": {strconv.Itoa(page)}}
			for name, value := range map[string]string{"continue": next, "labelSelector": selector} {
				if value != "" {
					query.Set(name, value)
				}
			}
			var got list[T]
			if r, err := c.api.Ask(ctx, what, rest.Call{Method: http.MethodGet, Path: path, Query: query}, &got); err != nil {
				if r.Status == http.StatusGone {
					err = runbooks.Errorf(runbooks.Retry, err, "%s: the list changed too much while it was read", what)
				}
				yield(none, err)
				return
			}
			for _, item := range got.Items {
				if !yield(item, nil) {
					return
				}
			}
			if next = got.Metadata.Continue; next == "" {
				return
			}
		}
		yield(none, runbooks.Errorf(runbooks.Broken, nil, "%s: there are more than %d", what, page*maxPages))
	}
}

// each runs over the namespaces that are meant, or once over all.
func (c *Connector) each() []string {
	if len(c.cfg.Namespaces) == 0 {
		return []string{""}
	}
	return c.cfg.Namespaces
}
