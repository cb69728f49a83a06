package desk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/campaigns"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/targets"
)

// LookAt is somebody who opens a page of a sheet.
type LookAt struct {
	Cause   Cause
	By      workflows.Acting
	Sheet   workflows.SheetID
	Items   []int // none: the next ones that are open
	Many    int   // how many of those at most; zero: as many as a page holds
	Channel string
}

// LookAtSheet shows a page of a sheet to somebody who is asked about it, and records that they had it before them.
func (d *Desk) LookAtSheet(ctx context.Context, c LookAt) (Page, Answer, error) {
	s, err := d.Sheet(ctx, c.Sheet)
	if err != nil && !errors.Is(err, workflows.ErrNoStream) {
		return Page{}, Answer{}, err
	}
	items := c.Items
	if len(items) == 0 {
		items = s.Open()
		if c.Many == 0 {
			c.Many = campaigns.MaxPage
		}
		items = items[:min(len(items), c.Many)]
	}
	var page Page
	if err == nil {
		if page, err = d.Page(ctx, c.Sheet, items); err != nil {
			return Page{}, Answer{}, err
		}
		if len(items) == 0 && slices.Contains(s.Asked, c.By.Person) {
			return page, Answer{}, nil // nothing is left to look at
		}
	}
	l := campaigns.Looking{By: c.By, Standing: d.standing(ctx, c.By), Items: items, Digests: page.Digests(), Channel: c.Channel}
	res, err := d.update(ctx, c.Cause, []workflows.StreamID{workflows.SheetStream(c.Sheet)}, func(f workflows.Facts) (workflows.Outcome, error) {
		return campaigns.Show(f, c.Sheet, l)
	})
	if err == nil && res.Refusal == nil {
		page.Sheet, err = d.Sheet(ctx, c.Sheet)
	}
	return page, answered(&res), err
}

// SheetAnswer is a verdict on items of a sheet as it came from a person.
type SheetAnswer struct {
	Cause   Cause
	By      workflows.Acting
	Sheet   workflows.SheetID
	Items   []int
	Verdict string
	Scope   []string
	To      string // who is to own it
	Reason  string
	Shown   string // what a button carries; empty: what they were shown last
	Authn   string
	Channel string
}

// AnswerSheet gives a verdict. What the reviewer looked at is compared with what is so now.
func (d *Desk) AnswerSheet(ctx context.Context, c SheetAnswer) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	s, err := d.Sheet(ctx, c.Sheet)
	if err != nil && !errors.Is(err, workflows.ErrNoStream) {
		return Answer{}, err
	}
	a := campaigns.Answer{
		By: c.By, Standing: d.standing(ctx, c.By), Items: c.Items, Verdict: c.Verdict, Scope: c.Scope, To: c.To, Reason: c.Reason, Authn: c.Authn, Channel: c.Channel,
	}
	if err == nil {
		if err := d.prepareAnswer(ctx, c, s, &a); err != nil {
			return Answer{}, err
		}
	}
	res, err := d.update(ctx, c.Cause, []workflows.StreamID{workflows.SheetStream(c.Sheet)}, func(f workflows.Facts) (workflows.Outcome, error) {
		return campaigns.Decide(f, c.Sheet, a)
	})
	return answered(&res), err
}

// prepareAnswer asks the world what a verdict depends on.
func (d *Desk) prepareAnswer(ctx context.Context, c SheetAnswer, s campaigns.Sheet, a *campaigns.Answer) error {
	look, ok := s.LastLook(c.By.Person, c.Items)
	if !ok {
		return nil // refused: it was not looked at
	}
	a.Shown, _ = look.Of(c.Items)
	if c.Shown != "" {
		a.Shown = c.Shown
	}
	page, err := d.Page(ctx, c.Sheet, c.Items)
	if err != nil {
		return err
	}
	a.Now = campaigns.Together(page.Digests())
	for _, e := range page.Items {
		if len(e.Now) > 0 {
			a.Flagged = append(a.Flagged, e.Number)
		}
		if d.isOwnNow(ctx, e.Item, c.By.Person) {
			a.Mine = append(a.Mine, e.Number)
		}
		if e.Of == workflows.CampaignAccess && c.Verdict == campaigns.ToJIT && !e.Gone {
			if _, why, err := d.requestable(ctx, e.Item); err != nil || why != "" {
				a.Cannot = why
				if err != nil {
					a.Cannot = "The target could not be asked what this is, so it is not known whether it could be asked for afterwards."
				}
			}
		}
	}
	if c.Verdict == campaigns.HandOver && c.To != "" {
		if no := d.mayOwn(ctx, c.To); no != nil {
			a.Cannot = no.Sentence
		}
	}
	return nil
}

