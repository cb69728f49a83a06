package main

import (
	"github.com/countersign-bot/countersign/store/custody"
	"github.com/countersign-bot/countersign/workflows"
)

type toldLine struct {
	stream workflows.StreamID
	by     workflows.PersonID
	event  workflows.Event
}

// storyOfCustody is the part of storyOfEveryKind that two people do to the ledger.
func storyOfCustody(at workflows.Stamp) []toldLine {
	one, two, sys := custody.Stream("c_01"), custody.Stream("c_02"), workflows.SystemStream
	scope, field := custody.Scope{Person: maya}, custody.Scope{Entry: 7, Field: "reason"}
	return []toldLine{
		{one, jonas, custody.Proposed{Act: custody.Erase, Scope: scope, Basis: custody.BasisRequest, Reason: "She left and asked.", Until: at}},
		{one, ada, custody.Confirmed{Act: custody.Erase, Channel: "cli", Authn: "unix-peer"}},
		{one, ada, custody.Erased{Scope: scope, Before: 40, Texts: 12, Accounts: 1, Deliveries: 3, Unnamed: true, Basis: custody.BasisRequest, ProposedBy: jonas, ConfirmedBy: ada, Proposal: "c_01"}},
		{one, jonas, custody.Proposed{Act: custody.Erase, Scope: field, Basis: custody.BasisMistake, Reason: "A password.", Until: at}},
		{one, ada, custody.Erased{Scope: field, Before: 40, Texts: 1, Basis: custody.BasisMistake, ProposedBy: jonas, ConfirmedBy: ada, Proposal: "c_01"}},
		{two, jonas, custody.Proposed{Act: custody.Disclose, Scope: custody.Scope{What: "all"}, Reason: "The yearly audit.", Until: at}},
		{two, ada, custody.Confirmed{Act: custody.Disclose, Channel: "cli", Authn: "unix-peer"}},
		{two, ada, custody.Disclosed{What: "all", Texts: 41, Until: at, ProposedBy: jonas, ConfirmedBy: ada, Proposal: "c_02"}},
		{sys, "", custody.Pruned{Keep: 730 * 86400, Older: at, Before: 40, Texts: 9, Size: 39, Root: "root"}},
		{sys, "", custody.RollbackAccepted{Size: 30, Root: "here", LostSize: 41, LostRoot: "there", From: "witness file", Reason: "The disk died.", ProposedBy: jonas, ConfirmedBy: ada}},
		{sys, "", custody.TargetReconciled{Target: "bastion", Asked: 4, Present: 2, Ended: 1, Unknown: 1}},
		{sys, "", custody.TargetReconciled{Target: "shop", Asked: 1, Present: 1, Unlisted: true}},
		{sys, "", custody.TargetReconciled{Target: "vault", Asked: 3, Silent: true}},
	}
}
