package main

import (
	"fmt"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/escalations"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

// tellEscalation tells who was told that something cannot wait, and who looks after it.
func (n *narrator) tellEscalation(r workflows.Record) string {
	id := r.Stream.Rest()
	switch e := r.Event.(type) {
	case escalations.Opened:
		drill := ""
		if e.Drill {
			drill = ", a drill"
		}
		return fmt.Sprintf("Escalation %s walks the path %s because of %s%s: %s.", id, e.Path, strings.ReplaceAll(e.About, "_", " "), drill, because(e.What, true))
	case escalations.StepTaken:
		return fmt.Sprintf("Escalation %s asks step %d, round %d (%s): %s, by %s; it waits until %s.", id, e.Step, e.Round, e.Because, n.stepOf(e), strings.Join(e.By, ", "), day(e.Until))
	case escalations.Acknowledged:
		out := fmt.Sprintf("%s acknowledged escalation %s", n.actor(r), id)
		if e.Note != "" {
			out += ", " + because(e.Note, true)
		}
		return out + "."
	case escalations.Exhausted:
		return fmt.Sprintf("Escalation %s came to the end of its path after %s, with %s delivered, and nobody acknowledged it.", id, howMany(e.Rounds, "round"), howMany(e.Told, "message"))
	case escalations.Closed:
		if e.How == escalations.HowOver {
			return fmt.Sprintf("Escalation %s is over: what it was about has ended.", id)
		}
		return fmt.Sprintf("%s closed escalation %s, %s.", n.actor(r), id, because(e.Why, true))
	case incidents.DrillProved:
		return fmt.Sprintf("%s acknowledged the drill of runbook %s: %s delivered, so its alerts fire.", n.actor(r), id, wasWere(e.Delivered, "message"))
	}
	return ""
}

func wasWere(n int, what string) string {
	if n == 1 {
		return "1 " + what + " was"
	}
	return fmt.Sprintf("%d %ss were", n, what)
}

func (n *narrator) stepOf(e escalations.StepTaken) string {
	var out []string
	for _, p := range e.People {
		out = append(out, n.person(p))
	}
	for _, x := range []string{e.Channel, e.Pager} {
		if x != "" {
			out = append(out, x)
		}
	}
	if len(out) == 0 {
		return "nobody"
	}
	return strings.Join(out, ", ")
}
