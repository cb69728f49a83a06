package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
)

const pathsOfTest = `paths:
  - name: duty
    kinds: [break_glass, drill, failed_revocation]
    drill_every: 90d
    steps:
      - {to: {people: [sofia]}, by: [dm], wait: 5m}
      - {to: {people: [frida]}, by: [email, pager], pager: pager, wait: 10m}
      - {to: {groups: [platform]}, by: [channel, dm], channel: "#incidents", wait: 30m}
pagers:
  - {name: pager, url: "ADDRESS", secret: "file:SECRET"}
messages:
  - kind: break_glass
    subject: "Glass broken in ${incident}: ${what}"
    text: "${who} did it. Why: ${why}"
    tell: {people: [priya]}
`

// pagerServer takes calls that are signed as Standard Webhooks says, and keeps them.
type pagerServer struct {
	mu    sync.Mutex
	calls []map[string]any
	ids   []string
	down  bool
}

var pagerKey = []byte("0123456789abcdef0123456789abcdef")

func (p *pagerServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	p.mu.Lock()
	defer p.mu.Unlock()
	mac := hmac.New(sha256.New, pagerKey)
	mac.Write([]byte(r.Header.Get("Webhook-Id") + "." + r.Header.Get("Webhook-Timestamp") + "."))
	mac.Write(body)
	var call map[string]any
	switch {
	case p.down:
		http.Error(w, "later", http.StatusServiceUnavailable)
	case r.Header.Get("Webhook-Signature") != "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)) || json.Unmarshal(body, &call) != nil:
		http.Error(w, "not signed", http.StatusUnauthorized)
	default:
		p.calls, p.ids = append(p.calls, call), append(p.ids, r.Header.Get("Webhook-Id"))
	}
}

func (p *pagerServer) got() []map[string]any {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]map[string]any(nil), p.calls...)
}

// escalating is a bot whose escalations go by direct message, then by e-mail and to a pager, then to a channel; the user of the tests is jonas.
func escalating(t *testing.T) (*story, *relay, *pagerServer) {
	t.Helper()
	dir := t.TempDir()
	p := &pagerServer{}
	srv := httptest.NewServer(p)
	t.Cleanup(srv.Close)
	secret := filepath.Join(dir, "pager")
	mustSay(t, os.WriteFile(secret, []byte("whsec_"+base64.StdEncoding.EncodeToString(pagerKey)), 0o600))
	r := newRelay(t, true)
	script(t, dir, "promote", "#!/bin/sh\nread order\necho '{\"ref\":\"job 7\"}'\n")
	script(t, dir, "check", "#!/bin/sh\nread order\necho '{\"presence\":\"absent\"}'\n")
	people, err := demoFiles.ReadFile("demo/org/people.yaml")
	mustSay(t, err)
	d := demoAsJonasWith(t, map[string]string{
		"people.yaml":         strings.Replace(string(people), "    email: frida@northwind.example\n", "    email: frida@northwind.example\n    phone: \"+1 212 555 0142\"\n", 1),
		"workflows/solo.yaml": soloChain, "workflows/approve-solo.yaml": preapproveChain,
		"runbooks/promote.md": strings.Replace(promoteBook, "review_due: 24h\n", "review_due: 24h\ndrill_every: 90d\n", 1),
		"targets/tool.yaml":   strings.ReplaceAll(toolTarget, "DIR", dir),
		"escalations.yaml":    strings.NewReplacer("ADDRESS", srv.URL+"/page", "SECRET", secret).Replace(pathsOfTest),
	}, r.env())
	s := &story{demo: d}
	approvePromotion(t, s)
	return s, r, p
}

