package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/campaigns"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// withIdentityJobs adds the jobs of identities and of people who leave.
func (s *serving) withIdentityJobs(kinds map[string]jobs.Kind) map[string]jobs.Kind {
	kinds[identities.JobEmpty] = jobs.Kind{Handle: s.emptyIdentity, Workers: 8}
	kinds[campaigns.JobSettle] = jobs.Kind{Handle: s.settleSheet, Workers: 8}
	kinds[campaigns.JobClose] = jobs.Kind{Handle: s.closeSheet, Workers: 2}
	kinds[identities.JobUnlock] = jobs.Kind{Handle: s.unlockAccount, Workers: 2}
	kinds[identities.JobMake] = jobs.Kind{Handle: s.makeAccount, Workers: 2}
	kinds[identities.JobRenew] = jobs.Kind{Handle: s.openRenewal, Workers: 2}
	kinds[jobExceptions] = jobs.Kind{Handle: s.checkExceptions, Workers: 1}
	kinds[identities.JobHandOver] = jobs.Kind{Handle: s.handOver, Workers: 4}
	return kinds
}

// emptyIdentity takes back what a suspended or ending identity holds.
func (s *serving) emptyIdentity(ctx context.Context, j jobs.Job) error {
	seq, err := strconv.ParseInt(j.Key, 10, 64)
	if err != nil {
		return fmt.Errorf("job %s: %w", j.Key, err)
	}
	if err := s.lockAccount(ctx, desk.Cause(j.Cause())+"/lock", j.Stream); err != nil {
		return errors.Join(err, s.emptyBefore(ctx, j))
	}
	err = s.desk.EmptyIdentity(ctx, desk.Cause(j.Cause()), j.Stream, seq)
	if errors.Is(err, desk.ErrStillHeld) {
		return &jobs.RetryAfter{D: stillHeldEvery, Why: err.Error()}
	}
	return err
}

// emptyBefore takes back what an identity holds although its account could not be locked yet: revoking does not wait for anything.
func (s *serving) emptyBefore(ctx context.Context, j jobs.Job) error {
	_, err := s.desk.RevokeAll(ctx, desk.RevokeAll{Cause: desk.Cause(j.Cause()) + "/before", By: workflows.System, Identity: workflows.IdentityID(j.Stream.Rest()), Why: "its identity was suspended, quarantined or taken off"})
	return err
}

const stillHeldEvery = 5 * time.Second // most revocations take less

// handOver ends what somebody who left holds, and hands over what they answer for.
func (s *serving) handOver(ctx context.Context, j jobs.Job) error {
	seq, err := strconv.ParseInt(j.Key, 10, 64)
	if err != nil {
		return fmt.Errorf("job %s: %w", j.Key, err)
	}
	return s.desk.HandOver(ctx, desk.Cause(j.Cause()), j.Stream, seq)
}

// sameRow compares what lists of the inventory read of an identity with what its entries say. A ledger that an earlier program wrote, and no bot
// has served since, has no such rows.
func sameRow(ctx context.Context, s *store.Store, stream workflows.StreamID, want *workflows.InventoryRow) (string, error) {
	if stream.Kind() != workflows.KindIdentity {
		return "", nil
	}
	same, err := s.InventoryIs(ctx, workflows.IdentityID(stream.Rest()), want)
	if same || errors.Is(err, store.ErrSchema) {
		return "", nil
	}
	if err == nil {
		same, err = s.InventoryAwaited(ctx)
	}
	if same || err != nil {
		return "", err
	}
	return "what the inventory lists differs from what its entries say", nil
}
