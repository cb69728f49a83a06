package x509

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
)

// A certificate is replaced by one for a new key that says the same, is of the same grant, and ends with it: whatever takes the grant back takes back all of its
// certificates. The old one goes on the list once the new one was shown to work.

var _ runbooks.Rotator = (*Target)(nil)

// renewed is a certificate that replaced another one of the same grant.
type renewed struct {
	Order   string `json:"order"` // the rotation
	Cert    []byte `json:"cert"`
	Retired int64  `json:"retired,omitempty"` // Unix seconds
}

// certificate is one of the certificates of a grant.
type certificate struct {
	id      grantID
	serial  *big.Int
	raw     []byte
	retired int64
}

// certificates are all that a grant ever had, oldest first.
func (x *issued) certificates(id grantID) []certificate {
	out := []certificate{{id, Serial(id), x.Cert, x.Retired}}
	for i, n := range x.Next {
		out = append(out, certificate{id, nextSerial(id, i), n.Cert, n.Retired})
	}
	return out
}

// isGood tells whether a certificate is neither over nor revoked.
func (x *issued) isGood(c certificate, now time.Time) bool {
	return x.Revoked == 0 && c.retired == 0 && len(c.raw) > 0 && now.Before(time.Unix(x.Until, 0))
}

// nextSerial is the serial number of the i-th certificate that replaced another one of a grant. A grant's id holds no slash.
func nextSerial(id grantID, i int) *big.Int { return Serial(grantID(fmt.Sprintf("%s/%d", id, i+1))) }

func hexOf(serial *big.Int) string { return hex.EncodeToString(serial.Bytes()) }

func refOf(c certificate) string { return "certificate " + hexOf(c.serial) }

// retiring finds the grant whose certificate an order replaces: the one that is named, or else the only one of the account. The caller holds mu.
func (c *Connector) retiring(r runbooks.Rotation) (grantID, error) {
	var found []grantID
	if strings.HasPrefix(r.Account, "certificate ") && r.Old == "" { // the inventory names a certificate as Discover does
		r.Old = r.Account
	}
	for _, id := range slices.Sorted(maps.Keys(c.reg.Issued)) {
		x := c.reg.Issued[id]
		for _, one := range x.certificates(id) {
			named := r.Old != "" && refOf(one) == r.Old
			if !named && (r.Old != "" || !x.isGood(one, c.now()) || !isNamed(one.raw, r.Account)) {
				continue
			}
			if !slices.Contains(found, id) {
				found = append(found, id)
			}
		}
	}
	switch {
	case len(found) == 0 && r.Old != "":
		return "", refuse("this authority has no certificate %.80q", r.Old)
	case len(found) == 0:
		return "", refuse("no certificate of %.80q is good now: ask for a new one", r.Account)
	case len(found) > 1:
		return "", refuse("%.80q has several certificates: name the one to replace, as countersign identities shows it", r.Account)
	}
	x := c.reg.Issued[found[0]]
	if x.Revoked != 0 || len(x.Cert) == 0 || !c.now().Before(time.Unix(x.Until, 0)) {
		return "", refuse("the certificate's grant is over or was taken back: ask for a new one")
	}
	return found[0], nil
}

func isNamed(raw []byte, account string) bool {
	cert, err := x509.ParseCertificate(raw)
	return err == nil && account != "" && (cert.Subject.CommonName == account || nameOf(cert) == account)
}

