package slacksim

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// sockets is the Socket Mode side: open connections, tickets, envelopes waiting for an acknowledgement. The workspace's lock guards it.
type sockets struct {
	conns   []*conn
	ghosts  int
	tickets map[string]time.Time // real time: a network deadline
	pending map[string]*pending
	held    []func() // reordered envelopes waiting to be overtaken
	stats   Stats
}

// Stats counts what happened on the sockets since the workspace began.
type Stats struct {
	Open           int `json:"open"`            // connections now, ghosts not counted
	Connected      int `json:"connected"`       // connections ever accepted
	Refused        int `json:"refused"`         // handshakes or connections refused
	Delivered      int `json:"delivered"`       // envelopes written, duplicates and retries included
	Acked          int `json:"acked"`           // acknowledged in time
	MisplacedAcks  int `json:"misplaced_acks"`  // came on another connection than the envelope
	UnknownAcks    int `json:"unknown_acks"`    // late, repeated or invented envelope ids
	OversizeAcks   int `json:"oversize_acks"`   // dropped for their size
	PendingEvents  int `json:"pending_events"`  // events not yet acknowledged
	AbandonedEvent int `json:"abandoned_event"` // events given up after all retries
}

type pending struct {
	conns []*conn // where the envelope went
	ack   chan json.RawMessage
	lost  bool // the acknowledgement is to be lost
}

// conn is one WebSocket. A goroutine reads, another writes; cut ends both.
type conn struct {
	ws   *websocket.Conn
	out  chan []byte
	done chan struct{}
	once sync.Once
}

func (s *sockets) init() {
	s.tickets, s.pending = map[string]time.Time{}, map[string]*pending{}
}

func (s *sockets) open() []*conn { return slices.Clone(s.conns) }

// cut ends the connection without a word, as a dying network does.
func (c *conn) cut() {
	c.once.Do(func() {
		close(c.done)
		_ = c.ws.Close() // it is going away either way
	})
}

// send queues a frame; a client that never reads loses its connection.
func (c *conn) send(data []byte) {
	select {
	case c.out <- data:
	case <-c.done:
	default:
		c.cut()
	}
}

// hangUp ends the connection without a word once everything queued before is out.
func (c *conn) hangUp() { c.send([]byte{}) }

func connectionsOpen(c *call) Object {
	w := c.w
	ticket := w.freshUUID()
	now := time.Now()
	for t, until := range w.sockets.tickets {
		if now.After(until) {
			delete(w.sockets.tickets, t)
		}
	}
	w.sockets.tickets[ticket] = now.Add(ticketLife)
	base := "ws" + strings.TrimPrefix(w.base, "http")
	return Object{"ok": true, "url": base + "/socket?" + url.Values{"ticket": {ticket}, "app_id": {w.cfg.App.ID}}.Encode()}
}

func (w *Workspace) serveSocket(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	until, known := w.sockets.tickets[r.URL.Query().Get("ticket")]
	delete(w.sockets.tickets, r.URL.Query().Get("ticket"))
	fault := w.faults.take(func(f *Fault) bool { return f.isConnect() })
	if !known || time.Now().After(until) || (fault != nil && fault.Kind == FaultRefuseSocket) {
		w.sockets.stats.Refused++
		w.mu.Unlock()
		status := http.StatusNotFound // what Slack answers to a spent ticket
		if fault != nil {
			status = http.StatusInternalServerError
			if fault.Status != 0 {
				status = fault.Status
			}
		}
		http.Error(rw, http.StatusText(status), status)
		return
	}
	w.mu.Unlock()
	// Slack's clients send Origin: https://api.slack.com, which is never ours.
	up := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	ws, err := up.Upgrade(rw, r, nil)
	if err != nil {
		return // the upgrader has answered
	}
	c := &conn{ws: ws, out: make(chan []byte, maxOutbound), done: make(chan struct{})}
	if w.welcome(c, fault) {
		w.spawn(func() { w.writeLoop(c) })
		w.readLoop(c)
	}
}

// welcome registers the connection and queues hello, or refuses it with the reason.
func (w *Workspace) welcome(c *conn, fault *Fault) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	reason := ""
	switch {
	case w.ctx.Err() != nil:
		reason = "refresh_requested"
	case fault != nil:
		reason = string(fault.Kind)
	case len(w.sockets.conns)+w.sockets.ghosts >= maxConnections:
		reason = string(FaultTooMany)
	}
	if reason != "" {
		w.sockets.stats.Refused++
		_ = c.ws.SetWriteDeadline(time.Now().Add(socketWriteWait))    // an error shows in the write
		_ = c.ws.WriteMessage(websocket.TextMessage, goodbye(reason)) // it is closed next in any case
		c.cut()
		return false
	}
	w.sockets.conns = append(w.sockets.conns, c)
	w.sockets.stats.Connected++
	c.send(encode(Object{
		"type": "hello", "num_connections": len(w.sockets.conns) + w.sockets.ghosts, "debug_info": debugInfo(connectionTime),
		"connection_info": Object{"app_id": w.cfg.App.ID},
	}))
	w.touch()
	return true
}

