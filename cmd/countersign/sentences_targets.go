package main

import (
	"fmt"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/targets"
)

// tellTarget tells what was found on a target beside its grants.
func (n *narrator) tellTarget(r workflows.Record) string {
	target := r.Stream.Rest()
	switch e := r.Event.(type) {
	case targets.Found:
		return fmt.Sprintf("Found on %s: %s Finding %s.", target, targets.Finding{Found: e}.Sentence(n.at), e.Finding)
	case targets.Cleared:
		if e.How == targets.OverRemoved {
			return fmt.Sprintf("What was found on %s as %s was taken away by the bot.", target, e.Finding)
		}
		return fmt.Sprintf("What was found on %s as %s is not there any more.", target, e.Finding)
	case targets.RemoveFailed:
		return fmt.Sprintf("What was found on %s as %s could not be taken away (%s): %s.", target, e.Finding, e.Class, trimDot(e.Text))
	case targets.Accepted:
		return fmt.Sprintf("%s answers for what was found on %s as %s, %s.", n.actor(r), target, e.Finding, because(e.Reason, true))
	case targets.Swept:
		return n.swept(r, target, e)
	case targets.Drilled:
		if !e.OK {
			return fmt.Sprintf("A revocation drill on %s with %s failed at the step %s: %s.", target, e.Entitlement, e.Step, trimDot(e.Text))
		}
		return strings.TrimSpace(fmt.Sprintf("A revocation drill on %s with %s succeeded: made and read back in %d ms, taken back and read back as gone in %d ms. %s", target, e.Entitlement, e.GrantMS, e.RevokeMS, e.Proved()))
	}
	return ""
}

func (n *narrator) swept(r workflows.Record, target string, e targets.Swept) string {
	asked := ""
	if r.Person != "" {
		asked = fmt.Sprintf(" because %s asked", n.actor(r))
	}
	if e.Unread != "" {
		return fmt.Sprintf("%s was to be compared with the ledger%s and could not be read to the end: %s.", target, asked, trimDot(e.Unread))
	}
	return fmt.Sprintf("%s was compared with the ledger%s: %d accesses, %d active grants, %d new findings, %d over, %d stand.", target, asked, e.Seen, e.Grants, e.New, e.Cleared, e.Open)
}

// prefixed is a text after its preposition, or nothing.
func prefixed(before, text string) string {
	if text == "" {
		return ""
	}
	return before + text
}
