package desk

import (
	"context"
	"maps"
	"slices"

	"github.com/countersign-bot/countersign/workflows"
)

// CounterOffer is an approver offering other terms, as it came from them.
type CounterOffer struct {
	Cause      Cause
	By         workflows.Acting
	Request    workflows.RequestID
	Stage      int
	Shown      string
	Terms      workflows.Terms
	Reason     string
	ReceivedAt workflows.Stamp // zero: now
	Authn      string
	Channel    string
	Payload    string
}

// Counter records an offer of other terms; the request goes on as it is until its requester accepts.
func (d *Desk) Counter(ctx context.Context, c CounterOffer) (Answer, error) {
	return d.Vote(ctx, Ballot{
		Cause: c.Cause, By: c.By, Request: c.Request, Verdict: workflows.Counter, Stage: c.Stage, Shown: c.Shown, Reason: c.Reason,
		ReceivedAt: c.ReceivedAt, Authn: c.Authn, Channel: c.Channel, Payload: c.Payload, Terms: c.Terms,
	})
}

// OfferAnswer is the requester answering a counter-offer.
type OfferAnswer struct {
	Cause   Cause
	By      workflows.Acting
	Request workflows.RequestID
	Offer   string
	Channel string
	Authn   string
}

// DeclineOffer turns a counter-offer down; the request goes on as it was.
func (d *Desk) DeclineOffer(ctx context.Context, c OfferAnswer) (Answer, error) {
	if _, no, err := d.seen(ctx, c.Cause, c.By, "decline", c.Channel, c.Request); no != nil || err != nil {
		return answered(no), err
	}
	stream := workflows.RequestStream(c.Request)
	res, err := d.update(ctx, c.Cause, []workflows.StreamID{stream}, func(f workflows.Facts) (workflows.Outcome, error) {
		return workflows.Decline(f, c.Request, workflows.OfferAnswer{By: c.By, Offer: c.Offer, Channel: c.Channel})
	})
	return answered(&res), err
}

// AcceptOffer takes a counter-offer up: the old request ends and one with the offered terms opens, both or neither.
func (d *Desk) AcceptOffer(ctx context.Context, c OfferAnswer) (Submitted, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return again(func() (Submitted, error) { return d.accept(ctx, c) })
}

func (d *Desk) accept(ctx context.Context, c OfferAnswer) (Submitted, error) {
	v, no, err := d.seen(ctx, c.Cause, c.By, "accept", c.Channel, c.Request)
	if err != nil {
		return Submitted{}, err
	}
	if no != nil {
		return submitted(*no), nil
	}
	policy := d.Policy()
	now, ok := policy.Workflows[v.State.Asked.Workflow]
	if !ok {
		return d.refuseSubmit(ctx, Submission{Cause: c.Cause, By: c.By, Channel: c.Channel}, noWorkflow(), string(v.State.Asked.Workflow), "")
	}
	offer := v.offer(c.Offer)
	now = policy.formed(now, v.State.Asked.Runbook)
	q, err := d.ask(ctx, policy, now, v.again(offer.Terms, c))
	if err != nil {
		return Submitted{}, err
	}
	q.counted = true
	offerer := d.offerer(ctx, q, offer.By.Person)
	streams := q.streams()
	for _, s := range v.streams() {
		if !slices.Contains(streams, s) {
			streams = append(streams, s)
		}
	}
	res, err := d.under(ctx, policy, c.Cause, streams, func(f workflows.Facts) (workflows.Outcome, error) {
		ask, err := q.within(f)
		if err != nil {
			return workflows.Outcome{}, err
		}
		final := workflows.Final{Grant: ask.Grant, Voters: map[workflows.PersonID]workflows.Standing{offer.By.Person: offerer}, Frozen: ask.Frozen, Conflict: ask.Conflict}
		out, err := now.Workflow.Accept(f, c.Request, workflows.Acceptance{
			By: c.By, Offer: c.Offer, Ask: ask, Offerer: offerer, Final: final, Authn: c.Authn, Channel: c.Channel,
		})
		if err != nil {
			return out, err
		}
		return out, q.follows(f, &out, ask)
	})
	return submitted(res), err
}

// offer finds one that was made, or nothing.
func (v View) offer(id string) workflows.Offer {
	for _, o := range v.State.Offers {
		if o.ID == id {
			return o
		}
	}
	return workflows.Offer{}
}

// again is the submission of the same request with other terms.
func (v View) again(t workflows.Terms, c OfferAnswer) Submission {
	x := v.State.Asked
	values := maps.Clone(x.Fields)
	if values == nil {
		values = map[string]string{}
	}
	maps.Copy(values, x.Texts)
	out := Submission{
		Cause: c.Cause, By: c.By, Workflow: x.Workflow, Subject: x.Subject, Runbook: x.Runbook, Channel: c.Channel, Authn: c.Authn,
		Drill: x.Drill, Extends: x.Extends, NotBefore: max(x.NotBefore, t.NotBefore),
	}
	if x.Request == workflows.KindPreapprove {
		out.Subject = ""
	}
	out.Form = t.With(workflows.Form{Target: x.Target, Entitlement: x.Entitlement, Seconds: x.Seconds, Reason: x.Reason, Values: values})
	return out
}

// offerer asks whether somebody who made an offer may still decide where the new request begins.
func (d *Desk) offerer(ctx context.Context, q *question, who workflows.PersonID) workflows.Standing {
	s, err := d.directory.StandingOf(ctx, who)
	if err != nil {
		d.log.WarnContext(ctx, "standing of an offerer not known", "person", who, "err", err)
		return workflows.Standing{}
	}
	if list := q.ask.Rosters.Stages; len(list) > 0 {
		all := slices.Concat(list[0].Approvers, list[0].Escalate, slices.Concat(list[0].Then...))
		s.Selected = slices.ContainsFunc(all, func(s workflows.Seat) bool { return s.Person == who })
	}
	return s
}

// Remark is somebody's note on a request.
type Remark struct {
	Cause   Cause
	By      workflows.Acting
	Request workflows.RequestID
	Text    string
	Channel string
}

// Comment adds a note of somebody who may see the request. It decides nothing.
func (d *Desk) Comment(ctx context.Context, c Remark) (Answer, error) {
	if _, kind := workflows.WithoutCredentials(c.Text); kind != "" {
		no, err := d.Refuse(ctx, c.Cause, c.By, "comment", c.Channel, string(c.Request), workflows.RefuseCredential(kind))
		return Answer{Refusal: no}, err
	}
	if _, no, err := d.seen(ctx, c.Cause, c.By, "comment", c.Channel, c.Request); no != nil || err != nil {
		return answered(no), err
	}
	if no := d.standing(ctx, c.By).HoldRefusal(); no != nil { // who left, a guest and a machine say nothing on a card that others decide by
		no, err := d.Refuse(ctx, c.Cause, c.By, "comment", c.Channel, string(c.Request), no)
		return Answer{Refusal: no}, err
	}
	stream := workflows.RequestStream(c.Request)
	res, err := d.update(ctx, c.Cause, []workflows.StreamID{stream}, func(f workflows.Facts) (workflows.Outcome, error) {
		return workflows.Comment(f, c.Request, workflows.Remark{By: c.By, Text: c.Text, Channel: c.Channel})
	})
	return answered(&res), err
}