func (d *Desk) isOwnNow(ctx context.Context, x campaigns.Item, p workflows.PersonID) bool {
	if x.Of != workflows.CampaignIdentities {
		return false
	}
	s, err := d.identityState(ctx, workflows.IdentityID(x.ID))
	return err == nil && d.isOwn(s.Entry().Owner, p)
}

// SheetItemDone is somebody's word that what was decided on an item is done.
type SheetItemDone struct {
	Cause    Cause
	By       workflows.Acting
	Sheet    workflows.SheetID
	Item     int
	Evidence string
	Authn    string
	Channel  string
}

// DeclareDone settles an item by a person's word.
func (d *Desk) DeclareDone(ctx context.Context, c SheetItemDone) (Answer, error) {
	a := campaigns.Answer{By: c.By, Standing: d.standing(ctx, c.By), Authn: c.Authn, Channel: c.Channel}
	res, err := d.update(ctx, c.Cause, []workflows.StreamID{workflows.SheetStream(c.Sheet)}, func(f workflows.Facts) (workflows.Outcome, error) {
		return campaigns.Declare(f, c.Sheet, a, c.Item, c.Evidence)
	})
	return answered(&res), err
}

// NotSettled says that what was decided on an item waits for somebody or something else.
type NotSettled struct{ Why string }

// Error implements error.
func (e *NotSettled) Error() string { return e.Why }

// SettleItem carries out what was decided on one item and records what became of it. It is a job: an error means try again; NotSettled, later.
func (d *Desk) SettleItem(ctx context.Context, cause Cause, stream workflows.StreamID, key string) error {
	id := workflows.SheetID(stream.Rest())
	s, err := d.Sheet(ctx, id)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(key)
	if err != nil || n < 1 || n > len(s.Items) {
		return fmt.Errorf("settling item %q of sheet %q: there is no such item", key, id)
	}
	x := s.Items[n-1]
	if x.Verdict == "" || x.Settled != nil {
		return nil
	}
	e, err := d.carryOut(ctx, cause, s, x)
	if err != nil {
		return err
	}
	e.Item = n
	_, err = d.update(ctx, sub(cause, "settled"), []workflows.StreamID{stream}, func(f workflows.Facts) (workflows.Outcome, error) {
		return campaigns.Settle(f, id, workflows.System, e)
	})
	return err
}

func (d *Desk) carryOut(ctx context.Context, cause Cause, s campaigns.Sheet, x campaigns.ItemState) (campaigns.Settled, error) {
	e := campaigns.Settled{Proof: identities.ProofVerified}
	now, err := d.now(ctx)
	if err != nil {
		return e, err
	}
	found, err := d.evidence(ctx, x, now)
	switch {
	case err != nil:
		return e, err
	case found.Gone:
		e.How = campaigns.HowGone
		return e, nil
	case x.Verdict == campaigns.None:
		e.How = "told"
		return e, nil
	}
	if other, err := d.overruled(ctx, s, x); other != nil || err != nil {
		if other != nil {
			e = *other
		}
		return e, err
	}
	switch x.Of {
	case workflows.CampaignIdentities:
		return d.settleIdentity(ctx, cause, s, x, now)
	case workflows.CampaignAccess:
		return d.settleAccess(ctx, cause, s, x)
	}
	if x.Verdict == campaigns.Keep {
		e.How = "attested"
		return e, nil
	}
	return e, &NotSettled{"the runbook is in the documents still: its owner takes it out, or says that it was done"}
}

