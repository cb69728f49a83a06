package library_test

import (
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

// One text per failure mode: no two of the eight are for the same, each says when to use it and when to use something else.
func TestGlass_02_OneTextPerFailureMode(t *testing.T) {
	t.Parallel()
	p := ready(t)
	seen := map[string]workflows.RunbookID{}
	for id, b := range p.Runbooks {
		r := b.Runbook
		if r.Routine {
			continue // no emergency
		}
		if len(strings.Fields(r.UseWhen)) < 8 || len(strings.Fields(r.DoNotUseWhen)) < 8 {
			t.Errorf("%s says too little: %q, %q", id, r.UseWhen, r.DoNotUseWhen)
		}
		if other, twice := seen[r.UseWhen]; twice {
			t.Errorf("%s and %s are for the same", id, other)
		}
		seen[r.UseWhen] = id
	}
	if len(seen) != len(eight()) {
		t.Errorf("%d failure modes, want %d", len(seen), len(eight()))
	}
}

// Each of the eight is to be practised at least every 90 days, and to be looked at at least once a year.
func TestGlass_24_TheEightDoNotGoStale(t *testing.T) {
	t.Parallel()
	for id, b := range ready(t).Runbooks {
		r := b.Runbook
		if r.Routine {
			continue // it is carried out as often as its rotations are due
		}
		if d, every := r.DrillEvery.Duration(), r.ReviewEvery.Duration(); d <= 0 || d > 90*24*time.Hour || every <= 0 || every > 366*24*time.Hour {
			t.Errorf("%s is practised every %v and looked at every %v", id, d, every)
		}
	}
}
