package web

import (
	"crypto/subtle"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

// link leads to one secret for some minutes. It is nothing that opens it.
type link struct {
	grant  workflows.GrantID
	holder workflows.PersonID
	made   time.Time
	sends  int // codes that were sent
	tries  int // codes that were typed
}

// NewLink gives the address of the page on which the holder of a grant can take its secret: for five minutes, for one view. The caller has
// made sure that the secret waits for that person; whoever opens the page proves to be them anew.
func (s *Server) NewLink(id workflows.GrantID, holder workflows.PersonID) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, l := range s.links {
		if s.dead(l) || l.grant == id || len(s.links) >= maxLinks {
			delete(s.links, name) // one link to a secret at a time
		}
	}
	name := random(16)
	s.links[name] = &link{grant: id, holder: holder, made: s.c.Now()}
	return s.c.Base + "/secret/" + name
}

func (s *Server) dead(l *link) bool {
	age := s.c.Now().Sub(l.made)
	return age > linkLife || age < 0
}

// linkOf finds a link that is alive.
func (s *Server) linkOf(name string) (link, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, ok := s.links[name]
	if !ok || s.dead(l) {
		return link{}, false
	}
	return *l, true
}

// count adds to what was done with a link, and tells whether that was still allowed.
func (s *Server) count(name string, sends, tries int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, ok := s.links[name]
	if !ok {
		return false
	}
	l.sends, l.tries = l.sends+sends, l.tries+tries
	return l.sends <= maxSends && l.tries <= maxTries
}

func (s *Server) forget(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.links, name)
}

func (s *Server) gone(w http.ResponseWriter) {
	s.sorry(w, http.StatusGone, "This link is dead.", "A link lives for five minutes and for one view. Ask for another one where you got it: /access secret in the chat, or countersign take on the bot's host.")
}

// secretPage says who may see what waits, and asks them to prove it. It shows nothing of the secret, nor for whom it is: whatever opens links
// before people do learns nothing and changes nothing.
func (s *Server) secretPage(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("link")
	if _, ok := s.linkOf(name); !ok {
		s.gone(w)
		return
	}
	id, x := s.sessionID(r), session{}
	if !s.sessions.with(id, func(y *session) { x = *y }) || x.link != name {
		id = s.sessions.begin(session{link: name})
		s.setCookie(w, id)
		s.sessions.with(id, func(y *session) { x = *y })
	}
	p := page{Title: "A secret waits for you", Token: x.token, Link: name, Login: s.c.Provider != nil, Chat: true, Sent: x.code != ""}
	if x.proof != nil {
		s.readyToReveal(w, r, name, p, *x.proof)
		return
	}
	s.show(w, http.StatusOK, "prove", p)
}

// readyToReveal is the page of who has proved who they are: what waits, and the button that shows it. Somebody else is refused here, and
// recorded.
func (s *Server) readyToReveal(w http.ResponseWriter, r *http.Request, name string, p page, who proof) {
	l, ok := s.linkOf(name)
	if !ok {
		s.gone(w)
		return
	}
	if who.by.Person != l.holder {
		s.take(w, r, name, l, who)
		return
	}
	waiting, ok, err := s.c.Secrets.Waiting(r.Context(), l.grant)
	switch {
	case err != nil:
		s.failed(w, "secret", err)
	case !ok:
		s.gone(w)
	default:
		p.Waiting, p.Until = waiting, clock(waiting.Until)
		s.show(w, http.StatusOK, "reveal", p)
	}
}

// inSession runs f on the session of a POST that is about a link; the page has been told otherwise when it gives false.
func (s *Server) inSession(w http.ResponseWriter, r *http.Request) (x session, id string, l link, ok bool) {
	id, name := s.sessionID(r), r.PathValue("link")
	l, alive := s.linkOf(name)
	if !alive || !s.sessions.with(id, func(y *session) { x = *y }) || x.link != name {
		s.gone(w)
		return x, id, l, false
	}
	return x, id, l, true
}

const codeLetters = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"

