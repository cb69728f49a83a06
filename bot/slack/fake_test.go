package slack_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/countersign-bot/countersign/bot/slack"
)

// pipeNet is a network of net.Pipe connections: unlike sockets they block durably, so that synctest can run minutes in no time.
type pipeNet struct {
	accept chan net.Conn
	closed chan struct{}
	once   sync.Once

	mu   sync.Mutex
	fail error // what dialling returns, when set
}

func newPipeNet() *pipeNet {
	return &pipeNet{accept: make(chan net.Conn), closed: make(chan struct{})}
}

func (p *pipeNet) Accept() (net.Conn, error) {
	select {
	case c := <-p.accept:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipeNet) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipeNet) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

func (p *pipeNet) setFail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fail = err
}

func (p *pipeNet) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	p.mu.Lock()
	err := p.fail
	p.mu.Unlock()
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	client, server := net.Pipe()
	select {
	case p.accept <- server:
		return client, nil
	case <-p.closed:
		return nil, &net.OpError{Op: "dial", Net: network, Err: net.ErrClosed}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// fakeSlack is the smallest Socket Mode server: it opens connections, greets and collects acknowledgements.
type fakeSlack struct {
	t   testing.TB
	net *pipeNet
	srv *http.Server

	// open answers apps.connections.open; nil gives an address. connect is run for each new socket; nil greets.
	open    func(n int) (status int, header http.Header, body string)
	connect func(*fakeSocket)

	mu      sync.Mutex
	opens   []time.Time
	sockets []*fakeSocket
	joined  chan *fakeSocket
	wg      sync.WaitGroup
}

type fakeSocket struct {
	ws    *websocket.Conn
	n     int // 1 is the first
	acks  chan ack
	ended chan struct{}
	deaf  bool // does not answer pings

	mu sync.Mutex
}

type ack struct {
	ID      string          `json:"envelope_id"`
	Payload json.RawMessage `json:"payload"`
	At      time.Time       `json:"-"`
	Size    int             `json:"-"`
}

func newFakeSlack(t testing.TB) *fakeSlack {
	f := &fakeSlack{t: t, net: newPipeNet(), joined: make(chan *fakeSocket, 1000)}
	mux := http.NewServeMux()
	mux.HandleFunc("/api/apps.connections.open", f.serveOpen)
	mux.HandleFunc("/link", f.serveLink)
	f.srv = &http.Server{Handler: mux, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)}
	f.wg.Go(func() { _ = f.srv.Serve(f.net) })
	return f
}

func (f *fakeSlack) stop() {
	_ = f.srv.Close()
	_ = f.net.Close()
	f.mu.Lock()
	for _, s := range f.sockets {
		_ = s.ws.Close()
	}
	f.mu.Unlock()
	f.wg.Wait()
}

func (f *fakeSlack) serveOpen(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.opens = append(f.opens, time.Now())
	n := len(f.opens)
	f.mu.Unlock()
	if got := r.Header.Get("Authorization"); got != "Bearer xapp-1-A111-test" {
		f.t.Errorf("apps.connections.open got authorization %q", got)
	}
	f.mu.Lock()
	open := f.open
	f.mu.Unlock()
	if open != nil {
		status, header, body := open(n)
		for k, v := range header {
			w.Header()[k] = v
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
		return
	}
	_, _ = io.WriteString(w, `{"ok":true,"url":"ws://127.0.0.1/link?ticket=secret-ticket"}`)
}

func (f *fakeSlack) serveLink(w http.ResponseWriter, r *http.Request) {
	up := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	ws, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	s := &fakeSocket{ws: ws, acks: make(chan ack, 10_000), ended: make(chan struct{})}
	f.mu.Lock()
	f.sockets = append(f.sockets, s)
	s.n = len(f.sockets)
	connect := f.connect
	f.mu.Unlock()
	if connect != nil {
		connect(s)
	} else {
		s.hello(s.n, "A111")
	}
	f.wg.Go(s.read)
	f.joined <- s
}

func (s *fakeSocket) read() {
	defer close(s.ended)
	if s.deaf {
		s.ws.SetPingHandler(func(string) error { return nil })
	}
	for {
		_, data, err := s.ws.ReadMessage()
		if err != nil {
			return
		}
		var a ack
		if json.Unmarshal(data, &a) == nil {
			a.At, a.Size = time.Now(), len(data)
			s.acks <- a
		}
	}
}

func (s *fakeSocket) send(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.ws.WriteMessage(websocket.TextMessage, []byte(text))
}

func (s *fakeSocket) hello(connections int, app string) {
	s.send(fmt.Sprintf(`{"type":"hello","num_connections":%d,"connection_info":{"app_id":%q}}`, connections, app))
}

func (s *fakeSocket) disconnect(reason string) {
	s.send(fmt.Sprintf(`{"type":"disconnect","reason":%q,"debug_info":{"host":"x"}}`, reason))
}

// next returns the next acknowledgement on this socket; in a bubble it waits no real time.
func (s *fakeSocket) next(t testing.TB) ack {
	t.Helper()
	select {
	case a := <-s.acks:
		return a
	case <-time.After(10 * time.Second):
		t.Fatalf("no acknowledgement came on socket %d", s.n)
		return ack{}
	}
}

func (s *fakeSocket) none(t testing.TB, d time.Duration) {
	t.Helper()
	select {
	case a := <-s.acks:
		t.Fatalf("socket %d got an acknowledgement for %q, want none", s.n, a.ID)
	case <-time.After(d):
	}
}

func (f *fakeSlack) socket() *fakeSocket {
	f.t.Helper()
	select {
	case s := <-f.joined:
		return s
	case <-time.After(2 * time.Minute):
		f.t.Fatal("no connection came")
		return nil
	}
}

func (f *fakeSlack) opened() []time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]time.Time(nil), f.opens...)
}

