package main

import (
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// tellLifeOfIdentity is one record of each kind of an identity's life, for the story of all kinds.
func tellLifeOfIdentity(say func(workflows.StreamID, workflows.PersonID, workflows.Event)) {
	at := workflows.StampOf(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC))
	robot := workflows.IdentityStream("svc-report")
	say(robot, "", identities.Claimed{Source: "discovery/pg-main", Says: identities.Entry{Class: "service_account", Target: "pg-main"}, Account: "report"})
	say(robot, maya, identities.Claimed{Source: identities.SourceDecision, Says: identities.Entry{
		Class: "service_account", Owner: string(maya), Purpose: "prints the monthly report.", Expires: at,
	}})
	say(robot, "", identities.Vanished{Source: "discovery/pg-main", Why: "The role is gone."})
	say(robot, "", identities.HandoverOpened{Handover: "o_1", Why: identities.WhyLeaver, From: string(maya), Rungs: []identities.Rung{
		{People: []workflows.PersonID{jonas}, Why: "backup owner", Until: at}, {People: []workflows.PersonID{ada}, Why: "security", Until: at},
	}, Silence: identities.SilenceSuspends, Rotate: true})
	say(robot, jonas, identities.HandoverAnswered{Handover: "o_1", Verdict: identities.HandoverDecline, Reason: "I do not know it.", Authn: "slack-click"})
	say(robot, "", identities.HandoverWidened{Handover: "o_1", Rung: 1})
	say(robot, "", identities.Suspended{Why: identities.SuspendedNoOwner})
	say(robot, "", identities.Emptied{Grants: 2, For: 7})
	say(robot, ada, identities.HandoverAnswered{Handover: "o_1", Verdict: identities.HandoverKeep, Owner: "group:dba", Authn: "slack-click"})
	say(robot, "", identities.RotationOpened{Rotation: "o_2", Why: identities.RotateHandover, Due: at})
	say(robot, ada, identities.RotationClosed{Rotation: "o_2", How: "by hand", Proof: identities.ProofDeclared, Evidence: "CHG-77", Authn: "unix-peer"})
	say(robot, ada, identities.Resumed{Reason: "The team answers for it.", Authn: "unix-peer"})
	say(robot, "", identities.RenewalAsked{Expires: at})
	say(robot, "", identities.RenewalOpened{Expires: at, Request: "r_9", For: maya})
	say(robot, "", identities.RenewalOpened{Expires: at, Why: "no chain renews it"})
	say(robot, ada, identities.Renewed{Request: "r_01", Expires: at, Approvers: []workflows.PersonID{jonas, ada}})
	say(robot, "", identities.Attested{Review: "c_1", Item: "svc-report", Verdict: "keep", By: jonas})
	say(robot, ada, identities.HandoverOpened{Handover: "o_3", Why: identities.WhyTransfer, Rungs: []identities.Rung{{People: []workflows.PersonID{jonas}, Until: at}}, Silence: identities.SilenceLapses})
	say(robot, "", identities.HandoverLapsed{Handover: "o_3", Why: "Nobody answered."})
	say(robot, ada, identities.HandoverAnswered{Handover: "o_3", Verdict: identities.HandoverRetire, Authn: "slack-click"})
	say(robot, ada, identities.RetirementOpened{Items: []identities.RetireItem{{ID: "account", What: "its account is closed"}}})
	say(robot, ada, identities.RetireItemDone{Item: "account", Proof: identities.ProofVerified})
	say(robot, "", identities.Retired{Items: 1})
	say(workflows.PersonStream(maya), "", identities.Left{Why: identities.LeftCompany, Source: "slack"})
	say(workflows.PersonStream(maya), "", identities.HandedOver{For: 2, Grants: 1, Identities: []workflows.IdentityID{"svc-report", "svc-deploy"}})
	say(workflows.PersonStream(jonas), "", identities.Left{Why: identities.LeftRole, Source: "csv"})
	say(workflows.PersonStream(maya), "", identities.Returned{Source: "scim"})
}
