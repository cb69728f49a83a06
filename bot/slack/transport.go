package slack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
	slackgo "github.com/slack-go/slack"
)

// TransportOptions configure Socket Mode. AppToken and Intake are required.
type TransportOptions struct {
	AppToken string // xapp-…, with connections:write
	APIURL   string // empty: https://slack.com/api/
	Intake   *Intake
	// Connections is how many are kept open, 1 to 10; 0 means 2, so that one that dies unnoticed does not stop everything.
	Connections int
	// AllowLoopback also accepts ws:// and http:// addresses of this machine; for the simulator and tests only.
	AllowLoopback bool
	// DialContext replaces the dialer of both HTTP and websocket; nil for the net package's.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	// OnGhost is told when Slack counts more connections than we hold: half-open ones that swallow clicks, or somebody else using the
	// app token (T05). It must not block.
	OnGhost func(expected, got int)
	Log     *slog.Logger
}

// Transport receives interactions over Socket Mode.
type Transport struct {
	opt    TransportOptions
	api    *slackgo.Client
	dialer *websocket.Dialer
	log    *slog.Logger
	pace   *pacer
	count  socketCounters

	mu      sync.Mutex
	conns   map[int]*conn
	next    int
	wg      sync.WaitGroup // goroutines of connections
	dialing atomic.Int64   // connections that Slack may have accepted and we do not hold yet
}

