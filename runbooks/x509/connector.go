package x509

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
)

// The files that a holder gets.
const (
	fileCert = "client.pem"
	fileKey  = "client.key"
	fileCA   = "ca.pem"
)

// Config says what the authority needs.
type Config struct {
	Seed      []byte           // 32 bytes
	Dir       string           // a folder of the connector's own, made if absent; two processes must not share it
	Now       func() time.Time // product time; nil: time.Now
	PublicURL string           // where servers reach PathList and PathCA; "": certificates do not say
}

// Connector is the certificate authority as a target. Its methods may be called by several goroutines.
type Connector struct {
	signer  *ecdsa.PrivateKey
	ca      *x509.Certificate
	dir     *os.Root
	now     func() time.Time
	listURL string

	mu  sync.Mutex
	reg *register
}

// Open reads or makes the register in cfg.Dir. A register that cannot be read, or that belongs to another key, is an error: an
// empty list in its place would let revoked certificates in again.
func Open(cfg Config) (*Connector, error) {
	signer, err := signerOf(cfg.Seed)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("opening the register of certificates: %w", err)
	}
	dir, err := os.OpenRoot(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("opening the register of certificates: %w", err)
	}
	c := &Connector{signer: signer, dir: dir, now: cfg.Now}
	if c.now == nil {
		c.now = time.Now
	}
	if cfg.PublicURL != "" {
		c.listURL = strings.TrimSuffix(cfg.PublicURL, "/") + PathList
	}
	if err := c.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the register of certificates: %w", err), dir.Close())
	}
	return c, nil
}

func (c *Connector) load() error {
	reg, err := loadRegister(c.dir)
	if err != nil {
		return err
	}
	isNew := reg == nil
	if isNew {
		reg = &register{Format: registerFormat, Issued: map[grantID]*issued{}}
		if reg.CA, err = selfSign(c.signer, c.now()); err != nil {
			return err
		}
	}
	if c.ca, err = x509.ParseCertificate(reg.CA); err != nil {
		return err
	}
	if !c.signer.PublicKey.Equal(c.ca.PublicKey) {
		return c.succeed(reg)
	}
	c.reg = reg
	if isNew {
		return c.mutate(func(*register) error { return nil })
	}
	return nil
}

// Close lets go of the folder; everything that was acknowledged is already durable.
func (c *Connector) Close() error { return c.dir.Close() }

// Describe says what certificates can do.
func (c *Connector) Describe() runbooks.Capabilities {
	return runbooks.Capabilities{
		Name: "x509", NativeExpiry: true, RevokeLatency: every, Timeout: callTimeout,
		RevokeLeaves: "A server lets the certificate in until it has fetched the list of revoked ones, or until the certificate ends if it never does; connections that are open stay open.",
	}
}

// mutate changes the register and signs a new list; memory follows only when the file is durable. The caller holds mu, or is
// alone.
func (c *Connector) mutate(change func(*register) error) error {
	next, now := c.reg.clone(), c.now()
	if err := change(next); err != nil {
		return err
	}
	next.prune(now)
	next.Number++
	next.Signed = now.Unix()
	var err error
	if next.List, err = c.signList(next, now); err != nil {
		return runbooks.Errorf(runbooks.Broken, err, "the list of revoked certificates could not be signed")
	}
	raw, err := json.Marshal(next)
	if err != nil {
		return runbooks.Errorf(runbooks.Broken, err, "the register of certificates could not be encoded")
	}
	if err := runbooks.ReplaceFile(c.dir, registerFile, raw, 0o600); err != nil {
		return runbooks.Errorf(runbooks.Retry, err, "the register of certificates could not be written")
	}
	c.reg = next
	return nil
}

// Grant makes the certificate and remembers it before handing it out.
func (c *Connector) Grant(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	t, err := readTerms(g)
	if err != nil {
		return runbooks.Receipt{}, err
	}
	key, err := t.publicKey(g)
	if err != nil {
		return runbooks.Receipt{}, err
	}
	if g.End.Sub(g.Start) > maxLife {
		return runbooks.Receipt{}, refuse("a certificate lasts %d hours at most", int(maxLife.Hours()))
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return runbooks.Receipt{}, refuse("the key cannot be certified")
	}
	sum := sha256.Sum256(fmt.Appendf(der, "%q %q %v %s %s", t.name, t.organizations, t.id, g.Start.UTC(), g.End.UTC()))
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return runbooks.Receipt{}, runbooks.Errorf(runbooks.Retry, err, "the call was cut short before anything was signed")
	}
	cert, err := c.issue(g, t, key, hex.EncodeToString(sum[:]))
	if err != nil {
		return runbooks.Receipt{}, err
	}
	return c.receipt(g, t, cert), nil
}

