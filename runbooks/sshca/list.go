package sshca

import (
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/workflows"
)

func serialKey(serial uint64) string { return "serial " + strconv.FormatUint(serial, 10) }

// AccessKey is the key of a grant's certificate.
func (c *Connector) AccessKey(g runbooks.Grant) string { return serialKey(Serial(g.ID)) }

// ListAccess gives the certificates that some host may still let in, and the keys beside the CA that hosts tell of. Only whoever
// has the CA's key could make other certificates.
func (c *Connector) ListAccess(ctx context.Context) iter.Seq2[runbooks.Access, error] {
	return func(yield func(runbooks.Access, error) bool) {
		for _, a := range c.access() {
			if ctx.Err() != nil {
				break
			}
			if !yield(a, nil) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(runbooks.Access{}, runbooks.Errorf(runbooks.Retry, err, "the call was cut short"))
		}
	}
}

// access is a copy of what is out now: 100,000 entries at most, a few megabytes, so that nobody waits for whoever reads them.
func (c *Connector) access() []runbooks.Access {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	var out []runbooks.Access
	for _, serial := range slices.Sorted(maps.Keys(c.reg.Issued)) {
		x := c.reg.Issued[serial]
		entry, listed := c.reg.find(serial)
		if !now.Before(time.Unix(x.Until, 0)) {
			continue
		}
		what := "holder of an SSH certificate" + x.words()
		if listed {
			presence, err := c.hosts.confirm(c.groups[x.Group], entry.Version, now)
			if presence == runbooks.Absent {
				continue
			}
			what += fmt.Sprintf(", revoked; %.200v", err)
		}
		out = append(out, x.listed(serial, what))
	}
	for host, k := range c.looseKeys() {
		out = append(out, runbooks.Access{
			Key: "key " + host + " " + k.User + " " + k.Fingerprint, Account: k.User, Params: map[string][]string{ParamPrincipals: {k.User}},
			What: "able to log in to " + host + " with a key in authorized_keys, which no certificate ends",
		})
	}
	return out
}

// Discover gives the certificates that are neither over nor revoked, as credentials. Which of them was used, only the hosts' logs tell.
func (c *Connector) Discover(ctx context.Context) iter.Seq2[runbooks.Discovered, error] {
	return func(yield func(runbooks.Discovered, error) bool) {
		for _, x := range c.good() {
			if err := ctx.Err(); err != nil {
				yield(runbooks.Discovered{}, runbooks.Errorf(runbooks.Retry, err, "the call was cut short"))
				return
			}
			if !yield(x, nil) {
				return
			}
		}
	}
}

func (c *Connector) good() (out []runbooks.Discovered) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, serial := range slices.Sorted(maps.Keys(c.reg.Issued)) {
		x := c.reg.Issued[serial]
		if _, listed := c.reg.find(serial); listed || !c.now().Before(time.Unix(x.Until, 0)) {
			continue
		}
		number := strconv.FormatUint(serial, 10)
		d := runbooks.Discovered{
			Ref: "certificate " + number, Kind: "certificate", Name: "SSH certificate " + number, Expires: time.Unix(x.Until, 0).UTC(), Grant: x.Grant,
			Facts: map[string]string{"serial": number}, Grants: []string{"log in" + x.words()}, MadeBy: "countersign",
		}
		if x.From != 0 {
			d.MadeAt = time.Unix(x.From, 0).UTC()
		}
		out = append(out, d)
	}
	return out
}

// words say what a certificate opens.
func (x issued) words() string {
	s := ""
	if x.Principals != "" {
		s += " for " + strings.ReplaceAll(x.Principals, ",", ", ")
	}
	if x.Sudo != nil {
		s += ", with sudo"
	}
	return s
}

func (x issued) listed(serial uint64, what string) runbooks.Access {
	a := runbooks.Access{Key: serialKey(serial), Account: x.Account, What: what, Ours: true, Grant: x.Grant, Ends: time.Unix(x.Until, 0).UTC()}
	if x.From != 0 {
		a.MadeAt = time.Unix(x.From, 0).UTC()
	}
	if x.Principals != "" {
		a.Params = map[string][]string{ParamPrincipals: strings.Split(x.Principals, ",")}
	}
	if a.Account == "" {
		a.Account = "somebody" // a certificate of before the register kept names
	}
	return a
}

