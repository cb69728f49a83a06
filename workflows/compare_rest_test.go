package workflows_test

import (
	"fmt"
	"testing"

	"github.com/countersign-bot/countersign/workflows"
)

// way is in which direction one change goes: what it says there and back, and which of the two loosens.
type way struct {
	name        string
	from, to    func(w *workflows.Workflow)
	there, back string
	loosens     [2]bool
}

func sameAs(*workflows.Workflow) {}

// held compares two versions that differ in one thing, both ways, and wants exactly one sentence each way.
func (x way) held(t *testing.T) {
	t.Helper()
	before, after := everything(), everything()
	x.from(before)
	x.to(after)
	for i, c := range []struct {
		changes []workflows.PolicyChange
		says    string
	}{{workflows.Compare(before, after), x.there}, {workflows.Compare(after, before), x.back}} {
		want := []workflows.PolicyChange{{Unit: "workflow/prod", Text: c.says, Loosens: x.loosens[i]}}
		if fmt.Sprint(c.changes) != fmt.Sprint(want) {
			t.Errorf("%s, direction %d:\n got %v\nwant %v", x.name, i, c.changes, want)
		}
	}
}

var (
	thereOnly = [2]bool{true, false}
	backOnly  = [2]bool{false, true}
	bothWays  = [2]bool{true, true}
	neither   = [2]bool{false, false}
)

// A length of time that may be absent: absent is "no limit" where a limit tightens, and "not at all" where a longer one loosens.
func TestCompareSpansThatMayBeAbsent(t *testing.T) {
	t.Parallel()
	span := func(set func(w *workflows.Workflow, s workflows.Span), s workflows.Span) func(*workflows.Workflow) {
		return func(w *workflows.Workflow) { set(w, s) }
	}
	for _, c := range []struct {
		what         string
		set          func(w *workflows.Workflow, s workflows.Span)
		noneIsMost   bool // no limit loosens
		longerIsLess bool // a longer one tightens
	}{
		{"pg/read: the longest access", func(w *workflows.Workflow, s workflows.Span) { w.Entitlements[0].Longest = s }, true, false},
		{"rule short: the longest access", func(w *workflows.Workflow, s workflows.Span) { w.Rules[0].Longest = s }, true, false},
		{"tier low: the longest access", func(w *workflows.Workflow, s workflows.Span) { w.Risk.Tiers[0].Longest = s }, true, false},
		{"tier low: time between reviews", func(w *workflows.Workflow, s workflows.Span) { w.Risk.Tiers[0].Review = s }, true, false},
		{"the longest access", func(w *workflows.Workflow, s workflows.Span) { w.Longest = s }, false, false},
		{"how far ahead it may be asked for", func(w *workflows.Workflow, s workflows.Span) { w.Later = s }, false, false},
		{"stage Team: the time to decide", func(w *workflows.Workflow, s workflows.Span) { w.Stages[0].Timeout = s }, false, false},
		{"the longest grant in the window", func(w *workflows.Workflow, s workflows.Span) { w.Window.Lifetime = s }, false, false},
		{"the period of the window", func(w *workflows.Workflow, s workflows.Span) { w.Window.Per = s }, false, true},
		{"rule auto: the period of automatic approvals", func(w *workflows.Workflow, s workflows.Span) { w.Rules[1].Auto.Per = s }, false, true},
	} {
		longer := thereOnly
		if c.longerIsLess {
			longer = backOnly
		}
		absent := backOnly // from an hour to none
		if c.noneIsMost || c.longerIsLess {
			absent = thereOnly
		}
		way{c.what + " grows", span(c.set, 3600), span(c.set, 3660), c.what + " becomes 61m, was 1h", c.what + " becomes 1h, was 61m", longer}.held(t)
		way{c.what + " goes", span(c.set, 3600), span(c.set, 0), c.what + " becomes none, was 1h", c.what + " becomes 1h, was none", absent}.held(t)
	}
}

