package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/countersign-bot/countersign/workflows"
)

const (
	sessionInfo = "session"
	instruction = "You can ask for access to systems, for a limited time and a stated task. People decide; you cannot approve anything, and asking again " +
		"does not help. A request that timed out was not answered, which is not a denial. Ask for the least that the task needs, and return access as soon as the task is done."
)

// mcp serves the tools to agents. The bearer token of every call is a session.
func (s *Server) mcp() http.Handler {
	server := mcp.NewServer(&mcp.Implementation{Name: "countersign", Title: "Countersign", Version: s.c.Version}, &mcp.ServerOptions{Instructions: instruction})
	s.tools(server)
	h := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, &mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true, Logger: s.c.Log})
	verify := func(_ context.Context, token string, r *http.Request) (*auth.TokenInfo, error) {
		x, ok := s.who(token, r)
		if !ok {
			return nil, fmt.Errorf("%w: no such session", auth.ErrInvalidToken)
		}
		return &auth.TokenInfo{Expiration: x.Ends, UserID: string(x.Identity), Extra: map[string]any{sessionInfo: x}}, nil
	}
	return auth.RequireBearerToken(verify, nil)(h)
}

type (
	noInput   struct{}
	requestID struct {
		ID string `json:"id" jsonschema:"id of the request, as request_access gave it"`
	}
	waiting struct {
		ID      string `json:"id" jsonschema:"id of the request, as request_access gave it"`
		Seconds int    `json:"seconds,omitempty" jsonschema:"how long to wait at most, 1 to 50; 30 if left out"`
	}
	offers struct {
		Offers []Offer `json:"offers"`
	}
	held struct {
		Requests []Request `json:"requests"`
	}
	// answered is a Request without what only programs read.
	answered struct {
		ID          string `json:"id"`
		State       string `json:"state" jsonschema:"pending, denied, withdrawn, timed_out, superseded, failed, starting, active, ending or ended"`
		Sentence    string `json:"sentence"`
		Target      string `json:"target"`
		Entitlement string `json:"entitlement"`
		Duration    string `json:"duration"`
		Digest      string `json:"digest" jsonschema:"of exactly what was asked for and is decided on"`
		Responsible string `json:"responsible"`
		EndsAt      string `json:"ends_at,omitempty"`
		SecretWaits bool   `json:"secret_waits,omitempty" jsonschema:"fetch_credential gives it, once"`
		Use         string `json:"use,omitempty"`
	}
)

func forAgents(r Request) answered {
	a := answered{
		ID: r.ID, State: r.State, Sentence: r.Sentence, Target: r.Target, Entitlement: r.Entitlement, Duration: r.Duration, Digest: r.Digest,
		Responsible: r.Responsible, SecretWaits: r.Secret, Use: string(r.Use),
	}
	if r.EndsAt != nil {
		a.EndsAt = r.EndsAt.UTC().Format(time.RFC3339)
	}
	return a
}

// add makes a tool of a function of a session. What it refuses is the tool's error, in words for the agent.
func add[In, Out any](s *Server, server *mcp.Server, name, description string, changes bool, do func(context.Context, Session, In) (Out, error)) {
	t := &mcp.Tool{Name: name, Description: description, Annotations: &mcp.ToolAnnotations{ReadOnlyHint: !changes, IdempotentHint: !changes}}
	mcp.AddTool(server, t, func(ctx context.Context, r *mcp.CallToolRequest, in In) (*mcp.CallToolResult, Out, error) {
		var none Out
		x, ok := sessionOf(r)
		if !ok {
			return nil, none, errors.New("there is no such session")
		}
		if !s.identity.allow(string(x.Identity)) {
			return nil, none, errors.New("too many calls this minute: wait for the next one")
		}
		out, err := do(ctx, x, in)
		var no *workflows.Refusal
		switch {
		case err == nil, errors.As(err, &no), errors.Is(err, ErrUnknown), errors.Is(err, errCrowded):
			return nil, out, err
		}
		s.c.Log.ErrorContext(ctx, "a tool of the MCP server failed", "tool", name, "err", err)
		return nil, none, errors.New("this could not be done now, and nothing was decided: try again in a moment")
	})
}

func sessionOf(r *mcp.CallToolRequest) (Session, bool) {
	if r.Extra == nil || r.Extra.TokenInfo == nil {
		return Session{}, false
	}
	x, ok := r.Extra.TokenInfo.Extra[sessionInfo].(Session)
	return x, ok
}

func (s *Server) tools(server *mcp.Server) {
	look := func(ctx context.Context, x Session, id string) (answered, error) {
		r, err := s.c.Office.Look(ctx, x, id)
		return forAgents(r), err
	}
	add(s, server, "list_offers", "What you may ask for: workflows with their targets, entitlements and form fields.", false,
		func(ctx context.Context, x Session, _ noInput) (offers, error) {
			l, err := s.c.Office.Offers(ctx, x)
			return offers{list(l)}, err
		})
	add(s, server, "request_access", "Ask people for access. It comes back pending: use wait_for_decision. Ask for the least the task needs.", true,
		func(ctx context.Context, x Session, a Ask) (answered, error) {
			id, no, fields, err := s.c.Office.Ask(ctx, x, "", a)
			if err != nil {
				return answered{}, err
			}
			if no != nil {
				return answered{}, withFields(no, fields)
			}
			return look(ctx, x, id)
		})
	add(s, server, "get_request", "Where a request of yours stands.", false,
		func(ctx context.Context, x Session, in requestID) (answered, error) { return look(ctx, x, in.ID) })
	add(s, server, "wait_for_decision", "Wait until a request of yours is decided and its access is there, at most 50 seconds. Still pending means that nobody has decided yet.", false,
		func(ctx context.Context, x Session, in waiting) (answered, error) {
			wait := 30 * time.Second
			if in.Seconds != 0 {
				wait = min(max(time.Duration(in.Seconds)*time.Second, time.Second), maxWait)
			}
			r, err := s.await(ctx, x, in.ID, wait)
			return forAgents(r), err
		})
	add(s, server, "fetch_credential", "Take the credential that came with access of yours. It is given once.", true,
		func(ctx context.Context, x Session, in requestID) (Secret, error) {
			v, no, err := s.c.Office.Secret(ctx, x, in.ID)
			return v, orRefusal(no, err)
		})
	add(s, server, "return_access", "Give access back, or withdraw a request that is pending. Do it as soon as the task is done.", true,
		func(ctx context.Context, x Session, in requestID) (answered, error) {
			no, err := s.c.Office.End(ctx, x, in.ID, "")
			if err := orRefusal(no, err); err != nil {
				return answered{}, err
			}
			return look(ctx, x, in.ID)
		})
	add(s, server, "list_my_grants", "Requests of yours that are pending or have access now.", false,
		func(ctx context.Context, x Session, _ noInput) (held, error) {
			l, err := s.c.Office.Held(ctx, x)
			return held{list(l)}, err
		})
}

func orRefusal(no *workflows.Refusal, err error) error {
	if err == nil && no != nil {
		return no
	}
	return err
}

func withFields(no *workflows.Refusal, fields []workflows.FieldProblem) error {
	if len(fields) == 0 {
		return no
	}
	var b strings.Builder
	for _, f := range fields {
		fmt.Fprintf(&b, " %s: %s", f.Field, f.Text)
	}
	return &workflows.Refusal{Code: no.Code, Sentence: no.Sentence + b.String(), Next: no.Next}
}
