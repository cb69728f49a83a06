package desk

import (
	"context"
	"fmt"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// EndGrant is somebody giving access back early or revoking it.
type EndGrant struct {
	Cause   Cause
	By      workflows.Acting
	Grant   workflows.GrantID
	How     string // grants.HowReturned or grants.HowRevoked
	Why     string
	Channel string
}

// End ends a grant before its time. Giving access back needs no standing: revoking is the safe direction.
func (d *Desk) End(ctx context.Context, c EndGrant) (Answer, error) {
	by := grants.EndBy{By: c.By, Security: d.HasRole(ctx, RoleSecurity, c.By.Person), How: c.How, Why: cleaned(c.Why), Channel: c.Channel}
	stream, streams, err := d.endable(ctx, c.Grant, &by)
	if err != nil {
		return Answer{}, err
	}
	res, err := d.update(ctx, c.Cause, streams, func(f workflows.Facts) (workflows.Outcome, error) {
		return grants.End(f, stream, c.Grant, by)
	})
	return Answer{Refusal: res.Refusal, Records: res.Records}, err
}

// endable finds the stream of a grant that somebody may end. A grant that is not theirs is looked for nowhere, like one that does not
// exist: both get the same answer and leave the same record.
func (d *Desk) endable(ctx context.Context, g workflows.GrantID, by *grants.EndBy) (workflows.StreamID, []workflows.StreamID, error) {
	stream, err := d.grantStream(ctx, g)
	if err != nil || stream == "" {
		return "", nil, err
	}
	hold, _, err := d.hold(ctx, stream, g)
	if err != nil || !hold.MayEnd(by.By.Person, by.Security) {
		return "", nil, err
	}
	if hold.Approved.Request != "" {
		_, w, err := d.request(ctx, hold.Approved.Request)
		if err != nil {
			return "", nil, err
		}
		by.NeedsReason = w.Demands(workflows.VerbRevoke)
	}
	return stream, []workflows.StreamID{stream}, nil
}

// HandRemoval is somebody who says that they took access away on the target themselves.
type HandRemoval struct {
	Cause   Cause
	By      workflows.Acting
	Grant   workflows.GrantID
	Why     string // how, and how they know that it is gone
	Authn   string
	Channel string
}

// RemovedByHand records that a named human removed what the bot could not take back. The target is asked on.
func (d *Desk) RemovedByHand(ctx context.Context, c HandRemoval) (Answer, error) {
	stream, err := d.grantStream(ctx, c.Grant)
	if err != nil {
		return Answer{}, err
	}
	by := grants.ByHand{
		By: c.By, Standing: d.standing(ctx, c.By), Security: d.HasRole(ctx, RoleSecurity, c.By.Person), Why: c.Why, Authn: c.Authn, Channel: c.Channel,
	}
	var streams []workflows.StreamID
	if stream != "" {
		streams = append(streams, stream)
	}
	res, err := d.update(ctx, c.Cause, streams, func(f workflows.Facts) (workflows.Outcome, error) {
		return grants.RemoveByHand(f, stream, c.Grant, by)
	})
	return answered(&res), err
}

// GrantStillThere takes back again what a human said was gone and the target says is there.
func (d *Desk) GrantStillThere(ctx context.Context, cause Cause, stream workflows.StreamID, id workflows.GrantID) error {
	return d.grantUpdate(ctx, cause, stream, func(f workflows.Facts) (workflows.Outcome, error) { return grants.StillThere(f, stream, id) })
}

// grantStream finds the stream of a grant, or "".
func (d *Desk) grantStream(ctx context.Context, g workflows.GrantID) (workflows.StreamID, error) {
	streams, err := d.ledger.List(ctx, grants.ListByID, string(g), 1)
	if err != nil || len(streams) == 0 {
		return "", err
	}
	return streams[0], nil
}

// Due gives the hold that a job on a grant stream is about, if the job is still owed: a job row may be older than the
// state.
func (d *Desk) Due(ctx context.Context, stream workflows.StreamID, kind string, id workflows.GrantID) (grants.Hold, bool, error) {
	h, err := d.ledger.History(ctx, stream)
	if err != nil {
		return grants.Hold{}, false, err
	}
	s, err := grants.Fold(h)
	if err != nil {
		return grants.Hold{}, false, err
	}
	hold, _ := s.Find(id)
	for _, j := range grants.Pending(s) {
		if j.Kind == kind && j.Key == string(id) {
			return hold, true, nil
		}
	}
	return hold, false, nil
}

// MayStart asks again, just before the target is called, whether what was approved should still be allowed (R59), and records the answers.
// Access that nothing stands behind any more is called off instead of made: the sentence says why. An error means "cannot tell", which makes
// nothing and is asked again. An emergency does not wait for what cannot tell.
func (d *Desk) MayStart(ctx context.Context, stream workflows.StreamID, hold grants.Hold) (string, error) {
	q, err := d.inquire(ctx, false)
	if err != nil {
		return "", err
	}
	facts, err := q.facts(ctx, hold)
	if err != nil {
		return "", err
	}
	sponsor, err := q.sponsor(ctx, hold)
	if err != nil {
		return "", err
	}
	facts = append(facts, sponsor...)
	w, found := worst(facts)
	if found && w.Answer == grants.CannotTell && hold.Approved.Request != "" {
		return "", fmt.Errorf("asking about the %s behind access %s: %s", w.Name, hold.Approved.Grant, w.Why)
	}
	_, err = d.update(ctx, "", []workflows.StreamID{stream}, func(f workflows.Facts) (workflows.Outcome, error) {
		return grants.Check(f, stream, grants.Checked{Grant: hold.Approved.Grant, Trigger: grants.CheckStart, Facts: facts})
	})
	if err != nil {
		return "", err
	}
	if !found || w.Answer != grants.No {
		return d.keyOfAnother(ctx, hold)
	}
	switch w.Name {
	case grants.FactRequester, grants.FactHolder, grants.FactSponsor:
		return "Somebody behind this access may not hold it any more: " + w.Why, nil
	}
	return w.Why, nil
}

// now is the moment of the ledger's clock, by a decision that decides nothing: the desk has no clock of its own.
func (d *Desk) now(ctx context.Context) (workflows.Stamp, error) {
	var now workflows.Stamp
	_, err := d.ledger.Update(ctx, "", nil, func(f workflows.Facts) (workflows.Outcome, error) {
		now = f.Now.UTC
		return workflows.Outcome{}, nil
	})
	return now, err
}

// GrantStarted records what the target answered.
func (d *Desk) GrantStarted(ctx context.Context, cause Cause, stream workflows.StreamID, e grants.Started) error {
	hold, _, err := d.hold(ctx, stream, e.Grant)
	if err != nil {
		return err
	}
	if hold.Approved.Run != "" {
		return d.accessMade(ctx, cause, stream, hold, func(f workflows.Facts) (workflows.Outcome, error) { return grants.Start(f, stream, e) }, &e, "")
	}
	return d.grantUpdate(ctx, cause, stream, func(f workflows.Facts) (workflows.Outcome, error) { return grants.Start(f, stream, e) })
}

// GrantFailed records that the access will never be made, on the grant and on the request behind it.
func (d *Desk) GrantFailed(ctx context.Context, cause Cause, stream workflows.StreamID, hold grants.Hold, why string) error {
	streams := []workflows.StreamID{stream}
	request := workflows.RequestStream(hold.Approved.Request)
	if hold.Approved.Request != "" {
		streams = append(streams, request)
	}
	if hold.Approved.Run != "" {
		fail := func(f workflows.Facts) (workflows.Outcome, error) {
			return grants.Fail(f, stream, grants.Failed{Grant: hold.Approved.Grant, Why: why})
		}
		return d.accessMade(ctx, cause, stream, hold, fail, nil, why)
	}
	_, err := d.update(ctx, cause, streams, func(f workflows.Facts) (workflows.Outcome, error) {
		out, err := grants.Fail(f, stream, grants.Failed{Grant: hold.Approved.Grant, Why: why})
		if err != nil || len(out.Events) == 0 || len(streams) == 1 {
			return out, err
		}
		s, err := workflows.Fold(f.Histories[request])
		if err == nil && s.Status == workflows.StatusApproved {
			out.Add(request, workflows.System, s.Policy, workflows.Failed{Why: why})
		}
		return out, err
	})
	return err
}

// GrantAttempt records a failed call to the target, the first time.
func (d *Desk) GrantAttempt(ctx context.Context, stream workflows.StreamID, e grants.AttemptFailed) error {
	return d.grantUpdate(ctx, "", stream, func(f workflows.Facts) (workflows.Outcome, error) { return grants.Attempt(f, stream, e) })
}

// GrantRevoked records that the target took the access back and what reading it back showed.
func (d *Desk) GrantRevoked(ctx context.Context, cause Cause, stream workflows.StreamID, e grants.Revoked) error {
	return d.grantUpdate(ctx, cause, stream, func(f workflows.Facts) (workflows.Outcome, error) { return grants.Revoke(f, stream, e) })
}

// GrantVerified records that an unconfirmed revocation has been read back as gone.
func (d *Desk) GrantVerified(ctx context.Context, cause Cause, stream workflows.StreamID, id workflows.GrantID) error {
	return d.grantUpdate(ctx, cause, stream, func(f workflows.Facts) (workflows.Outcome, error) { return grants.Recheck(f, stream, id) })
}

func (d *Desk) grantUpdate(ctx context.Context, cause Cause, stream workflows.StreamID, fn decide) error {
	_, err := d.update(ctx, cause, []workflows.StreamID{stream}, fn)
	return err
}
