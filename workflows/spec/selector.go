package spec

import "slices"

// yield is what can be said about a selector without asking anybody: the people it names, and how many more it may
// name when it is asked.
type yield struct {
	people map[string]bool // keys
	more   int             // people that depend on the request: owners, managers
	open   bool            // user groups of the chat: anybody
}

// most is the largest number of people, or a large number when it is open.
func (y yield) most() int {
	if y.open {
		return maxPeople
	}
	return len(y.people) + y.more
}

// fixed tells whether the people are known for sure.
func (y yield) fixed() bool { return !y.open && y.more == 0 }

// parts is which parts of a selector make sense at its place.
type parts struct {
	what      string // "approvers"
	anyone    bool
	byRequest bool // target_owner, identity_owner, manager
	chat      bool
	identity  bool // the request can be for a non-human identity
	shifts    bool // who is on shift may stand there
}

// selector checks one selector and answers what it yields; nil when that cannot be said because of a problem.
func (c *checker) selector(v *value, p parts) *yield {
	if v == nil {
		return nil
	}
	y := &yield{people: map[string]bool{}}
	known := c.namedPeople(v, y) && !hasBad(v)
	c.allowed(v, p)
	if v.flag("anyone") {
		for _, x := range c.f.people {
			y.people[x.key] = true
		}
	}
	for _, k := range []string{"target_owner", "identity_owner"} {
		if v.flag(k) {
			y.more += 2 // owner and backup
		}
	}
	if v.flag("manager") {
		y.more++
	}
	for _, x := range v.list("rotations") {
		known = c.rotation(x) != nil && known
		y.more += 2 // one, and at a hand-over two
	}
	y.open = len(v.list("chat_groups")) > 0 || len(v.list("chat_channels")) > 0
	c.exclude(v, y)
	c.fallback(v, p)
	switch {
	case !known:
		return nil
	case y.most() == 0 && v.has("exclude"):
		c.at(v, "an empty list is nobody, never everybody", "%s: everybody in it is excluded", v.path)
		return nil
	case y.most() == 0:
		c.at(v, "an empty list is nobody, never everybody: name people or groups", "%s names nobody", v.path)
		return nil
	}
	return y
}

// namedPeople enters people and members of groups, and tells whether all of them are known.
func (c *checker) namedPeople(v *value, y *yield) bool {
	before := len(c.all)
	people, groups := append(v.list("people"), v.list("emails")...), v.list("groups")
	seen := map[string]bool{}
	for _, x := range people {
		k := c.who(x)
		if k != "" && seen[k] {
			c.at(x, "", "%q is in this list already", k)
		}
		seen[k] = true
		y.people[k] = true
	}
	for _, x := range groups {
		g := c.group(x)
		if g == nil {
			continue
		}
		for _, m := range g.members {
			if k := c.ix.keyOf(m.scalar()); k != "" {
				y.people[k] = true
			}
		}
	}
	c.unique(groups)
	for _, k := range []string{"chat_groups", "chat_channels", "rotations"} {
		c.unique(v.list(k))
	}
	delete(y.people, "")
	return len(c.all) == before
}

func (c *checker) exclude(v *value, y *yield) {
	list := v.list("exclude")
	for _, x := range list {
		k := c.who(x)
		if k != "" && y.fixed() && len(y.people) > 0 && !y.people[k] {
			c.at(x, "", "exclude: %q is not among them anyway", k)
		}
		delete(y.people, k)
	}
	c.unique(list)
}

// allowed refuses the parts that mean nothing, or too much, at this place.
func (c *checker) allowed(v *value, p parts) {
	if v.flag("anyone") && !p.anyone {
		c.at(v.get("anyone"), "name people or groups", "%s: anyone can only ask; %s are named", v.path, p.what)
	}
	if v.flag("anyone") && slices.ContainsFunc([]string{"people", "emails", "groups", "chat_groups", "chat_channels", "rotations"}, v.has) {
		c.at(v.get("anyone"), "leave one of them out", "%s: anyone is everybody already", v.path)
	}
	for _, k := range []string{"target_owner", "identity_owner", "manager"} {
		if v.flag(k) && !p.byRequest {
			c.at(v.get(k), "name people or groups", "%s: %s cannot stand here", v.path, k)
		}
	}
	if v.flag("identity_owner") && p.byRequest && !p.identity {
		c.at(v.get("identity_owner"), "for: [owned], or leave it out", "%s: identity_owner, but nothing can be asked for an identity here", v.path)
	}
	for _, k := range []string{"chat_groups", "chat_channels"} {
		if v.has(k) && !p.chat {
			c.at(v.or(k), "name people or groups", "%s: %s cannot stand here, because it must work when the chat is down", v.path, k)
		}
	}
	if v.has("rotations") && !p.byRequest && !p.shifts {
		c.at(v.or("rotations"), "name people or groups", "%s: rotations cannot stand here: who is on shift changes, and %s do not", v.path, p.what)
	}
}

// fallback checks who is asked instead, and that there is somebody to stand in for.
func (c *checker) fallback(v *value, p parts) {
	f := v.get("fallback")
	if f == nil {
		return
	}
	if len(v.entries) == 1 {
		c.at(f, "write them in its place", "%s: nobody to fall back from", f.path)
	}
	p.what = "those of a fallback"
	c.selector(f, p)
}

// rotation resolves the name of a rotation; nil was reported.
func (c *checker) rotation(v *value) *value {
	r := c.ix.rotations[v.scalar()]
	if r == nil {
		c.unknown(v, v.scalar(), "rotation", keys(c.ix.rotations))
	}
	return r
}
