package web

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

// random gives 2·n hexadecimal digits of n random bytes.
func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the process instead
	return hex.EncodeToString(b)
}

// proof is how somebody proved who they are.
type proof struct {
	by    workflows.Acting
	authn string
	at    time.Time
}

// session is one browser. Its fields are guarded by the table's lock.
type session struct {
	token   string // what every POST of its pages carries
	made    time.Time
	used    time.Time
	link    string // the secret that it is about
	request string // the request that it is about; with link empty, too: the pages for emergencies
	code    string // that was sent in the chat for this session; empty: none
	codeAt  time.Time
	codeFor workflows.Acting
	proof   *proof
	login   *login // on its way to the identity provider
}

// sessions is the table of browsers, by the cookie's value. A restart empties it: people prove who they are again.
type sessions struct {
	now func() time.Time
	mu  sync.Mutex
	of  map[string]*session
}

// begin makes a session and gives its cookie's value.
func (t *sessions) begin(s session) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweep()
	id := random(32)
	s.token, s.made, s.used = random(32), t.now(), t.now()
	t.of[id] = &s
	return id
}

// sweep drops what is over, and the oldest when there are too many.
func (t *sessions) sweep() {
	for id, s := range t.of {
		if t.over(s) {
			delete(t.of, id)
		}
	}
	if len(t.of) < maxSessions {
		return
	}
	ids := make([]string, 0, len(t.of))
	for id := range t.of {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b string) int { return t.of[a].used.Compare(t.of[b].used) })
	for _, id := range ids[:len(ids)-maxSessions+maxSessions/10] {
		delete(t.of, id)
	}
}

func (t *sessions) over(s *session) bool {
	now := t.now()
	return now.Sub(s.made) > sessionLife || now.Sub(s.used) > idleLife || now.Before(s.made)
}

// with runs f on a session that is not over; false when there is none.
func (t *sessions) with(id string, f func(*session)) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, ok := t.of[id]
	if !ok || t.over(s) {
		delete(t.of, id)
		return false
	}
	s.used = t.now()
	f(s)
	return true
}

// renew gives the session another cookie and another token: whoever knew the old ones before somebody proved who they are knows nothing.
func (t *sessions) renew(id string, p *proof) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, ok := t.of[id]
	if !ok {
		return ""
	}
	delete(t.of, id)
	fresh := random(32)
	s.token, s.proof, s.code, s.login = random(32), p, "", nil
	t.of[fresh] = s
	return fresh
}

func (t *sessions) end(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.of, id)
}

// cookie is the name of the session's cookie. With the prefix a browser takes it from this host over TLS only, for this host only.
func (s *Server) cookie() string {
	if s.c.Insecure {
		return "countersign"
	}
	return "__Host-countersign"
}

func (s *Server) setCookie(w http.ResponseWriter, id string) {
	http.SetCookie(w, &http.Cookie{
		Name: s.cookie(), Value: id, Path: "/", HttpOnly: true, Secure: !s.c.Insecure,
		SameSite: http.SameSiteLaxMode, // Strict would lose the session on the way back from the identity provider; every POST is checked by itself
		MaxAge:   int(sessionLife / time.Second),
	})
}

// sessionID is what the browser says its session is; it may be none of ours.
func (s *Server) sessionID(r *http.Request) string {
	c, err := r.Cookie(s.cookie())
	if err != nil || len(c.Value) != 64 {
		return ""
	}
	return c.Value
}

// ours tells whether a POST comes from a page of this origin that was made for this session.
func (s *Server) ours(r *http.Request) bool {
	if r.Header.Get("Origin") != s.c.Base {
		return false
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" {
		return false
	}
	ok := false
	return s.sessions.with(s.sessionID(r), func(x *session) {
		ok = subtle.ConstantTimeCompare([]byte(x.token), []byte(r.PostFormValue("token"))) == 1
	}) && ok
}
