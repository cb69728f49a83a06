package runbooks

import (
	"cmp"
	"context"
	"maps"
)

// FactLogin is the fact of a Renewed that names the login which the new secret opens, where that is another one than before.
const FactLogin = "login"

// Rotate replaces a credential on a target whose connector can: the new one is made and kept before the target hears of it, proven, and only
// then the old one is retired. A call that is repeated with the same grant's id uses the same new secret. What is kept is taken like any
// other secret of a grant. Every error is an *Error, and leaves the old credential working unless retiring it was what failed.
func (r *Runner) Rotate(ctx context.Context, name string, g Grant) (Receipt, error) {
	receipt, err := r.Renew(ctx, name, g)
	if err != nil {
		return Receipt{}, err
	}
	return r.Retire(ctx, name, g, receipt)
}

// Renew is the first half of a rotation: the new credential is made, kept and proven beside the old one, which works on. The receipt names it.
func (r *Runner) Renew(ctx context.Context, name string, g Grant) (Receipt, error) {
	t, err := r.turning(name, g)
	if err != nil {
		return Receipt{}, err
	}
	if t.job.Secret, err = r.nextSecret(ctx, &t.order); err != nil {
		return Receipt{}, err
	}
	var made Renewed
	if err := r.turn(ctx, t, "renew", func(ctx context.Context) (err error) { made, err = t.by.Renew(ctx, t.job); return err }); err != nil {
		return Receipt{}, err
	}
	if login := made.Facts[FactLogin]; login != "" || !made.Secret.IsZero() {
		h := Handover{Title: "The new secret of " + g.Account, Parts: []Part{{Name: "Secret", Value: cmp.Or(made.Secret, t.job.Secret)}}}
		if login != "" {
			h.Parts = append(h.Parts, Part{Name: "Login", Value: NewSecret(login), Public: true})
		}
		if err := r.keep(ctx, &t.order, h); err != nil {
			return Receipt{}, err // the old one still works
		}
	}
	if err := r.turn(ctx, t, "prove", func(ctx context.Context) error { return t.by.Prove(ctx, t.job, made) }); err != nil {
		return Receipt{}, err
	}
	facts := maps.Clone(made.Facts)
	if facts == nil {
		facts = map[string]string{}
	}
	return redactReceipt(Receipt{Ref: made.Ref, Facts: facts}), nil
}

// Retire is the second half: g is the order that Renew was called with, made what it answered. The new credential is proven once more, so that nobody is
// left without one, and the old one ended.
func (r *Runner) Retire(ctx context.Context, name string, g Grant, made Receipt) (Receipt, error) {
	t, err := r.turning(name, g)
	if err != nil {
		return Receipt{}, err
	}
	kept, ok, err := r.safe.Kept(ctx, g.ID)
	switch {
	case err != nil:
		return Receipt{}, Errorf(Retry, err, "the place where secrets are kept cannot be read")
	case !ok || len(kept.Parts) == 0:
		return Receipt{}, Errorf(Refuse, nil, "the new secret is not kept any more, so it cannot be seen to work: the old one was left as it is; rotate again")
	}
	t.job.Secret = kept.Parts[0].Value
	n := Renewed{Ref: made.Ref, Facts: made.Facts, Secret: t.job.Secret}
	if err := r.turn(ctx, t, "prove", func(ctx context.Context) error { return t.by.Prove(ctx, t.job, n) }); err != nil {
		return Receipt{}, err
	}
	if err := r.turn(ctx, t, "retire", func(ctx context.Context) error { return t.by.Retire(ctx, t.job, n) }); err != nil {
		return Receipt{}, err
	}
	return made, nil
}

// turning is a rotation under way.
type turning struct {
	order order
	by    Rotator
	job   Rotation
}

func (r *Runner) turning(name string, g Grant) (turning, error) {
	o, err := r.take(name, g)
	if err != nil {
		return turning{}, err
	}
	rot, ok := o.connector.(Rotator)
	switch {
	case !ok:
		return turning{}, Errorf(Refuse, nil, "the connector of this target cannot rotate: rotate by hand and say so")
	case r.safe == nil:
		return turning{}, Errorf(Broken, nil, "a rotation makes a secret, and there is no place to keep it until it is taken")
	}
	return turning{o, rot, Rotation{ID: "rot_" + string(g.ID), Identity: g.Identity, Account: g.Account, Params: o.grant.Params, Old: g.Fields["old"]}}, nil
}

// turn is one call of a rotation.
func (r *Runner) turn(ctx context.Context, t turning, what string, do func(context.Context) error) error {
	if err := r.call(ctx, t.order, what, func() {}, func(ctx context.Context, _ Grant) error { return do(ctx) }); err != nil {
		return err
	}
	return nil
}

// nextSecret is the secret of a rotation: the one that an earlier call kept, or a new one.
func (r *Runner) nextSecret(ctx context.Context, o *order) (Secret, error) {
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
