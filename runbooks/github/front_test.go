package github_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/countersign-bot/countersign/runbooks/runbooktest"
)

// front stands before the emulator and adds what it lacks, as GitHub's documentation describes it: people from outside (who
// are called ext…) are invited and become collaborators when they accept, repositories have deploy keys, and organisations
// have installed Apps. Everything else is the emulator's.
type front struct {
	*httptest.Server
	emulator string
	mu       sync.Mutex
	next     int64
	invited  map[string][]invite // by owner/name
	scopes   string              // X-OAuth-Scopes
	team     string              // the one that is listed, if any: the emulator keeps who belongs to an organisation as a team of its own
	down     bool
	calls    []string
	heard    []string         // who called, of changes
	keys     []map[string]any // deploy keys, of every repository
	tokens   []map[string]any // personal tokens of the organisation
	host     string           // public key of the host that repositories are cloned from
	clone    string           // and its address
}

type invite struct {
	id          int64
	login, role string
}

var (
	pathCollaborator = regexp.MustCompile(`^/repos/([^/]+/[^/]+)/collaborators/(ext[^/]*)$`)
	pathInvitations  = regexp.MustCompile(`^/repos/([^/]+/[^/]+)/invitations(?:/([0-9]+))?$`)
	pathKeys         = regexp.MustCompile(`^/repos/([^/]+/[^/]+)/keys(?:/([0-9]+))?$`)
	pathTokens       = regexp.MustCompile(`^/orgs/([^/]+)/personal-access-tokens(?:/([0-9]+))?$`)
	pathInstalled    = regexp.MustCompile(`^/orgs/([^/]+)/installations$`)
)

