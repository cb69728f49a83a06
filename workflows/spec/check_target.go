package spec

import "slices"

func (c *checker) checkTarget(t *target) {
	if conn := t.get("connector"); conn != nil && !slices.Contains(c.connectors, conn.scalar()) {
		c.at(conn, meantOr(conn.scalar(), c.connectors), "unknown connector %q", conn.scalar())
	}
	if !t.has("owner") {
		c.at(t.or("id"), "owner: the key of the person who answers for it", "target %q has no owner, so nobody could request anything on it", t.id)
	}
	c.owner(t.value, true)
	if !t.has("entitlements") || (t.get("entitlements") != nil && len(t.get("entitlements").items) == 0) {
		c.at(t.or("id"), "entitlements: what can be granted on it", "target %q has no entitlements, so there is nothing to request", t.id)
	}
	if s := t.get("settings"); s != nil {
		for _, e := range s.entries {
			c.setting(e.key, e.value)
		}
	}
	for _, e := range t.entitlements {
		c.checkParams(e)
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
		if secretParam(x.key) {
			c.at(x.value, "parameters stand in the ledger", "%s: a secret does not stand in this folder", x.value.path)
		}
	}
}
