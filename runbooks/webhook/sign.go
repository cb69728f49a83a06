package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
)

// The headers of Standard Webhooks (https://www.standardwebhooks.com, specification 1.0).
const (
	headerID        = "Webhook-Id"
	headerTimestamp = "Webhook-Timestamp"
	headerSignature = "Webhook-Signature"
)

const secretPrefix = "whsec_"

// ReadSecrets reads what a secret's file or variable holds: one secret, or several with spaces or lines between while
// they are being changed. The error quotes nothing.
func ReadSecrets(raw runbooks.Secret) ([]runbooks.Secret, error) {
	var out []runbooks.Secret
	for _, s := range strings.Fields(raw.Reveal()) {
		out = append(out, runbooks.NewSecret(s))
	}
	_, err := decodeSecrets(out)
	return out, err
}

// decodeSecrets gives the keys behind the secrets.
func decodeSecrets(secrets []runbooks.Secret) ([]runbooks.Secret, error) {
	if len(secrets) == 0 || len(secrets) > maxSecrets {
		return nil, fmt.Errorf("there are %d secrets; want 1, or up to %d while they are being changed", len(secrets), maxSecrets)
	}
	keys := make([]runbooks.Secret, 0, len(secrets))
	for i, s := range secrets {
		encoded, ok := strings.CutPrefix(s.Reveal(), secretPrefix)
		key, err := base64.StdEncoding.DecodeString(encoded)
		if !ok || err != nil {
			return nil, fmt.Errorf("secret %d is not whsec_ and base64", i+1)
		}
		if len(key) < minSecret || len(key) > maxSecret {
			return nil, fmt.Errorf("secret %d has %d bytes; want %d to %d", i+1, len(key), minSecret, maxSecret)
		}
		keys = append(keys, runbooks.NewSecret(string(key)))
	}
	return keys, nil
}

// sign sets the three headers. Each key signs, so that a receiver that knows one of them is content.
func sign(h http.Header, keys []runbooks.Secret, id string, at time.Time, body []byte) {
	stamp := strconv.FormatInt(at.Unix(), 10)
	signatures := make([]string, 0, len(keys))
	for _, key := range keys {
		mac := hmac.New(sha256.New, []byte(key.Reveal()))
		mac.Write([]byte(id + "." + stamp + "."))
		mac.Write(body)
		signatures = append(signatures, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	h.Set(headerID, id)
	h.Set(headerTimestamp, stamp)
	h.Set(headerSignature, strings.Join(signatures, " "))
}
