package api

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// Door is one way in: tokens like this act as this identity.
type Door struct {
	Identity workflows.IdentityID
	desk.Workload
}

// Proof is what a verified token says.
type Proof struct {
	Identity workflows.IdentityID
	Issuer   string
	Subject  string
	Token    string // sha256 of its issuer and id; of the whole token where it has no id
	Expires  time.Time
	Authn    string // "oidc", "spiffe-jwt", "spiffe-x509" or "mutual-tls"
	door     Door
	chains   [][]*x509.Certificate // of the certificate, where it is one, to the authorities that signed it
}

// TokenError says what is wrong with a token, naming the claim. Its text holds nothing of the token but claims that were asked about.
type TokenError struct {
	Claim string // "signature", "alg", "aud", "exp", …
	Text  string
}

func (e *TokenError) Error() string { return e.Text }

func wrong(claim, format string, args ...any) error {
	return &TokenError{claim, fmt.Sprintf(format, args...)}
}

const spiffeScheme = "spiffe://"

// Tokens verifies tokens. It keeps the keys of issuers and fetches them again when a token is signed by one that is not known. It is safe for
// concurrent use.
type Tokens struct {
	doors  func() []Door
	client *http.Client
	now    func() time.Time

	mu   sync.Mutex
	keys map[string]oidc.KeySet // by issuer, fetched
}

// NewTokens makes a verifier; doors gives the ways in that are in force now. client fetches keys; nil takes one with limits. now is real time:
// signatures do not wait for a demo's clock.
func NewTokens(doors func() []Door, client *http.Client, now func() time.Time) *Tokens {
	if client == nil {
		client = &http.Client{
			Timeout: fetchTimeout, Transport: limited{http.DefaultTransport},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	return &Tokens{doors: doors, client: client, now: now, keys: map[string]oidc.KeySet{}}
}

// limited cuts what an issuer answers.
type limited struct{ next http.RoundTripper }

func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.next.RoundTrip(r)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, maxFetched), resp.Body}
	}
	return resp, err
}

func algorithms() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA}
}

// claims are those of a token, each as text.
type claims map[string]any

func (c claims) text(name string) (string, bool) {
	switch v := c[name].(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case json.Number:
		return v.String(), true
	}
	return "", false
}

// Verify checks a token and finds the one identity that it acts as. Its errors are *TokenError, or an issuer that could not be asked.
func (t *Tokens) Verify(ctx context.Context, raw string) (Proof, error) {
	if raw == "" || len(raw) > maxToken {
		return Proof{}, wrong("token", "want a token of at most %d bytes", maxToken)
	}
	parsed, err := jwt.ParseSigned(raw, algorithms())
	if err != nil {
		return Proof{}, wrong("alg", "this is no JSON Web Token signed with a public key algorithm (RS, PS, ES or EdDSA)")
	}
	var said jwt.Claims
	if err := parsed.UnsafeClaimsWithoutVerification(&said); err != nil {
		return Proof{}, wrong("token", "the claims of this token cannot be read")
	}
	candidates := t.candidates(said)
	if len(candidates) == 0 {
		return Proof{}, wrong("iss", "no identity takes tokens of this issuer and subject (iss, sub)")
	}
	var last error
	var found []Proof
	for _, d := range candidates {
		p, err := t.through(ctx, d, raw)
		if err != nil {
			last = err
			continue
		}
		found = append(found, p)
	}
	switch {
	case len(found) == 0:
		return Proof{}, last
	case slices.ContainsFunc(found, func(p Proof) bool { return p.Identity != found[0].Identity }):
		return Proof{}, wrong("sub", "this token fits more than one identity, so it acts as none")
	}
	return found[0], nil
}

// candidates are the doors for an issuer and subject. A JWT-SVID need not name an issuer: its subject names the trust domain.
func (t *Tokens) candidates(said jwt.Claims) (out []Door) {
	for _, d := range t.doors() {
		if isTLS(d) {
			continue // certificates, no tokens
		}
		issuer := said.Issuer
		if strings.HasPrefix(d.Issuer, spiffeScheme) && strings.HasPrefix(said.Subject, d.Issuer+"/") {
			issuer = d.Issuer
		}
		if d.Issuer == issuer && d.Subject == said.Subject {
			out = append(out, d)
		}
	}
	return out
}

// through checks a token against one door.
func (t *Tokens) through(ctx context.Context, d Door, raw string) (Proof, error) {
	keys, err := t.keysOf(ctx, d)
	if err != nil {
		return Proof{}, err
	}
	ctx = oidc.ClientContext(ctx, t.client)
	payload, err := keys.VerifySignature(ctx, raw)
	if err != nil && strings.Contains(err.Error(), "fetching keys") { // go-oidc has no type for it
		return Proof{}, fmt.Errorf("asking the issuer %s for its keys: %w", d.Issuer, err)
	}
	if err != nil {
		return Proof{}, wrong("signature", "the signature is not one of the issuer's keys")
	}
	var said jwt.Claims
	all := claims{}
	dec := json.NewDecoder(strings.NewReader(string(payload)))
	dec.UseNumber()
	if json.Unmarshal(payload, &said) != nil || dec.Decode(&all) != nil {
		return Proof{}, wrong("token", "the claims of this token cannot be read")
	}
	if err := t.times(said, d); err != nil {
		return Proof{}, err
	}
	if !slices.Contains(said.Audience, d.Audience) {
		return Proof{}, wrong("aud", "the token is made for another audience (aud); ask for one for %q", d.Audience)
	}
	if err := pinned(all, d); err != nil {
		return Proof{}, err
	}
	if err := open(d, t.now()); err != nil {
		return Proof{}, err
	}
	p := Proof{Identity: d.Identity, Issuer: d.Issuer, Subject: said.Subject, Expires: said.Expiry.Time(), Authn: "oidc", door: d}
	if strings.HasPrefix(d.Issuer, spiffeScheme) {
		p.Authn = "spiffe-jwt"
	}
	name := raw
	if said.ID != "" {
		name = d.Issuer + "\n" + said.ID
	}
	sum := sha256.Sum256([]byte(name))
	p.Token = hex.EncodeToString(sum[:])
	return p, nil
}

