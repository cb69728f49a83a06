package kubernetes_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// fake is an API server in memory, as far as the connector uses one: objects with names, versions and labels, lists in pages, RBAC
// with its rule against escalation, tokens bound to Secrets, and reviews of access. The same tests run on a real one (real_test.go).
type fake struct {
	mu      sync.Mutex
	objects map[string]map[string]any // path -> object
	version int
	users   map[string]string // token -> user
	issued  map[string]issued // token -> what it is
	ahead   time.Duration     // of the wall clock
}

type issued struct {
	user, secret, uid string
	until             time.Time
}

const rbacGroup = "rbac.authorization.k8s.io"

func newFake(t testing.TB, users map[string]string) *httptest.Server {
	f := &fake{objects: map[string]map[string]any{}, users: users, issued: map[string]issued{}}
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return s
}

// request is one call, taken apart.
type request struct {
	group, namespace, resource, name, sub string
	path, collection                      string
	verb, user                            string
	body                                  map[string]any
}

var pathGrammar = regexp.MustCompile(`^(/api/v1|/apis/[a-z0-9.]+/v1)(?:/namespaces/([^/]+))?/([a-z]+)(?:/([^/]+))?(?:/([a-z]+))?$`)

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	user, ok := f.authenticate(token)
	if !ok {
		fail(w, http.StatusUnauthorized, "Unauthorized", "")
		return
	}
	q, ok := parse(r)
	if !ok {
		fail(w, http.StatusNotFound, "the server could not find the requested resource", "")
		return
	}
	q.user = user
	if err := json.NewDecoder(r.Body).Decode(&q.body); err != nil && r.Method != http.MethodGet && r.Method != http.MethodDelete {
		fail(w, http.StatusBadRequest, err.Error(), "")
		return
	}
	if q.resource == "selfsubjectaccessreviews" {
		f.review(w, q)
		return
	}
	resource := q.resource
	if q.sub != "" {
		resource += "/" + q.sub
	}
	if !f.allowed(user, q.group, resource, q.verb, q.name, q.namespace) {
		fail(w, http.StatusForbidden, fmt.Sprintf("User %q cannot %s resource %q in API group %q in the namespace %q", user, q.verb, resource, q.group, q.namespace), "")
		return
	}
	f.serve(w, r, q)
}

func parse(r *http.Request) (request, bool) {
	parts := pathGrammar.FindStringSubmatch(r.URL.Path)
	if parts == nil {
		return request{}, false
	}
	q := request{namespace: parts[2], resource: parts[3], name: parts[4], sub: parts[5], path: r.URL.Path}
	if group, ok := strings.CutPrefix(parts[1], "/apis/"); ok {
		q.group = strings.TrimSuffix(group, "/v1")
	}
	q.collection = q.path
	if q.name != "" {
		q.collection = strings.TrimSuffix(q.path, "/"+q.name)
	}
	q.verb = map[string]string{"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}[r.Method]
	if q.verb == "get" && q.name == "" {
		q.verb = "list"
	}
	return q, true
}

func (f *fake) authenticate(token string) (string, bool) {
	if user, ok := f.users[token]; ok {
		return user, true
	}
	t, ok := f.issued[token]
	if !ok || !time.Now().Add(f.ahead).Before(t.until) {
		return "", false
	}
	s, there := f.objects[t.secret]
	return t.user, there && at(s, "metadata", "uid") == t.uid
}

func (f *fake) serve(w http.ResponseWriter, r *http.Request, q request) {
	object, there := f.objects[q.path]
	switch {
	case q.sub == "token":
		f.token(w, q)
	case q.verb == "list":
		f.list(w, r, q)
	case q.verb == "create":
		f.create(w, r, q)
	case !there:
		fail(w, http.StatusNotFound, fmt.Sprintf("%s %q not found", q.resource, q.name), q.resource)
	case q.verb == "get":
		answer(w, http.StatusOK, object)
	case q.verb == "delete":
		delete(f.objects, q.path)
		answer(w, http.StatusOK, map[string]any{"kind": "Status", "status": "Success"})
	case q.verb == "update":
		if at(q.body, "metadata", "resourceVersion") != at(object, "metadata", "resourceVersion") {
			fail(w, http.StatusConflict, "the object has been modified", q.resource)
			return
		}
		f.keep(q.path, q.body)
		answer(w, http.StatusOK, q.body)
	case q.verb == "patch":
		if r.Header.Get("Content-Type") != "application/merge-patch+json" {
			fail(w, http.StatusUnsupportedMediaType, "only merge patches here", "")
			return
		}
		notes, _ := object["metadata"].(map[string]any)["annotations"].(map[string]any)
		added, _ := q.body["metadata"].(map[string]any)["annotations"].(map[string]any)
		maps.Copy(notes, added)
		answer(w, http.StatusOK, object)
	}
}

func (f *fake) keep(path string, object map[string]any) {
	f.version++
	object["metadata"].(map[string]any)["resourceVersion"] = strconv.Itoa(f.version)
	f.objects[path] = object
}

var dnsName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)

