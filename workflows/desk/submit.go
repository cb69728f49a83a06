package desk

import (
	"context"
	"slices"

	"github.com/countersign-bot/countersign/workflows"
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
	policy := d.Policy()
	v, ok := policy.Workflows[c.Workflow]
	if !ok {
		return d.refuseSubmit(ctx, c, noWorkflow())
	}
	if c.FormPolicy != "" && c.FormPolicy != v.Hash {
		return d.refuseSubmit(ctx, c, formChanged())
	}
	ask, err := d.ask(ctx, policy, v, c)
	if err != nil {
		return Submitted{}, err
	}
	id := workflows.RequestStream(ask.ID)
	res, err := d.update(ctx, c.Cause, []workflows.StreamID{id}, func(f workflows.Facts) (workflows.Outcome, error) {
		if d.Policy() != policy {
			r := formChanged()
			return workflows.RefuseOn(workflows.SystemStream, c.By, "submit", c.Channel, string(c.Workflow), r), nil
		}
		return v.Workflow.Submit(f, ask)
	})
	if err != nil {
		return Submitted{}, err
	}
	out := Submitted{Refusal: res.Refusal}
	for _, r := range res.Records {
		if _, ok := r.Event.(workflows.Submitted); ok {
			out.ID = workflows.RequestID(r.Stream.Rest())
		}
	}
	if res.Refusal != nil && res.Refusal.Code == workflows.CodeBadField {
		_, out.Problems = v.Workflow.CheckForm(c.Form)
	}
	return out, nil
}

func (d *Desk) refuseSubmit(ctx context.Context, c Submission, r *workflows.Refusal) (Submitted, error) {
	res, err := d.Refuse(ctx, c.Cause, c.By, "submit", c.Channel, string(c.Workflow), r)
	return Submitted{Refusal: res}, err
}

// Refuse records a refusal that no engine made (an unknown id, a foreign button) and gives it back.
func (d *Desk) Refuse(ctx context.Context, cause Cause, by workflows.Acting, command, channel, about string, r *workflows.Refusal) (*workflows.Refusal, error) {
	res, err := d.update(ctx, cause, nil, func(workflows.Facts) (workflows.Outcome, error) {
		return workflows.RefuseOn(workflows.SystemStream, by, command, channel, about, r), nil
	})
	return res.Refusal, err
}

// ask gathers all that the decision may look at.
func (d *Desk) ask(ctx context.Context, p *Policy, v Version, c Submission) (workflows.Ask, error) {
	w := v.Workflow
	ask := workflows.Ask{
		ID: workflows.RequestID(d.ids.New("r_")), By: c.By, Policy: v.Hash, Form: c.Form, Subject: c.Subject,
		Nonce: d.ids.Nonce(), Channel: c.Channel, Authn: c.Authn, Drill: c.Drill, Runbook: c.Runbook,
	}
	ask.Standing = d.standing(ctx, c.By)
	rule, may, err := d.mayAsk(ctx, p, w, c.By.Person)
	if err != nil {
		ask.Standing.Known = false
	}
	ask.Rule, ask.Standing.Selected = rule, may
	if c.Subject == "" {
		ask.Subject = c.By.Person.Identity()
	}
	ent, _ := w.Entitlement(c.Form.Target, c.Form.Entitlement)
	d.describeSubject(p, &ask, ent)
	if b, ok := p.Runbooks[c.Runbook]; ok {
		ask.Document = b.Runbook.Document
	}
	ask.Rosters = d.rosters(ctx, p, w, asked{c.By.Person, ask.Subject, ent.Owner, ent.Backup})
	open, err := d.ledger.List(ctx, workflows.ListMyOpen, string(c.By.Person), workflows.MaxOpenPerson+1)
	ask.Open = len(open)
	return ask, err
}

// describeSubject adds what the inventory knows about the holder. A non-human identity that is not in it is emptied, which
// refuses (R71); one past its expiry counts as not in it.
func (d *Desk) describeSubject(p *Policy, ask *workflows.Ask, ent workflows.Entitlement) {
	if ask.Subject.IsPerson() {
		ask.Account = p.People[ask.Subject.Person()].Accounts[ent.Target]
		return
	}
	id, ok := p.Identities[ask.Subject]
	if !ok {
		ask.Subject = ""
		return
	}
	ask.Sponsor, ask.Account = id.Owner, id.Accounts[ent.Target]
	ask.Owned = slices.Contains([]workflows.PersonID{id.Owner, id.Backup}, ask.By.Person) && ask.By.Person != ""
}

// standing asks the directory; failing to ask is a standing that refuses.
func (d *Desk) standing(ctx context.Context, by workflows.Acting) workflows.Standing {
	s, err := d.directory.Standing(ctx, by)
	if err != nil {
		d.log.WarnContext(ctx, "standing not known", "actor", by.Actor, "err", err)
		return workflows.Standing{}
	}
	return s
}
