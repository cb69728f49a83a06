package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
)

// talkChain uses the language where one test process can follow it: rules by length, an automatic one, more time, a later start.
const talkChain = `id: talk
title: Shell with many words
purpose: For the tests of offers, rules, more time and time off.
kind: credential
owner: frida
may_ask:
  people: [maya, jonas]
for: [self]
grants: [bastion/deploy]
fields:
  - {name: key, label: SSH public key, type: ssh_key}
  - {name: ticket, label: Ticket, type: ticket, pattern: 'OPS-[0-9]{1,6}'}
ends_with: ticket
longest: 4h
usual: 1h
reason_min: 10
extend: {cap: 6h}
later: 7d
channel: "#access"
seen_by: members
rules:
  - name: A look
    up_to: 20m
    auto: {times: 1, per: 1d, sample: 100}
  - name: Long
    when: duration > duration("2h") && requester.kind == "person"
  - name: Usual
    stages: [Owner]
stages:
  - name: Owner
    approvers: {people: [jonas, sofia]}
    timeout: 8h
  - name: Security
    approvers: {people: [priya]}
    timeout: 8h
`

// talkAsk sends the form of the chain.
func (s *story) talkAsk(ctx context.Context, person, duration, reason string) error {
	if err := s.command(ctx, person, "/access", "request talk"); err != nil {
		return err
	}
	return s.submit(ctx, person, map[string]any{
		screens.BlockDuration: duration, screens.BlockReason: reason, screens.FieldBlock + "key": s.people[person].public(),
		screens.FieldBlock + "ticket": "OPS-1",
	})
}

// requestAbout finds the request with a reason among those that Jonas knows of.
func (s *story) requestAbout(t *testing.T, reason string) string {
	t.Helper()
	id, err := until(t.Context(), "the request about "+reason, func() (string, bool) {
		m, ok := newest(s.slack.Messages("access"), []string{reason})
		if !ok {
			return "", false
		}
		text := m.Visible()
		i := strings.LastIndex(text, "r_")
		return text[i : i+28], i >= 0
	})
	mustSay(t, err)
	return id
}

// The whole language on the running product: a long ask is countered on the command line and taken in Slack; more time is asked for and
// given; somebody is away and their delegate decides; a short look needs nobody, once a day, and is looked at afterwards. The ledger verifies,
// every condition included.
func TestTheWholeLanguage(t *testing.T) {
	t.Parallel()
	s := &story{demo: demoAsJonas(t, map[string]string{"workflows/talk.yaml": talkChain})}
	ctx := t.Context()
	mustSay(t, s.talkAsk(ctx, "maya", "3h", "A long look at the logs."))
	id := s.requestAbout(t, "A long look at the logs.")
	card, err := s.message(ctx, "access", "A long look at the logs.", "rule Long", "Stage 2 of 2: Security")
	mustSay(t, err)

	out, err := s.cli(ctx, "", "offer", id, "-for-time", "4h", "-yes")
	if err == nil {
		t.Errorf("an offer of more was taken:\n%s", out)
	}
	out, err = s.cli(ctx, "offer\n", "offer", id, "-for-time", "1h", "-reason", "One hour is enough for that.")
	mustSay(t, err)
	said(t, out, "Maya Chen asks for", "offered 1h")
	out, err = s.cli(ctx, "", "comment", id, "Which", "host?")
	mustSay(t, err)
	said(t, out, id)
	_, err = s.message(ctx, "access", "Which host?", "for 1h instead of 3h")
	mustSay(t, err)
	dm, err := s.dm(ctx, "maya", "A counter-offer for you", "One hour is enough for that.")
	mustSay(t, err)
	mustSay(t, s.press(ctx, "maya", dm, screens.ActAccept))
	_, err = s.dm(ctx, "maya", "Ready: ", "Shell as deploy")
	mustSay(t, err)
	old, err := s.message(ctx, "access", "A long look at the logs.", "Superseded")
	mustSay(t, err)
	if old.TS != card.TS {
		t.Error("the old card does not say what became of it")
	}

	mustSay(t, s.command(ctx, "maya", "/access", "extend"))
	mustSay(t, s.submit(ctx, "maya", map[string]any{
		screens.BlockDuration: "1h", screens.BlockReason: "It takes longer than thought.", screens.FieldBlock + "key": s.people["maya"].public(),
		screens.FieldBlock + "ticket": "OPS-1",
	}))
	more := s.requestAbout(t, "It takes longer than thought.")
	out, err = s.cli(ctx, "", "approve", more, "-yes")
	mustSay(t, err)
	said(t, out, "Approved by Jonas Weber.", "More time for grant")

	until10 := time.Now().AddDate(0, 0, 10).Format(time.DateOnly)
	out, err = s.cli(ctx, "", "away", "-until", until10, "-delegate", "nobody")
	if err == nil {
		t.Errorf("a delegate whom nobody knows was taken:\n%s", out)
	}
	out, err = s.cli(ctx, "", "away", "-until", until10, "-delegate", "frida", "-reason", "On a boat.")
	if err != nil {
		t.Fatal(out)
	}
	said(t, out, "You are away until", "Frida Lund decides for you")
	_, err = until(ctx, "both grants to have begun: what ends before it began is never made", func() (bool, bool) {
		out, err := s.ledger(ctx, "search", "grant.started", "-json")
		return true, err == nil && strings.Count(out, `"grant.started"`) >= 2
	})
	mustSay(t, err)
	mustSay(t, s.advance(ctx, 3*time.Hour))
	_, err = until(ctx, "both grants to be gone", func() (bool, bool) {
		out, err := s.ledger(ctx, "search", "grant.revoked", "-json")
		return true, err == nil && strings.Count(out, `"grant.revoked"`) >= 2
	})
	mustSay(t, err)
	mustSay(t, s.talkAsk(ctx, "maya", "1h", "While Jonas is on a boat."))
	ask, err := s.dm(ctx, "frida", "is away and named you", "While Jonas is on a boat.")
	mustSay(t, err)
	mustSay(t, s.press(ctx, "frida", ask, screens.ActApprove))
	_, err = s.message(ctx, "access", "While Jonas is on a boat.", "Access is on")
	mustSay(t, err)
	out, err = s.cli(ctx, "", "back")
	mustSay(t, err)
	said(t, out, "You are back")

	key := filepath.Join(t.TempDir(), "id.pub")
	mustSay(t, os.WriteFile(key, []byte(s.people["jonas"].public()), 0o600))
	out, err = s.cli(ctx, "", "request", "talk", "-for-time", "10m", "-reason", "A short look only.", "-field", "key=@"+key, "-field", "ticket=OPS-7")
	mustSay(t, err)
	said(t, out, "Approved without people, by rule A look")
	out, err = s.cli(ctx, "", "ticket-closed", "OPS-99")
	mustSay(t, err)
	said(t, out, "No access hangs on ticket OPS-99.")
	out, err = s.cli(ctx, "", "ticket-closed", "OPS-7")
	mustSay(t, err)
	said(t, out, "One access that hung on ticket OPS-7 is being taken back.")
	out, err = s.ledger(ctx, "show", "-last", "0")
	mustSay(t, err)
	said(t, out, "request.countered", "offer.accepted", "request.commented", "person.away", "person.back", "request.auto_approved", "review.opened")
	out, err = s.ledger(ctx, "verify")
	mustSay(t, err)
	if bytes.Contains([]byte(out), []byte("WRONG")) {
		t.Errorf("the ledger does not verify:\n%s", out)
	}
}
