package bot

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/identities"
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

// spokenVerb reads what is typed behind the id of an identity, as far as that takes more than a reason; false: it is nothing that can be done.
func spokenVerb(cmd *desk.IdentityCommand, verb, rest string) bool {
	first, more, _ := strings.Cut(strings.TrimSpace(rest), " ")
	more = strings.TrimSpace(more)
	switch verb {
	case desk.DoAttest: // attest keep; attest revoke REASON
		cmd.Do, cmd.Verdict, cmd.Reason = desk.DoAttest, strings.ToLower(first), more
	case desk.DoClaim: // claim 2027-06-30 PURPOSE
		day, err := time.Parse(time.DateOnly, first)
		if err != nil {
			return false
		}
		cmd.Do, cmd.Expires, cmd.Says.Purpose, cmd.Reason = desk.DoClaim, workflows.StampOf(day.AddDate(0, 0, 1)), more, "" // it ends with the day
	case desk.DoRotated: // rotated EVIDENCE
		cmd.Do, cmd.Evidence, cmd.Reason = desk.DoRotated, rest, ""
	case desk.DoResume: // resume REASON
		cmd.Do = desk.DoResume
	default:
		return false
	}
	return true
}

// remedies are what to type to settle each finding of an identity, and what takes it off instead.
func remedies(l screens.Locale, id workflows.IdentityID, kind string, findings []string) string {
	out := ""
	for _, code := range findings {
		r := identities.RemedyOf(code, kind)
		keep := "/access identity " + string(id) + " " + r.Chat
		if r.Chat == "" {
			keep = "countersign identities " + strings.Replace(r.Keep, "ID", string(id), 1)
		}
		out += "\n• " + l.Say("%s: `%s`, or take it off: `%s`", screens.Escape(strings.ReplaceAll(code, "_", " ")), screens.Escape(keep), screens.Escape("/access identity "+string(id)+" "+r.Gone))
	}
	return out
}
