package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/reviews"
	"github.com/countersign-bot/countersign/workflows/targets"
)

const (
	maya  workflows.PersonID = "p_11111111aaaaaaaaaaaaaaaaaaaaaaaa"
	jonas workflows.PersonID = "p_22222222bbbbbbbbbbbbbbbbbbbbbbbb"
	ada   workflows.PersonID = "p_33333333cccccccccccccccccccccccc"
)

// storyOfEveryKind is one record of each kind of event there is, in an order in which they could happen.
func storyOfEveryKind() []workflows.Record {
	var out []workflows.Record
	start := workflows.StampOf(time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC))
	end := start.Add(time.Hour)
	policy := workflows.DocHash("sha256:" + strings.Repeat("0123456789abcdef", 4))
	say := func(stream workflows.StreamID, by workflows.PersonID, e workflows.Event) {
		r := workflows.Record{
			Index: int64(len(out)), Stream: stream, Seq: 1, At: workflows.Instant{UTC: start.Add(time.Duration(len(out)) * time.Minute)},
			Person: by, Actor: "a_99999999dddddddddddddddddddddddd", Policy: policy, Event: e,
		}
		if by == "" {
			r.Actor = workflows.SystemActor
		}
		out = append(out, r)
	}
	sys, req := workflows.SystemStream, workflows.RequestStream("r_01")
	grant := workflows.GrantStream(maya.Identity(), "bastion", "deploy")
	seats := []workflows.Seat{{Person: jonas, Why: "named"}, {Person: ada, Why: "group:dba"}}
	answers := workflows.Answers{Who: "Maya", What: "deploy on bastion for 1h", Now: "ticket OPS-1 is open"}

	say(sys, "", store.Genesis{Origin: "example.com/countersign/main", VKey: "example.com/countersign/main+1a2b3c4d+AAAA", Format: 1, Virtual: true})
	say(sys, "", store.InstanceStarted{Instance: "bot-1", Version: "v1.2.3"})
	say(sys, "", store.InstanceStarted{Instance: "bot-1", Version: "v1.2.3", Clock: clockKept})
	say(workflows.PolicyStream, "", workflows.PolicyLoaded{
		Workflows: map[string]workflows.DocHash{"prod-shell": policy}, Version: "v1.2.3", Changed: []string{"workflows/prod-shell.yaml", "people.yaml"},
	})
	say(workflows.IdentityStream("svc-deploy"), jonas, identities.Authenticated{
		Session: "s_0123456789abcdef0123456789", Issuer: "https://ci.example.com", Subject: "repo:northwind/shop:environment:production", Token: "4f2a", EndsAt: 1, Authn: "oidc",
	})
	say(workflows.PersonStream(maya), "", identities.Linked{Account: "a_99999999dddddddddddddddddddddddd", Medium: "slack", How: "people file", Name: "Maya Lind"})
	say(workflows.PersonStream(maya), "", identities.Unlinked{Account: "a_99999999dddddddddddddddddddddddd", Medium: "slack", How: identities.ByHand, Why: "the account was given to somebody else"})
	say(workflows.IdentityStream("svc-deploy"), "", identities.Registered{
		Class: "service_account", Name: "deploy robot", Owner: ada, Purpose: "deploys the shop.", Environment: "production", Expires: "2027-01-31",
	})
	say(req, maya, workflows.Submitted{
		Workflow: "prod-shell", Request: workflows.KindCredential, Subject: maya.Identity(), Target: "bastion", Entitlement: "deploy", Seconds: 3600,
		Reason: "The shop answers 502 since noon.",
	})
	say(req, "", workflows.StageOpened{Roster: seats, TimesOutAt: end})
	say(req, "", workflows.RosterChanged{Roster: seats[:1], Why: "Ada's shift ended."})
	say(req, "", workflows.StageReminded{})
	say(req, "", workflows.StageEscalated{Added: seats[1:]})
	say(req, "", workflows.StageEscalated{Skipped: "The list security is empty."})
	say(req, jonas, workflows.VoteRecorded{Verdict: workflows.Approve, Authn: "slack-click", Answers: answers})
	say(req, jonas, workflows.VoteTakenBack{Why: "Too early."})
	say(req, ada, workflows.VoteRecorded{Verdict: workflows.Approve, Authn: "slack-click", Answers: answers, Drill: true})
	say(req, ada, workflows.VoteRecorded{Stage: 1, Verdict: workflows.Deny, Authn: "unix-peer", Reason: "Not during the sale."})
	say(req, "", workflows.StageSatisfied{})
	say(req, "", workflows.Approved{Grant: "g_01", Answers: answers})
	say(grant, "", grants.Approved{
		Grant: "g_01", Request: "r_01", Identity: maya.Identity(), Requester: maya, Approvers: []workflows.PersonID{jonas, ada}, Owner: ada,
		Target: "bastion", TargetTitle: "Bastion", Entitlement: "deploy", Title: "Deploy shell", EndsAt: end,
	})
	say(grant, "", grants.Approved{
		Grant: "g_04", Request: "r_01", Identity: maya.Identity(), Requester: maya, Approvers: []workflows.PersonID{jonas, ada}, Owner: ada,
		Target: "bastion", TargetTitle: "Bastion", Entitlement: "as-deployer", Title: "Act as the deployer", EndsAt: end,
		ActsAs: grants.ActsAs{Identity: "svc-deploy", Exceptional: "the service is down", Until: end, Reason: "r_01", Management: []workflows.PersonID{ada}, Confirmed: "unix-peer", Attributed: "g_04"},
	})
	say(grant, "", grants.AttemptFailed{Grant: "g_01", Op: "start", Class: "temporary", Text: "connection refused"})
	say(grant, "", grants.Started{Grant: "g_01", Ref: "serial 7"})
	say(req, "", workflows.NoticeDelivered{Notice: "granted/g_01", Via: "slack"})
	say(req, "", workflows.NoticeUndelivered{Notice: "granted/g_01", Why: "The user has left the workspace."})
	say(grant, maya, grants.Ending{Grant: "g_01", How: grants.HowReturned})
	say(grant, ada, grants.Ending{Grant: "g_01", How: grants.HowRevoked})
	say(grant, "", grants.Ending{Grant: "g_01", How: grants.HowExpired, KeptBy: "g_02"})
	say(grant, "", grants.Overdue{Grant: "g_01", Level: 2})
	say(grant, "", grants.Revoked{Grant: "g_01", Presence: "unconfirmed", Leaves: "Sessions that are open stay open."})
	say(grant, "", grants.Verified{Grant: "g_01"})
	say(grant, "", grants.Failed{Grant: "g_03", Why: "The account does not exist."})
	say(grant, "", grants.SessionSeen{Grant: "g_01", Session: "pid 4711", Login: "maya_pg", From: "192.0.2.7", With: "psql", Since: start})
	say(grant, "", grants.SessionEnded{Grant: "g_01", Session: "pid 4711"})
	drift := workflows.TargetStream("pg-orders")
	say(drift, "", targets.Found{Finding: "f_01", Why: targets.WhyUnknown, Act: targets.ActRevoke, What: "member of the role payments", Account: "mallory", MadeBy: "dba", MadeAt: start, LastUsed: start})
	say(drift, "", targets.Found{Finding: "f_02", Why: targets.WhyLeftOver, Act: targets.ActReport, What: "member of the role payments", Grant: "g_01"})
	say(drift, "", targets.Found{Finding: "f_03", Why: targets.WhyLonger, Act: targets.ActReport, What: "a login", Grant: "g_01", Ends: end})
	say(drift, "", targets.Found{Finding: "f_04", Why: targets.WhyVanished, Act: targets.ActReport, What: "member of the role payments", Grant: "g_01"})
	say(drift, "", targets.Found{Finding: "f_05", Why: targets.WhyStanding, Entitlement: "payments-read", Act: targets.ActReport, What: "member of the role payments", Grant: "g_01"})
	say(drift, "", targets.RemoveFailed{Finding: "f_01", Class: "retry", Text: "the database could not be reached"})
	say(drift, "", targets.Cleared{Finding: "f_01", How: targets.OverRemoved})
	say(drift, "", targets.Cleared{Finding: "f_02", How: targets.OverGone})
	say(drift, ada, targets.Accepted{Finding: "f_03", Reason: "The nightly job needs it.", Channel: "cli", Authn: "unix-peer"})
	say(drift, "", targets.Swept{Seen: 12, Grants: 3, New: 5, Open: 5, Owner: ada})
	say(drift, ada, targets.Swept{Seen: 4, Unread: "the database could not be reached", Owner: ada})
	say(drift, "", targets.Drilled{Entitlement: "canary", Grant: "g_02", OK: true, GrantMS: 12, RevokeMS: 140, Owner: ada, Proof: targets.ProofUsed})
	say(drift, "", targets.Drilled{Entitlement: "canary", Grant: "g_03", Step: "revoke", Text: "the session does not end", Owner: ada})
	say(req, jonas, workflows.VoteRecorded{Stage: 1, Verdict: workflows.Approve, Authn: "slack-click", Answers: answers, For: ada})
	say(req, "", workflows.StageEscalated{Added: seats[1:], Tier: 1, Why: "nobody available"})
	say(req, "", workflows.StageSatisfied{Stage: 2, Consent: 3})
	say(req, ada, workflows.Countered{
		Offer: "o_01", Stage: 1, Terms: workflows.Terms{Seconds: 1800, Target: "bastion", Entitlement: "read", NotBefore: end}, Reason: "Half will do.", Authn: "slack-click",
	})
	say(req, maya, workflows.OfferDeclined{Offer: "o_01"})
	say(req, maya, workflows.OfferAccepted{Offer: "o_01", Request: "r_03"})
	say(req, jonas, workflows.Commented{Text: "Please wait for the backup."})
	say(req, jonas, workflows.Commented{})
	say(req, jonas, workflows.RequestOpened{Stage: 1, How: workflows.OpenedToRead, Channel: "slack"})
	alone := workflows.RequestStream("r_04")
	say(alone, maya, workflows.Submitted{
		Workflow: "prod-shell", Request: workflows.KindCredential, Subject: "svc-deploy", Sponsor: ada, Target: "bastion", Entitlement: "read", Seconds: 600,
		Reason: "logs", Chosen: "short-reads", Risk: "low", Extends: "g_00", Offer: workflows.OfferRef{Request: "r_01", Offer: "o_01"}, Window: "r_00",
	})
	say(alone, "", workflows.AutoApproved{Rule: "short-reads", Used: 2, Times: 5, Per: 86400, Sampled: true})
	say(alone, "", workflows.Approved{Grant: "g_05", Answers: answers})
	say(workflows.GrantStream("svc-deploy", "bastion", "read"), "", grants.Approved{
		Grant: "g_05", Request: "r_04", Identity: "svc-deploy", Requester: maya, Owner: ada, Target: "bastion", TargetTitle: "Bastion", Entitlement: "read",
		Title: "Read the logs", StartsAt: start, EndsAt: end,
	})
	say(workflows.PersonStream(ada), ada, identities.Away{Away: "w_01", From: start, Until: end, Delegate: jonas, Reason: "A holiday.", Authn: "slack-click"})
	say(workflows.PersonStream(ada), ada, identities.Away{Away: "w_02", From: start, Until: end})
	say(workflows.PersonStream(ada), ada, identities.Back{Away: "w_01"})
	say(workflows.PersonStream(maya), "", identities.Used{What: identities.UsedAuto, Workflow: "prod-shell", Rule: "short-reads", Request: "r_04"})
	say(workflows.PersonStream(maya), "", identities.Used{What: identities.UsedAsk, Workflow: "prod-shell", Request: "r_04"})
	say(workflows.IdentityStream("svc-deploy"), "", identities.WindowGranted{
		Window: "r_05", Workflow: "night-jobs", Target: "bastion", Entitlement: "deploy", Approvers: []workflows.PersonID{jonas, ada}, EndsAt: end,
		Terms: workflows.WindowTerms{Hours: "Mon-Fri 22:00-04:00", Zone: "Europe/Berlin", Times: 3, Per: 86400, Lifetime: 1800, Budget: 60},
	})
	say(workflows.IdentityStream("svc-deploy"), "", identities.WindowUsed{Window: "r_05", Request: "r_06", Grant: "g_06"})
	say(workflows.IdentityStream("svc-deploy"), ada, identities.WindowClosed{Window: "r_05", Why: "The job is gone."})
	say(workflows.PolicyStream, "", workflows.PolicyProposed{
		Proposal: "c_01", Units: map[string]workflows.DocHash{"workflow/prod-shell": policy}, By: maya, Ask: []workflows.PersonID{jonas, ada}, Quorum: 1,
		Changes: []workflows.PolicyChange{{Unit: "workflow/prod-shell", Text: "the quorum of stage Security falls from 2 to 1.", Loosens: true}, {Unit: "workflow/prod-shell", Text: "its title"}},
	})
	say(workflows.PolicyStream, jonas, workflows.PolicyVoted{Proposal: "c_01", Verdict: workflows.Deny, Reason: "Two is right.", Authn: "slack-click"})
	say(workflows.PolicyStream, "", workflows.PolicySettled{Proposal: "c_01", Outcome: "denied"})
	say(workflows.PolicyStream, "", workflows.PolicySettled{Proposal: "c_02", Outcome: "replaced"})
	say(workflows.ReviewStream("v_02"), "", reviews.Opened{About: "request/r_04", Invoker: maya, Owner: ada, DueAt: end})
	say(req, "", workflows.StageTimedOut{Stage: 1})
	say(req, "", workflows.TimedOut{Stage: 1})
	say(req, "", workflows.Denied{Stage: 1})
	say(req, maya, workflows.Withdrawn{})
	say(req, "", workflows.Superseded{Code: "no-policy", Why: "The workflow prod-shell was deleted."})
	say(req, "", workflows.Failed{Why: "The target refused."})
	say(sys, jonas, workflows.Refused{Command: "vote", Code: "self-approval", Channel: "slack", About: "r_01"})
	say(workflows.RunbookStream("db-rescue"), "", incidents.Preapproved{Document: policy, Request: "r_02", Approvers: []workflows.PersonID{ada}, Until: end, Uses: 3})
	say(workflows.RunbookStream("db-rescue"), maya, incidents.Invoked{
		Document: policy, Incident: "INC-7", Reason: "Replication stands still.", Grant: "g_04", Review: "v_01", Skipped: []workflows.PersonID{jonas, ada}, EndsAt: end,
	})
	say(workflows.ReviewStream("v_01"), "", reviews.Opened{About: "runbook/db-rescue", Incident: "INC-7", Invoker: maya, Owner: ada, DueAt: end})
	say(workflows.ReviewStream("v_01"), "", reviews.Overdue{DueAt: end})
	say(workflows.ReviewStream("v_01"), ada, reviews.Closed{Verdict: reviews.Emergency, Note: "Rightly so."})
	tellLifeOfIdentity(say)
	for _, e := range storyOfCampaigns(maya, jonas, ada, end) {
		say(e.stream, e.by, e.event)
	}
	for _, e := range storyOfRuns(maya, jonas, ada, end) {
		say(e.stream, e.by, e.event)
	}
	for _, e := range storyOfIncident(maya, jonas, ada) {
		say(e.stream, e.by, e.event)
	}
	say(identities.SurveyStream, "", identities.Surveyed{Week: "2026-W47", Live: 300, Owned: 294, Covered: 290, Clean: 280, Findings: map[string]int{identities.FindUnowned: 6, identities.FindNoEnd: 14}})
	say(workflows.IdentityStream("svc-deploy"), "", identities.Leaked{Leak: "l_01", Source: "github", Form: "aws_access_key", Print: "hmac:00", Known: true, Incident: "INC-7", Place: "a repository", Channel: "webhook"})
	say(workflows.IdentityStream("svc-deploy"), "", identities.ExceptionGranted{
		Exception: "r_07", Control: workflows.ControlRotation, Checks: []workflows.CheckTerms{{Kind: workflows.CheckFrom, From: []string{"10.2.0.0/16"}}, {Kind: workflows.CheckAlert}},
		Approvers: []workflows.PersonID{ada}, EndsAt: end, Renewal: 2, Since: start, Plan: "The new driver.", Reason: "It cannot.",
	})
	say(workflows.IdentityStream("svc-deploy"), "", identities.ExceptionChecked{Exception: "r_07", Answers: []identities.CheckAnswer{{Answer: identities.CheckHolds}, {Check: 1, Answer: identities.CheckUnknown, Why: "pg-main could not tell who uses it"}}})
	say(workflows.IdentityStream("svc-deploy"), "", identities.ExceptionUsed{Exception: "r_07", Session: "pid 4711", Since: start, From: "10.2.0.7"})
	say(workflows.IdentityStream("svc-deploy"), "", identities.ExceptionFailed{Exception: "r_07", Why: "it is used from elsewhere"})
	say(workflows.IdentityStream("svc-deploy"), ada, identities.ExceptionEnded{Exception: "r_08", Why: identities.ExceptionLifted})
	say(workflows.IdentityStream("svc-deploy"), "", identities.AccountLocked{Target: "pg-main", Locked: true})
	say(workflows.IdentityStream("svc-deploy"), "", identities.AccountLocked{Target: "pg-main"})
	say(workflows.IdentityStream("svc-new"), "", identities.AccountOrdered{Request: "r_09", Target: "pg-main", Entitlement: "read", Params: map[string][]string{"role": {"readers"}}, Account: "svc_new", Until: end})
	say(workflows.IdentityStream("svc-new"), "", identities.AccountMade{Request: "r_09", Ref: "role svc_new", Proof: identities.ProofVerified})
	say(workflows.IdentityStream("svc-new"), "", identities.AccountOrdered{Request: "r_11", Target: "pg-main", Entitlement: "read", Scope: true})
	say(workflows.IdentityStream("svc-new"), "", identities.AccountMade{Request: "r_11", Ref: "scope: member of the role readers", Proof: identities.ProofVerified})
	say(workflows.IdentityStream("svc-new"), "", identities.AccountOrdered{Request: "r_12", Target: "pg-main", Entitlement: "read", Scope: true, ByHand: true})
	say(workflows.IdentityStream("svc-new"), maya, identities.AccountSettled{Request: "r_12", Evidence: "psql says so, CHG-1", Authn: "unix-peer", Channel: "cli"})
	say(workflows.IdentityStream("svc-other"), "", identities.AccountMade{Request: "r_10", Proof: identities.ProofDeclared, Why: "the server has a role of that name already"})
	say(workflows.IdentityStream("shadow-01"), maya, identities.Leaked{Leak: "l_02", Source: "person", Print: "hmac:01", Place: "a wiki", Channel: "slack"})
	say(workflows.IdentityStream("svc-agent"), ada, identities.Quarantined{Why: "Every half year.", Authn: "unix-peer", Channel: "cli", Drill: true})
	say(workflows.IdentityStream("svc-agent"), ada, identities.KillDrilled{OK: true, For: 1, Grants: 2, RefusedMS: 12, EmptyMS: 2100, Locked: "pg-main", Authn: "unix-peer", Channel: "cli"})
	say(workflows.IdentityStream("svc-agent"), ada, identities.KillDrilled{For: 3, Step: identities.KillStepRevoke, Text: "1 grant was not taken back within 3m0s", Authn: "unix-peer", Channel: "cli"})
	for _, e := range storyOfEscalation(maya, jonas, ada) {
		say(e.stream, e.by, e.event)
	}
	say(workflows.IdentityStream("svc-deploy"), "", identities.Removed{Why: "It is not in the file any more."})
	say(sys, "", store.AnchorPublished{Size: 40, Root: "S6pF+CtbfbmSoIBCMtKbeyC709RUB+Y/1s8tawYqM54=", Sink: "slack"})
	say(sys, "", workflows.RefusalsSummarised{From: 1, Until: 2, Attempts: 100, Accounts: 7})
	say(sys, "", workflows.AlarmRaised{What: "slack.ghost", Detail: "3 messages"})
	say(sys, "", workflows.WatchFound{
		Rule: "each-other", Signal: workflows.SignalSamePair, Identity: maya.Identity(), With: jonas, Entry: "01J0000000000000000000000", About: "request/r_01", Count: 6,
		Then: workflows.ThenSuspend, Suspends: true,
	})
	say(sys, "", store.ClockJumped{From: start, To: end})
	say(sys, "", store.ClockJumped{From: end, To: start, AtStart: true})
	say(sys, jonas, store.ClockConfirmed{Floor: end, Reason: "The image of last night was restored; the clock is right."})
	say(sys, "", store.DebtRecorded{What: "revoked", Grant: "g_01", Said: "serial 7 is revoked", AtRun: end})
	for _, e := range storyOfOutflow() {
		say(sys, "", e)
	}
	say(sys, "", store.InstanceStopped{Instance: "bot-1"})
	for _, e := range storyOfSecrets(grant, end) {
		say(e.stream, e.by, e.event)
	}
	for _, e := range append(storyOfCustody(start), storyOfVerified()...) {
		say(e.stream, e.by, e.event)
	}
	return out
}

