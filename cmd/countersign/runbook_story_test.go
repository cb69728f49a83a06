package main

import (
	"bytes"
	"compress/zlib"
	"html"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack/slacksim"
	"github.com/countersign-bot/countersign/runbooks/library"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/reviews"
	"github.com/countersign-bot/countersign/workflows/runs"
)

// northwind puts the people of the demo's company into the ready runbooks: their groups are called the same.
func northwind(text string) string {
	return strings.NewReplacer(
		"owner: alice", "owner: frida", "owner: bob", "owner: frida", "owner: chandra", "owner: frida", "owner: erin", "owner: frida",
		"[alice, frida]", "[jonas, frida]", "[bob, frida]", "[jonas, frida]", "[bob, erin]", "[jonas, frida]", "[bob, erin, frida]", "[jonas, frida]",
		"groups: [on-call, dba]", "groups: [on-call]", "groups: [on-call, security]\ngrant", "groups: [on-call]\ngrant",
	).Replace(text)
}

// readyBook is a ready runbook for the demo's company.
func readyBook(t *testing.T, name string) string {
	t.Helper()
	text, err := fs.ReadFile(library.FS(), name)
	mustSay(t, err)
	return northwind(string(text))
}

// databaseTarget is the main database as three programs in a folder.
const databaseTarget = `id: pg-main
title: Main database
connector: command
owner: frida
environment: production
data_class: confidential
settings:
  grant: DIR/revoke
  revoke: DIR/revoke
  check: DIR/check
entitlements:
  - id: readonly
    title: Read only
    description: Reads the tables of the shop.
    business_task: Answering questions about orders.
    review_date: 2036-01-01
    account: true
`

// standsStill is a database that does nothing until somebody lets it: it writes down each order that reaches it, waits, and then obeys.
func standsStill(t *testing.T, dir string) {
	t.Helper()
	script(t, dir, "revoke", "#!/bin/sh\nread order\necho \"$order\" >> "+dir+"/orders\ni=0\nwhile [ ! -f "+dir+"/go ] && [ $i -lt 1200 ]; do sleep 0.1; i=$((i+1)); done\ntouch "+dir+"/gone\necho '{\"ref\":\"REVOKE cs_readonly\"}'\n")
	script(t, dir, "check", "#!/bin/sh\nread order\nif [ -f "+dir+"/gone ]; then echo '{\"presence\":\"absent\"}'; else echo '{\"presence\":\"present\"}'; fi\n")
}

