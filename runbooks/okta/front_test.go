package okta_test

import (
	"bytes"
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
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/runbooks/runbooktest"
)

const (
	botToken   = "00bot_token"
	adminToken = "00admin_token"
)

// front stands before the emulator and adds what it lacks, as Okta's documentation describes it: the assignment of one
// person to an app, the end of sessions, the system log, API tokens and administrators' roles. Who is a member is the
// emulator's to say.
type front struct {
	*httptest.Server
	emulator string
	mu       sync.Mutex
	log      []map[string]any
	ended    []string // ids whose sessions were ended
	roles    map[string]string
	down     bool
	tokens   []string // ids of API tokens; those that begin with 00Tme are the bot's own
	off      []string // ids of applications that were deactivated
	heard    []string // who called, of changes
}

var (
	pathAppUsers = regexp.MustCompile(`^/api/v1/apps/([^/]+)/users(?:/([^/]+))?$`)
	pathMember   = regexp.MustCompile(`^/api/v1/groups/([^/]+)/users/([^/]+)$`)
	pathSessions = regexp.MustCompile(`^/api/v1/users/([^/]+)/sessions$`)
	pathToken    = regexp.MustCompile(`^/api/v1/api-tokens/([^/]+)$`)
	pathStop     = regexp.MustCompile(`^/api/v1/apps/([^/]+)/lifecycle/deactivate$`)
	pathScopes   = regexp.MustCompile(`^/api/v1/apps/([^/]+)/grants$`)
	pathApp      = regexp.MustCompile(`^/api/v1/apps/([^/]+)$`)
	pathRoles    = regexp.MustCompile(`^/api/v1/(?:users|groups)/([^/]+)/roles$`)
)

func newFront(t *testing.T, emulator string) *front {
	t.Helper()
	to, err := url.Parse(emulator)
	if err != nil {
		t.Fatal(err)
	}
	f := &front{emulator: emulator, roles: map[string]string{}, tokens: []string{"00Tabc"}}
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.ErrorLog = log.New(io.Discard, "", 0) // calls that are cut short
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !f.answers(t, w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(f.Close)
	return f
}

// answers tells whether it dealt with the call.
func (f *front) answers(t *testing.T, w http.ResponseWriter, r *http.Request) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}
	if r.Method != http.MethodGet {
		f.heard = append(f.heard, r.UserAgent())
	}
	if m := pathMember.FindStringSubmatch(r.URL.Path); m != nil && r.Method == http.MethodPut {
		f.record(r, "group.user_membership.add", m[1], m[2])
	}
	if m := pathAppUsers.FindStringSubmatch(r.URL.Path); m != nil {
		return f.appUsers(t, w, r, m[1], m[2])
	}
	if m := pathSessions.FindStringSubmatch(r.URL.Path); m != nil && r.Method == http.MethodDelete {
		f.ended = append(f.ended, m[1])
		w.WriteHeader(http.StatusNoContent)
		return true
	}
	if m := pathRoles.FindStringSubmatch(r.URL.Path); m != nil {
		fmt.Fprint(w, map[bool]string{true: `[]`, false: `[{"type":"SUPER_ADMIN","label":"Super Administrator"}]`}[f.roles[m[1]] == ""])
		return true
	}
	if m := pathScopes.FindStringSubmatch(r.URL.Path); m != nil && r.Method == http.MethodGet {
		fmt.Fprint(w, `[{"scopeId":"okta.users.read","status":"ACTIVE"},{"scopeId":"okta.logs.read","status":"ACTIVE"},{"scopeId":"okta.apps.manage","status":"REVOKED"}]`)
		return true
	}
	if f.kills(w, r) {
		return true
	}
	switch r.URL.Path {
	case "/api/v1/logs":
		f.writeLog(w, r.URL.Query().Get("filter"))
	case "/api/v1/api-tokens":
		var list []string
		for _, id := range f.tokens {
			user := "00u1"
			if strings.HasPrefix(id, "00Tme") {
				user = "00u_bot"
			}
			list = append(list, fmt.Sprintf(`{"id":%q,"name":"ci","userId":%q,"created":"2026-01-02T03:04:05.000Z","expiresAt":"2026-02-01T00:00:00.000Z"}`, id, user))
		}
		fmt.Fprintf(w, "[%s]", strings.Join(list, ","))
	default:
		return false
	}
	return true
}

