package kubernetes_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/kubernetes"
	"github.com/countersign-bot/countersign/runbooks/runbooktest"
	"github.com/countersign-bot/countersign/workflows"
)

// cluster is an API server of a test, the fake or a real one, with the accounts that the manual of the connector names.
type cluster struct {
	url   string
	roots *x509.CertPool
	audit string // of a real one
	http  *http.Client
	fake  *fake

	mu    sync.Mutex
	ahead time.Duration // of product time
	count int
}

func tokens() map[string]string {
	out := map[string]string{"admin-token": "admin", "canary-bot-token": "countersign", "weak-token": "weak", "strong-token": "strong"}
	for i := range 6 {
		out[fmt.Sprintf("user-token-%d", i)] = fmt.Sprintf("user-%d", i)
	}
	return out
}

func fakeCluster(t *testing.T) *cluster {
	server := newFake(t, tokens())
	c := &cluster{url: server.URL, http: http.DefaultClient, fake: server.Config.Handler.(*fake)}
	c.furnish(t)
	return c
}

func realCluster(t *testing.T) *cluster {
	c := &cluster{}
	c.url, c.roots, c.audit = newReal(t, tokens())
	c.http = &http.Client{Transport: transport(c.roots)}
	c.furnish(t)
	return c
}

func transport(roots *x509.CertPool) *http.Transport {
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
}

// say makes a call and gives the status and the answer.
func (c *cluster) say(t testing.TB, token, method, path string, body any) (int, map[string]any) {
	t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), method, c.url+path, bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	_ = json.Unmarshal(answer, &out)
	return resp.StatusCode, out
}

// must makes an object as the administrator.
func (c *cluster) must(t testing.TB, path string, object map[string]any) {
	t.Helper()
	if status, answer := c.say(t, "admin-token", http.MethodPost, path, object); status != http.StatusCreated {
		t.Fatalf("%s: %d %v", path, status, answer)
	}
}

type m = map[string]any

func named(name string) m { return m{"name": name} }

func clusterRole(name string, rules ...m) m {
	return m{"apiVersion": rbacGroup + "/v1", "kind": "ClusterRole", "metadata": named(name), "rules": rules}
}

func rule(group, resources, verbs string, names ...string) m {
	out := m{"apiGroups": []string{group}, "resources": strings.Split(resources, ","), "verbs": strings.Split(verbs, ",")}
	if len(names) > 0 {
		out["resourceNames"] = names
	}
	return out
}

func bindingOf(kind, name, role string, subjects ...m) m {
	return m{"apiVersion": rbacGroup + "/v1", "kind": kind, "metadata": named(name), "roleRef": m{"apiGroup": rbacGroup, "kind": "ClusterRole", "name": role}, "subjects": subjects}
}

func userSubject(name string) m { return m{"kind": "User", "apiGroup": rbacGroup, "name": name} }

const rbacPath = "/apis/" + rbacGroup + "/v1"

// furnish makes the accounts: the bot with the rights of the manual, one with fewer and one with more.
func (c *cluster) furnish(t *testing.T) {
	t.Helper()
	bindable := []string{"pod-reader"}
	for _, s := range runbooktest.Nasty() {
		if s != "" && len(s) <= 253 && !strings.ContainsAny(s, "/%") && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0xfffd }) {
			bindable = append(bindable, s)
		}
	}
	c.must(t, rbacPath+"/clusterroles", clusterRole("pod-reader", rule("", "pods", "get,list")))
	c.must(t, rbacPath+"/clusterroles", clusterRole("countersign-bindings",
		rule(rbacGroup, "rolebindings", "create,get,list,update,delete"), rule(rbacGroup, "roles,clusterroles", "get,list"),
		rule(rbacGroup, "clusterroles", "bind", bindable...), rule(rbacGroup, "roles", "bind", append(bindable, "own-reader")...),
		rule("", "serviceaccounts", "list")))
	c.must(t, rbacPath+"/clusterroles", clusterRole("countersign-tokens",
		rule("", "secrets", "create,delete"), rule("", "configmaps", "create,get,list,patch,delete"), rule("", "serviceaccounts/token", "create", append([]string{"deployer"}, bindable...)...), rule("", "serviceaccounts", "list")))
	c.must(t, rbacPath+"/clusterroles", clusterRole("everything", rule("*", "*", "*")))
	c.must(t, rbacPath+"/clusterrolebindings", bindingOf("ClusterRoleBinding", "the-bot", "countersign-bindings", userSubject("countersign")))
	c.must(t, rbacPath+"/clusterrolebindings", bindingOf("ClusterRoleBinding", "the-strong", "everything", userSubject("strong")))
}

