package workflows_test

import (
	"testing"

	"github.com/countersign-bot/countersign/workflows"
)

// T39: which asks need the target's name typed, and what counts as its name; and how many open requests a tier takes, of those that their sender sent.
func TestThreat_T39_WhatIsTypedAndWhatIsOpen(t *testing.T) {
	t.Parallel()
	e := workflows.Entitlement{Target: "cloud", ID: "admin", TargetTitle: "The  Cloud", Owner: "p_o"}
	w := &workflows.Workflow{
		Kind: workflows.KindElevation, Entitlements: []workflows.Entitlement{e},
		Risk: &workflows.RiskTable{
			Tiers: []workflows.Tier{{Name: "low"}, {Name: "high", TypeTarget: true}},
			Rows:  []workflows.RiskRow{{Principal: []string{"ai_agent"}, Tier: "high"}, {Tier: "low"}},
		},
	}
	ask := func(typed, principal string, change func(*workflows.Ask)) int {
		a := workflows.Ask{By: workflows.Acting{Actor: "a_1", Person: "p_1"}, Principal: principal, Form: workflows.Form{Target: "cloud", Entitlement: "admin", Typed: typed}}
		if change != nil {
			change(&a)
		}
		return len(w.Untyped(a))
	}
	for typed, wrong := range map[string]int{"": 1, " ": 1, "clou": 1, "admin": 1, "cloud": 0, "CLOUD ": 0, "the cloud": 0, " The   cloud": 0, "the cloud.": 1} {
		if got := ask(typed, "ai_agent", nil); got != wrong {
			t.Errorf("%q: %d problems, want %d", typed, got, wrong)
		}
	}
	for name, n := range map[string]int{
		"a person":     ask("", "person", nil),
		"by the clock": ask("", "ai_agent", func(a *workflows.Ask) { a.By.Actor = workflows.SystemActor }),
		"an offer":     ask("", "ai_agent", func(a *workflows.Ask) { a.Offer.Request = "r_1" }),
		"nothing":      ask("", "ai_agent", func(a *workflows.Ask) { a.Form.Entitlement = "root" }),
	} {
		if n != 0 {
			t.Errorf("%s: wants it typed", name)
		}
	}
	if !w.MayWantTyped(e) {
		t.Error("a form would have no input for it, though an agent's ask wants it")
	}
	if w.Risk.Rows = w.Risk.Rows[1:]; w.MayWantTyped(e) {
		t.Error("a form would have an input that nothing wants")
	}
}
