package etcd_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/etcd"
	"github.com/countersign-bot/countersign/runbooks/rest"
	"github.com/countersign-bot/countersign/runbooks/runbooktest"
	"github.com/countersign-bot/countersign/workflows"
)

const botPassword = "canary-root-password"

// cluster is a real etcd of one member, with users and two roles.
type cluster struct{ url, log string }

func start(t *testing.T) *cluster {
	t.Helper()
	path, err := exec.LookPath("etcd")
	if err != nil {
		t.Skip("no etcd here: etcd-server is not installed")
	}
	c := &cluster{url: "http://127.0.0.1:" + runbooktest.FreePort(t), log: filepath.Join(t.TempDir(), "log")}
	peer := "http://127.0.0.1:" + runbooktest.FreePort(t)
	cmd := exec.Command(path, "--data-dir", filepath.Join(t.TempDir(), "d"), "--listen-client-urls", c.url, "--advertise-client-urls", c.url,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default="+peer, "--logger", "zap", "--log-level", "info", "--log-outputs", c.log, "--unsafe-no-fsync")
	if err := exec.Command(path, "--unsafe-no-fsync", "--version").Run(); err != nil { // older than 3.5
		cmd.Args = cmd.Args[:len(cmd.Args)-1]
	}
	runbooktest.Serve(t, cmd, func(ctx context.Context) error {
		return runbooktest.CallJSON(ctx, http.MethodPost, c.url+"/v3/auth/user/list", "", m{}, nil)
	})
	c.admin(t, "", "user/add", m{"name": "root", "password": botPassword})
	for _, role := range []string{"root", "reader", "writer"} {
		c.admin(t, "", "role/add", m{"name": role})
	}
	c.admin(t, "", "role/grant", m{"name": "reader", "perm": m{"permType": "READ", "key": "YQ=="}})
	c.admin(t, "", "user/grant", m{"user": "root", "role": "root"})
	for i := range 5 {
		c.admin(t, "", "user/add", m{"name": fmt.Sprintf("user-%d", i), "password": "pw"})
	}
	c.admin(t, "", "enable", m{})
	return c
}

type m map[string]any

// admin calls as an administrator; token is "" before authorisation is enabled.
func (c *cluster) admin(t *testing.T, token, method string, in m) {
	t.Helper()
	if err := runbooktest.CallJSON(t.Context(), http.MethodPost, c.url+"/v3/auth/"+method, token, in, nil); err != nil {
		t.Fatal(err)
	}
}

// login is what etcd gives a user for a password.
func (c *cluster) login(t *testing.T, user, password string) string {
	t.Helper()
	var out struct{ Token string }
	if err := runbooktest.CallJSON(t.Context(), http.MethodPost, c.url+"/v3/auth/authenticate", "", m{"name": user, "password": password}, &out); err != nil {
		t.Fatal(err)
	}
	return out.Token
}

// reads tries the access as its holder.
func (c *cluster) reads(t *testing.T, user string) bool {
	t.Helper()
	return runbooktest.CallJSON(t.Context(), http.MethodPost, c.url+"/v3/kv/range", c.login(t, user, "pw"), m{"key": "YQ=="}, nil) == nil
}

func (c *cluster) open(t *testing.T, password string) *etcd.Connector {
	t.Helper()
	con, err := etcd.Open(rest.Config{URL: c.url}, "root", runbooks.NewSecret(password))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = con.Close() })
	return con
}

func grantOf(n int) runbooks.Grant {
	at := time.Now().UTC().Truncate(time.Second)
	return runbooks.Grant{
		ID: workflows.GrantID(fmt.Sprintf("g_%d", n)), Request: "r_1", Identity: "p_1", Holder: "Alice Ng", Account: fmt.Sprintf("user-%d", n), Target: "store", Entitlement: "read",
		Params: map[string][]string{"role": {"reader"}}, Start: at, End: at.Add(time.Hour),
	}
}

// TestThreat_T44_Exercise holds the connector to the contract on a real cluster.
func TestThreat_T44_Exercise(t *testing.T) {
	t.Parallel()
	c := start(t)
	runbooktest.Exercise(t, func(t *testing.T) runbooktest.System {
		con, first := c.open(t, botPassword), grantOf(0)
		if err := con.Drill(etcd.Canary{Password: runbooks.NewSecret("pw"), Reads: "a"}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { // the next part finds users without roles
			for i := range 5 {
				if _, err := con.Revoke(context.Background(), grantOf(i)); err != nil {
					t.Error(err)
				}
			}
		})
		return runbooktest.System{
			Connector: con,
			Secrets:   []string{botPassword},
			Grant: func(n int) runbooks.Grant {
				g := grantOf(n)
				g.Start, g.End = first.Start, first.End
				return g
			},
			Works: func(t *testing.T, g runbooks.Grant, _ runbooks.Receipt) bool { return c.reads(t, g.Account) },
			Words: filepath.Join("testdata", "words.txt"),
		}
	})
}

