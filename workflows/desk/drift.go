package desk

import (
	"context"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/targets"
)

// TargetState is what is known of a target beside its grants.
func (d *Desk) TargetState(ctx context.Context, t workflows.TargetID) (targets.State, error) {
	h, err := d.ledger.History(ctx, workflows.TargetStream(t))
	if err != nil {
		return targets.State{}, err
	}
	return targets.Fold(h)
}

// RecordSweep records what comparing a target with the ledger gave, and gives what is known then. Whom to tell is put in here.
func (d *Desk) RecordSweep(ctx context.Context, cause Cause, t workflows.TargetID, w targets.Sweep) (targets.State, error) {
	w.Owner, w.Alarm = d.tellsOf(t)
	stream := workflows.TargetStream(t)
	err := d.targetUpdate(ctx, cause, t, func(f workflows.Facts) (workflows.Outcome, error) { return targets.Record(f, stream, w) })
	if err != nil {
		return targets.State{}, err
	}
	return d.TargetState(ctx, t)
}

// RecordRemoved records that access that nothing explains was taken away.
func (d *Desk) RecordRemoved(ctx context.Context, t workflows.TargetID, finding string, facts map[string]string) error {
	return d.targetUpdate(ctx, "", t, func(f workflows.Facts) (workflows.Outcome, error) {
		return targets.Remove(f, workflows.TargetStream(t), finding, facts)
	})
}

// RecordRemoveFailed records that it could not be, once for each kind of trouble.
func (d *Desk) RecordRemoveFailed(ctx context.Context, t workflows.TargetID, e targets.RemoveFailed) error {
	return d.targetUpdate(ctx, "", t, func(f workflows.Facts) (workflows.Outcome, error) {
		return targets.Fail(f, workflows.TargetStream(t), e)
	})
}

// RecordDrill records a revocation drill.
func (d *Desk) RecordDrill(ctx context.Context, cause Cause, t workflows.TargetID, by workflows.Acting, e targets.Drilled) error {
	e.Owner, e.Alarm = d.tellsOf(t)
	if by.Actor == "" {
		by = workflows.System
	}
	return d.targetUpdate(ctx, cause, t, func(workflows.Facts) (out workflows.Outcome, err error) {
		out.Add(workflows.TargetStream(t), by, "", e)
		return out, nil
	})
}

// AcceptFinding is somebody answering for access that no grant explains.
func (d *Desk) AcceptFinding(ctx context.Context, cause Cause, t workflows.TargetID, a targets.Answer) (Answer, error) {
	a.May = d.MayWatch(ctx, t, a.By.Person)
	stream := workflows.TargetStream(t)
	res, err := d.update(ctx, cause, []workflows.StreamID{stream}, func(f workflows.Facts) (workflows.Outcome, error) {
		return targets.Accept(f, stream, a)
	})
	return Answer{Refusal: res.Refusal, Records: res.Records}, err
}

// MayWatch tells whether somebody may look at what is found on a target and have it looked for: its owner, the owner's backup, and those
// with the role security.
func (d *Desk) MayWatch(ctx context.Context, t workflows.TargetID, p workflows.PersonID) bool {
	x, ok := d.Policy().Targets[t]
	return ok && p != "" && (p == x.Owner || p == x.Backup || d.HasRole(ctx, RoleSecurity, p))
}

// tellsOf says who hears of findings on a target.
func (d *Desk) tellsOf(t workflows.TargetID) (workflows.PersonID, string) {
	p := d.Policy()
	return p.Targets[t].Owner, p.Settings.SecurityChannel
}

func (d *Desk) targetUpdate(ctx context.Context, cause Cause, t workflows.TargetID, fn decide) error {
	_, err := d.update(ctx, cause, []workflows.StreamID{workflows.TargetStream(t)}, fn)
	return err
}

// Observe records who uses a grant, when that changed.
func (d *Desk) Observe(ctx context.Context, stream workflows.StreamID, hold grants.Hold, now []grants.SessionSeen) error {
	probe := workflows.Facts{Histories: map[workflows.StreamID][]workflows.Record{}}
	h, err := d.ledger.History(ctx, stream)
	if err != nil {
		return err
	}
	probe.Histories[stream] = h
	if out, err := grants.Observe(probe, stream, hold.Approved.Grant, now); err != nil || len(out.Events) == 0 {
		return err // nothing changed: the writer is not troubled every few seconds for each grant
	}
	return d.grantUpdate(ctx, "", stream, func(f workflows.Facts) (workflows.Outcome, error) {
		return grants.Observe(f, stream, hold.Approved.Grant, now)
	})
}

// Now is the moment of the ledger's clock.
func (d *Desk) Now(ctx context.Context) (workflows.Stamp, error) { return d.now(ctx) }

// HasAccount tells whether an account on a target is that of a person or an identity whom the files know.
func (p *Policy) HasAccount(t workflows.TargetID, account string) bool {
	if account == "" {
		return false
	}
	for _, x := range p.People {
		if x.Accounts[t] == account {
			return true
		}
	}
	for _, x := range p.Identities {
		if x.Accounts[t] == account {
			return true
		}
	}
	return false
}
