package tasks

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
)

// errSignature is the answer to everything that is not signed as it should be.
var errSignature = errors.New("the webhook is not signed with the secret that was agreed on")

// bodySignature verifies the hexadecimal HMAC-SHA256 of a body, behind a prefix, as GitHub, Jira and Linear send it.
func bodySignature(secret runbooks.Secret, header, prefix string, body []byte) error {
	digits, ok := strings.CutPrefix(header, prefix)
	got, err := hex.DecodeString(digits)
	if !ok || err != nil || secret.IsZero() {
		return errSignature
	}
	mac := hmac.New(sha256.New, []byte(secret.Reveal()))
	mac.Write(body)
	if !hmac.Equal(got, mac.Sum(nil)) {
		return errSignature
	}
	return nil
}

// key is what lies behind whsec_.
func key(secret runbooks.Secret) ([]byte, error) {
	encoded, ok := strings.CutPrefix(strings.TrimSpace(secret.Reveal()), "whsec_")
	k, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(k) < minSecret {
		return nil, errors.New("setting secret: it is not whsec_ and at least 16 bytes in base64")
	}
	return k, nil
}

func standard(k []byte, id, stamp string, body []byte) string {
	mac := hmac.New(sha256.New, k)
	mac.Write([]byte(id + "." + stamp + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// signStandard sets the headers of Standard Webhooks.
func signStandard(h http.Header, k []byte, now time.Time, body []byte) {
	id, stamp := "task_"+rand.Text(), strconv.FormatInt(now.Unix(), 10)
	h.Set("Webhook-Id", id)
	h.Set("Webhook-Timestamp", stamp)
	h.Set("Webhook-Signature", standard(k, id, stamp, body))
}

// verifyStandard verifies the headers of Standard Webhooks.
func verifyStandard(h http.Header, k []byte, now time.Time, body []byte) error {
	id, stamp := h.Get("Webhook-Id"), h.Get("Webhook-Timestamp")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || id == "" || strings.Contains(id, ".") || now.Sub(time.Unix(seconds, 0)).Abs() > hookAge {
		return errSignature
	}
	want := standard(k, id, stamp, body)
	for s := range strings.FieldsSeq(h.Get("Webhook-Signature")) {
		if hmac.Equal([]byte(s), []byte(want)) {
			return nil
		}
	}
	return errSignature
}

// hookSecret refuses one that could be guessed; none is fine: then there are no hooks.
func hookSecret(s runbooks.Secret) error {
	if !s.IsZero() && len(s.Reveal()) < minSecret {
		return errors.New("setting hook_secret: it is shorter than 16 bytes")
	}
	return nil
}