// NewTransport checks the options; nothing is opened before Run.
func NewTransport(opt TransportOptions) (*Transport, error) {
	if opt.Intake == nil || opt.AppToken == "" {
		return nil, errors.New("making a Socket Mode transport: an app token and an intake are needed")
	}
	if opt.Connections == 0 {
		opt.Connections = 2
	}
	if opt.Connections < 1 || opt.Connections > 10 {
		return nil, fmt.Errorf("making a Socket Mode transport: %d connections; Slack allows 1 to 10", opt.Connections)
	}
	base, err := apiBase(opt.APIURL, opt.AllowLoopback)
	if err != nil {
		return nil, fmt.Errorf("making a Socket Mode transport: %w", err)
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	client := guardedClient(fixed(opt.AppToken), nil, opt.DialContext)
	return &Transport{
		opt: opt, log: opt.Log, pace: newPacer(opt.Connections), conns: map[int]*conn{},
		api: slackgo.New("", slackgo.OptionAppLevelToken(opt.AppToken), slackgo.OptionAPIURL(base.String()), slackgo.OptionHTTPClient(client)),
		dialer: &websocket.Dialer{
			Proxy: http.ProxyFromEnvironment, HandshakeTimeout: helloWait, NetDialContext: opt.DialContext,
			ReadBufferSize: 8 << 10, WriteBufferSize: 4 << 10,
		},
	}, nil
}

// Run keeps the connections open until ctx ends and then stops within ten seconds: what was received is acknowledged, handlers get the
// rest of the time. It returns nil after ctx ended, and *Auth when Slack says that the app token is not valid (any more).
func (t *Transport) Run(ctx context.Context) error {
	slots, stopSlots := context.WithCancelCause(ctx)
	defer stopSlots(nil)
	handlers, stopHandlers := context.WithCancel(context.WithoutCancel(ctx))
	defer stopHandlers()
	var wg sync.WaitGroup
	for range t.opt.Connections {
		wg.Go(func() {
			if err := t.keep(slots, handlers); err != nil {
				stopSlots(err)
			}
		})
	}
	wg.Wait()
	t.shutdown(stopHandlers)
	if ctx.Err() != nil {
		return nil
	}
	return context.Cause(slots)
}

// shutdown goes on reading and acknowledging until nothing is pending, then closes the sockets and leaves the handlers the rest of the
// time. What they do not finish is durable and drains at the next start.
func (t *Transport) shutdown(stopHandlers func()) {
	begun := time.Now()
	t.settle(begun.Add(drainWait))
	for _, c := range t.live() {
		c.close()
	}
	t.wg.Wait() // bounded by writeWait and closeWait
	t.settle(begun.Add(stopWait - closeWait))
	stopHandlers()
	t.settle(begun.Add(stopWait))
}

// settle waits until nothing is in flight, at most until then.
func (t *Transport) settle(until time.Time) {
	ctx, cancel := context.WithDeadline(context.Background(), until)
	defer cancel()
	_ = t.opt.Intake.Wait(ctx)
}

// keep holds one connection open, and a second one while the first is being replaced.
func (t *Transport) keep(ctx, handlers context.Context) error {
	for {
		c, err := t.open(ctx, handlers)
		switch {
		case ctx.Err() != nil:
			return nil
		case fatal(err):
			return err
		case err != nil:
			t.count.refusals.Add(1)
			t.log.Warn("opening a Slack connection did not work", "err", err)
			continue
		}
		select {
		case <-c.retired:
			t.replaced(c)
		case <-ctx.Done():
			return nil
		}
	}
}

// replaced lets an old connection go on until Slack ends it, but not for ever: what is on its way still arrives there, and what arrived
// must be acknowledged there.
func (t *Transport) replaced(c *conn) {
	linger := lingerFor
	if reason := c.refusal.Load(); reason != nil || time.Since(c.opened) < settledAfter && ended(c) {
		t.pace.refused(0)
		t.count.refusals.Add(1)
		t.log.Warn("Slack ended a connection at once", "reason", deref(reason))
		linger = lingerRefused
	} else {
		t.pace.settled()
	}
	c.lingering.Store(true)
	t.wg.Go(func() {
		timer := time.NewTimer(linger)
		defer timer.Stop()
		select {
		case <-c.done:
		case <-timer.C:
			c.close()
		}
	})
}

func ended(c *conn) bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// fatal says whether trying again is senseless: the credential itself is refused.
func fatal(err error) bool {
	var auth *Auth
	return errors.As(err, &auth)
}

// open waits its turn, asks for an address, dials it and waits for hello.
func (t *Transport) open(ctx, handlers context.Context) (*conn, error) {
	if err := t.pace.wait(ctx); err != nil {
		return nil, err
	}
	t.count.opens.Add(1)
	c, err := t.connect(ctx, handlers)
	if err == nil {
		err = t.hello(ctx, c)
	}
	if err != nil && !fatal(err) {
		var limited *RateLimited
		var wait time.Duration
		if errors.As(err, &limited) {
			wait = limited.RetryAfter
		}
		t.pace.refused(wait)
	}
	return c, err
}

func (t *Transport) connect(ctx, handlers context.Context) (*conn, error) {
	_, address, err := t.api.StartSocketModeContext(ctx)
	if err != nil {
		return nil, translate("apps.connections.open", err)
	}
	if err := checkSocketURL(address, t.opt.AllowLoopback); err != nil {
		return nil, err
	}
	// Slack counts a connection from the moment it accepts it, which is before we hold it.
	t.dialing.Add(1)
	defer t.dialing.Add(-1)
	ws, resp, err := t.dialer.DialContext(ctx, address, nil)
	if resp != nil && resp.Body != nil {
		_ = resp.Body.Close()
	}
	if err != nil {
		// The address carries a ticket; url.Error and the websocket package do not quote it, and this takes only the cause.
		return nil, fmt.Errorf("connecting to the Slack socket: %w", bare(err))
	}
	t.mu.Lock()
	t.next++
	c := newConn(t.next, ws)
	t.conns[c.id] = c
	t.mu.Unlock()
	t.wg.Go(c.write)
	t.wg.Go(func() {
		c.read(func(c *conn, data []byte, at time.Time) { t.frame(handlers, c, data, at) })
		t.mu.Lock()
		delete(t.conns, c.id)
		t.mu.Unlock()
	})
	return c, nil
}

// hello waits for Slack's greeting; a connection without it is closed.
func (t *Transport) hello(ctx context.Context, c *conn) error {
	timer := time.NewTimer(helloWait)
	defer timer.Stop()
	var err error
	select {
	case <-c.greeted:
		return nil
	case <-c.retired:
		if app := c.wrongApp.Load(); app != nil {
			err = &Auth{Method: "apps.connections.open", Code: "the app token belongs to app " + *app}
			break
		}
		err = fmt.Errorf("waiting for Slack's hello: the connection was refused: %q", deref(c.refusal.Load()))
	case <-timer.C:
		err = errors.New("waiting for Slack's hello: it did not come")
	case <-ctx.Done():
		err = ctx.Err()
	}
	c.close()
	return err
}

func (t *Transport) live() []*conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]*conn, 0, len(t.conns))
	for _, c := range t.conns {
		out = append(out, c)
	}
	return out
}

