package runbooks

import (
	"context"
	"maps"
)

// Rotate replaces a credential on a target whose connector can: the new one is made and kept before the target hears of it, proven, and only
// then the old one is retired. A call that is repeated with the same grant's id uses the same new secret. What is kept is taken like any
// other secret of a grant. Every error is an *Error, and leaves the old credential working unless retiring it was what failed.
func (r *Runner) Rotate(ctx context.Context, name string, g Grant) (Receipt, error) {
	o, err := r.take(name, g)
	if err != nil {
		return Receipt{}, err
	}
	rot, ok := o.connector.(Rotator)
	if !ok {
		return Receipt{}, Errorf(Refuse, nil, "the connector of this target cannot rotate: rotate by hand and say so")
	}
	job := Rotation{ID: "rot_" + string(g.ID), Identity: g.Identity, Account: g.Account, Params: o.grant.Params, Old: g.Fields["old"]}
	if job.Secret, err = r.nextSecret(ctx, &o); err != nil {
		return Receipt{}, err
	}
	var made Renewed
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"renew", func(ctx context.Context) (err error) { made, err = rot.Renew(ctx, job); return err }},
		{"prove", func(ctx context.Context) error { return rot.Prove(ctx, job, made) }},
		{"retire", func(ctx context.Context) error { return rot.Retire(ctx, job, made) }},
	} {
		if err := r.call(ctx, o, step.what, func() {}, func(ctx context.Context, _ Grant) error { return step.do(ctx) }); err != nil {
			return Receipt{}, err
		}
		if step.what == "renew" && !made.Secret.IsZero() {
			if err := r.keep(ctx, &o, Handover{Title: "The new secret of " + g.Account, Parts: []Part{{Name: "Secret", Value: made.Secret}}}); err != nil {
				return Receipt{}, err // the old one still works
			}
		}
	}
	facts := maps.Clone(made.Facts)
	if facts == nil {
		facts = map[string]string{}
	}
	return redactReceipt(Receipt{Ref: made.Ref, Facts: facts}), nil
}

// nextSecret is the secret of a rotation: the one that an earlier call kept, or a new one.
func (r *Runner) nextSecret(ctx context.Context, o *order) (Secret, error) {
	if r.safe == nil {
		return Secret{}, Errorf(Broken, nil, "a rotation makes a secret, and there is no place to keep it until it is taken")
	}
	kept, ok, err := r.safe.Kept(ctx, o.grant.ID)
	if err != nil {
		return Secret{}, Errorf(Retry, err, "the place where secrets are kept cannot be read")
	}
	if ok && len(kept.Parts) > 0 {
		return kept.Parts[0].Value, nil
	}
	s := NewPassword()
	return s, r.keepNil(ctx, o, s)
}

func (r *Runner) keepNil(ctx context.Context, o *order, s Secret) error {
	return r.keep(ctx, o, Handover{Title: "The new secret of " + o.grant.Account, Parts: []Part{{Name: "Secret", Value: s}}})
}
