package api

import (
	"context"
	"crypto/sha256"
	_ "embed" // the OpenAPI document
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

//go:embed openapi.json
var openAPI []byte

func (s *Server) routes() map[string]http.Handler {
	return map[string]http.Handler{
		"GET /v1/openapi.json":           http.HandlerFunc(describe),
		"POST /v1/session":               http.HandlerFunc(s.begin),
		"DELETE /v1/session":             s.known(s.leave),
		"GET /v1/me":                     s.known(s.me),
		"GET /v1/requests":               s.known(s.list),
		"POST /v1/requests":              s.known(s.ask),
		"GET /v1/requests/{id}":          s.known(s.look),
		"POST /v1/requests/{id}/secret":  s.known(s.secret),
		"POST /v1/requests/{id}/release": s.known(s.end),
		"POST /v1/revoke-all":            s.known(s.kill),
		"/v1/":                           http.HandlerFunc(nowhere),
		"/mcp":                           s.mcp(),
	}
}

func describe(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(openAPI)
}

func nowhere(w http.ResponseWriter, _ *http.Request) {
	say(w, problem{Status: http.StatusNotFound, Code: "not_found", Title: "There is nothing here.", Detail: "GET /v1/openapi.json describes what there is."})
}

// problem is an error as RFC 9457 writes it.
type problem struct {
	Type   string           `json:"type"`
	Title  string           `json:"title"`
	Status int              `json:"status"`
	Detail string           `json:"detail,omitempty"`
	Code   string           `json:"code"`
	Claim  string           `json:"claim,omitempty"`  // of a token that was not taken
	Fields []problemOfField `json:"fields,omitempty"` // of a form
}

type problemOfField struct {
	Field string `json:"field"`
	Text  string `json:"text"`
}

func say(w http.ResponseWriter, p problem) {
	p.Type = "about:blank"
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func (s *Server) broken(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // nobody waits for it
	}
	s.c.Log.ErrorContext(r.Context(), "a call of the API failed", "path", r.Pattern, "err", err)
	say(w, problem{Status: http.StatusServiceUnavailable, Code: "unavailable", Title: "This could not be done now.", Detail: "Nothing was decided. Try again in a moment; the operator's log says more."})
}

func refuse(w http.ResponseWriter, no *workflows.Refusal, fields []workflows.FieldProblem) {
	p := problem{Status: http.StatusForbidden, Code: no.Code, Title: "Refused.", Detail: no.Error()}
	if len(fields) > 0 {
		p.Status = http.StatusUnprocessableEntity
	}
	for _, f := range fields {
		p.Fields = append(p.Fields, problemOfField{f.Field, f.Text})
	}
	say(w, p)
}

// read decodes a body strictly. False: it was answered.
func read(w http.ResponseWriter, r *http.Request, v any) bool {
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	err := dec.Decode(v)
	if err == nil && dec.Decode(&struct{}{}) != io.EOF {
		err = errors.New("more than one value")
	}
	var large *http.MaxBytesError
	switch {
	case err == nil:
		return true
	case errors.As(err, &large):
		say(w, problem{Status: http.StatusRequestEntityTooLarge, Code: "too_large", Title: "The body is too large."})
	default:
		say(w, problem{Status: http.StatusBadRequest, Code: "bad_body", Title: "The body cannot be read.", Detail: err.Error()})
	}
	return false
}

func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

func remote(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// begin exchanges a token for a session.
func (s *Server) begin(w http.ResponseWriter, r *http.Request) {
	if !s.addresses.allow(remote(r)) {
		slowDown(w)
		return
	}
	x, secret, no, err := s.session(r)
	var bad *TokenError
	switch {
	case errors.As(err, &bad):
		s.c.Office.Turned(r.Context(), remote(r), err)
		say(w, problem{Status: http.StatusUnauthorized, Code: "bad_token", Title: "The token was not taken.", Detail: bad.Text, Claim: bad.Claim})
	case err != nil:
		s.broken(w, r, err)
	case no != nil:
		refuse(w, no, nil)
	default:
		answer(w, http.StatusCreated, map[string]any{"session": secret, "identity": x.Identity, "expires_at": x.Ends.UTC().Truncate(time.Second)})
	}
}

// session opens one for a token, or, where a call has none, for the client certificate that it came with.
func (s *Server) session(r *http.Request) (Session, string, *workflows.Refusal, error) {
	ctx, token := r.Context(), bearer(r)
	var p Proof
	var err error
	cert, certified := clientCert(r)
	if certified = certified && token == ""; certified {
		p, err = s.verifyCert(r, s.c.Office.Doors(), s.c.Now())
	} else {
		p, err = s.tokens.Verify(ctx, token)
	}
	if err != nil {
		return Session{}, "", nil, err
	}
	id, secret := newNames()
	x, no, err := s.c.Office.Begin(ctx, p, id)
	if err != nil || no != nil {
		return Session{}, "", no, err
	}
	x.ID, x.Identity, x.Authn, x.door, x.Ends = id, p.Identity, p.Authn, p.door, s.c.Now().Add(sessionLife)
	if certified {
		x.cert, x.chains, x.Ends = sha256.Sum256(cert.Raw), p.chains, earlier(x.Ends, p.Expires)
	}
	s.sessions.put(secret, x)
	return x, secret, nil, nil
}

func slowDown(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "60")
	say(w, problem{Status: http.StatusTooManyRequests, Code: "too_many", Title: "Too many calls this minute.", Detail: "Wait for the next minute; GET …?wait=50s waits without calling."})
}

// who finds the session of a bearer. It stands as long as the door under which it was opened is in force and open, and for the certificate that
// opened it.
func (s *Server) who(secret string, r *http.Request) (Session, bool) {
	x, ok := s.sessions.get(secret)
	if !ok || x.cert != [32]byte{} && !holds(r, x.cert) {
		return Session{}, false
	}
	for _, d := range s.c.Office.Doors() {
		if d.Identity == x.Identity && sameDoor(d, x.door) {
			return x, open(d, s.c.Now()) == nil && s.stands(r.Context(), d, x)
		}
	}
	return Session{}, false
}

// stands tells whether the certificate that opened a session was not revoked since. What cannot be told ends it: opening another says why.
func (s *Server) stands(ctx context.Context, d Door, x Session) bool {
	return len(x.chains) == 0 || s.revoked.check(ctx, d, x.chains) == nil
}

func sameDoor(a, b Door) bool {
	x, errA := json.Marshal(a)
	y, errB := json.Marshal(b)
	return errA == nil && errB == nil && string(x) == string(y)
}

// known lets callers with a session through, and not too often.
func (s *Server) known(h func(http.ResponseWriter, *http.Request, Session)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x, ok := s.who(bearer(r), r)
		if !ok {
			w.Header().Set("WWW-Authenticate", `Bearer realm="countersign"`)
			say(w, problem{Status: http.StatusUnauthorized, Code: "no_session", Title: "There is no such session.", Detail: "POST /v1/session with a fresh token of your issuer opens one."})
			return
		}
		if !s.identity.allow(string(x.Identity)) {
			slowDown(w)
			return
		}
		h(w, r, x)
	})
}

