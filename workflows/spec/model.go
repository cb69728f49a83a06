package spec

import (
	"strings"

	"github.com/countersign-bot/countersign/workflows/calendar"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

// person, group, target, workflow and runbook are the things of a folder with the place they were written at. What is
// only passed on stays in the value.
type (
	person struct {
		*value
		key string
	}
	group struct {
		*value
		name    string
		members []*value
	}
	target struct {
		*value
		id           string
		entitlements []*value
	}
	workflow struct {
		*value
		id     string
		stages []*value
		rules  []*value
	}
	runbook struct {
		*value
		id    string
		steps []*step
	}
	// step is a step of a runbook; the value is that of its block, nil where it has none.
	step struct {
		incidents.Outlined
		*value
	}
)

// index finds things by the names that other files use.
type index struct {
	people       map[string]*person // by key
	mail         map[string]string  // lower-case e-mail -> key
	groups       map[string]*group
	targets      map[string]*target
	entitlements map[string]grantable // by "target/entitlement"
	workflows    map[string]*workflow
	identities   map[string]*value
	calendars    map[string]*value
	rotations    map[string]*value
	tiers        []string // names of the risk table, from the lowest
}

// grantable is an entitlement and the target that it is on.
type grantable struct {
	on *target
	*value
}

// keyOf is the key that a key or an e-mail address means, empty when nobody is known by it.
func (ix *index) keyOf(ref string) string {
	if _, ok := ix.people[ref]; ok {
		return ref
	}
	return ix.mail[strings.ToLower(ref)]
}

// gather arranges the documents; the first of two things with one name wins, the second is reported by the checker.
func gather(d documents) *Folder {
	f := &Folder{
		company: d.company, roles: d.roles, ledger: d.ledger, calendars: d.calendars.list("calendars"), rotations: d.rotations.list("rotations"),
		risk: d.risk, conflicts: d.conflicts.list("conflicts"), watch: d.watch.list("rules"), escalations: d.escalations, campaigns: d.campaigns.list("campaigns"), tests: d.tests, stories: d.stories, feeds: d.feeds,
		holidays: map[string][]calendar.Date{}, icals: map[string]*calendar.Feed{}, conditions: map[*value]int{},
	}
	for _, v := range d.people.list("people") {
		f.people = append(f.people, &person{v, v.str("key")})
	}
	for _, v := range d.people.list("groups") {
		f.groups = append(f.groups, &group{v, v.str("name"), v.list("members")})
	}
	f.identities = d.identities.list("identities")
	for _, v := range d.targets {
		f.targets = append(f.targets, &target{v, v.str("id"), v.list("entitlements")})
	}
	for _, v := range d.workflows {
		f.workflows = append(f.workflows, &workflow{v, v.str("id"), v.list("stages"), v.list("rules")})
	}
	for _, v := range d.runbooks {
		f.runbooks = append(f.runbooks, &runbook{v, v.str("id"), d.steps[v.src]})
	}
	return f
}

// keys is the names of an index, for "did you mean".
func keys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		if k != "" {
			out = append(out, k)
		}
	}
	return out
}
