package x509

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/workflows"
)

// signerOf makes the authority's P-256 key of 32 random bytes. They are hashed until they are a number below the order of the
// curve, which the first one is but for one time in four billion.
func signerOf(seed []byte) (*ecdsa.PrivateKey, error) {
	if len(seed) != sha256.Size {
		return nil, fmt.Errorf("the authority's seed has %d bytes instead of %d", len(seed), sha256.Size)
	}
	sum := sha256.Sum256(append([]byte("countersign x509 p-256 v1\x00"), seed...))
	for range 100 {
		if key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), sum[:]); err == nil {
			return key, nil
		}
		sum = sha256.Sum256(sum[:])
	}
	return nil, errors.New("the authority's seed makes no key")
}

// Serial is the serial number of a grant's certificate: the first 127 bits of the SHA-256 of its id, never zero. It needs no
// secret: the log of a server leads back to the grant.
func Serial(id workflows.GrantID) *big.Int {
	sum := sha256.Sum256([]byte(id))
	sum[0] = sum[0]&0x7f | 0x40 // positive, and always of the same length
	return new(big.Int).SetBytes(sum[:16])
}

func serialText(id workflows.GrantID) string { return hex.EncodeToString(Serial(id).Bytes()) }

func sumOfKey(public crypto.PublicKey) ([sha256.Size]byte, error) {
	raw, err := x509.MarshalPKIXPublicKey(public)
	return sha256.Sum256(raw), err
}

func nameOfKey(public crypto.PublicKey) (string, error) {
	sum, err := sumOfKey(public)
	return hex.EncodeToString(sum[:8]), err
}

// selfSign makes the authority's own certificate.
func selfSign(key *ecdsa.PrivateKey, now time.Time) ([]byte, error) {
	sum, err := sumOfKey(key.Public())
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(sum[:8]), Subject: pkix.Name{CommonName: "Countersign access " + hex.EncodeToString(sum[:4])},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(caLife), IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	return x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
}

// certify makes the certificate of a grant.
func (c *Connector) certify(g runbooks.Grant, t terms, key crypto.PublicKey) ([]byte, error) {
	template := &x509.Certificate{
		SerialNumber: Serial(g.ID), Subject: pkix.Name{CommonName: t.name, Organization: t.organizations, SerialNumber: string(g.ID)},
		NotBefore: g.Start.UTC().Truncate(time.Second).Add(-backdate), NotAfter: g.End.UTC().Truncate(time.Second).Add(-time.Second), // the second of NotAfter is still good
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, BasicConstraintsValid: true,
	}
	if t.id != nil { // X509-SVID, 4: both uses, since workloads are servers as well
		template.URIs = append(template.URIs, t.id)
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	if c.listURL != "" {
		template.CRLDistributionPoints = []string{c.listURL}
	}
	return x509.CreateCertificate(rand.Reader, template, c.ca, key, c.signer)
}

// signList makes the list of revoked certificates.
func (c *Connector) signList(r *register, now time.Time) ([]byte, error) {
	template := &x509.RevocationList{Number: big.NewInt(r.Number), ThisUpdate: now.Add(-backdate), NextUpdate: now.Add(listLife)}
	for _, c := range r.revoked() {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: c.serial, RevocationTime: time.Unix(c.retired, 0).UTC()})
	}
	return x509.CreateRevocationList(rand.Reader, template, c.ca, c.signer)
}
