package main

import (
	"context"
	"maps"
	"reflect"
	"slices"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/reviews"
	"github.com/countersign-bot/countersign/workflows/runs"
)

// holderOf is who holds the access of a use and carries its steps out.
func holderOf(e incidents.Invoked, by workflows.PersonID) workflows.PersonID {
	if e.Executor != "" {
		return e.Executor
	}
	return by
}

// emergency judges the grant of an invoked runbook.
func (j *judge) emergency(ctx context.Context, r workflows.Record, e grants.Approved) error {
	at, use, ok, err := find(ctx, j, workflows.RunbookStream(e.Runbook), func(u incidents.Invoked) bool { return u.Grant == e.Grant })
	if err != nil {
		return err
	}
	if !ok || at.Index > r.Index {
		j.wrong(r, "grants access by runbook %s, which nobody had invoked for it", e.Runbook)
		return nil
	}
	b, err := of(ctx, j, j.runbooks, at)
	if b == nil || err != nil {
		return err
	}
	switch {
	case r.Policy != at.Policy || e.Incident != use.Incident:
		j.wrong(r, "is of another incident or under another document than the invocation in entry %d", at.Index)
	case e.Requester != at.Person || e.Identity != holderOf(use, at.Person).Identity() || e.Target != b.Grant.Target || e.Entitlement != b.Grant.ID:
		j.wrong(r, "grants %s/%s to %s, but runbook %s gives %s to who invokes it", e.Target, e.Entitlement, e.Identity, e.Runbook, b.Grant.Name())
	case overruns(r, e, r.At.UTC, longestOf(b, use)):
		j.wrong(r, "grants access until %s, longer than the %s of runbook %s", e.EndsAt, longestOf(b, use), e.Runbook)
	case e.EndsAt > use.EndsAt:
		j.wrong(r, "grants access until %s, after the end of the invocation in entry %d", e.EndsAt, at.Index)
	default:
		j.asDescribed(r, e, b.Grant)
	}
	return nil
}

// longestOf is how long a use may last by its document: shorter around a condition that failed.
func longestOf(b *incidents.Runbook, e incidents.Invoked) workflows.Span {
	if e.Tier == incidents.TierBreakGlass && b.BreakGlass != nil {
		return min(b.Longest, b.BreakGlass.Longest)
	}
	return b.Longest
}

func (j *judge) invoked(ctx context.Context, before []workflows.Record, r workflows.Record, e incidents.Invoked) error {
	j.out.Decisions++
	j.linked(r)
	b, err := of(ctx, j, j.runbooks, r)
	if b == nil || err != nil {
		return err
	}
	s, err := incidents.Fold(before)
	if err != nil {
		return nil // said
	}
	loaded, ok := j.past.loaded(r.Index)
	switch {
	case workflows.RunbookStream(b.ID) != r.Stream || b.Document != e.Document:
		j.wrong(r, "invokes another text than the document recorded for it describes")
	case !ok || loaded.Runbooks[string(b.ID)] != r.Policy:
		j.wrong(r, "invokes %s of the runbook, which was not in force then", shortHash(r.Policy))
	case !incidents.MatchesIncident(b.IncidentPattern, e.Incident):
		j.wrong(r, "names the incident %q, which does not have the form that the document wants", e.Incident)
	case e.EndsAt > r.At.UTC.Add(longestOf(b, e).Duration()):
		j.wrong(r, "gives access until %s, longer than the %s of the document", e.EndsAt, longestOf(b, e))
	case e.Drill && slices.ContainsFunc(e.Conditions, func(c incidents.Condition) bool { return !c.OK }):
		j.wrong(r, "is a drill although a condition failed")
	default:
		j.tier(b, s, r, e)
	}
	return j.followed(ctx, b, r, e)
}

