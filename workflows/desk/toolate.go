package desk

import (
	"context"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// lateDenial is somebody who denies what has been granted meanwhile. Where they may end that access it ends now, with their reason: who says no
// to access that exists means that it should not, and would else be told to press another button (T20). Everybody else is refused as before.
type lateDenial struct {
	stream workflows.StreamID
	grant  workflows.GrantID
	by     grants.EndBy
}

// lateDenial finds the access that a denial comes too late for; nil when there is none that this person may end, or nothing was said.
func (d *Desk) lateDenial(ctx context.Context, v View, b Ballot) *lateDenial {
	security := d.HasRole(ctx, RoleSecurity, b.By.Person)
	switch h := v.Hold; {
	case b.Verdict != workflows.Deny, h == nil, v.State.Status != workflows.StatusApproved, strings.TrimSpace(b.Reason) == "":
		return nil
	case v.State.Asker(b.By.Person), h.Status != grants.StatusApproved && h.Status != grants.StatusActive, !h.MayEnd(b.By.Person, security):
		return nil
	}
	return &lateDenial{effectStreams(v.State)[0], v.Hold.Approved.Grant, grants.EndBy{
		By: b.By, Security: security, How: grants.HowRevoked, Why: "Denied after it was granted: " + b.Reason, Channel: b.Channel,
	}}
}

func (l *lateDenial) end(f workflows.Facts) (workflows.Outcome, error) {
	return grants.End(f, l.stream, l.grant, l.by)
}

// Ended tells whether a denial came when the access existed already, and so took it back.
func (a Answer) Ended() bool {
	for _, r := range a.Records {
		if _, ended := r.Event.(grants.Ending); ended {
			return true
		}
	}
	return false
}
