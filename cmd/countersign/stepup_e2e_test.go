package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

// highRisk puts everything of the demo's company into a tier of risk that wants more than a click.
func highRisk(t *testing.T) func(dir string) {
	return func(dir string) {
		const table = "tiers:\n  - {name: low, longest: 8h, approvers: 0}\n  - {name: high, longest: 8h, approvers: 1, step_up: true}\nrows:\n  - {tier: high}\n"
		if err := os.WriteFile(filepath.Join(dir, "risk.yaml"), []byte(table), 0o600); err != nil {
			t.Fatal(err)
		}
		all, err := filepath.Glob(filepath.Join(dir, "targets", "*.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range all {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			text := regexp.MustCompile(`(?m)^    review_date: .*$`).ReplaceAllString(string(b), "$0\n    action: write\n    breadth: one")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

var decideIn = regexp.MustCompile(`http://127\.0\.0\.1:[0-9]+/decide/(r_[0-9a-z]+)`)

// askPortal asks for the portal and gives the approver's message, the page that it leads to, and the request.
func (w *world) askPortal(reason string) (page, id string) {
	w.t.Helper()
	w.form("maya", "portal-login")
	w.check(w.submit(w.t.Context(), "maya", map[string]any{screens.BlockDuration: "1h", screens.BlockReason: reason}))
	m := w.dmTo("jonas", reason)
	drawn := fmt.Sprintf("%+v", m.Blocks)
	found := decideIn.FindStringSubmatch(drawn)
	if found == nil || !strings.Contains(m.Visible(), "approving takes more than a click") {
		w.t.Fatalf("the approver is not led to a page:\n%s", m.Visible())
	}
	if strings.Contains(drawn, "action_id:"+screens.ActApprove+" ") || strings.Contains(m.Visible(), "[Approve]") {
		w.t.Error("there is a button to approve by a click")
	}
	return found[0], found[1]
}

// TestReq_R30_ATierWantsMoreThanAClick: with such a tier the card has no button to approve. The page of the request is opened by a printed
// code for five minutes, the bot's host by the kernel's word; the record says which, and what a page does not know it does not tell.
func TestReq_R30_ATierWantsMoreThanAClick(t *testing.T) {
	t.Parallel()
	w := portalWorld(t, "jonas", highRisk(t))
	out, code := w.run("codes", "new")
	sheet := regexp.MustCompile(`[A-Z2-9]{4}(?:-[A-Z2-9]{4}){3}`).FindAllString(out, -1)
	if code != exitDone || len(sheet) != 10 {
		t.Fatalf("printing codes (exit %d): %s", code, out)
	}
	const reason = "an order that the supplier cannot find"
	page, id := w.askPortal(reason)

	v := w.visitor()
	if got := v.get(page); v.status != http.StatusOK || strings.Contains(got, reason) || strings.Contains(got, "Maya") {
		t.Errorf("the page tells somebody who proved nothing (%d):\n%s", v.status, got)
	}
	w.wantHeaders(v.header)
	if v.send("/code", map[string]string{"name": "jonas", "code": "AAAA-AAAA-AAAA-AAAA"}); v.status != http.StatusForbidden {
		t.Errorf("a wrong code: %d", v.status)
	}
	v.get(page)
	if got := v.send("/code", map[string]string{"name": "jonas", "code": sheet[0]}); !strings.Contains(got, reason) || !strings.Contains(got, "Maya Chen") {
		t.Fatalf("the page of who proved it (%d):\n%s", v.status, got)
	}
	v.send("/"+id, map[string]string{"verdict": "approve"})
	vote := w.recorded(workflows.VoteRecorded{}.Kind(), 1)[0].Event.(workflows.VoteRecorded)
	if vote.Authn != workflows.AuthnCode || vote.Channel != "web" || vote.Verdict != workflows.Approve {
		t.Errorf("recorded as %+v", vote)
	}
	w.recorded(grants.Started{}.Kind(), 1)
	if got := v.get(w.child.url() + "/emergency"); strings.Contains(got, "Jonas Weber") {
		t.Error("the page of one request opens those for emergencies")
	}

	_, id = w.askPortal("another order that the supplier cannot find")
	if out, code := w.run("approve", id, "-yes"); code != exitDone {
		t.Fatalf("approving on the host (exit %d): %s", code, out)
	}
	vote = w.recorded(workflows.VoteRecorded{}.Kind(), 2)[1].Event.(workflows.VoteRecorded)
	if vote.Authn != workflows.AuthnHost || vote.Channel != viaCLI {
		t.Errorf("recorded as %+v", vote)
	}
	for _, r := range w.entries(workflows.Submitted{}.Kind()) {
		if !r.Event.(workflows.Submitted).StepUp {
			t.Error("the submission does not say that a click is not enough")
		}
	}
	w.recorded(grants.Started{}.Kind(), 2) // an answer of the target that comes after the end is taken back once more
	w.later(61 * time.Minute)
	w.recorded(grants.Revoked{}.Kind(), 2)
	w.verify()
}

// aroundBook adds a runbook whose short list goes around its conditions with more than a click.
func aroundBook(t *testing.T) func(config string) {
	return func(config string) {
		text, err := demoFiles.ReadFile("demo/org/runbooks/web-outage.md")
		mustSay(t, err)
		book := strings.NewReplacer("id: web-outage", "id: around", "title: The web shop is down", "title: Around a condition",
			"skips: prod-root", "incident_required: true\nbreak_glass: {people: [kenji, jonas], longest: 10m, step_up: true}\nskips: prod-root").Replace(string(text))
		mustSay(t, os.WriteFile(filepath.Join(config, "runbooks", "around.md"), []byte(book), 0o600))
	}
}

// goesAround holds that Slack only names the ways that are enough to go around a condition, and refuses a click that claims it with the reason in the
// ledger; the page that a printed code opened does it, for the shorter time.
func (w *world) goesAround(v *visitor) {
	w.t.Helper()
	ctx, t := w.t.Context(), w.t
	w.check(w.command(ctx, "kenji", "/breakglass", "around INC-10"))
	screen, err := w.view(ctx, "kenji", screens.CallInvoke)
	w.check(err)
	drawn := fmt.Sprintf("%+v", screen.Blocks)
	said(t, drawn, "Going around it takes more than a click", w.child.url()+"/emergency|", "countersign runbook invoke around INC-10 -tier break_glass", "Ask the chain prod-root")
	if strings.Contains(drawn, "Go around it: break the glass") {
		t.Errorf("a click is offered: %s", drawn)
	}
	incident := incidentIn.FindString(w.must("incident", "open", "2", "The shop is down again"))
	w.check(w.command(ctx, "kenji", "/breakglass", "around "+incident))
	_, err = until(ctx, "the screen before the click", func() (bool, bool) {
		v, ok := w.slack.View(w.slackID("kenji"))
		return ok, ok && v.CallbackID == screens.CallInvoke && strings.Contains(v.Visible(), incident)
	})
	w.check(err)
	w.must("incident", "close", incident, "It serves again.")
	w.check(w.submit(ctx, "kenji", map[string]any{screens.BlockReason: "it is down all the same", "field:key": w.people["kenji"].public()}))
	answer, err := until(ctx, "the refused click", func() (workflows.Refused, bool) {
		for _, r := range w.refusals("break glass") {
			if e := r.Event.(workflows.Refused); e.Code == workflows.CodeStepUp {
				return e, true
			}
		}
		return workflows.Refused{}, false
	})
	w.check(err)
	if answer.About != incident || !slices.Equal(answer.Failed, []string{incidents.CondIncident}) {
		t.Errorf("recorded as %+v", answer)
	}
	v.get(w.child.url() + "/emergency/runbook/around")
	page := v.send("/around", map[string]string{
		"incident": "INC-10", "reason": "nobody has opened an incident yet", "tier": incidents.TierBreakGlass, "field.key": w.people["kenji"].public(),
	})
	if !strings.Contains(page, "the access then lasts 10m") {
		t.Fatalf("before it is gone around (%d):\n%s", v.status, page)
	}
	v.send("/around", nil)
	used := w.recorded("runbook.invoked", 2)[1]
	if e := used.Event.(incidents.Invoked); e.Tier != incidents.TierBreakGlass || e.Authn != workflows.AuthnCode || e.EndsAt.Sub(used.At.UTC) != 10*time.Minute {
		t.Errorf("recorded as %q by %q until %s", e.Tier, e.Authn, e.EndsAt)
	}
}
