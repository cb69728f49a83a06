package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
)

// guardedVault is as much of Vault as a path with a control group answers: what was to be read waits behind a wrapping token.
func guardedVault(t *testing.T) string {
	t.Helper()
	say := func(v any) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(v) }
	}
	type m map[string]any
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/auth/token/create/countersign", say(m{"auth": m{"client_token": "hvs.child-of-the-bot", "accessor": "acc-1"}}))
	mux.HandleFunc("GET /v1/guarded/creds/orders", say(m{"wrap_info": m{"token": "hvs.wrapped-for-maya", "accessor": "cg-4711", "ttl": 86400}}))
	mux.HandleFunc("GET /v1/guarded/roles/orders", say(m{"data": m{"db_name": "orders"}}))
	mux.HandleFunc("POST /v1/auth/token/lookup-accessor", say(m{"data": m{}}))
	mux.HandleFunc("POST /v1/sys/control-group/request", say(m{"data": m{"approved": false}}))
	mux.HandleFunc("POST /v1/auth/token/revoke-accessor", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv.URL
}

// TestControlGroupIsAnnounced: a grant that was approved here and waits for people in Vault is announced to the security channel with what they do, stands in the
// ledger, and the holder's card says why nothing opens yet.
func TestControlGroupIsAnnounced(t *testing.T) {
	t.Parallel()
	token := filepath.Join(t.TempDir(), "token")
	mustSay(t, os.WriteFile(token, []byte("hvs.token-of-the-bot"), 0o600))
	d := demoAsJonas(t, map[string]string{
		"targets/vault.yaml": "id: vault\ntitle: Vault\nconnector: vault\nowner: jonas\nenvironment: production\ndata_class: internal\n" +
			"settings: {url: '" + guardedVault(t) + "', token_file: " + token + ", engine: leases, role: countersign}\nentitlements:\n" +
			"  - {id: orders, title: Orders, description: Reads the orders., business_task: Repairs., review_date: 2036-01-01, longest: 4h, " +
			"params: {path: guarded/creds/orders, policies: orders}}\n",
		"workflows/use-vault.yaml": strings.NewReplacer("prod-db-read", "use-vault", "Read the main database", "Chain vault", "pg-main/readonly", "vault/orders",
			"for: [self, owned]", "for: [self]", "  groups: [engineers]", "  anyone: true").Replace(pgWorkflow),
	})
	s, ctx := &story{demo: d}, t.Context()
	mustSay(t, s.command(ctx, "maya", "/access", "request use-vault"))
	_, err := s.view(ctx, "maya", screens.CallForm)
	mustSay(t, err)
	mustSay(t, s.submit(ctx, "maya", map[string]any{screens.BlockDuration: "1h", screens.BlockReason: "The orders of a customer are lost."}))
	card, err := s.message(ctx, "access", "The orders of a customer", "What will change", "Vault makes credentials at guarded/creds/orders")
	mustSay(t, err)
	mustSay(t, s.press(ctx, "jonas", card, screens.ActApprove))
	stop := make(chan struct{})
	defer close(stop)
	go func() { // the bot looks every twenty seconds of its own time
		for {
			select {
			case <-stop:
				return
			case <-time.After(200 * time.Millisecond):
				_ = d.advance(ctx, 21*time.Second)
			}
		}
	}()
	_, err = s.message(ctx, "security", "waits for people there", "vault write sys/control-group/authorize accessor=cg-4711")
	mustSay(t, err)
	out, err := d.ledger(ctx, "verify")
	if err != nil || !strings.Contains(out, "intact") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err = d.ledger(ctx, "history", "system"); err != nil || !strings.Contains(out, "cg-4711") {
		t.Errorf("the ledger does not say what waits (%v):\n%s", err, out)
	}
}
