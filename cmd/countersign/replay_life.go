package main

import (
	"context"
	"reflect"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// lifeRequest is the request that is the source of a claim; empty: it is none.
func lifeRequest(source string) workflows.RequestID {
	rest, ok := strings.CutPrefix(source, workflows.KindRequest+"/")
	if !ok {
		return ""
	}
	return workflows.RequestID(rest)
}

// altered judges a change of an identity that says a request was approved for it: it was, at that moment, for that identity, by a chain that does that.
func (j *judge) altered(ctx context.Context, r workflows.Record, id workflows.RequestID) error {
	if id == "" {
		return nil // people of the product, a source or an older ledger said so
	}
	j.out.Decisions++
	s, at, ok, err := j.approved(ctx, id)
	if err != nil {
		return err
	}
	if !ok || at.At.UTC != r.At.UTC || s.Asked.Request != workflows.KindLife || workflows.IdentityStream(s.Whose()) != r.Stream {
		j.wrong(r, "changes an identity by request %s, which was not approved for that then", id)
		return nil
	}
	w, err := of(ctx, j, j.workflows, at)
	if w == nil || err != nil {
		return err
	}
	until := r.At.UTC.Add(s.Asked.Seconds.Duration())
	ent, _ := w.Entitlement(s.Asked.Target, s.Asked.Entitlement)
	good := false
	switch e := r.Event.(type) {
	case identities.Claimed:
		good = w.Life != nil && (w.Life.Action == workflows.LifeOnboard && e.Says.Expires == until && e.Says.Target == ent.Target && e.Says.Owner == string(s.Requester.Person) ||
			w.Life.Action == workflows.LifeScope && reflect.DeepEqual(e.Says, identities.Entry{Scope: []string{s.Asked.Fields[workflows.LifeFieldScope]}, Ticket: string(workflows.RequestStream(id))}))
	case identities.Renewed:
		good = w.Life != nil && w.Life.Action == workflows.LifeRenew && e.Expires == until && samePeople(e.Approvers, s.Voters())
	case identities.AccountOrdered:
		onboards := w.Life != nil && w.Life.Action == workflows.LifeOnboard && w.Life.Make && e.Until == until && !e.Scope && !e.ByHand
		scopes := w.Life != nil && w.Life.Action == workflows.LifeScope && e.Scope && e.Until == 0 && e.ByHand != w.Life.Make
		good = (onboards || scopes) && e.Target == ent.Target && e.Entitlement == ent.ID && reflect.DeepEqual(e.Params, withFields(ent.Params, s.Asked.Fields))
	}
	if !good {
		j.wrong(r, "changes an identity on other terms than request %s and its document give", id)
	}
	return nil
}

// byClock judges a request that nobody asked: the bot opens nothing but the renewal of an identity whose end came near, once its owner was due to be asked.
func (c *chain) byClock(ctx context.Context, r workflows.Record) error {
	if r.Actor != workflows.SystemActor {
		return nil
	}
	ok := false
	if c.w.Life != nil && c.w.Life.Action == workflows.LifeRenew && c.sub.Authn == desk.AuthnClock {
		at, _, asked, err := find(ctx, c.j, workflows.IdentityStream(c.sub.Subject), func(identities.RenewalAsked) bool { return true })
		if err != nil {
			return err
		}
		ok = asked && at.Index < r.Index
	}
	if !ok {
		c.j.wrong(r, "was asked by nobody, and the program opens nothing but the renewal of an identity whose end came near")
	}
	return nil
}

// lived tells whether the approval of a change of an identity brought that about.
func (c *chain) lived(ctx context.Context, id workflows.RequestID) (ok bool, err error) {
	s := workflows.State{Asked: c.sub}
	stream := workflows.IdentityStream(s.Whose())
	if c.w.Life != nil && c.w.Life.Action == workflows.LifeRenew {
		_, _, ok, err = find(ctx, c.j, stream, func(e identities.Renewed) bool { return e.Request == id })
		return ok, err
	}
	_, _, ok, err = find(ctx, c.j, stream, func(e identities.Claimed) bool { return lifeRequest(e.Source) == id })
	return ok, err
}
