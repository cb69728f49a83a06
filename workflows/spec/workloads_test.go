package spec_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows/spec"
)

// TestReq_R91_TrustInTokensIsPinned holds that the folder cannot trust more tokens than it means: no pattern for a subject, no token of an
// issuer that signs for everybody without the ids that say for whom, no token without an audience, no two identities for one token.
func TestReq_R91_TrustInTokensIsPinned(t *testing.T) {
	t.Parallel()
	const end = "    expires: 2027-06-30\n"
	entry := func(lines ...string) string {
		return end + "    workloads:\n      - " + strings.Join(lines, "\n        ") + "\n"
	}
	iss, aud, sub := "issuer: https://ci.example.com", "audience: bot.example.com", "subject: repo:northwind/shop"
	actions := "issuer: https://token.actions.githubusercontent.com"
	for name, c := range map[string]struct{ text, says string }{
		"as it should be":          {entry(iss, aud, sub), ""},
		"of everybody's issuer":    {entry(actions, aud, sub, `claims: {repository_id: "4711", environment: production}`), ""},
		"any subject":              {entry(iss, aud, "subject: repo:northwind/*"), "looks like a pattern"},
		"any claim":                {entry(iss, aud, sub, `claims: {ref: "refs/heads/*"}`), "looks like a pattern"},
		"everybody's repositories": {entry(actions, aud, sub, "claims: {environment: production}"), "the claim repository_id must be pinned"},
		"every environment":        {entry(actions, aud, sub, `claims: {repository_id: "4711"}`), "the claim environment must be pinned"},
		"no audience":              {entry(iss, sub), "audience is missing"},
		"no subject":               {entry(iss, aud), "subject is missing"},
	} {
		f := org(t)
		edit(t, f, "identities.yaml", end, c.text)
		_, err := spec.Load(f, connectors())
		switch {
		case c.says == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}

// TestReq_R112_TheBundleOfATrustDomain: an entry may hold the bundle of its trust domain as it is published, with the certificates of its authorities. A
// workload's own certificate in the place of an authority's, none at all, and a trust domain without any key are mistakes that are named.
func TestReq_R112_TheBundleOfATrustDomain(t *testing.T) {
	t.Parallel()
	const end = "    expires: 2027-06-30\n"
	entry := func(x5c string) string {
		out := end + "    workloads:\n      - issuer: spiffe://prod.example.com\n        audience: bot.example.com\n        subject: spiffe://prod.example.com/sa/web\n"
		if x5c != "" {
			out += `        keys: '{"keys": [{"use": "x509-svid", "kty": "EC", "x5c": [` + x5c + "]}]}'\n"
		}
		return out
	}
	for name, c := range map[string]struct{ text, says string }{
		"an authority":   {entry(certificate(t, true)), ""},
		"a workload's":   {entry(certificate(t, false)), "no certificate of an authority"},
		"no certificate": {entry(`"bm8="`), "no certificate of an authority"},
		"two in one":     {entry(certificate(t, true) + "," + certificate(t, true)), "no certificate of an authority"},
		"nothing":        {entry(""), "the keys of a trust domain are not fetched"},
	} {
		f := org(t)
		edit(t, f, "identities.yaml", end, c.text)
		_, err := spec.Load(f, connectors())
		switch {
		case c.says == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}

// certificate is one as x5c has it.
func certificate(t *testing.T, isCA bool) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: isCA, BasicConstraintsValid: true}
	raw, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return `"` + base64.StdEncoding.EncodeToString(raw) + `"`
}

// TestReq_R58_AuthoritiesOfClientCertificates: an entry pins the authority and the one name of its certificates; anything that leaves one open is named.
func TestReq_R58_AuthoritiesOfClientCertificates(t *testing.T) {
	t.Parallel()
	const end = "    expires: 2027-06-30\n"
	block := func(authority bool) string {
		raw, err := base64.StdEncoding.DecodeString(strings.Trim(certificate(t, authority), `"`))
		if err != nil {
			t.Fatal(err)
		}
		return "|\n          " + strings.ReplaceAll(strings.TrimSpace(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}))), "\n", "\n          ")
	}
	ca := block(true)
	entry := func(issuer, subject, keys, more string) string {
		return end + "    workloads:\n      - issuer: " + issuer + "\n        audience: bot.example.com\n        subject: \"" + subject + "\"\n        keys: " + keys + "\n" + more
	}
	for name, c := range map[string]struct{ text, says string }{
		"by a DNS name":         {entry("tls://corp-ca", "dns:build-7.example.com", ca, ""), ""},
		"by the whole subject":  {entry("tls://corp-ca", "dn:CN=build-7,O=Example", ca, ""), ""},
		"which name":            {entry("tls://corp-ca", "build-7.example.com", ca, ""), "does not say which name"},
		"any name":              {entry("tls://corp-ca", "dns:*.example.com", ca, ""), "looks like a pattern"},
		"a name of SPIFFE":      {entry("tls://corp-ca", "uri:spiffe://corp/sa/web", ca, ""), "belongs to its trust domain"},
		"a workload's own":      {entry("tls://corp-ca", "dns:build-7.example.com", block(false), ""), "no certificate of an authority"},
		"a key set":             {entry("tls://corp-ca", "dns:build-7.example.com", `'{"keys": [{"kty": "EC"}]}'`, ""), "who signs the client certificates"},
		"a private key":         {entry("tls://corp-ca", "dns:build-7.example.com", "|\n          -----BEGIN PRIVATE KEY-----\n          AAAA\n          -----END PRIVATE KEY-----", ""), "looks like a private key"},
		"broken":                {entry("tls://corp-ca", "dns:build-7.example.com", "|\n          -----BEGIN CERTIFICATE-----\n          AAAA", ""), "looks like a private key or certificate"},
		"a list of revoked":     {entry("tls://corp-ca", "dns:build-7.example.com", ca, "        crl: http://pki.example.com/corp.crl\n"), ""},
		"a list in a file":      {entry("tls://corp-ca", "dns:build-7.example.com", ca, "        crl: file:///etc/corp.crl\n"), "want https://, got"},
		"a list of an issuer":   {entry("https://ci.example.com", "repo:shop", `'{"keys": [{"kty": "EC"}]}'`, "        crl: http://pki.example.com/corp.crl\n"), "for client certificates of an authority"},
		"claims":                {entry("tls://corp-ca", "dns:build-7.example.com", ca, "        claims: {ref: main}\n"), "a certificate has no claims"},
		"an authority by a URL": {entry("tls://corp ca/x", "dns:build-7.example.com", ca, ""), "bad name of an authority"},
		"of an issuer":          {entry("https://ci.example.com", "repo:shop", ca, ""), "are not signed by certificates"},
	} {
		f := org(t)
		edit(t, f, "identities.yaml", end, c.text)
		_, err := spec.Load(f, connectors())
		switch {
		case c.says == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}
