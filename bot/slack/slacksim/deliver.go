package slacksim

import (
	"context"
	"encoding/json"
	"slices"
	"time"
)

// envelope is one thing to tell the app, over a socket or HTTP.
type envelope struct {
	id, kind string // kind: slash_commands, interactive, events_api
	payload  Object
	accepts  bool // an acknowledgement may carry a payload
	attempt  int
	reason   string
}

// names are what a fault can match: the envelope's kind, the payload's type, the event's type.
func (e envelope) names() []string {
	names := []string{e.kind}
	if s, _ := e.payload["type"].(string); s != "" {
		names = append(names, s)
	}
	if ev, ok := e.payload["event"].(Object); ok {
		s, _ := ev["type"].(string)
		names = append(names, s)
	}
	if s, _ := e.payload["command"].(string); s != "" {
		names = append(names, s)
	}
	return names
}

func (e envelope) wire() []byte {
	o := Object{"envelope_id": e.id, "type": e.kind, "payload": e.payload, "accepts_response_payload": e.accepts}
	if e.kind == "events_api" {
		o["retry_attempt"], o["retry_reason"] = e.attempt, e.reason
	}
	return encode(o)
}

// Delivery is what became of one act.
type Delivery struct {
	EnvelopeID string
	TriggerID  string
	// Local is set when nothing was to be sent: a value picked in a form that does not report changes.
	Local bool
	// Acked is set when the app acknowledged in time. AckPayload is what came with it, nil for an empty acknowledgement.
	Acked      bool
	AckPayload json.RawMessage
	// Errors are the messages the app put under fields of a submitted form (response_action errors).
	Errors map[string]string
	// TS names the message an act made (Post).
	TS string
	// Err is nil when the act was carried out. See the Err values of this package.
	Err error
}

// deliver sends an interactive payload or a command once (Slack never retries these) and waits for the acknowledgement.
func (w *Workspace) deliver(ctx context.Context, e envelope) (json.RawMessage, error) {
	if w.cfg.RequestURL != "" {
		return w.post(ctx, e)
	}
	w.mu.Lock()
	p := w.dispatch(e)
	w.mu.Unlock()
	return w.await(ctx, e.id, p)
}

func (w *Workspace) await(ctx context.Context, id string, p *pending) (json.RawMessage, error) {
	if p == nil {
		return nil, ErrDispatchFailed
	}
	timer := time.NewTimer(w.cfg.AckTimeout)
	defer timer.Stop()
	defer func() {
		w.mu.Lock()
		delete(w.sockets.pending, id)
		w.mu.Unlock()
	}()
	select {
	case payload := <-p.ack:
		return payload, nil
	case <-timer.C:
		return nil, ErrOperationTimeout
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-w.ctx.Done():
		return nil, errClosed
	}
}

// dispatch gives an envelope to any one connection, through whatever fault applies. It answers nil when there is none to give it
// to. The lock is held.
func (w *Workspace) dispatch(e envelope) *pending {
	s := &w.sockets
	if len(s.conns)+s.ghosts == 0 {
		return nil
	}
	p := &pending{ack: make(chan json.RawMessage, 1)}
	s.pending[e.id] = p
	pick := w.rng.IntN(len(s.conns) + s.ghosts)
	if pick >= len(s.conns) {
		return p // a ghost took it
	}
	c := s.conns[pick]
	fault := w.envelopeFault(e)
	if fault == nil {
		w.write(p, c, e)
		w.overtake()
		return p
	}
	w.recordLocked(Record{Kind: "socket", From: "slack", Name: e.kind, Request: string(e.wire()), Fault: string(fault.Kind)})
	switch fault.Kind {
	case FaultDrop:
	case FaultDuplicate:
		w.write(p, c, e)
		w.write(p, s.conns[(pick+1)%len(s.conns)], e)
	case FaultReorder:
		w.hold(p, c, e)
	case FaultDelay:
		w.later(fault.delay(), func() { w.write(p, c, e) })
	case FaultLoseAck:
		p.lost = true
		w.write(p, c, e)
	case FaultCutBefore:
		c.cut()
	case FaultCutAfter:
		p.lost = true // whether the answer was still under way is a matter of microseconds: decide it
		w.write(p, c, e)
		c.hangUp()
	case FaultWarn:
		c.send(goodbye("warning"))
		w.write(p, c, e)
		w.endAfter(c, orDuration(fault.delay(), warningGrace))
	}
	return p
}

func orDuration(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

// write puts an envelope on a connection. The lock is held, so that envelopes leave in the order they were made.
func (w *Workspace) write(p *pending, c *conn, e envelope) {
	data := e.wire()
	p.conns = append(p.conns, c)
	w.sockets.stats.Delivered++
	w.recordLocked(Record{Kind: "socket", From: "slack", Name: e.kind, Request: string(data)})
	c.send(data)
}

// hold keeps an envelope until the next one has been written, or a short while.
func (w *Workspace) hold(p *pending, c *conn, e envelope) {
	sent := false
	release := func() {
		if !sent {
			sent = true
			w.write(p, c, e)
		}
	}
	w.sockets.held = append(w.sockets.held, release)
	w.later(reorderHold, release)
}

func (w *Workspace) overtake() {
	held := w.sockets.held
	w.sockets.held = nil
	for _, release := range held {
		release()
	}
}

// later runs f with the lock held after d of real time, unless the workspace closes first.
func (w *Workspace) later(d time.Duration, f func()) {
	w.spawn(func() {
		select {
		case <-time.After(d):
			w.mu.Lock()
			defer w.mu.Unlock()
			f()
		case <-w.ctx.Done():
		}
	})
}

// emit sends an event to the app, and again up to three times when it is not acknowledged. The first copy leaves before emit
// returns, so that events keep their order. The lock is held.
func (w *Workspace) emit(kind string, ev Object) {
	if !w.subscribed(kind) || w.revoked || w.sockets.stats.PendingEvents >= maxPendingEvents {
		return
	}
	e := envelope{id: w.freshUUID(), kind: "events_api", payload: w.eventCallback(ev)}
	var first *pending
	if w.cfg.RequestURL == "" {
		first = w.dispatch(e)
	}
	w.sockets.stats.PendingEvents++
	w.spawn(func() { w.seeThrough(e, first) })
}

// seeThrough waits for an event's acknowledgement and retries it.
func (w *Workspace) seeThrough(e envelope, p *pending) {
	defer func() {
		w.mu.Lock()
		w.sockets.stats.PendingEvents--
		w.wake()
		w.mu.Unlock()
	}()
	var err error
	if w.cfg.RequestURL == "" {
		_, err = w.await(w.ctx, e.id, p)
	} else {
		_, err = w.post(w.ctx, e)
	}
	for _, wait := range w.cfg.EventRetries {
		if err == nil || isFinal(err) {
			return
		}
		select {
		case <-time.After(wait):
		case <-w.ctx.Done():
			return
		}
		e.attempt++
		e.reason = retryReason(err)
		_, err = w.deliver(w.ctx, e)
	}
	if err != nil && w.ctx.Err() == nil {
		w.mu.Lock()
		w.sockets.stats.AbandonedEvent++
		w.wake()
		w.mu.Unlock()
	}
}

func (w *Workspace) subscribed(kind string) bool {
	list := w.cfg.App.Events
	return len(list) == 0 || slices.Contains(list, kind)
}
