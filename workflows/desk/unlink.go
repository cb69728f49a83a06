package desk

import (
	"context"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// UnlinkAccount is somebody who says that an account belongs to a person no more.
type UnlinkAccount struct {
	Cause   Cause
	By      workflows.Acting // workflows.System: the identity provider
	Person  workflows.PersonID
	Account workflows.ActorID
	Why     string
	Authn   string
	Channel string
}

// Unlink ends a link that was proved by code or named by the identity provider. The caller takes the account out of the directory afterwards.
func (d *Desk) Unlink(ctx context.Context, u UnlinkAccount) (Answer, error) {
	in := identities.Unlinking{
		By: u.By, Person: u.Person, Account: u.Account, How: identities.ByHand, Why: u.Why, Authn: u.Authn, Channel: u.Channel,
	}
	if u.By == workflows.System {
		in.How, in.May = identities.BySCIM, true
	} else {
		in.May = d.standing(ctx, u.By).Refusal() == nil && (d.HasRole(ctx, RoleSecurity, u.By.Person) || d.HasRole(ctx, RoleOwner, u.By.Person))
	}
	stream := workflows.PersonStream(u.Person)
	res, err := d.update(ctx, u.Cause, []workflows.StreamID{stream}, func(f workflows.Facts) (workflows.Outcome, error) {
		return identities.Unlink(f, in)
	})
	return answered(&res), err
}
