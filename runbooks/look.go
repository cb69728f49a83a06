package runbooks

import (
	"context"
	"iter"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

// What the Runner asks of the optional parts of connectors. A connector that lacks the part gives ok false.

// part is the connector whose optional parts are asked: of a target that was opened late, what it was opened as.
func (r *Runner) part(name string) Connector {
	c := r.connectors[name]
	if late, ok := c.(interface{ Opened() Connector }); ok {
		return late.Opened()
	}
	return c
}

// List streams all access that a target has, cleaned as receipts are. The stream ends with an error when the target could
// not be read to the end, also when the connector does not come back: nothing can be concluded then from what did not come.
func (r *Runner) List(ctx context.Context, name string) (seq iter.Seq2[Access, error], ok bool) {
	l, ok := r.part(name).(Lister)
	if !ok {
		return nil, false
	}
	return func(yield func(Access, error) bool) {
		ctx, cancel := context.WithTimeout(ctx, listTimeout)
		defer cancel()
		type item struct {
			access Access
			err    *Error
		}
		items := make(chan item)
		go func() {
			defer close(items)
			give := func(x item) bool {
				select {
				case items <- x:
					return true
				case <-ctx.Done():
					return false
				}
			}
			err := r.guard(name, "list", func() error {
				for x, err := range l.ListAccess(ctx) {
					if err != nil {
						return err
					}
					if !give(item{access: redactAccess(x)}) {
						return ctx.Err()
					}
				}
				return nil
			})
			if err != nil {
				give(item{err: err})
			}
		}()
		for {
			select {
			case x, more := <-items:
				switch {
				case !more && ctx.Err() != nil:
					yield(Access{}, Errorf(Retry, ctx.Err(), "the target was not read to the end in time"))
					return
				case !more:
					return
				case x.err != nil:
					yield(Access{}, judge(ctx, x.err))
					return
				case !yield(x.access, nil):
					return
				}
			case <-ctx.Done():
				yield(Access{}, Errorf(Retry, ctx.Err(), "the target was not read to the end in time"))
				return
			}
		}
	}, true
}

// AccessKey is the key under which a target lists what a grant makes; empty where the connector cannot tell.
func (r *Runner) AccessKey(name string, g Grant) string {
	if l, ok := r.part(name).(Lister); ok {
		return l.AccessKey(g)
	}
	return ""
}

// Remove takes one listed access away, whoever made it.
func (r *Runner) Remove(ctx context.Context, name string, a Access) (Receipt, error) {
	l, ok := r.part(name).(Lister)
	if !ok {
		return Receipt{}, Errorf(Broken, nil, "the connector of this target cannot take away what it did not make")
	}
	var receipt Receipt
	err := r.apart(ctx, name, "remove", func(ctx context.Context) (err error) {
		receipt, err = l.RemoveAccess(ctx, a)
		return err
	})
	if err != nil {
		return Receipt{}, err
	}
	return redactReceipt(receipt), nil
}

// Live tells who uses a grant now; ok false where the target cannot tell.
func (r *Runner) Live(ctx context.Context, name string, g Grant) ([]Session, bool, error) {
	s, ok := r.part(name).(Sessions)
	if !ok {
		return nil, false, nil
	}
	var list []Session
	failed := r.apart(ctx, name, "sessions", func(ctx context.Context) (err error) {
		list, err = s.ListSessions(ctx, g.Clone())
		return err
	})
	if failed != nil {
		return nil, true, failed
	}
	return redactSessions(list), true, nil
}

// Plan says what granting would change, for the approver; ok false where the connector cannot tell.
func (r *Runner) Plan(ctx context.Context, name string, g Grant) (Plan, bool, error) {
	p, ok := r.part(name).(Planner)
	if !ok {
		return Plan{}, false, nil
	}
	var plan Plan
	failed := r.apart(ctx, name, "plan", func(ctx context.Context) (err error) {
		plan, err = p.Plan(ctx, g.Clone())
		return err
	})
	if failed != nil {
		return Plan{}, true, failed
	}
	plan.Changes, plan.Notes, plan.Standing = redactLines(plan.Changes), redactLines(plan.Notes), redactLines(plan.Standing)
	return plan, true, nil
}

// apart runs a call that is about no order, with the connector's own deadline. What it writes is looked at only when it
// came back: a call that was left behind writes into variables that nobody reads.
func (r *Runner) apart(ctx context.Context, name, what string, do func(context.Context) error) *Error {
	c, ok := r.connectors[name]
	if !ok {
		return Errorf(Broken, nil, "there is no connector %q", name)
	}
	g := Grant{ID: "g_0"}
	o := order{name: name, connector: c, grant: g, digest: g.Digest()}
	return r.call(ctx, o, what, func() {}, func(ctx context.Context, _ Grant) error { return do(ctx) })
}

func redactAccess(a Access) Access {
	a.Key, a.Account, a.What, a.MadeBy = Redact(a.Key, maxFact), Redact(a.Account, maxName), Redact(a.What, maxFact), Redact(a.MadeBy, maxName)
	return a
}

func redactSessions(list []Session) []Session {
	out := make([]Session, 0, min(len(list), maxSessions))
	for _, s := range list[:min(len(list), maxSessions)] {
		s.Ref, s.Login, s.From, s.With = Redact(s.Ref, maxName), Redact(s.Login, maxName), Redact(s.From, maxName), Redact(s.With, maxName)
		out = append(out, s)
	}
	return out
}

func redactLines(lines []string) []string {
	var out []string
	for _, l := range lines[:min(len(lines), maxSteps)] {
		out = append(out, Redact(l, maxFact))
	}
	return out
}

// TellsSessions says whether a target can tell who uses a grant.
func (r *Runner) TellsSessions(name string) bool {
	c := r.part(name)
	if some, ok := c.(interface{ TellsSessions() bool }); ok { // it depends on what is set up there
		return some.TellsSessions()
	}
	_, ok := c.(Sessions)
	return ok
}

// Past tells of sessions of a grant that began at or after since, those that are over included; ok false where the target keeps no
// log of them.
func (r *Runner) Past(ctx context.Context, name string, g Grant, since time.Time) ([]Session, bool, error) {
	l, ok := r.part(name).(SessionLog)
	if !ok {
		return nil, false, nil
	}
	var list []Session
	failed := r.apart(ctx, name, "past sessions", func(ctx context.Context) error {
		for x, err := range l.PastSessions(ctx, g.Clone(), since) {
			if err != nil {
				return err
			}
			if list = append(list, x); len(list) >= maxSessions {
				return nil
			}
		}
		return nil
	})
	if failed != nil {
		return nil, true, failed
	}
	return redactSessions(list), true, nil
}

// Offers lists what a target can grant, in memory: a form shows them, and at most maxOffers of them. ok false where the connector
// cannot list that.
func (r *Runner) Offers(ctx context.Context, name string) ([]Offer, bool, error) {
	c, ok := r.part(name).(Catalog)
	if !ok {
		return nil, false, nil
	}
	var list []Offer
	failed := r.apart(ctx, name, "offers", func(ctx context.Context) error {
		for x, err := range c.ListOffers(ctx) {
			if err != nil {
				return err
			}
			x.Name, x.Description = Redact(x.Name, maxName), Redact(x.Description, maxFact)
			if list = append(list, x); len(list) >= maxOffers {
				return nil
			}
		}
		return nil
	})
	if failed != nil {
		return nil, true, failed
	}
	return list, true, nil
}

// Waiting lists the grants that wait for people at the target itself; ok false where nothing can.
func (r *Runner) Waiting(ctx context.Context, name string) (list map[workflows.GrantID]string, ok bool, err error) {
	w, ok := r.part(name).(Waiter)
	if !ok {
		return nil, false, nil
	}
	got := make(chan map[workflows.GrantID]string, 1)
	failed := r.apart(ctx, name, "waiting", func(ctx context.Context) error {
		list, err := w.Waiting(ctx)
		got <- list
		return err
	})
	if failed != nil {
		return nil, true, failed
	}
	return <-got, true, nil
}
