package ldap

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/countersign-bot/countersign/runbooks"
)

// Accounts of identities lie below the setting programs, where the bot may make and take away entries; nowhere else.

var (
	_ runbooks.AccountMaker  = (*Connector)(nil)
	_ runbooks.AccountScoper = (*Connector)(nil)
	_ runbooks.AccountCloser = (*Connector)(nil)
)

// accountMark is what an entry made for an identity carries: by it a repeated call knows its own.
const accountMark = "countersign identity request="

// inPrograms runs do on a connection of the bot's, if there is a place for accounts of programs.
func (c *Connector) inPrograms(ctx context.Context, do func(*directory) error) error {
	if c.cfg.Programs == "" {
		return refuse("the target's setting %s names no place where the bot makes or changes accounts", SettingPrograms)
	}
	d, end, err := c.connect(ctx)
	if err != nil {
		return err
	}
	defer end()
	return do(d)
}

// MakeAccount implements runbooks.AccountMaker: an entry below programs that is a member of the entitlement's group. Its password is one that nobody keeps;
// a rotation makes the first that somebody does. The directory has no end of its own for it.
func (c *Connector) MakeAccount(ctx context.Context, a runbooks.NewAccount) (ref string, err error) {
	name := a.Params[ParamGroup]
	if len(name) != 1 || a.Account == "" || len(a.Account) > maxName || !strings.EqualFold(c.cfg.AccountAttribute, "uid") {
		return "", refuse("an account needs a name and one group, and the target's setting %s to be uid", SettingAccount)
	}
	dn := "uid=" + ldap.EscapeDN(a.Account) + "," + c.cfg.Programs
	err = c.inPrograms(ctx, func(d *directory) error {
		gr, ok, err := d.findGroup(name[0])
		if err == nil && !ok {
			err = refuse("the directory has no group %.63q", name[0])
		}
		if err != nil {
			return err
		}
		entry := ldap.NewAddRequest(dn, nil)
		entry.Attribute("objectClass", []string{"account", "simpleSecurityObject"})
		entry.Attribute("uid", []string{a.Account})
		entry.Attribute("description", []string{accountMark + a.Order})
		entry.Attribute("userPassword", []string{hashed(runbooks.Rotation{ID: a.Order, Secret: runbooks.NewPassword()})})
		err = d.conn.Add(entry)
		if is(err, ldap.LDAPResultEntryAlreadyExists) {
			found, err := d.search("reading an account", dn, ldap.ScopeBaseObject, 1, "(objectClass=*)", "description")
			if err != nil {
				return err
			}
			if len(found) != 1 || !slices.Contains(found[0].GetEqualFoldAttributeValues("description"), accountMark+a.Order) {
				return refuse("the directory has an account %.63q already, which was not made for this", a.Account)
			}
		} else if err != nil {
			return classify(ctx, "making an account", err)
		}
		return d.enrol(gr, memberName(gr, dn, a.Account))
	})
	return short("entry " + dn), err
}

// enrol makes somebody a member for as long as the group has them, and reads that back.
func (d *directory) enrol(gr group, member string) error {
	change := ldap.NewModifyRequest(gr.dn, nil)
	change.Add(gr.attribute, []string{member})
	if err := d.conn.Modify(change); err != nil && !is(err, ldap.LDAPResultAttributeOrValueExists) {
		return classify(d.ctx, "adding the member", err)
	}
	has, err := d.has(gr, member)
	if err == nil && !has {
		err = runbooks.Errorf(runbooks.Retry, nil, "the directory says that it made the account a member, but reading back does not find it")
	}
	return err
}

const memberOf = "member of the group " // begins what Discover says of a membership

