package desk

import (
	"context"
	"errors"
	"slices"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/reviews"
)

// Tick does what the recorded deadlines of a stream demand now. It is called when a wake job is due, and may be called at
// any time: what is not due is not done.
func (d *Desk) Tick(ctx context.Context, stream workflows.StreamID) error {
	var fn decide
	switch stream.Kind() {
	case workflows.KindRequest:
		id := workflows.RequestID(stream.Rest())
		wider, err := d.wider(ctx, id)
		if err != nil {
			return err
		}
		fn = func(f workflows.Facts) (workflows.Outcome, error) { return workflows.Tick(f, id, wider) }
	case workflows.KindGrant:
		fn = func(f workflows.Facts) (workflows.Outcome, error) { return grants.Tick(f, stream) }
	case workflows.KindReview:
		fn = func(f workflows.Facts) (workflows.Outcome, error) { return reviews.Tick(f, stream) }
	default:
		return nil
	}
	_, err := d.update(ctx, "", []workflows.StreamID{stream}, func(f workflows.Facts) (workflows.Outcome, error) {
		return fn(f)
	})
	return err
}

// Restate writes down again which jobs and lists follow from a stream's entries: for rows that somebody else took away. It decides nothing.
func (d *Desk) Restate(ctx context.Context, stream workflows.StreamID) error {
	_, err := d.update(ctx, "", []workflows.StreamID{stream}, func(workflows.Facts) (workflows.Outcome, error) { return workflows.Outcome{}, nil })
	return err
}

// wider asks whom the open stage's escalation would add.
func (d *Desk) wider(ctx context.Context, id workflows.RequestID) (workflows.Rosters, error) {
	s, w, err := d.request(ctx, id)
	if err != nil || s.Final() {
		return workflows.Rosters{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return d.rosters(ctx, d.Policy(), w, askedOf(w, s)), nil
}

// Delivered records that somebody was told.
func (d *Desk) Delivered(ctx context.Context, cause Cause, stream workflows.StreamID, e workflows.NoticeDelivered) error {
	return d.told(ctx, cause, stream, e.Notice, e)
}

// Undelivered records that somebody could not be told, and why. A stage whose every approver is unreachable widens at once.
func (d *Desk) Undelivered(ctx context.Context, cause Cause, stream workflows.StreamID, e workflows.NoticeUndelivered) error {
	return d.told(ctx, cause, stream, e.Notice, e)
}

func (d *Desk) told(ctx context.Context, cause Cause, stream workflows.StreamID, id string, e workflows.Event) error {
	_, err := d.update(ctx, cause, []workflows.StreamID{stream}, func(f workflows.Facts) (workflows.Outcome, error) {
		var out workflows.Outcome
		_, owed, err := findNotice(stream, f.Histories[stream], id)
		if err != nil {
			return out, err
		}
		if owed {
			out.Add(stream, workflows.System, "", e)
		}
		return out, nil
	})
	return err
}

// Notice gives a message that is still owed; false when it has been delivered or no longer matters.
func (d *Desk) Notice(ctx context.Context, stream workflows.StreamID, id string) (workflows.Notice, bool, error) {
	h, err := d.ledger.History(ctx, stream)
	if err != nil {
		return workflows.Notice{}, false, err
	}
	return findNotice(stream, h, id)
}

func findNotice(stream workflows.StreamID, h []workflows.Record, id string) (workflows.Notice, bool, error) {
	var n workflows.Notice
	var ok bool
	switch stream.Kind() {
	case workflows.KindRequest:
		s, err := workflows.Fold(h)
		if err != nil {
			return n, false, err
		}
		n, ok = s.FindNotice(id)
	case workflows.KindGrant:
		s, err := grants.Fold(h)
		if err != nil {
			return n, false, err
		}
		n, ok = s.FindNotice(id)
	case workflows.KindReview:
		s, err := reviews.Fold(h)
		if err != nil {
			return n, false, err
		}
		n, ok = s.FindNotice(id)
	case workflows.KindRunbook:
		s, err := incidents.Fold(h)
		if err != nil {
			return n, false, err
		}
		n, ok = s.FindNotice(id)
	case workflows.KindPolicy:
		s, err := foldPolicy(h)
		if err != nil {
			return n, false, err
		}
		i := slices.IndexFunc(s.notices(), func(n workflows.Notice) bool { return n.ID == id })
		if ok = i >= 0; ok {
			n = s.notices()[i]
		}
	default:
		return n, false, errors.New("no notices on stream " + string(stream))
	}
	return n, ok, nil
}
