package bot_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/slack/slacksim"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
	"github.com/countersign-bot/countersign/workflows/desk"
)

type always []workflows.PersonID

func (a always) On(workflows.Stamp) []workflows.PersonID { return a }

func (a always) Changes(_, _ workflows.Stamp) ([]calendar.Change, error) { return nil, nil }

// home is what somebody's Home page shows after they opened it.
func (w *world) home(user string) slacksim.View {
	w.t.Helper()
	w.openHome(user)
	v, _ := w.sim.Home(user)
	return v
}

// A long inbox is turned over; every entry is reached, none twice, and opening the page again begins at its start.
func TestHomeTurnsPages(t *testing.T) {
	w := start(t, nil)
	var ids []workflows.RequestID
	for i := range 12 {
		ids = append(ids, w.ask([]string{"maya", "sofia", "priya"}[i%3], fmt.Sprintf("reason number %02d of many", i)))
	}
	first := w.home("jonas").Visible()
	wantIn(t, first, "1 to 5 of 12")
	seen := map[workflows.RequestID]int{}
	count := func() {
		v, _ := w.sim.Home("jonas")
		for _, id := range ids {
			if strings.Contains(v.Visible(), string(id)) {
				seen[id]++
			}
		}
	}
	count()
	for range 2 {
		w.do(w.sim.ClickHome(w.ctx, "jonas", "home.page"))
		count()
	}
	for _, id := range ids {
		if seen[id] != 1 {
			t.Errorf("%s was shown %d times", id, seen[id])
		}
	}
	v, _ := w.sim.Home("jonas")
	wantIn(t, v.Visible(), "11 to 12 of 12")
	w.do(w.sim.ClickHome(w.ctx, "jonas", "home.page.back"))
	v, _ = w.sim.Home("jonas")
	wantIn(t, v.Visible(), "6 to 10 of 12")
	wantIn(t, w.home("jonas").Visible(), "1 to 5 of 12")
}

// TestHomePagesThroughOwnedIdentities: whoever answers for many identities sees five of them at a time, each once.
func TestHomePagesThroughOwnedIdentities(t *testing.T) {
	w := start(t, func(_ *slacksim.Config, p *desk.Policy, w *world) {
		for i := range 12 {
			id := workflows.IdentityID(fmt.Sprintf("svc-%02d", i))
			p.Identities[id] = desk.Identity{ID: id, Class: "service_account", Owner: w.people["jonas"], Purpose: "does its part", ExpiresOn: "2027-05-01"}
		}
	})
	view := w.home("jonas")
	seen := map[string]int{}
	for turn := range 3 {
		for i := range 12 {
			if id := fmt.Sprintf("svc-%02d", i); strings.Contains(view.Visible(), id) {
				seen[id]++
			}
		}
		if turn < 2 {
			w.do(w.sim.ClickHome(w.ctx, "jonas", "home.page"))
			view, _ = w.sim.Home("jonas")
		}
	}
	wantIn(t, view.Visible(), "11 to 12 of 12")
	for i := range 12 {
		if id := fmt.Sprintf("svc-%02d", i); seen[id] != 1 {
			t.Errorf("%s was shown %d times", id, seen[id])
		}
	}
}

// What waits can be handed to a colleague right from the Home page; who is on duty and what one answers for stands there too.
func TestHomeDelegatesAndSaysWhoIsOnDuty(t *testing.T) {
	w := start(t, func(_ *slacksim.Config, p *desk.Policy, w *world) {
		p.Identities["svc-deploy"] = desk.Identity{
			ID: "svc-deploy", Class: "service_account", Name: "Deploy bot", Owner: w.people["jonas"], Backup: w.people["sofia"], Purpose: "deploys the shop", ExpiresOn: "2027-05-01",
		}
		p.Rotations = map[string]desk.Rotation{"dba": {Name: "dba", Shifts: always{w.people["jonas"], w.people["priya"]}}}
	})
	id := w.ask("maya", "deploy hotfix now")
	wantIn(t, w.home("jonas").Visible(), "Delegate…", "Identities you answer for", "Deploy bot", "until 2027-05-01", "On duty now", "*you*", "Priya Nair")
	wantIn(t, w.home("sofia").Visible(), "you stand in for the owner")
	w.m.pass(time.Second)
	w.home("jonas")
	w.do(w.sim.ClickHome(w.ctx, "jonas", "away.delegate"))
	form, _ := w.sim.View("jonas")
	wantIn(t, form.Visible(), "Delegate", "Maya Chen")
	w.submit("jonas", map[string]map[string]any{"away_delegate": {"value": w.sim.UserID("kenji")}})
	w.run()
	w.click("kenji", w.card("access"), "request.approve")
	w.run()
	votes := w.state(id).State.Stages[0].Votes
	if len(votes) != 1 || votes[0].Person != w.people["kenji"] {
		t.Fatalf("kenji's vote in jonas' place: %+v\n%s", votes, w.heard("kenji"))
	}
}
