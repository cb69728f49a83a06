package api_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/countersign-bot/countersign/bot/api"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// issuer is an OpenID Connect issuer as CI systems run one: discovery, keys, tokens.
type issuer struct {
	t      *testing.T
	server *httptest.Server

	mu      sync.Mutex
	keys    map[string]*rsa.PrivateKey
	current string
	fetched int
	down    bool
}

func newIssuer(t *testing.T) *issuer {
	i := &issuer{t: t, keys: map[string]*rsa.PrivateKey{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(map[string]any{"issuer": i.server.URL, "jwks_uri": i.server.URL + "/keys", "id_token_signing_alg_values_supported": []string{"RS256"}})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		i.mu.Lock()
		defer i.mu.Unlock()
		if i.down {
			http.Error(w, "down", http.StatusBadGateway)
			return
		}
		i.fetched++
		json.NewEncoder(w).Encode(i.set())
	})
	i.server = httptest.NewServer(mux)
	t.Cleanup(i.server.Close)
	i.rotate("k1")
	return i
}

func (i *issuer) set() jose.JSONWebKeySet {
	var set jose.JSONWebKeySet
	for id, k := range i.keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.Public(), KeyID: id, Algorithm: "RS256", Use: "sig"})
	}
	return set
}

// rotate replaces the issuer's key.
func (i *issuer) rotate(id string) {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		i.t.Fatal(err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys, i.current = map[string]*rsa.PrivateKey{id: k}, id
}

// token signs claims; those that are nil are left out.
func (i *issuer) token(change map[string]any) string {
	now := time.Now()
	claims := map[string]any{
		"iss": i.server.URL, "sub": subject, "aud": audience, "exp": now.Add(10 * time.Minute).Unix(), "iat": now.Unix(), "nbf": now.Unix(),
		"jti": fmt.Sprint(now.UnixNano()), "repository_id": "4711", "environment": "production",
	}
	for k, v := range change {
		claims[k] = v
		if v == nil {
			delete(claims, k)
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	return sign(i.t, jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: i.keys[i.current], KeyID: i.current}}, claims)
}

func sign(t testing.TB, key jose.SigningKey, claims map[string]any) string {
	t.Helper()
	s, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := jwt.Signed(s).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

const (
	subject  = "repo:northwind/shop:environment:production"
	audience = "countersign.example.com"
	robot    = workflows.IdentityID("svc-deploy")
)

// office stands behind the door: requests in memory, decided by the test. The real one is tested with the whole program in package cmd.
type office struct {
	mu       sync.Mutex
	doors    []api.Door
	tokens   map[string]bool
	turned   []error
	requests map[string]api.Request
	of       map[string]workflows.IdentityID
	keys     map[string]string
	secrets  map[string]bool
	asked    []api.Ask
	killed   []workflows.IdentityID
	refuse   *workflows.Refusal
	fail     error
}

func (o *office) Doors() []api.Door {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]api.Door(nil), o.doors...)
}

func (o *office) Begin(_ context.Context, p api.Proof, _ string) (api.Session, *workflows.Refusal, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.tokens[p.Token] {
		return api.Session{}, workflows.Refuse(workflows.CodeReplayed, "This token opened a session before.", ""), nil
	}
	o.tokens[p.Token] = true
	return api.Session{By: workflows.Acting{Actor: "a_robot", Person: "p_jonas"}}, nil, nil
}

func (o *office) Turned(_ context.Context, _ string, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.turned = append(o.turned, err)
}

func (o *office) Offers(context.Context, api.Session) ([]api.Offer, error) {
	return []api.Offer{{Workflow: "deploy", Title: "Deploy", Longest: "1h", Entitlements: []api.Entitlement{{Target: "pg", Entitlement: "writer", Title: "Write"}}, Fields: []api.Field{{Name: "ticket", Label: "Ticket", Kind: "ticket"}}}}, o.fail
}

