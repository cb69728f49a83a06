package sshca

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"
)

// The addresses that Handler serves.
const (
	PathKRL = "/sshca/krl"
	PathCA  = "/sshca/ca.pub"
)

// The headers of an answer.
const (
	headerVersion   = "Countersign-Krl-Version"
	headerSignature = "Countersign-Krl-Signature" // base64 of an SSH signature, see signedText
	headerReport    = "Countersign-Krl-Report"    // "recorded" when the host's word was taken
)

// Handler serves the list and the CA's public key to hosts. Both are public. A host says who it is and which version it
// has in place (?host=NAME&have=VERSION), and may send ?nonce=HEX to have the answer signed for this one question, so
// that nobody in between can go on showing it an old list.
func (c *Connector) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+PathKRL, c.serveKRL)
	mux.HandleFunc("GET "+PathCA, c.serveCA)
	mux.HandleFunc("POST "+PathHost, c.serveHost)
	return mux
}

func (c *Connector) serveCA(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write(ssh.MarshalAuthorizedKey(c.PublicKey()))
}

func (c *Connector) serveKRL(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	nonce := query.Get("nonce")
	if _, err := hex.DecodeString(nonce); err != nil || len(nonce) > 64 {
		http.Error(w, "nonce: up to 64 hex digits", http.StatusBadRequest)
		return
	}
	have, err := strconv.ParseUint(query.Get("have"), 10, 64)
	if err != nil && query.Has("have") {
		http.Error(w, "have: the version of a list", http.StatusBadRequest)
		return
	}
	krl, version, recorded := c.pulled(query.Get("host"), have, c.isBelieved(r))
	signature, err := c.authority.signList(krl, nonce)
	if err != nil {
		http.Error(w, "the list could not be signed", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("ETag", etag(version, krl))
	h.Set(headerVersion, strconv.FormatUint(version, 10))
	h.Set(headerSignature, signature)
	if recorded {
		h.Set(headerReport, "recorded")
	}
	if r.Header.Get("If-None-Match") == etag(version, krl) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(krl)
}

// isBelieved tells whether the report of this request counts.
func (c *Connector) isBelieved(r *http.Request) bool {
	if c.token.IsZero() {
		return true
	}
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(c.token.Reveal()))
	return ok && subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// pulled gives the current list and takes the host's report. A list that still names long expired certificates is
// shortened first; when that cannot be written, the longer one is served, which is as safe.
func (c *Connector) pulled(host string, have uint64, believed bool) (krl []byte, version uint64, recorded bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if c.reg.isStale(now) {
		_ = c.mutate(func(r *register) error { r.prune(now); return nil })
	}
	if host != "" && believed {
		taken, moved := c.hosts.report(host, have, c.reg.Version, now)
		if taken && moved {
			taken = c.saveHosts() == nil
		}
		recorded = taken
	}
	return c.krl, c.reg.Version, recorded
}

// KRL is the current list and its version.
func (c *Connector) KRL() (krl []byte, version uint64) {
	krl, version, _ = c.pulled("", 0, false)
	return krl, version
}

// etag names exact bytes.
func etag(version uint64, krl []byte) string {
	sum := sha256.Sum256(krl)
	return fmt.Sprintf(`"%d-%x"`, version, sum[:8])
}

// signedText is what the CA signs about a list. Its first bytes cannot begin a certificate, whose first four are the
// length of a short name, so a signature of the one never passes for the other.
func signedText(krl []byte, nonce string) []byte {
	return fmt.Appendf(nil, "countersign sshca krl v1\n%s\n%x\n", nonce, sha256.Sum256(krl))
}

func (a *Authority) signList(krl []byte, nonce string) (string, error) {
	sig, err := a.signer.Sign(rand.Reader, signedText(krl, nonce))
	if err != nil {
		return "", fmt.Errorf("signing the list: %w", err)
	}
	return base64.StdEncoding.EncodeToString(ssh.Marshal(sig)), nil
}

// verifyList checks the signature of an answer.
func verifyList(ca ssh.PublicKey, krl []byte, nonce, signature string) error {
	raw, err := base64.StdEncoding.DecodeString(signature)
	if err != nil || signature == "" {
		return fmt.Errorf("checking the list's signature: there is none that can be read")
	}
	var sig ssh.Signature
	if err := ssh.Unmarshal(raw, &sig); err != nil {
		return fmt.Errorf("checking the list's signature: %w", err)
	}
	if err := ca.Verify(signedText(krl, nonce), &sig); err != nil {
		return fmt.Errorf("checking the list's signature: %w", err)
	}
	return nil
}
