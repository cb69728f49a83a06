package desk

import (
	"context"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
)

const (
	reachWait   = 5 * time.Second // for all targets together: an incident does not wait for a dead one
	reachAtOnce = 8               // targets asked at the same time
	maxReach    = 200             // entitlements asked about: what an account of its own can have standing
)

// Reach is what an identity can get at now: the blast radius of its compromise.
type Reach struct {
	Held     []Holding              // its live grants, also those that are being taken back
	Asked    []Holding              // live grants of others that it asked for
	Owned    []workflows.IdentityID // identities that it owns or backs up
	Behind   []Holding              // what those hold
	Windows  []identities.WindowState
	Standing []workflows.Entitlement // what its accounts have on targets by no grant of ours
	Unknown  []workflows.TargetID    // targets that could not tell
	Open     int                     // requests of it that wait
}

// Reach asks the ledger, and the targets about standing access, what an identity can get at now.
func (d *Desk) Reach(ctx context.Context, id workflows.IdentityID) (Reach, error) {
	var out Reach
	if err := d.holdings(ctx, id, func(h Holding) { out.Held = append(out.Held, h) }); err != nil {
		return out, err
	}
	p := d.Policy()
	if who := id.Person(); who != "" {
		held, err := d.Grants(ctx, who, 0)
		if err != nil {
			return out, err
		}
		for _, h := range held {
			if h.Hold.Approved.Identity != id {
				out.Asked = append(out.Asked, h)
			}
		}
		open, err := d.ledger.List(ctx, workflows.ListMyOpen, string(who), 0)
		if err != nil {
			return out, err
		}
		out.Open = len(open)
		if out.Owned, err = d.Owned(ctx, who); err != nil {
			return out, err
		}
		for _, o := range out.Owned {
			if err := d.holdings(ctx, o, func(h Holding) { out.Behind = append(out.Behind, h) }); err != nil {
				return out, err
			}
		}
	} else if err := d.openWindows(ctx, id, &out); err != nil {
		return out, err
	}
	d.standingReach(ctx, p, id, &out)
	return out, nil
}

// openWindows are the standing windows of a non-human identity that are not closed.
func (d *Desk) openWindows(ctx context.Context, id workflows.IdentityID, out *Reach) error {
	h, err := d.ledger.History(ctx, workflows.IdentityStream(id))
	if err != nil {
		return err
	}
	s, err := identities.FoldIdentity(h)
	if err != nil {
		return err
	}
	now, err := d.now(ctx)
	for _, w := range s.Windows {
		if w.Closed == 0 && now < w.EndsAt {
			out.Windows = append(out.Windows, w)
		}
	}
	return err
}

// standingReach asks the targets where the identity has an account what that can do by no grant of ours. Nothing hangs on it but what people
// are shown: who cannot tell in time is named.
func (d *Desk) standingReach(ctx context.Context, p *Policy, id workflows.IdentityID, out *Reach) {
	if d.reader == nil {
		return
	}
	accounts := p.People[id.Person()].Accounts
	if !id.IsPerson() {
		accounts = p.Identities[id].Accounts
	}
	ours := map[string]bool{}
	for _, h := range out.Held {
		ours[string(h.Hold.Approved.Target)+"/"+string(h.Hold.Approved.Entitlement)] = true
	}
	ctx, cancel := context.WithTimeout(ctx, reachWait)
	defer cancel()
	var mu sync.Mutex
	var wg sync.WaitGroup
	slots := make(chan struct{}, reachAtOnce)
	for _, e := range p.entitlements() {
		account, has := accounts[e.Target]
		if !has || account == "" || !e.Shared || ours[e.Name()] {
			continue
		}
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			present, err := d.reader.Holds(ctx, e, id, account)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil && !slices.Contains(out.Unknown, e.Target):
				out.Unknown = append(out.Unknown, e.Target)
			case present && err == nil:
				out.Standing = append(out.Standing, e)
			}
		})
	}
	wg.Wait()
	slices.Sort(out.Unknown)
	sort.Slice(out.Standing, func(i, j int) bool { return out.Standing[i].Name() < out.Standing[j].Name() })
}

// entitlements are all that the documents can grant, each once, by name.
func (p *Policy) entitlements() []workflows.Entitlement {
	byName := map[string]workflows.Entitlement{}
	for _, v := range p.Workflows {
		for _, e := range v.Workflow.Entitlements {
			byName[e.Name()] = e
		}
	}
	out := make([]workflows.Entitlement, 0, len(byName))
	for _, e := range byName {
		out = append(out, e)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name() < out[j].Name() })
	return out[:min(len(out), maxReach)]
}