// TestReq_R80_OneSentenceForEveryKindOfEvent holds the sentences word by word, with names and with pseudonyms, and that no kind is
// left without one.
func TestReq_R80_OneSentenceForEveryKindOfEvent(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	named := newNarrator(zone, map[workflows.PersonID]string{maya: "Maya Lind", jonas: "Jonas Ek"})
	story := storyOfEveryKind()
	var out strings.Builder
	told := map[string]bool{}
	for _, r := range story {
		inStory, alone := named.Sentence(r), newNarrator(time.UTC, nil).Sentence(r)
		fmt.Fprintf(&out, "%s\n  %s\n  alone: %s\n", r.Event.Kind(), inStory, alone)
		told[r.Event.Kind()] = true
		for _, s := range []string{inStory, alone} {
			if strings.Contains(s, " recorded "+r.Event.Kind()) || strings.Contains(s, "%!") || !strings.HasSuffix(s, ".") || strings.ContainsAny(s, "\n\t") {
				t.Errorf("%s has no sentence of its own: %s", r.Event.Kind(), s)
			}
		}
		if strings.Contains(alone, "Maya Lind") && r.Event.Kind() != "person.linked" {
			t.Errorf("%s discloses a name: %s", r.Event.Kind(), alone)
		}
	}
	for _, k := range slices.Concat(eventKinds(), store.EventKinds()) {
		if !told[k.Name] {
			t.Errorf("%s is in no story: an event kind needs its sentence", k.Name)
		}
	}
	golden(t, "sentences.golden", out.String())
}

