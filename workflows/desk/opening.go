package desk

import (
	"context"
	"errors"

	"github.com/countersign-bot/countersign/workflows"
)

// Opening is somebody who has a request before them on a screen of its own.
type Opening struct {
	Cause   Cause
	By      workflows.Acting
	Request workflows.RequestID
	How     string // workflows.OpenedToRead …
	Channel string
}

// Opened records that somebody who can decide a request opened it; of anybody else, and the second time, it records nothing. The screen is before
// them already: what goes wrong here is logged, and their vote will say that they did not open it.
func (d *Desk) Opened(ctx context.Context, o Opening) {
	v, err := d.Look(ctx, o.Request)
	if errors.Is(err, workflows.ErrNoStream) || err == nil && !v.State.NewsOf(o.By.Person) {
		return
	}
	if err == nil {
		_, err = d.update(ctx, o.Cause, []workflows.StreamID{v.Stream}, func(f workflows.Facts) (workflows.Outcome, error) {
			return workflows.Open(f, o.Request, workflows.Opens{By: o.By, How: o.How, Channel: o.Channel})
		})
	}
	if err != nil {
		d.log.ErrorContext(ctx, "that a request was opened is not recorded", "request", o.Request, "person", o.By.Person, "err", err)
	}
}