func (d *Desk) settleIdentity(ctx context.Context, cause Cause, s campaigns.Sheet, x campaigns.ItemState, now workflows.Stamp) (campaigns.Settled, error) {
	e := campaigns.Settled{Proof: identities.ProofVerified}
	id := workflows.IdentityID(x.ID)
	v := identities.Review{Run: workflows.ReviewID(s.Opened.Run), Item: fmt.Sprintf("%s#%d", s.ID, x.Number), Verdict: x.Verdict, By: x.By, Reason: x.Reason}
	if x.Verdict == campaigns.Revoke && x.By == "" {
		v.Reason = "Nobody answered for it in the campaign " + s.Opened.Campaign + "."
	}
	if x.Verdict == campaigns.HandOver {
		people, no := d.ownersOf(ctx, x.To)
		if no != nil {
			people = s.Opened.Security // whoever was named cannot any more: security finds somebody
		}
		v.Handover = identities.HandoverOpened{
			Handover: d.ids.New("o_"), Why: identities.WhyReview, Silence: identities.SilenceSuspends, Rotate: true, Note: x.Reason,
			Rungs: []identities.Rung{{People: people, Why: "named", Until: now.Add(handoverRung)}, {People: s.Opened.Security, Why: "security", Until: now.Add(2 * handoverRung)}},
		}
		v.Handover.Rungs = slices.DeleteFunc(v.Handover.Rungs, func(r identities.Rung) bool { return len(r.People) == 0 })
		if len(v.Handover.Rungs) == 0 {
			return e, &NotSettled{"there is nobody to hand it over to"}
		}
	}
	if x.Verdict == campaigns.Narrow {
		is, err := d.identityState(ctx, id)
		if err != nil {
			return e, err
		}
		if !within(is.Entry().Scope, x.Scope) {
			if now < x.NarrowBy() {
				return e, &NotSettled{"its scope is wider than the reviewer wants it still"}
			}
			v.Verdict, v.By, v.Reason = identities.SilentSuspend, "", "Its scope was not narrowed in time."
		}
	}
	_, err := d.update(ctx, sub(cause, "effect"), []workflows.StreamID{workflows.IdentityStream(id)}, func(f workflows.Facts) (workflows.Outcome, error) {
		return identities.Reviewed(f, id, v)
	})
	e.How = map[string]string{
		identities.AttestKeep: "attested", identities.AttestRevoke: "being taken off", identities.AttestHandOver: "handed over",
		identities.AttestNarrow: "narrowed", identities.SilentSuspend: "suspended",
	}[v.Verdict]
	return e, err
}

// within tells whether everything of a scope stands in another.
func within(scope, in []string) bool {
	return !slices.ContainsFunc(scope, func(x string) bool { return !slices.Contains(in, x) })
}

func (d *Desk) settleAccess(ctx context.Context, cause Cause, s campaigns.Sheet, x campaigns.ItemState) (campaigns.Settled, error) {
	e := campaigns.Settled{Proof: identities.ProofVerified}
	if x.Verdict == campaigns.Keep {
		e.How = "attested"
		_, err := d.update(ctx, sub(cause, "effect"), []workflows.StreamID{workflows.TargetStream(x.Target)}, func(f workflows.Facts) (workflows.Outcome, error) {
			return targets.Keep(f, workflows.TargetStream(x.Target), x.ID, x.By, "Kept in the campaign "+s.Opened.Campaign+".")
		})
		return e, err
	}
	e.How = "removed"
	if x.Verdict == campaigns.ToJIT {
		chain, why, err := d.requestable(ctx, x.Item)
		switch {
		case err != nil:
			return e, err
		case why != "":
			return e, &NotSettled{why}
		}
		e.Detail = "can be asked for through " + chain
	}
	if d.access == nil {
		return e, errNoAccess
	}
	return e, d.access.RemoveFound(ctx, x.Target, x.ID)
}

// CloseSheet ends a sheet of which everything is done, and its run with the last one. It is a job.
func (d *Desk) CloseSheet(ctx context.Context, cause Cause, stream workflows.StreamID) error {
	id := workflows.SheetID(stream.Rest())
	s, err := d.Sheet(ctx, id)
	if err != nil {
		return err
	}
	_, err = d.update(ctx, cause, []workflows.StreamID{stream, workflows.CampaignStream(s.Opened.Campaign)}, func(f workflows.Facts) (workflows.Outcome, error) {
		return campaigns.Close(f, id)
	})
	return err
}
