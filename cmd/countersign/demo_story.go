package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack/slacksim"
)

// steps are the main job, told once: ask, wrong people, the chain, access, its end; then a glass broken at night and its
// review; then the proof.
func (s *story) steps() []step {
	return []step{
		{"request", "Maya (New York) asks for a shell on the production bastion, for an hour.", s.actRequest, s.holdRequest},
		{"wrong-person", "Kenji, who was not asked, clicks Approve on the card in #access.", s.actWrongPerson, s.holdWrongPerson},
		{"self", "Maya clicks Approve on her own request.", s.actSelf, s.holdSelf},
		{"approve", "Jonas (Berlin), platform lead, approves. He clicks twice.", s.actApprove, s.holdApprove},
		{"escalate", "Security in Berlin is asleep. An hour passes.", s.actEscalate, s.holdEscalate},
		{"approve-east", "Priya (Bengaluru) approves from her direct messages.", s.actApproveEast, s.holdReady},
		{"login", "Maya logs in to the bastion with her key and the certificate.", s.actNothing, s.holdLogin},
		{"expire", "Another hour passes.", s.actHour, s.holdExpired},
		{"refused", "Maya tries to log in again.", s.actNothing, s.holdRefused},
		{"runbook", "Kenji asks for the approval of the runbook \"The web shop is down\", for the next incident.", s.actRunbook, s.holdRunbook},
		{"runbook-approve", "Frida and Sofia read its exact text and approve it.", s.actRunbookApprove, s.holdRunbookApproved},
		{"breakglass", "Ten days later, at night, the shop is down. Kenji types /breakglass web-outage INC-1042.", s.actBreakGlass, s.holdBreakGlass},
		{"page", "Security is paged. Sofia clicks \"I look after it\" within the five minutes she has.", s.actPage, s.holdPage},
		{"root", "Kenji logs in as root.", s.actNothing, s.holdRoot},
		{"shift", "At 06:00 UTC the shift changes.", s.actShift, s.holdShift},
		{"done", "The shop is back. Kenji gives the access back early.", s.actDone, s.holdDone},
		{"review", "Sofia reviews what happened and closes the review.", s.actReview, s.holdReview},
		{"verify", "An outsider verifies the whole ledger.", s.actNothing, s.holdVerify},
	}
}

func (s *story) actNothing(context.Context) error { return nil }

func (s *story) actRequest(ctx context.Context) error {
	if err := s.command(ctx, "maya", "/access", ""); err != nil {
		return err
	}
	first, err := s.view(ctx, "maya", screens.CallResult)
	if err != nil {
		return err
	}
	if err := s.choose(ctx, "maya", first, screens.ActPick, "Shell in production"); err != nil {
		return err
	}
	v, err := s.view(ctx, "maya", screens.CallForm)
	if err != nil {
		return err
	}
	values := map[string]any{
		screens.BlockDuration: "1h", screens.BlockReason: "The shop answers 502 since 14:02; I need the logs and a restart.",
		screens.FieldBlock + "ticket": "OPS-4711", screens.FieldBlock + "key": s.people["maya"].public(),
	}
	if value, ok := optionValue(v.Blocks, "Shell as deploy"); ok {
		values[screens.BlockEntitlement] = value
	}
	return s.submit(ctx, "maya", values)
}

func (s *story) holdRequest(ctx context.Context) (string, error) {
	m, err := s.message(ctx, "access", "Maya Chen", "Shell as deploy")
	if err != nil {
		return "", err
	}
	s.card = m
	for _, p := range []string{"jonas", "frida"} {
		if _, err := s.dm(ctx, p, "Maya Chen", "Shell as deploy"); err != nil {
			return "", err
		}
	}
	return "#access: " + firstLine(m.Text) + "\nJonas and Frida are asked in direct messages.", nil
}

func (s *story) actWrongPerson(ctx context.Context) error {
	return s.press(ctx, "kenji", s.card, screens.ActApprove)
}

func (s *story) holdWrongPerson(ctx context.Context) (string, error) {
	t, err := s.told(ctx, "kenji", "access", "not among those asked")
	return "Only Kenji sees: " + t, err
}

func (s *story) actSelf(ctx context.Context) error {
	return s.press(ctx, "maya", s.card, screens.ActApprove)
}

