package desk

import (
	"context"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// Session is a workload whose token was verified and that wants to act as a non-human identity.
type Session struct {
	Identity workflows.IdentityID
	Account  workflows.ActorID // the workload's own
	identities.Authenticated
}

// Begun is what became of it. By acts for the workload: its own account, and the person who answers for the identity.
type Begun struct {
	By      workflows.Acting
	Refusal *workflows.Refusal
}

// Authenticate records that a workload opened a session. The token is the entry's cause: a second session under the same token finds the
// first one's name in the record, and is refused.
func (d *Desk) Authenticate(ctx context.Context, c Session) (Begun, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	by := workflows.Acting{Actor: c.Account}
	now, err := d.now(ctx)
	if err != nil {
		return Begun{}, err
	}
	id, ok := d.Policy().known(c.Identity)
	if !ok || id.Owner == "" || now.After(id.Expires) {
		no := workflows.Refuse(workflows.CodeUnknown, "This identity is not in the inventory, has expired or is suspended there, or nobody answers for it.", "Its owner can renew it.")
		no, err := d.Refuse(ctx, "", by, "session", "api", string(c.Identity), no)
		return Begun{Refusal: no}, err
	}
	by.Person = id.Owner
	if s, err := d.directory.StandingOf(ctx, id.Owner); err == nil && s.Known && !s.Active {
		no := workflows.Refuse(workflows.CodeInactive, "Whoever answered for this identity has left, so it gets no sessions.", "Its backup owner takes it over.")
		no, err := d.Refuse(ctx, "", by, "session", "api", string(c.Identity), no)
		return Begun{Refusal: no}, err
	}
	cause := Cause("token/" + c.Token)
	res, err := d.update(ctx, cause, []workflows.StreamID{workflows.IdentityStream(c.Identity)}, func(f workflows.Facts) (workflows.Outcome, error) {
		return identities.Authenticate(f, c.Identity, by, c.Authenticated)
	})
	if err != nil || res.Refusal != nil {
		return Begun{Refusal: res.Refusal}, err
	}
	for _, r := range res.Records {
		if e, ok := r.Event.(identities.Authenticated); ok && e.Session == c.Authenticated.Session {
			return Begun{By: by}, nil
		}
	}
	no, err := d.Refuse(ctx, "", by, "session", "api", string(c.Identity), identities.SessionRefused())
	return Begun{Refusal: no}, err
}
