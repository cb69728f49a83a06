package main

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// metrics are the numbers of /metrics. Each is read when it is asked for; none costs anything otherwise.
func (s *serving) metrics() []prometheus.Collector {
	counter := func(name, help string, f func() float64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "countersign_" + name, Help: help}, f)
	}
	gauge := func(name, help string, f func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "countersign_" + name, Help: help}, f)
	}
	in := func() float64 { return float64(s.intake.Stats().Received) }
	return []prometheus.Collector{
		gauge("ledger_entries", "Entries in the ledger.", s.entries),
		gauge("ledger_writable", "1 while the ledger can be written.", func() float64 { return truth(s.store.PoisonedBy() == nil && s.store.DiskFull() == nil) }),
		gauge("ledger_sound", "1 once the whole ledger was checked after the start, 0 before, -1 if it failed.", func() float64 { return float64(s.deep.state.Load()) }),
		gauge("requests_open", "Requests that wait for a decision.", s.counted(workflows.ListOpen)),
		gauge("grants_live", "Grants that are due, active or still to be taken back.", s.liveGrants),
		gauge("grants_overdue", "Grants whose revocation has not succeeded in time.", s.overdueGrants),
		gauge("grants_unverified", "Active grants of which nobody can tell now whether they should still be allowed.", s.unverifiedGrants),
		gauge("jobs_lag_seconds", "How late the longest waiting job is.", s.jobLag),
		counter("interactions_received_total", "Interactions and events that came from Slack.", in),
		counter("interactions_duplicate_total", "Of these, repeated ones.", func() float64 { return float64(s.intake.Stats().Duplicates) }),
		counter("interactions_foreign_total", "Payloads of another app or workspace, dropped.", func() float64 { return float64(s.intake.Stats().Foreign) }),
		counter("interactions_not_recorded_total", "Interactions that were answered with \"not recorded\".", func() float64 {
			st := s.intake.Stats()
			return float64(st.Busy + st.InboxErrors)
		}),
		counter("interactions_unknown_total", "Interactions of kinds that are not known.", func() float64 { return float64(s.intake.Stats().UnknownKinds) }),
		counter("interactions_malformed_total", "Payloads that were refused because they cannot be read safely.", func() float64 { return float64(s.intake.Stats().Malformed) }),
		counter("handler_panics_total", "Panics that were caught while handling an interaction.", func() float64 { return float64(s.intake.Stats().Panics) }),
		gauge("slack_connections", "Socket Mode connections that are listened to.", func() float64 { return float64(s.sockets().Live) }),
		counter("slack_ghosts_total", "Greetings in which Slack counted more connections than we hold.", func() float64 { return float64(s.sockets().Ghosts) }),
		newOutflowMetrics(s),
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

const metricPatience = 2 * time.Second // a scrape that waits longer is worse than a missing number

func (s *serving) entries() float64 {
	ctx, cancel := context.WithTimeout(context.Background(), metricPatience)
	defer cancel()
	h, err := s.store.Head(ctx)
	if err != nil {
		return -1
	}
	return float64(h.Size)
}

// counted is how many streams are on a list, all of them; -1 where they cannot be counted in time.
func (s *serving) counted(list string) func() float64 {
	return func() float64 {
		ctx, cancel := context.WithTimeout(context.Background(), metricPatience)
		defer cancel()
		n, err := s.store.Count(ctx, list, "")
		if err != nil {
			return -1
		}
		return float64(n)
	}
}

func (s *serving) liveGrants() float64 { return s.countGrants(func(grants.Hold) bool { return true }) }

func (s *serving) overdueGrants() float64 {
	return s.countGrants(func(h grants.Hold) bool { return h.Level > 0 })
}

func (s *serving) unverifiedGrants() float64 {
	return s.countGrants(func(h grants.Hold) bool { _, ok := h.Unverified(); return ok })
}

// countGrants counts live grants, all of them; -1 where they cannot be read in time.
func (s *serving) countGrants(which func(grants.Hold) bool) (n float64) {
	ctx, cancel := context.WithTimeout(context.Background(), metricPatience)
	defer cancel()
	err := s.desk.EachLive(ctx, func(_ workflows.StreamID, g grants.State) error {
		for _, h := range g.Holds {
			if h.Live() && which(h) {
				n++
			}
		}
		return nil
	})
	if err != nil {
		return -1
	}
	return n
}

// jobLag compares the earliest due job with product time.
func (s *serving) jobLag() float64 {
	ctx, cancel := context.WithTimeout(context.Background(), metricPatience)
	defer cancel()
	due, err := s.store.NextDue(ctx)
	if err != nil {
		return -1
	}
	now := workflows.StampOf(s.clock.Now().Wall)
	if due == 0 || due > now {
		return 0
	}
	return now.Sub(due).Seconds()
}