func (s *story) holdSelf(ctx context.Context) (string, error) {
	t, err := s.told(ctx, "maya", "access", "stand behind this request")
	return "Only Maya sees: " + t, err
}

func (s *story) actApprove(ctx context.Context) error {
	before := s.card
	if err := s.press(ctx, "jonas", before, screens.ActApprove); err != nil {
		return err
	}
	// The second click is of a screen that is behind: the button is gone from the message, not from his display.
	s.slack.Click(ctx, slacksim.Press{User: s.slackID("jonas"), Channel: before.Channel, TS: before.TS, ActionID: screens.ActApprove, Confirmed: true, From: &before})
	return nil
}

func (s *story) holdApprove(ctx context.Context) (string, error) {
	m, err := s.message(ctx, "access", "Maya Chen", "Jonas Weber", "approved")
	if err != nil {
		return "", err
	}
	s.card = m
	if _, err := s.dm(ctx, "sofia", "Maya Chen", "Shell as deploy"); err != nil {
		return "", err
	}
	return "The card shows one approval by Jonas; stage 2 is open and Sofia is asked.", nil
}

func (s *story) actEscalate(ctx context.Context) error { return s.advance(ctx, 61*time.Minute) }

func (s *story) holdEscalate(ctx context.Context) (string, error) {
	m, err := s.dm(ctx, "priya", "Maya Chen", "Shell as deploy")
	return fmt.Sprintf("It is %s. Priya is told: %s", s.now(), firstLine(m.Text)), err
}

func (s *story) actApproveEast(ctx context.Context) error {
	m, err := s.dm(ctx, "priya", "Maya Chen", "Shell as deploy")
	if err != nil {
		return err
	}
	return s.press(ctx, "priya", m, screens.ActApprove)
}

func (s *story) holdReady(ctx context.Context) (string, error) {
	line, err := until(ctx, "a certificate for Maya", func() (string, bool) { return s.demo.certificate("maya") })
	s.cert = line
	if err != nil {
		return "", err
	}
	m, err := s.dm(ctx, "maya", "ready", "Shell as deploy")
	return "Maya is told: " + firstLine(m.Text), err
}

func (s *story) holdLogin(ctx context.Context) (string, error) {
	if _, err := s.host.login("root", s.people["maya"].ssh, s.cert); err == nil {
		return "", fmt.Errorf("the certificate also let Maya in as root")
	}
	out, err := s.host.login("deploy", s.people["maya"].ssh, s.cert)
	return "The bastion: " + out + "\nAs root the same certificate is refused.", err
}

func (s *story) actHour(ctx context.Context) error { return s.advance(ctx, 61*time.Minute) }

func (s *story) holdExpired(ctx context.Context) (string, error) {
	m, err := s.dm(ctx, "maya", "ended", "Shell as deploy")
	if err != nil {
		return "", err
	}
	_, err = s.message(ctx, "access", "Maya Chen", "access expired")
	return fmt.Sprintf("It is %s. Maya is told: %s", s.now(), firstLine(m.Text)), err
}

func (s *story) holdRefused(ctx context.Context) (string, error) {
	out, err := s.host.login("deploy", s.people["maya"].ssh, s.cert)
	if err == nil {
		return "", fmt.Errorf("the bastion still let Maya in: %s", out)
	}
	return "The bastion refuses.", nil
}

func (s *story) actRunbook(ctx context.Context) error {
	if err := s.command(ctx, "kenji", "/access", "request runbook-approval"); err != nil {
		return err
	}
	v, err := s.view(ctx, "kenji", screens.CallForm)
	if err != nil {
		return err
	}
	values := map[string]any{screens.BlockDuration: "30d", screens.BlockReason: "So that whoever is on call can act at night."}
	if value, ok := optionValue(v.Blocks, "web shop is down"); ok {
		values[screens.BlockRunbook] = value
	}
	return s.submit(ctx, "kenji", values)
}

func (s *story) holdRunbook(ctx context.Context) (string, error) {
	m, err := s.message(ctx, "access", "Kenji Mori", "web-outage")
	s.book = m
	return "#access: " + firstLine(m.Text), err
}

