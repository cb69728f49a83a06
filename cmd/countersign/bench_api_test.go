package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	benchAPIRate       = 500 // calls a second: what the door for machines has to carry
	benchAPISeconds    = 20
	benchAPIIdentities = 60 // each below its 600 calls a minute
	benchAPIWriters    = 12 // of them, two of each owner
	benchAPIWrites     = 50 // one call in so many asks or gives back
)

// benchDoor is a company with many machines, each with a session.
type benchDoor struct {
	d        *demo
	client   *http.Client
	sessions []string
}

func benchIdentities(issuer string) string {
	owners := []string{"maya", "jonas", "sofia", "priya", "kenji", "frida"}
	var b strings.Builder
	b.WriteString("identities:\n")
	for i := range benchAPIIdentities {
		fmt.Fprintf(&b, "  - id: svc-%d\n    kind: service_account\n    name: Robot %d\n    owner: %s\n    purpose: Is one of many in a benchmark.\n    environment: production\n    expires: 2036-12-31\n"+
			"    workloads:\n      - {issuer: '%s', audience: bot.example.com, subject: robot-%d}\n", i, i, owners[i%len(owners)], issuer, i)
	}
	return b.String()
}

func newBenchDoor(b *testing.B) *benchDoor {
	b.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	mux := http.NewServeMux()
	issuer := httptest.NewServer(mux)
	b.Cleanup(issuer.Close)
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(map[string]string{"issuer": issuer.URL, "jwks_uri": issuer.URL + "/keys"})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "1", Algorithm: "ES256"}}})
	})
	dir := b.TempDir()
	exe := filepath.Join(dir, "countersign")
	if out, err := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", exe, ".").CombinedOutput(); err != nil {
		b.Fatalf("building: %v\n%s", err, out)
	}
	chain := strings.Replace(robotChain, "people: [maya, jonas]\nfor", "people: [maya, jonas, sofia, priya, kenji, frida]\nfor", 1)
	d, err := newDemoOf(b.Context(), proc{out: io.Discard, err: io.Discard}, demoSetup{
		exe: exe, dir: dir, listen: "127.0.0.1:0", files: map[string]string{"identities.yaml": benchIdentities(issuer.URL), "workflows/robot.yaml": chain},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(d.close)
	x := &benchDoor{d: d, client: &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 256}}}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "1"}}, nil)
	if err != nil {
		b.Fatal(err)
	}
	for i := range benchAPIIdentities {
		now := time.Now()
		token, err := jwt.Signed(signer).Claims(map[string]any{
			"iss": issuer.URL, "sub": fmt.Sprintf("robot-%d", i), "aud": "bot.example.com", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "jti": fmt.Sprint(i),
		}).Serialize()
		if err != nil {
			b.Fatal(err)
		}
		var out struct{ Session string }
		if code := x.call(b.Context(), http.MethodPost, "/v1/session", token, nil, &out); code != http.StatusCreated {
			b.Fatalf("session %d: %d", i, code)
		}
		x.sessions = append(x.sessions, out.Session)
	}
	return x
}

func (x *benchDoor) call(ctx context.Context, method, path, bearer string, in, out any) int {
	raw, _ := json.Marshal(in)
	req, err := http.NewRequestWithContext(ctx, method, x.d.child.url()+path, bytes.NewReader(raw))
	if err != nil {
		return 0
	}
	req.Header.Set("Authorization", "Bearer "+bearer)
	resp, err := x.client.Do(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || out != nil && json.Unmarshal(body, out) != nil {
		return 0
	}
	return resp.StatusCode
}

// writer is an identity that asks and gives back in turns.
type writer struct {
	mu   sync.Mutex
	open string
	n    int
}

// write asks for something, or withdraws what was asked for.
func (x *benchDoor) write(ctx context.Context, w *writer, session, key string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.open != "" {
		code := x.call(ctx, http.MethodPost, "/v1/requests/"+w.open+"/release", session, nil, nil)
		w.open = ""
		return code
	}
	var r struct{ ID string }
	w.n++
	code := x.call(ctx, http.MethodPost, "/v1/requests", session, map[string]any{"workflow": "robot", "reason": fmt.Sprintf("Release %d of the shop.", w.n), "fields": map[string]string{"key": key}}, &r)
	w.open = r.ID
	return code
}

// BenchmarkAPI sends calls to the door for machines at a steady rate: one in fifty asks for something or gives it back (each a durable decision of
// the ledger), the others read. It measures from the moment a call was due, so that waiting behind others counts. Issue 6 wants 500 a second with p99
// <= 100 ms. Run with
//
//	go test -run '^$' -bench API -benchtime 1x ./cmd/countersign
func BenchmarkAPI(b *testing.B) {
	x := newBenchDoor(b)
	key := x.d.people["maya"].public()
	writers := make([]writer, benchAPIWriters)
	for b.Loop() {
		var mu sync.Mutex
		var reads, writes []time.Duration
		answers := map[int]int{}
		var wg sync.WaitGroup
		begin := time.Now()
		for i := range benchAPIRate * benchAPISeconds {
			due := begin.Add(time.Duration(i) * time.Second / benchAPIRate)
			<-time.After(time.Until(due))
			wg.Go(func() {
				session, code := x.sessions[i%benchAPIIdentities], 0
				write := i%benchAPIWrites == 0
				switch {
				case write:
					w := i / benchAPIWrites % benchAPIWriters
					code = x.write(b.Context(), &writers[w], x.sessions[w], key)
				case i%2 == 0:
					code = x.call(b.Context(), http.MethodGet, "/v1/requests", session, nil, nil)
				default:
					code = x.call(b.Context(), http.MethodGet, "/v1/me", session, nil, nil)
				}
				took := time.Since(due)
				mu.Lock()
				defer mu.Unlock()
				answers[code]++
				if write {
					writes = append(writes, took)
				} else {
					reads = append(reads, took)
				}
			})
		}
		wg.Wait()
		rate := float64(len(reads)+len(writes)) / time.Since(begin).Seconds()
		all := slices.Sorted(slices.Values(slices.Concat(reads, writes)))
		slices.Sort(writes)
		b.ReportMetric(rate, "calls/s")
		b.ReportMetric(ms(all[len(all)/2]), "p50-ms")
		b.ReportMetric(ms(all[len(all)*99/100]), "p99-ms")
		b.ReportMetric(ms(all[len(all)-1]), "max-ms")
		b.ReportMetric(ms(writes[len(writes)*99/100]), "write-p99-ms")
		b.ReportMetric(float64(len(all)-answers[http.StatusOK]-answers[http.StatusCreated]), "refused")
		fmt.Fprintln(os.Stderr, "answers:", answers)
	}
}
