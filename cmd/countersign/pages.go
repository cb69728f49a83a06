package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/countersign-bot/countersign/bot"
	"github.com/countersign-bot/countersign/bot/api"
	"github.com/countersign-bot/countersign/bot/web"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// The pages that people open: wired here, drawn and guarded by bot/web.

const (
	oidcMedium = "oidc"
	codeMedium = "code"
)

// pageURL is the address of the pages; empty when there are none: a browser must reach them over TLS, which this process ends, or a proxy of
// which the operator says so. The demo's are on this machine.
func (c Config) pageURL() string {
	base := strings.TrimRight(c.PublicURL, "/")
	switch {
	case strings.HasPrefix(base, "https://") && (c.TLSCert != "" || c.TLSProxy == "yes"):
		return base
	case c.demo() && loopbackURL(c.publicURL()):
		return c.publicURL()
	}
	return ""
}

// checkPages says what is wrong with the settings of the pages.
func (c Config) checkPages() (errs []error) {
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if (c.TLSCert == "") != (c.TLSKey == "") {
		bad("%s_TLS_CERT and %s_TLS_KEY belong together", prefix, prefix)
	}
	if c.TLSProxy != "" && c.TLSProxy != "yes" {
		bad("%s_TLS_PROXY is %q: yes, or nothing", prefix, c.TLSProxy)
	}
	if c.TLSCert != "" && c.TLSProxy != "" {
		bad("%s_TLS_CERT and %s_TLS_PROXY are both set: either this process ends TLS or a proxy does", prefix, prefix)
	}
	if (c.TLSCert != "" || c.TLSProxy != "") && !strings.HasPrefix(c.PublicURL, "https://") {
		bad("%s_PUBLIC_URL must begin with https:// where pages are served", prefix)
	}
	if (c.OIDCIssuer == "") != (c.OIDCClient == "") || (c.OIDCSecret != "" && c.OIDCIssuer == "") {
		bad("%s_OIDC_ISSUER and %s_OIDC_CLIENT_ID belong together", prefix, prefix)
	}
	if c.OIDCIssuer != "" && !strings.HasPrefix(c.OIDCIssuer, "https://") && !(c.demo() && loopbackURL(c.OIDCIssuer)) {
		bad("%s_OIDC_ISSUER must begin with https://", prefix)
	}
	if c.OIDCIssuer != "" && c.pageURL() == "" {
		bad("%s_OIDC_ISSUER is set, but no page is served: set %s_PUBLIC_URL to https://… and %s_TLS_CERT with _TLS_KEY, or %s_TLS_PROXY=yes", prefix, prefix, prefix, prefix)
	}
	return errs
}

// buildPages makes the pages, where they can be reached.
func (s *serving) buildPages() (err error) {
	base := s.cfg.pageURL()
	if base == "" {
		return nil
	}
	cfg := web.Config{
		Base: base, Insecure: strings.HasPrefix(base, "http://"), Secrets: pageSecrets{s.hand, s.desk}, Messages: s.bot, Desk: s.desk,
		Tree: s.treeText, Codes: pageCodes{s}, Accounts: pageAccounts{s}, Now: time.Now, Product: func() workflows.Stamp { return workflows.StampOf(s.clock.Now().Wall) }, Log: s.log,
	}
	if s.cfg.OIDCIssuer != "" {
		cfg.Provider = &web.Provider{Issuer: s.cfg.OIDCIssuer, ClientID: s.cfg.OIDCClient, Secret: s.cfg.OIDCSecret}
	}
	s.pages, err = web.New(cfg)
	return err
}

// botHandover joins the bot to secrets and pages.
type botHandover struct{ s *serving }

var _ bot.Handover = botHandover{}

// Sealed implements bot.Handover.
func (x botHandover) Sealed(ctx context.Context, g workflows.GrantID) (string, error) {
	return x.s.hand.sealedFor(ctx, g)
}

// Link implements bot.Handover.
func (x botHandover) Link(g workflows.GrantID, holder workflows.PersonID) string {
	if x.s.pages == nil {
		return ""
	}
	return x.s.pages.NewLink(g, holder)
}

// decideURL is the page of a request for whoever approves it with more than a click; empty when there are no pages.
func (s *serving) decideURL(id workflows.RequestID) string {
	if s.pages == nil {
		return ""
	}
	return s.pages.DecideURL(id)
}

// emergencyURL is the page for emergencies; "" when no page is served.
func (s *serving) emergencyURL() string {
	if s.pages == nil {
		return ""
	}
	return s.pages.EmergencyURL()
}

// SetKey implements bot.Handover.
func (x botHandover) SetKey(ctx context.Context, by workflows.Acting, cause desk.Cause, text string) (string, *workflows.Refusal, error) {
	return x.s.setKey(ctx, by, cause, text, "slack-click", "slack")
}

// pageSecrets joins the pages to the safe.
type pageSecrets struct {
	hand *handovers
	desk *desk.Desk
}

// Waiting implements web.Secrets.
func (x pageSecrets) Waiting(ctx context.Context, id workflows.GrantID) (web.Waiting, bool, error) {
	h, err := x.desk.SecretAt(ctx, id)
	if errors.Is(err, workflows.ErrNoStream) {
		return web.Waiting{}, false, nil
	}
	secret := h.Hold.Secret
	if err != nil || !secret.Waits() || secret.TakenAt.UTC != 0 {
		return web.Waiting{}, false, err
	}
	a := h.Hold.Approved
	return web.Waiting{What: a.TargetTitle + " – " + a.Title, Until: secret.Kept.Until, Holder: h.Hold.Holder()}, true, nil
}

