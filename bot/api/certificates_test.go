package api_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/countersign-bot/countersign/bot/api"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// domain is the X.509 authority of a SPIFFE trust domain.
type domain struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newDomain(t *testing.T, name string) *domain {
	t.Helper()
	d := &domain{t: t}
	self := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	var raw []byte
	raw, d.key = d.signed(self, self, nil)
	var err error
	if d.cert, err = x509.ParseCertificate(raw); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *domain) signed(c, by *x509.Certificate, with *ecdsa.PrivateKey) ([]byte, *ecdsa.PrivateKey) {
	d.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		d.t.Fatal(err)
	}
	if with == nil {
		with = key
	}
	raw, err := x509.CreateCertificate(rand.Reader, c, by, key.Public(), with)
	if err != nil {
		d.t.Fatal(err)
	}
	return raw, key
}

// bundle is the trust domain's as it publishes it.
func (d *domain) bundle() string {
	d.t.Helper()
	raw, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: d.key.Public(), Use: "x509-svid", Certificates: []*x509.Certificate{d.cert}}}})
	if err != nil {
		d.t.Fatal(err)
	}
	return string(raw)
}

// svid is a workload's certificate; change makes it a wrong one.
func (d *domain) svid(change func(*x509.Certificate), names ...string) *tls.Certificate {
	d.t.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, BasicConstraintsValid: true,
	}
	for _, n := range names {
		u, err := url.Parse(n)
		if err != nil {
			d.t.Fatal(err)
		}
		c.URIs = append(c.URIs, u)
	}
	if change != nil {
		change(c)
	}
	raw, key := d.signed(c, d.cert, d.key)
	return &tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}
}

// mutual is the API over TLS.
type mutual struct {
	t      *testing.T
	server *httptest.Server
	host   string // that is called; empty: the server's address
}

func (w *world) overTLS() mutual {
	server := httptest.NewUnstartedServer(api.New(api.Config{Office: w.office, Now: w.now, Version: "test", Log: slog.New(slog.DiscardHandler)}))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	server.TLS.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		c := server.TLS.Clone() // with the certificate that StartTLS puts there
		return api.ClientCertificates(w.office.Doors, c)(hello)
	}
	server.StartTLS()
	w.t.Cleanup(server.Close)
	return mutual{t: w.t, server: server}
}

