package vault_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
	"github.com/countersign-bot/countersign/runbooks/vault"
)

// TestReq_R74_CredentialsOutOfVault: one field of a secret of either version of the engine, by one call with the token and namespace given; what is not
// there, is empty, no text, refused or away is an error of the right class that holds nothing of the secret.
func TestReq_R74_CredentialsOutOfVault(t *testing.T) {
	t.Parallel()
	const canary = "postgres://bot:kv-canary-81c2@db/x"
	answers := map[string]string{
		"/v1/secret/data/countersign/pg": `{"data":{"data":{"dsn":"` + canary + `","empty":"","n":7},"metadata":{"version":3}}}`,
		"/v1/kv/countersign/pg":          `{"data":{"dsn":"` + canary + `","data":"plain"}}`,
		"/v1/kv/broken":                  `{"data":"` + canary + `"}`,
	}
	var calls []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls = append(calls, r.Method+" "+r.URL.Path+" "+r.Header.Get("X-Vault-Namespace"))
		body, ok := answers[r.URL.Path]
		switch {
		case r.Header.Get("X-Vault-Token") != "hvs.reader":
			w.WriteHeader(http.StatusForbidden)
			body = `{"errors":["permission denied"]}`
		case !ok:
			w.WriteHeader(http.StatusNotFound)
			body = `{"errors":[]}`
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, body)
	}))
	cfg := vault.KVConfig{Rest: rest.Config{URL: server.URL}, Token: runbooks.NewSecret("hvs.reader\n"), Namespace: "team-a"}
	for ref, want := range map[string]string{"secret/data/countersign/pg#dsn": canary, "kv/countersign/pg#dsn": canary, "kv/countersign/pg#data": "plain"} {
		if got, err := vault.ReadKV(t.Context(), cfg, ref); err != nil || got.Reveal() != want {
			t.Errorf("%s: %q %v", ref, got.Reveal(), err)
		}
	}
	if len(calls) != 3 || !strings.HasPrefix(calls[0], "GET /v1/") || !strings.HasSuffix(calls[0], " team-a") {
		t.Errorf("it called %q", calls)
	}
	refused := func(cfg vault.KVConfig, ref string, class runbooks.Class, words string) {
		t.Helper()
		got, err := vault.ReadKV(t.Context(), cfg, ref)
		if err == nil || !got.IsZero() || runbooks.ClassOf(err) != class || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %v (%v), want %v and %q", ref, err, runbooks.ClassOf(err), class, words)
		}
	}
	refused(cfg, "secret/data/countersign/pg#password", runbooks.Refuse, `no text in the field "password"`)
	refused(cfg, "secret/data/countersign/pg#empty", runbooks.Refuse, "no text")
	refused(cfg, "secret/data/countersign/pg#n", runbooks.Refuse, "no text")
	refused(cfg, "kv/nowhere#x", runbooks.ClassOf(errOf(t, cfg, "kv/nowhere#x")), "kv/nowhere")
	if runbooks.ClassOf(errOf(t, cfg, "kv/nowhere#x")) == runbooks.Retry {
		t.Error("a secret that is not there counts as Vault being away")
	}
	if err := errOf(t, cfg, "kv/broken#x"); strings.Contains(err.Error(), canary) {
		t.Errorf("the error tells it: %v", err)
	}
	other := cfg
	other.Token = runbooks.NewSecret("hvs.stranger")
	if err := errOf(t, other, "kv/countersign/pg#dsn"); runbooks.ClassOf(err) == runbooks.Retry || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("a token that may not: %v", err)
	}
	for _, ref := range []string{"", "kv/x", "kv/x#", "#dsn", "kv#dsn", "../sys/seal#x", "kv/../sys#x", "kv/x#a/b", "kv//x#a", "/kv/x#a", "kv/x?list=true#a"} {
		if vault.CheckKV(ref) == nil {
			t.Errorf("%q is taken for a path and a field", ref)
		}
	}
	server.Close()
	refused(cfg, "kv/countersign/pg#dsn", runbooks.Retry, "")
}

func errOf(t *testing.T, cfg vault.KVConfig, ref string) error {
	t.Helper()
	_, err := vault.ReadKV(t.Context(), cfg, ref)
	if err == nil {
		t.Fatalf("%s was read", ref)
	}
	return err
}
