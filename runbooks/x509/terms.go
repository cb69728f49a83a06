package x509

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/countersign-bot/countersign/runbooks"
)

// The entitlement's words that this connector understands.
const (
	ParamName         = "common_name"  // of the subject; the holder's account by default
	ParamOrganization = "organization" // of the subject; several are allowed
	ParamSPIFFE       = "spiffe_id"    // makes the certificate an X.509-SVID
	ParamField        = "csr_field"    // the form field that holds the request; csr by default
	ParamKey          = "key"          // "made": a key is made and handed over instead
)

// partKey is the secret part of what is handed over.
const partKey = "Private key"

// terms are a grant read and found sound.
type terms struct {
	name          string
	organizations []string
	id            *url.URL // SPIFFE ID
	request       string   // PEM; "" when the key is made
}

// readTerms reads a grant; its errors are refusals that name the word.
func readTerms(g runbooks.Grant) (terms, error) {
	t := terms{organizations: g.Params[ParamOrganization]}
	single := g.Clone()
	delete(single.Params, ParamOrganization)
	words, err := runbooks.ReadTerms(single, ParamName, ParamSPIFFE, ParamField, ParamKey)
	if err != nil {
		return t, err
	}
	if t.name = words[ParamName]; t.name == "" {
		t.name = g.Account
	}
	if len(t.organizations) > maxNames {
		return t, refuse("the entitlement's params: %q has more than %d values", ParamOrganization, maxNames)
	}
	for _, o := range t.organizations {
		if !isName(o) {
			return t, refuse("the entitlement's params: a value of %q is empty, longer than %d characters or no clean text", ParamOrganization, maxName)
		}
	}
	if err := t.readID(words[ParamSPIFFE]); err != nil {
		return t, err
	}
	if t.id == nil && !isName(t.name) {
		return t, refuse("the name of the certificate (%q or the account) is empty, longer than %d characters or no clean text", ParamName, maxName)
	}
	if t.id != nil && t.name != "" && !isName(t.name) {
		return t, refuse("the account is longer than %d characters or no clean text", maxName)
	}
	return t, t.readKey(g, words)
}

func (t *terms) readKey(g runbooks.Grant, words map[string]string) error {
	switch key, ok := words[ParamKey]; {
	case ok && key != "made":
		return refuse("the entitlement's params: %q can only be \"made\"", ParamKey)
	case ok:
		return nil
	}
	field := words[ParamField]
	if field == "" {
		field = "csr"
	}
	if t.request = g.Fields[field]; t.request == "" {
		return refuse("the form field %q with the certificate request is empty", field)
	}
	return nil
}

// isName takes text that a subject can hold and that shows itself as it is.
func isName(s string) bool {
	return s != "" && utf8.ValidString(s) && utf8.RuneCountInString(s) <= maxName && !strings.ContainsFunc(s, func(r rune) bool {
		return r < 0x20 || r >= 0x7f && r < 0xa0 || r == utf8.RuneError
	})
}

// readID checks a SPIFFE ID by the letter (SPIFFE-ID, 2).
func (t *terms) readID(s string) error {
	if s == "" {
		return nil
	}
	domain, path, _ := strings.Cut(strings.TrimPrefix(s, "spiffe://"), "/")
	good := strings.HasPrefix(s, "spiffe://") && len(s) <= maxSPIFFE && domain != "" && len(domain) <= 255 && isMadeOf(domain, "abcdefghijklmnopqrstuvwxyz0123456789.-_") && path != ""
	for segment := range strings.SplitSeq(path, "/") {
		good = good && segment != "" && segment != "." && segment != ".." && isMadeOf(segment, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_")
	}
	if !good {
		return refuse("the entitlement's params: %q is not one such as spiffe://example.org/payments/api", ParamSPIFFE)
	}
	t.id = &url.URL{Scheme: "spiffe", Host: domain, Path: "/" + path}
	return nil
}

func isMadeOf(s, letters string) bool { return strings.Trim(s, letters) == "" }

func refuse(format string, args ...any) error {
	return runbooks.Errorf(runbooks.Refuse, nil, format, args...)
}

// publicKey is the key that is certified: out of the request, or of the key that was made.
func (t terms) publicKey(g runbooks.Grant) (crypto.PublicKey, error) {
	if t.request == "" {
		return madeKey(g)
	}
	block, rest := pem.Decode([]byte(t.request))
	if len(t.request) > maxRequest || block == nil || !strings.HasSuffix(block.Type, "CERTIFICATE REQUEST") || len(bytes.TrimSpace(rest)) > 0 {
		return nil, refuse("what was pasted is not one certificate request (it begins with -----BEGIN CERTIFICATE REQUEST-----)")
	}
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil || request.CheckSignature() != nil {
		return nil, refuse("the certificate request is damaged, or not signed with its own key")
	}
	if !isStrong(request.PublicKey) {
		return nil, refuse("the key of the certificate request is of no kind that is certified here: P-256, P-384, Ed25519, or RSA of %d to %d bits", minRSA, maxRSA)
	}
	return request.PublicKey, nil
}

func isStrong(key crypto.PublicKey) bool {
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		return key.Curve == elliptic.P256() || key.Curve == elliptic.P384()
	case ed25519.PublicKey:
		return true
	case *rsa.PublicKey:
		return key.N.BitLen() >= minRSA && key.N.BitLen() <= maxRSA && key.E >= 65537
	}
	return false
}

// MakeSecret makes the private key of a grant whose entitlement wants one made.
func (c *Connector) MakeSecret(g runbooks.Grant) (runbooks.Handover, error) {
	t, err := readTerms(g)
	if err != nil || t.request != "" {
		return runbooks.Handover{}, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return runbooks.Handover{}, runbooks.Errorf(runbooks.Retry, err, "the private key could not be made")
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return runbooks.Handover{}, runbooks.Errorf(runbooks.Broken, err, "the private key could not be encoded")
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return runbooks.Handover{Title: "Private key of a certificate", Parts: []runbooks.Part{{Name: partKey, Value: runbooks.NewSecret(string(text)), File: fileKey}}}, nil
}

// privateKey is the key that was made for the grant; nil where none was.
func privateKey(g runbooks.Grant) (*ecdsa.PrivateKey, error) {
	for _, p := range g.Secret.Parts {
		if p.Name == partKey {
			return parseKey(p.Value)
		}
	}
	return nil, nil
}

func parseKey(s runbooks.Secret) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode([]byte(s.Reveal()))
	if block == nil {
		return nil, errors.New("it is not in PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if signer, ok := key.(*ecdsa.PrivateKey); err == nil && ok {
		return signer, nil
	}
	return nil, errors.New("it is no key of a kind that is made here")
}

// madeKey is the public half of the key that was made for the grant.
func madeKey(g runbooks.Grant) (crypto.PublicKey, error) {
	if key, err := privateKey(g); err == nil && key != nil {
		return key.Public(), nil
	}
	return nil, runbooks.Errorf(runbooks.Broken, nil, "no private key was made for the certificate")
}