// namespace makes one with a service account that may read pods.
func (c *cluster) namespace(t *testing.T) string {
	t.Helper()
	c.mu.Lock()
	c.count++
	name := fmt.Sprintf("ns-%d", c.count)
	c.mu.Unlock()
	c.must(t, "/api/v1/namespaces", m{"apiVersion": "v1", "kind": "Namespace", "metadata": named(name)})
	c.must(t, "/api/v1/namespaces/"+name+"/serviceaccounts", m{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": m{"name": "deployer", "annotations": m{"owner": "team-shop"}}})
	return name
}

// lendingBot lets the bot hand out tokens in a namespace; the account is another one than for bindings.
func (c *cluster) lending(t *testing.T, namespace string) {
	t.Helper()
	c.must(t, rbacPath+"/namespaces/"+namespace+"/rolebindings", bindingOf("RoleBinding", "lends", "countersign-tokens", userSubject("weak")))
	c.must(t, rbacPath+"/namespaces/"+namespace+"/rolebindings", bindingOf("RoleBinding", "deploys", "pod-reader", m{"kind": "ServiceAccount", "namespace": namespace, "name": "deployer"}))
}

func (c *cluster) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *cluster) advance(d time.Duration) {
	c.mu.Lock()
	c.ahead += d
	c.mu.Unlock()
	if c.fake != nil {
		c.fake.mu.Lock()
		c.fake.ahead += d
		c.fake.mu.Unlock()
	}
}

func (c *cluster) open(t testing.TB, token string, change func(*kubernetes.Config)) *kubernetes.Connector {
	t.Helper()
	cfg := kubernetes.Config{URL: c.url, Roots: c.roots, Token: func() (runbooks.Secret, error) { return runbooks.NewSecret(token), nil }, Now: c.now}
	change(&cfg)
	con, err := kubernetes.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = con.Close() })
	return con
}

// reads tells whether a token reads the pods of a namespace. A real server judges by what its caches have, which is a few
// milliseconds old: it gets a moment first.
func (c *cluster) reads(t testing.TB, token, namespace string) bool {
	t.Helper()
	if c.fake == nil {
		<-time.After(100 * time.Millisecond)
	}
	status, answer := c.say(t, token, http.MethodGet, "/api/v1/namespaces/"+namespace+"/pods", nil)
	if status != http.StatusOK && status != http.StatusForbidden && status != http.StatusUnauthorized {
		t.Fatalf("reading pods: %d %v", status, answer)
	}
	return status == http.StatusOK
}

func grantOf(id, account, namespace string) runbooks.Grant {
	at := time.Now().UTC().Truncate(time.Second)
	return runbooks.Grant{
		ID: workflows.GrantID("g_" + id), Request: workflows.RequestID("r_" + id), Identity: "p_1", Holder: "Alice Ng", Account: account, Target: "cluster", Entitlement: "read",
		Params: map[string][]string{"namespace": {namespace}, "cluster_role": {"pod-reader"}}, Start: at, End: at.Add(time.Hour),
	}
}

// TestThreat_T44_Exercise holds the connector to the contract on the fake, TestReal on a real cluster.
func TestThreat_T44_Exercise(t *testing.T) {
	t.Parallel()
	exerciseBindings(t, fakeCluster(t))
}

