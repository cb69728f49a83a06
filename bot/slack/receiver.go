package slack

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"
)

// ReceiverOptions configure HTTP mode. Intake and Verifier are required.
type ReceiverOptions struct {
	Intake   *Intake
	Verifier *Verifier
	Log      *slog.Logger
}

// Receiver receives interactions over HTTP: an http.Handler for the paths of Routes. The server around it sets ReadHeaderTimeout.
type Receiver struct {
	opt   ReceiverOptions
	mux   *http.ServeMux
	count receiverCounters
}

// ReceiverStats count HTTP requests; counts only grow since the start.
type ReceiverStats struct {
	Requests, Unverified, TooLarge, BadRequests, Probes uint64
	Intake                                              IntakeStats
}

type receiverCounters struct{ requests, unverified, tooLarge, bad, probes atomic.Uint64 }

// Routes are the paths of HTTP mode, in the order of the app's manifest: commands, interactivity, events; the last takes all three, for
// apps that are set up with one address.
func Routes() []string {
	return []string{"/slack/commands", "/slack/interactions", "/slack/events", "/slack"}
}

// NewReceiver checks the options.
func NewReceiver(opt ReceiverOptions) (*Receiver, error) {
	if opt.Intake == nil || opt.Verifier == nil {
		return nil, errors.New("making a Slack receiver: an intake and a verifier are needed")
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	r := &Receiver{opt: opt, mux: http.NewServeMux()}
	readers := []func(http.Header, []byte) (request, error){readForm, readForm, readEvents, readAny}
	classes := []string{classCommand, classInteractive, classEvent, classAny}
	for i, path := range Routes() {
		r.mux.Handle(path, r.route(classes[i], readers[i]))
	}
	return r, nil
}

// ServeHTTP implements http.Handler.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) { r.mux.ServeHTTP(w, req) }

// Stats is a snapshot.
func (r *Receiver) Stats() ReceiverStats {
	return ReceiverStats{
		Requests: r.count.requests.Load(), Unverified: r.count.unverified.Load(), TooLarge: r.count.tooLarge.Load(),
		BadRequests: r.count.bad.Load(), Probes: r.count.probes.Load(), Intake: r.opt.Intake.Stats(),
	}
}

// request is what one verified body says.
type request struct {
	class   string
	payload []byte
	probe   bool   // ssl_check: Slack looks whether we are there
	reply   []byte // url_verification: answered at once
}

const classAny = "any"

var errBadRequest = errors.New("reading a Slack request: its body has another shape than the path needs")

func (r *Receiver) route(class string, read func(http.Header, []byte) (request, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.count.requests.Add(1)
		if req.Method == http.MethodGet && req.URL.Query().Get("ssl_check") == "1" {
			r.count.probes.Add(1) // a certificate check carries nothing and gets nothing
			return
		}
		if req.Method != http.MethodPost {
			r.count.unverified.Add(1)
			http.Error(w, "unauthorized", http.StatusUnauthorized)
			return
		}
		body, ok := r.body(w, req)
		if !ok {
			return
		}
		mac, err := r.opt.Verifier.Verify(req.Header, body)
		if err != nil {
			r.count.unverified.Add(1)
			http.Error(w, "unauthorized", http.StatusUnauthorized)
			return
		}
		parsed, err := read(req.Header, body)
		if err != nil || class != classAny && parsed.class != class && !parsed.probe {
			r.bad(w)
			return
		}
		r.serve(w, req, parsed, "mac:"+hex.EncodeToString(mac[:]))
	})
}

// body reads the raw body, which the signature covers, before anything parses it.
func (r *Receiver) body(w http.ResponseWriter, req *http.Request) ([]byte, bool) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyWait)) // not every writer has one; MaxBytesReader still bounds it
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxBody))
	if err == nil {
		return body, true
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		r.count.tooLarge.Add(1)
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
	} else {
		r.bad(w)
	}
	return nil, false
}

func (r *Receiver) bad(w http.ResponseWriter) {
	r.count.bad.Add(1)
	http.Error(w, "bad request", http.StatusBadRequest)
}

// serve hands a verified request to the intake and writes what it answers.
func (r *Receiver) serve(w http.ResponseWriter, req *http.Request, parsed request, key string) {
	switch {
	case parsed.probe:
		r.count.probes.Add(1)
		return
	case parsed.reply != nil:
		writeJSON(w, parsed.reply)
		return
	}
	n, err := parse(parsed.payload, maxBody)
	if err != nil {
		r.bad(w)
		return
	}
	retry, _ := strconv.Atoi(req.Header.Get("X-Slack-Retry-Num")) // a hint; nothing rests on it
	answers := make(chan answer, 1)
	r.opt.Intake.offer(context.WithoutCancel(req.Context()), delivery{
		transport: "http", class: parsed.class, key: key, payload: n, retry: max(retry, 0), received: time.Now(),
		answer: func(a answer) error {
			answers <- a
			return req.Context().Err()
		},
	})
	switch a := <-answers; {
	case !a.ack:
		http.Error(w, "not recorded", http.StatusServiceUnavailable)
	case a.payload != nil:
		writeJSON(w, a.payload)
	}
}

func writeJSON(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = w.Write(body)
}

// readForm reads slash commands and interactions, which come as forms. Only the body counts: slack-go < 0.35 also took payload from the
// query, so that a signed request could be replayed with another payload.
func readForm(h http.Header, body []byte) (request, error) {
	if !is(h, "application/x-www-form-urlencoded") {
		return request{}, errBadRequest
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return request{}, errBadRequest
	}
	flat := make(map[string]string, len(form))
	for k, v := range form {
		if len(v) != 1 {
			return request{}, errBadRequest
		}
		flat[k] = v[0]
	}
	if flat["ssl_check"] == "1" {
		return request{probe: true}, nil
	}
	payload, interactive := flat["payload"]
	_, command := flat["command"]
	switch {
	case interactive && command:
		return request{}, errBadRequest
	case interactive:
		return request{class: classInteractive, payload: []byte(payload)}, nil
	case command:
		raw, err := json.Marshal(flat)
		return request{class: classCommand, payload: raw}, err
	}
	return request{}, errBadRequest
}

func readEvents(h http.Header, body []byte) (request, error) {
	if !is(h, "application/json") {
		return request{}, errBadRequest
	}
	n, err := parse(body, maxBody)
	if err != nil {
		return request{}, errBadRequest
	}
	r := &reader{}
	if r.text(n, "type", maxID) == "url_verification" {
		reply, err := json.Marshal(map[string]string{"challenge": r.text(n, "challenge", maxToken)})
		if err != nil || r.err != nil {
			return request{}, errBadRequest
		}
		return request{class: classEvent, reply: reply}, nil
	}
	return request{class: classEvent, payload: body}, nil
}

func readAny(h http.Header, body []byte) (request, error) {
	if is(h, "application/json") {
		return readEvents(h, body)
	}
	return readForm(h, body)
}

func is(h http.Header, want string) bool {
	got, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && got == want
}
