package main

import (
	"fmt"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/escalations"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/reviews"
	"github.com/countersign-bot/countersign/workflows/runs"
)

// noticeSays is what a kind of notice says, for the story of an incident; of other kinds the word that the ledger has for it is told.
func noticeSays(kind string) string {
	switch kind {
	case workflows.NoticeSkipped:
		return "your approval was skipped"
	case workflows.NoticeInvoked:
		return "the glass was broken"
	case incidents.NoticeAlarm:
		return "the glass was broken around a condition, or by two people"
	case incidents.NoticeTold:
		return "a runbook was used"
	case incidents.NoticeSecond:
		return "a second person must agree"
	case incidents.NoticeNews:
		return "news of the incident"
	case workflows.NoticeReview:
		return "please review"
	case workflows.NoticeLate:
		return "the review is overdue"
	case workflows.NoticeClosed:
		return "the verdict of the review"
	case reviews.NoticeTask:
		return "please rotate what was exposed"
	case runs.NoticeChecklist:
		return "the checklist"
	case runs.NoticeYours:
		return "the checklist is yours"
	case runs.NoticeFailed:
		return "a step failed"
	case runs.NoticeTake:
		return "a new secret waits to be taken"
	case runs.NoticeMove:
		return "a secret changes"
	case runs.NoticeDead:
		return "the old secret is dead"
	case runs.NoticeStuck:
		return "a secret was not replaced"
	case "digest":
		return "your identities, of the week"
	case escalations.NoticePage:
		return "please look after it"
	case escalations.NoticeTold:
		return "for your information"
	}
	return strings.ReplaceAll(kind, "_", " ")
}

// noticeTo is whom or what the id of a notice names; empty when it names nobody.
func noticeTo(id string) (p workflows.PersonID, place string) {
	parts := strings.Split(id, "/")
	last := parts[len(parts)-1]
	switch means, to := escalations.MeansOf(id); {
	case strings.HasPrefix(last, "p_"):
		return workflows.PersonID(last), ""
	case means == escalations.ByPager:
		return "", "the pager " + to
	case strings.HasPrefix(last, "#"):
		return "", last
	}
	return "", ""
}

func (n *narrator) notice(id string, about workflows.StreamID) string {
	kind, _, _ := strings.Cut(id, "/")
	p, to := noticeTo(id)
	if p != "" {
		to = n.person(p)
	}
	if to != "" {
		to = " to " + to
	}
	return fmt.Sprintf("The notice %q%s about %s", noticeSays(kind), to, n.subject(about))
}
