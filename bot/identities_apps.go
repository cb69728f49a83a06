package bot

import (
	"cmp"
	"context"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// identityKill uninstalls an app or revokes a token where it works, and says who does that.
func (b *Bot) identityKill(ctx context.Context, c *call, cmd desk.IdentityCommand) (answer, error) {
	cmd.Do = desk.DoKill
	res, err := b.c.Desk.ChangeIdentity(ctx, cmd)
	switch {
	case err != nil:
		return answer{}, err
	case res.Refusal != nil:
		return refusal(res.Refusal), nil
	}
	id := screens.Escape(string(cmd.Identity))
	v, err := b.c.Desk.Identity(ctx, c.by.Person, cmd.Identity)
	if err != nil || v.Kill == nil {
		return said("It is being taken off, and everything that it holds is being taken back. `countersign identities show %s` says what is left.", id), nil
	}
	on, how := screens.Escape(cmp.Or(string(v.Kill.On), "its target")), screens.Escape(v.Kill.How)
	if v.Kill.Does {
		return said("It is being killed on %s: %s. Everything else that it holds is being taken back. `countersign identities show %s` says when it is gone.", on, how, id), nil
	}
	return said("Everything that it holds is being taken back. On %s a person has to act now: %s. Then: `countersign identities retired-item %s account -evidence TEXT`.", on, how, id), nil
}
