package desk

import (
	"context"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

// Foreseen is what an invocation would come to, for the screen before the click.
type Foreseen struct {
	Book       Book
	In         incidents.Invocation
	Assessment incidents.Assessment
	Refusal    *workflows.Refusal // what would be answered now; nil: it would be done, or a second person be asked
	Now        workflows.Stamp
	Steps      []incidents.Step
}

// Foresee says what an invocation would come to now. It records nothing. False: there is no such runbook.
func (d *Desk) Foresee(ctx context.Context, c Invocation) (Foreseen, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	policy := d.Policy()
	book, ok := policy.Runbooks[c.Runbook]
	if !ok {
		return Foreseen{}, false, nil
	}
	u, err := d.invocation(ctx, policy, book, c)
	if err != nil {
		return Foreseen{}, true, err
	}
	out := Foreseen{Book: book, In: u.in, Steps: book.Runbook.Plan(book.Text)}
	if out.Now, err = d.now(ctx); err != nil {
		return out, true, err
	}
	f := workflows.Facts{Now: workflows.Instant{UTC: out.Now}, Histories: map[workflows.StreamID][]workflows.Record{}}
	for _, stream := range append([]workflows.StreamID{workflows.RunbookStream(book.Runbook.ID)}, u.reviews...) {
		if f.Histories[stream], err = d.ledger.History(ctx, stream); err != nil {
			return out, true, err
		}
	}
	if out.In.Situation.Reviews, err = reviewFacts(f, u.reviews); err != nil {
		return out, true, err
	}
	out.Assessment, out.Refusal, err = incidents.Look(f, out.In)
	return out, true, err
}

// Agreement is a listed person agreeing to somebody else's use of a runbook.
type Agreement struct {
	Cause    Cause
	By       workflows.Acting
	Proposal string
	Authn    string
	Channel  string
}

// Agree lets an invocation happen that needed a second person. Every condition is checked again: for who invokes, and who agrees.
func (d *Desk) Agree(ctx context.Context, c Agreement) (Invoked, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return again(func() (Invoked, error) { return d.agree(ctx, c) })
}

func (d *Desk) agree(ctx context.Context, c Agreement) (Invoked, error) {
	policy := d.Policy()
	id, p, err := d.ProposalOf(ctx, c.Proposal)
	if err != nil {
		return Invoked{}, err
	}
	book, ok := policy.Runbooks[id]
	if !ok {
		res, err := d.refuse(ctx, c.Cause, c.By, "break glass", c.Channel, c.Proposal, "", workflows.Unknown())
		return invoked(res), err
	}
	u, err := d.invocation(ctx, policy, book, Invocation{
		Cause: c.Cause, By: workflows.Acting{Actor: p.Acct, Person: p.By}, Runbook: id, Incident: p.Incident, Reason: p.Reason, Values: p.Values,
		Authn: p.Authn, Channel: p.Channel, Tier: p.Tier, Executor: p.Executor,
	})
	if err != nil {
		return Invoked{}, err
	}
	u.in.Proposal, u.in.Agreed, u.in.Seconds, u.in.SecondBy = c.Proposal, &c.By, d.standing(ctx, c.By), c.Authn
	listed := d.listed(ctx, policy, book.Runbook, asked{requester: p.By})
	for _, x := range listed {
		u.in.Seconds.Selected = u.in.Seconds.Selected || x == c.By.Person
	}
	return d.breakGlass(ctx, policy, c.Cause, u)
}

// ProposalOf finds an invocation that waits, or waited, for a second person, and the runbook that it is about; without one the runbook is "".
func (d *Desk) ProposalOf(ctx context.Context, id string) (workflows.RunbookID, incidents.Proposal, error) {
	if id == "" {
		return "", incidents.Proposal{}, nil
	}
	streams, err := d.all(ctx, incidents.ListAll, "")
	if err != nil {
		return "", incidents.Proposal{}, err
	}
	for _, stream := range streams {
		h, err := d.ledger.History(ctx, stream)
		if err != nil {
			return "", incidents.Proposal{}, err
		}
		s, err := incidents.Fold(h)
		if err != nil {
			return "", incidents.Proposal{}, err
		}
		if p, ok := s.Proposal(id); ok {
			return s.ID, p, nil
		}
	}
	return "", incidents.Proposal{}, nil
}
