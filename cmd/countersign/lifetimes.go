package main

import (
	"cmp"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// lifetimes measures for how long access is granted (R57), by tier of risk and kind of holder: the median is in the histogram, the longest
// beside it. A row of extensions counts as one from its beginning: what matters is how long somebody had it.
type lifetimes struct {
	seconds *prometheus.HistogramVec
	longest *prometheus.GaugeVec

	mu  sync.Mutex
	max map[[2]string]float64
}

func newLifetimes() *lifetimes {
	labels := []string{"tier", "kind"}
	return &lifetimes{
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "countersign_grant_ttl_seconds", Help: "For how long access was granted, extensions counted from the start of the first grant.",
			Buckets: []float64{15 * 60, 30 * 60, 3600, 2 * 3600, 4 * 3600, 8 * 3600, 24 * 3600, 7 * 24 * 3600},
		}, labels),
		longest: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "countersign_grant_ttl_longest_seconds", Help: "The longest of them since the start of the process."}, labels),
		max:     map[[2]string]float64{},
	}
}

func (l *lifetimes) collectors() []prometheus.Collector {
	return []prometheus.Collector{l.seconds, l.longest}
}

func (l *lifetimes) observe(r workflows.Record, e grants.Approved) {
	start := cmp.Or(e.First, e.StartsAt, r.At.UTC)
	tier, kind := cmp.Or(e.Risk, "none"), cmp.Or(e.Principal, "person")
	seconds := e.EndsAt.Sub(start).Seconds()
	l.seconds.WithLabelValues(tier, kind).Observe(seconds)
	l.mu.Lock()
	defer l.mu.Unlock()
	key := [2]string{tier, kind}
	l.max[key] = max(l.max[key], seconds)
	l.longest.WithLabelValues(tier, kind).Set(l.max[key])
}
