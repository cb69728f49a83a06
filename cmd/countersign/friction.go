package main

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// friction measures what asking for access costs people (R21), by tier of risk: how long until somebody answers and until it can be used, how
// often somebody had to act, and how much was approved without people. It listens to what the desk's decisions committed; what it counts begins
// with the start of the process, as counters do.
type friction struct {
	desk.Ledger

	first    *prometheus.HistogramVec
	granted  *prometheus.HistogramVec
	acts     *prometheus.HistogramVec
	approved *prometheus.CounterVec
	owned    *prometheus.HistogramVec
	ttl      *lifetimes
}

func newFriction(l desk.Ledger) *friction {
	// from what answers itself to what waits over a weekend
	seconds := []float64{10, 60, 5 * 60, 15 * 60, 3600, 4 * 3600, 24 * 3600, 3 * 24 * 3600}
	histogram := func(name, help string, buckets []float64) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "countersign_" + name, Help: help, Buckets: buckets}, []string{"tier"})
	}
	return &friction{
		Ledger: l,
		owned: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "countersign_ownership_confirm_seconds", Buckets: []float64{3600, 4 * 3600, 24 * 3600, 3 * 24 * 3600, 7 * 24 * 3600, 14 * 24 * 3600, 30 * 24 * 3600, 90 * 24 * 3600},
			Help: "Until somebody confirmed that they answer for an identity: since it was found unowned, handed over, or put to its reviewers.",
		}, []string{"how"}),
		ttl:     newLifetimes(),
		first:   histogram("request_first_response_seconds", "From asking to the first vote or counter-offer.", seconds),
		granted: histogram("request_grant_seconds", "From asking to access that can be used.", seconds),
		acts:    histogram("request_interactions", "How often people acted on a request until it was approved, the asking included.", []float64{1, 2, 3, 4, 6, 8, 12, 20}),
		approved: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "countersign_requests_approved_total", Help: "Approved requests: by people, by a rule of the document, or within a standing window.",
		}, []string{"tier", "how"}),
	}
}

func (f *friction) collectors() []prometheus.Collector {
	return append([]prometheus.Collector{f.first, f.granted, f.acts, f.approved, f.owned}, f.ttl.collectors()...)
}

// Update implements desk.Ledger.
func (f *friction) Update(ctx context.Context, cause desk.Cause, streams []workflows.StreamID, decide func(workflows.Facts) (workflows.Outcome, error)) (desk.Result, error) {
	res, err := f.Ledger.Update(ctx, cause, streams, decide)
	if err != nil || res.Replayed {
		return res, err
	}
	for _, r := range res.Records {
		switch e := r.Event.(type) {
		case workflows.VoteRecorded, workflows.Countered:
			f.responded(ctx, r)
		case workflows.Approved:
			f.decided(ctx, r)
		case grants.Approved:
			f.ttl.observe(r, e)
		case grants.Started:
			f.started(ctx, r, e.Grant)
		case identities.HandoverAnswered:
			if e.Verdict == identities.HandoverKeep {
				f.confirmed(ctx, r, "handed_over")
			}
		case identities.Claimed:
			if e.Says.Owner != "" && r.Seq > 1 {
				f.confirmed(ctx, r, "claimed")
			}
		case identities.Attested:
			f.attested(ctx, r, e.Item)
		}
	}
	return res, nil
}

// responded measures the first answer of somebody, and only that.
func (f *friction) responded(ctx context.Context, r workflows.Record) {
	h, s, ok := f.request(ctx, r.Stream, r.Seq)
	if !ok || slices.ContainsFunc(h[:len(h)-1], func(o workflows.Record) bool {
		switch o.Event.(type) {
		case workflows.VoteRecorded, workflows.Countered:
			return true
		}
		return false
	}) {
		return
	}
	f.first.WithLabelValues(tierOf(s)).Observe(r.At.UTC.Sub(s.At.UTC).Seconds())
}

func (f *friction) decided(ctx context.Context, r workflows.Record) {
	h, s, ok := f.request(ctx, r.Stream, r.Seq)
	if !ok {
		return
	}
	how, acts := "people", 0
	switch {
	case s.Asked.Window != "":
		how = "window"
	case s.Auto != nil:
		how = "rule"
	}
	for _, o := range h {
		switch o.Event.(type) {
		case workflows.Submitted, workflows.VoteRecorded, workflows.VoteTakenBack, workflows.Countered, workflows.OfferDeclined, workflows.Commented:
			acts++
		}
	}
	f.approved.WithLabelValues(tierOf(s), how).Inc()
	f.acts.WithLabelValues(tierOf(s)).Observe(float64(acts))
}

func (f *friction) started(ctx context.Context, r workflows.Record, id workflows.GrantID) {
	h, err := f.History(ctx, r.Stream)
	if err != nil {
		return
	}
	g, err := grants.Fold(h)
	if err != nil {
		return
	}
	hold, _ := g.Find(id)
	if hold.Approved.Request == "" || hold.Approved.StartsAt != 0 {
		return // break glass, or a start that was agreed for later
	}
	if _, s, ok := f.request(ctx, workflows.RequestStream(hold.Approved.Request), 1<<62); ok {
		f.granted.WithLabelValues(tierOf(s)).Observe(r.At.UTC.Sub(s.At.UTC).Seconds())
	}
}

// confirmed measures how long nobody had said that they answer for an identity (R6). Somebody who was its owner before confirms nothing new.
func (f *friction) confirmed(ctx context.Context, r workflows.Record, how string) {
	ctx, cancel := context.WithTimeout(ctx, metricPatience)
	defer cancel()
	h, err := f.History(ctx, r.Stream)
	if err != nil {
		return
	}
	h = h[:min(int64(len(h)), r.Seq-1)]
	before, err := identities.FoldIdentity(h)
	if err != nil || len(h) == 0 || how == "claimed" && before.Entry().Owner != "" {
		return
	}
	since := before.First.UTC
	for _, o := range h {
		if _, ok := o.Event.(identities.HandoverOpened); ok && how == "handed_over" {
			since = o.At.UTC
		}
	}
	f.owned.WithLabelValues(how).Observe(r.At.UTC.Sub(since).Seconds())
}

// attested measures from the opening of the sheet on which a reviewer said that an identity is needed as it is.
func (f *friction) attested(ctx context.Context, r workflows.Record, item string) {
	ctx, cancel := context.WithTimeout(ctx, metricPatience)
	defer cancel()
	sheet, _, _ := strings.Cut(item, "#")
	if h, err := f.History(ctx, workflows.SheetStream(workflows.SheetID(sheet))); err == nil && len(h) > 0 {
		f.owned.WithLabelValues("attested").Observe(r.At.UTC.Sub(h[0].At.UTC).Seconds())
	}
}

// request reads a request up to one of its entries. What cannot be read is not measured: a number is never worth an error.
func (f *friction) request(ctx context.Context, stream workflows.StreamID, upTo int64) ([]workflows.Record, workflows.State, bool) {
	ctx, cancel := context.WithTimeout(ctx, metricPatience)
	defer cancel()
	h, err := f.History(ctx, stream)
	if err != nil {
		return nil, workflows.State{}, false
	}
	h = h[:min(int64(len(h)), upTo)]
	s, err := workflows.Fold(h)
	return h, s, err == nil
}

func tierOf(s workflows.State) string { return cmp.Or(s.Asked.Risk, "none") }
