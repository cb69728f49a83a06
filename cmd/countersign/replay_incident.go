package main

import (
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

// incident judges an incident: that who did something was the person of their account, and that only the commander, or somebody who took it
// over for themselves, handed it on.
func (j *judge) incident(h []workflows.Record) {
	for i, r := range h {
		if r.Person == "" {
			continue
		}
		j.out.Decisions++
		j.linked(r)
		if i == 0 {
			continue
		}
		before, err := incidents.FoldIncident(h[:i])
		if err != nil {
			return // said
		}
		switch e := r.Event.(type) {
		case incidents.HandedOver:
			if e.From != before.Commander || r.Person != e.From && r.Person != e.To {
				j.wrong(r, "hands over what %s commanded, by somebody else", orNobody(before.Commander))
			}
		case incidents.SeverityChanged:
			if e.From != before.Severity {
				j.wrong(r, "changes a severity of %d, which was %d", e.From, before.Severity)
			}
		case incidents.IncidentJoined:
			if e.Person != r.Person && r.Person != before.Commander {
				j.wrong(r, "gives a role to somebody else, by %s, who did not command it", orNobody(r.Person))
			}
		}
	}
}
