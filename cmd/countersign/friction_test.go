package main

import (
	"context"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/campaigns"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// scripted is a ledger of one request and one grant, into which a test writes.
type scripted struct {
	desk.Ledger
	streams map[workflows.StreamID][]workflows.Record
	now     workflows.Stamp
}

// Update implements desk.Ledger.
func (s *scripted) Update(_ context.Context, cause desk.Cause, _ []workflows.StreamID, decide func(workflows.Facts) (workflows.Outcome, error)) (desk.Result, error) {
	out, err := decide(workflows.Facts{Now: workflows.Instant{UTC: s.now}})
	res := desk.Result{Replayed: cause == "again"}
	for _, e := range out.Events {
		r := workflows.Record{Stream: e.Stream, Seq: int64(len(s.streams[e.Stream])) + 1, At: workflows.Instant{UTC: s.now}, Person: e.Person, Event: e.Event}
		if !res.Replayed {
			s.streams[e.Stream] = append(s.streams[e.Stream], r)
		}
		res.Records = append(res.Records, r)
	}
	return res, err
}

// History implements desk.Ledger.
func (s *scripted) History(_ context.Context, x workflows.StreamID) ([]workflows.Record, error) {
	return s.streams[x], nil
}

// R21: how long until somebody answers and until access can be used, how often people acted, and what was approved without them, by tier.
func TestReq_R21_WhatAskingCosts(t *testing.T) {
	t.Parallel()
	l := &scripted{streams: map[workflows.StreamID][]workflows.Record{}, now: 1e6}
	f := newFriction(l)
	reg := prometheus.NewRegistry()
	reg.MustRegister(f.collectors()...)
	put := func(stream workflows.StreamID, cause desk.Cause, after time.Duration, who workflows.PersonID, events ...workflows.Event) {
		t.Helper()
		l.now = l.now.Add(after)
		_, err := f.Update(t.Context(), cause, nil, func(workflows.Facts) (workflows.Outcome, error) {
			var out workflows.Outcome
			for _, e := range events {
				out.Add(stream, workflows.Acting{Person: who}, "", e)
			}
			return out, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	request, grant := workflows.RequestStream("r_1"), workflows.GrantStream("p_zed", "pg", "x")
	plan := []workflows.PlannedStage{{Name: "peers", Quorum: 2, Timeout: 3600}}
	asked := workflows.Submitted{Subject: "p_zed", Target: "pg", Entitlement: "x", Risk: "high", Plan: plan, Seconds: 3600}
	put(request, "a", 0, "p_zed", asked, workflows.StageOpened{Roster: []workflows.Seat{{Person: "p_ann"}, {Person: "p_bob"}}, TimesOutAt: 1 << 50})
	yes := workflows.VoteRecorded{Verdict: workflows.Approve}
	put(request, "b", 30*time.Second, "p_ann", yes)
	put(request, "again", time.Hour, "p_ann", yes) // a repetition is no second answer
	put(request, "c", 30*time.Second, "p_bob", yes, workflows.StageSatisfied{}, workflows.Approved{Grant: "g_1"})
	put(grant, "d", 0, "", grants.Approved{Grant: "g_1", Request: "r_1", Identity: "p_zed", Target: "pg", Entitlement: "x", EndsAt: 1 << 50})
	put(grant, "e", time.Minute, "", grants.Started{Grant: "g_1"})
	auto := workflows.RequestStream("r_2")
	asked.Risk, asked.Plan, asked.Chosen = "", nil, "short"
	put(auto, "f", 0, "p_zed", asked, workflows.AutoApproved{Rule: "short", Used: 1, Times: 3, Per: 3600}, workflows.Approved{Grant: "g_2"})

	got, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]float64{}
	for _, family := range got {
		for _, m := range family.GetMetric() {
			name := family.GetName()
			for _, label := range m.GetLabel() {
				name += " " + label.GetValue()
			}
			if h := m.GetHistogram(); h != nil {
				seen[name] = h.GetSampleSum()
				seen[name+" n"] = float64(h.GetSampleCount())
				continue
			}
			seen[name] = m.GetCounter().GetValue()
		}
	}
	for name, want := range map[string]float64{
		"request_first_response_seconds high": 30, "request_first_response_seconds high n": 1,
		"request_grant_seconds high": 3600 + 120, "request_grant_seconds high n": 1,
		"request_interactions high": 3, "request_interactions none": 1,
		"requests_approved_total people high": 1, "requests_approved_total rule none": 1,
	} {
		if seen["countersign_"+name] != want {
			t.Errorf("%s is %v, want %v", name, seen["countersign_"+name], want)
		}
	}
	for name := range seen {
		if strings.Contains(name, "p_") {
			t.Errorf("a number is about a person: %s", name)
		}
	}
}

// R6: how long it takes until somebody confirms that they answer for an identity: found unowned, handed over, attested. Who was its owner before is no
// news, and a repetition counts once.
func TestReq_R6_TimeUntilSomebodyAnswersForIt(t *testing.T) {
	t.Parallel()
	l := &scripted{streams: map[workflows.StreamID][]workflows.Record{}, now: 1e6}
	f := newFriction(l)
	reg := prometheus.NewRegistry()
	reg.MustRegister(f.collectors()...)
	put := func(stream workflows.StreamID, cause desk.Cause, after time.Duration, e workflows.Event) {
		t.Helper()
		l.now = l.now.Add(after)
		_, err := f.Update(t.Context(), cause, nil, func(workflows.Facts) (workflows.Outcome, error) {
			var out workflows.Outcome
			out.Add(stream, workflows.System, "", e)
			return out, nil
		})
		mustSay(t, err)
	}
	robot := workflows.IdentityStream("svc-robot")
	says := func(source, owner string) identities.Claimed {
		return identities.Claimed{Source: source, Says: identities.Entry{Class: "api_key", Owner: owner}}
	}
	put(robot, "a", 0, says("discovery/pg-main", ""))
	put(robot, "b", 2*time.Hour, says(identities.SourceDecision, "p_ann"))
	put(robot, "again", time.Hour, says(identities.SourceDecision, "p_ann"))
	put(robot, "c", time.Hour, says("import/cmdb", "p_ann"))
	put(robot, "d", time.Hour, identities.HandoverOpened{Handover: "o_1", Why: identities.WhyTransfer, Silence: identities.SilenceLapses, Rungs: []identities.Rung{{People: []workflows.PersonID{"p_bob"}, Until: 1 << 50}}})
	put(robot, "e", 2*24*time.Hour, identities.HandoverAnswered{Handover: "o_1", Verdict: identities.HandoverKeep, Owner: "p_bob"})
	put(workflows.SheetStream("s_1"), "f", 0, campaigns.Opened{})
	put(robot, "g", 5*24*time.Hour, identities.Attested{Review: "v_1", Item: "s_1#3", Verdict: "keep", By: "p_bob"})
	got, err := reg.Gather()
	mustSay(t, err)
	sums := map[string]float64{}
	for _, m := range got {
		if m.GetName() != "countersign_ownership_confirm_seconds" {
			continue
		}
		for _, x := range m.GetMetric() {
			if x.GetHistogram().GetSampleCount() != 1 {
				t.Errorf("%v was measured %d times", x.GetLabel(), x.GetHistogram().GetSampleCount())
			}
			sums[x.GetLabel()[0].GetValue()] = x.GetHistogram().GetSampleSum()
		}
	}
	if want := map[string]float64{"claimed": 2 * 3600, "handed_over": 48 * 3600, "attested": 120 * 3600}; !maps.Equal(sums, want) {
		t.Errorf("measured %v, want %v", sums, want)
	}
}
