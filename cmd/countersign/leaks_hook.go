package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/intake"
)

// leakHook takes what secret scanners find, at PUBLIC_URL/leaks: GitHub's partner alerts, signed by one of the keys that GitHub publishes, and what is
// signed with a secret of ours as GitHub signs webhooks. Nothing is read before its signature was found good, and nobody is told why it was not.
type leakHook struct {
	secret []byte
	keys   map[string]*ecdsa.PublicKey // by key identifier
	take   func(context.Context, []intake.Leak) (takenLeaks, error)
	slots  chan struct{}
}

const minLeakSecret = 24 // characters: GitHub recommends a random string of high entropy

// openLeakHook reads the settings; nil where nobody may report.
func (s *serving) openLeakHook() (*leakHook, error) {
	if s.cfg.LeakSecret == "" && s.cfg.LeakKeys == "" {
		return nil, nil
	}
	h := &leakHook{secret: []byte(s.cfg.LeakSecret), slots: make(chan struct{}, maxHooks)}
	if n := len(h.secret); n > 0 && n < minLeakSecret {
		return nil, fmt.Errorf("%s_LEAK_SECRET has %d characters, at least %d are needed", prefix, n, minLeakSecret)
	}
	if s.cfg.LeakKeys != "" {
		raw, err := os.ReadFile(s.cfg.LeakKeys)
		if err == nil {
			h.keys, err = parseLeakKeys(raw)
		}
		if err != nil {
			return nil, fmt.Errorf("%s_LEAK_KEYS: %w", prefix, err)
		}
	}
	h.take = func(ctx context.Context, list []intake.Leak) (takenLeaks, error) {
		n, no, err := s.takeLeaks(ctx, list, workflows.System, "signature", "webhook")
		if err == nil && no != nil {
			err = no
		}
		return n, err
	}
	return h, nil
}

// parseLeakKeys reads the JSON of https://api.github.com/meta/public_keys/secret_scanning.
func parseLeakKeys(raw []byte) (map[string]*ecdsa.PublicKey, error) {
	var doc struct {
		Keys []struct {
			ID  string `json:"key_identifier"`
			Key string `json:"key"`
		} `json:"public_keys"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("reading public keys: %w", err)
	}
	out := map[string]*ecdsa.PublicKey{}
	for i, k := range doc.Keys {
		block, _ := pem.Decode([]byte(k.Key))
		if block == nil || k.ID == "" {
			return nil, fmt.Errorf("reading public keys: public_keys[%d] has no identifier, or its key is no PEM", i)
		}
		pub, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("reading public keys: public_keys[%d]: %w", i, err)
		}
		ec, ok := pub.(*ecdsa.PublicKey)
		if !ok {
			return nil, fmt.Errorf("reading public keys: public_keys[%d] is no ECDSA key", i)
		}
		out[k.ID] = ec
	}
	if len(out) == 0 {
		return nil, errors.New("reading public keys: there is none")
	}
	return out, nil
}

// signed tells whether a body is signed by somebody who may report.
func (h *leakHook) signed(header http.Header, body []byte) bool {
	if got, ok := strings.CutPrefix(header.Get("X-Hub-Signature-256"), "sha256="); ok && len(h.secret) > 0 {
		return sameMAC(h.secret, body, got)
	}
	key := h.keys[header.Get("Github-Public-Key-Identifier")]
	sig, err := base64.StdEncoding.DecodeString(header.Get("Github-Public-Key-Signature"))
	sum := sha256.Sum256(body)
	return key != nil && err == nil && ecdsa.VerifyASN1(key, sum[:], sig)
}

// ServeHTTP answers 204 when everything is on record, 401 to what is not signed, 400 to what cannot be read, and 503 to come again.
func (h *leakHook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	takeHook(w, r, h.slots, h.serve)
}

func (h *leakHook) serve(ctx context.Context, w http.ResponseWriter, r *http.Request, body []byte) {
	if !h.signed(r.Header, body) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	list, err := intake.ReadAlerts(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if _, err := h.take(ctx, list); err != nil {
		w.WriteHeader(http.StatusServiceUnavailable) // what was taken before is not recorded again
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *serving) leakRoute(mux *http.ServeMux) {
	if s.leaks != nil {
		mux.Handle("POST /leaks", s.leaks)
	}
}