// Numbers: by one up, which loosens or tightens, and by one down, which is the opposite.
func TestCompareNumbers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what string
		at   func(w *workflows.Workflow) *int
		more [2]bool
	}{
		{"stage Team: the quorum", func(w *workflows.Workflow) *int { return &w.Stages[0].Quorum }, backOnly},
		{"stage Parts, part A: the quorum", func(w *workflows.Workflow) *int { return &w.Stages[1].Parts[0].Quorum }, backOnly},
		{"the fewest characters of a reason", func(w *workflows.Workflow) *int { return &w.ReasonMin }, backOnly},
		{"how often an approved runbook may be used", func(w *workflows.Workflow) *int { return &w.Uses }, thereOnly},
		{"rule auto: automatic approvals in a period", func(w *workflows.Workflow) *int { return &w.Rules[1].Auto.Times }, thereOnly},
		{"rule auto: per cent of them that are reviewed", func(w *workflows.Workflow) *int { return &w.Rules[1].Auto.Sample }, backOnly},
		{"tier high: the fewest approvers", func(w *workflows.Workflow) *int { return &w.Risk.Tiers[1].Approvers }, backOnly},
		{"grants in a period of the window", func(w *workflows.Workflow) *int { return &w.Window.Times }, thereOnly},
		{"grants in all in the window", func(w *workflows.Workflow) *int { return &w.Window.Budget }, thereOnly},
	} {
		n := *c.at(everything())
		there, back := fmt.Sprintf("%s becomes %d, was %d", c.what, n+1, n), fmt.Sprintf("%s becomes %d, was %d", c.what, n, n+1)
		way{c.what, sameAs, func(w *workflows.Workflow) { *c.at(w)++ }, there, back, c.more}.held(t)
	}
}

// Every place of a selector, in both of its roles: who decides (more people loosen) and who only watches (fewer people loosen).
func TestCompareSelectorsInBothRoles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		do          func(s *workflows.Selector)
		there, back string
	}{
		{func(s *workflows.Selector) { s.People = append(s.People, "p_z") }, ": p_z added", ": p_z taken out"},
		{func(s *workflows.Selector) { s.ChatGroups = append(s.ChatGroups, "@sre") }, ": groups of the chat: @sre added", ": groups of the chat: @sre taken out"},
		{func(s *workflows.Selector) { s.ChatChannels = append(s.ChatChannels, "#ops") }, ": channels of the chat: #ops added", ": channels of the chat: #ops taken out"},
		{func(s *workflows.Selector) { s.Rotations = append(s.Rotations, "day") }, ": rotations: day added", ": rotations: day taken out"},
		{func(s *workflows.Selector) { s.Groups = append(s.Groups, workflows.Group{Name: "sre"}) }, ": group sre added", ": group sre taken out"},
		{func(s *workflows.Selector) { s.TargetOwner = true }, ": the target's owner and backup from now on", ": the target's owner and backup no longer"},
		{func(s *workflows.Selector) { s.IdentityOwner = true }, ": the identity's owner and backup from now on", ": the identity's owner and backup no longer"},
		{func(s *workflows.Selector) { s.Manager = true }, ": the requester's manager from now on", ": the requester's manager no longer"},
		{func(s *workflows.Selector) { s.Anyone = true }, ": everybody from now on", ": everybody no longer"},
		{func(s *workflows.Selector) { s.Exclude = nil }, ", left out: p_x taken out", ", left out: p_x added"},
		{func(s *workflows.Selector) { s.Fallback = &workflows.Selector{People: persons("e z")} }, ", when that yields nobody: p_z added", ", when that yields nobody: p_z taken out"},
		{func(s *workflows.Selector) { s.Fallback = &workflows.Selector{People: persons("e"), Manager: true} }, ", when that yields nobody: the requester's manager from now on", ", when that yields nobody: the requester's manager no longer"},
	} {
		watch := func(then func(*workflows.Selector)) func(*workflows.Workflow) {
			return func(w *workflows.Workflow) {
				all := everything().Stages[0].Approvers
				then(&all)
				w.Tell = &all
			}
		}
		const decides, watches = "stage Team: approvers", "those who are told the outcome"
		way{decides, sameAs, func(w *workflows.Workflow) { c.do(&w.Stages[0].Approvers) }, decides + c.there, decides + c.back, thereOnly}.held(t)
		way{watches, watch(func(*workflows.Selector) {}), watch(c.do), watches + c.there, watches + c.back, backOnly}.held(t)
	}
}

// What stands in another order is said, and loosens only where order decides something.
func TestCompareOrder(t *testing.T) {
	t.Parallel()
	for _, x := range []way{
		{
			"people", sameAs, func(w *workflows.Workflow) { w.Ask.People = []workflows.PersonID{"p_b", "p_a"} },
			"who may ask stand in another order", "who may ask stand in another order", neither,
		},
		{
			"choices", sameAs, func(w *workflows.Workflow) { w.Fields[0].Choices = []string{"b", "a"} },
			"field ticket: choices stand in another order", "field ticket: choices stand in another order", neither,
		},
		{
			"rules", sameAs, func(w *workflows.Workflow) { w.Rules[0], w.Rules[2] = w.Rules[2], w.Rules[0] },
			"the rules stand in another order", "the rules stand in another order", bothWays,
		},
		{
			"tiers", sameAs, func(w *workflows.Workflow) { w.Risk.Tiers[0], w.Risk.Tiers[1] = w.Risk.Tiers[1], w.Risk.Tiers[0] },
			"the table that gives each ask its tier changes", "the table that gives each ask its tier changes", bothWays,
		},
		{
			"a name twice", func(w *workflows.Workflow) { w.Freezes = []string{"a"} }, func(w *workflows.Workflow) { w.Freezes = []string{"a", "a"} },
			"change freezes that stop it stand in another order", "change freezes that stop it stand in another order", neither,
		},
	} {
		x.held(t)
	}
}

