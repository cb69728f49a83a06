package posture

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

// Receiver takes deliveries over HTTP. Nothing is read before its signature was found good, and nothing tells a stranger why it was not.
type Receiver struct {
	Register *Register
	Secret   []byte                       // of the webhook; empty: no webhook is taken
	Keys     map[string]ed25519.PublicKey // of device agents, by key id; empty: no claim is taken
	Now      func() time.Time             // real time, for signatures
	Changed  func(workflows.IdentityID)   // something was said about them; may be nil
	Log      *slog.Logger
}

// ParseSecret reads "whsec_" and base64, as Standard Webhooks spells a secret. Fewer than 24 bytes are refused.
func ParseSecret(s string) ([]byte, error) {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(strings.TrimSpace(s), "whsec_"))
	if err != nil || len(raw) < 24 {
		return nil, errors.New("want whsec_ and the base64 of at least 24 random bytes")
	}
	return raw, nil
}

// ParseKeys reads lines of a key id and the base64 of an Ed25519 public key; # begins a comment.
func ParseKeys(text string) (map[string]ed25519.PublicKey, error) {
	out := map[string]ed25519.PublicKey{}
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if len(words) != 2 {
			return nil, fmt.Errorf("line %d: want a key id and a key", i+1)
		}
		raw, err := base64.StdEncoding.DecodeString(words[1])
		if err != nil || len(raw) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("line %d: %q is not the base64 of an Ed25519 public key", i+1, words[0])
		}
		if _, twice := out[words[0]]; twice {
			return nil, fmt.Errorf("line %d: the key id %q stands there twice", i+1, words[0])
		}
		out[words[0]] = raw
	}
	return out, nil
}

// ServeHTTP answers 204 for what was taken, 401 for what is not signed by anybody known, 400 for what cannot be read.
func (rc *Receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "the delivery is too large", http.StatusRequestEntityTooLarge)
		return
	}
	raw, ok := rc.open(r.Header, body)
	if !ok {
		http.Error(w, "the signature is not good", http.StatusUnauthorized)
		return
	}
	var o Observation
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&o); err != nil || dec.More() {
		http.Error(w, "the delivery cannot be read: want one object with subject, claims, observed_at and valid_seconds", http.StatusBadRequest)
		return
	}
	holder, err := rc.Register.Take(o)
	if err != nil {
		rc.Log.WarnContext(r.Context(), "a report of posture was not taken", "err", err)
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if rc.Changed != nil {
		rc.Changed(holder)
	}
	w.WriteHeader(http.StatusNoContent)
}

// open gives what was signed: the body of a webhook, or the payload of a claim.
func (rc *Receiver) open(h http.Header, body []byte) ([]byte, bool) {
	if h.Get("Content-Type") == "application/jwt" {
		return rc.openClaim(string(bytes.TrimSpace(body)))
	}
	id, at := h.Get("Webhook-Id"), h.Get("Webhook-Timestamp")
	seconds, err := strconv.ParseInt(at, 10, 64)
	if err != nil || len(rc.Secret) == 0 || id == "" || rc.isStale(seconds) {
		return nil, false
	}
	mac := hmac.New(sha256.New, rc.Secret)
	mac.Write([]byte(id + "." + at + "."))
	mac.Write(body)
	want := mac.Sum(nil)
	for _, s := range strings.Fields(h.Get("Webhook-Signature")) {
		version, sig, _ := strings.Cut(s, ",")
		got, err := base64.StdEncoding.DecodeString(sig)
		if version == "v1" && err == nil && hmac.Equal(got, want) {
			return body, true
		}
	}
	return nil, false
}

func (rc *Receiver) isStale(seconds int64) bool {
	d := rc.Now().Sub(time.Unix(seconds, 0))
	return d > skew || d < -skew
}

// openClaim verifies a compact JWS. Its algorithm is EdDSA and nothing else, its key one of ours, and it says when it was signed: the claim is
// bound to its time by iat, as a webhook is by its header.
func (rc *Receiver) openClaim(token string) ([]byte, bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, false
	}
	var raw [3][]byte
	for i, p := range parts {
		b, err := base64.RawURLEncoding.Strict().DecodeString(p)
		if err != nil {
			return nil, false
		}
		raw[i] = b
	}
	var head struct {
		Alg  string `json:"alg"`
		Kid  string `json:"kid"`
		Iat  int64  `json:"iat"`
		Crit []any  `json:"crit"`
	}
	if json.Unmarshal(raw[0], &head) != nil || head.Alg != "EdDSA" || len(head.Crit) > 0 || rc.isStale(head.Iat) {
		return nil, false
	}
	key, ok := rc.Keys[head.Kid]
	if !ok || !ed25519.Verify(key, []byte(parts[0]+"."+parts[1]), raw[2]) {
		return nil, false
	}
	return raw[1], true
}
