package desk

import (
	"context"
	"slices"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/reviews"
)

// Invocation is somebody breaking the glass.
type Invocation struct {
	Cause    Cause
	By       workflows.Acting
	Runbook  workflows.RunbookID
	Incident string
	Reason   string
	Values   map[string]string
	Payload  string
	Authn    string
	Channel  string
	Drill    bool
}

// Invoked is what became of it.
type Invoked struct {
	Refusal *workflows.Refusal
	Grant   workflows.GrantID
	Review  workflows.ReviewID
	EndsAt  workflows.Stamp
}

// Invoke grants at once what a pre-approved runbook says, tells everybody whose approval was skipped, and opens the
// review, in one transaction.
func (d *Desk) Invoke(ctx context.Context, c Invocation) (Invoked, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return again(func() (Invoked, error) { return d.invoke(ctx, c) })
}

func (d *Desk) invoke(ctx context.Context, c Invocation) (Invoked, error) {
	policy := d.Policy()
	c.Reason = cleaned(c.Reason)
	book, ok := policy.Runbooks[c.Runbook]
	if !ok {
		r := workflows.Refuse(workflows.CodeUnknown, "There is no such runbook.", "Type `/breakglass` to see the list.")
		res, err := d.refuse(ctx, c.Cause, c.By, "break glass", c.Channel, string(c.Runbook), "", r)
		return invoked(res), err
	}
	in, others := d.invocation(ctx, policy, book, c)
	b := book.Runbook
	grant := workflows.GrantStream(c.By.Person.Identity(), b.Grant.Target, b.Grant.ID)
	review := workflows.ReviewStream(in.Review)
	holder := d.directory.Name(ctx, c.By.Person)
	res, err := d.under(ctx, policy, c.Cause, []workflows.StreamID{workflows.RunbookStream(b.ID), grant, review}, func(f workflows.Facts) (workflows.Outcome, error) {
		out, err := incidents.Invoke(f, in)
		if err != nil || out.Refusal != nil {
			return out, err
		}
		breakGlass(f, &out, in, grant, holder, policy.Settings.SecurityChannel, others)
		return out, nil
	})
	return invoked(res), err
}

// invoked reads the answer from what is recorded, which may have been recorded when the same call came first.
func invoked(res Result) Invoked {
	out := Invoked{Refusal: res.Refusal}
	for _, r := range res.Records {
		if e, ok := r.Event.(incidents.Invoked); ok {
			out.Grant, out.Review, out.EndsAt = e.Grant, e.Review, e.EndsAt
		}
	}
	return out
}

func breakGlass(f workflows.Facts, out *workflows.Outcome, in incidents.Invocation, stream workflows.StreamID, holder, alarm string, others []workflows.PersonID) {
	b := in.Book
	end := f.Now.Add(b.Longest.Duration())
	out.Add(stream, workflows.System, in.Policy, grants.Approved{
		Grant: in.Grant, Runbook: b.ID, Incident: in.Incident, Identity: in.By.Person.Identity(), Requester: in.By.Person,
		Owner: b.Grant.Owner, Target: b.Grant.Target, TargetTitle: b.Grant.TargetTitle, Entitlement: b.Grant.ID, Title: b.Grant.Title,
		Connector: b.Grant.Connector, Params: b.Grant.Params, Fields: values(b.Fields, in), Account: in.Account, Holder: holder,
		Shared: b.Grant.Shared, EndsAt: end.UTC, EndsMono: end.Mono, Alarm: alarm, Drill: in.Drill,
	})
	out.Add(workflows.ReviewStream(in.Review), workflows.System, in.Policy, reviews.Opened{
		About: string(workflows.RunbookStream(b.ID)), Incident: in.Incident, Grant: in.Grant, Invoker: in.By.Person,
		Owner: in.Owner, Others: others, DueAt: f.Now.UTC.Add(b.ReviewDue.Duration()), Document: b.Document, Drill: in.Drill,
	})
}

