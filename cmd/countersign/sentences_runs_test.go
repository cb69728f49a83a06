package main

import (
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/reviews"
	"github.com/countersign-bot/countersign/workflows/runs"
)

// storyOfRuns is an emergency that two people stand behind, carried out step by step.
func storyOfRuns(maya, jonas, ada workflows.PersonID, end workflows.Stamp) []toldLine {
	book, review := workflows.RunbookStream("db-rescue"), workflows.ReviewStream("v_01")
	run, routine := workflows.RunStream("u_01"), workflows.RunStream("u_02")
	steps := []incidents.Step{{Title: "Look"}, {Title: "Promote", Action: incidents.ActCommand}}
	return []toldLine{
		{book, maya, incidents.Proposed{Proposal: "x_01", Incident: "INC-8", Reason: "It stands still again.", Needed: []string{"Review v_01 is overdue since 2026-11-03 09:00 UTC."}, Asked: []workflows.PersonID{jonas}, Until: end}},
		{book, maya, incidents.Invoked{
			Incident: "INC-8", Reason: "It stands still again.", Grant: "g_07", Review: "v_01", EndsAt: end, Tier: incidents.TierBreakGlass, Second: jonas, SecondBy: workflows.AuthnCode, Proposal: "x_01",
			Executor: ada, Run: "u_01", Conditions: []incidents.Condition{{Name: incidents.CondDrilled, Says: "It should have been practised by 2026-11-01 09:00 UTC."}},
		}},
		{review, "", reviews.Joined{About: "runbook/db-rescue", Invoker: maya, Grant: "g_07"}},
		{run, maya, runs.Opened{Runbook: "db-rescue", Mode: runs.KindIncident, Incident: "INC-8", Executor: ada, Steps: steps, EndsAt: end}},
		{routine, maya, runs.Opened{Runbook: "rotate-key", Mode: runs.KindRoutine, Request: "r_01", Executor: maya, Steps: steps, EndsAt: end}},
		{run, maya, runs.Renewed{Executor: ada, EndsAt: end}},
		{run, ada, runs.StepDone{Step: 1, Note: "The primary is dead.", Authn: "slack-click"}},
		{run, ada, runs.StepStarted{Step: 2, Order: "g_01-s2", Attempt: 1}},
		{run, "", runs.StepChecked{Step: 2, Presence: "absent"}},
		{run, "", runs.StepFailed{Step: 2, Attempt: 1, Class: "retry", Text: "the target did not answer in time."}},
		{run, "", runs.StepFailed{Step: 2, Attempt: 2, Class: "refuse", Text: "no.", Final: true}},
		{run, "", runs.StepStarted{Step: 2, Order: "g_01-s2", Attempt: 3, Auto: true}},
		{run, "", runs.StepDone{Step: 2, Ref: "job 7"}},
		{run, ada, runs.StepSkipped{Step: 1, Why: "The host is gone."}},
		{run, ada, runs.EvidenceAdded{What: runs.EvidenceFile, Hash: "sha256:00ff"}},
		{run, ada, runs.RolledBack{Steps: []int{2}, Why: "The wrong standby."}},
		{run, "", runs.StepUndone{Step: 2, Presence: "absent"}},
		{run, ada, runs.Closed{How: runs.HowStopped, Why: "Writes work again.", Open: []int{1}}},
		{run, "", runs.Closed{How: runs.HowIncident, Open: []int{1, 2}}},
		{run, "", runs.Closed{How: runs.HowRanOut}},
		{run, "", runs.Closed{How: runs.HowFinished}},
		{run, ada, runs.SecretTaken{Step: 1, Order: "g_01-s1", Authn: workflows.AuthnHost, Channel: "cli"}},
		{run, "", runs.SecretDestroyed{Step: 1, Why: runs.DestroyedTaken}},
		{review, "", reviews.Escalated{Level: 2}},
		{review, ada, reviews.TaskDone{Task: "1", Note: "The password is another one."}},
		{book, ada, incidents.Barred{Person: maya, Review: "v_01"}},
	}
}