// ScopeAccount implements runbooks.AccountScoper: first the account gets the group, then it leaves those that it had before, but not what a grant gave it.
func (c *Connector) ScopeAccount(ctx context.Context, a runbooks.NewAccount) (what string, err error) {
	name := a.Params[ParamGroup]
	if len(name) != 1 || a.Account == "" {
		return "", refuse("the entitlement names no group, or there is no account")
	}
	var gone []string
	err = c.inPrograms(ctx, func(d *directory) error {
		dn, err := d.program(runbooks.Rotation{Account: a.Account})
		if err != nil {
			return err
		}
		gr, ok, err := d.findGroup(name[0])
		if err == nil && !ok {
			err = refuse("the directory has no group %.63q", name[0])
		}
		if err != nil {
			return err
		}
		if err := d.enrol(gr, memberName(gr, dn, a.Account)); err != nil {
			return err
		}
		gone, err = d.expel(dn, a.Account, func(g group) (bool, error) {
			if isSameDN(g.dn, gr.dn) || !slices.Contains(a.Was, g.name) && !slices.Contains(a.Was, memberOf+firstName(g.dn)) {
				return false, nil
			}
			marks, err := d.marks(g.dn)
			return !slices.ContainsFunc(marks, func(m mark) bool { return m.account == a.Account }), err
		})
		return err
	})
	what = memberOf + name[0]
	if len(gone) > 0 {
		what += ", no longer of " + strings.Join(gone, ", ")
	}
	return short(what), err
}

// CloseAccount implements runbooks.AccountCloser: an entry that the bot made is deleted; of another one the password is replaced by one that nobody keeps, and
// that it is the only one is proven by logging in with it. The memberships of both are taken away.
func (c *Connector) CloseAccount(ctx context.Context, account string) error {
	return c.inPrograms(ctx, func(d *directory) error {
		filter := "(" + d.c.cfg.AccountAttribute + "=" + ldap.EscapeFilter(account) + ")"
		found, err := d.search("looking up the program's account", c.cfg.Programs, ldap.ScopeWholeSubtree, maxPrograms, filter, "description")
		switch {
		case err != nil:
			return err
		case len(found) == 0 && !d.elsewhere(account):
			return d.canSee("looking up the program's account", c.cfg.Programs)
		case len(found) != 1 || isSameDN(found[0].DN, c.cfg.BindDN):
			return refuse("it is not one account of its own below %s: close it by hand", c.cfg.Programs)
		}
		dn := found[0].DN
		if _, err := d.expel(dn, account, func(group) (bool, error) { return true, nil }); err != nil {
			return err
		}
		if slices.ContainsFunc(found[0].GetEqualFoldAttributeValues("description"), func(v string) bool { return strings.HasPrefix(v, accountMark) }) {
			err := d.conn.Del(ldap.NewDelRequest(dn, nil))
			if is(err, ldap.LDAPResultNoSuchObject) {
				return nil
			}
			return classify(ctx, "deleting the account", err)
		}
		return c.shut(ctx, d, dn)
	})
}

// elsewhere tells whether an account of that name lies where people are: that one is not the bot's to close.
func (d *directory) elsewhere(account string) bool {
	dn, err := d.findUser(account)
	return err != nil || dn != ""
}

// shut replaces every password by one that is forgotten as soon as it was tried.
func (c *Connector) shut(ctx context.Context, d *directory, dn string) error {
	r := runbooks.Rotation{ID: "shut", Secret: runbooks.NewPassword()}
	change := ldap.NewModifyRequest(dn, nil)
	change.Replace("userPassword", []string{hashed(r)})
	if err := d.conn.Modify(change); err != nil {
		return classify(ctx, "taking the password away", err)
	}
	return c.logsIn(ctx, dn, r.Secret)
}

// expel takes somebody out of the groups that which names, of all that can be granted, and reads that back. It names them.
func (d *directory) expel(dn, account string, which func(group) (bool, error)) (gone []string, err error) {
	filter := "(|(member=" + ldap.EscapeFilter(dn) + ")(uniqueMember=" + ldap.EscapeFilter(dn) + ")(memberUid=" + ldap.EscapeFilter(account) + "))"
	found, err := d.search("reading what the account is in", d.c.cfg.Groups, ldap.ScopeWholeSubtree, maxMarks, "(&"+filter+groupFilter+")", "cn", "objectClass")
	if err != nil {
		return nil, err
	}
	for _, e := range found {
		gr := groupOf(e, e.GetEqualFoldAttributeValue("cn"))
		goes, err := which(gr)
		if err != nil {
			return gone, err
		}
		if !goes {
			continue
		}
		member := memberName(gr, dn, account)
		if err := d.remove(gr, member, "", true); err != nil {
			return gone, err
		}
		if has, err := d.has(gr, member); err != nil || has {
			return gone, cmp.Or(err, error(runbooks.Errorf(runbooks.Retry, nil, "the directory says that it took the account out of a group, but reading back finds it there")))
		}
		gone = append(gone, gr.name)
	}
	slices.Sort(gone)
	return gone, nil
}
