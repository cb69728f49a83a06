package rest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/countersign-bot/countersign/runbooks"
)

// Config says which service is called, and how.
type Config struct {
	Service string         // its name in errors: "GitHub"
	URL     string         // https://…, with a path where the API lies below one; http only on this machine
	Roots   *x509.CertPool // nil: the system's

	// Sign puts credentials on a call; body is what will be sent. Its error stands for the call's.
	Sign func(ctx context.Context, r *http.Request, body []byte) error

	// Words finds, in the body of an error, what the service says about it. It may be nil.
	Words func(body []byte) string
}

// Client calls one service. It is safe for concurrent use; between calls it keeps idle connections and nothing else.
type Client struct {
	cfg  Config
	base *url.URL
	http *http.Client
}

// Call is one call.
type Call struct {
	Method string
	Path   string // escaped, "/repos/a/b"; below the base; see Path
	Query  url.Values
	Header http.Header
	Body   []byte
	Type   string // of the body; "": application/json
}

// Reply is what the service answered.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
}

// Open reads the configuration; it calls nobody.
func Open(cfg Config) (*Client, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Opaque != "" || u.Hostname() == "" || len(cfg.URL) > maxURL {
		return nil, errors.New("the url is not an address such as https://api.example.com")
	}
	if u.User != nil || u.Fragment != "" || u.RawQuery != "" {
		return nil, errors.New("the url holds a user, a password, a question or a fragment, which are of no use here")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
		return nil, errors.New("the url is not https (http is for this machine only)")
	}
	dial := (&net.Dialer{Timeout: connectTimeout}).DialContext
	return &Client{cfg: cfg, base: u, http: &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: dial, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: cfg.Roots}, TLSHandshakeTimeout: connectTimeout,
			ForceAttemptHTTP2: true, MaxConnsPerHost: maxConns, MaxIdleConnsPerHost: maxConns, IdleConnTimeout: idle, MaxResponseHeaderBytes: maxHeader,
		},
	}}, nil
}

// Host is the name and port of the service, for people.
func (c *Client) Host() string { return c.base.Host }

// Base is the address that was configured, without a slash at its end.
func (c *Client) Base() string { return strings.TrimSuffix(c.base.String(), "/") }

// Close ends the connections that wait for a next call.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// Path escapes segments and joins them: nothing in a segment can leave its place. The segments "." and "..", which a
// server could resolve, come out as something that no server knows.
func Path(segments ...string) string {
	var b strings.Builder
	for _, s := range segments {
		if s == "." || s == ".." || s == "" {
			s = "\uFFFD"
		}
		b.WriteString("/" + url.PathEscape(s))
	}
	return b.String()
}

// JSON encodes the body of a call.
func JSON(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic("rest.JSON: " + err.Error()) // our own types always encode
	}
	return raw
}

// Do makes a call. An error is one of the way there; every answer, of whatever status, is a reply.
func (c *Client) Do(ctx context.Context, call Call) (Reply, error) {
	if err := ctx.Err(); err != nil {
		return Reply{}, runbooks.Errorf(runbooks.Retry, err, "the call to %s was cut short before anything was sent", c.cfg.Service)
	}
	req, secrets, err := c.request(ctx, call)
	if err != nil {
		return Reply{}, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return Reply{}, c.wayError(ctx, err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	switch {
	case err != nil:
		return Reply{}, c.wayError(ctx, err)
	case len(raw) > maxBody:
		return Reply{}, runbooks.Errorf(runbooks.Broken, nil, "%s answers with more than %d bytes", c.cfg.Service, maxBody)
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		raw = withoutCarried(raw, secrets)
	}
	return Reply{Status: resp.StatusCode, Header: resp.Header, Body: raw}, nil
}

// request makes the request, and says what it proves itself with.
func (c *Client) request(ctx context.Context, call Call) (*http.Request, []string, error) {
	at := strings.TrimSuffix(c.base.String(), "/") + call.Path
	if len(call.Query) > 0 {
		at += "?" + call.Query.Encode()
	}
	if len(at) > maxURL {
		return nil, nil, runbooks.Errorf(runbooks.Refuse, nil, "what is asked of %s is longer than an address may be", c.cfg.Service)
	}
	req, err := http.NewRequestWithContext(ctx, call.Method, at, bytes.NewReader(call.Body))
	if err != nil {
		return nil, nil, runbooks.Errorf(runbooks.Refuse, nil, "what is asked of %s makes no address", c.cfg.Service)
	}
	req.Header.Set("User-Agent", agent(ctx))
	req.Header.Set("Accept", "application/json")
	if call.Body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if call.Type != "" {
		req.Header.Set("Content-Type", call.Type)
	}
	for name, values := range call.Header {
		req.Header[name] = values
	}
	before := req.Header.Clone()
	if c.cfg.Sign != nil {
		if err := c.cfg.Sign(ctx, req, call.Body); err != nil {
			return nil, nil, err
		}
	}
	return req, carried(before, req.Header), nil
}

// agent is what the service logs of us: the product, and for which grant and whom it calls (RFC 9110, 10.1.5: words of the grant are a comment).
func agent(ctx context.Context) string {
	tag, ok := strings.CutPrefix(runbooks.Told(ctx), "countersign ")
	if !ok {
		return "countersign"
	}
	return "countersign (" + strings.ReplaceAll(tag, " ", "; ") + ")"
}

// wayError makes an error of the network one that can be kept: without the address, whose path names people.
func (c *Client) wayError(ctx context.Context, err error) *runbooks.Error {
	var inner *url.Error
	if errors.As(err, &inner) {
		err = inner.Err
	}
	var verify *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &verify):
		return runbooks.Errorf(runbooks.Broken, err, "the certificate of %s is not to be trusted", c.cfg.Service)
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return runbooks.Errorf(runbooks.Broken, err, "%s does not speak TLS at its address", c.cfg.Service)
	case ctx.Err() != nil:
		return runbooks.Errorf(runbooks.Retry, errors.Join(ctx.Err(), err), "%s did not answer in time", c.cfg.Service)
	default:
		return runbooks.Errorf(runbooks.Retry, err, "%s could not be reached", c.cfg.Service)
	}
}

