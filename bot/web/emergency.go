package web

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// The pages for emergencies: for when the chat is down. A one-time code out of a sheet that was printed in peacetime opens them for ten
// minutes; what is done there is done by the same desk under the same rules, and recorded with channel "web".

const (
	viaWeb      = "web"
	oneTimeCode = workflows.AuthnCode
)

// guesses counts wrong codes, so that nobody tries many.
type guesses struct {
	now func() time.Time
	mu  sync.Mutex
	at  map[string][]time.Time // by name; "" counts all
}

// wrong tells whether one more may be tried for a name; with add it is counted as wrong.
func (g *guesses) wrong(name string, add bool) (allowed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.at == nil || len(g.at) > maxSessions {
		g.at = map[string][]time.Time{"": g.at[""]}
	}
	name = strings.ToLower(strings.TrimSpace(name))
	for _, key := range []string{"", name} {
		var recent []time.Time
		for _, t := range g.at[key] {
			if g.now().Sub(t) < guessSpan {
				recent = append(recent, t)
			}
		}
		if add {
			recent = append(recent, g.now())
		}
		g.at[key] = recent
	}
	return len(g.at[name]) < maxGuesses && len(g.at[""]) < maxAnybody
}

// person is the proof of a session on these pages; the login page has been shown when it gives false.
func (s *Server) person(w http.ResponseWriter, r *http.Request) (session, bool) {
	var x session
	ok := s.sessions.with(s.sessionID(r), func(y *session) { x = *y })
	if !ok || x.link != "" || x.request != "" || x.proof == nil || s.c.Now().Sub(x.proof.at) > desertLife {
		s.signIn(w, r)
		return x, false
	}
	return x, true
}

func (s *Server) signIn(w http.ResponseWriter, r *http.Request) {
	id, x := s.sessionID(r), session{}
	if !s.sessions.with(id, func(y *session) { x = *y }) || x.link != "" || x.request != "" || x.proof != nil {
		id = s.sessions.begin(session{})
		s.setCookie(w, id)
		s.sessions.with(id, func(y *session) { x = *y })
	}
	s.show(w, http.StatusOK, "signin", page{Title: "When the chat is down", Token: x.token})
}

func (s *Server) emergencyLogin(w http.ResponseWriter, r *http.Request) {
	s.signInWithCode(w, r, "/emergency")
}

// signInWithCode uses up a printed code, and goes on to a page.
func (s *Server) signInWithCode(w http.ResponseWriter, r *http.Request, next string) {
	name, code := r.PostFormValue("name"), plainCode(r.PostFormValue("code"))
	if !s.guesses.wrong(name, false) {
		s.sorry(w, http.StatusTooManyRequests, "Too many wrong codes were typed.", "Wait a quarter of an hour, or act on the bot's host with the countersign command.")
		return
	}
	by, no, err := s.c.Codes.SignIn(r.Context(), name, code, address(r))
	switch {
	case err != nil:
		s.failed(w, "emergency", err)
	case no != nil:
		s.guesses.wrong(name, true)
		s.refused(w, no)
	default:
		s.setCookie(w, s.sessions.renew(s.sessionID(r), &proof{by, oneTimeCode, s.c.Now()}))
		http.Redirect(w, r, next, http.StatusSeeOther)
	}
}

// plainCode is a code without what people put between its groups.
func plainCode(typed string) string {
	return strings.ToUpper(strings.Map(func(c rune) rune {
		if c == '-' || c == ' ' || c == '\t' {
			return -1
		}
		return c
	}, strings.TrimSpace(typed)))
}

func (s *Server) leave(w http.ResponseWriter, r *http.Request) {
	s.sessions.end(s.sessionID(r))
	http.Redirect(w, r, "/emergency", http.StatusSeeOther)
}

// bookRow is a runbook on the page.
type bookRow struct {
	ID, Title, UseWhen, Why string
	Ready                   bool
}

// requestRow is a request on the page.
type requestRow struct{ ID, Who, What, Sentence string }

type emergencyData struct {
	Books     []bookRow
	Seconds   []secondRow
	Waiting   []requestRow
	Runs      []runRow
	Held      []grantRow
	Incidents []incidentRow
	Ends      string
	Tree      string
	Nonce     string
}

type grantRow struct{ ID, What, Until, Status string }

