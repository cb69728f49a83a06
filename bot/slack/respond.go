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
	"net/netip"
	"net/url"
	"strings"
	"syscall"

	slackgo "github.com/slack-go/slack"
)

const hooksHost = "hooks.slack.com"

// Response answers through a response URL: five times within thirty minutes, to the person who acted unless InChannel.
type Response struct {
	Text            string
	Blocks          []slackgo.Block
	InChannel       bool
	ReplaceOriginal bool
	DeleteOriginal  bool
	ThreadTS        string
}

var errNotHooks = errors.New("a response URL must be https://" + hooksHost)

// Respond posts to a response URL. The address came in a payload and is a bearer secret: only Slack's own host is called, by https,
// without following redirects, and not when its name leads to an address inside (T46).
func (s *Sender) Respond(ctx context.Context, responseURL string, r Response) error {
	const method = "response_url"
	if err := s.checkResponseURL(responseURL); err != nil {
		return &Permanent{Method: method, Code: err.Error()}
	}
	msg := slackgo.WebhookMessage{
		Text: r.Text, ResponseType: "ephemeral", ReplaceOriginal: r.ReplaceOriginal, DeleteOriginal: r.DeleteOriginal, ThreadTimestamp: r.ThreadTS,
	}
	if r.InChannel {
		msg.ResponseType = "in_channel"
	}
	if r.Blocks != nil {
		msg.Blocks = &slackgo.Blocks{BlockSet: r.Blocks}
	}
	body, err := json.Marshal(msg)
	if err != nil {
		return &Permanent{Method: method, Code: "invalid_blocks", Details: []string{err.Error()}}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, responseURL, bytes.NewReader(body))
	if err != nil {
		return translate(method, err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.respond.Do(req)
	if err != nil {
		if errors.Is(err, errInside) {
			return &Permanent{Method: method, Code: errInside.Error()}
		}
		if unsent(err) {
			return &Unreached{Method: method, Err: bare(err)}
		}
		return &Ambiguous{Method: method, Err: bare(err)}
	}
	defer resp.Body.Close()
	return responded(method, resp)
}

// responded reads the answer, which is "ok", JSON, or an error code as text with a 404.
func responded(method string, resp *http.Response) error {
	body, err := readAll(resp.Body, maxErrorBody)
	if resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusGone {
		return &Permanent{Method: method, Code: "expired_url"}
	}
	if err := statusError(method, resp); err != nil {
		return err
	}
	if err != nil {
		return &Ambiguous{Method: method, Err: err}
	}
	if bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) {
		return answerError(method, body)
	}
	return nil
}

// checkResponseURL accepts https://hooks.slack.com/…, and the API's own host when that is the simulator on this machine.
func (s *Sender) checkResponseURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.User != nil || u.Opaque != "" {
		return errNotHooks
	}
	if s.local && u.Scheme == s.base.Scheme && u.Host == s.base.Host {
		return nil
	}
	if u.Scheme != "https" || u.Host != hooksHost && u.Host != hooksHost+":443" {
		return errNotHooks
	}
	return nil
}

var errInside = errors.New("the response URL leads to an address inside")

// responseClient dials Slack's host only where its name resolves to a public address; the check stands in the socket's Control, after the
// resolver and before the connection, so that a name that changes in between cannot slip past. A proxy is dialled as configured.
func responseClient(dial func(ctx context.Context, network, addr string) (net.Conn, error)) *http.Client {
	plain, checked := dial, dial
	if dial == nil {
		plain = (&net.Dialer{Timeout: callWait}).DialContext
		checked = (&net.Dialer{Timeout: callWait, Control: outsideOnly}).DialContext
	}
	return &http.Client{
		Timeout:       callWait,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSHandshakeTimeout: callWait, ResponseHeaderTimeout: callWait,
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				if strings.HasPrefix(addr, hooksHost+":") {
					return checked(ctx, network, addr)
				}
				return plain(ctx, network, addr)
			},
		},
	}
}

func outsideOnly(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return errInside
	}
	if !public(ap.Addr()) {
		return errInside
	}
	return nil
}

// public says whether an address lies in the open internet: not loopback, private, link-local (which holds the clouds' metadata address),
// shared carrier space, multicast or unspecified, also when written as IPv6.
func public(ip netip.Addr) bool {
	ip = ip.Unmap()
	for _, inside := range []string{"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "198.18.0.0/15", "240.0.0.0/4", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"} {
		if netip.MustParsePrefix(inside).Contains(ip) {
			return false
		}
	}
	return ip.IsGlobalUnicast() && !ip.IsPrivate()
}

func readAll(r io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	if int64(len(b)) > limit {
		return nil, errTooLarge
	}
	return b, nil
}