func (s *Server) leave(w http.ResponseWriter, r *http.Request, _ Session) {
	s.sessions.drop(bearer(r))
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) me(w http.ResponseWriter, r *http.Request, x Session) {
	offers, err := s.c.Office.Offers(r.Context(), x)
	if err != nil {
		s.broken(w, r, err)
		return
	}
	answer(w, http.StatusOK, map[string]any{"identity": x.Identity, "expires_at": x.Ends.UTC().Truncate(time.Second), "offers": list(offers)})
}

func (s *Server) list(w http.ResponseWriter, r *http.Request, x Session) {
	held, err := s.c.Office.Held(r.Context(), x)
	if err != nil {
		s.broken(w, r, err)
		return
	}
	answer(w, http.StatusOK, map[string]any{"requests": list(held)})
}

// list is never null in JSON.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

// idempotencyKey is what a caller names its call by, so that a repetition does nothing twice; false: it was refused.
func idempotencyKey(w http.ResponseWriter, r *http.Request) (string, bool) {
	key := r.Header.Get("Idempotency-Key")
	if len(key) > maxIdempotent {
		say(w, problem{Status: http.StatusBadRequest, Code: "bad_key", Title: "The Idempotency-Key is too long.", Detail: "It has at most 64 characters."})
		return "", false
	}
	return key, true
}