// emergency is what a person can do now.
func (s *Server) emergency(w http.ResponseWriter, r *http.Request) {
	x, ok := s.person(w, r)
	if !ok {
		return
	}
	who, ctx := x.proof.by.Person, r.Context()
	d := emergencyData{Ends: x.proof.at.Add(desertLife).UTC().Format("15:04") + " UTC", Nonce: random(16)}
	books, err := s.c.Desk.Runbooks(ctx, who, s.c.Product())
	if err != nil {
		s.failed(w, "emergency", err)
		return
	}
	for _, b := range books[:min(len(books), maxShown)] {
		if !b.May && !b.Around {
			continue
		}
		row := bookRow{ID: string(b.Book.Runbook.ID), Title: b.Book.Runbook.Title, UseWhen: b.Book.Runbook.UseWhen, Ready: b.No == nil || b.Around}
		if b.No != nil {
			row.Why = b.No.Error()
		}
		d.Books = append(d.Books, row)
	}
	d.Seconds = s.seconds(ctx, books, who)
	if d.Runs, err = s.runRows(ctx, who); err == nil {
		d.Incidents, err = s.incidentRows(ctx)
	}
	if err != nil {
		s.failed(w, "emergency", err)
		return
	}
	waiting, err := s.c.Desk.Requests(ctx, workflows.ListWaiting, who, maxShown)
	if err != nil {
		s.failed(w, "emergency", err)
		return
	}
	for _, v := range waiting {
		d.Waiting = append(d.Waiting, requestRow{
			string(v.State.ID), s.c.Desk.Name(ctx, v.State.Requester.Person), s.what(v), workflows.Explain(v.State, s.outlook(r)).Sentence,
		})
	}
	held, err := s.c.Desk.Grants(ctx, who, maxShown)
	if err != nil {
		s.failed(w, "emergency", err)
		return
	}
	for _, h := range held {
		a := h.Hold.Approved
		d.Held = append(d.Held, grantRow{string(a.Grant), a.TargetTitle + " – " + a.Title, clock(h.Hold.Ends.UTC), string(h.Hold.Status)})
	}
	if s.c.Tree != nil {
		d.Tree = s.c.Tree()
	}
	s.show(w, http.StatusOK, "emergency", page{Title: "When the chat is down", Token: x.token, Name: s.c.Desk.Name(ctx, who), Data: d})
}

func (s *Server) what(v desk.View) string {
	switch v.State.Asked.Request {
	case workflows.KindRoutine:
		return "runbook " + string(v.State.Asked.Runbook) + ", carried out once"
	case workflows.KindPreapprove:
		return "approval of runbook " + string(v.State.Asked.Runbook)
	}
	name := v.Entitlement.TargetTitle + " – " + v.Entitlement.Title + " for " + v.State.Asked.Seconds.String()
	if x := v.Workflow.Window; x != nil {
		return "standing window for " + name + ": " + x.Hours + " (" + x.Zone + "), without anybody being asked"
	}
	return name
}

func (s *Server) outlook(r *http.Request) workflows.Outlook {
	return workflows.Outlook{
		Name: func(p workflows.PersonID) string { return s.c.Desk.Name(r.Context(), p) },
		When: clock,
	}
}

// causeOf makes a form that is posted twice count once: the token is the session's, the nonce the page's.
func causeOf(x session, r *http.Request) desk.Cause {
	nonce := r.PostFormValue("nonce")
	if len(nonce) != 32 || strings.Trim(nonce, "0123456789abcdef") != "" {
		return ""
	}
	return desk.Cause("web/" + string(x.proof.by.Actor) + "/" + nonce)
}

type grantData struct {
	ID, What, Until, Status, Command, Host string
	Steps                                  []string
	Files                                  []Part
	Wait                                   bool
}

// granted says how far an access is and how to use it; it is loaded again until it is ready.
func (s *Server) granted(w http.ResponseWriter, r *http.Request) {
	x, ok := s.person(w, r)
	if !ok {
		return
	}
	h, err := s.c.Desk.Grant(r.Context(), workflows.GrantID(r.PathValue("id")))
	if err != nil || h.Hold.Holder() != x.proof.by.Person {
		s.sorry(w, http.StatusNotFound, "There is no such access, or it is not yours.", "")
		return
	}
	a := h.Hold.Approved
	d := grantData{
		ID: string(a.Grant), What: a.TargetTitle + " – " + a.Title, Until: clock(h.Hold.Ends.UTC), Status: string(h.Hold.Status),
		Wait: h.Hold.Status == grants.StatusApproved,
	}
	var use struct {
		Steps   []string          `json:"steps"`
		Command string            `json:"command"`
		Host    string            `json:"host"`
		Files   map[string]string `json:"files"`
	}
	if h.Hold.Started.Use != "" && json.Unmarshal([]byte(h.Hold.Started.Use), &use) == nil && h.Hold.Status == grants.StatusActive {
		d.Steps, d.Command, d.Host = use.Steps, use.Command, use.Host
		for name, text := range use.Files {
			d.Files = append(d.Files, Part{Name: name, Value: text})
		}
	}
	if d.Wait {
		w.Header().Set("Refresh", "2")
	}
	s.show(w, http.StatusOK, "grant", page{Title: d.What, Token: x.token, Data: d})
}

