package identities_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/storytest"
)

// Every kind of identities comes back from its bytes as it went in; erasing the openings leaves no name and no address.
func TestEvents(t *testing.T) {
	t.Parallel()
	l := storytest.New(identities.EventKinds())
	var out workflows.Outcome
	stream := workflows.PersonStream("p_ann")
	for _, e := range append([]workflows.Event{
		identities.Linked{Account: "a_ann", Medium: "slack", How: "people file", Name: "Ann", Email: "ann@example.com"},
		identities.Registered{Class: "service_account", Name: "Robot", Owner: "p_ann", Backup: "p_bob", Purpose: "deploys", Environment: "production", Expires: "2027-06-30"},
		identities.Removed{Why: "not in the file any more"},
		identities.Away{Away: "w_1", From: 1, Until: 2, Delegate: "p_bob", Reason: "holiday", Authn: "slack-click", Channel: "slack"},
		identities.Back{Away: "w_1", Channel: "cli"},
		identities.Used{What: identities.UsedAsk, Workflow: "prod-shell", Rule: "short", Request: "r_1"},
		identities.Unlinked{Account: "a_ann", Medium: "slack", How: "by hand", Why: "another person", Authn: "unix-peer", Channel: "cli"},
		identities.WindowGranted{
			Window: "r_2", Workflow: "nightly", Target: "pg-main", Entitlement: "readonly",
			Terms:     workflows.WindowTerms{Hours: "Mon-Fri 22:00-04:00", Zone: "UTC", Times: 2, Per: 86400, Lifetime: 1800, Budget: 100},
			Approvers: []workflows.PersonID{"p_bob"}, EndsAt: 3,
		},
		identities.WindowUsed{Window: "r_2", Request: "r_3", Grant: "g_1"},
		identities.WindowClosed{Window: "r_2", Why: "not needed"},
		identities.KeySet{Medium: "age", Fingerprint: "SHA256:abc", Key: "age1abc ann@laptop", Authn: "unix-peer", Channel: "cli"},
		identities.KeyRemoved{Fingerprint: "SHA256:abc", Channel: "slack"},
		identities.CodesIssued{Set: "k_1", Hashes: []string{"sha256:00"}, Until: 5, Use: identities.UsePage, By: "p_bob", Channel: "cli"},
		identities.CodeUsed{Set: "k_1", Hash: "sha256:00", What: "sign in", About: "r_1", Channel: "web", From: "192.0.2.7"},
		identities.CodesVoided{Set: "k_1", Why: "lost"},
		identities.AccessRevoked{Grants: []workflows.GrantID{"g_1", "g_2"}, Why: "a stolen laptop", Authn: "unix-peer", Channel: "cli"},
		identities.Quarantined{Why: "a stolen laptop", Authn: "unix-peer", Channel: "cli", Drill: true},
		identities.ReleaseAsked{Why: "found again", Authn: "unix-peer", Channel: "cli"},
		identities.Authenticated{Session: "s_1", Issuer: "https://ci.example.com", Subject: "repo:x", Token: "4f2a", EndsAt: 1, Authn: "oidc"},
		identities.Released{Asked: "p_bob", Why: "wiped", Authn: "slack-click", Channel: "slack"},
		identities.EnvelopeReconciled{Set: "k_2", Hash: "sha256:01", OpenedAt: 6, Incident: "INC-1", Seen: "p_bob", Did: "opened the vault", Channel: "cli"},
		identities.Surveyed{Week: "2026-W47", Live: 3, Owned: 2, Covered: 1, Clean: 1, Findings: map[string]int{identities.FindUnowned: 1}},
		identities.Watched{Rule: "nights", Signal: workflows.SignalUnusualHour, Entry: "01J0", Until: 7},
	}, lifeOfARobot()...) {
		out.Add(stream, workflows.System, "", e)
	}
	l.Append(out)
	h := l.Histories[stream]
	if len(h) != len(identities.EventKinds()) {
		t.Fatalf("%d events, %d kinds", len(h), len(identities.EventKinds()))
	}
	again, err := l.RoundTrip(h)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(h, again); d != "" {
		t.Errorf("from its bytes (-memory +bytes):\n%s", d)
	}
	want := identities.Linked{Account: "a_ann", Medium: "slack", How: "people file"}
	if d := cmp.Diff(workflows.Event(want), storytest.Erase(h)[0].Event); d != "" {
		t.Errorf("erased:\n%s", d)
	}
}
