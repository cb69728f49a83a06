package reconcile

import (
	"context"
	"iter"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/workflows"
)

// Held is a grant that the ledger has live: due, active, or still to be taken back.
type Held struct {
	Grant  runbooks.Grant
	Active bool // the target must have it
}

// Ledger is what the comparison asks about grants.
type Ledger interface {
	// Held streams the live grants of the target, in any order.
	Held(ctx context.Context) iter.Seq2[Held, error]
	// Find gives a grant by the id that a target claims; known false when the ledger never heard of it on this target. live
	// says that its access may be there: it has not ended, or has and is not confirmed gone yet.
	Find(ctx context.Context, id workflows.GrantID) (h Held, live, known bool, err error)
}

// Target is what the comparison asks of the target. It is joined to a Runner, which bounds and cleans every answer.
type Target interface {
	List(ctx context.Context) iter.Seq2[runbooks.Access, error]
	AccessKey(g runbooks.Grant) string
	Check(ctx context.Context, g runbooks.Grant) (runbooks.Presence, error)
}

// Why access differs. The words are those of the ledger's events.
type Why string

// The differences.
const (
	Unknown  Why = "unknown"
	LeftOver Why = "left_over"
	Longer   Why = "longer"
	Vanished Why = "vanished"
)

// Difference is one access that the target has and should not, or a grant that it should have and has not.
type Difference struct {
	Why    Why
	Access runbooks.Access // what the target listed; of a vanished one only Key and Account
	Grant  runbooks.Grant  // what the ledger has of it; zero for unknown access
}

// Result is what comparing gave.
type Result struct {
	Differences []Difference
	More        int64 // beyond the most that were asked for
	Seen        int64 // accesses listed
	Grants      int64 // active ones of the ledger
	Unread      error // the target was not read to the end: what did not come may be there, and nothing vanished
}

// Options bound and shape a comparison.
type Options struct {
	Most  int                        // differences that are given
	Known func(runbooks.Access) bool // access that nobody wants to hear of; may be nil
}

type comparison struct {
	ledger Ledger
	target Target
	opts   Options
	ours   *filter // keys of what live grants make
	met    *filter // keys that the target listed
	out    Result
}

// Compare streams both sides. An error means that the ledger could not be read, and nothing is known then.
//
// Grants begin and end while it runs. So what seems unknown is held against the ledger once more afterwards, and what seems
// to have ended or vanished is read back on the target by itself.
func Compare(ctx context.Context, l Ledger, t Target, opts Options) (Result, error) {
	c := &comparison{ledger: l, target: t, opts: opts, ours: newFilter(), met: newFilter()}
	for h, err := range l.Held(ctx) {
		if err != nil {
			return Result{}, err
		}
		if key := t.AccessKey(h.Grant); key != "" {
			c.ours.add(key)
		}
	}
	for x, err := range t.List(ctx) {
		if err != nil {
			c.out.Unread = err
			break
		}
		c.out.Seen++
		c.met.add(x.Key)
		if err := c.judge(ctx, x); err != nil {
			return Result{}, err
		}
	}
	return c.out, c.again(ctx)
}

// judge holds one access against the ledger.
func (c *comparison) judge(ctx context.Context, x runbooks.Access) error {
	if c.opts.Known != nil && c.opts.Known(x) {
		return nil
	}
	if x.Grant == "" {
		if !c.ours.has(x.Key) {
			c.add(Difference{Why: Unknown, Access: x})
		}
		return nil
	}
	h, live, known, err := c.ledger.Find(ctx, x.Grant)
	g := h.Grant
	switch {
	case err != nil:
		return err
	case !known || c.target.AccessKey(g) != x.Key: // the id is a claim of the target: another access cannot borrow it
		c.add(Difference{Why: Unknown, Access: x})
	case !live:
		if presence, _ := c.target.Check(ctx, g); presence == runbooks.Present {
			c.add(Difference{Why: LeftOver, Access: x, Grant: g})
		}
	case !x.Ends.IsZero() && x.Ends.Sub(g.End) > slack:
		c.add(Difference{Why: Longer, Access: x, Grant: g})
	}
	return nil
}

func (c *comparison) add(d Difference) {
	if len(c.out.Differences) >= c.opts.Most {
		c.out.More++
		return
	}
	c.out.Differences = append(c.out.Differences, d)
}

// again goes through the ledger's grants once more: what explains a difference by now takes it out, and what the target did
// not list is read back.
func (c *comparison) again(ctx context.Context) error {
	suspects := map[string]bool{}
	for _, d := range c.out.Differences {
		if d.Why == Unknown {
			suspects[d.Access.Key] = true
		}
	}
	checked := 0
	for h, err := range c.ledger.Held(ctx) {
		if err != nil {
			return err
		}
		key := c.target.AccessKey(h.Grant)
		delete(suspects, key)
		if h.Active {
			c.out.Grants++
		}
		if h.Active && key != "" && c.out.Unread == nil && !c.met.has(key) && checked < maxChecked {
			checked++
			c.readBack(ctx, h, key)
		}
	}
	kept := c.out.Differences[:0]
	for _, d := range c.out.Differences {
		if d.Why != Unknown || suspects[d.Access.Key] {
			kept = append(kept, d)
		}
	}
	c.out.Differences = kept
	return nil
}

// readBack finds out whether access that should be there has vanished.
func (c *comparison) readBack(ctx context.Context, h Held, key string) {
	if presence, err := c.target.Check(ctx, h.Grant); presence != runbooks.Absent || err != nil || !c.stillActive(ctx, h) {
		return
	}
	c.add(Difference{Why: Vanished, Grant: h.Grant, Access: runbooks.Access{
		Key: key, Account: h.Grant.Account, Grant: h.Grant.ID, What: string(h.Grant.Entitlement),
	}})
}

// CheckHeld is what can be done for a target that does not list: every active grant is read back by itself.
func CheckHeld(ctx context.Context, l Ledger, t Target, opts Options) (Result, error) {
	c := &comparison{ledger: l, target: t, opts: opts, met: newFilter()}
	checked := 0
	for h, err := range l.Held(ctx) {
		if err != nil {
			return Result{}, err
		}
		if !h.Active {
			continue
		}
		if c.out.Grants++; checked < maxChecked {
			checked++
			c.readBack(ctx, h, "grant "+string(h.Grant.ID))
		}
	}
	return c.out, nil
}

// stillActive asks once more: a grant that just ended has not vanished.
func (c *comparison) stillActive(ctx context.Context, h Held) bool {
	now, _, known, err := c.ledger.Find(ctx, h.Grant.ID)
	return err == nil && known && now.Active
}
