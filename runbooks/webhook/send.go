package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/orders"
)

// reply is what a receiver answered.
type reply struct {
	status int
	body   []byte // at most orders.MaxAnswer+1 bytes: one more than can be read
}

// send makes one signed call.
func (c *Connector) send(ctx context.Context, method string, to *url.URL, id string, body []byte) (reply, error) {
	if err := ctx.Err(); err != nil {
		return reply{}, runbooks.Errorf(runbooks.Retry, err, "the call was cut short before anything was sent")
	}
	req, err := http.NewRequestWithContext(ctx, method, to.String(), bytes.NewReader(body))
	if err != nil {
		return reply{}, runbooks.Errorf(runbooks.Broken, nil, "the address of the service is none")
	}
	sign(req.Header, c.keys, id, time.Now(), body)
	req.Header.Set("User-Agent", "countersign")
	req.Header.Set("Accept", "application/json")
	// Says to net/http, and to gateways on the way, that the call may be repeated when a connection turns out to be dead.
	req.Header.Set("Idempotency-Key", id)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return reply{}, sendError(ctx, err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, orders.MaxAnswer+1))
	if err != nil {
		return reply{}, sendError(ctx, err)
	}
	return reply{status: resp.StatusCode, body: raw}, nil
}

// sendError makes an error of the network one that can be kept. The address stays out of it: its path may be known to
// few.
func sendError(ctx context.Context, err error) *runbooks.Error {
	var inner *url.Error
	if errors.As(err, &inner) {
		err = inner.Err
	}
	var verify *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	switch {
	case errors.Is(err, errAddress):
		return runbooks.Errorf(runbooks.Broken, err, "the service's name leads to an address that is not to be called (private networks need private_host, this machine loopback_host)")
	case errors.As(err, &verify), errors.As(err, &authority), errors.As(err, &name):
		return runbooks.Errorf(runbooks.Broken, err, "the service's certificate is not to be trusted")
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return runbooks.Errorf(runbooks.Broken, err, "the service does not speak TLS")
	case ctx.Err() != nil:
		return runbooks.Errorf(runbooks.Retry, errors.Join(ctx.Err(), err), "the service did not answer in time")
	default:
		return runbooks.Errorf(runbooks.Retry, err, "the service could not be reached")
	}
}

// judge makes a status an error, in the receiver's own words where it has some. Nil is "done".
func (r reply) judge() error {
	words := ""
	if a, err := parseAnswer(r.body); err == nil && a.Text != "" {
		words = ": " + a.Text
	}
	switch r.status {
	case http.StatusOK, http.StatusCreated, http.StatusNoContent:
		return nil
	case http.StatusUnauthorized, http.StatusForbidden:
		return runbooks.Errorf(runbooks.Broken, nil, "the service does not accept our signature (%d)%s", r.status, words)
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType:
		return runbooks.Errorf(runbooks.Broken, nil, "the service takes no orders at this address (%d)%s", r.status, words)
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return runbooks.Errorf(runbooks.Retry, nil, "the service asks to come again (%d)%s", r.status, words)
	}
	switch {
	case r.status >= 500:
		return runbooks.Errorf(runbooks.Retry, nil, "the service fails (%d)%s", r.status, words)
	case r.status >= 400:
		return runbooks.Errorf(runbooks.Refuse, nil, "the service refuses (%d)%s", r.status, words)
	case r.status >= 300:
		return runbooks.Errorf(runbooks.Broken, nil, "the service sends us elsewhere (%d), and we do not follow", r.status)
	default:
		return runbooks.Errorf(runbooks.Broken, nil, "the service answers with a status that says nothing (%d)", r.status)
	}
}
