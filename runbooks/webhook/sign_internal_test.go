package webhook

import (
	"net/http"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
)

// TestPublishedVector is the example that the libraries of Standard Webhooks carry in their tests.
func TestPublishedVector(t *testing.T) {
	t.Parallel()
	keys, err := decodeSecrets([]runbooks.Secret{runbooks.NewSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")})
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	sign(h, keys, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if got, want := h.Get("webhook-signature"), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if h.Get("webhook-id") != "msg_p5jXN8AQM9LWM0D4loKWxJek" || h.Get("webhook-timestamp") != "1614265330" {
		t.Errorf("%v", h)
	}
}
