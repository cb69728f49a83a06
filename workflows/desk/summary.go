package desk

import (
	"context"

	"github.com/countersign-bot/countersign/workflows"
)

// Summarise records how many attempts of strangers were refused without an entry of their own.
func (d *Desk) Summarise(ctx context.Context, e workflows.RefusalsSummarised) error {
	_, err := d.update(ctx, "", nil, func(workflows.Facts) (workflows.Outcome, error) {
		var out workflows.Outcome
		out.Add(workflows.SystemStream, workflows.System, "", e)
		return out, nil
	})
	return err
}