// tier judges whether what was checked allowed the use: all of it, or somebody on the short list who went around it.
func (j *judge) tier(b *incidents.Runbook, s incidents.State, r workflows.Record, e incidents.Invoked) {
	_, _, no := s.Readiness(e.Document, r.At.UTC)
	failed := slices.ContainsFunc(e.Conditions, func(c incidents.Condition) bool { return !c.OK })
	approved := slices.ContainsFunc(s.Approvals, func(a incidents.Approval) bool { return a.Document == e.Document })
	short := b.BreakGlass != nil && slices.Contains(b.BreakGlass.People.People, r.Person)
	switch {
	case e.Tier == incidents.TierBreakGlass && (!short || !approved || !failed):
		j.wrong(r, "goes around a condition, by somebody who is not on the document's short list, or for a text that nobody ever approved")
	case e.Tier == incidents.TierBreakGlass && b.BreakGlass.StepUp && !workflows.StepsUp(e.Authn):
		j.wrong(r, "goes around a condition by %s, and the document wants more than a click", e.Authn)
	case e.Tier == incidents.TierBreakGlass:
	case no != nil:
		j.wrong(r, "invokes a runbook that was not ready: %s", trimDot(no.Sentence))
	case failed:
		j.wrong(r, "counts as approved before although a condition failed")
	case !j.invites(b, r) && !(e.Drill && short):
		j.wrong(r, "is by %s, who is not among the invokers of the document", orNobody(r.Person))
	}
	if by, barred := s.Barred[r.Person]; barred {
		j.wrong(r, "is by %s, whose misuse review %s had found", orNobody(r.Person), by)
	}
	if b.Apart && (e.Executor == "" || e.Executor == r.Person) {
		j.wrong(r, "has nobody else to carry it out, which the document wants")
	}
	j.second(b, s, r, e)
}

// second judges the agreement of a second person.
func (j *judge) second(b *incidents.Runbook, s incidents.State, r workflows.Record, e incidents.Invoked) {
	if len(e.Needed) == 0 && e.Second == "" {
		return
	}
	p, ok := s.Proposal(e.Proposal)
	switch {
	case e.Second == "" || e.Second == r.Person:
		j.wrong(r, "is by one person alone, although a second one was needed")
	case !ok || p.Used || p.By != r.Person || p.Document != e.Document || p.Incident != e.Incident:
		j.wrong(r, "names the proposal %q, which is not one of the same person for the same text and incident", e.Proposal)
	case (e.SecondBy != "" || r.Index > j.past.since) && e.Tier == incidents.TierBreakGlass && b.BreakGlass != nil && b.BreakGlass.StepUp && !workflows.StepsUp(e.SecondBy):
		// Earlier programs did not ask it of the second person.
		j.wrong(r, "was agreed to by %q, and the document wants more than a click of the second person, too", e.SecondBy)
	case r.At.UTC.After(p.Until):
		j.wrong(r, "was agreed to after %s, until when the proposal stood", p.Until)
	}
}

// barred judges a bar: a review found misuse.
func (j *judge) barred(ctx context.Context, r workflows.Record, e incidents.Barred) error {
	j.out.Decisions++
	at, _, ok, err := find(ctx, j, workflows.ReviewStream(e.Review), func(c reviews.Closed) bool { return c.Verdict == reviews.Misuse })
	if err == nil && (!ok || at.Index > r.Index || at.Person != r.Person) {
		j.wrong(r, "bars %s, although review %s found no misuse", orNobody(e.Person), e.Review)
	}
	return err
}

// followed holds that an invocation brought about its grant, its review and its run.
func (j *judge) followed(ctx context.Context, b *incidents.Runbook, r workflows.Record, e incidents.Invoked) error {
	granted, err := b.Grant.Target == "", error(nil)
	if !granted {
		stream := workflows.GrantStream(holderOf(e, r.Person).Identity(), b.Grant.Target, b.Grant.ID)
		if _, _, granted, err = find(ctx, j, stream, grantCalled(e.Grant)); err != nil {
			return err
		}
	}
	invoker, reviewed, err := j.reviewOf(ctx, e)
	if err != nil {
		return err
	}
	carried := e.Run == "" // of the first releases
	if !carried {
		if _, _, carried, err = find(ctx, j, workflows.RunStream(e.Run), func(o runs.Opened) bool { return o.Runbook == b.ID && o.Incident == e.Incident }); err != nil {
			return err
		}
	}
	switch {
	case !granted || !reviewed:
		j.wrong(r, "is without its grant or its review: an entry is missing")
	case !carried:
		j.wrong(r, "is without its run: an entry is missing")
	case invoker != r.Person:
		j.wrong(r, "is reviewed as if %s had invoked it", orNobody(invoker))
	}
	return nil
}

