package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/reconcile"
	"github.com/countersign-bot/countersign/store/custody"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/targets"
)

// After entries were lost the ledger and the targets may say different things: access that the lost entries ended, and access that they
// made. So before anything is decided again, open requests end, every target is asked about every grant the ledger knows, and what a
// target has beyond that is taken back.

const (
	lostEntries = "The ledger lost entries, so what was decided meanwhile is not known."
	maxNamed    = 200 // grants named in one entry
)

// reconcile asks all targets at once, each on its own. It is done anew when the bot stops in the middle.
func (s *serving) reconcile(ctx context.Context) error {
	s.log.Error("ENTRIES WERE LOST and two owners accepted that: open requests end, and targets are asked what they have, before anything is decided")
	if err := s.endOpenRequests(ctx); err != nil {
		return fmt.Errorf("ending open requests: %w", err)
	}
	held, err := liveHoldings(ctx, s.store)
	if err != nil {
		return err
	}
	byTarget := map[workflows.TargetID][]desk.Holding{}
	for name := range s.conns.byTarget {
		byTarget[workflows.TargetID(name)] = nil
	}
	for _, h := range held {
		byTarget[h.Hold.Approved.Target] = append(byTarget[h.Hold.Approved.Target], h)
	}
	var wg sync.WaitGroup
	errs := make(chan error, len(byTarget))
	for _, target := range slices.Sorted(maps.Keys(byTarget)) {
		wg.Go(func() { errs <- s.reconcileTarget(ctx, target, byTarget[target]) })
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return s.store.Reconciled(ctx)
}

// endOpenRequests: a request that was denied in the lost entries must not be approved by a vote that is still missing here.
func (s *serving) endOpenRequests(ctx context.Context) error {
	for {
		open, err := s.store.List(ctx, workflows.ListOpen, "", 0)
		if err != nil || len(open) == 0 {
			return err
		}
		for _, stream := range open {
			err := s.decide(ctx, stream, func(f workflows.Facts) (workflows.Outcome, error) {
				var out workflows.Outcome
				st, err := workflows.Fold(f.Histories[stream])
				if err == nil && !st.Final() {
					out.Add(stream, workflows.System, st.Policy, workflows.Superseded{Code: workflows.CodeStale, Why: lostEntries + " Ask again."})
				}
				return out, err
			})
			if err != nil {
				return err
			}
		}
	}
}

// decide runs a decision on one stream and states what it owes then, as the desk does.
func (s *serving) decide(ctx context.Context, stream workflows.StreamID, fn func(workflows.Facts) (workflows.Outcome, error)) error {
	_, err := s.store.Update(ctx, "", []workflows.StreamID{stream}, func(f workflows.Facts) (workflows.Outcome, error) {
		out, err := fn(f)
		if err != nil || len(out.Events) == 0 {
			return out, err
		}
		o, err := desk.Outstanding(stream, f.Provisional(out.Events)[stream])
		out.Pending = map[workflows.StreamID][]workflows.Job{stream: o.Jobs}
		out.Listings = map[workflows.StreamID][]workflows.Listing{stream: o.Lists}
		out.Touch = append(out.Touch, o.Touch...)
		return out, err
	})
	return err
}

func (s *serving) reconcileTarget(ctx context.Context, target workflows.TargetID, held []desk.Holding) error {
	e := custody.TargetReconciled{Target: target, Asked: int64(len(held))}
	for _, h := range held {
		stay, err := s.stays(ctx, h.Hold)
		var classed *runbooks.Error
		if errors.As(err, &classed) {
			e.Unclear++
		} else if err != nil {
			return err
		}
		if stay {
			e.Present++
			continue
		}
		if err := s.callOff(ctx, h); err != nil {
			return err
		}
		e.Ended++
		if len(e.Grants) < maxNamed {
			e.Grants = append(e.Grants, h.Hold.Approved.Grant)
		}
	}
	if err := s.takeUnknown(ctx, target, &e); err != nil {
		return err
	}
	e.Silent = e.Silent || e.Asked > 0 && e.Unclear == e.Asked
	if e.Silent {
		s.alarm("rollback.silent/"+string(target), string(target), screens.Sentencef("Entries of the ledger were lost and target %s did not answer: look there for access that nobody can account for.", string(target)))
	}
	_, err := s.store.Update(ctx, "", nil, func(workflows.Facts) (workflows.Outcome, error) {
		var out workflows.Outcome
		out.Add(workflows.SystemStream, workflows.System, "", e)
		return out, nil
	})
	return err
}

// stays tells whether a grant goes on: it had begun, its end has not come, and the target still has it. Everything else is ended: it may have
// been revoked in the entries that are gone.
func (s *serving) stays(ctx context.Context, h grants.Hold) (bool, error) {
	if h.Status == grants.StatusEnding {
		return false, nil
	}
	presence, err := s.runner.Read(ctx, connectorOf(h), grantOf(h))
	return h.Status == grants.StatusActive && presence == runbooks.Present && err == nil, err
}

// callOff ends a grant; its revocation is a job and is tried until it succeeds.
func (s *serving) callOff(ctx context.Context, h desk.Holding) error {
	stream := h.Stream
	return s.decide(ctx, stream, func(f workflows.Facts) (workflows.Outcome, error) {
		return grants.CallOff(f, stream, h.Hold.Approved.Grant, workflows.System, lostEntries)
	})
}

// takeUnknown takes back what a target has by our hand and the ledger does not know. What others made is left to the next sweep. A target that
// cannot list says so in the entry.
func (s *serving) takeUnknown(ctx context.Context, target workflows.TargetID, e *custody.TargetReconciled) error {
	if _, ok := s.runner.List(ctx, string(target)); !ok {
		e.Unlisted = true
		return nil
	}
	res, err := reconcile.Compare(ctx, grantLedger{s.store, s.runner, target}, watchedTarget{s.runner, string(target)}, reconcile.Options{
		Most: targets.MaxFindings, Known: func(a runbooks.Access) bool { return !a.Ours || a.Group },
	})
	if err != nil {
		return err
	}
	if res.Unread != nil || res.More > 0 {
		e.Silent = true
		s.log.Error("a target does not say all of what it has", "target", target, "err", res.Unread, "more", res.More)
	}
	for _, d := range res.Differences {
		if d.Why != reconcile.Unknown && d.Why != reconcile.LeftOver {
			continue
		}
		receipt, err := s.takeOne(ctx, target, d)
		if err != nil {
			e.Silent = true
			s.log.Error("access that the ledger does not know was not taken back", "target", target, "access", d.Access.Key, "err", err)
			continue
		}
		s.log.Warn("access that the ledger does not know was taken back", "target", target, "access", d.Access.Key, "said", strings.TrimSpace(receipt.Ref))
		e.Unknown++
		if d.Access.Grant != "" && len(e.Grants) < maxNamed {
			e.Grants = append(e.Grants, d.Access.Grant)
		}
	}
	return nil
}

func (s *serving) takeOne(ctx context.Context, target workflows.TargetID, d reconcile.Difference) (runbooks.Receipt, error) {
	if d.Why == reconcile.LeftOver {
		receipt, _, err := s.runner.Stop(ctx, string(target), d.Grant)
		return receipt, err
	}
	return s.runner.Remove(ctx, string(target), d.Access)
}
