package web

import (
	"net/http"

	"github.com/countersign-bot/countersign/workflows"
)

// The page of one request whose risk wants more than a click of whoever approves it. Its card in the chat leads here. A login at the identity
// provider or a printed code opens it for five minutes (R105); the desk decides by the same rules as everywhere.

const decidePath = "/decide/"

// DecideURL is the page on which a request can be decided after proving who one is.
func (s *Server) DecideURL(id workflows.RequestID) string { return s.c.Base + decidePath + string(id) }

// EmergencyURL is the address of the pages for emergencies.
func (s *Server) EmergencyURL() string { return s.c.Base + "/emergency" }

// decider is a session about this request in which somebody has proved who they are, minutes ago; the page that asks for it has been shown
// when it gives false. Who has not proved it learns nothing of the request, not even whether there is one.
func (s *Server) decider(w http.ResponseWriter, r *http.Request) (session, bool) {
	id, name, x := s.sessionID(r), r.PathValue("id"), session{}
	if len(name) > maxName {
		s.sorry(w, http.StatusNotFound, "There is no such page.", "Open it from the card of the request.")
		return x, false
	}
	known := s.sessions.with(id, func(y *session) { x = *y }) && x.request == name
	if known && x.proof != nil && s.c.Now().Sub(x.proof.at) <= provenLife {
		return x, true
	}
	if !known || x.proof != nil {
		id = s.sessions.begin(session{request: name})
		s.setCookie(w, id)
		s.sessions.with(id, func(y *session) { x = *y })
	}
	s.show(w, http.StatusOK, "decide", page{Title: "Decide a request", Token: x.token, Link: name, Login: s.c.Provider != nil, Codes: s.c.Codes != nil})
	return x, false
}

func (s *Server) decidePage(w http.ResponseWriter, r *http.Request) {
	if x, ok := s.decider(w, r); ok {
		s.showRequest(w, r, x)
	}
}

func (s *Server) decide(w http.ResponseWriter, r *http.Request) {
	if x, ok := s.decider(w, r); ok {
		s.castVote(w, r, x)
	}
}

// waiting finds the session of a POST that is about a request and has yet to be proved; the page has been told otherwise when it gives false.
func (s *Server) waiting(w http.ResponseWriter, r *http.Request) (string, bool) {
	id, x := s.sessionID(r), session{}
	if !s.sessions.with(id, func(y *session) { x = *y }) || x.request != r.PathValue("id") || x.proof != nil {
		s.sorry(w, http.StatusForbidden, "This page is too old.", "Open it anew, from the card of the request.")
		return "", false
	}
	return id, true
}

func (s *Server) decideLogin(w http.ResponseWriter, r *http.Request) {
	if id, ok := s.waiting(w, r); ok {
		s.toProvider(w, r, id, "Use a printed code, or decide on the bot's host: countersign approve.")
	}
}

func (s *Server) decideCode(w http.ResponseWriter, r *http.Request) {
	if s.c.Codes == nil {
		http.NotFound(w, r)
		return
	}
	if _, ok := s.waiting(w, r); ok {
		s.signInWithCode(w, r, decidePath+r.PathValue("id"))
	}
}
