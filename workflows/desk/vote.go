package desk

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
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
	Terms      workflows.Terms // Counter: what is offered
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
	b.Reason = cleaned(b.Reason)
	command := "vote"
	if b.Verdict == workflows.Counter {
		command = "counter"
	}
	v, no, err := d.seen(ctx, b.Cause, b.By, command, b.Channel, b.Request)
	if no != nil || err != nil {
		return answered(no), err
	}
	s, w, policy := v.State, v.Workflow, d.Policy()
	ballot, err := d.prepare(ctx, policy, s, w, b)
	if err != nil {
		return Answer{}, err
	}
	made, late := d.making(ctx, policy, w, s.Asked.Subject, s.Requester.Person), d.lateDenial(ctx, v, b)
	res, err := d.under(ctx, policy, b.Cause, v.streams(), func(f workflows.Facts) (workflows.Outcome, error) {
		if late != nil {
			return late.end(f)
		}
		ballot := ballot
		if ballot.ReceivedAt == 0 {
			ballot.ReceivedAt = f.Now.UTC
		}
		last, err := v.last(policy, f)
		if err != nil {
			return workflows.Outcome{}, err
		}
		ballot.WorkflowGone, ballot.Frozen, ballot.Conflict = last.Gone, last.Frozen, last.Conflict
		out, err := w.Vote(f, b.Request, ballot)
		if err != nil {
			return out, err
		}
		return out, made.effect(f, &out)
	})
	return answered(&res), err
}