func (o *office) Ask(_ context.Context, s api.Session, key string, a api.Ask) (string, *workflows.Refusal, []workflows.FieldProblem, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fail != nil || o.refuse != nil {
		return "", o.refuse, nil, o.fail
	}
	if len(a.Reason) < 4 {
		return "", workflows.Refuse(workflows.CodeBadField, "The form is not complete.", ""), []workflows.FieldProblem{{Field: "reason", Text: "say why"}}, nil
	}
	if id, ok := o.keys[key]; ok && key != "" {
		return id, nil, nil, nil
	}
	o.asked = append(o.asked, a)
	id := fmt.Sprintf("r_%026d", len(o.asked))
	o.requests[id] = api.Request{
		ID: id, State: api.StatePending, Sentence: "Waiting for 1.", Workflow: a.Workflow, Target: "pg", Entitlement: "writer", Duration: "1h", Digest: "sha256:1", Responsible: "Jonas",
	}
	o.of[id], o.keys[key] = s.Identity, id
	return id, nil, nil, nil
}

func (o *office) Look(_ context.Context, s api.Session, id string) (api.Request, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	r, ok := o.requests[id]
	if !ok || o.of[id] != s.Identity {
		return api.Request{}, api.ErrUnknown
	}
	return r, o.fail
}

func (o *office) Secret(ctx context.Context, s api.Session, id string) (api.Secret, *workflows.Refusal, error) {
	if _, err := o.Look(ctx, s, id); err != nil {
		return api.Secret{}, nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.secrets[id] {
		return api.Secret{}, workflows.Refuse(workflows.CodeSecret, "There is none.", ""), nil
	}
	delete(o.secrets, id)
	return api.Secret{Title: "Password", Parts: []api.Part{{Name: "Password", Value: "hunter2"}}}, nil, nil
}

func (o *office) End(ctx context.Context, s api.Session, id, _ string) (*workflows.Refusal, error) {
	if _, err := o.Look(ctx, s, id); err != nil {
		return nil, err
	}
	o.set(id, func(r *api.Request) { r.State = api.StateEnded })
	return nil, nil
}

func (o *office) Held(_ context.Context, s api.Session) (out []api.Request, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for id, r := range o.requests {
		if o.of[id] == s.Identity {
			out = append(out, r)
		}
	}
	return out, o.fail
}

// Kill takes what the session's identity has; another's only under a door that says so.
func (o *office) Kill(_ context.Context, s api.Session, _ string, k api.Kill) (api.Killed, *workflows.Refusal, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fail != nil {
		return api.Killed{}, nil, o.fail
	}
	id := workflows.IdentityID(k.Identity)
	if id == "" {
		id = s.Identity
	}
	if k.Reason == "" || id != s.Identity && !s.Door().KillSwitch {
		return api.Killed{}, workflows.Refuse(workflows.CodeNotYours, "There is no such identity, or it is not yours.", ""), nil
	}
	o.killed = append(o.killed, id)
	out := api.Killed{Identity: string(id), Quarantined: k.Quarantine}
	for r, of := range o.of {
		if of == id && o.requests[r].State == api.StateActive {
			out.Ended = append(out.Ended, api.KilledGrant{Grant: "g_1", Target: "pg", Entitlement: "writer", EndsAt: time.Now(), Leaves: "sessions"})
		}
	}
	return out, nil, nil
}

func (o *office) set(id string, change func(*api.Request)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	r := o.requests[id]
	change(&r)
	o.requests[id] = r
}

// world is an issuer, an office and the API between them; every answer is held to the OpenAPI document.
type world struct {
	t      *testing.T
	issuer *issuer
	office *office
	server *httptest.Server
	doc    map[string]any
	now    func() time.Time // of servers with TLS
}

// clock is real time and what a test let pass.
type clock struct {
	mu   sync.Mutex
	past time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.past)
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.past += d
}

func (c *clock) back() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.past = 0
}

