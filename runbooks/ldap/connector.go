package ldap

import (
	"context"
	"crypto/tls"
	"net/url"
	"slices"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/countersign-bot/countersign/runbooks"
)

// Connector grants memberships in one directory. It holds no connection between calls and is safe for concurrent use.
type Connector struct {
	cfg     Config
	url     *url.URL
	address string
	tls     *tls.Config
	nobody  string // stands in a group that would have no member: such groups may not be empty
}

// Open reads the configuration; it does not connect.
func Open(cfg Config) (*Connector, error) {
	if cfg.AccountAttribute == "" {
		cfg.AccountAttribute = "uid"
	}
	u, err := cfg.check()
	if err != nil {
		return nil, err
	}
	return &Connector{
		cfg: cfg, url: u, address: address(u), nobody: "cn=nobody," + cfg.Groups,
		tls: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: cfg.Roots, ServerName: u.Hostname()},
	}, nil
}

// Close has nothing to let go of; it is there so that every connector ends the same way.
func (c *Connector) Close() error { return nil }

// Describe says what memberships can do: with groups of one grant the directory ends them by itself.
func (c *Connector) Describe() runbooks.Capabilities {
	caps := runbooks.Capabilities{
		Name: "ldap", Shared: true, RevokeLatency: time.Second, Timeout: callTimeout,
		RevokeLeaves: "Programs that read the directory earlier may go by what they read until they ask again, and whoever is logged in to one stays so until it asks.",
	}
	if c.cfg.Dynamic != "" {
		caps.NativeExpiry, caps.Shared, caps.MinTTL = true, false, time.Second
	}
	return caps
}

// order is a grant read and found sound.
type order struct {
	runbooks.Grant
	tag, group string
}

func readOrder(g runbooks.Grant) (order, error) {
	words, err := runbooks.ReadTerms(g, ParamGroup)
	if err != nil {
		return order{}, err
	}
	o := order{Grant: g, group: words[ParamGroup]}
	if o.tag, err = g.Tag(); err != nil {
		return o, err
	}
	for what, s := range map[string]string{"account": g.Account, "group": o.group} {
		switch {
		case s == "":
			return o, refuse("there is no %s", what)
		case len(s) > maxName:
			return o, refuse("the %s is longer than %d bytes", what, maxName)
		}
	}
	return o, nil
}

// with runs do on a connection for the grant.
func (c *Connector) with(ctx context.Context, g runbooks.Grant, do func(*directory, order) error) error {
	o, err := readOrder(g)
	if err != nil {
		return err
	}
	d, end, err := c.connect(ctx)
	if err != nil {
		return err
	}
	defer end()
	return do(d, o)
}

// Grant makes the account a member. It refuses an account that is one already by somebody else's hand: that membership would
// not end with the grant.
func (c *Connector) Grant(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	var receipt runbooks.Receipt
	err := c.with(ctx, g, func(d *directory, o order) error {
		gr, member, err := d.parties(o)
		if err != nil {
			return err
		}
		receipt = o.receipt(gr, member)
		if c.cfg.Dynamic != "" {
			return d.lend(o, gr, member)
		}
		return d.join(o, gr, member)
	})
	if err != nil {
		return runbooks.Receipt{}, err
	}
	return receipt, nil
}

// parties finds the group and the account's name in it.
func (d *directory) parties(o order) (group, string, error) {
	gr, ok, err := d.findGroup(o.group)
	if err == nil && !ok {
		err = refuse("the directory has no group %.63q", o.group)
	}
	if err != nil {
		return gr, "", err
	}
	user, err := d.findUser(o.Account)
	switch {
	case err != nil:
		return gr, "", err
	case user == "":
		return gr, "", refuse("the directory has no account %.63q", o.Account)
	case sameDN(user, d.c.cfg.BindDN):
		return gr, "", refuse("the account is the bot's own")
	}
	return gr, memberName(gr, user, o.Account), nil
}

// memberName is what a group of this kind calls a member. A posixGroup knows accounts, the others entries. With groups of one
// grant it is always the entry.
func memberName(gr group, user, account string) string {
	if gr.attribute == "memberUid" {
		return account
	}
	return user
}

func sameDN(a, b string) bool {
	x, err := ldap.ParseDN(a)
	y, err2 := ldap.ParseDN(b)
	return err == nil && err2 == nil && x.EqualFold(y)
}

// join adds the member and its mark to a standing group, both or neither. Somebody else may do the same meanwhile: then the
// group is read again.
func (d *directory) join(o order, gr group, member string) error {
	for range 3 {
		has, err := d.has(gr, member)
		if err != nil {
			return err
		}
		marks, err := d.marks(gr.dn)
		if err != nil {
			return err
		}
		ours := marksFor(marks, o.Account, member)
		switch {
		case has && len(ours) > 0:
			return nil
		case has:
			return refuse("the account is a member of the group already, by no grant of this system: ask the owner to remove it there")
		}
		change := ldap.NewModifyRequest(gr.dn, nil)
		change.Add(gr.attribute, []string{member})
		if len(ours) > 0 { // the member was removed by hand, the mark was not
			change.Delete("description", raws(ours))
		}
		change.Add("description", []string{newMark(o.Grant, o.tag, member).raw})
		if err := d.conn.Modify(change); !is(err, ldap.LDAPResultAttributeOrValueExists, ldap.LDAPResultNoSuchAttribute) {
			return classify(d.ctx, "adding the member", err)
		}
	}
	return runbooks.Errorf(runbooks.Retry, nil, "adding the member: somebody else changes the same group at the same time")
}

