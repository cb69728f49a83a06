package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/seal"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/runs"
)

// jobRotations has the secrets replaced whose rotation is open: by policy, on demand, after a leak or a broken glass.
const jobRotations = "rotations.carry"

// carryRotations opens the routine that replaces a secret, where the documents have one for the identity's target, and closes the rotation when
// that is carried out. An identity without such a routine waits for its owner's word, as its message says.
func (s *serving) carryRotations(ctx context.Context, _ jobs.Job) error {
	errs := []error{s.desk.RotateExposed(ctx)}
	list, err := s.desk.Rotating(ctx)
	if err != nil {
		return err
	}
	for _, id := range list {
		if err := s.desk.CarryRotation(ctx, id); err != nil {
			errs = append(errs, fmt.Errorf("rotating the secret of %q: %w", id, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return jobs.Done
}

// turn carries out a step that makes a secret, ends an old one, or both.
func (e effects) turn(ctx context.Context, s runs.State, st runs.StepState, g runbooks.Grant) (receipt runbooks.Receipt, err error) {
	name := string(st.Does.Target)
	switch st.Action {
	case incidents.ActRenew:
		if receipt, err = e.runner.Renew(ctx, name, g); err != nil {
			return receipt, err
		}
	case incidents.ActRotate:
		if receipt, err = e.runner.Rotate(ctx, name, g); err == nil {
			receipt.Facts, err = e.oldIsGone(ctx, name, g, receipt, s.Opened.Subject)
		}
		if err != nil {
			return receipt, err
		}
	default:
		renewed, ok := s.Renewed(st)
		if !ok || renewed.Status != runs.Done {
			return receipt, runbooks.Errorf(runbooks.Refuse, nil, "no new secret was made in this run, so the old one was left as it is")
		}
		if g, err = e.orderOf(ctx, s, renewed); err != nil {
			return receipt, runbooks.Errorf(runbooks.Refuse, nil, "%s", err)
		}
		made := maps.Clone(renewed.Facts)
		delete(made, workflows.FactSecret) // the step that made it says it
		receipt, err = e.runner.Retire(ctx, name, g, runbooks.Receipt{Ref: renewed.Ref, Facts: made})
		if err == nil {
			receipt.Facts, err = e.oldIsGone(ctx, name, g, receipt, s.Opened.Subject)
		}
		return receipt, err
	}
	if e.hand == nil {
		return receipt, nil
	}
	h, ok, err := e.hand.safe.Kept(ctx, g.ID)
	if err != nil || !ok || len(h.Parts) == 0 {
		return receipt, runbooks.Errorf(runbooks.Retry, err, "the place where secrets are kept cannot be read")
	}
	if receipt.Facts = maps.Clone(receipt.Facts); receipt.Facts == nil {
		receipt.Facts = map[string]string{} // a target that has nothing to say beside the name
	}
	receipt.Facts[workflows.FactSecret] = seal.Fingerprint(e.hand.safe.mark, h.Parts[0].Value.Reveal())
	return receipt, nil
}

// destroy is the job that destroys what is kept of the secret of a step, once it was taken and no step needs it any more.
func (e effects) destroy(ctx context.Context, j jobs.Job) error {
	s, st, due, err := e.desk.StepDue(ctx, j.Stream, j.Kind, j.Key)
	if err != nil || !due {
		return err
	}
	if err := e.hand.safe.drop(ctx, st.Order); err != nil {
		return err
	}
	return e.desk.StepSecretDestroyed(ctx, desk.Cause(j.Cause()), s, st.Number)
}

// oldIsGone reads the target back after a rotation: the old credential must not be there any more, nor, where none was named, another of the
// same account than the one that was made. A target that cannot list its credentials is no error, and says nothing; neither does one whose account keeps
// its name and had its password replaced. An identity that is a key or a certificate of its own is known by the new one from now on.
func (e effects) oldIsGone(ctx context.Context, target string, g runbooks.Grant, done runbooks.Receipt, about workflows.IdentityID) (map[string]string, error) {
	old, facts := g.Fields["old"], done.Facts
	c, _ := e.runner.Connector(target)
	d, ok := c.(runbooks.Discoverer)
	if old == "" && (g.Account == "" || done.Ref == "") || !ok {
		return facts, nil
	}
	var made *runbooks.Discovered
	for x, err := range d.Discover(ctx) {
		if err != nil {
			return facts, runbooks.Errorf(runbooks.Retry, err, "whether the old credential is gone cannot be read")
		}
		if strings.HasPrefix(done.Ref, x.Ref+" password ") {
			return facts, nil // one account with another password: it stays, and which passwords it has no target tells
		}
		if x.Ref == done.Ref {
			made = &x
		}
		if old != "" && x.Ref == old || old == "" && (x.Name == g.Account || x.Ref == g.Account) && x.Ref != done.Ref {
			return facts, runbooks.Errorf(runbooks.Retry, nil, "the old credential is still there")
		}
	}
	if old == "" && made == nil {
		return facts, nil // what it lists is not what was made, so its list says nothing of the old one
	}
	if made != nil && e.named != nil && about != "" && nameOnTarget(*made) == made.Ref && made.Ref != g.Account {
		if err := e.named(ctx, about, workflows.TargetID(target), *made); err != nil {
			return facts, err
		}
	}
	out := maps.Clone(facts)
	if out == nil {
		out = map[string]string{}
	}
	out[workflows.FactOldGone] = "read back"
	return out, nil
}

// knownBy has the inventory know an identity by the credential that took the place of its old one. What discovery found meanwhile as somebody's nobody knows
// is that, too.
func (s *serving) knownBy(ctx context.Context, id workflows.IdentityID, t workflows.TargetID, x runbooks.Discovered) error {
	claim, _, err := s.discovered(ctx, t, x)
	if err != nil {
		return err
	}
	claim.ID = id
	if _, err := s.desk.TakeIn(ctx, workflows.System, []desk.IdentityClaim{claim}); err != nil {
		return err
	}
	return s.desk.EachIdentity(ctx, workflows.InventoryQuery{Key: identities.MarkKey(claim.Claim.Says.Mark)}, func(r workflows.InventoryRow) error {
		if r.ID == id {
			return nil
		}
		return s.desk.Forget(ctx, r.ID, claim.Claim.Source, "it is the next one of "+string(id))
	})
}
