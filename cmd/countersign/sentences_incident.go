package main

import (
	"fmt"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

// tellIncident tells what happens to an incident.
func (n *narrator) tellIncident(r workflows.Record) string {
	id := r.Stream.Rest()
	switch e := r.Event.(type) {
	case incidents.IncidentOpened:
		command := "and commands it"
		if e.Uncommanded {
			command = "without a commander"
		}
		return fmt.Sprintf("%s opened incident %s of severity %d %s, %s.", n.actor(r), id, e.Severity, command, because(e.Title, true))
	case incidents.IncidentJoined:
		if e.Person == r.Person {
			return fmt.Sprintf("%s joined incident %s as %s.", n.actor(r), id, e.Role)
		}
		return fmt.Sprintf("%s made %s %s of incident %s.", n.actor(r), n.person(e.Person), e.Role, id)
	case incidents.SeverityChanged:
		return fmt.Sprintf("%s changed the severity of incident %s from %d to %d, %s.", n.actor(r), id, e.From, e.To, because(e.Why, true))
	case incidents.HandedOver:
		if e.From == "" {
			return fmt.Sprintf("%s made %s the commander of incident %s, which had none, %s.", n.actor(r), n.person(e.To), id, because(e.Summary, true))
		}
		return fmt.Sprintf("%s made %s the commander of incident %s, who was %s, %s.", n.actor(r), n.person(e.To), id, n.person(e.From), because(e.Summary, true))
	case incidents.IncidentClosed:
		return fmt.Sprintf("%s closed incident %s, %s.", n.actor(r), id, because(e.Why, true))
	case incidents.IncidentSettled:
		return fmt.Sprintf("Everything that was given for incident %s is being ended: %s.", id, howMany(e.Grants, "grant"))
	}
	return ""
}
