package github_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/github"
	"github.com/countersign-bot/countersign/runbooks/rest"
	"github.com/countersign-bot/countersign/runbooks/runbooktest"
	"github.com/countersign-bot/countersign/workflows"
)

const (
	ownerToken = "gho_owner_of_northwind"
	appID      = 4711
	installed  = 815
)

var people = []string{"maya", "jonas", "sofia", "priya"}

// world is one emulator for a whole test: every system gets a repository and a team of its own in it.
type world struct {
	emulator string
	key      *rsa.PrivateKey
	n        atomic.Int64
}

func newWorld(t *testing.T) *world {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	tokens := map[string]any{ownerToken: map[string]any{"login": "owner", "scopes": []string{"repo", "admin:org"}}}
	users := []any{map[string]any{"login": "owner"}, map[string]any{"login": "extern"}}
	for _, p := range append([]string{"extern"}, people...) {
		users = append(users, map[string]any{"login": p})
		tokens["tok_"+p] = map[string]any{"login": p, "scopes": []string{"repo"}}
	}
	members := []any{map[string]any{"login": "owner", "role": "admin"}}
	for _, p := range people {
		members = append(members, map[string]any{"login": p})
	}
	seed := map[string]any{"tokens": tokens, "github": map[string]any{
		"users": users,
		"orgs":  []any{map[string]any{"login": "northwind", "members": members}},
		"apps": []any{map[string]any{
			"app_id": appID, "slug": "countersign", "name": "Countersign", "private_key": string(pemOf(key)),
			"permissions":   map[string]string{"administration": "write", "members": "write", "metadata": "read"},
			"installations": []any{map[string]any{"installation_id": installed, "account": "owner", "permissions": map[string]string{"administration": "write", "members": "write", "metadata": "read"}}},
		}},
	}}
	return &world{emulator: runbooktest.Emulate(t, "github", seed), key: key}
}

func pemOf(key *rsa.PrivateKey) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
}

// repository makes a private repository of the owner's own.
func (w *world) repository(t *testing.T) string {
	t.Helper()
	name := fmt.Sprintf("shop-%d", w.n.Add(1))
	hand(t, http.MethodPost, w.emulator+"/user/repos", map[string]any{"name": name, "private": true}, nil)
	return "owner/" + name
}

func (w *world) team(t *testing.T) string {
	t.Helper()
	name := fmt.Sprintf("team-%d", w.n.Add(1))
	hand(t, http.MethodPost, w.emulator+"/orgs/northwind/teams", map[string]any{"name": name}, nil)
	return "northwind/" + name
}

func open(t *testing.T, f *front, scope ...string) *github.Connector {
	t.Helper()
	c, err := github.Open(github.Config{Rest: rest.Config{URL: f.URL}, Token: runbooks.NewSecret(ownerToken), Scope: scope, SSH: f.clones(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func grant(n int, params map[string][]string) runbooks.Grant {
	start := time.Now().UTC().Truncate(time.Second)
	id := workflows.GrantID(fmt.Sprintf("g_%d", n))
	return runbooks.Grant{
		ID: id, Request: "r_1", Identity: workflows.IdentityID("p_" + people[n]), Holder: people[n], Account: people[n], Target: "github", Entitlement: "e",
		Params: params, Start: start, End: start.Add(time.Hour),
	}
}

// TestReq_R64_RepositoryPasses and the next hold the connector to the contract of all connectors, on an emulator that enforces tokens: what
// was granted opens a private repository for the holder's own token, and what was revoked closes it.
func TestReq_R64_RepositoryPasses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	runbooktest.Exercise(t, func(t *testing.T) runbooktest.System {
		f, repo := newFront(t, w.emulator), w.repository(t)
		params := map[string][]string{github.ParamRepository: {repo}, github.ParamRole: {"push"}}
		return runbooktest.System{
			Connector: open(t, f, repo),
			Secrets:   []string{ownerToken},
			Grant:     func(n int) runbooks.Grant { return grant(n, params) },
			Works: func(t *testing.T, g runbooks.Grant, _ runbooks.Receipt) bool {
				return runbooktest.CallJSON(t.Context(), http.MethodGet, w.emulator+"/repos/"+repo, "Bearer tok_"+g.Account, nil, nil) == nil
			},
			Rotation: func(t *testing.T) runbooktest.Turning {
				old, private := "deploy key "+repo+"/7", f.ciKey(t)
				return runbooktest.Turning{
					Order: runbooks.Rotation{ID: "rot_1", Old: old}, Account: old,
					Old: func(t *testing.T) bool { return f.clonesWith(t, private) },
					New: func(t *testing.T, secret, _ string) bool { return f.clonesWith(t, secret) },
				}
			},
			More: func(t *testing.T) []runbooktest.Sound {
				f, team := newFront(t, w.emulator), w.team(t)
				g := grant(2, map[string][]string{github.ParamTeam: {team}})
				g.ID = "g_team"
				return []runbooktest.Sound{{Grant: g, Connector: open(t, f, "northwind")}}
			},
			Words: filepath.Join("testdata", "words.txt"),
			Arrived: func(t *testing.T, g runbooks.Grant, _ runbooks.Receipt, place runbooktest.Place) string {
				var out struct{ Permission string }
				hand(t, http.MethodGet, w.emulator+"/repos/"+repo+"/collaborators/"+g.Account+"/permission", nil, &out)
				return out.Permission // only roles are accepted: no other account or repository exists
			},
		}
	})
}

func TestReq_R64_TeamPasses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	runbooktest.Exercise(t, func(t *testing.T) runbooktest.System {
		f, team := newFront(t, w.emulator), w.team(t)
		org, slug, _ := strings.Cut(team, "/")
		f.team = slug
		return runbooktest.System{
			Connector: open(t, f, "northwind"),
			Secrets:   []string{ownerToken},
			Grant:     func(n int) runbooks.Grant { return grant(n, map[string][]string{github.ParamTeam: {team}}) },
			Works: func(t *testing.T, g runbooks.Grant, _ runbooks.Receipt) bool {
				var out []struct{ Login string }
				hand(t, http.MethodGet, w.emulator+"/orgs/"+org+"/teams/"+slug+"/members", nil, &out)
				for _, m := range out {
					if m.Login == g.Account {
						return true
					}
				}
				return false
			},
		}
	})
}