// RemoveAccess puts a listed certificate on the list. A key in authorized_keys is for who runs the host.
func (c *Connector) RemoveAccess(ctx context.Context, a runbooks.Access) (runbooks.Receipt, error) {
	text, ok := strings.CutPrefix(a.Key, "serial ")
	serial, err := strconv.ParseUint(text, 10, 64)
	if !ok || err != nil {
		return runbooks.Receipt{}, runbooks.Errorf(runbooks.Refuse, nil, "a key in authorized_keys is on the host, where the bot changes nothing: take the line out there")
	}
	if err := ctx.Err(); err != nil {
		return runbooks.Receipt{}, runbooks.Errorf(runbooks.Retry, err, "the call was cut short before the serial was listed")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	x, known := c.reg.Issued[serial]
	if _, listed := c.reg.find(serial); known && !listed && now.Before(time.Unix(x.Until, 0)) {
		err := c.mutate(func(r *register) error {
			r.revoke(c.PublicKey(), serial, time.Unix(x.Until, 0), now)
			return nil
		})
		if err != nil {
			return runbooks.Receipt{}, err
		}
	}
	return c.revokeReceipt(serial), nil
}

// Plan says what the certificate opens, and what opens the same beside it.
func (c *Connector) Plan(ctx context.Context, g runbooks.Grant) (runbooks.Plan, error) {
	if err := checkID(g); err != nil {
		return runbooks.Plan{}, err
	}
	t, err := c.authority.readTerms(g)
	if err != nil {
		return runbooks.Plan{}, runbooks.Errorf(runbooks.Refuse, nil, "%s", err)
	}
	plan := runbooks.Plan{Notes: []string{c.Describe().RevokeLeaves}}
	presence, err := c.Check(ctx, g)
	if err != nil {
		return plan, err
	}
	if presence == runbooks.Absent {
		plan.Changes = t.changes(g.End.Sub(g.Start))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.group != "" {
		plan.Notes = append(plan.Notes, "It holds on the group "+t.group+" alone: "+hostsText(c.groups[t.group])+".")
	} else {
		plan.Notes = append(plan.Notes, "It holds on every host that trusts this authority and knows those principals.")
	}
	for host, k := range c.looseKeys() {
		if k.User == t.user && len(plan.Standing) < 20 {
			plan.Standing = append(plan.Standing, fmt.Sprintf("a key in authorized_keys logs in to %s as %s, and does not end", host, k.User))
		}
	}
	return plan, nil
}

// changes are what an access of this length makes. They stand on the card for as long as people decide, so they name no moment: the time runs from the
// approval.
func (t terms) changes(long time.Duration) []string {
	line := fmt.Sprintf("an SSH certificate is signed for %s, valid for %s from when it is given", strings.Join(t.principals, ", "), workflows.SpanOf(long))
	if from := t.critical["source-address"]; from != "" {
		line += ", from " + from + " only"
	}
	out := []string{line[:min(len(line), 500)]}
	if command := t.critical["force-command"]; command != "" {
		out = append(out, fmt.Sprintf("every login with it runs %.300q and nothing else", command))
	}
	if t.sudo != nil {
		out = append(out, fmt.Sprintf("sudo lets %s run there: %.400s", t.sudo.User, t.sudo.words()))
	}
	return out
}

// Canary is where a drill logs in.
type Canary struct {
	Address string        // host:port
	HostKey ssh.PublicKey // of that host, so that the drill knows whom it talks to
	User    string        // empty: as the entitlement says
}

// CanaryFields gives the public half of a canary's key. The private half is derived again from the CA's secret when the drill logs
// in: nothing is kept.
func (c *Connector) CanaryFields(id workflows.GrantID, params map[string][]string) (map[string]string, error) {
	signer, err := c.canaryKey(id)
	if err != nil {
		return nil, err
	}
	field := "ssh_key" // any name does: the connector finds the one key of a form
	if name := one(params, ParamKeyField); name != "" {
		field = name
	}
	return map[string]string{field: strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))}, nil
}

func (c *Connector) canaryKey(id workflows.GrantID) (ssh.Signer, error) {
	mac := hmac.New(sha256.New, c.authority.seed)
	mac.Write([]byte("countersign sshca canary v1\x00" + string(id)))
	signer, err := ssh.NewSignerFromKey(ed25519.NewKeyFromSeed(mac.Sum(nil)))
	if err != nil {
		return nil, fmt.Errorf("making the canary's key: %w", err)
	}
	return signer, nil
}

// CanTry tells whether there is a host for drills to log in to.
func (c *Connector) CanTry() bool { return c.canary.Address != "" }

// Try logs in with the canary's certificate, and out again.
func (c *Connector) Try(ctx context.Context, g runbooks.Grant, r runbooks.Receipt) (bool, error) {
	signer, err := c.canaryKey(g.ID)
	if err != nil {
		return false, runbooks.Errorf(runbooks.Broken, err, "the canary's key could not be made")
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(r.Use.Files[fileName(g)]))
	cert, ok := key.(*ssh.Certificate)
	if err != nil || !ok || c.canary.HostKey == nil {
		return false, runbooks.Errorf(runbooks.Broken, err, "there is no certificate to try, or the host's key is not known")
	}
	if signer, err = ssh.NewCertSigner(cert, signer); err != nil {
		return false, runbooks.Errorf(runbooks.Refuse, nil, "the certificate is not for the canary's key")
	}
	return c.logIn(ctx, g, signer)
}

func (c *Connector) logIn(ctx context.Context, g runbooks.Grant, signer ssh.Signer) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.canary.Address)
	if err != nil {
		return false, runbooks.Errorf(runbooks.Retry, err, "the host for drills does not answer")
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	user := c.canary.User
	if user == "" {
		if user = one(g.Params, ParamUser); user == account || user == "" {
			user = g.Account
		}
	}
	reached := false
	client, chans, reqs, err := ssh.NewClientConn(conn, c.canary.Address, &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, Timeout: tryTimeout,
		HostKeyAlgorithms: []string{c.canary.HostKey.Type()},
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			if string(key.Marshal()) != string(c.canary.HostKey.Marshal()) {
				return errors.New("the host has another key")
			}
			reached = true
			return nil
		},
	})
	switch {
	case err == nil:
		go ssh.DiscardRequests(reqs)
		go func() {
			for ch := range chans {
				_ = ch.Reject(ssh.Prohibited, "a drill")
			}
		}()
		_ = client.Close()
		return true, nil
	case reached && strings.Contains(err.Error(), "unable to authenticate"):
		return false, nil // the library has no type for "the server refused every key"
	}
	_ = conn.Close()
	return false, runbooks.Errorf(runbooks.Retry, err, "the host for drills could not be logged in to")
}
