package workflows

import (
	"crypto/x509"
	"encoding/pem"
	"strings"
)

// cleanCSR reads a certificate request (RFC 2986, in PEM as RFC 7468 has it), whose signature must be that of its key, and gives it as it is recorded. One
// that names somebody is refused: who a certificate is for comes from the approval.
func cleanCSR(v string) (value, problem string) {
	block, rest := pem.Decode([]byte(v + "\n"))
	if block == nil || !strings.HasSuffix(block.Type, "CERTIFICATE REQUEST") || strings.TrimSpace(string(rest)) != "" {
		return "", "Paste the whole certificate request, from -----BEGIN CERTIFICATE REQUEST----- to its END line."
	}
	r, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return "", "This is not a whole certificate request."
	}
	if r.CheckSignature() != nil {
		return "", "This certificate request is not signed by the key that it is for."
	}
	if len(r.Subject.Names)+len(r.Extensions) > 0 {
		return "", "This certificate request says who it is for, which the approval does; what is recorded cannot be erased. Make one without names: openssl req -new -key KEY -subj /"
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: block.Bytes})), ""
}
