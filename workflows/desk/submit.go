package desk

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// Submission is a filled form as it came from a person.
type Submission struct {
	Cause      Cause
	By         workflows.Acting
	Workflow   workflows.WorkflowID
	FormPolicy workflows.DocHash // version that the form showed; empty: none was shown (command line)
	Form       workflows.Form
	Subject    workflows.IdentityID // empty: the requester
	Runbook    workflows.RunbookID  // for a pre-approval
	Channel    string               // "slack", "cli"
	Authn      string               // "slack-click", "unix-peer"
	Drill      bool
	Extends    workflows.GrantID // the active grant that more time is asked for
	NotBefore  workflows.Stamp   // agreed start; zero: when it is approved
	About      string            // address of the message that this is asked about; empty: none
	Network    string            // where the command came from, by a label of the operator; empty: not known
}

// Submitted is what became of it: a request, or a Refusal.
type Submitted struct {
	ID       workflows.RequestID
	Refusal  *workflows.Refusal
	Problems []workflows.FieldProblem // for the form, when the refusal is about fields
}

// CheckForm checks a form without recording anything, for answering while it is open. The problems name the inputs.
func (d *Desk) CheckForm(id workflows.WorkflowID, shown workflows.DocHash, form workflows.Form) ([]workflows.FieldProblem, *workflows.Refusal) {
	v, ok := d.Policy().Workflows[id]
	if !ok {
		return nil, noWorkflow()
	}
	if shown != "" && shown != v.Hash {
		return nil, formChanged()
	}
	_, bad := v.Workflow.CheckForm(form)
	return bad, nil
}

// Untyped is what is wrong with the target's name as it was typed, where the risk wants it, without recording anything.
func (d *Desk) Untyped(c Submission) []workflows.FieldProblem {
	policy := d.Policy()
	v, ok := policy.Workflows[c.Workflow]
	if !ok {
		return nil
	}
	w := policy.formed(v, c.Runbook).Workflow
	ent, _ := w.Entitlement(c.Form.Target, c.Form.Entitlement)
	ask := workflows.Ask{By: c.By, Form: c.Form, Subject: cmp.Or(c.Subject, c.By.Person.Identity())}
	policy.describeSubject(w.Kind, &ask, ent)
	return w.Untyped(ask)
}

func noWorkflow() *workflows.Refusal {
	return workflows.Refuse(workflows.CodeNoPolicy, "There is no such chain, so nobody could approve this.", "Type `/access list` to see what you can ask for.")
}

func formChanged() *workflows.Refusal {
	return workflows.Refuse(workflows.CodeFormChanged, "This chain changed while your form was open.", "Open the form again: it shows the chain as it is now.")
}

// Submit opens a request. The policy current inside the transaction binds it; if the form showed another, it is refused
// and must be shown again.
func (d *Desk) Submit(ctx context.Context, c Submission) (Submitted, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return again(func() (Submitted, error) { return d.submit(ctx, c) })
}

func (d *Desk) submit(ctx context.Context, c Submission) (Submitted, error) {
	policy := d.Policy()
	v, ok := policy.Workflows[c.Workflow]
	if !ok {
		return d.refuseSubmit(ctx, c, noWorkflow(), string(c.Workflow), "")
	}
	v = policy.formed(v, c.Runbook)
	if c.FormPolicy != "" && c.FormPolicy != v.Hash {
		_, shown, _ := strings.Cut(string(c.FormPolicy), ":") // T17: the record names both versions
		return d.refuseSubmit(ctx, c, formChanged(), string(c.Workflow)+"/"+shown, v.Hash)
	}
	if bad := credentials(v.Workflow, c.Form); len(bad) > 0 {
		out, err := d.refuseSubmit(ctx, c, workflows.RefuseCredential(bad[0].kind), string(c.Workflow), v.Hash)
		for _, x := range bad {
			out.Problems = append(out.Problems, workflows.FieldProblem{Field: x.field, Text: workflows.RefuseCredential(x.kind).Error()})
		}
		return out, err
	}
	var unfit []workflows.FieldProblem
	c.Form, unfit = d.Picked(ctx, v.Workflow, c.Form)
	q, err := d.ask(ctx, policy, v, c)
	if err != nil {
		return Submitted{}, err
	}
	q.ask.Problems = append(q.ask.Problems, unfit...)
	q.ask.Already = d.already(ctx, q)
	d.foresee(ctx, q)
	res, err := d.under(ctx, policy, c.Cause, q.streams(), func(f workflows.Facts) (workflows.Outcome, error) {
		ask, err := q.within(f)
		if err != nil {
			return workflows.Outcome{}, err
		}
		out, err := v.Workflow.Submit(f, ask)
		if err != nil {
			return out, err
		}
		return out, q.follows(f, &out, ask)
	})
	if err != nil {
		return Submitted{}, err
	}
	out := submitted(res)
	if res.Refusal != nil && res.Refusal.Code == workflows.CodeBadField {
		_, out.Problems = v.Workflow.CheckForm(q.ask.Form)
		out.Problems = slices.Concat(out.Problems, v.Workflow.Untyped(q.ask), q.ask.Problems)
	}
	if res.Refusal != nil && q.ask.Blocked != nil && res.Refusal.Code == q.ask.Blocked.Code {
		out.Problems = append(out.Problems, q.unfit...)
	}
	return out, nil
}

