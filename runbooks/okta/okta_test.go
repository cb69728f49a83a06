package okta_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/okta"
	"github.com/countersign-bot/countersign/runbooks/rest"
	"github.com/countersign-bot/countersign/runbooks/runbooktest"
	"github.com/countersign-bot/countersign/workflows"
)

var people = []string{"maya", "jonas", "sofia", "priya"}

func login(name string) string { return name + "@northwind.example" }

type world struct {
	emulator string
	n        atomic.Int64
}

func newWorld(t *testing.T) *world {
	t.Helper()
	users := []any{
		map[string]any{"login": "countersign@northwind.example", "email": "countersign@northwind.example", "okta_id": "00u_bot"},
		map[string]any{"login": "root@northwind.example", "email": "root@northwind.example", "okta_id": "00u_admin"},
		map[string]any{"login": "gone@northwind.example", "email": "gone@northwind.example", "okta_id": "00u_gone", "status": "SUSPENDED"},
	}
	for _, p := range people {
		users = append(users, map[string]any{"login": login(p), "email": login(p), "okta_id": "00u_" + p})
	}
	return &world{emulator: runbooktest.Emulate(t, "okta", map[string]any{
		"tokens": map[string]any{
			botToken:   map[string]any{"login": "countersign@northwind.example", "scopes": []string{"okta.users.manage"}},
			adminToken: map[string]any{"login": "root@northwind.example", "scopes": []string{"okta.users.manage"}},
		},
		"okta": map[string]any{
			"users": users,
			"groups": []any{
				map[string]any{"name": "Everyone", "type": "BUILT_IN", "okta_id": "00g_everyone"},
			},
		},
	})}
}

func hand(t *testing.T, method, url string, body, out any) {
	t.Helper()
	if err := runbooktest.CallJSON(t.Context(), method, url, "SSWS "+adminToken, body, out); err != nil {
		t.Fatal(err)
	}
}

// group and app make one and give its id.
func (w *world) group(t *testing.T) string {
	t.Helper()
	var out struct{ ID string }
	hand(t, http.MethodPost, w.emulator+"/api/v1/groups", map[string]any{"profile": map[string]string{"name": fmt.Sprintf("billing-%d", w.n.Add(1))}}, &out)
	return out.ID
}

func (w *world) app(t *testing.T) string {
	t.Helper()
	var out struct{ ID string }
	hand(t, http.MethodPost, w.emulator+"/api/v1/apps", map[string]any{"name": "oidc_client", "label": fmt.Sprintf("Billing %d", w.n.Add(1)), "signOnMode": "OPENID_CONNECT"}, &out)
	return out.ID
}

