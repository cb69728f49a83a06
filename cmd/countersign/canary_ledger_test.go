package main

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// TestThreat_T35_StreamsAndAnchorsKeepTheirSecrets: the secrets that ledger.yaml names, of a stream and of an anchor, at a server that refuses and says in its refusal all
// that it was sent. None of them stands in what the bot logs, records, exports or says.
func TestThreat_T35_StreamsAndAnchorsKeepTheirSecrets(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, "refused: %v %s", r.Header, body)
	}))
	defer srv.Close()
	w := newWorld(t, worldOptions{})
	planted := map[string]string{}
	var env []string
	for _, name := range []string{"HOOK_SECRET", "S3_ID", "S3_KEY"} {
		planted[name] = "canary" + hex.EncodeToString(random(t, 12))
		env = append(env, name+"="+planted[name])
	}
	w.ledgerFile(fmt.Sprintf("streams:\n  - {id: hook, kind: webhook, url: %q, secret_env: HOOK_SECRET}\nanchors:\n"+
		"  - {id: store, kind: s3, url: \"%s/audit/heads\", region: eu-central-1, access_key_env: S3_ID, secret_key_env: S3_KEY}\n", srv.URL, srv.URL))
	w.start(append(env, prefix+"_LOG_LEVEL=debug")...)
	w.grant("maya", "1h", "So that there is something to send.")
	var said strings.Builder
	for _, args := range [][]string{{"ledger", "anchor"}, {"health", "-json"}, {"doctor"}, {"config"}, {"ledger", "show", "-json", "-last", "0"}} {
		out, _ := w.run(args...)
		said.WriteString(out)
	}
	_, err := until(t.Context(), "both to be refused", func() (int64, bool) { n := asked.Load(); return n, n >= 2 })
	w.check(err)
	for name, text := range planted {
		if found := w.haunted(text); len(found) > 0 || strings.Contains(said.String(), text) {
			t.Errorf("%s stands in %v, or in what commands say", name, found)
		}
	}
	if !strings.Contains(w.log(), "hook") {
		t.Error("the log says nothing of the stream: the search shows nothing")
	}
}