// Renew signs a certificate for a new key, which says what the old one says. Asked again with what it gave, it gives the same; asked again without, nobody has
// the key of the one before, which is listed at once.
func (c *Connector) Renew(ctx context.Context, r runbooks.Rotation) (runbooks.Renewed, error) {
	if err := ctx.Err(); err != nil {
		return runbooks.Renewed{}, runbooks.Errorf(runbooks.Retry, err, "the call was cut short before anything was signed")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	id, err := c.retiring(r)
	if err != nil {
		return runbooks.Renewed{}, err
	}
	x := c.reg.Issued[id]
	if pair, err := bundleOf(r.Secret); err == nil {
		for i, n := range x.Next {
			if n.Order == r.ID && n.Retired == 0 && bytes.Equal(n.Cert, pair.Certificate[0]) {
				return c.renewal(id, i, r.Secret), nil
			}
		}
	}
	if len(x.Next) >= maxRenewals {
		return runbooks.Renewed{}, refuse("the certificate was replaced %d times already: ask for a new one", maxRenewals)
	}
	raw, secret, err := c.recertify(id, x)
	if err != nil {
		return runbooks.Renewed{}, runbooks.Errorf(runbooks.Broken, err, "the certificate could not be signed")
	}
	if err := c.mutate(func(reg *register) error {
		y := reg.Issued[id]
		for i := range y.Next {
			if y.Next[i].Order == r.ID && y.Next[i].Retired == 0 {
				y.Next[i].Retired = max(c.now().Unix(), 1)
			}
		}
		y.Next = append(y.Next, renewed{Order: r.ID, Cert: raw})
		return nil
	}); err != nil {
		return runbooks.Renewed{}, err
	}
	return c.renewal(id, len(x.Next), secret), nil
}

func (c *Connector) renewal(id grantID, i int, secret runbooks.Secret) runbooks.Renewed {
	serial := hexOf(nextSerial(id, i))
	return runbooks.Renewed{
		Ref: "certificate " + serial, Secret: secret,
		Facts: map[string]string{"serial": serial, "grant": string(id), "until": time.Unix(c.reg.Issued[id].Until, 0).UTC().Format(time.RFC3339)},
	}
}

// recertify makes a key and its certificate: what is handed over is both, in PEM.
func (c *Connector) recertify(id grantID, x *issued) ([]byte, runbooks.Secret, error) {
	old, err := x509.ParseCertificate(x.Cert)
	if err != nil {
		return nil, runbooks.Secret{}, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, runbooks.Secret{}, err
	}
	template := &x509.Certificate{
		SerialNumber: nextSerial(id, len(x.Next)), Subject: old.Subject, URIs: old.URIs, NotBefore: c.now().UTC().Truncate(time.Second).Add(-backdate), NotAfter: old.NotAfter,
		KeyUsage: old.KeyUsage, ExtKeyUsage: old.ExtKeyUsage, BasicConstraintsValid: true, CRLDistributionPoints: old.CRLDistributionPoints,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, c.ca, key.Public(), c.signer)
	if err != nil {
		return nil, runbooks.Secret{}, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, runbooks.Secret{}, err
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})...)
	return raw, runbooks.NewSecret(string(text)), nil
}

// bundleOf reads what recertify made.
func bundleOf(s runbooks.Secret) (tls.Certificate, error) {
	text := []byte(s.Reveal())
	return tls.X509KeyPair(text, text)
}

// Prove shows the new certificate to the server of the setting canary_address; where there is none, to one of our own that judges as servers do, by ca.pem and
// the list.
func (t *Target) Prove(ctx context.Context, r runbooks.Rotation, n runbooks.Renewed) error {
	pair, err := bundleOf(n.Secret)
	if err != nil {
		return runbooks.Errorf(runbooks.Broken, nil, "the new certificate is not at hand")
	}
	if err := t.judge(ctx, pair); err != nil {
		return runbooks.Errorf(runbooks.Broken, err, "a server that trusts this authority does not let the new certificate in")
	}
	if !t.CanTry() {
		return nil
	}
	in, err := t.show(ctx, pair)
	if err == nil && !in {
		err = runbooks.Errorf(runbooks.Broken, nil, "the server of the setting %s does not let the new certificate in", SettingCanary)
	}
	return err
}