// call makes one call with a certificate, which the caller sends whether or not the server would take it. asked is whether the server wanted one.
func (m mutual) call(method, path, bearer string, cert *tls.Certificate) (code int, body []byte, asked bool) {
	m.t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(m.server.Certificate())
	client := http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{
		RootCAs: roots, ServerName: m.host, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if asked = true; cert == nil {
				return &tls.Certificate{}, nil
			}
			return cert, nil
		},
	}}}
	req, err := http.NewRequestWithContext(m.t.Context(), method, m.server.URL+path, nil)
	if err != nil {
		m.t.Fatal(err)
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	resp, err := client.Do(req)
	if err != nil {
		m.t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err = io.ReadAll(resp.Body); err != nil {
		m.t.Fatal(err)
	}
	return resp.StatusCode, body, asked
}

// TestReq_R112_X509SVID: a workload proves itself with the certificate of its trust domain over mutual TLS. What another domain signed, another name,
// two names, an authority's own, one for servers, one that lives too long, is over or is not valid yet opens nothing, and the claim is named. The
// session is good with that certificate only, and where no identity takes certificates nobody is asked for one.
func TestReq_R112_X509SVID(t *testing.T) {
	w := start(t)
	const name = "spiffe://prod.example.com/ns/shop/sa/web"
	prod, other := newDomain(t, "prod.example.com"), newDomain(t, "prod.example.com")
	m := w.overTLS()
	good := prod.svid(nil, name)
	if code, body, asked := m.call("POST", "/v1/session", "", good); code != http.StatusUnauthorized || asked {
		t.Errorf("no identity takes certificates, and asked for one is %t: %d %s", asked, code, body)
	}
	w.office.doors = append(w.office.doors, api.Door{Identity: "svc-shop", Workload: desk.Workload{
		Issuer: "spiffe://prod.example.com", Audience: audience, Subject: name, Keys: prod.bundle(),
	}})
	code, body, _ := m.call("POST", "/v1/session", "", good)
	var begun struct{ Session, Identity string }
	if code != http.StatusCreated || json.Unmarshal(body, &begun) != nil || begun.Identity != "svc-shop" {
		t.Fatalf("%d %s", code, body)
	}
	if code, body, _ := m.call("POST", "/v1/session", "", good); code != http.StatusCreated {
		t.Errorf("the holder of the key comes again: %d %s", code, body)
	}
	for what, c := range map[string]struct {
		cert *tls.Certificate
		want int
	}{"with its certificate": {good, 200}, "without one": {nil, 401}, "with a newer one": {prod.svid(nil, name), 401}} {
		if code, body, _ := m.call("GET", "/v1/me", begun.Session, c.cert); code != c.want {
			t.Errorf("the session %s: %d %s", what, code, body)
		}
	}
	if code, _ := w.call("GET", "/v1/me", begun.Session, nil); code != http.StatusUnauthorized {
		t.Errorf("the session without TLS: %d", code)
	}
	after := func(from, to time.Duration) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.NotBefore, c.NotAfter = time.Now().Add(from), time.Now().Add(to) }
	}
	for what, c := range map[string]struct {
		cert  *tls.Certificate
		claim string
	}{
		"another domain's":     {other.svid(nil, name), "iss"},
		"another workload":     {prod.svid(nil, "spiffe://prod.example.com/ns/shop/sa/admin"), "sub"},
		"another trust domain": {prod.svid(nil, "spiffe://staging.example.com/ns/shop/sa/web"), "sub"},
		"two names":            {prod.svid(nil, name, "spiffe://prod.example.com/ns/shop/sa/admin"), "sub"},
		"no name":              {prod.svid(nil), "sub"},
		"a name of the web":    {prod.svid(nil, "https://prod.example.com/ns/shop/sa/web"), "sub"},
		"an authority":         {prod.svid(func(c *x509.Certificate) { c.IsCA, c.KeyUsage = true, c.KeyUsage|x509.KeyUsageCertSign }, name), "sub"},
		"for servers": {prod.svid(func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		}, name), "iss"},
		"not for signatures": {prod.svid(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement }, name), "key_usage"},
		"lives too long":     {prod.svid(after(-time.Minute, 48*time.Hour), name), "exp"},
		"over":               {prod.svid(after(-time.Hour, -time.Minute), name), "exp"},
		"not valid yet":      {prod.svid(after(time.Hour, 2*time.Hour), name), "nbf"},
	} {
		if code, body, _ := m.call("POST", "/v1/session", "", c.cert); code != http.StatusUnauthorized || problemOf(t, body).Claim != c.claim {
			t.Errorf("%s: %d %s, want the claim %s", what, code, body, c.claim)
		}
	}
	twin := w.office.doors[len(w.office.doors)-1]
	twin.Identity = "svc-other"
	w.office.doors = append(w.office.doors, twin)
	if code, body, _ := m.call("POST", "/v1/session", "", good); code != http.StatusUnauthorized || !strings.Contains(string(body), "more than one identity") {
		t.Errorf("of two identities: %d %s", code, body)
	}
	// The key of an authority signs certificates and no tokens.
	jwt := sign(t, jose.SigningKey{Algorithm: jose.ES256, Key: prod.key}, map[string]any{"sub": name, "aud": audience, "exp": time.Now().Add(time.Minute).Unix()})
	if code, body := w.call("POST", "/v1/session", jwt, nil); code != http.StatusUnauthorized || problemOf(t, body).Claim != "signature" {
		t.Errorf("a token of an authority's key: %d %s", code, body)
	}
}

// pem is the certificate of the authority.
func (d *domain) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: d.cert.Raw}))
}

