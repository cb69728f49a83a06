package slack

import (
	"context"
	"encoding/json"
	"time"
)

// frame reads one text frame in the connection's reader. It must not wait: everything slow happens behind Intake.offer.
func (t *Transport) frame(handlers context.Context, c *conn, data []byte, at time.Time) {
	n, err := parse(data, maxFrame)
	r := &reader{}
	typ, id := r.text(n, "type", maxID), r.text(n, "envelope_id", maxID)
	if err != nil || r.err != nil {
		t.unreadable(c, data)
		return
	}
	switch typ {
	case "hello":
		t.greeting(c, r, n)
	case "disconnect":
		t.asked(c, r.text(n, "reason", maxID))
	case "slash_commands":
		t.envelope(handlers, c, classCommand, id, r, n, at)
	case "interactive":
		t.envelope(handlers, c, classInteractive, id, r, n, at)
	case "events_api":
		t.envelope(handlers, c, classEvent, id, r, n, at)
	default:
		t.count.unknown.Add(1)
		t.log.Info("an envelope of an unknown type was acknowledged and ignored", "type", clip(typ))
		if id != "" {
			_ = c.ack(id, nil)
		}
	}
}

// unreadable handles a frame that is no JSON or has a key twice: it is counted and never acted on. Its id is taken leniently and
// acknowledged, because Slack would send an event of this shape again and again.
func (t *Transport) unreadable(c *conn, data []byte) {
	t.count.bad.Add(1)
	t.log.Error("a frame from Slack was refused because it cannot be trusted")
	var e struct {
		ID string `json:"envelope_id"`
	}
	if json.Unmarshal(data, &e) == nil && e.ID != "" && len(e.ID) <= maxID {
		_ = c.ack(e.ID, nil)
	}
}

// greeting checks that the connection belongs to our app and compares Slack's count of connections with ours.
func (t *Transport) greeting(c *conn, r *reader, n *node) {
	app := r.text(r.object(n, "connection_info"), "app_id", maxID)
	if want := t.opt.Intake.opt.Installation.AppID; app != "" && app != want {
		app = clip(app)
		t.log.Error("the app token belongs to another app than the bot token", "got", app, "want", want)
		c.wrongApp.Store(&app)
		c.retire()
		return
	}
	got, expected := int(r.number(n, "num_connections")), t.held()
	t.count.reported.Store(int64(got))
	t.count.expected.Store(int64(expected))
	if got > expected {
		t.count.ghosts.Add(1)
		t.log.Warn("Slack counts more connections than are held; clicks may go to the others", "expected", expected, "got", got)
		if t.opt.OnGhost != nil {
			t.opt.OnGhost(expected, got)
		}
	}
	c.greet()
}

// held counts the connections Slack may know of: every one that is open or just being opened, greeted or not, replaced or not.
func (t *Transport) held() int {
	opening := int(t.dialing.Load()) // read first: what moves over in between is counted twice rather than not at all
	t.mu.Lock()
	defer t.mu.Unlock()
	return opening + len(t.conns)
}

// asked handles Slack's wish to end a connection. A warning or a refresh starts a replacement while this one goes on being read; any
// other reason is a refusal that calls for patience.
func (t *Transport) asked(c *conn, reason string) {
	switch reason {
	case "warning", "refresh_requested":
		t.count.refreshes.Add(1)
	default:
		c.refusal.CompareAndSwap(nil, &reason)
	}
	c.retire()
}

func (t *Transport) envelope(handlers context.Context, c *conn, class, id string, r *reader, n *node, at time.Time) {
	payload := r.object(n, "payload")
	retry := r.number(n, "retry_attempt")
	accepts := r.get(n, "accepts_response_payload")
	if r.err != nil || id == "" || payload == nil {
		t.count.bad.Add(1)
		t.log.Error("an envelope without id or payload was refused", "class", class)
		if id != "" {
			_ = c.ack(id, nil)
		}
		return
	}
	t.opt.Intake.offer(handlers, delivery{
		transport: "socket", class: class, key: join("envelope", id), payload: payload, retry: int(retry), received: at,
		mute: accepts != nil && accepts.kind == 'f',
		answer: func(a answer) error {
			if !a.ack {
				return nil
			}
			return c.ack(id, a.payload)
		},
	})
}