// issue gives the certificate of a grant, the same one every time. The caller holds mu.
func (c *Connector) issue(g runbooks.Grant, t terms, key any, asked string) ([]byte, error) {
	old, known := c.reg.Issued[g.ID]
	switch {
	case known && old.Revoked != 0:
		return nil, refuse("this grant was already taken back")
	case known && old.Terms != asked:
		return nil, refuse("this grant was already made with other contents")
	case !c.now().Before(g.End):
		return nil, refuse("the access would already have ended")
	case known:
		return old.Cert, nil
	case len(c.reg.Issued) >= maxIssued:
		return nil, runbooks.Errorf(runbooks.Broken, nil, "the register of certificates is full (%d live ones)", maxIssued)
	}
	cert, err := c.certify(g, t, key)
	if err != nil {
		return nil, runbooks.Errorf(runbooks.Broken, err, "the certificate could not be signed")
	}
	return cert, c.mutate(func(r *register) error {
		r.Issued[g.ID] = &issued{Until: g.End.Unix(), Cert: cert, Terms: asked}
		return nil
	})
}

// Revoke puts the grant's serial on the list, whether or not the register knows the certificate: a register that was lost must not
// keep a certificate alive. An expired one needs no entry.
func (c *Connector) Revoke(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	if _, err := g.Tag(); err != nil {
		return runbooks.Receipt{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return runbooks.Receipt{}, runbooks.Errorf(runbooks.Retry, err, "the call was cut short before the certificate was listed")
	}
	if err := c.revoke(g.ID, g.End); err != nil {
		return runbooks.Receipt{}, err
	}
	return runbooks.Receipt{Ref: "serial " + serialText(g.ID), Facts: map[string]string{"serial": serialText(g.ID), "list": fmt.Sprint(c.reg.Number)}}, nil
}

// revoke lists a grant's certificate. The caller holds mu.
func (c *Connector) revoke(id grantID, end time.Time) error {
	now := c.now()
	if old, known := c.reg.Issued[id]; known {
		if old.Revoked != 0 {
			return nil
		}
		end = time.Unix(old.Until, 0)
	}
	if !now.Before(end) {
		return nil
	}
	return c.mutate(func(r *register) error {
		x := r.Issued[id]
		if x == nil {
			x = &issued{Until: end.Unix()}
			r.Issued[id] = x
		}
		x.Revoked = max(now.Unix(), 1)
		return nil
	})
}

// Check answers from the register: a certificate is good between its issue and its end unless it is listed. Whether a server has
// fetched the list is not known here, and the card says so.
func (c *Connector) Check(ctx context.Context, g runbooks.Grant) (runbooks.Presence, error) {
	if err := ctx.Err(); err != nil {
		return runbooks.Unconfirmed, runbooks.Errorf(runbooks.Retry, err, "the call was cut short")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	x, known := c.reg.Issued[g.ID]
	if known && slices.ContainsFunc(x.certificates(g.ID), func(one certificate) bool { return x.isGood(one, c.now()) }) {
		return runbooks.Present, nil
	}
	return runbooks.Absent, nil
}

// receipt is the same for every call of the same grant. The files are public: the private key is the holder's, or handed over.
func (c *Connector) receipt(g runbooks.Grant, t terms, cert []byte) runbooks.Receipt {
	r := runbooks.Receipt{
		Ref: "serial " + serialText(g.ID), Facts: map[string]string{"serial": serialText(g.ID), "until": g.End.UTC().Format(time.RFC3339)},
		Use: runbooks.Use{
			Steps:   []string{"Save " + fileCert + " beside your private key.", "Give both to the program that connects; " + fileCA + " is the authority that signed it."},
			Command: "curl --cert " + fileCert + " --key " + fileKey + " https://",
			Files: map[string]string{
				fileCert: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})), fileCA: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.ca.Raw})),
			},
		},
	}
	if t.name != "" {
		r.Personal = map[string]string{"name": t.name}
	}
	if t.id != nil {
		r.Facts["spiffe_id"] = t.id.String()[:min(len(t.id.String()), 500)]
	}
	return r
}
