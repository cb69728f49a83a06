package main

import (
	"context"
	"strings"

	"github.com/countersign-bot/countersign/bot/api"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// Kill implements api.Office: the kill switch for machines.
func (o counterOffice) Kill(ctx context.Context, s api.Session, key string, k api.Kill) (api.Killed, *workflows.Refusal, error) {
	id := s.Identity
	if k.Identity != "" {
		id = o.s.identityNamed(k.Identity)
	}
	var cause workflows.Cause
	if key != "" {
		cause = workflows.Cause("api/" + string(s.By.Actor) + "/kill/" + key)
	}
	res, err := o.s.desk.RevokeAll(ctx, desk.RevokeAll{
		Cause: cause, By: s.By, Identity: id, Why: strings.TrimSpace(k.Reason), Authn: s.Authn + "/" + s.ID, Channel: viaAPI, Quarantine: k.Quarantine,
		Robot: &desk.Robot{Identity: s.Identity, Workload: s.Door().Workload},
	})
	if err != nil || res.Refusal != nil {
		return api.Killed{}, res.Refusal, err
	}
	out := api.Killed{Identity: string(id), Quarantined: res.Quarantined, Elsewhere: res.Elsewhere}
	for _, h := range res.Ended {
		a := h.Hold.Approved
		out.Ended = append(out.Ended, api.KilledGrant{
			Grant: string(a.Grant), Target: string(a.Target), Entitlement: string(a.Entitlement), EndsAt: h.Hold.Ends.UTC.Time().UTC(), Leaves: o.s.leaves(string(a.Target)),
		})
	}
	if s.Door().KillSwitch { // who may not do it to others learns nothing of their reach
		data := o.s.reachData(id, res.Reach)
		for _, x := range data.Owned {
			out.Owned = append(out.Owned, string(x))
		}
		for _, x := range data.Unknown {
			out.Unknown = append(out.Unknown, string(x))
		}
		out.Standing = data.Standing
	}
	return out, nil, nil
}
