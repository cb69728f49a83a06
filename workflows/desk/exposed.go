package desk

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/reviews"
)

// RotateExposed opens the rotation of every identity whose secret somebody got to see through a broken glass, once the use is over. It may be called at any
// time: each is opened once for each use.
func (d *Desk) RotateExposed(ctx context.Context) error {
	list, err := d.Reviews(ctx, "", 0)
	if err != nil {
		return err
	}
	var errs []error
	for _, s := range list {
		exposed := slices.DeleteFunc(slices.Clone(s.Tasks), func(t reviews.TaskState) bool { return t.Identity == "" })
		if s.Opened.Drill || len(exposed) == 0 {
			continue
		}
		over, err := d.isUseOver(ctx, s)
		for _, t := range exposed {
			if err == nil && over {
				_, err = d.Rotate(ctx, Cause(fmt.Sprintf("glass/%s/%s", s.ID, t.ID)), t.Identity, identities.RotateBreakGlass)
			}
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("rotating what review %q says was exposed: %w", s.ID, err))
		}
	}
	return errors.Join(errs...)
}

// isUseOver tells whether nothing goes on any more of what a review is about: no access is left of it, and where there was none, its run is closed.
func (d *Desk) isUseOver(ctx context.Context, s reviews.State) (bool, error) {
	held, carried := []workflows.GrantID{s.Opened.Grant}, []workflows.RunID{s.Opened.Run}
	for _, u := range s.Joined {
		held, carried = append(held, u.Grant), append(carried, u.Run)
	}
	closed := true
	for _, id := range carried {
		if id == "" {
			continue
		}
		r, err := d.Run(ctx, id)
		if err != nil {
			return false, err
		}
		held, closed = append(held, r.Grants...), closed && r.Closed != nil
	}
	had := false
	for _, id := range held {
		if id == "" {
			continue
		}
		h, err := d.Grant(ctx, id)
		if errors.Is(err, workflows.ErrNoStream) {
			continue // a runbook of steps alone: its invocation gave no access
		}
		if err != nil || h.Hold.Live() {
			return false, err
		}
		had = true
	}
	return had || closed, nil
}
