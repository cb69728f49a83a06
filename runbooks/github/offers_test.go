package github_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/github"
	"github.com/countersign-bot/countersign/runbooks/runbooktest"
)

// TestReq_R72_TheAuditLogNamesTheGrant: GitHub's audit log has the caller's user agent with every change, which names grant and holder.
func TestReq_R72_TheAuditLogNamesTheGrant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f, repo := newFront(t, w.emulator), w.repository(t)
	g := grant(0, map[string][]string{github.ParamRepository: {repo}, github.ParamRole: {"push"}})
	g.Holder = "Maya Chen"
	runbooktest.Told(t, open(t, f, repo), g, func() []string {
		f.mu.Lock()
		defer f.mu.Unlock()
		out := f.heard
		f.heard = nil
		return out
	})
}

// TestReq_R85_OffersAndPlans: roles on repositories and teams can be picked, and a plan says what changes; what somebody holds by another hand is refused
// before anybody approves it.
func TestReq_R85_OffersAndPlans(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f, repo, team := newFront(t, w.emulator), w.repository(t), w.team(t)
	_, f.team, _ = strings.Cut(team, "/")
	c := open(t, f, repo, "northwind")
	var offers []string
	for o, err := range c.ListOffers(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		offers = append(offers, o.Name)
	}
	if !slices.Equal(offers, []string{repo + " pull", repo + " triage", repo + " push", repo + " maintain", repo + " admin", "team " + team}) {
		t.Errorf("offered: %q", offers)
	}
	for want, params := range map[string]map[string][]string{
		"maya gets the role push on " + repo:        {github.ParamRepository: {repo}, github.ParamRole: {"push"}},
		"maya becomes a member of the team " + team: {github.ParamTeam: {team}},
	} {
		if plan, err := c.Plan(t.Context(), grant(0, params)); err != nil || len(plan.Changes) != 1 || !strings.HasPrefix(plan.Changes[0], want) {
			t.Errorf("%+v (%v), want %s", plan, err, want)
		}
	}
	hand(t, "PUT", w.emulator+"/repos/"+repo+"/collaborators/sofia", map[string]string{"permission": "maintain"}, nil)
	if _, err := c.Plan(t.Context(), grant(2, map[string][]string{github.ParamRepository: {repo}, github.ParamRole: {"push"}})); runbooks.ClassOf(err) != runbooks.Refuse {
		t.Errorf("over another role: %v", err)
	}
}
