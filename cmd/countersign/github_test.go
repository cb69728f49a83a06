package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/runbooks/runbooktest"
)

const githubTarget = `id: github
title: GitHub
connector: github
owner: jonas
environment: production
data_class: internal
settings:
  url: URL
  token_file: DIR/token
  scope: owner/shop
  tasks: "true"
  hook_secret_file: DIR/hook
entitlements:
  - id: shop-write
    title: Write to the shop's repository
    description: Pushes to owner/shop; branch protection still holds.
    business_task: Repairing the shop.
    review_date: 2036-01-01
    longest: 4h
    shared: true
    account: true
    params:
      repository: owner/shop
      role: push
`

const githubWorkflow = `id: repo-write
title: Write to a repository
purpose: For repairs.
kind: elevation
owner: jonas
may_ask:
  groups: [engineers]
for: [self]
grants: [github/shop-write]
fields:
  - {name: ticket, label: Issue, type: ticket}
ends_with: ticket
longest: 4h
usual: 1h
reason_min: 10
channel: "#access"
seen_by: parties
stages:
  - name: Owner
    approvers:
      target_owner: true
    quorum: 1
    timeout: 8h
`

const githubHookSecret = "a secret between GitHub and us"

// emulatedGitHub is npm's emulate with a private repository and an open issue, and with the list of invitations that it lacks: an empty one.
func emulatedGitHub(t *testing.T) (front, emulator string) {
	t.Helper()
	emulator = runbooktest.Emulate(t, "github", map[string]any{
		"tokens": map[string]any{
			"tok_owner": map[string]any{"login": "owner", "scopes": []string{"repo"}}, "tok_maya": map[string]any{"login": "maya-gh", "scopes": []string{"repo"}},
		},
		"github": map[string]any{
			"users": []any{map[string]any{"login": "owner"}, map[string]any{"login": "maya-gh"}},
			"repos": []any{map[string]any{"owner": "owner", "name": "shop", "private": true}},
		},
	})
	mustSay(t, runbooktest.CallJSON(t.Context(), http.MethodPost, emulator+"/repos/owner/shop/issues", "Bearer tok_owner", map[string]string{"title": "The shop is slow"}, nil))
	to, err := url.Parse(emulator)
	mustSay(t, err)
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.ErrorLog = log.New(io.Discard, "", 0) // calls of a bot that is stopped
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/invitations") {
			fmt.Fprint(w, "[]")
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv.URL, emulator
}

// TestReq_R85_RepositoryEndToEnd: write access to a repository is asked for in Slack, under an issue that GitHub knows; what the owner approves
// opens the private repository for Maya's own token, and when the issue is closed, GitHub's webhook ends it.
func TestReq_R85_RepositoryEndToEnd(t *testing.T) {
	t.Parallel()
	front, emulator := emulatedGitHub(t)
	dir := t.TempDir()
	mustSay(t, os.WriteFile(filepath.Join(dir, "token"), []byte("tok_owner\n"), 0o600))
	mustSay(t, os.WriteFile(filepath.Join(dir, "hook"), []byte(githubHookSecret), 0o600))
	people, err := demoFiles.ReadFile("demo/org/people.yaml")
	mustSay(t, err)
	exe, err := os.Executable()
	mustSay(t, err)
	d, err := newDemoOf(t.Context(), proc{out: io.Discard, err: io.Discard}, demoSetup{
		exe: exe, dir: filepath.Join(dir, "demo"), listen: "127.0.0.1:0",
		files: map[string]string{
			"targets/github.yaml":       strings.NewReplacer("URL", front, "DIR", dir).Replace(githubTarget),
			"workflows/repo-write.yaml": githubWorkflow,
			"people.yaml":               strings.Replace(string(people), "    unix: maya\n", "    unix: maya\n    accounts: {github: maya-gh}\n", 1),
		},
	})
	mustSay(t, err)
	t.Cleanup(d.close)
	s := &story{demo: d}
	ctx := t.Context()
	canRead := func() bool {
		return runbooktest.CallJSON(ctx, http.MethodGet, emulator+"/repos/owner/shop", "Bearer tok_maya", nil, nil) == nil
	}
	mustSay(t, s.command(ctx, "maya", "/access", "request repo-write"))
	_, err = s.view(ctx, "maya", screens.CallForm)
	mustSay(t, err)
	mustSay(t, s.submit(ctx, "maya", map[string]any{
		screens.BlockDuration: "1h", screens.BlockReason: "Orders time out since this morning.", screens.FieldBlock + "ticket": "owner/shop#1",
	}))
	card, err := s.message(ctx, "access", "Maya Chen", "Write to the shop")
	mustSay(t, err)
	if canRead() {
		t.Fatal("Maya could use the repository before anybody approved it")
	}
	mustSay(t, s.press(ctx, "jonas", card, screens.ActApprove))
	_, err = until(ctx, "the repository to be open", func() (bool, bool) { return true, canRead() })
	mustSay(t, err)
	_, err = s.message(ctx, "access", "Maya Chen", "Access is on")
	mustSay(t, err)

	mustSay(t, runbooktest.CallJSON(ctx, http.MethodPatch, emulator+"/repos/owner/shop/issues/1", "Bearer tok_owner", map[string]string{"state": "closed"}, nil))
	body := `{"action":"closed","issue":{"number":1},"repository":{"full_name":"owner/shop"}}`
	mac := hmac.New(sha256.New, []byte(githubHookSecret))
	io.WriteString(mac, body)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.child.url()+"/hooks/github", strings.NewReader(body))
	mustSay(t, err)
	req.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	res, err := http.DefaultClient.Do(req)
	mustSay(t, err)
	res.Body.Close()
	if res.StatusCode != http.StatusNoContent {
		t.Errorf("GitHub's webhook is answered %s", res.Status)
	}
	_, err = until(ctx, "the repository to be closed", func() (bool, bool) { return true, !canRead() })
	mustSay(t, err)
	out, err := d.ledger(ctx, "verify")
	if err != nil || !strings.Contains(out, "intact") {
		t.Errorf("the ledger does not verify: %v\n%s", err, out)
	}
}
