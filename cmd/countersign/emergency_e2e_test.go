package main

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/runs"
)

// sheetOf prints a sheet of codes for somebody, by whoever keeps them.
func (w *world) sheetOf(person string) []string {
	w.t.Helper()
	codes := regexp.MustCompile(`[A-Z2-9]{4}(?:-[A-Z2-9]{4}){3}`).FindAllString(w.must("codes", "new", "-for-person", person), -1)
	if len(codes) != 10 {
		w.t.Fatalf("%d codes on a sheet", len(codes))
	}
	return codes
}

// enter opens the pages for emergencies with a printed code.
func (w *world) enter(person, code string) *visitor {
	w.t.Helper()
	v := w.visitor()
	v.get(w.child.url() + "/emergency")
	if v.send("/emergency/login", map[string]string{"name": person, "code": code}); v.status != http.StatusOK {
		w.t.Fatalf("%s signing in (%d):\n%s", person, v.status, v.page)
	}
	return v
}

// TestReq_R65_TheSecondPersonProvesItOnThePage is a night on the page for emergencies alone. Somebody opens an incident there, invokes for it, and
// takes the steps; what is refused comes back with what was typed, and is recorded. A day later nobody has reviewed it: going around a condition
// then needs a second person, whose click in Slack is refused with the reason in the ledger. Slack goes away, and they agree on the page.
func TestReq_R65_TheSecondPersonProvesItOnThePage(t *testing.T) {
	t.Parallel()
	w := portalWorld(t, "sofia", aroundBook(t))
	w.preapprove("around", "Around a condition")
	kenjis, jonass := w.sheetOf("kenji"), w.sheetOf("jonas")
	v := w.enter("kenji", kenjis[0])
	v.send("/emergency/incident", map[string]string{"title": "The shop is down", "severity": "2"})
	incident := incidentIn.FindString(v.page)
	said(t, v.page, "You command "+incident)

	around := w.child.url() + "/emergency/runbook/around"
	v.get(around)
	answers := map[string]string{"incident": "INC-77", "reason": "nobody can buy anything", "field.key": w.people["kenji"].public()}
	said(t, v.send("/around", answers), "Incident INC-77 is not known", `value="nobody can buy anything"`, `value="INC-77"`)
	if e := w.refusals("break glass")[0].Event.(workflows.Refused); v.status != http.StatusForbidden || e.About != "INC-77" || !slices.Equal(e.Failed, []string{incidents.CondIncident}) {
		t.Errorf("%d, recorded as %+v", v.status, e)
	}
	answers["incident"] = incident
	said(t, v.get(around), `value="`+incident+`"`, "SEV-2 The shop is down")
	said(t, v.send("/around", answers), "Break the glass for "+incident+"?", "Jonas Weber", "Sofia Rossi, due by ", " in Asia/Tokyo)")
	v.send("/around", nil)
	used := w.recorded(incidents.Invoked{}.Kind(), 1)[0].Event.(incidents.Invoked)
	v.get(w.child.url() + "/emergency")
	said(t, v.page, "Checklists", "/emergency/run/"+string(used.Run))
	checklist := w.child.url() + "/emergency/run/" + string(used.Run)
	v.get(checklist)
	if v.send(string(used.Run), map[string]string{"do": "skip"}); v.status != http.StatusForbidden {
		t.Errorf("left out without a reason (%d):\n%s", v.status, v.page)
	}
	v.get(checklist)
	said(t, v.send(string(used.Run), map[string]string{"do": "done", "note": "logged in"}), "Kenji Mori: logged in")
	if e := w.recorded(runs.StepDone{}.Kind(), 1)[0].Event.(runs.StepDone); e.Authn != workflows.AuthnCode || e.Channel != "web" || e.Step != 1 {
		t.Errorf("the step is recorded as %+v", e)
	}
	if other := w.enter("jonas", jonass[0]); !strings.Contains(other.get(checklist), "There is no such checklist") && other.status == http.StatusOK && !strings.Contains(other.page, "logged in") {
		t.Errorf("somebody of its lists reads neither the checklist nor that it is not theirs:\n%s", other.page)
	}

	w.later(25 * time.Hour)
	w.recorded("review.overdue", 1)
	v = w.enter("kenji", kenjis[1])
	v.get(around)
	answers["incident"], answers["tier"] = "INC-78", incidents.TierBreakGlass
	said(t, v.send("/around", answers), "A second listed person has to agree", "Ask a second person now", "Incident INC-78 is not known")
	said(t, v.send("/around", nil), "Recorded, and not done yet", "countersign runbook agree x_")
	proposal := regexp.MustCompile(`x_[0-9a-z]{26}`).FindString(v.page)
	w.clickIsNotEnough(proposal)

	w.slackDown()
	j := w.enter("jonas", jonass[1])
	said(t, j.page, "Do you agree? Around a condition", "Kenji Mori wants to break the glass in INC-78", "nobody can buy anything")
	said(t, j.send("/emergency/agree", nil), "Recorded. You are named beside whoever asked.")
	second := w.recorded(incidents.Invoked{}.Kind(), 2)[1].Event.(incidents.Invoked)
	if second.Tier != incidents.TierBreakGlass || second.SecondBy != workflows.AuthnCode || second.Second == "" || second.Proposal != proposal {
		t.Errorf("recorded as %+v", second)
	}
	v.get(w.child.url() + "/emergency/grant/" + string(second.Grant))
	if _, err := until(t.Context(), "the access on the page", func() (string, bool) {
		return v.page, strings.Contains(v.get(v.at.String()), "active, until")
	}); err != nil {
		t.Error(err)
	}
	w.verify()
}

// clickIsNotEnough holds that the message that asks the second person has no button, and that the command in Slack is refused with the reason.
func (w *world) clickIsNotEnough(proposal string) {
	w.t.Helper()
	ctx, t := w.t.Context(), w.t
	m, err := w.dm(ctx, "jonas", "Do you agree?", "INC-78")
	w.check(err)
	said(t, m.Visible(), "To agree takes more than a click", "countersign runbook agree "+proposal)
	if drawn := fmt.Sprintf("%+v", m.Blocks); strings.Contains(drawn, screens.ActConfirmGlass) || strings.Contains(drawn, "/breakglass agree") {
		t.Errorf("a click is offered:\n%s", m.Visible())
	}
	w.check(w.command(ctx, "jonas", "/breakglass", "agree "+proposal))
	no, err := until(ctx, "the refused click", func() (workflows.Refused, bool) {
		for _, r := range w.refusals("break glass") {
			if e := r.Event.(workflows.Refused); e.Code == workflows.CodeStepUp {
				return e, true
			}
		}
		return workflows.Refused{}, false
	})
	w.check(err)
	if no.About != "INC-78" || !slices.Equal(no.Failed, []string{incidents.CondIncident}) {
		t.Errorf("recorded as %+v", no)
	}
	if n := len(w.entries(incidents.Invoked{}.Kind())); n != 1 {
		t.Errorf("%d uses", n)
	}
}
