package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// wrapper is as much of Vault as gives one kind of lease and wraps what is in it.
type wrapper struct {
	*httptest.Server
	mu      sync.Mutex
	token   string // the bot's
	pw      string // of the lease
	live    bool   // the lease is
	wrapped string // the token that gives the password, once
}

func newWrapper(t *testing.T) *wrapper {
	t.Helper()
	v := &wrapper{token: "hvs." + fmt.Sprintf("%x", random(t, 12)), pw: fmt.Sprintf("pw%x", random(t, 12))}
	v.Server = httptest.NewServer(v)
	t.Cleanup(v.Close)
	return v
}

// ServeHTTP answers the calls that a grant and its end are made of, and nothing to who has no token for it.
func (v *wrapper) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	token, call := r.Header.Get("X-Vault-Token"), r.Method+" "+strings.TrimPrefix(r.URL.Path, "/v1/")
	refuse := func(status int, why string) {
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"errors":[%q]}`, why)
	}
	switch {
	case call == "POST sys/wrapping/unwrap" && v.wrapped != "" && token == v.wrapped:
		v.wrapped = ""
		fmt.Fprintf(w, `{"data":{"username":"v-orders-1","password":%q}}`, v.pw)
	case call == "GET database/creds/orders" && token == "hvs.child":
		v.live = true
		fmt.Fprintf(w, `{"lease_id":"database/creds/orders/1","data":{"username":"v-orders-1","password":%q}}`, v.pw)
	case token != v.token:
		refuse(http.StatusForbidden, "permission denied")
	case call == "POST auth/token/create/countersign":
		fmt.Fprint(w, `{"auth":{"client_token":"hvs.child","accessor":"acc-1"}}`)
	case call == "POST sys/wrapping/wrap" && r.Header.Get("X-Vault-Wrap-Ttl") == "600":
		v.wrapped = "hvs.wrap-" + v.pw[2:12]
		fmt.Fprintf(w, `{"wrap_info":{"token":%q,"accessor":"acc-2","ttl":600}}`, v.wrapped)
	case call == "POST sys/leases/lookup" && v.live:
		fmt.Fprint(w, `{"data":{}}`)
	case call == "POST sys/leases/revoke" && v.live:
		v.live = false
		w.WriteHeader(http.StatusNoContent)
	case call == "POST auth/token/revoke-accessor":
		w.WriteHeader(http.StatusNoContent)
	default:
		refuse(http.StatusBadRequest, "invalid lease")
	}
}

// unwrap is what a holder does with the token.
func (v *wrapper) unwrap(t *testing.T, token string) (string, int) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, v.URL+"/v1/sys/wrapping/unwrap", nil)
	mustSay(t, err)
	req.Header.Set("X-Vault-Token", token)
	res, err := http.DefaultClient.Do(req)
	mustSay(t, err)
	defer res.Body.Close()
	var out struct{ Data struct{ Password string } }
	mustSay(t, json.NewDecoder(res.Body).Decode(&out))
	return out.Data.Password, res.StatusCode
}

func (v *wrapper) lives() bool { v.mu.Lock(); defer v.mu.Unlock(); return v.live }

// TestReq_R26_AWrappingTokenIsHandedOver: a target of Vault with wrap_seconds, asked for and taken on the running bot. The holder gets a token that gives the
// password once, and is told so; the password itself has been neither shown nor kept, not even sealed; giving the access back ends the lease.
func TestReq_R26_AWrappingTokenIsHandedOver(t *testing.T) {
	t.Parallel()
	v, file := newWrapper(t), filepath.Join(t.TempDir(), "token")
	mustSay(t, os.WriteFile(file, []byte(v.token+"\n"), 0o600))
	chain := strings.NewReplacer("id: talk\n", "id: orders\n", "bastion/deploy", "vault/orders", "ends_with: ticket\n", "", "fields:\n", "",
		"  - {name: key, label: SSH public key, type: ssh_key}\n", "", "  - {name: ticket, label: Ticket, type: ticket, pattern: 'OPS-[0-9]{1,6}'}\n", "").Replace(talkChain)
	target := "id: vault\ntitle: Vault\nconnector: vault\nowner: jonas\nenvironment: production\ndata_class: internal\nsettings: {url: '" + v.URL + "', token_file: '" + file +
		"', engine: leases, role: countersign, wrap_seconds: '600', drift_schedule: never}\nentitlements:\n  - {id: orders, title: Read the orders, description: Reads them., " +
		"business_task: Repairs., review_date: 2036-01-01, longest: 4h, params: {path: database/creds/orders, policies: [orders-read]}}\n"
	s := &story{demo: demoAsJonasWith(t, map[string]string{"workflows/orders.yaml": chain, "targets/vault.yaml": target}, nil)}
	ctx := t.Context()
	has := func(kind string) func() (string, bool) {
		return func() (string, bool) {
			out, err := s.ledger(ctx, "search", kind, "-json")
			return out, err == nil && strings.Contains(out, `"`+kind+`"`)
		}
	}
	out, err := s.cli(ctx, "", "request", "orders", "-for-time", "15m", "-reason", "A short look only.")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	said(t, out, "Approved without people")
	_, err = until(ctx, "the access", has("grant.started"))
	mustSay(t, err)
	kept, _ := has("secret.kept")()
	said(t, kept, `"wrapped":true`)
	out, err = s.cli(ctx, "", "take")
	mustSay(t, err)
	said(t, out, "This is a single-use token")
	token := regexp.MustCompile(`(?m)^Wrapping token: (hvs\.wrap-\S+)$`).FindStringSubmatch(out)
	if token == nil || strings.Contains(out, v.pw) {
		t.Fatalf("what was handed over:\n%s", out)
	}
	if again, err := s.cli(ctx, "", "take"); err == nil {
		t.Errorf("it was handed over twice:\n%s", again)
	}
	if pw, code := v.unwrap(t, token[1]); code != http.StatusOK || pw != v.pw {
		t.Errorf("unwrapping it: %d %q", code, pw)
	}
	if pw, code := v.unwrap(t, token[1]); code != http.StatusForbidden {
		t.Errorf("unwrapping it again: %d %q", code, pw)
	}
	out, err = s.cli(ctx, "", "done")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	_, err = until(ctx, "the access to be taken back", has("grant.revoked"))
	mustSay(t, err)
	if v.lives() {
		t.Error("the lease is there after the end")
	}
	looked := 0
	mustSay(t, filepath.WalkDir(s.dir, func(path string, f fs.DirEntry, err error) error {
		if err != nil || !f.Type().IsRegular() {
			return nil // sockets, and what is gone by now
		}
		b, err := os.ReadFile(path)
		if err == nil {
			looked++
		}
		if strings.Contains(string(b), v.pw) || strings.Contains(string(b), token[1]) {
			t.Errorf("the password or its token stands in %s", path)
		}
		return nil
	}))
	if looked < 10 {
		t.Errorf("only %d files were looked at", looked)
	}
	out, err = s.ledger(ctx, "verify")
	mustSay(t, err)
	said(t, out, "intact")
}