// streams are what a decision on a request reads: the request's own, where it would bring something about, and what must not be held beside.
func (v View) streams() []workflows.StreamID {
	out := append([]workflows.StreamID{v.Stream}, effectStreams(v.State)...)
	if v.State.Asked.Request == workflows.KindRoutine && v.Book != nil {
		out = append(out, v.Book.stepStreams(v.State.Requester.Person)...)
	}
	for _, s := range conflictStreams(v.State.Asked.Subject, v.Entitlement) {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// last is what stands against a grant at the moment of the decision.
func (v View) last(p *Policy, f workflows.Facts) (workflows.Final, error) {
	var out workflows.Final
	var err error
	out.Gone = gone(p, v.State, f.Now.UTC)
	out.Frozen, _ = p.stopped(v.Workflow, f.Now.UTC)
	if out.Gone == "" {
		out.Gone = lifeGone(f, v.Workflow, v.State)
	}
	if !v.State.Asked.Request.GivesAccess() {
		return out, nil
	}
	if out.Conflict, err = conflict(f, v.State.Asked.Subject, v.Entitlement); err != nil || v.State.Asked.Extends == "" {
		return out, err
	}
	g, err := grants.Fold(f.Histories[effectStreams(v.State)[0]])
	if err != nil || out.Gone != "" {
		return out, err
	}
	row := rowOf(g, v.State.Asked.Extends)
	switch {
	case row.Grant == "":
		out.Gone = "The access that was to be extended has ended."
	case v.Workflow.Extend == nil || row.Started.Add(v.Workflow.RowCap(v.State.Asked.Risk).Duration()) <= f.Now.UTC:
		out.Gone = "All extensions together have reached their cap."
	}
	return out, nil
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

// request reads a request and the workflow version that binds it, with only the stages that the request goes through.
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
	if err != nil {
		return s, nil, err
	}
	return s, w.Planned(s.StageNames()), nil
}

// askedOf is what the selectors of a request refer to, at a moment.
func (d *Desk) askedOf(ctx context.Context, w *workflows.Workflow, s workflows.State) (asked, error) {
	e, _ := w.Entitlement(s.Asked.Target, s.Asked.Entitlement)
	a := asked{requester: s.Requester.Person, subject: s.Asked.Subject, owner: e.Owner, backup: e.Backup}
	a.behind = []workflows.PersonID{a.requester, a.subject.Person(), s.Asked.Sponsor}
	var err error
	if a.now, err = d.now(ctx); err != nil {
		return a, err
	}
	a.off, err = d.absences(ctx)
	return a, err
}

// prepare asks everything that a decision on this request may look at.
func (d *Desk) prepare(ctx context.Context, p *Policy, s workflows.State, w *workflows.Workflow, b Ballot) (workflows.Ballot, error) {
	out := workflows.Ballot{
		By: b.By, Standing: d.standing(ctx, b.By), Verdict: b.Verdict, Stage: b.Stage, Shown: b.Shown, Reason: b.Reason,
		ReceivedAt: b.ReceivedAt, Authn: b.Authn, Channel: b.Channel, Payload: b.Payload, Terms: b.Terms,
		Grant: workflows.GrantID(d.ids.New("g_")), Voters: map[workflows.PersonID]workflows.Standing{},
	}
	if b.Verdict == workflows.Counter {
		out.Offer = d.ids.New("o_")
	}
	a, err := d.askedOf(ctx, w, s)
	if err != nil {
		return out, err
	}
	received := cmp.Or(b.ReceivedAt, a.now)
	seat, ok := s.SeatOf(b.By.Person, received)
	if !ok && b.Stage >= 0 && b.Stage < len(s.Stages) {
		seat, ok = s.Stages[b.Stage].Seat(b.By.Person)
	}
	if ok {
		out.Standing.Selected, err = d.selected(ctx, p, seated{state: s, bound: w, stage: b.Stage, seat: seat, at: received}, a)
		if err != nil {
			d.log.WarnContext(ctx, "seat not known to hold", "request", s.ID, "person", b.By.Person, "err", err)
			out.Standing.Known = false
		}
	}
	if b.Verdict != workflows.Approve || s.Final() {
		return out, nil
	}
	out.Rosters = d.rosters(ctx, p, w, a)
	out.Voters = d.voters(ctx, p, s, w, a)
	return out, nil
}

// voters asks again about everybody whose approval stands.
func (d *Desk) voters(ctx context.Context, p *Policy, s workflows.State, w *workflows.Workflow, a asked) map[workflows.PersonID]workflows.Standing {
	out := map[workflows.PersonID]workflows.Standing{}
	for i, st := range s.Stages {
		for _, v := range st.Votes {
			if v.Verdict != workflows.Approve || v.TakenBack {
				continue
			}
			seat := workflows.Seat{Person: v.Person, For: v.For, Parts: v.Parts, Why: whyOf(st, v)}
			standing := d.voter(ctx, p, seated{state: s, bound: w, stage: i, seat: seat, at: v.At.UTC, again: true}, a)
			if before, twice := out[v.Person]; twice { // a person may sit on several stages: each must still yield them
				standing.Selected = standing.Selected && before.Selected
				standing.Known = standing.Known && before.Known
			}
			out[v.Person] = standing
		}
	}
	return out
}

// voter asks again about somebody who has approved. Who cannot be asked about is not known: if the vote at hand would close the chain it
// is refused and can be repeated, else it counts and they are asked again at the next one.
func (d *Desk) voter(ctx context.Context, p *Policy, x seated, a asked) workflows.Standing {
	standing, err := d.directory.StandingOf(ctx, x.seat.Person)
	if err == nil {
		standing.Selected, err = d.selected(ctx, p, x, a)
	}
	if err != nil {
		d.log.WarnContext(ctx, "standing of a voter not known", "request", x.state.ID, "person", x.seat.Person, "err", err)
		return workflows.Standing{}
	}
	return standing
}

// whyOf is for what reason somebody who voted was asked; on the roster no more, they were on shift or in somebody's place.
func whyOf(st workflows.StageState, v workflows.Vote) string {
	fits := func(s workflows.Seat) bool { return s.Person == v.Person && s.For == v.For }
	if i := slices.IndexFunc(st.Roster, fits); i >= 0 {
		return st.Roster[i].Why
	}
	if i := slices.IndexFunc(st.Left, func(l workflows.Leaver) bool { return fits(l.Seat) }); i >= 0 {
		return st.Left[i].Seat.Why
	}
	return ""
}

// gone says why what was asked cannot be granted under the current documents, or nothing.
func gone(p *Policy, s workflows.State, now workflows.Stamp) string {
	v, ok := p.Workflows[s.Asked.Workflow]
	if !ok {
		return "The chain was removed while the request was open."
	}
	if s.Asked.Request.OfRunbook() {
		b, ok := p.Runbooks[s.Asked.Runbook]
		if !ok || b.Runbook.Document != s.Asked.Document || !b.askedBy(v.Workflow) {
			return "The runbook was changed or removed while its approval was being asked for."
		}
		return ""
	}
	e, ok := v.Workflow.Entitlement(s.Asked.Target, s.Asked.Entitlement)
	switch {
	case now.After(s.Asked.NoLaterThan):
		return "The time until which it was asked for is over."
	case !ok:
		return "The chain no longer grants what was asked for."
	case !e.Brokered && s.Asked.Request != workflows.KindException && p.outsider(s.Asked.Subject):
		return "The target is not brokered, and the holder does not belong to the company."
	case s.Asked.Seconds > v.Workflow.LongestFor(e) && !s.Asked.Request.Ahead():
		return "The longest access was lowered below what was asked for."
	}
	if !s.Asked.Subject.IsPerson() {
		if _, ok := p.identityAs(s.Asked.Request, s.Asked.Subject, now); !ok {
			return "The identity is no longer in the inventory, or has expired there."
		}
	}
	return ""
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
	needs := v.Workflow.Demands(workflows.VerbTakeBack)
	res, err := d.update(ctx, c.Cause, streams, func(f workflows.Facts) (workflows.Outcome, error) {
		return takeBack(f, streams, c, needs)
	})
	return Answer{Refusal: res.Refusal, Records: res.Records}, err
}

func takeBack(f workflows.Facts, streams []workflows.StreamID, c Change, needs bool) (workflows.Outcome, error) {
	change := workflows.Change{By: c.By, Why: c.Why, Channel: c.Channel, NeedsReason: needs}
	s, err := workflows.Fold(f.Histories[streams[0]])
	if err != nil || s.Grant == "" || !s.Asked.Request.GivesAccess() {
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
