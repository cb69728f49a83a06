package spec

import (
	"fmt"
	"strings"

	"cel.dev/cel-go/cel"
)

// checker judges what the files say about each other.
type checker struct {
	*report
	f          *Folder
	ix         *index
	connectors []string
	params     map[string]Params
	copyOf     func(address string) []byte // copies of feeds; may be nil
	refused    map[string]bool             // ids that were refused by their shape, folded
	looks      map[string]*value           // what ids look like: 0 as o, 1 as l
	envs       map[string]*cel.Env
	warned     *report // lints
	riskBad    bool    // the table of risks has a problem
	chains     []chain // of the workflows that were found good
}

func (c *checker) check() {
	c.ix = &index{
		people: map[string]*person{}, mail: map[string]string{}, groups: map[string]*group{}, targets: map[string]*target{},
		entitlements: map[string]grantable{}, workflows: map[string]*workflow{}, identities: map[string]*value{},
		calendars: map[string]*value{}, rotations: map[string]*value{},
	}
	c.envs, c.warned = map[string]*cel.Env{}, &report{}
	c.f.index = c.ix
	c.refused, c.looks = map[string]bool{}, map[string]*value{}
	c.enterPeople()
	c.enterTargets()
	c.enterRest()
	c.enterTime()
	c.checkCalendars()
	c.checkRisk()
	c.checkPeople()
	c.checkRoles()
	c.checkIdentities()
	c.checkWorkloads()
	c.checkLedger()
	for _, t := range c.f.targets {
		c.checkTarget(t)
	}
	c.checkConflicts()
	c.checkWatch()
	c.checkEscalations()
	c.checkIncidents()
	c.checkUnused()
	c.checkCampaigns()
	for _, w := range c.f.workflows {
		c.checkWorkflow(w)
	}
	for _, b := range c.f.runbooks {
		c.checkRunbook(b)
	}
	if len(c.all) == 0 { // a test of a chain that is not good says nothing
		c.checkTests()
	}
	c.checkNamesInPolicy()
}

// claim enters a name once; the second claim is a problem that names the first place.
func claim[V any](c *checker, m map[string]V, what, name string, at *value, x V, place func(V) *value) {
	if name == "" {
		return // refused by its shape, or missing: told already
	}
	if first, ok := m[name]; ok {
		v := place(first)
		c.at(at, "", "%s %q is already in %s:%d", what, name, v.src.name, v.line)
		return
	}
	m[name] = x
	if !isIdent(name) {
		return
	}
	look := what + " " + strings.NewReplacer("0", "o", "1", "l").Replace(name)
	if other, ok := c.looks[look]; ok {
		c.at(at, "choose names that cannot be taken for each other", "%s %q looks like %q in %s:%d", what, name, other.scalar(), other.src.name, other.line)
		return
	}
	c.looks[look] = at
}

// once enters a name that counts in one place only, such as a rule in its workflow.
func (c *checker) once(m map[string]*value, what, name string, at *value) {
	if name == "" {
		return
	}
	if first, ok := m[strings.ToLower(name)]; ok {
		c.at(at, "", "%s %q is already on line %d", what, name, first.line)
		return
	}
	m[strings.ToLower(name)] = at
}

func (c *checker) enterPeople() {
	mail, slack, unix := map[string]*value{}, map[string]*value{}, map[string]*value{}
	accounts := map[[2]string]ownAccount{}
	self := func(v *value) *value { return v }
	for _, p := range c.f.people {
		c.refuse(p.value, "key")
		claim(c, c.ix.people, "person", p.key, p.or("key"), p, func(x *person) *value { return x.or("key") })
		low := strings.ToLower(p.str("email"))
		claim(c, mail, "e-mail address", low, p.or("email"), p.or("email"), self)
		claim(c, slack, "Slack id", p.str("slack"), p.or("slack"), p.or("slack"), self)
		claim(c, unix, "Unix user", p.str("unix"), p.or("unix"), p.or("unix"), self)
		c.ownAccounts(p, accounts)
		if low != "" && c.ix.mail[low] == "" {
			c.ix.mail[low] = p.key
		}
	}
	for _, g := range c.f.groups {
		c.refuse(g.value, "name")
		claim(c, c.ix.groups, "group", g.name, g.or("name"), g, func(x *group) *value { return x.or("name") })
	}
}

func (c *checker) enterTargets() {
	for _, t := range c.f.targets {
		c.refuse(t.value, "id")
		claim(c, c.ix.targets, "target", t.id, t.or("id"), t, func(x *target) *value { return x.or("id") })
		for _, e := range t.entitlements {
			full := t.id + "/" + e.str("id")
			if e.str("id") == "" || c.ix.targets[t.id] != t {
				continue
			}
			claim(c, c.ix.entitlements, "entitlement", full, e.or("id"), grantable{t, e}, func(x grantable) *value { return x.or("id") })
		}
	}
}

func (c *checker) enterRest() {
	for _, w := range c.f.workflows {
		c.refuse(w.value, "id")
		claim(c, c.ix.workflows, "workflow", w.id, w.or("id"), w, func(x *workflow) *value { return x.or("id") })
	}
	books := map[string]*runbook{}
	for _, b := range c.f.runbooks {
		claim(c, books, "runbook", b.id, b.or("id"), b, func(x *runbook) *value { return x.or("id") })
	}
	for _, i := range c.f.identities {
		claim(c, c.ix.identities, "identity", i.str("id"), i.or("id"), i, func(x *value) *value { return x.or("id") })
	}
}