func TestReq_R64_ExerciseTokens(t *testing.T) {
	t.Parallel()
	exerciseTokens(t, fakeCluster(t))
}

// TestReal runs everything on a real API server (see real_test.go).
func TestReal(t *testing.T) {
	c := realCluster(t)
	t.Run("bindings", func(t *testing.T) { exerciseBindings(t, c) })
	t.Run("tokens", func(t *testing.T) { exerciseTokens(t, c) })
	t.Run("probe", func(t *testing.T) { probe(t, c) })
	t.Run("story", func(t *testing.T) { story(t, c) })
	t.Run("logs", func(t *testing.T) { auditLog(t, c) })
	t.Run("others", func(t *testing.T) { others(t, c) })
}

func exerciseBindings(t *testing.T, c *cluster) {
	runbooktest.Exercise(t, func(t *testing.T) runbooktest.System {
		namespace := c.namespace(t)
		start := time.Now().UTC().Truncate(time.Second)
		return runbooktest.System{
			Connector: c.open(t, "canary-bot-token", func(cfg *kubernetes.Config) { cfg.Namespaces = []string{namespace} }),
			Secrets:   []string{"canary-bot-token"},
			Grant: func(n int) runbooks.Grant {
				g := grantOf(fmt.Sprintf("%s-%d", namespace, n), fmt.Sprintf("user-%d", n), namespace)
				g.Start, g.End = start, start.Add(time.Hour)
				return g
			},
			Works: func(t *testing.T, g runbooks.Grant, _ runbooks.Receipt) bool {
				return c.reads(t, strings.Replace(g.Account, "user-", "user-token-", 1), namespace)
			},
			Arrived: func(t *testing.T, g runbooks.Grant, _ runbooks.Receipt, place runbooktest.Place) string {
				_, b := c.say(t, "admin-token", http.MethodGet, rbacPath+"/namespaces/"+namespace+"/rolebindings/countersign-"+string(g.ID), nil)
				if place.Kind == "account" {
					return at(b["subjects"].([]any)[0].(m), "name")
				}
				return at(b, "roleRef", "name")
			},
			More:  func(t *testing.T) []runbooktest.Sound { return c.more(t, namespace, start) },
			Words: filepath.Join("testdata", "words.txt"),
			Foreign: func(t *testing.T, g runbooks.Grant) {
				c.must(t, rbacPath+"/namespaces/"+namespace+"/rolebindings", bindingOf("RoleBinding", "by-hand", "pod-reader", userSubject(g.Account), userSubject("somebody")))
				c.removeSubject(t, namespace, "by-hand", "somebody")
			},
		}
	})
}

