package workflows

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Compare says in words what changes between two versions of a workflow, and which of it lets somebody do more or lets fewer people agree.
// A nil version is a workflow that does not exist. When it cannot be told in which direction something goes (another condition, another
// pattern), it loosens: a change that is wrongly held back is approved by people, one that is wrongly let through is not seen. Versions
// whose canonical forms differ always give at least one change.
func Compare(before, after *Workflow) []PolicyChange {
	switch {
	case before == nil && after == nil:
		return nil
	case before == nil:
		c := comparison{unit: unitOf(after.ID)}
		c.loosens("a new chain, %q, that grants %s", after.Title, listed(entitlementNames(after.Entitlements), "nothing by itself"))
		return c.changes
	case after == nil:
		c := comparison{unit: unitOf(before.ID)}
		c.tightens("the chain %q is gone", before.Title)
		return c.changes
	}
	c := comparison{unit: unitOf(after.ID)}
	c.head(before, after)
	c.asking(before, after)
	c.entitlements(before.Entitlements, after.Entitlements)
	c.fields(before.Fields, after.Fields)
	c.limits(before, after)
	c.rules(before, after)
	c.stages(before.Stages, after.Stages)
	c.risk(before.Risk, after.Risk)
	c.window(before.Window, after.Window)
	c.exception(before.Exception, after.Exception)
	c.actAs(before.ActAs, after.ActAs)
	if !same(before.Life, after.Life) {
		c.loosens("what its approval does to an identity changes")
	}
	if len(c.changes) == 0 && !same(before, after) {
		c.loosens("something changes that has no words yet")
	}
	return c.changes
}

// Loosens tells whether any of the changes does.
func Loosens(changes []PolicyChange) bool {
	return slices.ContainsFunc(changes, func(c PolicyChange) bool { return c.Loosens })
}

func unitOf(id WorkflowID) string { return "workflow/" + string(id) }

// comparison gathers the changes of one unit.
type comparison struct {
	unit    string
	changes []PolicyChange
}

func (c *comparison) add(loosens bool, format string, args ...any) {
	c.changes = append(c.changes, PolicyChange{Unit: c.unit, Text: fmt.Sprintf(format, args...), Loosens: loosens})
}

func (c *comparison) loosens(format string, args ...any)  { c.add(true, format, args...) }
func (c *comparison) tightens(format string, args ...any) { c.add(false, format, args...) }

// neutral is a change that lets nobody do more or less.
func (c *comparison) neutral(format string, args ...any) { c.add(false, format, args...) }

// words tells of a text that people read and nothing depends on.
func (c *comparison) words(what, before, after string) {
	if before != after {
		c.neutral("%s reads %q, was %q", what, after, before)
	}
}

// moved tells of something whose change has no direction that could be told.
func (c *comparison) moved(what, before, after string) {
	if before != after {
		c.loosens("%s becomes %s, was %s", what, orNone(after), orNone(before))
	}
}

// span tells of a length of time; more says whether a longer one loosens. Zero means "none" and is the loosest where longer is, unless
// zeroIsLeast.
func (c *comparison) span(what string, before, after Span, more, zeroIsLeast bool) {
	if before == after {
		return
	}
	rises := after > before
	if !zeroIsLeast && (before == 0 || after == 0) {
		rises = after == 0
	}
	c.add(rises == more, "%s becomes %s, was %s", what, spanWords(after), spanWords(before))
}

func spanWords(s Span) string {
	if s == 0 {
		return "none"
	}
	return s.String()
}

func (c *comparison) number(what string, before, after int, more bool) {
	if before != after {
		c.add((after > before) == more, "%s becomes %d, was %d", what, after, before)
	}
}

// flag tells of something that is or is not; on says whether setting it loosens.
func (c *comparison) flag(what string, before, after, on bool) {
	switch {
	case before == after:
	case after:
		c.add(on, "%s from now on", what)
	default:
		c.add(!on, "%s no longer", what)
	}
}

// set tells what came into a set and what left it; more says whether coming in loosens.
func (c *comparison) set(what string, before, after []string, more bool) {
	in, out := difference(before, after)
	if len(in) > 0 {
		c.add(more, "%s: %s added", what, strings.Join(in, ", "))
	}
	if len(out) > 0 {
		c.add(!more, "%s: %s taken out", what, strings.Join(out, ", "))
	}
	if len(in)+len(out) == 0 && !slices.Equal(before, after) {
		c.neutral("%s stand in another order", what)
	}
}

