package ldap

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/countersign-bot/countersign/runbooks"
)

// pages gives the entries below base, some at a time.
func (d *directory) pages(what, base, filter string, attributes ...string) iter.Seq2[*ldap.Entry, error] {
	return func(yield func(*ldap.Entry, error) bool) {
		paging := ldap.NewControlPaging(page)
		for n := 0; n < maxGroups; {
			r, err := d.conn.Search(ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, filter, attributes, []ldap.Control{paging}))
			if err != nil {
				yield(nil, classify(d.ctx, what, err))
				return
			}
			for _, e := range r.Entries {
				if n++; !yield(e, nil) {
					return
				}
			}
			next, ok := ldap.FindControl(r.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging)
			if !ok || len(next.Cookie) == 0 {
				return
			}
			paging.SetCookie(next.Cookie)
		}
		yield(nil, runbooks.Errorf(runbooks.Broken, nil, "%s: there are more than %d", what, maxGroups))
	}
}

// stream opens a connection for a list and closes it when the list is left.
func stream[T any](ctx context.Context, c *Connector, list func(*directory, func(T, error) bool)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		d, end, err := c.connect(ctx)
		if err != nil {
			var none T
			yield(none, err)
			return
		}
		defer end()
		list(d, yield)
	}
}

// ListAccess gives every member of every group that can be granted, and of the groups of single grants.
func (c *Connector) ListAccess(ctx context.Context) iter.Seq2[runbooks.Access, error] {
	return stream(ctx, c, func(d *directory, yield func(runbooks.Access, error) bool) {
		for e, err := range d.pages("listing groups", c.cfg.Groups, "(&"+groupFilter+")", "cn", "objectClass", "description", "member", "uniqueMember", "memberUid") {
			if err != nil {
				yield(runbooks.Access{}, err)
				return
			}
			if !d.listMembers(e, yield) {
				return
			}
		}
		if c.cfg.Dynamic == "" {
			return
		}
		for e, err := range d.pages("listing groups of single grants", c.cfg.Dynamic, "(objectClass=dynamicObject)", "cn", "description", "member", "seeAlso", "entryTtl", "creatorsName", "createTimestamp") {
			if err != nil {
				yield(runbooks.Access{}, err)
				return
			}
			if !d.listLent(e, yield) {
				return
			}
		}
	})
}

// listMembers gives the members of one standing group. False: the list ends here.
func (d *directory) listMembers(e *ldap.Entry, yield func(runbooks.Access, error) bool) bool {
	gr := groupOf(e, e.GetEqualFoldAttributeValue("cn"))
	marks, err := marksOf(e)
	if err != nil {
		return yield(runbooks.Access{}, err)
	}
	for _, member := range e.GetEqualFoldAttributeValues(gr.attribute) {
		if strings.EqualFold(member, d.c.nobody) || sameDN(member, d.c.nobody) {
			continue
		}
		a, err := d.access(gr, marks, member)
		if !yield(a, err) || err != nil {
			return false
		}
	}
	return true
}

// access says whose one membership is. Marks tell ours; of others the access log tells who made them, where there is one.
func (d *directory) access(gr group, marks []mark, member string) (runbooks.Access, error) {
	a := runbooks.Access{Params: map[string][]string{ParamGroup: {gr.name}}, What: "member of the group " + gr.name}
	i := slices.IndexFunc(marks, func(m mark) bool { return strings.EqualFold(m.member, member) })
	if i < 0 {
		account, err := d.accountOf(gr, member)
		if err != nil {
			return a, err
		}
		a.Account = account
		i = slices.IndexFunc(marks, func(m mark) bool { return m.account == account })
	}
	if i >= 0 {
		a.Account, a.Ours, a.Grant = marks[i].account, true, marks[i].grant
		a.Key = memberKey(gr.name, a.Account)
		return a, nil
	}
	a.Key = handKey(gr.name, member)
	var err error
	a.MadeBy, a.MadeAt, err = d.whoAdded(gr, member)
	return a, err
}