// more are the other kinds of grant: of a namespace's own role, to a named kind of subject, and tokens.
func (c *cluster) more(t *testing.T, namespace string, start time.Time) []runbooktest.Sound {
	t.Helper()
	c.must(t, rbacPath+"/namespaces/"+namespace+"/roles", m{
		"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": m{"name": "own-reader"},
		"rules": []any{m{"apiGroups": []string{""}, "resources": []string{"pods"}, "verbs": []string{"get", "list"}}},
	})
	c.lending(t, namespace)
	grant := func(id, account string, words ...string) runbooks.Grant {
		g := grantOf(namespace+id, account, namespace)
		g.Start, g.End, g.Params = start, start.Add(time.Hour), map[string][]string{"namespace": {namespace}}
		for i := 0; i < len(words); i += 2 {
			g.Params[words[i]] = []string{words[i+1]}
		}
		return g
	}
	bound := func(keys ...string) func(*testing.T, runbooks.Grant, runbooks.Receipt, runbooktest.Place) string {
		return func(t *testing.T, g runbooks.Grant, _ runbooks.Receipt, _ runbooktest.Place) string {
			_, b := c.say(t, "admin-token", http.MethodGet, rbacPath+"/namespaces/"+namespace+"/rolebindings/countersign-"+string(g.ID), nil)
			if keys[0] == "subjects" {
				return at(b["subjects"].([]any)[0].(m), keys[1])
			}
			return at(b, keys...)
		}
	}
	return []runbooktest.Sound{
		{Grant: grant("-role", "user-1", "role", "own-reader"), Arrived: bound("roleRef", "name")},
		{Grant: grant("-subject", "user-1", "cluster_role", "pod-reader", "subject", "User"), Arrived: bound("subjects", "kind")},
		{
			Grant:     grant("-token", "", "service_account", "deployer", "audience", "orders"),
			Connector: c.open(t, "weak-token", func(cfg *kubernetes.Config) { cfg.Namespaces, cfg.Tokens = []string{namespace}, true }),
			Arrived: func(t *testing.T, _ runbooks.Grant, r runbooks.Receipt, place runbooktest.Place) string {
				if place.Name != "audience" {
					return r.Facts[place.Name]
				}
				var claims struct{ Aud []string }
				raw, err := base64.RawURLEncoding.DecodeString(strings.Split(r.Handover.Parts[0].Value.Reveal(), ".")[1])
				if err != nil || json.Unmarshal(raw, &claims) != nil || len(claims.Aud) != 1 {
					t.Fatalf("the token says %s (%v)", raw, err)
				}
				return claims.Aud[0]
			},
		},
	}
}

// removeSubject leaves one subject, so that one access was made by hand.
func (c *cluster) removeSubject(t *testing.T, namespace, name, user string) {
	t.Helper()
	path := rbacPath + "/namespaces/" + namespace + "/rolebindings/" + name
	_, b := c.say(t, "admin-token", http.MethodGet, path, nil)
	b["subjects"] = slices.DeleteFunc(b["subjects"].([]any), func(s any) bool { return s.(m)["name"] == user })
	if status, answer := c.say(t, "admin-token", http.MethodPut, path, b); status != http.StatusOK {
		t.Fatalf("%d %v", status, answer)
	}
}

// lender is the connector, and remembers the token of each grant.
type lender struct {
	*kubernetes.Connector
	cluster *cluster
	mu      sync.Mutex
	tokens  map[workflows.GrantID]string
	ends    map[workflows.GrantID]time.Time // of the tokens, in product time
}

func (l *lender) Grant(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	r, err := l.Connector.Grant(ctx, g)
	if err == nil {
		l.mu.Lock()
		l.tokens[g.ID] = r.Handover.Parts[0].Value.Reveal()
		l.ends[g.ID] = expiry(l.tokens[g.ID])
		if l.cluster.fake == nil { // a real server keeps its own time
			l.ends[g.ID] = l.ends[g.ID].Add(time.Until(l.cluster.now()))
		}
		l.mu.Unlock()
	}
	return r, err
}

func exerciseTokens(t *testing.T, c *cluster) {
	runbooktest.Exercise(t, func(t *testing.T) runbooktest.System {
		namespace := c.namespace(t)
		c.lending(t, namespace)
		l := &lender{cluster: c, tokens: map[workflows.GrantID]string{}, ends: map[workflows.GrantID]time.Time{}, Connector: c.open(t, "weak-token", func(cfg *kubernetes.Config) {
			cfg.Namespaces, cfg.Tokens = []string{namespace}, true
		})}
		start := c.now().UTC().Truncate(time.Second)
		return runbooktest.System{
			Connector: l,
			Secrets:   []string{"canary-bot-token"},
			Grant: func(n int) runbooks.Grant {
				g := grantOf(fmt.Sprintf("%s-%d", namespace, n), "", namespace)
				g.Params = map[string][]string{"namespace": {namespace}, "service_account": {"deployer"}}
				g.Start, g.End = start, start.Add(time.Hour)
				return g
			},
			Works: func(t *testing.T, g runbooks.Grant, _ runbooks.Receipt) bool {
				l.mu.Lock()
				token, end := l.tokens[g.ID], l.ends[g.ID]
				l.mu.Unlock()
				return token != "" && c.now().Before(end) && c.reads(t, token, namespace)
			},
			// A real API server remembers a token for ten seconds.
			Settle: func(t *testing.T) { c.forget(t, l, namespace) },
			// A real one keeps its own time: what it holds to is the end that it wrote into the token.
			Advance: c.advance,
			Arrived: func(t *testing.T, g runbooks.Grant, r runbooks.Receipt, place runbooktest.Place) string {
				return r.Facts[place.Name]
			},
		}
	})
}