type requestData struct {
	ID, Who, What, Reason, Sentence, Shown, Nonce string
	Stage                                         int
	Open, Back, StepUp                            bool
	Filled                                        []filledField
	Children                                      []workflows.Explanation
}

// request shows what waits for a decision.
func (s *Server) request(w http.ResponseWriter, r *http.Request) {
	if x, ok := s.person(w, r); ok {
		s.showRequest(w, r, x)
	}
}

func (s *Server) showRequest(w http.ResponseWriter, r *http.Request, x session) {
	v, err := s.c.Desk.LookAs(r.Context(), x.proof.by.Person, workflows.RequestID(r.PathValue("id")))
	if err != nil {
		s.sorry(w, http.StatusNotFound, "There is no such request, or it is not for your eyes.", "")
		return
	}
	e := workflows.Explain(v.State, s.outlook(r))
	d := requestData{
		ID: string(v.State.ID), Who: s.c.Desk.Name(r.Context(), v.State.Requester.Person), What: s.what(v), Reason: v.State.Asked.Reason, Sentence: e.Sentence,
		Children: e.Children, Stage: v.State.Current, Open: v.State.Open() != nil, Nonce: random(16),
		Back: x.request == "", StepUp: v.State.Asked.StepUp, Filled: filled(v),
	}
	if d.Open {
		d.Shown = v.State.Shown(v.State.Current)
		s.c.Desk.Opened(r.Context(), desk.Opening{By: x.proof.by, Request: v.State.ID, How: workflows.OpenedPage, Channel: viaWeb})
	}
	s.show(w, http.StatusOK, "request", page{Title: d.What, Token: x.token, Data: d})
}

// filledField is a field of a form with what was typed into it.
type filledField struct{ Label, Value string }

// filled are the fields as the requester filled them in, under the labels of the version that binds.
func filled(v desk.View) (out []filledField) {
	for _, f := range v.Workflow.Fields {
		if value := v.State.Asked.Fields[f.Name] + v.State.Asked.Texts[f.Name]; value != "" {
			out = append(out, filledField{f.Label, value})
		}
	}
	return out
}

// vote is a decision, bound to what the page showed.
func (s *Server) vote(w http.ResponseWriter, r *http.Request) {
	if x, ok := s.person(w, r); ok {
		s.castVote(w, r, x)
	}
}

func (s *Server) castVote(w http.ResponseWriter, r *http.Request, x session) {
	verdict := workflows.Deny
	switch r.PostFormValue("verdict") {
	case "approve":
		verdict = workflows.Approve
	case "deny":
	default:
		s.sorry(w, http.StatusBadRequest, "That is neither an approval nor a denial.", "Nothing was done.")
		return
	}
	stage, err := strconv.Atoi(r.PostFormValue("stage"))
	if err != nil {
		stage = -1
	}
	id := workflows.RequestID(r.PathValue("id"))
	if v, err := s.c.Desk.LookAs(r.Context(), x.proof.by.Person, id); err == nil && v.State.Asked.StepUp && verdict == workflows.Approve && s.c.Now().Sub(x.proof.at) > provenLife {
		s.sessions.end(s.sessionID(r))
		s.sorry(w, http.StatusForbidden, "It is too long ago that you proved who you are, and the risk of this wants it fresh.", "Nothing was recorded. Open the page of this request again, and prove it anew.")
		return
	}
	res, err := s.c.Desk.Vote(r.Context(), desk.Ballot{
		Cause: causeOf(x, r), By: x.proof.by, Request: id, Verdict: verdict, Stage: stage, Shown: r.PostFormValue("shown"),
		Reason: strings.TrimSpace(r.PostFormValue("reason")), Authn: x.proof.authn, Channel: viaWeb,
	})
	switch {
	case err != nil:
		s.failed(w, "request", err)
	case res.Refusal != nil:
		s.refused(w, res.Refusal)
	default:
		http.Redirect(w, r, r.URL.Path, http.StatusSeeOther)
	}
}
