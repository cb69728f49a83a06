package web

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

//go:embed pages
var files embed.FS

// Config is what the pages are made of.
type Config struct {
	Base     string // scheme and host under which browsers reach them, without a slash at the end: "https://countersign.example.com"
	Insecure bool   // the demo: http on this machine, so that cookies cannot be marked as secure
	Secrets  Secrets
	Messages Messages
	Provider *Provider // nil: nobody logs in at an identity provider
	Accounts Accounts  // nil when Provider is
	Desk     *desk.Desk
	Codes    Codes                  // nil: no pages for emergencies
	Tree     func() string          // whom to call, with telephone numbers, as text; nil: nobody keeps that
	Now      func() time.Time       // real time: sessions and links
	Product  func() workflows.Stamp // product time: what the pages call now
	Log      *slog.Logger
}

// Secrets are what waits to be taken. Package cmd joins it to the safe.
type Secrets interface {
	// Waiting says in words what waits for the holder of a grant, and who that is. False: nothing does (any more).
	Waiting(ctx context.Context, id workflows.GrantID) (Waiting, bool, error)
	// Take gives the secret to who has proved who they are, once; or records that they were refused. It is recorded before it is given.
	Take(ctx context.Context, t Taking) (Secret, *workflows.Refusal, error)
}

// Waiting is a secret that waits, without anything of it.
type Waiting struct {
	What   string // "Login on Orders"
	Until  workflows.Stamp
	Holder workflows.PersonID
}

// Taking is a person at the page.
type Taking struct {
	Grant workflows.GrantID
	By    workflows.Acting
	Authn string
	From  string // address, as far as it is known
}

// Secret is what the holder is shown. Nothing but the page that answers holds it.
type Secret struct {
	Title   string
	Wrapped bool
	Parts   []Part
}

// Part is one piece of it.
type Part struct{ Name, Value, File string }

// Messages reach a person in the chat.
type Messages interface {
	// SendCode sends a code, "ABCD-EFGH", to a person and gives the account that it reached: who types it has proved to be that account. It is good
	// for five minutes on the page that asked for it.
	SendCode(ctx context.Context, p workflows.PersonID, code string) (workflows.Acting, error)
}

// Accounts say who somebody is whom the identity provider has named.
type Accounts interface {
	// Known gives the account of a subject; a refusal, for the person to read, when it is nobody's.
	Known(ctx context.Context, x Claims) (workflows.Acting, *workflows.Refusal, error)
}

// Codes open the pages for emergencies.
type Codes interface {
	// SignIn uses up a one-time code of the person that goes by this name, and gives the account that they act with. It records what was refused.
	SignIn(ctx context.Context, name, code, from string) (workflows.Acting, *workflows.Refusal, error)
}

// Server serves the pages. It is safe for concurrent use.
type Server struct {
	c        Config
	pages    *markup
	sessions *sessions
	guesses  guesses

	mu    sync.Mutex
	links map[string]*link
}

