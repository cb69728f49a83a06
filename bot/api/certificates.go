package api

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// A workload may prove itself with a certificate over mutual TLS instead of a token: with the X.509-SVID of a SPIFFE trust domain, or with one of any other
// authority. TLS proves that the caller has the key; what the certificate says is checked here, against the authorities that the entry of the identity pins.

// ClientCertificates asks callers for a certificate where an identity takes one. It is for tls.Config.GetConfigForClient: where none does, nobody is
// asked, so that browsers do not ask people.
func ClientCertificates(doors func() []Door, config *tls.Config) func(*tls.ClientHelloInfo) (*tls.Config, error) {
	return func(*tls.ClientHelloInfo) (*tls.Config, error) {
		pool, some := x509.NewCertPool(), false
		for _, d := range doors() {
			for _, c := range authorities(d) {
				pool.AddCert(c)
				some = true
			}
		}
		if !some {
			return nil, nil
		}
		c := config.Clone()
		c.GetConfigForClient, c.ClientCAs = nil, pool // named to the caller, so that it knows which of its certificates to send
		c.ClientAuth = tls.RequestClientCert          // each door has authorities of its own: verifyCert decides
		return c, nil
	}
}

// clientCert is the certificate that a call came with.
func clientCert(r *http.Request) (*x509.Certificate, bool) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil, false
	}
	return r.TLS.PeerCertificates[0], true
}

