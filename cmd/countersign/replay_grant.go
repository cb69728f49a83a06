package main

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

// grants judges every grant of a stream: somebody approved exactly this, for exactly this long, or a runbook that was approved before gave it.
func (j *judge) grants(ctx context.Context, h []workflows.Record) error {
	j.secrets(h)
	j.verified(h)
	for _, r := range h {
		e, ok := r.Event.(grants.Approved)
		if !ok {
			continue
		}
		j.out.Decisions++
		if r.Stream != workflows.GrantStream(e.Identity, e.Target, e.Entitlement) {
			j.wrong(r, "grants %s/%s to %s on the stream of something else", e.Target, e.Entitlement, e.Identity)
			continue
		}
		var err error
		switch {
		case e.Request != "":
			err = j.granted(ctx, h, r, e)
		case e.Run != "":
			err = j.stepGrant(ctx, r, e)
		case e.Runbook != "":
			err = j.emergency(ctx, r, e)
		default:
			j.wrong(r, "grants access that nobody asked for and no runbook gives")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// granted judges the grant of a request.
func (j *judge) granted(ctx context.Context, h []workflows.Record, r workflows.Record, e grants.Approved) error {
	s, at, ok, err := j.approved(ctx, e.Request)
	if err != nil {
		return err
	}
	if !ok || at.Index > r.Index || s.Grant != e.Grant {
		j.wrong(r, "grants access for request %s, which had not been approved for it", e.Request)
		return nil
	}
	w, err := of(ctx, j, j.workflows, at)
	if w == nil || err != nil {
		return err
	}
	ent, _ := w.Entitlement(e.Target, e.Entitlement)
	sub := s.Asked
	longest := min(sub.Seconds, w.LongestFor(ent))
	from := max(r.At.UTC, e.StartsAt) // when it was made, or was agreed to start
	switch {
	case r.Policy != s.Policy:
		j.wrong(r, "names %s, although its request is bound to %s", shortHash(r.Policy), shortHash(s.Policy))
	case e.Requester != s.Requester.Person || e.Identity != sub.Subject || e.Target != sub.Target || e.Entitlement != sub.Entitlement:
		j.wrong(r, "grants %s/%s to %s, but request %s asks for %s/%s for %s", e.Target, e.Entitlement, e.Identity, e.Request, sub.Target,
			sub.Entitlement, sub.Subject)
	case !samePeople(e.Approvers, s.Voters()):
		j.wrong(r, "names other approvers than those who approved request %s", e.Request)
	case overruns(r, e, from, longest) || sub.NoLaterThan != 0 && e.EndsAt > sub.NoLaterThan:
		j.wrong(r, "grants access until %s, longer than the %s that were asked for and that the document allows", e.EndsAt, longest)
	case e.StartsAt > sub.NotBefore || e.Extends != "" && e.Extends != sub.Extends:
		j.wrong(r, "starts later, or goes on from another grant, than was asked for")
	case e.MaxUnverified != 0 && e.MaxUnverified != w.LongestUnverified(): // none in entries that are older than the limit
		j.wrong(r, "goes on for %s while nobody can tell whether it should, the document says %s", e.MaxUnverified, w.LongestUnverified())
	case e.Extends != "" && (w.Extend == nil || e.EndsAt > e.First.Add(w.RowCap(sub.Risk).Duration()) || !goesOn(h, e)):
		j.wrong(r, "extends access beyond the cap of the document, or of its risk tier")
	case !actsAsApproved(r, e, ent, w, s):
		j.wrong(r, "lets somebody act as %s without the six items that request %s gives", ent.ActsAs, e.Request)
	default:
		j.asDescribed(r, e, ent)
	}
	return nil
}

// overruns tells whether a grant ends later than so long after a moment, by either clock.
func overruns(r workflows.Record, e grants.Approved, from workflows.Stamp, longest workflows.Span) bool {
	wait := from.Time().Sub(r.At.UTC.Time())
	return e.EndsAt > from.Add(longest.Duration()) || time.Duration(e.EndsMono-r.At.Mono) > wait+longest.Duration()
}

// goesOn tells whether an extension counts from the same beginning as the grant that it goes on from.
func goesOn(h []workflows.Record, e grants.Approved) bool {
	for _, x := range h {
		if before, ok := x.Event.(grants.Approved); ok && before.Grant == e.Extends {
			return before.First == 0 || before.First == e.First
		}
	}
	return false
}

func samePeople(a, b []workflows.PersonID) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// asDescribed judges what the target is told: a grant that carried other parameters would be more than anybody approved.
func (j *judge) asDescribed(r workflows.Record, e grants.Approved, ent workflows.Entitlement) {
	if e.Connector != ent.Connector || e.Owner != ent.Owner || !maps.EqualFunc(e.Params, ent.Params, slices.Equal) {
		j.wrong(r, "hands the target other parameters than the document has for %s", ent.Name())
	}
}

// runbook judges the approvals and the uses of a runbook.
func (j *judge) runbook(ctx context.Context, h []workflows.Record) error {
	for i, r := range h {
		var err error
		switch e := r.Event.(type) {
		case incidents.Preapproved:
			err = j.preapproved(ctx, r, e)
		case incidents.Invoked:
			err = j.invoked(ctx, h[:i], r, e)
		case incidents.Proposed:
			j.out.Decisions++
			j.linked(r)
		case incidents.Barred:
			err = j.barred(ctx, r, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (j *judge) preapproved(ctx context.Context, r workflows.Record, e incidents.Preapproved) error {
	j.out.Decisions++
	s, at, ok, err := j.approved(ctx, e.Request)
	if err != nil {
		return err
	}
	if !ok || at.Index > r.Index || workflows.RunbookStream(s.Asked.Runbook) != r.Stream || s.Asked.Document != e.Document {
		j.wrong(r, "approves a text of the runbook by request %s, which had not been approved for it", e.Request)
		return nil
	}
	w, err := of(ctx, j, j.workflows, at)
	if w == nil || err != nil {
		return err
	}
	switch {
	case !samePeople(e.Approvers, s.Voters()):
		j.wrong(r, "names other approvers than those who approved request %s", e.Request)
	case e.Uses > max(1, w.Uses):
		j.wrong(r, "allows %d uses, the document %d", e.Uses, max(1, w.Uses))
	case e.Until > r.At.UTC.Add(min(s.Asked.Seconds, w.Longest).Duration()):
		j.wrong(r, "approves until %s, longer than was asked for or than the document allows", e.Until)
	}
	return nil
}

// invites tells whether the runbook's list of invokers can have had the person on it. Members of chat groups and managers are not in the
// document: with such a list the entry stands for the answer that was given then.
func (j *judge) invites(b *incidents.Runbook, r workflows.Record) bool {
	sel := b.Invokers
	if slices.Contains(sel.Exclude, r.Person) || r.Person == "" {
		return false
	}
	whys := []string{"named", "target_owner"}
	for _, g := range sel.Groups {
		whys = append(whys, "group:"+g.Name)
	}
	for _, why := range whys {
		if j.yields(sel, workflows.Seat{Person: r.Person, Why: why}, place{at: r.Index, owner: b.Grant.Owner, backup: b.Grant.Backup}) == "" {
			return true
		}
	}
	return len(sel.ChatGroups) > 0 || sel.Manager || sel.IdentityOwner
}

// secrets judges who was shown what came with a grant: its holder, by an account of theirs, and nobody twice (the fold sees to that).
func (j *judge) secrets(h []workflows.Record) {
	s, err := grants.Fold(h)
	if err != nil {
		return // said where the stream is folded
	}
	for _, r := range h {
		if _, leaked := r.Event.(grants.SecretLeaked); leaked && r.Person != "" { // by which fingerprint it was known, the fold holds
			j.out.Decisions++
			j.linked(r)
		}
		e, ok := r.Event.(grants.SecretTaken)
		if !ok {
			continue
		}
		j.out.Decisions++
		hold, _ := s.Find(e.Grant)
		switch {
		case r.Person == "" || hold.Holder() != r.Person:
			j.wrong(r, "shows the secret of grant %s to %s, who does not hold it", e.Grant, r.Person)
		default:
			j.linked(r)
		}
	}
}

// actsAsApproved tells whether a grant says of whom it lets act as an identity what its request, its document and its own entry give: no more, no less.
func actsAsApproved(r workflows.Record, e grants.Approved, ent workflows.Entitlement, w *workflows.Workflow, s workflows.State) bool {
	if ent.ActsAs == "" || w.ActAs == nil {
		return e.ActsAs.Identity == "" && ent.ActsAs == ""
	}
	a := e.ActsAs
	return r.Policy == s.Policy && a.Identity == ent.ActsAs && a.Exceptional != "" && a.Exceptional == s.Asked.Fields[w.ActAs.Exceptional] && a.Until == e.EndsAt &&
		a.Reason == string(e.Request) && len(a.Management) > 0 && slices.Equal(a.Management, s.Management(w.ActAs)) &&
		a.Confirmed == s.Asked.Authn && workflows.StepsUp(a.Confirmed) && a.Attributed == string(e.Grant)
}