// TestStory_GlassInAnOutage is the night that breakglass is for. A key has leaked, and Slack is down. Kenji opens the incident on the bot's
// host, breaks the glass of the ready runbook on the page with a code that he printed in peacetime, and begins its steps on the host. While the
// bot takes the account's access away it is killed with SIGKILL; the next start asks the target for the very same order again. Slack comes
// back: the channel, the checklist in its thread and the request for a review are there. Jonas, a colleague, goes on in Slack where Kenji
// stands, and does what Kenji may not do himself. The keys are rotated, Sofia gives her verdict, and the report says all that the published
// guidance asks for, in three forms, out of a ledger that verifies.
func TestStory_GlassInAnOutage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	standsStill(t, dir)
	w := portalWorld(t, "kenji", func(config string) {
		for name, text := range map[string]string{
			"runbooks/leaked-key.md": readyBook(t, "leaked-key.md"), "targets/pg-main.yaml": strings.ReplaceAll(databaseTarget, "DIR", dir),
		} {
			mustSay(t, os.WriteFile(filepath.Join(config, name), []byte(text), 0o600))
		}
	})
	w.preapprove("leaked-key", "Replace a key")
	code := w.sheet()[0]
	w.later(10 * 24 * time.Hour)

	w.slackDown()
	incident := incidentIn.FindString(w.must("incident", "open", "2", "A key stands in a public repository"))
	run := w.breakOnThePage("kenji", code, incident, "the key of svc_deploy is public, and Slack is down")
	w.must("runbook", "note", run, "-step", "1", "-text", "The key that ends in Qx7A, in the public mirror since 01:12 UTC.")
	w.must("runbook", "step", run, "1", "done", "-reason", "Named, not shown.")
	w.fileWith(filepath.Join(dir, "orders"), "revoke") // the connector is at it
	w.bot.kill()                                       // -9
	w.bot = w.spawn(nil)
	if _, err := until2(t.Context(), func() (string, error) { return w.statusWith(run, "running") }); err != nil {
		t.Fatal("the bot does not answer on its host while Slack is away: ", err)
	}
	mustSay(t, os.WriteFile(filepath.Join(dir, "go"), nil, 0o600))
	if _, err := until2(t.Context(), func() (string, error) {
		w.later(5 * time.Second)
		return w.statusWith(run, "2  done")
	}); err != nil {
		t.Fatal(err)
	}
	orders := strings.Split(strings.TrimSpace(w.fileWith(filepath.Join(dir, "orders"), "svc_deploy")), "\n")
	ids := regexp.MustCompile(`g_[0-9a-z]+-s2`).FindAllString(strings.Join(orders, "\n"), -1)
	if len(orders) < 2 || len(ids) < 2 || ids[0] != ids[len(ids)-1] {
		t.Errorf("the order after the kill is another one: %q", orders)
	}

	t.Run("Glass_07_NothingThatMayBeDownIsNeeded", func(t *testing.T) {
		told := w.entries(workflows.NoticeDelivered{}.Kind())
		if len(told) > 0 && told[len(told)-1].At.UTC > w.entries("runbook.invoked")[0].At.UTC {
			t.Errorf("Slack was reached meanwhile: %+v", told[len(told)-1])
		}
		w.recorded(grants.Started{}.Kind(), 1) // the access is usable all the same
	})
	t.Run("Glass_08_TheWayIsAnotherOne", func(t *testing.T) {
		if e := w.entries("runbook.invoked")[0].Event.(incidents.Invoked); e.Channel != "web" || e.Authn != "one-time-code" {
			t.Errorf("recorded as %q over %q", e.Authn, e.Channel)
		}
		if out, code := w.run("envelope", "check", code, "-person", "kenji"); code == exitDone {
			t.Errorf("a code that was used is genuine again: %s", out)
		}
	})
	w.slackUp()
	w.check(w.child.ready(t.Context()))
	w.later(2 * time.Minute) // what was tried in vain is tried again
	w.goOnInSlack(run, incident)
	w.must("incident", "close", incident, "The old key is dead and the new one works.")
	w.closeReview()
	w.reportSatisfies(dir, incident)
	w.verify()
}

var incidentIn = regexp.MustCompile(`INC-[0-9]+`)

// must runs a command that must work.
func (w *world) must(args ...string) string {
	w.t.Helper()
	out, code := w.run(args...)
	if code != exitDone {
		w.t.Fatalf("%q (exit %d):\n%s", args, code, out)
	}
	return out
}

// preapprove has a ready runbook approved in peacetime, by two people who do not invoke it.
func (w *world) preapprove(id, title string) {
	w.t.Helper()
	ctx := w.t.Context()
	w.check(w.command(ctx, "kenji", "/access", "request runbook-approval"))
	v, err := w.view(ctx, "kenji", screens.CallForm)
	w.check(err)
	value, ok := optionValue(v.Blocks, title)
	if !ok {
		w.t.Fatalf("the form does not offer %q", title)
	}
	w.check(w.submit(ctx, "kenji", map[string]any{
		screens.BlockRunbook: value, screens.BlockDuration: "30d", screens.BlockReason: "So that whoever is on call can act at night.",
	}))
	for _, who := range []string{"frida", "sofia"} {
		m := w.dmTo(who, "Kenji Mori", id)
		if !strings.Contains(strings.Join(m.ActionIDs(), " "), screens.ActRead) {
			w.click(who, m, screens.ActApprove)
			continue
		}
		w.click(who, m, screens.ActRead)
		_, err := w.view(ctx, who, screens.CallDecide)
		w.check(err)
		w.check(did(who+" approves after reading", func() slacksim.Delivery { return w.slack.SubmitView(ctx, w.slackID(who), nil) }))
	}
	w.dmTo("kenji", "approved", id)
}

