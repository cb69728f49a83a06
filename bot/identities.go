package bot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// identityLetter renders what somebody is told about an identity that they answer for, or are asked to.
func (b *Bot) identityLetter(ctx context.Context, stream workflows.StreamID, n workflows.Notice) (letter, error) {
	h, err := b.c.Histories.History(ctx, stream)
	if err != nil {
		return letter{}, err
	}
	s, err := identities.FoldIdentity(h)
	if err != nil {
		return letter{}, err
	}
	e := s.Entry()
	l := b.in(ctx, n.To)
	what := "*" + screens.Escape(string(s.ID)) + "*"
	if e.Name != "" {
		what = "*" + screens.Escape(e.Name) + "* (" + screens.Escape(string(s.ID)) + ")"
	}
	if e.Purpose != "" {
		what += l.Say(", which is for: %s", screens.Escape(strings.TrimRight(e.Purpose, ".")))
	}
	day := func(at workflows.Stamp) string { return at.Time().Format("2006-01-02 15:04 UTC") }
	id := screens.Escape(string(s.ID))
	switch n.What {
	case identities.NoticeHandover:
		return b.handoverLetter(ctx, s, n, what)
	case identities.NoticeSuspended:
		why := ""
		if s.Life.Suspended != nil {
			why = strings.ReplaceAll(s.Life.Suspended.Why, "_", " ")
		}
		return letter{Message: screens.Say(l.Say("%s is suspended (%s). Everything that it holds is being taken back, and it can ask for nothing. Security can end that: `countersign identities resume %s`.", what, why, id))}, nil
	case identities.NoticeException, identities.NoticeUsed:
		return b.exceptionLetter(ctx, s, n, what)
	case identities.NoticeLeaked:
		return b.leakLetter(ctx, s, n, what)
	case identities.NoticeRenew:
		if o := s.Opened(); o != nil && o.Request != "" {
			return letter{Message: screens.Say(l.Say("%s ends on %s. A later end has been asked for in the name of %s, as request %s: others decide. If nobody approves it, everything that it holds is taken back that day. If it is not needed any more, withdraw the request, and `/access identity %s offboard`.",
				what, day(e.Expires), b.person(ctx, o.For).Mention(), screens.Escape(string(o.Request)), id))}, nil
		}
		return letter{Message: screens.Say(l.Say("%s ends on %s. If it is still needed, ask for it to be renewed before then: `/access identity %s renew`; if nobody does, everything that it holds is taken back that day. If it is not needed any more: `/access identity %s offboard`.", what, day(e.Expires), id, id))}, nil
	case identities.NoticeAccount:
		a := s.ByHand()
		if a == nil {
			return letter{}, fmt.Errorf("composing notice %q of %q: nothing is to be done by hand", n.What, stream)
		}
		return letter{Message: screens.Say(l.Say("Request %s was approved for %s, and no connector does it on %s. Please do it there: %s. Then say how you know that it is done: `/access identity %s account-done EVIDENCE`, or `countersign identities account-done %s -evidence TEXT`.",
			screens.Escape(string(a.Request)), what, screens.Escape(string(a.Target)), screens.Escape(string(a.Entitlement)), id, id))}, nil
	case identities.NoticeRotate:
		r := s.Rotating()
		if r == nil {
			return letter{}, fmt.Errorf("composing notice %q of %q: no rotation is open", n.What, stream)
		}
		return letter{Message: screens.Say(l.Say("The secret of %s has to be replaced by %s (%s). When that is done, say how you know that the old one is dead: `countersign identities rotated %s -evidence TEXT`.", what, day(r.Due), strings.ReplaceAll(r.Why, "_", " "), id))}, nil
	}
	return letter{}, fmt.Errorf("composing notice %q of %q: no screen shows it", n.What, stream)
}

