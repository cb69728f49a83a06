package webhook

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/orders"
)

// Connector calls one receiver. It is safe for concurrent use; between calls it keeps idle connections and nothing else.
type Connector struct {
	url     *url.URL
	keys    []runbooks.Secret // decoded
	client  *http.Client
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
	tls     *tls.Config
	timeout time.Duration
	poll    time.Duration
	leaves  string

	password bool
	lists    bool // the receiver tells what it can grant
	tries    bool // the receiver uses a canary's access
}

// Open reads the configuration; it calls nobody.
func Open(cfg Config) (*Connector, error) {
	u, r, err := cfg.check()
	if err != nil {
		return nil, err
	}
	keys, err := decodeSecrets(cfg.Secrets)
	if err != nil {
		return nil, err
	}
	c := &Connector{
		url: u, keys: keys, tls: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: cfg.Roots},
		timeout: cfg.Timeout, poll: cfg.Poll, leaves: cfg.Leaves, password: cfg.Password, lists: cfg.Lists, tries: cfg.Tries,
	}
	c.client, c.dial = client(r, c.tls, cfg.Resolver)
	if c.timeout == 0 {
		c.timeout = defaultTimeout
	}
	if c.poll == 0 {
		c.poll = defaultPoll
	}
	if c.leaves == "" {
		c.leaves = "Whether open sessions end, and what else stays, is up to the service behind this target: it is not known here."
	}
	return c, nil
}

// Close ends the connections that wait for a next call.
func (c *Connector) Close() error {
	c.client.CloseIdleConnections()
	return nil
}

// Describe declares only what holds for any receiver: nothing ends by itself, and what ends with a revocation is not
// known.
func (c *Connector) Describe() runbooks.Capabilities {
	return runbooks.Capabilities{Name: "webhook", Polls: true, RevokeLatency: c.poll, RevokeLeaves: c.leaves, Timeout: c.timeout}
}

// Grant posts the order and waits until the receiver says that it is done. An answer that cannot be read is an error even
// though the access is made: the holder could not be told how to use it.
func (c *Connector) Grant(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	if c.password && g.Secret.IsZero() {
		return runbooks.Receipt{}, refuse("this target takes a password with each grant, and none came")
	}
	r, err := c.call(ctx, orders.Grant, g)
	if err != nil {
		return runbooks.Receipt{}, err
	}
	a, err := parseAnswer(r.body)
	if err != nil {
		return runbooks.Receipt{}, runbooks.Errorf(runbooks.Broken, nil, "the service says that it is done, but its answer cannot be read: %s", err)
	}
	return a.Receipt(g), nil
}

// Revoke posts the order and waits likewise. Here an answer that cannot be read is only noted: what counts is reading back.
func (c *Connector) Revoke(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	r, err := c.call(ctx, orders.Revoke, g)
	if err != nil {
		return runbooks.Receipt{}, err
	}
	a, err := parseAnswer(r.body)
	if err != nil {
		a.Facts = map[string]string{"answer": "could not be read: " + err.Error()}
	}
	return a.Receipt(g), nil
}

// Check asks the receiver to look.
func (c *Connector) Check(ctx context.Context, g runbooks.Grant) (runbooks.Presence, error) {
	return c.read(ctx, orders.Check, g)
}

// CanTry tells whether the receiver uses a canary's access when it is asked to.
func (c *Connector) CanTry() bool { return c.tries }

// Try asks the receiver to use it: present means that the canary is let in.
func (c *Connector) Try(ctx context.Context, g runbooks.Grant, _ runbooks.Receipt) (bool, error) {
	presence, err := c.read(ctx, orders.Try, g)
	return presence == runbooks.Present, err
}

