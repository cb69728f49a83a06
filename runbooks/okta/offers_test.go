package okta_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/okta"
	"github.com/countersign-bot/countersign/runbooks/runbooktest"
)

// TestReq_R72_TheSystemLogNamesTheGrant: Okta's log has the caller's user agent with every change, which names grant and holder.
func TestReq_R72_TheSystemLogNamesTheGrant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f, id := newFront(t, w.emulator), w.group(t)
	g := grant(0, okta.ParamGroup, id)
	g.Holder = "Maya Chen"
	runbooktest.Told(t, open(t, f, id), g, func() []string {
		f.mu.Lock()
		defer f.mu.Unlock()
		out := f.heard
		f.heard = nil
		return out
	})
}

// TestReq_R64_OffersAndPlans: forms offer what scope names and people fill, and a plan says what changes; groups that Okta fills, and what is gone, are left out.
func TestReq_R64_OffersAndPlans(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f, group, app := newFront(t, w.emulator), w.group(t), w.app(t)
	c := open(t, f, group, app, "00g_everyone", "00g_gone")
	var offers []string
	for o, err := range c.ListOffers(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		offers = append(offers, o.Name+" "+o.Description)
	}
	if !slices.Equal(offers, []string{group + " billing-1", app + " Billing 2"}) {
		t.Errorf("offered: %q", offers)
	}
	for param, id := range map[string]string{okta.ParamGroup: group, okta.ParamApp: app} {
		plan, err := c.Plan(t.Context(), grant(0, param, id))
		if err != nil || len(plan.Changes) != 1 || !strings.Contains(plan.Changes[0], login("maya")) || !strings.Contains(plan.Changes[0], id) {
			t.Errorf("%s: %+v (%v)", param, plan, err)
		}
	}
	g := grant(0, okta.ParamGroup, group)
	g.Account = login("gone")
	if _, err := c.Plan(t.Context(), g); runbooks.ClassOf(err) != runbooks.Refuse {
		t.Errorf("a plan for an account that is not active: %v", err)
	}
}
