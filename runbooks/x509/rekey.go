package x509

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"time"
)

// An authority's key is replaced in two steps. First the next one is announced: its certificate stands in ca.pem beside the old one, so that
// servers trust both before anything is signed by it. Then, at an opening with the next key at which nothing that the old one signed could be good any
// more, it takes the old one's place. What was revoked and is not over yet counts as good: the list that names it is signed by the old key.

// Name is how the ledger names the authority's key that is made of a seed: the beginning of the SHA-256 of its public half.
func Name(seed []byte) (string, error) {
	key, err := signerOf(seed)
	if err != nil {
		return "", err
	}
	return nameOfKey(key.Public())
}

// Unexpired counts the certificates of the register in a folder that are not over, those that were revoked included.
func Unexpired(folder string, now time.Time) (int, error) {
	dir, err := os.OpenRoot(folder)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("opening the register of certificates: %w", err)
	}
	defer dir.Close()
	reg, err := loadRegister(dir)
	if err != nil || reg == nil {
		return 0, err
	}
	reg.prune(now)
	return len(reg.Issued), nil
}

// Announce makes the certificate of the next authority, if it has none yet, and lets servers fetch it from now on.
func (c *Connector) Announce(seed []byte) error {
	next, err := signerOf(seed)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if old, err := x509.ParseCertificate(c.reg.Next); len(c.reg.Next) > 0 && err == nil && next.PublicKey.Equal(old.PublicKey) {
		return nil
	}
	cert, err := selfSign(next, c.now())
	if err != nil {
		return err
	}
	return c.mutate(func(r *register) error {
		r.Next = cert
		return nil
	})
}

// succeed lets the announced authority take the place of the old one, if the key is its own.
func (c *Connector) succeed(reg *register) error {
	next, err := x509.ParseCertificate(reg.Next)
	if len(reg.Next) == 0 || err != nil || !c.signer.PublicKey.Equal(next.PublicKey) {
		return errors.New("it belongs to another key than the one in keys/x509")
	}
	reg.prune(c.now())
	if n := len(reg.Issued); n > 0 {
		return fmt.Errorf("the new key is in keys/x509 while %d certificates of the old one are not over: put the old one back until then", n)
	}
	c.ca, c.reg = next, reg
	return c.mutate(func(r *register) error {
		r.CA, r.Next = r.Next, nil
		return nil
	})
}

// trusted are the certificates that servers should trust: the authority's and, once announced, the next one's.
func (c *Connector) trusted() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out bytes.Buffer
	for _, raw := range [][]byte{c.ca.Raw, c.reg.Next} {
		if len(raw) > 0 {
			_ = pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: raw}) // a buffer takes everything
		}
	}
	return out.Bytes()
}
