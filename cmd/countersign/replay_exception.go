package main

import (
	"context"
	"reflect"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// identity judges what was decided about an identity by a request: an exception stands only as the request that it names was approved, by the terms of the
// document that bound it.
func (j *judge) identity(ctx context.Context, h []workflows.Record) error {
	for _, r := range h {
		var err error
		switch e := r.Event.(type) {
		case identities.ExceptionGranted:
			j.out.Decisions++
			err = j.excepted(ctx, r, e)
		case identities.Claimed:
			err = j.altered(ctx, r, lifeRequest(e.Source))
		case identities.Renewed:
			err = j.altered(ctx, r, e.Request)
		case identities.AccountOrdered:
			err = j.altered(ctx, r, e.Request)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (j *judge) excepted(ctx context.Context, r workflows.Record, e identities.ExceptionGranted) error {
	stream := workflows.RequestStream(workflows.RequestID(e.Exception))
	at, sub, ok, err := find(ctx, j, stream, func(workflows.Submitted) bool { return true })
	if err != nil {
		return err
	}
	approvedAt, _, approved, err := find(ctx, j, stream, func(workflows.Approved) bool { return true })
	if err != nil {
		return err
	}
	w, err := of(ctx, j, j.workflows, at)
	if err != nil {
		return err
	}
	switch {
	case !ok || sub.Request != workflows.KindException || string(sub.Subject) != r.Stream.Rest():
		j.wrong(r, "waives a control by request %s, which did not ask for that", e.Exception)
	case !approved || approvedAt.At.UTC != r.At.UTC:
		j.wrong(r, "waives a control by request %s, which was not approved then", e.Exception)
	case w == nil: // that has been said
	case w.Exception == nil || e.Control != w.Exception.Control || e.Failed != w.Exception.Failed || !reflect.DeepEqual(e.Checks, w.Exception.Checks):
		j.wrong(r, "waives a control on other terms than its document gives")
	case e.EndsAt != r.At.UTC.Add(sub.Seconds.Duration()) || e.Renewal != sub.Renewal || e.Since != sub.Since:
		j.wrong(r, "waives a control for longer, or as another renewal, than was asked for")
	}
	return nil
}
