package bot

import (
	"context"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// killWord is the part of /access that takes things away: revoke, revoke-all, quarantine, release, reach and removed-by-hand, each with whom
// or what it is about and why. False for every other word.
func (b *Bot) killWord(ctx context.Context, c *call, verb string, rest []string) (answer, bool, error) {
	if len(rest) == 0 {
		return answer{}, false, nil
	}
	why := cutRunes(strings.Join(rest[1:], " "), workflows.MaxReason)
	var a answer
	var err error
	switch verb {
	case "revoke-all":
		a, err = b.revokeAll(ctx, c, rest[0], why, false)
	case "quarantine":
		a, err = b.revokeAll(ctx, c, rest[0], why, true)
	case "release":
		a, err = b.releaseWord(ctx, c, rest[0], why)
	case "reach":
		a, err = b.reach(ctx, c, rest[0])
	case "revoke":
		a, err = b.revokeWord(ctx, c, rest[0], why)
	case "removed-by-hand":
		a, err = b.removedByHand(ctx, c, rest[0], why)
	default:
		return answer{}, false, nil
	}
	return a, true, err
}

// identityWord finds a person by "@key" or "<@U1>", themselves by "me", and a non-human identity by its id.
func (b *Bot) identityWord(ctx context.Context, c *call, word string) (workflows.IdentityID, error) {
	switch {
	case strings.EqualFold(word, "me"):
		return c.by.Person.Identity(), nil
	case strings.HasPrefix(word, "@") || strings.HasPrefix(word, "<@"):
		p, _, err := b.mentioned(ctx, word)
		return p.Identity(), err
	}
	return workflows.IdentityID(strings.ToLower(strings.Trim(word, "`"))), nil
}

func (b *Bot) revokeAll(ctx context.Context, c *call, word, why string, lock bool) (answer, error) {
	id, err := b.identityWord(ctx, c, word)
	if err != nil {
		return answer{}, err
	}
	res, err := b.c.Desk.RevokeAll(ctx, desk.RevokeAll{
		Cause: c.cause(), By: c.by, Identity: id, Why: why, Authn: slackClick, Channel: viaSlack, Quarantine: lock,
	})
	if err != nil || res.Refusal != nil {
		return refusal(res.Refusal), err
	}
	k := screens.Killed{Who: b.identityPerson(ctx, id), Ended: len(res.Ended), Elsewhere: res.Elsewhere, Quarantined: res.Quarantined}
	k.In = b.inUser(ctx, c.UserID)
	for _, h := range res.Reach.Held { // a quick target had taken some of it back before anybody asked what is held
		if !slices.ContainsFunc(res.Ended, func(e desk.Holding) bool { return e.Hold.Approved.Grant == h.Hold.Approved.Grant }) {
			res.Ended = append(res.Ended, h)
		}
	}
	res.Reach.Held = res.Ended
	k.Lines = b.reachLines(ctx, res.Reach, k.In)
	return answer{message: k.Render()}, nil
}

// identityPerson names an identity, also where it is no person.
func (b *Bot) identityPerson(ctx context.Context, id workflows.IdentityID) screens.Person {
	if p := id.Person(); p != "" {
		return b.person(ctx, p)
	}
	return screens.Person{Name: string(id)}
}

func (b *Bot) reach(ctx context.Context, c *call, word string) (answer, error) {
	id, err := b.identityWord(ctx, c, word)
	if err != nil {
		return answer{}, err
	}
	x := b.c.Desk.Policy().Identities[id]
	p := c.by.Person
	may := p != "" && (p == id.Person() || p == x.Owner || p == x.Backup)
	for _, role := range []string{desk.RoleSecurity, desk.RoleOwner, desk.RoleAuditor} {
		may = may || b.c.Desk.HasRole(ctx, role, p)
	}
	if !may || id == "" {
		no, err := b.c.Desk.Refuse(ctx, c.cause(), c.by, "reach", viaSlack, string(id), workflows.Refuse(workflows.CodeUnknown, "There is no such identity, or it is not for your eyes.", "Security, owners, auditors and its own people can look."))
		return refusal(no), err
	}
	r, err := b.c.Desk.Reach(ctx, id)
	if err != nil {
		return answer{}, err
	}
	l := b.inUser(ctx, c.UserID)
	return answer{message: screens.Killed{In: l, Who: b.identityPerson(ctx, id), Only: true, Lines: b.reachLines(ctx, r, l)}.Render()}, nil
}

// reachLines say what an identity can get at.
func (b *Bot) reachLines(ctx context.Context, r desk.Reach, l screens.Locale) []string {
	var out []string
	grant := func(what string, h desk.Holding, holder bool) {
		a := h.Hold.Approved
		line := "• " + what + ": *" + screens.Escape(title(a.TargetTitle, a.Title)) + "*"
		if holder {
			line += l.Say(", held by %s", b.identityPerson(ctx, a.Identity).Mention())
		}
		if leaves := b.c.Leaves(string(a.Target)); leaves != "" && (h.Hold.Status == grants.StatusEnding || h.Hold.Status == grants.StatusEnded) {
			line += ". " + l.Say("What taking it back does not end: %s.", screens.Escape(strings.TrimSuffix(leaves, ".")))
		}
		out = append(out, line)
	}
	for _, h := range r.Held {
		grant(holdWord(h.Hold.Status, l), h, false)
	}
	for _, h := range r.Asked {
		grant(l.Of("asked for"), h, true)
	}
	for _, id := range r.Owned {
		out = append(out, "• "+l.Say("owns `%s`", screens.Escape(string(id))))
	}
	for _, h := range r.Behind {
		grant(l.Of("an identity of theirs holds"), h, true)
	}
	for _, w := range r.Windows {
		out = append(out, "• "+l.Say("standing window for `%s`", screens.Escape(string(w.Target)+"/"+string(w.Entitlement))))
	}
	for _, e := range r.Standing {
		out = append(out, "• "+l.Say("⚠️ standing access, by no grant of ours: *%s*", screens.Escape(title(e.TargetTitle, e.Title))))
	}
	for _, t := range r.Unknown {
		out = append(out, "• "+l.Say("`%s` did not say in time what the account has there", screens.Escape(string(t))))
	}
	return out
}

func (b *Bot) releaseWord(ctx context.Context, c *call, word, why string) (answer, error) {
	id, err := b.identityWord(ctx, c, word)
	if err != nil {
		return answer{}, err
	}
	a, freed, err := b.c.Desk.Release(ctx, desk.Release{Cause: c.cause(), By: c.by, Identity: id, Why: why, Authn: slackClick, Channel: viaSlack})
	switch {
	case err != nil || a.Refusal != nil:
		return refusal(a.Refusal), err
	case freed:
		return said("✅ %s is free again. What was taken away stays away: it has to be asked for.", b.identityPerson(ctx, id).Mention()), nil
	}
	return said("✅ Recorded. Another person of security or an owner has to confirm it with `/access release`."), nil
}

// revokeWord revokes any grant by its id: for owners and security, who do not hold it.
func (b *Bot) revokeWord(ctx context.Context, c *call, word, why string) (answer, error) {
	return b.end(ctx, c, workflows.GrantID(strings.ToLower(strings.Trim(word, "`"))), grants.HowRevoked, why)
}

func (b *Bot) removedByHand(ctx context.Context, c *call, word, why string) (answer, error) {
	a, err := b.c.Desk.RemovedByHand(ctx, desk.HandRemoval{
		Cause: c.cause(), By: c.by, Grant: workflows.GrantID(strings.ToLower(strings.Trim(word, "`"))), Why: why, Authn: slackClick, Channel: viaSlack,
	})
	if err != nil || a.Refusal != nil {
		return refusal(a.Refusal), err
	}
	return said("✅ Recorded with your name. The target is asked on until it confirms; if it still has the access, taking it back goes on."), nil
}

// doubt tells an owner what is not certain about access any more.
func (b *Bot) doubt(ctx context.Context, h grants.Hold, n workflows.Notice) screens.Doubt {
	a := h.Approved
	d := screens.Doubt{
		In: b.in(ctx, n.To), Grant: a.Grant, What: title(a.TargetTitle, a.Title), Holder: b.holderPerson(ctx, h), Long: length(h), ApproverGone: n.What == workflows.NoticeApproverGone,
	}
	for _, f := range h.Facts {
		if d.ApproverGone && f.Name == grants.FactApprovers {
			d.Why = f.Why
		}
	}
	if f, ok := h.Unverified(); ok && !d.ApproverGone {
		d.Why, d.Since = f.Why, f.Since.UTC
		if a.MaxUnverified > 0 {
			d.Ends = min(f.Since.UTC.Add(a.MaxUnverified.Duration()), h.Ends.UTC)
		}
	}
	return d
}
