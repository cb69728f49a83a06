package slacksim

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// errNoRetry is the app's X-Slack-No-Retry: 1.
var errNoRetry = errors.New("the app asked for no retry")

func isFinal(err error) bool { return errors.Is(err, errNoRetry) || errors.Is(err, errClosed) }

func retryReason(err error) string {
	switch {
	case errors.Is(err, ErrOperationTimeout):
		return "http_timeout"
	case errors.Is(err, errRefused):
		return "http_error"
	}
	return "connection_failed"
}

var errRefused = fmt.Errorf("the app answered with an error status: %w", ErrDispatchFailed)

// Sign is Slack's request signature: v0= and the HMAC-SHA256 of "v0:timestamp:body" under the signing secret.
func Sign(secret, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = fmt.Fprintf(mac, "v0:%s:%s", timestamp, body) // a hash never fails
	return "v0=" + hex.EncodeToString(mac.Sum(nil))
}

// post delivers an envelope as a signed HTTP request, the way Slack does without Socket Mode.
func (w *Workspace) post(ctx context.Context, e envelope) (json.RawMessage, error) {
	w.mu.Lock()
	fault := w.envelopeFault(e)
	w.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, w.cfg.AckTimeout)
	defer cancel()
	times := 1
	if fault != nil {
		switch fault.Kind {
		case FaultDrop, FaultCutBefore:
			<-ctx.Done()
			return nil, ErrOperationTimeout
		case FaultDuplicate:
			times = 2
		case FaultDelay:
			w.pause(ctx, fault.delay())
		}
	}
	var payload json.RawMessage
	var err error
	for range times {
		payload, err = w.postOnce(ctx, e)
	}
	if fault != nil && fault.Kind == FaultLoseAck {
		return nil, ErrOperationTimeout
	}
	return payload, err
}

func (w *Workspace) postOnce(ctx context.Context, e envelope) (json.RawMessage, error) {
	body, kind := e.httpBody()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.cfg.RequestURL, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("posting to the app: %w: %w", ErrDispatchFailed, err)
	}
	at := strconv.FormatInt(time.Now().Unix(), 10)
	req.Header.Set("Content-Type", kind)
	req.Header.Set("User-Agent", "Slackbot 1.0 (+https://api.slack.com/robots)")
	req.Header.Set("X-Slack-Request-Timestamp", at)
	req.Header.Set("X-Slack-Signature", Sign(w.cfg.App.SigningSecret, at, body))
	if e.attempt > 0 {
		req.Header.Set("X-Slack-Retry-Num", strconv.Itoa(e.attempt))
		req.Header.Set("X-Slack-Retry-Reason", e.reason)
	}
	resp, err := w.cfg.HTTPClient.Do(req)
	if err != nil {
		if ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) {
			return nil, ErrOperationTimeout
		}
		return nil, fmt.Errorf("posting to the app: %w: %w", ErrDispatchFailed, err)
	}
	defer func() { _ = resp.Body.Close() }() // it has been read
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return nil, ErrOperationTimeout
	}
	w.record(Record{Kind: "http", From: "slack", Name: e.kind, Request: string(body), Response: string(answer), Status: resp.StatusCode})
	switch {
	case resp.Header.Get("X-Slack-No-Retry") == "1" && resp.StatusCode >= 300:
		return nil, errNoRetry
	case resp.StatusCode >= 300:
		return nil, errRefused
	}
	return asPayload(answer), nil
}

// VerifyURL does what Slack does when an administrator enters the request URL: a signed challenge that must come back.
func (w *Workspace) VerifyURL(ctx context.Context) error {
	w.mu.Lock()
	challenge := w.freshHex(32)
	w.mu.Unlock()
	answer, err := w.postOnce(ctx, envelope{kind: "events_api", payload: Object{
		"token": w.cfg.App.VerifyToken, "challenge": challenge, "type": "url_verification",
	}})
	if err != nil {
		return fmt.Errorf("verifying the request URL: %w", err)
	}
	if !bytes.Contains(answer, []byte(challenge)) {
		return fmt.Errorf("verifying the request URL: %w: the challenge did not come back", ErrBadResponse)
	}
	return nil
}

// asPayload reads an HTTP answer as an acknowledgement payload: JSON, or the plain text a command may answer with.
func asPayload(answer []byte) json.RawMessage {
	trimmed := bytes.TrimSpace(answer)
	switch {
	case len(trimmed) == 0:
		return nil
	case json.Valid(trimmed) && trimmed[0] == '{':
		return trimmed
	}
	return encode(Object{"text": string(trimmed)})
}

func (e envelope) httpBody() (body []byte, contentType string) {
	const form = "application/x-www-form-urlencoded"
	switch e.kind {
	case "events_api":
		return encode(e.payload), "application/json"
	case "slash_commands":
		vals := url.Values{}
		for k, v := range e.payload {
			vals.Set(k, fmt.Sprint(v))
		}
		return []byte(vals.Encode()), form
	}
	return []byte(url.Values{"payload": {string(encode(e.payload))}}.Encode()), form
}

func readCloser(body []byte) io.ReadCloser { return io.NopCloser(strings.NewReader(string(body))) }