// reviewOf finds whom the review of a use takes for its invoker.
func (j *judge) reviewOf(ctx context.Context, e incidents.Invoked) (workflows.PersonID, bool, error) {
	if e.Joined {
		_, u, ok, err := find(ctx, j, workflows.ReviewStream(e.Review), func(u reviews.Joined) bool { return u.Grant == e.Grant })
		return u.Invoker, ok, err
	}
	_, o, ok, err := find(ctx, j, workflows.ReviewStream(e.Review), func(o reviews.Opened) bool { return o.Grant == e.Grant })
	return o.Invoker, ok, err
}

// stepGrant judges access that a step of a run gave.
func (j *judge) stepGrant(ctx context.Context, r workflows.Record, e grants.Approved) error {
	at, _, ok, err := find(ctx, j, workflows.RunStream(e.Run), func(s runs.StepStarted) bool { return s.Order == e.Grant && s.Step == e.Step })
	if err != nil {
		return err
	}
	h, err := j.history(ctx, workflows.RunStream(e.Run))
	if err != nil || !ok || at.Index > r.Index {
		j.wrong(r, "grants access for step %d of run %s, which nobody had begun", e.Step, e.Run)
		return nil
	}
	s, err := runs.Fold(upTo(h, r.Index))
	if err != nil {
		return nil // said
	}
	st := s.Steps[e.Step-1]
	switch {
	case r.Policy != s.Policy || e.Incident != s.Opened.Incident || e.Runbook != s.Opened.Runbook:
		j.wrong(r, "is of another incident or under another document than its run")
	case st.Action != incidents.ActGrant || e.Target != st.Does.Target || e.Entitlement != st.Does.ID || e.Identity != s.Executor.Identity():
		j.wrong(r, "grants %s/%s to %s, which is not what step %d of run %s gives", e.Target, e.Entitlement, e.Identity, e.Step, e.Run)
	case e.EndsAt > s.EndsAt:
		j.wrong(r, "grants access until %s, after the end of its run", e.EndsAt)
	default:
		j.asDescribed(r, e, st.Does)
	}
	return nil
}

func upTo(h []workflows.Record, index int64) []workflows.Record {
	for i, r := range h {
		if r.Index > index {
			return h[:i]
		}
	}
	return h
}

// run judges the carrying out of a runbook: that it was opened by an invocation or an approved request, with the steps of that very text, and
// that who did something was the person of their account.
func (j *judge) run(ctx context.Context, h []workflows.Record) error {
	s, err := runs.Fold(h)
	if err != nil {
		return nil // said
	}
	for _, r := range h {
		switch e := r.Event.(type) {
		case runs.Opened:
			if err := j.runOpened(ctx, r, e); err != nil {
				return err
			}
		case runs.StepStarted:
			j.out.Decisions++
			if e.Order != runs.OrderOf(s.ID, e.Step) {
				j.wrong(r, "is under an order of something else")
			}
			j.acted(r, s)
		case runs.SecretTaken:
			j.out.Decisions++
			if then, err := runs.Fold(upTo(h, r.Index)); err == nil && r.Person != then.Executor {
				j.wrong(r, "took a secret of a run that somebody else carries out")
			}
			j.linked(r)
		case runs.StepDone, runs.StepSkipped, runs.EvidenceAdded, runs.RolledBack, runs.Closed:
			j.out.Decisions++
			j.acted(r, s)
		}
	}
	return nil
}

