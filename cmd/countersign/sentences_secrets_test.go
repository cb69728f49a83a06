package main

import (
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// storyOfSecrets is what becomes of secrets, keys and codes, for storyOfEveryKind.
func storyOfSecrets(grant workflows.StreamID, end workflows.Stamp) []toldLine {
	of := workflows.PersonStream(maya)
	return []toldLine{
		{grant, "", grants.SecretKept{Grant: "g_01", Way: grants.WayTaken, Fingerprints: map[string]string{"Password": "hmac256:00"}, Until: end, Title: "Password of cs_1"}},
		{grant, "", grants.SecretKept{Grant: "g_01", Way: grants.WayKey, Key: "SHA256:abc", Wrapped: true, Until: end}},
		{grant, maya, grants.SecretTaken{Grant: "g_01", Authn: "slack-code", Channel: "web", From: "192.0.2.1"}},
		{grant, "", grants.SecretDestroyed{Grant: "g_01", Why: grants.DestroyedTaken}},
		{grant, "", grants.SecretLeaked{Grant: "g_01", Leak: "l_03", Print: "hmac256:00", Source: "github", Incident: "INC-8", Place: "a repository", Channel: "webhook"}},
		{of, maya, identities.KeySet{Medium: "age", Fingerprint: "SHA256:abc", Key: "age1abc", Authn: "unix-peer", Channel: "cli"}},
		{of, maya, identities.KeyRemoved{Fingerprint: "SHA256:abc", Channel: "slack"}},
		{of, ada, identities.CodesIssued{Set: "k_1", Hashes: []string{"sha256:00"}, Until: end, Use: identities.UsePage, By: ada, Channel: "cli"}},
		{of, ada, identities.CodesIssued{Set: "k_2", Hashes: []string{"sha256:00", "sha256:01"}, Until: end, Use: identities.UseEnvelope, By: ada, Channel: "cli"}},
		{of, maya, identities.CodeUsed{Set: "k_1", Hash: "sha256:00", What: "break glass", About: "runbook/db-failover", Channel: "web"}},
		{of, ada, identities.EnvelopeReconciled{Set: "k_2", Hash: "sha256:01", OpenedAt: end, Incident: "INC-9", Seen: jonas, Did: "Opened the door of the vault.", Channel: "cli"}},
		{of, ada, identities.CodesVoided{Set: "k_1", Why: "The sheet was lost."}},
	}
}