// checkSocketURL accepts wss://, and ws:// to this machine where that is allowed: Socket Mode payloads carry no signature, so trust in
// them is trust in this TLS connection.
func checkSocketURL(raw string, loopback bool) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "":
		return errors.New("connecting to the Slack socket: Slack gave an address that is none")
	case u.Scheme == "wss":
		return nil
	case u.Scheme == "ws" && loopback && isLoopback(u.Hostname()):
		return nil
	}
	return fmt.Errorf("connecting to the Slack socket: refusing %q: only wss:// is safe", u.Scheme+"://"+u.Host)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// apiBase checks the Web API's address and gives it the final slash slack-go needs.
func apiBase(raw string, loopback bool) (*url.URL, error) {
	if raw == "" {
		raw = slackgo.APIURL
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("the API address %q is no URL", raw)
	}
	if u.Scheme != "https" && !(u.Scheme == "http" && loopback && isLoopback(u.Hostname())) {
		return nil, fmt.Errorf("the API address %q must be https", raw)
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("the API address must have no user, query or fragment")
	}
	if u.Path == "" || u.Path[len(u.Path)-1] != '/' {
		u.Path += "/"
	}
	return u, nil
}

// SocketStats are the transport's own numbers; counts only grow since the start.
type SocketStats struct {
	Live, Lingering    int           // connections now; lingering ones were replaced and are still listened to
	Reported, Expected int           // of the last hello: connections Slack counts, connections we held
	Ghosts             uint64        // hellos that counted more than expected
	Opens, Refusals    uint64        // attempts, and attempts or connections that were turned down
	Refreshes          uint64        // connections replaced because Slack asked
	UnknownEnvelopes   uint64        // acknowledged and ignored
	BadFrames          uint64        // could not be read
	RoundTrip          time.Duration // slowest last ping among live connections
	Silence            time.Duration // longest time since something was read, among live connections
	Intake             IntakeStats
}

type socketCounters struct {
	opens, refusals, refreshes, unknown, bad, ghosts atomic.Uint64
	reported, expected                               atomic.Int64
}

// Stats is a snapshot.
func (t *Transport) Stats() SocketStats {
	if t == nil {
		return SocketStats{} // HTTP mode: there is no socket
	}
	s := SocketStats{
		Reported: int(t.count.reported.Load()), Expected: int(t.count.expected.Load()), Ghosts: t.count.ghosts.Load(),
		Opens: t.count.opens.Load(), Refusals: t.count.refusals.Load(), Refreshes: t.count.refreshes.Load(),
		UnknownEnvelopes: t.count.unknown.Load(), BadFrames: t.count.bad.Load(), Intake: t.opt.Intake.Stats(),
	}
	now := time.Now()
	for _, c := range t.live() {
		switch {
		case c.lingering.Load():
			s.Lingering++
			continue
		case !greeted(c):
			continue
		}
		s.Live++
		s.RoundTrip = max(s.RoundTrip, time.Duration(c.rtt.Load()))
		s.Silence = max(s.Silence, now.Sub(time.Unix(0, c.lastRead.Load())))
	}
	return s
}

// Ready says whether at least one connection has been greeted and is listened to.
func (t *Transport) Ready() bool { return t.Stats().Live > 0 }

func greeted(c *conn) bool {
	select {
	case <-c.greeted:
		return true
	default:
		return false
	}
}
