package main

import (
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

// storyOfIncident is an incident with all that can happen to one.
func storyOfIncident(maya, jonas, ada workflows.PersonID) []toldLine {
	s := incidents.StreamOf("INC-8")
	return []toldLine{
		{s, maya, incidents.IncidentOpened{Title: "Checkout is down.", Severity: 3}},
		{s, jonas, incidents.IncidentJoined{Person: jonas, Role: incidents.RoleExecutor}},
		{s, maya, incidents.IncidentJoined{Person: ada, Role: incidents.RoleScribe}},
		{s, maya, incidents.SeverityChanged{From: 3, To: 1, Why: "All shops."}},
		{s, maya, incidents.HandedOver{From: maya, To: jonas, Summary: "The standby is being promoted."}},
		{s, jonas, incidents.IncidentClosed{Why: "Orders arrive again."}},
		{s, "", incidents.IncidentSettled{Grants: 2}},
		{incidents.StreamOf("INC-9"), ada, incidents.IncidentOpened{Title: "Mail is down.", Severity: 2, Uncommanded: true}},
		{incidents.StreamOf("INC-9"), maya, incidents.HandedOver{To: maya, Summary: "The relay does not answer."}},
	}
}
