package desk

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

// Ballot is a decision as it came from a person.
type Ballot struct {
	Cause      Cause
	By         workflows.Acting
	Request    workflows.RequestID
	Verdict    workflows.Verdict
	Stage      int
	Shown      string
	Reason     string
	ReceivedAt workflows.Stamp // zero: now
	Authn      string
	Channel    string
	Payload    string
}

// Answer is what became of a command: what was recorded, or why not.
type Answer struct {
	Refusal *workflows.Refusal
	Records []workflows.Record
}

// Vote records a decision and what follows from it: the next stage, the grant, the end.
func (d *Desk) Vote(ctx context.Context, b Ballot) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return again(func() (Answer, error) { return d.vote(ctx, b) })
}

func (d *Desk) vote(ctx context.Context, b Ballot) (Answer, error) {
	v, no, err := d.seen(ctx, b.Cause, b.By, "vote", b.Channel, b.Request)
	if no != nil || err != nil {
		return answered(no), err
	}
	s, w, policy := v.State, v.Workflow, d.Policy()
	ballot := d.prepare(ctx, policy, s, w, askedOf(w, s), b)
	holder, alarm := d.holder(ctx, s), policy.Settings.SecurityChannel
	streams := append([]workflows.StreamID{v.Stream}, effectStreams(s)...)
	res, err := d.under(ctx, policy, b.Cause, streams, func(f workflows.Facts) (workflows.Outcome, error) {
		ballot := ballot
		ballot.WorkflowGone = gone(policy, s, f.Now.UTC)
		if ballot.ReceivedAt == 0 {
			ballot.ReceivedAt = f.Now.UTC
		}
		out, err := w.Vote(f, b.Request, ballot)
		if err != nil {
			return out, err
		}
		return out, effect(f, &out, w, holder, alarm)
	})
	return answered(&res), err
}

// seen reads a request for a command of somebody. What they may not see and what does not exist are the same recorded refusal.
func (d *Desk) seen(ctx context.Context, cause Cause, by workflows.Acting, command, channel string, id workflows.RequestID) (View, *Result, error) {
	v, err := d.Look(ctx, id)
	if err != nil && !errors.Is(err, workflows.ErrNoStream) {
		return View{}, nil, err
	}
	if err == nil && d.maySee(ctx, by.Person, v) {
		return v, nil, nil
	}
	r, err := d.refuse(ctx, cause, by, command, channel, string(id), "", workflows.Unknown())
	return View{}, &r, err
}

// answered is the answer to what was decided without asking further, or when its cause came first.
func answered(r *Result) Answer {
	if r == nil {
		return Answer{}
	}
	return Answer{Refusal: r.Refusal, Records: r.Records}
}

// request reads a request and the workflow version that binds it.
func (d *Desk) request(ctx context.Context, id workflows.RequestID) (workflows.State, *workflows.Workflow, error) {
	h, err := d.ledger.History(ctx, workflows.RequestStream(id))
	if err != nil {
		return workflows.State{}, nil, err
	}
	s, err := workflows.Fold(h)
	if err != nil {
		return s, nil, err
	}
	w, err := d.version(ctx, s.Policy)
	return s, w, err
}

func askedOf(w *workflows.Workflow, s workflows.State) asked {
	e, _ := w.Entitlement(s.Asked.Target, s.Asked.Entitlement)
	return asked{s.Requester.Person, s.Asked.Subject, e.Owner, e.Backup}
}