// judge is a whole handshake with a server that goes by the authority's certificate and the list.
func (c *Connector) judge(ctx context.Context, pair tls.Certificate) error {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	pool, list := x509.NewCertPool(), c.List()
	pool.AddCert(c.ca)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	const name = "countersign"
	own := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: c.now().Add(-backdate), NotAfter: c.now().Add(time.Hour)}
	raw, err := x509.CreateCertificate(rand.Reader, own, own, key.Public(), key)
	if err != nil {
		return err
	}
	leaf, err := x509.ParseCertificate(raw)
	if err != nil {
		return err
	}
	trusted := x509.NewCertPool()
	trusted.AddCert(leaf)
	near, far := net.Pipe()
	defer near.Close()
	client := tls.Client(near, &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: trusted, ServerName: name, Time: c.now, Certificates: []tls.Certificate{pair}})
	done := make(chan struct{})
	go func() {
		defer close(done)
		if client.HandshakeContext(ctx) == nil {
			_, _ = client.Read(make([]byte, 1)) // the server's last word: a pipe holds nothing that nobody reads
		}
	}()
	server := tls.Server(far, &tls.Config{
		MinVersion: tls.VersionTLS12, SessionTicketsDisabled: true, Certificates: []tls.Certificate{{Certificate: [][]byte{raw}, PrivateKey: key}},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool, Time: c.now,
		VerifyConnection: func(s tls.ConnectionState) error { return listed(list, s.PeerCertificates[0].SerialNumber) },
	})
	judged := server.HandshakeContext(ctx)
	_ = far.Close()
	<-done
	return judged
}

var errListed = errors.New("its serial number is on the list")

// listed is an error for a serial number that is on a list of revoked ones.
func listed(list []byte, serial *big.Int) error {
	revoked, err := x509.ParseRevocationList(list)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(revoked.RevokedCertificateEntries, func(e x509.RevocationListEntry) bool { return e.SerialNumber.Cmp(serial) == 0 }) {
		return errListed
	}
	return nil
}

// Retire puts every other certificate of the grant on the list, and reads the list back: none of their serial numbers is missing, and the new one's is not on it.
func (c *Connector) Retire(ctx context.Context, r runbooks.Rotation, n runbooks.Renewed) error {
	if err := ctx.Err(); err != nil {
		return runbooks.Errorf(runbooks.Retry, err, "the call was cut short before the old certificate was listed")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	id, keep := c.renewedBy(r, n)
	if id == "" {
		return refuse("the new certificate is none of this order: the old one stays")
	}
	x := c.reg.Issued[id]
	if x.Revoked != 0 {
		return nil // all of them are listed
	}
	if slices.ContainsFunc(x.certificates(id), func(one certificate) bool { return one.retired == 0 && refOf(one) != keep }) {
		if err := c.mutate(func(reg *register) error { reg.Issued[id].retire(id, keep, c.now()); return nil }); err != nil {
			return err
		}
	}
	for _, one := range c.reg.Issued[id].certificates(id) {
		if err := listed(c.reg.List, one.serial); errors.Is(err, errListed) == (refOf(one) == keep) || err != nil && !errors.Is(err, errListed) {
			return runbooks.Errorf(runbooks.Retry, err, "the list of revoked certificates does not say that the old certificate is over")
		}
	}
	return nil
}

// retire marks all of a grant's certificates but one.
func (x *issued) retire(id grantID, keep string, now time.Time) {
	at := max(now.Unix(), 1)
	if x.Retired == 0 {
		x.Retired = at
	}
	for i := range x.Next {
		if hexRef := "certificate " + hexOf(nextSerial(id, i)); x.Next[i].Retired == 0 && hexRef != keep {
			x.Next[i].Retired = at
		}
	}
}

// renewedBy finds what an order made.
func (c *Connector) renewedBy(r runbooks.Rotation, n runbooks.Renewed) (grantID, string) {
	for id, x := range c.reg.Issued {
		for i, next := range x.Next {
			if ref := "certificate " + hexOf(nextSerial(id, i)); ref == n.Ref && next.Order == r.ID && next.Retired == 0 {
				return id, ref
			}
		}
	}
	return "", ""
}