// TestReq_R58_ClientCertificatesOfAnAuthority: beside SPIFFE a workload comes with a certificate of any authority that its entry pins, under the one name
// that the entry says. Another authority's, another name, one of several names, one called under another host, one that is over or lives too long opens
// nothing, and the claim is named; no token is taken there.
func TestReq_R58_ClientCertificatesOfAnAuthority(t *testing.T) {
	w := start(t)
	const name = "build-7.corp.example.com"
	corp, other := newDomain(t, "Corp CA"), newDomain(t, "Corp CA")
	m := w.overTLS()
	m.host = "example.com" // of the test server's own certificate
	door := func(id workflows.IdentityID, subject string) api.Door {
		return api.Door{Identity: id, Workload: desk.Workload{Issuer: "tls://corp-ca", Audience: "example.com", Subject: subject, Keys: corp.pem()}}
	}
	w.office.doors = append(w.office.doors, door("svc-shop", "dns:"+name), door("svc-other", "dn:CN=build-8,O=Corp"))
	dns := func(names ...string) func(*x509.Certificate) { return func(c *x509.Certificate) { c.DNSNames = names } }
	good := corp.svid(dns(name))
	code, body, asked := m.call("POST", "/v1/session", "", good)
	var begun struct{ Session, Identity string }
	if code != http.StatusCreated || json.Unmarshal(body, &begun) != nil || begun.Identity != "svc-shop" || !asked {
		t.Fatalf("%d %s (asked for a certificate: %t)", code, body, asked)
	}
	for what, c := range map[string]struct {
		cert *tls.Certificate
		want int
	}{"with its certificate": {good, 200}, "without one": {nil, 401}, "with a newer one": {corp.svid(dns(name)), 401}} {
		if code, body, _ := m.call("GET", "/v1/me", begun.Session, c.cert); code != c.want {
			t.Errorf("the session %s: %d %s", what, code, body)
		}
	}
	named := corp.svid(func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: "build-8", Organization: []string{"Corp"}}
	})
	if code, body, _ := m.call("POST", "/v1/session", "", named); code != http.StatusCreated || !strings.Contains(string(body), "svc-other") {
		t.Errorf("by its subject: %d %s", code, body)
	}
	for what, c := range map[string]struct {
		cert  *tls.Certificate
		claim string
	}{
		"another authority's":     {other.svid(dns(name)), "iss"},
		"another name":            {corp.svid(dns("build-9.corp.example.com")), "sub"},
		"several names":           {corp.svid(dns(name, "build-9.corp.example.com")), "sub"},
		"the name in the subject": {corp.svid(func(c *x509.Certificate) { c.Subject.CommonName = name }), "sub"},
		"a subject with more": {corp.svid(func(c *x509.Certificate) {
			c.Subject = pkix.Name{CommonName: "build-8", Organization: []string{"Corp", "Guest"}}
		}), "sub"},
		"a name of SPIFFE as well": {corp.svid(dns(name), "spiffe://corp.example.com/build-7"), "sub"},
		"an authority":             {corp.svid(func(c *x509.Certificate) { c.DNSNames, c.IsCA = []string{name}, true }), "sub"},
		"for servers": {corp.svid(func(c *x509.Certificate) {
			c.DNSNames, c.ExtKeyUsage = []string{name}, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		}), "iss"},
		"not for signatures": {corp.svid(func(c *x509.Certificate) { c.DNSNames, c.KeyUsage = []string{name}, x509.KeyUsageKeyAgreement }), "key_usage"},
		"over":               {corp.svid(func(c *x509.Certificate) { c.DNSNames, c.NotAfter = []string{name}, time.Now().Add(-time.Second) }), "exp"},
		"lives too long":     {corp.svid(func(c *x509.Certificate) { c.DNSNames, c.NotBefore = []string{name}, time.Now().Add(-400*24*time.Hour) }), "exp"},
		"not valid yet":      {corp.svid(func(c *x509.Certificate) { c.DNSNames, c.NotBefore = []string{name}, time.Now().Add(time.Minute*5) }), "nbf"},
	} {
		if code, body, _ := m.call("POST", "/v1/session", "", c.cert); code != http.StatusUnauthorized || problemOf(t, body).Claim != c.claim {
			t.Errorf("%s: %d %s, want the claim %s", what, code, body, c.claim)
		}
	}
	m.host = "" // an address has no name
	if code, body, _ := m.call("POST", "/v1/session", "", good); code != http.StatusUnauthorized || problemOf(t, body).Claim != "aud" {
		t.Errorf("under another host: %d %s", code, body)
	}
	jwt := sign(t, jose.SigningKey{Algorithm: jose.ES256, Key: corp.key}, map[string]any{
		"iss": "tls://corp-ca", "sub": "dns:" + name, "aud": "example.com", "exp": time.Now().Add(time.Minute).Unix(),
	})
	if code, body := w.call("POST", "/v1/session", jwt, nil); code != http.StatusUnauthorized || problemOf(t, body).Claim != "iss" {
		t.Errorf("a token of the authority's key: %d %s", code, body)
	}
}
