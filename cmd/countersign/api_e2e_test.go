package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/countersign-bot/countersign/bot/screens"
)

// platform is a build platform that signs ID tokens for its jobs, and gives them out as GitHub Actions does.
type platform struct {
	t      *testing.T
	server *httptest.Server
	signer jose.Signer
	given  int
}

const (
	pipelineSubject = "repo:northwind/shop:environment:production"
	pipelineRef     = "northwind/shop/.github/workflows/release.yml@refs/heads/main"
)

func newPlatform(t *testing.T) *platform {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	mustSay(t, err)
	x := &platform{t: t}
	x.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "1"}}, nil)
	mustSay(t, err)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(map[string]string{"issuer": x.server.URL, "jwks_uri": x.server.URL + "/keys"})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "1", Algorithm: "ES256"}}})
	})
	mux.HandleFunc("GET /token", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer of-the-job" {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		json.NewEncoder(w).Encode(map[string]string{"value": x.token(r.URL.Query().Get("audience"), nil)})
	})
	x.server = httptest.NewServer(mux)
	t.Cleanup(x.server.Close)
	return x
}

// token is one of the job's, with some claims changed.
func (x *platform) token(audience string, change map[string]any) string {
	x.given++
	now := time.Now()
	claims := map[string]any{
		"iss": x.server.URL, "sub": pipelineSubject, "aud": audience, "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
		"jti": fmt.Sprint(x.given), "repository_id": "4711", "environment": "production",
		"job_workflow_ref": pipelineRef,
	}
	for k, v := range change {
		claims[k] = v
	}
	raw, err := jwt.Signed(x.signer).Claims(claims).Serialize()
	mustSay(x.t, err)
	return raw
}

// robotChain lets owners ask for their robots; Sofia decides.
const robotChain = `id: robot
title: Shell for a robot
purpose: For pipelines that repair the shop.
kind: credential
owner: jonas
may_ask:
  people: [maya, jonas]
for: [owned]
grants: [bastion/deploy]
fields:
  - {name: key, label: SSH public key, type: ssh_key}
longest: 4h
usual: 1h
reason_min: 10
channel: "#access"
seen_by: members
stages:
  - name: Security
    approvers: {people: [sofia, jonas]}
    quorum: 1
    timeout: 8h
`

func (x *platform) identities(t *testing.T) string {
	t.Helper()
	own, err := demoFiles.ReadFile("demo/org/identities.yaml")
	mustSay(t, err)
	return string(own) + fmt.Sprintf(`    workloads:
      - issuer: %s
        audience: bot.example.com
        subject: %s
        claims: {repository_id: "4711", environment: production, job_workflow_ref: %s}
`, x.server.URL, pipelineSubject, pipelineRef)
}