// acted holds that who did something in a run was who the account belongs to, and not who only invoked it where the document wants two people.
func (j *judge) acted(r workflows.Record, s runs.State) {
	if r.Person == "" {
		return
	}
	j.linked(r)
	if _, adds := r.Event.(runs.EvidenceAdded); s.Opened.Apart && r.Person == s.Opened.Invoker && !adds {
		if c, closed := r.Event.(runs.Closed); !closed || c.How != runs.HowIncident {
			j.wrong(r, "is by who invoked it, although the document wants somebody else to carry it out")
		}
	}
}

func (j *judge) runOpened(ctx context.Context, r workflows.Record, e runs.Opened) error {
	j.out.Decisions++
	b, err := of(ctx, j, j.runbooks, r)
	if b == nil || err != nil {
		return err
	}
	if b.ID != e.Runbook || b.Document != e.Document {
		j.wrong(r, "carries out another text than the document recorded for it describes")
		return nil
	}
	if e.Mode == runs.KindRoutine {
		if err := j.routine(ctx, b, r, e); err != nil {
			return err
		}
	} else {
		id := workflows.RunID(r.Stream.Rest())
		at, use, ok, err := find(ctx, j, workflows.RunbookStream(e.Runbook), func(u incidents.Invoked) bool { return u.Run == id && u.Grant == e.Grant })
		if err != nil {
			return err
		}
		if !ok || at.Index > r.Index || use.Drill != (e.Mode == runs.KindDrill) || use.Incident != e.Incident || e.EndsAt > use.EndsAt {
			j.wrong(r, "was opened by no invocation of its runbook")
			return nil
		}
	}
	plan := b.Steps
	if len(plan) == 0 {
		text, err := j.document(ctx, e.Document)
		if err != nil {
			return nil // a bundle need not carry it; a store that lost it is told elsewhere
		}
		plan = b.Plan(text)
	}
	if !slices.EqualFunc(plan, e.Steps, sameStep) {
		j.wrong(r, "has other steps than its text")
	}
	return nil
}

func sameStep(a, b incidents.Step) bool {
	a.Text, b.Text = "", ""
	return reflect.DeepEqual(a, b)
}

// routine judges a run that a chain opened, or the rotation of an identity where the text says so.
func (j *judge) routine(ctx context.Context, b *incidents.Runbook, r workflows.Record, e runs.Opened) error {
	if e.Rotation != "" {
		at, _, ok, err := find(ctx, j, workflows.IdentityStream(e.Subject), func(o identities.RotationOpened) bool { return o.Rotation == e.Rotation })
		if err == nil && (!ok || at.Index > r.Index || !b.Routine || !slices.Contains(b.OpensOn, incidents.OpensOnRotation)) {
			j.wrong(r, "was opened by rotation %s of %s, which there was not, or by a text that no rotation opens", e.Rotation, e.Subject)
		}
		return err
	}
	s, at, ok, err := j.approved(ctx, e.Request)
	if err != nil {
		return err
	}
	about := s.Asked.Subject
	if about == s.Requester.Person.Identity() {
		about = ""
	}
	switch {
	case !ok || at.Index > r.Index || !b.Routine || s.Asked.Request != workflows.KindRoutine || s.Asked.Runbook != e.Runbook || s.Asked.Document != e.Document ||
		r.Stream != workflows.RunStream(desk.RoutineRun(e.Request)):
		j.wrong(r, "was opened by request %s, which had not been approved for it", e.Request)
	case e.Invoker != s.Requester.Person || e.Executor != s.Requester.Person || e.Subject != about || !maps.Equal(e.Fields, s.Asked.Fields):
		j.wrong(r, "is carried out by somebody else, about somebody else or with other answers than request %s asked for", e.Request)
	case e.EndsAt > at.At.UTC.Add(s.Asked.Seconds.Duration()):
		j.wrong(r, "may take until %s, longer than the %s that were approved", e.EndsAt, s.Asked.Seconds)
	}
	return nil
}