// fakeInbox keeps interactions in memory, as the store does in a table.
type fakeInbox struct {
	mu    sync.Mutex
	rows  []slack.Received
	byKey map[string]string
	err   error
	delay time.Duration
}

func (b *fakeInbox) Put(ctx context.Context, in slack.Received) (string, bool, error) {
	b.mu.Lock()
	delay := b.delay
	b.mu.Unlock()
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return "", false, ctx.Err()
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return "", false, b.err
	}
	for _, k := range in.Keys {
		if id, ok := b.byKey[k]; ok {
			return id, true, nil
		}
	}
	if b.byKey == nil {
		b.byKey = map[string]string{}
	}
	id := fmt.Sprintf("in_%d", len(b.rows)+1)
	b.rows = append(b.rows, in)
	for _, k := range in.Keys {
		b.byKey[k] = id
	}
	return id, false, nil
}

func (b *fakeInbox) stored() []slack.Received {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]slack.Received(nil), b.rows...)
}

func (b *fakeInbox) setErr(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
}

type handlerFunc func(context.Context, slack.Interaction) (slack.Reply, error)

func (h handlerFunc) Handle(ctx context.Context, in slack.Interaction) (slack.Reply, error) {
	return h(ctx, in)
}

// world is a running transport with everything round it.
type world struct {
	t      *testing.T
	slack  *fakeSlack
	inbox  *fakeInbox
	tr     *slack.Transport
	intake *slack.Intake
	log    *lockedBuffer
	cancel context.CancelFunc
	done   chan error

	mu        sync.Mutex
	handled   []slack.Interaction
	late      []slack.Reply
	ghosts    [][2]int
	foreign   []slack.Foreign
	malformed []string
	panics    []string
	unwritten []string
	handle    func(context.Context, slack.Interaction) (slack.Reply, error)
}

type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func home() slack.Installation {
	return slack.Installation{AppID: "A111", TeamID: "T111", EnterpriseID: "E111"}
}

func newWorld(t *testing.T, change ...func(*world, *slack.TransportOptions)) *world {
	t.Helper()
	w := &world{t: t, slack: newFakeSlack(t), inbox: &fakeInbox{}, log: &lockedBuffer{}, done: make(chan error, 1)}
	logger := slog.New(slog.NewTextHandler(w.log, nil))
	intake, err := slack.NewIntake(slack.IntakeOptions{
		Inbox: w.inbox, Installation: home(), Log: logger,
		Handler: handlerFunc(w.Handle),
		Late:    func(_ slack.Interaction, r slack.Reply) { w.mu.Lock(); defer w.mu.Unlock(); w.late = append(w.late, r) },
		NotRecorded: func(_ slack.Interaction, s string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.unwritten = append(w.unwritten, s)
		},
		OnForeign:   func(f slack.Foreign) { w.mu.Lock(); defer w.mu.Unlock(); w.foreign = append(w.foreign, f) },
		OnMalformed: func(class string) { w.mu.Lock(); defer w.mu.Unlock(); w.malformed = append(w.malformed, class) },
		OnPanic:     func(class string) { w.mu.Lock(); defer w.mu.Unlock(); w.panics = append(w.panics, class) },
	})
	if err != nil {
		t.Fatal(err)
	}
	w.intake = intake
	opt := slack.TransportOptions{
		AppToken: "xapp-1-A111-test", APIURL: "http://127.0.0.1/api", AllowLoopback: true, DialContext: w.slack.net.dial,
		Intake: intake, Connections: 1, Log: logger,
		OnGhost: func(e, g int) { w.mu.Lock(); defer w.mu.Unlock(); w.ghosts = append(w.ghosts, [2]int{e, g}) },
	}
	for _, c := range change {
		c(w, &opt)
	}
	if w.tr, err = slack.NewTransport(opt); err != nil {
		t.Fatal(err)
	}
	return w
}

