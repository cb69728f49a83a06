package desk

import (
	"context"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// KillDrill is somebody who tries the kill switch of a non-human identity for real.
type KillDrill struct {
	Cause    Cause
	By       workflows.Acting
	Identity workflows.IdentityID
	Why      string
	Authn    string
	Channel  string
	Yes      bool // also when it holds access now
}

// KillBegun is what a drill has begun.
type KillBegun struct {
	Refusal *workflows.Refusal
	For     int64 // the entry that quarantined it
	Ended   int   // grants that are being taken back
}

// BeginKillDrill pulls the kill switch of an identity: it is quarantined, and everything that it holds ends. EndKillDrill says what came of it; a drill
// that breaks off between the two leaves it quarantined, and two people lift that.
func (d *Desk) BeginKillDrill(ctx context.Context, c KillDrill) (KillBegun, error) {
	s, err := d.identityState(ctx, c.Identity)
	if err != nil {
		return KillBegun{}, err
	}
	row, held := s.Row(), 0
	if err := d.holdings(ctx, c.Identity, func(Holding) { held++ }); err != nil {
		return KillBegun{}, err
	}
	var no *workflows.Refusal
	switch {
	case row == nil || c.Identity.IsPerson() || !d.MayKill(ctx, c.By, c.Identity):
		no = workflows.Refuse(workflows.CodeNotYours, "There is no such identity, or its kill switch is not yours to drill.", "Its owner, its sponsor, security and owners of Countersign can.")
	case strings.TrimSpace(c.Why) == "":
		no = workflows.Refuse(workflows.CodeReasonNeeded, "A drill needs a reason.", "Add -reason TEXT.")
	case s.Quarantine.On || s.Life.Suspended != nil || s.Life.Retirement != nil || s.Life.Retired:
		no = identities.DrillRefused()
	case held > 0 && !c.Yes:
		no = workflows.Refusef(workflows.CodeBadField, "Add -yes to drill it now, or do so when it holds nothing.", "It holds %d grants now, which the drill ends for good.", held)
	}
	if no != nil {
		no, err = d.Refuse(ctx, c.Cause, c.By, "drill", c.Channel, string(c.Identity), no)
		return KillBegun{Refusal: no}, err
	}
	res, err := d.RevokeAll(ctx, RevokeAll{Cause: c.Cause, By: c.By, Identity: c.Identity, Why: c.Why, Authn: c.Authn, Channel: c.Channel, Quarantine: true, drill: true})
	if err != nil || res.Refusal != nil {
		return KillBegun{Refusal: res.Refusal}, err
	}
	s, err = d.identityState(ctx, c.Identity)
	return KillBegun{For: s.Quarantine.Seq, Ended: len(res.Ended)}, err
}

// KillRefuses has the desk decide what the identity would ask now, a session of the API and access, and tells whether it refuses both because of the
// quarantine. The refusal stands in the ledger; nothing is opened or asked for if it does not.
func (d *Desk) KillRefuses(ctx context.Context, id workflows.IdentityID) (bool, error) {
	res, err := d.update(ctx, "", []workflows.StreamID{workflows.IdentityStream(id)}, func(f workflows.Facts) (workflows.Outcome, error) {
		out, err := identities.Authenticate(f, id, workflows.System, identities.Authenticated{})
		if err == nil && out.Refusal == nil {
			return workflows.Outcome{}, nil
		}
		return out, err
	})
	if err != nil || res.Refusal == nil || res.Refusal.Code != workflows.CodeQuarantined {
		return false, err
	}
	q := question{desk: d, policy: d.Policy(), ask: workflows.Ask{Subject: id}}
	err = q.outside(ctx)
	return err == nil && q.ask.Blocked != nil && q.ask.Blocked.Code == workflows.CodeQuarantined, err
}

// KillLeft is how much of what a drill ends is left: grants that are not confirmed as gone, and whether the bot has yet to work through what the quarantine
// demands (the account that is locked is part of that).
func (d *Desk) KillLeft(ctx context.Context, id workflows.IdentityID, since int64) (held int, working bool, locked workflows.TargetID, err error) {
	s, err := d.identityState(ctx, id)
	if err == nil {
		err = d.holdings(ctx, id, func(Holding) { held++ })
	}
	return held, s.Life.Emptied < since, s.Life.Locked, err
}

// EndKillDrill records what came of a drill, and gives it as recorded: one that went well is lifted by that.
func (d *Desk) EndKillDrill(ctx context.Context, id workflows.IdentityID, by workflows.Acting, e identities.KillDrilled) (identities.KillDrilled, error) {
	res, err := d.update(ctx, "", []workflows.StreamID{workflows.IdentityStream(id)}, func(f workflows.Facts) (workflows.Outcome, error) {
		return identities.EndDrill(f, id, by, e)
	})
	for _, r := range res.Records {
		if x, ok := r.Event.(identities.KillDrilled); ok {
			e = x
		}
	}
	return e, err
}