// Judge makes a status an error; nil is done. what says what was being done: "adding the collaborator".
func (c *Client) Judge(what string, r Reply) error {
	if r.Status >= 200 && r.Status < 300 {
		return nil
	}
	class, text := classOf(r)
	words := ""
	if c.cfg.Words != nil {
		words = Clean(c.cfg.Words(r.Body), maxWords)
	}
	if words != "" {
		words = ": " + words
	}
	return runbooks.Errorf(class, nil, "%s: %s %s (%d)%s", what, c.cfg.Service, text, r.Status, words)
}

func classOf(r Reply) (runbooks.Class, string) {
	switch r.Status {
	case http.StatusUnauthorized:
		return runbooks.Broken, "does not accept our credentials"
	case http.StatusForbidden:
		// What limits its callers by 403 says so in a header (GitHub's secondary limits, for one).
		if r.Header.Get("Retry-After") != "" || r.Header.Get("X-Ratelimit-Remaining") == "0" {
			return runbooks.Retry, "asks to come again later"
		}
		return runbooks.Broken, "does not allow us to do this"
	case http.StatusNotFound:
		return runbooks.Refuse, "does not know what was asked for"
	case http.StatusMethodNotAllowed, http.StatusGone, http.StatusUnsupportedMediaType:
		return runbooks.Broken, "takes no such calls at this address"
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests, http.StatusLocked:
		return runbooks.Retry, "asks to come again later"
	}
	switch {
	case r.Status >= 500:
		return runbooks.Retry, "fails"
	case r.Status >= 400:
		return runbooks.Refuse, "refuses"
	default:
		return runbooks.Broken, "sends us elsewhere, and we do not follow"
	}
}

// Clean makes foreign text one line without secrets and control characters, cut to limit bytes.
func Clean(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	return runbooks.Redact(strings.TrimSpace(s), limit)
}

// Into decodes the body of a reply that was judged to be good.
func (c *Client) Into(what string, r Reply, v any) error {
	if err := json.Unmarshal(r.Body, v); err != nil {
		return runbooks.Errorf(runbooks.Broken, err, "%s: the answer of %s cannot be read", what, c.cfg.Service)
	}
	return nil
}

// Ask makes a call, judges the answer and decodes it; out may be nil.
func (c *Client) Ask(ctx context.Context, what string, call Call, out any) (Reply, error) {
	r, err := c.Do(ctx, call)
	if err != nil {
		return r, err
	}
	if err := c.Judge(what, r); err != nil || out == nil {
		return r, err
	}
	return r, c.Into(what, r, out)
}

// Next finds the page after this one in the header Link (RFC 8288), as a path and query below the base; "" when this was
// the last one. A link that leads to another host is none: credentials would follow it.
func (c *Client) Next(r Reply) (path string, query url.Values, err error) {
	for _, header := range r.Header.Values("Link") {
		for part := range strings.SplitSeq(header, ",") {
			target, params, ok := strings.Cut(strings.TrimSpace(part), ">")
			if !ok || !strings.HasPrefix(target, "<") || !strings.Contains(params, `rel="next"`) {
				continue
			}
			u, err := c.base.Parse(target[1:])
			if err != nil || u.Host != c.base.Host || u.Scheme != c.base.Scheme || !strings.HasPrefix(u.EscapedPath(), strings.TrimSuffix(c.base.EscapedPath(), "/")+"/") {
				return "", nil, runbooks.Errorf(runbooks.Broken, nil, "%s sends us to another place for the next page", c.cfg.Service)
			}
			return strings.TrimPrefix(u.EscapedPath(), strings.TrimSuffix(c.base.EscapedPath(), "/")), u.Query(), nil
		}
	}
	return "", nil, nil
}

// Roots reads the certificate authorities of a file.
func Roots(file string, read func(string) ([]byte, error)) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := read(file)
	if err != nil {
		return nil, fmt.Errorf("setting ca_file: %w", err)
	}
	pool := x509.NewCertPool()
	if len(pem) > maxBody || !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("setting ca_file: %q holds no certificates in PEM", file)
	}
	return pool, nil
}

// Words finds the first of these keys that a JSON object holds as text: most services say what is wrong in one of them.
func Words(keys ...string) func([]byte) string {
	return func(body []byte) string {
		var object map[string]any
		if json.Unmarshal(body, &object) != nil {
			return ""
		}
		for _, key := range keys {
			if s, ok := object[key].(string); ok && s != "" {
				return s
			}
		}
		return ""
	}
}
