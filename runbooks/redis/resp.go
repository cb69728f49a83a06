package redis

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"

	"github.com/countersign-bot/countersign/runbooks"
)

// conn speaks version 2 of the protocol (RESP), which every server starts with. It ends with the context of its call.
type conn struct {
	ctx context.Context
	net.Conn
	r    *bufio.Reader
	stop func() bool
}

// refusal is an error that the server answered, such as "WRONGPASS invalid username-password pair".
type refusal string

func (r refusal) Error() string { return string(r) }

// code is the first word, which is for programs; the rest is for people and may quote anything.
func (r refusal) code() string { return strings.SplitN(string(r), " ", 2)[0] }

// dial connects and logs in.
func (c *Connector) dial(ctx context.Context, user string, password runbooks.Secret) (*conn, error) {
	dialing, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	raw, err := (&net.Dialer{}).DialContext(dialing, "tcp", c.url.Host)
	if err != nil {
		return nil, classify(ctx, err)
	}
	if c.tls != nil {
		secured := tls.Client(raw, c.tls)
		if err := secured.HandshakeContext(dialing); err != nil {
			_ = raw.Close()
			return nil, classify(ctx, err)
		}
		raw = secured
	}
	out := &conn{ctx: ctx, Conn: raw, r: bufio.NewReader(raw)}
	out.stop = context.AfterFunc(ctx, func() { _ = raw.Close() })
	if _, err := out.do("AUTH", user, password.Reveal()); err != nil {
		out.end()
		return nil, err
	}
	return out, nil
}

func (c *conn) end() {
	c.stop()
	_ = c.Close()
}

// do sends one command, each argument as it is, and gives the answer: string, int64, []any or nil. An error is classed; it
// wraps the server's refusal if it was one.
func (c *conn) do(args ...string) (any, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
	}
	if _, err := io.WriteString(c, b.String()); err != nil {
		return nil, classify(c.ctx, err)
	}
	v, err := c.read(0)
	return v, classify(c.ctx, err)
}

var errProtocol = errors.New("the answer is not RESP")

func (c *conn) read(depth int) (any, error) {
	line, err := c.r.ReadSlice('\n') // at most the buffer, 4 KiB: what is longer comes as a bulk
	if err != nil {
		return nil, err
	}
	kind, text := line[0], strings.TrimSuffix(string(line[1:]), "\r\n")
	switch kind {
	case '+':
		return text, nil
	case '-':
		return nil, refusal(text)
	case ':':
		return strconv.ParseInt(text, 10, 64)
	}
	n, err := strconv.Atoi(text)
	switch {
	case err != nil || depth > maxDepth || kind != '$' && kind != '*' || kind == '$' && n > maxBulk || kind == '*' && n > maxItems:
		return nil, errProtocol
	case n < 0:
		return nil, nil
	case kind == '$':
		bulk := make([]byte, n+2)
		_, err := io.ReadFull(c.r, bulk)
		return string(bulk[:n]), err
	}
	out := make([]any, 0, min(n, 1024))
	for range n {
		v, err := c.read(depth + 1)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// classify makes an error one that can be kept: the server's code and our own words.
func classify(ctx context.Context, err error) error {
	var verify *tls.CertificateVerificationError
	var said refusal
	switch {
	case err == nil:
		return nil
	case errors.As(err, &said):
	case errors.As(err, &verify):
		return runbooks.Errorf(runbooks.Broken, err, "the server's certificate is not to be trusted")
	case ctx.Err() != nil:
		return runbooks.Errorf(runbooks.Retry, errors.Join(ctx.Err(), err), "the server did not answer in time")
	default:
		return runbooks.Errorf(runbooks.Retry, err, "the server could not be reached")
	}
	switch said.code() {
	case "WRONGPASS", "NOAUTH":
		return runbooks.Errorf(runbooks.Broken, said, "the server refuses the bot's account or password")
	case "NOPERM":
		return runbooks.Errorf(runbooks.Broken, said, "the bot's account lacks the right to do this")
	case "LOADING", "BUSY", "TRYAGAIN", "MASTERDOWN", "CLUSTERDOWN", "OOM", "MISCONF":
		return runbooks.Errorf(runbooks.Retry, said, "the server cannot answer for now (%s)", said.code())
	}
	return runbooks.Errorf(runbooks.Broken, said, "the server answered with an error")
}
