package spec

import "strings"

func (c *checker) checkPeople() {
	for _, p := range c.f.people {
		if m := p.get("manager"); m != nil {
			if c.person(m, "manager") == p.key && p.key != "" {
				c.at(m, "leave the key out at the top", "%q is their own manager", p.key)
			}
		}
		if s := p.get("contractor").get("sponsor"); s != nil {
			switch k := c.person(s, "sponsor"); {
			case k == p.key && k != "":
				c.at(s, "name an employee", "%q is their own sponsor", p.key)
			case c.ix.people[k] != nil && c.ix.people[k].has("contractor"):
				c.at(s, "name an employee", "the sponsor %q is a contractor", k)
			}
		}
		c.accounts(p.value)
		c.checkAbsence(p)
	}
	c.managerRounds()
	for _, g := range c.f.groups {
		if g.get("members") != nil && len(g.get("members").items) == 0 {
			c.at(g.get("members"), "", "group %q has no members", g.name)
		}
		for _, m := range g.members {
			c.person(m, "member")
		}
		c.unique(g.members)
	}
}

// managerRounds reports each circle of managers once, at its first person in the file.
func (c *checker) managerRounds() {
	told := map[string]bool{}
	for _, p := range c.f.people {
		var way []string
		at := map[string]int{}
		for k := p.key; k != "" && !told[k]; k = c.managerOf(k) {
			if i, ok := at[k]; ok {
				way = append(way[i:], k)
				for _, w := range way {
					told[w] = true
				}
				if len(way) > 2 { // a circle of one was reported as their own manager
					c.at(c.ix.people[k].get("manager"), "", "managers go round in a circle: %s", strings.Join(way, " -> "))
				}
				break
			}
			at[k] = len(way)
			way = append(way, k)
		}
		for k := range at {
			told[k] = true
		}
	}
}

// managerOf is the key of somebody's manager, empty when there is none.
func (c *checker) managerOf(k string) string {
	p := c.ix.people[k]
	if p == nil || c.ix.people[p.str("manager")] == nil {
		return ""
	}
	return p.str("manager")
}

func (c *checker) checkRoles() {
	for _, e := range c.f.roles.entries {
		v := c.f.roles.get(e.key)
		if v == nil {
			continue
		}
		people, groups := v.list("people"), v.list("groups")
		if len(people)+len(groups) == 0 && !hasBad(v) {
			c.at(v, "an empty list is nobody, never everybody", "role %q has nobody", e.key)
		}
		for _, p := range people {
			c.who(p)
		}
		c.unique(people)
		for _, g := range groups {
			c.group(g)
		}
		c.unique(groups)
	}
}

// hasBad tells whether something below was refused already.
func hasBad(v *value) bool {
	for _, e := range v.entries {
		if e.value.bad || hasBad(e.value) {
			return true
		}
	}
	for _, i := range v.items {
		if i.bad || hasBad(i) {
			return true
		}
	}
	return false
}

func (c *checker) checkIdentities() {
	for _, i := range c.f.identities {
		id := i.str("id")
		for _, must := range [][3]string{
			{"owner", "owner", "somebody has to answer for it"},
			{"purpose", "purpose", "without one nobody knows whether it may go"},
			{"expires", "expiry date", "standing access needs an end that is renewed"},
		} {
			if !i.has(must[0]) {
				c.at(i, must[0]+": "+must[2], "identity %q has no %s", id, must[1])
			}
		}
		c.owner(i, true)
		if _, ok := c.ix.people[id]; ok {
			c.at(i.get("id"), "give the identity another id", "identity %q has the key of a person", id)
		}
		c.accounts(i)
	}
}

// ownAccount is an account on a target with whose it is.
type ownAccount struct {
	person string
	line   int
}

// ownAccounts refuses an account on a target that two people have: what it did, and what is found there, would be either's (R67).
func (c *checker) ownAccounts(p *person, seen map[[2]string]ownAccount) {
	a := p.get("accounts")
	if a == nil {
		return
	}
	for _, e := range a.entries {
		name := e.value.scalar()
		if name == "" {
			continue
		}
		key := [2]string{e.key, name}
		if first, ok := seen[key]; ok && first.person != p.key {
			c.at(e.value, "give each person an account of their own; what several use is an identity of identities.yaml",
				"%q has the account %q on %q, which is %q's on line %d", p.key, name, e.key, first.person, first.line)
			continue
		}
		seen[key] = ownAccount{p.key, e.value.line}
	}
}