// prepare asks everything that a decision on this request may look at.
func (d *Desk) prepare(ctx context.Context, p *Policy, s workflows.State, w *workflows.Workflow, a asked, b Ballot) workflows.Ballot {
	out := workflows.Ballot{
		By: b.By, Standing: d.standing(ctx, b.By), Verdict: b.Verdict, Stage: b.Stage, Shown: b.Shown, Reason: b.Reason,
		ReceivedAt: b.ReceivedAt, Authn: b.Authn, Channel: b.Channel, Payload: b.Payload,
		Grant: workflows.GrantID(d.ids.New("g_")), Voters: map[workflows.PersonID]workflows.Standing{},
	}
	sel, err := d.selected(ctx, p, s, b.Stage, b.By.Person, a)
	if err != nil {
		out.Standing.Known = false
	}
	out.Standing.Selected = sel
	if b.Verdict != workflows.Approve || s.Final() {
		return out
	}
	out.Rosters = d.rosters(ctx, p, w, a)
	for i, st := range s.Stages {
		for _, v := range st.Approvals() {
			standing := d.voter(ctx, p, s, i, v, a)
			if before, twice := out.Voters[v]; twice { // a person may sit on several stages: each must still yield them
				standing.Selected = standing.Selected && before.Selected
				standing.Known = standing.Known && before.Known
			}
			out.Voters[v] = standing
		}
	}
	return out
}

// voter asks again about somebody who has approved. Who cannot be asked about is not known: if the vote at hand would close the chain it
// is refused and can be repeated, else it counts and they are asked again at the next one.
func (d *Desk) voter(ctx context.Context, p *Policy, s workflows.State, stage int, v workflows.PersonID, a asked) workflows.Standing {
	standing, err := d.directory.StandingOf(ctx, v)
	if err == nil {
		standing.Selected, err = d.selected(ctx, p, s, stage, v, a)
	}
	if err != nil {
		d.log.WarnContext(ctx, "standing of a voter not known", "request", s.ID, "person", v, "err", err)
		return workflows.Standing{}
	}
	return standing
}

// gone says why what was asked cannot be granted under the current documents, or nothing.
func gone(p *Policy, s workflows.State, now workflows.Stamp) string {
	v, ok := p.Workflows[s.Asked.Workflow]
	if !ok {
		return "The chain was removed while the request was open."
	}
	if s.Asked.Request == workflows.KindPreapprove {
		b, ok := p.Runbooks[s.Asked.Runbook]
		if !ok || b.Runbook.Document != s.Asked.Document {
			return "The runbook was changed or removed while its approval was being asked for."
		}
		return ""
	}
	e, ok := v.Workflow.Entitlement(s.Asked.Target, s.Asked.Entitlement)
	switch {
	case !ok:
		return "The chain no longer grants what was asked for."
	case s.Asked.Seconds > v.Workflow.LongestFor(e):
		return "The longest access was lowered below what was asked for."
	}
	if !s.Asked.Subject.IsPerson() {
		if _, ok := p.identity(s.Asked.Subject, now); !ok {
			return "The identity is no longer in the inventory, or has expired there."
		}
	}
	return ""
}

func effectStreams(s workflows.State) []workflows.StreamID {
	if s.Asked.Request == workflows.KindPreapprove {
		return []workflows.StreamID{workflows.RunbookStream(s.Asked.Runbook)}
	}
	return []workflows.StreamID{workflows.GrantStream(s.Asked.Subject, s.Asked.Target, s.Asked.Entitlement)}
}

// effect adds to an approval what it brings about, in the same transaction.
func effect(f workflows.Facts, out *workflows.Outcome, w *workflows.Workflow, holder, alarm string) error {
	i := slices.IndexFunc(out.Events, func(e workflows.StreamEvent) bool { _, ok := e.Event.(workflows.Approved); return ok })
	if i < 0 {
		return nil
	}
	approved, _ := out.Events[i].Event.(workflows.Approved)
	s, err := workflows.Fold(f.Provisional(out.Events)[out.Events[i].Stream])
	if err != nil {
		return fmt.Errorf("folding an approval: %w", err)
	}
	if s.Asked.Request == workflows.KindPreapprove {
		out.Add(workflows.RunbookStream(s.Asked.Runbook), workflows.System, s.Policy, incidents.Preapproved{
			Document: s.Asked.Document, Request: s.ID, Approvers: s.Voters(),
			Until: f.Now.UTC.Add(s.Asked.Seconds.Duration()), Uses: max(1, w.Uses),
		})
		return nil
	}
	ent, _ := w.Entitlement(s.Asked.Target, s.Asked.Entitlement)
	end := f.Now.Add(s.Asked.Seconds.Duration())
	out.Add(effectStreams(s)[0], workflows.System, s.Policy, grants.Approved{
		Grant: approved.Grant, Request: s.ID, Identity: s.Asked.Subject, Requester: s.Requester.Person, Approvers: s.Voters(),
		Owner: ent.Owner, Target: ent.Target, TargetTitle: ent.TargetTitle, Entitlement: ent.ID, Title: ent.Title,
		Connector: ent.Connector, Params: ent.Params, Fields: s.Asked.Fields, Account: s.Asked.Account, Holder: holder,
		Shared: ent.Shared, EndsAt: end.UTC, EndsMono: end.Mono, Alarm: alarm, Drill: s.Asked.Drill,
	})
	return nil
}