func (f *fake) create(w http.ResponseWriter, r *http.Request, q request) {
	m, _ := q.body["metadata"].(map[string]any)
	name := at(q.body, "metadata", "name")
	path := q.path + "/" + name
	good := dnsName.MatchString(name) && len(name) <= 253
	if q.group == rbacGroup {
		good = name != "" && name != "." && name != ".." && !strings.ContainsAny(name, "/%")
	}
	_, exists := f.objects[path]
	switch {
	case !good:
		fail(w, http.StatusUnprocessableEntity, fmt.Sprintf("metadata.name: Invalid value: %q", name), q.resource)
		return
	case strings.HasSuffix(q.resource, "bindings") && !f.mayBind(q):
		fail(w, http.StatusForbidden, "user is attempting to grant RBAC permissions not currently held", q.resource)
		return
	case exists:
		fail(w, http.StatusConflict, fmt.Sprintf("%s %q already exists", q.resource, name), q.resource)
		return
	}
	f.version++
	m["uid"], m["creationTimestamp"] = fmt.Sprintf("uid-%d", f.version), time.Now().UTC().Truncate(time.Second).Format(time.RFC3339)
	if q.namespace != "" {
		m["namespace"] = q.namespace
	}
	m["managedFields"] = []any{map[string]any{"manager": "a-program", "operation": "Update", "time": m["creationTimestamp"]}}
	if r.URL.Query().Get("dryRun") != "All" {
		f.keep(path, q.body)
	}
	answer(w, http.StatusCreated, q.body)
}

func (f *fake) mayBind(q request) bool {
	kind := map[string]string{"Role": "roles", "ClusterRole": "clusterroles"}[at(q.body, "roleRef", "kind")]
	return f.allowed(q.user, rbacGroup, kind, "bind", at(q.body, "roleRef", "name"), q.namespace)
}

func (f *fake) list(w http.ResponseWriter, r *http.Request, q request) {
	query := r.URL.Query()
	limit, err := strconv.Atoi(query.Get("limit"))
	if err != nil {
		limit = 500
	}
	limit = min(limit, 3) // small pages, so that paging is what happens
	inPlace := regexp.MustCompile("^" + regexp.QuoteMeta(q.collection) + "/[^/]+$")
	if q.namespace == "" {
		base, _ := strings.CutSuffix(q.collection, "/"+q.resource)
		inPlace = regexp.MustCompile("^" + regexp.QuoteMeta(base) + "(/namespaces/[^/]+)?/" + q.resource + "/[^/]+$")
	}
	var items []any
	next := ""
	for _, path := range slices.Sorted(maps.Keys(f.objects)) {
		if !inPlace.MatchString(path) || path <= query.Get("continue") || !selected(f.objects[path], query.Get("labelSelector")) {
			continue
		}
		if len(items) == limit {
			next = at(items[limit-1].(map[string]any), "path")
			break
		}
		item := maps.Clone(f.objects[path])
		item["path"] = path
		items = append(items, item)
	}
	answer(w, http.StatusOK, map[string]any{"kind": "List", "metadata": map[string]any{"continue": next}, "items": items})
}

func selected(object map[string]any, selector string) bool {
	if selector == "" {
		return true
	}
	m := object["metadata"].(map[string]any)
	labels, _ := m["labels"].(map[string]any)
	if name, value, ok := strings.Cut(selector, "!="); ok {
		return labels[name] != value
	}
	name, value, _ := strings.Cut(selector, "=")
	return labels[name] == value
}