// expiry is the end that a token carries; zero when it carries none.
func expiry(token string) time.Time {
	var claims struct {
		Exp int64 `json:"exp"`
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil || json.Unmarshal(raw, &claims) != nil {
		return time.Time{}
	}
	return time.Unix(claims.Exp, 0)
}

// forget waits until no token whose Secret is gone is taken any more.
func (c *cluster) forget(t *testing.T, l *lender, namespace string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	_, secrets := c.say(t, "admin-token", http.MethodGet, "/api/v1/namespaces/"+namespace+"/secrets?limit=500", nil)
	there := fmt.Sprint(secrets["items"])
	for id, token := range l.tokens {
		if strings.Contains(there, string(id)) {
			continue
		}
		for deadline := time.Now().Add(90 * time.Second); c.reads(t, token, namespace); <-time.After(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("the token of %s is still taken", id)
			}
		}
	}
}

func TestReq_R75_Probe(t *testing.T) {
	t.Parallel()
	probe(t, fakeCluster(t))
}

// probe: the rights of the manual are enough and no more; more, less and none are told.
func probe(t *testing.T, c *cluster) {
	namespace := c.namespace(t)
	c.lending(t, namespace)
	for _, x := range []struct {
		name, token string
		tokens      bool
		good        bool
		words       string
	}{
		{"bindings", "canary-bot-token", false, true, ""},
		{"tokens", "weak-token", true, true, ""},
		{"too strong", "strong-token", false, false, "may get secrets"},
		{"too strong for tokens", "strong-token", true, false, "may create rolebindings"},
		{"too weak", "user-token-1", false, false, "may not create rolebindings"},
		{"too weak for tokens", "user-token-1", true, false, "may not create secrets"},
		{"nobody", "canary-wrong", false, false, "does not accept our credentials"},
	} {
		con := c.open(t, x.token, func(cfg *kubernetes.Config) { cfg.Namespaces, cfg.Tokens = []string{namespace}, x.tokens })
		said := ""
		for _, f := range con.Probe(t.Context()) {
			if !f.OK {
				said += f.What + "\n"
				if f.Do == "" {
					t.Errorf("%s: %+v", x.name, f)
				}
			}
		}
		if (said == "") != x.good || !strings.Contains(said, x.words) || strings.Contains(said, "canary") {
			t.Errorf("%s: want %q, found\n%s", x.name, x.words, said)
		}
	}
}

func TestStory(t *testing.T) {
	t.Parallel()
	story(t, fakeCluster(t))
}