// holder is the display name for the target's own logs.
func (d *Desk) holder(ctx context.Context, s workflows.State) string {
	if p := s.Asked.Subject.Person(); p != "" {
		return d.directory.Name(ctx, p)
	}
	return string(s.Asked.Subject) + " for " + d.directory.Name(ctx, s.Requester.Person)
}

// Change is withdrawing a request or taking a vote back.
type Change struct {
	Cause   Cause
	By      workflows.Acting
	Request workflows.RequestID
	Why     string
	Channel string
}

// Withdraw ends the requester's own open request.
func (d *Desk) Withdraw(ctx context.Context, c Change) (Answer, error) {
	if _, no, err := d.seen(ctx, c.Cause, c.By, "withdraw", c.Channel, c.Request); no != nil || err != nil {
		return answered(no), err
	}
	stream := workflows.RequestStream(c.Request)
	res, err := d.update(ctx, c.Cause, []workflows.StreamID{stream}, func(f workflows.Facts) (workflows.Outcome, error) {
		return workflows.Withdraw(f, c.Request, workflows.Change{By: c.By, Why: c.Why, Channel: c.Channel})
	})
	return Answer{Refusal: res.Refusal, Records: res.Records}, err
}

// TakeBack takes the person's own approval back, until the access starts. Behind a closed stage that ends the request; an
// approved grant that has not started is called off with it.
func (d *Desk) TakeBack(ctx context.Context, c Change) (Answer, error) {
	v, no, err := d.seen(ctx, c.Cause, c.By, "take back", c.Channel, c.Request)
	if no != nil || err != nil {
		return answered(no), err
	}
	streams := append([]workflows.StreamID{v.Stream}, effectStreams(v.State)...)
	res, err := d.update(ctx, c.Cause, streams, func(f workflows.Facts) (workflows.Outcome, error) {
		return takeBack(f, streams, c)
	})
	return Answer{Refusal: res.Refusal, Records: res.Records}, err
}

func takeBack(f workflows.Facts, streams []workflows.StreamID, c Change) (workflows.Outcome, error) {
	change := workflows.Change{By: c.By, Why: c.Why, Channel: c.Channel}
	s, err := workflows.Fold(f.Histories[streams[0]])
	if err != nil || s.Grant == "" || s.Asked.Request == workflows.KindPreapprove {
		change.Started = err == nil && s.Status == workflows.StatusApproved
		return workflows.TakeBack(f, c.Request, change)
	}
	g, err := grants.Fold(f.Histories[streams[1]])
	if err != nil {
		return workflows.Outcome{}, err
	}
	hold, ok := g.Find(s.Grant)
	change.Started = !ok || hold.StartedAt.UTC != 0 || !hold.Live()
	out, err := workflows.TakeBack(f, c.Request, change)
	if err != nil || !slices.ContainsFunc(out.Events, isSuperseded) {
		return out, err
	}
	off, err := grants.CallOff(f, streams[1], s.Grant, c.By, c.Why)
	out.Events = append(out.Events, off.Events...)
	return out, err
}

func isSuperseded(e workflows.StreamEvent) bool {
	_, ok := e.Event.(workflows.Superseded)
	return ok
}
