package workflows

import (
	"slices"
	"strings"
)

// TaskTerms are what a workflow wants of the task that its access must not outlast, beside that there is one and that it is open.
type TaskTerms struct {
	Source   TargetID `json:"source,omitempty"`   // the system that must keep it; empty: any that is configured
	Assignee string   `json:"assignee,omitempty"` // AssigneeRequester, AssigneeAnyone; empty: it does not matter
	Window   bool     `json:"window,omitempty"`   // it must be a change window, with a beginning and an end
}

// Who must be assigned to a task.
const (
	AssigneeRequester = "requester"
	AssigneeAnyone    = "anyone"
)

// Against says what speaks against access that hangs on the task at a moment; empty: nothing. ref is how the task was named, names are the addresses
// and accounts by which its system may know the requester. A window that the task has is honoured also where none is demanded.
func (t Task) Against(ref string, terms []TaskTerms, names []string, at Stamp) string {
	switch {
	case !t.Exists:
		return "There is no ticket " + ref + "."
	case !t.Open && t.Status == "":
		return t.named(ref) + " is closed."
	case !t.Open:
		return t.named(ref) + " is closed (" + t.Status + ")."
	}
	for _, want := range terms {
		if why := want.against(t, ref, names); why != "" {
			return why
		}
	}
	switch {
	case t.Covers(at):
		return ""
	case t.Until != 0 && at >= t.Until:
		return t.named(ref) + ": its window was over at " + t.Until.short() + "."
	}
	return t.named(ref) + ": its window opens at " + t.From.short() + "."
}

func (w TaskTerms) against(t Task, ref string, names []string) string {
	assigned := func(n string) bool {
		return n != "" && slices.ContainsFunc(t.Assignees, func(a string) bool { return strings.EqualFold(a, n) })
	}
	switch {
	case w.Source != "" && t.Source != string(w.Source):
		return t.named(ref) + " is kept by " + t.Source + ", and this chain wants one of " + string(w.Source) + "."
	case w.Window && (t.From == 0 || t.Until == 0):
		return t.named(ref) + " has no change window with a beginning and an end."
	case w.Assignee == AssigneeAnyone && len(t.Assignees) == 0, w.Assignee == AssigneeRequester && len(t.Assignees) == 0:
		return t.named(ref) + " is assigned to nobody."
	case w.Assignee == AssigneeRequester && !slices.ContainsFunc(names, assigned):
		return t.named(ref) + " is not assigned to whoever asks."
	}
	return ""
}

func (t Task) named(ref string) string {
	if t.Incident {
		return "Incident " + ref
	}
	return "Ticket " + ref
}
