package desk

import (
	"context"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

// outside asks what the world beside people says to an ask: its tickets, the state of the holder's device, and whether the holder is locked.
// What cannot be told refuses here: nobody has anything yet that could be kept.
func (q *question) outside(ctx context.Context) error {
	locked, err := q.desk.isQuarantined(ctx, q.ask.Subject)
	if err != nil {
		return err
	}
	if locked && q.ask.Subject != q.c.By.Person.Identity() {
		q.ask.Blocked = workflows.Refuse(workflows.CodeQuarantined, "This identity is quarantined, and may hold nothing.", "Two people of security or owners of Countersign can lift that.")
		return nil
	}
	if who := q.policy.People[q.ask.Subject.Person()]; who.isOutside() {
		q.ask.NoLaterThan, q.ask.Outside = who.ContractEnds, workflows.OutsideContractor // R48: nothing lasts longer than the contract
	}
	if b, ok := q.policy.Runbooks[q.c.Runbook]; ok && q.ask.Blocked == nil {
		q.ask.Blocked = q.policy.refuseHanding(b.Runbook, q.c.By.Person)
	}
	if err := q.contract(ctx); err != nil {
		return err
	}
	if err := q.actsAs(ctx); err != nil {
		return err
	}
	in, err := q.desk.inquire(ctx, false)
	if err != nil {
		return err
	}
	for _, f := range q.v.Workflow.Fields {
		if ref := q.ask.Form.Values[f.Name]; f.Type == workflows.FieldTicket && ref != "" && q.ask.Blocked == nil {
			q.ticket(ctx, in, f, ref)
			if q.ask.Blocked != nil {
				q.unfit = []workflows.FieldProblem{{Field: f.Name, Text: q.ask.Blocked.Sentence}}
			}
		}
	}
	for _, claim := range q.v.Workflow.Posture {
		if q.ask.Blocked == nil {
			q.claim(ctx, in, claim)
		}
	}
	return nil
}

// ticket asks about one that the form names. Where nobody can be asked about any, it is taken as typed.
func (q *question) ticket(ctx context.Context, in *inquiry, field workflows.Field, ref string) {
	want := need{requester: q.c.By.Person, at: max(in.now, q.c.NotBefore)}
	if field.Name == q.v.Workflow.EndsWith {
		want.terms = q.v.Workflow.TaskTerms()
	}
	f, ok := in.task(ctx, ref, want)
	switch {
	case !ok && len(q.desk.tasks) == 0 && len(want.terms) == 0:
	case !ok:
		q.ask.Blocked = workflows.Refusef(workflows.CodeTask, "Write it as the ticket system does.", "%s: no ticket system here knows a ticket of that form.", field.Label)
	case f.Answer == grants.No:
		q.ask.Blocked = workflows.Refuse(workflows.CodeTask, f.Why, wanted(want.terms))
	case f.Answer == grants.CannotTell:
		q.ask.Blocked = workflows.Refuse(workflows.CodeTask, f.Why, "Without its answer nothing can be asked for here. Try again in a minute.")
	default:
		q.ask.Checks = append(q.ask.Checks, "task "+ref+": open"+met(want.terms)+" ("+f.Source+")")
		if until := in.tasks[ref].task.Until; until != 0 && (q.ask.NoLaterThan == 0 || until < q.ask.NoLaterThan) && field.Name == q.v.Workflow.EndsWith {
			q.ask.NoLaterThan = until
		}
	}
}

// wanted says which ticket would do.
func wanted(terms []workflows.TaskTerms) string {
	next := "Name a ticket that is open"
	for _, w := range terms {
		if w.Source != "" {
			next += ", kept by " + string(w.Source)
		}
		if w.Window {
			next += ", with a change window that covers the start"
		}
		switch w.Assignee {
		case workflows.AssigneeAnyone:
			next += ", assigned to somebody"
		case workflows.AssigneeRequester:
			next += ", assigned to you (it is looked for your e-mail address, and your account there, of people.yaml)"
		}
	}
	return next + "."
}

// met says for the record what else was found.
func met(terms []workflows.TaskTerms) string {
	out := ""
	for _, w := range terms {
		if w.Window {
			out += ", in its window"
		}
		switch w.Assignee {
		case workflows.AssigneeAnyone:
			out += ", assigned"
		case workflows.AssigneeRequester:
			out += ", assigned to the requester"
		}
	}
	return out
}

// claim asks about one that the chain needs to hold. Nothing said of it is a no (R43).
func (q *question) claim(ctx context.Context, in *inquiry, claim string) {
	f, _ := in.posture(ctx, q.ask.Subject, []string{claim})
	if f.Answer == grants.Yes {
		q.ask.Checks = append(q.ask.Checks, "posture "+claim+": holds ("+f.Source+")")
		return
	}
	q.ask.Blocked = workflows.Refusef(workflows.CodePosture, "This chain needs "+claim+" to be confirmed. Put that right on the device, wait until it has reported, and ask again.", "%s", f.Why)
}

// contract holds an ask for an identity of somebody outside against their contract: it needs a sponsor, and nothing lasts longer.
func (q *question) contract(ctx context.Context) error {
	if q.ask.Subject == "" || q.ask.Subject.IsPerson() {
		return nil
	}
	s, err := q.desk.identityState(ctx, q.ask.Subject)
	if err != nil {
		return err
	}
	e := s.Entry()
	if e.ContractEnd != 0 && (q.ask.NoLaterThan == 0 || e.ContractEnd < q.ask.NoLaterThan) {
		q.ask.NoLaterThan = e.ContractEnd
	}
	q.ask.Outside = outsideOf(e)
	if q.ask.Outside != "" && (e.Sponsor == "" || e.ContractEnd == 0) {
		q.ask.Blocked = workflows.Refuse(workflows.CodeNotInInventory, "This identity is run by somebody outside, and has no sponsor or no end of the contract on record.", "Have both put on record: countersign identities import, columns sponsor and contract_end.")
	}
	return nil
}

// outsideOf tells whether an identity is run by somebody who does not belong to the company, and by whom; empty: it is the company's own.
func outsideOf(e identities.Entry) string {
	switch {
	case e.ManagedBy == identities.ManagedVendor:
		return workflows.OutsideVendor
	case e.ManagedBy == identities.ManagedContractor, e.Class == identities.KindContractor:
		return workflows.OutsideContractor
	}
	return ""
}

// isOutside tells whether somebody works here by contract.
func (p Person) isOutside() bool { return p.Sponsor != "" || p.ContractEnds != 0 }

// refuseHanding refuses to let somebody from outside hold what a runbook gives to who carries it out; nil where it gives nothing else than what is
// brokered, or they belong to the company.
func (p *Policy) refuseHanding(b incidents.Runbook, holder workflows.PersonID) *workflows.Refusal {
	if !p.People[holder].isOutside() {
		return nil
	}
	given := []workflows.Entitlement{b.Grant}
	for _, st := range b.Steps {
		if st.Action == incidents.ActGrant {
			given = append(given, st.Does)
		}
	}
	for _, e := range given {
		if e.Target != "" && !e.Brokered {
			return workflows.RefuseOutside(workflows.OutsideContractor, e.Name())
		}
	}
	return nil
}

// outsider tells whether a holder does not belong to the company, as the documents and the inventory say now.
func (p *Policy) outsider(id workflows.IdentityID) bool {
	if who := id.Person(); who != "" {
		return p.People[who].isOutside()
	}
	i, _ := p.even(id)
	return i.Outside != ""
}

// actsAs looks at the identity that somebody wants to act as: it has to be active.
func (q *question) actsAs(ctx context.Context) error {
	as := q.ent.ActsAs
	if as == "" || q.ask.Blocked != nil {
		return nil
	}
	in, err := q.desk.inquire(ctx, false)
	if err != nil {
		return err
	}
	f, err := in.identity(ctx, as)
	if err == nil && f.Answer != grants.Yes {
		q.ask.Blocked = workflows.Refuse(workflows.CodeNotInInventory, "Nobody can act as "+string(as)+" now. "+f.Why, "Its owner or security can say why.")
	}
	return err
}
