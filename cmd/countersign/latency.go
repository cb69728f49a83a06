package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// latency measures what people wait for, and what an attacker has: from the approval on record until the target has the access, and from the
// end of a grant until the target was read back without it.
type latency struct {
	clock   jobs.Clock
	usable  *prometheus.HistogramVec
	refused *prometheus.HistogramVec
}

func newLatency(clock jobs.Clock) *latency {
	histogram := func(name, help string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "countersign_" + name, Help: help, Buckets: []float64{0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300},
		}, []string{"target"})
	}
	return &latency{
		clock:   clock,
		usable:  histogram("grant_usable_seconds", "From an approval on record until its access could be used, by target."),
		refused: histogram("revoke_effective_seconds", "From the end of a grant until the target was read back without its access, by target."),
	}
}

func (l *latency) collectors() []prometheus.Collector {
	return []prometheus.Collector{l.usable, l.refused}
}

func (l *latency) since(at workflows.Stamp) float64 {
	return max(0, workflows.StampOf(l.clock.Now().Wall).Sub(at).Seconds())
}

// made counts access that was just recorded as made. What starts at an agreed moment is due from then on.
func (l *latency) made(h grants.Hold) {
	if l != nil {
		l.usable.WithLabelValues(string(h.Approved.Target)).Observe(l.since(max(h.At.UTC, h.Approved.StartsAt)))
	}
}

// gone counts access that was just read back as gone.
func (l *latency) gone(h grants.Hold, presence runbooks.Presence) {
	if l != nil && presence == runbooks.Absent && h.EndingAt.UTC != 0 {
		l.refused.WithLabelValues(string(h.Approved.Target)).Observe(l.since(h.EndingAt.UTC))
	}
}
