package main

import (
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// storyOfVerified is the part of storyOfEveryKind about asking again, and about taking everything away at once.
func storyOfVerified() []toldLine {
	grant, svc := workflows.StreamID("grant/p_maya/bastion/deploy"), workflows.IdentityStream("svc-deploy")
	return []toldLine{
		{grant, "", grants.Checked{Grant: "g_01", Trigger: grants.CheckStart, Facts: []grants.Fact{{Name: grants.FactPolicy, Answer: grants.Yes}, {Name: grants.FactRequester, Answer: grants.Yes}}}},
		{grant, "", grants.Checked{Grant: "g_01", Trigger: grants.CheckSchedule, Facts: []grants.Fact{{Name: grants.FactTask, Answer: grants.CannotTell, Why: "The source of ticket PAY-1 does not answer.", Source: "jira"}}}},
		{grant, "", grants.Checked{Grant: "g_01", Trigger: grants.CheckEvent, Facts: []grants.Fact{{Name: grants.FactRequester, Answer: grants.No, Why: "This account is deactivated."}}}},
		{grant, ada, grants.RemovedByHand{Grant: "g_01", Why: "Dropped the role on the server; it is gone from pg_roles.", Authn: "unix-peer", Channel: "cli"}},
		{svc, ada, identities.AccessRevoked{Grants: []workflows.GrantID{"g_01", "g_02"}, Why: "Its key leaked.", Authn: "unix-peer", Channel: "cli"}},
		{svc, ada, identities.Quarantined{Why: "Its key leaked.", Authn: "unix-peer", Channel: "cli"}},
		{svc, jonas, identities.ReleaseAsked{Why: "It has a new key.", Authn: "slack-click", Channel: "slack"}},
		{svc, ada, identities.Released{Asked: jonas, Why: "Seen.", Authn: "unix-peer", Channel: "cli"}},
		{workflows.PersonStream(maya), "", identities.Quarantined{Channel: "scim"}},
		{svc, "", identities.Watched{Rule: "nights", Signal: workflows.SignalUnusualHour, Entry: "01J0000000000000000000000", Until: workflows.StampOf(time.Date(2026, 11, 29, 9, 0, 0, 0, time.UTC))}},
		{workflows.PersonStream(maya), "", identities.Watched{Rule: "hasty", Signal: workflows.SignalFastApproval, Entry: "01J0000000000000000000000", Until: workflows.StampOf(time.Date(2026, 11, 29, 9, 0, 0, 0, time.UTC))}},
	}
}
