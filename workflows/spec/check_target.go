package spec

import (
	"net/netip"
	"slices"
	"strings"
)

func (c *checker) checkTarget(t *target) {
	if conn := t.get("connector"); conn != nil && !slices.Contains(c.connectors, conn.scalar()) {
		c.at(conn, meantOr(conn.scalar(), c.connectors), "unknown connector %q", conn.scalar())
	}
	if !t.has("owner") {
		c.at(t.or("id"), "owner: the key of the person who answers for it", "target %q has no owner, so nobody could request anything on it", t.id)
	}
	c.owner(t.value, true)
	connector := t.get("connector").scalar()
	switch list := t.get("entitlements"); {
	case c.params[connector].Grantless:
		if list != nil && len(list.items) > 0 {
			c.at(list, "leave entitlements out", "target %q is of the kind %q, on which nothing is granted", t.id, connector)
		}
	case !t.has("entitlements"), list != nil && len(list.items) == 0:
		c.at(t.or("id"), "entitlements: what can be granted on it", "target %q has no entitlements, so there is nothing to request", t.id)
	}
	if s := t.get("settings"); s != nil {
		for _, e := range s.entries {
			c.setting(e.key, e.value)
		}
	}
	c.brokered(t, connector)
	for _, e := range t.entitlements {
		c.checkParams(e)
		c.riskWords(e)
		c.actsAs(t, e, connector)
		c.wildcard(t, e)
		if conn := t.get("connector"); conn != nil {
			c.checkWords(e, conn.scalar())
		}
	}
}

// checkWords refuses params that the connector would not understand: a misspelt one would otherwise be found when somebody waits for access.
func (c *checker) checkWords(e *value, connector string) {
	words, listed := c.params[connector]
	if !listed {
		return
	}
	p := e.get("params")
	for _, n := range words.Needed {
		if p == nil || !p.has(n) {
			c.at(e.or("id"), "params: {"+n+": …}", "an entitlement on %s needs the parameter %q", connector, n)
		}
	}
	if len(words.Either) > 0 && (p == nil || !slices.ContainsFunc(words.Either, p.has)) {
		c.at(e.or("id"), "params: {"+words.Either[0]+": …}", "an entitlement on %s needs one of the parameters %s", connector, strings.Join(words.Either, ", "))
	}
	if p == nil {
		return
	}
	for _, x := range p.entries {
		if !slices.Contains(words.Known, x.key) {
			c.at(x.value, meantOr(x.key, words.Known), "%s knows no parameter %q", connector, x.key)
		}
	}
}

// brokered refuses a target that says it keeps its holders to a bastion, where nothing would.
func (c *checker) brokered(t *target, connector string) {
	words, listed := c.params[connector]
	if !t.flag("brokered") || !listed {
		return
	}
	by := words.Brokers
	if by == nil {
		c.at(t.get("brokered"), "leave brokered out, or reach it through sshca", "target %q is brokered, and the connector %q cannot keep anybody to a bastion and one command", t.id, connector)
		return
	}
	for _, e := range t.entitlements {
		p := e.get("params")
		for _, n := range by.Needed {
			if p == nil || !p.has(n) {
				c.at(e.or("id"), "params: {"+n+": …}", "target %q is brokered, so its entitlement %q needs the parameter %q", t.id, e.str("id"), n)
			}
		}
		if p == nil {
			continue
		}
		for _, v := range p.list(by.Addresses) {
			if around, err := netip.ParsePrefix(v.scalar()); err == nil && around.Bits() == 0 {
				c.at(v, "the addresses of the bastion, such as 192.0.2.10", "%s: %s is everywhere, which is no bastion", v.path, v.scalar())
			}
		}
		for _, x := range p.entries {
			for _, v := range p.list(x.key) {
				if slices.Contains(by.Never[x.key], v.scalar()) {
					c.at(v, "leave it out", "%s: %s would lead around the bastion of a brokered target", v.path, v.scalar())
				}
			}
		}
	}
}

func (c *checker) checkParams(e *value) {
	p := e.get("params")
	if p == nil {
		return
	}
	for _, x := range p.entries {
		values := p.list(x.key)
		if len(values) == 0 && !x.value.bad && !hasBad(x.value) {
			c.at(x.value, "leave the key out, or name something", "%s is an empty list", x.value.path)
		}
		c.unique(values)
		for _, t := range values {
			if strings.Contains(t.scalar(), "${") && !fieldReference.MatchString(t.scalar()) {
				c.at(t, "${fields.NAME} alone, or a fixed text", "%s: only a whole value can be taken from the form", t.path)
			}
		}
		if secretParam(x.key) {
			c.at(x.value, "parameters stand in the ledger", "%s: a secret does not stand in this folder", x.value.path)
		}
	}
}
