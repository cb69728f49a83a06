package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/workflows/escalations"
)

// pagerCall is what a pager is told of an escalation.
type pagerCall struct {
	ID       string // of the escalation: a pager takes calls with the same for one alert
	Notice   string // of this call: the same for every attempt
	Subject  string
	Text     string
	About    string
	Incident string
	Drill    bool
	At       time.Time
}

const (
	pagerPatience = 10 * time.Second
	maxPagerReply = 8 << 10
)

// call has a pager wake somebody. It is heard when the pager says 2xx.
func (x *pagerClient) call(ctx context.Context, p escalations.Pager, c pagerCall) error {
	secret, err := namedSecret(p.Secret)
	if err != nil {
		return fmt.Errorf("the secret of pager %q cannot be read: %w", p.Name, err)
	}
	req, err := pagerRequest(p, c, secret, time.Now())
	if err != nil {
		return fmt.Errorf("calling pager %q: %w", p.Name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, pagerPatience)
	defer cancel()
	res, err := x.http.Do(req.WithContext(ctx))
	if err != nil {
		var at *url.Error
		if errors.As(err, &at) {
			err = at.Err // without the address, which holds the token of some
		}
		return fmt.Errorf("calling pager %q: %w", p.Name, err)
	}
	defer res.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(res.Body, maxPagerReply))
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return fmt.Errorf("calling pager %q: it answered %s: %s", p.Name, res.Status, runbooks.Redact(strings.TrimSpace(string(said)), 200))
	}
	return nil
}

type pagerClient struct{ http *http.Client }

// newPagerClient follows no redirect: a page goes where the file says.
func newPagerClient() *pagerClient {
	return &pagerClient{&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func pagerRequest(p escalations.Pager, c pagerCall, secret string, now time.Time) (*http.Request, error) {
	switch p.Format {
	case escalations.FormatPagerDuty:
		return jsonPost(p.URL, pagerDutyEvent(c, secret))
	case escalations.FormatGoAlert:
		// https://goalert.me/docs/api: the integration key is a query parameter, the rest a form.
		u, err := url.Parse(p.URL)
		if err != nil {
			return nil, err
		}
		u.RawQuery = url.Values{"token": {secret}}.Encode()
		form := url.Values{"summary": {cutTo(c.Subject, 1024)}, "details": {cutTo(c.Text, 6<<10)}, "dedup": {c.ID}}
		req, err := http.NewRequest(http.MethodPost, u.String(), strings.NewReader(form.Encode()))
		if err == nil {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		return req, err
	}
	return signedCall(p.URL, c, secret, now)
}

// pagerDutyEvent is a trigger of the Events API v2: https://developer.pagerduty.com/api-reference/YXBpOjI3NDgyNjU-pager-duty-v2-events-api.
func pagerDutyEvent(c pagerCall, key string) map[string]any {
	severity := "critical"
	if c.Drill {
		severity = "info"
	}
	return map[string]any{
		"routing_key": key, "event_action": "trigger", "dedup_key": c.ID, "client": "Countersign",
		"payload": map[string]any{
			"summary": cutTo(c.Subject, 1024), "source": "countersign", "severity": severity, "timestamp": c.At.UTC().Format(time.RFC3339), "class": c.About,
			"custom_details": map[string]any{"text": c.Text, "incident": c.Incident, "drill": c.Drill},
		},
	}
}

func jsonPost(address string, v any) (*http.Request, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequest(http.MethodPost, address, bytes.NewReader(b))
	if err == nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, err
}

// signedCall is our own form, signed as Standard Webhooks says; its id is that of the notice, so that a receiver counts a repeated call once.
func signedCall(address string, c pagerCall, secret string, now time.Time) (*http.Request, error) {
	encoded, ok := strings.CutPrefix(strings.TrimSpace(secret), "whsec_")
	key, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(key) < 16 {
		return nil, errors.New("its secret is not whsec_ and at least 16 bytes in base64")
	}
	body, err := json.Marshal(map[string]any{
		"v": 1, "type": "escalation.page", "id": c.ID, "subject": c.Subject, "text": c.Text, "about": c.About, "incident": c.Incident,
		"drill": c.Drill, "at": c.At.UTC().Format(time.RFC3339),
	})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequest(http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(c.ID + "/" + c.Notice))
	id, stamp := "page_"+base64.RawURLEncoding.EncodeToString(sum[:18]), strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", id, stamp, body)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Webhook-Id", id)
	req.Header.Set("Webhook-Timestamp", stamp)
	req.Header.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return req, nil
}

func cutTo(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n])
	}
	return s
}