// start runs the transport; the returned function stops everything, so that the bubble can end.
func (w *world) start() func() {
	ctx, cancel := context.WithCancel(w.t.Context())
	w.cancel = cancel
	go func() { w.done <- w.tr.Run(ctx) }()
	return func() {
		cancel()
		w.wait()
		w.slack.stop()
	}
}

func (w *world) wait() error {
	w.t.Helper()
	select {
	case err := <-w.done:
		w.done <- err
		return err
	case <-time.After(time.Minute):
		w.t.Fatal("the transport did not stop")
		return errors.New("not stopped")
	}
}

func (w *world) Handle(ctx context.Context, in slack.Interaction) (slack.Reply, error) {
	w.mu.Lock()
	w.handled = append(w.handled, in)
	h := w.handle
	w.mu.Unlock()
	if h == nil {
		return slack.Reply{}, nil
	}
	return h(ctx, in)
}

func (w *world) seen() []slack.Interaction {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]slack.Interaction(nil), w.handled...)
}

func (w *world) lateReplies() []slack.Reply {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]slack.Reply(nil), w.late...)
}

// bubble runs a test on a clock of its own.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

func command(envelope, trigger string) string {
	return fmt.Sprintf(`{"type":"slash_commands","envelope_id":%q,"accepts_response_payload":true,"payload":{"command":"/x","text":"hi","user_id":"U1",
"team_id":"T111","enterprise_id":"E111","channel_id":"C1","api_app_id":"A111","trigger_id":%q,"response_url":"https://hooks.slack.com/commands/T1/1/x"}}`, envelope, trigger)
}

func click(envelope, ts string) string {
	return fmt.Sprintf(`{"type":"interactive","envelope_id":%q,"accepts_response_payload":false,"payload":{"type":"block_actions","api_app_id":"A111",
"user":{"id":"U1","team_id":"T111"},"team":{"id":"T111","enterprise_id":"E111"},"container":{"type":"message","message_ts":"1.2","channel_id":"C1"},"trigger_id":"1.2.x",
"response_url":"https://hooks.slack.com/actions/T1/1/x","actions":[{"type":"button","action_id":"a","block_id":"b","value":"v","action_ts":%q}]}}`, envelope, ts)
}

func submission(envelope, view, text string) string {
	return fmt.Sprintf(`{"type":"interactive","envelope_id":%q,"accepts_response_payload":true,"payload":{"type":"view_submission","api_app_id":"A111",
"user":{"id":"U1","team_id":"T111"},"team":{"id":"T111","enterprise_id":"E111"},"trigger_id":"1.2.x","view":{"id":%q,"hash":"h1","type":"modal","callback_id":"form",
"private_metadata":"{}","app_installed_team_id":"T111","blocks":[{"type":"input","block_id":"why"}],"state":{"values":{"why":{"t":{"type":"plain_text_input","value":%q}}}}}}}`, envelope, view, text)
}

func event(envelope, id, typ string) string {
	return fmt.Sprintf(`{"type":"events_api","envelope_id":%q,"accepts_response_payload":false,"retry_attempt":0,"retry_reason":"","payload":{"type":"event_callback",
"team_id":"T111","api_app_id":"A111","event_id":%q,"event_time":1,"event":{"type":%q,"user":"U1"},"authorizations":[{"enterprise_id":"E111","team_id":"T111","user_id":"U2","is_bot":true,"is_enterprise_install":false}]}}`, envelope, id, typ)
}
