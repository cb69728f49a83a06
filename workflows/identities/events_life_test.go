package identities_test

import (
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// lifeOfARobot is one event of each kind of an identity's life, every field set.
func lifeOfARobot() []workflows.Event {
	return []workflows.Event{
		identities.Claimed{Source: "import/cmdb", Says: identities.Entry{
			Class: "api_key", Name: "Robot", Owner: "p_ann", Backup: "p_bob", Business: "p_eve", Purpose: "rolls out releases", Environment: "production",
			Target: "pg-main", Scope: []string{"role:app"}, Used: []string{"role:app"}, Uses: []string{"shop"}, Stored: "vault", ManagedBy: "vendor", Risk: "high",
			Vendor: "ACME", Sponsor: "p_ann", ContractEnd: 9, Ticket: "OPS-1", Created: 1, LastUsed: 2, Rotated: 3, Expires: 4, RotateEvery: 60, ReviewEvery: 120,
			Issuer: "https://issuer", Subject: "repo:shop", Serial: "0a", LastFour: "wxyz", Print: "hmac:1", Mark: "hmac:2", Model: "m", Tools: []string{"sql"},
			DataReach: "orders", Autonomy: "asks", KillTested: 5, RetirePlan: "delete", Person: "p_zed", Tags: []string{"pci"},
		}, HasPlace: true, HasPath: true, Account: "robot", Place: "vault:kv/robot", Path: "runbook robot-off", Hint: "team robots", Channel: "cli"},
		identities.Vanished{Source: "import/cmdb", Why: "no longer listed"},
		identities.HandoverOpened{
			Handover: "o_1", Why: identities.WhyLeaver, From: "p_ann", Rungs: []identities.Rung{{People: []workflows.PersonID{"p_bob"}, Why: "backup owner", Until: 9}},
			Silence: identities.SilenceSuspends, Rotate: true, Note: "she left", Channel: "scim",
		},
		identities.HandoverWidened{Handover: "o_1", Rung: 1},
		identities.HandoverAnswered{Handover: "o_1", Verdict: identities.HandoverKeep, Owner: "p_bob", Backup: "p_eve", Reason: "mine", Authn: "slack-click", Channel: "slack"},
		identities.HandoverLapsed{Handover: "o_1", Why: "nobody answered"},
		identities.Suspended{Why: identities.SuspendedByHand, Detail: "odd use", Authn: "unix-peer", Channel: "cli"},
		identities.Resumed{Reason: "it was a drill", Authn: "unix-peer", Channel: "cli"},
		identities.Emptied{Grants: 3, For: 7, Why: "suspended"},
		identities.RotationOpened{Rotation: "o_2", Why: identities.RotateLeak, Due: 9, Channel: "cli"},
		identities.RotationClosed{Rotation: "o_2", How: "connector", Proof: identities.ProofVerified, Print: "hmac:3", Serial: "0b", LastFour: "1234", Evidence: "refused", Authn: "unix-peer", Channel: "cli"},
		identities.Renewed{Request: "r_9", Expires: 99, Approvers: []workflows.PersonID{"p_bob"}, Reason: "still needed", Channel: "cli"},
		identities.RenewalAsked{Expires: 99},
		identities.RenewalOpened{Expires: 99, Request: "r_1", For: "p_ann"},
		identities.RetirementOpened{Items: []identities.RetireItem{{ID: "account", What: "closed"}}, Reason: "not needed", Authn: "unix-peer", Channel: "cli"},
		identities.RetireItemDone{Item: "account", Proof: identities.ProofDeclared, Evidence: "CHG-1", Authn: "unix-peer", Channel: "cli"},
		identities.Retired{Items: 1},
		identities.Attested{Review: "c_1", Item: "i_1", Verdict: "keep", By: "p_bob"},
		identities.ExceptionGranted{
			Exception: "r_9", Workflow: "legacy", Target: "pg-main", Entitlement: "app", Control: workflows.ControlRotation, Failed: workflows.FailedSuspends, Owner: "p_ann",
			Checks:    []workflows.CheckTerms{{Kind: workflows.CheckRotated, Within: 86400}, {Kind: workflows.CheckFrom, From: []string{"10.0.0.0/8"}}, {Kind: workflows.CheckVault, Place: "vault:kv"}},
			Approvers: []workflows.PersonID{"p_bob"}, EndsAt: 99, Renewal: 1, Since: 7, Plan: "replace it", Reason: "it is old",
		},
		identities.ExceptionChecked{Exception: "r_9", Answers: []identities.CheckAnswer{{Check: 1, Answer: identities.CheckFails, Why: "from elsewhere"}}},
		identities.ExceptionUsed{Exception: "r_9", Session: "pid 1", Since: 8, From: "10.0.0.1", Alarm: "#security"},
		identities.ExceptionFailed{Exception: "r_9", Check: 1, Why: "from elsewhere"},
		identities.ExceptionEnded{Exception: "r_9", Why: identities.ExceptionLifted, Reason: "done", Authn: "unix-peer", Channel: "cli"},
		identities.AccountLocked{Target: "pg-main", Locked: true},
		identities.AccountOrdered{Request: "r_4", Target: "pg-main", Entitlement: "read", Params: map[string][]string{"role": {"readers"}}, Account: "svc_new", Until: 7, Scope: true, ByHand: true},
		identities.AccountSettled{Request: "r_4", Evidence: "psql says so", Authn: "unix-peer", Channel: "cli"},
		identities.AccountMade{Request: "r_4", Ref: "role svc_new", Proof: "verified", Why: "because"},
		identities.Leaked{Leak: "l_1", Source: "github", Form: "aws", Print: "hmac:1", Known: true, Incident: "INC-1", Alarm: "#security", Place: "a gist", Note: "seen", Authn: "signature", Channel: "webhook"},
		identities.Left{Why: identities.LeftCompany, Source: "scim", Detail: "HR says so"},
		identities.HandedOver{For: 3, Grants: 2, Identities: []workflows.IdentityID{"svc"}},
		identities.Returned{Source: "scim"},
		identities.KillDrilled{OK: true, For: 4, Grants: 2, RefusedMS: 12, EmptyMS: 2100, Locked: "pg-main", Step: identities.KillStepRevoke, Text: "late", Authn: "unix-peer", Channel: "cli"},
	}
}