func (s *Server) ask(w http.ResponseWriter, r *http.Request, x Session) {
	key, ok := idempotencyKey(w, r)
	if !ok {
		return
	}
	var a Ask
	if !read(w, r, &a) {
		return
	}
	id, no, fields, err := s.c.Office.Ask(r.Context(), x, idempotent(x, key), a)
	switch {
	case err != nil:
		s.broken(w, r, err)
	case no != nil:
		refuse(w, no, fields)
	default:
		w.Header().Set("Location", "/v1/requests/"+id)
		s.show(w, r, x, id, http.StatusCreated)
	}
}

// idempotent makes what a client chose into a cause of this identity's own. Without one each call asks anew.
func idempotent(x Session, key string) string {
	if key == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(string(x.Identity) + "\n" + key))
	return hex.EncodeToString(sum[:16])
}

func (s *Server) show(w http.ResponseWriter, r *http.Request, x Session, id string, status int) {
	v, err := s.c.Office.Look(r.Context(), x, id)
	switch {
	case errors.Is(err, ErrUnknown):
		unknown(w)
	case err != nil:
		s.broken(w, r, err)
	default:
		answer(w, status, v)
	}
}

func unknown(w http.ResponseWriter) {
	say(w, problem{Status: http.StatusNotFound, Code: "unknown", Title: "There is no such request of yours."})
}

// look answers at once, or with ?wait=50s as soon as the request is settled, and at the latest then.
func (s *Server) look(w http.ResponseWriter, r *http.Request, x Session) {
	wait := time.Duration(0)
	if q := r.URL.Query().Get("wait"); q != "" {
		d, err := time.ParseDuration(q)
		if err != nil || d < 0 || d > maxWait {
			say(w, problem{Status: http.StatusBadRequest, Code: "bad_wait", Title: "wait is a time up to 50s."})
			return
		}
		wait = d
	}
	v, err := s.await(r.Context(), x, r.PathValue("id"), wait)
	switch {
	case errors.Is(err, ErrUnknown):
		unknown(w)
	case errors.Is(err, errCrowded):
		slowDown(w)
	case err != nil:
		s.broken(w, r, err)
	default:
		answer(w, http.StatusOK, v)
	}
}

var errCrowded = errors.New("too many are waiting")

// await looks until a request is settled, at most so long.
func (s *Server) await(ctx context.Context, x Session, id string, wait time.Duration) (Request, error) {
	v, err := s.c.Office.Look(ctx, x, id)
	if err != nil || wait == 0 || v.Settled() {
		return v, err
	}
	select {
	case s.waiting <- struct{}{}:
		defer func() { <-s.waiting }()
	default:
		return v, errCrowded
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return v, nil
		case <-tick.C:
		}
		next, err := s.c.Office.Look(ctx, x, id)
		if ctx.Err() != nil {
			return v, nil
		}
		if err != nil || next.Settled() {
			return next, err
		}
		v = next
	}
}

func (s *Server) secret(w http.ResponseWriter, r *http.Request, x Session) {
	v, no, err := s.c.Office.Secret(r.Context(), x, r.PathValue("id"))
	switch {
	case errors.Is(err, ErrUnknown):
		unknown(w)
	case err != nil:
		s.broken(w, r, err)
	case no != nil:
		refuse(w, no, nil)
	default:
		answer(w, http.StatusOK, v)
	}
}

// end gives access back, or withdraws a request that was not decided.
func (s *Server) end(w http.ResponseWriter, r *http.Request, x Session) {
	id := r.PathValue("id")
	no, err := s.c.Office.End(r.Context(), x, id, "")
	switch {
	case errors.Is(err, ErrUnknown):
		unknown(w)
	case err != nil:
		s.broken(w, r, err)
	case no != nil:
		refuse(w, no, nil)
	default:
		s.show(w, r, x, id, http.StatusOK)
	}
}