func (t *Tokens) times(said jwt.Claims, d Door) error {
	now, longest := t.now(), maxTokenLife
	if strings.HasPrefix(d.Issuer, spiffeScheme) {
		longest = maxSPIFFELife
	}
	switch {
	case said.Expiry == nil:
		return wrong("exp", "the token never expires (exp), so it is not taken")
	case !now.Before(said.Expiry.Time()): // no grace: whoever is late gets a fresh one
		return wrong("exp", "the token has expired (exp)")
	case said.NotBefore != nil && now.Add(skew).Before(said.NotBefore.Time()):
		return wrong("nbf", "the token is not valid yet (nbf)")
	case said.IssuedAt != nil && now.Add(skew).Before(said.IssuedAt.Time()):
		return wrong("iat", "the token was issued in the future (iat)")
	case said.IssuedAt == nil && said.Expiry.Time().Sub(now) > longest, said.IssuedAt != nil && said.Expiry.Time().Sub(said.IssuedAt.Time()) > longest:
		return wrong("exp", "the token lives longer than %v (exp), so it is not taken", longest)
	}
	return nil
}

func pinned(all claims, d Door) error {
	for name, want := range d.Claims {
		got, ok := all.text(name)
		if !ok {
			return wrong(name, "the token lacks the claim %s", name)
		}
		if got != want {
			return wrong(name, "the claim %s of the token is not the one that was agreed", name)
		}
	}
	return nil
}

// open tells whether a door is open at this hour.
func open(d Door, now time.Time) error {
	if d.Hours == "" {
		return nil
	}
	week, err := calendar.ParseHours(d.Hours)
	if err != nil {
		return wrong("hours", "the hours of this workload cannot be read")
	}
	zone, err := time.LoadLocation(d.Zone)
	if err != nil {
		return wrong("hours", "the zone of this workload's hours is not known")
	}
	h, err := calendar.NewHours(calendar.Plan{Zone: zone, Week: week})
	if err != nil {
		return wrong("hours", "the hours of this workload cannot be reckoned with")
	}
	if !h.IsOpen(workflows.StampOf(now)) {
		return wrong("hours", "this workload may ask %s (%s) only", d.Hours, d.Zone)
	}
	return nil
}

// keysOf gives the keys of a door's issuer: those that the entry pins, or those that the issuer publishes.
func (t *Tokens) keysOf(ctx context.Context, d Door) (oidc.KeySet, error) {
	if d.Keys != "" {
		return pinnedKeys(d.Keys)
	}
	t.mu.Lock()
	keys, ok := t.keys[d.Issuer]
	t.mu.Unlock()
	if ok {
		return keys, nil
	}
	// Discovery happens once per issuer; the set follows the issuer's rotation by itself, within its own context.
	ctx = oidc.ClientContext(context.WithoutCancel(ctx), t.client)
	p, err := oidc.NewProvider(ctx, d.Issuer)
	if err != nil {
		return nil, fmt.Errorf("asking the issuer %s for its keys: %w", d.Issuer, err)
	}
	var about struct {
		Keys string `json:"jwks_uri"`
	}
	if err := p.Claims(&about); err != nil || about.Keys == "" {
		return nil, fmt.Errorf("asking the issuer %s for its keys: %w", d.Issuer, errors.Join(errNoKeys, err))
	}
	keys = oidc.NewRemoteKeySet(ctx, about.Keys)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.keys[d.Issuer] = keys
	return keys, nil
}

var errNoKeys = errors.New("it names no key set")

// keySet verifies with keys by their id, as a published set would.
type keySet struct{ set jose.JSONWebKeySet }

func pinnedKeys(raw string) (oidc.KeySet, error) {
	var k keySet
	if err := json.Unmarshal([]byte(raw), &k.set); err != nil {
		return nil, fmt.Errorf("reading the pinned keys: %w", err)
	}
	return k, nil
}

// VerifySignature implements oidc.KeySet.
func (k keySet) VerifySignature(_ context.Context, raw string) ([]byte, error) {
	sig, err := jose.ParseSignedCompact(raw, algorithms())
	if err != nil || len(sig.Signatures) != 1 {
		return nil, errors.New("not one signature")
	}
	h := sig.Signatures[0].Header
	for _, key := range k.set.Keys {
		if key.Use == useX509 || h.KeyID != "" && key.KeyID != "" && h.KeyID != key.KeyID || key.Algorithm != "" && key.Algorithm != h.Algorithm || !key.IsPublic() {
			continue
		}
		if payload, err := sig.Verify(key.Key); err == nil {
			return payload, nil
		}
	}
	return nil, errors.New("no key fits")
}