// listLent gives the holder of a group of a single grant, or the members of one that somebody else made.
func (d *directory) listLent(e *ldap.Entry, yield func(runbooks.Access, error) bool) bool {
	marks, err := marksOf(e)
	if err != nil {
		return yield(runbooks.Access{}, err)
	}
	gr := group{name: firstName(e.GetEqualFoldAttributeValue("seeAlso")), dn: e.DN, attribute: "member"}
	var ends time.Time
	if ttl, err := strconv.ParseInt(e.GetEqualFoldAttributeValue("entryTtl"), 10, 64); err == nil {
		ends = time.Now().Add(time.Duration(ttl) * time.Second).UTC().Truncate(time.Second)
	}
	for _, member := range e.GetEqualFoldAttributeValues("member") {
		if sameDN(member, d.c.nobody) {
			continue
		}
		a := runbooks.Access{Params: map[string][]string{ParamGroup: {gr.name}}, What: "member of the group " + gr.name + ", lent", Ends: ends}
		i := slices.IndexFunc(marks, func(m mark) bool { return strings.EqualFold(m.member, member) })
		if i >= 0 && sameDN(e.DN, "cn="+string(marks[i].grant)+","+d.c.cfg.Dynamic) {
			a.Account, a.Ours, a.Grant = marks[i].account, true, marks[i].grant
			a.Key = lentKey(string(a.Grant), gr.name, a.Account)
		} else {
			if a.Account, err = d.accountOf(gr, member); err != nil {
				return yield(a, err)
			}
			a.Key = handKey(e.DN, member)
			a.MadeBy, a.MadeAt = e.GetEqualFoldAttributeValue("creatorsName"), generalized(e.GetEqualFoldAttributeValue("createTimestamp"))
		}
		if !yield(a, nil) {
			return false
		}
	}
	return true
}

// firstName is the value of the first part of a DN: the cn of a group.
func firstName(dn string) string {
	parsed, err := ldap.ParseDN(dn)
	if err != nil || len(parsed.RDNs) == 0 || len(parsed.RDNs[0].Attributes) == 0 {
		return dn
	}
	return parsed.RDNs[0].Attributes[0].Value
}

// AccessKey is the key of a membership of ours.
func (c *Connector) AccessKey(g runbooks.Grant) string {
	o, err := readOrder(g)
	switch {
	case err != nil:
		return ""
	case c.cfg.Dynamic != "":
		return lentKey(string(g.ID), o.group, g.Account)
	}
	return memberKey(o.group, g.Account)
}

func memberKey(group, account string) string {
	return short(fmt.Sprintf("group %q account %q", group, account))
}

func lentKey(id, group, account string) string {
	return short(fmt.Sprintf("group %q account %q for %s", group, account, id))
}

func handKey(group, member string) string {
	return short(fmt.Sprintf("group %q member %q by hand", group, member))
}

