package main

import (
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

// TestReq_R65_AForgedClickIsFound: whoever rewrites how somebody proved who they are before they went around a condition is found by the replay, where
// the document wants more than a click; and where it does not, a click is right.
func TestReq_R65_AForgedClickIsFound(t *testing.T) {
	t.Parallel()
	doc := workflows.HashDocument([]byte("text"))
	for _, c := range []struct {
		authn  string
		stepUp bool
		wrong  bool
	}{
		{workflows.AuthnClick, true, true},
		{"", true, true},
		{workflows.AuthnClick, false, false},
		{workflows.AuthnCode, true, false},
		{workflows.AuthnHost, true, false},
		{workflows.AuthnLogin, true, false},
	} {
		j := newJudge(nil, nil, &replayed{})
		b := &incidents.Runbook{Document: doc, BreakGlass: &incidents.BreakGlass{People: workflows.Selector{People: []workflows.PersonID{"p_zed"}}, StepUp: c.stepUp}}
		e := incidents.Invoked{Document: doc, Tier: incidents.TierBreakGlass, Authn: c.authn, Conditions: []incidents.Condition{{Name: incidents.CondShift}}}
		s := incidents.State{Approvals: []incidents.Approval{{Preapproved: incidents.Preapproved{Document: doc}}}}
		j.tier(b, s, workflows.Record{Stream: "runbook/failover", Person: "p_zed", Event: e}, e)
		if found := j.out.found; (len(found) > 0) != c.wrong || c.wrong && !strings.Contains(found[0].text, "wants more than a click") {
			t.Errorf("%+v: %+v", c, found)
		}
	}
}

// TestReq_R65_AForgedAgreementIsFound: the same of the second person, who agreed to it.
func TestReq_R65_AForgedAgreementIsFound(t *testing.T) {
	t.Parallel()
	doc := workflows.HashDocument([]byte("text"))
	for _, c := range []struct {
		by     string
		tier   string
		stepUp bool
		since  int64 // where a program started that asked it of the second person, too
		wrong  bool
	}{
		{workflows.AuthnClick, incidents.TierBreakGlass, true, -1, true},
		{"", incidents.TierBreakGlass, true, -1, true},
		{"", incidents.TierBreakGlass, true, neverStarted, false},
		{workflows.AuthnClick, incidents.TierBreakGlass, true, neverStarted, true},
		{workflows.AuthnCode, incidents.TierBreakGlass, true, -1, false},
		{workflows.AuthnHost, incidents.TierBreakGlass, true, -1, false},
		{workflows.AuthnClick, incidents.TierBreakGlass, false, -1, false},
		{workflows.AuthnClick, incidents.TierPreapproved, true, -1, false},
	} {
		p := newPast()
		p.since = c.since
		j := newJudge(nil, p, &replayed{})
		b := &incidents.Runbook{Document: doc, BreakGlass: &incidents.BreakGlass{StepUp: c.stepUp}}
		e := incidents.Invoked{Document: doc, Tier: c.tier, Second: "p_ann", SecondBy: c.by, Proposal: "x_1", Needed: []string{"Review v_1 is overdue."}}
		s := incidents.State{Proposals: []incidents.Proposal{{Proposed: incidents.Proposed{Proposal: "x_1", Document: doc, Until: 10}, By: "p_zed"}}}
		j.second(b, s, workflows.Record{Stream: "runbook/failover", Person: "p_zed", Event: e}, e)
		if found := j.out.found; (len(found) > 0) != c.wrong || c.wrong && !strings.Contains(found[0].text, "more than a click of the second person") {
			t.Errorf("%+v: %+v", c, found)
		}
	}
}