func newFront(t *testing.T, emulator string) *front {
	t.Helper()
	to, err := url.Parse(emulator)
	if err != nil {
		t.Fatal(err)
	}
	f := &front{emulator: emulator, invited: map[string][]invite{}, next: 1000}
	f.keys = []map[string]any{{"id": 7, "title": "ci", "read_only": false, "added_by": "owner", "created_at": "2026-01-02T03:04:05Z", "last_used": "2026-10-01T00:00:00Z", "key": deployKeyLine}}
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.ErrorLog = log.New(io.Discard, "", 0) // calls that are cut short
	proxy.ModifyResponse = func(r *http.Response) error {
		if f.scopes != "" {
			r.Header.Set("X-OAuth-Scopes", f.scopes)
		}
		return nil
	}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !f.answers(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(f.Close)
	return f
}

// answers tells whether it dealt with the call.
func (f *front) answers(w http.ResponseWriter, r *http.Request) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, r.Method+" "+r.URL.Path)
	if r.Method != http.MethodGet {
		f.heard = append(f.heard, r.UserAgent())
	}
	if f.down {
		w.WriteHeader(http.StatusBadGateway)
		return true
	}
	if m := pathCollaborator.FindStringSubmatch(r.URL.Path); m != nil && r.Method == http.MethodPut {
		var body struct{ Permission string }
		_ = json.NewDecoder(r.Body).Decode(&body)
		f.next++
		f.invited[m[1]] = append(f.invited[m[1]], invite{f.next, m[2], body.Permission})
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"id":%d}`, f.next)
		return true
	}
	if m := pathInvitations.FindStringSubmatch(r.URL.Path); m != nil {
		f.invitations(w, r, m[1], m[2])
		return true
	}
	switch {
	case r.URL.Path == "/orgs/northwind/repos":
		fmt.Fprint(w, `[]`) // the emulator has no such list; its organisation has no repositories
		return true
	case r.URL.Path == "/orgs/northwind/teams" && f.team != "":
		fmt.Fprintf(w, `[{"slug":%q}]`, f.team)
		return true
	case pathKeys.MatchString(r.URL.Path):
		f.deployKeys(w, r, pathKeys.FindStringSubmatch(r.URL.Path)[2])
		return true
	case r.URL.Path == "/apps/builder":
		fmt.Fprint(w, `{"slug":"builder","owner":{"login":"builders-inc"}}`)
		return true
	case pathTokens.MatchString(r.URL.Path):
		f.personalTokens(w, r, pathTokens.FindStringSubmatch(r.URL.Path)[2])
		return true
	case r.URL.Path == "/meta":
		_ = json.NewEncoder(w).Encode(map[string]any{"ssh_keys": []string{f.host}})
		return true
	case pathInstalled.MatchString(r.URL.Path):
		fmt.Fprint(w, `{"total_count":1,"installations":[{"id":9,"app_slug":"builder","repository_selection":"all","created_at":"2026-01-02T03:04:05Z","permissions":{"administration":"write","contents":"read"}}]}`)
		return true
	}
	return false
}

// deployKeys answers as GitHub does: a key is added once, under a number of its own.
func (f *front) deployKeys(w http.ResponseWriter, r *http.Request, id string) {
	at := slices.IndexFunc(f.keys, func(k map[string]any) bool { return fmt.Sprint(k["id"]) == id })
	switch {
	case r.Method == http.MethodPost:
		var in map[string]any
		_ = json.NewDecoder(r.Body).Decode(&in)
		if slices.ContainsFunc(f.keys, func(k map[string]any) bool { return k["key"] == in["key"] }) {
			w.WriteHeader(http.StatusUnprocessableEntity)
			fmt.Fprint(w, `{"message":"key is already in use"}`)
			return
		}
		f.next++
		in["id"] = f.next
		f.keys = append(f.keys, in)
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(in)
	case id == "":
		_ = json.NewEncoder(w).Encode(f.keys)
	case at < 0:
		w.WriteHeader(http.StatusNotFound)
	case r.Method == http.MethodDelete:
		f.keys = slices.Delete(f.keys, at, at+1)
		w.WriteHeader(http.StatusNoContent)
	default:
		_ = json.NewEncoder(w).Encode(f.keys[at])
	}
}

func (f *front) invitations(w http.ResponseWriter, r *http.Request, repo, id string) {
	if r.Method == http.MethodDelete {
		n, _ := strconv.ParseInt(id, 10, 64)
		f.invited[repo] = slices.DeleteFunc(f.invited[repo], func(i invite) bool { return i.id == n })
		w.WriteHeader(http.StatusNoContent)
		return
	}
	out := []map[string]any{}
	for _, i := range f.invited[repo] {
		out = append(out, map[string]any{
			"id": i.id, "permissions": map[string]string{"pull": "read", "push": "write"}[i.role], "created_at": "2026-11-22T09:00:00Z",
			"invitee": map[string]any{"login": i.login}, "inviter": map[string]any{"login": "owner"}, "expired": false,
		})
	}
	_ = json.NewEncoder(w).Encode(out)
}

// accept makes every invitation of a login a role, as its owner does by a click.
func (f *front) accept(t *testing.T, login string) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for repo, list := range f.invited {
		for _, i := range list {
			if i.login == login {
				hand(t, http.MethodPut, f.emulator+"/repos/"+repo+"/collaborators/"+login, map[string]string{"permission": i.role}, nil)
			}
		}
		f.invited[repo] = slices.DeleteFunc(list, func(i invite) bool { return i.login == login })
	}
}

func (f *front) asked(what string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, call := range f.calls {
		if strings.HasPrefix(call, what) {
			n++
		}
	}
	return n
}

// hand is an administrator's.
func hand(t *testing.T, method, url string, body, out any) {
	t.Helper()
	if err := runbooktest.CallJSON(t.Context(), method, url, "Bearer "+ownerToken, body, out); err != nil {
		t.Fatal(err)
	}
}

// deployKeyLine is a public key nobody has the other half of any more, and its fingerprint as ssh-keygen prints it.
const (
	deployKeyLine  = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILODuH45N+oKQtGarvXhi0z2BWlUI24uJIWde91+ZviJ"
	deployKeyPrint = "SHA256:muUR2/FCeaDL0RSAqii6LuxRoF3zpQzMyQpc5MtEPik"
)

// personalTokens answers as GitHub does: a token is taken from the organisation by an action on it.
func (f *front) personalTokens(w http.ResponseWriter, r *http.Request, id string) {
	if r.Method == http.MethodGet {
		_ = json.NewEncoder(w).Encode(append([]map[string]any{}, f.tokens...))
		return
	}
	var in struct{ Action string }
	_ = json.NewDecoder(r.Body).Decode(&in)
	at := slices.IndexFunc(f.tokens, func(k map[string]any) bool { return fmt.Sprint(k["id"]) == id })
	switch {
	case r.Method != http.MethodPost || in.Action != "revoke":
		w.WriteHeader(http.StatusUnprocessableEntity)
	case at < 0:
		w.WriteHeader(http.StatusNotFound)
	default:
		f.tokens = slices.Delete(f.tokens, at, at+1)
		w.WriteHeader(http.StatusNoContent)
	}
}
