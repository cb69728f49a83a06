package desk

import (
	"context"
	"errors"
	"slices"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/campaigns"
	"github.com/countersign-bot/countersign/workflows/escalations"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/reviews"
	"github.com/countersign-bot/countersign/workflows/runs"
	"github.com/countersign-bot/countersign/workflows/targets"
)

// Tick does what the recorded deadlines of a stream demand now. It is called when a wake job is due, and may be called at
// any time: what is not due is not done.
func (d *Desk) Tick(ctx context.Context, stream workflows.StreamID) error {
	var fn decide
	switch stream.Kind() {
	case workflows.KindRequest:
		return d.tickRequest(ctx, workflows.RequestID(stream.Rest()))
	case workflows.KindGrant:
		return d.tickGrant(ctx, stream)
	case workflows.KindEscalation:
		return d.tickEscalation(ctx, stream)
	case workflows.KindReview:
		fn = func(f workflows.Facts) (workflows.Outcome, error) { return reviews.Tick(f, stream) }
	case workflows.KindIdentity:
		rotation := d.ids.New("o_")
		fn = func(f workflows.Facts) (workflows.Outcome, error) { return identities.Tick(f, stream, rotation) }
	case workflows.KindSheet:
		fn = func(f workflows.Facts) (workflows.Outcome, error) { return campaigns.Tick(f, stream) }
	case workflows.KindRun:
		fn = func(f workflows.Facts) (workflows.Outcome, error) { return runs.Tick(f, stream) }
	default:
		return nil
	}
	_, err := d.update(ctx, "", []workflows.StreamID{stream}, fn)
	return err
}

// tickRequest reminds, changes shifts, widens, ends; and grants what nobody objected to.
func (d *Desk) tickRequest(ctx context.Context, id workflows.RequestID) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	_, err := again(func() (Result, error) {
		v, err := d.Look(ctx, id)
		if err != nil {
			return Result{}, err
		}
		s, w, policy := v.State, v.Workflow, d.Policy()
		rosters, err := d.due(ctx, policy, s, w)
		if err != nil {
			return Result{}, err
		}
		made := d.making(ctx, policy, w, s.Asked.Subject, s.Requester.Person)
		fn := func(f workflows.Facts) (workflows.Outcome, error) {
			rosters := rosters
			last, err := v.last(policy, f)
			if err != nil {
				return workflows.Outcome{}, err
			}
			rosters.Final.Gone, rosters.Final.Frozen, rosters.Final.Conflict = last.Gone, last.Frozen, last.Conflict
			out, err := workflows.Tick(f, id, rosters)
			if err != nil {
				return out, err
			}
			return out, made.effect(f, &out)
		}
		return d.under(ctx, policy, "", v.streams(), fn)
	})
	return err
}

// due asks the world what a tick may need: whom the stages yield now, and, where the open one waits for objections, whether those who approved
// before still stand.
func (d *Desk) due(ctx context.Context, p *Policy, s workflows.State, w *workflows.Workflow) (workflows.Rosters, error) {
	st := s.Open()
	if st == nil {
		return workflows.Rosters{}, nil
	}
	a, err := d.askedOf(ctx, w, s)
	if err != nil {
		return workflows.Rosters{}, err
	}
	out := d.rosters(ctx, p, w, a)
	if st.Plan.Kind == workflows.StageConsent {
		out.Final = workflows.Final{Voters: d.voters(ctx, p, s, w, a), Grant: workflows.GrantID(d.ids.New("g_"))}
	}
	return out, nil
}

// Restate writes down again which jobs and lists follow from a stream's entries: for rows that somebody else took away. It decides nothing.
func (d *Desk) Restate(ctx context.Context, stream workflows.StreamID) error {
	_, err := d.update(ctx, "", []workflows.StreamID{stream}, func(workflows.Facts) (workflows.Outcome, error) { return workflows.Outcome{}, nil })
	return err
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
	case workflows.KindIncident:
		s, err := incidents.FoldIncident(h)
		if err != nil {
			return n, false, err
		}
		n, ok = s.FindNotice(id)
	case workflows.KindEscalation:
		s, err := escalations.Fold(h)
		if err != nil {
			return n, false, err
		}
		n, ok = s.FindNotice(id)
	case workflows.KindTarget:
		s, err := targets.Fold(h)
		if err != nil {
			return n, false, err
		}
		n, ok = s.FindNotice(id)
	case workflows.KindIdentity:
		s, err := identities.FoldIdentity(h)
		if err != nil {
			return n, false, err
		}
		n, ok = s.FindNotice(id)
	case workflows.KindCampaign:
		s, err := campaigns.Fold(h)
		if err != nil {
			return n, false, err
		}
		n, ok = s.FindNotice(id)
	case workflows.KindSheet:
		s, err := campaigns.FoldSheet(h)
		if err != nil {
			return n, false, err
		}
		n, ok = s.FindNotice(id)
	case workflows.KindRun:
		s, err := runs.Fold(h)
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
