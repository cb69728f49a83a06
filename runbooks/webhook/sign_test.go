package webhook_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/webhook"
)

// TestSecretsChange: while both are in place, a receiver is content with either; with one, only with that.
func TestSecretsChange(t *testing.T) {
	t.Parallel()
	both, err := webhook.ReadSecrets(runbooks.NewSecret(oldSecret + "\n" + newSecret + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, knows := range []string{oldSecret, newSecret} {
		r := newReceiver(t, knows)
		cfg := r.config(t)
		cfg.Secrets = both
		if _, err := open(t, cfg).Grant(t.Context(), order("g_1")); err != nil {
			t.Errorf("a receiver that knows one of two: %v", err)
		}
		cfg.Secrets = []runbooks.Secret{runbooks.NewSecret(map[string]string{oldSecret: newSecret, newSecret: oldSecret}[knows])}
		_, err := open(t, cfg).Grant(t.Context(), order("g_2"))
		if said(err) != "broken: the service does not accept our signature (401): no signature is good" {
			t.Errorf("a receiver that knows another: %v", err)
		}
	}
}

func TestBadSecrets(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"":                                 "there are 0 secrets; want 1, or up to 4 while they are being changed",
		"hunter2":                          "secret 1 is not whsec_ and base64",
		"whsec_!":                          "secret 1 is not whsec_ and base64",
		"whsec_AA":                         "secret 1 is not whsec_ and base64",
		"whsec_" + strings.Repeat("A", 20): "secret 1 has 15 bytes; want 24 to 64",
		oldSecret + " whsec_" + strings.Repeat("A", 100):       "secret 2 has 75 bytes; want 24 to 64",
		strings.Repeat(oldSecret+"\n", 5):                      "there are 5 secrets; want 1, or up to 4 while they are being changed",
		strings.TrimPrefix(oldSecret, "whsec_") + " of before": "secret 1 is not whsec_ and base64",
	} {
		if _, err := webhook.ReadSecrets(runbooks.NewSecret(raw)); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", raw, err, want)
		}
	}
}

// foreign is a verifier of Standard Webhooks in Python's standard library: a second hand and a second language.
const foreign = `
import base64, hashlib, hmac, json, sys
for line in sys.stdin:
    c = json.loads(line)
    key = base64.b64decode(c["secret"].removeprefix("whsec_"))
    signed = c["id"].encode() + b"." + c["timestamp"].encode() + b"." + base64.b64decode(c["body"])
    want = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    print("good" if any(s.split(",", 1) == ["v1", want] for s in c["signature"].split(" ")) else "bad")
`

// TestForeignVerifier: the signatures are good to somebody who did not write them.
func TestForeignVerifier(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skipf("no second implementation to ask: %v", err)
	}
	var lines bytes.Buffer
	enc := json.NewEncoder(&lines)
	add := func(secret, id, stamp, signature string, body []byte) {
		if err := enc.Encode(map[string]any{"secret": secret, "id": id, "timestamp": stamp, "signature": signature, "body": body}); err != nil {
			t.Fatal(err)
		}
	}
	var h http.Header
	var body []byte
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		h = r.Header.Clone()
		body, _ = io.ReadAll(r.Body)
	}))
	defer srv.Close()
	c := open(t, webhook.Config{
		URL: srv.URL, LoopbackHost: "127.0.0.1", Secrets: []runbooks.Secret{runbooks.NewSecret(oldSecret), runbooks.NewSecret(newSecret)},
	})
	g := order("g_1")
	g.Fields["reason"] = "ä – 日本 <&>\u2028"
	if _, err := c.Grant(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	id, stamp, signature := h.Get("webhook-id"), h.Get("webhook-timestamp"), h.Get("webhook-signature")
	add(oldSecret, id, stamp, signature, body)
	add(newSecret, id, stamp, signature, body)
	add(oldSecret, "grant_g_2", stamp, signature, body)
	add(oldSecret, id, "1", signature, body)
	add(oldSecret, id, stamp, signature, append(body[:len(body):len(body)], ' '))
	add("whsec_"+strings.Repeat("A", 32), id, stamp, signature, body)
	cmd := exec.Command(python, "-c", foreign)
	cmd.Stdin = &lines
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Fields(string(out)), "good good bad bad bad bad"; strings.Join(got, " ") != want {
		t.Errorf("%s, want %s", got, want)
	}
}