// holds tells whether a call came with a certificate.
func holds(r *http.Request, want [32]byte) bool {
	c, ok := clientCert(r)
	if !ok {
		return false
	}
	have := sha256.Sum256(c.Raw)
	return subtle.ConstantTimeCompare(have[:], want[:]) == 1
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// verifyCert checks the certificate of a call and finds the one identity that it acts as. Its errors are *TokenError, which name what a token would
// call the same: the authority is the issuer, the name the subject. Others are of a list of revoked certificates that could not be fetched.
func (s *Server) verifyCert(r *http.Request, doors []Door, now time.Time) (Proof, error) {
	leaf := r.TLS.PeerCertificates[0]
	name, err := spiffeName(leaf)
	longest := maxSVIDLife
	if err != nil {
		if !slices.ContainsFunc(doors, isTLS) {
			return Proof{}, err
		}
		if err := isWorkloads(leaf); err != nil {
			return Proof{}, err
		}
		longest = maxCertLife
	}
	switch {
	case now.Before(leaf.NotBefore.Add(-skew)):
		return Proof{}, wrong("nbf", "the certificate is not valid yet (not before)")
	case !now.Before(leaf.NotAfter):
		return Proof{}, wrong("exp", "the certificate has expired (not after)")
	case leaf.NotAfter.Sub(leaf.NotBefore) > longest:
		return Proof{}, wrong("exp", "the certificate lives longer than %v (not after), so it is not taken", longest)
	}
	last := wrong("sub", "no identity takes certificates of this name")
	var found []Proof
	for _, d := range doors {
		authn, subject := "spiffe-x509", name
		if isTLS(d) {
			if name != "" || !slices.Contains(namesOf(leaf), d.Subject) {
				continue
			}
			authn, subject = "mutual-tls", d.Subject
			if r.TLS.ServerName != d.Audience {
				last = wrong("aud", "the call was made to another name than %q, which this certificate is taken at (SNI)", d.Audience)
				continue
			}
		} else if name == "" || d.Subject != name {
			continue
		}
		chains, err := signedFor(authorities(d), leaf, r.TLS.PeerCertificates[1:], now)
		if err == nil {
			err = s.revoked.check(r.Context(), d, chains)
		}
		if err != nil {
			last = err
			continue
		}
		if err := open(d, now); err != nil {
			last = err
			continue
		}
		found = append(found, Proof{Identity: d.Identity, Issuer: d.Issuer, Subject: subject, Token: certUse(leaf), Expires: leaf.NotAfter, Authn: authn, door: d, chains: chains})
	}
	switch {
	case len(found) == 0:
		return Proof{}, last
	case slices.ContainsFunc(found, func(p Proof) bool { return p.Identity != found[0].Identity }):
		return Proof{}, wrong("sub", "this certificate fits more than one identity, so it acts as none")
	}
	return found[0], nil
}

// spiffeName is the name in an X.509-SVID: its one URI (the X.509-SVID standard, sections 2 and 4).
func spiffeName(leaf *x509.Certificate) (string, error) {
	if len(leaf.URIs) != 1 || !isSPIFFE(leaf.URIs[0]) {
		return "", wrong("sub", "want a certificate with exactly one name that is a URI, spiffe://…")
	}
	if err := isWorkloads(leaf); err != nil {
		return "", err
	}
	return leaf.URIs[0].String(), nil
}

// isWorkloads refuses what is no certificate of a workload, whoever signed it.
func isWorkloads(leaf *x509.Certificate) error {
	switch {
	case leaf.IsCA || leaf.KeyUsage&(x509.KeyUsageCertSign|x509.KeyUsageCRLSign) != 0:
		return wrong("sub", "this is the certificate of an authority, which is no workload")
	case leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return wrong("key_usage", "the certificate is not made for signatures (key usage)")
	case slices.ContainsFunc(leaf.URIs, func(u *url.URL) bool { return u.Scheme == strings.TrimSuffix(spiffeScheme, "://") }) && (len(leaf.URIs) != 1 || !isSPIFFE(leaf.URIs[0])):
		return wrong("sub", "want a certificate with exactly one name that is a URI, spiffe://…")
	}
	return nil
}

// tlsScheme begins the issuer of a door for client certificates of an authority outside of SPIFFE: a name of the operator's for the authority.
const tlsScheme = "tls://"

func isTLS(d Door) bool { return strings.HasPrefix(d.Issuer, tlsScheme) }

// namesOf are the names by which a certificate is known to a door: its whole subject, and of each kind of alternative name the only one there is. Of
// several nobody can tell which one is meant, so none is.
func namesOf(leaf *x509.Certificate) []string {
	var out []string
	only := func(kind string, n int, name func() string) {
		if n == 1 {
			out = append(out, kind+":"+name())
		}
	}
	only("dn", min(len(leaf.Subject.Names), 1), leaf.Subject.String)
	only("dns", len(leaf.DNSNames), func() string { return leaf.DNSNames[0] })
	only("uri", len(leaf.URIs), func() string { return leaf.URIs[0].String() })
	only("email", len(leaf.EmailAddresses), func() string { return leaf.EmailAddresses[0] })
	return out
}

func isSPIFFE(u *url.URL) bool {
	return u.Scheme == strings.TrimSuffix(spiffeScheme, "://") && u.Host != "" && u.User == nil && u.RawQuery == "" && u.Fragment == "" && strings.Trim(u.Path, "/") != ""
}

// authorities are those in the bundle of a door's trust domain (the standard of SPIFFE bundles, section 4.2.3): none where it takes tokens only.
func authorities(d Door) (out []*x509.Certificate) {
	if isTLS(d) {
		for rest := []byte(d.Keys); ; {
			var block *pem.Block
			if block, rest = pem.Decode(rest); block == nil {
				return out
			}
			if c, err := x509.ParseCertificate(block.Bytes); err == nil && c.IsCA && block.Type == "CERTIFICATE" {
				out = append(out, c)
			}
		}
	}
	if !strings.HasPrefix(d.Issuer, spiffeScheme) || !strings.Contains(d.Keys, useX509) {
		return nil
	}
	var set struct {
		Keys []struct {
			Use string   `json:"use"`
			X5C [][]byte `json:"x5c"`
		} `json:"keys"`
	}
	if json.Unmarshal([]byte(d.Keys), &set) != nil {
		return nil
	}
	for _, k := range set.Keys {
		if k.Use != useX509 || len(k.X5C) != 1 {
			continue
		}
		if c, err := x509.ParseCertificate(k.X5C[0]); err == nil && c.IsCA {
			out = append(out, c)
		}
	}
	return out
}

const useX509 = "x509-svid"

// signedFor checks a certificate against the authorities of one door.
func signedFor(pinned []*x509.Certificate, leaf *x509.Certificate, between []*x509.Certificate, now time.Time) ([][]*x509.Certificate, error) {
	roots, rest := x509.NewCertPool(), x509.NewCertPool()
	for _, c := range pinned {
		roots.AddCert(c)
	}
	for _, c := range between[:min(len(between), maxChain)] {
		rest.AddCert(c)
	}
	chains, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: rest, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	if err != nil {
		return nil, wrong("iss", "no authority that is pinned here signed this certificate for clients")
	}
	return chains, nil
}

// certUse names one use of a certificate. Unlike a token it may be used again: whoever uses it has proven anew that they have its key.
func certUse(leaf *x509.Certificate) string {
	var once [16]byte
	_, _ = rand.Read(once[:]) // never fails
	sum := sha256.Sum256(append(slices.Clone(leaf.Raw), once[:]...))
	return hex.EncodeToString(sum[:])
}
