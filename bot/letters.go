package bot

import (
	"context"
	"errors"
	"fmt"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/reviews"
)

func (b *Bot) requestLetter(ctx context.Context, id workflows.RequestID, n workflows.Notice) (letter, error) {
	v, err := b.c.Desk.Look(ctx, id)
	if err != nil {
		return letter{}, err
	}
	if n.What == workflows.NoticeOutcome {
		return letter{Message: b.outcome(ctx, v, b.in(ctx, n.To)).Render()}, nil
	}
	if n.What == workflows.NoticeOffer {
		return b.offerLetter(ctx, v, n)
	}
	c := b.card(ctx, v, n.To)
	if n.What == workflows.NoticeTold {
		c.Told, c.YouAre, c.Buttons = true, "", screens.CardButtons{}
	}
	l := letter{Message: c.Render(), surface: v.Stream, seq: v.State.Seq}
	switch n.What {
	case workflows.NoticeRemind:
		l.Text = c.Ask(screens.AskAgain)
	case workflows.NoticeEscalated:
		l.Text = c.Ask(screens.AskEscalated)
	}
	return l, nil
}

// offerLetter tells the requester of a counter-offer. It is a surface, so that its buttons work; what stands on the card is repainted there.
func (b *Bot) offerLetter(ctx context.Context, v desk.View, n workflows.Notice) (letter, error) {
	for _, o := range v.State.Offers {
		if o.ID == n.Offer {
			return letter{Message: b.counterOffer(ctx, v, o, n.To).Render(), surface: v.Stream, seq: v.State.Seq}, nil
		}
	}
	return letter{}, fmt.Errorf("composing notice %q of %q: no such offer", n.ID, v.State.ID)
}

func (b *Bot) outcome(ctx context.Context, v desk.View, l screens.Locale) screens.Outcome {
	s := v.State
	o := screens.Outcome{In: l, ID: s.ID, What: what(v), Long: s.Asked.Seconds, Status: s.Status, By: b.person(ctx, s.EndedBy), Why: s.Why}
	for _, st := range s.Stages {
		for _, vote := range st.Votes {
			if vote.Verdict == workflows.Deny {
				o.Reason = vote.Reason
			}
		}
	}
	switch s.Status {
	case workflows.StatusApproved:
		if s.Asked.Request == workflows.KindRoutine {
			o.Text, o.Next = true, l.Of("The run is open: its checklist is on its way to you. /breakglass runs lists it.")
		}
		if s.Asked.Request == workflows.KindWindow {
			o.Text, o.Next = true, l.Of("The window is open: within its hours nobody is asked any more, and what is taken is in the ledger.")
		}
		if s.Asked.Request == workflows.KindPreapprove {
			o.Text, o.Next = true, l.Say("The runbook can be invoked now with /breakglass %s INC-123.", s.Asked.Runbook)
		}
	case workflows.StatusDenied:
		o.Next = l.Of("Talk to them if you think they missed something; you can ask again with /access.")
	case workflows.StatusTimedOut, workflows.StatusSuperseded, workflows.StatusFailed:
		o.Next = l.Of("You can ask again with /access.")
		if books := b.skipping(ctx, v, s.Requester.Person); s.Status == workflows.StatusTimedOut && len(books) > 0 {
			o.Next = l.Say("You can ask again with /access. In an incident you need not wait: /breakglass %s", books[0])
		}
	}
	return o
}

func (b *Bot) grantLetter(ctx context.Context, n workflows.Notice) (letter, error) {
	h, err := b.c.Desk.Grant(ctx, n.Grant)
	if err != nil {
		return letter{}, err
	}
	a := h.Hold.Approved
	name, long := title(a.TargetTitle, a.Title), length(h.Hold)
	switch n.What {
	case workflows.NoticeReady:
		seq, err := b.lastSeq(ctx, grantHome(h))
		return letter{Message: b.ready(ctx, h.Hold, n.To).Render(), surface: grantHome(h), seq: seq}, err
	case workflows.NoticeEnded:
		e := screens.Ended{In: b.in(ctx, n.To), Grant: a.Grant, What: name, Long: long, For: b.holder(a.Identity), Access: b.accessOf(ctx, h.Hold)}
		return letter{Message: e.Render()}, nil
	case workflows.NoticeFailed:
		return letter{Message: screens.Failed{In: b.in(ctx, n.To), Grant: a.Grant, What: name, Long: long, Why: h.Hold.Failure}.Render()}, nil
	case workflows.NoticeUnverified, workflows.NoticeApproverGone:
		return letter{Message: b.doubt(ctx, h.Hold, n).Render()}, nil
	case workflows.NoticeLeaked:
		return b.secretLeakLetter(ctx, h.Hold, n)
	case workflows.NoticeOverdue:
		o := screens.Overdue{In: b.in(ctx, n.To), Grant: a.Grant, What: name, Long: long, Holder: b.holderPerson(ctx, h.Hold), Since: h.Hold.EndingAt.UTC}
		return letter{Message: o.Render()}, nil
	}
	return letter{}, fmt.Errorf("composing notice %q of a grant: no screen shows it", n.What)
}

