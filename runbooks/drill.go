package runbooks

import (
	"context"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

// Canary is an optional part of a connector: it can use what was granted as the holder would, so that a drill proves that
// access opens and that taking it back closes it, and does not only read what the target says of itself.
type Canary interface {
	// Try uses the access of a canary grant. It tells whether the target let it in; an error means that this cannot be told.
	// It changes nothing on the target.
	Try(ctx context.Context, g Grant, r Receipt) (bool, error)
}

// CanaryFields is an optional part of a connector whose entitlements take something from a form that a drill cannot make up.
type CanaryFields interface {
	// CanaryFields gives the form fields of a canary grant. It does no I/O.
	CanaryFields(id workflows.GrantID, params map[string][]string) (map[string]string, error)
}

// FillCanary gives a canary grant the form fields that its connector needs.
func (r *Runner) FillCanary(name string, id workflows.GrantID, params map[string][]string) (map[string]string, error) {
	c, ok := r.part(name).(CanaryFields)
	if !ok {
		return nil, nil
	}
	return c.CanaryFields(id, params)
}

// CanTry tells whether drills use the access of a canary on this target, and do not only read it back. Of a single grant a connector may still say no.
func (r *Runner) CanTry(name string) bool { return CanTry(r.part(name)) }

// CanTry is Runner.CanTry for a connector by itself.
func CanTry(c any) bool {
	if some, is := c.(interface{ CanTry() bool }); is && !some.CanTry() {
		return false // nothing is set up to try it on
	}
	_, ok := c.(Canary)
	return ok
}

// Settles is how long the target may go on letting in after it was read back without the access: twice what the connector calls typical.
func (r *Runner) Settles(name string) time.Duration {
	c := r.part(name)
	if c == nil {
		return 0
	}
	return 2 * c.Describe().RevokeLatency
}

// Try uses a canary's access; ok false where the connector cannot.
func (r *Runner) Try(ctx context.Context, name string, g Grant, receipt Receipt) (works, ok bool, err error) {
	c, ok := r.part(name).(Canary)
	if !ok || !CanTry(c) {
		return false, false, nil
	}
	if some, is := c.(interface{ CanTryGrant(Grant) bool }); is && !some.CanTryGrant(g.Clone()) {
		return false, false, nil
	}
	if g, ok, err = r.withSecret(ctx, name, g); !ok || err != nil {
		return false, ok, err
	}
	answer := make(chan bool, 1)
	failed := r.apart(ctx, name, "try", func(ctx context.Context) error {
		in, err := c.Try(ctx, g.Clone(), receipt)
		answer <- in
		return err
	})
	if failed != nil {
		return false, true, failed
	}
	return <-answer, true, nil
}

// withSecret gives a grant the secret that is kept for it. One whose connector makes secrets and that has none cannot be tried.
func (r *Runner) withSecret(ctx context.Context, name string, g Grant) (Grant, bool, error) {
	if c := r.part(name); c == nil || !c.Describe().Mints {
		maker, makes := r.part(name).(SecretMaker)
		if !makes {
			return g, true, nil
		}
		if made, err := maker.MakeSecret(g.Clone()); err != nil || made.IsZero() {
			_, own := r.part(name).(CanaryFields) // the canary's own credential, which the connector made when it filled in the form
			return g, own && err == nil, nil      // else of this kind of access nobody but its holder has the secret
		}
	}
	if r.safe == nil {
		return g, false, nil
	}
	kept, ok, err := r.safe.Kept(ctx, g.ID)
	if err != nil {
		return g, true, Errorf(Retry, err, "the place where secrets are kept cannot be read")
	}
	g.Secret = kept
	return g, ok, nil
}
