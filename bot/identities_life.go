package bot

import (
	"context"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// lifeForm opens the form of the chain that makes an identity, widens it or moves its end, filled in with which one it is about.
func (b *Bot) lifeForm(ctx context.Context, c *call, id workflows.IdentityID, action string) (answer, error) {
	var on workflows.TargetID
	if id != "" {
		v, err := b.c.Desk.Identity(ctx, c.by.Person, id)
		if err != nil {
			return answer{message: refusal(unknownIdentity()).message}, nil
		}
		on = v.Entry.Target
	}
	chain, ok, err := b.c.Desk.LifeChain(ctx, c.by.Person, action, on)
	if err != nil {
		return answer{}, err
	}
	if !ok {
		return refusal(workflows.Refuse(workflows.CodeNotEligible, "There is no chain by which you could ask for that.", "Type `/access list` to see what you can ask for; security can help.")), nil
	}
	o, ok, err := b.offer(ctx, c.by.Person, chain)
	if err != nil || !ok {
		return refusal(workflows.Refuse(workflows.CodeNotEligible, "There is no chain by which you could ask for that.", "")), err
	}
	if id != "" {
		o.Subjects = []workflows.IdentityID{id}
	}
	v, err := b.form(ctx, c, o)
	if err != nil {
		return answer{}, err
	}
	return b.open(ctx, c, v)
}

// identityTransfer asks somebody to take an identity over; nothing changes before they accept.
func (b *Bot) identityTransfer(ctx context.Context, c *call, id workflows.IdentityID, to, reason string) (answer, error) {
	p, ok, err := b.mentioned(ctx, to)
	if err != nil {
		return answer{}, err
	}
	if !ok {
		return said("I do not know %s from the people file.", screens.Escape(to)), nil
	}
	res, err := b.c.Desk.ChangeIdentity(ctx, desk.IdentityCommand{
		Cause: c.cause(), By: c.by, Identity: id, Do: desk.DoTransfer, To: string(p), Reason: reason, Channel: viaSlack, Authn: slackClick,
	})
	switch {
	case err != nil:
		return answer{}, err
	case res.Refusal != nil:
		return refusal(res.Refusal), nil
	}
	return said("%s is asked to take it over. Until they do, it stays as it is.", b.person(ctx, p).Mention()), nil
}
