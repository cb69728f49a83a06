package slacksim

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// FaultKind says how Slack misbehaves.
type FaultKind string

// Faults of envelopes on their way to the app.
const (
	FaultDrop      FaultKind = "drop"       // never delivered; the person sees a time-out
	FaultDuplicate FaultKind = "duplicate"  // delivered twice, on two connections where there are two
	FaultReorder   FaultKind = "reorder"    // waits until another envelope has overtaken it
	FaultDelay     FaultKind = "delay"      // delivered after Delay
	FaultLoseAck   FaultKind = "lose_ack"   // delivered, the acknowledgement is lost
	FaultCutBefore FaultKind = "cut_before" // the connection dies without warning, the envelope with it
	FaultCutAfter  FaultKind = "cut_after"  // delivered, then the connection dies without warning, the acknowledgement with it
	FaultWarn      FaultKind = "warn"       // a disconnect warning first, then the envelope on the same connection
)

// Faults of connecting.
const (
	FaultRefuseSocket FaultKind = "refuse_socket"       // the WebSocket handshake gets Status (default 500)
	FaultTooMany      FaultKind = "too_many_websockets" // accepted, told so, closed
	FaultLinkDisabled FaultKind = "link_disabled"       // Socket Mode was switched off
)

// Faults of Web API calls and response_urls ("response_url" in Match). With After the effect has happened before the fault shows.
const (
	FaultRateLimit FaultKind = "rate_limit"  // 429 with Retry-After
	FaultHTTP      FaultKind = "http_status" // Status (default 500) and Body (default an HTML page)
	FaultError     FaultKind = "error"       // ok:false with Code (default fatal_error)
	FaultSlow      FaultKind = "slow"        // Delay before the call is done
	FaultSlowBody  FaultKind = "slow_body"   // the answer trickles for Delay
	FaultCutBody   FaultKind = "cut_body"    // the connection dies in the middle of the answer
	FaultHang      FaultKind = "hang"        // no answer until the client gives up
)

// Fault is one scripted misbehaviour. It waits for something it matches, lets Skip of those pass, then strikes Count times.
type Fault struct {
	Kind FaultKind `json:"kind"`
	// Match narrows it: a Web API method ("chat.postMessage", "chat.*"), "response_url", or an envelope's type or its payload's
	// type ("interactive", "view_submission", "app_home_opened"). Empty matches all.
	Match      string        `json:"match,omitempty"`
	Skip       int           `json:"skip,omitempty"`
	Count      int           `json:"count,omitempty"` // default 1; negative is for ever
	Delay      time.Duration `json:"-"`
	DelayMS    int           `json:"delay_ms,omitempty"` // the same for JSON
	Status     int           `json:"status,omitempty"`
	Code       string        `json:"code,omitempty"`
	Body       string        `json:"body,omitempty"`
	RetryAfter int           `json:"retry_after,omitempty"` // seconds; default 1
	After      bool          `json:"after,omitempty"`
}

// Chaos makes envelopes misbehave at random, repeatable by the workspace's seed. The numbers are probabilities.
type Chaos struct {
	Drop      float64       `json:"drop"`
	Duplicate float64       `json:"duplicate"`
	Reorder   float64       `json:"reorder"`
	Delay     float64       `json:"delay"`
	MaxDelay  time.Duration `json:"max_delay"`
}

type faultBook struct {
	list  []*Fault
	chaos Chaos
}

// Inject adds a fault. Faults are tried in the order they were injected. More than maxHeldFaults push out the oldest.
func (w *Workspace) Inject(f Fault) {
	if f.Count == 0 {
		f.Count = 1
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults.list = append(w.faults.list, &f)
	if len(w.faults.list) > maxHeldFaults {
		w.faults.list = w.faults.list[1:]
	}
}

// Faults lists what has not struck yet.
func (w *Workspace) Faults() []Fault {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := []Fault{}
	for _, f := range w.faults.list {
		out = append(out, *f)
	}
	return out
}

// ClearFaults makes Slack behave again: no faults, no chaos, no ghosts.
func (w *Workspace) ClearFaults() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults, w.sockets.ghosts = faultBook{}, 0
}

// SetChaos switches random misbehaviour of envelopes on, or off with the zero value.
func (w *Workspace) SetChaos(c Chaos) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults.chaos = c
}

// SetGhosts registers n half-open connections: Slack counts them and sends a share of the envelopes to them, where they vanish.
func (w *Workspace) SetGhosts(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sockets.ghosts = max(0, n)
}

func (f *Fault) delay() time.Duration {
	if f.Delay == 0 {
		return time.Duration(f.DelayMS) * time.Millisecond
	}
	return f.Delay
}

func (f *Fault) matches(names ...string) bool {
	prefix, wild := strings.CutSuffix(f.Match, "*")
	return slices.ContainsFunc(names, func(n string) bool {
		return f.Match == "" || n == f.Match || (wild && strings.HasPrefix(n, prefix))
	})
}