// What is there or is not, in words of its own.
func TestCompareWhatComesAndGoes(t *testing.T) {
	t.Parallel()
	for _, x := range []way{
		{
			"a cap on asking", func(w *workflows.Workflow) { w.Often = nil }, sameAs,
			"one person may ask 3 times per 1d from now on", "one person may ask as often as they like, was 3 times per 1d", backOnly,
		},
		{
			"a shorter period of asking", sameAs, func(w *workflows.Workflow) { w.Often.Per = 3600 },
			"one person may ask 3 times per 1h, was 3 times per 1d", "one person may ask 3 times per 1d, was 3 times per 1h", thereOnly,
		},
		{
			"fewer times in less time", sameAs, func(w *workflows.Workflow) { w.Often = &workflows.Often{Times: 2, Per: 3600} },
			"one person may ask 2 times per 1h, was 3 times per 1d", "one person may ask 3 times per 1d, was 2 times per 1h", bothWays,
		},
		{
			"an extension", func(w *workflows.Workflow) { w.Extend = nil }, sameAs,
			"how long it can be extended to, all in all becomes 150m, was none", "how long it can be extended to, all in all becomes none, was 150m", thereOnly,
		},
		{
			"a field that ends it", func(w *workflows.Workflow) { w.EndsWith = "" }, sameAs,
			`access ends with field "ticket" from now on`, "the field that access ends with becomes none, was ticket", backOnly,
		},
		{
			"business hours", func(w *workflows.Workflow) { w.Only = "" }, sameAs,
			"only in business hours from now on", "also outside of business hours", backOnly,
		},
		{
			"risk tiers", func(w *workflows.Workflow) { w.Risk = nil }, sameAs,
			"risk tiers hold from now on", "no risk tiers any more", backOnly,
		},
		{
			"a window", func(w *workflows.Workflow) { w.Window = nil }, sameAs,
			"the standing window changes", "the standing window changes", bothWays,
		},
		{
			"witnesses", func(w *workflows.Workflow) { w.Tell = nil }, sameAs,
			"those who are told the outcome: p_t added", "those who are told the outcome: nobody any more", backOnly,
		},
		{
			"approval without people", func(w *workflows.Workflow) { w.Rules[1].Auto = nil }, sameAs,
			"rule auto approves without people, 2 times per 1h", "rule auto no longer approves without people", thereOnly,
		},
		{
			"a refusal", func(w *workflows.Workflow) { w.Rules[2].Refuse = "" }, sameAs,
			"rule never refuses: A freeze.", "rule never refuses no longer", backOnly,
		},
		{
			"a refusal in other words", sameAs, func(w *workflows.Workflow) { w.Rules[2].Refuse = "No." },
			`rule never: why it refuses reads "No.", was "A freeze."`, `rule never: why it refuses reads "A freeze.", was "No."`, neither,
		},
		{
			"a rule", func(w *workflows.Workflow) { w.Rules = w.Rules[1:] }, sameAs,
			`a new rule, "short"`, `rule "short" is gone`, bothWays,
		},
		{
			"a rule that counts as more", sameAs, func(w *workflows.Workflow) { w.Rules[0].Terms = 2 },
			"rule short counts as 2 conditions, was 1", "rule short counts as 1 conditions, was 2", bothWays,
		},
		{
			"a rule for longer asks", sameAs, func(w *workflows.Workflow) { w.Rules[1].UpTo = 0 },
			"rule auto: for asks of at most none, was 10m", "rule auto: for asks of at most 10m, was none", bothWays,
		},
		{
			"the most specific rule", sameAs, func(w *workflows.Workflow) { w.Choose = workflows.ChooseSpecific },
			"of several rules that match, the most specific one decides", "of several rules that match, the first one decides", bothWays,
		},
		{
			"a stage", func(w *workflows.Workflow) { w.Stages = w.Stages[1:] }, sameAs,
			`a new stage, "Team", of 2`, `stage "Team" is gone`, backOnly,
		},
		{
			"a part", func(w *workflows.Workflow) { w.Stages[1].Parts = w.Stages[1].Parts[:1] }, sameAs,
			`stage Parts: a new part, "B", of 1: p_i`, `stage Parts: part "B" is gone`, bothWays,
		},
		{
			"an escalation to nobody", sameAs, func(w *workflows.Workflow) {
				w.Stages[1].Escalate = &workflows.Escalation{After: 60}
			}, "stage Parts: escalation 1, after 1m, to nobody", "stage Parts: no escalation 1 any more", thereOnly,
		},
		{
			"an escalation by working time", sameAs, func(w *workflows.Workflow) { w.Stages[0].Then[0].Working = 3600 },
			"stage Team: escalation 2 after 1h of working time, was 30m of working time", "stage Team: escalation 2 after 30m of working time, was 1h of working time", backOnly,
		},
		{
			"an escalation on another clock", sameAs, func(w *workflows.Workflow) { w.Stages[0].Escalate.After, w.Stages[0].Escalate.Working = 0, 1200 },
			"stage Team: escalation 1 after 20m of working time, was 20m", "stage Team: escalation 1 after 20m, was 20m of working time", bothWays,
		},
		{
			"waking nobody", sameAs, func(w *workflows.Workflow) { w.Stages[0].OffHours = workflows.OffHoursPage },
			"stage Team: outside of working hours: people are told at once, was people are told when they work",
			"stage Team: outside of working hours: people are told when they work, was people are told at once", neither,
		},
		{
			"asking who is awake", sameAs, func(w *workflows.Workflow) { w.Stages[0].OffHours = workflows.OffHoursAwake },
			"stage Team: outside of working hours: the next tier is asked when too few are at work, was people are told when they work",
			"stage Team: outside of working hours: people are told when they work, was the next tier is asked when too few are at work", thereOnly,
		},
		{
			"a needed field", func(w *workflows.Workflow) { w.Fields = nil }, sameAs,
			`the form asks for "ticket" too`, `the form no longer asks for "ticket"`, backOnly,
		},
		{
			"the limit of a field", sameAs, func(w *workflows.Workflow) { w.Fields[0].MaxLen = 0 },
			"field ticket: at most 0 characters, was 9 (0 is the usual limit)", "field ticket: at most 9 characters, was 0 (0 is the usual limit)", thereOnly,
		},
		{
			"a longer field", sameAs, func(w *workflows.Workflow) { w.Fields[0].MaxLen = 10 },
			"field ticket: at most 10 characters, was 9 (0 is the usual limit)", "field ticket: at most 9 characters, was 10 (0 is the usual limit)", thereOnly,
		},
		{
			"why two things conflict", sameAs, func(w *workflows.Workflow) { w.Entitlements[0].Conflicts[0].Why = "law" },
			"pg/read: why it may not be held with others reads differently", "pg/read: why it may not be held with others reads differently", neither,
		},
		{
			"a shared membership", sameAs, func(w *workflows.Workflow) { w.Entitlements[0].Shared = true },
			"pg/read: one membership is shared by overlapping grants from now on", "pg/read: one membership is shared by overlapping grants no longer", thereOnly,
		},
		{
			"an account of one's own", sameAs, func(w *workflows.Workflow) { w.Entitlements[0].Account = true },
			"pg/read: the holder needs an account on the target from now on", "pg/read: the holder needs an account on the target no longer", backOnly,
		},
		{
			"another length to begin with", sameAs, func(w *workflows.Workflow) { w.Usual = 1800 },
			"the form offers 30m first, was 1h", "the form offers 1h first, was 30m", neither,
		},
		{
			"apart from another stage", sameAs, func(w *workflows.Workflow) { w.Stages[0].DistinctFrom = []string{"Other", "Third"} },
			"stage Team: does not count who approved: Third added", "stage Team: does not count who approved: Third taken out", backOnly,
		},
		{
			"no calendar", sameAs, func(w *workflows.Workflow) { w.Calendar = "" },
			"the calendar becomes none, was berlin", "the calendar becomes berlin, was none", bothWays,
		},
	} {
		x.held(t)
	}
}

// A field that may stay empty comes without anything being held back, and goes as a loss of what was asked.
func TestCompareOptionalFields(t *testing.T) {
	t.Parallel()
	note := workflows.Field{Name: "note", Label: "Note", Type: workflows.FieldText, Optional: true}
	way{
		"an optional field", sameAs, func(w *workflows.Workflow) { w.Fields = append(w.Fields, note) },
		`the form asks for "note" too, if one likes`, `the form no longer asks for "note"`, backOnly,
	}.held(t)
	before, after := everything(), everything()
	before.Fields, after.Fields = append(before.Fields, note), append([]workflows.Field{note}, after.Fields...)
	got := fmt.Sprint(workflows.Compare(before, after))
	want := `[{workflow/prod field "note" stands at another place of the form false} {workflow/prod field "ticket" stands at another place of the form false}]`
	if got != want {
		t.Errorf("fields that change places:\n got %s\nwant %s", got, want)
	}
}