// read posts a question whose answer is a presence.
func (c *Connector) read(ctx context.Context, op string, g runbooks.Grant) (runbooks.Presence, error) {
	r, err := c.call(ctx, op, g)
	if err != nil {
		return runbooks.Unconfirmed, err
	}
	a, err := parseAnswer(r.body)
	if err != nil {
		return runbooks.Unconfirmed, runbooks.Errorf(runbooks.Broken, nil, "the service's answer to %s cannot be read: %s", op, err)
	}
	switch a.Presence {
	case runbooks.Present, runbooks.Absent:
		return a.Presence, nil
	case runbooks.Unconfirmed:
		if a.Text == "" {
			a.Text = "the service cannot tell yet"
		}
		return runbooks.Unconfirmed, runbooks.Errorf(runbooks.Retry, nil, "%s", a.Text)
	default:
		return runbooks.Unconfirmed, runbooks.Errorf(runbooks.Broken, nil, "the service's answer to %s is none of present, absent and unconfirmed", op)
	}
}

// messageID names an order for the receiver. Asking again for the same effect is the same message; a check is a new one
// each time, so that nobody answers it from memory. It holds no dot, which separates the parts that are signed.
func messageID(op string, g runbooks.Grant) string {
	id := op + "_" + string(g.ID)
	if op == orders.Check || op == orders.Try {
		id += "_" + rand.Text()
	}
	return id
}

// call posts the order, polls while the receiver is at it, and gives the reply of one that is done.
func (c *Connector) call(ctx context.Context, op string, g runbooks.Grant) (reply, error) {
	body, err := orders.Encode(op, g)
	if err != nil {
		return reply{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	id, at := messageID(op, g), c.url
	r, err := c.send(ctx, http.MethodPost, at, id, body)
	for err == nil && r.status == http.StatusAccepted {
		if at, err = c.pollAt(at, r); err != nil {
			break
		}
		if err = c.wait(ctx); err != nil {
			break
		}
		r, err = c.send(ctx, http.MethodGet, at, id, nil)
	}
	if err != nil {
		return reply{}, err
	}
	return r, r.judge()
}

// wait passes the time between two polls.
func (c *Connector) wait(ctx context.Context) error {
	timer := time.NewTimer(c.poll)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return runbooks.Errorf(runbooks.Retry, ctx.Err(), "the service is still at it")
	}
}

// pollAt finds where to ask. The answer may name a place on the same origin; any other would let a receiver send signed
// calls to whom it likes. One that keeps silent is asked where it was asked before, and the order itself is not posted
// twice within a call.
func (c *Connector) pollAt(last *url.URL, r reply) (*url.URL, error) {
	a, err := parseAnswer(r.body)
	if err != nil {
		return nil, runbooks.Errorf(runbooks.Broken, nil, "the service says that it is at it, but its answer cannot be read: %s", err)
	}
	if a.Poll == "" {
		if last == c.url {
			return nil, runbooks.Errorf(runbooks.Retry, nil, "the service is still at it")
		}
		return last, nil
	}
	u, err := c.url.Parse(a.Poll)
	if err != nil || len(a.Poll) > maxURL || u.Scheme != c.url.Scheme || u.Host != c.url.Host || u.User != nil || u.Opaque != "" {
		return nil, runbooks.Errorf(runbooks.Broken, nil, "the service wants to be polled at another place than its own")
	}
	return u, nil
}

// Probe connects, and sends nothing: only a real order shows what the receiver does.
func (c *Connector) Probe(ctx context.Context) []runbooks.Finding {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if err := c.handshake(ctx); err != nil {
		return []runbooks.Finding{{What: fmt.Sprintf("%s: %s", c.url.Host, sendError(ctx, err)), Do: "look at the url, the name, the certificate and private_host"}}
	}
	return []runbooks.Finding{{OK: true, What: c.url.Host + " can be reached and its certificate is good; what it does with an order is not seen from here"}}
}

func (c *Connector) handshake(ctx context.Context) error {
	port := c.url.Port()
	if port == "" {
		port = c.url.Scheme // https or http: names that resolve to 443 and 80
	}
	conn, err := c.dial(ctx, "tcp", net.JoinHostPort(c.url.Hostname(), port))
	if err != nil {
		return err
	}
	defer conn.Close()
	if c.url.Scheme != "https" {
		return nil
	}
	cfg := c.tls.Clone()
	cfg.ServerName = c.url.Hostname()
	return tls.Client(conn, cfg).HandshakeContext(ctx)
}
