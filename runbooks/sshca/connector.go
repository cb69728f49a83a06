package sshca

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/countersign-bot/countersign/runbooks"
)

// Config says what a certificate authority needs.
type Config struct {
	Seed  []byte           // 32 bytes: the CA's Ed25519 seed
	Dir   string           // a folder of the connector's own, made if absent; two processes must not share it
	Now   func() time.Time // product time; nil: time.Now
	Hosts []string         // hosts that must have pulled before Check says absent; empty: all that ever reported
	Token runbooks.Secret  // when set, only hosts that send it are believed about what they have; the list stays public
	Every time.Duration    // how often hosts are told to pull, for RevokeLatency; 0: a minute

	Groups map[string][]string // hosts by the name of their group; they must have pulled, too
	Canary Canary              // where a drill logs in; the zero value: nowhere
}

// Connector is the SSH certificate authority as a target. Its methods may be called by several goroutines.
type Connector struct {
	authority *Authority
	now       func() time.Time
	token     runbooks.Secret
	every     time.Duration
	dir       *os.Root
	groups    map[string][]string
	canary    Canary

	mu    sync.Mutex
	reg   *register
	krl   []byte // reg's list, encoded
	hosts *hosts
	told  *told // what hosts told of themselves
}

// Open reads or makes the register in cfg.Dir. A register that cannot be read is an error: an empty list in its place
// would let revoked certificates in again.
func Open(cfg Config) (*Connector, error) {
	authority, err := NewAuthority(cfg.Seed)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("opening the SSH register: %w", err)
	}
	dir, err := os.OpenRoot(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("opening the SSH register: %w", err)
	}
	c := &Connector{authority: authority, now: cfg.Now, token: cfg.Token, every: cfg.Every, dir: dir, groups: cfg.Groups, canary: cfg.Canary}
	if c.now == nil {
		c.now = time.Now
	}
	if c.every <= 0 {
		c.every = time.Minute
	}
	expected, err := allHosts(cfg.Hosts, cfg.Groups)
	if err == nil {
		err = c.load(expected)
	}
	if err != nil {
		_ = dir.Close()
		return nil, fmt.Errorf("opening the SSH register: %w", err)
	}
	return c, nil
}

func (c *Connector) load(expected []string) (err error) {
	if c.reg, err = loadRegister(c.dir); err != nil {
		return err
	}
	if c.krl, err = c.reg.list(); err != nil {
		return err
	}
	if c.hosts, err = loadHosts(c.dir, expected); err != nil {
		return err
	}
	c.told = newTold(c.hosts)
	return nil
}

// Close lets go of the folder; everything that was acknowledged is already durable.
func (c *Connector) Close() error { return c.dir.Close() }

// PublicKey is the CA's key, for TrustedUserCAKeys on hosts.
func (c *Connector) PublicKey() ssh.PublicKey { return c.authority.PublicKey() }

// Describe says what certificates can do.
func (c *Connector) Describe() runbooks.Capabilities {
	return runbooks.Capabilities{
		Name:          "sshca",
		NativeExpiry:  true,
		EndsSessions:  false,
		Brokers:       true,
		RevokeLatency: c.every,
		RevokeLeaves:  "An SSH session that is already open stays open until it is closed; new logins are refused once a host has pulled the revocation list.",
		Timeout:       10 * time.Second,
	}
}

// Grant signs the certificate and remembers it before handing it out.
func (c *Connector) Grant(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	if err := checkID(g); err != nil {
		return runbooks.Receipt{}, err
	}
	t, err := c.authority.readTerms(g)
	if err != nil {
		return runbooks.Receipt{}, runbooks.Errorf(runbooks.Refuse, nil, "%s", err)
	}
	cert, err := c.authority.certify(g, t)
	if err != nil {
		return runbooks.Receipt{}, runbooks.Errorf(runbooks.Broken, err, "the certificate could not be signed")
	}
	if _, known := c.groups[t.group]; t.group != "" && !known {
		return runbooks.Receipt{}, runbooks.Errorf(runbooks.Refuse, nil, "the target has no group of hosts %.64q", t.group)
	}
	if err := c.issue(ctx, cert, entryOf(g, t, cert)); err != nil {
		return runbooks.Receipt{}, err
	}
	return c.authority.receipt(g, t, cert), nil
}

func checkID(g runbooks.Grant) error {
	if !grantGrammar.MatchString(string(g.ID)) {
		return runbooks.Errorf(runbooks.Refuse, nil, "the grant's id is not one that we make")
	}
	if g.Start.IsZero() || !g.End.After(g.Start) || g.Start.Unix() < 0 {
		return runbooks.Errorf(runbooks.Refuse, nil, "the grant has no time span")
	}
	return nil
}

// entryOf is what the register keeps of a certificate.
func entryOf(g runbooks.Grant, t terms, cert *ssh.Certificate) issued {
	content := cert.Marshal()
	if t.sudo != nil {
		content = append(content, t.sudo.words()...)
	}
	sum := sha256.Sum256(content)
	who := g.Account
	if who == "" {
		who = t.user
	}
	return issued{
		Until: int64(cert.ValidBefore), Digest: hex.EncodeToString(sum[:]), From: g.Start.Unix(), Grant: g.ID, Account: who,
		Principals: strings.Join(t.principals, ","), Group: t.group, Sudo: t.sudo,
	}
}

