package sshca

import (
	"bytes"
	"crypto/rsa"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"
)

// parseKey reads the pasted line of an OpenSSH public key and says in words for the requester what is wrong with it.
// The comment is dropped; options in front of the key are refused, because what they restrict would be lost.
func (a *Authority) parseKey(line string) (ssh.PublicKey, error) {
	if len(line) > maxPastedKey {
		return nil, errors.New("the pasted key is too long for a public key")
	}
	if strings.Contains(line, "PRIVATE KEY") {
		return nil, errors.New("that is a private key: make a new key pair and paste the line of its .pub file")
	}
	if strings.ContainsAny(strings.TrimRight(line, "\r\n"), "\r\n\x00") {
		return nil, errors.New("paste exactly one line: the content of the .pub file")
	}
	key, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil {
		return nil, errors.New("the pasted line is not an OpenSSH public key (it starts with ssh-ed25519, for example)")
	}
	if len(options) > 0 || len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("paste the key alone, without options in front of it or lines after it")
	}
	return key, a.checkKey(key)
}

// checkKey refuses what must not be certified: weak kinds, certificates, and the CA's own key.
func (a *Authority) checkKey(key ssh.PublicKey) error {
	if _, ok := key.(*ssh.Certificate); ok {
		return errors.New("that is a certificate: paste the plain public key")
	}
	if bytes.Equal(key.Marshal(), a.PublicKey().Marshal()) {
		return errors.New("that is the certificate authority's own key")
	}
	switch key.Type() {
	case ssh.KeyAlgoED25519, ssh.KeyAlgoSKED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
		ssh.KeyAlgoSKECDSA256:
		return nil
	case ssh.KeyAlgoRSA:
		return checkRSA(key)
	default:
		return fmt.Errorf("keys of type %q are not accepted: use ssh-ed25519", key.Type())
	}
}

func checkRSA(key ssh.PublicKey) error {
	crypto, ok := key.(ssh.CryptoPublicKey)
	if !ok {
		return errors.New("the RSA key cannot be read")
	}
	pub, ok := crypto.CryptoPublicKey().(*rsa.PublicKey)
	if !ok {
		return errors.New("the RSA key cannot be read")
	}
	switch bits := pub.N.BitLen(); {
	case bits < minRSABits:
		return fmt.Errorf("an RSA key of %d bits is too short (at least %d): use ssh-ed25519", bits, minRSABits)
	case bits > maxRSABits:
		return fmt.Errorf("an RSA key of %d bits is too long (at most %d): use ssh-ed25519", bits, maxRSABits)
	}
	return nil
}
