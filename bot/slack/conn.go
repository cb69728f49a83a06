package slack

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

var (
	errConnClosed = errors.New("the connection is closed")
	errConnFull   = errors.New("the connection takes nothing more")
)

// conn is one Socket Mode connection: one goroutine reads, one writes. The reader never waits for anything but the socket.
type conn struct {
	id     int
	ws     *websocket.Conn
	opened time.Time
	out    chan outgoing
	stop   chan struct{} // closed to flush and say goodbye
	done   chan struct{} // closed when the reader has ended
	flush  chan struct{} // closed when the writer has ended

	greeted   chan struct{}          // closed by hello
	retired   chan struct{}          // closed when Slack asked for a replacement, or the connection ended
	refusal   atomic.Pointer[string] // why Slack turned the connection down
	wrongApp  atomic.Pointer[string] // the app it belongs to, when that is not ours
	lingering atomic.Bool
	closing   atomic.Bool  // goodbye was said: nothing more can be sent
	lastRead  atomic.Int64 // unix nanoseconds
	rtt       atomic.Int64

	stopOnce, greetOnce, retireOnce sync.Once
}

type outgoing struct {
	kind int
	data []byte
}

func newConn(id int, ws *websocket.Conn) *conn {
	return &conn{
		id: id, ws: ws, opened: time.Now(), out: make(chan outgoing, maxOut),
		stop: make(chan struct{}), done: make(chan struct{}), flush: make(chan struct{}),
		greeted: make(chan struct{}), retired: make(chan struct{}),
	}
}

func (c *conn) close()  { c.stopOnce.Do(func() { close(c.stop) }) }
func (c *conn) greet()  { c.greetOnce.Do(func() { close(c.greeted) }) }
func (c *conn) retire() { c.retireOnce.Do(func() { close(c.retired) }) }

// send queues a frame and returns at once: an error means that it will not go out (slack-go's Ack blocks for ever here).
func (c *conn) send(kind int, data []byte) error {
	select {
	case <-c.done:
		return errConnClosed
	case <-c.flush:
		return errConnClosed
	default:
	}
	if c.closing.Load() {
		return errConnClosed
	}
	select {
	case c.out <- outgoing{kind, data}:
		return nil
	default:
		_ = c.ws.Close() // a peer that leaves so much unread is gone
		return errConnFull
	}
}

// ack answers one envelope on the socket it came on.
func (c *conn) ack(envelope string, payload []byte) error {
	b, err := json.Marshal(struct {
		EnvelopeID string          `json:"envelope_id"`
		Payload    json.RawMessage `json:"payload,omitempty"`
	}{envelope, payload})
	if err != nil {
		return err
	}
	return c.send(websocket.TextMessage, b)
}

// read hands every text frame to take until the socket ends.
func (c *conn) read(take func(*conn, []byte, time.Time)) {
	defer c.retire()
	defer close(c.done) // before retire: whoever sees the connection retired must see whether it ended
	defer c.ws.Close()
	c.ws.SetReadLimit(maxFrame)
	c.alive()
	c.ws.SetPingHandler(func(data string) error {
		c.alive()
		_ = c.send(websocket.PongMessage, []byte(data))
		return nil
	})
	c.ws.SetPongHandler(func(data string) error {
		c.alive()
		if len(data) == 8 {
			c.rtt.Store(time.Now().UnixNano() - int64(binary.BigEndian.Uint64([]byte(data))))
		}
		return nil
	})
	for {
		kind, data, err := c.ws.ReadMessage()
		if err != nil {
			return
		}
		c.alive()
		if kind == websocket.TextMessage {
			take(c, data, time.Now())
		}
	}
}

func (c *conn) alive() {
	now := time.Now()
	c.lastRead.Store(now.UnixNano())
	_ = c.ws.SetReadDeadline(now.Add(readWait))
}

// write sends what is queued and a ping every pingEvery. Told to stop it empties the queue, says goodbye and waits a moment for the
// peer to do the same, so that its last frames are still read.
func (c *conn) write() {
	defer c.ws.Close()
	defer close(c.flush)
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case o := <-c.out:
			if c.put(o) != nil {
				return
			}
		case <-tick.C:
			if c.put(outgoing{websocket.PingMessage, binary.BigEndian.AppendUint64(nil, uint64(time.Now().UnixNano()))}) != nil {
				return
			}
		case <-c.done:
			return
		case <-c.stop:
			c.goodbye()
			return
		}
	}
}

func (c *conn) goodbye() {
	c.closing.Store(true)
	for len(c.out) > 0 {
		if c.put(<-c.out) != nil {
			return
		}
	}
	if c.put(outgoing{websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")}) != nil {
		return
	}
	timer := time.NewTimer(closeWait)
	defer timer.Stop()
	select {
	case <-c.done:
	case <-timer.C:
	}
}

func (c *conn) put(o outgoing) error {
	_ = c.ws.SetWriteDeadline(time.Now().Add(writeWait))
	if o.kind == websocket.TextMessage {
		return c.ws.WriteMessage(o.kind, o.data)
	}
	return c.ws.WriteControl(o.kind, o.data, time.Now().Add(writeWait))
}