// approveBook approves from the direct message; a text too long for a card is opened and read first.
func (s *story) approveBook(ctx context.Context, person string) error {
	m, err := s.dm(ctx, person, "Kenji Mori", "web-outage")
	if err != nil {
		return err
	}
	for _, a := range m.ActionIDs() {
		if a != screens.ActRead {
			continue
		}
		if err := s.press(ctx, person, m, screens.ActRead); err != nil {
			return err
		}
		if _, err := s.view(ctx, person, screens.CallDecide); err != nil {
			return err
		}
		return did(person+" approves after reading", func() slacksim.Delivery { return s.slack.SubmitView(ctx, s.slackID(person), nil) })
	}
	return s.press(ctx, person, m, screens.ActApprove)
}

func (s *story) actRunbookApprove(ctx context.Context) error {
	if err := s.approveBook(ctx, "frida"); err != nil {
		return err
	}
	return s.approveBook(ctx, "sofia")
}

func (s *story) holdRunbookApproved(ctx context.Context) (string, error) {
	m, err := s.dm(ctx, "kenji", "approved", "web-outage")
	return "Kenji is told: " + firstLine(m.Text), err
}

func (s *story) actBreakGlass(ctx context.Context) error {
	at := s.clock.Now().Wall.UTC().Add(10 * 24 * time.Hour)
	if err := s.advance(ctx, 10*24*time.Hour+untilHour(at, demoShift)-beforeShift); err != nil {
		return err
	}
	if err := s.command(ctx, "kenji", "/breakglass", "web-outage INC-1042"); err != nil {
		return err
	}
	if _, err := s.view(ctx, "kenji", screens.CallInvoke); err != nil {
		return err
	}
	return s.submit(ctx, "kenji", map[string]any{screens.FieldBlock + "key": s.people["kenji"].public()})
}

func (s *story) holdBreakGlass(ctx context.Context) (string, error) {
	line, err := until(ctx, "a certificate for Kenji", func() (string, bool) { return s.demo.certificate("kenji") })
	if err != nil {
		return "", err
	}
	s.root = line
	m, err := s.message(ctx, "incidents", "Kenji Mori", "INC-1042")
	if err != nil {
		return "", err
	}
	for _, p := range []string{"jonas", "sofia", "priya"} {
		if _, err := s.dm(ctx, p, "skipped", "Kenji Mori"); err != nil {
			return "", err
		}
	}
	s.review, err = s.dm(ctx, "sofia", "please review", "Kenji Mori", "INC-1042")
	return "#incidents: " + firstLine(m.Text) + "\nJonas, Sofia and Priya are told that they were skipped; Sofia must review it within a day.", err
}

func (s *story) holdRoot(context.Context) (string, error) {
	out, err := s.host.login("root", s.people["kenji"].ssh, s.root)
	return "The bastion: " + out, err
}

func (s *story) actDone(ctx context.Context) error { return s.command(ctx, "kenji", "/access", "done") }

func (s *story) holdDone(ctx context.Context) (string, error) {
	if _, err := s.dm(ctx, "kenji", "ended", "Shell as root"); err != nil {
		return "", err
	}
	_, err := until(ctx, "the bastion to refuse root", func() (string, bool) {
		_, err := s.host.login("root", s.people["kenji"].ssh, s.root)
		return "", err != nil
	})
	return "The certificate is on the list of revoked ones; the bastion has pulled it and refuses.", err
}

func (s *story) actReview(ctx context.Context) error {
	if err := s.press(ctx, "sofia", s.review, screens.ActReview); err != nil {
		return err
	}
	v, err := s.view(ctx, "sofia", screens.CallReview)
	if err != nil {
		return err
	}
	values := map[string]any{}
	for _, b := range v.Blocks {
		e, _ := b["element"].(slacksim.Object)
		id, _ := b["block_id"].(string)
		switch e["type"] {
		case "radio_buttons":
			values[id] = "emergency"
		case "plain_text_input":
			values[id] = "The shop was down for nine minutes. Kenji restarted it and gave the access back. Nothing else was touched."
		}
	}
	return s.submit(ctx, "sofia", values)
}

func (s *story) holdReview(ctx context.Context) (string, error) {
	m, err := s.dm(ctx, "kenji", "reviewed:", "emergency")
	return "Kenji is told: " + firstLine(m.Text), err
}

func (s *story) holdVerify(ctx context.Context) (string, error) {
	out, err := s.ledger(ctx, "verify")
	if err != nil {
		return out, err
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	return strings.Join(lines[:min(len(lines), 6)], "\n"), nil
}