// TestThreat_T33_SentencesMoveNoCursor holds that texts of people cannot change how a line is shown.
func TestThreat_T33_SentencesMoveNoCursor(t *testing.T) {
	r := workflows.Record{Stream: "request/r_1", Person: maya, Event: workflows.Submitted{
		Workflow: "w", Subject: maya.Identity(), Target: "t", Entitlement: "e", Seconds: 60, Reason: "a\x1b[2Jb\r\nc\u202ed\u200be\u0000",
	}}
	if s := newNarrator(time.UTC, nil).Sentence(r); strings.ContainsAny(s, "\x1b\r\n\u202e\u200b\x00") || !strings.Contains(s, "a[2Jbcde") {
		t.Errorf("the sentence is %q", s)
	}
}

func TestThreat_T57_NoCellOfTheCSVIsAFormula(t *testing.T) {
	for _, s := range []string{
		"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "　=1", "＝1", "＋1", "－1", "＠x", "\"=1", "'=1", "“=1", "\"\"\t=cmd|' /C calc'!A0",
		"\u200b=1", "\ufeff=1", "\u202e=1", "\u00a0=1", "|calc", "%0a=1", "\x00=1", "−1", "x\n=1", "x\r\n=1", "x\u2028=1",
	} {
		var b strings.Builder
		if err := writeCSV(&b, s, "ok"); err != nil {
			t.Fatal(err)
		}
		line, ok := strings.CutSuffix(b.String(), "\",\"ok\"\r\n")
		cell, ok2 := strings.CutPrefix(line, `"`)
		if !ok || !ok2 || strings.ContainsAny(cell, "\r\n\t\u2028") || strings.Contains(strings.ReplaceAll(cell, `""`, ""), `"`) {
			t.Errorf("%q is written as %q", s, b.String())
		}
		if first := strings.TrimLeft(strings.ReplaceAll(s, "\u2028", "\n"), "x"); first == s && !strings.HasPrefix(cell, "'") {
			t.Errorf("%q is written as %q: a spreadsheet could take it for a formula", s, b.String())
		}
	}
	for _, s := range []string{"", "plain", "a=b", "r_01", "2026-11-22T10:00:00+01:00", "Maya asked for x - now", "“Not now”"} {
		if got := inert(s); got != s {
			t.Errorf("%q became %q", s, got)
		}
	}
}
