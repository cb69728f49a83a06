package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

// ErrUnknown is what looking for a request answers when there is none, and when it is another identity's: nobody learns which.
var ErrUnknown = errors.New("no such request")

// Office is what stands behind the door: the desk and the ledger, joined by package cmd. Every method acts as the session's identity.
type Office interface {
	// Doors are the ways in that are in force.
	Doors() []Door
	// Begin records a session under its proof. A refusal is recorded, too.
	Begin(ctx context.Context, p Proof, session string) (Session, *workflows.Refusal, error)
	// Turned counts and reports a token that was not taken. What it says of itself is not known to be true.
	Turned(ctx context.Context, from string, err error)

	Offers(ctx context.Context, s Session) ([]Offer, error)
	Ask(ctx context.Context, s Session, key string, a Ask) (string, *workflows.Refusal, []workflows.FieldProblem, error)
	Look(ctx context.Context, s Session, id string) (Request, error)
	Secret(ctx context.Context, s Session, id string) (Secret, *workflows.Refusal, error)
	End(ctx context.Context, s Session, id, why string) (*workflows.Refusal, error)
	Held(ctx context.Context, s Session) ([]Request, error)

	// Kill takes everything away from an identity. key names the call: one that is repeated finds each part done.
	Kill(ctx context.Context, s Session, key string, k Kill) (Killed, *workflows.Refusal, error)
}

// Ask is what a workload asks for.
type Ask struct {
	Workflow    string            `json:"workflow" jsonschema:"id of the workflow, as list_offers or GET /v1/me names it"`
	Target      string            `json:"target,omitempty" jsonschema:"id of the system; may be left out when the workflow has one entitlement"`
	Entitlement string            `json:"entitlement,omitempty" jsonschema:"id of the role or scope on the target"`
	Duration    string            `json:"duration,omitempty" jsonschema:"how long, such as 30m, 4h or 2d; the workflow's usual time if left out"`
	Reason      string            `json:"reason" jsonschema:"why, in words for the people who decide"`
	Task        string            `json:"task,omitempty" jsonschema:"ticket, incident or pull request that this is for, where the workflow has such a field"`
	Fields      map[string]string `json:"fields,omitempty" jsonschema:"further fields of the form"`
	Confirm     string            `json:"confirm,omitempty" jsonschema:"the target's name or id once more, where the offer says confirm"`
}

// Offer is something that may be asked for.
type Offer struct {
	Workflow     string        `json:"workflow"`
	Title        string        `json:"title"`
	Longest      string        `json:"longest"`
	Entitlements []Entitlement `json:"entitlements"`
	Fields       []Field       `json:"fields,omitempty"`
}

// Entitlement is one role or scope on a target.
type Entitlement struct {
	Target      string `json:"target"`
	Entitlement string `json:"entitlement"`
	Title       string `json:"title"`
	Description string `json:"description,omitempty"`
	Confirm     bool   `json:"confirm,omitempty"` // its target's name has to be given once more in Ask.Confirm
}

// Field is one more thing that a form asks.
type Field struct {
	Name     string   `json:"name"`
	Label    string   `json:"label"`
	Kind     string   `json:"kind"`
	Required bool     `json:"required"`
	Choices  []string `json:"choices,omitempty"`
}

// Request is where a request stands. State is one of pending, denied, withdrawn, timed_out, superseded, failed, starting, active, ending, ended:
// a request that nobody answered in time is timed_out, which is not a denial.
type Request struct {
	ID          string          `json:"id"`
	State       string          `json:"state"`
	Sentence    string          `json:"sentence"` // for people: what it waits for, or what became of it
	Workflow    string          `json:"workflow"`
	Target      string          `json:"target"`
	Entitlement string          `json:"entitlement"`
	Duration    string          `json:"duration"`
	Digest      string          `json:"digest"` // of exactly what was asked for and is decided on
	Responsible string          `json:"responsible"`
	Grant       string          `json:"grant,omitempty"`
	EndsAt      *time.Time      `json:"ends_at,omitempty"`
	Secret      bool            `json:"secret_waits,omitempty"` // POST …/secret gives it, once
	Use         json.RawMessage `json:"use,omitempty"`          // how the access is used; no secret
}

// Settled tells whether waiting is over: access is there, or never will be.
func (r Request) Settled() bool { return r.State != StatePending && r.State != StateStarting }

// States of a Request.
const (
	StatePending    = "pending"
	StateDenied     = "denied"
	StateWithdrawn  = "withdrawn"
	StateTimedOut   = "timed_out"
	StateSuperseded = "superseded"
	StateFailed     = "failed"
	StateStarting   = "starting"
	StateActive     = "active"
	StateEnding     = "ending"
	StateEnded      = "ended"
)

// Secret is what is handed over with access, once.
type Secret struct {
	Title   string `json:"title"`
	Parts   []Part `json:"parts"`
	Wrapped bool   `json:"wrapped,omitempty"` // a single-use token, for which the target gives the secret
}

// Part is one piece of a secret.
type Part struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	File  string `json:"file,omitempty"`
}

// Config is what a Server is made of.
type Config struct {
	Office  Office
	Client  *http.Client     // fetches issuers' keys and lists of revoked certificates; nil: one with limits
	Now     func() time.Time // real time
	Version string
	Log     *slog.Logger
}

// Server answers under /v1/ and /mcp.
type Server struct {
	c         Config
	tokens    *Tokens
	revoked   *revocations
	sessions  *sessions
	identity  *counter
	addresses *counter
	waiting   chan struct{}
	mux       *http.ServeMux
}

// New makes a Server.
func New(c Config) *Server {
	s := &Server{
		c: c, tokens: NewTokens(c.Office.Doors, c.Client, c.Now), revoked: newRevocations(c.Client, c.Now), sessions: newSessions(c.Now), identity: newCounter(perIdentity, c.Now),
		addresses: newCounter(perAddress, c.Now), waiting: make(chan struct{}, maxWaiting), mux: http.NewServeMux(),
	}
	for pattern, h := range s.routes() {
		s.mux.Handle(pattern, h)
	}
	return s
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	s.mux.ServeHTTP(w, r)
}