func (f *Fault) isAPI() bool {
	switch f.Kind {
	case FaultRateLimit, FaultHTTP, FaultError, FaultSlow, FaultSlowBody, FaultCutBody, FaultHang:
		return true
	}
	return false
}

func (f *Fault) isConnect() bool {
	return f.Kind == FaultRefuseSocket || f.Kind == FaultTooMany || f.Kind == FaultLinkDisabled
}

// answersAPI reports whether the fault replaces the answer; the others only change how it travels.
func (f *Fault) answersAPI() bool { return f.Kind != FaultSlow && f.Kind != FaultSlowBody }

// take finds the first fault that applies and counts it down.
func (b *faultBook) take(applies func(*Fault) bool) *Fault {
	for i, f := range b.list {
		if !applies(f) {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		if f.Count > 0 {
			f.Count--
			if f.Count == 0 {
				b.list = slices.Delete(b.list, i, i+1)
			}
		}
		struck := *f
		return &struck
	}
	return nil
}

func (w *Workspace) takeFault(applies func(*Fault) bool) *Fault {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.faults.take(applies)
}

// envelopeFault is the scripted or random fault for one envelope, nil for none. The lock is held.
func (w *Workspace) envelopeFault(e envelope) *Fault {
	f := w.faults.take(func(f *Fault) bool { return !f.isAPI() && !f.isConnect() && f.matches(e.names()...) })
	if f != nil {
		return f
	}
	c := w.faults.chaos
	if c == (Chaos{}) {
		return nil
	}
	roll := w.rng.Float64()
	for _, choice := range []struct {
		p    float64
		kind FaultKind
	}{{c.Drop, FaultDrop}, {c.Duplicate, FaultDuplicate}, {c.Reorder, FaultReorder}, {c.Delay, FaultDelay}} {
		if roll < choice.p {
			return &Fault{Kind: choice.kind, Delay: time.Duration(w.rng.Float64() * float64(c.MaxDelay))}
		}
		roll -= choice.p
	}
	return nil
}

// answerFault writes the misbehaving answer. real is what the call truly answered, nil when it was not done.
func (w *Workspace) answerFault(rw http.ResponseWriter, r *http.Request, c *call, f *Fault, real Object) {
	status, body := http.StatusOK, ""
	header := rw.Header()
	header.Set("Content-Type", "application/json; charset=utf-8")
	switch f.Kind {
	case FaultRateLimit:
		status, body = http.StatusTooManyRequests, `{"ok":false,"error":"ratelimited"}`
		header.Set("Retry-After", strconv.Itoa(max(1, f.RetryAfter)))
	case FaultError:
		body = string(encode(fail(orString(f.Code, "fatal_error"))))
	case FaultCutBody:
		w.recordFault(c, f, "")
		cutBody(rw, encode(real))
		return
	case FaultHang:
		w.recordFault(c, f, "")
		select {
		case <-r.Context().Done():
		case <-w.ctx.Done():
		}
		return
	default:
		status, body = http.StatusInternalServerError, "<!DOCTYPE html><html><body><h1>Something went wrong</h1></body></html>"
		if f.Status != 0 {
			status = f.Status
		}
		body = orString(f.Body, body)
		header.Set("Content-Type", "text/html; charset=utf-8")
	}
	w.pause(r.Context(), f.delay())
	w.recordFault(c, f, body)
	rw.WriteHeader(status)
	_, _ = rw.Write([]byte(body)) // the client is gone: nobody to tell
}

func (w *Workspace) recordFault(c *call, f *Fault, body string) {
	w.record(Record{
		Kind: "api", From: "app", Name: c.method, Request: redactArgs(c.args), Response: body, Fault: string(f.Kind),
	})
}

// cutBody promises more than it sends and ends the connection.
func cutBody(rw http.ResponseWriter, data []byte) {
	rw.Header().Set("Content-Length", strconv.Itoa(len(data)+64))
	_, _ = rw.Write(data[:len(data)/2]) // cutting short is the purpose
	panic(http.ErrAbortHandler)         // net/http's own way to end a connection in the middle of an answer
}

// slowly sends the answer in pieces over d.
func slowly(ctx context.Context, rw http.ResponseWriter, data []byte, d time.Duration) {
	rw.Header().Set("Content-Type", "application/json; charset=utf-8")
	const pieces = 8
	for part := range slices.Chunk(data, len(data)/pieces+1) {
		if _, err := rw.Write(part); err != nil {
			return
		}
		if f, ok := rw.(http.Flusher); ok {
			f.Flush()
		}
		select {
		case <-time.After(d / pieces):
		case <-ctx.Done():
			return
		}
	}
}

// pause waits in real time, less when the request or the workspace ends.
func (w *Workspace) pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-ctx.Done():
	case <-w.ctx.Done():
	}
}
