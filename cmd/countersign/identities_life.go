package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// makeAccount makes the account of a new identity on its target, as a request was approved. A target that will never make it is recorded; everything
// else is tried again.
func (s *serving) makeAccount(ctx context.Context, j jobs.Job) error {
	id := workflows.IdentityID(j.Stream.Rest())
	order, due, err := s.desk.AccountToMake(ctx, id)
	if err != nil || !due || string(order.Request) != j.Key {
		return err
	}
	done := identities.AccountMade{Request: order.Request, Proof: identities.ProofVerified}
	was, err := s.desk.AccountHad(ctx, id)
	if err != nil {
		return err
	}
	done.Ref, err = s.onTarget(ctx, order, was)
	var classed *runbooks.Error
	switch {
	case errors.As(err, &classed) && classed.Class == runbooks.Refuse:
		done.Ref, done.Proof, done.Why = "", identities.ProofDeclared, classed.Text
	case err != nil:
		return fmt.Errorf("making or changing the account of %q on %q: %w", id, order.Target, err)
	}
	return s.desk.AccountMade(ctx, desk.Cause(j.Cause()), id, done)
}

// onTarget has the connector do what was ordered; a refusal says that it will never. was: what a change of its scope takes away.
func (s *serving) onTarget(ctx context.Context, o identities.AccountOrdered, was []string) (string, error) {
	c, _ := s.runner.Connector(string(o.Target))
	account := runbooks.NewAccount{Order: string(o.Request), Account: o.Account, Params: o.Params, Was: was}
	if o.Until != 0 {
		account.Until = o.Until.Time()
	}
	if !o.Scope {
		if maker, can := c.(runbooks.AccountMaker); can {
			return maker.MakeAccount(ctx, account)
		}
		return "", runbooks.Errorf(runbooks.Refuse, nil, "the connector of %s cannot make accounts", o.Target)
	}
	scoper, can := c.(runbooks.AccountScoper)
	switch {
	case !can:
		return "", runbooks.Errorf(runbooks.Refuse, nil, "the connector of %s cannot change what an account may do", o.Target)
	case o.Account == "":
		return "", runbooks.Errorf(runbooks.Refuse, nil, "the identity has no account on record on %s", o.Target)
	}
	what, err := scoper.ScopeAccount(ctx, account)
	return identities.RefScope + what, err
}

// openRenewal asks for a later end of an identity whose end comes near, in the name of who answers for it.
func (s *serving) openRenewal(ctx context.Context, j jobs.Job) error {
	cause := desk.Cause(fmt.Sprintf("renewal/%s/%s/%s", j.Stream.Rest(), j.Key, workflows.StampOf(s.clock.Now().Wall).String()[:10]))
	err := s.desk.OpenRenewal(ctx, cause, workflows.IdentityID(j.Stream.Rest()))
	if errors.Is(err, desk.ErrRenewLater) {
		return &jobs.RetryAfter{D: renewAgain, Why: err.Error()}
	}
	return err
}

const renewAgain = 6 * time.Hour // a freeze, or a full list of open requests, lasts days

// renewIdentity asks for a later end of an identity through the chain that decides about it; false where the documents have none, or who asks may not use
// it: then the desk says what becomes of it.
func (s *serving) renewIdentity(ctx context.Context, by workflows.Acting, cause workflows.Cause, o order, until workflows.Stamp) (reply, bool, error) {
	v, err := s.desk.Identity(ctx, by.Person, workflows.IdentityID(o.ID))
	if errors.Is(err, workflows.ErrNoStream) {
		return reply{}, false, nil
	}
	if err != nil {
		return reply{}, false, err
	}
	chain, ok, err := s.desk.LifeChain(ctx, by.Person, workflows.LifeRenew, v.Entry.Target)
	if err != nil || !ok {
		return reply{}, false, err
	}
	now := workflows.StampOf(s.clock.Now().Wall)
	if until <= now {
		r, err := s.refuse(ctx, cause, by, "renew", workflows.Refuse(workflows.CodeBadField, "The new end has passed already, or none was given.", "countersign identities renew ID -expires DAY -reason TEXT"))
		return r, true, err
	}
	w := s.desk.Policy().Workflows[chain].Workflow
	ask := order{Do: "request", Workflow: string(chain), For: o.ID, Long: workflows.SpanOf(until.Time().Sub(now.Time())), Reason: o.Reason, Fields: map[string]string{}}
	for _, e := range w.Entitlements {
		if e.Target == v.Entry.Target {
			ask.What = e.Name()
			break
		}
	}
	r, err := s.cliRequest(ctx, by, cause, ask)
	return r, true, err
}