// story: standing access is not taken, a changed binding is explained by no grant, and everything says who and when.
func story(t *testing.T, c *cluster) {
	namespace := c.namespace(t)
	con := c.open(t, "canary-bot-token", func(cfg *kubernetes.Config) { cfg.Namespaces = []string{namespace} })
	g := grantOf("story-"+namespace, "user-1", namespace)
	bindings := rbacPath + "/namespaces/" + namespace + "/rolebindings"
	c.must(t, bindings, bindingOf("RoleBinding", "standing", "pod-reader", userSubject("user-1"), userSubject("user-2")))
	_, err := con.Grant(t.Context(), g)
	wantError(t, err, runbooks.Refuse, "RoleBinding standing")
	_, err = con.Plan(t.Context(), g)
	wantError(t, err, runbooks.Refuse, "RoleBinding standing")
	if p, err := con.Check(t.Context(), g); p != runbooks.Present || err != nil {
		t.Errorf("check: %s, %v", p, err)
	}
	for _, a := range listed(t, con) {
		if a.Account == "user-1" {
			if a.Ours || a.MadeAt.IsZero() || !strings.HasPrefix(a.MadeBy, "the program ") {
				t.Errorf("listed: %+v", a)
			}
			if _, err := con.RemoveAccess(t.Context(), a); err != nil {
				t.Fatal(err)
			}
		}
	}
	if c.reads(t, "user-token-1", namespace) || !c.reads(t, "user-token-2", namespace) {
		t.Error("one subject was to be taken out, and the other one to stay")
	}
	plan, err := con.Plan(t.Context(), g)
	if err != nil || !strings.Contains(strings.Join(plan.Notes, "\n"), "get, list on pods") {
		t.Errorf("plan: %+v, %v", plan, err)
	}
	if _, err := con.Grant(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	_, b := c.say(t, "admin-token", http.MethodGet, bindings+"/countersign-"+string(g.ID), nil)
	notes := b["metadata"].(m)["annotations"].(m)
	if notes["countersign.dev/grant"] != string(g.ID) || notes["countersign.dev/request"] != string(g.Request) || notes["countersign.dev/holder"] != "Alice Ng" {
		t.Errorf("annotations: %v", notes)
	}
	b["subjects"] = append(b["subjects"].([]any), userSubject("mallory"))
	if status, answer := c.say(t, "admin-token", http.MethodPut, bindings+"/countersign-"+string(g.ID), b); status != http.StatusOK {
		t.Fatalf("%d %v", status, answer)
	}
	for _, a := range listed(t, con) {
		if a.Account == "mallory" && (a.Ours || a.Key == con.AccessKey(g)) {
			t.Errorf("who was put into our binding counts as ours: %+v", a)
		}
	}
	_, err = con.Grant(t.Context(), g)
	wantError(t, err, runbooks.Refuse, "other contents")
	if _, err := con.Revoke(t.Context(), g); err != nil || c.reads(t, "user-token-1", namespace) {
		t.Errorf("revoke: %v", err)
	}
}

func listed(t *testing.T, l runbooks.Lister) (out []runbooks.Access) {
	t.Helper()
	for a, err := range l.ListAccess(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, a)
	}
	return out
}

func TestOthers(t *testing.T) {
	t.Parallel()
	others(t, fakeCluster(t))
}