// who resolves somebody in a list, by key or e-mail address; an empty answer was reported.
func (c *checker) who(v *value) string {
	if k := c.ix.mail[strings.ToLower(v.scalar())]; k != "" {
		return k
	}
	return c.person(v, "person")
}

// person resolves a key; an empty answer was reported. Display names are refused: anybody can change theirs to that of
// somebody else (T06).
func (c *checker) person(v *value, what string) string {
	s := v.scalar()
	if s == "" {
		return ""
	}
	if _, ok := c.ix.people[s]; ok {
		return s
	}
	for _, p := range c.f.people {
		for _, other := range []string{p.str("name"), "@" + p.key, p.str("slack"), p.str("email"), p.str("unix")} {
			if other != "" && strings.EqualFold(other, s) {
				c.at(v, fmt.Sprintf("write %q", p.key), "%s %q is not a key: people are named by the key in %s", what, s, peopleFile)
				return p.key
			}
		}
	}
	known := keys(c.ix.people)
	if strings.Contains(s, "@") && didYouMean(s, keys(c.ix.mail)) != "" {
		known = keys(c.ix.mail)
	}
	c.unknown(v, s, what, known)
	return ""
}

// unknown reports a name that nothing has, unless the thing that has it was refused for its id already.
func (c *checker) unknown(v *value, s, what string, known []string) {
	if c.refused[fold(s)] {
		return
	}
	c.at(v, meantOr(s, known), "unknown %s %q", what, s)
}

// fold is an id as somebody would have meant it.
func fold(s string) string { return lookalike(strings.TrimSpace(s)) }

// refuse remembers an id that its shape refused, so that what names it is not told to be unknown.
func (c *checker) refuse(v *value, key string) {
	for _, e := range v.entries {
		if e.key == key && e.value.bad {
			c.refused[fold(e.value.text)] = true
		}
	}
}

// owner checks the keys owner and backup of a thing.
func (c *checker) owner(v *value, backup bool) {
	key := ""
	if o := v.get("owner"); o != nil {
		key = c.person(o, "owner")
	}
	b := v.get("backup")
	if !backup || b == nil {
		return
	}
	if k := c.person(b, "backup owner"); k != "" && k == key {
		c.at(b, "name somebody who can answer when the owner cannot", "backup: %q is the owner already", k)
	}
}

// group resolves the name of a group; nil was reported.
func (c *checker) group(v *value) *group {
	g := c.ix.groups[v.scalar()]
	if g == nil {
		c.unknown(v, v.scalar(), "group", keys(c.ix.groups))
	}
	return g
}

// unique reports what is written twice in one list.
func (c *checker) unique(items []*value) {
	seen := map[string]bool{}
	for _, i := range items {
		s := i.scalar()
		if s != "" && seen[s] {
			c.at(i, "", "%q is in this list already", s)
		}
		seen[s] = true
	}
}

// accounts checks that accounts are on targets that exist.
func (c *checker) accounts(v *value) {
	a := v.get("accounts")
	if a == nil {
		return
	}
	for _, e := range a.entries {
		if _, ok := c.ix.targets[e.key]; !ok && isIdent(e.key) {
			p := a.problem(e.line, e.col, meantOr(e.key, keys(c.ix.targets)), fmt.Sprintf("unknown target %q", e.key))
			p.Path = join(a.path, e.key)
			c.add(p)
		}
	}
}

// checkNamesInPolicy keeps people out of the texts of policies: policies are kept for ever and a person can ask to be
// forgotten.
func (c *checker) checkNamesInPolicy() {
	var texts []*value
	for _, w := range c.f.workflows {
		texts = append(texts, sentences(w.value)...)
	}
	for _, t := range c.f.targets {
		texts = append(texts, sentences(t.value)...)
	}
	for _, b := range c.f.runbooks {
		texts = append(texts, sentences(b.value)...)
	}
	for _, v := range c.f.conflicts {
		texts = append(texts, sentences(v)...)
	}
	who := c.namesOfPeople()
	for _, v := range texts {
		low := strings.ToLower(v.text)
		for _, n := range who {
			if strings.Contains(low, n.text) {
				c.at(v, "name a role, a group or a channel: policies are kept for ever, people can leave", "%s names the person %q", v.path, n.key)
				break
			}
		}
	}
}

type nameOf struct{ text, key string }

// namesOfPeople is full names and addresses in small letters. A name of one word is left out: it may be a word.
func (c *checker) namesOfPeople() (out []nameOf) {
	for _, p := range c.f.people {
		if full := p.str("name"); strings.Contains(full, " ") {
			out = append(out, nameOf{strings.ToLower(full), p.key})
		}
		if mail := p.str("email"); mail != "" {
			out = append(out, nameOf{strings.ToLower(mail), p.key})
		}
	}
	return out
}

// sentences is every sentence of a document that becomes part of a policy.
func sentences(v *value) (out []*value) {
	if v.bad {
		return nil
	}
	for _, e := range v.entries {
		switch e.key {
		case "title", "purpose", "use_when", "do_not_use_when", "description", "business_task", "name", "label", "help", "when", "refuse", "why":
			out = append(out, e.value)
		case "entitlements", "stages", "fields", "rules", "all_of", "any_of":
			for _, i := range e.value.items {
				out = append(out, sentences(i)...)
			}
		}
	}
	return out
}