func (b *Bot) handoverLetter(ctx context.Context, s identities.IdentityState, n workflows.Notice, what string) (letter, error) {
	h, l := s.Life.Handover, b.in(ctx, n.To)
	if h == nil {
		return letter{}, fmt.Errorf("composing a hand-over of %q: none is open", s.ID)
	}
	why := l.Of("Its owner wants to give it to you.")
	if h.Why == identities.WhyOnboard {
		why = l.Of("It is new, and was approved with you to answer for it.")
		if strings.HasPrefix(h.From, "p_") {
			why = l.Say("It is new: %s asked for it, and it was approved with you to answer for it.", screens.Escape(b.c.Desk.Name(ctx, workflows.PersonID(h.From))))
		}
	}
	if h.Why == identities.WhyLeaver {
		why = l.Of("Whoever answered for it does not any more.")
		if strings.HasPrefix(h.From, "p_") {
			why = l.Say("%s, who answered for it, has left or has another role.", screens.Escape(b.c.Desk.Name(ctx, workflows.PersonID(h.From))))
		}
	}
	end := l.Of("If nobody answers, nothing changes.")
	if h.Silence == identities.SilenceSuspends {
		end = l.Of("If nobody takes it over, it is suspended, and everything that it holds is taken back.")
	}
	id := screens.Escape(string(s.ID))
	return letter{Message: screens.Say(l.Say("Please decide until %s whether you take over %s. %s %s\n`/access identity %s keep` takes it over, `… retire` says that it can go, `… decline REASON` passes it on.",
		h.Until().Time().Format("2006-01-02 15:04 UTC"), what, why, end, id))}, nil
}

// identityVerb is /access identity: what somebody answers for; one of them; or an answer to a hand-over.
func (b *Bot) identityVerb(ctx context.Context, c *call, rest []string) (answer, error) {
	if len(rest) == 0 {
		return b.ownedIdentities(ctx, c)
	}
	id := workflows.IdentityID(strings.ToLower(rest[0]))
	if id == "new" && len(rest) == 1 {
		return b.lifeForm(ctx, c, "", workflows.LifeOnboard)
	}
	if len(rest) == 2 && (strings.EqualFold(rest[1], workflows.LifeRenew) || strings.EqualFold(rest[1], workflows.LifeScope)) {
		return b.lifeForm(ctx, c, id, strings.ToLower(rest[1]))
	}
	if len(rest) > 2 && strings.EqualFold(rest[1], desk.DoTransfer) {
		return b.identityTransfer(ctx, c, id, rest[2], strings.Join(rest[3:], " "))
	}
	if len(rest) > 1 {
		return b.identityAnswer(ctx, c, id, strings.ToLower(rest[1]), strings.Join(rest[2:], " "))
	}
	v, err := b.c.Desk.Identity(ctx, c.by.Person, id)
	if errors.Is(err, workflows.ErrNoStream) {
		no, err := b.c.Desk.Refuse(ctx, c.cause(), c.by, "identity", viaSlack, string(id), unknownIdentity())
		return refusal(no), err
	}
	if err != nil {
		return answer{}, err
	}
	l := b.inUser(ctx, c.UserID)
	item := b.identityItem(ctx, v.Row, v.Findings, l)
	item.Line += remedies(l, id, v.Entry.Class, v.Findings)
	return answer{message: l.List(screens.Part{Title: cmp.Or(v.Entry.Name, string(id)), Items: []screens.Item{item}})}, nil
}

func unknownIdentity() *workflows.Refusal {
	return workflows.Refuse(workflows.CodeUnknown, "There is no such identity, or it is not yours to see.", "Type `/access identity` to see what you answer for.")
}

func (b *Bot) ownedIdentities(ctx context.Context, c *call) (answer, error) {
	ids, err := b.c.Desk.Owned(ctx, c.by.Person)
	if err != nil {
		return answer{}, err
	}
	var items []screens.Item
	for _, id := range ids[:min(len(ids), maxListed)] {
		v, err := b.c.Desk.Identity(ctx, c.by.Person, id)
		if errors.Is(err, workflows.ErrNoStream) {
			continue
		}
		if err != nil {
			return answer{}, err
		}
		items = append(items, b.identityItem(ctx, v.Row, v.Findings, b.inUser(ctx, c.UserID)))
	}
	l := b.inUser(ctx, c.UserID)
	return answer{message: l.List(screens.Part{Title: l.Of("Identities you answer for"), Empty: l.Of("None."), Items: items})}, nil
}

