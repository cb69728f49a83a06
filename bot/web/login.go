package web

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/countersign-bot/countersign/workflows"
)

// Provider is the company's identity provider, by OpenID Connect: the authorization code flow with PKCE, a state, a nonce, and a login that is
// not older than five minutes.
type Provider struct {
	Issuer   string
	ClientID string
	Secret   string       // of the client; empty for a public one
	Client   *http.Client // nil: one with time-outs

	mu    sync.Mutex
	found *oidc.Provider
}

// Claims are what the provider says of somebody, verified.
type Claims struct {
	Issuer   string
	Subject  string
	Email    string
	Verified bool // the provider vouches for the address
}

// login is somebody on the way to the provider and back.
type login struct {
	state, nonce, verifier string
	at                     time.Time
}

const (
	loginLife  = 10 * time.Minute // for typing a password and a second factor
	providerIn = 10 * time.Second
	clockSkew  = time.Minute
)

func (p *Provider) client() *http.Client {
	if p.Client != nil {
		return p.Client
	}
	return &http.Client{Timeout: providerIn}
}

// origin is where the provider's pages are, as far as it is known.
func (p *Provider) origin() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.Issuer
	if p.found != nil {
		at = p.found.Endpoint().AuthURL
	}
	u, err := url.Parse(at)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// discover asks the provider for its endpoints, once it answers.
func (p *Provider) discover(ctx context.Context) (*oidc.Provider, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found != nil {
		return p.found, nil
	}
	// The provider keeps this context for fetching keys later: it must outlive the request.
	found, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), p.client()), p.Issuer)
	if err != nil {
		return nil, fmt.Errorf("asking the identity provider what it offers: %w", err)
	}
	p.found = found
	return found, nil
}

func (p *Provider) oauth(found *oidc.Provider, base string) oauth2.Config {
	return oauth2.Config{
		ClientID: p.ClientID, ClientSecret: p.Secret, Endpoint: found.Endpoint(), RedirectURL: base + "/web/login",
		Scopes: []string{oidc.ScopeOpenID, "email"},
	}
}

// beginLogin sends the holder of a secret to the provider.
func (s *Server) beginLogin(w http.ResponseWriter, r *http.Request) {
	if _, id, _, ok := s.inSession(w, r); ok {
		s.toProvider(w, r, id, "Let a code be sent to you in the chat, or take the secret on the bot's host: countersign take.")
	}
}

// toProvider sends the browser to the provider. prompt and max_age: a session that is still open there proves nothing now.
func (s *Server) toProvider(w http.ResponseWriter, r *http.Request, id, instead string) {
	if s.c.Provider == nil {
		s.sorry(w, http.StatusNotFound, "No identity provider is connected.", instead)
		return
	}
	found, err := s.c.Provider.discover(r.Context())
	if err != nil {
		s.c.Log.Error("the identity provider does not answer", "err", err)
		s.sorry(w, http.StatusBadGateway, "The identity provider does not answer.", instead)
		return
	}
	l := login{state: random(16), nonce: random(16), verifier: oauth2.GenerateVerifier(), at: s.c.Now()}
	s.sessions.with(id, func(x *session) { x.login = &l })
	cfg := s.c.Provider.oauth(found, s.c.Base)
	http.Redirect(w, r, cfg.AuthCodeURL(l.state, oidc.Nonce(l.nonce), oauth2.S256ChallengeOption(l.verifier),
		oauth2.SetAuthURLParam("prompt", "login"), oauth2.SetAuthURLParam("max_age", "300")), http.StatusSeeOther)
}

// endLogin takes the browser back from the provider. The state belongs to this session and is good once.
func (s *Server) endLogin(w http.ResponseWriter, r *http.Request) {
	id := s.sessionID(r)
	var l *login
	var name, request string
	s.sessions.with(id, func(x *session) { l, name, request, x.login = x.login, x.link, x.request, nil })
	q := r.URL.Query()
	switch {
	case s.c.Provider == nil || l == nil || s.c.Now().Sub(l.at) > loginLife:
		s.sorry(w, http.StatusForbidden, "This login was not begun here, or it took too long.", "Open the link again.")
		return
	case subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(l.state)) != 1:
		s.sorry(w, http.StatusForbidden, "The answer of the identity provider does not belong to this page.", "Open the link again.")
		return
	case q.Get("error") != "":
		s.sorry(w, http.StatusForbidden, "The identity provider did not let you in.", "Open the link again.")
		return
	}
	claims, err := s.claims(r.Context(), *l, q.Get("code"))
	if err != nil {
		s.failed(w, "login", err)
		return
	}
	by, no, err := s.c.Accounts.Known(r.Context(), claims)
	switch {
	case err != nil:
		s.failed(w, "login", err)
	case no != nil:
		s.denyLogin(w, r, by, name, request, no)
	default:
		s.setCookie(w, s.sessions.renew(id, &proof{by, workflows.AuthnLogin, s.c.Now()}))
		// A page of ours that opens the next one: the cookie of a navigation that came from another site is Lax, and a redirect is still part
		// of that navigation.
		next := "/secret/" + name
		if request != "" {
			next = decidePath + request
		}
		http.Redirect(w, r, next, http.StatusSeeOther)
	}
}

// denyLogin records that somebody whom nobody knows had a link.
func (s *Server) denyLogin(w http.ResponseWriter, r *http.Request, by workflows.Acting, name, request string, no *workflows.Refusal) {
	command, about := "take secret", ""
	if request != "" {
		command, about = "vote approve", request
	} else if l, ok := s.linkOf(name); ok {
		about = string(l.grant)
	}
	no, err := s.c.Desk.Refuse(r.Context(), "", by, command, viaWeb, about, no)
	if err != nil {
		s.failed(w, "login", err)
		return
	}
	s.refused(w, no)
}

// claims exchanges the code and verifies what comes for it: issuer, audience, signature, time, nonce, and when the person logged in.
func (s *Server) claims(ctx context.Context, l login, code string) (Claims, error) {
	p := s.c.Provider
	found, err := p.discover(ctx)
	if err != nil {
		return Claims{}, err
	}
	ctx, cancel := context.WithTimeout(oidc.ClientContext(ctx, p.client()), providerIn)
	defer cancel()
	cfg := p.oauth(found, s.c.Base)
	token, err := cfg.Exchange(ctx, code, oauth2.VerifierOption(l.verifier))
	if err != nil {
		return Claims{}, errors.New("exchanging the code of a login: the identity provider refused it") // its answer may hold tokens
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return Claims{}, errors.New("the identity provider gave no id_token")
	}
	id, err := found.Verifier(&oidc.Config{ClientID: p.ClientID, Now: s.c.Now}).Verify(ctx, raw)
	if err != nil {
		return Claims{}, fmt.Errorf("verifying a login: %w", err)
	}
	var x struct {
		Email    string `json:"email"`
		Verified bool   `json:"email_verified"`
		AuthTime int64  `json:"auth_time"`
	}
	if err := id.Claims(&x); err != nil {
		return Claims{}, fmt.Errorf("reading a login: %w", err)
	}
	at := time.Unix(x.AuthTime, 0)
	switch {
	case subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(l.nonce)) != 1:
		return Claims{}, errors.New("a login with another nonce than it was asked for")
	case x.AuthTime == 0 || s.c.Now().Sub(at) > provenLife+clockSkew || at.Sub(s.c.Now()) > clockSkew:
		return Claims{}, errors.New("the identity provider does not say that the person logged in just now (auth_time)")
	}
	return Claims{Issuer: id.Issuer, Subject: id.Subject, Email: x.Email, Verified: x.Verified}, nil
}
