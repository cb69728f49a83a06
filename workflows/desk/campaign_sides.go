package desk

import (
	"context"
	"fmt"
	"slices"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/campaigns"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// An integration has two owners: who runs it, and whose business needs it. In a campaign each of them looks at it, on a sheet of their own and in their
// own time; it is attested when both keep it, and the stricter of two verdicts holds.

// sidesOf is an item as often as it is looked at.
func sidesOf(x campaigns.Item, r workflows.InventoryRow) []campaigns.Item {
	if r.Kind != identities.KindApp || r.Business == "" {
		return []campaigns.Item{x}
	}
	technical, business := x, x
	technical.Side, business.Side = campaigns.SideTechnical, campaigns.SideBusiness
	return []campaigns.Item{technical, business}
}

// sides are who looks at the two sides of integrations.
type sides map[string]workflows.PersonID

func (s sides) of(x campaigns.Item) (who, with workflows.PersonID) {
	other := x
	other.Side = campaigns.SideBusiness
	if x.Side == campaigns.SideBusiness {
		other.Side = campaigns.SideTechnical
	}
	return s[itemKey(x)], s[itemKey(other)]
}

// pairs finds for the business side its owner, and for the other whom the plan says, never the same person. What was given out before stays so.
func (a *assigning) pairs(ctx context.Context, items []campaigns.Item, given []campaigns.Sheet) sides {
	out := sides{}
	for _, s := range given {
		for _, x := range s.Items {
			if x.Side != "" {
				out[itemKey(x.Item)] = s.Opened.Reviewer
			}
		}
	}
	for _, side := range []string{campaigns.SideBusiness, campaigns.SideTechnical} {
		for i, x := range items {
			if x.Side == side {
				_, other := out.of(x)
				out[itemKey(x)] = a.sideReviewer(ctx, x, i, other)
			}
		}
	}
	return out
}

func (a *assigning) sideReviewer(ctx context.Context, x campaigns.Item, turn int, other workflows.PersonID) workflows.PersonID {
	if x.Side == campaigns.SideBusiness {
		for _, p := range a.team(a.desk.businessOf(workflows.IdentityID(x.ID))) {
			if p != other && a.can(ctx, x, p) {
				return p
			}
		}
	}
	return a.reviewerBut(ctx, x, turn, other)
}

func (d *Desk) businessOf(id workflows.IdentityID) string {
	s, err := d.identityState(context.Background(), id)
	if err != nil {
		return ""
	}
	return s.Entry().Business
}

// strictness orders verdicts; silence from which nothing follows is no word for keeping.
func strictness(verdict string) int {
	return slices.Index([]string{campaigns.Keep, campaigns.None, campaigns.HandOver, campaigns.Narrow, campaigns.ToJIT, campaigns.Suspend, campaigns.Revoke}, verdict)
}

// overruled tells what the other side of an integration makes of a verdict: nothing, that it has to be waited for, or that it is not this one that holds.
func (d *Desk) overruled(ctx context.Context, s campaigns.Sheet, x campaigns.ItemState) (*campaigns.Settled, error) {
	if x.Side == "" {
		return nil, nil
	}
	held := &campaigns.Settled{How: campaigns.HowOverruled, Proof: identities.ProofVerified}
	other, err := d.twin(ctx, s, x)
	switch {
	case err != nil:
		return nil, err
	case other == nil && x.Verdict == campaigns.Keep:
		held.Detail = "nobody could be asked about its other side"
		return held, nil
	case other == nil || other.Verdict == "" && x.Verdict != campaigns.Keep:
		return nil, nil // the stricter holds at once
	case other.Verdict == "":
		return nil, &NotSettled{"the other owner of this integration has not decided yet"}
	case strictness(other.Verdict) > strictness(x.Verdict):
		held.Detail = fmt.Sprintf("its %s side says: %s", other.Side, other.Verdict)
		return held, nil
	}
	return nil, nil
}

// twin is the same integration as the other side has it before them; nil: nobody does.
func (d *Desk) twin(ctx context.Context, s campaigns.Sheet, x campaigns.ItemState) (*campaigns.ItemState, error) {
	if x.With == "" {
		return nil, nil
	}
	c, err := d.Campaign(ctx, s.Opened.Campaign)
	if err != nil {
		return nil, err
	}
	run, ok := c.Run(s.Opened.Run)
	if !ok {
		return nil, fmt.Errorf("the run of sheet %q has not begun", s.ID)
	}
	for _, ref := range run.Sheets {
		if ref.Reviewer != x.With {
			continue
		}
		other, err := d.Sheet(ctx, ref.Sheet)
		if err != nil {
			return nil, err
		}
		for _, o := range other.Items {
			if o.ID == x.ID && o.Of == x.Of && o.Side != x.Side {
				return &o, nil
			}
		}
	}
	return nil, nil
}