// marksFor are the marks of an account. A member that was renamed keeps them by the account's name.
func marksFor(marks []mark, account, member string) []mark {
	return slices.DeleteFunc(slices.Clone(marks), func(m mark) bool { return m.account != account && m.member != member })
}

func raws(marks []mark) (out []string) {
	for _, m := range marks {
		out = append(out, m.raw)
	}
	return out
}

// Revoke takes the membership away if it is ours. A group or an account that is gone has nothing to take away, but what the
// bot wrote about a deleted account is removed with its member.
func (c *Connector) Revoke(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	receipt := runbooks.Receipt{}
	err := c.with(ctx, g, func(d *directory, o order) error {
		receipt.Ref = "group " + o.group
		receipt.Facts = map[string]string{"group": o.group}
		receipt.Personal = map[string]string{"account": o.Account}
		if c.cfg.Dynamic != "" {
			return d.end(o)
		}
		gr, ok, err := d.findGroup(o.group)
		if err != nil || !ok {
			return err
		}
		return d.leave(gr, func(m mark) bool { return m.account == o.Account })
	})
	if err != nil {
		return runbooks.Receipt{}, err
	}
	return receipt, nil
}

// leave removes the members that marks name, with the marks, one change for each so that a member who is gone already does
// not keep another one in.
func (d *directory) leave(gr group, which func(mark) bool) error {
	marks, err := d.marks(gr.dn)
	if err != nil {
		return err
	}
	for _, m := range marks {
		if !which(m) {
			continue
		}
		has, err := d.has(gr, m.member)
		if err != nil {
			return err
		}
		if err := d.remove(gr, m.member, m.raw, has); err != nil {
			return err
		}
	}
	return nil
}

// remove takes one member out, and its mark unless that is "". A group that may not be empty gets nobody in its place.
func (d *directory) remove(gr group, member, raw string, has bool) error {
	const what = "removing the member"
	for _, nobody := range []bool{false, true} {
		change := ldap.NewModifyRequest(gr.dn, nil)
		if nobody {
			change.Add(gr.attribute, []string{d.c.nobody})
		}
		if has {
			change.Delete(gr.attribute, []string{member})
		}
		if raw != "" {
			change.Delete("description", []string{raw})
		}
		err := d.conn.Modify(change)
		switch {
		case is(err, ldap.LDAPResultObjectClassViolation) && !nobody && gr.attribute != "memberUid":
			continue
		case is(err, ldap.LDAPResultNoSuchAttribute):
			return runbooks.Errorf(runbooks.Retry, err, "%s: somebody else changes the same group at the same time", what)
		case is(err, ldap.LDAPResultNoSuchObject):
			return nil
		}
		return classify(d.ctx, what, err)
	}
	return nil
}

// Check reads the group. A membership that somebody else made is access as well: a revocation after which it is there has
// not ended the access, whoever is to blame.
func (c *Connector) Check(ctx context.Context, g runbooks.Grant) (runbooks.Presence, error) {
	presence := runbooks.Unconfirmed
	err := c.with(ctx, g, func(d *directory, o order) error {
		has, err := d.isIn(o)
		if err != nil {
			return err
		}
		presence = runbooks.Absent
		if has {
			presence = runbooks.Present
		}
		return nil
	})
	if err != nil {
		return runbooks.Unconfirmed, err
	}
	return presence, nil
}

// isIn tells whether the account is in the group, or in one that was made for this grant.
func (d *directory) isIn(o order) (bool, error) {
	if d.c.cfg.Dynamic != "" {
		if lent, err := d.isLent(o); lent || err != nil {
			return lent, err
		}
	}
	gr, ok, err := d.findGroup(o.group)
	if err != nil || !ok {
		return false, err
	}
	user, err := d.findUser(o.Account)
	if err != nil {
		return false, err
	}
	if user == "" && gr.attribute != "memberUid" {
		return d.remains(gr, o.Account)
	}
	return d.has(gr, memberName(gr, user, o.Account))
}

// remains tells whether an account that is gone from the directory is still a member, as far as our marks tell.
func (d *directory) remains(gr group, account string) (bool, error) {
	marks, err := d.marks(gr.dn)
	if err != nil {
		return false, err
	}
	for _, m := range marks {
		if m.account != account {
			continue
		}
		if has, err := d.has(gr, m.member); has || err != nil {
			return has, err
		}
	}
	return false, nil
}

// receipt is the same for every call of the same grant.
func (o order) receipt(gr group, member string) runbooks.Receipt {
	return runbooks.Receipt{
		Ref:      "group " + o.group,
		Facts:    map[string]string{"group": o.group, "dn": gr.dn},
		Personal: map[string]string{"account": o.Account, "member": member},
		Use: runbooks.Use{Steps: []string{
			"Log in with your own account, as always: it is a member of the group " + o.group + " now.",
			"A program where you are logged in already may need you to log in again before it sees that.",
		}},
	}
}