// Take implements web.Secrets.
func (x pageSecrets) Take(ctx context.Context, t web.Taking) (web.Secret, *workflows.Refusal, error) {
	h, no, err := x.hand.take(ctx, desk.TakeSecret{By: t.By, Grant: t.Grant, Authn: t.Authn, Channel: "web", From: t.From})
	if err != nil || no != nil {
		return web.Secret{}, no, err
	}
	out := web.Secret{Title: h.Title, Wrapped: h.Wrapped}
	for _, p := range h.Parts {
		out.Parts = append(out.Parts, web.Part{Name: p.Name, Value: p.Value.Reveal(), File: p.File})
	}
	return out, nil, nil
}

// pageAccounts says who somebody of the identity provider is.
type pageAccounts struct{ s *serving }

// Known implements web.Accounts. A subject is linked once, by a verified address that exactly one entry of the people file has, where the
// organisation links by address at all; from then on by the subject alone, whatever the address becomes.
func (x pageAccounts) Known(ctx context.Context, c web.Claims) (workflows.Acting, *workflows.Refusal, error) {
	s := x.s
	row, err := s.store.EnsureAccount(ctx, oidcMedium, c.Issuer+" "+c.Subject)
	if err != nil {
		return workflows.Acting{}, nil, err
	}
	by := workflows.Acting{Actor: row.Actor, Person: row.Person}
	people := s.desk.Policy().People
	if _, listed := people[row.Person]; listed {
		return by, nil, nil
	}
	var found []workflows.PersonID
	for id, p := range people {
		if p.Email != "" && c.Verified && strings.EqualFold(p.Email, c.Email) {
			found = append(found, id)
		}
	}
	if len(found) != 1 || !s.settings.LinkByEmail {
		return workflows.Acting{Actor: row.Actor}, workflows.Refuse(workflows.CodeUnlinked, "This login is nobody's in the people file.",
			"Let a code be sent to you in the chat instead. Logins are linked by a verified address where countersign.yaml says link_by_email."), nil
	}
	by.Person = found[0]
	if err := s.desk.Link(ctx, by.Person, identities.Linked{Account: row.Actor, Medium: oidcMedium, How: "e-mail", Name: people[by.Person].Name, User: row.Key}); err != nil {
		return by, nil, err
	}
	return by, nil, s.store.LinkAccount(ctx, row.Actor, by.Person)
}

// pageCodes opens the pages for emergencies.
type pageCodes struct{ s *serving }

// SignIn implements web.Codes.
func (x pageCodes) SignIn(ctx context.Context, name, code, from string) (workflows.Acting, *workflows.Refusal, error) {
	p := x.s.personNamed(strings.TrimSpace(name))
	if p == "" {
		no, err := x.s.desk.Refuse(ctx, "", workflows.System, "sign in", "web", "", workflows.Refuse(workflows.CodeBadCode,
			"This is no code of yours.", "Type it as printed; the dashes do not matter. Your name is the one in the people file, or your e-mail address."))
		return workflows.Acting{}, no, err
	}
	by, err := x.s.codeAccount(ctx, p)
	if err != nil {
		return by, nil, err
	}
	res, err := x.s.desk.UseCode(ctx, desk.UseCode{By: by, Code: code, Use: identities.UsePage, What: "sign in", Channel: "web", From: from})
	return by, res.Refusal, err
}

// codeAccount is the account with which a person acts who has shown a one-time code.
func (s *serving) codeAccount(ctx context.Context, p workflows.PersonID) (workflows.Acting, error) {
	row, err := s.store.EnsureAccount(ctx, codeMedium, string(p))
	if err != nil || row.Person == p {
		return workflows.Acting{Actor: row.Actor, Person: p}, err
	}
	if err := s.desk.Link(ctx, p, identities.Linked{Account: row.Actor, Medium: codeMedium, How: "one-time code", Name: s.desk.Policy().People[p].Name, User: row.Key}); err != nil {
		return workflows.Acting{}, err
	}
	return workflows.Acting{Actor: row.Actor, Person: p}, s.store.LinkAccount(ctx, row.Actor, p)
}

// certificate is read again when its file has changed: renewals need no restart.
type certificate struct {
	cert, key string
	mu        sync.Mutex
	at        time.Time
	have      *tls.Certificate
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	info, err := os.Stat(c.cert)
	if err == nil && c.have != nil && info.ModTime().Equal(c.at) {
		return c.have, nil
	}
	pair, loadErr := tls.LoadX509KeyPair(c.cert, c.key)
	if err = errors.Join(err, loadErr); err != nil {
		if c.have != nil {
			return c.have, nil // half a renewal: the old one serves until it is whole
		}
		return nil, fmt.Errorf("reading the certificate of the pages: %w", err)
	}
	c.have, c.at = &pair, info.ModTime()
	return c.have, nil
}

// secured puts TLS in front of a listener, where this process ends it. Workloads of the doors may prove themselves with certificates there.
func (c Config) secured(l net.Listener, doors func() []api.Door) (net.Listener, error) {
	if c.TLSCert == "" {
		return l, nil
	}
	if err := private(c.TLSKey); err != nil {
		return nil, err
	}
	pair := &certificate{cert: c.TLSCert, key: c.TLSKey}
	if _, err := pair.get(nil); err != nil {
		return nil, err
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: pair.get, NextProtos: []string{"http/1.1"}}
	config.GetConfigForClient = api.ClientCertificates(doors, config.Clone())
	return tls.NewListener(l, config), nil
}