// TestReq_R63_ListOffersAndPlans: who has a role by another's hand is listed and can lose it; the roles can be picked; what is not there is refused when it is planned.
func TestReq_R63_ListOffersAndPlans(t *testing.T) {
	t.Parallel()
	c := start(t)
	con := c.open(t, botPassword)
	c.admin(t, c.login(t, "root", botPassword), "user/grant", m{"user": "user-3", "role": "writer"})
	var offers []string
	for o, err := range con.ListOffers(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		offers = append(offers, o.Name)
	}
	if !slices.Equal(offers, []string{"reader", "writer"}) {
		t.Errorf("offered: %q", offers)
	}
	n := 0
	for a, err := range con.ListAccess(t.Context()) {
		if err != nil || a.Account != "user-3" || a.Ours || a.What != "has the role writer" {
			t.Fatalf("%+v (%v)", a, err)
		}
		n++
		if _, err := con.RemoveAccess(t.Context(), a); err != nil {
			t.Error(err)
		}
	}
	if n != 1 {
		t.Errorf("%d listed", n)
	}
	for change, words := range map[string]func(*runbooks.Grant){
		"role name not found": func(g *runbooks.Grant) { g.Params["role"] = []string{"nothing"} },
		"user name not found": func(g *runbooks.Grant) { g.Account = "nobody" },
		"root, which is not":  func(g *runbooks.Grant) { g.Params["role"] = []string{"root"} },
	} {
		g := grantOf(1)
		words(&g)
		_, planned := con.Plan(t.Context(), g)
		_, granted := con.Grant(t.Context(), g)
		for _, err := range []error{planned, granted} {
			if err == nil || runbooks.ClassOf(err) != runbooks.Refuse || !strings.Contains(err.Error(), change) {
				t.Errorf("%v, want a refusal: %s", err, change)
			}
		}
	}
}

// TestReq_R72_TheLogNamesTheUser: the server's own log says when the human's user got the role and lost it. It has no place for the grant, which
// whoever approves reads in the plan.
func TestReq_R72_TheLogNamesTheUser(t *testing.T) {
	t.Parallel()
	c := start(t)
	con, g := c.open(t, botPassword), grantOf(2)
	plan, err := con.Plan(t.Context(), g)
	if err != nil || !strings.Contains(strings.Join(plan.Notes, "\n"), "no place for the grant") {
		t.Errorf("%+v, %v", plan, err)
	}
	for _, call := range []func(context.Context, runbooks.Grant) (runbooks.Receipt, error){con.Grant, con.Revoke} {
		if _, err := call(t.Context(), g); err != nil {
			t.Fatal(err)
		}
	}
	wants := []string{
		`"granted a role to a user","user-name":"user-2","user-roles":["reader"],"added-role-name":"reader"`,
		`"revoked a role from a user","user-name":"user-2","old-user-roles":["reader"],"new-user-roles":[],"revoked-role-name":"reader"`,
	}
	for deadline := time.Now().Add(time.Minute); ; <-time.After(10 * time.Millisecond) {
		b, err := os.ReadFile(c.log)
		missing := slices.DeleteFunc(slices.Clone(wants), func(w string) bool { return strings.Contains(string(b), w) })
		if err == nil && len(missing) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the server's log does not say %q: %v\n%s", missing, err, b)
		}
	}
}

// TestReq_R75_Probe: doctor finds a wrong password and a second user with all rights, and says what the bot's own can do.
func TestReq_R75_Probe(t *testing.T) {
	t.Parallel()
	c := start(t)
	good := c.open(t, botPassword).Probe(t.Context())
	if len(good) != 1 || !good[0].OK || !strings.Contains(good[0].What, "its password opens everything") {
		t.Errorf("%+v", good)
	}
	if bad := c.open(t, "canary-wrong").Probe(t.Context()); len(bad) != 1 || bad[0].OK || !strings.Contains(bad[0].What, "refuses the bot's user or password") {
		t.Errorf("%+v", bad)
	}
	c.admin(t, c.login(t, "root", botPassword), "user/grant", m{"user": "user-3", "role": "root"})
	if bad := c.open(t, botPassword).Probe(t.Context()); len(bad) != 1 || bad[0].OK || bad[0].Do != "take it away: etcdctl user revoke-role user-3 root" {
		t.Errorf("%+v", bad)
	}
}