// holderPerson names whoever holds a grant, also where it is no person.
func (b *Bot) holderPerson(ctx context.Context, h grants.Hold) screens.Person {
	if name := b.holder(h.Approved.Identity); name != "" {
		return screens.Person{Name: name}
	}
	return b.person(ctx, h.Approved.Identity.Person())
}

func (b *Bot) lastSeq(ctx context.Context, stream workflows.StreamID) (int64, error) {
	h, err := b.c.Histories.History(ctx, stream)
	if err != nil || len(h) == 0 {
		return 0, err
	}
	return h[len(h)-1].Seq, nil
}

func (b *Bot) glassLetter(ctx context.Context, id workflows.RunbookID, n workflows.Notice) (letter, error) {
	h, err := b.c.Histories.History(ctx, workflows.RunbookStream(id))
	if err != nil {
		return letter{}, err
	}
	s, err := incidents.Fold(h)
	if err != nil {
		return letter{}, err
	}
	if n.What == incidents.NoticeSecond {
		return b.secondLetter(ctx, id, s, n.Offer, n.To)
	}
	u, ok := s.UseOf(n.Grant)
	if !ok {
		return letter{}, fmt.Errorf("composing notice %q of runbook %q: no such invocation", n.What, id)
	}
	g, err := b.glass(ctx, id, u)
	if err != nil {
		return letter{}, err
	}
	g.In = b.in(ctx, n.To)
	switch n.What {
	case workflows.NoticeSkipped:
		return letter{Message: g.Skipped()}, nil
	case incidents.NoticeTold:
		return letter{Message: g.Told()}, nil
	}
	return letter{Message: g.Invoked()}, nil
}

func (b *Bot) glass(ctx context.Context, id workflows.RunbookID, u incidents.Use) (screens.Glass, error) {
	g := screens.Glass{
		Runbook: id, Title: string(id), Incident: u.Incident, Invoker: b.person(ctx, u.By), Reason: u.Reason,
		At: u.At.UTC, Ends: u.EndsAt, Long: workflows.SpanOf(u.EndsAt.Sub(u.At.UTC)), Document: u.Document, Review: u.Review, Drill: u.Drill,
	}
	if book, ok := b.c.Desk.Policy().Runbooks[id]; ok {
		g.Title = book.Runbook.Title
	}
	h, err := b.c.Desk.Grant(ctx, u.Grant)
	switch {
	case err == nil:
		g.What = title(h.Hold.Approved.TargetTitle, h.Hold.Approved.Title)
	case !errors.Is(err, workflows.ErrNoStream):
		return g, err
	}
	for _, c := range u.Conditions {
		if !c.OK {
			g.Around = append(g.Around, c.Says)
		}
	}
	if u.Second != "" {
		g.Second = b.person(ctx, u.Second)
	}
	if u.Executor != "" {
		g.Executor = b.person(ctx, u.Executor)
	}
	r, err := b.c.Desk.Review(ctx, u.Review)
	if err != nil {
		return g, err
	}
	g.DueAt, g.Reviewer = r.Opened.DueAt, b.person(ctx, r.Opened.Owner)
	return g, nil
}

func (b *Bot) reviewLetter(ctx context.Context, stream workflows.StreamID, n workflows.Notice) (letter, error) {
	s, err := b.c.Desk.Review(ctx, workflows.ReviewID(stream.Rest()))
	if err != nil {
		return letter{}, err
	}
	r := b.review(ctx, s, n.To)
	if n.What == workflows.NoticeClosed {
		return letter{Message: r.Closed()}, nil
	}
	if n.What == reviews.NoticeTask {
		for _, t := range s.Tasks {
			if t.ID == n.Offer {
				return letter{Message: r.Task(t.ID, t.What, t.DueAt)}, nil
			}
		}
		return letter{}, fmt.Errorf("composing notice %q of a review: no such task", n.ID)
	}
	return letter{Message: r.Ask(), surface: stream, seq: s.Seq}, nil
}

// review is a review for a reader.
func (b *Bot) review(ctx context.Context, s reviews.State, reader workflows.PersonID) screens.Review {
	o := s.Opened
	r := screens.Review{
		In: b.in(ctx, reader), ID: s.ID, Runbook: workflows.StreamID(o.About).Rest(), Incident: o.Incident, Invoker: b.person(ctx, o.Invoker), At: s.At.UTC,
		DueAt: o.DueAt, Late: s.Late, Drill: o.Drill,
	}
	if about := workflows.StreamID(o.About); about.Kind() == workflows.KindRequest {
		r.Runbook, r.Request = "", workflows.RequestID(about.Rest())
	}
	if h, err := b.c.Desk.Grant(ctx, o.Grant); err == nil {
		r.What, r.Long = title(h.Hold.Approved.TargetTitle, h.Hold.Approved.Title), length(h.Hold)
	} else if !errors.Is(err, workflows.ErrNoStream) {
		b.log.WarnContext(ctx, "the grant of a review cannot be read", "review", s.ID, "err", err)
	}
	if s.Closed != nil {
		r.Verdict, r.Note, r.ClosedBy, r.ClosedAt = string(s.Closed.Verdict), s.Closed.Note, b.person(ctx, s.ClosedBy), s.ClosedAt.UTC
		return r
	}
	if s.MayReview(reader) {
		r.Close = b.c.Buttons.Value(Button{Kind: kindReview, ID: string(s.ID)}, reader)
	}
	return r
}