// token is TokenRequest.
func (f *fake) token(w http.ResponseWriter, q request) {
	account, there := f.objects[q.collection[:strings.LastIndex(q.collection, "/")]]
	if !there {
		fail(w, http.StatusNotFound, "serviceaccounts not found", "serviceaccounts")
		return
	}
	seconds := q.body["spec"].(map[string]any)["expirationSeconds"].(float64)
	ref := q.body["spec"].(map[string]any)["boundObjectRef"].(map[string]any)
	secret := "/api/v1/namespaces/" + q.namespace + "/secrets/" + ref["name"].(string)
	bound, bind := f.objects[secret]
	switch {
	case seconds < 600:
		fail(w, http.StatusUnprocessableEntity, "may not specify a duration less than 10 minutes", "")
		return
	case !bind:
		fail(w, http.StatusNotFound, "secrets not found", "secrets")
		return
	case at(bound, "metadata", "uid") != ref["uid"]:
		fail(w, http.StatusConflict, "the UID in the bound object reference does not match", "")
		return
	}
	f.version++
	until := time.Now().Add(f.ahead + time.Duration(seconds)*time.Second)
	aud, _ := json.Marshal(q.body["spec"].(map[string]any)["audiences"])
	claims := fmt.Sprintf(`{"jti":"jti-%d","exp":%d,"aud":%s}`, f.version, until.Unix(), aud)
	token := "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
	f.issued[token] = issued{"system:serviceaccount:" + q.namespace + ":" + at(account, "metadata", "name"), secret, ref["uid"].(string), until}
	q.body["status"] = map[string]any{"token": token, "expirationTimestamp": until.UTC().Format(time.RFC3339)}
	answer(w, http.StatusCreated, q.body)
}

func (f *fake) review(w http.ResponseWriter, q request) {
	a := q.body["spec"].(map[string]any)["resourceAttributes"].(map[string]any)
	text := func(name string) string { s, _ := a[name].(string); return s }
	resource := text("resource")
	if text("subresource") != "" {
		resource += "/" + text("subresource")
	}
	q.body["status"] = map[string]any{"allowed": f.allowed(q.user, text("group"), resource, text("verb"), text("name"), text("namespace"))}
	answer(w, http.StatusCreated, q.body)
}

// allowed evaluates RBAC.
func (f *fake) allowed(user, group, resource, verb, name, namespace string) bool {
	if user == "admin" {
		return true
	}
	for path, b := range f.objects {
		everywhere := strings.HasPrefix(path, "/apis/"+rbacGroup+"/v1/clusterrolebindings/")
		here := namespace != "" && strings.HasPrefix(path, "/apis/"+rbacGroup+"/v1/namespaces/"+namespace+"/rolebindings/")
		if !everywhere && !here || !names(b, user) {
			continue
		}
		role := "/apis/" + rbacGroup + "/v1/clusterroles/" + at(b, "roleRef", "name")
		if at(b, "roleRef", "kind") == "Role" {
			role = "/apis/" + rbacGroup + "/v1/namespaces/" + namespace + "/roles/" + at(b, "roleRef", "name")
		}
		rules, _ := f.objects[role]["rules"].([]any)
		for _, r := range rules {
			r := r.(map[string]any)
			if has(r["apiGroups"], group) && has(r["resources"], resource) && has(r["verbs"], verb) && (r["resourceNames"] == nil || name != "" && slices.Contains(r["resourceNames"].([]any), any(name))) {
				return true
			}
		}
	}
	return false
}

func names(b map[string]any, user string) bool {
	subjects, _ := b["subjects"].([]any)
	return slices.ContainsFunc(subjects, func(s any) bool {
		m := s.(map[string]any)
		if m["kind"] == "ServiceAccount" {
			return user == fmt.Sprintf("system:serviceaccount:%s:%s", m["namespace"], m["name"])
		}
		return m["kind"] == "User" && m["name"] == user
	})
}

func has(list any, x string) bool {
	items, _ := list.([]any)
	return slices.Contains(items, any("*")) || slices.Contains(items, any(x))
}

// at reads a text in nested objects.
func at(object map[string]any, keys ...string) string {
	for _, k := range keys[:len(keys)-1] {
		object, _ = object[k].(map[string]any)
	}
	s, _ := object[keys[len(keys)-1]].(string)
	return s
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func fail(w http.ResponseWriter, status int, message, kind string) {
	answer(w, status, map[string]any{"kind": "Status", "status": "Failure", "message": message, "code": status, "details": map[string]any{"kind": kind}})
}
