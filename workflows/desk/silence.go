package desk

import (
	"context"
	"slices"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/campaigns"
)

// Silence is what a person of security is told together with a sheet that lapsed: all sheets of its run that lapsed by now and that they were not told
// of, by number. With a wait it is nothing yet: the others of the same deadline are about to lapse as well.
func (d *Desk) Silence(ctx context.Context, p workflows.PersonID, id workflows.SheetID) (sheets []campaigns.Sheet, wait time.Duration, err error) {
	this, err := d.Sheet(ctx, id)
	if err != nil {
		return nil, 0, err
	}
	now, err := d.now(ctx)
	if err != nil {
		return nil, 0, err
	}
	if until := this.LapsedAt.Add(campaigns.SilenceTogether); now < until {
		return nil, until.Sub(now), nil
	}
	sheets, err = d.SheetsOf(ctx, this.Opened.Run)
	return slices.DeleteFunc(sheets, func(s campaigns.Sheet) bool {
		_, owed := s.FindNotice(campaigns.NoticeSilent + "/" + string(p))
		return !owed
	}), 0, err
}
