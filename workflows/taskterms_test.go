package workflows_test

import (
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/workflows"
)

// TestReq_R55_WhatATicketMustBeLike: what speaks against a ticket, and in which words. A window that it has counts whether it is demanded or not.
func TestReq_R55_WhatATicketMustBeLike(t *testing.T) {
	t.Parallel()
	const at = workflows.Stamp(1_800_000_000_000_000)
	names := []string{"maya@northwind.example", "", "maya-gh"}
	open := workflows.Task{Source: "jira", Exists: true, Open: true, Assignees: []string{"maya@northwind.example"}}
	with := func(edit func(*workflows.Task)) workflows.Task {
		x := open
		edit(&x)
		return x
	}
	window := func(from, until workflows.Stamp) workflows.Task {
		return with(func(x *workflows.Task) { x.From, x.Until = from, until })
	}
	assigned := func(who ...string) workflows.Task { return with(func(x *workflows.Task) { x.Assignees = who }) }
	for _, c := range []struct {
		name string
		task workflows.Task
		want *workflows.TaskTerms
		why  string // part of it; empty: nothing speaks against it
	}{
		{"open is enough", open, nil, ""},
		{"none", workflows.Task{}, nil, "There is no ticket OPS-7."},
		{"closed", with(func(x *workflows.Task) { x.Open = false }), nil, "is closed."},
		{"closed, in the system's word", with(func(x *workflows.Task) { x.Open, x.Status = false, "Done" }), nil, "is closed (Done)."},
		{"closed, whatever is wanted", with(func(x *workflows.Task) { x.Open = false }), &workflows.TaskTerms{Source: "linear"}, "is closed."},
		{"in its window", window(at-1, at+1), nil, ""},
		{"at the beginning of its window", window(at, at+1), nil, ""},
		{"before its window", window(at+1, at+2), nil, "opens at 2027-01-15 08:00 UTC"},
		{"at the end of its window", window(at-1, at), nil, "was over at 2027-01-15 08:00 UTC"},
		{"no window, and none wanted", open, &workflows.TaskTerms{Assignee: workflows.AssigneeAnyone}, ""},
		{"no window", open, &workflows.TaskTerms{Window: true}, "has no change window"},
		{"a window without an end", window(at-1, 0), &workflows.TaskTerms{Window: true}, "has no change window"},
		{"a window without a beginning", window(0, at+1), &workflows.TaskTerms{Window: true}, "has no change window"},
		{"a wanted window that is over", window(at-2, at-1), &workflows.TaskTerms{Window: true}, "was over"},
		{"a wanted window", window(at-1, at+1), &workflows.TaskTerms{Window: true}, ""},
		{"of the system", open, &workflows.TaskTerms{Source: "jira"}, ""},
		{"of another system", open, &workflows.TaskTerms{Source: "linear"}, "is kept by jira, and this chain wants one of linear"},
		{"nobody's, and somebody's is wanted", assigned(), &workflows.TaskTerms{Assignee: workflows.AssigneeAnyone}, "is assigned to nobody"},
		{"nobody's, and the requester's is wanted", assigned(), &workflows.TaskTerms{Assignee: workflows.AssigneeRequester}, "is assigned to nobody"},
		{"somebody else's, and anybody's will do", assigned("jonas"), &workflows.TaskTerms{Assignee: workflows.AssigneeAnyone}, ""},
		{"somebody else's", assigned("jonas"), &workflows.TaskTerms{Assignee: workflows.AssigneeRequester}, "is not assigned to whoever asks"},
		{"the requester's, in capitals", assigned("jonas", "Maya@Northwind.example"), &workflows.TaskTerms{Assignee: workflows.AssigneeRequester}, ""},
		{"the requester's, by the account there", assigned("MAYA-gh"), &workflows.TaskTerms{Assignee: workflows.AssigneeRequester}, ""},
		{"an empty name fits nobody", assigned(""), &workflows.TaskTerms{Assignee: workflows.AssigneeRequester}, "is not assigned to whoever asks"},
	} {
		var terms []workflows.TaskTerms
		if c.want != nil {
			terms = []workflows.TaskTerms{{}, *c.want} // the strictest of several counts
		}
		why := c.task.Against("OPS-7", terms, names, at)
		if (c.why == "") != (why == "") || !strings.Contains(why, c.why) {
			t.Errorf("%s: %q, want %q", c.name, why, c.why)
		}
	}
}