// submitted reads the answer from what is recorded, which may have been recorded when the same form came first.
func submitted(res Result) Submitted {
	out := Submitted{Refusal: res.Refusal}
	for _, r := range res.Records {
		if _, ok := r.Event.(workflows.Submitted); ok {
			out.ID = workflows.RequestID(r.Stream.Rest())
		}
	}
	return out
}

func (d *Desk) refuseSubmit(ctx context.Context, c Submission, r *workflows.Refusal, about string, policy workflows.DocHash) (Submitted, error) {
	res, err := d.refuse(ctx, c.Cause, c.By, "submit", c.Channel, about, policy, r)
	return submitted(res), err
}

// Refuse records a refusal that no engine made (an unknown id, a foreign button) and gives it back: never nil without an error. A cause that
// was consumed before, by whatever, records nothing more; the caller is refused all the same, which is the safe answer to a repetition.
func (d *Desk) Refuse(ctx context.Context, cause Cause, by workflows.Acting, command, channel, about string, r *workflows.Refusal) (*workflows.Refusal, error) {
	res, err := d.refuse(ctx, cause, by, command, channel, about, "", r)
	if err != nil {
		return nil, err
	}
	if res.Refusal == nil {
		return r, nil
	}
	return res.Refusal, nil
}

func (d *Desk) refuse(ctx context.Context, cause Cause, by workflows.Acting, command, channel, about string, policy workflows.DocHash, r *workflows.Refusal) (Result, error) {
	return d.update(ctx, cause, nil, func(workflows.Facts) (workflows.Outcome, error) {
		out := workflows.RefuseOn(workflows.SystemStream, by, command, channel, about, r)
		out.Events[0].Policy = policy
		return out, nil
	})
}

// readTimeout bounds how long a target is asked about standing access: what it answers is shown and decides nothing.
const readTimeout = 2 * time.Second

// already tells whether the holder has what is asked for by no grant of ours (R52). A target that cannot tell, or not in time, finds nothing.
func (d *Desk) already(ctx context.Context, q *question) bool {
	if d.reader == nil || !q.ent.Shared || q.ask.Account == "" {
		return false
	}
	h, err := d.ledger.History(ctx, workflows.GrantStream(q.ask.Subject, q.ent.Target, q.ent.ID))
	if err != nil {
		return false
	}
	if s, err := grants.Fold(h); err != nil || slices.ContainsFunc(s.Holds, grants.Hold.Live) {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	clean, _ := q.v.Workflow.CheckForm(q.ask.Form)
	has, err := d.reader.Holds(ctx, filledIn(q.ent, clean.Fields), q.ask.Subject, q.ask.Account)
	if err != nil {
		d.log.WarnContext(ctx, "whether there is standing access is not known", "target", q.ent.Target, "err", err)
	}
	if has && err == nil {
		d.log.WarnContext(ctx, "standing access was found: the holder has what they ask for, by no grant", "target", q.ent.Target, "entitlement", q.ent.ID, "holder", q.ask.Subject)
	}
	return has && err == nil
}