// sheet prints a sheet of codes for this machine's user.
func (w *world) sheet() []string {
	w.t.Helper()
	codes := regexp.MustCompile(`[A-Z2-9]{4}(?:-[A-Z2-9]{4}){3}`).FindAllString(w.must("codes", "new"), -1)
	if len(codes) != 10 {
		w.t.Fatalf("%d codes on a sheet", len(codes))
	}
	return codes
}

// breakOnThePage invokes leaked-key on the page for emergencies, and gives the run.
func (w *world) breakOnThePage(who, code, incident, reason string) string {
	w.t.Helper()
	v := w.visitor()
	v.get(w.child.url() + "/emergency")
	if v.send("/emergency/login", map[string]string{"name": who, "code": code}); v.status != http.StatusOK {
		w.t.Fatalf("signing in (%d):\n%s", v.status, v.page)
	}
	v.get(w.child.url() + "/emergency/runbook/leaked-key")
	page := v.send("/leaked-key", map[string]string{
		"incident": incident, "reason": reason, "field.account": "svc_deploy", "field.where": "public repository", "field.key": w.people[who].public(),
	})
	if !strings.Contains(page, "Break the glass for "+incident+"?") {
		w.t.Fatalf("before the glass is broken (%d):\n%s", v.status, page)
	}
	v.send("/leaked-key", nil)
	run := w.recorded(runs.Opened{}.Kind(), 1)[0]
	if e := run.Event.(runs.Opened); e.Incident != incident || e.Mode != runs.KindIncident {
		w.t.Fatalf("opened %+v", e)
	}
	return run.Stream.Rest()
}

// fileWith waits until a file has a word in it.
func (w *world) fileWith(path, word string) string {
	w.t.Helper()
	text, err := until(w.t.Context(), path+" with "+word, func() (string, bool) {
		b, err := os.ReadFile(path)
		return string(b), err == nil && strings.Contains(string(b), word)
	})
	w.check(err)
	return text
}

// statusWith is the status of a run, and an error while it does not show what is wanted.
func (w *world) statusWith(run, want string) (string, error) {
	out, code := w.run("runbook", "status", run)
	if code != exitDone || !strings.Contains(out, want) {
		return out, os.ErrNotExist
	}
	return out, nil
}

// goOnInSlack finds in Slack what should be there, and does the rest of the steps as Jonas.
func (w *world) goOnInSlack(run, incident string) {
	w.t.Helper()
	ctx := w.t.Context()
	_, err := w.message(ctx, "incidents", "Break glass", "Kenji Mori", incident)
	w.check(err)
	opened, err := w.message(ctx, "security", incident, "public repository")
	w.check(err)
	list, err := until(ctx, "the checklist in the incident's thread", func() (slacksim.Message, bool) {
		return newest(w.slack.Thread("security", opened.TS), []string{"Replace a key that leaked", "Step 3, by hand"})
	})
	w.check(err)
	said(w.t, list.Visible(), "2 of 8 steps", "Kenji Mori")
	w.dmTo("sofia", "please review", incident)
	w.click("jonas", list, screens.ActRunDone)
	for _, words := range []string{
		"4 done Turned off at 01:40 UTC.", "5 skip nothing but the mirror read it", "6 done The pipeline has no copy.", "7 done The nightly job ran with the new one.", "8 done The mirror is gone.",
	} {
		w.check(w.command(ctx, "jonas", "/breakglass", "step "+run+" "+words))
	}
	w.check(w.command(ctx, "jonas", "/breakglass", "finish "+run))
	if _, err := until2(ctx, func() (string, error) { return w.statusWith(run, "finished") }); err != nil {
		w.t.Fatal(err)
	}
}