// issue records a certificate; it is durable when it returns. The same certificate again is a success, another one under
// the same serial is refused: the end of a grant never moves, nor its key.
func (c *Connector) issue(ctx context.Context, cert *ssh.Certificate, entry issued) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return runbooks.Errorf(runbooks.Retry, err, "the call was cut short before anything was signed")
	}
	now := c.now()
	if now.Unix() >= entry.Until {
		return runbooks.Errorf(runbooks.Refuse, nil, "the access would already have ended")
	}
	if _, ok := c.reg.find(cert.Serial); ok {
		return runbooks.Errorf(runbooks.Refuse, nil, "this grant was already taken back")
	}
	if old, ok := c.reg.Issued[cert.Serial]; ok {
		if !old.isSame(entry) {
			return runbooks.Errorf(runbooks.Refuse, nil, "this grant was already made with other contents")
		}
		return nil
	}
	return c.mutate(func(r *register) error {
		r.prune(now)
		if len(r.Issued) >= maxIssued {
			return runbooks.Errorf(runbooks.Broken, nil, "the register of certificates is full (%d live ones)", maxIssued)
		}
		r.Issued[cert.Serial] = entry
		return nil
	})
}

// mutate changes the register; memory follows only when the file is durable. The caller holds mu.
func (c *Connector) mutate(change func(*register) error) error {
	next := c.reg.clone()
	if err := change(next); err != nil {
		return err
	}
	raw, err := json.Marshal(next)
	if err != nil {
		return runbooks.Errorf(runbooks.Broken, err, "the register of certificates could not be encoded")
	}
	krl, err := next.list()
	if err != nil {
		return runbooks.Errorf(runbooks.Broken, err, "the revocation list could not be made")
	}
	if err := runbooks.ReplaceFile(c.dir, registerFile, raw, 0o600); err != nil {
		return runbooks.Errorf(runbooks.Retry, err, "the register of certificates could not be written")
	}
	c.reg, c.krl = next, krl
	return nil
}

// Revoke puts the grant's serial on the list, whether or not the register knows the certificate: a register that was
// lost must not keep a certificate alive. An expired certificate needs no entry.
func (c *Connector) Revoke(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	if err := checkID(g); err != nil {
		return runbooks.Receipt{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return runbooks.Receipt{}, runbooks.Errorf(runbooks.Retry, err, "the call was cut short before the serial was listed")
	}
	serial, now := Serial(g.ID), c.now()
	until := c.until(g)
	if _, listed := c.reg.find(serial); !listed && now.Before(until) {
		err := c.mutate(func(r *register) error {
			r.prune(now)
			if len(r.Revoked) >= maxRevoked {
				return runbooks.Errorf(runbooks.Broken, nil, "the revocation list is full (%d serials)", maxRevoked)
			}
			r.revoke(c.PublicKey(), serial, until, now)
			return nil
		})
		if err != nil {
			return runbooks.Receipt{}, err
		}
	}
	return c.revokeReceipt(serial), nil
}

// until is when the grant's certificate ends: as issued, or else as the grant says.
func (c *Connector) until(g runbooks.Grant) time.Time {
	if x, ok := c.reg.Issued[Serial(g.ID)]; ok {
		return time.Unix(x.Until, 0)
	}
	return time.Unix(g.End.Unix(), 0)
}

func (c *Connector) revokeReceipt(serial uint64) runbooks.Receipt {
	facts := map[string]string{"serial": strconv.FormatUint(serial, 10)}
	if x, ok := c.reg.find(serial); ok {
		facts["krl_version"] = strconv.FormatUint(x.Version, 10)
	} else {
		facts["expired"] = "true"
	}
	return runbooks.Receipt{Ref: "serial " + facts["serial"], Facts: facts}
}

// Check answers from what is known without asking a host: a certificate works between issue and expiry unless its serial
// is listed, and a listed serial is refused for certain only where the list has arrived. Unconfirmed comes with an error
// whose words say which hosts are missing.
func (c *Connector) Check(ctx context.Context, g runbooks.Grant) (runbooks.Presence, error) {
	if err := checkID(g); err != nil {
		return runbooks.Unconfirmed, err
	}
	if err := ctx.Err(); err != nil {
		return runbooks.Unconfirmed, runbooks.Errorf(runbooks.Retry, err, "the call was cut short")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	serial := Serial(g.ID)
	_, known := c.reg.Issued[serial]
	entry, listed := c.reg.find(serial)
	switch {
	case !c.now().Before(c.until(g)):
		return runbooks.Absent, nil
	case listed:
		return c.confirm(g, entry.Version)
	case known:
		return runbooks.Present, nil
	default:
		return runbooks.Absent, nil
	}
}

// confirm tells whether the hosts that a grant concerns refuse it. The caller holds mu.
func (c *Connector) confirm(g runbooks.Grant, version uint64) (runbooks.Presence, error) {
	presence, err := c.hosts.confirm(c.groups[one(g.Params, ParamHostGroup)], version, c.now())
	if presence != runbooks.Absent {
		return presence, err
	}
	if names := c.told.sudoOn(g.ID); len(names) > 0 {
		return runbooks.Unconfirmed, runbooks.Errorf(runbooks.Retry, nil,
			"%d hosts have not said that the rule of sudo is gone: %s", len(names), strings.Join(names[:min(len(names), namedHosts)], ", "))
	}
	return presence, nil
}