func start(t *testing.T) *world {
	w := &world{t: t, issuer: newIssuer(t), now: time.Now}
	w.office = &office{tokens: map[string]bool{}, requests: map[string]api.Request{}, of: map[string]workflows.IdentityID{}, keys: map[string]string{}, secrets: map[string]bool{}}
	w.office.doors = []api.Door{{Identity: robot, Workload: desk.Workload{
		Issuer: w.issuer.server.URL, Audience: audience, Subject: subject, Claims: map[string]string{"repository_id": "4711", "environment": "production"},
	}}}
	w.server = httptest.NewServer(api.New(api.Config{Office: w.office, Now: time.Now, Version: "test", Log: slog.New(slog.DiscardHandler)}))
	t.Cleanup(w.server.Close)
	_, body := w.call("GET", "/v1/openapi.json", "", nil)
	if err := json.Unmarshal(body, &w.doc); err != nil {
		t.Fatal(err)
	}
	return w
}

// call makes one call and checks the answer against the document.
func (w *world) call(method, path, bearer string, body any, header ...string) (int, []byte) {
	w.t.Helper()
	var in io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		in = strings.NewReader(b)
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			w.t.Fatal(err)
		}
		in = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.server.URL+path, in)
	if err != nil {
		w.t.Fatal(err)
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	if w.doc != nil {
		w.documented(method, path, resp, out)
	}
	if resp.Header.Get("Cache-Control") != "no-store" {
		w.t.Errorf("%s %s may be kept by caches", method, path)
	}
	return resp.StatusCode, out
}

// documented holds an answer to what the document says of its route and status.
func (w *world) documented(method, path string, resp *http.Response, body []byte) {
	w.t.Helper()
	path, _, _ = strings.Cut(path, "?")
	parts := strings.Split(path, "/")
	if len(parts) > 3 && parts[2] == "requests" {
		parts[3] = "{id}"
	}
	route := strings.Join(parts, "/")
	pointer := func(keys ...string) any {
		var v any = w.doc
		for _, k := range keys {
			m, ok := v.(map[string]any)
			if !ok {
				return nil
			}
			v = m[k]
		}
		return v
	}
	if pointer("paths", route, strings.ToLower(method)) == nil {
		return // not a route: 404 and 405 of the server
	}
	answer := pointer("paths", route, strings.ToLower(method), "responses", fmt.Sprint(resp.StatusCode))
	if answer == nil {
		w.t.Errorf("%s %s answers %d, which the document does not know: %s", method, route, resp.StatusCode, body)
		return
	}
	content, _ := answer.(map[string]any)["content"].(map[string]any)
	if content == nil {
		if len(body) > 0 {
			w.t.Errorf("%s %s answers %d with a body", method, route, resp.StatusCode)
		}
		return
	}
	kind := resp.Header.Get("Content-Type")
	if content[kind] == nil {
		w.t.Errorf("%s %s answers %d as %q", method, route, resp.StatusCode, kind)
		return
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("mem:///openapi.json", w.doc); err != nil {
		w.t.Fatal(err)
	}
	escaped := strings.NewReplacer("~", "~0", "/", "~1").Replace
	at := fmt.Sprintf("mem:///openapi.json#/paths/%s/%s/responses/%d/content/%s/schema", escaped(route), strings.ToLower(method), resp.StatusCode, escaped(kind))
	schema, err := c.Compile(strings.ReplaceAll(strings.ReplaceAll(at, "{", "%7B"), "}", "%7D"))
	if err != nil {
		w.t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if err := schema.Validate(v); err != nil {
		w.t.Errorf("%s %s answers %d with what the document does not describe: %v\n%s", method, route, resp.StatusCode, err, body)
	}
}

// session opens one with a fresh token.
func (w *world) session() string {
	w.t.Helper()
	code, body := w.call("POST", "/v1/session", w.issuer.token(nil), nil)
	var out struct{ Session string }
	if code != http.StatusCreated || json.Unmarshal(body, &out) != nil {
		w.t.Fatalf("opening a session: %d %s", code, body)
	}
	return out.Session
}