func values(fields []workflows.Field, in incidents.Invocation) map[string]string {
	out := map[string]string{}
	for _, f := range fields {
		if v := in.Clean[f.Name]; v != "" {
			out[f.Name] = v
		}
	}
	return out
}

// invocation gathers all that the decision may look at, and the other reviewers.
func (d *Desk) invocation(ctx context.Context, p *Policy, book Book, c Invocation) (incidents.Invocation, []workflows.PersonID) {
	b := book.Runbook
	in := incidents.Invocation{
		By: c.By, Standing: d.standing(ctx, c.By), Book: b, Policy: book.Hash, Incident: c.Incident, Reason: c.Reason,
		Grant: workflows.GrantID(d.ids.New("g_")), Review: workflows.ReviewID(d.ids.New("v_")),
		Payload: c.Payload, Authn: c.Authn, Channel: c.Channel, Drill: c.Drill,
		Account: p.People[c.By.Person].Accounts[b.Grant.Target],
	}
	form := workflows.Workflow{Kind: workflows.KindPreapprove, Fields: b.Fields, Longest: 60, ReasonMin: 1}
	cleaned, bad := form.CheckForm(workflows.Form{Seconds: 60, Reason: "-", Values: c.Values})
	in.Clean, in.Fields = cleaned.Fields, bad
	a := asked{requester: c.By.Person, subject: c.By.Person.Identity(), owner: b.Grant.Owner, backup: b.Grant.Backup}
	selected, err := d.among(ctx, p, b.Invokers, a, c.By.Person)
	if err != nil {
		d.log.WarnContext(ctx, "invokers not resolved", "runbook", b.ID, "err", err)
		in.Standing.Known = false
	}
	in.Standing.Selected = selected
	reviewers, err := d.resolve(ctx, p, b.Reviewers, a)
	if err != nil {
		d.log.WarnContext(ctx, "reviewers not resolved", "runbook", b.ID, "err", err)
	}
	var others []workflows.PersonID
	for _, s := range reviewers {
		switch {
		case s.Person == c.By.Person:
		case in.Owner == "":
			in.Owner = s.Person
		default:
			others = append(others, s.Person)
		}
	}
	if in.Owner == "" && err != nil {
		in.Standing.Known = false // that nobody answered does not mean that nobody is there
	}
	in.Skipped = d.skipped(ctx, p, b.Skips, a)
	return in, others
}

// skipped are the people whose approval the normal chain would have asked for. A group that cannot be asked in an emergency
// must not stop it: those who can be named are told.
func (d *Desk) skipped(ctx context.Context, p *Policy, id workflows.WorkflowID, a asked) []workflows.PersonID {
	out := []workflows.PersonID{}
	v, ok := p.Workflows[id]
	if !ok {
		return out
	}
	for _, st := range v.Workflow.Stages {
		seats, err := d.resolve(ctx, p, st.Approvers, a)
		if err != nil {
			d.log.WarnContext(ctx, "skipped approvers not resolved", "workflow", id, "stage", st.Name, "err", err)
		}
		for _, s := range seats {
			if s.Person != a.requester && !slices.Contains(out, s.Person) {
				out = append(out, s.Person)
			}
		}
	}
	return out
}

// Review is a verdict as it came from a person.
type Review struct {
	Cause   Cause
	By      workflows.Acting
	Review  workflows.ReviewID
	Verdict reviews.Verdict
	Note    string
	Authn   string
	Channel string
}

// Close gives a review its verdict.
func (d *Desk) Close(ctx context.Context, c Review) (Answer, error) {
	stream := workflows.ReviewStream(c.Review)
	closing := reviews.Closing{By: c.By, Standing: d.standing(ctx, c.By), Verdict: c.Verdict, Note: c.Note, Authn: c.Authn, Channel: c.Channel}
	res, err := d.update(ctx, c.Cause, []workflows.StreamID{stream}, func(f workflows.Facts) (workflows.Outcome, error) {
		return reviews.Close(f, c.Review, closing)
	})
	return Answer{Refusal: res.Refusal, Records: res.Records}, err
}
