package main

import (
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/campaigns"
)

// storyOfCampaigns is one that two people look at, and management signs.
func storyOfCampaigns(maya, jonas, ada workflows.PersonID, end workflows.Stamp) []toldLine {
	on, sheet := workflows.CampaignStream("machines"), workflows.SheetStream("c_01-1")
	plan := workflows.CampaignPlan{Name: "machines", Title: "Machines, every quarter", Acknowledge: []workflows.PersonID{ada}}
	return []toldLine{
		{on, "", campaigns.Planned{Cron: "0 9 1 */3 *", Zone: "Europe/Berlin"}},
		{sheet, "", campaigns.Opened{Campaign: "machines", Run: "c_01", Reviewer: maya, Items: []campaigns.Item{{ID: "svc-a"}, {ID: "svc-b"}}, DueAt: end}},
		{on, "", campaigns.Begun{Run: "c_01", Plan: plan, Scheduled: end, Missed: 2, DueAt: end, Items: 2, Sheets: []campaigns.SheetRef{{Sheet: "c_01-1", Reviewer: maya, Items: 2}}}},
		{on, jonas, campaigns.Begun{Run: "c_02", Plan: plan, DueAt: end}},
		{sheet, maya, campaigns.Shown{Items: []int{1, 2}, Digests: []string{"00ff", "11ee"}}},
		{sheet, maya, campaigns.Decided{Items: []int{1}, Verdict: campaigns.Narrow, Shown: "00ff", After: 40, Scope: []string{"read"}, Reason: "It only reads."}},
		{sheet, maya, campaigns.Decided{Items: []int{2}, Verdict: campaigns.ToJIT, Shown: "00ff", After: 1, Reason: "Used once a year."}},
		{sheet, "", campaigns.Escalated{To: jonas}},
		{sheet, "", campaigns.Lapsed{Items: []int{2}, Verdict: campaigns.None}},
		{sheet, "", campaigns.Settled{Item: 2, How: "removed", Proof: "verified", Detail: "can be asked for through prod-shell"}},
		{sheet, "", campaigns.Closed{Counts: campaigns.Counts{Narrowed: 1, Converted: 1, Failed: 1}}},
		{on, "", campaigns.SheetDone{Run: "c_01", Sheet: "c_01-1", Counts: campaigns.Counts{Kept: 1, Silent: 1}}},
		{on, "", campaigns.Ended{Run: "c_01"}},
		{on, ada, campaigns.Acknowledged{Run: "c_01", Note: "Read, with thanks."}},
	}
}