// others: service accounts, the whole cluster, roles of a namespace, what may not be bound, and what is discovered.
func others(t *testing.T, c *cluster) {
	namespace := c.namespace(t)
	c.lending(t, namespace)
	con := c.open(t, "canary-bot-token", func(cfg *kubernetes.Config) { cfg.Namespaces = []string{namespace} })
	g := grantOf("sa-"+namespace, namespace+"/robot", namespace)
	g.Params["subject"] = []string{"ServiceAccount"}
	if _, err := con.Grant(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	found := slices.ContainsFunc(listed(t, con), func(a runbooks.Access) bool {
		return a.Key == con.AccessKey(g) && a.Ours && a.Account == namespace+"/robot"
	})
	if !found {
		t.Error("a service account's binding is not listed")
	}
	g = grantOf("edit-"+namespace, "user-1", namespace)
	g.Params["cluster_role"] = []string{"everything"}
	_, err := con.Grant(t.Context(), g)
	wantError(t, err, runbooks.Broken, "does not allow")
	g = grantOf("role-"+namespace, "user-1", namespace)
	delete(g.Params, "cluster_role")
	g.Params["role"] = []string{"own"}
	c.must(t, rbacPath+"/namespaces/"+namespace+"/roles", m{"apiVersion": rbacGroup + "/v1", "kind": "Role", "metadata": named("own"), "rules": []m{rule("", "pods", "get,list")}})
	strong := c.open(t, "strong-token", func(*kubernetes.Config) {})
	if _, err := strong.Grant(t.Context(), g); err != nil || !c.reads(t, "user-token-1", namespace) {
		t.Errorf("a role of the namespace: %v", err)
	}
	if _, err := strong.Revoke(t.Context(), g); err != nil || c.reads(t, "user-token-1", namespace) {
		t.Errorf("a role of the namespace: %v", err)
	}
	g = grantOf("all-"+namespace, "user-3", "*")
	if _, err := strong.Grant(t.Context(), g); err != nil || !c.reads(t, "user-token-3", namespace) {
		t.Errorf("everywhere: %v", err)
	}
	if a := listed(t, strong); !slices.ContainsFunc(a, func(a runbooks.Access) bool { return a.Key == strong.AccessKey(g) && a.Ours }) {
		t.Errorf("a binding of the cluster is not listed: %+v", a)
	}
	if _, err := strong.Revoke(t.Context(), g); err != nil || c.reads(t, "user-token-3", namespace) {
		t.Errorf("everywhere: %v", err)
	}
	var names []string
	for x, err := range con.Discover(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, x.Ref+" of "+x.Owner)
	}
	if !slices.Contains(names, "serviceaccount "+namespace+"/deployer of team-shop") {
		t.Errorf("discovered: %q", names)
	}
	lends := c.open(t, "weak-token", func(cfg *kubernetes.Config) { cfg.Namespaces, cfg.Tokens = []string{namespace}, true })
	g = grantOf("short-"+namespace, "", namespace)
	g.Params = map[string][]string{"namespace": {namespace}, "service_account": {"deployer"}}
	g.End = c.now().Add(9 * time.Minute)
	_, err = lends.Grant(t.Context(), g)
	wantError(t, err, runbooks.Refuse, "at least 10 minutes")
}

// TestReq_R68_ACanarysTokenIsUsed: a drill shows the cluster the canary's token, which is refused once the grant is taken back; bindings and tokens for
// others are only read back, and a cluster that does not answer is no refusal.
func TestReq_R68_ACanarysTokenIsUsed(t *testing.T) {
	t.Parallel()
	c := fakeCluster(t)
	namespace := c.namespace(t)
	c.lending(t, namespace)
	open := func(tokens bool) *kubernetes.Connector {
		return c.open(t, "weak-token", func(cfg *kubernetes.Config) { cfg.Namespaces, cfg.Tokens = []string{namespace}, tokens })
	}
	if runbooks.CanTry(open(false)) {
		t.Error("a binding cannot be used by anybody but its subject")
	}
	con := open(true)
	r := runbooks.NewRunner(map[string]runbooks.Connector{"shop": con}, nil)
	r.KeepIn(runbooktest.NewSafe())
	g := grantOf("canary", "", namespace)
	g.Params = map[string][]string{"namespace": {namespace}, "service_account": {"deployer"}}
	receipt, err := r.Start(t.Context(), "shop", g)
	if err != nil {
		t.Fatal(err)
	}
	if in, can, err := r.Try(t.Context(), "shop", g, receipt); !in || !can || err != nil {
		t.Fatalf("the token: %v %v %v, want to be let in", in, can, err)
	}
	if _, presence, err := r.Stop(t.Context(), "shop", g); presence != runbooks.Absent || err != nil {
		t.Fatal(presence, err)
	}
	if in, can, err := r.Try(t.Context(), "shop", g, receipt); in || !can || err != nil {
		t.Errorf("the token of what was taken back: %v %v %v", in, can, err)
	}
	other := g.Clone()
	other.ID, other.Params["audience"] = "g_other", []string{"vault"}
	if receipt, err = r.Start(t.Context(), "shop", other); err != nil {
		t.Fatal(err)
	}
	if _, can, err := r.Try(t.Context(), "shop", other, receipt); can || err != nil {
		t.Errorf("a token for another audience was tried: %v", err)
	}
	g.ID = "g_none"
	if _, can, err := r.Try(t.Context(), "shop", g, receipt); can || err != nil {
		t.Errorf("a grant without a token was tried: %v", err)
	}
}
