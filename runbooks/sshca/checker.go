package sshca

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

// HostChecker decides logins on an SSH server written in Go as sshd would with TrustedUserCAKeys, RevokedKeys and an
// AuthorizedPrincipalsFile. Until a list was set it refuses everybody, like sshd with an unreadable RevokedKeys.
type HostChecker struct {
	CA         ssh.PublicKey
	Principals func(user string) []string // accepted for a login name; nil: the name itself
	Now        func() time.Time           // nil: time.Now
	krl        atomic.Pointer[KRL]
}

// SetKRL replaces the list; it may be called while logins are being decided.
func (h *HostChecker) SetKRL(k KRL) { h.krl.Store(&k) }

// Authenticate is a PublicKeyCallback of ssh.ServerConfig. The server must honour the permissions it returns:
// x/crypto enforces source-address itself, force-command is the session handler's (see ForcedCommand).
func (h *HostChecker) Authenticate(conn ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
	cert, ok := key.(*ssh.Certificate)
	if !ok {
		return nil, errors.New("a certificate is needed")
	}
	checker, err := h.checker()
	if err != nil {
		return nil, err
	}
	if cert.CertType != ssh.UserCert || !checker.IsUserAuthority(cert.SignatureKey) {
		return nil, errors.New("the certificate is not a user certificate of the trusted CA")
	}
	accepted := []string{conn.User()}
	if h.Principals != nil {
		accepted = h.Principals(conn.User())
	}
	for _, p := range accepted {
		// CheckCert lets a certificate without principals in as anybody; here it is nobody.
		if !slices.Contains(cert.ValidPrincipals, p) {
			continue
		}
		if err := checker.CheckCert(p, cert); err != nil {
			return nil, err
		}
		return &ssh.Permissions{CriticalOptions: cert.CriticalOptions, Extensions: cert.Extensions}, nil
	}
	return nil, fmt.Errorf("none of the certificate's principals may log in as %q", conn.User())
}

func (h *HostChecker) checker() (*ssh.CertChecker, error) {
	krl := h.krl.Load()
	if krl == nil {
		return nil, errors.New("there is no revocation list yet")
	}
	now := h.Now
	if now == nil {
		now = time.Now
	}
	ca := string(h.CA.Marshal())
	return &ssh.CertChecker{
		SupportedCriticalOptions: []string{"force-command", "source-address"},
		IsUserAuthority:          func(auth ssh.PublicKey) bool { return string(auth.Marshal()) == ca },
		IsRevoked:                func(c *ssh.Certificate) bool { return krl.RevokedBy(c.SignatureKey, c.Serial) },
		Clock:                    now,
	}, nil
}

// ForcedCommand is the command that a login's certificate forces, if it forces one.
func ForcedCommand(p *ssh.Permissions) (string, bool) {
	if p == nil {
		return "", false
	}
	command, ok := p.CriticalOptions["force-command"]
	return command, ok
}