func approvePromotion(t *testing.T, s *story) {
	t.Helper()
	ctx := t.Context()
	mustSay(t, s.command(ctx, "maya", "/access", "request approve-solo"))
	mustSay(t, s.submit(ctx, "maya", map[string]any{"runbook": "promote", "duration": "30d", "reason": "So that nights are shorter."}))
	_, err := s.message(ctx, "access", "Maya Chen")
	mustSay(t, err)
	out, err := s.cli(ctx, "", "list")
	mustSay(t, err)
	if out, err = s.cli(ctx, "", "approve", requestIn(t, out), "-yes"); err != nil {
		t.Fatal(out)
	}
}

// waitCLI asks the command line until the answer says all the words; product time goes on by a few seconds at each try.
func (s *story) waitCLI(t *testing.T, step time.Duration, args []string, words ...string) string {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for {
		out, _ := s.cli(t.Context(), "", args...)
		missing := ""
		for _, w := range words {
			if !strings.Contains(out, w) {
				missing = w
			}
		}
		if missing == "" {
			return out
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v never said %q:\n%s", args, missing, out)
		}
		if step > 0 {
			mustSay(t, s.advance(t.Context(), step))
		} else {
			time.Sleep(50 * time.Millisecond) // a poll of a process, not a synchronisation
		}
	}
}

// TestReq_R20_WhatCannotWaitEscalates: break glass is told by a path, with words and receivers of its own. Nobody acknowledges the direct
// message, so e-mail (over STARTTLS) and the pager (signed) are next; then the channel. The invoker cannot acknowledge; frida does on the
// host's behalf through Slack, and nobody else is woken. The ledger verifies.
func TestReq_R20_WhatCannotWaitEscalates(t *testing.T) {
	t.Parallel()
	s, relay, pager := escalating(t)
	ctx := t.Context()
	out, err := s.cli(ctx, "", "runbook", "invoke", "promote", "INC-7", "host=db1", "-reason", "The primary is dead.", "-yes")
	if err != nil {
		t.Fatal(out)
	}
	dm, err := s.dm(ctx, "sofia", "Glass broken in INC-7", "Jonas Weber did it. Why: The primary is dead.", "I look after it")
	mustSay(t, err)
	_, err = s.dm(ctx, "priya", "Glass broken in INC-7", "nothing is asked of you")
	mustSay(t, err)
	if n := len(relay.mails()) + len(pager.got()); n != 0 {
		t.Fatalf("%d messages went out before anybody had time to acknowledge", n)
	}
	s.waitCLI(t, 0, []string{"escalations", "list", "-json"}, "Glass broken in INC-7", "step 1 of 3") // jonas was not asked: it is what he began
	mustSay(t, s.advance(ctx, 5*time.Minute+time.Second))
	deadline := time.Now().Add(2 * time.Minute)
	for len(relay.mails()) == 0 || len(pager.got()) == 0 {
		if time.Now().After(deadline) {
			t.Fatalf("%d e-mails, %d calls", len(relay.mails()), len(pager.got()))
		}
		time.Sleep(50 * time.Millisecond)
	}
	m := relay.mails()[0]
	if !m.secured || m.user != "bot" || m.to != "frida@northwind.example" || !strings.Contains(m.text, "countersign escalations ack e_") || !strings.Contains(m.text, "The primary is dead.") {
		t.Errorf("the e-mail is %+v", m)
	}
	if c := pager.got()[0]; c["incident"] != "INC-7" || c["about"] != "break_glass" || !strings.Contains(c["subject"].(string), "Glass broken") {
		t.Errorf("the pager was told %v", c)
	}
	mustSay(t, s.advance(ctx, 10*time.Minute+time.Second))
	_, err = s.message(ctx, "incidents", "Glass broken in INC-7", "step 3 of 3")
	mustSay(t, err)
	out = s.waitCLI(t, 0, []string{"escalations", "list"}, "break_glass", "open")
	id := strings.Fields(out)[0]
	if out, err := s.cli(ctx, "", "escalations", "ack", id, "it was me"); err == nil || !strings.Contains(out, "somebody else acknowledges it") {
		t.Errorf("the invoker acknowledged: %s", out)
	}
	mustSay(t, s.press(ctx, "sofia", dm, screens.ActAck))
	out = s.waitCLI(t, 0, []string{"escalations", "list"}, "Nothing waits")
	said(t, out, "Nothing waits")
	_, err = s.dm(ctx, "sofia", "looks after it since")
	mustSay(t, err)
	before := len(relay.mails())
	mustSay(t, s.advance(ctx, 2*time.Hour))
	if out, err := s.cli(ctx, "", "ledger", "verify", "-data", filepath.Join(s.dir, "data")); err != nil {
		t.Error(out)
	}
	if len(relay.mails()) != before || len(pager.got()) != 1 {
		t.Errorf("somebody was woken after the acknowledgement: %d e-mails, %d calls", len(relay.mails()), len(pager.got()))
	}
}

