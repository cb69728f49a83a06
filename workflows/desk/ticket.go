package desk

import (
	"context"
	"slices"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// CloseTask ends all that hung on a task: access that was to last no longer than a ticket, and what was given for an incident that is kept
// elsewhere. It says how much access that was, and may be repeated.
func (d *Desk) CloseTask(ctx context.Context, cause Cause, by workflows.Acting, ref string) (int, error) {
	n, err := d.CloseTicket(ctx, cause, by, ref)
	if err != nil || ref == "" {
		return n, err
	}
	more, err := d.EndIncident(ctx, sub(cause, "incident"), by, ref)
	return n + more, err
}

// CloseTicket ends all access that was to last no longer than a ticket, and says how much that was. Each grant is ended by itself under a
// cause of its own, so that a call that broke off can be repeated.
func (d *Desk) CloseTicket(ctx context.Context, cause Cause, by workflows.Acting, ticket string) (int, error) {
	if ticket == "" {
		return 0, nil
	}
	streams, err := d.all(ctx, grants.ListTicket, ticket)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, stream := range streams {
		own := cause
		if cause != "" {
			own = cause + "/" + Cause(stream)
		}
		res, err := d.update(ctx, own, []workflows.StreamID{stream}, func(f workflows.Facts) (workflows.Outcome, error) {
			return closed(f, stream, by, ticket)
		})
		if err != nil {
			return n, err
		}
		for _, r := range res.Records {
			if _, ok := r.Event.(grants.Ending); ok && !res.Replayed {
				n++
			}
		}
	}
	return n, nil
}

func closed(f workflows.Facts, stream workflows.StreamID, by workflows.Acting, ticket string) (workflows.Outcome, error) {
	return endAll(f, stream, by, "Ticket "+ticket+" was closed.", func(h grants.Hold) bool { return h.Approved.Ticket == ticket })
}

// endAll calls off every hold of a grant stream that is due or active and fits.
func endAll(f workflows.Facts, stream workflows.StreamID, by workflows.Acting, why string, fits func(grants.Hold) bool) (workflows.Outcome, error) {
	var out workflows.Outcome
	for {
		g, err := grants.Fold(withNew(f, stream, out))
		if err != nil {
			return out, err
		}
		i := slices.IndexFunc(g.Holds, func(h grants.Hold) bool {
			return fits(h) && (h.Status == grants.StatusApproved || h.Status == grants.StatusActive)
		})
		if i < 0 {
			return out, nil
		}
		next := workflows.Facts{Now: f.Now, Histories: map[workflows.StreamID][]workflows.Record{stream: withNew(f, stream, out)}}
		end, err := grants.CallOff(next, stream, g.Holds[i].Approved.Grant, by, why)
		if err != nil {
			return out, err
		}
		out.Events = append(out.Events, end.Events...)
	}
}

// withNew is a history with what was just decided.
func withNew(f workflows.Facts, stream workflows.StreamID, out workflows.Outcome) []workflows.Record {
	if h, ok := f.Provisional(out.Events)[stream]; ok {
		return h
	}
	return f.Histories[stream]
}