// short keeps a key within what a finding keeps.
func short(key string) string {
	if len(key) <= maxKey {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// RemoveAccess takes out the member that has this key now. One that is gone, or has become ours meanwhile, has another.
func (c *Connector) RemoveAccess(ctx context.Context, a runbooks.Access) (runbooks.Receipt, error) {
	receipt := runbooks.Receipt{Ref: a.What, Facts: map[string]string{"key": a.Key}, Personal: map[string]string{"account": a.Account}}
	d, end, err := c.connect(ctx)
	if err != nil {
		return runbooks.Receipt{}, err
	}
	defer end()
	if len(a.Params[ParamGroup]) != 1 {
		return runbooks.Receipt{}, refuse("the access names no group")
	}
	if err := d.removeAccess(a); err != nil {
		return runbooks.Receipt{}, err
	}
	return receipt, nil
}

func (d *directory) removeAccess(a runbooks.Access) error {
	gr, ok, err := d.findGroup(a.Params[ParamGroup][0])
	if err != nil {
		return err
	}
	if ok {
		found, err := d.search("reading the group", gr.dn, ldap.ScopeBaseObject, 1, "(objectClass=*)", gr.attribute, "description")
		if err != nil || len(found) == 0 {
			return err
		}
		marks, err := marksOf(found[0])
		if err != nil {
			return err
		}
		for _, member := range found[0].GetEqualFoldAttributeValues(gr.attribute) {
			if handKey(gr.name, member) == a.Key {
				return d.remove(gr, member, "", true)
			}
		}
		for _, m := range marks {
			if memberKey(gr.name, m.account) == a.Key {
				return d.leave(gr, func(x mark) bool { return x.account == m.account })
			}
		}
	}
	if d.c.cfg.Dynamic == "" {
		return nil
	}
	return d.removeLent(a)
}

// removeLent takes away a group of a single grant, or one member of a group that somebody else made there.
func (d *directory) removeLent(a runbooks.Access) error {
	for e, err := range d.pages("listing groups of single grants", d.c.cfg.Dynamic, "(objectClass=dynamicObject)", "description", "member", "seeAlso") {
		if err != nil {
			return err
		}
		gr := group{name: firstName(e.GetEqualFoldAttributeValue("seeAlso")), dn: e.DN, attribute: "member"}
		marks, err := marksOf(e)
		if err != nil {
			return err
		}
		for _, m := range marks {
			if lentKey(string(m.grant), gr.name, m.account) == a.Key {
				return classify(d.ctx, "removing the group", d.conn.Del(ldap.NewDelRequest(e.DN, nil)))
			}
		}
		for _, member := range e.GetEqualFoldAttributeValues("member") {
			if handKey(e.DN, member) == a.Key {
				return d.remove(gr, member, "", true)
			}
		}
	}
	return nil
}

// whoAdded asks the access log (slapo-accesslog) for the last change that put a member into a group.
func (d *directory) whoAdded(gr group, member string) (by string, at time.Time, err error) {
	if d.c.cfg.AccessLog == "" {
		return "", time.Time{}, nil
	}
	value := ldap.EscapeFilter(member)
	filter := fmt.Sprintf("(&(reqDN=%s)(reqResult=0)(|(reqMod=%s:+ %s)(reqMod=%s:= %s)))", ldap.EscapeFilter(gr.dn), gr.attribute, value, gr.attribute, value)
	found, err := d.search("reading the access log", d.c.cfg.AccessLog, ldap.ScopeWholeSubtree, maxLog, filter, "reqAuthzID", "reqStart")
	if err != nil {
		return "", time.Time{}, err
	}
	for _, e := range found {
		if t := generalized(e.GetEqualFoldAttributeValue("reqStart")); t.After(at) {
			by, at = e.GetEqualFoldAttributeValue("reqAuthzID"), t
		}
	}
	return by, at, nil
}

// generalized reads a time of a directory (RFC 4517, 3.3.13) as OpenLDAP writes it; zero when it is none.
func generalized(s string) time.Time {
	for _, form := range []string{"20060102150405Z", "20060102150405.000000Z"} {
		if t, err := time.Parse(form, s); err == nil {
			return t
		}
	}
	return time.Time{}
}

// Discover gives the accounts of the directory, of people and of programs.
func (c *Connector) Discover(ctx context.Context) iter.Seq2[runbooks.Discovered, error] {
	attribute := c.cfg.AccountAttribute
	return stream(ctx, c, func(d *directory, yield func(runbooks.Discovered, error) bool) {
		for _, base := range c.homes() {
			for e, err := range d.pages("listing accounts", base, "("+attribute+"=*)", attribute, "objectClass", "cn", "displayName", "description",
				"owner", "manager", "creatorsName", "createTimestamp", "authTimestamp", "pwdLastSuccess", "pwdEndTime", "memberOf") {
				if err != nil {
					yield(runbooks.Discovered{}, err)
					return
				}
				if !yield(discovered(e, attribute), nil) {
					return
				}
			}
		}
	})
}

// homes are where accounts lie: of people, and of programs where that is no part of it.
func (c *Connector) homes() []string {
	people, err := ldap.ParseDN(c.cfg.People)
	programs, err2 := ldap.ParseDN(c.cfg.Programs)
	if c.cfg.Programs == "" || err != nil || err2 != nil || people.EqualFold(programs) || people.AncestorOfFold(programs) {
		return []string{c.cfg.People}
	}
	return []string{c.cfg.People, c.cfg.Programs}
}

func discovered(e *ldap.Entry, attribute string) runbooks.Discovered {
	one := e.GetEqualFoldAttributeValue
	x := runbooks.Discovered{
		Ref: short("entry " + e.DN), Kind: kindOf(e.GetEqualFoldAttributeValues("objectClass")), Name: one(attribute), Owner: one("owner"), MadeBy: one("creatorsName"),
		MadeAt: generalized(one("createTimestamp")), LastUsed: generalized(one("authTimestamp")), Expires: generalized(one("pwdEndTime")),
	}
	if x.Owner == "" {
		x.Owner = one("manager")
	}
	if t := generalized(one("pwdLastSuccess")); t.After(x.LastUsed) {
		x.LastUsed = t
	}
	groups := e.GetEqualFoldAttributeValues("memberOf")
	for _, dn := range groups[:min(len(groups), 20)] {
		x.Grants = append(x.Grants, memberOf+firstName(dn))
	}
	facts := map[string]string{"cn": one("cn"), "display name": one("displayName"), "description": runbooks.Redact(one("description"), 500)}
	maps.DeleteFunc(facts, func(_, v string) bool { return v == "" || len(v) > 500 })
	x.Facts = facts
	return x
}

// kindOf goes by the classes of an entry, which say what a directory's administrators meant it to be.
func kindOf(classes []string) string {
	for _, c := range classes {
		switch strings.ToLower(c) {
		case "inetorgperson":
			return "human"
		case "applicationprocess", "account", "simplesecurityobject":
			return "service_account"
		}
	}
	return ""
}

// ListOffers gives the groups that Grant would take.
func (c *Connector) ListOffers(ctx context.Context) iter.Seq2[runbooks.Offer, error] {
	return stream(ctx, c, func(d *directory, yield func(runbooks.Offer, error) bool) {
		for e, err := range d.pages("listing groups", c.cfg.Groups, "(&"+groupFilter+")", "cn", "objectClass", "description") {
			if err != nil {
				yield(runbooks.Offer{}, err)
				return
			}
			name := e.GetEqualFoldAttributeValue("cn")
			if _, ok, err := d.findGroup(name); runbooks.ClassOf(err) == runbooks.Refuse && err != nil || err == nil && !ok {
				continue // two of one name: which one is meant cannot be said
			} else if err != nil {
				yield(runbooks.Offer{}, err)
				return
			}
			o := runbooks.Offer{Name: name, Params: map[string][]string{ParamGroup: {name}}, Account: true}
			for _, v := range e.GetEqualFoldAttributeValues("description") {
				if _, ours := parseMark(v); !ours {
					o.Description = runbooks.Redact(v, 500)
				}
			}
			if !yield(o, nil) {
				return
			}
		}
	})
}

// Plan says what joining would change, and what else the group is a member of.
func (c *Connector) Plan(ctx context.Context, g runbooks.Grant) (runbooks.Plan, error) {
	var plan runbooks.Plan
	err := c.with(ctx, g, func(d *directory, o order) error {
		gr, member, err := d.parties(o)
		if err != nil {
			return err
		}
		has, err := d.isIn(o)
		if err != nil {
			return err
		}
		if has {
			return d.planNothing(o, gr, member)
		}
		plan.Changes = []string{fmt.Sprintf("%.200s becomes a member of the group %.200s (%.80s)", o.Account, gr.name, gr.dn)}
		if c.cfg.Dynamic != "" {
			plan.Changes[0] = fmt.Sprintf("a group %s is made for %.200s, which counts as %.200s and which the directory removes by itself", o.ID, o.Account, gr.name)
		}
		over, err := d.search("reading what the group is in", c.cfg.Groups, ldap.ScopeWholeSubtree, 20, "(&(member="+ldap.EscapeFilter(gr.dn)+")"+groupFilter+")", "cn")
		for _, e := range over {
			plan.Notes = append(plan.Notes, fmt.Sprintf("the group is itself a member of %.200s", e.GetEqualFoldAttributeValue("cn")))
		}
		plan.Notes = append(plan.Notes, c.Describe().RevokeLeaves)
		return err
	})
	return plan, err
}

// planNothing refuses what Grant would refuse: a membership that is not ours.
func (d *directory) planNothing(o order, gr group, member string) error {
	if d.c.cfg.Dynamic != "" {
		if lent, err := d.isLent(o); lent || err != nil {
			return err
		}
	}
	marks, err := d.marks(gr.dn)
	if err != nil || d.c.cfg.Dynamic == "" && len(marksFor(marks, o.Account, member)) > 0 {
		return err
	}
	return refuse("the account is a member of the group already, by no grant of this system: ask the owner to remove it there")
}