func debugInfo(life int) Object {
	return Object{"host": "applink-sim-1", "build_number": 1, "approximate_connection_time": life}
}

func goodbye(reason string) []byte {
	return encode(Object{"type": "disconnect", "reason": reason, "debug_info": Object{"host": "applink-sim-1"}})
}

func (w *Workspace) writeLoop(c *conn) {
	ping := time.NewTicker(w.cfg.PingEvery)
	defer ping.Stop()
	defer c.cut()
	for {
		kind, data := websocket.TextMessage, []byte(nil)
		select {
		case <-c.done:
			return
		case <-w.ctx.Done():
			return
		case data = <-c.out:
		case <-ping.C:
			kind, data = websocket.PingMessage, []byte("Ping from applink-sim-1")
		}
		if data != nil && len(data) == 0 {
			return // hang up: what was queued before is out, and nothing more is said
		}
		last := data == nil // the end of the queue: say goodbye in WebSocket's own way
		if last {
			kind, data = websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
		}
		if err := c.ws.SetWriteDeadline(time.Now().Add(socketWriteWait)); err != nil {
			return
		}
		if err := c.ws.WriteMessage(kind, data); err != nil || last {
			return
		}
	}
}

func (w *Workspace) readLoop(c *conn) {
	defer w.forget(c)
	c.ws.SetReadLimit(maxBody)
	for {
		_, data, err := c.ws.ReadMessage()
		if err != nil {
			return
		}
		w.acknowledged(c, data)
	}
}

func (w *Workspace) forget(c *conn) {
	c.cut()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sockets.conns = slices.DeleteFunc(w.sockets.conns, func(o *conn) bool { return o == c })
	w.touch()
}

// acknowledged takes one frame from the app. Slack reads envelope_id and payload and never answers.
func (w *Workspace) acknowledged(c *conn, data []byte) {
	var ack struct {
		EnvelopeID string          `json:"envelope_id"`
		Payload    json.RawMessage `json:"payload"`
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.wake()
	s := &w.sockets
	if len(data) >= maxAckBytes {
		s.stats.OversizeAcks++
		return
	}
	if json.Unmarshal(data, &ack) != nil || ack.EnvelopeID == "" {
		s.stats.UnknownAcks++
		return
	}
	w.recordLocked(Record{Kind: "socket", From: "app", Name: "ack", Request: string(data)})
	p := s.pending[ack.EnvelopeID]
	switch {
	case p == nil:
		s.stats.UnknownAcks++
	case !slices.Contains(p.conns, c):
		s.stats.MisplacedAcks++
	case p.lost:
	default:
		s.stats.Acked++
		delete(s.pending, ack.EnvelopeID)
		p.ack <- ack.Payload // capacity 1 and sent once
	}
}

// SocketStats counts connections, envelopes and acknowledgements.
func (w *Workspace) SocketStats() Stats {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.sockets.stats
	s.Open = len(w.sockets.conns)
	return s
}

// CutConnections ends every connection without warning and returns how many there were.
func (w *Workspace) CutConnections() int {
	w.mu.Lock()
	conns := w.sockets.open()
	w.mu.Unlock()
	for _, c := range conns {
		c.cut()
	}
	return len(conns)
}

// WarnConnections tells every connection that it will be closed, and closes them after the grace (0 means Slack's ten seconds).
// Until then they are still given envelopes, as Slack does.
func (w *Workspace) WarnConnections(grace time.Duration) int {
	if grace == 0 {
		grace = warningGrace
	}
	return w.sayGoodbye("warning", grace)
}

// RefreshConnections asks every connection to reconnect (disconnect: refresh_requested) and closes it at once.
func (w *Workspace) RefreshConnections() int { return w.sayGoodbye("refresh_requested", 0) }

// DisableLink tells every connection that Socket Mode was switched off, and closes them.
func (w *Workspace) DisableLink() int { return w.sayGoodbye(string(FaultLinkDisabled), 0) }

func (w *Workspace) sayGoodbye(reason string, grace time.Duration) int {
	w.mu.Lock()
	conns := w.sockets.open()
	for _, c := range conns {
		c.send(goodbye(reason))
	}
	w.mu.Unlock()
	for _, c := range conns {
		w.endAfter(c, grace)
	}
	return len(conns)
}

// endAfter closes a connection properly once the queued frames are out and the grace is over.
func (w *Workspace) endAfter(c *conn, grace time.Duration) {
	w.spawn(func() {
		select {
		case <-time.After(grace):
		case <-c.done:
		case <-w.ctx.Done():
		}
		c.send(nil) // writeLoop ends after an empty frame, which is behind everything queued
	})
}
