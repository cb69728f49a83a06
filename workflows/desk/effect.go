package desk

import (
	"context"
	"fmt"
	"slices"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

// making is what an approval needs to know beside the record to bring about what was asked for.
type making struct {
	w      *workflows.Workflow // that binds the request
	holder string              // display name, for the target's own logs
	alarm  string              // channel of alarms
	policy *Policy             // KindRoutine: where its runbook stands
}

func (d *Desk) making(ctx context.Context, p *Policy, w *workflows.Workflow, subject workflows.IdentityID, requester workflows.PersonID) making {
	if w.Kind == workflows.KindRoutine {
		subject = requester.Identity() // who carries it out holds what its steps give
	}
	return making{w: w, holder: d.holder(ctx, subject, requester), alarm: p.Settings.SecurityChannel, policy: p}
}

// holder is the display name for the target's own logs.
func (d *Desk) holder(ctx context.Context, subject workflows.IdentityID, requester workflows.PersonID) string {
	if p := subject.Person(); p != "" {
		return d.directory.Name(ctx, p)
	}
	return string(subject) + " for " + d.directory.Name(ctx, requester)
}

// effectStreams are where an approval brings something about.
func effectStreams(s workflows.State) []workflows.StreamID {
	switch s.Asked.Request {
	case workflows.KindPreapprove:
		return []workflows.StreamID{workflows.RunbookStream(s.Asked.Runbook)}
	case workflows.KindRoutine:
		return []workflows.StreamID{workflows.RunStream(RoutineRun(s.ID))}
	case workflows.KindLife:
		return []workflows.StreamID{workflows.IdentityStream(s.Whose())}
	case workflows.KindWindow, workflows.KindException:
		return []workflows.StreamID{workflows.IdentityStream(s.Asked.Subject)}
	}
	return []workflows.StreamID{workflows.GrantStream(s.Asked.Subject, s.Asked.Target, s.Asked.Entitlement)}
}

// effect adds to every approval of an outcome what it brings about, in the same transaction.
func (m making) effect(f workflows.Facts, out *workflows.Outcome) error {
	i := slices.IndexFunc(out.Events, func(e workflows.StreamEvent) bool { _, ok := e.Event.(workflows.Approved); return ok })
	if i < 0 {
		return nil
	}
	approved, _ := out.Events[i].Event.(workflows.Approved)
	s, err := workflows.Fold(f.Provisional(out.Events)[out.Events[i].Stream])
	if err != nil {
		return fmt.Errorf("folding an approval: %w", err)
	}
	switch s.Asked.Request {
	case workflows.KindPreapprove:
		out.Add(effectStreams(s)[0], workflows.System, s.Policy, incidents.Preapproved{
			Document: s.Asked.Document, Request: s.ID, Approvers: s.Voters(),
			Until: f.Now.UTC.Add(s.Asked.Seconds.Duration()), Uses: max(1, m.w.Uses),
		})
		return nil
	case workflows.KindRoutine:
		return m.run(f, out, s)
	case workflows.KindWindow:
		if m.w.Window == nil {
			return fmt.Errorf("workflow %q approves a window without terms", m.w.ID)
		}
		out.Add(effectStreams(s)[0], workflows.System, s.Policy, identities.WindowGranted{
			Window: string(s.ID), Workflow: s.Asked.Workflow, Target: s.Asked.Target, Entitlement: s.Asked.Entitlement, Terms: *m.w.Window,
			Approvers: s.Voters(), EndsAt: f.Now.UTC.Add(s.Asked.Seconds.Duration()),
		})
		return nil
	}
	switch s.Asked.Request {
	case workflows.KindException:
		return m.except(f, out, s)
	case workflows.KindLife:
		return m.alter(f, out, s)
	}
	return m.grant(f, out, s, approved.Grant)
}

// except puts an exception in force. What was suspended because an earlier one had ended is free again.
func (m making) except(f workflows.Facts, out *workflows.Outcome, s workflows.State) error {
	if m.w.Exception == nil {
		return fmt.Errorf("workflow %q approves an exception without terms", m.w.ID)
	}
	stream := effectStreams(s)[0]
	state, err := identities.FoldIdentity(f.Histories[stream])
	if err != nil {
		return err
	}
	t := *m.w.Exception
	for _, e := range identities.Except(state, identities.ExceptionGranted{
		Exception: string(s.ID), Workflow: s.Asked.Workflow, Target: s.Asked.Target, Entitlement: s.Asked.Entitlement, Control: t.Control, Checks: t.Checks,
		Failed: t.Failed, Owner: s.Asked.Sponsor, Approvers: s.Voters(), EndsAt: f.Now.UTC.Add(s.Asked.Seconds.Duration()), Renewal: s.Asked.Renewal,
		Since: s.Asked.Since, Plan: s.Asked.Texts[workflows.ExitPlan], Reason: s.Asked.Reason,
	}) {
		out.Add(stream, workflows.System, s.Policy, e)
	}
	return nil
}

func (m making) grant(f workflows.Facts, out *workflows.Outcome, s workflows.State, id workflows.GrantID) error {
	stream := effectStreams(s)[0]
	ent, _ := m.w.Entitlement(s.Asked.Target, s.Asked.Entitlement)
	e := grants.Approved{
		Grant: id, Request: s.ID, Identity: s.Asked.Subject, Requester: s.Requester.Person, Approvers: s.Voters(),
		Owner: ent.Owner, Target: ent.Target, TargetTitle: ent.TargetTitle, Entitlement: ent.ID, Title: ent.Title,
		Connector: ent.Connector, Params: ent.Params, Fields: s.Asked.Fields, Account: s.Asked.Account, Holder: m.holder,
		Shared: ent.Shared, Alarm: m.alarm, Drill: s.Asked.Drill, Ticket: s.Asked.Ticket, Risk: s.Asked.Risk,
		MaxUnverified: m.w.LongestUnverified(), Principal: s.Asked.Principal, Brokered: ent.Brokered,
	}
	start := f.Now.UTC
	if s.Asked.NotBefore > start {
		start, e.StartsAt = s.Asked.NotBefore, s.Asked.NotBefore
	}
	e.EndsAt = start.Add(s.Asked.Seconds.Duration())
	if s.Asked.NoLaterThan != 0 {
		e.EndsAt = min(e.EndsAt, s.Asked.NoLaterThan)
	}
	if s.Asked.Extends != "" {
		g, err := grants.Fold(f.Histories[stream])
		if err != nil {
			return err
		}
		if row := rowOf(g, s.Asked.Extends); row.Grant != "" && m.w.Extend != nil {
			e.Extends, e.First, e.Cap = s.Asked.Extends, row.Started, m.w.RowCap(s.Asked.Risk)
			e.EndsAt = min(e.EndsAt, row.Started.Add(e.Cap.Duration()))
		}
	}
	if ent.ActsAs != "" {
		e.ActsAs = m.actsAs(s, ent, e)
	}
	e.EndsMono = f.Now.Mono + e.EndsAt.Sub(f.Now.UTC).Nanoseconds()
	out.Add(stream, workflows.System, s.Policy, e)
	return nil
}

// actsAs gathers the six items that have to be on record when a person acts as a non-human identity.
func (m making) actsAs(s workflows.State, ent workflows.Entitlement, e grants.Approved) grants.ActsAs {
	out := grants.ActsAs{
		Identity: ent.ActsAs, Until: e.EndsAt, Reason: string(s.ID), Management: s.Management(m.w.ActAs), Confirmed: s.Asked.Authn, Attributed: string(e.Grant),
	}
	if m.w.ActAs != nil {
		out.Exceptional = s.Asked.Fields[m.w.ActAs.Exceptional]
	}
	return out
}
