package desk

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
)

// difference is what changes in one part of the documents: a chain, a role, one group, one person. A part is held back or let through as a
// whole.
type difference struct {
	unit    string // "workflow/prod-db", "group/dba", "people/p_…"
	changes []workflows.PolicyChange
}

func (d difference) loosens() bool { return workflows.Loosens(d.changes) }

func (d *difference) say(loosens bool, format string, args ...any) {
	d.changes = append(d.changes, workflows.PolicyChange{Unit: d.unit, Text: fmt.Sprintf(format, args...), Loosens: loosens})
}

// moved says that a value is another one; of which nobody can tell whether it lets somebody do more, it does.
func (d *difference) moved(loosens bool, what, before, after string) {
	if before != after {
		d.say(loosens, "%s becomes %s, was %s", what, orNone(after), orNone(before))
	}
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// Compare says in words what changes from one policy to another, in the order of its parts. People stand in it as pseudonyms.
func Compare(before, after *Policy) []workflows.PolicyChange {
	var out []workflows.PolicyChange
	for _, d := range compare(before, after) {
		out = append(out, d.changes...)
	}
	return out
}

func compare(before, after *Policy) []difference {
	var out []difference
	add := func(d difference) {
		if len(d.changes) > 0 {
			out = append(out, d)
		}
	}
	for _, id := range union(before.Workflows, after.Workflows) {
		unit := unitWorkflow + "/" + string(id)
		add(difference{unit: unit, changes: workflows.Compare(before.Workflows[id].Workflow, after.Workflows[id].Workflow)})
	}
	for _, id := range union(before.Runbooks, after.Runbooks) {
		add(compareBooks(unitRunbook+"/"+string(id), before.Runbooks, after.Runbooks, id))
	}
	for _, role := range union(before.Roles, after.Roles) {
		add(compareSelectors(unitRole+"/"+role, "who has the role", before.Roles[role], after.Roles[role]))
	}
	for _, name := range union(before.Groups, after.Groups) {
		add(compareMembers(unitGroup+"/"+name, before.Groups[name], after.Groups[name]))
	}
	for _, id := range union(before.People, after.People) {
		add(comparePeople(before, after, id))
	}
	for _, id := range union(before.Identities, after.Identities) {
		add(compareIdentities(before, after, id))
	}
	for _, id := range union(before.Targets, after.Targets) {
		add(compareTargets(before, after, id))
	}
	for _, name := range union(before.Calendars, after.Calendars) {
		add(compareCalendars(before, after, name))
	}
	for _, name := range union(before.Rotations, after.Rotations) {
		add(compareRotations(before, after, name))
	}
	add(compareSettings(before.Settings, after.Settings))
	add(compareEscalations(before.Escalations, after.Escalations))
	return out
}

func union[K ~string, V any](a, b map[K]V) []K {
	keys := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(keys)
	return slices.Compact(keys)
}

// compareBooks compares runbooks. Another text loosens nothing by itself: until it is approved, through an ordinary request about its hash,
// nobody can invoke it. What the same text gives or to whom, because a target or a group changed under it, does.
func compareBooks(unit string, before, after map[workflows.RunbookID]Book, id workflows.RunbookID) difference {
	d := difference{unit: unit}
	old, was := before[id]
	now, is := after[id]
	switch {
	case !is:
		d.say(false, "the runbook is gone")
	case len(now.Runbook.OpensOn) > 0 && (!was || old.Runbook.Document != now.Runbook.Document):
		d.say(true, "a text that a rotation has carried out without asking its chain")
	case !was:
		d.say(false, "a new runbook; it can be used once its text is approved")
	case old.Runbook.Document != now.Runbook.Document:
		d.say(false, "its text changes; it can be used again once that is approved")
	case old.Hash != now.Hash:
		grant := workflows.Compare(
			&workflows.Workflow{Entitlements: []workflows.Entitlement{old.Runbook.Grant}}, &workflows.Workflow{Entitlements: []workflows.Entitlement{now.Runbook.Grant}})
		for _, c := range grant {
			d.say(c.Loosens, "%s", c.Text)
		}
		d.changes = append(d.changes, compareSelectors(unit, "who may invoke it", old.Runbook.Invokers, now.Runbook.Invokers).changes...)
		d.changes = append(d.changes, compareSelectors(unit, "who may review it", old.Runbook.Reviewers, now.Runbook.Reviewers).changes...)
		if len(d.changes) == 0 {
			d.say(true, "something changes that has no words yet")
		}
	}
	return d
}

// compareSelectors borrows the words that chains have for who may ask.
func compareSelectors(unit, what string, before, after workflows.Selector) difference {
	d := difference{unit: unit}
	for _, c := range workflows.Compare(&workflows.Workflow{Ask: before}, &workflows.Workflow{Ask: after}) {
		d.say(c.Loosens, "%s", strings.Replace(c.Text, "who may ask", what, 1))
	}
	return d
}

func compareMembers(unit string, before, after []workflows.PersonID) difference {
	d := difference{unit: unit}
	for _, p := range after {
		if !slices.Contains(before, p) {
			d.say(true, "%s becomes a member", p)
		}
	}
	for _, p := range before {
		if !slices.Contains(after, p) {
			d.say(false, "%s is no member any more", p)
		}
	}
	return d
}

// comparePeople compares one entry of the people file. A new person is somebody who may ask for what everybody may, and could be the second
// self of somebody who approves (T07); another account or manager is another human who decides.
func comparePeople(before, after *Policy, id workflows.PersonID) difference {
	d := difference{unit: unitPeople + "/" + string(id)}
	old, was := before.People[id]
	now, is := after.People[id]
	switch {
	case !is:
		d.say(false, "%s is no longer in the people file", id)
	case !was:
		d.say(true, "%s is new in the people file", id)
	default:
		d.moved(now.Manager != "", string(id)+": the manager", string(old.Manager), string(now.Manager))
		d.moved(now.Sponsor != "", string(id)+": the sponsor", string(old.Sponsor), string(now.Sponsor))
		if old.ContractEnds != now.ContractEnds {
			d.say(now.ContractEnds > old.ContractEnds, "%s: the contract ends at %s, was %s", id, now.ContractEnds, old.ContractEnds)
		}
		d.marks(string(id), old.Marks, now.Marks, after.Settings.LinkByEmail || after.asksForAssignee())
	}
	return d
}

// marks compares accounts by what stands for them. That an account goes away tightens. An address is an account only where accounts are
// linked by it.
func (d *difference) marks(who string, before, after map[string]string, byEmail bool) {
	for _, what := range union(before, after) {
		if before[what] == after[what] || what == markEmail && !byEmail {
			continue
		}
		kind, target, of := strings.Cut(what, "/")
		words := who + ": the " + kind + " account"
		if of {
			words = who + ": the account on " + target
		}
		switch {
		case after[what] == "":
			d.say(false, "%s is gone", words)
		case before[what] == "":
			d.say(true, "%s is set", words)
		default:
			d.say(true, "%s is another one", words)
		}
	}
}

// Marks that a person has beside those of accounts on targets.
const (
	markEmail = "email"
	markSlack = "slack"
	markUnix  = "unix"
)

// asksForAssignee tells whether a chain wants tickets that are assigned to the requester: then an e-mail address says who that is.
func (p *Policy) asksForAssignee() bool {
	for _, v := range p.Workflows {
		if v.Workflow.Task != nil && v.Workflow.Task.Assignee == workflows.AssigneeRequester {
			return true
		}
	}
	return false
}

func compareIdentities(before, after *Policy, id workflows.IdentityID) difference {
	d := difference{unit: unitIdentity + "/" + string(id)}
	old, was := before.Identities[id]
	now, is := after.Identities[id]
	switch {
	case !is:
		d.say(false, "it leaves the inventory")
	case !was:
		d.say(true, "it is new in the inventory, owned by %s", now.Owner)
	default:
		d.moved(true, "the owner", string(old.Owner), string(now.Owner))
		d.moved(now.Backup != "", "the backup owner", string(old.Backup), string(now.Backup))
		d.moved(true, "the kind", old.Class, now.Class)
		d.moved(true, "the environment", old.Environment, now.Environment)
		d.moved(now.Expires > old.Expires, "the day it expires", old.ExpiresOn, now.ExpiresOn)
		d.moved(false, "the name", old.Name, now.Name)
		d.moved(false, "the purpose", old.Purpose, now.Purpose)
		d.marks(string(id), old.Marks, now.Marks, false)
		d.workloads(old.Workloads, now.Workloads)
	}
	return d
}

// workloads compares whose tokens act as an identity: one that is new or another is a way in that nobody approved.
func (d *difference) workloads(old, now []Workload) {
	same := func(a Workload) func(Workload) bool { return func(b Workload) bool { return sameJSON(a, b) } }
	for _, w := range now {
		if !slices.ContainsFunc(old, same(w)) {
			d.say(true, "tokens of %s for %q act as it%s", w.Issuer, w.Subject, w.switches())
		}
	}
	for _, w := range old {
		if !slices.ContainsFunc(now, same(w)) {
			d.say(false, "tokens of %s for %q act as it no longer", w.Issuer, w.Subject)
		}
	}
}

// switches says what a workload may do beside asking for itself.
func (w Workload) switches() string {
	if !w.KillSwitch {
		return ""
	}
	return ", and may take everybody's access away"
}

// compareTargets compares what a target has beside its entitlements, which chains carry and compare themselves.
func compareTargets(before, after *Policy, id workflows.TargetID) difference {
	d := difference{unit: unitTarget + "/" + string(id)}
	old, was := before.Targets[id]
	now, is := after.Targets[id]
	switch {
	case !is:
		d.say(false, "the target is gone")
	case !was:
		d.say(false, "a new target, %q; chains say who gets what on it", now.Title)
	default:
		d.moved(true, "the connector", old.Connector, now.Connector)
		for _, k := range union(old.Settings, now.Settings) {
			d.moved(true, "setting "+k, old.Settings[k], now.Settings[k])
		}
		d.moved(true, "the owner", string(old.Owner), string(now.Owner))
		d.moved(now.Backup != "", "the backup owner", string(old.Backup), string(now.Backup))
		d.moved(true, "the environment", old.Environment, now.Environment)
		d.moved(true, "the data class", old.DataClass, now.DataClass)
		d.moved(false, "the title", old.Title, now.Title)
	}
	return d
}

// compareCalendars compares when an organisation is open and when it wants nothing changed. More holidays and longer freezes tighten; other
// hours, zones and names have no direction.
func compareCalendars(before, after *Policy, name string) difference {
	d := difference{unit: unitCalendar + "/" + name}
	old, was := before.Calendars[name]
	now, is := after.Calendars[name]
	switch {
	case !is:
		d.say(true, "the calendar is gone, and its freezes with it")
		return d
	case !was:
		d.say(false, "a new calendar")
		return d
	}
	d.moved(true, "the zone", old.Zone, now.Zone)
	d.moved(true, "the hours", old.Week, now.Week)
	for _, h := range now.Holidays {
		if !slices.Contains(old.Holidays, h) {
			d.say(false, "%s becomes a holiday", h)
		}
	}
	fed := now.Feed != "" && now.Feed == old.Feed // what a feed says was approved with its address, and feeds forget the past
	d.moved(true, "the feed of its holidays", old.Feed, now.Feed)
	for _, h := range old.Holidays {
		if !slices.Contains(now.Holidays, h) {
			d.say(!fed, "%s is no holiday any more", h)
		}
	}
	for _, f := range now.Stops {
		if !slices.ContainsFunc(old.Stops, f.within) {
			d.say(false, "freeze %q holds from %s to %s", f.Name, f.From, f.To)
		}
	}
	for _, f := range old.Stops {
		if !slices.ContainsFunc(now.Stops, f.within) {
			d.say(true, "freeze %q no longer holds from %s to %s", f.Name, f.From, f.To)
		}
	}
	return d
}

// within tells whether another freeze of the same name covers this one.
func (f Freeze) within(o Freeze) bool { return f.Name == o.Name && o.From <= f.From && f.To <= o.To }

// compareRotations compares who takes turns. Whose turn it is changes by itself; who is never on shift and will be gains a say.
func compareRotations(before, after *Policy, name string) difference {
	d := difference{unit: unitRotation + "/" + name}
	old, was := before.Rotations[name]
	now, is := after.Rotations[name]
	switch {
	case !is:
		d.say(false, "the rotation is gone")
		return d
	case !was:
		d.say(false, "a new rotation; chains say what it decides")
		return d
	}
	d.moved(false, "the feed of its shifts", old.Feed, now.Feed)
	for _, c := range compareMembers(d.unit, old.People, now.People).changes {
		d.say(c.Loosens, "%s", strings.NewReplacer("becomes a member", "takes turns from now on", "is no member any more", "takes turns no more").Replace(c.Text))
	}
	return d
}

func compareSettings(before, after Settings) difference {
	d := difference{unit: unitSettings}
	d.moved(false, "the organisation", before.Organisation, after.Organisation)
	if before.LinkByEmail != after.LinkByEmail {
		d.say(after.LinkByEmail, "accounts of the chat are linked to people by e-mail address: %t, was %t", after.LinkByEmail, before.LinkByEmail)
	}
	d.moved(before.SecurityChannel != "", "the channel of alarms", before.SecurityChannel, after.SecurityChannel)
	d.moved(false, "the language of cards in channels", before.Language, after.Language)
	compareWatch(&d, before.Watch, after.Watch)
	compareIncidents(&d, before, after)
	compareCampaigns(&d, before.Campaigns, after.Campaigns)
	if was, is := before.Unused, after.Unused; was != is {
		d.say(was.After != 0 && (is.After == 0 || is.After > was.After || is.Warn > was.Warn),
			"what nobody uses is suspended after %s, %s after its owner was told; it was %s, %s (0m: never)", is.After, is.Warn, was.After, was.Warn)
	}
	return d
}

// compareWatch says which rules of watching come, go and change. Less watching is a loosening; so is any change of a rule, whose effect nobody
// can tell from its numbers.
func compareWatch(d *difference, before, after []workflows.WatchRule) {
	rule := func(list []workflows.WatchRule, name string) *workflows.WatchRule {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
		return nil
	}
	for _, b := range before {
		switch a := rule(after, b.Name); {
		case a == nil:
			d.say(true, "nothing is watched for by the rule %s (%s) any more", b.Name, b.Signal)
		case !sameJSON(*a, b):
			d.say(true, "the rule %s (%s) of watching is another one", b.Name, a.Signal)
		}
	}
	for _, a := range after {
		if rule(before, a.Name) == nil {
			d.say(false, "the rule %s watches for %s", a.Name, a.Signal)
		}
	}
}

// compareCampaigns says likewise which campaigns come, go and change.
func compareCampaigns(d *difference, before, after []workflows.CampaignPlan) {
	plan := func(list []workflows.CampaignPlan, name string) *workflows.CampaignPlan {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
		return nil
	}
	for _, b := range before {
		switch a := plan(after, b.Name); {
		case a == nil:
			d.say(true, "the campaign %s (%s) is not held any more", b.Name, b.Title)
		case !sameJSON(*a, b):
			d.say(true, "the campaign %s is another one", b.Name)
		}
	}
	for _, a := range after {
		if plan(before, a.Name) == nil {
			d.say(false, "the campaign %s looks at %s", a.Name, a.Of)
		}
	}
}

func sameJSON(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

// hash is the compiled form of a unit, as people approve it; empty where the policy does not have it.
func (p *Policy) hash(unit string) workflows.DocHash {
	kind, name, _ := strings.Cut(unit, "/")
	var v any
	var ok bool
	switch kind {
	case unitWorkflow:
		return p.Workflows[workflows.WorkflowID(name)].Hash
	case unitRunbook:
		return p.Runbooks[workflows.RunbookID(name)].Hash
	case unitRole:
		v, ok = p.Roles[name]
	case unitGroup:
		v, ok = p.Groups[name]
	case unitPeople:
		x, found := p.People[workflows.PersonID(name)]
		v, ok = docOfPerson(x), found
	case unitIdentity:
		i, found := p.Identities[workflows.IdentityID(name)]
		v, ok = docOfIdentity(i), found
	case unitTarget:
		v, ok = p.Targets[workflows.TargetID(name)]
	case unitCalendar:
		v, ok = p.Calendars[name]
	case unitRotation:
		v, ok = p.Rotations[name]
	case unitSettings:
		v, ok = p.Settings, true
	case unitEscalations:
		v, ok = p.Escalations, true
	}
	b, err := json.Marshal(v)
	if !ok || err != nil {
		return ""
	}
	return workflows.HashDocument(b)
}