func difference(before, after []string) (in, out []string) {
	for _, x := range after {
		if !slices.Contains(before, x) && !slices.Contains(in, x) {
			in = append(in, x)
		}
	}
	for _, x := range before {
		if !slices.Contains(after, x) && !slices.Contains(out, x) {
			out = append(out, x)
		}
	}
	return in, out
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func listed(words []string, none string) string {
	if len(words) == 0 {
		return none
	}
	return strings.Join(words, ", ")
}

func text[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, x := range list {
		out[i] = string(x)
	}
	return out
}

// same compares by the form that is hashed: an empty list and no list are the same document.
func same(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

func (c *comparison) head(before, after *Workflow) {
	if before.ID != after.ID {
		c.loosens("another chain, %q, takes the place of %q", after.ID, before.ID)
	}
	c.words("the title", before.Title, after.Title)
	c.words("the purpose", before.Purpose, after.Purpose)
	c.moved("the kind", string(before.Kind), string(after.Kind))
	c.moved("the owner", string(before.Owner), string(after.Owner))
	c.moved("where its cards stand", before.Channel, after.Channel)
	c.moved("who may read its requests", before.SeenBy, after.SeenBy)
}

func (c *comparison) asking(before, after *Workflow) {
	c.selector("who may ask", before.Ask, after.Ask, true)
	c.set("whom it may be for", before.For, after.For, true)
	if !same(before.Often, after.Often) {
		c.often(before.Often, after.Often)
	}
	c.set("verbs that need a reason", before.ReasonFor, after.ReasonFor, false)
	c.told("those who are told the outcome", before.Tell, after.Tell)
}

func (c *comparison) often(before, after *Often) {
	switch {
	case before == nil:
		c.tightens("one person may ask %d times per %s from now on", after.Times, after.Per)
	case after == nil:
		c.loosens("one person may ask as often as they like, was %d times per %s", before.Times, before.Per)
	default:
		c.add(after.Times > before.Times || after.Per < before.Per, "one person may ask %d times per %s, was %d times per %s",
			after.Times, after.Per, before.Times, before.Per)
	}
}

// told compares who is told without being asked: fewer witnesses loosen.
func (c *comparison) told(what string, before, after *Selector) {
	switch {
	case before == nil && after == nil:
	case before == nil:
		c.tightens("%s: %s added", what, listed(after.words(), "nobody"))
	case after == nil:
		c.loosens("%s: nobody any more", what)
	default:
		c.selector(what, *before, *after, false)
	}
}

func (c *comparison) limits(before, after *Workflow) {
	c.span("the longest access", before.Longest, after.Longest, true, true)
	if before.Usual != after.Usual {
		c.neutral("the form offers %s first, was %s", after.Usual, before.Usual)
	}
	c.number("the fewest characters of a reason", before.ReasonMin, after.ReasonMin, false)
	c.number("how often an approved runbook may be used", before.Uses, after.Uses, true)
	c.span("how far ahead it may be asked for", before.Later, after.Later, true, true)
	var capBefore, capAfter Span
	if before.Extend != nil {
		capBefore = before.Extend.Cap
	}
	if after.Extend != nil {
		capAfter = after.Extend.Cap
	}
	c.span("how long it can be extended to, all in all", capBefore, capAfter, true, true)
	switch {
	case before.EndsWith == after.EndsWith:
	case before.EndsWith == "":
		c.tightens("access ends with field %q from now on", after.EndsWith)
	default:
		c.moved("the field that access ends with", before.EndsWith, after.EndsWith)
	}
	c.span("how long access goes on while nobody can tell whether it should", before.LongestUnverified(), after.LongestUnverified(), true, true)
	c.set("claims about the device or workload that must hold", before.Posture, after.Posture, false)
	c.task(before.Task, after.Task)
	c.moved("the calendar", before.Calendar, after.Calendar)
	switch {
	case before.Only == after.Only:
	case before.Only == "":
		c.tightens("only in business hours from now on")
	default:
		c.loosens("also outside of business hours")
	}
	c.set("change freezes that stop it", before.Freezes, after.Freezes, false)
}

// selector compares whom two selectors name; more says whether more people loosen.
func (c *comparison) selector(what string, before, after Selector, more bool) {
	c.flag(what+": everybody", before.Anyone, after.Anyone, more)
	c.set(what, text(before.People), text(after.People), more)
	c.groups(what, before.Groups, after.Groups, more)
	c.set(what+": groups of the chat", before.ChatGroups, after.ChatGroups, more)
	c.set(what+": channels of the chat", before.ChatChannels, after.ChatChannels, more)
	c.set(what+": rotations", before.Rotations, after.Rotations, more)
	c.flag(what+": the target's owner and backup", before.TargetOwner, after.TargetOwner, more)
	c.flag(what+": the identity's owner and backup", before.IdentityOwner, after.IdentityOwner, more)
	c.flag(what+": the requester's manager", before.Manager, after.Manager, more)
	c.set(what+", left out", text(before.Exclude), text(after.Exclude), !more)
	switch {
	case before.Fallback == nil && after.Fallback == nil:
	case before.Fallback == nil:
		c.add(more, "%s: %s when that yields nobody", what, listed(after.Fallback.words(), "nobody"))
	case after.Fallback == nil:
		c.add(!more, "%s: nobody else when that yields nobody", what)
	default:
		c.selector(what+", when that yields nobody", *before.Fallback, *after.Fallback, more)
	}
}

func (c *comparison) groups(what string, before, after []Group, more bool) {
	names := func(list []Group) (out []string) {
		for _, g := range list {
			out = append(out, "group "+g.Name)
		}
		return out
	}
	c.set(what, names(before), names(after), more)
	for _, g := range after {
		for _, old := range before {
			if old.Name == g.Name {
				c.set(what+": group "+g.Name, text(old.Members), text(g.Members), more)
			}
		}
	}
}

// words are the parts of a selector as people read them, pseudonyms for people.
func (s Selector) words() []string {
	var out []string
	if s.Anyone {
		out = append(out, "everybody")
	}
	out = append(out, text(s.People)...)
	for _, g := range s.Groups {
		out = append(out, "group "+g.Name)
	}
	out = append(out, s.ChatGroups...)
	out = append(out, s.ChatChannels...)
	for _, r := range s.Rotations {
		out = append(out, "rotation "+r)
	}
	for _, x := range []struct {
		on   bool
		word string
	}{{s.TargetOwner, "the target's owner"}, {s.IdentityOwner, "the identity's owner"}, {s.Manager, "the requester's manager"}} {
		if x.on {
			out = append(out, x.word)
		}
	}
	return out
}

func entitlementNames(list []Entitlement) []string {
	out := make([]string, len(list))
	for i, e := range list {
		out[i] = e.Name()
	}
	return out
}

func (c *comparison) entitlements(before, after []Entitlement) {
	c.set("what it grants", entitlementNames(before), entitlementNames(after), true)
	for _, e := range after {
		i := slices.IndexFunc(before, func(o Entitlement) bool { return o.Name() == e.Name() })
		if i >= 0 {
			c.entitlement(before[i], e)
		}
	}
}

func (c *comparison) entitlement(before, after Entitlement) {
	n := after.Name()
	c.words(n+": the target's title", before.TargetTitle, after.TargetTitle)
	c.words(n+": the title", before.Title, after.Title)
	c.words(n+": the description", before.Description, after.Description)
	c.words(n+": the business task", before.BusinessTask, after.BusinessTask)
	c.moved(n+": the owner", string(before.Owner), string(after.Owner))
	c.moved(n+": the backup owner", string(before.Backup), string(after.Backup))
	c.moved(n+": the environment", before.Environment, after.Environment)
	c.moved(n+": the data class", before.DataClass, after.DataClass)
	c.moved(n+": what it lets do", before.Action, after.Action)
	c.moved(n+": how much it reaches", before.Breadth, after.Breadth)
	if before.ReviewDate != after.ReviewDate {
		c.add(after.ReviewDate == "" || before.ReviewDate != "" && after.ReviewDate > before.ReviewDate, "%s: looked at again by %s, was %s", n, orNone(after.ReviewDate), orNone(before.ReviewDate))
	}
	c.moved(n+": the connector", before.Connector, after.Connector)
	if !same(before.Params, after.Params) {
		c.loosens("%s: the connector is given %s, was %s", n, paramWords(after.Params), paramWords(before.Params))
	}
	c.span(n+": the longest access", before.Longest, after.Longest, true, false)
	c.flag(n+": one membership is shared by overlapping grants", before.Shared, after.Shared, true)
	c.moved(n+": the identity that the holder acts as", string(before.ActsAs), string(after.ActsAs))
	c.flag(n+": contractors and vendors may hold it, through the bastion", before.Brokered, after.Brokered, true)
	c.flag(n+": the holder needs an account on the target", before.Account, after.Account, false)
	if !same(before.Conflicts, after.Conflicts) {
		c.conflicts(n, before.Conflicts, after.Conflicts)
	}
}

func (c *comparison) conflicts(n string, before, after []Conflict) {
	names := func(list []Conflict) (out []string) {
		for _, x := range list {
			for _, w := range x.With {
				out = append(out, w+" ("+x.Set+")")
			}
		}
		return out
	}
	was := len(c.changes)
	c.set(n+": may not be held with", names(before), names(after), false)
	if len(c.changes) == was {
		c.neutral("%s: why it may not be held with others reads differently", n)
	}
}

func paramWords(p map[string][]string) string {
	b, err := json.Marshal(p)
	if err != nil {
		return strconv.Itoa(len(p)) + " settings"
	}
	return string(b)
}
