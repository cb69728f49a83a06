package streams

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Webhook posts batches as Standard Webhooks says: https://www.standardwebhooks.com. The body is
//
//	{"type":"ledger.entries","timestamp":"…","data":{"records":[…]}}
//
// and the webhook-id follows from the records, so that a batch that comes again can be told by it.
type Webhook struct {
	URL    string
	Secret []byte // see WebhookSecret
	Client *http.Client
}

// WebhookSecret reads a shared secret: whsec_ and base64, or any other text as it is.
func WebhookSecret(text string) ([]byte, error) {
	if b64, ok := strings.CutPrefix(text, "whsec_"); ok {
		key, err := base64.StdEncoding.DecodeString(b64)
		if err != nil || len(key) == 0 {
			return nil, fmt.Errorf("the secret begins with whsec_, but is not base64")
		}
		return key, nil
	}
	if text == "" {
		return nil, errEmptySecret
	}
	return []byte(text), nil
}

// Send implements Sink.
func (w *Webhook) Send(ctx context.Context, batch []Record) (int, error) {
	first, last := batch[0], batch[len(batch)-1]
	id := fmt.Sprintf("entries_%s_%d_%d", shortName(first.Origin), first.Entry, last.Entry)
	if err := w.Post(ctx, id, "ledger.entries", map[string]any{"records": batch}); err != nil {
		return 0, err
	}
	return len(batch), nil
}

// shortName is a ledger's name as part of an id.
func shortName(origin string) string {
	sum := sha256.Sum256([]byte(origin))
	return fmt.Sprintf("%x", sum[:6])
}

// Post sends one event. Receivers that see an id again have seen the event.
func (w *Webhook) Post(ctx context.Context, id, kind string, data any) error {
	var body strings.Builder
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	now := time.Now()
	err := enc.Encode(struct {
		Type      string `json:"type"`
		Timestamp string `json:"timestamp"`
		Data      any    `json:"data"`
	}{kind, now.UTC().Format(time.RFC3339), data})
	if err != nil {
		return fmt.Errorf("writing the event: %w", err)
	}
	text := strings.TrimSuffix(body.String(), "\n")
	stamp := strconv.FormatInt(now.Unix(), 10)
	answer, err := send(ctx, w.Client, http.MethodPost, w.URL, http.Header{
		"Content-Type":      {"application/json"},
		"User-Agent":        {"countersign"},
		"Webhook-Id":        {id},
		"Webhook-Timestamp": {stamp},
		"Webhook-Signature": {SignWebhook(w.Secret, id, stamp, text)},
	}, []byte(text))
	if err != nil {
		return err
	}
	return answer.ok()
}

// SignWebhook is the webhook-signature over id, timestamp and body.
func SignWebhook(secret []byte, id, timestamp, body string) string {
	mac := hmac.New(sha256.New, secret)
	fmt.Fprintf(mac, "%s.%s.%s", id, timestamp, body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// Linger implements Sink.
func (w *Webhook) Linger() time.Duration { return 0 }

// Close implements Sink.
func (w *Webhook) Close() error { w.Client.CloseIdleConnections(); return nil }
