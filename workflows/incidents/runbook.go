package incidents

import "github.com/countersign-bot/countersign/workflows"

// Runbook is the compiled front matter of a runbook document. It says who may invoke the document in an incident, what
// is then granted and for how long, who is told and who reviews. It never counts as approval: only the exact bytes of
// the document, approved through an ordinary request, do.
type Runbook struct {
	ID              workflows.RunbookID   `json:"id"`
	Title           string                `json:"title"`
	Purpose         string                `json:"purpose"`
	UseWhen         string                `json:"use_when"`
	DoNotUseWhen    string                `json:"do_not_use_when"`
	Owner           workflows.PersonID    `json:"owner"`
	Invokers        workflows.Selector    `json:"invokers"`
	Grant           workflows.Entitlement `json:"grant"`
	Longest         workflows.Span        `json:"longest"`          // how long an invocation lasts
	IncidentPattern string                `json:"incident_pattern"` // RE2, anchored by us; matches "INC-123"
	Skips           workflows.WorkflowID  `json:"skips"`            // the chain whose approvers are told that they were skipped
	Notify          string                `json:"notify"`           // channel that is told at once
	Reviewers       workflows.Selector    `json:"reviewers"`        // who may review; the first who is not the invoker owns it
	ReviewDue       workflows.Span        `json:"review_due"`
	Fields          []workflows.Field     `json:"fields,omitempty"`
	Document        workflows.DocHash     `json:"document"` // of the file's exact bytes
}
