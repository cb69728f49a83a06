package desk

import (
	"context"

	"github.com/countersign-bot/countersign/workflows"
)

// overseen is the directory with what the ledger and the people file know beside it: who is quarantined, and which guests have a contract.
// Every decision asks through it, so that none forgets.
type overseen struct {
	Directory
	desk *Desk
}

// Standing implements Directory.
func (o overseen) Standing(ctx context.Context, by workflows.Acting) (workflows.Standing, error) {
	s, err := o.Directory.Standing(ctx, by)
	return o.see(ctx, by.Person, s, err)
}

// StandingOf implements Directory.
func (o overseen) StandingOf(ctx context.Context, p workflows.PersonID) (workflows.Standing, error) {
	s, err := o.Directory.StandingOf(ctx, p)
	return o.see(ctx, p, s, err)
}

// see adds to what the directory said. A quarantine counts also where it said nothing.
func (o overseen) see(ctx context.Context, p workflows.PersonID, s workflows.Standing, err error) (workflows.Standing, error) {
	locked, lerr := o.desk.isQuarantined(ctx, p.Identity())
	switch {
	case lerr != nil:
		return workflows.Standing{}, lerr
	case locked:
		s.Quarantined = true
		return s, nil
	case err != nil:
		return s, err
	}
	return o.desk.contracted(ctx, p, s)
}

// contracted adds what the people file says of a contractor: whether the contract is over, and whether a guest has one that runs, with a sponsor
// who is an active full member.
func (d *Desk) contracted(ctx context.Context, p workflows.PersonID, s workflows.Standing) (workflows.Standing, error) {
	x := d.Policy().People[p]
	if x.ContractEnds == 0 {
		return s, nil
	}
	now, err := d.now(ctx)
	if err != nil {
		return workflows.Standing{}, err
	}
	s.Over = now >= x.ContractEnds
	if s.Over || s.Member || !s.Known || !s.Human || !s.Active || !s.Linked || x.Sponsor == "" || x.Sponsor == p {
		return s, nil
	}
	sponsor, err := d.directory.StandingOf(ctx, x.Sponsor)
	s.Contractor = err == nil && sponsor.Refusal() == nil
	return s, err
}
