package workflows_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/workflows"
)

// csrOf is a certificate request in PEM, and its bytes.
func csrOf(t *testing.T, tmpl x509.CertificateRequest) (text string, der []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if der, err = x509.CreateCertificateRequest(rand.Reader, &tmpl, key); err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})), der
}

// A certificate request reaches the connector as it was pasted, without what is round it; one that names somebody, is damaged or is none is refused on
// its field.
func TestCertificateRequestsInForms(t *testing.T) {
	good, der := csrOf(t, x509.CertificateRequest{})
	named, _ := csrOf(t, x509.CertificateRequest{Subject: pkix.Name{CommonName: "Maya Chen"}})
	alt, _ := csrOf(t, x509.CertificateRequest{DNSNames: []string{"db.example.com"}})
	der[len(der)-1] ^= 1
	unsigned := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
	w := &workflows.Workflow{Fields: []workflows.Field{{Name: "csr", Label: "Certificate request", Type: workflows.FieldCSR}}}
	for _, x := range []struct{ in, problem string }{
		{good, ""},
		{"  " + strings.ReplaceAll(good, "\n", "\r\n"), ""},
		{named, "Make one without names"},
		{alt, "Make one without names"},
		{unsigned, "not signed by the key"},
		{good + good, "Paste the whole"},
		{strings.ReplaceAll(good, "CERTIFICATE REQUEST", "PRIVATE KEY"), "private key"},
		{strings.ReplaceAll(good, "CERTIFICATE REQUEST", "CERTIFICATE"), "Paste the whole"},
		{good[:len(good)/2], "Paste the whole"},
		{"csr", "Paste the whole"},
		{strings.Repeat("x", workflows.MaxCSR+1), "At most"},
	} {
		c, bad := w.CheckForm(workflows.Form{Seconds: 3600, Reason: "to look at an edge server", Values: map[string]string{"csr": x.in}})
		var said string
		for _, b := range bad {
			if b.Field == "csr" {
				said = b.Text
			}
		}
		if x.problem == "" && (said != "" || c.Fields["csr"] != good) || x.problem != "" && (!strings.Contains(said, x.problem) || c.Fields["csr"] != "") {
			t.Errorf("%.60q: %q, recorded %q; want %q", x.in, said, c.Fields["csr"], x.problem)
		}
	}
}
