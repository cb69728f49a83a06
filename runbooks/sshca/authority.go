package sshca

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"golang.org/x/crypto/ssh"

	"github.com/countersign-bot/countersign/workflows"
)

// Authority signs user certificates and lists with one Ed25519 key.
type Authority struct {
	seed   []byte
	signer ssh.Signer
}

// NewAuthority takes the 32 bytes of an Ed25519 seed (RFC 8032, 5.1.5).
func NewAuthority(seed []byte) (*Authority, error) {
	if len(seed) != seedSize {
		return nil, fmt.Errorf("reading the CA's seed: %d bytes instead of %d", len(seed), seedSize)
	}
	if bytes.Equal(seed, make([]byte, seedSize)) {
		return nil, fmt.Errorf("reading the CA's seed: it is all zero")
	}
	signer, err := ssh.NewSignerFromKey(ed25519.NewKeyFromSeed(seed))
	if err != nil {
		return nil, fmt.Errorf("making the CA's signer: %w", err)
	}
	return &Authority{seed: bytes.Clone(seed), signer: signer}, nil
}

// PublicKey is what hosts trust (TrustedUserCAKeys).
func (a *Authority) PublicKey() ssh.PublicKey { return a.signer.PublicKey() }

// Serial is the certificate serial of a grant: the first 63 bits of the SHA-256 of its id, never zero, because zero
// means "no serial" to OpenSSH and cannot be revoked. It needs no secret: a host's log leads back to the grant.
func Serial(id workflows.GrantID) uint64 {
	sum := sha256.Sum256([]byte(id))
	if n := binary.BigEndian.Uint64(sum[:8]) >> 1; n != 0 {
		return n
	}
	return 1
}

// nonce is unpredictable to anyone without the CA's secret, and the same for the same grant.
func (a *Authority) nonce(id workflows.GrantID) []byte {
	mac := hmac.New(sha256.New, a.seed)
	mac.Write([]byte("countersign sshca nonce v1\x00"))
	mac.Write([]byte(id))
	return mac.Sum(nil)
}

// sign completes the certificate; the same certificate gets the same bytes.
func (a *Authority) sign(id workflows.GrantID, cert *ssh.Certificate) error {
	// SignCert reads exactly the nonce from its source of randomness; Ed25519 needs none for the signature.
	if err := cert.SignCert(bytes.NewReader(a.nonce(id)), a.signer); err != nil {
		return fmt.Errorf("signing the certificate: %w", err)
	}
	return nil
}