// closeReview has the exposed keys rotated by their owner, and then Sofia's verdict recorded, which cannot come before.
func (w *world) closeReview() {
	w.t.Helper()
	ctx := w.t.Context()
	review := w.recorded(reviews.Opened{}.Kind(), 1)[0].Stream.Rest()
	if _, code := w.run("runbook", "review", review, "emergency", "-reason", "I was there myself and it was right."); code == exitDone {
		w.t.Error("the invoker has reviewed himself")
	}
	w.check(w.command(ctx, "frida", "/breakglass", "task "+review+" 1 The new keys stand in the store; the old ones are refused."))
	w.verdict("sofia", review, "emergency", "The key was public for half an hour. Nobody but the mirror read it.")
	w.recorded(reviews.Closed{}.Kind(), 1)
}

// reportSatisfies writes the report in its three forms and holds each against what the published guidance wants to find.
func (w *world) reportSatisfies(dir, incident string) {
	w.t.Helper()
	wants := []string{
		incident, "Replace a key that leaked", "Kenji Mori", "Jonas Weber", "Sofia Rossi", "Frida Lund", // who
		"the key of svc_deploy is public, and Slack is down", "web", // why, and by what way
		"sha256:", "Approved in peacetime by", "held", // by which text, that named people approved, under which conditions
		"agreed end", "ended", "reading back", "what stays", // for how long, and that it is gone
		"revoke pg-main/readonly", "The key that ends in Qx7A", "skipped", "nothing but the mirror read it", // what was done, with evidence, and what was not
		"the channel, the glass was broken", "Sofia Rossi, please review", "delivered", // who was told
		"done by Frida Lund", "verdict emergency by Sofia Rossi", // afterwards
		"1. Conditions and roles", "6 conditions checked, 0 failed", "8. Strong, different authentication", "over web, by one-time-code", "11. Other people are alerted", "0 undelivered",
		"18. Credentials are rotated", "23. Drilled", "It was practised in time", "25. The commander", "26. Access that was given outside",
		"UTC", "entries, root", "countersign ledger prove", // and that it can be checked
	}
	for _, ext := range []string{".md", ".html", ".pdf"} {
		path := filepath.Join(dir, "report"+ext)
		w.must("runbook", "report", incident, "-out", path)
		raw, err := os.ReadFile(path)
		w.check(err)
		text := reportText(w.t, ext, raw)
		for _, want := range wants {
			if !strings.Contains(text, strings.Join(strings.Fields(want), " ")) {
				w.t.Errorf("%s does not say %q", path, want)
			}
		}
		if w.t.Failed() {
			w.t.Log(text)
		}
	}
}

// reportText is what a reader sees of a report.
func reportText(t *testing.T, ext string, raw []byte) string {
	t.Helper()
	text := string(raw)
	switch ext {
	case ".md":
		text = plainText(text)
	case ".html":
		text = html.UnescapeString(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(regexp.MustCompile(`(?s)<style.*?</style>`).ReplaceAllString(text, ""), ""))
	case ".pdf":
		text = pdfText(t, raw)
	}
	return strings.Join(strings.Fields(text), " ")
}

// pdfText reads the words of a PDF that we wrote: streams of Flate, strings of two bytes a letter, which the library numbers as Unicode does.
func pdfText(t *testing.T, raw []byte) string {
	t.Helper()
	var out strings.Builder
	for _, part := range bytes.Split(raw, []byte("stream\n"))[1:] {
		z, err := zlib.NewReader(bytes.NewReader(part))
		if err != nil {
			continue
		}
		page, err := io.ReadAll(z)
		if err != nil || !bytes.Contains(page, []byte("BT")) {
			continue
		}
		for _, s := range regexp.MustCompile(`(?s)\(((?:\\.|[^\\)])*)\)\s*Tj`).FindAllSubmatch(page, -1) {
			b := regexp.MustCompile(`(?s)\\(.)`).ReplaceAllFunc(s[1], func(m []byte) []byte {
				if i := strings.IndexByte("nrtbf", m[1]); i >= 0 {
					return []byte{"\n\r\t\b\f"[i]}
				}
				return m[1:]
			})
			for i := 0; i+1 < len(b); i += 2 {
				out.WriteRune(rune(b[i])<<8 | rune(b[i+1]))
			}
			out.WriteByte(' ')
		}
	}
	if out.Len() == 0 {
		t.Error("no text was found in the PDF")
	}
	return out.String()
}
