package slack

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ErrUnverified is returned for every request that is not provably Slack's; which check failed is not told, not even in logs an attacker
// might time.
var ErrUnverified = errors.New("verifying a Slack request: it is not signed by Slack")

// Verifier checks the signature Slack puts on HTTP requests.
//
// https://docs.slack.dev/authentication/verifying-requests-from-slack
type Verifier struct {
	secret []byte
	now    func() time.Time
}

// CheckSigningSecret refuses what cannot be a signing secret, so that a blank one or a token pasted into the wrong place stops the start
// and a reload instead of making every request, or none, pass (T02).
func CheckSigningSecret(secret string) error {
	if strings.HasPrefix(secret, "xox") || strings.HasPrefix(secret, "xapp") {
		return errors.New("reading the Slack signing secret: this is a token; the signing secret stands under Basic Information")
	}
	if len(secret) != 32 || strings.Trim(secret, "0123456789abcdef") != "" {
		return errors.New("reading the Slack signing secret: it must be 32 characters 0-9 and a-f")
	}
	if strings.Trim(secret, secret[:1]) == "" {
		return errors.New("reading the Slack signing secret: it is one character repeated")
	}
	return nil
}

// NewVerifier checks the secret. now is real time, not product time; nil means time.Now.
func NewVerifier(secret string, now func() time.Time) (*Verifier, error) {
	if err := CheckSigningSecret(secret); err != nil {
		return nil, err
	}
	if now == nil {
		now = time.Now
	}
	return &Verifier{secret: []byte(secret), now: now}, nil
}

// Verify checks the signature over the raw body and its age, five minutes both ways, in constant time. It returns the decoded MAC, which
// names the request however its signature is spelled: a replay within the five minutes passes here and is found by that key (T03).
func (v *Verifier) Verify(header http.Header, body []byte) (mac [sha256.Size]byte, err error) {
	stamp, okStamp := single(header, "X-Slack-Request-Timestamp")
	signature, okSignature := single(header, "X-Slack-Signature")
	hexMAC, okVersion := strings.CutPrefix(signature, "v0=")
	if !okStamp || !okSignature || !okVersion || len(hexMAC) != 2*sha256.Size {
		return mac, ErrUnverified
	}
	if _, err := hex.Decode(mac[:], []byte(hexMAC)); err != nil {
		return [sha256.Size]byte{}, ErrUnverified
	}
	h := hmac.New(sha256.New, v.secret)
	h.Write([]byte("v0:" + stamp + ":"))
	h.Write(body)
	if !hmac.Equal(h.Sum(nil), mac[:]) || !v.fresh(stamp) {
		return [sha256.Size]byte{}, ErrUnverified
	}
	return mac, nil
}

func (v *Verifier) fresh(stamp string) bool {
	if len(stamp) == 0 || len(stamp) > 12 || strings.Trim(stamp, "0123456789") != "" {
		return false
	}
	s, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return false
	}
	age := v.now().Sub(time.Unix(s, 0))
	return age <= signatureAge && age >= -signatureAge
}

// single wants a header exactly once: with two, a proxy and we might read different ones.
func single(h http.Header, name string) (string, bool) {
	values := h.Values(name)
	if len(values) != 1 {
		return "", false
	}
	return values[0], true
}
