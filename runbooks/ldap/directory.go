package ldap

import (
	"context"
	"crypto/tls"
	"net"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/countersign-bot/countersign/runbooks"
)

// directory is a connection for one call, logged in as the bot. It ends with the call's context.
type directory struct {
	ctx  context.Context
	c    *Connector
	conn *ldap.Conn
}

// connect opens a connection; whoever opens closes.
func (c *Connector) connect(ctx context.Context) (*directory, func(), error) {
	const what = "connecting"
	if err := ctx.Err(); err != nil {
		return nil, nil, classify(ctx, what, err)
	}
	dialing, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	raw, err := (&net.Dialer{}).DialContext(dialing, "tcp", c.address)
	if err != nil {
		return nil, nil, classify(ctx, what, err)
	}
	// Whatever the client waits for, the end of the context ends it: the client itself knows no contexts.
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	isTLS := c.url.Scheme == "ldaps"
	if isTLS {
		secured := tls.Client(raw, c.tls)
		if err := secured.HandshakeContext(dialing); err != nil {
			stop()
			_ = raw.Close()
			return nil, nil, classify(ctx, what, err)
		}
		raw = secured
	}
	conn := ldap.NewConn(raw, isTLS)
	conn.SetTimeout(callTimeout)
	conn.Start()
	end := func() { stop(); _ = conn.Close() }
	d := &directory{ctx, c, conn}
	if err := d.login(isTLS); err != nil {
		end()
		return nil, nil, err
	}
	return d, end, nil
}

func (d *directory) login(isTLS bool) error {
	if !isTLS && !isLoopback(d.c.url.Hostname()) {
		if err := d.conn.StartTLS(d.c.tls); err != nil {
			return classify(d.ctx, "starting TLS", err)
		}
	}
	return classify(d.ctx, "logging in", d.conn.Bind(d.c.cfg.BindDN, d.c.cfg.Password.Reveal()))
}

// search asks for at most limit entries; more than that is an error of the caller's making.
func (d *directory) search(what, base string, scope, limit int, filter string, attributes ...string) ([]*ldap.Entry, error) {
	r, err := d.conn.Search(ldap.NewSearchRequest(base, scope, ldap.NeverDerefAliases, limit, 0, false, filter, attributes, nil))
	if err != nil && !(is(err, ldap.LDAPResultSizeLimitExceeded) && r != nil && len(r.Entries) > 0) {
		return nil, classify(d.ctx, what, err)
	}
	return r.Entries, nil
}

// groupKinds are the classes of groups, with what each calls a member.
var groupKinds = [...]struct{ class, attribute string }{
	{"groupOfNames", "member"}, {"groupOfUniqueNames", "uniqueMember"}, {"posixGroup", "memberUid"},
}

const groupFilter = "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup))(!(objectClass=dynamicObject))"

// group is a standing group.
type group struct {
	name, dn  string
	attribute string // of its members
}

// findGroup looks a group up by its exact name. False: there is none, and its place could be read.
func (d *directory) findGroup(name string) (group, bool, error) {
	const what = "looking up the group"
	found, err := d.search(what, d.c.cfg.Groups, ldap.ScopeWholeSubtree, 2, "(&(cn="+ldap.EscapeFilter(name)+")"+groupFilter+")", "cn", "objectClass")
	if err != nil {
		return group{}, false, err
	}
	switch {
	case len(found) == 0:
		return group{}, false, d.canSee(what, d.c.cfg.Groups)
	case len(found) > 1:
		return group{}, false, refuse("the directory has several groups %.63q", name)
	case !slices.Contains(found[0].GetEqualFoldAttributeValues("cn"), name):
		return group{}, false, refuse("the directory writes the group %.63q otherwise", name)
	}
	return groupOf(found[0], name), true, nil
}

func groupOf(e *ldap.Entry, name string) group {
	classes := e.GetEqualFoldAttributeValues("objectClass")
	for _, kind := range groupKinds {
		if slices.ContainsFunc(classes, func(c string) bool { return strings.EqualFold(c, kind.class) }) {
			return group{name, e.DN, kind.attribute}
		}
	}
	return group{name, e.DN, groupKinds[0].attribute}
}

// canSee tells a place where something is missing from one that is hidden from the bot.
func (d *directory) canSee(what, base string) error {
	found, err := d.search(what, base, ldap.ScopeBaseObject, 1, "(objectClass=*)", "1.1")
	if err == nil && len(found) == 0 {
		return runbooks.Errorf(runbooks.Broken, nil, "%s: the bot's account cannot read %.200q", what, base)
	}
	return err
}

// findUser looks an account up by its exact name and gives its DN; "" when there is none, and its place could be read.
func (d *directory) findUser(account string) (string, error) {
	const what = "looking up the account"
	attribute := d.c.cfg.AccountAttribute
	found, err := d.search(what, d.c.cfg.People, ldap.ScopeWholeSubtree, 2, "("+attribute+"="+ldap.EscapeFilter(account)+")", attribute)
	if err != nil {
		return "", err
	}
	switch {
	case len(found) == 0:
		return "", d.canSee(what, d.c.cfg.People)
	case len(found) > 1:
		return "", refuse("the directory has several accounts %.63q", account)
	case !slices.Contains(found[0].GetEqualFoldAttributeValues(attribute), account):
		return "", refuse("the directory writes the account %.63q otherwise", account)
	}
	return found[0].DN, nil
}

// accountOf names the account behind a member of a group: its account attribute, or the DN itself when it cannot be read.
func (d *directory) accountOf(g group, member string) (string, error) {
	if g.attribute == "memberUid" {
		return member, nil
	}
	r, err := d.conn.Search(ldap.NewSearchRequest(member, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false,
		"(objectClass=*)", []string{d.c.cfg.AccountAttribute}, nil))
	switch {
	case is(err, ldap.LDAPResultNoSuchObject, ldap.LDAPResultInsufficientAccessRights, ldap.LDAPResultInvalidDNSyntax):
		return member, nil
	case err != nil:
		return "", classify(d.ctx, "looking up a member", err)
	case len(r.Entries) == 1 && r.Entries[0].GetEqualFoldAttributeValue(d.c.cfg.AccountAttribute) != "":
		return r.Entries[0].GetEqualFoldAttributeValue(d.c.cfg.AccountAttribute), nil
	}
	return member, nil
}

// has tells whether a group has a member.
func (d *directory) has(g group, member string) (bool, error) {
	has, err := d.conn.Compare(g.dn, g.attribute, member)
	if is(err, ldap.LDAPResultNoSuchAttribute, ldap.LDAPResultNoSuchObject) {
		return false, nil
	}
	return has, classify(d.ctx, "reading the group", err)
}

// marks reads the marks of a group that lie in its description.
func (d *directory) marks(dn string) ([]mark, error) {
	found, err := d.search("reading the group's marks", dn, ldap.ScopeBaseObject, 1, "(objectClass=*)", "description")
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return marksOf(found[0])
}

func marksOf(e *ldap.Entry) ([]mark, error) {
	values := e.GetEqualFoldAttributeValues("description")
	if len(values) > maxMarks {
		return nil, runbooks.Errorf(runbooks.Broken, nil, "reading the group's marks: there are more than %d", maxMarks)
	}
	var out []mark
	for _, v := range values {
		if m, ok := parseMark(v); ok {
			out = append(out, m)
		}
	}
	return out, nil
}
