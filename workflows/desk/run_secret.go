package desk

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/runs"
)

// The secret that a step of a run made is taken in the same places as one that came with access: by who carries the run out, once.

// stepOfOrder is the step of which an order is; false for the id of a grant that no run made.
func stepOfOrder(id workflows.GrantID) (workflows.RunID, int, bool) {
	rest, ok := strings.CutPrefix(string(id), "g_")
	at := strings.LastIndex(rest, "-s")
	if !ok || at < 1 {
		return "", 0, false
	}
	n, err := strconv.Atoi(rest[at+2:])
	run := workflows.RunID("u_" + rest[:at])
	return run, n, err == nil && n > 0 && runs.OrderOf(run, n) == id
}

// IsRunSecret tells whether a secret was made by a step of a run rather than with access. The target may need it again while the run goes on, so taking it does
// not destroy it; a job does, when it is due.
func IsRunSecret(id workflows.GrantID) bool {
	_, _, ok := stepOfOrder(id)
	return ok
}

// SecretAt finds the secret of a grant or of a step of a run, in one form: workflows.ErrNoStream when there is neither.
func (d *Desk) SecretAt(ctx context.Context, id workflows.GrantID) (Holding, error) {
	h, err := d.Grant(ctx, id)
	if run, n, ok := stepOfOrder(id); ok && errors.Is(err, workflows.ErrNoStream) {
		s, err := d.Run(ctx, run)
		if err != nil {
			return Holding{}, err
		}
		if n <= len(s.Steps) && s.Steps[n-1].Secret() != "" {
			return d.runHolding(ctx, s, s.Steps[n-1]), nil
		}
		return Holding{}, workflows.ErrNoStream
	}
	return h, err
}

// takenWithin is how long after a run's end what it made can be taken.
const takenWithin = 7 * 24 * time.Hour

func (d *Desk) runHolding(ctx context.Context, s runs.State, st runs.StepState) Holding {
	a := grants.Approved{
		Grant: st.Order, Identity: s.Opened.Subject, Requester: s.Executor, Target: st.Does.Target, TargetTitle: st.Does.TargetTitle, Title: string(s.Opened.Subject), EndsAt: s.EndsAt,
	}
	if a.Identity.IsPerson() || a.Identity == "" {
		a.Identity = s.Executor.Identity()
	}
	if v, err := d.identityState(ctx, s.Opened.Subject); err == nil && v.Entry().Name != "" {
		a.Title = v.Entry().Name
	}
	return Holding{Stream: workflows.RunStream(s.ID), Hold: grants.Hold{Approved: a, Status: grants.StatusActive, Secret: grants.Secret{
		Kept: grants.SecretKept{Grant: st.Order, Way: grants.WayTaken, Until: s.EndsAt.Add(takenWithin)}, KeptAt: st.At,
		TakenAt: st.TakenAt, TakenBy: st.TakenBy, Destroyed: st.Destroyed,
	}}}
}

// runSecrets are the secrets of runs that wait for a person.
func (d *Desk) runSecrets(ctx context.Context, p workflows.PersonID) ([]Holding, error) {
	open, err := d.Runs(ctx, runs.ListSecrets, string(p), 0)
	var out []Holding
	for _, s := range open {
		for _, st := range s.Steps {
			if st.SecretWaits() && s.Executor == p {
				out = append(out, d.runHolding(ctx, s, st))
			}
		}
	}
	return out, err
}

func (d *Desk) takeRunSecret(ctx context.Context, c TakeSecret, run workflows.RunID, step int) (Answer, error) {
	e := runs.SecretTaken{Step: step, Order: c.Grant, Authn: c.Authn, Channel: c.Channel, From: c.From}
	if _, err := d.Run(ctx, run); err != nil {
		if !errors.Is(err, workflows.ErrNoStream) {
			return Answer{}, err
		}
		no := workflows.Refuse(workflows.CodeNotYours, "There is no such secret, or it is not yours.", "Only who holds the access can take what comes with it.")
		res, err := d.refuse(ctx, c.Cause, c.By, "take secret", c.Channel, string(c.Grant), "", no)
		return Answer{Refusal: res.Refusal, Records: res.Records}, err
	}
	res, err := d.update(ctx, c.Cause, []workflows.StreamID{workflows.RunStream(run)}, func(f workflows.Facts) (workflows.Outcome, error) {
		return runs.TakeSecret(f, run, e, c.By)
	})
	return answered(&res), err
}

// StepSecretDestroyed records that what was kept of the secret of a step is gone, if that was due.
func (d *Desk) StepSecretDestroyed(ctx context.Context, cause Cause, s runs.State, step int) error {
	stream := workflows.RunStream(s.ID)
	_, err := d.update(ctx, cause, []workflows.StreamID{stream}, func(f workflows.Facts) (workflows.Outcome, error) {
		return runs.DestroySecret(f, stream, step)
	})
	return err
}
