package main

import (
	"slices"

	"github.com/countersign-bot/countersign/store/custody"
	"github.com/countersign-bot/countersign/workflows"
)

// custody judges what two people did to the ledger itself: erased texts, gave them away, replaced a key.
func (j *judge) custody(h []workflows.Record) {
	for i, r := range h {
		j.out.Decisions++
		if _, err := custody.Fold(h[:i+1]); err != nil {
			j.wrong(r, "does not follow from those before it: %v", err)
			return
		}
	}
}

// changeOfRules is a change of the documents that was held back until people approved it.
type changeOfRules struct {
	workflows.PolicyProposed
	votes   map[workflows.PersonID]workflows.Verdict
	outcome string
}

// approvals counts those in favour.
func (c *changeOfRules) approvals() (n int) {
	for _, v := range c.votes {
		if v == workflows.Approve {
			n++
		}
	}
	return n
}

// settledApproved is the outcome of a change that people agreed to.
const settledApproved = "approved"

// policy judges changes of the documents: who approved them was asked, was not their author, voted once, and there were enough of them; what is put
// in force as agreed was agreed.
func (j *judge) policy(h []workflows.Record) {
	changes := map[string]*changeOfRules{}
	for _, r := range h {
		switch e := r.Event.(type) {
		case workflows.PolicyProposed:
			changes[e.Proposal] = &changeOfRules{PolicyProposed: e, votes: map[workflows.PersonID]workflows.Verdict{}}
		case workflows.PolicyVoted:
			j.out.Decisions++
			j.linked(r)
			j.votedOnRules(r, e, changes[e.Proposal])
		case workflows.PolicySettled:
			j.out.Decisions++
			c := changes[e.Proposal]
			switch {
			case c == nil || c.outcome != "":
				j.wrong(r, "settles the change %s, which does not wait", e.Proposal)
			case e.Outcome == settledApproved && c.approvals() < max(1, c.Quorum):
				j.wrong(r, "approves the change %s with %d of %s", e.Proposal, c.approvals(), howMany(max(1, c.Quorum), "approval"))
				c.outcome = "not approved"
			default:
				c.outcome = e.Outcome
			}
		case workflows.PolicyLoaded:
			if c := changes[e.Proposal]; e.Proposal != "" && (c == nil || c.outcome != settledApproved) {
				j.wrong(r, "puts the change %s in force, which nobody approved", e.Proposal)
			}
		}
	}
}

func (j *judge) votedOnRules(r workflows.Record, e workflows.PolicyVoted, c *changeOfRules) {
	if c == nil || c.outcome != "" {
		j.wrong(r, "votes on the change %s, which does not wait", e.Proposal)
		return
	}
	_, twice := c.votes[r.Person]
	if !slices.Contains(c.Ask, r.Person) || r.Person == c.By || r.Person == "" || twice {
		j.wrong(r, "votes on the change %s as %s, who could not decide it", e.Proposal, orNobody(r.Person))
		return
	}
	c.votes[r.Person] = e.Verdict
}
