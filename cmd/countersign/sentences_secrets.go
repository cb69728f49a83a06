package main

import (
	"fmt"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// tellSecret tells what became of secrets that were handed over, and of the keys and codes by which people prove who they are.
func (n *narrator) tellSecret(r workflows.Record) string {
	switch e := r.Event.(type) {
	case grants.SecretKept:
		how := "waits, sealed, to be shown once"
		if e.Way == grants.WayKey {
			how = "was sealed to the holder's key " + e.Key
		}
		what := "A secret"
		if e.Wrapped {
			what = "A single-use token for a secret"
		}
		return fmt.Sprintf("%s that came with %s %s, until %s.", what, n.grant(e.Grant).full, how, n.at(e.Until))
	case grants.SecretTaken:
		return fmt.Sprintf("%s was shown the secret of %s by %s, authenticated by %s; it is shown to nobody again.", n.actor(r), n.grant(e.Grant).full, e.Channel, e.Authn)
	case grants.SecretDestroyed:
		return fmt.Sprintf("The sealed secret of %s was destroyed: %s.", n.grant(e.Grant).full, e.Why)
	case grants.SecretLeaked:
		return fmt.Sprintf("The secret of %s was seen where it must not be, found by %s; incident %s.", n.grant(e.Grant).full, e.Source, e.Incident)
	}
	return n.tellCodes(r)
}

func (n *narrator) tellCodes(r workflows.Record) string {
	who := n.person(workflows.PersonID(r.Stream.Rest()))
	switch e := r.Event.(type) {
	case identities.KeySet:
		return fmt.Sprintf("%s registered the %s key %s by %s: secrets for them are sealed to it.", who, e.Medium, e.Fingerprint, e.Channel)
	case identities.KeyRemoved:
		return fmt.Sprintf("%s took their key %s back by %s.", who, e.Fingerprint, e.Channel)
	case identities.CodesIssued:
		what := "for when the chat is down"
		if e.Use == identities.UseEnvelope {
			what = "for a sealed envelope"
		}
		return fmt.Sprintf("%s had %s printed for %s, %s, good until %s: set %s.", n.actor(r), howMany(len(e.Hashes), "one-time code"), who, what, n.at(e.Until), e.Set)
	case identities.CodeUsed:
		about := ""
		if e.About != "" {
			about = " on " + e.About
		}
		return fmt.Sprintf("A one-time code of set %s of %s was used up to %s%s, by %s.", e.Set, who, strings.TrimSpace(e.What), about, e.Channel)
	case identities.EnvelopeReconciled:
		seen := ""
		if e.Seen != "" {
			seen = ", together with " + n.person(e.Seen)
		}
		return fmt.Sprintf("%s recorded that the envelope of %s was opened at %s in incident %s%s, while nothing could be recorded: %s.", n.actor(r), who, n.at(e.OpenedAt), e.Incident, seen, quoted(trimDot(e.Did)))
	case identities.CodesVoided:
		return fmt.Sprintf("%s voided what was left of set %s of %s's one-time codes: %s.", n.actor(r), e.Set, who, trimDot(e.Why))
	}
	return ""
}
