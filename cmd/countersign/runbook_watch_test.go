package main

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

// What the owner of a runbook reads of its use: reasons that no review could use, the same person and the same two people again and again, who
// went around a condition, and that approved uses run out. Drills, what is older than the span, and usual uses by changing people are no finding.
func TestGlass_22_WhatTheOwnerReadsOfItsUse(t *testing.T) {
	t.Parallel()
	now := workflows.StampOf(time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC))
	use := func(days int, by, executor workflows.PersonID, reason string, edit ...func(*incidents.Use)) incidents.Use {
		u := incidents.Use{By: by, At: workflows.Instant{UTC: now.Add(-time.Duration(days) * 24 * time.Hour)}}
		u.Incident, u.Reason, u.Executor, u.Tier = fmt.Sprintf("INC-%d", days), reason, executor, incidents.TierPreapproved
		for _, e := range edit {
			e(&u)
		}
		return u
	}
	good := "the primary of orders takes no writes since 02:10"
	drill := func(u *incidents.Use) { u.Drill = true }
	around := func(u *incidents.Use) { u.Tier = incidents.TierBreakGlass }
	for _, c := range []struct {
		name string
		left int
		uses []incidents.Use
		want []string
	}{
		{"never used", 3, nil, nil},
		{"drills and what is long over", 3, []incidents.Use{use(1, "ann", "", "test", drill), use(91, "ann", "", "fix it")}, nil},
		{"as it should be", 3, []incidents.Use{use(1, "ann", "", good), use(30, "bob", "", good), use(60, "cho", "", good)}, []string{"used"}},
		{"no reason, and three that say nothing", 9, []incidents.Use{
			use(1, "ann", "", ""), use(2, "bob", "", "asap"), use(3, "cho", "", "Production is down!"), use(4, "dan", "", "Need access now."),
		}, []string{"generic_reason", "generic_reason", "generic_reason", "generic_reason", "used"}},
		{"a reason that was generic eight days ago was told then", 9, []incidents.Use{use(8, "ann", "", "asap")}, []string{"used"}},
		{"the last approved use", 1, []incidents.Use{use(1, "ann", "", good)}, []string{"budget", "used"}},
		{"around a condition", 3, []incidents.Use{use(1, "ann", "", good, around)}, []string{"around", "used"}},
		{"always the same person", 9, []incidents.Use{use(10, "ann", "", good), use(20, "ann", "", good), use(30, "ann", "", good), use(40, "bob", "", good)}, []string{"same_person", "used"}},
		{"half of the uses are not always", 9, []incidents.Use{
			use(10, "ann", "", good), use(20, "ann", "", good), use(30, "ann", "", good), use(40, "bob", "", good), use(50, "cho", "", good), use(60, "dan", "", good),
		}, []string{"used"}},
		{"the same two, in turn", 9, []incidents.Use{use(10, "ann", "bob", good), use(20, "bob", "ann", good)}, []string{"same_pair", "used"}},
	} {
		var got []string
		name := func(p workflows.PersonID) string { return string(p) }
		view := desk.BookView{State: incidents.State{Uses: c.uses}, Left: c.left}
		watchUses(view, name, now, func(what, format string, args ...any) { got = append(got, what) })
		slices.Sort(got)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}
