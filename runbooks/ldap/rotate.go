package ldap

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/countersign-bot/countersign/runbooks"
)

// The password of an entry may have several values (RFC 4519, 2.41), so the next one stands beside the old one until programs have it. The bot writes
// passwords below the setting programs alone, and reads none.

// rotated finds the entry of an order and runs do on a connection of the bot's. hash is the new password as the directory keeps it.
func (c *Connector) rotated(ctx context.Context, r runbooks.Rotation, do func(d *directory, dn, hash string) error) error {
	switch {
	case c.cfg.Programs == "":
		return refuse("the target's setting %s names no place whose passwords the bot replaces", SettingPrograms)
	case r.Secret.IsZero():
		return runbooks.Errorf(runbooks.Broken, nil, "no password was made for the account")
	}
	d, end, err := c.connect(ctx)
	if err != nil {
		return err
	}
	defer end()
	dn, err := d.program(r)
	if err != nil {
		return err
	}
	return do(d, dn, hashed(r))
}

// program is the entry that an order is about: the one that Discover named, or the one of the account.
func (d *directory) program(r runbooks.Rotation) (string, error) {
	const what = "looking up the program's account"
	filter := "(" + d.c.cfg.AccountAttribute + "=" + ldap.EscapeFilter(r.Account) + ")"
	old, named := strings.CutPrefix(r.Old, "entry ")
	if named {
		filter = "(objectClass=*)"
	}
	found, err := d.search(what, d.c.cfg.Programs, ldap.ScopeWholeSubtree, maxPrograms, filter, "1.1")
	if err != nil {
		return "", err
	}
	dn := ""
	for _, e := range found {
		switch {
		case named && !isSameDN(e.DN, old):
		case dn != "":
			return "", refuse("the directory has several accounts of that name below %s", d.c.cfg.Programs)
		default:
			dn = e.DN
		}
	}
	switch {
	case dn == "":
		return "", refuse("there is no such account below %s (the target's setting %s)", d.c.cfg.Programs, SettingPrograms)
	case isSameDN(dn, d.c.cfg.BindDN):
		return "", refuse("the account is the bot's own")
	}
	return dn, nil
}

func isSameDN(a, b string) bool {
	x, err := ldap.ParseDN(a)
	y, err2 := ldap.ParseDN(b)
	return err == nil && err2 == nil && x.EqualFold(y)
}

// hashed is the password as every OpenLDAP takes it without a module: salted SHA-1, which is enough for 160 random bits. It is the same for the same order.
func hashed(r runbooks.Rotation) string {
	salt := sha256.Sum256([]byte("countersign ldap " + r.ID))
	sum := sha1.Sum(append([]byte(r.Secret.Reveal()), salt[:8]...))
	return "{SSHA}" + base64.StdEncoding.EncodeToString(append(sum[:], salt[:8]...))
}

// Renew adds the next password.
func (c *Connector) Renew(ctx context.Context, r runbooks.Rotation) (out runbooks.Renewed, err error) {
	err = c.rotated(ctx, r, func(d *directory, dn, hash string) error {
		sum := sha256.Sum256([]byte(hash))
		out = runbooks.Renewed{Ref: short("entry " + dn + " password " + base64.RawURLEncoding.EncodeToString(sum[:6])), Facts: map[string]string{"entry": short(dn)}}
		change := ldap.NewModifyRequest(dn, nil)
		change.Add("userPassword", []string{hash})
		err := d.conn.Modify(change)
		if is(err, ldap.LDAPResultAttributeOrValueExists) {
			return nil // an earlier call
		}
		return classify(ctx, "adding the next password", err)
	})
	if err != nil {
		return runbooks.Renewed{}, err
	}
	return out, nil
}

// Prove logs in with it.
func (c *Connector) Prove(ctx context.Context, r runbooks.Rotation, _ runbooks.Renewed) error {
	dn := ""
	if err := c.rotated(ctx, r, func(_ *directory, found, _ string) error { dn = found; return nil }); err != nil {
		return err
	}
	return c.logsIn(ctx, dn, r.Secret)
}

// as connects as somebody else than the bot.
func (c *Connector) as(ctx context.Context, dn string, password runbooks.Secret) (*directory, func(), error) {
	other := *c
	other.cfg.BindDN, other.cfg.Password = dn, password
	return other.connect(ctx)
}

// logsIn is an error where the directory does not let somebody in.
func (c *Connector) logsIn(ctx context.Context, dn string, password runbooks.Secret) error {
	_, end, err := c.as(ctx, dn, password)
	if err == nil {
		end()
	}
	return err
}

// Retire takes every other password away. Connections that are logged in with one stay so until they end: a directory does not ask again.
func (c *Connector) Retire(ctx context.Context, r runbooks.Rotation, _ runbooks.Renewed) error {
	return c.rotated(ctx, r, func(d *directory, dn, hash string) error {
		change := ldap.NewModifyRequest(dn, nil)
		change.Replace("userPassword", []string{hash})
		return classify(ctx, "taking the old password away", d.conn.Modify(change))
	})
}