// appUsers makes POST with a body what the emulator takes as PUT, and finds one person in its list.
func (f *front) appUsers(t *testing.T, w http.ResponseWriter, r *http.Request, app, user string) bool {
	switch {
	case r.Method == http.MethodPost:
		raw, _ := io.ReadAll(r.Body)
		var body struct{ ID, Scope string }
		if json.Unmarshal(raw, &body) != nil || body.ID == "" || body.Scope != "USER" {
			w.WriteHeader(http.StatusBadRequest)
			return true
		}
		f.record(r, "application.user_membership.add", app, body.ID)
		r.Method, r.URL.Path, r.Body, r.ContentLength = http.MethodPut, "/api/v1/apps/"+app+"/users/"+body.ID, io.NopCloser(bytes.NewReader(nil)), 0
		return false
	case r.Method == http.MethodGet && user != "":
		var list []map[string]any
		if err := runbooktest.CallJSON(t.Context(), http.MethodGet, f.emulator+"/api/v1/apps/"+app+"/users", "SSWS "+adminToken, nil, &list); err == nil {
			for _, x := range list {
				if x["id"] == user {
					_ = json.NewEncoder(w).Encode(x)
					return true
				}
			}
		}
		w.WriteHeader(http.StatusNotFound)
		return true
	}
	return false
}

func (f *front) record(r *http.Request, kind, place, user string) {
	actor := map[string]any{"id": "00u_admin", "alternateId": "root@northwind.example"}
	if strings.HasSuffix(r.Header.Get("Authorization"), botToken) {
		actor = map[string]any{"id": "00u_bot", "alternateId": "countersign@northwind.example"}
	}
	f.log = append([]map[string]any{{
		"eventType": kind, "published": time.Now().UTC().Format(time.RFC3339), "actor": actor,
		"target": []map[string]any{{"id": user, "type": "User"}, {"id": place, "type": "UserGroup"}},
	}}, f.log...)
}

// writeLog understands the one filter that is used.
func (f *front) writeLog(w http.ResponseWriter, filter string) {
	out := []map[string]any{}
	for _, e := range f.log {
		place := e["target"].([]map[string]any)[1]["id"]
		if filter == fmt.Sprintf(`eventType eq %q and target.id eq %q`, e["eventType"], place) {
			out = append(out, e)
		}
	}
	_ = json.NewEncoder(w).Encode(out)
}

// kills deactivates applications and revokes tokens.
func (f *front) kills(w http.ResponseWriter, r *http.Request) bool {
	if m := pathToken.FindStringSubmatch(r.URL.Path); m != nil && r.Method == http.MethodDelete {
		i := slices.Index(f.tokens, m[1])
		if i < 0 {
			w.WriteHeader(http.StatusNotFound)
			return true
		}
		f.tokens = slices.Delete(f.tokens, i, i+1)
		w.WriteHeader(http.StatusNoContent)
		return true
	}
	if m := pathStop.FindStringSubmatch(r.URL.Path); m != nil && r.Method == http.MethodPost {
		f.off = append(f.off, m[1])
		fmt.Fprint(w, `{}`)
		return true
	}
	if m := pathApp.FindStringSubmatch(r.URL.Path); m != nil && r.Method == http.MethodGet && slices.Contains(f.off, m[1]) {
		fmt.Fprintf(w, `{"id":%q,"status":"INACTIVE"}`, m[1])
		return true
	}
	return false
}
