package slack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"
)

// guardedClient is the HTTP client all Web API calls go through: ten seconds, no redirects, no retries of its own. token is asked at each call;
// nil sends none. renew is asked for another one when Slack says that it has ended; nil: there is none.
func guardedClient(token func() string, renew func(context.Context, string) error, dial func(ctx context.Context, network, addr string) (net.Conn, error)) *http.Client {
	if dial == nil {
		dial = (&net.Dialer{Timeout: callWait}).DialContext
	}
	return &http.Client{
		Timeout: callWait,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
		Transport: &guard{token: token, renew: renew, next: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: dial, ForceAttemptHTTP2: true, TLSHandshakeTimeout: callWait,
			MaxIdleConnsPerHost: 8, IdleConnTimeout: time.Minute, ResponseHeaderTimeout: callWait,
		}},
	}
}

// fixed is a token that stays.
func fixed(token string) func() string { return func() string { return token } }

// guard stands between slack-go and the network. It turns every answer that is not a clear yes into a typed error, which slack-go passes
// on: left alone, slack-go takes {"ok":false} without a code for success, and reads answers of any size. It also moves the token from the
// form into the header, where nothing that prints bodies can show it.
type guard struct {
	token func() string
	renew func(ctx context.Context, ended string) error // gets another token than one that has ended; nil: there is no other
	next  http.RoundTripper
	gates gates
}

// headerKey carries a function that sees the headers of a good answer.
type headerKey struct{}

// apiAnswer is what all answers of the Web API have in common.
type apiAnswer struct {
	OK       *bool  `json:"ok"`
	Error    string `json:"error"`
	Needed   string `json:"needed"`
	Provided string `json:"provided"`
	Metadata struct {
		Messages []string `json:"messages"`
	} `json:"response_metadata"`
}

// RoundTrip implements http.RoundTripper. Slack answers token_expired before it looks at anything else, so that a call which got it did nothing and
// is made once more with the token that the exchange gives.
func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	method := path.Base(req.URL.Path)
	if err := g.gates.admit(req.Context(), method, time.Now()); err != nil {
		return nil, err
	}
	req, err := g.authorised(req)
	if err != nil {
		return nil, fmt.Errorf("calling %s: %w", method, err)
	}
	resp, err := g.once(req, method)
	var auth *Auth
	if g.renew == nil || !errors.As(err, &auth) || auth.Code != "token_expired" {
		return resp, err
	}
	again, renewed := g.renewed(req)
	if renewed != nil {
		return nil, err
	}
	return g.once(again, method)
}

// renewed is a request with another token than the one it was made with.
func (g *guard) renewed(req *http.Request) (*http.Request, error) {
	ended := strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")
	again := req.Clone(req.Context())
	if req.Body != nil && req.Body != http.NoBody {
		if req.GetBody == nil {
			return nil, errors.New("the body cannot be sent again")
		}
		body, err := req.GetBody()
		if err != nil {
			return nil, err
		}
		again.Body = body
	}
	if err := g.renew(req.Context(), ended); err != nil {
		return nil, err
	}
	again.Header.Set("Authorization", "Bearer "+g.token())
	return again, nil
}

// once makes a call, judges its answer, and learns from it how fast Slack wants to be called.
func (g *guard) once(req *http.Request, method string) (*http.Response, error) {
	resp, err := g.call(req, method)
	if !strings.HasPrefix(method, "chat.") { // messages are counted by channel: their jobs have its pace
		g.gates.seen(method, err, time.Now())
	}
	return resp, err
}

func (g *guard) call(req *http.Request, method string) (*http.Response, error) {
	resp, err := g.next.RoundTrip(req)
	if err != nil {
		if unsent(err) {
			return nil, &Unreached{Method: method, Err: bare(err)}
		}
		return nil, &Ambiguous{Method: method, Err: bare(err)}
	}
	defer resp.Body.Close()
	if err := statusError(method, resp); err != nil {
		return nil, err
	}
	body, err := readAll(resp.Body, maxAnswer)
	if err != nil {
		return nil, &Ambiguous{Method: method, Err: err}
	}
	if seen, ok := req.Context().Value(headerKey{}).(func(http.Header)); ok {
		seen(resp.Header)
	}
	if err := answerError(method, body); err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// authorised returns the request with the token in its header and nowhere else.
func (g *guard) authorised(req *http.Request) (*http.Request, error) {
	out := req.Clone(req.Context())
	out.Header.Del("Authorization")
	if g.token != nil {
		out.Header.Set("Authorization", "Bearer "+g.token())
	}
	if req.Body == nil || !strings.HasPrefix(req.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return out, nil
	}
	defer req.Body.Close()
	body, err := io.ReadAll(io.LimitReader(req.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	form.Del("token")
	encoded := form.Encode()
	out.Body, out.ContentLength = io.NopCloser(strings.NewReader(encoded)), int64(len(encoded))
	out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(encoded)), nil }
	return out, nil
}

// statusError judges the status alone. Slack sends HTML with a 5xx, which says nothing about whether the call went through.
func statusError(method string, resp *http.Response) error {
	switch s := resp.StatusCode; {
	case s == http.StatusOK:
		return nil
	case s == http.StatusTooManyRequests:
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxErrorBody))
		return &RateLimited{Method: method, RetryAfter: retryAfter(resp.Header.Get("Retry-After"))}
	case s >= 500:
		return &Ambiguous{Method: method, Code: "http_" + strconv.Itoa(s)}
	default:
		return &Permanent{Method: method, Code: "http_" + strconv.Itoa(s)}
	}
}

// retryAfter reads Slack's whole seconds; a pause of nothing or of days is not believed.
func retryAfter(header string) time.Duration {
	s, err := strconv.Atoi(strings.TrimSpace(header))
	if err != nil || s < 1 {
		return retryAfterDefault
	}
	if s > int(retryAfterMax/time.Second) {
		return retryAfterMax
	}
	return time.Duration(s) * time.Second
}

// answerError judges a 200. Only {"ok":true} is a yes.
func answerError(method string, body []byte) error {
	var a apiAnswer
	if err := json.Unmarshal(body, &a); err != nil {
		return &Ambiguous{Method: method, Err: fmt.Errorf("reading the answer: %w", errNotJSON)}
	}
	switch {
	case a.OK != nil && *a.OK:
		return nil
	case a.Error == "":
		return &Ambiguous{Method: method, Code: "no_error_code"}
	}
	return slackError(method, a)
}
