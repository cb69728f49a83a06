package ldap

import (
	"context"
	"fmt"

	"github.com/go-ldap/ldap/v3"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/workflows"
)

// noOpOID is OpenLDAP's control for "say whether you would, and do not" (draft-zeilenga-ldap-noop). It is sent as critical: a
// directory that does not know it refuses the whole operation.
const noOpOID = "1.3.6.1.4.1.4203.666.5.2"

// Probe tells whether the bot's account can do what it must, and no more. It changes nothing that stays: modifications carry
// the no-op control, and the one group that is made for real, where groups end by themselves, is removed again.
func (c *Connector) Probe(ctx context.Context) []runbooks.Finding {
	d, end, err := c.connect(ctx)
	if err != nil {
		return []runbooks.Finding{{What: runbooks.Words(err), Do: "check the url, ca_file, bind_dn and its password"}}
	}
	defer end()
	person, personErr := d.first(c.cfg.People, "("+c.cfg.AccountAttribute+"=*)")
	group, groupErr := d.first(c.cfg.Groups, "(&"+groupFilter+")")
	found := []runbooks.Finding{
		runbooks.FindingOf(person != nil, "the bot reads the accounts", "the bot sees no account below "+c.cfg.People+because(personErr), "let bind_dn read "+c.cfg.AccountAttribute+" there, or correct people"),
		runbooks.FindingOf(group != nil, "the bot reads the groups", "the bot sees no group below "+c.cfg.Groups+because(groupErr), "let bind_dn read cn, objectClass, description and members there, or correct groups"),
	}
	if group != nil {
		found = append(found, d.probeGroup(group))
	}
	if person != nil {
		found = append(found, d.probeMore("an account", person.DN, "add the rule that only the account itself and its administrators write to people"))
	}
	found = append(found, d.probeMore("the place of accounts", c.cfg.People, "let bind_dn write groups only"), d.probeMore("the place of groups", c.cfg.Groups, "let bind_dn write member and description of groups only"))
	if c.cfg.Dynamic != "" {
		found = append(found, d.probeLending())
	}
	if c.cfg.AccessLog != "" {
		_, err := d.search("reading the access log", c.cfg.AccessLog, ldap.ScopeBaseObject, 1, "(objectClass=*)", "1.1")
		found = append(found, runbooks.FindingOf(err == nil, "the bot reads the access log", "the access log cannot be read: "+runbooks.Words(err), "let bind_dn read "+c.cfg.AccessLog))
	}
	return found
}

func because(err error) string {
	if err == nil {
		return ""
	}
	return ": " + runbooks.Words(err)
}

// first gives some entry, or nil.
func (d *directory) first(base, filter string) (*ldap.Entry, error) {
	found, err := d.search("looking for one", base, ldap.ScopeWholeSubtree, 1, filter, "cn", "objectClass")
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0], nil
}

// would asks whether the directory would let the bot add a value.
func (d *directory) would(dn, attribute, value string) error {
	change := ldap.NewModifyRequest(dn, []ldap.Control{ldap.NewControlString(noOpOID, true, "")})
	change.Add(attribute, []string{value})
	return d.conn.Modify(change)
}

func (d *directory) probeGroup(e *ldap.Entry) runbooks.Finding {
	gr := groupOf(e, "")
	member := d.c.nobody
	if gr.attribute == "memberUid" {
		member = "nobody"
	}
	for attribute, value := range map[string]string{gr.attribute: member, "description": "countersign probe"} {
		switch err := d.would(e.DN, attribute, value); {
		case is(err, resultNoOp, ldap.LDAPResultAttributeOrValueExists):
		case is(err, ldap.LDAPResultUnavailableCriticalExtension):
			return runbooks.Finding{OK: true, What: "whether the bot may write groups was not tried: the directory has no no-op control"}
		default:
			return runbooks.Finding{What: fmt.Sprintf("the bot may not write %s of groups (%s)", attribute, resultCode(err)), Do: "let bind_dn write it below " + d.c.cfg.Groups}
		}
	}
	return runbooks.Finding{OK: true, What: "the bot may write members and descriptions of groups"}
}

// probeMore finds rights that the bot must not have.
func (d *directory) probeMore(what, dn, do string) runbooks.Finding {
	switch err := d.would(dn, "description", "countersign probe"); {
	case is(err, ldap.LDAPResultInsufficientAccessRights):
		return runbooks.Finding{OK: true, What: "the bot may not change " + what}
	case is(err, ldap.LDAPResultUnavailableCriticalExtension):
		return runbooks.Finding{OK: true, What: "whether the bot could change " + what + " was not tried: the directory has no no-op control"}
	case is(err, resultNoOp, ldap.LDAPResultAttributeOrValueExists, ldap.LDAPResultObjectClassViolation, ldap.LDAPResultUndefinedAttributeType):
		return runbooks.Finding{What: "the bot could change " + what + ", which is more than it needs", Do: do}
	default:
		return runbooks.Finding{OK: true, What: fmt.Sprintf("whether the bot could change %s is not told (%s)", what, resultCode(err))}
	}
}

// probeLending makes a group without a holder, gives it an end, and removes it.
func (d *directory) probeLending() runbooks.Finding {
	const do = "load the overlay dds, and let bind_dn write below " + "dynamic_under and manage entryTtl of what it made"
	o := order{Grant: runbooks.Grant{ID: workflows.GrantID("g_countersign-probe")}}
	dn := d.lentDN(o)
	add := ldap.NewAddRequest(dn, nil)
	add.Attribute("objectClass", []string{"groupOfNames", "dynamicObject"})
	add.Attribute("cn", []string{string(o.ID)})
	add.Attribute("member", []string{d.c.nobody})
	if err := d.conn.Add(add); err != nil && !is(err, ldap.LDAPResultEntryAlreadyExists) {
		return runbooks.Finding{What: "the bot cannot make a group that the directory ends by itself (" + resultCode(err) + ")", Do: do}
	}
	refreshed := d.refresh(dn, probeTTL)
	if err := d.end(o); err != nil {
		return runbooks.Finding{What: "the bot cannot remove a group that it made: " + runbooks.Words(err), Do: do}
	}
	if refreshed != nil {
		return runbooks.Finding{What: "the bot cannot give a group its end: " + runbooks.Words(refreshed), Do: do}
	}
	return runbooks.Finding{OK: true, What: "the bot makes groups that the directory ends by itself"}
}