func (b *Bot) identityItem(ctx context.Context, r workflows.InventoryRow, findings []string, l screens.Locale) screens.Item {
	owner := l.Of("nobody")
	switch {
	case strings.HasPrefix(r.Owner, "p_"):
		owner = b.person(ctx, workflows.PersonID(r.Owner)).Mention()
	case r.Owner != "":
		owner = screens.Escape(strings.Replace(r.Owner, identities.GroupPrefix, l.Of("the group")+" ", 1))
	}
	line := l.Say("`%s`, %s, owned by %s", screens.Escape(string(r.ID)), r.State, owner)
	if r.Expires != 0 {
		line += l.Say(", until %s", r.Expires.LastDay())
	}
	if r.Purpose != "" {
		line += ". " + l.Say("For: %s", screens.Escape(r.Purpose))
	}
	if len(findings) > 0 {
		line += " :warning: " + strings.ReplaceAll(strings.Join(findings, ", "), "_", " ")
	}
	return screens.Item{Title: screens.Escape(cmp.Or(r.Name, string(r.ID))) + " (" + strings.ReplaceAll(r.Kind, "_", " ") + ")", Line: line}
}

// identityAnswer carries out what somebody says of an identity.
func (b *Bot) identityAnswer(ctx context.Context, c *call, id workflows.IdentityID, verb, rest string) (answer, error) {
	cmd := desk.IdentityCommand{Cause: c.cause(), By: c.by, Identity: id, Reason: rest, Channel: viaSlack, Authn: slackClick}
	done := said("Thank you. That is on record.")
	switch verb {
	case identities.HandoverKeep, identities.HandoverRetire, identities.HandoverDecline:
		cmd.Do, cmd.Verdict = desk.DoAnswer, verb
	case "suspend":
		cmd.Do, done = desk.DoSuspend, said("It is suspended: everything that it holds is being taken back.")
	case "offboard":
		cmd.Do, done = desk.DoRetire, said("It is being taken off: everything that it holds is being taken back, and what else has to be done is a list now: `countersign identities show %s`.", screens.Escape(string(id)))
	case desk.DoKill:
		return b.identityKill(ctx, c, cmd)
	case desk.DoSettle:
		cmd.Do, cmd.Reason, cmd.Evidence = desk.DoSettle, "", rest
	case "rotate":
		cmd.Do, cmd.Why, done = desk.DoRotate, identities.RotateDemand, said("Its secret has to be replaced; its owner is told.")
	default:
		if !spokenVerb(&cmd, verb, rest) {
			return spoken(screens.Locale.Help), nil
		}
	}
	res, err := b.c.Desk.ChangeIdentity(ctx, cmd)
	if err != nil {
		return answer{}, err
	}
	if res.Refusal != nil {
		return refusal(res.Refusal), nil
	}
	return done, nil
}

// departed records that somebody whom the chat has deactivated left, so that what they answer for is handed over; or that they are there again.
// Not being able to ask decides nothing: the next event, or whoever else knows, does.
func (b *Bot) departed(ctx context.Context, p workflows.PersonID) {
	s, err := b.c.Identity.StandingOf(ctx, p)
	if err != nil || !s.Known {
		return
	}
	d := desk.Departure{By: workflows.System, Person: p, Source: viaSlack}
	if !s.Active {
		d.Why = identities.LeftCompany
	}
	if err := b.c.Desk.Depart(ctx, d); err != nil {
		b.log.ErrorContext(ctx, "a departure could not be recorded", "person", p, "err", err)
	}
}
