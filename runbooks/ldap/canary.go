package ldap

import (
	"context"

	"github.com/go-ldap/ldap/v3"

	"github.com/countersign-bot/countersign/runbooks"
)

// CanTry tells whether drills know the canary's password and an entry that only members of the group can read.
func (c *Connector) CanTry() bool { return c.cfg.CanaryReads != "" && !c.cfg.CanaryPassword.IsZero() }

// Try logs in as the canary and reads the entry that its group lets it read.
func (c *Connector) Try(ctx context.Context, g runbooks.Grant, _ runbooks.Receipt) (bool, error) {
	in := false
	err := c.with(ctx, g, func(d *directory, o order) error {
		dn, err := d.findUser(o.Account)
		if err == nil && dn == "" {
			err = refuse("the directory has no account %.63q", o.Account)
		}
		if err != nil {
			return err
		}
		canary, end, err := c.as(ctx, dn, c.cfg.CanaryPassword)
		switch {
		case is(err, ldap.LDAPResultInvalidCredentials):
			return runbooks.Errorf(runbooks.Broken, err, "the directory refuses the canary's password: is it the one of %s_file or _env?", SettingCanary)
		case err != nil:
			return err
		}
		defer end()
		in, err = canary.reads(c.cfg.CanaryReads)
		return err
	})
	return in, err
}

// reads tells whether who is logged in can read an entry. One that is hidden looks like one that is not there.
func (d *directory) reads(dn string) (bool, error) {
	r, err := d.conn.Search(ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false, "(objectClass=*)", []string{"1.1"}, nil))
	if is(err, ldap.LDAPResultNoSuchObject, ldap.LDAPResultInsufficientAccessRights) {
		return false, nil
	}
	if err != nil {
		return false, classify(d.ctx, "reading as the canary", err)
	}
	return len(r.Entries) == 1, nil
}
