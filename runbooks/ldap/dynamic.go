package ldap

import (
	"slices"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"github.com/countersign-bot/countersign/runbooks"
)

// refreshOID is the extended operation of RFC 2589 that sets how long an entry lives.
const refreshOID = "1.3.6.1.4.1.1466.101.119.1"

// lentDN is where the group of one grant lies. The id is checked to be letters, digits, _ and -.
func (d *directory) lentDN(o order) string { return "cn=" + string(o.ID) + "," + d.c.cfg.Dynamic }

// lend makes the group of this grant: first without its holder, then with an end, then with the holder.
func (d *directory) lend(o order, gr group, member string) error {
	if gr.attribute == "memberUid" {
		return refuse("the group is a posixGroup, whose members the directory cannot end by itself: use a target without %s", SettingDynamic)
	}
	dn, m := d.lentDN(o), newMark(o.Grant, o.tag, member)
	ttl := time.Until(o.End)
	switch {
	case ttl < time.Second:
		return refuse("the access would already have ended")
	case ttl > maxTTL:
		return refuse("the directory ends groups within %d days, and the access is longer", int(maxTTL.Hours()/24))
	}
	if has, err := d.has(gr, member); has || err != nil {
		if err == nil {
			err = refuse("the account is a member of the group already, by no grant of this system: ask the owner to remove it there")
		}
		return err
	}
	add := ldap.NewAddRequest(dn, nil)
	add.Attribute("objectClass", []string{"groupOfNames", "dynamicObject"})
	add.Attribute("cn", []string{string(o.ID)})
	add.Attribute("seeAlso", []string{gr.dn})
	add.Attribute("description", []string{m.raw})
	add.Attribute("member", []string{d.c.nobody})
	err := d.conn.Add(add)
	if err != nil && !is(err, ldap.LDAPResultEntryAlreadyExists) {
		return classify(d.ctx, "making the group of this grant", err)
	}
	if err != nil {
		marks, err := d.marks(dn)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(marks, func(x mark) bool { return x.raw == m.raw }) {
			return refuse("this grant was already made with other contents")
		}
	}
	if err := d.refresh(dn, ttl); err != nil {
		return err
	}
	change := ldap.NewModifyRequest(dn, nil)
	change.Replace("member", []string{member})
	return classify(d.ctx, "adding the member", d.conn.Modify(change))
}

// refresh tells the directory how long an entry lives from now. An answer that gives it longer is not taken.
func (d *directory) refresh(dn string, ttl time.Duration) error {
	const what = "setting the group's end"
	seconds := int64(ttl / time.Second) // rounded down: the end never moves out
	value := ber.NewSequence("refreshRequest")
	value.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 0, dn, "entryName"))
	value.AppendChild(ber.NewInteger(ber.ClassContext, ber.TypePrimitive, 1, seconds, "requestTtl"))
	r, err := d.conn.Extended(ldap.NewExtendedRequest(refreshOID, value))
	if err != nil {
		return classify(d.ctx, what, err)
	}
	given, ok := responseTTL(r)
	if !ok || given > seconds+1 {
		return runbooks.Errorf(runbooks.Broken, nil, "%s: the directory gives it %d seconds instead of %d", what, given, seconds)
	}
	return nil
}

// responseTTL reads RefreshResponse ::= SEQUENCE { responseTtl [1] INTEGER }.
func responseTTL(r *ldap.ExtendedResponse) (int64, bool) {
	if r == nil || r.Value == nil {
		return 0, false
	}
	raw := r.Value.ByteValue
	if len(raw) == 0 && r.Value.Data != nil {
		raw = r.Value.Data.Bytes()
	}
	seq, err := ber.DecodePacketErr(raw)
	if err != nil || len(seq.Children) != 1 || seq.Children[0].Tag != 1 {
		return 0, false
	}
	n, err := ber.ParseInt64(seq.Children[0].ByteValue)
	if len(seq.Children[0].ByteValue) == 0 && seq.Children[0].Data != nil {
		n, err = ber.ParseInt64(seq.Children[0].Data.Bytes())
	}
	return n, err == nil
}

// isLent tells whether the group of this grant has its holder.
func (d *directory) isLent(o order) (bool, error) {
	marks, err := d.lentMarks(o)
	if err != nil || len(marks) == 0 {
		return false, err
	}
	return d.has(group{dn: d.lentDN(o), attribute: "member"}, marks[0].member)
}

// lentMarks reads the mark of the group of this grant; none when there is no such group, and its place could be read.
func (d *directory) lentMarks(o order) ([]mark, error) {
	marks, err := d.marks(d.lentDN(o))
	if is(err, ldap.LDAPResultNoSuchObject) {
		return nil, d.canSee("reading the group of this grant", d.c.cfg.Dynamic)
	}
	return marks, err
}

// end removes the group of this grant.
func (d *directory) end(o order) error {
	err := d.conn.Del(ldap.NewDelRequest(d.lentDN(o), nil))
	if is(err, ldap.LDAPResultNoSuchObject) {
		return d.canSee("removing the group of this grant", d.c.cfg.Dynamic)
	}
	return classify(d.ctx, "removing the group of this grant", err)
}
