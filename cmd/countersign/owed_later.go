package main

import (
	"context"
	"math"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// A program that keeps more rows beside the entries than the one before it finds them missing where that one wrote last, and one that holds decisions
// against one more rule finds some that nobody held against it. Neither is tampering. Each start says in the ledger which rules it follows, signed
// like everything: what stands before the first start under today's is judged by what was known then.

const (
	// rulesNow is raised by whoever adds rows to laterRows, or a rule that decisions of earlier programs may break. 1: what is in laterRows now, and a
	// step-up of the second person of a break glass. 2: findings of apps in the inventory, what is missing on
	// record of agents, and that machines ask for access alone. 3: the fingerprints of what rotations handed over, and that
	// the account of who is quarantined is locked on its target, and when the kill switch of agents was tried.
	rulesNow = 3

	neverStarted = math.MaxInt64 // no program of today's rules has
)

// rulesSince is the first entry of a program that follows today's rules.
func rulesSince(ctx context.Context, s *store.Store) (int64, error) {
	h, err := s.History(ctx, workflows.SystemStream)
	for _, r := range h {
		if e, ok := r.Event.(store.InstanceStarted); ok && e.Rules >= rulesNow {
			return r.Index, err
		}
	}
	return neverStarted, err
}

// rowsSince are kinds of rows that programs keep since a while. What may be missing is excused, nothing else: not one that is there and should not be,
// nor one that says something else. Nil excuses nothing.
type rowsSince struct {
	onLists  []string
	jobs     []string // of identities
	findings bool     // the inventory's, of which there may be others
}

// laterRows are those that programs of before rulesNow did not keep. Nor are the lane and the pace of their jobs compared: who gives a kind of job
// another one raises rulesNow.
func laterRows() *rowsSince {
	return &rowsSince{
		onLists:  []string{grants.ListSecret, workflows.ListKey, identities.ListGiven},
		jobs:     []string{identities.JobRenew, identities.JobEmpty, workflows.JobNotice},
		findings: true,
	}
}

// lists gives what a stream must stand on.
func (x *rowsSince) lists(have, want []workflows.Listing) []workflows.Listing {
	if x == nil {
		return want
	}
	return slices.DeleteFunc(slices.Clone(want), func(l workflows.Listing) bool {
		return slices.Contains(x.onLists, l.List) && !slices.Contains(have, l)
	})
}

// job tells whether a job may be missing.
func (x *rowsSince) job(stream workflows.StreamID, j workflows.Job) bool {
	return x != nil && stream.Kind() == workflows.KindIdentity && slices.Contains(x.jobs, j.Kind)
}

// row gives what the inventory must say of an identity.
func (x *rowsSince) row(ctx context.Context, s *store.Store, stream workflows.StreamID, want *workflows.InventoryRow) (*workflows.InventoryRow, error) {
	if x == nil || !x.findings || want == nil {
		return want, nil
	}
	have, err := s.InventoryRow(ctx, workflows.IdentityID(stream.Rest()))
	if have == nil || err != nil {
		return want, err
	}
	row := *want
	if row.Findings = have.Findings; have.KillTested == 0 {
		row.KillTested = 0
	}
	return x.keys(ctx, s, &row)
}

// keys leaves out what an identity was not yet known by: a program of before kept one fingerprint of its secret at most.
func (x *rowsSince) keys(ctx context.Context, s *store.Store, want *workflows.InventoryRow) (*workflows.InventoryRow, error) {
	isPrint := func(key string) bool { return strings.HasPrefix(key, identities.PrintKey("")) }
	others := slices.DeleteFunc(slices.Clone(want.Keys), isPrint)
	for i := -1; i < len(want.Keys); i++ {
		row := *want
		row.Keys = others
		if i >= 0 && !isPrint(want.Keys[i]) {
			continue
		}
		if i >= 0 {
			row.Keys = append(slices.Clone(others), want.Keys[i])
		}
		if same, err := s.InventoryIs(ctx, want.ID, &row); same || err != nil {
			return &row, err
		}
	}
	return want, nil
}
