package main

import (
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/escalations"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

// storyOfEscalation is an escalation with all that can happen to one.
func storyOfEscalation(maya, jonas, ada workflows.PersonID) []toldLine {
	s := escalations.Stream("e_abcdefghijklmnop")
	until := workflows.StampOf(time.Date(2026, 11, 22, 9, 5, 0, 0, time.UTC))
	return []toldLine{
		{s, maya, escalations.Opened{About: escalations.KindBreakGlass, Path: "on-call", Steps: 2, Whose: []workflows.PersonID{maya}, What: "Restart the database.", Why: "It is down."}},
		{s, "", escalations.StepTaken{Step: 1, Round: 1, People: []workflows.PersonID{jonas}, By: []string{escalations.ByDM, escalations.ByMail}, Until: until, Because: escalations.BecauseOpened}},
		{s, "", escalations.StepTaken{Step: 2, Round: 1, People: []workflows.PersonID{ada}, By: []string{escalations.ByDM, escalations.ByChannel, escalations.ByPager}, Channel: "#security", Pager: "pager", Until: until, Because: escalations.BecauseSilence}},
		{s, "", escalations.Exhausted{Rounds: 1, Told: 3}},
		{s, ada, escalations.Acknowledged{Note: "On it."}},
		{s, jonas, escalations.Acknowledged{}},
		{s, ada, escalations.Closed{How: escalations.HowByHand, Why: "The database is back."}},
		{s, "", escalations.Closed{How: escalations.HowOver}},
		{escalations.Stream("e_ponmlkjihgfedcba"), maya, escalations.Opened{About: escalations.KindDrill, Path: "on-call", Steps: 2, What: "Restart the database.", Drill: true}},
		{workflows.RunbookStream("restart-db"), ada, incidents.DrillProved{Grant: "g_07", Escalation: "e_ponmlkjihgfedcba", Delivered: 1}},
	}
}
