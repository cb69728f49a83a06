package desk

import (
	"context"
	"fmt"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
)

// AskInstead asks the chain of a runbook for what the runbook would have given, because a condition of it failed: the second tier. The
// answers of the runbook's form are taken over where the chain's form has fields of the same names.
func (d *Desk) AskInstead(ctx context.Context, c Invocation) (Submitted, error) {
	p := d.Policy()
	book, ok := p.Runbooks[c.Runbook]
	if !ok {
		res, err := d.refuse(ctx, c.Cause, c.By, "submit", c.Channel, string(c.Runbook), "", workflows.Unknown())
		return Submitted{Refusal: res.Refusal}, err
	}
	b := book.Runbook
	v, ok := p.Workflows[b.Asks()]
	if !ok {
		no := workflows.Refuse(workflows.CodeNoPolicy, "This runbook names no chain that could be asked instead.", "Ask its owner.")
		res, err := d.refuse(ctx, c.Cause, c.By, "submit", c.Channel, string(c.Runbook), "", no)
		return Submitted{Refusal: res.Refusal}, err
	}
	form := workflows.Form{Target: b.Grant.Target, Entitlement: b.Grant.ID, Reason: fmt.Sprintf("Incident %s, runbook %s: %s", c.Incident, b.ID, c.Reason), Values: map[string]string{}}
	form.Reason = strings.TrimSuffix(strings.TrimSpace(form.Reason), ":")
	if ent, ok := v.Workflow.Entitlement(form.Target, form.Entitlement); ok {
		form.Seconds = min(b.Longest, v.Workflow.LongestFor(ent))
	} else {
		form.Seconds = min(b.Longest, v.Workflow.Longest)
	}
	for _, f := range v.Workflow.Fields {
		if val := c.Values[f.Name]; val != "" {
			form.Values[f.Name] = val
		} else if f.Type == workflows.FieldTicket {
			form.Values[f.Name] = c.Incident
		}
	}
	form.Typed = string(form.Target) // the runbook names it, and its form was filled in for an incident
	return d.Submit(ctx, Submission{
		Cause: c.Cause, By: c.By, Workflow: v.Workflow.ID, Form: form, Channel: c.Channel, Authn: c.Authn,
	})
}