// TestGlass_ADrillCountsOnceItsAlertsAreProved: a drill whose alert nobody acknowledges leaves the runbook overdue, and health and the weekly
// report say so; one that is acknowledged by somebody who was asked counts.
func TestGlass_ADrillCountsOnceItsAlertsAreProved(t *testing.T) {
	t.Parallel()
	s, r, _ := escalating(t)
	ctx := t.Context()
	mustSay(t, s.advance(ctx, 91*24*time.Hour))
	mustSay(t, s.advance(ctx, 8*24*time.Hour)) // a Monday has passed: the weekly report goes to the owner of the runbook, and to those of the bot
	_, err := s.dm(ctx, "frida", "How your runbooks for emergencies were used", "`promote`: It should have been practised by", "Path duty was never practised")
	mustSay(t, err)
	approvePromotion(t, s) // the old approval has run out
	listed := s.slack.Command(ctx, s.slackID("jonas"), "access", "/breakglass", "")
	said(t, string(listed.AckPayload), "it should have been practised by", "countersign runbook drill promote")
	doctor, err := doctored(t, s.demo, r.env())
	if err == nil {
		t.Error("the doctor has nothing against overdue drills")
	}
	said(t, doctor, "NOT OK  drills: ", "OVERDUE", "practise them: countersign runbook drill, countersign escalations drill", "ok      e-mail: escalations are sent through 127.0.0.1")
	doctor, _ = doctored(t, s.demo, nil)
	said(t, doctor, "NOT OK  e-mail: escalations.yaml has steps by email, and no relay is set up")
	drill := func() string {
		out, err := s.cli(ctx, "", "runbook", "drill", "promote", "INC-8", "host=db1")
		if err != nil {
			t.Fatal(out)
		}
		return out
	}
	begun := drill()
	said(t, begun, "Recorded: the drill has begun.")
	if strings.Contains(begun, "glass is broken") {
		t.Errorf("a drill says that the glass is broken:\n%s", begun)
	}
	dm, err := s.dm(ctx, "sofia", "DRILL", "I look after it")
	mustSay(t, err)
	out, _ := s.cli(ctx, "", "runbook", "dry-run", "promote", "INC-9", "host=db1")
	said(t, out, "does not count: nobody who was alerted acknowledged it")
	mustSay(t, s.press(ctx, "sofia", dm, screens.ActAck))
	s.waitCLI(t, 0, []string{"runbook", "dry-run", "promote", "INC-9", "host=db1"}, "It was practised in time")
	if out, err := s.cli(ctx, "", "ledger", "verify", "-data", filepath.Join(s.dir, "data")); err != nil {
		t.Error(out)
	}
	tree, err := os.ReadFile(filepath.Join(s.dir, "data", treeFile))
	mustSay(t, err)
	said(t, string(tree), "+1 212 555 0142", "Frida Lund")
	out, err = s.cli(ctx, "", "escalations", "tree")
	mustSay(t, err)
	said(t, out, "Frida Lund", "+1 212 555 0142", "what the bot kept")
}
