package api_test

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/api"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// list is the authority's list of certificates that it revoked; change makes it a wrong one.
func (d *domain) list(change func(*x509.RevocationList), serials ...*big.Int) []byte {
	d.t.Helper()
	l := &x509.RevocationList{Number: big.NewInt(time.Now().UnixNano()), ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(time.Hour)}
	for _, s := range serials {
		l.RevokedCertificateEntries = append(l.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: s, RevocationTime: time.Now()})
	}
	if change != nil {
		change(l)
	}
	raw, err := x509.CreateRevocationList(rand.Reader, l, d.cert, d.key)
	if err != nil {
		d.t.Fatal(err)
	}
	return raw
}

// below is an authority that another one signed.
func (d *domain) below(name string) *domain {
	d.t.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(77), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	raw, key := d.signed(c, d.cert, d.key)
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		d.t.Fatal(err)
	}
	return &domain{t: d.t, cert: cert, key: key}
}

// shelf is where an authority publishes its list; none: it is away.
type shelf struct {
	mu   sync.Mutex
	raw  []byte
	gets int
}

func (s *shelf) put(raw []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.raw = raw
}

func (s *shelf) fetched() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gets
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gets++; s.raw == nil {
		http.Error(w, "away", http.StatusBadGateway)
		return
	}
	_, _ = w.Write(s.raw)
}

func serialOf(t *testing.T, c *tls.Certificate) *big.Int {
	t.Helper()
	x, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return x.SerialNumber
}

// TestReq_R58_RevokedClientCertificates: a certificate that its authority revoked opens nothing, and ends the session that it had opened, at the latest
// when the list is read again. A list that is out of date, from the future, of a part, of another authority of the same name, or not there lets nobody in,
// and the claim is named; one that was read is good until it says otherwise itself, although its place is away.
func TestReq_R58_RevokedClientCertificates(t *testing.T) {
	w := start(t)
	corp, twin := newDomain(t, "Corp CA"), newDomain(t, "Corp CA")
	s := &shelf{}
	place := httptest.NewServer(s)
	t.Cleanup(place.Close)
	clock := &clock{}
	w.now = clock.now
	w.office.doors = append(w.office.doors, api.Door{Identity: "svc-shop", Workload: desk.Workload{
		Issuer: "tls://corp-ca", Audience: "example.com", Subject: "dns:build-7", Keys: corp.pem(), CRL: place.URL + "/corp.crl",
	}})
	named := func(c *x509.Certificate) { c.DNSNames = []string{"build-7"} }
	stolen, good := corp.svid(named), corp.svid(named)
	begin := func(m mutual, what string, c *tls.Certificate, want int, claim string) string {
		t.Helper()
		code, body, _ := m.call("POST", "/v1/session", "", c)
		if code != want || code != http.StatusCreated && problemOf(t, body).Claim != claim {
			t.Errorf("%s: %d %s, want %d and the claim %q", what, code, body, want, claim)
		}
		var begun struct{ Session string }
		_ = json.Unmarshal(body, &begun) // of a problem there is none
		return begun.Session
	}
	fresh := func() mutual { // has read no list yet
		m := w.overTLS()
		m.host = "example.com"
		return m
	}

	m := fresh()
	begin(m, "no list to be had", stolen, http.StatusServiceUnavailable, "")
	s.put(corp.list(nil))
	clock.pass(time.Minute) // after a failure it is asked for again soon
	session := begin(m, "not revoked", stolen, http.StatusCreated, "")
	before := s.fetched()
	if code, body, _ := m.call("GET", "/v1/me", session, stolen); code != http.StatusOK || s.fetched() != before {
		t.Errorf("with the list that was read: %d %s", code, body)
	}
	s.put(corp.list(nil, serialOf(t, stolen)))
	clock.pass(6 * time.Minute)
	if code, body, _ := m.call("GET", "/v1/me", session, stolen); code != http.StatusUnauthorized {
		t.Errorf("the session of a certificate that was revoked goes on: %d %s", code, body)
	}
	begin(m, "revoked", stolen, http.StatusUnauthorized, "revoked")
	begin(m, "another of the same name", good, http.StatusCreated, "")
	s.put(nil)
	clock.pass(6 * time.Minute)
	begin(m, "its place is away, revoked", stolen, http.StatusUnauthorized, "revoked")
	begin(m, "its place is away", good, http.StatusCreated, "")
	clock.pass(time.Hour)
	begin(m, "its place is away for too long", corp.svid(func(c *x509.Certificate) { named(c); c.NotAfter = time.Now().Add(4 * time.Hour) }), http.StatusUnauthorized, "crl")
	clock.back()

	part, err := asn1.Marshal(struct {
		OnlyUsers bool `asn1:"tag:1"`
	}{true})
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		raw   []byte
		code  int
		claim string
	}{
		"out of date": {corp.list(func(l *x509.RevocationList) {
			l.ThisUpdate, l.NextUpdate = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
		}), 401, "crl"},
		"from the future":                {corp.list(func(l *x509.RevocationList) { l.ThisUpdate = time.Now().Add(30 * time.Minute) }), 401, "crl"},
		"of another authority so called": {twin.list(nil), 401, "crl"},
		"of a part of its certificates": {corp.list(func(l *x509.RevocationList) {
			l.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Critical: true, Value: part}}
		}), 401, "crl"},
		"no list": {[]byte("<html>sign in</html>"), 503, ""},
		"out of date, but revoked it was": {corp.list(func(l *x509.RevocationList) {
			l.ThisUpdate, l.NextUpdate = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
		}, serialOf(t, good)), 401, "revoked"},
	} {
		s.put(c.raw)
		begin(fresh(), what, good, c.code, c.claim)
	}

	middle := corp.below("Corp Builds CA")
	leaf := middle.svid(named)
	leaf.Certificate = append(leaf.Certificate, middle.cert.Raw)
	several := func(lists ...[]byte) (out []byte) {
		for _, raw := range lists {
			out = append(out, pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: raw})...)
		}
		return out
	}
	for what, c := range map[string]struct {
		raw   []byte
		code  int
		claim string
	}{
		"of the authority above only":   {corp.list(nil), 401, "crl"},
		"of both authorities":           {several(corp.list(nil), middle.list(nil)), 201, ""},
		"of the one that signed it":     {middle.list(nil), 201, ""},
		"that authority is revoked":     {several(corp.list(nil, middle.cert.SerialNumber), middle.list(nil)), 401, "revoked"},
		"the same number, by the other": {several(corp.list(nil, serialOf(t, leaf)), middle.list(nil)), 201, ""},
	} {
		s.put(c.raw)
		begin(fresh(), what, leaf, c.code, c.claim)
	}
}