// newCode is 8 letters and digits that cannot be taken for each other: 40 bits, of which a link lets five be guessed.
func newCode() string {
	raw := random(8)
	var b strings.Builder
	for i := 0; i < 16; i += 2 {
		var n int
		_, _ = fmt.Sscanf(raw[i:i+2], "%x", &n)
		b.WriteByte(codeLetters[n%len(codeLetters)])
	}
	return b.String()
}

// sendCode sends the holder a code in the chat. Who asks for it need not be the holder; only who reads the holder's messages learns it.
func (s *Server) sendCode(w http.ResponseWriter, r *http.Request) {
	_, id, l, ok := s.inSession(w, r)
	if !ok {
		return
	}
	name := r.PathValue("link")
	if !s.count(name, 1, 0) {
		s.forget(name)
		s.gone(w)
		return
	}
	code := newCode()
	by, err := s.c.Messages.SendCode(r.Context(), l.holder, code[:4]+"-"+code[4:])
	if err != nil {
		s.c.Log.Warn("a code could not be sent", "err", err)
		s.sorry(w, http.StatusBadGateway, "The code could not be sent: the chat does not answer.", "Try again, or take the secret on the bot's host: countersign take.")
		return
	}
	s.sessions.with(id, func(x *session) { x.code, x.codeAt, x.codeFor = code, s.c.Now(), by })
	http.Redirect(w, r, "/secret/"+name, http.StatusSeeOther)
}

// proveCode compares a code with the one that was sent for this session, and for no other.
func (s *Server) proveCode(w http.ResponseWriter, r *http.Request) {
	x, id, l, ok := s.inSession(w, r)
	if !ok {
		return
	}
	name := r.PathValue("link")
	if !s.count(name, 0, 1) {
		s.forget(name)
		s.refuseCode(w, r, l)
		return
	}
	typed := strings.ToUpper(strings.Map(func(c rune) rune {
		if c == '-' || c == ' ' {
			return -1
		}
		return c
	}, strings.TrimSpace(r.PostFormValue("code"))))
	late := s.c.Now().Sub(x.codeAt) > codeLife
	if x.code == "" || late || subtle.ConstantTimeCompare([]byte(typed), []byte(x.code)) != 1 {
		s.refuseCode(w, r, l)
		return
	}
	s.setCookie(w, s.sessions.renew(id, &proof{x.codeFor, "slack-code", s.c.Now()}))
	http.Redirect(w, r, "/secret/"+name, http.StatusSeeOther)
}

// refuseCode records that somebody had a link and not the code.
func (s *Server) refuseCode(w http.ResponseWriter, r *http.Request, l link) {
	no := workflows.Refuse(workflows.CodeBadCode, "That is not the code that was sent for this page, or it is too old.", "Look at the newest message, or let another code be sent. After five tries the link dies.")
	no, err := s.c.Desk.Refuse(r.Context(), "", workflows.Acting{Actor: workflows.SystemActor}, "take secret", "web", string(l.grant), no)
	if err != nil {
		s.failed(w, "code", err)
		return
	}
	s.refused(w, no)
}

// reveal shows the secret, once, to who has proved to be its holder in this session, minutes ago.
func (s *Server) reveal(w http.ResponseWriter, r *http.Request) {
	x, id, l, ok := s.inSession(w, r)
	if !ok {
		return
	}
	if x.proof == nil || s.c.Now().Sub(x.proof.at) > provenLife {
		s.sessions.end(id)
		s.sorry(w, http.StatusForbidden, "You have not proved who you are, or it is too long ago.", "Open the link again.")
		return
	}
	s.take(w, r, r.PathValue("link"), l, *x.proof)
	s.sessions.end(id)
}

func (s *Server) take(w http.ResponseWriter, r *http.Request, name string, l link, who proof) {
	got, no, err := s.c.Secrets.Take(r.Context(), Taking{Grant: l.grant, By: who.by, Authn: who.authn, From: address(r)})
	switch {
	case err != nil:
		s.failed(w, "reveal", err)
	case no != nil:
		s.refused(w, no)
	default:
		s.forget(name)
		s.show(w, http.StatusOK, "secret", page{Title: "Your secret", Secret: got})
	}
}