// TestReq_R47_APipelineGetsAndLosesAccess runs a job of a build platform through the whole program: it proves who it is with the platform's
// token, asks, waits for a person, uses the access in its command, and the access is gone when the command is.
func TestReq_R47_APipelineGetsAndLosesAccess(t *testing.T) {
	t.Parallel()
	x := newPlatform(t)
	d := demoAsJonas(t, map[string]string{"workflows/robot.yaml": robotChain, "identities.yaml": x.identities(t)})
	s := &story{demo: d}
	ctx := t.Context()
	base := d.child.url()
	dir := t.TempDir()
	mustSay(t, os.WriteFile(filepath.Join(dir, "key.pub"), []byte(d.people["maya"].public()), 0o600))

	type ended struct {
		code int
		out  string
	}
	done := make(chan ended, 1)
	job := func(env []string, args ...string) ended {
		var out bytes.Buffer
		code := run(ctx, proc{args: args, env: append(env, "PATH="+os.Getenv("PATH")), in: strings.NewReader(""), out: &out, err: &out})
		return ended{code, out.String()}
	}
	actions := []string{"ACTIONS_ID_TOKEN_REQUEST_URL=" + x.server.URL + "/token", "ACTIONS_ID_TOKEN_REQUEST_TOKEN=of-the-job"}
	ask := []string{
		"request", "robot", "-api", base, "-audience", "bot.example.com", "-reason", "The release of the shop hangs.", "-field", "key=@" + filepath.Join(dir, "key.pub"),
	}
	go func() {
		done <- job(actions, append(ask, "-wait", "--", "sh", "-c", `echo "grant $COUNTERSIGN_GRANT"; echo "token [$ACTIONS_ID_TOKEN_REQUEST_TOKEN]"; printf %s "$COUNTERSIGN_USE" | head -c 20; exit 7`)...)
	}()
	card, err := s.message(ctx, "access", "The release of the shop hangs.")
	mustSay(t, err)
	said(t, card.Visible(), "svc-deploy")
	mustSay(t, s.press(ctx, "sofia", card, screens.ActApprove))
	select {
	case got := <-done:
		if got.code != 7 {
			t.Fatalf("the job ended with %d, want that of its command:\n%s", got.code, got.out)
		}
		said(t, got.out, "pending", "grant g_", "token []")
	case <-time.After(2 * time.Minute):
		t.Fatal("the job did not end")
	}
	_, err = until(ctx, "the end of the access", func() (bool, bool) {
		out, err := d.cli(ctx, "", "ledger", "search", "grant.revoked", "-json")
		return true, err == nil && strings.Contains(out, "svc-deploy")
	})
	mustSay(t, err)

	// Another repository, another branch's environment, a token that was used before: nothing.
	for name, c := range map[string]struct {
		token string
		word  string
	}{
		"another repository":  {x.token("bot.example.com", map[string]any{"repository_id": "4712"}), "repository_id"},
		"a fork":              {x.token("bot.example.com", map[string]any{"sub": "repo:mallory/shop:environment:production"}), "sub"},
		"another branch":      {x.token("bot.example.com", map[string]any{"job_workflow_ref": strings.Replace(pipelineRef, "main", "try-it", 1)}), "job_workflow_ref"},
		"another workflow":    {x.token("bot.example.com", map[string]any{"job_workflow_ref": strings.Replace(pipelineRef, "release", "lint", 1)}), "job_workflow_ref"},
		"no workflow":         {x.token("bot.example.com", map[string]any{"job_workflow_ref": nil}), "job_workflow_ref"},
		"another environment": {x.token("bot.example.com", map[string]any{"environment": "staging"}), "environment"},
		"another audience":    {x.token("elsewhere.example.com", nil), "audience"},
	} {
		file := filepath.Join(dir, "token")
		mustSay(t, os.WriteFile(file, []byte(c.token), 0o600))
		if got := job(nil, append(ask, "-token-file", file)...); got.code != exitFailed || !strings.Contains(got.out, c.word) {
			t.Errorf("%s: %d %s", name, got.code, got.out)
		}
	}
	file := filepath.Join(dir, "token")
	mustSay(t, os.WriteFile(file, []byte(x.token("bot.example.com", nil)), 0o600))
	first := job(nil, append(ask, "-token-file", file, "-json")...)
	again := job(nil, append(ask, "-token-file", file)...)
	if first.code != exitDone || again.code != exitFailed || !strings.Contains(again.out, "opened a session before") {
		t.Errorf("a token twice: %+v, then %+v", first, again)
	}
	out, err := d.cli(ctx, "", "ledger", "verify")
	if err != nil {
		t.Errorf("verifying: %v\n%s", err, out)
	}
	said(t, out, "intact")
}

// TestReq_R58_NoSessionNoAnswer asks the running bot without a session, and reads its own description.
func TestReq_R58_NoSessionNoAnswer(t *testing.T) {
	t.Parallel()
	d := cliDemo(t)
	for path, want := range map[string]int{"/v1/openapi.json": http.StatusOK, "/v1/me": http.StatusUnauthorized, "/v1/requests": http.StatusUnauthorized, "/mcp": http.StatusUnauthorized} {
		resp, err := http.Get(d.child.url() + path)
		mustSay(t, err)
		body, err := io.ReadAll(resp.Body)
		mustSay(t, err)
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %s %s", path, resp.Status, body)
		}
	}
}
