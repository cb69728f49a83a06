package desk

import (
	"context"
	"slices"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// ListWatched has the streams of those about whom a rule of watching found something that wants a stronger chain. Member: the identity. Some of it
// may be over: the entries say until when.
const ListWatched = "identities.watched"

func watchLists(id workflows.IdentityID, w identities.Watches) []workflows.Listing {
	if len(w) == 0 {
		return nil
	}
	return []workflows.Listing{{List: ListWatched, Member: string(id), Sort: int64(w[len(w)-1].Until)}}
}

// Watch records that what is asked by or for somebody needs a stronger chain for a while.
func (d *Desk) Watch(ctx context.Context, cause Cause, id workflows.IdentityID, e identities.Watched) error {
	_, err := d.update(ctx, cause, []workflows.StreamID{identities.StreamOf(id)}, func(f workflows.Facts) (workflows.Outcome, error) {
		return identities.Watch(f, id, e)
	})
	return err
}

// watchedOf are the rules that want a stronger chain of an identity at a moment, and whether it is on record at all.
func (d *Desk) watchedOf(ctx context.Context, id workflows.IdentityID, now workflows.Stamp) (rules []string, listed bool, err error) {
	if id == "" {
		return nil, false, nil
	}
	list, err := d.ledger.List(ctx, ListWatched, string(id), 1)
	if err != nil || len(list) == 0 {
		return nil, false, err
	}
	h, err := d.ledger.History(ctx, identities.StreamOf(id))
	if err != nil {
		return nil, true, err
	}
	w, err := identities.FoldWatches(h)
	return w.At(now), true, err
}

// watching asks before the decision what watching wants of who asks and of who is to hold it: the people who are asked depend on it.
func (q *question) watching(ctx context.Context, now workflows.Stamp) (err error) {
	for i, id := range []workflows.IdentityID{q.c.By.Person.Identity(), q.ask.Subject} {
		if i == 1 && id == q.c.By.Person.Identity() {
			q.watched[1] = q.watched[0]
			break
		}
		rules, listed, err := q.desk.watchedOf(ctx, id, now)
		if err != nil {
			return err
		}
		if q.watched[i] = rules; listed {
			q.watchers = append(q.watchers, id)
		}
	}
	q.ask.Watched = slices.Concat(q.watched[0], q.watched[1])
	slices.Sort(q.ask.Watched)
	q.ask.Watched = slices.Compact(q.ask.Watched)
	return nil
}

// stillWatched refuses to decide by what watching wanted a moment ago, if it wants something else by now.
func (q *question) stillWatched(f workflows.Facts) error {
	var now []string
	for _, id := range q.watchers {
		w, err := identities.FoldWatches(f.Histories[identities.StreamOf(id)])
		if err != nil {
			return err
		}
		now = append(now, w.At(f.Now.UTC)...)
	}
	slices.Sort(now)
	if !slices.Equal(slices.Compact(now), q.ask.Watched) {
		return workflows.ErrAskAgain
	}
	return nil
}
