package kubernetes_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/kubernetes"
)

// auditLog: TestReq_R72 on a real server, which has the grant in names and the token's id wherever it is used.
func auditLog(t *testing.T, c *cluster) {
	namespace := c.namespace(t)
	c.lending(t, namespace)
	con := c.open(t, "canary-bot-token", func(cfg *kubernetes.Config) { cfg.Namespaces = []string{namespace} })
	lends := c.open(t, "weak-token", func(cfg *kubernetes.Config) { cfg.Namespaces, cfg.Tokens = []string{namespace}, true })
	g := grantOf("l0gged-"+namespace, "user-1", namespace)
	if _, err := con.Grant(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	token := grantOf("t0ken-"+namespace, "", namespace)
	token.Params = map[string][]string{"namespace": {namespace}, "service_account": {"deployer"}}
	token.Start, token.End = c.now(), c.now().Add(time.Hour)
	r, err := lends.Grant(t.Context(), token)
	if err != nil || !c.reads(t, r.Handover.Parts[0].Value.Reveal(), namespace) {
		t.Fatal(err)
	}
	_, mark := c.say(t, "admin-token", http.MethodGet, "/api/v1/namespaces/"+namespace+"/configmaps/"+r.Facts["object"], nil)
	id := at(mark["metadata"].(m), "annotations", "countersign.dev/credential-id")
	raw, err := os.ReadFile(c.audit)
	if err != nil {
		t.Fatal(err)
	}
	used := 0
	for line := range strings.Lines(string(raw)) {
		if strings.Contains(line, `"system:serviceaccount:`+namespace+`:deployer"`) && strings.Contains(line, id) {
			used++
		}
	}
	if !strings.HasPrefix(id, "JTI=") || used == 0 {
		t.Errorf("the audit log has %d uses of the token %q", used, id)
	}
	if !strings.Contains(string(raw), "rolebindings/countersign-"+string(g.ID)) && !strings.Contains(string(raw), `"name":"countersign-`+string(g.ID)) {
		t.Error("the audit log does not name the grant")
	}
	if strings.Contains(string(raw), r.Handover.Parts[0].Value.Reveal()) {
		t.Error("the audit log has the token")
	}
}

// TestReq_R72_ObjectsNameTheGrant: see auditLog for what a real server logs.
func TestReq_R72_ObjectsNameTheGrant(t *testing.T) {
	t.Parallel()
	c := fakeCluster(t)
	namespace := c.namespace(t)
	c.lending(t, namespace)
	lends := c.open(t, "weak-token", func(cfg *kubernetes.Config) { cfg.Namespaces, cfg.Tokens = []string{namespace}, true })
	g := grantOf("t0ken", "", namespace)
	g.Params = map[string][]string{"namespace": {namespace}, "service_account": {"deployer"}}
	r, err := lends.Grant(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	_, mark := c.say(t, "admin-token", http.MethodGet, "/api/v1/namespaces/"+namespace+"/configmaps/"+r.Facts["object"], nil)
	notes := mark["metadata"].(m)["annotations"].(m)
	if notes["countersign.dev/grant"] != "g_t0ken" || notes["countersign.dev/holder"] != "Alice Ng" || !strings.HasPrefix(fmt.Sprint(notes["countersign.dev/credential-id"]), "JTI=jti-") {
		t.Errorf("annotations: %v", notes)
	}
	if strings.Contains(fmt.Sprint(mark), r.Handover.Parts[0].Value.Reveal()) {
		t.Error("the mark holds the token")
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	c := fakeCluster(t)
	namespace := c.namespace(t)
	con := c.open(t, "canary-bot-token", func(cfg *kubernetes.Config) { cfg.Namespaces = []string{namespace} })
	lends := c.open(t, "weak-token", func(cfg *kubernetes.Config) { cfg.Namespaces, cfg.Tokens = []string{namespace}, true })
	for _, x := range []struct {
		con    *kubernetes.Connector
		change func(*runbooks.Grant)
		words  string
	}{
		{con, func(g *runbooks.Grant) { g.Account = "" }, "no account"},
		{con, func(g *runbooks.Grant) { g.Account = "system:masters" }, "cluster's own"},
		{con, func(g *runbooks.Grant) { g.Account = strings.Repeat("a", 251) }, "longer than"},
		{con, func(g *runbooks.Grant) { g.Params["namespace"] = []string{"elsewhere"} }, `"namespace" is none of those`},
		{con, func(g *runbooks.Grant) { g.Params["namespace"] = []string{"*"} }, `"namespace" is none of those`},
		{con, func(g *runbooks.Grant) { g.Params["namespace"] = []string{"A/b"} }, `"namespace" is not the name`},
		{con, func(g *runbooks.Grant) { g.Params["cluster_role"] = []string{"a/b"} }, `"cluster_role"`},
		{con, func(g *runbooks.Grant) { delete(g.Params, "cluster_role") }, `"cluster_role"`},
		{con, func(g *runbooks.Grant) { g.Params["role"] = []string{"x"} }, `"role"`},
		{con, func(g *runbooks.Grant) { g.Params["subject"] = []string{"Group"} }, `"subject"`},
		{con, func(g *runbooks.Grant) { g.Params["subject"] = []string{"ServiceAccount"} }, "namespace/name"},
		{con, func(g *runbooks.Grant) { g.Params["nmaespace"] = []string{"x"} }, `"nmaespace"`},
		{lends, func(g *runbooks.Grant) { g.Params = map[string][]string{"namespace": {namespace}} }, `"service_account"`},
		{lends, func(g *runbooks.Grant) {
			g.Params = map[string][]string{"namespace": {namespace}, "service_account": {"A_b"}}
		}, `"service_account"`},
	} {
		g := grantOf("ref", "user-1", namespace)
		x.change(&g)
		_, err := x.con.Grant(t.Context(), g)
		wantError(t, err, runbooks.Refuse, x.words)
	}
}

func wantError(t *testing.T, err error, class runbooks.Class, words string) {
	t.Helper()
	var e *runbooks.Error
	if !errors.As(err, &e) || e.Class != class || !strings.Contains(e.Text, words) {
		t.Errorf("error %v (%s), want %s with %q", err, runbooks.ClassOf(err), class, words)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	token := func() (runbooks.Secret, error) { return runbooks.NewSecret("x"), nil }
	for _, x := range []struct{ name, value, words string }{
		{"grants", "tokens", ""},
		{"namespaces", "a, b", ""},
		{"url", "http://cluster.example.org", "setting url"},
		{"url", "", "setting url"},
		{"namespaces", "A", "setting namespaces"},
		{"grants", "everything", "setting grants"},
		{"ca_file", "/x", "ca_file"},
		{"nmaespaces", "x", `"nmaespaces"`},
	} {
		settings := map[string]string{"url": "https://cluster.example.org", "token_file": "/x", "namespaces": "shop"}
		settings[x.name] = x.value
		cfg, err := kubernetes.ReadSettings(settings, token, func(string) ([]byte, error) { return []byte("no PEM"), nil })
		if err == nil {
			_, err = kubernetes.Open(cfg)
		}
		if (err == nil) != (x.words == "") || err != nil && !strings.Contains(err.Error(), x.words) {
			t.Errorf("%s=%q: %v, want %q", x.name, x.value, err, x.words)
		}
	}
	if _, err := kubernetes.Open(kubernetes.Config{URL: "https://x", Token: token, Tokens: true}); err == nil || !strings.Contains(err.Error(), "setting namespaces") {
		t.Errorf("tokens everywhere: %v", err)
	}
	if _, err := kubernetes.Open(kubernetes.Config{URL: "https://x"}); err == nil || !strings.Contains(err.Error(), "token_file") {
		t.Errorf("no token: %v", err)
	}
}

// A token that cannot be read is the operator's to repair, and says nothing of itself; one that is replaced is taken up.
func TestTheTokenIsReadForEveryCall(t *testing.T) {
	t.Parallel()
	c := fakeCluster(t)
	namespace := c.namespace(t)
	now := runbooks.NewSecret("canary-old")
	var failure error
	con := c.open(t, "", func(cfg *kubernetes.Config) {
		cfg.Token = func() (runbooks.Secret, error) { return now, failure }
	})
	g := grantOf("tok", "user-1", namespace)
	_, err := con.Check(t.Context(), g)
	wantError(t, err, runbooks.Broken, "credentials")
	failure = errors.New("open /run/canary: no such file")
	_, err = con.Check(t.Context(), g)
	wantError(t, err, runbooks.Broken, "cannot be read")
	failure, now = nil, runbooks.NewSecret("canary-bot-token\n")
	if p, err := con.Check(t.Context(), g); p != runbooks.Absent || err != nil {
		t.Errorf("check: %s, %v", p, err)
	}
}
