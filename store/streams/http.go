package streams

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// NewClient makes an HTTP client that follows no redirects (a signed request belongs to one receiver), uses no proxy from the environment,
// and trusts the certificates in caFile, or the system's when it is empty.
func NewClient(caFile string) (*http.Client, error) {
	conf, err := tlsConfig(caFile)
	if err != nil {
		return nil, err
	}
	return &http.Client{
		Timeout: sendTimeout,
		Transport: &http.Transport{
			TLSClientConfig: conf, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 2, IdleConnTimeout: 90 * time.Second,
			TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: sendTimeout, MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

func tlsConfig(caFile string) (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile == "" {
		return conf, nil
	}
	f, err := os.Open(caFile)
	if err != nil {
		return nil, fmt.Errorf("reading certificates: %w", err)
	}
	defer f.Close()
	pem, err := io.ReadAll(io.LimitReader(f, maxCA))
	if err != nil {
		return nil, fmt.Errorf("reading certificates: %w", err)
	}
	conf.RootCAs = x509.NewCertPool()
	if !conf.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("reading certificates: %s holds none", caFile)
	}
	return conf, nil
}

// reply is what a receiver answered.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// send makes one request.
func send(ctx context.Context, client *http.Client, method, url string, header http.Header, body []byte) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	req.Header = header
	return do(client, req)
}

func do(client *http.Client, req *http.Request) (reply, error) {
	res, err := client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if res.StatusCode >= 300 { // what it complains with is repeated in logs and in the ledger
		b = withoutWhatOpens(b, req.Header)
	}
	return reply{res.StatusCode, res.Header, b}, err
}

// withoutWhatOpens takes out of a complaint what the call proved itself with, whole and in its parts: some receivers repeat all that they were sent.
func withoutWhatOpens(body []byte, sent http.Header) []byte {
	for name, values := range sent {
		if low := strings.ToLower(name); low != "authorization" && !strings.Contains(low, "key") && !strings.Contains(low, "token") && !strings.Contains(low, "secret") {
			continue
		}
		for _, cuts := range []string{" ,", " ,=/"} {
			for _, word := range strings.FieldsFunc(strings.Join(values, " "), func(r rune) bool { return strings.ContainsRune(cuts, r) }) {
				if len(word) >= shortestSecret {
					body = bytes.ReplaceAll(body, []byte(word), []byte("[redacted]"))
				}
			}
		}
	}
	return body
}

// ok turns an answer that is no success into an error with what the receiver said.
func (r reply) ok() error {
	if r.status >= 200 && r.status < 300 {
		return nil
	}
	err := fmt.Errorf("the receiver answered %d: %s", r.status, printable(string(r.body), maxComplaint))
	if after := retryAfter(r.header.Get("Retry-After")); after > 0 {
		return &RetryError{Err: err, After: after}
	}
	return err
}

// retryAfter reads seconds or a date (RFC 9110, 10.2.3).
func retryAfter(s string) time.Duration {
	if n, err := strconv.Atoi(s); err == nil && n > 0 && n < 1<<30 {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(s); err == nil {
		return time.Until(at)
	}
	return 0
}

// printable is foreign text fit for a log and a terminal, cut to most bytes.
func printable(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case r < 0x20, r >= 0x7f && r < 0xa0, r == utf8.RuneError, r >= 0x200b && r <= 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2060 && r <= 0x206f, r == 0xfeff:
			return -1
		}
		return r
	}, s)
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + "…"
}

var errEmptySecret = errors.New("the secret is empty")
