package desk

import (
	"context"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// SurveyAt is a count of the inventory, with its time.
type SurveyAt struct {
	identities.Surveyed
	At workflows.Stamp `json:"at"`
}

// Surveys are the counts on record, the oldest first. There is one for a week.
func (d *Desk) Surveys(ctx context.Context) ([]SurveyAt, error) {
	h, err := d.ledger.History(ctx, identities.SurveyStream)
	if err != nil {
		return nil, err
	}
	var out []SurveyAt
	for _, r := range h {
		if e, ok := r.Event.(identities.Surveyed); ok {
			out = append(out, SurveyAt{e, r.At.UTC})
		}
	}
	return out, nil
}

// RecordSurvey keeps a count, unless its week has one.
func (d *Desk) RecordSurvey(ctx context.Context, e identities.Surveyed) error {
	_, err := d.update(ctx, Cause("survey/"+e.Week), []workflows.StreamID{identities.SurveyStream}, func(f workflows.Facts) (workflows.Outcome, error) {
		var out workflows.Outcome
		for _, r := range f.Histories[identities.SurveyStream] {
			if old, ok := r.Event.(identities.Surveyed); ok && old.Week == e.Week {
				return out, nil
			}
		}
		out.Add(identities.SurveyStream, workflows.System, "", e)
		return out, nil
	})
	return err
}
