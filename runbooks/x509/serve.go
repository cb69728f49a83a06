package x509

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	stdx509 "crypto/x509"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/workflows"
)

type grantID = workflows.GrantID

// The addresses that Handler serves.
const (
	PathList = "/x509/crl"     // DER
	PathPEM  = "/x509/crl.pem" // for servers that read nothing else
	PathCA   = "/x509/ca.pem"
)

// Handler serves the list and the authority's certificate. Both are public.
func (c *Connector) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+PathList, func(w http.ResponseWriter, _ *http.Request) { serve(w, "application/pkix-crl", c.List()) })
	mux.HandleFunc("GET "+PathPEM, func(w http.ResponseWriter, _ *http.Request) {
		serve(w, "application/x-pem-file", pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: c.List()}))
	})
	mux.HandleFunc("GET "+PathCA, func(w http.ResponseWriter, _ *http.Request) {
		serve(w, "application/x-pem-file", c.trusted())
	})
	return mux
}

func serve(w http.ResponseWriter, kind string, body []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(body)
}

// List is the current list in DER. One that is old is signed anew; if that cannot be kept, the old one is served, which names the
// same certificates.
func (c *Connector) List() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now().Sub(time.Unix(c.reg.Signed, 0)) >= listAge {
		_ = c.mutate(func(*register) error { return nil })
	}
	return c.reg.List
}

// ListAccess gives the certificates that are good now. Only whoever has the authority's key could make others, and the list of
// what it signed is this one.
func (c *Connector) ListAccess(ctx context.Context) iter.Seq2[runbooks.Access, error] {
	return func(yield func(runbooks.Access, error) bool) {
		last := grantID("")
		for _, cert := range c.good() {
			if cert.id == last {
				continue // a grant has one access, also while its certificate is being replaced
			}
			last = cert.id
			if err := ctx.Err(); err != nil {
				yield(runbooks.Access{}, runbooks.Errorf(runbooks.Retry, err, "the call was cut short"))
				return
			}
			a := runbooks.Access{
				Key: "serial " + serialText(cert.id), Account: nameOf(cert.Certificate), What: "a client certificate for " + nameOf(cert.Certificate),
				Ours: true, Grant: cert.id, MadeAt: cert.NotBefore.Add(backdate), Ends: cert.NotAfter,
			}
			if !yield(a, nil) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(runbooks.Access{}, runbooks.Errorf(runbooks.Retry, err, "the call was cut short"))
		}
	}
}

type goodCert struct {
	*stdx509.Certificate
	id     grantID
	serial string // in hex
}

// good are the certificates that are neither over nor revoked.
func (c *Connector) good() (out []goodCert) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(c.reg.Issued)) {
		x := c.reg.Issued[id]
		for _, one := range x.certificates(id) {
			if cert, err := stdx509.ParseCertificate(one.raw); err == nil && x.isGood(one, c.now()) && c.now().Before(cert.NotAfter) {
				out = append(out, goodCert{cert, id, hexOf(one.serial)})
			}
		}
	}
	return out
}

func nameOf(cert *stdx509.Certificate) string {
	if len(cert.URIs) > 0 {
		return cert.URIs[0].String()[:min(len(cert.URIs[0].String()), 400)]
	}
	return cert.Subject.CommonName
}

// AccessKey is the key of a grant's certificate.
func (c *Connector) AccessKey(g runbooks.Grant) string { return "serial " + serialText(g.ID) }

// RemoveAccess revokes a certificate.
func (c *Connector) RemoveAccess(ctx context.Context, a runbooks.Access) (runbooks.Receipt, error) {
	if a.Grant == "" || a.Key != "serial "+serialText(a.Grant) {
		return runbooks.Receipt{}, refuse("the certificate is none of this authority's")
	}
	return c.Revoke(ctx, runbooks.Grant{ID: a.Grant, End: a.Ends})
}

// Discover gives the certificates as credentials.
func (c *Connector) Discover(ctx context.Context) iter.Seq2[runbooks.Discovered, error] {
	return func(yield func(runbooks.Discovered, error) bool) {
		for _, cert := range c.good() {
			sum := sha256.Sum256(cert.Raw)
			x := runbooks.Discovered{
				Fingerprint: "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:]),
				Ref:         "certificate " + cert.serial, Kind: "certificate", Name: nameOf(cert.Certificate), MadeAt: cert.NotBefore.Add(backdate), Expires: cert.NotAfter,
				Grant: cert.id, Facts: map[string]string{"serial": cert.serial, "algorithm": cert.PublicKeyAlgorithm.String(), "organizations": strings.Join(cert.Subject.Organization, ", ")},
			}
			if err := ctx.Err(); err != nil {
				yield(runbooks.Discovered{}, runbooks.Errorf(runbooks.Retry, err, "the call was cut short"))
				return
			}
			if !yield(x, nil) {
				return
			}
		}
	}
}

// Plan says what certificate is made.
func (c *Connector) Plan(ctx context.Context, g runbooks.Grant) (runbooks.Plan, error) {
	t, err := readTerms(g)
	if err != nil {
		return runbooks.Plan{}, err
	}
	plan := runbooks.Plan{Notes: []string{c.Describe().RevokeLeaves}}
	switch presence, err := c.Check(ctx, g); {
	case err != nil:
		return plan, err
	case presence == runbooks.Absent && t.id != nil:
		plan.Changes = []string{fmt.Sprintf("a certificate is signed for %.400s", t.id)}
	case presence == runbooks.Absent:
		plan.Changes = []string{fmt.Sprintf("a client certificate is signed for %s of %q", t.name, t.organizations)}
	}
	if t.request == "" {
		plan.Notes = append(plan.Notes, "its private key is made here and handed over once; a certificate request would spare that")
	}
	return plan, nil
}

// Probe looks at the authority's own certificate and at the address of the list.
func (c *Connector) Probe(context.Context) []runbooks.Finding {
	left := c.ca.NotAfter.Sub(c.now())
	return []runbooks.Finding{
		runbooks.FindingOf(left > 90*24*time.Hour, "the authority's certificate is good until "+c.ca.NotAfter.Format(time.DateOnly),
			"the authority's certificate ends on "+c.ca.NotAfter.Format(time.DateOnly), "replace its key: countersign keys rotate x509, and let servers trust the ca.pem that they fetch then"),
		runbooks.FindingOf(c.listURL != "", "certificates say that the list is at "+c.listURL, "certificates do not say where the list of revoked ones is", "set COUNTERSIGN_PUBLIC_URL, and let servers fetch "+PathList),
	}
}
