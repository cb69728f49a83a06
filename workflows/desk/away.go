package desk

import (
	"cmp"
	"context"
	"slices"
	"sort"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// Leave is somebody announcing time off, or coming back from it.
type Leave struct {
	Cause    Cause
	By       workflows.Acting
	Away     string          // ComeBack: which time off; empty: the one that runs now
	From     workflows.Stamp // zero: now
	Until    workflows.Stamp
	Delegate workflows.PersonID // who decides in their place; empty: nobody
	Reason   string
	Channel  string
	Authn    string
}

// GoAway announces time off. Where somebody decides in the person's place, they are asked in the stages that wait for the person now, if the
// time off runs already, and in those that open, widen or change shift from then on.
func (d *Desk) GoAway(ctx context.Context, c Leave) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	l := identities.Leave{
		By: c.By, Standing: d.standing(ctx, c.By), ID: d.ids.New("w_"), From: c.From, Until: c.Until, Delegate: c.Delegate, Reason: c.Reason,
		Authn: c.Authn, Channel: c.Channel,
	}
	if c.Delegate != "" {
		l.Stand = d.standingOf(ctx, c.Delegate)
	}
	a, err := d.leave(ctx, c, func(f workflows.Facts) (workflows.Outcome, error) { return identities.GoAway(f, l) })
	if err != nil || a.Refusal != nil || c.Delegate == "" {
		return a, err
	}
	return a, d.standIn(ctx, c.By.Person, c.Delegate)
}

// standIn lets a delegate decide what waits for the person already. Time off that begins later changes nothing that is open now.
func (d *Desk) standIn(ctx context.Context, p, delegate workflows.PersonID) error {
	list, err := d.AwayNow(ctx, p)
	if err != nil {
		return err
	}
	streams, err := d.all(ctx, workflows.ListWaiting, string(p))
	if err != nil {
		return err
	}
	for _, stream := range streams {
		_, err := d.update(ctx, "", []workflows.StreamID{stream}, func(f workflows.Facts) (workflows.Outcome, error) {
			running := func(a identities.AwayState) bool {
				return a.Delegate == delegate && a.From <= f.Now.UTC && f.Now.UTC < a.Until
			}
			if !slices.ContainsFunc(list, running) {
				return workflows.Outcome{}, nil
			}
			return workflows.StandIn(f, workflows.RequestID(stream.Rest()), p, delegate)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// ComeBack ends time off early, or calls it off.
func (d *Desk) ComeBack(ctx context.Context, c Leave) (Answer, error) {
	l := identities.Leave{By: c.By, ID: c.Away, Channel: c.Channel}
	return d.leave(ctx, c, func(f workflows.Facts) (workflows.Outcome, error) { return identities.ComeBack(f, l) })
}

func (d *Desk) leave(ctx context.Context, c Leave, fn decide) (Answer, error) {
	var streams []workflows.StreamID
	if c.By.Person != "" {
		streams = append(streams, workflows.PersonStream(c.By.Person))
	}
	res, err := d.update(ctx, c.Cause, streams, fn)
	return answered(&res), err
}

// standingOf asks about a person; failing to ask is a standing that refuses.
func (d *Desk) standingOf(ctx context.Context, p workflows.PersonID) workflows.Standing {
	s, err := d.directory.StandingOf(ctx, p)
	if err != nil {
		d.log.WarnContext(ctx, "standing not known", "person", p, "err", err)
		return workflows.Standing{}
	}
	return s
}

// AwayNow is the time off of a person that is not over, the soonest first; that of everybody for the empty person.
func (d *Desk) AwayNow(ctx context.Context, p workflows.PersonID) ([]identities.AwayState, error) {
	now, err := d.now(ctx)
	if err != nil {
		return nil, err
	}
	off, err := d.absences(ctx)
	if err != nil {
		return nil, err
	}
	var out []identities.AwayState
	for who, s := range off {
		if p == "" || who == p {
			out = append(out, s.Coming(now)...)
		}
	}
	sort.Slice(out, func(i, j int) bool {
		a, b := out[i], out[j]
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.Away.Away, b.Away.Away)) < 0
	})
	return out, nil
}