// New reads the pages and, where people log in at an identity provider, nothing else yet: it is asked when the first one does.
func New(c Config) (*Server, error) {
	u, err := url.Parse(c.Base)
	if err != nil || u.Host == "" || u.Path != "" || u.Scheme != "https" && (u.Scheme != "http" || !c.Insecure) {
		return nil, fmt.Errorf("the pages need an address such as https://countersign.example.com, without a path; this is %q", c.Base)
	}
	if c.Secrets == nil || c.Messages == nil || c.Desk == nil || c.Now == nil || c.Product == nil || (c.Provider != nil && c.Accounts == nil) {
		return nil, errors.New("making the pages: a part is missing")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{c: c, sessions: &sessions{now: c.Now, of: map[string]*session{}}, links: map[string]*link{}, guesses: guesses{now: c.Now}}
	texts, err := pageTexts()
	if err == nil {
		s.pages, err = newMarkup(texts)
	}
	return s, err
}

// pageTexts reads the embedded pages.
func pageTexts() (map[string]string, error) {
	list, err := files.ReadDir("pages")
	if err != nil {
		return nil, err
	}
	texts := make(map[string]string, len(list))
	for _, f := range list {
		if !strings.HasSuffix(f.Name(), ".html") {
			continue
		}
		text, err := files.ReadFile("pages/" + f.Name())
		if err != nil {
			return nil, err
		}
		texts[f.Name()] = string(text)
	}
	return texts, nil
}

func clock(at workflows.Stamp) string { return at.Time().Format("2006-01-02 15:04") + " UTC" }

// Routes are the pages; every other path of the mux is left alone.
func (s *Server) Routes(mux *http.ServeMux) {
	handle := func(pattern string, f http.HandlerFunc) { mux.Handle(pattern, s.guarded(f)) }
	handle("GET /web/style.css", s.style)
	handle("GET /secret/{link}", s.secretPage)
	handle("POST /secret/{link}/code", s.sendCode)
	handle("POST /secret/{link}/prove", s.proveCode)
	handle("POST /secret/{link}/login", s.beginLogin)
	handle("POST /secret/{link}/reveal", s.reveal)
	handle("GET /web/login", s.endLogin)
	handle("GET /decide/{id}", s.decidePage)
	handle("POST /decide/{id}", s.decide)
	handle("POST /decide/{id}/login", s.decideLogin)
	handle("POST /decide/{id}/code", s.decideCode)
	if s.c.Codes == nil {
		return
	}
	handle("GET /emergency", s.emergency)
	handle("POST /emergency/login", s.emergencyLogin)
	handle("POST /emergency/leave", s.leave)
	handle("GET /emergency/runbook/{id}", s.runbook)
	handle("POST /emergency/runbook/{id}", s.invoke)
	handle("GET /emergency/grant/{id}", s.granted)
	handle("POST /emergency/agree", s.agree)
	handle("POST /emergency/incident", s.openIncident)
	handle("GET /emergency/run/{id}", s.run)
	handle("POST /emergency/run/{id}", s.act)
	handle("GET /emergency/request/{id}", s.request)
	handle("POST /emergency/request/{id}", s.vote)
}

// guarded puts on every answer what keeps it from being stored, framed, indexed, or told to other sites, bounds what is read, and turns a
// POST away that no page of ours made.
func (s *Server) guarded(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		action := "'self'"
		if s.c.Provider != nil { // a browser holds the way to the provider to this, too: it begins with a form of ours
			action += " " + s.c.Provider.origin()
		}
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action "+action+"; frame-ancestors 'none'; base-uri 'none'")
		h.Set("Cache-Control", "no-store, max-age=0")
		h.Set("Pragma", "no-cache")
		// Not no-referrer: browsers then send Origin: null with our own forms. To every other origin this says nothing either.
		h.Set("Referrer-Policy", "same-origin")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("X-Robots-Tag", "noindex, nofollow, noarchive, nosnippet")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), display-capture=()")
		if !s.c.Insecure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		if r.Method == http.MethodPost {
			r.Body = http.MaxBytesReader(w, r.Body, maxForm)
			if err := r.ParseForm(); err != nil || !s.ours(r) {
				s.sorry(w, http.StatusForbidden, "This page is too old, or the request did not come from it.", "Nothing was done. Open the page anew, from the link or the address you have.")
				return
			}
		}
		next(w, r)
	})
}

// page is what every template gets.
type page struct {
	Title   string
	Token   string
	Link    string
	Sorry   string // why not
	Next    string // what to do
	Waiting Waiting
	Until   string // of what waits
	Login   bool   // an identity provider is there
	Chat    bool   // the chat can be asked
	Codes   bool   // there are printed codes
	Sent    bool
	Secret  Secret
	Name    string
	Data    any
}

// show renders a page whole before it sends a byte of it.
func (s *Server) show(w http.ResponseWriter, status int, name string, p page) {
	b, err := s.pages.draw(name+".html", p)
	if err != nil {
		s.c.Log.Error("a page cannot be drawn", "page", name, "err", err)
		http.Error(w, "something went wrong", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b) // who has gone away sees nothing
}

func (s *Server) sorry(w http.ResponseWriter, status int, why, next string) {
	s.show(w, status, "sorry", page{Title: "Not done", Sorry: why, Next: next})
}

func (s *Server) refused(w http.ResponseWriter, no *workflows.Refusal) {
	s.sorry(w, http.StatusForbidden, no.Sentence, no.Next)
}

// failed says that something went wrong, with a name under which the log says what.
func (s *Server) failed(w http.ResponseWriter, what string, err error) {
	ref := strings.ToUpper(random(4))
	s.c.Log.Error("a page failed", "page", what, "ref", ref, "err", err)
	var says interface{ ForPeople() string }
	if errors.As(err, &says) {
		s.sorry(w, http.StatusServiceUnavailable, says.ForPeople(), "Nothing was done (ref "+ref+"). The operator's log says more.")
		return
	}
	s.sorry(w, http.StatusInternalServerError, "Something went wrong (ref "+ref+").", "Nothing was shown. Try again; the operator's log says more.")
}

func (s *Server) style(w http.ResponseWriter, _ *http.Request) {
	b, err := files.ReadFile("pages/style.css")
	if err != nil {
		http.Error(w, "gone", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	_, _ = w.Write(b)
}

// address is where a request came from, as far as the connection says. Headers that a proxy may have set are not believed.
func address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return host
}
