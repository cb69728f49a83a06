package desk

import (
	"context"
	"slices"
	"strings"

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
	return again(func() (Submitted, error) { return d.submit(ctx, c) })
}

func (d *Desk) submit(ctx context.Context, c Submission) (Submitted, error) {
	policy := d.Policy()
	v, ok := policy.Workflows[c.Workflow]
	if !ok {
		return d.refuseSubmit(ctx, c, noWorkflow(), string(c.Workflow), "")
	}
	if c.FormPolicy != "" && c.FormPolicy != v.Hash {
		_, shown, _ := strings.Cut(string(c.FormPolicy), ":") // T17: the record names both versions
		return d.refuseSubmit(ctx, c, formChanged(), string(c.Workflow)+"/"+shown, v.Hash)
	}
	ask, err := d.ask(ctx, policy, v, c)
	if err != nil {
		return Submitted{}, err
	}
	id := workflows.RequestStream(ask.ID)
	res, err := d.under(ctx, policy, c.Cause, []workflows.StreamID{id}, func(f workflows.Facts) (workflows.Outcome, error) {
		ask := ask
		if _, ok := policy.identity(ask.Subject, f.Now.UTC); !ok && !ask.Subject.IsPerson() {
			ask.Subject = "" // R71: refused as not in the inventory
		}
		return v.Workflow.Submit(f, ask)
	})
	if err != nil {
		return Submitted{}, err
	}
	out := submitted(res)
	if res.Refusal != nil && res.Refusal.Code == workflows.CodeBadField {
		_, out.Problems = v.Workflow.CheckForm(c.Form)
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
		ask.Standing.Known = false // could not be asked, which is not the same as "no"
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
// refuses (R71); so is one past its expiry, when the decision is taken and the time is known.
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
