package bot_test

import (
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/slack/slacksim"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

const drillOverdue = "Its drill is overdue since"

// A runbook that was not practised in time says so to who is about to go around that, and on the checklist that everybody in the incident
// follows, with the day on which the drill was due; while it is not due, and in the drill itself, nothing of it is said.
func TestGlass_23_AnOverdueDrillStandsOnTheChecklist(t *testing.T) {
	for _, c := range []struct {
		name, text string
		wait       time.Duration
		values     map[string]map[string]any
		overdue    bool
	}{
		{"in time", "restart-db INC-123 checkout hangs", 23 * time.Hour, nil, false},
		{"overdue", "restart-db INC-123 checkout hangs", 25 * time.Hour, map[string]map[string]any{"tier": {"value": "break_glass"}}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := practised(t)
			w.m.pass(c.wait)
			before := w.glass("maya", c.text, c.values)
			if got := strings.Contains(before, "It should have been practised by 2026-11-23 14:00 UTC"); got != c.overdue {
				t.Errorf("before the click it is said: %v\n%s", got, before)
			}
			w.run()
			list := w.checklist("INC-123")
			wantIn(t, list, "Look", "Restart")
			if got := strings.Contains(list, drillOverdue); got != c.overdue {
				t.Errorf("on the checklist it is said: %v\n%s", got, list)
			}
			if c.overdue {
				wantIn(t, list, "|2026-11-23 14:00 UTC>", "look twice at what each step does")
			}
		})
	}
}

// practised is a world in which the runbook is approved, has two steps, and has to be practised every day.
func practised(t *testing.T) *world {
	t.Helper()
	w := start(t, func(_ *slacksim.Config, p *desk.Policy, w *world) {
		b := p.Runbooks["restart-db"]
		b.Runbook.DrillEvery, b.Runbook.Steps = 24*3600, []incidents.Step{{Title: "Look", Text: "At the dashboard."}, {Title: "Restart"}}
		b.Runbook.BreakGlass = &incidents.BreakGlass{People: workflows.Selector{People: []workflows.PersonID{w.people["maya"]}}, Longest: 1800}
		p.Runbooks["restart-db"] = b
		p.Documents = append(p.Documents, workflows.Document{Hash: b.Runbook.Document, Kind: "runbook", Bytes: b.Text})
	})
	w.preapprove()
	return w
}

// checklist is what stands on the newest checklist of an incident in #incidents.
func (w *world) checklist(incident string) string {
	w.t.Helper()
	list := w.sim.Messages("incidents")
	for i := len(list) - 1; i >= 0; i-- {
		for _, m := range append([]slacksim.Message{list[i]}, w.sim.Thread("incidents", list[i].TS)...) {
			if v := m.Visible(); strings.Contains(v, "carries out") && strings.Contains(v, incident) {
				return v
			}
		}
	}
	w.t.Fatalf("no checklist of %s; log:\n%s", incident, w.log)
	return ""
}
