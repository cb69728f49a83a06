package main

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/runbooktest"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// R57: how long access is granted is measured by tier and kind; a row of extensions counts as one.
func TestReq_R57_LifetimesAreMeasured(t *testing.T) {
	t.Parallel()
	l := newLifetimes()
	at := workflows.StampOf(time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC))
	r := workflows.Record{At: workflows.Instant{UTC: at}}
	l.observe(r, grants.Approved{Risk: "high", Principal: "person", EndsAt: at.Add(time.Hour)})
	l.observe(r, grants.Approved{Risk: "high", Principal: "person", EndsAt: at.Add(2 * time.Hour), First: at.Add(-2 * time.Hour)})
	l.observe(r, grants.Approved{Principal: "service_account", StartsAt: at.Add(time.Hour), EndsAt: at.Add(90 * time.Minute)})
	reg := prometheus.NewRegistry()
	reg.MustRegister(l.collectors()...)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, x := range m.GetLabel() {
				name += " " + x.GetValue()
			}
			got[name] = m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	want := map[string]float64{
		"countersign_grant_ttl_longest_seconds person high": 4 * 3600, "countersign_grant_ttl_longest_seconds service_account none": 1800,
		"countersign_grant_ttl_seconds person high": 2, "countersign_grant_ttl_seconds service_account none": 1,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// lost is the policy engine when it is gone: nothing can be read and nothing decided.
type lost struct{ desk.Ledger }

func (lost) Update(context.Context, desk.Cause, []workflows.StreamID, func(workflows.Facts) (workflows.Outcome, error)) (desk.Result, error) {
	return desk.Result{}, context.DeadlineExceeded
}

func (lost) History(context.Context, workflows.StreamID) ([]workflows.Record, error) {
	return nil, context.DeadlineExceeded
}

// R104: policy engine (desk and workflows), policy administrator (runner and connectors) and enforcement point (the target) are three. When
// the engine is lost, nothing new is made: the administrator asks it before every call. What was made ends by the target's own clock.
func TestReq_R104_LosingTheEngineFailsClosedAndExpiresSafely(t *testing.T) {
	p := newPlant(t, 1)
	p.hold(t, 2, func(i int) workflows.IdentityID { return []workflows.IdentityID{"svc-old", "svc-new"}[i] })
	target := p.targets["t0"]
	before := target.Calls(runbooktest.CallGrant)
	blind := desk.New(desk.Config{Ledger: lost{p.store}, Directory: everybody{}, IDs: clockIDs{p.clock}, Log: p.log})
	e := effects{desk: blind, runner: runbooks.NewRunner(map[string]runbooks.Connector{"t0": target}, p.log), clock: p.clock, log: p.log}
	for _, g := range target.All() {
		stream, err := p.store.List(t.Context(), grants.ListByID, string(g), 1)
		if err != nil || len(stream) != 1 {
			t.Fatal(stream, err)
		}
		if err := e.start(t.Context(), jobOf(stream[0], workflows.JobStart, string(g))); err == nil {
			t.Error("the engine is lost, and access is made")
		}
	}
	if got := target.Calls(runbooktest.CallGrant); got != before {
		t.Errorf("the target was called %d times", got-before)
	}
	if _, err := blind.Submit(t.Context(), desk.Submission{By: workflows.Acting{Actor: "a_zed", Person: "p_zed"}, Workflow: "any"}); err == nil {
		t.Error("the engine is lost, and something was asked for")
	}
	target.Always(runbooktest.CallRevoke, runbooktest.Fault{Before: context.DeadlineExceeded}) // nobody comes to take it back
	p.clock.Add(time.Hour)
	for _, g := range target.All() {
		if target.Works(g) {
			t.Errorf("%s still lets its holder in after its end", g)
		}
	}
}