func open(t *testing.T, f *front, scope ...string) *okta.Connector {
	t.Helper()
	c, err := okta.Open(okta.Config{Rest: rest.Config{URL: f.URL}, Token: runbooks.NewSecret(botToken), Scope: scope, EndSessions: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func grant(n int, param, id string) runbooks.Grant {
	start := time.Now().UTC().Truncate(time.Second)
	return runbooks.Grant{
		ID: workflows.GrantID(fmt.Sprintf("g_%d", n)), Request: "r_1", Identity: workflows.IdentityID("p_" + people[n]), Holder: people[n],
		Account: login(people[n]), Target: "okta", Entitlement: "e", Params: map[string][]string{param: {id}}, Start: start, End: start.Add(time.Hour),
	}
}

// has asks the emulator whether somebody is in a place, as an administrator.
func has(t *testing.T, w *world, place, id, account string) bool {
	t.Helper()
	var list []struct {
		Profile struct{ Login string }
	}
	hand(t, http.MethodGet, w.emulator+"/api/v1/"+place+"/"+id+"/users", nil, &list)
	for _, x := range list {
		if x.Profile.Login == account {
			return true
		}
	}
	return false
}

// TestReq_R64_Passes holds both kinds of access to the contract of all connectors, on an emulator.
func TestReq_R64_Passes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, kind := range []struct {
		param, place string
		make         func(*testing.T) string
	}{{okta.ParamGroup, "groups", w.group}, {okta.ParamApp, "apps", w.app}} {
		t.Run(kind.param, func(t *testing.T) {
			runbooktest.Exercise(t, func(t *testing.T) runbooktest.System {
				f, id := newFront(t, w.emulator), kind.make(t)
				var more func(*testing.T) []runbooktest.Sound
				words := ""
				if kind.param == okta.ParamGroup { // both kinds of words in one
					words = filepath.Join("testdata", "words.txt")
					more = func(t *testing.T) []runbooktest.Sound {
						app, g := w.app(t), grant(2, okta.ParamApp, "")
						g.ID, g.Params[okta.ParamApp] = "g_app", []string{app}
						return []runbooktest.Sound{{Grant: g, Connector: open(t, f, app)}}
					}
				}
				return runbooktest.System{
					More: more, Words: words,
					Connector: open(t, f, id),
					Secrets:   []string{botToken},
					Grant:     func(n int) runbooks.Grant { return grant(n, kind.param, id) },
					Works: func(t *testing.T, g runbooks.Grant, _ runbooks.Receipt) bool {
						return has(t, w, kind.place, id, g.Account)
					},
				}
			})
		})
	}
}

// TestReq_R66_WhoMadeIt: a member who was added by hand is listed with who did it, and not as ours; ours is.
func TestReq_R66_WhoMadeIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f, id := newFront(t, w.emulator), w.group(t)
	hand(t, http.MethodPut, f.URL+"/api/v1/groups/"+id+"/users/00u_jonas", nil, nil)
	c := open(t, f, id)
	if _, err := c.Grant(t.Context(), grant(0, okta.ParamGroup, id)); err != nil {
		t.Fatal(err)
	}
	got := map[string]runbooks.Access{}
	for a, err := range c.ListAccess(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got[a.Account] = a
	}
	jonas, maya := got[login("jonas")], got[login("maya")]
	if len(got) != 2 || jonas.Ours || jonas.MadeBy != "root@northwind.example" || jonas.MadeAt.IsZero() || !maya.Ours {
		t.Fatalf("%+v", got)
	}
	if _, err := c.RemoveAccess(t.Context(), jonas); err != nil || has(t, w, "groups", id, login("jonas")) {
		t.Errorf("removing: %v", err)
	}
}

// TestReq_R62_SessionsEnd: a revocation ends the person's sessions, also when the membership was gone already.
func TestReq_R62_SessionsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f, id := newFront(t, w.emulator), w.group(t)
	c := open(t, f, id)
	for range 2 {
		if _, err := c.Revoke(t.Context(), grant(0, okta.ParamGroup, id)); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(f.ended, []string{"00u_maya", "00u_maya"}) {
		t.Errorf("sessions were ended of %q", f.ended)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f, id := newFront(t, w.emulator), w.group(t)
	c := open(t, f, id, "00g_everyone", "00g_missing")
	for _, x := range []struct{ account, group, words string }{
		{login("gone"), id, "the account is not active at Okta (SUSPENDED)"},
		{login("nobody"), id, "Okta knows no such account"},
		{"00u_maya", id, "Okta knows no such account"}, // an id, where Okta would take one
		{login("maya"), "00g_everyone", `the group is of type "BUILT_IN"`},
		{login("maya"), "00g_missing", "Okta does not know what was asked for (404)"},
		{login("maya"), "00g_outside", "group 00g_outside lies outside of what the target stands for"},
		{"maya/../jonas", id, "the account is no login that Okta knows"},
	} {
		g := grant(0, okta.ParamGroup, x.group)
		g.Account = x.account
		if _, err := c.Grant(t.Context(), g); runbooks.ClassOf(err) != runbooks.Refuse || !strings.Contains(err.Error(), x.words) {
			t.Errorf("%s on %s: %v, want %s", x.account, x.group, err, x.words)
		}
	}
}

// TestReq_R75_TooMuch: doctor finds that the bot's account administers everything, and that a group of the scope does.
func TestReq_R75_TooMuch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f, id := newFront(t, w.emulator), w.group(t)
	f.roles["00u_bot"], f.roles[id] = "SUPER_ADMIN", "SUPER_ADMIN"
	var bad []string
	for _, finding := range open(t, f, id).Probe(t.Context()) {
		if !finding.OK {
			bad = append(bad, finding.What)
		}
	}
	want := []string{"the bot's account has the administrator's role Super Administrator", "the group " + id + " has the administrator's role Super Administrator"}
	if !slices.Equal(bad, want) {
		t.Errorf("%q", bad)
	}
}

func TestFault_F26_ServiceDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f, id := newFront(t, w.emulator), w.group(t)
	f.down = true
	c := open(t, f, id)
	if _, err := c.Grant(t.Context(), grant(0, okta.ParamGroup, id)); runbooks.ClassOf(err) != runbooks.Retry {
		t.Errorf("granting: %v", err)
	}
	if p, err := c.Check(t.Context(), grant(0, okta.ParamGroup, id)); p != runbooks.Unconfirmed || err == nil {
		t.Errorf("reading back: %s (%v)", p, err)
	}
}

// TestReq_R69_AppsAndTokensAreDiscovered: each application and API token is found as what it is.
func TestReq_R69_AppsAndTokensAreDiscovered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f, app := newFront(t, w.emulator), w.app(t)
	got := map[string]runbooks.Discovered{}
	for x, err := range open(t, f, app).Discover(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got[x.Ref] = x
	}
	if x := got["app "+app]; x.Kind != "integration" || !strings.HasPrefix(x.Name, "Billing ") || x.Facts["sign_on"] != "OPENID_CONNECT" {
		t.Errorf("the application: %+v", x)
	}
	if x := got["token 00Tabc"]; x.Kind != "api_key" || x.Name != "ci" || x.Of != "user 00u1" || x.Expires.Format("2006-01-02") != "2026-02-01" || x.MadeAt.IsZero() {
		t.Errorf("the token: %+v", x)
	}
}
