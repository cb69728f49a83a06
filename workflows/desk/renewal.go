package desk

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// AuthnClock is how a request was asked that nobody asked: the end of an identity came near.
const AuthnClock = "clock"

// ErrRenewLater says that a later end cannot be asked for at this moment, and can be before long: a change freeze, too many open requests.
var ErrRenewLater = errors.New("its renewal cannot be asked for now")

// OpenRenewal asks for a later end of an identity whose end comes near, as a fresh request in the name of who answers for it: they are told, may withdraw
// it, and decide nothing about it. Where nobody could ask, that is recorded, and the owner is told to. It is a job: an error means try again.
func (d *Desk) OpenRenewal(ctx context.Context, cause Cause, id workflows.IdentityID) error {
	s, err := d.identityState(ctx, id)
	if err != nil || !s.RenewalDue() {
		return err
	}
	done := identities.RenewalOpened{Expires: s.Life.AskedFor}
	if err := d.askRenewal(ctx, cause, s, &done); err != nil {
		return err
	}
	stream := workflows.IdentityStream(id)
	_, err = d.update(ctx, sub(cause, "opened"), []workflows.StreamID{stream}, func(f workflows.Facts) (workflows.Outcome, error) {
		return identities.OpenRenewal(f, stream, done)
	})
	return err
}

// askRenewal finds the request by which a later end is asked for already, or opens one, and says why there is none.
func (d *Desk) askRenewal(ctx context.Context, cause Cause, s identities.IdentityState, done *identities.RenewalOpened) error {
	e := s.Entry()
	now, err := d.now(ctx)
	if err != nil {
		return err
	}
	answers := d.answerable(e)
	for _, p := range answers {
		open, err := d.renewing(ctx, p, s.ID)
		if err != nil {
			return err
		}
		if open != "" {
			done.Request, done.For = open, p
			return nil
		}
	}
	done.Why = "no chain renews it that somebody who answers for it may use"
	for _, p := range answers {
		chain, ok, err := d.LifeChain(ctx, p, workflows.LifeRenew, e.Target)
		if err != nil {
			return err
		}
		if !ok || d.standingOf(ctx, p).Refusal() != nil {
			continue
		}
		out, err := d.Submit(ctx, d.renewal(sub(cause, string(p)), now, s, p, chain))
		switch {
		case err != nil:
			return err
		case out.Refusal == nil:
			done.Request, done.For, done.Why = out.ID, p, ""
			return nil
		case slices.Contains([]string{workflows.CodeFreeze, workflows.CodeOutsideHours, workflows.CodeTooMany, workflows.CodeTooOften, workflows.CodeNobody}, out.Refusal.Code):
			return ErrRenewLater
		}
		done.Why = out.Refusal.Sentence
	}
	return nil
}

const day workflows.Span = 24 * 3600

// answerable are the people who answer for an identity: its owner, the backup owner, those of the team.
func (d *Desk) answerable(e identities.Entry) []workflows.PersonID {
	var out []workflows.PersonID
	for _, o := range []string{e.Owner, e.Backup} {
		people := []workflows.PersonID{workflows.PersonID(o)}
		if name, team := strings.CutPrefix(o, identities.GroupPrefix); team {
			people = slices.Sorted(slices.Values(d.Policy().Groups[name]))
		}
		for _, p := range people {
			if p != "" && !slices.Contains(out, p) {
				out = append(out, p)
			}
		}
	}
	return out
}

// renewing is the open request of somebody for a later end of an identity; empty: none.
func (d *Desk) renewing(ctx context.Context, p workflows.PersonID, id workflows.IdentityID) (workflows.RequestID, error) {
	list, err := d.Requests(ctx, workflows.ListMyOpen, p, workflows.MaxOpenPerson+1)
	for _, v := range list {
		if l := v.Workflow.Life; l != nil && l.Action == workflows.LifeRenew && v.State.Asked.Subject == id {
			return v.State.ID, nil
		}
	}
	return "", err
}

// renewal is the form that nobody filled in: the end is moved as far as the chain usually does, counted from the end that comes.
func (d *Desk) renewal(cause Cause, now workflows.Stamp, s identities.IdentityState, p workflows.PersonID, chain workflows.WorkflowID) Submission {
	e, w := s.Entry(), d.Policy().Workflows[chain].Workflow
	left := (workflows.SpanOf(e.Expires.Sub(now))/day + 1) * day
	out := Submission{
		Cause: cause, By: workflows.Acting{Actor: workflows.SystemActor, Person: p}, Workflow: chain, Subject: s.ID, Channel: "system", Authn: AuthnClock,
		Form: workflows.Form{Seconds: min(w.Longest, cmp.Or(w.Usual, w.Longest)+left), Reason: renewalReason(e)},
	}
	for _, g := range w.Entitlements {
		if g.Target == e.Target || e.Target == "" {
			out.Form.Target, out.Form.Entitlement = g.Target, g.ID
			if most := w.EndWithin(g, e.Class, e.Risk); most > 0 {
				out.Form.Seconds = min(out.Form.Seconds, most)
			}
			break
		}
	}
	return out
}

// renewalReason tells those who approve what they would otherwise have to look up.
func renewalReason(e identities.Entry) string {
	used := "Nobody knows when it was last used."
	if e.LastUsed != 0 {
		used = "It was last used on " + e.LastUsed.String()[:10] + "."
	}
	out := "Its end comes on " + e.Expires.String()[:10] + ". " + used
	if e.Purpose != "" {
		out += " It is for: " + strings.TrimRight(e.Purpose, ". ") + "."
	}
	if r := []rune(out); len(r) > workflows.MaxReason {
		out = string(r[:workflows.MaxReason])
	}
	return out
}
