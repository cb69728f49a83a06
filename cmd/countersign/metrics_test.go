package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/bot/screens"
)

// TestMetrics scrapes a bot that has worked. The names, their kinds and their words are what dashboards are built on.
func TestMetrics(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	w.start()
	cert := w.grant("maya", "1h", "So that the numbers are not all zero.")
	w.ask("kenji", "quick", "1h", "Nobody has decided this.")
	body, _ := w.get("/metrics")
	var lines []string
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, "# ") {
			lines = append(lines, line)
		}
	}
	slices.SortStableFunc(lines, func(a, b string) int { return strings.Compare(strings.Fields(a)[2], strings.Fields(b)[2]) })
	golden(t, "metrics.golden", strings.Join(lines, ""))
	for name, want := range map[string]string{
		"countersign_ledger_writable": "1", "countersign_requests_open": "1", "countersign_grants_live": "1", "countersign_grants_overdue": "0",
		"countersign_handler_panics_total": "0", "countersign_slack_connections": "[1-9]", "countersign_ledger_entries": "[1-9][0-9]",
		"countersign_interactions_received_total": "[1-9][0-9]*",
	} {
		if got := w.metric(name); !regexp.MustCompile("^" + want + "$").MatchString(got) {
			t.Errorf("%s is %q, want %s", name, got, want)
		}
	}
	w.click("jonas", w.card("Nobody has decided this."), screens.ActApprove)
	w.granted("kenji", cert)
	if got := w.metric("countersign_requests_open"); got != "0" {
		t.Errorf("after the decision %s requests are open", got)
	}
}
